// Generated from protocol/keyway.toml by protocol/generate.py: edit those, not this.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace keyway {

static_assert(std::endian::native == std::endian::little, "the contract is little-endian");

/// Both sides of every link compare magic and major before anything else.
inline constexpr std::uint32_t kMagic = 0x4B455957;
/// Major version of the contract; programs of different ones don't speak with each other.
inline constexpr std::uint16_t kVersionMajor = 1;
/// Minor version of the contract; programs of different ones use what both know.
inline constexpr std::uint16_t kVersionMinor = 0;

/// Sizes, numbers and ranges.
namespace limit {
/// Longest payload of one message, in bytes; larger data travels as a region.
inline constexpr std::uint32_t kPayloadBytes = 4096;
/// Size of the message header.
inline constexpr std::uint32_t kHeaderBytes = 32;
/// Size of a capability entry in hardware.
inline constexpr std::uint32_t kEntryBits = 128;
/// Bits of a capability id that name the table slot.
inline constexpr std::uint32_t kSlotBits = 20;
/// Bits of a capability id that name the slot's generation.
inline constexpr std::uint32_t kGenerationBits = 12;
/// Largest capability table, in slots; slot 0 is never used.
inline constexpr std::uint32_t kSlots = 1048576;
/// Significant bits of a process, endpoint or topic id; the upper half of the field is zero.
inline constexpr std::uint32_t kIdBits = 16;
/// Largest number of process, endpoint and topic ids; id 0 is the router.
inline constexpr std::uint32_t kIds = 65536;
/// Priority levels; 3 is the most urgent. In a round level p may send 2^p messages before the round restarts, so the higher goes first and none starves.
inline constexpr std::uint32_t kPriorities = 4;
/// Most two-level systems in the simulated state of one qubit resource; its memory is 2^width complex numbers of 16 bytes.
inline constexpr std::uint32_t kQubitWidth = 20;
/// Fidelity is counted in parts per billion; this is 1.
inline constexpr std::uint32_t kFullFidelity = 1000000000;
/// Largest shared region, in bytes.
inline constexpr std::uint32_t kRegionBytes = 1073741824;
/// Longest body of a frame: delivery word, header and payload.
inline constexpr std::uint32_t kFrameBodyBytes = 4136;
/// Longest name of an endpoint or topic, in bytes.
inline constexpr std::uint32_t kNameBytes = 63;
/// A router tick is 2^24 ns (16.8 ms); capability expiry is counted in ticks since the router's start.
inline constexpr std::uint32_t kTickShift = 24;
}  // namespace limit

/// Message types.
enum class Type : std::uint8_t {
    kControl = 1,  ///< Commands between services.
    kData = 2,  ///< Ordinary payload.
    kQuantum = 3,  ///< Hand-off: moves a linear capability.
    kCapability = 4,  ///< Derives or moves a capability.
    kEvent = 5,  ///< Publication to a topic.
};
/// The name of a type as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(Type value) noexcept {
    switch (value) {
        case Type::kControl:
            return "control";
        case Type::kData:
            return "data";
        case Type::kQuantum:
            return "quantum";
        case Type::kCapability:
            return "capability";
        case Type::kEvent:
            return "event";
    }
    return "unknown";
}
/// Number of values of Type.
inline constexpr std::size_t kTypeCount = 5;

/// Header flags, a bit each.
namespace flag {
/// A call: the router makes a one-shot reply capability for the callee.
inline constexpr std::uint8_t kExpectsReply = 0x01;
/// The answer to a call; uses up the reply capability.
inline constexpr std::uint8_t kReply = 0x02;
/// First record of a stream.
inline constexpr std::uint8_t kStreamFirst = 0x04;
/// Last record of a stream.
inline constexpr std::uint8_t kStreamLast = 0x08;
/// The payload is a slice of the carried region.
inline constexpr std::uint8_t kZeroCopy = 0x10;
/// Refuse with `full` at once instead of waiting for room.
inline constexpr std::uint8_t kNoWait = 0x20;
/// All of them.
inline constexpr std::uint8_t kAll = 0x3F;
}  // namespace flag

/// Rights of a capability, a bit each.
namespace right {
/// Receive, subscribe, map.
inline constexpr std::uint8_t kRead = 0x01;
/// Send, reply, publish, map writable.
inline constexpr std::uint8_t kWrite = 0x02;
/// Call: send with a reply expected.
inline constexpr std::uint8_t kExecute = 0x04;
/// Derive a capability for somebody else.
inline constexpr std::uint8_t kGrant = 0x08;
/// Revoke what was derived.
inline constexpr std::uint8_t kRevoke = 0x10;
/// Hand a linear capability off.
inline constexpr std::uint8_t kQuantum = 0x20;
/// Open a lane or drive a device.
inline constexpr std::uint8_t kDevice = 0x40;
/// Act for another process.
inline constexpr std::uint8_t kProcess = 0x80;
/// All of them.
inline constexpr std::uint8_t kAll = 0xFF;
}  // namespace right

/// What a capability names.
enum class Kind : std::uint8_t {
    kEndpoint = 1,  ///< A place to send messages to.
    kTopic = 2,  ///< A publication.
    kReply = 3,  ///< The one answer to one call; made by the router.
    kRegion = 4,  ///< Shared memory.
    kQubit = 5,  ///< A quantum resource; always linear.
    kProcess = 6,  ///< Another process.
    kDevice = 7,  ///< A router device.
    kObserver = 8,  ///< Sight of the router's state beyond one's own.
    kChannel = 9,  ///< One end of a lane or stream: memory between two processes.
};
/// The name of a kind as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(Kind value) noexcept {
    switch (value) {
        case Kind::kEndpoint:
            return "endpoint";
        case Kind::kTopic:
            return "topic";
        case Kind::kReply:
            return "reply";
        case Kind::kRegion:
            return "region";
        case Kind::kQubit:
            return "qubit";
        case Kind::kProcess:
            return "process";
        case Kind::kDevice:
            return "device";
        case Kind::kObserver:
            return "observer";
        case Kind::kChannel:
            return "channel";
    }
    return "unknown";
}
/// Number of values of Kind.
inline constexpr std::size_t kKindCount = 9;

/// Flags of a capability entry, a bit each.
namespace entry_flag {
/// The slot is in use.
inline constexpr std::uint8_t kValid = 0x01;
/// Moved, never copied.
inline constexpr std::uint8_t kLinear = 0x02;
/// Consumed by the messages that it authorises: by the first, or by as many as its use count says. The use count is kept beside the table, so the hardware is given only those with one use.
inline constexpr std::uint8_t kOneShot = 0x04;
/// A holder of an ancestor with REVOKE may revoke it.
inline constexpr std::uint8_t kRevocable = 0x08;
/// All of them.
inline constexpr std::uint8_t kAll = 0x0F;
}  // namespace entry_flag

/// Flags of the grant word, a bit each.
namespace grant_flag {
/// Move the capability itself instead of deriving a child.
inline constexpr std::uint8_t kMove = 0x01;
/// The derived capability authorises one message.
inline constexpr std::uint8_t kOneShot = 0x02;
/// All of them.
inline constexpr std::uint8_t kAll = 0x03;
}  // namespace grant_flag

