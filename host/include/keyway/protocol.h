/* Generated from protocol/keyway.toml by protocol/generate.py: edit those, not this. */
#ifndef KEYWAY_PROTOCOL_H
#define KEYWAY_PROTOCOL_H

/* Both sides of every link compare magic and major before anything else. */
#define KEYWAY_MAGIC 0x4B455957UL
/* Major version of the contract; programs of different ones don't speak with each other. */
#define KEYWAY_VERSION_MAJOR 1
/* Minor version of the contract; programs of different ones use what both know. */
#define KEYWAY_VERSION_MINOR 0

/* Longest payload of one message, in bytes; larger data travels as a region. */
#define KEYWAY_LIMIT_PAYLOAD_BYTES 4096UL
/* Size of the message header. */
#define KEYWAY_LIMIT_HEADER_BYTES 32UL
/* Size of a capability entry in hardware. */
#define KEYWAY_LIMIT_ENTRY_BITS 128UL
/* Bits of a capability id that name the table slot. */
#define KEYWAY_LIMIT_SLOT_BITS 20UL
/* Bits of a capability id that name the slot's generation. */
#define KEYWAY_LIMIT_GENERATION_BITS 12UL
/* Largest capability table, in slots; slot 0 is never used. */
#define KEYWAY_LIMIT_SLOTS 1048576UL
/* Significant bits of a process, endpoint or topic id; the upper half of the field is zero. */
#define KEYWAY_LIMIT_ID_BITS 16UL
/* Largest number of process, endpoint and topic ids; id 0 is the router. */
#define KEYWAY_LIMIT_IDS 65536UL
/* Priority levels; 3 is the most urgent. In a round level p may send 2^p messages before the round restarts, so the higher goes first and none starves. */
#define KEYWAY_LIMIT_PRIORITIES 4UL
/* Most two-level systems in the simulated state of one qubit resource; its memory is 2^width complex numbers of 16 bytes. */
#define KEYWAY_LIMIT_QUBIT_WIDTH 20UL
/* Fidelity is counted in parts per billion; this is 1. */
#define KEYWAY_LIMIT_FULL_FIDELITY 1000000000UL
/* Largest shared region, in bytes. */
#define KEYWAY_LIMIT_REGION_BYTES 1073741824UL
/* Longest body of a frame: delivery word, header and payload. */
#define KEYWAY_LIMIT_FRAME_BODY_BYTES 4136UL
/* Longest name of an endpoint or topic, in bytes. */
#define KEYWAY_LIMIT_NAME_BYTES 63UL
/* A router tick is 2^24 ns (16.8 ms); capability expiry is counted in ticks since the router's start. */
#define KEYWAY_LIMIT_TICK_SHIFT 24UL

/* header: 32 bytes in front of every message. */
/* Contract major version. This is its lowest bit. */
#define KEYWAY_HEADER_VERSION_LSB 0
/* Its width in bits. */
#define KEYWAY_HEADER_VERSION_WIDTH 4
/* Message type, see `type`. This is its lowest bit. */
#define KEYWAY_HEADER_TYPE_LSB 4
/* Its width in bits. */
#define KEYWAY_HEADER_TYPE_WIDTH 4
/* 0 (background) to 3 (urgent). This is its lowest bit. */
#define KEYWAY_HEADER_PRIORITY_LSB 8
/* Its width in bits. */
#define KEYWAY_HEADER_PRIORITY_WIDTH 2
/* See `flag`. This is its lowest bit. */
#define KEYWAY_HEADER_FLAGS_LSB 10
/* Its width in bits. */
#define KEYWAY_HEADER_FLAGS_WIDTH 6
/* Payload bytes, 0 to 4096. Values above are malformed: the three highest bits are reserved and zero. This is its lowest bit. */
#define KEYWAY_HEADER_LENGTH_LSB 16
/* Its width in bits. */
#define KEYWAY_HEADER_LENGTH_WIDTH 16
/* Process id of the sender. The router checks it against the link; 0 on the way in means: stamp it for me. This is its lowest bit. */
#define KEYWAY_HEADER_SENDER_LSB 32
/* Its width in bits. */
#define KEYWAY_HEADER_SENDER_WIDTH 32
/* Endpoint id, or topic id for events. This is its lowest bit. */
#define KEYWAY_HEADER_RECEIVER_LSB 64
/* Its width in bits. */
#define KEYWAY_HEADER_RECEIVER_WIDTH 32
/* On the way in the capability that authorises this message; on the way out its badge. This is its lowest bit. */
#define KEYWAY_HEADER_CAPABILITY_LSB 96
/* Its width in bits. */
#define KEYWAY_HEADER_CAPABILITY_WIDTH 32
/* On the way in the capability that is given, moved or handed off, 0 if none; on the way out the receiver's new capability. This is its lowest bit. */
#define KEYWAY_HEADER_CARRIED_LSB 128
/* Its width in bits. */
#define KEYWAY_HEADER_CARRIED_WIDTH 32
/* Chosen by the sender, counts per sender and receiver, wraps. The reply to a call carries it as its badge. This is its lowest bit. */
#define KEYWAY_HEADER_SEQUENCE_LSB 160
/* Its width in bits. */
#define KEYWAY_HEADER_SEQUENCE_WIDTH 32
/* On the way out: ns of the router's clock at acceptance. On the way in: the grant word when something is carried, else the deadline in ns of CLOCK_MONOTONIC until which the message may wait for room (0: for ever). This is its lowest bit. */
#define KEYWAY_HEADER_TIMESTAMP_LSB 192
/* Its width in bits. */
#define KEYWAY_HEADER_TIMESTAMP_WIDTH 64

