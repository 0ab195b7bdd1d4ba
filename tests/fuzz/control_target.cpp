// A whole router, driven by hand in this thread, and up to four clients that say and write anything: requests
// in and out of order, garbage, descriptors, records, words all over their memory, and hang-ups at any
// moment.
//
// What must hold: a witness's messages to itself arrive in order throughout, and when the clients are gone
// nothing of them is left in the router.

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "router/router_impl.hpp"
#include "target.hpp"
#include "tests/security/raw_client.hpp"

namespace keyway::fuzz {

namespace {

using link::ControlMessage;
using test::RawClient;

constexpr std::size_t kMostClients = 4;
constexpr const char* kNames[] = {"a", "b", "honest", "", "bad name"};

RouterOptions options() {
    RouterOptions options;
    options.policy = Policy::permissive();
    options.policy.rules[0].observe = options.policy.rules[0].administer = true;
    options.policy.rules[0].lookup[0].rights |= right::kGrant | right::kRevoke | right::kDevice;
    options.policy.process.region_bytes = options.policy.user.region_bytes = 1 << 20;
    options.policy.process.queue_bytes = options.policy.user.queue_bytes = 4 << 20;
    options.capability_slots = 128;
    return options;
}

class Scene {
  public:
    Scene() : router_(options()) {
        ::signal(SIGPIPE, SIG_IGN);
        witness_ = dial();
        KEYWAY_HOLDS(witness_->open());
        testify();
        capabilities_at_rest_ = router_.table_.in_use();
        user_at_rest_ = *router_.link_of(static_cast<core::ProcessId>(witness_->id))->user;
    }

    void play(Reader reader) {
        ids_.assign({0, witness_->home});
        objects_.assign({0, witness_->id});
        for (int step = 0; step < 200 && !reader.empty(); ++step) {
            act(reader);
        }
        turn();
        testify();
        clients_.clear();
        sweep();
        testify();
    }

  private:
    std::unique_ptr<RawClient> dial() {
        int pair[2];
        KEYWAY_HOLDS(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        router_.admit(UniqueFd(pair[0]));
        return std::make_unique<RawClient>(UniqueFd(pair[1]), [this] { turn(); });
    }

    /// What the router's loop does in a round.
    void turn() {
        router_.read_clock();
        router_.pass();
        router_.reap();
        router_.handle_events(0);
        router_.rest_quiet_links();
        router_.sweep_qubits();
        router_.tend_channels();
    }

    template <typename T>
    T one_of(const std::vector<T>& known, Reader& reader) {
        const std::uint8_t which = reader.take();
        if (which >= 0xF0) {
            return reader.take<T>();
        }
        return known[known.size() - 1 - which % known.size()];
    }
    std::uint64_t some_value(Reader& reader) {
        switch (reader.take() % 8) {
            case 0:
                return 0;
            case 1:
                return 1;
            case 2:
                return 16384;
            case 3:
                return router_.now_ns_ + 1'000'000'000;
            case 4:
                return UINT64_MAX;
            default:
                return reader.take<std::uint32_t>();
        }
    }

    ControlMessage some_request(Reader& reader) {
        ControlMessage request;
        request.request = reader.take() % 60;
        request.rights = reader.take();
        request.kind = reader.take() % 4;
        request.capability = one_of(ids_, reader);
        request.target = one_of(ids_, reader);
        request.object = one_of(objects_, reader);
        request.badge = reader.take();
        request.lifetime = reader.take();
        request.submission_bytes = 1U << reader.take() % 32;
        request.delivery_bytes = 16384;
        request.value = some_value(reader);
        request.set_name(kNames[reader.take() % std::size(kNames)]);
        return request;
    }
    static Header header_for(std::uint32_t receiver, std::uint32_t capability) {
        Header header;
        header.set_version(kVersionMajor);
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        header.set_priority(1);
        header.set_receiver(receiver);
        header.set_capability(capability);
        return header;
    }
    Header some_header(Reader& reader) {
        Header header = header_for(one_of(objects_, reader), one_of(ids_, reader));
        header.set_type(reader.take() % 8);
        header.set_flags(reader.take() % 64);
        header.set_priority(reader.take() % 4);
        header.set_carried(one_of(ids_, reader));
        Grant grant;
        grant.set_rights(reader.take());
        grant.set_flags(reader.take() % 4);
        header.set_timestamp(grant.words[0]);
        return header;
    }

    void hear(const RawClient& client) {
        while (true) {
            const auto answer =
                link::receive_control(client.socket.get(), Deadline::in(std::chrono::seconds(0)));
            if (!answer) {
                return;
            }
            if (answer->message.status == 0) {
                learn(answer->message.capability, answer->message.object);
            }
        }
    }
    void learn(std::uint32_t capability, std::uint32_t object) {
        if (ids_.size() < 64 && capability != 0) {
            ids_.push_back(capability);
        }
        if (objects_.size() < 64 && object != 0) {
            objects_.push_back(object);
        }
    }

    void act(Reader& reader) {
        const std::uint8_t what = reader.take() % 16;
        if (what == 0 || clients_.empty()) {
            if (clients_.size() < kMostClients) {
                clients_.push_back(dial());
                const std::uint8_t how = reader.take();
                if (how % 8 != 0 && clients_.back()->open(16384, how % 8 != 1)) {
                    learn(clients_.back()->home, clients_.back()->id);
                }
            }
            return;
        }
        const std::size_t who = reader.take() % clients_.size();
        RawClient& client = *clients_[who];
        switch (what) {
            case 1:
            case 2:
            case 3:
            case 4:
                static_cast<void>(link::send_control(client.socket.get(), some_request(reader)));
                turn();
                hear(client);
                return;
            case 5: {  // garbage, or a request of any bytes
                std::uint8_t packet[sizeof(ControlMessage) + 8] = {};
                const ControlMessage good;
                std::memcpy(packet, &good, sizeof good);
                const bool with_magic = reader.take() % 2 == 0;
                const Input bytes = reader.take(reader.take() % sizeof packet);
                std::copy(bytes.begin(), bytes.end(), packet + (with_magic ? 8 : 0));
                const std::size_t size = with_magic ? sizeof good : bytes.size();
                static_cast<void>(::send(client.socket.get(), packet, size, MSG_DONTWAIT | MSG_NOSIGNAL));
                turn();
                return;
            }
            case 6: {
                const int fds[] = {client.socket.get(), STDERR_FILENO};
                static_cast<void>(link::send_control(client.socket.get(), some_request(reader), fds));
                turn();
                return;
            }
            case 7:
                clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(who));
                return;
            case 8:
            case 9:
            case 10: {
                if (client.submissions) {
                    Header header = some_header(reader);
                    const Input payload = reader.take(reader.take());
                    header.set_length(static_cast<std::uint16_t>(payload.size()));
                    client.submit(header, std::as_bytes(payload));
                }
                return;
            }
            case 11: {  // a request as a record
                if (client.submissions) {
                    const ControlMessage request = some_request(reader);
                    Header header = header_for(0, 0);
                    header.set_type(static_cast<std::uint8_t>(Type::kControl));
                    header.set_length(sizeof request);
                    client.submit(header, std::as_bytes(std::span(&request, 1)));
                    turn();
                    hear(client);
                }
                return;
            }
            case 12: {  // any word of its memory
                if (client.submissions) {
                    const auto all = client.all();
                    const std::uint32_t at = reader.take<std::uint32_t>();
                    const std::size_t offset =
                        (at % 4 == 0 ? at / 4 % 4096 : at % all.size()) & ~std::size_t{7};
                    ring::NativeAtomics::store(*reinterpret_cast<std::uint64_t*>(all.data() + offset),
                                               reader.take<std::uint64_t>(), std::memory_order_relaxed);
                }
                return;
            }
            case 13:
                if (client.submissions) {
                    while (client.take_notice()) {
                    }
                    for (std::size_t priority = 0; priority < limit::kPriorities; ++priority) {
                        while (const auto got = client.take(priority)) {
                            learn(got->carried(), got->sender());
                        }
                    }
                }
                return;
            case 14:
                client.ring_bell();
                turn();
                return;
            default:
                turn();
                return;
        }
    }

