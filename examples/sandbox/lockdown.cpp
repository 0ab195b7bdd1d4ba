#include "lockdown.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

namespace sandbox {

namespace {

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "add the architecture's number for seccomp"
#endif

// What the Keyway library and the C run time need once a connection is there. What opens, connects, starts or
// signals is not among them, and neither is what reads another process's memory.
constexpr std::array kAllowed = {
    SYS_read,         SYS_write,          SYS_close,           SYS_ppoll,
    SYS_futex,        SYS_recvmsg,        SYS_sendmsg,         SYS_recvfrom,
    SYS_sendto,       SYS_mmap,           SYS_munmap,          SYS_madvise,
    SYS_brk,          SYS_clock_gettime,  SYS_clock_nanosleep, SYS_sched_yield,
    SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_rt_sigtimedwait, SYS_getpid,
    SYS_getppid,      SYS_exit,           SYS_exit_group,      SYS_restart_syscall,
#ifdef SYS_poll
    SYS_poll,
#endif
};

}  // namespace

bool lock_down() {
    const rlimit memory{.rlim_cur = 1U << 30, .rlim_max = 1U << 30};
    if (::setrlimit(RLIMIT_AS, &memory) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0 ||
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return false;
    }
    const auto statement = [](unsigned code, unsigned value, std::size_t if_true = 0,
                              std::size_t if_false = 0) {
        return sock_filter{.code = static_cast<unsigned short>(code),
                           .jt = static_cast<unsigned char>(if_true),
                           .jf = static_cast<unsigned char>(if_false),
                           .k = value};
    };
    std::vector<sock_filter> filter = {
        // A call by another architecture's numbers would mean something else.
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        statement(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
        statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    };
    for (std::size_t i = 0; i < kAllowed.size(); ++i) {
        // To the last statement.
        filter.push_back(
            statement(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(kAllowed[i]), kAllowed.size() - i, 0));
    }
    filter.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    filter.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace sandbox
