/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 and SHA-384 after FIPS 180-4; HMAC after RFC 2104. */
#include <string.h>

#include "sha.h"

/* Fractional parts of the cube roots of the first 80 primes (FIPS 180-4, 4.2.3). */
static const uint64_t k512[80] = {
    UINT64_C(0x428a2f98d728ae22), UINT64_C(0x7137449123ef65cd), UINT64_C(0xb5c0fbcfec4d3b2f),
    UINT64_C(0xe9b5dba58189dbbc),
    UINT64_C(0x3956c25bf348b538), UINT64_C(0x59f111f1b605d019), UINT64_C(0x923f82a4af194f9b),
    UINT64_C(0xab1c5ed5da6d8118),
    UINT64_C(0xd807aa98a3030242), UINT64_C(0x12835b0145706fbe), UINT64_C(0x243185be4ee4b28c),
    UINT64_C(0x550c7dc3d5ffb4e2),
    UINT64_C(0x72be5d74f27b896f), UINT64_C(0x80deb1fe3b1696b1), UINT64_C(0x9bdc06a725c71235),
    UINT64_C(0xc19bf174cf692694),
    UINT64_C(0xe49b69c19ef14ad2), UINT64_C(0xefbe4786384f25e3), UINT64_C(0x0fc19dc68b8cd5b5),
    UINT64_C(0x240ca1cc77ac9c65),
    UINT64_C(0x2de92c6f592b0275), UINT64_C(0x4a7484aa6ea6e483), UINT64_C(0x5cb0a9dcbd41fbd4),
    UINT64_C(0x76f988da831153b5),
    UINT64_C(0x983e5152ee66dfab), UINT64_C(0xa831c66d2db43210), UINT64_C(0xb00327c898fb213f),
    UINT64_C(0xbf597fc7beef0ee4),
    UINT64_C(0xc6e00bf33da88fc2), UINT64_C(0xd5a79147930aa725), UINT64_C(0x06ca6351e003826f),
    UINT64_C(0x142929670a0e6e70),
    UINT64_C(0x27b70a8546d22ffc), UINT64_C(0x2e1b21385c26c926), UINT64_C(0x4d2c6dfc5ac42aed),
    UINT64_C(0x53380d139d95b3df),
    UINT64_C(0x650a73548baf63de), UINT64_C(0x766a0abb3c77b2a8), UINT64_C(0x81c2c92e47edaee6),
    UINT64_C(0x92722c851482353b),
    UINT64_C(0xa2bfe8a14cf10364), UINT64_C(0xa81a664bbc423001), UINT64_C(0xc24b8b70d0f89791),
    UINT64_C(0xc76c51a30654be30),
    UINT64_C(0xd192e819d6ef5218), UINT64_C(0xd69906245565a910), UINT64_C(0xf40e35855771202a),
    UINT64_C(0x106aa07032bbd1b8),
    UINT64_C(0x19a4c116b8d2d0c8), UINT64_C(0x1e376c085141ab53), UINT64_C(0x2748774cdf8eeb99),
    UINT64_C(0x34b0bcb5e19b48a8),
    UINT64_C(0x391c0cb3c5c95a63), UINT64_C(0x4ed8aa4ae3418acb), UINT64_C(0x5b9cca4f7763e373),
    UINT64_C(0x682e6ff3d6b2b8a3),
    UINT64_C(0x748f82ee5defb2fc), UINT64_C(0x78a5636f43172f60), UINT64_C(0x84c87814a1f0ab72),
    UINT64_C(0x8cc702081a6439ec),
    UINT64_C(0x90befffa23631e28), UINT64_C(0xa4506cebde82bde9), UINT64_C(0xbef9a3f7b2c67915),
    UINT64_C(0xc67178f2e372532b),
    UINT64_C(0xca273eceea26619c), UINT64_C(0xd186b8c721c0c207), UINT64_C(0xeada7dd6cde0eb1e),
    UINT64_C(0xf57d4f7fee6ed178),
    UINT64_C(0x06f067aa72176fba), UINT64_C(0x0a637dc5a2c898a6), UINT64_C(0x113f9804bef90dae),
    UINT64_C(0x1b710b35131c471b),
    UINT64_C(0x28db77f523047d84), UINT64_C(0x32caab7b40c72493), UINT64_C(0x3c9ebe0a15c9bebc),
    UINT64_C(0x431d67c49c100d4c),
    UINT64_C(0x4cc5d4becb3e42b6), UINT64_C(0x597f299cfc657e2a), UINT64_C(0x5fcb6fab3ad6faec),
    UINT64_C(0x6c44198c4a475817),
};

static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint64_t rotr64(uint64_t x, unsigned n)
{
    return x >> n | x << (64 - n);
}

