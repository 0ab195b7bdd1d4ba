// CRC-32C (Castagnoli, reflected) of one more byte. Begins with all ones; what goes out is the complement. With a right checksum
// behind what it covers, least significant byte first, the register ends as Residue.
//
//   Latency = 0

module keyway_crc32c (
  input  logic [31:0] crc_i,
  input  logic [7:0]  data_i,
  output logic [31:0] crc_o
);
  always_comb begin
    crc_o = crc_i ^ {24'd0, data_i};
    for (int unsigned bit_index = 0; bit_index < 8; bit_index++) crc_o = {1'b0, crc_o[31:1]} ^ (crc_o[0] ? 32'h82F6_3B78 : 32'd0);
  end
endmodule
