/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ioctl surface of a TDX host's /dev/kvm, as a library: what the preload library puts behind
 * its hooks and what unit tests drive directly.
 *
 * Layer: above module, below preload. A descriptor of ours is a real kernel object, the write end
 * of a pipe; it is recognised by inode, so that it survives dup and descriptor passing, and its
 * last close is seen at the read end. Functions answer like system calls without errno: a value >=
 * 0 or -errno.
 *
 * Threads: any, unless said. The library makes its own system calls by number, never through libc
 * names that a preload may have hooked. One process has one KvmHost that signal delivery knows
 * (kvm_host_new() of the preload); tests may make several, one after the other.
 */
#ifndef SWTDX_KVM_H
#define SWTDX_KVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../module/profile.h"

typedef struct KvmHost KvmHost;

typedef struct KvmHostOptions {
    const char *trace;  /* file for --trace, or NULL */
    bool trace_json;    /* JSON, whatever the file's name */
    const char *fault;  /* --fault specifications, separated by ',' , or NULL */
    /*
     * what profile_narrow() took from the profile: told at the first TD. May be NULL; must outlive
     * the host
     */
    const char *missing;
    /* the launcher's file of KeyIDs (SWTDX_KEYIDS), or NULL: this process has them to itself */
    const char *keyids;
    const char *record; /* where the record of `swtdx measure` is, or NULL */
    bool summary;       /* counters on stderr when the host is freed */
    bool interpret;     /* no host code for guests */
    bool deterministic; /* turns, virtual time and fixed seeds: turn.c */
    bool quiet;         /* no stop-dump on stderr (tests) */
} KvmHostOptions;

/*
 * NULL with a message in `error` (fault specification, trace file). The profile must outlive the
 * host.
 */
KvmHost *kvm_host_new(const Profile *profile, const KvmHostOptions *options, char *error,
                      size_t error_size);
/* All descriptors should be closed before; what is left is torn down. Stops the service thread. */
void kvm_host_free(KvmHost *host);
/* Prints the --summary text and flushes the trace; for exit handlers. */
void kvm_host_report(KvmHost *host);

/*
 * The file that the launcher handed over as `where` ("fd:N:DEVICE:INODE:PID"): descriptor N, or,
 * where the program was started without it, a new one of the same file, which process PID has as N.
 * *opened: it is not N, and the caller closes it. -1: the file is not to be had. Needs no KvmHost.
 */
int kvm_inherited(const char *where, bool *opened);
/* Is fd (still) a descriptor of that file? */
bool kvm_inherited_is(const char *where, int fd);

/*
 * How many KeyIDs the processes that share `where` (KvmHostOptions.keyids) have taken; needs no
 * KvmHost.
 */
uint32_t kvm_keyids_in_use(const Profile *profile, const char *where);

/*
 * Nanoseconds of the host's clock: virtual in a deterministic host, else CLOCK_MONOTONIC_RAW. Any
 * thread.
 */
uint64_t kvm_host_now_ns(const KvmHost *host);
/* Where virtual clocks start: not at 0, which programs take for "never". */
#define KVM_VIRTUAL_START_NS UINT64_C(1000000000)

/* Would KvmHostOptions.fault be taken? If not, error says why. */
bool kvm_fault_check(const char *spec, char *error, size_t error_size);

/* open("/dev/kvm"): a new descriptor. flags: O_CLOEXEC is respected. */
int kvm_host_open(KvmHost *host, int flags);
/*
 * Is fd one of ours? Cheap: a table look-up, and fstat() for a descriptor not seen before. In a
 * signal's handler that interrupted a look at the table, one not seen before is taken for foreign.
 */
bool kvm_fd_ours(KvmHost *host, int fd);
/* The same without a system call: false for a descriptor not seen before, though it may be one. */
bool kvm_fd_known(KvmHost *host, int fd);
/*
 * As kvm_fd_ours(), for a call that only descriptors of ours take: one that came through a socket
 * may have the number of a foreign one that was closed by means which tell nobody (fclose()).
 */
bool kvm_fd_look_again(KvmHost *host, int fd);
/*
 * What the callers of close(), dup2() and friends must tell: `fd` now means something else, or
 * nothing.
 */
void kvm_fd_forget(KvmHost *host, int fd);
void kvm_fd_forget_range(KvmHost *host, unsigned first, unsigned last);
/* Sees last closes at once instead of at the service thread's next turn; not in a handler. */
void kvm_host_reap(KvmHost *host);

/* The calls on descriptors of ours. kvm_fd_ioctl() answers -ENOTTY for a foreign one. */
int kvm_fd_ioctl(KvmHost *host, int fd, unsigned long request, uintptr_t arg);
/* Negative errno, or the address. */
intptr_t kvm_fd_mmap(KvmHost *host, int fd, void *addr, size_t length, int prot, int flags,
                     off_t offset);
/*
 * After a successful munmap() of [addr, addr + length), or a mapping over it: those of kvm_run hold
 * their vCPU.
 */
void kvm_unmapped(KvmHost *host, void *addr, size_t length);
int kvm_fd_fallocate(KvmHost *host, int fd, int mode, off_t offset, off_t length);
/* Size of a guest_memfd, or -1: another kind. */
int64_t kvm_fd_guest_memfd_size(KvmHost *host, int fd);

/*
 * arch_prctl() as the profile's kernel answers it, where that is about guests' state components:
 * does it answer this option, and 0 or -errno.
 */
bool kvm_host_answers_prctl(int option);
int kvm_host_prctl(KvmHost *host, int option, uintptr_t arg);

/*
 * Signals. kvm_signal_arrived() is called, async-signal-safe, by the preload's wrapper of every
 * handler on the thread that got the signal: a vCPU that this thread runs leaves KVM_RUN with
 * EINTR. It answers true when the handler must not run now: the signal is outside the mask of the
 * caller of KVM_RUN (KVM_SET_SIGNAL_MASK); it is queued again when KVM_RUN returns.
 */
bool kvm_signal_arrived(
    int signo,
    const void *siginfo /* siginfo_t; <signal.h> clashes with the core's register names */);
/*
 * Around a handler of the program's, by the same wrapper: between the two, on this thread, calls
 * that POSIX lets handlers make (close(), say) take no lock and free nothing, for the handler may
 * have interrupted who has it. Enter answers what leave wants. A handler that jumps away instead of
 * returning needs no leave.
 */
const void *kvm_handler_enter(void);
void kvm_handler_leave(const void *before);
/*
 * SIGQUIT: every vCPU tells its state on stderr; then_quit: the signal is sent again after that,
 * and kvm_host_quit_passes() says of this one, once, that it goes to the program. Both
 * async-signal-safe.
 */
bool kvm_host_quit_passes(KvmHost *host);
void kvm_host_request_dump(KvmHost *host, bool then_quit);

/*
 * pthread_atfork() of the preload: the child has none of the parent's VMs, and a service thread of
 * its own later.
 */
void kvm_host_before_fork(KvmHost *host);
void kvm_host_after_fork_parent(KvmHost *host);
void kvm_host_after_fork_child(KvmHost *host);

#endif
