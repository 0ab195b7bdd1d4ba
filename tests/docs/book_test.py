"""The book: included parts are what the examples are, links lead somewhere, every page is in a chapter, and it can be made.

Each test that needs a book of its own works on a copy of the text, so that it can be spoilt.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["KEYWAY_SOURCE"])


def book(root, *words):
    done = subprocess.run([sys.executable, root / "docs/book.py", *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


class Book(unittest.TestCase):
    def copy(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="keyway-book-"))
        self.addCleanup(shutil.rmtree, folder)
        tree = folder / "tree"
        tree.mkdir()
        for entry in SOURCE.iterdir():
            if entry.name in ("docs", "examples"):
                shutil.copytree(entry, tree / entry.name)
            elif entry.is_file():
                shutil.copy(entry, tree)
            elif entry.name in ("host", "sim"):
                shutil.copytree(entry / "include", tree / entry.name / "include")
                for part in entry.iterdir():
                    if part.name not in ("include", "daemon"):
                        (tree / entry.name / part.name).symlink_to(part)
                if entry.name == "host":
                    shutil.copytree(entry / "daemon", tree / "host/daemon")
            else:
                (tree / entry.name).symlink_to(entry)
        return tree

    def test_is_current_and_its_links_lead_somewhere(self):
        self.assertEqual(book(SOURCE, "check"), (0, ""))

    def spoil(self, tree, page, old, new, says):
        path = tree / page
        before = path.read_text()
        self.assertIn(old, before)
        path.write_text(before.replace(old, new, 1))
        code, said = book(tree, "check")
        path.write_text(before)
        self.assertEqual(code, 1, (page, new))
        self.assertIn(says, said)

    def test_notices_what_is_stale_or_leads_nowhere(self):
        tree = self.copy()
        self.spoil(tree, "examples/recipes/request.py", "timeout=10", "timeout=11", "recipes.md: what it includes has changed")
        self.spoil(tree, "docs/recipes.md", "timeout=10", "timeout=11", "recipes.md: what it includes has changed")
        self.spoil(tree, "docs/recipes.md", "<!-- end -->\n\n#", "\n#", "recipes.md: ")
        self.spoil(tree, "docs/index.md", "start.md", "begin.md", "begin.md leads nowhere")
        self.spoil(tree, "docs/concepts.md", "#handing-out-a-right", "#handing-in", "there is no such heading")
        self.spoil(tree, "mkdocs.yml", "start.md", "begin.md", "docs/start.md: in no chapter")
        self.spoil(tree, "docs/pictures/parts.svg", "ring", "rang", "parts.svg: stale")
        self.spoil(tree, "docs/policy.md", "to the router", "to a router", "keyway-policy.5.in: stale")
        self.spoil(tree, "host/daemon/keyway-policy.5.in", "to the router", "to a router", "keyway-policy.5.in: stale")
        code, said = book(tree, "check")
        self.assertEqual((code, said), (0, ""))

    def test_brings_included_parts_up_to_date(self):
        tree = self.copy()
        recipe = tree / "examples/recipes/request.py"
        recipe.write_text(recipe.read_text().replace("timeout=10", "timeout=11"))
        self.assertEqual(book(tree, "update"), (0, ""))
        self.assertIn("timeout=11", (tree / "docs/recipes.md").read_text())
        policy = tree / "docs/policy.md"
        policy.write_text(policy.read_text().replace("to the router", "to a router"))
        self.assertEqual(book(tree, "update"), (0, ""))
        self.assertIn("to a router", (tree / "host/daemon/keyway-policy.5.in").read_text().lower())
        self.assertEqual(book(tree, "check"), (0, ""))

    def test_can_be_made_without_a_warning(self):
        for tool in ("mkdocs", "doxygen"):
            if shutil.which(tool) is None:
                self.skipTest(f"there is no {tool}: ./dev docs installs it")
        with tempfile.TemporaryDirectory() as folder:
            code, said = book(SOURCE, "build", folder)
            self.assertEqual(code, 0, said)
            site = pathlib.Path(folder) / "site"
            recipes = (site / "recipes.html").read_text()
            self.assertNotIn("include examples", recipes)
            self.assertIn("connection.reply(call, call.text.upper())", re.sub(r"<[^>]*>", "", recipes))
            self.assertIn("pictures/parts.svg", (site / "concepts.html").read_text())
            self.assertTrue((site / "reference/ipc_8h.html").is_file())

    @unittest.skipUnless(shutil.which("doxygen"), "there is no doxygen: ./dev docs installs it")
    def test_notices_a_public_member_that_is_not_described(self):
        tree = self.copy()
        host, sim = tree / "host/include/keyway", tree / "sim/include/keyway/sim"
        for path, anchor, added in (
                (host / "connection.hpp", "    /// Gives the room back.", "    int undescribed_function() const;\n\n"),
                (host / "connection.hpp", "/// An authority as", "struct undescribed_struct {\n    int undescribed_part;\n};\n\n"),
                (host / "observe.hpp", "    std::uint64_t published_ns", "    int undescribed_field = 0;\n"),
                (host / "stream.hpp", "    kEnded,  ", "    undescribed_value,\n"),
                (host / "ipc.h", "/* The bits of a received", "#define undescribed_macro 1\n\n"),
                (host / "protocol.hpp", "/// Header flags, a bit each.", "inline constexpr int undescribed_number = 1;\n\n"),
                (sim / "router.hpp", "    /// One clock.", "    void undescribed_tick();\n")):
            before = path.read_text()
            self.assertEqual(before.count(anchor), 1, anchor)
            path.write_text(before.replace(anchor, added + anchor))
        code, said = book(tree, "reference", tree / "reference")
        self.assertNotEqual(code, 0, said)
        names = ["field", "function", "macro", "number", "part", "struct", "tick", "value"]
        undescribed = re.findall(r"(undescribed_\w+).* is not documented", said)
        self.assertEqual(sorted(set(undescribed)), [f"undescribed_{name}" for name in names], said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
