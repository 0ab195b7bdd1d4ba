// The C interface over one Connection a process. Two locks, one a half, so that a thread which waits for
// messages doesn't keep others from sending.

#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "client/c_state.hpp"

namespace keyway::c {

std::mutex state_mutex;
std::shared_ptr<State> current;

namespace {
thread_local std::uint32_t last_badge = 0;
}

void set_last_badge(std::uint32_t badge) {
    last_badge = badge;
}

std::shared_ptr<State> state() {
    const std::lock_guard lock(state_mutex);
    return current;
}

}  // namespace keyway::c

namespace {

using keyway::Capability;
using keyway::Connection;
using keyway::Deadline;
using keyway::Outgoing;
using keyway::Received;
using keyway::c::current;
using keyway::c::deadline_of;
using keyway::c::result_of;
using keyway::c::State;
using keyway::c::state;
using keyway::c::state_mutex;
using keyway::c::with_sending;

static_assert(sizeof(static_cast<ipc_message_t*>(nullptr)->data) == keyway::limit::kPayloadBytes);

// What a message says, for a receiver; false when it can't be.
bool to_outgoing(State& state, uint32_t receiver, const ipc_message_t& from, Outgoing& to) {
    const std::uint32_t type = from.message_type == 0 ? std::uint32_t{IPC_DATA} : from.message_type;
    if (from.length > sizeof from.data || from.priority >= keyway::limit::kPriorities || type > UINT8_MAX) {
        return false;
    }
    to.type = static_cast<keyway::Type>(type);
    to.priority = static_cast<std::uint8_t>(from.priority);
    to.receiver = receiver;
    to.payload = std::as_bytes(std::span(from.data, from.length));
    to.capability = from.capability_id;
    if (to.capability == 0) {
        const std::lock_guard lock(state.books);
        const auto known = state.capability_for.find(receiver);
        to.capability = known == state.capability_for.end() ? 0 : known->second;
    }
    return true;
}

bool is_plain(const Outgoing& message) {
    return message.type == keyway::Type::kData || message.type == keyway::Type::kControl;
}

void from_received(const Received& from, ipc_message_t& to) {
    to.sender_id = from.sender();
    to.receiver_id = from.receiver();
    to.message_type = static_cast<std::uint32_t>(from.type()) | (from.is_call() ? IPC_IS_CALL : 0U) |
                      (from.is_reply() ? IPC_IS_REPLY : 0U);
    to.length = static_cast<std::uint32_t>(from.payload().size());
    std::memcpy(to.data, from.payload().data(), from.payload().size());
    to.timestamp = from.timestamp();
    to.capability_id = from.carried();
    to.priority = from.header().priority();
    keyway::c::set_last_badge(from.badge());
}

}  // namespace

extern "C" {

ipc_result_t ipc_connect(const char* socket) {
    const std::lock_guard lock(state_mutex);
    if (current != nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    keyway::ConnectOptions options;
    if (socket != nullptr) {
        options.socket = socket;
    }
    auto connection = Connection::open(options);
    if (!connection) {
        return result_of(connection.error());
    }
    current = std::make_shared<State>(std::move(*connection));
    return IPC_OK;
}

ipc_result_t ipc_disconnect(void) {
    const std::lock_guard lock(state_mutex);
    if (current == nullptr) {
        return IPC_E_NOT_CONNECTED;
    }
    current.reset();
    return IPC_OK;
}

uint32_t ipc_self(void) {
    const auto held = state();
    return held == nullptr ? 0 : held->connection.id();
}

int ipc_descriptor(void) {
    const auto held = state();
    return held == nullptr ? -1 : held->connection.descriptor();
}

uint32_t ipc_badge(void) {
    return keyway::c::last_badge;
}

ipc_result_t ipc_send(uint32_t receiver, const ipc_message_t* msg) {
    if (msg == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        Outgoing message;
        if (!to_outgoing(held, receiver, *msg, message) || !is_plain(message)) {
            return ipc_result_t{IPC_E_BAD_ARGUMENT};
        }
        return result_of(held.connection.send(message));
    });
}

ipc_result_t ipc_receive(uint32_t* sender, ipc_message_t* msg, uint64_t timeout_ns) {
    const auto held = state();
    if (msg == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    if (held == nullptr) {
        return IPC_E_NOT_CONNECTED;
    }
    const Deadline deadline = deadline_of(timeout_ns);
    std::optional<Received> message;
    while (!message) {
        std::unique_lock lock(held->receiving);
        auto taken = keyway::c::take_next(*held, timeout_ns, deadline, *msg);
        if (!taken) {
            return result_of(taken.error());
        }
        if (taken->event) {
            if (sender != nullptr) {
                *sender = msg->sender_id;
            }
            return IPC_OK;
        }
        if (taken->message) {
            taken->message->detach();  // the lock goes before it is read
        }
        lock.unlock();
        if (taken->tend) {
            keyway::c::tend_subscriptions(*held);
        } else if (!keyway::c::subscribed_by(*held, *taken->message)) {
            message = std::move(taken->message);
        }
    }
    from_received(*message, *msg);
    if (message->is_call()) {
        const std::lock_guard books(held->books);
        held->open_calls[message->sender()].push_back(message->carried());
    }
    if (sender != nullptr) {
        *sender = message->sender();
    }
    return IPC_OK;
}

ipc_result_t ipc_reply(uint32_t receiver, const ipc_message_t* reply) {
    if (reply == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        Outgoing message;
        if (!to_outgoing(held, receiver, *reply, message) || !is_plain(message)) {
            return ipc_result_t{IPC_E_BAD_ARGUMENT};
        }
        message.capability = reply->capability_id;
        if (message.capability == 0) {
            const std::lock_guard books(held.books);
            const auto calls = held.open_calls.find(receiver);
            if (calls == held.open_calls.end()) {
                return ipc_result_t{IPC_E_NO_SUCH_CAPABILITY};
            }
            message.capability = calls->second.front();
        }
        message.flags = keyway::flag::kReply | keyway::flag::kNoWait;
        const ipc_result_t result = result_of(held.connection.send(message));
        if (result != IPC_E_FULL) {  // answered, or never to be answered; only `full` may be tried again
            const std::lock_guard books(held.books);
            if (const auto calls = held.open_calls.find(receiver); calls != held.open_calls.end()) {
                std::erase(calls->second, message.capability);
                if (calls->second.empty()) {
                    held.open_calls.erase(calls);
                }
            }
        }
        return result;
    });
}

ipc_result_t ipc_publish(uint32_t topic, const ipc_message_t* msg) {
    if (msg == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        Outgoing message;
        if (!to_outgoing(held, topic, *msg, message)) {
            return ipc_result_t{IPC_E_BAD_ARGUMENT};
        }
        message.type = keyway::Type::kEvent;
        return result_of(held.connection.send(message));
    });
}

