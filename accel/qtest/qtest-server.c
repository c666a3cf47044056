/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines to and from a test's program. */
#include "accel/qtest/qtest-server.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/socket.h"

/* A line longer than the largest command ends the conversation. */
#define MAX_LINE (40 * MiB)

struct QtestServer {
    Qtest *qtest;
    int in, out, listener;  /* -1: none; out may be in */
    bool owns_fds;
    SocketAddress *address;
    GString *received;
    GSource *source;
    FILE *log;
    gint64 start;
    void (*closed)(void *opaque);
    void *opaque;
};

static void log_line(QtestServer *server, char direction, const char *line)
{
    if (server->log) {
        double seconds = (double)(g_get_monotonic_time() - server->start) / 1e6;
        fprintf(server->log, "[%c +%f] %s\n", direction, seconds, line);
        fflush(server->log);
    }
}

static void send_line(void *opaque, const char *line)
{
    QtestServer *server = opaque;
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    const SocketContext forever = { 0 };

    log_line(server, 'S', line);
    /* A program that went away is noticed when its end is read. */
    if (server->owns_fds && server->out >= 0) {
        socket_write_all(server->out, text, strlen(text), &forever, NULL);
    } else if (server->out >= 0) {
        fputs(text, stdout);
        fflush(stdout);
    }
}

static void take_lines(QtestServer *server)
{
    char *end;

    while ((end = memchr(server->received->str, '\n', server->received->len))) {
        g_autofree char *line = g_strndup(server->received->str, end - server->received->str);
        g_string_erase(server->received, 0, end + 1 - server->received->str);
        g_strchomp(line);
        log_line(server, 'R', line);
        qtest_command(server->qtest, line);
    }
}

static gboolean end_conversation(QtestServer *server)
{
    g_clear_pointer(&server->source, g_source_unref);
    server->closed(server->opaque);
    return G_SOURCE_REMOVE;
}

static gboolean on_input(int fd, GIOCondition condition, gpointer opaque)
{
    QtestServer *server = opaque;
    char data[65536];
    ssize_t got = read(fd, data, sizeof(data));

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (got <= 0) {
        return end_conversation(server);
    }
    g_string_append_len(server->received, data, got);
    take_lines(server);
    return server->received->len <= MAX_LINE ? G_SOURCE_CONTINUE : end_conversation(server);
}

static void watch(QtestServer *server, int fd, GUnixFDSourceFunc callback)
{
    server->source = g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
    g_source_set_callback(server->source, G_SOURCE_FUNC(callback), server, NULL);
    g_source_attach(server->source, NULL);
}

static gboolean on_connection(int fd, GIOCondition condition, gpointer opaque)
{
    QtestServer *server = opaque;
    int client = socket_accept(fd, server->address, NULL);

    if (client < 0) {
        return G_SOURCE_CONTINUE;
    }
    server->in = server->out = client;
    g_clear_pointer(&server->source, g_source_unref);
    watch(server, client, on_input);
    return G_SOURCE_REMOVE;
}

/* The channel's text without its server= and wait= options. */
static bool split_channel(const char *channel, char **address, bool *server, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(channel, ",", -1);
    g_autoptr(GString) rest = g_string_new(parts[0]);

    *server = false;
    for (unsigned i = 1; parts[0] && parts[i]; i++) {
        if (!strcmp(parts[i], "server") || !strcmp(parts[i], "server=on")) {
            *server = true;
        } else if (strcmp(parts[i], "server=off") && strcmp(parts[i], "nowait") &&
                   !g_str_has_prefix(parts[i], "wait=")) {
            g_string_append_printf(rest, ",%s", parts[i]);
        }
    }
    if (!rest->len) {
        error_set(errp, "a channel is missing");
        error_hint(errp, "Use stdio, unix:PATH or tcp:HOST:PORT, with ,server=on to listen");
        return false;
    }
    *address = g_strdup(rest->str);
    return true;
}

static bool open_stdio(QtestServer *server, GError **errp)
{
    server->in = STDIN_FILENO;
    server->out = STDOUT_FILENO;
    watch(server, server->in, on_input);
    return true;
}

static bool open_channel(QtestServer *server, const char *channel, GError **errp)
{
    const SocketContext forever = { 0 };
    g_autofree char *address = NULL;
    bool listening;

    if (!strcmp(channel, "stdio")) {
        return open_stdio(server, errp);
    }
    if (!split_channel(channel, &address, &listening, errp) ||
        !(server->address = socket_address_parse(address, errp))) {
        return false;
    }
    server->owns_fds = true;
    if (listening) {
        server->listener = socket_listen(server->address, 1, &forever, errp);
        if (server->listener >= 0) {
            watch(server, server->listener, on_connection);
        }
        return server->listener >= 0;
    }
    server->in = server->out = socket_connect(server->address, &forever, errp);
    if (server->in >= 0) {
        watch(server, server->in, on_input);
    }
    return server->in >= 0;
}

static bool open_log(QtestServer *server, const char *log, GError **errp)
{
    if (log && !strcmp(log, "none")) {
        return true;
    }
    int fd = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    server->log = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!server->log) {
        return error_set(errp, "the log '%s' cannot be opened: %s", log ? log : "stderr",
                         g_strerror(errno));
    }
    return true;
}

QtestServer *qtest_server_new(const char *channel, const char *log, const QtestMachine *machine,
                              void (*closed)(void *opaque), void *opaque, GError **errp)
{
    QtestServer *server = g_new0(QtestServer, 1);

    server->in = server->out = server->listener = -1;
    server->received = g_string_new(NULL);
    server->start = g_get_monotonic_time();
    server->closed = closed;
    server->opaque = opaque;
    server->qtest = qtest_new(machine, send_line, server);
    if (!open_log(server, log, errp) || !open_channel(server, channel, errp)) {
        qtest_server_free(server);
        return NULL;
    }
    return server;
}

void qtest_server_free(QtestServer *server)
{
    if (!server) {
        return;
    }
    if (server->source) {
        g_source_destroy(server->source);
        g_source_unref(server->source);
    }
    qtest_free(server->qtest);
    if (server->owns_fds && server->in >= 0) {
        close(server->in);
    }
    if (server->listener >= 0) {
        close(server->listener);
    }
    if (server->log) {
        fclose(server->log);
    }
    socket_address_free(server->address);
    g_string_free(server->received, TRUE);
    g_free(server);
}
