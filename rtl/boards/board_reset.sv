// Reset of a board: until its clock is stable (locked_i), and 15 clocks more. Flip-flops of these FPGAs start as 0.

module board_reset (
  input  logic clk_i,
  input  logic locked_i,  // of the PLL, or a button: any clock's signal
  output logic rst_no
);
  logic [1:0] locked_q = '0;
  logic [3:0] wait_q = '0;
  logic rst_nq = 1'b0;
  always_ff @(posedge clk_i) begin
    locked_q <= {locked_q[0], locked_i};
    wait_q <= !locked_q[1] ? '0 : (wait_q == '1) ? wait_q : wait_q + 1'b1;
    rst_nq <= wait_q == '1;
  end
  assign rst_no = rst_nq;
endmodule