ipc_result_t ipc_call(uint32_t receiver, const ipc_message_t* request, ipc_message_t* reply,
                      uint64_t timeout_ns) {
    if (request == nullptr || reply == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    const Deadline deadline = deadline_of(timeout_ns);
    return with_sending([&](State& held) {
        const std::lock_guard lock(held.receiving);
        Outgoing message;
        if (!to_outgoing(held, receiver, *request, message) || !is_plain(message)) {
            return ipc_result_t{IPC_E_BAD_ARGUMENT};
        }
        auto answer = held.connection.call(message, deadline);
        if (!answer) {
            return result_of(answer.error());
        }
        from_received(*answer, *reply);
        return ipc_result_t{IPC_OK};
    });
}

ipc_result_t ipc_register(const char* name, uint32_t* endpoint, uint32_t* capability) {
    if (name == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        const auto made = held.connection.register_endpoint(name);
        if (!made) {
            return result_of(made.error());
        }
        if (endpoint != nullptr) {
            *endpoint = made->id;
        }
        if (capability != nullptr) {
            *capability = made->capability.id;
        }
        return ipc_result_t{IPC_OK};
    });
}

ipc_result_t ipc_lookup(const char* name, uint32_t* endpoint, uint32_t* capability) {
    if (name == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        const auto found = held.connection.lookup(name);
        if (!found) {
            return result_of(found.error());
        }
        {
            const std::lock_guard books(held.books);
            held.capability_for[found->object] = found->id;
        }
        if (endpoint != nullptr) {
            *endpoint = found->object;
        }
        if (capability != nullptr) {
            *capability = found->id;
        }
        return ipc_result_t{IPC_OK};
    });
}

ipc_result_t ipc_close(uint32_t endpoint) {
    return with_sending([&](State& held) { return result_of(held.connection.close_endpoint(endpoint)); });
}

ipc_result_t ipc_grant(uint32_t receiver, const ipc_message_t* msg, uint32_t capability, uint32_t rights,
                       uint32_t badge, uint64_t lifetime_ns, uint32_t* derived) {
    if (rights > UINT8_MAX || lifetime_ns > INT64_MAX) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        Outgoing message;
        ipc_result_t good = IPC_OK;
        if (msg != nullptr) {
            good = to_outgoing(held, receiver, *msg, message) ? IPC_OK : IPC_E_BAD_ARGUMENT;
        } else {
            const std::lock_guard books(held.books);
            const auto known = held.capability_for.find(receiver);
            message.capability = known == held.capability_for.end() ? 0 : known->second;
        }
        if (good != IPC_OK) {
            return good;
        }
        const Capability from{.id = capability};
        const Capability to{.id = message.capability, .object = receiver};
        const auto given = held.connection.give(from, to, static_cast<std::uint8_t>(rights), badge,
                                                std::chrono::nanoseconds(lifetime_ns), message.payload);
        if (!given) {
            return result_of(given.error());
        }
        if (derived != nullptr) {
            *derived = *given;
        }
        return ipc_result_t{IPC_OK};
    });
}

ipc_result_t ipc_revoke(uint32_t capability, uint32_t derived, uint32_t* count) {
    return with_sending([&](State& held) {
        const auto ended = held.connection.revoke(Capability{.id = capability}, derived);
        if (!ended) {
            return result_of(ended.error());
        }
        if (count != nullptr) {
            *count = *ended;
        }
        return ipc_result_t{IPC_OK};
    });
}

ipc_result_t ipc_release(uint32_t capability) {
    return with_sending([&](State& held) { return result_of(held.connection.release(capability)); });
}

const char* ipc_strname(ipc_result_t result) {
    if (result == IPC_OK) {
        return "ok";
    }
    if (result > 0 || result < -255) {
        return "unknown";
    }
    const auto code = static_cast<std::uint8_t>(-result);
    // Both tables hold string literals, which end in a zero.
    return code < 64 ? name_of(keyway::Verdict{code}).data() : name_of(keyway::Status{code}).data();
}

const char* ipc_strerror(ipc_result_t result) {
    if (result == IPC_OK) {
        return "Success.";
    }
    const auto code = result < 0 && result >= -255 ? static_cast<std::uint8_t>(-result) : std::uint8_t{0};
    const std::string_view text =
        code == 0 ? std::string_view()
                  : (code < 64 ? doc_of(keyway::Verdict{code}) : doc_of(keyway::Status{code}));
    return text.empty() ? "Unknown result code: see IPC_E_ in keyway/ipc.h." : text.data();
}

}  // extern "C"
