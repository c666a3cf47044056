/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The integer family: who of its files takes an instruction.
 */
#include "int.h"

int int_unary_form(const Decoded *d)
{
    return decode_is_register(d, 0) ? FORM_RR : is_memory(d, 0) ? FORM_MR : -1;
}

int int_form(const Decoded *d)
{
    bool register0 = decode_is_register(d, 0), register1 = decode_is_register(d, 1);
    if (register0) {
        return register1 ? FORM_RR : is_memory(d, 1) ? FORM_RM : is_immediate(d, 1) ? FORM_RI : -1;
    }
    if (is_memory(d, 0)) {
        return register1 ? FORM_MR : is_immediate(d, 1) ? FORM_MI : -1;
    }
    return -1;
}

const Op *int_restart(Cpu *cpu, const Op *op)
{
    cpu->instructions += (uint64_t)(op - cpu->block->ops);
    cpu->rip = cpu_op_rip(cpu, op);
    return NULL;
}

bool family_integer(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    static const FamilyChooser files[] = {
        int_choose_atomic, /* first: it takes what is locked */
        int_choose_mov,
        int_choose_alu,
        int_choose_cond,
        int_choose_stack,
        int_choose_shift,
        int_choose_muldiv,
        int_choose_bits,
        int_choose_bmi,
        int_choose_misc,
    };
    /* Encodings of processors that are no TDX hosts share names: VEX.TZCNT of Knights Corner. */
    if (d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY
        && isa_feature(d->insn.meta.isa_set) == DECODE_NEVER) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i](cpu, d, op, ends)) {
            return true;
        }
    }
    return false;
}
