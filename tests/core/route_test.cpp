#include "core/route.hpp"

#include <functional>
#include <initializer_list>
#include <utility>

#include "world.hpp"

namespace keyway::core {
namespace {

constexpr std::uint32_t kBadge = 0xBAD6E;
constexpr std::uint8_t kSend = right::kWrite;
constexpr std::uint8_t kCall = right::kExecute;

class RouteTest : public ::testing::Test {
  protected:
    void TearDown() override { EXPECT_EQ(w.table.audit(), ""); }

    /// Sends, and on a refusal makes sure that nothing whatever changed.
    Verdict verdict(ProcessId link, const Header& header) {
        const Picture before = w.picture();
        const Outcome outcome = w.send(link, header);
        if (outcome.verdict != Verdict::kDelivered) {
            EXPECT_TRUE(w.picture() == before) << name_of(outcome.verdict) << " changed something";
            EXPECT_EQ(outcome.created, 0U);
            EXPECT_EQ(outcome.destinations, 0);
        }
        return outcome.verdict;
    }
    Header data(std::uint8_t flags = 0) const { return message(Type::kData, service, to_service, flags); }
    Header capability_message() const { return message(Type::kCapability, service, to_service); }

    /// The next message of `destination`; a header of zeroes when there is none.
    Header take(ObjectId destination) {
        Header header;
        w.queues.pop(destination, header);
        return header;
    }
    bool holds(ProcessId process, CapabilityId id) const { return w.table.find(id, process) != 0; }

