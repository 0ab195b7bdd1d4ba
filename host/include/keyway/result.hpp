#pragma once

// Outcomes. Every Keyway function that can fail returns a Result<T>: a value, or an Error with a name from
// the contract (protocol/keyway.toml), a sentence that explains it and one that says what to do.
//
//     auto sent = connection.send(message, Deadline::in(10ms));
//     if (!sent) {
//         std::cerr << sent.error().message() << '\n';   // "insufficient_rights: The capability lacks …"
//     }
//
// Three classes of trouble, three ways out: a caller's bug that the library can see (a payload of 5000 bytes)
// is `bad_argument`; what a peer, the policy or the system did is its own name; a bug of Keyway's own ends
// the process with a message, because a router that has lost count of its state must not guess.

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "keyway/api.hpp"
#include "keyway/protocol.hpp"

namespace keyway {

/// Why something did not happen: a verdict of the router or a status of the library. Cheap to copy.
class Error {
  public:
    /// `verdict` must not be kDelivered.
    constexpr Error(Verdict verdict) noexcept : code_(static_cast<std::uint8_t>(verdict)) {}  // NOLINT
    /// `system_error`: an errno, with kSystem; 0: none.
    constexpr Error(Status status, int system_error = 0) noexcept  // NOLINT
        : code_(static_cast<std::uint8_t>(status)), errno_(system_error) {}
    /// The operating system refused; `system_error` is its errno.
    [[nodiscard]] static constexpr Error system(int system_error) noexcept {
        return {Status::kSystem, system_error};
    }
    /// The same with the thread's errno.
    [[nodiscard]] static Error system() noexcept { return system(errno); }
    /// From the number on a wire; unknown numbers become `bad_request`.
    [[nodiscard]] static constexpr Error from_code(std::uint8_t code, int system_error = 0) noexcept {
        if (code < kFirstStatus) {
            return name_of(Verdict{code}) == "unknown" || code == 0 ? Error{Status::kBadRequest}
                                                                    : Error{Verdict{code}};
        }
        return name_of(Status{code}) == "unknown" ? Error{Status::kBadRequest}
                                                  : Error{Status{code}, system_error};
    }

    /// The number of the verdict or status in the contract; the C interface returns it negated.
    [[nodiscard]] constexpr std::uint8_t code() const noexcept { return code_; }
    /// The router decided so; otherwise it is a status of the library.
    [[nodiscard]] constexpr bool is_verdict() const noexcept { return code_ < kFirstStatus; }
    /// The operating system's errno; 0: none.
    [[nodiscard]] constexpr int system_error() const noexcept { return errno_; }
    /// Its name in the contract, such as "insufficient_rights".
    [[nodiscard]] constexpr std::string_view name() const noexcept {
        return is_verdict() ? name_of(Verdict{code_}) : name_of(Status{code_});
    }
    /// What it means, in a sentence.
    [[nodiscard]] constexpr std::string_view meaning() const noexcept {
        return is_verdict() ? doc_of(Verdict{code_}) : doc_of(Status{code_});
    }
    /// What to do about it.
    [[nodiscard]] constexpr std::string_view remedy() const noexcept {
        return is_verdict() ? remedy_of(Verdict{code_}) : remedy_of(Status{code_});
    }
    /// Name, meaning and remedy in one line, for people.
    [[nodiscard]] std::string message() const {
        std::string text = std::string(name()) + ": " + std::string(meaning());
        if (errno_ != 0) {
            text += std::string(" (") + std::strerror(errno_) + ")";
        }
        if (!remedy().empty()) {
            text += " Next: " + std::string(remedy()) + ".";
        }
        return text;
    }

    friend constexpr bool operator==(const Error& a, const Error& b) noexcept { return a.code_ == b.code_; }

  private:
    static constexpr std::uint8_t kFirstStatus = 64;
    std::uint8_t code_;
    int errno_ = 0;
};

namespace detail {
[[noreturn]] KEYWAY_API void no_value(const Error& error);
}

/// A value or an Error. Taking the value of a failed Result ends the process with the error's message.
template <typename T>
class [[nodiscard]] Result {
  public:
    /// The outcome is this value.
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: meant to convert
    /// A T as its default constructor makes it, without a move.
    explicit Result(std::in_place_t) : state_(std::in_place_index<0>) {}
    ///@{
    /// There is no value, and this is why.
    Result(Error error) : state_(std::in_place_index<1>, error) {}  // NOLINT
    Result(Verdict verdict) : Result(Error{verdict}) {}             // NOLINT
    Result(Status status) : Result(Error{status}) {}                // NOLINT
    ///@}

    ///@{
    /// There is a value.
    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }
    ///@}
    ///@{
    /// The value. Ends the process with the error's message if there is none: look first.
    [[nodiscard]] T& value() & {
        require();
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] const T& value() const& {
        require();
        return *std::get_if<0>(&state_);
    }
    T&& value() && {
        require();
        return std::move(*std::get_if<0>(&state_));
    }
    [[nodiscard]] T& operator*() & { return value(); }
    [[nodiscard]] const T& operator*() const& { return value(); }
    [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
    [[nodiscard]] T* operator->() { return &value(); }
    [[nodiscard]] const T* operator->() const { return &value(); }
    ///@}
    /// Why there is no value. Only to be asked for if there is none.
    [[nodiscard]] Error error() const { return *std::get_if<1>(&state_); }

  private:
    void require() const {
        if (const Error* error = std::get_if<1>(&state_)) {
            detail::no_value(*error);
        }
    }
    std::variant<T, Error> state_;
};

/// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    ///@{
    /// It failed, and this is why.
    Result(Error error) : error_(error), failed_(true) {}  // NOLINT: meant to convert
    Result(Verdict verdict) : Result(Error{verdict}) {}    // NOLINT
    Result(Status status) : Result(Error{status}) {}       // NOLINT
    ///@}

    ///@{
    /// It succeeded.
    [[nodiscard]] bool has_value() const noexcept { return !failed_; }
    explicit operator bool() const noexcept { return has_value(); }
    ///@}
    /// Nothing; ends the process with the error's message if it failed.
    void value() const {
        if (failed_) {
            detail::no_value(error_);
        }
    }
    /// Why it failed. Says nothing if it succeeded.
    [[nodiscard]] Error error() const { return error_; }

  private:
    Error error_{Status::kSystem};
    bool failed_ = false;
};

}  // namespace keyway
