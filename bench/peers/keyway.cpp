// Keyway's own three ways: through the router, through a lane, and in a region with a lane to say where.

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>

#include "good.hpp"
#include "keyway/connection.hpp"
#include "keyway/lane.hpp"
#include "keyway/region.hpp"
#include "keyway/router.hpp"
#include "keyway/stream.hpp"
#include "processes.hpp"
#include "router_process.hpp"
#include "transport.hpp"

namespace keyway::bench {

namespace {

constexpr std::size_t kPiece = limit::kPayloadBytes;
constexpr std::uint32_t kRingBytes = 256 * 1024;

/// A router with an audit log, in a process of its own, and each side's connection to it.
class Routed : public Transport {
  public:
    explicit Routed(const Setting& setting) : setting_(setting) {}
    Routed(const Routed&) = delete;
    Routed& operator=(const Routed&) = delete;
    ~Routed() override {
        connection_.reset();
        router_.reset();
    }

    void start(std::size_t) override { start_router(setting_.spins()); }
    void open(Side side) override {
        side_ = side;
        connect();
        if (!alone()) {
            good(connection_->register_endpoint(side == Side::kClient ? "client" : "partner"));
            registered_.meet(side);
            peer_ = good(connection_->lookup(side == Side::kClient ? "partner" : "client"));
        } else {
            peer_ = connection_->self();
        }
    }
    bool prepare(Side, std::size_t bytes) override {
        out_.resize(std::max(bytes, out_.size()));
        in_.resize(out_.size());
        return true;
    }
    std::span<std::byte> room(std::size_t bytes) override { return {out_.data(), bytes}; }
    void send(std::size_t bytes, bool) override {
        for (std::size_t at = 0; at < bytes; at += kPiece) {
            const std::span piece(out_.data() + at, std::min(kPiece, bytes - at));
            good(connection_->post(Outgoing::to(peer_, piece)));
            posted_ += piece.size();
            // Alone, nobody else takes them while we post.
            while (alone() && posted_ - taken_ > kAhead) {
                take_piece(bytes);
            }
        }
    }
    std::span<const std::byte> receive(std::size_t bytes) override {
        last_.release();  // before the next is there: the ring's room comes back when nothing is held
        if (bytes <= kPiece && taken_ == read_) {
            last_ = good(connection_->receive());
            taken_ += last_.payload().size();
            read_ = taken_;
            return last_.payload();
        }
        while (taken_ < read_ + bytes) {
            take_piece(bytes);
        }
        read_ += bytes;
        return {in_.data(), bytes};
    }

    // A router that spins needs a core. With two in all, both sides are one process: each message passes the
    // same two hops.
    [[nodiscard]] bool alone() const override { return setting_.spins() && !setting_.core_for_helper(); }
    [[nodiscard]] std::size_t window(std::size_t bytes) const override {
        return alone() ? std::clamp<std::size_t>(kAhead / std::max<std::size_t>(bytes, 128), 1, 64) : 0;
    }
    [[nodiscard]] std::vector<pid_t> helpers() const override { return {router_->pid()}; }
    void rest() override {
        if (setting_.spins()) {
            router_->pause();
        }
    }
    void resume() override {
        if (setting_.spins()) {
            router_->resume();
        }
    }

  protected:
    void start_router(bool spins) {
        folder_.emplace();
        const std::string socket = *folder_ / "router.sock";
        const int core = alone() ? setting_.partner_core : setting_.helper_core;
        RouterOptions options{.policy = Policy::permissive(), .socket = socket};
        options.policy.rules[0].lookup = {
            {.name = "*", .rights = right::kWrite | right::kDevice | right::kExecute}};
        options.spin = spins ? kNeverSleeps : std::chrono::nanoseconds(0);
        options.audit.directory = *folder_ / "audit";
        router_ = bench::start_router(core, options);
    }
    void connect() {
        ConnectOptions options;
        options.socket = *folder_ / "router.sock";
        options.spin = spin();
        options.submission_bytes = kRingBytes;
        options.delivery_bytes = kRingBytes;
        connection_.emplace(good(Connection::open(options)));
    }
    [[nodiscard]] std::chrono::nanoseconds spin() const {
        return setting_.spins() ? std::chrono::nanoseconds(std::chrono::seconds(30))
                                : std::chrono::nanoseconds(0);
    }

    Setting setting_;
    Side side_ = Side::kClient;
    std::optional<TemporaryFolder> folder_;
    std::unique_ptr<Child> router_;
    Rendezvous registered_;
    std::optional<Connection> connection_;
    Capability peer_;

  private:
    static constexpr std::size_t kAhead = kRingBytes / 4;

    // Messages over kPiece are put together in `in_`; several of one size may lie in there one after another.
    void take_piece(std::size_t bytes) {
        last_ = good(connection_->receive());
        const std::size_t at = (taken_ - read_) % std::max(bytes, in_.size());
        std::memcpy(in_.data() + at, last_.payload().data(), last_.payload().size());
        taken_ += last_.payload().size();
        last_.release();
    }

