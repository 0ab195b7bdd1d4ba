#pragma once

// The router's state and its parts. One thread runs all of it but what is marked "any thread".
//
//     router.cpp     life: the loop, sleeping, draining
//     accepting.cpp  processes come and go
//     pump.cpp       the way of a message: submission ring -> route() -> delivery rings
//     requests.cpp   what processes ask of the router itself; the answers are in
//       names.cpp      names, and what the policy says of them
//       authority.cpp  granting, revoking, giving up
//       regions.cpp    shared memory
//       qubits.cpp     linear resources and the ledger of their holders
//       channels.cpp   lanes and streams: opening, taking, ending, counting
//       topics.cpp     publish and subscribe: broadcast rings and who reads them
//     keeping.cpp    what is kept for a successor, as it happens
//     recovering.cpp what an earlier router has left, and who comes back
//     auditing.cpp   what is written down of all this
//     listing.cpp    what `list` answers
//     watching.cpp   counters and messages for those who look on

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "audit/folder.hpp"
#include "audit/log.hpp"
#include "core/capability_table.hpp"
#include "core/directory.hpp"
#include "core/route.hpp"
#include "keyway/engine.hpp"
#include "keyway/router.hpp"
#include "link/control.hpp"
#include "region/pool.hpp"
#include "router/answer.hpp"
#include "router/channels.hpp"
#include "router/keeping.hpp"
#include "router/link.hpp"
#include "router/qubit.hpp"
#include "router/region.hpp"
#include "router/topic.hpp"
#include "router/watching.hpp"

namespace keyway {

namespace router {

/// What the owner of an endpoint, and of a topic, may do with it, and may give to others.
inline constexpr std::uint8_t kEndpointRights =
    right::kRead | right::kWrite | right::kExecute | right::kGrant | right::kRevoke | right::kDevice;
inline constexpr std::uint8_t kTopicRights = right::kRead | right::kWrite | right::kGrant | right::kRevoke;

/// What an epoll event is about.
enum class Watch : std::uint8_t { kListener = 1, kWake, kSocket, kPidfd, kBell, kChannel };

/// Watch, process id, and the link's serial, which tells a late event from one of a new link with the same
/// id.
[[nodiscard]] constexpr std::uint64_t tag_of(Watch watch, std::uint32_t id = 0,
                                             std::uint32_t serial = 0) noexcept {
    return static_cast<std::uint64_t>(watch) << 56 | static_cast<std::uint64_t>(id) << 32 | serial;
}

}  // namespace router

struct KEYWAY_HIDDEN Router::Impl {
    explicit Impl(RouterOptions options);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    // --- router.cpp ---
    void run();
    void stop() noexcept;                           ///< any thread, and signal handlers
    void adopt(int socket, bool observes = false);  ///< any thread
    void set_policy(Policy policy);                 ///< any thread

    [[nodiscard]] bool hands_on() const {
        return keeping_ != nullptr && handing_on_.load(std::memory_order_acquire);
    }
    void take_over_requests();  ///< what other threads have left for us
    void handle_events(int timeout_ms);
    /// True when requests and newcomers have had their share of this look at the descriptors.
    [[nodiscard]] bool control_share_used() const;
    void sleep();
    void drain(router::Link& link);
    void drain_all();
    void watch(int fd, std::uint32_t events, std::uint64_t tag);
    void log(std::string_view line) const;

    /// Stops polling what has been quiet for `spin`; then it rings its bell.
    void rest_quiet_links();
    void activate(router::Link& link);
    void deactivate(router::Link& link);

    // --- accepting.cpp ---
    Result<void> listen();
    void accept_all();
    void admit(UniqueFd socket, bool observes = false);
    /// Ends a link: judges what it has submitted, ends its authority, tells who waited for it.
    void close_link(router::Link& link, Error reason);
    void reap();

