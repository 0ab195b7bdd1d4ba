// Generated from protocol/keyway.toml by protocol/generate.py: edit those, not this.
// Structs are packed: the first member is the most significant.

package keyway_pkg;

  localparam logic [31:0] Magic = 32'h4B455957;
  localparam logic [15:0] VersionMajor = 16'd1;
  localparam logic [15:0] VersionMinor = 16'd0;

  // Longest payload of one message, in bytes; larger data travels as a region.
  localparam int unsigned PayloadBytes = 4096;
  // Size of the message header.
  localparam int unsigned HeaderBytes = 32;
  // Size of a capability entry in hardware.
  localparam int unsigned EntryBits = 128;
  // Bits of a capability id that name the table slot.
  localparam int unsigned SlotBits = 20;
  // Bits of a capability id that name the slot's generation.
  localparam int unsigned GenerationBits = 12;
  // Largest capability table, in slots; slot 0 is never used.
  localparam int unsigned Slots = 1048576;
  // Significant bits of a process, endpoint or topic id; the upper half of the field is zero.
  localparam int unsigned IdBits = 16;
  // Largest number of process, endpoint and topic ids; id 0 is the router.
  localparam int unsigned Ids = 65536;
  // Priority levels; 3 is the most urgent. In a round level p may send 2^p messages before the round restarts, so the higher goes first and none starves.
  localparam int unsigned Priorities = 4;
  // Most two-level systems in the simulated state of one qubit resource; its memory is 2^width complex numbers of 16 bytes.
  localparam int unsigned QubitWidth = 20;
  // Fidelity is counted in parts per billion; this is 1.
  localparam int unsigned FullFidelity = 1000000000;
  // Largest shared region, in bytes.
  localparam int unsigned RegionBytes = 1073741824;
  // Longest body of a frame: delivery word, header and payload.
  localparam int unsigned FrameBodyBytes = 4136;
  // Longest name of an endpoint or topic, in bytes.
  localparam int unsigned NameBytes = 63;
  // A router tick is 2^24 ns (16.8 ms); capability expiry is counted in ticks since the router's start.
  localparam int unsigned TickShift = 24;

  // Message types.
  localparam logic [3:0] TypeControl = 4'h1;
  localparam logic [3:0] TypeData = 4'h2;
  localparam logic [3:0] TypeQuantum = 4'h3;
  localparam logic [3:0] TypeCapability = 4'h4;
  localparam logic [3:0] TypeEvent = 4'h5;

  // Header flags, a bit each.
  localparam logic [5:0] FlagExpectsReply = 6'h1;
  localparam logic [5:0] FlagReply = 6'h2;
  localparam logic [5:0] FlagStreamFirst = 6'h4;
  localparam logic [5:0] FlagStreamLast = 6'h8;
  localparam logic [5:0] FlagZeroCopy = 6'h10;
  localparam logic [5:0] FlagNoWait = 6'h20;

  // Rights of a capability, a bit each.
  localparam logic [7:0] RightRead = 8'h1;
  localparam logic [7:0] RightWrite = 8'h2;
  localparam logic [7:0] RightExecute = 8'h4;
  localparam logic [7:0] RightGrant = 8'h8;
  localparam logic [7:0] RightRevoke = 8'h10;
  localparam logic [7:0] RightQuantum = 8'h20;
  localparam logic [7:0] RightDevice = 8'h40;
  localparam logic [7:0] RightProcess = 8'h80;

  // What a capability names.
  localparam logic [3:0] KindEndpoint = 4'h1;
  localparam logic [3:0] KindTopic = 4'h2;
  localparam logic [3:0] KindReply = 4'h3;
  localparam logic [3:0] KindRegion = 4'h4;
  localparam logic [3:0] KindQubit = 4'h5;
  localparam logic [3:0] KindProcess = 4'h6;
  localparam logic [3:0] KindDevice = 4'h7;
  localparam logic [3:0] KindObserver = 4'h8;
  localparam logic [3:0] KindChannel = 4'h9;

  // Flags of a capability entry, a bit each.
  localparam logic [3:0] EntryFlagValid = 4'h1;
  localparam logic [3:0] EntryFlagLinear = 4'h2;
  localparam logic [3:0] EntryFlagOneShot = 4'h4;
  localparam logic [3:0] EntryFlagRevocable = 4'h8;

  // Flags of the grant word, a bit each.
  localparam logic [3:0] GrantFlagMove = 4'h1;
  localparam logic [3:0] GrantFlagOneShot = 4'h2;

  // What route() says of a message. Checks run in this order; the first that fails gives the verdict.
  localparam logic [4:0] VerdictDelivered = 5'h0;
  localparam logic [4:0] VerdictMalformed = 5'h1;
  localparam logic [4:0] VerdictSpoofed = 5'h2;
  localparam logic [4:0] VerdictNoSuchCapability = 5'h3;
  localparam logic [4:0] VerdictExpired = 5'h4;
  localparam logic [4:0] VerdictWrongObject = 5'h5;
  localparam logic [4:0] VerdictInsufficientRights = 5'h6;
  localparam logic [4:0] VerdictNoSuchCarried = 5'h7;
  localparam logic [4:0] VerdictCarriedExpired = 5'h8;
  localparam logic [4:0] VerdictLinearity = 5'h9;
  localparam logic [4:0] VerdictNotGrantable = 5'hA;
  localparam logic [4:0] VerdictAmplified = 5'hB;
  localparam logic [4:0] VerdictFull = 5'hC;
  localparam logic [4:0] VerdictTableFull = 5'hD;
  localparam logic [4:0] VerdictMiss = 5'hE;
  localparam logic [4:0] VerdictTimedOut = 5'hF;
  localparam logic [4:0] VerdictDecohered = 5'h10;
  localparam logic [4:0] VerdictClosed = 5'h11;

  // What the library says beside the verdicts. The C interface returns them negated, like the verdicts.
  localparam logic [7:0] StatusTimeout = 8'h40;
  localparam logic [7:0] StatusWouldBlock = 8'h41;
  localparam logic [7:0] StatusNotConnected = 8'h42;
  localparam logic [7:0] StatusRouterGone = 8'h43;
  localparam logic [7:0] StatusPeerGone = 8'h44;
  localparam logic [7:0] StatusRevoked = 8'h45;
  localparam logic [7:0] StatusNoSuchName = 8'h46;
  localparam logic [7:0] StatusNameTaken = 8'h47;
  localparam logic [7:0] StatusBadName = 8'h48;
  localparam logic [7:0] StatusNotAllowed = 8'h49;
  localparam logic [7:0] StatusLimit = 8'h4A;
  localparam logic [7:0] StatusVersionMismatch = 8'h4B;
  localparam logic [7:0] StatusBadRequest = 8'h4C;
  localparam logic [7:0] StatusBadArgument = 8'h4D;
  localparam logic [7:0] StatusNotSupported = 8'h4E;
  localparam logic [7:0] StatusCorrupt = 8'h4F;
  localparam logic [7:0] StatusSystem = 8'h50;
  localparam logic [7:0] StatusAuditUnavailable = 8'h54;
  localparam logic [7:0] StatusSealed = 8'h55;
  localparam logic [7:0] StatusNoSuchQubit = 8'h56;
  localparam logic [7:0] StatusUnwantedDescriptors = 8'h52;
  localparam logic [7:0] StatusNoSuchProcess = 8'h53;
  localparam logic [7:0] StatusNoSuchMethod = 8'h64;
  localparam logic [7:0] StatusServiceFailed = 8'h65;
  localparam logic [7:0] StatusDeclined = 8'h5F;
  localparam logic [7:0] StatusAborted = 8'h60;
  localparam logic [7:0] StatusNoSuchSubscription = 8'h5A;
  localparam logic [7:0] StatusNoDevice = 8'h6E;
  localparam logic [7:0] StatusDevicePermission = 8'h6F;
  localparam logic [7:0] StatusDeviceBusy = 8'h70;
  localparam logic [7:0] StatusDeviceGone = 8'h71;
  localparam logic [7:0] StatusForeignDevice = 8'h72;
  localparam logic [7:0] StatusDeviceOlder = 8'h73;
  localparam logic [7:0] StatusDeviceNewer = 8'h74;
  localparam logic [7:0] StatusDeviceRefused = 8'h75;
  localparam logic [7:0] StatusDeviceGarbled = 8'h76;
  localparam logic [7:0] StatusDeviceSilent = 8'h77;
  localparam logic [7:0] StatusFpgaEmpty = 8'h78;
  localparam logic [7:0] StatusBadImage = 8'h79;
  localparam logic [7:0] StatusShuttingDown = 8'h51;

  // What the router tells a process on its notice ring.
  localparam logic [7:0] NoticeRefused = 8'h1;
  localparam logic [7:0] NoticePeerGone = 8'h2;
  localparam logic [7:0] NoticeRevoked = 8'h3;
  localparam logic [7:0] NoticeClosed = 8'h4;
  localparam logic [7:0] NoticeRegion = 8'hA;
  localparam logic [7:0] NoticeGranted = 8'h5;

  // Requests of a process on the control socket.
  localparam logic [7:0] RequestHello = 8'h1;
  localparam logic [7:0] RequestMapped = 8'h2;
  localparam logic [7:0] RequestRegister = 8'h3;
  localparam logic [7:0] RequestLookup = 8'h4;
  localparam logic [7:0] RequestClose = 8'h5;
  localparam logic [7:0] RequestGrant = 8'h6;
  localparam logic [7:0] RequestRevoke = 8'h7;
  localparam logic [7:0] RequestRelease = 8'h8;
  localparam logic [7:0] RequestList = 8'h9;
  localparam logic [7:0] RequestCancel = 8'hA;
  localparam logic [7:0] RequestInspect = 8'hB;
  localparam logic [7:0] RequestDerive = 8'hC;
  localparam logic [7:0] RequestPending = 8'hD;
  localparam logic [7:0] RequestRegionCreate = 8'h14;
  localparam logic [7:0] RequestRegionMap = 8'h15;
  localparam logic [7:0] RequestRegionUnmap = 8'h16;
  localparam logic [7:0] RequestRegionFresh = 8'h17;
  localparam logic [7:0] RequestRegionMoved = 8'h18;
  localparam logic [7:0] RequestRegionCut = 8'h19;
  localparam logic [7:0] RequestTopic = 8'h1E;
  localparam logic [7:0] RequestSubscribe = 8'h1F;
  localparam logic [7:0] RequestUnsubscribe = 8'h20;
  localparam logic [7:0] RequestTopicRing = 8'h21;
  localparam logic [7:0] RequestPrepare = 8'h32;
  localparam logic [7:0] RequestReclaim = 8'h33;
  localparam logic [7:0] RequestQubit = 8'h34;
  localparam logic [7:0] RequestOpenChannel = 8'h28;
  localparam logic [7:0] RequestObserve = 8'h3C;
  localparam logic [7:0] RequestCounters = 8'h3D;
  localparam logic [7:0] RequestTrace = 8'h3E;
  localparam logic [7:0] RequestAcceptChannel = 8'h29;

  // Vendor requests of the board's firmware (bRequest).
  localparam logic [7:0] UsbRequestLoadRam = 8'hA0;
  localparam logic [7:0] UsbRequestIdentify = 8'hB0;
  localparam logic [7:0] UsbRequestFpgaBegin = 8'hB1;
  localparam logic [7:0] UsbRequestFpgaData = 8'hB2;
  localparam logic [7:0] UsbRequestFpgaEnd = 8'hB3;
  localparam logic [7:0] UsbRequestReset = 8'hB4;
  localparam logic [7:0] UsbRequestStatus = 8'hB5;
  localparam logic [7:0] UsbRequestStatistics = 8'hB6;

  // What a frame is for.
  localparam logic [7:0] FrameKindCredit = 8'h1;
  localparam logic [7:0] FrameKindHello = 8'h2;
  localparam logic [7:0] FrameKindMessage = 8'h3;
  localparam logic [7:0] FrameKindDelivery = 8'h4;
  localparam logic [7:0] FrameKindEvent = 8'h5;
  localparam logic [7:0] FrameKindFill = 8'h6;
  localparam logic [7:0] FrameKindInvalidate = 8'h7;
  localparam logic [7:0] FrameKindWrite = 8'h8;
  localparam logic [7:0] FrameKindRead = 8'h9;
  localparam logic [7:0] FrameKindAcknowledge = 8'hA;

  // Who speaks in an identity.
  localparam logic [7:0] LinkRoleHost = 8'h1;
  localparam logic [7:0] LinkRoleFirmware = 8'h2;
  localparam logic [7:0] LinkRoleFpga = 8'h3;

  // What the firmware knows of the FPGA.
  localparam logic [7:0] FpgaStateEmpty = 8'h0;
  localparam logic [7:0] FpgaStateLoading = 8'h1;
  localparam logic [7:0] FpgaStateReady = 8'h2;
  localparam logic [7:0] FpgaStateFailed = 8'h3;

  // 32 bytes in front of every message.
  typedef struct packed {
    logic [63:0] timestamp;
    logic [31:0] sequence_;
    logic [31:0] carried;
    logic [31:0] capability;
    logic [31:0] receiver;
    logic [31:0] sender;
    logic [15:0] length;
    logic [5:0] flags;
    logic [1:0] priority_;
    logic [3:0] type_;
    logic [3:0] version;
  } header_t;
  localparam int unsigned HeaderBits = 256;

  // A row of the capability table as the hardware keeps it.
  typedef struct packed {
    logic [31:0] expiry;
    logic [31:0] badge;
    logic [15:0] object;
    logic [15:0] owner;
    logic [3:0] spare;
    logic [3:0] kind;
    logic [7:0] rights;
    logic [3:0] flags;
    logic [11:0] generation;
  } entry_t;

  // What becomes of a carried capability; travels in the header's timestamp field on the way in.
  typedef struct packed {
    logic [19:0] lifetime;
    logic [3:0] flags;
    logic [7:0] rights;
    logic [31:0] badge;
  } grant_t;
  localparam int unsigned GrantBits = 64;

  // Payload of a zero_copy message: which part of the carried region is meant. The receiver checks it against the region's size.
  typedef struct packed {
    logic [63:0] length;
    logic [63:0] offset;
  } slice_t;
  localparam int unsigned SliceBits = 128;

  // Head of a frame on a link that leaves memory (USB). The body follows, then a CRC-32C (Castagnoli, RFC 3720) over head and body, little-endian; all of it goes out byte-stuffed (COBS), with a zero byte before and after, so that a zero is always a border and never content.
  typedef struct packed {
    logic [15:0] length;
    logic [15:0] grant;
    logic [15:0] sequence_;
    logic [7:0] epoch;
    logic [7:0] kind;
  } frame_t;
  localparam int unsigned FrameBits = 64;

  // Who speaks: body of a `hello`, and the answer to the USB request `identify`.
  typedef struct packed {
    logic [31:0] session;
    logic [15:0] body;
    logic [7:0] window;
    logic [7:0] role;
    logic [63:0] build_hash;
    logic [15:0] minor;
    logic [15:0] major;
    logic [31:0] magic;
  } link_identity_t;
  localparam int unsigned LinkIdentityBits = 192;

  // In front of the header in a `delivery`: where the device's router sent the message.
  typedef struct packed {
    logic [55:0] spare;
    logic [7:0] destination;
  } link_delivery_t;
  localparam int unsigned LinkDeliveryBits = 64;

  // Body of an `event`: what the device's router decided of one message. Events come in the order of the messages.
  typedef struct packed {
    logic [31:0] spare;
    logic [31:0] sequence_;
    logic [31:0] carried;
    logic [31:0] capability;
    logic [15:0] receiver;
    logic [15:0] sender;
    logic [15:0] tick;
    logic [7:0] port;
    logic [7:0] verdict;
  } link_event_t;
  localparam int unsigned LinkEventBits = 192;

  // Body of a `write` or `read` of the device's registers, and of an `invalidate`, which uses only the value; after it the entry, in a `fill`.
  typedef struct packed {
    logic [31:0] value;
    logic [19:0] spare;
    logic [11:0] offset;
  } link_access_t;
  localparam int unsigned LinkAccessBits = 64;

  // Body of an `acknowledge`: the device has done what a `fill`, `invalidate`, `write` or `read` asked for. A recall is over when this is here.
  typedef struct packed {
    logic [31:0] value;
    logic [7:0] spare;
    logic [7:0] outcome;
    logic [15:0] sequence_;
  } link_acknowledge_t;
  localparam int unsigned LinkAcknowledgeBits = 64;

  // Answer to the USB request `status`.
  typedef struct packed {
    logic [15:0] spare;
    logic [7:0] clock;
    logic [7:0] fifos;
    logic [7:0] halted;
    logic [7:0] configured;
    logic [7:0] high_speed;
    logic [7:0] fpga;
  } board_status_t;
  localparam int unsigned BoardStatusBits = 64;

  // Answer to the USB request `statistics`: counters of the firmware since it was loaded. They wrap.
  typedef struct packed {
    logic [31:0] bytes;
    logic [31:0] loads;
    logic [31:0] suspends;
    logic [31:0] bus_resets;
    logic [31:0] stalls;
    logic [31:0] setups;
  } board_statistics_t;
  localparam int unsigned BoardStatisticsBits = 192;

  // In front of each message that an observer follows: what became of it. The header as it was sent comes after it, then as much of the payload as the observer may see.
  typedef struct packed {
    logic [63:0] time_;
    logic [63:0] number;
    logic [31:0] created;
    logic [15:0] owner;
    logic [15:0] object;
    logic [15:0] process_;
    logic [15:0] captured;
    logic [11:0] spare;
    logic [3:0] kind;
    logic [7:0] rights;
    logic [7:0] verdict;
  } trace_head_t;
  localparam int unsigned TraceHeadBits = 256;

  // AXI4-Lite register block of the hardware router. Offsets in bytes; 32-bit registers.
  localparam logic [11:0] RegMagic = 12'h000;
  localparam logic [11:0] RegVersion = 12'h004;
  localparam logic [11:0] RegFeatures = 12'h008;
  localparam logic [11:0] RegBuildHash = 12'h00C;
  localparam logic [11:0] RegGeometry = 12'h010;
  localparam logic [11:0] RegStreamBits = 12'h014;
  localparam logic [11:0] RegControl = 12'h020;
  localparam logic [11:0] RegEpoch = 12'h024;
  localparam logic [11:0] RegTick = 12'h028;
  localparam logic [11:0] RegPortSelect = 12'h02C;
  localparam logic [11:0] RegPortControl = 12'h030;
  localparam logic [11:0] RegPortSender = 12'h034;
  localparam logic [11:0] RegPortStatus = 12'h038;
  localparam logic [11:0] RegTableIndex = 12'h040;
  localparam logic [11:0] RegTableData0 = 12'h044;
  localparam logic [11:0] RegTableData1 = 12'h048;
  localparam logic [11:0] RegTableData2 = 12'h04C;
  localparam logic [11:0] RegTableData3 = 12'h050;
  localparam logic [11:0] RegTableCommand = 12'h054;
  localparam logic [11:0] RegCountAccepted = 12'h080;
  localparam logic [11:0] RegCountRefused = 12'h084;
  localparam logic [11:0] RegCountMissed = 12'h088;
  localparam logic [11:0] RegCountDroppedAudit = 12'h08C;
  localparam logic [11:0] RegCountVerdict = 12'h100;
  localparam int unsigned RegSize = 512;

endpackage
