/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev stream: frames over a stream socket, each behind its length in four bytes, big-endian;
 * passt and other VMMs speak so. What the other side does not take in time is lost: a frame that
 * has begun is finished first, one more waits in no queue.
 */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qapi-types.h"
#include "stream-internal.h"
#include "util/error.h"

#define HEADER_SIZE 4
#define CONNECT_SECONDS 10

/* An attempt to connect again, which may outlive the netdev. */
typedef struct StreamJob {
    NetdevStream *stream; /* NULL: it has gone */
    GCancellable *cancellable;
} StreamJob;

static void connect_later(NetdevStream *stream);

static void drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void tell(const NetdevStream *stream, const QapiEvent *event, bool with_address)
{
    const NetdevPort *port = stream->netdev.port;

    if (port && port->event) {
        JsonValue *data = json_object_new_object();

        json_object_object_add(data, "netdev-id", json_object_new_string(stream->netdev.id));
        if (with_address) {
            json_object_object_add(data, "addr", socket_address_to_json(stream->address));
        }
        port->event(port->opaque, event, data);
    }
}

/* Main loop thread, which alone opens and closes the connection; the lock keeps senders out. */
void netdev_stream_hang_up(NetdevStream *stream)
{
    if (stream->fd < 0) {
        return;
    }
    netdev_lock(&stream->netdev);
    drop_source(&stream->input);
    drop_source(&stream->output);
    close(stream->fd);
    stream->fd = -1;
    g_byte_array_set_size(stream->received, 0);
    g_byte_array_set_size(stream->unsent, 0);
    netdev_unlock(&stream->netdev);
}

/* The other side has gone. */
static void lose(NetdevStream *stream)
{
    netdev_stream_hang_up(stream);
    if (stream->lost) {
        stream->lost(stream);
    }
    tell(stream, &qapi_event_NETDEV_STREAM_DISCONNECTED, false);
}

static void connect_again(NetdevStream *stream)
{
    if (!stream->server && stream->reconnect_ms) {
        connect_later(stream);
    }
}

