/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reciprocals and reciprocal square roots of deterministic guests. Processors approximate these
 * each in their own way, within what SDM vol. 2 allows: RCPPS, RSQRTPS a relative error of 1.5 *
 * 2^-12, VRCP14, VRSQRT14 one of 2^-14. Here the exact value is cut off after 12 or 15 bits of the
 * mantissa; VRCPPH, VRSQRTPH and their kin are rounded (vector-approx.h). The host executes the
 * instruction first, which does the faults, masks and upper halves.
 */
#include <float.h>
#include <math.h>

#include "group.h"
#include "vector.h"
#include "vector-approx.h"

#define MXCSR_DAZ (1u << 6)

typedef struct Form {
    uint16_t mnemonic; /* ZydisMnemonic */
    uint8_t size;      /* bytes of an element */
    bool root, scalar, fourteen;
} Form;

#define M(x) ZYDIS_MNEMONIC_##x
static const Form forms[] = {
    {M(RCPPS), 4, false, false, false},    {M(VRCPPS), 4, false, false, false},
    {M(RCPSS), 4, false, true, false},     {M(VRCPSS), 4, false, true, false},
    {M(RSQRTPS), 4, true, false, false},   {M(VRSQRTPS), 4, true, false, false},
    {M(RSQRTSS), 4, true, true, false},    {M(VRSQRTSS), 4, true, true, false},
    {M(VRCP14PS), 4, false, false, true},  {M(VRCP14SS), 4, false, true, true},
    {M(VRCP14PD), 8, false, false, true},  {M(VRCP14SD), 8, false, true, true},
    {M(VRSQRT14PS), 4, true, false, true}, {M(VRSQRT14SS), 4, true, true, true},
    {M(VRSQRT14PD), 8, true, false, true}, {M(VRSQRT14SD), 8, true, true, true},
    {M(VRCPPH), 2, false, false, false},   {M(VRCPSH), 2, false, true, false},
    {M(VRSQRTPH), 2, true, false, false},  {M(VRSQRTSH), 2, true, true, false},
};

static const Form *form_of(unsigned mnemonic)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (forms[i].mnemonic == mnemonic) {
            return &forms[i];
        }
    }
    return NULL;
}

/* x is not a NaN. */
static double approximate(double x, const Form *form)
{
    uint64_t bits;
    if (x == 0) {
        return copysign(INFINITY, x);
    }
    if (form->root && x < 0) {
        return copysign(NAN, -1.0); /* the default NaN: SDM vol. 1, table 4-3 */
    }
    double y = 1.0 / (form->root ? _mm_cvtsd_f64(_mm_sqrt_sd(_mm_set_sd(x), _mm_set_sd(x))) : x);
    memcpy(&bits, &y, sizeof(bits));
    bits &= ~(UINT64_C(0)) << (52 - (form->fourteen ? 15 : 12));
    memcpy(&y, &bits, sizeof(y));
    return y;
}

/*
 * RCPPS and RSQRTPS take denormals for zeroes, as operands and as results; the others as MXCSR
 * says.
 */
static uint32_t approximate_single(uint32_t bits, const Form *form, uint32_t mxcsr)
{
    float x, y;
    memcpy(&x, &bits, sizeof(x));
    if (isnan(x)) {
        return bits | 1u << 22;
    }
    if (fabsf(x) < FLT_MIN && (!form->fourteen || (mxcsr & MXCSR_DAZ))) {
        x = copysignf(0.0f, x);
    }
    y = (float)approximate((double)x, form);
    if (fabsf(y) < FLT_MIN && (!form->fourteen || (mxcsr & MXCSR_FTZ))) {
        y = copysignf(0.0f, y);
    }
    memcpy(&bits, &y, sizeof(bits));
    return bits;
}

static uint64_t approximate_double(uint64_t bits, const Form *form, uint32_t mxcsr)
{
    double x, y;
    memcpy(&x, &bits, sizeof(x));
    if (isnan(x)) {
        return bits | UINT64_C(1) << 51;
    }
    if (fabs(x) < DBL_MIN && (mxcsr & MXCSR_DAZ)) {
        x = copysign(0.0, x);
    }
    y = approximate(x, form);
    if (fabs(y) < DBL_MIN && (mxcsr & MXCSR_FTZ)) {
        y = copysign(0.0, y);
    }
    memcpy(&bits, &y, sizeof(bits));
    return bits;
}

#define HALF_INFINITY 0x7c00u
#define HALF_QUIET 0x200u
#define HALF_DEFAULT_NAN 0xfe00u

