#pragma once

// Coroutines on top of a wait set (C++20). Optional: nothing else of Keyway includes this header.
//
//     #include <keyway/coroutine.hpp>
//
//     keyway::Task<> echo(keyway::AsyncEndpoint& endpoint) {
//         while (true) {
//             auto message = co_await endpoint.receive();        // Result<Received>, as Connection::receive
//             if (!message) {
//                 co_return;
//             }
//             endpoint.connection().reply(*message, message->text());
//         }
//     }
//
//     auto set = keyway::WaitSet::make().value();
//     keyway::Executor executor(set);
//     keyway::AsyncEndpoint endpoint(executor, connection);
//     executor.spawn(echo(endpoint));
//     executor.run();
//
// WHAT CAN BE AWAITED. `endpoint.receive(deadline)`, `executor.sleep_until(deadline)`, and another Task,
// which gives its value. A call has no awaitable form: `Connection::call` holds the thread up until the reply
// is there, so calls that take long belong on another thread, or into messages both ways.
//
// TASKS. A Task does nothing until it is awaited or spawned. Whoever holds the Task owns its frame.
// Parameters of a coroutine that are references must outlive it; a lambda that is a coroutine must outlive it
// too, with all that it captures.
//
// EXCEPTIONS. What a task throws comes out of the `co_await` of whoever awaits it. A spawned task has nobody
// there: the program ends with a message and std::terminate.
//
// THE END. The executor's destructor ends all tasks that are still there: what is in their frames is
// destroyed, what stands behind their `co_await` doesn't run. The wait set must outlive executor and
// endpoints; beyond that they may be destroyed in any order, except by a task of the executor itself.
//
// THREADS. All of it belongs to the thread of the wait set. Only `Executor::stop()` may be called from
// others.

#include <atomic>
#include <coroutine>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "keyway/connection.hpp"
#include "keyway/wait_set.hpp"

namespace keyway {

class Executor;
template <typename T>
class Task;

namespace detail {

class PromiseBase {
  public:
    std::suspend_always initial_suspend() noexcept { return {}; }

    struct Final {
        bool await_ready() noexcept { return false; }
        template <typename Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept;
        void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }

    void unhandled_exception() {
        if (executor_ != nullptr) {
            std::fputs("keyway: an exception left a spawned task\n", stderr);
            std::terminate();
        }
        thrown_ = std::current_exception();
    }

  protected:
    void rethrow() const {
        if (thrown_) {
            std::rethrow_exception(thrown_);
        }
    }

  private:
    friend class keyway::Executor;
    template <typename T>
    friend class keyway::Task;
    std::coroutine_handle<> awaited_by_;
    Executor* executor_ = nullptr;  // of a spawned task
    std::exception_ptr thrown_;
};

template <typename T>
class Promise : public PromiseBase {
  public:
    Task<T> get_return_object();
    template <typename U>
    void return_value(U&& value) {
        value_.emplace(std::forward<U>(value));
    }
    T take() {
        rethrow();
        return std::move(*value_);
    }

  private:
    std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
  public:
    Task<void> get_return_object();
    void return_void() noexcept {}
    void take() { rethrow(); }
};

}  // namespace detail

/// A coroutine that gives a T, or nothing. Movable; to be awaited at most once.
template <typename T = void>
class [[nodiscard]] Task {
  public:
    /// What the language asks for.
    using promise_type = detail::Promise<T>;

    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            destroy();
            handle_ = std::exchange(other.handle_, {});
        }
        return *this;
    }
    ~Task() { destroy(); }

    /// What `co_await` waits with; nobody names it.
    struct Awaiter {
        std::coroutine_handle<promise_type> child;  ///< the task that is awaited
        ///@{
        /// What the language asks of an awaitable. What the task threw comes out of the last.
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
            child.promise().awaited_by_ = parent;
            return child;
        }
        T await_resume() { return child.promise().take(); }
        ///@}
    };
    ///@{
    /// Runs the task, and gives its value when it has ended. The Task must live until then.
    Awaiter operator co_await() && noexcept { return Awaiter{handle_}; }
    Awaiter operator co_await() & noexcept { return Awaiter{handle_}; }
    ///@}

  private:
    friend promise_type;
    friend class Executor;
    explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    void destroy() noexcept {
        if (handle_) {
            std::exchange(handle_, {}).destroy();
        }
    }
    std::coroutine_handle<promise_type> handle_;
};

