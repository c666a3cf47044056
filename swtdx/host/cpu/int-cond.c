/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SETcc and CMOVcc.
 */
#include "int.h"

#define DEFINE_SETCC(cond)                                                \
    HANDLER(op_set##cond##_r)                                             \
    {                                                                     \
        reg_write8(cpu, op->dst, flags_condition(cpu, cond));             \
        NEXT(cpu, op);                                                    \
    }                                                                     \
    HANDLER(op_set##cond##_m)                                             \
    {                                                                     \
        mmu_store8(cpu, op, LINEAR(8, true), flags_condition(cpu, cond)); \
        NEXT(cpu, op);                                                    \
    }

/*
 * The load happens, and may fault, whatever the condition says; a 32-bit destination is cleared
 * above in any case.
 */
#define DEFINE_CMOV(cond, bits)                                                                  \
    HANDLER(op_cmov##cond##_rr##bits)                                                            \
    {                                                                                            \
        uint##bits##_t v = flags_condition(cpu, cond) ? REG_READ(bits, op->src) : REG_READ(bits, \
            op->dst);                                                                            \
        reg_write##bits(cpu, op->dst, v);                                                        \
        NEXT(cpu, op);                                                                           \
    }                                                                                            \
    HANDLER(op_cmov##cond##_rm##bits)                                                            \
    {                                                                                            \
        uint##bits##_t m = mmu_load##bits(cpu, op, LINEAR(bits, false));                         \
        uint##bits##_t v = flags_condition(cpu, cond) ? m : REG_READ(bits, op->dst);             \
        reg_write##bits(cpu, op->dst, v);                                                        \
        NEXT(cpu, op);                                                                           \
    }

#define ALL_CONDITIONS(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define DEFINE_CMOVS(cond) DEFINE_CMOV(cond, 16) DEFINE_CMOV(cond, 32) DEFINE_CMOV(cond, 64)

ALL_CONDITIONS(DEFINE_SETCC)
ALL_CONDITIONS(DEFINE_CMOVS)

#define SET_R(cond) op_set##cond##_r,
#define SET_M(cond) op_set##cond##_m,
#define CMOV_RR(cond) { NULL, op_cmov##cond##_rr16, op_cmov##cond##_rr32, op_cmov##cond##_rr64 },
#define CMOV_RM(cond) { NULL, op_cmov##cond##_rm16, op_cmov##cond##_rm32, op_cmov##cond##_rm64 },

static const OpFn set_r[16] = { ALL_CONDITIONS(SET_R) };
static const OpFn set_m[16] = { ALL_CONDITIONS(SET_M) };
static const OpFn cmov_rr[16][4] = { ALL_CONDITIONS(CMOV_RR) };
static const OpFn cmov_rm[16][4] = { ALL_CONDITIONS(CMOV_RM) };

bool int_choose_cond(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)cpu;
    (void)ends;
    unsigned cond = int_condition(d);
    switch (d->insn.meta.category) {
    case ZYDIS_CATEGORY_SETCC:
        op->fn = is_memory(d, 0) ? set_m[cond] : set_r[cond];
        return true;
    case ZYDIS_CATEGORY_CMOV:
        op->fn = (is_memory(d, 1) ? cmov_rm : cmov_rr)[cond][SIZE_INDEX(op->size)];
        return true;
    default:
        return false;
    }
}
