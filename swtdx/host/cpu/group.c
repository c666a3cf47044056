/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processors of one guest among themselves: taking translations away, stopping the others for a
 * split lock.
 */
#include "group.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "jit.h"
#include "mmu.h"
#include "walk.h"

#define SPINS 2000

/* ---- futex: waits have an end, so a lost wake-up costs no more than that ---- */

#define WAIT_NS 1000000
#define REST_NS 10000
#define SPINS_PER_REST 128u

static void word_wait(_Atomic uint32_t *word, uint32_t value, long ns)
{
    struct timespec limit = { 0, ns };
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &limit, NULL, 0);
    errno = saved;
}

static void word_wake(_Atomic uint32_t *word)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    errno = saved;
}

/* ---- life ---- */

CpuGroup *cpu_group_new(unsigned max_cpus, unsigned jit_heat)
{
    CpuGroup *group = calloc(1, sizeof(*group));
    if (!group) {
        return NULL;
    }
    group->max = max_cpus;
    group->cpus = calloc(max_cpus, sizeof(*group->cpus));
    group->code = code_map_new();
    if (!group->cpus || !group->code || pthread_mutex_init(&group->lock, NULL)) {
        code_map_free(group->code);
        free(group->cpus);
        free(group);
        return NULL;
    }
    group->jit_heat = jit_heat;
    group->jit = jit_heat != 0 ? jit_arena_new(max_cpus, &group->jit_error) : NULL;
    return group;
}

void cpu_group_determine(CpuGroup *group)
{
    group->deterministic = true;
}

int cpu_group_jit_error(const CpuGroup *group)
{
    return group->jit == NULL ? group->jit_error : 0;
}

void cpu_group_free(CpuGroup *group)
{
    if (group) {
        pthread_mutex_destroy(&group->lock);
        code_map_free(group->code);
        jit_arena_free(group->jit);
        free(group->cpus);
        free(group);
    }
}

bool cpu_group_join(CpuGroup *group, Cpu *cpu)
{
    bool found = false;
    pthread_mutex_lock(&group->lock);
    for (unsigned i = 0; i < group->max && !found; i++) {
        if (!atomic_load(&group->cpus[i])) {
            cpu->index = i;
            atomic_store(&group->cpus[i], cpu);
            found = true;
        }
    }
    pthread_mutex_unlock(&group->lock);
    return found;
}

void cpu_group_part(CpuGroup *group, Cpu *cpu)
{
    pthread_mutex_lock(&group->lock);
    atomic_store(&group->cpus[cpu->index], NULL);
    pthread_mutex_unlock(&group->lock);
}

/* ---- inside and outside ---- */

static void tell_waiters(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    if (atomic_load(&core->waiters)) {
        atomic_fetch_add(&core->event_word, 1);
        word_wake(&core->event_word);
    }
}

/* Everything goes: by the time one looks, several ranges may have been asked for. */
static void catch_up(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    uint32_t wanted = atomic_load(&core->flush_wanted);
    if (wanted != atomic_load(&core->flush_done)) {
        mmu_flush_physical(cpu, 0, UINT64_MAX);
        mmu_flush_all(cpu);
        atomic_store(&core->flush_done, wanted);
        tell_waiters(cpu);
    }
}

static bool must_stop(Cpu *cpu)
{
    Cpu *stopper = atomic_load(&cpu->group->stopper);
    return stopper && stopper != cpu;
}

void cpu_exit(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    if (core->inside) {
        core->inside = false;
        atomic_store(&core->running, 0);
        tell_waiters(cpu);
    }
}

void cpu_enter(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    if (!core->inside) {
        for (;;) {
            uint32_t event = atomic_load(&cpu->group->stop_event);
            atomic_store(&core->running, 1);
            if (likely(!must_stop(cpu))) {
                break;
            }
            atomic_store(&core->running, 0);
            tell_waiters(cpu);
            word_wait(&cpu->group->stop_event, event, WAIT_NS);
        }
        core->inside = true;
    }
    catch_up(cpu);
}

