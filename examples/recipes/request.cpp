// Request and response: request serve COUNT | request call TEXT
#include <keyway/connection.hpp>

#include <algorithm>
#include <cctype>
#include <iostream>
#include <string>

using namespace std::chrono_literals;
using keyway::Deadline;

// [serve]
keyway::Result<void> serve(keyway::Connection& connection, int count) {
    auto endpoint = connection.register_endpoint("recipe/upper");
    if (!endpoint) {
        return endpoint.error();
    }
    std::cout << "ready" << std::endl;
    for (; count > 0; --count) {
        auto call = connection.receive();
        if (!call) {
            return call.error();
        }
        std::string text(call->text());
        std::transform(text.begin(), text.end(), text.begin(),
                       [](unsigned char c) { return std::toupper(c); });
        if (auto answered = connection.reply(*call, text); !answered) {
            std::cerr << answered.error().message() << '\n';  // this caller's trouble, not ours
        }
    }
    return {};
}
// [end]

// [call]
keyway::Result<std::string> ask(keyway::Connection& connection, const std::string& text) {
    auto upper = connection.lookup("recipe/upper");  // policy says whether we may
    if (!upper) {
        return upper.error();
    }
    auto answer = connection.call(*upper, text, Deadline::in(10s));
    if (!answer) {
        return answer.error();  // peer_gone, timeout, a refusal ... each with its name
    }
    return std::string(answer->text());
}
// [end]

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: request serve COUNT | request call TEXT\n";
        return 2;
    }
    auto connection = keyway::Connection::open();
    if (!connection) {
        std::cerr << connection.error().message() << '\n';
        return 1;
    }
    if (std::string(argv[1]) == "serve") {
        auto served = serve(*connection, std::stoi(argv[2]));
        if (!served) {
            std::cerr << served.error().message() << '\n';
        }
        return served ? 0 : 1;
    }
    auto answer = ask(*connection, argv[2]);
    if (!answer) {
        std::cerr << answer.error().message() << '\n';
        return 1;
    }
    std::cout << *answer << '\n';
}
