/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encoding of host instructions. */
#include "jit-emit.h"

#include <string.h>

void emit_bytes(JitBuffer *b, const void *bytes, size_t n)
{
    if ((size_t)(b->end - b->at) < n) {
        b->overflow = true;
        b->end = b->at;
        return;
    }
    memcpy(b->at, bytes, n);
    b->at += n;
}

void emit8(JitBuffer *b, unsigned v)
{
    uint8_t byte = (uint8_t)v;
    emit_bytes(b, &byte, 1);
}

void emit32(JitBuffer *b, uint32_t v)
{
    emit_bytes(b, &v, sizeof(v));
}

void emit64(JitBuffer *b, uint64_t v)
{
    emit_bytes(b, &v, sizeof(v));
}

/*
 * SPL to DIL need a REX prefix, which never hurts; 0F B6, 0F BE and SETcc have byte operands
 * whatever the size.
 */
static bool has_byte_operand(unsigned size, unsigned opcode)
{
    return size == 1 || (opcode & ~8u) == 0x0fb6 || (opcode & ~15u) == 0x0f90;
}

static void emit_memory(JitBuffer *b, unsigned reg, const JitRm *rm)
{
    bool sib = rm->index != H_NONE || (rm->base & 7) == 4;
    bool none = rm->disp == 0 && (rm->base & 7) != 5;
    bool small = rm->disp == (int8_t)rm->disp;
    unsigned mod = none ? 0 : small ? 1 : 2;
    emit8(b, mod << 6 | (reg & 7) << 3 | (sib ? 4 : rm->base & 7));
    if (sib) {
        unsigned index = rm->index == H_NONE ? 4 : rm->index & 7;
        emit8(b, (unsigned)rm->shift << 6 | index << 3 | (rm->base & 7));
    }
    if (!none && small) {
        emit8(b, (uint8_t)rm->disp);
    } else if (!none) {
        emit32(b, (uint32_t)rm->disp);
    }
}

void emit_rm(JitBuffer *b, unsigned size, unsigned opcode, unsigned reg, JitRm rm)
{
    bool memory = rm.reg == H_NONE;
    unsigned rex = 0x40 | (size == 8 ? 8 : 0) | (reg >> 3) << 2;
    if (memory) {
        rex |= (rm.index != H_NONE ? rm.index >> 3 : 0u) << 1 | rm.base >> 3;
    } else {
        rex |= rm.reg >> 3;
    }
    if (size == 2) {
        emit8(b, 0x66);
    }
    if (rex != 0x40 || has_byte_operand(size, opcode)) {
        emit8(b, rex);
    }
    if (opcode > 0xff) {
        emit8(b, 0x0f);
    }
    emit8(b, opcode & 0xff);
    if (memory) {
        emit_memory(b, reg, &rm);
    } else {
        emit8(b, 0xc0 | (reg & 7) << 3 | (rm.reg & 7));
    }
}

static void emit_imm(JitBuffer *b, uint64_t imm, unsigned size)
{
    emit_bytes(b, &imm, size);
}

void emit_rm_imm(JitBuffer *b, unsigned size, unsigned opcode, unsigned reg, JitRm rm, uint64_t imm,
                 unsigned imm_size)
{
    emit_rm(b, size, opcode, reg, rm);
    emit_imm(b, imm, imm_size);
}

void emit_mov_imm(JitBuffer *b, unsigned reg, uint64_t v)
{
    if (v == (uint32_t)v) {
        if (reg >= 8) {
            emit8(b, 0x41);
        }
        emit8(b, 0xb8 | (reg & 7));
        emit32(b, (uint32_t)v);
    } else if (fits32((int64_t)v)) {
        emit_rm_imm(b, 8, 0xc7, 0, rm_reg(reg), v, 4);
    } else {
        emit8(b, 0x48 | reg >> 3);
        emit8(b, 0xb8 | (reg & 7));
        emit64(b, v);
    }
}

void emit_alu_imm(JitBuffer *b, unsigned size, unsigned digit, JitRm rm, int32_t imm)
{
    if (size == 1) {
        emit_rm_imm(b, 1, 0x80, digit, rm, (uint8_t)imm, 1);
    } else if (imm == (int8_t)imm) {
        emit_rm_imm(b, size, 0x83, digit, rm, (uint8_t)imm, 1);
    } else {
        emit_rm_imm(b, size, 0x81, digit, rm, (uint32_t)imm, size == 2 ? 2 : 4);
    }
}

static uint8_t *place32(JitBuffer *b)
{
    uint8_t *place = b->at;
    emit32(b, 0);
    return place;
}

uint8_t *emit_jcc(JitBuffer *b, unsigned cc)
{
    emit8(b, 0x0f);
    emit8(b, 0x80 | cc);
    return place32(b);
}

uint8_t *emit_jmp(JitBuffer *b)
{
    emit8(b, 0xe9);
    return place32(b);
}

void emit_patch(JitBuffer *b, uint8_t *place, const uint8_t *target)
{
    int32_t distance = (int32_t)(target - (place + 4));
    if (!b->overflow) {
        memcpy(place, &distance, sizeof(distance));
    }
}

void emit_jmp_to(JitBuffer *b, const uint8_t *target)
{
    emit_patch(b, emit_jmp(b), target);
}

/*
 * VEX3 and EVEX prefixes hold the register numbers' high bits and vvvv inverted (SDM vol. 2, 2.3.5,
 * 2.7.1). A base below R8 and no index.
 */
void emit_wide(JitBuffer *b, const JitWide *i, unsigned reg, unsigned vvvv, JitRm rm)
{
    unsigned high = (~reg & 8) << 4, p2 = i->w << 7 | (~vvvv & 15) << 3 | i->pp;
    if (i->length < 2) {
        emit8(b, 0xc4);
        emit8(b, high | 0x60 | i->map);
        emit8(b, p2 | i->length << 2);
    } else {
        emit8(b, 0x62);
        emit8(b, high | 0x60 | (~reg & 16) | i->map);
        emit8(b, p2 | 4);
        emit8(b, i->length << 5 | (~vvvv & 16) >> 1);
    }
    emit8(b, i->opcode);
    /* a displacement of 8 bits would be scaled */
    emit8(b, 0x80 | (reg & 7) << 3 | rm.base);
    emit32(b, (uint32_t)rm.disp);
}
