/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SSE3 and SSE4.1 floating point instructions out of SSE2 scalar arithmetic, and integer arithmetic
 * for ROUND.
 */
#include "vector-portable.h"

#define FN(name) static Vec128 name(Vec128 a, Vec128 b, const PortableArgs *args)

FN(addsubps)
{
    for (unsigned i = 0; i < 4; i++) {
        a.f[i] = i & 1 ? portable_addf(a.f[i], b.f[i]) : portable_subf(a.f[i], b.f[i]);
    }
    return a;
}

FN(addsubpd)
{
    return (Vec128){.df = {portable_subd(a.df[0], b.df[0]), portable_addd(a.df[1], b.df[1])}};
}

FN(haddps)
{
    return (Vec128){.f = {portable_addf(a.f[0], a.f[1]), portable_addf(a.f[2], a.f[3]),
                          portable_addf(b.f[0], b.f[1]), portable_addf(b.f[2], b.f[3])}};
}

FN(hsubps)
{
    return (Vec128){.f = {portable_subf(a.f[0], a.f[1]), portable_subf(a.f[2], a.f[3]),
                          portable_subf(b.f[0], b.f[1]), portable_subf(b.f[2], b.f[3])}};
}

FN(haddpd)
{
    return (Vec128){.df = {portable_addd(a.df[0], a.df[1]), portable_addd(b.df[0], b.df[1])}};
}

FN(hsubpd)
{
    return (Vec128){.df = {portable_subd(a.df[0], a.df[1]), portable_subd(b.df[0], b.df[1])}};
}

/* SDM vol. 2, DPPS: products under imm[7:4], added pairwise, stored under imm[3:0] */
FN(dpps)
{
    float p[4], sum;
    Vec128 r;

    for (unsigned i = 0; i < 4; i++) {
        p[i] = args->imm >> (4 + i) & 1 ? portable_mulf(a.f[i], b.f[i]) : 0.0f;
    }
    sum = portable_addf(portable_addf(p[0], p[1]), portable_addf(p[2], p[3]));
    for (unsigned i = 0; i < 4; i++) {
        r.f[i] = args->imm >> i & 1 ? sum : 0.0f;
    }
    return r;
}

FN(dppd)
{
    double p[2], sum;

    for (unsigned i = 0; i < 2; i++) {
        p[i] = args->imm >> (4 + i) & 1 ? portable_muld(a.df[i], b.df[i]) : 0.0;
    }
    sum = portable_addd(p[0], p[1]);
    return (Vec128){.df = {args->imm & 1 ? sum : 0.0, args->imm & 2 ? sum : 0.0}};
}

static void raise_flags(uint32_t flags)
{
    uint32_t v;

    __asm__ volatile("stmxcsr %0" : "=m"(v));
    v |= flags;
    __asm__ volatile("ldmxcsr %0" : : "m"(v));
}

typedef struct FloatFormat {
    unsigned mantissa, bias, exponent_max;
} FloatFormat;
static const FloatFormat single = {23, 127, 255}, twice = {52, 1023, 2047};

/*
 * Rounds a number in IEEE format to an integral value (SDM vol. 2, ROUNDPS); in bits, so that no
 * host rounding enters.
 */
static uint64_t round_bits(uint64_t v, const FloatFormat *f, const PortableArgs *args)
{
    uint64_t sign = v >> (f->mantissa + (f == &single ? 8 : 11)) & 1;
    unsigned exponent = v >> f->mantissa & f->exponent_max;
    unsigned mode = args->imm & 4 ? args->mxcsr >> 13 & 3 : args->imm & 3;
    uint64_t fraction = v & ((UINT64_C(1) << f->mantissa) - 1);
    uint64_t signed_zero = sign << (f->mantissa + (f == &single ? 8 : 11));
    bool up;

    if (exponent == f->exponent_max) {
        if (fraction && !(fraction >> (f->mantissa - 1))) {
            raise_flags(1);
            v |= UINT64_C(1) << (f->mantissa - 1);
        }
        return v;
    }
    if ((exponent == 0 && (fraction == 0 || (args->mxcsr & 0x40)))) {
        return signed_zero;
    }
    if (exponent >= f->bias + f->mantissa) {
        return v;
    }
    if (exponent >= f->bias) {
        unsigned drop = f->mantissa - (exponent - f->bias);
        uint64_t rest = v & ((UINT64_C(1) << drop) - 1), half = UINT64_C(1) << (drop - 1);
        /* with drop == mantissa the last integer bit is the implied 1 */
        bool odd = drop == f->mantissa || (v >> drop & 1);
        if (rest == 0) {
            return v;
        }
        up = mode == 0   ? rest > half || (rest == half && odd)
             : mode == 1 ? sign
             : mode == 2 ? !sign
                         : false;
        v = (v - rest) + (up ? UINT64_C(1) << drop : 0);
    } else {
        bool above_half = exponent == f->bias - 1 && fraction != 0;
        up = mode == 0 ? above_half : mode == 1 ? sign : mode == 2 ? !sign : false;
        v = signed_zero | (up ? (uint64_t)f->bias << f->mantissa : 0);
    }
    if (!(args->imm & 8)) {
        raise_flags(0x20);
    }
    return v;
}

FN(roundps)
{
    for (unsigned i = 0; i < 4; i++) {
        a.d[i] = (uint32_t)round_bits(b.d[i], &single, args);
    }
    return a;
}

FN(roundpd)
{
    for (unsigned i = 0; i < 2; i++) {
        a.q[i] = round_bits(b.q[i], &twice, args);
    }
    return a;
}

FN(roundss)
{
    a.d[0] = (uint32_t)round_bits(b.d[0], &single, args);
    return a;
}

FN(roundsd)
{
    a.q[0] = round_bits(b.q[0], &twice, args);
    return a;
}

#define ROW(mnemonic, fn) {ZYDIS_MNEMONIC_##mnemonic, 0, fn, PORTABLE_FP}
const PortableRow portable_float[] = {
    ROW(ADDSUBPS, addsubps), ROW(ADDSUBPD, addsubpd), ROW(HADDPS, haddps), ROW(HADDPD, haddpd),
    ROW(HSUBPS, hsubps),
    ROW(HSUBPD, hsubpd), ROW(DPPS, dpps), ROW(DPPD, dppd), ROW(ROUNDPS, roundps),
    ROW(ROUNDPD, roundpd),
    ROW(ROUNDSS, roundss), ROW(ROUNDSD, roundsd),
    {0},
};
