// What is proven of the pipeline and its table; included at the end of keyway_pipeline.
//
// Two slots of any number are watched: what an authority names (a) and what a carried id names (c). For each there is
// a row as it ought to be, changed only by what the commands and verdicts mean, all at once at clock 5. The properties
// compare each verdict with these rows: the pipeline, with five operations on their way, must answer as if each had been
// alone.

// ---- The world around: headers and departures come as they like; queues fill by what is pushed.

logic f_started = 1'b0;
always_ff @(posedge clk_i) begin
  f_started <= 1'b1;
  assume (f_started || !rst_ni);
end

logic [4*Dests*Depth-1:0] f_occupied_q;
(* anyseq *) logic [4*Dests-1:0] f_depart;
logic [4*Dests-1:0] f_left1_q, f_left2_q, f_full, f_lately_full;
always_ff @(posedge clk_i) begin
  assume (occupied_i == f_occupied_q);
  f_left1_q <= f_depart;
  f_left2_q <= f_left1_q;
end
for (genvar f_p = 0; f_p < 4; f_p++) begin : g_f_level
  for (genvar f_d = 0; f_d < Dests; f_d++) begin : g_f_queue
    localparam int unsigned At = f_p * Dests + f_d;
    logic [Depth-1:0] held;
    logic in, out;
    logic [3:0] count;
    assign held = f_occupied_q[At*Depth+:Depth];
    assign in = push_o && push_mask_o[f_d] && push_priority_o == 2'(f_p);
    assign out = f_depart[At];
    always_ff @(posedge clk_i) begin
      assume (!out || held[0]);
      if (!rst_ni) f_occupied_q[At*Depth+:Depth] <= '0;
      else if (in && !out) f_occupied_q[At*Depth+:Depth] <= Depth'({held, 1'b1});
      else if (out && !in) f_occupied_q[At*Depth+:Depth] <= held >> 1;
    end
    // Unary stays unary.
    always_ff @(posedge clk_i) begin
      if (f_started && rst_ni) begin
        for (int unsigned k = 1; k < Depth; k++) assert (!held[k] || held[k-1]);
      end
    end
    always_comb begin
      count = 4'(f_left1_q[At]) + 4'(f_left2_q[At]);
      for (int unsigned k = 0; k < Depth; k++) count = count + 4'(held[k]);
    end
    assign f_full[At] = held[Depth-1];
    assign f_lately_full[At] = count >= 4'(Depth);
  end
end

// The host holds a command until it is done.
logic f_held_q;
logic [2:0] f_op_q;
logic [19:0] f_cmd_slot_q;
logic [127:0] f_entry_q;
always_ff @(posedge clk_i) begin
  f_held_q <= rst_ni && cmd_valid_i && !cmd_done_o;
  f_op_q <= cmd_op_i;
  f_cmd_slot_q <= cmd_slot_i;
  f_entry_q <= cmd_entry_i;
  assume (!f_held_q || (cmd_valid_i && cmd_op_i == f_op_q && cmd_slot_i == f_cmd_slot_q && cmd_entry_i == f_entry_q));
  assume (!cmd_valid_i || (cmd_op_i != keyway_rtl_pkg::OpMessage && cmd_op_i <= keyway_rtl_pkg::OpClear));
  assume (rst_ni || !cmd_valid_i);
end

logic [4:0] f_flying;
assign f_flying = {s1_valid_q && s1_op_q != keyway_rtl_pkg::OpMessage, s2_valid_q && s2_op_q != keyway_rtl_pkg::OpMessage,
                   s3_valid_q && s3_op_q != keyway_rtl_pkg::OpMessage, s4_valid_q && s4_op_q != keyway_rtl_pkg::OpMessage,
                   v_cmd_done_q};
