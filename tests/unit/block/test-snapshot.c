/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Temporary layers: what is written is read again, and the node below stays as it was. */
#include <errno.h>
#include <string.h>

#include "../scsi/ram-disk.h"

#define SECTOR 512
#define SECTORS (DISK_SIZE / SECTOR)

typedef struct Fixture {
    RamDisk ram;
    BlockNode *below, *node;
    BlockClient *client;
    unsigned pending;
    int result;
    uint8_t model[DISK_SIZE], buffer[DISK_SIZE]; /* what the disk is to be; a request's data */
} Fixture;

static void on_done(void *opaque, BlockRequest *const *requests, unsigned count)
{
    Fixture *f = opaque;

    f->pending -= count;
    f->result = requests[count - 1]->result;
}

static const BlockClientOps ops = { on_done, NULL };

static void drop(void *opaque, BlockRequest *request)
{
    g_assert_not_reached();
}

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->below = ram_disk_new(&f->ram, true);
    for (unsigned i = 0; i < DISK_SIZE; i++) {
        f->ram.data[i] = f->model[i] = (uint8_t)(i / SECTOR * 7 + 1);
    }
    f->node = block_snapshot_new(f->below, &error);
    g_assert_no_error(error);
    g_assert_true(qom_object_complete(&f->node->object, NULL));
    f->client = block_attach(f->node, "disk", true, false, &ops, f, NULL, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    block_detach(f->client, drop);
    qom_object_unref(&f->node->object);
    qom_object_unref(&f->below->object);
}

/* In three pieces, of which the second is short. */
static int run(Fixture *f, BlockOp op, unsigned sector, unsigned count)
{
    size_t size = (size_t)count * SECTOR, first = size / 3, second = MIN(size - first, 7);
    bool moves = op == BLOCK_READ || op == BLOCK_WRITE;
    struct iovec iov[3] = {
        { f->buffer, first }, { f->buffer + first, second },
        { f->buffer + first + second, size - first - second },
    };
    BlockRequest request = {
        .op = op, .offset = (uint64_t)sector * SECTOR, .size = size, .iov = moves ? iov : NULL,
        .iov_count = moves ? 3 : 0,
    };

    f->pending = 1;
    block_submit(f->client, &request);
    while (f->pending) {
        g_main_context_iteration(NULL, TRUE);
    }
    return f->result;
}

static void write_sectors(Fixture *f, unsigned sector, unsigned count, uint8_t value)
{
    memset(f->buffer, value, (size_t)count * SECTOR);
    memset(f->model + (size_t)sector * SECTOR, value, (size_t)count * SECTOR);
    g_assert_cmpint(run(f, BLOCK_WRITE, sector, count), ==, 0);
}

static void check(Fixture *f, unsigned sector, unsigned count)
{
    memset(f->buffer, 0xee, sizeof(f->buffer));
    g_assert_cmpint(run(f, BLOCK_READ, sector, count), ==, 0);
    g_assert_cmpint(memcmp(f->buffer, f->model + (size_t)sector * SECTOR, (size_t)count * SECTOR),
                    ==, 0);
}

static void test_layers(Fixture *f, gconstpointer data)
{
    g_autofree uint8_t *before = g_memdup2(f->ram.data, DISK_SIZE);

    g_assert_false(block_is_read_only(f->node));
    g_assert_cmpuint(block_size(f->node), ==, DISK_SIZE);
    check(f, 0, SECTORS);
    write_sectors(f, 0, 1, 0xa1);
    write_sectors(f, 63, 2, 0xa2); /* two words of bits */
    write_sectors(f, 100, 200, 0xa3);
    write_sectors(f, SECTORS - 1, 1, 0xa4);
    check(f, 0, SECTORS);
    check(f, 0, 1);
    check(f, 62, 4);
    check(f, 99, 2);
    check(f, 150, 3);
    check(f, SECTORS - 2, 2);
    memset(f->model + 120 * SECTOR, 0, 500 * SECTOR);
    g_assert_cmpint(run(f, BLOCK_WRITE_ZEROES, 120, 500), ==, 0);
    check(f, 0, SECTORS);
    g_assert_cmpint(run(f, BLOCK_FLUSH, 0, 0), ==, 0);
    g_assert_cmpint(run(f, BLOCK_DISCARD, 5, 1), ==, 0);
    g_assert_cmpint(run(f, BLOCK_READ, SECTORS, 1), ==, -EIO);
    g_assert_cmpint(memcmp(f->ram.data, before, DISK_SIZE), ==, 0);
    g_assert_cmpuint(f->ram.ops[BLOCK_WRITE] | f->ram.ops[BLOCK_WRITE_ZEROES] |
                         f->ram.ops[BLOCK_FLUSH] | f->ram.ops[BLOCK_DISCARD], ==, 0);
}

/* Reads and writes of all sizes, in no order. */
static void test_random(Fixture *f, gconstpointer data)
{
    for (unsigned i = 0; i < 3000; i++) {
        unsigned sector = (unsigned)g_test_rand_int_range(0, SECTORS),
                 count = (unsigned)g_test_rand_int_range(1, MIN(40, (int)(SECTORS - sector)) + 1);

        if (g_test_rand_bit()) {
            check(f, sector, count);
        } else {
            write_sectors(f, sector, count, (uint8_t)i);
        }
    }
    check(f, 0, SECTORS);
}

/* An error of one part is the request's, and is an error of the disk like any other. */
static void test_errors(Fixture *f, gconstpointer data)
{
    write_sectors(f, 10, 1, 0xa1);
    f->ram.error = -EIO;
    g_assert_cmpint(run(f, BLOCK_READ, 9, 3), ==, -EIO);
    g_assert_cmpint(run(f, BLOCK_READ, 10, 1), ==, 0); /* which is not below */
    g_assert_cmpint(run(f, BLOCK_WRITE, 11, 1), ==, 0);
    f->ram.error = 0;
    memcpy(f->model + 11 * SECTOR, f->buffer, SECTOR);
    check(f, 9, 4);
}

static void test_no_directory(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_setenv("TMPDIR", "/nowhere", TRUE);
    g_assert_null(block_snapshot_new(f->below, &error));
    g_unsetenv("TMPDIR");
    g_assert_nonnull(strstr(error->message, "Could not make a temporary file of 1048576 bytes"));
    g_assert_nonnull(strstr(error->message, "TMPDIR"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* first: before there are threads, which may not see the environment change */
    g_test_add("/block/snapshot/no-directory", Fixture, NULL, set_up, test_no_directory, tear_down);
    g_test_add("/block/snapshot/layers", Fixture, NULL, set_up, test_layers, tear_down);
    g_test_add("/block/snapshot/random", Fixture, NULL, set_up, test_random, tear_down);
    g_test_add("/block/snapshot/errors", Fixture, NULL, set_up, test_errors, tear_down);
    return g_test_run();
}
