#pragma once

// Metrics over HTTP, for this machine: GET /metrics. Threads of their own serve them from the counters that
// the router publishes, so nobody who asks, however often or slowly, is waited for by the routing thread.

#include <memory>
#include <string>

#include "keyway/router.hpp"

namespace keyway::daemon {

class MetricsServer {
  public:
    MetricsServer();
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;
    ~MetricsServer();

    /// Serves `router`, which must run and live longer, at an address as the policy file has it. An error is
    /// a sentence for people.
    [[nodiscard]] std::string start(Router& router, const std::string& address);
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace keyway::daemon
