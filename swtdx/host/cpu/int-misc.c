/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flag instructions, LAHF SAHF, NOP, BOUND, the decimal instructions of 32-bit code, SERIALIZE.
 */
#include "block.h"
#include "int.h"

HANDLER(op_clc)
{
    flags_replace(cpu, FLAG_CF, 0);
    NEXT(cpu, op);
}

HANDLER(op_stc)
{
    flags_replace(cpu, FLAG_CF, FLAG_CF);
    NEXT(cpu, op);
}

HANDLER(op_cmc)
{
    flags_replace(cpu, FLAG_CF, ~cpu_rflags(cpu));
    NEXT(cpu, op);
}

HANDLER(op_cld)
{
    cpu->rflags &= ~(uint64_t)FLAG_DF;
    NEXT(cpu, op);
}

HANDLER(op_std)
{
    cpu->rflags |= FLAG_DF;
    NEXT(cpu, op);
}

#define LAHF_FLAGS (FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF)

HANDLER(op_lahf)
{
    reg_write8(cpu, GPR_RAX * 8 + 1, (cpu_rflags(cpu) & LAHF_FLAGS) | 2);
    NEXT(cpu, op);
}

HANDLER(op_sahf)
{
    flags_replace(cpu, LAHF_FLAGS, CPU_REG(cpu, uint8_t, GPR_RAX * 8 + 1));
    NEXT(cpu, op);
}

/* AL = CF ? FFh : 0; undocumented but there (SDM vol. 2, appendix A, opcode D6) */
HANDLER(op_salc)
{
    reg_write8(cpu, GPR_RAX * 8, flags_cf(cpu) ? 0xff : 0);
    NEXT(cpu, op);
}

HANDLER(op_nop)
{
    NEXT(cpu, op);
}

HANDLER(op_serialize)
{
    return block_leave(cpu, op);
}

/* Lower and upper bound, signed, inclusive. */
HANDLER(op_bound)
{
    unsigned size = op->size;
    uint64_t linear = op_linear(cpu, op, 2 * size, false);
    int64_t lower, upper, v;
    if (size == 2) {
        lower = (int16_t)mmu_load16(cpu, op, linear);
        upper = (int16_t)mmu_load16(cpu, op, linear + 2);
        v = (int16_t)REG_READ(16, op->dst);
    } else {
        lower = (int32_t)mmu_load32(cpu, op, linear);
        upper = (int32_t)mmu_load32(cpu, op, linear + 4);
        v = (int32_t)REG_READ(32, op->dst);
    }
    if (v < lower || v > upper) {
        op_raise(cpu, op, VEC_BR, 0);
    }
    NEXT(cpu, op);
}

/* ---- decimal adjustment: Intel SDM vol. 2, DAA, DAS, AAA, AAS, AAM, AAD ---- */

static void decimal_adjust(Cpu *cpu, bool subtract)
{
    uint64_t f = cpu_rflags(cpu);
    uint8_t al = (uint8_t)cpu->regs[GPR_RAX], old = al;
    bool cf = f & FLAG_CF, af = f & FLAG_AF, carry = false;
    if ((old & 0xf) > 9 || af) {
        carry = cf || (subtract ? old < 6 : old > 0xf9);
        al = subtract ? al - 6 : al + 6;
        af = true;
    }
    if (old > 0x99 || cf) {
        al = subtract ? al - 0x60 : al + 0x60;
        carry = true;
    }
    reg_write8(cpu, GPR_RAX * 8, al);
    flags_set_res(cpu, SEXT(8, al), (carry ? FLAG_CF : 0) | (af ? FLAG_AF : 0));
}

HANDLER(op_daa)
{
    decimal_adjust(cpu, false);
    NEXT(cpu, op);
}

HANDLER(op_das)
{
    decimal_adjust(cpu, true);
    NEXT(cpu, op);
}

static void ascii_adjust(Cpu *cpu, bool subtract)
{
    uint16_t ax = (uint16_t)cpu->regs[GPR_RAX];
    bool adjust = (ax & 0xf) > 9 || (cpu_rflags(cpu) & FLAG_AF) != 0;
    if (adjust) {
        ax = subtract ? ax - 0x106 : ax + 0x106;
    }
    ax &= 0xff0f;
    reg_write16(cpu, GPR_RAX * 8, ax);
    flags_set_res(cpu, SEXT(8, ax), adjust ? FLAG_CF | FLAG_AF : 0);
}

HANDLER(op_aaa)
{
    ascii_adjust(cpu, false);
    NEXT(cpu, op);
}

HANDLER(op_aas)
{
    ascii_adjust(cpu, true);
    NEXT(cpu, op);
}

HANDLER(op_aam)
{
    uint8_t base = (uint8_t)op->imm, al = (uint8_t)cpu->regs[GPR_RAX];
    if (base == 0) {
        op_raise(cpu, op, VEC_DE, 0);
    }
    reg_write16(cpu, GPR_RAX * 8, (uint64_t)(al / base) << 8 | al % base);
    flags_set_res(cpu, SEXT(8, al % base), 0);
    NEXT(cpu, op);
}

HANDLER(op_aad)
{
    uint16_t ax = (uint16_t)cpu->regs[GPR_RAX];
    uint8_t al = (uint8_t)((ax & 0xff) + (ax >> 8) * (uint8_t)op->imm);
    reg_write16(cpu, GPR_RAX * 8, al);
    flags_set_res(cpu, SEXT(8, al), 0);
    NEXT(cpu, op);
}

static OpFn flag_handler(ZydisMnemonic mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_CLC:
        return op_clc;
    case ZYDIS_MNEMONIC_STC:
        return op_stc;
    case ZYDIS_MNEMONIC_CMC:
        return op_cmc;
    case ZYDIS_MNEMONIC_CLD:
        return op_cld;
    case ZYDIS_MNEMONIC_STD:
        return op_std;
    case ZYDIS_MNEMONIC_SALC:
        return op_salc;
    case ZYDIS_MNEMONIC_DAA:
        return op_daa;
    case ZYDIS_MNEMONIC_DAS:
        return op_das;
    case ZYDIS_MNEMONIC_AAA:
        return op_aaa;
    case ZYDIS_MNEMONIC_AAS:
        return op_aas;
    case ZYDIS_MNEMONIC_AAM:
        return op_aam;
    case ZYDIS_MNEMONIC_AAD:
        return op_aad;
    case ZYDIS_MNEMONIC_BOUND:
        return op_bound;
    case ZYDIS_MNEMONIC_NOP:
        return op_nop;
    default:
        return NULL;
    }
}

bool int_choose_misc(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_LAHF:
    case ZYDIS_MNEMONIC_SAHF: {
        bool offered = !(d->mode & CPU_MODE_CS64) ||
                       cpu->world->has_feature(cpu, FEATURE(0x80000001u, 0u, 2, 0));
        op->fn = !offered ? op_ud : d->insn.mnemonic == ZYDIS_MNEMONIC_LAHF ? op_lahf : op_sahf;
        return true;
    }
    case ZYDIS_MNEMONIC_SERIALIZE:
        op->fn = cpu->world->has_feature(cpu, FEATURE(7u, 0u, 3, 14)) ? op_serialize : op_ud;
        *ends = true;
        return true;
    default:
        op->fn = flag_handler(d->insn.mnemonic);
        return op->fn != NULL;
    }
}
