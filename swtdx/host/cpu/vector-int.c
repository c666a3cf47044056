/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packed integer and logical operations whose SSE2 form every x86-64 host has, SSE and VEX 128/256
 * forms.
 *
 * Op fields: dst = destination, src = first source of VEX forms, or the immediate; size = second
 * source register, flags = FORM_*; imm and aux are vec_host_form()'s. One inline function per
 * operation works on 128-bit lanes; none of these crosses a lane.
 */
#include "vector.h"

enum { FORM_MEM = 1, FORM_WIDE = 2 };

/* Second source, low and high half, of a VEX form */
static inline __m128i vex_source(Cpu *cpu, const Op *op, uint64_t linear, bool high)
{
    if (op->flags & FORM_MEM) {
        return vec_load(cpu, op, linear + (high ? 16 : 0));
    }
    return vec_get(high ? vec_ymmh(cpu, op->size) : vec_xmm(cpu, op->size));
}

static inline uint64_t vex_linear(Cpu *cpu, const Op *op)
{
    return op->flags & FORM_MEM ? op_linear(cpu, op, op->flags & FORM_WIDE ? 32 : 16, false) : 0;
}

#define DEFINE_SSE(name, expr)                                                                \
    static inline __m128i do_##name(__m128i a, __m128i b)                                     \
    {                                                                                         \
        return (expr);                                                                        \
    }                                                                                         \
    static const Op *op_##name##_rr(Cpu *cpu, const Op *op)                                   \
    {                                                                                         \
        vec_check_sse(cpu, op);                                                               \
        uint8_t *dst = vec_xmm(cpu, op->dst);                                                 \
        vec_put(dst, do_##name(vec_get(dst), vec_get(vec_xmm(cpu, op->size))));               \
        NEXT(cpu, op);                                                                        \
    }                                                                                         \
    static const Op *op_##name##_rm(Cpu *cpu, const Op *op)                                   \
    {                                                                                         \
        vec_check_sse(cpu, op);                                                               \
        __m128i b = vec_load(cpu, op, vec_align(cpu, op, op_linear(cpu, op, 16, false), 16)); \
        uint8_t *dst = vec_xmm(cpu, op->dst);                                                 \
        vec_put(dst, do_##name(vec_get(dst), b));                                             \
        NEXT(cpu, op);                                                                        \
    }

#define DEFINE_VEX(name)                                               \
    static const Op *op_##name##_vex(Cpu *cpu, const Op *op)           \
    {                                                                  \
        vec_check_avx(cpu, op);                                        \
        uint64_t linear = vex_linear(cpu, op);                         \
        __m128i lo = do_##name(vec_get(vec_xmm(cpu, op->src)),         \
                               vex_source(cpu, op, linear, false));    \
        if (op->flags & FORM_WIDE) {                                   \
            __m128i hi = do_##name(vec_get(vec_ymmh(cpu, op->src)),    \
                                   vex_source(cpu, op, linear, true)); \
            vec_put_vex256(cpu, op->dst, lo, hi);                      \
        } else {                                                       \
            vec_put_vex128(cpu, op->dst, lo);                          \
        }                                                              \
        NEXT(cpu, op);                                                 \
    }

#define DEFINE_BINARY(name, expr) DEFINE_SSE(name, expr) DEFINE_VEX(name)