/// What route() says of a message. Checks run in this order; the first that fails gives the verdict.
enum class Verdict : std::uint8_t {
    kDelivered = 0,  ///< Accepted and put into every destination queue.
    kMalformed = 1,  ///< Wrong version, type, length, flags or reserved bits.
    kSpoofed = 2,  ///< The sender field names somebody else than the link's process.
    kNoSuchCapability = 3,  ///< The capability id is out of range, free, of an older generation, or somebody else's.
    kExpired = 4,  ///< The capability's lifetime is over.
    kWrongObject = 5,  ///< The capability is for another object or another kind of operation.
    kInsufficientRights = 6,  ///< The capability lacks the right that this operation needs.
    kNoSuchCarried = 7,  ///< The carried capability is out of range, free, of an older generation, or somebody else's.
    kCarriedExpired = 8,  ///< The carried capability's lifetime is over.
    kLinearity = 9,  ///< A linear or one-shot capability would be copied, or a hand-off names one that is not linear.
    kNotGrantable = 10,  ///< The carried capability has no GRANT (or, if linear, no QUANTUM) right.
    kAmplified = 11,  ///< The derived capability would have rights that its parent lacks.
    kFull = 12,  ///< A destination queue has no room; nothing was changed.
    kTableFull = 13,  ///< No capability slot, or the process's or user's share of slots is used up.
    kMiss = 14,  ///< Hardware only: the entry is not in the device's table; the host decides.
    kTimedOut = 15,  ///< The message's own deadline passed while it waited for room.
    kDecohered = 16,  ///< The quantum resource is past its coherence deadline.
    kClosed = 17,  ///< The receiver went away while the message waited, or the router shuts down.
};
/// The name of a verdict as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(Verdict value) noexcept {
    switch (value) {
        case Verdict::kDelivered:
            return "delivered";
        case Verdict::kMalformed:
            return "malformed";
        case Verdict::kSpoofed:
            return "spoofed";
        case Verdict::kNoSuchCapability:
            return "no_such_capability";
        case Verdict::kExpired:
            return "expired";
        case Verdict::kWrongObject:
            return "wrong_object";
        case Verdict::kInsufficientRights:
            return "insufficient_rights";
        case Verdict::kNoSuchCarried:
            return "no_such_carried";
        case Verdict::kCarriedExpired:
            return "carried_expired";
        case Verdict::kLinearity:
            return "linearity";
        case Verdict::kNotGrantable:
            return "not_grantable";
        case Verdict::kAmplified:
            return "amplified";
        case Verdict::kFull:
            return "full";
        case Verdict::kTableFull:
            return "table_full";
        case Verdict::kMiss:
            return "miss";
        case Verdict::kTimedOut:
            return "timed_out";
        case Verdict::kDecohered:
            return "decohered";
        case Verdict::kClosed:
            return "closed";
    }
    return "unknown";
}
/// What it means, in a sentence.
[[nodiscard]] constexpr std::string_view doc_of(Verdict value) noexcept {
    switch (value) {
        case Verdict::kDelivered:
            return "Accepted and put into every destination queue.";
        case Verdict::kMalformed:
            return "Wrong version, type, length, flags or reserved bits.";
        case Verdict::kSpoofed:
            return "The sender field names somebody else than the link's process.";
        case Verdict::kNoSuchCapability:
            return "The capability id is out of range, free, of an older generation, or somebody else's.";
        case Verdict::kExpired:
            return "The capability's lifetime is over.";
        case Verdict::kWrongObject:
            return "The capability is for another object or another kind of operation.";
        case Verdict::kInsufficientRights:
            return "The capability lacks the right that this operation needs.";
        case Verdict::kNoSuchCarried:
            return "The carried capability is out of range, free, of an older generation, or somebody else's.";
        case Verdict::kCarriedExpired:
            return "The carried capability's lifetime is over.";
        case Verdict::kLinearity:
            return "A linear or one-shot capability would be copied, or a hand-off names one that is not linear.";
        case Verdict::kNotGrantable:
            return "The carried capability has no GRANT (or, if linear, no QUANTUM) right.";
        case Verdict::kAmplified:
            return "The derived capability would have rights that its parent lacks.";
        case Verdict::kFull:
            return "A destination queue has no room; nothing was changed.";
        case Verdict::kTableFull:
            return "No capability slot, or the process's or user's share of slots is used up.";
        case Verdict::kMiss:
            return "Hardware only: the entry is not in the device's table; the host decides.";
        case Verdict::kTimedOut:
            return "The message's own deadline passed while it waited for room.";
        case Verdict::kDecohered:
            return "The quantum resource is past its coherence deadline.";
        case Verdict::kClosed:
            return "The receiver went away while the message waited, or the router shuts down.";
    }
    return "";
}
/// What to do about it.
[[nodiscard]] constexpr std::string_view remedy_of(Verdict value) noexcept {
    switch (value) {
        case Verdict::kDelivered:
            return "";
        case Verdict::kMalformed:
            return "build the header with the library, or see docs/protocol.md for the allowed values";
        case Verdict::kSpoofed:
            return "leave the sender field 0 and the router stamps it";
        case Verdict::kNoSuchCapability:
            return "look the endpoint up again, or ask its owner for a capability";
        case Verdict::kExpired:
            return "ask for a new capability";
        case Verdict::kWrongObject:
            return "send to the receiver that the capability names";
        case Verdict::kInsufficientRights:
            return "ask the grantor for WRITE to send, EXECUTE to call";
        case Verdict::kNoSuchCarried:
            return "carry a capability that you hold";
        case Verdict::kCarriedExpired:
            return "ask for a new capability before passing it on";
        case Verdict::kLinearity:
            return "move linear capabilities with a quantum message; derive only from ordinary ones";
        case Verdict::kNotGrantable:
            return "ask the grantor for GRANT or QUANTUM";
        case Verdict::kAmplified:
            return "ask for a subset of the rights you hold";
        case Verdict::kFull:
            return "wait for room (drop no_wait), or try again later";
        case Verdict::kTableFull:
            return "release capabilities that are no longer needed, or raise limits.capabilities in the policy";
        case Verdict::kMiss:
            return "none needed: the host answers";
        case Verdict::kTimedOut:
            return "give a longer deadline, or make the receiver drain faster";
        case Verdict::kDecohered:
            return "prepare a new resource";
        case Verdict::kClosed:
            return "look the endpoint up again";
    }
    return "";
}
/// Number of values of Verdict.
inline constexpr std::size_t kVerdictCount = 18;

