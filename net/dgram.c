/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev dgram: a frame is a datagram, to one other machine (UDP, or a local socket), or to all
 * that listen to a multicast address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/netdev.h"
#include "qapi-types.h"
#include "util/error.h"
#include "util/socket.h"

typedef struct NetdevDgram {
    Netdev netdev;
    JsonValue *local, *remote; /* SocketAddress, or NULL */

    int fd;                    /* -1: none */
    GSource *input;
    struct sockaddr_storage to;
    socklen_t to_size;         /* 0: the socket is connected */
    char *unlink_path;
} NetdevDgram;

static gboolean on_input(int fd, GIOCondition condition, gpointer opaque)
{
    NetdevDgram *dgram = opaque;
    uint8_t frame[NET_MAX_FRAME];
    ssize_t size = recv(fd, frame, sizeof(frame), MSG_DONTWAIT);

    if (size > 0) {
        netdev_lock(&dgram->netdev);
        netdev_deliver(&dgram->netdev, frame, (size_t)size);
        netdev_unlock(&dgram->netdev);
    }
    return G_SOURCE_CONTINUE; /* errors are of one datagram */
}

/* ---- Addresses ---- */

static bool look_up(const SocketAddress *address, bool any, struct sockaddr_storage *to,
                    socklen_t *size, GError **errp)
{
    const struct addrinfo hints = {
        .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM, .ai_flags = any ? AI_PASSIVE : 0,
    };
    struct addrinfo *found;
    int error = getaddrinfo(*address->host ? address->host : NULL, address->port, &hints, &found);

    if (error) {
        return error_set(errp, "address resolution failed for %s:%s: %s", address->host,
                         address->port, gai_strerror(error));
    }
    memcpy(to, found->ai_addr, found->ai_addrlen);
    *size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool make_unix(const SocketAddress *address, struct sockaddr_storage *to, socklen_t *size,
                      GError **errp)
{
    struct sockaddr_un *local = (struct sockaddr_un *)to;

    if (strlen(address->path) >= sizeof(local->sun_path)) {
        return error_set(errp, "UNIX socket path '%s' is too long: up to %zu bytes are possible",
                         address->path, sizeof(local->sun_path) - 1);
    }
    local->sun_family = AF_UNIX;
    g_strlcpy(local->sun_path, address->path, sizeof(local->sun_path));
    *size = sizeof(*local);
    return true;
}

static bool convert(const SocketAddress *address, bool any, struct sockaddr_storage *to,
                    socklen_t *size, GError **errp)
{
    memset(to, 0, sizeof(*to));
    return address->kind == SOCKET_INET ? look_up(address, any, to, size, errp)
                                        : make_unix(address, to, size, errp);
}

static bool is_multicast(const struct sockaddr_storage *to)
{
    const struct sockaddr_in *inet = (const struct sockaddr_in *)to;

    return to->ss_family == AF_INET && IN_MULTICAST(ntohl(inet->sin_addr.s_addr));
}

/* ---- Sockets ---- */

static bool fail(NetdevDgram *dgram, const char *what, GError **errp)
{
    return error_set(errp, "netdev '%s': %s: %s", dgram->netdev.id, what, g_strerror(errno));
}

static bool bind_to(NetdevDgram *dgram, const struct sockaddr_storage *address, socklen_t size,
                    GError **errp)
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)address;

    if (address->ss_family == AF_UNIX) {
        unlink(local->sun_path); /* of a process that has gone */
    }
    if (bind(dgram->fd, (const struct sockaddr *)address, size) < 0) {
        return fail(dgram, "can't bind the local address", errp);
    }
    if (address->ss_family == AF_UNIX) {
        dgram->unlink_path = g_canonicalize_filename(local->sun_path, NULL);
    }
    return true;
}

