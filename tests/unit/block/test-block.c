/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block nodes over files: who may have an image, what is done at once, zeroes that take no space.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/block.h"
#include "util/units.h"

#define IMAGE_SIZE (1 * MiB)
#define BLOCK 65536

typedef struct Fixture {
    char *path;
    GPtrArray *nodes; /* their own references */
    unsigned done;
    int result;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autofree char *bytes = g_malloc(IMAGE_SIZE);
    /* Where a disk is: tmpfs would not show all of this. */
    g_autofree char *template = g_strdup("/var/tmp/test-block-XXXXXX");
    int fd = g_mkstemp(template);

    g_assert_cmpint(fd, >=, 0);
    memset(bytes, 0x5a, IMAGE_SIZE);
    g_assert_cmpint(write(fd, bytes, IMAGE_SIZE), ==, IMAGE_SIZE);
    close(fd);
    f->path = g_steal_pointer(&template);
    f->nodes = g_ptr_array_new();
}

static void tear_down(Fixture *f, gconstpointer data)
{
    for (guint i = f->nodes->len; i > 0; i--) {
        qom_object_unref(&((BlockNode *)f->nodes->pdata[i - 1])->object);
    }
    g_ptr_array_unref(f->nodes);
    g_unlink(f->path);
    g_free(f->path);
}

static BlockNode *open_node(Fixture *f, bool read_only, bool unlocked)
{
    g_autoptr(GError) error = NULL;
    BlockNode *node = block_file_open(&(BlockFileOptions) {
        .filename = f->path, .read_only = read_only, .discard = true, .unlocked = unlocked,
    }, &error);

    g_assert_no_error(error);
    g_ptr_array_add(f->nodes, node);
    return node;
}

static void on_done(void *opaque, BlockRequest *const *requests, unsigned count)
{
    Fixture *f = opaque;

    f->done += count;
    f->result = requests[0]->result;
}

static const BlockClientOps ops = { on_done, NULL };

static void drop(void *opaque, BlockRequest *request)
{
}

static void test_sharing(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        bool writes[2], shares[2];
        const char *says; /* NULL: both may */
    } rows[] = {
        { "two writers", { true, true }, { false, false }, "\"write\" lock" },
        { "two writers, the first shares", { true, true }, { true, false },
          "shared \"write\" lock" },
        { "two writers, the second shares", { true, true }, { false, true }, "\"write\" lock" },
        { "two writers that share", { true, true }, { true, true }, NULL },
        { "a reader beside a writer", { true, false }, { false, false }, "shared \"write\" lock" },
        { "a writer beside a reader", { false, true }, { false, false }, "\"write\" lock" },
        { "a reader that shares", { true, false }, { true, true }, NULL },
        { "two readers", { false, false }, { false, false }, NULL },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        /* as two programs have them */
        BlockNode *nodes[2] = { open_node(f, false, false), open_node(f, false, false) };
        BlockClient *clients[2];
        g_autoptr(GError) error = NULL;

        g_test_message("%s", rows[i].label);
        for (unsigned n = 0; n < 2; n++) {
            clients[n] = block_attach(nodes[n], "disk", rows[i].writes[n], rows[i].shares[n], &ops,
                                      f, NULL, n ? &error : NULL);
        }
        g_assert_nonnull(clients[0]);
        g_assert_cmpint(clients[1] != NULL, ==, !rows[i].says);
        if (rows[i].says) {
            g_assert_nonnull(strstr(error->message, rows[i].says));
            /* Once the first has gone, the second may. */
            block_detach(g_steal_pointer(&clients[0]), drop);
            clients[1] = block_attach(nodes[1], "disk", rows[i].writes[1], rows[i].shares[1], &ops,
                                      f, NULL, NULL);
            g_assert_nonnull(clients[1]);
        }
        block_detach(clients[0], drop);
        block_detach(clients[1], drop);
    }
}

/* The bytes are those that QEMU looks at. */
static void test_lock_bytes(Fixture *f, gconstpointer data)
{
    static const off_t held[] = { 100, 101, 201 }, not_held[] = { 99, 102, 103, 200, 202, 203 };
    BlockClient *client = block_attach(open_node(f, false, false), "disk", true, false, &ops, f,
                                       NULL, NULL);
    int fd = open(f->path, O_RDWR | O_CLOEXEC);

    for (unsigned i = 0; i < G_N_ELEMENTS(held) + G_N_ELEMENTS(not_held); i++) {
        bool expected = i < G_N_ELEMENTS(held);
        struct flock lock = { .l_type = F_WRLCK,
                              .l_start = expected ? held[i] : not_held[i - G_N_ELEMENTS(held)],
                              .l_len = 1 };
        g_assert_cmpint(fcntl(fd, F_OFD_GETLK, &lock), ==, 0);
        g_assert_cmpint(lock.l_type, ==, expected ? F_RDLCK : F_UNLCK);
    }
    block_detach(client, drop);
    struct flock all = { .l_type = F_WRLCK, .l_start = 0, .l_len = 1000 };
    g_assert_cmpint(fcntl(fd, F_OFD_GETLK, &all), ==, 0);
    g_assert_cmpint(all.l_type, ==, F_UNLCK);
    close(fd);
}