/// What the library says beside the verdicts. The C interface returns them negated, like the verdicts.
enum class Status : std::uint8_t {
    kTimeout = 64,  ///< The deadline passed before anything came.
    kWouldBlock = 65,  ///< Nothing there, or no room, and waiting was not asked for.
    kNotConnected = 66,  ///< There is no connection to a router.
    kRouterGone = 67,  ///< The router ended or closed this connection.
    kPeerGone = 68,  ///< The callee died or closed its endpoint before it replied.
    kRevoked = 69,  ///< The call's authority was revoked before the reply.
    kNoSuchName = 70,  ///< No endpoint of that name that this process may see.
    kNameTaken = 71,  ///< An endpoint of that name exists already.
    kBadName = 72,  ///< The name is empty, longer than 63 bytes, or has characters outside A-Z a-z 0-9 . _ - /.
    kNotAllowed = 73,  ///< The policy does not allow this to this user.
    kLimit = 74,  ///< A limit of the process or the user is reached.
    kVersionMismatch = 75,  ///< Library and router speak different contract versions.
    kBadRequest = 76,  ///< A request to the router was not understood.
    kBadArgument = 77,  ///< An argument is out of its range.
    kNotSupported = 78,  ///< This build does not have the operation.
    kCorrupt = 79,  ///< The peer wrote something impossible into the shared ring.
    kSystem = 80,  ///< The operating system refused; errno says why.
    kAuditUnavailable = 84,  ///< The audit log can't be written, and the policy says that nothing goes on without it.
    kSealed = 85,  ///< Somebody reads the region already, so the kernel allows nobody else to map it writable.
    kNoSuchQubit = 86,  ///< No qubit of that number that this process may take over.
    kUnwantedDescriptors = 82,  ///< Descriptors came with a request; the router takes none and has closed them.
    kNoSuchProcess = 83,  ///< No process of that id is connected.
    kNoSuchMethod = 100,  ///< The service has no method of that number.
    kServiceFailed = 101,  ///< The service failed while it handled the call.
    kDeclined = 95,  ///< The process at the other end did not want the lane or stream.
    kAborted = 96,  ///< One side broke the stream off; its reason says why.
    kNoSuchSubscription = 90,  ///< The process has no such subscription (any more).
    kNoDevice = 110,  ///< No board is plugged in, or none with the serial number that was asked for.
    kDevicePermission = 111,  ///< This user may not open the board.
    kDeviceBusy = 112,  ///< Another program has the board.
    kDeviceGone = 113,  ///< The board was unplugged, or reset itself.
    kForeignDevice = 114,  ///< The device does not speak as Keyway's firmware does: it is blank, or it runs somebody else's.
    kDeviceOlder = 115,  ///< The board speaks an older contract than this program.
    kDeviceNewer = 116,  ///< The board speaks a newer contract than this program.
    kDeviceRefused = 117,  ///< The board refused a request (a stall).
    kDeviceGarbled = 118,  ///< The board answered with other bytes than the contract says.
    kDeviceSilent = 119,  ///< The board did not answer in time.
    kFpgaEmpty = 120,  ///< The board's FPGA is not configured, so nothing routes.
    kBadImage = 121,  ///< The firmware or bitstream file is not what it should be.
    kShuttingDown = 81,  ///< The router is draining and takes nothing new.
};
/// The name of a status as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(Status value) noexcept {
    switch (value) {
        case Status::kTimeout:
            return "timeout";
        case Status::kWouldBlock:
            return "would_block";
        case Status::kNotConnected:
            return "not_connected";
        case Status::kRouterGone:
            return "router_gone";
        case Status::kPeerGone:
            return "peer_gone";
        case Status::kRevoked:
            return "revoked";
        case Status::kNoSuchName:
            return "no_such_name";
        case Status::kNameTaken:
            return "name_taken";
        case Status::kBadName:
            return "bad_name";
        case Status::kNotAllowed:
            return "not_allowed";
        case Status::kLimit:
            return "limit";
        case Status::kVersionMismatch:
            return "version_mismatch";
        case Status::kBadRequest:
            return "bad_request";
        case Status::kBadArgument:
            return "bad_argument";
        case Status::kNotSupported:
            return "not_supported";
        case Status::kCorrupt:
            return "corrupt";
        case Status::kSystem:
            return "system";
        case Status::kAuditUnavailable:
            return "audit_unavailable";
        case Status::kSealed:
            return "sealed";
        case Status::kNoSuchQubit:
            return "no_such_qubit";
        case Status::kUnwantedDescriptors:
            return "unwanted_descriptors";
        case Status::kNoSuchProcess:
            return "no_such_process";
        case Status::kNoSuchMethod:
            return "no_such_method";
        case Status::kServiceFailed:
            return "service_failed";
        case Status::kDeclined:
            return "declined";
        case Status::kAborted:
            return "aborted";
        case Status::kNoSuchSubscription:
            return "no_such_subscription";
        case Status::kNoDevice:
            return "no_device";
        case Status::kDevicePermission:
            return "device_permission";
        case Status::kDeviceBusy:
            return "device_busy";
        case Status::kDeviceGone:
            return "device_gone";
        case Status::kForeignDevice:
            return "foreign_device";
        case Status::kDeviceOlder:
            return "device_older";
        case Status::kDeviceNewer:
            return "device_newer";
        case Status::kDeviceRefused:
            return "device_refused";
        case Status::kDeviceGarbled:
            return "device_garbled";
        case Status::kDeviceSilent:
            return "device_silent";
        case Status::kFpgaEmpty:
            return "fpga_empty";
        case Status::kBadImage:
            return "bad_image";
        case Status::kShuttingDown:
            return "shutting_down";
    }
    return "unknown";
}
/// What it means, in a sentence.
[[nodiscard]] constexpr std::string_view doc_of(Status value) noexcept {
    switch (value) {
        case Status::kTimeout:
            return "The deadline passed before anything came.";
        case Status::kWouldBlock:
            return "Nothing there, or no room, and waiting was not asked for.";
        case Status::kNotConnected:
            return "There is no connection to a router.";
        case Status::kRouterGone:
            return "The router ended or closed this connection.";
        case Status::kPeerGone:
            return "The callee died or closed its endpoint before it replied.";
        case Status::kRevoked:
            return "The call's authority was revoked before the reply.";
        case Status::kNoSuchName:
            return "No endpoint of that name that this process may see.";
        case Status::kNameTaken:
            return "An endpoint of that name exists already.";
        case Status::kBadName:
            return "The name is empty, longer than 63 bytes, or has characters outside A-Z a-z 0-9 . _ - /.";
        case Status::kNotAllowed:
            return "The policy does not allow this to this user.";
        case Status::kLimit:
            return "A limit of the process or the user is reached.";
        case Status::kVersionMismatch:
            return "Library and router speak different contract versions.";
        case Status::kBadRequest:
            return "A request to the router was not understood.";
        case Status::kBadArgument:
            return "An argument is out of its range.";
        case Status::kNotSupported:
            return "This build does not have the operation.";
        case Status::kCorrupt:
            return "The peer wrote something impossible into the shared ring.";
        case Status::kSystem:
            return "The operating system refused; errno says why.";
        case Status::kAuditUnavailable:
            return "The audit log can't be written, and the policy says that nothing goes on without it.";
        case Status::kSealed:
            return "Somebody reads the region already, so the kernel allows nobody else to map it writable.";
        case Status::kNoSuchQubit:
            return "No qubit of that number that this process may take over.";
        case Status::kUnwantedDescriptors:
            return "Descriptors came with a request; the router takes none and has closed them.";
        case Status::kNoSuchProcess:
            return "No process of that id is connected.";
        case Status::kNoSuchMethod:
            return "The service has no method of that number.";
        case Status::kServiceFailed:
            return "The service failed while it handled the call.";
        case Status::kDeclined:
            return "The process at the other end did not want the lane or stream.";
        case Status::kAborted:
            return "One side broke the stream off; its reason says why.";
        case Status::kNoSuchSubscription:
            return "The process has no such subscription (any more).";
        case Status::kNoDevice:
            return "No board is plugged in, or none with the serial number that was asked for.";
        case Status::kDevicePermission:
            return "This user may not open the board.";
        case Status::kDeviceBusy:
            return "Another program has the board.";
        case Status::kDeviceGone:
            return "The board was unplugged, or reset itself.";
        case Status::kForeignDevice:
            return "The device does not speak as Keyway's firmware does: it is blank, or it runs somebody else's.";
        case Status::kDeviceOlder:
            return "The board speaks an older contract than this program.";
        case Status::kDeviceNewer:
            return "The board speaks a newer contract than this program.";
        case Status::kDeviceRefused:
            return "The board refused a request (a stall).";
        case Status::kDeviceGarbled:
            return "The board answered with other bytes than the contract says.";
        case Status::kDeviceSilent:
            return "The board did not answer in time.";
        case Status::kFpgaEmpty:
            return "The board's FPGA is not configured, so nothing routes.";
        case Status::kBadImage:
            return "The firmware or bitstream file is not what it should be.";
        case Status::kShuttingDown:
            return "The router is draining and takes nothing new.";
    }
    return "";
}
/// What to do about it.
[[nodiscard]] constexpr std::string_view remedy_of(Status value) noexcept {
    switch (value) {
        case Status::kTimeout:
            return "give a longer deadline, or check that the peer is running with `keyway ls`";
        case Status::kWouldBlock:
            return "wait on the descriptor and try again";
        case Status::kNotConnected:
            return "connect first; start a router with `keyway run` or the keywayd service";
        case Status::kRouterGone:
            return "connect again";
        case Status::kPeerGone:
            return "look the service up again and repeat the call if that is safe";
        case Status::kRevoked:
            return "ask for a new capability";
        case Status::kNoSuchName:
            return "check the name with `keyway ls`, and the policy's lookup rules";
        case Status::kNameTaken:
            return "choose another name, or stop the other service";
        case Status::kBadName:
            return "use 1 to 63 of the characters A-Z a-z 0-9 . _ - /";
        case Status::kNotAllowed:
            return "add a rule to the policy file and send SIGHUP to the router";
        case Status::kLimit:
            return "release what is no longer needed, or raise the limit in the policy file";
        case Status::kVersionMismatch:
            return "install library and router of the same release";
        case Status::kBadRequest:
            return "report it: the library should not send this";
        case Status::kBadArgument:
            return "see the function's documentation for the range";
        case Status::kNotSupported:
            return "see docs/requirements.md for what is there";
        case Status::kCorrupt:
            return "connect again; the router has closed the link";
        case Status::kSystem:
            return "see errno";
        case Status::kAuditUnavailable:
            return "make room on the log's disk, or let on_failure be continue in [audit] of the policy file";
        case Status::kSealed:
            return "map writable grants before the first reader maps, or make the region anew";
        case Status::kNoSuchQubit:
            return "list the qubits with `keyway ls`; only who held it last can reclaim one";
        case Status::kUnwantedDescriptors:
            return "send no descriptors: the router makes all shared memory itself";
        case Status::kNoSuchProcess:
            return "list the connected processes with `keyway ls`";
        case Status::kNoSuchMethod:
            return "check that caller and service are of the same release";
        case Status::kServiceFailed:
            return "see the service's own log";
        case Status::kDeclined:
            return "ask the service's owner whether it takes lanes or streams, or send messages";
        case Status::kAborted:
            return "see the reason that came along";
        case Status::kNoSuchSubscription:
            return "subscribe again";
        case Status::kNoDevice:
            return "plug a board in, and see `keyway device ls`";
        case Status::kDevicePermission:
            return "install the udev rule of keywayd, join the group keyway, and plug the board in again";
        case Status::kDeviceBusy:
            return "end the other program: keywayd, or another `keyway device`";
        case Status::kDeviceGone:
            return "plug it in again; messages go through software meanwhile";
        case Status::kForeignDevice:
            return "load Keyway's firmware with `keyway device load`";
        case Status::kDeviceOlder:
            return "bring the board up to this program with `keyway device load`";
        case Status::kDeviceNewer:
            return "upgrade this program, or bring the board down to it with `keyway device load`";
        case Status::kDeviceRefused:
            return "reset it with `keyway device reset`; if it stays so, load it anew with `keyway device load`";
        case Status::kDeviceGarbled:
            return "reset it with `keyway device reset`, then try another cable or port";
        case Status::kDeviceSilent:
            return "reset it with `keyway device reset`; if it stays so, plug it in again";
        case Status::kFpgaEmpty:
            return "load firmware and bitstream with `keyway device load`";
        case Status::kBadImage:
            return "give a file in Intel HEX for the firmware, and a bitstream for the board's FPGA";
        case Status::kShuttingDown:
            return "connect again when it is back";
    }
    return "";
}
/// Number of values of Status.
inline constexpr std::size_t kStatusCount = 40;