static inline uint32_t rotr32(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void sha512_block(uint64_t h[8], const uint8_t *p)
{
    uint64_t w[80], s[8];
    for (unsigned i = 0; i < 16; i++) {
        uint64_t v;
        memcpy(&v, p + i * 8, 8);
        w[i] = __builtin_bswap64(v);
    }
    for (unsigned i = 16; i < 80; i++) {
        uint64_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotr64(a, 1) ^ rotr64(a, 8) ^ a >> 7) + w[i - 7] +
               (rotr64(b, 19) ^ rotr64(b, 61) ^ b >> 6);
    }
    memcpy(s, h, sizeof(s));
    for (unsigned i = 0; i < 80; i++) {
        uint64_t t1 = s[7] + (rotr64(s[4], 14) ^ rotr64(s[4], 18) ^ rotr64(s[4], 41)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + k512[i] + w[i];
        uint64_t t2 = (rotr64(s[0], 28) ^ rotr64(s[0], 34) ^ rotr64(s[0], 39)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++) {
        h[i] += s[i];
    }
}

static void sha256_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], s[8];
    for (unsigned i = 0; i < 16; i++) {
        uint32_t v;
        memcpy(&v, p + i * 4, 4);
        w[i] = __builtin_bswap32(v);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotr32(a, 7) ^ rotr32(a, 18) ^ a >> 3) + w[i - 7] +
               (rotr32(b, 17) ^ rotr32(b, 19) ^ b >> 10);
    }
    memcpy(s, h, sizeof(s));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t t1 = s[7] + (rotr32(s[4], 6) ^ rotr32(s[4], 11) ^ rotr32(s[4], 25)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + k256[i] + w[i];
        uint32_t t2 = (rotr32(s[0], 2) ^ rotr32(s[0], 13) ^ rotr32(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++) {
        h[i] += s[i];
    }
}

/* Both families buffer alike: SIZE is the block's size in bytes. */
#define DEFINE_UPDATE(name, Type, SIZE, block_fn)                     \
    void name(Type *s, const void *data, size_t n)                    \
    {                                                                 \
        const uint8_t *p = data;                                      \
        size_t have = s->length % (SIZE);                             \
        s->length += n;                                               \
        if (have && n >= (SIZE) - have) {                             \
            memcpy(s->block + have, p, (SIZE) - have);                \
            block_fn(s->h, s->block);                                 \
            p += (SIZE) - have;                                       \
            n -= (SIZE) - have;                                       \
            have = 0;                                                 \
        }                                                             \
        while (!have && n >= (SIZE)) {                                \
            block_fn(s->h, p);                                        \
            p += (SIZE);                                              \
            n -= (SIZE);                                              \
        }                                                             \
        if (n) {                                                      \
            memcpy(s->block + have, p, n);                            \
        }                                                             \
    }
DEFINE_UPDATE(sha384_update, Sha384, 128, sha512_block)
DEFINE_UPDATE(sha256_update, Sha256, 64, sha256_block)
#undef DEFINE_UPDATE

void sha384_init(Sha384 *s)
{
    /* Square roots of the ninth to sixteenth primes (FIPS 180-4, 5.3.4). */
    static const uint64_t start[8] = {
        UINT64_C(0xcbbb9d5dc1059ed8), UINT64_C(0x629a292a367cd507), UINT64_C(0x9159015a3070dd17),
        UINT64_C(0x152fecd8f70e5939),
        UINT64_C(0x67332667ffc00b31), UINT64_C(0x8eb44a8768581511), UINT64_C(0xdb0c2e0d64f98fa7),
        UINT64_C(0x47b5481dbefa4fa4),
    };
    memcpy(s->h, start, sizeof(start));
    s->length = 0;
}

void sha384_final(const Sha384 *s, uint8_t digest[48])
{
    Sha384 t = *s;
    uint8_t pad[256] = {0x80};
    size_t have = t.length % 128, zeros = have < 112 ? 112 - have : 240 - have;
    uint64_t bits = __builtin_bswap64(t.length * 8);
    memcpy(pad + zeros + 8, &bits, 8);
    sha384_update(&t, pad, zeros + 16);
    for (unsigned i = 0; i < 6; i++) {
        uint64_t v = __builtin_bswap64(t.h[i]);
        memcpy(digest + i * 8, &v, 8);
    }
}

void sha384(const void *data, size_t n, uint8_t digest[48])
{
    Sha384 s;
    sha384_init(&s);
    sha384_update(&s, data, n);
    sha384_final(&s, digest);
}

void sha256_init(Sha256 *s)
{
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
        0x5be0cd19,
    };
    memcpy(s->h, start, sizeof(start));
    s->length = 0;
}

void sha256_final(const Sha256 *s, uint8_t digest[32])
{
    Sha256 t = *s;
    uint8_t pad[128] = {0x80};
    size_t have = t.length % 64, zeros = have < 56 ? 56 - have : 120 - have;
    uint64_t bits = __builtin_bswap64(t.length * 8);
    memcpy(pad + zeros, &bits, 8);
    sha256_update(&t, pad, zeros + 8);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t v = __builtin_bswap32(t.h[i]);
        memcpy(digest + i * 4, &v, 4);
    }
}

void hmac_sha256(const uint8_t *key, size_t key_size, const void *data, size_t n, uint8_t mac[32])
{
    uint8_t inner[64] = {0}, outer[64];
    memcpy(inner, key, key_size);
    for (unsigned i = 0; i < 64; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    Sha256 s;
    sha256_init(&s);
    sha256_update(&s, inner, 64);
    sha256_update(&s, data, n);
    sha256_final(&s, mac);
    sha256_init(&s);
    sha256_update(&s, outer, 64);
    sha256_update(&s, mac, 32);
    sha256_final(&s, mac);
}
