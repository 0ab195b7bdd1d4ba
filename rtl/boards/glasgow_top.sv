// Glasgow revC (iCE40HX8K): the folded router between two pins of port A, at 96 MHz made from the USB chip's 48 MHz.
// The bus of the USB chip is left alone: its pins are not driven.

module glasgow_top (
  input  logic       clk_if_i,
  input  logic       serial_i,
  output logic       serial_o,
  output logic       serial_i_oe_o,  // of the level shifters: 0 is in, 1 is out
  output logic       serial_o_oe_o,
  output logic [4:0] led_o
);
  logic clk, locked, rst_n;
`ifdef SYNTHESIS
  SB_PLL40_CORE #(
    .FEEDBACK_PATH("SIMPLE"), .DIVR(4'd0), .DIVF(7'd15), .DIVQ(3'd3), .FILTER_RANGE(3'd4)
  ) u_pll (
    .REFERENCECLK(clk_if_i), .PLLOUTGLOBAL(clk), .LOCK(locked), .RESETB(1'b1), .BYPASS(1'b0));
`else
  assign clk = clk_if_i;
  assign locked = 1'b1;
`endif

  board_reset u_reset (.clk_i(clk), .locked_i(locked), .rst_no(rst_n));
  folded_router #(.ClockPs(10417)) u_router (.clk_i(clk), .rst_ni(rst_n), .serial_i, .serial_o);

  assign serial_i_oe_o = 1'b0;
  assign serial_o_oe_o = 1'b1;
  assign led_o = {4'd0, rst_n};
endmodule
