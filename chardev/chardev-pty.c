/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device that is a pseudo-terminal of its own; whoever opens its other side is the
 * client.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "chardev-internal.h"
#include "util/error.h"

/*
 * A master tells by POLLHUP that nobody has the other side open, and by nothing that somebody opens
 * it: it is looked at.
 */
#define LOOK_MS 200

static gboolean look(gpointer opaque)
{
    Chardev *chardev = opaque;
    struct pollfd poller = { .fd = chardev->listener, .events = POLLIN };

    if (poll(&poller, 1, 0) < 0 || (poller.revents & POLLHUP)) {
        return G_SOURCE_CONTINUE;
    }
    chardev_drop_source(&chardev->poller);
    chardev_connected(chardev, chardev->listener, chardev->listener);
    return G_SOURCE_REMOVE;
}

static void start_looking(Chardev *chardev)
{
    if (!chardev->poller) {
        chardev->poller = g_timeout_source_new(LOOK_MS);
        g_source_set_callback(chardev->poller, look, chardev, NULL);
        g_source_attach(chardev->poller, NULL);
    }
}

static void pty_hang_up(Chardev *chardev)
{
    chardev_disconnected(chardev);
    start_looking(chardev);
}

static void pty_close(Chardev *chardev)
{
    chardev_drop_source(&chardev->poller);
    close(chardev->listener);
    if (chardev->unlink_path) {
        unlink(chardev->unlink_path);
    }
    g_free(chardev->unlink_path);
}

static const ChardevBackend pty_backend = { .hang_up = pty_hang_up, .close = pty_close };

/*
 * The line discipline is the other side's: bytes go through as they are until its user sets
 * something else.
 */
static void make_raw(int master, const char *name)
{
    struct termios mode;
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (slave >= 0) {
        if (tcgetattr(slave, &mode) == 0) {
            cfmakeraw(&mode);
            tcsetattr(slave, TCSAFLUSH, &mode);
        }
        close(slave);
    }
}

/* path=: a name that is known before, for the terminal whose name is not. */
static bool link_to(Chardev *chardev, const char *path, const char *name, GError **errp)
{
    if (path && symlink(name, path)) {
        return error_set(errp, "Failed to create PTY symlink '%s': %s", path, g_strerror(errno));
    }
    chardev->unlink_path = path ? g_canonicalize_filename(path, NULL) : NULL;
    return true;
}

bool chardev_pty_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];

    if (master < 0 || grantpt(master) || unlockpt(master) ||
        ptsname_r(master, name, sizeof(name)) || fcntl(master, F_SETFL, O_NONBLOCK) < 0) {
        error_set(errp, "Failed to create a pseudo-terminal: %s", g_strerror(errno));
        if (master >= 0) {
            close(master);
        }
        return false;
    }
    if (!link_to(chardev, config->path, name, errp)) {
        close(master);
        return false;
    }
    make_raw(master, name);
    chardev->backend = &pty_backend;
    chardev->listener = master;
    chardev_set_filename(chardev, g_strdup_printf("pty:%s", name));
    if (chardev->host->announce) {
        chardev->host->announce(chardev->host->opaque, chardev->label, name);
    }
    start_looking(chardev);
    return true;
}
