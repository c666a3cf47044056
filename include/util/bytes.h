/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checked access to bytes from outside: little-endian loads and stores inside a known extent.
 * Parsers of files, guest memory and sockets use these and never overlay structures.
 */
#ifndef UTIL_BYTES_H
#define UTIL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed extent of memory. */
typedef struct Bytes {
    const uint8_t *data;
    size_t size;
} Bytes;

/* [offset, offset + length) lies inside [0, size): without overflow. */
static inline bool range_inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

/* Two half-open ranges share a byte. Neither may wrap. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

/* False, and *value untouched, if the field is not inside. */
bool bytes_u16(Bytes bytes, uint64_t offset, uint16_t *value);
bool bytes_u32(Bytes bytes, uint64_t offset, uint32_t *value);
bool bytes_u64(Bytes bytes, uint64_t offset, uint64_t *value);
/* Part of an extent; false if it does not lie inside. */
bool bytes_slice(Bytes bytes, uint64_t offset, uint64_t length, Bytes *slice);

/* Unchecked, for buffers whose size the caller has just made or checked. */
uint16_t load_le16(const void *p);
uint32_t load_le32(const void *p);
uint64_t load_le64(const void *p);
uint32_t load_be32(const void *p);
uint64_t load_be64(const void *p);
void store_le16(void *p, uint16_t value);
void store_le32(void *p, uint32_t value);
void store_le64(void *p, uint64_t value);
void store_be16(void *p, uint16_t value);
void store_be32(void *p, uint32_t value);
void store_be64(void *p, uint64_t value);

#endif
