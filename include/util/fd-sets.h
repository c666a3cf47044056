/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File descriptors that other processes gave: sets that file names such as /dev/fdset/3 open
 * (add-fd, -add-fd), and names that the next command refers to (getfd). Main loop thread only.
 */
#ifndef UTIL_FD_SETS_H
#define UTIL_FD_SETS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FdSets FdSets;
FdSets *fd_sets_new(void);
void fd_sets_free(FdSets *sets); /* closes everything in it; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FdSets, fd_sets_free)

/* One descriptor of a set. */
typedef struct FdSetMember {
    int64_t set;
    int fd;
    const char *text; /* of whoever added it, or NULL */
} FdSetMember;

/* Puts fd, taken over on success, into a set: number *set, or a new one if *set is -1. */
bool fd_sets_add(FdSets *sets, int64_t *set, int fd, const char *text, GError **errp);
/* Closes one descriptor of a set, or all if fd is -1. */
bool fd_sets_remove(FdSets *sets, int64_t set, int64_t fd, GError **errp);
/* The members, ordered by set. */
unsigned fd_sets_size(const FdSets *sets);
FdSetMember fd_sets_at(const FdSets *sets, unsigned i);

/*
 * A duplicate, the caller's, of a member of the path's set that was opened as flags (O_RDONLY, …)
 * ask. -1: *errp.
 */
int fd_sets_open(FdSets *sets, const char *path, int flags, GError **errp);

/* Gives a descriptor, taken over, a name; one that had it is closed. */
void fd_sets_put_name(FdSets *sets, const char *name, int fd);
/* The descriptor of a name, the caller's from then on, and the name is free; -1: there is none. */
int fd_sets_take_name(FdSets *sets, const char *name);

#endif
