/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways into and out of host code: which guest register lives where, and the code that moves
 * them.
 */
#include "jit-state.h"

/*
 * Host code uses all registers that a C function must keep, so the C code around it has them kept
 * here. Handlers that host code jumps to find the stack as any function does.
 */
__asm__(".pushsection .text\n"
        ".globl jit_call\n"
        ".hidden jit_call\n"
        ".type jit_call, @function\n"
        "jit_call:\n"
        ".cfi_startproc\n"
        "push %rbx\n .cfi_adjust_cfa_offset 8\n"
        "push %rbp\n .cfi_adjust_cfa_offset 8\n"
        "push %r12\n .cfi_adjust_cfa_offset 8\n"
        "push %r13\n .cfi_adjust_cfa_offset 8\n"
        "push %r14\n .cfi_adjust_cfa_offset 8\n"
        "push %r15\n .cfi_adjust_cfa_offset 8\n"
        "sub $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
        "call *(%rsi)\n"
        "add $8, %rsp\n .cfi_adjust_cfa_offset -8\n"
        "pop %r15\n .cfi_adjust_cfa_offset -8\n"
        "pop %r14\n .cfi_adjust_cfa_offset -8\n"
        "pop %r13\n .cfi_adjust_cfa_offset -8\n"
        "pop %r12\n .cfi_adjust_cfa_offset -8\n"
        "pop %rbp\n .cfi_adjust_cfa_offset -8\n"
        "pop %rbx\n .cfi_adjust_cfa_offset -8\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size jit_call, .-jit_call\n"
        ".popsection\n");
_Static_assert(offsetof(Op, fn) == 0, "jit_call() calls *(op)");

/* The registers compilers use most are pinned. */
static const uint8_t pinned[16] = {
    [GPR_RAX] = H_R8,   [GPR_RCX] = H_R9,  [GPR_RDX] = H_R10,  [GPR_RBX] = H_RBX,
    [GPR_RSP] = H_R14,  [GPR_RBP] = H_RBP, [GPR_RSI] = H_RSI,  [GPR_RDI] = H_R11,
    [GPR_R8] = H_R12,   [GPR_R9] = H_NONE, [GPR_R10] = H_NONE, [GPR_R11] = H_NONE,
    [GPR_R12] = H_R13,  [GPR_R13] = H_NONE, [GPR_R14] = H_NONE, [GPR_R15] = H_NONE,
};

unsigned jit_pinned(unsigned guest)
{
    return guest / 8 < 16 ? pinned[guest / 8] : H_NONE;
}

static void move_all(JitBuffer *b, unsigned opcode)
{
    for (unsigned i = 0; i < 16; i++) {
        if (pinned[i] != H_NONE) {
            emit_rm(b, 8, opcode, pinned[i],
                    rm_mem(H_RDI, (int64_t)offsetof(Cpu, regs) + (int)i * 8));
        }
    }
    emit_rm(b, 8, opcode, JIT_COUNTER, JIT_FIELD(instructions));
}

/* C code runs with the host's MXCSR. */
static void unload_mxcsr(JitBuffer *b)
{
    JitRm loaded = JIT_FIELD(mxcsr_loaded);
    emit_alu_imm(b, 1, 7, loaded, 0);
    uint8_t *place = emit_jcc(b, CC_E);
    emit_rm(b, 4, 0x0fae, 3, JIT_FIELD(xstate[XSTATE_MXCSR]));
    emit_rm(b, 4, 0x0fae, 2, JIT_FIELD(host_mxcsr));
    emit_rm_imm(b, 1, 0xc6, 0, loaded, 0, 1);
    emit_patch(b, place, b->at);
}

static void spill(JitBuffer *b)
{
    move_all(b, 0x89);
    unload_mxcsr(b);
}

static void jump_rax(JitBuffer *b)
{
    emit_rm(b, 4, 0xff, 4, rm_reg(H_RAX));
}

static const uint8_t *begin(JitBuffer *b)
{
    while ((uintptr_t)b->at % 16 != 0 && !b->overflow) {
        emit8(b, 0xcc);
    }
    return b->at;
}

void jit_make_thunks(JitState *state)
{
    JitBuffer b = { state->start, state->end, false };
    JitThunks *t = &state->thunks;

    t->reload = begin(&b);
    move_all(&b, 0x8b);
    jump_rax(&b);

    t->handler = begin(&b);
    spill(&b);
    emit_rm(&b, 8, 0x89, H_RDX, rm_reg(H_RSI));
    jump_rax(&b);

    t->block = begin(&b);
    spill(&b);
    emit_rm(&b, 8, 0x8d, H_RSI, rm_mem(H_RDX, offsetof(Block, ops)));
    emit_rm(&b, 4, 0xff, 4, rm_mem(H_RSI, offsetof(Op, fn)));

    t->direct_slow = begin(&b);
    spill(&b);
    emit_rm(&b, 8, 0x89, H_RDX, rm_reg(H_RSI));
    emit_rm(&b, 8, 0x8b, H_RDX, rm_mem(H_RDI, (int64_t)offsetof(Cpu, regs) + GPR_PAGE * 8));
    emit_rm(&b, 8, 0x03, H_RDX, rm_mem(H_RSI, offsetof(Op, imm)));
    emit_mov_imm(&b, H_RAX, (uintptr_t)block_direct_slow);
    jump_rax(&b);

    t->indirect_slow = begin(&b);
    spill(&b);
    emit_rm(&b, 8, 0x89, H_RAX, rm_reg(H_RSI));
    emit_mov_imm(&b, H_RAX, (uintptr_t)block_indirect_slow);
    jump_rax(&b);

    state->code = (uint8_t *)begin(&b);
}
