/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk over a raw file, and virtio-rng. */
#include "driver.h"

#include <errno.h>
#include <unistd.h>

#include "hw/virtio/virtio-blk.h"
#include "hw/virtio/virtio-rng.h"
#include "util/bytes.h"

#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)
#define DISK_SECTORS 2048
#define HEADER DATA_BASE
#define STATUS (DATA_BASE + 0x100)
#define DATA (DATA_BASE + 0x1000)
#define NO_STATUS 0xee
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };

typedef struct Fixture {
    Driver d;
    char *path;
    int fd;
    BlockNode *node;
    VirtioBlk *blk;
} Fixture;

static void set_up_with(Fixture *f, VirtioBlkConfig config, bool read_only)
{
    g_autoptr(GError) error = NULL;

    f->fd = g_file_open_tmp("test-virtio-blk-XXXXXX", &f->path, NULL);
    /* the last sector is not whole */
    g_assert_cmpint(ftruncate(f->fd, DISK_SECTORS * 512 - 100), ==, 0);
    driver_init(&f->d);
    f->node = block_file_open(
        &(BlockFileOptions){.filename = f->path, .read_only = read_only, .discard = true}, &error);
    g_assert_no_error(error);
    VirtioEnvironment environment = driver_environment(&f->d, "disk0");
    config.node = f->node;
    config.queue_size = 128;
    config.topology.discard_granularity = BLOCK_GRANULARITY_AUTO;
    f->blk = virtio_blk_new(&config, &environment, &error);
    g_assert_no_error(error);
    driver_plug(&f->d, virtio_blk_device(f->blk), 3);
    driver_start(&f->d, FEATURES | (virtio_offered(virtio_blk_device(f->blk)) & 0xffffff),
                 config.num_queues, 64);
}

static void set_up(Fixture *f, gconstpointer data)
{
    set_up_with(f,
                (VirtioBlkConfig){.num_queues = 2,
                                  .serial = "A-SERIAL-NUMBER-THAT-IS-LONG",
                                  .discard = true,
                                  .write_zeroes = true},
                data != NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    driver_free(&f->d);
    virtio_blk_free(f->blk);
    qom_object_unref(&f->node->object);
    close(f->fd);
    unlink(f->path);
    g_free(f->path);
}

/* One request: header, data in one buffer, status. How many bytes the device says it wrote. */
static uint32_t request(Fixture *f, unsigned queue, uint32_t type, uint64_t sector, uint32_t size,
                        uint8_t *status)
{
    bool in = type == IN || type == GET_ID;
    uint32_t head, length;

    store_le32(f->d.ram + HEADER, type);
    store_le32(f->d.ram + HEADER + 4, 0);
    store_le64(f->d.ram + HEADER + 8, sector);
    f->d.ram[STATUS] = NO_STATUS;
    driver_describe(&f->d, queue, 0, HEADER, 16, NEXT, size ? 1 : 2);
    driver_describe(&f->d, queue, 1, DATA, size, NEXT | (in ? WRITE : 0), 2);
    driver_describe(&f->d, queue, 2, STATUS, 1, WRITE, 0);
    driver_offer(&f->d, queue, 0);
    driver_kick(&f->d, queue);
    driver_wait_used(&f->d, queue, &head, &length);
    *status = f->d.ram[STATUS];
    return length;
}

static void test_config(Fixture *f, gconstpointer data)
{
    g_assert_cmpuint(driver_read(&f->d, f->d.config, 8), ==, DISK_SECTORS);
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 12, 4), ==, 126);
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 20, 4), ==, 512);
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 32, 1), ==, 1);
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 34, 2), ==, 2);
    driver_write(&f->d, f->d.config + 32, 0, 1);
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 32, 1), ==, 0);
    driver_write(&f->d, f->d.config, 0, 8);
    g_assert_cmpuint(driver_read(&f->d, f->d.config, 8), ==, DISK_SECTORS);
    driver_start(&f->d, FEATURES, 1, 64); /* no flushes: each write is stable */
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 32, 1), ==, 0);
    g_autoptr(GError) error = NULL;
    g_assert_true(block_resize(f->node, 4 * MiB, &error));
    unsigned before = f->d.interrupts[0];
    while (f->d.interrupts[0] == before) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpuint(driver_read(&f->d, f->d.config, 8), ==, 8192);
    g_assert_false(block_resize(f->node, 1000, &error));
}

