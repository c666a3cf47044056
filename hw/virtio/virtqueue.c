/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtqueues, split ones (Virtio 1.2, 2.7) and what packed ones have in common with them. Each look
 * at a ring goes through the map of what the guest shares: a page that it makes private between two
 * requests is seen at the second.
 */
#include <string.h>

#include "util/bytes.h"
#include "virtio-internal.h"

#define DESC_SIZE 16
#define RING_FLAGS 0
#define RING_INDEX 2
#define RING_ENTRIES 4
#define USED_ENTRY_SIZE 8
#define AVAILABLE_NO_INTERRUPT 1
#define USED_NO_NOTIFY 1
#define EVENT_AREA_SIZE 4 /* of packed rings */
#define MAX_REQUEST_SIZE UINT32_MAX /* what a used entry can say was written */

VirtQueue *virtio_add_queue(VirtioDevice *device, unsigned size)
{
    VirtQueue *queue = g_new0(VirtQueue, 1);

    g_assert(size && size <= VIRTIO_MAX_QUEUE_SIZE && !(size & (size - 1)));
    g_assert(device->queues->len < VIRTIO_MAX_QUEUES);
    queue->device = device;
    queue->index = device->queues->len;
    queue->max_size = queue->size = size;
    queue->available_wrap = queue->used_wrap = true;
    g_ptr_array_add(device->queues, queue);
    return queue;
}

void virtqueue_free(VirtQueue *queue)
{
    g_free(queue);
}

void virtqueue_clear(VirtQueue *queue)
{
    queue->size = queue->max_size;
    queue->enabled = queue->external = queue->quiet = queue->told = false;
    memset(queue->address, 0, sizeof(queue->address));
    queue->next_available = queue->next_used = queue->told_used = 0;
    queue->in_flight = 0;
    queue->available_wrap = queue->used_wrap = true; /* 2.8.1 */
    queue->used_slots = queue->told_slots = 0;
    queue->epoch++;
}

unsigned virtqueue_index(const VirtQueue *queue)
{
    return queue->index;
}

bool virtqueue_is_ready(const VirtQueue *queue)
{
    return queue->enabled && queue->device->started;
}

/* A device that failed is stopped a little later, if its queues have a thread of their own. */
static bool is_alive(const VirtQueue *queue)
{
    return virtqueue_is_ready(queue) && !queue->device->failed;
}

/* ---- The transport's side ---- */

uint16_t virtqueue_size(const VirtQueue *queue)
{
    return queue->size;
}

void virtqueue_set_size(VirtQueue *queue, uint16_t size)
{
    bool fits = !(size & (size - 1)) || virtqueue_is_packed(queue); /* 2.7, 2.8.10.1 */

    if (!queue->enabled && size && size <= queue->max_size && fits) {
        queue->size = size;
    }
}

hwaddr virtqueue_address(const VirtQueue *queue, VirtQueuePart part)
{
    return queue->address[part];
}

void virtqueue_set_address(VirtQueue *queue, VirtQueuePart part, hwaddr address)
{
    if (!queue->enabled) {
        queue->address[part] = address;
    }
}

bool virtqueue_is_enabled(const VirtQueue *queue)
{
    return queue->enabled;
}

static void tell_changed(VirtQueue *queue)
{
    const VirtioDevice *device = queue->device;

    if (device->transport && device->transport->changed) {
        device->transport->changed(device->transport_opaque);
    }
}

void virtqueue_enable(VirtQueue *queue)
{
    VirtioDevice *device = queue->device;

    virtio_queues_lock(device);
    if (!queue->enabled && (device->status & VIRTIO_STATUS_FEATURES_OK) && !device->failed) {
        queue->enabled = true;
        if (device->started && device->class->start_queue) {
            device->class->start_queue(device->opaque, queue);
        }
        tell_changed(queue);
    }
    virtio_queues_unlock(device);
}

void virtqueue_reset(VirtQueue *queue)
{
    VirtioDevice *device = queue->device;

    if (!virtio_has(device, VIRTIO_F_RING_RESET)) {
        return;
    }
    virtio_queues_lock(device);
    if (virtqueue_is_ready(queue)) {
        device->class->stop_queue(device->opaque, queue);
    }
    virtqueue_clear(queue);
    tell_changed(queue);
    virtio_queues_unlock(device);
}

