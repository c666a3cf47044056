/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One io_uring for each file (io_uring(7)), by liburing. */
#include "uring.h"

#include "util/error.h"

#ifdef HAVE_LIBURING

#include <errno.h>
#include <liburing.h>
#include <limits.h>
#include <string.h>

#define SUBMISSIONS 128   /* gathered at most */
#define COMPLETIONS 1024  /* beyond that the kernel keeps results for us, at a cost */
#define REAP_BATCH 64
#define MAX_TRIES 1000    /* of a millisecond each, while the kernel has no memory */

struct BlockUring {
    GMutex lock;
    struct io_uring ring;
};

BlockUring *block_uring_new(int fd, GError **errp)
{
    BlockUring *uring = g_new0(BlockUring, 1);
    struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = COMPLETIONS };
    int result = io_uring_queue_init_params(SUBMISSIONS, &uring->ring, &params);

    if (result < 0) {
        error_set(errp, "io_uring is not available: %s", g_strerror(-result));
        error_hint(errp, "The host forbids it (sysctl kernel.io_uring_disabled, a container's "
                         "rules, ulimit -l): use aio=threads");
        g_free(uring);
        return NULL;
    }
    result = io_uring_register_files(&uring->ring, &fd, 1);
    if (result < 0) {
        error_set(errp, "io_uring does not take the file: %s", g_strerror(-result));
        io_uring_queue_exit(&uring->ring);
        g_free(uring);
        return NULL;
    }
    g_mutex_init(&uring->lock);
    return uring;
}

void block_uring_free(BlockUring *uring)
{
    if (uring) {
        io_uring_queue_exit(&uring->ring);
        g_mutex_clear(&uring->lock);
        g_free(uring);
    }
}

int block_uring_fd(const BlockUring *uring)
{
    return uring->ring.ring_fd;
}

/*
 * With the lock held. What is not taken now, because results fill the ring, is taken after the next
 * ones were fetched.
 */
static void submit(BlockUring *uring)
{
    for (unsigned tries = 0; io_uring_sq_ready(&uring->ring) && tries < MAX_TRIES;) {
        int result = io_uring_submit(&uring->ring);

        if (result == -EAGAIN) {
            tries++;
            g_usleep(1000);
        } else if (result < 0 && result != -EINTR) {
            return;
        }
    }
}

static void prepare(struct io_uring_sqe *sqe, BlockRequest *request)
{
    switch (request->op) {
    case BLOCK_READ:
        io_uring_prep_readv(sqe, 0, request->iov, request->iov_count, request->offset);
        break;
    case BLOCK_WRITE:
        io_uring_prep_writev2(sqe, 0, request->iov, request->iov_count, request->offset,
                              request->flags & BLOCK_FUA ? RWF_DSYNC : 0);
        break;
    default:
        io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
        break;
    }
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, request);
}

bool block_uring_add(BlockUring *uring, BlockRequest *request)
{
    bool moves = request->op == BLOCK_READ || request->op == BLOCK_WRITE;

    if (moves ? !request->size || request->size > INT_MAX || request->iov_count > IOV_MAX
        : request->op != BLOCK_FLUSH) {
        return false;
    }
    g_mutex_lock(&uring->lock);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (!sqe) {
        submit(uring);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    if (sqe) {
        prepare(sqe, request);
    }
    g_mutex_unlock(&uring->lock);
    return sqe;
}

void block_uring_kick(BlockUring *uring)
{
    g_mutex_lock(&uring->lock);
    submit(uring);
    g_mutex_unlock(&uring->lock);
}

/* How many results there were, with their requests. */
static unsigned fetch(BlockUring *uring, BlockRequest **requests, int *results)
{
    struct io_uring_cqe *cqes[REAP_BATCH];

    g_mutex_lock(&uring->lock);
    unsigned count = io_uring_peek_batch_cqe(&uring->ring, cqes, REAP_BATCH);
    for (unsigned i = 0; i < count; i++) {
        requests[i] = io_uring_cqe_get_data(cqes[i]);
        results[i] = cqes[i]->res;
    }
    io_uring_cq_advance(&uring->ring, count);
    submit(uring);
    g_mutex_unlock(&uring->lock);
    return count;
}

void block_uring_reap(BlockUring *uring,
                      void (*done)(void *opaque, BlockRequest *request, int result), void *opaque)
{
    BlockRequest *requests[REAP_BATCH];
    int results[REAP_BATCH];
    unsigned count;

    do {
        count = fetch(uring, requests, results);
        for (unsigned i = 0; i < count; i++) {
            done(opaque, requests[i], results[i]);
        }
    } while (count == REAP_BATCH);
}

#else

BlockUring *block_uring_new(int fd, GError **errp)
{
    error_set(errp, "io_uring is not available: this program was built without liburing");
    error_hint(errp, "Build it with the package liburing-dev installed, or use aio=threads");
    return NULL;
}

void block_uring_free(BlockUring *uring)
{
}

int block_uring_fd(const BlockUring *uring)
{
    return -1;
}

bool block_uring_add(BlockUring *uring, BlockRequest *request)
{
    return false;
}

void block_uring_kick(BlockUring *uring)
{
}

void block_uring_reap(BlockUring *uring,
                      void (*done)(void *opaque, BlockRequest *request, int result), void *opaque)
{
}

#endif
