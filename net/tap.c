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

#include "net/netdev-tap.h"
#include "system/core/log.h"
#include "util/error.h"

#define VHOST_FILE "/dev/vhost-net"
/*
 * struct virtio_net_hdr without num_buffers: what an interface with IFF_VNET_HDR has unless it is
 * told otherwise.
 */
#define HEADER_SIZE 10

typedef struct NetdevTap {
    Netdev netdev;
    char *ifname, *fd_text, *fds, *script, *downscript, *bridge, *vhost_fd, *vhost_fds;
    bool vhost, vhost_force;
    uint32_t queues; /* 0: not given */
    int fd, vhost_number; /* -1: none */
    bool header;     /* frames have a struct virtio_net_hdr before them */
    /* vhost=on, and there is a /dev/vhost-net: the card's frames do not come this way */
    bool kernel;
    GSource *input;
} NetdevTap;

static gboolean on_input(int fd, GIOCondition condition, gpointer opaque)
{
    NetdevTap *tap = opaque;
    uint8_t frame[HEADER_SIZE + NET_MAX_FRAME];
    ssize_t size = read(fd, frame, sizeof(frame));

    size_t skip = tap->header ? HEADER_SIZE : 0;
    if (size > 0 && (size_t)size > skip) {
        netdev_lock(&tap->netdev);
        netdev_deliver(&tap->netdev, frame + skip, (size_t)size - skip);
        netdev_unlock(&tap->netdev);
    }
    /* EIO: the interface is down for now */
    return size > 0 || errno == EAGAIN || errno == EINTR || errno == EIO;
}

static bool open_interface(NetdevTap *tap, GError **errp)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | (tap->kernel ? IFF_VNET_HDR : 0) };

    if (tap->ifname && strlen(tap->ifname) >= IFNAMSIZ) {
        return error_set(errp, "Parameter 'ifname' expects at most %d characters, not '%s'",
                         IFNAMSIZ - 1, tap->ifname);
    }
    g_strlcpy(request.ifr_name, tap->ifname ? tap->ifname : "tap%d", IFNAMSIZ);
    tap->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tap->fd < 0) {
        error_set(errp, "could not open /dev/net/tun: %s", g_strerror(errno));
        error_hint(errp, "A tap interface needs the tun module and the right to use it; -netdev "
                         "user needs neither");
        return false;
    }
    if (ioctl(tap->fd, TUNSETIFF, &request) < 0) {
        error_set(errp, "could not configure /dev/net/tun (%s): %s", request.ifr_name,
                  g_strerror(errno));
        error_hint(errp, "Make the interface first: ip tuntap add dev %s mode tap user $USER",
                   tap->ifname ? tap->ifname : "tap0");
        return false;
    }
    return true;
}

/*
 * A descriptor that is open already, by its number or by the name that a monitor's getfd gave it.
 * -1: *errp.
 */
static int find_fd(const NetdevTap *tap, const char *key, const char *text, GError **errp)
{
    const NetdevPort *port = tap->netdev.port;
    guint64 number;

    if (g_ascii_string_to_unsigned(text, 10, 0, INT_MAX, &number, NULL)) {
        if (fcntl((int)number, F_GETFD) >= 0) {
            return (int)number;
        }
    } else if (!g_ascii_isdigit(*text) && port && port->named_fd) {
        int fd = port->named_fd(port->opaque, text);
        if (fd >= 0) {
            return fd;
        }
    }
    error_set(errp,
              "Parameter '%s' expects the number of an open file descriptor, or the name of one "
              "(getfd), not '%s'",
              key, text);
    return -1;
}

static bool prepare_fd(const char *key, int fd, GError **errp)
{
    int flags = fcntl(fd, F_GETFL);

    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return error_set(errp, "%s=%d cannot be prepared: %s", key, fd, g_strerror(errno));
    }
    return true;
}

/*
 * Whoever opened the interface may have asked for headers, as libvirt does. This side wants none of
 * what they offer.
 */
