// The queues of one destination: room, ring pointers and priority credits for the four levels.
//
//   Latency  a change of any input shows in the outputs 1 clock later; level_o follows the registers.
//   Rate     one reservation, one arrival and one departure a clock, in the same queue or not.
//            Early = 1: one departure in four clocks. What goes next is decided in the clock before select_i, and
//            ready_o, level_o and pos_o come from registers; ready_o then stays set for two clocks too long.
//
// A place is reserved with the verdict and freed with the departure; between verdict and arrival the copy is on its
// way through the multicast expander. Counts are unary, so "full" and "has something" are single flip-flops.
//
// Which level goes next is exactly the software's PriorityScheduler: level p has 2^p credits a round, the highest
// non-empty level with a credit goes first, and when none has one the round restarts.

module keyway_destination #(
  parameter int unsigned Depth = 4,
  parameter bit          Early = 1'b0,
  localparam int unsigned PosBits = Depth == 1 ? 1 : $clog2(Depth)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 reserve_i,
  input  logic [3:0]           reserve_level_i,  // one-hot
  input  logic                 arrive_i,
  input  logic [3:0]           arrive_level_i,   // one-hot
  output logic [PosBits-1:0]   arrive_pos_o,     // where in the ring it goes
  input  logic                 select_i,         // take one, if there is one
  output logic                 ready_o,          // there is one
  output logic [1:0]           next_o,           // Early: of this level is what select_i takes in the next clock
  output logic [1:0]           level_o,          // and it is of this level
  output logic [PosBits-1:0]   pos_o,            // at this place of that level's ring
  output logic [4*Depth-1:0]   occupied_o        // [p * Depth + k]: level p holds more than k, reserved ones included
);
  logic [4*Depth-1:0] occupied_q, present_q;
  logic [4*PosBits-1:0] write_q, read_q;
  logic c0_q;
  logic [1:0] c1_q;
  logic [2:0] c2_q;
  logic [3:0] c3_q, ready, with_credit, may;
  logic restart, again, depart;

  assign ready = {present_q[3*Depth], present_q[2*Depth], present_q[Depth], present_q[0]};
  assign with_credit = {c3_q != '0, c2_q != '0, c1_q != '0, c0_q};
  assign may = ready & with_credit;
  assign restart = may == '0;
  // The highest that may; when none may, the round restarts, and it is the highest that has something.
  assign next_o[1] = may[3] || may[2] || (may[1:0] == '0 && (ready[3] || ready[2]));
  assign next_o[0] = may[3] || (may[2:1] == 2'b01) || (restart && (ready[3] || ready[2:1] == 2'b01));
  if (Early) begin : g_early
    logic ready_q, again_q;
    logic [1:0] level_q;
    always_ff @(posedge clk_i) begin
      ready_q <= rst_ni && (arrive_i || ready != '0);
      level_q <= next_o;
      again_q <= restart;
    end
    assign ready_o = ready_q;
    assign level_o = level_q;
    assign again   = again_q;
  end else begin : g_now
    assign ready_o = ready != '0;
    assign level_o = next_o;
    assign again   = restart;
  end
  assign depart = select_i && (Early || ready_o);
  assign pos_o = read_q[level_o*PosBits+:PosBits];
  always_comb begin
    arrive_pos_o = '0;
    for (int unsigned p = 0; p < 4; p++) arrive_pos_o = arrive_pos_o | (write_q[p*PosBits+:PosBits] & {PosBits{arrive_level_i[p]}});
  end
  assign occupied_o = occupied_q;

  for (genvar p = 0; p < 4; p++) begin : g_level
    logic in, here, out;
    assign in   = reserve_i && reserve_level_i[p];
    assign here = arrive_i && arrive_level_i[p];
    assign out  = depart && level_o == 2'(p);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        occupied_q[p*Depth+:Depth] <= '0;
        present_q[p*Depth+:Depth] <= '0;
        write_q[p*PosBits+:PosBits] <= '0;
        read_q[p*PosBits+:PosBits] <= '0;
      end else begin
        if (in != out) begin
          occupied_q[p*Depth+:Depth] <= in ? Depth'({occupied_q[p*Depth+:Depth], 1'b1}) : occupied_q[p*Depth+:Depth] >> 1;
        end
        if (here != out) begin
          present_q[p*Depth+:Depth] <= here ? Depth'({present_q[p*Depth+:Depth], 1'b1}) : present_q[p*Depth+:Depth] >> 1;
        end
        if (here && Depth > 1) write_q[p*PosBits+:PosBits] <= write_q[p*PosBits+:PosBits] + 1'b1;
        if (out && Depth > 1) read_q[p*PosBits+:PosBits] <= read_q[p*PosBits+:PosBits] + 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      c0_q <= 1'd1;
      c1_q <= 2'd2;
      c2_q <= 3'd4;
      c3_q <= 4'd8;
    end else if (depart) begin
      if (again) begin
        c0_q <= level_o != 2'd0;
        c1_q <= (level_o == 2'd1) ? 2'd1 : 2'd2;
        c2_q <= (level_o == 2'd2) ? 3'd3 : 3'd4;
        c3_q <= (level_o == 2'd3) ? 4'd7 : 4'd8;
      end else begin
        if (level_o == 2'd0) c0_q <= 1'b0;
        if (level_o == 2'd1) c1_q <= c1_q - 1'b1;
        if (level_o == 2'd2) c2_q <= c2_q - 1'b1;
        if (level_o == 2'd3) c3_q <= c3_q - 1'b1;
      end
    end
  end
endmodule
