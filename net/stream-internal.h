/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames over a connected stream socket, each behind its length: what netdevs of the types stream
 * and passt share. Main loop thread, machine lock not held, but for netdev_stream_send().
 */
#ifndef NET_STREAM_INTERNAL_H
#define NET_STREAM_INTERNAL_H

#include "net/netdev.h"
#include "util/socket.h"

typedef struct NetdevStream {
    Netdev netdev;
    JsonValue *addr;     /* SocketAddress */
    bool server;
    uint32_t reconnect_ms;

    SocketAddress *address;
    int listener, fd;    /* -1: none */
    GSource *input, *output, *listening;
    guint timer;
    struct StreamJob *connecting; /* an attempt under way; NULL: none */
    GByteArray *received; /* a frame that is not whole yet */
    GByteArray *unsent;   /* the rest of one that the socket did not take */
    /* The other side has ended the connection, which has been closed. NULL = nothing to do. */
    void (*lost)(struct NetdevStream *stream);
} NetdevStream;

/* The part of a new object that the connection is; and its end, after the connection's. */
void netdev_stream_init(NetdevStream *stream);
void netdev_stream_clear(NetdevStream *stream);
/* fd: taken over. */
void netdev_stream_take_connection(NetdevStream *stream, int fd);
/* Nothing happens if there is none. */
void netdev_stream_hang_up(NetdevStream *stream);
/* NetdevOps.send */
void netdev_stream_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size);

#endif
