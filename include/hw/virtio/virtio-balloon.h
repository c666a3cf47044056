/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-balloon-pci: known, so that it can be refused with the reason. */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_H
#define HW_VIRTIO_VIRTIO_BALLOON_H

#include "hw/pci/pci-device.h"

extern const QomType virtio_balloon_pci_type;

#endif
