// keyway_stream_in beside a model that says for each frame whether it is good, at the beat at which that is known.

module stream_in_proof #(
  parameter int unsigned DataBits = 128,
  parameter bit          Buffered = 1'b1
) (
  input logic       clk_i,
  input logic       again_i,
  input logic       enable_i,
  input logic       reset_port_i,
  input logic       valid_i,
  input logic [1:0] data_i,
  input logic       last_i,
  input logic       pop_i
);
  localparam int unsigned Beats = DataBits >= 256 ? 1 : 256 / DataBits;
  localparam int unsigned BitsOf = 2 * Beats;
  logic started = 1'b0, rst_n, ready, valid, bad, in_frame, soon, stopped;
  logic [DataBits-1:0] data;
  logic [255:0] header;
  always_ff @(posedge clk_i) started <= 1'b1;
  assign rst_n = started && !again_i;
  assign data = DataBits'(data_i);

  keyway_stream_in #(.DataBits(DataBits), .Buffered(Buffered)) u_in (
    .clk_i, .rst_ni(rst_n), .enable_i, .reset_port_i, .in_frame_o(in_frame), .soon_o(soon), .stopped_o(stopped), .tvalid_i(valid_i),
    .tready_o(ready), .tdata_i(data), .tlast_i(last_i), .valid_o(valid), .bad_o(bad), .header_o(header), .pop_i);

  // The model: where in the frame we are, what came of it so far, and what is owed to the reader.
  logic [3:0] beat_q;
  logic skip_q, taken, decided, decided_bad, fresh_q;
  logic [BitsOf-1:0] gathered_q, gathered, out_data;
  logic [3:0] in_q, out_q;
  logic [BitsOf:0] owed[4];
  logic [1:0] blocked_q, hidden_q;
  assign taken = valid_i && ready;
  assign gathered = BitsOf'({data_i, gathered_q} >> 2);
  always_comb begin
    decided = 1'b0;
    decided_bad = 1'b0;
    if (reset_port_i) begin
      decided = beat_q != '0;
      decided_bad = 1'b1;
    end else if (taken && !skip_q) begin
      decided = last_i || beat_q == 4'(Beats - 1);
      decided_bad = !(last_i && beat_q == 4'(Beats - 1));
    end
    for (int unsigned b = 0; b < Beats; b++) out_data[b*2+:2] = header[b*DataBits+:2];
  end

  always_ff @(posedge clk_i) begin
    fresh_q <= rst_n && valid && !pop_i && !reset_port_i;
    if (!rst_n) begin
      beat_q <= '0;
      skip_q <= 1'b0;
      in_q <= '0;
      out_q <= '0;
      blocked_q <= '0;
      hidden_q <= '0;
    end else begin
      if (taken) gathered_q <= gathered;
      if (reset_port_i) begin
        skip_q <= skip_q || beat_q != '0;
        beat_q <= '0;
      end else if (taken) begin
        skip_q <= !last_i && (skip_q || decided);
        beat_q <= (skip_q || decided) ? '0 : beat_q + 1'b1;
      end
      if (decided) begin
        in_q <= in_q + 1'b1;
        owed[in_q[1:0]] <= {decided_bad, gathered};
      end
      out_q <= out_q + 4'(pop_i);
      // Clocks in which a sender waits though the reader takes at once.
      blocked_q <= (valid_i && enable_i && !reset_port_i && !ready && (pop_i || !valid)) ? blocked_q + 1'b1 : '0;
      hidden_q <= (in_q != out_q && !valid) ? hidden_q + 1'b1 : '0;
      assume (!pop_i || valid);
      //: Each frame gives one header: good exactly if it had as many beats as a header, else flagged.
      a_verdict : assert (!valid || (in_q != out_q && bad == owed[out_q[1:0]][BitsOf]));
      //: A good header is the beats of its frame, in order.
      a_content : assert (!valid || bad || out_data == owed[out_q[1:0]][BitsOf-1:0]);
      //: No frame is lost: what is owed is offered, after at most a clock in which a torn frame moves up.
      a_nothing_lost : assert (hidden_q < 2);
      //: No frame comes out twice or from nowhere.
      a_no_invention : assert (in_q != out_q || !valid);
      //: A header that is not taken stays.
      a_stable : assert (!fresh_q || valid);
      //: Whatever came before, the next frame is taken: no sender waits for more than two clocks of a willing reader.
      a_alive : assert (blocked_q < 3);
      //: The status says where in a frame the port is.
      a_status : assert (in_frame == (beat_q != '0 || skip_q) && stopped == skip_q);
    end
  end
endmodule
