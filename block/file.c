/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw images: regular files and block devices, by blocking system calls on the node's pool. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "file-direct.h"
#include "file-lock.h"
#include "uring.h"
#include "util/error.h"

#define DISCARD_GRANULARITY 4096
#define ZEROES_SIZE (64 * 1024)
#define ZEROES_ALIGNMENT 4096
#define TRY_NOW_SIZE (128 * 1024) /* what may be copied under the machine lock */

typedef struct BlockFile {
    int fd;
    bool is_device, direct, no_flush, discard, unlocked, in_memory;
    FileLock lock;
    FileDirect alignment; /* of direct access */
    BlockUring *uring; /* NULL: threads do everything */
} BlockFile;

/* One system call; less than all may be done. */
static ssize_t transfer_some(int fd, bool is_write, const struct iovec *iov, unsigned count,
                             uint64_t offset)
{
    ssize_t n;

    do {
        n = is_write ? pwritev(fd, iov, MIN(count, IOV_MAX), offset)
                     : preadv(fd, iov, MIN(count, IOV_MAX), offset);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Beyond the file's end, where a last incomplete sector is, bytes read as zero. */
static void fill_with_zeroes(const struct iovec *iov, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        memset(iov[i].iov_base, 0, iov[i].iov_len);
    }
}

static int transfer(int fd, bool is_write, const struct iovec *iov, unsigned count, uint64_t offset)
{
    g_autofree struct iovec *left = g_new(struct iovec, count);
    struct iovec *at = left;

    memcpy(left, iov, count * sizeof(*iov));
    while (count) {
        ssize_t n = transfer_some(fd, is_write, at, count, offset);
        if (n < 0) {
            return n;
        }
        if (n == 0) {
            if (is_write) {
                return -ENOSPC;
            }
            fill_with_zeroes(at, count);
            return 0;
        }
        offset += n;
        for (; count && (size_t)n >= at->iov_len; at++, count--) {
            n -= at->iov_len;
        }
        if (count) {
            at->iov_base = (uint8_t *)at->iov_base + n;
            at->iov_len -= n;
        }
    }
    return 0;
}

static int flush(const BlockFile *file)
{
    int result;

    if (file->no_flush) {
        return 0;
    }
    do {
        result = fdatasync(file->fd);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static int run_transfer(BlockFile *file, const BlockRequest *request)
{
    int result;

    if (!request->size) {
        result = 0;
    } else if (file->direct && !file_direct_is_aligned(&file->alignment, request)) {
        result = file_direct_run(&file->alignment, file->fd, request);
    } else {
        result = transfer(file->fd, request->op == BLOCK_WRITE, request->iov, request->iov_count,
                          request->offset);
    }
    return result ? result : request->flags & BLOCK_FUA ? flush(file) : 0;
}

static bool is_unsupported(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY || error == EINVAL;
}

static int punch(const BlockFile *file, uint64_t offset, uint64_t size)
{
    uint64_t range[2] = { offset, size };
    int result;

    do {
        result = file->is_device ? ioctl(file->fd, BLKDISCARD, range)
                                 : fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                             offset, size);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

/* A discard is a hint: where it can't be followed nothing is wrong. */
static int run_discard(const BlockFile *file, const BlockRequest *request)
{
    int result = file->discard && request->size ? punch(file, request->offset, request->size) : 0;

    return is_unsupported(-result) ? 0 : result;
}

static int write_zero_bytes(BlockFile *file, uint64_t offset, uint64_t size)
{
    void *zeroes = NULL;
    int result = 0;

    if (posix_memalign(&zeroes, ZEROES_ALIGNMENT, ZEROES_SIZE)) {
        return -ENOMEM;
    }
    memset(zeroes, 0, ZEROES_SIZE);
    while (size && !result) {
        struct iovec iov = { zeroes, MIN(size, ZEROES_SIZE) };
        const BlockRequest part = { .op = BLOCK_WRITE, .offset = offset, .size = iov.iov_len,
                                    .iov = &iov, .iov_count = 1 };
        result = run_transfer(file, &part);
        offset += iov.iov_len;
        size -= iov.iov_len;
    }
    free(zeroes);
    return result;
}

static int run_write_zeroes(BlockFile *file, const BlockRequest *request)
{
    bool unmap = (request->flags & BLOCK_MAY_UNMAP) && file->discard;
    int result = -EOPNOTSUPP;

    if (!request->size) {
        return 0;
    }
    if (!file->is_device) { /* both leave zeroes in a file */
        result = unmap ? punch(file, request->offset, request->size)
                 : fallocate(file->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, request->offset,
                             request->size) < 0
                     ? -errno
                     : 0;
    }
    if (is_unsupported(-result)) {
        result = write_zero_bytes(file, request->offset, request->size);
    }
    return result ? result : request->flags & BLOCK_FUA ? flush(file) : 0;
}

static int run(BlockNode *node, const BlockRequest *request)
{
    BlockFile *file = node->data;

    switch (request->op) {
    case BLOCK_READ:
    case BLOCK_WRITE:
        return run_transfer(file, request);
    case BLOCK_FLUSH:
        return flush(file);
    case BLOCK_DISCARD:
        return run_discard(file, request);
    case BLOCK_WRITE_ZEROES:
        return run_write_zeroes(file, request);
    }
    return -EINVAL;
}

/*
 * What the page cache holds is copied at once: cheaper than another thread, and the kernel does not
 * wait for a disk (RWF_NOWAIT, preadv2(2)). A direct read would wait; tmpfs knows no such flag, and
 * has no disk.
 */
static bool try_now(BlockNode *node, const BlockRequest *request, int *result)
{
    const BlockFile *file = node->data;
    int flags = file->in_memory ? 0 : RWF_NOWAIT;

    if (request->op != BLOCK_READ || file->direct || !request->size ||
        request->size > TRY_NOW_SIZE || request->iov_count > IOV_MAX) {
        return false;
    }
    *result = 0;
    return preadv2(file->fd, request->iov, (int)request->iov_count, (off_t)request->offset,
                   flags) == (ssize_t)request->size;
}

/* ---- io_uring ---- */

static bool take(BlockNode *node, BlockRequest *request)
{
    const BlockFile *file = node->data;

    if (!file->uring || (request->op == BLOCK_FLUSH && file->no_flush) ||
        (file->direct && !file_direct_is_aligned(&file->alignment, request))) {
        return false;
    }
    if (file->no_flush) {
        request->flags &= ~(unsigned)BLOCK_FUA;
    }
    return block_uring_add(file->uring, request);
}

/*
 * A part of it, at the file's end say, or what the kernel cannot do so: a thread does it all again.
 */
static void on_result(void *opaque, BlockRequest *request, int result)
{
    bool moves = request->op != BLOCK_FLUSH;

    if (moves ? result >= 0 && (uint64_t)result == request->size : result == 0) {
        block_complete(request, 0);
    } else if (result >= 0 || result == -EAGAIN || result == -EINTR || result == -ECANCELED ||
               is_unsupported(-result)) {
        block_run(opaque, request);
    } else {
        block_complete(request, result);
    }
}

static void kick(BlockNode *node)
{
    const BlockFile *file = node->data;

    if (file->uring) {
        block_uring_kick(file->uring);
    }
}

static int completion_fd(const BlockNode *node)
{
    const BlockFile *file = node->data;

    return file->uring ? block_uring_fd(file->uring) : -1;
}

static void reap(BlockNode *node)
{
    const BlockFile *file = node->data;

    if (file->uring) {
        block_uring_reap(file->uring, on_result, node);
    }
}

static bool claim(BlockNode *node, unsigned used, unsigned unshared, GError **errp)
{
    BlockFile *file = node->data;

    return file->unlocked ||
           file_lock_change(&file->lock, file->fd, node->filename, used, unshared, errp);
}

static bool resize(BlockNode *node, uint64_t size, GError **errp)
{
    const BlockFile *file = node->data;

    if (file->is_device) {
        return error_set(errp, "Cannot grow device files");
    }
    if (ftruncate(file->fd, size) < 0) {
        return error_set(errp, "Failed to resize the file: %s", g_strerror(errno));
    }
    return true;
}

static void close_file(BlockNode *node)
{
    BlockFile *file = node->data;

    block_uring_free(file->uring);
    close(file->fd);
    file_direct_clear(&file->alignment);
    g_free(file);
}

static const BlockDriver file_driver = {
    .name = "file", .run = run, .try_now = try_now, .take = take, .kick = kick,
    .completion_fd = completion_fd, .reap = reap, .claim = claim,
    .resize = resize, .close = close_file,
};

static bool find_size(const char *name, int fd, bool *is_device, uint64_t *size, GError **errp)
{
    struct stat status;

    if (fstat(fd, &status) < 0) {
        return error_set(errp, "Could not read the size of '%s': %s", name, g_strerror(errno));
    }
    *is_device = S_ISBLK(status.st_mode);
    if (*is_device) {
        return ioctl(fd, BLKGETSIZE64, size) == 0 ||
               error_set(errp, "Could not read the size of '%s': %s", name, g_strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(errp, "'%s' is neither a regular file nor a block device", name);
    }
    /* A last incomplete sector counts: it reads as filled up with zeroes. */
    *size = ((uint64_t)status.st_size + BLOCK_SECTOR_SIZE - 1) / BLOCK_SECTOR_SIZE *
            BLOCK_SECTOR_SIZE;
    return true;
}

const char *const block_aio_names[] = { NULL, "threads", "native", "io_uring", NULL };

static bool check_aio(const BlockFileOptions *options, GError **errp)
{
    if (options->aio == BLOCK_AIO_NATIVE && !options->direct) {
        error_set(errp, "aio=native was specified, but it requires cache.direct=on, which was not "
                        "specified.");
        error_hint(errp, "Add cache=none (-drive) or cache.direct=on (-blockdev), or leave "
                         "aio=native out");
        return false;
    }
    return true;
}

/* False: *errp; only if io_uring and nothing else was asked for. */
static bool open_uring(BlockFile *file, const BlockFileOptions *options, GError **errp)
{
    bool wanted = options->aio == BLOCK_AIO_IO_URING;

    if (wanted || options->aio == BLOCK_AIO_NATIVE ||
        (options->aio == BLOCK_AIO_AUTO && options->direct)) {
        file->uring = block_uring_new(file->fd, wanted ? errp : NULL);
    }
    return file->uring || !wanted;
}

static int open_file(const BlockFileOptions *options, int flags, GError **errp)
{
    const BlockFilePort *port = options->port;

    if (port && port->open && g_str_has_prefix(options->filename, BLOCK_FDSET)) {
        g_autoptr(GError) err = NULL;
        int fd = port->open(port->opaque, options->filename, flags, &err);

        if (fd < 0) {
            error_set(errp, "Could not open '%s': %s", options->filename, err->message);
        }
        return fd;
    }
    int fd = open(options->filename, flags);
    if (fd < 0) {
        error_set(errp, "Could not open '%s': %s", options->filename, g_strerror(errno));
    }
    return fd;
}

/*
 * O_NONBLOCK was for what is no file: io_uring would not wait with it. What another process opened
 * may lack O_DIRECT.
 */
static bool set_flags(const BlockFileOptions *options, int fd, int flags, GError **errp)
{
    return fcntl(fd, F_SETFL, flags & O_DIRECT) == 0 ||
           error_set(errp, "Could not open '%s' for direct access: %s", options->filename,
                     g_strerror(errno));
}

BlockNode *block_file_open(const BlockFileOptions *options, GError **errp)
{
    int flags = (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK |
                (options->direct ? O_DIRECT : 0);
    bool is_device;
    uint64_t size;

    if (!check_aio(options, errp)) {
        return NULL;
    }
    int fd = open_file(options, flags, errp);
    if (fd < 0) {
        return NULL;
    }
    if (!find_size(options->filename, fd, &is_device, &size, errp) ||
        !set_flags(options, fd, flags, errp)) {
        close(fd);
        return NULL;
    }
    BlockFile *file = g_new0(BlockFile, 1);
    *file = (BlockFile) {
        .fd = fd, .is_device = is_device, .direct = options->direct, .no_flush = options->no_flush,
        .discard = options->discard, .unlocked = options->unlocked,
    };
    if (!open_uring(file, options, errp)) {
        close(fd);
        g_free(file);
        return NULL;
    }
    file_direct_init(&file->alignment, fd, options->direct_alignment);
    struct statfs fs;
    file->in_memory = fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
    BlockNode *node = block_node_new(&file_driver, file, size, options->read_only);
    node->filename = g_strdup(options->filename);
    node->direct = options->direct;
    node->no_flush = options->no_flush;
    node->discard_granularity = options->discard ? DISCARD_GRANULARITY : 0;
    return node;
}
