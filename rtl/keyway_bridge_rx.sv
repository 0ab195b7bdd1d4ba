// Bytes of the device link to frames: takes the byte stuffing off, checks the checksum, judges the sequence, and keeps what is good
// until it is taken.
//
//   Latency  5 clocks from a frame's closing border until its first word is offered
//   Rate     a byte a clock, always; a word every second clock out
//
// A frame that is damaged, too long, or not wanted leaves nothing but a count. The closing zero of every frame brings the
// module back into step whatever came before it. What passes the checksum is judged in this order: the session is open; the sequence is
// not an old one; there is a place. `credit` and `hello` take no place and are acted upon at once.

module keyway_bridge_rx #(
  parameter int unsigned WindowBits = 6,     // log2 of places, 1 to 7
  parameter int unsigned BodyBytes = 40      // longest body, a multiple of 4, at most 48
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        byte_valid_i,
  input  logic [7:0]  byte_i,

  // A frame with a place: its body, and what its head said.
  output logic        tvalid_o,
  input  logic        tready_i,
  output logic [31:0] tdata_o,
  output logic        tlast_o,
  output logic [7:0]  kind_o,
  output logic [15:0] sequence_o,

  output logic        hello_o,       // one clock: a hello of this contract opened the session
  output logic [15:0] first_o,       // with hello_o: where both directions begin to count
  output logic [31:0] session_o,     // the host's number for it, from then on
  output logic        asked_o,       // one clock: a credit frame came
  output logic        heard_o,       // one clock: grant_in_o is new
  output logic [15:0] grant_in_o,    // what the host grants
  output logic [15:0] grant_o,       // what may be granted to the host
  output logic        open_o,

  output logic        bad_o,         // one clock: a damaged or unwanted frame
  output logic        gap_o,         // one clock: gap_frames_o frames before this one were lost
  output logic [7:0]  gap_frames_o
);
  localparam int unsigned Window = 1 << WindowBits;
  localparam int unsigned MostBytes = 8 + BodyBytes + 4;
  localparam logic [31:0] Residue = 32'hB798_B438;

  // ---- Byte stuffing

  logic inside_q, zero_due_q, border, code_byte, plain_valid, ended_well;
  logic [7:0] left_q, plain;
  assign border    = byte_valid_i && byte_i == 8'd0;
  assign code_byte = byte_valid_i && byte_i != 8'd0 && (!inside_q || left_q == 8'd0);
  // Between two blocks stands the zero that was taken out.
  assign plain_valid = byte_valid_i && byte_i != 8'd0 && inside_q && (left_q != 8'd0 || zero_due_q);
  assign plain       = left_q != 8'd0 ? byte_i : 8'd0;
  assign ended_well  = border && inside_q && left_q == 8'd0;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      inside_q <= 1'b0;
      left_q <= '0;
    end else if (byte_valid_i) begin
      inside_q <= byte_i != 8'd0;
      if (border) left_q <= '0;
      else if (code_byte) left_q <= byte_i - 8'd1;
      else left_q <= left_q - 8'd1;
    end
    if (code_byte) zero_due_q <= byte_i != 8'hFF;
  end

  // ---- One frame

  logic [6:0] count_q;                        // plain bytes; stops one above the most
  logic [31:0] crc_q, crc_next, word;
  logic [23:0] word_q;
  keyway_pkg::frame_t head_q;
  logic [31:0] session_q;
  logic ours_q, hello_fits_q, word_done;
  logic [3:0] slot_word;
  keyway_crc32c u_crc (.crc_i(crc_q), .data_i(plain), .crc_o(crc_next));
  assign word = {plain, word_q};
  assign word_done = plain_valid && count_q[1:0] == 2'd3;
  assign slot_word = count_q[5:2] - 4'd2;     // of the body
  always_ff @(posedge clk_i) begin
    if (!rst_ni || border) begin
      count_q <= '0;
      crc_q <= '1;
      ours_q <= 1'b0;
      hello_fits_q <= 1'b0;
    end else if (plain_valid) begin
      if (count_q <= 7'(MostBytes)) count_q <= count_q + 1'b1;
      crc_q <= crc_next;
      if (word_done && count_q[6:2] == 5'd2) ours_q <= word == keyway_pkg::Magic;
      if (word_done && count_q[6:2] == 5'd3) hello_fits_q <= ours_q && word[15:0] == keyway_pkg::VersionMajor;
    end
    if (plain_valid) word_q <= word[31:8];
    if (word_done && count_q[6:2] == 5'd0) head_q[31:0] <= word;
    if (word_done && count_q[6:2] == 5'd1) head_q[63:32] <= word;
    if (word_done && count_q[6:2] == 5'd7) session_q <= word;
  end

  // ---- Judgement, one clock after the closing border

  logic ended_q, sound_q, fits_q, unstored_q;
  keyway_pkg::frame_t frame_q;
  logic [31:0] hello_session_q;
  always_ff @(posedge clk_i) begin
    ended_q <= rst_ni && border && inside_q;
    sound_q <= ended_well && crc_q == Residue && count_q[1:0] == 2'd0 && count_q <= 7'(MostBytes) &&
               {9'd0, count_q} == head_q.length + 16'd12;
    fits_q <= hello_fits_q;
    // Nobody who keeps to his credit sends while there is no place. Who does must not overwrite one.
    unstored_q <= !border && (unstored_q ? !code_byte || inside_q : word_done && room == '0);
    if (border) begin
      frame_q <= head_q;
      hello_session_q <= session_q;
    end
  end

  logic [WindowBits:0] held_q, room;
  logic [WindowBits-1:0] write_slot_q, read_slot_q;
  logic [15:0] expected_q, gap;
  logic unused;
  assign unused = ^frame_q.epoch;  // the host's own; what the device says carries the device's
  logic is_hello, is_credit, judged, taken, keep, hello, release_place;
  assign is_hello  = frame_q.kind == keyway_pkg::FrameKindHello;
  assign is_credit = frame_q.kind == keyway_pkg::FrameKindCredit;
  assign room      = (WindowBits+1)'(Window) - held_q;
  assign gap       = frame_q.sequence_ - expected_q;
  assign judged    = ended_q && sound_q;
  assign hello     = judged && is_hello && fits_q && frame_q.length == 16'd24;
  assign taken     = judged && !is_hello && open_o && (is_credit ? gap <= 16'(room) : gap < 16'(room) && frame_q.length != '0 && !unstored_q);
  assign keep      = taken && !is_credit;
  assign grant_o   = expected_q + 16'(room);

  assign hello_o      = hello;
  assign first_o      = frame_q.sequence_;
  assign asked_o      = taken && is_credit;
  assign heard_o      = taken || hello;
  assign grant_in_o   = frame_q.grant;
  assign bad_o        = ended_q && !(taken || hello);
  assign gap_o        = taken && gap != '0;
  assign gap_frames_o = gap[7:0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      open_o <= 1'b0;
      held_q <= '0;
      write_slot_q <= '0;
      expected_q <= '0;
    end else if (hello) begin
      open_o <= 1'b1;
      held_q <= '0;
      write_slot_q <= '0;
      expected_q <= frame_q.sequence_;
    end else begin
      held_q <= held_q + (WindowBits+1)'(keep) - (WindowBits+1)'(release_place);
      if (keep) write_slot_q <= write_slot_q + 1'b1;
      if (taken) expected_q <= frame_q.sequence_ + 16'(keep);
    end
    if (hello) session_o <= hello_session_q;
  end

  // ---- Places: 16 words each; the last word says what is there

  logic [31:0] note;
  assign note = {frame_q.sequence_, frame_q.kind, 4'd0, frame_q.length[5:2]};
  logic [31:0] read_word;
  logic [3:0] read_at;
  keyway_ram #(.Width(32), .AddrBits(WindowBits + 4)) u_places (
    .clk_i, .we_i((word_done && count_q[6:2] >= 5'd2 && count_q < 7'(MostBytes) && room != '0) || keep),
    .waddr_i({write_slot_q, keep ? 4'd15 : slot_word}), .wdata_i(keep ? note : word),
    .raddr_i({read_slot_q, read_at}), .rdata_o(read_word));

  // ---- Out

  typedef enum logic [1:0] {StEmpty, StNote, StWord, StOffer} state_e;
  state_e state_q;
  logic [3:0] at_q, words_q;
  assign read_at = state_q == StEmpty ? 4'd15 : at_q;
  assign tvalid_o = state_q == StOffer;
  assign tlast_o = at_q == words_q;
  assign release_place = tvalid_o && tready_i && tlast_o;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || hello) begin
      state_q <= StEmpty;
      read_slot_q <= '0;
      at_q <= '0;
    end else begin
      unique case (state_q)
        StEmpty: begin
          at_q <= '0;
          if (held_q != '0) state_q <= StNote;
        end
        StNote: state_q <= StWord;
        StWord: begin
          at_q <= at_q + 1'b1;
          state_q <= StOffer;
        end
        default: begin
          if (tready_i) begin
            state_q <= tlast_o ? StEmpty : StWord;
            if (tlast_o) read_slot_q <= read_slot_q + 1'b1;
          end
        end
      endcase
    end
    if (state_q == StNote) {sequence_o, kind_o, words_q} <= {read_word[31:8], read_word[3:0]};
    if (state_q == StWord) tdata_o <= read_word;
  end
endmodule
