/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where RAM lies in a q35 machine (below and above the hole under 4 GiB), as data. Pure. */
#ifndef HW_I386_E820_H
#define HW_I386_E820_H

#include <stdbool.h>
#include <stdint.h>

#include "util/units.h"

typedef struct E820Layout {
    uint64_t below_4g; /* RAM [0, below_4g) */
    uint64_t above_4g; /* RAM [4 GiB, 4 GiB + above_4g) */
} E820Layout;

/*
 * q35's split: low RAM ends at 2 GiB when RAM is 2.75 GiB or more, else all of it is low (PCI hole
 * and ECAM above).
 */
E820Layout e820_layout(uint64_t ram_size);
/* [base, base + size) lies inside one of the RAM ranges. */
bool e820_is_ram(const E820Layout *layout, hwaddr base, uint64_t size);

#endif
