#!/usr/bin/env python3
"""Writes every file that is derived from keyway.toml.

    generate.py            write the files
    generate.py --check    write nothing, fail with a diff when one of them is stale

Only the standard library is used (tomllib, Python 3.11).
"""

import argparse
import difflib
import pathlib
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTE = "Generated from protocol/keyway.toml by protocol/generate.py: edit those, not this."
STRUCTS = {"header": "Header", "entry": "Entry", "grant": "Grant", "slice": "Slice", "frame": "Frame",
           "link_identity": "LinkIdentity", "link_delivery": "LinkDelivery", "link_event": "LinkEvent",
           "link_access": "LinkAccess", "link_acknowledge": "LinkAcknowledge", "board_status": "BoardStatus", "board_statistics": "BoardStatistics", "trace_head": "TraceHead"}


VERSION = {"major": "Major version of the contract; programs of different ones don't speak with each other.",
           "minor": "Minor version of the contract; programs of different ones use what both know."}

# Words of SystemVerilog that are names of the contract; they get a trailing underscore there.
SV_WORDS = {"priority", "process", "sequence", "time", "type"}


def sv_name(name):
    return f"{name}_" if name in SV_WORDS else name


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def struct_bits(fields):
    return max(f["lsb"] + f["width"] for f in fields)


def check(spec):
    """Refuses a contract that contradicts itself; returns nothing."""
    for struct in STRUCTS:
        used = 0
        for field in spec[struct]["fields"]:
            mask = ((1 << field["width"]) - 1) << field["lsb"]
            if used & mask:
                sys.exit(f"keyway.toml: {struct}.{field['name']} overlaps another field")
            if field["lsb"] // 64 != (field["lsb"] + field["width"] - 1) // 64:
                sys.exit(f"keyway.toml: {struct}.{field['name']} crosses a 64-bit word")
            used |= mask
        if used != (1 << struct_bits(spec[struct]["fields"])) - 1:
            sys.exit(f"keyway.toml: {struct} has bits that belong to no field")
    for name, enum in spec["enums"].items():
        values = [v["value"] for v in enum["values"]]
        if len(set(values)) != len(values):
            sys.exit(f"keyway.toml: two values of {name} are equal")
        if max(values) >= 1 << enum["width"]:
            sys.exit(f"keyway.toml: a value of {name} needs more than {enum['width']} bits")
    limits = {k: v["value"] for k, v in spec["limits"].items()}
    if struct_bits(spec["header"]["fields"]) != 8 * limits["header_bytes"]:
        sys.exit("keyway.toml: limits.header_bytes does not fit the header")
    if struct_bits(spec["entry"]["fields"]) != limits["entry_bits"]:
        sys.exit("keyway.toml: limits.entry_bits does not fit the entry")
    if limits["slot_bits"] + limits["generation_bits"] != 32 or limits["slots"] != 1 << limits["slot_bits"]:
        sys.exit("keyway.toml: slot and generation bits do not make a 32-bit capability id")
    offsets = [r["offset"] for r in spec["registers"]["items"]]
    if len(set(offsets)) != len(offsets) or any(o % 4 for o in offsets):
        sys.exit("keyway.toml: register offsets must be distinct multiples of 4")


