/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Soft TLBs for data and for instruction fetch: fill, and the accesses that miss them. */
#include "mmu.h"

#include <stdlib.h>

#include <Zydis/Zydis.h>

#include "block.h"
#include "core.h"
#include "debug.h"
#include "group.h"
#include "mmu-state.h"
#include "walk.h"

/* One page of an access, ready to be used. */
typedef struct Span {
    uint8_t *host; /* of the first byte */
    uint64_t gpa;  /* of the page */
} Span;

void mmu_init(Cpu *cpu)
{
    cpu->mmu = calloc(1, sizeof(*cpu->mmu));
    if (cpu->mmu) {
        cpu->mmu->phys_generation = 1; /* none of the entries' */
        cpu->mmu->filled[0].n = FILLED_MAX; /* nothing is initialised yet */
        cpu->mmu->n_fetched = FETCH_ENTRIES;
        mmu_flush_all(cpu);
    }
}

void mmu_fini(Cpu *cpu)
{
    free(cpu->mmu);
    cpu->mmu = NULL;
}

/* ---- guest physical pages ---- */

/*
 * Asks the world for a page. While it is asked, this processor counts as using no page at all: the
 * world may wait for whoever is taking pages away. What it answered is taken only if nothing was
 * taken away meanwhile.
 */
static void world_map(Cpu *cpu, uint64_t gpa, uint64_t linear, CpuAccess access, CpuHostPage *page)
{
    uint32_t wanted;
    do {
        cpu_exit(cpu);
        wanted = atomic_load(&cpu->core->flush_wanted);
        *page = (CpuHostPage){ NULL, false };
        cpu->world->map(cpu, gpa, linear, true, access, page);
        cpu_enter(cpu);
    } while (atomic_load(&cpu->core->flush_wanted) != wanted);
}

/* The page at a page-aligned gpa. *writable tells whether the host page may be written. */
static uint8_t *phys_page(Cpu *cpu, uint64_t gpa, uint64_t linear, CpuAccess access, bool *writable)
{
    PhysEntry *e = mmu_phys_entry(cpu, gpa);
    if (e->gpa != gpa || e->generation != cpu->mmu->phys_generation || access == CPU_FETCH ||
        (access == CPU_WRITE && !e->writable)) {
        CpuHostPage page;
        world_map(cpu, gpa, linear, access, &page);
        *e = (PhysEntry){ gpa, cpu->mmu->phys_generation, page.host, page.writable };
    }
    *writable = e->writable;
    return e->host;
}

uint8_t *mmu_phys(Cpu *cpu, uint64_t gpa, uint64_t linear, CpuAccess access)
{
    uint64_t page = gpa & GUEST_PAGE_MASK;
    bool writable;
    uint8_t *host;
    if (access == CPU_WRITE && code_page_test(cpu->group, page)) {
        code_page_write_range(cpu, gpa, 8); /* an entry of a paging structure */
    }
    host = phys_page(cpu, page, linear, access, &writable);
    return host + (gpa & 0xfff);
}

/* ---- translation ---- */

static _Noreturn void raise_page_fault(Cpu *cpu, uint64_t linear, uint32_t error)
{
    cpu->cr2 = linear;
    cpu_raise(cpu, VEC_PF, error);
}

static bool is_stack_operand(const Op *op)
{
    return op->seg == SEG_SS && (op->base != GPR_ZERO * 8 || op->index != GPR_ZERO * 8);
}

/*
 * Stack accesses have #SS for a non-canonical address (SDM vol. 1, 3.3.7.1), also where the stack
 * is implied. PUSH, POP, CALL and IRET access other memory too.
 */
static bool is_stack_access(const Cpu *cpu, const Op *op, uint64_t linear)
{
    bool near_stack = linear - cpu->regs[GPR_RSP] + 0x10000 < 0x20000;
    switch (op ? op->mnemonic : 0) {
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_LEAVE:
        return true;
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
        return near_stack || is_stack_operand(op);
    default:
        return op && is_stack_operand(op);
    }
}

static void check_canonical(Cpu *cpu, const Op *op, uint64_t linear)
{
    if (cpu_long(cpu) && unlikely(!cpu_canonical(cpu, linear))) {
        cpu_raise(cpu, is_stack_access(cpu, op, linear) ? VEC_SS : VEC_GP, exc_ext(cpu));
    }
}

static unsigned present_kind(const Cpu *cpu)
{
    return (unsigned)((const TlbEntry(*)[TLB_ENTRIES])(const void *)cpu->tlb - cpu->tlbs);
}

