/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aio=: whoever carries requests out, they do the same; batches larger than a ring, ends of files,
 * buffers that O_DIRECT does not take.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/block.h"
#include "util/units.h"

#define SIZE (4 * MiB)
#define PIECE 4096
#define PIECES 300

typedef struct Mode {
    const char *name;
    BlockAio aio;
    bool direct, raw; /* raw: through a node of the raw format */
} Mode;

static const Mode modes[] = {
    { "threads", BLOCK_AIO_THREADS, false, false },
    { "threads-direct", BLOCK_AIO_THREADS, true, false },
    { "io_uring", BLOCK_AIO_IO_URING, false, false },
    { "io_uring-direct", BLOCK_AIO_IO_URING, true, false },
    { "io_uring-direct-raw", BLOCK_AIO_IO_URING, true, true },
    { "native", BLOCK_AIO_NATIVE, true, false },
    { "auto-direct", BLOCK_AIO_AUTO, true, false },
};

typedef struct Fixture {
    const Mode *mode;
    char *path;
    BlockNode *file, *node;
    BlockClient *client;
    uint8_t *bytes; /* PIECES pieces, aligned */
    BlockRequest requests[PIECES];
    struct iovec iov[PIECES][2];
    unsigned done, failed;
    int result;     /* of the last one that failed */
} Fixture;

static void on_done(void *opaque, BlockRequest *const *requests, unsigned count)
{
    Fixture *f = opaque;

    f->done += count;
    for (unsigned i = 0; i < count; i++) {
        if (requests[i]->result) {
            f->failed++;
            f->result = requests[i]->result;
        }
    }
}

static const BlockClientOps ops = { on_done, NULL };

static void drop(void *opaque, BlockRequest *request)
{
}

/* size: of the file, whose last sector may be incomplete. False: the host cannot. */
static bool start(Fixture *f, uint64_t size)
{
    /* tmpfs may not know O_DIRECT */
    g_autofree char *template = g_strdup("/var/tmp/test-aio-XXXXXX");
    g_autoptr(GError) error = NULL;
    void *bytes = NULL;
    int fd = g_mkstemp(template);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
    close(fd);
    f->path = g_steal_pointer(&template);
    f->file = block_file_open(&(BlockFileOptions) {
        .filename = f->path, .direct = f->mode->direct, .aio = f->mode->aio, .discard = true,
    }, &error);
    if (!f->file) {
        g_assert_true(strstr(error->message, "io_uring") ||
                      strstr(error->message, "Invalid argument"));
        g_test_skip(g_strdelimit(error->message, "\n", ' '));
        g_unlink(f->path);
        g_free(f->path);
        return false;
    }
    g_assert_cmpint(posix_memalign(&bytes, PIECE, PIECES * PIECE), ==, 0);
    f->bytes = bytes;
    f->node = f->mode->raw ? block_raw_new(f->file, false) : f->file;
    f->client = block_attach(f->node, "disk", true, false, &ops, f, NULL, &error);
    g_assert_no_error(error);
    return true;
}

static void end(Fixture *f)
{
    block_detach(f->client, drop);
    if (f->mode->raw) {
        qom_object_unref(&f->node->object);
    }
    qom_object_unref(&f->file->object);
    free(f->bytes);
    g_unlink(f->path);
    g_free(f->path);
}

static void submit(Fixture *f, unsigned i, BlockOp op, uint64_t offset, uint8_t *bytes, size_t size,
                   unsigned flags)
{
    f->iov[i][0] = (struct iovec) { bytes, size / 2 };
    f->iov[i][1] = (struct iovec) { bytes + size / 2, size - size / 2 };
    f->requests[i] = (BlockRequest) {
        .op = op, .flags = flags, .offset = offset, .size = size, .iov = f->iov[i],
        .iov_count = bytes ? 2 : 0,
    };
    block_submit(f->client, &f->requests[i]);
}

static void wait_for(Fixture *f, unsigned count)
{
    while (f->done < count) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpuint(f->done, ==, count);
    f->done = 0;
}

static void batch(Fixture *f, BlockOp op)
{
    block_batch_begin(f->client);
    for (unsigned i = 0; i < PIECES; i++) {
        submit(f, i, op, (uint64_t)i * PIECE, f->bytes + i * PIECE, PIECE, i % 7 ? 0 : BLOCK_FUA);
    }
    block_batch_end(f->client);
    wait_for(f, PIECES);
    g_assert_cmpuint(f->failed, ==, 0);
}

static void fill(Fixture *f)
{
    for (unsigned i = 0; i < PIECES * PIECE; i++) {
        f->bytes[i] = (uint8_t)(i / PIECE + i);
    }
}

static void check(const Fixture *f)
{
    for (unsigned i = 0; i < PIECES * PIECE; i++) {
        g_assert_cmphex(f->bytes[i], ==, (uint8_t)(i / PIECE + i));
    }
}

