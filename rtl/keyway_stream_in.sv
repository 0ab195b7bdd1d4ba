// One ingress port: beats of an AXI4-Stream become whole 256-bit headers, and bad frames become one flagged
// header each.
//
//   Beats   = max(1, 256 / DataBits)
//   Latency = 1 clock from the last beat to valid_o
//   Rate    = a beat a clock, if the consumer takes a header within Beats - 1 clocks (at once where Beats = 1 or
//             Buffered = 0, which saves 256 flip-flops where nobody else competes)
//
// A frame is exactly one header: the payload waits in the host's memory. A frame that ends early, goes on too
// long, or is torn by reset_port_i is passed on once with bad_o set and whatever was gathered, so that it is counted;
// the rest of it is swallowed up to its tlast. The next good frame is always accepted.

module keyway_stream_in #(
  parameter int unsigned DataBits = 32,
  parameter bit          Buffered = 1'b1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                enable_i,      // the port takes beats
  input  logic                reset_port_i,  // one clock: forget the frame in progress
  output logic                in_frame_o,
  output logic                soon_o,        // the next beat completes a header
  output logic                stopped_o,     // swallowing the rest of a bad frame

  input  logic                tvalid_i,
  output logic                tready_o,
  input  logic [DataBits-1:0] tdata_i,
  input  logic                tlast_i,

  output logic                valid_o,
  output logic                bad_o,
  output logic [255:0]        header_o,
  input  logic                pop_i          // Buffered = 0: may be set without valid_o
);
  localparam int unsigned Beats = DataBits >= 256 ? 1 : 256 / DataBits;
  localparam int unsigned BeatBits = Beats == 1 ? 1 : $clog2(Beats);
  localparam int unsigned Depth = Beats == 1 ? 2 : 1;

  logic [BeatBits-1:0] beat_q;
  logic swallow_q, torn_q, ready, offered, take, last_beat, push, bad, early, cut, buffered;
  logic [255:0] whole;

  assign last_beat = Beats == 1 || beat_q == BeatBits'(Beats - 1);
  // Where headers are buffered only the beat that completes one waits for room. tlast_i must not lead to tready_o, so the flag of a frame
  // that ends early without room waits in torn_q.
  assign tready_o   = enable_i && !reset_port_i && !torn_q && (ready || (buffered && (swallow_q || !last_beat)));
  assign offered    = tvalid_i && enable_i && !reset_port_i && !torn_q;
  assign take       = tvalid_i && tready_o;
  assign soon_o     = last_beat;
  assign in_frame_o = beat_q != '0 || swallow_q;
  assign stopped_o  = swallow_q;

  // What is pushed is only looked at when there is room, so `ready` need not lead to it through tready_o.
  assign early = offered && !swallow_q && tlast_i && !last_beat;
  assign cut   = reset_port_i && beat_q != '0;
  assign push  = ((offered && !swallow_q && last_beat) || early || cut || torn_q) && ready;
  assign bad   = !tlast_i || !last_beat || cut || torn_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      swallow_q <= 1'b0;
      torn_q <= 1'b0;
    end else begin
      torn_q <= ((buffered && early) || cut || torn_q) && !ready;
      if (reset_port_i) begin
        beat_q <= '0;
        swallow_q <= swallow_q || beat_q != '0;
      end else if (take) begin
        if (swallow_q) begin
          swallow_q <= !tlast_i;
        end else if (tlast_i || last_beat) begin
          beat_q <= '0;
          swallow_q <= !tlast_i;
        end else begin
          beat_q <= beat_q + 1'b1;
        end
      end
    end
  end

  if (Beats == 1) begin : g_wide
    assign whole = tdata_i[255:0];
    if (DataBits > 256) begin : g_rest
      logic unused;
      assign unused = ^tdata_i[DataBits-1:256];
    end
  end else if (Buffered) begin : g_shift
    logic [255:0] gathered_q;
    always_ff @(posedge clk_i) if (take) gathered_q <= {tdata_i, gathered_q[255:DataBits]};
    assign whole = {tdata_i, gathered_q[255:DataBits]};
    logic unused;
    assign unused = ^gathered_q[DataBits-1:0];
  end else begin : g_place
    // Beat k stays until it is the turn of beat k of the next frame: the pipeline relies on that (keyway_pipeline, Held).
    // Until it comes, what stands at the port is taken down again and again.
    logic [255:0] gathered_q;
    for (genvar k = 0; k < Beats; k++) begin : g_beat
      always_ff @(posedge clk_i) begin
        if (beat_q == BeatBits'(k) && (k != 0 || ready)) gathered_q[k*DataBits+:DataBits] <= tdata_i;
      end
    end
    assign whole = gathered_q;
  end

  if (Beats == 1 || Buffered) begin : g_buffer
    keyway_small_fifo #(.Width(257), .Depth(Depth)) u_header (
      .clk_i, .rst_ni, .push_i(push), .data_i({bad, whole}), .ready_o(ready), .valid_o(valid_o),
      .data_o({bad_o, header_o}), .pop_i(pop_i));
    assign buffered = 1'b1;
  end else begin : g_buffer
    // The header stays where it was gathered; the next beat may come in the clock in which it is taken.
    logic full_q;
    logic bad_q;
    assign ready = !full_q || pop_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) full_q <= 1'b0;
      else if (ready) full_q <= push;
      if (ready) bad_q <= bad;
    end
    assign buffered = 1'b0;
    assign valid_o = full_q;
    assign bad_o = bad_q;
    assign header_o = whole;
  end
endmodule
