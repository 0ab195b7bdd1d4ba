// Lanes and streams: memory between two processes, made by the router on the authority of a capability.
//
// The capability of the opener's end is derived from the one that authorises it, that of the acceptor's end
// from the opener's. So whatever ends the authority (revocation at any distance, the death of its owner or
// grantor, the endpoint's closing) ends the channel by the same walk over the tree, and before the answer to
// a revocation is sent the status page says so.

#include "router/channels.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ring/shared_copy.hpp"
#include "router/router_impl.hpp"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace keyway {

using channel::Phase;
using channel::What;
using core::CapabilityId;
using core::ObjectId;
using core::SlotId;
using link::ControlMessage;
using router::Answer;
using router::Channel;
using router::Channels;
using router::ChannelTotals;
using router::Link;

namespace {

constexpr std::uint64_t kBusyIntervalNs = 100'000'000;     ///< between looks at counts that go up
constexpr std::uint64_t kQuietIntervalNs = 5'000'000'000;  ///< the longest, when they stand still
constexpr std::uint64_t kGraceNs = 1'000'000'000;  ///< for the ends to count what they still take, once over
constexpr std::size_t kMostEnded = 64;             ///< channels kept for that
constexpr unsigned kOfferPriority = 1;
constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

// A file whose size nobody can change. Sealing is finished by the caller.
Result<UniqueFd> make_file(const char* name, std::uint64_t bytes, int seals) {
    UniqueFd file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
    if (!file && errno == EINVAL) {  // kernels before 6.3 don't know the no-exec seal
        file.reset(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    }
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, seals) != 0) {
        return Error::system();
    }
    return file;
}

void set_word(const Channel& channel) {
    ring::NativeAtomics::store(
        channel.status.page().word,
        channel::status_word(channel.entry, channel.phase,
                             channel.phase == Phase::kOver ? channel.reason.code() : std::uint8_t{0}),
        std::memory_order_release);
}

const char* name_of(What what) {
    return what == What::kLane ? "lane" : "stream";
}

}  // namespace

router::StatusMapping::~StatusMapping() {
    if (page_ != nullptr) {
        ::munmap(page_, channel::kPageBytes);
    }
}

