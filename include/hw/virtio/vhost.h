/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queues of a virtio device that somebody outside the process serves: the part that back ends in
 * the kernel (vhost) and in other processes (vhost-user) have in common. The device's class calls
 * vhost_start() and vhost_stop() in its start and stop.
 *
 * Rings are checked against what the guest shares when they are handed over. From then on the back
 * end follows descriptors by itself: it reaches all of the RAM that this process has mapped, which
 * for a TD is the shared half alone.
 *
 * Machine lock held.
 */
#ifndef HW_VIRTIO_VHOST_H
#define HW_VIRTIO_VHOST_H

#include "hw/virtio/virtio.h"

/* A ring with host addresses. kick and call: eventfds, borrowed; the back end makes copies. */
typedef struct VhostRing {
    unsigned index;
    uint16_t size, base; /* base: the next entry of the available ring */
    uint8_t *descriptors, *available, *used;
    int kick, call;
} VhostRing;

/* The back end. All may fail: false and *errp. */
typedef struct VhostOps {
    /*
     * Before the first ring: what the driver accepted (of the back end's own features), and all
     * RAM.
     */
    bool (*start)(void *opaque, uint64_t features, const GuestRam *ram, unsigned num_ram,
                  GError **errp);
    bool (*start_ring)(void *opaque, const VhostRing *ring, GError **errp);
    /* The ring is not touched any more; base: the entry that would be next. */
    bool (*stop_ring)(void *opaque, unsigned index, uint16_t *base, GError **errp);
    /* After the first rings are there, and before they are stopped. NULL = nothing to do. */
    bool (*run)(void *opaque, bool on, GError **errp);
} VhostOps;

#define VHOST_MAX_RINGS 64

typedef struct Vhost {
    VirtioDevice *device;
    const VhostOps *ops;
    void *opaque;
    const SharedMemoryPort *memory;
    const GuestRam *ram;
    unsigned num_ram;
    unsigned num_rings;             /* the device's first queues, at most VHOST_MAX_RINGS */
    uint64_t features;              /* those that the back end knows of */
    bool running;
    bool taken[VHOST_MAX_RINGS];    /* by the transport */
    bool started[VHOST_MAX_RINGS];  /* by the back end */
} Vhost;

/*
 * Hands enabled queues over. On failure the device breaks (virtio_fail), and the process goes on.
 */
void vhost_start(Vhost *vhost);
/* A queue that is enabled later. */
void vhost_start_queue(Vhost *vhost, VirtQueue *queue);
/*
 * Takes all queues back. A back end that does not answer cannot stop this: the rings are then taken
 * to be as far as the guest sees them.
 */
void vhost_stop(Vhost *vhost);
/* The back end has gone: its rings are nobody's until vhost_resume() or vhost_stop(). */
void vhost_lost(Vhost *vhost);
/*
 * The back end has gone and another is there that knows nothing of the first: it goes on where the
 * used rings end. False: *errp.
 */
bool vhost_resume(Vhost *vhost, GError **errp);

#endif
