// Alice, Bob and Carol: the processes that show the other ways for data to go. One program; who does what is
// the director's word, and who may do what the router's.

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "keyway/lane.hpp"
#include "keyway/quantum.hpp"
#include "keyway/region.hpp"
#include "keyway/stream.hpp"
#include "keyway/topic.hpp"
#include "tool/demo_count.hpp"
#include "tool/demo_roles.hpp"

namespace keyway::tool::demo {

namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;
constexpr std::size_t kPiece = 64 * 1024;

std::string name_of_error(const Error& error) {
    return std::string(error.name());
}

/// "ok", or the name of the error.
template <typename T>
std::string outcome(const Result<T>& result) {
    return result ? "ok" : name_of_error(result.error());
}

/// Hands the file to `take` piece by piece; false when it can't be read.
bool read_file(const UniqueFd& file, auto&& take) {
    std::vector<std::byte> piece(kPiece);
    while (true) {
        const ssize_t size = ::read(file.get(), piece.data(), piece.size());
        if (size <= 0) {
            return size == 0;
        }
        take(std::span<const std::byte>(piece).first(static_cast<std::size_t>(size)));
    }
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Partner {
  public:
    explicit Partner(Connection connection) : connection_(std::move(connection)) {}

    std::string obey(const Answer& command, const UniqueFd& file) {
        for (const auto& [name, act] : kCommands) {
            if (command.outcome == name) {
                return (this->*act)(command, file);
            }
        }
        return "unknown-command";
    }

  private:
    using Act = std::string (Partner::*)(const Answer&, const UniqueFd&);
    struct Command {
        std::string_view name;
        Act act;
    };
    static const std::array<Command, 33> kCommands;

    // --- names ---

    std::string own(const Answer& command, const UniqueFd&) {  // NAME: an endpoint
        const auto endpoint = connection_.register_endpoint(command.rest());
        if (endpoint) {
            mine_ = endpoint->capability;
        }
        return outcome(endpoint);
    }
    std::string find(const Answer& command, const UniqueFd&) {  // NAME: an endpoint, to send to from now on
        const auto found = connection_.lookup(command.rest());
        if (found) {
            theirs_ = *found;
        }
        return outcome(found);
    }

    // --- publish and subscribe ---

    std::string open_topic(const Answer& command, const UniqueFd&) {  // NAME
        const auto made =
            make_topic(connection_, command.rest(), {.policy = TopicPolicy::kBlock, .patience = kPatience});
        if (made) {
            topic_ = *made;
        }
        return outcome(made);
    }
    std::string publish_totals(const Answer&, const UniqueFd& file) {  // of the file that came along
        Counter counter;
        if (!read_file(file, [&](auto piece) { counter.add(text_of(piece)); })) {
            return "unreadable";
        }
        return outcome(publish(connection_, topic_, counter.totals().text(), Deadline::in(kPatience)));
    }
    std::string announce(const Answer& command, const UniqueFd&) {  // TEXT
        return outcome(publish(connection_, topic_, command.rest(), Deadline::in(kPatience)));
    }
    std::string revoke_subscriber(const Answer& command, const UniqueFd&) {  // CAPABILITY
        return outcome(connection_.revoke(topic_, static_cast<std::uint32_t>(command.number(0))));
    }
    std::string subscribe(const Answer& command, const UniqueFd&) {  // NAME: our capability
        const auto topic = connection_.lookup(command.rest());
        if (!topic) {
            return name_of_error(topic.error());
        }
        auto subscription = Subscription::open(connection_, *topic);
        if (!subscription) {
            return name_of_error(subscription.error());
        }
        subscription_.emplace(std::move(*subscription));
        return fmt::format("ok {}", topic->id);
    }
    std::string hear_totals(const Answer& command, const UniqueFd&) {  // NUMBER of events: their sum
        Totals sum;
        for (std::uint64_t i = 0; i < command.number(0); ++i) {
            const auto event = subscription_->next(Deadline::in(kPatience));
            if (!event) {
                return name_of_error(event.error());
            }
            const Totals one = Totals::of(Answer::of(fmt::format("ok {}", event->text())).words);
            sum.lines += one.lines;
            sum.words += one.words;
            sum.bytes += one.bytes;
        }
        return "ok " + sum.text();
    }
    std::string hear_one(const Answer&, const UniqueFd&) {  // its text
        const auto event = subscription_->next(Deadline::in(kPatience));
        return event ? fmt::format("ok {}", event->text()) : name_of_error(event.error());
    }

    // --- a stream ---

    std::string begin_stream(const Answer&, const UniqueFd&) {
        auto opened =
            open_stream(connection_, theirs_, {.bytes = 1 << 20, .records = true}, Deadline::in(kPatience));
        if (!opened) {
            return name_of_error(opened.error());
        }
        writer_.emplace(std::move(*opened));
        return "ok";
    }
    std::string stream_file(const Answer&,
                            const UniqueFd& file) {  // that came along; an empty record ends it
        Result<void> written;
        const auto put = [&](std::span<const std::byte> record) {
            if (written) {
                written = writer_->write_record(record, Deadline::in(kPatience));
            }
        };
        if (!read_file(file, put)) {
            return "unreadable";
        }
        put({});
        return outcome(written);
    }
    std::string end_stream(const Answer&, const UniqueFd&) { return outcome(writer_->finish()); }
    std::string take_stream(const Answer&, const UniqueFd&) {  // all of the next one: its totals
        const auto offer = connection_.receive(Deadline::in(kPatience));
        if (!offer) {
            return name_of_error(offer.error());
        }
        auto reader = accept_stream(connection_, *offer);
        if (!reader) {
            return name_of_error(reader.error());
        }
        Counter counter;
        std::vector<std::byte> record(kPiece);
        while (true) {
            const auto size = reader->read_record(record, Deadline::in(kPatience));
            if (!size) {
                return name_of_error(size.error());
            }
            if (reader->state() == StreamState::kEnded) {
                return "ok " + counter.totals().text();
            }
            if (*size == 0) {
                counter.end_file();
            }
            counter.add(text_of(std::span(record).first(*size)));
        }
    }

    // --- a lane ---

    std::string volley(const Answer& command, const UniqueFd&) {  // NUMBER there and back: p50 in ns
        auto lane = open_lane(connection_, theirs_, {}, Deadline::in(kPatience));
        if (!lane) {
            return name_of_error(lane.error());
        }
        std::array<std::byte, 64> ball{};
        LaneMessage back;
        std::vector<std::uint64_t> times;
        for (std::uint64_t i = 0; i < command.number(0); ++i) {
            std::memcpy(ball.data(), &i, sizeof i);
            const std::uint64_t begun = Deadline::clock_ns();
            Result<void> played = lane->sender().send(ball, Deadline::in(kPatience));
            if (played) {
                played = lane->receiver().receive(back, Deadline::in(kPatience));
            }
            times.push_back(Deadline::clock_ns() - begun);
            if (!played) {
                return name_of_error(played.error());
            }
            if (!std::ranges::equal(back.payload(), ball)) {
                return "changed";
            }
        }
        std::ranges::sort(times);
        return fmt::format("ok {}", times.empty() ? 0 : times[times.size() / 2]);
    }
    std::string return_balls(const Answer&, const UniqueFd&) {  // until the other side goes: how many
        const auto offer = connection_.receive(Deadline::in(kPatience));
        if (!offer) {
            return name_of_error(offer.error());
        }
        auto lane = accept_lane(connection_, *offer);
        if (!lane) {
            return name_of_error(lane.error());
        }
        LaneMessage ball;
        for (std::uint64_t count = 0;; ++count) {
            Result<void> played = lane->receiver().receive(ball, Deadline::in(kPatience));
            if (!played) {
                return played.error() == Error(Status::kPeerGone) ? fmt::format("ok {}", count)
                                                                  : name_of_error(played.error());
            }
            played = lane->sender().send(ball.payload(), Deadline::in(kPatience));
            if (!played && !(played.error() == Error(Status::kPeerGone))) {
                return name_of_error(played.error());
            }
        }
    }

    // --- regions ---

    std::string make_region(const Answer& command, const UniqueFd&) {  // BYTES
        auto made = StableRegion::create(connection_, std::max<std::uint64_t>(command.number(0), 1));
        if (!made) {
            return name_of_error(made.error());
        }
        region_.emplace(std::move(*made));
        filled_ = 0;
        return "ok";
    }
    std::string fill_region(const Answer&, const UniqueFd& file) {  // with the file that came along
        bool fits = true;
        const bool all = read_file(file, [&](std::span<const std::byte> piece) {
            fits = fits && piece.size() <= region_->size() - filled_;
            if (fits) {
                std::ranges::copy(piece, region_->bytes().subspan(filled_).begin());
                filled_ += piece.size();
            }
        });
        return all && fits ? "ok" : "unreadable";
    }
    std::string give_region(const Answer&, const UniqueFd&) {
        return outcome(send_slice(connection_, theirs_, *region_, 0, filled_ == 0 ? 1 : filled_,
                                  Deadline::in(kPatience)));
    }
    std::string take_region(const Answer&, const UniqueFd&) {  // its totals, counted where it lies
        const auto message = connection_.receive(Deadline::in(kPatience));
        if (!message) {
            return name_of_error(message.error());
        }
        auto slice = open_slice(connection_, *message);
        if (!slice) {
            return name_of_error(slice.error());
        }
        slice_.emplace(std::move(*slice));
        Counter counter;
        counter.add(text_of(slice_->bytes()));
        return "ok " + counter.totals().text();
    }
    std::string force_write(const Answer&, const UniqueFd&) {  // what the kernel says to it
        auto* page = const_cast<std::byte*>(slice_->bytes().data());
        return ::mprotect(page, 1, PROT_READ | PROT_WRITE) == 0 ? "ok" : ::strerrorname_np(errno);
    }
    std::string drop_region(const Answer&, const UniqueFd&) {
        slice_.reset();
        return "ok";
    }
    std::string lend(const Answer& command, const UniqueFd&) {  // TEXT in a revocable region: the grant
        if (!lent_) {
            auto made = RevocableRegion::create(connection_, 4096);
            if (!made) {
                return name_of_error(made.error());
            }
            lent_.emplace(std::move(*made));
        }
        if (const auto wrote = write_lent(command.rest()); !wrote) {
            return name_of_error(wrote.error());
        }
        const auto grant = lent_->give_read(theirs_);
        return grant ? fmt::format("ok {}", grant->id) : name_of_error(grant.error());
    }
    std::string rewrite(const Answer& command, const UniqueFd&) {  // TEXT
        return outcome(write_lent(command.rest()));
    }
    std::string recall(const Answer& command, const UniqueFd&) {  // GRANT
        return outcome(
            lent_->recall(ReadGrant{static_cast<std::uint32_t>(command.number(0))}, Recall::kHard));
    }
    std::string borrow(const Answer&, const UniqueFd&) {
        const auto message = connection_.receive(Deadline::in(kPatience));
        if (!message) {
            return name_of_error(message.error());
        }
        auto view = RevocableView::accept(connection_, *message);
        if (!view) {
            return name_of_error(view.error());
        }
        view_.emplace(std::move(*view));
        return "ok";
    }
    std::string read_lent(const Answer&, const UniqueFd&) {  // the text in it
        std::array<char, kLentText> text{};
        const auto read = view_->read(0, std::as_writable_bytes(std::span(text)));
        return read ? fmt::format("ok {}", std::string_view(text.data(), ::strnlen(text.data(), text.size())))
                    : name_of_error(read.error());
    }

    // --- capabilities ---

    std::string give_ticket(const Answer& command, const UniqueFd&) {  // USES: to send to our endpoint
        return outcome(connection_.give(
            mine_, theirs_,
            Terms{.rights = right::kWrite, .uses = static_cast<std::uint32_t>(command.number(0))}));
    }
    std::string spend_ticket(const Answer&, const UniqueFd&) {  // until it is refused: why, how many were not
        const auto message = connection_.receive(Deadline::in(kPatience));
        const auto ticket = message ? connection_.inspect(message->carried()) : message.error();
        if (!ticket) {
            return name_of_error(ticket.error());
        }
        for (std::uint64_t count = 0;; ++count) {
            if (const auto sent = connection_.send(Outgoing::to(*ticket, "by ticket")); !sent) {
                return fmt::format("{} {}", sent.error().name(), count);
            }
        }
    }
    std::string take_messages(const Answer&, const UniqueFd&) {  // those that are there: how many
        for (std::uint64_t count = 0;; ++count) {
            if (const auto message = connection_.try_receive(); !message) {
                return message.error() == Error(Status::kWouldBlock) ? fmt::format("ok {}", count)
                                                                     : name_of_error(message.error());
            }
        }
    }

    // --- a qubit ---

    std::string prepare_qubit(const Answer&, const UniqueFd&) {  // in the state 0.6|0> + 0.8i|1>
        auto made = Qubit::prepare(connection_, {.coherence = kPatience, .width = 1});
        if (!made) {
            return name_of_error(made.error());
        }
        qubit_.emplace(std::move(*made));
        qubit_->state()[0] = 0.6;
        qubit_->state()[1] = {0, 0.8};
        return "ok";
    }
    std::string copy_qubit(const Answer&, const UniqueFd&) {  // what comes of trying
        return outcome(connection_.give(qubit_->capability(), theirs_, Terms{.rights = right::kRead}));
    }
    std::string hand_off(const Answer&, const UniqueFd&) {
        return outcome(qubit_->hand_off(theirs_, "yours"));
    }
    std::string take_qubit(const Answer&, const UniqueFd&) {  // its state
        const auto message = connection_.receive(Deadline::in(kPatience));
        if (!message) {
            return name_of_error(message.error());
        }
        auto qubit = Qubit::accept(connection_, *message);
        if (!qubit) {
            return name_of_error(qubit.error());
        }
        qubit_.emplace(std::move(*qubit));
        const auto state = qubit_->state();
        return fmt::format("ok {:.1f}|0> + {:.1f}i|1>", state[0].real(), state[1].imag());
    }

    static constexpr std::size_t kLentText = 64;
    Result<void> write_lent(std::string_view text) {
        std::array<char, kLentText> padded{};
        std::ranges::copy(text.substr(0, padded.size() - 1), padded.begin());
        return lent_->write(0, std::as_bytes(std::span(padded)));
    }

    Connection connection_;
    Capability mine_;    // our endpoint
    Capability theirs_;  // where we send to
    Capability topic_;
    std::optional<Subscription> subscription_;
    std::optional<StreamWriter> writer_;
    std::optional<StableRegion> region_;
    std::size_t filled_ = 0;
    std::optional<ReceivedSlice> slice_;
    std::optional<RevocableRegion> lent_;
    std::optional<RevocableView> view_;
    std::optional<Qubit> qubit_;
};

const std::array<Partner::Command, 33> Partner::kCommands = {{
    {"own", &Partner::own},
    {"find", &Partner::find},
    {"open-topic", &Partner::open_topic},
    {"publish", &Partner::publish_totals},
    {"announce", &Partner::announce},
    {"revoke-subscriber", &Partner::revoke_subscriber},
    {"subscribe", &Partner::subscribe},
    {"hear-totals", &Partner::hear_totals},
    {"hear-one", &Partner::hear_one},
    {"begin-stream", &Partner::begin_stream},
    {"stream", &Partner::stream_file},
    {"end-stream", &Partner::end_stream},
    {"take-stream", &Partner::take_stream},
    {"volley", &Partner::volley},
    {"return-balls", &Partner::return_balls},
    {"make-region", &Partner::make_region},
    {"fill-region", &Partner::fill_region},
    {"give-region", &Partner::give_region},
    {"take-region", &Partner::take_region},
    {"force-write", &Partner::force_write},
    {"drop-region", &Partner::drop_region},
    {"lend", &Partner::lend},
    {"rewrite", &Partner::rewrite},
    {"recall", &Partner::recall},
    {"borrow", &Partner::borrow},
    {"read-lent", &Partner::read_lent},
    {"give-ticket", &Partner::give_ticket},
    {"spend-ticket", &Partner::spend_ticket},
    {"take-messages", &Partner::take_messages},
    {"prepare-qubit", &Partner::prepare_qubit},
    {"copy-qubit", &Partner::copy_qubit},
    {"hand-off", &Partner::hand_off},
    {"take-qubit", &Partner::take_qubit},
}};

}  // namespace

int play_partner(const Channel& director, const std::string& socket) {
    auto connection = Connection::open({.socket = socket});
    if (!connection) {
        director.send(connection.error().name());
        return 1;
    }
    director.send(fmt::format("ok {}", connection->id()));
    Partner partner(std::move(*connection));
    while (const auto packet = director.receive()) {
        director.send(partner.obey(Answer::of(packet->text), packet->fd));
    }
    return 0;
}

}  // namespace keyway::tool::demo
