/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256, SHA-384 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), on libc alone. */
#ifndef SWTDX_SHA_H
#define SWTDX_SHA_H

#include <stddef.h>
#include <stdint.h>

typedef struct Sha384 {
    uint64_t h[8];
    uint64_t length; /* bytes so far */
    uint8_t block[128];
} Sha384;

typedef struct Sha256 {
    uint32_t h[8];
    uint64_t length;
    uint8_t block[64];
} Sha256;

void sha384_init(Sha384 *s);
void sha384_update(Sha384 *s, const void *data, size_t n);
void sha384_final(const Sha384 *s, uint8_t digest[48]); /* leaves *s as it is: more may follow */
void sha384(const void *data, size_t n, uint8_t digest[48]);

void sha256_init(Sha256 *s);
void sha256_update(Sha256 *s, const void *data, size_t n);
void sha256_final(const Sha256 *s, uint8_t digest[32]);
/* key_size <= 64 */
void hmac_sha256(const uint8_t *key, size_t key_size, const void *data, size_t n, uint8_t mac[32]);

#endif
