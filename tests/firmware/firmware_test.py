"""The firmware's image: it has room, is built alike everywhere, and writes the registers that the native build writes.

The .ihx runs in s51, the 8051 of uCsim; each of its writes to a register stops the simulation. The same script of control
requests goes through tests/firmware/trace.cpp, and both lists of writes must be equal, in order, address and value.
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
BUILD = pathlib.Path(os.environ["KEYWAY_FIRMWARE"])
TRACE = os.environ["KEYWAY_TRACE"]
SDCC = os.environ["KEYWAY_SDCC"]

USBIRQ, EP0BCL, SETUPDAT, EP0BUF, USBCS = 0xE65D, 0xE68B, 0xE6B8, 0xE740, 0xE680
IOA, PCON = 0x80, 0x87


def setup(kind, request, value=0, index=0, length=0, data=b""):
    packed = bytes([kind, request]) + b"".join(word.to_bytes(2, "little") for word in (value, index, length or len(data)))
    return f"setup {packed.hex()} {data.hex()}".strip()


BITSTREAM = bytes.fromhex("ff007eaa997e") + bytes(range(64))
SCRIPT = [
    "idle",
    "reset",
    setup(0x80, 6, 0x0100, 0, 64), setup(0x80, 6, 0x0100, 0, 8), setup(0x80, 6, 0x0200, 0, 9), setup(0x80, 6, 0x0200, 0, 255),
    setup(0x80, 6, 0x0600, 0, 10), setup(0x80, 6, 0x0700, 0, 64), setup(0x80, 6, 0x0300, 0, 255),
    setup(0x80, 6, 0x0303, 0x409, 255), setup(0x80, 6, 0x0302, 0x409, 4), setup(0x80, 6, 0x0309, 0x409, 255),
    setup(0x00, 9, 1), setup(0x80, 8, length=1), setup(0x81, 10, length=1), setup(0x01, 11, 0, 0), setup(0x01, 11, 1, 0),
    setup(0x02, 3, 0, 0x86), setup(0x82, 0, 0, 0x86, 2), setup(0x82, 0, 0, 0x02, 2), setup(0x02, 1, 0, 0x86),
    setup(0x02, 3, 0, 0x02), setup(0x02, 1, 0, 0x02), setup(0x02, 3, 0, 0x84), setup(0x80, 0, length=2),
    setup(0xC0, 0xB0, length=24), setup(0xC0, 0xB0, length=100), setup(0xC0, 0xB5, length=8),
    setup(0x40, 0xB2, data=b"1234"), setup(0xC0, 0xB3, length=1),
    setup(0x40, 0xB1), setup(0x40, 0xB2, data=BITSTREAM), setup(0xC0, 0xB3, length=1), setup(0xC0, 0xB5, length=8),
    setup(0x40, 0xB1), setup(0x40, 0xB2, length=64), setup(0xC0, 0xB3, length=1), setup(0xC0, 0xB5, length=8),
    setup(0x40, 0xB4, 1), setup(0x40, 0xB4, 2), setup(0x40, 0xB4, 8), setup(0x40, 0xB0), setup(0xC0, 0xC7, length=3),
    setup(0xA1, 1, length=1), setup(0xFF, 0xFF, 0xFFFF, 0xFFFF, 0xFFFF), "reset",
    setup(0xC0, 0xB6, length=24),
    "suspend",  # last: s51 sleeps then, and nothing wakes it
]


class Emulated:
    """Runs the .ihx in s51 through a script that follows the native trace.

    s51 takes its time over each answer, so the commands are not a conversation: they are written down beforehand. For each
    write of the native build there is a `run`, which stops at the image's next write wherever that is, and a look at the
    register where it should have been. Registers are plain memory there; what the chip would change is changed by hand.
    """

    def __init__(self, image, poll):
        self.image = image
        self.poll = poll
        self.commands = ["fill xram 0xe600 0xe7ff 0"]
        for name in sorted(registers("XRAM")) + list(range(EP0BUF, EP0BUF + 64)):
            self.commands.append(f"break xram w {name:#x}")
        for name in sorted(registers("SFR")):
            self.commands.append(f"break sfr w {name:#x}")
        self.commands.append(f"break {poll:#x}")

    def poke(self, space, address, *values):
        self.commands.append(f"set memory {space} {address:#x} " + " ".join(f"{value:#x}" for value in values))

    def turn(self, line, writes):
        words = line.split()
        data, to_host = b"", True
        self.poke("xram", USBIRQ, {"setup": 0x01, "reset": 0x30, "suspend": 0x08}.get(words[0], 0))
        self.poke("xram", USBCS, 0x80)  # high speed
        if words[0] == "setup":
            packet = bytes.fromhex(words[1])
            data = bytes.fromhex(words[2]) if len(words) > 2 else b""
            to_host = bool(packet[0] & 0x80)
            self.poke("xram", SETUPDAT, *packet)
            if packet[1] == 0xB3:  # the pin that says done; the native FPGA has looked at its bitstream
                self.poke("sfr", IOA, 0x0A if "xram e601 a3" in writes else 0x02)
        for write in writes:
            space, address, _ = write.split()
            self.commands += ["run", f"dump {space} 0x{address} 0x{address}"]
            if int(address, 16) == EP0BCL and not to_host:
                packet, data = data[:64], data[64:]
                if packet:
                    self.poke("xram", EP0BUF, *packet)
                self.poke("xram", EP0BCL, len(packet))
        if words[0] != "suspend":
            self.commands.append("run")

    def play(self):
        """What it wrote, as lines of the native trace: one list a turn. And the most that its stack took."""
        text = subprocess.run(["s51", "-t", "C52", "-b", "-P", "-R", "1", self.image], stdout=subprocess.PIPE, check=False,
                              input="\n".join(self.commands + ["state", "quit", ""]), stderr=subprocess.STDOUT, text=True,
                              timeout=100).stdout
        turns = [[]]
        for stop in re.split(r"^Stop at ", text, flags=re.M)[1:]:
            if stop.startswith(f"0x{self.poll:06x}"):
                turns.append([])
                continue
            space, address = re.search(r"Event `write' at (xram|sfr)\[0x([0-9a-f]+)\]", stop).groups()
            # Registers that s51 knows are shown with their name and their bits before the number.
            value = re.search(rf"0x{address} (?:.* 0b\d+ 0x| +)([0-9a-f]{{2}}) ", stop[stop.index("Host usage"):])
            turns[-1].append(f"{space} {int(address, 16):04x} {value[1] if value else '??'}")
        return turns, int(re.search(r"Max value of stack pointer= *0x([0-9a-f]+)", text)[1], 16)


def registers(space):
    """What the source writes, by name: from fx2.h, so that a register that is added there is watched too."""
    text = (SOURCE / "firmware/fx2.h").read_text()
    if space == "SFR":
        # Interrupt control is main.c's, which the native build does not have.
        return {int(at, 16) for at, name in re.findall(r"__at\((0x[0-9A-F]+)\) (\w+);", text) if name not in ("IE", "EICON")}
    return {int(at, 16) for name, at in re.findall(r"^    (\w+) = (0xE6[0-9A-F]{2})", text, re.M)
            if name != "SETUPDAT"}


class Image(unittest.TestCase):
    def test_writes_the_registers_that_the_native_build_writes(self):
        native = subprocess.run([TRACE], input="\n".join(SCRIPT) + "\n", stdout=subprocess.PIPE, text=True, check=True)
        expected = [turn.splitlines() for turn in native.stdout.split("end\n")[:-1]]
        poll = int(re.search(r"C:\s+([0-9A-F]{8})\s+_firmware_poll\b", (BUILD / "firmware.map").read_text())[1], 16)
        sut = Emulated(BUILD / "firmware.ihx", poll)
        script = ["power"] + SCRIPT
        self.assertEqual(len(expected), len(script))
        for line, writes in zip(script, expected):
            sut.turn(line, writes)
        got, stack = sut.play()
        for line, wrote, should in zip(script, got, expected):
            self.assertEqual(wrote, should, line)
        self.assertEqual(len(got), len(script))
        self.assertGreater(sum(map(len, got)), 1500)
        self.assertLess(stack, 0xF0, "the stack comes near its end")

    def test_is_the_same_wherever_it_is_built(self):
        with tempfile.TemporaryDirectory(prefix="keyway-firmware-") as folder:
            place = pathlib.Path(folder) / "another" / "place"
            shutil.copytree(SOURCE / "firmware", place / "firmware", ignore=shutil.ignore_patterns("__pycache__"))
            subprocess.run([sys.executable, place / "firmware/build.py", place / "out", "--sdcc", SDCC, "--include",
                            SOURCE / "host/include"], check=True, stdout=subprocess.DEVNULL)
            for name in ("firmware.ihx", "firmware_image.cpp", "firmware_hash.h"):
                self.assertEqual((place / "out" / name).read_bytes(), (BUILD / name).read_bytes(), name)

    def test_leaves_room(self):
        said = subprocess.run([sys.executable, SOURCE / "firmware/build.py", tempfile.mkdtemp(prefix="keyway-firmware-"),
                               "--sdcc", SDCC], check=True, stdout=subprocess.PIPE, text=True).stdout
        used, most = map(int, re.search(r"(\d+) bytes of code, (\d+) are allowed", said).groups())
        self.assertLess(used, most)


if __name__ == "__main__":
    unittest.main()