void cpu_rest(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    uint32_t event = atomic_load(&core->event_word);
    if (!atomic_load(&cpu->pending)) {
        cpu_exit(cpu);
        word_wait(&core->event_word, event, REST_NS);
        cpu_enter(cpu);
    }
}

void cpu_spin(Cpu *cpu)
{
    if (cpu->group->deterministic) { /* the others run when this one's turn is over */
        cpu->turn_given_up = true;
        cpu->turn_end = 0;
        return;
    }
    if (++cpu->core->spins % SPINS_PER_REST == 0) {
        cpu_rest(cpu);
    }
    __builtin_ia32_pause();
}

void cpu_obey(Cpu *cpu)
{
    if (must_stop(cpu)) {
        cpu_exit(cpu);
    }
    cpu_enter(cpu);
}

/* Until `other` is outside, or has flushed up to `wanted`. */
static void await_cpu(Cpu *other, uint32_t wanted, bool outside_only)
{
    struct CoreState *core = other->core;
    for (unsigned i = 0;; i++) {
        uint32_t event = atomic_load(&core->event_word);
        if (!atomic_load(&core->running)
            || (!outside_only && (int32_t)(atomic_load(&core->flush_done) - wanted) >= 0)) {
            return;
        }
        if (i < SPINS) {
            __builtin_ia32_pause();
            continue;
        }
        atomic_fetch_add(&core->waiters, 1);
        if (atomic_load(&core->running)) {
            word_wait(&core->event_word, event, WAIT_NS);
        }
        atomic_fetch_sub(&core->waiters, 1);
    }
}

void cpu_group_flush(CpuGroup *group, Cpu *self, uint64_t gpa, uint64_t size)
{
    /*
     * While this processor waits, others may wait for it: it is outside, and catches up when it
     * comes back.
     */
    bool inside = self && self->core->inside;
    if (self) {
        mmu_flush_physical(self, gpa, size);
    }
    if (inside) {
        cpu_exit(self);
    }
    pthread_mutex_lock(&group->lock); /* keeps the slots: none is freed while it is waited for */
    for (unsigned i = 0; i < group->max; i++) {
        Cpu *other = atomic_load(&group->cpus[i]);
        if (other && other != self) {
            atomic_fetch_add(&other->core->flush_wanted, 1);
            cpu_request(other, CPU_PENDING_TLB_FLUSH);
        }
    }
    for (unsigned i = 0; i < group->max; i++) {
        Cpu *other = atomic_load(&group->cpus[i]);
        if (other && other != self) {
            await_cpu(other, atomic_load(&other->core->flush_wanted), false);
        }
    }
    pthread_mutex_unlock(&group->lock);
    if (inside) {
        cpu_enter(self);
    }
}

/* ---- split locks ---- */

void mmu_split_lock(Cpu *cpu)
{
    CpuGroup *group = cpu->group;
    /* Outside while it waits for the mutex, as its holder may be waiting for this processor. */
    cpu_exit(cpu);
    pthread_mutex_lock(&group->lock);
    atomic_store(&group->stopper, cpu);
    for (unsigned i = 0; i < group->max; i++) {
        Cpu *other = atomic_load(&group->cpus[i]);
        if (other && other != cpu) {
            cpu_request(other, CPU_PENDING_TLB_FLUSH);
        }
    }
    for (unsigned i = 0; i < group->max; i++) {
        Cpu *other = atomic_load(&group->cpus[i]);
        if (other && other != cpu) {
            await_cpu(other, 0, true);
        }
    }
    cpu->core->split_locked = true;
    cpu_enter(cpu);
}

void mmu_split_unlock(Cpu *cpu)
{
    CpuGroup *group = cpu->group;
    if (!cpu->core->split_locked) {
        return;
    }
    cpu->core->split_locked = false;
    atomic_store(&group->stopper, NULL);
    atomic_fetch_add(&group->stop_event, 1);
    word_wake(&group->stop_event);
    pthread_mutex_unlock(&group->lock);
}
