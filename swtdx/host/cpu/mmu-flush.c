/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking entries out of the soft TLBs. */
#include "block.h"
#include "mmu-state.h"
#include "walk.h"

#define LARGEST_PAGE (UINT64_C(1) << 30)

static TlbEntry *data_entry(Cpu *cpu, unsigned which)
{
    return &cpu->tlbs[0][0] + which;
}

static FetchEntry *instruction_entry(Cpu *cpu, unsigned which)
{
    return &cpu->mmu->fetch[0][0] + which;
}

/* Calls f for the entries of a list. */
static void each_filled(Cpu *cpu, const Filled *filled,
                        void (*f)(Cpu *cpu, unsigned which, uint64_t gpa, uint64_t size),
                        uint64_t gpa, uint64_t size)
{
    bool any = filled->n == FILLED_MAX;
    unsigned n = any ? TLB_KINDS * TLB_ENTRIES : filled->n;
    for (unsigned i = 0; i < n; i++) {
        f(cpu, any ? i : filled->which[i], gpa, size);
    }
}

static void invalidate(Cpu *cpu, unsigned which, uint64_t gpa, uint64_t size)
{
    TlbEntry *e = data_entry(cpu, which);
    (void)gpa;
    (void)size;
    e->read = TLB_INVALID;
    e->write = TLB_INVALID;
}

static void invalidate_nonglobal(Cpu *cpu, unsigned which, uint64_t gpa, uint64_t size)
{
    if (!(&cpu->mmu->global[0][0])[which]) {
        invalidate(cpu, which, gpa, size);
    }
}

static void invalidate_physical(Cpu *cpu, unsigned which, uint64_t gpa, uint64_t size)
{
    if (data_entry(cpu, which)->gpa - gpa < size) {
        invalidate(cpu, which, gpa, size);
    }
}

static void invalidate_writable(Cpu *cpu, unsigned which, uint64_t gpa, uint64_t size)
{
    (void)gpa;
    (void)size;
    data_entry(cpu, which)->write = TLB_INVALID;
}

static void flush_data(Cpu *cpu, bool keep_global)
{
    Filled *filled = cpu->mmu->filled;
    mmu_forget_stack(cpu);
    each_filled(cpu, &filled[0], keep_global ? invalidate_nonglobal : invalidate, 0, 0);
    filled[0].n = 0;
    if (!keep_global) {
        each_filled(cpu, &filled[1], invalidate, 0, 0);
        filled[1].n = 0;
    }
}

static void flush_fetch(Cpu *cpu, bool keep_global)
{
    struct MmuState *mmu = cpu->mmu;
    bool any = mmu->n_fetched == FETCH_ENTRIES;
    unsigned n = any ? 2 * FETCH_ENTRIES : mmu->n_fetched, kept = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned which = any ? i : mmu->fetched[i];
        FetchEntry *e = instruction_entry(cpu, which);
        if (!keep_global || !e->global) {
            e->page = TLB_INVALID;
        } else if (e->page != TLB_INVALID && kept < FETCH_ENTRIES) {
            mmu->fetched[kept++] = (uint16_t)which;
        }
    }
    mmu->n_fetched = kept;
}

void mmu_flush_all(Cpu *cpu)
{
    flush_data(cpu, false);
    flush_fetch(cpu, false);
    cpu->mmu->large[0] = cpu->mmu->large[1] = false;
    cpu->mmu->local_code = cpu->mmu->lower_code = false;
    block_forget_linear(cpu, true);
}

void mmu_flush_nonglobal(Cpu *cpu)
{
    flush_data(cpu, true);
    flush_fetch(cpu, true);
    block_forget_linear(cpu, cpu->mmu->local_code);
    cpu->mmu->local_code = false;
}

void mmu_forget_writable(Cpu *cpu)
{
    mmu_forget_stack(cpu);
    each_filled(cpu, &cpu->mmu->filled[0], invalidate_writable, 0, 0);
    each_filled(cpu, &cpu->mmu->filled[1], invalidate_writable, 0, 0);
}

static void invalidate_linear(Cpu *cpu, unsigned which, uint64_t linear, uint64_t size)
{
    if (data_entry(cpu, which)->read - linear < size) {
        invalidate(cpu, which, 0, 0);
    }
}

