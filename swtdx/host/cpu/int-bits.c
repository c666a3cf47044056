/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BT BTS BTR BTC, BSF BSR TZCNT LZCNT POPCNT, BSWAP, CRC32.
 */
#include "int.h"

/*
 * The memory forms with a register take a signed bit index that may reach outside the operand (SDM
 * vol. 2, BT). ZF stays, the other arithmetic flags but CF are undefined; all stay here.
 */
#define BIT_bt(v, bit) (v)
#define BIT_bts(v, bit) ((v) | (bit))
#define BIT_btr(v, bit) ((v) & ~(bit))
#define BIT_btc(v, bit) ((v) ^ (bit))

static inline void set_cf(Cpu *cpu, bool cf)
{
    flags_replace(cpu, FLAG_CF, cf ? FLAG_CF : 0);
}

static inline uint64_t bit_string_linear(Cpu *cpu, const Op *op, int64_t index, unsigned bits,
                                         bool write)
{
    uint64_t ea = op_effective(cpu, op) + (uint64_t)((index >> (bits == 64   ? 6
                                                                : bits == 32 ? 5
                                                                             : 4)) *
                                                     (int64_t)(bits / 8));
    ea &= op->addr_size == 8 ? UINT64_MAX : op->addr_size == 4 ? UINT32_MAX : UINT16_MAX;
    if (cpu->mode & CPU_MODE_CS64) {
        return ea + (op->seg >= SEG_FS ? cpu->seg[op->seg].base : 0);
    }
    return segment_linear_slow(cpu, op, op->seg, ea, bits / 8, write);
}

