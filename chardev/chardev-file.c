/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A character device whose output goes to a file; it has no input. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "chardev-internal.h"
#include "util/error.h"

static void file_close(Chardev *chardev)
{
    close(chardev->out);
}

static const ChardevBackend file_backend = { .close = file_close };

bool chardev_file_open(Chardev *chardev, const char *path, GError **errp)
{
    if (!path[0]) {
        return error_set(errp, "character device 'file:' needs a path, as in file:PATH");
    }
    chardev->out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (chardev->out < 0) {
        return error_set(errp, "cannot open '%s' for a character device: %s", path, g_strerror(errno));
    }
    chardev->backend = &file_backend;
    return true;
}
