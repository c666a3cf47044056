/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ISA bus, and serial ports on it as devices. */
#include "chardev/chardev-object.h"
#include "hw/isa/isa-bus.h"
#include "util/error.h"

#define AUTO UINT32_MAX

const QomType isa_bus_type = { .name = "ISA", .parent = &bus_type, .size = sizeof(IsaBus) };

typedef struct IsaSerial {
    Device device;
    QomLink chardev;
    uint32_t index, iobase, irq;
} IsaSerial;

/* Where PCs have them, and where firmware's tables say that they are. */
static const struct {
    uint16_t base;
    uint8_t irq;
} places[ISA_MAX_SERIAL] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };

/* The index that was given, or the first that is free. */
static bool choose_index(IsaSerial *serial, const IsaBus *bus, GError **errp)
{
    unsigned i = serial->index;

    if (i == AUTO) {
        for (i = 0; i < ISA_MAX_SERIAL && bus->serial[i]; i++) {
            continue;
        }
    }
    if (i >= ISA_MAX_SERIAL) {
        return error_set(errp, "Max. supported number of ISA serial ports is %d.", ISA_MAX_SERIAL);
    }
    if (bus->serial[i]) {
        error_set(errp, "isa-serial: there is a serial port with index %u already", i);
        error_hint(errp,
                   "Give another index, or leave it out; -nodefaults takes the default port away");
        return false;
    }
    serial->index = i;
    return true;
}

static bool check_place(const IsaSerial *serial, GError **errp)
{
    uint32_t base = places[serial->index].base, irq = places[serial->index].irq;

    if ((serial->iobase != AUTO && serial->iobase != base) ||
        (serial->irq != AUTO && serial->irq != irq)) {
        error_set(errp,
                  "isa-serial: iobase=0x%x,irq=%u: the port with index %u is at 0x%x with irq %u",
                  serial->iobase, serial->irq, serial->index, base, irq);
        error_hint(errp, "Leave both out, or choose by index");
        return false;
    }
    return true;
}

static bool serial_realize(Device *device, GError **errp)
{
    IsaSerial *serial = (IsaSerial *)device;
    IsaBus *bus = ISA_BUS(device->bus);
    g_autofree char *name = device_name(device);

    if (chardev_in_use(chardev_of(&serial->chardev)) &&
        !chardev_is_mux(chardev_of(&serial->chardev))) {
        return error_set(errp, "Property 'isa-serial.chardev' can't take value '%s', it's in use",
                         serial->chardev.name);
    }
    if (!choose_index(serial, bus, errp) || !check_place(serial, errp)) {
        return false;
    }
    serial->iobase = places[serial->index].base;
    serial->irq = places[serial->index].irq;
    bus->serial[serial->index] = serial_new(bus->ports, name, serial->iobase,
                                            chardev_of(&serial->chardev), bus->machine_lock,
                                            &bus->gsi[serial->irq]);
    return true;
}

static void serial_unrealize(Device *device)
{
    IsaBus *bus = ISA_BUS(device->bus);

    g_clear_pointer(&bus->serial[((IsaSerial *)device)->index], serial_free);
}

static const DeviceOps serial_ops = {
    .bus_type = &isa_bus_type, .category = "Input", .no_hotplug = true, .realize = serial_realize,
    .unrealize = serial_unrealize,
};

static const QomProperty serial_properties[] = {
    QOM_PROPERTY_LINK("chardev", IsaSerial, chardev, &chardev_type, CHARDEV_CONTAINER,
                      "ID of a chardev to use as a backend",
                      .type_name = "str", .flags = QOM_REQUIRED),
    QOM_PROPERTY_UINT32("index", IsaSerial, index, "0xffffffff",
                        "which port: 0 is COM1; 0xffffffff = the first that is free"),
    QOM_PROPERTY_UINT32("iobase", IsaSerial, iobase, "0xffffffff",
                        "its I/O ports: those of the index"),
    QOM_PROPERTY_UINT32("irq", IsaSerial, irq, "0xffffffff", "its line: that of the index"),
    { NULL },
};

const QomType isa_serial_type = {
    .name = "isa-serial", .parent = &device_type, .description = "16550A serial port",
    .size = sizeof(IsaSerial),
    .properties = serial_properties, .ops = &serial_ops,
};