    std::vector<std::byte> out_;
    std::vector<std::byte> in_;
    std::uint64_t posted_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t read_ = 0;
    Received last_;
};

/// A lane for what fits a message, and a stream each way for what is larger. The router sleeps.
class Direct : public Routed {
  public:
    using Routed::Routed;
    Direct(const Direct&) = delete;
    Direct& operator=(const Direct&) = delete;
    ~Direct() override {
        writer_.reset();
        reader_.reset();
        lane_.reset();
    }
    void start(std::size_t) override { start_router(false); }
    void open(Side side) override {
        side_ = side;
        connect();
        good(connection_->register_endpoint(side == Side::kClient ? "client" : "partner"));
        registered_.meet(side);
        peer_ = good(connection_->lookup(side == Side::kClient ? "partner" : "client"));
        const auto open_writer = [&] {
            writer_.emplace(good(open_stream(*connection_, peer_, {.bytes = kRingBytes, .spin = spin()})));
        };
        const auto open_reader = [&] {
            reader_.emplace(
                good(accept_stream(*connection_, good(connection_->receive()), {.spin = spin()})));
        };
        if (side == Side::kClient) {
            lane_.emplace(good(open_lane(*connection_, peer_, {.bytes = kRingBytes, .spin = spin()})));
            open_writer();
            open_reader();
        } else {
            lane_.emplace(good(accept_lane(*connection_, good(connection_->receive()), {.spin = spin()})));
            open_reader();
            open_writer();
        }
    }
    bool prepare(Side, std::size_t bytes) override {
        made_.resize(std::max(bytes, made_.size()));
        got_.resize(made_.size());
        return true;
    }
    std::span<std::byte> room(std::size_t bytes) override { return {made_.data(), bytes}; }
    void send(std::size_t bytes, bool more) override {
        const std::span whole(made_.data(), bytes);
        if (bytes > kPiece) {
            good(writer_->write(whole));
        } else {
            send_on_lane(whole, more);
        }
    }
    std::span<const std::byte> receive(std::size_t bytes) override {
        if (bytes > kPiece) {
            for (std::size_t at = 0; at < bytes;) {
                at += good(reader_->read(std::span(got_.data() + at, bytes - at)));
            }
            return {got_.data(), bytes};
        }
        good(lane_->receiver().receive(message_));
        return message_.payload();
    }
    [[nodiscard]] bool alone() const override { return false; }
    [[nodiscard]] std::size_t window(std::size_t) const override { return 0; }
    void rest() override {}
    void resume() override {}

  protected:
    void send_on_lane(std::span<const std::byte> bytes, bool more) {
        if (!more) {
            good(lane_->sender().send(bytes));
            return;
        }
        const auto posted = lane_->sender().post(bytes);
        if (posted) {
            return;
        }
        if (posted.error() != Error{Verdict::kFull}) {
            good(posted);
        }
        good(lane_->sender().send(bytes));
    }

    std::optional<Lane> lane_;
    LaneMessage message_;

  private:
    std::optional<StreamWriter> writer_;
    std::optional<StreamReader> reader_;
    std::vector<std::byte> made_;
    std::vector<std::byte> got_;
};

/// A region of each side's, mapped once by the other; a message on the lane says which part is meant.
class InPlace final : public Direct {
  public:
    using Direct::Direct;
    bool prepare(Side, std::size_t bytes) override {
        if (region_) {
            view_->unmap();
            good(region_->destroy());
        }
        slots_ = window(bytes);
        slot_bytes_ = (bytes + 63) / 64 * 64;
        region_.emplace(good(StableRegion::create(*connection_, slots_ * slot_bytes_)));
        std::memset(region_->bytes().data(), 0, region_->bytes().size());  // its pages are there
        good(region_->give_read(peer_));
        view_.emplace(good(StableView::accept(*connection_, good(connection_->receive()))));
        next_ = 0;
        return true;
    }
    std::span<std::byte> room(std::size_t bytes) override {
        return region_->bytes().subspan(next_ % slots_ * slot_bytes_, bytes);
    }
    void send(std::size_t, bool more) override {
        const std::uint64_t offset = next_++ % slots_ * slot_bytes_;
        send_on_lane(std::as_bytes(std::span(&offset, 1)), more);
    }
    std::span<const std::byte> receive(std::size_t bytes) override {
        good(lane_->receiver().receive(message_));
        std::uint64_t offset = 0;
        if (message_.payload().size() != sizeof offset) {
            errno = 0;
            give_up("a message that says where has another size");
        }
        std::memcpy(&offset, message_.payload().data(), sizeof offset);
        if (offset > view_->size() || bytes > view_->size() - offset) {
            errno = 0;
            give_up("a message points outside of the region");
        }
        return view_->bytes().subspan(offset, bytes);
    }
    [[nodiscard]] std::size_t window(std::size_t bytes) const override {
        return std::clamp<std::size_t>((std::size_t{2} << 20) / bytes, 2, 64);
    }

  private:
    std::optional<StableRegion> region_;
    std::optional<StableView> view_;
    std::size_t slots_ = 1;
    std::size_t slot_bytes_ = 64;
    std::uint64_t next_ = 0;
};

template <typename T>
std::unique_ptr<Transport> make(const Setting& setting) {
    return std::make_unique<T>(setting);
}

}  // namespace

void add_keyway(std::vector<System>& systems) {
    systems.push_back({.name = "keyway routed",
                       .keyway = true,
                       .authority = "each message, by the router",
                       .audit = "each message, sealed",
                       .integrity = "the router checks its own copy; so has the receiver",
                       .make = make<Routed>});
    systems.push_back({.name = "keyway lane",
                       .keyway = true,
                       .authority = "each message, by the receiver's library",
                       .audit = "runs of messages, counted by both ends",
                       .integrity = "checked by the receiver's library; the receiver has its own copy",
                       .make = make<Direct>});
    systems.push_back({.name = "keyway region",
                       .keyway = true,
                       .authority = "each hand-over, as a lane; the kernel for the memory",
                       .audit = "the grant, and runs of hand-overs",
                       .integrity = "the receiver can't write; the sender can change what it lent",
                       .make = make<InPlace>});
}

}  // namespace keyway::bench
