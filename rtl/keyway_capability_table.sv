// The rows of the capability table: a direct-mapped cache of the host's table, by the low bits of the slot.
//
//   Latency 1 clock for the authority (addr_a_i to row_a_o), 1 clock for the carried capability (addr_c_i to row_c_o);
//           live bits come in the same clock as the rows, bad_a_o and bad_c_o 2 clocks after them.
//   Rate    DualRead = 1: both look-ups and a write every clock; two copies of the RAM.
//           DualRead = 0: one copy. read_c_i claims its read port, so a message may come every second clock, and a
//           one-shot is consumed a clock after the other write of its message.
//
// A row that is not what was written is bad (keyway_row_parity). With DualRead = 0 that goes for its live bit too.
//
// A row in the RAM counts only while its live bit is set. A read does not see writes of the same clock: the pipeline
// knows which of its look-ups are stale (see keyway_hazards).
//
// With DualRead = 1 live bits are flip-flops, so that a one-shot can be consumed and another row be written in the same
// clock. With DualRead = 0 they lie in the RAM beside the row, which saves most of the logic; clear_i and reset then take
// Rows clocks to write them all, in which nothing is live and ready_o is low: no row may be written.

module keyway_capability_table #(
  parameter int unsigned IndexBits = 8,
  parameter bit          DualRead = 1'b1,
  localparam int unsigned TagBits = 20 - IndexBits,
  localparam int unsigned RowBits = TagBits + 125  // of the entry all but `valid` and two spare bits
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  output logic                 ready_o,

  input  logic [IndexBits-1:0] addr_a_i,
  output logic [RowBits-1:0]   row_a_o,
  output logic                 live_a_o,
  output logic                 bad_a_o,      // of the row that was shown two clocks ago
  input  logic                 read_c_i,
  input  logic [IndexBits-1:0] addr_c_i,
  output logic [RowBits-1:0]   row_c_o,
  output logic                 live_c_o,
  output logic                 bad_c_o,

  input  logic                 write_i,      // writes the row, and sets its live bit or (kill) clears it
  input  logic                 kill_i,
  input  logic [IndexBits-1:0] write_addr_i,
  input  logic [RowBits-1:0]   row_i,
  input  logic                 consume_i,    // clears another live bit
  input  logic [IndexBits-1:0] consume_addr_i,
  input  logic                 clear_i       // clears all
`ifdef FORMAL
  , input  logic [IndexBits-1:0] f_addr_a_i, // two rows for proofs to look at, as the two look-ups see them
  input  logic [IndexBits-1:0] f_addr_c_i,
  output logic [RowBits-1:0]   f_row_a_o,
  output logic [RowBits-1:0]   f_row_c_o,
  output logic                 f_live_a_o,
  output logic                 f_live_c_o
`endif
);
  localparam int unsigned Rows = 1 << IndexBits;

  if (DualRead) begin : g_two
    localparam int unsigned LowBits = IndexBits / 2;
    localparam int unsigned HighBits = IndexBits - LowBits;
    assign ready_o = 1'b1;

    logic row_we;
    assign row_we = write_i && !kill_i;
`ifdef FORMAL
    logic [RowBits-1:0] f_copy_a, f_copy_c;
`endif
    keyway_ram #(.Width(RowBits), .AddrBits(IndexBits)) u_authority (
`ifdef FORMAL
      .f_addr_a_i, .f_addr_c_i, .f_word_a_o(f_row_a_o), .f_word_c_o(f_row_c_o),
`endif
      .clk_i, .we_i(row_we), .waddr_i(write_addr_i), .wdata_i(row_i), .raddr_i(addr_a_i), .rdata_o(row_a_o));
    keyway_ram #(.Width(RowBits), .AddrBits(IndexBits)) u_carried (
