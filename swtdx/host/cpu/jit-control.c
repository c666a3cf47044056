/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Templates of jumps: out of a block by what block-exit.h's EXIT_DIRECT and EXIT_INDIRECT do. */
#include "jit-state.h"

static JitRm page_register(void)
{
    return jit_guest(GPR_PAGE * 8);
}

static void count(JitCode *c, const Op *op)
{
    emit_alu_imm(&c->b, 8, 0, rm_reg(JIT_COUNTER), op->flags);
}

/* Not zero: something is to be done between blocks. */
static void compare_pending(JitCode *c)
{
    emit_alu_imm(&c->b, 4, 7, JIT_FIELD(pending), 0);
}

static void side_at(JitCode *c, const Op *op, JitSideKind kind, uint8_t *place)
{
    unsigned index = c->index;
    c->index = (unsigned)(op - c->block->ops);
    jit_side(c, kind, place);
    c->index = index;
}

static void side_of(JitCode *c, const Op *op, JitSideKind kind, unsigned cc)
{
    side_at(c, op, kind, emit_jcc(&c->b, cc));
}

/* A jump back to the beginning of its block. */
static bool is_loop(const JitCode *c, const Op *op)
{
    return op->imm == c->block->offset && !c->block->spins;
}

/* RDX: Block. */
static void enter_block(JitCode *c)
{
    emit_rm(&c->b, 8, 0x89, H_RDX, JIT_FIELD(block));
    emit_rm(&c->b, 4, 0xff, 4, rm_mem(H_RDX, offsetof(Block, body)));
}

/* RAX: RIP of a block's first instruction, RDX: Block. */
static void set_page(JitCode *c)
{
    emit_rm(&c->b, 4, 0x0fb7, H_RCX, rm_mem(H_RDX, offsetof(Block, offset)));
    emit_rm(&c->b, 8, 0x2b, H_RAX, rm_reg(H_RCX));
    emit_rm(&c->b, 8, 0x89, H_RAX, page_register());
}

/*
 * A target in the same page stays what it is as long as the block lives, so the RIP need not be
 * compared.
 */
void jit_exit_direct(JitCode *c, const Op *op)
{
    count(c, op);
    c->host_flags = false;
    if (is_loop(c, op)) {
        const uint8_t *to = jit_vector_again(c) ? c->loop : c->body;
        compare_pending(c);
        emit_patch(&c->b, emit_jcc(&c->b, CC_E), to);
        side_at(c, op, SIDE_DIRECT_SLOW, emit_jmp(&c->b));
        return;
    }
    jit_vector_spill(c);
    emit_mov_imm(&c->b, H_RDX, (uintptr_t)op);
    if (op->imm < GUEST_PAGE_SIZE) {
        emit_rm(&c->b, 8, 0x8b, H_RDX, rm_mem(H_RDX, offsetof(Op, ptr)));
        emit_rm(&c->b, 8, 0x85, H_RDX, rm_reg(H_RDX));
        side_of(c, op, SIDE_DIRECT_SLOW, CC_E);
        compare_pending(c);
        side_of(c, op, SIDE_DIRECT_SLOW, CC_NE);
    } else {
        emit_rm(&c->b, 8, 0x8b, H_RAX, page_register());
        emit_rm(&c->b, 8, 0x03, H_RAX, rm_mem(H_RDX, offsetof(Op, imm)));
        emit_rm(&c->b, 8, 0x8b, H_RCX, JIT_FIELD(jump_salt));
        emit_rm(&c->b, 8, 0x33, H_RCX, rm_reg(H_RAX));
        emit_rm(&c->b, 8, 0x3b, H_RCX, rm_mem(H_RDX, offsetof(Op, disp)));
        side_of(c, op, SIDE_DIRECT_SLOW, CC_NE);
        compare_pending(c);
        side_of(c, op, SIDE_DIRECT_SLOW, CC_NE);
        emit_rm(&c->b, 8, 0x8b, H_RDX, rm_mem(H_RDX, offsetof(Op, ptr)));
        set_page(c);
    }
    enter_block(c);
}

_Static_assert(sizeof(JumpEntry) == 16, "the jump cache is indexed by shifting");

