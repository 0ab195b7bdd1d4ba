// iceoryx: an untyped publisher and subscriber each way (iceoryx_examples/icedelivery), chunks that are made
// in place, WAIT_FOR_CONSUMER and BLOCK_PRODUCER so that nothing is lost (iceoryx_examples/icediscovery:
// blocking publisher), memory pools for the sizes that are sent (its roudi_config_example.toml). Spinning
// polls `take`, as iceperf does; blocking waits with a WaitSet. RouDi only sets up: no message passes it; its
// monitoring is off.

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "processes.hpp"
#include "router_process.hpp"
#include "transport.hpp"

namespace keyway::bench {

namespace {

namespace popo = iox::popo;

class Iceoryx final : public Transport {
  public:
    explicit Iceoryx(const Setting& setting) : setting_(setting) {}

    void start(std::size_t greatest) override {
        folder_.emplace();
        const std::string config = *folder_ / "roudi.toml";
        std::ofstream pools(config);
        pools << "[general]\nversion = 1\n\n[[segment]]\n";
        const std::pair<std::size_t, unsigned> pairs[] = {{128, 1100},   {1024, 1100},      {4096, 1100},
                                                          {16384, 1100}, {128U << 10, 160}, {2U << 20, 40},
                                                          {greatest, 12}};
        std::size_t last = 0;
        for (const auto& [bytes, count] : pairs) {
            if (bytes > last) {
                pools << "\n[[segment.mempool]]\nsize = " << bytes << "\ncount = " << count << '\n';
                last = bytes;
            }
        }
        pools.close();
        roudi_ = std::make_unique<Child>(setting_.helper_core, [&] {
            const int nowhere = ::open("/dev/null", O_WRONLY);
            ::dup2(nowhere, STDOUT_FILENO);
            ::dup2(nowhere, STDERR_FILENO);
            ::execl(KEYWAY_BENCH_ROUDI, "iox-roudi", "-m", "off", "-l", "fatal", "-c", config.c_str(),
                    nullptr);
        });
    }
    void open(Side side) override {
        const bool client = side == Side::kClient;
        iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kError,
                                                                 iox::log::LogLevelOutput::kHideLogLevel);
        // Waits for RouDi.
        iox::runtime::PoshRuntime::initRuntime(client ? iox::RuntimeName_t("keyway-bench-client")
                                                      : iox::RuntimeName_t("keyway-bench-partner"));
        popo::PublisherOptions publisher;
        publisher.subscriberTooSlowPolicy = popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
        popo::SubscriberOptions subscriber;
        subscriber.queueCapacity = 256;
        subscriber.queueFullPolicy = popo::QueueFullPolicy::BLOCK_PRODUCER;
        const iox::capro::ServiceDescription there{"KeywayBench", "There", "Message"};
        const iox::capro::ServiceDescription back{"KeywayBench", "Back", "Message"};
        out_.emplace(client ? there : back, publisher);
        in_.emplace(client ? back : there, subscriber);
        if (!setting_.spins()) {
            waiting_.emplace();
            if (waiting_->attachState(*in_, popo::SubscriberState::HAS_DATA).has_error()) {
                give_up("iceoryx: attachState");
            }
        }
        while (in_->getSubscriptionState() != iox::SubscribeState::SUBSCRIBED || !out_->hasSubscribers()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        connected_.meet(side);
    }
    std::span<std::byte> room(std::size_t bytes) override {
        release();
        const auto loan = out_->loan(static_cast<std::uint32_t>(bytes));
        if (loan.has_error()) {
            errno = 0;
            give_up("iceoryx: no chunk to be had");
        }
        made_ = loan.value();
        return {static_cast<std::byte*>(made_), bytes};
    }
    void send(std::size_t, bool) override { out_->publish(made_); }
    std::span<const std::byte> receive(std::size_t) override {
        release();
        for (;;) {
            auto taken = in_->take();
            if (!taken.has_error()) {
                taken_ = taken.value();
                break;
            }
            if (waiting_) {
                waiting_->wait();
            }
        }
        return {static_cast<const std::byte*>(taken_),
                iox::mepoo::ChunkHeader::fromUserPayload(taken_)->userPayloadSize()};
    }
    // Chunks are taken from a pool, so only as many as it has may be under way.
    [[nodiscard]] std::size_t window(std::size_t bytes) const override {
        return bytes > (2U << 20) ? 4 : bytes > (128U << 10) ? 8 : bytes > 16384 ? 64 : 0;
    }
    [[nodiscard]] std::vector<pid_t> helpers() const override { return {roudi_->pid()}; }

  private:
    void release() {
        if (taken_ != nullptr) {
            in_->release(taken_);
            taken_ = nullptr;
        }
    }

    Setting setting_;
    std::optional<TemporaryFolder> folder_;
    std::unique_ptr<Child> roudi_;
    Rendezvous connected_;
    std::optional<popo::UntypedPublisher> out_;
    std::optional<popo::UntypedSubscriber> in_;
    std::optional<popo::WaitSet<4>> waiting_;
    void* made_ = nullptr;
    const void* taken_ = nullptr;
};

}  // namespace

std::unique_ptr<Transport> make_iceoryx(const Setting& setting) {
    return std::make_unique<Iceoryx>(setting);
}

}  // namespace keyway::bench
