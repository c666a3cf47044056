/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From bytes to a block of Ops. Pure but for world->has_feature().
 */
#ifndef SWTDX_DECODE_H
#define SWTDX_DECODE_H

#include <Zydis/Zydis.h>

#include "block-exit.h"
#include "system.h"

typedef struct Decoder {
    ZydisDecoder long64, code32, code16, code32_stack16, code16_stack32;
} Decoder;

void decoder_init(Decoder *decoder);

/*
 * Fills block->ops (room for BLOCK_MAX_OPS + 1), count and length from n bytes at block->offset of
 * a page; mode is block->mode. False: the first instruction needs more than n bytes (n < 15).
 */
bool decode_block(const Decoder *decoder, Cpu *cpu, Block *block, const uint8_t *bytes, size_t n,
                  unsigned max_ops);

/* Byte offset into Cpu.regs of a general register, or GPR_ZERO's. */
uint8_t decode_register(ZydisRegister reg);
/* Whether the k-th visible operand is a general register. */
bool decode_is_register(const Decoded *d, unsigned k);

/*
 * What CPUID must offer for an instruction set (features.h), 0 for the base set, or DECODE_NEVER
 * (isa.c).
 */
#define DECODE_NEVER UINT32_MAX
uint32_t isa_feature(ZydisISASet set);

#endif