/* Before the entry is filled. */
static void note_filled(Cpu *cpu, unsigned kind, unsigned index, bool global)
{
    Filled *filled = &cpu->mmu->filled[global];
    bool listed = cpu->tlbs[kind][index].read != TLB_INVALID &&
                  cpu->mmu->global[kind][index] == global;
    if (!listed && filled->n < FILLED_MAX) {
        /* the last one fills the list: it then means any */
        filled->which[filled->n++] = (uint16_t)(kind * TLB_ENTRIES + index);
    }
}

static void note_large(Cpu *cpu, uint64_t linear, const WalkResult *walk)
{
    bool *large = &cpu->mmu->large[mmu_upper(linear)];
    *large = *large || walk->large;
}

/*
 * Fills the entry of `linear`, or raises. The entry's other half survives only if it means the same
 * page.
 */
static TlbEntry *fill(Cpu *cpu, unsigned kind, uint64_t linear, CpuAccess access)
{
    unsigned index = (linear >> 12) & (TLB_ENTRIES - 1);
    TlbEntry *e = &cpu->tlbs[kind][index];
    WalkQuery query = { linear, access, kind == TLB_USER_AC ? TLB_USER : kind, false };
    WalkResult walk;
    uint32_t error;
    uint64_t page = linear & GUEST_PAGE_MASK;
    uint8_t *host;
    bool writable;

    if (!walk_translate(cpu, &query, &walk, &error)) {
        raise_page_fault(cpu, linear, error);
    }
    host = phys_page(cpu, walk.gpa, linear, access, &writable);
    note_filled(cpu, kind, index, walk.global);
    if (cpu->stack_read == page) {
        mmu_forget_stack(cpu);
    }
    e->read = page;
    e->write = walk.writable && walk.dirty && writable && !code_page_test(cpu->group, walk.gpa)
                   ? page
                   : TLB_INVALID;
    e->addend = (uintptr_t)host - page;
    e->gpa = walk.gpa;
    if (unlikely(kind == TLB_USER_AC || (cpu->debug_armed && debug_watches(cpu, page)))) {
        e->read = e->write = TLB_INVALID; /* good for this access only */
    }
    cpu->mmu->global[kind][index] = walk.global;
    note_large(cpu, linear, &walk);
    return e;
}

/*
 * The one page that `linear` lies in, with the right to `access`. Code pages are left to the
 * caller.
 */
static Span page_span(Cpu *cpu, const Op *op, unsigned kind, uint64_t linear, CpuAccess access)
{
    TlbEntry *e = &cpu->tlbs[kind][(linear >> 12) & (TLB_ENTRIES - 1)];
    uint64_t page = linear & GUEST_PAGE_MASK;
    if ((access == CPU_WRITE ? e->write : e->read) != page) {
        check_canonical(cpu, op, linear);
        e = fill(cpu, kind, linear, access);
    }
    return (Span){ (uint8_t *)(linear + e->addend), e->gpa };
}

/* Linear addresses wrap at 4 GiB outside 64-bit mode (SDM vol. 3, 3.3.1). */
static uint64_t next_page(const Cpu *cpu, uint64_t linear)
{
    uint64_t next = (linear & GUEST_PAGE_MASK) + GUEST_PAGE_SIZE;
    return cpu_long(cpu) ? next : (uint32_t)next;
}

/* Both pages of a crossing access, neither taken away while the other was looked up. */
static size_t two_spans(Cpu *cpu, const Op *op, unsigned kind, uint64_t linear, CpuAccess access,
                        Span span[2])
{
    uint32_t seen;
    do {
        seen = atomic_load(&cpu->core->flush_done);
        span[0] = page_span(cpu, op, kind, linear, access);
        span[1] = page_span(cpu, op, kind, next_page(cpu, linear), access);
    } while (atomic_load(&cpu->core->flush_done) != seen);
    return GUEST_PAGE_SIZE - (linear & 0xfff);
}

static bool crosses(uint64_t linear, size_t n)
{
    return (linear & 0xfff) + n > GUEST_PAGE_SIZE;
}

static void written(Cpu *cpu, uint64_t gpa, uint64_t linear, size_t n)
{
    if (unlikely(code_page_test(cpu->group, gpa))) {
        code_page_write_range(cpu, gpa | (linear & 0xfff), (unsigned)n);
    }
}

/* ---- data accesses ---- */