static void look_at_interface(NetdevTap *tap)
{
    struct ifreq request = { 0 };
    int size = HEADER_SIZE;

    tap->header = ioctl(tap->fd, TUNGETIFF, &request) == 0 && (request.ifr_flags & IFF_VNET_HDR);
    if (tap->header && !tap->kernel &&
        (ioctl(tap->fd, TUNSETVNETHDRSZ, &size) < 0 || ioctl(tap->fd, TUNSETOFFLOAD, 0) < 0)) {
        g_autofree char *text =
            g_strdup_printf("netdev '%s': %s: frames may come with checksums left out",
                            tap->netdev.id, g_strerror(errno));
        report_warning(text);
    }
}

static bool take_fd(NetdevTap *tap, GError **errp)
{
    if (tap->ifname) {
        return error_set(errp, "'ifname' and 'fd' exclude each other");
    }
    tap->fd = find_fd(tap, "fd", tap->fd_text, errp);
    return tap->fd >= 0 && prepare_fd("fd", tap->fd, errp);
}

static bool check_scripts(const NetdevTap *tap, GError **errp)
{
    const char *given = tap->script && strcmp(tap->script, "no")           ? "script"
                        : tap->downscript && strcmp(tap->downscript, "no") ? "downscript"
                        : tap->bridge                                      ? "br"
                                                                           : NULL;

    if (given) {
        error_set(
            errp,
            "Parameter '%s' is not supported: this program runs no scripts and makes no bridges",
            given);
        error_hint(errp, "Set the interface up before (ip link set tap0 up master br0), and use "
                         "script=no,downscript=no");
    }
    return !given;
}

/*
 * The first descriptor of a list is used. The others are closed, so that the kernel hands no frames
 * to queues that nobody reads.
 */
static bool take_first(NetdevTap *tap, const char *key, const char *list, char **first,
                       GError **errp)
{
    g_auto(GStrv) texts = g_strsplit(list, ":", -1);

    for (unsigned i = 1; texts[0] && texts[i]; i++) {
        int fd = find_fd(tap, key, texts[i], errp);
        if (fd < 0) {
            return false;
        }
        if (strcmp(texts[i], texts[0])) {
            close(fd);
        }
    }
    *first = g_strdup(texts[0] ? texts[0] : "");
    return true;
}

/* One queue: "fds=N" is then what "fd=N" is, and so is the first of several. */
static bool check_queues(NetdevTap *tap, GError **errp)
{
    bool ok = (!tap->fds || tap->fd_text ||
               take_first(tap, "fds", tap->fds, &tap->fd_text, errp)) &&
              (!tap->vhost_fds || tap->vhost_fd ||
               take_first(tap, "vhostfds", tap->vhost_fds, &tap->vhost_fd, errp));

    if (ok && (tap->queues > 1 || (tap->fds && strchr(tap->fds, ':')))) {
        g_autofree char *text = g_strdup_printf(
            "netdev '%s' uses one queue of those that it is given: one descriptor, or none and no "
            "queues=, says the same",
            tap->netdev.id);
        report_warning(text);
    }
    return ok;
}

/*
 * The kernel moves the frames where it can. As in QEMU, a machine without vhost-net is told of and
 * goes on, unless the descriptor is given, or vhostforce=on says that there is no other way.
 */
static bool check_vhost(NetdevTap *tap, GError **errp)
{
    if (!tap->vhost && !tap->vhost_force) {
        return !tap->vhost_fd ||
               error_set(errp, "vhostfd= is not valid without vhost");
    }
    if (tap->vhost_fd) {
        tap->vhost_number = find_fd(tap, "vhostfd", tap->vhost_fd, errp);
        tap->kernel = tap->vhost_number >= 0;
        return tap->kernel && prepare_fd("vhostfd", tap->vhost_number, errp);
    }
    g_autoptr(GError) err = NULL;
    int fd = netdev_tap_open_vhost(&tap->netdev, &err);
    tap->kernel = fd >= 0;
    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (tap->vhost_force) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    g_autofree char *text =
        g_strdup_printf("netdev '%s': vhost=on: %.*s: this program moves the frames instead",
                        tap->netdev.id, (int)strcspn(err->message, "\n"), err->message);
    report_warning(text);
    return true;
}

bool netdev_tap_wants_vhost(const Netdev *netdev)
{
    return netdev->object.type == &netdev_tap_type && ((const NetdevTap *)netdev)->kernel;
}