def c_header(spec):
    out = [f"/* {NOTE} */", "#ifndef KEYWAY_PROTOCOL_H", "#define KEYWAY_PROTOCOL_H", ""]
    contract = spec["contract"]
    out += [f"/* {contract['doc']} */",
            f"#define KEYWAY_MAGIC 0x{contract['magic']:08X}UL",
            f"/* {VERSION['major']} */", f"#define KEYWAY_VERSION_MAJOR {contract['major']}",
            f"/* {VERSION['minor']} */", f"#define KEYWAY_VERSION_MINOR {contract['minor']}", ""]
    for name, limit in spec["limits"].items():
        out += [f"/* {limit['doc']} */", f"#define KEYWAY_LIMIT_{name.upper()} {limit['value']}UL"]
    for struct in STRUCTS:
        out += ["", f"/* {struct}: {spec[struct]['doc']} */"]
        for field in spec[struct]["fields"]:
            prefix = f"KEYWAY_{struct.upper()}_{field['name'].upper()}"
            out += [f"/* {field['doc']} This is its lowest bit. */", f"#define {prefix}_LSB {field['lsb']}",
                    "/* Its width in bits. */", f"#define {prefix}_WIDTH {field['width']}"]
    for name, enum in spec["enums"].items():
        out += ["", f"/* {enum['doc']} */"]
        for value in enum["values"]:
            out += [f"/* {value['doc']} */",
                    f"#define KEYWAY_{name.upper()}_{value['name'].upper()} {value['value']}"]
    out += ["", f"/* {spec['usb']['doc']} */"]
    for item in spec["usb"]["items"]:
        out += [f"/* {item['doc']} */", f"#define KEYWAY_USB_{item['name'].upper()} 0x{item['value']:04X}"]
    out += ["", f"/* {spec['registers']['doc']} */"]
    for reg in spec["registers"]["items"]:
        out += [f"/* {reg['access']}: {reg['doc']} */",
                f"#define KEYWAY_REG_{reg['name'].upper()} 0x{reg['offset']:03X}"]
    out += ["/* Size of the block in bytes. */", f"#define KEYWAY_REG_SIZE 0x{spec['registers']['size']:X}", "", "#endif", ""]
    return "\n".join(out)


def cpp_struct(name, spec):
    """A trivially copyable struct over 64-bit words with one getter and one setter a field."""
    fields = spec["fields"]
    words = (struct_bits(fields) + 63) // 64
    out = [f"/// {spec['doc']}", f"struct {name} {{", "    /// All of it; bit n is bit n % 64 of word n / 64.",
           f"    std::array<std::uint64_t, {words}> words{{}};", ""]
    for field in fields:
        word, shift, width = field["lsb"] // 64, field["lsb"] % 64, field["width"]
        kind = next(t for b, t in ((8, "uint8_t"), (16, "uint16_t"), (32, "uint32_t"), (64, "uint64_t"))
                    if width <= b)
        mask = (1 << width) - 1
        shifted = f"words[{word}] >> {shift}" if shift else f"words[{word}]"
        if width < 64:
            get = f"({shifted}) & 0x{mask:X}U" if shift else f"{shifted} & 0x{mask:X}U"
            put = (f"words[{word}] = (words[{word}] & ~(std::uint64_t{{0x{mask:X}}} << {shift})) |\n"
                   f"                   ((std::uint64_t{{value}} & 0x{mask:X}U) << {shift});")
        else:
            get, put = shifted, f"words[{word}] = value;"
        out += [f"    /// {field['doc']}",
                f"    [[nodiscard]] constexpr std::{kind} {field['name']}() const noexcept {{",
                f"        return static_cast<std::{kind}>({get});", "    }",
                f"    /// Sets `{field['name']}`" + (f"; bits above its {width} are dropped." if kind != f"uint{width}_t" else "."),
                f"    constexpr void set_{field['name']}(std::{kind} value) noexcept {{", f"        {put}", "    }"]
    out += ["", f"    friend constexpr bool operator==(const {name}&, const {name}&) = default;", "};",
            f"static_assert(sizeof({name}) == {words * 8} && std::is_trivially_copyable_v<{name}>);", ""]
    return out


