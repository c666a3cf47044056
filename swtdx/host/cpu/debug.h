/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debug registers at work: breakpoints on instructions and data, single steps (Intel SDM vol. 3,
 * ch. 18).
 *
 * While DR7 enables anything, run.c executes one instruction at a time, and no TLB entry stands for
 * a page that holds a watched byte, so that each access to it comes to mmu.c's slow paths, which
 * tell debug_access(). What was hit waits in CoreState.debug_hits for the end of the instruction.
 * Breakpoints on ports never match: in a TD all port I/O is #VE. Own thread.
 */
#ifndef SWTDX_DEBUG_H
#define SWTDX_DEBUG_H

#include "core.h"

#define DR6_BD (1u << 13)
#define DR6_BS (1u << 14)
#define DR7_GD (1u << 13)
#define DEBUGCTL_LBR (1u << 0)
#define DEBUGCTL_BTF (1u << 1)

/* After a change of DR0..3 or DR7. */
void debug_update(Cpu *cpu);
/* Whether a byte of the linear page is watched for data accesses. */
bool debug_watches(const Cpu *cpu, uint64_t page);
/* An access was allowed. */
void debug_access(Cpu *cpu, uint64_t linear, size_t n, CpuAccess access);
/*
 * What a #DB tells in DR6: matches (bits 3:0) are those of this one, all else stays until software
 * clears it (SDM vol. 3, 18.2.3).
 */
static inline void debug_tell(Cpu *cpu, uint32_t bits)
{
    cpu->dr[6] = (cpu->dr[6] & ~UINT64_C(0xf)) | bits;
}

/* Before the instruction at cpu->rip: raises #DB, a fault, for an instruction breakpoint. */
void debug_fetch(Cpu *cpu);
/* Between instructions: raises #DB, a trap, for what was hit. */
void debug_trap(Cpu *cpu);

#endif
