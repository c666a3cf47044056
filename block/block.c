/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block nodes and their clients: checks, the pool that blocking drivers run on, delivery in the
 * client's context.
 */
#include "block-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"

/* Enough to keep a disk busy; more would only wait in the kernel instead of here. */
#define POOL_THREADS 64
#define BATCH 64
#define WAIT_MS 1000 /* nothing happens for so long only if a disk is slow */

/* ---- Delivery ---- */

static BlockRequest *take_done(BlockClient *client)
{
    BlockRequest *list = client->done;

    client->done = NULL;
    client->done_end = &client->done;
    return list;
}

static gboolean deliver(gpointer opaque)
{
    BlockClient *client = opaque;
    BlockRequest *batch[BATCH];

    if (client->idle_fd >= 0) {
        g_mutex_lock(&client->lock);
        client->delivering = true;
        g_mutex_unlock(&client->lock);
        block_reap(client->node);
    }
    g_mutex_lock(&client->lock);
    client->delivering = false;
    if (g_source_get_ready_time(client->source) >= 0) {
        g_source_set_ready_time(client->source, -1);
    }
    BlockRequest *list = take_done(client);
    bool resized = client->resized;
    client->resized = false;
    g_mutex_unlock(&client->lock);
    while (list) {
        unsigned count = 0;
        for (; list && count < BATCH; list = list->next) {
            batch[count++] = list;
        }
        client->ops->done(client->opaque, batch, count);
    }
    if (resized && client->ops->resized) {
        client->ops->resized(client->opaque);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
    return callback(opaque);
}

static GSourceFuncs source_funcs = { .dispatch = dispatch };

/* Data that was checked, which the guest cannot change any more. */
struct BlockCopy {
    const struct iovec *old;
    unsigned old_count;
    struct iovec iov;
    uint8_t bytes[];
};

static void drop_copy(BlockRequest *request)
{
    if (request->copy) {
        request->iov = request->copy->old;
        request->iov_count = request->copy->old_count;
        g_clear_pointer(&request->copy, g_free);
    }
}

void block_client_append_done(BlockClient *client, BlockRequest *request)
{
    drop_copy(request);
    request->next = NULL;
    bool first = !client->done; /* of a batch that is delivered together */
    *client->done_end = request;
    client->done_end = &request->next;
    if (first && !client->delivering) {
        g_source_set_ready_time(client->source, 0);
    }
}

/* ---- Completion ---- */

/* With the client's lock held: one request less is running. */
static void end_running(BlockClient *client)
{
    const uint64_t one = 1;

    if (--client->running == 0) {
        g_cond_broadcast(&client->idle);
        if (client->draining && write(client->idle_fd, &one, sizeof(one)) < 0) {
            /* it says so already */
        }
    }
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

/* The request was taken, and this came of it. */
static void end_request(BlockRequest *request, int result)
{
    BlockClient *client = request->client;
    BlockCounters *counters = &client->node->counters[request->op];

    __atomic_fetch_add(&counters->nanoseconds, (uint64_t)(now_ns() - request->started),
                       __ATOMIC_RELAXED);
    request->result = result;
    g_mutex_lock(&client->lock);
    block_client_append_done(client, request);
    end_running(client);
    g_mutex_unlock(&client->lock);
}

/*
 * It counts as running until somebody was told: who goes on because of that finds it among those
 * that wait.
 */
static void hold_request(BlockRequest *request, const BlockIoError *what)
{
    BlockClient *client = request->client;

    request->result = -what->error;
    g_mutex_lock(&client->lock);
    block_client_hold(client, request, what->error);
    g_mutex_unlock(&client->lock);
    block_client_tell(client, what);
    g_mutex_lock(&client->lock);
    end_running(client);
    g_mutex_unlock(&client->lock);
}

void block_complete(BlockRequest *request, int result)
{
    BlockClient *client = request->client;

    if (request->ended) {
        request->ended(request, result);
        return;
    }
    if (result) {
        __atomic_fetch_add(&client->node->counters[request->op].failed, 1, __ATOMIC_RELAXED);
    }
    if (!result || !client->has_policy) {
        end_request(request, result);
        return;
    }
    const BlockIoError what = block_client_judge(client, request, -result);
    if (what.action == BLOCK_ACTION_STOP) {
        hold_request(request, &what);
    } else {
        block_client_tell(client, &what);
        end_request(request, what.action == BLOCK_ACTION_IGNORE ? 0 : result);
    }
}

static void run_request(gpointer data, gpointer opaque)
{
    BlockRequest *request = data;
    BlockNode *node = opaque;

    block_complete(request, node->driver->run(node, request));
}

/* ---- Clients ---- */

static bool check_sharing(const BlockNode *node, const BlockClient *client, GError **errp)
{
    for (guint i = 0; i < node->clients->len; i++) {
        const BlockClient *other = node->clients->pdata[i];
        if ((client->writable && !other->shared) || (other->writable && !client->shared)) {
            error_set(errp, "Drive '%s' is already in use by %s",
                      node->object.name ? node->object.name : "", other->name);
            error_hint(
                errp, "A disk that is written belongs to one device, unless both have share-rw=on");
            return false;
        }
    }
    return true;
}

/* What all clients together do, and a new one. */
static bool claim(BlockNode *node, const BlockClient *new, GError **errp)
{
    unsigned used = 0, unshared = 0;

    if (!node->driver->claim) {
        return true;
    }
    for (guint i = 0; i <= node->clients->len; i++) {
        const BlockClient *client = i < node->clients->len ? node->clients->pdata[i] : new;
        if (client) {
            used |= BLOCK_PERM_READ | (client->writable ? BLOCK_PERM_WRITE : 0);
            unshared |= client->shared ? 0 : BLOCK_PERM_WRITE;
        }
    }
    return node->driver->claim(node, used, unshared, errp);
}

BlockClient *block_attach(BlockNode *node, const char *name, bool writable, bool shared,
                          const BlockClientOps *ops, void *opaque, GMainContext *context,
                          GError **errp)
{
    BlockClient *client;

    if (block_is_empty(node)) {
        error_set(errp, "Device needs media, but drive is empty");
        error_hint(errp, "-drive without file= is for a CD drive (scsi-cd)");
        return NULL;
    }
    if (writable && node->read_only) {
        error_set(errp, "Block node '%s' is read-only, and %s writes",
                  node->object.name ? node->object.name : "", name);
        error_hint(errp, "Open the disk with read-only=off, or give the device a read-only one");
        return NULL;
    }
    client = g_new0(BlockClient, 1);
    *client = (BlockClient) {
        .name = g_strdup(name), .writable = writable, .shared = shared, .ops = ops,
        .opaque = opaque, .idle_fd = -1,
    };
    if (!check_sharing(node, client, errp) || !claim(node, client, errp)) {
        g_free(client->name);
        g_free(client);
        return NULL;
    }
    if (block_completion_fd(node) >= 0 &&
        (client->idle_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        error_set(errp, "Could not make an eventfd for %s: %s", name, g_strerror(errno));
        g_free(client->name);
        g_free(client);
        claim(node, NULL, NULL);
        return NULL;
    }
    client->node = node;
    qom_object_ref(&node->object);
    g_mutex_init(&client->lock);
    g_cond_init(&client->idle);
    client->done_end = &client->done;
    client->held_end = &client->held;
    client->source = g_source_new(&source_funcs, sizeof(GSource));
    g_source_set_priority(client->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(client->source, deliver, client, NULL);
    client->context = context ? g_main_context_ref(context) : NULL;
    if (client->idle_fd >= 0) {
        g_source_add_unix_fd(client->source, block_completion_fd(node), G_IO_IN);
    }
    g_source_attach(client->source, context);
    g_mutex_lock(&node->lock);
    client->paused = node->paused;
    g_ptr_array_add(node->clients, client);
    g_mutex_unlock(&node->lock);
    return client;
}

/*
 * Until there are results to fetch, or others fetched the last, or the last requests ended in
 * another way.
 */
static void wait_for_results(const BlockClient *client)
{
    BlockNode *node = client->node;
    struct pollfd ready[] = { { block_completion_fd(node), POLLIN, 0 },
                              { client->idle_fd, POLLIN, 0 } };

    block_kick(node);
    poll(ready, G_N_ELEMENTS(ready), WAIT_MS);
    block_reap(node);
}

/* With the client's lock held. */
static void fetch_all(BlockClient *client)
{
    uint64_t count;

    if (client->running && read(client->idle_fd, &count, sizeof(count)) < 0) {
        /* nobody has said so since the last time */
    }
    client->draining++;
    while (client->running) {
        g_mutex_unlock(&client->lock);
        wait_for_results(client);
        g_mutex_lock(&client->lock);
    }
    client->draining--;
}

/* With the client's lock held. */
static void wait_for_running(BlockClient *client)
{
    if (client->idle_fd >= 0) {
        fetch_all(client);
    }
    while (client->running) {
        g_cond_wait(&client->idle, &client->lock);
    }
}

void block_drain(BlockClient *client)
{
    g_mutex_lock(&client->lock);
    wait_for_running(client);
    block_client_end_held(client);
    g_mutex_unlock(&client->lock);
}

void block_pause(BlockNode *node)
{
    g_mutex_lock(&node->lock);
    node->paused = true;
    for (guint i = 0; i < node->clients->len; i++) {
        BlockClient *client = node->clients->pdata[i];
        g_mutex_lock(&client->lock);
        client->paused = true;
        wait_for_running(client);
        g_mutex_unlock(&client->lock);
    }
    g_mutex_unlock(&node->lock);
}

void block_detach(BlockClient *client, void (*drop)(void *opaque, BlockRequest *request))
{
    if (!client) {
        return;
    }
    block_drain(client);
    g_mutex_lock(&client->node->lock); /* block_resize() is not to wake it any more */
    g_ptr_array_remove(client->node->clients, client);
    g_mutex_unlock(&client->node->lock);
    g_source_destroy(client->source);
    context_barrier(client->context);
    g_source_unref(client->source);
    g_clear_pointer(&client->context, g_main_context_unref);
    for (BlockRequest *next, *request = take_done(client); request; request = next) {
        next = request->next;
        drop(client->opaque, request);
    }
    claim(client->node, NULL, NULL); /* less than before: nobody minds */
    qom_object_unref(&client->node->object);
    g_mutex_clear(&client->lock);
    g_cond_clear(&client->idle);
    if (client->idle_fd >= 0) {
        close(client->idle_fd);
    }
    g_free(client->path);
    g_free(client->name);
    g_free(client);
}

static int check_request(const BlockClient *client, const BlockRequest *request)
{
    if (request->op != BLOCK_READ && request->op != BLOCK_FLUSH && !client->writable) {
        return -EACCES;
    }
    if (request->op != BLOCK_FLUSH &&
        !range_inside(request->offset, request->size, block_size(client->node))) {
        return -EIO;
    }
    return 0;
}

bool block_forward_claim(BlockNode *below, unsigned used, unsigned unshared, GError **errp)
{
    return !below->driver->claim || below->driver->claim(below, used, unshared, errp);
}

static void note_highest(BlockNode *node, uint64_t end)
{
    uint64_t before = __atomic_load_n(&node->highest_write, __ATOMIC_RELAXED);

    while (end > before &&
           !__atomic_compare_exchange_n(&node->highest_write, &before, end, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
        /* another thread's was noted meanwhile: `before` is that */
    }
}

void block_forward(BlockNode *below, BlockRequest *request)
{
    BlockCounters *counters = &below->counters[request->op];

    __atomic_fetch_add(&counters->operations, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counters->bytes, request->size, __ATOMIC_RELAXED);
    if (request->op == BLOCK_WRITE || request->op == BLOCK_WRITE_ZEROES) {
        note_highest(below, request->offset + request->size);
    }
    int result;

    if (below->driver->submit) {
        below->driver->submit(below, request);
    } else if (below->driver->try_now && below->driver->try_now(below, request, &result)) {
        block_complete(request, result);
    } else if (!below->driver->take || !below->driver->take(below, request)) {
        block_run(below, request);
    }
}

void block_run(BlockNode *node, BlockRequest *request)
{
    g_thread_pool_push(node->pool, request, NULL);
}

void block_kick(BlockNode *below)
{
    if (below->driver->kick) {
        below->driver->kick(below);
    }
}

int block_completion_fd(const BlockNode *below)
{
    return below->driver->completion_fd ? below->driver->completion_fd(below) : -1;
}

void block_reap(BlockNode *below)
{
    if (below->driver->reap) {
        below->driver->reap(below);
    }
}

void block_batch_begin(BlockClient *client)
{
    client->batching = true;
}

void block_batch_end(BlockClient *client)
{
    client->batching = false;
    block_kick(client->node);
}

static bool is_zero(const struct iovec *iov, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *bytes = iov[i].iov_base;
        if (iov[i].iov_len && (bytes[0] || memcmp(bytes, bytes + 1, iov[i].iov_len - 1))) {
            return false;
        }
    }
    return true;
}

static void detect_zeroes(const BlockNode *node, BlockRequest *request)
{
    if (node->detect_zeroes != BLOCK_DETECT_OFF && request->op == BLOCK_WRITE &&
        is_zero(request->iov, request->iov_count)) {
        request->op = BLOCK_WRITE_ZEROES;
        request->flags |= node->detect_zeroes == BLOCK_DETECT_UNMAP ? BLOCK_MAY_UNMAP : 0;
    }
}

/*
 * Whoever opens the image next without naming its format would follow what such a header says, to
 * other files of the host too (a backing file).
 */
static int check_header(const BlockNode *node, BlockRequest *request)
{
    if (!node->guessed_raw || request->op != BLOCK_WRITE || request->offset >= BLOCK_SECTOR_SIZE) {
        return 0;
    }
    struct BlockCopy *copy = g_try_malloc(sizeof(*copy) + request->size);
    if (!copy) {
        return -ENOMEM;
    }
    *copy = (struct BlockCopy) { request->iov, request->iov_count, { copy->bytes, request->size } };
    uint8_t *at = copy->bytes;
    for (unsigned i = 0; i < request->iov_count; at += request->iov[i++].iov_len) {
        memcpy(at, request->iov[i].iov_base, request->iov[i].iov_len);
    }
    request->copy = copy;
    request->iov = &copy->iov;
    request->iov_count = 1;
    return request->offset || block_probe(copy->bytes, request->size) ? -EPERM : 0;
}

void block_submit(BlockClient *client, BlockRequest *request)
{
    BlockNode *node = client->node;
    int error = check_request(client, request);

    request->copy = NULL;
    request->ended = NULL;
    error = error ? error : check_header(node, request);
    request->client = client;
    if (!error) {
        detect_zeroes(node, request);
    }
    request->started = now_ns();
    g_mutex_lock(&client->lock);
    bool waits = client->paused && !error;
    if (waits) {
        block_client_postpone(client, request);
    } else {
        client->running++;
    }
    g_mutex_unlock(&client->lock);
    if (error) {
        __atomic_fetch_add(&node->counters[request->op].invalid, 1, __ATOMIC_RELAXED);
        end_request(request, error);
    } else if (!waits) {
        block_forward(node, request);
        if (!client->batching) {
            block_kick(node);
        }
    }
}

/* ---- Nodes ---- */

uint64_t block_size(const BlockNode *node)
{
    return __atomic_load_n(&node->size, __ATOMIC_RELAXED);
}

bool block_is_read_only(const BlockNode *node)
{
    return node->read_only;
}

static const BlockDriver empty_driver = { .name = "none" };

BlockNode *block_empty_new(void)
{
    return block_node_new(&empty_driver, NULL, 0, true);
}

bool block_is_empty(const BlockNode *node)
{
    return node->driver == &empty_driver;
}

uint32_t block_discard_granularity(const BlockNode *node)
{
    return node->discard_granularity;
}

BlockCounters block_counters(const BlockNode *node, BlockOp op)
{
    const BlockCounters *counters = &node->counters[op];

    return (BlockCounters) {
        __atomic_load_n(&counters->operations, __ATOMIC_RELAXED),
        __atomic_load_n(&counters->bytes, __ATOMIC_RELAXED),
        __atomic_load_n(&counters->failed, __ATOMIC_RELAXED),
        __atomic_load_n(&counters->invalid, __ATOMIC_RELAXED),
        __atomic_load_n(&counters->nanoseconds, __ATOMIC_RELAXED),
    };
}

uint64_t block_highest_write(const BlockNode *node)
{
    return __atomic_load_n(&node->highest_write, __ATOMIC_RELAXED);
}

bool block_resize(BlockNode *node, uint64_t size, GError **errp)
{
    const char *name = node->object.name ? node->object.name : "";

    if (node->read_only) {
        return error_set(errp, "Block node '%s' is read-only", name);
    }
    if (!node->driver->resize) {
        return error_set(errp, "Block driver %s of node '%s' can't resize", node->driver->name,
                         name);
    }
    if (size % BLOCK_SECTOR_SIZE) {
        return error_set(errp, "Block node '%s': size %" PRIu64 " is not a multiple of %d", name,
                         size, BLOCK_SECTOR_SIZE);
    }
    if (!node->driver->resize(node, size, errp)) {
        return false;
    }
    __atomic_store_n(&node->size, size, __ATOMIC_RELAXED);
    g_mutex_lock(&node->lock);
    for (guint i = 0; i < node->clients->len; i++) {
        BlockClient *client = node->clients->pdata[i];
        g_mutex_lock(&client->lock);
        client->resized = true;
        g_source_set_ready_time(client->source, 0);
        g_mutex_unlock(&client->lock);
    }
    g_mutex_unlock(&node->lock);
    return true;
}

static void node_finalize(QomObject *object)
{
    BlockNode *node = (BlockNode *)object;

    g_assert(!node->clients || !node->clients->len);
    if (node->pool) {
        g_thread_pool_free(node->pool, FALSE, TRUE);
    }
    if (node->driver && node->driver->close) {
        node->driver->close(node);
    }
    g_clear_pointer(&node->clients, g_ptr_array_unref);
    g_free(node->filename);
    g_mutex_clear(&node->lock);
}

static void node_init(QomObject *object)
{
    BlockNode *node = (BlockNode *)object;

    g_mutex_init(&node->lock);
    node->clients = g_ptr_array_new();
}

const QomType block_node_type = {
    .name = "block-node", .parent = &qom_object_type, .size = sizeof(BlockNode), .init = node_init,
    .finalize = node_finalize,
};

BlockNode *block_node_new(const BlockDriver *driver, void *data, uint64_t size, bool read_only)
{
    BlockNode *node = (BlockNode *)qom_object_new(&block_node_type);

    node->driver = driver;
    node->data = data;
    node->size = size;
    node->read_only = read_only;
    if (driver->run) {
        /* of all pools: by default bursts of requests make and end threads */
        g_thread_pool_set_max_unused_threads(POOL_THREADS);
        node->pool = g_thread_pool_new(run_request, node, POOL_THREADS, FALSE, NULL);
    }
    return node;
}
