/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the processors of one guest share, and how one makes the others stop using a translation.
 *
 * A processor is "inside" while it may hold host addresses of guest pages: in handlers and in the
 * soft TLB. It is "outside" between cpu_run() calls and during world->map. Whoever takes pages away
 * raises flush_wanted of each processor and waits until that one is outside or has flushed; a
 * processor that comes inside flushes first if it is behind. World callbacks that may wait for
 * another thread (map, hlt, tdcall) are called outside. All of it is sequentially consistent, which
 * is what makes the two-sided check safe.
 */
#ifndef SWTDX_GROUP_H
#define SWTDX_GROUP_H

#include <pthread.h>

#include "block.h"
#include "cpu.h"

struct CpuGroup {
    unsigned max;
    _Atomic(Cpu *) *cpus;          /* max slots; NULL: free */
    pthread_mutex_t lock;          /* slots; one holder of `stopper` at a time */
    _Atomic(Cpu *) stopper;        /* processor that runs a split locked access: the others wait */
    _Atomic uint32_t stop_event;   /* futex: counts releases of stopper */
    struct JitArena *jit;          /* jit.h: memory for host code, or NULL */
    unsigned jit_heat;
    bool deterministic;            /* cpu_group_determine() */
    int jit_error;                 /* errno, if `jit` was wanted and is NULL */
    CodeMap *code;                 /* block.c: which guest pages hold decoded code */
};

/* Takes and gives back a slot (cpu->index). False: the group is full. */
bool cpu_group_join(CpuGroup *group, Cpu *cpu);
void cpu_group_part(CpuGroup *group, Cpu *cpu);

/* Comes inside: waits for a stopper, flushes if behind. Idempotent. Own thread. (group.c) */
void cpu_enter(Cpu *cpu);
/* Goes outside, and wakes who waits for that. Idempotent. Own thread. */
void cpu_exit(Cpu *cpu);
/* At a block exit: obeys flush and stop requests. */
void cpu_obey(Cpu *cpu);
/*
 * Gives the host processor away for some microseconds: the guest spins. Own thread, no host address
 * held.
 */
void cpu_rest(Cpu *cpu);
/* One turn of a loop that waits for others: rests now and then. As cpu_rest(). */
void cpu_spin(Cpu *cpu);

#endif
