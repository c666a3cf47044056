/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Negotiation, queues and the PCI transport, with a device that copies what it reads to where it
 * may write.
 */
#include <stdio.h>
#include <unistd.h>

#include "driver.h"

#include "hw/virtio/virtio-transport.h"
#include "util/bytes.h"

#define DEVICE_FEATURE (UINT64_C(1) << 3)
#define GOOD (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)

typedef struct Fixture {
    Driver d;
    VirtioDevice *device;
    unsigned starts, stops, requests, queue_stops;
    uint8_t config[12];
    bool hold;              /* keeps the last request */
    bool endless;           /* the driver offers each request again as soon as it is done */
    VirtqElement *held;
} Fixture;

static void notify(void *opaque, VirtQueue *queue)
{
    Fixture *f = opaque;
    VirtqElement *element;

    while ((element = virtqueue_pop(queue))) {
        uint8_t buffer[256];
        f->requests++;
        if (f->hold) {
            f->held = element;
            continue;
        }
        size_t n = virtq_read(element, 0, buffer, sizeof(buffer));
        virtqueue_push(queue, element, virtq_write(element, 0, buffer, n));
        if (f->endless) {
            driver_offer(&f->d, virtqueue_index(queue), 0);
        }
    }
    virtqueue_notify(queue);
}

static void start(void *opaque)
{
    ((Fixture *)opaque)->starts++;
}

static void stop(void *opaque)
{
    ((Fixture *)opaque)->stops++;
}

static void stop_queue(void *opaque, VirtQueue *queue)
{
    ((Fixture *)opaque)->queue_stops++;
}

static void get_config(void *opaque, uint8_t *config)
{
    memcpy(config, ((Fixture *)opaque)->config, 12);
}

static void set_config(void *opaque, const uint8_t *config, unsigned offset, unsigned size)
{
    memcpy(((Fixture *)opaque)->config + offset, config + offset, size);
}

static const VirtioClass class = {
    .name = "virtio-echo", .id = 42, .config_size = 12, .get_config = get_config,
    .set_config = set_config,
    .start = start, .stop = stop, .notify = notify, .stop_queue = stop_queue,
};

static void set_up(Fixture *f, gconstpointer data)
{
    driver_init(&f->d);
    VirtioEnvironment environment = driver_environment(&f->d, "echo0");
    f->device = virtio_new(&class, f, &environment);
    virtio_add_queue(f->device, 256);
    virtio_add_queue(f->device, 64);
    virtio_offer(f->device, DEVICE_FEATURE);
    for (unsigned i = 0; i < sizeof(f->config); i++) {
        f->config[i] = 0xa0 + i;
    }
    driver_plug(&f->d, f->device, GPOINTER_TO_UINT(data));
}

static void tear_down(Fixture *f, gconstpointer data)
{
    driver_free(&f->d);
    virtq_element_free(f->held);
}

static void test_identity(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(pci_config_get(f->d.function, 0, 4), ==, 0x106a1af4);
    g_assert_cmphex(pci_config_get(f->d.function, PCI_REVISION, 1), ==, 1);
    g_assert_cmphex(pci_config_get(f->d.function, PCI_SUBSYSTEM_VENDOR_ID, 4), ==, 0x11001af4);
    g_assert_cmpuint(driver_read(&f->d, f->d.common + 0x12, 2), ==, 2);
    g_assert_cmphex(driver_offered(&f->d), ==, UINT64_C(0x10330000008));
    driver_write(&f->d, f->d.common, 2, 4);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 4, 4), ==, 0);
    driver_write(&f->d, f->d.common + 0x16, 2, 2);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x18, 2), ==, 0);
    driver_write(&f->d, f->d.common + 0x16, 1, 2);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x18, 2), ==, 64);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x1e, 2), ==, 1);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x18, 8), ==, UINT64_C(0x00010000ffff0040));
}

