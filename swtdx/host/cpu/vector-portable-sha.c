/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-1 and SHA-256 instructions in plain C (FIPS 180-4; SDM vol. 2, SHA1MSG1 ... SHA256RNDS2). */
#include "vector-portable.h"

static uint32_t rol(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static uint32_t ror(uint32_t v, unsigned n)
{
    return rol(v, 32 - n);
}

/* W0 stands in the highest doubleword. */
static Vec128 sha1msg1(Vec128 a, Vec128 b, const PortableArgs *args)
{
    Vec128 r;

    r.d[3] = a.d[1] ^ a.d[3];
    r.d[2] = a.d[0] ^ a.d[2];
    r.d[1] = b.d[3] ^ a.d[1];
    r.d[0] = b.d[2] ^ a.d[0];
    return r;
}

static Vec128 sha1msg2(Vec128 a, Vec128 b, const PortableArgs *args)
{
    Vec128 r;

    r.d[3] = rol(a.d[3] ^ b.d[2], 1);
    r.d[2] = rol(a.d[2] ^ b.d[1], 1);
    r.d[1] = rol(a.d[1] ^ b.d[0], 1);
    r.d[0] = rol(a.d[0] ^ r.d[3], 1);
    return r;
}

static Vec128 sha1nexte(Vec128 a, Vec128 b, const PortableArgs *args)
{
    b.d[3] += rol(a.d[3], 30);
    return b;
}

/* FIPS 180-4, 4.1.1 and 4.2.1 */
static uint32_t sha1_f(unsigned phase, uint32_t x, uint32_t y, uint32_t z)
{
    switch (phase) {
    case 0:
        return (x & y) ^ (~x & z);
    case 2:
        return (x & y) ^ (x & z) ^ (y & z);
    default:
        return x ^ y ^ z;
    }
}

static Vec128 sha1rnds4(Vec128 a, Vec128 b, const PortableArgs *args)
{
    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    unsigned phase = args->imm & 3;
    uint32_t s[4] = {a.d[3], a.d[2], a.d[1], a.d[0]}; /* A B C D */
    uint32_t e = 0;                                   /* SHA1NEXTE has added it to the first word */
    Vec128 r;

    for (unsigned i = 0; i < 4; i++) {
        uint32_t t = rol(s[0], 5) + sha1_f(phase, s[1], s[2], s[3]) + e + b.d[3 - i] +
                     constants[phase];
        e = s[3];
        s[3] = s[2];
        s[2] = rol(s[1], 30);
        s[1] = s[0];
        s[0] = t;
    }
    for (unsigned i = 0; i < 4; i++) {
        r.d[3 - i] = s[i];
    }
    return r;
}

static uint32_t sigma0(uint32_t x)
{
    return ror(x, 7) ^ ror(x, 18) ^ x >> 3;
}

static uint32_t sigma1(uint32_t x)
{
    return ror(x, 17) ^ ror(x, 19) ^ x >> 10;
}

static Vec128 sha256msg1(Vec128 a, Vec128 b, const PortableArgs *args)
{
    Vec128 r;

    for (unsigned i = 0; i < 4; i++) {
        r.d[i] = a.d[i] + sigma0(i < 3 ? a.d[i + 1] : b.d[0]);
    }
    return r;
}

static Vec128 sha256msg2(Vec128 a, Vec128 b, const PortableArgs *args)
{
    Vec128 r;

    r.d[0] = a.d[0] + sigma1(b.d[2]);
    r.d[1] = a.d[1] + sigma1(b.d[3]);
    r.d[2] = a.d[2] + sigma1(r.d[0]);
    r.d[3] = a.d[3] + sigma1(r.d[1]);
    return r;
}

/*
 * a holds C D G H, b holds A B E F (highest doubleword first); XMM0 holds W + K of the two rounds.
 */
static Vec128 sha256rnds2(Vec128 a, Vec128 b, const PortableArgs *args)
{
    uint32_t s[8] = {b.d[3], b.d[2], a.d[3], a.d[2], b.d[1], b.d[0], a.d[1], a.d[0]};

    for (unsigned i = 0; i < 2; i++) {
        uint32_t ch = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t maj = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) + ch + args->xmm0.d[i];
        uint32_t t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) + maj;

        memmove(&s[1], &s[0], 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    return (Vec128){.d = {s[5], s[4], s[1], s[0]}};
}

#define ROW(mnemonic, fn) {ZYDIS_MNEMONIC_##mnemonic, 0, fn, 0}
const PortableRow portable_sha[] = {
    ROW(SHA1MSG1, sha1msg1),
    ROW(SHA1MSG2, sha1msg2),
    ROW(SHA1NEXTE, sha1nexte),
    ROW(SHA1RNDS4, sha1rnds4),
    ROW(SHA256MSG1, sha256msg1),
    ROW(SHA256MSG2, sha256msg2),
    ROW(SHA256RNDS2, sha256rnds2),
    {0},
};
