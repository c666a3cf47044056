/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What virtio.c and virtqueue.c share. */
#ifndef HW_VIRTIO_VIRTIO_INTERNAL_H
#define HW_VIRTIO_VIRTIO_INTERNAL_H

#include "hw/virtio/virtio-transport.h"

struct VirtQueue {
    VirtioDevice *device;
    unsigned index;
    uint16_t max_size, size;
    bool enabled, external;
    hwaddr address[3];          /* by VirtQueuePart */
    uint16_t next_available;    /* index of the next entry to take */
    uint16_t next_used;         /* index of the next entry to fill in */
    uint16_t told_used;         /* next_used when the driver was last told */
    bool told;                  /* told_used counts */
    bool quiet;                 /* the driver need not notify */
    unsigned in_flight;         /* requests that were popped, of this epoch */
    bool has_turn;              /* within virtqueue_kicked(): that many requests are taken, and the rest at the next turn */
    unsigned turn;
    uint32_t epoch;
    void *transport_data;
};

struct VirtioDevice {
    const VirtioClass *class;
    void *opaque;
    const SharedMemoryPort *memory;
    GMutex *machine_lock;
    GMainContext *context;      /* of the thread that handles the queues; NULL: all below is guarded by the machine lock */
    GMutex lock;                /* with a context: of all below. What is written with the machine lock too may be read with either */
    char *name;
    GPtrArray *queues;          /* of VirtQueue */
    uint64_t offered, accepted; /* accepted: as the driver writes it, final with FEATURES_OK */
    uint8_t status;
    bool started, failed;
    bool reported;              /* a failure was said on stderr */
    uint8_t generation;
    bool config_read;           /* since the generation was last changed */
    /* With a context: what the main loop has yet to do, by the source that makes it do so */
    GSource *deferred;
    bool tell_failed, tell_config;
    const VirtioTransportOps *transport;
    void *transport_opaque;
};

/* Around what reads or changes queues under the machine lock: the device's own lock, if it has one. */
static inline void virtio_queues_lock(VirtioDevice *device)
{
    if (device->context) {
        g_mutex_lock(&device->lock);
    }
}

static inline void virtio_queues_unlock(VirtioDevice *device)
{
    if (device->context) {
        g_mutex_unlock(&device->lock);
    }
}

void virtqueue_free(VirtQueue *queue);
/* Back to no rings; max_size entries again. */
void virtqueue_clear(VirtQueue *queue);

#endif
