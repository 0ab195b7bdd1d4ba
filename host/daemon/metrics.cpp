#include "daemon/metrics.hpp"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <mutex>
#include <thread>

#include "daemon/openmetrics.hpp"

namespace keyway::daemon {

namespace {

constexpr std::size_t kThreads = 2;  ///< scrapers at once; more wait
constexpr time_t kPatienceS = 2;     ///< for one that is slow to ask or to read
constexpr mode_t kSocketMode = 0660;
constexpr std::uint32_t kRingBytes = 16 * 1024;  ///< it asks, and is sent nothing

Exposition wanted(const httplib::Request& request) {
    return request.get_header_value("Accept").find("application/openmetrics-text") != std::string::npos
               ? Exposition::kOpenMetrics
               : Exposition::kPrometheus;
}

}  // namespace

struct MetricsServer::Impl {
    explicit Impl(Connection observer) : connection(std::move(observer)) {}

    Result<void> open() {
        counters.reset();
        const auto observer = become_observer(connection);
        if (!observer) {
            return observer.error();
        }
        auto opened = Counters::open(connection, observer->id);
        if (!opened) {
            return opened.error();
        }
        counters.emplace(std::move(*opened));
        if (capability != 0) {
            [[maybe_unused]] const auto given_up = connection.release(capability);
        }
        capability = observer->id;
        return {};
    }
    Result<Snapshot> read() {
        const std::lock_guard lock(mutex);
        auto snapshot = counters->read();
        // An administrator may have revoked it, and there may be more rows by now.
        if (!snapshot || snapshot->more) {
            if (auto opened = open(); !opened) {
                return opened.error();
            }
            snapshot = counters->read();
        }
        return snapshot;
    }
    void answer(const httplib::Request& request, httplib::Response& response) {
        const auto snapshot = read();
        if (!snapshot) {
            response.status = 503;
            response.set_content(snapshot.error().message() + "\n", "text/plain");
            return;
        }
        const Exposition form = wanted(request);
        response.set_content(exposition_of(*snapshot, form), content_type_of(form));
    }

    std::mutex mutex;  ///< of what follows: one thread at a time
    Connection connection;
    std::optional<Counters> counters;
    std::uint32_t capability = 0;

    httplib::Server server;
    std::thread thread;
    std::string path;  ///< of a Unix socket
};

MetricsServer::MetricsServer() = default;
MetricsServer::~MetricsServer() {
    stop();
}

std::string MetricsServer::start(Router& router, const std::string& address) {
    auto connection = router.connect_observer({.submission_bytes = kRingBytes, .delivery_bytes = kRingBytes});
    if (!connection) {
        return connection.error().message();
    }
    impl_ = std::make_unique<Impl>(std::move(*connection));
    if (auto opened = impl_->open(); !opened) {
        return opened.error().message();
    }
    httplib::Server& server = impl_->server;
    server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // the server deletes it
    server.set_read_timeout(kPatienceS);
    server.set_write_timeout(kPatienceS);
    server.set_keep_alive_timeout(kPatienceS);
    server.set_payload_max_length(1024);
    server.Get("/metrics",
               [impl = impl_.get()](const httplib::Request& request, httplib::Response& response) {
                   impl->answer(request, response);
               });
    constexpr std::string_view kUnix = "unix:";
    bool bound = false;
    if (address.starts_with(kUnix)) {
        impl_->path = address.substr(kUnix.size());
        struct stat status {};
        if (::lstat(impl_->path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
            ::unlink(impl_->path.c_str());  // nobody else's: the router's own socket says that we are alone
        }
        server.set_address_family(AF_UNIX);
        bound = server.bind_to_port(impl_->path, 80) && ::chmod(impl_->path.c_str(), kSocketMode) == 0;
    } else {
        const std::size_t colon = address.rfind(':');
        std::string host = address.substr(0, colon);
        if (host.starts_with('[')) {
            host = host.substr(1, host.size() - 2);
        }
        int port = 0;
        std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
        bound = server.bind_to_port(host, port);
    }
    if (!bound) {
        impl_->path.clear();
        return "the address is in use, or may not be used by this user";
    }
    impl_->thread = std::thread([impl = impl_.get()] { impl->server.listen_after_bind(); });
    while (!server.is_running()) {
        std::this_thread::yield();  // a stop before that would be lost
    }
    return {};
}

void MetricsServer::stop() {
    if (impl_ == nullptr) {
        return;
    }
    if (impl_->thread.joinable()) {
        impl_->server.stop();
        impl_->thread.join();
    }
    if (!impl_->path.empty()) {
        ::unlink(impl_->path.c_str());
    }
    impl_.reset();
}

}  // namespace keyway::daemon
