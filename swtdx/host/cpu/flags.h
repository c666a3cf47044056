/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lazy flags: an instruction leaves operands and result in Cpu.cc, and who needs a flag computes
 * it.
 *
 * All three values are kept sign-extended from the operand's size to 64 bits. Sign extension keeps
 * both the signed and the unsigned order, so one formula per kind serves every size.
 */
#ifndef SWTDX_FLAGS_H
#define SWTDX_FLAGS_H

#include "cpu.h"

enum {
    CC_NONE,  /* the flags stand in Cpu.rflags */
    CC_HOST,  /* the low word of a: OF in bit 0, LAHF's byte in 15:8 (host code, jit-state.h) */
    CC_ADD,   /* res = a + b */
    CC_SUB,   /* res = a - b: SUB, CMP, NEG (a = 0) */
    CC_LOGIC, /* CF = OF = AF = 0 */
    CC_INC,   /* res = a + 1; b = the CF kept */
    CC_DEC,   /* res = a - 1; b = the CF kept */
    CC_ADC,   /* res = a + b + c */
    CC_SBB,   /* res = a - b - c */
    CC_RES,   /* SF ZF PF by res; CF OF AF stand in a, at their RFLAGS places */
};

static inline void flags_set(Cpu *cpu, uint32_t kind, uint64_t res, uint64_t a, uint64_t b)
{
    cpu->cc.res = res;
    cpu->cc.a = a;
    cpu->cc.b = b;
    cpu->cc.kind = kind;
}

static inline void flags_set_logic(Cpu *cpu, uint64_t res)
{
    cpu->cc.res = res;
    cpu->cc.kind = CC_LOGIC;
}

/* bits: FLAG_CF | FLAG_OF | FLAG_AF as they shall be */
static inline void flags_set_res(Cpu *cpu, uint64_t res, uint64_t bits)
{
    cpu->cc.res = res;
    cpu->cc.a = bits;
    cpu->cc.kind = CC_RES;
}

/* All six, of kinds CC_NONE and CC_HOST. (flags.c) */
uint64_t flags_kept(const Cpu *cpu);
/* Slow forms (flags.c). */
bool flags_cf_slow(const Cpu *cpu);
bool flags_of_slow(const Cpu *cpu);
/* Replaces the flags of `mask` (within FLAG_ARITH) by those of `value`, keeping the others. */
void flags_replace(Cpu *cpu, uint64_t mask, uint64_t value);
/* Replaces CF and OF only: rotates. */
void flags_replace_cf_of(Cpu *cpu, uint64_t cf_of);

/* Parity of the low byte, as PF. */
static inline bool flags_parity(uint64_t res)
{
    return !__builtin_parity((unsigned)(res & 0xff));
}

static inline bool flags_cf(const Cpu *cpu)
{
    switch (cpu->cc.kind) {
    case CC_SUB:
        return cpu->cc.a < cpu->cc.b;
    case CC_ADD:
        return cpu->cc.res < cpu->cc.a;
    case CC_LOGIC:
        return false;
    default:
        return flags_cf_slow(cpu);
    }
}

static inline bool flags_of(const Cpu *cpu)
{
    switch (cpu->cc.kind) {
    case CC_SUB:
        return ((cpu->cc.a ^ cpu->cc.b) & (cpu->cc.a ^ cpu->cc.res)) >> 63;
    case CC_LOGIC:
        return false;
    default:
        return flags_of_slow(cpu);
    }
}

static inline bool flags_zf(const Cpu *cpu)
{
    return likely(cpu->cc.kind > CC_HOST) ? cpu->cc.res == 0 : (flags_kept(cpu) & FLAG_ZF) != 0;
}

static inline bool flags_sf(const Cpu *cpu)
{
    return likely(cpu->cc.kind > CC_HOST) ? (int64_t)cpu->cc.res < 0
                                          : (flags_kept(cpu) & FLAG_SF) != 0;
}

static inline bool flags_pf(const Cpu *cpu)
{
    return likely(cpu->cc.kind > CC_HOST) ? flags_parity(cpu->cc.res)
                                          : (flags_kept(cpu) & FLAG_PF) != 0;
}

/* SF != OF */
static inline bool flags_less(const Cpu *cpu)
{
    if (likely(cpu->cc.kind == CC_SUB)) {
        return (int64_t)cpu->cc.a < (int64_t)cpu->cc.b;
    }
    return flags_sf(cpu) != flags_of(cpu);
}

/*
 * The condition encoded in the low four bits of Jcc, SETcc, CMOVcc (SDM vol. 1, appendix B).
 * Constant `cond`: folds.
 */
static inline __attribute__((always_inline)) bool flags_condition(const Cpu *cpu, unsigned cond)
{
    bool yes;
    switch (cond >> 1) {
    case 0:
        yes = flags_of(cpu);
        break;
    case 1:
        yes = flags_cf(cpu);
        break;
    case 2:
        yes = flags_zf(cpu);
        break;
    case 3:
        yes = cpu->cc.kind == CC_SUB ? cpu->cc.a <= cpu->cc.b : (flags_zf(cpu) || flags_cf(cpu));
        break;
    case 4:
        yes = flags_sf(cpu);
        break;
    case 5:
        yes = flags_pf(cpu);
        break;
    case 6:
        yes = flags_less(cpu);
        break;
    default:
        yes = flags_zf(cpu) || flags_less(cpu);
        break;
    }
    return yes != (bool)(cond & 1);
}

/* The same right after a - b, before the flags are stored: fused CMP and Jcc. */
static inline __attribute__((always_inline)) bool flags_condition_sub(unsigned cond, uint64_t a,
                                                                      uint64_t b, uint64_t res)
{
    bool yes;
    switch (cond >> 1) {
    case 0:
        yes = ((a ^ b) & (a ^ res)) >> 63;
        break;
    case 1:
        yes = a < b;
        break;
    case 2:
        yes = a == b;
        break;
    case 3:
        yes = a <= b;
        break;
    case 4:
        yes = (int64_t)res < 0;
        break;
    case 5:
        yes = flags_parity(res);
        break;
    case 6:
        yes = (int64_t)a < (int64_t)b;
        break;
    default:
        yes = (int64_t)a <= (int64_t)b;
        break;
    }
    return yes != (bool)(cond & 1);
}

/* The same after a logical operation: OF = CF = 0. */
static inline __attribute__((always_inline)) bool flags_condition_logic(unsigned cond, uint64_t res)
{
    bool yes;
    switch (cond >> 1) {
    case 0:
    case 1:
        yes = false;
        break;
    case 2:
    case 3:
        yes = res == 0;
        break;
    case 4:
    case 6:
        yes = (int64_t)res < 0;
        break;
    case 5:
        yes = flags_parity(res);
        break;
    default:
        yes = (int64_t)res <= 0;
        break;
    }
    return yes != (bool)(cond & 1);
}

#endif
