// route(): one verdict a clock. The order of the checks is the software core's (host/src/core/route.hpp).
//
//   clock  0          1          2            3              4           5 (V)
//          choose a   row of     authority    carried        verdict     write row, stamp,
//          port; read authority; compared;    compared;      (free id    reserve room,
//          authority  read       row of       room, hazards  taken)      audit
//                     carried    carried,
//                                route;
//                                header
//                                checked
//
//   Latency  valid_o is 5 clocks after the header stood at the port (hdr_valid_i): VerdictClocks = 5
//   Rate     DualRead = 1: a header a clock. DualRead = 0: a header every second clock. Held = 1: every seventh.
//   Nothing ever stalls between clock 0 and clock 5.
//
// Held = 1 is for a single narrow port, whose headers are 8 beats long: what waits for its verdict lies in one register
// for all stages (keyway_stage). Only frames that are cut short would come faster; they wait. Whose turn it is, a
// message's or a command's, is decided in the clock before, and the carried capability is compared in clock 2.
//
// Hazards. A row is read at clock 0 (authority) or 1 (carried) and written at clock 5, so a look-up is stale when one
// of the 5 (4) operations ahead writes its row (keyway_hazards). A stale look-up never delivers:
//   - the operation ahead used up or moved the row, and the look-up matched it as it was: the id is stale, the
//     verdict is no_such_capability (no_such_carried);
//   - anything else (a new row, whose id nobody can have been told yet; a fill or a recall by the host): miss.
//
// Room. Queues count occupied places in unary (see keyway_queues); at clock 3 the two operations ahead are taken
// into account, the nearest with both possible outcomes.
//
// A row that is not what was written (keyway_row_parity) is no row: miss, and bad_row_o. Its parity is known two clocks
// after it, as a register: of the authority at clock 3, of the carried capability at clock 4.
//
// A miss is queued for the host as destination 0, which no capability names. With no room there it is `full`.