`ifdef FORMAL
      .f_addr_a_i, .f_addr_c_i, .f_word_a_o(f_copy_a), .f_word_c_o(f_copy_c),
`endif
      .clk_i, .we_i(row_we), .waddr_i(write_addr_i), .wdata_i(row_i), .raddr_i(addr_c_i), .rdata_o(row_c_o));
    keyway_row_parity #(.Width(RowBits), .AddrBits(IndexBits)) u_authority_parity (
      .clk_i, .we_i(row_we), .waddr_i(write_addr_i), .wdata_i(row_i), .raddr_i(addr_a_i), .row_i(row_a_o),
      .check_i(live_a_o), .bad_o(bad_a_o));
    keyway_row_parity #(.Width(RowBits), .AddrBits(IndexBits)) u_carried_parity (
      .clk_i, .we_i(row_we), .waddr_i(write_addr_i), .wdata_i(row_i), .raddr_i(addr_c_i), .row_i(row_c_o),
      .check_i(live_c_o), .bad_o(bad_c_o));
    logic unused;
    assign unused = read_c_i;

    logic [Rows-1:0] live_q;
    for (genvar i = 0; i < Rows; i++) begin : g_live
      logic written, consumed;
      assign written  = write_i && write_addr_i == IndexBits'(i);
      assign consumed = consume_i && consume_addr_i == IndexBits'(i);
      always_ff @(posedge clk_i) begin
        if (!rst_ni || clear_i) live_q[i] <= 1'b0;
        else if (written || consumed) live_q[i] <= written && !kill_i;
      end
    end

    // Two levels of choosing, a register after the first; the second is left to the user's own register.
    logic [(1<<HighBits)-1:0] group_a_q, group_c_q;
    logic [HighBits-1:0] high_a_q, high_c_q;
    always_ff @(posedge clk_i) begin
      high_a_q <= addr_a_i[IndexBits-1:LowBits];
      high_c_q <= addr_c_i[IndexBits-1:LowBits];
    end
    for (genvar g = 0; g < (1 << HighBits); g++) begin : g_group
      logic [(1<<LowBits)-1:0] live;
      assign live = live_q[g*(1<<LowBits)+:(1<<LowBits)];
      always_ff @(posedge clk_i) begin
        group_a_q[g] <= live[addr_a_i[LowBits-1:0]];
        group_c_q[g] <= live[addr_c_i[LowBits-1:0]];
      end
    end
    assign live_a_o = group_a_q[high_a_q];
    assign live_c_o = group_c_q[high_c_q];

`ifdef FORMAL
    assign f_live_a_o = live_q[f_addr_a_i];
    assign f_live_c_o = live_q[f_addr_c_i];
    always_ff @(posedge clk_i) begin
      // Both copies hold the same rows.
      if (rst_ni) a_copies : assert ((!f_live_a_o || f_copy_a == f_row_a_o) && (!f_live_c_o || f_copy_c == f_row_c_o));
    end
`endif
  end else begin : g_one
    // Sweeping is over one clock after the last row was written: a read of that very row may have met its write.
    logic sweep_q, swept_q, consume_q, live;
    logic [IndexBits-1:0] sweep_addr_q, consume_addr_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || clear_i) begin
        sweep_q <= 1'b1;
        sweep_addr_q <= '0;
      end else begin
        if (sweep_addr_q == '1) sweep_q <= 1'b0;
        sweep_addr_q <= sweep_addr_q + 1'b1;
      end
      swept_q <= !sweep_q;
      consume_q <= rst_ni && consume_i;
      consume_addr_q <= consume_addr_i;
    end
    assign ready_o = !sweep_q && swept_q;

    logic [IndexBits-1:0] waddr, raddr;
    logic we, alive;
    assign we    = sweep_q || consume_q || write_i;
    assign waddr = sweep_q ? sweep_addr_q : consume_q ? consume_addr_q : write_addr_i;
    assign raddr = read_c_i ? addr_c_i : addr_a_i;
    assign alive = !(sweep_q || consume_q || kill_i);
    keyway_ram #(.Width(RowBits + 1), .AddrBits(IndexBits)) u_both (
`ifdef FORMAL
      .f_addr_a_i, .f_addr_c_i, .f_word_a_o({f_live_a_o, f_row_a_o}), .f_word_c_o({f_live_c_o, f_row_c_o}),
`endif
      .clk_i, .we_i(we), .waddr_i(waddr), .wdata_i({alive, row_i}), .raddr_i(raddr), .rdata_o({live, row_a_o}));
    keyway_row_parity #(.Width(RowBits + 1), .AddrBits(IndexBits)) u_parity (
      .clk_i, .we_i(we), .waddr_i(waddr), .wdata_i({alive, row_i}), .raddr_i(raddr), .row_i({live, row_a_o}),
      .check_i(ready_o), .bad_o(bad_a_o));
    assign row_c_o = row_a_o;
    assign live_a_o = live && ready_o;
    assign live_c_o = live_a_o;
    assign bad_c_o = bad_a_o;
  end
endmodule
