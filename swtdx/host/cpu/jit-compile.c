/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks into host code: when, from template to template, and back to handlers in between. */
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "jit-state.h"

#define BLOCK_ROOM (UINT64_C(128) << 10) /* more than any block's code */

/* ---- flags ---- */

void jit_flags_store(JitCode *c)
{
    emit_rm(&c->b, 2, 0x89, H_RAX, JIT_FIELD(cc.a));
    if (!c->kind_known) {
        emit_rm_imm(&c->b, 4, 0xc7, 0, JIT_FIELD(cc.kind), CC_HOST, 4);
        c->kind_known = true;
    }
}

/* LAHF and SETO change no flags. */
void jit_flags_save(JitCode *c)
{
    emit8(&c->b, 0x9f); /* lahf */
    emit_rm(&c->b, 1, 0x0f90 | CC_O, 0, rm_reg(H_RAX));
    jit_flags_store(c);
}

void jit_flags_made(JitCode *c)
{
    const Op *next = c->op + 1;
    c->host_flags = true;
    if (!c->live[c->index]) {
        return;
    }
    if (c->index + 1u < c->block->count && JIT_IS(next->jit, JIT_JCC, 16)) {
        c->unsaved = true; /* perhaps only one way out of the jump needs them */
    } else {
        jit_flags_save(c);
    }
}

/* 7Fh + 1 overflows: OF comes back by an addition, the others by SAHF, which keeps OF. */
void jit_flags_want(JitCode *c)
{
    if (c->host_flags) {
        return;
    }
    if (!c->kind_known) {
        emit_alu_imm(&c->b, 4, 7, JIT_FIELD(cc.kind), CC_HOST);
        jit_handler_if(c, CC_NE);
        c->kind_known = true;
    }
    emit_rm(&c->b, 4, 0x0fb7, H_RAX, JIT_FIELD(cc.a));
    emit_alu_imm(&c->b, 1, 0, rm_reg(H_RAX), 0x7f);
    emit8(&c->b, 0x9e); /* sahf */
    c->host_flags = true;
}

static bool reads_flags(const Op *op)
{
    return JIT_IS(op->jit, JIT_JCC, 16) || JIT_IS(op->jit, JIT_SETCC, 16) ||
           JIT_IS(op->jit, JIT_CMOV, 16) || op->jit == JIT_ALU + 2 || op->jit == JIT_ALU + 3;
}

/* Those that change some flags, or none, let what was seen before them be seen. */
static bool writes_all_flags(const Op *op)
{
    return JIT_IS(op->jit, JIT_ALU, 8) ||
           (JIT_IS(op->jit, JIT_SHIFT + 4, 4) && op->form == FORM_RI) || op->jit == JIT_TEST ||
           op->jit == JIT_NEG || op->jit == JIT_BZHI || op->jit == JIT_VECTOR_FLAGS ||
           (op->jit >= JIT_IMUL && op->jit <= JIT_IMUL1);
}

/* To a handler, which may raise, or out of the block. */
static bool may_leave(const Op *op)
{
    return op->jit == JIT_NONE || op->form >= FORM_RM || op->jit >= JIT_VECTOR ||
           (op->jit >= JIT_PUSH_R && op->jit <= JIT_END);
}

static void find_live(JitCode *c)
{
    bool live = true;
    for (unsigned i = c->block->count + 1u; i-- != 0;) {
        const Op *op = &c->block->ops[i];
        c->live[i] = live;
        if (may_leave(op) || reads_flags(op)) {
            live = true;
        } else if (writes_all_flags(op)) {
            live = false;
        }
    }
}

/* ---- leaving the straight line ---- */

void jit_side(JitCode *c, JitSideKind kind, uint8_t *place)
{
    if (c->n_sides == JIT_SIDES) {
        c->b.overflow = true;
        c->n_sides--;
    }
    c->sides[c->n_sides++] = (JitSide){ .kind = kind, .place = place, .op = (uint8_t)c->index,
                                        .kind_known = c->kind_known, .vector = c->vector };
}

void jit_handler_if(JitCode *c, unsigned cc)
{
    jit_side(c, SIDE_HANDLER, emit_jcc(&c->b, cc));
}

static uint8_t *runnable(const JitCode *c, uint8_t *written)
{
    return written + c->state->run;
}

/*
 * A way in for the interpreter: the guest's registers are loaded, then the code behind this is run.
 */
static uint8_t *write_entry(JitCode *c)
{
    uint8_t *entry = c->b.at;
    emit8(&c->b, 0x48);
    emit8(&c->b, 0x8d); /* lea rax, [rip + 5]: behind the jump */
    emit8(&c->b, 0x05);
    emit32(&c->b, 5);
    emit_jmp_to(&c->b, c->state->thunks.reload);
    c->host_flags = c->kind_known = c->unsaved = false;
    c->vector = (JitVector){ 0 };
    return entry;
}

static void write_handler(JitCode *c)
{
    jit_vector_spill(c);
    emit_mov_imm(&c->b, H_RDX, (uintptr_t)c->op);
    emit_mov_imm(&c->b, H_RAX, (uintptr_t)c->handler[c->index]);
    emit_jmp_to(&c->b, c->state->thunks.handler);
}

static bool write_template(JitCode *c)
{
    return c->op->jit != JIT_NONE && (jit_template_move(c) || jit_template_alu(c) ||
                                      jit_template_control(c) || jit_template_bmi(c) ||
                                      jit_template_vector(c));
}