Result<void> router::StatusMapping::create(UniqueFd& fd) {
    auto file = make_file("keyway-status", channel::kPageBytes, kSizeSeals);
    if (!file) {
        return file.error();
    }
    void* page = ::mmap(nullptr, channel::kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                        file->get(), 0);
    if (page == MAP_FAILED) {
        return Error::system();
    }
    page_ = static_cast<channel::StatusPage*>(page);
    // Nobody else has the file yet: from here on our mapping is the only one that can write.
    if (::fcntl(file->get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0) {
        return Error::system();
    }
    fd = std::move(*file);
    return {};
}

Channel* Channels::by_object(ObjectId object) const {
    const auto found = std::ranges::find_if(
        all, [&](const auto& channel) { return channel->listed && channel->object == object; });
    return found == all.end() ? nullptr : found->get();
}

Channels::Use Channels::use_of(core::ProcessId opener) const {
    Use use;
    for (const auto& channel : all) {
        if (channel->opener.process == opener && channel->phase != Phase::kOver) {
            use.bytes += channel->charged;
            ++use.channels;
        }
    }
    return use;
}

Result<void> Router::Impl::open_channel(Link& link, const ControlMessage& request, Answer& reply) {
    const auto what = static_cast<What>(request.kind);
    const bool known = what == What::kLane ? request.rights == 0
                                           : what == What::kStream && request.rights <= channel::kRecords;
    if (!known || !channel::valid_bytes(what, request.value)) {
        return Status::kBadArgument;
    }
    // The same checks in the same order as route() makes for a message.
    const SlotId authority = table_.find(request.capability, link.id);
    if (authority == 0) {
        return Verdict::kNoSuchCapability;
    }
    const Entry entry = table_.entry(authority);
    if (core::is_expired(entry, now())) {
        return Verdict::kExpired;
    }
    if (Kind{entry.kind()} != Kind::kEndpoint) {
        return Verdict::kWrongObject;
    }
    const std::uint8_t needed = what == What::kLane ? right::kDevice : right::kWrite;
    if ((entry.rights() & needed) == 0) {
        return Verdict::kInsufficientRights;
    }
    if ((entry.flags() & (entry_flag::kLinear | entry_flag::kOneShot)) != 0) {
        return Verdict::kLinearity;  // it authorises one message, and a channel is for any number
    }
    Link* peer = link_of(directory_.owner(entry.object()));
    if (peer == &link) {
        return Status::kBadArgument;
    }
    if (peer == nullptr || peer->state != Link::State::kLive || peer->closing) {
        return Status::kPeerGone;
    }
    if (!peer->delivery[kOfferPriority]->has_room(limit::kHeaderBytes + sizeof(channel::OfferBody))) {
        return Verdict::kFull;
    }
    const std::uint64_t charged =
        channel::data_bytes(what, request.value) + 3 * std::uint64_t{channel::kPageBytes};
    const Channels::Use use = channels_.use_of(link.id);
    const std::uint32_t descriptors =
        router::kDescriptorsPerLink + (use.channels + 1) * router::kDescriptorsPerChannel;
    router::User& user = *link.user;
    if (link.memory.geometry().total() + use.bytes + charged > policy_.process.queue_bytes ||
        user.queue_bytes + charged > policy_.user.queue_bytes || descriptors > policy_.process.descriptors ||
        user.descriptors + router::kDescriptorsPerChannel > policy_.user.descriptors) {
        return Status::kLimit;
    }

    auto made = std::make_unique<Channel>();
    Channel& channel = *made;
    channel.serial = channels_.next_serial;
    channel.what = what;
    channel.flags = request.rights;
    channel.bytes = static_cast<std::uint32_t>(request.value);
    channel.authority = request.capability;
    channel.entry = entry;
    channel.endpoint = entry.object();
    channel.opener.process = link.id;
    channel.acceptor.process = peer->id;
    channel.expiry_ns = entry.expiry() == 0
                            ? 0
                            : origin_ns_ + (static_cast<std::uint64_t>(entry.expiry()) << limit::kTickShift);
    channel.looked_ns = now_ns_;
    channel.charged = charged;
    if (auto files = make_channel_files(channel, reply); !files) {
        return files;
    }
    channel.object = directory_.open(core::Directory::What::kChannel, link.id);
    if (channel.object == 0) {
        return Status::kLimit;
    }
    channel.opener.capability = table_.derive(authority, {.owner = link.id,
                                                          .kind = Kind::kChannel,
                                                          .object = channel.object,
                                                          .rights = needed,
                                                          .flags = entry_flag::kRevocable,
                                                          .badge = entry.badge(),
                                                          .expiry = entry.expiry(),
                                                          .payer = link.id});
    if (channel.opener.capability != 0) {
        const SlotId root = core::slot_of(channel.opener.capability);
        directory_.set_root(channel.object, root);
        channel.acceptor.capability = table_.derive(root, {.owner = peer->id,
                                                           .kind = Kind::kChannel,
                                                           .object = channel.object,
                                                           .rights = needed,
                                                           .flags = entry_flag::kRevocable,
                                                           .badge = entry.badge(),
                                                           .expiry = entry.expiry(),
                                                           .payer = link.id});
        if (channel.acceptor.capability == 0) {
            table_.consume(root);
        }
    }
    if (channel.acceptor.capability == 0) {
        directory_.close(channel.object);
        return Verdict::kTableFull;
    }
    channel::StatusPage& page = channel.status.page();
    page.expiry_ns = channel.expiry_ns;
    page.entry = entry;
    page.authority = channel.authority;
    page.opener = link.id;
    page.acceptor = peer->id;
    page.endpoint = channel.endpoint;
    page.opened_ns = now_ns_;
    set_word(channel);
    // Edges, because a socket that was shut down once stays so, and we read nothing from it.
    for (const UniqueFd& socket : channel.sockets) {
        if (socket) {
            watch(socket.get(), EPOLLRDHUP | EPOLLET,
                  router::tag_of(router::Watch::kChannel, channel.object, channel.serial));
        }
    }
    ++channels_.next_serial;
    channel.user = &user;
    user.queue_bytes += charged;
    user.descriptors += router::kDescriptorsPerChannel;
    reply.describe(table_.entry(core::slot_of(channel.opener.capability)), channel.opener.capability);
    offer_channel(*peer, channel);
    channels_.interval_ns = kBusyIntervalNs;
    channels_.due_ns = std::min(channels_.due_ns, now_ns_ + kBusyIntervalNs);
    channels_.all.push_back(std::move(made));
    return {};
}

// Makes the files and sockets, and attaches the opener's part of them to the answer.
Result<void> Router::Impl::make_channel_files(Channel& channel, Answer& reply) {
    if (auto status = channel.status.create(channel.status_fd); !status) {
        return status;
    }
    auto data = make_file("keyway-channel", channel::data_bytes(channel.what, channel.bytes),
                          kSizeSeals | F_SEAL_SEAL);
    auto counts = make_file("keyway-counts", channel::kPageBytes, kSizeSeals | F_SEAL_SEAL);
    auto their_counts = make_file("keyway-counts", channel::kPageBytes, kSizeSeals | F_SEAL_SEAL);
    for (auto* file : {&data, &counts, &their_counts}) {
        if (!*file) {
            return file->error();
        }
    }
    channel.data_fd = std::move(*data);
    channel.opener.counts = std::move(*counts);
    channel.acceptor.counts = std::move(*their_counts);
    reply.attach(channel.data_fd.get());
    reply.attach(channel.status_fd.get());
    reply.attach(channel.opener.counts.get());
    for (unsigned direction = 0; direction < channel::directions(channel.what); ++direction) {
        int pair[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
            return Error::system();
        }
        channel.sockets[direction].reset(pair[0]);
        channel.theirs[direction].reset(pair[1]);
        reply.attach(pair[0]);
    }
    return {};
}

// There is room: it was asked for before.
void Router::Impl::offer_channel(Link& peer, const Channel& channel) {
    const channel::OfferBody body{.what = static_cast<std::uint8_t>(channel.what),
                                  .flags = channel.flags,
                                  .reserved = 0,
                                  .bytes = channel.bytes,
                                  .opener = channel.opener.process};
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(Type::kControl));
    header.set_priority(kOfferPriority);
    header.set_length(sizeof body);
    header.set_receiver(channel.endpoint);
    header.set_capability(channel.entry.badge());
    header.set_carried(channel.acceptor.capability);
    header.set_timestamp(now_ns_);
    auto& ring = *peer.delivery[kOfferPriority];
    std::byte* to = ring.try_reserve(limit::kHeaderBytes + sizeof body);
    KEYWAY_CHECK(to != nullptr);
    ring::copy_to_shared(to, reinterpret_cast<const std::byte*>(&header), sizeof header);
    ring::copy_to_shared(to + sizeof header, reinterpret_cast<const std::byte*>(&body), sizeof body);
    ring.commit();
    ++peer.counters.received;
    touch_receiver(peer, kOfferPriority);
}

