/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-blk whose queues have a thread of their own (iothread=): the machine lock, resets, resizes
 * and removals beside it.
 */
#include "driver.h"

#include <unistd.h>

#include "hw/virtio/virtio-blk.h"
#include "util/bytes.h"

#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)
#define DISK_SECTORS 2048
#define QUEUES 2
#define QUEUE_SIZE 64
#define REQUESTS 21 /* of three descriptors each */
#define SECTOR 512
#define VECTORS (QUEUES + 1)
enum { TYPE_IN = 0, TYPE_OUT = 1 };

typedef struct Fixture {
    Driver d;
    LoopThread loop;
    char *path;
    int fd;
    BlockNode *node;
    VirtioBlk *blk;
} Fixture;

static void plug(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    VirtioEnvironment environment = driver_environment(&f->d, "disk0");
    VirtioBlkConfig config = {
        .node = f->node, .num_queues = QUEUES, .queue_size = 128,
        .topology.logical_block_size = 512,
        .topology.physical_block_size = 512,
        .topology.discard_granularity = BLOCK_GRANULARITY_AUTO,
        .discard = true, .write_zeroes = true,
    };

    environment.context = f->loop.context;
    f->blk = virtio_blk_new(&config, &environment, &error);
    g_assert_no_error(error);
    driver_plug(&f->d, virtio_blk_device(f->blk), VECTORS);
}

static void start(Fixture *f)
{
    driver_start(&f->d, FEATURES, QUEUES, QUEUE_SIZE);
}

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->path = g_strdup("/var/tmp/test-virtio-blk-XXXXXX");
    f->fd = g_mkstemp(f->path);
    g_assert_cmpint(ftruncate(f->fd, DISK_SECTORS * SECTOR), ==, 0);
    for (unsigned i = 0; i < DISK_SECTORS; i++) {
        /* each sector begins with its number */
        g_assert_cmpint(pwrite(f->fd, &i, sizeof(i), (off_t)i * SECTOR), ==, sizeof(i));
    }
    loop_thread_start(&f->loop);
    driver_init(&f->d);
    f->node = block_file_open(&(BlockFileOptions) { .filename = f->path, .discard = true,
        .direct = data != NULL }, &error);
    if (!f->node) { /* not every file system knows direct access */
        g_clear_error(&error);
        f->node = block_file_open(&(BlockFileOptions) { .filename = f->path, .discard = true },
                                  &error);
    }
    g_assert_no_error(error);
    plug(f);
    start(f);
}

static void unplug(Fixture *f)
{
    g_mutex_lock(&f->d.lock);
    pci_bus_remove(f->d.root, f->d.function);
    pci_function_free(f->d.function);
    virtio_blk_free(f->blk);
    g_mutex_unlock(&f->d.lock);
    f->blk = NULL;
}

static void tear_down(Fixture *f, gconstpointer data)
{
    if (f->blk) {
        unplug(f);
    }
    driver_free(&f->d);
    loop_thread_end(&f->loop);
    qom_object_unref(&f->node->object);
    close(f->fd);
    unlink(f->path);
    g_free(f->path);
}

/* ---- Requests: number i of a queue has buffers of its own ---- */

static hwaddr header_of(unsigned queue, unsigned i)
{
    return DATA_BASE + queue * 0x10000 + i * 64;
}

static hwaddr status_of(unsigned queue, unsigned i)
{
    return header_of(queue, i) + 32;
}

static hwaddr data_of(unsigned queue, unsigned i)
{
    return DATA_BASE + queue * 0x10000 + 0x4000 + i * SECTOR;
}

static void offer(Fixture *f, unsigned queue, unsigned i, uint32_t type, uint64_t sector)
{
    Driver *d = &f->d;

    store_le32(d->ram + header_of(queue, i), type);
    store_le32(d->ram + header_of(queue, i) + 4, 0);
    store_le64(d->ram + header_of(queue, i) + 8, sector);
    d->ram[status_of(queue, i)] = 0xee;
    driver_describe(d, queue, 3 * i, header_of(queue, i), 16, NEXT, (uint16_t)(3 * i + 1));
    driver_describe(d, queue, 3 * i + 1, data_of(queue, i), SECTOR, NEXT |
                    (type == TYPE_IN ? WRITE : 0), (uint16_t)(3 * i + 2));
    driver_describe(d, queue, 3 * i + 2, status_of(queue, i), 1, WRITE, 0);
    driver_offer(d, queue, (uint16_t)(3 * i));
}

