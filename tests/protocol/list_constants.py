#!/usr/bin/env python3
"""Pairs every constant of keyway/protocol.h with the C++ expression that must have the same value.

    list_constants.py protocol.h keyway.toml OUTPUT_FOLDER

Writes constants.c, a table of the C values by name, and constants.inc, rows of C++ for constants_test.cpp. A macro
without a meaning in the contract is an error, and so is a constant of the contract without a macro: the list can't
become incomplete silently.
"""

import pathlib
import re
import sys
import tomllib

BITS = ("flag", "right", "entry_flag", "grant_flag")  # namespaces of bytes in C++, enumerations otherwise


def camel(name):
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def expressions(contract):
    """Every macro that the contract asks for, with its counterpart in C++."""
    pairs = {"MAGIC": "kMagic", "VERSION_MAJOR": "kVersionMajor", "VERSION_MINOR": "kVersionMinor",
             "REG_SIZE": "reg::kSize"}
    for name in contract["limits"]:
        pairs[f"LIMIT_{name}"] = f"limit::k{camel(name)}"
    for struct in [name for name, body in contract.items() if isinstance(body, dict) and "fields" in body]:
        for field in contract[struct]["fields"]:
            name = f"{camel(struct)}::{field['name']}"
            measured = f"measure(&{camel(struct)}::set_{field['name']}, &{name})"
            pairs[f"{struct}_{field['name']}_LSB"] = f"{measured}.lsb"
            pairs[f"{struct}_{field['name']}_WIDTH"] = f"{measured}.width"
    for enum, body in contract["enums"].items():
        for value in body["values"]:
            scope = enum if enum in BITS else camel(enum)
            pairs[f"{enum}_{value['name']}"] = f"{scope}::k{camel(value['name'])}"
    for item in contract["usb"]["items"]:
        pairs[f"USB_{item['name']}"] = f"usb::k{camel(item['name'])}"
    for register in contract["registers"]["items"]:
        pairs[f"REG_{register['name']}"] = f"reg::k{camel(register['name'])}"
    return {f"KEYWAY_{name}".upper(): expression for name, expression in pairs.items()}


def main():
    header, contract, folder = map(pathlib.Path, sys.argv[1:])
    macros = re.findall(r"^#define (KEYWAY_\w+) ", header.read_text(), re.MULTILINE)
    known = expressions(tomllib.loads(contract.read_text()))
    if len(set(macros)) != len(macros):
        sys.exit(f"{header} defines a macro twice")
    if set(macros) != set(known):
        sys.exit(f"{header} and {contract} differ in {sorted(set(macros) ^ set(known))}")
    rows = "\n".join(f'    {{"{macro}", (unsigned long){macro}}},' for macro in macros)
    (folder / "constants.c").write_text(
        '#include "keyway/protocol.h"\n'
        "struct Constant { const char* name; unsigned long value; };\n"
        "extern const struct Constant kCConstants[];\nextern const unsigned long kCConstantCount;\n"
        f"const struct Constant kCConstants[] = {{\n{rows}\n}};\n"
        "const unsigned long kCConstantCount = sizeof kCConstants / sizeof kCConstants[0];\n")
    (folder / "constants.inc").write_text(
        "".join(f'{{"{macro}", static_cast<unsigned long>({known[macro]})}},\n' for macro in macros))


if __name__ == "__main__":
    main()
