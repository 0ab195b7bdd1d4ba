#include "daemon/log.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace keyway::daemon {

namespace {

constexpr std::size_t kLongestLine = 2048;  // below PIPE_BUF: a pipe that is writable takes it whole

std::string& log_name() {
    static std::string name = "keyway";
    return name;
}

// systemd says so when stderr leads to the journal.
bool to_journal() {
    static const bool kJournal = std::getenv("JOURNAL_STREAM") != nullptr;
    return kJournal;
}

bool write_without_waiting(std::string_view text) {
    if (::send(STDERR_FILENO, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        return true;
    }
    if (errno != ENOTSOCK) {
        return false;
    }
    pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    return ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0 &&
           ::write(STDERR_FILENO, text.data(), text.size()) >= 0;
}

}  // namespace

void set_log_name(std::string_view name) {
    log_name() = name;
}

void log(Severity severity, std::string_view line) {
    static std::atomic<unsigned> lost{0};
    const auto compose = [&](Severity level, std::string_view text) {
        std::string whole = to_journal() ? fmt::format("<{}>", static_cast<int>(level)) : log_name() + ": ";
        for (const char c : text.substr(0, kLongestLine)) {
            whole += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
        }
        return whole + '\n';
    };
    if (const unsigned count = lost.exchange(0); count != 0) {
        const std::string note = fmt::format("{} lines were lost: nobody took them from stderr", count);
        if (!write_without_waiting(compose(Severity::kWarning, note))) {
            lost += count;
        }
    }
    if (!write_without_waiting(compose(severity, line))) {
        ++lost;
    }
}

void log_info(std::string_view line) {
    log(Severity::kInfo, line);
}

}  // namespace keyway::daemon
