// Lattice iCE40HX8K breakout board: the folded router at the 12 MHz of its oscillator.

module hx8k_top (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic serial_i,
  output logic serial_o
);
  folded_router u_router (.clk_i, .rst_ni, .serial_i, .serial_o);
endmodule