bool virtqueue_kicked(VirtQueue *queue)
{
    if (!is_alive(queue) || queue->external) {
        return false;
    }
    queue->has_turn = true;
    queue->turn = queue->size;
    queue->device->class->notify(queue->device->opaque, queue);
    queue->has_turn = false;
    return !queue->turn && !virtqueue_is_empty(queue);
}

/* ---- Rings ---- */

static uint64_t ring_size(const VirtQueue *queue, VirtQueuePart part)
{
    if (virtqueue_is_packed(queue) && part != VIRTQ_DESCRIPTORS) {
        return EVENT_AREA_SIZE;
    }
    static const unsigned entry[] = { [VIRTQ_AVAILABLE] = 2, [VIRTQ_USED] = USED_ENTRY_SIZE };

    /* The event index behind the entries is there whether used or not (2.7.6, 2.7.8). */
    return part == VIRTQ_DESCRIPTORS ? (uint64_t)queue->size * DESC_SIZE
                                     : RING_ENTRIES + (uint64_t)queue->size * entry[part] + 2;
}

/* The ring in host memory; NULL: the device broke. */
uint8_t *virtqueue_map_ring(VirtQueue *queue, VirtQueuePart part)
{
    static const char *const names[][2] = {
        [VIRTQ_DESCRIPTORS] = { "descriptor table", "descriptor ring" },
        [VIRTQ_AVAILABLE] = { "available ring", "driver's event area" },
        [VIRTQ_USED] = { "used ring", "device's event area" },
    };
    hwaddr address = queue->address[part];
    bool packed = virtqueue_is_packed(queue);
    unsigned alignment = part == VIRTQ_DESCRIPTORS            ? 16
                         : part == VIRTQ_AVAILABLE && !packed ? 2
                                                              : 4;
    uint8_t *ring = address % alignment
                        ? NULL
                        : shared_memory_map(queue->device->memory, address, ring_size(queue, part));

    if (!ring) {
        virtio_fail(queue->device,
                    "queue %u: the %s at 0x%" PRIx64 " is not in memory that the guest shares",
                    queue->index, names[part][packed], address);
    }
    return ring;
}

uint16_t virtq_load16(const uint8_t *at)
{
    return GUINT16_FROM_LE(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE));
}

void virtq_store16(uint8_t *at, uint16_t value)
{
    __atomic_store_n((uint16_t *)(void *)at, GUINT16_TO_LE(value), __ATOMIC_RELEASE);
}

/* How many requests wait; -1: the device broke. */
static int count_available(VirtQueue *queue, const uint8_t *available)
{
    uint16_t count = virtq_load16(available + RING_INDEX) - queue->next_available;

    if (count > queue->size) {
        virtio_fail(queue->device,
                    "queue %u: the available index moved by %u, more than the queue's %u entries",
                    queue->index, count, queue->size);
        return -1;
    }
    return count;
}

static bool turn_is_over(const VirtQueue *queue)
{
    return queue->has_turn && !queue->turn;
}

bool virtqueue_is_empty(VirtQueue *queue)
{
    if (turn_is_over(queue)) {
        return true;
    }
    if (virtqueue_is_packed(queue)) {
        return !is_alive(queue) || virtqueue_packed_is_empty(queue);
    }
    const uint8_t *available = is_alive(queue) ? virtqueue_map_ring(queue, VIRTQ_AVAILABLE) : NULL;

    return !available || count_available(queue, available) <= 0;
}

/* ---- Requests ---- */

typedef struct Descriptor {
    hwaddr address;
    uint32_t length;
    uint16_t flags, next;
} Descriptor;

static Descriptor load_descriptor(const uint8_t *table, unsigned index)
{
    const uint8_t *at = table + (size_t)index * DESC_SIZE;

    return (Descriptor){load_le64(at), load_le32(at + 8), load_le16(at + 12), load_le16(at + 14)};
}

void virtq_chain_init(VirtqChain *chain, VirtQueue *queue)
{
    chain->queue = queue;
    chain->num_out = chain->num_in = 0;
    chain->out_size = chain->in_size = 0;
}