/* v >= 0, not above 2^24 */
static uint16_t round_half(double v)
{
    int exponent = -14;
    unsigned fraction;
    if (v >= 0x1p-14) {
        (void)frexp(v, &exponent);
        exponent--;
    }
    /*
     * 1024 to 2048, less for a denormal; adding 2^52 rounds to a whole number, as the processor
     * rounds: to nearest even
     */
    fraction = (unsigned)(ldexp(v, 10 - exponent) + 0x1p52 - 0x1p52);
    fraction += (unsigned)(exponent + 14) << 10;
    return (uint16_t)(fraction < HALF_INFINITY ? fraction : HALF_INFINITY);
}

uint16_t vec_approximate_half(uint16_t v, bool root)
{
    unsigned sign = v & 0x8000u, magnitude = v & 0x7fffu;
    double x;
    if (magnitude > HALF_INFINITY) {
        return (uint16_t)(v | HALF_QUIET);
    }
    if (magnitude == 0) {
        return (uint16_t)(sign | HALF_INFINITY);
    }
    if (root && sign) {
        return HALF_DEFAULT_NAN;
    }
    if (magnitude == HALF_INFINITY) {
        return (uint16_t)sign;
    }
    x = magnitude < 0x400 ? ldexp(magnitude, -24)
                          : ldexp((magnitude & 0x3ff) | 0x400, (int)(magnitude >> 10) - 25);
    x = root ? _mm_cvtsd_f64(_mm_sqrt_sd(_mm_set_sd(x), _mm_set_sd(x))) : x;
    return (uint16_t)(sign | round_half(1.0 / x));
}

static uint64_t approximate_element(uint64_t bits, const Form *form, uint32_t mxcsr)
{
    switch (form->size) {
    case 2:
        return vec_approximate_half((uint16_t)bits, form->root);
    case 4:
        return approximate_single((uint32_t)bits, form, mxcsr);
    default:
        return approximate_double(bits, form, mxcsr);
    }
}

/* A byte of a vector register, where XSAVE's standard format has it. */
static uint8_t *vector_byte(Cpu *cpu, unsigned reg, unsigned byte)
{
    if (reg >= 16) {
        return cpu->xstate + XSTATE_HI16_ZMM + 64 * (reg - 16) + byte;
    }
    return byte < 16 ? vec_xmm(cpu, reg) + byte
         : byte < 32 ? vec_ymmh(cpu, reg) + byte - 16
                     : cpu->xstate + XSTATE_ZMMH + 32 * reg + byte - 32;
}

static uint64_t mask_of(const Cpu *cpu, const ZydisDecodedInstruction *insn)
{
    uint64_t k = UINT64_MAX;
    unsigned number = ZydisRegisterGetId(insn->avx.mask.reg) & 7;
    if (insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
        insn->avx.mask.reg != ZYDIS_REGISTER_NONE && number) {
        memcpy(&k, cpu->xstate + XSTATE_OPMASK + 8 * number, sizeof(k));
    }
    return k;
}

/*
 * Rare enough to be decoded again: Op.imm holds the instruction as vec_choose_thunk() rewrote it.
 */
static __attribute__((noinline)) void execute(Cpu *cpu, const Op *op)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t source[64] = {0};

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, &op->imm, sizeof(op->imm), &insn, operand))) {
        cpu_unsupported(cpu, "a reciprocal that cannot be decoded again");
    }
    const Form *form = form_of(insn.mnemonic);
    const ZydisDecodedOperand *last = &operand[insn.operand_count_visible - 1];
    bool in_memory = last->type == ZYDIS_OPERAND_TYPE_MEMORY;
    for (unsigned i = 0; !in_memory && i < last->size / 8; i++) {
        source[i] = *vector_byte(cpu, vec_reg(last), i);
    }
    vec_thunk_execute(cpu, op);
    if (in_memory) {
        memcpy(source, cpu->vec->scratch, sizeof(source));
    }
    unsigned count = form->scalar ? 1 : operand[0].size / 8 / form->size;
    bool same = insn.avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID;
    uint64_t mask = mask_of(cpu, &insn);
    for (unsigned i = 0; i < count; i++) {
        uint64_t value = 0;
        if (mask >> i & 1) {
            memcpy(&value, source + (same ? 0 : i * form->size), form->size);
            value = approximate_element(value, form, vec_mxcsr(cpu));
            memcpy(vector_byte(cpu, vec_reg(&operand[0]), i * form->size), &value, form->size);
        }
    }
}

static const Op *op_approximate(Cpu *cpu, const Op *op)
{
    execute(cpu, op);
    NEXT(cpu, op);
}

bool vec_choose_approximate(Cpu *cpu, const Decoded *d, Op *op)
{
    if (!cpu->group->deterministic || !form_of(d->insn.mnemonic) || !vec_choose_thunk(cpu, d, op)) {
        return false;
    }
    op->fn = op_approximate;
    op->form = 0;
    return true;
}