    World w;
    ProcessId client = w.open_process();
    ProcessId service = w.open_process();
    ProcessId stranger = w.open_process(w.users[1], 8);
    CapabilityId to_service = w.give(w.root(service), client, kSend | kCall, kBadge);
};

// ---- Delivery

TEST_F(RouteTest, AMessageArrivesWithSenderBadgeAndTimeStampedAndTheRestAsItWas) {
    Header header = data(flag::kStreamFirst | flag::kNoWait);
    header.set_priority(2);
    header.set_length(4096);
    header.set_sequence(7);
    header.set_timestamp(123);  // a deadline

    const Outcome outcome = w.send(client, header);

    EXPECT_EQ(outcome.verdict, Verdict::kDelivered);
    EXPECT_EQ(outcome.destinations, 1);
    EXPECT_EQ(outcome.created, 0U);
    Header expected = header;
    expected.set_sender(client);
    expected.set_capability(kBadge);
    expected.set_timestamp(w.now.ns);
    EXPECT_EQ(outcome.delivered, expected);
    EXPECT_EQ(w.queues.count(service, 2), 1U);
    EXPECT_EQ(take(service), expected);
}

TEST_F(RouteTest, AnOrdinaryMessageLeavesTheTableAlone) {
    const Picture before = w.picture();
    ASSERT_EQ(verdict(client, data()), Verdict::kDelivered);
    take(service);
    EXPECT_TRUE(w.picture().rows == before.rows);
}

TEST_F(RouteTest, AMessageToANamedEndpointArrivesThereAndWhatItCarriesGoesToTheOwner) {
    const ObjectId endpoint = w.open(Directory::What::kEndpoint, service);
    const CapabilityId to_endpoint = w.give(w.root(endpoint), client, kSend);
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    const Header header = carrying(message(Type::kCapability, endpoint, to_endpoint), region, right::kRead);

    const Outcome outcome = w.send(client, header);

    ASSERT_EQ(outcome.verdict, Verdict::kDelivered);
    EXPECT_TRUE(holds(service, outcome.created));
    EXPECT_EQ(take(endpoint).carried(), outcome.created);
    EXPECT_EQ(take(service), Header{});
}

TEST_F(RouteTest, TheHigherPriorityIsTakenFirst) {
    for (const std::uint8_t priority : std::initializer_list<std::uint8_t>{0, 3, 1}) {
        Header header = data();
        header.set_priority(priority);
        header.set_sequence(priority);
        ASSERT_EQ(verdict(client, header), Verdict::kDelivered);
    }
    EXPECT_EQ(take(service).sequence(), 3U);
    EXPECT_EQ(take(service).sequence(), 1U);
    EXPECT_EQ(take(service).sequence(), 0U);
}

// ---- Each fault alone

TEST_F(RouteTest, AHeaderIsWellFormedOnlyInTheFormsOfTheContract) {
    constexpr std::uint8_t kStream = flag::kStreamFirst | flag::kStreamLast;
    constexpr std::uint8_t kConversation =
        flag::kExpectsReply | flag::kReply | flag::kZeroCopy | flag::kNoWait;
    struct Form {
        unsigned type;
        unsigned may;  // flags
        bool may_carry, must_carry;
    };
    const Form forms[] = {{1, kConversation, true, false},
                          {2, kConversation | kStream, true, false},
                          {3, flag::kNoWait, true, true},
                          {4, flag::kNoWait, true, true},
                          {5, flag::kNoWait, false, false}};
    for (unsigned type = 0; type < 16; ++type) {
        for (unsigned flags = 0; flags < 64; ++flags) {
            for (const bool carries : {false, true}) {
                bool expected = false;
                for (const Form& form : forms) {
                    expected |= form.type == type && (flags & ~form.may) == 0 &&
                                (carries ? form.may_carry : !form.must_carry);
                }
                const bool call = (flags & flag::kExpectsReply) != 0;
                expected &= !(call && ((flags & flag::kReply) != 0 || carries));
                expected &= (flags & flag::kZeroCopy) == 0 || carries;
                Header header = message(Type{static_cast<std::uint8_t>(type)}, service, to_service,
                                        static_cast<std::uint8_t>(flags));
                header.set_carried(carries ? 99 : 0);
                ASSERT_EQ(well_formed(header), expected)
                    << "type " << type << " flags " << flags << ' ' << carries;
            }
        }
    }
}

TEST_F(RouteTest, WrongVersionLengthTypeOrReservedBitsAreMalformed) {
    const auto with = [&](void (*change)(Header&)) {
        Header header = data();
        change(header);
        return header;
    };
    EXPECT_EQ(verdict(client, Header{}), Verdict::kMalformed);
    EXPECT_EQ(verdict(client, with([](Header& h) { h.set_version(0); })), Verdict::kMalformed);
    EXPECT_EQ(verdict(client, with([](Header& h) { h.set_version(2); })), Verdict::kMalformed);
    EXPECT_EQ(verdict(client, with([](Header& h) { h.set_type(0); })), Verdict::kMalformed);
    EXPECT_EQ(verdict(client, with([](Header& h) { h.set_type(6); })), Verdict::kMalformed);
    EXPECT_EQ(verdict(client, with([](Header& h) { h.set_length(4097); })), Verdict::kMalformed);
    EXPECT_EQ(verdict(client, with([](Header& h) { h.set_length(0x8000); })), Verdict::kMalformed);
    EXPECT_EQ(verdict(client, with([](Header& h) { h.set_length(4096); })), Verdict::kDelivered);
}

TEST_F(RouteTest, ReservedGrantFlagsAreMalformedOnlyWhenSomethingIsCarried) {
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    for (const std::uint8_t reserved : std::initializer_list<std::uint8_t>{4, 8, 12}) {
        EXPECT_EQ(verdict(client, carrying(capability_message(), region, 0, reserved)), Verdict::kMalformed);
    }
    Header header = data();
    header.set_timestamp(~std::uint64_t{0});  // a deadline may have any bits
    EXPECT_EQ(verdict(client, header), Verdict::kDelivered);
}

TEST_F(RouteTest, ASenderMayNameItselfOrNobodyButNoOtherId) {
    Header header = data();
    header.set_sender(client);
    EXPECT_EQ(verdict(client, header), Verdict::kDelivered);
    header.set_sender(service);
    EXPECT_EQ(verdict(client, header), Verdict::kSpoofed);
    header.set_sender(0x10000U | client);
    EXPECT_EQ(verdict(client, header), Verdict::kSpoofed) << "all 32 bits count";
}

TEST_F(RouteTest, AnIdOutOfRangeFreeStaleOrSomebodyElsesIsTheSameAnswer) {
    const CapabilityId strangers = w.give(w.root(service), stranger, kSend);
    const CapabilityId gone = w.give(w.root(service), client, kSend);
    w.table.revoke(slot_of(gone), true);
    const CapabilityId faults[] = {0,
                                   gone,
                                   strangers,
                                   make_capability_id(2, slot_of(to_service)),
                                   make_capability_id(0, slot_of(to_service)),
                                   make_capability_id(1, w.table.slot_count()),
                                   make_capability_id(2, slot_of(gone)),
                                   0xFFFFFFFF};
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    for (const CapabilityId fault : faults) {
        Header header = data();
        header.set_capability(fault);
        EXPECT_EQ(verdict(client, header), Verdict::kNoSuchCapability) << std::hex << fault;
        if (fault != 0) {
            EXPECT_EQ(verdict(client, carrying(capability_message(), fault, 0)), Verdict::kNoSuchCarried);
        }
    }
    EXPECT_EQ(verdict(client, carrying(capability_message(), region, 0)), Verdict::kDelivered);
}

TEST_F(RouteTest, ARevokedCapabilityAndItsDescendantsAuthoriseNothingAnyMore) {
    const CapabilityId parent = w.give(w.root(service), client, kSend | right::kGrant);
    const CapabilityId child = w.give(parent, stranger, kSend);
    ASSERT_EQ(verdict(stranger, message(Type::kData, service, child)), Verdict::kDelivered);

    w.table.revoke(slot_of(parent), true);

    EXPECT_EQ(verdict(stranger, message(Type::kData, service, child)), Verdict::kNoSuchCapability);
    EXPECT_EQ(verdict(client, message(Type::kData, service, parent)), Verdict::kNoSuchCapability);
    EXPECT_EQ(verdict(client, data()), Verdict::kDelivered) << "a sibling";
}

TEST_F(RouteTest, ACapabilityWorksOnlyForItsObjectAndItsKindOfOperation) {
    const ObjectId topic = w.open(Directory::What::kTopic, service);
    const CapabilityId to_topic = w.give(w.root(topic), client, right::kAll);
    const CapabilityId region = w.make(client, Kind::kRegion, service, right::kAll);

    EXPECT_EQ(verdict(client, message(Type::kData, stranger, to_service)), Verdict::kWrongObject);
    EXPECT_EQ(verdict(client, message(Type::kData, 0, to_service)), Verdict::kWrongObject);
    Header wide = data();
    wide.set_receiver(0x10000U | service);
    EXPECT_EQ(verdict(client, wide), Verdict::kWrongObject) << "all 32 bits count";
    EXPECT_EQ(verdict(client, message(Type::kData, service, region)), Verdict::kWrongObject);
    EXPECT_EQ(verdict(client, message(Type::kData, topic, to_topic)), Verdict::kWrongObject);
    EXPECT_EQ(verdict(client, message(Type::kEvent, service, to_service)), Verdict::kWrongObject);
    EXPECT_EQ(verdict(client, data(flag::kReply)), Verdict::kWrongObject)
        << "only a reply capability replies";
}

TEST_F(RouteTest, EachOperationNeedsExactlyItsRight) {
    const ObjectId topic = w.open(Directory::What::kTopic, service);
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    const CapabilityId qubit = w.make(client, Kind::kQubit, 9, right::kAll, entry_flag::kLinear);
    struct Case {
        const char* what;
        std::uint8_t needed;
        std::function<Header(CapabilityId)> make;
        bool event;
    };
    const Case cases[] = {
        {"data", right::kWrite, [&](CapabilityId id) { return message(Type::kData, service, id); }, false},
        {"control", right::kWrite, [&](CapabilityId id) { return message(Type::kControl, service, id); },
         false},
        {"call", right::kExecute,
         [&](CapabilityId id) { return message(Type::kData, service, id, flag::kExpectsReply); }, false},
        {"capability", right::kWrite,
         [&](CapabilityId id) { return carrying(message(Type::kCapability, service, id), region, 0); },
         false},
        {"quantum", right::kWrite,
         [&](CapabilityId id) { return carrying(message(Type::kQuantum, service, id), qubit, 0); }, false},
        {"event", right::kWrite, [&](CapabilityId id) { return message(Type::kEvent, topic, id); }, true},
    };
    for (const Case& test : cases) {
        SCOPED_TRACE(test.what);
        const SlotId parent = slot_of(w.root(test.event ? topic : service));
        for (const auto& [rights, expected] :
             {std::pair{static_cast<std::uint8_t>(right::kAll & ~test.needed), Verdict::kInsufficientRights},
              {test.needed, Verdict::kDelivered}}) {
            const CapabilityId id = w.give(w.table.id(parent), client, rights);
            EXPECT_EQ(verdict(client, test.make(id)), expected);
            w.table.revoke(slot_of(id), true);
            take(service);
        }
    }
}

// ---- The order of the checks

enum Fault : unsigned {
    kBadLength,
    kOtherSender,
    kStale,
    kTooLate,
    kOtherReceiver,
    kNoWrite,
    kCarriedStale,
    kCarriedTooLate,
    kCarriedNoRegion,
    kCarriedCopied,
    kCarriedNoGrant,
    kCarriedAmplified,
    kQueueFull,
    kShareUsedUp,
    kFaults,
};
constexpr Verdict kVerdictOf[kFaults] = {
    Verdict::kMalformed,     Verdict::kSpoofed,        Verdict::kNoSuchCapability,
    Verdict::kExpired,       Verdict::kWrongObject,    Verdict::kInsufficientRights,
    Verdict::kNoSuchCarried, Verdict::kCarriedExpired, Verdict::kWrongObject,
    Verdict::kLinearity,     Verdict::kNotGrantable,   Verdict::kAmplified,
    Verdict::kFull,          Verdict::kTableFull};

// One message with any set of faults at once: the first of the set gives the verdict. All 2^14 sets, so that
// each pair of neighbours is among them.
TEST(RouteOrderTest, OfSeveralFaultsTheFirstInTheContractsOrderGivesTheVerdict) {
    World w({.slots = 8, .ids = 8, .depth = 1});
    const ProcessId service = w.open_process();
    const ProcessId rich = w.open_process();
    const ProcessId poor = w.open_process(w.users[1], 3);
    CapabilityId authority = 0;
    CapabilityId carried = 0;
    for (unsigned faults = 0; faults < 1U << kFaults; ++faults) {
        const auto has = [&](Fault fault) { return (faults >> fault & 1) != 0; };
        const ProcessId link = has(kShareUsedUp) ? poor : rich;
        const std::uint8_t rights = has(kCarriedNoGrant) ? right::kRead : right::kRead | right::kGrant;
        authority = w.give(w.root(service), link, has(kNoWrite) ? right::kRead : right::kWrite, 0,
                           has(kTooLate) ? w.now.tick : 0);
        carried = w.make(link, has(kCarriedNoRegion) ? Kind::kEndpoint : Kind::kRegion, service, rights,
                         has(kCarriedCopied) ? entry_flag::kOneShot : std::uint8_t{0},
                         has(kCarriedTooLate) ? w.now.tick : 0);
        if (has(kQueueFull)) {
            w.queues.push(service, 0, Header{});
        }
        Header header =
            message(Type::kData, has(kOtherReceiver) ? rich : service, authority, flag::kZeroCopy);
        header = carrying(header, carried, has(kCarriedAmplified) ? right::kWrite : right::kRead);
        header.set_length(has(kBadLength) ? 4097 : 0);
        header.set_sender(has(kOtherSender) ? service : link);
        if (has(kStale)) {
            header.set_capability(
                make_capability_id(next_generation(generation_of(authority)), slot_of(authority)));
        }
        if (has(kCarriedStale)) {
            header.set_carried(make_capability_id(next_generation(generation_of(carried)), slot_of(carried)));
        }
        unsigned first = 0;
        while (first < kFaults && !has(static_cast<Fault>(first))) {
            ++first;
        }
        const Picture before = w.picture();

        const Outcome outcome = w.send(link, header);

        ASSERT_EQ(outcome.verdict, first < kFaults ? kVerdictOf[first] : Verdict::kDelivered)
            << "faults 0x" << std::hex << faults;
        ASSERT_EQ(w.picture() == before, first < kFaults) << "faults 0x" << std::hex << faults;
        w.table.revoke(slot_of(authority), true);
        w.table.revoke(slot_of(carried), true);
        Header ignored;
        w.queues.pop(service, ignored);
    }
    EXPECT_EQ(w.table.audit(), "");
}

// ---- Room

TEST_F(RouteTest, AFullQueueRefusesItsPriorityOnly) {
    for (std::uint32_t i = 0; i < w.geometry.depth; ++i) {
        ASSERT_EQ(verdict(client, data()), Verdict::kDelivered);
    }
    EXPECT_EQ(verdict(client, data()), Verdict::kFull);
    EXPECT_EQ(verdict(client, data(flag::kExpectsReply)), Verdict::kFull);
    Header urgent = data();
    urgent.set_priority(1);
    EXPECT_EQ(verdict(client, urgent), Verdict::kDelivered);
    take(service);
    take(service);
    EXPECT_EQ(verdict(client, data()), Verdict::kDelivered);
}

TEST_F(RouteTest, AnEventReachesEverySubscriberOrNobody) {
    const ObjectId topic = w.open(Directory::What::kTopic, service);
    const CapabilityId publish = w.give(w.root(topic), client, right::kWrite, 5, 0, entry_flag::kOneShot);
    const Header event = message(Type::kEvent, topic, publish);
    for (const ObjectId subscriber : {client, service, stranger}) {
        w.directory.subscribe(topic, subscriber);
    }
    Header filler;
    for (std::uint32_t i = 0; i < w.geometry.depth; ++i) {
        w.queues.push(stranger, 0, filler);
    }

    EXPECT_EQ(verdict(client, event), Verdict::kFull) << "the last of three has no room";
    take(stranger);
    const Outcome outcome = w.send(client, event);

    EXPECT_EQ(outcome.verdict, Verdict::kDelivered);
    EXPECT_EQ(outcome.destinations, 3);
    take(stranger);
    for (const ObjectId subscriber : {client, service, stranger}) {
        const Header got = take(subscriber);
        EXPECT_EQ(got, outcome.delivered);
        EXPECT_EQ(got.receiver(), topic);
        EXPECT_EQ(got.capability(), 5U);
        EXPECT_EQ(take(subscriber), Header{}) << "exactly once";
    }
    EXPECT_EQ(verdict(client, event), Verdict::kNoSuchCapability) << "three copies, one shot";
}

TEST_F(RouteTest, AnEventWithoutSubscribersIsDeliveredToNobody) {
    const ObjectId topic = w.open(Directory::What::kTopic, service);
    const CapabilityId publish = w.give(w.root(topic), client, right::kWrite);

    const Outcome outcome = w.send(client, message(Type::kEvent, topic, publish));

    EXPECT_EQ(outcome.verdict, Verdict::kDelivered);
    EXPECT_EQ(outcome.destinations, 0);
    EXPECT_EQ(take(topic), Header{}) << "the topic itself is no destination";
}

// ---- One-shots, calls and replies

TEST_F(RouteTest, AOneShotAuthorisesOneDeliveryAndARefusalDoesNotUseItUp) {
    const CapabilityId once = w.give(w.root(service), client, kSend, 3, 0, entry_flag::kOneShot);
    const Header header = message(Type::kData, service, once);
    for (std::uint32_t i = 0; i < w.geometry.depth; ++i) {
        w.send(client, data());
    }

    EXPECT_EQ(verdict(client, header), Verdict::kFull);
    EXPECT_TRUE(holds(client, once));
    take(service);
    EXPECT_EQ(verdict(client, header), Verdict::kDelivered);
    EXPECT_FALSE(holds(client, once));
    EXPECT_EQ(verdict(client, header), Verdict::kNoSuchCapability);
}

TEST_F(RouteTest, ACallGivesTheCalleeOneReplyWhoseBadgeIsTheCallsSequence) {
    Header call = data(flag::kExpectsReply);
    call.set_sequence(0xC0FFEE);
    const std::uint32_t paid = w.table.share(client).used;

    const Outcome called = w.send(client, call);

    ASSERT_EQ(called.verdict, Verdict::kDelivered);
    EXPECT_TRUE(holds(client, to_service)) << "a call consumes nothing of the caller's";
    EXPECT_EQ(w.table.share(client).used, paid + 1) << "the caller pays for the reply capability";
    const CapabilityId ticket = take(service).carried();
    ASSERT_EQ(ticket, called.created);
    ASSERT_TRUE(holds(service, ticket));
    const Entry& entry = w.entry(ticket);
    EXPECT_EQ(Kind{entry.kind()}, Kind::kReply);
    EXPECT_EQ(entry.object(), client);
    EXPECT_EQ(entry.rights(), right::kWrite);
    EXPECT_EQ(entry.flags(), entry_flag::kValid | entry_flag::kOneShot);
    EXPECT_EQ(entry.badge(), 0xC0FFEEU);
    EXPECT_EQ(entry.expiry(), 0U);
    EXPECT_EQ(w.table.parent(slot_of(ticket)), w.directory.root(client));

    const Header reply = message(Type::kData, client, ticket, flag::kReply);
    EXPECT_EQ(verdict(stranger, reply), Verdict::kNoSuchCapability) << "the reply is the callee's";
    EXPECT_EQ(verdict(service, message(Type::kData, client, ticket)), Verdict::kWrongObject)
        << "not marked a reply";
    EXPECT_EQ(verdict(service, message(Type::kData, stranger, ticket, flag::kReply)), Verdict::kWrongObject);
    EXPECT_EQ(verdict(service, message(Type::kData, client, ticket, flag::kExpectsReply)),
              Verdict::kWrongObject);
    EXPECT_EQ(verdict(service, reply), Verdict::kDelivered);
    EXPECT_EQ(take(client).capability(), 0xC0FFEEU);
    EXPECT_EQ(w.table.share(client).used, paid);
    EXPECT_EQ(verdict(service, reply), Verdict::kNoSuchCapability) << "a second reply";
}

TEST_F(RouteTest, ACalleeThatDiesEndsTheReplyCapabilityAndSaysWhoseCallItWas) {
    Header call = data(flag::kExpectsReply);
    call.set_sequence(42);
    const CapabilityId ticket = w.send(client, call).created;
    bool told = false;

    w.table.revoke_owned(service, [&](SlotId slot, const Entry& entry) {
        if (slot == slot_of(ticket)) {
            told = Kind{entry.kind()} == Kind::kReply && entry.object() == client && entry.badge() == 42;
        }
    });

    EXPECT_TRUE(told);
    EXPECT_FALSE(holds(service, ticket));
}

TEST_F(RouteTest, ACallerThatDiesCanNotBeRepliedTo) {
    const CapabilityId ticket = w.send(client, data(flag::kExpectsReply)).created;

    w.table.revoke_owned(client);

    EXPECT_EQ(verdict(service, message(Type::kData, client, ticket, flag::kReply)),
              Verdict::kNoSuchCapability);
}

TEST_F(RouteTest, AReplyMayCarryACapabilityToTheCaller) {
    const CapabilityId ticket = w.send(client, data(flag::kExpectsReply)).created;
    const CapabilityId region = w.make(service, Kind::kRegion, 9, right::kRead | right::kGrant);
    const Header reply =
        carrying(message(Type::kControl, client, ticket, flag::kReply), region, right::kRead);

    const Outcome outcome = w.send(service, reply);

    ASSERT_EQ(outcome.verdict, Verdict::kDelivered);
    EXPECT_TRUE(holds(client, outcome.created));
    EXPECT_FALSE(holds(service, ticket));
}

TEST_F(RouteTest, AReplyCapabilityCanNotBePassedOn) {
    const CapabilityId ticket = w.send(client, data(flag::kExpectsReply)).created;
    const CapabilityId to_stranger = w.give(w.root(stranger), service, kSend);
    const Header give = message(Type::kCapability, stranger, to_stranger);

    EXPECT_EQ(verdict(service, carrying(give, ticket, right::kWrite)), Verdict::kLinearity);
    EXPECT_EQ(verdict(service, carrying(give, ticket, 0, grant_flag::kMove)), Verdict::kNotGrantable);
}

TEST_F(RouteTest, AOneShotThatCallsIsUsedUpAndTheReplyStillComes) {
    const CapabilityId once = w.give(w.root(service), client, kCall, 0, 0, entry_flag::kOneShot);

    const CapabilityId ticket =
        w.send(client, message(Type::kControl, service, once, flag::kExpectsReply)).created;

    EXPECT_FALSE(holds(client, once));
    EXPECT_EQ(verdict(service, message(Type::kData, client, ticket, flag::kReply)), Verdict::kDelivered);
}

TEST_F(RouteTest, AProcessMayCallItself) {
    const Header call = message(Type::kData, client, w.root(client), flag::kExpectsReply);

    const CapabilityId ticket = w.send(client, call).created;

    EXPECT_EQ(verdict(client, message(Type::kData, client, ticket, flag::kReply)), Verdict::kDelivered);
}

// ---- What is carried

TEST_F(RouteTest, ADerivedCapabilityIsTheReceiversWithWhatTheGrantWordSays) {
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kRead | right::kWrite | right::kGrant,
                                       entry_flag::kRevocable, 500, 1);
    const std::uint32_t paid = w.table.share(client).used;

