/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See virtio-balloon.h. */
#include "hw/virtio/virtio-balloon.h"

#include <string.h>
#include <sys/mman.h>

#include "hw/core/machine.h"
#include "qapi-types.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/json.h"

#define QUEUE_SIZE 128
#define PAGE_SHIFT 12 /* of page numbers, whatever the guest's pages: 5.5.6 */
#define PAGE_SIZE (UINT64_C(1) << PAGE_SHIFT)
/*
 * Page numbers of one request that are looked at; Linux gives 256. What lies beyond is kept: giving
 * pages back is the host's right, and not its duty.
 */
#define MAX_PAGES 16384
#define CHUNK 256

/* 5.5.3 */
#define F_STATS_VQ (UINT64_C(1) << 1)
#define F_DEFLATE_ON_OOM (UINT64_C(1) << 2)
#define F_REPORTING (UINT64_C(1) << 5)
/* 5.5.4: num_pages and actual */
#define CONFIG_SIZE 8
#define CONFIG_ACTUAL 4

/* 5.5.6.3, by tag */
static const char *const stat_names[] = {
    "stat-swap-in", "stat-swap-out", "stat-major-faults", "stat-minor-faults", "stat-free-memory",
    "stat-total-memory", "stat-available-memory", "stat-disk-caches", "stat-htlb-pgalloc",
    "stat-htlb-pgfail", "stat-oom-kills", "stat-alloc-stalls", "stat-async-scans",
    "stat-direct-scans", "stat-async-reclaims", "stat-direct-reclaims",
};
#define STAT_SIZE 10 /* a tag of two bytes, a value of eight */

typedef struct BalloonPci {
    VirtioPciDevice parent;
    bool deflate_on_oom, free_page_reporting;
    VirtioDevice *device; /* while realized, as all below */
    VirtQueue *inflate, *deflate, *stats, *reporting;
    const SharedMemoryPort *memory;
    const GuestRam *ram;
    unsigned num_ram;
    uint64_t ram_size;
    uint32_t target, actual; /* pages that the guest is to give up, and has given up */
    VirtqElement *request;   /* for statistics: the guest's buffer, until they are asked for */
    uint64_t values[G_N_ELEMENTS(stat_names)];
    int64_t updated; /* seconds since 1970; 0: never */
    int64_t interval;        /* of asking for statistics, in seconds; 0: nobody does */
    guint timer;
} BalloonPci;

/* ---- Memory ---- */

/* Host memory of whole pages, which is RAM: it reads as zeroes when it is touched again. */
static void give_back(const BalloonPci *balloon, uint8_t *host, uint64_t size)
{
    for (unsigned i = 0; i < balloon->num_ram; i++) {
        const GuestRam *ram = &balloon->ram[i];
        if (host >= ram->host && (uint64_t)(host - ram->host) < ram->size && !ram->rom) {
            /* A backing of huge pages refuses small ones, and keeps them. */
            madvise(host, size, ram->shareable ? MADV_REMOVE : MADV_DONTNEED);
            return;
        }
    }
}

static void inflate(BalloonPci *balloon)
{
    VirtqElement *element;

    while ((element = virtqueue_pop(balloon->inflate))) {
        uint8_t numbers[4 * CHUNK];
        uint64_t at = 0;
        size_t n;

        while (at < 4 * MAX_PAGES && (n = virtq_read(element, at, numbers, sizeof(numbers))) >= 4) {
            for (size_t i = 0; i + 4 <= n; i += 4) {
                uint8_t *host = shared_memory_map(
                    balloon->memory, (hwaddr)load_le32(numbers + i) << PAGE_SHIFT, PAGE_SIZE);
                if (host) {
                    give_back(balloon, host, PAGE_SIZE);
                }
            }
            at += n;
        }
        virtqueue_push(balloon->inflate, element, 0);
    }
    virtqueue_notify(balloon->inflate);
}

/* Pages come back as they are touched. */
static void deflate(BalloonPci *balloon)
{
    VirtqElement *element;

    while ((element = virtqueue_pop(balloon->deflate))) {
        virtqueue_push(balloon->deflate, element, 0);
    }
    virtqueue_notify(balloon->deflate);
}

/* Free pages, as buffers to write: 5.5.6.7. */
static void take_reports(BalloonPci *balloon)
{
    VirtqElement *element;

    while ((element = virtqueue_pop(balloon->reporting))) {
        for (unsigned i = 0; i < element->num_in; i++) {
            uintptr_t start = (uintptr_t)element->in[i].iov_base,
                      end = (start + element->in[i].iov_len) & ~(uintptr_t)(PAGE_SIZE - 1);
            start = (start + PAGE_SIZE - 1) & ~(uintptr_t)(PAGE_SIZE - 1);
            if (start < end) {
                give_back(balloon, (uint8_t *)start, end - start);
            }
        }
        virtqueue_push(balloon->reporting, element, 0);
    }
    virtqueue_notify(balloon->reporting);
}

