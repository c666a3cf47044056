/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where guest physical addresses and I/O ports lead: RAM or a device's registers. A device adds and
 * moves its regions under the machine lock; readers use an immutable sorted view that is swapped
 * atomically, so that dispatch takes no lock of its own.
 *
 * Reads that nobody claims give all-ones, writes vanish (tdvf-and-machine: firmware treats an error
 * as fatal).
 */
#ifndef SYSTEM_CORE_ADDRESS_SPACE_H
#define SYSTEM_CORE_ADDRESS_SPACE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/units.h"

typedef struct AddressSpace AddressSpace;
typedef struct IoRegion IoRegion;

/*
 * Register access; offset is relative to the region, size 1, 2, 4 or 8. Called with the machine
 * lock held.
 */
typedef struct IoRegionOps {
    uint64_t (*read)(void *opaque, hwaddr offset, unsigned size);
    void (*write)(void *opaque, hwaddr offset, uint64_t value, unsigned size);
    unsigned max_access; /* larger accesses are split, little-endian; 0 = 8 */
} IoRegionOps;

AddressSpace *address_space_new(const char *name);
void address_space_free(AddressSpace *as);

/*
 * A device's region; disabled regions are not seen. Higher priority wins where two overlap. The
 * region belongs to the address space.
 */
IoRegion *address_space_add_io(AddressSpace *as, const char *name, hwaddr base, uint64_t size,
                               int priority, const IoRegionOps *ops, void *opaque);
void io_region_set(IoRegion *region, bool enabled, hwaddr base); /* enable, disable, move (BARs) */
void io_region_remove(IoRegion *region);
/* Changes between these two become visible together, at the last commit. Nests. */
void address_space_begin(AddressSpace *as);
void address_space_commit(AddressSpace *as);

/* RAM, shared half: host memory of `size` bytes at base; not owned. */
void address_space_add_ram(AddressSpace *as, const char *name, hwaddr base, uint64_t size,
                           uint8_t *host);

uint64_t address_space_read(AddressSpace *as, hwaddr addr, unsigned size);
void address_space_write(AddressSpace *as, hwaddr addr, uint64_t value, unsigned size);
/* Host memory of a guest range that lies in one RAM region, or NULL. */
uint8_t *address_space_ram(AddressSpace *as, hwaddr addr, uint64_t size);
/* One line a region, for `info mtree`. Caller frees. */
char *address_space_describe(AddressSpace *as);

#endif
