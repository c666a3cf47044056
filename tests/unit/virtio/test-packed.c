/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packed virtqueues: what a driver puts into the ring, what it finds there afterwards, and when it
 * is interrupted.
 */
#include "driver.h"

#include "hw/virtio/virtio-transport.h"
#include "util/bytes.h"

#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_RING_PACKED)
#define AVAILABLE_BIT 0x80
#define USED_BIT 0x8000
#define DRIVER_AREA (QUEUE_BASE + 0x4000)
#define DEVICE_AREA (QUEUE_BASE + 0x5000)
#define TABLE (DATA_BASE + 0x4000)
enum { EVENTS_ENABLE, EVENTS_DISABLE, EVENTS_AT };

typedef struct Fixture {
    Driver d;
    VirtioDevice *device;
    unsigned size;
    /* The driver's side of the ring */
    unsigned next, used;
    bool wrap, used_wrap;
    /* What the device did with its requests: nothing before the test says so */
    GPtrArray *taken;
} Fixture;

static void notify(void *opaque, VirtQueue *queue)
{
    Fixture *f = opaque;
    VirtqElement *element;

    while ((element = virtqueue_pop(queue))) {
        g_ptr_array_add(f->taken, element);
    }
}

static void stop(void *opaque)
{
    Fixture *f = opaque;

    while (f->taken->len) {
        virtq_element_free(g_ptr_array_remove_index(f->taken, 0));
    }
}

static void stop_queue(void *opaque, VirtQueue *queue)
{
    stop(opaque);
}

static const VirtioClass class = { .name = "virtio-test", .id = 42, .notify = notify, .stop = stop,
    .stop_queue = stop_queue };

static void start(Fixture *f, uint64_t features, unsigned size)
{
    driver_start(&f->d, FEATURES | features, 1, size);
    f->size = size;
    f->next = f->used = 0;
    f->wrap = f->used_wrap = true;
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->taken = g_ptr_array_new();
    driver_init(&f->d);
    VirtioEnvironment environment = driver_environment(&f->d, "packed0");
    f->device = virtio_new(&class, f, &environment);
    virtio_add_queue(f->device, 16);
    virtio_offer(f->device, VIRTIO_F_RING_PACKED);
    driver_plug(&f->d, f->device, 2);
    start(f, 0, 8);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    driver_free(&f->d);
    g_ptr_array_unref(f->taken);
}

static uint8_t *slot(Fixture *f, unsigned index)
{
    return f->d.ram + QUEUE_BASE + 16 * index;
}

/*
 * A request of so many slots, in the ring in the order that drivers write it: its first flags last.
 */