/* ---- Statistics: 5.5.6.3 ---- */

/* The guest fills the buffer that it gets back, and gives it again. */
static void read_statistics(BalloonPci *balloon)
{
    VirtqElement *element;

    while ((element = virtqueue_pop(balloon->stats))) {
        uint8_t stat[STAT_SIZE];
        uint64_t at = 0;

        for (; at < 64 * STAT_SIZE && virtq_read(element, at, stat, STAT_SIZE) == STAT_SIZE;
             at += STAT_SIZE) {
            unsigned tag = load_le16(stat);
            if (tag < G_N_ELEMENTS(balloon->values)) {
                balloon->values[tag] = load_le64(stat + 2);
            }
        }
        balloon->updated = at ? g_get_real_time() / G_USEC_PER_SEC : balloon->updated;
        if (balloon->request) { /* one is enough */
            virtqueue_push(balloon->stats, balloon->request, 0);
        }
        balloon->request = element;
    }
    virtqueue_notify(balloon->stats);
}

static gboolean ask_for_statistics(gpointer opaque)
{
    BalloonPci *balloon = opaque;

    virtio_lock(balloon->device);
    if (balloon->request) {
        virtqueue_push(balloon->stats, balloon->request, 0);
        balloon->request = NULL;
        virtqueue_notify(balloon->stats);
    }
    virtio_unlock(balloon->device);
    return G_SOURCE_CONTINUE;
}

static void forget_statistics(BalloonPci *balloon)
{
    memset(balloon->values, 0xff, sizeof(balloon->values)); /* QEMU's "not known" */
    balloon->updated = 0;
}

static bool get_statistics(QomObject *object, const QomProperty *property, JsonValue **result,
                           GError **errp)
{
    const BalloonPci *balloon = (BalloonPci *)object;
    JsonValue *stats = json_object_new_object();

    if (balloon->device) {
        virtio_lock(balloon->device);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(stat_names); i++) {
        json_object_object_add(stats, stat_names[i],
                               json_object_new_uint64(balloon->device ? balloon->values[i]
                                                                      : UINT64_MAX));
    }
    *result = json_object_new_object();
    json_object_object_add(*result, "stats", stats);
    json_object_object_add(*result, "last-update", json_object_new_int64(balloon->updated));
    if (balloon->device) {
        virtio_unlock(balloon->device);
    }
    return true;
}

static void set_timer(BalloonPci *balloon)
{
    if (balloon->timer) {
        g_source_remove(balloon->timer);
    }
    balloon->timer = balloon->interval && balloon->device
                         ? g_timeout_add_seconds((guint)balloon->interval, ask_for_statistics,
                                                 balloon)
                         : 0;
}

static bool set_interval(QomObject *object, const QomProperty *property, JsonValue *value,
                         GError **errp)
{
    BalloonPci *balloon = (BalloonPci *)object;
    int64_t seconds = json_object_get_int64(value);

    if (seconds < 0 || seconds > UINT32_MAX / 1000) {
        return error_set(errp, "timer value must be from 0 to %u seconds, not %" PRId64,
                         UINT32_MAX / 1000, seconds);
    }
    balloon->interval = seconds;
    set_timer(balloon);
    return true;
}

/* ---- Device ---- */

static void notify(void *opaque, VirtQueue *queue)
{
    BalloonPci *balloon = opaque;

    if (queue == balloon->inflate) {
        inflate(balloon);
    } else if (queue == balloon->deflate) {
        deflate(balloon);
    } else if (queue == balloon->stats) {
        read_statistics(balloon);
    } else {
        take_reports(balloon);
    }
}

static void get_config(void *opaque, uint8_t *config)
{
    const BalloonPci *balloon = opaque;

    store_le32(config, balloon->target);
    store_le32(config + CONFIG_ACTUAL, balloon->actual);
}

static uint64_t bytes_left(const BalloonPci *balloon)
{
    uint64_t given = (uint64_t)balloon->actual << PAGE_SHIFT;

    return given < balloon->ram_size ? balloon->ram_size - given : 0;
}

static void set_config(void *opaque, const uint8_t *config, unsigned offset, unsigned size)
{
    BalloonPci *balloon = opaque;
    uint32_t actual = load_le32(config + CONFIG_ACTUAL);

    if (actual == balloon->actual) {
        return;
    }
    balloon->actual = actual;
    JsonValue *data = json_object_new_object();
    json_object_object_add(data, "actual", json_object_new_uint64(bytes_left(balloon)));
    machine_event(device_machine(&balloon->parent.pci.device), &qapi_event_BALLOON_CHANGE, data);
}

/* A driver begins with all of its memory. */
static void stop(void *opaque)
{
    BalloonPci *balloon = opaque;

    g_clear_pointer(&balloon->request, virtq_element_free);
    balloon->actual = 0;
}

