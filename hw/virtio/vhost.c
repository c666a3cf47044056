/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handing virtqueues to a back end outside the process, and taking them back. */
#include "hw/virtio/vhost.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/error.h"

/*
 * Sizes of a split ring's parts: Virtio 1.2, 2.7. With EVENT_IDX the two outer ones have a field
 * more.
 */
static uint64_t available_size(unsigned size)
{
    return 6 + 2 * (uint64_t)size;
}

static uint64_t used_size(unsigned size)
{
    return 6 + 8 * (uint64_t)size;
}

static bool map_part(const Vhost *vhost, unsigned index, const char *part, hwaddr gpa,
                     uint64_t size, uint8_t **host, GError **errp)
{
    *host = shared_memory_map(vhost->memory, gpa, size);
    return *host || error_set(errp,
                              "the %s of queue %u, %" PRIu64 " bytes at 0x%" PRIx64
                              ", are not memory that the guest shares",
                              part, index, size, gpa);
}

static bool map_ring(const Vhost *vhost, const VirtQueueLayout *layout, VhostRing *ring,
                     GError **errp)
{
    return map_part(vhost, ring->index, "descriptors", layout->descriptors,
                    16 * (uint64_t)layout->size, &ring->descriptors, errp) &&
           map_part(vhost, ring->index, "available ring", layout->available,
                    available_size(layout->size), &ring->available, errp) &&
           map_part(vhost, ring->index, "used ring", layout->used, used_size(layout->size),
                    &ring->used, errp);
}

/*
 * Where the used ring ends: all before it has been answered. Without the ring, the index as it was.
 */
static uint16_t used_index(const Vhost *vhost, const VirtQueueLayout *layout)
{
    const uint8_t *used = shared_memory_map(vhost->memory, layout->used, used_size(layout->size));

    return used ? load_le16(used + 2) : layout->next_available;
}

static void signal_event(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static bool start_ring(Vhost *vhost, VirtQueue *queue, GError **errp)
{
    VirtQueueLayout layout;
    VhostRing ring = { .index = virtqueue_index(queue) };

    virtqueue_layout(queue, &layout);
    ring.size = layout.size;
    ring.base = layout.next_available;
    if (!map_ring(vhost, &layout, &ring, errp)) {
        return false;
    }
    if (!vhost->taken[ring.index] && !virtqueue_take_over(queue, &ring.kick, &ring.call)) {
        return error_set(errp, "no event descriptors for queue %u: %s", ring.index,
                         g_strerror(errno));
    }
    vhost->taken[ring.index] = true;
    if (!vhost->ops->start_ring(vhost->opaque, &ring, errp)) {
        return false;
    }
    vhost->started[ring.index] = true;
    signal_event(ring.kick); /* what is in the ring already */
    return true;
}

static void stop_ring(Vhost *vhost, unsigned index)
{
    VirtQueue *queue = virtio_queue(vhost->device, index);
    VirtQueueLayout layout;
    uint16_t base;

    virtqueue_layout(queue, &layout);
    if (!vhost->started[index] || !vhost->ops->stop_ring(vhost->opaque, index, &base, NULL)) {
        base = used_index(vhost, &layout);
    }
    vhost->started[index] = false;
    if (vhost->taken[index]) {
        vhost->taken[index] = false;
        virtqueue_give_back(queue, base);
    }
}

static bool start_all(Vhost *vhost, GError **errp)
{
    uint64_t features = virtio_features(vhost->device) & vhost->features;

    if (!vhost->ops->start(vhost->opaque, features, vhost->ram, vhost->num_ram, errp)) {
        return false;
    }
    for (unsigned i = 0; i < vhost->num_rings; i++) {
        VirtQueue *queue = virtio_queue(vhost->device, i);

        if (virtqueue_is_ready(queue) && !start_ring(vhost, queue, errp)) {
            return false;
        }
    }
    vhost->running = !vhost->ops->run || vhost->ops->run(vhost->opaque, true, errp);
    return vhost->running;
}

void vhost_start(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (!start_all(vhost, &err)) {
        virtio_fail(vhost->device, "%s", err->message);
    }
}

void vhost_start_queue(Vhost *vhost, VirtQueue *queue)
{
    g_autoptr(GError) err = NULL;

    if (vhost->running && virtqueue_index(queue) < vhost->num_rings &&
        !start_ring(vhost, queue, &err)) {
        virtio_fail(vhost->device, "%s", err->message);
    }
}

void vhost_stop(Vhost *vhost)
{
    if (vhost->running && vhost->ops->run) {
        /* one that does not answer fails at its rings too */
        vhost->ops->run(vhost->opaque, false, NULL);
    }
    vhost->running = false;
    for (unsigned i = 0; i < vhost->num_rings; i++) {
        stop_ring(vhost, i);
    }
}

void vhost_lost(Vhost *vhost)
{
    vhost->running = false;
    memset(vhost->started, 0, sizeof(vhost->started));
}

bool vhost_resume(Vhost *vhost, GError **errp)
{
    vhost_lost(vhost);
    for (unsigned i = 0; i < vhost->num_rings; i++) {
        stop_ring(vhost, i);
    }
    return start_all(vhost, errp);
}