static void test_negotiation(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint64_t features;
        uint8_t status;
    } rows[] = {
        { "all that is offered", UINT64_C(0x10330000008), 0xb },
        { "the least", VIRTIO_F_VERSION_1, 0xb },
        { "not version 1", VIRTIO_F_ACCESS_PLATFORM, 0x3 }, { "nothing", 0, 0x3 },
        { "a bit of the device's that is not offered", GOOD | 1, 0x3 },
        { "packed rings", GOOD | VIRTIO_F_RING_PACKED, 0x3 }, { "all bits", UINT64_MAX, 0x3 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmphex(driver_negotiate(&f->d, rows[i].features), ==, rows[i].status);
        driver_set_status(&f->d, 0xf);
        g_assert_cmpuint(virtio_is_started(f->device), ==, rows[i].status == 0xb);
        driver_set_status(&f->d, 0);
        g_assert_cmphex(driver_status(&f->d), ==, 0);
        g_assert_false(virtio_is_started(f->device));
    }
    g_assert_cmpuint(f->starts, ==, 2);
    g_assert_cmpuint(f->stops, ==, 2);
    driver_set_status(&f->d, 0xf); /* DRIVER_OK with FEATURES_OK in one step, without features */
    g_assert_cmphex(driver_status(&f->d), ==, 0x3);
}

static void test_config(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(driver_read(&f->d, f->d.config, 4), ==, 0xa3a2a1a0);
    g_assert_cmphex(driver_read(&f->d, f->d.config + 8, 8), ==, 0xabaaa9a8);
    g_assert_cmphex(driver_read(&f->d, f->d.config + 0x800, 4), ==, 0);
    driver_write(&f->d, f->d.config + 1, 0x1122, 2);
    g_assert_cmphex(driver_read(&f->d, f->d.config, 4), ==, 0xa31122a0);
    driver_write(&f->d, f->d.config + 10, 0x11223344, 4); /* reaches past the end */
    g_assert_cmphex(driver_read(&f->d, f->d.config + 8, 4), ==, 0xabaaa9a8);
    driver_start(&f->d, GOOD, 2, 64);
    uint8_t generation = driver_read(&f->d, f->d.common + 0x15, 1);
    g_mutex_lock(&f->d.lock);
    virtio_config_changed(f->device);
    virtio_config_changed(f->device);
    g_mutex_unlock(&f->d.lock);
    g_assert_cmpuint(driver_read(&f->d, f->d.common + 0x15, 1), ==, generation + 1);
    g_assert_cmpuint(f->d.interrupts[0], ==, 2);
}

/* A request of `size` bytes of 0x5a in buffers of the driver's making. */
static void echo(Fixture *f, unsigned queue, uint64_t features)
{
    uint32_t head, length;

    memset(f->d.ram + DATA_BASE, 0x5a, 100);
    memset(f->d.ram + DATA_BASE + 0x1000, 0, 200);
    driver_describe(&f->d, queue, 5, DATA_BASE, 40, NEXT, 9);
    driver_describe(&f->d, queue, 9, DATA_BASE + 40, 60, NEXT, 1);
    driver_describe(&f->d, queue, 1, DATA_BASE + 0x1000, 30, NEXT | WRITE, 2);
    driver_describe(&f->d, queue, 2, DATA_BASE + 0x1040, 150, WRITE, 0);
    driver_offer(&f->d, queue, 5);
    driver_kick(&f->d, queue);
    driver_wait_used(&f->d, queue, &head, &length);
    g_assert_cmpuint(head, ==, 5);
    g_assert_cmpuint(length, ==, 100);
    g_assert_cmphex(f->d.ram[DATA_BASE + 0x1000 + 29], ==, 0x5a);
    g_assert_cmphex(f->d.ram[DATA_BASE + 0x1000 + 30], ==, 0);
    g_assert_cmphex(f->d.ram[DATA_BASE + 0x1040 + 69], ==, 0x5a);
    g_assert_cmphex(f->d.ram[DATA_BASE + 0x1040 + 70], ==, 0);
}