static void test_batches(gconstpointer data)
{
    Fixture f = { .mode = data };

    if (!start(&f, SIZE)) {
        return;
    }
    fill(&f);
    batch(&f, BLOCK_WRITE);
    memset(f.bytes, 0, PIECES * PIECE);
    batch(&f, BLOCK_READ);
    check(&f);
    submit(&f, 0, BLOCK_FLUSH, 0, NULL, 0, 0);
    wait_for(&f, 1);
    submit(&f, 0, BLOCK_WRITE_ZEROES, PIECE, NULL, PIECE, 0);
    memset(f.bytes + PIECE, 0, PIECE);
    wait_for(&f, 1);
    g_assert_cmpuint(f.failed, ==, 0);
    int fd = open(f.path, O_RDONLY | O_CLOEXEC);
    g_autofree uint8_t *file = g_malloc(PIECES * PIECE);
    g_assert_cmpint(pread(fd, file, PIECES * PIECE, 0), ==, PIECES * PIECE);
    g_assert_cmpmem(file, PIECES * PIECE, f.bytes, PIECES * PIECE);
    close(fd);
    end(&f);
}

/* A file whose last sector is not whole reads as filled up; buffers that lie anywhere. */
static void test_ends(gconstpointer data)
{
    Fixture f = { .mode = data };

    if (!start(&f, 3 * PIECE + 100)) {
        return;
    }
    fill(&f);
    submit(&f, 0, BLOCK_READ, 2 * PIECE, f.bytes, PIECE + 512, 0);
    wait_for(&f, 1);
    for (unsigned i = 0; i < PIECE + 512; i++) {
        g_assert_cmphex(f.bytes[i], ==, 0);
    }
    g_assert_cmphex(f.bytes[PIECE + 512], !=, 0);
    fill(&f);
    submit(&f, 0, BLOCK_WRITE, 512, f.bytes + 3, 1024, 0);
    wait_for(&f, 1);
    submit(&f, 0, BLOCK_READ, 512, f.bytes + 2 * PIECE + 5, 1024, 0);
    wait_for(&f, 1);
    g_assert_cmpmem(f.bytes + 2 * PIECE + 5, 1024, f.bytes + 3, 1024);
    submit(&f, 0, BLOCK_READ, 3 * PIECE, f.bytes, PIECE, 0); /* behind the last sector */
    wait_for(&f, 1);
    g_assert_cmpint(f.result, ==, -EIO);
    end(&f);
}

/* The main loop does not turn: who drains gets what was asked done, and gathered, nevertheless. */
static void test_drain(gconstpointer data)
{
    Fixture f = { .mode = data };

    if (!start(&f, SIZE)) {
        return;
    }
    fill(&f);
    batch(&f, BLOCK_WRITE);
    for (unsigned round = 0; round < 20; round++) {
        memset(f.bytes, 0, PIECES * PIECE);
        block_batch_begin(f.client);
        for (unsigned i = 0; i < PIECES; i++) {
            submit(&f, i, BLOCK_READ, (uint64_t)i * PIECE, f.bytes + i * PIECE, PIECE, 0);
        }
        block_drain(f.client);
        check(&f);
        block_batch_end(f.client);
        g_assert_cmpuint(f.done, ==, 0);
        wait_for(&f, PIECES);
    }
    block_batch_begin(f.client);
    submit(&f, 0, BLOCK_READ, 0, f.bytes, PIECE, 0);
    end(&f); /* with one gathered */
}

static void test_errors(gconstpointer data)
{
    Fixture f = { .mode = data };

    if (!start(&f, SIZE)) {
        return;
    }
    /* by somebody else: what is gone reads as zeroes */
    g_assert_cmpint(truncate(f.path, PIECE), ==, 0);
    memset(f.bytes, 1, PIECE);
    submit(&f, 0, BLOCK_READ, 2 * PIECE, f.bytes, PIECE, 0);
    wait_for(&f, 1);
    g_assert_cmpuint(f.failed, ==, 0);
    g_assert_cmphex(f.bytes[0], ==, 0);
    end(&f);
}

static void test_refused(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(block_file_open(&(BlockFileOptions) { .filename = "/dev/zero",
        .aio = BLOCK_AIO_NATIVE }, &error));
    g_assert_cmpstr(strstr(error->message, "requires cache.direct=on"), !=, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(gconstpointer data);
    } tests[] = { { "batches", test_batches }, { "ends", test_ends }, { "drain", test_drain },
        { "errors", test_errors } };

    g_test_init(&argc, &argv, NULL);
    for (unsigned m = 0; m < G_N_ELEMENTS(modes); m++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
            g_autofree char *path = g_strdup_printf("/block/aio/%s/%s", modes[m].name,
                                                    tests[i].name);
            g_test_add_data_func(path, &modes[m], tests[i].test);
        }
    }
    g_test_add_func("/block/aio/refused", test_refused);
    return g_test_run();
}