/// What the router tells a process on its notice ring.
enum class Notice : std::uint8_t {
    kRefused = 1,  ///< A submission was not delivered; says which and why.
    kPeerGone = 2,  ///< A call's callee is gone; the call will not be answered.
    kRevoked = 3,  ///< A capability of this process was revoked.
    kClosed = 4,  ///< The router closes the link; says why.
    kRegion = 10,  ///< Something changed about a region that the process has mapped: a holder was recalled, or it moved to another file. `value` is its object; ask again with region_map.
    kGranted = 5,  ///< A capability or quantum message was delivered; says which capability the receiver got.
};
/// The name of a notice as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(Notice value) noexcept {
    switch (value) {
        case Notice::kRefused:
            return "refused";
        case Notice::kPeerGone:
            return "peer_gone";
        case Notice::kRevoked:
            return "revoked";
        case Notice::kClosed:
            return "closed";
        case Notice::kRegion:
            return "region";
        case Notice::kGranted:
            return "granted";
    }
    return "unknown";
}
/// Number of values of Notice.
inline constexpr std::size_t kNoticeCount = 6;

/// Requests of a process on the control socket.
enum class Request : std::uint8_t {
    kHello = 1,  ///< Opens the conversation: magic, version, ring sizes.
    kMapped = 2,  ///< The process has mapped the rings; the router seals them.
    kRegister = 3,  ///< Registers a named endpoint.
    kLookup = 4,  ///< Looks a name up and derives the capability that the policy allows.
    kClose = 5,  ///< Closes one of the process's endpoints.
    kGrant = 6,  ///< An administrator derives a capability for a process from an endpoint's name.
    kRevoke = 7,  ///< Revokes a capability and its descendants.
    kRelease = 8,  ///< Gives up one of the process's own capabilities.
    kList = 9,  ///< What the process may see of the router's state, as JSON.
    kCancel = 10,  ///< Gives up an outstanding call, or a submission that waits for room.
    kInspect = 11,  ///< Describes one of the process's own capabilities.
    kDerive = 12,  ///< Derives a capability for the process itself: rights, badge, lifetime, and in `value` how many messages it authorises (0: any number).
    kPending = 13,  ///< Says whether an outstanding call, by its sequence in `badge`, can still be answered: a process that comes back to a router that died asks.
    kRegionCreate = 20,  ///< Makes a region: its bytes in `value`, 1 in `badge` for a revocable one. Answers with its file.
    kRegionMap = 21,  ///< Answers with the file of a region, for reading or, with WRITE in `rights`, for writing.
    kRegionUnmap = 22,  ///< The process has unmapped the region.
    kRegionFresh = 23,  ///< The owner wants an empty file to move a revocable region to.
    kRegionMoved = 24,  ///< The owner has copied the content into the fresh file: it is the region from now on. 1 in `badge`: the old file is cut.
    kRegionCut = 25,  ///< The owner takes the memory of a revocable region from everybody.
    kTopic = 30,  ///< Makes a named topic: policy, events kept for late joiners, ring size, patience.
    kSubscribe = 31,  ///< Subscribes the process, or one that it may act for, to a topic; answers with the broadcast ring.
    kUnsubscribe = 32,  ///< Ends one of the process's subscriptions.
    kTopicRing = 33,  ///< Asks for the ring that a subscription's topic has moved to.
    kPrepare = 50,  ///< Makes a qubit: coherence deadline, fidelity, width of its simulated state.
    kReclaim = 51,  ///< Takes a qubit back that the router holds because the process's link, or the router itself, ended.
    kQubit = 52,  ///< Describes a qubit that the process holds; answers with the memory of its state.
    kOpenChannel = 40,  ///< Makes a lane or stream to an endpoint's owner, who is asked.
    kObserve = 60,  ///< Makes an observer capability, if the policy lets the process observe.
    kCounters = 61,  ///< Answers with the memory in which the router publishes counters: of the process's own, or with an observer capability of everything.
    kTrace = 62,  ///< Answers with the ring in which an observer follows messages; with PROCESS in `rights` also what they say.
    kAcceptChannel = 41,  ///< Takes one's end of a lane or stream that was offered.
};
/// The name of a request as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(Request value) noexcept {
    switch (value) {
        case Request::kHello:
            return "hello";
        case Request::kMapped:
            return "mapped";
        case Request::kRegister:
            return "register";
        case Request::kLookup:
            return "lookup";
        case Request::kClose:
            return "close";
        case Request::kGrant:
            return "grant";
        case Request::kRevoke:
            return "revoke";
        case Request::kRelease:
            return "release";
        case Request::kList:
            return "list";
        case Request::kCancel:
            return "cancel";
        case Request::kInspect:
            return "inspect";
        case Request::kDerive:
            return "derive";
        case Request::kPending:
            return "pending";
        case Request::kRegionCreate:
            return "region_create";
        case Request::kRegionMap:
            return "region_map";
        case Request::kRegionUnmap:
            return "region_unmap";
        case Request::kRegionFresh:
            return "region_fresh";
        case Request::kRegionMoved:
            return "region_moved";
        case Request::kRegionCut:
            return "region_cut";
        case Request::kTopic:
            return "topic";
        case Request::kSubscribe:
            return "subscribe";
        case Request::kUnsubscribe:
            return "unsubscribe";
        case Request::kTopicRing:
            return "topic_ring";
        case Request::kPrepare:
            return "prepare";
        case Request::kReclaim:
            return "reclaim";
        case Request::kQubit:
            return "qubit";
        case Request::kOpenChannel:
            return "open_channel";
        case Request::kObserve:
            return "observe";
        case Request::kCounters:
            return "counters";
        case Request::kTrace:
            return "trace";
        case Request::kAcceptChannel:
            return "accept_channel";
    }
    return "unknown";
}
/// Number of values of Request.
inline constexpr std::size_t kRequestCount = 31;

/// Vendor requests of the board's firmware (bRequest).
enum class UsbRequest : std::uint8_t {
    kLoadRam = 160,  ///< FX2 boot loader: read or write RAM at wValue. Served by the chip itself.
    kIdentify = 176,  ///< IN: a link_identity.
    kFpgaBegin = 177,  ///< OUT: puts the FPGA into configuration mode.
    kFpgaData = 178,  ///< OUT: a piece of the bitstream, at most 4096 bytes.
    kFpgaEnd = 179,  ///< IN: ends configuration; one byte, 1 when the FPGA reports done.
    kReset = 180,  ///< OUT: wValue bit 0 empties the FIFOs and ends halts, bit 1 resets the FPGA, which is empty after that.
    kStatus = 181,  ///< IN: a board_status.
    kStatistics = 182,  ///< IN: board_statistics.
};
/// The name of a usb_request as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(UsbRequest value) noexcept {
    switch (value) {
        case UsbRequest::kLoadRam:
            return "load_ram";
        case UsbRequest::kIdentify:
            return "identify";
        case UsbRequest::kFpgaBegin:
            return "fpga_begin";
        case UsbRequest::kFpgaData:
            return "fpga_data";
        case UsbRequest::kFpgaEnd:
            return "fpga_end";
        case UsbRequest::kReset:
            return "reset";
        case UsbRequest::kStatus:
            return "status";
        case UsbRequest::kStatistics:
            return "statistics";
    }
    return "unknown";
}
/// Number of values of UsbRequest.
inline constexpr std::size_t kUsbRequestCount = 8;

/// What a frame is for.
enum class FrameKind : std::uint8_t {
    kCredit = 1,  ///< Nothing but its head: sequence and grant. Needs no credit; who waits for credit repeats it.
    kHello = 2,  ///< Opens the link, host first; the body is a link_identity. Sequences of both directions start again at the number in its head, which the answer repeats. Needs no credit.
    kMessage = 3,  ///< Host to device: a message header, and its payload if the device takes payloads.
    kDelivery = 4,  ///< Device to host: a link_delivery, the header as the router passed it on, and what came as payload.
    kEvent = 5,  ///< Device to host: a link_event.
    kFill = 6,  ///< Host to device: a link_access and a capability entry for the table.
    kInvalidate = 7,  ///< Host to device: a link_access; the table forgets the slot.
    kWrite = 8,  ///< Host to device: a link_access; one register is written.
    kRead = 9,  ///< Host to device: a link_access; one register is read.
    kAcknowledge = 10,  ///< Device to host: one of the four before it is done.
};
/// The name of a frame_kind as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(FrameKind value) noexcept {
    switch (value) {
        case FrameKind::kCredit:
            return "credit";
        case FrameKind::kHello:
            return "hello";
        case FrameKind::kMessage:
            return "message";
        case FrameKind::kDelivery:
            return "delivery";
        case FrameKind::kEvent:
            return "event";
        case FrameKind::kFill:
            return "fill";
        case FrameKind::kInvalidate:
            return "invalidate";
        case FrameKind::kWrite:
            return "write";
        case FrameKind::kRead:
            return "read";
        case FrameKind::kAcknowledge:
            return "acknowledge";
    }
    return "unknown";
}
/// Number of values of FrameKind.
inline constexpr std::size_t kFrameKindCount = 10;

