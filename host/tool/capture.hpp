#pragma once

// Messages as a file for Wireshark: pcapng with link type 147 (USER0). A packet is the contract's trace head,
// the message header, and what was captured of the payload; host/tool/keyway.lua takes it apart.

#include <cstdio>
#include <string_view>

#include "base/pcapng.hpp"
#include "keyway/observe.hpp"

namespace keyway::tool {

class CaptureWriter {
  public:
    /// Writes to `file`, which stays the caller's. `program` is named in the file.
    CaptureWriter(std::FILE* file, std::string_view program);
    /// False when it could not be written.
    [[nodiscard]] bool add(const TracedMessage& message);
    [[nodiscard]] bool good() const { return writer_.good(); }

  private:
    PcapngWriter writer_;
};

}  // namespace keyway::tool