static void test_unlocked(Fixture *f, gconstpointer data)
{
    BlockClient *first = block_attach(open_node(f, false, false), "a", true, false, &ops, f, NULL,
                                      NULL);
    BlockClient *second = block_attach(open_node(f, false, true), "b", true, false, &ops, f, NULL,
                                       NULL);

    g_assert_nonnull(first);
    g_assert_nonnull(second);
    block_detach(second, drop);
    block_detach(first, drop);
}

/* Through a raw node the file is claimed too, and by another raw node's client it cannot be had. */
static void test_raw(Fixture *f, gconstpointer data)
{
    BlockNode *raw = block_raw_new(open_node(f, false, false), false);
    BlockClient *client = block_attach(raw, "a", true, false, &ops, f, NULL, NULL);
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(f->nodes, raw);
    g_assert_nonnull(client);
    g_assert_null(
        block_attach(open_node(f, false, false), "b", true, false, &ops, f, NULL, &error));
    g_assert_nonnull(strstr(error->message, "lock"));
    block_detach(client, drop);
}

static int run_request(Fixture *f, BlockClient *client, BlockRequest *request)
{
    unsigned before = f->done;

    block_submit(client, request);
    while (f->done == before) {
        g_main_context_iteration(NULL, TRUE);
    }
    return f->result;
}

static void test_requests(Fixture *f, gconstpointer data)
{
    BlockClient *client = block_attach(open_node(f, false, false), "a", true, false, &ops, f, NULL,
                                       NULL);
    g_autofree uint8_t *bytes = g_malloc0(BLOCK);
    const struct iovec iov = { bytes, BLOCK };
    static const struct {
        const char *label;
        BlockOp op;
        uint64_t offset, size;
        int result;
    } rows[] = {
        { "all at once", BLOCK_READ, 0, BLOCK, 0 },
        { "the last bytes", BLOCK_READ, IMAGE_SIZE - BLOCK, BLOCK, 0 },
        { "across the end", BLOCK_READ, IMAGE_SIZE - BLOCK + 512, BLOCK, -EIO },
        { "behind it", BLOCK_READ, IMAGE_SIZE, BLOCK, -EIO },
        { "the end of numbers", BLOCK_WRITE, UINT64_MAX - 511, BLOCK, -EIO },
        { "written", BLOCK_WRITE, 0, BLOCK, 0 },
        { "a flush", BLOCK_FLUSH, 0, 0, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        BlockRequest request = { .op = rows[i].op, .offset = rows[i].offset, .size = rows[i].size,
                                 .iov = &iov, .iov_count = rows[i].size ? 1 : 0 };
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(run_request(f, client, &request), ==, rows[i].result);
        if (rows[i].op == BLOCK_READ && !rows[i].result) {
            g_assert_cmphex(bytes[0], ==, 0x5a);
            g_assert_cmphex(bytes[BLOCK - 1], ==, 0x5a);
        }
    }
    const BlockNode *node = f->nodes->pdata[0];
    const BlockCounters reads = block_counters(node, BLOCK_READ),
                        writes = block_counters(node, BLOCK_WRITE);
    g_assert_cmpuint(reads.operations, ==, 2);
    g_assert_cmpuint(reads.invalid, ==, 2);
    g_assert_cmpuint(reads.failed, ==, 0);
    g_assert_cmpuint(writes.invalid, ==, 1);
    g_assert_cmpuint(writes.bytes, ==, BLOCK);
    g_assert_cmpuint(writes.nanoseconds, >, 0);
    g_assert_cmpuint(writes.nanoseconds, <, UINT64_C(60000000000));
    g_assert_cmpuint(block_highest_write(node), ==, BLOCK);
    block_detach(client, drop);
}

static blkcnt_t blocks_of(const Fixture *f)
{
    struct stat status;

    g_assert_cmpint(stat(f->path, &status), ==, 0);
    return status.st_blocks;
}

static void test_detect_zeroes(Fixture *f, gconstpointer data)
{
    BlockNode *node = open_node(f, false, false);
    BlockClient *client = block_attach(node, "a", true, false, &ops, f, NULL, NULL);
    g_autofree uint8_t *zeroes = g_malloc0(BLOCK);
    const struct iovec iov[] = { { zeroes, 512 }, { zeroes + 512, BLOCK - 512 } };
    BlockRequest request = { .op = BLOCK_WRITE, .size = BLOCK, .iov = iov, .iov_count = 2 };
    blkcnt_t before = blocks_of(f);

    g_assert_cmpint(run_request(f, client, &request), ==, 0);
    g_assert_cmpint(blocks_of(f), ==, before); /* off: written */
    node->detect_zeroes = BLOCK_DETECT_UNMAP;
    zeroes[BLOCK - 1] = 1;
    request.op = BLOCK_WRITE;
    g_assert_cmpint(run_request(f, client, &request), ==, 0);
    g_assert_cmpint(blocks_of(f), ==, before); /* not all zero */
    zeroes[BLOCK - 1] = 0;
    request.op = BLOCK_WRITE;
    g_assert_cmpint(run_request(f, client, &request), ==, 0);
    g_assert_cmpint(blocks_of(f), <, before);
    block_detach(client, drop);
}

static void test_probe(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *bytes;
        size_t size, offset;
        const char *format;
    } rows[] = {
        { "QFI\xfb\0\0\0\3", 8, 0, "qcow2" }, { "QFI\xfb\0\0\0\2", 8, 0, "qcow2" },
        { "QFI\xfb\0\0\0\1", 8, 0, "qcow" },
        { "QED\0", 4, 0, "qed" }, { "KDMV", 4, 0, "vmdk" }, { "COWD", 4, 0, "vmdk" },
        { "vhdxfile", 8, 0, "vhdx" },
        { "conectix", 8, 0, "vpc" }, { "\x7f\x10\xda\xbe", 4, 64, "vdi" },
        { "# Disk DescriptorFile\n", 22, 0, "vmdk" },
        { "QFI\xfb", 4, 1, NULL }, { "QFI", 4, 0, NULL }, { "\x55\xaa", 2, 510, NULL },
        { "", 0, 0, NULL },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint8_t sector[BLOCK_SECTOR_SIZE] = { 0 };
        memcpy(sector + rows[i].offset, rows[i].bytes, rows[i].size);
        g_assert_cmpstr(block_probe(sector, sizeof(sector)), ==, rows[i].format);
        g_assert_null(block_probe(sector, 3));
        g_assert_true(g_file_set_contents(f->path, (char *)sector, sizeof(sector), NULL));
        g_assert_cmpstr(block_probe_file(f->path), ==, rows[i].format);
    }
    g_assert_null(block_probe_file("/nonexistent"));
    g_assert_null(block_probe_file("/"));
}

