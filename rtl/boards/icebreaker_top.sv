// iCEBreaker (iCE40UP5K): the folded router with four destinations and two places a queue, at 24 MHz made from the
// 12 MHz of its oscillator. More does not fit.

module icebreaker_top (
  input  logic clk_i,
  input  logic rst_ni,     // the user button
  input  logic serial_i,   // RX and TX of the USB chip
  output logic serial_o,
  output logic led_no
);
  logic clk, locked, rst_n;
`ifdef SYNTHESIS
  SB_PLL40_PAD #(
    .FEEDBACK_PATH("SIMPLE"), .DIVR(4'd0), .DIVF(7'd63), .DIVQ(3'd5), .FILTER_RANGE(3'd1)
  ) u_pll (
    .PACKAGEPIN(clk_i), .PLLOUTGLOBAL(clk), .LOCK(locked), .RESETB(1'b1), .BYPASS(1'b0));
`else
  assign clk = clk_i;
  assign locked = 1'b1;
`endif

  board_reset u_reset (.clk_i(clk), .locked_i(locked && rst_ni), .rst_no(rst_n));
  folded_router #(.DestBits(2), .Depth(2), .ClockPs(41667)) u_router (.clk_i(clk), .rst_ni(rst_n), .serial_i, .serial_o);
  assign led_no = !rst_n;
endmodule