    const Outcome outcome =
        w.send(client, carrying(capability_message(), region, right::kRead, 0, 50, 0xABCD));

    ASSERT_EQ(outcome.verdict, Verdict::kDelivered);
    const Entry& entry = w.entry(outcome.created);
    EXPECT_TRUE(holds(service, outcome.created));
    EXPECT_TRUE(holds(client, region));
    EXPECT_EQ(Kind{entry.kind()}, Kind::kRegion);
    EXPECT_EQ(entry.object(), 9);
    EXPECT_EQ(entry.rights(), right::kRead);
    EXPECT_EQ(entry.flags(), entry_flag::kValid | entry_flag::kRevocable);
    EXPECT_EQ(entry.badge(), 0xABCDU);
    EXPECT_EQ(entry.expiry(), w.now.tick + 50);
    EXPECT_EQ(w.table.parent(slot_of(outcome.created)), slot_of(region));
    EXPECT_EQ(w.table.payer(slot_of(outcome.created)), client);
    EXPECT_EQ(w.table.share(client).used, paid + 1);
    EXPECT_EQ(take(service).carried(), outcome.created);
}

TEST_F(RouteTest, ADerivedOneShotWorksOnce) {
    const CapabilityId grantor = w.give(w.root(stranger), client, kSend | right::kGrant);

    const CapabilityId once =
        w.send(client, carrying(capability_message(), grantor, kSend, grant_flag::kOneShot)).created;

    EXPECT_EQ(w.entry(once).flags(), entry_flag::kValid | entry_flag::kRevocable | entry_flag::kOneShot);
    EXPECT_EQ(verdict(service, message(Type::kData, stranger, once)), Verdict::kDelivered);
    EXPECT_EQ(verdict(service, message(Type::kData, stranger, once)), Verdict::kNoSuchCapability);
}

TEST_F(RouteTest, ADerivedCapabilityHasNoRightThatItsParentLacks) {
    const std::uint8_t own = right::kRead | right::kGrant;
    const CapabilityId region = w.make(client, Kind::kRegion, 9, own);
    for (unsigned rights = 0; rights < 256; ++rights) {
        const Header header = carrying(capability_message(), region, static_cast<std::uint8_t>(rights));
        const bool subset = (rights | own) == own;
        ASSERT_EQ(verdict(client, header), subset ? Verdict::kDelivered : Verdict::kAmplified) << rights;
        w.table.revoke(slot_of(region), false);
        take(service);
    }
}

TEST_F(RouteTest, AMoveIgnoresTheRightsInTheGrantWord) {
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kRead | right::kGrant);

