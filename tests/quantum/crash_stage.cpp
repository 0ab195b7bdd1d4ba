#include "crash_stage.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "keyway/quantum.hpp"
#include "keyway/router.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

namespace {

std::string read_line(int fd) {
    std::string line;
    char c = 0;
    while (::read(fd, &c, 1) == 1) {
        if (c == '\n') {
            return line;
        }
        line += c;
    }
    return {};
}

void write_line(int fd, const std::string& line) {
    const std::string with_end = line + "\n";
    if (::write(fd, with_end.data(), with_end.size()) != static_cast<ssize_t>(with_end.size())) {
        ::_exit(3);
    }
}

void run_router(const std::string& socket, const std::string& ledger, int answers) {
    RouterOptions options;
    options.policy = Policy::permissive();
    options.policy.rules[0].observe = true;
    options.capability_slots = 1024;
    options.socket = socket;
    options.qubit_ledger = ledger;
    options.spin = 5us;
    Router router(std::move(options));
    const auto listening = router.listen();
    write_line(answers, listening ? "ready" : listening.error().message());
    router.run();
}

/// A client that may lose its router.
struct Client {
    explicit Client(std::string at) : socket(std::move(at)), connection(open()) {}

    [[nodiscard]] Connection open() const {
        return Connection::open(
                   {.socket = socket, .submission_bytes = 16384, .delivery_bytes = 16384, .spin = 5us})
            .value();
    }
    /// Do we hold it? Over the old connection if that lives, else the way a process finds out: it reclaims.
    std::string report() {
        if (qubit && qubit->capability().id != 0 && connection.inspect(qubit->capability().id)) {
            return "yes over the old connection";
        }
        if (connection.list()) {
            return "no";
        }
        connection = open();
        if (qubit && qubit->capability().id != 0) {
            const auto back = qubit->reclaim_over(connection);
            return back ? "yes by reclaiming, with state " + std::to_string(qubit->state()[0].real())
                        : "no " + std::string(back.error().name());
        }
        auto back = Qubit::reclaim(connection);
        if (!back) {
            return "no " + std::string(back.error().name());
        }
        qubit.emplace(std::move(*back));
        return "yes by reclaiming";
    }

    std::string socket;
    Connection connection;
    std::optional<Qubit> qubit;
};

void run_sender(const std::string& socket, int orders, int answers) {
    Client client(socket);
    client.connection.register_endpoint("sender").value();
    const Capability receiver = client.connection.lookup("receiver").value();
    client.qubit.emplace(Qubit::prepare(client.connection, {.coherence = 1h, .width = 1}).value());
    client.qubit->state()[0] = 0.6;
    write_line(answers, "ready");
    for (std::string order = read_line(orders); !order.empty(); order = read_line(orders)) {
        if (order == "go") {
            [[maybe_unused]] const auto handed = client.qubit->hand_off(receiver);
        } else {
            write_line(answers, client.report());
        }
    }
}

void run_receiver(const std::string& socket, int orders, int answers) {
    Client client(socket);
    client.connection.register_endpoint("receiver").value();
    write_line(answers, "ready");
    // Takes all that was delivered; false when the router is gone.
    const auto take_messages = [&] {
        while (true) {
            const auto message = client.connection.try_receive();
            if (!message) {
                return message.error() != Error{Status::kRouterGone};
            }
            if (auto qubit = Qubit::accept(client.connection, *message)) {
                client.qubit.emplace(std::move(*qubit));
            }
        }
    };
    while (take_messages()) {
        pollfd wanted[] = {{orders, POLLIN, 0}, {client.connection.descriptor(), POLLIN, 0}};
        ::poll(wanted, 2, -1);
        if (wanted[0].revents != 0) {
            if (read_line(orders).empty()) {
                return;
            }
            take_messages();  // what came before the question counts in its answer
            write_line(answers, client.report());
        }
    }
    while (!read_line(orders).empty()) {
        write_line(answers, client.report());
    }
}

}  // namespace

template <typename Role>
Actor::Actor(Role role, const std::string& crash_at) {
    int to[2];
    int from[2];
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) {
        ::abort();
    }
    pid_ = ::fork();
    if (pid_ == 0) {
        ::close(to[1]);
        ::close(from[0]);
        ::setenv("KEYWAY_CRASH_AT", crash_at.c_str(), 1);
        role(to[0], from[1]);
        ::_exit(0);
    }
    ::close(to[0]);
    ::close(from[1]);
    orders_.reset(to[1]);
    answers_.reset(from[0]);
}

Actor::Actor(Actor&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      orders_(std::move(other.orders_)),
      answers_(std::move(other.answers_)) {}

Actor& Actor::operator=(Actor&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(orders_, other.orders_);
    std::swap(answers_, other.answers_);
    return *this;
}

Actor::~Actor() {
    kill();
}

void Actor::tell(const std::string& order) const {
    const std::string line = order + "\n";
    [[maybe_unused]] const ssize_t written = ::write(orders_.get(), line.data(), line.size());
}

std::string Actor::hear() const {
    return read_line(answers_.get());
}

bool Actor::was_killed() {
    int status = 0;
    const bool ended = ::waitpid(pid_, &status, 0) == pid_;
    pid_ = 0;
    return ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

void Actor::kill() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        was_killed();
    }
}

Stage::Stage(const std::string& crash_at) {
    ::signal(SIGPIPE, SIG_IGN);
    std::string name = std::filesystem::temp_directory_path() / "keyway-crash-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    socket_ = folder_ / "router.sock";
    ledger_ = folder_ / "qubits";
    const auto armed = [&](std::initializer_list<std::string_view> owners) {
        const std::string_view owner = std::string_view(crash_at).substr(0, crash_at.find('.'));
        return std::ranges::find(owners, owner) != owners.end() ? crash_at : std::string();
    };
    router =
        Actor([&](int, int answers) { run_router(socket_, ledger_, answers); }, armed({"router", "ledger"}));
    EXPECT_EQ(router.hear(), "ready");
    receiver =
        Actor([&](int orders, int answers) { run_receiver(socket_, orders, answers); }, armed({"receiver"}));
    EXPECT_EQ(receiver.hear(), "ready");
    sender = Actor([&](int orders, int answers) { run_sender(socket_, orders, answers); }, armed({"sender"}));
    EXPECT_EQ(sender.hear(), "ready");
}

Stage::~Stage() {
    for (Actor* actor : {&sender, &receiver, &router}) {
        actor->kill();
    }
    std::filesystem::remove_all(folder_);
}

void Stage::restart_router() {
    router = Actor([&](int, int answers) { run_router(socket_, ledger_, answers); }, {});
    EXPECT_EQ(router.hear(), "ready");
}

std::string Stage::holder_in_the_books() {
    auto viewer = Connection::open({.socket = socket_, .spin = 5us}).value();
    const auto state = nlohmann::json::parse(viewer.list().value());
    if (state.at("qubits").size() != 1) {
        return "nobody";
    }
    const std::uint32_t holder = state.at("qubits")[0].at("holder");
    if (holder == 0) {
        return "router";
    }
    for (const auto& process : state.at("processes")) {
        if (process.at("id") == holder) {
            return process.at("pid") == sender.pid() ? "sender" : "receiver";
        }
    }
    return "somebody";
}

std::string Stage::ask(const Actor& actor) {
    actor.tell("report");
    return actor.hear();
}

}  // namespace keyway::test
