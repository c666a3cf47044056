/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A block node in memory. */
#ifndef RAM_DISK_H
#define RAM_DISK_H

#include <string.h>

#include "block/block.h"

#define DISK_SIZE (1u << 20)

typedef struct RamDisk {
    uint8_t data[DISK_SIZE];
    unsigned ops[5];    /* how many, by BlockOp */
    unsigned flags;     /* of all */
    int error;          /* of all that come */
} RamDisk;

static int ram_disk_run(BlockNode *node, const BlockRequest *request)
{
    RamDisk *disk = node->data;
    uint64_t at = request->offset;

    __atomic_add_fetch(&disk->ops[request->op], 1, __ATOMIC_RELAXED);
    __atomic_or_fetch(&disk->flags, request->flags, __ATOMIC_RELAXED);
    if (disk->error) {
        return disk->error;
    }
    for (unsigned i = 0; i < request->iov_count; i++) {
        if (request->op == BLOCK_READ) {
            memcpy(request->iov[i].iov_base, disk->data + at, request->iov[i].iov_len);
        } else if (request->op == BLOCK_WRITE) {
            memcpy(disk->data + at, request->iov[i].iov_base, request->iov[i].iov_len);
        }
        at += request->iov[i].iov_len;
    }
    if (request->op == BLOCK_DISCARD || request->op == BLOCK_WRITE_ZEROES) {
        memset(disk->data + request->offset, 0, request->size);
    }
    return 0;
}

static bool ram_disk_resize(BlockNode *node, uint64_t size, GError **errp)
{
    return size <= DISK_SIZE;
}

static inline BlockNode *ram_disk_new(RamDisk *disk, bool read_only)
{
    static const BlockDriver driver = { .name = "ram", .run = ram_disk_run,
                                        .resize = ram_disk_resize };
    BlockNode *node = block_node_new(&driver, disk, DISK_SIZE, read_only);

    node->discard_granularity = 512;
    g_assert_true(qom_object_complete(&node->object, NULL));
    return node;
}

#endif