bool virtq_chain_add(VirtqChain *chain, hwaddr address, uint32_t length, bool in)
{
    VirtioDevice *device = chain->queue->device;
    unsigned index = chain->queue->index, count = chain->num_out + chain->num_in;

    if (count == VIRTIO_MAX_CHAIN) {
        virtio_fail(device, "queue %u: a request of more than %u descriptors", index,
                    VIRTIO_MAX_CHAIN);
        return false;
    }
    if (!in && chain->num_in) {
        virtio_fail(device, "queue %u: a buffer to read behind one to write", index);
        return false;
    }
    if (length == 0) {
        virtio_fail(device, "queue %u: a buffer of no bytes", index);
        return false;
    }
    if (chain->out_size + chain->in_size + length > MAX_REQUEST_SIZE) {
        virtio_fail(device, "queue %u: a request of more than 4 GiB", index);
        return false;
    }
    uint8_t *host = shared_memory_map(device->memory, address, length);
    if (!host) {
        virtio_fail(device,
                    "queue %u: a buffer at 0x%" PRIx64 ", size 0x%" PRIx32
                    ", is not in memory that the guest shares",
                    index, address, length);
        return false;
    }
    chain->iov[count] = (struct iovec) { host, length };
    *(in ? &chain->num_in : &chain->num_out) += 1;
    *(in ? &chain->in_size : &chain->out_size) += length;
    return true;
}

/* Follows a chain in a table; limit: how many descriptors it may have, which ends loops. */
static bool follow(VirtqChain *chain, const uint8_t *table, unsigned size, unsigned start,
                   bool indirect);

const uint8_t *virtq_indirect_table(VirtQueue *queue, hwaddr address, uint32_t size)
{
    VirtioDevice *device = queue->device;

    if (size == 0 || size % DESC_SIZE || size / DESC_SIZE > VIRTIO_MAX_CHAIN) {
        virtio_fail(device, "queue %u: an indirect table of %" PRIu32 " bytes", queue->index, size);
        return NULL;
    }
    const uint8_t *table = shared_memory_map(device->memory, address, size);
    if (!table) {
        virtio_fail(device,
                    "queue %u: the indirect table at 0x%" PRIx64
                    " is not in memory that the guest shares",
                    queue->index, address);
    }
    return table;
}

static bool follow_indirect(VirtqChain *chain, const Descriptor *d)
{
    VirtioDevice *device = chain->queue->device;
    unsigned index = chain->queue->index;

    if (!virtio_has(device, VIRTIO_F_INDIRECT_DESC) || (d->flags & VIRTQ_DESC_NEXT)) {
        virtio_fail(device, "queue %u: an indirect descriptor with flags 0x%x is not allowed here",
                    index, d->flags);
        return false;
    }
    const uint8_t *table = virtq_indirect_table(chain->queue, d->address, d->length);
    return table && follow(chain, table, d->length / DESC_SIZE, 0, true);
}

static bool follow(VirtqChain *chain, const uint8_t *table, unsigned size, unsigned start,
                   bool indirect)
{
    VirtioDevice *device = chain->queue->device;
    unsigned at = start;

    for (unsigned hops = 0; hops < size; hops++) {
        Descriptor d = load_descriptor(table, at);
        if (d.flags & VIRTQ_DESC_INDIRECT) {
            if (indirect) {
                virtio_fail(device, "queue %u: an indirect table inside an indirect table",
                            chain->queue->index);
                return false;
            }
            return follow_indirect(chain, &d);
        }
        if (!virtq_chain_add(chain, d.address, d.length, d.flags & VIRTQ_DESC_WRITE)) {
            return false;
        }
        if (!(d.flags & VIRTQ_DESC_NEXT)) {
            return true;
        }
        if (d.next >= size) {
            virtio_fail(device, "queue %u: descriptor %u follows, of %u", chain->queue->index,
                        d.next, size);
            return false;
        }
        at = d.next;
    }
    virtio_fail(device, "queue %u: a chain of descriptors without end", chain->queue->index);
    return false;
}

VirtqElement *virtq_chain_element(const VirtqChain *chain, uint16_t head)
{
    unsigned count = chain->num_out + chain->num_in;
    VirtqElement *element = g_malloc(sizeof(*element) + count * sizeof(struct iovec));

    *element = (VirtqElement) {
        .num_out = chain->num_out, .num_in = chain->num_in, .out_size = chain->out_size,
        .in_size = chain->in_size,
        .head = head, .epoch = chain->queue->epoch, .out = (struct iovec *)(element + 1),
    };
    element->in = element->out + chain->num_out;
    memcpy(element->out, chain->iov, count * sizeof(struct iovec));
    return element;
}

