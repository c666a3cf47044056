/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one thread of our own in a program's process: timer deadlines, irqfds, last closes. It starts
 * at the first KVM_CREATE_VM, before any seccomp filter of the program can exist.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "host.h"
#include "raw.h"

#define NS_PER_S UINT64_C(1000000000)
#define RECORD_LOOK_NS (NS_PER_S / 50)
#define WATCH_LOOK_NS (NS_PER_S / 100)
#define FIRST_CAPACITY 64

/*
 * One round's descriptors. irqfds are looked up again by number when they fire: the list may have
 * changed.
 */
typedef struct PollSet {
    struct pollfd *fds;
    size_t count, capacity, first_irqfd;
    bool cut_told;
} PollSet;

void service_wake(KvmHost *host)
{
    if (host->thread_runs) {
        uint64_t one = 1;
        int saved = errno;
        raw_write(host->wake_fd, &one, sizeof(one));
        errno = saved;
    }
}

void service_arm(Vcpu *vcpu, uint64_t deadline_ns)
{
    KvmHost *host = vcpu->vm->host;
    atomic_store(&vcpu->timer_ns, deadline_ns);
    if (deadline_ns < atomic_load(&host->sleeping_until)) {
        service_wake(host);
    }
}

/* A VMM may have thousands: an interrupt of each device's queue, a file of each vCPU. */
static bool set_grow(KvmHost *host, PollSet *set)
{
    size_t capacity = set->capacity ? set->capacity * 2 : FIRST_CAPACITY;
    struct pollfd *fds = realloc(set->fds, capacity * sizeof(*fds));
    if (!fds) {
        if (!set->cut_told) {
            host_message(host, "out of memory: irqfds are left out");
            set->cut_told = true;
        }
        return false;
    }
    set->fds = fds;
    set->capacity = capacity;
    return true;
}

static void set_add(KvmHost *host, PollSet *set, int fd, short events)
{
    if (set->count < set->capacity || set_grow(host, set)) {
        set->fds[set->count++] = (struct pollfd){ .fd = fd, .events = events };
    }
}

static void collect(KvmHost *host, PollSet *set, uint64_t *deadline)
{
    set->count = 0;
    set_add(host, set, host->wake_fd, POLLIN);
    pthread_mutex_lock(&host->lock);
    for (KvmFile *f = host->files; f; f = f->next) {
        /* A file whose close was seen but that a call or a mapping holds would report for ever. */
        if (!atomic_load(&f->closed) && !atomic_load(&f->mappings)) {
            set_add(host, set, f->read_end, 0);
        }
    }
    set->first_irqfd = set->count;
    for (Vm *vm = host->vms; vm; vm = vm->next) {
        /* turn.c has the timers then */
        uint32_t n = host->options.deterministic ? 0 : atomic_load(&vm->num_vcpus);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t t = atomic_load(&vm->vcpus[i]->timer_ns);
            *deadline = t < *deadline ? t : *deadline;
        }
        pthread_mutex_lock(&vm->irq);
        for (IrqFd *q = vm->irqfds; q; q = q->next) {
            set_add(host, set, q->fd, POLLIN);
        }
        pthread_mutex_unlock(&vm->irq);
    }
    pthread_mutex_unlock(&host->lock);
}

/*
 * The program may have read it since it was polled: that is no reason to wait, with locks held,
 * until it is written again. Kernels before 5.8 refuse the flag for eventfds, filters the call.
 */
static bool take_count(int fd)
{
    uint64_t count;
    struct iovec to = { &count, sizeof(count) };
    long r = raw_result(syscall(SYS_preadv2, fd, &to, 1, -1L, -1L, RWF_NOWAIT));
    if (r < 0 && r != -EAGAIN) {
        r = raw_read(fd, &count, sizeof(count));
    }
    return r == sizeof(count);
}

static void fire_irqfd(KvmHost *host, int fd)
{
    pthread_mutex_lock(&host->lock);
    for (Vm *vm = host->vms; vm; vm = vm->next) {
        int64_t gsi = -1;
        pthread_mutex_lock(&vm->irq);
        for (IrqFd *q = vm->irqfds; q; q = q->next) {
            if (q->fd == fd && take_count(fd)) {
                gsi = q->gsi;
                break;
            }
        }
        pthread_mutex_unlock(&vm->irq);
        if (gsi >= 0) {
            irq_fire(vm, (uint32_t)gsi);
        }
    }
    pthread_mutex_unlock(&host->lock);
}

