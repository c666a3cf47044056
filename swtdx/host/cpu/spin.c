/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recognises loops that only wait for memory to change. */
#include "spin.h"

static uint32_t register_bit(ZydisRegister reg)
{
    unsigned offset = decode_register(reg);
    return UINT32_C(1) << (offset / 8);
}

/* Compares registers or memory: what it reads decides only whether the loop goes on. */
static bool is_comparison(ZydisMnemonic mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_CMP || mnemonic == ZYDIS_MNEMONIC_TEST ||
           mnemonic == ZYDIS_MNEMONIC_BT;
}

static bool is_harmless(const Decoded *d)
{
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_JMP:
        return true;
    default:
        /* E0 to E3 are LOOP and JRCXZ, which go by a counter. */
        return is_comparison(d->insn.mnemonic) ||
               (d->insn.meta.category == ZYDIS_CATEGORY_COND_BR && (d->insn.opcode & 0xf0) != 0xe0);
    }
}

/* False: something other than a general register or plain memory, or memory is written. */
static bool note_operand(SpinScan *scan, const Decoded *d, const ZydisDecodedOperand *o,
                         uint32_t *writes)
{
    uint32_t reads = 0;
    bool weighs = !is_comparison(d->insn.mnemonic);
    switch (o->type) {
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        return true;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        if (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
            return false;
        }
        reads = register_bit(o->mem.base) | register_bit(o->mem.index);
        weighs = true;
        break;
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (!(o->reg.value >= ZYDIS_REGISTER_AL && o->reg.value <= ZYDIS_REGISTER_R15)) {
            return false;
        }
        if (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
            *writes |= register_bit(o->reg.value);
        }
        if (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ) {
            reads = register_bit(o->reg.value);
        }
        break;
    default:
        return false;
    }
    if (weighs) {
        scan->used |= reads & ~scan->written;
    }
    return true;
}

bool spin_step(SpinScan *scan, const Decoded *d, const Op *op, unsigned start)
{
    uint32_t writes = 0;
    if (scan->spoilt || !is_harmless(d)) {
        scan->spoilt = true;
        return false;
    }
    if (d->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE) {
        bool direct = d->operand[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
        return direct && op->imm == start && !(scan->used & scan->written);
    }
    for (unsigned i = 0;
         i < d->insn.operand_count_visible && d->insn.mnemonic != ZYDIS_MNEMONIC_NOP; i++) {
        if (!note_operand(scan, d, &d->operand[i], &writes)) {
            scan->spoilt = true;
            return false;
        }
    }
    scan->written |= writes;
    return false;
}
