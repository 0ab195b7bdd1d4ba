// keyway_rr_arbiter, watched by one requester of any number.

module rr_arbiter_proof #(
  parameter int unsigned Width = 4
) (
  input logic             clk_i,
  input logic             again_i,
  input logic             enable_i,
  input logic [Width-1:0] request_i
);
  (* anyconst *) logic [$clog2(Width)-1:0] who;
  logic started = 1'b0, rst_n;
  logic [Width-1:0] grant;
  logic [3:0] others_q;
  always_ff @(posedge clk_i) started <= 1'b1;
  assign rst_n = started && !again_i;

  keyway_rr_arbiter #(.Width(Width)) u_arbiter (.clk_i, .rst_ni(rst_n), .enable_i, .request_i, .grant_o(grant));

  always_ff @(posedge clk_i) begin
    if (!rst_n || !request_i[who] || grant[who]) others_q <= '0;
    else others_q <= others_q + 4'(grant != '0);
    if (rst_n) begin
      //: Only who asks is served.
      a_asked : assert ((grant & ~request_i) == '0);
      //: At most one is served in a clock.
      a_one : assert ((grant & (grant - 1'b1)) == '0);
      //: Somebody is served whenever somebody asks.
      a_work : assert (!enable_i || request_i == '0 || grant != '0);
      //: Whoever keeps asking is served after at most Width - 1 others.
      a_fair : assert (others_q <= 4'(Width - 1));
    end
  end
endmodule
