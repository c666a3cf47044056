/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Products of tiles: single numbers against worked examples and libm, whole tiles against sums
 * written out here.
 */
#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "swtdx/host/cpu/vector-tile.h"

#define INF 0x7f800000u
#define NINF 0xff800000u
#define ONE 0x3f800000u
#define MIN_NORMAL 0x00800000u
#define MAX_DENORMAL 0x007fffffu
#define MAX_NORMAL 0x7f7fffffu
#define DEFAULT_NAN 0xffc00000u

static const struct {
    const char *label;
    uint32_t a, b, c, want;
} fmas[] = {
    {"1 * 1 + 1", ONE, ONE, ONE, 0x40000000},
    {"1.5 * -2 + 0.25", 0x3fc00000, 0xc0000000, 0x3e800000, 0xc0300000},
    {"tie goes to even, down", 0x33800000, ONE, ONE, ONE}, /* 1 + 2^-24 */
    {"tie goes to even, up", 0x33800000, ONE, 0x3f800001, 0x3f800002},
    {"above the tie", 0x33800001, ONE, ONE, 0x3f800001},
    {"a far bit breaks the tie upwards", 0x3f800001, 0x33800000, ONE, 0x3f800001},
    {"a bit 2^-149 away breaks it too", ONE, 0x33800000, ONE, ONE},
    {"product exact, rounded once", 0x3f800001, 0x3f800001, 0, 0x3f800002},
    {"product and addend cancel to what was cut off", 0x3f800001, 0x3f800001, 0xbf800002,
     0x28800000}, /* 2^-46 */
    {"overflow", MAX_NORMAL, 0x40000000, 0, INF},
    {"overflow by half a unit", 0x73000000, ONE, MAX_NORMAL, INF},
    {"just below", 0x72ffffff, ONE, MAX_NORMAL, MAX_NORMAL},
    {"denormal a is 0", MAX_DENORMAL, 0x7f000000, 0, 0},
    {"denormal b is 0, sign kept", 0xbf800000, MAX_DENORMAL, 0x80000000, 0x80000000},
    {"denormal addend is 0", 0, 0, MAX_DENORMAL, 0},
    {"negative denormal addend and -0", 0x80000000, ONE, 0x807fffff, 0x80000000},
    {"result below normal is 0", MIN_NORMAL, 0x3f000000, 0, 0},
    {"negative result below normal is -0", MIN_NORMAL, 0xbf000000, 0, 0x80000000},
    {"difference of normals below normal", 0x00800001, ONE, 0x80800000, 0},
    {"rounds to the least normal with unbounded exponent", 0x00ffffff, 0x3f000000, 0,
     0}, /* (1 - 2^-24) * 2^-126: exact, tiny */
    {"tiny before and normal after rounding", 0x3f7fffff, 0x00800001, 0,
     MIN_NORMAL}, /* (1+2^-23)(1-2^-24) 2^-126 */
    {"least normal stays", MIN_NORMAL, ONE, 0, MIN_NORMAL},
    {"tiny product under a large sum", MIN_NORMAL, MIN_NORMAL, ONE, ONE},
    {"exact 0 is +0", ONE, ONE, 0xbf800000, 0},
    {"-0 + -0", 0x80000000, ONE, 0x80000000, 0x80000000},
    {"inf", INF, ONE, NINF + 0, DEFAULT_NAN},
    {"inf * 0", INF, 0, ONE, DEFAULT_NAN},
    {"inf * denormal", INF, MAX_DENORMAL, ONE, DEFAULT_NAN},
    {"inf * 2 + 1", INF, 0x40000000, ONE, INF},
    {"1 - inf", ONE, ONE, NINF, NINF},
    {"quiet NaN", 0x7fc12345, ONE, ONE, 0x7fc12345},
    {"signalling NaN", ONE, 0xff812345, ONE, 0xffc12345},
    {"first NaN wins", 0x7fc00001, 0x7fc00002, 0x7fc00003, 0x7fc00001},
    {"second before the addend", ONE, 0x7fc00002, 0x7fc00003, 0x7fc00002},
    {"NaN rather than inf * 0", INF, 0, 0x7fc00003, 0x7fc00003},
};

