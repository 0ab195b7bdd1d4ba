// keyway_fifo beside two counters: word n carries the number n. Its user never puts in more than fits.

module fifo_proof #(
  parameter int unsigned AddrBits = 2
) (
  input logic clk_i,
  input logic again_i,
  input logic push_i,
  input logic pop_i
);
  logic started = 1'b0, rst_n, busy, valid;
  logic [3:0] in_q, out_q, data;
  logic [1:0] waited_q;
  always_ff @(posedge clk_i) started <= 1'b1;
  assign rst_n = started && !again_i;

  keyway_fifo #(.Width(4), .AddrBits(AddrBits)) u_fifo (
    .clk_i, .rst_ni(rst_n), .push_i, .data_i(in_q), .busy_o(busy), .valid_o(valid), .data_o(data), .pop_i);

  always_ff @(posedge clk_i) begin
    if (!rst_n) begin
      in_q <= '0;
      out_q <= '0;
      waited_q <= '0;
    end else begin
      in_q <= in_q + 4'(push_i);
      out_q <= out_q + 4'(pop_i);
      waited_q <= (in_q == out_q || valid) ? '0 : waited_q + 1'b1;
      assume (!push_i || 4'(in_q - out_q) < 4'((1 << AddrBits) + 2));
      assume (!pop_i || valid);
      //: What leaves is what came in, each word once and in its order.
      a_order : assert (!valid || data == out_q);
      //: It is busy exactly as long as a word is inside.
      a_nothing_lost : assert (busy == (in_q != out_q));
      //: A word that is inside is offered in the second clock at the latest.
      a_prompt : assert (waited_q < 2);
    end
  end
endmodule
