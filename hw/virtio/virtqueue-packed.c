/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packed virtqueues: Virtio 1.2, 2.8. One ring of descriptors, which the driver makes available and
 * the
 * device overwrites with what it used; two small areas say who wants to be notified of what.
 */
#include "util/bytes.h"
#include "virtio-internal.h"

enum { DESC_AVAILABLE = 1 << 7, DESC_USED = 1 << 15 };
#define DESC_SIZE 16
#define DESC_ID 12
#define DESC_FLAGS 14
/* Event suppression: 2.8.14 */
enum { EVENT_DESC = 0, EVENT_FLAGS = 2 };
enum { EVENTS_ENABLE = 0, EVENTS_DISABLE = 1, EVENTS_AT = 2 };
#define EVENT_WRAP 0x8000u

static uint8_t *slot(uint8_t *ring, unsigned index)
{
    return ring + (size_t)index * DESC_SIZE;
}

/* 2.8.1: the driver set AVAIL to its wrap counter and USED to the reverse. */
static bool is_available(const VirtQueue *queue, uint16_t flags)
{
    bool available = flags & DESC_AVAILABLE, used = flags & DESC_USED;

    return available == queue->available_wrap && used != queue->available_wrap;
}

static void advance(const VirtQueue *queue, uint16_t *index, bool *wrap, unsigned count)
{
    *index += count;
    if (*index >= queue->size) {
        *index -= queue->size;
        *wrap = !*wrap;
    }
}

/* Flags of the next descriptor; false: there is none, or the device broke. */
static bool look(VirtQueue *queue, uint8_t **ring, uint16_t *flags)
{
    *ring = virtqueue_map_ring(queue, VIRTQ_DESCRIPTORS);
    if (!*ring) {
        return false;
    }
    *flags = virtq_load16(slot(*ring, queue->next_available) + DESC_FLAGS);
    return is_available(queue, *flags);
}

bool virtqueue_packed_is_empty(VirtQueue *queue)
{
    uint8_t *ring;
    uint16_t flags;

    return !look(queue, &ring, &flags);
}

static bool add(VirtqChain *chain, const uint8_t *at, uint16_t flags)
{
    return virtq_chain_add(chain, load_le64(at), load_le32(at + 8), flags & VIRTQ_DESC_WRITE);
}

/* 2.8.8: the table's descriptors in their order; of their flags only WRITE means something. */
static bool add_indirect(VirtqChain *chain, const uint8_t *at)
{
    VirtQueue *queue = chain->queue;
    uint32_t size = load_le32(at + 8);
    const uint8_t *table = virtq_indirect_table(queue, load_le64(at), size);

    for (unsigned i = 0; table && i < size / DESC_SIZE; i++) {
        const uint8_t *entry = table + (size_t)i * DESC_SIZE;

        if (!add(chain, entry, load_le16(entry + DESC_FLAGS))) {
            return false;
        }
    }
    return table;
}

/*
 * How many slots the request at next_available takes, and the driver's name for it; 0: the device
 * broke.
 */
static unsigned follow(VirtqChain *chain, uint8_t *ring, uint16_t flags, uint16_t *id)
{
    VirtQueue *queue = chain->queue;
    unsigned index = queue->next_available;

    for (unsigned count = 1; count <= queue->size; count++) {
        const uint8_t *at = slot(ring, index);

        *id = load_le16(at + DESC_ID);
        if (flags & VIRTQ_DESC_INDIRECT) {
            if (count > 1 || (flags & VIRTQ_DESC_NEXT) ||
                !virtio_has(queue->device, VIRTIO_F_INDIRECT_DESC)) {
                virtio_fail(queue->device,
                            "queue %u: an indirect descriptor with flags 0x%x is not allowed here",
                            queue->index, flags);
                return 0;
            }
            return add_indirect(chain, at) ? 1 : 0;
        }
        if (!add(chain, at, flags)) {
            return 0;
        }
        if (!(flags & VIRTQ_DESC_NEXT)) {
            return count;
        }
        index = index + 1 < queue->size ? index + 1 : 0;
        flags = virtq_load16(slot(ring, index) + DESC_FLAGS);
    }
    virtio_fail(queue->device, "queue %u: a chain of descriptors without end", queue->index);
    return 0;
}

VirtqElement *virtqueue_packed_pop(VirtQueue *queue)
{
    uint8_t *ring;
    uint16_t flags, id;
    VirtqChain chain;

    if (!look(queue, &ring, &flags)) {
        return NULL;
    }
    virtq_chain_init(&chain, queue);
    unsigned count = follow(&chain, ring, flags, &id);
    if (!count) {
        return NULL;
    }
    advance(queue, &queue->next_available, &queue->available_wrap, count);
    VirtqElement *element = virtq_chain_element(&chain, id);
    element->slots = (uint16_t)count;
    return element;
}

void virtqueue_packed_unpop(VirtQueue *queue, const VirtqElement *element)
{
    if (queue->next_available < element->slots) {
        queue->next_available += queue->size;
        queue->available_wrap = !queue->available_wrap;
    }
    queue->next_available -= element->slots;
}

/* 2.8.1, 2.8.6: both bits are the device's wrap counter; the flags are written last. */
void virtqueue_packed_push(VirtQueue *queue, const VirtqElement *element, uint32_t written)
{
    uint8_t *ring = virtqueue_map_ring(queue, VIRTQ_DESCRIPTORS);

    if (!ring) {
        return;
    }
    uint8_t *at = slot(ring, queue->next_used);
    store_le32(at + 8, written);
    store_le16(at + DESC_ID, element->head);
    virtq_store16(at + DESC_FLAGS, (uint16_t)((queue->used_wrap ? DESC_AVAILABLE | DESC_USED : 0) |
                                              (written ? VIRTQ_DESC_WRITE : 0)));
    advance(queue, &queue->next_used, &queue->used_wrap, element->slots);
    queue->used_slots += element->slots;
}

/*
 * Positions are counted since the queue was enabled; the driver names one by its slot and the wrap
 * counter there.
 */
static bool was_passed(const VirtQueue *queue, uint16_t event)
{
    bool same_round = ((event & EVENT_WRAP) != 0) == queue->used_wrap;
    uint64_t round = queue->used_slots - queue->next_used + (same_round ? 0
                                                             : (uint64_t)0 - queue->size);
    uint64_t position = round + (event & ~EVENT_WRAP);

    /* told <= position < used, whatever the numbers wrapped to. */
    return position - queue->told_slots < queue->used_slots - queue->told_slots;
}

bool virtqueue_packed_wants_interrupt(VirtQueue *queue)
{
    const uint8_t *area = virtqueue_map_ring(queue, VIRTQ_AVAILABLE);

    if (!area || queue->used_slots == queue->told_slots) {
        return false;
    }
    /* what was used is seen before the driver's wish is read */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint16_t flags = virtq_load16(area + EVENT_FLAGS), event = virtq_load16(area + EVENT_DESC);
    bool at = flags == EVENTS_AT && virtio_has(queue->device, VIRTIO_F_EVENT_IDX);
    bool wanted = at ? !queue->told || was_passed(queue, event) : flags != EVENTS_DISABLE;
    queue->told_slots = queue->used_slots;
    queue->told = true;
    return wanted;
}

void virtqueue_packed_want_notify(VirtQueue *queue, bool want)
{
    uint8_t *area = virtqueue_map_ring(queue, VIRTQ_USED);

    if (area) {
        virtq_store16(area + EVENT_FLAGS, want ? EVENTS_ENABLE : EVENTS_DISABLE);
    }
}