/* entry: A row of the capability table as the hardware keeps it. */
/* Must equal the generation in the id; never 0. This is its lowest bit. */
#define KEYWAY_ENTRY_GENERATION_LSB 0
/* Its width in bits. */
#define KEYWAY_ENTRY_GENERATION_WIDTH 12
/* See `entry_flag`. This is its lowest bit. */
#define KEYWAY_ENTRY_FLAGS_LSB 12
/* Its width in bits. */
#define KEYWAY_ENTRY_FLAGS_WIDTH 4
/* See `right`. This is its lowest bit. */
#define KEYWAY_ENTRY_RIGHTS_LSB 16
/* Its width in bits. */
#define KEYWAY_ENTRY_RIGHTS_WIDTH 8
/* What the object is, see `kind`. This is its lowest bit. */
#define KEYWAY_ENTRY_KIND_LSB 24
/* Its width in bits. */
#define KEYWAY_ENTRY_KIND_WIDTH 4
/* Zero. This is its lowest bit. */
#define KEYWAY_ENTRY_SPARE_LSB 28
/* Its width in bits. */
#define KEYWAY_ENTRY_SPARE_WIDTH 4
/* Process that may use the entry. This is its lowest bit. */
#define KEYWAY_ENTRY_OWNER_LSB 32
/* Its width in bits. */
#define KEYWAY_ENTRY_OWNER_WIDTH 16
/* Endpoint, topic, region, process or qubit. This is its lowest bit. */
#define KEYWAY_ENTRY_OBJECT_LSB 48
/* Its width in bits. */
#define KEYWAY_ENTRY_OBJECT_WIDTH 16
/* What the receiver sees in place of the capability id. This is its lowest bit. */
#define KEYWAY_ENTRY_BADGE_LSB 64
/* Its width in bits. */
#define KEYWAY_ENTRY_BADGE_WIDTH 32
/* Router tick from which on the entry is expired; 0: never. This is its lowest bit. */
#define KEYWAY_ENTRY_EXPIRY_LSB 96
/* Its width in bits. */
#define KEYWAY_ENTRY_EXPIRY_WIDTH 32

/* grant: What becomes of a carried capability; travels in the header's timestamp field on the way in. */
/* Badge of the derived capability. This is its lowest bit. */
#define KEYWAY_GRANT_BADGE_LSB 0
/* Its width in bits. */
#define KEYWAY_GRANT_BADGE_WIDTH 32
/* Rights of the derived capability; must be a subset of the parent's. This is its lowest bit. */
#define KEYWAY_GRANT_RIGHTS_LSB 32
/* Its width in bits. */
#define KEYWAY_GRANT_RIGHTS_WIDTH 8
/* See `grant_flag`. This is its lowest bit. */
#define KEYWAY_GRANT_FLAGS_LSB 40
/* Its width in bits. */
#define KEYWAY_GRANT_FLAGS_WIDTH 4
/* Ticks from acceptance until expiry; 0: as long as the parent. Never longer than the parent. This is its lowest bit. */
#define KEYWAY_GRANT_LIFETIME_LSB 44
/* Its width in bits. */
#define KEYWAY_GRANT_LIFETIME_WIDTH 20

/* slice: Payload of a zero_copy message: which part of the carried region is meant. The receiver checks it against the region's size. */
/* First byte. This is its lowest bit. */
#define KEYWAY_SLICE_OFFSET_LSB 0
/* Its width in bits. */
#define KEYWAY_SLICE_OFFSET_WIDTH 64
/* Bytes. This is its lowest bit. */
#define KEYWAY_SLICE_LENGTH_LSB 64
/* Its width in bits. */
#define KEYWAY_SLICE_LENGTH_WIDTH 64

/* frame: Head of a frame on a link that leaves memory (USB). The body follows, then a CRC-32C (Castagnoli, RFC 3720) over head and body, little-endian; all of it goes out byte-stuffed (COBS), with a zero byte before and after, so that a zero is always a border and never content. */
/* See `frame_kind`. This is its lowest bit. */
#define KEYWAY_FRAME_KIND_LSB 0
/* Its width in bits. */
#define KEYWAY_FRAME_KIND_WIDTH 8
/* Low bits of the table epoch in which the frame was made; results count only in the current one. This is its lowest bit. */
#define KEYWAY_FRAME_EPOCH_LSB 8
/* Its width in bits. */
#define KEYWAY_FRAME_EPOCH_WIDTH 8
/* Counts the frames of a direction that take a place at the receiver; both directions begin at the number in the host's hello. A `credit` or `hello` takes none and carries the number of the next that does. This is its lowest bit. */
#define KEYWAY_FRAME_SEQUENCE_LSB 16
/* Its width in bits. */
#define KEYWAY_FRAME_SEQUENCE_WIDTH 16
/* First sequence that the receiver of this frame may not send yet. Absolute, so that a lost frame loses no credit. This is its lowest bit. */
#define KEYWAY_FRAME_GRANT_LSB 32
/* Its width in bits. */
#define KEYWAY_FRAME_GRANT_WIDTH 16
/* Bytes of the body. This is its lowest bit. */
#define KEYWAY_FRAME_LENGTH_LSB 48
/* Its width in bits. */
#define KEYWAY_FRAME_LENGTH_WIDTH 16

