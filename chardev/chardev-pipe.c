/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A character device on named pipes: PATH.in and PATH.out, or PATH for both ways. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "chardev-internal.h"
#include "util/error.h"

/*
 * Both ways each: a pipe that this end alone reads would end with its last writer, and one that
 * nobody reads can't be opened to write.
 */
static int open_end(const char *path)
{
    return open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static void pipe_close(Chardev *chardev)
{
    if (chardev->out != chardev->in) {
        close(chardev->out);
    }
    close(chardev->in);
}

static const ChardevBackend pipe_backend = { .close = pipe_close };

bool chardev_pipe_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    g_autofree char *in_path = g_strconcat(config->path, ".in", NULL),
                    *out_path = g_strconcat(config->path, ".out", NULL);
    int in = open_end(in_path), out = open_end(out_path);

    if (in < 0 || out < 0) {
        if (in >= 0) {
            close(in);
        }
        if (out >= 0) {
            close(out);
        }
        in = out = open_end(config->path);
    }
    if (in < 0) {
        error_set(errp, "Failed to open chardev pipe '%s': %s", config->path, g_strerror(errno));
        error_hint(errp, "Make the pipes before: mkfifo %s.in %s.out", config->path, config->path);
        return false;
    }
    chardev->backend = &pipe_backend;
    chardev_set_filename(chardev, g_strdup("pipe"));
    chardev_connected(chardev, in, out);
    return true;
}
