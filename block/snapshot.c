/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A temporary layer over a node that is never written: what is written goes to a file without a
 * name, which ends with the node. A bit for each sector says which of the two has it, so that
 * nothing ever needs to be copied from below.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block/block.h"
#include "util/error.h"

#define WORD_BITS 64

typedef struct Snapshot {
    BlockNode *below, *overlay;
    uint64_t *written; /* bits, atomic; pages of it come into being with the first bit in them */
    size_t written_size;
} Snapshot;

/* One request, in as many parts as it has runs of sectors that one of the nodes has. */
typedef struct Part {
    BlockRequest request;
    struct Fork *fork;
} Part;

typedef struct Fork {
    BlockRequest *whole;
    Snapshot *snapshot;
    unsigned pending; /* atomic: parts, and one until all are on their way */
    int error;        /* atomic: of one that failed */
    struct iovec *iov;
    Part parts[];
} Fork;

/* ---- Which node has a sector ---- */

static bool is_written(const Snapshot *s, uint64_t sector)
{
    return __atomic_load_n(&s->written[sector / WORD_BITS], __ATOMIC_ACQUIRE) >>
               sector % WORD_BITS & 1;
}

static void set_written(Snapshot *s, uint64_t sector, uint64_t count)
{
    while (count) {
        uint64_t first = sector % WORD_BITS, n = MIN(count, WORD_BITS - first);
        uint64_t bits = n == WORD_BITS ? UINT64_MAX : ((UINT64_C(1) << n) - 1) << first;

        __atomic_fetch_or(&s->written[sector / WORD_BITS], bits, __ATOMIC_RELEASE);
        sector += n;
        count -= n;
    }
}

/* ---- Requests ---- */

static uint64_t first_sector(const BlockRequest *r) { return r->offset / BLOCK_SECTOR_SIZE; }
static uint64_t num_sectors(const BlockRequest *r) { return r->size / BLOCK_SECTOR_SIZE; }

static void end_part(Fork *fork)
{
    if (__atomic_sub_fetch(&fork->pending, 1, __ATOMIC_ACQ_REL)) {
        return;
    }
    if (!fork->error && fork->whole->op != BLOCK_READ) {
        set_written(fork->snapshot, first_sector(fork->whole), num_sectors(fork->whole));
    }
    block_complete(fork->whole, fork->error);
    g_free(fork->iov);
    g_free(fork);
}

static void part_ended(BlockRequest *request, int result)
{
    Part *part = (Part *)request; /* which begins with it */

    if (result) {
        __atomic_store_n(&part->fork->error, result, __ATOMIC_RELAXED);
    }
    end_part(part->fork);
}

static Fork *fork_new(Snapshot *s, BlockRequest *whole, unsigned parts)
{
    Fork *fork = g_malloc0(sizeof(*fork) + parts * sizeof(Part));

    fork->whole = whole;
    fork->snapshot = s;
    fork->pending = parts + 1;
    fork->iov = g_new(struct iovec, whole->iov_count + parts);
    return fork;
}

/* The next `size` bytes of a request's buffers; *skip: how much of the first is another part's. */
static unsigned slice(const struct iovec **from, size_t *skip, uint64_t size, struct iovec *to)
{
    unsigned n = 0;

    while (size) {
        size_t here = MIN((*from)->iov_len - *skip, size);
        to[n++] = (struct iovec) { (char *)(*from)->iov_base + *skip, here };
        size -= here;
        *skip += here;
        if (*skip == (*from)->iov_len) {
            *skip = 0;
            (*from)++;
        }
    }
    return n;
}

/* Sectors that one node has. */
typedef struct Run {
    BlockNode *node;
    uint64_t size; /* bytes */
} Run;

/* Bits are looked at once: writes of other sectors may end meanwhile. */
static GArray *runs_of(const Snapshot *s, const BlockRequest *r)
{
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(Run));
    uint64_t sector = first_sector(r), left = num_sectors(r);

    while (left) {
        bool written = is_written(s, sector);
        Run run = { written ? s->overlay : s->below, 0 };

        for (; left && is_written(s, sector) == written; sector++, left--) {
            run.size += BLOCK_SECTOR_SIZE;
        }
        g_array_append_val(runs, run);
    }
    return runs;
}

static void read_runs(Snapshot *s, BlockRequest *whole, const GArray *runs)
{
    Fork *fork = fork_new(s, whole, runs->len);
    const struct iovec *from = whole->iov;
    struct iovec *iov = fork->iov;
    uint64_t offset = whole->offset;
    size_t skip = 0;

    for (unsigned i = 0; i < runs->len; i++) {
        const Run *run = &g_array_index(runs, Run, i);
        BlockRequest *request = &fork->parts[i].request;

        fork->parts[i].fork = fork;
        *request = (BlockRequest) {
            .op = BLOCK_READ, .offset = offset, .size = run->size, .iov = iov,
            .iov_count = slice(&from, &skip, run->size, iov), .ended = part_ended,
        };
        iov += request->iov_count;
        offset += run->size;
        block_forward(run->node, request);
    }
    end_part(fork);
}

