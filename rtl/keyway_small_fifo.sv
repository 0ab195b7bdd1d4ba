// A FIFO of a few words in flip-flops; its head is a register.
//
// Latency 1 clock; one push and one pop a clock. Neither flag depends on this clock's inputs, so no path leads
// from ready to valid. With Depth 1 it takes a word every second clock, with Depth >= 2 every clock.

module keyway_small_fifo #(
  parameter int unsigned Width = 32,
  parameter int unsigned Depth = 2
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             push_i,   // only when ready_o, or together with pop_i
  input  logic [Width-1:0] data_i,
  output logic             ready_o,
  output logic             valid_o,
  output logic [Width-1:0] data_o,
  input  logic             pop_i     // only when valid_o
);
  // Word k is occupied when used_q[k]; the head is word 0 and the others move down.
  logic [Depth-1:0]       used_q;
  logic [Depth*Width-1:0] words_q;

  assign ready_o = !used_q[Depth-1];
  assign valid_o = used_q[0];
  assign data_o  = words_q[Width-1:0];

  for (genvar k = 0; k < Depth; k++) begin : g_word
    // Where the pushed word lands: the first free place after this clock's pop.
    logic lower_used, own_used, upper_used;
    assign own_used = used_q[k];
    if (k == 0) begin : g_low
      assign lower_used = 1'b1;
    end else begin : g_low
      assign lower_used = used_q[k-1];
    end
    if (k == Depth - 1) begin : g_up
      assign upper_used = 1'b0;
    end else begin : g_up
      assign upper_used = used_q[k+1];
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        used_q[k] <= 1'b0;
      end else if (push_i && !pop_i) begin
        used_q[k] <= lower_used;
      end else if (pop_i && !push_i) begin
        used_q[k] <= upper_used;
      end
      if (pop_i ? !upper_used : !own_used) begin
        words_q[k*Width+:Width] <= data_i;
      end else if (pop_i) begin
        if (k < Depth - 1) words_q[k*Width+:Width] <= words_q[((k+1)%Depth)*Width+:Width];
      end
    end
  end

`ifdef FORMAL
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      a_no_overflow : assert (!(push_i && !ready_o && !pop_i));
      a_no_underflow : assert (!(pop_i && !valid_o));
    end
  end
`endif
endmodule
