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
        code, said = book(tree, "check")
        self.assertEqual((code, said), (0, ""))

    def test_brings_included_parts_up_to_date(self):
        tree = self.copy()
        recipe = tree / "examples/recipes/request.py"
        recipe.write_text(recipe.read_text().replace("timeout=10", "timeout=11"))
        self.assertEqual(book(tree, "update"), (0, ""))
        self.assertIn("timeout=11", (tree / "docs/recipes.md").read_text())
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