static void offer(Fixture *f, uint16_t id, unsigned slots, uint16_t flags, hwaddr address,
                  uint32_t length)
{
    uint8_t *first = slot(f, f->next);
    uint16_t first_flags = 0;

    for (unsigned i = 0; i < slots; i++) {
        uint8_t *at = slot(f, f->next);
        uint16_t own = (uint16_t)(flags | (i + 1 < slots ? NEXT : 0) |
                                  (f->wrap ? AVAILABLE_BIT : USED_BIT));
        store_le64(at, address + 256 * i);
        store_le32(at + 8, length);
        store_le16(at + 12, i + 1 == slots ? id : 0xdead);
        if (i) {
            store_le16(at + 14, own);
        } else {
            first_flags = own;
        }
        if (++f->next == f->size) {
            f->next = 0;
            f->wrap = !f->wrap;
        }
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
    store_le16(first + 14, first_flags);
}

static VirtQueue *queue_of(Fixture *f)
{
    return virtio_queue(f->device, 0);
}

/* The device is done with the index-th of those that it holds. */
static void finish(Fixture *f, unsigned index, uint32_t written)
{
    g_mutex_lock(&f->d.lock);
    virtqueue_push(queue_of(f), g_ptr_array_remove_index(f->taken, index), written);
    g_mutex_unlock(&f->d.lock);
}

static bool tell(Fixture *f)
{
    unsigned before = f->d.interrupts[1];

    g_mutex_lock(&f->d.lock);
    virtqueue_notify(queue_of(f));
    g_mutex_unlock(&f->d.lock);
    return f->d.interrupts[1] != before;
}

/* The driver finds its request, of so many slots, used. */
static void expect_used(Fixture *f, uint16_t id, unsigned slots, uint32_t written)
{
    const uint8_t *at = slot(f, f->used);
    uint16_t flags = load_le16(at + 14);

    g_assert_cmphex(flags & (AVAILABLE_BIT | USED_BIT), ==, f->used_wrap ? AVAILABLE_BIT | USED_BIT
                    : 0);
    g_assert_cmphex(flags & WRITE, ==, written ? WRITE : 0);
    g_assert_cmpuint(load_le16(at + 12), ==, id);
    g_assert_cmpuint(load_le32(at + 8), ==, written);
    f->used += slots;
    if (f->used >= f->size) {
        f->used -= f->size;
        f->used_wrap = !f->used_wrap;
    }
}

/*
 * Many rounds of requests of one to three slots, on rings of sizes that are and are not powers of
 * two; the last given back first.
 */
static void test_rounds(Fixture *f, gconstpointer data)
{
    static const unsigned sizes[] = { 8, 4, 7, 16 };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        start(f, 0, sizes[i]);
        for (unsigned round = 0; round < 50; round++) {
            unsigned slots[2] = { 1 + round % 3, 1 };
            offer(f, (uint16_t)(100 + round), slots[0], WRITE, DATA_BASE, 64);
            offer(f, (uint16_t)(200 + round), slots[1], 0, DATA_BASE, 32);
            driver_kick(&f->d, 0);
            g_assert_cmpuint(f->taken->len, ==, 2);
            const VirtqElement *first = f->taken->pdata[0], *second = f->taken->pdata[1];
            g_assert_cmpuint(first->num_in, ==, slots[0]);
            g_assert_cmpuint(first->in_size, ==, 64 * slots[0]);
            g_assert_true(first->in[slots[0] - 1].iov_base ==
                          f->d.ram + DATA_BASE + 256 * (slots[0] - 1));
            g_assert_cmpuint(second->num_out, ==, 1);
            g_assert_cmpuint(second->out_size, ==, 32);
            unsigned order = round % 2;
            finish(f, order, order ? 0 : 7);
            finish(f, 0, order ? 7 : 0);
            g_assert_true(tell(f));
            g_assert_false(tell(f));
            for (unsigned n = 0; n < 2; n++) {
                bool is_second = order ? n == 0 : n == 1;
                expect_used(f, (uint16_t)((is_second ? 200 : 100) + round), slots[is_second],
                            is_second ? 0 : 7);
            }
        }
    }
}

static void test_indirect(Fixture *f, gconstpointer data)
{
    start(f, VIRTIO_F_INDIRECT_DESC, 4);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *entry = f->d.ram + TABLE + 16 * i;
        store_le64(entry, DATA_BASE + 64 * i);
        store_le32(entry + 8, 16);
        store_le16(entry + 12, 0);
        store_le16(entry + 14, i == 2 ? WRITE : NEXT); /* NEXT says nothing here */
    }
    for (unsigned round = 0; round < 10; round++) {
        offer(f, 3, 1, INDIRECT, TABLE, 48);
        driver_kick(&f->d, 0);
        g_assert_cmpuint(f->taken->len, ==, 1);
        const VirtqElement *element = f->taken->pdata[0];
        g_assert_cmpuint(element->num_out, ==, 2);
        g_assert_cmpuint(element->num_in, ==, 1);
        finish(f, 0, 16);
        expect_used(f, 3, 1, 16);
    }
}

static void test_unpop(Fixture *f, gconstpointer data)
{
    start(f, 0, 4);
    for (unsigned round = 0; round < 20; round++) {
        offer(f, 9, 3, WRITE, DATA_BASE, 16);
        for (unsigned i = 0; i < 3; i++) {
            driver_kick(&f->d, 0);
            g_assert_cmpuint(f->taken->len, ==, 1);
            if (i < 2) {
                g_mutex_lock(&f->d.lock);
                virtqueue_unpop(queue_of(f), g_ptr_array_remove_index(f->taken, 0));
                g_assert_false(virtqueue_is_empty(queue_of(f)));
                g_mutex_unlock(&f->d.lock);
            }
        }
        g_mutex_lock(&f->d.lock);
        g_assert_true(virtqueue_is_empty(queue_of(f)));
        g_mutex_unlock(&f->d.lock);
        finish(f, 0, 1);
        expect_used(f, 9, 3, 1);
    }
}

