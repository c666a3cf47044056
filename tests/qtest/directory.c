/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory and the process that removes it: an assertion that fails ends a test without more
 * ado, a signal likewise.
 */
#include "directory.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void remove_all(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_rmdir(path);
}

/*
 * Waits for the last end of the guard to close. In a session of its own, as a test that takes too
 * long is killed with its group; and without any other descriptor of the test's, whose peers wait
 * for those to be closed.
 */
static void G_GNUC_NORETURN keep_watch(int end, const char *path)
{
    char byte;

    setsid();
    dup2(end, 0);
    close_range(1, ~0u, 0);
    while (read(0, &byte, 1) > 0) {
    }
    remove_all(path);
    _exit(0);
}

Directory directory_new(void)
{
    const char *shm = g_access("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir();
    Directory directory = { g_build_filename(shm, "qtest-XXXXXX", NULL), -1 };
    int ends[2];

    g_assert_nonnull(g_mkdtemp(directory.path));
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    pid_t watcher = fork(); /* twice: nobody but init has to wait for it */
    if (watcher == 0) {
        close(ends[1]);
        if (fork() == 0) {
            keep_watch(ends[0], directory.path);
        }
        _exit(0);
    }
    g_assert_cmpint(watcher, >, 0);
    g_assert_cmpint(waitpid(watcher, NULL, 0), ==, watcher);
    close(ends[0]);
    directory.guard = ends[1];
    return directory;
}

void directory_clear(Directory *directory)
{
    remove_all(directory->path);
    close(directory->guard);
    g_clear_pointer(&directory->path, g_free);
}