/* What the guest writes, in pieces, to an image whose format was guessed. */
static void test_guessed(Fixture *f, gconstpointer data)
{
    BlockNode *node = open_node(f, false, false);
    BlockClient *client = block_attach(node, "a", true, false, &ops, f, NULL, NULL);
    g_autofree uint8_t *bytes = g_malloc0(1024);
    const struct iovec iov[] = { { bytes, 2 }, { bytes + 2, 1022 } };
    const struct {
        uint64_t offset, size;
        const char *start;
        bool guessed;
        int result;
    } rows[] = {
        { 0, 1024, "QFI\xfb", false, 0 }, { 0, 1024, "QFI\xfb", true, -EPERM },
        { 0, 1024, "data", true, 0 },
        { 512, 1024, "QFI\xfb", true, 0 }, { 256, 1024, "data", true, -EPERM },
        { 1024, 1024, "KDMV", true, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        BlockRequest request = { .op = BLOCK_WRITE, .offset = rows[i].offset, .size = rows[i].size,
                                 .iov = iov, .iov_count = 2 };
        memcpy(bytes, rows[i].start, 4);
        node->guessed_raw = rows[i].guessed;
        g_assert_cmpint(run_request(f, client, &request), ==, rows[i].result);
        g_assert_true(request.iov == iov && request.iov_count == 2);
    }
    BlockRequest request = { .op = BLOCK_READ, .size = 1024, .iov = iov, .iov_count = 2 };
    g_assert_cmpint(run_request(f, client, &request), ==, 0);
    g_assert_cmpint(memcmp(bytes, "data", 4), ==, 0);
    block_detach(client, drop);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*test)(Fixture *f, gconstpointer data);
    } tests[] = {
        { "/block/sharing", test_sharing }, { "/block/lock-bytes", test_lock_bytes },
        { "/block/unlocked", test_unlocked },
        { "/block/raw", test_raw }, { "/block/requests", test_requests },
        { "/block/detect-zeroes", test_detect_zeroes },
        { "/block/probe", test_probe }, { "/block/guessed", test_guessed },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