/// Who speaks in an identity.
enum class LinkRole : std::uint8_t {
    kHost = 1,  ///< The driver.
    kFirmware = 2,  ///< The program of the board's USB controller.
    kFpga = 3,  ///< The hardware router behind it.
};
/// The name of a link_role as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(LinkRole value) noexcept {
    switch (value) {
        case LinkRole::kHost:
            return "host";
        case LinkRole::kFirmware:
            return "firmware";
        case LinkRole::kFpga:
            return "fpga";
    }
    return "unknown";
}
/// Number of values of LinkRole.
inline constexpr std::size_t kLinkRoleCount = 3;

/// What the firmware knows of the FPGA.
enum class FpgaState : std::uint8_t {
    kEmpty = 0,  ///< Not configured.
    kLoading = 1,  ///< A bitstream is on its way.
    kReady = 2,  ///< Configured.
    kFailed = 3,  ///< It did not report done after the last bitstream.
};
/// The name of a fpga_state as it stands in this contract; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(FpgaState value) noexcept {
    switch (value) {
        case FpgaState::kEmpty:
            return "empty";
        case FpgaState::kLoading:
            return "loading";
        case FpgaState::kReady:
            return "ready";
        case FpgaState::kFailed:
            return "failed";
    }
    return "unknown";
}
/// Number of values of FpgaState.
inline constexpr std::size_t kFpgaStateCount = 4;

/// 32 bytes in front of every message.
struct Header {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 4> words{};

    /// Contract major version.
    [[nodiscard]] constexpr std::uint8_t version() const noexcept {
        return static_cast<std::uint8_t>(words[0] & 0xFU);
    }
    /// Sets `version`; bits above its 4 are dropped.
    constexpr void set_version(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xF} << 0)) |
                   ((std::uint64_t{value} & 0xFU) << 0);
    }
    /// Message type, see `type`.
    [[nodiscard]] constexpr std::uint8_t type() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 4) & 0xFU);
    }
    /// Sets `type`; bits above its 4 are dropped.
    constexpr void set_type(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xF} << 4)) |
                   ((std::uint64_t{value} & 0xFU) << 4);
    }
    /// 0 (background) to 3 (urgent).
    [[nodiscard]] constexpr std::uint8_t priority() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 8) & 0x3U);
    }
    /// Sets `priority`; bits above its 2 are dropped.
    constexpr void set_priority(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0x3} << 8)) |
                   ((std::uint64_t{value} & 0x3U) << 8);
    }
    /// See `flag`.
    [[nodiscard]] constexpr std::uint8_t flags() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 10) & 0x3FU);
    }
    /// Sets `flags`; bits above its 6 are dropped.
    constexpr void set_flags(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0x3F} << 10)) |
                   ((std::uint64_t{value} & 0x3FU) << 10);
    }
    /// Payload bytes, 0 to 4096. Values above are malformed: the three highest bits are reserved and zero.
    [[nodiscard]] constexpr std::uint16_t length() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 16) & 0xFFFFU);
    }
    /// Sets `length`.
    constexpr void set_length(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 16)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 16);
    }
    /// Process id of the sender. The router checks it against the link; 0 on the way in means: stamp it for me.
    [[nodiscard]] constexpr std::uint32_t sender() const noexcept {
        return static_cast<std::uint32_t>((words[0] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `sender`.
    constexpr void set_sender(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }
    /// Endpoint id, or topic id for events.
    [[nodiscard]] constexpr std::uint32_t receiver() const noexcept {
        return static_cast<std::uint32_t>(words[1] & 0xFFFFFFFFU);
    }
    /// Sets `receiver`.
    constexpr void set_receiver(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// On the way in the capability that authorises this message; on the way out its badge.
    [[nodiscard]] constexpr std::uint32_t capability() const noexcept {
        return static_cast<std::uint32_t>((words[1] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `capability`.
    constexpr void set_capability(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }
    /// On the way in the capability that is given, moved or handed off, 0 if none; on the way out the receiver's new capability.
    [[nodiscard]] constexpr std::uint32_t carried() const noexcept {
        return static_cast<std::uint32_t>(words[2] & 0xFFFFFFFFU);
    }
    /// Sets `carried`.
    constexpr void set_carried(std::uint32_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// Chosen by the sender, counts per sender and receiver, wraps. The reply to a call carries it as its badge.
    [[nodiscard]] constexpr std::uint32_t sequence() const noexcept {
        return static_cast<std::uint32_t>((words[2] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `sequence`.
    constexpr void set_sequence(std::uint32_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }
    /// On the way out: ns of the router's clock at acceptance. On the way in: the grant word when something is carried, else the deadline in ns of CLOCK_MONOTONIC until which the message may wait for room (0: for ever).
    [[nodiscard]] constexpr std::uint64_t timestamp() const noexcept {
        return static_cast<std::uint64_t>(words[3]);
    }
    /// Sets `timestamp`.
    constexpr void set_timestamp(std::uint64_t value) noexcept {
        words[3] = value;
    }

    friend constexpr bool operator==(const Header&, const Header&) = default;
};
static_assert(sizeof(Header) == 32 && std::is_trivially_copyable_v<Header>);

/// A row of the capability table as the hardware keeps it.
struct Entry {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 2> words{};

    /// Must equal the generation in the id; never 0.
    [[nodiscard]] constexpr std::uint16_t generation() const noexcept {
        return static_cast<std::uint16_t>(words[0] & 0xFFFU);
    }
    /// Sets `generation`; bits above its 12 are dropped.
    constexpr void set_generation(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFU) << 0);
    }
    /// See `entry_flag`.
    [[nodiscard]] constexpr std::uint8_t flags() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 12) & 0xFU);
    }
    /// Sets `flags`; bits above its 4 are dropped.
    constexpr void set_flags(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xF} << 12)) |
                   ((std::uint64_t{value} & 0xFU) << 12);
    }
    /// See `right`.
    [[nodiscard]] constexpr std::uint8_t rights() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 16) & 0xFFU);
    }
    /// Sets `rights`.
    constexpr void set_rights(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 16)) |
                   ((std::uint64_t{value} & 0xFFU) << 16);
    }
    /// What the object is, see `kind`.
    [[nodiscard]] constexpr std::uint8_t kind() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 24) & 0xFU);
    }
    /// Sets `kind`; bits above its 4 are dropped.
    constexpr void set_kind(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xF} << 24)) |
                   ((std::uint64_t{value} & 0xFU) << 24);
    }
    /// Zero.
    [[nodiscard]] constexpr std::uint8_t spare() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 28) & 0xFU);
    }
    /// Sets `spare`; bits above its 4 are dropped.
    constexpr void set_spare(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xF} << 28)) |
                   ((std::uint64_t{value} & 0xFU) << 28);
    }
    /// Process that may use the entry.
    [[nodiscard]] constexpr std::uint16_t owner() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 32) & 0xFFFFU);
    }
    /// Sets `owner`.
    constexpr void set_owner(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 32);
    }
    /// Endpoint, topic, region, process or qubit.
    [[nodiscard]] constexpr std::uint16_t object() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 48) & 0xFFFFU);
    }
    /// Sets `object`.
    constexpr void set_object(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 48)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 48);
    }
    /// What the receiver sees in place of the capability id.
    [[nodiscard]] constexpr std::uint32_t badge() const noexcept {
        return static_cast<std::uint32_t>(words[1] & 0xFFFFFFFFU);
    }
    /// Sets `badge`.
    constexpr void set_badge(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// Router tick from which on the entry is expired; 0: never.
    [[nodiscard]] constexpr std::uint32_t expiry() const noexcept {
        return static_cast<std::uint32_t>((words[1] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `expiry`.
    constexpr void set_expiry(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }

    friend constexpr bool operator==(const Entry&, const Entry&) = default;
};
static_assert(sizeof(Entry) == 16 && std::is_trivially_copyable_v<Entry>);

/// What becomes of a carried capability; travels in the header's timestamp field on the way in.
struct Grant {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 1> words{};

    /// Badge of the derived capability.
    [[nodiscard]] constexpr std::uint32_t badge() const noexcept {
        return static_cast<std::uint32_t>(words[0] & 0xFFFFFFFFU);
    }
    /// Sets `badge`.
    constexpr void set_badge(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// Rights of the derived capability; must be a subset of the parent's.
    [[nodiscard]] constexpr std::uint8_t rights() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 32) & 0xFFU);
    }
    /// Sets `rights`.
    constexpr void set_rights(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFU) << 32);
    }
    /// See `grant_flag`.
    [[nodiscard]] constexpr std::uint8_t flags() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 40) & 0xFU);
    }
    /// Sets `flags`; bits above its 4 are dropped.
    constexpr void set_flags(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xF} << 40)) |
                   ((std::uint64_t{value} & 0xFU) << 40);
    }
    /// Ticks from acceptance until expiry; 0: as long as the parent. Never longer than the parent.
    [[nodiscard]] constexpr std::uint32_t lifetime() const noexcept {
        return static_cast<std::uint32_t>((words[0] >> 44) & 0xFFFFFU);
    }
    /// Sets `lifetime`; bits above its 20 are dropped.
    constexpr void set_lifetime(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFF} << 44)) |
                   ((std::uint64_t{value} & 0xFFFFFU) << 44);
    }

    friend constexpr bool operator==(const Grant&, const Grant&) = default;
};
static_assert(sizeof(Grant) == 8 && std::is_trivially_copyable_v<Grant>);

