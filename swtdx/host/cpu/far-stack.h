/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pushes and pops of instructions that do several of them: the stack pointer changes only at
 * far_commit(), so that a fault in between leaves it alone.
 */
#ifndef SWTDX_FAR_STACK_H
#define SWTDX_FAR_STACK_H

#include "mmu.h"
#include "segment.h"

typedef struct FarStack {
    Cpu *cpu;
    const Op *op;
    uint64_t pointer;
    uint64_t mask;
} FarStack;

static inline FarStack far_begin(Cpu *cpu, const Op *op)
{
    cpu->op = op;
    return (FarStack){ cpu, op, cpu->regs[GPR_RSP], segment_stack_mask(cpu) };
}

static inline uint64_t far_linear(const FarStack *s, uint64_t pointer, unsigned size, bool write)
{
    return segment_linear_slow(s->cpu, s->op, SEG_SS, pointer & s->mask, size, write);
}

static inline void far_push(FarStack *s, uint64_t value, unsigned size)
{
    s->pointer -= size;
    mmu_write(s->cpu, s->op, far_linear(s, s->pointer, size, true), &value, size);
}

static inline uint64_t far_pop(FarStack *s, unsigned size)
{
    uint64_t value = 0;
    mmu_read(s->cpu, s->op, far_linear(s, s->pointer, size, false), &value, size);
    s->pointer += size;
    return value;
}

/* By the mask of the stack that was used: bits above a 16-bit stack pointer stay. */
static inline void far_commit(const FarStack *s)
{
    uint64_t old = s->cpu->regs[GPR_RSP];
    s->cpu->regs[GPR_RSP] = s->mask == 0xffff ? (old & ~s->mask) | (s->pointer & s->mask)
                                              : s->pointer & s->mask;
}

#endif
