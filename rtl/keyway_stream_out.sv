// One egress port: whole headers become beats of an AXI4-Stream, the destination beside them.
//
//   Beats   = max(1, 256 / DataBits)
//   Latency = 1 clock from push_i to tvalid_o
//   Rate    = a beat a clock
//
// The queue manager counts the Depth places, so push_i always finds room. popped_o gives a place back.

module keyway_stream_out #(
  parameter int unsigned DataBits = 32,
  parameter int unsigned DestBits = 4,
  parameter int unsigned Depth = 2
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                push_i,
  input  logic [255:0]        header_i,
  input  logic [DestBits-1:0] dest_i,
  output logic                popped_o,

  output logic                tvalid_o,
  input  logic                tready_i,
  output logic [DataBits-1:0] tdata_o,
  output logic [DestBits-1:0] tdest_o,
  output logic                tlast_o
);
  localparam int unsigned Beats = DataBits >= 256 ? 1 : 256 / DataBits;
  localparam int unsigned BeatBits = Beats == 1 ? 1 : $clog2(Beats);

  logic [255:0] header;
  logic [BeatBits-1:0] beat_q;
  logic ready;

  keyway_small_fifo #(.Width(256 + DestBits), .Depth(Depth)) u_headers (
    .clk_i, .rst_ni, .push_i, .data_i({dest_i, header_i}), .ready_o(ready), .valid_o(tvalid_o),
    .data_o({tdest_o, header}), .pop_i(popped_o));

  assign tlast_o  = Beats == 1 || beat_q == BeatBits'(Beats - 1);
  assign popped_o = tvalid_o && tready_i && tlast_o;

  if (Beats == 1) begin : g_wide
    assign tdata_o = DataBits'(header);
    assign beat_q = '0;
  end else begin : g_narrow
    assign tdata_o = header[beat_q*DataBits+:DataBits];
    always_ff @(posedge clk_i) begin
      if (!rst_ni) beat_q <= '0;
      else if (tvalid_o && tready_i) beat_q <= beat_q + 1'b1;
    end
  end

  logic unused;
  assign unused = ready;
endmodule
