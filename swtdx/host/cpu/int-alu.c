/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC NEG NOT.
 */
#include "int-alu.h"

#define DEFINE_ALU(name, NAME, bits)                                      \
    HANDLER(op_##name##_rr##bits)                                         \
    {                                                                     \
        uint64_t a = SEXT(bits, REG_READ(bits, op->dst));                 \
        uint64_t b = SEXT(bits, REG_READ(bits, op->src));                 \
        uint64_t res = SEXT(bits, RESULT_##NAME);                         \
        FLAGS_##NAME;                                                     \
        reg_write##bits(cpu, op->dst, res);                               \
        NEXT(cpu, op);                                                    \
    }                                                                     \
    HANDLER(op_##name##_ri##bits)                                         \
    {                                                                     \
        uint64_t a = SEXT(bits, REG_READ(bits, op->dst));                 \
        uint64_t b = op->imm;                                             \
        uint64_t res = SEXT(bits, RESULT_##NAME);                         \
        FLAGS_##NAME;                                                     \
        reg_write##bits(cpu, op->dst, res);                               \
        NEXT(cpu, op);                                                    \
    }                                                                     \
    HANDLER(op_##name##_rm##bits)                                         \
    {                                                                     \
        uint64_t b = SEXT(bits, mmu_load##bits(cpu, op, LINEAR(bits, false))); \
        uint64_t a = SEXT(bits, REG_READ(bits, op->dst));                 \
        uint64_t res = SEXT(bits, RESULT_##NAME);                         \
        FLAGS_##NAME;                                                     \
        reg_write##bits(cpu, op->dst, res);                               \
        NEXT(cpu, op);                                                    \
    }                                                                     \
    HANDLER(op_##name##_mr##bits)                                         \
    {                                                                     \
        uint64_t linear = LINEAR(bits, true);                             \
        uint64_t a = SEXT(bits, rmw_load##bits(cpu, op, linear));         \
        uint64_t b = SEXT(bits, REG_READ(bits, op->src));                 \
        uint64_t res = SEXT(bits, RESULT_##NAME);                         \
        mmu_store##bits(cpu, op, linear, (uint##bits##_t)res);            \
        FLAGS_##NAME;                                                     \
        NEXT(cpu, op);                                                    \
    }                                                                     \
    HANDLER(op_##name##_mi##bits)                                         \
    {                                                                     \
        uint64_t linear = LINEAR(bits, true);                             \
        uint64_t a = SEXT(bits, rmw_load##bits(cpu, op, linear));         \
        uint64_t b = op->imm;                                             \
        uint64_t res = SEXT(bits, RESULT_##NAME);                         \
        mmu_store##bits(cpu, op, linear, (uint##bits##_t)res);            \
        FLAGS_##NAME;                                                     \
        NEXT(cpu, op);                                                    \
    }

/* CMP and TEST: the same without the write. */
#define DEFINE_COMPARE(name, NAME, bits)                                       \
    HANDLER(op_##name##_rr##bits)                                              \
    {                                                                          \
        uint64_t a = SEXT(bits, REG_READ(bits, op->dst));                      \
        uint64_t b = SEXT(bits, REG_READ(bits, op->src));                      \
        uint64_t res = SEXT(bits, RESULT_##NAME);                              \
        FLAGS_##NAME;                                                          \
        NEXT(cpu, op);                                                         \
    }                                                                          \
    HANDLER(op_##name##_ri##bits)                                              \
    {                                                                          \
        uint64_t a = SEXT(bits, REG_READ(bits, op->dst));                      \
        uint64_t b = op->imm;                                                  \
        uint64_t res = SEXT(bits, RESULT_##NAME);                              \
        FLAGS_##NAME;                                                          \
        NEXT(cpu, op);                                                         \
    }                                                                          \
    HANDLER(op_##name##_rm##bits)                                              \
    {                                                                          \
        uint64_t b = SEXT(bits, mmu_load##bits(cpu, op, LINEAR(bits, false))); \
        uint64_t a = SEXT(bits, REG_READ(bits, op->dst));                      \
        uint64_t res = SEXT(bits, RESULT_##NAME);                              \
        FLAGS_##NAME;                                                          \
        NEXT(cpu, op);                                                         \
    }                                                                          \
    HANDLER(op_##name##_mr##bits)                                              \
    {                                                                          \
        uint64_t a = SEXT(bits, mmu_load##bits(cpu, op, LINEAR(bits, false))); \
        uint64_t b = SEXT(bits, REG_READ(bits, op->src));                      \
        uint64_t res = SEXT(bits, RESULT_##NAME);                              \
        FLAGS_##NAME;                                                          \
        NEXT(cpu, op);                                                         \
    }                                                                          \
    HANDLER(op_##name##_mi##bits)                                              \
    {                                                                          \
        uint64_t a = SEXT(bits, mmu_load##bits(cpu, op, LINEAR(bits, false))); \
        uint64_t b = op->imm;                                                  \
        uint64_t res = SEXT(bits, RESULT_##NAME);                              \
        FLAGS_##NAME;                                                          \
        NEXT(cpu, op);                                                         \
    }

#define CARRY_INC uint64_t carry = flags_cf(cpu)
#define CARRY_DEC uint64_t carry = flags_cf(cpu)
#define CARRY_NEG ((void)0)
#define CARRY_NOT ((void)0)

#define DEFINE_UNARY(name, NAME, bits)                                    \
    HANDLER(op_##name##_r##bits)                                          \
    {                                                                     \
        uint64_t a = SEXT(bits, REG_READ(bits, op->dst));                 \
        uint64_t res = SEXT(bits, RESULT_##NAME);                         \
        CARRY_##NAME;                                                     \
        FLAGS_##NAME;                                                     \
        reg_write##bits(cpu, op->dst, res);                               \
        NEXT(cpu, op);                                                    \
    }                                                                     \
    HANDLER(op_##name##_m##bits)                                          \
    {                                                                     \
        uint64_t linear = LINEAR(bits, true);                             \
        uint64_t a = SEXT(bits, rmw_load##bits(cpu, op, linear));         \
        uint64_t res = SEXT(bits, RESULT_##NAME);                         \
        mmu_store##bits(cpu, op, linear, (uint##bits##_t)res);            \
        CARRY_##NAME;                                                     \
        FLAGS_##NAME;                                                     \
        NEXT(cpu, op);                                                    \
    }

#define SIZES(DEFINE, name, NAME) \
    DEFINE(name, NAME, 8) DEFINE(name, NAME, 16) DEFINE(name, NAME, 32) DEFINE(name, NAME, 64)

#define RESULT_CMP RESULT_SUB
#define FLAGS_CMP FLAGS_SUB
#define RESULT_TEST RESULT_AND
#define FLAGS_TEST FLAGS_AND

SIZES(DEFINE_ALU, add, ADD)
SIZES(DEFINE_ALU, or, OR)
SIZES(DEFINE_ALU, adc, ADC)
SIZES(DEFINE_ALU, sbb, SBB)
SIZES(DEFINE_ALU, and, AND)
SIZES(DEFINE_ALU, sub, SUB)
SIZES(DEFINE_ALU, xor, XOR)
SIZES(DEFINE_COMPARE, cmp, CMP)
SIZES(DEFINE_COMPARE, test, TEST)
SIZES(DEFINE_UNARY, inc, INC)
SIZES(DEFINE_UNARY, dec, DEC)
SIZES(DEFINE_UNARY, neg, NEG)
SIZES(DEFINE_UNARY, not, NOT)

#define FORM_ROW(name, form)                                                 \
    { op_##name##_##form##8, op_##name##_##form##16, op_##name##_##form##32, \
      op_##name##_##form##64 }
#define BINARY_ROW(name)                                                \
    {                                                                   \
        [FORM_RR] = FORM_ROW(name, rr), [FORM_RI] = FORM_ROW(name, ri), \
        [FORM_RM] = FORM_ROW(name, rm),                                 \
        [FORM_MR] = FORM_ROW(name, mr), [FORM_MI] = FORM_ROW(name, mi), \
    }

static const OpFn cmp_forms[FORM_COUNT][4] = BINARY_ROW(cmp);
static const OpFn test_forms[FORM_COUNT][4] = BINARY_ROW(test);

static const struct {
    ZydisMnemonic mnemonic;
    OpFn fn[FORM_COUNT][4];
} binary[] = {
    { ZYDIS_MNEMONIC_ADD, BINARY_ROW(add) }, { ZYDIS_MNEMONIC_OR, BINARY_ROW(or) },
    { ZYDIS_MNEMONIC_ADC, BINARY_ROW(adc) }, { ZYDIS_MNEMONIC_SBB, BINARY_ROW(sbb) },
    { ZYDIS_MNEMONIC_AND, BINARY_ROW(and) }, { ZYDIS_MNEMONIC_SUB, BINARY_ROW(sub) },
    { ZYDIS_MNEMONIC_XOR, BINARY_ROW(xor) }, { ZYDIS_MNEMONIC_CMP, BINARY_ROW(cmp) },
    { ZYDIS_MNEMONIC_TEST, BINARY_ROW(test) },
};

static const struct {
    ZydisMnemonic mnemonic;
    OpFn r[4], m[4];
} unary[] = {
    { ZYDIS_MNEMONIC_INC, FORM_ROW(inc, r), FORM_ROW(inc, m) },
    { ZYDIS_MNEMONIC_DEC, FORM_ROW(dec, r), FORM_ROW(dec, m) },
    { ZYDIS_MNEMONIC_NEG, FORM_ROW(neg, r), FORM_ROW(neg, m) },
    { ZYDIS_MNEMONIC_NOT, FORM_ROW(not, r), FORM_ROW(not, m) },
};

bool alu_is_cmp(const Op *op, unsigned form, unsigned size_index)
{
    return op->fn == cmp_forms[form][size_index];
}

bool alu_is_test(const Op *op, unsigned form, unsigned size_index)
{
    return op->fn == test_forms[form][size_index];
}

/*
 * The flags' formulas want the immediate sign-extended from the operand's size, also where an
 * encoding has it unsigned.
 */
static uint64_t extend_immediate(uint64_t imm, unsigned size)
{
    return size == 1 ? SEXT(8, imm) : size == 2 ? SEXT(16, imm) : size == 4 ? SEXT(32, imm) : imm;
}

bool int_choose_alu(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)cpu;
    (void)ends;
    unsigned size = SIZE_INDEX(op->size);
    for (unsigned i = 0; i < sizeof(binary) / sizeof(binary[0]); i++) {
        if (binary[i].mnemonic == d->insn.mnemonic) {
            int form = int_form(d);
            if (form < 0) {
                return false;
            }
            if (form == FORM_MR) {
                op->src = op->dst; /* the only register */
            }
            op->imm = extend_immediate(op->imm, op->size);
            op->fn = binary[i].fn[form][size];
            return true;
        }
    }
    for (unsigned i = 0; i < sizeof(unary) / sizeof(unary[0]); i++) {
        if (unary[i].mnemonic == d->insn.mnemonic) {
            op->fn = int_unary_form(d) == FORM_RR ? unary[i].r[size] : unary[i].m[size];
            return true;
        }
    }
    return false;
}
