/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks that keep two programs from writing to one image. */
#ifndef BLOCK_FILE_LOCK_H
#define BLOCK_FILE_LOCK_H

#include "block/block.h"

typedef struct FileLock {
    unsigned used, unshared; /* BLOCK_PERM_*: what is held */
} FileLock;

/*
 * Uses the file so from now on, and lets others use it but for `unshared`. fd: one open file for
 * the lock's whole life. False: *errp, and everything is as it was.
 */
bool file_lock_change(FileLock *lock, int fd, const char *name, unsigned used, unsigned unshared,
                      GError **errp);

#endif