static void copy_out(void *to, const uint8_t *from, size_t n)
{
    /*
     * Constant sizes, so that each is one host access (guest processors may look at the same time).
     */
    switch (n) {
    case 1: memcpy(to, from, 1); break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    case 8: memcpy(to, from, 8); break;
    default: memcpy(to, from, n);
    }
}

/* What an access of n bytes is aligned to (SDM vol. 3, 6.15, table 6-7). */
static uint64_t alignment(size_t n)
{
    switch (n) {
    case 2:
    case 14: /* FLDENV's area and FRSTOR's, with operands of 16 bits; and of 32 below */
    case 94:
        return 2;
    case 4:
    case 28:
    case 108:
        return 4;
    case 8:
    case 10: /* the x87's extended numbers */
        return 8;
    default: /* others are for the instruction itself to ask for */
        return 1;
    }
}

/*
 * With CR0.AM and RFLAGS.AC, user accesses are aligned, which is looked at after their pages (SDM
 * vol. 3, table 6-2).
 */
static void check_alignment(Cpu *cpu, unsigned kind, uint64_t linear, size_t n)
{
    if (unlikely(kind == TLB_USER_AC) && (linear & (alignment(n) - 1))) {
        cpu_raise(cpu, VEC_AC, 0);
    }
}

static void watch(Cpu *cpu, uint64_t linear, size_t n, CpuAccess access)
{
    if (unlikely(cpu->debug_armed)) {
        debug_access(cpu, linear, n, access);
    }
}

static void read_kind(Cpu *cpu, const Op *op, unsigned kind, uint64_t linear, void *buf, size_t n)
{
    Span span[2];
    cpu->op = op;
    if (!n) {
        return;
    }
    if (likely(!crosses(linear, n))) {
        span[0] = page_span(cpu, op, kind, linear, CPU_READ);
        check_alignment(cpu, kind, linear, n);
        copy_out(buf, span[0].host, n);
    } else {
        size_t first = two_spans(cpu, op, kind, linear, CPU_READ, span);
        check_alignment(cpu, kind, linear, n);
        memcpy(buf, span[0].host, first);
        memcpy((uint8_t *)buf + first, span[1].host, n - first);
    }
    watch(cpu, linear, n, CPU_READ);
}

static void write_kind(Cpu *cpu, const Op *op, unsigned kind, uint64_t linear, const void *buf,
                       size_t n)
{
    Span span[2];
    cpu->op = op;
    if (!n) {
        return;
    }
    if (likely(!crosses(linear, n))) {
        span[0] = page_span(cpu, op, kind, linear, CPU_WRITE);
        check_alignment(cpu, kind, linear, n);
        written(cpu, span[0].gpa, linear, n);
        copy_out(span[0].host, buf, n);
    } else {
        size_t first = two_spans(cpu, op, kind, linear, CPU_WRITE, span);
        check_alignment(cpu, kind, linear, n);
        written(cpu, span[0].gpa, linear, first);
        written(cpu, span[1].gpa, 0, n - first);
        memcpy(span[0].host, buf, first);
        memcpy(span[1].host, (const uint8_t *)buf + first, n - first);
    }
    watch(cpu, linear, n, CPU_WRITE);
}

uint64_t mmu_load_slow(Cpu *cpu, const Op *op, uint64_t linear, unsigned size)
{
    uint64_t value = 0;
    read_kind(cpu, op, present_kind(cpu), linear, &value, size);
    return value;
}

void mmu_store_slow(Cpu *cpu, const Op *op, uint64_t linear, uint64_t value, unsigned size)
{
    write_kind(cpu, op, present_kind(cpu), linear, &value, size);
}

void mmu_read(Cpu *cpu, const Op *op, uint64_t linear, void *buf, size_t n)
{
    read_kind(cpu, op, present_kind(cpu), linear, buf, n);
}

void mmu_write(Cpu *cpu, const Op *op, uint64_t linear, const void *buf, size_t n)
{
    write_kind(cpu, op, present_kind(cpu), linear, buf, n);
}

/* SMAP holds for implicit supervisor accesses whatever RFLAGS.AC is (SDM vol. 3, 4.6.1). */
void mmu_read_system(Cpu *cpu, const Op *op, uint64_t linear, void *buf, size_t n)
{
    read_kind(cpu, op, TLB_SUPERVISOR, linear, buf, n);
}

