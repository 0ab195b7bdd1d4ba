"""./dev hil: the driver beside a device, in a real kernel.

Without a board: QEMU emulates a machine (no virtualisation is needed) with Debian's own kernel, and keyway-simdev is the
device in its USB port, by usbredir. The kernel's usbfs and the real libusb stand between the two. tests/hil/programs says what is
run. With --board the same programs run here, beside a board that is plugged in.

Exit codes: 0 all is well, 1 something failed, 3 something that it needs is missing."""

import argparse
import lzma
import os
import pathlib
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGETS = ["keyway-simdev", "hil_test", "host/tool/keyway", "conformance_hil"]
MODULES = ["usb/common/usb-common", "usb/core/usbcore", "usb/host/xhci-hcd", "usb/host/xhci-pci"]
LIMIT = 150  # seconds for the machine


def missing(text):
    print(f"hil: {text}", file=sys.stderr)
    sys.exit(3)


def run(command, **options):
    return subprocess.run(command, check=True, **options)


def programs(build, wanted):
    """Lists of words; the first is a program's path."""
    lines = wanted or [line for line in (HERE / "programs").read_text().splitlines()
                       if line.strip() and not line.startswith("#")]
    split = [shlex.split(line) for line in lines]
    return [[str(build / words[0]), *words[1:]] for words in split]


# ---- The kernel ---------------------------------------------------------------------------------------------------


def kernel(cache):
    """The folder with vmlinux and modules of Debian's kernel, which is fetched once and not installed."""
    done = cache / "kernel"
    if (done / "vmlinux").exists():
        return done
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True).stdout
    names = [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]
    if not names:
        missing("apt does not know a kernel (linux-image-amd64); apt-get update, then try again")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        print(f"== fetching {names[0]}: it is unpacked here and not installed", flush=True)
        got = subprocess.run(["apt-get", "-q", "download", names[0]], cwd=work, capture_output=True, text=True)
        packages = list(pathlib.Path(work).glob("*.deb"))
        if got.returncode != 0 or not packages:
            missing(f"{names[0]} can't be fetched: {got.stderr.strip()}")
        unpack = f"dpkg-deb --fsys-tarfile {shlex.quote(str(packages[0]))} | tar -x --wildcards './boot/vmlinuz-*' " \
                 "'./lib/modules/*/kernel/drivers/usb/*'"
        run(["bash", "-o", "pipefail", "-c", unpack], cwd=work)
        made = pathlib.Path(work) / "made"
        made.mkdir()
        image = next(pathlib.Path(work).glob("boot/vmlinuz-*")).read_bytes()
        # The payload, so that the machine need not unpack it, which takes emulation five seconds.
        setup = (image[0x1F1] or 4) + 1
        offset, size = (int.from_bytes(image[at:at + 4], "little") for at in (0x248, 0x24C))
        start = setup * 512 + offset
        (made / "vmlinux").write_bytes(lzma.LZMADecompressor().decompress(image[start:start + size]))
        drivers = next(pathlib.Path(work).glob("lib/modules/*/kernel/drivers"))
        for name in MODULES:
            shutil.copy(drivers / f"{name}.ko", made)
            run(["strip", "-g", str(made / f"{pathlib.Path(name).name}.ko")])
        if not (done / "vmlinux").exists():  # somebody else may have been faster
            os.rename(made, done)
    return done


# ---- The files of the machine -------------------------------------------------------------------------------------


