/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHL SHR SAR ROL ROR RCL RCR SHLD SHRD (Intel SDM vol. 2). The count is masked to 5 bits, or 6 for
 * 64-bit operands; a masked count of 0 changes nothing, not even flags. OF for counts other than 1
 * is undefined; we give it what the formula for 1 gives.
 */
#include "int.h"

#define MASK(bits) ((bits) == 64 ? 63u : 31u)
#define TOP(bits, v) (((v) >> ((bits) - 1)) & 1)
#define OF_IF(x) ((x) ? (uint64_t)FLAG_OF : 0)

/* Each: v (zero-extended) and a count n of 1..63 to *res, flags set. */
#define DEFINE_SHIFTS(bits)                                                             \
    static inline uint64_t do_shl##bits(Cpu *cpu, uint64_t v, unsigned n)               \
    {                                                                                   \
        uint64_t cf = n <= (bits) ? (v >> ((bits) - n)) & 1 : 0;                        \
        uint64_t res = ZEXT(bits, v << n);                                              \
        flags_set_res(cpu, SEXT(bits, res), cf | OF_IF(TOP(bits, res) ^ cf));           \
        return res;                                                                     \
    }                                                                                   \
    static inline uint64_t do_shr##bits(Cpu *cpu, uint64_t v, unsigned n)               \
    {                                                                                   \
        uint64_t cf = (v >> (n - 1)) & 1;                                               \
        uint64_t res = v >> n;                                                          \
        flags_set_res(cpu, SEXT(bits, res), cf | OF_IF(TOP(bits, v)));                  \
        return res;                                                                     \
    }                                                                                   \
    static inline uint64_t do_sar##bits(Cpu *cpu, uint64_t v, unsigned n)               \
    {                                                                                   \
        int64_t s = (int64_t)SEXT(bits, v);                                             \
        uint64_t cf = (uint64_t)(s >> (n - 1)) & 1;                                     \
        uint64_t res = (uint64_t)(s >> n);                                              \
        flags_set_res(cpu, res, cf);                                                    \
        return ZEXT(bits, res);                                                         \
    }                                                                                   \
    static inline uint64_t do_rol##bits(Cpu *cpu, uint64_t v, unsigned n)               \
    {                                                                                   \
        unsigned r = n % (bits);                                                        \
        uint64_t res = r != 0 ? ZEXT(bits, (v << r) | (v >> ((bits) - r))) : v;         \
        flags_replace_cf_of(cpu, (res & 1) | OF_IF(TOP(bits, res) ^ (res & 1)));        \
        return res;                                                                     \
    }                                                                                   \
    static inline uint64_t do_ror##bits(Cpu *cpu, uint64_t v, unsigned n)               \
    {                                                                                   \
        unsigned r = n % (bits);                                                        \
        uint64_t res = r != 0 ? ZEXT(bits, (v >> r) | (v << ((bits) - r))) : v;         \
        flags_replace_cf_of(cpu, TOP(bits, res) |                                       \
                            OF_IF(TOP(bits, res) ^ ((res >> ((bits) - 2)) & 1)));       \
        return res;                                                                     \
    }                                                                                   \
    /* bits + 1 wide rotates, a step at a time: rare */                                 \
    static inline uint64_t do_rcl##bits(Cpu *cpu, uint64_t v, unsigned n)               \
    {                                                                                   \
        uint64_t cf = flags_cf(cpu);                                                    \
        for (n %= (bits) + 1; n != 0; n--) {                                            \
            uint64_t out = TOP(bits, v);                                                \
            v = ZEXT(bits, (v << 1) | cf);                                              \
            cf = out;                                                                   \
        }                                                                               \
        flags_replace_cf_of(cpu, cf | OF_IF(TOP(bits, v) ^ cf));                        \
        return v;                                                                       \
    }                                                                                   \
    static inline uint64_t do_rcr##bits(Cpu *cpu, uint64_t v, unsigned n)               \
    {                                                                                   \
        uint64_t cf = flags_cf(cpu);                                                    \
        for (n %= (bits) + 1; n != 0; n--) {                                            \
            uint64_t out = v & 1;                                                       \
            v = (v >> 1) | (cf << ((bits) - 1));                                        \
            cf = out;                                                                   \
        }                                                                               \
        flags_replace_cf_of(cpu, cf | OF_IF(TOP(bits, v) ^ ((v >> ((bits) - 2)) & 1))); \
        return v;                                                                       \
    }

DEFINE_SHIFTS(8)
DEFINE_SHIFTS(16)
DEFINE_SHIFTS(32)
DEFINE_SHIFTS(64)

