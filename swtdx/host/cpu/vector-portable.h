/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector instructions in plain C, for hosts that lack what the TDX module forces to 1 (SSE3 ...
 * SSE4.2, AES, PCLMULQDQ, SHA). Each is a function of two operands and an immediate;
 * vector-portable.c does the rest.
 */
#ifndef SWTDX_VECTOR_PORTABLE_H
#define SWTDX_VECTOR_PORTABLE_H

#include "vector.h"

typedef union Vec128 {
    uint8_t b[16];
    int8_t sb[16];
    uint16_t w[8];
    int16_t sw[8];
    uint32_t d[4];
    int32_t sd[4];
    uint64_t q[2];
    int64_t sq[2];
    float f[4];
    double df[2];
} Vec128;

/* What a function gets besides its operands */
typedef struct PortableArgs {
    unsigned imm;
    unsigned bytes;     /* 16, or 8 for MMX */
    Vec128 xmm0;        /* implicit operand of SHA256RNDS2, PBLENDVB, ... */
    uint32_t mxcsr;     /* the guest's */
} PortableArgs;

/*
 * a: destination before, or first source of VEX forms; b: second operand, zero extended from
 * memory. Returns the result.
 */
typedef Vec128 (*PortableFn)(Vec128 a, Vec128 b, const PortableArgs *args);

enum { PORTABLE_FP = 1 /* may raise MXCSR exceptions */ };

typedef struct PortableRow {
    ZydisMnemonic sse, vex; /* vex: 128-bit form, or 0 */
    PortableFn fn;
    unsigned flags;
} PortableRow;

/* Tables end with a row whose fn is NULL. */
extern const PortableRow portable_aes[], portable_sha[], portable_int[], portable_float[];

/* Forms with general registers or flags: PTEST, PEXTRx, PINSRx, PCMPxSTRx */
bool vec_choose_portable_string(Cpu *cpu, const Decoded *d, Op *op);
bool vec_choose_portable_gpr(Cpu *cpu, const Decoded *d, Op *op);

/* Scalar arithmetic that the compiler neither folds nor moves over a change of MXCSR. */
static inline float portable_addf(float a, float b)
{
    __asm__ volatile("addss %1, %0" : "+x"(a) : "x"(b));
    return a;
}

static inline float portable_subf(float a, float b)
{
    __asm__ volatile("subss %1, %0" : "+x"(a) : "x"(b));
    return a;
}

static inline float portable_mulf(float a, float b)
{
    __asm__ volatile("mulss %1, %0" : "+x"(a) : "x"(b));
    return a;
}

static inline double portable_addd(double a, double b)
{
    __asm__ volatile("addsd %1, %0" : "+x"(a) : "x"(b));
    return a;
}

static inline double portable_subd(double a, double b)
{
    __asm__ volatile("subsd %1, %0" : "+x"(a) : "x"(b));
    return a;
}

static inline double portable_muld(double a, double b)
{
    __asm__ volatile("mulsd %1, %0" : "+x"(a) : "x"(b));
    return a;
}

#endif
