/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any delivered signal ends KVM_RUN with EINTR: every handler that the program installs runs behind
 * one of ours, which makes the vCPU of that thread leave first.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "preload.h"

/* Not in the headers, or only under other feature macros. */
typedef void (*SignalHandler)(int);
SignalHandler bsd_signal(int signo, SignalHandler handler);
SignalHandler ssignal(int signo, SignalHandler handler);
SignalHandler sysv_signal(int signo, SignalHandler handler);
SignalHandler __sysv_signal(int signo, SignalHandler handler);

#define SIGNALS 65

/* The program's handlers, by signal. A handler reads its entry at any time. */
static struct {
    _Atomic uintptr_t handler;
    _Atomic int flags;
} actions[SIGNALS];

/*
 * A SIGILL that is the program's, without a handler of its own: what would have happened, happens.
 */
static void ill_by_default(const siginfo_t *info)
{
    struct sigaction dfl;
    memset(&dfl, 0, sizeof(dfl));
    dfl.sa_handler = SIG_DFL;
    REAL(sigaction)(SIGILL, &dfl, NULL);
    if (info->si_code <= 0) { /* sent, not of an instruction, which would be executed again */
        raise(SIGILL);
    }
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    if (signo == SIGILL && preload_cpuid_trapped()) {
        if (preload_cpuid_answer(context)) {
            return;
        }
        if (atomic_load(&actions[SIGILL].handler) <= (uintptr_t)SIG_IGN) {
            ill_by_default(info);
            return;
        }
    }
    if (signo == SIGQUIT && preload_host && !kvm_host_quit_passes(preload_host)) {
        kvm_host_request_dump(preload_host, true); /* comes again when all is told */
        errno = saved;
        return;
    }
    bool later = kvm_signal_arrived(signo, info);
    errno = saved;
    uintptr_t handler = atomic_load(&actions[signo].handler);
    if (later || !handler) {
        return;
    }
    const void *before = kvm_handler_enter();
    if (atomic_load(&actions[signo].flags) & SA_SIGINFO) {
        ((void (*)(int, siginfo_t *, void *))handler)(signo, info, context);
    } else {
        ((SignalHandler)handler)(signo);
    }
    kvm_handler_leave(before);
}

/*
 * SIGQUIT nobody handles: the dump first, then the service thread sends it again, with its default
 * action.
 */
static void on_quit(int signo, siginfo_t *info, void *context)
{
    struct sigaction dfl;
    memset(&dfl, 0, sizeof(dfl));
    dfl.sa_handler = SIG_DFL;
    int saved = errno;
    REAL(sigaction)(SIGQUIT, &dfl, NULL);
    if (kvm_host_quit_passes(preload_host)) {
        raise(SIGQUIT); /* nobody is there to send it again */
    } else {
        kvm_host_request_dump(preload_host, true);
    }
    errno = saved;
}

void preload_watch_quit(void)
{
    struct sigaction act;
    if (REAL(sigaction)(SIGQUIT, NULL, &act) || (act.sa_flags & SA_SIGINFO) ||
        act.sa_handler != SIG_DFL) {
        return;
    }
    memset(&act, 0, sizeof(act));
    act.sa_sigaction = on_quit;
    act.sa_flags = SA_SIGINFO | SA_RESTART;
    REAL(sigaction)(SIGQUIT, &act, NULL);
}

bool preload_watch_ill(void)
{
    struct sigaction act, old;
    memset(&act, 0, sizeof(act));
    act.sa_sigaction = on_signal;
    act.sa_flags = SA_SIGINFO | SA_NODEFER;
    return !REAL(sigaction)(SIGILL, NULL, &old) && !REAL(sigaction)(SIGILL, &act, NULL);
}

static bool wrappable(int signo)
{
    return signo >= 1 && signo < SIGNALS && signo != SIGKILL && signo != SIGSTOP;
}

/* What the program would see without us. */
static void show_old(int signo, struct sigaction *old, uintptr_t handler, int flags)
{
    if (old->sa_sigaction == on_signal) {
        old->sa_handler = (SignalHandler)handler;
        old->sa_flags = (old->sa_flags & ~SA_SIGINFO) | (flags & SA_SIGINFO);
    } else if (old->sa_sigaction == on_quit) {
        old->sa_handler = SIG_DFL;
        old->sa_flags = 0;
    }
}

HOOK int sigaction(int signo, const struct sigaction *act, struct sigaction *old)
{
    if (!wrappable(signo)) {
        return REAL(sigaction)(signo, act, old);
    }
    uintptr_t old_handler = atomic_load(&actions[signo].handler);
    int old_flags = atomic_load(&actions[signo].flags), r;
    bool kept = signo == SIGILL && preload_cpuid_trapped();
    if (act && (kept || (act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN))) {
        struct sigaction wrapped = *act;
        wrapped.sa_sigaction = on_signal;
        wrapped.sa_flags |= SA_SIGINFO;
        if (kept) {
            wrapped.sa_flags &= (int)~SA_RESETHAND;
        }
        if (preload_cpuid_trapped()) {
            sigdelset(&wrapped.sa_mask, SIGILL);
        }
        atomic_store(&actions[signo].flags, act->sa_flags);
        atomic_store(&actions[signo].handler, (uintptr_t)act->sa_handler);
        r = REAL(sigaction)(signo, &wrapped, old);
        if (r) {
            atomic_store(&actions[signo].flags, old_flags);
            atomic_store(&actions[signo].handler, old_handler);
        }
    } else {
        r = REAL(sigaction)(signo, act, old);
    }
    if (!r && old) {
        show_old(signo, old, old_handler, old_flags);
    }
    return r;
}

static SignalHandler install(int signo, SignalHandler handler, int flags)
{
    struct sigaction act, old;
    memset(&act, 0, sizeof(act));
    act.sa_handler = handler;
    act.sa_flags = flags;
    if (!(flags & SA_RESETHAND)) {
        sigaddset(&act.sa_mask, signo);
    }
    return sigaction(signo, &act, &old) ? SIG_ERR : old.sa_handler;
}

HOOK SignalHandler signal(int signo, SignalHandler handler)
{
    return install(signo, handler, SA_RESTART);
}

HOOK SignalHandler bsd_signal(int signo, SignalHandler handler)
{
    return install(signo, handler, SA_RESTART);
}

HOOK SignalHandler ssignal(int signo, SignalHandler handler)
{
    return install(signo, handler, SA_RESTART);
}

HOOK SignalHandler sysv_signal(int signo, SignalHandler handler)
{
    return install(signo, handler, (int)(SA_RESETHAND | SA_NODEFER));
}

HOOK SignalHandler __sysv_signal(int signo, SignalHandler handler)
{
    return install(signo, handler, (int)(SA_RESETHAND | SA_NODEFER));
}

/*
 * ---- masks: where CPUIDs are trapped, SIGILL is never blocked (the kernel would end the process)
 * ----
 */

static const sigset_t *without_ill(int how, const sigset_t *set, sigset_t *copy)
{
    if (!set || how == SIG_UNBLOCK || !preload_cpuid_trapped()) {
        return set;
    }
    *copy = *set;
    sigdelset(copy, SIGILL);
    return copy;
}

HOOK int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t copy;
    return REAL(pthread_sigmask)(how, without_ill(how, set, &copy), old);
}

HOOK int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t copy;
    return REAL(sigprocmask)(how, without_ill(how, set, &copy), old);
}
