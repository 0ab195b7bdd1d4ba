// A router inside a program, a service in a thread, and a call to it.
#include <keyway/router.hpp>

#include <iostream>
#include <string>
#include <thread>

int main() {
    using keyway::Deadline;
    keyway::Router router(keyway::RouterOptions{.policy = keyway::Policy::permissive()});
    router.start().value();
    auto service = router.connect().value();
    auto endpoint = service.register_endpoint("reverse").value();
    std::thread serving([&] {
        auto request = service.receive(Deadline::in(std::chrono::seconds(30))).value();
        const std::string_view text = request.text();
        service.reply(request, std::string(text.rbegin(), text.rend())).value();
    });
    auto client = router.connect().value();
    auto reverse = client.lookup("reverse").value();
    auto answer = client.call(reverse, "hello", Deadline::in(std::chrono::seconds(30))).value();
    std::cout << answer.text() << '\n';
    serving.join();
    return endpoint.id != 0 ? 0 : 1;
}