    const Outcome outcome =
        w.send(client, carrying(capability_message(), region, right::kAll, grant_flag::kMove));

    ASSERT_EQ(outcome.verdict, Verdict::kDelivered);
    EXPECT_EQ(w.entry(outcome.created).rights(), right::kRead | right::kGrant);
}

TEST_F(RouteTest, WithoutGrantNothingIsPassedOnAndALinearOneNeedsQuantumInstead) {
    const auto all_but = [](std::uint8_t without) {
        return static_cast<std::uint8_t>(right::kAll & ~without);
    };
    const CapabilityId plain = w.make(client, Kind::kRegion, 9, all_but(right::kGrant));
    const CapabilityId qubit = w.make(client, Kind::kQubit, 9, all_but(right::kQuantum), entry_flag::kLinear);
    const CapabilityId good = w.make(client, Kind::kQubit, 9, right::kQuantum, entry_flag::kLinear);
    const Header quantum = message(Type::kQuantum, service, to_service);

    EXPECT_EQ(verdict(client, carrying(capability_message(), plain, 0)), Verdict::kNotGrantable);
    EXPECT_EQ(verdict(client, carrying(capability_message(), plain, 0, grant_flag::kMove)),
              Verdict::kNotGrantable);
    EXPECT_EQ(verdict(client, carrying(quantum, qubit, 0)), Verdict::kNotGrantable);
    EXPECT_EQ(verdict(client, carrying(quantum, good, 0)), Verdict::kDelivered);
}

