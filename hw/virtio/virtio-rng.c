/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buffers of the guest are filled with random bytes: Virtio 1.2, 5.4. */
#include "hw/virtio/virtio-rng.h"

#include "util/error.h"

#define QUEUE_SIZE 8
#define CHUNK 1024
/*
 * Of one request, whose buffers may be all of RAM several times over: less than was asked for is
 * allowed (5.4.6.2).
 */
#define MAX_REQUEST 65536
/* When to ask again a source that had nothing. */
#define RETRY_MS 20

struct VirtioRng {
    VirtioRngConfig config;
    VirtioDevice *device;
    VirtQueue *queue;
    uint64_t left;  /* of this period */
    guint timer;    /* 0: none runs */
};

static void serve(VirtioRng *rng);

static gboolean on_timer(gpointer opaque)
{
    VirtioRng *rng = opaque;

    virtio_lock(rng->device);
    rng->timer = 0;
    rng->left = rng->config.max_bytes;
    serve(rng);
    virtio_unlock(rng->device);
    return G_SOURCE_REMOVE;
}

static void wait(VirtioRng *rng, unsigned ms)
{
    if (!rng->timer) {
        rng->timer = g_timeout_add(ms, on_timer, rng);
    }
}

/* What the source has for this buffer; 0: nothing now. */
static size_t fill(VirtioRng *rng, const VirtqElement *element)
{
    uint8_t bytes[CHUNK];
    uint64_t size = MIN(MIN(element->in_size, rng->left), MAX_REQUEST);
    size_t done = 0;

    while (done < size) {
        gssize n = rng_read(rng->config.rng, bytes, MIN(size - done, sizeof(bytes)), NULL);
        if (n <= 0) {
            break;
        }
        virtq_write(element, done, bytes, n);
        done += n;
    }
    return done;
}

static void serve(VirtioRng *rng)
{
    VirtqElement *element;

    while (rng->left && (element = virtqueue_pop(rng->queue))) {
        if (!element->in_size) {
            virtqueue_fail(rng->queue, element, "a request without a byte to write");
            return;
        }
        size_t n = fill(rng, element);
        if (!n) {
            virtqueue_unpop(rng->queue, element);
            wait(rng, RETRY_MS);
            break;
        }
        if (rng->left != UINT64_MAX) {
            rng->left -= n;
            wait(rng, rng->config.period_ms);
        }
        virtqueue_push(rng->queue, element, n);
    }
    virtqueue_notify(rng->queue);
}

static void notify(void *opaque, VirtQueue *queue)
{
    serve(opaque);
}

static const VirtioClass rng_class = { .name = "virtio-rng", .id = VIRTIO_ID_RNG,
                                       .notify = notify };

VirtioRng *virtio_rng_new(const VirtioRngConfig *config, const VirtioEnvironment *environment)
{
    VirtioRng *rng = g_new0(VirtioRng, 1);

    rng->config = *config;
    rng->left = config->max_bytes;
    qom_object_ref(&config->rng->object);
    rng->device = virtio_new(&rng_class, rng, environment);
    rng->queue = virtio_add_queue(rng->device, QUEUE_SIZE);
    return rng;
}

VirtioDevice *virtio_rng_device(const VirtioRng *rng)
{
    return rng->device;
}

void virtio_rng_free(VirtioRng *rng)
{
    if (rng) {
        if (rng->timer) {
            g_source_remove(rng->timer);
        }
        qom_object_unref(&rng->config.rng->object);
        g_free(rng);
    }
}

/* ---- -device ---- */

typedef struct VirtioRngPci {
    VirtioPciDevice parent;
    VirtioRng *own;
    QomLink rng;
    QomObject *builtin; /* where the user names none */
    uint64_t max_bytes;
    uint32_t period;
} VirtioRngPci;

static VirtioDevice *make(VirtioPciDevice *parent, const VirtioEnvironment *environment,
                          GError **errp)
{
    VirtioRngPci *device = (VirtioRngPci *)parent;

    if (!device->period) {
        error_set(errp, "'period' parameter expects a positive integer");
        return NULL;
    }
    if (!device->rng.target) {
        device->builtin = qom_object_new(&rng_builtin_type);
        if (!qom_object_complete(device->builtin, errp)) {
            g_clear_pointer(&device->builtin, qom_object_unref);
            return NULL;
        }
    }
    VirtioRngConfig config = {
        .rng = (Rng *)(device->rng.target ? device->rng.target : device->builtin),
        .max_bytes = device->max_bytes >= INT64_MAX ? UINT64_MAX : device->max_bytes,
        .period_ms = device->period,
    };
    device->own = virtio_rng_new(&config, environment);
    return virtio_rng_device(device->own);
}

static void free_rng(VirtioPciDevice *parent)
{
    VirtioRngPci *device = (VirtioRngPci *)parent;

    g_clear_pointer(&device->own, virtio_rng_free);
    g_clear_pointer(&device->builtin, qom_object_unref);
}

static const VirtioPciOps ops = {
    .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Misc", PCI_DEVICE_OPS },
             VIRTIO_PCI_OPS },
    .class_device = 0x00ff, .make = make, .free = free_rng,
};

static const QomProperty properties[] = {
    QOM_PROPERTY_LINK("rng", VirtioRngPci, rng, &rng_type, "/objects",
                      "id of an -object rng-*; none = rng-builtin"),
    QOM_PROPERTY_UINT64("max-bytes", VirtioRngPci, max_bytes, "9223372036854775807",
                        "bytes in each period, at most"),
    QOM_PROPERTY_UINT32("period", VirtioRngPci, period, "65536", "milliseconds"),
    { NULL },
};

const QomType virtio_rng_pci_type = {
    .name = "virtio-rng-pci", .parent = &virtio_pci_type, .description = "Virtio entropy device",
    .size = sizeof(VirtioRngPci), .properties = properties, .ops = &ops,
};
const QomType virtio_rng_pci_nt_type = VIRTIO_NON_TRANSITIONAL("virtio-rng-pci",
                                                               virtio_rng_pci_type);
