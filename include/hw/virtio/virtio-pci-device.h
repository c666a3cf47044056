/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices as -device makes them: types "virtio-NAME-pci" and, for the same thing,
 * "virtio-NAME-pci-non-transitional". A type derives from "virtio-pci", its instance starts with
 * VirtioPciDevice and its operations with VirtioPciOps:
 *
 *     static const VirtioPciOps rng_ops = {
 *         .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Misc", PCI_DEVICE_OPS },
 *                  VIRTIO_PCI_OPS },
 *         .class_device = 0x00ff, .make = rng_make, .free = rng_free,
 *     };
 *     const QomType virtio_rng_pci_type = {
 *         .name = "virtio-rng-pci", .parent = &virtio_pci_type, …, .ops = &rng_ops,
 *     };
 *     const QomType virtio_rng_pci_nt_type =
 *         VIRTIO_NON_TRANSITIONAL("virtio-rng-pci", virtio_rng_pci_type);
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_DEVICE_H
#define HW_VIRTIO_VIRTIO_PCI_DEVICE_H

#include "hw/pci/pci-device.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-pci.h"

typedef struct VirtioPciDevice {
    PciDevice pci;
    VirtioDevice *virtio;  /* while realized */
    uint32_t vectors;
    /* of types that have VIRTIO_BOOTINDEX_PROPERTY: the firmware's order of boot; -1 = not in it */
    int32_t bootindex;
    QomOnOffAuto disable_legacy;
    bool disable_modern, ioeventfd, event_idx, indirect_desc, iommu_platform, packed, queue_reset;
    bool ats, page_per_vq; /* not available */
} VirtioPciDevice;

typedef struct VirtioPciOps {
    PciDeviceOps pci;
    uint16_t class_device; /* PCI class and sub-class */
    /* OpenFirmware names of function and what boots on it, "scsi" and "disk@0,0"; NULL = nothing */
    const char *boot_name, *boot_unit;
    /*
     * virtio_new(), queues and features; the transport's options are applied after. Machine lock
     * held. NULL: *errp, nothing is left.
     */
    VirtioDevice *(*make)(VirtioPciDevice *device, const VirtioEnvironment *environment,
                          GError **errp);
    /*
     * The virtio device was freed, requests are over: the rest goes. Machine lock held. NULL =
     * nothing to do.
     */
    void (*free)(VirtioPciDevice *device);
    /*
     * Whose thread handles the device's queues (iothread=): VirtioEnvironment.context; NULL, or it
     * gives NULL: the main loop.
     */
    GMainContext *(*context)(VirtioPciDevice *device);
} VirtioPciOps;

extern const QomType virtio_pci_type; /* "virtio-pci", abstract */

#define VIRTIO_PCI_DEVICE(object) QOM_CAST(VirtioPciDevice, &virtio_pci_type, object)
#define VIRTIO_PCI_OPS .make = virtio_pci_device_make, .gone = virtio_pci_device_gone
PciFunction *virtio_pci_device_make(PciDevice *device, GError **errp);
void virtio_pci_device_gone(PciDevice *device);

/* A request queue for each vCPU, at most `max`: a guest's vCPUs then share none. At least one. */
unsigned virtio_pci_queues_for_cpus(const VirtioPciDevice *device, unsigned max);

/* A row of the properties of types that can be booted from. */
#define VIRTIO_BOOTINDEX_PROPERTY                                     \
    QOM_PROPERTY_INT32("bootindex", VirtioPciDevice, bootindex, "-1", \
                       "place in the firmware's order of boot; -1 = none")
/*
 * "/pci@i0cf8/pci-bridge@1/scsi@0/disk@0,0"; NULL: the object is no such device, or is not in the
 * order of boot. Caller frees.
 */
char *virtio_pci_boot_path(QomObject *object);
/* The function's part of it, which what sits on the device goes on from; realized. Caller frees. */
char *virtio_pci_firmware_path(const VirtioPciDevice *device, const char *name);

/* The name that management software uses for the same device. */
#define VIRTIO_NON_TRANSITIONAL(name_, type_) \
    { .name = name_ "-non-transitional", .parent = &(type_) }

#endif