TEST_F(RouteTest, AHandOffMovesALinearCapabilitySoThatExactlyOneHoldsIt) {
    const CapabilityId before = w.make(client, Kind::kQubit, 9, right::kQuantum, entry_flag::kLinear, 0, 77);
    const Header header = carrying(message(Type::kQuantum, service, to_service), before, 0);

    const Outcome outcome = w.send(client, header);

    ASSERT_EQ(outcome.verdict, Verdict::kDelivered);
    EXPECT_FALSE(holds(client, before));
    EXPECT_TRUE(holds(service, outcome.created));
    EXPECT_EQ(slot_of(outcome.created), slot_of(before));
    EXPECT_EQ(w.entry(outcome.created).badge(), 77U);
    EXPECT_EQ(w.entry(outcome.created).flags(), entry_flag::kValid | entry_flag::kLinear);
    EXPECT_EQ(w.table.payer(slot_of(before)), service);
    EXPECT_EQ(verdict(client, header), Verdict::kNoSuchCarried) << "handed off twice";
}

TEST_F(RouteTest, WhatIsLinearIsNeverCopiedAndWhatIsNotIsNotHandedOff) {
    const CapabilityId qubit = w.make(client, Kind::kQubit, 9, right::kAll, entry_flag::kLinear);
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    const CapabilityId once = w.make(client, Kind::kRegion, 9, right::kAll, entry_flag::kOneShot);

    EXPECT_EQ(verdict(client, carrying(capability_message(), qubit, 0)), Verdict::kLinearity);
    EXPECT_EQ(verdict(client, carrying(capability_message(), once, 0)), Verdict::kLinearity);
    EXPECT_EQ(verdict(client, carrying(message(Type::kQuantum, service, to_service), region, 0)),
              Verdict::kLinearity);
    EXPECT_EQ(verdict(client, carrying(message(Type::kQuantum, service, to_service), once, 0)),
              Verdict::kLinearity);
    EXPECT_EQ(verdict(client, carrying(capability_message(), once, 0, grant_flag::kMove)),
              Verdict::kDelivered);
    EXPECT_EQ(verdict(client, carrying(capability_message(), qubit, 0, grant_flag::kMove)),
              Verdict::kDelivered);
}