/*
 * RAX: target. RDX <- its block, if the jump cache knows it and nothing is pending; else to the
 * side.
 */
static void find_target(JitCode *c, JitSideKind kind)
{
    JitBuffer *b = &c->b;
    emit_rm(b, 8, 0x89, H_RAX, rm_reg(H_RCX));
    emit_rm_imm(b, 8, 0xc1, 5, rm_reg(H_RCX), 11, 1);
    emit_rm(b, 4, 0x33, H_RCX, rm_reg(H_RAX));
    emit_alu_imm(b, 4, 4, rm_reg(H_RCX), JUMP_ENTRIES - 1);
    emit_rm_imm(b, 4, 0xc1, 4, rm_reg(H_RCX), 4, 1);
    emit_rm(b, 8, 0x03, H_RCX, JIT_FIELD(blocks));
    emit_rm(b, 8, 0x8b, H_RDX, JIT_FIELD(jump_salt));
    emit_rm(b, 8, 0x33, H_RDX, rm_reg(H_RAX));
    emit_rm(b, 8, 0x3b, H_RDX, rm_mem(H_RCX, offsetof(JumpEntry, key)));
    side_of(c, c->op, kind, CC_NE);
    emit_rm(b, 8, 0x8b, H_RDX, rm_mem(H_RCX, offsetof(JumpEntry, block)));
    emit_rm(b, 4, 0x8b, H_RCX, rm_mem(H_RDX, offsetof(Block, mode)));
    emit_rm(b, 4, 0x3b, H_RCX, JIT_FIELD(mode));
    side_of(c, c->op, kind, CC_NE);
    compare_pending(c);
    side_of(c, c->op, kind, CC_NE);
}

static void jump_target(JitCode *c)
{
    set_page(c);
    enter_block(c);
}

static void taken(JitCode *c, const Op *op, bool save_flags)
{
    bool kind_known = c->kind_known;
    if (save_flags) {
        jit_flags_save(c);
    }
    jit_exit_direct(c, op);
    c->kind_known = kind_known;
}

static void jcc(JitCode *c)
{
    bool seen = c->live[c->index], unsaved = c->unsaved;
    jit_flags_want(c);
    c->unsaved = false;
    if (unsaved && seen) {
        jit_flags_save(c);
        unsaved = false;
    }
    unsigned cc = c->op->jit - JIT_JCC;
    if (is_loop(c, c->op)) { /* which mostly goes round */
        uint8_t *out = emit_jcc(&c->b, cc ^ 1);
        JitVector vector = c->vector;
        taken(c, c->op, unsaved);
        emit_patch(&c->b, out, c->b.at);
        c->host_flags = true;
        c->vector = vector;
        return;
    }
    jit_side(c, SIDE_TAKEN, emit_jcc(&c->b, cc));
    c->sides[c->n_sides - 1].save_flags = unsaved;
}

/* Writes the return address; RSP is moved by move_stack(), after what else can go wrong. */
static void push_return(JitCode *c)
{
    const Op *op = c->op;
    emit_rm(&c->b, 8, 0x8d, H_RAX, rm_mem(jit_pinned(GPR_RSP * 8), -8));
    jit_lookup_stack(c, true);
    emit_rm(&c->b, 8, 0x8b, H_RDX, page_register());
    emit_alu_imm(&c->b, 8, 0, rm_reg(H_RDX), op->off + op->len);
    emit_rm(&c->b, 8, 0x89, H_RDX, rm_mem(H_RAX, 0));
}

static void move_stack(JitCode *c, int by)
{
    unsigned rsp = jit_pinned(GPR_RSP * 8);
    emit_rm(&c->b, 8, 0x8d, rsp, rm_mem(rsp, by));
}

/*
 * RAX: SSP plus `offset`, to the host address there; to the handler unless the processor knows the
 * page for this level. Aligned accesses do not leave the page. Uses RDX.
 */
