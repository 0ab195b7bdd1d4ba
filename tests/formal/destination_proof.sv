// keyway_destination: the four queues of a destination, watched at one level of any number.

module destination_proof #(
  parameter int unsigned Depth = 2
) (
  input logic       clk_i,
  input logic       again_i,
  input logic       reserve_i,
  input logic [1:0] reserve_level_i,
  input logic       arrive_i,
  input logic [1:0] arrive_level_i,
  input logic       select_i
);
  localparam int unsigned PosBits = Depth == 1 ? 1 : $clog2(Depth);
  (* anyconst *) logic [1:0] level;
  logic started = 1'b0, rst_n, ready, departs, mine;
  logic [PosBits-1:0] arrive_pos, pos;
  logic [1:0] chosen, next;
  logic [4*Depth-1:0] occupied;
  logic [Depth-1:0] held, room_for;
  logic [3:0] in_q, there_q, out_q;  // reserved, arrived, departed at the watched level
  logic [4:0] others_q;
  always_ff @(posedge clk_i) started <= 1'b1;
  assign rst_n = started && !again_i;

  keyway_destination #(.Depth(Depth)) u_destination (
    .clk_i, .rst_ni(rst_n), .reserve_i, .reserve_level_i(4'd1 << reserve_level_i), .arrive_i, .arrive_level_i(4'd1 << arrive_level_i),
    .arrive_pos_o(arrive_pos),
    .select_i, .ready_o(ready), .next_o(next), .level_o(chosen), .pos_o(pos), .occupied_o(occupied));

  assign held = occupied[level*Depth+:Depth];
  assign room_for = occupied[reserve_level_i*Depth+:Depth];
  assign departs = select_i && ready;
  assign mine = departs && chosen == level;

  always_ff @(posedge clk_i) begin
    if (!rst_n) begin
      in_q <= '0;
      there_q <= '0;
      out_q <= '0;
      others_q <= '0;
    end else begin
      in_q <= in_q + 4'(reserve_i && reserve_level_i == level);
      there_q <= there_q + 4'(arrive_i && arrive_level_i == level);
      out_q <= out_q + 4'(mine);
      others_q <= (mine || there_q == out_q) ? '0 : others_q + 5'(departs);
      // Nobody reserves without room, and at the watched level only what was reserved arrives.
      assume (!reserve_i || !room_for[Depth-1]);
      assume (!(arrive_i && arrive_level_i == level) || in_q != there_q);
      //: What counts as occupied is what was reserved and has not departed.
      a_occupied : assert (held == Depth'((32'd1 << 4'(in_q - out_q)) - 32'd1) && 4'(in_q - out_q) <= 4'(Depth));
      //: Nothing departs that has not arrived.
      a_arrived : assert (!mine || there_q != out_q);
      //: The rings are read in the order in which they were written.
      a_order : assert ((!mine || 4'(pos) == out_q % 4'(Depth)) &&
                        (!(arrive_i && arrive_level_i == level) || 4'(arrive_pos) == there_q % 4'(Depth)));
      //: Something departs whenever somebody asks and something is there.
      a_work : assert (ready || there_q == out_q);
      //: No level starves: after at most 29 departures of other levels it is its turn.
      a_no_starving : assert (others_q <= 5'd29);
    end
  end
endmodule
