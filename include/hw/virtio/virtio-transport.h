/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device as its transport sees it: negotiation, configuration, queues' places. Machine
 * lock held.
 */
#ifndef HW_VIRTIO_VIRTIO_TRANSPORT_H
#define HW_VIRTIO_VIRTIO_TRANSPORT_H

#include "hw/virtio/virtio.h"

typedef struct VirtioTransportOps {
    /*
     * The driver shall hear of a queue (used buffers), or, queue NULL, of configuration or status.
     */
    void (*interrupt)(void *opaque, VirtQueue *queue);
    /* See virtqueue_take_over(); false: cannot. */
    bool (*take_over)(void *opaque, VirtQueue *queue, int *kick, int *call);
    void (*give_back)(void *opaque, VirtQueue *queue);
    /* The device was started or stopped, or a queue enabled or disabled. NULL = nothing to do. */
    void (*changed)(void *opaque);
} VirtioTransportOps;

/* NULL ends it. */
void virtio_connect(VirtioDevice *device, const VirtioTransportOps *ops, void *opaque);

uint8_t virtio_status(const VirtioDevice *device);
/*
 * What the driver writes; 0 resets the device. Steps that are not allowed yet are not taken: the
 * driver reads back what was.
 */
void virtio_set_status(VirtioDevice *device, uint8_t status);
/* 32 bits of the driver's features, half 0 or 1; only before FEATURES_OK. */
void virtio_set_driver_features(VirtioDevice *device, unsigned half, uint32_t features);
uint64_t virtio_driver_features(const VirtioDevice *device);
uint8_t virtio_config_generation(VirtioDevice *device);
/* Bytes beyond the configuration read as 0. size: 1 to 8. */
uint64_t virtio_config_read(VirtioDevice *device, unsigned offset, unsigned size);
void virtio_config_write(VirtioDevice *device, unsigned offset, uint64_t value, unsigned size);

/* Which of a queue's addresses */
typedef enum VirtQueuePart { VIRTQ_DESCRIPTORS, VIRTQ_AVAILABLE, VIRTQ_USED } VirtQueuePart;
uint16_t virtqueue_size(const VirtQueue *queue);
void virtqueue_set_size(VirtQueue *queue, uint16_t size);
hwaddr virtqueue_address(const VirtQueue *queue, VirtQueuePart part);
void virtqueue_set_address(VirtQueue *queue, VirtQueuePart part, hwaddr address);
bool virtqueue_is_enabled(const VirtQueue *queue);
void virtqueue_enable(VirtQueue *queue);
void virtqueue_reset(VirtQueue *queue);
/*
 * The driver's notification, however it came. True: there is more to do after as many requests as
 * the queue has entries. The transport calls again soon, but not at once: a guest that adds
 * requests as fast as they are done holds up nobody else.
 */
bool virtqueue_kicked(VirtQueue *queue);

#endif
