/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types pvpanic and pvpanic-pci: one byte in which a guest's kernel writes what has become of
 * it. QEMU docs/specs/pvpanic.rst; drivers/misc/pvpanic in Linux.
 */
#include "hw/core/machine.h"
#include "hw/isa/isa-bus.h"
#include "hw/misc/misc.h"
#include "hw/pci/pci-device.h"
#include "system/core/log.h"
#include "util/error.h"

enum { PANICKED = 1, CRASH_LOADED = 2, SHUTDOWN = 4, ALL_EVENTS = 7 };

#define PVPANIC_VENDOR 0x1b36
#define PVPANIC_DEVICE 0x0011
#define CLASS_SYSTEM_OTHER 0x0880
#define BAR_SIZE 16 /* the least that a BAR of memory has */

typedef struct Pvpanic {
    const Machine *machine;
    uint8_t events; /* that the guest may tell of */
} Pvpanic;

static uint64_t read_events(void *opaque, hwaddr offset, unsigned size)
{
    return offset ? 0 : ((const Pvpanic *)opaque)->events;
}

static void write_event(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    const Pvpanic *pvpanic = opaque;
    const Machine *machine = pvpanic->machine;

    if (offset) {
        return;
    }
    if (value & ~(uint64_t)pvpanic->events) {
        log_item(LOG_GUEST_ERRORS, "pvpanic: unknown event 0x%x", (unsigned)value);
    }
    value &= pvpanic->events;
    if (!machine || !machine->runstate) {
        return;
    }
    if (value & PANICKED) {
        machine->runstate->guest_event(machine->runstate_opaque, GUEST_EVENT_PANICKED);
    } else if (value & CRASH_LOADED) {
        machine->runstate->guest_event(machine->runstate_opaque, GUEST_EVENT_CRASH_LOADED);
    } else if (value & SHUTDOWN) {
        machine->runstate->guest_event(machine->runstate_opaque, GUEST_EVENT_PVSHUTDOWN);
    }
}

static const IoRegionOps region_ops = { read_events, write_event, 1 };

static bool set_up(Pvpanic *pvpanic, Device *device, GError **errp)
{
    pvpanic->machine = device_machine(device);
    return !(pvpanic->events & ~ALL_EVENTS) ||
           error_set(errp, "pvpanic: events=%u, must be 0 to %u", pvpanic->events, ALL_EVENTS);
}

/* ---- On an I/O port, which ACPI tells of ---- */

typedef struct PvpanicIsa {
    Device device;
    Pvpanic pvpanic;
    uint16_t ioport;
    IoRegion *region;
} PvpanicIsa;

static bool isa_realize(Device *device, GError **errp)
{
    PvpanicIsa *isa = (PvpanicIsa *)device;
    IsaBus *bus = ISA_BUS(device->bus);

    if (!set_up(&isa->pvpanic, device, errp)) {
        return false;
    }
    if (*bus->pvpanic_port) {
        return error_set(errp, "there is one pvpanic device at most");
    }
    if (!isa->ioport) {
        return error_set(errp, "pvpanic: ioport=0 is no port that a guest would look at");
    }
    g_mutex_lock(bus->machine_lock);
    *bus->pvpanic_port = isa->ioport;
    isa->region = address_space_add_io(bus->ports, "pvpanic", isa->ioport, 1, 0, &region_ops,
                                       &isa->pvpanic);
    g_mutex_unlock(bus->machine_lock);
    return true;
}

static void isa_unrealize(Device *device)
{
    IsaBus *bus = ISA_BUS(device->bus);

    g_mutex_lock(bus->machine_lock);
    io_region_remove(((PvpanicIsa *)device)->region);
    g_mutex_unlock(bus->machine_lock);
}

static const DeviceOps isa_ops = {
    .bus_type = &isa_bus_type, .no_hotplug = true, .realize = isa_realize,
    .unrealize = isa_unrealize,
};

#define EVENTS_PROPERTY(type)                                                         \
    QOM_PROPERTY_UINT8("events", type, pvpanic.events, "7",                           \
                       "what the guest may tell of: 1 = a panic, 2 = its crash kernel " \
                       "starts, 4 = it shuts down")

static const QomProperty isa_properties[] = {
    QOM_PROPERTY_UINT16("ioport", PvpanicIsa, ioport, "0x505", "its I/O port"),
    EVENTS_PROPERTY(PvpanicIsa),
    { NULL },
};

const QomType pvpanic_isa_type = {
    .name = "pvpanic", .parent = &device_type, .description = "the guest tells of its panic",
    .size = sizeof(PvpanicIsa), .properties = isa_properties, .ops = &isa_ops,
};

/* ---- On PCI ---- */

typedef struct PvpanicPci {
    PciDevice pci;
    Pvpanic pvpanic;
} PvpanicPci;

static PciFunction *make(PciDevice *device, GError **errp)
{
    static const PciIdentity identity = {
        PVPANIC_VENDOR, PVPANIC_DEVICE, .class_device = CLASS_SYSTEM_OTHER, .revision = 1,
        .subsystem_vendor = 0x1af4, .subsystem = 0x1100,
    };
    PvpanicPci *pci = (PvpanicPci *)device;

    if (!set_up(&pci->pvpanic, &device->device, errp)) {
        return NULL;
    }
    PciFunction *function = pci_function_new(&identity, PCI_CONFIG_SIZE, NULL, NULL);
    pci_bar_add(function, 0, PCI_BAR_MEM32, "pvpanic", BAR_SIZE, &region_ops, &pci->pvpanic);
    return function;
}

static const PciDeviceOps pci_ops = {
    .device = { .bus_type = &pcie_bus_type, .no_hotplug = true, PCI_DEVICE_OPS },
    .make = make,
};

static const QomProperty pci_properties[] = { EVENTS_PROPERTY(PvpanicPci), { NULL } };

const QomType pvpanic_pci_type = {
    .name = "pvpanic-pci", .parent = &pci_device_type,
    .description = "the guest tells of its panic", .size = sizeof(PvpanicPci),
    .properties = pci_properties, .ops = &pci_ops,
};
