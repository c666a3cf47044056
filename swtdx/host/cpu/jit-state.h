/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the jit-*.c files share: the code being made, and where guest state is while host code runs.
 *
 * Host registers: RDI holds the Cpu; RAX, RCX and RDX are free; R15 counts instructions; ten guest
 * registers live in the others, the remaining six in Cpu.regs. RSP is the C stack's, as a handler
 * finds it. What lies below it (the red zone) may be used.
 *
 * Guest flags: Cpu.cc holds those that a handler, a fault or another block can come to see;
 * templates leave theirs there as kind CC_HOST. Those that nothing sees are not kept. Within a
 * block they may also stand in the host's.
 */
#ifndef SWTDX_JIT_STATE_H
#define SWTDX_JIT_STATE_H

#include "int.h"
#include "jit-emit.h"
#include "jit.h"

struct JitArena {
    uint8_t *write, *run;
    uint64_t bytes;
};

/* The part of the processor with that index, writable. (jit-memory.c) */
void jit_arena_slice(const JitArena *arena, unsigned index, uint8_t **start, uint8_t **end);

/* Ways out of host code, common to all blocks; addresses in the writable mapping. */
typedef struct JitThunks {
    const uint8_t *reload;        /* RAX: where to go with the guest's registers in place */
    const uint8_t *handler;       /* RDX: Op, RAX: its handler */
    const uint8_t *block;         /* RDX: Block, by its first Op's handler */
    const uint8_t *direct_slow;   /* RDX: Op of a jump, counted: block_direct_slow() */
    const uint8_t *indirect_slow; /* RAX: target of a jump, counted: block_indirect_slow() */
} JitThunks;

struct JitState {
    uint8_t *start, *end; /* of the slice, writable */
    uint8_t *code;        /* behind the thunks */
    uint8_t *at;
    ptrdiff_t run;        /* executable - writable */
    JitThunks thunks;
    unsigned guesses; /* given out */
    bool full;
    unsigned resets;
};

/*
 * Vector registers stand in the host's of the same number from their first use in the straight line
 * to where it is left. Sets of registers: whose low 128 bits are there, and 256, and 512; whose low
 * 128 bits, or all, are to be written back.
 */
typedef struct JitVector {
    uint32_t loaded, wide, full, dirty, dirty_all;
    uint8_t k_loaded, k_dirty;     /* opmasks */
    bool sse, avx, avx512;         /* the guest may execute these */
    bool mxcsr;                    /* the host's is the guest's */
} JitVector;

/* A place in the code that leaves the straight line, to be written behind it. */
typedef enum JitSideKind { SIDE_HANDLER, SIDE_TAKEN, SIDE_DIRECT_SLOW, SIDE_INDIRECT_SLOW,
                           SIDE_GUESS, SIDE_STACK, SIDE_MXCSR } JitSideKind;

typedef struct JitSide {
    JitSideKind kind;
    uint8_t *place;   /* displacement of the jump that goes there */
    uint8_t op;
    bool save_flags;  /* SIDE_TAKEN: the host's flags are the guest's and must be kept */
    bool kind_known;
    uint16_t guess;   /* SIDE_GUESS: index into Cpu.guesses */
    uint8_t size;     /* SIDE_STACK, and whether it is a store */
    bool write;
    uint8_t *back;    /* SIDE_GUESS, SIDE_STACK, SIDE_MXCSR */
    JitVector vector;
} JitSide;

/* Which of Cpu.guesses accesses by these registers have, at displacements of that page. */
typedef struct JitGuess {
    uint8_t base, index, shift;
    int32_t pages;
    uint16_t guess;
} JitGuess;

#define JIT_SIDES 512

typedef struct JitCode {
    JitBuffer b;
    Cpu *cpu;
    JitState *state;
    const Block *block;
    const Op *op;                     /* being translated */
    unsigned index;                   /* its index */
    const uint8_t *body;              /* first byte behind the entry */
    const uint8_t *loop;              /* where the block's own jumps to its beginning go ... */
    JitVector loop_vector;            /* ... with this */
    JitVector vector;
    bool host_flags;                  /* the host's flags are the guest's */
    bool kind_known;                  /* Cpu.cc.kind is CC_HOST */
    bool unsaved;                     /* host_flags, which the jump that follows must keep */
    bool live[BLOCK_MAX_OPS + 1];     /* the flags an op leaves can be seen */
    OpFn handler[BLOCK_MAX_OPS + 1];  /* the interpreter's */
    JitSide sides[JIT_SIDES];
    unsigned n_sides;
    JitGuess guesses[BLOCK_MAX_OPS + 1];
    unsigned n_guesses;
} JitCode;

