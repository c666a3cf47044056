/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handlers of the system family, by file, and what they share.
 */
#ifndef SWTDX_SYSTEM_OPS_H
#define SWTDX_SYSTEM_OPS_H

#include "block.h"
#include "core.h"
#include "cpu.h"
#include "mmu.h"

/* Makes cpu->op valid: cpu_raise(), the world and everything below them rely on it. */
static inline void begin(Cpu *cpu, const Op *op)
{
    cpu->op = op;
}

static inline void require_cpl0(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (cpu->cpl != 0) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

/* SGDT, SIDT, SLDT, STR, SMSW (SDM vol. 3, 2.5: UMIP). */
static inline void require_umip(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (cpu->cpl && (cpu->cr4 & CR4_UMIP)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

/*
 * Stores to a register of size 1..8 as instructions do: 32 bits clear the upper half.
 * (system-control.c)
 */
void system_write_register(Cpu *cpu, uint8_t offset, unsigned size, uint64_t value);

/* Ends the block with RIP elsewhere. */
static inline const Op *leave_to(Cpu *cpu, const Op *op, uint64_t rip)
{
    block_leave(cpu, op);
    cpu->rip = rip;
    return NULL;
}

/* Bits of Op.flags in this family. */
enum { SYS_MEMORY = 1u << 0 }; /* the operand is in memory, not in a register */

/* XINUSE: components that are not in their initial state. (xsave.c) */
uint64_t xsave_in_use(const Cpu *cpu);

#define DECLARE_OP(name) const Op *op_##name(Cpu *cpu, const Op *op)
/* msr.c */
DECLARE_OP(rdmsr);
DECLARE_OP(wrmsr);
/*
 * system-control.c. Op.imm = number of the control or debug register, Op.dst = the general register
 */
DECLARE_OP(mov_from_cr);
DECLARE_OP(mov_to_cr);
DECLARE_OP(mov_from_dr);
DECLARE_OP(mov_to_dr);
DECLARE_OP(clts);
DECLARE_OP(lmsw);
DECLARE_OP(smsw);
DECLARE_OP(invlpg);
DECLARE_OP(invpcid);
DECLARE_OP(xgetbv);
DECLARE_OP(xsetbv);
DECLARE_OP(rdpkru);
DECLARE_OP(wrpkru);
DECLARE_OP(cli);
DECLARE_OP(sti);
DECLARE_OP(clac);
DECLARE_OP(stac);
/* system-table.c */
DECLARE_OP(lgdt);
DECLARE_OP(lidt);
DECLARE_OP(sgdt);
DECLARE_OP(sidt);
DECLARE_OP(lldt);
DECLARE_OP(ltr);
DECLARE_OP(sldt);
DECLARE_OP(str);
DECLARE_OP(lar);
DECLARE_OP(lsl);
DECLARE_OP(verr);
DECLARE_OP(verw);
DECLARE_OP(arpl);
/* system-segment.c. Op.imm = SEG_* */
DECLARE_OP(mov_to_sreg);
DECLARE_OP(mov_from_sreg);
DECLARE_OP(push_sreg);
DECLARE_OP(pop_sreg);
DECLARE_OP(load_far_pointer);
DECLARE_OP(swapgs);
DECLARE_OP(rdbase);
DECLARE_OP(wrbase);
/* system-far.c */
DECLARE_OP(jmp_far);
DECLARE_OP(call_far);
DECLARE_OP(ret_far);
DECLARE_OP(iret);
DECLARE_OP(int_n);
DECLARE_OP(int1);
DECLARE_OP(into);
DECLARE_OP(syscall);
DECLARE_OP(sysret);
DECLARE_OP(sysenter);
DECLARE_OP(sysexit);
/* system-misc.c */
DECLARE_OP(cpuid);
DECLARE_OP(rdtsc);
DECLARE_OP(rdtscp);
DECLARE_OP(rdpid);
DECLARE_OP(rdpmc);
DECLARE_OP(hlt);
DECLARE_OP(port_io);
DECLARE_OP(exit_instruction);
DECLARE_OP(tdcall);
DECLARE_OP(rdrand);
DECLARE_OP(fence);
DECLARE_OP(cache_line);
DECLARE_OP(nothing);
DECLARE_OP(pause);
DECLARE_OP(gp);
DECLARE_OP(monitor);
DECLARE_OP(mwait);
DECLARE_OP(serialize);
DECLARE_OP(umwait);
/* transaction.c */
DECLARE_OP(xbegin);
DECLARE_OP(xtest);
#undef DECLARE_OP

#endif