/// Payload of a zero_copy message: which part of the carried region is meant. The receiver checks it against the region's size.
struct Slice {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 2> words{};

    /// First byte.
    [[nodiscard]] constexpr std::uint64_t offset() const noexcept {
        return static_cast<std::uint64_t>(words[0]);
    }
    /// Sets `offset`.
    constexpr void set_offset(std::uint64_t value) noexcept {
        words[0] = value;
    }
    /// Bytes.
    [[nodiscard]] constexpr std::uint64_t length() const noexcept {
        return static_cast<std::uint64_t>(words[1]);
    }
    /// Sets `length`.
    constexpr void set_length(std::uint64_t value) noexcept {
        words[1] = value;
    }

    friend constexpr bool operator==(const Slice&, const Slice&) = default;
};
static_assert(sizeof(Slice) == 16 && std::is_trivially_copyable_v<Slice>);

/// Head of a frame on a link that leaves memory (USB). The body follows, then a CRC-32C (Castagnoli, RFC 3720) over head and body, little-endian; all of it goes out byte-stuffed (COBS), with a zero byte before and after, so that a zero is always a border and never content.
struct Frame {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 1> words{};

    /// See `frame_kind`.
    [[nodiscard]] constexpr std::uint8_t kind() const noexcept {
        return static_cast<std::uint8_t>(words[0] & 0xFFU);
    }
    /// Sets `kind`.
    constexpr void set_kind(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFU) << 0);
    }
    /// Low bits of the table epoch in which the frame was made; results count only in the current one.
    [[nodiscard]] constexpr std::uint8_t epoch() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 8) & 0xFFU);
    }
    /// Sets `epoch`.
    constexpr void set_epoch(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 8)) |
                   ((std::uint64_t{value} & 0xFFU) << 8);
    }
    /// Counts the frames of a direction that take a place at the receiver; both directions begin at the number in the host's hello. A `credit` or `hello` takes none and carries the number of the next that does.
    [[nodiscard]] constexpr std::uint16_t sequence() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 16) & 0xFFFFU);
    }
    /// Sets `sequence`.
    constexpr void set_sequence(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 16)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 16);
    }
    /// First sequence that the receiver of this frame may not send yet. Absolute, so that a lost frame loses no credit.
    [[nodiscard]] constexpr std::uint16_t grant() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 32) & 0xFFFFU);
    }
    /// Sets `grant`.
    constexpr void set_grant(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 32);
    }
    /// Bytes of the body.
    [[nodiscard]] constexpr std::uint16_t length() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 48) & 0xFFFFU);
    }
    /// Sets `length`.
    constexpr void set_length(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 48)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 48);
    }

    friend constexpr bool operator==(const Frame&, const Frame&) = default;
};
static_assert(sizeof(Frame) == 8 && std::is_trivially_copyable_v<Frame>);

/// Who speaks: body of a `hello`, and the answer to the USB request `identify`.
struct LinkIdentity {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 3> words{};

    /// The contract's magic.
    [[nodiscard]] constexpr std::uint32_t magic() const noexcept {
        return static_cast<std::uint32_t>(words[0] & 0xFFFFFFFFU);
    }
    /// Sets `magic`.
    constexpr void set_magic(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// Contract major.
    [[nodiscard]] constexpr std::uint16_t major() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 32) & 0xFFFFU);
    }
    /// Sets `major`.
    constexpr void set_major(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 32);
    }
    /// Contract minor.
    [[nodiscard]] constexpr std::uint16_t minor() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 48) & 0xFFFFU);
    }
    /// Sets `minor`.
    constexpr void set_minor(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 48)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 48);
    }
    /// First 64 bits of a SHA-256 of the sources that the speaker was built from; of the FPGA, in the low half, the register `build_hash`.
    [[nodiscard]] constexpr std::uint64_t build_hash() const noexcept {
        return static_cast<std::uint64_t>(words[1]);
    }
    /// Sets `build_hash`.
    constexpr void set_build_hash(std::uint64_t value) noexcept {
        words[1] = value;
    }
    /// See `link_role`.
    [[nodiscard]] constexpr std::uint8_t role() const noexcept {
        return static_cast<std::uint8_t>(words[2] & 0xFFU);
    }
    /// Sets `role`.
    constexpr void set_role(std::uint8_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFU) << 0);
    }
    /// Most frames that the speaker can hold; 0 from the firmware, which holds none.
    [[nodiscard]] constexpr std::uint8_t window() const noexcept {
        return static_cast<std::uint8_t>((words[2] >> 8) & 0xFFU);
    }
    /// Sets `window`.
    constexpr void set_window(std::uint8_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFF} << 8)) |
                   ((std::uint64_t{value} & 0xFFU) << 8);
    }
    /// Longest body that the speaker takes, in bytes; 0 from the firmware.
    [[nodiscard]] constexpr std::uint16_t body() const noexcept {
        return static_cast<std::uint16_t>((words[2] >> 16) & 0xFFFFU);
    }
    /// Sets `body`.
    constexpr void set_body(std::uint16_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFFFF} << 16)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 16);
    }
    /// In a `hello` the host's number for this opening of the link, which the answer repeats; zero from the firmware.
    [[nodiscard]] constexpr std::uint32_t session() const noexcept {
        return static_cast<std::uint32_t>((words[2] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `session`.
    constexpr void set_session(std::uint32_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }

    friend constexpr bool operator==(const LinkIdentity&, const LinkIdentity&) = default;
};
static_assert(sizeof(LinkIdentity) == 24 && std::is_trivially_copyable_v<LinkIdentity>);

/// In front of the header in a `delivery`: where the device's router sent the message.
struct LinkDelivery {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 1> words{};

    /// Destination number; 0 is the host: the device's table could not decide.
    [[nodiscard]] constexpr std::uint8_t destination() const noexcept {
        return static_cast<std::uint8_t>(words[0] & 0xFFU);
    }
    /// Sets `destination`.
    constexpr void set_destination(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFU) << 0);
    }
    /// Zero.
    [[nodiscard]] constexpr std::uint64_t spare() const noexcept {
        return static_cast<std::uint64_t>((words[0] >> 8) & 0xFFFFFFFFFFFFFFU);
    }
    /// Sets `spare`; bits above its 56 are dropped.
    constexpr void set_spare(std::uint64_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFFFFFFFFFFF} << 8)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFFFFFFFU) << 8);
    }

    friend constexpr bool operator==(const LinkDelivery&, const LinkDelivery&) = default;
};
static_assert(sizeof(LinkDelivery) == 8 && std::is_trivially_copyable_v<LinkDelivery>);

/// Body of an `event`: what the device's router decided of one message. Events come in the order of the messages.
struct LinkEvent {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 3> words{};