static void shadow_address(JitCode *c, int offset)
{
    JitBuffer *b = &c->b;
    emit_rm(b, 8, 0x8b, H_RAX, JIT_FIELD(ssp));
    emit_rm(b, 8, 0x8d, H_RAX, rm_mem(H_RAX, offset));
    emit_rm_imm(b, 1, 0xf6, 0, rm_reg(H_RAX), 7, 1);
    side_of(c, c->op, SIDE_HANDLER, CC_NE);
    emit_rm(b, 8, 0x89, H_RAX, rm_reg(H_RDX));
    emit_alu_imm(b, 8, 4, rm_reg(H_RDX), -4096);
    emit_rm(b, 8, 0x3b, H_RDX, JIT_FIELD(shadow_page));
    side_of(c, c->op, SIDE_HANDLER, CC_NE);
    emit_rm(b, 8, 0x03, H_RAX, JIT_FIELD(shadow_addend));
}

static bool is_shadowed(const JitCode *c)
{
    return c->block->mode & CPU_MODE_SHSTK;
}

/* The return address on both stacks; all that only the handler can do is found out before. */
static void push_both(JitCode *c)
{
    JitRm saved = rm_mem(H_RSP, -24);
    shadow_address(c, -8);
    emit_rm(&c->b, 8, 0x89, H_RAX, saved);
    push_return(c);
    emit_rm(&c->b, 8, 0x8b, H_RAX, saved);
    emit_rm(&c->b, 8, 0x89, H_RDX, rm_mem(H_RAX, 0));
    emit_alu_imm(&c->b, 8, 5, JIT_FIELD(ssp), 8);
}

/* A call of the next instruction leaves the shadow stack alone. */
static void call(JitCode *c)
{
    if (is_shadowed(c) && c->op->imm != (uint64_t)c->op->off + c->op->len) {
        push_both(c);
        move_stack(c, -8);
        jit_exit_direct(c, c->op);
        return;
    }
    push_return(c);
    move_stack(c, -8);
    jit_exit_direct(c, c->op);
}

/* RAX <- target of an indirect jump */
static void load_target(JitCode *c, bool in_memory)
{
    if (in_memory) {
        jit_linear(c);
        jit_lookup(c, 8, false);
        emit_rm(&c->b, 8, 0x8b, H_RAX, rm_mem(H_RAX, 0));
    } else {
        emit_rm(&c->b, 8, 0x8b, H_RAX, jit_guest(c->op->dst));
    }
}

/*
 * RDX: Block. Where indirect branches are tracked, others than to ENDBRANCH are the handler's
 * (cet.h).
 */
static void require_endbranch(JitCode *c)
{
    if (c->block->mode & CPU_MODE_IBT) {
        emit_alu_imm(&c->b, 1, 7, rm_mem(H_RDX, offsetof(Block, endbranch)), 0);
        side_of(c, c->op, SIDE_HANDLER, CC_E);
    }
}

static void jump_indirect(JitCode *c, bool in_memory)
{
    load_target(c, in_memory);
    find_target(c, SIDE_HANDLER);
    require_endbranch(c);
    count(c, c->op);
    jump_target(c);
}

/*
 * The return address may overwrite the target in memory, so from the push on there is no way back
 * to the handler: what only it can do (targets that are not canonical, or above 47 bits) is sorted
 * out before. The target waits in the red zone.
 */
static void call_indirect(JitCode *c, bool in_memory)
{
    JitBuffer *b = &c->b;
    JitRm saved = rm_mem(H_RSP, -8);
    load_target(c, in_memory);
    emit_rm(b, 8, 0x89, H_RAX, rm_reg(H_RCX));
    emit_rm_imm(b, 8, 0xc1, 4, rm_reg(H_RCX), 16, 1);
    emit_rm_imm(b, 8, 0xc1, 7, rm_reg(H_RCX), 16, 1);
    emit_rm(b, 8, 0x3b, H_RCX, rm_reg(H_RAX));
    side_of(c, c->op, SIDE_HANDLER, CC_NE);
    emit_rm(b, 8, 0x89, H_RAX, saved);
    push_return(c);
    move_stack(c, -8);
    count(c, c->op);
    emit_rm(b, 8, 0x8b, H_RAX, saved);
    find_target(c, SIDE_INDIRECT_SLOW);
    jump_target(c);
}