static void test_numbers(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fmas); i++) {
        uint32_t got = tile_fma(fmas[i].a, fmas[i].b, fmas[i].c);
        if (got != fmas[i].want) {
            g_test_message("%s: 0x%08x, expected 0x%08x", fmas[i].label, got, fmas[i].want);
            g_test_fail();
        }
    }
    g_assert_cmphex(tile_add(0x33800000, ONE), ==, ONE);
    g_assert_cmphex(tile_add(0x33800001, ONE), ==, 0x3f800001);
    g_assert_cmphex(tile_add(0x00800001, 0x80800000), ==, 0);
    g_assert_cmphex(tile_add(0x80000001, 0x80000000), ==, 0x80000000);
    g_assert_cmphex(tile_add(INF, NINF), ==, DEFAULT_NAN);
    g_assert_cmphex(tile_add(0x7f800001, 0x7fc00002), ==, 0x7fc00001);
    g_assert_cmphex(tile_add(ONE, 0xff800002), ==, 0xffc00002);
}

static uint32_t bits_of(float f)
{
    uint32_t v;
    memcpy(&v, &f, 4);
    return v;
}

static float float_of(uint32_t v)
{
    float f;
    memcpy(&f, &v, 4);
    return f;
}

/*
 * Exponents near one another, so that every way to round comes up; none so small that a result is
 * tiny.
 */
static void test_random(void)
{
    for (unsigned i = 0; i < 2000000; i++) {
        uint32_t v[3];
        for (unsigned k = 0; k < 3; k++) {
            uint32_t exponent = (uint32_t)g_test_rand_int_range(127 - 20, 127 + 20);
            v[k] = ((uint32_t)g_test_rand_int() & 0x807fffff) | exponent << 23;
        }
        v[2] = g_test_rand_bit()
                   ? (v[2] & 0x807fffff) | ((v[0] >> 23 & 255) + (v[1] >> 23 & 255) - 127) << 23
                   : v[2];
        float want = fmaf(float_of(v[0]), float_of(v[1]), float_of(v[2]));
        g_assert_cmphex(tile_fma(v[0], v[1], v[2]), ==, bits_of(want));
        g_assert_cmphex(tile_add(v[0], v[2]), ==, bits_of(float_of(v[0]) + float_of(v[2])));
    }
}

static void test_widen(void)
{
    for (unsigned v = 0; v < 0x10000; v++) {
        unsigned exponent = v >> 10 & 31, fraction = v & 0x3ff;
        float want = exponent == 31 ? INFINITY
                     : exponent     ? ldexpf((float)(fraction | 0x400), (int)exponent - 25)
                                    : ldexpf((float)fraction, -24);
        uint32_t got = tile_widen_fp16((uint16_t)v);
        if (exponent == 31 && fraction) {
            g_assert_cmphex(got, ==, (v & 0x8000) << 16 | 0x7fc00000 | fraction << 13);
        } else {
            g_assert_cmphex(got, ==, bits_of(v & 0x8000 ? -want : want));
        }
    }
}

static void fill(Tile *t)
{
    for (unsigned i = 0; i < sizeof(*t); i++) {
        ((uint8_t *)t)[i] = (uint8_t)g_test_rand_int();
    }
}

/* Element by element, in 64 bits, cut off at the end. */
static void test_bytes(void)
{
    for (unsigned turn = 0; turn < 400; turn++) {
        TileProduct kind = (TileProduct)(turn % 4);
        unsigned rows = (unsigned)g_test_rand_int_range(1, 17),
                 depth = (unsigned)g_test_rand_int_range(1, 17);
        unsigned columns = (unsigned)g_test_rand_int_range(1, 17);
        Tile a, b, c, before;
        fill(&a);
        fill(&b);
        fill(&c);
        before = c;
        tile_multiply(kind, &c, &a, &b, rows, depth, columns);
        for (unsigned m = 0; m < 16; m++) {
            for (unsigned n = 0; n < 16; n++) {
                int64_t sum = (int64_t)((const int32_t *)(const void *)before.row[m])[n];
                for (unsigned k = 0; k < 4 * depth; k++) {
                    int x = kind <= TILE_SIGNED_UNSIGNED ? (int8_t)a.row[m][k] : a.row[m][k];
                    uint8_t raw = b.row[k / 4][4 * n + k % 4];
                    sum += x * (kind == TILE_SIGNED_SIGNED || kind == TILE_UNSIGNED_SIGNED
                                    ? (int8_t)raw
                                    : raw);
                }
                uint32_t want = m < rows && n < columns ? (uint32_t)sum : 0;
                g_assert_cmphex(((const uint32_t *)(const void *)c.row[m])[n], ==, want);
            }
        }
    }
}