static void test_requests(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 2, 64);
    for (unsigned i = 0; i < 150; i++) { /* round the ring */
        echo(f, i % 2, GOOD);
    }
    g_assert_cmpuint(f->d.interrupts[1], ==, 75);
    g_assert_cmpuint(f->d.interrupts[2], ==, 75);
    store_le16(f->d.ram + QUEUE_BASE + 0x4000, 1); /* no interrupts, please */
    echo(f, 0, GOOD);
    g_assert_cmpuint(f->d.interrupts[1], ==, 75);
}

static void test_event_index(Fixture *f, gconstpointer data)
{
    uint8_t *event = f->d.ram + QUEUE_BASE + 0x4000 + 4 + 2 * 64;
    const uint8_t *wanted = f->d.ram + QUEUE_BASE + 0x5000 + 4 + 8 * 64;

    driver_start(&f->d, GOOD | VIRTIO_F_EVENT_IDX, 1, 64);
    echo(f, 0, 0);
    g_assert_cmpuint(f->d.interrupts[1], ==, 1);
    g_assert_cmpuint(load_le16(wanted), ==, 1);
    store_le16(event, 3); /* at the fourth */
    echo(f, 0, 0);
    echo(f, 0, 0);
    g_assert_cmpuint(f->d.interrupts[1], ==, 1);
    echo(f, 0, 0);
    g_assert_cmpuint(f->d.interrupts[1], ==, 2);
    echo(f, 0, 0);
    g_assert_cmpuint(f->d.interrupts[1], ==, 2);
    for (unsigned i = 0; i < 65600; i++) { /* the index wraps */
        store_le16(event, i + 5);
        echo(f, 0, 0);
    }
    g_assert_cmpuint(f->d.interrupts[1], ==, 65602);
}

static void test_indirect(Fixture *f, gconstpointer data)
{
    uint8_t *table = f->d.ram + DATA_BASE + 0x3000;
    uint32_t head, length;

    driver_start(&f->d, GOOD | VIRTIO_F_INDIRECT_DESC, 1, 4);
    memset(f->d.ram + DATA_BASE, 0x77, 200);
    for (unsigned i = 0; i < 200; i++) { /* longer than the ring */
        store_le64(table + 16 * i, DATA_BASE + (i < 100 ? 0 : 0x1000) + i % 100);
        store_le32(table + 16 * i + 8, 1);
        store_le16(table + 16 * i + 12, (i < 199 ? NEXT : 0) | (i < 100 ? 0 : WRITE));
        store_le16(table + 16 * i + 14, i + 1);
    }
    driver_describe(&f->d, 0, 3, DATA_BASE + 0x3000, 200 * 16, INDIRECT, 0);
    driver_offer(&f->d, 0, 3);
    driver_kick(&f->d, 0);
    g_assert_true(driver_take_used(&f->d, 0, &head, &length));
    g_assert_cmpuint(length, ==, 100);
    g_assert_cmphex(f->d.ram[DATA_BASE + 0x1000 + 99], ==, 0x77);
}

/* ---- What breaks the device ---- */

typedef struct Bad {
    const char *label;
    struct {
        unsigned index;
        hwaddr addr;
        uint32_t length;
        uint16_t flags, next;
    } descriptors[3];
    uint16_t head;
    unsigned offers; /* 0 = 1 */
    const char *message;
} Bad;

