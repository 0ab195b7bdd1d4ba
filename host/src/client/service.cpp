#include "keyway/service.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

namespace keyway {

namespace {

constexpr std::size_t kMethodBytes = 4;
constexpr std::size_t kStatusBytes = 1;
// Senders whose rate is remembered. Beyond it the ones that have not called for longest are forgotten, which
// gives them a full bucket: a sender can't use that without this many badges.
constexpr std::size_t kMostBuckets = 4096;
// Requests delivered after `stop()` that are still answered while the older ones are looked for behind them.
constexpr std::size_t kMostLate = 4096;

std::uint32_t method_of(std::span<const std::byte> payload) {
    std::uint32_t method = 0;
    for (std::size_t i = 0; i < kMethodBytes; ++i) {
        method |= static_cast<std::uint32_t>(payload[i]) << (8 * i);
    }
    return method;
}

std::string request_of(std::uint32_t method, std::span<const std::byte> argument) {
    std::string request;
    request.reserve(kMethodBytes + argument.size());
    for (std::size_t i = 0; i < kMethodBytes; ++i) {
        request.push_back(static_cast<char>((method >> (8 * i)) & 0xFFU));
    }
    request.append(reinterpret_cast<const char*>(argument.data()), argument.size());
    return request;
}

struct Bucket {
    double calls = 0;
    std::uint64_t filled_at = 0;
};

}  // namespace

struct KEYWAY_HIDDEN Service::Impl {
    Impl(Connection& to, const ServiceOptions& limits, WaitSet waits)
        : connection(&to), options(limits), set(std::move(waits)) {}

    Connection* connection;
    ServiceOptions options;
    WaitSet set;  // the connection and the bell of stop()
    Endpoint endpoint{};
    bool open = true;
    std::atomic<bool> stopping = false;
    std::unordered_map<std::uint32_t, Handler> handlers;
    std::map<std::uint32_t, std::deque<Received>> queues;  // by badge; none is empty
    std::size_t pending = 0;
    std::uint32_t turn = 0;  // the badge whose turn it is, or the next above it
    std::unordered_map<std::uint32_t, Bucket> buckets;
    ServiceCounters counters;

    // Takes what has come in, as far as there is room to keep it. `would_block` when the rings are empty.
    Result<void> take(std::size_t& taken) {
        while (pending < options.pending) {
            auto message = connection->try_receive();
            if (!message) {
                return message.error();
            }
            if (message->receiver() != endpoint.id) {
                continue;  // to our home endpoint or another one: not ours to serve
            }
            message->detach();
            queues[message->badge()].push_back(std::move(*message));
            ++pending;
            ++taken;
        }
        return {};
    }

    bool may_call(std::uint32_t badge) {
        if (options.calls_per_second == 0) {
            return true;
        }
        const std::uint64_t now = Deadline::clock_ns();
        if (!buckets.contains(badge) && buckets.size() >= kMostBuckets) {
            buckets.erase(std::ranges::min_element(
                buckets, {}, [](const auto& bucket) { return bucket.second.filled_at; }));
        }
        auto [at, is_new] =
            buckets.try_emplace(badge, Bucket{static_cast<double>(options.calls_at_once), now});
        Bucket& bucket = at->second;
        const double since = static_cast<double>(now - bucket.filled_at) / 1e9;
        bucket.calls =
            std::min<double>(options.calls_at_once, bucket.calls + since * options.calls_per_second);
        bucket.filled_at = now;
        if (bucket.calls < 1) {
            return false;
        }
        bucket.calls -= 1;
        return true;
    }

    Result<std::string> refuse(Error why) {
        ++counters.refused;
        return why;
    }

    Result<std::string> result_of(const Received& message) {
        if (!may_call(message.badge())) {
            return refuse(Status::kLimit);
        }
        if (message.payload().size() < kMethodBytes) {
            return refuse(Verdict::kMalformed);
        }
        const auto argument = message.payload().subspan(kMethodBytes);
        if (argument.size() > options.argument_bytes) {
            return refuse(Status::kBadArgument);
        }
        const Call call{.method = method_of(message.payload()),
                        .argument = argument,
                        .sender = message.sender(),
                        .badge = message.badge(),
                        .wants_reply = message.is_call()};
        const auto handler = handlers.find(call.method);
        if (handler == handlers.end()) {
            return refuse(Status::kNoSuchMethod);
        }
        Result<std::string> result(Status::kServiceFailed);
        try {
            result = handler->second(call);
        } catch (...) {
            // The handler is the application's; what it threw is its own business, the caller's is that it
            // failed.
        }
        if (result && result->size() > limit::kPayloadBytes - kStatusBytes) {
            result = Status::kServiceFailed;
        }
        ++(result ? counters.handled : counters.failed);
        return result;
    }

    Result<void> handle(const Received& message) {
        const Result<std::string> result = result_of(message);
        if (!message.is_call()) {
            return {};
        }
        std::string reply(1, result ? '\0' : static_cast<char>(result.error().code()));
        if (result) {
            reply += *result;
        }
        const auto sent = connection->reply(message, reply);
        if (!sent) {
            if (sent.error() == Error{Status::kRouterGone} || sent.error() == Error{Status::kCorrupt}) {
                return sent;
            }
            ++counters.unanswered;
        }
        return {};
    }

