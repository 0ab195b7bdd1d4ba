#include "driver/engine.hpp"

#include <algorithm>
#include <utility>

namespace keyway::device {

namespace {

constexpr milliseconds kLook{500};  // an idle router wakes up so often while its board is away
constexpr milliseconds kFirstPause{50}, kLongestPause{5000};

}  // namespace

BoardEngine::BoardEngine(std::unique_ptr<Usb> usb, Options options)
    : usb_(std::move(usb)), options_(std::move(options)) {}

Result<std::shared_ptr<BoardEngine>> BoardEngine::open(std::unique_ptr<Usb> usb, Options options) {
    std::shared_ptr<BoardEngine> made(new BoardEngine(std::move(usb), std::move(options)));
    auto session = made->open_session();
    if (!session) {
        return session.error();
    }
    made->session_ = std::move(*session);
    return made;
}

BoardEngine::~BoardEngine() {
    {
        const std::lock_guard hold(lock_);
        ends_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

EngineKind BoardEngine::kind() const noexcept {
    return session_ != nullptr || is_back_.load(std::memory_order_relaxed) ? EngineKind::kUsb
                                                                           : EngineKind::kSoftware;
}

void BoardEngine::say(std::string_view text) const {
    if (options_.log) {
        options_.log(text);
    }
}

Result<std::unique_ptr<Session>> BoardEngine::open_session() {
    if (!options_.may_load) {
        auto transport = open_board(*usb_, options_.wanted);
        return transport ? session_over(std::move(*transport))
                         : Result<std::unique_ptr<Session>>(transport.error());
    }
    auto loaded = load_board(*usb_, options_.wanted,
                             {.firmware = {}, .bitstream = std::as_bytes(std::span(options_.bitstream))});
    return loaded ? session_over(std::move(loaded->transport))
                  : Result<std::unique_ptr<Session>>(loaded.error());
}

Result<std::unique_ptr<Session>> BoardEngine::session_over(std::unique_ptr<Transport> transport) {
    const auto status = status_of(*transport);
    if (!status) {
        return status.error();
    }
    if (FpgaState{status->fpga()} != FpgaState::kReady) {
        return Status::kFpgaEmpty;
    }
    return Session::open(std::move(transport), options_.limits);
}

// --- the router's thread ---

Session* BoardEngine::session() {
    if (session_ == nullptr && is_back_.load(std::memory_order_acquire)) {
        const std::lock_guard hold(lock_);
        session_ = std::move(fresh_);
        is_back_.store(false, std::memory_order_relaxed);
    }
    return session_.get();
}

std::optional<Verdict> BoardEngine::judge(const Question& question) {
    const Header& header = *question.header;
    Session* const board = session();
    if (board == nullptr || header.carried() != 0 || (header.flags() & flag::kReply) != 0 ||
        !board->has_room_for(header.receiver())) {
        return std::nullopt;
    }
    const auto event = board->judge(question);
    if (!event) {
        lose(event.error());
        return std::nullopt;
    }
    const Verdict verdict{event->verdict()};
    return verdict == Verdict::kMiss ? std::nullopt : std::optional(verdict);
}

// A board that doesn't confirm it is not asked any more, so the recall is over either way.
void BoardEngine::forget(std::uint32_t capability) {
    if (Session* const board = session(); board != nullptr) {
        if (const auto forgotten = board->forget(capability); !forgotten) {
            lose(forgotten.error());
        }
    }
}

void BoardEngine::lose(const Error& why) {
    say("the board is lost, and the software goes on alone until it is back: " + why.message());
    {
        const std::lock_guard hold(lock_);
        dead_ = std::move(session_);
        lost_ = true;
    }
    changed_.notify_all();
    if (!thread_.joinable()) {
        thread_ = std::thread([this] { look_for_it(); });
    }
}

// --- the other one ---

void BoardEngine::look_for_it() {
    milliseconds pause = kFirstPause;
    std::unique_lock hold(lock_);
    while (true) {
        changed_.wait(hold, [&] { return lost_ || ends_; });
        std::unique_ptr<Session> dead = std::move(dead_);
        // A board that opens and then fails at once is not opened over and over.
        const bool at_once = dead != nullptr && dead->judged() != 0;
        pause = at_once ? kFirstPause : std::min(2 * pause, kLongestPause);
        hold.unlock();
        dead.reset();
        std::unique_ptr<Session> found = find_it(at_once ? milliseconds{0} : pause);
        if (found == nullptr) {
            return;
        }
        say("the board is back, and judges again");  // the log may be slow, and the router wants the lock
        hold.lock();
        lost_ = false;
        fresh_ = std::move(found);
        is_back_.store(true, std::memory_order_release);
    }
}

// Null when the engine ends.
std::unique_ptr<Session> BoardEngine::find_it(milliseconds pause) {
    while (!ends_within(pause)) {
        auto opened = open_session();
        if (opened) {
            return std::move(*opened);
        }
        if (opened.error() == Status::kNoDevice) {
            usb_->wait_for_change(kLook);
            pause = milliseconds{0};
        } else {
            pause = std::clamp(2 * pause, kFirstPause, kLongestPause);
        }
    }
    return nullptr;
}

bool BoardEngine::ends_within(milliseconds pause) {
    std::unique_lock hold(lock_);
    return changed_.wait_for(hold, pause, [&] { return ends_; });
}

}  // namespace keyway::device
