/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * werror= and rerror=: what a client hears of a failed request, what is told of it, and what waits
 * until the machine goes on.
 */
#include <errno.h>

#include "block/block.h"
#include "util/units.h"

#define REQUESTS 3

typedef struct Fixture {
    int error;           /* of all that is run; 0: none */
    bool later;          /* nothing is completed before complete_all() */
    GPtrArray *taken;    /* of BlockRequest */
    BlockNode *node;
    BlockErrorPort port;
    BlockClient *client;
    BlockRequest requests[REQUESTS];
    unsigned done, told, dropped;
    int result;          /* of the last one done */
    BlockIoError what;   /* the last one told */
    char *path;
} Fixture;

static void submit(BlockNode *node, BlockRequest *request)
{
    Fixture *f = node->data;

    if (f->later) {
        g_ptr_array_add(f->taken, request);
    } else {
        block_complete(request, f->error);
    }
}

static void complete_all(Fixture *f)
{
    while (f->taken->len) {
        block_complete(g_ptr_array_remove_index(f->taken, 0), f->error);
    }
}

static void on_failed(void *opaque, const BlockIoError *error)
{
    Fixture *f = opaque;

    f->told++;
    f->what = *error;
    g_free(f->path);
    f->path = g_strdup(error->path);
}

static void on_done(void *opaque, BlockRequest *const *requests, unsigned count)
{
    Fixture *f = opaque;

    f->done += count;
    f->result = requests[count - 1]->result;
}

static const BlockClientOps client_ops = { on_done, NULL };