/* jit-thunk.c */
void jit_make_thunks(JitState *state);
/* Host register of a guest register, or H_NONE. */
unsigned jit_pinned(unsigned guest);

/* jit-access.c: guest registers, addresses, memory. `guest` is a byte offset into Cpu.regs. */
JitRm jit_guest(unsigned guest);
/* A host register that holds the guest's: its own, or `scratch`, loaded. */
unsigned jit_read(JitCode *c, unsigned guest, unsigned scratch);
/* The register to compute a new value in, and what completes it. load: the old value matters. */
unsigned jit_dst(JitCode *c, unsigned guest, unsigned scratch, bool load);
void jit_dst_done(JitCode *c, unsigned guest, unsigned host);
/* Effective address as an operand; uses RAX and RCX. */
JitRm jit_effective(JitCode *c);
/* RAX <- linear address of the op's memory operand. */
void jit_linear(JitCode *c);
/*
 * RAX: linear to host address of `size` bytes, or to the op's handler. Uses RCX, RDX and the host's
 * flags.
 */
void jit_lookup(JitCode *c, unsigned size, bool write);
/* The same for 8 bytes on the stack. */
void jit_lookup_stack(JitCode *c, bool write);
/* SIDE_GUESS: it was wrong. */
void jit_guess_side(JitCode *c, const JitSide *side);
/* SIDE_STACK: another page, or not aligned. */
void jit_stack_side(JitCode *c, const JitSide *side);
#define JIT_COUNTER H_R15 /* Cpu.instructions */
#define JIT_FIELD(field) rm_mem(H_RDI, (int64_t)offsetof(Cpu, field))

/* jit-compile.c */
void jit_side(JitCode *c, JitSideKind kind, uint8_t *place);
/* Leaves by the op's handler, which finds everything as before the op, if the condition holds. */
void jit_handler_if(JitCode *c, unsigned cc);
/* The host's flags were made by a template and are the guest's: keeps them if they can be seen. */
void jit_flags_made(JitCode *c);
void jit_flags_save(JitCode *c);
/* AX: what LAHF and SETO AL give, perhaps corrected. */
void jit_flags_store(JitCode *c);
/*
 * If flags can be seen: SF, ZF and PF by a result in a host register (not RCX), CF from RCX (0 or
 * 1), OF the same with `overflow`, else 0, AF 0. Uses RAX and RCX. In any case the host's flags are
 * the guest's no more. (jit-alu.c)
 */
void jit_flags_of_result(JitCode *c, unsigned size, unsigned result, bool overflow);
/* Gets the guest's flags into the host's; uses RAX. */
void jit_flags_want(JitCode *c);

/* jit-vector-state.c */
/* Has the low 128, 256 or 512 bits (level 1, 2, 3) of a set of registers in the host's. */
void jit_vector_load(JitCode *c, uint32_t set, unsigned level);
void jit_vector_load_opmasks(JitCode *c, unsigned set);
/* Writes back what was changed; nothing is in the host's registers then. No flags, no others. */
void jit_vector_spill(JitCode *c);
/* All 512 bits, where there are so many: a register to write zeroes from, after a spill. */
void jit_vector_clear_xmm0(JitCode *c);

/* jit-vector.c */
/* Before the block's first op: what a loop needs once. Sets c->loop. */
void jit_vector_begin(JitCode *c);
/* At a jump to c->loop: gets things to be as there, or writes back. False: to c->body instead. */
bool jit_vector_again(JitCode *c);
/* SIDE_MXCSR */
void jit_vector_side(JitCode *c, const JitSide *side);
bool jit_template_vector(JitCode *c);

/* Templates. False: not this one (nothing was written). */
bool jit_template_move(JitCode *c);    /* jit-move.c */
bool jit_template_alu(JitCode *c);     /* jit-alu.c */
bool jit_template_bmi(JitCode *c);     /* jit-bmi.c */
bool jit_template_control(JitCode *c); /* jit-control.c */
void jit_exit_direct(JitCode *c, const Op *op);
void jit_write_side(JitCode *c, const JitSide *side);

#endif
