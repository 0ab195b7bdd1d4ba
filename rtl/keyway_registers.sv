// AXI4-Lite register block: identity, control, counters, table commands, routes and free ids.
//
//   Latency  a write is answered 3 clocks after its address and data, a read 3 clocks after its address;
//            one access at a time in each direction.

module keyway_registers #(
  parameter int unsigned Ports = 1,
  parameter int unsigned DataBits = 32,
  parameter int unsigned IndexBits = 8,
  parameter int unsigned DestBits = 4,
  parameter int unsigned SlotBits = 8,
  parameter int unsigned FreeIds = 4,
  parameter bit          VerdictCounters = 1'b1,
  parameter logic [31:0] BuildHash = '0,
  parameter int unsigned ClockPs = 8000,           // clock period, for the router's time
  localparam int unsigned Dests = 1 << DestBits
) (
  input  logic              clk_i,
  input  logic              rst_ni,

  input  logic              awvalid_i,
  output logic              awready_o,
  input  logic [11:0]       awaddr_i,
  input  logic              wvalid_i,
  output logic              wready_o,
  input  logic [31:0]       wdata_i,
  output logic              bvalid_o,
  input  logic              bready_i,
  output logic [1:0]        bresp_o,
  input  logic              arvalid_i,
  output logic              arready_o,
  input  logic [11:0]       araddr_i,
  output logic              rvalid_o,
  input  logic              rready_i,
  output logic [31:0]       rdata_o,
  output logic [1:0]        rresp_o,

  output logic              enable_o,
  output logic              soft_reset_o,          // one clock
  output logic [Ports-1:0]  port_enable_o,
  output logic [Ports-1:0]  port_reset_o,          // one clock
  output logic [Ports*16-1:0] port_sender_o,
  input  logic [Ports-1:0]  port_in_frame_i,
  input  logic [Ports-1:0]  port_stopped_i,

  output logic              cmd_valid_o,
  output logic [2:0]        cmd_op_o,
  output logic [19:0]       cmd_slot_o,
  output keyway_pkg::entry_t cmd_entry_o,
  input  logic              cmd_done_i,
  input  logic              cmd_capture_i,
  input  keyway_rtl_pkg::row_t cmd_row_i,
  input  logic              cmd_live_i,
  input  logic [19-IndexBits:0] cmd_tag_i,

  output logic              route_we_o,
  output logic [DestBits-1:0] route_addr_o,
  output logic [15:0]       route_owner_o,
  output logic [Dests-1:0]  route_mask_o,

  output logic [31:0]       tick_o,
  output logic [23:0]       sub_tick_o,

  output logic              free_valid_o,
  output logic [31:0]       free_id_o,
  input  logic              free_pop_i,

  input  logic              count_i,               // a verdict
  input  logic [4:0]        verdict_i,
  input  logic              audit_dropped_i,
  input  logic              bad_row_i
);
  // ---- Write channel: decoded in one clock, done in the next.

  logic aw_q, w_q, write;  // write: in this clock what hit says is written
  logic [11:0] awaddr_q;
  logic [31:0] data;
  assign awready_o = !aw_q;
  assign wready_o = !w_q;
  assign bresp_o = 2'b00;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_q <= 1'b0;
      w_q <= 1'b0;
      bvalid_o <= 1'b0;
      write <= 1'b0;
    end else begin
      if (awvalid_i && awready_o) aw_q <= 1'b1;
      if (wvalid_i && wready_o) w_q <= 1'b1;
      write <= aw_q && w_q && !write && !bvalid_o;
      if (write) bvalid_o <= 1'b1;
      if (bvalid_o && bready_i) begin
        bvalid_o <= 1'b0;
        aw_q <= 1'b0;
        w_q <= 1'b0;
      end
    end
    if (awvalid_i && awready_o) awaddr_q <= awaddr_i;
    if (wvalid_i && wready_o) data <= wdata_i;
  end

  // ---- Registers

  logic [31:0] epoch_q, route_index_q, route_mask0_q;
  logic [7:0] port_select_q;
  logic [19:0] table_index_q;
  logic [127:0] table_data_q;
  logic [31:0] table_live_q;
  logic [2:0] command_q;
  logic command_valid_q, free_ready;
  logic [15:0] route_owner_q;
  logic [63:0] route_mask;
  assign route_mask = {data, route_mask0_q};

  logic hit_control_q, hit_epoch_q, hit_tick_q, hit_port_select_q, hit_port_control_q, hit_port_sender_q,
      hit_table_index_q, hit_table_data_0_q, hit_table_data_1_q, hit_table_data_2_q, hit_table_data_3_q,
      hit_table_command_q, hit_free_id_q, hit_route_index_q, hit_route_owner_q, hit_route_mask_0_q,
      hit_route_mask_1_q;
  logic command_bad_q, epoch_new_q;
  always_ff @(posedge clk_i) begin
    hit_control_q <= awaddr_q == keyway_pkg::RegControl;
    hit_epoch_q <= awaddr_q == keyway_pkg::RegEpoch;
    hit_tick_q <= awaddr_q == keyway_pkg::RegTick;
    hit_port_select_q <= awaddr_q == keyway_pkg::RegPortSelect;
    hit_port_control_q <= awaddr_q == keyway_pkg::RegPortControl;
    hit_port_sender_q <= awaddr_q == keyway_pkg::RegPortSender;
    hit_table_index_q <= awaddr_q == keyway_pkg::RegTableIndex;
    hit_table_data_0_q <= awaddr_q == keyway_pkg::RegTableData0;
    hit_table_data_1_q <= awaddr_q == keyway_pkg::RegTableData1;
    hit_table_data_2_q <= awaddr_q == keyway_pkg::RegTableData2;
    hit_table_data_3_q <= awaddr_q == keyway_pkg::RegTableData3;
    hit_table_command_q <= awaddr_q == keyway_pkg::RegTableCommand;
    hit_free_id_q <= awaddr_q == keyway_rtl_pkg::RegFreeId;
    hit_route_index_q <= awaddr_q == keyway_rtl_pkg::RegRouteIndex;
    hit_route_owner_q <= awaddr_q == keyway_rtl_pkg::RegRouteOwner;
    hit_route_mask_0_q <= awaddr_q == keyway_rtl_pkg::RegRouteMask0;
    hit_route_mask_1_q <= awaddr_q == keyway_rtl_pkg::RegRouteMask1;
    command_bad_q <= data[31:2] != '0 || data[1:0] == '0;
    epoch_new_q <= data != epoch_q;
  end

  keyway_pkg::entry_t read_entry;
  always_comb begin
    read_entry = '0;
    read_entry.expiry = cmd_row_i.expiry;
    read_entry.badge = cmd_row_i.badge;
    read_entry.object = cmd_row_i.object;
    read_entry.owner = cmd_row_i.owner;
    read_entry.spare[keyway_rtl_pkg::SpareParent] = cmd_row_i.parent;
    read_entry.spare[keyway_rtl_pkg::SpareRoot] = cmd_row_i.root;
    read_entry.kind = cmd_row_i.kind;
    read_entry.rights = cmd_row_i.rights;
    read_entry.flags = {cmd_row_i.revocable, cmd_row_i.one_shot, cmd_row_i.linear, cmd_live_i};
    read_entry.generation = cmd_row_i.generation;
  end

  always_ff @(posedge clk_i) begin
    soft_reset_o <= 1'b0;
    port_reset_o <= '0;
    route_we_o <= 1'b0;
    if (!rst_ni) begin
      enable_o <= 1'b0;
      port_enable_o <= '0;
      port_sender_o <= '0;
      epoch_q <= '0;
      port_select_q <= '0;
      command_valid_q <= 1'b0;
      table_index_q <= '0;
      route_index_q <= '0;
    end else begin
      if (cmd_done_i) command_valid_q <= 1'b0;
      if (cmd_capture_i) begin
        table_data_q <= read_entry;
        table_live_q <= {31'(cmd_tag_i), cmd_live_i};
      end
      if (write) begin
        unique case (1'b1)
          hit_control_q: begin
            enable_o <= data[0];
            soft_reset_o <= data[1];
          end
          hit_epoch_q: begin
            epoch_q <= data;
            if (epoch_new_q) begin
              command_q <= keyway_rtl_pkg::OpClear;
              command_valid_q <= 1'b1;
            end
          end
          hit_port_select_q: port_select_q <= data[7:0];
          hit_port_control_q: begin
            for (int unsigned p = 0; p < Ports; p++) begin
              if (port_select_q == 8'(p)) begin
                port_enable_o[p] <= data[0];
                port_reset_o[p] <= data[1];
              end
            end
          end
          hit_port_sender_q: begin
            for (int unsigned p = 0; p < Ports; p++) begin
              if (port_select_q == 8'(p)) port_sender_o[p*16+:16] <= data[15:0];
            end
          end
          hit_table_index_q: table_index_q <= data[19:0];
          hit_table_data_0_q: table_data_q[31:0] <= data;
          hit_table_data_1_q: table_data_q[63:32] <= data;
          hit_table_data_2_q: table_data_q[95:64] <= data;
          hit_table_data_3_q: table_data_q[127:96] <= data;
          hit_table_command_q: begin
            // The host waits for 0 before the next; what it writes while one is under way is ignored.
            if (!command_valid_q && !command_bad_q) begin
              command_q <= {1'b0, data[1:0]};
              command_valid_q <= 1'b1;
            end
          end
          hit_route_index_q: route_index_q <= data;
          hit_route_owner_q: route_owner_q <= data[15:0];
          hit_route_mask_0_q: route_mask0_q <= data;
          hit_route_mask_1_q: begin
            route_we_o <= route_index_q[31:DestBits] == '0;
            route_addr_o <= route_index_q[DestBits-1:0];
            route_owner_o <= route_owner_q;
            route_mask_o <= route_mask[Dests-1:0];
          end
          default: ;
        endcase
      end
    end
  end

  assign cmd_valid_o = command_valid_q;
  assign cmd_op_o = command_q;
  assign cmd_slot_o = table_index_q;
  assign cmd_entry_o = table_data_q;

  // A push without room is dropped: the host reads the room first.
  logic [3:0] free_room_q;
  logic free_push;
  assign free_push = write && hit_free_id_q && free_ready;
  keyway_small_fifo #(.Width(32), .Depth(FreeIds)) u_free_ids (
    .clk_i, .rst_ni, .push_i(free_push), .data_i(data),
    .ready_o(free_ready), .valid_o(free_valid_o), .data_o(free_id_o), .pop_i(free_pop_i));
  always_ff @(posedge clk_i) begin
    if (!rst_ni) free_room_q <= 4'(FreeIds);
    else if (free_push != free_pop_i) free_room_q <= free_pop_i ? free_room_q + 1'b1 : free_room_q - 1'b1;
  end

  // ---- Time. ns within the tick in 24.8 fixed point; 2^24 ns are a tick.

  localparam logic [31:0] Step = 32'((64'(ClockPs) * 64'd256 + 64'd500) / 64'd1000);
  // The upper half takes the lower half's carry a clock later, and is shown with what the lower half was then.
  logic [15:0] high_q, low_q;
  logic [7:0] shown_q;
  logic [16:0] high_next, low_next;
  logic low_carry_q, carry_q;
  logic [31:0] tick_q;
  logic [23:0] sub_tick_q;
  logic low_ones_q, last_q;  // the tick's lower half is all ones, the whole is (and stays so); known for a whole tick
  assign low_next  = {1'b0, low_q} + {1'b0, Step[15:0]};
  assign high_next = {1'b0, high_q} + {1'b0, Step[31:16]} + {16'd0, low_carry_q};
  always_ff @(posedge clk_i) begin
    if (!rst_ni || (write && hit_tick_q)) begin
      low_q <= '0;
      low_carry_q <= 1'b0;
      high_q <= '0;
      carry_q <= 1'b0;
      shown_q <= '0;
      sub_tick_q <= '0;
    end else begin
      {low_carry_q, low_q} <= low_next;
      {carry_q, high_q} <= high_next;
      shown_q <= low_q[15:8];
      // The carry comes one clock late; so does the rest.
      sub_tick_q <= {high_q, shown_q};
    end
    low_ones_q <= tick_q[15:0] == '1;
    last_q <= tick_q == '1;
    if (!rst_ni) begin
      tick_q <= '0;
    end else if (write && hit_tick_q) begin
      tick_q <= data;
    end else if (carry_q && !last_q) begin
      tick_q[15:0] <= tick_q[15:0] + 1'b1;
      if (low_ones_q) tick_q[31:16] <= tick_q[31:16] + 1'b1;
    end
  end
  assign tick_o = tick_q;
  assign sub_tick_o = sub_tick_q;

  // ---- Counters

  logic [31:0] accepted_q, refused_q, missed_q, dropped_q, bad_rows_q;
  logic count_q;
  logic [4:0] verdict_q;
  always_ff @(posedge clk_i) begin
    count_q <= count_i && rst_ni;
    verdict_q <= verdict_i;
    if (!rst_ni) begin
      accepted_q <= '0;
      refused_q <= '0;
      missed_q <= '0;
      dropped_q <= '0;
      bad_rows_q <= '0;
    end else begin
      if (count_q && verdict_q == keyway_pkg::VerdictDelivered) accepted_q <= accepted_q + 1'b1;
      if (count_q && verdict_q == keyway_pkg::VerdictMiss) missed_q <= missed_q + 1'b1;
      if (count_q && verdict_q != keyway_pkg::VerdictDelivered && verdict_q != keyway_pkg::VerdictMiss)
        refused_q <= refused_q + 1'b1;
      if (audit_dropped_i) dropped_q <= dropped_q + 1'b1;
      if (bad_row_i) bad_rows_q <= bad_rows_q + 1'b1;
    end
  end

  logic [31:0] verdict_count;
  if (VerdictCounters) begin : g_verdicts
    logic [16*32-1:0] counts_q;
    for (genvar v = 0; v < 16; v++) begin : g_count
      always_ff @(posedge clk_i) begin
        if (!rst_ni) counts_q[v*32+:32] <= '0;
        else if (count_q && verdict_q == 5'(v)) counts_q[v*32+:32] <= counts_q[v*32+:32] + 1'b1;
      end
    end
    assign verdict_count = counts_q[araddr_q[5:2]*32+:32];
  end else begin : g_verdicts
    assign verdict_count = '0;
  end

  logic unused_address;  // registers are read as whole words
  assign unused_address = ^araddr_i[1:0];

  // ---- Read channel: each group of registers chooses, then one of the groups is chosen.

  logic ar_q, read_q;
  logic [11:2] araddr_q;
  logic [31:0] fixed, state, port_value, row_value, table_value, count_value, sender_bits;
  logic [31:0] fixed_q, state_q, port_q, row_q, table_q, count_value_q, verdicts_q;
  logic [2:0] select_bits;
  assign arready_o = !ar_q;
  assign rresp_o = 2'b00;
  always_comb begin
    select_bits = '0;
    sender_bits = '0;
    for (int unsigned p = 0; p < Ports; p++) begin
      if (port_select_q == 8'(p)) begin
        select_bits = {port_enable_o[p], port_stopped_i[p], port_in_frame_i[p]};
        sender_bits = {16'd0, port_sender_o[p*16+:16]};
      end
    end
    // Each group is looked at only where it is hit.
    case (araddr_q[4:2])
      keyway_pkg::RegMagic[4:2]: fixed = keyway_pkg::Magic;
      keyway_pkg::RegVersion[4:2]: fixed = {keyway_pkg::VersionMajor, keyway_pkg::VersionMinor};
      keyway_pkg::RegFeatures[4:2]: fixed = 32'h0000_0006;  // multicast, audit stream
      keyway_pkg::RegBuildHash[4:2]: fixed = BuildHash;
      keyway_pkg::RegGeometry[4:2]: fixed = {8'(DestBits), 8'(SlotBits), 8'(IndexBits), 8'(Ports)};
      keyway_pkg::RegStreamBits[4:2]: fixed = 32'(DataBits);
      default: fixed = '0;
    endcase
    case (araddr_q[3:2])
      keyway_pkg::RegControl[3:2]: state = {31'd0, enable_o};
      keyway_pkg::RegEpoch[3:2]: state = epoch_q;
      keyway_pkg::RegTick[3:2]: state = tick_q;
      default: state = {24'd0, port_select_q};
    endcase
    case (araddr_q[3:2])
      keyway_pkg::RegPortControl[3:2]: port_value = {31'd0, select_bits[2]};
      keyway_pkg::RegPortSender[3:2]: port_value = sender_bits;
      keyway_pkg::RegPortStatus[3:2]: port_value = {30'd0, select_bits[1:0]};
      default: port_value = '0;
    endcase
    case (araddr_q[3:2])
      keyway_pkg::RegTableData0[3:2]: row_value = table_data_q[31:0];
      keyway_pkg::RegTableData1[3:2]: row_value = table_data_q[63:32];
      keyway_pkg::RegTableData2[3:2]: row_value = table_data_q[95:64];
      default: row_value = table_data_q[127:96];
    endcase
    // Index 0x40, command 0x54, live 0x58, errors 0x5C, free id 0x60.
    table_value = araddr_q[5] ? {28'd0, free_room_q} : araddr_q[3] ? (araddr_q[2] ? bad_rows_q : table_live_q)
                  : araddr_q[2] ? {30'd0, command_valid_q && command_q[2], command_valid_q} : {12'd0, table_index_q};
    case (araddr_q[3:2])
      keyway_pkg::RegCountAccepted[3:2]: count_value = accepted_q;
      keyway_pkg::RegCountRefused[3:2]: count_value = refused_q;
      keyway_pkg::RegCountMissed[3:2]: count_value = missed_q;
      default: count_value = dropped_q;
    endcase
  end
  logic row_hit, table_hit;
  assign row_hit   = {araddr_q, 2'd0} == keyway_pkg::RegTableData0 || {araddr_q, 2'd0} == keyway_pkg::RegTableData1 ||
                     {araddr_q, 2'd0} == keyway_pkg::RegTableData2 || {araddr_q, 2'd0} == keyway_pkg::RegTableData3;
  assign table_hit = {araddr_q, 2'd0} == keyway_pkg::RegTableIndex || {araddr_q, 2'd0} == keyway_pkg::RegTableCommand ||
                     {araddr_q, 2'd0} == keyway_rtl_pkg::RegTableLive || {araddr_q, 2'd0} == keyway_rtl_pkg::RegTableErrors ||
                     {araddr_q, 2'd0} == keyway_rtl_pkg::RegFreeId;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      ar_q <= 1'b0;
      read_q <= 1'b0;
      rvalid_o <= 1'b0;
    end else begin
      if (arvalid_i && arready_o) ar_q <= 1'b1;
      read_q <= ar_q && !read_q && !rvalid_o;
      if (read_q) rvalid_o <= 1'b1;
      if (rvalid_o && rready_i) begin
        rvalid_o <= 1'b0;
        ar_q <= 1'b0;
      end
    end
    if (arvalid_i && arready_o) araddr_q <= araddr_i[11:2];
    fixed_q <= (araddr_q[11:5] == keyway_pkg::RegMagic[11:5]) ? fixed : '0;
    state_q <= (araddr_q[11:4] == keyway_pkg::RegControl[11:4]) ? state : '0;
    port_q <= (araddr_q[11:4] == keyway_pkg::RegPortControl[11:4]) ? port_value : '0;
    row_q <= row_hit ? row_value : '0;
    table_q <= table_hit ? table_value : '0;
    count_value_q <= (araddr_q[11:4] == keyway_pkg::RegCountAccepted[11:4]) ? count_value : '0;
    verdicts_q <= (araddr_q[11:6] == keyway_pkg::RegCountVerdict[11:6]) ? verdict_count : '0;
    if (read_q) rdata_o <= fixed_q | state_q | port_q | row_q | table_q | count_value_q | verdicts_q;
  end

  if (Dests < 64) begin : g_rest
    logic unused;
    assign unused = ^route_mask[63:Dests];
  end
endmodule
