/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -pidfile: the process ID in a file that is locked while the program runs and removed when it
 * ends.
 */
#include "system/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

struct PidFile {
    char *path;
    int fd;
};

static bool lock_and_write(int fd, GError **errp)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    g_autofree char *text = g_strdup_printf("%ld\n", (long)getpid());
    ssize_t size = (ssize_t)strlen(text);

    if (fcntl(fd, F_SETLK, &lock) < 0) {
        return error_set(errp, "cannot create PID file: it is locked by another process");
    }
    if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)size) != size) {
        return error_set(errp, "cannot create PID file: Failed to write it: %s", g_strerror(errno));
    }
    return true;
}

PidFile *pidfile_new(const char *path, GError **errp)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_set(errp, "cannot create PID file: Could not create '%s': %s", path,
                  g_strerror(errno));
        return NULL;
    }
    if (!lock_and_write(fd, errp)) {
        close(fd);
        return NULL;
    }
    PidFile *file = g_new0(PidFile, 1);
    file->path = g_canonicalize_filename(path, NULL);
    file->fd = fd;
    return file;
}

void pidfile_free(PidFile *file)
{
    if (file) {
        unlink(file->path);
        close(file->fd);
        g_free(file->path);
        g_free(file);
    }
}