def cpp_header(spec):
    contract = spec["contract"]
    out = [f"// {NOTE}", "#pragma once", "", "#include <array>", "#include <bit>", "#include <cstddef>",
           "#include <cstdint>", "#include <string_view>", "#include <type_traits>", "", "namespace keyway {", "",
           'static_assert(std::endian::native == std::endian::little, "the contract is little-endian");', "",
           f"/// {contract['doc']}",
           f"inline constexpr std::uint32_t kMagic = 0x{contract['magic']:08X};",
           f"/// {VERSION['major']}",
           f"inline constexpr std::uint16_t kVersionMajor = {contract['major']};",
           f"/// {VERSION['minor']}",
           f"inline constexpr std::uint16_t kVersionMinor = {contract['minor']};", "", "/// Sizes, numbers and ranges.", "namespace limit {"]
    for name, limit in spec["limits"].items():
        out += [f"/// {limit['doc']}", f"inline constexpr std::uint32_t k{camel(name)} = {limit['value']};"]
    out += ["}  // namespace limit", ""]
    for name, enum in spec["enums"].items():
        bits = name in ("flag", "right", "entry_flag", "grant_flag")
        if bits:
            out += [f"/// {enum['doc']}", f"namespace {name} {{"]
            for value in enum["values"]:
                out += [f"/// {value['doc']}",
                        f"inline constexpr std::uint8_t k{camel(value['name'])} = 0x{value['value']:02X};"]
            every = 0
            for value in enum["values"]:
                every |= value["value"]
            out += ["/// All of them.", f"inline constexpr std::uint8_t kAll = 0x{every:02X};",
                    f"}}  // namespace {name}", ""]
            continue
        out += [f"/// {enum['doc']}", f"enum class {camel(name)} : std::uint8_t {{"]
        for value in enum["values"]:
            out += [f"    k{camel(value['name'])} = {value['value']},  ///< {value['doc']}"]
        out += ["};",
                f"/// The name of a {name} as it stands in this contract; \"unknown\" for any other value.",
                f"[[nodiscard]] constexpr std::string_view name_of({camel(name)} value) noexcept {{",
                "    switch (value) {"]
        for value in enum["values"]:
            out += [f"        case {camel(name)}::k{camel(value['name'])}:", f"            return \"{value['name']}\";"]
        out += ["    }", "    return \"unknown\";", "}"]
        if "remedy" in enum["values"][0]:
            for what, doc in (("doc", "What it means, in a sentence."), ("remedy", "What to do about it.")):
                out += [f"/// {doc}",
                        f"[[nodiscard]] constexpr std::string_view {what}_of({camel(name)} value) noexcept {{",
                        "    switch (value) {"]
                for value in enum["values"]:
                    out += [f"        case {camel(name)}::k{camel(value['name'])}:",
                            f"            return \"{value[what]}\";"]
                out += ["    }", "    return \"\";", "}"]
        out += [f"/// Number of values of {camel(name)}.",
                f"inline constexpr std::size_t k{camel(name)}Count = {len(enum['values'])};", ""]
    for struct, name in STRUCTS.items():
        out += cpp_struct(name, spec[struct])
    out += [f"/// {spec['usb']['doc']}", "namespace usb {"]
    for item in spec["usb"]["items"]:
        out += [f"/// {item['doc']}",
                f"inline constexpr std::uint16_t k{camel(item['name'])} = 0x{item['value']:04X};"]
    out += ["}  // namespace usb", ""]
    out += [f"/// {spec['registers']['doc']}", "namespace reg {"]
    for reg in spec["registers"]["items"]:
        out += [f"/// {reg['access']}: {reg['doc']}",
                f"inline constexpr std::uint32_t k{camel(reg['name'])} = 0x{reg['offset']:03X};"]
    out += ["/// Size of the block in bytes.",
            f"inline constexpr std::uint32_t kSize = 0x{spec['registers']['size']:X};", "}  // namespace reg", "",
            "static_assert(sizeof(Header) == limit::kHeaderBytes);",
            "static_assert(sizeof(Entry) * 8 == limit::kEntryBits);", "", "}  // namespace keyway", ""]
    return "\n".join(out)