#define DEFINE_BT_REGISTER(name, bits)                                   \
    HANDLER(op_##name##_rr##bits)                                        \
    {                                                                    \
        uint64_t v = REG_READ(bits, op->dst);                            \
        unsigned at = REG_READ(bits, op->src) & ((bits) - 1);            \
        set_cf(cpu, (v >> at) & 1);                                      \
        reg_write##bits(cpu, op->dst, BIT_##name(v, UINT64_C(1) << at)); \
        NEXT(cpu, op);                                                   \
    }                                                                    \
    HANDLER(op_##name##_ri##bits)                                        \
    {                                                                    \
        uint64_t v = REG_READ(bits, op->dst);                            \
        unsigned at = op->imm & ((bits) - 1);                            \
        set_cf(cpu, (v >> at) & 1);                                      \
        reg_write##bits(cpu, op->dst, BIT_##name(v, UINT64_C(1) << at)); \
        NEXT(cpu, op);                                                   \
    }
#define DEFINE_BT_MEMORY(name, bits)                                                        \
    HANDLER(op_##name##_mr##bits)                                                           \
    {                                                                                       \
        int64_t index = (int64_t)SEXT(bits, REG_READ(bits, op->src));                       \
        uint64_t linear = bit_string_linear(cpu, op, index, bits, true);                    \
        uint64_t v = rmw_load##bits(cpu, op, linear);                                       \
        unsigned at = (unsigned)index & ((bits) - 1);                                       \
        mmu_store##bits(cpu, op, linear, (uint##bits##_t)BIT_##name(v, UINT64_C(1) << at)); \
        set_cf(cpu, (v >> at) & 1);                                                         \
        NEXT(cpu, op);                                                                      \
    }                                                                                       \
    HANDLER(op_##name##_mi##bits)                                                           \
    {                                                                                       \
        uint64_t linear = LINEAR(bits, true);                                               \
        uint64_t v = rmw_load##bits(cpu, op, linear);                                       \
        unsigned at = op->imm & ((bits) - 1);                                               \
        mmu_store##bits(cpu, op, linear, (uint##bits##_t)BIT_##name(v, UINT64_C(1) << at)); \
        set_cf(cpu, (v >> at) & 1);                                                         \
        NEXT(cpu, op);                                                                      \
    }
#define DEFINE_BT_TEST(bits)                                                                    \
    HANDLER(op_bt_mr##bits)                                                                     \
    {                                                                                           \
        int64_t index = (int64_t)SEXT(bits, REG_READ(bits, op->src));                           \
        uint64_t v = mmu_load##bits(cpu, op, bit_string_linear(cpu, op, index, bits, false));   \
        set_cf(cpu, (v >> ((unsigned)index & ((bits) - 1))) & 1);                               \
        NEXT(cpu, op);                                                                          \
    }                                                                                           \
    HANDLER(op_bt_mi##bits)                                                                     \
    {                                                                                           \
        uint64_t v = mmu_load##bits(cpu, op, LINEAR(bits, false));                              \
        set_cf(cpu, (v >> (op->imm & ((bits) - 1))) & 1);                                       \
        NEXT(cpu, op);                                                                          \
    }                                                                                           \
    HANDLER(op_bt_rr##bits)                                                                     \
    {                                                                                           \
        set_cf(cpu, (REG_READ(bits, op->dst) >> (REG_READ(bits, op->src) & ((bits) - 1))) & 1); \
        NEXT(cpu, op);                                                                          \
    }                                                                                           \
    HANDLER(op_bt_ri##bits)                                                                     \
    {                                                                                           \
        set_cf(cpu, (REG_READ(bits, op->dst) >> (op->imm & ((bits) - 1))) & 1);                 \
        NEXT(cpu, op);                                                                          \
    }
#define SIZES(DEFINE, name) DEFINE(name, 16) DEFINE(name, 32) DEFINE(name, 64)
SIZES(DEFINE_BT_REGISTER, bts)
SIZES(DEFINE_BT_REGISTER, btr)
SIZES(DEFINE_BT_REGISTER, btc)
SIZES(DEFINE_BT_MEMORY, bts)
SIZES(DEFINE_BT_MEMORY, btr)
SIZES(DEFINE_BT_MEMORY, btc)
DEFINE_BT_TEST(16)
DEFINE_BT_TEST(32)
DEFINE_BT_TEST(64)

/*
 * Scans. BSF and BSR of 0 leave the destination unchanged, all 64 bits of it, as AMD documents and
 * Intel's processors do; only ZF is defined then. TZCNT and LZCNT of 0 give the operand's size, CF
 * = 1.
 */
#define LEADING(bits, v) ((unsigned)__builtin_clzll(v) - (64 - (bits)))

#define SCAN_bsf(bits)                               \
    if (v == 0) {                                    \
        flags_set_res(cpu, 0, 0);                    \
    } else {                                         \
        uint64_t res = (unsigned)__builtin_ctzll(v); \
        flags_set_res(cpu, 1, 0);                    \
        reg_write##bits(cpu, op->dst, res);          \
    }
#define SCAN_bsr(bits)                                \
    if (v == 0) {                                     \
        flags_set_res(cpu, 0, 0);                     \
    } else {                                          \
        uint64_t res = (bits) - 1 - LEADING(bits, v); \
        flags_set_res(cpu, 1, 0);                     \
        reg_write##bits(cpu, op->dst, res);           \
    }
#define SCAN_tzcnt(bits)                                           \
    uint64_t res = v == 0 ? (bits) : (unsigned)__builtin_ctzll(v); \
    flags_set_res(cpu, res, v == 0 ? FLAG_CF : 0);                 \
    reg_write##bits(cpu, op->dst, res);
#define SCAN_lzcnt(bits)                               \
    uint64_t res = v == 0 ? (bits) : LEADING(bits, v); \
    flags_set_res(cpu, res, v == 0 ? FLAG_CF : 0);     \
    reg_write##bits(cpu, op->dst, res);
/* all flags but ZF cleared, PF too: so not by a result */
#define SCAN_popcnt(bits)                                                                \
    uint64_t res = (unsigned)__builtin_popcountll(v);                                    \
    cpu_set_rflags(cpu, (cpu->rflags & ~(uint64_t)FLAG_ARITH) | (v == 0 ? FLAG_ZF : 0)); \
    reg_write##bits(cpu, op->dst, res);

#define DEFINE_SCAN(name, bits)                                    \
    HANDLER(op_##name##_rr##bits)                                  \
    {                                                              \
        uint64_t v = REG_READ(bits, op->src);                      \
        SCAN_##name(bits)                                          \
        NEXT(cpu, op);                                             \
    }                                                              \
    HANDLER(op_##name##_rm##bits)                                  \
    {                                                              \
        uint64_t v = mmu_load##bits(cpu, op, LINEAR(bits, false)); \
        SCAN_##name(bits)                                          \
        NEXT(cpu, op);                                             \
    }
SIZES(DEFINE_SCAN, bsf)
SIZES(DEFINE_SCAN, bsr)
SIZES(DEFINE_SCAN, tzcnt)
SIZES(DEFINE_SCAN, lzcnt)
SIZES(DEFINE_SCAN, popcnt)

HANDLER(op_bswap32)
{
    reg_write32(cpu, op->dst, __builtin_bswap32(REG_READ(32, op->dst)));
    NEXT(cpu, op);
}

HANDLER(op_bswap64)
{
    reg_write64(cpu, op->dst, __builtin_bswap64(REG_READ(64, op->dst)));
    NEXT(cpu, op);
}

/* Undefined by the manual; processors clear the register. */
HANDLER(op_bswap16)
{
    reg_write16(cpu, op->dst, 0);
    NEXT(cpu, op);
}

/* CRC-32C, polynomial 11EDC6F41h reflected (SDM vol. 2, CRC32) */
static uint32_t crc32c(uint32_t crc, uint64_t data, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        crc ^= (uint8_t)(data >> (8 * i));
        for (unsigned k = 0; k < 8; k++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
        }
    }
    return crc;
}

#define DEFINE_CRC32(bits)                                                               \
    HANDLER(op_crc32_rr##bits)                                                           \
    {                                                                                    \
        reg_write32(cpu, op->dst, crc32c(REG_READ(32, op->dst), REG_READ(bits, op->src), \
                                         (bits) / 8));                                   \
        NEXT(cpu, op);                                                                   \
    }                                                                                    \
    HANDLER(op_crc32_rm##bits)                                                           \
    {                                                                                    \
        uint64_t v = mmu_load##bits(cpu, op, LINEAR(bits, false));                       \
        reg_write32(cpu, op->dst, crc32c(REG_READ(32, op->dst), v, (bits) / 8));         \
        NEXT(cpu, op);                                                                   \
    }
DEFINE_CRC32(8)
DEFINE_CRC32(16)
DEFINE_CRC32(32)
DEFINE_CRC32(64)

#define ROW(name) { NULL, op_##name##16, op_##name##32, op_##name##64 }
#define BT_ROWS(name)                                                                     \
    { [FORM_RR] = ROW(name##_rr), [FORM_RI] = ROW(name##_ri), [FORM_MR] = ROW(name##_mr), \
      [FORM_MI] = ROW(name##_mi) }
#define SCAN_ROWS(name) { [FORM_RR] = ROW(name##_rr), [FORM_RM] = ROW(name##_rm) }

static const struct {
    ZydisMnemonic mnemonic;
    OpFn fn[FORM_COUNT][4];
} table[] = {
    { ZYDIS_MNEMONIC_BT, BT_ROWS(bt) },       { ZYDIS_MNEMONIC_BTS, BT_ROWS(bts) },
    { ZYDIS_MNEMONIC_BTR, BT_ROWS(btr) },     { ZYDIS_MNEMONIC_BTC, BT_ROWS(btc) },
    { ZYDIS_MNEMONIC_BSF, SCAN_ROWS(bsf) },   { ZYDIS_MNEMONIC_BSR, SCAN_ROWS(bsr) },
    { ZYDIS_MNEMONIC_TZCNT, SCAN_ROWS(tzcnt) }, { ZYDIS_MNEMONIC_LZCNT, SCAN_ROWS(lzcnt) },
    { ZYDIS_MNEMONIC_POPCNT, SCAN_ROWS(popcnt) },
};

static bool choose_crc32(Cpu *cpu, const Decoded *d, Op *op)
{
    static const OpFn rr[4] = { op_crc32_rr8, op_crc32_rr16, op_crc32_rr32, op_crc32_rr64 };
    static const OpFn rm[4] = { op_crc32_rm8, op_crc32_rm16, op_crc32_rm32, op_crc32_rm64 };
    unsigned size = SIZE_INDEX(d->operand[1].size / 8u);
    op->fn = cpu->world->has_feature(cpu, FEATURE(1u, 0u, 2, 20))
                 ? (is_memory(d, 1) ? rm : rr)[size]
                 : op_ud;
    return true;
}

/* Where CPUID lacks them, the prefix of TZCNT and LZCNT is ignored: BSF, BSR. POPCNT is #UD. */
static ZydisMnemonic effective_mnemonic(Cpu *cpu, ZydisMnemonic mnemonic)
{
    if (mnemonic == ZYDIS_MNEMONIC_TZCNT && !cpu->world->has_feature(cpu, FEATURE(7u, 0u, 1, 3))) {
        return ZYDIS_MNEMONIC_BSF;
    }
    if (mnemonic == ZYDIS_MNEMONIC_LZCNT &&
        !cpu->world->has_feature(cpu, FEATURE(0x80000001u, 0u, 2, 5))) {
        return ZYDIS_MNEMONIC_BSR;
    }
    return mnemonic;
}

bool int_choose_bits(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)ends;
    ZydisMnemonic mnemonic = d->insn.mnemonic;
    if (mnemonic == ZYDIS_MNEMONIC_BSWAP) {
        op->fn = op->size == 8 ? op_bswap64 : op->size == 4 ? op_bswap32 : op_bswap16;
        return true;
    }
    if (mnemonic == ZYDIS_MNEMONIC_CRC32) {
        return choose_crc32(cpu, d, op);
    }
    mnemonic = effective_mnemonic(cpu, mnemonic);
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].mnemonic != mnemonic) {
            continue;
        }
        int form = int_form(d);
        if (form < 0 || table[i].fn[form][SIZE_INDEX(op->size)] == NULL) {
            return false;
        }
        if (form == FORM_MR) {
            op->src = op->dst;
        }
        op->fn = table[i].fn[form][SIZE_INDEX(op->size)];
        if (mnemonic == ZYDIS_MNEMONIC_POPCNT &&
            !cpu->world->has_feature(cpu, FEATURE(1u, 0u, 2, 23))) {
            op->fn = op_ud;
        }
        return true;
    }
    return false;
}