static const Bad bad_chains[] = {
    { "private memory", { { 0, PRIVATE_BASE, 16, 0, 0 } }, 0, 0,
      "a buffer at 0x80000, size 0x10, is not in memory*" },
    { "reaches into private memory", { { 0, PRIVATE_BASE - 8, 16, WRITE, 0 } }, 0, 0,
      "a buffer at 0x7fff8*" },
    { "no RAM", { { 0, RAM_SIZE, 16, 0, 0 } }, 0, 0, "a buffer at 0x100000*" },
    { "a device's registers", { { 0, BAR_BASE, 16, 0, 0 } }, 0, 0, "a buffer at 0x380000000000*" },
    { "wraps", { { 0, UINT64_MAX - 7, 16, 0, 0 } }, 0, 0, "a buffer at 0xfffffffffffffff8*" },
    { "no length", { { 0, DATA_BASE, 0, 0, 0 } }, 0, 0, "a buffer of no bytes" },
    { "head beyond the table", { { 0, DATA_BASE, 16, 0, 0 } }, 64, 0,
      "descriptor 64 is available, of 64" },
    { "next beyond the table", { { 0, DATA_BASE, 16, NEXT, 64 } }, 0, 0,
      "descriptor 64 follows, of 64" },
    { "a loop", { { 0, DATA_BASE, 16, NEXT, 1 }, { 1, DATA_BASE, 16, NEXT, 0 } }, 0, 0,
      "a chain of descriptors without end" },
    { "to itself", { { 7, DATA_BASE, 16, NEXT, 7 } }, 7, 0, "a chain of descriptors without end" },
    { "read behind write", { { 0, DATA_BASE, 16, NEXT | WRITE, 1 }, { 1, DATA_BASE, 16, 0, 0 } }, 0,
      0,
      "a buffer to read behind one to write" },
    { "indirect, not negotiated", { { 0, DATA_BASE, 32, INDIRECT, 0 } }, 0, 0,
      "an indirect descriptor with flags 0x4*" },
    { "index too far", { { 0, DATA_BASE, 16, 0, 0 } }, 0, 65, "the available index moved by 65*" },
};

static const Bad bad_indirect[] = {
    { "with next", { { 0, DATA_BASE, 32, INDIRECT | NEXT, 0 } }, 0, 0,
      "an indirect descriptor with flags 0x5*" },
    { "empty table", { { 0, DATA_BASE, 0, INDIRECT, 0 } }, 0, 0, "an indirect table of 0 bytes" },
    { "odd table", { { 0, DATA_BASE, 17, INDIRECT, 0 } }, 0, 0, "an indirect table of 17 bytes" },
    { "huge table", { { 0, DATA_BASE, 0xfffffff0, INDIRECT, 0 } }, 0, 0,
      "an indirect table of 4294967280 bytes" },
    { "private table", { { 0, PRIVATE_BASE, 32, INDIRECT, 0 } }, 0, 0,
      "the indirect table at 0x80000*" },
    /* The table is the ring's own memory: its descriptor 1 */
    { "table in a table", { { 0, QUEUE_BASE + 16, 16, INDIRECT, 0 },
                            { 1, DATA_BASE, 16, INDIRECT, 0 } }, 0, 0,
      "an indirect table inside an indirect table" },
    { "loop in a table", { { 0, QUEUE_BASE + 16, 32, INDIRECT, 0 }, { 1, DATA_BASE, 1, NEXT, 1 },
      { 2, DATA_BASE, 1, NEXT, 0 } }, 0, 0, "a chain of descriptors without end" },
    { "out of the table", { { 0, QUEUE_BASE + 16, 32, INDIRECT, 0 }, { 1, DATA_BASE, 1, NEXT, 2 } },
      0, 0,
      "descriptor 2 follows, of 2" },
};