/* Name and what it does to one lane; several mnemonics share an operation. */
#define BINARY_OPERATIONS(X)               \
    X(and, _mm_and_si128(a, b))            \
    X(andn, _mm_andnot_si128(a, b))        \
    X(or, _mm_or_si128(a, b))              \
    X(xor, _mm_xor_si128(a, b))            \
    X(addb, _mm_add_epi8(a, b))            \
    X(addw, _mm_add_epi16(a, b))           \
    X(addd, _mm_add_epi32(a, b))           \
    X(addq, _mm_add_epi64(a, b))           \
    X(subb, _mm_sub_epi8(a, b))            \
    X(subw, _mm_sub_epi16(a, b))           \
    X(subd, _mm_sub_epi32(a, b))           \
    X(subq, _mm_sub_epi64(a, b))           \
    X(addsb, _mm_adds_epi8(a, b))          \
    X(addsw, _mm_adds_epi16(a, b))         \
    X(addusb, _mm_adds_epu8(a, b))         \
    X(addusw, _mm_adds_epu16(a, b))        \
    X(subsb, _mm_subs_epi8(a, b))          \
    X(subsw, _mm_subs_epi16(a, b))         \
    X(subusb, _mm_subs_epu8(a, b))         \
    X(subusw, _mm_subs_epu16(a, b))        \
    X(cmpeqb, _mm_cmpeq_epi8(a, b))        \
    X(cmpeqw, _mm_cmpeq_epi16(a, b))       \
    X(cmpeqd, _mm_cmpeq_epi32(a, b))       \
    X(cmpgtb, _mm_cmpgt_epi8(a, b))        \
    X(cmpgtw, _mm_cmpgt_epi16(a, b))       \
    X(cmpgtd, _mm_cmpgt_epi32(a, b))       \
    X(minub, _mm_min_epu8(a, b))           \
    X(maxub, _mm_max_epu8(a, b))           \
    X(minsw, _mm_min_epi16(a, b))          \
    X(maxsw, _mm_max_epi16(a, b))          \
    X(avgb, _mm_avg_epu8(a, b))            \
    X(avgw, _mm_avg_epu16(a, b))           \
    X(mullw, _mm_mullo_epi16(a, b))        \
    X(mulhw, _mm_mulhi_epi16(a, b))        \
    X(mulhuw, _mm_mulhi_epu16(a, b))       \
    X(muludq, _mm_mul_epu32(a, b))         \
    X(maddwd, _mm_madd_epi16(a, b))        \
    X(sadbw, _mm_sad_epu8(a, b))           \
    X(unpcklbw, _mm_unpacklo_epi8(a, b))   \
    X(unpcklwd, _mm_unpacklo_epi16(a, b))  \
    X(unpckldq, _mm_unpacklo_epi32(a, b))  \
    X(unpcklqdq, _mm_unpacklo_epi64(a, b)) \
    X(unpckhbw, _mm_unpackhi_epi8(a, b))   \
    X(unpckhwd, _mm_unpackhi_epi16(a, b))  \
    X(unpckhdq, _mm_unpackhi_epi32(a, b))  \
    X(unpckhqdq, _mm_unpackhi_epi64(a, b)) \
    X(packsswb, _mm_packs_epi16(a, b))     \
    X(packssdw, _mm_packs_epi32(a, b))     \
    X(packuswb, _mm_packus_epi16(a, b))
BINARY_OPERATIONS(DEFINE_BINARY)

typedef struct BinaryRow {
    ZydisMnemonic sse, vex;
    OpFn rr, rm, vex_fn;
} BinaryRow;