Result<void> Router::Impl::accept_channel(Link& link, const ControlMessage& request, Answer& reply) {
    const SlotId slot = table_.find(request.capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    const Entry& entry = table_.entry(slot);
    if (core::is_expired(entry, now())) {
        return Verdict::kExpired;
    }
    Channel* found = Kind{entry.kind()} == Kind::kChannel ? channels_.by_object(entry.object()) : nullptr;
    if (found == nullptr || found->acceptor.capability != request.capability) {
        return Verdict::kWrongObject;
    }
    Channel& channel = *found;
    if (channel.phase != Phase::kOffered) {
        return channel.phase == Phase::kOver ? channel.reason : Error{Status::kBadArgument};
    }
    reply.message.kind = static_cast<std::uint8_t>(channel.what);
    reply.message.rights = channel.flags;
    reply.message.value = channel.bytes;
    reply.message.capability = request.capability;
    reply.message.object = channel.object;
    reply.message.badge = channel.entry.badge();
    channel.phase = Phase::kOpen;
    set_word(channel);
    const char token = 1;  // wakes the opener, who looks at the page
    [[maybe_unused]] const ssize_t sent =
        ::send(channel.theirs[0].get(), &token, sizeof token, MSG_DONTWAIT | MSG_NOSIGNAL);
    reply.attach(std::move(channel.data_fd));
    reply.attach(std::move(channel.status_fd));
    reply.attach(channel.acceptor.counts.get());
    for (unsigned direction = 0; direction < channel::directions(channel.what); ++direction) {
        reply.attach(std::move(channel.theirs[direction]));
    }
    return {};
}

void Router::Impl::end_channel(Channel& channel, Error reason) {
    if (channel.phase == Phase::kOver) {
        return;
    }
    channel.phase = Phase::kOver;
    channel.reason = reason;
    channel.over_since = now_ns_;
    set_word(channel);
    for (UniqueFd& socket : channel.sockets) {
        if (socket) {
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket.get(), nullptr);  // the opener has it open still
            ::shutdown(socket.get(), SHUT_RDWR);                              // wakes both ends
            socket.reset();
        }
    }
    for (UniqueFd* fd : {&channel.theirs[0], &channel.theirs[1], &channel.data_fd, &channel.status_fd}) {
        fd->reset();
    }
    channel.user->queue_bytes -= channel.charged;
    channel.user->descriptors -= router::kDescriptorsPerChannel;
    channel.user = nullptr;
    channels_.due_ns = now_ns_;
}