TEST_F(RouteTest, WhatHasChildrenIsNotMoved) {
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    const CapabilityId child = w.give(region, stranger, right::kRead);
    const Header header = carrying(capability_message(), region, 0, grant_flag::kMove);

    EXPECT_EQ(verdict(client, header), Verdict::kNotGrantable);
    w.table.revoke(slot_of(child), true);
    EXPECT_EQ(verdict(client, header), Verdict::kDelivered);
}

// Were it moved, the new owner's death would free the slot from which the object's capabilities descend.
TEST_F(RouteTest, TheRootOfAnEndpointOrTopicStaysWithItsOwner) {
    const ObjectId endpoint = w.open(Directory::What::kEndpoint, client);
    const ObjectId topic = w.open(Directory::What::kTopic, client);
    for (const ObjectId object : {ObjectId{client}, endpoint, topic}) {
        EXPECT_EQ(verdict(client, carrying(capability_message(), w.root(object), 0, grant_flag::kMove)),
                  Verdict::kNotGrantable);
        EXPECT_EQ(verdict(client, carrying(capability_message(), w.root(object), right::kRead)),
                  Verdict::kDelivered);
        take(service);
    }
}

TEST_F(RouteTest, ZeroCopyNeedsARegion) {
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    const CapabilityId device = w.make(client, Kind::kDevice, 9, right::kAll);

    EXPECT_EQ(verdict(client, data(flag::kZeroCopy)), Verdict::kMalformed);
    EXPECT_EQ(verdict(client, carrying(data(flag::kZeroCopy), device, right::kRead)), Verdict::kWrongObject);
    EXPECT_EQ(verdict(client, carrying(data(), device, right::kRead)), Verdict::kDelivered);
    EXPECT_EQ(verdict(client, carrying(data(flag::kZeroCopy), region, right::kRead)), Verdict::kDelivered);
}