    /// See `verdict`.
    [[nodiscard]] constexpr std::uint8_t verdict() const noexcept {
        return static_cast<std::uint8_t>(words[0] & 0xFFU);
    }
    /// Sets `verdict`.
    constexpr void set_verdict(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFU) << 0);
    }
    /// Port by which the message came.
    [[nodiscard]] constexpr std::uint8_t port() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 8) & 0xFFU);
    }
    /// Sets `port`.
    constexpr void set_port(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 8)) |
                   ((std::uint64_t{value} & 0xFFU) << 8);
    }
    /// Low bits of the router tick.
    [[nodiscard]] constexpr std::uint16_t tick() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 16) & 0xFFFFU);
    }
    /// Sets `tick`.
    constexpr void set_tick(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 16)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 16);
    }
    /// From the header.
    [[nodiscard]] constexpr std::uint16_t sender() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 32) & 0xFFFFU);
    }
    /// Sets `sender`.
    constexpr void set_sender(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 32);
    }
    /// From the header.
    [[nodiscard]] constexpr std::uint16_t receiver() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 48) & 0xFFFFU);
    }
    /// Sets `receiver`.
    constexpr void set_receiver(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 48)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 48);
    }
    /// From the header.
    [[nodiscard]] constexpr std::uint32_t capability() const noexcept {
        return static_cast<std::uint32_t>(words[1] & 0xFFFFFFFFU);
    }
    /// Sets `capability`.
    constexpr void set_capability(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// From the header.
    [[nodiscard]] constexpr std::uint32_t carried() const noexcept {
        return static_cast<std::uint32_t>((words[1] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `carried`.
    constexpr void set_carried(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }
    /// From the header.
    [[nodiscard]] constexpr std::uint32_t sequence() const noexcept {
        return static_cast<std::uint32_t>(words[2] & 0xFFFFFFFFU);
    }
    /// Sets `sequence`.
    constexpr void set_sequence(std::uint32_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// Zero.
    [[nodiscard]] constexpr std::uint32_t spare() const noexcept {
        return static_cast<std::uint32_t>((words[2] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `spare`.
    constexpr void set_spare(std::uint32_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }

    friend constexpr bool operator==(const LinkEvent&, const LinkEvent&) = default;
};
static_assert(sizeof(LinkEvent) == 24 && std::is_trivially_copyable_v<LinkEvent>);

/// Body of a `write` or `read` of the device's registers, and of an `invalidate`, which uses only the value; after it the entry, in a `fill`.
struct LinkAccess {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 1> words{};

    /// Register, see Registers. Zero in `fill` and `invalidate`.
    [[nodiscard]] constexpr std::uint16_t offset() const noexcept {
        return static_cast<std::uint16_t>(words[0] & 0xFFFU);
    }
    /// Sets `offset`; bits above its 12 are dropped.
    constexpr void set_offset(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFU) << 0);
    }
    /// Zero.
    [[nodiscard]] constexpr std::uint32_t spare() const noexcept {
        return static_cast<std::uint32_t>((words[0] >> 12) & 0xFFFFFU);
    }
    /// Sets `spare`; bits above its 20 are dropped.
    constexpr void set_spare(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFF} << 12)) |
                   ((std::uint64_t{value} & 0xFFFFFU) << 12);
    }
    /// What is written; the table slot in `fill` and `invalidate`; zero in `read`.
    [[nodiscard]] constexpr std::uint32_t value() const noexcept {
        return static_cast<std::uint32_t>((words[0] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `value`.
    constexpr void set_value(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }

    friend constexpr bool operator==(const LinkAccess&, const LinkAccess&) = default;
};
static_assert(sizeof(LinkAccess) == 8 && std::is_trivially_copyable_v<LinkAccess>);

/// Body of an `acknowledge`: the device has done what a `fill`, `invalidate`, `write` or `read` asked for. A recall is over when this is here.
struct LinkAcknowledge {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 1> words{};

    /// Of the frame that asked.
    [[nodiscard]] constexpr std::uint16_t sequence() const noexcept {
        return static_cast<std::uint16_t>(words[0] & 0xFFFFU);
    }
    /// Sets `sequence`.
    constexpr void set_sequence(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 0);
    }
    /// 0 done, 1 not understood.
    [[nodiscard]] constexpr std::uint8_t outcome() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 16) & 0xFFU);
    }
    /// Sets `outcome`.
    constexpr void set_outcome(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 16)) |
                   ((std::uint64_t{value} & 0xFFU) << 16);
    }
    /// Zero.
    [[nodiscard]] constexpr std::uint8_t spare() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 24) & 0xFFU);
    }
    /// Sets `spare`.
    constexpr void set_spare(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 24)) |
                   ((std::uint64_t{value} & 0xFFU) << 24);
    }
    /// What was read; else zero.
    [[nodiscard]] constexpr std::uint32_t value() const noexcept {
        return static_cast<std::uint32_t>((words[0] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `value`.
    constexpr void set_value(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }

    friend constexpr bool operator==(const LinkAcknowledge&, const LinkAcknowledge&) = default;
};
static_assert(sizeof(LinkAcknowledge) == 8 && std::is_trivially_copyable_v<LinkAcknowledge>);

/// Answer to the USB request `status`.
struct BoardStatus {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 1> words{};

    /// See `fpga_state`.
    [[nodiscard]] constexpr std::uint8_t fpga() const noexcept {
        return static_cast<std::uint8_t>(words[0] & 0xFFU);
    }
    /// Sets `fpga`.
    constexpr void set_fpga(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFU) << 0);
    }
    /// 1 at 480 Mbit/s, 0 at 12.
    [[nodiscard]] constexpr std::uint8_t high_speed() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 8) & 0xFFU);
    }
    /// Sets `high_speed`.
    constexpr void set_high_speed(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 8)) |
                   ((std::uint64_t{value} & 0xFFU) << 8);
    }
    /// Number of the USB configuration that the host chose.
    [[nodiscard]] constexpr std::uint8_t configured() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 16) & 0xFFU);
    }
    /// Sets `configured`.
    constexpr void set_configured(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 16)) |
                   ((std::uint64_t{value} & 0xFFU) << 16);
    }
    /// Bit 0 the endpoint out, bit 1 the endpoint in.
    [[nodiscard]] constexpr std::uint8_t halted() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 24) & 0xFFU);
    }
    /// Sets `halted`.
    constexpr void set_halted(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 24)) |
                   ((std::uint64_t{value} & 0xFFU) << 24);
    }
    /// The chip's EP2468STAT: full and empty bits.
    [[nodiscard]] constexpr std::uint8_t fifos() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 32) & 0xFFU);
    }
    /// Sets `fifos`.
    constexpr void set_fifos(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFU) << 32);
    }
    /// MHz of the FIFO bus.
    [[nodiscard]] constexpr std::uint8_t clock() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 40) & 0xFFU);
    }
    /// Sets `clock`.
    constexpr void set_clock(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 40)) |
                   ((std::uint64_t{value} & 0xFFU) << 40);
    }
    /// Zero.
    [[nodiscard]] constexpr std::uint16_t spare() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 48) & 0xFFFFU);
    }
    /// Sets `spare`.
    constexpr void set_spare(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 48)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 48);
    }

    friend constexpr bool operator==(const BoardStatus&, const BoardStatus&) = default;
};
static_assert(sizeof(BoardStatus) == 8 && std::is_trivially_copyable_v<BoardStatus>);

/// Answer to the USB request `statistics`: counters of the firmware since it was loaded. They wrap.
struct BoardStatistics {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 3> words{};

