/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads, writes and flushes of one file by io_uring: requests are gathered, given to the kernel
 * together, and their results fetched
 * when the ring's descriptor becomes readable. Any thread.
 */
#ifndef BLOCK_URING_H
#define BLOCK_URING_H

#include "block/block.h"

typedef struct BlockUring BlockUring;

/*
 * fd: borrowed, without O_NONBLOCK. NULL: *errp, the host does not permit it or the program was
 * built without it.
 */
BlockUring *block_uring_new(int fd, GError **errp);
/* No request is under way. */
void block_uring_free(BlockUring *uring);
/* Readable when there are results. */
int block_uring_fd(const BlockUring *uring);
/* Gathers a request; false: it has to be carried out in another way. */
bool block_uring_add(BlockUring *uring, BlockRequest *request);
/* Gives what was gathered to the kernel. */
void block_uring_kick(BlockUring *uring);
/* Each result that is there: bytes moved, or -errno. */
void block_uring_reap(BlockUring *uring,
                      void (*done)(void *opaque, BlockRequest *request, int result), void *opaque);

#endif