def sv_package(spec):
    out = [f"// {NOTE}", "// Structs are packed: the first member is the most significant.", "", "package keyway_pkg;", ""]
    contract = spec["contract"]
    out += [f"  localparam logic [31:0] Magic = 32'h{contract['magic']:08X};",
            f"  localparam logic [15:0] VersionMajor = 16'd{contract['major']};",
            f"  localparam logic [15:0] VersionMinor = 16'd{contract['minor']};", ""]
    for name, limit in spec["limits"].items():
        out += [f"  // {limit['doc']}", f"  localparam int unsigned {camel(name)} = {limit['value']};"]
    out += [""]
    for name, enum in spec["enums"].items():
        out += [f"  // {enum['doc']}"]
        for value in enum["values"]:
            out += [f"  localparam logic [{enum['width'] - 1}:0] {camel(name)}{camel(value['name'])} ="
                    f" {enum['width']}'h{value['value']:X};"]
        out += [""]
    for struct in STRUCTS:
        fields = sorted(spec[struct]["fields"], key=lambda f: -f["lsb"])
        out += [f"  // {spec[struct]['doc']}", "  typedef struct packed {"]
        out += [f"    logic [{f['width'] - 1}:0] {sv_name(f['name'])};" for f in fields]
        out += [f"  }} {struct}_t;"]
        if f"{struct}_bits" not in spec["limits"]:
            out += [f"  localparam int unsigned {camel(struct)}Bits = {struct_bits(fields)};"]
        out += [""]
    out += [f"  // {spec['registers']['doc']}"]
    for reg in spec["registers"]["items"]:
        out += [f"  localparam logic [11:0] Reg{camel(reg['name'])} = 12'h{reg['offset']:03X};"]
    out += [f"  localparam int unsigned RegSize = {spec['registers']['size']};", "", "endpackage", ""]
    return "\n".join(out)


def sv_layout_check(spec):
    """A module that fails to elaborate when a field is not where the contract puts it."""
    out = [f"// {NOTE}", "// Fails to elaborate when a field of the package is not where the contract puts it.", "",
           "module keyway_pkg_layout;"]
    for struct in STRUCTS:
        fields = spec[struct]["fields"]
        bits = struct_bits(fields)
        out += [f"  if ($bits(keyway_pkg::{struct}_t) != {bits}) begin : gen_{struct}_size",
                f'    $fatal(1, "{struct}_t has not {bits} bits");', "  end"]
        for field in fields:
            name = f"{camel(struct)}{camel(field['name'])}"
            value = f"{bits}'h{((1 << field['width']) - 1) << field['lsb']:X}"
            out += [f"  localparam keyway_pkg::{struct}_t {name} = {value};",
                    f"  if ({name}.{sv_name(field['name'])} != '1) begin : gen_{struct}_{field['name']}",
                    f'    $fatal(1, "{struct}_t.{field["name"]} is not at bit {field["lsb"]}");', "  end"]
    out += ["endmodule", ""]
    return "\n".join(out)


def lua_container(field):
    """Byte offset, bytes and mask of the smallest aligned number that has the whole field in it."""
    for size in (1, 2, 4, 8):
        offset = field["lsb"] // 8 // size * size
        if field["lsb"] + field["width"] <= (offset + size) * 8:
            mask = ((1 << field["width"]) - 1) << (field["lsb"] - offset * 8)
            return offset, size, 0 if mask == (1 << size * 8) - 1 else mask
    raise ValueError(field["name"])