/* link_identity: Who speaks: body of a `hello`, and the answer to the USB request `identify`. */
/* The contract's magic. This is its lowest bit. */
#define KEYWAY_LINK_IDENTITY_MAGIC_LSB 0
/* Its width in bits. */
#define KEYWAY_LINK_IDENTITY_MAGIC_WIDTH 32
/* Contract major. This is its lowest bit. */
#define KEYWAY_LINK_IDENTITY_MAJOR_LSB 32
/* Its width in bits. */
#define KEYWAY_LINK_IDENTITY_MAJOR_WIDTH 16
/* Contract minor. This is its lowest bit. */
#define KEYWAY_LINK_IDENTITY_MINOR_LSB 48
/* Its width in bits. */
#define KEYWAY_LINK_IDENTITY_MINOR_WIDTH 16
/* First 64 bits of a SHA-256 of the sources that the speaker was built from; of the FPGA, in the low half, the register `build_hash`. This is its lowest bit. */
#define KEYWAY_LINK_IDENTITY_BUILD_HASH_LSB 64
/* Its width in bits. */
#define KEYWAY_LINK_IDENTITY_BUILD_HASH_WIDTH 64
/* See `link_role`. This is its lowest bit. */
#define KEYWAY_LINK_IDENTITY_ROLE_LSB 128
/* Its width in bits. */
#define KEYWAY_LINK_IDENTITY_ROLE_WIDTH 8
/* Most frames that the speaker can hold; 0 from the firmware, which holds none. This is its lowest bit. */
#define KEYWAY_LINK_IDENTITY_WINDOW_LSB 136
/* Its width in bits. */
#define KEYWAY_LINK_IDENTITY_WINDOW_WIDTH 8
/* Longest body that the speaker takes, in bytes; 0 from the firmware. This is its lowest bit. */
#define KEYWAY_LINK_IDENTITY_BODY_LSB 144
/* Its width in bits. */
#define KEYWAY_LINK_IDENTITY_BODY_WIDTH 16
/* In a `hello` the host's number for this opening of the link, which the answer repeats; zero from the firmware. This is its lowest bit. */
#define KEYWAY_LINK_IDENTITY_SESSION_LSB 160
/* Its width in bits. */
#define KEYWAY_LINK_IDENTITY_SESSION_WIDTH 32

/* link_delivery: In front of the header in a `delivery`: where the device's router sent the message. */
/* Destination number; 0 is the host: the device's table could not decide. This is its lowest bit. */
#define KEYWAY_LINK_DELIVERY_DESTINATION_LSB 0
/* Its width in bits. */
#define KEYWAY_LINK_DELIVERY_DESTINATION_WIDTH 8
/* Zero. This is its lowest bit. */
#define KEYWAY_LINK_DELIVERY_SPARE_LSB 8
/* Its width in bits. */
#define KEYWAY_LINK_DELIVERY_SPARE_WIDTH 56

/* link_event: Body of an `event`: what the device's router decided of one message. Events come in the order of the messages. */
/* See `verdict`. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_VERDICT_LSB 0
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_VERDICT_WIDTH 8
/* Port by which the message came. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_PORT_LSB 8
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_PORT_WIDTH 8
/* Low bits of the router tick. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_TICK_LSB 16
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_TICK_WIDTH 16
/* From the header. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_SENDER_LSB 32
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_SENDER_WIDTH 16
/* From the header. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_RECEIVER_LSB 48
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_RECEIVER_WIDTH 16
/* From the header. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_CAPABILITY_LSB 64
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_CAPABILITY_WIDTH 32
/* From the header. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_CARRIED_LSB 96
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_CARRIED_WIDTH 32
/* From the header. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_SEQUENCE_LSB 128
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_SEQUENCE_WIDTH 32
/* Zero. This is its lowest bit. */
#define KEYWAY_LINK_EVENT_SPARE_LSB 160
/* Its width in bits. */
#define KEYWAY_LINK_EVENT_SPARE_WIDTH 32

/* link_access: Body of a `write` or `read` of the device's registers, and of an `invalidate`, which uses only the value; after it the entry, in a `fill`. */
/* Register, see Registers. Zero in `fill` and `invalidate`. This is its lowest bit. */
#define KEYWAY_LINK_ACCESS_OFFSET_LSB 0
/* Its width in bits. */
#define KEYWAY_LINK_ACCESS_OFFSET_WIDTH 12
/* Zero. This is its lowest bit. */
#define KEYWAY_LINK_ACCESS_SPARE_LSB 12
/* Its width in bits. */
#define KEYWAY_LINK_ACCESS_SPARE_WIDTH 20
/* What is written; the table slot in `fill` and `invalidate`; zero in `read`. This is its lowest bit. */
#define KEYWAY_LINK_ACCESS_VALUE_LSB 32
/* Its width in bits. */
#define KEYWAY_LINK_ACCESS_VALUE_WIDTH 32

/* link_acknowledge: Body of an `acknowledge`: the device has done what a `fill`, `invalidate`, `write` or `read` asked for. A recall is over when this is here. */
/* Of the frame that asked. This is its lowest bit. */
#define KEYWAY_LINK_ACKNOWLEDGE_SEQUENCE_LSB 0
/* Its width in bits. */
#define KEYWAY_LINK_ACKNOWLEDGE_SEQUENCE_WIDTH 16
/* 0 done, 1 not understood. This is its lowest bit. */
#define KEYWAY_LINK_ACKNOWLEDGE_OUTCOME_LSB 16
/* Its width in bits. */
#define KEYWAY_LINK_ACKNOWLEDGE_OUTCOME_WIDTH 8
/* Zero. This is its lowest bit. */
#define KEYWAY_LINK_ACKNOWLEDGE_SPARE_LSB 24
/* Its width in bits. */
#define KEYWAY_LINK_ACKNOWLEDGE_SPARE_WIDTH 8
/* What was read; else zero. This is its lowest bit. */
#define KEYWAY_LINK_ACKNOWLEDGE_VALUE_LSB 32
/* Its width in bits. */
#define KEYWAY_LINK_ACKNOWLEDGE_VALUE_WIDTH 32

