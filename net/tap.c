/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev tap: a network interface of the host (Linux Documentation/networking/tuntap.rst). */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/netdev.h"
#include "system/core/log.h"
#include "util/error.h"

typedef struct NetdevTap {
    Netdev netdev;
    char *ifname, *fd_text, *fds, *script, *downscript, *bridge, *vhost_fd, *vhost_fds;
    bool vhost, vhost_force;
    uint32_t queues; /* 0: not given */
    int fd;          /* -1: none */
    GSource *input;
} NetdevTap;

static gboolean on_input(int fd, GIOCondition condition, gpointer opaque)
{
    NetdevTap *tap = opaque;
    uint8_t frame[NET_MAX_FRAME];
    ssize_t size = read(fd, frame, sizeof(frame));

    if (size > 0) {
        netdev_lock(&tap->netdev);
        netdev_deliver(&tap->netdev, frame, (size_t)size);
        netdev_unlock(&tap->netdev);
    }
    return size > 0 || errno == EAGAIN || errno == EINTR || errno == EIO; /* EIO: the interface is down for now */
}

static bool open_interface(NetdevTap *tap, GError **errp)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };

    if (tap->ifname && strlen(tap->ifname) >= IFNAMSIZ) {
        return error_set(errp, "Parameter 'ifname' expects at most %d characters, not '%s'", IFNAMSIZ - 1, tap->ifname);
    }
    g_strlcpy(request.ifr_name, tap->ifname ? tap->ifname : "tap%d", IFNAMSIZ);
    tap->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tap->fd < 0) {
        error_set(errp, "could not open /dev/net/tun: %s", g_strerror(errno));
        error_hint(errp, "A tap interface needs the tun module and the right to use it; -netdev user needs neither");
        return false;
    }
    if (ioctl(tap->fd, TUNSETIFF, &request) < 0) {
        error_set(errp, "could not configure /dev/net/tun (%s): %s", request.ifr_name, g_strerror(errno));
        error_hint(errp, "Make the interface first: ip tuntap add dev %s mode tap user $USER", tap->ifname ? tap->ifname : "tap0");
        return false;
    }
    return true;
}

static bool take_fd(NetdevTap *tap, GError **errp)
{
    guint64 fd;

    if (!g_ascii_string_to_unsigned(tap->fd_text, 10, 0, INT_MAX, &fd, NULL) || fcntl((int)fd, F_GETFD) < 0) {
        return error_set(errp, "Parameter 'fd' expects the number of an open file descriptor, not '%s'", tap->fd_text);
    }
    if (tap->ifname) {
        return error_set(errp, "'ifname' and 'fd' exclude each other");
    }
    int flags = fcntl((int)fd, F_GETFL);
    if (fcntl((int)fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) {
        return error_set(errp, "fd %s cannot be prepared: %s", tap->fd_text, g_strerror(errno));
    }
    tap->fd = (int)fd;
    return true;
}

static bool check_scripts(const NetdevTap *tap, GError **errp)
{
    const char *given = tap->script && strcmp(tap->script, "no") ? "script" :
                        tap->downscript && strcmp(tap->downscript, "no") ? "downscript" : tap->bridge ? "br" : NULL;

    if (given) {
        error_set(errp, "Parameter '%s' is not supported: this program runs no scripts and makes no bridges", given);
        error_hint(errp, "Set the interface up before (ip link set tap0 up master br0), and use script=no,downscript=no");
    }
    return !given;
}

/* One queue: "fds=N" is then what "fd=N" is. */
static bool check_queues(NetdevTap *tap, GError **errp)
{
    if (tap->queues > 1 || (tap->fds && strchr(tap->fds, ':'))) {
        error_set(errp, "netdev '%s' has one queue", tap->netdev.id);
        error_hint(errp, "Give one descriptor, or leave queues= out");
        return false;
    }
    if (tap->fds && !tap->fd_text) {
        tap->fd_text = g_strdup(tap->fds);
    }
    return true;
}

/* That the kernel moves the frames is an optimisation: a guest sees nothing of it. */
static bool check_vhost(const NetdevTap *tap, GError **errp)
{
    if (tap->vhost_force) {
        error_set(errp, "vhostforce=on: frames are moved by this program, never by the kernel's vhost-net");
        error_hint(errp, "Leave vhostforce out");
        return false;
    }
    if (tap->vhost) {
        g_autofree char *text = g_strdup_printf("netdev '%s': vhost=on is without effect: frames are moved by this program",
                                                tap->netdev.id);
        report_warning(text);
    }
    return true;
}

static bool tap_open(Netdev *netdev, GError **errp)
{
    NetdevTap *tap = (NetdevTap *)netdev;

    if (!check_queues(tap, errp) || !check_vhost(tap, errp) || !check_scripts(tap, errp) || !(tap->fd_text ? take_fd(tap, errp) : open_interface(tap, errp))) {
        return false;
    }
    tap->input = g_unix_fd_source_new(tap->fd, G_IO_IN);
    g_source_set_callback(tap->input, G_SOURCE_FUNC(on_input), tap, NULL);
    g_source_attach(tap->input, NULL);
    return true;
}

static void tap_close(Netdev *netdev)
{
    NetdevTap *tap = (NetdevTap *)netdev;

    if (tap->input) {
        g_source_destroy(tap->input);
        g_clear_pointer(&tap->input, g_source_unref);
    }
    if (tap->fd >= 0) {
        close(tap->fd);
        tap->fd = -1;
    }
}

static void tap_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
    /* A full queue loses the frame, as a card would. */
    if (writev(((NetdevTap *)netdev)->fd, pieces, (int)count) < 0) {
        return;
    }
}

static char *tap_describe(Netdev *netdev)
{
    NetdevTap *tap = (NetdevTap *)netdev;

    return tap->fd_text ? g_strdup_printf("fd=%s", tap->fd_text) : g_strdup_printf("ifname=%s", tap->ifname ? tap->ifname : "");
}

static const NetdevOps tap_ops = { .open = tap_open, .close = tap_close, .send = tap_send, .describe = tap_describe };

#define TAP_STR(name, field, text) QOM_PROPERTY_STR(name, NetdevTap, field, NULL, text)

static const QomProperty tap_properties[] = {
    TAP_STR("ifname", ifname, "the interface's name (a new one)"),
    TAP_STR("fd", fd_text, "the file descriptor of an interface that was opened before"),
    TAP_STR("fds", fds, "the same; of one queue there is one"),
    QOM_PROPERTY_BOOL("vhost", NetdevTap, vhost, "off", "without effect: this program moves the frames"),
    TAP_STR("vhostfd", vhost_fd, "not used"),
    TAP_STR("vhostfds", vhost_fds, "not used"),
    QOM_PROPERTY_BOOL("vhostforce", NetdevTap, vhost_force, "off", "only 'off'"),
    QOM_PROPERTY_UINT32("queues", NetdevTap, queues, "1", "only 1"),
    TAP_STR("script", script, "only 'no'"),
    TAP_STR("downscript", downscript, "only 'no'"),
    TAP_STR("br", bridge, "not supported"),
    { NULL },
};

static void tap_init(QomObject *object)
{
    ((NetdevTap *)object)->fd = -1;
}

static void tap_finalize(QomObject *object)
{
    tap_close((Netdev *)object);
}

const QomType netdev_tap_type = {
    .name = "netdev-tap", .parent = &netdev_type, .size = sizeof(NetdevTap), .properties = tap_properties, .ops = &tap_ops,
    .description = "a tap interface of the host", .init = tap_init, .finalize = tap_finalize,
};
