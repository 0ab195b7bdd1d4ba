#include "core/directory.hpp"

#include <algorithm>
#include <stdexcept>

namespace keyway::core {

Directory::Directory(std::uint32_t ids) : objects_(ids) {
    if (ids < 2 || ids > limit::kIds) {
        throw std::invalid_argument("directory: ids must be 2 to 65536");
    }
    for (std::uint32_t id = 1; id + 1 < ids; ++id) {
        objects_[id].next_free = static_cast<ObjectId>(id + 1);
    }
    free_head_ = 1;
    free_tail_ = static_cast<ObjectId>(ids - 1);
}

ObjectId Directory::open(What what, ProcessId owner) {
    const ObjectId id = free_head_;
    if (id == 0) {
        return 0;
    }
    Object& object = objects_[id];
    free_head_ = object.next_free;
    if (free_head_ == 0) {
        free_tail_ = 0;
    }
    object.what = what;
    object.owner = owner == 0 ? id : owner;
    object.next_free = 0;
    ++in_use_;
    return id;
}

void Directory::close(ObjectId id) {
    Object& object = at(id);
    KEYWAY_CHECK(object.what != What::kFree);
    for (const ObjectId endpoint : object.subscribers) {
        --objects_[endpoint].subscriptions;
    }
    object.subscribers.clear();
    for (std::size_t topic = 1; object.subscriptions != 0 && topic < objects_.size(); ++topic) {
        object.subscriptions -= static_cast<std::uint32_t>(std::erase(objects_[topic].subscribers, id));
    }
    object = Object{};
    if (free_tail_ != 0) {
        objects_[free_tail_].next_free = id;
    } else {
        free_head_ = id;
    }
    free_tail_ = id;
    --in_use_;
}

void Directory::restore(ObjectId id, What what, ProcessId owner, SlotId root) {
    Object& object = at(id);
    object.what = what;
    object.owner = owner;
    object.root = root;
}

void Directory::relink() {
    free_head_ = free_tail_ = 0;
    in_use_ = 0;
    for (std::size_t id = objects_.size() - 1; id != 0; --id) {
        Object& object = objects_[id];
        if (object.what != What::kFree) {
            ++in_use_;
            continue;
        }
        object.next_free = free_head_;
        free_tail_ = free_head_ == 0 ? static_cast<ObjectId>(id) : free_tail_;
        free_head_ = static_cast<ObjectId>(id);
    }
}

bool Directory::subscribe(ObjectId topic, ObjectId endpoint) {
    auto& list = at(topic).subscribers;
    if (std::ranges::find(list, endpoint) != list.end()) {
        return false;
    }
    list.push_back(endpoint);
    ++at(endpoint).subscriptions;
    return true;
}

bool Directory::unsubscribe(ObjectId topic, ObjectId endpoint) {
    const bool was = std::erase(at(topic).subscribers, endpoint) != 0;
    if (was) {
        --at(endpoint).subscriptions;
    }
    return was;
}

}  // namespace keyway::core
