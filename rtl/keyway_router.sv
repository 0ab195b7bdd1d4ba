// Keyway's hardware router: capability-checked message routing at one verdict a clock.
//
//   s_axis[port] ─► stream_in ─┐                                 ┌─► stream_out ─► m_axis[port]
//                              ├─► pipeline ─► queues, scheduler ─┤
//   s_axis[port] ─► stream_in ─┘      │                          └─► stream_out ─► m_axis[port]
//                                     └─► audit_*                      registers ◄─► s_axil
//
//   Beats         = max(1, 256 / DataBits)
//   VerdictClocks = 5   from the edge that takes a header's last beat until audit_event (and the queues) know the verdict
//   ThroughClocks = 11 + Beats - 1 from the edge that takes its first beat until the first beat is offered, all idle
//   Rate          = a beat a clock at every port for any mix of messages, as long as all ports together bring at most
//                   one header a clock (DualRead = 1) or one in two (DualRead = 0). A table command of the host takes
//                   the place of one header, and waits up to 15 clocks for a place that nobody needs.
//
// Destination d leaves by port d mod Ports, m_axis_tdest_o says which d. Destination 0 is the host: what the table can't
// decide goes there as it came. A frame is one header: payload stays in the host's memory.

module keyway_router #(
  parameter int unsigned DataBits = 32,      // 32, 64, 128, 256 or 512
  parameter int unsigned Ports = 1,          // 1 to 8
  parameter int unsigned IndexBits = 8,      // log2 of table rows, 2 to 16
  parameter int unsigned DestBits = 4,       // log2 of destinations, 1 to 6
  parameter int unsigned Depth = 4,          // headers in each of the 4 queues of a destination: 1, 2, 4, 8
  parameter bit          DualRead = 1'b1,
  parameter int unsigned AuditDepth = 4,     // events that wait for audit_ready_i
  parameter int unsigned FreeIds = 4,        // capability ids in stock for new rows, 1 to 15
  parameter bit          VerdictCounters = 1'b1,
  parameter int unsigned ClockPs = 8000,
  parameter int unsigned PayloadBytes = 0,   // packet memory: none
  parameter logic [31:0] BuildHash = '0,
  localparam int unsigned AuditBits = 160
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic [Ports-1:0]          s_axis_tvalid_i,
  output logic [Ports-1:0]          s_axis_tready_o,
  input  logic [Ports*DataBits-1:0] s_axis_tdata_i,
  input  logic [Ports-1:0]          s_axis_tlast_i,

  output logic [Ports-1:0]          m_axis_tvalid_o,
  input  logic [Ports-1:0]          m_axis_tready_i,
  output logic [Ports*DataBits-1:0] m_axis_tdata_o,
  output logic [Ports*DestBits-1:0] m_axis_tdest_o,
  output logic [Ports-1:0]          m_axis_tlast_o,

  // One event a message: {sequence 32, carried 32, capability 32, receiver 16, sender 16, tick 16, port 8, verdict 8}.
  output logic                      audit_valid_o,
  input  logic                      audit_ready_i,
  output logic [AuditBits-1:0]      audit_event_o,

  input  logic                      s_axil_awvalid_i,
  output logic                      s_axil_awready_o,
  input  logic [11:0]               s_axil_awaddr_i,
  input  logic                      s_axil_wvalid_i,
  output logic                      s_axil_wready_o,
  input  logic [31:0]               s_axil_wdata_i,
  output logic                      s_axil_bvalid_o,
  input  logic                      s_axil_bready_i,
  output logic [1:0]                s_axil_bresp_o,
  input  logic                      s_axil_arvalid_i,
  output logic                      s_axil_arready_o,
  input  logic [11:0]               s_axil_araddr_i,
  output logic                      s_axil_rvalid_o,
  input  logic                      s_axil_rready_i,
  output logic [31:0]               s_axil_rdata_o,
  output logic [1:0]                s_axil_rresp_o
);
  localparam int unsigned Dests = 1 << DestBits;
  localparam int unsigned PortBits = Ports == 1 ? 1 : $clog2(Ports);
  localparam int unsigned SlotBits = DestBits + 2 + $clog2(Depth);
  // A single narrow port: headers come at least 8 clocks apart.
  localparam bit Narrow = Ports == 1 && DataBits == 32;
  localparam int unsigned OutDepth = Narrow ? 1 : DataBits >= 256 ? 5 : DataBits == 128 ? 3 : 2;

  if (DataBits != 32 && DataBits != 64 && DataBits != 128 && DataBits != 256 && DataBits != 512) begin : g_bad_width
    $fatal(1, "keyway_router: DataBits must be 32, 64, 128, 256 or 512");
  end
  if (Ports < 1 || Ports > 8) begin : g_bad_ports
    $fatal(1, "keyway_router: Ports must be 1 to 8");
  end
  if (IndexBits < 2 || IndexBits > 16) begin : g_bad_index
    $fatal(1, "keyway_router: IndexBits must be 2 to 16");
  end
  if (DestBits < 1 || DestBits > 6) begin : g_bad_dests
    $fatal(1, "keyway_router: DestBits must be 1 to 6");
  end
  if (Depth != 1 && Depth != 2 && Depth != 4 && Depth != 8) begin : g_bad_depth
    $fatal(1, "keyway_router: Depth must be 1, 2, 4 or 8");
  end
  if (PayloadBytes != 0) begin : g_bad_payload
    $fatal(1, "keyway_router: PayloadBytes must be 0: payload stays in the host's memory");
  end
  if (FreeIds < 1 || FreeIds > 15) begin : g_bad_free
    $fatal(1, "keyway_router: FreeIds must be 1 to 15");
  end

  logic rst_n_q, soft_reset, enable, queues_ready;
  // The registers survive a soft reset; all else starts anew.
  always_ff @(posedge clk_i) rst_n_q <= rst_ni && !soft_reset;

  logic [Ports-1:0] port_enable, port_reset, in_frame, soon, stopped, hdr_valid, hdr_bad, hdr_pop;
  logic [Ports*16-1:0] port_sender;
  logic [Ports*256-1:0] hdr;
  for (genvar p = 0; p < Ports; p++) begin : g_in
    keyway_stream_in #(.DataBits(DataBits), .Buffered(Ports > 1)) u_in (
      .clk_i, .rst_ni(rst_n_q), .enable_i(port_enable[p]), .reset_port_i(port_reset[p]),
      .in_frame_o(in_frame[p]), .soon_o(soon[p]), .stopped_o(stopped[p]),
      .tvalid_i(s_axis_tvalid_i[p]), .tready_o(s_axis_tready_o[p]), .tdata_i(s_axis_tdata_i[p*DataBits+:DataBits]),
      .tlast_i(s_axis_tlast_i[p]),
      .valid_o(hdr_valid[p]), .bad_o(hdr_bad[p]), .header_o(hdr[p*256+:256]), .pop_i(hdr_pop[p]));
  end

  logic cmd_capture, cmd_done /* verilator public_flat_rd */;
  logic bad_row, cmd_valid, cmd_live, route_we, free_valid, free_pop, verdict_valid /* verilator public_flat_rd */;
  logic push /* verilator public_flat_rd */, depart /* verilator public_flat_rd */;
  logic arrive /* verilator public_flat_rd */;
  logic [DestBits-1:0] arrive_dest /* verilator public_flat_rd */;
  logic [1:0] arrive_level /* verilator public_flat_rd */;
  logic [2:0] cmd_op;
  logic [19:0] cmd_slot;
  logic [19-IndexBits:0] cmd_tag;
  keyway_pkg::entry_t cmd_entry;
  keyway_rtl_pkg::row_t cmd_row;
  logic [DestBits-1:0] route_addr, out_dest, depart_dest /* verilator public_flat_rd */;
  logic [15:0] route_owner;
  logic [Dests-1:0] route_mask, push_mask;
  logic [31:0] tick, free_id;
  logic [23:0] sub_tick;
  logic [4:0] verdict /* verilator public_flat_rd */;
  logic [PortBits-1:0] port /* verilator public_flat_rd */;
  logic [1:0] push_priority, depart_level /* verilator public_flat_rd */;
  logic [4*Dests*Depth-1:0] occupied;
  keyway_pkg::header_t original /* verilator public_flat_rd */, push_header /* verilator public_flat_rd */;
  logic [Ports-1:0] out_push, out_popped, out_ready;
  logic [255:0] out_header;

  keyway_pipeline #(.Ports(Ports), .IndexBits(IndexBits), .DestBits(DestBits), .Depth(Depth), .DualRead(DualRead),
                    .Held(Narrow))
  u_pipeline (
    .clk_i, .rst_ni(rst_n_q), .enable_i(enable && queues_ready),
    .hdr_valid_i(hdr_valid), .hdr_bad_i(hdr_bad), .hdr_i(hdr), .hdr_pop_o(hdr_pop), .hdr_soon_i(soon),
    .port_sender_i(port_sender),
    .cmd_valid_i(cmd_valid), .cmd_op_i(cmd_op), .cmd_slot_i(cmd_slot), .cmd_entry_i(cmd_entry), .cmd_done_o(cmd_done),
    .cmd_capture_o(cmd_capture), .cmd_row_o(cmd_row), .cmd_live_o(cmd_live), .cmd_tag_o(cmd_tag),
    .route_we_i(route_we), .route_addr_i(route_addr), .route_owner_i(route_owner), .route_mask_i(route_mask),
    .tick_i(tick), .sub_tick_i(sub_tick), .free_valid_i(free_valid), .free_id_i(free_id), .free_pop_o(free_pop),
    .occupied_i(occupied),
    .valid_o(verdict_valid), .bad_row_o(bad_row), .verdict_o(verdict), .port_o(port), .original_o(original), .push_o(push),
    .push_mask_o(push_mask), .push_priority_o(push_priority), .push_header_o(push_header));

  keyway_queues #(.Ports(Ports), .DestBits(DestBits), .Depth(Depth), .OutDepth(OutDepth), .Narrow(Narrow)) u_queues (
    .clk_i, .rst_ni(rst_n_q), .ready_o(queues_ready),
    .push_i(push), .push_mask_i(push_mask), .push_priority_i(push_priority), .push_header_i(push_header),
    .occupied_o(occupied), .out_push_o(out_push), .out_header_o(out_header), .out_dest_o(out_dest),
    .out_popped_i(out_popped), .out_ready_i(out_ready[0]), .depart_o(depart), .depart_dest_o(depart_dest), .depart_level_o(depart_level),
    .arrive_o(arrive), .arrive_dest_o(arrive_dest), .arrive_level_o(arrive_level));

  // What the tests look at.
  logic unused;
  assign unused = ^{out_ready, depart, depart_dest, depart_level, arrive, arrive_dest, arrive_level};

  for (genvar p = 0; p < Ports; p++) begin : g_out
    keyway_stream_out #(.DataBits(DataBits), .DestBits(DestBits), .Depth(OutDepth), .Narrow(Narrow)) u_out (
      .clk_i, .rst_ni(rst_n_q), .push_i(out_push[p]), .header_i(out_header), .dest_i(out_dest), .popped_o(out_popped[p]),
      .ready_o(out_ready[p]),
      .tvalid_o(m_axis_tvalid_o[p]), .tready_i(m_axis_tready_i[p]), .tdata_o(m_axis_tdata_o[p*DataBits+:DataBits]),
      .tdest_o(m_axis_tdest_o[p*DestBits+:DestBits]), .tlast_o(m_axis_tlast_o[p]));
  end

  logic audit_room;
  keyway_small_fifo #(.Width(AuditBits), .Depth(AuditDepth)) u_audit (
    .clk_i, .rst_ni(rst_n_q), .push_i(verdict_valid && audit_room),
    .data_i({original.sequence_, original.carried, original.capability, original.receiver[15:0], original.sender[15:0],
             tick[15:0], 8'(port), 3'd0, verdict}),
    .ready_o(audit_room), .valid_o(audit_valid_o), .data_o(audit_event_o), .pop_i(audit_valid_o && audit_ready_i));

  keyway_registers #(
    .Ports(Ports), .DataBits(DataBits), .IndexBits(IndexBits), .DestBits(DestBits), .SlotBits(SlotBits),
    .FreeIds(FreeIds), .VerdictCounters(VerdictCounters), .BuildHash(BuildHash), .ClockPs(ClockPs)
  ) u_registers (
    .clk_i, .rst_ni,
    .awvalid_i(s_axil_awvalid_i), .awready_o(s_axil_awready_o), .awaddr_i(s_axil_awaddr_i),
    .wvalid_i(s_axil_wvalid_i), .wready_o(s_axil_wready_o), .wdata_i(s_axil_wdata_i),
    .bvalid_o(s_axil_bvalid_o), .bready_i(s_axil_bready_i), .bresp_o(s_axil_bresp_o),
    .arvalid_i(s_axil_arvalid_i), .arready_o(s_axil_arready_o), .araddr_i(s_axil_araddr_i),
    .rvalid_o(s_axil_rvalid_o), .rready_i(s_axil_rready_i), .rdata_o(s_axil_rdata_o), .rresp_o(s_axil_rresp_o),
    .enable_o(enable), .soft_reset_o(soft_reset), .port_enable_o(port_enable), .port_reset_o(port_reset),
    .port_sender_o(port_sender), .port_in_frame_i(in_frame), .port_stopped_i(stopped),
    .cmd_valid_o(cmd_valid), .cmd_op_o(cmd_op), .cmd_slot_o(cmd_slot), .cmd_entry_o(cmd_entry), .cmd_done_i(cmd_done),
    .cmd_capture_i(cmd_capture), .cmd_row_i(cmd_row), .cmd_live_i(cmd_live), .cmd_tag_i(cmd_tag),
    .route_we_o(route_we), .route_addr_o(route_addr), .route_owner_o(route_owner), .route_mask_o(route_mask),
    .tick_o(tick), .sub_tick_o(sub_tick),
    .free_valid_o(free_valid), .free_id_o(free_id), .free_pop_i(free_pop),
    .count_i(verdict_valid), .verdict_i(verdict), .audit_dropped_i(verdict_valid && !audit_room),
    .bad_row_i(bad_row));
endmodule
