/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PEXTRx, EXTRACTPS, PINSRx, INSERTPS, PTEST in plain C (SDM vol. 2): general registers and flags.
 */
#include "vector-portable.h"

/*
 * Op fields: dst = vector register, src = general register's offset or second vector register, size
 * = element bytes
 */
enum { G_MEM = 1 };

static uint64_t get_element(const uint8_t *xmm, unsigned size, unsigned index)
{
    uint64_t v = 0;
    memcpy(&v, xmm + size * (index & (16 / size - 1)), size);
    return v;
}

static __attribute__((noinline)) void extract(Cpu *cpu, const Op *op)
{
    uint64_t v;

    vec_check_sse(cpu, op);
    v = get_element(vec_xmm(cpu, op->dst), op->size, (unsigned)op->imm);
    if (op->flags & G_MEM) {
        mmu_write(cpu, op, op_linear(cpu, op, op->size, true), &v, op->size);
    } else {
        CPU_REG(cpu, uint64_t, op->src) = v;
    }
}

static __attribute__((noinline)) void insert(Cpu *cpu, const Op *op)
{
    uint64_t v = 0;

    vec_check_sse(cpu, op);
    if (op->flags & G_MEM) {
        mmu_read(cpu, op, op_linear(cpu, op, op->size, false), &v, op->size);
    } else {
        v = CPU_REG(cpu, uint64_t, op->src);
    }
    memcpy(vec_xmm(cpu, op->dst) + op->size * (op->imm & (16u / op->size - 1)), &v, op->size);
}

static __attribute__((noinline)) void insertps(Cpu *cpu, const Op *op)
{
    unsigned imm = (unsigned)op->imm & 0xff;
    uint32_t v;

    vec_check_sse(cpu, op);
    if (op->flags & G_MEM) {
        v = mmu_load32(cpu, op, op_linear(cpu, op, 4, false));
    } else {
        v = (uint32_t)get_element(vec_xmm(cpu, op->src), 4, imm >> 6);
    }
    memcpy(vec_xmm(cpu, op->dst) + 4 * (imm >> 4 & 3), &v, 4);
    for (unsigned i = 0; i < 4; i++) {
        if (imm >> i & 1) {
            memset(vec_xmm(cpu, op->dst) + 4 * i, 0, 4);
        }
    }
}

static __attribute__((noinline)) void ptest(Cpu *cpu, const Op *op)
{
    Vec128 a, b;
    uint64_t flags;

    vec_check_sse(cpu, op);
    if (op->flags & G_MEM) {
        mmu_read(cpu, op, vec_align(cpu, op, op_linear(cpu, op, 16, false), 16), b.b, 16);
    } else {
        memcpy(b.b, vec_xmm(cpu, op->src), 16);
    }
    memcpy(a.b, vec_xmm(cpu, op->dst), 16);
    flags = ((a.q[0] & b.q[0]) | (a.q[1] & b.q[1]) ? 0 : FLAG_ZF);
    flags |= ((~a.q[0] & b.q[0]) | (~a.q[1] & b.q[1]) ? 0 : FLAG_CF);
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(uint64_t)FLAG_ARITH) | flags);
}

#define DEFINE_OP(name)                                \
    static const Op *op_##name(Cpu *cpu, const Op *op) \
    {                                                  \
        name(cpu, op);                                 \
        NEXT(cpu, op);                                 \
    }
DEFINE_OP(extract)
DEFINE_OP(insert)
DEFINE_OP(insertps)
DEFINE_OP(ptest)

bool vec_choose_portable_gpr(Cpu *cpu, const Decoded *d, Op *op)
{
    const ZydisDecodedOperand *vector = &d->operand[0], *other = &d->operand[1];
    OpFn fn;
    unsigned size = 4;

    if (d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
        return false;
    }
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_PEXTRB:
    case ZYDIS_MNEMONIC_PEXTRW:
    case ZYDIS_MNEMONIC_PEXTRD:
    case ZYDIS_MNEMONIC_PEXTRQ:
    case ZYDIS_MNEMONIC_EXTRACTPS:
        fn = op_extract;
        vector = &d->operand[1];
        other = &d->operand[0];
        break;
    case ZYDIS_MNEMONIC_PINSRB:
    case ZYDIS_MNEMONIC_PINSRD:
    case ZYDIS_MNEMONIC_PINSRQ:
        fn = op_insert;
        break;
    case ZYDIS_MNEMONIC_INSERTPS:
        fn = op_insertps;
        break;
    case ZYDIS_MNEMONIC_PTEST:
        fn = op_ptest;
        break;
    default:
        return false;
    }
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_PEXTRB:
    case ZYDIS_MNEMONIC_PINSRB:
        size = 1;
        break;
    case ZYDIS_MNEMONIC_PEXTRW:
        size = 2;
        break;
    case ZYDIS_MNEMONIC_PEXTRQ:
    case ZYDIS_MNEMONIC_PINSRQ:
        size = 8;
        break;
    default:
        break;
    }
    if (!vec_is_class(vector, ZYDIS_REGCLASS_XMM)) {
        return false;
    }
    op->dst = (uint8_t)vec_reg(vector);
    op->size = (uint8_t)size;
    op->flags = other->type == ZYDIS_OPERAND_TYPE_MEMORY ? G_MEM : 0;
    if (!(op->flags & G_MEM)) {
        op->src = (uint8_t)(vec_is_gpr(other) ? vec_reg(other) * 8 : vec_reg(other));
    }
    op->fn = fn;
    return true;
}
