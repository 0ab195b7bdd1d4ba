// A router core with all its parts, and pictures of its whole state to compare before with after.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <ostream>
#include <vector>

#include "core/capability_table.hpp"
#include "core/directory.hpp"
#include "core/queues.hpp"
#include "core/route.hpp"

namespace keyway::core {

struct Geometry {
    std::uint32_t slots = 32;
    std::uint32_t ids = 16;
    std::uint32_t depth = 2;          ///< of each queue
    std::uint32_t process_limit = 8;  ///< capabilities that a process may pay for
    std::uint32_t user_limit = 20;    ///< and a user
};

/// Everything that a caller can see of the core. Two equal pictures: nothing changed.
struct Picture {
    struct Row {
        Entry entry;
        SlotId parent, first_child, next_sibling, next_owned;
        ProcessId payer;
        friend bool operator==(const Row&, const Row&) = default;
    };
    std::vector<Row> rows;
    std::vector<SlotId> first_owned;
    std::vector<std::uint32_t> used;
    std::vector<std::vector<Header>>
        queued;  ///< of each destination, in the order in which it would take them
    std::uint32_t in_use = 0;
    friend bool operator==(const Picture&, const Picture&) = default;
};

/// Takes everything that waits for `destination`.
inline std::vector<Header> drain(HeaderQueues& queues, ObjectId destination) {
    std::vector<Header> all;
    for (Header next; queues.pop(destination, next);) {
        all.push_back(next);
    }
    return all;
}

struct World {
    explicit World(const Geometry& sizes = {})
        : geometry(sizes),
          table(sizes.slots, sizes.ids),
          directory(sizes.ids),
          queues(sizes.ids, sizes.depth) {
        for (Share& user : users) {
            user.limit = geometry.user_limit;
        }
    }

    /// A process with its home endpoint and all rights to it. The root is `root(process)`.
    ProcessId open_process(Share& user, std::uint32_t limit) {
        const ProcessId process = directory.open(Directory::What::kEndpoint, 0);
        table.open_account(process, limit, user);
        adopt(process, process, Kind::kEndpoint);
        return process;
    }
    ProcessId open_process() { return open_process(users[0], geometry.process_limit); }

    ObjectId open(Directory::What what, ProcessId owner) {
        const ObjectId object = directory.open(what, owner);
        adopt(object, owner, what == Directory::What::kTopic ? Kind::kTopic : Kind::kEndpoint);
        return object;
    }

    [[nodiscard]] CapabilityId root(ObjectId object) const { return table.id(directory.root(object)); }

    CapabilityId make(ProcessId owner, Kind kind, ObjectId object, std::uint8_t rights,
                      std::uint8_t flags = 0, std::uint32_t expiry = 0, std::uint32_t badge = 0) {
        return table.make_root({.owner = owner,
                                .kind = kind,
                                .object = object,
                                .rights = rights,
                                .flags = flags,
                                .badge = badge,
                                .expiry = expiry,
                                .payer = owner});
    }

    /// A child of `parent` for `owner`, who pays for it.
    CapabilityId give(CapabilityId parent, ProcessId owner, std::uint8_t rights, std::uint32_t badge = 0,
                      std::uint32_t expiry = 0, std::uint8_t flags = entry_flag::kRevocable) {
        const Entry& from = entry(parent);
        return table.derive(slot_of(parent), {.owner = owner,
                                              .kind = Kind{from.kind()},
                                              .object = from.object(),
                                              .rights = rights,
                                              .flags = flags,
                                              .badge = badge,
                                              .expiry = expiry,
                                              .payer = owner});
    }

    [[nodiscard]] const Entry& entry(CapabilityId id) const { return table.entry(slot_of(id)); }

    Outcome send(ProcessId link, const Header& header) {
        return route(table, directory, queues, header, link, now);
    }

    [[nodiscard]] Picture picture() const {
        Picture all;
        HeaderQueues copy = queues;
        for (SlotId slot = 0; slot < table.slot_count(); ++slot) {
            all.rows.push_back({table.entry(slot), table.parent(slot), table.first_child(slot),
                                table.next_sibling(slot), table.next_owned(slot), table.payer(slot)});
        }
        for (std::uint32_t id = 0; id < geometry.ids; ++id) {
            const auto process = static_cast<ProcessId>(id);
            all.first_owned.push_back(table.first_owned(process));
            all.used.push_back(table.share(process).used);
            all.queued.push_back(drain(copy, process));
        }
        for (const Share& user : users) {
            all.used.push_back(user.used);
        }
        all.in_use = table.in_use();
        return all;
    }

    Geometry geometry;
    std::array<Share, 2> users{};  // outlives the table, which points into it
    CapabilityTable table;
    Directory directory;
    HeaderQueues queues;
    Now now{.ns = 1'000'000, .tick = 100};

  private:
    void adopt(ObjectId object, ProcessId owner, Kind kind) {
        const CapabilityId made = make(owner, kind, object, right::kAll);
        ASSERT_NE(made, 0U);
        directory.set_root(object, slot_of(made));
    }
};

inline Header message(Type type, ObjectId receiver, CapabilityId capability, std::uint8_t flags = 0) {
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(type));
    header.set_flags(flags);
    header.set_receiver(receiver);
    header.set_capability(capability);
    return header;
}

/// `header` with something to carry, and what shall become of it.
inline Header carrying(Header header, CapabilityId carried, std::uint8_t rights, std::uint8_t flags = 0,
                       std::uint32_t lifetime = 0, std::uint32_t badge = 0) {
    Grant grant;
    grant.set_rights(rights);
    grant.set_flags(flags);
    grant.set_lifetime(lifetime);
    grant.set_badge(badge);
    header.set_carried(carried);
    header.set_timestamp(grant.words[0]);
    return header;
}

}  // namespace keyway::core

namespace keyway {
// So that a failed comparison reads "expired" and not "4".
inline void PrintTo(Verdict verdict, std::ostream* out) {
    *out << name_of(verdict);
}
inline void PrintTo(const Header& header, std::ostream* out) {
    *out << std::hex;
    for (const std::uint64_t word : header.words) {
        *out << word << ' ';
    }
    *out << std::dec;
}
}  // namespace keyway