static void on_drop(void *opaque, BlockRequest *request)
{
    Fixture *f = opaque;

    f->dropped++;
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const BlockDriver driver = { .name = "scripted", .submit = submit };

    f->taken = g_ptr_array_new();
    f->node = block_node_new(&driver, f, 1 * MiB, false);
    g_assert_true(qom_object_complete(&f->node->object, NULL));
    f->port = (BlockErrorPort) { on_failed, f };
    f->node->errors = &f->port;
    f->client = block_attach(f->node, "disk", true, false, &client_ops, f, NULL, NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    block_detach(f->client, on_drop);
    qom_object_unref(&f->node->object);
    g_ptr_array_unref(f->taken);
    g_free(f->path);
}

static void turn(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

static void ask(Fixture *f, unsigned i, BlockOp op, uint64_t offset)
{
    f->requests[i] = (BlockRequest) { .op = op, .offset = offset, .size = op == BLOCK_FLUSH ? 0
        : 512 };
    block_submit(f->client, &f->requests[i]);
    turn();
}

#define AUTO BLOCK_ON_ERROR_AUTO
#define REPORT BLOCK_ON_ERROR_REPORT
#define IGNORE BLOCK_ON_ERROR_IGNORE
#define ENOSPACE BLOCK_ON_ERROR_ENOSPC
#define STOP BLOCK_ON_ERROR_STOP
#define OK BLOCK_IO_STATUS_OK
#define NONE BLOCK_IO_STATUS_NONE
#define FAILED BLOCK_IO_STATUS_FAILED
#define NOSPACE BLOCK_IO_STATUS_NOSPACE

static const struct {
    const char *label;
    BlockOnError node_read, node_write, on_read, on_write;
    BlockOp op;
    int error;
    int action, result; /* action -1: nobody is told */
    BlockIoStatus before, after;
} rows[] = {
    { "good read", AUTO, AUTO, AUTO, AUTO, BLOCK_READ, 0, -1, 0, OK, OK },
    { "read, default", AUTO, AUTO, AUTO, AUTO, BLOCK_READ, EIO, BLOCK_ACTION_REPORT, -EIO, OK, OK },
    { "write, default", AUTO, AUTO, AUTO, AUTO, BLOCK_WRITE, EIO, BLOCK_ACTION_REPORT, -EIO, OK,
      OK },
    { "write, no space, default", AUTO, AUTO, AUTO, AUTO, BLOCK_WRITE, ENOSPC, BLOCK_ACTION_STOP, 0,
      OK, NOSPACE },
    { "zeroes, no space, default", AUTO, AUTO, AUTO, AUTO, BLOCK_WRITE_ZEROES, ENOSPC,
      BLOCK_ACTION_STOP, 0, OK, NOSPACE },
    { "read, no space, default", AUTO, AUTO, AUTO, AUTO, BLOCK_READ, ENOSPC, BLOCK_ACTION_REPORT,
      -ENOSPC, OK, OK },
    { "write, stop", AUTO, AUTO, AUTO, STOP, BLOCK_WRITE, EIO, BLOCK_ACTION_STOP, 0, OK, FAILED },
    { "flush, stop", AUTO, AUTO, AUTO, STOP, BLOCK_FLUSH, EIO, BLOCK_ACTION_STOP, 0, OK, FAILED },
    { "read, write stops", AUTO, AUTO, AUTO, STOP, BLOCK_READ, EIO, BLOCK_ACTION_REPORT, -EIO, OK,
      OK },
    { "read, stop", AUTO, AUTO, STOP, REPORT, BLOCK_READ, EIO, BLOCK_ACTION_STOP, 0, OK, FAILED },
    { "read, enospc", AUTO, AUTO, ENOSPACE, REPORT, BLOCK_READ, ENOSPC, BLOCK_ACTION_STOP, 0, NONE,
      NONE },
    { "write, report", AUTO, AUTO, REPORT, REPORT, BLOCK_WRITE, ENOSPC, BLOCK_ACTION_REPORT,
      -ENOSPC, NONE, NONE },
    { "write, ignore", AUTO, AUTO, REPORT, IGNORE, BLOCK_WRITE, EIO, BLOCK_ACTION_IGNORE, 0, NONE,
      NONE },
    { "read, ignore", AUTO, AUTO, IGNORE, AUTO, BLOCK_READ, EIO, BLOCK_ACTION_IGNORE, 0, OK, OK },
    { "write, the node says stop", AUTO, STOP, AUTO, AUTO, BLOCK_WRITE, EIO, BLOCK_ACTION_STOP, 0,
      OK, FAILED },
    { "write, the device overrules", AUTO, STOP, AUTO, REPORT, BLOCK_WRITE, EIO,
      BLOCK_ACTION_REPORT, -EIO, NONE, NONE },
    { "read, the node says stop", STOP, AUTO, AUTO, AUTO, BLOCK_READ, EPERM, BLOCK_ACTION_STOP, 0,
      OK, FAILED },
};

static void test_actions(Fixture *f, gconstpointer data)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        tear_down(f, NULL);
        *f = (Fixture) { .error = -rows[i].error };
        set_up(f, NULL);
        f->node->on_read_error = rows[i].node_read;
        f->node->on_write_error = rows[i].node_write;
        block_set_on_error(f->client, rows[i].on_read, rows[i].on_write, "/machine/disk");
        g_assert_cmpint(block_io_status(f->node), ==, rows[i].before);
        ask(f, 0, rows[i].op, 0);
        bool stops = rows[i].action == BLOCK_ACTION_STOP;
        g_assert_cmpuint(f->told, ==, rows[i].action >= 0);
        if (f->told) {
            g_assert_cmpint(f->what.action, ==, rows[i].action);
            g_assert_cmpint(f->what.error, ==, rows[i].error);
            g_assert_cmpint(f->what.is_write, ==, rows[i].op != BLOCK_READ);
            g_assert_cmpstr(f->path, ==, "/machine/disk");
        }
        g_assert_cmpuint(f->done, ==, !stops);
        g_assert_cmpint(f->result, ==, rows[i].result);
        g_assert_cmpint(block_io_status(f->node), ==, rows[i].after);
        f->error = 0;
        block_retry(f->node);
        turn();
        g_assert_cmpuint(f->done, ==, 1);
        g_assert_cmpint(block_io_status(f->node), ==, rows[i].before);
    }
}

/* Tried again in order, failing again, and then not. */
static void test_retry(Fixture *f, gconstpointer data)
{
    block_set_on_error(f->client, STOP, STOP, "/machine/disk");
    f->error = -ENOSPC;
    ask(f, 0, BLOCK_WRITE, 0);
    f->error = -EIO;
    ask(f, 1, BLOCK_READ, 512);
    ask(f, 2, BLOCK_FLUSH, 0);
    g_assert_cmpuint(f->told, ==, REQUESTS);
    g_assert_cmpint(block_io_status(f->node), ==, NOSPACE); /* the first error's */
    block_retry(f->node);
    turn();
    g_assert_cmpuint(f->told, ==, 2 * REQUESTS);
    g_assert_cmpint(block_io_status(f->node), ==, FAILED);
    g_assert_cmpuint(f->done, ==, 0);
    f->later = true;
    block_retry(f->node);
    g_assert_cmpuint(f->taken->len, ==, REQUESTS);
    for (unsigned i = 0; i < REQUESTS; i++) {
        g_assert_true(f->taken->pdata[i] == &f->requests[i]);
    }
    f->error = 0;
    complete_all(f);
    turn();
    g_assert_cmpuint(f->done, ==, REQUESTS);
    g_assert_cmpint(f->result, ==, 0);
    g_assert_cmpint(block_io_status(f->node), ==, OK);
}

