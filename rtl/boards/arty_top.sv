// Arty A7 (Artix-7): the folded router with sixteen destinations, at the 100 MHz of its oscillator.

module arty_top (
  input  logic clk_i,
  input  logic rst_ni,     // the red button
  input  logic serial_i,   // to and from the USB chip
  output logic serial_o,
  output logic led_o
);
  logic clk, rst_n;
`ifdef SYNTHESIS
  BUFG u_clock (.I(clk_i), .O(clk));
`else
  assign clk = clk_i;
`endif

  board_reset u_reset (.clk_i(clk), .locked_i(rst_ni), .rst_no(rst_n));
  folded_router #(.DestBits(4), .ClockPs(10000)) u_router (.clk_i(clk), .rst_ni(rst_n), .serial_i, .serial_o);
  assign led_o = rst_n;
endmodule
