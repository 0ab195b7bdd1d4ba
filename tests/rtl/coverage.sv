// Functional coverage of the router: what the tests should have brought about at least once. Bound to the modules when
// the models are built for coverage (tests/rtl/coverage.py), and in nothing that is shipped. A line `//: sentence` stands
// before each point, for the report; of a macro's points it ends with the beginning of their names.

module keyway_router_coverage #(
  parameter int unsigned Ports = 1,
  parameter int unsigned DestBits = 4
) (
  input logic clk_i,
  input logic verdict_valid, push, depart, arrive, cmd_done, soft_reset, audit_room, free_valid, enable,
  input logic [4:0] verdict,
  input logic [1:0] push_priority, depart_level,
  input logic [2**DestBits-1:0] push_mask,
  input keyway_pkg::header_t original,
  input logic [Ports-1:0] in_frame, port_reset, m_axis_tvalid_o, m_axis_tready_i, s_axis_tvalid_i, s_axis_tready_o
);
  logic before_q, delivered_q;
  logic [31:0] capability_q;
  int unsigned copies;
  assign copies = 32'($countones(push_mask));
  always_ff @(posedge clk_i) begin
    before_q <= verdict_valid;
    delivered_q <= verdict_valid && verdict == keyway_pkg::VerdictDelivered;
    capability_q <= original.capability;
  end

  // What stands in a loop is added up by the tool, so each bin is written out.
//: Each verdict that the router gives. verdict_*
//: Each of them, in the clock after a delivery. after_a_delivery_*
`define KEYWAY_VERDICT(NAME, VALUE) \
  verdict_``NAME: cover property (@(posedge clk_i) verdict_valid && verdict == VALUE); \
  after_a_delivery_``NAME: cover property (@(posedge clk_i) verdict_valid && verdict == VALUE && delivered_q);
  `KEYWAY_VERDICT(delivered, keyway_pkg::VerdictDelivered)
  `KEYWAY_VERDICT(malformed, keyway_pkg::VerdictMalformed)
  `KEYWAY_VERDICT(spoofed, keyway_pkg::VerdictSpoofed)
  `KEYWAY_VERDICT(no_such_capability, keyway_pkg::VerdictNoSuchCapability)
  `KEYWAY_VERDICT(expired, keyway_pkg::VerdictExpired)
  `KEYWAY_VERDICT(wrong_object, keyway_pkg::VerdictWrongObject)
  `KEYWAY_VERDICT(insufficient_rights, keyway_pkg::VerdictInsufficientRights)
  `KEYWAY_VERDICT(no_such_carried, keyway_pkg::VerdictNoSuchCarried)
  `KEYWAY_VERDICT(carried_expired, keyway_pkg::VerdictCarriedExpired)
  `KEYWAY_VERDICT(linearity, keyway_pkg::VerdictLinearity)
  `KEYWAY_VERDICT(not_grantable, keyway_pkg::VerdictNotGrantable)
  `KEYWAY_VERDICT(amplified, keyway_pkg::VerdictAmplified)
  `KEYWAY_VERDICT(full, keyway_pkg::VerdictFull)
  `KEYWAY_VERDICT(miss, keyway_pkg::VerdictMiss)
`undef KEYWAY_VERDICT
//: A message is accepted at each priority. pushed_at_level_*
//: A copy leaves from each priority. departs_at_level_*
`define KEYWAY_LEVEL(LEVEL) \
  pushed_at_level_``LEVEL: cover property (@(posedge clk_i) push && push_priority == 2'd``LEVEL); \
  departs_at_level_``LEVEL: cover property (@(posedge clk_i) depart && depart_level == 2'd``LEVEL);
  `KEYWAY_LEVEL(0)
  `KEYWAY_LEVEL(1)
  `KEYWAY_LEVEL(2)
  `KEYWAY_LEVEL(3)
`undef KEYWAY_LEVEL
//: A message of each type is delivered. delivered_of_type_*
`define KEYWAY_TYPE(NAME, VALUE) \
  delivered_of_type_``NAME: cover property (@(posedge clk_i) verdict_valid && verdict == keyway_pkg::VerdictDelivered && \
                                                            original.type_ == VALUE);
  `KEYWAY_TYPE(control, keyway_pkg::TypeControl)
  `KEYWAY_TYPE(data, keyway_pkg::TypeData)
  `KEYWAY_TYPE(quantum, keyway_pkg::TypeQuantum)
  `KEYWAY_TYPE(capability, keyway_pkg::TypeCapability)
  `KEYWAY_TYPE(event, keyway_pkg::TypeEvent)