static bool is_end(const Op *op)
{
    return op->jit >= JIT_JMP && op->jit <= JIT_END;
}

static bool is_fused(const Op *op)
{
    return (op->mnemonic == ZYDIS_MNEMONIC_CMP || op->mnemonic == ZYDIS_MNEMONIC_TEST) &&
           op->flags == OP_FUSED;
}

/*
 * The straight line. Where templates follow handlers, the first of them gets an entry, which
 * replaces its Op's handler: entries[i] is set. A fused comparison's handler does the jump behind
 * it as well.
 */
static void write_line(JitCode *c, uint8_t **entries)
{
    bool interpreted = false;
    for (unsigned i = 0; i <= c->block->count && !c->b.overflow; i++) {
        c->op = &c->block->ops[i];
        c->index = i;
        if (interpreted) {
            if (i == c->block->count) {
                return; /* op_end's own handler does */
            }
            uint8_t *undo = c->b.at;
            unsigned sides = c->n_sides;
            uint8_t *entry = write_entry(c);
            if (write_template(c)) {
                entries[i] = entry;
                interpreted = false;
            } else {
                c->b.at = undo;
                c->n_sides = sides;
            }
        } else if (!write_template(c)) {
            write_handler(c);
            interpreted = true;
        }
        if (interpreted && is_fused(c->op)) {
            i++;
        }
        if (!interpreted && is_end(c->op)) {
            return;
        }
    }
}

static void begin(JitCode *c, Block *block)
{
    for (unsigned i = 0; i <= block->count; i++) {
        c->handler[i] = block->ops[i].fn;
    }
    c->handler[0] = block->first;
    find_live(c);
}

/* False: no room. */
static CPU_APART bool translate(Cpu *cpu, Block *block)
{
    JitState *state = cpu->jit;
    uint8_t *entries[BLOCK_MAX_OPS + 1] = { NULL };
    JitCode c = { .b = { state->at, state->end, false }, .cpu = cpu, .state = state,
                  .block = block };
    begin(&c, block);
    entries[0] = write_entry(&c);
    c.body = c.b.at;
    jit_vector_begin(&c);
    write_line(&c, entries);
    for (unsigned i = 0; i < c.n_sides && !c.b.overflow; i++) {
        JitSide side = c.sides[i];
        c.index = side.op;
        c.op = &block->ops[side.op];
        jit_write_side(&c, &side);
    }
    if (c.b.overflow) {
        return false;
    }
    state->at = c.b.at;
    for (unsigned i = 0; i <= block->count; i++) {
        if (entries[i] != NULL) {
            block->ops[i].fn = (OpFn)(uintptr_t)runnable(&c, entries[i]);
        }
    }
    block->body = c.body + state->run;
    return true;
}

/* ---- when ---- */

/* The first Op's handler of a block that is not translated yet. */
static const Op *op_count(Cpu *cpu, const Op *op)
{
    Block *block = (Block *)cpu->block; /* the cache owns it, handlers see it as const */
    OpFn first = block->first;
    if (++block->heat >= cpu->group->jit_heat) {
        block->ops[0].fn = first;
        if ((size_t)(cpu->jit->end - cpu->jit->at) < BLOCK_ROOM || !translate(cpu, block)) {
            cpu->jit->full = true;
        }
    }
    CPU_TAIL_CALL first(cpu, op);
}

void jit_watch(Cpu *cpu, Block *block)
{
    block->first = block->ops[0].fn;
    block->body = jit_no_body(cpu);
    uint32_t one_op = BLOCK_SINGLE | CPU_MODE_WAIT;
    if (cpu->jit != NULL && (block->mode & CPU_MODE_CS64) && !(block->mode & one_op) &&
        !block->crossing) {
        block->ops[0].fn = op_count;
    }
}

const void *jit_no_body(const Cpu *cpu)
{
    return cpu->jit != NULL ? cpu->jit->thunks.block + cpu->jit->run : NULL;
}

bool jit_full(const Cpu *cpu)
{
    return cpu->jit != NULL && cpu->jit->full;
}

/*
 * The code that was there is written over through other addresses than it is executed by, which
 * wants a serialising instruction in between (SDM vol. 3, 9.1.3): IRET to the next one.
 */
static void serialise(void)
{
    uint64_t t;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n"
                     "mov %%ss, %k0\n"
                     "lea 128(%%rsp), %%rcx\n"
                     "push %0\n"
                     "push %%rcx\n"
                     "pushfq\n"
                     "mov %%cs, %k0\n"
                     "push %0\n"
                     "lea 1f(%%rip), %0\n"
                     "push %0\n"
                     "iretq\n"
                     "1:" : "=&r"(t) : : "rcx", "cc", "memory");
}

void jit_reset(Cpu *cpu)
{
    cpu->jit->at = cpu->jit->code;
    cpu->jit->full = false;
    cpu->jit->resets++;
    serialise();
}

unsigned jit_resets(const Cpu *cpu)
{
    return cpu->jit != NULL ? cpu->jit->resets : 0;
}

void jit_init(Cpu *cpu)
{
    const JitArena *arena = cpu->group->jit;
    JitState *state = arena != NULL ? calloc(1, sizeof(*state)) : NULL;
    if (state == NULL) {
        return;
    }
    jit_arena_slice(arena, cpu->index, &state->start, &state->end);
    state->run = arena->run - arena->write;
    jit_make_thunks(state);
    state->at = state->code;
    cpu->jit = state;
}

void jit_fini(Cpu *cpu)
{
    free(cpu->jit);
    cpu->jit = NULL;
}
