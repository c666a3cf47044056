/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test's directory for sockets, images and guest RAM, which is gone after the test however that
 * ends.
 */
#ifndef TESTS_QTEST_DIRECTORY_H
#define TESTS_QTEST_DIRECTORY_H

typedef struct Directory {
    char *path;
    int guard; /* while it is open, the directory stays */
} Directory;

/*
 * A new one in memory: a disk would write guest RAM back. It ends with directory_clear(), or with
 * this process.
 */
Directory directory_new(void);
void directory_clear(Directory *directory);

#endif
