-- Generated from protocol/keyway.toml by protocol/generate.py: edit those, not this.
-- A dissector for what `keyway trace --format pcapng` and `keyway device record` write:
--     wireshark -X lua_script:keyway.lua FILE

local keyway = Proto("keyway", "Keyway message")

local names = {
    type = {[1] = "control", [2] = "data", [3] = "quantum", [4] = "capability", [5] = "event"},
    verdict = {[0] = "delivered", [1] = "malformed", [2] = "spoofed", [3] = "no_such_capability", [4] = "expired", [5] = "wrong_object", [6] = "insufficient_rights", [7] = "no_such_carried", [8] = "carried_expired", [9] = "linearity", [10] = "not_grantable", [11] = "amplified", [12] = "full", [13] = "table_full", [14] = "miss", [15] = "timed_out", [16] = "decohered", [17] = "closed"},
    kind = {[1] = "endpoint", [2] = "topic", [3] = "reply", [4] = "region", [5] = "qubit", [6] = "process", [7] = "device", [8] = "observer", [9] = "channel"},
}
local remedies = {
    [1] = "build the header with the library, or see docs/protocol.md for the allowed values",
    [2] = "leave the sender field 0 and the router stamps it",
    [3] = "look the endpoint up again, or ask its owner for a capability",
    [4] = "ask for a new capability",
    [5] = "send to the receiver that the capability names",
    [6] = "ask the grantor for WRITE to send, EXECUTE to call",
    [7] = "carry a capability that you hold",
    [8] = "ask for a new capability before passing it on",
    [9] = "move linear capabilities with a quantum message; derive only from ordinary ones",
    [10] = "ask the grantor for GRANT or QUANTUM",
    [11] = "ask for a subset of the rights you hold",
    [12] = "wait for room (drop no_wait), or try again later",
    [13] = "release capabilities that are no longer needed, or raise limits.capabilities in the policy",
    [14] = "none needed: the host answers",
    [15] = "give a longer deadline, or make the receiver drain faster",
    [16] = "prepare a new resource",
    [17] = "look the endpoint up again",
}
local f = {
    trace_verdict = ProtoField.uint8("keyway.trace.verdict", "verdict", base.DEC, names.verdict, nil, "See `verdict`."),
    trace_rights = ProtoField.uint8("keyway.trace.rights", "rights", base.HEX, nil, nil, "Rights of the capability that the sender named, if it was the sender's; else 0."),
    right_read = ProtoField.bool("keyway.trace.right.read", "read", 8, nil, 0x01, "Receive, subscribe, map."),
    right_write = ProtoField.bool("keyway.trace.right.write", "write", 8, nil, 0x02, "Send, reply, publish, map writable."),
    right_execute = ProtoField.bool("keyway.trace.right.execute", "execute", 8, nil, 0x04, "Call: send with a reply expected."),
    right_grant = ProtoField.bool("keyway.trace.right.grant", "grant", 8, nil, 0x08, "Derive a capability for somebody else."),
    right_revoke = ProtoField.bool("keyway.trace.right.revoke", "revoke", 8, nil, 0x10, "Revoke what was derived."),
    right_quantum = ProtoField.bool("keyway.trace.right.quantum", "quantum", 8, nil, 0x20, "Hand a linear capability off."),
    right_device = ProtoField.bool("keyway.trace.right.device", "device", 8, nil, 0x40, "Open a lane or drive a device."),
    right_process = ProtoField.bool("keyway.trace.right.process", "process", 8, nil, 0x80, "Act for another process."),
    trace_kind = ProtoField.uint8("keyway.trace.kind", "kind", base.DEC, names.kind, 0xF, "Kind of that capability, see `kind`; 0 if it was not the sender's."),
    trace_captured = ProtoField.uint16("keyway.trace.captured", "captured", base.DEC, nil, nil, "Payload bytes that follow the header."),
    trace_process = ProtoField.uint16("keyway.trace.process", "process", base.DEC, nil, nil, "Process by whose link the message came."),
    trace_object = ProtoField.uint16("keyway.trace.object", "object", base.DEC, nil, nil, "What that capability was for; 0 if it was not the sender's."),
    trace_owner = ProtoField.uint16("keyway.trace.owner", "owner", base.DEC, nil, nil, "Process to which that object belonged; 0: unknown."),
    trace_created = ProtoField.uint32("keyway.trace.created", "created", base.HEX, nil, nil, "Capability that the receiver got with the message; 0: none."),
    trace_number = ProtoField.uint64("keyway.trace.number", "number", base.DEC, nil),
    trace_time = ProtoField.uint64("keyway.trace.time", "time", base.DEC, nil),
    header_version = ProtoField.uint8("keyway.version", "version", base.DEC, nil, 0xF, "Contract major version."),
    header_type = ProtoField.uint8("keyway.type", "type", base.DEC, names.type, 0xF0, "Message type, see `type`."),
    header_priority = ProtoField.uint8("keyway.priority", "priority", base.DEC, nil, 0x3, "0 (background) to 3 (urgent)."),
    header_flags = ProtoField.uint8("keyway.flags", "flags", base.HEX, nil, 0xFC, "See `flag`."),
    flag_expects_reply = ProtoField.bool("keyway.flag.expects_reply", "expects_reply", 8, nil, 0x04, "A call: the router makes a one-shot reply capability for the callee."),
    flag_reply = ProtoField.bool("keyway.flag.reply", "reply", 8, nil, 0x08, "The answer to a call; uses up the reply capability."),
    flag_stream_first = ProtoField.bool("keyway.flag.stream_first", "stream_first", 8, nil, 0x10, "First record of a stream."),
    flag_stream_last = ProtoField.bool("keyway.flag.stream_last", "stream_last", 8, nil, 0x20, "Last record of a stream."),
    flag_zero_copy = ProtoField.bool("keyway.flag.zero_copy", "zero_copy", 8, nil, 0x40, "The payload is a slice of the carried region."),
    flag_no_wait = ProtoField.bool("keyway.flag.no_wait", "no_wait", 8, nil, 0x80, "Refuse with `full` at once instead of waiting for room."),
    header_length = ProtoField.uint16("keyway.length", "length", base.DEC, nil, nil, "Payload bytes, 0 to 4096. Values above are malformed: the three highest bits are reserved and zero."),
    header_sender = ProtoField.uint32("keyway.sender", "sender", base.DEC, nil, nil, "Process id of the sender. The router checks it against the link; 0 on the way in means: stamp it for me."),
    header_receiver = ProtoField.uint32("keyway.receiver", "receiver", base.DEC, nil, nil, "Endpoint id, or topic id for events."),
    header_capability = ProtoField.uint32("keyway.capability", "capability", base.HEX, nil, nil, "On the way in the capability that authorises this message; on the way out its badge."),
    header_carried = ProtoField.uint32("keyway.carried", "carried", base.HEX, nil, nil, "On the way in the capability that is given, moved or handed off, 0 if none; on the way out the receiver's new capability."),
    header_sequence = ProtoField.uint32("keyway.sequence", "sequence", base.DEC, nil, nil, "Chosen by the sender, counts per sender and receiver, wraps. The reply to a call carries it as its badge."),
    header_timestamp = ProtoField.uint64("keyway.timestamp", "timestamp", base.DEC, nil),
    payload = ProtoField.bytes("keyway.payload", "payload"),
}
keyway.fields = f
local refused = ProtoExpert.new("keyway.refused", "Not delivered", expert.group.RESPONSE_CODE, expert.severity.WARN)
keyway.experts = {refused}

