// Queue manager and egress scheduler: what was accepted waits here, one ring per destination and priority.
//
//   push ─► slot from the free list ─► header RAM          ring RAM ─► header RAM ─► port
//       └─► expander: one copy a clock ─► ring of (d, p) ───┘  └─► last copy? slot back to the free list
//
//   Latency  Push to out_push_o: 6 clocks when idle (expand, ring, choose, level and ring read, header read, out).
//   Rate     a push a clock; a copy a clock in and a copy a clock out, of the same destination or not.
//            Narrow = 1 (one port, OutDepth 1): a header that the port has no room for yet waits in the header RAM's
//            output, and nothing else is on its way then.
//            Narrow also takes a message only every 7 clocks, and push_mask_i without bit 0 a clock before push_i.
//   Slots    4 * Dests * Depth headers: each queue has its own places, so a full queue never takes anything from
//            another, and neither the free list nor the expander's FIFO can run out. Narrow: twice that, because the
//            header that waits for the port has left its queue and still has its slot.
//
// A header lies in the RAM once, however many destinations it has. Each copy's ring entry carries the number of copies,
// a second small RAM counts those that have left, and the last one frees the slot.

module keyway_queues #(
  parameter int unsigned Ports = 1,
  parameter int unsigned DestBits = 4,
  parameter int unsigned Depth = 4,
  parameter int unsigned OutDepth = 2,
  parameter bit          Narrow = 1'b0,
  localparam int unsigned Dests = 1 << DestBits,
  localparam int unsigned PosBits = Depth == 1 ? 1 : $clog2(Depth),
  localparam int unsigned SlotBits = DestBits + 2 + (Depth == 1 ? 0 : PosBits) + (Narrow ? 1 : 0)
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  output logic                    ready_o,          // the free list is set up (2^SlotBits clocks after reset)

  input  logic                    push_i,
  input  logic [Dests-1:0]        push_mask_i,
  input  logic [1:0]              push_priority_i,
  input  keyway_pkg::header_t     push_header_i,
  output logic [4*Dests*Depth-1:0] occupied_o,      // [((p * Dests) + d) * Depth + k]

  output logic [Ports-1:0]        out_push_o,
  output logic [255:0]            out_header_o,
  output logic [DestBits-1:0]     out_dest_o,
  input  logic [Ports-1:0]        out_popped_i,
  input  logic                    out_ready_i,      // Narrow: the port takes a header in this clock

  // What left which queue in this clock.
  output logic                    depart_o,
  output logic [DestBits-1:0]     depart_dest_o,
  output logic [1:0]              depart_level_o,
  // Which copy came into which queue.
  output logic                    arrive_o,
  output logic [DestBits-1:0]     arrive_dest_o,
  output logic [1:0]              arrive_level_o
);
  localparam int unsigned RingBits = DestBits + 2 + PosBits;

  // ---- Free list, filled after reset

  logic [SlotBits:0] init_q;
  logic starting, free_valid, free_busy, free_back, free_pop;
  logic [SlotBits-1:0] free_slot, back_slot;
  assign starting = !init_q[SlotBits];
  assign ready_o  = !starting;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) init_q <= '0;
    else if (starting) init_q <= init_q + 1'b1;
  end

  logic store;
  if (Narrow) begin : g_store
    logic some_q;
    always_ff @(posedge clk_i) some_q <= push_mask_i != '0;
    assign store = push_i && (push_mask_i[0] || some_q);
  end else begin : g_store
    assign store = push_i && push_mask_i != '0;
  end
  keyway_fifo #(.Width(SlotBits), .AddrBits(SlotBits)) u_free (
    .clk_i, .rst_ni, .push_i(starting || free_back), .data_i(starting ? init_q[SlotBits-1:0] : back_slot),
    .busy_o(free_busy), .valid_o(free_valid), .data_o(free_slot), .pop_i(free_pop));
  if (Narrow) begin : g_pop
    always_ff @(posedge clk_i) free_pop <= rst_ni && store;
  end else begin : g_pop
    assign free_pop = store;
  end

  // ---- Headers. A version that was checked, the sender's upper half and the length's upper bits are zero anyway.

  logic [232:0] stored, fetched;
  logic [SlotBits-1:0] fetch_slot;
  assign stored = {push_header_i.timestamp, push_header_i.sequence_, push_header_i.carried, push_header_i.capability,
                   push_header_i.receiver, push_header_i.sender[15:0], push_header_i.length[12:0],
                   push_header_i.flags, push_header_i.priority_, push_header_i.type_};
  keyway_ram #(.Width(233), .AddrBits(SlotBits)) u_headers (
    .clk_i, .we_i(push_i), .waddr_i(free_slot), .wdata_i(stored), .raddr_i(fetch_slot), .rdata_o(fetched));

  logic unused;
  assign unused = ^{push_header_i.version, push_header_i.sender[31:16], push_header_i.length[15:13], free_valid, free_busy};

  // ---- Expander: one copy a clock

  // Beside each copy travels how many others there are. first is where the copy of this clock goes.
  localparam int unsigned TaskBits = DestBits + 2 + SlotBits;
  logic [TaskBits-1:0] push_task, task_q;
  logic [DestBits-1:0] others, task_others, counted;
  logic [1:0] task_level;
  logic [SlotBits-1:0] task_slot;
  logic [Dests-1:0] first;
  logic task_valid_q;
  logic [3:0] push_level, task_hot;  // one-hot: what the task's is, from flip-flops where there is time
  assign push_level = 4'd1 << push_priority_i;
  assign push_task = {others, push_priority_i, free_slot};
  assign {task_others, task_level, task_slot} = task_q;

  always_comb begin
    counted = '1;  // one less than the bits of the mask
    for (int unsigned d = 0; d < Dests; d++) counted = counted + DestBits'(push_mask_i[d]);
  end
  function automatic logic [Dests-1:0] first_of(logic [Dests-1:0] mask);
    for (int unsigned d = 0; d < Dests; d++) first_of[d] = mask[d] && (mask & ((Dests'(1) << d) - 1'b1)) == '0;
  endfunction

  if (Narrow && Dests <= 8) begin : g_at_once
    // Messages come at least 7 clocks apart and have at most 7 copies: the one before is always done.
    logic [DestBits-1:0] counted_q;
    logic [Dests-1:0] ahead_q, first_q, rest_q, next;
    logic [3:0] hot_q;
    assign task_hot = hot_q;
    assign next   = first_of(rest_q);
    assign first  = first_q;
    assign others = push_mask_i[0] ? '0 : counted_q;
    always_ff @(posedge clk_i) begin
      counted_q <= counted;
      ahead_q <= first_of(push_mask_i);
      task_valid_q <= rst_ni && (store || rest_q != '0);
      if (store) {hot_q, task_q} <= {push_level, push_task};
      if (!rst_ni) begin
        rest_q <= '0;
      end else if (store) begin
        first_q <= push_mask_i[0] ? Dests'(1) : ahead_q;
        rest_q <= push_mask_i[0] ? '0 : push_mask_i & ~ahead_q;
      end else begin
        first_q <= next;
        rest_q <= rest_q & ~next;
      end
    end
`ifdef FORMAL
    always_ff @(posedge clk_i) if (rst_ni && store) a_expander_free : assert (rest_q == '0);
`endif
  end else begin : g_waiting
    logic fifo_valid, fifo_busy, fifo_pop, next_valid, next_taken;
    logic [Dests+TaskBits-1:0] fifo_task, next_task;
    logic [Dests-1:0] todo_q;
    // Straight to the expander when nobody waits before it, be it on the way out of the FIFO's RAM.
    assign next_valid = fifo_valid || (store && !fifo_busy);
    assign next_task  = fifo_valid ? fifo_task : {push_mask_i, push_task};
    assign next_taken = !task_valid_q || todo_q == first;
    assign fifo_pop   = fifo_valid && next_taken;
    assign first      = first_of(todo_q);
    assign others     = counted;
    assign task_hot   = 4'd1 << task_level;
    keyway_fifo #(.Width(Dests + TaskBits), .AddrBits(SlotBits)) u_tasks (
      .clk_i, .rst_ni, .push_i(store && (fifo_busy || !next_taken)), .data_i({push_mask_i, push_task}),
      .busy_o(fifo_busy), .valid_o(fifo_valid), .data_o(fifo_task), .pop_i(fifo_pop));
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        task_valid_q <= 1'b0;
      end else if (next_taken) begin
        task_valid_q <= next_valid;
      end
      if (next_taken) {todo_q, task_q} <= next_task;
      else todo_q <= todo_q & ~first;
    end
  end

  // ---- Rings

  logic [Dests-1:0] has_some, select_q;
  logic [Dests*2-1:0] levels, nexts;
  logic [Dests*PosBits-1:0] positions, arrive_positions;
  logic [DestBits+SlotBits-1:0] ring_entry;
  logic [DestBits-1:0] arrive_dest, depart_dest;
  logic [PosBits-1:0] arrive_pos, depart_pos;
  logic [1:0] depart_level;

  for (genvar d = 0; d < Dests; d++) begin : g_dest
    logic [4*Depth-1:0] occupied;
    keyway_destination #(.Depth(Depth), .Early(Narrow)) u_dest (
      .clk_i, .rst_ni,
      .reserve_i(push_i && push_mask_i[d]), .reserve_level_i(push_level),
      .arrive_i(task_valid_q && first[d]), .arrive_level_i(task_hot),
      .arrive_pos_o(arrive_positions[d*PosBits+:PosBits]),
      .select_i(select_q[d]), .ready_o(has_some[d]), .next_o(nexts[d*2+:2]), .level_o(levels[d*2+:2]), .pos_o(positions[d*PosBits+:PosBits]),
      .occupied_o(occupied));
    for (genvar p = 0; p < 4; p++) begin : g_level
      assign occupied_o[(p*Dests+d)*Depth+:Depth] = occupied[p*Depth+:Depth];
    end
  end

  always_comb begin
    arrive_dest = '0;
    arrive_pos = '0;
    depart_dest = '0;
    depart_pos = '0;
    depart_level = '0;
    for (int unsigned d = 0; d < Dests; d++) begin
      arrive_dest = arrive_dest | (DestBits'(d) & {DestBits{first[d]}});
      arrive_pos = arrive_pos | (arrive_positions[d*PosBits+:PosBits] & {PosBits{first[d]}});
      depart_dest = depart_dest | (DestBits'(d) & {DestBits{select_q[d]}});
      depart_pos = depart_pos | (positions[d*PosBits+:PosBits] & {PosBits{select_q[d]}});
      depart_level = depart_level | (levels[d*2+:2] & {2{select_q[d]}});
    end
  end

  keyway_ram #(.Width(DestBits + SlotBits), .AddrBits(RingBits)) u_rings (
    .clk_i, .we_i(task_valid_q), .waddr_i({arrive_dest, task_level, arrive_pos}),
    .wdata_i({task_others, task_slot}), .raddr_i({depart_dest, depart_level, depart_pos}), .rdata_o(ring_entry));

  // ---- Choose a destination, in turn among those whose port has a place

  logic [Ports-1:0] port_free, port_of_dest[Dests];
  logic [Dests-1:0] request, chosen;
  logic ring_valid_q;
  logic [DestBits-1:0] ring_dest_q;
  for (genvar d = 0; d < Dests; d++) begin : g_request
    assign request[d] = has_some[d] && port_free[d%Ports];
    assign port_of_dest[d] = Ports'(1) << (d % Ports);
  end
  if (Narrow) begin : g_choose
    // As the arbiter, but departures are so far apart that its state may follow a clock later.
    logic [Dests-1:0] mask_q, upper;
    assign upper  = has_some & mask_q;
    assign chosen = (upper != '0 ? first_of(upper) : first_of(has_some)) & {Dests{port_free[0]}};
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        mask_q <= '0;
      end else if (ring_valid_q) begin
        for (int unsigned d = 0; d < Dests; d++) mask_q[d] <= 32'(ring_dest_q) < d;
      end
    end
  end else begin : g_choose
    keyway_rr_arbiter #(.Width(Dests)) u_choose (
      .clk_i, .rst_ni, .enable_i(1'b1), .request_i(request), .grant_o(chosen));
  end

  logic depart, fetch_valid_q, leaves, waits;
  logic [DestBits-1:0] fetch_dest_q;
  logic [SlotBits-1:0] count_slot_q;
  // Narrow: when the port has a place, departures are so far apart that has_some is never outdated.
  assign depart = (select_q & (has_some | {Dests{Narrow}})) != '0;
  assign leaves = fetch_valid_q && (!Narrow || out_ready_i);
  assign waits  = fetch_valid_q && !leaves;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      select_q <= '0;
      ring_valid_q <= 1'b0;
      fetch_valid_q <= 1'b0;
    end else begin
      select_q <= chosen;
      ring_valid_q <= depart;
      fetch_valid_q <= ring_valid_q || waits;
    end
    ring_dest_q <= depart_dest;
    if (!waits) fetch_dest_q <= ring_dest_q;
  end
  // Said in the clock in which it is decided.
  if (Narrow) begin : g_decided
    always_comb begin
      depart_dest_o = '0;
      depart_level_o = '0;
      for (int unsigned d = 0; d < Dests; d++) begin
        depart_dest_o = depart_dest_o | (DestBits'(d) & {DestBits{chosen[d]}});
        depart_level_o = depart_level_o | (nexts[d*2+:2] & {2{chosen[d]}});
      end
    end
    assign depart_o = chosen != '0;
  end else begin : g_decided
    assign depart_o = depart;
    assign depart_dest_o = depart_dest;
    assign depart_level_o = depart_level;
    logic unused_nexts;
    assign unused_nexts = ^nexts;
  end
  assign arrive_o = task_valid_q;
  assign arrive_dest_o = arrive_dest;
  assign arrive_level_o = task_level;

  // Places at each port: taken when a destination is chosen, given back when its header has left or when the choice
  // found the queue empty after all (it was emptied by the choice directly before).
  logic [Ports-1:0] take, back;
  localparam int unsigned PlaceBits = $clog2(OutDepth + 1);
  always_comb begin
    take = '0;
    back = '0;
    for (int unsigned d = 0; d < Dests; d++) begin
      take = take | (port_of_dest[d] & {Ports{Narrow ? request[d] : chosen[d]}});
      back = back | (port_of_dest[d] & {Ports{!Narrow && select_q[d] && !has_some[d]}});
    end
  end
  for (genvar p = 0; p < Ports; p++) begin : g_places
    logic [PlaceBits-1:0] places_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) places_q <= PlaceBits'(OutDepth);
      else places_q <= places_q - PlaceBits'(take[p]) + PlaceBits'(back[p]) + PlaceBits'(out_popped_i[p]);
    end
    assign port_free[p] = places_q != '0;
    assign out_push_o[p] = leaves && 32'(fetch_dest_q) % Ports == p;
  end

  // ---- Read the header; count the copies that have left

  logic [DestBits-1:0] left_ram, left, left_next, left_q, count_others_q;
  logic same_q, last_left, left_we;
  logic [SlotBits-1:0] left_slot;
  logic [DestBits-1:0] left_data;
  assign fetch_slot = waits ? count_slot_q : ring_entry[SlotBits-1:0];
  assign left      = (same_q && !Narrow) ? left_q : left_ram;
  assign last_left = left == count_others_q;
  assign left_next = last_left ? '0 : left + 1'b1;
  always_ff @(posedge clk_i) begin
    count_slot_q <= fetch_slot;
    if (!waits) count_others_q <= ring_entry[SlotBits+:DestBits];
    same_q <= leaves && count_slot_q == fetch_slot;  // being written in this clock
    left_q <= left_next;
  end
  keyway_ram #(.Width(DestBits), .AddrBits(SlotBits)) u_left (
    .clk_i, .we_i(starting || left_we), .waddr_i(starting ? init_q[SlotBits-1:0] : left_slot),
    .wdata_i(starting ? '0 : left_data), .raddr_i(fetch_slot), .rdata_o(left_ram));
  if (Narrow) begin : g_back
    always_ff @(posedge clk_i) begin
      left_we <= rst_ni && leaves;
      free_back <= rst_ni && leaves && last_left;
      back_slot <= count_slot_q;
    end
    assign left_slot = back_slot;
    assign left_data = left_q;
  end else begin : g_back
    assign left_we   = leaves;
    assign left_slot = count_slot_q;
    assign left_data = left_next;
    assign free_back = leaves && last_left;
    assign back_slot = count_slot_q;
  end

  keyway_pkg::header_t out;
  always_comb begin
    out = '0;
    {out.timestamp, out.sequence_, out.carried, out.capability, out.receiver, out.sender[15:0], out.length[12:0],
     out.flags, out.priority_, out.type_} = fetched;
    out.version = keyway_pkg::VersionMajor[3:0];
  end
  assign out_header_o = out;
  assign out_dest_o = fetch_dest_q;
endmodule
