/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Targets of near branches. */
#ifndef SWTDX_BRANCH_H
#define SWTDX_BRANCH_H

#include "core.h"
#include "int.h"

/* Outside 64-bit code RIP is cut to 32 bits, or to 16 with 16-bit operands. */
static inline uint64_t branch_cut(const Op *op, uint64_t rip)
{
    return op->size == 8 ? rip : op->size == 4 ? (uint32_t)rip : (uint16_t)rip;
}

static inline uint64_t branch_direct(const Cpu *cpu, const Op *op)
{
    return cpu->regs[GPR_PAGE] + op->imm;
}

/*
 * A target that is not canonical, or beyond CS, faults on the jump itself (SDM vol. 2, JMP, CALL,
 * RET).
 */
static inline void branch_check(Cpu *cpu, const Op *op, uint64_t rip)
{
    if (likely(cpu->mode & CPU_MODE_CS64)) {
        unsigned shift = cpu->cr4 & CR4_LA57 ? 7 : 16;
        if (unlikely((uint64_t)((int64_t)(rip << shift) >> shift) != rip)) {
            op_raise(cpu, op, VEC_GP, 0);
        }
    } else if (unlikely(rip > cpu->seg[SEG_CS].limit)) {
        op_raise(cpu, op, VEC_GP, 0);
    }
}

#endif
