// Round robin: the next requester after the last one that was served.
//
// Latency 0 (grant_o in the clock of request_i); one grant a clock. A requester that keeps asking is served
// after at most Width - 1 others.

module keyway_rr_arbiter #(
  parameter int unsigned Width = 4
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             enable_i,   // a grant is given in this clock, if anybody asks
  input  logic [Width-1:0] request_i,
  output logic [Width-1:0] grant_o     // one-hot or zero
);
  // mask_q has the bits above the last one served.
  logic [Width-1:0] mask_q, mask, upper, upper_first, first, chosen;

  assign upper       = request_i & mask_q;
  // Not by `x & -x`, which would be a carry chain.
  for (genvar i = 0; i < Width; i++) begin : g_bit
    localparam logic [Width-1:0] Below = (Width'(1) << i) - 1'b1;
    assign upper_first[i] = upper[i] && (upper & Below) == '0;
    assign first[i]       = request_i[i] && (request_i & Below) == '0;
    assign mask[i]        = (chosen & Below) != '0;
  end
  assign chosen      = (upper != '0) ? upper_first : first;
  assign grant_o     = enable_i ? chosen : '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      mask_q <= '0;
    end else if (enable_i && request_i != '0) begin
      mask_q <= mask;
    end
  end
endmodule
