// Lattice iCE40HX8K breakout board: the folded router at 96 MHz, made from the 12 MHz of its oscillator.

module hx8k_top (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic serial_i,
  output logic serial_o
);
  logic clk, locked, rst_n;
`ifdef SYNTHESIS
  SB_PLL40_CORE #(
    .FEEDBACK_PATH("SIMPLE"), .DIVR(4'd0), .DIVF(7'd63), .DIVQ(3'd3), .FILTER_RANGE(3'd1)
  ) u_pll (
    .REFERENCECLK(clk_i), .PLLOUTGLOBAL(clk), .LOCK(locked), .RESETB(1'b1), .BYPASS(1'b0));
`else
  assign clk = clk_i;
  assign locked = 1'b1;
`endif

  board_reset u_reset (.clk_i(clk), .locked_i(locked && rst_ni), .rst_no(rst_n));
  folded_router #(.ClockPs(10417)) u_router (.clk_i(clk), .rst_ni(rst_n), .serial_i, .serial_o);
endmodule
