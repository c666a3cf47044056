/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets and names of file descriptors that other processes gave. */
#include "util/fd-sets.h"

#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

#define SET_PATH "/dev/fdset/"

typedef struct Member {
    int64_t set;
    int fd;
    char *text;
} Member;

struct FdSets {
    GArray *members;    /* of Member, by set */
    GHashTable *names;  /* char * → descriptor */
};

static void member_clear(gpointer opaque)
{
    Member *member = opaque;

    close(member->fd);
    g_free(member->text);
}

FdSets *fd_sets_new(void)
{
    FdSets *sets = g_new0(FdSets, 1);

    sets->members = g_array_new(FALSE, FALSE, sizeof(Member));
    g_array_set_clear_func(sets->members, member_clear);
    sets->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return sets;
}

void fd_sets_free(FdSets *sets)
{
    GHashTableIter iter;
    gpointer fd;

    if (!sets) {
        return;
    }
    g_hash_table_iter_init(&iter, sets->names);
    while (g_hash_table_iter_next(&iter, NULL, &fd)) {
        close(GPOINTER_TO_INT(fd));
    }
    g_hash_table_unref(sets->names);
    g_array_unref(sets->members);
    g_free(sets);
}

static int64_t free_number(const FdSets *sets)
{
    int64_t number = 0;

    for (unsigned i = 0; i < sets->members->len; i++) {
        int64_t set = g_array_index(sets->members, Member, i).set;
        if (set == number) {
            number++;
        }
    }
    return number;
}

bool fd_sets_add(FdSets *sets, int64_t *set, int fd, const char *text, GError **errp)
{
    unsigned at = 0;

    if (*set < -1) {
        return error_set(errp,
                         "Parameter 'fdset-id' expects a non-negative value, not %" G_GINT64_FORMAT,
                         *set);
    }
    if (*set == -1) {
        *set = free_number(sets);
    }
    while (at < sets->members->len && g_array_index(sets->members, Member, at).set <= *set) {
        at++;
    }
    Member member = { *set, fd, g_strdup(text) };
    g_array_insert_val(sets->members, at, member);
    return true;
}

bool fd_sets_remove(FdSets *sets, int64_t set, int64_t fd, GError **errp)
{
    bool found = false;

    for (unsigned i = sets->members->len; i > 0; i--) {
        const Member *member = &g_array_index(sets->members, Member, i - 1);
        if (member->set == set && (fd < 0 || member->fd == fd)) {
            g_array_remove_index(sets->members, i - 1);
            found = true;
        }
    }
    if (found) {
        return true;
    }
    return fd < 0
               ? error_set(errp, "File descriptor named 'fdset-id:%" G_GINT64_FORMAT "' not found",
                           set)
               : error_set(errp,
                           "File descriptor named 'fdset-id:%" G_GINT64_FORMAT
                           ", fd:%" G_GINT64_FORMAT "' not found",
                           set, fd);
}

unsigned fd_sets_size(const FdSets *sets)
{
    return sets->members->len;
}

FdSetMember fd_sets_at(const FdSets *sets, unsigned i)
{
    const Member *member = &g_array_index(sets->members, Member, i);

    return (FdSetMember) { member->set, member->fd, member->text };
}

/* Is it one of /dev/fdset/? */
static bool fd_sets_has_path(const char *path)
{
    return g_str_has_prefix(path, SET_PATH);
}

int fd_sets_open(FdSets *sets, const char *path, int flags, GError **errp)
{
    guint64 set;
    bool known = false;

    if (!fd_sets_has_path(path) ||
        !g_ascii_string_to_unsigned(path + strlen(SET_PATH), 10, 0, G_MAXINT64, &set, NULL)) {
        error_set(errp, "'%s' is no file descriptor set: " SET_PATH "NUMBER is", path);
        return -1;
    }
    for (unsigned i = 0; i < sets->members->len; i++) {
        const Member *member = &g_array_index(sets->members, Member, i);
        if (member->set != (int64_t)set) {
            continue;
        }
        known = true;
        int status = fcntl(member->fd, F_GETFL);
        if (status >= 0 && (status & O_ACCMODE) == (flags & O_ACCMODE)) {
            int copy = fcntl(member->fd, F_DUPFD_CLOEXEC, 0);
            if (copy < 0) {
                error_set(errp, "Failed to dup file descriptor for %s: %s", path,
                          g_strerror(errno));
            }
            return copy;
        }
    }
    error_set(
        errp,
        known
            ? "Failed to find file descriptor with matching flags in set %s: it must be open for %s"
            : "there is no file descriptor set %s, to be open for %s",
        path,
        (flags & O_ACCMODE) == O_RDONLY   ? "reading"
        : (flags & O_ACCMODE) == O_WRONLY ? "writing"
                                          : "reading and writing");
    return -1;
}

void fd_sets_put_name(FdSets *sets, const char *name, int fd)
{
    int old = fd_sets_take_name(sets, name);

    if (old >= 0) {
        close(old);
    }
    g_hash_table_insert(sets->names, g_strdup(name), GINT_TO_POINTER(fd));
}

int fd_sets_take_name(FdSets *sets, const char *name)
{
    gpointer fd;

    if (!g_hash_table_lookup_extended(sets->names, name, NULL, &fd)) {
        return -1;
    }
    g_hash_table_remove(sets->names, name);
    return GPOINTER_TO_INT(fd);
}
