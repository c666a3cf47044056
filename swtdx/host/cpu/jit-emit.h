/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encoding of the host instructions that the JIT uses (Intel SDM vol. 2, ch. 2). Pure: bytes into a
 * buffer.
 */
#ifndef SWTDX_JIT_EMIT_H
#define SWTDX_JIT_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H_RAX, H_RCX, H_RDX, H_RBX, H_RSP, H_RBP, H_RSI, H_RDI, H_R8, H_R9, H_R10, H_R11, H_R12,
       H_R13, H_R14, H_R15, H_NONE };

/* x86's condition codes */
enum { CC_O = 0, CC_B = 2, CC_E = 4, CC_NE = 5 };

/* A register, or memory at base + (index << shift) + disp. */
typedef struct JitRm {
    uint8_t reg;  /* H_NONE: memory */
    uint8_t base, index, shift;
    int32_t disp;
} JitRm;

/* Where bytes go. After an overflow nothing is written any more and `at` stays. */
typedef struct JitBuffer {
    uint8_t *at, *end;
    bool overflow;
} JitBuffer;

static inline JitRm rm_reg(unsigned reg)
{
    return (JitRm){ .reg = (uint8_t)reg };
}

static inline JitRm rm_mem(unsigned base, int64_t disp)
{
    return (JitRm){ .reg = H_NONE, .base = (uint8_t)base, .index = H_NONE, .disp = (int32_t)disp };
}

static inline bool fits32(int64_t v)
{
    return v == (int32_t)v;
}

void emit8(JitBuffer *b, unsigned v);
void emit32(JitBuffer *b, uint32_t v);
void emit64(JitBuffer *b, uint64_t v);
void emit_bytes(JitBuffer *b, const void *bytes, size_t n);
/*
 * An instruction of operand size 1, 2, 4 or 8 bytes with a ModRM byte. opcode: one byte, or 0F00h +
 * the second one.
 */
void emit_rm(JitBuffer *b, unsigned size, unsigned opcode, unsigned reg, JitRm rm);
/* The same, with an immediate of `imm_size` bytes behind it. */
void emit_rm_imm(JitBuffer *b, unsigned size, unsigned opcode, unsigned reg, JitRm rm, uint64_t imm,
                 unsigned imm_size);
/* reg <- v, by the shortest encoding; no flags change. */
void emit_mov_imm(JitBuffer *b, unsigned reg, uint64_t v);
/* ADD OR ADC SBB AND SUB XOR CMP (digit 0..7) rm, imm. */
void emit_alu_imm(JitBuffer *b, unsigned size, unsigned digit, JitRm rm, int32_t imm);
/* An instruction with a VEX prefix, or for a length of 2 (512 bits) an EVEX prefix. */
typedef struct JitWide {
    uint8_t map, pp, w, length, opcode;
} JitWide;
void emit_wide(JitBuffer *b, const JitWide *i, unsigned reg, unsigned vvvv, JitRm rm);
/* Jumps with 32-bit displacements, to be set by emit_patch(): the place of the displacement. */
uint8_t *emit_jcc(JitBuffer *b, unsigned cc);
uint8_t *emit_jmp(JitBuffer *b);
void emit_patch(JitBuffer *b, uint8_t *place, const uint8_t *target);
void emit_jmp_to(JitBuffer *b, const uint8_t *target);

#endif
