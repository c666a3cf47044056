/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes over NBD: servers that greet wrongly, a small one that works and one that goes; the program
 * that serves images.
 */
#include "block/nbd.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/bytes.h"

#define SIZE 65536

static const char good[] =
    "NBDMAGICIHAVEOPT\0\1"
    "\0\3\xe8\x89\4\x55\x65\xa9\0\0\0\7\0\0\0\3\0\0\0\14\0\0\0\0\0\0\0\1\0\0\1\155"
    "\0\3\xe8\x89\4\x55\x65\xa9\0\0\0\7\0\0\0\1\0\0\0\0";
#define GOOD_SIZE (sizeof(good) - 1)
#define INFO 18               /* offset of the first reply */
#define ACK (INFO + 20 + 12)  /* and of the last */

/* The good greeting, cut to `size` bytes, with one byte changed. */
static const struct {
    const char *label;
    size_t size;
    unsigned offset;
    uint8_t byte;
    const char *error; /* NULL = it works */
} greetings[] = {
    { "good", GOOD_SIZE, 0, 'N', NULL },
    { "nobody", 0, 0, 'N', "does not greet" },
    { "half a greeting", 17, 0, 'N', "does not greet" },
    { "another protocol", GOOD_SIZE, 3, 'm', "no NBD server" },
    { "oldstyle", GOOD_SIZE, 8, 0, "no NBD server" },
    { "newstyle that is not fixed", GOOD_SIZE, 17, 0, "no NBD server" },
    { "no replies", INFO, 0, 'N', "has gone" },
    { "half a reply", INFO + 19, 0, 'N', "has gone" },
    { "half of what a reply says", INFO + 25, 0, 'N', "in the middle" },
    { "reply of another kind", GOOD_SIZE, INFO, 1, "none to what was asked" },
    { "reply to another option", GOOD_SIZE, INFO + 11, 6, "none to what was asked" },
    { "reply of 16 MiB", GOOD_SIZE, INFO + 16, 1, "none to what was asked" },
    { "no such export", GOOD_SIZE, INFO + 12, 0x80, "no export 'disk'" },
    { "information of another kind", GOOD_SIZE, INFO + 21, 1, "no size" },
    { "half a sector", GOOD_SIZE, INFO + 20 + 9, 1, "no size" },
    { "more than there can be", GOOD_SIZE, INFO + 20 + 2, 0x80, "no size" },
    { "without flags", GOOD_SIZE, INFO + 20 + 11, 0x6c, "no size" },
    { "read-only", GOOD_SIZE, INFO + 20 + 11, 0x6f, "read-only" },
    { "no acknowledgment", ACK, 0, 'N', "has gone" },
};

static void make_pair(int pair[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
}

static void test_greetings(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(greetings); i++) {
        g_autoptr(GError) err = NULL;
        char bytes[GOOD_SIZE];
        int pair[2];

        g_test_message("%s", greetings[i].label);
        memcpy(bytes, good, sizeof(bytes));
        bytes[greetings[i].offset] = (char)greetings[i].byte;
        make_pair(pair);
        g_assert_cmpint(send(pair[1], bytes, greetings[i].size, 0), ==, (ssize_t)greetings[i].size);
        if (greetings[i].error) {
            shutdown(pair[1], SHUT_WR);
        }
        BlockNode *node = block_nbd_new(pair[0], "disk", "image", false, 5, (NbdEnd) { 0 }, &err);
        if (greetings[i].error) {
            g_assert_null(node);
            g_assert_nonnull(strstr(err->message, greetings[i].error));
        } else {
            g_assert_no_error(err);
            g_assert_cmpuint(block_size(node), ==, SIZE);
            g_assert_true(qom_object_complete(&node->object, NULL));
            qom_object_unref(&node->object);
        }
        close(pair[1]);
    }
}

static void test_silent(void)
{
    g_autoptr(GError) err = NULL;
    int pair[2];

    make_pair(pair);
    g_assert_null(block_nbd_new(pair[0], "disk", "image", false, 1, (NbdEnd) { 0 }, &err));
    g_assert_nonnull(strstr(err->message, "takes too long"));
    close(pair[1]);
}

/* ---- A server ---- */

typedef struct Server {
    int fd;
    uint8_t disk[SIZE];
    unsigned commands[8];
    unsigned flags;      /* of all commands */
    unsigned end_after;  /* commands; 0 = never */
    uint32_t error;      /* the answer to writes */
    unsigned wrong;      /* added to the handle of replies */
} Server;

