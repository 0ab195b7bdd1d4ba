// What the router writes down. A message costs the folding of a run (audit/folder.hpp), and so does a request
// that is refused or only looks; everything else happens seldom and is one record each.
//
// While the log can't be written and the router may not go on without it, what is kept has a bound: no
// message is taken and no authority given, so what ends or is given up is at most what there was. Requests
// that come to nothing can be asked without end, so they are counted then, and the log says how many there
// were.

#include <unistd.h>

#include <algorithm>

#include "base/wall_clock.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using audit::Record;
using audit::RecordKind;
using core::CapabilityId;
using core::ProcessId;
using link::ControlMessage;
using router::Answer;
using router::Link;

namespace {

constexpr std::uint64_t kTendNs = 10'000'000;

/// Requests that change nothing.
bool only_looks(Request request) {
    return request == Request::kList || request == Request::kInspect || request == Request::kQubit;
}

}  // namespace

Result<void> Router::Impl::open_audit() {
    audit::LogOptions options{.directory = options_.audit.directory,
                              .key_file = options_.audit.key_file,
                              .segment_bytes = options_.audit.segment_bytes,
                              .keep = options_.audit.keep};
    options.changed = [this] {
        audit_changed_.store(true, std::memory_order_release);
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    };
    options.complain = [this](std::string_view line) { log(line); };
    auto log = audit::Log::open(std::move(options));
    if (!log) {
        return log.error();
    }
    audit_ = std::move(*log);
    read_clock();
    wall_offset_ns_ = wall_clock_ns() - now_ns_;
    const std::uint64_t at = now_ns_ + wall_offset_ns_;
    audit_->push({.kind = RecordKind::kStarted,
                  .first_sequence = static_cast<std::uint32_t>(::getpid()),
                  .last_sequence = ::geteuid(),
                  .first_ns = at,
                  .last_ns = at});
    return {};
}

void Router::Impl::close_audit() {
    if (audit_ == nullptr) {
        return;
    }
    flush_runs();
    note_unkept();
    const std::uint64_t at = now_ns_ + wall_offset_ns_;
    audit_->push({.kind = RecordKind::kStopped, .first_ns = at, .last_ns = at});
    audit_.reset();
}

void Router::Impl::keep_record(const Record& record) {
    if (policy_.continue_without_audit) {
        audit_->push_or_lose(record);
    } else {
        audit_->push(record);
    }
}

void Router::Impl::note(const Link& link, const Header& header, Verdict verdict, CapabilityId created) {
    runs_.note(header, link.id, verdict, created, now_ns_ + wall_offset_ns_,
               [this](const Record& record) { keep_record(record); });
}

void Router::Impl::note_request(const Link& link, const ControlMessage& request, const Answer& reply) {
    const std::uint64_t at = now_ns_ + wall_offset_ns_;
    Record record{.kind = RecordKind::kRequest,
                  .verdict = reply.message.status,
                  .process = link.id,
                  .object = reply.message.object != 0 ? reply.message.object : request.object,
                  .capability = request.capability,
                  .carried = request.target,
                  .first_ns = at,
                  .last_ns = at,
                  .request = request.request,
                  .rights = reply.message.status == 0 ? reply.message.rights : request.rights,
                  .object_kind = reply.message.kind,
                  .created = reply.message.capability};
    if (static_cast<Request>(request.request) == Request::kRevoke) {
        record.count = static_cast<std::uint32_t>(reply.message.value);
    }
    if (link::valid_name(request.get_name())) {
        record.set_name(request.get_name());
    }
    if (record.verdict == 0 && !only_looks(static_cast<Request>(request.request))) {
        keep_record(record);
    } else if (may_go_on()) {
        runs_.note_request(record);
    } else {
        ++unkept_;
    }
}

void Router::Impl::note_link(const Link& link, bool opened, Error reason) {
    flush_runs();  // what it did stands before its end
    const std::uint64_t at = now_ns_ + wall_offset_ns_;
    Record record{.kind = opened ? RecordKind::kOpened : RecordKind::kClosed,
                  .verdict = opened ? std::uint8_t{0} : reason.code(),
                  .process = link.id,
                  .capability = opened ? link.home : 0,
                  .first_sequence = static_cast<std::uint32_t>(link.pid),
                  .last_sequence = link.uid,
                  .first_ns = at,
                  .last_ns = at};
    record.set_name(link.name);
    keep_record(record);
}

void Router::Impl::note_ended(const Entry& entry, CapabilityId id, ProcessId by) {
    const std::uint64_t at = now_ns_ + wall_offset_ns_;
    keep_record({.kind = RecordKind::kEnded,
                 .process = entry.owner(),
                 .object = entry.object(),
                 .capability = id,
                 .carried = by,
                 .first_ns = at,
                 .last_ns = at,
                 .request = serving_,
                 .rights = entry.rights(),
                 .object_kind = entry.kind()});
}

// What one end says that it has sent or taken; `flags` is 1 for what it took.
void Router::Impl::note_lane(const router::Channel& channel, const router::Channel::End& end,
                             const router::ChannelRun& run) {
    const auto most = [](std::uint64_t count) {
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(count, UINT32_MAX));
    };
    if (!may_go_on()) {
        ++unkept_;
        return;
    }
    keep_record({.kind = RecordKind::kLane,
                 .type = static_cast<std::uint8_t>(Type::kData),
                 .flags = run.sent ? std::uint8_t{0} : std::uint8_t{1},
                 .process = end.process,
                 .object = channel.object,
                 .capability = end.capability,
                 .count = most(run.messages),
                 .first_sequence = run.first_sequence,
                 .last_sequence = run.last_sequence,
                 .first_ns = run.first_ns + wall_offset_ns_,
                 .last_ns = run.last_ns + wall_offset_ns_,
                 .bytes = run.bytes,
                 .object_kind = static_cast<std::uint8_t>(Kind::kChannel)});
}

// How much was only counted while the log could not be written.
void Router::Impl::note_unkept() {
    if (unkept_ == 0) {
        return;
    }
    const std::uint64_t at = now_ns_ + wall_offset_ns_;
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(unkept_, UINT32_MAX));
    unkept_ = 0;
    keep_record({.kind = RecordKind::kLosses, .flags = 1, .count = count, .first_ns = at, .last_ns = at});
}

// At the control interval: old runs are written, and the queue is helped along.
void Router::Impl::tend_audit() {
    if (audit_ == nullptr || now_ns_ < next_tending_ns_) {
        return;
    }
    next_tending_ns_ = now_ns_ + kTendNs;
    wall_offset_ns_ = wall_clock_ns() - now_ns_;
    audit_->tend();
    if (!may_go_on()) {
        return;
    }
    note_unkept();
    runs_.expire(now_ns_ + wall_offset_ns_, [this](const Record& record) { keep_record(record); });
}

void Router::Impl::flush_runs() {
    if (audit_ != nullptr) {
        runs_.flush([this](const Record& record) { keep_record(record); });
        audit_->tend();
    }
}

}  // namespace keyway
