/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AES round instructions and PCLMULQDQ in plain C (FIPS 197; SDM vol. 2, AESENC ... PCLMULQDQ). */
#include "vector-portable.h"

/* Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197, 4.2) */
static uint8_t gf_mul(uint8_t a, uint8_t b)
{
    uint8_t r = 0;

    for (; b; b >>= 1) {
        r ^= b & 1 ? a : 0;
        a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0));
    }
    return r;
}

static uint8_t rotl8(uint8_t v, unsigned n)
{
    return (uint8_t)(v << n | v >> (8 - n));
}

/* a^254 is the inverse, and maps 0 to 0 as the S-box wants. */
static uint8_t gf_inverse(uint8_t a)
{
    uint8_t r = 1, square = a;

    for (unsigned i = 1; i < 8; i++) {
        square = gf_mul(square, square);
        r = gf_mul(r, square);
    }
    return r;
}

/* FIPS 197, 5.1.1: the inverse, then an affine map */
static uint8_t sub_byte(uint8_t v)
{
    uint8_t i = gf_inverse(v);
    return i ^ rotl8(i, 1) ^ rotl8(i, 2) ^ rotl8(i, 3) ^ rotl8(i, 4) ^ 0x63;
}

static uint8_t inv_sub_byte(uint8_t v)
{
    return gf_inverse(rotl8(v, 1) ^ rotl8(v, 3) ^ rotl8(v, 6) ^ 0x05);
}

/* Byte r of column c stands at 4 * c + r; row r moves left by r columns. */
static Vec128 shift_rows(Vec128 v, bool inverse)
{
    Vec128 out;

    for (unsigned c = 0; c < 4; c++) {
        for (unsigned r = 0; r < 4; r++) {
            out.b[4 * c + r] = v.b[4 * ((c + (inverse ? 4 - r : r)) & 3) + r];
        }
    }
    return out;
}

static Vec128 substitute(Vec128 v, uint8_t (*box)(uint8_t))
{
    for (unsigned i = 0; i < 16; i++) {
        v.b[i] = box(v.b[i]);
    }
    return v;
}

static Vec128 mix_columns(Vec128 v, const uint8_t factor[4])
{
    Vec128 out;

    for (unsigned c = 0; c < 16; c += 4) {
        for (unsigned r = 0; r < 4; r++) {
            out.b[c + r] = 0;
            for (unsigned k = 0; k < 4; k++) {
                out.b[c + r] ^= gf_mul(v.b[c + ((r + k) & 3)], factor[k]);
            }
        }
    }
    return out;
}

static const uint8_t forward_mix[4] = {2, 3, 1, 1};
static const uint8_t inverse_mix[4] = {14, 11, 13, 9};

static Vec128 add_key(Vec128 v, Vec128 key)
{
    v.q[0] ^= key.q[0];
    v.q[1] ^= key.q[1];
    return v;
}

static Vec128 aesenclast(Vec128 a, Vec128 b, const PortableArgs *args)
{
    return add_key(substitute(shift_rows(a, false), sub_byte), b);
}

static Vec128 aesenc(Vec128 a, Vec128 b, const PortableArgs *args)
{
    return add_key(mix_columns(substitute(shift_rows(a, false), sub_byte), forward_mix), b);
}

static Vec128 aesdeclast(Vec128 a, Vec128 b, const PortableArgs *args)
{
    return add_key(substitute(shift_rows(a, true), inv_sub_byte), b);
}

static Vec128 aesdec(Vec128 a, Vec128 b, const PortableArgs *args)
{
    return add_key(mix_columns(substitute(shift_rows(a, true), inv_sub_byte), inverse_mix), b);
}

static Vec128 aesimc(Vec128 a, Vec128 b, const PortableArgs *args)
{
    return mix_columns(b, inverse_mix);
}

static Vec128 aeskeygenassist(Vec128 a, Vec128 b, const PortableArgs *args)
{
    Vec128 s = substitute(b, sub_byte), out;

    out.d[0] = s.d[1];
    out.d[1] = (s.d[1] >> 8 | s.d[1] << 24) ^ args->imm;
    out.d[2] = s.d[3];
    out.d[3] = (s.d[3] >> 8 | s.d[3] << 24) ^ args->imm;
    return out;
}

static Vec128 pclmulqdq(Vec128 a, Vec128 b, const PortableArgs *args)
{
    uint64_t x = a.q[args->imm & 1], y = b.q[args->imm >> 4 & 1];
    Vec128 out = {.q = {0, 0}};

    for (unsigned i = 0; i < 64; i++) {
        if (y >> i & 1) {
            out.q[0] ^= x << i;
            out.q[1] ^= i ? x >> (64 - i) : 0;
        }
    }
    return out;
}

#define ROW(mnemonic, fn) {ZYDIS_MNEMONIC_##mnemonic, ZYDIS_MNEMONIC_V##mnemonic, fn, 0}
const PortableRow portable_aes[] = {
    ROW(AESENC, aesenc),
    ROW(AESENCLAST, aesenclast),
    ROW(AESDEC, aesdec),
    ROW(AESDECLAST, aesdeclast),
    ROW(AESIMC, aesimc),
    ROW(AESKEYGENASSIST, aeskeygenassist),
    ROW(PCLMULQDQ, pclmulqdq),
    {0},
};
