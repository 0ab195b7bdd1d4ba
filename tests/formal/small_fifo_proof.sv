// keyway_small_fifo beside two counters: word n carries the number n.

module small_fifo_proof #(
  parameter int unsigned Depth = 2
) (
  input logic clk_i,
  input logic again_i,  // a reset at any time
  input logic push_i,
  input logic pop_i
);
  logic started = 1'b0, rst_n, ready, valid;
  logic [3:0] in_q, out_q, data;
  always_ff @(posedge clk_i) started <= 1'b1;
  assign rst_n = started && !again_i;

  keyway_small_fifo #(.Width(4), .Depth(Depth)) u_fifo (
    .clk_i, .rst_ni(rst_n), .push_i, .data_i(in_q), .ready_o(ready), .valid_o(valid), .data_o(data), .pop_i);

  always_ff @(posedge clk_i) begin
    if (!rst_n) begin
      in_q <= '0;
      out_q <= '0;
    end else begin
      in_q <= in_q + 4'(push_i);
      out_q <= out_q + 4'(pop_i);
      assume (!push_i || ready || pop_i);
      assume (!pop_i || valid);
      //: What leaves is what came in, each word once and in its order.
      a_order : assert (!valid || data == out_q);
      //: A word is offered exactly as long as one is inside.
      a_nothing_lost : assert (valid == (in_q != out_q));
      //: There is room exactly as long as fewer than Depth words are inside.
      a_room : assert (ready == (4'(in_q - out_q) != 4'(Depth)));
    end
  end
endmodule
