/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-net against scripted ioctls: which come in which order, and what becomes of each that
 * fails.
 */
#include "hw/virtio/vhost-ioctls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>

#include "driver.h"
#include "hw/virtio/vhost-net.h"
#include "util/keyval.h"

#define GOOD (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)
#define CSUM (UINT64_C(1) << 0)
#define GUEST_CSUM (UINT64_C(1) << 1)
#define GUEST_TSO4 (UINT64_C(1) << 7)
#define MRG_RXBUF (UINT64_C(1) << 15)
#define OFFLOADS UINT64_C(0x3b83)
#define MAC_STATUS_MTU (UINT64_C(1) << 5 | UINT64_C(1) << 16 | UINT64_C(1) << 3)
#define TAP_FD 1000

/* The kernel: ioctl(2) has no argument to hang this on. */
static struct {
    GString *calls;          /* letters, in order */
    unsigned long fail;      /* request */
    uint64_t offered, features, offloads;
    int header_size, backends[2];
} kernel;

static const struct {
    unsigned long request;
    char letter;
} letters[] = {
    { VHOST_SET_OWNER, 'o' }, { VHOST_GET_FEATURES, 'f' }, { VHOST_SET_FEATURES, 'F' },
    { VHOST_SET_MEM_TABLE, 'M' }, { VHOST_SET_VRING_NUM, 'N' }, { VHOST_SET_VRING_BASE, 'B' },
    { VHOST_SET_VRING_ADDR, 'A' }, { VHOST_SET_VRING_CALL, 'C' }, { VHOST_SET_VRING_KICK, 'K' },
    { VHOST_GET_VRING_BASE, 'b' }, { VHOST_NET_SET_BACKEND, 'E' }, { TUNSETVNETHDRSZ, 'h' },
    { TUNSETOFFLOAD, 'O' },
};

static int scripted(int fd, unsigned long request, void *argument)
{
    bool of_tap = request == TUNSETVNETHDRSZ || request == TUNSETOFFLOAD;

    g_assert_true((fd == TAP_FD) == of_tap);
    for (unsigned i = 0; i < G_N_ELEMENTS(letters); i++) {
        if (letters[i].request == request) {
            g_string_append_c(kernel.calls, letters[i].letter);
        }
    }
    if (request == kernel.fail) {
        errno = EBUSY;
        return -1;
    }
    switch (request) {
    case VHOST_GET_FEATURES: *(uint64_t *)argument = kernel.offered; break;
    case VHOST_SET_FEATURES: kernel.features = *(uint64_t *)argument; break;
    case VHOST_GET_VRING_BASE: ((struct vhost_vring_state *)argument)->num = 0; break;
    case TUNSETVNETHDRSZ: kernel.header_size = *(int *)argument; break;
    case TUNSETOFFLOAD: kernel.offloads = (uintptr_t)argument; break;
    case VHOST_NET_SET_BACKEND: {
        const struct vhost_vring_file *file = argument;
        g_assert_cmpuint(file->index, <, 2);
        kernel.backends[file->index] = file->fd;
        break;
    }
    default: break;
    }
    return 0;
}

static const QomType *const types[] = {
    &qom_object_type, &qom_container_type, &netdev_type, &netdev_tap_type, NULL,
};

typedef struct Fixture {
    Driver d;
    QomObject *root;
    Netdev *netdev;
    VhostNet *net;
} Fixture;

static VhostNet *make(Fixture *f, GError **errp)
{
    VirtioEnvironment environment = driver_environment(&f->d, "net0");
    const VhostNetConfig config = {
        .netdev = f->netdev, .tap = TAP_FD, .vhost = open("/dev/null", O_RDWR | O_CLOEXEC),
        .mac = { 0x52, 0x54, 0, 1, 2, 3 }, .mtu = 1400, .queue_size = 256, .call = scripted,
    };

    return vhost_net_new(&config, &environment, errp);
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const char *const containers[] = { "netdevs", NULL };
    g_autoptr(KeyVal) kv = keyval_parse("tap,id=n0", "type", NULL);

    memset(&kernel, 0, sizeof(kernel));
    kernel.calls = g_string_new(NULL);
    kernel.offered = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | MRG_RXBUF | UINT64_C(3) << 26;
    f->root = qom_root_new(types, containers);
    f->netdev = netdev_create(f->root, &(QomSettings){ .keyval = kv }, NULL);
    g_assert_nonnull(f->netdev);
    driver_init(&f->d);
    if (!data) {
        f->net = make(f, NULL);
        g_assert_nonnull(f->net);
        driver_plug(&f->d, vhost_net_device(f->net), 4);
    }
}

static void tear_down(Fixture *f, gconstpointer data)
{
    driver_free(&f->d);
    vhost_net_free(f->net);
    qom_object_unref(f->root);
    g_string_free(kernel.calls, TRUE);
}