int netdev_tap_fd(const Netdev *netdev)
{
    return ((const NetdevTap *)netdev)->fd;
}

int netdev_tap_open_vhost(const Netdev *netdev, GError **errp)
{
    const NetdevTap *tap = (const NetdevTap *)netdev;
    int fd = tap->vhost_number >= 0 ? fcntl(tap->vhost_number, F_DUPFD_CLOEXEC, 0)
                                    : open(VHOST_FILE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        error_set(errp, "could not open %s: %s", VHOST_FILE, g_strerror(errno));
        error_hint(errp, "It needs the module vhost_net, and permission; or leave vhost=on out");
    }
    return fd;
}

static bool tap_open(Netdev *netdev, GError **errp)
{
    NetdevTap *tap = (NetdevTap *)netdev;

    if (!check_queues(tap, errp) || !check_vhost(tap, errp) || !check_scripts(tap, errp) ||
        !(tap->fd_text ? take_fd(tap, errp) : open_interface(tap, errp))) {
        return false;
    }
    look_at_interface(tap);
    if (tap->kernel) {
        return true; /* nobody reads the interface here */
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
    if (tap->vhost_number >= 0) {
        close(tap->vhost_number);
        tap->vhost_number = -1;
    }
}

static void tap_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
    static const uint8_t header[HEADER_SIZE];
    const NetdevTap *tap = (NetdevTap *)netdev;
    g_autofree struct iovec *with_header = tap->header ? g_new(struct iovec, count + 1) : NULL;

    if (tap->kernel) {
        return; /* by announce-self alone: the kernel's descriptor is for the kernel */
    }
    if (with_header) {
        with_header[0] = (struct iovec) { (void *)header, sizeof(header) };
        memcpy(with_header + 1, pieces, count * sizeof(*pieces));
    }
    /* A full queue loses the frame, as a card would. */
    if (writev(tap->fd, with_header ? with_header : pieces, (int)count + !!with_header) < 0) {
        return;
    }
}

static char *tap_describe(Netdev *netdev)
{
    NetdevTap *tap = (NetdevTap *)netdev;

    const char *vhost = tap->kernel ? ",vhost=on" : "";

    return tap->fd_text ? g_strdup_printf("fd=%s%s", tap->fd_text, vhost)
                        : g_strdup_printf("ifname=%s,script=no,downscript=no%s",
                                          tap->ifname ? tap->ifname : "", vhost);
}

static const NetdevOps tap_ops = { .open = tap_open, .close = tap_close, .send = tap_send,
                                   .describe = tap_describe };

#define TAP_STR(name, field, text) QOM_PROPERTY_STR(name, NetdevTap, field, NULL, text)

static const QomProperty tap_properties[] = {
    TAP_STR("ifname", ifname, "the interface's name (a new one)"),
    TAP_STR("fd", fd_text, "the file descriptor of an interface that was opened before"),
    TAP_STR("fds", fds, "the same, of several queues; the first is used"),
    QOM_PROPERTY_BOOL("vhost", NetdevTap, vhost, "off",
                      "the kernel moves the frames (/dev/vhost-net)"),
    TAP_STR("vhostfd", vhost_fd, "the file descriptor of /dev/vhost-net that was opened before"),
    TAP_STR("vhostfds", vhost_fds, "the same, of several queues; the first is used"),
    QOM_PROPERTY_BOOL("vhostforce", NetdevTap, vhost_force, "off",
                      "the kernel must move the frames"),
    QOM_PROPERTY_UINT32("queues", NetdevTap, queues, "1",
                        "one is used"),
    TAP_STR("script", script, "only 'no'"),
    TAP_STR("downscript", downscript, "only 'no'"),
    TAP_STR("br", bridge, "not supported"),
    { NULL },
};

static void tap_init(QomObject *object)
{
    ((NetdevTap *)object)->fd = ((NetdevTap *)object)->vhost_number = -1;
}

static void tap_finalize(QomObject *object)
{
    tap_close((Netdev *)object);
}

const QomType netdev_tap_type = {
    .name = "netdev-tap", .parent = &netdev_type, .size = sizeof(NetdevTap),
    .properties = tap_properties, .ops = &tap_ops,
    .description = "a tap interface of the host", .init = tap_init, .finalize = tap_finalize,
};