    // Handles up to a burst of the sender whose turn it is.
    Result<void> serve_one_sender() {
        auto at = queues.lower_bound(turn);
        if (at == queues.end()) {
            at = queues.begin();
        }
        turn = at->first + 1;
        for (std::uint32_t i = 0; i < options.burst && !at->second.empty(); ++i) {
            const Received message = std::move(at->second.front());
            at->second.pop_front();
            --pending;
            if (auto handled = handle(message); !handled) {
                return handled;
            }
        }
        if (at->second.empty()) {
            queues.erase(at);
        }
        return {};
    }

    Result<std::size_t> step() {
        std::size_t handled = 0;
        std::size_t taken = 0;
        auto took = take(taken);
        if (!took && took.error() != Error{Status::kWouldBlock} && pending == 0) {
            return took.error();
        }
        while (pending != 0 && handled < options.pending) {
            const std::size_t before = pending;
            if (auto served = serve_one_sender(); !served) {
                return served.error();
            }
            handled += before - pending;
            // What came meanwhile takes part: a newcomer waits for a burst of each other, not for all they
            // have.
            static_cast<void>(take(taken));
        }
        return handled;
    }

    Result<void> drain() {
        const std::uint64_t stopped_at = Deadline::clock_ns();
        std::size_t late = 0;
        Result<void> took;
        while (late < kMostLate) {
            std::size_t taken = 0;
            took = take(taken);
            for (const auto& [badge, queue] : queues) {
                late += static_cast<std::size_t>(std::ranges::count_if(
                    queue, [&](const Received& message) { return message.timestamp() > stopped_at; }));
            }
            while (pending != 0) {
                if (auto served = serve_one_sender(); !served) {
                    return served;
                }
            }
            if (!took) {
                break;
            }
        }
        return took || took.error() == Error{Status::kWouldBlock} ? Result<void>() : took;
    }

    Result<void> close() {
        if (!std::exchange(open, false)) {
            return {};
        }
        auto drained = drain();
        auto closed = connection->close_endpoint(endpoint.id);
        return drained ? closed : drained;
    }
};

Service::Service(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Service::Service(Service&&) noexcept = default;

Service& Service::operator=(Service&& other) noexcept {
    Service old(std::move(*this));  // closes its endpoint
    impl_ = std::move(other.impl_);
    Waitable::operator=(std::move(other));
    return *this;
}

Service::~Service() {
    if (impl_ && impl_->open) {
        [[maybe_unused]] auto closed = impl_->connection->close_endpoint(impl_->endpoint.id);
    }
}

Result<Service> Service::open(Connection& connection, std::string_view name, const ServiceOptions& options) {
    if (options.burst == 0 || options.pending == 0 || options.calls_at_once == 0 ||
        options.argument_bytes > limit::kPayloadBytes - kMethodBytes) {
        return Status::kBadArgument;
    }
    auto set = WaitSet::make();
    if (!set) {
        return set.error();
    }
    auto endpoint = connection.register_endpoint(name);
    if (!endpoint) {
        return endpoint.error();
    }
    auto impl = std::make_unique<Impl>(connection, options, std::move(*set));
    impl->endpoint = *endpoint;
    return Service(std::move(impl));
}

void Service::on(std::uint32_t method, Handler handler) {
    impl_->handlers[method] = std::move(handler);
}

Result<std::size_t> Service::step(Deadline deadline) {
    Impl& impl = *impl_;
    while (true) {
        auto handled = impl.step();
        if (!handled || *handled != 0 || impl.stopping || deadline.passed()) {
            return handled;
        }
        if (impl.connection->arm()) {
            continue;
        }
        // By its descriptor, since the service or its connection may be in a set of the application's.
        auto added = impl.set.add_descriptor(impl.connection->descriptor(), EPOLLIN);
        if (!added) {
            return added.error();
        }
        auto waited = impl.set.wait(deadline);
        impl.set.remove(*added);
        impl.connection->disarm();
        if (!waited && waited.error() != Error{Status::kTimeout}) {
            return waited.error();
        }
    }
}

Result<void> Service::run() {
    while (!impl_->stopping) {
        if (auto handled = step(Deadline::never()); !handled) {
            return handled.error();
        }
    }
    return close();
}

Result<void> Service::close() {
    return impl_->close();
}

void Service::stop() noexcept {
    impl_->stopping = true;
    impl_->set.wake();
}

const Endpoint& Service::endpoint() const noexcept {
    return impl_->endpoint;
}
const ServiceCounters& Service::counters() const noexcept {
    return impl_->counters;
}

int Service::descriptor() const noexcept {
    return impl_->connection->descriptor();
}
bool Service::arm() {
    return impl_->pending != 0 || impl_->connection->arm();
}
void Service::disarm() {
    impl_->connection->disarm();
}
bool Service::still_armed() const {
    return impl_->pending == 0 && impl_->connection->still_armed();
}

Result<std::string> ServiceClient::call(std::uint32_t method, std::span<const std::byte> argument,
                                        Deadline deadline) {
    const std::string request = request_of(method, argument);
    auto reply = connection_->call(capability_, request, deadline);
    if (!reply) {
        return reply.error();
    }
    const auto text = reply->text();
    if (text.empty()) {
        return Verdict::kMalformed;
    }
    if (text.front() != '\0') {
        return Error::from_code(static_cast<std::uint8_t>(text.front()));
    }
    return std::string(text.substr(kStatusBytes));
}

Result<void> ServiceClient::send(std::uint32_t method, std::string_view text, Deadline deadline) {
    const std::string request = request_of(method, std::as_bytes(std::span(text.data(), text.size())));
    return connection_->send(Outgoing::to(capability_, request), deadline);
}

}  // namespace keyway
