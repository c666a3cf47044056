/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct access on a disk with sectors of 4 KiB, which the calls for reading and writing play here:
 * what is not aligned to that they refuse. The guest's sectors have 512 bytes.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "block/block.h"

#define ALIGNMENT 4096
#define SECTOR 512
#define SECTORS 64
#define SIZE (SECTORS * SECTOR)
#define BATCH 32

static bool is_aligned(const struct iovec *iov, int count, off_t offset)
{
    bool aligned = offset % ALIGNMENT == 0;

    for (int i = 0; i < count; i++) {
        aligned &= iov[i].iov_len % ALIGNMENT == 0 && (uintptr_t)iov[i].iov_base % ALIGNMENT == 0;
    }
    return aligned;
}

static ssize_t call(long number, int fd, const struct iovec *iov, int count, off_t offset)
{
    if (!is_aligned(iov, count, offset)) {
        errno = EINVAL;
        return -1;
    }
    return syscall(number, fd, iov, count, offset, 0);
}

/* In the C library's place. */
ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
    return call(SYS_preadv, fd, iov, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    return call(SYS_pwritev, fd, iov, count, offset);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    return preadv(fd, &(struct iovec) { buffer, size }, 1, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    return pwritev(fd, &(struct iovec) { (void *)buffer, size }, 1, offset);
}

typedef struct Disk {
    char *path;
    BlockNode *node;
    BlockClient *client;
    unsigned done, failed;
    uint8_t *bytes;
} Disk;

static void on_done(void *opaque, BlockRequest *const *requests, unsigned count)
{
    Disk *disk = opaque;

    disk->done += count;
    for (unsigned i = 0; i < count; i++) {
        disk->failed += requests[i]->result != 0;
    }
}

static const BlockClientOps ops = { on_done, NULL };

static void drop(void *opaque, BlockRequest *request)
{
}

/* False: the file system has no direct access. */
static bool start(Disk *disk, uint64_t size)
{
    g_autofree char *path = g_strdup("/var/tmp/test-direct-XXXXXX");
    g_autofree uint8_t *zeroes = g_malloc0(size);
    g_autoptr(GError) error = NULL;
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, zeroes, size), ==, (ssize_t)size);
    close(fd);
    *disk = (Disk) { .path = g_steal_pointer(&path) };
    disk->node = block_file_open(&(BlockFileOptions) {
        .filename = disk->path, .direct = true, .direct_alignment = ALIGNMENT,
        .aio = BLOCK_AIO_THREADS,
    }, &error);
    if (!disk->node) {
        g_test_skip(error->message);
        g_unlink(disk->path);
        g_free(disk->path);
        return false;
    }
    disk->client = block_attach(disk->node, "disk", true, false, &ops, disk, NULL, NULL);
    g_assert_nonnull(disk->client);
    disk->bytes = g_malloc(SIZE);
    return true;
}

static void end(Disk *disk)
{
    block_detach(disk->client, drop);
    qom_object_unref(&disk->node->object);
    g_unlink(disk->path);
    g_free(disk->path);
    g_free(disk->bytes);
}

static void wait_for(Disk *disk, unsigned count)
{
    while (disk->done < count) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpuint(disk->done, ==, count);
    g_assert_cmpuint(disk->failed, ==, 0);
    disk->done = 0;
}

static void run(Disk *disk, BlockOp op, uint64_t offset, uint8_t *bytes, size_t size)
{
    struct iovec iov = { bytes, size };
    BlockRequest request = { .op = op, .offset = offset, .size = size, .iov = &iov,
                             .iov_count = bytes ? 1 : 0 };

    block_submit(disk->client, &request);
    wait_for(disk, 1);
}

/* Many neighbours at a time: none undoes another. */
static void test_neighbours(void)
{
    Disk disk;
    uint8_t data[BATCH][SECTOR];
    struct iovec iov[BATCH];
    BlockRequest requests[BATCH];

    if (!start(&disk, SIZE)) {
        return;
    }
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < BATCH; i++) {
            memset(data[i], (int)(round * 7 + i + 1), SECTOR);
            iov[i] = (struct iovec) { data[i], SECTOR };
            requests[i] = (BlockRequest) { .op = BLOCK_WRITE, .offset = (3 + i) * SECTOR,
                                           .size = SECTOR, .iov = &iov[i], .iov_count = 1 };
            block_submit(disk.client, &requests[i]);
        }
        wait_for(&disk, BATCH);
        run(&disk, BLOCK_READ, 0, disk.bytes, SIZE);
        for (unsigned i = 0; i < BATCH; i++) {
            g_assert_cmpmem(disk.bytes + (3 + i) * SECTOR, SECTOR, data[i], SECTOR);
        }
    }
    end(&disk);
}

/* Against a copy in memory. */
static void test_random(void)
{
    Disk disk;
    g_autoptr(GRand) random = g_rand_new_with_seed(4711);
    g_autofree uint8_t *model = g_malloc0(SIZE), *buffer = g_malloc(SIZE + SECTOR);

    if (!start(&disk, SIZE)) {
        return;
    }
    for (unsigned round = 0; round < 500; round++) {
        unsigned first = (unsigned)g_rand_int_range(random, 0, SECTORS);
        unsigned count = (unsigned)g_rand_int_range(random, 1, (gint32)(SECTORS - first) + 1);
        uint8_t *at = buffer + g_rand_int_range(random, 0, SECTOR);
        size_t offset = first * SECTOR, size = count * SECTOR;

        switch (g_rand_int_range(random, 0, 3)) {
        case 0:
            memset(at, g_rand_int_range(random, 0, 256), size);
            memcpy(model + offset, at, size);
            run(&disk, BLOCK_WRITE, offset, at, size);
            break;
        case 1:
            memset(model + offset, 0, size);
            run(&disk, BLOCK_WRITE_ZEROES, offset, NULL, size);
            break;
        default:
            run(&disk, BLOCK_READ, offset, at, size);
            g_assert_cmpmem(at, size, model + offset, size);
        }
    }
    end(&disk);
}

/* The file's end lies within a sector of the disk's. */
static void test_odd_end(void)
{
    Disk disk;
    uint8_t data[SECTOR];

    if (!start(&disk, 10000)) {
        return;
    }
    g_assert_cmpuint(block_size(disk.node), ==, 10240);
    memset(disk.bytes, 1, 10240);
    run(&disk, BLOCK_READ, 0, disk.bytes, 10240);
    for (unsigned i = 0; i < 10240; i++) {
        g_assert_cmphex(disk.bytes[i], ==, 0);
    }
    memset(data, 7, SECTOR);
    run(&disk, BLOCK_WRITE, 9728, data, SECTOR);
    run(&disk, BLOCK_READ, 9216, disk.bytes, 1024);
    g_assert_cmphex(disk.bytes[511], ==, 0);
    g_assert_cmpmem(disk.bytes + 512, SECTOR, data, SECTOR);
    end(&disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/block/direct/neighbours", test_neighbours);
    g_test_add_func("/block/direct/random", test_random);
    g_test_add_func("/block/direct/odd-end", test_odd_end);
    return g_test_run();
}
