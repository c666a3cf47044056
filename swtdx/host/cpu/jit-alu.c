/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Templates of arithmetic: the host's own instruction on the guest's operands leaves the guest's
 * flags in the host's.
 */
#include "jit-state.h"

enum { DIGIT_ADC = 2, DIGIT_SBB = 3, DIGIT_CMP = 7 };

/*
 * RAX or RCX <- host address of the memory operand; RCX, and the guest's flags in the host's, if
 * the operation reads them.
 */
static JitRm memory(JitCode *c, bool write, bool flags)
{
    jit_linear(c);
    jit_lookup(c, c->op->size, write);
    if (!flags) {
        return rm_mem(H_RAX, 0);
    }
    emit_rm(&c->b, 8, 0x89, H_RAX, rm_reg(H_RCX));
    jit_flags_want(c);
    return rm_mem(H_RCX, 0);
}

static void alu_to_register(JitCode *c, unsigned digit, bool carry)
{
    const Op *op = c->op;
    JitRm from = { .reg = H_NONE };
    if (op->form == FORM_RM) {
        from = memory(c, false, carry);
    } else if (carry) {
        jit_flags_want(c);
    }
    unsigned to = jit_dst(c, op->dst, H_RDX, true);
    if (op->form == FORM_RI) {
        emit_alu_imm(&c->b, op->size, digit, rm_reg(to), (int32_t)op->imm);
    } else {
        emit_rm(&c->b, op->size, digit << 3 | (op->size == 1 ? 2 : 3), to,
                op->form == FORM_RM ? from : jit_guest(op->src));
    }
    if (digit != DIGIT_CMP) {
        jit_dst_done(c, op->dst, to);
    }
}

static void alu(JitCode *c)
{
    const Op *op = c->op;
    unsigned digit = op->jit - JIT_ALU;
    bool carry = digit == DIGIT_ADC || digit == DIGIT_SBB;
    if (op->form != FORM_MR && op->form != FORM_MI) {
        alu_to_register(c, digit, carry);
    } else {
        JitRm to = memory(c, digit != DIGIT_CMP, carry);
        if (op->form == FORM_MI) {
            emit_alu_imm(&c->b, op->size, digit, to, (int32_t)op->imm);
        } else {
            emit_rm(&c->b, op->size, digit << 3 | (op->size == 1 ? 0 : 1),
                    jit_read(c, op->src, H_RDX), to);
        }
    }
    jit_flags_made(c);
}

static void test(JitCode *c)
{
    const Op *op = c->op;
    bool in_memory = op->form == FORM_MR || op->form == FORM_MI;
    JitRm to = in_memory ? memory(c, false, false) : jit_guest(op->dst);
    if (op->form == FORM_RI || op->form == FORM_MI) {
        emit_rm_imm(&c->b, op->size, op->size == 1 ? 0xf6 : 0xf7, 0, to, op->imm,
                    op->size == 8 ? 4 : op->size);
    } else {
        emit_rm(&c->b, op->size, op->size == 1 ? 0x84 : 0x85, jit_read(c, op->src, H_RDX), to);
    }
    jit_flags_made(c);
}

/*
 * INC and DEC keep CF, so the flags before them must be there if those after them are seen. NOT
 * leaves all as they are.
 */
static void unary(JitCode *c)
{
    const Op *op = c->op;
    bool step = op->jit == JIT_INC || op->jit == JIT_DEC, want = step && c->live[c->index];
    unsigned digit = op->jit == JIT_INC ? 0 : op->jit == JIT_DEC ? 1 : op->jit == JIT_NOT ? 2 : 3;
    unsigned opcode = (step ? 0xfe : 0xf6) | (op->size != 1);
    if (op->form == FORM_MR) {
        JitRm to = memory(c, true, want);
        emit_rm(&c->b, op->size, opcode, digit, to);
    } else {
        if (want) {
            jit_flags_want(c);
        }
        unsigned to = jit_dst(c, op->dst, H_RDX, true);
        emit_rm(&c->b, op->size, opcode, digit, rm_reg(to));
        jit_dst_done(c, op->dst, to);
    }
    if (op->jit == JIT_NEG || want) {
        jit_flags_made(c);
    } else if (step) {
        c->host_flags = false;
    }
}

/*
 * Flags of shifts: AF is cleared (rotates keep it), and OF too for counts above 1, where processors
 * differ (SDM vol. 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR): guests see the same on every host.
 */
static void shift_flags(JitCode *c, bool by_one, bool rotate)
{
    c->host_flags = false;
    if (!c->live[c->index]) {
        return;
    }
    emit8(&c->b, 0x9f); /* lahf */
    if (by_one) {
        emit_rm(&c->b, 1, 0x0f90 | CC_O, 0, rm_reg(H_RAX));
    }
    emit_alu_imm(&c->b, 4, 4, rm_reg(H_RAX),
                 (by_one ? 0xffff : 0xff00) & (rotate ? 0xffff : 0xefff));
    jit_flags_store(c);
}

