// Request and response, the asking side: prints what the service answers, or why it doesn't.
// The deadline bounds all of it; the end of the service or the router ends the wait at once.
// Run: echo_client hello
#include <keyway/service.hpp>

#include <chrono>
#include <iostream>

int main(int argc, char** argv) {
    auto connection = keyway::Connection::open().value();
    keyway::ServiceClient echo(connection, connection.lookup("echo").value());
    const auto deadline = keyway::Deadline::in(std::chrono::seconds(30));
    auto answer = echo.call(1, argc > 1 ? argv[1] : "hello", deadline);
    if (!answer) {
        std::cerr << answer.error().message() << '\n';
        return 1;
    }
    std::cout << *answer << '\n';
}