static bool receive(int fd, void *data, size_t size)
{
    return !size || recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void reply(Server *s, const uint8_t *request, uint32_t error, const uint8_t *data,
                  size_t size)
{
    uint8_t header[16];

    store_be32(header, 0x67446698);
    store_be32(header + 4, error);
    memcpy(header + 8, request + 8, 8);
    header[15] = (uint8_t)(header[15] + s->wrong);
    send(s->fd, header, sizeof(header), MSG_NOSIGNAL);
    if (size) {
        send(s->fd, data, size, MSG_NOSIGNAL);
    }
}

static gpointer serve(gpointer opaque)
{
    Server *s = opaque;
    uint8_t skipped[4 + 16 + 4 + 4 + 2], request[28];

    g_assert_cmpint(send(s->fd, good, GOOD_SIZE, 0), ==, GOOD_SIZE);
    g_assert_true(receive(s->fd, skipped, sizeof(skipped)));
    for (unsigned count = 1; receive(s->fd, request, sizeof(request)); count++) {
        unsigned command = request[7];
        uint64_t offset = load_be64(request + 16);
        uint32_t size = load_be32(request + 24);

        g_assert_cmphex(load_be32(request), ==, 0x25609513);
        g_assert_cmpuint(command, <, G_N_ELEMENTS(s->commands));
        g_assert_true(range_inside(offset, size, SIZE));
        s->commands[command]++;
        s->flags |= request[5];
        if (command == 2 || count == s->end_after) {
            break;
        }
        if (command == 1 && !receive(s->fd, s->disk + offset, size)) {
            break;
        }
        if (command == 4 || command == 6) {
            memset(s->disk + offset, 0, size);
        }
        reply(s, request, command == 1 ? s->error : 0, s->disk + offset, command == 0 ? size : 0);
    }
    shutdown(s->fd, SHUT_RDWR);
    return NULL;
}

typedef struct Fixture {
    Server server;
    GThread *thread;
    BlockNode *node;
    BlockClient *client;
    unsigned done;
    bool closed;
} Fixture;

static void on_done(void *opaque, BlockRequest *const *requests, unsigned count)
{
    ((Fixture *)opaque)->done += count;
}

static void on_drop(void *opaque, BlockRequest *request)
{
}

static void on_closed(void *opaque)
{
    ((Fixture *)opaque)->closed = true;
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const BlockClientOps ops = { on_done, NULL };
    int pair[2];

    make_pair(pair);
    f->server.fd = pair[1];
    f->thread = g_thread_new("server", serve, &f->server);
    f->node = block_nbd_new(pair[0], "disk", "image", false, 5, (NbdEnd) { on_closed, f }, NULL);
    g_assert_nonnull(f->node);
    f->node->discard_granularity = 512;
    g_assert_true(qom_object_complete(&f->node->object, NULL));
    f->client = block_attach(f->node, "test", true, false, &ops, f, NULL, NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    block_detach(f->client, on_drop);
    qom_object_unref(&f->node->object);
    g_assert_true(f->closed);
    g_thread_join(f->thread);
    close(f->server.fd);
}

static int run(Fixture *f, BlockOp op, unsigned flags, uint64_t offset, struct iovec *iov,
               unsigned count, uint64_t size)
{
    BlockRequest request = { .op = op, .flags = flags, .offset = offset, .size = size, .iov = iov,
                             .iov_count = count };
    unsigned before = f->done;

    block_submit(f->client, &request);
    while (f->done == before) {
        g_main_context_iteration(NULL, TRUE);
    }
    return request.result;
}

static void test_works(Fixture *f, gconstpointer data)
{
    uint8_t a[512], b[1536], got[2048];
    struct iovec out[] = { { a, sizeof(a) }, { b, 0 }, { b, sizeof(b) } },
    in[] = { { got, 100 }, { got + 100, sizeof(got) - 100 } };

    memset(a, 1, sizeof(a));
    memset(b, 2, sizeof(b));
    g_assert_cmpint(run(f, BLOCK_WRITE, BLOCK_FUA, 4096, out, 3, 2048), ==, 0);
    g_assert_cmphex(f->server.flags, ==, 1);
    g_assert_cmpint(run(f, BLOCK_READ, 0, 4096, in, 2, 2048), ==, 0);
    g_assert_cmpmem(got, 512, a, 512);
    g_assert_cmpmem(got + 512, 1536, b, 1536);
    g_assert_cmpint(run(f, BLOCK_FLUSH, 0, 0, NULL, 0, 0), ==, 0);
    g_assert_cmpint(run(f, BLOCK_DISCARD, 0, 4096, NULL, 0, 512), ==, 0);
    g_assert_cmpint(run(f, BLOCK_WRITE_ZEROES, 0, 4608, NULL, 0, 512), ==, 0);
    g_assert_cmphex(f->server.flags, ==, 3);
    g_assert_cmpint(run(f, BLOCK_READ, 0, 4096, in, 2, 2048), ==, 0);
    g_assert_cmpuint(got[0] | got[1023], ==, 0);
    g_assert_cmpuint(got[1024], ==, 2);
    /* beyond the end: nobody is asked */
    g_assert_cmpint(run(f, BLOCK_READ, 0, SIZE - 512, in, 2, 2048), ==, -EIO);
    const unsigned expected[8] = { 2, 1, 0, 1, 1, 0, 1 };
    g_assert_cmpmem(f->server.commands, sizeof(expected), expected, sizeof(expected));
}

static void test_many(Fixture *f, gconstpointer data)
{
    enum { COUNT = 200 };
    static uint8_t buffers[COUNT][512];
    static BlockRequest requests[COUNT];
    struct iovec iov[COUNT];

    for (unsigned i = 0; i < SIZE; i++) {
        f->server.disk[i] = (uint8_t)(i / 512);
    }
    f->done = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        iov[i] = (struct iovec) { buffers[i], 512 };
        requests[i] = (BlockRequest){
            .op = BLOCK_READ, .offset = i % 128 * 512, .size = 512, .iov = &iov[i], .iov_count = 1};
        block_submit(f->client, &requests[i]);
    }
    while (f->done < COUNT) {
        g_main_context_iteration(NULL, TRUE);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        g_assert_cmpint(requests[i].result, ==, 0);
        g_assert_cmpuint(buffers[i][511], ==, i % 128);
    }
}

static void test_errors(Fixture *f, gconstpointer data)
{
    static const struct {
        uint32_t error;
        int result;
    } rows[] = { { 1, -EPERM }, { 5, -EIO }, { 12, -ENOMEM }, { 22, -EINVAL }, { 28, -ENOSPC },
                 { 95, -EOPNOTSUPP }, { 4711, -EIO } };
    uint8_t data_[512] = { 0 };
    struct iovec iov = { data_, sizeof(data_) };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        f->server.error = rows[i].error;
        g_assert_cmpint(run(f, BLOCK_WRITE, 0, 0, &iov, 1, 512), ==, rows[i].result);
    }
}

