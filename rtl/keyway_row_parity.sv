// Notices a row of a RAM that is no longer what was written: a parity bit a row, beside the RAM.
//
//   Latency  bad_o comes 2 clocks after the row that it speaks of, so that no tree stands in the row's way.
//   Rate     a read and a write a clock, as the RAM's own.
//
// The bits lie in a RAM of their own, which is written and read a clock later than the rows: what holds of reads and writes
// of the rows holds of the bits as well. One wrong bit is noticed in every case, several if their number is odd.

module keyway_row_parity #(
  parameter int unsigned Width = 16,
  parameter int unsigned AddrBits = 8
) (
  input  logic                clk_i,
  input  logic                we_i,     // as the RAM of the rows has it
  input  logic [AddrBits-1:0] waddr_i,
  input  logic [Width-1:0]    wdata_i,
  input  logic [AddrBits-1:0] raddr_i,
  input  logic [Width-1:0]    row_i,    // what the RAM shows, a clock after raddr_i
  input  logic                check_i,  // with row_i: it has been written
  output logic                bad_o
);
  localparam int unsigned Parts = (Width + 3) / 4;  // each as much as one look-up table takes

  logic [4*Parts-1:0] wdata, row;
  logic [Parts-1:0] written_q, shown_q;
  logic [AddrBits-1:0] waddr_q, raddr_q;
  logic we_q, check_q, stored;
  assign wdata = (4 * Parts)'(wdata_i);
  assign row   = (4 * Parts)'(row_i);

  always_ff @(posedge clk_i) begin
    for (int unsigned k = 0; k < Parts; k++) begin
      written_q[k] <= ^wdata[4*k+:4];
      shown_q[k] <= ^row[4*k+:4];
    end
    we_q <= we_i;
    waddr_q <= waddr_i;
    raddr_q <= raddr_i;
    check_q <= check_i;
    bad_o <= check_q && (^shown_q != stored);
  end

  keyway_ram #(.Width(1), .AddrBits(AddrBits)) u_bits (
`ifdef FORMAL
    .f_addr_a_i('0), .f_addr_c_i('0), .f_word_a_o(), .f_word_c_o(),
`endif
    .clk_i, .we_i(we_q), .waddr_i(waddr_q), .wdata_i(^written_q), .raddr_i(raddr_q), .rdata_o(stored));
endmodule
