/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI transport of a virtio device (Virtio 1.2, 4.1): capabilities, common configuration,
 * notification by ioeventfd, interrupts by MSI-X, pin, or irqfd for back ends outside the process.
 * Machine lock held.
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

#define VIRTIO_PCI_VECTORS_DEFAULT UINT_MAX /* one for each queue, and one for the configuration */

typedef struct VirtioPciConfig {
    uint16_t class_device;  /* PCI class and sub-class */
    unsigned vectors;       /* of MSI-X; 0 = none, the interrupt pin instead */
    /* notifications are handled on the vCPU's thread; not for a device with a context of its own */
    bool no_ioeventfd;
} VirtioPciConfig;

/*
 * A PCI function around the device, which it owns from now on. root: the bus's ports, borrowed;
 * integrated: the function goes on a root bus, not behind a port. The caller puts it on the bus.
 */
PciFunction *virtio_pci_new(VirtioDevice *device, const VirtioPciConfig *config,
                            const PciRootPorts *root, bool integrated);

#endif
