/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci-bridge: a conventional bridge with a bus of 32 slots (PCI-to-PCI Bridge 1.2). It has no
 * hotplug controller; container runtimes and management programs put one into every machine, and
 * often leave it empty. pcie-pci-bridge: the same at the end of a link (PCI Express to PCI/PCI-X
 * Bridge 1.0), where management software puts conventional devices.
 */
#include "hw/pci/pci-device.h"

#include "hw/pci/pcie-port.h"
#include "util/error.h"

#define BRIDGE_VENDOR 0x1b36
#define BRIDGE_DEVICE 0x0001
#define EXPRESS_BRIDGE_DEVICE 0x000e

typedef struct BridgeDevice {
    PciDevice pci;
    uint8_t chassis;
    bool shpc, msi;
    /* room for devices that are plugged later: without hotplug nothing to keep */
    uint64_t reserve[4];
    uint32_t buses;
} BridgeDevice;

static bool check(const PciDevice *device, GError **errp)
{
    if (((const BridgeDevice *)device)->shpc) {
        error_set(errp, "%s: shpc=on is not available", device->device.object.type->name);
        error_hint(errp,
                   "Use shpc=off; where devices are to be plugged in later, use pcie-root-port");
        return false;
    }
    return true;
}

static PciFunction *make(PciDevice *device, GError **errp)
{
    static const PciIdentity identity = { BRIDGE_VENDOR, BRIDGE_DEVICE, .class_device = 0x0604 };

    return check(device, errp) ? pci_bridge_new(&identity, NULL, NULL) : NULL;
}

static PciFunction *make_express(PciDevice *device, GError **errp)
{
    static const PciIdentity identity = { BRIDGE_VENDOR, EXPRESS_BRIDGE_DEVICE,
                                          .class_device = 0x0604 };

    if (!check(device, errp)) {
        return NULL;
    }
    PciFunction *function = pci_bridge_new(&identity, NULL, NULL);
    pci_pm_add(function);
    pci_express_add(function, PCIE_TYPE_PCI_BRIDGE);
    return function;
}

static void placed(PciDevice *device)
{
    const char *id = device->device.id;
    g_autofree char *name = id ? NULL : g_strdup_printf("pci.%d", device->device.index + 1);

    pcie_bus_new(pci_bridge_bus(device->function), id ? id : name, &device->device);
}

static const PciDeviceOps bridge_ops = {
    .device = { .bus_type = &pcie_bus_type, .category = "Controller/Bridge/Hub", .no_hotplug = true,
                PCI_DEVICE_OPS },
    .make = make, .placed = placed,
};

static const PciDeviceOps express_ops = {
    .device = { .bus_type = &pcie_bus_type, .category = "Controller/Bridge/Hub", .no_hotplug = true,
                PCI_DEVICE_OPS },
    .make = make_express, .placed = placed,
};

#define RESERVE(name, index)                                   \
    QOM_PROPERTY_SIZE(name, BridgeDevice, reserve[index], "0", \
                      "without effect: nothing is plugged in later")

static const QomProperty bridge_properties[] = {
    QOM_PROPERTY_UINT8("chassis_nr", BridgeDevice, chassis, "0", "chassis number"),
    QOM_PROPERTY_BOOL("shpc", BridgeDevice, shpc, "off", "only 'off': no hotplug controller"),
    QOM_PROPERTY_BOOL("msi", BridgeDevice, msi, "off", "without effect: it has no interrupt"),
    RESERVE("io-reserve", 0),
    RESERVE("mem-reserve", 1),
    RESERVE("pref32-reserve", 2),
    RESERVE("pref64-reserve", 3),
    QOM_PROPERTY_UINT32("bus-reserve", BridgeDevice, buses, "0",
                        "without effect: nothing is plugged in later"),
    { NULL },
};

const QomType pci_bridge_device_type = {
    .name = "pci-bridge", .parent = &pci_device_type, .description = "Standard PCI Bridge",
    .size = sizeof(BridgeDevice),
    .properties = bridge_properties, .ops = &bridge_ops,
};
const QomType pcie_pci_bridge_type = {
    .name = "pcie-pci-bridge", .parent = &pci_bridge_device_type,
    .description = "Bridge from PCI Express to PCI", .ops = &express_ops,
};