#define ROW(mnemonic, name)                                                                 \
    {ZYDIS_MNEMONIC_##mnemonic, ZYDIS_MNEMONIC_V##mnemonic, op_##name##_rr, op_##name##_rm, \
     op_##name##_vex}
static const BinaryRow binary_rows[] = {
    ROW(PAND, and), ROW(ANDPS, and), ROW(ANDPD, and), ROW(PANDN, andn), ROW(ANDNPS, andn),
    ROW(ANDNPD, andn),
    ROW(POR, or), ROW(ORPS, or), ROW(ORPD, or), ROW(PXOR, xor), ROW(XORPS, xor), ROW(XORPD, xor),
    ROW(PADDB, addb), ROW(PADDW, addw), ROW(PADDD, addd), ROW(PADDQ, addq),
    ROW(PSUBB, subb), ROW(PSUBW, subw), ROW(PSUBD, subd), ROW(PSUBQ, subq),
    ROW(PADDSB, addsb), ROW(PADDSW, addsw), ROW(PADDUSB, addusb), ROW(PADDUSW, addusw),
    ROW(PSUBSB, subsb), ROW(PSUBSW, subsw), ROW(PSUBUSB, subusb), ROW(PSUBUSW, subusw),
    ROW(PCMPEQB, cmpeqb), ROW(PCMPEQW, cmpeqw), ROW(PCMPEQD, cmpeqd),
    ROW(PCMPGTB, cmpgtb), ROW(PCMPGTW, cmpgtw), ROW(PCMPGTD, cmpgtd),
    ROW(PMINUB, minub), ROW(PMAXUB, maxub), ROW(PMINSW, minsw), ROW(PMAXSW, maxsw),
    ROW(PAVGB, avgb), ROW(PAVGW, avgw),
    ROW(PMULLW, mullw), ROW(PMULHW, mulhw), ROW(PMULHUW, mulhuw), ROW(PMULUDQ, muludq),
    ROW(PMADDWD, maddwd),
    ROW(PSADBW, sadbw),
    ROW(PUNPCKLBW, unpcklbw), ROW(PUNPCKLWD, unpcklwd), ROW(PUNPCKLDQ, unpckldq),
    ROW(PUNPCKLQDQ, unpcklqdq),
    ROW(PUNPCKHBW, unpckhbw), ROW(PUNPCKHWD, unpckhwd), ROW(PUNPCKHDQ, unpckhdq),
    ROW(PUNPCKHQDQ, unpckhqdq),
    ROW(UNPCKLPS, unpckldq), ROW(UNPCKHPS, unpckhdq), ROW(UNPCKLPD, unpcklqdq),
    ROW(UNPCKHPD, unpckhqdq),
    ROW(PACKSSWB, packsswb), ROW(PACKSSDW, packssdw), ROW(PACKUSWB, packuswb),
};

/* Shifts: by an immediate (register to register) or by the low quadword of a 128-bit source. */

#define DEFINE_SHIFT(name, intrinsic)                                                    \
    static const Op *op_##name##_imm(Cpu *cpu, const Op *op)                             \
    {                                                                                    \
        vec_check_sse(cpu, op);                                                          \
        uint8_t *dst = vec_xmm(cpu, op->dst);                                            \
        vec_put(dst, intrinsic(vec_get(dst), _mm_cvtsi32_si128(op->src))); \
        NEXT(cpu, op);                                                                   \
    }
DEFINE_SHIFT(psllw, _mm_sll_epi16)
DEFINE_SHIFT(pslld, _mm_sll_epi32)
DEFINE_SHIFT(psllq, _mm_sll_epi64)
DEFINE_SHIFT(psrlw, _mm_srl_epi16)
DEFINE_SHIFT(psrld, _mm_srl_epi32)
DEFINE_SHIFT(psrlq, _mm_srl_epi64)
DEFINE_SHIFT(psraw, _mm_sra_epi16)
DEFINE_SHIFT(psrad, _mm_sra_epi32)
DEFINE_SSE(sllw, _mm_sll_epi16(a, b))
DEFINE_SSE(slld, _mm_sll_epi32(a, b))
DEFINE_SSE(sllq, _mm_sll_epi64(a, b))
DEFINE_SSE(srlw, _mm_srl_epi16(a, b))
DEFINE_SSE(srld, _mm_srl_epi32(a, b))
DEFINE_SSE(srlq, _mm_srl_epi64(a, b))
DEFINE_SSE(sraw, _mm_sra_epi16(a, b))
DEFINE_SSE(srad, _mm_sra_epi32(a, b))

/* Whole-register byte shifts: through 48 bytes of which the middle is the value. */
static __attribute__((noinline)) __m128i byte_shift(__m128i v, uint64_t count, bool left)
{
    uint8_t buf[48] = {0};
    size_t n = count > 16 ? 16 : count;

    vec_put(buf + 16, v);
    return vec_get(left ? buf + 16 - n : buf + 16 + n);
}

static const Op *op_pslldq(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    uint8_t *dst = vec_xmm(cpu, op->dst);
    vec_put(dst, byte_shift(vec_get(dst), op->src, true));
    NEXT(cpu, op);
}

static const Op *op_psrldq(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    uint8_t *dst = vec_xmm(cpu, op->dst);
    vec_put(dst, byte_shift(vec_get(dst), op->src, false));
    NEXT(cpu, op);
}

typedef struct ShiftRow {
    ZydisMnemonic mnemonic;
    OpFn imm, rr, rm;
} ShiftRow;

#define SHIFT(mnemonic, name) \
    {ZYDIS_MNEMONIC_P##mnemonic, op_p##name##_imm, op_##name##_rr, op_##name##_rm}
static const ShiftRow shift_rows[] = {
    SHIFT(SLLW, sllw), SHIFT(SLLD, slld), SHIFT(SLLQ, sllq), SHIFT(SRLW, srlw), SHIFT(SRLD, srld),
    SHIFT(SRLQ, srlq),
    SHIFT(SRAW, sraw), SHIFT(SRAD, srad),
    {ZYDIS_MNEMONIC_PSLLDQ, op_pslldq, NULL, NULL}, {ZYDIS_MNEMONIC_PSRLDQ, op_psrldq, NULL, NULL},
};

/* PSHUFD, PSHUFLW, PSHUFHW: the selector is data here, so it is applied element by element. */
static inline uint64_t pick_words(uint64_t words, uint64_t sel)
{
    uint64_t out = 0;

    for (unsigned i = 0; i < 4; i++) {
        out |= (words >> (16 * (sel >> (2 * i) & 3)) & 0xffff) << (16 * i);
    }
    return out;
}

static __attribute__((noinline)) __m128i shuffle(__m128i v, ZydisMnemonic m, uint64_t sel)
{
    uint32_t in[4], out[4];
    uint64_t q[2];

    if (m == ZYDIS_MNEMONIC_PSHUFD) {
        vec_put(in, v);
        for (unsigned i = 0; i < 4; i++) {
            out[i] = in[sel >> (2 * i) & 3];
        }
        return vec_get(out);
    }
    vec_put(q, v);
    unsigned half = m == ZYDIS_MNEMONIC_PSHUFHW;
    q[half] = pick_words(q[half], sel);
    return vec_get(q);
}

static const Op *op_pshuf_rr(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    vec_put(vec_xmm(cpu, op->dst), shuffle(vec_get(vec_xmm(cpu, op->size)), op->mnemonic, op->src));
    NEXT(cpu, op);
}

static const Op *op_pshuf_rm(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    __m128i v = vec_load(cpu, op, vec_align(cpu, op, op_linear(cpu, op, 16, false), 16));
    vec_put(vec_xmm(cpu, op->dst), shuffle(v, op->mnemonic, op->src));
    NEXT(cpu, op);
}

static __attribute__((noinline)) __m128i pshufb(__m128i v, __m128i control)
{
    uint8_t in[16], sel[16];

    vec_put(in, v);
    vec_put(sel, control);
    for (unsigned i = 0; i < 16; i++) {
        sel[i] = sel[i] & 0x80 ? 0 : in[sel[i] & 15];
    }
    return vec_get(sel);
}
DEFINE_BINARY(pshufb, pshufb(a, b))
static const BinaryRow pshufb_row = ROW(PSHUFB, pshufb);

static const Op *op_pmovmskb(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    CPU_REG(cpu, uint64_t, op->dst) = (uint32_t)_mm_movemask_epi8(vec_get(vec_xmm(cpu, op->size)));
    NEXT(cpu, op);
}

static const Op *op_vpmovmskb(Cpu *cpu, const Op *op)
{
    vec_check_avx(cpu, op);
    uint32_t v = (uint32_t)_mm_movemask_epi8(vec_get(vec_xmm(cpu, op->size)));
    if (op->flags & FORM_WIDE) {
        v |= (uint32_t)_mm_movemask_epi8(vec_get(vec_ymmh(cpu, op->size))) << 16;
    }
    CPU_REG(cpu, uint64_t, op->dst) = v;
    NEXT(cpu, op);
}

static bool is_xmm_or_memory(const ZydisDecodedOperand *o)
{
    return vec_is_class(o, ZYDIS_REGCLASS_XMM) || o->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static bool choose_binary(const Decoded *d, Op *op, const BinaryRow *row)
{
    const ZydisDecodedOperand *a = &d->operand[0];

    if (d->insn.mnemonic == row->sse) {
        const ZydisDecodedOperand *b = &d->operand[1];
        if (!vec_is_class(a, ZYDIS_REGCLASS_XMM) || !is_xmm_or_memory(b)) {
            return false;
        }
        op->dst = (uint8_t)vec_reg(a);
        op->size = (uint8_t)vec_reg(b);
        op->fn = b->type == ZYDIS_OPERAND_TYPE_MEMORY ? row->rm : row->rr;
        return true;
    }
    if (d->insn.mnemonic == row->vex && d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
        const ZydisDecodedOperand *b = &d->operand[2];
        op->dst = (uint8_t)vec_reg(a);
        op->src = (uint8_t)vec_reg(&d->operand[1]);
        op->size = (uint8_t)vec_reg(b);
        op->flags = (uint8_t)((b->type == ZYDIS_OPERAND_TYPE_MEMORY ? FORM_MEM : 0) |
                              (a->size == 256 ? FORM_WIDE : 0));
        op->fn = row->vex_fn;
        return true;
    }
    return false;
}

static bool choose_shift(const Decoded *d, Op *op)
{
    const ZydisDecodedOperand *a = &d->operand[0], *b = &d->operand[1];

    for (size_t i = 0; i < sizeof(shift_rows) / sizeof(shift_rows[0]); i++) {
        const ShiftRow *row = &shift_rows[i];
        if (row->mnemonic != d->insn.mnemonic || !vec_is_class(a, ZYDIS_REGCLASS_XMM)) {
            continue;
        }
        op->dst = (uint8_t)vec_reg(a);
        if (b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            op->src = (uint8_t)b->imm.value.u;
            op->fn = row->imm;
        } else {
            op->size = (uint8_t)vec_reg(b);
            op->fn = b->type == ZYDIS_OPERAND_TYPE_MEMORY ? row->rm : row->rr;
        }
        return true;
    }
    return false;
}

bool vec_choose_int(Cpu *cpu, const Decoded *d, Op *op)
{
    const ZydisDecodedOperand *a = &d->operand[0], *b = &d->operand[1];
    ZydisMnemonic m = d->insn.mnemonic;

    if (d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
        d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX) {
        return false;
    }
    if ((m == ZYDIS_MNEMONIC_PMOVMSKB && vec_is_class(b, ZYDIS_REGCLASS_XMM)) ||
        m == ZYDIS_MNEMONIC_VPMOVMSKB) {
        op->dst = (uint8_t)(ZydisRegisterGetId(a->reg.value) * 8);
        op->size = (uint8_t)vec_reg(b);
        op->flags = b->size == 256 ? FORM_WIDE : 0;
        op->fn = m == ZYDIS_MNEMONIC_PMOVMSKB ? op_pmovmskb : op_vpmovmskb;
        return true;
    }
    if (m == ZYDIS_MNEMONIC_PSHUFD || m == ZYDIS_MNEMONIC_PSHUFLW || m == ZYDIS_MNEMONIC_PSHUFHW) {
        op->dst = (uint8_t)vec_reg(a);
        op->size = (uint8_t)vec_reg(b);
        op->src = (uint8_t)d->operand[2].imm.value.u;
        op->fn = b->type == ZYDIS_OPERAND_TYPE_MEMORY ? op_pshuf_rm : op_pshuf_rr;
        return true;
    }
    if (choose_shift(d, op) || choose_binary(d, op, &pshufb_row)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(binary_rows) / sizeof(binary_rows[0]); i++) {
        if (choose_binary(d, op, &binary_rows[i])) {
            return true;
        }
    }
    return false;
}