static void test_transfer(Fixture *f, gconstpointer data)
{
    uint8_t status, on_disk[4096];

    for (unsigned i = 0; i < 4096; i++) {
        f->d.ram[DATA + i] = i % 251;
    }
    g_assert_cmpuint(request(f, 0, OUT, 7, 4096, &status), ==, 1);
    g_assert_cmpuint(status, ==, 0);
    g_assert_cmpint(pread(f->fd, on_disk, 4096, 7 * 512), ==, 4096);
    g_assert_cmpmem(on_disk, 4096, f->d.ram + DATA, 4096);
    memset(f->d.ram + DATA, 0, 4096);
    g_assert_cmpuint(request(f, 1, IN, 8, 3584, &status), ==, 3585);
    g_assert_cmpmem(on_disk + 512, 3584, f->d.ram + DATA, 3584);
    g_assert_cmpuint(request(f, 0, FLUSH, 0, 0, &status), ==, 1);
    g_assert_cmpuint(status, ==, 0);
    memset(f->d.ram + DATA, 0xff, 512);
    /* beyond the file's end: zeroes */
    g_assert_cmpuint(request(f, 0, IN, DISK_SECTORS - 1, 512, &status), ==, 513);
    g_assert_cmphex(f->d.ram[DATA + 511], ==, 0);
    g_assert_cmpuint(request(f, 0, GET_ID, 0, 20, &status), ==, 21);
    g_assert_cmpmem(f->d.ram + DATA, 20, "A-SERIAL-NUMBER-THAT", 20);
}

static void test_discard(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint32_t type;
        uint64_t sector;
        uint32_t sectors, flags, size;
        uint8_t status;
    } rows[] = {
        { "zeroes", ZEROES, 8, 8, 0, 16, 0 }, { "zeroes, unmapped", ZEROES, 8, 8, 1, 16, 0 },
        { "discard", DISCARD, 8, 8, 0, 16, 0 }, { "discard of nothing", DISCARD, 8, 0, 0, 16, 0 },
        { "discard with unmap", DISCARD, 8, 8, 1, 16, 2 },
        { "unknown flag", ZEROES, 8, 8, 2, 16, 2 },
        { "two ranges", DISCARD, 8, 8, 0, 32, 2 }, { "half a range", DISCARD, 8, 8, 0, 8, 2 },
        { "no range", ZEROES, 0, 0, 0, 0, 2 },
        { "beyond the end", ZEROES, DISK_SECTORS - 1, 2, 0, 16, 1 },
        { "wraps", DISCARD, UINT64_MAX, 8, 0, 16, 1 },
        { "wraps in bytes", DISCARD, UINT64_MAX / 512, 8, 0, 16, 1 },
        { "too much", ZEROES, 0, UINT32_MAX, 0, 16, 1 },
    };
    uint8_t status, byte;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(pwrite(f->fd, "x", 1, 8 * 512), ==, 1);
        store_le64(f->d.ram + DATA, rows[i].sector);
        store_le32(f->d.ram + DATA + 8, rows[i].sectors);
        store_le32(f->d.ram + DATA + 12, rows[i].flags);
        g_assert_cmpuint(request(f, 0, rows[i].type, 0, rows[i].size, &status), ==, 1);
        g_assert_cmpuint(status, ==, rows[i].status);
        g_assert_cmpint(pread(f->fd, &byte, 1, 8 * 512), ==, 1);
        if (rows[i].type == ZEROES) {
            g_assert_cmphex(byte, ==, rows[i].status ? 'x' : 0);
        }
    }
}

static void test_errors(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint32_t type;
        uint64_t sector;
        uint32_t size;
        uint8_t status;
    } rows[] = {
        { "read at the end", IN, DISK_SECTORS, 512, 1 },
        { "read over the end", IN, DISK_SECTORS - 1, 1024, 1 },
        { "write at the end", OUT, DISK_SECTORS, 512, 1 }, { "half a sector", IN, 0, 256, 1 },
        { "sector that wraps", OUT, UINT64_MAX, 512, 1 },
        { "sector that wraps in bytes", IN, UINT64_C(1) << 55, 512, 1 },
        { "unknown type", 99, 0, 512, 2 }, { "SCSI command", 2, 0, 512, 2 },
    };
    uint8_t status;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        request(f, 0, rows[i].type, rows[i].sector, rows[i].size, &status);
        g_assert_cmpuint(status, ==, rows[i].status);
    }
}

