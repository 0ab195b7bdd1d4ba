#include "keyway/sim/driver.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace keyway::sim {

namespace {

// What a frame that is too long carries after the header.
constexpr std::uint32_t kFiller = 0xDEADBEEF;
constexpr unsigned kHeaderWords = limit::kHeaderBytes / 4;

std::uint32_t word_of(const Header& header, unsigned word) {
    return word < kHeaderWords ? static_cast<std::uint32_t>(header.words[word / 2] >> (word % 2 * 32))
                               : kFiller;
}

}  // namespace

void Driver::set_geometry(const Geometry& geometry) {
    geometry_ = geometry;
    in_.assign(geometry.ports, {});
    out_.clear();
    out_.resize(geometry.ports);
    events_.clear();
}

void Driver::push(unsigned port, const Header& header, unsigned beats) {
    in_.at(port).frames.push_back({header, beats == 0 ? this->beats() : beats});
}

std::optional<Delivery> Driver::pop(unsigned port) {
    std::deque<Delivery>& deliveries = out_.at(port).deliveries;
    if (deliveries.empty()) {
        return std::nullopt;
    }
    const Delivery oldest = deliveries.front();
    deliveries.pop_front();
    return oldest;
}

std::optional<Event> Driver::pop_event() {
    if (events_.empty()) {
        return std::nullopt;
    }
    const Event oldest = events_.front();
    events_.pop_front();
    return oldest;
}

void Driver::queue_write(std::uint32_t address, std::uint32_t value, Done done) {
    bus_.push_back({true, address, value, std::move(done)});
}
void Driver::queue_read(std::uint32_t address, Done done) {
    bus_.push_back({false, address, 0, std::move(done)});
}

void Driver::drive() {
    const unsigned words = geometry_.data_bits / 32;
    for (unsigned port = 0; port < geometry_.ports; ++port) {
        const In& in = in_[port];
        pins_.s_tvalid.put(!in.frames.empty(), port);
        if (!in.frames.empty()) {
            const Frame& frame = in.frames.front();
            pins_.s_tlast.put(in.beat + 1 >= frame.beats, port);
            for (unsigned word = 0; word < words; ++word) {
                pins_.s_tdata.set(std::size_t{port} * geometry_.data_bits + std::size_t{word} * 32, 32,
                                  word_of(frame.header, in.beat * words + word));
            }
        }
        pins_.m_tready.put(out_[port].ready, port);
    }
    pins_.audit_ready.put(audit_ready_);
    const bool writing = !bus_.empty() && bus_.front().write;
    const bool reading = !bus_.empty() && !bus_.front().write;
    pins_.awvalid.put(writing && !address_done_);
    pins_.wvalid.put(writing && !data_done_);
    pins_.arvalid.put(reading && !address_done_);
    if (!bus_.empty()) {
        pins_.awaddr.set(0, 12, bus_.front().address);
        pins_.araddr.set(0, 12, bus_.front().address);
        pins_.wdata.set(0, 32, bus_.front().value);
    }
    pins_.bready.put(true);
    pins_.rready.put(true);
}

void Driver::observe() {
    for (unsigned port = 0; port < geometry_.ports; ++port) {
        observe_in(port);
        observe_out(port);
    }
    observe_audit();
    observe_bus();
    ++cycle_;
}

void Driver::observe_in(unsigned port) {
    In& in = in_[port];
    // Pushed after drive(): not at the pins yet.
    if (!pins_.s_tvalid.on(port) || !pins_.s_tready.on(port)) {
        return;
    }
    if (in.beat == 0) {
        in.first_cycle = cycle_;
    }
    if (++in.beat >= in.frames.front().beats) {
        const Header header = in.frames.front().header;
        in.frames.pop_front();
        in.beat = 0;
        in.taken_cycle = cycle_;
        if (on_taken) {
            on_taken(port, header, in.first_cycle, cycle_);
        }
    }
}

void Driver::observe_out(unsigned port) {
    Out& out = out_[port];
    if (!pins_.m_tvalid.on(port)) {
        return;
    }
    if (!out.offered) {
        out.offered = true;
        out.delivery.offered_cycle = cycle_;
    }
    if (!pins_.m_tready.on(port)) {
        return;
    }
    if (out.beat == 0) {
        out.delivery.header = {};
        out.delivery.first_cycle = cycle_;
    }
    const unsigned words = geometry_.data_bits / 32;
    for (unsigned word = 0; word < words; ++word) {
        const unsigned at = out.beat * words + word;
        if (at < kHeaderWords) {
            const std::size_t bit = std::size_t{port} * geometry_.data_bits + std::size_t{word} * 32;
            out.delivery.header.words[at / 2] |= std::uint64_t{pins_.m_tdata.get(bit, 32)} << (at % 2 * 32);
        }
    }
    ++out.beat;
    if (pins_.m_tlast.on(port)) {
        const auto dest_bits = static_cast<unsigned>(std::bit_width(geometry_.destinations) - 1);
        out.delivery.destination = pins_.m_tdest.get(std::size_t{port} * dest_bits, dest_bits);
        out.delivery.last_cycle = cycle_;
        out.deliveries.push_back(out.delivery);
        out.beat = 0;
        out.offered = false;
    }
}

void Driver::observe_audit() {
    if (!pins_.audit_valid.on() || !pins_.audit_ready.on()) {
        return;
    }
    Event event;
    event.verdict = Verdict{static_cast<std::uint8_t>(pins_.audit_event.get(0, 5))};
    event.port = pins_.audit_event.get(8, 8);
    event.tick = static_cast<std::uint16_t>(pins_.audit_event.get(16, 16));
    event.sender = static_cast<std::uint16_t>(pins_.audit_event.get(32, 16));
    event.receiver = static_cast<std::uint16_t>(pins_.audit_event.get(48, 16));
    event.capability = pins_.audit_event.get(64, 32);
    event.carried = pins_.audit_event.get(96, 32);
    event.sequence = pins_.audit_event.get(128, 32);
    event.cycle = cycle_;
    events_.push_back(event);
}

void Driver::observe_bus() {
    if (bus_.empty()) {
        return;
    }
    const bool write = bus_.front().write;
    bool answered = false;
    std::uint32_t value = 0;
    if (write) {
        answered = pins_.bvalid.on();
        address_done_ = address_done_ || (pins_.awvalid.on() && pins_.awready.on());
        data_done_ = data_done_ || (pins_.wvalid.on() && pins_.wready.on());
    } else {
        answered = pins_.rvalid.on();
        value = pins_.rdata.get(0, 32);
        address_done_ = address_done_ || (pins_.arvalid.on() && pins_.arready.on());
    }
    if (answered) {
        address_done_ = data_done_ = false;
        const Done done = std::move(bus_.front().done);
        bus_.pop_front();
        if (done) {
            done(value);
        }
    }
}

}  // namespace keyway::sim
