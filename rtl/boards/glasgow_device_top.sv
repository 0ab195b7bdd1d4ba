// Glasgow revC (iCE40HX8K): the router behind the USB controller, in the 30 MHz clock that the chip gives. Every pin of the bus has its register:
// strobes, address and data go out at the rising edge, data and flags are taken at the falling one, when they are surely there
// (docs/device.md).

module glasgow_device_top (
  input  logic       clk_if_i,
  output logic       fifoadr_o_0,
  output logic       fifoadr_o_1,
  output logic       sloe_no,
  output logic       slrd_no,
  output logic       slwr_no,
  output logic       pktend_no,
  input  logic       flag_out_i,     // EP2: not empty
  input  logic       flag_in_i,      // EP6: not full
  inout  wire  [7:0] fd_io,
  output logic [4:0] led_o
);
  // Reset for the first 15 clocks. iCE40 flip-flops start as 0.
  logic [3:0] wait_q = '0;
  logic rst_nq = 1'b0;
  always_ff @(posedge clk_if_i) begin
    if (wait_q != '1) wait_q <= wait_q + 1'b1;
    rst_nq <= wait_q == '1;
  end

  logic [1:0] fifoadr;
  logic sloe_n, slrd_n, slwr_n, pktend_n, fd_oe, out_ready, in_ready, open;
  logic [7:0] fd_in, fd_out;
  logic [15:0] bad, lost;

`ifdef SYNTHESIS
  // Outputs: registered. Data: both ways, its enable registered too. Inputs: the register of the falling edge.
  localparam logic [5:0] PinOut = 6'b0101_01;
  localparam logic [5:0] PinBoth = 6'b1101_00;
  localparam logic [5:0] PinIn = 6'b0000_00;
  SB_IO #(.PIN_TYPE(PinOut)) u_pins[5:0] (
    .PACKAGE_PIN({fifoadr_o_1, fifoadr_o_0, sloe_no, slrd_no, slwr_no, pktend_no}), .CLOCK_ENABLE(1'b1), .OUTPUT_CLK(clk_if_i),
    .D_OUT_0({fifoadr, sloe_n, slrd_n, slwr_n, pktend_n}));
  SB_IO #(.PIN_TYPE(PinIn)) u_flags[1:0] (
    .PACKAGE_PIN({flag_out_i, flag_in_i}), .CLOCK_ENABLE(1'b1), .INPUT_CLK(clk_if_i), .D_IN_1({out_ready, in_ready}));
  SB_IO #(.PIN_TYPE(PinBoth)) u_fd[7:0] (
    .PACKAGE_PIN(fd_io), .CLOCK_ENABLE(1'b1), .INPUT_CLK(clk_if_i), .OUTPUT_CLK(clk_if_i), .OUTPUT_ENABLE(fd_oe),
    .D_OUT_0(fd_out), .D_IN_1(fd_in));
`else
  logic fd_oe_q;
  logic [7:0] fd_q;
  always_ff @(posedge clk_if_i) begin
    {fifoadr_o_1, fifoadr_o_0, sloe_no, slrd_no, slwr_no, pktend_no} <= {fifoadr, sloe_n, slrd_n, slwr_n, pktend_n};
    fd_oe_q <= fd_oe;
    fd_q <= fd_out;
  end
  always_ff @(negedge clk_if_i) {fd_in, out_ready, in_ready} <= {fd_io, flag_out_i, flag_in_i};
  assign fd_io = fd_oe_q ? fd_q : 'z;
`endif

  keyway_device #(
    .IndexBits(4), .DestBits(2), .Depth(1), .DualRead(1'b0), .AuditDepth(2), .WindowBits(4), .Lag(1), .VerdictCounters(1'b0),
    .ClockPs(33333)
  ) u_device (
    .clk_i(clk_if_i), .rst_ni(rst_nq), .fifoadr_o(fifoadr), .sloe_no(sloe_n), .slrd_no(slrd_n), .slwr_no(slwr_n),
    .pktend_no(pktend_n), .out_ready_i(out_ready), .in_ready_i(in_ready), .fd_i(fd_in), .fd_o(fd_out), .fd_oe_o(fd_oe),
    .open_o(open), .count_bad_o(bad), .count_lost_o(lost));

  // Alive, in a session, and what went wrong on the bus since: low bits of the two counts.
  assign led_o = {rst_nq, open, bad[0], lost[0], 1'b0};
  logic unused;
  assign unused = ^{bad[15:1], lost[15:1]};
endmodule
