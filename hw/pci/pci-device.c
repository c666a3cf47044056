/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI devices and buses in the object model. */
#include "hw/pci/pci-device.h"

#include "hw/core/machine.h"
#include "hw/pci/pcie-port.h"
#include "system/core/log.h"
#include "util/error.h"

#define MAX_ACPI_INDEX 16383

static void lock(const PciRootPorts *ports)
{
    if (ports->machine_lock) {
        g_mutex_lock(ports->machine_lock);
    }
}

static void unlock(const PciRootPorts *ports)
{
    if (ports->machine_lock) {
        g_mutex_unlock(ports->machine_lock);
    }
}

static const PciDeviceOps *ops_of(const PciDevice *device)
{
    return (const PciDeviceOps *)device_ops(&device->device);
}

PciBus *pci_device_bus(const PciDevice *device)
{
    return ((const PcieBus *)device->device.bus)->pci;
}

const PciRootPorts *pci_device_ports(const PciDevice *device)
{
    return pci_bus_ports(pci_device_bus(device));
}

bool pci_device_is_integrated(const PciDevice *device)
{
    return !pci_bus_bridge(pci_device_bus(device));
}

/* ---- Devices ---- */

static bool place(PciDevice *device, const char *name, GError **errp)
{
    PciBus *bus = pci_device_bus(device);
    PciFunction *port = pci_bus_bridge(bus);

    if (device->multifunction) {
        uint32_t header = pci_config_get(device->function, PCI_HEADER_TYPE, 1);
        pci_config_define(device->function, PCI_HEADER_TYPE, 1, header | PCI_HEADER_MULTIFUNCTION,
                          0);
    }
    if (!pci_bus_check(bus, device->addr, name, errp)) {
        return false;
    }
    if (device->device.hotplugged) {
        return pcie_root_port_plug(port, device->function, device->addr, name, errp);
    }
    pci_bus_add(bus, device->function, device->addr);
    return true;
}

/* Guests make names of network cards of it: 16383 is the most that systemd takes. */
static bool check_index(const PciDevice *device, GError **errp)
{
    if (device->acpi_index > MAX_ACPI_INDEX) {
        return error_set(errp, "acpi-index should be less or equal to %u", MAX_ACPI_INDEX);
    }
    if (device->acpi_index && device->device.hotplugged) {
        error_set(errp, "acpi-index = %u: ACPI tables are made when the machine starts",
                  device->acpi_index);
        error_hint(errp, "Give the device with -device then, or leave acpi-index out");
        return false;
    }
    return true;
}

bool pci_device_realize(Device *base, GError **errp)
{
    PciDevice *device = PCI_DEVICE(base);
    const PciRootPorts *ports = pci_device_ports(device);
    const PciDeviceOps *ops = ops_of(device);

    if (!check_index(device, errp)) {
        return false;
    }
    lock(ports);
    device->function = ops->make(device, errp);
    bool ok = device->function && place(device, base->object.type->name, errp);
    if (device->function && !ok) {
        g_clear_pointer(&device->function, pci_function_free);
        if (ops->gone) {
            ops->gone(device);
        }
    }
    unlock(ports);
    if (ok && ops->placed) {
        ops->placed(device);
    }
    return ok;
}

void pci_device_unrealize(Device *base)
{
    PciDevice *device = PCI_DEVICE(base);
    const PciRootPorts *ports = pci_device_ports(device);

    lock(ports);
    if (pci_function_bus(device->function)) {
        pci_bus_remove(pci_function_bus(device->function), device->function);
    }
    g_clear_pointer(&device->function, pci_function_free);
    if (ops_of(device)->gone) {
        ops_of(device)->gone(device);
    }
    unlock(ports);
}

static const QomProperty pci_device_properties[] = {
    QOM_PROPERTY_PCI_ADDR("addr", PciDevice, addr,
                          "slot and optional function, such as 03.1; -1 = a free slot"),
    QOM_PROPERTY_BOOL("multifunction", PciDevice, multifunction, "false",
                      "the slot has more functions than this one"),
    QOM_PROPERTY_STR("romfile", PciDevice, romfile, NULL, "empty: devices have no option ROMs"),
    QOM_PROPERTY_UINT32("rombar", PciDevice, rombar, "1",
                        "0 or 1, without effect: devices have no option ROMs"),
    QOM_PROPERTY_UINT32("acpi-index", PciDevice, acpi_index, "0",
                        "number by which the guest names the device, up to 16383; 0 = none"),
    { NULL },
};

const QomType pci_device_type = {
    .name = "pci-device", .parent = &device_type, .abstract = true, .size = sizeof(PciDevice),
    .properties = pci_device_properties,
};

/* ---- Buses ---- */

/* Places below the first ones are the chipset's and, by custom, a display's. */
#define FIRST_FREE_SLOT 2

