// The only place where the router asks for block RAM: one write port, one read port, one clock.
//
// Latency 1 clock from raddr_i to rdata_o; one read and one write a clock. A read of the address that is being
// written in the same clock gives an undefined word: whoever instantiates this forwards, or never does it.
// (Saying so by `no_rw_check` keeps yosys from building collision logic out of LUTs.)

module keyway_ram #(
  parameter int unsigned Width = 16,
  parameter int unsigned AddrBits = 8
) (
  input  logic                clk_i,
  input  logic                we_i,
  input  logic [AddrBits-1:0] waddr_i,
  input  logic [Width-1:0]    wdata_i,
  input  logic [AddrBits-1:0] raddr_i,
  output logic [Width-1:0]    rdata_o
`ifdef FORMAL
  , input  logic [AddrBits-1:0] f_addr_a_i,  // two words for proofs to look at
  input  logic [AddrBits-1:0] f_addr_c_i,
  output logic [Width-1:0]    f_word_a_o,
  output logic [Width-1:0]    f_word_c_o
`endif
);
  (* no_rw_check *)
  logic [Width-1:0] mem[1 << AddrBits] /* verilator public_flat_rw */;  // tests damage it

  always_ff @(posedge clk_i) begin
    if (we_i) mem[waddr_i] <= wdata_i;
    rdata_o <= mem[raddr_i];
  end

`ifdef FORMAL
  assign f_word_a_o = mem[f_addr_a_i];
  assign f_word_c_o = mem[f_addr_c_i];
`endif
endmodule