static bool shift(JitCode *c)
{
    const Op *op = c->op;
    unsigned digit = op->jit - JIT_SHIFT, opcode = op->size == 1 ? 0xc0 : 0xc1;
    bool rotate = digit < 4, by_cl = op->form == FORM_RR;
    bool partly = rotate && c->live[c->index]; /* the other flags stay */
    if (by_cl && c->live[c->index]) {
        return false; /* a count of 0 changes none */
    }
    if (op->form == FORM_MI) {
        JitRm to = memory(c, true, partly);
        emit_rm_imm(&c->b, op->size, opcode, digit, to, op->imm, 1);
    } else {
        if (partly) {
            jit_flags_want(c);
        }
        unsigned to = jit_dst(c, op->dst, H_RDX, true);
        if (by_cl) {
            emit_rm(&c->b, 4, 0x8b, H_RCX, jit_guest(GPR_RCX * 8));
            emit_rm(&c->b, op->size, opcode | 0x12, digit, rm_reg(to));
        } else {
            emit_rm_imm(&c->b, op->size, opcode, digit, rm_reg(to), op->imm, 1);
        }
        jit_dst_done(c, op->dst, to);
    }
    shift_flags(c, op->imm == 1, rotate);
    return true;
}

void jit_flags_of_result(JitCode *c, unsigned size, unsigned result, bool overflow)
{
    JitBuffer *b = &c->b;
    c->host_flags = false;
    if (!c->live[c->index]) {
        return;
    }
    emit_rm(b, 4, 0x0fb6, H_RCX, rm_reg(H_RCX));
    emit_rm(b, size, 0x85, result, rm_reg(result));
    emit8(b, 0x9f); /* lahf */
    if (overflow) {
        emit_rm(b, 1, 0x88, H_RCX, rm_reg(H_RAX));
    }
    emit_rm_imm(b, 4, 0xc1, 4, rm_reg(H_RCX), 8, 1);
    emit_rm(b, 4, 0x09, H_RCX, rm_reg(H_RAX));
    emit_alu_imm(b, 4, 4, rm_reg(H_RAX), overflow ? 0xefff : 0xef00);
    jit_flags_store(c);
}

/*
 * CF and OF tell that the product did not fit; the others are undefined, and made here from the
 * result, AF cleared.
 */
static void imul(JitCode *c)
{
    const Op *op = c->op;
    JitRm from = op->form == FORM_RM ? memory(c, false, false) : jit_guest(op->src);
    unsigned to = jit_dst(c, op->dst, H_RDX, op->jit == JIT_IMUL || op->size == 2);
    if (op->jit == JIT_IMUL) {
        emit_rm(&c->b, op->size, 0x0faf, to, from);
    } else {
        emit_rm_imm(&c->b, op->size, 0x69, to, from, op->imm, op->size == 2 ? 2 : 4);
    }
    if (c->live[c->index]) {
        emit_rm(&c->b, 1, 0x0f90 | CC_B, 0, rm_reg(H_RCX));
    }
    jit_dst_done(c, op->dst, to);
    jit_flags_of_result(c, op->size, to, true);
}

/* Only CF changes (ZF is defined to stay; processors keep the undefined ones too). */
static void bt(JitCode *c)
{
    const Op *op = c->op;
    if (!c->live[c->index]) {
        return;
    }
    jit_flags_want(c);
    if (op->form == FORM_RI) {
        unsigned value = jit_read(c, op->dst, H_RDX);
        emit_rm_imm(&c->b, op->size, 0x0fba, 4, rm_reg(value), op->imm, 1);
    } else {
        unsigned value = jit_read(c, op->dst, H_RDX), bit = jit_read(c, op->src, H_RCX);
        emit_rm(&c->b, op->size, 0x0fa3, bit, rm_reg(value));
    }
    jit_flags_made(c);
}

bool jit_template_alu(JitCode *c)
{
    unsigned kind = c->op->jit;
    if (JIT_IS(kind, JIT_ALU, 8)) {
        alu(c);
        return true;
    }
    if (JIT_IS(kind, JIT_SHIFT, 8)) {
        return shift(c);
    }
    switch (kind) {
    case JIT_TEST:
        test(c);
        return true;
    case JIT_INC:
    case JIT_DEC:
    case JIT_NOT:
    case JIT_NEG:
        unary(c);
        return true;
    case JIT_IMUL:
    case JIT_IMUL3:
        imul(c);
        return true;
    case JIT_BT:
        bt(c);
        return true;
    default:
        return false;
    }
}
