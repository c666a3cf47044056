/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Templates that move and compute no flags: MOV and its kin, the stack, SETcc, CMOVcc. */
#include "jit-state.h"

/* Writes of 4 and 8 bytes replace the whole register. */
static bool keeps_rest(unsigned size)
{
    return size < 4;
}

static void mov_imm(JitCode *c)
{
    const Op *op = c->op;
    unsigned host = jit_pinned(op->dst);
    if (!keeps_rest(op->size)) {
        uint64_t imm = op->size == 4 ? (uint32_t)op->imm : op->imm;
        unsigned to = host != H_NONE ? host : H_RAX;
        emit_mov_imm(&c->b, to, imm);
        jit_dst_done(c, op->dst, to);
    } else {
        emit_rm_imm(&c->b, op->size, op->size == 1 ? 0xc6 : 0xc7, 0, jit_guest(op->dst), op->imm,
                    op->size);
    }
}

static unsigned mov_load(unsigned size)
{
    return size == 1 ? 0x8a : 0x8b;
}

static unsigned mov_store(unsigned size)
{
    return size == 1 ? 0x88 : 0x89;
}

static void mov_reg(JitCode *c)
{
    const Op *op = c->op;
    if (jit_pinned(op->dst) != H_NONE) {
        emit_rm(&c->b, op->size, mov_load(op->size), jit_pinned(op->dst), jit_guest(op->src));
    } else if (op->size == 4) {
        emit_rm(&c->b, 4, 0x8b, H_RAX, jit_guest(op->src));
        jit_dst_done(c, op->dst, H_RAX);
    } else {
        unsigned from = jit_read(c, op->src, H_RAX);
        emit_rm(&c->b, op->size, mov_store(op->size), from, jit_guest(op->dst));
    }
}

/* dst <- an operand, by a load of the op's size or an extending one */
static void load_from(JitCode *c, unsigned size, unsigned opcode, JitRm rm)
{
    unsigned to = jit_dst(c, c->op->dst, H_RDX, keeps_rest(size));
    emit_rm(&c->b, size, opcode, to, rm);
    jit_dst_done(c, c->op->dst, to);
}

static void mov_memory(JitCode *c)
{
    const Op *op = c->op;
    jit_linear(c);
    jit_lookup(c, op->size, op->form != FORM_RM);
    if (op->form == FORM_RM) {
        load_from(c, op->size, mov_load(op->size), rm_mem(H_RAX, 0));
    } else if (op->form == FORM_MR) {
        emit_rm(&c->b, op->size, mov_store(op->size), jit_read(c, op->src, H_RCX),
                rm_mem(H_RAX, 0));
    } else if (op->size == 8 && !fits32((int64_t)op->imm)) {
        emit_mov_imm(&c->b, H_RCX, op->imm);
        emit_rm(&c->b, 8, 0x89, H_RCX, rm_mem(H_RAX, 0));
    } else {
        unsigned opcode = op->size == 1 ? 0xc6 : 0xc7;
        emit_rm_imm(&c->b, op->size, opcode, 0, rm_mem(H_RAX, 0), op->imm,
                    op->size == 8 ? 4 : op->size);
    }
}

static void mov(JitCode *c)
{
    switch (c->op->form) {
    case FORM_RR:
        mov_reg(c);
        break;
    case FORM_RI:
        mov_imm(c);
        break;
    default:
        mov_memory(c);
    }
}

static void extend(JitCode *c)
{
    static const struct {
        uint16_t opcode;
        uint8_t from;
    } kinds[] = {
        [JIT_MOVZX8 - JIT_MOVZX8] = { 0x0fb6, 1 }, [JIT_MOVZX16 - JIT_MOVZX8] = { 0x0fb7, 2 },
        [JIT_MOVSX8 - JIT_MOVZX8] = { 0x0fbe, 1 }, [JIT_MOVSX16 - JIT_MOVZX8] = { 0x0fbf, 2 },
        [JIT_MOVSX32 - JIT_MOVZX8] = { 0x63, 4 },
    };
    const Op *op = c->op;
    unsigned kind = op->jit - JIT_MOVZX8;
    JitRm from = rm_mem(H_RAX, 0);
    if (op->form == FORM_RM) {
        jit_linear(c);
        jit_lookup(c, kinds[kind].from, false);
    } else {
        from = jit_guest(op->src);
    }
    load_from(c, op->size, kinds[kind].opcode, from);
}

static void lea(JitCode *c)
{
    const Op *op = c->op;
    JitRm rm = jit_effective(c);
    unsigned to = jit_dst(c, op->dst, H_RDX, false);
    emit_rm(&c->b, op->size == 8 && op->addr_size == 8 ? 8 : 4, 0x8d, to, rm);
    jit_dst_done(c, op->dst, to);
}

static void xchg(JitCode *c)
{
    const Op *op = c->op;
    emit_rm(&c->b, op->size, 0x8b, H_RAX, jit_guest(op->dst));
    emit_rm(&c->b, op->size, 0x8b, H_RCX, jit_guest(op->src));
    emit_rm(&c->b, 8, 0x89, H_RCX, jit_guest(op->dst));
    emit_rm(&c->b, 8, 0x89, H_RAX, jit_guest(op->src));
}