/* stderr of one function, at most 1 KiB of it. */
static char *stderr_of(void (*function)(Fixture *f), Fixture *f)
{
    int old = dup(STDERR_FILENO), ends[2];
    char text[1024];

    g_assert_cmpint(pipe(ends), ==, 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    function(f);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    ssize_t n = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    return g_strndup(text, MAX(n, 0));
}

static void kick_0(Fixture *f)
{
    driver_kick(&f->d, 0);
}

static void run_bad(Fixture *f, const Bad *bad, uint64_t features, bool first)
{
    g_autofree char *pattern = g_strdup_printf(
        "*warning: echo0 (virtio-echo): queue 0: %s; the device needs a reset*", bad->message);
    uint32_t head, length;
    unsigned interrupts = f->d.interrupts[0], requests = f->requests;

    g_test_message("%s", bad->label);
    driver_start(&f->d, features, 2, 64);
    for (unsigned i = 0;
         i < G_N_ELEMENTS(bad->descriptors) && bad->descriptors[i].flags + bad->descriptors[i].addr;
         i++) {
        driver_describe(&f->d, 0, bad->descriptors[i].index, bad->descriptors[i].addr,
                        bad->descriptors[i].length, bad->descriptors[i].flags,
                        bad->descriptors[i].next);
    }
    for (unsigned i = 0; i < MAX(bad->offers, 1u); i++) {
        driver_offer(&f->d, 0, bad->head);
    }
    g_autofree char *said = stderr_of(kick_0, f);
    if (first) {
        g_assert_true(g_pattern_match_simple(pattern, said));
    } else {
        g_assert_cmpstr(said, ==, ""); /* once for each device */
    }
    g_assert_cmphex(driver_status(&f->d), ==, 0x4f);
    g_assert_cmpuint(f->d.interrupts[0], ==, interrupts + 1);
    g_assert_cmpuint(f->starts, ==, f->stops);
    g_assert_false(driver_take_used(&f->d, 0, &head, &length));
    driver_kick(&f->d, 0);
    driver_kick(&f->d, 1);
    g_assert_cmpuint(f->requests, ==, requests);
    g_assert_cmpuint(f->d.interrupts[0], ==, interrupts + 1);
}

static void test_bad(gconstpointer data)
{
    const Bad *bad = data;
    bool indirect = bad >= bad_indirect && bad < bad_indirect + G_N_ELEMENTS(bad_indirect);
    uint64_t features = GOOD | (indirect ? VIRTIO_F_INDIRECT_DESC : 0);
    Fixture f = { 0 };

    set_up(&f, GUINT_TO_POINTER(3));
    run_bad(&f, bad, features, true);
    run_bad(&f, bad, features, false);
    driver_start(&f.d, features, 2, 64); /* after a reset all is well again */
    echo(&f, 0, 0);
    tear_down(&f, NULL);
}

static void test_bad_rings(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned field;
        uint64_t address;
    } rows[] = {
        { "private descriptors", 0x20, PRIVATE_BASE },
        { "private available ring", 0x28, PRIVATE_BASE },
        { "private used ring", 0x30, PRIVATE_BASE }, { "odd descriptors", 0x20, DATA_BASE + 8 },
        { "odd available ring", 0x28, DATA_BASE + 1 }, { "odd used ring", 0x30, DATA_BASE + 2 },
        { "used ring ends in private memory", 0x30, PRIVATE_BASE - 8 },
        { "no RAM", 0x20, BAR_BASE },
        { "wraps", 0x20, UINT64_MAX - 15 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        driver_negotiate(&f->d, GOOD);
        driver_set_up_queues(&f->d, 2, 64);
        driver_write(&f->d, f->d.common + 0x16, 0, 2);
        /* enabled: too late */
        driver_write(&f->d, f->d.common + rows[i].field, rows[i].address, 8);
        driver_set_status(&f->d, 0xf);
        echo(f, 0, 0);
        driver_negotiate(&f->d, GOOD);
        driver_write(&f->d, f->d.common + 0x16, 0, 2);
        for (unsigned field = 0x20; field <= 0x30; field += 8) {
            hwaddr usual = QUEUE_BASE + (field == 0x20 ? 0 : field == 0x28 ? 0x4000 : 0x5000);
            driver_write(&f->d, f->d.common + field,
                         field == rows[i].field ? rows[i].address : usual, 8);
        }
        driver_write(&f->d, f->d.common + 0x18, 64, 2);
        driver_write(&f->d, f->d.common + 0x1c, 1, 2);
        memset(f->d.ram + QUEUE_BASE, 0, 0x6000);
        driver_set_status(&f->d, 0xf);
        driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
        driver_offer(&f->d, 0, 0);
        g_autofree char *said = stderr_of(kick_0, f);
        g_assert_true(i ? !*said : strstr(said, "is not in memory that the guest shares") != NULL);
        g_assert_cmphex(driver_status(&f->d), ==, 0x4f);
    }
}

static void test_before_start(Fixture *f, gconstpointer data)
{
    driver_kick(&f->d, 0);
    driver_negotiate(&f->d, GOOD);
    driver_set_up_queues(&f->d, 2, 64);
    driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
    driver_offer(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    driver_kick(&f->d, 7);
    driver_kick(&f->d, 1023);
    g_assert_cmpuint(f->requests, ==, 0);
    driver_set_status(&f->d, 0xf);
    driver_kick(&f->d, 0);
    g_assert_cmpuint(f->requests, ==, 1);
}

static void test_queue_registers(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint16_t write, read;
    } sizes[] = {
        { "less", 16, 16 }, { "more than there is", 512, 256 }, { "0", 0, 256 },
        { "no power of two", 100, 256 },
        { "65535", 65535, 256 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_test_message("%s", sizes[i].label);
        driver_negotiate(&f->d, GOOD);
        driver_write(&f->d, f->d.common + 0x18, sizes[i].write, 2);
        g_assert_cmpuint(driver_read(&f->d, f->d.common + 0x18, 2), ==, sizes[i].read);
    }
    driver_write(&f->d, f->d.common + 0x1a, 3, 2); /* vectors are 0 to 2 */
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x1a, 2), ==, 0xffff);
    driver_write(&f->d, f->d.common + 0x1a, 2, 2);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x1a, 2), ==, 2);
    driver_write(&f->d, f->d.common + 0x20, 0x12345678, 4);
    driver_write(&f->d, f->d.common + 0x24, 0x9abcdef0, 4);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x20, 8), ==, UINT64_C(0x9abcdef012345678));
    driver_write(&f->d, f->d.common + 0x21, 0, 1); /* no field's size */
    driver_write(&f->d, f->d.common + 0x22, 0, 2);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x20, 8), ==, UINT64_C(0x9abcdef012345678));
    driver_write(&f->d, f->d.common + 0x1c, 1, 2);
    driver_write(&f->d, f->d.common + 0x1c, 0, 2); /* enabled stays enabled */
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x1c, 2), ==, 1);
}

