// Streams for C.

#include <algorithm>
#include <cstring>
#include <span>
#include <type_traits>

#include "client/c_state.hpp"
#include "client/channel_end.hpp"

using keyway::Result;
using keyway::StreamReader;
using keyway::StreamWriter;
using keyway::c::deadline_of;
using keyway::c::result_of;
using keyway::c::State;
using keyway::c::Stream;
using keyway::c::with_sending;

namespace {

constexpr std::uint32_t kUsualBytes = 256 * 1024;

std::shared_ptr<Stream> find(const ipc_stream_t* stream) {
    const auto held = keyway::c::state();
    if (held == nullptr) {
        return nullptr;
    }
    const std::lock_guard books(held->books);
    const auto found = held->streams.find(stream);
    return found == held->streams.end() ? nullptr : found->second;
}

// Does the work with the end of this kind, or of any kind, behind `stream`.
template <typename End, typename Work>
ipc_result_t with_end(const ipc_stream_t* stream, Work&& work) {
    const auto found = find(stream);
    if (found == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    if constexpr (std::is_void_v<End>) {
        return std::visit(std::forward<Work>(work), found->end);
    } else {
        End* const end = std::get_if<End>(&found->end);
        return end == nullptr ? IPC_E_BAD_ARGUMENT : work(*end);
    }
}

template <typename End>
ipc_result_t keep(State& held, Result<End> end, ipc_stream_t** stream) {
    if (!end) {
        return result_of(end.error());
    }
    auto made = std::make_shared<Stream>(Stream{std::move(*end)});
    *stream = reinterpret_cast<ipc_stream_t*>(made.get());  // a name only: nothing is read through it
    const std::lock_guard books(held.books);
    held.streams.emplace(made.get(), made);
    return IPC_OK;
}

std::optional<keyway::ChannelOffer> offer_of(const ipc_message_t* msg) {
    if (msg == nullptr || msg->sender_id != 0 || (msg->message_type & IPC_TYPE_MASK) != IPC_CONTROL ||
        msg->capability_id == 0 || msg->length > sizeof msg->data) {
        return std::nullopt;
    }
    auto offer = keyway::client::offer_in(std::as_bytes(std::span(msg->data, msg->length)));
    if (!offer || offer->kind != keyway::ChannelKind::kStream) {
        return std::nullopt;
    }
    offer->endpoint = msg->receiver_id;
    offer->capability = msg->capability_id;
    return offer;
}

}  // namespace

extern "C" {

ipc_result_t ipc_stream_open(uint32_t receiver, uint32_t bytes, uint64_t timeout_ns, ipc_stream_t** stream) {
    if (stream == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        keyway::StreamOptions options;
        options.bytes = bytes == 0 ? kUsualBytes : bytes;
        return keep(held,
                    keyway::open_stream(held.connection, keyway::c::capability_for(held, receiver), options,
                                        deadline_of(timeout_ns)),
                    stream);
    });
}

int ipc_stream_offered(const ipc_message_t* msg) {
    return offer_of(msg) ? 1 : 0;
}

ipc_result_t ipc_stream_accept(const ipc_message_t* offer, ipc_stream_t** stream) {
    const auto offered = offer_of(offer);
    if (!offered || stream == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending(
        [&](State& held) { return keep(held, keyway::accept_stream(held.connection, *offered), stream); });
}

ipc_result_t ipc_stream_write(ipc_stream_t* stream, const void* data, size_t length, uint64_t timeout_ns,
                              size_t* written) {
    if (data == nullptr && length != 0) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_end<StreamWriter>(stream, [&](StreamWriter& writer) {
        const auto done =
            writer.write({static_cast<const std::byte*>(data), length}, deadline_of(timeout_ns));
        if (done && written != nullptr) {
            *written = *done;
        }
        return result_of(done);
    });
}

ipc_result_t ipc_stream_read(ipc_stream_t* stream, void* data, size_t size, uint64_t timeout_ns,
                             size_t* length) {
    if (data == nullptr || size == 0 || length == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_end<StreamReader>(stream, [&](StreamReader& reader) {
        if (reader.carries_records()) {
            return ipc_result_t{IPC_E_NOT_SUPPORTED};
        }
        const auto done = reader.read({static_cast<std::byte*>(data), size}, deadline_of(timeout_ns));
        if (done) {
            *length = *done;
        }
        return result_of(done);
    });
}

ipc_result_t ipc_stream_finish(ipc_stream_t* stream) {
    return with_end<StreamWriter>(stream, [](StreamWriter& writer) { return result_of(writer.finish()); });
}

ipc_result_t ipc_stream_abort(ipc_stream_t* stream, uint32_t code, const char* text) {
    return with_end<void>(stream,
                          [&](auto& end) { return result_of(end.abort(code, text == nullptr ? "" : text)); });
}

ipc_result_t ipc_stream_reason(ipc_stream_t* stream, uint32_t* code, char* text, size_t size) {
    return with_end<void>(stream, [&](auto& end) {
        if (end.state() != keyway::StreamState::kAborted) {
            return ipc_result_t{IPC_E_BAD_ARGUMENT};
        }
        const keyway::AbortReason reason = end.reason();
        if (code != nullptr) {
            *code = reason.code;
        }
        if (text != nullptr && size != 0) {
            const std::size_t count = std::min(size - 1, reason.text.size());
            std::memcpy(text, reason.text.data(), count);
            text[count] = '\0';
        }
        return ipc_result_t{IPC_OK};
    });
}

void ipc_stream_close(ipc_stream_t* stream) {
    const auto held = keyway::c::state();
    if (held == nullptr) {
        return;
    }
    std::shared_ptr<Stream> ended;  // it hangs up: not under the books
    const std::lock_guard books(held->books);
    if (const auto found = held->streams.find(stream); found != held->streams.end()) {
        ended = std::move(found->second);
        held->streams.erase(found);
    }
}

}  // extern "C"
