/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flags computed from the lazy triple (Intel SDM vol. 1, 3.4.3.1 and appendix A).
 */
#include "flags.h"

/* The carry that went into an ADC or SBB follows from the operands and the result. */
static bool carry_in(const LazyFlags *cc)
{
    uint64_t without = cc->kind == CC_ADC ? cc->a + cc->b : cc->a - cc->b;
    return (cc->res ^ without) & 1;
}

uint64_t flags_kept(const Cpu *cpu)
{
    if (cpu->cc.kind == CC_NONE) {
        return cpu->rflags & FLAG_ARITH;
    }
    return (cpu->cc.a >> 8 & (FLAG_ARITH & 0xff)) | (cpu->cc.a & 1 ? FLAG_OF : 0);
}

bool flags_cf_slow(const Cpu *cpu)
{
    const LazyFlags *cc = &cpu->cc;
    switch (cc->kind) {
    case CC_ADD:
        return cc->res < cc->a;
    case CC_SUB:
        return cc->a < cc->b;
    case CC_LOGIC:
        return false;
    case CC_INC:
    case CC_DEC:
        return cc->b & 1;
    case CC_ADC:
        return carry_in(cc) ? cc->res <= cc->a : cc->res < cc->a;
    case CC_SBB:
        return carry_in(cc) ? cc->a <= cc->b : cc->a < cc->b;
    case CC_RES:
        return cc->a & FLAG_CF;
    default:
        return flags_kept(cpu) & FLAG_CF;
    }
}

bool flags_of_slow(const Cpu *cpu)
{
    const LazyFlags *cc = &cpu->cc;
    switch (cc->kind) {
    case CC_ADD:
    case CC_ADC:
        return (~(cc->a ^ cc->b) & (cc->a ^ cc->res)) >> 63;
    case CC_SUB:
    case CC_SBB:
        return ((cc->a ^ cc->b) & (cc->a ^ cc->res)) >> 63;
    case CC_LOGIC:
        return false;
    case CC_INC:
        return (~cc->a & cc->res) >> 63;
    case CC_DEC:
        return (cc->a & ~cc->res) >> 63;
    case CC_RES:
        return cc->a & FLAG_OF;
    default:
        return flags_kept(cpu) & FLAG_OF;
    }
}

/* FLAG_AF or 0. */
static uint64_t flags_af(const Cpu *cpu)
{
    const LazyFlags *cc = &cpu->cc;
    switch (cc->kind) {
    case CC_ADD:
    case CC_ADC:
    case CC_SUB:
    case CC_SBB:
        return (cc->a ^ cc->b ^ cc->res) & FLAG_AF;
    case CC_INC:
    case CC_DEC:
        return (cc->a ^ cc->res) & FLAG_AF;
    case CC_LOGIC:
        return 0;
    case CC_RES:
        return cc->a & FLAG_AF;
    default:
        return flags_kept(cpu) & FLAG_AF;
    }
}

/* All six in Cpu.rflags; Cpu.cc.kind becomes CC_NONE. */
static void flags_materialise(Cpu *cpu)
{
    if (cpu->cc.kind == CC_NONE) {
        return;
    }
    uint64_t f = flags_af(cpu);
    f |= flags_cf_slow(cpu) ? FLAG_CF : 0;
    f |= flags_of_slow(cpu) ? FLAG_OF : 0;
    f |= flags_zf(cpu) ? FLAG_ZF : 0;
    f |= flags_sf(cpu) ? FLAG_SF : 0;
    f |= flags_pf(cpu) ? FLAG_PF : 0;
    cpu->rflags = (cpu->rflags & ~(uint64_t)FLAG_ARITH) | f;
    cpu->cc.kind = CC_NONE;
}

void flags_replace(Cpu *cpu, uint64_t mask, uint64_t value)
{
    flags_materialise(cpu);
    cpu->rflags = (cpu->rflags & ~mask) | (value & mask);
}

void flags_replace_cf_of(Cpu *cpu, uint64_t cf_of)
{
    if (cpu->cc.kind <= CC_HOST) {
        flags_replace(cpu, FLAG_CF | FLAG_OF, cf_of);
        return;
    }
    cpu->cc.a = flags_af(cpu) | cf_of;
    cpu->cc.kind = CC_RES;
}

uint64_t cpu_rflags(Cpu *cpu)
{
    flags_materialise(cpu);
    return cpu->rflags;
}

void cpu_set_rflags(Cpu *cpu, uint64_t rflags)
{
    cpu->rflags = rflags;
    cpu->cc.kind = CC_NONE;
}