/* board_status: Answer to the USB request `status`. */
/* See `fpga_state`. This is its lowest bit. */
#define KEYWAY_BOARD_STATUS_FPGA_LSB 0
/* Its width in bits. */
#define KEYWAY_BOARD_STATUS_FPGA_WIDTH 8
/* 1 at 480 Mbit/s, 0 at 12. This is its lowest bit. */
#define KEYWAY_BOARD_STATUS_HIGH_SPEED_LSB 8
/* Its width in bits. */
#define KEYWAY_BOARD_STATUS_HIGH_SPEED_WIDTH 8
/* Number of the USB configuration that the host chose. This is its lowest bit. */
#define KEYWAY_BOARD_STATUS_CONFIGURED_LSB 16
/* Its width in bits. */
#define KEYWAY_BOARD_STATUS_CONFIGURED_WIDTH 8
/* Bit 0 the endpoint out, bit 1 the endpoint in. This is its lowest bit. */
#define KEYWAY_BOARD_STATUS_HALTED_LSB 24
/* Its width in bits. */
#define KEYWAY_BOARD_STATUS_HALTED_WIDTH 8
/* The chip's EP2468STAT: full and empty bits. This is its lowest bit. */
#define KEYWAY_BOARD_STATUS_FIFOS_LSB 32
/* Its width in bits. */
#define KEYWAY_BOARD_STATUS_FIFOS_WIDTH 8
/* MHz of the FIFO bus. This is its lowest bit. */
#define KEYWAY_BOARD_STATUS_CLOCK_LSB 40
/* Its width in bits. */
#define KEYWAY_BOARD_STATUS_CLOCK_WIDTH 8
/* Zero. This is its lowest bit. */
#define KEYWAY_BOARD_STATUS_SPARE_LSB 48
/* Its width in bits. */
#define KEYWAY_BOARD_STATUS_SPARE_WIDTH 16

/* board_statistics: Answer to the USB request `statistics`: counters of the firmware since it was loaded. They wrap. */
/* Control requests. This is its lowest bit. */
#define KEYWAY_BOARD_STATISTICS_SETUPS_LSB 0
/* Its width in bits. */
#define KEYWAY_BOARD_STATISTICS_SETUPS_WIDTH 32
/* Of them, those that were refused. This is its lowest bit. */
#define KEYWAY_BOARD_STATISTICS_STALLS_LSB 32
/* Its width in bits. */
#define KEYWAY_BOARD_STATISTICS_STALLS_WIDTH 32
/* Resets of the USB. This is its lowest bit. */
#define KEYWAY_BOARD_STATISTICS_BUS_RESETS_LSB 64
/* Its width in bits. */
#define KEYWAY_BOARD_STATISTICS_BUS_RESETS_WIDTH 32
/* Times that the USB went to sleep. This is its lowest bit. */
#define KEYWAY_BOARD_STATISTICS_SUSPENDS_LSB 96
/* Its width in bits. */
#define KEYWAY_BOARD_STATISTICS_SUSPENDS_WIDTH 32
/* Configurations of the FPGA that succeeded. This is its lowest bit. */
#define KEYWAY_BOARD_STATISTICS_LOADS_LSB 128
/* Its width in bits. */
#define KEYWAY_BOARD_STATISTICS_LOADS_WIDTH 32
/* Bytes of bitstream taken. This is its lowest bit. */
#define KEYWAY_BOARD_STATISTICS_BYTES_LSB 160
/* Its width in bits. */
#define KEYWAY_BOARD_STATISTICS_BYTES_WIDTH 32

/* trace_head: In front of each message that an observer follows: what became of it. The header as it was sent comes after it, then as much of the payload as the observer may see. */
/* See `verdict`. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_VERDICT_LSB 0
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_VERDICT_WIDTH 8
/* Rights of the capability that the sender named, if it was the sender's; else 0. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_RIGHTS_LSB 8
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_RIGHTS_WIDTH 8
/* Kind of that capability, see `kind`; 0 if it was not the sender's. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_KIND_LSB 16
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_KIND_WIDTH 4
/* Zero. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_SPARE_LSB 20
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_SPARE_WIDTH 12
/* Payload bytes that follow the header. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_CAPTURED_LSB 32
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_CAPTURED_WIDTH 16
/* Process by whose link the message came. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_PROCESS_LSB 48
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_PROCESS_WIDTH 16
/* What that capability was for; 0 if it was not the sender's. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_OBJECT_LSB 64
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_OBJECT_WIDTH 16
/* Process to which that object belonged; 0: unknown. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_OWNER_LSB 80
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_OWNER_WIDTH 16
/* Capability that the receiver got with the message; 0: none. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_CREATED_LSB 96
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_CREATED_WIDTH 32
/* Counts the messages that the router judged, from 1. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_NUMBER_LSB 128
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_NUMBER_WIDTH 64
/* ns since 1970, by the router's clock. This is its lowest bit. */
#define KEYWAY_TRACE_HEAD_TIME_LSB 192
/* Its width in bits. */
#define KEYWAY_TRACE_HEAD_TIME_WIDTH 64

/* Message types. */
/* Commands between services. */
#define KEYWAY_TYPE_CONTROL 1
/* Ordinary payload. */
#define KEYWAY_TYPE_DATA 2
/* Hand-off: moves a linear capability. */
#define KEYWAY_TYPE_QUANTUM 3
/* Derives or moves a capability. */
#define KEYWAY_TYPE_CAPABILITY 4
/* Publication to a topic. */
#define KEYWAY_TYPE_EVENT 5

