/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the CPUID bits that gate instructions. A feature id packs where the bit stands.
 */
#ifndef SWTDX_FEATURES_H
#define SWTDX_FEATURES_H

/* leaf (bit 31 kept in bit 15), sub-leaf, register (0 EAX .. 3 EDX), bit */
#define FEATURE(leaf, sub, reg, bit) \
    (((((leaf) & 0xff) | (((leaf) >> 31) << 8)) << 12) | ((sub) << 8) | ((reg) << 5) | (bit))
#define FEATURE_LEAF(f) ((((f) >> 12) & 0xffu) | ((((f) >> 20) & 1u) << 31))
#define FEATURE_SUBLEAF(f) (((f) >> 8) & 0xfu)
#define FEATURE_REG(f) (((f) >> 5) & 3u)
#define FEATURE_BIT(f) ((f) & 31u)

#endif
