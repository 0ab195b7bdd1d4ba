// Shared regions for C.

#include <algorithm>
#include <concepts>
#include <span>

#include "client/c_state.hpp"

using keyway::Capability;
using keyway::Error;
using keyway::RegionMapping;
using keyway::Result;
using keyway::Verdict;
using keyway::c::result_of;
using keyway::c::SharedRegion;
using keyway::c::State;
using keyway::c::with_sending;

namespace {

template <typename... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // clang 16 doesn't find it out by itself

// Does the work with the region behind `region`, if there is one.
template <typename Work>
ipc_result_t with_region(ipc_shared_region_t* region, Work&& work) {
    if (region == nullptr || region->address == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        const auto found = held.regions.find(region->address);
        return found == held.regions.end() ? IPC_E_BAD_ARGUMENT : work(held, found->second);
    });
}

const RegionMapping& mapping_of(const SharedRegion& shared) {
    return std::visit([](const auto& memory) -> const RegionMapping& { return memory; }, shared.memory);
}

const void* address_of(const SharedRegion& shared) {
    return std::visit(
        Overloaded{
            [](const auto& memory) -> const void* { return memory.bytes().data(); },
            [](const keyway::RevocableRegion& memory) -> const void* { return memory.unsafe_bytes().data(); },
            [](const keyway::RevocableView& memory) -> const void* { return memory.unsafe_bytes().data(); },
            [](const keyway::RevocableWindow& memory) -> const void* {
                return memory.unsafe_bytes().data();
            }},
        shared.memory);
}

ipc_result_t keep(State& held, SharedRegion shared, uint32_t permissions, ipc_shared_region_t& region) {
    const RegionMapping& mapping = mapping_of(shared);
    // C has no types to tell read-only memory by; permissions and the kernel do.
    region = {.address = const_cast<void*>(address_of(shared)),
              .size = static_cast<std::size_t>(mapping.size()),
              .permissions = permissions,
              .owner_process = mapping.owner(),
              .ref_count = 1};
    held.regions.insert_or_assign(region.address, std::move(shared));
    return IPC_OK;
}

template <typename Memory>
ipc_result_t keep_if(State& held, Result<Memory> memory, uint32_t permissions, ipc_shared_region_t& region) {
    if (!memory) {
        return result_of(memory.error());
    }
    return keep(held, SharedRegion{.memory = std::move(*memory)}, permissions, region);
}

}  // namespace

extern "C" {

ipc_result_t ipc_share_create(ipc_shared_region_t* region, size_t size) {
    if (region == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        return keep_if(held, keyway::RevocableRegion::create(held.connection, size), IPC_SHARE_READ, *region);
    });
}

ipc_result_t ipc_share_grant(uint32_t receiver, ipc_shared_region_t* region) {
    return with_region(region, [&](State& held, SharedRegion& shared) {
        auto* own = std::get_if<keyway::RevocableRegion>(&shared.memory);
        const bool writes = region->permissions == (IPC_SHARE_READ | IPC_SHARE_WRITE);
        if (own == nullptr || (!writes && region->permissions != IPC_SHARE_READ)) {
            return IPC_E_BAD_ARGUMENT;
        }
        const Capability to = keyway::c::capability_for(held, receiver);
        std::uint32_t grant = 0;
        if (writes) {
            const auto given = own->give_write(to);
            if (!given) {
                return result_of(given.error());
            }
            grant = given->id;
        } else {
            const auto given = own->give_read(to);
            if (!given) {
                return result_of(given.error());
            }
            grant = given->id;
        }
        shared.given.push_back({.receiver = receiver, .grant = grant});
        ++region->ref_count;
        return IPC_OK;
    });
}