/* Header flags, a bit each. */
/* A call: the router makes a one-shot reply capability for the callee. */
#define KEYWAY_FLAG_EXPECTS_REPLY 1
/* The answer to a call; uses up the reply capability. */
#define KEYWAY_FLAG_REPLY 2
/* First record of a stream. */
#define KEYWAY_FLAG_STREAM_FIRST 4
/* Last record of a stream. */
#define KEYWAY_FLAG_STREAM_LAST 8
/* The payload is a slice of the carried region. */
#define KEYWAY_FLAG_ZERO_COPY 16
/* Refuse with `full` at once instead of waiting for room. */
#define KEYWAY_FLAG_NO_WAIT 32

/* Rights of a capability, a bit each. */
/* Receive, subscribe, map. */
#define KEYWAY_RIGHT_READ 1
/* Send, reply, publish, map writable. */
#define KEYWAY_RIGHT_WRITE 2
/* Call: send with a reply expected. */
#define KEYWAY_RIGHT_EXECUTE 4
/* Derive a capability for somebody else. */
#define KEYWAY_RIGHT_GRANT 8
/* Revoke what was derived. */
#define KEYWAY_RIGHT_REVOKE 16
/* Hand a linear capability off. */
#define KEYWAY_RIGHT_QUANTUM 32
/* Open a lane or drive a device. */
#define KEYWAY_RIGHT_DEVICE 64
/* Act for another process. */
#define KEYWAY_RIGHT_PROCESS 128

/* What a capability names. */
/* A place to send messages to. */
#define KEYWAY_KIND_ENDPOINT 1
/* A publication. */
#define KEYWAY_KIND_TOPIC 2
/* The one answer to one call; made by the router. */
#define KEYWAY_KIND_REPLY 3
/* Shared memory. */
#define KEYWAY_KIND_REGION 4
/* A quantum resource; always linear. */
#define KEYWAY_KIND_QUBIT 5
/* Another process. */
#define KEYWAY_KIND_PROCESS 6
/* A router device. */
#define KEYWAY_KIND_DEVICE 7
/* Sight of the router's state beyond one's own. */
#define KEYWAY_KIND_OBSERVER 8
/* One end of a lane or stream: memory between two processes. */
#define KEYWAY_KIND_CHANNEL 9

/* Flags of a capability entry, a bit each. */
/* The slot is in use. */
#define KEYWAY_ENTRY_FLAG_VALID 1
/* Moved, never copied. */
#define KEYWAY_ENTRY_FLAG_LINEAR 2
/* Consumed by the messages that it authorises: by the first, or by as many as its use count says. The use count is kept beside the table, so the hardware is given only those with one use. */
#define KEYWAY_ENTRY_FLAG_ONE_SHOT 4
/* A holder of an ancestor with REVOKE may revoke it. */
#define KEYWAY_ENTRY_FLAG_REVOCABLE 8

/* Flags of the grant word, a bit each. */
/* Move the capability itself instead of deriving a child. */
#define KEYWAY_GRANT_FLAG_MOVE 1
/* The derived capability authorises one message. */
#define KEYWAY_GRANT_FLAG_ONE_SHOT 2

/* What route() says of a message. Checks run in this order; the first that fails gives the verdict. */
/* Accepted and put into every destination queue. */
#define KEYWAY_VERDICT_DELIVERED 0
/* Wrong version, type, length, flags or reserved bits. */
#define KEYWAY_VERDICT_MALFORMED 1
/* The sender field names somebody else than the link's process. */
#define KEYWAY_VERDICT_SPOOFED 2
/* The capability id is out of range, free, of an older generation, or somebody else's. */
#define KEYWAY_VERDICT_NO_SUCH_CAPABILITY 3
/* The capability's lifetime is over. */
#define KEYWAY_VERDICT_EXPIRED 4
/* The capability is for another object or another kind of operation. */
#define KEYWAY_VERDICT_WRONG_OBJECT 5
/* The capability lacks the right that this operation needs. */
#define KEYWAY_VERDICT_INSUFFICIENT_RIGHTS 6
/* The carried capability is out of range, free, of an older generation, or somebody else's. */
#define KEYWAY_VERDICT_NO_SUCH_CARRIED 7
/* The carried capability's lifetime is over. */
#define KEYWAY_VERDICT_CARRIED_EXPIRED 8
/* A linear or one-shot capability would be copied, or a hand-off names one that is not linear. */
#define KEYWAY_VERDICT_LINEARITY 9
/* The carried capability has no GRANT (or, if linear, no QUANTUM) right. */
#define KEYWAY_VERDICT_NOT_GRANTABLE 10
/* The derived capability would have rights that its parent lacks. */
#define KEYWAY_VERDICT_AMPLIFIED 11
/* A destination queue has no room; nothing was changed. */
#define KEYWAY_VERDICT_FULL 12
/* No capability slot, or the process's or user's share of slots is used up. */
#define KEYWAY_VERDICT_TABLE_FULL 13
/* Hardware only: the entry is not in the device's table; the host decides. */
#define KEYWAY_VERDICT_MISS 14
/* The message's own deadline passed while it waited for room. */
#define KEYWAY_VERDICT_TIMED_OUT 15
/* The quantum resource is past its coherence deadline. */
#define KEYWAY_VERDICT_DECOHERED 16
/* The receiver went away while the message waited, or the router shuts down. */
#define KEYWAY_VERDICT_CLOSED 17

