/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LOCK forms, XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.
 *
 * The host is an x86 too: its own locked instructions on the host page give what the guest expects,
 * also where the operand crosses a cache line. An operand that crosses a page stops the other
 * processors instead (mmu_split_lock).
 */
#include "int-alu.h"

/*
 * Alignment is the guest's affair; the compilers' atomics are plain locked instructions at these
 * sizes.
 */
#define DEFINE_CAS(bits)                                                                          \
    static inline __attribute__((always_inline)) bool host_cas##bits(void *p, uint##bits##_t old, \
        uint##bits##_t new,                                                                       \
                                                                     uint##bits##_t *seen)        \
    {                                                                                             \
        uint##bits##_t was = old;                                                                 \
        bool done;                                                                                \
        __asm__ volatile("lock cmpxchg %[new], %[mem]"                                            \
                         : "=@ccz"(done), [mem] "+m"(*(uint##bits##_t(*)[1])p), "+a"(was)         \
                         : [new] "r"(new)                                                         \
                         : "memory");                                                             \
        *seen = was;                                                                              \
        return done;                                                                              \
    }
DEFINE_CAS(8)
DEFINE_CAS(16)
DEFINE_CAS(32)
DEFINE_CAS(64)

/*
 * Runs `new = f(old)` on memory as one locked access. EXPR is an expression over `old` (the
 * operand's type); after it `old` holds what was there.
 */
#define LOCKED_UPDATE(bits, linear, EXPR)                                                       \
    uint##bits##_t old;                                                                         \
    do {                                                                                        \
        void *host_ = mmu_host(cpu, op, linear, (bits) / 8, CPU_WRITE);                         \
        if (likely(host_ != NULL)) {                                                            \
            memcpy(&old, host_, sizeof(old));                                                   \
            while (!host_cas##bits(host_, old, (uint##bits##_t)(EXPR), &old)) {                 \
            }                                                                                   \
        } else {                                                                                \
            mmu_probe(cpu, op, linear, (bits) / 8, CPU_WRITE);                                  \
            mmu_split_lock(cpu);                                                                \
            old = mmu_load##bits(cpu, op, linear);                                              \
            mmu_store##bits(cpu, op, linear, (uint##bits##_t)(EXPR));                           \
            mmu_split_unlock(cpu);                                                              \
        }                                                                                       \
    } while (0)

/* LOCK ADD and its like: the second operand is an immediate when op->flags is set. */
#define EXPR_BINARY(NAME, bits) ({ uint64_t a = SEXT(bits, old); (void)a; RESULT_##NAME; })
#define DEFINE_LOCK_BINARY(name, NAME, bits)                                                    \
    HANDLER(op_lock_##name##bits)                                                               \
    {                                                                                           \
        uint64_t linear = LINEAR(bits, true);                                                   \
        uint64_t b = op->flags ? op->imm : SEXT(bits, REG_READ(bits, op->src));                 \
        LOCKED_UPDATE(bits, linear, EXPR_BINARY(NAME, bits));                                   \
        uint64_t a = SEXT(bits, old);                                                           \
        uint64_t res = SEXT(bits, RESULT_##NAME);                                               \
        (void)a;                                                                                \
        FLAGS_##NAME;                                                                           \
        return op + 1;                                                                          \
    }
#define DEFINE_LOCK_UNARY(name, NAME, bits)                                                     \
    HANDLER(op_lock_##name##bits)                                                               \
    {                                                                                           \
        uint64_t linear = LINEAR(bits, true);                                                   \
        LOCKED_UPDATE(bits, linear, EXPR_BINARY(NAME, bits));                                   \
        uint64_t a = SEXT(bits, old), carry = flags_cf(cpu);                                    \
        uint64_t res = SEXT(bits, RESULT_##NAME);                                               \
        (void)a;                                                                                \
        (void)carry;                                                                            \
        (void)res;                                                                              \
        FLAGS_##NAME;                                                                           \
        return op + 1;                                                                          \
    }
#define SIZES(DEFINE, name, NAME) \
    DEFINE(name, NAME, 8) DEFINE(name, NAME, 16) DEFINE(name, NAME, 32) DEFINE(name, NAME, 64)
SIZES(DEFINE_LOCK_BINARY, add, ADD)
SIZES(DEFINE_LOCK_BINARY, or, OR)
SIZES(DEFINE_LOCK_BINARY, adc, ADC)
SIZES(DEFINE_LOCK_BINARY, sbb, SBB)
SIZES(DEFINE_LOCK_BINARY, and, AND)
SIZES(DEFINE_LOCK_BINARY, sub, SUB)
SIZES(DEFINE_LOCK_BINARY, xor, XOR)
SIZES(DEFINE_LOCK_UNARY, inc, INC)
SIZES(DEFINE_LOCK_UNARY, dec, DEC)
SIZES(DEFINE_LOCK_UNARY, neg, NEG)
SIZES(DEFINE_LOCK_UNARY, not, NOT)

/* LOCK BTS, BTR, BTC: a register index may reach outside the operand. */
static uint64_t bit_linear(Cpu *cpu, const Op *op, int64_t index, unsigned bits)
{
    uint64_t ea = op_effective(cpu, op);
    if (!op->flags) {
        ea += (uint64_t)((index >> (bits == 64 ? 6 : bits == 32 ? 5 : 4)) * (int64_t)(bits / 8));
        ea &= op->addr_size == 8 ? UINT64_MAX : op->addr_size == 4 ? UINT32_MAX : UINT16_MAX;
    }
    if (cpu->mode & CPU_MODE_CS64) {
        return ea + (op->seg >= SEG_FS ? cpu->seg[op->seg].base : 0);
    }
    return segment_linear_slow(cpu, op, op->seg, ea, bits / 8, true);
}

#define DEFINE_LOCK_BIT(name, bits, EXPR)                                                       \
    HANDLER(op_lock_##name##bits)                                                               \
    {                                                                                           \
        int64_t index = (int64_t)(op->flags ? op->imm : SEXT(bits, REG_READ(bits, op->src)));   \
        uint64_t linear = bit_linear(cpu, op, index, bits);                                     \
        uint64_t bit = UINT64_C(1) << ((uint64_t)index & ((bits) - 1));                         \
        LOCKED_UPDATE(bits, linear, EXPR);                                                      \
        flags_replace(cpu, FLAG_CF, (old & bit) != 0 ? FLAG_CF : 0);                            \
        return op + 1;                                                                          \
    }
#define DEFINE_LOCK_BITS(bits)                      \
    DEFINE_LOCK_BIT(bts, bits, old | bit)           \
    DEFINE_LOCK_BIT(btr, bits, old & ~bit)          \
    DEFINE_LOCK_BIT(btc, bits, old ^ bit)
DEFINE_LOCK_BITS(16)
DEFINE_LOCK_BITS(32)
DEFINE_LOCK_BITS(64)

/*
 * XCHG with memory is locked with or without the prefix; XADD and CMPXCHG are so here too, which
 * nobody can tell.
 */
#define DEFINE_EXCHANGES(bits)                                                                  \
    HANDLER(op_xchg_rr##bits)                                                                   \
    {                                                                                           \
        uint##bits##_t a = REG_READ(bits, op->dst), b = REG_READ(bits, op->src);                \
        reg_write##bits(cpu, op->dst, b);                                                       \
        reg_write##bits(cpu, op->src, a);                                                       \
        NEXT(cpu, op);                                                                          \
    }                                                                                           \
    HANDLER(op_xchg_mr##bits)                                                                   \
    {                                                                                           \
        uint64_t linear = LINEAR(bits, true);                                                   \
        uint##bits##_t v = REG_READ(bits, op->src);                                             \
        LOCKED_UPDATE(bits, linear, v);                                                         \
        reg_write##bits(cpu, op->src, old);                                                     \
        return op + 1;                                                                          \
    }                                                                                           \
    HANDLER(op_xadd_rr##bits)                                                                   \
    {                                                                                           \
        uint64_t a = SEXT(bits, REG_READ(bits, op->dst)), b = SEXT(bits, REG_READ(bits, op->src)); \
        uint64_t res = SEXT(bits, a + b);                                                       \
        reg_write##bits(cpu, op->src, a);                                                       \
        reg_write##bits(cpu, op->dst, res);                                                     \
        FLAGS_ADD;                                                                              \
        NEXT(cpu, op);                                                                          \
    }                                                                                           \
    HANDLER(op_xadd_mr##bits)                                                                   \
    {                                                                                           \
        uint64_t linear = LINEAR(bits, true);                                                   \
        uint64_t b = SEXT(bits, REG_READ(bits, op->src));                                       \
        LOCKED_UPDATE(bits, linear, old + b);                                                   \
        uint64_t a = SEXT(bits, old);                                                           \
        uint64_t res = SEXT(bits, a + b);                                                       \
        reg_write##bits(cpu, op->src, a);                                                       \
        FLAGS_ADD;                                                                              \
        return op + 1;                                                                          \
    }                                                                                           \
    HANDLER(op_cmpxchg_rr##bits)                                                                \
    {                                                                                           \
        uint64_t a = SEXT(bits, cpu->regs[GPR_RAX]), b = SEXT(bits, REG_READ(bits, op->dst));   \
        uint64_t res = SEXT(bits, a - b);                                                       \
        if (a == b) {                                                                           \
            reg_write##bits(cpu, op->dst, REG_READ(bits, op->src));                             \
        } else {                                                                                \
            reg_write##bits(cpu, GPR_RAX * 8, b);                                               \
        }                                                                                       \
        FLAGS_SUB;                                                                              \
        NEXT(cpu, op);                                                                          \
    }                                                                                           \
    HANDLER(op_cmpxchg_mr##bits)                                                                \
    {                                                                                           \
        uint64_t linear = LINEAR(bits, true);                                                   \
        uint##bits##_t expected = (uint##bits##_t)cpu->regs[GPR_RAX], v = REG_READ(bits, op->src); \
        LOCKED_UPDATE(bits, linear, old == expected ? v : old);                                 \
        uint64_t a = SEXT(bits, expected), b = SEXT(bits, old);                                 \
        uint64_t res = SEXT(bits, a - b);                                                       \
        if (old != expected) {                                                                  \
            reg_write##bits(cpu, GPR_RAX * 8, old);                                             \
        }                                                                                       \
        FLAGS_SUB;                                                                              \
        return op + 1;                                                                          \
    }
DEFINE_EXCHANGES(8)
DEFINE_EXCHANGES(16)
DEFINE_EXCHANGES(32)
DEFINE_EXCHANGES(64)

/* EDX:EAX against 8 bytes; ZF only. */
HANDLER(op_cmpxchg8b)
{
    uint64_t linear = LINEAR(64, true);
    uint64_t expected = cpu->regs[GPR_RDX] << 32 | (uint32_t)cpu->regs[GPR_RAX];
    uint64_t v = cpu->regs[GPR_RCX] << 32 | (uint32_t)cpu->regs[GPR_RBX];
    LOCKED_UPDATE(64, linear, old == expected ? v : old);
    if (old != expected) {
        reg_write32(cpu, GPR_RAX * 8, old);
        reg_write32(cpu, GPR_RDX * 8, old >> 32);
    }
    flags_replace(cpu, FLAG_ZF, old == expected ? FLAG_ZF : 0);
    return op + 1;
}

/* RDX:RAX against 16 bytes, aligned to 16 (so never across a page). */
HANDLER(op_cmpxchg16b)
{
    uint64_t linear = LINEAR(128, true);
    if (linear % 16 != 0) {
        op_raise(cpu, op, VEC_GP, 0);
    }
    void *host = mmu_host(cpu, op, linear, 16, CPU_WRITE);
    uint64_t low = cpu->regs[GPR_RAX], high = cpu->regs[GPR_RDX];
    bool equal;
    __asm__ volatile("lock cmpxchg16b %[mem]"
                     : "=@ccz"(equal), [mem] "+m"(*(uint8_t(*)[16])host), "+a"(low), "+d"(high)
                     : "b"(cpu->regs[GPR_RBX]), "c"(cpu->regs[GPR_RCX])
                     : "memory");
    if (!equal) {
        cpu->regs[GPR_RAX] = low;
        cpu->regs[GPR_RDX] = high;
    }
    flags_replace(cpu, FLAG_ZF, equal ? FLAG_ZF : 0);
    return op + 1;
}

#define ROW(name) { op_##name##8, op_##name##16, op_##name##32, op_##name##64 }
#define WIDE_ROW(name) { NULL, op_##name##16, op_##name##32, op_##name##64 }

static const struct {
    ZydisMnemonic mnemonic;
    OpFn fn[4];
} locked[] = {
    { ZYDIS_MNEMONIC_ADD, ROW(lock_add) }, { ZYDIS_MNEMONIC_OR, ROW(lock_or) },
    { ZYDIS_MNEMONIC_ADC, ROW(lock_adc) },
    { ZYDIS_MNEMONIC_SBB, ROW(lock_sbb) }, { ZYDIS_MNEMONIC_AND, ROW(lock_and) },
    { ZYDIS_MNEMONIC_SUB, ROW(lock_sub) },
    { ZYDIS_MNEMONIC_XOR, ROW(lock_xor) }, { ZYDIS_MNEMONIC_INC, ROW(lock_inc) },
    { ZYDIS_MNEMONIC_DEC, ROW(lock_dec) },
    { ZYDIS_MNEMONIC_NEG, ROW(lock_neg) }, { ZYDIS_MNEMONIC_NOT, ROW(lock_not) },
    { ZYDIS_MNEMONIC_BTS, WIDE_ROW(lock_bts) },
    { ZYDIS_MNEMONIC_BTR, WIDE_ROW(lock_btr) }, { ZYDIS_MNEMONIC_BTC, WIDE_ROW(lock_btc) },
};

static const struct {
    ZydisMnemonic mnemonic;
    OpFn rr[4], mr[4];
} exchanges[] = {
    { ZYDIS_MNEMONIC_XCHG, ROW(xchg_rr), ROW(xchg_mr) },
    { ZYDIS_MNEMONIC_XADD, ROW(xadd_rr), ROW(xadd_mr) },
    { ZYDIS_MNEMONIC_CMPXCHG, ROW(cmpxchg_rr), ROW(cmpxchg_mr) },
};

static bool choose_exchange(Cpu *cpu, const Decoded *d, Op *op)
{
    unsigned size = SIZE_INDEX(op->size);
    for (unsigned i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
        if (exchanges[i].mnemonic == d->insn.mnemonic) {
            bool memory = d->memory != ZYDIS_MAX_OPERAND_COUNT;
            if (memory) {
                op->src = op->dst;
            }
            op->fn = (memory ? exchanges[i].mr : exchanges[i].rr)[size];
            return true;
        }
    }
    if (d->insn.mnemonic == ZYDIS_MNEMONIC_CMPXCHG8B) {
        op->fn = op_cmpxchg8b;
        return true;
    }
    if (d->insn.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B) {
        op->fn = cpu->world->has_feature(cpu, FEATURE(1u, 0u, 2, 13)) ? op_cmpxchg16b : op_ud;
        return true;
    }
    return false;
}

bool int_choose_atomic(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)ends;
    if (choose_exchange(cpu, d, op)) {
        return true;
    }
    if (!is_locked(d)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(locked) / sizeof(locked[0]); i++) {
        if (locked[i].mnemonic == d->insn.mnemonic) {
            op->src = op->dst;
            op->flags = is_immediate(d, 1);
            op->imm = op->size == 1   ? SEXT(8, op->imm)
                      : op->size == 2 ? SEXT(16, op->imm)
                      : op->size == 4 ? SEXT(32, op->imm)
                                      : op->imm;
            op->fn = locked[i].fn[SIZE_INDEX(op->size)];
            return op->fn != NULL;
        }
    }
    return false;
}
