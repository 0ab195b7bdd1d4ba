#include "processes.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace keyway::bench {

void give_up(const char* what) {
    std::fprintf(stderr, "keyway_bench: %s%s%s\n", what, errno != 0 ? ": " : "",
                 errno != 0 ? std::strerror(errno) : "");
    std::exit(1);
}

void pin_to(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(core), &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) {
        give_up("can't stay on one core");
    }
}

Child::Child(int core, const std::function<void()>& body) {
    const pid_t parent = ::getpid();
    std::fflush(nullptr);  // or the child would print it again
    pid_ = ::fork();
    if (pid_ < 0) {
        give_up("can't fork");
    }
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() == parent) {
            pin_to(core);
            body();
        }
        ::_exit(1);
    }
}

Child::~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Child::pause() {
    int status = 0;
    if (::kill(pid_, SIGSTOP) != 0 || ::waitpid(pid_, &status, WUNTRACED) != pid_ || !WIFSTOPPED(status)) {
        errno = 0;
        give_up("a process that is measured has ended");
    }
}

bool Child::ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
}

void Child::resume() {
    ::kill(pid_, SIGCONT);
}

SharedPages::SharedPages(std::size_t bytes)
    : data_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)),
      bytes_(bytes) {
    if (data_ == MAP_FAILED) {
        give_up("can't map shared memory");
    }
}

SharedPages::~SharedPages() {
    ::munmap(data_, bytes_);
}

}  // namespace keyway::bench
