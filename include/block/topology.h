/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sizes that a disk tells its guest, as options give them: the same for every kind of disk. */
#ifndef BLOCK_TOPOLOGY_H
#define BLOCK_TOPOLOGY_H

#include "block/block.h"

/* In bytes. */
typedef struct BlockTopology {
    /* powers of two; 0: 512, or the other's */
    uint64_t logical_block_size, physical_block_size;
    uint64_t min_io_size, opt_io_size; /* of requests that are carried out well; 0: nothing said */
    uint64_t discard_granularity;      /* BLOCK_GRANULARITY_AUTO: the disk's own; 0: no discards */
} BlockTopology;

#define BLOCK_GRANULARITY_AUTO UINT32_MAX

/* Rows of the properties of devices with a disk; topology: a BlockTopology. */
#define BLOCK_TOPOLOGY_PROPERTIES(type)                                                     \
    QOM_PROPERTY_SIZE("logical_block_size", type, topology.logical_block_size, "0",         \
                      "what requests are multiples of; 0 = 512"),                           \
    QOM_PROPERTY_SIZE("physical_block_size", type, topology.physical_block_size, "0",       \
                      "what is written at once; 0 = as logical_block_size"),                \
    QOM_PROPERTY_SIZE("min_io_size", type, topology.min_io_size, "0",                       \
                      "the smallest request that the guest should make; 0 = "               \
                      "physical_block_size"),                                               \
    QOM_PROPERTY_SIZE("opt_io_size", type, topology.opt_io_size, "0",                       \
                      "the size of requests that the guest should make; 0 = nothing said"), \
    QOM_PROPERTY_SIZE("discard_granularity", type, topology.discard_granularity,            \
                      "4294967295", "of discards; 4294967295 = the disk's own; 0 = the "    \
                      "guest is offered none")

/*
 * Fills in what is left open, and checks. node: NULL = none yet. largest: of a block, a power of
 * two. False: *errp names the property.
 */
bool block_topology_settle(BlockTopology *topology, const BlockNode *node, uint32_t largest,
                           GError **errp);

#endif
