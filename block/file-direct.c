/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that direct access does not take as they are. A write of a part of a sector is a read of
 * the whole, a change and a write: one at a time, so that neighbours do not undo each other. Whole
 * sectors that are written meanwhile are the same guest's bytes twice, in whatever order.
 */
#include "file-direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_ALIGNMENT 4096
#define MOST_ALIGNMENT 65536

static unsigned ask(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx status;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
        (status.stx_mask & STATX_DIOALIGN)) {
        return status.stx_dio_offset_align;
    }
#endif
    return 0;
}

void file_direct_init(FileDirect *direct, int fd, unsigned alignment)
{
    unsigned wanted = alignment ? alignment : ask(fd);
    bool sensible = wanted > BLOCK_SECTOR_SIZE && wanted <= MOST_ALIGNMENT &&
                    !(wanted & (wanted - 1));

    direct->alignment = sensible ? wanted : BLOCK_SECTOR_SIZE;
    g_mutex_init(&direct->lock);
}

void file_direct_clear(FileDirect *direct)
{
    g_mutex_clear(&direct->lock);
}

bool file_direct_is_aligned(const FileDirect *direct, const BlockRequest *request)
{
    if (request->offset % direct->alignment) {
        return false;
    }
    for (unsigned i = 0; i < request->iov_count; i++) {
        if ((uintptr_t)request->iov[i].iov_base % MEMORY_ALIGNMENT ||
            request->iov[i].iov_len % direct->alignment) {
            return false;
        }
    }
    return true;
}

/* What lies beyond the file's end reads as zero. */
static int move(const FileDirect *direct, int fd, bool is_write, uint8_t *at, uint64_t size,
                uint64_t offset)
{
    while (size) {
        ssize_t n = is_write ? pwrite(fd, at, size, (off_t)offset)
                             : pread(fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 || (n == 0 && is_write)) {
            return n < 0 ? -errno : -ENOSPC;
        }
        at += n;
        size -= (uint64_t)n;
        offset += (uint64_t)n;
        if (!is_write && (n == 0 || (uint64_t)n % direct->alignment)) {
            memset(at, 0, size);
            return 0;
        }
    }
    return 0;
}

static void copy(const BlockRequest *request, uint8_t *at)
{
    for (unsigned i = 0; i < request->iov_count; at += request->iov[i++].iov_len) {
        if (request->op == BLOCK_WRITE) {
            memcpy(at, request->iov[i].iov_base, request->iov[i].iov_len);
        } else {
            memcpy(request->iov[i].iov_base, at, request->iov[i].iov_len);
        }
    }
}

/* [first, first + size) has the request in it, and whole sectors. */
static int write_part(FileDirect *direct, int fd, const BlockRequest *request, uint8_t *buffer,
                      uint64_t first, uint64_t size)
{
    g_mutex_lock(&direct->lock);
    int result = move(direct, fd, false, buffer, size, first);
    if (!result) {
        copy(request, buffer + (request->offset - first));
        result = move(direct, fd, true, buffer, size, first);
    }
    g_mutex_unlock(&direct->lock);
    return result;
}

int file_direct_run(FileDirect *direct, int fd, const BlockRequest *request)
{
    uint64_t mask = direct->alignment - 1, first = request->offset & ~mask;
    uint64_t size = ((request->offset + request->size + mask) & ~mask) - first;
    void *buffer = NULL;
    int result;

    if (posix_memalign(&buffer, MAX(MEMORY_ALIGNMENT, direct->alignment), size)) {
        return -ENOMEM;
    }
    if (request->op != BLOCK_WRITE) {
        result = move(direct, fd, false, buffer, size, first);
        if (!result) {
            copy(request, (uint8_t *)buffer + (request->offset - first));
        }
    } else if (size == request->size) {
        copy(request, buffer);
        result = move(direct, fd, true, buffer, size, first);
    } else {
        result = write_part(direct, fd, request, buffer, first, size);
    }
    free(buffer);
    return result;
}