function keyway.dissector(buffer, pinfo, tree)
    if buffer:len() < 64 then return 0 end
    pinfo.cols.protocol = "Keyway"
    local trace = buffer(0, 32)
    local header = buffer(32, 32)
    local root = tree:add(keyway, buffer())
    local of = {trace = root:add(keyway, trace, "What became of it"),
                header = root:add(keyway, header, "Header")}
    local items = {}
    items.trace_verdict = of.trace:add_le(f.trace_verdict, trace(0, 1))
    items.trace_rights = of.trace:add_le(f.trace_rights, trace(1, 1))
    items.right_read = of.trace:add_le(f.right_read, trace(1, 1))
    items.right_write = of.trace:add_le(f.right_write, trace(1, 1))
    items.right_execute = of.trace:add_le(f.right_execute, trace(1, 1))
    items.right_grant = of.trace:add_le(f.right_grant, trace(1, 1))
    items.right_revoke = of.trace:add_le(f.right_revoke, trace(1, 1))
    items.right_quantum = of.trace:add_le(f.right_quantum, trace(1, 1))
    items.right_device = of.trace:add_le(f.right_device, trace(1, 1))
    items.right_process = of.trace:add_le(f.right_process, trace(1, 1))
    items.trace_kind = of.trace:add_le(f.trace_kind, trace(2, 1))
    items.trace_captured = of.trace:add_le(f.trace_captured, trace(4, 2))
    items.trace_process = of.trace:add_le(f.trace_process, trace(6, 2))
    items.trace_object = of.trace:add_le(f.trace_object, trace(8, 2))
    items.trace_owner = of.trace:add_le(f.trace_owner, trace(10, 2))
    items.trace_created = of.trace:add_le(f.trace_created, trace(12, 4))
    items.trace_number = of.trace:add_le(f.trace_number, trace(16, 8))
    items.trace_time = of.trace:add_le(f.trace_time, trace(24, 8))
    items.header_version = of.header:add_le(f.header_version, header(0, 1))
    items.header_type = of.header:add_le(f.header_type, header(0, 1))
    items.header_priority = of.header:add_le(f.header_priority, header(1, 1))
    items.header_flags = of.header:add_le(f.header_flags, header(1, 1))
    items.flag_expects_reply = of.header:add_le(f.flag_expects_reply, header(1, 1))
    items.flag_reply = of.header:add_le(f.flag_reply, header(1, 1))
    items.flag_stream_first = of.header:add_le(f.flag_stream_first, header(1, 1))
    items.flag_stream_last = of.header:add_le(f.flag_stream_last, header(1, 1))
    items.flag_zero_copy = of.header:add_le(f.flag_zero_copy, header(1, 1))
    items.flag_no_wait = of.header:add_le(f.flag_no_wait, header(1, 1))
    items.header_length = of.header:add_le(f.header_length, header(2, 2))
    items.header_sender = of.header:add_le(f.header_sender, header(4, 4))
    items.header_receiver = of.header:add_le(f.header_receiver, header(8, 4))
    items.header_capability = of.header:add_le(f.header_capability, header(12, 4))
    items.header_carried = of.header:add_le(f.header_carried, header(16, 4))
    items.header_sequence = of.header:add_le(f.header_sequence, header(20, 4))
    items.header_timestamp = of.header:add_le(f.header_timestamp, header(24, 8))
    local verdict = trace(0, 1):uint()
    local type = header(0, 1):bitfield(0, 4)
    local sender = header(4, 4):le_uint()
    local receiver = header(8, 4):le_uint()
    local length = header(2, 2):le_uint()
    pinfo.cols.src = "process " .. sender
    pinfo.cols.dst = "object " .. receiver
    pinfo.cols.info = string.format("%s %d -> %d, %d bytes: %s", names.type[type] or type, sender, receiver,
                                    length, names.verdict[verdict] or verdict)
    if verdict ~= 0 then
        items.trace_verdict:add_proto_expert_info(refused, "Next: " .. (remedies[verdict] or "see the contract"))
    end
    if buffer:len() > 64 then
        root:add(f.payload, buffer(64))
    end
    return buffer:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, keyway)

