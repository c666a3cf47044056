/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest code of the speed measurement: loops as ordinary C, made into a flat binary that starts at
 * its first byte.
 *
 * Called as start(which, rounds) with a stack; returns a check value.
 */
#include <emmintrin.h>
#include <stdint.h>

#define SCRATCH ((uint8_t *)0x200000)

uint64_t start(uint64_t which, uint64_t rounds) __attribute__((section(".text.start")));

static uint64_t copy(uint64_t rounds)
{
    volatile uint64_t sink = 0;
    for (uint64_t r = 0; r < rounds; r++) {
        const uint64_t *s = (const uint64_t *)SCRATCH;
        uint64_t *t = (uint64_t *)(SCRATCH + 0x10000);
        for (unsigned i = 0; i < 4096; i++) {
            __asm__ volatile("" : : : "memory");
            t[i] = s[i] + r;
        }
        sink += t[r & 4095];
    }
    return sink;
}

static uint64_t crc(uint64_t rounds)
{
    uint32_t *table = (uint32_t *)SCRATCH;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = c & 1 ? (c >> 1) ^ 0xedb88320u : c >> 1;
        }
        table[i] = c;
    }
    uint32_t c = ~0u;
    for (uint64_t r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < 4096; i++) {
            c = table[(c ^ SCRATCH[0x1000 + i]) & 0xff] ^ (c >> 8);
        }
    }
    return c;
}

/* A range decoder of bits with adaptive probabilities, as LZMA's. */
static uint64_t range(uint64_t rounds)
{
    uint16_t *probs = (uint16_t *)SCRATCH;
    for (unsigned i = 0; i < 4096; i++) {
        probs[i] = 1024;
    }
    uint32_t width = ~0u, code = 0x12345678, seed = 1, tree = 1;
    uint64_t sum = 0;
    for (uint64_t n = 0; n < rounds * 1024; n++) {
        uint16_t *p = &probs[tree];
        uint32_t bound = (width >> 11) * *p;
        if (code < bound) {
            width = bound;
            *p += (2048 - *p) >> 5;
            tree = tree * 2;
        } else {
            width -= bound;
            code -= bound;
            *p -= *p >> 5;
            tree = tree * 2 + 1;
        }
        if (width < 1u << 24) {
            width <<= 8;
            seed = seed * 1103515245 + 12345;
            code = (code << 8) | (seed >> 24);
        }
        if (tree >= 4096) {
            sum = sum * 31 + tree;
            tree = 1;
        }
    }
    return sum;
}

static uint32_t ror(uint32_t v, unsigned n)
{
    return v >> n | v << (32 - n);
}

static uint64_t sha(uint64_t rounds)
{
    uint32_t *k = (uint32_t *)SCRATCH, *w = k + 64, h[8];
    for (unsigned i = 0; i < 64; i++) {
        k[i] = i * 0x9e3779b9u;
    }
    for (unsigned i = 0; i < 8; i++) {
        h[i] = i * 0x85ebca6bu;
    }
    for (uint64_t r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < 16; i++) {
            w[i] = (uint32_t)r * (i + 1);
        }
        for (unsigned i = 16; i < 64; i++) {
            uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], x = h[7];
        for (unsigned i = 0; i < 64; i++) {
            uint32_t t1 = x + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + k[i] +
                          w[i];
            uint32_t t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            x = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += x;
    }
    return (uint64_t)h[0] << 32 | h[7];
}

/* Scalars: points that run away under z * z + c, and how far they got. */
static uint64_t doubles(uint64_t rounds)
{
    double sum = 0;
    uint64_t steps = 0;
    for (uint64_t r = 0; r < rounds; r++) {
        for (int i = -32; i < 32; i++) {
            double x = 0, y = 0, cx = i / 20.0, cy = (double)(r & 63) / 40.0;
            unsigned n = 0;
            while (n < 40 && x * x + y * y < 4.0) {
                double t = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = t;
                n++;
            }
            sum += __builtin_sqrt(x * x + y * y) / (n + 1);
            steps += n;
        }
    }
    return steps * 1000003 + (uint64_t)(int64_t)(sum * 1024);
}

/* Four at a time: rows of a picture through a matrix, rounded to bytes. */
static uint64_t floats(uint64_t rounds)
{
    float *in = (float *)SCRATCH;
    uint8_t *out = SCRATCH + 0x8000;
    uint64_t sum = 0;
    for (int i = 0; i < 4096; i++) {
        in[i] = (float)(i * 37 % 256);
    }
    __m128 a = _mm_set_ps(0.1f, 0.2f, 0.3f, 0.4f), b = _mm_set1_ps(0.25f), low = _mm_set1_ps(3.0f);
    for (uint64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < 4096; i += 8) {
            __m128 v = _mm_load_ps(in + i), w = _mm_loadu_ps(in + i + 4);
            __m128 s = _mm_add_ps(_mm_mul_ps(v, a), _mm_mul_ps(_mm_shuffle_ps(w, w, 0x1b), b));
            __m128 d = _mm_max_ps(_mm_sub_ps(v, _mm_mul_ps(w, b)), low);
            __m128i p = _mm_packs_epi32(_mm_cvtps_epi32(s), _mm_cvtps_epi32(d));
            _mm_storel_epi64((__m128i *)(void *)(out + i), _mm_packus_epi16(p, p));
        }
        a = _mm_add_ps(a, _mm_mul_ps(b, _mm_set1_ps(0.001f)));
        sum = sum * 31 + out[r & 4095];
    }
    return sum;
}

uint64_t start(uint64_t which, uint64_t rounds)
{
    return which == 0   ? copy(rounds)
           : which == 1 ? crc(rounds)
           : which == 2 ? range(rounds)
           : which == 3 ? sha(rounds)
           : which == 4 ? doubles(rounds)
                        : floats(rounds);
}
