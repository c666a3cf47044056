/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions as devices of the object model: what -device and device_add make on "pcie.0" and
 * behind its ports. A type that derives from "pci-device" starts its operations with PciDeviceOps
 * and makes its function there; place, bus and hotplug are done here.
 *
 *     static const PciDeviceOps edu_ops = {
 *         .device = { .bus_type = &pcie_bus_type, .category = "Misc", PCI_DEVICE_OPS },
 *         .make = edu_make,
 *     };
 *
 * Main loop thread; the machine lock is taken here, and held in make.
 */
#ifndef HW_PCI_PCI_DEVICE_H
#define HW_PCI_PCI_DEVICE_H

#include "hw/core/device.h"
#include "hw/pci/pci.h"

/* A PCI bus as a bus of devices. */
typedef struct PcieBus {
    Bus bus;
    PciBus *pci; /* borrowed: of the machine, or of the port's function */
} PcieBus;

typedef struct PciDevice {
    Device device;
    int32_t addr;          /* device << 3 | function; -1 = the first free slot */
    bool multifunction;
    char *romfile;         /* "" or NULL: no option ROM, and there is none anyway */
    uint32_t rombar;
    uint32_t acpi_index;   /* 0 = none */
    PciFunction *function; /* on its bus while the device is realized */
} PciDevice;

typedef struct PciDeviceOps {
    DeviceOps device;
    /*
     * The function, not on the bus yet (pci_device_bus). Machine lock held. NULL: *errp, and
     * nothing is left.
     */
    PciFunction *(*make)(PciDevice *device, GError **errp);
    /* The function was freed; machine lock held. NULL = nothing to do. */
    void (*gone)(PciDevice *device);
    /* Realized and on the bus, machine lock not held: for a bridge's bus. NULL = nothing to do. */
    void (*placed)(PciDevice *device);
} PciDeviceOps;

extern const QomType pcie_bus_type;        /* "PCIE" */
extern const QomType pci_device_type;      /* "pci-device", abstract */
extern const QomType pcie_root_port_type;  /* "pcie-root-port" */
extern const QomType pci_bridge_device_type; /* "pci-bridge" */
extern const QomType pcie_pci_bridge_type; /* "pcie-pci-bridge" */
extern const QomType q35_pcihost_type;     /* "q35-pcihost", the machine's own: holds "pcie.0" */

#define PCI_DEVICE(object) QOM_CAST(PciDevice, &pci_device_type, object)

/* DeviceOps' members that all PCI devices have alike */
#define PCI_DEVICE_OPS .realize = pci_device_realize, .unrealize = pci_device_unrealize
bool pci_device_realize(Device *device, GError **errp);
void pci_device_unrealize(Device *device);

/* The bus that the device sits on, or is being put on; its ports. */
PciBus *pci_device_bus(const PciDevice *device);
const PciRootPorts *pci_device_ports(const PciDevice *device);
/* On the root bus, not behind a port. */
bool pci_device_is_integrated(const PciDevice *device);
/* A bus of devices over a bus of functions; owner as in bus_new(). */
Bus *pcie_bus_new(PciBus *pci, const char *name, Device *owner);
/*
 * The machine's own device that holds the root bus as "pcie.0": to be realized on the main system
 * bus; q35_pcihost_set_bus before that.
 */
void q35_pcihost_set_bus(Device *device, PciBus *root);

#endif
