/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the TDP instructions compute. MXCSR has no part in it: rounding is to nearest even,
 * denormals are zeroes, nothing is raised (SDM vol. 2, the operation of TDPBF16PS).
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "vector-tile.h"

#define QUIET (UINT32_C(1) << 22)
#define DEFAULT_NAN UINT32_C(0xffc00000) /* SDM vol. 1, table 4-3 */
#define SIGN UINT32_C(0x80000000)
#define EXPONENT UINT32_C(0x7f800000)

/* ---- single precision ---- */

static bool is_nan(uint32_t v)
{
    return (v & ~SIGN) > EXPONENT;
}

static double value_of(uint32_t bits)
{
    float f;

    bits &= bits & EXPONENT ? UINT32_MAX : SIGN;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

/*
 * The last bit is set if the sum is not exact: a sum so rounded, to 53 bits, can be rounded again
 * to 24 without harm.
 */
static double add_odd(double a, double b)
{
    double sum = a + b, part = sum - a, rest = (a - (sum - part)) + (b - part);
    uint64_t bits;

    memcpy(&bits, &sum, sizeof(bits));
    if (isfinite(sum) && rest != 0 && !(bits & 1)) {
        bits += (rest > 0) == (sum > 0) ? 1 : UINT64_MAX;
        memcpy(&sum, &bits, sizeof(sum));
    }
    return sum;
}

/*
 * Tiny is what is below the normal numbers after rounding with an unbounded exponent (SDM vol.
 * 1, 4.9.1.5).
 */
static uint32_t round_single(double v)
{
    float f = (float)v;
    uint32_t bits;

    if (fabs(v) < 0x1p-100 && fabsf((float)(v * 0x1p100)) < 0x1p-26f) {
        f = copysignf(0.0f, f);
    }
    memcpy(&bits, &f, sizeof(bits));
    return is_nan(bits) ? DEFAULT_NAN : bits;
}

uint32_t tile_fma(uint32_t a, uint32_t b, uint32_t c)
{
    if (is_nan(a) || is_nan(b) || is_nan(c)) {
        return (is_nan(a) ? a : is_nan(b) ? b : c) | QUIET;
    }
    /* the product has 48 bits at most: exact */
    return round_single(add_odd(value_of(a) * value_of(b), value_of(c)));
}

uint32_t tile_add(uint32_t a, uint32_t b)
{
    if (is_nan(a) || is_nan(b)) {
        return (is_nan(a) ? a : b) | QUIET;
    }
    return round_single(value_of(a) +
                        value_of(b)); /* 53 bits are enough to round twice: 2 * 24 + 2 */
}

uint32_t tile_widen_fp16(uint16_t v)
{
    uint32_t sign = (uint32_t)(v & 0x8000) << 16, exponent = v >> 10 & 31, fraction = v & 0x3ff;

    if (exponent == 31) {
        return sign | EXPONENT | fraction << 13 | (fraction ? QUIET : 0);
    }
    if (exponent == 0) { /* fraction * 2^-24: denormal halves are normal singles */
        float f = (float)fraction * 0x1p-24f;
        uint32_t bits;
        memcpy(&bits, &f, sizeof(bits));
        return sign | bits;
    }
    return sign | (exponent + 127 - 15) << 23 | fraction << 13;
}

/* ---- tiles ---- */

static uint32_t load32(const uint8_t *row, unsigned n)
{
    uint32_t v;
    memcpy(&v, row + 4 * n, sizeof(v));
    return v;
}

static void store32(uint8_t *row, unsigned n, uint32_t v)
{
    memcpy(row + 4 * n, &v, sizeof(v));
}

static uint32_t extended(uint8_t v, bool is_signed)
{
    return is_signed ? (uint32_t)(int32_t)(int8_t)v : v;
}

/* One row of c. Sums wrap. */
static void add_bytes(TileProduct kind, uint8_t *c, const uint8_t *a, const Tile *b, unsigned depth,
                      unsigned columns)
{
    bool a_signed = kind == TILE_SIGNED_SIGNED || kind == TILE_SIGNED_UNSIGNED;
    bool b_signed = kind == TILE_SIGNED_SIGNED || kind == TILE_UNSIGNED_SIGNED;

    for (unsigned n = 0; n < columns; n++) {
        uint32_t sum = load32(c, n);
        for (unsigned k = 0; k < depth; k++) {
            for (unsigned i = 0; i < 4; i++) {
                sum += extended(a[4 * k + i], a_signed) * extended(b->row[k][4 * n + i], b_signed);
            }
        }
        store32(c, n, sum);
    }
}

static uint32_t widen(TileProduct kind, uint32_t pair, unsigned which)
{
    uint16_t half = (uint16_t)(pair >> 16 * which);
    return kind == TILE_BF16 ? (uint32_t)half << 16 : tile_widen_fp16(half);
}

/*
 * One row of c: even and odd elements are summed apart, each sum begins at 0, and both come
 * together at the end.
 */
static void add_halves(TileProduct kind, uint8_t *c, const uint8_t *a, const Tile *b,
                       unsigned depth, unsigned columns)
{
    for (unsigned n = 0; n < columns; n++) {
        uint32_t sum[2] = {0, 0};
        for (unsigned k = 0; k < depth; k++) {
            uint32_t x = load32(a, k), y = load32(b->row[k], n);
            for (unsigned i = 0; i < 2; i++) {
                sum[i] = tile_fma(widen(kind, x, i), widen(kind, y, i), sum[i]);
            }
        }
        store32(c, n, tile_add(load32(c, n), tile_add(sum[0], sum[1])));
    }
}

void tile_multiply(TileProduct kind, Tile *c, const Tile *a, const Tile *b, unsigned rows,
                   unsigned depth, unsigned columns)
{
    for (unsigned m = 0; m < rows; m++) {
        if (kind == TILE_BF16 || kind == TILE_FP16) {
            add_halves(kind, c->row[m], a->row[m], b, depth, columns);
        } else {
            add_bytes(kind, c->row[m], a->row[m], b, depth, columns);
        }
        memset(c->row[m] + 4 * columns, 0, TILE_ROW_SIZE - 4 * columns);
    }
    memset(c->row[rows], 0, (TILE_ROWS - rows) * sizeof(c->row[0]));
}
