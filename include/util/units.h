/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes as people write and read them. */
#ifndef UTIL_UNITS_H
#define UTIL_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)
#define TiB (UINT64_C(1) << 40)

/* Guest physical address. */
typedef uint64_t hwaddr;

/*
 * "2G", "0x1000", "1.5M"; a number without suffix is in default_unit. False: not a size, or 2^64
 * and above.
 */
bool parse_size(const char *text, uint64_t default_unit, uint64_t *size);
/* "2 GiB", "132 KiB", "17 bytes": exact, in the largest unit that divides it. Caller frees. */
char *format_size(uint64_t size);

#endif
