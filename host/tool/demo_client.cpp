// The clients of the demo: one program, whatever the role. What sets them apart is what the router lets them
// do.

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "client/raw.hpp"
#include "keyway/connection.hpp"
#include "link/control.hpp"
#include "tool/demo_roles.hpp"

namespace keyway::tool::demo {

namespace {

using namespace std::chrono_literals;

std::string outcome(const Result<void>& result) {
    return result ? "ok" : std::string(result.error().name());
}

class Client {
  public:
    Client(Connection connection, std::string socket)
        : connection_(std::move(connection)), socket_(std::move(socket)) {}

    std::string obey(const Answer& command, const UniqueFd& file) {
        // --- coming by authority ---
        if (command.outcome == "lookup") {  // by name, as the policy allows
            return hold(connection_.lookup(kServiceName));
        }
        if (command.outcome == "accept") {  // what somebody grants: arrives as a capability message
            const auto message = connection_.receive();
            return message ? hold(connection_.inspect(message->carried()))
                           : std::string(message.error().name());
        }
        // --- honest work ---
        if (command.outcome == "count") {  // the file that came along, by calls: how many
            return work(file, [&](Outgoing message) -> Result<void> {
                const auto reply = connection_.call(message);
                return reply ? Result<void>() : reply.error();
            });
        }
        if (command.outcome == "stream") {  // the file that came along, by one-way messages: how many
            return work(file, [&](Outgoing message) { return connection_.send(message); });
        }
        if (command.outcome == "send") {  // TEXT as a control message
            return outcome(connection_.send(control(command.rest())));
        }
        if (command.outcome == "call") {  // TEXT as a control message: its answer, and when that came
            const std::string text = command.rest();
            const auto reply = connection_.call(control(text));
            return reply ? fmt::format("ok {}", reply->text())
                         : fmt::format("{} {}", reply.error().name(), Deadline::clock_ns());
        }
        if (command.outcome == "pings") {  // NUMBER of calls: p50 and p99 of there, back, and both, in ns
            return pings(command.number(0));
        }
        // --- up to the limit ---
        if (command.outcome == "flood") {  // one-way messages until one is not accepted: why, how many were
            return flood(0);
        }
        if (command.outcome == "fill") {  // the same, without waiting for room
            return flood(flag::kNoWait);
        }
        if (command.outcome == "send-by") {  // MILLISECONDS: one more, waiting so long for room
            return outcome(connection_.send(Outgoing::to(authority_, kFiller),
                                            Deadline::in(std::chrono::milliseconds(command.number(0)))));
        }
        if (command.outcome == "send-patiently") {  // one more, waiting as long as it takes
            return outcome(connection_.send(Outgoing::to(authority_, kFiller)));
        }
        // --- dishonest work ---
        if (command.outcome == "pretend") {  // PROCESS: with its id as the sender
            Header header = plain_header();
            header.set_sender(static_cast<std::uint32_t>(command.number(0)));
            return outcome(raw::submit(connection_, header));
        }
        if (command.outcome == "use") {  // CAPABILITY ENDPOINT: to be somebody else's
            return outcome(raw::submit(connection_, header_with(command.number(0), command.number(1))));
        }
        if (command.outcome ==
            "guess") {  // NUMBER ENDPOINT SEED: capabilities at random; the answers other than no
            return guess(command.number(0), command.number(1), command.number(2));
        }
        if (command.outcome == "redirect") {  // ENDPOINT: our own capability, but another receiver
            return outcome(raw::submit(connection_, header_with(authority_.id, command.number(0))));
        }
        if (command.outcome == "mangle") {  // a header with a version and a type that don't exist
            Header header = plain_header();
            header.set_version(9);
            header.set_type(15);
            return outcome(raw::submit(connection_, header));
        }
        if (command.outcome == "babble") {  // SEED: bytes at random into the router's socket
            return babble(command.number(0));
        }
        return "unknown-command";
    }

  private:
    static constexpr std::string_view kFiller =
        "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
        "9";

    std::string hold(const Result<Capability>& capability) {
        if (!capability) {
            return std::string(capability.error().name());
        }
        authority_ = *capability;
        return fmt::format("ok {} {} {}", authority_.id, authority_.object, authority_.rights);
    }

    [[nodiscard]] Outgoing control(std::string_view text) const {
        Outgoing message = Outgoing::to(authority_, text);
        message.type = Type::kControl;
        return message;
    }

