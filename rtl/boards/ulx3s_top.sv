// ULX3S (ECP5): the folded router with sixteen destinations, at 100 MHz made from the 25 MHz of its oscillator.

module ulx3s_top (
  input  logic clk_i,
  input  logic fire_i,          // button FIRE1, pressed is 1: reset
  input  logic serial_i,        // to and from the USB chip
  output logic serial_o,
  output logic led_o,
  output logic wifi_gpio0_o     // 1 keeps the ESP32 from taking over the board
);
  logic clk, locked, rst_n;
`ifdef SYNTHESIS
  (* FREQUENCY_PIN_CLKI = "25", FREQUENCY_PIN_CLKOP = "100" *)
  EHXPLLL #(
    .PLLRST_ENA("DISABLED"), .INTFB_WAKE("DISABLED"), .STDBY_ENABLE("DISABLED"), .DPHASE_SOURCE("DISABLED"),
    .CLKI_DIV(1), .CLKOP_ENABLE("ENABLED"), .CLKOP_DIV(6), .CLKOP_CPHASE(2), .CLKOP_FPHASE(0),
    .FEEDBK_PATH("CLKOP"), .CLKFB_DIV(4)
  ) u_pll (
    .CLKI(clk_i), .CLKFB(clk), .CLKOP(clk), .LOCK(locked), .RST(1'b0), .STDBY(1'b0), .PHASESEL0(1'b0),
    .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1), .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0));
`else
  assign clk = clk_i;
  assign locked = 1'b1;
`endif

  board_reset u_reset (.clk_i(clk), .locked_i(locked && !fire_i), .rst_no(rst_n));
  folded_router #(.DestBits(4), .ClockPs(10000)) u_router (.clk_i(clk), .rst_ni(rst_n), .serial_i, .serial_o);
  assign led_o = rst_n;
  assign wifi_gpio0_o = 1'b1;
endmodule
