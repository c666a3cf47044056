/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's thread: enters the guest, handles exits, pauses and ends on request.
 *
 * A request sets its flag and kvm_run.immediate_exit under the vCPU's lock, then signals the
 * thread. The thread clears immediate_exit only under the same lock and after looking at the flags:
 * a request made before KVM_RUN makes it return at once, one made during it interrupts it.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm-internal.h"
#include "kvm-sys.h"
#include "util/error.h"

#define KICK_SIGNAL SIGUSR1

static void kick_received(int signal_number)
{
    /* To be delivered is all it is for: that ends KVM_RUN with EINTR. */
}

static bool install_kick_handler(GError **errp)
{
    struct sigaction action = { .sa_handler = kick_received };

    sigemptyset(&action.sa_mask);
    if (sigaction(KICK_SIGNAL, &action, NULL) < 0) {
        return error_set(errp, "Cannot install the handler of signal %d: %s", KICK_SIGNAL,
                         g_strerror(errno));
    }
    return true;
}

static bool on_own_thread(KvmVcpu *vcpu)
{
    return vcpu->has_tid && pthread_equal(vcpu->tid, pthread_self());
}

static void kick_locked(KvmVcpu *vcpu)
{
    __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
    if (vcpu->has_tid && !on_own_thread(vcpu)) {
        pthread_kill(vcpu->tid, KICK_SIGNAL);
    }
}

/* Waits while the vCPU shall not run. False: the thread shall end. */
static bool wait_until_wanted(KvmVcpu *vcpu)
{
    g_mutex_lock(&vcpu->lock);
    while ((vcpu->want_pause || vcpu->halted) && !vcpu->want_stop) {
        vcpu->idle = true;
        g_cond_broadcast(&vcpu->changed);
        g_cond_wait(&vcpu->changed, &vcpu->lock);
    }
    bool go = !vcpu->want_stop;
    vcpu->idle = !go;
    if (go) {
        __atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_RELEASE);
    }
    g_cond_broadcast(&vcpu->changed);
    g_mutex_unlock(&vcpu->lock);
    return go;
}

static gpointer vcpu_thread(gpointer data)
{
    KvmVcpu *vcpu = data;

    pthread_setname_np(pthread_self(), vcpu->thread_name);
    g_mutex_lock(&vcpu->lock);
    vcpu->tid = pthread_self();
    vcpu->host_tid = (int)syscall(SYS_gettid);
    vcpu->has_tid = true;
    g_cond_broadcast(&vcpu->changed);
    g_mutex_unlock(&vcpu->lock);
    while (wait_until_wanted(vcpu)) {
        if (!kvm_vcpu_handle_exit(vcpu, kvm_sys_ioctl(vcpu->fd, KVM_RUN, 0))) {
            g_mutex_lock(&vcpu->lock);
            vcpu->halted = true;
            g_mutex_unlock(&vcpu->lock);
        }
    }
    return NULL;
}

/*
 * A vCPU's thread takes no signal but the kick: the program's own signals belong to its main
 * thread. It names itself: a name given to GLib is freed on the new thread, and the first use of
 * the heap costs every thread an arena of its own.
 */
static GThread *new_thread(KvmVcpu *vcpu, GError **errp)
{
    sigset_t wanted, before;

    sigfillset(&wanted);
    sigdelset(&wanted, KICK_SIGNAL);
    sigdelset(&wanted, SIGSEGV);
    sigdelset(&wanted, SIGBUS);
    sigdelset(&wanted, SIGILL);
    sigdelset(&wanted, SIGFPE);
    sigdelset(&wanted, SIGTRAP);
    sigdelset(&wanted, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &wanted, &before);
    GThread *thread = g_thread_try_new(NULL, vcpu_thread, vcpu, errp);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return thread;
}

bool kvm_vcpu_start(KvmVcpu *vcpu, const KvmRunPorts *ports, bool paused, const char *thread_name,
                    GError **errp)
{
    if (vcpu->thread) {
        return error_set(errp, "vCPU id %u is running already", vcpu->id);
    }
    if (!install_kick_handler(errp)) {
        return false;
    }
    vcpu->ports = *ports;
    vcpu->want_pause = paused;
    vcpu->want_stop = vcpu->halted = false;
    vcpu->idle = paused;
    g_strlcpy(vcpu->thread_name, thread_name, sizeof(vcpu->thread_name));
    vcpu->thread = new_thread(vcpu, errp);
    return vcpu->thread != NULL;
}

void kvm_vcpu_pause(KvmVcpu *vcpu)
{
    g_mutex_lock(&vcpu->lock);
    vcpu->want_pause = true;
    if (vcpu->thread) {
        kick_locked(vcpu);
        while (!vcpu->idle && !on_own_thread(vcpu) && !vcpu->want_stop) {
            g_cond_wait(&vcpu->changed, &vcpu->lock);
        }
    }
    g_mutex_unlock(&vcpu->lock);
}

void kvm_vcpu_resume(KvmVcpu *vcpu)
{
    g_mutex_lock(&vcpu->lock);
    vcpu->want_pause = false;
    g_cond_broadcast(&vcpu->changed);
    g_mutex_unlock(&vcpu->lock);
}

int kvm_vcpu_thread_id(KvmVcpu *vcpu)
{
    g_mutex_lock(&vcpu->lock);
    while (vcpu->thread && !vcpu->has_tid) {
        g_cond_wait(&vcpu->changed, &vcpu->lock);
    }
    int id = vcpu->has_tid ? vcpu->host_tid : 0;
    g_mutex_unlock(&vcpu->lock);
    return id;
}

void kvm_vcpu_stop(KvmVcpu *vcpu)
{
    g_mutex_lock(&vcpu->lock);
    GThread *thread = vcpu->thread;

    if (!thread || on_own_thread(vcpu)) {
        if (thread) {
            g_critical("vCPU id %u cannot wait for its own end", vcpu->id);
        }
        g_mutex_unlock(&vcpu->lock);
        return;
    }
    vcpu->want_stop = true;
    kick_locked(vcpu);
    g_cond_broadcast(&vcpu->changed);
    g_mutex_unlock(&vcpu->lock);
    g_thread_join(thread);
    vcpu->thread = NULL;
    vcpu->has_tid = false;
}
