// The router with nothing around it: all streams end in a shift register and a folded output, so that what is timed and
// counted is the block (a few hundred wires have no pins). The board tops put it between two pins, for the figures in
// docs/rtl.md. Of an HX8K it takes the larger part by itself; a bridge to a host comes in the place of the fold.

module folded_router #(
  parameter int unsigned IndexBits = 8,
  parameter int unsigned DestBits = 3,
  parameter int unsigned Depth = 4,
  parameter int unsigned ClockPs = 10000
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic serial_i,
  output logic serial_o
);
  localparam int unsigned Inputs = 1 + 32 + 1 + 1 + 1 + 12 + 32 + 1 + 12 + 4;
  logic [Inputs-1:0] in_q;
  logic [1:0] rst_q;
  always_ff @(posedge clk_i) begin
    in_q <= {in_q[Inputs-2:0], serial_i};
    rst_q <= {rst_q[0], rst_ni};
  end

  logic s_ready, m_valid, m_last, audit_valid, awready, wready, bvalid, arready, rvalid;
  logic [31:0] m_data, rdata;
  logic [DestBits-1:0] m_dest;
  logic [1:0] bresp, rresp;
  logic [159:0] audit;

  keyway_router #(
    .DataBits(32), .Ports(1), .IndexBits(IndexBits), .DestBits(DestBits), .Depth(Depth), .DualRead(1'b0),
    .AuditDepth(1), .FreeIds(2), .VerdictCounters(1'b0), .ClockPs(ClockPs)
  ) u_router (
    .clk_i, .rst_ni(rst_q[1]),
    .s_axis_tvalid_i(in_q[0]), .s_axis_tready_o(s_ready), .s_axis_tdata_i(in_q[32:1]), .s_axis_tlast_i(in_q[33]),
    .m_axis_tvalid_o(m_valid), .m_axis_tready_i(in_q[34]), .m_axis_tdata_o(m_data), .m_axis_tdest_o(m_dest),
    .m_axis_tlast_o(m_last),
    .audit_valid_o(audit_valid), .audit_ready_i(in_q[35]), .audit_event_o(audit),
    .s_axil_awvalid_i(in_q[36]), .s_axil_awready_o(awready), .s_axil_awaddr_i(in_q[48:37]),
    .s_axil_wvalid_i(in_q[49]), .s_axil_wready_o(wready), .s_axil_wdata_i(in_q[81:50]),
    .s_axil_bvalid_o(bvalid), .s_axil_bready_i(in_q[82]), .s_axil_bresp_o(bresp),
    .s_axil_arvalid_i(in_q[83]), .s_axil_arready_o(arready), .s_axil_araddr_i(in_q[95:84]),
    .s_axil_rvalid_o(rvalid), .s_axil_rready_i(in_q[96]), .s_axil_rdata_o(rdata), .s_axil_rresp_o(rresp));

  // A pipelined fold. The audit event comes out of registers; all else gets some of its own.
  localparam int unsigned Outputs = 1 + 1 + 1 + 32 + DestBits + 1 + 5 + 4 + 32;
  logic [Outputs-1:0] out_q;
  logic [(Outputs+7)/8-1:0] fold_q;
  logic [19:0] audit_fold_q;
  logic [4:0] fold2_q;
  always_ff @(posedge clk_i) begin
    out_q <= {s_ready, m_valid, m_last, m_data, m_dest, audit_valid, awready, wready, bvalid, arready, rvalid, bresp,
              rresp, rdata};
    for (int unsigned i = 0; i < (Outputs + 7) / 8; i++) fold_q[i] <= ^(8'(out_q >> (8 * i)));
    for (int unsigned i = 0; i < 20; i++) audit_fold_q[i] <= ^audit[8*i+:8];
    fold2_q <= {^fold_q[3:0], ^fold_q[7:4], ^fold_q[(Outputs+7)/8-1:8], ^audit_fold_q[9:0], ^audit_fold_q[19:10]};
    serial_o <= ^fold2_q;
  end
endmodule