module keyway_pipeline #(
  parameter int unsigned Ports = 1,
  parameter int unsigned IndexBits = 8,
  parameter int unsigned DestBits = 4,
  parameter int unsigned Depth = 4,
  parameter bit          DualRead = 1'b1,
  parameter bit          Held = 1'b0,
  localparam int unsigned Dests = 1 << DestBits,
  localparam int unsigned PortBits = Ports == 1 ? 1 : $clog2(Ports)
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  enable_i,      // take headers

  input  logic [Ports-1:0]      hdr_valid_i,
  input  logic [Ports-1:0]      hdr_bad_i,
  input  logic [Ports*256-1:0]  hdr_i,
  output logic [Ports-1:0]      hdr_pop_o,     // Held: may be set without hdr_valid_i
  input  logic [Ports-1:0]      hdr_soon_i,    // Held: may be valid in the next clock
  input  logic [Ports*16-1:0]   port_sender_i, // 0: any

  // One host command at a time: held until cmd_done_o.
  input  logic                  cmd_valid_i,
  input  logic [2:0]            cmd_op_i,
  input  logic [19:0]           cmd_slot_i,
  input  keyway_pkg::entry_t    cmd_entry_i,
  output logic                  cmd_done_o,
  output logic                  cmd_capture_o, // a read's row is on the next three (again, if it had to be repeated)
  output keyway_rtl_pkg::row_t  cmd_row_o,
  output logic                  cmd_live_o,
  output logic [19-IndexBits:0] cmd_tag_o,

  input  logic                  route_we_i,
  input  logic [DestBits-1:0]   route_addr_i,
  input  logic [15:0]           route_owner_i,
  input  logic [Dests-1:0]      route_mask_i,

  input  logic [31:0]           tick_i,
  input  logic [23:0]           sub_tick_i,    // ns since the tick began

  input  logic                  free_valid_i,
  input  logic [31:0]           free_id_i,
  output logic                  free_pop_o,

  // Occupied places of each queue in unary: bit ((p * Dests + d) * Depth + k) is set when it holds more than k.
  input  logic [4*Dests*Depth-1:0] occupied_i,

  // Clock 5.
  output logic                  valid_o,       // a verdict on a message
  output logic                  bad_row_o,     // a row that a message or a read needed is damaged
  output logic [4:0]            verdict_o,
  output logic [PortBits-1:0]   port_o,
  output keyway_pkg::header_t   original_o,    // as it came, with the sender that the port stands for
  output logic                  push_o,        // delivered, or a miss that goes to the host
  output logic [Dests-1:0]      push_mask_o,
  output logic [1:0]            push_priority_o,
  output keyway_pkg::header_t   push_header_o
);
  localparam int unsigned TagBits = 20 - IndexBits;
  localparam int unsigned RowBits = keyway_rtl_pkg::RowBits + TagBits;

  // ---- Clock 0: choose

  logic [Ports-1:0] grant;
  logic s1_valid_q, take_cmd, slot_free, table_ready, load;
  logic [2:0] s1_op_q;
  logic [3:0] cmd_wait_q;
  logic cmd_sent_q;

  if (Held) begin : g_pace
    // One message at a time, and a command only behind one that is through.
    logic [2:0] age_q;
    logic message_q, load_q, command_q, next_free, next_command;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) age_q <= 3'd7;
      else if (grant != '0) age_q <= 3'd1;
      else if (age_q != 3'd7) age_q <= age_q + 1'b1;
      message_q <= rst_ni && next_free && enable_i && !next_command;
      load_q <= next_free;
      command_q <= rst_ni && next_free && next_command;
    end
    assign next_free = grant == '0 && (age_q == 3'd6 || age_q == 3'd7);
    // A command waits for an idle clock, but not for ever.
    assign next_command = cmd_valid_i && !cmd_sent_q && !command_q && table_ready &&
                          (!enable_i || (hdr_valid_i == '0 && hdr_soon_i == '0) || cmd_wait_q == '1);
    assign slot_free = message_q || command_q;
    assign take_cmd  = command_q;
    assign grant     = hdr_valid_i & {Ports{message_q}};
    assign load      = load_q;  // what it loads in vain nobody looks at
    assign hdr_pop_o = {Ports{message_q}};
  end else begin : g_pace
    // With a single copy of the table nothing starts in the clock in which a message's carried capability is read.
    assign slot_free = DualRead || !s1_valid_q || s1_op_q != keyway_rtl_pkg::OpMessage;
    assign take_cmd = cmd_valid_i && !cmd_sent_q && slot_free && table_ready &&
                      (!enable_i || hdr_valid_i == '0 || cmd_wait_q == '1);
    keyway_rr_arbiter #(.Width(Ports)) u_ports (
      .clk_i, .rst_ni, .enable_i(enable_i && slot_free && !take_cmd), .request_i(hdr_valid_i), .grant_o(grant));
    assign load      = 1'b1;
    assign hdr_pop_o = grant;
    logic unused;
    assign unused = ^hdr_soon_i;
  end

  logic [255:0] chosen_bits;
  logic [15:0] chosen_bound;
  logic chosen_bad;
  logic [PortBits-1:0] chosen_port;
  always_comb begin
    chosen_bits = '0;
    chosen_bound = '0;
    chosen_bad = 1'b0;
    chosen_port = '0;
    for (int unsigned p = 0; p < Ports; p++) begin
      chosen_bits = chosen_bits | (hdr_i[p*256+:256] & {256{Ports == 1 || grant[p]}});
      chosen_bound = chosen_bound | (port_sender_i[p*16+:16] & {16{Ports == 1 || grant[p]}});
      chosen_bad = chosen_bad | (hdr_bad_i[p] && grant[p]);
      chosen_port = chosen_port | (PortBits'(p) & {PortBits{grant[p]}});
    end
  end

  keyway_pkg::header_t chosen;
  assign chosen = chosen_bits;

  logic [IndexBits-1:0] addr_a;
  assign addr_a = take_cmd ? cmd_slot_i[IndexBits-1:0] : chosen.capability[IndexBits-1:0];

  // ---- Clock 1: header check; row of the authority arrives

  logic s1_bad_q;
  logic [15:0] s1_link_q;
  logic [PortBits-1:0] s1_port_q;
  logic [IndexBits-1:0] s1_aidx_q;
  keyway_pkg::header_t s1_h_q, s1_h;

  always_ff @(posedge clk_i) begin
    s1_valid_q <= rst_ni && (take_cmd || grant != '0);
    s1_op_q <= take_cmd ? cmd_op_i : keyway_rtl_pkg::OpMessage;
    s1_bad_q <= chosen_bad;
    s1_aidx_q <= addr_a;
    if (load) begin
      s1_port_q <= chosen_port;
      // A port that is bound to nobody speaks for whom it says.
      s1_link_q <= (chosen_bound == '0) ? chosen.sender[15:0] : chosen_bound;
      s1_h_q <= chosen;
    end
  end

  // Held: the port overwrites its beat k in clock k + 1 after it was taken from, so beats 5 to 7 can stay where they are.
  if (Held) begin : g_beats
    assign s1_h = {hdr_i[255:160], s1_h_q[159:0]};
    logic unused;
    assign unused = ^s1_h_q[255:160];
  end else begin : g_beats
    assign s1_h = s1_h_q;
  end

  logic [RowBits-1:0] raw_a, raw_c;
  logic live_a, live_c, bad_a, bad_c;
  keyway_rtl_pkg::row_t row_a1;
  logic [TagBits-1:0] tag_a1;
  assign {tag_a1, row_a1} = raw_a;

  // ---- Clock 2: authority compared; row of the carried capability and the route arrive

  logic s2_valid_q, s2_live_q, s2_bad_q, s2_spoofed_q, s2_carries_q, s2_same_slot_q;
  logic [2:0] s2_op_q;
  logic [15:0] s2_link;
  logic [PortBits-1:0] s2_port;
  logic [IndexBits-1:0] s2_aidx;
  keyway_pkg::header_t s2_h;
  keyway_rtl_pkg::row_t s2_a_q;
  logic [TagBits-1:0] s2_atag_q;

  always_ff @(posedge clk_i) begin
    s2_valid_q <= rst_ni && s1_valid_q;
    s2_op_q <= s1_op_q;
    s2_bad_q <= s1_bad_q;
    s2_spoofed_q <= s1_h.sender != '0 && s1_h.sender != {16'd0, s1_link_q};
    s2_carries_q <= s1_h.carried != '0;
    s2_same_slot_q <= s1_h.carried[19:0] == s1_h.capability[19:0];
    s2_live_q <= live_a;
    if (!Held || s1_valid_q) {s2_atag_q, s2_a_q} <= {tag_a1, row_a1};
  end
  keyway_stage #(.Width(256 + 16 + PortBits), .Held(Held)) u_stage2 (
    .clk_i, .data_i({s1_h, s1_link_q, s1_port_q}), .data_o({s2_h, s2_link, s2_port}));

  logic [Dests+15:0] route;
  keyway_ram #(.Width(Dests + 16), .AddrBits(DestBits)) u_route (
    .clk_i, .we_i(route_we_i), .waddr_i(route_addr_i), .wdata_i({route_mask_i, route_owner_i}),
    .raddr_i(row_a1.object[DestBits-1:0]), .rdata_o(route));

  logic header_ok;
  keyway_header_check u_check (.header_i(s2_h), .carries_i(s2_carries_q), .ok_o(header_ok));

  logic s2_event, s2_reply, s2_call;
  logic [3:0] s2_kind;
  logic [7:0] s2_need;
  assign s2_event = s2_h.type_ == keyway_pkg::TypeEvent;
  assign s2_reply = (s2_h.flags & keyway_pkg::FlagReply) != '0;
  assign s2_call  = (s2_h.flags & keyway_pkg::FlagExpectsReply) != '0;
  assign s2_kind  = s2_event ? keyway_pkg::KindTopic : s2_reply ? keyway_pkg::KindReply : keyway_pkg::KindEndpoint;
  assign s2_need  = (s2_call && !s2_event && !s2_reply) ? keyway_pkg::RightExecute : keyway_pkg::RightWrite;

  // ---- Clock 3: carried compared, room, hazards

  logic s3_valid_q, s3_live_q, s3_malformed_q, s3_spoofed_q, s3_carries_q, s3_same_slot_q, s3_call_q;
  logic s3_clive_q, s3_tag_ok_q, s3_gen_ok_q, s3_owner_ok_q, s3_slot0_q, s3_expires_q, s3_high_gt_q, s3_high_eq_q;
  logic s3_low_ge_q, s3_kind_ok_q, s3_object_ok_q, s3_rights_ok_q, s3_outside_q;
  logic [2:0] s3_op_q;
  logic s3_command_q;
  logic [15:0] s3_link, s3_owner_q;
  logic [PortBits-1:0] s3_port;
  logic [IndexBits-1:0] s3_aidx;
  keyway_pkg::header_t s3_h;
  keyway_rtl_pkg::row_t s3_c;
  logic [31:0] s3_badge;
  logic s3_one_shot;
  logic [TagBits-1:0] s3_ctag;
  logic [Dests-1:0] s3_mask_q;
  logic [31:0] s3_tick;
  logic [23:0] s3_sub;
  logic [32:0] s3_wanted;
  logic [31:0] s2_tick;
  keyway_pkg::grant_t s1_grant, s2_grant, s3_grant;
  assign s1_grant = s1_h.timestamp;
  assign s2_grant = s2_h.timestamp;
  assign s3_grant = s3_h.timestamp;

  // Destination 0 is the host's: no mask leads there.
  logic [Dests-1:0] unicast, mask;
  assign unicast = Dests'(1) << s2_a_q.object[DestBits-1:0];
  assign mask    = (s2_event ? route[Dests+15:16] : unicast) & ~(Dests'(1));  // in brackets: yosys 0.23 reads ~N'(1) as (~N)'(1)

  always_ff @(posedge clk_i) begin
    s3_valid_q <= rst_ni && s2_valid_q;
    s3_op_q <= s2_op_q;
    s3_command_q <= s2_op_q != keyway_rtl_pkg::OpMessage;
    s3_malformed_q <= s2_bad_q || !header_ok;
    s3_spoofed_q <= s2_spoofed_q;
    s3_carries_q <= s2_carries_q;
    s3_same_slot_q <= s2_same_slot_q;
    s3_call_q <= s2_call;
    s3_live_q <= s2_live_q;
    s3_slot0_q <= s2_h.capability[19:0] == '0;
    s3_tag_ok_q <= s2_atag_q == s2_h.capability[19:IndexBits];
    s3_gen_ok_q <= s2_a_q.generation == s2_h.capability[31:20];
    s3_owner_ok_q <= s2_a_q.owner == s2_link;
    s3_expires_q <= s2_a_q.expiry != '0;
    s3_high_gt_q <= s2_tick[31:16] > s2_a_q.expiry[31:16];
    s3_high_eq_q <= s2_tick[31:16] == s2_a_q.expiry[31:16];
    s3_low_ge_q <= s2_tick[15:0] >= s2_a_q.expiry[15:0];
    s3_kind_ok_q <= s2_a_q.kind == s2_kind;
    s3_object_ok_q <= s2_h.receiver == {16'd0, s2_a_q.object};
    s3_rights_ok_q <= (s2_a_q.rights & s2_need) == s2_need;
    s3_outside_q <= s2_a_q.object[15:DestBits] != '0 || s2_a_q.object[DestBits-1:0] == '0;
    s3_clive_q <= live_c;
    if (!Held || s2_valid_q) begin
      s3_owner_q <= route[15:0];
      s3_mask_q <= mask;
    end
  end

  // The moment of the message: what expiry is compared with, and what is stamped. Held: that of clock 0, so that its sum
  // with a lifetime may take two clocks.
  if (Held) begin : g_moment
    logic [31:0] tick_q;
    logic [23:0] sub_q;
    logic [32:0] wanted_q;
    logic [16:0] low_q;
    always_ff @(posedge clk_i) begin
      if (load) begin
        tick_q <= tick_i;
        sub_q <= sub_tick_i;
      end
      low_q <= {1'b0, tick_q[15:0]} + {1'b0, s1_grant.lifetime[15:0]};
      wanted_q <= {{1'b0, tick_q[31:16]} + {13'd0, s2_grant.lifetime[19:16]} + {16'd0, low_q[16]}, low_q[15:0]};
    end
    assign s2_tick = tick_q;
    assign {s3_tick, s3_sub, s3_wanted} = {tick_q, sub_q, wanted_q};
  end else begin : g_moment
    logic [31:0] tick_q;
    logic [23:0] sub_q;
    logic [32:0] wanted_q;
    always_ff @(posedge clk_i) begin
      tick_q <= tick_i;
      sub_q <= sub_tick_i;
      wanted_q <= {1'b0, tick_i} + {13'd0, s2_grant.lifetime};
    end
    assign s2_tick = tick_i;
    assign {s3_tick, s3_sub, s3_wanted} = {tick_q, sub_q, wanted_q};
  end
  // Held: the table is read for the carried capability until the next operation, so the row stays.
  keyway_stage #(.Width(RowBits), .Held(Held)) u_carried (.clk_i, .data_i(raw_c), .data_o({s3_ctag, s3_c}));
  keyway_stage #(.Width(256 + 16 + PortBits + 33), .Held(Held)) u_stage3 (
    .clk_i, .data_i({s2_h, s2_link, s2_port, s2_a_q.badge, s2_a_q.one_shot}),
    .data_o({s3_h, s3_link, s3_port, s3_badge, s3_one_shot}));

  // The authority, with all that comes before it.
  logic s3_found;
  logic [4:0] s3_code;
  assign s3_found = s3_live_q && s3_tag_ok_q && !bad_a;
  always_comb begin
    if (s3_malformed_q) s3_code = keyway_pkg::VerdictMalformed;
    else if (s3_spoofed_q) s3_code = keyway_pkg::VerdictSpoofed;
    else if (s3_slot0_q) s3_code = keyway_pkg::VerdictNoSuchCapability;
    else if (!s3_found) s3_code = keyway_pkg::VerdictMiss;
    else if (!(s3_gen_ok_q && s3_owner_ok_q)) s3_code = keyway_pkg::VerdictNoSuchCapability;
    else if (s3_expires_q && (s3_high_gt_q || (s3_high_eq_q && s3_low_ge_q))) s3_code = keyway_pkg::VerdictExpired;
    else if (!s3_kind_ok_q || !s3_object_ok_q) s3_code = keyway_pkg::VerdictWrongObject;
    else if (!s3_rights_ok_q) s3_code = keyway_pkg::VerdictInsufficientRights;
    else if (s3_outside_q) s3_code = keyway_pkg::VerdictMiss;
    else s3_code = keyway_pkg::VerdictDelivered;
  end

  // The carried capability, as `check_carried()`: at clock 3, or at clock 2 where its row stays (Held).
  logic s3_quantum, s3_moves;
  assign s3_quantum = s3_h.type_ == keyway_pkg::TypeQuantum;
  assign s3_moves   = s3_carries_q && (s3_quantum || (s3_grant.flags & keyway_pkg::GrantFlagMove) != '0);
  logic k_live, k_carries, k_same_slot, k_quantum, k_moves, k_zero_copy, k_linearity, k_amplified;
  logic [31:0] k_carried, k_tick;
  logic [15:0] k_link;
  keyway_pkg::grant_t k_grant;
  keyway_rtl_pkg::row_t k_c;
  logic [TagBits-1:0] k_ctag;
  if (Held) begin : g_compare
    assign {k_ctag, k_c} = raw_c;
    assign {k_live, k_carries, k_same_slot, k_tick} = {live_c, s2_carries_q, s2_same_slot_q, s2_tick};
    assign {k_carried, k_link, k_grant} = {s2_h.carried, s2_link, s2_h.timestamp};
    assign k_quantum   = s2_h.type_ == keyway_pkg::TypeQuantum;
    assign k_moves     = k_carries && (k_quantum || (k_grant.flags & keyway_pkg::GrantFlagMove) != '0);
    assign k_zero_copy = (s2_h.flags & keyway_pkg::FlagZeroCopy) != '0;
  end else begin : g_compare
    assign {k_ctag, k_c} = {s3_ctag, s3_c};
    assign {k_live, k_carries, k_same_slot, k_tick} = {s3_clive_q, s3_carries_q, s3_same_slot_q, s3_tick};
    assign {k_carried, k_link, k_grant} = {s3_h.carried, s3_link, s3_h.timestamp};
    assign k_quantum   = s3_quantum;
    assign k_moves     = s3_moves;
    assign k_zero_copy = (s3_h.flags & keyway_pkg::FlagZeroCopy) != '0;
  end
  assign k_linearity = (k_quantum && !k_c.linear) || ((k_c.linear || k_c.one_shot) && !k_moves) || (k_c.one_shot && k_same_slot);
  assign k_amplified = !k_moves && (k_grant.rights & ~k_c.rights) != '0;
  logic unused_k;
  assign unused_k = ^{k_c, k_grant, k_carried, s3_clive_q, s3_same_slot_q, s3_ctag};

  // Compared: at clock 4, or at clock 3 (Held).
  logic c_live_q, c_tag_ok_q, c_gen_ok_q, c_owner_ok_q, c_expires_q;
  logic [3:0] c_gt_q, c_eq_q;  // byte by byte: the moment is later than the expiry, equal
  logic c_zero_copy_bad_q, c_linearity_q, c_not_grantable_q, c_amplified_q, c_host_q, c_carries_q;
  logic [11:0] c_next_q;  // the generation after a move
  logic c_present, c_match, c_expired;
  logic [4:0] c_code;
  always_ff @(posedge clk_i) begin
    c_carries_q <= k_carries;
    c_live_q <= k_live;
    c_tag_ok_q <= k_ctag == k_carried[19:IndexBits];
    c_gen_ok_q <= k_c.generation == k_carried[31:20];
    c_owner_ok_q <= k_c.owner == k_link;
    c_next_q <= keyway_rtl_pkg::next_generation(k_c.generation);
    c_expires_q <= k_c.expiry != '0;
    for (int unsigned b = 0; b < 4; b++) begin
      c_gt_q[b] <= k_tick[8*b+:8] > k_c.expiry[8*b+:8];
      c_eq_q[b] <= k_tick[8*b+:8] == k_c.expiry[8*b+:8];
    end
    c_zero_copy_bad_q <= k_zero_copy && k_c.kind != keyway_pkg::KindRegion;
    c_linearity_q <= k_linearity;
    c_not_grantable_q <= (k_c.rights & (k_c.linear ? keyway_pkg::RightQuantum : keyway_pkg::RightGrant)) == '0 ||
                         (k_moves && k_c.root);
    c_amplified_q <= k_amplified;
    // A first child, and the move of what may have children, are the host's.
    c_host_q <= k_moves == k_c.parent;
  end
  assign c_present = c_live_q && c_tag_ok_q && (Held || !bad_c);
  assign c_match   = c_gen_ok_q && c_owner_ok_q;
  assign c_expired = c_expires_q && (c_gt_q[3] || (c_eq_q[3] && (c_gt_q[2] || (c_eq_q[2] && (c_gt_q[1] || (c_eq_q[1] &&
                     (c_gt_q[0] || c_eq_q[0])))))));
  always_comb begin
    if (!c_carries_q) c_code = keyway_pkg::VerdictDelivered;
    else if (!c_present) c_code = keyway_pkg::VerdictMiss;
    else if (!c_match) c_code = keyway_pkg::VerdictNoSuchCarried;
    else if (c_expired) c_code = keyway_pkg::VerdictCarriedExpired;
    else if (c_zero_copy_bad_q) c_code = keyway_pkg::VerdictWrongObject;
    else if (c_linearity_q) c_code = keyway_pkg::VerdictLinearity;
    else if (c_not_grantable_q) c_code = keyway_pkg::VerdictNotGrantable;
    else if (c_amplified_q) c_code = keyway_pkg::VerdictAmplified;
    else if (c_host_q) c_code = keyway_pkg::VerdictMiss;
    else c_code = keyway_pkg::VerdictDelivered;
  end

  // ---- Clock 4: verdict

  logic s4_valid_q, s4_bad_q, s4_early_q, s4_stop_q, s4_present_q, s4_match_q, s4_carries_q, s4_cstop, s4_cpresent, s4_cmatch;
  logic s4_moves_q, s4_creates_q, s4_call_q, s4_one_shot, s4_room0_q, s4_room1_q, s4_host0_q, s4_host1_q;
  logic s4_forever_q, s4_overflow_q, s4_cexpires, s4_message_q, s4_fill_q, s4_kill_q, s4_read_q, s4_clear_q;
  logic [3:0] s4_elt_q;  // byte by byte: the parent's expiry is sooner than the wanted one
  logic [3:1] s4_eeq_q;  // equal
  logic [4:0] s4_code_q, s4_ccode;
  logic [2:0] s4_op_q;
  logic [15:0] s4_link, s4_owner;
  logic [PortBits-1:0] s4_port;
  logic [IndexBits-1:0] s4_aidx;
  keyway_pkg::header_t s4_h;
  keyway_rtl_pkg::row_t s4_c;
  logic [31:0] s4_badge;
  logic [Dests-1:0] s4_mask;
  logic [31:0] s4_tick, s4_wanted;
  logic [23:0] s4_sub;

  // What the operation ahead did.
  logic v_write_q, v_ended_q, v_consume_q, v_clear_q, v_accept_q, v_miss_q, v_push_q;
  logic [IndexBits-1:0] v_windex_q, v_aidx, s4_windex;
  logic [Dests-1:0] v_mask;
  logic [1:0] v_priority;

  logic a_stale_end, a_stale, c_stale_end, c_stale;
  logic s3_writes;
  assign s3_writes = s3_valid_q && s3_command_q && s3_op_q != keyway_rtl_pkg::OpRead;
  keyway_hazards #(.IndexBits(IndexBits), .DualRead(DualRead), .Held(Held)) u_hazards (
    .clk_i, .rst_ni, .s3_writes_i(s3_writes), .s3_clears_i(s3_op_q == keyway_rtl_pkg::OpClear),
    .s3_aidx_i(s3_aidx), .s3_cidx_i(s3_h.carried[IndexBits-1:0]),
    .s4_valid_i(s4_valid_q), .s4_windex_i(s4_windex), .s4_aidx_i(s4_aidx),
    .v_write_i(v_write_q), .v_ended_i(v_ended_q), .v_consume_i(v_consume_q), .v_clear_i(v_clear_q),
    .v_windex_i(v_windex_q), .v_aidx_i(v_aidx),
    .a_stale_o(a_stale), .a_ended_o(a_stale_end), .c_stale_o(c_stale), .c_ended_o(c_stale_end));

  // Room in every destination queue, with the operation at V counted, and that at clock 4 as a second case.
  logic [Dests-1:0] full0, full1;
  logic v_same, s4_same;
  assign v_same  = v_priority == s3_h.priority_;
  assign s4_same = s4_valid_q && s4_h.priority_ == s3_h.priority_;
  for (genvar d = 0; d < Dests; d++) begin : g_room
    // ge[k]: the queue holds at least Depth - k.
    logic [2:0] ge;
    for (genvar k = 0; k < 3; k++) begin : g_level
      if (Depth <= k) begin : g_always
        assign ge[k] = 1'b1;
      end else begin : g_read
        assign ge[k] = s3_h.priority_[1]
            ? (s3_h.priority_[0] ? occupied_i[(3*Dests+d)*Depth+Depth-1-k] : occupied_i[(2*Dests+d)*Depth+Depth-1-k])
            : (s3_h.priority_[0] ? occupied_i[(1*Dests+d)*Depth+Depth-1-k] : occupied_i[d*Depth+Depth-1-k]);
      end
    end
    logic v_here, s4_here;
    if (d == 0) begin : g_host
      assign v_here  = !Held && v_miss_q && v_same;
      assign s4_here = !Held && s4_same;  // if its verdict turns out to be a miss
    end else begin : g_other
      assign v_here  = !Held && v_accept_q && v_same && v_mask[d];
      assign s4_here = !Held && s4_same && s4_mask[d];
    end
    assign full0[d] = ge[0] || (ge[1] && v_here);
    assign full1[d] = full0[d] || (s4_here && (ge[1] || (ge[2] && v_here)));
  end

  always_ff @(posedge clk_i) begin
    s4_valid_q <= rst_ni && s3_valid_q;
    s4_op_q <= s3_op_q;
    s4_early_q <= s3_malformed_q || s3_spoofed_q || s3_slot0_q;
    s4_code_q <= s3_code;
    s4_stop_q <= s3_code != keyway_pkg::VerdictDelivered;
    s4_present_q <= s3_found;
    s4_bad_q <= bad_a;
    s4_match_q <= s3_gen_ok_q && s3_owner_ok_q;
    s4_carries_q <= s3_carries_q;
    s4_moves_q <= s3_moves;
    s4_creates_q <= s3_call_q || (s3_carries_q && !s3_moves);
    s4_call_q <= s3_call_q;
    s4_room0_q <= (s3_mask_q & full0) == '0;
    s4_room1_q <= (s3_mask_q & full1) == '0;
    s4_host0_q <= !full0[0];
    s4_host1_q <= !full1[0];
    // Never later than the parent's; 0 is never.
    s4_forever_q <= s3_grant.lifetime == '0;
    s4_overflow_q <= s3_wanted[32];
    for (int unsigned b = 0; b < 4; b++) begin
      s4_elt_q[b] <= s3_c.expiry[8*b+:8] < s3_wanted[8*b+:8];
      if (b > 0) s4_eeq_q[b] <= s3_c.expiry[8*b+:8] == s3_wanted[8*b+:8];
    end
    s4_message_q <= rst_ni && s3_valid_q && s3_op_q == keyway_rtl_pkg::OpMessage;
    s4_fill_q <= rst_ni && s3_valid_q && s3_op_q == keyway_rtl_pkg::OpFill;
    s4_kill_q <= rst_ni && s3_valid_q && s3_op_q == keyway_rtl_pkg::OpInvalidate;
    s4_read_q <= rst_ni && s3_valid_q && s3_op_q == keyway_rtl_pkg::OpRead;
    s4_clear_q <= rst_ni && s3_valid_q && s3_op_q == keyway_rtl_pkg::OpClear;
  end
  if (Held) begin : g_ccode
    logic [4:0] code_q;
    logic stop_q, expires_q;
    always_ff @(posedge clk_i) begin
      code_q <= c_code;
      stop_q <= c_code != keyway_pkg::VerdictDelivered;
      expires_q <= c_expires_q;
    end
    // Of the operations ahead none can have ended an id.
    assign {s4_ccode, s4_cstop, s4_cexpires, s4_cpresent, s4_cmatch} = {code_q, stop_q, expires_q, 2'b00};
  end else begin : g_ccode
    assign {s4_ccode, s4_cstop, s4_cexpires, s4_cpresent, s4_cmatch} =
        {c_code, c_code != keyway_pkg::VerdictDelivered, c_expires_q, c_present, c_match};
  end
  keyway_stage #(.Width(256 + 16 + PortBits + 32 + 1 + keyway_rtl_pkg::RowBits + 16 + Dests + 32 + 24 + 32), .Held(Held))
  u_stage4 (
    .clk_i, .data_i({s3_h, s3_link, s3_port, s3_badge, s3_one_shot, s3_c, s3_owner_q, s3_mask_q, s3_tick, s3_sub,
                     s3_wanted[31:0]}),
    .data_o({s4_h, s4_link, s4_port, s4_badge, s4_one_shot, s4_c, s4_owner, s4_mask, s4_tick, s4_sub, s4_wanted}));

  // The row of the authority, or of the command; commands may come directly ahead of a message.
  if (Held) begin : g_aidx
    assign s2_aidx = s2_h.capability[IndexBits-1:0];
    assign s3_aidx = s3_command_q ? cmd_slot_i[IndexBits-1:0] : s3_h.capability[IndexBits-1:0];
    assign s4_aidx = !s4_message_q ? cmd_slot_i[IndexBits-1:0] : s4_h.capability[IndexBits-1:0];
    assign v_aidx  = v_h.capability[IndexBits-1:0];
    logic unused;
    assign unused = ^{s1_aidx_q, s2_aidx};
  end else begin : g_aidx
    logic [IndexBits-1:0] s2_q, s3_q, s4_q, v_q;
    always_ff @(posedge clk_i) {v_q, s4_q, s3_q, s2_q} <= {s4_q, s3_q, s2_q, s1_aidx_q};
    assign {v_aidx, s4_aidx, s3_aidx, s2_aidx} = {v_q, s4_q, s3_q, s2_q};
    logic unused;
    assign unused = ^s2_aidx;
  end

  // The row that this operation would write.
  assign s4_windex = !s4_message_q ? s4_aidx
                     : s4_moves_q ? s4_h.carried[IndexBits-1:0] : free_id_i[IndexBits-1:0];

  logic room, host_room, message, delivered, missed, parents_expiry, c_gone, bad_row;
  logic [4:0] check, verdict;
  assign parents_expiry = s4_forever_q || (s4_cexpires && (s4_overflow_q || s4_elt_q[3] || (s4_eeq_q[3] &&
                          (s4_elt_q[2] || (s4_eeq_q[2] && (s4_elt_q[1] || (s4_eeq_q[1] && s4_elt_q[0])))))));
  assign room        = v_accept_q ? s4_room1_q : s4_room0_q;
  assign host_room   = v_miss_q ? s4_host1_q : s4_host0_q;
  assign message     = s4_message_q;
  // Held: the carried capability was compared a clock earlier than its parity is known.
  assign c_gone      = c_stale || (Held && bad_c);
  // A stale look-up says nothing about the row.
  assign bad_row     = (message && !s4_early_q && !a_stale && s4_bad_q) || (s4_read_q && !a_stale && s4_bad_q) ||
                       (message && !a_stale && !s4_stop_q && s4_carries_q && !c_stale && bad_c);

  always_comb begin
    if (s4_early_q) check = s4_code_q;
    else if (a_stale) check = (a_stale_end && s4_present_q && s4_match_q) ? keyway_pkg::VerdictNoSuchCapability
                                                                           : keyway_pkg::VerdictMiss;
    else if (s4_stop_q) check = s4_code_q;
    else if (s4_carries_q && c_gone)
      check = (c_stale_end && s4_cpresent && s4_cmatch) ? keyway_pkg::VerdictNoSuchCarried : keyway_pkg::VerdictMiss;
    else if (s4_cstop) check = s4_ccode;
    else if (!room) check = keyway_pkg::VerdictFull;
    else if (s4_creates_q && !free_valid_i) check = keyway_pkg::VerdictMiss;
    else check = keyway_pkg::VerdictDelivered;
  end
  assign missed    = check == keyway_pkg::VerdictMiss && host_room;
  assign verdict   = (check == keyway_pkg::VerdictMiss && !host_room) ? keyway_pkg::VerdictFull : check;
  assign delivered = message && check == keyway_pkg::VerdictDelivered;
  // Held: one clock later does as well.
  assign free_pop_o = Held ? v_accept_q && v_creates_q : delivered && s4_creates_q;

  // ---- Clock 5: effects

  logic v_valid_q, v_bad_row_q, v_cmd_done_q, v_moves_q, v_creates_q, v_call_q, v_fill_q, v_kill_q;
  logic [4:0] v_verdict_q;
  logic [15:0] v_link, v_owner;
  logic [PortBits-1:0] v_port;
  logic [31:0] v_tick /* verilator public_flat_rd */;
  logic [31:0] v_new_id_q, v_expiry_q, v_badge;
  logic [23:0] v_sub;
  keyway_pkg::header_t v_h;
  keyway_pkg::grant_t v_grant;
  keyway_rtl_pkg::row_t v_row, v_c;
  logic [TagBits-1:0] v_wtag;
  assign v_grant = v_h.timestamp;
  assign v_priority = v_h.priority_;

  keyway_stage #(.Width(256 + 16 + PortBits + 32 + keyway_rtl_pkg::RowBits + 16 + Dests + 32 + 24), .Held(Held)) u_stage5 (
    .clk_i, .data_i({s4_h, s4_link, s4_port, s4_badge, s4_c, s4_owner, s4_mask, s4_tick, s4_sub}),
    .data_o({v_h, v_link, v_port, v_badge, v_c, v_owner, v_mask, v_tick, v_sub}));

  always_ff @(posedge clk_i) begin
    v_valid_q <= rst_ni && message;
    v_verdict_q <= verdict;
    v_bad_row_q <= rst_ni && bad_row;
    v_accept_q <= rst_ni && delivered;
    v_miss_q <= rst_ni && message && missed;
    v_push_q <= rst_ni && (delivered || (message && missed));
    v_moves_q <= s4_moves_q;
    v_creates_q <= s4_creates_q;
    v_call_q <= s4_call_q;
    v_expiry_q <= parents_expiry ? s4_c.expiry : s4_overflow_q ? '1 : s4_wanted;
    v_new_id_q <= s4_moves_q ? {c_next_q, s4_h.carried[19:0]} : free_id_i;
    v_windex_q <= s4_windex;
    v_fill_q <= s4_fill_q;
    v_kill_q <= s4_kill_q;
    v_write_q <= rst_ni && ((delivered && (s4_moves_q || s4_creates_q)) || s4_fill_q || s4_kill_q);
    v_ended_q <= s4_message_q && s4_moves_q;
    v_consume_q <= rst_ni && delivered && s4_one_shot;
    v_clear_q <= rst_ni && s4_clear_q;
    // A read that raced with a write is done again.
    v_cmd_done_q <= rst_ni && (s4_fill_q || s4_kill_q || s4_clear_q || (s4_read_q && !a_stale));
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      cmd_sent_q <= 1'b0;
      cmd_wait_q <= '0;
    end else begin
      if (take_cmd) cmd_sent_q <= 1'b1;
      else if ((s4_read_q && a_stale) || v_cmd_done_q) cmd_sent_q <= 1'b0;
      cmd_wait_q <= (!cmd_valid_i || take_cmd) ? '0 : (cmd_wait_q == '1) ? cmd_wait_q : cmd_wait_q + 1'b1;
    end
  end
  assign cmd_done_o = v_cmd_done_q;

  assign cmd_capture_o = s2_valid_q && s2_op_q == keyway_rtl_pkg::OpRead;
  assign cmd_row_o = s2_a_q;
  assign cmd_tag_o = s2_atag_q;
  assign cmd_live_o = s2_live_q;

  always_comb begin
    v_row = v_c;
    if (v_fill_q) begin
      v_row.root = cmd_entry_i.spare[keyway_rtl_pkg::SpareRoot];
      v_row.parent = cmd_entry_i.spare[keyway_rtl_pkg::SpareParent];
      v_row.expiry = cmd_entry_i.expiry;
      v_row.badge = cmd_entry_i.badge;
      v_row.object = cmd_entry_i.object;
      v_row.owner = cmd_entry_i.owner;
      v_row.kind = cmd_entry_i.kind;
      v_row.rights = cmd_entry_i.rights;
      v_row.revocable = (cmd_entry_i.flags & keyway_pkg::EntryFlagRevocable) != '0;
      v_row.one_shot = (cmd_entry_i.flags & keyway_pkg::EntryFlagOneShot) != '0;
      v_row.linear = (cmd_entry_i.flags & keyway_pkg::EntryFlagLinear) != '0;
      v_row.generation = cmd_entry_i.generation;
    end else if (v_moves_q) begin
      v_row.generation = v_new_id_q[31:20];
      v_row.owner = v_owner;
    end else begin
      v_row.generation = v_new_id_q[31:20];
      v_row.owner = v_owner;
      v_row.linear = 1'b0;
      v_row.one_shot = v_call_q || (v_grant.flags & keyway_pkg::GrantFlagOneShot) != '0;
      v_row.revocable = !v_call_q;
      v_row.rights = v_call_q ? keyway_pkg::RightWrite : v_grant.rights;
      v_row.kind = v_call_q ? keyway_pkg::KindReply : v_c.kind;
      v_row.object = v_call_q ? v_link : v_c.object;
      v_row.badge = v_call_q ? v_h.sequence_ : v_grant.badge;
      v_row.expiry = v_call_q ? '0 : v_expiry_q;
      v_row.parent = 1'b0;
      v_row.root = 1'b0;
    end
  end
  assign v_wtag = v_fill_q ? cmd_slot_i[19:IndexBits] : v_new_id_q[19:IndexBits];

  keyway_capability_table #(.IndexBits(IndexBits), .DualRead(DualRead)) u_table (
`ifdef FORMAL
    .f_addr_a_i(f_slot_a), .f_addr_c_i(f_slot_c), .f_row_a_o(f_row_a), .f_row_c_o(f_row_c), .f_live_a_o(f_live_a),
    .f_live_c_o(f_live_c),
`endif
    .clk_i, .rst_ni, .ready_o(table_ready),
    .addr_a_i(addr_a), .row_a_o(raw_a), .live_a_o(live_a), .bad_a_o(bad_a),
    .read_c_i(Held ? !slot_free : s1_valid_q && s1_op_q == keyway_rtl_pkg::OpMessage),
    .addr_c_i(s1_h.carried[IndexBits-1:0]), .row_c_o(raw_c), .live_c_o(live_c), .bad_c_o(bad_c),
    .write_i(v_write_q), .kill_i(v_kill_q), .write_addr_i(v_windex_q), .row_i({v_wtag, v_row}),
    .consume_i(v_consume_q), .consume_addr_i(v_aidx), .clear_i(v_clear_q));

  assign valid_o   = v_valid_q;
  assign bad_row_o = v_bad_row_q;
  assign verdict_o = v_verdict_q;
  assign port_o    = v_port;
  assign push_o    = v_push_q;
  assign push_mask_o = v_miss_q ? Dests'(1) : v_mask;
  assign push_priority_o = v_h.priority_;
  always_comb begin
    original_o = v_h;
    original_o.sender = {16'd0, v_link};
    push_header_o = original_o;
    if (v_accept_q) begin
      push_header_o.capability = v_badge;
      push_header_o.carried = (v_moves_q || v_creates_q) ? v_new_id_q : '0;
      push_header_o.timestamp = {8'd0, v_tick, v_sub};
    end
  end

  logic unused;
  assign unused = ^{v_grant, s1_grant, s2_grant, s3_grant, s4_op_q, cmd_entry_i};

`ifdef FORMAL
  (* anyconst *) logic [IndexBits-1:0] f_slot_a, f_slot_c;
  logic [RowBits-1:0] f_row_a, f_row_c;
  logic f_live_a, f_live_c;
`ifdef FORMAL_PIPELINE
`include "pipeline_properties.svh"
`endif
`endif
endmodule
