// Frames to bytes of the device link: puts head and checksum around a body and takes the zeros out.
//
//   Latency  14 + BodyBytes clocks from a frame's last word until its first byte is offered
//   Rate     a byte a clock: one frame is put together while the one before it goes out
//
// Bodies wait in 2^PlaceBits places and go out in their order as the host's credit allows. hello_i, and then a
// credit frame when one is due, go before them: they need no credit. A credit frame is due when ask_i says so and when the
// grant has grown by a quarter of the window since the last frame that told it.

module keyway_bridge_tx #(
  parameter int unsigned PlaceBits = 2,      // log2 of bodies that wait, at least 1
  parameter int unsigned GrantStep = 16,     // growth of the grant that is worth a frame of its own
  parameter logic [7:0]  Window = 8'd64,     // told in the hello
  parameter logic [15:0] BodyBytes = 16'd40, // told in the hello
  parameter logic [31:0] BuildHash = '0
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        tvalid_i,
  output logic        tready_o,
  input  logic [31:0] tdata_i,
  input  logic        tlast_i,
  input  logic [7:0]  kind_i,        // with the last word

  input  logic [7:0]  epoch_i,
  input  logic        hello_i,       // one clock: begin anew at first_i and answer
  input  logic [15:0] first_i,
  input  logic [31:0] session_i,     // valid from the clock after hello_i
  input  logic        ask_i,         // one clock: a credit frame is wanted
  input  logic        heard_i,       // one clock: grant_in_i is what the host grants
  input  logic [15:0] grant_in_i,
  input  logic [15:0] grant_i,       // what is granted to the host
  input  logic        open_i,

  output logic        byte_valid_o,
  input  logic        byte_ready_i,
  output logic [7:0]  byte_o,
  output logic        more_o         // bytes will come soon
);
  localparam int unsigned Places = 1 << PlaceBits;

  // ---- Bodies that wait. Each has 16 words; the lengths and kinds stand beside.

  logic [PlaceBits:0] held_q;
  logic [PlaceBits-1:0] write_slot_q, read_slot_q;
  logic [3:0] at_q;
  logic [Places*12-1:0] notes_q;             // {kind, words}
  logic put, body_done;
  assign tready_o = held_q != (PlaceBits+1)'(Places);
  assign put = tvalid_i && tready_o;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || hello_i) begin
      held_q <= '0;
      write_slot_q <= '0;
      at_q <= '0;
    end else begin
      held_q <= held_q + (PlaceBits+1)'(put && tlast_i) - (PlaceBits+1)'(body_done);
      if (put) at_q <= tlast_i ? '0 : at_q + 1'b1;
      if (put && tlast_i) write_slot_q <= write_slot_q + 1'b1;
    end
    if (put && tlast_i) notes_q[32'(write_slot_q)*12+:12] <= {kind_i, at_q + 4'd1};
  end
  logic [31:0] body_word;
  logic [3:0] body_at;
  keyway_ram #(.Width(32), .AddrBits(PlaceBits + 4)) u_bodies (
    .clk_i, .we_i(put), .waddr_i({write_slot_q, at_q}), .wdata_i(tdata_i), .raddr_i({read_slot_q, body_at}),
    .rdata_o(body_word));

  // ---- Which frame is next

  logic hello_due_q, ask_q, credit_due, may_send, start, start_body, building_q, out_free;
  logic [15:0] next_q, peer_grant_q, told_q, ahead, grown;
  logic [11:0] note;
  assign note       = notes_q[32'(read_slot_q)*12+:12];
  assign ahead      = peer_grant_q - next_q;
  assign may_send   = ahead != '0 && !ahead[15];
  assign grown      = grant_i - told_q;
  assign credit_due = ask_q || (grown >= 16'(GrantStep) && !grown[15]);
  assign start      = !building_q && out_free && !hello_i &&
                      (hello_due_q || (open_i && (credit_due || (held_q != '0 && may_send))));
  assign start_body = !hello_due_q && !credit_due;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      hello_due_q <= 1'b0;
      ask_q <= 1'b0;
      next_q <= '0;
      peer_grant_q <= '0;
      told_q <= '0;
      read_slot_q <= '0;
    end else if (hello_i) begin
      hello_due_q <= 1'b1;
      ask_q <= 1'b0;
      next_q <= first_i;
      peer_grant_q <= grant_in_i;
      told_q <= first_i;
      read_slot_q <= '0;
    end else begin
      // Never backwards.
      if (heard_i && grant_in_i != peer_grant_q && 16'(grant_in_i - peer_grant_q) < 16'd256) peer_grant_q <= grant_in_i;
      if (ask_i) ask_q <= 1'b1;
      else if (start && !hello_due_q) ask_q <= 1'b0;
      if (start) begin
        hello_due_q <= 1'b0;
        told_q <= grant_i;
        if (start_body) next_q <= next_q + 1'b1;
      end
      if (body_done) read_slot_q <= read_slot_q + 1'b1;
    end
  end

  // ---- First pass: byte by byte into a half of the buffer. A zero becomes the distance to the next one, which is written where
  //      the last one stood.

  keyway_pkg::frame_t head_q;
  logic hello_q, is_body_q;
  logic [5:0] index_q, body_end_q, write_q, code_q;   // plain bytes; places in the half
  logic half_q, in_crc, closing_q;
  logic [31:0] crc_q, crc_next, hello_word, word;
  logic [7:0] plain;
  logic [1:0] full_q;
  logic [5:0] size0_q, size1_q;
  assign in_crc = index_q >= body_end_q;
  always_comb begin
    unique case (index_q[4:2])
      3'd2: hello_word = keyway_pkg::Magic;
      3'd3: hello_word = {keyway_pkg::VersionMinor, keyway_pkg::VersionMajor};
      3'd4: hello_word = BuildHash;
      3'd6: hello_word = {BodyBytes, Window, keyway_pkg::LinkRoleFpga};
      3'd7: hello_word = session_i;
      default: hello_word = '0;
    endcase
    if (in_crc) word = ~crc_q;
    else if (index_q[5:2] == 4'd0) word = head_q[31:0];
    else if (index_q[5:2] == 4'd1) word = head_q[63:32];
    else if (hello_q) word = hello_word;
    else word = body_word;
    plain = word[32'(index_q[1:0])*8+:8];
  end
  // The word of the next byte, since the memory answers a clock later.
  assign body_at = 4'((index_q + 6'd1) >> 2) - 4'd2;
  keyway_crc32c u_crc (.crc_i(crc_q), .data_i(plain), .crc_o(crc_next));

  logic last, zero;
  logic [5:0] write_at;
  logic [7:0] write_byte;
  assign last = index_q == body_end_q + 6'd3;
  assign zero = plain == 8'd0;
  assign write_at = (closing_q || zero) ? code_q : write_q;
  assign write_byte = (closing_q || zero) ? {2'd0, write_q - code_q} : plain;
  assign body_done = building_q && closing_q && is_body_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || hello_i) begin
      // Half a frame of the session before is dropped; a whole one goes out, and the host waits for the hello.
      building_q <= 1'b0;
      half_q <= half_q && rst_ni;
      closing_q <= 1'b0;
    end else if (start) begin
      building_q <= 1'b1;
      closing_q <= 1'b0;
    end else if (building_q) begin
      if (closing_q) begin
        building_q <= 1'b0;
        half_q <= !half_q;
      end
      closing_q <= last;
    end
    if (start) begin
      hello_q <= hello_due_q;
      is_body_q <= start_body;
      head_q.kind <= hello_due_q ? keyway_pkg::FrameKindHello : credit_due ? keyway_pkg::FrameKindCredit : note[11:4];
      head_q.epoch <= epoch_i;
      head_q.sequence_ <= next_q;
      head_q.grant <= grant_i;
      head_q.length <= hello_due_q ? 16'd24 : credit_due ? 16'd0 : {10'd0, note[3:0], 2'd0};
      body_end_q <= 6'd8 + (hello_due_q ? 6'd24 : credit_due ? 6'd0 : {note[3:0], 2'd0});
      index_q <= '0;
      write_q <= 6'd1;
      code_q <= '0;
      crc_q <= '1;
    end else if (building_q && !closing_q) begin
      index_q <= index_q + 1'b1;
      if (!in_crc) crc_q <= crc_next;
      write_q <= write_q + 1'b1;
      if (zero) code_q <= write_q;
    end
  end

  // ---- Second pass: border, bytes, border. Place 0 is the border before, 1 to size the bytes, size + 1 the border behind.

  logic out_half_q, take, out_last;
  logic [5:0] out_at_q, out_size;
  logic [7:0] out_byte;
  assign out_free = !full_q[half_q];
  assign out_size = out_half_q ? size1_q : size0_q;
  assign out_last = out_at_q == out_size + 6'd1;
  assign take     = byte_valid_o && byte_ready_i;
  assign byte_o   = (out_at_q == '0 || out_last) ? 8'd0 : out_byte;
  assign more_o   = building_q || full_q != '0 || byte_valid_o;
  keyway_ram #(.Width(8), .AddrBits(7)) u_stuffed (
    .clk_i, .we_i(building_q), .waddr_i({half_q, write_at}), .wdata_i(write_byte),
    .raddr_i({out_half_q, out_at_q - 6'(!take)}), .rdata_o(out_byte));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      full_q <= '0;
      out_half_q <= 1'b0;
      byte_valid_o <= 1'b0;
      out_at_q <= '0;
    end else begin
      if (building_q && closing_q && !hello_i) full_q[half_q] <= 1'b1;
      if (take && out_last) begin
        full_q[out_half_q] <= 1'b0;
        out_half_q <= !out_half_q;
        byte_valid_o <= 1'b0;
        out_at_q <= '0;
      end else if (take) begin
        out_at_q <= out_at_q + 1'b1;
      end else if (full_q[out_half_q]) begin
        byte_valid_o <= 1'b1;
      end
    end
    if (building_q && closing_q && half_q) size1_q <= write_q;
    if (building_q && closing_q && !half_q) size0_q <= write_q;
  end
endmodule
