// Coroutines: a service and its client as two tasks of one thread, on one wait set. Needs C++20.
// `co_await endpoint.receive()` lets the other tasks run until there is a message.
// Run: coroutine
#include <keyway/coroutine.hpp>

#include <chrono>
#include <iostream>
#include <string>

using keyway::AsyncEndpoint;
using keyway::Outgoing;
using keyway::Task;

namespace {

Task<> shout(AsyncEndpoint& endpoint, keyway::Capability to) {
    for (int i = 0; i < 3; ++i) {
        auto message = (co_await endpoint.receive()).value();
        endpoint.connection().send(Outgoing::to(to, std::string(message.text()) + "!")).value();
    }
}

Task<> whisper(keyway::Executor& executor, AsyncEndpoint& endpoint, keyway::Capability to) {
    for (const char* word : {"one", "two", "three"}) {
        endpoint.connection().send(Outgoing::to(to, word)).value();
        std::cout << (co_await endpoint.receive()).value().text() << '\n';
        co_await executor.sleep_until(keyway::Deadline::in(std::chrono::milliseconds(1)));
    }
}

}  // namespace

int main() {
    auto here = keyway::Connection::open().value();
    auto there = keyway::Connection::open().value();
    here.register_endpoint("here").value();
    there.register_endpoint("there").value();
    auto set = keyway::WaitSet::make().value();
    keyway::Executor executor(set);
    AsyncEndpoint quiet(executor, here);
    AsyncEndpoint loud(executor, there);
    executor.spawn(shout(loud, there.lookup("here").value()));
    executor.spawn(whisper(executor, quiet, here.lookup("there").value()));
    executor.run().value();
}