static void bswap(JitCode *c)
{
    unsigned to = jit_dst(c, c->op->dst, H_RDX, true);
    emit8(&c->b, 0x40 | (c->op->size == 8 ? 8 : 0) | to >> 3);
    emit8(&c->b, 0x0f);
    emit8(&c->b, 0xc8 | (to & 7));
    jit_dst_done(c, c->op->dst, to);
}

/* RAX's and RDX's homes are pinned, so no case has to look. */
static void widen(JitCode *c)
{
    unsigned rax = jit_pinned(GPR_RAX * 8), rdx = jit_pinned(GPR_RDX * 8);
    switch (c->op->jit) {
    case JIT_CWDE:
        emit_rm(&c->b, 4, 0x0fbf, rax, rm_reg(rax));
        break;
    case JIT_CDQE:
        emit_rm(&c->b, 8, 0x63, rax, rm_reg(rax));
        break;
    case JIT_CDQ:
        emit_rm(&c->b, 4, 0x89, rax, rm_reg(rdx));
        emit_rm_imm(&c->b, 4, 0xc1, 7, rm_reg(rdx), 31, 1);
        c->host_flags = false;
        break;
    default:
        emit_rm(&c->b, 8, 0x89, rax, rm_reg(rdx));
        emit_rm_imm(&c->b, 8, 0xc1, 7, rm_reg(rdx), 63, 1);
        c->host_flags = false;
    }
}

static void move_stack(JitCode *c, unsigned from, int by)
{
    emit_rm(&c->b, 8, 0x8d, jit_pinned(GPR_RSP * 8), rm_mem(from, by));
}

static void push(JitCode *c)
{
    const Op *op = c->op;
    unsigned rsp = jit_pinned(GPR_RSP * 8);
    emit_rm(&c->b, 8, 0x8d, H_RAX, rm_mem(rsp, -8));
    jit_lookup_stack(c, true);
    if (op->jit == JIT_PUSH_I) {
        emit_rm_imm(&c->b, 8, 0xc7, 0, rm_mem(H_RAX, 0), op->imm, 4);
    } else {
        emit_rm(&c->b, 8, 0x89, jit_read(c, op->dst, H_RCX), rm_mem(H_RAX, 0));
    }
    move_stack(c, rsp, -8);
}

static void pop(JitCode *c)
{
    unsigned rsp = jit_pinned(GPR_RSP * 8);
    emit_rm(&c->b, 8, 0x89, rsp, rm_reg(H_RAX));
    jit_lookup_stack(c, false);
    move_stack(c, rsp, 8);
    load_from(c, 8, 0x8b, rm_mem(H_RAX, 0)); /* after: POP RSP */
}

static void leave(JitCode *c)
{
    unsigned rbp = jit_pinned(GPR_RBP * 8);
    emit_rm(&c->b, 8, 0x89, rbp, rm_reg(H_RAX));
    jit_lookup_stack(c, false);
    move_stack(c, rbp, 8);
    emit_rm(&c->b, 8, 0x8b, rbp, rm_mem(H_RAX, 0));
}

/*
 * RCX <- host address of the memory operand; the flags may be fetched afterwards, which uses RAX.
 */
static JitRm memory_before_flags(JitCode *c, unsigned size, bool write)
{
    jit_linear(c);
    jit_lookup(c, size, write);
    emit_rm(&c->b, 8, 0x89, H_RAX, rm_reg(H_RCX));
    return rm_mem(H_RCX, 0);
}

static void setcc(JitCode *c)
{
    JitRm to = c->op->form == FORM_MR ? memory_before_flags(c, 1, true) : jit_guest(c->op->dst);
    jit_flags_want(c);
    emit_rm(&c->b, 1, 0x0f90 | (c->op->jit - JIT_SETCC), 0, to);
}

static void cmov(JitCode *c)
{
    const Op *op = c->op;
    JitRm from = op->form == FORM_RM ? memory_before_flags(c, op->size, false) : jit_guest(op->src);
    jit_flags_want(c);
    unsigned to = jit_dst(c, op->dst, H_RDX, true);
    emit_rm(&c->b, op->size, 0x0f40 | (op->jit - JIT_CMOV), to, from);
    jit_dst_done(c, op->dst, to);
}

bool jit_template_move(JitCode *c)
{
    unsigned kind = c->op->jit;
    if (JIT_IS(kind, JIT_SETCC, 16)) {
        setcc(c);
        return true;
    }
    if (JIT_IS(kind, JIT_CMOV, 16)) {
        cmov(c);
        return true;
    }
    switch (kind) {
    case JIT_NOP:
        break;
    case JIT_MOV:
        mov(c);
        break;
    case JIT_LEA:
        lea(c);
        break;
    case JIT_XCHG:
        xchg(c);
        break;
    case JIT_BSWAP:
        bswap(c);
        break;
    case JIT_MOVZX8:
    case JIT_MOVZX16:
    case JIT_MOVSX8:
    case JIT_MOVSX16:
    case JIT_MOVSX32:
        extend(c);
        break;
    case JIT_CWDE:
    case JIT_CDQE:
    case JIT_CDQ:
    case JIT_CQO:
        widen(c);
        break;
    case JIT_PUSH_R:
    case JIT_PUSH_I:
        push(c);
        break;
    case JIT_POP_R:
        pop(c);
        break;
    case JIT_LEAVE:
        leave(c);
        break;
    default:
        return false;
    }
    return true;
}