static void test_queue_reset(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD | VIRTIO_F_RING_RESET, 2, 64);
    echo(f, 0, 0);
    echo(f, 1, 0);
    f->hold = true;
    driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
    driver_offer(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    driver_write(&f->d, f->d.common + 0x16, 0, 2);
    driver_write(&f->d, f->d.common + 0x3a, 1, 2);
    g_assert_cmpuint(f->queue_stops, ==, 1);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x1c, 2), ==, 0);
    f->hold = false;
    echo(f, 1, 0);
    f->d.available[0] = f->d.used[0] = 0;
    driver_set_up_queues(&f->d, 1, 32);
    g_mutex_lock(&f->d.lock);
    /* of the old ring: not seen */
    virtqueue_push(virtio_queue(f->device, 0), g_steal_pointer(&f->held), 16);
    g_mutex_unlock(&f->d.lock);
    echo(f, 0, 0);
}

static void test_unpop(Fixture *f, gconstpointer data)
{
    uint32_t head, length;

    driver_start(&f->d, GOOD, 1, 64);
    f->hold = true;
    driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
    driver_offer(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    g_mutex_lock(&f->d.lock);
    virtqueue_unpop(virtio_queue(f->device, 0), g_steal_pointer(&f->held));
    g_assert_false(virtqueue_is_empty(virtio_queue(f->device, 0)));
    g_mutex_unlock(&f->d.lock);
    f->hold = false;
    driver_kick(&f->d, 0);
    g_assert_true(driver_take_used(&f->d, 0, &head, &length));
    g_assert_cmpuint(f->requests, ==, 2);
}

static void test_pin(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 1, 64);
    driver_write(&f->d, f->d.common + 0x1a, 0, 2);
    g_assert_cmphex(driver_read(&f->d, f->d.common + 0x1a, 2), ==, 0xffff);
    echo(f, 0, 0);
    g_assert_cmphex(pci_config_get(f->d.function, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0);
    g_assert_cmphex(driver_read(&f->d, f->d.isr, 1), ==, 1);
    g_assert_cmphex(driver_read(&f->d, f->d.isr, 1), ==, 0);
    g_assert_cmphex(pci_config_get(f->d.function, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, ==, 0);
    g_mutex_lock(&f->d.lock);
    virtio_config_changed(f->device);
    g_mutex_unlock(&f->d.lock);
    g_assert_cmphex(driver_read(&f->d, f->d.isr, 1), ==, 2);
}

static void test_bus_master(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 1, 64);
    pci_bus_write(f->d.root, 0, PCI_DEVFN(3, 0), PCI_COMMAND, 2, 2);
    driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
    driver_offer(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    g_assert_cmpuint(f->requests, ==, 0);
    pci_bus_write(f->d.root, 0, PCI_DEVFN(3, 0), PCI_COMMAND, 6, 2);
    while (g_main_context_iteration(NULL, FALSE)) {
        continue;
    }
    g_assert_cmpuint(f->requests, ==, 1);
    g_assert_cmpuint(f->d.interrupts[1], ==, 1);
}

/* What the device itself has to say meanwhile, it says afterwards. */
static void test_bus_master_device(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 1, 64);
    f->hold = true;
    driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
    driver_offer(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    g_assert_nonnull(f->held);
    unsigned queue = f->d.interrupts[1], config = f->d.interrupts[0];
    pci_bus_write(f->d.root, 0, PCI_DEVFN(3, 0), PCI_COMMAND, 2, 2);
    g_mutex_lock(&f->d.lock);
    virtqueue_push(virtio_queue(f->device, 0), g_steal_pointer(&f->held), 0);
    virtqueue_notify(virtio_queue(f->device, 0));
    virtio_config_changed(f->device);
    g_mutex_unlock(&f->d.lock);
    g_assert_cmpuint(f->d.interrupts[1], ==, queue);
    g_assert_cmpuint(f->d.interrupts[0], ==, config);
    pci_bus_write(f->d.root, 0, PCI_DEVFN(3, 0), PCI_COMMAND, 6, 2);
    g_assert_cmpuint(f->d.interrupts[1], ==, queue + 1);
    g_assert_cmpuint(f->d.interrupts[0], ==, config + 1);
}

/* The window in configuration space into the BAR. */
static void test_window(Fixture *f, gconstpointer data)
{
    PciBus *root = f->d.root;
    unsigned devfn = PCI_DEVFN(3, 0), window = 0;

    for (unsigned at = pci_bus_read(root, 0, devfn, PCI_CAPABILITY_LIST, 1); at;
         at = pci_bus_read(root, 0, devfn, at + 1, 1)) {
        if (pci_bus_read(root, 0, devfn, at, 1) == PCI_CAP_VENDOR &&
            pci_bus_read(root, 0, devfn, at + 3, 1) == 5) {
            window = at;
        }
    }
    g_assert_cmpuint(window, !=, 0);
    pci_bus_write(root, 0, devfn, window + 4, 4, 1);
    pci_bus_write(root, 0, devfn, window + 8, 0x2000, 4);
    pci_bus_write(root, 0, devfn, window + 12, 2, 4);
    g_assert_cmphex(pci_bus_read(root, 0, devfn, window + 16, 4), ==, 0xa1a0);
    pci_bus_write(root, 0, devfn, window + 16, 0x5566, 2);
    g_assert_cmphex(driver_read(&f->d, f->d.config, 4), ==, 0xa3a25566);
    pci_bus_write(root, 0, devfn, window + 8, 0xffffffff, 4); /* beyond, and not aligned */
    g_assert_cmphex(pci_bus_read(root, 0, devfn, window + 16, 2), ==, 0x5566);
    pci_bus_write(root, 0, devfn, window + 8, 0x3ffe, 4);
    pci_bus_write(root, 0, devfn, window + 12, 4, 4);
    pci_bus_write(root, 0, devfn, window + 16, 0, 4);
    pci_bus_write(root, 0, devfn, window + 8, 0xfffffffc, 4);
    g_assert_cmphex(pci_bus_read(root, 0, devfn, window + 16, 4), ==, 0xffffffff);
    pci_bus_write(root, 0, devfn, window + 4, 1, 1); /* not this device's BAR */
    pci_bus_write(root, 0, devfn, window + 8, 12, 4);
    pci_bus_write(root, 0, devfn, window + 16, 0, 4);
    g_assert_cmphex(pci_bus_read(root, 0, devfn, window + 12, 4), ==, 4);
}

/* A driver that adds requests as fast as they are done holds up nobody: each turn has an end. */
static void test_turns(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 1, 16);
    driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
    driver_offer(&f->d, 0, 0);
    f->endless = true;
    driver_kick(&f->d, 0);
    g_assert_cmpuint(f->requests, ==, 16);
    for (unsigned turn = 2; turn < 5; turn++) {
        g_assert_true(g_main_context_iteration(NULL, FALSE));
        g_assert_cmpuint(f->requests, ==, 16 * turn);
    }
    f->endless = false;
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_cmpuint(f->requests, ==, 16 * 4 + 1);
    /* The reset takes the next turn away. */
    f->endless = true;
    driver_offer(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    driver_set_status(&f->d, 0);
    g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(f->requests, ==, 16 * 5 + 1);
}

/*
 * What the device has not given back counts: a driver cannot make it keep more than the queue has
 * entries.
 */
static void test_in_flight(Fixture *f, gconstpointer data)
{
    VirtqElement *elements[16];
    VirtQueue *queue = virtio_queue(f->device, 0);

    driver_start(&f->d, GOOD, 1, 16);
    driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
    for (unsigned i = 0; i < 16; i++) {
        driver_offer(&f->d, 0, 0);
        elements[i] = virtqueue_pop(queue);
        g_assert_nonnull(elements[i]);
    }
    virtqueue_unpop(queue, elements[15]);
    elements[15] = virtqueue_pop(queue);
    virtqueue_push(queue, elements[15], 0);
    driver_offer(&f->d, 0, 0);
    elements[15] = virtqueue_pop(queue);
    g_assert_nonnull(elements[15]);
    g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, ==, 0);
    driver_offer(&f->d, 0, 0);
    g_assert_null(virtqueue_pop(queue));
    g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    for (unsigned i = 0; i < 16; i++) {
        virtq_element_free(elements[i]);
    }
    driver_start(&f->d, GOOD, 1, 16); /* none of them counts any more */
    driver_describe(&f->d, 0, 0, DATA_BASE, 16, 0, 0);
    driver_offer(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    g_assert_cmpuint(f->requests, ==, 1);
}

#define ADD(name, vectors, function) \
    g_test_add("/virtio/" name, Fixture, GUINT_TO_POINTER(vectors), set_up, function, tear_down)

static void add_bad(const Bad *rows, unsigned count, const char *group)
{
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *label = g_strdelimit(g_strdup(rows[i].label), " ,", '-');
        g_autofree char *path = g_strdup_printf("/virtio/%s/%s", group, label);
        g_test_add_data_func(path, &rows[i], test_bad);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("identity", 3, test_identity);
    ADD("negotiation", 3, test_negotiation);
    ADD("config", 3, test_config);
    ADD("requests", 3, test_requests);
    ADD("event-index", 3, test_event_index);
    ADD("indirect", 3, test_indirect);
    add_bad(bad_chains, G_N_ELEMENTS(bad_chains), "bad-chain");
    add_bad(bad_indirect, G_N_ELEMENTS(bad_indirect), "bad-indirect");
    ADD("bad-rings", 3, test_bad_rings);
    ADD("before-start", 3, test_before_start);
    ADD("queue-registers", 3, test_queue_registers);
    ADD("queue-reset", 3, test_queue_reset);
    ADD("unpop", 3, test_unpop);
    ADD("turns", 3, test_turns);
    ADD("in-flight", 3, test_in_flight);
    ADD("pin", 0, test_pin);
    ADD("bus-master", 3, test_bus_master);
    ADD("bus-master-device", 3, test_bus_master_device);
    ADD("window", 3, test_window);
    return g_test_run();
}