    // --- pump.cpp ---
    /// One look at every active link; true when anything was done.
    bool pass();
    std::uint32_t pump(router::Link& link, std::uint32_t most);
    bool judge(router::Link& link, const ring::Record& record);
    void refuse_kept(router::Link& link, std::uint64_t ticket, const link::NoticeBody& notice);
    void finish(router::Link& link, const Header& header, Verdict verdict, std::uint64_t ticket,
                std::span<const std::byte> payload, core::CapabilityId created = 0);
    void hold(router::Link& link, const Header& header, std::uint64_t ticket);
    bool retry_held(router::Link& link);
    void give_up_held(router::Link& link, Verdict verdict);
    void notify(router::Link& link, const link::NoticeBody& notice);
    bool flush_notices(router::Link& link);
    /// Closes the link once the pass is over; until then nothing more is taken from it.
    void doom(router::Link& link, Error reason);
    void wake_touched();
    static void note_depth(router::Link& link, std::size_t priority, ring::Producer<>& ring);
    void touch_receiver(router::Link& link, unsigned priority);
    void touch_sender(router::Link& link);
    void tell_ended(const Entry& entry, core::CapabilityId id, core::ProcessId by);
    /// Puts a message of the router's own into a process's delivery ring; false when there is no room.
    bool deliver_from_router(router::Link& link, const Header& header);

