/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TSX on a processor whose every transaction aborts at once, as the SDM lets it (vol. 1, 16.3.8.2):
 * XBEGIN goes to its fallback with no reason in EAX, and nothing is ever inside a transaction.
 */
#include "system-ops.h"

const Op *op_xbegin(Cpu *cpu, const Op *op)
{
    uint64_t rip = cpu_op_next_rip(cpu, op) + op->imm;
    begin(cpu, op);
    if (!cpu_64(cpu)) {
        rip = op->size == 2 ? (uint16_t)rip : (uint32_t)rip;
    }
    if (cpu_64(cpu) ? !cpu_canonical(cpu, rip) : rip > cpu->seg[SEG_CS].limit) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu->regs[GPR_RAX] = 0;
    return leave_to(cpu, op, rip);
}

/* XTEST outside a transaction: ZF. */
const Op *op_xtest(Cpu *cpu, const Op *op)
{
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(uint64_t)FLAG_ARITH) | FLAG_ZF);
    NEXT(cpu, op);
}