static void offer_reads(Fixture *f, unsigned queue, unsigned first_sector)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        offer(f, queue, i, TYPE_IN, first_sector + i);
    }
    driver_kick(&f->d, queue);
}

static void take_reads(Fixture *f, unsigned queue, unsigned first_sector)
{
    for (unsigned n = 0; n < REQUESTS; n++) {
        uint32_t head, length;
        driver_wait_used(&f->d, queue, &head, &length);
        unsigned i = head / 3;
        g_assert_cmpuint(length, ==, SECTOR + 1);
        g_assert_cmpuint(f->d.ram[status_of(queue, i)], ==, 0);
        g_assert_cmpuint(load_le32(f->d.ram + data_of(queue, i)), ==, first_sector + i);
    }
}

/* ---- Tests ---- */

static bool take_without_lock(Fixture *f, uint32_t *head)
{
    uint32_t length;
    gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;

    while (!driver_take_used(&f->d, 0, head, &length)) {
        if (g_get_monotonic_time() > end) {
            return false;
        }
        g_usleep(200);
    }
    return true;
}

/* The machine lock is held all the time, and the main loop does not turn. */
static void test_no_machine_lock(Fixture *f, gconstpointer data)
{
    uint32_t head;

    store_le32(f->d.ram + data_of(0, 0), 0x12345678);
    offer(f, 0, 0, TYPE_OUT, 9);
    g_mutex_lock(&f->d.lock);
    address_space_write(f->d.memory, f->d.notify, 0, 2);
    g_assert_true(take_without_lock(f, &head));
    offer(f, 0, 1, TYPE_IN, 9);
    address_space_write(f->d.memory, f->d.notify, 0, 2);
    g_assert_true(take_without_lock(f, &head));
    g_mutex_unlock(&f->d.lock);
    g_assert_cmpuint(head, ==, 3);
    g_assert_cmphex(load_le32(f->d.ram + data_of(0, 1)), ==, 0x12345678);
    while (!f->d.interrupts[1]) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static void test_transfers(Fixture *f, gconstpointer data)
{
    for (unsigned round = 0; round < 200; round++) {
        offer_reads(f, 0, round);
        offer_reads(f, 1, 1000 + round);
        take_reads(f, 0, round);
        take_reads(f, 1, 1000 + round);
    }
}

/* The driver starts over with requests under way; what is left of them touches nothing. */
static void test_resets(Fixture *f, gconstpointer data)
{
    for (unsigned round = 0; round < 200; round++) {
        offer_reads(f, 0, round);
        offer_reads(f, 1, round);
        if (round % 3 == 0) {
            take_reads(f, 1, round);
        }
        if (round % 4 == 3) {
            g_usleep(round);
        }
        driver_set_status(&f->d, 0);
        memset(f->d.ram + DATA_BASE, 0x11, QUEUES * 0x10000);
        if (round % 16 == 1) {
            g_usleep(2000); /* what comes late would */
        }
        for (unsigned i = 0; i < QUEUES * 0x10000; i++) {
            g_assert_cmphex(f->d.ram[DATA_BASE + i], ==, 0x11);
        }
        start(f);
    }
}

static void test_queue_reset(Fixture *f, gconstpointer data)
{
    for (unsigned round = 0; round < 50; round++) {
        driver_start(&f->d, FEATURES | VIRTIO_F_RING_RESET, QUEUES, QUEUE_SIZE);
        offer_reads(f, 0, round);
        offer_reads(f, 1, round);
        driver_write(&f->d, f->d.common + 0x16, 0, 2); /* queue 0: QUEUE_RESET, and up again */
        driver_write(&f->d, f->d.common + 0x3a, 1, 2);
        f->d.available[0] = f->d.used[0] = 0;
        take_reads(f, 1, round);
        f->d.available[1] = f->d.used[1] = 0;
        driver_write(&f->d, f->d.common + 0x16, 1, 2);
        driver_write(&f->d, f->d.common + 0x3a, 1, 2);
        driver_set_up_queues(&f->d, QUEUES, QUEUE_SIZE);
        offer_reads(f, 0, round + 7);
        take_reads(f, 0, round + 7);
    }
}

/* A broken request is the main loop's to tell of. */
static void test_failure(Fixture *f, gconstpointer data)
{
    for (unsigned round = 0; round < 20; round++) {
        unsigned before = f->d.interrupts[0];
        offer_reads(f, 1, 0);
        driver_describe(&f->d, 0, 0, PRIVATE_BASE, 16, NEXT, 1);
        driver_offer(&f->d, 0, 0);
        driver_kick(&f->d, 0);
        while (f->d.interrupts[0] == before) {
            g_main_context_iteration(NULL, TRUE);
        }
        g_assert_cmphex(driver_status(&f->d), ==, 0x4f);
        offer_reads(f, 1, 0); /* nobody hears */
        start(f);
        offer_reads(f, 0, round);
        take_reads(f, 0, round);
    }
}

static void test_resize(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    for (unsigned round = 1; round <= 20; round++) {
        unsigned before = f->d.interrupts[0];
        offer_reads(f, 0, round);
        g_assert_true(block_resize(f->node, DISK_SECTORS * SECTOR + round * 4096, &error));
        while (f->d.interrupts[0] == before) {
            g_main_context_iteration(NULL, TRUE);
        }
        g_assert_cmpuint(driver_read(&f->d, f->d.config, 8), ==, DISK_SECTORS + round * 8);
        take_reads(f, 0, round);
    }
}

/* Without bus mastering nothing is served; what was asked meanwhile is when it comes back. */
static void test_bus_master(Fixture *f, gconstpointer data)
{
    const unsigned devfn = pci_function_devfn(f->d.function);
    uint32_t head, length;

    g_mutex_lock(&f->d.lock);
    pci_bus_write(f->d.root, 0, devfn, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_mutex_unlock(&f->d.lock);
    offer_reads(f, 0, 5);
    g_usleep(20000);
    g_assert_false(driver_take_used(&f->d, 0, &head, &length));
    g_mutex_lock(&f->d.lock);
    pci_bus_write(f->d.root, 0, devfn, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    g_mutex_unlock(&f->d.lock);
    take_reads(f, 0, 5);
}

/* The device goes with requests under way, and comes again. */
static void test_unplug(Fixture *f, gconstpointer data)
{
    for (unsigned round = 0; round < 100; round++) {
        offer_reads(f, 0, round);
        offer_reads(f, 1, round);
        if (round % 3 == 0) {
            g_usleep(round);
        }
        unplug(f);
        memset(f->d.ram + DATA_BASE, 0x11, QUEUES * 0x10000);
        plug(f);
        start(f);
    }
}

static void *move_registers(void *opaque)
{
    Fixture *f = opaque;

    /* what other vCPUs do meanwhile, under the machine lock */
    for (unsigned i = 0; i < 3000; i++) {
        driver_read(&f->d, f->d.config, 8);
        driver_write(&f->d, f->d.config + 32, i & 1, 1);
        g_mutex_lock(&f->d.lock);
        pci_bus_write(f->d.root, 0, pci_function_devfn(f->d.function), PCI_COMMAND,
                      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
        g_mutex_unlock(&f->d.lock);
    }
    return NULL;
}

static void test_registers(Fixture *f, gconstpointer data)
{
    GThread *other = g_thread_new("vcpu", move_registers, f);

    for (unsigned round = 0; round < 100; round++) {
        offer_reads(f, round % 2, round);
        take_reads(f, round % 2, round);
    }
    g_thread_join(other);
}

/*
 * Each on a file whose pages the host has, read at once; and past the host's cache, by io_uring
 * where it is permitted.
 */
#define ADD(name, function) \
    g_test_add("/virtio-blk-thread/" name, Fixture, NULL, set_up, function, tear_down); \
    g_test_add("/virtio-blk-thread/direct/" name, Fixture, "direct", set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("no-machine-lock", test_no_machine_lock);
    ADD("transfers", test_transfers);
    ADD("resets", test_resets);
    ADD("queue-reset", test_queue_reset);
    ADD("failure", test_failure);
    ADD("resize", test_resize);
    ADD("bus-master", test_bus_master);
    ADD("unplug", test_unplug);
    ADD("registers", test_registers);
    return g_test_run();
}
