/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks on image files, by which programs keep out of each other's way. The protocol is QEMU's
 * (block/file-posix.c there): byte 100 + n is locked for reading by who uses the image in way n,
 * byte 200 + n by who lets nobody else do so; who finds the other byte locked gives up. The locks
 * are the open file's, so that they last as long as it, across fork and threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "file-lock.h"
#include "util/error.h"

#define FIRST_USED 100
#define FIRST_UNSHARED 200
#define NUM_WAYS 4

static int set_lock(int fd, off_t byte, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? errno : 0;
}

/* Takes or leaves the bytes that differ between two sets. */
static int change(int fd, unsigned from, unsigned to, off_t first)
{
    for (unsigned way = 0; way < NUM_WAYS; way++) {
        if ((from ^ to) >> way & 1) {
            int error = set_lock(fd, first + way, to >> way & 1 ? F_RDLCK : F_UNLCK);
            if (error) {
                return error;
            }
        }
    }
    return 0;
}

/* Does another program hold one of the bytes? The first; -1: none. */
static int find_held(int fd, unsigned ways, off_t first)
{
    for (int way = 0; way < NUM_WAYS; way++) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first + way,
                              .l_len = 1 };
        if ((ways >> way & 1) && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
            return way;
        }
    }
    return -1;
}

static bool check(int fd, const char *name, unsigned used, unsigned unshared, GError **errp)
{
    static const char *const ways[NUM_WAYS] = { "consistent read", "write", "write unchanged",
                                                "resize" };
    int way = find_held(fd, used, FIRST_UNSHARED);
    bool mine = way < 0; /* what is refused: to share, not to use */

    if (mine) {
        way = find_held(fd, unshared, FIRST_USED);
    }
    if (way < 0) {
        return true;
    }
    error_set(errp, "Failed to get %s\"%s\" lock on '%s'", mine ? "shared " : "", ways[way], name);
    error_hint(errp, "Is another process using the image? Two guests must not have one disk unless "
                     "all only read it, or all have share-rw=on");
    return false;
}

bool file_lock_change(FileLock *lock, int fd, const char *name, unsigned used, unsigned unshared,
                      GError **errp)
{
    int error = change(fd, lock->used, lock->used | used, FIRST_USED);

    error = error ? error : change(fd, lock->unshared, lock->unshared | unshared, FIRST_UNSHARED);
    if (error) {
        error_set(errp, "Failed to lock '%s': %s", name, g_strerror(error));
        error_hint(errp,
                   "A file system without locks: locking=off, if nothing else uses the image");
    }
    bool ok = !error && check(fd, name, used, unshared, errp);
    unsigned keep_used = ok ? used : lock->used, keep_unshared = ok ? unshared : lock->unshared;
    change(fd, lock->used | used, keep_used, FIRST_USED);
    change(fd, lock->unshared | unshared, keep_unshared, FIRST_UNSHARED);
    *lock = (FileLock) { keep_used, keep_unshared };
    return ok;
}
