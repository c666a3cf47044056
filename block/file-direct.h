/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct access (O_DIRECT) for requests that are not as the file system wants them: it takes
 * aligned memory and, on disks with sectors of 4 KiB, whole ones of those. Private to block/.
 */
#ifndef BLOCK_FILE_DIRECT_H
#define BLOCK_FILE_DIRECT_H

#include "block/block.h"

typedef struct FileDirect {
    unsigned alignment; /* of offsets and sizes: a power of two, BLOCK_SECTOR_SIZE or more */
    GMutex lock;        /* of what is read, changed and written back */
} FileDirect;

/* alignment: 0 = what the kernel says of the file (statx(2)). */
void file_direct_init(FileDirect *direct, int fd, unsigned alignment);
void file_direct_clear(FileDirect *direct);
/* Does the file system take a read or a write as it is? */
bool file_direct_is_aligned(const FileDirect *direct, const BlockRequest *request);
/* A read or a write, of any bytes, through memory of its own. 0 or -errno. */
int file_direct_run(FileDirect *direct, int fd, const BlockRequest *request);

#endif
