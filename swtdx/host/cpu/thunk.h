/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What instructions that the host executes itself become at decode time (thunk-choose.c), for those
 * who run them: thunk.c one by one, jit-vector.c in host code.
 */
#ifndef SWTDX_THUNK_H
#define SWTDX_THUNK_H

#include "vector.h"

/* Op.aux. Op.imm holds the rewritten instruction. */
typedef struct ThunkMeta {
    uint8_t mem_size;
    uint8_t len;       /* of the rewritten instruction in Op.imm */
    uint8_t flags;     /* THUNK_* */
    uint8_t kind;      /* KIND_*, and log2 of the alignment asked of the memory operand << 4 */
    /* opmask register of a masked memory operand 1..7, log2 of the element size << 4; 0: none */
    uint8_t mask;
    uint8_t host;      /* HOST_*: what host code wants to know */
    uint8_t fields;    /* which registers the encoding names, which it writes: FIELD_* */
    uint8_t modrm;     /* where the ModRM byte stands in the rewritten instruction */
} ThunkMeta;
_Static_assert(sizeof(ThunkMeta) == sizeof(uint64_t), "stands in Op.aux");

enum {
    THUNK_READ = 1,
    THUNK_WRITE = 2,
    THUNK_GPR_IN = 4,
    THUNK_GPR_OUT = 8,
    THUNK_STRING = 16,   /* PCMPESTRx, PCMPISTRx: EAX, EDX in, ECX out */
    THUNK_FLAGS = 32,    /* reads or writes the arithmetic flags */
    THUNK_PACKED = 64,   /* masked elements stand in a row: expand and compress */
    THUNK_FPU_ADDRESS = 128, /* sets FOP, FIP, FDP */
};
/*
 * Op.flags: log2 of how many elements a mask covers, with MASK_UNSUPPRESSED where the elements that
 * it leaves out fault, too; X87_TRUNCATE
 */
enum { X87_TRUNCATE = 1, MASK_UNSUPPRESSED = 0x80 };
enum { KIND_X87, KIND_MMX, KIND_SSE, KIND_SSE_MMX, KIND_VEX, KIND_EVEX };

enum {
    HOST_MXCSR = 1,      /* rounds, or sets MXCSR's flags */
    HOST_WHOLE = 2,      /* what it writes does not depend on what was there */
    HOST_XMM0 = 4,       /* reads XMM0 without naming it */
    HOST_IS4 = 8,        /* a fourth register in the last byte */
    HOST_LEVEL_SHIFT = 4, /* 1: uses 128 bits of its registers, 2: 256, 3: 512 */
};

/* ModRM.reg in bits 1:0, ModRM.rm in 3:2, vvvv in 5:4; in 7:6 which of them is written: 1, 2, 3 */
enum { FIELD_NONE, FIELD_VECTOR, FIELD_OPMASK };

/* Op.form where the host can execute an instruction as rewritten, whatever its handler does. */
#define FORM_HOST 0x10

static inline ThunkMeta thunk_meta(const Op *op)
{
    ThunkMeta m;
    memcpy(&m, &op->aux, sizeof(m));
    return m;
}

/* The handler that runs Op.imm (thunk.c). */
const Op *op_thunk(Cpu *cpu, const Op *op);

/*
 * Sets m->host and fields; false: nothing for host code, because it has more operands, faults by
 * elements, or has a state that is not kept in registers (vector-host.c).
 */
bool thunk_host_fields(const Decoded *d, ThunkMeta *m);

/*
 * For an op that has another handler than op_thunk: fills imm, aux and form if host code could
 * execute the instruction itself. The handler must have its general register, if any, in op->dst,
 * and use neither imm nor aux.
 */
void vec_host_form(Cpu *cpu, const Decoded *d, Op *op);

#endif
