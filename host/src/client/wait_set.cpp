#include "keyway/wait_set.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/fd.hpp"
#include "base/wait.hpp"
#include "ring/park.hpp"

namespace keyway {

namespace {

// Ids of the set's own descriptors in its epoll; entries are numbered from kFirstEntry.
constexpr std::uint64_t kBell = 1;
constexpr std::uint64_t kClock = 2;
constexpr std::uint64_t kFirstEntry = 3;

enum class What : std::uint8_t { kSource, kDescriptor, kTimer };

struct Item {
    What what = What::kSource;
    bool removed = false;
    bool told = false;   ///< its descriptor was readable: older wake-ups must be taken out
    bool spent = false;  ///< a one-shot timer that was reported
    std::shared_ptr<detail::Membership> membership{};
    UniqueFd duplicate{};  ///< of a source's descriptor: its number stays ours when the source goes
    int foreign = -1;
    std::uint64_t due = 0;
    std::uint64_t period = 0;
    WaitSet::Callback callback{};
};

struct Found {
    WaitSet::Ready ready;
    std::shared_ptr<Item> entry;
};

}  // namespace

struct KEYWAY_HIDDEN WaitSet::Impl {
    UniqueFd epoll;
    UniqueFd bell;
    UniqueFd clock;  // makes the set's descriptor readable when a timer is due
    std::chrono::nanoseconds spin{};
    std::map<Id, std::shared_ptr<Item>> entries;
    std::set<std::pair<std::uint64_t, Id>> timers;
    std::vector<Id> spent;
    Id next_id = kFirstEntry;
    Id begin_with = kFirstEntry;
    std::size_t foreign = 0;
    bool woken = false;
    bool clock_set = false;

    Result<void> watch(int fd, std::uint32_t events, std::uint64_t id) const {
        epoll_event event{.events = events, .data = {.u64 = id}};
        if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
            return Error::system();
        }
        return {};
    }

    Id insert(const std::shared_ptr<Item>& entry) {
        entries.emplace(next_id, entry);
        return next_id++;
    }