/* Where anything is enforced: what only the handler can do is sorted out before the push. */
static void call_enforced(JitCode *c, bool in_memory)
{
    JitBuffer *b = &c->b;
    JitRm target = rm_mem(H_RSP, -8), block = rm_mem(H_RSP, -16);
    load_target(c, in_memory);
    find_target(c, SIDE_HANDLER);
    require_endbranch(c);
    emit_rm(b, 8, 0x89, H_RAX, target);
    emit_rm(b, 8, 0x89, H_RDX, block);
    if (is_shadowed(c)) {
        push_both(c);
    } else {
        push_return(c);
    }
    move_stack(c, -8);
    count(c, c->op);
    emit_rm(b, 8, 0x8b, H_RAX, target);
    emit_rm(b, 8, 0x8b, H_RDX, block);
    jump_target(c);
}

static void ret(JitCode *c)
{
    JitRm target = rm_mem(H_RSP, -8);
    emit_rm(&c->b, 8, 0x89, jit_pinned(GPR_RSP * 8), rm_reg(H_RAX));
    jit_lookup_stack(c, false);
    emit_rm(&c->b, 8, 0x8b, H_RAX, rm_mem(H_RAX, 0));
    if (is_shadowed(c)) {
        emit_rm(&c->b, 8, 0x89, H_RAX, target);
        shadow_address(c, 0);
        emit_rm(&c->b, 8, 0x8b, H_RAX, rm_mem(H_RAX, 0));
        emit_rm(&c->b, 8, 0x3b, H_RAX, target);
        side_of(c, c->op, SIDE_HANDLER, CC_NE);
    }
    find_target(c, SIDE_HANDLER);
    if (is_shadowed(c)) {
        emit_alu_imm(&c->b, 8, 0, JIT_FIELD(ssp), 8);
    }
    move_stack(c, 8 + (int)c->op->imm);
    count(c, c->op);
    jump_target(c);
}

bool jit_template_control(JitCode *c)
{
    if (JIT_IS(c->op->jit, JIT_JCC, 16)) {
        jcc(c);
        return true;
    }
    if (c->op->jit == JIT_JMP || c->op->jit == JIT_END) {
        jit_exit_direct(c, c->op);
        return true;
    }
    if (c->op->jit < JIT_JMP_R || c->op->jit > JIT_RET) {
        return false;
    }
    jit_vector_spill(c);
    switch (c->op->jit) {
    case JIT_JMP_R:
    case JIT_JMP_M:
        jump_indirect(c, c->op->jit == JIT_JMP_M);
        return true;
    case JIT_CALL:
        call(c);
        return true;
    case JIT_CALL_R:
    case JIT_CALL_M:
        if (c->block->mode & (CPU_MODE_IBT | CPU_MODE_SHSTK)) {
            call_enforced(c, c->op->jit == JIT_CALL_M);
        } else {
            call_indirect(c, c->op->jit == JIT_CALL_M);
        }
        return true;
    default:
        ret(c);
        return true;
    }
}

void jit_write_side(JitCode *c, const JitSide *side)
{
    const Op *op = &c->block->ops[side->op];
    const JitThunks *t = &c->state->thunks;
    emit_patch(&c->b, side->place, c->b.at);
    c->vector = side->vector;
    switch (side->kind) {
    case SIDE_MXCSR:
        jit_vector_side(c, side);
        break;
    case SIDE_GUESS:
        jit_guess_side(c, side);
        break;
    case SIDE_STACK:
        jit_stack_side(c, side);
        break;
    case SIDE_TAKEN:
        c->kind_known = side->kind_known;
        taken(c, op, side->save_flags);
        break;
    case SIDE_HANDLER:
        jit_vector_spill(c);
        emit_mov_imm(&c->b, H_RDX, (uintptr_t)op);
        emit_mov_imm(&c->b, H_RAX, (uintptr_t)c->handler[side->op]);
        emit_jmp_to(&c->b, t->handler);
        break;
    case SIDE_DIRECT_SLOW:
        jit_vector_spill(c);
        emit_mov_imm(&c->b, H_RDX, (uintptr_t)op);
        emit_jmp_to(&c->b, t->direct_slow);
        break;
    case SIDE_INDIRECT_SLOW:
        emit_jmp_to(&c->b, t->indirect_slow);
        break;
    }
}
