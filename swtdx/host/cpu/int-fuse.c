/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CMP or TEST with the conditional jump behind it, in one handler. The jump keeps its own Op,
 * op[1], which holds where it goes; so a fused pair can also be entered in the middle.
 */
#include "int.h"

#define JUMP_OR_NEXT(taken)                                                                   \
    do { \
        const Op *jump = op + 1;                                                              \
        if (taken) {                                                                          \
            EXIT_DIRECT(cpu, jump, cpu->regs[GPR_PAGE] + jump->imm);                          \
        }                                                                                     \
        NEXT(cpu, jump);                                                                      \
    } while (0)

#define OPERANDS_rr(bits)                             \
    uint64_t a = SEXT(bits, REG_READ(bits, op->dst)); \
    uint64_t b = SEXT(bits, REG_READ(bits, op->src))
#define OPERANDS_ri(bits)                             \
    uint64_t a = SEXT(bits, REG_READ(bits, op->dst)); \
    uint64_t b = op->imm
#define OPERANDS_rm(bits)                                                  \
    uint64_t b = SEXT(bits, mmu_load##bits(cpu, op, LINEAR(bits, false))); \
    uint64_t a = SEXT(bits, REG_READ(bits, op->dst))
#define OPERANDS_mr(bits)                                                  \
    uint64_t a = SEXT(bits, mmu_load##bits(cpu, op, LINEAR(bits, false))); \
    uint64_t b = SEXT(bits, REG_READ(bits, op->src))
#define OPERANDS_mi(bits)                                                  \
    uint64_t a = SEXT(bits, mmu_load##bits(cpu, op, LINEAR(bits, false))); \
    uint64_t b = op->imm

#define DEFINE_FUSED(form, bits, cond)                           \
    HANDLER(op_cmp_##form##bits##_j##cond)                       \
    {                                                            \
        OPERANDS_##form(bits);                                   \
        uint64_t res = SEXT(bits, a - b);                        \
        flags_set(cpu, CC_SUB, res, a, b);                       \
        JUMP_OR_NEXT(flags_condition_sub(cond, a, b, res));      \
    }                                                            \
    HANDLER(op_test_##form##bits##_j##cond)                      \
    {                                                            \
        OPERANDS_##form(bits);                                   \
        uint64_t res = SEXT(bits, a & b);                        \
        flags_set_logic(cpu, res);                               \
        JUMP_OR_NEXT(flags_condition_logic(cond, res));          \
    }

#define CONDITIONS(X, form, bits)                                                             \
    X(form, bits, 0) X(form, bits, 1) X(form, bits, 2) X(form, bits, 3) X(form, bits, 4)      \
    X(form, bits, 5) X(form, bits, 6) X(form, bits, 7) X(form, bits, 8) X(form, bits, 9)      \
    X(form, bits, 10) X(form, bits, 11) X(form, bits, 12) X(form, bits, 13) X(form, bits, 14) \
    X(form, bits, 15)
#define FORMS(X, bits) X(rr, bits) X(ri, bits) X(rm, bits) X(mr, bits) X(mi, bits)
#define DEFINE_CONDITIONS(form, bits) CONDITIONS(DEFINE_FUSED, form, bits)

FORMS(DEFINE_CONDITIONS, 8)
FORMS(DEFINE_CONDITIONS, 16)
FORMS(DEFINE_CONDITIONS, 32)
FORMS(DEFINE_CONDITIONS, 64)

#define CMP_ENTRY(form, bits, cond) op_cmp_##form##bits##_j##cond,
#define TEST_ENTRY(form, bits, cond) op_test_##form##bits##_j##cond,
#define CMP_ROW(form, bits) { CONDITIONS(CMP_ENTRY, form, bits) },
#define TEST_ROW(form, bits) { CONDITIONS(TEST_ENTRY, form, bits) },

/* [size][form][condition], forms in the order of FORM_* */
static const OpFn fused_cmp[4][FORM_COUNT][16] = {
    { FORMS(CMP_ROW, 8) }, { FORMS(CMP_ROW, 16) }, { FORMS(CMP_ROW, 32) }, { FORMS(CMP_ROW, 64) },
};
static const OpFn fused_test[4][FORM_COUNT][16] = {
    { FORMS(TEST_ROW, 8) }, { FORMS(TEST_ROW, 16) }, { FORMS(TEST_ROW, 32) },
    { FORMS(TEST_ROW, 64) },
};

void int_fuse(Op *op, const Op *jump)
{
    int cond = control_jump_condition(jump);
    if (cond < 0 || (op->mnemonic != ZYDIS_MNEMONIC_CMP && op->mnemonic != ZYDIS_MNEMONIC_TEST)) {
        return;
    }
    unsigned size = SIZE_INDEX(op->size);
    for (unsigned form = 0; form < FORM_COUNT; form++) {
        if (alu_is_cmp(op, form, size)) {
            op->fn = fused_cmp[size][form][cond];
            op->flags = OP_FUSED;
            return;
        }
        if (alu_is_test(op, form, size)) {
            op->fn = fused_test[size][form][cond];
            op->flags = OP_FUSED;
            return;
        }
    }
}
