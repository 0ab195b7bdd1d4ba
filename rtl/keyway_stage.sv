// One stage of what travels down the pipeline beside a message.
//
//   Latency  Held = 0: 1 clock. Held = 1: none: what comes in stays as it is for as long as the later stages look at
//            it, because the next message comes that much later. Then all stages share one register.

module keyway_stage #(
  parameter int unsigned Width = 16,
  parameter bit          Held = 1'b0
) (
  input  logic             clk_i,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);
  if (Held) begin : g_held
    assign data_o = data_i;
    logic unused;
    assign unused = clk_i;
  end else begin : g_register
    always_ff @(posedge clk_i) data_o <= data_i;
  end
endmodule
