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
  localparam keyway_pkg::frame_t FrameKind = 64'hFF;
  if (FrameKind.kind != '1) begin : gen_frame_kind
    $fatal(1, "frame_t.kind is not at bit 0");
  end
  localparam keyway_pkg::frame_t FrameEpoch = 64'hFF00;
  if (FrameEpoch.epoch != '1) begin : gen_frame_epoch
    $fatal(1, "frame_t.epoch is not at bit 8");
  end
  localparam keyway_pkg::frame_t FrameSequence = 64'hFFFF0000;
  if (FrameSequence.sequence_ != '1) begin : gen_frame_sequence
    $fatal(1, "frame_t.sequence is not at bit 16");
  end
  localparam keyway_pkg::frame_t FrameGrant = 64'hFFFF00000000;
  if (FrameGrant.grant != '1) begin : gen_frame_grant
    $fatal(1, "frame_t.grant is not at bit 32");
  end
  localparam keyway_pkg::frame_t FrameLength = 64'hFFFF000000000000;
  if (FrameLength.length != '1) begin : gen_frame_length
    $fatal(1, "frame_t.length is not at bit 48");
  end
  if ($bits(keyway_pkg::link_identity_t) != 192) begin : gen_link_identity_size
    $fatal(1, "link_identity_t has not 192 bits");
  end
  localparam keyway_pkg::link_identity_t LinkIdentityMagic = 192'hFFFFFFFF;
  if (LinkIdentityMagic.magic != '1) begin : gen_link_identity_magic
    $fatal(1, "link_identity_t.magic is not at bit 0");
  end
  localparam keyway_pkg::link_identity_t LinkIdentityMajor = 192'hFFFF00000000;
  if (LinkIdentityMajor.major != '1) begin : gen_link_identity_major
    $fatal(1, "link_identity_t.major is not at bit 32");
  end
  localparam keyway_pkg::link_identity_t LinkIdentityMinor = 192'hFFFF000000000000;
  if (LinkIdentityMinor.minor != '1) begin : gen_link_identity_minor
    $fatal(1, "link_identity_t.minor is not at bit 48");
  end
  localparam keyway_pkg::link_identity_t LinkIdentityBuildHash = 192'hFFFFFFFFFFFFFFFF0000000000000000;
  if (LinkIdentityBuildHash.build_hash != '1) begin : gen_link_identity_build_hash
    $fatal(1, "link_identity_t.build_hash is not at bit 64");
  end
  localparam keyway_pkg::link_identity_t LinkIdentityRole = 192'hFF00000000000000000000000000000000;
  if (LinkIdentityRole.role != '1) begin : gen_link_identity_role
    $fatal(1, "link_identity_t.role is not at bit 128");
  end
  localparam keyway_pkg::link_identity_t LinkIdentityWindow = 192'hFF0000000000000000000000000000000000;
  if (LinkIdentityWindow.window != '1) begin : gen_link_identity_window
    $fatal(1, "link_identity_t.window is not at bit 136");
  end
  localparam keyway_pkg::link_identity_t LinkIdentityBody = 192'hFFFF000000000000000000000000000000000000;
  if (LinkIdentityBody.body != '1) begin : gen_link_identity_body
    $fatal(1, "link_identity_t.body is not at bit 144");
  end
  localparam keyway_pkg::link_identity_t LinkIdentitySession = 192'hFFFFFFFF0000000000000000000000000000000000000000;
  if (LinkIdentitySession.session != '1) begin : gen_link_identity_session
    $fatal(1, "link_identity_t.session is not at bit 160");
  end
  if ($bits(keyway_pkg::link_delivery_t) != 64) begin : gen_link_delivery_size
    $fatal(1, "link_delivery_t has not 64 bits");
  end
  localparam keyway_pkg::link_delivery_t LinkDeliveryDestination = 64'hFF;
  if (LinkDeliveryDestination.destination != '1) begin : gen_link_delivery_destination
    $fatal(1, "link_delivery_t.destination is not at bit 0");
  end
  localparam keyway_pkg::link_delivery_t LinkDeliverySpare = 64'hFFFFFFFFFFFFFF00;
  if (LinkDeliverySpare.spare != '1) begin : gen_link_delivery_spare
    $fatal(1, "link_delivery_t.spare is not at bit 8");
  end
  if ($bits(keyway_pkg::link_event_t) != 192) begin : gen_link_event_size
    $fatal(1, "link_event_t has not 192 bits");
  end
  localparam keyway_pkg::link_event_t LinkEventVerdict = 192'hFF;
  if (LinkEventVerdict.verdict != '1) begin : gen_link_event_verdict
    $fatal(1, "link_event_t.verdict is not at bit 0");
  end
  localparam keyway_pkg::link_event_t LinkEventPort = 192'hFF00;
  if (LinkEventPort.port != '1) begin : gen_link_event_port
    $fatal(1, "link_event_t.port is not at bit 8");
  end
  localparam keyway_pkg::link_event_t LinkEventTick = 192'hFFFF0000;
  if (LinkEventTick.tick != '1) begin : gen_link_event_tick
    $fatal(1, "link_event_t.tick is not at bit 16");
  end
  localparam keyway_pkg::link_event_t LinkEventSender = 192'hFFFF00000000;
  if (LinkEventSender.sender != '1) begin : gen_link_event_sender
    $fatal(1, "link_event_t.sender is not at bit 32");
  end
  localparam keyway_pkg::link_event_t LinkEventReceiver = 192'hFFFF000000000000;
  if (LinkEventReceiver.receiver != '1) begin : gen_link_event_receiver
    $fatal(1, "link_event_t.receiver is not at bit 48");
  end
  localparam keyway_pkg::link_event_t LinkEventCapability = 192'hFFFFFFFF0000000000000000;
  if (LinkEventCapability.capability != '1) begin : gen_link_event_capability
    $fatal(1, "link_event_t.capability is not at bit 64");
  end
  localparam keyway_pkg::link_event_t LinkEventCarried = 192'hFFFFFFFF000000000000000000000000;
  if (LinkEventCarried.carried != '1) begin : gen_link_event_carried
    $fatal(1, "link_event_t.carried is not at bit 96");
  end
  localparam keyway_pkg::link_event_t LinkEventSequence = 192'hFFFFFFFF00000000000000000000000000000000;
  if (LinkEventSequence.sequence_ != '1) begin : gen_link_event_sequence
    $fatal(1, "link_event_t.sequence is not at bit 128");
  end
  localparam keyway_pkg::link_event_t LinkEventSpare = 192'hFFFFFFFF0000000000000000000000000000000000000000;
  if (LinkEventSpare.spare != '1) begin : gen_link_event_spare
    $fatal(1, "link_event_t.spare is not at bit 160");
  end
  if ($bits(keyway_pkg::link_access_t) != 64) begin : gen_link_access_size
    $fatal(1, "link_access_t has not 64 bits");
  end
  localparam keyway_pkg::link_access_t LinkAccessOffset = 64'hFFF;
  if (LinkAccessOffset.offset != '1) begin : gen_link_access_offset
    $fatal(1, "link_access_t.offset is not at bit 0");
  end
  localparam keyway_pkg::link_access_t LinkAccessSpare = 64'hFFFFF000;
  if (LinkAccessSpare.spare != '1) begin : gen_link_access_spare
    $fatal(1, "link_access_t.spare is not at bit 12");
  end
  localparam keyway_pkg::link_access_t LinkAccessValue = 64'hFFFFFFFF00000000;
  if (LinkAccessValue.value != '1) begin : gen_link_access_value
    $fatal(1, "link_access_t.value is not at bit 32");
  end
  if ($bits(keyway_pkg::link_acknowledge_t) != 64) begin : gen_link_acknowledge_size
    $fatal(1, "link_acknowledge_t has not 64 bits");
  end
  localparam keyway_pkg::link_acknowledge_t LinkAcknowledgeSequence = 64'hFFFF;
  if (LinkAcknowledgeSequence.sequence_ != '1) begin : gen_link_acknowledge_sequence
    $fatal(1, "link_acknowledge_t.sequence is not at bit 0");
  end
  localparam keyway_pkg::link_acknowledge_t LinkAcknowledgeOutcome = 64'hFF0000;
  if (LinkAcknowledgeOutcome.outcome != '1) begin : gen_link_acknowledge_outcome
    $fatal(1, "link_acknowledge_t.outcome is not at bit 16");
  end
  localparam keyway_pkg::link_acknowledge_t LinkAcknowledgeSpare = 64'hFF000000;
  if (LinkAcknowledgeSpare.spare != '1) begin : gen_link_acknowledge_spare
    $fatal(1, "link_acknowledge_t.spare is not at bit 24");
  end
  localparam keyway_pkg::link_acknowledge_t LinkAcknowledgeValue = 64'hFFFFFFFF00000000;
  if (LinkAcknowledgeValue.value != '1) begin : gen_link_acknowledge_value
    $fatal(1, "link_acknowledge_t.value is not at bit 32");
  end
  if ($bits(keyway_pkg::board_status_t) != 64) begin : gen_board_status_size
    $fatal(1, "board_status_t has not 64 bits");
  end
  localparam keyway_pkg::board_status_t BoardStatusFpga = 64'hFF;
  if (BoardStatusFpga.fpga != '1) begin : gen_board_status_fpga
    $fatal(1, "board_status_t.fpga is not at bit 0");
  end
  localparam keyway_pkg::board_status_t BoardStatusHighSpeed = 64'hFF00;
  if (BoardStatusHighSpeed.high_speed != '1) begin : gen_board_status_high_speed
    $fatal(1, "board_status_t.high_speed is not at bit 8");
  end
  localparam keyway_pkg::board_status_t BoardStatusConfigured = 64'hFF0000;
  if (BoardStatusConfigured.configured != '1) begin : gen_board_status_configured
    $fatal(1, "board_status_t.configured is not at bit 16");
  end
  localparam keyway_pkg::board_status_t BoardStatusHalted = 64'hFF000000;
  if (BoardStatusHalted.halted != '1) begin : gen_board_status_halted
    $fatal(1, "board_status_t.halted is not at bit 24");
  end
  localparam keyway_pkg::board_status_t BoardStatusFifos = 64'hFF00000000;
  if (BoardStatusFifos.fifos != '1) begin : gen_board_status_fifos
    $fatal(1, "board_status_t.fifos is not at bit 32");
  end
  localparam keyway_pkg::board_status_t BoardStatusClock = 64'hFF0000000000;
  if (BoardStatusClock.clock != '1) begin : gen_board_status_clock
    $fatal(1, "board_status_t.clock is not at bit 40");
  end
  localparam keyway_pkg::board_status_t BoardStatusSpare = 64'hFFFF000000000000;
  if (BoardStatusSpare.spare != '1) begin : gen_board_status_spare
    $fatal(1, "board_status_t.spare is not at bit 48");
  end
  if ($bits(keyway_pkg::board_statistics_t) != 192) begin : gen_board_statistics_size
    $fatal(1, "board_statistics_t has not 192 bits");
  end
  localparam keyway_pkg::board_statistics_t BoardStatisticsSetups = 192'hFFFFFFFF;
  if (BoardStatisticsSetups.setups != '1) begin : gen_board_statistics_setups
    $fatal(1, "board_statistics_t.setups is not at bit 0");
  end
  localparam keyway_pkg::board_statistics_t BoardStatisticsStalls = 192'hFFFFFFFF00000000;
  if (BoardStatisticsStalls.stalls != '1) begin : gen_board_statistics_stalls
    $fatal(1, "board_statistics_t.stalls is not at bit 32");
  end
  localparam keyway_pkg::board_statistics_t BoardStatisticsBusResets = 192'hFFFFFFFF0000000000000000;
  if (BoardStatisticsBusResets.bus_resets != '1) begin : gen_board_statistics_bus_resets
    $fatal(1, "board_statistics_t.bus_resets is not at bit 64");
  end
  localparam keyway_pkg::board_statistics_t BoardStatisticsSuspends = 192'hFFFFFFFF000000000000000000000000;
  if (BoardStatisticsSuspends.suspends != '1) begin : gen_board_statistics_suspends
    $fatal(1, "board_statistics_t.suspends is not at bit 96");
  end
  localparam keyway_pkg::board_statistics_t BoardStatisticsLoads = 192'hFFFFFFFF00000000000000000000000000000000;
  if (BoardStatisticsLoads.loads != '1) begin : gen_board_statistics_loads
    $fatal(1, "board_statistics_t.loads is not at bit 128");
  end
  localparam keyway_pkg::board_statistics_t BoardStatisticsBytes = 192'hFFFFFFFF0000000000000000000000000000000000000000;
  if (BoardStatisticsBytes.bytes != '1) begin : gen_board_statistics_bytes
    $fatal(1, "board_statistics_t.bytes is not at bit 160");
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
