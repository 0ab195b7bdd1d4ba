// What the hardware needs beyond the contract: the row as it lies in block RAM, the pipeline's operations, and the
// register offsets of the hardware's own tables.

package keyway_rtl_pkg;

  // An entry's `spare` bits, as the host fills them in. Both only ever forbid: a row with neither is the safe one.
  localparam int unsigned SpareParent = 0;  // has had children: deriving is allowed, moving is the host's business
  localparam int unsigned SpareRoot = 1;    // is the root of an endpoint or topic: never moves

  // The row in block RAM, without its tag.
  typedef struct packed {
    logic        root;
    logic        parent;
    logic [31:0] expiry;
    logic [31:0] badge;
    logic [15:0] object;
    logic [15:0] owner;
    logic [3:0]  kind;
    logic [7:0]  rights;
    logic        revocable;
    logic        one_shot;
    logic        linear;
    logic [11:0] generation;
  } row_t;
  localparam int unsigned RowBits = 125;

  // What travels down the pipeline.
  localparam logic [2:0] OpMessage = 3'd0;
  localparam logic [2:0] OpFill = 3'd1;        // the values of table_command
  localparam logic [2:0] OpInvalidate = 3'd2;
  localparam logic [2:0] OpRead = 3'd3;
  localparam logic [2:0] OpClear = 3'd4;       // a new epoch

  // Registers of the hardware's own tables.
  localparam logic [11:0] RegFreeId = 12'h060;      // write: one more capability id for new rows; read: room left
  localparam logic [11:0] RegRouteIndex = 12'h064;  // object whose route the next two registers speak of
  localparam logic [11:0] RegRouteOwner = 12'h068;  // process that owns the endpoint
  localparam logic [11:0] RegRouteMask0 = 12'h06C;  // destinations of the topic, 31:0
  localparam logic [11:0] RegRouteMask1 = 12'h070;  // 63:32; writing it writes the route
  localparam logic [11:0] RegTableErrors = 12'h05C; // look-ups and reads that found a damaged row
  localparam logic [11:0] RegTableLive = 12'h058;   // bit 0: the row that was read last is live; above it its tag

  function automatic logic [11:0] next_generation(logic [11:0] generation);
    next_generation = (generation == 12'hFFF) ? 12'd1 : generation + 12'd1;
  endfunction

endpackage
