#pragma once

#include <string_view>

namespace keyway::daemon {

/// Syslog's severities, as the journal understands them.
enum class Severity { kError = 3, kWarning = 4, kNotice = 5, kInfo = 6 };

/// The word that lines begin with. Call it before the first line.
void set_log_name(std::string_view name);

/// Writes one line to stderr; under systemd with its severity. Never blocks, because the router's thread
/// calls it: lines that find no room are counted, and the number is written before the next line that does.
void log(Severity severity, std::string_view line);
void log_info(std::string_view line);

}  // namespace keyway::daemon