ipc_result_t ipc_share_revoke(uint32_t receiver, ipc_shared_region_t* region) {
    return with_region(region, [&](State&, SharedRegion& shared) {
        auto* own = std::get_if<keyway::RevocableRegion>(&shared.memory);
        if (own == nullptr) {
            return IPC_E_BAD_ARGUMENT;
        }
        ipc_result_t outcome = IPC_E_NO_SUCH_CAPABILITY;
        for (auto at = shared.given.begin(); at != shared.given.end();) {
            if (at->receiver != receiver) {
                ++at;
                continue;
            }
            const auto recalled = own->recall(keyway::ReadGrant{at->grant}, keyway::Recall::kFuture);
            // One that its holder gave up is as good as revoked.
            if (!recalled && recalled.error() != Error{Verdict::kNoSuchCapability}) {
                return result_of(recalled.error());
            }
            at = shared.given.erase(at);
            --region->ref_count;
            outcome = IPC_OK;
        }
        return outcome;
    });
}

ipc_result_t ipc_share_map(uint32_t capability, uint32_t permissions, ipc_shared_region_t* region) {
    const bool writes = permissions == (IPC_SHARE_READ | IPC_SHARE_WRITE);
    if (region == nullptr || (!writes && permissions != IPC_SHARE_READ)) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        keyway::Connection& from = held.connection;
        const ipc_result_t done =
            writes ? keep_if(held, keyway::RevocableWindow::map(from, capability), permissions, *region)
                   : keep_if(held, keyway::RevocableView::map(from, capability), permissions, *region);
        if (done != IPC_E_WRONG_OBJECT) {
            return done;
        }
        return writes ? keep_if(held, keyway::StableWindow::map(from, capability), permissions, *region)
                      : keep_if(held, keyway::StableView::map(from, capability), permissions, *region);
    });
}

ipc_result_t ipc_share_read(ipc_shared_region_t* region, size_t offset, void* data, size_t length) {
    if (data == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_region(region, [&](State&, SharedRegion& shared) {
        const std::span to(static_cast<std::byte*>(data), length);
        return std::visit(
            [&](auto& memory) {
                if constexpr (requires { memory.read(offset, to); }) {
                    return result_of(memory.read(offset, to));
                } else {
                    const std::span<const std::byte> bytes = memory.bytes();
                    if (offset > bytes.size() || length > bytes.size() - offset) {
                        return IPC_E_BAD_ARGUMENT;
                    }
                    std::ranges::copy(bytes.subspan(offset, length), to.begin());
                    return ipc_result_t{IPC_OK};
                }
            },
            shared.memory);
    });
}

ipc_result_t ipc_share_write(ipc_shared_region_t* region, size_t offset, const void* data, size_t length) {
    if (data == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_region(region, [&](State&, SharedRegion& shared) {
        const std::span from(static_cast<const std::byte*>(data), length);
        return std::visit(
            [&](auto& memory) {
                if constexpr (requires { memory.write(offset, from); }) {
                    return result_of(memory.write(offset, from));
                } else if constexpr (requires {
                                         { memory.bytes() } -> std::same_as<std::span<std::byte>>;
                                     }) {
                    const std::span<std::byte> bytes = memory.bytes();
                    if (offset > bytes.size() || length > bytes.size() - offset) {
                        return IPC_E_BAD_ARGUMENT;
                    }
                    std::ranges::copy(from, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
                    return ipc_result_t{IPC_OK};
                } else {
                    return ipc_result_t{IPC_E_INSUFFICIENT_RIGHTS};
                }
            },
            shared.memory);
    });
}

ipc_result_t ipc_share_unmap(ipc_shared_region_t* region) {
    return with_region(region, [&](State& held, SharedRegion& shared) {
        if (std::holds_alternative<keyway::RevocableRegion>(shared.memory)) {
            return IPC_E_BAD_ARGUMENT;  // that would leave nothing to revoke and destroy it by
        }
        std::visit([](auto& memory) { memory.unmap(); }, shared.memory);
        held.regions.erase(region->address);
        region->address = nullptr;
        region->ref_count = 0;
        return IPC_OK;
    });
}

ipc_result_t ipc_share_destroy(ipc_shared_region_t* region) {
    return with_region(region, [&](State& held, SharedRegion& shared) {
        const auto done = std::visit([](auto& memory) { return memory.destroy(); }, shared.memory);
        held.regions.erase(region->address);
        region->address = nullptr;
        region->ref_count = 0;
        return result_of(done);
    });
}

}  // extern "C"
