/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Socket addresses as values, in every form users write them, and stream sockets made from them.
 * The forms are those of QEMU's SocketAddress (QAPI, qapi/sockets.json):
 *
 *   text   unix:PATH   tcp:HOST:PORT[,ipv4=on,…]   vsock:CID:PORT   fd:FD
 *   JSON   {"type": "vsock", "cid": "2", "port": "4050"}
 *   dotted keys, PREFIX.type=vsock,PREFIX.cid=2,…: keyval_to_json() and qapi_from_keyval() make
 *          them JSON
 *
 * Everything up to socket_address_format() is pure. What connects and listens blocks, at most to a
 * deadline, can be cancelled from another thread, and has an asynchronous form for the main loop.
 */
#ifndef UTIL_SOCKET_H
#define UTIL_SOCKET_H

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/json.h"

typedef enum SocketKind { SOCKET_INET, SOCKET_UNIX, SOCKET_VSOCK, SOCKET_FD } SocketKind;
typedef enum SocketFlag { SOCKET_UNSET, SOCKET_OFF, SOCKET_ON } SocketFlag;

/*
 * Only the members of its kind have a meaning; strings are owned, and never NULL where the kind
 * needs them.
 */
typedef struct SocketAddress {
    SocketKind kind;
    /* inet; and vsock's port */
    char *host, *port;      /* host "": any address to listen on, this machine to connect to */
    SocketFlag numeric;     /* on: host is no name to be looked up */
    SocketFlag ipv4, ipv6;  /* unset: whatever the host resolves to */
    uint32_t to;            /* listen on the first free port from `port` to this; 0: only `port` */
    SocketFlag keep_alive;
    /* 0: the system's; idle and interval in seconds */
    uint32_t keep_alive_count, keep_alive_idle, keep_alive_interval;
    /* unix */
    char *path;
    SocketFlag abstract;    /* Linux's abstract name space */
    /* off: an abstract name is filled up with NULs to the size of sun_path; unset is on */
    SocketFlag tight;
    /* vsock */
    char *cid;
    /* fd */
    char *fd;               /* a number, or a name that the monitor's getfd gave */
} SocketAddress;

/* From the short text form. False forms name the valid ones. Caller frees. */
SocketAddress *socket_address_parse(const char *text, GError **errp);
/*
 * From a SocketAddress of the schema, checked here as strictly as qapi_check() does. name: what
 * messages call the value
 * ("quote-generation-socket"), or NULL. Caller frees.
 */
SocketAddress *socket_address_from_json(JsonValue *value, const char *name, GError **errp);
/* The schema's form: what was given, and nothing that was not. Caller puts. */
JsonValue *socket_address_to_json(const SocketAddress *address);
/* The short text form, without its options: for messages. Caller frees. */
char *socket_address_format(const SocketAddress *address);
SocketAddress *socket_address_copy(const SocketAddress *address);
bool socket_address_equal(const SocketAddress *a, const SocketAddress *b);
void socket_address_free(SocketAddress *address); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SocketAddress, socket_address_free)

/*
 * How long a call may last, who may end it, and what file descriptors' names stand for. All zero:
 * for ever, nobody, none.
 */
typedef struct SocketContext {
    gint64 deadline;           /* of g_get_monotonic_time(); 0 = none */
    GCancellable *cancellable; /* or NULL */
    /* gives the descriptor away; -1: there is none of that name */
    int (*named_fd)(void *opaque, const char *name);
    void *opaque;
} SocketContext;

/*
 * A connected stream socket, non-blocking and close-on-exec, that the caller closes; -1 with an
 * error. For kind fd it is that descriptor itself, which from then on belongs to the caller: such
 * an address connects once.
 *
 * Errors are in G_IO_ERROR with the code of the cause (G_IO_ERROR_TIMED_OUT, _CANCELLED,
 * _CONNECTION_REFUSED, …), and read "Failed to connect to 'ADDRESS': CAUSE". Any thread.
 */
int socket_connect(const SocketAddress *address, const SocketContext *context, GError **errp);
/*
 * The same in a thread of its own; done is called in the main context that was the caller's
 * default. named_fd is called at once.
 */
void socket_connect_async(const SocketAddress *address, const SocketContext *context,
                          GAsyncReadyCallback done, gpointer opaque);
int socket_connect_finish(GAsyncResult *result, GError **errp);

/*
 * A listening stream socket, non-blocking and close-on-exec, that the caller closes; -1 with an
 * error. A socket file of an earlier process is replaced, any other file is left alone and an
 * error. Kind fd: must listen already.
 */
int socket_listen(const SocketAddress *address, int backlog, const SocketContext *context,
                  GError **errp);
/*
 * The next connection of a listening socket, made as socket_connect()'s are; -1 with
 * G_IO_ERROR_WOULD_BLOCK if there is none.
 */
int socket_accept(int listener, const SocketAddress *address, GError **errp);

/*
 * The address that a socket has, a port number that the kernel chose included. NULL: unknown
 * family. Caller frees.
 */
SocketAddress *socket_local_address(int fd);

/* Waits until events (POLLIN, POLLOUT) are there. False: G_IO_ERROR_TIMED_OUT, _CANCELLED. */
bool socket_wait(int fd, short events, const SocketContext *context, GError **errp);
/* Writes all of it, in one call as long as the kernel takes it all. */
bool socket_write_all(int fd, const void *data, size_t size, const SocketContext *context,
                      GError **errp);
/* Reads up to size bytes, at least one unless the peer has closed (0). -1: error. */
ssize_t socket_read(int fd, void *data, size_t size, const SocketContext *context, GError **errp);

#endif