static void test_goes(Fixture *f, gconstpointer data)
{
    uint8_t buffer[512];
    struct iovec iov = { buffer, sizeof(buffer) };

    f->server.end_after = 2;
    g_assert_cmpint(run(f, BLOCK_READ, 0, 0, &iov, 1, 512), ==, 0);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(run(f, BLOCK_READ, 0, 0, &iov, 1, 512), ==, -EIO);
    }
}

static void test_lies(Fixture *f, gconstpointer data)
{
    uint8_t buffer[512];
    struct iovec iov = { buffer, sizeof(buffer) };

    f->server.wrong = 1; /* answers what was not asked */
    g_assert_cmpint(run(f, BLOCK_READ, 0, 0, &iov, 1, 512), ==, -EIO);
    g_assert_cmpint(run(f, BLOCK_FLUSH, 0, 0, NULL, 0, 0), ==, -EIO);
}

/* ---- Images ---- */

static void test_images(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *path = g_strdup(g_getenv("PATH"));
    const BlockFileOptions options = { .filename = "/nonexistent/image" };

    g_assert_true(block_format_is_known("qcow2"));
    g_assert_false(block_format_is_known("raw"));
    g_assert_false(block_format_is_known("file"));
    g_setenv("PATH", "/nonexistent", TRUE);
    g_assert_null(block_image_open("qcow2", &options, &err));
    g_assert_nonnull(strstr(err->message, "qemu-utils"));
    g_setenv("PATH", path, TRUE);
}