/* False: a length that no frame has; what follows cannot be understood. */
static bool deliver_frames(NetdevStream *stream)
{
    const uint8_t *data = stream->received->data;
    size_t left = stream->received->len;
    bool sane = true;

    netdev_lock(&stream->netdev);
    while (sane && left >= HEADER_SIZE) {
        size_t size = (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 |
                      data[3];

        sane = size && size <= NET_MAX_FRAME;
        if (!sane || left - HEADER_SIZE < size) {
            break;
        }
        netdev_deliver(&stream->netdev, data + HEADER_SIZE, size);
        data += HEADER_SIZE + size;
        left -= HEADER_SIZE + size;
    }
    netdev_unlock(&stream->netdev);
    if (left < stream->received->len) {
        g_byte_array_remove_range(stream->received, 0, stream->received->len - (guint)left);
    }
    return sane;
}

static gboolean on_input(int fd, GIOCondition condition, gpointer opaque)
{
    NetdevStream *stream = opaque;
    uint8_t data[65536];
    ssize_t got = recv(fd, data, sizeof(data), MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (got > 0) {
        g_byte_array_append(stream->received, data, (guint)got);
        if (deliver_frames(stream)) {
            return G_SOURCE_CONTINUE;
        }
    }
    lose(stream);
    return G_SOURCE_REMOVE;
}

static void watch(NetdevStream *stream, GSource **source, int fd, GIOCondition condition,
                  GUnixFDSourceFunc callback)
{
    *source = g_unix_fd_source_new(fd, condition);
    g_source_set_callback(*source, G_SOURCE_FUNC(callback), stream, NULL);
    g_source_attach(*source, NULL);
}

static gboolean on_room(int fd, GIOCondition condition, gpointer opaque)
{
    NetdevStream *stream = opaque;

    netdev_lock(&stream->netdev);
    ssize_t sent = send(fd, stream->unsent->data, stream->unsent->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    bool failed = sent < 0 && errno != EAGAIN && errno != EINTR;
    if (sent > 0) {
        g_byte_array_remove_range(stream->unsent, 0, (guint)sent);
    }
    bool done = !stream->unsent->len;
    if (done) {
        g_clear_pointer(&stream->output, g_source_unref);
    }
    netdev_unlock(&stream->netdev);
    if (failed) { /* whoever only shuts down its reading side shows nothing on our input */
        lose(stream);
    }
    return done || failed ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

void netdev_stream_take_connection(NetdevStream *stream, int fd)
{
    netdev_lock(&stream->netdev);
    stream->fd = fd;
    netdev_unlock(&stream->netdev);
    watch(stream, &stream->input, fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input);
}

static void meet(NetdevStream *stream, int fd)
{
    netdev_stream_take_connection(stream, fd);
    tell(stream, &qapi_event_NETDEV_STREAM_CONNECTED, true);
}

static gboolean on_connection(int fd, GIOCondition condition, gpointer opaque)
{
    NetdevStream *stream = opaque;
    int connection = socket_accept(fd, stream->address, NULL);

    if (connection >= 0) {
        netdev_stream_hang_up(stream); /* the one who comes last is heard */
        meet(stream, connection);
    }
    return G_SOURCE_CONTINUE;
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer opaque)
{
    StreamJob *job = opaque;
    NetdevStream *stream = job->stream;
    int fd = socket_connect_finish(result, NULL);

    g_object_unref(job->cancellable);
    g_free(job);
    if (!stream) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    stream->connecting = NULL;
    if (fd >= 0) {
        meet(stream, fd);
    } else {
        connect_later(stream);
    }
}

static SocketContext context_of(const NetdevStream *stream)
{
    const NetdevPort *port = stream->netdev.port;

    return (SocketContext) {
        .deadline = g_get_monotonic_time() + CONNECT_SECONDS * G_USEC_PER_SEC,
        .named_fd = port ? port->named_fd : NULL, .opaque = port ? port->opaque : NULL,
    };
}

/* The main loop goes on meanwhile, however long the other side takes to answer. */
static gboolean on_reconnect(gpointer opaque)
{
    NetdevStream *stream = opaque;
    SocketContext context = context_of(stream);

    stream->timer = 0;
    stream->connecting = g_new0(StreamJob, 1);
    *stream->connecting = (StreamJob) { stream, g_cancellable_new() };
    context.cancellable = stream->connecting->cancellable;
    socket_connect_async(stream->address, &context, on_connected, stream->connecting);
    return G_SOURCE_REMOVE;
}

static void connect_later(NetdevStream *stream)
{
    if (!stream->timer && !stream->connecting) {
        stream->timer = g_timeout_add(stream->reconnect_ms, on_reconnect, stream);
    }
}

/* With reconnect-ms the other side may as well come later. */
static bool connect_first(NetdevStream *stream, GError **errp)
{
    const SocketContext context = context_of(stream);

    if (stream->reconnect_ms) {
        on_reconnect(stream);
        return true;
    }
    int fd = socket_connect(stream->address, &context, errp);
    if (fd >= 0) {
        meet(stream, fd);
    }
    return fd >= 0;
}

static bool stream_open(Netdev *netdev, GError **errp)
{
    NetdevStream *stream = (NetdevStream *)netdev;
    const SocketContext context = context_of(stream);

    stream->lost = connect_again;
    stream->address = socket_address_from_json(stream->addr, "addr", errp);
    if (!stream->address) {
        return false;
    }
    if (!stream->server) {
        return connect_first(stream, errp);
    }
    if (stream->reconnect_ms) {
        return error_set(
            errp, "'reconnect-ms' is for the side that connects: leave it out with server=on");
    }
    stream->listener = socket_listen(stream->address, 1, &context, errp);
    if (stream->listener < 0) {
        return false;
    }
    watch(stream, &stream->listening, stream->listener, G_IO_IN, on_connection);
    return true;
}

static void stream_close(Netdev *netdev)
{
    NetdevStream *stream = (NetdevStream *)netdev;

    netdev_stream_hang_up(stream);
    drop_source(&stream->listening);
    if (stream->timer) {
        g_source_remove(stream->timer);
        stream->timer = 0;
    }
    if (stream->connecting) {
        stream->connecting->stream = NULL;
        g_cancellable_cancel(stream->connecting->cancellable);
        stream->connecting = NULL;
    }
    if (stream->listener >= 0) {
        close(stream->listener);
        stream->listener = -1;
    }
    g_clear_pointer(&stream->address, socket_address_free);
}

static void keep_rest(NetdevStream *stream, const struct iovec *parts, unsigned count, size_t sent)
{
    for (unsigned i = 0; i < count; i++) {
        size_t skip = MIN(sent, parts[i].iov_len);

        g_byte_array_append(stream->unsent, (const uint8_t *)parts[i].iov_base + skip,
                            (guint)(parts[i].iov_len - skip));
        sent -= skip;
    }
    watch(stream, &stream->output, stream->fd, G_IO_OUT, on_room);
}

void netdev_stream_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
    NetdevStream *stream = (NetdevStream *)netdev;
    uint8_t header[HEADER_SIZE] = { (uint8_t)(size >> 24), (uint8_t)(size >> 16),
                                    (uint8_t)(size >> 8), (uint8_t)size };
    g_autofree struct iovec *parts = g_new(struct iovec, count + 1);
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = count + 1 };

    if (stream->fd < 0 || stream->unsent->len) {
        return;
    }
    parts[0] = (struct iovec) { header, sizeof(header) };
    memcpy(parts + 1, pieces, count * sizeof(*pieces));
    ssize_t sent = sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0 && (size_t)sent < HEADER_SIZE + size) {
        keep_rest(stream, parts, count + 1, (size_t)sent);
    }
}

static char *stream_describe(Netdev *netdev)
{
    NetdevStream *stream = (NetdevStream *)netdev;
    g_autofree char *address = socket_address_format(stream->address);

    return g_strdup_printf("%s%s%s", stream->server ? "server=on," : "", address,
                           stream->fd < 0 ? " (not connected)" : "");
}

static const NetdevOps stream_ops = { .open = stream_open, .close = stream_close,
                                      .send = netdev_stream_send, .describe = stream_describe };

static const QomProperty stream_properties[] = {
    QOM_PROPERTY_QAPI("addr", NetdevStream, addr, &qapi_SocketAddress, "SocketAddress",
                      "where the other side is, or where to listen",
                      .flags = QOM_REQUIRED),
    QOM_PROPERTY_BOOL("server", NetdevStream, server, "off",
                      "listen and let the other side connect"),
    QOM_PROPERTY_UINT32("reconnect-ms", NetdevStream, reconnect_ms, "0",
                        "connect again after so many milliseconds; 0 = never"),
    { NULL },
};

void netdev_stream_init(NetdevStream *stream)
{
    stream->listener = stream->fd = -1;
    stream->received = g_byte_array_new();
    stream->unsent = g_byte_array_new();
}

void netdev_stream_clear(NetdevStream *stream)
{
    g_byte_array_unref(stream->received);
    g_byte_array_unref(stream->unsent);
}

static void stream_init(QomObject *object)
{
    netdev_stream_init((NetdevStream *)object);
}

static void stream_finalize(QomObject *object)
{
    NetdevStream *stream = (NetdevStream *)object;

    stream_close(&stream->netdev);
    netdev_stream_clear(stream);
}

const QomType netdev_stream_type = {
    .name = "netdev-stream", .parent = &netdev_type, .size = sizeof(NetdevStream),
    .properties = stream_properties, .ops = &stream_ops,
    .description = "a stream socket (passt, other VMMs)", .init = stream_init,
    .finalize = stream_finalize,
};
