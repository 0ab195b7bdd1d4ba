// An event loop: one place that waits for two connections, a timer and a foreign descriptor (a pipe).
// Nothing is polled: the loop sleeps until one of them has something.
// Run: waitset
#include <keyway/connection.hpp>
#include <keyway/wait_set.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <chrono>
#include <iostream>

int main() {
    using Ready = keyway::WaitSet::Ready;
    auto set = keyway::WaitSet::make().value();
    auto left = keyway::Connection::open().value();
    auto right = keyway::Connection::open().value();
    left.register_endpoint("left").value();
    right.register_endpoint("right").value();
    const auto to_left = right.lookup("left").value();
    const auto to_right = left.lookup("right").value();
    int ends[2];
    if (::pipe(ends) != 0) {
        return 1;
    }

    int rallies = 0;
    set.add(left,
            [&](const Ready&) {
                while (left.try_receive()) {
                    if (++rallies == 5) {
                        [[maybe_unused]] auto written = ::write(ends[1], "x", 1);
                    } else {
                        left.send(keyway::Outgoing::to(to_right, "ping")).value();
                    }
                }
            })
        .value();
    set.add(right,
            [&](const Ready&) {
                while (right.try_receive()) {
                    right.send(keyway::Outgoing::to(to_left, "pong")).value();
                }
            })
        .value();
    bool piped = false;
    set.add_descriptor(ends[0], EPOLLIN,
                       [&](const Ready& ready) {
                           piped = true;
                           set.remove(ready.id);
                       })
        .value();
    set.add_timer(keyway::Deadline::in(std::chrono::milliseconds(10)),
                  [&](const Ready&) { left.send(keyway::Outgoing::to(to_right, "ping")).value(); });
    while (!piped) {
        set.dispatch().value();
    }
    std::cout << rallies << " rallies, then the pipe\n";
}