template <typename T>
Task<T> detail::Promise<T>::get_return_object() {
    return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

/// Runs tasks on a wait set. Callbacks that are in the set otherwise are called too.
class Executor {
  public:
    /// `set` must outlive the executor.
    explicit Executor(WaitSet& set) noexcept : set_(&set) {}
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    ~Executor() {
        ready_.clear();
        // One by one: what goes with a frame may look at the executor.
        while (!tasks_.empty()) {
            const auto task = tasks_.extract(tasks_.begin());
        }
    }

    /// Takes a task over. Its first part runs in the next `run` or `run_until_idle`.
    void spawn(Task<void> task) {
        task.handle_.promise().executor_ = this;
        ready_.push_back(task.handle_);
        void* const key = task.handle_.address();
        tasks_.emplace(key, std::move(task));
    }

    /// Until no task is left, or until `stop()`. Errors: `system`.
    Result<void> run() {
        while (true) {
            run_ready();
            if (stopping_.exchange(false)) {
                return {};
            }
            if (tasks_.empty()) {
                return {};
            }
            if (auto done = set_->dispatch(); !done) {
                return done.error();
            }
        }
    }
    /// Everything that can go on without waiting. Errors: `system`.
    Result<void> run_until_idle() {
        while (true) {
            run_ready();
            auto done = set_->dispatch(Deadline::now());
            if (!done && done.error() != Error{Status::kTimeout}) {
                return done.error();
            }
            if (ready_.empty()) {
                return {};
            }
        }
    }
    /// Ends the `run` that goes on, or else the next one; tasks stay where they are. From any thread, and
    /// from signal handlers.
    void stop() noexcept {
        stopping_ = true;
        set_->wake();
    }

    /// Tasks that were spawned and have not ended.
    [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }
    /// The one that it was made with.
    [[nodiscard]] WaitSet& wait_set() const noexcept { return *set_; }

    /// What `sleep_until` gives, to be awaited at once.
    class Sleep {
      public:
        /// For `sleep_until`.
        Sleep(Executor& executor, Deadline until) noexcept : executor_(&executor), until_(until) {}
        Sleep(const Sleep&) = delete;
        Sleep& operator=(const Sleep&) = delete;
        ~Sleep() {
            if (timer_ != 0) {
                executor_->wait_set().remove(timer_);
            }
        }
        ///@{
        /// What the language asks of an awaitable.
        bool await_ready() const noexcept { return until_.passed(); }
        void await_suspend(std::coroutine_handle<> task) {
            timer_ = executor_->wait_set().add_timer(
                until_, [executor = executor_, task](const auto&) { executor->resume_later(task); });
        }
        void await_resume() const noexcept {}
        ///@}

      private:
        Executor* executor_;
        Deadline until_;
        WaitSet::Id timer_ = 0;
    };
    /// `co_await executor.sleep_until(Deadline::in(1s))`
    [[nodiscard]] Sleep sleep_until(Deadline deadline) noexcept { return {*this, deadline}; }

    /// For awaitables of one's own: goes on with a suspended task once all callbacks have returned.
    void resume_later(std::coroutine_handle<> task) { ready_.push_back(task); }

  private:
    friend class detail::PromiseBase;

    void run_ready() {
        while (!ready_.empty()) {
            const auto task = ready_.front();
            ready_.pop_front();
            task.resume();
            for (void* const ended : std::exchange(ended_, {})) {
                tasks_.erase(ended);
            }
        }
    }

    WaitSet* set_;
    std::unordered_map<void*, Task<void>> tasks_;
    std::deque<std::coroutine_handle<>> ready_;
    std::deque<void*> ended_;
    std::atomic<bool> stopping_ = false;
};

template <typename Promise>
std::coroutine_handle<> detail::PromiseBase::Final::await_suspend(
    std::coroutine_handle<Promise> self) noexcept {
    PromiseBase& promise = self.promise();
    if (promise.executor_ != nullptr) {
        promise.executor_->ended_.push_back(self.address());
    }
    return promise.awaited_by_ ? promise.awaited_by_ : std::noop_coroutine();
}

/// The receiving half of a connection, for tasks. Takes the messages of all endpoints of the connection, as
/// `Connection::receive` does. Several tasks may wait at once: messages go to them in the order in which they
/// began to. The connection must not be in a wait set otherwise, and must outlive the endpoint.
class AsyncEndpoint {
    struct State;

  public:
    /// Both must outlive it; the connection is put into the executor's wait set while a task waits.
    AsyncEndpoint(Executor& executor, Connection& connection)
        : state_(std::make_shared<State>(executor, connection)) {}
    AsyncEndpoint(const AsyncEndpoint&) = delete;
    AsyncEndpoint& operator=(const AsyncEndpoint&) = delete;
    AsyncEndpoint(AsyncEndpoint&&) noexcept = default;
    AsyncEndpoint& operator=(AsyncEndpoint&&) = delete;
    ~AsyncEndpoint() {
        if (state_) {
            state_->end();
        }
    }

    /// What `receive` gives, to be awaited at once.
    class Receive {
      public:
        /// For `receive`.
        Receive(std::shared_ptr<State> state, Deadline deadline) noexcept
            : state_(std::move(state)), deadline_(deadline) {}
        Receive(const Receive&) = delete;
        Receive& operator=(const Receive&) = delete;
        ~Receive() {
            forget_timer();
            std::erase(state_->waiting, this);
        }

        ///@{
        /// What the language asks of an awaitable.
        bool await_ready() {
            if (!state_->waiting.empty()) {
                return false;  // others were here first
            }
            auto message = state_->connection->try_receive();
            if (message || message.error() != Error{Status::kWouldBlock}) {
                result_.emplace(std::move(message));
            } else if (deadline_.passed()) {
                result_.emplace(Status::kTimeout);
            }
            return result_.has_value();
        }
        bool await_suspend(std::coroutine_handle<> task) {
            if (auto watched = state_->watch(); !watched) {
                result_.emplace(watched.error());
                return false;
            }
            task_ = task;
            state_->waiting.push_back(this);
            if (!deadline_.is_never()) {
                timer_ = state_->set->add_timer(deadline_, [this](const auto&) {
                    if (!result_) {
                        std::erase(state_->waiting, this);
                        finish(Status::kTimeout);
                    }
                });
            }
            return true;
        }
        Result<Received> await_resume() { return std::move(*result_); }
        ///@}

      private:
        friend State;
        void finish(Result<Received> result) {
            result_.emplace(std::move(result));
            state_->executor->resume_later(task_);
        }
        void forget_timer() {
            if (timer_ != 0) {
                state_->set->remove(std::exchange(timer_, 0));
            }
        }
        std::shared_ptr<State> state_;
        Deadline deadline_;
        std::coroutine_handle<> task_;
        std::optional<Result<Received>> result_;
        WaitSet::Id timer_ = 0;
    };
    /// The next message. Errors: `timeout`, `router_gone`, `corrupt`, `not_connected`, `system`,
    /// `bad_argument` (the connection is in a wait set otherwise).
    [[nodiscard]] Receive receive(Deadline deadline = Deadline::never()) { return {state_, deadline}; }
    /// The one that it was made with; its sending half is free for use, of the receiving half only a `call`.
    [[nodiscard]] Connection& connection() const noexcept { return *state_->connection; }

  private:
    struct State {
        State(Executor& runs, Connection& from) : executor(&runs), set(&runs.wait_set()), connection(&from) {}

        // In the set from the first that waits until a message finds nobody waiting: a task that receives in
        // a loop costs no system calls for that.
        Result<void> watch() {
            if (id != 0) {
                return {};
            }
            auto added = set->add(*connection, [this](const auto&) { hand_out(); });
            if (!added) {
                return added.error();
            }
            id = *added;
            return {};
        }
        void hand_out() {
            if (waiting.empty()) {
                set->remove(std::exchange(id, 0));
            }
            while (!waiting.empty()) {
                auto message = connection->try_receive();
                if (!message && message.error() == Error{Status::kWouldBlock}) {
                    return;
                }
                Receive* const first = waiting.front();
                waiting.pop_front();
                first->finish(std::move(message));
            }
        }
        void end() {
            if (id != 0) {
                set->remove(std::exchange(id, 0));
            }
        }

        Executor* executor;
        WaitSet* set;
        Connection* connection;
        WaitSet::Id id = 0;
        std::deque<Receive*> waiting;
    };
    std::shared_ptr<State> state_;
};

}  // namespace keyway