void mmu_write_system(Cpu *cpu, const Op *op, uint64_t linear, const void *buf, size_t n)
{
    write_kind(cpu, op, TLB_SUPERVISOR, linear, buf, n);
}

void mmu_probe(Cpu *cpu, const Op *op, uint64_t linear, size_t n, CpuAccess access)
{
    unsigned kind = present_kind(cpu);
    uint64_t at = linear;
    cpu->op = op;
    for (size_t done = 0; done < n;) {
        size_t here = GUEST_PAGE_SIZE - (at & 0xfff);
        page_span(cpu, op, kind, at, access);
        done += here;
        at = next_page(cpu, at);
    }
    check_alignment(cpu, kind, linear, n);
}

/* The handler may hold the address of another page already: begin again if that one may be gone. */
static Span held_span(Cpu *cpu, const Op *op, uint64_t linear, CpuAccess access)
{
    uint32_t seen = atomic_load(&cpu->core->flush_done);
    Span span;
    cpu->op = op;
    span = page_span(cpu, op, present_kind(cpu), linear, access);
    if (unlikely(atomic_load(&cpu->core->flush_done) != seen)) {
        cpu_restart(cpu);
    }
    return span;
}

void *mmu_host(Cpu *cpu, const Op *op, uint64_t linear, unsigned size, CpuAccess access)
{
    Span span;
    cpu->op = op;
    if (crosses(linear, size)) {
        mmu_probe(cpu, op, linear, size, access);
        return NULL;
    }
    span = held_span(cpu, op, linear, access);
    check_alignment(cpu, present_kind(cpu), linear, size);
    if (access == CPU_WRITE) {
        written(cpu, span.gpa, linear, size);
    }
    watch(cpu, linear, size, access);
    return span.host;
}

void *mmu_span(Cpu *cpu, const Op *op, uint64_t linear, CpuAccess access, size_t *n)
{
    Span span = held_span(cpu, op, linear, access);
    size_t left = GUEST_PAGE_SIZE - (linear & 0xfff);
    if (*n > left) {
        *n = left;
    }
    if (access == CPU_WRITE) {
        written(cpu, span.gpa, linear, *n);
    }
    watch(cpu, linear, *n, access);
    return span.host;
}

/* ---- instruction fetch ---- */

static FetchEntry *fetch_entry(Cpu *cpu, uint64_t linear)
{
    bool user = cpu->cpl == 3;
    uint64_t page = linear & GUEST_PAGE_MASK;
    FetchEntry *e = &cpu->mmu->fetch[user][(linear >> 12) & (FETCH_ENTRIES - 1)];
    if (unlikely(e->page != page)) {
        WalkQuery query = { linear, CPU_FETCH, user ? TLB_USER : TLB_SUPERVISOR, false };
        WalkResult walk;
        CpuHostPage host;
        uint32_t error;
        cpu->op = NULL;
        check_canonical(cpu, NULL, linear);
        if (!walk_translate(cpu, &query, &walk, &error)) {
            raise_page_fault(cpu, linear, error);
        }
        world_map(cpu, walk.gpa, linear, CPU_FETCH, &host);
        if (e->page == TLB_INVALID && cpu->mmu->n_fetched < FETCH_ENTRIES) {
            cpu->mmu->fetched[cpu->mmu->n_fetched++] = (uint16_t)(e - cpu->mmu->fetch[0]);
        }
        *e = (FetchEntry){ page, walk.gpa, host.host, walk.global };
        note_large(cpu, linear, &walk);
        if (!user) {
            cpu->mmu->local_code = cpu->mmu->local_code || !walk.global;
            cpu->mmu->lower_code = cpu->mmu->lower_code || !mmu_upper(linear);
        }
    }
    return e;
}

size_t mmu_fetch(Cpu *cpu, uint64_t linear, uint8_t *buf, size_t n, uint64_t *gpa)
{
    const FetchEntry *e = fetch_entry(cpu, linear);
    size_t left = GUEST_PAGE_SIZE - (linear & 0xfff);
    if (n > left) {
        n = left;
    }
    memcpy(buf, e->host + (linear & 0xfff), n);
    *gpa = e->gpa | (linear & 0xfff);
    return n;
}

uint64_t mmu_fetch_gpa(Cpu *cpu, uint64_t linear)
{
    return fetch_entry(cpu, linear)->gpa | (linear & 0xfff);
}

bool mmu_peek(Cpu *cpu, uint64_t linear, uint64_t *gpa)
{
    return walk_peek(cpu, linear, gpa);
}
