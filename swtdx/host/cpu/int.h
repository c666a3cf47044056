/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the integer family share.
 *
 * Handlers are generated per operand size (8, 16, 32, 64 bits) and form: R register, M memory, I
 * immediate, destination first. In them `cpu` and `op` are the parameters; values travel as
 * uint64_t, sign-extended where flags follow.
 */
#ifndef SWTDX_INT_H
#define SWTDX_INT_H

#include "cpu.h"
#include "decode.h"
#include "features.h"
#include "flags.h"
#include "mmu.h"
#include "system.h"

#define HANDLER(name) static const Op *name(Cpu *cpu, const Op *op)

enum { FORM_RR, FORM_RI, FORM_RM, FORM_MR, FORM_MI, FORM_COUNT };

/* 8, 16, 32, 64 bits to 0..3 */
#define SIZE_INDEX(bytes) ((bytes) == 8 ? 3u : (bytes) == 4 ? 2u : (bytes) == 2 ? 1u : 0u)

#define SEXT(bits, v) ((uint64_t)(int64_t)(int##bits##_t)(v))
#define ZEXT(bits, v) ((uint64_t)(uint##bits##_t)(v))
#define REG_READ(bits, offset) CPU_REG(cpu, uint##bits##_t, offset)
#define LINEAR(bits, write) op_linear(cpu, op, (bits) / 8, write)

/*
 * Writes of 8 and 16 bits keep the rest of the register, of 32 bits clear it (SDM vol. 1, 3.4.1.1).
 */
static inline void reg_write8(Cpu *cpu, unsigned offset, uint64_t v)
{
    CPU_REG(cpu, uint8_t, offset) = (uint8_t)v;
}

static inline void reg_write16(Cpu *cpu, unsigned offset, uint64_t v)
{
    CPU_REG(cpu, uint16_t, offset) = (uint16_t)v;
}

static inline void reg_write32(Cpu *cpu, unsigned offset, uint64_t v)
{
    CPU_REG(cpu, uint64_t, offset) = (uint32_t)v;
}

static inline void reg_write64(Cpu *cpu, unsigned offset, uint64_t v)
{
    CPU_REG(cpu, uint64_t, offset) = v;
}

/* The load of a read-modify-write: faults as a write does, before anything is changed. */
#define DEFINE_RMW_LOAD(bits)                                                            \
    static inline uint##bits##_t rmw_load##bits(Cpu *cpu, const Op *op, uint64_t linear) \
    {                                                                                    \
        if (unlikely(mmu_entry(cpu, linear)->write != (linear & GUEST_PAGE_MASK) ||      \
                     (linear & 0xfff) > 0x1000 - (bits) / 8)) {                          \
            mmu_probe(cpu, op, linear, (bits) / 8, CPU_WRITE);                           \
        }                                                                                \
        return mmu_load##bits(cpu, op, linear);                                          \
    }
DEFINE_RMW_LOAD(8)
DEFINE_RMW_LOAD(16)
DEFINE_RMW_LOAD(32)
DEFINE_RMW_LOAD(64)
#undef DEFINE_RMW_LOAD

_Noreturn static inline void op_raise(Cpu *cpu, const Op *op, uint8_t vector, uint32_t error)
{
    cpu->op = op;
    cpu_raise(cpu, vector, error);
}

static inline bool is_memory(const Decoded *d, unsigned k)
{
    return d->memory == k;
}

static inline bool is_immediate(const Decoded *d, unsigned k)
{
    return k < d->insn.operand_count_visible && d->operand[k].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

static inline bool is_locked(const Decoded *d)
{
    return d->insn.attributes & ZYDIS_ATTRIB_HAS_LOCK;
}

/* FORM_* of a two-operand instruction of general registers, or -1. */
int int_form(const Decoded *d);
/* The same, of one operand: FORM_RR or FORM_MR. */
int int_unary_form(const Decoded *d);
/* condition code of a Jcc, SETcc or CMOVcc: low bits of its opcode */
static inline unsigned int_condition(const Decoded *d)
{
    return d->insn.opcode & 15u;
}

/* Leaves the block before `op`, to start it again after pending work: REP and its like. */
const Op *int_restart(Cpu *cpu, const Op *op);

/* Choosers of the files, asked by family_integer(). */
bool int_choose_alu(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_mov(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_cond(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_shift(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_muldiv(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_bits(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_bmi(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_atomic(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_stack(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
bool int_choose_misc(Cpu *cpu, const Decoded *d, Op *op, bool *ends);

#define OP_FUSED 1 /* Op.flags of CMP and TEST: the handler does the jump behind it too */
/*
 * If `jump` is a conditional jump and `op` a comparison before it, gives `op` a handler that does
 * both. (int-fuse.c)
 */
void int_fuse(Op *op, const Op *jump);
/* Condition of a direct conditional jump in 64-bit code, or -1. (control.c) */
int control_jump_condition(const Op *jump);
/* Whether op->fn is CMP or TEST of that size and form. (int-alu.c) */
bool alu_is_cmp(const Op *op, unsigned form, unsigned size_index);
bool alu_is_test(const Op *op, unsigned form, unsigned size_index);

#endif
