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
    /* within virtqueue_kicked(): that many requests are taken, and the rest at the next turn */
    bool has_turn;
    unsigned turn;
    /*
     * Of packed queues: next_available and next_used are slots, each with the counter of its round
     */
    bool available_wrap, used_wrap;
    uint64_t used_slots, told_slots; /* since it was enabled */
    uint32_t epoch;
};

struct VirtioDevice {
    const VirtioClass *class;
    void *opaque;
    const SharedMemoryPort *memory;
    GMutex *machine_lock;
    GMainContext *context; /* of the thread that handles the queues; NULL: all below is guarded by
                              the machine lock */
    /*
     * with a context: of all below. What is written with the machine lock too may be read with
     * either
     */
    GMutex lock;
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

/*
 * Around what reads or changes queues under the machine lock: the device's own lock, if it has one.
 */
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

/* ---- Rings of either kind (virtqueue.c) ---- */

enum { VIRTQ_DESC_NEXT = 1, VIRTQ_DESC_WRITE = 2, VIRTQ_DESC_INDIRECT = 4 };

/* A request as it is put together. */
typedef struct VirtqChain {
    VirtQueue *queue;
    unsigned num_out, num_in;
    uint64_t out_size, in_size;
    struct iovec iov[VIRTIO_MAX_CHAIN]; /* out, then in */
} VirtqChain;

void virtq_chain_init(VirtqChain *chain, VirtQueue *queue);
/* A buffer more; false: the device broke. */
bool virtq_chain_add(VirtqChain *chain, hwaddr address, uint32_t length, bool in);
VirtqElement *virtq_chain_element(const VirtqChain *chain, uint16_t head);
/* NULL: the device broke. */
uint8_t *virtqueue_map_ring(VirtQueue *queue, VirtQueuePart part);
const uint8_t *virtq_indirect_table(VirtQueue *queue, hwaddr address, uint32_t size);
uint16_t virtq_load16(const uint8_t *at);
void virtq_store16(uint8_t *at, uint16_t value);

/* ---- Packed rings (virtqueue-packed.c); the queue is enabled, the device started and well ---- */

static inline bool virtqueue_is_packed(const VirtQueue *queue)
{
    return queue->device->accepted & VIRTIO_F_RING_PACKED;
}

bool virtqueue_packed_is_empty(VirtQueue *queue);
VirtqElement *virtqueue_packed_pop(VirtQueue *queue);
void virtqueue_packed_unpop(VirtQueue *queue, const VirtqElement *element);
void virtqueue_packed_push(VirtQueue *queue, const VirtqElement *element, uint32_t written);
/* Of what was pushed since the last call. */
bool virtqueue_packed_wants_interrupt(VirtQueue *queue);
void virtqueue_packed_want_notify(VirtQueue *queue, bool want);

void virtqueue_free(VirtQueue *queue);
/* Back to no rings; max_size entries again. */
void virtqueue_clear(VirtQueue *queue);

#endif
