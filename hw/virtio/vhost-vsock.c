/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-vsock-pci: sockets between guest and host (Virtio 1.2, 5.10), served by the kernel's
 * /dev/vhost-vsock.
 */
#include "hw/virtio/vhost-ioctls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "hw/virtio/vhost-kernel.h"
#include "util/bytes.h"
#include "util/error.h"

#define DEVICE_FILE "/dev/vhost-vsock"
#define CONFIG_SIZE 8
#define MIN_CID 3 /* 0 to 2 are the hypervisor's, local and the host's: 5.10.4 */
#define QUEUE_SIZE 128
enum { QUEUE_RECEIVE, QUEUE_TRANSMIT, QUEUE_EVENT, NUM_QUEUES };

struct VhostVsock {
    VirtioDevice *device;
    VhostKernel *kernel;
    Vhost vhost;
    uint64_t cid;
};

static bool set_running(VhostKernel *kernel, bool on, GError **errp)
{
    int value = on;

    return vhost_kernel_call(kernel, VHOST_VSOCK_SET_RUNNING, "VHOST_VSOCK_SET_RUNNING", &value,
                             errp);
}

static void get_config(void *opaque, uint8_t *config)
{
    store_le64(config, ((VhostVsock *)opaque)->cid);
}

static void start(void *opaque)
{
    vhost_start(&((VhostVsock *)opaque)->vhost);
}

static void stop(void *opaque)
{
    vhost_stop(&((VhostVsock *)opaque)->vhost);
}

static void start_queue(void *opaque, VirtQueue *queue)
{
    vhost_start_queue(&((VhostVsock *)opaque)->vhost, queue);
}

/* The events' queue alone: there is none to tell of, for a guest does not move to another host. */
static void notify(void *opaque, VirtQueue *queue)
{
}

static const VirtioClass vsock_class = {
    .outside = true,
    .name = "vhost-vsock", .id = VIRTIO_ID_VSOCK, .config_size = CONFIG_SIZE,
    .get_config = get_config, .start = start, .stop = stop,
    .notify = notify, .start_queue = start_queue,
};

static bool set_cid(VhostVsock *vsock, GError **errp)
{
    if (!vhost_kernel_call(vsock->kernel, VHOST_VSOCK_SET_GUEST_CID, "VHOST_VSOCK_SET_GUEST_CID",
                           &vsock->cid, errp)) {
        error_hint(errp, "guest-cid=%" PRIu64 " may be another guest's: each needs its own",
                   vsock->cid);
        return false;
    }
    return true;
}

VhostVsock *vhost_vsock_new(int fd, uint64_t guest_cid, VhostIoctl call,
                            const VirtioEnvironment *environment, GError **errp)
{
    const uint64_t ring_features = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;

    if (guest_cid < MIN_CID || guest_cid >= UINT32_MAX) {
        close(fd);
        error_set(errp, "guest-cid=%" PRIu64 ": 3 to 4294967294 are possible", guest_cid);
        return NULL;
    }
    VhostVsock *vsock = g_new0(VhostVsock, 1);
    vsock->cid = guest_cid;
    vsock->kernel = vhost_kernel_new(fd, DEVICE_FILE, call, errp);
    if (!vsock->kernel || !set_cid(vsock, errp)) {
        vhost_vsock_free(vsock);
        return NULL;
    }
    vhost_kernel_set_run(vsock->kernel, set_running);
    vsock->device = virtio_new(&vsock_class, vsock, environment);
    for (unsigned i = 0; i < NUM_QUEUES; i++) {
        virtio_add_queue(vsock->device, QUEUE_SIZE);
    }
    uint64_t theirs = vhost_kernel_features(vsock->kernel);
    virtio_withhold(vsock->device, ring_features & ~theirs);
    vsock->vhost = (Vhost) {
        .device = vsock->device, .ops = &vhost_kernel_ops, .opaque = vsock->kernel,
        .memory = environment->memory, .ram = environment->ram,
        .num_ram = environment->num_ram, .num_rings = QUEUE_EVENT,
        .features = theirs & (ring_features | VIRTIO_F_VERSION_1),
    };
    return vsock;
}

VirtioDevice *vhost_vsock_device(const VhostVsock *vsock)
{
    return vsock->device;
}

void vhost_vsock_free(VhostVsock *vsock)
{
    if (vsock) {
        vhost_kernel_free(vsock->kernel);
        g_free(vsock);
    }
}

/* ---- The type ---- */

typedef struct VhostVsockPci {
    VirtioPciDevice parent;
    VhostVsock *vsock;
    uint64_t guest_cid;
    char *vhostfd;
} VhostVsockPci;

static int open_device(const char *vhostfd, GError **errp)
{
    guint64 number;
    int fd;

    if (!vhostfd) {
        fd = open(DEVICE_FILE, O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            error_set(errp, "Could not open '%s': %s", DEVICE_FILE, g_strerror(errno));
            error_hint(errp, "It needs the module vhost_vsock, and permission; vhostfd= takes a "
                             "descriptor that somebody else has opened");
        }
        return fd;
    }
    if (!g_ascii_string_to_unsigned(vhostfd, 10, 0, INT_MAX, &number, NULL)) {
        error_set(errp, "Parameter 'vhostfd' expects the number of an open descriptor, not '%s'",
                  vhostfd);
        return -1;
    }
    fd = fcntl((int)number, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        error_set(errp, "vhostfd=%s: %s", vhostfd, g_strerror(errno));
    }
    return fd;
}

static VirtioDevice *make(VirtioPciDevice *parent, const VirtioEnvironment *environment,
                          GError **errp)
{
    VhostVsockPci *device = (VhostVsockPci *)parent;
    int fd = open_device(device->vhostfd, errp);

    if (fd < 0) {
        return NULL;
    }
    device->vsock = vhost_vsock_new(fd, device->guest_cid, NULL, environment, errp);
    return device->vsock ? vhost_vsock_device(device->vsock) : NULL;
}

static void free_vsock(VirtioPciDevice *parent)
{
    g_clear_pointer(&((VhostVsockPci *)parent)->vsock, vhost_vsock_free);
}

static const VirtioPciOps ops = {
    .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Network", PCI_DEVICE_OPS },
             VIRTIO_PCI_OPS },
    .class_device = 0x0780, .make = make, .free = free_vsock,
};

static const QomProperty properties[] = {
    QOM_PROPERTY_UINT64("guest-cid", VhostVsockPci, guest_cid, "0",
                        "the guest's address, 3 to 4294967294, its own on this host"),
    QOM_PROPERTY_STR("vhostfd", VhostVsockPci, vhostfd, NULL,
                     "number of an open descriptor of /dev/vhost-vsock"),
    { NULL },
};

const QomType vhost_vsock_pci_type = {
    .name = "vhost-vsock-pci", .parent = &virtio_pci_type,
    .description = "Sockets between guest and host, by the kernel",
    .size = sizeof(VhostVsockPci), .properties = properties, .ops = &ops,
};
const QomType vhost_vsock_pci_nt_type = VIRTIO_NON_TRANSITIONAL("vhost-vsock-pci",
                                                                vhost_vsock_pci_type);