    bool remove(Id id) {
        const auto found = entries.find(id);
        if (found == entries.end()) {
            return false;
        }
        const std::shared_ptr<Item> entry = found->second;
        entries.erase(found);
        entry->removed = true;
        switch (entry->what) {
            case What::kSource:
                ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, entry->duplicate.get(), nullptr);
                entry->duplicate.reset();
                break;
            case What::kDescriptor:
                ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, entry->foreign, nullptr);
                --foreign;
                break;
            case What::kTimer:
                timers.erase({entry->due, id});
                break;
        }
        return true;
    }

    // Timers that were reported go at the next look, so that they can be removed between report and callback.
    void forget_spent() {
        for (const Id id : std::exchange(spent, {})) {
            remove(id);
        }
    }

    // What the kernel knows: foreign descriptors into `found`, and marks for all else.
    Result<void> ask_kernel(std::vector<Found>& found) {
        std::vector<epoll_event> events(entries.size() + 2);
        const int count = ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 0);
        if (count < 0) {
            return errno == EINTR ? Result<void>() : Error::system();
        }
        for (const epoll_event& event : std::span(events).first(static_cast<std::size_t>(count))) {
            const std::uint64_t id = event.data.u64;
            if (id == kBell || id == kClock) {
                std::uint64_t ignored = 0;
                [[maybe_unused]] const ssize_t size =
                    ::read(id == kBell ? bell.get() : clock.get(), &ignored, sizeof ignored);
                woken = woken || id == kBell;
                continue;
            }
            const auto at = entries.find(id);
            if (at == entries.end()) {
                continue;
            }
            at->second->told = true;
            if (at->second->what == What::kDescriptor) {
                found.push_back({{id, event.events}, at->second});
            }
        }
        return {};
    }

    // Arms one source; true when it has something.
    bool look_at(Id id, Item& entry, std::vector<Id>& dead) const {
        Waitable* const source = entry.membership->source;
        if (source == nullptr) {
            dead.push_back(id);
            return false;
        }
        // A wake-up that came late lies in a descriptor that is armed anew: only arm() takes it out.
        if (!std::exchange(entry.told, false) && source->still_armed()) {
            return false;
        }
        return source->arm();
    }

    void look_at_sources(std::vector<Found>& found) {
        std::vector<Id> dead;
        for (const auto& [id, entry] : entries) {
            if (entry->what == What::kSource && look_at(id, *entry, dead)) {
                found.push_back({{id, 0}, entry});
            }
        }
        for (const Id id : dead) {
            remove(id);
        }
    }

    [[nodiscard]] bool timer_due() const {
        return !timers.empty() && timers.begin()->first <= Deadline::clock_ns();
    }

    void take_timers(std::vector<Found>& found) {
        if (timers.empty()) {
            return;
        }
        const std::uint64_t now = Deadline::clock_ns();
        while (!timers.empty() && timers.begin()->first <= now) {
            const auto [due, id] = *timers.begin();
            timers.erase(timers.begin());
            const auto& entry = entries.at(id);
            found.push_back({{id, 0}, entry});
            if (entry->period == 0) {
                entry->spent = true;
                spent.push_back(id);
            } else {
                entry->due = now + entry->period - (now - due) % entry->period;
                timers.emplace(entry->due, id);
            }
        }
    }

    [[nodiscard]] Deadline earliest(Deadline deadline) const {
        return Deadline::at_ns(timers.empty() ? deadline.ns()
                                              : std::min(deadline.ns(), timers.begin()->first));
    }

    Result<std::vector<Found>> wait(Deadline deadline) {
        forget_spent();
        std::vector<Found> found;
        // The kernel first: what it says of sources makes them be armed anew, with old wake-ups taken out.
        bool ask = true;
        const std::uint64_t since = Deadline::clock_ns();
        while (true) {
            if (ask) {
                if (auto asked = ask_kernel(found); !asked) {
                    return asked.error();
                }
            }
            look_at_sources(found);
            take_timers(found);
            if (!found.empty() || woken) {
                woken = false;
                // In order of number, from another one each time.
                std::ranges::sort(found, {}, [](const Found& one) { return one.ready.id; });
                std::ranges::rotate(found, std::ranges::find_if(found, [&](const Found& one) {
                                        return one.ready.id >= begin_with;
                                    }));
                begin_with = found.empty() ? kFirstEntry : found.front().ready.id + 1;
                return found;
            }
            if (deadline.passed()) {
                return Status::kTimeout;
            }
            if (Deadline::clock_ns() - since < static_cast<std::uint64_t>(spin.count())) {
                ask = foreign != 0;
                ring::NativeAtomics::pause();
                continue;
            }
            pollfd sleeping{epoll.get(), POLLIN, 0};
            wait_for(std::span(&sleeping, 1), earliest(deadline));
            ask = true;
        }
    }

    void set_clock() {
        if (timers.empty() && !clock_set) {
            return;
        }
        itimerspec when{};
        if (!timers.empty()) {
            const std::uint64_t due = std::max<std::uint64_t>(timers.begin()->first, 1);
            when.it_value.tv_sec = static_cast<time_t>(due / 1'000'000'000);
            when.it_value.tv_nsec = static_cast<long>(due % 1'000'000'000);
        }
        ::timerfd_settime(clock.get(), TFD_TIMER_ABSTIME, &when, nullptr);
        clock_set = !timers.empty();
    }
};

WaitSet::WaitSet(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
WaitSet::WaitSet(WaitSet&&) noexcept = default;

WaitSet& WaitSet::operator=(WaitSet&& other) noexcept {
    WaitSet old(std::move(*this));  // lets its sources go
    impl_ = std::move(other.impl_);
    Waitable::operator=(std::move(other));
    return *this;
}

WaitSet::~WaitSet() {
    if (!impl_) {
        return;
    }
    for (auto& [id, entry] : impl_->entries) {
        if (entry->membership && entry->membership->source != nullptr) {
            entry->membership->source->disarm();
            entry->membership->source->membership_.reset();
        }
    }
}

Result<WaitSet> WaitSet::make(const WaitSetOptions& options) {
    if (options.spin.count() < 0) {
        return Status::kBadArgument;
    }
    auto impl = std::make_unique<Impl>();
    impl->spin = options.spin;
    impl->epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
    impl->bell.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    impl->clock.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!impl->epoll || !impl->bell || !impl->clock) {
        return Error::system();
    }
    if (auto watched = impl->watch(impl->bell.get(), EPOLLIN, kBell); !watched) {
        return watched.error();
    }
    if (auto watched = impl->watch(impl->clock.get(), EPOLLIN, kClock); !watched) {
        return watched.error();
    }
    return WaitSet(std::move(impl));
}

Result<WaitSet::Id> WaitSet::add(Waitable& source, Callback callback) {
    if (source.membership_ || &source == this) {
        return Status::kBadArgument;
    }
    auto entry = std::make_shared<Item>();
    entry->duplicate.reset(::fcntl(source.descriptor(), F_DUPFD_CLOEXEC, 0));
    if (!entry->duplicate) {
        return Error::system();
    }
    if (auto watched = impl_->watch(entry->duplicate.get(), EPOLLIN, impl_->next_id); !watched) {
        return watched.error();
    }
    entry->callback = std::move(callback);
    entry->membership = std::make_shared<detail::Membership>();
    entry->membership->source = &source;
    source.membership_ = entry->membership;
    return impl_->insert(entry);
}

Result<WaitSet::Id> WaitSet::add_descriptor(int descriptor, std::uint32_t events, Callback callback) {
    if ((events & (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE)) != 0) {
        return Status::kBadArgument;
    }
    auto entry = std::make_shared<Item>();
    entry->what = What::kDescriptor;
    entry->foreign = descriptor;
    entry->callback = std::move(callback);
    if (auto watched = impl_->watch(descriptor, events, impl_->next_id); !watched) {
        return watched.error();
    }
    ++impl_->foreign;
    return impl_->insert(entry);
}

WaitSet::Id WaitSet::add_timer(Deadline due, Callback callback) {
    auto entry = std::make_shared<Item>();
    entry->what = What::kTimer;
    entry->due = due.ns();
    entry->callback = std::move(callback);
    const Id id = impl_->insert(entry);
    if (!due.is_never()) {
        impl_->timers.emplace(entry->due, id);
    }
    return id;
}

Result<WaitSet::Id> WaitSet::add_periodic(std::chrono::nanoseconds period, Callback callback) {
    if (period.count() <= 0) {
        return Status::kBadArgument;
    }
    const Id id = add_timer(Deadline::in(period), std::move(callback));
    impl_->entries.at(id)->period = static_cast<std::uint64_t>(period.count());
    return id;
}

bool WaitSet::remove(Id id) {
    const auto found = impl_->entries.find(id);
    if (found == impl_->entries.end()) {
        return false;
    }
    if (const auto& membership = found->second->membership; membership && membership->source != nullptr) {
        membership->source->disarm();
        membership->source->membership_.reset();
    }
    std::erase(impl_->spent, id);
    return impl_->remove(id);
}

std::size_t WaitSet::size() const noexcept {
    return impl_->entries.size() - impl_->spent.size();
}

Result<std::vector<WaitSet::Ready>> WaitSet::wait(Deadline deadline) {
    auto found = impl_->wait(deadline);
    if (!found) {
        return found.error();
    }
    std::vector<Ready> ready;
    ready.reserve(found->size());
    for (const Found& one : *found) {
        ready.push_back(one.ready);
    }
    impl_->forget_spent();
    return ready;
}

Result<std::size_t> WaitSet::dispatch(Deadline deadline) {
    auto found = impl_->wait(deadline);
    if (!found) {
        return found.error();
    }
    std::size_t called = 0;
    for (const Found& one : *found) {
        if (one.entry->removed) {
            continue;
        }
        if (one.entry->spent) {
            remove(one.ready.id);
        }
        if (one.entry->callback) {
            one.entry->callback(one.ready);
            ++called;
        }
    }
    impl_->forget_spent();
    return called;
}

void WaitSet::wake() const noexcept {
    const int saved = errno;  // may run in a signal handler
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(impl_->bell.get(), &one, sizeof one);
    errno = saved;
}

int WaitSet::descriptor() const noexcept {
    return impl_->epoll.get();
}

bool WaitSet::arm() {
    std::vector<Found> found;
    if (!impl_->ask_kernel(found)) {
        return true;  // the next wait says what is wrong
    }
    impl_->look_at_sources(found);
    if (!found.empty() || impl_->woken || impl_->timer_due()) {
        return true;
    }
    impl_->set_clock();
    return impl_->timer_due();
}

void WaitSet::disarm() {
    for (auto& [id, entry] : impl_->entries) {
        if (entry->membership && entry->membership->source != nullptr) {
            entry->membership->source->disarm();
        }
    }
}

}  // namespace keyway