    // The file in messages that are as long as messages can be.
    std::string work(const UniqueFd& file, auto&& pass_on) {
        std::byte piece[limit::kPayloadBytes];
        std::uint64_t count = 0;
        while (true) {
            const ssize_t size = ::read(file.get(), piece, sizeof piece);
            if (size < 0) {
                return "unreadable";
            }
            const bool end = size == 0;
            const auto bytes = std::span<const std::byte>(piece).first(static_cast<std::size_t>(size));
            const Result<void> done = pass_on(end ? control("file") : Outgoing::to(authority_, bytes));
            if (!done) {
                return std::string(done.error().name());
            }
            ++count;
            if (end) {
                return fmt::format("ok {}", count);
            }
        }
    }

    std::string flood(std::uint8_t flags) {
        Outgoing message = Outgoing::to(authority_, kFiller);
        message.flags = flags;
        for (std::uint64_t accepted = 0;; ++accepted) {
            if (const auto sent = connection_.send(message); !sent) {
                return fmt::format("{} {}", sent.error().name(), accepted);
            }
        }
    }

    std::string pings(std::uint64_t number) {
        std::vector<std::uint64_t> there;
        std::vector<std::uint64_t> back;
        std::vector<std::uint64_t> both;
        const std::string request = "ping" + std::string(sizeof(Pong) - 4, '.');
        for (std::uint64_t i = 0; i < number; ++i) {
            const std::uint64_t begun = Deadline::clock_ns();
            const auto reply = connection_.call(control(request));
            const std::uint64_t done = Deadline::clock_ns();
            if (!reply || reply->payload().size() != sizeof(Pong)) {
                return reply ? "bad-reply" : std::string(reply.error().name());
            }
            Pong pong;
            std::memcpy(&pong, reply->payload().data(), sizeof pong);
            there.push_back(pong.received_ns - begun);
            back.push_back(done - pong.replied_ns);
            both.push_back(done - begun);
        }
        std::string text = "ok";
        for (auto* series : {&there, &back, &both}) {
            std::ranges::sort(*series);
            text +=
                fmt::format(" {} {}", (*series)[series->size() / 2], (*series)[series->size() * 99 / 100]);
        }
        return text;
    }

    [[nodiscard]] Header plain_header() const { return header_with(authority_.id, authority_.object); }

    static Header header_with(std::uint64_t capability, std::uint64_t receiver) {
        Header header;
        header.set_version(kVersionMajor);
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        header.set_priority(1);
        header.set_flags(flag::kNoWait);
        header.set_capability(static_cast<std::uint32_t>(capability));
        header.set_receiver(static_cast<std::uint32_t>(receiver));
        return header;
    }

    std::string guess(std::uint64_t number, std::uint64_t endpoint, std::uint64_t seed) {
        std::mt19937_64 random(seed);
        std::uint64_t other = 0;
        for (std::uint64_t i = 0; i < number; ++i) {
            // Slots that are likely to be in use, and any generation.
            const std::uint64_t id = random() % 64 | (random() % (1U << limit::kGenerationBits))
                                                         << limit::kSlotBits;
            if (id == connection_.self().id) {
                continue;
            }
            const auto verdict = raw::submit(connection_, header_with(id, endpoint));
            other += !verdict && verdict.error() == Error(Verdict::kNoSuchCapability) ? 0U : 1U;
        }
        return fmt::format("ok {}", other);
    }

    std::string babble(std::uint64_t seed) const {
        std::mt19937_64 random(seed);
        const UniqueFd line(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, socket_.data(), std::min(socket_.size(), sizeof address.sun_path - 1));
        if (::connect(line.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            return "not-connected";
        }
        std::byte noise[512];
        std::ranges::generate(noise, [&] { return static_cast<std::byte>(random()); });
        [[maybe_unused]] const ssize_t sent = ::send(line.get(), noise, sizeof noise, MSG_NOSIGNAL);
        const auto answer = link::receive_control(line.get(), Deadline::in(10s));
        if (!answer) {
            return std::string(answer.error().name());
        }
        const Error reason = Error::from_code(answer->message.status);
        char more = 0;
        return ::recv(line.get(), &more, 1, 0) == 0 ? std::string(reason.name()) : "still-open";
    }

    Connection connection_;
    std::string socket_;
    Capability authority_;
};

}  // namespace

int play_client(const Channel& director, const std::string& socket) {
    auto connection = Connection::open({.socket = socket});
    if (!connection) {
        director.send(connection.error().name());
        return 1;
    }
    director.send(fmt::format("ok {}", connection->id()));
    Client client(std::move(*connection), socket);
    while (const auto packet = director.receive()) {
        director.send(client.obey(Answer::of(packet->text), packet->fd));
    }
    return 0;
}

}  // namespace keyway::tool::demo
