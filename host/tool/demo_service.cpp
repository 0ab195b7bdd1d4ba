// The service of the demo: counts what comes in, for each badge apart.
//
// Its protocol: data is text to be counted; as a call it is answered with the number of bytes so far. Control
// messages are "begin", "file" (a file ends here), "totals", "ping", and "hold", which is answered only when
// the director says so.

#include <fmt/format.h>
#include <poll.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>

#include "base/wait.hpp"
#include "keyway/connection.hpp"
#include "tool/demo_count.hpp"
#include "tool/demo_roles.hpp"

namespace keyway::tool::demo {

namespace {

class Service {
  public:
    Service(Connection connection, Endpoint endpoint, const Channel& director)
        : connection_(std::move(connection)), endpoint_(endpoint), director_(director) {}

    void run() {
        while (true) {
            take_messages();
            pollfd ready[2] = {{.fd = director_.fd(), .events = POLLIN, .revents = 0},
                               {.fd = connection_.descriptor(), .events = POLLIN, .revents = 0}};
            wait_for(std::span(ready, paused_ ? 1 : 2), Deadline::never());
            if (ready[0].revents == 0) {
                continue;
            }
            const auto packet = director_.receive();
            if (!packet) {
                return;
            }
            take_messages();  // what was delivered before the question counts in its answer
            director_.send(obey(Answer::of(packet->text)));
            serve();
        }
    }

  private:
    struct Account {
        Counter counter;
        std::uint64_t messages = 0;
        std::uint64_t last_ns = 0;  ///< when the router accepted the latest
    };

    std::string obey(const Answer& command) {
        if (command.outcome == "totals") {  // BADGE: lines words bytes cksum
            return "ok " + accounts_[badge_in(command)].counter.totals().text();
        }
        if (command.outcome == "messages") {  // BADGE: how many, and when the router accepted the last
            const Account& account = accounts_[badge_in(command)];
            return fmt::format("ok {} {}", account.messages, account.last_ns);
        }
        if (command.outcome == "await") {  // BADGE NUMBER: until so many messages have come
            while (accounts_[badge_in(command)].messages < command.number(1)) {
                if (auto message = connection_.receive()) {
                    handle(std::move(*message));
                } else {
                    return std::string(message.error().name());
                }
            }
            return "ok";
        }
        if (command.outcome == "serve") {  // NUMBER: that many messages, from now on, as fast as can be
            to_serve_ = command.number(0);
            return "ok";
        }
        if (command.outcome == "pause" || command.outcome == "resume") {
            paused_ = command.outcome == "pause";
            take_messages();
            return "ok";
        }
        if (command.outcome == "held") {  // until a "hold" has come: from whom
            while (!held_) {
                if (auto message = connection_.receive()) {
                    handle(std::move(*message));
                } else {
                    return std::string(message.error().name());
                }
            }
            return fmt::format("ok {}", held_->sender());
        }
        if (command.outcome == "answer") {  // the call that is held
            const auto answered = connection_.reply(*held_, "at last");
            held_.reset();
            return answered ? "ok" : std::string(answered.error().name());
        }
        if (command.outcome == "revoke") {  // CAPABILITY: how many ended, and when that was done
            const auto ended =
                connection_.revoke(endpoint_.capability, static_cast<std::uint32_t>(command.number(0)));
            const std::uint64_t done_ns = Deadline::clock_ns();
            return ended ? fmt::format("ok {} {}", *ended, done_ns) : std::string(ended.error().name());
        }
        return "unknown-command";
    }

    static std::uint32_t badge_in(const Answer& command) {
        return static_cast<std::uint32_t>(command.number(0));
    }

    // Waits in `receive`, which looks for a while before it sleeps, and for nothing else.
    void serve() {
        for (; to_serve_ != 0; --to_serve_) {
            auto message = connection_.receive();
            if (!message) {
                std::exit(1);  // the router is gone
            }
            handle(std::move(*message));
        }
    }

    void take_messages() {
        while (!paused_) {
            auto message = connection_.try_receive();
            if (!message) {
                if (!(message.error() == Error(Status::kWouldBlock))) {
                    std::exit(1);  // the router is gone
                }
                return;
            }
            handle(std::move(*message));
        }
    }

    void handle(Received message) {
        const std::uint64_t received_ns = Deadline::clock_ns();
        Account& account = accounts_[message.badge()];
        account.last_ns = message.timestamp();
        if (message.type() == Type::kData) {
            ++account.messages;
            account.counter.add(message.text());
            answer(message, fmt::format("{}", account.counter.totals().bytes));
        } else if (message.text().starts_with("ping")) {
            const Pong pong{.received_ns = received_ns, .replied_ns = Deadline::clock_ns()};
            answer(message, {reinterpret_cast<const char*>(&pong), sizeof pong});
        } else if (message.text() == "hold") {
            held_ = std::move(message);
        } else if (message.text() == "begin") {
            account = Account{};
            answer(message, "ok");
        } else if (message.text() == "file") {
            account.counter.end_file();
            answer(message, "ok");
        } else if (message.text() == "totals") {
            answer(message, account.counter.totals().text());
        }
    }

    void answer(const Received& message, std::string_view text) {
        if (message.is_call()) {
            // A caller that has died, or takes no replies, is its own trouble.
            [[maybe_unused]] const auto done = connection_.reply(message, text);
        }
    }

    Connection connection_;
    Endpoint endpoint_;
    const Channel& director_;
    std::map<std::uint32_t, Account> accounts_;
    std::optional<Received> held_;
    bool paused_ = false;
    std::uint64_t to_serve_ = 0;
};

}  // namespace

int play_service(const Channel& director, const std::string& socket) {
    auto connection = Connection::open({.socket = socket});
    if (!connection) {
        director.send(connection.error().name());
        return 1;
    }
    const auto endpoint = connection->register_endpoint(kServiceName);
    if (!endpoint) {
        director.send(endpoint.error().name());
        return 1;
    }
    director.send(fmt::format("ok {} {}", connection->id(), endpoint->id));
    Service(std::move(*connection), *endpoint, director).run();
    return 0;
}

}  // namespace keyway::tool::demo
