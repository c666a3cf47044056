/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BMI1, BMI2 and ADX. VEX-coded ones exist in 32 and 64 bits only. A register in the place that may
 * be memory is kept in op->base; op->flags says which of the two it is.
 */
#include "int.h"

enum { RM_REGISTER, RM_MEMORY };

#define LOAD_RM(bits)                                                                       \
    (op->flags == RM_MEMORY ? mmu_load##bits(cpu, op, LINEAR(bits, false)) : REG_READ(bits, \
        op->base))

/* `x` = the r/m operand, `y` = the other source register; flags as each says. */
#define BODY_andn(bits) uint64_t res = ZEXT(bits, ~y & x); flags_set_logic(cpu, SEXT(bits, res))
#define BODY_bextr(bits)                                                                        \
    unsigned start = y & 0xff, length = (y >> 8) & 0xff;                                        \
    uint64_t res = start < (bits) ? x >> start : 0;                                             \
    res = length < (bits) ? res & ((UINT64_C(1) << length) - 1) : res;                          \
    flags_set_logic(cpu, SEXT(bits, res))
#define BODY_bzhi(bits)                                                                         \
    unsigned n = y & 0xff;                                                                      \
    uint64_t res = n < (bits) ? x & ((UINT64_C(1) << n) - 1) : x;                               \
    flags_set_res(cpu, SEXT(bits, res), n >= (bits) ? FLAG_CF : 0)
#define BODY_blsi(bits)                                                                         \
    uint64_t res = ZEXT(bits, x & -x);                                                          \
    flags_set_res(cpu, SEXT(bits, res), x != 0 ? FLAG_CF : 0)
#define BODY_blsr(bits)                                                                         \
    uint64_t res = x & (x - 1);                                                                 \
    flags_set_res(cpu, SEXT(bits, res), x == 0 ? FLAG_CF : 0)
#define BODY_blsmsk(bits)                                                                       \
    uint64_t res = ZEXT(bits, x ^ (x - 1));                                                     \
    flags_set_res(cpu, SEXT(bits, res), x == 0 ? FLAG_CF : 0)
#define BODY_sarx(bits) uint64_t res = ZEXT(bits, (int64_t)SEXT(bits, x) >> (y & ((bits) - 1)))
#define BODY_shlx(bits) uint64_t res = ZEXT(bits, x << (y & ((bits) - 1)))
#define BODY_shrx(bits) uint64_t res = x >> (y & ((bits) - 1))
#define BODY_rorx(bits)                                                                         \
    unsigned n = op->imm & ((bits) - 1);                                                        \
    uint64_t res = n != 0 ? ZEXT(bits, (x >> n) | (x << ((bits) - n))) : x
#define BODY_pdep(bits) uint64_t res = deposit(y, x)
#define BODY_pext(bits) uint64_t res = extract(y, x)

static uint64_t deposit(uint64_t source, uint64_t mask)
{
    uint64_t res = 0;
    for (; mask != 0; mask &= mask - 1, source >>= 1) {
        res |= (source & 1) != 0 ? mask & -mask : 0;
    }
    return res;
}

static uint64_t extract(uint64_t source, uint64_t mask)
{
    uint64_t res = 0;
    for (unsigned k = 0; mask != 0; mask &= mask - 1, k++) {
        res |= (source & mask & -mask) != 0 ? UINT64_C(1) << k : 0;
    }
    return res;
}