def lua_dissector(spec):
    """A dissector for Wireshark: packets of link type USER0 are trace head, header and payload."""
    hexadecimal = {"capability", "carried", "created", "rights", "flags"}
    named = {("header", "type"): "type", ("trace_head", "verdict"): "verdict", ("trace_head", "kind"): "kind"}
    bits = {("header", "flags"): "flag", ("trace_head", "rights"): "right"}
    out = [f"-- {NOTE}", "-- A dissector for what `keyway trace --format pcapng` and `keyway device record` write:",
           "--     wireshark -X lua_script:keyway.lua FILE", "",
           'local keyway = Proto("keyway", "Keyway message")', "", "local names = {"]
    for enum in ("type", "verdict", "kind"):
        values = [f'[{v["value"]}] = "{v["name"]}"' for v in spec["enums"][enum]["values"]]
        out += [f"    {enum} = {{{', '.join(values)}}},"]
    out += ["}", "local remedies = {"]
    out += [f'    [{v["value"]}] = "{v["remedy"]}",' for v in spec["enums"]["verdict"]["values"] if v["remedy"]]
    out += ["}", "local f = {"]
    shown = []  # what is added to the tree: structure, Lua name, offset, bytes
    for struct, local in (("trace_head", "trace"), ("header", "header")):
        for field in spec[struct]["fields"]:
            if field["name"] == "spare":
                continue
            offset, size, mask = lua_container(field)
            base = "base.HEX" if field["name"] in hexadecimal else "base.DEC"
            key = (struct, field["name"])
            texts = f"names.{named[key]}" if key in named else "nil"
            prefix = "keyway.trace." if local == "trace" else "keyway."
            masked = f", 0x{mask:X}" if mask else ""
            doc = f', "{field["doc"]}"' if mask else f', nil, "{field["doc"]}"'
            if size == 8:
                masked, doc = "", ""
            lua = f"{local}_{field['name']}"
            out += [f'    {lua} = ProtoField.uint{size * 8}("{prefix}{field["name"]}", "{field["name"]}", {base},'
                    f" {texts}{masked}{doc}),"]
            shown += [(local, lua, offset, size)]
            for value in spec["enums"][bits[key]]["values"] if key in bits else []:
                bit = value["value"] << (field["lsb"] - offset * 8)
                lua = f"{bits[key]}_{value['name']}"
                out += [f'    {lua} = ProtoField.bool("{prefix}{bits[key]}.{value["name"]}", "{value["name"]}",'
                        f' {size * 8}, nil, 0x{bit:02X}, "{value["doc"]}"),']
                shown += [(local, lua, offset, size)]
    out += ['    payload = ProtoField.bytes("keyway.payload", "payload"),', "}", "keyway.fields = f",
            'local refused = ProtoExpert.new("keyway.refused", "Not delivered", expert.group.RESPONSE_CODE,'
            " expert.severity.WARN)",
            "keyway.experts = {refused}", "",
            "function keyway.dissector(buffer, pinfo, tree)"]
    sizes = {"trace": struct_bits(spec["trace_head"]["fields"]) // 8, "header": spec["limits"]["header_bytes"]["value"]}
    total = sizes["trace"] + sizes["header"]
    out += [f"    if buffer:len() < {total} then return 0 end",
            '    pinfo.cols.protocol = "Keyway"',
            f"    local trace = buffer(0, {sizes['trace']})",
            f"    local header = buffer({sizes['trace']}, {sizes['header']})",
            "    local root = tree:add(keyway, buffer())",
            '    local of = {trace = root:add(keyway, trace, "What became of it"),',
            '                header = root:add(keyway, header, "Header")}',
            "    local items = {}"]
    out += [f'    items.{lua} = of.{struct}:add_le(f.{lua}, {struct}({offset}, {size}))'
            for struct, lua, offset, size in shown]
    at = {lua: (offset, size) for _, lua, offset, size in shown}
    type_field = next(f for f in spec["header"]["fields"] if f["name"] == "type")
    out += [f"    local verdict = trace({at['trace_verdict'][0]}, 1):uint()",
            f"    local type = header({at['header_type'][0]}, 1):bitfield({8 - type_field['lsb'] - type_field['width']},"
            f" {type_field['width']})",
            f"    local sender = header({at['header_sender'][0]}, 4):le_uint()",
            f"    local receiver = header({at['header_receiver'][0]}, 4):le_uint()",
            f"    local length = header({at['header_length'][0]}, 2):le_uint()",
            '    pinfo.cols.src = "process " .. sender',
            '    pinfo.cols.dst = "object " .. receiver',
            '    pinfo.cols.info = string.format("%s %d -> %d, %d bytes: %s", names.type[type] or type, sender, receiver,',
            "                                    length, names.verdict[verdict] or verdict)",
            "    if verdict ~= 0 then",
            '        items.trace_verdict:add_proto_expert_info(refused, "Next: " .. (remedies[verdict] or "see the contract"))',
            "    end",
            f"    if buffer:len() > {total} then",
            f"        root:add(f.payload, buffer({total}))",
            "    end",
            "    return buffer:len()", "end", "",
            'DissectorTable.get("wtap_encap"):add(wtap.USER0, keyway)', ""]
    return "\n".join(out + lua_frames(spec))


def lua_frames(spec):
    """The same for link type USER1: frames of a board's link, as the driver's recorder writes them."""
    bodies = {"hello": ["link_identity"], "message": ["header"], "delivery": ["link_delivery", "header"],
              "event": ["link_event"], "fill": ["link_access", "entry"], "invalidate": ["link_access"],
              "write": ["link_access"], "read": ["link_access"], "acknowledge": ["link_acknowledge"]}
    named = {("frame", "kind"): "frame_kind", ("link_event", "verdict"): "verdict", ("link_identity", "role"): "link_role",
             ("header", "type"): "type", ("entry", "kind"): "kind"}
    structs = ["frame", "link_identity", "link_delivery", "link_event", "link_access", "link_acknowledge", "header", "entry"]
    out = ['local board = Proto("keyway_board", "Keyway board frame")', "", "local board_names = {"]
    for enum in sorted(set(named.values())):
        values = [f'[{v["value"]}] = "{v["name"]}"' for v in spec["enums"][enum]["values"]]
        out += [f"    {enum} = {{{', '.join(values)}}},"]
    out += ["}", "local b = {}", "-- Of each structure: field, offset and bytes.", "local board_parts = {"]
    fields = []
    for struct in structs:
        rows = []
        for field in spec[struct]["fields"]:
            if field["name"] == "spare":
                continue
            offset, size, mask = lua_container(field)
            texts = f"board_names.{named[struct, field['name']]}" if (struct, field["name"]) in named else "nil"
            masked = f", 0x{mask:X}" if mask and size < 8 else ""
            name = f"{struct}_{field['name']}"
            fields += [f'b.{name} = ProtoField.uint{size * 8}("keyway.board.{struct}.{field["name"]}", "{field["name"]}",'
                       f" base.DEC, {texts}{masked})"]
            rows += [f'{{"{name}", {offset}, {size}}}']
        length = struct_bits(spec[struct]["fields"]) // 8
        out += [f"    {struct} = {{bytes = {length}, {', '.join(rows)}}},"]
    out += ["}", "local board_bodies = {"]
    values = {v["name"]: v["value"] for v in spec["enums"]["frame_kind"]["values"]}
    out += [f"    [{values[kind]}] = {{{', '.join(chr(34) + part + chr(34) for part in parts)}}}," for kind, parts in bodies.items()]
    out += ["}", *fields, 'b.rest = ProtoField.bytes("keyway.board.rest", "rest")', "board.fields = b", "",
            "function board.dissector(buffer, pinfo, tree)",
            "    local at = 0",
            "    local root = tree:add(board, buffer())",
            "    local function add(name)",
            "        local part = board_parts[name]",
            "        if buffer:len() - at < part.bytes then return false end",
            "        local items = root:add(board, buffer(at, part.bytes), name)",
            "        for _, field in ipairs(part) do",
            "            items:add_le(b[field[1]], buffer(at + field[2], field[3]))",
            "        end",
            "        at = at + part.bytes",
            "        return true",
            "    end",
            '    if not add("frame") then return 0 end',
            '    pinfo.cols.protocol = "Keyway board"',
            "    local kind = buffer(0, 1):uint()",
            '    local info = string.format("%s %d, grant %d", board_names.frame_kind[kind] or kind, buffer(2, 2):le_uint(),',
            "                               buffer(4, 2):le_uint())",
            "    for _, name in ipairs(board_bodies[kind] or {}) do",
            "        if not add(name) then break end",
            "    end",
            f"    if kind == {values['event']} and buffer:len() > 8 then",
            "        local verdict = buffer(8, 1):uint()",
            '        info = info .. ": " .. (board_names.verdict[verdict] or verdict)',
            "    end",
            "    if buffer:len() > at then root:add(b.rest, buffer(at)) end",
            "    pinfo.cols.info = info",
            "    return buffer:len()", "end", "",
            'DissectorTable.get("wtap_encap"):add(wtap.USER1, board)', ""]
    return out


def reference(spec):
    def table(head, rows):
        return [" | ".join(["", *head, ""]).strip(), "|" + "---|" * len(head),
                *[" | ".join(["", *row, ""]).strip() for row in rows], ""]

    contract = spec["contract"]
    out = [f"<!-- {NOTE} -->", "# The Keyway contract", "",
           f"Version {contract['major']}.{contract['minor']}, magic `0x{contract['magic']:08X}`. {contract['doc']}", "",
           "All structures are little-endian; bits count from the least significant one.", "", "## Limits", ""]
    out += table(["limit", "value", "meaning"],
                 [[f"`{k}`", str(v["value"]), v["doc"]] for k, v in spec["limits"].items()])
    for struct in STRUCTS:
        out += [f"## Structure `{struct}`", "", spec[struct]["doc"], ""]
        out += table(["bits", "field", "meaning"],
                     [[f"{f['lsb'] + f['width'] - 1}:{f['lsb']}", f"`{f['name']}`", f["doc"]]
                      for f in spec[struct]["fields"]])
        if "trailer_doc" in spec[struct]:
            out += [spec[struct]["trailer_doc"], ""]
    for name, enum in spec["enums"].items():
        out += [f"## `{name}`", "", enum["doc"], ""]
        remedy = "remedy" in enum["values"][0]
        form = (lambda v: f"0x{v:02X}") if name in ("flag", "right", "entry_flag", "grant_flag", "usb_request") else str
        out += table(["value", "name", "meaning"] + (["what to do"] if remedy else []),
                     [[form(v["value"]), f"`{v['name']}`", v["doc"]] + ([v["remedy"]] if remedy else [])
                      for v in enum["values"]])
    out += ["## USB", "", spec["usb"]["doc"], ""]
    out += table(["name", "value", "meaning"],
                 [[f"`{i['name']}`", f"0x{i['value']:04X}", i["doc"]] for i in spec["usb"]["items"]])
    out += ["## Registers", "", spec["registers"]["doc"], ""]
    out += table(["offset", "register", "access", "meaning"],
                 [[f"0x{r['offset']:03X}", f"`{r['name']}`", r["access"], r["doc"]]
                  for r in spec["registers"]["items"]])
    return "\n".join(out)


OUTPUTS = {
    "host/include/keyway/protocol.h": c_header,
    "host/include/keyway/protocol.hpp": cpp_header,
    "rtl/keyway_pkg.sv": sv_package,
    "tests/protocol/keyway_pkg_layout.sv": sv_layout_check,
    "docs/protocol.md": reference,
    "host/tool/keyway.lua": lua_dissector,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail when a generated file is stale")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="tree whose files are written or checked")
    args = parser.parse_args()
    with open(ROOT / "protocol/keyway.toml", "rb") as source:
        spec = tomllib.load(source)
    check(spec)
    stale = False
    for path, render in OUTPUTS.items():
        target, want = args.root / path, render(spec)
        have = target.read_bytes().decode() if target.exists() else ""  # read_text would make \r\n into \n
        if have == want:
            continue
        if args.check:
            stale = True
            sys.stderr.writelines(difflib.unified_diff(have.splitlines(True), want.splitlines(True),
                                                       path, f"{path} (as generated)"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(want)
            print(f"wrote {path}")
    if stale:
        sys.exit("generated files are stale: run protocol/generate.py and commit what it writes")


if __name__ == "__main__":
    main()
