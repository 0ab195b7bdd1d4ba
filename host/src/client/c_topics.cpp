// Topics in the C interface: events come merged with messages, by ipc_receive().

#include <algorithm>
#include <cstring>

#include "client/c_state.hpp"
#include "keyway/topic.hpp"

namespace keyway::c {

namespace {

using Step = Subscription::Impl::Step;

void to_message(const Event& event, ipc_message_t& to) {
    to.sender_id = event.sender();
    to.receiver_id = event.topic();
    to.message_type = IPC_EVENT;
    to.length = static_cast<std::uint32_t>(event.payload.size());
    std::memcpy(to.data, event.payload.data(), event.payload.size());
    to.timestamp = event.header.timestamp();
    to.capability_id = 0;
    to.priority = event.header.priority();
    set_last_badge(event.badge());
}

// Each topic in its turn, so that a busy one doesn't drown the others.
bool look_for_event(State& state, Taken& taken, ipc_message_t& to) {
    if (!state.any_subscribed.load(std::memory_order_acquire)) {
        return false;
    }
    const std::lock_guard books(state.books);
    const std::size_t count = state.subscriptions.size();
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = (state.next_subscription + i) % count;
        Subscription::Impl& subscription = *state.subscriptions[at];
        switch (subscription.step()) {
            case Step::kEvent:
                to_message(subscription.event(), to);
                state.next_subscription = at + 1;
                taken.event = true;
                return true;
            case Step::kMoved:
            case Step::kEnded:
                taken.tend = true;
                return true;
            case Step::kNothing:
                break;
        }
    }
    return false;
}

Result<void> add_subscription(State& state, std::uint32_t capability) {
    auto made = Subscription::Impl::open(state.connection.impl(), capability, true);
    if (!made) {
        return made.error();
    }
    Subscription::Impl& added = **made;
    {
        const std::lock_guard books(state.books);
        state.subscriptions.push_back(std::move(*made));
        state.any_subscribed.store(true, std::memory_order_release);
    }
    // A thread that sleeps in ipc_receive() doesn't know of it yet. Only the holder of the sending half,
    // which we are, ends subscriptions, so it is there still.
    [[maybe_unused]] const auto nudged = added.nudge();
    return {};
}

}  // namespace

Result<Taken> take_next(State& state, std::uint64_t timeout_ns, Deadline deadline, ipc_message_t& to) {
    Connection::Impl& impl = state.connection.impl();
    if (!impl.usable()) {
        return Status::kNotConnected;
    }
    Taken taken;
    const auto look = [&] {
        if (state.events_first && look_for_event(state, taken, to)) {
            state.events_first = false;
            return true;
        }
        if (impl.receiving.take(taken.message.emplace())) {
            state.events_first = true;
            return true;
        }
        taken.message.reset();
        return look_for_event(state, taken, to);
    };
    const auto look_and_release = [&] {
        if (look() || impl.receiving.corrupt()) {
            return true;
        }
        impl.receiving.release_all();
        return false;
    };
    bool found = false;
    if (timeout_ns == IPC_NO_WAIT) {
        // From here on the descriptor tells; what came before is found by the second look.
        found = look() || (static_cast<void>(state.connection.arm()), look_and_release());
    } else {
        client::Sleeper* const sleepers[] = {&impl.receiving.sleeper()};
        found = client::wait_until(sleepers, impl.socket.get(), impl.spin, deadline, impl.receiver_gone,
                                   look_and_release);
    }
    if (taken.message || taken.event || taken.tend) {
        return taken;
    }
    if (found) {
        return Status::kCorrupt;
    }
    return impl.receiver_gone ? Status::kRouterGone : Status::kTimeout;
}

void tend_subscriptions(State& state) {
    const std::lock_guard lock(state.sending);
    std::vector<std::unique_ptr<Subscription::Impl>> ended;  // they ask the router: not under the books
    const std::lock_guard books(state.books);
    auto& all = state.subscriptions;
    for (std::size_t i = 0; i < all.size();) {
        Subscription::Impl& subscription = *all[i];
        const auto open = [&] {
            return ring::NativeAtomics::load(subscription.slot->closed, std::memory_order_acquire) == 0;
        };
        // Recalled, what is in the old ring is ours still, and its step() says when that is read.
        if (open() && subscription.reader.state() == broadcast::RingState::kMoved) {
            auto renewed = subscription.renew();
            if (!renewed && open()) {
                subscription.why = renewed.error();
            }
        }
        if (subscription.why) {
            ended.push_back(std::move(all[i]));
            all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
        } else {
            ++i;
        }
    }
    state.any_subscribed.store(!all.empty(), std::memory_order_release);
}

bool subscribed_by(State& state, const Received& message) {
    if (message.sender() != 0 || message.type() != Type::kCapability || message.header().sequence() == 0) {
        return false;
    }
    const std::lock_guard lock(state.sending);
    return static_cast<bool>(add_subscription(state, message.carried()));
}

}  // namespace keyway::c

using keyway::c::result_of;
using keyway::c::State;
using keyway::c::with_sending;

extern "C" {

ipc_result_t ipc_topic_create(const char* name, uint32_t policy, uint32_t keep, uint32_t* topic,
                              uint32_t* capability) {
    if (name == nullptr || policy > IPC_BLOCK) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        keyway::TopicOptions options;
        options.policy = static_cast<keyway::TopicPolicy>(policy);
        options.keep = keep;
        const auto made = keyway::make_topic(held.connection, name, options);
        if (!made) {
            return result_of(made.error());
        }
        {
            const std::lock_guard books(held.books);
            held.capability_for[made->object] = made->id;
        }
        if (topic != nullptr) {
            *topic = made->object;
        }
        if (capability != nullptr) {
            *capability = made->id;
        }
        return ipc_result_t{IPC_OK};
    });
}

ipc_result_t ipc_subscribe(uint32_t topic, uint32_t process_id) {
    return with_sending([&](State& held) {
        const std::uint32_t capability = keyway::c::capability_for(held, topic).id;
        if (process_id == 0 || process_id == held.connection.id()) {
            return result_of(keyway::c::add_subscription(held, capability));
        }
        return result_of(
            keyway::subscribe_process(held.connection, keyway::Capability{.id = capability}, process_id));
    });
}

ipc_result_t ipc_unsubscribe(uint32_t topic) {
    return with_sending([&](State& held) {
        std::unique_ptr<keyway::Subscription::Impl> ended;  // it asks the router: not under the books
        const std::lock_guard books(held.books);
        const auto found =
            std::ranges::find(held.subscriptions, topic, [](const auto& s) { return s->topic; });
        if (found == held.subscriptions.end()) {
            return ipc_result_t{IPC_E_NO_SUCH_SUBSCRIPTION};
        }
        ended = std::move(*found);
        held.subscriptions.erase(found);
        held.any_subscribed.store(!held.subscriptions.empty(), std::memory_order_release);
        return ipc_result_t{IPC_OK};
    });
}

}  // extern "C"
