/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Templates of multiplications with RDX:RAX and of the BMI2 instructions that decompressors use.
 * The host need not have BMI2: they are done by older instructions.
 */
#include "jit-state.h"

static void multiply(JitCode *c)
{
    const Op *op = c->op;
    unsigned rax = jit_pinned(GPR_RAX * 8), rdx = jit_pinned(GPR_RDX * 8);
    JitRm factor = jit_guest(op->dst);
    if (op->form == FORM_MR) {
        jit_linear(c);
        jit_lookup(c, op->size, false);
        emit_rm(&c->b, 8, 0x89, H_RAX, rm_reg(H_RCX));
        factor = rm_mem(H_RCX, 0);
    }
    emit_rm(&c->b, op->size, 0x89, rax, rm_reg(H_RAX));
    emit_rm(&c->b, op->size, 0xf7, op->jit == JIT_MUL ? 4 : 5, factor);
    if (c->live[c->index]) {
        emit_rm(&c->b, 1, 0x0f90 | CC_B, 0, rm_reg(H_RCX));
    }
    emit_rm(&c->b, 8, 0x89, H_RAX, rm_reg(rax));
    emit_rm(&c->b, 8, 0x89, H_RDX, rm_reg(rdx));
    jit_flags_of_result(c, op->size, rax, true);
}

/*
 * RAX <- the operand that may be memory, RCX <- the count, cut as it must be for a bit index of a
 * byte
 */
static void load_operands(JitCode *c)
{
    const Op *op = c->op;
    JitRm value = jit_guest(op->base);
    if (op->form == FORM_RM) {
        jit_linear(c);
        jit_lookup(c, op->size, false);
        value = rm_mem(H_RAX, 0);
    }
    emit_rm(&c->b, op->size, 0x8b, H_RAX, value);
    if (op->jit != JIT_RORX) {
        emit_rm(&c->b, 4, 0x0fb6, H_RCX, jit_guest(op->src));
    }
}

static void store_result(JitCode *c)
{
    emit_rm(&c->b, 8, 0x89, H_RAX, jit_guest(c->op->dst));
}

static void shift_without_flags(JitCode *c, unsigned digit)
{
    const Op *op = c->op;
    load_operands(c);
    if (op->jit != JIT_RORX) {
        emit_rm(&c->b, op->size, 0xd3, digit, rm_reg(H_RAX));
    } else if (op->imm & (op->size * 8u - 1)) {
        emit_rm_imm(&c->b, op->size, 0xc1, digit, rm_reg(H_RAX), op->imm & (op->size * 8u - 1), 1);
    }
    c->host_flags = false;
    store_result(c);
}

/*
 * Bits from the index up are cleared; CF tells of an index beyond the operand, OF is 0 (SDM vol. 2,
 * BZHI).
 */
static void clear_high(JitCode *c)
{
    const Op *op = c->op;
    JitBuffer *b = &c->b;
    int bits = op->size * 8;
    load_operands(c);
    emit_alu_imm(b, 4, 7, rm_reg(H_RCX), bits);
    uint8_t *beyond = emit_jcc(b, CC_B | 1);
    emit_mov_imm(b, H_RDX, 1);
    emit_rm(b, 8, 0xd3, 4, rm_reg(H_RDX));
    emit_alu_imm(b, 8, 5, rm_reg(H_RDX), 1);
    emit_rm(b, op->size, 0x21, H_RDX, rm_reg(H_RAX));
    emit_patch(b, beyond, b->at);
    store_result(c);
    if (c->live[c->index]) {
        emit_alu_imm(b, 4, 7, rm_reg(H_RCX), bits);
        emit_rm(b, 1, 0x0f90 | (CC_B | 1), 0, rm_reg(H_RCX));
    }
    jit_flags_of_result(c, op->size, H_RAX, false);
}

bool jit_template_bmi(JitCode *c)
{
    switch (c->op->jit) {
    case JIT_MUL:
    case JIT_IMUL1:
        multiply(c);
        return true;
    case JIT_SHLX:
        shift_without_flags(c, 4);
        return true;
    case JIT_SHRX:
        shift_without_flags(c, 5);
        return true;
    case JIT_SARX:
        shift_without_flags(c, 7);
        return true;
    case JIT_RORX:
        shift_without_flags(c, 1);
        return true;
    case JIT_BZHI:
        clear_high(c);
        return true;
    default:
        return false;
    }
}
