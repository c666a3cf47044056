/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Life of a Cpu, and the loop around blocks: pending work, interrupts, single steps, escapes from
 * handlers.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "block.h"
#include "cet.h"
#include "core.h"
#include "debug.h"
#include "exc.h"
#include "group.h"
#include "jit.h"
#include "mmu.h"
#include "segment.h"
#include "system.h"
#include "vector.h"

/* ---- life ---- */

/* Of a processor whose randomness is to be the same each time: SplitMix64 from its index. */
static void seed_fixed(uint64_t random[4], unsigned index)
{
    uint64_t x = UINT64_C(0x7464782d73656564) + index;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t z = x += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        random[i] = z ^ (z >> 31);
    }
}

static void seed_random(struct CoreState *core)
{
    /*
     * Quality matters to guests that seed their pools from RDRAND; all zero would be the
     * generator's fixed point.
     */
    if (getrandom(core->random, sizeof(core->random), GRND_NONBLOCK) !=
        (ssize_t)sizeof(core->random)) {
        core->random[0] = (uintptr_t)core;
        core->random[1] = __builtin_ia32_rdtsc();
    }
    core->random[3] |= 1;
}

Cpu *cpu_new(CpuGroup *group, const CpuWorld *world, void *world_data)
{
    Cpu *cpu = aligned_alloc(64, (sizeof(Cpu) + 63) & ~(size_t)63);
    if (!cpu) {
        return NULL;
    }
    memset(cpu, 0, sizeof(*cpu));
    cpu->core = calloc(1, sizeof(*cpu->core));
    if (!cpu->core || !cpu_group_join(group, cpu)) {
        free(cpu->core);
        free(cpu);
        return NULL;
    }
    cpu->group = group;
    cpu->world = world;
    cpu->world_data = world_data;
    cpu->rflags = 2;
    cpu->phys_bits = 52;
    cpu->tlb = cpu->tlbs[TLB_SUPERVISOR];
    if (group->deterministic) {
        seed_fixed(cpu->core->random, cpu->index);
        cpu->turn_end = UINT64_MAX;
        cpu_request(cpu, CPU_PENDING_TURN);
    } else {
        seed_random(cpu->core);
    }
    jit_init(cpu);
    block_init(cpu);
    mmu_init(cpu);
    if (!cpu->mmu || !cpu->blocks || !vec_init(cpu)) {
        cpu_free(cpu);
        return NULL;
    }
    return cpu;
}

void cpu_free(Cpu *cpu)
{
    if (!cpu) {
        return;
    }
    cpu_group_part(cpu->group, cpu);
    if (cpu->vec) {
        vec_fini(cpu);
    }
    if (cpu->blocks) {
        block_fini(cpu);
    }
    jit_fini(cpu);
    mmu_fini(cpu);
    free(cpu->core);
    free(cpu);
}

/* ---- mode ---- */

static bool is_flat(const Segment *s, uint32_t must)
{
    uint32_t mask = SEG_ACCESS_UNUSABLE | ACCESS_S | ACCESS_P | ACCESS_CODE | ACCESS_RW;
    return s->base == 0 && s->limit == 0xffffffff && (s->access & mask) == must
           && (must & ACCESS_CODE || !(s->access & ACCESS_DC));
}

void cpu_update_mode(Cpu *cpu)
{
    const Segment *cs = &cpu->seg[SEG_CS];
    const Segment *ss = &cpu->seg[SEG_SS];
    uint32_t data = ACCESS_S | ACCESS_P | ACCESS_RW;
    uint32_t mode = 0;

    if (cpu_long(cpu)) {
        mode |= CPU_MODE_LONG;
    }
    if (cpu_long(cpu) && (cs->access & SEG_ACCESS_L)) {
        mode |= CPU_MODE_CS64;
    } else {
        mode |= cs->access & SEG_ACCESS_DB ? CPU_MODE_CS32 : 0;
        mode |= ss->access & SEG_ACCESS_DB ? CPU_MODE_SS32 : 0;
        if (is_flat(cs, data | ACCESS_CODE) && is_flat(ss, data) && is_flat(&cpu->seg[SEG_DS], data)
            && is_flat(&cpu->seg[SEG_ES], data)) {
            mode |= CPU_MODE_FLAT;
        }
    }
    if (cpu->cpl == 3) {
        mode |= CPU_MODE_USER;
        cpu->tlb =
            cpu->tlbs[(cpu->rflags & FLAG_AC) && (cpu->cr0 & CR0_AM) ? TLB_USER_AC : TLB_USER];
    } else if ((cpu->rflags & FLAG_AC) && (cpu->cr4 & CR4_SMAP)) {
        cpu->tlb = cpu->tlbs[TLB_SUPERVISOR_AC];
    } else {
        cpu->tlb = cpu->tlbs[TLB_SUPERVISOR];
    }
    mmu_forget_stack(cpu);
    cpu->jump_salt = cpu->salts[cpu->cpl == 3];
    if (unlikely(cpu->cr4 & CR4_CET)) {
        mode |= cet_mode(cpu);
        cpu->shadow_page = TLB_INVALID; /* perhaps another level's */
    }
    cpu->mode = mode;
}