void Router::Impl::channel_capability_ended(SlotId slot, const Entry& entry, core::ProcessId by) {
    Channel* channel = channels_.by_object(entry.object());
    if (channel == nullptr) {
        return;
    }
    const Link* who = link_of(by);
    const bool of_an_end = by == channel->opener.process || by == channel->acceptor.process;
    if (of_an_end && who != nullptr && who->closing) {
        end_channel(*channel, Status::kPeerGone);
    } else if (channel->phase == Phase::kOffered && by == channel->acceptor.process) {
        end_channel(*channel, Status::kDeclined);
    } else {
        end_channel(*channel, Status::kRevoked);
    }
    if (directory_.root(channel->object) == slot) {
        directory_.close(channel->object);
        channel->listed = false;
    }
}

void Router::Impl::channel_hung_up(ObjectId object, std::uint32_t serial) {
    Channel* channel = channels_.by_object(object);
    if (channel != nullptr && channel->serial == serial) {
        end_channel(*channel, Status::kPeerGone);
    }
}

void Router::Impl::tend_channels() {
    if (now_ns_ < channels_.due_ns) {
        return;
    }
    auto& all = channels_.all;
    bool changed = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
        Channel& channel = *all[i];
        if (channel.expiry_ns != 0 && now_ns_ >= channel.expiry_ns) {
            end_channel(channel, Verdict::kExpired);
        }
        if (channel.phase == Phase::kOver && channel.listed) {
            // Its capabilities may have outlived it. Nobody is told: the page says it.
            end_tree(core::slot_of(channel.opener.capability), true, channel.opener.process);
        }
        if (channel.phase == Phase::kOver || now_ns_ - channel.looked_ns >= kBusyIntervalNs) {
            changed |= look_at_counts(channel);
        }
    }
    auto ended = static_cast<std::size_t>(
        std::ranges::count_if(all, [](const auto& channel) { return channel->phase == Phase::kOver; }));
    std::erase_if(all, [&](const auto& channel) {
        const bool gone =
            channel->phase == Phase::kOver &&
            (channel->counts_agree() || now_ns_ - channel->over_since >= kGraceNs || ended > kMostEnded);
        if (gone) {
            --ended;
            forget_channel(*channel);
        }
        return gone;
    });
    channels_.interval_ns =
        changed || ended != 0 ? kBusyIntervalNs : std::min(2 * channels_.interval_ns, kQuietIntervalNs);
    channels_.due_ns = all.empty() ? UINT64_MAX : now_ns_ + channels_.interval_ns;
    for (const auto& channel : all) {
        if (channel->expiry_ns != 0 && channel->phase != Phase::kOver) {
            channels_.due_ns = std::min(channels_.due_ns, channel->expiry_ns);
        }
    }
}