static bool has_event_index(const VirtQueue *queue)
{
    return virtio_has(queue->device, VIRTIO_F_EVENT_IDX);
}

/* The driver notifies when its index passes this one (2.7.10). */
static void set_available_event(VirtQueue *queue)
{
    uint8_t *used = virtqueue_map_ring(queue, VIRTQ_USED);

    if (used) {
        virtq_store16(used + RING_ENTRIES + (size_t)queue->size * USED_ENTRY_SIZE,
                      queue->next_available);
    }
}

static VirtqElement *split_pop(VirtQueue *queue)
{
    const uint8_t *available = virtqueue_map_ring(queue, VIRTQ_AVAILABLE);
    const uint8_t *table = available ? virtqueue_map_ring(queue, VIRTQ_DESCRIPTORS) : NULL;
    if (!table || count_available(queue, available) <= 0) {
        return NULL;
    }
    uint16_t head = virtq_load16(available + RING_ENTRIES +
                                 2 * (queue->next_available % queue->size));
    if (head >= queue->size) {
        virtio_fail(queue->device, "queue %u: descriptor %u is available, of %u", queue->index,
                    head, queue->size);
        return NULL;
    }
    VirtqChain chain;
    virtq_chain_init(&chain, queue);
    if (!follow(&chain, table, queue->size, head, false)) {
        return NULL;
    }
    queue->next_available++;
    if (has_event_index(queue) && !queue->quiet) {
        set_available_event(queue);
    }
    return virtq_chain_element(&chain, head);
}

/* Each has a descriptor at least; and what is in flight takes memory here. */
static bool has_room(VirtQueue *queue)
{
    if (queue->in_flight >= queue->size && !virtqueue_is_empty(queue)) {
        virtio_fail(queue->device, "queue %u: more requests at a time than its %u entries",
                    queue->index, queue->size);
    }
    return queue->in_flight < queue->size;
}

VirtqElement *virtqueue_pop(VirtQueue *queue)
{
    if (!is_alive(queue) || queue->external || turn_is_over(queue) || !has_room(queue)) {
        return NULL;
    }
    VirtqElement *element = virtqueue_is_packed(queue) ? virtqueue_packed_pop(queue)
                                                       : split_pop(queue);
    if (element) {
        queue->in_flight++;
        queue->turn -= queue->has_turn;
    }
    return element;
}

void virtq_element_free(VirtqElement *element)
{
    g_free(element);
}

bool virtqueue_is_awaited(const VirtQueue *queue, const VirtqElement *element)
{
    return is_alive(queue) && element->epoch == queue->epoch;
}

void virtqueue_unpop(VirtQueue *queue, VirtqElement *element)
{
    if (virtqueue_is_awaited(queue, element)) {
        queue->in_flight--;
        if (virtqueue_is_packed(queue)) {
            virtqueue_packed_unpop(queue, element);
        } else {
            queue->next_available--;
        }
    }
    virtq_element_free(element);
}

static void push(VirtQueue *queue, const VirtqElement *element, uint32_t written)
{
    uint8_t *used = virtqueue_map_ring(queue, VIRTQ_USED);

    if (used) {
        uint8_t *entry = used + RING_ENTRIES +
                         USED_ENTRY_SIZE * (size_t)(queue->next_used % queue->size);
        store_le32(entry, element->head);
        store_le32(entry + 4, written);
        virtq_store16(used + RING_INDEX, ++queue->next_used);
    }
}

void virtqueue_push(VirtQueue *queue, VirtqElement *element, uint32_t written)
{
    if (virtqueue_is_awaited(queue, element)) {
        queue->in_flight--;
        (virtqueue_is_packed(queue) ? virtqueue_packed_push : push)(queue, element, written);
    }
    virtq_element_free(element);
}

static bool driver_wants_interrupt(VirtQueue *queue)
{
    const uint8_t *available = virtqueue_map_ring(queue, VIRTQ_AVAILABLE);

    if (!available) {
        return false;
    }
    /* the used index is seen before the driver's wish is read */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!has_event_index(queue)) {
        return !(virtq_load16(available + RING_FLAGS) & AVAILABLE_NO_INTERRUPT);
    }
    uint16_t event = virtq_load16(available + RING_ENTRIES + 2 * (size_t)queue->size);
    bool passed = (uint16_t)(queue->next_used - event - 1) <
                  (uint16_t)(queue->next_used - queue->told_used);
    return passed || !queue->told;
}