`undef KEYWAY_TYPE
  //: Verdicts in two clocks in a row.
  verdict_each_clock: cover property (@(posedge clk_i) verdict_valid && before_q);
  //: The capability that has just delivered is used again.
  same_capability_again: cover property (@(posedge clk_i) verdict_valid && delivered_q && original.capability == capability_q);
  //: An event that nobody has subscribed to.
  event_for_nobody: cover property (@(posedge clk_i) push && copies == 0);
  //: An event for several subscribers.
  event_for_several: cover property (@(posedge clk_i) push && copies > 1);
  //: One copy arrives in its queue while another departs.
  arrival_and_departure: cover property (@(posedge clk_i) arrive && depart);
  //: A command of the host is done among messages.
  command_among_messages: cover property (@(posedge clk_i) cmd_done && before_q);
  //: An audit event finds no room, and is counted.
  audit_event_dropped: cover property (@(posedge clk_i) verdict_valid && !audit_room);
  //: A message misses while no id is in stock.
  miss_without_ids: cover property (@(posedge clk_i) verdict_valid && verdict == keyway_pkg::VerdictMiss && !free_valid);
  //: A port is reset within a frame.
  port_reset_in_a_frame: cover property (@(posedge clk_i) |(port_reset & in_frame));
  //: A receiver makes a port wait.
  port_out_waits: cover property (@(posedge clk_i) |(m_axis_tvalid_o & ~m_axis_tready_i));
  //: The router makes a sender wait.
  port_in_waits: cover property (@(posedge clk_i) |(s_axis_tvalid_i & ~s_axis_tready_o));
  //: Something is offered on every port at once.
  every_port_offers: cover property (@(posedge clk_i) &s_axis_tvalid_i && enable);
  //: A soft reset while messages are judged.
  soft_reset_with_traffic: cover property (@(posedge clk_i) soft_reset && before_q);
endmodule

module keyway_pipeline_coverage (
  input logic clk_i, take_cmd, v_bad_row_q,
  input logic v_accept_q, v_creates_q, v_moves_q, v_call_q, v_consume_q, v_ended_q, v_miss_q,
  input logic message, a_stale, a_stale_end, c_stale, c_stale_end, s4_early_q, s4_carries_q, s4_creates_q, s4_stop_q, s4_cstop,
  input logic s4_room0_q, s4_room1_q, s4_host0_q, s4_host1_q, s4_overflow_q, s4_forever_q, s4_cexpires, parents_expiry,
  input logic delivered, free_valid_i, s4_read_q, s4_fill_q, s4_kill_q, s4_clear_q,
  input logic [3:0] cmd_wait_q,
  input logic [4:0] check
);
  //: A row is damaged.
  damaged_row: cover property (@(posedge clk_i) v_bad_row_q);
  //: A capability is derived.
  derives: cover property (@(posedge clk_i) v_accept_q && v_creates_q && !v_call_q);
  //: A call makes a reply capability.
  calls: cover property (@(posedge clk_i) v_accept_q && v_call_q);
  //: A capability is moved.
  moves: cover property (@(posedge clk_i) v_accept_q && v_moves_q);
  //: A one-shot capability is used up.
  consumes: cover property (@(posedge clk_i) v_consume_q);
  //: A one-shot capability is used up by a message that makes another.
  consumes_and_creates: cover property (@(posedge clk_i) v_consume_q && v_creates_q);
  //: A look-up of the authority is stale.
  authority_stale: cover property (@(posedge clk_i) message && !s4_early_q && a_stale);
  //: A look-up of the authority finds an id that an operation ahead ended.
  authority_ended: cover property (@(posedge clk_i) message && !s4_early_q && a_stale_end);
  //: A look-up of the carried capability is stale, and the authority is good.
  carried_stale: cover property (@(posedge clk_i) message && !s4_early_q && !a_stale && !s4_stop_q && s4_carries_q && c_stale);
  //: A look-up of the carried capability finds an id that an operation ahead ended.
  carried_ended: cover property (@(posedge clk_i) message && !s4_early_q && !a_stale && !s4_stop_q && s4_carries_q && c_stale_end);
  //: The message directly ahead took the last place.
  last_place_just_taken: cover property (@(posedge clk_i) message && check == keyway_pkg::VerdictFull && s4_room0_q && !s4_room1_q);
  //: A miss finds the host's queue full.
  miss_without_room: cover property (@(posedge clk_i) message && check == keyway_pkg::VerdictMiss && !s4_host0_q);
  //: The miss directly ahead took the host's last place.
  hosts_last_place_just_taken: cover property (@(posedge clk_i) message && check == keyway_pkg::VerdictMiss && v_miss_q && s4_host0_q && !s4_host1_q);
  //: All is good, but there is no id for the new capability.
  no_id_for_a_new_row: cover property (@(posedge clk_i) message && check == keyway_pkg::VerdictMiss && !s4_early_q && !a_stale && !s4_stop_q &&
                                       !(s4_carries_q && c_stale) && !s4_cstop && s4_creates_q && !free_valid_i);
  //: A derived capability gets the expiry that was asked for.
  own_expiry: cover property (@(posedge clk_i) delivered && s4_carries_q && s4_creates_q && !parents_expiry && !s4_overflow_q);
  //: A derived capability gets its parent's expiry, which comes sooner.
  parents_sooner: cover property (@(posedge clk_i) delivered && s4_carries_q && s4_creates_q && parents_expiry && !s4_forever_q);
  //: A derived capability would live longer than ticks can say.
  expiry_overflows: cover property (@(posedge clk_i) delivered && s4_carries_q && s4_creates_q && s4_overflow_q && !s4_cexpires);
  //: A command has waited for as long as it may, and takes a message's place.
  command_insists: cover property (@(posedge clk_i) take_cmd && cmd_wait_q == '1);
  //: A read of a row has to be repeated.
  read_repeated: cover property (@(posedge clk_i) s4_read_q && a_stale);
  //: A row is filled behind a delivery.
  fill_behind_a_delivery: cover property (@(posedge clk_i) s4_fill_q && v_accept_q);
  //: A row is invalidated behind a delivery.
  invalidate_behind_a_delivery: cover property (@(posedge clk_i) s4_kill_q && v_accept_q);
  //: The table is cleared behind a message.
  clear_behind_a_message: cover property (@(posedge clk_i) s4_clear_q && (v_accept_q || v_miss_q));
endmodule

bind keyway_router keyway_router_coverage #(.Ports(Ports), .DestBits(DestBits)) u_coverage (.*);
bind keyway_pipeline keyway_pipeline_coverage u_coverage (.*);