always_ff @(posedge clk_i) begin
  if (f_started && rst_ni) begin
    //: At most one command of the host is on its way.
    a_one_command : assert ((f_flying & (f_flying - 1'b1)) == '0 && (f_flying == '0 || (cmd_sent_q && cmd_valid_i)));
  end
end

// ---- What the operation at clock 5 was

logic f2_bad_q, f3_bad_q, f4_bad_q, fv_bad_q, fv_free_q, fv_any_q;
logic [2:0] fv_op_q;
always_ff @(posedge clk_i) begin
  f2_bad_q <= s1_bad_q;
  f3_bad_q <= f2_bad_q;
  f4_bad_q <= f3_bad_q;
  fv_bad_q <= f4_bad_q;
  fv_op_q <= s4_op_q;
  fv_any_q <= rst_ni && s4_valid_q;
  fv_free_q <= free_valid_i;
end
logic f_delivered, f_fill, f_kill, f_clear;
assign f_delivered = v_valid_q && v_verdict_q == keyway_pkg::VerdictDelivered;
assign f_fill  = fv_any_q && fv_op_q == keyway_rtl_pkg::OpFill;
assign f_kill  = fv_any_q && fv_op_q == keyway_rtl_pkg::OpInvalidate;
assign f_clear = fv_any_q && fv_op_q == keyway_rtl_pkg::OpClear;

// The message, by its own bits alone.
logic f_event, f_reply, f_call, f_carries, f_quantum, f_moves, f_creates, f_form_ok;
logic [3:0] f_kind;
logic [7:0] f_need;
assign f_event   = v_h.type_ == keyway_pkg::TypeEvent;
assign f_reply   = (v_h.flags & keyway_pkg::FlagReply) != '0;
assign f_call    = (v_h.flags & keyway_pkg::FlagExpectsReply) != '0;
assign f_carries = v_h.carried != '0;
assign f_quantum = v_h.type_ == keyway_pkg::TypeQuantum;
assign f_moves   = f_carries && (f_quantum || (v_grant.flags & keyway_pkg::GrantFlagMove) != '0);
assign f_creates = f_call || (f_carries && !f_moves);
assign f_kind    = f_event ? keyway_pkg::KindTopic : f_reply ? keyway_pkg::KindReply : keyway_pkg::KindEndpoint;
assign f_need    = (f_call && !f_event && !f_reply) ? keyway_pkg::RightExecute : keyway_pkg::RightWrite;
keyway_header_check u_f_check (.header_i(v_h), .carries_i(f_carries), .ok_o(f_form_ok));
logic f_sender_ok;
assign f_sender_ok = v_h.sender == '0 || v_h.sender == {16'd0, v_link};

// ---- The two rows as they ought to be

logic [1:0] f_live_q;
logic [2*RowBits-1:0] f_rows_q;
logic [9:0] f_changed_q, f_anew_q;  // of each, in the last five clocks: changed; given a row anew
keyway_rtl_pkg::row_t f_a, f_c;
logic [TagBits-1:0] f_atag, f_ctag;
assign {f_atag, f_a} = f_rows_q[RowBits-1:0];
assign {f_ctag, f_c} = f_rows_q[2*RowBits-1:RowBits];
for (genvar f_i = 0; f_i < 2; f_i++) begin : g_f_row
  logic [IndexBits-1:0] slot;
  logic filled, killed, moved, made, used, change;
  logic [124:0] old_row, row;  // flat: yosys knows no structs in generated blocks
  logic [TagBits-1:0] tag;
  assign slot = (f_i == 0) ? f_slot_a : f_slot_c;
  assign {tag, old_row} = f_rows_q[f_i*RowBits+:RowBits];
  assign filled = f_fill && cmd_slot_i[IndexBits-1:0] == slot;
  assign killed = f_kill && cmd_slot_i[IndexBits-1:0] == slot;
  assign moved  = f_delivered && f_moves && v_h.carried[IndexBits-1:0] == slot;
  assign made   = f_delivered && f_creates && push_header_o.carried[IndexBits-1:0] == slot;
  // Whether the authority was a one-shot is only known where the authority's row is watched.
  assign used   = v_consume_q && v_h.capability[IndexBits-1:0] == slot;
  assign change = filled || killed || moved || made || used || f_clear;
  always_comb begin
    row = old_row;
    if (filled) begin
      row = {cmd_entry_i.spare[1], cmd_entry_i.spare[0], cmd_entry_i.expiry, cmd_entry_i.badge,
             cmd_entry_i.object, cmd_entry_i.owner, cmd_entry_i.kind, cmd_entry_i.rights, cmd_entry_i.flags[3:1],
             cmd_entry_i.generation};
    end else if (moved) begin
      row = {old_row[124:43], v_owner, old_row[26:12], (old_row[11:0] == 12'hFFF) ? 12'd1 : old_row[11:0] + 12'd1};
    end else if (made) begin
      row = v_row;  // properties of their own say what it may be
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      f_live_q[f_i] <= 1'b0;
      f_changed_q[f_i*5+:5] <= '0;
      f_anew_q[f_i*5+:5] <= '0;
    end else begin
      f_changed_q[f_i*5+:5] <= {f_changed_q[f_i*5+:4], change};
      f_anew_q[f_i*5+:5] <= {f_anew_q[f_i*5+:4], filled || made};
      if (f_clear || killed) f_live_q[f_i] <= 1'b0;
      else if (filled || moved || made) f_live_q[f_i] <= 1'b1;
      else if (used) f_live_q[f_i] <= 1'b0;
    end
    if (filled) f_rows_q[f_i*RowBits+:RowBits] <= {cmd_slot_i[19:IndexBits], row};
    else if (moved) f_rows_q[f_i*RowBits+:RowBits] <= {tag, row};
    else if (made) f_rows_q[f_i*RowBits+:RowBits] <= {push_header_o.carried[19:IndexBits], row};
  end
end

logic f_mine, f_cmine, f_a_present, f_a_valid, f_a_expired, f_c_present, f_c_valid, f_c_expired, f_a_fits, f_a_rights;
logic f_c_linear_ok, f_c_grantable, f_c_lean, f_zero_copy_ok, f_full_now, f_host_full, f_outside;
logic [Dests-1:0] f_full_at, f_lately_at, f_unicast;
assign f_mine  = v_valid_q && v_h.capability[IndexBits-1:0] == f_slot_a;
assign f_cmine = f_mine && f_carries && v_h.carried[IndexBits-1:0] == f_slot_c;
assign f_a_present = f_live_q[0] && f_atag == v_h.capability[19:IndexBits] && v_h.capability[19:0] != '0;
assign f_a_valid   = f_a_present && f_a.generation == v_h.capability[31:20] && f_a.owner == v_link;
assign f_a_expired = f_a.expiry != '0 && v_tick >= f_a.expiry;
assign f_a_fits    = f_a.kind == f_kind && v_h.receiver == {16'd0, f_a.object};
assign f_a_rights  = (f_need & ~f_a.rights) == '0;
assign f_outside   = f_a.object == '0 || f_a.object >= 16'(Dests);
assign f_c_present = f_live_q[1] && f_ctag == v_h.carried[19:IndexBits];
assign f_c_valid   = f_c_present && f_c.generation == v_h.carried[31:20] && f_c.owner == v_link;
assign f_c_expired = f_c.expiry != '0 && v_tick >= f_c.expiry;
assign f_c_linear_ok = !(f_quantum && !f_c.linear) && !((f_c.linear || f_c.one_shot) && !f_moves) &&
                       !(f_c.one_shot && v_h.carried[19:0] == v_h.capability[19:0]);
assign f_c_grantable = (f_c.rights & (f_c.linear ? keyway_pkg::RightQuantum : keyway_pkg::RightGrant)) != '0 &&
                       !(f_moves && f_c.root);
assign f_c_lean      = f_moves || (v_grant.rights & ~f_c.rights) == '0;
assign f_zero_copy_ok = (v_h.flags & keyway_pkg::FlagZeroCopy) == '0 || f_c.kind == keyway_pkg::KindRegion;
always_comb begin
  case (push_priority_o)
    2'd0: {f_lately_at, f_full_at} = {f_lately_full[0*Dests+:Dests], f_full[0*Dests+:Dests]};
    2'd1: {f_lately_at, f_full_at} = {f_lately_full[1*Dests+:Dests], f_full[1*Dests+:Dests]};
    2'd2: {f_lately_at, f_full_at} = {f_lately_full[2*Dests+:Dests], f_full[2*Dests+:Dests]};
    default: {f_lately_at, f_full_at} = {f_lately_full[3*Dests+:Dests], f_full[3*Dests+:Dests]};
  endcase
  for (int unsigned d = 0; d < Dests; d++) f_unicast[d] = f_a.object == 16'(d);
end
assign f_full_now  = (push_mask_o & f_full_at) != '0;
assign f_host_full = f_lately_at[0];

logic f_recent_a, f_recent_c, f_miss_ok;
assign f_recent_a = f_changed_q[4:0] != '0;
assign f_recent_c = f_changed_q[9:5] != '0;
// A miss has a cause: the table does not know, or must not decide.
assign f_miss_ok = !f_a_present || f_recent_a || f_outside ||
                   (f_carries && (!f_cmine || !f_c_present || f_recent_c || f_moves == f_c.parent)) ||
                   (f_creates && !fv_free_q);

always_ff @(posedge clk_i) begin
  if (f_started && rst_ni) begin
    //: Table: the rows in the memory are those that commands and verdicts, each taken alone, have made.
    a_table : assert (f_live_q == {f_live_c, f_live_a} && (!f_live_a || f_row_a == f_rows_q[RowBits-1:0]) &&
                      (!f_live_c || f_row_c == f_rows_q[2*RowBits-1:RowBits]));

    if (f_mine && f_delivered) begin
      //: No delivery without authority: the id names a row that is there, of this generation and this owner.
      a_authority : assert (f_a_valid);
      //: No delivery of what is malformed or speaks in another's name.
      a_genuine : assert (!fv_bad_q && f_form_ok && f_sender_ok);
      //: No delivery after the expiry, by another kind or object than the row's, or beyond its rights.
      a_rights : assert (!f_a_expired && f_a_fits && f_a_rights);
      //: A message goes to the destination that the row names, an event never to the host.
      a_destination : assert (f_event ? !push_mask_o[0] : (push_mask_o == f_unicast && !f_outside));
      //: A one-shot is used up by its delivery.
      a_one_shot : assert (v_consume_q == f_a.one_shot);
      //: What the receiver sees: the badge in the capability's place, the sender that the port stands for, the moment.
      a_stamp : assert (push_header_o.capability == f_a.badge && push_header_o.sender == {16'd0, v_link} &&
                        push_header_o.timestamp == {8'd0, v_tick, v_sub});
    end
    if (f_cmine && f_delivered) begin
      //: No delivery of a carried capability that the sender does not hold, has expired, or may not give.
      a_carried : assert (f_c_valid && !f_c_expired && f_zero_copy_ok && f_c_linear_ok && f_c_grantable && f_c_lean);
      //: A derived capability has no right, object, kind or lifetime beyond its parent's.
      a_derived : assert (f_moves || f_call ||
                          ((v_row.rights & ~f_c.rights) == '0 && v_row.object == f_c.object && v_row.kind == f_c.kind &&
                           v_row.owner == v_owner && !v_row.linear &&
                           (f_c.expiry == '0 || (v_row.expiry != '0 && v_row.expiry <= f_c.expiry))));
    end
    if (f_delivered && f_call) begin
      //: The reply capability of a call serves once, writes only, and leads to the caller.
      a_reply : assert (v_row.one_shot && v_row.rights == keyway_pkg::RightWrite && v_row.kind == keyway_pkg::KindReply &&
                        v_row.object == v_link && v_row.badge == v_h.sequence_ && v_row.owner == v_owner);
    end
    if (push_o) begin
      //: Nothing is put into a queue without room.
      a_room : assert (!f_full_now);
      //: Only what was delivered, or missed and goes to the host, is put into queues.
      a_pushed : assert (v_valid_q && (f_delivered || (v_verdict_q == keyway_pkg::VerdictMiss && push_mask_o == Dests'(1))));
    end
    if (v_valid_q) begin
      //: Each message gets exactly one verdict, of those that there are.
      a_verdict : assert (v_verdict_q == keyway_pkg::VerdictDelivered || v_verdict_q == keyway_pkg::VerdictMalformed ||
                          v_verdict_q == keyway_pkg::VerdictSpoofed || v_verdict_q == keyway_pkg::VerdictNoSuchCapability ||
                          v_verdict_q == keyway_pkg::VerdictExpired || v_verdict_q == keyway_pkg::VerdictWrongObject ||
                          v_verdict_q == keyway_pkg::VerdictInsufficientRights ||
                          v_verdict_q == keyway_pkg::VerdictNoSuchCarried ||
                          v_verdict_q == keyway_pkg::VerdictCarriedExpired || v_verdict_q == keyway_pkg::VerdictLinearity ||
                          v_verdict_q == keyway_pkg::VerdictNotGrantable || v_verdict_q == keyway_pkg::VerdictAmplified ||
                          v_verdict_q == keyway_pkg::VerdictFull || v_verdict_q == keyway_pkg::VerdictMiss);
      //: No refusal without cause: malformed and spoofed messages are.
      a_cause_form : assert ((v_verdict_q != keyway_pkg::VerdictMalformed || fv_bad_q || !f_form_ok) &&
                             (v_verdict_q != keyway_pkg::VerdictSpoofed || !f_sender_ok));
    end
    if (f_mine) begin
      // (Or if an id that had ended was made valid again within five clocks, which no host does.)
      //: No refusal without cause: no_such_capability only if the id names no row of the sender's.
      a_cause_none : assert (v_verdict_q != keyway_pkg::VerdictNoSuchCapability || !f_a_valid || f_anew_q[4:0] != '0);
      //: No refusal without cause: expired, insufficient_rights and wrong_object by the row itself.
      a_cause_row : assert ((v_verdict_q != keyway_pkg::VerdictExpired || (f_a_valid && f_a_expired)) &&
                            (v_verdict_q != keyway_pkg::VerdictInsufficientRights || (f_a_valid && !f_a_rights)) &&
                            (v_verdict_q != keyway_pkg::VerdictWrongObject ||
                             (f_a_valid && (!f_a_fits || (f_carries && (!f_cmine || !f_zero_copy_ok))))));
      //: No refusal without cause: full only if a queue was full when it was looked at.
      a_cause_full : assert (v_verdict_q != keyway_pkg::VerdictFull || f_host_full || (v_mask & f_lately_at) != '0);
      //: No refusal without cause: a miss only if the table does not know or must not decide.
      a_cause_miss : assert (v_verdict_q != keyway_pkg::VerdictMiss || f_miss_ok);
    end
    if (f_cmine) begin
      //: No refusal without cause: those for what is carried, by its row.
      a_cause_carried : assert (
          (v_verdict_q != keyway_pkg::VerdictNoSuchCarried || !f_c_valid || f_anew_q[9:5] != '0) &&
          (v_verdict_q != keyway_pkg::VerdictCarriedExpired || (f_c_valid && f_c_expired)) &&
          (v_verdict_q != keyway_pkg::VerdictLinearity || (f_c_valid && !f_c_linear_ok)) &&
          (v_verdict_q != keyway_pkg::VerdictNotGrantable || (f_c_valid && !f_c_grantable)) &&
          (v_verdict_q != keyway_pkg::VerdictAmplified || (f_c_valid && !f_c_lean)));
    end else if (v_valid_q && !f_carries) begin
      //: No refusal without cause: none of those without a carried capability.
      a_cause_plain : assert (v_verdict_q != keyway_pkg::VerdictNoSuchCarried &&
                              v_verdict_q != keyway_pkg::VerdictCarriedExpired &&
                              v_verdict_q != keyway_pkg::VerdictLinearity &&
                              v_verdict_q != keyway_pkg::VerdictNotGrantable &&
                              v_verdict_q != keyway_pkg::VerdictAmplified);
    end
  end
end

// ---- Recall

logic f_recalled_q;  // recalled, and neither filled nor made anew since
always_ff @(posedge clk_i) begin
  if (!rst_ni) f_recalled_q <= 1'b0;
  else if (f_clear || (f_kill && cmd_slot_i[IndexBits-1:0] == f_slot_a)) f_recalled_q <= 1'b1;
  else if ((f_fill && cmd_slot_i[IndexBits-1:0] == f_slot_a) ||
           (f_delivered && f_creates && push_header_o.carried[IndexBits-1:0] == f_slot_a) ||
           (f_delivered && f_moves && v_h.carried[IndexBits-1:0] == f_slot_a)) f_recalled_q <= 1'b0;
  if (f_started && rst_ni) begin
    //: Recall is immediate: from the clock of its acknowledgement on nothing passes by the recalled row.
    a_recall : assert (!(f_recalled_q && f_mine && f_delivered));
    //: A recalled row never moves back to life: what was recalled is not live.
    a_recalled : assert (!(f_recalled_q && f_live_q[0]));
  end
end
