/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow-stack accesses (Intel SDM vol. 3, 4.6: shadow-stack pages only, with an error code of
 * their own) and what stands on shadow stacks (vol. 1, 18.2). `user` says with whose rights.
 */
#ifndef SWTDX_SHADOW_STACK_H
#define SWTDX_SHADOW_STACK_H

#include "core.h"

#define SHADOW_BUSY UINT64_C(1)

/* size is 4 or 8, `linear` a multiple of 4; a store is all or nothing. They raise like mmu.h's. */
uint64_t shadow_load(Cpu *cpu, const Op *op, uint64_t linear, unsigned size, bool user);
void shadow_store(Cpu *cpu, const Op *op, uint64_t linear, uint64_t value, unsigned size,
                  bool user);
/*
 * Atomically, 8 bytes at a multiple of 8: true if *expected stood there and `value` does now; else
 * *expected tells what stands there. A write as far as rights are concerned.
 */
bool shadow_exchange(Cpu *cpu, const Op *op, uint64_t linear, uint64_t *expected, uint64_t value,
                     bool user);
/* The same where what stood there is of no interest. */
static inline bool shadow_replace(Cpu *cpu, const Op *op, uint64_t linear, uint64_t expected,
                                  uint64_t value, bool user)
{
    return shadow_exchange(cpu, op, linear, &expected, value, user);
}

/* Addresses are of 32 bits outside 64-bit mode (18.2.1). */
static inline uint64_t shadow_address(const Cpu *cpu, uint64_t linear)
{
    return cpu_64(cpu) ? linear : (uint32_t)linear;
}

#endif
