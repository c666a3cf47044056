/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device of UDP datagrams: what is written goes to one address, and what comes from
 * there is read.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev-internal.h"
#include "util/error.h"

typedef struct addrinfo AddrInfo;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AddrInfo, freeaddrinfo)

static AddrInfo *look_up(const SocketAddress *address, int family, int flags, GError **errp)
{
    const AddrInfo hints = { .ai_flags = flags, .ai_family = family, .ai_socktype = SOCK_DGRAM };
    AddrInfo *found = NULL;
    int error = getaddrinfo(*address->host ? address->host : NULL, address->port, &hints, &found);

    if (error) {
        error_set(errp, "address resolution failed for %s:%s: %s", address->host, address->port,
                  gai_strerror(error));
    }
    return error ? NULL : found;
}

static int wanted_family(const SocketAddress *address)
{
    return address->ipv4 == SOCKET_ON && address->ipv6 != SOCKET_ON   ? AF_INET
           : address->ipv6 == SOCKET_ON && address->ipv4 != SOCKET_ON ? AF_INET6
           : address->ipv4 == SOCKET_OFF                              ? AF_INET6
           : address->ipv6 == SOCKET_OFF                              ? AF_INET
                                                                      : AF_UNSPEC;
}

static bool bind_to(int fd, const SocketAddress *local, int family, GError **errp)
{
    if (!local) {
        return true;
    }
    g_autoptr(AddrInfo) info = look_up(local, family, AI_PASSIVE, errp);
    return info && (bind(fd, info->ai_addr, info->ai_addrlen) == 0 ||
                    error_set(errp, "Failed to bind socket to %s:%s: %s", local->host, local->port,
                              g_strerror(errno)));
}

static void udp_close(Chardev *chardev)
{
    close(chardev->in);
}

static const ChardevBackend udp_backend = { .close = udp_close };

bool chardev_udp_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    const SocketAddress *remote = config->address;
    g_autoptr(AddrInfo) info = look_up(remote, wanted_family(remote), 0, errp);

    if (!info) {
        return false;
    }
    int fd = socket(info->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
    if (fd < 0) {
        return error_set(errp, "Failed to make a UDP socket: %s", g_strerror(errno));
    }
    if (!bind_to(fd, config->local, info->ai_family, errp)) {
        close(fd);
        return false;
    }
    if (connect(fd, info->ai_addr, info->ai_addrlen) < 0) {
        error_set(errp, "Failed to connect to '%s:%s': %s", remote->host, remote->port,
                  g_strerror(errno));
        close(fd);
        return false;
    }
    chardev->backend = &udp_backend;
    chardev->datagrams = true;
    chardev_set_filename(chardev, g_strdup("udp"));
    chardev_connected(chardev, fd, fd);
    return true;
}
