/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sizes of blocks and requests fit together. */
#include "block/topology.h"

#include <inttypes.h>

#include "util/error.h"

static bool check_block(const char *name, uint64_t value, uint64_t least, uint64_t largest,
                        GError **errp)
{
    return (value >= least && value <= largest && !(value & (value - 1))) ||
           error_set(errp,
                     "%s is %" PRIu64 ", must be a power of 2 from %" PRIu64 " to %" PRIu64, name,
                     value, least, largest);
}

static bool check_multiple(const char *name, uint64_t value, uint64_t block, GError **errp)
{
    return (value % block == 0 && value <= UINT32_MAX) ||
           error_set(errp,
                     "%s is %" PRIu64 ", must be a multiple of logical_block_size (%" PRIu64
                     ") below 4 GiB",
                     name, value, block);
}

bool block_topology_settle(BlockTopology *topology, const BlockNode *node, uint32_t largest,
                           GError **errp)
{
    BlockTopology t = *topology;

    t.logical_block_size = t.logical_block_size ? t.logical_block_size : BLOCK_SECTOR_SIZE;
    t.physical_block_size = t.physical_block_size ? t.physical_block_size : t.logical_block_size;
    t.min_io_size = t.min_io_size ? t.min_io_size : t.physical_block_size;
    if (t.discard_granularity == BLOCK_GRANULARITY_AUTO) {
        uint32_t own = node ? block_discard_granularity(node) : 0;
        t.discard_granularity = own ? MAX(own, t.logical_block_size) : 0;
    }
    if (!check_block("logical_block_size", t.logical_block_size, BLOCK_SECTOR_SIZE, largest,
                     errp) ||
        !check_block("physical_block_size", t.physical_block_size, t.logical_block_size, largest,
                     errp) ||
        !check_multiple("min_io_size", t.min_io_size, t.logical_block_size, errp) ||
        !check_multiple("opt_io_size", t.opt_io_size, t.logical_block_size, errp) ||
        !check_multiple("discard_granularity", t.discard_granularity, t.logical_block_size,
                        errp)) {
        return false;
    }
    if (t.min_io_size / t.logical_block_size > UINT16_MAX) {
        return error_set(errp,
                         "min_io_size is %" PRIu64 ", must be less than 65536 blocks of %" PRIu64,
                         t.min_io_size, t.logical_block_size);
    }
    *topology = t;
    return true;
}