/* A reset does not wait for somebody to continue the machine: what waits ends with its error. */
static void test_drain(Fixture *f, gconstpointer data)
{
    block_set_on_error(f->client, STOP, STOP, "/machine/disk");
    f->error = -EIO;
    ask(f, 0, BLOCK_WRITE, 0);
    ask(f, 1, BLOCK_READ, 0);
    g_assert_cmpuint(f->done, ==, 0);
    block_drain(f->client);
    turn();
    g_assert_cmpuint(f->done, ==, 2);
    g_assert_cmpint(f->result, ==, -EIO);
    block_retry(f->node);
    turn();
    g_assert_cmpuint(f->done, ==, 2);
    ask(f, 2, BLOCK_WRITE, 0); /* and the device goes with one that waits */
    block_detach(g_steal_pointer(&f->client), on_drop);
    g_assert_cmpuint(f->dropped, ==, 1);
}

/* What could not have been carried out, and clients without a policy, are no errors of the disk. */
static void test_not_told(Fixture *f, gconstpointer data)
{
    f->error = -EIO;
    ask(f, 0, BLOCK_WRITE, 0);
    g_assert_cmpint(f->result, ==, -EIO);
    block_set_on_error(f->client, STOP, STOP, "/machine/disk");
    ask(f, 1, BLOCK_WRITE, 1 * MiB);
    g_assert_cmpuint(f->done, ==, 2);
    g_assert_cmpuint(f->told, ==, 0);
    f->node->errors = NULL; /* nobody would continue it */
    ask(f, 2, BLOCK_WRITE, 0);
    g_assert_cmpuint(f->done, ==, 3);
    g_assert_cmpint(f->result, ==, -EIO);
}

static gpointer complete_later(gpointer opaque)
{
    g_usleep(20 * 1000);
    complete_all(opaque);
    return NULL;
}

/* What runs when the machine stops ends before it stands; what comes then waits: no error. */
static void test_pause(Fixture *f, gconstpointer data)
{
    block_set_on_error(f->client, STOP, STOP, "/machine/disk");
    f->later = true;
    ask(f, 0, BLOCK_WRITE, 0);
    GThread *thread = g_thread_new("disk", complete_later, f);
    block_pause(f->node);
    g_assert_cmpuint(f->taken->len, ==, 0);
    g_thread_join(thread);
    turn();
    g_assert_cmpuint(f->done, ==, 1);
    ask(f, 1, BLOCK_WRITE, 512);
    ask(f, 2, BLOCK_WRITE, 1 * MiB); /* beyond the end: no disk is needed to say so */
    g_assert_cmpuint(f->taken->len, ==, 0);
    g_assert_cmpuint(f->done, ==, 2);
    g_assert_cmpint(f->result, ==, -EIO);
    g_assert_cmpint(block_io_status(f->node), ==, OK);
    block_retry(f->node);
    g_assert_cmpuint(f->taken->len, ==, 1);
    complete_all(f);
    turn();
    g_assert_cmpuint(f->done, ==, 3);
    g_assert_cmpint(f->result, ==, 0);
    /* A reset of the device while the machine stands */
    block_pause(f->node);
    ask(f, 0, BLOCK_WRITE, 0);
    block_drain(f->client);
    turn();
    g_assert_cmpuint(f->done, ==, 4);
    g_assert_cmpint(f->result, ==, -ECANCELED);
    /* A device that comes then waits too */
    block_detach(f->client, on_drop);
    f->client = block_attach(f->node, "other", true, false, &client_ops, f, NULL, NULL);
    ask(f, 0, BLOCK_READ, 0);
    g_assert_cmpuint(f->taken->len, ==, 0);
    block_retry(f->node);
    g_assert_cmpuint(f->taken->len, ==, 1);
    g_assert_cmpuint(f->told, ==, 0);
    complete_all(f);
}

#define ADD(name, function) \
    g_test_add("/block/on-error/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("actions", test_actions);
    ADD("retry", test_retry);
    ADD("drain", test_drain);
    ADD("not-told", test_not_told);
    ADD("pause", test_pause);
    return g_test_run();
}
