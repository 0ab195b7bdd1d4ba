// Step 1 of route(): is the header well-formed? Depends on the header alone. Combinational.
// carries_i (`carried != 0`) comes from a register of the user's: it would be the longest part.
//
// The same words in the same order as `well_formed()` in the software core.

module keyway_header_check (
  input  keyway_pkg::header_t header_i,
  input  logic                carries_i,
  output logic                ok_o
);
  logic call, reply, stream, zero_copy, plain;

  assign call      = (header_i.flags & keyway_pkg::FlagExpectsReply) != '0;
  assign reply     = (header_i.flags & keyway_pkg::FlagReply) != '0;
  assign stream    = (header_i.flags & (keyway_pkg::FlagStreamFirst | keyway_pkg::FlagStreamLast)) != '0;
  assign zero_copy = (header_i.flags & keyway_pkg::FlagZeroCopy) != '0;
  assign plain     = !call && !reply && !stream && !zero_copy;

  logic type_ok, grant_ok;
  // Bits 43:40 of the grant word; of them only the named flags may be set.
  assign grant_ok = !carries_i ||
      (header_i.timestamp[43:40] & ~(keyway_pkg::GrantFlagMove | keyway_pkg::GrantFlagOneShot)) == '0;

  always_comb begin
    case (header_i.type_)
      keyway_pkg::TypeControl:
        type_ok = !(call && reply) && !(call && carries_i) && !(zero_copy && !carries_i) && !stream;
      keyway_pkg::TypeData:
        type_ok = !(call && reply) && !(call && carries_i) && !(zero_copy && !carries_i);
      keyway_pkg::TypeQuantum, keyway_pkg::TypeCapability: type_ok = carries_i && plain;
      keyway_pkg::TypeEvent: type_ok = !carries_i && plain;
      default: type_ok = 1'b0;
    endcase
  end

  assign ok_o = {12'd0, header_i.version} == keyway_pkg::VersionMajor &&
                header_i.length <= 16'(keyway_pkg::PayloadBytes) && type_ok && grant_ok;

  logic unused;
  assign unused = ^{header_i.timestamp[63:44], header_i.timestamp[39:0], header_i.sequence_, header_i.carried,
                    header_i.capability, header_i.receiver, header_i.sender, header_i.priority_};
endmodule
