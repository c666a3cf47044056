/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MUL IMUL DIV IDIV. SF ZF AF PF after a multiplication, and all after a division, are undefined
 * (SDM vol. 2).
 */
#include "int.h"

typedef unsigned __int128 U128;
typedef __int128 S128;

#define OVERFLOW(x) ((x) ? (uint64_t)(FLAG_CF | FLAG_OF) : 0)

/* The one-operand forms with rDX:rAX, given the other factor or the divisor. 8 bits: AX alone. */
static inline void mul8(Cpu *cpu, uint8_t b)
{
    uint16_t res = (uint16_t)((uint8_t)cpu->regs[GPR_RAX] * b);
    reg_write16(cpu, GPR_RAX * 8, res);
    flags_set_res(cpu, SEXT(8, res), OVERFLOW(res >> 8));
}

static inline void imul8(Cpu *cpu, uint8_t b)
{
    int16_t res = (int16_t)((int8_t)cpu->regs[GPR_RAX] * (int8_t)b);
    reg_write16(cpu, GPR_RAX * 8, (uint16_t)res);
    flags_set_res(cpu, SEXT(8, res), OVERFLOW(res != (int8_t)res));
}

#define DEFINE_MUL(bits, Unsigned, Signed)                                                   \
    static inline void mul##bits(Cpu *cpu, uint##bits##_t b)                                 \
    {                                                                                        \
        Unsigned res = (Unsigned)(uint##bits##_t)cpu->regs[GPR_RAX] * b;                     \
        reg_write##bits(cpu, GPR_RAX * 8, (uint##bits##_t)res);                              \
        reg_write##bits(cpu, GPR_RDX * 8, (uint##bits##_t)(res >> (bits)));                  \
        flags_set_res(cpu, SEXT(bits, res), OVERFLOW((uint##bits##_t)(res >> (bits)) != 0)); \
    }                                                                                        \
    static inline void imul##bits(Cpu *cpu, uint##bits##_t b)                                \
    {                                                                                        \
        Signed res = (Signed)(int##bits##_t)cpu->regs[GPR_RAX] * (int##bits##_t)b;           \
        reg_write##bits(cpu, GPR_RAX * 8, (uint##bits##_t)res);                              \
        reg_write##bits(cpu, GPR_RDX * 8, (uint##bits##_t)((Unsigned)res >> (bits)));        \
        flags_set_res(cpu, SEXT(bits, res), OVERFLOW(res != (int##bits##_t)res));            \
    }
DEFINE_MUL(16, uint64_t, int64_t)
DEFINE_MUL(32, uint64_t, int64_t)
DEFINE_MUL(64, U128, S128)

/*
 * Divisions return false for #DE. A 64-bit quotient of a dividend that fits in 64 bits is the usual
 * case.
 */
static inline bool div8(Cpu *cpu, uint8_t b)
{
    unsigned a = (uint16_t)cpu->regs[GPR_RAX];
    if (b == 0 || a / b > 0xff) {
        return false;
    }
    reg_write16(cpu, GPR_RAX * 8, (a / b) | (a % b) << 8);
    return true;
}

static inline bool idiv8(Cpu *cpu, uint8_t b8)
{
    int a = (int16_t)cpu->regs[GPR_RAX], b = (int8_t)b8;
    if (b == 0 || a / b != (int8_t)(a / b)) {
        return false;
    }
    reg_write16(cpu, GPR_RAX * 8, (uint8_t)(a / b) | (unsigned)(uint8_t)(a % b) << 8);
    return true;
}

#define DEFINE_DIV(bits, Unsigned, Signed)                                                         \
    static inline bool div##bits(Cpu *cpu, uint##bits##_t b)                                       \
    {                                                                                              \
        Unsigned high = (uint##bits##_t)cpu->regs[GPR_RDX];                                        \
        Unsigned a = high << (bits) | (uint##bits##_t)cpu->regs[GPR_RAX];                          \
        if (b <= high) {                                                                           \
            return false;                                                                          \
        }                                                                                          \
        reg_write##bits(cpu, GPR_RAX * 8, (uint##bits##_t)(a / b));                                \
        reg_write##bits(cpu, GPR_RDX * 8, (uint##bits##_t)(a % b));                                \
        return true;                                                                               \
    }                                                                                              \
    static inline bool idiv##bits(Cpu *cpu, uint##bits##_t divisor)                                \
    {                                                                                              \
        Signed b = (int##bits##_t)divisor;                                                         \
        Unsigned high = (uint##bits##_t)cpu->regs[GPR_RDX];                                        \
        Signed a = (Signed)(high << (bits) | (uint##bits##_t)cpu->regs[GPR_RAX]);                  \
        if ((bits) <= 32) {                                                                        \
            const unsigned unused = sizeof(Signed) * 8 - 2 * (bits);                               \
            a = (Signed)((Unsigned)a << unused) >> unused;                                         \
        }                                                                                          \
        Signed least = (Signed)((Unsigned)1 << (sizeof(Signed) * 8 - 1));                          \
        if (b == 0 || (b == -1 && a == least) || a / b != (int##bits##_t)(a / b)) {                \
            return false;                                                                          \
        }                                                                                          \
        reg_write##bits(cpu, GPR_RAX * 8, (uint##bits##_t)(a / b));                                \
        reg_write##bits(cpu, GPR_RDX * 8, (uint##bits##_t)(a % b));                                \
        return true;                                                                               \
    }
DEFINE_DIV(16, uint64_t, int64_t)
DEFINE_DIV(32, uint64_t, int64_t)
DEFINE_DIV(64, U128, S128)

#define DEFINE_MUL_FORMS(name, bits)                                   \
    HANDLER(op_##name##_r##bits)                                       \
    {                                                                  \
        name##bits(cpu, REG_READ(bits, op->dst));                      \
        NEXT(cpu, op);                                                 \
    }                                                                  \
    HANDLER(op_##name##_m##bits)                                       \
    {                                                                  \
        name##bits(cpu, mmu_load##bits(cpu, op, LINEAR(bits, false))); \
        NEXT(cpu, op);                                                 \
    }
#define DEFINE_DIV_FORMS(name, bits)                                          \
    HANDLER(op_##name##_r##bits)                                              \
    {                                                                         \
        if (!name##bits(cpu, REG_READ(bits, op->dst))) {                      \
            op_raise(cpu, op, VEC_DE, 0);                                     \
        }                                                                     \
        NEXT(cpu, op);                                                        \
    }                                                                         \
    HANDLER(op_##name##_m##bits)                                              \
    {                                                                         \
        if (!name##bits(cpu, mmu_load##bits(cpu, op, LINEAR(bits, false)))) { \
            op_raise(cpu, op, VEC_DE, 0);                                     \
        }                                                                     \
        NEXT(cpu, op);                                                        \
    }
#define SIZES(DEFINE, name) DEFINE(name, 8) DEFINE(name, 16) DEFINE(name, 32) DEFINE(name, 64)
SIZES(DEFINE_MUL_FORMS, mul)
SIZES(DEFINE_MUL_FORMS, imul)
SIZES(DEFINE_DIV_FORMS, div)
SIZES(DEFINE_DIV_FORMS, idiv)

/* IMUL of two and three operands */
#define IMUL2(bits, Signed, x, y)                                             \
    Signed res = (Signed)(int##bits##_t)(x) * (int##bits##_t)(y);             \
    flags_set_res(cpu, SEXT(bits, res), OVERFLOW(res != (int##bits##_t)res)); \
    reg_write##bits(cpu, op->dst, (uint##bits##_t)res);                       \
    NEXT(cpu, op)
#define DEFINE_IMUL2(bits, Signed)                                                  \
    HANDLER(op_imul_rr##bits)                                                       \
    {                                                                               \
        IMUL2(bits, Signed, REG_READ(bits, op->dst), REG_READ(bits, op->src));      \
    }                                                                               \
    HANDLER(op_imul_rm##bits)                                                       \
    {                                                                               \
        IMUL2(bits, Signed, mmu_load##bits(cpu, op, LINEAR(bits, false)),           \
              REG_READ(bits, op->dst));                                             \
    }                                                                               \
    HANDLER(op_imul_rri##bits)                                                      \
    {                                                                               \
        IMUL2(bits, Signed, REG_READ(bits, op->src), op->imm);                      \
    }                                                                               \
    HANDLER(op_imul_rmi##bits)                                                      \
    {                                                                               \
        IMUL2(bits, Signed, mmu_load##bits(cpu, op, LINEAR(bits, false)), op->imm); \
    }
DEFINE_IMUL2(16, int64_t)
DEFINE_IMUL2(32, int64_t)
DEFINE_IMUL2(64, S128)

#define ROW(name) { op_##name##8, op_##name##16, op_##name##32, op_##name##64 }
#define WIDE_ROW(name) { NULL, op_##name##16, op_##name##32, op_##name##64 }

static bool choose_imul(const Decoded *d, Op *op)
{
    static const OpFn r[4] = ROW(imul_r), m[4] = ROW(imul_m);
    static const OpFn rr[4] = WIDE_ROW(imul_rr), rm[4] = WIDE_ROW(imul_rm);
    static const OpFn rri[4] = WIDE_ROW(imul_rri), rmi[4] = WIDE_ROW(imul_rmi);
    unsigned size = SIZE_INDEX(op->size);
    if (d->insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (d->insn.opcode & 0xfe) == 0xf6) {
        op->fn = is_memory(d, 0) ? m[size] : r[size];
        return true;
    }
    bool memory = is_memory(d, 1), three = is_immediate(d, 2);
    op->fn = (three ? memory ? rmi : rri : memory ? rm : rr)[size];
    return op->fn != NULL;
}

bool int_choose_muldiv(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    static const OpFn mul_r[4] = ROW(mul_r), mul_m[4] = ROW(mul_m), div_r[4] = ROW(div_r),
                      div_m[4] = ROW(div_m);
    static const OpFn idiv_r[4] = ROW(idiv_r), idiv_m[4] = ROW(idiv_m);
    (void)cpu;
    (void)ends;
    unsigned size = SIZE_INDEX(op->size);
    bool memory = is_memory(d, 0);
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_IMUL:
        return choose_imul(d, op);
    case ZYDIS_MNEMONIC_MUL:
        op->fn = (memory ? mul_m : mul_r)[size];
        return true;
    case ZYDIS_MNEMONIC_DIV:
        op->fn = (memory ? div_m : div_r)[size];
        return true;
    case ZYDIS_MNEMONIC_IDIV:
        op->fn = (memory ? idiv_m : idiv_r)[size];
        return true;
    default:
        return false;
    }
}