/* Small whole numbers: no sum is rounded, so that any order gives the same. */
static void test_halves(void)
{
    for (unsigned turn = 0; turn < 200; turn++) {
        bool fp16 = turn % 2;
        unsigned rows = (unsigned)g_test_rand_int_range(1, 17),
                 depth = (unsigned)g_test_rand_int_range(1, 17);
        unsigned columns = (unsigned)g_test_rand_int_range(1, 17);
        int x[16][32], y[32][16], z[16][16];
        Tile a = {{{0}}}, b = {{{0}}}, c;
        fill(&c);
        for (unsigned m = 0; m < 16; m++) {
            for (unsigned k = 0; k < 32; k++) {
                uint32_t v[2];
                x[m][k] = g_test_rand_int_range(-128, 128);
                y[k][m] = g_test_rand_int_range(-128, 128);
                v[0] = bits_of((float)x[m][k]);
                v[1] = bits_of((float)y[k][m]);
                for (unsigned i = 0; i < 2; i++) {
                    uint16_t half = (uint16_t)(v[i] >> 16);
                    if (fp16 && v[i]) {
                        half = (uint16_t)((v[i] >> 16 & 0x8000) |
                                          ((v[i] >> 23 & 255) - 127 + 15) << 10 |
                                          (v[i] >> 13 & 0x3ff));
                    }
                    memcpy(i ? &b.row[k / 2][4 * m + k % 2 * 2] : &a.row[m][2 * k], &half, 2);
                }
            }
            for (unsigned n = 0; n < 16; n++) {
                float start = (float)(z[m][n] = g_test_rand_int_range(-1000, 1000));
                memcpy(c.row[m] + 4 * n, &start, 4);
            }
        }
        tile_multiply(fp16 ? TILE_FP16 : TILE_BF16, &c, &a, &b, rows, depth, columns);
        for (unsigned m = 0; m < 16; m++) {
            for (unsigned n = 0; n < 16; n++) {
                int sum = z[m][n];
                float got;
                for (unsigned k = 0; k < 2 * depth; k++) {
                    sum += x[m][k] * y[k][n];
                }
                memcpy(&got, c.row[m] + 4 * n, 4);
                g_assert_cmpfloat(got, ==, m < rows && n < columns ? (float)sum : 0.0f);
            }
        }
    }
}

/*
 * Even and odd elements are two sums, which meet before the destination is added: each order gives
 * another result.
 */
static void test_order(void)
{
    static const uint16_t one = 0x3f80, large = 0x4b80 /* 2^24 */, minus_large = 0xcb80;
    Tile a = {{{0}}}, b = {{{0}}}, c = {{{0}}};
    uint32_t got;
    for (unsigned k = 0; k < 4; k++) { /* a = 1 1 1 1 */
        memcpy(a.row[0] + 2 * k, &one, 2);
    }
    /* even: 2^24 + 1 = 2^24; odd: 1 + 1; then 2^24 + 2; then - 2^24 of c */
    memcpy(b.row[0], &large, 2);
    memcpy(b.row[0] + 2, &one, 2);
    memcpy(b.row[1], &one, 2);
    memcpy(b.row[1] + 2, &one, 2);
    memcpy(c.row[0] + 2, &minus_large, 2);
    tile_multiply(TILE_BF16, &c, &a, &b, 1, 2, 1);
    memcpy(&got, c.row[0], 4);
    g_assert_cmphex(got, ==, 0x40000000);
    /* a denormal bfloat16 is 0, a denormal half is not */
    memset(&c, 0, sizeof(c));
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    a.row[0][0] = 1;
    b.row[0][0] = 0x80;
    b.row[0][1] = 0x3f;
    tile_multiply(TILE_BF16, &c, &a, &b, 1, 1, 1);
    memcpy(&got, c.row[0], 4);
    g_assert_cmphex(got, ==, 0);
    b.row[0][0] = 0;
    b.row[0][1] = 0x3c;
    tile_multiply(TILE_FP16, &c, &a, &b, 1, 1, 1);
    memcpy(&got, c.row[0], 4);
    g_assert_cmphex(got, ==, 0x33800000); /* 2^-24 */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-vector/tile-dot/numbers", test_numbers);
    g_test_add_func("/cpu-vector/tile-dot/random", test_random);
    g_test_add_func("/cpu-vector/tile-dot/widen", test_widen);
    g_test_add_func("/cpu-vector/tile-dot/bytes", test_bytes);
    g_test_add_func("/cpu-vector/tile-dot/halves", test_halves);
    g_test_add_func("/cpu-vector/tile-dot/order", test_order);
    return g_test_run();
}