/* Functions 1 to 7 of a slot are found only if function 0 says that there are some. */
static bool check_multifunction(const PciBus *bus, const PciDevice *device, GError **errp)
{
    const PciFunction *first = pci_bus_function(bus, device->addr & ~7);

    if ((device->addr & 7) && first &&
        !(pci_config_get(first, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTIFUNCTION)) {
        error_set(errp, "PCI: single function device can't be populated in function %x.%x",
                  PCI_SLOT(device->addr), device->addr & 7);
        error_hint(errp, "Give the device at function 0 of slot %u multifunction=on",
                   PCI_SLOT(device->addr));
        return false;
    }
    return true;
}

/*
 * The guest's owner measures firmware, and would measure programs of the host's that it runs, or
 * run them unmeasured.
 */
static bool check_rom(const PciDevice *device, GError **errp)
{
    const char *name = device->device.object.type->name;

    if (device->romfile && *device->romfile) {
        error_set(errp, "%s: romfile=%s: option ROMs are not available", name, device->romfile);
        error_hint(errp, "Leave romfile out, or give it empty; the drivers of disks and cards are "
                         "in the firmware");
        return false;
    }
    return device->rombar <= 1 || error_set(errp, "%s: rombar=%u: 0 or 1", name, device->rombar);
}

static bool plug(Bus *base, Device *plugged, GError **errp)
{
    PcieBus *bus = (PcieBus *)base;
    PciDevice *device = PCI_DEVICE(plugged);
    PciFunction *port = pci_bus_bridge(bus->pci);

    if (!check_rom(device, errp)) {
        return false;
    }
    if (device->device.hotplugged && !port) {
        error_set(errp, "Bus '%s' does not support hotplugging", base->name);
        error_hint(errp, "Make a pcie-root-port when the machine starts, and plug the device there "
                         "with bus=");
        return false;
    }
    if (device->addr < 0) {
        int slot = pci_bus_free_slot(bus->pci, port ? 0 : FIRST_FREE_SLOT);
        if (slot < 0) {
            return error_set(errp, "PCI: no slot/function available for %s, all in use or reserved",
                             plugged->object.type->name);
        }
        device->addr = PCI_DEVFN(slot, 0);
    }
    return pci_bus_check(bus->pci, device->addr, plugged->object.type->name, errp) &&
           check_multifunction(bus->pci, device, errp);
}

static bool unplug_request(Bus *base, Device *device, GError **errp)
{
    PcieBus *bus = (PcieBus *)base;
    const PciRootPorts *ports = pci_bus_ports(bus->pci);
    PciFunction *port = pci_bus_bridge(bus->pci);
    g_autofree char *name = device_name(device);

    if (!port) {
        return error_set(errp, "Bus '%s' does not support hotplugging", base->name);
    }
    lock(ports);
    bool ok = pcie_root_port_request_unplug(port, name, errp);
    unlock(ports);
    return ok;
}

static char *describe(const Bus *bus, const Device *device)
{
    const PciDevice *pci = (const PciDevice *)device;

    return g_strdup_printf("addr %02x.%x", PCI_SLOT(pci->addr), pci->addr & 7);
}

static const BusOps pcie_bus_ops = { .plug = plug, .unplug_request = unplug_request,
                                     .describe = describe };

const QomType pcie_bus_type = {
    .name = "PCIE", .parent = &bus_type, .size = sizeof(PcieBus), .ops = &pcie_bus_ops,
};

Bus *pcie_bus_new(PciBus *pci, const char *name, Device *owner)
{
    Bus *bus = bus_new(&pcie_bus_type, name, owner);

    ((PcieBus *)bus)->pci = pci;
    return bus;
}

/* ---- The host bridge's device ---- */

typedef struct Q35Pcihost {
    Device device;
    PciBus *root;
} Q35Pcihost;

void q35_pcihost_set_bus(Device *device, PciBus *root)
{
    QOM_CAST(Q35Pcihost, &q35_pcihost_type, device)->root = root;
}

/* How large the 64-bit window is follows from where firmware puts things. */
static bool set_hole(QomObject *object, const QomProperty *property, JsonValue *value,
                     GError **errp)
{
    if (json_object_get_uint64(value)) {
        report_warning("q35-pcihost.pci-hole64-size is without effect: the window is where the "
                       "firmware puts devices. -fw_cfg "
                       "name=opt/ovmf/X-PciMmio64Mb,string=MEGABYTES tells OVMF how much to set "
                       "apart");
    }
    return true;
}

static bool get_hole(QomObject *object, const QomProperty *property, JsonValue **result,
                     GError **errp)
{
    *result = json_object_new_uint64(0);
    return true;
}

static const QomProperty pcihost_properties[] = {
    { .name = "pci-hole64-size", .kind = QOM_SIZE, .set = set_hole, .get = get_hole,
      .default_help = "0",
      .description = "without effect: the window is where the firmware puts devices" },
    { NULL },
};

static bool pcihost_realize(Device *device, GError **errp)
{
    pcie_bus_new(QOM_CAST(Q35Pcihost, &q35_pcihost_type, device)->root, "pcie.0", device);
    return true;
}

static const DeviceOps pcihost_ops = { .internal = true, .no_hotplug = true,
                                       .realize = pcihost_realize };

const QomType q35_pcihost_type = {
    .name = "q35-pcihost", .parent = &device_type, .size = sizeof(Q35Pcihost), .ops = &pcihost_ops,
    .properties = pcihost_properties,
};

/* ---- Root ports ---- */

typedef struct RootPort {
    PciDevice pci;
    uint8_t port, chassis;
    uint16_t slot;
    bool hotplug;
    PcieBus *bus; /* behind it; borrowed */
    PciReserve reserve; /* but for the buses */
    uint32_t buses;     /* UINT32_MAX: as firmware thinks fit */
} RootPort;

/*
 * Functions that the guest has let go wait here for the main loop, which alone may take devices
 * out.
 */
static gboolean remove_device(gpointer opaque)
{
    PciDevice *device = opaque;

    if (device->device.realized) {
        machine_remove_device(&device->device);
    }
    qom_object_unref(&device->device.object);
    return G_SOURCE_REMOVE;
}

static void unplugged(void *opaque, PciFunction *function)
{
    RootPort *port = opaque;

    for (guint i = 0; port->bus && i < port->bus->bus.devices->len; i++) {
        PciDevice *device = g_ptr_array_index(port->bus->bus.devices, i);
        if (device->function == function) {
            qom_object_ref(&device->device.object);
            g_idle_add_full(G_PRIORITY_DEFAULT, remove_device, device, NULL);
        }
    }
}

static const PcieSlotOps slot_ops = { unplugged };

static PciFunction *root_port_make(PciDevice *device, GError **errp)
{
    RootPort *port = (RootPort *)device;
    PcieRootPortConfig config = {
        .port = port->port, .chassis = port->chassis, .slot = port->slot, .hotplug = port->hotplug,
    };

    if (!pci_device_is_integrated(device)) {
        error_set(errp, "pcie-root-port can only be plugged into the root bus, pcie.0");
        return NULL;
    }
    if (port->slot > 0x1fff) {
        error_set(errp, "pcie-root-port: slot %u is too large, at most 8191", port->slot);
        return NULL;
    }
    PciReserve reserve = port->reserve;

    reserve.buses = port->buses;
    if (!pci_reserve_check(&reserve, errp)) {
        return NULL;
    }
    PciFunction *function = pcie_root_port_new(&config, &slot_ops, port);
    pci_bridge_reserve(function, &reserve);
    return function;
}

static void root_port_placed(PciDevice *device)
{
    RootPort *port = (RootPort *)device;
    const char *id = device->device.id;
    g_autofree char *name = id ? NULL : g_strdup_printf("pcie.%d", device->device.index + 1);

    port->bus = (PcieBus *)pcie_bus_new(pci_bridge_bus(device->function), id ? id : name,
                                        &device->device);
    port->bus->bus.hotpluggable = port->hotplug;
}

static void root_port_gone(PciDevice *device)
{
    ((RootPort *)device)->bus = NULL;
}

static const PciDeviceOps root_port_ops = {
    .device = { .bus_type = &pcie_bus_type, .category = "Controller/Bridge/Hub", .no_hotplug = true,
                PCI_DEVICE_OPS },
    .make = root_port_make, .gone = root_port_gone, .placed = root_port_placed,
};

#define NOTHING "18446744073709551615"

static const QomProperty root_port_properties[] = {
    QOM_PROPERTY_UINT8("port", RootPort, port, "0", "port number"),
    QOM_PROPERTY_UINT8("chassis", RootPort, chassis, "0", "chassis number"),
    QOM_PROPERTY_UINT16("slot", RootPort, slot, "0", "physical slot number, up to 8191"),
    QOM_PROPERTY_BOOL("hotplug", RootPort, hotplug, "true",
                      "devices may come and go while the machine runs"),
    QOM_PROPERTY_UINT32("bus-reserve", RootPort, buses, "4294967295",
                        "buses that firmware keeps for devices to come"),
    QOM_PROPERTY_SIZE("io-reserve", RootPort, reserve.io, NOTHING,
                      "I/O ports that it keeps; 0: the port has no I/O window"),
    QOM_PROPERTY_SIZE("mem-reserve", RootPort, reserve.memory, NOTHING,
                      "memory that it keeps, below 4 GiB"),
    QOM_PROPERTY_SIZE("pref32-reserve", RootPort, reserve.prefetchable_32, NOTHING,
                      "prefetchable memory that it keeps, below 4 GiB"),
    QOM_PROPERTY_SIZE("pref64-reserve", RootPort, reserve.prefetchable_64, NOTHING,
                      "prefetchable memory that it keeps anywhere"),
    { NULL },
};

const QomType pcie_root_port_type = {
    .name = "pcie-root-port", .parent = &pci_device_type, .description = "PCI Express Root Port",
    .size = sizeof(RootPort),
    .properties = root_port_properties, .ops = &root_port_ops,
};
