/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices (Virtio 1.2), modern only: what a device's writer uses. The transport
 * (hw/virtio/virtio-pci.h) is the other side.
 *
 * A device is a constant VirtioClass and an opaque pointer. In order: virtio_new(),
 * virtio_add_queue() for each queue, virtio_offer() for its own features; then a transport takes
 * it.
 *
 *     static void handle(void *opaque, VirtQueue *queue)
 *     {
 *         VirtqElement *element;
 *
 *         while ((element = virtqueue_pop(queue))) {
 *             uint8_t header[16];
 *             if (virtq_read(element, 0, header, sizeof(header)) < sizeof(header)) {
 *                 virtqueue_fail(queue, element, "a request of %" PRIu64 " bytes",
 *                                element->out_size);
 *                 return;
 *             }
 *             …
 *             virtqueue_push(queue, element, bytes_written);
 *         }
 *         virtqueue_notify(queue);
 *     }
 *
 * Rules:
 * - Everything here is called with the machine lock held, by any thread; callbacks are called so. A
 *   back end that completes on a thread of its own takes the lock (virtio_lock) first.
 * - A device with a context of its own (VirtioEnvironment.context) is the exception: a lock of its
 *   own guards its queues, which is what virtio_lock takes. notify() is called by the thread that
 *   runs the context, which never takes the machine lock; all other callbacks with both locks held
 *   (machine lock first). virtio_fail and virtio_config_changed take effect a little later there:
 *   the main loop does what needs the machine lock.
 * - Guest memory is reached through elements alone. They hold host addresses of RAM that the guest
 *   shares; a descriptor that points anywhere else breaks the device before the element is made.
 *   The guest may change the bytes at any time: copy what is checked before it is used
 *   (virtq_read).
 * - Bytes of the guest never end the process: virtio_fail() makes the device need a reset, tells
 *   the driver, and says so once on stderr. After it, or after stop(), virtqueue_pop() gives NULL
 *   and virtqueue_push() only frees.
 * - stop() returns when no request of the guest's touches its memory any more.
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "system/core/guest-ram.h"
#include "system/core/shared-memory.h"

#define VIRTIO_MAX_QUEUES 1024
#define VIRTIO_MAX_QUEUE_SIZE 1024
#define VIRTIO_MAX_CHAIN 1024 /* descriptors of one request, indirect ones counted */

/* Device ids: Virtio 1.2, 5 */
enum {
    VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4,
    VIRTIO_ID_BALLOON = 5, VIRTIO_ID_SCSI = 8, VIRTIO_ID_VSOCK = 19, VIRTIO_ID_FS = 26,
};

/* Feature bits that every device has: 6 */
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)
#define VIRTIO_F_ACCESS_PLATFORM (UINT64_C(1) << 33)
#define VIRTIO_F_RING_PACKED (UINT64_C(1) << 34)
#define VIRTIO_F_RING_RESET (UINT64_C(1) << 40)

/* Device status: 2.1 */
enum {
    VIRTIO_STATUS_ACKNOWLEDGE = 1, VIRTIO_STATUS_DRIVER = 2, VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8, VIRTIO_STATUS_NEEDS_RESET = 64, VIRTIO_STATUS_FAILED = 128,
};

typedef struct VirtioDevice VirtioDevice;
typedef struct VirtQueue VirtQueue;

typedef struct VirtioClass {
    const char *name;     /* "virtio-net": in messages */
    uint16_t id;          /* VIRTIO_ID_* */
    unsigned config_size; /* of the device's own configuration, at most 4096; 0 = it has none */
    /* Fills in config (config_size bytes, zeroes before). NULL = all zero. */
    void (*get_config)(void *opaque, uint8_t *config);
    /* The driver wrote [offset, offset + size) of config. NULL = read-only. */
    void (*set_config)(void *opaque, const uint8_t *config, unsigned offset, unsigned size);
    /* May the driver have this subset of what was offered? NULL = yes. */
    bool (*accept_features)(void *opaque, uint64_t features);
    /*
     * DRIVER_OK: features are settled, queues enabled before have their rings. NULL = nothing to
     * do.
     */
    void (*start)(void *opaque);
    /*
     * The reverse, at a reset or when the device broke; called only after start. See the rules
     * above. NULL = nothing to do.
     */
    void (*stop)(void *opaque);
    /* The driver put requests into the queue. Only between start and stop. */
    void (*notify)(void *opaque, VirtQueue *queue);
    /*
     * The driver resets one queue (VIRTIO_F_RING_RESET), between start and stop: as stop, for its
     * requests alone. NULL: the feature is not offered.
     */
    void (*stop_queue)(void *opaque, VirtQueue *queue);
    /* A queue is enabled, after start too (after a queue reset). NULL = nothing to do. */
    void (*start_queue)(void *opaque, VirtQueue *queue);
    /*
     * The VirtioDevice is about to be freed: nothing may call it from another thread once this
     * returns. After stop, the device's own lock not held, main loop thread. NULL: nobody does.
     */
    void (*gone)(void *opaque);
    bool outside; /* back ends outside the process serve the queues: packed rings are not offered */
} VirtioClass;

/* What a device stands in. All borrowed. */
typedef struct VirtioEnvironment {
    const SharedMemoryPort *memory;
    GMutex *machine_lock;  /* NULL: there is one thread (tests) */
    const char *name;      /* the device's id or path, for messages; copied */
    const GuestRam *ram;   /* all RAM, for back ends outside the process */
    unsigned num_ram;
    GMainContext *context; /* its thread handles the queues, without the machine lock; NULL: the
                              main loop does, with it */
} VirtioEnvironment;

/* ---- Device (virtio.c) ---- */

