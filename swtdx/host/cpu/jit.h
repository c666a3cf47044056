/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host code for blocks that are executed often. A block that was entered often enough is
 * translated: its first Op's handler then is host code made for the whole block, so nothing else in
 * the core need know of it.
 *
 * Instructions without a template, and those whose template meets something unusual (a soft TLB
 * miss, a code page, a jump to somewhere unknown), are done by the handlers: the code writes the
 * guest's registers back and jumps to the handler, whose next Op is either the interpreter's or
 * leads back into the code. Every exception therefore arises in a handler, with the state a handler
 * sees.
 *
 * Code and blocks belong to one processor: what one drops, another never executes. Host code is
 * never patched once it is written: jumps to other blocks go through Block.body, which is a way to
 * the interpreter for blocks without code. Memory is mapped twice, writable and executable, when
 * the group is made.
 */
#ifndef SWTDX_JIT_H
#define SWTDX_JIT_H

#include "block-exit.h"
#include "decode.h"

/*
 * Op.jit: which template. Conditions and the eight classic operations follow their bases, in the
 * order of their encodings.
 */
enum {
    JIT_NONE,
    JIT_NOP,
    JIT_MOV, JIT_LEA, JIT_XCHG, JIT_BSWAP,
    JIT_MOVZX8, JIT_MOVZX16, JIT_MOVSX8, JIT_MOVSX16, JIT_MOVSX32,
    JIT_CWDE, JIT_CDQE, JIT_CDQ, JIT_CQO,
    JIT_PUSH_R, JIT_PUSH_I, JIT_POP_R, JIT_LEAVE,
    JIT_JMP, JIT_JMP_R, JIT_JMP_M, JIT_CALL, JIT_CALL_R, JIT_CALL_M, JIT_RET, JIT_END,
    JIT_INC, JIT_DEC, JIT_NOT, JIT_NEG,
    JIT_IMUL, JIT_IMUL3, JIT_MUL, JIT_IMUL1,
    JIT_SHLX, JIT_SHRX, JIT_SARX, JIT_RORX, JIT_BZHI,
    JIT_BT,
    JIT_TEST,
    JIT_ALU = 0x60,   /* ADD OR ADC SBB AND SUB XOR CMP */
    JIT_SHIFT = 0x68, /* ROL ROR - - SHL SHR - SAR */
    JIT_SETCC = 0x70,
    JIT_CMOV = 0x80,
    JIT_JCC = 0x90,
    JIT_VECTOR = 0xa0, JIT_VECTOR_FLAGS, JIT_VZEROUPPER, /* the host's own; with all six flags */
};
#define JIT_IS(kind, base, count) ((unsigned)(kind) - (base) < (count))

/*
 * One mapping for a group; slices of it are the processors'. NULL and *error where the host refuses
 * executable memory. (jit-memory.c)
 */
typedef struct JitArena JitArena;
JitArena *jit_arena_new(unsigned cpus, int *error);
void jit_arena_free(JitArena *arena);

typedef struct JitState JitState;
/* Leaves cpu->jit NULL when the group has no arena. Frees what jit_init() made. */
void jit_init(Cpu *cpu);
void jit_fini(Cpu *cpu);
/* Whether the slice is full: drop all blocks, then jit_reset(). Between blocks only. */
bool jit_full(const Cpu *cpu);
void jit_reset(Cpu *cpu);
/* How often that happened. */
unsigned jit_resets(const Cpu *cpu);
/* Makes a fresh block count its entries. */
void jit_watch(Cpu *cpu, Block *block);
/* What Block.body is for blocks without code; NULL without a JIT. */
const void *jit_no_body(const Cpu *cpu);
/* op->fn(cpu, op), for handlers that may be host code. */
const Op *jit_call(Cpu *cpu, const Op *op);

/* Sets op->jit and op->form of a decoded instruction. (jit-kind.c) */
void jit_classify(const Decoded *d, Op *op);

#endif
