/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libswtdx.so: stands in for /dev/kvm and the host's files in the process of an unmodified program.
 * This directory holds the libc hooks alone; what they lead to is swtdx/host.
 *
 * The variables here are the process's own and unavoidable: a hook has no argument to carry a
 * context in.
 */
#ifndef SWTDX_PRELOAD_H
#define SWTDX_PRELOAD_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "../host/kvm/kvm.h"

#define HOOK __attribute__((visibility("default")))

/* The libc's own function of that name, looked up once. */
#define REAL(name) \
    ({ \
        static __typeof__(&name) real_; \
        __typeof__(&name) f_ = __atomic_load_n(&real_, __ATOMIC_RELAXED); \
        if (!f_) { \
            f_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
            __atomic_store_n(&real_, f_, __ATOMIC_RELAXED); \
        } \
        f_; \
    })

/* NULL until the program opened /dev/kvm. */
extern KvmHost *preload_host;
/* The host, made at the first call; NULL: it cannot be (said on stderr), the caller answers EIO. */
KvmHost *preload_make_host(void);
/* `swtdx run --deterministic`: time and randomness are virtual. Set before main(). */
extern bool preload_deterministic;
/*
 * The profile of this process: that of SWTDX_PROFILE, or the built-in one. NULL: not under `swtdx
 * run`.
 */
const Profile *preload_profile(void);
/* signals.c: SIGQUIT's default action is preceded by a dump. */
void preload_watch_quit(void);
/* SIGILL comes to us first, whatever the program does with it; false: the handler can't be set. */
bool preload_watch_ill(void);

/*
 * libraries.c: from now on CPUID instructions of the program and its libraries show the profile's
 * processor. Before main().
 */
void preload_trap_cpuid(void);
/* cpuid.c: SIGILL is ours from now on; before the next. */
void preload_watch_cpuid(void);
/*
 * Makes traps of an object's CPUIDs; *first_site: one of them, or 0. False: its code cannot be
 * changed. One thread at a time.
 */
struct dl_phdr_info;
bool preload_trap_object(const struct dl_phdr_info *info, uintptr_t *first_site);
/* Is it still one, or was another object loaded there? */
bool preload_site_stands(uintptr_t site);
/* May there be such instructions? SIGILL must then never be blocked. */
bool preload_cpuid_trapped(void);
/*
 * In the handler of SIGILL: true when it was such an instruction; context (ucontext_t) then goes on
 * behind it.
 */
bool preload_cpuid_answer(void *context);
/*
 * What CPUID shows a program: the profile's processor, without the instructions that this machine
 * lacks.
 */
void preload_cpuid(const Profile *profile, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);

/* Is fd one of ours? */
static inline bool preload_ours(int fd)
{
    KvmHost *host = __atomic_load_n(&preload_host, __ATOMIC_ACQUIRE);
    return host && fd >= 0 && kvm_fd_ours(host, fd);
}

/* -errno to libc's way. */
static inline long preload_result(long r)
{
    if (r < 0 && r > -4096) {
        errno = (int)-r;
        return -1;
    }
    return r;
}

#endif