static void test_works(Fixture *f, gconstpointer data)
{
    g_assert_cmpstr(kernel.calls->str, ==, "ofhO");
    g_assert_cmpint(kernel.header_size, ==, 12);
    g_assert_cmphex(driver_offered(&f->d), ==, GOOD | OFFLOADS | MRG_RXBUF | MAC_STATUS_MTU);
    g_assert_cmphex(driver_read(&f->d, f->d.config, 4), ==, 0x01005452);
    g_assert_cmphex(driver_read(&f->d, f->d.config + 6, 2), ==, 1);
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 10, 2), ==, 1400);
    g_string_set_size(kernel.calls, 0);
    driver_start(&f->d, GOOD | MRG_RXBUF | CSUM | GUEST_CSUM | GUEST_TSO4, 2, 16);
    g_assert_cmphex(driver_status(&f->d), ==, 0xf);
    g_assert_cmpstr(kernel.calls->str, ==, "OFMNBACKNBACKEE");
    g_assert_cmphex(kernel.features, ==, VIRTIO_F_VERSION_1 | MRG_RXBUF);
    g_assert_cmphex(kernel.offloads, ==, TUN_F_CSUM | TUN_F_TSO4);
    g_assert_cmpint(kernel.backends[0], ==, TAP_FD);
    g_assert_cmpint(kernel.backends[1], ==, TAP_FD);
    g_string_set_size(kernel.calls, 0);
    driver_set_status(&f->d, 0);
    /* no ring is asked for while it has a back end */
    g_assert_cmpstr(kernel.calls->str, ==, "EEEbKCEbKC");
    g_assert_cmpint(kernel.backends[0], ==, -1);
    driver_start(&f->d, GOOD, 2, 16);
    g_assert_cmphex(driver_status(&f->d), ==, 0xf);
    g_assert_cmphex(kernel.offloads, ==, 0);
}

static void test_link(Fixture *f, gconstpointer data)
{
    netdev_set_link(f->netdev, false);
    g_assert_cmphex(driver_read(&f->d, f->d.config + 6, 2), ==, 0);
    driver_start(&f->d, GOOD, 2, 16);
    g_assert_cmpint(kernel.backends[0], ==, -1);
    netdev_set_link(f->netdev, true);
    g_assert_cmpint(kernel.backends[0], ==, TAP_FD);
    g_assert_cmpint(kernel.backends[1], ==, TAP_FD);
    netdev_set_link(f->netdev, false);
    g_assert_cmpint(kernel.backends[1], ==, -1);
    g_assert_cmphex(driver_status(&f->d), ==, 0xf);
    kernel.fail = VHOST_NET_SET_BACKEND;
    netdev_set_link(f->netdev, true);
    g_assert_cmphex(driver_status(&f->d), ==, 0xf | VIRTIO_STATUS_NEEDS_RESET);
}

static void test_start_fails(Fixture *f, gconstpointer data)
{
    static const unsigned long requests[] = {
        VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE,
        VHOST_SET_VRING_ADDR, VHOST_SET_VRING_CALL, VHOST_SET_VRING_KICK, VHOST_NET_SET_BACKEND,
        TUNSETOFFLOAD,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        kernel.fail = requests[i];
        driver_start(&f->d, GOOD | GUEST_CSUM, 2, 16);
        g_assert_cmphex(driver_status(&f->d), ==, 0xf | VIRTIO_STATUS_NEEDS_RESET);
        kernel.fail = 0;
        driver_start(&f->d, GOOD | GUEST_CSUM, 2, 16);
        g_assert_cmphex(driver_status(&f->d), ==, 0xf);
    }
}

static void test_stop_fails(Fixture *f, gconstpointer data)
{
    static const unsigned long requests[] = { VHOST_GET_VRING_BASE, VHOST_NET_SET_BACKEND };

    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        kernel.fail = 0;
        driver_start(&f->d, GOOD, 2, 16);
        g_assert_cmphex(driver_status(&f->d), ==, 0xf);
        kernel.fail = requests[i];
        driver_set_status(&f->d, 0);
        g_assert_cmphex(driver_status(&f->d), ==, 0);
    }
}

static void test_refused(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned long fail;
        bool legacy;
        const char *error;
    } rows[] = {
        { "owned", VHOST_SET_OWNER, false, "VHOST_SET_OWNER" },
        { "features", VHOST_GET_FEATURES, false, "VHOST_GET_FEATURES" },
        { "legacy", 0, true, "VIRTIO_F_VERSION_1" },
        { "no headers", TUNSETVNETHDRSZ, false, "TUNSETVNETHDRSZ" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;

        g_test_message("%s", rows[i].label);
        kernel.fail = rows[i].fail;
        kernel.offered = rows[i].legacy ? 0 : VIRTIO_F_VERSION_1;
        g_assert_null(make(f, &err));
        g_assert_nonnull(strstr(err->message, rows[i].error));
        g_assert_null(f->netdev->card);
    }
    /* An interface that leaves nothing to the driver is one that offers it nothing. */
    kernel.fail = TUNSETOFFLOAD;
    kernel.offered = VIRTIO_F_VERSION_1;
    f->net = make(f, NULL);
    driver_plug(&f->d, vhost_net_device(f->net), 4);
    g_assert_cmphex(driver_offered(&f->d), ==, GOOD | MAC_STATUS_MTU);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/vhost-net/works", Fixture, NULL, set_up, test_works, tear_down);
    g_test_add("/vhost-net/link", Fixture, NULL, set_up, test_link, tear_down);
    g_test_add("/vhost-net/start-fails", Fixture, NULL, set_up, test_start_fails, tear_down);
    g_test_add("/vhost-net/stop-fails", Fixture, NULL, set_up, test_stop_fails, tear_down);
    g_test_add("/vhost-net/refused", Fixture, "none", set_up, test_refused, tear_down);
    return g_test_run();
}
