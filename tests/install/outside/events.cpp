// The event headers from outside, as C++20: a service in a thread, and a coroutine that waits for a message.
#include <keyway/coroutine.hpp>
#include <keyway/router.hpp>
#include <keyway/service.hpp>
#include <keyway/wait_set.hpp>

#include <iostream>
#include <string>
#include <thread>

static keyway::Task<> print_one(keyway::AsyncEndpoint& endpoint) {
    std::cout << (co_await endpoint.receive()).value().text() << '\n';
}

int main() {
    const auto deadline = keyway::Deadline::in(std::chrono::seconds(30));
    keyway::Router router(keyway::RouterOptions{.policy = keyway::Policy::permissive()});
    router.start().value();
    auto provider = router.connect().value();
    auto service = keyway::Service::open(provider, "echo").value();
    service.on(1, [](const keyway::Call& call) { return std::string(call.text()); });
    std::thread serving([&] { service.run().value(); });
    auto client = router.connect().value();
    keyway::ServiceClient echo(client, client.lookup("echo").value());
    const auto answer = echo.call(1, "echoed", deadline).value();

    auto set = keyway::WaitSet::make().value();
    keyway::Executor executor(set);
    keyway::AsyncEndpoint endpoint(executor, client);
    executor.spawn(print_one(endpoint));
    client.register_endpoint("inbox").value();
    auto sender = router.connect().value();
    sender.send(keyway::Outgoing::to(sender.lookup("inbox").value(), answer), deadline).value();
    executor.run().value();
    service.stop();
    serving.join();
}
