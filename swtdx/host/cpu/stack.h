/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pushing and popping in any mode (Intel SDM vol. 1, 6.2).
 */
#ifndef SWTDX_STACK_H
#define SWTDX_STACK_H

#include "int.h"

/* The bits of RSP that are the stack pointer. */
static inline uint64_t stack_mask(const Cpu *cpu)
{
    return cpu->mode & CPU_MODE_CS64   ? UINT64_MAX
           : cpu->mode & CPU_MODE_SS32 ? UINT32_MAX
                                       : UINT16_MAX;
}

static inline uint64_t stack_linear(Cpu *cpu, const Op *op, uint64_t pointer, unsigned size,
                                    bool write)
{
    if (likely(cpu->mode & (CPU_MODE_CS64 | CPU_MODE_FLAT))) {
        return pointer;
    }
    return segment_linear_slow(cpu, op, SEG_SS, pointer, size, write);
}

static inline void stack_set(Cpu *cpu, uint64_t pointer)
{
    uint64_t mask = stack_mask(cpu);
    cpu->regs[GPR_RSP] = (cpu->regs[GPR_RSP] & ~mask) | (pointer & mask);
}

static inline void mmu_store_sized(Cpu *cpu, const Op *op, uint64_t linear, uint64_t v,
                                   unsigned size)
{
    if (size == 8) {
        mmu_store64(cpu, op, linear, v);
    } else if (size == 4) {
        mmu_store32(cpu, op, linear, (uint32_t)v);
    } else {
        mmu_store16(cpu, op, linear, (uint16_t)v);
    }
}

static inline uint64_t mmu_load_sized(Cpu *cpu, const Op *op, uint64_t linear, unsigned size)
{
    return size == 8   ? mmu_load64(cpu, op, linear)
           : size == 4 ? mmu_load32(cpu, op, linear)
                       : mmu_load16(cpu, op, linear);
}

/* size 2, 4 or 8 */
static inline void stack_push(Cpu *cpu, const Op *op, uint64_t v, unsigned size)
{
    uint64_t pointer = (cpu->regs[GPR_RSP] - size) & stack_mask(cpu);
    mmu_store_sized(cpu, op, stack_linear(cpu, op, pointer, size, true), v, size);
    stack_set(cpu, pointer);
}

/* The value `skip` bytes above the top; moves nothing. */
static inline uint64_t stack_peek(Cpu *cpu, const Op *op, uint64_t skip, unsigned size)
{
    uint64_t pointer = (cpu->regs[GPR_RSP] + skip) & stack_mask(cpu);
    return mmu_load_sized(cpu, op, stack_linear(cpu, op, pointer, size, false), size);
}

#endif
