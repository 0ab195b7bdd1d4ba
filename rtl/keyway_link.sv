// What stands between the bridge and the router: bodies of frames become messages, register accesses and table commands, and
// what the router says becomes bodies of frames.
//
//   from the host   message                                   ─► s_axis of the router
//                   fill, invalidate, write, read             ─► AXI4-Lite, one after another, each answered
//   to the host     acknowledge ◄─ those   event ◄─ audit     delivery ◄─ m_axis of the router
//
//   Latency  2 clocks for a message's first word; a fill takes 6 writes and at least one read of the register block
//   Rate     a word a clock
//
// No verdict is lost: a message goes to the router only when the audit stream has room for its event. Frames are served in
// their order, so an acknowledgement of an invalidate says that every message before it was judged with the row, and none after.
//
// A frame that is not understood (kind, length) is answered with outcome 1 and does nothing. reset_i is a new session: what is in
// progress is forgotten; the router is reset by whoever gives it.

module keyway_link #(
  parameter int unsigned DestBits = 4,
  parameter int unsigned AuditDepth = 4,     // of the router
  localparam int unsigned AuditBits = 160
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        reset_i,

  input  logic        rx_tvalid_i,
  output logic        rx_tready_o,
  input  logic [31:0] rx_tdata_i,
  input  logic        rx_tlast_i,
  input  logic [7:0]  rx_kind_i,
  input  logic [15:0] rx_sequence_i,

  output logic        tx_tvalid_o,
  input  logic        tx_tready_i,
  output logic [31:0] tx_tdata_o,
  output logic        tx_tlast_o,
  output logic [7:0]  tx_kind_o,

  output logic        s_axis_tvalid_o,
  input  logic        s_axis_tready_i,
  output logic [31:0] s_axis_tdata_o,
  output logic        s_axis_tlast_o,

  input  logic        m_axis_tvalid_i,
  output logic        m_axis_tready_o,
  input  logic [31:0] m_axis_tdata_i,
  input  logic [DestBits-1:0] m_axis_tdest_i,
  input  logic        m_axis_tlast_i,

  input  logic        audit_valid_i,
  output logic        audit_ready_o,
  input  logic [AuditBits-1:0] audit_event_i,

  output logic        axil_awvalid_o,
  input  logic        axil_awready_i,
  output logic [11:0] axil_awaddr_o,
  output logic        axil_wvalid_o,
  input  logic        axil_wready_i,
  output logic [31:0] axil_wdata_o,
  input  logic        axil_bvalid_i,
  output logic        axil_bready_o,
  output logic        axil_arvalid_o,
  input  logic        axil_arready_i,
  output logic [11:0] axil_araddr_o,
  input  logic        axil_rvalid_i,
  output logic        axil_rready_o,
  input  logic [31:0] axil_rdata_i,

  output logic [7:0]  epoch_o         // low bits of the router's, as the host wrote it
);
  localparam int unsigned CountBits = $clog2(AuditDepth + 1);
  localparam logic [2:0] Words = 3'd6;       // of the longest command: a fill

  // ---- From the host

  typedef enum logic [2:0] {StIdle, StMessage, StGather, StJudge, StWrite, StRead, StAnswer} state_e;
  state_e state_q;
  logic [CountBits-1:0] judged_q;            // messages whose event has not gone yet
  logic [6*32-1:0] words_q;
  logic [2:0] count_q, step_q;
  logic too_long_q, address_done_q, data_done_q, bad_q, is_fill, is_invalidate, is_write, is_read, fits, message_room;
  logic [7:0] kind_q;
  logic [15:0] sequence_q;
  logic [31:0] value_q;
  logic message_done, event_taken;

  logic [31:0] word0, word1;
  assign word0 = words_q[31:0];
  assign word1 = words_q[63:32];
  assign is_fill       = kind_q == keyway_pkg::FrameKindFill;
  assign is_invalidate = kind_q == keyway_pkg::FrameKindInvalidate;
  assign is_write      = kind_q == keyway_pkg::FrameKindWrite;
  assign is_read       = kind_q == keyway_pkg::FrameKindRead;
  assign fits          = !too_long_q && word0[31:12] == '0 &&
                         (is_fill ? count_q == 3'd6 : (is_invalidate || is_write || is_read) && count_q == 3'd2);
  assign message_room  = judged_q != CountBits'(AuditDepth);

  assign s_axis_tvalid_o = state_q == StMessage && rx_tvalid_i;
  assign s_axis_tdata_o  = rx_tdata_i;
  assign s_axis_tlast_o  = rx_tlast_i;
  assign rx_tready_o     = (state_q == StMessage && s_axis_tready_i) || state_q == StGather;
  assign message_done    = s_axis_tvalid_o && s_axis_tready_i && rx_tlast_i;

  // Step 0 names the slot, 1 to 4 are the entry, 5 is the command. Before it the register must say that none is at work (a new epoch
  // is one), and behind it that it is done.
  always_comb begin
    axil_awaddr_o = word0[11:0];
    axil_wdata_o = word1;
    axil_araddr_o = word0[11:0];
    if (is_fill || is_invalidate) begin
      axil_araddr_o = keyway_pkg::RegTableCommand;
      unique case (step_q)
        3'd0: axil_awaddr_o = keyway_pkg::RegTableIndex;
        3'd1: {axil_awaddr_o, axil_wdata_o} = {keyway_pkg::RegTableData0, words_q[2*32+:32]};
        3'd2: {axil_awaddr_o, axil_wdata_o} = {keyway_pkg::RegTableData1, words_q[3*32+:32]};
        3'd3: {axil_awaddr_o, axil_wdata_o} = {keyway_pkg::RegTableData2, words_q[4*32+:32]};
        3'd4: {axil_awaddr_o, axil_wdata_o} = {keyway_pkg::RegTableData3, words_q[5*32+:32]};
        default: {axil_awaddr_o, axil_wdata_o} = {keyway_pkg::RegTableCommand, is_fill ? 32'd1 : 32'd2};
      endcase
    end
  end
  assign axil_awvalid_o = state_q == StWrite && !address_done_q;
  assign axil_wvalid_o  = state_q == StWrite && !data_done_q;
  assign axil_bready_o  = state_q == StWrite;
  assign axil_arvalid_o = state_q == StRead && !address_done_q;
  assign axil_rready_o  = state_q == StRead;

  logic answered;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || reset_i) begin
      state_q <= StIdle;
      judged_q <= '0;
      epoch_o <= '0;
    end else begin
      judged_q <= judged_q + CountBits'(message_done) - CountBits'(event_taken);
      unique case (state_q)
        StIdle: begin
          if (rx_tvalid_i && rx_kind_i == keyway_pkg::FrameKindMessage) begin
            if (message_room) state_q <= StMessage;
          end else if (rx_tvalid_i) begin
            state_q <= StGather;
          end
        end
        StMessage: if (message_done) state_q <= StIdle;
        StGather: if (rx_tvalid_i && rx_tlast_i) state_q <= StJudge;
        StJudge: state_q <= !fits ? StAnswer : is_read ? StRead : StWrite;
        StWrite: begin
          if (axil_bvalid_i) begin
            if (is_write && word0[11:0] == keyway_pkg::RegEpoch) epoch_o <= word1[7:0];
            if (is_write) state_q <= StAnswer;
            else if (step_q == 3'd5 || step_q == 3'd4 || is_invalidate) state_q <= StRead;
          end
        end
        StRead: begin
          if (axil_rvalid_i && (is_read || axil_rdata_i == '0)) state_q <= is_read || step_q == 3'd6 ? StAnswer : StWrite;
        end
        default: if (answered) state_q <= StIdle;  // StAnswer
      endcase
    end

    if (state_q == StIdle) begin
      count_q <= '0;
      step_q <= '0;
      too_long_q <= 1'b0;
      value_q <= '0;
      kind_q <= rx_kind_i;
      sequence_q <= rx_sequence_i;
    end
    if (state_q == StGather && rx_tvalid_i) begin
      if (count_q == Words) too_long_q <= 1'b1;
      else count_q <= count_q + 1'b1;
      for (int unsigned i = 0; i < 6; i++) if (count_q == 3'(i)) words_q[32*i+:32] <= rx_tdata_i;
    end
    if (state_q == StJudge) bad_q <= !fits;
    if (state_q == StWrite && axil_bvalid_i) step_q <= (is_invalidate && step_q == 3'd0) ? 3'd5 : step_q + 1'b1;
    if (state_q == StRead && axil_rvalid_i && is_read) value_q <= axil_rdata_i;
    // The two halves of a write are taken in any order; both begin anew with each access.
    if ((state_q != StWrite && state_q != StRead) || axil_bvalid_i || axil_rvalid_i) begin
      address_done_q <= 1'b0;
      data_done_q <= 1'b0;
    end else begin
      if (axil_awready_i && axil_awvalid_o) address_done_q <= 1'b1;
      if (axil_arready_i && axil_arvalid_o) address_done_q <= 1'b1;
      if (axil_wready_i && axil_wvalid_o) data_done_q <= 1'b1;
    end
  end

  // ---- To the host: answers first, then events and deliveries in turns

  typedef enum logic [1:0] {ToNobody, ToAnswer, ToEvent, ToDelivery} source_e;
  source_e source_q;
  logic [2:0] at_q;
  logic turn_q, moved;
  assign moved = tx_tvalid_o && tx_tready_i;
  always_comb begin
    tx_tvalid_o = 1'b0;
    tx_tdata_o = '0;
    tx_tlast_o = 1'b0;
    tx_kind_o = keyway_pkg::FrameKindAcknowledge;
    m_axis_tready_o = 1'b0;
    unique case (source_q)
      ToAnswer: begin
        tx_tvalid_o = 1'b1;
        tx_tdata_o = at_q == '0 ? {8'd0, 7'd0, bad_q, sequence_q} : value_q;
        tx_tlast_o = at_q == 3'd1;
      end
      ToEvent: begin
        tx_tvalid_o = 1'b1;
        tx_kind_o = keyway_pkg::FrameKindEvent;
        for (int unsigned i = 0; i < 5; i++) if (at_q == 3'(i)) tx_tdata_o = audit_event_i[32*i+:32];
        tx_tlast_o = at_q == 3'd5;
      end
      ToDelivery: begin
        tx_kind_o = keyway_pkg::FrameKindDelivery;
        // The destination and a word of nothing, then the header as it comes.
        tx_tvalid_o = at_q < 3'd2 || m_axis_tvalid_i;
        tx_tdata_o = at_q == '0 ? 32'(m_axis_tdest_i) : at_q == 3'd1 ? '0 : m_axis_tdata_i;
        tx_tlast_o = at_q == 3'd2 && m_axis_tlast_i;
        m_axis_tready_o = at_q == 3'd2 && tx_tready_i;
      end
      default: ;
    endcase
  end
  assign answered      = source_q == ToAnswer && moved && tx_tlast_o;
  assign event_taken   = source_q == ToEvent && moved && tx_tlast_o;
  assign audit_ready_o = event_taken;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || reset_i) begin
      source_q <= ToNobody;
      turn_q <= 1'b0;
    end else if (source_q == ToNobody) begin
      if (state_q == StAnswer) source_q <= ToAnswer;
      else if (audit_valid_i && (!turn_q || !m_axis_tvalid_i)) source_q <= ToEvent;
      else if (m_axis_tvalid_i) source_q <= ToDelivery;
    end else if (moved && tx_tlast_o) begin
      source_q <= ToNobody;
      turn_q <= source_q == ToEvent;
    end
    if (source_q == ToNobody) at_q <= '0;
    else if (moved && !(source_q == ToDelivery && at_q == 3'd2)) at_q <= at_q + 1'b1;
  end
endmodule
