/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Back ends in the kernel: /dev/vhost-* and their ioctls (linux/vhost.h; drivers/vhost/vhost.c).
 * The kernel reaches guest memory through this process's mappings, so of a TD what it shares.
 */
#ifndef HW_VIRTIO_VHOST_KERNEL_H
#define HW_VIRTIO_VHOST_KERNEL_H

#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci-device.h"

typedef struct VhostKernel VhostKernel;

/* As ioctl(2): -1 and errno. For tests; NULL = the kernel's. */
typedef int (*VhostIoctl)(int fd, unsigned long request, void *argument);

/*
 * fd: an open /dev/vhost-*, taken over also on failure. Becomes its owner, and asks for its
 * features. NULL: *errp.
 */
VhostKernel *vhost_kernel_new(int fd, const char *what, VhostIoctl call, GError **errp);
void vhost_kernel_free(VhostKernel *kernel); /* NULL is fine */
uint64_t vhost_kernel_features(const VhostKernel *kernel);
/* One ioctl of the device's own. False: *errp ("VHOST_…: Device or resource busy"). */
bool vhost_kernel_call(VhostKernel *kernel, unsigned long request, const char *name, void *argument,
                       GError **errp);
/* Called at VhostOps.run: starts and stops the device (VHOST_VSOCK_SET_RUNNING). */
void vhost_kernel_set_run(VhostKernel *kernel,
                          bool (*run)(VhostKernel *kernel, bool on, GError **errp));

extern const VhostOps vhost_kernel_ops; /* opaque: VhostKernel */

/* ---- The vsock device (vhost-vsock.c) ---- */

typedef struct VhostVsock VhostVsock;

/* fd as above. NULL: *errp. */
VhostVsock *vhost_vsock_new(int fd, uint64_t guest_cid, VhostIoctl call,
                            const VirtioEnvironment *environment, GError **errp);
VirtioDevice *vhost_vsock_device(const VhostVsock *vsock);
/* After its virtio device. NULL is fine. */
void vhost_vsock_free(VhostVsock *vsock);

extern const QomType vhost_vsock_pci_type; /* "vhost-vsock-pci" */
extern const QomType vhost_vsock_pci_nt_type;

#endif
