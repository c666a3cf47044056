/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints of the debug registers. */
#include "debug.h"

#include "mmu.h"

/* Kinds of a breakpoint, R/Wn of DR7; 2 is for ports. */
enum { BREAK_FETCH = 0, BREAK_WRITE = 1, BREAK_ACCESS = 3 };

typedef struct Breakpoint {
    uint64_t first;
    unsigned size;
    unsigned kind;
} Breakpoint;

/*
 * SDM vol. 3, 18.2.4 and 18.2.5: LENn 2 means 8 bytes; addresses count from a multiple of the
 * length.
 */
static bool breakpoint(const Cpu *cpu, unsigned n, Breakpoint *b)
{
    static const uint8_t sizes[] = { 1, 2, 8, 4 };
    uint64_t dr7 = cpu->dr[7];
    if (!(dr7 >> (2 * n) & 3)) {
        return false;
    }
    b->kind = dr7 >> (16 + 4 * n) & 3;
    b->size = b->kind == BREAK_FETCH ? 1 : sizes[dr7 >> (18 + 4 * n) & 3];
    b->first = cpu->dr[n] & ~(uint64_t)(b->size - 1);
    return true;
}

static bool is_data(const Breakpoint *b)
{
    return b->kind == BREAK_WRITE || b->kind == BREAK_ACCESS;
}

void debug_update(Cpu *cpu)
{
    bool armed = (cpu->dr[7] & 0xff) != 0;
    if (armed || cpu->debug_armed) {
        mmu_flush_all(cpu);
    }
    cpu->debug_armed = armed;
}

bool debug_watches(const Cpu *cpu, uint64_t page)
{
    Breakpoint b;
    for (unsigned n = 0; n < 4; n++) {
        if (breakpoint(cpu, n, &b) && is_data(&b) && (b.first & GUEST_PAGE_MASK) == page) {
            return true;
        }
    }
    return false;
}

void debug_access(Cpu *cpu, uint64_t linear, size_t n, CpuAccess access)
{
    Breakpoint b;
    for (unsigned i = 0; i < 4; i++) {
        if (breakpoint(cpu, i, &b) && is_data(&b) && (access == CPU_WRITE || b.kind == BREAK_ACCESS)
            && linear < b.first + b.size && b.first < linear + n) {
            cpu->core->debug_hits |= 1u << i;
        }
    }
}

void debug_fetch(Cpu *cpu)
{
    bool resume = cpu->core->resume_flag;
    uint64_t linear = cpu_64(cpu) ? cpu->rip : (uint32_t)(cpu->rip + cpu->seg[SEG_CS].base);
    uint32_t hits = 0;
    Breakpoint b;
    cpu->core->resume_flag = false;
    for (unsigned n = 0; n < 4 && !resume; n++) {
        if (breakpoint(cpu, n, &b) && b.kind == BREAK_FETCH && b.first == linear) {
            hits |= 1u << n;
        }
    }
    if (hits) {
        cpu->op = NULL;
        debug_tell(cpu, hits);
        cpu_raise(cpu, VEC_DB, 0);
    }
}

void debug_trap(Cpu *cpu)
{
    uint32_t hits = cpu->core->debug_hits;
    cpu->core->debug_hits = 0;
    cpu->op = NULL;
    debug_tell(cpu, hits);
    cpu_raise_trap(cpu, VEC_DB, false);
}