// What the ends say that they have counted since the last look; false if nothing. They may lie, each about
// itself only.
bool Router::Impl::look_at_counts(Channel& channel) {
    bool changed = false;
    for (Channel::End* end : {&channel.opener, &channel.acceptor}) {
        channel::CountPage page{};
        if (::pread(end->counts.get(), &page, sizeof page, 0) != static_cast<ssize_t>(sizeof page)) {
            continue;
        }
        const auto look = [&](const channel::Count& now_says, const ChannelTotals& before, bool sent) {
            if (now_says.messages == before.messages && now_says.bytes == before.bytes) {
                return;
            }
            changed = true;
            note_channel_run(channel, *end,
                             {.sent = sent,
                              .messages = now_says.messages - before.messages,
                              .bytes = now_says.bytes - before.bytes,
                              .first_sequence = before.last_sequence + 1,
                              .last_sequence = now_says.last_sequence,
                              .first_ns = channel.looked_ns,
                              .last_ns = now_ns_});
        };
        look(page.sent, end->sent, true);
        look(page.received, end->received, false);
    }
    channel.looked_ns = now_ns_;
    return changed;
}

void Router::Impl::note_channel_run(Channel& channel, Channel::End& end, const router::ChannelRun& run) {
    ChannelTotals& totals = run.sent ? end.sent : end.received;
    totals.messages += run.messages;
    totals.bytes += run.bytes;
    totals.last_sequence = run.last_sequence;
    if (audit_ != nullptr) {
        note_lane(channel, end, run);
    }
}

void Router::Impl::forget_channel(const Channel& channel) {
    ++channels_.ended;
    if (channel.counts_agree()) {
        return;
    }
    ++channels_.disagreed;
    const auto way = [](const ChannelTotals& in, const ChannelTotals& out) {
        return std::to_string(in.messages) + " messages (" + std::to_string(in.bytes) + " bytes) put in, " +
               std::to_string(out.messages) + " (" + std::to_string(out.bytes) + ") taken out";
    };
    log(std::string(name_of(channel.what)) + " from process " + std::to_string(channel.opener.process) +
        " to process " + std::to_string(channel.acceptor.process) + " ended (" +
        std::string(channel.reason.name()) + ") with counts that differ: there " +
        way(channel.opener.sent, channel.acceptor.received) + "; back " +
        way(channel.acceptor.sent, channel.opener.received));
}

nlohmann::json Router::Impl::list_channels(const Link& viewer, bool all) const {
    using nlohmann::json;
    const auto totals = [](const ChannelTotals& of) {
        return json{{"messages", of.messages}, {"bytes", of.bytes}, {"last_sequence", of.last_sequence}};
    };
    const auto end = [&](const Channel::End& of) {
        return json{{"process", of.process}, {"sent", totals(of.sent)}, {"received", totals(of.received)}};
    };
    json list = json::array();
    for (const auto& channel : channels_.all) {
        if (!all && channel->opener.process != viewer.id && channel->acceptor.process != viewer.id) {
            continue;
        }
        constexpr const char* kPhases[] = {"", "offered", "open", "over"};
        const bool over = channel->phase == Phase::kOver;
        list.push_back({{"id", channel->object},
                        {"kind", name_of(channel->what)},
                        {"state", kPhases[static_cast<std::size_t>(channel->phase)]},
                        {"reason", over ? json(channel->reason.name()) : json(nullptr)},
                        {"endpoint", channel->endpoint},
                        {"badge", channel->entry.badge()},
                        {"bytes", channel->bytes},
                        {"opener", end(channel->opener)},
                        {"acceptor", end(channel->acceptor)},
                        {"counts_agree", channel->counts_agree()}});
    }
    return list;
}

}  // namespace keyway