/*
 * INVLPG takes a large mapping away as a whole, which lies in many entries here: all that is in its
 * GiB goes.
 */
static void flush_large(Cpu *cpu, uint64_t linear)
{
    struct MmuState *mmu = cpu->mmu;
    uint64_t first = linear & ~(LARGEST_PAGE - 1);
    bool any = mmu->n_fetched == FETCH_ENTRIES;
    each_filled(cpu, &mmu->filled[0], invalidate_linear, first, LARGEST_PAGE);
    each_filled(cpu, &mmu->filled[1], invalidate_linear, first, LARGEST_PAGE);
    for (unsigned i = 0; i < (any ? 2 * FETCH_ENTRIES : mmu->n_fetched); i++) {
        FetchEntry *e = instruction_entry(cpu, any ? i : mmu->fetched[i]);
        if (e->page - first < LARGEST_PAGE) {
            e->page = TLB_INVALID;
        }
    }
}

static void flush_small(Cpu *cpu, uint64_t linear)
{
    uint64_t page = linear & GUEST_PAGE_MASK;
    for (unsigned kind = 0; kind < TLB_CACHED; kind++) {
        TlbEntry *e = &cpu->tlbs[kind][(linear >> 12) & (TLB_ENTRIES - 1)];
        if (e->read == page || e->write == page) {
            e->read = TLB_INVALID;
            e->write = TLB_INVALID;
        }
    }
    for (unsigned user = 0; user < 2; user++) {
        FetchEntry *e = &cpu->mmu->fetch[user][(linear >> 12) & (FETCH_ENTRIES - 1)];
        if (e->page == page) {
            e->page = TLB_INVALID;
        }
    }
}

void mmu_flush_page(Cpu *cpu, uint64_t linear)
{
    mmu_forget_stack(cpu);
    if (cpu->mmu->large[mmu_upper(linear)]) {
        flush_large(cpu, linear);
    } else {
        flush_small(cpu, linear);
    }
    block_forget_linear(cpu, mmu_upper(linear) || cpu->mmu->lower_code);
}

static void invalidate_code(Cpu *cpu, unsigned which, uint64_t gpa, uint64_t size)
{
    TlbEntry *e = data_entry(cpu, which);
    (void)size;
    if (e->gpa == gpa) {
        e->write = TLB_INVALID;
    }
}

void mmu_protect_code(Cpu *cpu, uint64_t gpa)
{
    cpu->linear_epoch++; /* for shadow stacks */
    cpu->shadow_page = TLB_INVALID;
    mmu_forget_stack(cpu);
    each_filled(cpu, &cpu->mmu->filled[0], invalidate_code, gpa, 0);
    each_filled(cpu, &cpu->mmu->filled[1], invalidate_code, gpa, 0);
}

static void forget_physical(Cpu *cpu, uint64_t gpa, uint64_t size)
{
    struct MmuState *mmu = cpu->mmu;
    if (size >= PHYS_ENTRIES * (uint64_t)GUEST_PAGE_SIZE) {
        mmu->phys_generation++; /* of 64 bits: it does not come round */
        return;
    }
    uint64_t first = gpa & GUEST_PAGE_MASK, last = (gpa + size - 1) & GUEST_PAGE_MASK;
    for (uint64_t page = first; size != 0 && page <= last; page += GUEST_PAGE_SIZE) {
        PhysEntry *e = mmu_phys_entry(cpu, page);
        if (e->gpa == page) {
            e->gpa = GPA_INVALID;
        }
    }
}

void mmu_flush_physical(Cpu *cpu, uint64_t gpa, uint64_t size)
{
    struct MmuState *mmu = cpu->mmu;
    forget_physical(cpu, gpa, size);
    mmu_forget_stack(cpu);
    each_filled(cpu, &mmu->filled[0], invalidate_physical, gpa, size);
    each_filled(cpu, &mmu->filled[1], invalidate_physical, gpa, size);
    bool any = mmu->n_fetched == FETCH_ENTRIES;
    for (unsigned i = 0; i < (any ? 2 * FETCH_ENTRIES : mmu->n_fetched); i++) {
        FetchEntry *e = instruction_entry(cpu, any ? i : mmu->fetched[i]);
        if (e->gpa - gpa < size) {
            e->page = TLB_INVALID;
        }
    }
    block_forget_linear(cpu, true);
}
