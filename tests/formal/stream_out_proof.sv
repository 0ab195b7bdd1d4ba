// keyway_stream_out: header n carries n in every beat, and the beat's own number.

module stream_out_proof #(
  parameter int unsigned DataBits = 128
) (
  input logic clk_i,
  input logic again_i,
  input logic push_i,
  input logic ready_i
);
  localparam int unsigned Beats = DataBits >= 256 ? 1 : 256 / DataBits;
  localparam int unsigned Depth = 2;
  logic started = 1'b0, rst_n, popped, valid, last, stalled_q, last_q;
  logic [3:0] in_q, out_q, beat_q;
  logic [DataBits-1:0] data;
  logic [1:0] dest;
  logic [9:0] seen_q;
  logic [255:0] header;
  always_ff @(posedge clk_i) started <= 1'b1;
  assign rst_n = started && !again_i;
  always_comb begin
    header = '0;
    for (int unsigned b = 0; b < Beats; b++) begin
      header[b*DataBits+:4] = in_q;
      header[b*DataBits+4+:4] = 4'(b);
    end
  end

  keyway_stream_out #(.DataBits(DataBits), .DestBits(2), .Depth(Depth)) u_out (
    .clk_i, .rst_ni(rst_n), .push_i, .header_i(header), .dest_i(in_q[1:0]), .popped_o(popped), .tvalid_o(valid),
    .tready_i(ready_i), .tdata_o(data), .tdest_o(dest), .tlast_o(last));

  always_ff @(posedge clk_i) begin
    stalled_q <= rst_n && valid && !ready_i;
    seen_q <= {dest, data[7:0]};
    last_q <= last;
    if (!rst_n) begin
      in_q <= '0;
      out_q <= '0;
      beat_q <= '0;
    end else begin
      in_q <= in_q + 4'(push_i);
      assume (!push_i || 4'(in_q - out_q) < 4'(Depth));
      if (valid && ready_i) begin
        beat_q <= last ? '0 : beat_q + 1'b1;
        out_q <= out_q + 4'(last);
      end
      //: Beats leave in order, each header once, with its destination.
      a_order : assert (!valid || (data[3:0] == out_q && data[7:4] == beat_q && dest == out_q[1:0]));
      //: A frame has exactly the beats of one header.
      a_frame : assert (last == (beat_q == 4'(Beats - 1)));
      //: The place is given back with the last beat, once a header.
      a_place : assert (popped == (valid && ready_i && last));
      //: A beat that is not taken stays, unchanged.
      a_stable : assert (!stalled_q || (valid && seen_q == {dest, data[7:0]} && last_q == last));
      //: Something is offered exactly as long as a header is inside.
      a_nothing_lost : assert (valid == (in_q != out_q));
    end
  end
endmodule