    // --- requests.cpp ---
    void serve(router::Link& link);
    void serve_record(router::Link& link, const link::ControlMessage& request, std::uint64_t ticket);
    void answer(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> dispatch(router::Link& link, Request what, const link::ControlMessage& request,
                          router::Answer& reply);
    Result<void> say_hello(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> seal(router::Link& link);
    Result<void> list(const router::Link& link, router::Answer& reply) const;

    // --- names.cpp ---
    [[nodiscard]] bool administers(const router::Link& link) const;
    [[nodiscard]] bool observes(const router::Link& link) const;
    [[nodiscard]] bool sees_payloads(const router::Link& link) const;
    [[nodiscard]] bool may_prepare_qubits(const router::Link& link) const;
    Result<void> register_endpoint(router::Link& link, const link::ControlMessage& request,
                                   router::Answer& reply);
    Result<core::ObjectId> make_named(router::Link& link, std::string_view name, core::Directory::What what);
    Result<void> lookup(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> close_named(router::Link& link, const link::ControlMessage& request);
    void forget_named(core::ObjectId object);

    // --- authority.cpp ---
    Result<void> grant(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> derive(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> revoke(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> release(router::Link& link, core::CapabilityId capability);
    Result<void> inspect(router::Link& link, core::CapabilityId capability, router::Answer& reply);
    void cancel(router::Link& link, const link::ControlMessage& request);
    [[nodiscard]] bool is_named_root(core::SlotId slot) const;
    std::uint32_t end_tree(core::SlotId slot, bool self, core::ProcessId by);
    /// Called for every capability that was revoked, with the entry as it was. Must not touch the table.
    void on_ended(core::SlotId slot, const Entry& entry, core::ProcessId by);
    /// A capability was moved to another owner: `from` names nothing any more, it is `to` now.
    void moved_away(core::CapabilityId from, core::CapabilityId to);

    // --- engine.cpp ---
    [[nodiscard]] EngineKind engine_kind() const {
        return options_.engine == nullptr ? EngineKind::kSoftware : options_.engine->kind();
    }
    /// What becomes of a message that an engine looks at first; `by_core` routes it.
    core::Outcome beside_engine(const router::Link& link, const Header& header,
                                const std::function<core::Outcome()>& by_core);
    std::optional<Verdict> ask_engine(const router::Link& link, const Header& header);
    core::Outcome refused_by_engine(const router::Link& link, const Header& header, Verdict verdict);
    void alarm(const router::Link& link, const Header& header, Verdict engine, Verdict core);

    // --- auditing.cpp ---
    Result<void> open_audit();
    void close_audit();
    /// False while the audit log can't be written and the policy wants it.
    [[nodiscard]] bool may_go_on() const {
        return audit_ == nullptr || policy_.continue_without_audit || audit_->accepting();
    }
    /// True while the log can't be written and the policy wants it: no authority is given.
    [[nodiscard]] bool log_fails() const {
        return audit_ != nullptr && !policy_.continue_without_audit && audit_->failing();
    }
    /// True while the log is so far behind that requests wait as well. False when it fails: they are refused.
    [[nodiscard]] bool requests_wait() const {
        return audit_ != nullptr && !policy_.continue_without_audit && audit_->overflowing() &&
               !audit_->failing() && !audit_->accepting();
    }
    void note(const router::Link& link, const Header& header, Verdict verdict, core::CapabilityId created);
    void note_request(const router::Link& link, const link::ControlMessage& request,
                      const router::Answer& reply);
    void note_link(const router::Link& link, bool opened, Error reason);
    void note_ended(const Entry& entry, core::CapabilityId id, core::ProcessId by);
    void note_lane(const router::Channel& channel, const router::Channel::End& end,
                   const router::ChannelRun& run);
    void keep_record(const audit::Record& record);
    void note_unkept();
    void tend_audit();
    void flush_runs();

    // --- qubits.cpp ---
    using QubitMap = std::map<core::ObjectId, router::Qubit>;
    void recover_qubits();
    Result<void> prepare_qubit(router::Link& link, const link::ControlMessage& request,
                               router::Answer& reply);
    Result<void> show_qubit(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> reclaim_qubit(router::Link& link, const link::ControlMessage& request,
                               router::Answer& reply);
    void give_root(core::ObjectId object, router::Qubit& qubit, router::Link& link);
    void describe(const router::Qubit& qubit, core::ObjectId object, router::Answer& reply) const;
    void record(const router::Qubit& qubit);
    static void charge_state(router::Qubit& qubit, router::User* user);
    [[nodiscard]] router::Qubit* carried_qubit(const router::Link& link, const Header& header);
    void hand_off(core::ObjectId object, router::Qubit& qubit, const router::Link& receiver);
    void qubit_released(core::ObjectId object);
    void forget_qubit(QubitMap::iterator found);
    void sweep_qubits();
    // --- channels.cpp ---
    Result<void> open_channel(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> accept_channel(router::Link& link, const link::ControlMessage& request,
                                router::Answer& reply);
    Result<void> make_channel_files(router::Channel& channel, router::Answer& reply);
    void offer_channel(router::Link& peer, const router::Channel& channel);
    /// For on_ended(): a capability of a channel's end has ended.
    void channel_capability_ended(core::SlotId slot, const Entry& entry, core::ProcessId by);
    void channel_hung_up(core::ObjectId object, std::uint32_t serial);
    /// In force at once for both ends: what follows is refused by whoever would take it.
    void end_channel(router::Channel& channel, Error reason);
    /// Expiry, counts, and the last of channels that are over. Costs nothing when nothing is due.
    void tend_channels();
    bool look_at_counts(router::Channel& channel);
    void note_channel_run(router::Channel& channel, router::Channel::End& end, const router::ChannelRun& run);
    void forget_channel(const router::Channel& channel);
    [[nodiscard]] nlohmann::json list_channels(const router::Link& viewer, bool all) const;

    // --- regions.cpp ---
    static void charge_region(router::Link& payer, const router::Region& region, bool add);
    Result<void> create_region(router::Link& link, const link::ControlMessage& request,
                               router::Answer& reply);
    Result<void> map_region(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> unmap_region(router::Link& link, const link::ControlMessage& request);
    Result<void> freshen_region(router::Link& link, const link::ControlMessage& request,
                                router::Answer& reply);
    Result<void> move_region(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> cut_region(router::Link& link, const link::ControlMessage& request);
    static void describe(const router::Region& region, router::Answer& reply);
    Result<router::Region*> region_of(const router::Link& link, core::CapabilityId capability);
    Result<router::Region*> own_revocable_region(const router::Link& link, core::CapabilityId capability);
    [[nodiscard]] bool writer_expected(const router::Region& region) const;
    void tell_holders(const router::Region& region, core::ObjectId object, core::ProcessId but);
    /// Must not touch the table.
    void region_left(core::ObjectId object, core::CapabilityId capability, bool root);
    void rehome_regions(core::ProcessId payer);

    // --- topics.cpp ---
    Result<void> make_topic(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> subscribe(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    Result<void> subscribe_other(router::Link& link, core::SlotId topic, const link::ControlMessage& request,
                                 router::Answer& reply);
    Result<void> unsubscribe(router::Link& link, const link::ControlMessage& request);
    Result<void> show_topic_ring(router::Link& link, const link::ControlMessage& request,
                                 router::Answer& reply);
    /// Whether the topic takes an event now. Moves it to a fresh ring first when somebody who has the old one
    /// may not read what follows.
    [[nodiscard]] bool topic_has_room(core::ObjectId topic, std::uint32_t length);
    /// One write, however many subscribe.
    void publish(core::ObjectId topic, const Header& header, std::span<const std::byte> payload);
    Result<void> move_topic(core::ObjectId id, router::Topic& topic);
    static void close_subscription(router::Topic& topic, router::Subscriber& reader, Error reason);
    void wake_topics();
    /// The topic is about to end, its subscribers' capabilities before it: they shall not take it for a
    /// recall.
    void end_topic_ring(core::ObjectId object);
    void topic_capability_ended(core::SlotId slot, core::CapabilityId id, core::ObjectId object);
    /// Whoever subscribed by this capability, which is no longer its own, reads no further.
    static void recall_subscriber(router::Topic& topic, core::CapabilityId id);
    /// Before sleeping: asks those who hold the topic up to ring. False when there is room by now.
    bool await_topic(core::ObjectId topic, std::uint32_t length, std::uint64_t& earliest);

    // --- watching.cpp ---
    Result<void> observe(router::Link& link, router::Answer& reply);
    Result<void> open_counters(router::Link& link, const link::ControlMessage& request,
                               router::Answer& reply);
    Result<void> open_trace(router::Link& link, const link::ControlMessage& request, router::Answer& reply);
    [[nodiscard]] Result<core::SlotId> observer(const router::Link& link, core::CapabilityId capability,
                                                std::uint8_t rights) const;
    [[nodiscard]] bool may_see(const router::Link& link, core::CapabilityId capability) const;
    template <class Over>
    void end_watching_if(const Over& over);
    void end_watching(const router::Link& link, bool counters, bool trace);
    /// Must not touch the table.
    void observer_ended(core::CapabilityId capability);
    static void end_watcher(router::Watcher& watcher);
    static void end_tracer(router::Tracer& tracer);
    void time_calls(bool on);
    [[nodiscard]] ProcessFigures figures_of(router::Link& link) const;
    [[nodiscard]] EndpointFigures figures_of(core::ObjectId object) const;
    [[nodiscard]] RouterFigures figures(bool all) const;
    void plan(router::Watcher& watcher) const;
    void write_row(router::Watcher& watcher, std::uint64_t what);
    void publish(router::Watcher& watcher);
    [[nodiscard]] bool wants_publishing(const router::Watcher& watcher) const;
    bool tend_watchers();
    [[nodiscard]] std::uint64_t watchers_due() const;
    void time_call(const Header& header, core::CapabilityId created);
    [[nodiscard]] router::CallTimes& times_of(core::ObjectId endpoint);
    void forget_figures(core::ObjectId object);
    [[nodiscard]] TraceHead trace_head(const router::Link& link, const Header& header, Verdict verdict,
                                       core::CapabilityId created) const;
    void remember_refusal(const router::Link& link, const Header& header, Verdict verdict);
    void trace(const router::Link& link, const Header& header, std::span<const std::byte> payload,
               Verdict verdict, core::CapabilityId created);

    // --- keeping.cpp ---
    Result<void> make_token(router::Link& link);
    void keep_link(router::Link& link, std::uint32_t serial = 0);
    void drop_kept_link(const router::Link& link);
    void keep_object(core::ObjectId id, int file = -1);
    void drop_kept_object(core::ObjectId id);
    /// `reader` null: there is none any more.
    void keep_reading(const router::Link& link, std::uint32_t slot, const router::Subscriber* reader,
                      core::ObjectId topic);
    void keep_request(const router::Link& link, Request what, const link::ControlMessage& request,
                      const router::Answer& reply);
    bool answer_again(router::Link& link, Request what, const link::ControlMessage& request,
                      router::Answer& reply);
    /// `ticket`: of the record that the request came in; 0: it came on the socket.
    void settle_request(const router::Link& link, std::uint64_t ticket);
    void arm(const router::Link& sender, std::uint64_t ticket, const router::Link& receiver,
             std::uint32_t number, const ring::Producer<>& ring);

    // --- recovering.cpp ---
    Result<void> open_keeping();
    [[nodiscard]] bool was_shown(const keep::Intent& intent) const;
    void recover();
    bool recover_link(core::ProcessId id);
    [[nodiscard]] bool row_is_good(core::SlotId slot) const;
    void recover_table();
    void recover_objects();
    bool recover_object(core::ObjectId id);
    bool recover_topic(core::ObjectId id, const UniqueFd& left);
    bool recover_region(core::ObjectId id, UniqueFd left);
    void recover_qubit(core::ObjectId id, bool rooted, UniqueFd left);
    void recover_readings(router::Link& link);
    void begin_return(router::Link& fresh, const link::ControlMessage& request);
    Result<void> end_return(router::Link& link, const link::ControlMessage& request);
    static void stay_away(router::Link& link);
    [[nodiscard]] Result<void> pending_call(const router::Link& link, std::uint32_t sequence) const;

    // --- listing.cpp ---
    [[nodiscard]] std::string listing(const router::Link& viewer) const;

    [[nodiscard]] router::Link* link_of(core::ProcessId id) const { return links_[id].get(); }
    [[nodiscard]] core::Now now() const { return core::Now::at(now_ns_, origin_ns_); }
    void read_clock();

    struct Counters {
        std::atomic<std::uint64_t> verdict[32] = {};
        std::atomic<std::uint64_t> links_opened{0};
        std::atomic<std::uint64_t> links_closed{0};
        std::atomic<std::uint64_t> links_quarantined{0};
        std::atomic<std::uint64_t> sleeps{0};
        std::atomic<std::uint64_t> engine_judged{0};
        std::atomic<std::uint64_t> engine_missed{0};
        std::atomic<std::uint64_t> engine_differences{0};
    };
    /// One writer, so no locked instruction is needed.
    static void bump(std::atomic<std::uint64_t>& counter) {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }

    RouterOptions options_;
    Policy policy_;
    core::CapabilityTable table_;
    core::Directory directory_;
    std::vector<std::unique_ptr<router::Link>> links_;  ///< by process id
    std::map<std::string, core::ObjectId, std::less<>> names_;
    std::unordered_map<core::ObjectId, std::string> name_of_;
    std::map<std::uint32_t, router::User> users_;
    std::map<std::int32_t, std::uint32_t> connections_of_pid_;
    std::unique_ptr<audit::Log> audit_;
    audit::RunFolder runs_;
    std::uint64_t unkept_ = 0;          ///< what was not written down while the log could not be
    std::uint64_t wall_offset_ns_ = 0;  ///< CLOCK_REALTIME less our clock
    std::uint64_t next_tending_ns_ = 0;
    std::uint8_t serving_ = 0;  ///< the request that is being answered
    quantum::Ledger ledger_;
    QubitMap qubits_;
    std::unordered_map<core::ObjectId, router::Region> regions_;
    region::Pool region_pool_;
    std::uint64_t next_sweep_ns_ = 0;
    std::map<core::ObjectId, router::Topic> topics_;
    std::vector<core::ObjectId> touched_topics_;

    std::vector<router::Link*> active_;
    std::vector<router::Link*> held_;
    std::vector<router::Link*> touched_;
    std::vector<router::Link*> stuck_notices_;  ///< links with pending notices
    std::vector<router::Link*> doomed_;         ///< to be closed when the pass is over

    UniqueFd epoll_;
    UniqueFd listener_;
    UniqueFd wake_;
    UniqueFd spare_;  ///< given up for a moment when descriptors run out, to refuse politely
    std::string bound_path_;

    std::unique_ptr<router::Keeping> keeping_;  ///< null: nothing is kept
    std::uint64_t grace_until_ns_ = 0;          ///< who has yet to come back is waited for until then
    std::uint64_t origin_ns_ = 0;
    std::uint64_t now_ns_ = 0;
    std::uint64_t control_until_ns_ = 0;
    bool served_request_ = false;  ///< the last record that was judged was a request
    std::uint32_t next_serial_ = 1;
    Counters counters_;

    std::atomic<bool> stopping_{false};
    std::atomic<bool> handing_on_{false};
    std::atomic<bool> errands_{false};
    std::atomic<bool> audit_changed_{false};
    std::mutex errands_mutex_;
    std::vector<std::pair<UniqueFd, bool>> adopted_;  ///< and whether it may observe
    std::unique_ptr<Policy> new_policy_;

    router::Channels channels_;
    router::Watching watching_;
};

}  // namespace keyway