/* What the library says beside the verdicts. The C interface returns them negated, like the verdicts. */
/* The deadline passed before anything came. */
#define KEYWAY_STATUS_TIMEOUT 64
/* Nothing there, or no room, and waiting was not asked for. */
#define KEYWAY_STATUS_WOULD_BLOCK 65
/* There is no connection to a router. */
#define KEYWAY_STATUS_NOT_CONNECTED 66
/* The router ended or closed this connection. */
#define KEYWAY_STATUS_ROUTER_GONE 67
/* The callee died or closed its endpoint before it replied. */
#define KEYWAY_STATUS_PEER_GONE 68
/* The call's authority was revoked before the reply. */
#define KEYWAY_STATUS_REVOKED 69
/* No endpoint of that name that this process may see. */
#define KEYWAY_STATUS_NO_SUCH_NAME 70
/* An endpoint of that name exists already. */
#define KEYWAY_STATUS_NAME_TAKEN 71
/* The name is empty, longer than 63 bytes, or has characters outside A-Z a-z 0-9 . _ - /. */
#define KEYWAY_STATUS_BAD_NAME 72
/* The policy does not allow this to this user. */
#define KEYWAY_STATUS_NOT_ALLOWED 73
/* A limit of the process or the user is reached. */
#define KEYWAY_STATUS_LIMIT 74
/* Library and router speak different contract versions. */
#define KEYWAY_STATUS_VERSION_MISMATCH 75
/* A request to the router was not understood. */
#define KEYWAY_STATUS_BAD_REQUEST 76
/* An argument is out of its range. */
#define KEYWAY_STATUS_BAD_ARGUMENT 77
/* This build does not have the operation. */
#define KEYWAY_STATUS_NOT_SUPPORTED 78
/* The peer wrote something impossible into the shared ring. */
#define KEYWAY_STATUS_CORRUPT 79
/* The operating system refused; errno says why. */
#define KEYWAY_STATUS_SYSTEM 80
/* The audit log can't be written, and the policy says that nothing goes on without it. */
#define KEYWAY_STATUS_AUDIT_UNAVAILABLE 84
/* Somebody reads the region already, so the kernel allows nobody else to map it writable. */
#define KEYWAY_STATUS_SEALED 85
/* No qubit of that number that this process may take over. */
#define KEYWAY_STATUS_NO_SUCH_QUBIT 86
/* Descriptors came with a request; the router takes none and has closed them. */
#define KEYWAY_STATUS_UNWANTED_DESCRIPTORS 82
/* No process of that id is connected. */
#define KEYWAY_STATUS_NO_SUCH_PROCESS 83
/* The service has no method of that number. */
#define KEYWAY_STATUS_NO_SUCH_METHOD 100
/* The service failed while it handled the call. */
#define KEYWAY_STATUS_SERVICE_FAILED 101
/* The process at the other end did not want the lane or stream. */
#define KEYWAY_STATUS_DECLINED 95
/* One side broke the stream off; its reason says why. */
#define KEYWAY_STATUS_ABORTED 96
/* The process has no such subscription (any more). */
#define KEYWAY_STATUS_NO_SUCH_SUBSCRIPTION 90
/* No board is plugged in, or none with the serial number that was asked for. */
#define KEYWAY_STATUS_NO_DEVICE 110
/* This user may not open the board. */
#define KEYWAY_STATUS_DEVICE_PERMISSION 111
/* Another program has the board. */
#define KEYWAY_STATUS_DEVICE_BUSY 112
/* The board was unplugged, or reset itself. */
#define KEYWAY_STATUS_DEVICE_GONE 113
/* The device does not speak as Keyway's firmware does: it is blank, or it runs somebody else's. */
#define KEYWAY_STATUS_FOREIGN_DEVICE 114
/* The board speaks an older contract than this program. */
#define KEYWAY_STATUS_DEVICE_OLDER 115
/* The board speaks a newer contract than this program. */
#define KEYWAY_STATUS_DEVICE_NEWER 116
/* The board refused a request (a stall). */
#define KEYWAY_STATUS_DEVICE_REFUSED 117
/* The board answered with other bytes than the contract says. */
#define KEYWAY_STATUS_DEVICE_GARBLED 118
/* The board did not answer in time. */
#define KEYWAY_STATUS_DEVICE_SILENT 119
/* The board's FPGA is not configured, so nothing routes. */
#define KEYWAY_STATUS_FPGA_EMPTY 120
/* The firmware or bitstream file is not what it should be. */
#define KEYWAY_STATUS_BAD_IMAGE 121
/* The router is draining and takes nothing new. */
#define KEYWAY_STATUS_SHUTTING_DOWN 81

/* What the router tells a process on its notice ring. */
/* A submission was not delivered; says which and why. */
#define KEYWAY_NOTICE_REFUSED 1
/* A call's callee is gone; the call will not be answered. */
#define KEYWAY_NOTICE_PEER_GONE 2
/* A capability of this process was revoked. */
#define KEYWAY_NOTICE_REVOKED 3
/* The router closes the link; says why. */
#define KEYWAY_NOTICE_CLOSED 4
/* Something changed about a region that the process has mapped: a holder was recalled, or it moved to another file. `value` is its object; ask again with region_map. */
#define KEYWAY_NOTICE_REGION 10
/* A capability or quantum message was delivered; says which capability the receiver got. */
#define KEYWAY_NOTICE_GRANTED 5