class Archive:
    """A cpio archive of the form newc, as the kernel takes it."""

    def __init__(self):
        self.parts, self.number, self.names = [], 0, set()

    def add(self, name, mode, content=b""):
        if name in self.names:
            return
        self.names.add(name)
        parent = os.path.dirname(name)
        if parent:
            self.add(parent, stat.S_IFDIR | 0o755)
        self._put(name, mode, content)

    def _put(self, name, mode, content):
        self.number += 1
        path = name.encode() + b"\0"
        fields = (self.number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + "".join(f"{value:08X}" for value in fields).encode() + path
        self.parts += [head, b"\0" * (-len(head) % 4), content, b"\0" * (-len(content) % 4)]

    def file(self, name, content, mode=0o755):
        self.add(name.lstrip("/"), stat.S_IFREG | mode, content)

    def bytes(self):
        self._put("TRAILER!!!", 0, b"")
        return b"".join(self.parts)


def libraries(program):
    """Paths by which a program's loader will look for its libraries."""
    found = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    words = [word for line in found.splitlines() for word in line.split() if word.startswith("/")]
    return sorted(set(words))


def stripped(path, work):
    copy = pathlib.Path(work) / "stripped"
    run(["strip", "-o", str(copy), path])
    return copy.read_bytes()


def initramfs(kernel_at, commands, work):
    archive = Archive()
    busybox = shutil.which("busybox") or missing("busybox is not installed (busybox-static)")
    archive.file("bin/busybox", pathlib.Path(busybox).read_bytes())
    archive.file("init", (HERE / "init").read_bytes())
    for name in MODULES:
        base = pathlib.Path(name).name
        archive.file(f"modules/{base}.ko", (kernel_at / f"{base}.ko").read_bytes(), 0o644)
    script = ""
    for words in commands:
        name = pathlib.Path(words[0]).name
        archive.file(f"test/{name}", stripped(words[0], work))
        for library in libraries(words[0]):
            archive.file(library, pathlib.Path(library).read_bytes())
        line = shlex.join([f"/test/{name}", *words[1:]])
        script += f"echo {shlex.quote('@run ' + shlex.join([name, *words[1:]]))}\n{line}\necho \"@result $?\"\n"
    archive.file("programs.sh", script.encode(), 0o644)
    return archive.bytes()


# ---- The run ------------------------------------------------------------------------------------------------------


class Console:
    """What comes from the machine: shown, and obeyed where it is for us."""

    def __init__(self, device):
        self.device, self.results, self.running, self.troubles, self.times = device, [], None, [], {}

    def line(self, text):
        if text.startswith("@simdev "):
            self.device.stdin.write(text[len("@simdev "):] + "\n")
            self.device.stdin.flush()
        elif text.startswith("@run "):
            self.running = text[len("@run "):]
            print(f"== {self.running}", flush=True)
        elif text.startswith("@result "):
            self.results.append((self.running, int(text.split()[1])))
            self.running = None
        elif text.startswith("@trouble "):
            self.troubles.append(text[len("@trouble "):])
        elif "reboot: Power down" in text:
            pass
        elif text.startswith(("@plugged ", "@done ")):
            word, up = text.split()
            self.times[word[1:]] = float(up)
        elif text.strip():
            print(text, flush=True)


def emulate(arguments, build, commands, cache):
    for tool, package in (("qemu-system-x86_64", "qemu-system-x86"), ("strip", "binutils")):
        if not shutil.which(tool):
            missing(f"{tool} is not installed ({package})")
    began = time.monotonic()
    where = kernel(cache)
    with tempfile.TemporaryDirectory(prefix="keyway-hil-") as work:
        initrd = pathlib.Path(work) / "initrd"
        initrd.write_bytes(initramfs(where, commands, work))
        socket = pathlib.Path(work) / "usb"
        device = subprocess.Popen([str(build / "sim/keyway-simdev"), str(socket), *arguments.device],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        console = Console(device)
        machine = None
        try:
            if not device.stdout.readline().startswith("ready"):
                missing("keyway-simdev did not start")
            threading.Thread(target=lambda: [None for _ in device.stdout], daemon=True).start()
            # TCG always: /dev/kvm may be there and not run this kernel.
            machine = subprocess.Popen(
                ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64", "-M", "q35", "-m", "256", "-nodefaults",
                 "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", str(where / "vmlinux"),
                 "-initrd", str(initrd), "-append", "console=ttyS0 quiet panic=-1 nokaslr mitigations=off",
                 "-device", "qemu-xhci", "-chardev", f"socket,id=usb,path={socket}",
                 "-device", "usb-redir,chardev=usb"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
            limit = threading.Timer(arguments.limit, machine.kill)
            limit.start()
            for text in machine.stdout:
                console.line(text.rstrip("\r\n"))
            code = machine.wait()
            limit.cancel()
            if code != 0 or "done" not in console.times:
                console.troubles.append(f"the machine ended too soon, with {code} (limit: {arguments.limit} s)")
        finally:
            for process in (machine, device):
                if process is not None and process.poll() is None:
                    process.kill()
                    process.wait()
    took = time.monotonic() - began
    if "plugged" in console.times and "done" in console.times:
        print(f"== device seen {console.times['plugged']:.1f} s after the kernel began, programs ran for "
              f"{console.times['done'] - console.times['plugged']:.1f} s, {took:.1f} s in all")
    return console.results, console.troubles


def beside_board(commands):
    ids = {path.read_text().strip() for path in pathlib.Path("/sys/bus/usb/devices").glob("*/idVendor")}
    if not ids & {"04b4", "20b7"}:
        missing("no board is plugged in (USB 20b7:9db1, or 04b4:8613 when it is blank). Plug one in, give yourself the right to\n"
                "     it (docs/boards.md), and see it in `keyway device ls`. Without a board: ./dev hil")
    results = []
    for words in commands:
        shown = shlex.join([pathlib.Path(words[0]).name, *words[1:]])
        print(f"== {shown}", flush=True)
        results.append((shown, subprocess.run(words, env=dict(os.environ, KEYWAY_HIL="board")).returncode))
    return results, []


def main():
    parser = argparse.ArgumentParser(prog="./dev hil", description=__doc__.split("\n\n")[1])
    parser.add_argument("--board", action="store_true", help="beside a board that is plugged in, without QEMU")
    parser.add_argument("--bitstream", metavar="FILE", help="for the board's FPGA; with --board it is needed")
    parser.add_argument("--program", action="append", default=[], metavar="LINE",
                        help="run this instead of the list: a program of the build and its arguments")
    parser.add_argument("--device", type=shlex.split, default=[], metavar="OPTIONS",
                        help="further options for keyway-simdev, as in --device='--latency 250'")
    parser.add_argument("--build", type=pathlib.Path, metavar="DIR", help="a build that is there; else build/release is made")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "build/hil", metavar="DIR", help="where the kernel is kept")
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="S", help="seconds until the machine is ended")
    arguments = parser.parse_args()
    build = arguments.build
    if build is None:
        build = ROOT / "build/release"
        run(["cmake", "-S", str(ROOT), "--preset", "release"], stdout=subprocess.DEVNULL, cwd=ROOT)
        run(["cmake", "--build", str(build), "--target", *TARGETS])
    commands = programs(build, arguments.program)
    if arguments.board:
        if not arguments.bitstream or not pathlib.Path(arguments.bitstream).exists():
            missing("--board needs --bitstream FILE: ./dev synth glasgow_device makes one")
        os.environ["KEYWAY_HIL_BITSTREAM"] = str(pathlib.Path(arguments.bitstream).resolve())
        results, troubles = beside_board(commands)
    else:
        results, troubles = emulate(arguments, build, commands, arguments.cache)
    print("== hil")
    for name, code in results:
        print(f"   {'ok' if code == 0 else 'FAIL':<5} {name}{'' if code == 0 else f'   (exit code {code})'}")
    for trouble in troubles:
        print(f"   FAIL  {trouble}")
    failed = sum(code != 0 for _, code in results) + len(troubles) + (len(results) != len(commands))
    print(f"hil: {len(results) - sum(code != 0 for _, code in results)} of {len(commands)} programs passed, "
          f"{'a real kernel and a simulated board' if not arguments.board else 'a real board'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
