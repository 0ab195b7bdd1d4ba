// A router behind a USB controller: bridge, link and router in the clock of the FIFO bus. A board's top adds pins.
//
//   fx2 ◄─► keyway_bridge ◄─► keyway_link ◄─► keyway_router
//
// A new session resets the router: its table is empty, its ports closed, and the host sets it up again. So nothing that an earlier
// host wrote decides about a later one's messages.

module keyway_device #(
  parameter int unsigned IndexBits = 4,
  parameter int unsigned DestBits = 2,
  parameter int unsigned Depth = 1,
  parameter bit          DualRead = 1'b0,
  parameter int unsigned AuditDepth = 4,
  parameter int unsigned WindowBits = 6,
  parameter int unsigned Lag = 0,
  parameter bit          VerdictCounters = 1'b1,
  parameter int unsigned ClockPs = 33333,
  parameter logic [31:0] BuildHash = '0
) (
  input  logic       clk_i,           // the chip's IFCLK
  input  logic       rst_ni,
  output logic [1:0] fifoadr_o,
  output logic       sloe_no,
  output logic       slrd_no,
  output logic       slwr_no,
  output logic       pktend_no,
  input  logic       out_ready_i,     // flag of EP2: not empty
  input  logic       in_ready_i,      // flag of EP6: not full
  input  logic [7:0] fd_i,
  output logic [7:0] fd_o,
  output logic       fd_oe_o,
  output logic       open_o,          // a session is open
  output logic [15:0] count_bad_o,
  output logic [15:0] count_lost_o
);
  logic opened, rx_valid, rx_ready, rx_last, tx_valid, tx_ready, tx_last;
  logic s_valid, s_ready, s_last, m_valid, m_ready, m_last, audit_valid, audit_ready;
  logic awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;
  logic [31:0] rx_data, tx_data, s_data, m_data, wdata, rdata;
  logic [15:0] rx_sequence;
  logic [7:0] rx_kind, tx_kind, epoch;
  logic [11:0] awaddr, araddr;
  logic [1:0] bresp, rresp;
  logic [DestBits-1:0] m_dest;
  logic [159:0] audit;

  // Some clocks, so that every stage of the router sees it. The first frame of the session comes much later.
  logic [3:0] fresh_q = '0;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || opened) fresh_q <= '0;
    else if (!fresh_q[3]) fresh_q <= fresh_q + 1'b1;
  end

  keyway_bridge #(.WindowBits(WindowBits), .Lag(Lag), .BuildHash(BuildHash)) u_bridge (
    .clk_i, .rst_ni, .fifoadr_o, .sloe_no, .slrd_no, .slwr_no, .pktend_no, .out_ready_i, .in_ready_i, .fd_i, .fd_o, .fd_oe_o,
    .m_axis_tvalid_o(rx_valid), .m_axis_tready_i(rx_ready), .m_axis_tdata_o(rx_data), .m_axis_tlast_o(rx_last),
    .m_axis_kind_o(rx_kind), .m_axis_sequence_o(rx_sequence),
    .s_axis_tvalid_i(tx_valid), .s_axis_tready_o(tx_ready), .s_axis_tdata_i(tx_data), .s_axis_tlast_i(tx_last),
    .s_axis_kind_i(tx_kind), .epoch_i(epoch), .opened_o(opened), .open_o, .count_bad_o, .count_lost_o);

  keyway_link #(.DestBits(DestBits), .AuditDepth(AuditDepth)) u_link (
    .clk_i, .rst_ni, .reset_i(!fresh_q[3]),
    .rx_tvalid_i(rx_valid), .rx_tready_o(rx_ready), .rx_tdata_i(rx_data), .rx_tlast_i(rx_last), .rx_kind_i(rx_kind),
    .rx_sequence_i(rx_sequence),
    .tx_tvalid_o(tx_valid), .tx_tready_i(tx_ready), .tx_tdata_o(tx_data), .tx_tlast_o(tx_last), .tx_kind_o(tx_kind),
    .s_axis_tvalid_o(s_valid), .s_axis_tready_i(s_ready), .s_axis_tdata_o(s_data), .s_axis_tlast_o(s_last),
    .m_axis_tvalid_i(m_valid), .m_axis_tready_o(m_ready), .m_axis_tdata_i(m_data), .m_axis_tdest_i(m_dest),
    .m_axis_tlast_i(m_last),
    .audit_valid_i(audit_valid), .audit_ready_o(audit_ready), .audit_event_i(audit),
    .axil_awvalid_o(awvalid), .axil_awready_i(awready), .axil_awaddr_o(awaddr),
    .axil_wvalid_o(wvalid), .axil_wready_i(wready), .axil_wdata_o(wdata),
    .axil_bvalid_i(bvalid), .axil_bready_o(bready),
    .axil_arvalid_o(arvalid), .axil_arready_i(arready), .axil_araddr_o(araddr),
    .axil_rvalid_i(rvalid), .axil_rready_o(rready), .axil_rdata_i(rdata), .epoch_o(epoch));

  keyway_router #(
    .DataBits(32), .Ports(1), .IndexBits(IndexBits), .DestBits(DestBits), .Depth(Depth), .DualRead(DualRead),
    .AuditDepth(AuditDepth), .VerdictCounters(VerdictCounters), .ClockPs(ClockPs), .BuildHash(BuildHash)
  ) u_router (
    .clk_i, .rst_ni(fresh_q[3]),
    .s_axis_tvalid_i(s_valid), .s_axis_tready_o(s_ready), .s_axis_tdata_i(s_data), .s_axis_tlast_i(s_last),
    .m_axis_tvalid_o(m_valid), .m_axis_tready_i(m_ready), .m_axis_tdata_o(m_data), .m_axis_tdest_o(m_dest),
    .m_axis_tlast_o(m_last),
    .audit_valid_o(audit_valid), .audit_ready_i(audit_ready), .audit_event_o(audit),
    .s_axil_awvalid_i(awvalid), .s_axil_awready_o(awready), .s_axil_awaddr_i(awaddr),
    .s_axil_wvalid_i(wvalid), .s_axil_wready_o(wready), .s_axil_wdata_i(wdata),
    .s_axil_bvalid_o(bvalid), .s_axil_bready_i(bready), .s_axil_bresp_o(bresp),
    .s_axil_arvalid_i(arvalid), .s_axil_arready_o(arready), .s_axil_araddr_i(araddr),
    .s_axil_rvalid_o(rvalid), .s_axil_rready_i(rready), .s_axil_rdata_o(rdata), .s_axil_rresp_o(rresp));

  logic unused;
  assign unused = ^{bresp, rresp};  // the register block answers every address
endmodule