/* Of what was pushed since the last call. */
static bool split_wants_interrupt(VirtQueue *queue)
{
    if (queue->next_used == queue->told_used) {
        return false;
    }
    bool wanted = driver_wants_interrupt(queue);
    queue->told_used = queue->next_used;
    queue->told = true;
    return wanted;
}

void virtqueue_notify(VirtQueue *queue)
{
    VirtioDevice *device = queue->device;

    if (!is_alive(queue)) {
        return;
    }
    bool wanted = virtqueue_is_packed(queue) ? virtqueue_packed_wants_interrupt(queue)
                                             : split_wants_interrupt(queue);
    if (wanted && device->transport) {
        device->transport->interrupt(device->transport_opaque, queue);
    }
}

void virtqueue_fail(VirtQueue *queue, VirtqElement *element, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    virtq_element_free(element);
    virtio_fail(queue->device, "queue %u: %s", queue->index, what);
}

static void split_want_notify(VirtQueue *queue, bool want)
{
    uint8_t *used = virtqueue_map_ring(queue, VIRTQ_USED);

    if (!used) {
        return;
    }
    if (!has_event_index(queue)) {
        virtq_store16(used + RING_FLAGS, want ? 0 : USED_NO_NOTIFY);
    } else if (want) {
        set_available_event(queue);
    }
}

void virtqueue_want_notify(VirtQueue *queue, bool want)
{
    queue->quiet = !want;
    if (is_alive(queue)) {
        (virtqueue_is_packed(queue) ? virtqueue_packed_want_notify : split_want_notify)(queue,
                                                                                        want);
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the caller looks into the queue again */
    }
}

/* ---- Bytes of a request ---- */

unsigned virtq_slice(const struct iovec *iov, unsigned count, uint64_t offset, uint64_t size,
                     struct iovec *parts)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count && size; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        size_t length = MIN(iov[i].iov_len - offset, size);
        parts[n++] = (struct iovec) { (uint8_t *)iov[i].iov_base + offset, length };
        size -= length;
        offset = 0;
    }
    return n;
}

static size_t copy(const struct iovec *iov, unsigned count, uint64_t offset, uint8_t *buffer,
                   size_t size, bool in)
{
    size_t done = 0;

    for (unsigned i = 0; i < count && done < size; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        size_t length = MIN(iov[i].iov_len - offset, size - done);
        uint8_t *guest = (uint8_t *)iov[i].iov_base + offset;
        memcpy(in ? guest : buffer + done, in ? buffer + done : guest, length);
        done += length;
        offset = 0;
    }
    return done;
}

size_t virtq_read(const VirtqElement *element, uint64_t offset, void *buffer, size_t size)
{
    return copy(element->out, element->num_out, offset, buffer, size, false);
}

size_t virtq_write(const VirtqElement *element, uint64_t offset, const void *buffer, size_t size)
{
    return copy(element->in, element->num_in, offset, (uint8_t *)buffer, size, true);
}

/* ---- Back ends outside the process ---- */

void virtqueue_layout(const VirtQueue *queue, VirtQueueLayout *layout)
{
    *layout = (VirtQueueLayout) {
        .size = queue->size, .descriptors = queue->address[VIRTQ_DESCRIPTORS],
        .available = queue->address[VIRTQ_AVAILABLE], .used = queue->address[VIRTQ_USED],
        .next_available = queue->next_available,
    };
}

bool virtqueue_take_over(VirtQueue *queue, int *kick, int *call)
{
    VirtioDevice *device = queue->device;

    if (!device->transport || !device->transport->take_over ||
        !device->transport->take_over(device->transport_opaque, queue, kick, call)) {
        return false;
    }
    queue->external = true;
    return true;
}

void virtqueue_give_back(VirtQueue *queue, uint16_t next_available)
{
    VirtioDevice *device = queue->device;

    if (queue->external) {
        queue->external = false;
        queue->next_available = queue->next_used = queue->told_used = next_available;
        device->transport->give_back(device->transport_opaque, queue);
    }
}
