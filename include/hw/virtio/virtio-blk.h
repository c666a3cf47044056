/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio block device: Virtio 1.2, 5.2.
 * Machine lock held, or, with a context of its own, as virtio.h says.
 */
#ifndef HW_VIRTIO_VIRTIO_BLK_H
#define HW_VIRTIO_VIRTIO_BLK_H

#include "block/topology.h"
#include "hw/virtio/virtio-pci-device.h"

typedef struct VirtioBlk VirtioBlk;

typedef struct VirtioBlkConfig {
    BlockNode *node;
    const char *serial;      /* up to 20 bytes are shown; NULL = none */
    unsigned num_queues;     /* 1 to VIRTIO_BLK_MAX_QUEUES */
    unsigned queue_size;     /* power of two, 4 to VIRTIO_MAX_QUEUE_SIZE */
    BlockTopology topology;  /* blocks of up to 2 MiB */
    bool read_only, shared, discard, write_zeroes;
    bool hide_granularity;   /* of discards */
    /* sectors of one request; 0 = the most that is sensible */
    uint32_t max_discard, max_zeroes;
    /* each write is stable when done, until the driver chooses otherwise */
    bool write_through;
    bool fixed_cache;        /* the driver may not choose */
    BlockOnError on_read_error, on_write_error;
    const char *path;        /* of the device's object, for what is told of errors; NULL: none is */
} VirtioBlkConfig;

#define VIRTIO_BLK_MAX_QUEUES 256

/*
 * NULL: *errp. virtio_blk_device() is the caller's, or a transport's; it goes before
 * virtio_blk_free().
 */
VirtioBlk *virtio_blk_new(const VirtioBlkConfig *config, const VirtioEnvironment *environment,
                          GError **errp);
VirtioDevice *virtio_blk_device(const VirtioBlk *blk);
/* Main loop thread. */
void virtio_blk_free(VirtioBlk *blk);

extern const QomType virtio_blk_pci_type;    /* "virtio-blk-pci" */
extern const QomType virtio_blk_pci_nt_type;

#endif
