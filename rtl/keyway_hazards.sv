// Which look-ups are stale: whose row was written by an operation ahead that the look-up did not see.
//
//   Latency  the outputs belong to the operation at clock 4: they compare what it brought to clock 3 with all that was
//            ahead of it then, and with the outcome of the one directly ahead, which is known only at clock 4.
//   Rate     an operation a clock.
//
// A row is read at clock 0 (authority) or 1 (carried) and written at clock 5, so 5 (4) operations ahead count. With one
// copy of the table (DualRead = 0) a one-shot is consumed a clock later, and one more counts for that.
//
// Held = 1: messages come at least 7 clocks apart and commands at least 7 clocks after a message, so that only a
// command can be ahead, and only one.

module keyway_hazards #(
  parameter int unsigned IndexBits = 8,
  parameter bit          DualRead = 1'b1,
  parameter bit          Held = 1'b0
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  // Clock 3.
  input  logic                 s3_writes_i,  // a command that writes a row, or all
  input  logic                 s3_clears_i,
  input  logic [IndexBits-1:0] s3_aidx_i,    // row of the authority, or of the command
  input  logic [IndexBits-1:0] s3_cidx_i,    // row of the carried capability
  // Clock 4: what it would write and consume, if it is delivered.
  input  logic                 s4_valid_i,
  input  logic [IndexBits-1:0] s4_windex_i,
  input  logic [IndexBits-1:0] s4_aidx_i,
  // Clock 5: what it did.
  input  logic                 v_write_i,
  input  logic                 v_ended_i,    // by writing the row it ended the id that was there
  input  logic                 v_consume_i,
  input  logic                 v_clear_i,
  input  logic [IndexBits-1:0] v_windex_i,
  input  logic [IndexBits-1:0] v_aidx_i,
  // Clock 4.
  output logic                 a_stale_o,
  output logic                 a_ended_o,    // stale, and the id has ended
  output logic                 c_stale_o,
  output logic                 c_ended_o
);
  if (Held) begin : g_held
    logic [3:0] window_q;  // the command was at clock 3 so many clocks ago
    logic near_q;          // at most 5 clocks ago
    logic [IndexBits-1:0] index_q;
    logic clears_q, a_stale_q, c_stale_q;
    always_ff @(posedge clk_i) begin
      window_q <= rst_ni ? {window_q[2:0], s3_writes_i} : '0;
      near_q <= rst_ni && (s3_writes_i || window_q != '0);
      if (s3_writes_i) begin
        index_q <= s3_aidx_i;
        clears_q <= s3_clears_i;
      end
      a_stale_q <= near_q && (clears_q || index_q == s3_aidx_i);
      c_stale_q <= near_q && (clears_q || index_q == s3_cidx_i);
    end
    assign a_stale_o = a_stale_q;
    assign c_stale_o = c_stale_q;
    assign {a_ended_o, c_ended_o} = '0;
    logic unused;
    assign unused = ^{s4_valid_i, s4_windex_i, s4_aidx_i, v_write_i, v_ended_i, v_consume_i, v_clear_i, v_windex_i, v_aidx_i};
  end else begin : g_each
    localparam int unsigned Late = DualRead ? 0 : 1;
    localparam int unsigned Back = 3 + Late;  // clocks that are remembered after clock 5
    logic [Back-1:0] write_q, ended_q, consume_q, clear_q;
    logic [Back*IndexBits-1:0] windex_q, aidx_q;
    // The nearest is number 0: the one at clock 5.
    logic [Back:0] writes, ends, consumes, clears;
    logic [(Back+1)*IndexBits-1:0] windexes, aidxes;
    assign writes   = {write_q, v_write_i};
    assign ends     = {ended_q, v_ended_i};
    assign consumes = {consume_q, v_consume_i};
    assign clears   = {clear_q, v_clear_i};
    assign windexes = {windex_q, v_windex_i};
    assign aidxes   = {aidx_q, v_aidx_i};
    always_ff @(posedge clk_i) begin
      write_q <= rst_ni ? writes[Back-1:0] : '0;
      ended_q <= ends[Back-1:0];
      consume_q <= rst_ni ? consumes[Back-1:0] : '0;
      clear_q <= rst_ni ? clears[Back-1:0] : '0;
      windex_q <= windexes[Back*IndexBits-1:0];
      aidx_q <= aidxes[Back*IndexBits-1:0];
    end

    logic a_ended, a_changed, c_ended, c_changed;
    always_comb begin
      a_ended = 1'b0;
      a_changed = 1'b0;
      c_ended = 1'b0;
      c_changed = 1'b0;
      for (int unsigned k = 0; k <= Back; k++) begin
        if (k < 4 + Late && consumes[k] && aidxes[k*IndexBits+:IndexBits] == s3_aidx_i) a_ended = 1'b1;
        if (k < 3 + Late && consumes[k] && aidxes[k*IndexBits+:IndexBits] == s3_cidx_i) c_ended = 1'b1;
        if (k < 4 && writes[k] && windexes[k*IndexBits+:IndexBits] == s3_aidx_i) begin
          if (ends[k]) a_ended = 1'b1;
          else a_changed = 1'b1;
        end
        if (k < 3 && writes[k] && windexes[k*IndexBits+:IndexBits] == s3_cidx_i) begin
          if (ends[k]) c_ended = 1'b1;
          else c_changed = 1'b1;
        end
        if (k < 4 && clears[k]) a_changed = 1'b1;
        if (k < 3 && clears[k]) c_changed = 1'b1;
      end
    end

    logic a_ended_q, a_changed_q, c_ended_q, c_changed_q;
    logic near_aw_q, near_ak_q, near_cw_q, near_ck_q;  // against the one directly ahead, whose outcome is yet to come
    always_ff @(posedge clk_i) begin
      a_ended_q <= a_ended;
      a_changed_q <= a_changed;
      c_ended_q <= c_ended;
      c_changed_q <= c_changed;
      near_aw_q <= s4_valid_i && s4_windex_i == s3_aidx_i;
      near_ak_q <= s4_valid_i && s4_aidx_i == s3_aidx_i;
      near_cw_q <= s4_valid_i && s4_windex_i == s3_cidx_i;
      near_ck_q <= s4_valid_i && s4_aidx_i == s3_cidx_i;
    end
    assign a_ended_o = a_ended_q || (near_ak_q && v_consume_i) || (near_aw_q && v_write_i && v_ended_i);
    assign a_stale_o = a_ended_o || a_changed_q || (near_aw_q && v_write_i) || v_clear_i;
    assign c_ended_o = c_ended_q || (near_ck_q && v_consume_i) || (near_cw_q && v_write_i && v_ended_i);
    assign c_stale_o = c_ended_o || c_changed_q || (near_cw_q && v_write_i) || v_clear_i;
    logic unused;
    assign unused = ^{s3_writes_i, s3_clears_i, windex_q, aidx_q, ended_q, write_q, clear_q};
  end
endmodule