static void set_events(Fixture *f, uint16_t flags, uint16_t event)
{
    store_le16(f->d.ram + DRIVER_AREA, event);
    store_le16(f->d.ram + DRIVER_AREA + 2, flags);
}

/*
 * Against the plain reading of 2.8.14: the driver is told when the descriptor at the event's place
 * was used since it was told before.
 */
static void test_events(Fixture *f, gconstpointer data)
{
    const unsigned size = 4;

    start(f, VIRTIO_F_EVENT_IDX, size);
    set_events(f, EVENTS_AT, 0x8000);
    offer(f, 1, 1, 0, DATA_BASE, 16);
    driver_kick(&f->d, 0);
    finish(f, 0, 0);
    g_assert_true(tell(f)); /* the first is always told */
    expect_used(f, 1, 1, 0);
    uint64_t total = 1, told = 1;
    for (unsigned round = 0; round < 2000; round++) {
        /* slots; where the event is */
        unsigned count = round * 7 % 3 + 1, ahead = round * 5 % size;
        uint64_t event = told + ahead;
        set_events(f, EVENTS_AT, (uint16_t)(event % size | (event / size % 2 ? 0 : 0x8000)));
        offer(f, 1, count, 0, DATA_BASE, 16);
        driver_kick(&f->d, 0);
        finish(f, 0, 0);
        expect_used(f, 1, count, 0);
        total += count;
        g_assert_cmpint(tell(f), ==, event < total);
        told = total;
    }
    set_events(f, EVENTS_DISABLE, 0);
    offer(f, 1, 1, 0, DATA_BASE, 16);
    driver_kick(&f->d, 0);
    finish(f, 0, 0);
    g_assert_false(tell(f));
    set_events(f, EVENTS_ENABLE, 0);
    g_assert_false(tell(f)); /* of what was used before */
    start(f, 0, size); /* a driver that has no events at a place asks for all by any other word */
    set_events(f, EVENTS_AT, 3);
    for (unsigned i = 0; i < 10; i++) {
        offer(f, 1, 1, 0, DATA_BASE, 16);
        driver_kick(&f->d, 0);
        finish(f, 0, 0);
        g_assert_true(tell(f));
    }
}

static void test_want_notify(Fixture *f, gconstpointer data)
{
    g_mutex_lock(&f->d.lock);
    virtqueue_want_notify(queue_of(f), false);
    g_assert_cmpuint(load_le16(f->d.ram + DEVICE_AREA + 2), ==, EVENTS_DISABLE);
    virtqueue_want_notify(queue_of(f), true);
    g_assert_cmpuint(load_le16(f->d.ram + DEVICE_AREA + 2), ==, EVENTS_ENABLE);
    g_mutex_unlock(&f->d.lock);
}

static void test_queue_reset(Fixture *f, gconstpointer data)
{
    start(f, VIRTIO_F_RING_RESET, 8);
    for (unsigned round = 0; round < 5; round++) {
        offer(f, 1, 3, 0, DATA_BASE, 16);
        driver_kick(&f->d, 0);
        g_assert_cmpuint(f->taken->len, ==, 1);
        driver_write(&f->d, f->d.common + 0x16, 0, 2);
        driver_write(&f->d, f->d.common + 0x3a, 1, 2);
        g_assert_cmpuint(f->taken->len, ==, 0);
        driver_set_up_queues(&f->d, 1, 8);
        f->next = f->used = 0;
        f->wrap = f->used_wrap = true;
        offer(f, 2, 1, 0, DATA_BASE, 16);
        driver_kick(&f->d, 0);
        finish(f, 0, 0);
        expect_used(f, 2, 1, 0);
        driver_write(&f->d, f->d.common + 0x3a, 1, 2);
        driver_set_up_queues(&f->d, 1, 8);
        f->next = f->used = 0;
        f->wrap = f->used_wrap = true;
    }
}

