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

bool chardev_file_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    int flags = O_WRONLY | O_CREAT | (config->append ? O_APPEND : O_TRUNC) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd;

    if (g_str_has_prefix(config->path, "/dev/fdset/") && chardev->host->open_fdset) {
        fd = chardev->host->open_fdset(chardev->host->opaque, config->path, flags, errp);
        if (fd < 0) {
            return false;
        }
    } else {
        fd = open(config->path, flags, 0666);
        if (fd < 0) {
            return error_set(errp, "cannot open '%s' for a character device: %s", config->path, g_strerror(errno));
        }
    }
    chardev->backend = &file_backend;
    chardev_set_filename(chardev, g_strdup("file"));
    chardev_connected(chardev, -1, fd);
    return true;
}