    /// The witness sends itself a message, and gets it, and nothing else before it.
    void testify() {
        Header header = header_for(witness_->id, witness_->home);
        header.set_sequence(++sent_);
        KEYWAY_HOLDS(witness_->submit(header));
        witness_->ring_bell();
        turn();
        turn();
        while (witness_->take_notice()) {
        }
        hear(*witness_);
        std::optional<Header> got;
        do {
            got = witness_->take(1);  // administrators among the clients may give it capabilities
        } while (got && got->sender() != witness_->id);
        KEYWAY_HOLDS(got && got->sequence() == sent_);
        for (const std::size_t other : {0U, 2U, 3U}) {
            while (witness_->take(other)) {
            }
        }
    }

    /// Everybody but the witness is gone: so is all that was theirs.
    void sweep() {
        for (int i = 0; i < 100 && router_.counters_.links_opened - router_.counters_.links_closed != 1;
             ++i) {
            turn();
        }
        KEYWAY_HOLDS(router_.counters_.links_opened - router_.counters_.links_closed == 1);
        // What the router keeps for a while: qubits for who comes back, channels for their counts.
        for (auto at = router_.qubits_.begin(); at != router_.qubits_.end();) {
            const auto here = at++;
            KEYWAY_HOLDS(here->second.holder == 0);
            router_.forget_qubit(here);
        }
        router_.now_ns_ += 10'000'000'000;
        router_.channels_.due_ns = 0;
        router_.tend_channels();
        router_.read_clock();
        KEYWAY_HOLDS(router_.channels_.all.empty());
        KEYWAY_HOLDS(router_.topics_.empty());
        KEYWAY_HOLDS(router_.regions_.empty());
        KEYWAY_HOLDS(router_.names_.empty() && router_.name_of_.empty());
        KEYWAY_HOLDS(router_.held_.empty() && router_.stuck_notices_.empty() && router_.doomed_.empty());
        // An administrator may have granted the witness something; of that nothing outlives its object.
        KEYWAY_HOLDS(router_.table_.in_use() == capabilities_at_rest_);
        KEYWAY_HOLDS(router_.table_.audit().empty());
        KEYWAY_HOLDS(router_.users_.size() == 1 && router_.connections_of_pid_.size() == 1);
        const router::User& user = router_.users_.begin()->second;
        KEYWAY_HOLDS(user.connections == 1 && user.endpoints == 0);
        KEYWAY_HOLDS(user.queue_bytes == user_at_rest_.queue_bytes);
        KEYWAY_HOLDS(user.descriptors == user_at_rest_.descriptors);
        KEYWAY_HOLDS(user.region_bytes == 0);
    }

    Router::Impl router_;
    std::unique_ptr<RawClient> witness_;
    std::vector<std::unique_ptr<RawClient>> clients_;
    std::vector<std::uint32_t> ids_;
    std::vector<std::uint32_t> objects_;
    std::uint32_t sent_ = 0;
    std::uint32_t capabilities_at_rest_ = 0;
    router::User user_at_rest_;
};

}  // namespace

void control(Input input) {
    static Scene scene;
    scene.play(Reader(input));
}

}  // namespace keyway::fuzz
