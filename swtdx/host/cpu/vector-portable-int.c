/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SSSE3, SSE4.1 and SSE4.2 integer and blend instructions in plain C, and SSE3 moves (SDM vol. 2).
 */
#include "vector-portable.h"

#define FN(name) static Vec128 name(Vec128 a, Vec128 b, const PortableArgs *args)

static int16_t saturate16(int32_t v)
{
    return (int16_t)(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
}

FN(pshufb)
{
    Vec128 r = {.q = {0, 0}};

    for (unsigned i = 0; i < args->bytes; i++) {
        r.b[i] = b.b[i] & 0x80 ? 0 : a.b[b.b[i] & (args->bytes - 1)];
    }
    return r;
}

/* Horizontal: neighbours of a, then of b */
typedef int16_t (*Combine16)(int16_t x, int16_t y);

static Vec128 horizontal16(Vec128 a, Vec128 b, unsigned bytes, Combine16 combine)
{
    Vec128 r = {.q = {0, 0}};
    unsigned half = bytes / 4;

    for (unsigned i = 0; i < half; i++) {
        r.sw[i] = combine(a.sw[2 * i], a.sw[2 * i + 1]);
        r.sw[half + i] = combine(b.sw[2 * i], b.sw[2 * i + 1]);
    }
    return r;
}

static Vec128 horizontal32(Vec128 a, Vec128 b, unsigned bytes, bool subtract)
{
    Vec128 r = {.q = {0, 0}};
    unsigned half = bytes / 8;

    for (unsigned i = 0; i < half; i++) {
        r.d[i] = subtract ? a.d[2 * i] - a.d[2 * i + 1] : a.d[2 * i] + a.d[2 * i + 1];
        r.d[half + i] = subtract ? b.d[2 * i] - b.d[2 * i + 1] : b.d[2 * i] + b.d[2 * i + 1];
    }
    return r;
}

static int16_t add16(int16_t x, int16_t y)
{
    return (int16_t)(x + y);
}

static int16_t sub16(int16_t x, int16_t y)
{
    return (int16_t)(x - y);
}

static int16_t add16s(int16_t x, int16_t y)
{
    return saturate16(x + y);
}

static int16_t sub16s(int16_t x, int16_t y)
{
    return saturate16(x - y);
}

FN(phaddw) { return horizontal16(a, b, args->bytes, add16); }
FN(phaddsw) { return horizontal16(a, b, args->bytes, add16s); }
FN(phsubw) { return horizontal16(a, b, args->bytes, sub16); }
FN(phsubsw) { return horizontal16(a, b, args->bytes, sub16s); }
FN(phaddd) { return horizontal32(a, b, args->bytes, false); }
FN(phsubd) { return horizontal32(a, b, args->bytes, true); }

/* One expression for each element i of a type; the element count follows the operand's size. */
#define ELEMENTWISE(name, member, expr)                                    \
    FN(name)                                                               \
    {                                                                      \
        Vec128 r = {.q = {0, 0}};                                          \
        for (unsigned i = 0; i < args->bytes / sizeof(r.member[0]); i++) { \
            r.member[i] = (__typeof__(r.member[0]))(expr);                 \
        }                                                                  \
        return r;                                                          \
    }
#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y))
#define SIGN(x, y, type) ((y) < 0 ? (type)0 - (type)(x) : (y) ? (type)(x) : 0)

ELEMENTWISE(pmaddubsw, sw, saturate16(a.b[2 * i] * b.sb[2 * i] + a.b[2 * i + 1] * b.sb[2 * i + 1]))
ELEMENTWISE(pmulhrsw, sw, (((a.sw[i] * b.sw[i]) >> 14) + 1) >> 1)
ELEMENTWISE(psignb, b, SIGN(a.b[i], b.sb[i], unsigned))
ELEMENTWISE(psignw, w, SIGN(a.w[i], b.sw[i], unsigned))
ELEMENTWISE(psignd, d, SIGN(a.d[i], b.sd[i], uint32_t))
ELEMENTWISE(pabsb, b, b.sb[i] < 0 ? -b.sb[i] : b.sb[i])
ELEMENTWISE(pabsw, w, b.sw[i] < 0 ? -b.sw[i] : b.sw[i])
ELEMENTWISE(pabsd, d, b.sd[i] < 0 ? 0 - b.d[i] : b.d[i])
ELEMENTWISE(pmulld, d, a.d[i] * b.d[i])
ELEMENTWISE(pmuldq, sq, (int64_t)a.sd[2 * i] * b.sd[2 * i])
ELEMENTWISE(pminsb, sb, MIN(a.sb[i], b.sb[i]))
ELEMENTWISE(pmaxsb, sb, MAX(a.sb[i], b.sb[i]))
ELEMENTWISE(pminuw, w, MIN(a.w[i], b.w[i]))
ELEMENTWISE(pmaxuw, w, MAX(a.w[i], b.w[i]))
ELEMENTWISE(pminsd, sd, MIN(a.sd[i], b.sd[i]))
ELEMENTWISE(pmaxsd, sd, MAX(a.sd[i], b.sd[i]))
ELEMENTWISE(pminud, d, MIN(a.d[i], b.d[i]))
ELEMENTWISE(pmaxud, d, MAX(a.d[i], b.d[i]))
ELEMENTWISE(pcmpeqq, q, a.q[i] == b.q[i] ? ~UINT64_C(0) : 0)
ELEMENTWISE(pcmpgtq, q, a.sq[i] > b.sq[i] ? ~UINT64_C(0) : 0)
ELEMENTWISE(pmovsxbw, sw, b.sb[i])
ELEMENTWISE(pmovsxbd, sd, b.sb[i])
ELEMENTWISE(pmovsxbq, sq, b.sb[i])
ELEMENTWISE(pmovsxwd, sd, b.sw[i])
ELEMENTWISE(pmovsxwq, sq, b.sw[i])
ELEMENTWISE(pmovsxdq, sq, b.sd[i])
ELEMENTWISE(pmovzxbw, w, b.b[i])
ELEMENTWISE(pmovzxbd, d, b.b[i])
ELEMENTWISE(pmovzxbq, q, b.b[i])
ELEMENTWISE(pmovzxwd, d, b.w[i])
ELEMENTWISE(pmovzxwq, q, b.w[i])
ELEMENTWISE(pmovzxdq, q, b.d[i])
ELEMENTWISE(pblendw, w, args->imm >> i & 1 ? b.w[i] : a.w[i])
ELEMENTWISE(blendps, d, args->imm >> i & 1 ? b.d[i] : a.d[i])
ELEMENTWISE(blendpd, q, args->imm >> i & 1 ? b.q[i] : a.q[i])
ELEMENTWISE(pblendvb, b, args->xmm0.sb[i] < 0 ? b.b[i] : a.b[i])
ELEMENTWISE(blendvps, d, args->xmm0.sd[i] < 0 ? b.d[i] : a.d[i])
ELEMENTWISE(blendvpd, q, args->xmm0.sq[i] < 0 ? b.q[i] : a.q[i])
ELEMENTWISE(movsldup, d, b.d[i & ~1u])
ELEMENTWISE(movshdup, d, b.d[i | 1u])
ELEMENTWISE(movddup, q, b.q[0])

FN(palignr)
{
    uint8_t both[64] = {0};
    Vec128 r = {.q = {0, 0}};
    unsigned n = MIN(args->imm, 32u);

    memcpy(both, b.b, args->bytes);
    memcpy(both + args->bytes, a.b, args->bytes);
    memcpy(r.b, both + n, args->bytes);
    return r;
}

FN(packusdw)
{
    Vec128 r;

    for (unsigned i = 0; i < 4; i++) {
        r.w[i] = (uint16_t)(a.sd[i] < 0 ? 0 : MIN(a.sd[i], 65535));
        r.w[4 + i] = (uint16_t)(b.sd[i] < 0 ? 0 : MIN(b.sd[i], 65535));
    }
    return r;
}

FN(phminposuw)
{
    Vec128 r = {.q = {0, 0}};
    unsigned at = 0;

    for (unsigned i = 1; i < 8; i++) {
        at = b.w[i] < b.w[at] ? i : at;
    }
    r.w[0] = b.w[at];
    r.w[1] = (uint16_t)at;
    return r;
}

FN(mpsadbw)
{
    Vec128 r;
    unsigned from_a = (args->imm >> 2 & 1) * 4, from_b = (args->imm & 3) * 4;

    for (unsigned i = 0; i < 8; i++) {
        unsigned sum = 0;
        for (unsigned k = 0; k < 4; k++) {
            int diff = a.b[from_a + i + k] - b.b[from_b + k];
            sum += (unsigned)(diff < 0 ? -diff : diff);
        }
        r.w[i] = (uint16_t)sum;
    }
    return r;
}

#define ROW(mnemonic, fn) {ZYDIS_MNEMONIC_##mnemonic, 0, fn, 0}
const PortableRow portable_int[] = {
    ROW(PSHUFB, pshufb), ROW(PHADDW, phaddw), ROW(PHADDSW, phaddsw), ROW(PHADDD, phaddd),
    ROW(PHSUBW, phsubw),
    ROW(PHSUBSW, phsubsw), ROW(PHSUBD, phsubd), ROW(PMADDUBSW, pmaddubsw), ROW(PMULHRSW, pmulhrsw),
    ROW(PSIGNB, psignb), ROW(PSIGNW, psignw), ROW(PSIGND, psignd), ROW(PABSB, pabsb),
    ROW(PABSW, pabsw),
    ROW(PABSD, pabsd), ROW(PALIGNR, palignr),
    ROW(PMULLD, pmulld), ROW(PMULDQ, pmuldq), ROW(PMINSB, pminsb), ROW(PMAXSB, pmaxsb),
    ROW(PMINUW, pminuw),
    ROW(PMAXUW, pmaxuw), ROW(PMINSD, pminsd), ROW(PMAXSD, pmaxsd), ROW(PMINUD, pminud),
    ROW(PMAXUD, pmaxud),
    ROW(PCMPEQQ, pcmpeqq), ROW(PCMPGTQ, pcmpgtq), ROW(PACKUSDW, packusdw),
    ROW(PHMINPOSUW, phminposuw),
    ROW(MPSADBW, mpsadbw),
    ROW(PMOVSXBW, pmovsxbw), ROW(PMOVSXBD, pmovsxbd), ROW(PMOVSXBQ, pmovsxbq),
    ROW(PMOVSXWD, pmovsxwd),
    ROW(PMOVSXWQ, pmovsxwq), ROW(PMOVSXDQ, pmovsxdq), ROW(PMOVZXBW, pmovzxbw),
    ROW(PMOVZXBD, pmovzxbd),
    ROW(PMOVZXBQ, pmovzxbq), ROW(PMOVZXWD, pmovzxwd), ROW(PMOVZXWQ, pmovzxwq),
    ROW(PMOVZXDQ, pmovzxdq),
    ROW(PBLENDW, pblendw), ROW(BLENDPS, blendps), ROW(BLENDPD, blendpd), ROW(PBLENDVB, pblendvb),
    ROW(BLENDVPS, blendvps), ROW(BLENDVPD, blendvpd),
    ROW(MOVSLDUP, movsldup), ROW(MOVSHDUP, movshdup), ROW(MOVDDUP, movddup),
    {0},
};