static void test_read_only(Fixture *f, gconstpointer data)
{
    uint8_t status;

    /* RO, neither discard nor zeroes */
    g_assert_cmphex(virtio_offered(virtio_blk_device(f->blk)) & 0x6020, ==, 0x20);
    request(f, 0, OUT, 0, 512, &status);
    g_assert_cmpuint(status, ==, 1);
    g_assert_cmpuint(request(f, 0, IN, 0, 512, &status), ==, 513);
    store_le32(f->d.ram + DATA + 8, 1);
    request(f, 0, ZEROES, 0, 16, &status);
    g_assert_cmpuint(status, ==, 2);
}

/* Many at once, and a reset in the middle of them. */
static void test_reset(Fixture *f, gconstpointer data)
{
    uint32_t head, length;

    for (unsigned round = 0; round < 20; round++) {
        driver_start(&f->d, FEATURES, 2, 64);
        store_le32(f->d.ram + HEADER, IN);
        store_le64(f->d.ram + HEADER + 8, 0);
        for (unsigned i = 0; i < 21; i++) {
            driver_describe(&f->d, 0, 3 * i, HEADER, 16, NEXT, 3 * i + 1);
            driver_describe(&f->d, 0, 3 * i + 1, DATA, 512, NEXT | WRITE, 3 * i + 2);
            driver_describe(&f->d, 0, 3 * i + 2, STATUS + i, 1, WRITE, 0);
            driver_offer(&f->d, 0, 3 * i);
        }
        driver_kick(&f->d, 0);
        if (round % 2) {
            driver_set_status(&f->d, 0);
        } else {
            for (unsigned i = 0; i < 21; i++) {
                driver_wait_used(&f->d, 0, &head, &length);
                g_assert_cmpuint(length, ==, 513);
            }
        }
    }
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_cmpuint(driver_status(&f->d), ==, 0);
}

/*
 * A request that was done and not told of when the driver started over: its buffers are the
 * driver's again.
 */
static void set_up_blocks(Fixture *f, gconstpointer data)
{
    set_up_with(f,
                (VirtioBlkConfig){.num_queues = 1,
                                  .topology.logical_block_size = 4096,
                                  .discard = true,
                                  .write_zeroes = true},
                false);
}

/* A disk of 4 KiB blocks takes whole ones alone. */
static void test_blocks(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint32_t type;
        uint64_t sector;
        uint32_t size; /* of the data, or of the range */
        uint8_t status;
    } rows[] = {
        { "a block", IN, 8, 4096, 0 }, { "two", OUT, 16, 8192, 0 },
        { "half of one", IN, 8, 2048, 1 },
        { "across two", OUT, 4, 4096, 1 }, { "a sector", OUT, 9, 512, 1 },
        { "zeroes", ZEROES, 8, 4096, 0 },
        { "zeroes, across two", ZEROES, 12, 4096, 1 }, { "half discarded", DISCARD, 8, 2048, 1 },
        { "discarded", DISCARD, 8, 4096, 0 },
    };
    uint8_t status;

    g_assert_cmpuint(driver_read(&f->d, f->d.config + 20, 4), ==, 4096);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        bool range = rows[i].type == ZEROES || rows[i].type == DISCARD;
        g_test_message("%s", rows[i].label);
        store_le64(f->d.ram + DATA, rows[i].sector);
        store_le32(f->d.ram + DATA + 8, rows[i].size / 512);
        store_le32(f->d.ram + DATA + 12, 0);
        request(f, 0, rows[i].type, range ? 0 : rows[i].sector, range ? 16 : rows[i].size, &status);
        g_assert_cmpuint(status, ==, rows[i].status);
    }
}

static void test_late_status(Fixture *f, gconstpointer data)
{
    for (unsigned round = 0; round < 10; round++) {
        driver_start(&f->d, FEATURES, 1, 64);
        store_le32(f->d.ram + HEADER, FLUSH);
        driver_describe(&f->d, 0, 0, HEADER, 16, NEXT, 1);
        driver_describe(&f->d, 0, 1, STATUS, 1, WRITE, 0);
        driver_offer(&f->d, 0, 0);
        driver_kick(&f->d, 0);
        driver_set_status(&f->d, 0);
        f->d.ram[STATUS] = NO_STATUS;
        while (g_main_context_iteration(NULL, FALSE)) {
        }
        g_assert_cmphex(f->d.ram[STATUS], ==, NO_STATUS);
    }
}

