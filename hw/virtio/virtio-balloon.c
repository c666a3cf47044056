/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See virtio-balloon.h. */
#include "hw/virtio/virtio-balloon.h"

#include "util/error.h"

static PciFunction *make(PciDevice *device, GError **errp)
{
    error_set(errp,
              "virtio-balloon-pci: there is no balloon: a TD's memory is private, and pages that "
              "its balloon gave up could neither be taken from it nor given back without losing "
              "what it accepted");
    error_hint(errp, "Leave the device out; in libvirt's XML: <memballoon model='none'/>");
    return NULL;
}

static const PciDeviceOps ops = {
    .device = { .bus_type = &pcie_bus_type, .category = "Misc", PCI_DEVICE_OPS }, .make = make,
};

const QomType virtio_balloon_pci_type = {
    .name = "virtio-balloon-pci", .parent = &pci_device_type,
    .description = "refused: a TD has no balloon", .ops = &ops,
};