/* All members listen to one address and port; frames reach those on this host too. */
static bool join(NetdevDgram *dgram, const SocketAddress *local, GError **errp)
{
    struct ip_mreq group = { .imr_multiaddr = ((struct sockaddr_in *)&dgram->to)->sin_addr };
    struct sockaddr_storage interface;
    socklen_t size;
    int on = 1;

    if (local) {
        if (!look_up(local, true, &interface, &size, errp)) {
            return false;
        }
        group.imr_interface = ((struct sockaddr_in *)&interface)->sin_addr;
    }
    if (setsockopt(dgram->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(dgram->fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(on)) < 0 ||
        (local && setsockopt(dgram->fd, IPPROTO_IP, IP_MULTICAST_IF, &group.imr_interface,
                             sizeof(group.imr_interface)) < 0)) {
        return fail(dgram, "can't use multicast", errp);
    }
    return bind_to(dgram, &dgram->to, dgram->to_size, errp) &&
           (setsockopt(dgram->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) == 0 ||
            fail(dgram, "can't join the multicast group", errp));
}

static bool open_socket(NetdevDgram *dgram, const SocketAddress *local, const SocketAddress *remote,
                        GError **errp)
{
    struct sockaddr_storage own;
    socklen_t own_size;

    if (!convert(remote, false, &dgram->to, &dgram->to_size, errp)) {
        return false;
    }
    dgram->fd = socket(dgram->to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (dgram->fd < 0) {
        return fail(dgram, "can't make a socket", errp);
    }
    if (is_multicast(&dgram->to)) {
        return join(dgram, local, errp);
    }
    if (!local || local->kind != remote->kind) {
        return error_set(
            errp, "netdev '%s': dgram needs local= of the same type as remote=", dgram->netdev.id);
    }
    return convert(local, true, &own, &own_size, errp) && bind_to(dgram, &own, own_size, errp);
}

static bool take_fd(NetdevDgram *dgram, const SocketAddress *address, GError **errp)
{
    const NetdevPort *port = dgram->netdev.port;
    const SocketContext context = { .named_fd = port ? port->named_fd : NULL,
                                    .opaque = port ? port->opaque : NULL };

    int type;
    socklen_t size = sizeof(type);

    dgram->fd = socket_connect(address, &context, errp);
    if (dgram->fd < 0) {
        return false;
    }
    /* The end of another kind's connection would be read for ever. */
    return (getsockopt(dgram->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM) ||
           error_set(errp, "netdev '%s': descriptor '%s' is no datagram socket", dgram->netdev.id,
                     address->fd);
}

static bool dgram_open(Netdev *netdev, GError **errp)
{
    NetdevDgram *dgram = (NetdevDgram *)netdev;
    g_autoptr(SocketAddress) local = NULL, remote = NULL;
    bool ok;

    if ((dgram->local && !(local = socket_address_from_json(dgram->local, "local", errp))) ||
        (dgram->remote && !(remote = socket_address_from_json(dgram->remote, "remote", errp)))) {
        return false;
    }
    if ((local && local->kind == SOCKET_VSOCK) ||
        (remote && remote->kind != SOCKET_INET && remote->kind != SOCKET_UNIX)) {
        return error_set(
            errp,
            "netdev '%s': dgram takes addresses of type inet and unix, and a local one of type fd",
            netdev->id);
    }
    if (local && local->kind == SOCKET_FD) {
        ok = remote ? error_set(errp, "netdev '%s': a local address of type fd needs no remote one",
                                netdev->id)
                    : take_fd(dgram, local, errp);
    } else {
        ok = remote ? open_socket(dgram, local, remote, errp)
                    : error_set(errp, "netdev '%s': dgram requires remote=", netdev->id);
    }
    if (ok) {
        dgram->input = g_unix_fd_source_new(dgram->fd, G_IO_IN);
        g_source_set_callback(dgram->input, G_SOURCE_FUNC(on_input), dgram, NULL);
        g_source_attach(dgram->input, NULL);
    }
    return ok;
}

static void dgram_close(Netdev *netdev)
{
    NetdevDgram *dgram = (NetdevDgram *)netdev;

    if (dgram->input) {
        g_source_destroy(dgram->input);
        g_clear_pointer(&dgram->input, g_source_unref);
    }
    if (dgram->fd >= 0) {
        close(dgram->fd);
        dgram->fd = -1;
    }
    if (dgram->unlink_path) {
        unlink(dgram->unlink_path);
        g_clear_pointer(&dgram->unlink_path, g_free);
    }
}

/* Nobody there, or no room: lost, as on a wire. */
static void dgram_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
    NetdevDgram *dgram = (NetdevDgram *)netdev;
    const struct msghdr message = {
        .msg_name = dgram->to_size ? &dgram->to : NULL, .msg_namelen = dgram->to_size,
        .msg_iov = (struct iovec *)pieces, .msg_iovlen = count,
    };

    if (dgram->fd >= 0 && sendmsg(dgram->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        return;
    }
}

static char *dgram_describe(Netdev *netdev)
{
    const NetdevDgram *dgram = (NetdevDgram *)netdev;
    g_autoptr(SocketAddress) address =
        socket_address_from_json(dgram->remote ? dgram->remote : dgram->local, NULL, NULL);

    return address ? socket_address_format(address) : NULL;
}

static const NetdevOps dgram_ops = {
    .open = dgram_open, .close = dgram_close, .send = dgram_send, .describe = dgram_describe,
};

static const QomProperty dgram_properties[] = {
    QOM_PROPERTY_QAPI("local", NetdevDgram, local, &qapi_SocketAddress, "SocketAddress",
                      "this side's address"),
    QOM_PROPERTY_QAPI("remote", NetdevDgram, remote, &qapi_SocketAddress, "SocketAddress",
                      "where frames go; a multicast address: to all that listen there"),
    { NULL },
};

static void dgram_init(QomObject *object)
{
    ((NetdevDgram *)object)->fd = -1;
}

/* The base type's finalize, which closes, comes after this one; nothing here is gone by then. */
const QomType netdev_dgram_type = {
    .name = "netdev-dgram", .parent = &netdev_type, .size = sizeof(NetdevDgram), .init = dgram_init,
    .properties = dgram_properties, .ops = &dgram_ops,
    .description = "datagrams: UDP, multicast, a local socket",
};