/* Forms: register or memory, by immediate (a count of 0 is chosen away) or by CL. */
#define DEFINE_FORMS(name, bits)                                                            \
    HANDLER(op_##name##_ri##bits)                                                           \
    {                                                                                       \
        uint64_t res = do_##name##bits(cpu, REG_READ(bits, op->dst), (unsigned)op->imm);    \
        reg_write##bits(cpu, op->dst, res);                                                 \
        NEXT(cpu, op);                                                                      \
    }                                                                                       \
    HANDLER(op_##name##_rc##bits)                                                           \
    {                                                                                       \
        unsigned n = (unsigned)cpu->regs[GPR_RCX] & MASK(bits);                             \
        uint64_t res = REG_READ(bits, op->dst);                                             \
        if (n != 0) {                                                                       \
            res = do_##name##bits(cpu, res, n);                                             \
        }                                                                                   \
        reg_write##bits(cpu, op->dst, res);                                                 \
        NEXT(cpu, op);                                                                      \
    }                                                                                       \
    HANDLER(op_##name##_mi##bits)                                                           \
    {                                                                                       \
        uint64_t linear = LINEAR(bits, true);                                               \
        uint64_t v = rmw_load##bits(cpu, op, linear);                                       \
        uint64_t res = do_##name##bits(cpu, v, (unsigned)op->imm);                          \
        mmu_store##bits(cpu, op, linear, (uint##bits##_t)res);                              \
        NEXT(cpu, op);                                                                      \
    }                                                                                       \
    HANDLER(op_##name##_mc##bits)                                                           \
    {                                                                                       \
        uint64_t linear = LINEAR(bits, true);                                               \
        uint64_t res = rmw_load##bits(cpu, op, linear);                                     \
        unsigned n = (unsigned)cpu->regs[GPR_RCX] & MASK(bits);                             \
        if (n != 0) {                                                                       \
            res = do_##name##bits(cpu, res, n);                                             \
        }                                                                                   \
        mmu_store##bits(cpu, op, linear, (uint##bits##_t)res);                              \
        NEXT(cpu, op);                                                                      \
    }
#define DEFINE_FORM_SIZES(name) \
    DEFINE_FORMS(name, 8) DEFINE_FORMS(name, 16) DEFINE_FORMS(name, 32) DEFINE_FORMS(name, 64)

DEFINE_FORM_SIZES(shl)
DEFINE_FORM_SIZES(shr)
DEFINE_FORM_SIZES(sar)
DEFINE_FORM_SIZES(rol)
DEFINE_FORM_SIZES(ror)
DEFINE_FORM_SIZES(rcl)
DEFINE_FORM_SIZES(rcr)

/*
 * SHLD, SHRD: `v` takes n bits of `fill` (16-bit operands: counts over 16 are undefined; Intel's
 * processors then go on with the destination's own bits, which the 48-bit concatenation
 * reproduces).
 */
#define WIDE16(a, b, c) (((uint64_t)(a) << 32) | ((uint64_t)(b) << 16) | (uint64_t)(c))
static inline uint64_t do_shld16(Cpu *cpu, uint64_t v, uint64_t fill, unsigned n)
{
    uint64_t wide = WIDE16(v, fill, v);
    uint64_t res = ZEXT(16, (wide << n) >> 32);
    uint64_t cf = (wide >> (48 - n)) & 1;
    flags_set_res(cpu, SEXT(16, res), cf | OF_IF(TOP(16, res) ^ TOP(16, v)));
    return res;
}

static inline uint64_t do_shrd16(Cpu *cpu, uint64_t v, uint64_t fill, unsigned n)
{
    uint64_t wide = WIDE16(v, fill, v);
    uint64_t res = ZEXT(16, wide >> n);
    uint64_t cf = (wide >> (n - 1)) & 1;
    flags_set_res(cpu, SEXT(16, res), cf | OF_IF(TOP(16, res) ^ TOP(16, v)));
    return res;
}

#define DEFINE_DOUBLE(bits)                                                                      \
    static inline uint64_t do_shld##bits(Cpu *cpu, uint64_t v, uint64_t fill, unsigned n)        \
    {                                                                                            \
        uint64_t res = ZEXT(bits, (v << n) | (fill >> ((bits) - n)));                            \
        uint64_t cf = (v >> ((bits) - n)) & 1;                                                   \
        flags_set_res(cpu, SEXT(bits, res), cf | OF_IF(TOP(bits, res) ^ TOP(bits, v)));          \
        return res;                                                                              \
    }                                                                                            \
    static inline uint64_t do_shrd##bits(Cpu *cpu, uint64_t v, uint64_t fill, unsigned n)        \
    {                                                                                            \
        uint64_t res = ZEXT(bits, (v >> n) | (fill << ((bits) - n)));                            \
        uint64_t cf = (v >> (n - 1)) & 1;                                                        \
        flags_set_res(cpu, SEXT(bits, res), cf | OF_IF(TOP(bits, res) ^ TOP(bits, v)));          \
        return res;                                                                              \
    }
DEFINE_DOUBLE(32)
DEFINE_DOUBLE(64)

/* The count: in op->imm, or CL when op->flags says so. */
#define DOUBLE_COUNT(bits) ((unsigned)(op->flags ? cpu->regs[GPR_RCX] : op->imm) & MASK(bits))
#define DEFINE_DOUBLE_FORMS(name, bits)                                                          \
    HANDLER(op_##name##_r##bits)                                                                 \
    {                                                                                            \
        unsigned n = DOUBLE_COUNT(bits);                                                         \
        uint64_t res = REG_READ(bits, op->dst);                                                  \
        if (n != 0) {                                                                            \
            res = do_##name##bits(cpu, res, REG_READ(bits, op->src), n);                         \
        }                                                                                        \
        reg_write##bits(cpu, op->dst, res);                                                      \
        NEXT(cpu, op);                                                                           \
    }                                                                                            \
    HANDLER(op_##name##_m##bits)                                                                 \
    {                                                                                            \
        uint64_t linear = LINEAR(bits, true);                                                    \
        uint64_t res = rmw_load##bits(cpu, op, linear);                                          \
        unsigned n = DOUBLE_COUNT(bits);                                                         \
        if (n != 0) {                                                                            \
            res = do_##name##bits(cpu, res, REG_READ(bits, op->src), n);                         \
        }                                                                                        \
        mmu_store##bits(cpu, op, linear, (uint##bits##_t)res);                                   \
        NEXT(cpu, op);                                                                           \
    }
DEFINE_DOUBLE_FORMS(shld, 16)
DEFINE_DOUBLE_FORMS(shld, 32)
DEFINE_DOUBLE_FORMS(shld, 64)
DEFINE_DOUBLE_FORMS(shrd, 16)
DEFINE_DOUBLE_FORMS(shrd, 32)
DEFINE_DOUBLE_FORMS(shrd, 64)

/*
 * A count that masks to 0: memory is still read for writing, a 32-bit register still cleared above.
 */
HANDLER(op_shift0_r32)
{
    reg_write32(cpu, op->dst, REG_READ(32, op->dst));
    NEXT(cpu, op);
}

HANDLER(op_shift0_r)
{
    NEXT(cpu, op);
}

HANDLER(op_shift0_m)
{
    mmu_probe(cpu, op, op_linear(cpu, op, op->size, true), op->size, CPU_WRITE);
    NEXT(cpu, op);
}

#define ROW(name) { op_##name##8, op_##name##16, op_##name##32, op_##name##64 }
#define SHIFT_ROWS(name) { ROW(name##_ri), ROW(name##_rc), ROW(name##_mi), ROW(name##_mc) }
static const struct {
    ZydisMnemonic mnemonic;
    OpFn fn[4][4];
} shifts[] = {
    { ZYDIS_MNEMONIC_SHL, SHIFT_ROWS(shl) }, { ZYDIS_MNEMONIC_SHR, SHIFT_ROWS(shr) },
    { ZYDIS_MNEMONIC_SAR, SHIFT_ROWS(sar) },
    { ZYDIS_MNEMONIC_ROL, SHIFT_ROWS(rol) }, { ZYDIS_MNEMONIC_ROR, SHIFT_ROWS(ror) },
    { ZYDIS_MNEMONIC_RCL, SHIFT_ROWS(rcl) },
    { ZYDIS_MNEMONIC_RCR, SHIFT_ROWS(rcr) },
};

static bool choose_double(const Decoded *d, Op *op)
{
    static const OpFn shld_r[4] = { NULL, op_shld_r16, op_shld_r32, op_shld_r64 };
    static const OpFn shld_m[4] = { NULL, op_shld_m16, op_shld_m32, op_shld_m64 };
    static const OpFn shrd_r[4] = { NULL, op_shrd_r16, op_shrd_r32, op_shrd_r64 };
    static const OpFn shrd_m[4] = { NULL, op_shrd_m16, op_shrd_m32, op_shrd_m64 };
    bool memory = is_memory(d, 0), left = d->insn.mnemonic == ZYDIS_MNEMONIC_SHLD;
    if (memory) {
        op->src = op->dst;
    }
    op->flags = !is_immediate(d, 2);
    op->fn = (left ? memory ? shld_m : shld_r : memory ? shrd_m : shrd_r)[SIZE_INDEX(op->size)];
    return op->fn != NULL;
}

bool int_choose_shift(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)cpu;
    (void)ends;
    if (d->insn.mnemonic == ZYDIS_MNEMONIC_SHLD || d->insn.mnemonic == ZYDIS_MNEMONIC_SHRD) {
        return choose_double(d, op);
    }
    for (unsigned i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
        if (shifts[i].mnemonic != d->insn.mnemonic) {
            continue;
        }
        bool memory = is_memory(d, 0), by_cl = decode_is_register(d, 1);
        if (!by_cl) {
            op->imm &= op->size == 8 ? 63 : 31;
            if (op->imm == 0) {
                op->fn = memory ? op_shift0_m : op->size == 4 ? op_shift0_r32 : op_shift0_r;
                return true;
            }
        }
        op->fn = shifts[i].fn[memory * 2 + by_cl][SIZE_INDEX(op->size)];
        return true;
    }
    return false;
}