local board = Proto("keyway_board", "Keyway board frame")

local board_names = {
    frame_kind = {[1] = "credit", [2] = "hello", [3] = "message", [4] = "delivery", [5] = "event", [6] = "fill", [7] = "invalidate", [8] = "write", [9] = "read", [10] = "acknowledge"},
    kind = {[1] = "endpoint", [2] = "topic", [3] = "reply", [4] = "region", [5] = "qubit", [6] = "process", [7] = "device", [8] = "observer", [9] = "channel"},
    link_role = {[1] = "host", [2] = "firmware", [3] = "fpga"},
    type = {[1] = "control", [2] = "data", [3] = "quantum", [4] = "capability", [5] = "event"},
    verdict = {[0] = "delivered", [1] = "malformed", [2] = "spoofed", [3] = "no_such_capability", [4] = "expired", [5] = "wrong_object", [6] = "insufficient_rights", [7] = "no_such_carried", [8] = "carried_expired", [9] = "linearity", [10] = "not_grantable", [11] = "amplified", [12] = "full", [13] = "table_full", [14] = "miss", [15] = "timed_out", [16] = "decohered", [17] = "closed"},
}
local b = {}
-- Of each structure: field, offset and bytes.
local board_parts = {
    frame = {bytes = 8, {"frame_kind", 0, 1}, {"frame_epoch", 1, 1}, {"frame_sequence", 2, 2}, {"frame_grant", 4, 2}, {"frame_length", 6, 2}},
    link_identity = {bytes = 24, {"link_identity_magic", 0, 4}, {"link_identity_major", 4, 2}, {"link_identity_minor", 6, 2}, {"link_identity_build_hash", 8, 8}, {"link_identity_role", 16, 1}, {"link_identity_window", 17, 1}, {"link_identity_body", 18, 2}, {"link_identity_session", 20, 4}},
    link_delivery = {bytes = 8, {"link_delivery_destination", 0, 1}},
    link_event = {bytes = 24, {"link_event_verdict", 0, 1}, {"link_event_port", 1, 1}, {"link_event_tick", 2, 2}, {"link_event_sender", 4, 2}, {"link_event_receiver", 6, 2}, {"link_event_capability", 8, 4}, {"link_event_carried", 12, 4}, {"link_event_sequence", 16, 4}},
    link_access = {bytes = 8, {"link_access_offset", 0, 2}, {"link_access_value", 4, 4}},
    link_acknowledge = {bytes = 8, {"link_acknowledge_sequence", 0, 2}, {"link_acknowledge_outcome", 2, 1}, {"link_acknowledge_value", 4, 4}},
    header = {bytes = 32, {"header_version", 0, 1}, {"header_type", 0, 1}, {"header_priority", 1, 1}, {"header_flags", 1, 1}, {"header_length", 2, 2}, {"header_sender", 4, 4}, {"header_receiver", 8, 4}, {"header_capability", 12, 4}, {"header_carried", 16, 4}, {"header_sequence", 20, 4}, {"header_timestamp", 24, 8}},
    entry = {bytes = 16, {"entry_generation", 0, 2}, {"entry_flags", 1, 1}, {"entry_rights", 2, 1}, {"entry_kind", 3, 1}, {"entry_owner", 4, 2}, {"entry_object", 6, 2}, {"entry_badge", 8, 4}, {"entry_expiry", 12, 4}},
}
local board_bodies = {
    [2] = {"link_identity"},
    [3] = {"header"},
    [4] = {"link_delivery", "header"},
    [5] = {"link_event"},
    [6] = {"link_access", "entry"},
    [7] = {"link_access"},
    [8] = {"link_access"},
    [9] = {"link_access"},
    [10] = {"link_acknowledge"},
}
b.frame_kind = ProtoField.uint8("keyway.board.frame.kind", "kind", base.DEC, board_names.frame_kind)
b.frame_epoch = ProtoField.uint8("keyway.board.frame.epoch", "epoch", base.DEC, nil)
b.frame_sequence = ProtoField.uint16("keyway.board.frame.sequence", "sequence", base.DEC, nil)
b.frame_grant = ProtoField.uint16("keyway.board.frame.grant", "grant", base.DEC, nil)
b.frame_length = ProtoField.uint16("keyway.board.frame.length", "length", base.DEC, nil)
b.link_identity_magic = ProtoField.uint32("keyway.board.link_identity.magic", "magic", base.DEC, nil)
b.link_identity_major = ProtoField.uint16("keyway.board.link_identity.major", "major", base.DEC, nil)
b.link_identity_minor = ProtoField.uint16("keyway.board.link_identity.minor", "minor", base.DEC, nil)
b.link_identity_build_hash = ProtoField.uint64("keyway.board.link_identity.build_hash", "build_hash", base.DEC, nil)
b.link_identity_role = ProtoField.uint8("keyway.board.link_identity.role", "role", base.DEC, board_names.link_role)
b.link_identity_window = ProtoField.uint8("keyway.board.link_identity.window", "window", base.DEC, nil)
b.link_identity_body = ProtoField.uint16("keyway.board.link_identity.body", "body", base.DEC, nil)
b.link_identity_session = ProtoField.uint32("keyway.board.link_identity.session", "session", base.DEC, nil)
b.link_delivery_destination = ProtoField.uint8("keyway.board.link_delivery.destination", "destination", base.DEC, nil)
b.link_event_verdict = ProtoField.uint8("keyway.board.link_event.verdict", "verdict", base.DEC, board_names.verdict)
b.link_event_port = ProtoField.uint8("keyway.board.link_event.port", "port", base.DEC, nil)
b.link_event_tick = ProtoField.uint16("keyway.board.link_event.tick", "tick", base.DEC, nil)
b.link_event_sender = ProtoField.uint16("keyway.board.link_event.sender", "sender", base.DEC, nil)
b.link_event_receiver = ProtoField.uint16("keyway.board.link_event.receiver", "receiver", base.DEC, nil)
b.link_event_capability = ProtoField.uint32("keyway.board.link_event.capability", "capability", base.DEC, nil)
b.link_event_carried = ProtoField.uint32("keyway.board.link_event.carried", "carried", base.DEC, nil)
b.link_event_sequence = ProtoField.uint32("keyway.board.link_event.sequence", "sequence", base.DEC, nil)
b.link_access_offset = ProtoField.uint16("keyway.board.link_access.offset", "offset", base.DEC, nil, 0xFFF)
b.link_access_value = ProtoField.uint32("keyway.board.link_access.value", "value", base.DEC, nil)
b.link_acknowledge_sequence = ProtoField.uint16("keyway.board.link_acknowledge.sequence", "sequence", base.DEC, nil)
b.link_acknowledge_outcome = ProtoField.uint8("keyway.board.link_acknowledge.outcome", "outcome", base.DEC, nil)
b.link_acknowledge_value = ProtoField.uint32("keyway.board.link_acknowledge.value", "value", base.DEC, nil)
b.header_version = ProtoField.uint8("keyway.board.header.version", "version", base.DEC, nil, 0xF)
b.header_type = ProtoField.uint8("keyway.board.header.type", "type", base.DEC, board_names.type, 0xF0)
b.header_priority = ProtoField.uint8("keyway.board.header.priority", "priority", base.DEC, nil, 0x3)
b.header_flags = ProtoField.uint8("keyway.board.header.flags", "flags", base.DEC, nil, 0xFC)
b.header_length = ProtoField.uint16("keyway.board.header.length", "length", base.DEC, nil)
b.header_sender = ProtoField.uint32("keyway.board.header.sender", "sender", base.DEC, nil)
b.header_receiver = ProtoField.uint32("keyway.board.header.receiver", "receiver", base.DEC, nil)
b.header_capability = ProtoField.uint32("keyway.board.header.capability", "capability", base.DEC, nil)
b.header_carried = ProtoField.uint32("keyway.board.header.carried", "carried", base.DEC, nil)
b.header_sequence = ProtoField.uint32("keyway.board.header.sequence", "sequence", base.DEC, nil)
b.header_timestamp = ProtoField.uint64("keyway.board.header.timestamp", "timestamp", base.DEC, nil)
b.entry_generation = ProtoField.uint16("keyway.board.entry.generation", "generation", base.DEC, nil, 0xFFF)
b.entry_flags = ProtoField.uint8("keyway.board.entry.flags", "flags", base.DEC, nil, 0xF0)
b.entry_rights = ProtoField.uint8("keyway.board.entry.rights", "rights", base.DEC, nil)
b.entry_kind = ProtoField.uint8("keyway.board.entry.kind", "kind", base.DEC, board_names.kind, 0xF)
b.entry_owner = ProtoField.uint16("keyway.board.entry.owner", "owner", base.DEC, nil)
b.entry_object = ProtoField.uint16("keyway.board.entry.object", "object", base.DEC, nil)
b.entry_badge = ProtoField.uint32("keyway.board.entry.badge", "badge", base.DEC, nil)
b.entry_expiry = ProtoField.uint32("keyway.board.entry.expiry", "expiry", base.DEC, nil)
b.rest = ProtoField.bytes("keyway.board.rest", "rest")
board.fields = b

function board.dissector(buffer, pinfo, tree)
    local at = 0
    local root = tree:add(board, buffer())
    local function add(name)
        local part = board_parts[name]
        if buffer:len() - at < part.bytes then return false end
        local items = root:add(board, buffer(at, part.bytes), name)
        for _, field in ipairs(part) do
            items:add_le(b[field[1]], buffer(at + field[2], field[3]))
        end
        at = at + part.bytes
        return true
    end
    if not add("frame") then return 0 end
    pinfo.cols.protocol = "Keyway board"
    local kind = buffer(0, 1):uint()
    local info = string.format("%s %d, grant %d", board_names.frame_kind[kind] or kind, buffer(2, 2):le_uint(),
                               buffer(4, 2):le_uint())
    for _, name in ipairs(board_bodies[kind] or {}) do
        if not add(name) then break end
    end
    if kind == 5 and buffer:len() > 8 then
        local verdict = buffer(8, 1):uint()
        info = info .. ": " .. (board_names.verdict[verdict] or verdict)
    end
    if buffer:len() > at then root:add(b.rest, buffer(at)) end
    pinfo.cols.info = info
    return buffer:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER1, board)