static void run_timers(KvmHost *host)
{
    uint64_t now = raw_now_ns();
    pthread_mutex_lock(&host->lock);
    record_serve(host);
    for (Vm *vm = host->vms; vm; vm = vm->next) {
        uint32_t n = host->options.deterministic ? 0 : atomic_load(&vm->num_vcpus);
        for (uint32_t i = 0; i < n; i++) {
            Vcpu *vcpu = vm->vcpus[i];
            uint64_t t = atomic_load(&vcpu->timer_ns);
            if (t <= now && atomic_compare_exchange_strong(&vcpu->timer_ns, &t, UINT64_MAX)) {
                lapic_timer_expired(&vcpu->lapic);
            }
        }
        watch_vm(vm, now);
    }
    pthread_mutex_unlock(&host->lock);
}

static void *service_main(void *opaque)
{
    KvmHost *host = opaque;
    PollSet set = { 0 };
    if (!set_grow(host, &set)) {
        return NULL;
    }
    while (!atomic_load(&host->stop)) {
        /* Whoever arms a timer from here on wakes us: see service_arm(). */
        atomic_store(&host->sleeping_until, UINT64_MAX);
        uint64_t now = raw_now_ns();
        uint64_t deadline = now + (record_waits(host)  ? RECORD_LOOK_NS
                                   : watch_waits(host) ? WATCH_LOOK_NS
                                                       : NS_PER_S);
        collect(host, &set, &deadline);
        atomic_store(&host->sleeping_until, deadline);
        uint64_t wait = deadline > now ? deadline - now : 0;
        struct timespec t = { (time_t)(wait / NS_PER_S), (long)(wait % NS_PER_S) };
        int ready = raw_ppoll(set.fds, set.count, &t);
        atomic_store(&host->sleeping_until, UINT64_MAX);
        run_timers(host);
        watch_serve(host);
        if (ready <= 0) {
            if (wait >= NS_PER_S) {
                file_reap(host); /* files that were in use when their last descriptor went */
            }
            continue;
        }
        if (set.fds[0].revents) {
            uint64_t count;
            raw_read(host->wake_fd, &count, sizeof(count));
        }
        bool closed = false;
        for (size_t i = 1; i < set.count; i++) {
            if (set.fds[i].revents && i < set.first_irqfd) {
                closed = true;
            } else if (set.fds[i].revents & POLLIN) {
                fire_irqfd(host, set.fds[i].fd);
            }
        }
        if (closed) {
            file_reap(host);
        }
    }
    free(set.fds);
    return NULL;
}

int service_start(KvmHost *host)
{
    pthread_mutex_lock(&host->lock);
    if (host->thread_runs) {
        pthread_mutex_unlock(&host->lock);
        return 0;
    }
    int fd = (int)raw_result(syscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (fd >= 0) {
        int high = raw_fcntl(fd, F_DUPFD_CLOEXEC, 512);
        if (high >= 0) {
            raw_close(fd);
            fd = high;
        }
        host->wake_fd = fd;
        atomic_store(&host->stop, false);
        uint64_t all = RAW_SIG_ALL, old = 0;
        /* signals are the program's threads' business */
        raw_sigprocmask(RAW_SIG_SETMASK, &all, &old);
        host->thread_runs = pthread_create(&host->thread, NULL, service_main, host) == 0;
        raw_sigprocmask(RAW_SIG_SETMASK, &old, NULL);
    }
    bool ok = host->thread_runs;
    pthread_mutex_unlock(&host->lock);
    return ok ? 0 : -ENOMEM;
}

void service_stop(KvmHost *host)
{
    if (!host->thread_runs) {
        return;
    }
    atomic_store(&host->stop, true);
    service_wake(host);
    pthread_join(host->thread, NULL);
    host->thread_runs = false;
    raw_close(host->wake_fd);
    host->wake_fd = -1;
}