static const VirtioClass balloon_class = {
    .name = "virtio-balloon", .id = VIRTIO_ID_BALLOON, .config_size = CONFIG_SIZE,
    .get_config = get_config, .set_config = set_config, .stop = stop, .notify = notify,
};

static void match(QomObject *object, void *opaque)
{
    if (qom_is(object, &virtio_balloon_pci_type) && ((BalloonPci *)object)->device) {
        *(Device **)opaque = (Device *)object;
    }
}

Device *virtio_balloon_find(QomObject *machine)
{
    Device *balloon = NULL;

    qom_visit(machine, match, &balloon);
    return balloon;
}

uint64_t virtio_balloon_actual(Device *device)
{
    BalloonPci *balloon = (BalloonPci *)device;

    virtio_lock(balloon->device);
    uint64_t bytes = bytes_left(balloon);
    virtio_unlock(balloon->device);
    return bytes;
}

void virtio_balloon_set_target(Device *device, uint64_t bytes)
{
    BalloonPci *balloon = (BalloonPci *)device;

    virtio_lock(balloon->device);
    uint64_t pages = (balloon->ram_size - MIN(bytes, balloon->ram_size)) >> PAGE_SHIFT;
    balloon->target = (uint32_t)MIN(pages, UINT32_MAX);
    virtio_config_changed(balloon->device);
    virtio_unlock(balloon->device);
}

/* ---- -device ---- */

static VirtioDevice *make(VirtioPciDevice *parent, const VirtioEnvironment *environment,
                          GError **errp)
{
    BalloonPci *balloon = (BalloonPci *)parent;
    Machine *machine = device_machine(&parent->pci.device);

    if (machine && virtio_balloon_find(&machine->object)) {
        error_set(errp, "Only one balloon device is supported");
        return NULL;
    }
    balloon->memory = environment->memory;
    balloon->ram = environment->ram;
    balloon->num_ram = environment->num_ram;
    balloon->ram_size = 0;
    for (unsigned i = 0; i < environment->num_ram; i++) { /* what -m says: without the firmware */
        const GuestRam *ram = &environment->ram[i];
        balloon->ram_size += g_str_has_prefix(ram->name, "ram-") ? ram->size : 0;
    }
    balloon->target = balloon->actual = 0;
    forget_statistics(balloon);
    balloon->device = virtio_new(&balloon_class, balloon, environment);
    balloon->inflate = virtio_add_queue(balloon->device, QUEUE_SIZE);
    balloon->deflate = virtio_add_queue(balloon->device, QUEUE_SIZE);
    balloon->stats = virtio_add_queue(balloon->device, QUEUE_SIZE);
    balloon->reporting = balloon->free_page_reporting
                             ? virtio_add_queue(balloon->device, QUEUE_SIZE)
                             : NULL;
    virtio_offer(balloon->device, F_STATS_VQ |
                                      (balloon->deflate_on_oom ? F_DEFLATE_ON_OOM : 0) |
                                      (balloon->free_page_reporting ? F_REPORTING : 0));
    set_timer(balloon);
    return balloon->device;
}

static void free_balloon(VirtioPciDevice *parent)
{
    BalloonPci *balloon = (BalloonPci *)parent;

    balloon->device = NULL;
    set_timer(balloon);
}

static const VirtioPciOps ops = {
    .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Misc", PCI_DEVICE_OPS },
             VIRTIO_PCI_OPS },
    .class_device = 0x00ff, .make = make, .free = free_balloon,
};

static const QapiType any_type = { .kind = QAPI_ANY };

static const QomProperty properties[] = {
    QOM_PROPERTY_BOOL("deflate-on-oom", BalloonPci, deflate_on_oom, "off",
                      "the guest may take pages back when it runs out of memory"),
    QOM_PROPERTY_BOOL("free-page-reporting", BalloonPci, free_page_reporting, "off",
                      "the guest tells of pages that it does not use"),
    { .name = "guest-stats", .kind = QOM_QAPI, .type_name = "guest statistics",
      .flags = QOM_READ_ONLY, .qapi = &any_type, .get = get_statistics },
    QOM_PROPERTY_INT64("guest-stats-polling-interval", BalloonPci, interval, "0",
                       "seconds between two questions for the guest's statistics; 0 = none",
                       .flags = QOM_RUNTIME, .set = set_interval),
    { NULL },
};

const QomType virtio_balloon_pci_type = {
    .name = "virtio-balloon-pci", .parent = &virtio_pci_type,
    .description = "Virtio memory balloon", .size = sizeof(BalloonPci), .properties = properties,
    .ops = &ops,
};
const QomType virtio_balloon_pci_nt_type = VIRTIO_NON_TRANSITIONAL("virtio-balloon-pci",
                                                                   virtio_balloon_pci_type);
