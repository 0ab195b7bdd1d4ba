// A deep FIFO: block RAM behind two words of flip-flops that hide its latency.
//
// Latency 1 clock when empty; one push and one pop a clock in any pattern. Capacity 2^AddrBits + 2 words; the
// user counts what he has given out (both users of this module do: slots are conserved), so there is no full flag.

module keyway_fifo #(
  parameter int unsigned Width = 32,
  parameter int unsigned AddrBits = 8
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             push_i,
  input  logic [Width-1:0] data_i,
  output logic             busy_o,  // holds or fetches something; valid_o may still come and go
  output logic             valid_o,
  output logic [Width-1:0] data_o,
  input  logic             pop_i    // only when valid_o
);
  logic             head_push, head_ready, head_valid;
  logic [Width-1:0] head_data, ram_data;
  logic [AddrBits:0] count_q;  // words in the RAM that were not fetched yet
  logic [AddrBits-1:0] write_q, read_q;
  logic some_q, fetch, fetching_q, direct, room, stores;  // some_q: count_q is not 0

  // Words in the two registers and on their way there must never exceed two.
  logic [1:0] ahead_q;
  assign room   = ahead_q < 2'd2 || pop_i;
  assign fetch  = some_q && room;
  assign direct = push_i && !some_q && !fetching_q && room;
  assign stores = push_i && !direct;
  assign head_push = direct || fetching_q;
  assign head_data = fetching_q ? ram_data : data_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q <= '0;
      some_q <= 1'b0;
      write_q <= '0;
      read_q <= '0;
      fetching_q <= 1'b0;
      ahead_q <= '0;
    end else begin
      if (stores != fetch) count_q <= stores ? count_q + 1'b1 : count_q - 1'b1;
      some_q <= stores || (some_q && (!fetch || count_q != (AddrBits+1)'(1)));
      if (stores) write_q <= write_q + 1'b1;
      if (fetch) read_q <= read_q + 1'b1;
      fetching_q <= fetch;
      ahead_q <= ahead_q + 2'(fetch || direct) - 2'(pop_i);
    end
  end

  keyway_ram #(.Width(Width), .AddrBits(AddrBits)) u_ram (
    .clk_i, .we_i(stores), .waddr_i(write_q), .wdata_i(data_i), .raddr_i(read_q), .rdata_o(ram_data));

  keyway_small_fifo #(.Width(Width), .Depth(2)) u_head (
    .clk_i, .rst_ni, .push_i(head_push), .data_i(head_data), .ready_o(head_ready), .valid_o(head_valid),
    .data_o(data_o), .pop_i(pop_i));
  assign valid_o = head_valid;
  assign busy_o  = some_q || fetching_q || head_valid;

  logic unused;
  assign unused = head_ready;  // ahead_q says the same one clock earlier

`ifdef FORMAL
  always_ff @(posedge clk_i) begin
    if (rst_ni) a_capacity : assert (count_q <= (AddrBits+1)'(1 << AddrBits));
  end
`endif
endmodule
