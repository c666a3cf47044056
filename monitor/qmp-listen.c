/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening unix sockets for monitors: by path, or given by the parent process. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "monitor-internal.h"
#include "util/error.h"

static bool set_flags(int fd, GError **errp)
{
    int status = fcntl(fd, F_GETFL);

    if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return error_set(errp, "cannot prepare the socket fd %d: %s", fd, g_strerror(errno));
    }
    return true;
}

static int listen_given(int fd, GError **errp)
{
    int listening = 0;
    socklen_t size = sizeof(listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0) {
        error_set(errp, "fd %d cannot be a monitor's socket: %s", fd, g_strerror(errno));
        return -1;
    }
    if (!listening) {
        error_set(errp, "fd %d is a socket, but does not listen", fd);
        return -1;
    }
    return set_flags(fd, errp) ? fd : -1;
}

/* A socket that an earlier process left behind is removed; anything else at that path stays. */
static bool remove_socket(const char *path, GError **errp)
{
    struct stat st;

    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return error_set(errp, "'%s' exists and is no socket: it is left as it is", path);
    }
    if (unlink(path) < 0 && errno != ENOENT) {
        return error_set(errp, "Failed to unlink socket %s: %s", path, g_strerror(errno));
    }
    return true;
}

int qmp_listen(const MonitorConfig *config, GError **errp)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (!config->path) {
        return listen_given(config->fd, errp);
    }
    if (strlen(config->path) >= sizeof(address.sun_path)) {
        error_set(errp, "UNIX socket path '%s' is too long: it may have %zu bytes", config->path, sizeof(address.sun_path) - 1);
        return -1;
    }
    if (!remove_socket(config->path, errp)) {
        return -1;
    }
    strcpy(address.sun_path, config->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        error_set(errp, "Failed to bind socket to %s: %s", config->path, g_strerror(errno));
    } else if (listen(fd, 1) < 0) {
        error_set(errp, "Failed to listen on socket %s: %s", config->path, g_strerror(errno));
    } else {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}
