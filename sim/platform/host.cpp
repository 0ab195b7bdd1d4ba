#include "host.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

namespace keyway::sim {

namespace {

constexpr unsigned kEntryBytes = sizeof(Entry);

sc_core::sc_time ns(double value) {
    return {value, sc_core::SC_NS};
}

}  // namespace

Memory::Memory(const sc_core::sc_module_name& name, std::size_t bytes, sc_core::sc_time latency)
    : sc_module(name), bytes_(bytes), latency_(std::move(latency)) {
    socket.register_b_transport(this, &Memory::b_transport);
}

void Memory::b_transport(tlm::tlm_generic_payload& access, sc_core::sc_time& delay) {
    const std::uint64_t address = access.get_address();
    const std::size_t length = access.get_data_length();
    if (address > bytes_.size() || length > bytes_.size() - address) {
        access.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
        return;
    }
    if (length != 0 && access.is_write()) {
        std::memcpy(bytes_.data() + address, access.get_data_ptr(), length);
    } else if (length != 0 && access.is_read()) {
        std::memcpy(access.get_data_ptr(), bytes_.data() + address, length);
    }
    delay += latency_;
    access.set_response_status(tlm::TLM_OK_RESPONSE);
}

Bus::Bus(const sc_core::sc_module_name& name) : sc_module(name) {
    from_host.register_b_transport(this, &Bus::b_transport);
}

void Bus::b_transport(tlm::tlm_generic_payload& access, sc_core::sc_time& delay) {
    const std::uint64_t address = access.get_address();
    if (address < kRouterBase) {
        to_memory->b_transport(access, delay);
        return;
    }
    access.set_address(address - kRouterBase);
    to_router->b_transport(access, delay);
    access.set_address(address);
}

Host::Host(const sc_core::sc_module_name& name, const Scenario& scenario)
    : sc_module(name), scenario_(scenario), due_(scenario.recalls) {
    SC_HAS_PROCESS(Host);
    tlm_utils::tlm_quantumkeeper::set_global_quantum(ns(scenario.quantum_ns));
    keeper_.reset();
    std::ranges::sort(due_, std::ranges::greater(), &Recall::at_ns);
    SC_THREAD(run);
}

void Host::connect(Driver& driver, Scoreboard& scoreboard) {
    driver_ = &driver;
    scoreboard_ = &scoreboard;
}

void Host::take(const Header& header) {
    inbox_.push_back(header);
    ++misses_;
    wake();
}

void Host::transport(tlm::tlm_command command, std::uint64_t address, void* data, unsigned bytes) {
    tlm::tlm_generic_payload access;
    access.set_command(command);
    access.set_address(address);
    access.set_data_ptr(static_cast<unsigned char*>(data));
    access.set_data_length(bytes);
    access.set_streaming_width(bytes);
    access.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    sc_core::sc_time delay = keeper_.get_local_time();
    socket->b_transport(access, delay);
    keeper_.set(delay);
    ++accesses_;
    if (access.is_response_error()) {
        throw std::runtime_error("an access of the host to " + std::to_string(address) +
                                 " failed: " + access.get_response_string());
    }
    if (keeper_.need_sync()) {
        keeper_.sync();
    }
}

void Host::write(std::uint32_t address, std::uint32_t value) {
    transport(tlm::TLM_WRITE_COMMAND, kRouterBase + address, &value, sizeof value);
}

std::uint32_t Host::read(std::uint32_t address) {
    std::uint32_t value = 0;
    transport(tlm::TLM_READ_COMMAND, kRouterBase + address, &value, sizeof value);
    return value;
}

// From the table in memory into the router's row.
void Host::load(std::uint32_t slot) {
    Entry entry;
    transport(tlm::TLM_READ_COMMAND, std::uint64_t{slot} * kEntryBytes, entry.words.data(), kEntryBytes);
    scoreboard_->changing(slot);
    fill(slot, entry);
    scoreboard_->filled(slot, driver_->cycle());
    ++fills_;
}

void Host::set_up() {
    if (!identify()) {
        throw std::runtime_error("the router does not answer as one of this contract's version");
    }
    bind(kHostPort, 0);
    for (const Process& process : scenario_.processes) {
        if (process.port) {
            bind(*process.port, process.id);
        }
        route(process.id, process.id);
    }
    for (const Object& object : scenario_.objects) {
        route(object.id, object.owner, object.subscribers);
    }
    for (const Capability& capability : scenario_.capabilities) {
        Entry entry = capability.entry;
        transport(tlm::TLM_WRITE_COMMAND, std::uint64_t{capability.slot} * kEntryBytes, entry.words.data(),
                  kEntryBytes);
        if (capability.cached) {
            load(capability.slot);
        }
    }
    start();
    // The free list of the queues takes a clock a slot after a reset.
    keeper_.inc(ns(2000 / scenario_.clock_mhz * driver_->geometry().queue_slots));
}

// What the router left to the host: with a good capability its row is filled and the message goes in again.
void Host::serve(Header header) {
    keeper_.inc(ns(scenario_.host_ns));
    keeper_.sync();
    const std::uint32_t slot = header.capability() & ((1U << limit::kSlotBits) - 1);
    if (scoreboard_->decide(header) != Verdict::kDelivered) {
        return;
    }
    if (scoreboard_->entry(slot) && !scoreboard_->is_cached(slot)) {
        load(slot);
    }
    keeper_.sync();
    scoreboard_->sent(kHostPort, header, false);
    driver_->push(kHostPort, header);
}

void Host::recall(std::uint32_t slot) {
    scoreboard_->changing(slot);
    invalidate(slot);
    scoreboard_->recalled(slot, driver_->cycle());
    Entry gone;
    transport(tlm::TLM_WRITE_COMMAND, std::uint64_t{slot} * kEntryBytes, gone.words.data(), kEntryBytes);
    ++recalls_;
}

void Host::run() {
    set_up();
    keeper_.sync();
    const sc_core::sc_time begin = sc_core::sc_time_stamp();
    ready_ = true;
    for (;;) {
        const sc_core::sc_time now = keeper_.get_current_time();
        if (!due_.empty() && begin + ns(due_.back().at_ns) <= now) {
            const std::size_t which = due_.back().capability;
            due_.pop_back();
            recall(scenario_.capabilities[which].slot);
        } else if (const auto id = scoreboard_->next_id()) {
            if (!give_id(*id)) {
                throw std::runtime_error("the router's stock of ids is full before its time");
            }
            scoreboard_->given(driver_->cycle());
        } else if (!inbox_.empty()) {
            const Header header = inbox_.front();
            inbox_.pop_front();
            serve(header);
        } else {
            keeper_.sync();
            if (!inbox_.empty()) {
                continue;
            }
            idle_ = due_.empty();
            if (due_.empty()) {
                wait(work_);
            } else {
                const sc_core::sc_time at = begin + ns(due_.back().at_ns);
                if (at > sc_core::sc_time_stamp()) {
                    wait(at - sc_core::sc_time_stamp(), work_);
                }
            }
            keeper_.reset();
            idle_ = false;
        }
    }
}

}  // namespace keyway::sim