#define DEFINE_BMI(name, bits)                            \
    HANDLER(op_##name##bits)                              \
    {                                                     \
        uint64_t x = LOAD_RM(bits);                       \
        uint64_t y = REG_READ(bits, op->src);             \
        (void)y;                                          \
        BODY_##name(bits);                                \
        reg_write##bits(cpu, op->dst, res);               \
        NEXT(cpu, op);                                    \
    }
#define BMI_LIST(X)                                                    \
    X(andn) X(bextr) X(bzhi) X(blsi) X(blsr) X(blsmsk) X(sarx) X(shlx) \
    X(shrx) X(rorx) X(pdep) X(pext)
#define DEFINE_BMI_SIZES(name) DEFINE_BMI(name, 32) DEFINE_BMI(name, 64)
BMI_LIST(DEFINE_BMI_SIZES)

/* dst = high half (written last: both may be the same register), src = low half */
HANDLER(op_mulx32)
{
    uint64_t res = (uint64_t)LOAD_RM(32) * (uint32_t)cpu->regs[GPR_RDX];
    reg_write32(cpu, op->src, res);
    reg_write32(cpu, op->dst, res >> 32);
    NEXT(cpu, op);
}

HANDLER(op_mulx64)
{
    unsigned __int128 res = (unsigned __int128)LOAD_RM(64) * cpu->regs[GPR_RDX];
    reg_write64(cpu, op->src, (uint64_t)res);
    reg_write64(cpu, op->dst, (uint64_t)(res >> 64));
    NEXT(cpu, op);
}

/* ADCX: carry chain in CF; ADOX: in OF. Nothing else changes. */
#define DEFINE_ADX(name, flag, bits)                                                      \
    HANDLER(op_##name##bits)                                                              \
    {                                                                                     \
        uint64_t x = LOAD_RM(bits);                                                       \
        uint64_t rflags = cpu_rflags(cpu);                                                \
        unsigned __int128 sum = (unsigned __int128)x + REG_READ(bits,                     \
            op->dst) + ((rflags & (flag)) != 0);                                          \
        cpu->rflags = (rflags & ~(uint64_t)(flag)) | ((sum >> (bits)) != 0 ? (flag) : 0); \
        reg_write##bits(cpu, op->dst, (uint##bits##_t)sum);                               \
        NEXT(cpu, op);                                                                    \
    }
DEFINE_ADX(adcx, FLAG_CF, 32)
DEFINE_ADX(adcx, FLAG_CF, 64)
DEFINE_ADX(adox, FLAG_OF, 32)
DEFINE_ADX(adox, FLAG_OF, 64)

/* rm, other: which visible operand is the r/m one and which the second source, 9 for none */
#define NO_OTHER 9
#define ENTRY(NAME, name, rm, other) \
    { ZYDIS_MNEMONIC_##NAME, rm, other, { op_##name##32, op_##name##64 } }
static const struct {
    ZydisMnemonic mnemonic;
    uint8_t rm, other;
    OpFn fn[2];
} table[] = {
    ENTRY(ANDN, andn, 2, 1),     ENTRY(BEXTR, bextr, 1, 2),  ENTRY(BZHI, bzhi, 1, 2),
    ENTRY(BLSI, blsi, 1, NO_OTHER), ENTRY(BLSR, blsr, 1, NO_OTHER),
    ENTRY(BLSMSK, blsmsk, 1, NO_OTHER),
    ENTRY(SARX, sarx, 1, 2),     ENTRY(SHLX, shlx, 1, 2),    ENTRY(SHRX, shrx, 1, 2),
    ENTRY(RORX, rorx, 1, NO_OTHER), ENTRY(PDEP, pdep, 2, 1), ENTRY(PEXT, pext, 2, 1),
    ENTRY(MULX, mulx, 2, 1),     ENTRY(ADCX, adcx, 1, NO_OTHER), ENTRY(ADOX, adox, 1, NO_OTHER),
};

bool int_choose_bmi(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)ends;
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].mnemonic != d->insn.mnemonic) {
            continue;
        }
        uint32_t feature = isa_feature(d->insn.meta.isa_set);
        if (feature == DECODE_NEVER || !cpu->world->has_feature(cpu, feature)) {
            op->fn = op_ud; /* BEXTR exists in AMD's TBM too */
            return true;
        }
        if (is_memory(d, table[i].rm)) {
            op->flags = RM_MEMORY;
        } else {
            op->base = decode_register(d->operand[table[i].rm].reg.value);
        }
        op->src = table[i].other != NO_OTHER ? decode_register(d->operand[table[i].other].reg.value)
                                             : GPR_ZERO * 8;
        op->fn = table[i].fn[d->operand[0].size == 64];
        return true;
    }
    return false;
}