static void test_short_requests(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned header;
        uint16_t flags;
    } rows[] = {
        { "half a header", 8, NEXT }, { "no status", 16, 0 }, { "only a status", 16, WRITE },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        driver_start(&f->d, FEATURES, 1, 64);
        driver_describe(&f->d, 0, 0, HEADER, rows[i].header, rows[i].flags, 1);
        driver_describe(&f->d, 0, 1, STATUS, 1, WRITE, 0);
        driver_offer(&f->d, 0, 0);
        driver_kick(&f->d, 0);
        g_assert_cmphex(driver_status(&f->d), ==, 0x4f);
    }
}

static void test_attach(Fixture *f, gconstpointer data)
{
    static const BlockClientOps no_ops;
    g_autoptr(GError) error = NULL;

    g_assert_null(block_attach(f->node, "other", false, false, &no_ops, NULL, NULL, &error));
    g_assert_nonnull(strstr(error->message, "is already in use by disk0"));
    g_clear_error(&error);
    g_assert_null(block_file_open(&(BlockFileOptions) { .filename = "/nonexistent/disk" }, &error));
    g_assert_nonnull(strstr(error->message, "Could not open '/nonexistent/disk'"));
    g_clear_error(&error);
    g_assert_null(block_file_open(&(BlockFileOptions) { .filename = "/dev/null" }, &error));
    g_assert_nonnull(strstr(error->message, "neither a regular file nor a block device"));
}

static void test_rng(void)
{
    Driver d;
    QomObject *builtin = qom_object_new(&rng_builtin_type);
    uint32_t head, length;

    g_assert_true(qom_object_complete(builtin, NULL));
    driver_init(&d);
    VirtioEnvironment environment = driver_environment(&d, "rng0");
    VirtioRng *rng = virtio_rng_new(&(VirtioRngConfig){.rng = (Rng *)builtin,
                                                       .max_bytes = 3000,
                                                       .period_ms = 50},
                                    &environment);
    driver_plug(&d, virtio_rng_device(rng), 2);
    driver_start(&d, FEATURES, 1, 8);
    driver_describe(&d, 0, 0, DATA, 2000, WRITE, 0);
    driver_offer(&d, 0, 0);
    driver_kick(&d, 0);
    g_assert_true(driver_take_used(&d, 0, &head, &length));
    g_assert_cmpuint(length, ==, 2000);
    unsigned zeroes = 0;
    for (unsigned i = 0; i < 2000; i++) {
        zeroes += d.ram[DATA + i] == 0;
    }
    g_assert_cmpuint(zeroes, <, 60);
    g_assert_cmphex(d.ram[DATA + 2000], ==, 0);
    driver_offer(&d, 0, 0);
    driver_offer(&d, 0, 0);
    driver_kick(&d, 0);
    g_assert_true(driver_take_used(&d, 0, &head, &length)); /* what is left of the period */
    g_assert_cmpuint(length, ==, 1000);
    g_assert_false(driver_take_used(&d, 0, &head, &length));
    driver_wait_used(&d, 0, &head, &length);
    g_assert_cmpuint(length, ==, 2000);
    driver_free(&d);
    virtio_rng_free(rng);
    qom_object_unref(builtin);
}

#define ADD(name, data, function) \
    g_test_add("/virtio-blk/" name, Fixture, data, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("config", NULL, test_config);
    ADD("transfer", NULL, test_transfer);
    ADD("discard", NULL, test_discard);
    ADD("errors", NULL, test_errors);
    ADD("read-only", "read-only", test_read_only);
    ADD("reset", NULL, test_reset);
    g_test_add("/virtio-blk/blocks", Fixture, NULL, set_up_blocks, test_blocks, tear_down);
    ADD("late-status", NULL, test_late_status);
    ADD("short-requests", NULL, test_short_requests);
    ADD("attach", NULL, test_attach);
    g_test_add_func("/virtio-rng", test_rng);
    return g_test_run();
}
