/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the bytes of QMP travel: one client at a time, by a listening socket or on standard input and output. A client that
 * does not read is not read from any more; one that is gone is forgotten. Nothing here waits for a client, except that the
 * user may ask for one before the machine starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor-internal.h"
#include "system/core/log.h"
#include "util/error.h"

/* With more than this unsent, no more requests are read. */
#define QUEUE_STOPS_INPUT (64u << 10)
/* With more than this unsent, events are lost. */
#define QUEUE_STOPS_EVENTS (1u << 20)
/* What a pipe or a terminal that is ready takes without blocking (POSIX: PIPE_BUF is at least this). */
#define STDIO_CHUNK 512
/* At the end of the program a client has this long to read what is queued. */
#define FAREWELL_MS 200

struct QmpServer {
    QmpSession *session;
    int listener;        /* -1: stdio */
    char *path;          /* of the socket that was made here */
    int in, out;         /* of the client; -1: none */
    GSource *accepting, *reading, *writing; /* NULL while not watched */
    GString *queue;      /* unsent output */
    bool lost_events;
};

static void read_client(QmpServer *server);
static void write_client(QmpServer *server);
static void await_client(QmpServer *server);

static void unwatch(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_source_unref(*source);
        *source = NULL;
    }
}

static void watch(GSource **source, int fd, GIOCondition condition, GUnixFDSourceFunc fn, QmpServer *server)
{
    if (!*source) {
        *source = g_unix_fd_source_new(fd, condition);
        g_source_set_callback(*source, G_SOURCE_FUNC(fn), server, NULL);
        g_source_attach(*source, NULL);
    }
}

static void drop_client(QmpServer *server)
{
    unwatch(&server->reading);
    unwatch(&server->writing);
    if (server->listener >= 0 && server->in >= 0) {
        close(server->in); /* and out, which is the same */
    }
    server->in = server->out = -1;
    g_string_truncate(server->queue, 0);
    if (server->listener >= 0) {
        await_client(server);
    }
}

/* As write(), but does not block. */
static ssize_t write_some(const QmpServer *server)
{
    struct pollfd poller = { .fd = server->out, .events = POLLOUT };

    if (server->listener >= 0) {
        return send(server->out, server->queue->str, server->queue->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (poll(&poller, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(server->out, server->queue->str, MIN(server->queue->len, STDIO_CHUNK));
}

static gboolean on_writable(int fd, GIOCondition condition, gpointer opaque)
{
    write_client(opaque);
    return G_SOURCE_CONTINUE; /* unless destroyed meanwhile */
}

static void write_client(QmpServer *server)
{
    while (server->out >= 0 && server->queue->len) {
        ssize_t done = write_some(server);
        if (done > 0) {
            g_string_erase(server->queue, 0, done);
        } else if (done < 0 && errno == EAGAIN) {
            watch(&server->writing, server->out, G_IO_OUT | G_IO_HUP | G_IO_ERR, on_writable, server);
            break;
        } else if (done < 0 && errno != EINTR) {
            drop_client(server);
            return;
        }
    }
    if (server->queue->len == 0) {
        unwatch(&server->writing);
        server->lost_events = false;
    }
    if (server->in >= 0 && server->queue->len <= QUEUE_STOPS_INPUT) {
        read_client(server);
    }
}

static void on_output(void *opaque, const char *line, bool is_event)
{
    QmpServer *server = opaque;

    if (server->out < 0) {
        return;
    }
    if (is_event && server->queue->len > QUEUE_STOPS_EVENTS) {
        if (!server->lost_events) {
            report_warning("a monitor's client does not read: events for it are lost");
        }
        server->lost_events = true;
        return;
    }
    g_string_append(server->queue, line);
    g_string_append(server->queue, "\r\n");
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer opaque)
{
    QmpServer *server = opaque;
    uint8_t data[4096];
    ssize_t got = read(fd, data, sizeof(data));

    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return G_SOURCE_CONTINUE;
    }
    if (got > 0) {
        qmp_session_feed(server->session, data, got);
        if (server->queue->len > QUEUE_STOPS_INPUT) {
            unwatch(&server->reading);
        }
        write_client(server);
    } else if (server->listener >= 0) {
        drop_client(server);
    } else { /* no more requests, but the answers and events still have a reader */
        qmp_session_end_of_input(server->session);
        unwatch(&server->reading);
        server->in = -1;
        write_client(server);
    }
    return G_SOURCE_CONTINUE;
}

static void read_client(QmpServer *server)
{
    watch(&server->reading, server->in, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, server);
}

static void meet_client(QmpServer *server, int in, int out)
{
    server->in = in;
    server->out = out;
    qmp_session_start(server->session);
    read_client(server);
    write_client(server);
}

static bool accept_client(QmpServer *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        unwatch(&server->accepting);
        meet_client(server, fd, fd);
    }
    return fd >= 0;
}

static gboolean on_connection(int fd, GIOCondition condition, gpointer opaque)
{
    accept_client(opaque);
    return G_SOURCE_CONTINUE;
}

static void await_client(QmpServer *server)
{
    watch(&server->accepting, server->listener, G_IO_IN, on_connection, server);
}

static void wait_for_client(QmpServer *server, const MonitorConfig *config)
{
    struct pollfd poller = { .fd = server->listener, .events = POLLIN };
    g_autofree char *where = config->path ? g_strdup_printf("path=%s", config->path) : g_strdup_printf("fd=%d", config->fd);
    g_autofree char *text = g_strdup_printf("waiting for a client of the monitor %s (%s) before the machine starts",
                                            config->label, where);

    report_info(text);
    while (!accept_client(server)) {
        poll(&poller, 1, -1);
    }
}

/* A reader that goes away must be an error of write(), not the end of the program. */
static void ignore_broken_pipes(void)
{
    struct sigaction action;

    if (!sigaction(SIGPIPE, NULL, &action) && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

QmpServer *qmp_server_new(const MonitorConfig *config, QapiContext *context, GError **errp)
{
    QmpServer *server = g_new0(QmpServer, 1);

    server->listener = server->in = server->out = -1;
    server->queue = g_string_new(NULL);
    server->session = qmp_session_new(qapi_commands, context, on_output, server);
    if (config->stdio) {
        ignore_broken_pipes();
        meet_client(server, STDIN_FILENO, STDOUT_FILENO);
        return server;
    }
    server->listener = qmp_listen(config, errp);
    if (server->listener < 0) {
        qmp_server_free(server);
        return NULL;
    }
    server->path = g_strdup(config->path);
    if (config->wait) {
        wait_for_client(server, config);
    } else {
        await_client(server);
    }
    return server;
}

/* SHUTDOWN is the last event of all: a client shall not miss it for the speed of our end. */
static void say_farewell(QmpServer *server)
{
    gint64 until = g_get_monotonic_time() + FAREWELL_MS * 1000;

    while (server->out >= 0 && server->queue->len && g_get_monotonic_time() < until) {
        struct pollfd poller = { .fd = server->out, .events = POLLOUT };
        poll(&poller, 1, 10);
        write_client(server);
    }
}

void qmp_server_free(QmpServer *server)
{
    if (!server) {
        return;
    }
    say_farewell(server);
    drop_client(server);
    unwatch(&server->accepting);
    if (server->listener >= 0) {
        close(server->listener);
    }
    if (server->path) {
        unlink(server->path);
    }
    qmp_session_free(server->session);
    g_string_free(server->queue, TRUE);
    g_free(server->path);
    g_free(server);
}

void qmp_server_event(QmpServer *server, const char *line)
{
    qmp_session_event(server->session, line);
    write_client(server);
}
