"""What `cmake --install` puts where, and that programs outside the tree can be built with it and nothing else.

Environment: KEYWAY_BUILD the build folder, KEYWAY_SOURCE the source.
"""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["KEYWAY_BUILD"])
SOURCE = pathlib.Path(os.environ["KEYWAY_SOURCE"])
LIBRARY = BUILD / "host" / "libkeyway.so"


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)
    return done.returncode, done.stdout


class Install(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keyway-install-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def install(self, prefix, *options):
        code, said = run("cmake", "--install", BUILD, "--prefix", prefix, *options,
                         env={**os.environ, "DESTDIR": str(self.folder)})
        self.assertEqual(code, 0, said)
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*")
                      if path.is_symlink() or path.is_file())

    def test_programs_outside_the_tree_build_and_run(self):
        prefix = self.folder / "prefix"
        for component in ("library", "dev"):
            code, said = run("cmake", "--install", BUILD, "--prefix", prefix, "--component", component)
            self.assertEqual(code, 0, said)
        code, said = run(SOURCE / "tests/install/outside/try.sh", self.folder / "work", prefix)
        self.assertEqual(code, 0, said)

    def test_every_file_belongs_to_exactly_one_component(self):
        scripts = "".join(path.read_text() for path in BUILD.rglob("cmake_install.cmake"))
        components = set(re.findall(r'CMAKE_INSTALL_COMPONENT STREQUAL "(\w+)"', scripts))
        self.assertGreaterEqual(components, {"library", "dev", "daemon", "tools", "rtl"})
        self.assertNotIn("Unspecified", components)
        everything = self.install("/usr")
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        by_parts = []
        for component in components:
            by_parts += self.install("/usr", "--component", component)
            shutil.rmtree(self.folder)
            self.folder.mkdir()
        self.assertEqual(sorted(by_parts), everything)

    def test_the_daemon_comes_with_its_unit_its_user_and_its_boards_rules(self):
        files = self.install("/usr", "--component", "daemon")
        for wanted in ("usr/bin/keywayd", "usr/lib/systemd/system/keywayd.service", "usr/lib/systemd/system/keywayd.socket",
                       "usr/lib/sysusers.d/keyway.conf", "usr/lib/udev/rules.d/60-keyway.rules"):
            self.assertIn(wanted, files)

    def test_the_systemd_units_are_sound(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("there is no systemd-analyze")
        self.install("/usr", "--component", "daemon")
        units = self.folder / "usr/lib/systemd/system"
        # It looks for the program where the unit says; a link there would be outside the test's folder.
        service = (units / "keywayd.service").read_text()
        (units / "keywayd.service").write_text(service.replace("ExecStart=keywayd", f"ExecStart={self.folder}/usr/bin/keywayd"))
        code, said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", units / "keywayd.service",
                         units / "keywayd.socket")
        self.assertEqual((code, said), (0, ""))

    def test_the_policy_of_the_administrator_is_kept(self):
        etc = BUILD / "CMakeCache.txt"
        prefix = re.search(r"CMAKE_INSTALL_PREFIX:PATH=(.*)", etc.read_text())[1]
        self.install(prefix, "--component", "daemon")
        policy = next(self.folder.rglob("policy.toml"))
        self.assertEqual(stat.S_IMODE(policy.stat().st_mode) & 0o022, 0)
        policy.write_text("version = 1\n")
        self.install(prefix, "--component", "daemon")
        self.assertEqual(policy.read_text(), "version = 1\n")


class Interface(unittest.TestCase):
    CHECK = SOURCE / "host/abi/abi_check.py"

    def test_the_shared_library_shows_what_the_list_says(self):
        code, said = run(sys.executable, self.CHECK, LIBRARY)
        self.assertEqual(code, 0, said)

    def test_a_symbol_that_is_gone_or_new_is_noticed(self):
        listed = (SOURCE / "host/abi/symbols.txt").read_text().splitlines()
        with tempfile.NamedTemporaryFile("w+", suffix=".txt") as other:
            for lines, word in ((listed[1:], "1 symbols are new"),
                                (listed + ["KEYWAY_1 function ipc_was_there"], "1 symbols are gone")):
                other.seek(0)
                other.truncate()
                other.write("\n".join(lines) + "\n")
                other.flush()
                code, said = run(sys.executable, self.CHECK, LIBRARY, "--list", other.name)
                self.assertEqual(code, 1)
                self.assertIn(word, said)

    def test_every_function_of_the_c_header_is_shown_under_its_version(self):
        header = (SOURCE / "host/include/keyway/ipc.h").read_text()
        declared = set(re.findall(r"IPC_API[^;(]*?\b(ipc_\w+)\(", header))
        self.assertGreater(len(declared), 20)
        listed = (SOURCE / "host/abi/symbols.txt").read_text().splitlines()
        self.assertEqual({line.split()[2] for line in listed if line.startswith("KEYWAY_1 ")}, declared)

    def test_nothing_of_the_inside_is_shown(self):
        code, said = run("nm", "--dynamic", "--defined-only", "--demangle", LIBRARY)
        self.assertEqual(code, 0, said)
        for word in ("::Impl::", "toml::", "nlohmann::", "keyway::ring", "keyway::core", "keyway::link", "keyway::audit"):
            self.assertNotIn(word, said)


class HardwareSources(unittest.TestCase):
    def test_the_core_file_lists_what_the_plain_list_does(self):
        plain = [line.strip() for line in (SOURCE / "rtl/keyway_router.f").read_text().splitlines()
                 if line.strip() and not line.startswith(("//", "#", "+", "-"))]
        core = re.findall(r"^      - (\S+\.sv)$", (SOURCE / "rtl/keyway.core").read_text(), re.MULTILINE)
        self.assertEqual(core, plain, "rtl/keyway.core and rtl/keyway_router.f list different files")
        for name in plain:
            self.assertTrue((SOURCE / "rtl" / name).is_file(), name)

    def test_the_core_file_is_yaml_of_the_kind_that_fusesoc_reads(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("there is no python3-yaml")
        text = (SOURCE / "rtl/keyway.core").read_text()
        self.assertEqual(text.splitlines()[0], "CAPI=2:")
        core = yaml.safe_load(text)
        for target in core["targets"].values():
            self.assertEqual(target["toplevel"], "keyway_router")
            self.assertLessEqual(set(target["filesets"]), set(core["filesets"]))

    def test_the_core_file_has_the_version_of_the_project(self):
        version = re.search(r"^project\(keyway VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
        self.assertIn(f"\nname: ::keyway:{version}\n", (SOURCE / "rtl/keyway.core").read_text())

    def test_what_is_installed_is_complete(self):
        with tempfile.TemporaryDirectory() as folder:
            code, said = run("cmake", "--install", BUILD, "--prefix", folder, "--component", "rtl")
            self.assertEqual(code, 0, said)
            place = pathlib.Path(folder) / "share/keyway/rtl"
            for name in (*(place / "keyway_router.f").read_text().split(), "lint.vlt", "keyway.core", "constraints/hx8k.pcf"):
                self.assertTrue((place / name).is_file(), name)
            self.assertFalse(list(place.rglob("CMakeLists.txt")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
