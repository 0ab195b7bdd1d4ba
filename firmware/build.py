#!/usr/bin/env python3
"""Builds the program of the board's USB controller.

    build.py OUTPUT [--sdcc PROGRAM] [--include FOLDER]

Writes into OUTPUT: firmware_hash.h (the hash of the sources, which the program reports and the driver compares),
firmware.ihx, and firmware_image.cpp, in which the driver carries it. Without --sdcc there is no .ihx and the image is
empty. The same sources give the same bytes, wherever and whenever they are built.
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = ("main.c", "firmware.c", "fpga.c", "descriptors.c")  # main.c first: the interrupt vectors are there
HEADERS = ("fx2.h", "firmware.h")
# The chip has 16 KiB for program and data, the last of them for data. A program beyond 4 KiB is refused long before
# there is no room, because it should stay a small program.
CODE_BYTES, DATA_AT, DATA_BYTES = 0x1000, 0x3C00, 0x400
FLAGS = ("-mmcs51", "--model-small", "--std-c99", "--opt-code-size", "--Werror")


def source_hash(include):
    digest = hashlib.sha256()
    for path in [HERE / name for name in (*SOURCES, *HEADERS, "build.py")] + [include / "keyway/protocol.h"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.digest()[:8]


def records(text):
    """Address and bytes of each data record of an Intel HEX file."""
    for line in text.split():
        raw = bytes.fromhex(line[1:])
        if raw[3] == 0:
            yield int.from_bytes(raw[1:3], "big"), raw[4:4 + raw[0]]


def write(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--sdcc")
    parser.add_argument("--include", type=pathlib.Path, default=HERE.parent / "host/include")
    options = parser.parse_args()
    out = options.output
    out.mkdir(parents=True, exist_ok=True)
    digest = source_hash(options.include)
    write(out / "firmware_hash.h",
          "/* Written by firmware/build.py. */\n"
          f"#define FIRMWARE_HASH_BYTES {', '.join(f'0x{byte:02X}' for byte in digest)}\n")
    image = ""
    if options.sdcc:
        objects = []
        for name in SOURCES:
            # Relative names, so that nothing of the place gets into the objects.
            objects.append(f"{pathlib.Path(name).stem}.rel")
            subprocess.run([options.sdcc, *FLAGS, f"-I{HERE}", f"-I{options.include}", "-I.", "-c", str(HERE / name), "-o",
                            objects[-1]], cwd=out, check=True)
        subprocess.run([options.sdcc, *FLAGS, "--code-size", hex(CODE_BYTES), "--xram-loc", hex(DATA_AT), "--xram-size",
                        hex(DATA_BYTES), "-o", "firmware.ihx", *objects], cwd=out, check=True)
        image = (out / "firmware.ihx").read_text()
        end = max(address + len(data) for address, data in records(image))
        if end > CODE_BYTES:
            sys.exit(f"firmware: {end} bytes of code, {CODE_BYTES} are allowed")
        print(f"firmware: {end} bytes of code, {CODE_BYTES} are allowed")
    lines = "".join(f'    "{line}\\n"\n' for line in image.split())
    number = int.from_bytes(digest, "little")
    write(out / "firmware_image.cpp",
          "// Written by firmware/build.py.\n"
          '#include "driver/firmware_image.hpp"\n\n'
          "namespace keyway::device {\n\n"
          f"const std::uint64_t kFirmwareHash = 0x{number:016X}U;\n"
          f"const std::string_view kFirmwareHex =\n{lines or '    std::string_view()'};\n\n"
          "}  // namespace keyway::device\n".replace("\n;", ";"))


if __name__ == "__main__":
    main()
