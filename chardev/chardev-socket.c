/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device on a stream socket: a server with one client at a time, or a client that may
 * connect again.
 */
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev-internal.h"
#include "system/core/log.h"
#include "util/error.h"

/* When no connection can be accepted (no descriptors left), the next attempt comes after this. */
#define ACCEPT_PAUSE_MS 1000

/* RFC 854: commands after IAC; RFC 857, 858, 856: options. */
enum { TELNET_SE = 240, TELNET_BREAK = 243, TELNET_SB = 250, TELNET_WILL = 251, TELNET_DO = 253,
       TELNET_DONT = 254, TELNET_IAC = 255 };
enum { OPTION_BINARY = 0, OPTION_ECHO = 1, OPTION_SUPPRESS_GO_AHEAD = 3 };
enum { IN_DATA, AFTER_IAC, AFTER_OPTION_VERB, IN_SUBNEGOTIATION, IAC_IN_SUBNEGOTIATION };

/* An attempt to connect, which may outlive the chardev. */
typedef struct ConnectJob {
    Chardev *chardev; /* NULL: it has gone */
    GCancellable *cancellable;
} ConnectJob;

static void await_client(Chardev *chardev);
static void connect_later(Chardev *chardev);

static void name_it(Chardev *chardev, bool connected)
{
    g_autoptr(SocketAddress)
        local = chardev->listener >= 0 ? socket_local_address(chardev->listener) : NULL;
    g_autofree char *text = socket_address_format(local ? local : chardev->address);

    if (chardev->telnet && g_str_has_prefix(text, "tcp:")) {
        g_autofree char *telnet = g_strconcat("telnet:", text + strlen("tcp:"), NULL);
        g_free(text);
        text = g_steal_pointer(&telnet);
    }
    chardev_set_filename(chardev, g_strdup_printf("%s%s%s", connected ? "" : "disconnected:", text,
                                                  chardev->server ? ",server=on" : ""));
}

/* One byte of a client that speaks Telnet; true if it is data. */
static bool telnet_byte(Chardev *chardev, uint8_t byte)
{
    switch (chardev->telnet_state) {
    case IN_DATA:
        chardev->telnet_state = byte == TELNET_IAC ? AFTER_IAC : IN_DATA;
        return byte != TELNET_IAC;
    case AFTER_IAC:
        chardev->telnet_state = byte == TELNET_SB                            ? IN_SUBNEGOTIATION
                                : byte >= TELNET_WILL && byte <= TELNET_DONT ? AFTER_OPTION_VERB
                                                                             : IN_DATA;
        if (byte == TELNET_BREAK) {
            chardev_tell(chardev, CHARDEV_BREAK);
        }
        return byte == TELNET_IAC;
    case IN_SUBNEGOTIATION:
        chardev->telnet_state = byte == TELNET_IAC ? IAC_IN_SUBNEGOTIATION : IN_SUBNEGOTIATION;
        return false;
    case IAC_IN_SUBNEGOTIATION:
        chardev->telnet_state = byte == TELNET_SE ? IN_DATA : IN_SUBNEGOTIATION;
        return false;
    default: /* the option of a verb: whatever the client wants or does not want, we stay as
                announced */
        chardev->telnet_state = IN_DATA;
        return false;
    }
}

static unsigned socket_filter(Chardev *chardev, uint8_t *data, unsigned n)
{
    unsigned kept = 0;

    if (!chardev->telnet) {
        return n;
    }
    for (unsigned i = 0; i < n; i++) {
        if (telnet_byte(chardev, data[i])) {
            data[kept++] = data[i];
        }
    }
    return kept;
}