TEST_F(RouteTest, AMessageMayCarryTheCapabilityThatAuthorisesIt) {
    const CapabilityId both = w.give(w.root(service), client, kSend | right::kGrant, 4);
    const Header header = message(Type::kCapability, service, both);

    const Outcome derived = w.send(client, carrying(header, both, kSend));
    ASSERT_EQ(derived.verdict, Verdict::kDelivered);
    EXPECT_EQ(w.table.parent(slot_of(derived.created)), slot_of(both));
    w.table.revoke(slot_of(derived.created), true);

    const Outcome moved = w.send(client, carrying(header, both, 0, grant_flag::kMove));
    ASSERT_EQ(moved.verdict, Verdict::kDelivered);
    EXPECT_EQ(moved.delivered.capability(), 4U);
    EXPECT_FALSE(holds(client, both));
    EXPECT_TRUE(holds(service, moved.created));
}

TEST_F(RouteTest, AOneShotCanNotGiveItselfAway) {
    const std::uint8_t rights = kSend | right::kGrant | right::kQuantum;
    const CapabilityId once = w.give(w.root(service), client, rights, 0, 0, entry_flag::kOneShot);
    const CapabilityId poor = w.give(w.root(service), client, kSend, 0, 0, entry_flag::kOneShot);
    const CapabilityId linear =
        w.make(client, Kind::kEndpoint, service, rights, entry_flag::kOneShot | entry_flag::kLinear);

    for (const CapabilityId id : {once, poor, linear}) {
        const Header header = message(Type::kCapability, service, id);
        EXPECT_EQ(verdict(client, carrying(header, id, 0, grant_flag::kMove)), Verdict::kLinearity);
        EXPECT_EQ(verdict(client, carrying(header, id, 0)), Verdict::kLinearity);
        EXPECT_EQ(verdict(client, carrying(message(Type::kQuantum, service, id), id, 0)),
                  Verdict::kLinearity);
    }
    EXPECT_EQ(
        verdict(client, carrying(message(Type::kCapability, service, poor), once, 0, grant_flag::kMove)),
        Verdict::kDelivered)
        << "one one-shot may carry another";
    EXPECT_FALSE(holds(client, once));
    EXPECT_FALSE(holds(client, poor));
}

// ---- Expiry

TEST_F(RouteTest, ACapabilityWorksUntilTheTickBeforeItsExpiry) {
    const CapabilityId brief = w.give(w.root(service), client, kSend, 0, 200);
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll, 0, 200);
    const Header header = message(Type::kData, service, brief);
    const Header gift = carrying(capability_message(), region, 0);

    w.now.tick = 199;
    EXPECT_EQ(verdict(client, header), Verdict::kDelivered);
    EXPECT_EQ(verdict(client, gift), Verdict::kDelivered);
    for (const std::uint32_t late : {200U, 201U, UINT32_MAX}) {
        w.now.tick = late;
        EXPECT_EQ(verdict(client, header), Verdict::kExpired);
        EXPECT_EQ(verdict(client, gift), Verdict::kCarriedExpired);
    }
    take(service);
    EXPECT_EQ(verdict(client, data()), Verdict::kDelivered) << "expiry 0 is never";
}