/* Requests of a process on the control socket. */
/* Opens the conversation: magic, version, ring sizes. */
#define KEYWAY_REQUEST_HELLO 1
/* The process has mapped the rings; the router seals them. */
#define KEYWAY_REQUEST_MAPPED 2
/* Registers a named endpoint. */
#define KEYWAY_REQUEST_REGISTER 3
/* Looks a name up and derives the capability that the policy allows. */
#define KEYWAY_REQUEST_LOOKUP 4
/* Closes one of the process's endpoints. */
#define KEYWAY_REQUEST_CLOSE 5
/* An administrator derives a capability for a process from an endpoint's name. */
#define KEYWAY_REQUEST_GRANT 6
/* Revokes a capability and its descendants. */
#define KEYWAY_REQUEST_REVOKE 7
/* Gives up one of the process's own capabilities. */
#define KEYWAY_REQUEST_RELEASE 8
/* What the process may see of the router's state, as JSON. */
#define KEYWAY_REQUEST_LIST 9
/* Gives up an outstanding call, or a submission that waits for room. */
#define KEYWAY_REQUEST_CANCEL 10
/* Describes one of the process's own capabilities. */
#define KEYWAY_REQUEST_INSPECT 11
/* Derives a capability for the process itself: rights, badge, lifetime, and in `value` how many messages it authorises (0: any number). */
#define KEYWAY_REQUEST_DERIVE 12
/* Says whether an outstanding call, by its sequence in `badge`, can still be answered: a process that comes back to a router that died asks. */
#define KEYWAY_REQUEST_PENDING 13
/* Makes a region: its bytes in `value`, 1 in `badge` for a revocable one. Answers with its file. */
#define KEYWAY_REQUEST_REGION_CREATE 20
/* Answers with the file of a region, for reading or, with WRITE in `rights`, for writing. */
#define KEYWAY_REQUEST_REGION_MAP 21
/* The process has unmapped the region. */
#define KEYWAY_REQUEST_REGION_UNMAP 22
/* The owner wants an empty file to move a revocable region to. */
#define KEYWAY_REQUEST_REGION_FRESH 23
/* The owner has copied the content into the fresh file: it is the region from now on. 1 in `badge`: the old file is cut. */
#define KEYWAY_REQUEST_REGION_MOVED 24
/* The owner takes the memory of a revocable region from everybody. */
#define KEYWAY_REQUEST_REGION_CUT 25
/* Makes a named topic: policy, events kept for late joiners, ring size, patience. */
#define KEYWAY_REQUEST_TOPIC 30
/* Subscribes the process, or one that it may act for, to a topic; answers with the broadcast ring. */
#define KEYWAY_REQUEST_SUBSCRIBE 31
/* Ends one of the process's subscriptions. */
#define KEYWAY_REQUEST_UNSUBSCRIBE 32
/* Asks for the ring that a subscription's topic has moved to. */
#define KEYWAY_REQUEST_TOPIC_RING 33
/* Makes a qubit: coherence deadline, fidelity, width of its simulated state. */
#define KEYWAY_REQUEST_PREPARE 50
/* Takes a qubit back that the router holds because the process's link, or the router itself, ended. */
#define KEYWAY_REQUEST_RECLAIM 51
/* Describes a qubit that the process holds; answers with the memory of its state. */
#define KEYWAY_REQUEST_QUBIT 52
/* Makes a lane or stream to an endpoint's owner, who is asked. */
#define KEYWAY_REQUEST_OPEN_CHANNEL 40
/* Makes an observer capability, if the policy lets the process observe. */
#define KEYWAY_REQUEST_OBSERVE 60
/* Answers with the memory in which the router publishes counters: of the process's own, or with an observer capability of everything. */
#define KEYWAY_REQUEST_COUNTERS 61
/* Answers with the ring in which an observer follows messages; with PROCESS in `rights` also what they say. */
#define KEYWAY_REQUEST_TRACE 62
/* Takes one's end of a lane or stream that was offered. */
#define KEYWAY_REQUEST_ACCEPT_CHANNEL 41

/* Vendor requests of the board's firmware (bRequest). */
/* FX2 boot loader: read or write RAM at wValue. Served by the chip itself. */
#define KEYWAY_USB_REQUEST_LOAD_RAM 160
/* IN: a link_identity. */
#define KEYWAY_USB_REQUEST_IDENTIFY 176
/* OUT: puts the FPGA into configuration mode. */
#define KEYWAY_USB_REQUEST_FPGA_BEGIN 177
/* OUT: a piece of the bitstream, at most 4096 bytes. */
#define KEYWAY_USB_REQUEST_FPGA_DATA 178
/* IN: ends configuration; one byte, 1 when the FPGA reports done. */
#define KEYWAY_USB_REQUEST_FPGA_END 179
/* OUT: wValue bit 0 empties the FIFOs and ends halts, bit 1 resets the FPGA, which is empty after that. */
#define KEYWAY_USB_REQUEST_RESET 180
/* IN: a board_status. */
#define KEYWAY_USB_REQUEST_STATUS 181
/* IN: board_statistics. */
#define KEYWAY_USB_REQUEST_STATISTICS 182