static void submit_read(Snapshot *s, BlockRequest *r)
{
    g_autoptr(GArray) runs = runs_of(s, r);

    if (runs->len > 1) {
        read_runs(s, r, runs);
    } else {
        block_forward(g_array_index(runs, Run, 0).node, r);
    }
}

static void submit_write(Snapshot *s, BlockRequest *r)
{
    Fork *fork = fork_new(s, r, 1);
    BlockRequest *request = &fork->parts[0].request;

    *request = *r;
    request->flags = r->op == BLOCK_WRITE_ZEROES ? BLOCK_MAY_UNMAP : 0;
    request->ended = part_ended;
    fork->parts[0].fork = fork;
    block_forward(s->overlay, request);
    end_part(fork);
}

/* What ends with the machine need not be stable, and what was discarded need not read as zeroes. */
static void submit(BlockNode *node, BlockRequest *r)
{
    Snapshot *s = node->data;

    if ((r->offset | r->size) % BLOCK_SECTOR_SIZE) {
        block_complete(r, -EINVAL); /* no device has smaller blocks */
    } else if (r->op == BLOCK_READ && r->size) {
        submit_read(s, r);
    } else if ((r->op == BLOCK_WRITE || r->op == BLOCK_WRITE_ZEROES) && r->size) {
        submit_write(s, r);
    } else {
        block_complete(r, 0);
    }
}

static void kick(BlockNode *node)
{
    block_kick(((const Snapshot *)node->data)->below);
}

static int completion_fd(const BlockNode *node)
{
    return block_completion_fd(((const Snapshot *)node->data)->below);
}

static void reap(BlockNode *node)
{
    block_reap(((const Snapshot *)node->data)->below);
}

static bool claim(BlockNode *node, unsigned used, unsigned unshared, GError **errp)
{
    return block_forward_claim(((const Snapshot *)node->data)->below, used & BLOCK_PERM_READ,
                               unshared, errp);
}

static void close_snapshot(BlockNode *node)
{
    Snapshot *s = node->data;

    qom_object_unref(&s->below->object);
    qom_object_unref(&s->overlay->object);
    munmap(s->written, s->written_size);
    g_free(s);
}

static const BlockDriver snapshot_driver = {
    .name = "snapshot", .submit = submit, .kick = kick, .completion_fd = completion_fd,
    .reap = reap, .claim = claim, .close = close_snapshot,
};

/* A sparse file that is gone from its directory before anybody else opens it. NULL: *errp. */
static BlockNode *make_overlay(uint64_t size, GError **errp)
{
    const char *directory = g_getenv("TMPDIR");
    g_autofree char *path = g_build_filename(directory ? directory : "/var/tmp",
                                             "snapshot-XXXXXX", NULL);
    int fd = g_mkstemp(path);

    if (fd < 0 || unlink(path) < 0 || ftruncate(fd, (off_t)size) < 0) {
        error_set(errp, "Could not make a temporary file of %" G_GUINT64_FORMAT " bytes, '%s': %s",
                  size, path, g_strerror(errno));
        error_hint(errp, "TMPDIR names another directory");
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    g_autofree char *name = g_strdup_printf("/proc/self/fd/%d", fd);
    BlockNode *node = block_file_open(&(BlockFileOptions) {
        .filename = name, .no_flush = true, .discard = true, .unlocked = true,
        .aio = BLOCK_AIO_THREADS,
    }, errp);
    close(fd);
    return node;
}

BlockNode *block_snapshot_new(BlockNode *below, GError **errp)
{
    uint64_t size = block_size(below);
    size_t words = (size_t)(size / BLOCK_SECTOR_SIZE / WORD_BITS + 1);
    BlockNode *overlay = make_overlay(size, errp);

    if (!overlay) {
        return NULL;
    }
    void *written = mmap(NULL, words * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (written == MAP_FAILED) {
        error_set(errp, "Could not map memory for a snapshot: %s", g_strerror(errno));
        qom_object_unref(&overlay->object);
        return NULL;
    }
    Snapshot *s = g_new(Snapshot, 1);
    *s = (Snapshot) { .below = below, .overlay = overlay, .written = written,
                      .written_size = words * sizeof(uint64_t) };
    qom_object_ref(&below->object);
    BlockNode *node = block_node_new(&snapshot_driver, s, size, false);
    node->filename = g_strdup(below->filename);
    return node;
}
