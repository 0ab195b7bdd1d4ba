// Master of the FX2's synchronous slave FIFO, 8 bits: bytes in from EP2, bytes out to EP6.
//
//   Rate     a byte a clock in a burst. Changing direction costs Turn + 2 clocks.
//   Latency  a byte read is given out 2 clocks after the edge at which the chip sees the strobe.
//
// Strobes, address and data out come from registers, flags and data in go into registers first. A board whose pins have registers puts
// one more behind the outputs (Lag = 1), and takes the inputs at the falling edge. So a flag is one clock old when it is looked at:
//  - reading, the strobe stays on, and a byte counts when the flag that was taken with it says that there was one;
//  - writing, the module counts the bytes of a packet itself and looks at the flag between packets, after Settle clocks,
//    when it is surely fresh. If the counts of both sides differ after damage, the flag stops it in mid-packet, and the next
//    flush makes them equal again.
//
// rx_valid_o can't be refused. Whoever takes it has room: that is what the link's credit is for.
//
// flush: when nothing more is to be written for FlushClocks, PKTEND ends the packet, so that the host gets it at once; after a
// packet that was full it sends one without content, because only a short packet ends the host's transfer.

module keyway_bridge_bus #(
  parameter int unsigned Turn = 3,         // clocks between an address and the first strobe: 25 ns set-up
  parameter int unsigned Settle = 4,       // clocks from the last write until the full flag has come in
  parameter int unsigned FlushClocks = 8,
  parameter int unsigned Lag = 0,          // 1: the pins have output registers of their own, behind the module's
  parameter int unsigned Burst = 512,      // bytes in one direction while the other one wants the bus
  parameter int unsigned PacketBytes = 512
) (
  input  logic       clk_i,
  input  logic       rst_ni,

  output logic [1:0] fifoadr_o,
  output logic       sloe_no,
  output logic       slrd_no,
  output logic       slwr_no,
  output logic       pktend_no,
  input  logic       out_ready_i,   // flag of EP2: not empty
  input  logic       in_ready_i,    // flag of EP6: not full
  input  logic [7:0] fd_i,
  output logic [7:0] fd_o,
  output logic       fd_oe_o,

  output logic       rx_valid_o,
  output logic [7:0] rx_data_o,
  input  logic       tx_valid_i,
  output logic       tx_ready_o,
  input  logic [7:0] tx_data_i,
  input  logic       tx_more_i      // bytes will come soon: no flush yet
);
  localparam int unsigned CountBits = $clog2(PacketBytes + 1);
  localparam int unsigned BurstBits = $clog2(Burst + 1);
  localparam logic [1:0] AddressOut = 2'd0;  // EP2
  localparam logic [1:0] AddressIn = 2'd2;   // EP6

  typedef enum logic [2:0] {StIdle, StTurnRead, StRead, StEndRead, StTurnWrite, StWrite, StFlush} state_e;
  state_e state_q;

  // ---- Input registers
  logic out_ready_q, in_ready_q, read_d1_q;  // the strobe that the chip saw when the byte was taken
  logic [7:0] fd_q;
  always_ff @(posedge clk_i) begin
    out_ready_q <= out_ready_i;
    in_ready_q <= in_ready_i;
    fd_q <= fd_i;
  end
  if (Lag == 0) begin : g_lag
    always_ff @(posedge clk_i) read_d1_q <= !slrd_no;
  end else begin : g_lag
    logic pin_q;
    always_ff @(posedge clk_i) begin
      pin_q <= !slrd_no;
      read_d1_q <= pin_q;
    end
  end
  assign rx_valid_o = read_d1_q && out_ready_q;
  assign rx_data_o = fd_q;

  // ---- What there is to do
  logic [3:0] wait_q;
  logic [3:0] settle_q, quiet_q;
  logic [CountBits-1:0] count_q;
  logic [BurstBits-1:0] burst_q;
  logic dirty_q, want_read, want_write, want_flush, fresh, write_ok, write_now;
  assign fresh      = settle_q == '0;
  assign write_ok   = in_ready_q && (count_q != '0 || fresh);
  assign want_read  = out_ready_q;
  assign want_write = tx_valid_i && write_ok;
  assign want_flush = dirty_q && quiet_q == '0 && write_ok;
  assign write_now  = state_q == StWrite && want_write && burst_q != '0;
  assign tx_ready_o = write_now;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      fifoadr_o <= AddressOut;
      sloe_no <= 1'b1;
      slrd_no <= 1'b1;
      slwr_no <= 1'b1;
      pktend_no <= 1'b1;
      fd_oe_o <= 1'b0;
      wait_q <= '0;
      settle_q <= 4'(Settle + Lag);
      quiet_q <= 4'(FlushClocks);
      count_q <= '0;
      burst_q <= '0;
      dirty_q <= 1'b0;
    end else begin
      slrd_no <= 1'b1;
      slwr_no <= 1'b1;
      pktend_no <= 1'b1;
      if (wait_q != '0) wait_q <= wait_q - 1'b1;
      if (settle_q != '0) settle_q <= settle_q - 1'b1;
      if (tx_valid_i || tx_more_i) quiet_q <= 4'(FlushClocks);
      else if (quiet_q != '0) quiet_q <= quiet_q - 1'b1;

      unique case (state_q)
        StIdle: begin
          // Whoever had the bus last steps back: the address says who that was.
          wait_q <= 4'(Turn);
          if (want_read && (fifoadr_o == AddressIn || !(want_write || want_flush))) begin
            state_q <= StTurnRead;
            fifoadr_o <= AddressOut;
            fd_oe_o <= 1'b0;
          end else if (want_write || want_flush) begin
            state_q <= StTurnWrite;
            fifoadr_o <= AddressIn;
            sloe_no <= 1'b1;
          end
        end
        StTurnRead: begin
          if (wait_q == 4'd1) sloe_no <= 1'b0;
          if (wait_q == '0) begin
            state_q <= StRead;
            slrd_no <= 1'b0;
            burst_q <= BurstBits'(Burst);
          end
        end
        StRead: begin
          if (rx_valid_o && burst_q != '0) burst_q <= burst_q - 1'b1;
          // The flag is of the clock before: a byte may still be on its way, and StEndRead waits for it.
          if ((read_d1_q && !out_ready_q) || (burst_q == '0 && (want_write || want_flush))) begin
            state_q <= StEndRead;
            wait_q <= 4'(2 + Lag);
          end else begin
            slrd_no <= 1'b0;
          end
        end
        StEndRead: begin
          if (wait_q == '0) begin
            state_q <= StIdle;
            sloe_no <= 1'b1;
          end
        end
        StTurnWrite: begin
          if (wait_q == 4'd1) fd_oe_o <= 1'b1;
          if (wait_q == '0) begin
            state_q <= want_write ? StWrite : StFlush;
            burst_q <= BurstBits'(Burst);
          end
        end
        StWrite: begin
          if (write_now) begin
            slwr_no <= 1'b0;
            dirty_q <= 1'b1;
            burst_q <= burst_q - 1'b1;
            settle_q <= 4'(Settle + Lag);
            count_q <= count_q == CountBits'(PacketBytes - 1) ? '0 : count_q + 1'b1;
          end else if (want_flush) begin
            state_q <= StFlush;
          end else if (want_read || burst_q == '0) begin
            state_q <= StIdle;
          end
        end
        default: begin  // StFlush
          if (want_flush) begin
            pktend_no <= 1'b0;
            dirty_q <= 1'b0;
            count_q <= '0;
            settle_q <= 4'(Settle + Lag);
          end
          state_q <= StIdle;
        end
      endcase
    end
    if (write_now) fd_o <= tx_data_i;
  end
endmodule
