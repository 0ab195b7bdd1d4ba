#pragma once

// Which ids exist: processes' home endpoints, named endpoints, topics, regions, channels and qubits, and who
// subscribes to which topic.
//
// Ids are 16 bits wide because the hardware's table rows have no more. They come back into use oldest first,
// and never before every capability that names them is gone: an object's capabilities all descend from its
// root capability, which `CapabilityTable::revoke` ends together with the object.
//
// Not thread-safe. Allocates only in `subscribe`.

#include <cstdint>
#include <span>
#include <vector>

#include "base/check.hpp"
#include "core/ids.hpp"

namespace keyway::core {

class Directory {
  public:
    enum class What : std::uint8_t { kFree, kEndpoint, kTopic, kRegion, kChannel, kQubit };

    /// `ids`: 2 to 65536, id 0 included, which is the router.
    explicit Directory(std::uint32_t ids);

    /// A new id for `owner`; with owner 0 the id owns itself, which makes it a process with its home
    /// endpoint. 0 when all ids are in use.
    ObjectId open(What what, ProcessId owner);
    void set_root(ObjectId object, SlotId root) { at(object).root = root; }
    /// The caller has revoked the object's root capability. Ends the object's subscriptions, so that the next
    /// holder of the id receives nothing that it did not subscribe to.
    void close(ObjectId object);

    /// An id as an earlier directory had it, in one that was never used; then `relink`. Ids that are free
    /// come into use lowest first from there.
    void restore(ObjectId id, What what, ProcessId owner, SlotId root);
    void relink();

    [[nodiscard]] What what(ObjectId object) const { return at(object).what; }
    [[nodiscard]] ProcessId owner(ObjectId object) const { return at(object).owner; }
    /// The slot from which all capabilities for this object descend.
    [[nodiscard]] SlotId root(ObjectId object) const { return at(object).root; }
    [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(objects_.size()); }
    [[nodiscard]] std::uint32_t in_use() const noexcept { return in_use_; }

    /// Adds `endpoint` to the topic's destinations; false when it is there already.
    bool subscribe(ObjectId topic, ObjectId endpoint);
    bool unsubscribe(ObjectId topic, ObjectId endpoint);
    [[nodiscard]] std::span<const ObjectId> subscribers(ObjectId topic) const {
        return at(topic).subscribers;
    }

  private:
    struct Object {
        What what = What::kFree;
        ProcessId owner = 0;
        SlotId root = 0;
        ObjectId next_free = 0;
        std::uint32_t subscriptions = 0;  // of an endpoint: how many topics list it
        std::vector<ObjectId> subscribers;
    };
    [[nodiscard]] const Object& at(ObjectId object) const {
        KEYWAY_CHECK(object < objects_.size());
        return objects_[object];
    }
    [[nodiscard]] Object& at(ObjectId object) {
        KEYWAY_CHECK(object < objects_.size());
        return objects_[object];
    }

    std::vector<Object> objects_;
    ObjectId free_head_ = 0;
    ObjectId free_tail_ = 0;
    std::uint32_t in_use_ = 0;
};

}  // namespace keyway::core
