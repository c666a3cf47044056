/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's own devices in the tree of objects. */
#include "hw/i386/q35-tree.h"

#include "hw/i386/q35-devices.h"
#include "hw/isa/isa-bus.h"
#include "hw/pci/pci-device.h"
#include "util/error.h"

/* The names are QEMU's: scripts and management software set these properties with -global. */
typedef struct Ich9Lpc {
    Device device;
    bool noreboot;
    Q35Machine *q35; /* set before it is realized */
} Ich9Lpc;

/* Suspend to RAM and to disk are not in this machine's ACPI tables. */
static bool set_always(QomObject *object, const QomProperty *property, JsonValue *value,
                       GError **errp)
{
    if (json_object_get_int(value) != 1) {
        error_set(errp, "Parameter '%s' expects 1: this machine never suspends", property->name);
        error_hint(errp, "Leave it out, or set it to 1");
        return false;
    }
    return true;
}

/* Devices are plugged into pcie-root-port by PCI Express's own means; ACPI has no part in it. */
static bool set_never(QomObject *object, const QomProperty *property, JsonValue *value,
                      GError **errp)
{
    if (json_object_get_boolean(value)) {
        error_set(
            errp,
            "Parameter '%s' expects 'off': devices are plugged into pcie-root-port, without ACPI",
            property->name);
        error_hint(errp, "Leave it out, or set it to off");
        return false;
    }
    return true;
}

static bool get_never(QomObject *object, const QomProperty *property, JsonValue **result,
                      GError **errp)
{
    *result = json_object_new_boolean(false);
    return true;
}

static bool get_always(QomObject *object, const QomProperty *property, JsonValue **result,
                       GError **errp)
{
    *result = json_object_new_int(1);
    return true;
}

static const QomProperty lpc_properties[] = {
    QOM_PROPERTY_BOOL("noreboot", Ich9Lpc, noreboot, "on",
                      "the watchdog (TCO) cannot act, and says so to the guest"),
    { .name = "disable_s3", .kind = QOM_UINT8, .set = set_always, .get = get_always,
      .default_help = "1",
      .description = "no suspend to RAM: always so" },
    { .name = "disable_s4", .kind = QOM_UINT8, .set = set_always, .get = get_always,
      .default_help = "1",
      .description = "no suspend to disk: always so" },
    { .name = "acpi-pci-hotplug-with-bridge-support", .kind = QOM_BOOL, .set = set_never,
      .get = get_never, .default_help = "off",
      .description = "no hotplug by ACPI: always so" },
    { NULL },
};

static bool lpc_realize(Device *device, GError **errp)
{
    Q35Machine *q35 = ((Ich9Lpc *)device)->q35;
    IsaBus *bus = ISA_BUS(bus_new(&isa_bus_type, "isa.0", device));

    G_STATIC_ASSERT(ISA_MAX_SERIAL == Q35_MAX_SERIAL);
    bus->ports = q35->ports;
    bus->gsi = q35->devices->gsi;
    bus->machine_lock = &q35->lock;
    bus->serial = q35->devices->serial;
    bus->pvpanic_port = &q35->devices->pvpanic_port;
    tco_set_strap(q35->devices->tco, ((Ich9Lpc *)device)->noreboot);
    return true;
}

static const DeviceOps lpc_ops = { .internal = true, .no_hotplug = true, .realize = lpc_realize };

const QomType ich9_lpc_type = {
    .name = "ICH9-LPC", .parent = &device_type, .size = sizeof(Ich9Lpc),
    .description = "ICH9 LPC bridge",
    .properties = lpc_properties, .ops = &lpc_ops,
};

bool q35_add_to_tree(Q35Machine *q35, Machine *machine, GError **errp)
{
    Device *host = machine_create_own(machine, &q35_pcihost_type, errp);
    Device *lpc = host ? machine_create_own(machine, &ich9_lpc_type, errp) : NULL;

    if (!lpc) {
        return false;
    }
    q35_pcihost_set_bus(host, q35->devices->pci);
    QOM_CAST(Ich9Lpc, &ich9_lpc_type, lpc)->q35 = q35;
    return device_realize(host, machine->main_bus, errp) &&
           device_realize(lpc, machine->main_bus, errp);
}
