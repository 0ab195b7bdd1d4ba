// Generated from protocol/keyway.toml by protocol/generate.py: edit those, not this.
// Fails to elaborate when a field of the package is not where the contract puts it.

module keyway_pkg_layout;
  if ($bits(keyway_pkg::header_t) != 256) begin : gen_header_size
    $fatal(1, "header_t has not 256 bits");
  end
  localparam keyway_pkg::header_t HeaderVersion = 256'hF;
  if (HeaderVersion.version != '1) begin : gen_header_version
    $fatal(1, "header_t.version is not at bit 0");
  end
  localparam keyway_pkg::header_t HeaderType = 256'hF0;
  if (HeaderType.type_ != '1) begin : gen_header_type
    $fatal(1, "header_t.type is not at bit 4");
  end
  localparam keyway_pkg::header_t HeaderPriority = 256'h300;
  if (HeaderPriority.priority_ != '1) begin : gen_header_priority
    $fatal(1, "header_t.priority is not at bit 8");
  end
  localparam keyway_pkg::header_t HeaderFlags = 256'hFC00;
  if (HeaderFlags.flags != '1) begin : gen_header_flags
    $fatal(1, "header_t.flags is not at bit 10");
  end
  localparam keyway_pkg::header_t HeaderLength = 256'hFFFF0000;
  if (HeaderLength.length != '1) begin : gen_header_length
    $fatal(1, "header_t.length is not at bit 16");
  end
  localparam keyway_pkg::header_t HeaderSender = 256'hFFFFFFFF00000000;
  if (HeaderSender.sender != '1) begin : gen_header_sender
    $fatal(1, "header_t.sender is not at bit 32");
  end
  localparam keyway_pkg::header_t HeaderReceiver = 256'hFFFFFFFF0000000000000000;
  if (HeaderReceiver.receiver != '1) begin : gen_header_receiver
    $fatal(1, "header_t.receiver is not at bit 64");
  end
  localparam keyway_pkg::header_t HeaderCapability = 256'hFFFFFFFF000000000000000000000000;
  if (HeaderCapability.capability != '1) begin : gen_header_capability
    $fatal(1, "header_t.capability is not at bit 96");
  end
  localparam keyway_pkg::header_t HeaderCarried = 256'hFFFFFFFF00000000000000000000000000000000;
  if (HeaderCarried.carried != '1) begin : gen_header_carried
    $fatal(1, "header_t.carried is not at bit 128");
  end
  localparam keyway_pkg::header_t HeaderSequence = 256'hFFFFFFFF0000000000000000000000000000000000000000;
  if (HeaderSequence.sequence_ != '1) begin : gen_header_sequence
    $fatal(1, "header_t.sequence is not at bit 160");
  end
  localparam keyway_pkg::header_t HeaderTimestamp = 256'hFFFFFFFFFFFFFFFF000000000000000000000000000000000000000000000000;
  if (HeaderTimestamp.timestamp != '1) begin : gen_header_timestamp
    $fatal(1, "header_t.timestamp is not at bit 192");
  end
  if ($bits(keyway_pkg::entry_t) != 128) begin : gen_entry_size
    $fatal(1, "entry_t has not 128 bits");
  end
  localparam keyway_pkg::entry_t EntryGeneration = 128'hFFF;
  if (EntryGeneration.generation != '1) begin : gen_entry_generation
    $fatal(1, "entry_t.generation is not at bit 0");
  end
  localparam keyway_pkg::entry_t EntryFlags = 128'hF000;
  if (EntryFlags.flags != '1) begin : gen_entry_flags
    $fatal(1, "entry_t.flags is not at bit 12");
  end
  localparam keyway_pkg::entry_t EntryRights = 128'hFF0000;
  if (EntryRights.rights != '1) begin : gen_entry_rights
    $fatal(1, "entry_t.rights is not at bit 16");
  end
  localparam keyway_pkg::entry_t EntryKind = 128'hF000000;
  if (EntryKind.kind != '1) begin : gen_entry_kind
    $fatal(1, "entry_t.kind is not at bit 24");
  end
  localparam keyway_pkg::entry_t EntrySpare = 128'hF0000000;
  if (EntrySpare.spare != '1) begin : gen_entry_spare
    $fatal(1, "entry_t.spare is not at bit 28");
  end
  localparam keyway_pkg::entry_t EntryOwner = 128'hFFFF00000000;
  if (EntryOwner.owner != '1) begin : gen_entry_owner
    $fatal(1, "entry_t.owner is not at bit 32");
  end
  localparam keyway_pkg::entry_t EntryObject = 128'hFFFF000000000000;
  if (EntryObject.object != '1) begin : gen_entry_object
    $fatal(1, "entry_t.object is not at bit 48");
  end
  localparam keyway_pkg::entry_t EntryBadge = 128'hFFFFFFFF0000000000000000;
  if (EntryBadge.badge != '1) begin : gen_entry_badge
    $fatal(1, "entry_t.badge is not at bit 64");
  end
  localparam keyway_pkg::entry_t EntryExpiry = 128'hFFFFFFFF000000000000000000000000;
  if (EntryExpiry.expiry != '1) begin : gen_entry_expiry
    $fatal(1, "entry_t.expiry is not at bit 96");
  end
  if ($bits(keyway_pkg::grant_t) != 64) begin : gen_grant_size
    $fatal(1, "grant_t has not 64 bits");
  end
  localparam keyway_pkg::grant_t GrantBadge = 64'hFFFFFFFF;
  if (GrantBadge.badge != '1) begin : gen_grant_badge
    $fatal(1, "grant_t.badge is not at bit 0");
  end
  localparam keyway_pkg::grant_t GrantRights = 64'hFF00000000;
  if (GrantRights.rights != '1) begin : gen_grant_rights
    $fatal(1, "grant_t.rights is not at bit 32");
  end
  localparam keyway_pkg::grant_t GrantFlags = 64'hF0000000000;
  if (GrantFlags.flags != '1) begin : gen_grant_flags
    $fatal(1, "grant_t.flags is not at bit 40");
  end
  localparam keyway_pkg::grant_t GrantLifetime = 64'hFFFFF00000000000;
  if (GrantLifetime.lifetime != '1) begin : gen_grant_lifetime
    $fatal(1, "grant_t.lifetime is not at bit 44");
  end
  if ($bits(keyway_pkg::slice_t) != 128) begin : gen_slice_size
    $fatal(1, "slice_t has not 128 bits");
  end
  localparam keyway_pkg::slice_t SliceOffset = 128'hFFFFFFFFFFFFFFFF;
  if (SliceOffset.offset != '1) begin : gen_slice_offset
    $fatal(1, "slice_t.offset is not at bit 0");
  end
  localparam keyway_pkg::slice_t SliceLength = 128'hFFFFFFFFFFFFFFFF0000000000000000;
  if (SliceLength.length != '1) begin : gen_slice_length
    $fatal(1, "slice_t.length is not at bit 64");
  end
  if ($bits(keyway_pkg::frame_t) != 64) begin : gen_frame_size
    $fatal(1, "frame_t has not 64 bits");
  end
  localparam keyway_pkg::frame_t FrameSync = 64'hFFFF;
  if (FrameSync.sync != '1) begin : gen_frame_sync
    $fatal(1, "frame_t.sync is not at bit 0");
  end
  localparam keyway_pkg::frame_t FrameCredits = 64'hFF0000;
  if (FrameCredits.credits != '1) begin : gen_frame_credits
    $fatal(1, "frame_t.credits is not at bit 16");
  end
  localparam keyway_pkg::frame_t FrameEpoch = 64'hFF000000;
  if (FrameEpoch.epoch != '1) begin : gen_frame_epoch
    $fatal(1, "frame_t.epoch is not at bit 24");
  end
  localparam keyway_pkg::frame_t FrameSequence = 64'hFFFFFFFF00000000;
  if (FrameSequence.sequence_ != '1) begin : gen_frame_sequence
    $fatal(1, "frame_t.sequence is not at bit 32");
  end
  if ($bits(keyway_pkg::trace_head_t) != 256) begin : gen_trace_head_size
    $fatal(1, "trace_head_t has not 256 bits");
  end
  localparam keyway_pkg::trace_head_t TraceHeadVerdict = 256'hFF;
  if (TraceHeadVerdict.verdict != '1) begin : gen_trace_head_verdict
    $fatal(1, "trace_head_t.verdict is not at bit 0");
  end
  localparam keyway_pkg::trace_head_t TraceHeadRights = 256'hFF00;
  if (TraceHeadRights.rights != '1) begin : gen_trace_head_rights
    $fatal(1, "trace_head_t.rights is not at bit 8");
  end
  localparam keyway_pkg::trace_head_t TraceHeadKind = 256'hF0000;
  if (TraceHeadKind.kind != '1) begin : gen_trace_head_kind
    $fatal(1, "trace_head_t.kind is not at bit 16");
  end
  localparam keyway_pkg::trace_head_t TraceHeadSpare = 256'hFFF00000;
  if (TraceHeadSpare.spare != '1) begin : gen_trace_head_spare
    $fatal(1, "trace_head_t.spare is not at bit 20");
  end
  localparam keyway_pkg::trace_head_t TraceHeadCaptured = 256'hFFFF00000000;
  if (TraceHeadCaptured.captured != '1) begin : gen_trace_head_captured
    $fatal(1, "trace_head_t.captured is not at bit 32");
  end
  localparam keyway_pkg::trace_head_t TraceHeadProcess = 256'hFFFF000000000000;
  if (TraceHeadProcess.process_ != '1) begin : gen_trace_head_process
    $fatal(1, "trace_head_t.process is not at bit 48");
  end
  localparam keyway_pkg::trace_head_t TraceHeadObject = 256'hFFFF0000000000000000;
  if (TraceHeadObject.object != '1) begin : gen_trace_head_object
    $fatal(1, "trace_head_t.object is not at bit 64");
  end
  localparam keyway_pkg::trace_head_t TraceHeadOwner = 256'hFFFF00000000000000000000;
  if (TraceHeadOwner.owner != '1) begin : gen_trace_head_owner
    $fatal(1, "trace_head_t.owner is not at bit 80");
  end
  localparam keyway_pkg::trace_head_t TraceHeadCreated = 256'hFFFFFFFF000000000000000000000000;
  if (TraceHeadCreated.created != '1) begin : gen_trace_head_created
    $fatal(1, "trace_head_t.created is not at bit 96");
  end
  localparam keyway_pkg::trace_head_t TraceHeadNumber = 256'hFFFFFFFFFFFFFFFF00000000000000000000000000000000;
  if (TraceHeadNumber.number != '1) begin : gen_trace_head_number
    $fatal(1, "trace_head_t.number is not at bit 128");
  end
  localparam keyway_pkg::trace_head_t TraceHeadTime = 256'hFFFFFFFFFFFFFFFF000000000000000000000000000000000000000000000000;
  if (TraceHeadTime.time_ != '1) begin : gen_trace_head_time
    $fatal(1, "trace_head_t.time is not at bit 192");
  end
endmodule