/* Answers before it is asked, and then reads nothing. */
static void test_deaf(void)
{
    enum { ANSWERS = 2000, CHUNK = 4096 };
    static const BlockClientOps ops = { on_done, NULL };
    static uint8_t data[CHUNK];
    Fixture f = { .server.error = 0 };
    uint8_t requests[28] = { 0 };
    struct iovec out = { data, CHUNK };
    socklen_t length = sizeof(int);
    int pair[2], room, waiting = 0;

    make_pair(pair);
    f.server.fd = pair[1];
    g_assert_cmpint(getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, &length), ==, 0);
    g_assert_cmpint(send(pair[1], good, GOOD_SIZE, 0), ==, GOOD_SIZE);
    f.node = block_nbd_new(pair[0], "disk", "image", false, 5, (NbdEnd) { on_closed, &f }, NULL);
    g_assert_nonnull(f.node);
    g_assert_true(qom_object_complete(&f.node->object, NULL));
    f.client = block_attach(f.node, "test", true, false, &ops, &f, NULL, NULL);
    g_assert_cmpint(ioctl(pair[0], SIOCOUTQ, &waiting), ==, 0);
    alarm(120); /* who waits to say goodbye waits for ever */
    for (unsigned i = 0; waiting < room; i++) {
        BlockRequest request = { .op = BLOCK_WRITE, .size = CHUNK, .iov = &out, .iov_count = 1 };
        unsigned before = f.done;
        int sent = waiting + CHUNK;
        g_assert_cmpuint(i, <, ANSWERS);
        block_submit(f.client, &request);
        do { /* it is on its way */
            g_assert_cmpint(ioctl(pair[0], SIOCOUTQ, &waiting), ==, 0);
        } while (waiting < sent);
        store_be64(requests + 8, i); /* handles count up */
        reply(&f.server, requests, 0, NULL, 0);
        while (f.done == before) {
            g_main_context_iteration(NULL, TRUE);
        }
        g_assert_cmpint(request.result, ==, 0);
    }
    block_detach(f.client, on_drop);
    qom_object_unref(&f.node->object);
    g_assert_true(f.closed);
    alarm(0);
    close(pair[1]);
}

/* What the program that serves an image is told: a script in its place writes it down and ends. */
static void test_told(void)
{
    static const struct {
        BlockFileOptions options;
        const char *says;
    } rows[] = {
        { { .filename = "image" }, "\"backing\":null" }, /* is not there */
        { { .filename = "image", .no_backing = true }, "\"backing\":null" },
        { { .filename = "image", .discard = true }, "\"discard\":\"unmap\"" },
        { { .filename = "image", .direct = true }, "\"direct\":true" },
    };
    g_autofree char *directory = g_dir_make_tmp("test-nbd-XXXXXX", NULL);
    g_autofree char *image = g_build_filename(directory, "image", NULL);
    g_autofree char *program = g_build_filename(directory, "qemu-storage-daemon", NULL);
    g_autofree char *told = g_build_filename(directory, "told", NULL);
    g_autofree char *script = g_strdup_printf("#!/bin/sh\necho \"$2\" >'%s'\n", told);
    g_autofree char *path = g_strdup(g_getenv("PATH"));

    g_assert_true(g_file_set_contents(image, "", 0, NULL));
    g_assert_true(g_file_set_contents(program, script, -1, NULL));
    g_assert_cmpint(chmod(program, 0700), ==, 0);
    g_setenv("PATH", directory, TRUE);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        BlockFileOptions options = rows[i].options;
        g_autoptr(GError) err = NULL;
        g_autofree char *text = NULL;

        options.filename = image;
        g_assert_null(block_image_open("qcow2", &options, &err));
        g_assert_nonnull(strstr(err->message, "does not serve it as qcow2"));
        g_assert_true(g_file_get_contents(told, &text, NULL, NULL));
        g_test_message("%s", text);
        g_assert_true(!strstr(text, rows[i].says) == !i);
    }
    g_setenv("PATH", path, TRUE);
    unlink(image);
    unlink(program);
    unlink(told);
    rmdir(directory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd/greetings", test_greetings);
    g_test_add_func("/nbd/silent", test_silent);
    g_test_add("/nbd/works", Fixture, NULL, set_up, test_works, tear_down);
    g_test_add("/nbd/many", Fixture, NULL, set_up, test_many, tear_down);
    g_test_add("/nbd/errors", Fixture, NULL, set_up, test_errors, tear_down);
    g_test_add("/nbd/goes", Fixture, NULL, set_up, test_goes, tear_down);
    g_test_add("/nbd/lies", Fixture, NULL, set_up, test_lies, tear_down);
    g_test_add_func("/nbd/deaf", test_deaf);
    g_test_add_func("/nbd/images", test_images);
    g_test_add_func("/nbd/told", test_told);
    return g_test_run();
}