/* The terminal is to send keys one by one, eight bits each, and to leave the echo to this side. */
static void greet_telnet(Chardev *chardev, int fd)
{
    static const uint8_t announce[] = {
        TELNET_IAC, TELNET_WILL, OPTION_ECHO, TELNET_IAC, TELNET_WILL, OPTION_SUPPRESS_GO_AHEAD,
        TELNET_IAC, TELNET_WILL, OPTION_BINARY, TELNET_IAC, TELNET_DO, OPTION_BINARY,
    };

    chardev->telnet_state = IN_DATA;
    if (chardev->telnet && send(fd, announce, sizeof(announce), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* a client that has gone already is noticed when it is read from */
        chardev->telnet_state = IN_DATA;
    }
}

static void meet(Chardev *chardev, int fd)
{
    name_it(chardev, true);
    greet_telnet(chardev, fd);
    chardev_connected(chardev, fd, fd);
}

static void socket_hang_up(Chardev *chardev)
{
    int fd = chardev->in;

    chardev_disconnected(chardev);
    close(fd);
    name_it(chardev, false);
    if (chardev->server) {
        await_client(chardev);
    } else if (chardev->reconnect_ms) {
        connect_later(chardev);
    }
}

/* Server */

static gboolean on_pause_over(gpointer opaque)
{
    Chardev *chardev = opaque;

    chardev_drop_source(&chardev->timer);
    await_client(chardev);
    return G_SOURCE_REMOVE;
}

/*
 * Without a descriptor for it the connection stays in the queue, and the listening socket readable:
 * the loop must not spin.
 */
static void pause_accepting(Chardev *chardev)
{
    chardev_drop_source(&chardev->accepting);
    chardev->timer = g_timeout_source_new(ACCEPT_PAUSE_MS);
    g_source_set_callback(chardev->timer, on_pause_over, chardev, NULL);
    g_source_attach(chardev->timer, NULL);
}

static gboolean on_connection(int fd, GIOCondition condition, gpointer opaque)
{
    Chardev *chardev = opaque;
    g_autoptr(GError) err = NULL;
    int client = socket_accept(chardev->listener, chardev->address, &err);

    if (client >= 0) {
        chardev_drop_source(&chardev->accepting);
        meet(chardev, client);
    } else if (!g_error_matches(err, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
        pause_accepting(chardev);
    }
    return G_SOURCE_CONTINUE; /* of no effect if destroyed */
}

static void await_client(Chardev *chardev)
{
    chardev->accepting = g_unix_fd_source_new(chardev->listener, G_IO_IN);
    g_source_set_callback(chardev->accepting, G_SOURCE_FUNC(on_connection), chardev, NULL);
    g_source_attach(chardev->accepting, NULL);
}

/*
 * Signals and other clients are served meanwhile; monitors keep their clients' requests until the
 * machine is there.
 */
static void wait_for_client(Chardev *chardev)
{
    const ChardevHost *host = chardev->host;

    g_autofree char *text =
        g_strdup_printf("waiting for a client of %s (%s) before the machine starts", chardev->label,
                        chardev->filename);

    report_info(text);
    while (!chardev->open && !(host->ended && host->ended(host->opaque))) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static bool listen_at(Chardev *chardev, const SocketContext *context, GError **errp)
{
    const SocketAddress *address = chardev->address;

    chardev->listener = socket_listen(address, 1, context, errp);
    if (chardev->listener < 0) {
        return false;
    }
    if (address->kind == SOCKET_UNIX && address->abstract != SOCKET_ON) {
        chardev->unlink_path = g_canonicalize_filename(address->path, NULL);
    }
    name_it(chardev, false);
    await_client(chardev);
    return true;
}

/* Client */

static void on_connected(GObject *source, GAsyncResult *result, gpointer opaque)
{
    ConnectJob *job = opaque;
    Chardev *chardev = job->chardev;
    int fd = socket_connect_finish(result, NULL);

    if (chardev) {
        chardev->connecting = NULL;
    }
    g_object_unref(job->cancellable);
    g_free(job);
    if (!chardev && fd >= 0) {
        close(fd);
    } else if (chardev && fd >= 0) {
        meet(chardev, fd);
    } else if (chardev) {
        connect_later(chardev);
    }
}

static void connect_now(Chardev *chardev)
{
    ConnectJob *job = g_new0(ConnectJob, 1);
    SocketContext context = { .named_fd = chardev->host->named_fd,
                              .opaque = chardev->host->opaque };

    job->chardev = chardev;
    context.cancellable = job->cancellable = g_cancellable_new();
    chardev->connecting = job;
    socket_connect_async(chardev->address, &context, on_connected, job);
}

static gboolean on_reconnect(gpointer opaque)
{
    Chardev *chardev = opaque;

    chardev_drop_source(&chardev->timer);
    connect_now(chardev);
    return G_SOURCE_REMOVE;
}

static void connect_later(Chardev *chardev)
{
    chardev->timer = g_timeout_source_new(chardev->reconnect_ms);
    g_source_set_callback(chardev->timer, on_reconnect, chardev, NULL);
    g_source_attach(chardev->timer, NULL);
}

static bool connect_to(Chardev *chardev, const SocketContext *context, GError **errp)
{
    name_it(chardev, false);
    if (chardev->reconnect_ms) {
        connect_now(chardev);
        return true;
    }
    int fd = socket_connect(chardev->address, context, errp);
    if (fd >= 0) {
        meet(chardev, fd);
    }
    return fd >= 0;
}

static void socket_close(Chardev *chardev)
{
    chardev_drop_source(&chardev->accepting);
    chardev_drop_source(&chardev->timer);
    if (chardev->connecting) {
        chardev->connecting->chardev = NULL;
        g_cancellable_cancel(chardev->connecting->cancellable);
    }
    if (chardev->in >= 0) {
        close(chardev->in);
    }
    if (chardev->listener >= 0) {
        close(chardev->listener);
    }
    if (chardev->unlink_path) {
        unlink(chardev->unlink_path);
    }
    g_free(chardev->unlink_path);
    socket_address_free(chardev->address);
}

static const ChardevBackend socket_backend = { .filter = socket_filter, .hang_up = socket_hang_up,
                                               .close = socket_close };

bool chardev_socket_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    SocketContext context = { .named_fd = chardev->host->named_fd,
                              .opaque = chardev->host->opaque };

    chardev->backend = &socket_backend;
    chardev->address = socket_address_copy(config->address);
    chardev->server = config->server;
    chardev->telnet = config->telnet;
    chardev->reconnect_ms = config->reconnect_ms;
    if (!(config->server ? listen_at(chardev, &context, errp)
                         : connect_to(chardev, &context, errp))) {
        socket_close(chardev);
        return false;
    }
    if (config->server && config->wait) {
        wait_for_client(chardev);
    }
    return true;
}
