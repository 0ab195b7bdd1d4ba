// The list of system calls is what the router, its audit log, the C library's look-ups of users and groups,
// and the run time of C++ use. It is an allow list: what is new in a kernel is refused until somebody looks
// at it. Under the sanitizers nothing is filtered: their leak check traces the process.

#include "daemon/confine.hpp"

#include <fmt/format.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace keyway::daemon {

#ifdef KEYWAY_SANITIZED

std::string confine(bool /*network*/, bool /*board*/) {
    return {};
}

#else

namespace {

constexpr const char* kAllowed[] = {
    // descriptors and files
    "read", "write", "readv", "writev", "pread64", "pwrite64", "close", "fstat", "stat", "lstat",
    "newfstatat", "statx", "lseek", "open", "openat", "fcntl", "flock", "ftruncate", "fallocate", "fsync",
    "fdatasync", "getdents64", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "unlink",
    "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "chmod", "fchmod", "fchmodat", "umask",
    "getcwd", "statfs", "fstatfs", "dup", "dup3", "ioctl",
    // memory; mmap and mprotect are looked at below
    "munmap", "mremap", "madvise", "brk", "memfd_create", "membarrier",
    // waiting and waking
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "pipe2", "poll",
    "ppoll", "select", "pselect6", "futex", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres",
    "gettimeofday", "time", "sched_yield", "signalfd4", "restart_syscall", "timerfd_create",
    "timerfd_settime",
    // sockets; socket is looked at below
    "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "recvfrom",
    "recvmsg", "getsockopt", "setsockopt", "getsockname", "getpeername", "shutdown", "pidfd_open",
    // threads, signals, and the end
    "clone", "clone3", "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "arch_prctl", "prctl",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "sigaltstack", "tgkill", "exit",
    "exit_group",
    // what one may know of oneself
    "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getrandom",
    "getrlimit", "setrlimit", "prlimit64", "sched_getaffinity", "uname", "sysinfo", "getrusage", "capget"};

struct Release {
    void operator()(void* filter) const { ::seccomp_release(filter); }
};

std::string failed(const char* what, int error) {
    return fmt::format("{}: {}", what, std::strerror(error));
}

}  // namespace

std::string confine(bool network, bool board) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return failed("prctl", errno);
    }
    const std::unique_ptr<void, Release> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)));
    if (filter == nullptr) {
        return "no memory for a system call filter";
    }
    for (const char* const name : kAllowed) {
        const int number = ::seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR) {
            continue;  // a call that this libseccomp, or this kind of processor, doesn't have
        }
        if (const int error = ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0); error != 0) {
            return failed(name, -error);
        }
    }
    int error = 0;
    const std::pair<int, bool> families[] = {
        {AF_UNIX, true}, {AF_INET, network}, {AF_INET6, network}, {AF_NETLINK, board}};
    for (const auto& [family, wanted] : families) {
        const scmp_arg_cmp of_family{
            .arg = 0, .op = SCMP_CMP_EQ, .datum_a = static_cast<scmp_datum_t>(family), .datum_b = 0};
        if (error == 0 && wanted) {
            error = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &of_family);
        }
    }
    for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
        // Not to be written, or not to be executed.
        for (const scmp_datum_t protection : {scmp_datum_t{PROT_WRITE}, scmp_datum_t{PROT_EXEC}}) {
            const scmp_arg_cmp without{
                .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = protection, .datum_b = 0};
            if (error == 0) {
                error = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &without);
            }
        }
    }
    if (error == 0) {
        error = ::seccomp_load(filter.get());
    }
    return error == 0 ? std::string() : failed("seccomp", -error);
}

#endif

}  // namespace keyway::daemon
