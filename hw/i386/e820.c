/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The split of RAM around the PCI hole below 4 GiB. */
#include "hw/i386/e820.h"

#include "util/bytes.h"

/*
 * q35 of QEMU: RAM up to 2.75 GiB is all low; from there on low RAM is cut to 2 GiB, so that 1 GiB
 * pages stay aligned.
 */
#define Q35_LOW_RAM_MAX UINT64_C(0xb0000000)
#define Q35_LOW_RAM_SPLIT (2 * GiB)

E820Layout e820_layout(uint64_t ram_size)
{
    if (ram_size < Q35_LOW_RAM_MAX) {
        return (E820Layout){ .below_4g = ram_size };
    }
    return (E820Layout){ .below_4g = Q35_LOW_RAM_SPLIT, .above_4g = ram_size - Q35_LOW_RAM_SPLIT };
}

bool e820_is_ram(const E820Layout *layout, hwaddr base, uint64_t size)
{
    return range_inside(base, size, layout->below_4g) ||
           (base >= 4 * GiB && range_inside(base - 4 * GiB, size, layout->above_4g));
}
