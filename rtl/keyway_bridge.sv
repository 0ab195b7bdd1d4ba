// The bridge between the board's USB controller and the router: the FX2's slave FIFO on one side, frames as AXI4-Stream on the
// other, with checksums, sequence numbers and credit in between (keyway_pkg::frame_t, docs/device.md).
//
//   fx2 ◄─► bridge_bus ─► bridge_rx ─► m_axis   bodies of frames from the host, with kind and sequence
//                      ◄─ bridge_tx ◄─ s_axis   bodies of frames to the host, with kind
//
//   Latency  5 clocks from the last byte of a frame on the bus until its first word is offered;
//            18 + BodyBytes clocks from a body's last word until its first byte is on the bus, the bus being free
//   Rate     a byte a clock less 5 clocks for each change of direction
//
// Nothing that comes from the bus is believed: a frame passes when its checksum, length, session, sequence and credit are right.
// The other side of m_axis may stall for ever; then the host runs out of credit and the bus goes on working.
//
// opened_o marks a new session: whoever stands behind forgets what the one before had begun. In that clock a body that is offered on
// m_axis is taken away, and bodies that wait to be sent are dropped.

module keyway_bridge #(
  parameter int unsigned WindowBits = 6,      // log2 of frames that the host may have on their way, 1 to 7
  parameter int unsigned BodyBytes = 40,      // longest body, a multiple of 4, at most 48
  parameter int unsigned PlaceBits = 2,       // log2 of bodies that wait for the host, 1 to 4
  parameter int unsigned Turn = 3,            // clocks from an address of the bus to its first strobe
  parameter int unsigned Lag = 0,             // clocks of registers in the output pins: 0 or 1
  parameter int unsigned FlushClocks = 8,     // clocks without anything to write until a short packet goes out
  parameter logic [31:0] BuildHash = '0
) (
  input  logic        clk_i,                  // the chip's IFCLK
  input  logic        rst_ni,

  output logic [1:0]  fifoadr_o,
  output logic        sloe_no,
  output logic        slrd_no,
  output logic        slwr_no,
  output logic        pktend_no,
  input  logic        out_ready_i,
  input  logic        in_ready_i,
  input  logic [7:0]  fd_i,
  output logic [7:0]  fd_o,
  output logic        fd_oe_o,

  output logic        m_axis_tvalid_o,
  input  logic        m_axis_tready_i,
  output logic [31:0] m_axis_tdata_o,
  output logic        m_axis_tlast_o,
  output logic [7:0]  m_axis_kind_o,
  output logic [15:0] m_axis_sequence_o,

  input  logic        s_axis_tvalid_i,
  output logic        s_axis_tready_o,
  input  logic [31:0] s_axis_tdata_i,
  input  logic        s_axis_tlast_i,
  input  logic [7:0]  s_axis_kind_i,

  input  logic [7:0]  epoch_i,                // goes into every frame
  output logic        opened_o,
  output logic        open_o,
  output logic [15:0] count_bad_o,            // frames that were damaged or not to be taken; wraps
  output logic [15:0] count_lost_o            // frames that are missing in the sequence; wraps
);
  if (BodyBytes < 24 || BodyBytes > 48 || BodyBytes % 4 != 0) begin : g_bad_body
    $fatal(1, "keyway_bridge: BodyBytes must be 24 to 48 and a multiple of 4");
  end
  if (Lag > 1) begin : g_bad_lag
    $fatal(1, "keyway_bridge: Lag must be 0 or 1");
  end
  if (WindowBits < 1 || WindowBits > 7) begin : g_bad_window
    $fatal(1, "keyway_bridge: WindowBits must be 1 to 7");
  end

  logic rx_valid, tx_valid, tx_ready, tx_more, asked, heard, bad, lost;
  logic [7:0] rx_byte, tx_byte, lost_frames;
  logic [15:0] first, grant_in, grant;
  logic [31:0] session;

  keyway_bridge_bus #(.Turn(Turn), .Lag(Lag), .FlushClocks(FlushClocks)) u_bus (
    .clk_i, .rst_ni, .fifoadr_o, .sloe_no, .slrd_no, .slwr_no, .pktend_no, .out_ready_i, .in_ready_i, .fd_i, .fd_o, .fd_oe_o,
    .rx_valid_o(rx_valid), .rx_data_o(rx_byte),
    .tx_valid_i(tx_valid), .tx_ready_o(tx_ready), .tx_data_i(tx_byte), .tx_more_i(tx_more));

  keyway_bridge_rx #(.WindowBits(WindowBits), .BodyBytes(BodyBytes)) u_rx (
    .clk_i, .rst_ni, .byte_valid_i(rx_valid), .byte_i(rx_byte),
    .tvalid_o(m_axis_tvalid_o), .tready_i(m_axis_tready_i), .tdata_o(m_axis_tdata_o), .tlast_o(m_axis_tlast_o),
    .kind_o(m_axis_kind_o), .sequence_o(m_axis_sequence_o),
    .hello_o(opened_o), .first_o(first), .session_o(session), .asked_o(asked), .heard_o(heard), .grant_in_o(grant_in),
    .grant_o(grant), .open_o, .bad_o(bad), .gap_o(lost), .gap_frames_o(lost_frames));

  keyway_bridge_tx #(
    .PlaceBits(PlaceBits), .GrantStep(((1 << WindowBits) + 3) / 4), .Window(8'(1 << WindowBits)), .BodyBytes(16'(BodyBytes)),
    .BuildHash(BuildHash)
  ) u_tx (
    .clk_i, .rst_ni, .tvalid_i(s_axis_tvalid_i), .tready_o(s_axis_tready_o), .tdata_i(s_axis_tdata_i),
    .tlast_i(s_axis_tlast_i), .kind_i(s_axis_kind_i),
    .epoch_i, .hello_i(opened_o), .first_i(first), .session_i(session), .ask_i(asked), .heard_i(heard), .grant_in_i(grant_in),
    .grant_i(grant), .open_i(open_o),
    .byte_valid_o(tx_valid), .byte_ready_i(tx_ready), .byte_o(tx_byte), .more_o(tx_more));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_bad_o <= '0;
      count_lost_o <= '0;
    end else begin
      if (bad) count_bad_o <= count_bad_o + 1'b1;
      if (lost) count_lost_o <= count_lost_o + 16'(lost_frames);
    end
  end
endmodule