VirtioDevice *virtio_new(const VirtioClass *class, void *opaque,
                         const VirtioEnvironment *environment);
/* Stops it first. No transport may have it. */
void virtio_free(VirtioDevice *device);
/*
 * Before a transport takes the device. size: the most entries the driver may use, a power of two up
 * to VIRTIO_MAX_QUEUE_SIZE.
 */
VirtQueue *virtio_add_queue(VirtioDevice *device, unsigned size);
/*
 * The device's own features; those of every device are offered anyway. Before a transport takes the
 * device.
 */
void virtio_offer(VirtioDevice *device, uint64_t features);
/* The reverse, also for those of every device (event_idx=off). */
void virtio_withhold(VirtioDevice *device, uint64_t features);
const VirtioClass *virtio_class(const VirtioDevice *device);
const char *virtio_name(const VirtioDevice *device);
uint64_t virtio_offered(const VirtioDevice *device);
/* What the driver accepted; 0 before FEATURES_OK. */
uint64_t virtio_features(const VirtioDevice *device);
static inline bool virtio_has(const VirtioDevice *device, uint64_t feature)
{
    return virtio_features(device) & feature;
}
/* Between start and stop. */
bool virtio_is_started(const VirtioDevice *device);
/* The device's configuration is another now: the driver is interrupted. */
void virtio_config_changed(VirtioDevice *device);
/*
 * The guest did what it must not, or the device cannot go on. format: what it did, "request of %u
 * bytes, at least 16 needed".
 */
void virtio_fail(VirtioDevice *device, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* NULL: the main loop's. */
GMainContext *virtio_context(const VirtioDevice *device);
/* What virtio_lock takes; NULL: nothing. */
GMutex *virtio_queues_mutex(VirtioDevice *device);
/* For work that begins outside a callback. */
void virtio_lock(VirtioDevice *device);
void virtio_unlock(VirtioDevice *device);

/* ---- Queues and requests (virtqueue.c) ---- */

/*
 * A request: what the driver gives to read (out) and to write (in), in its order. The device's
 * until pushed.
 */
typedef struct VirtqElement {
    unsigned num_out, num_in;
    struct iovec *out, *in;     /* host addresses in guest memory */
    uint64_t out_size, in_size; /* sums */
    uint16_t head;              /* the ring's name for it */
    uint16_t slots;             /* that it takes in a packed ring */
    /* of the queue's enabling: an element of an older one is not pushed */
    uint32_t epoch;
} VirtqElement;

/*
 * The next request, NULL: there is none, the device broke, or in notify() it has had its turn: the
 * transport calls again.
 */
VirtqElement *virtqueue_pop(VirtQueue *queue);
/*
 * Gives it back with `written` bytes in its in part, and frees it. The driver is told by
 * virtqueue_notify().
 */
void virtqueue_push(VirtQueue *queue, VirtqElement *element, uint32_t written);
/*
 * Whether the driver still waits for it: its queue was not reset, the device did not break. If not,
 * the element's buffers are not to be written any more, as the driver may use them for something
 * else.
 */
bool virtqueue_is_awaited(const VirtQueue *queue, const VirtqElement *element);
/* As if it had not been popped; only the last popped one. Frees it. */
void virtqueue_unpop(VirtQueue *queue, VirtqElement *element);
/* Frees an element that the driver will not get back: in stop(). */
void virtq_element_free(VirtqElement *element);
/* Interrupts the driver if it wants to hear of what was pushed since the last call. */
void virtqueue_notify(VirtQueue *queue);
/* virtio_fail, and frees the element (which may be NULL). */
void virtqueue_fail(VirtQueue *queue, VirtqElement *element, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* True, too, when notify() has had its turn. */
bool virtqueue_is_empty(VirtQueue *queue);
/*
 * Whether the driver need notify when it adds requests (a hint; on after enabling). After turning
 * it on, look into the queue again.
 */
void virtqueue_want_notify(VirtQueue *queue, bool want);
/* Has rings, and the device is started. */
bool virtqueue_is_ready(const VirtQueue *queue);
unsigned virtqueue_index(const VirtQueue *queue);
VirtQueue *virtio_queue(VirtioDevice *device, unsigned index); /* NULL: there is none */
unsigned virtio_num_queues(const VirtioDevice *device);

/* Copies from the out part, from `offset` on; how many bytes there were. */
size_t virtq_read(const VirtqElement *element, uint64_t offset, void *buffer, size_t size);
/* Copies into the in part, from `offset` on; how many bytes had room. */
size_t virtq_write(const VirtqElement *element, uint64_t offset, const void *buffer, size_t size);
/*
 * The iovecs of [offset, offset + size) of one part, into parts (room for `count`, the part's
 * number of iovecs); how many.
 */
unsigned virtq_slice(const struct iovec *iov, unsigned count, uint64_t offset, uint64_t size,
                     struct iovec *parts);

/* ---- Back ends outside the process: vhost, vhost-user (virtqueue.c) ---- */

/*
 * Where the rings lie in guest physical memory, and the next entry of the available ring to be
 * taken.
 */
typedef struct VirtQueueLayout {
    uint16_t size;
    hwaddr descriptors, available, used;
    uint16_t next_available;
} VirtQueueLayout;

void virtqueue_layout(const VirtQueue *queue, VirtQueueLayout *layout);
/*
 * In start(): requests of this queue are served by somebody else. The guest's notifications signal
 * *kick, and *call, when signalled, interrupts the guest: eventfds, the transport's. The class's
 * notify is not called. False: the transport cannot.
 */
bool virtqueue_take_over(VirtQueue *queue, int *kick, int *call);
/* In stop(): the reverse; next_available as the back end left it. */
void virtqueue_give_back(VirtQueue *queue, uint16_t next_available);

#endif
