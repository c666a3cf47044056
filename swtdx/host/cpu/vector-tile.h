/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Products of AMX tiles: pure arithmetic (vector-tile-dot.c).
 */
#ifndef SWTDX_VECTOR_TILE_H
#define SWTDX_VECTOR_TILE_H

#include <stdint.h>

/* Palette 1, the only one (CPUID leaf 0x1D). */
#define TILE_COUNT 8u
#define TILE_ROWS 16u
#define TILE_ROW_SIZE 64u
#define TILE_SIZE (TILE_ROWS * TILE_ROW_SIZE)

typedef struct Tile {
    uint8_t row[TILE_ROWS][TILE_ROW_SIZE];
} Tile;

typedef enum TileProduct {
    TILE_SIGNED_SIGNED,
    TILE_SIGNED_UNSIGNED,
    TILE_UNSIGNED_SIGNED,
    TILE_UNSIGNED_UNSIGNED,
    TILE_BF16,
    TILE_FP16,
} TileProduct;

/*
 * c += a * b: c has `rows` rows of `columns` 32-bit elements, a has `rows` of `depth`, b has
 * `depth` of `columns`; none above 16. An element of a or b is four bytes or two 16-bit floats.
 * What of c lies outside is set to 0. (SDM vol. 2, TDPBSSD, TDPBF16PS, TDPFP16PS.)
 */
void tile_multiply(TileProduct kind, Tile *c, const Tile *a, const Tile *b, unsigned rows,
                   unsigned depth, unsigned columns);

/*
 * a * b + c and a + b in single precision, rounded once to nearest even; denormal operands and
 * results are zeroes of their sign. Bit patterns, so that NaNs keep theirs: the first NaN of the
 * operands, in that order, made quiet.
 */
uint32_t tile_fma(uint32_t a, uint32_t b, uint32_t c);
uint32_t tile_add(uint32_t a, uint32_t b);

/* Single precision of the same value; NaNs are made quiet. */
uint32_t tile_widen_fp16(uint16_t v);

#endif