    /// Control requests.
    [[nodiscard]] constexpr std::uint32_t setups() const noexcept {
        return static_cast<std::uint32_t>(words[0] & 0xFFFFFFFFU);
    }
    /// Sets `setups`.
    constexpr void set_setups(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// Of them, those that were refused.
    [[nodiscard]] constexpr std::uint32_t stalls() const noexcept {
        return static_cast<std::uint32_t>((words[0] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `stalls`.
    constexpr void set_stalls(std::uint32_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }
    /// Resets of the USB.
    [[nodiscard]] constexpr std::uint32_t bus_resets() const noexcept {
        return static_cast<std::uint32_t>(words[1] & 0xFFFFFFFFU);
    }
    /// Sets `bus_resets`.
    constexpr void set_bus_resets(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// Times that the USB went to sleep.
    [[nodiscard]] constexpr std::uint32_t suspends() const noexcept {
        return static_cast<std::uint32_t>((words[1] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `suspends`.
    constexpr void set_suspends(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }
    /// Configurations of the FPGA that succeeded.
    [[nodiscard]] constexpr std::uint32_t loads() const noexcept {
        return static_cast<std::uint32_t>(words[2] & 0xFFFFFFFFU);
    }
    /// Sets `loads`.
    constexpr void set_loads(std::uint32_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFFFFFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 0);
    }
    /// Bytes of bitstream taken.
    [[nodiscard]] constexpr std::uint32_t bytes() const noexcept {
        return static_cast<std::uint32_t>((words[2] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `bytes`.
    constexpr void set_bytes(std::uint32_t value) noexcept {
        words[2] = (words[2] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }

    friend constexpr bool operator==(const BoardStatistics&, const BoardStatistics&) = default;
};
static_assert(sizeof(BoardStatistics) == 24 && std::is_trivially_copyable_v<BoardStatistics>);

/// In front of each message that an observer follows: what became of it. The header as it was sent comes after it, then as much of the payload as the observer may see.
struct TraceHead {
    /// All of it; bit n is bit n % 64 of word n / 64.
    std::array<std::uint64_t, 4> words{};

    /// See `verdict`.
    [[nodiscard]] constexpr std::uint8_t verdict() const noexcept {
        return static_cast<std::uint8_t>(words[0] & 0xFFU);
    }
    /// Sets `verdict`.
    constexpr void set_verdict(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFU) << 0);
    }
    /// Rights of the capability that the sender named, if it was the sender's; else 0.
    [[nodiscard]] constexpr std::uint8_t rights() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 8) & 0xFFU);
    }
    /// Sets `rights`.
    constexpr void set_rights(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFF} << 8)) |
                   ((std::uint64_t{value} & 0xFFU) << 8);
    }
    /// Kind of that capability, see `kind`; 0 if it was not the sender's.
    [[nodiscard]] constexpr std::uint8_t kind() const noexcept {
        return static_cast<std::uint8_t>((words[0] >> 16) & 0xFU);
    }
    /// Sets `kind`; bits above its 4 are dropped.
    constexpr void set_kind(std::uint8_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xF} << 16)) |
                   ((std::uint64_t{value} & 0xFU) << 16);
    }
    /// Zero.
    [[nodiscard]] constexpr std::uint16_t spare() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 20) & 0xFFFU);
    }
    /// Sets `spare`; bits above its 12 are dropped.
    constexpr void set_spare(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFF} << 20)) |
                   ((std::uint64_t{value} & 0xFFFU) << 20);
    }
    /// Payload bytes that follow the header.
    [[nodiscard]] constexpr std::uint16_t captured() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 32) & 0xFFFFU);
    }
    /// Sets `captured`.
    constexpr void set_captured(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 32);
    }
    /// Process by whose link the message came.
    [[nodiscard]] constexpr std::uint16_t process() const noexcept {
        return static_cast<std::uint16_t>((words[0] >> 48) & 0xFFFFU);
    }
    /// Sets `process`.
    constexpr void set_process(std::uint16_t value) noexcept {
        words[0] = (words[0] & ~(std::uint64_t{0xFFFF} << 48)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 48);
    }
    /// What that capability was for; 0 if it was not the sender's.
    [[nodiscard]] constexpr std::uint16_t object() const noexcept {
        return static_cast<std::uint16_t>(words[1] & 0xFFFFU);
    }
    /// Sets `object`.
    constexpr void set_object(std::uint16_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFF} << 0)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 0);
    }
    /// Process to which that object belonged; 0: unknown.
    [[nodiscard]] constexpr std::uint16_t owner() const noexcept {
        return static_cast<std::uint16_t>((words[1] >> 16) & 0xFFFFU);
    }
    /// Sets `owner`.
    constexpr void set_owner(std::uint16_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFF} << 16)) |
                   ((std::uint64_t{value} & 0xFFFFU) << 16);
    }
    /// Capability that the receiver got with the message; 0: none.
    [[nodiscard]] constexpr std::uint32_t created() const noexcept {
        return static_cast<std::uint32_t>((words[1] >> 32) & 0xFFFFFFFFU);
    }
    /// Sets `created`.
    constexpr void set_created(std::uint32_t value) noexcept {
        words[1] = (words[1] & ~(std::uint64_t{0xFFFFFFFF} << 32)) |
                   ((std::uint64_t{value} & 0xFFFFFFFFU) << 32);
    }
    /// Counts the messages that the router judged, from 1.
    [[nodiscard]] constexpr std::uint64_t number() const noexcept {
        return static_cast<std::uint64_t>(words[2]);
    }
    /// Sets `number`.
    constexpr void set_number(std::uint64_t value) noexcept {
        words[2] = value;
    }
    /// ns since 1970, by the router's clock.
    [[nodiscard]] constexpr std::uint64_t time() const noexcept {
        return static_cast<std::uint64_t>(words[3]);
    }
    /// Sets `time`.
    constexpr void set_time(std::uint64_t value) noexcept {
        words[3] = value;
    }

    friend constexpr bool operator==(const TraceHead&, const TraceHead&) = default;
};
static_assert(sizeof(TraceHead) == 32 && std::is_trivially_copyable_v<TraceHead>);

/// Numbers by which a board is found and spoken to.
namespace usb {
/// Vendor of a chip that has no firmware.
inline constexpr std::uint16_t kBlankVendor = 0x04B4;
/// Product of a chip that has no firmware.
inline constexpr std::uint16_t kBlankProduct = 0x8613;
/// Vendor of the Glasgow Interface Explorer.
inline constexpr std::uint16_t kBoardVendor = 0x20B7;
/// Its product; Keyway's firmware keeps both, and is told apart by `identify`.
inline constexpr std::uint16_t kBoardProduct = 0x9DB1;
/// Bulk endpoint with frames from the host.
inline constexpr std::uint16_t kEndpointOut = 0x0002;
/// Bulk endpoint with frames to the host.
inline constexpr std::uint16_t kEndpointIn = 0x0086;
/// Bytes of a full packet at high speed.
inline constexpr std::uint16_t kPacket = 0x0200;
}  // namespace usb

/// AXI4-Lite register block of the hardware router. Offsets in bytes; 32-bit registers.
namespace reg {
/// ro: The contract's magic.
inline constexpr std::uint32_t kMagic = 0x000;
/// ro: Contract major in 31:16, minor in 15:0.
inline constexpr std::uint32_t kVersion = 0x004;
/// ro: Bit 0 payload memory, bit 1 multicast, bit 2 audit stream, bit 3 frame bridge.
inline constexpr std::uint32_t kFeatures = 0x008;
/// ro: First 32 bits of the hash of the sources that the block was built from.
inline constexpr std::uint32_t kBuildHash = 0x00C;
/// ro: Ports in 7:0, log2 of table slots in 15:8, log2 of queue slots in 23:16, log2 of destinations in 31:24.
inline constexpr std::uint32_t kGeometry = 0x010;
/// ro: Data width of the streams in bits.
inline constexpr std::uint32_t kStreamBits = 0x014;
/// rw: Bit 0 enable, bit 1 soft reset (self-clearing).
inline constexpr std::uint32_t kControl = 0x020;
/// rw: Table epoch; writing another value invalidates every row.
inline constexpr std::uint32_t kEpoch = 0x024;
/// rw: Router tick, written by the host, counted on by the block.
inline constexpr std::uint32_t kTick = 0x028;
/// rw: Port that the port registers below speak of.
inline constexpr std::uint32_t kPortSelect = 0x02C;
/// rw: Bit 0 enable, bit 1 reset the port (self-clearing).
inline constexpr std::uint32_t kPortControl = 0x030;
/// rw: Process that the port is bound to; 0: any (a host port).
inline constexpr std::uint32_t kPortSender = 0x034;
/// ro: Bit 0 in frame, bit 1 stopped by an error.
inline constexpr std::uint32_t kPortStatus = 0x038;
/// rw: Slot for the next table access.
inline constexpr std::uint32_t kTableIndex = 0x040;
/// rw: Entry bits 31:0.
inline constexpr std::uint32_t kTableData0 = 0x044;
/// rw: Entry bits 63:32.
inline constexpr std::uint32_t kTableData1 = 0x048;
/// rw: Entry bits 95:64.
inline constexpr std::uint32_t kTableData2 = 0x04C;
/// rw: Entry bits 127:96.
inline constexpr std::uint32_t kTableData3 = 0x050;
/// rw: Write 1: fill the row, 2: invalidate it, 3: read it; reads 0 when done.
inline constexpr std::uint32_t kTableCommand = 0x054;
/// ro: Messages delivered.
inline constexpr std::uint32_t kCountAccepted = 0x080;
/// ro: Messages refused, all reasons.
inline constexpr std::uint32_t kCountRefused = 0x084;
/// ro: Messages given to the host because the table had no row.
inline constexpr std::uint32_t kCountMissed = 0x088;
/// ro: Audit events that found the audit FIFO full.
inline constexpr std::uint32_t kCountDroppedAudit = 0x08C;
/// ro: First of 32 counters, one a verdict.
inline constexpr std::uint32_t kCountVerdict = 0x100;
/// Size of the block in bytes.
inline constexpr std::uint32_t kSize = 0x200;
}  // namespace reg

static_assert(sizeof(Header) == limit::kHeaderBytes);
static_assert(sizeof(Entry) * 8 == limit::kEntryBits);

}  // namespace keyway