/* What a frame is for. */
/* Nothing but its head: sequence and grant. Needs no credit; who waits for credit repeats it. */
#define KEYWAY_FRAME_KIND_CREDIT 1
/* Opens the link, host first; the body is a link_identity. Sequences of both directions start again at the number in its head, which the answer repeats. Needs no credit. */
#define KEYWAY_FRAME_KIND_HELLO 2
/* Host to device: a message header, and its payload if the device takes payloads. */
#define KEYWAY_FRAME_KIND_MESSAGE 3
/* Device to host: a link_delivery, the header as the router passed it on, and what came as payload. */
#define KEYWAY_FRAME_KIND_DELIVERY 4
/* Device to host: a link_event. */
#define KEYWAY_FRAME_KIND_EVENT 5
/* Host to device: a link_access and a capability entry for the table. */
#define KEYWAY_FRAME_KIND_FILL 6
/* Host to device: a link_access; the table forgets the slot. */
#define KEYWAY_FRAME_KIND_INVALIDATE 7
/* Host to device: a link_access; one register is written. */
#define KEYWAY_FRAME_KIND_WRITE 8
/* Host to device: a link_access; one register is read. */
#define KEYWAY_FRAME_KIND_READ 9
/* Device to host: one of the four before it is done. */
#define KEYWAY_FRAME_KIND_ACKNOWLEDGE 10

/* Who speaks in an identity. */
/* The driver. */
#define KEYWAY_LINK_ROLE_HOST 1
/* The program of the board's USB controller. */
#define KEYWAY_LINK_ROLE_FIRMWARE 2
/* The hardware router behind it. */
#define KEYWAY_LINK_ROLE_FPGA 3

/* What the firmware knows of the FPGA. */
/* Not configured. */
#define KEYWAY_FPGA_STATE_EMPTY 0
/* A bitstream is on its way. */
#define KEYWAY_FPGA_STATE_LOADING 1
/* Configured. */
#define KEYWAY_FPGA_STATE_READY 2
/* It did not report done after the last bitstream. */
#define KEYWAY_FPGA_STATE_FAILED 3

/* Numbers by which a board is found and spoken to. */
/* Vendor of a chip that has no firmware. */
#define KEYWAY_USB_BLANK_VENDOR 0x04B4
/* Product of a chip that has no firmware. */
#define KEYWAY_USB_BLANK_PRODUCT 0x8613
/* Vendor of the Glasgow Interface Explorer. */
#define KEYWAY_USB_BOARD_VENDOR 0x20B7
/* Its product; Keyway's firmware keeps both, and is told apart by `identify`. */
#define KEYWAY_USB_BOARD_PRODUCT 0x9DB1
/* Bulk endpoint with frames from the host. */
#define KEYWAY_USB_ENDPOINT_OUT 0x0002
/* Bulk endpoint with frames to the host. */
#define KEYWAY_USB_ENDPOINT_IN 0x0086
/* Bytes of a full packet at high speed. */
#define KEYWAY_USB_PACKET 0x0200

/* AXI4-Lite register block of the hardware router. Offsets in bytes; 32-bit registers. */
/* ro: The contract's magic. */
#define KEYWAY_REG_MAGIC 0x000
/* ro: Contract major in 31:16, minor in 15:0. */
#define KEYWAY_REG_VERSION 0x004
/* ro: Bit 0 payload memory, bit 1 multicast, bit 2 audit stream, bit 3 frame bridge. */
#define KEYWAY_REG_FEATURES 0x008
/* ro: First 32 bits of the hash of the sources that the block was built from. */
#define KEYWAY_REG_BUILD_HASH 0x00C
/* ro: Ports in 7:0, log2 of table slots in 15:8, log2 of queue slots in 23:16, log2 of destinations in 31:24. */
#define KEYWAY_REG_GEOMETRY 0x010
/* ro: Data width of the streams in bits. */
#define KEYWAY_REG_STREAM_BITS 0x014
/* rw: Bit 0 enable, bit 1 soft reset (self-clearing). */
#define KEYWAY_REG_CONTROL 0x020
/* rw: Table epoch; writing another value invalidates every row. */
#define KEYWAY_REG_EPOCH 0x024
/* rw: Router tick, written by the host, counted on by the block. */
#define KEYWAY_REG_TICK 0x028
/* rw: Port that the port registers below speak of. */
#define KEYWAY_REG_PORT_SELECT 0x02C
/* rw: Bit 0 enable, bit 1 reset the port (self-clearing). */
#define KEYWAY_REG_PORT_CONTROL 0x030
/* rw: Process that the port is bound to; 0: any (a host port). */
#define KEYWAY_REG_PORT_SENDER 0x034
/* ro: Bit 0 in frame, bit 1 stopped by an error. */
#define KEYWAY_REG_PORT_STATUS 0x038
/* rw: Slot for the next table access. */
#define KEYWAY_REG_TABLE_INDEX 0x040
/* rw: Entry bits 31:0. */
#define KEYWAY_REG_TABLE_DATA0 0x044
/* rw: Entry bits 63:32. */
#define KEYWAY_REG_TABLE_DATA1 0x048
/* rw: Entry bits 95:64. */
#define KEYWAY_REG_TABLE_DATA2 0x04C
/* rw: Entry bits 127:96. */
#define KEYWAY_REG_TABLE_DATA3 0x050
/* rw: Write 1: fill the row, 2: invalidate it, 3: read it; reads 0 when done. */
#define KEYWAY_REG_TABLE_COMMAND 0x054
/* ro: Messages delivered. */
#define KEYWAY_REG_COUNT_ACCEPTED 0x080
/* ro: Messages refused, all reasons. */
#define KEYWAY_REG_COUNT_REFUSED 0x084
/* ro: Messages given to the host because the table had no row. */
#define KEYWAY_REG_COUNT_MISSED 0x088
/* ro: Audit events that found the audit FIFO full. */
#define KEYWAY_REG_COUNT_DROPPED_AUDIT 0x08C
/* ro: First of 32 counters, one a verdict. */
#define KEYWAY_REG_COUNT_VERDICT 0x100
/* Size of the block in bytes. */
#define KEYWAY_REG_SIZE 0x200

#endif
