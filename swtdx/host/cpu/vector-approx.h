/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Approximations that are the same on every machine, as pure functions (vector-approx.c).
 */
#ifndef SWTDX_VECTOR_APPROX_H
#define SWTDX_VECTOR_APPROX_H

#include <stdbool.h>
#include <stdint.h>

/*
 * 1 / v, or 1 / sqrt(v), of a half-precision number, to nearest even: as near as the format can,
 * where SDM vol. 2, VRCPPH and VRSQRTPH, allow a relative error of 2^-11 + 2^-14. Denormals count,
 * as operand and as result.
 */
uint16_t vec_approximate_half(uint16_t v, bool root);

#endif
