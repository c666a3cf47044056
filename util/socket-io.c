/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for a socket, and moving bytes: to a deadline, until cancelled. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "util/socket.h"

bool socket_wait(int fd, short events, const SocketContext *context, GError **errp)
{
    GPollFD fds[2] = { { .fd = fd, .events = (gushort)events } };
    unsigned n = 1;
    int ready;

    if (g_cancellable_set_error_if_cancelled(context->cancellable, errp)) {
        return false;
    }
    if (context->cancellable && g_cancellable_make_pollfd(context->cancellable, &fds[1])) {
        n = 2;
    }
    do {
        gint64 left = context->deadline ? context->deadline - g_get_monotonic_time() : -1;
        int timeout = !context->deadline ? -1
                      : left <= 0        ? 0
                                         : (int)MIN((left + 999) / 1000, G_MAXINT);

        ready = g_poll(fds, n, timeout);
    } while (ready < 0 && errno == EINTR);
    if (n == 2) {
        g_cancellable_release_fd(context->cancellable);
    }
    if (g_cancellable_set_error_if_cancelled(context->cancellable, errp)) {
        return false;
    }
    if (ready == 0) {
        g_set_error_literal(errp, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, g_strerror(ETIMEDOUT));
    } else if (ready < 0) {
        g_set_error_literal(errp, G_IO_ERROR, g_io_error_from_errno(errno), g_strerror(errno));
    }
    return ready > 0;
}

bool socket_write_all(int fd, const void *data, size_t size, const SocketContext *context,
                      GError **errp)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);

        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            if (!socket_wait(fd, POLLOUT, context, errp)) {
                return false;
            }
        } else if (errno != EINTR) {
            g_set_error_literal(errp, G_IO_ERROR, g_io_error_from_errno(errno), g_strerror(errno));
            return false;
        }
    }
    return true;
}

ssize_t socket_read(int fd, void *data, size_t size, const SocketContext *context, GError **errp)
{
    for (;;) {
        if (!socket_wait(fd, POLLIN, context, errp)) {
            return -1;
        }
        ssize_t n = recv(fd, data, size, 0);
        if (n >= 0) {
            return n;
        }
        if (errno != EAGAIN && errno != EINTR) {
            g_set_error_literal(errp, G_IO_ERROR, g_io_error_from_errno(errno), g_strerror(errno));
            return -1;
        }
    }
}
