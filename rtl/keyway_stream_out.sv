// One egress port: whole headers become beats of an AXI4-Stream, the destination beside them.
//
//   Beats   = max(1, 256 / DataBits)
//   Latency = 1 clock from push_i to tvalid_o
//   Rate    = a beat a clock
//
// The queue manager counts the Depth places, so push_i always finds room. popped_o gives a place back.
//
// Narrow = 1 (32 bits, Depth 1): one shift register. popped_o comes with the beat that is 4 before the last, which is the
// time that the next header takes to come; it waits for ready_o.

module keyway_stream_out #(
  parameter int unsigned DataBits = 32,
  parameter int unsigned DestBits = 4,
  parameter int unsigned Depth = 2,
  parameter bit          Narrow = 1'b0
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                push_i,
  input  logic [255:0]        header_i,
  input  logic [DestBits-1:0] dest_i,
  output logic                ready_o,   // Narrow: room for push_i in this clock
  output logic                popped_o,

  output logic                tvalid_o,
  input  logic                tready_i,
  output logic [DataBits-1:0] tdata_o,
  output logic [DestBits-1:0] tdest_o,
  output logic                tlast_o
);
  localparam int unsigned Beats = DataBits >= 256 ? 1 : 256 / DataBits;
  localparam int unsigned BeatBits = Beats == 1 ? 1 : $clog2(Beats);

  logic [BeatBits-1:0] beat_q;
  logic taken;
  assign taken = tvalid_o && tready_i;

  if (Narrow) begin : g_shift
    logic valid_q, last_q;
    logic [255:0] shift_q;
    logic [DestBits-1:0] dest_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        valid_q <= 1'b0;
        last_q <= 1'b0;
      end else begin
        if (push_i) valid_q <= 1'b1;
        else if (taken && last_q) valid_q <= 1'b0;
        if (taken) last_q <= beat_q == BeatBits'(Beats - 2);
      end
      if (push_i) dest_q <= dest_i;
      if (push_i) shift_q <= header_i;
      else if (taken) shift_q <= shift_q >> DataBits;
    end
    assign tvalid_o = valid_q;
    assign tlast_o  = last_q;
    assign tdata_o  = shift_q[DataBits-1:0];
    assign tdest_o  = dest_q;
    assign ready_o  = !valid_q || (tready_i && last_q);
    assign popped_o = taken && beat_q == BeatBits'(Beats - 5);
  end else begin : g_whole
    logic [255:0] header;
    logic ready;
    keyway_small_fifo #(.Width(256 + DestBits), .Depth(Depth)) u_headers (
      .clk_i, .rst_ni, .push_i, .data_i({dest_i, header_i}), .ready_o(ready), .valid_o(tvalid_o),
      .data_o({tdest_o, header}), .pop_i(popped_o));
    assign tlast_o  = Beats == 1 || beat_q == BeatBits'(Beats - 1);
    assign popped_o = taken && tlast_o;
    assign ready_o  = ready;
    if (Beats == 1) begin : g_wide
      assign tdata_o = DataBits'(header);
    end else begin : g_narrow
      assign tdata_o = header[beat_q*DataBits+:DataBits];
    end
  end

  if (Beats == 1) begin : g_one
    assign beat_q = '0;
  end else begin : g_many
    always_ff @(posedge clk_i) begin
      if (!rst_ni) beat_q <= '0;
      else if (taken) beat_q <= beat_q + 1'b1;
    end
  end
endmodule