static void test_broken(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint64_t features;
        unsigned slots;
        uint16_t flags;
        hwaddr address;
        uint32_t length;
    } rows[] = {
        { "no bytes", 0, 1, 0, DATA_BASE, 0 }, { "private", 0, 1, 0, PRIVATE_BASE, 16 },
        { "across the edge", 0, 1, WRITE, PRIVATE_BASE - 8, 16 },
        { "beyond memory", 0, 1, 0, UINT64_MAX - 3, 16 },
        { "more than 4 GiB", 0, 2, WRITE, DATA_BASE, UINT32_MAX },
        { "indirect, not accepted", 0, 1, INDIRECT, TABLE, 16 },
        { "indirect in a chain", VIRTIO_F_INDIRECT_DESC, 2, INDIRECT, TABLE, 16 },
        { "half a table", VIRTIO_F_INDIRECT_DESC, 1, INDIRECT, TABLE, 24 },
        { "no table", VIRTIO_F_INDIRECT_DESC, 1, INDIRECT, TABLE, 0 },
        { "a private table", VIRTIO_F_INDIRECT_DESC, 1, INDIRECT, PRIVATE_BASE, 16 },
        { "a table that is empty", VIRTIO_F_INDIRECT_DESC, 1, INDIRECT, TABLE + 0x1000, 16 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        start(f, rows[i].features, 8);
        offer(f, 1, rows[i].slots, rows[i].flags, rows[i].address, rows[i].length);
        driver_kick(&f->d, 0);
        g_assert_cmphex(driver_status(&f->d), ==, 0x4f);
        g_assert_cmpuint(f->taken->len, ==, 0);
    }
    start(f, 0, 8); /* a chain that goes round */
    for (unsigned i = 0; i < 8; i++) {
        offer(f, 1, 1, NEXT, DATA_BASE, 16);
    }
    driver_kick(&f->d, 0);
    g_assert_cmphex(driver_status(&f->d), ==, 0x4f);
    start(f, 0, 8); /* something to read behind something to write */
    offer(f, 1, 1, WRITE | NEXT, DATA_BASE, 16);
    offer(f, 1, 1, 0, DATA_BASE, 16);
    driver_kick(&f->d, 0);
    g_assert_cmphex(driver_status(&f->d), ==, 0x4f);
}

/* Each of the three areas where it must not be. */
static void test_places(Fixture *f, gconstpointer data)
{
    static const struct {
        unsigned part;
        hwaddr address;
    } rows[] = {
        { 0x20, PRIVATE_BASE }, { 0x20, PRIVATE_BASE - 64 }, { 0x20, QUEUE_BASE + 8 },
        { 0x28, PRIVATE_BASE }, { 0x28, DRIVER_AREA + 2 },
        { 0x30, PRIVATE_BASE }, { 0x30, DEVICE_AREA + 2 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmphex(driver_negotiate(&f->d, FEATURES), ==, 0xb);
        driver_write(&f->d, f->d.common + 0x16, 0, 2);
        driver_write(&f->d, f->d.common + 0x18, 8, 2);
        driver_write(&f->d, f->d.common + 0x20, QUEUE_BASE, 8);
        driver_write(&f->d, f->d.common + 0x28, DRIVER_AREA, 8);
        driver_write(&f->d, f->d.common + 0x30, DEVICE_AREA, 8);
        driver_write(&f->d, f->d.common + rows[i].part, rows[i].address, 8);
        driver_write(&f->d, f->d.common + 0x1c, 1, 2);
        driver_set_status(&f->d, 0xf);
        f->size = 8;
        f->next = f->used = 0;
        f->wrap = f->used_wrap = true;
        memset(f->d.ram + QUEUE_BASE, 0, 128);
        offer(f, 1, 1, 0, DATA_BASE, 16);
        driver_kick(&f->d, 0);
        if (f->taken->len) {
            finish(f, 0, 0);
            tell(f);
        }
        g_mutex_lock(&f->d.lock);
        virtqueue_want_notify(queue_of(f), false);
        g_mutex_unlock(&f->d.lock);
        g_assert_cmphex(driver_status(&f->d), ==, 0x4f);
    }
}

#define ADD(name, function) \
    g_test_add("/virtio-packed/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("rounds", test_rounds);
    ADD("indirect", test_indirect);
    ADD("unpop", test_unpop);
    ADD("events", test_events);
    ADD("want-notify", test_want_notify);
    ADD("queue-reset", test_queue_reset);
    ADD("broken", test_broken);
    ADD("places", test_places);
    return g_test_run();
}