TEST(ExpiryTest, ADerivedCapabilityNeverOutlivesItsParentAndSaturates) {
    const Now now{.ns = 0, .tick = 100};
    EXPECT_EQ(derived_expiry(0, 0, now), 0U) << "never";
    EXPECT_EQ(derived_expiry(300, 0, now), 300U) << "as long as the parent";
    EXPECT_EQ(derived_expiry(0, 5, now), 105U);
    EXPECT_EQ(derived_expiry(300, 5, now), 105U);
    EXPECT_EQ(derived_expiry(103, 5, now), 103U);
    EXPECT_EQ(derived_expiry(0, 0xFFFFF, {.ns = 0, .tick = UINT32_MAX - 5}), UINT32_MAX)
        << "and not 0: for ever";
    EXPECT_EQ(derived_expiry(0, 5, {.ns = 0, .tick = UINT32_MAX - 5}), UINT32_MAX);
    EXPECT_EQ(derived_expiry(0, 6, {.ns = 0, .tick = UINT32_MAX - 5}), UINT32_MAX);
}

TEST(ExpiryTest, TheTickCountsFromTheRoutersStartAndStopsAtItsLargestValue) {
    const std::uint64_t start = 999;
    const std::uint64_t one = std::uint64_t{1} << limit::kTickShift;
    EXPECT_EQ(Now::at(start, start).tick, 0U);
    EXPECT_EQ(Now::at(start + one - 1, start).tick, 0U);
    EXPECT_EQ(Now::at(start + one, start).tick, 1U);
    EXPECT_EQ(Now::at(start + one, start).ns, start + one);
    EXPECT_EQ(Now::at(start + one * UINT32_MAX, start).tick, UINT32_MAX);
    EXPECT_EQ(Now::at(start + one * (std::uint64_t{UINT32_MAX} + 1), start).tick, UINT32_MAX)
        << "not 0 again";
    EXPECT_EQ(Now::at(UINT64_MAX, 0).tick, UINT32_MAX);
    Entry entry;
    entry.set_expiry(UINT32_MAX);
    EXPECT_TRUE(is_expired(entry, Now::at(UINT64_MAX, 0))) << "whatever expires is expired then";
}

// ---- Shares

TEST_F(RouteTest, ASenderWithoutShareOrSlotCanSendButNotCallOrDerive) {
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    const auto check = [&](const char* why) {
        SCOPED_TRACE(why);
        EXPECT_EQ(verdict(client, data(flag::kExpectsReply)), Verdict::kTableFull);
        EXPECT_EQ(verdict(client, carrying(capability_message(), region, 0)), Verdict::kTableFull);
        EXPECT_EQ(verdict(client, data()), Verdict::kDelivered);
        take(service);
    };
    while (w.make(client, Kind::kDevice, 1, 0) != 0) {
    }
    check("the process's limit");
    w.table.revoke(slot_of(w.table.id(w.table.first_owned(client))), true);

    const ProcessId sibling = w.open_process(w.users[0], 100);
    while (w.make(sibling, Kind::kDevice, 1, 0) != 0) {
    }
    ASSERT_EQ(w.users[0].used, w.users[0].limit);
    check("the user's limit");
    w.table.revoke_owned(sibling);

    w.users[1].limit = 100;
    const ProcessId hog = w.open_process(w.users[1], 100);
    while (w.make(hog, Kind::kDevice, 1, 0) != 0) {
    }
    ASSERT_EQ(w.table.in_use(), w.table.slot_count() - 1);
    check("no free slot");
    EXPECT_EQ(verdict(client, carrying(capability_message(), region, 0, grant_flag::kMove)),
              Verdict::kDelivered)
        << "a move needs no slot";
}

TEST_F(RouteTest, AMoveNeedsRoomInTheReceiversShareUnlessItPaysAlready) {
    const CapabilityId region = w.make(client, Kind::kRegion, 9, right::kAll);
    const CapabilityId lent = w.make(service, Kind::kRegion, 8, right::kAll);
    const CapabilityId to_client = w.give(w.root(client), service, kSend);
    const CapabilityId borrowed =
        w.send(service, carrying(message(Type::kCapability, client, to_client), lent, right::kGrant)).created;
    ASSERT_EQ(w.table.payer(slot_of(borrowed)), service);
    while (w.make(service, Kind::kDevice, 1, 0) != 0) {
    }

    EXPECT_EQ(verdict(client, carrying(capability_message(), region, 0, grant_flag::kMove)),
              Verdict::kTableFull);
    EXPECT_EQ(verdict(client, carrying(capability_message(), borrowed, 0, grant_flag::kMove)),
              Verdict::kDelivered);
    EXPECT_EQ(w.table.share(service).used, w.table.share(service).limit);
}

TEST_F(RouteTest, AMoveToOneselfTakesOverTheBillOnlyWithinOnesShare) {
    const CapabilityId lent = w.make(service, Kind::kRegion, 8, right::kAll);
    const CapabilityId to_client = w.give(w.root(client), service, kSend);
    const CapabilityId borrowed =
        w.send(service, carrying(message(Type::kCapability, client, to_client), lent, right::kGrant)).created;
    const CapabilityId own = w.make(client, Kind::kRegion, 9, right::kAll);
    while (w.make(client, Kind::kDevice, 1, 0) != 0) {
    }
    const Header to_self = message(Type::kCapability, client, w.root(client));
    take(client);

    EXPECT_EQ(verdict(client, carrying(to_self, borrowed, 0, grant_flag::kMove)), Verdict::kTableFull);
    EXPECT_EQ(verdict(client, carrying(to_self, own, 0, grant_flag::kMove)), Verdict::kDelivered);
    EXPECT_EQ(w.table.share(client).used, w.table.share(client).limit);
}

}  // namespace
}  // namespace keyway::core