/* ---- between blocks ---- */

static void take_requests(Cpu *cpu)
{
    uint32_t pending = atomic_fetch_and(&cpu->pending, CPU_PENDING_TURN);
    if (pending & CPU_PENDING_TLB_FLUSH) {
        cpu_obey(cpu);
    }
    if (pending & CPU_PENDING_CODE) {
        block_run_requests(cpu);
    }
    if (pending & CPU_PENDING_NMI) {
        cpu->core->nmi_waiting = true;
    }
    if (pending & CPU_PENDING_INTERRUPT) {
        cpu->core->interrupt_waiting = true;
    }
    if (pending & CPU_PENDING_EXIT ||
        (pending & CPU_PENDING_TURN && cpu->instructions >= cpu->turn_end)) {
        cpu->exit = CPU_EXIT_KICKED;
    }
}

/* Delivers at most one event, which may raise. */
static void take_interrupt(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    if (core->nmi_waiting && !cpu->nmi_blocked) {
        core->nmi_waiting = false;
        cpu->nmi_blocked = true;
        interrupt_deliver(cpu, VEC_NMI);
    } else if (core->interrupt_waiting && (cpu->rflags & FLAG_IF)) {
        int vector = cpu->world->interrupt_accept ? cpu->world->interrupt_accept(cpu) : -1;
        if (vector < 0) {
            core->interrupt_waiting = false;
        } else {
            interrupt_deliver(cpu, (uint8_t)vector);
        }
    }
}

/*
 * What TF asks for after an instruction: with BTF only jumps that were taken count (SDM vol. 3,
 * 18.4.4).
 */
static bool step_due(const Cpu *cpu, uint64_t next)
{
    return !cpu->core->skip_trap && (!(cpu->debugctl & DEBUGCTL_BTF) || cpu->rip != next);
}

static void run_block(Cpu *cpu, bool single)
{
    struct CoreState *core = cpu->core;
    bool trace = cpu->rflags & FLAG_TF;
    uint64_t next;
    const Op *op;

    if (unlikely(cpu->debug_armed) && !core->stack_shadow) {
        debug_fetch(cpu);
    }
    core->resume_flag = false;
    core->skip_trap = false;
    core->stack_shadow = false;
    if (single || trace || unlikely(cpu->debug_armed)) {
        cpu_request(cpu, CPU_PENDING_STEP);
    }
    op = block_lookup(cpu);
    next = cpu->rip + op->len;
    while (op) {
        op = jit_call(cpu, op);
    }
    if (trace && step_due(cpu, next)) {
        core->debug_hits |= DR6_BS;
    }
}

/* Until cpu->exit is set. Handlers and deliveries may escape from here to cpu_run(). */
static void run_loop(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    for (;;) {
        bool shadow = cpu->interruptibility;
        cpu->op = NULL;
        cpu->interruptibility = false;
        if (unlikely(atomic_load_explicit(&cpu->pending, memory_order_relaxed))) {
            take_requests(cpu);
        }
        if (cpu->exit != CPU_EXIT_NONE) {
            cpu->interruptibility = shadow;
            return;
        }
        if (unlikely(core->debug_hits) && !core->stack_shadow) {
            debug_trap(cpu);
        }
        if (unlikely(core->interrupt_waiting || core->nmi_waiting) && !shadow) {
            take_interrupt(cpu);
        }
        /*
         * With something waiting, the shadow of STI and MOV SS ends after exactly one instruction.
         */
        run_block(cpu, shadow && (core->interrupt_waiting || core->nmi_waiting));
    }
}

uint64_t cpu_instructions(const Cpu *cpu)
{
    return cpu->instructions + (cpu->op ? (uint64_t)(cpu->op - cpu->block->ops) : 0);
}

CpuExit cpu_run(Cpu *cpu)
{
    int why = setjmp(cpu->escape);

    if (why == ESCAPE_NONE) {
        cpu->exit = CPU_EXIT_NONE;
    }
    if (why != ESCAPE_LEAVE) {
        cpu_enter(cpu);
        if (why == ESCAPE_RAISE) {
            if (!exception_deliver(cpu)) {
                cpu->exit = CPU_EXIT_TRIPLE_FAULT;
            }
        } else {
            exception_resume(cpu);
        }
        if (cpu->exit == CPU_EXIT_NONE) {
            run_loop(cpu);
        }
    }
    cpu->op = NULL;
    cpu_exit(cpu);
    return cpu->exit;
}
