/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device whose output goes to a file, and whose input, if any, is another one's
 * contents. Log files.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "chardev-internal.h"
#include "util/error.h"

/* A file by its path, or from an fd set. -1: *errp. */
static int open_file(Chardev *chardev, const char *path, int flags, GError **errp)
{
    flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    if (g_str_has_prefix(path, "/dev/fdset/") && chardev->host->open_fdset) {
        return chardev->host->open_fdset(chardev->host->opaque, path, flags, errp);
    }
    int fd = open(path, flags, 0666);
    if (fd < 0) {
        bool unread = errno == ENXIO;
        error_set(errp, "cannot open '%s' for a character device: %s", path, g_strerror(errno));
        if (unread) {
            error_hint(errp, "It is a FIFO that nobody reads: start its reader first");
        }
    }
    return fd;
}

static int open_to_write(Chardev *chardev, const char *path, bool append, GError **errp)
{
    return open_file(chardev, path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), errp);
}

static void file_close(Chardev *chardev)
{
    if (chardev->in >= 0) {
        close(chardev->in);
    }
    close(chardev->out);
}

static const ChardevBackend file_backend = { .close = file_close };

bool chardev_file_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    int in = -1, out = open_to_write(chardev, config->path, config->append, errp);

    if (out < 0) {
        return false;
    }
    if (config->input_path && (in = open_file(chardev, config->input_path, O_RDONLY, errp)) < 0) {
        close(out);
        return false;
    }
    chardev->backend = &file_backend;
    chardev_set_filename(chardev, g_strdup("file"));
    chardev_connected(chardev, in, out);
    return true;
}

bool chardev_log_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    if (config->log_path) {
        chardev->log = open_to_write(chardev, config->log_path, config->log_append, errp);
    }
    return !config->log_path || chardev->log >= 0;
}

/*
 * A log that can't be written to ends; what a reader too slow for it misses is lost, as with the
 * chardev itself.
 */
void chardev_log(Chardev *chardev, const uint8_t *data, unsigned n)
{
    while (chardev->log >= 0 && n) {
        ssize_t now = write(chardev->log, data, n);
        if (now > 0) {
            data += now;
            n -= (unsigned)now;
        } else if (now < 0 && errno == EAGAIN) {
            return;
        } else if (now == 0 || errno != EINTR) {
            close(chardev->log);
            chardev->log = -1;
        }
    }
}
