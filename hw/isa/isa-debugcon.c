/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port whose writes are text: where firmware that was built for debugging sends its log. */
#include "chardev/chardev-object.h"
#include "hw/isa/isa-bus.h"
#include "util/error.h"

typedef struct IsaDebugcon {
    Device device;
    QomLink chardev;
    uint32_t iobase, readback;
    IoRegion *region;
} IsaDebugcon;

static uint64_t port_read(void *opaque, hwaddr offset, unsigned size)
{
    return ((IsaDebugcon *)opaque)->readback;
}

static void port_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    chardev_write(chardev_of(&((IsaDebugcon *)opaque)->chardev), &(uint8_t) { (uint8_t)value }, 1);
}

static const IoRegionOps port_ops = { port_read, port_write, 1 };

static bool debugcon_realize(Device *device, GError **errp)
{
    IsaDebugcon *debugcon = (IsaDebugcon *)device;
    IsaBus *bus = ISA_BUS(device->bus);

    if (debugcon->iobase > 0xffff) {
        return error_set(errp, "isa-debugcon: iobase=0x%x: I/O ports go up to 0xffff",
                         debugcon->iobase);
    }
    g_mutex_lock(bus->machine_lock);
    debugcon->region = address_space_add_io(bus->ports, "isa-debugcon", debugcon->iobase, 1, 0,
                                            &port_ops, debugcon);
    g_mutex_unlock(bus->machine_lock);
    return true;
}

static void debugcon_unrealize(Device *device)
{
    IsaBus *bus = ISA_BUS(device->bus);

    g_mutex_lock(bus->machine_lock);
    io_region_remove(((IsaDebugcon *)device)->region);
    g_mutex_unlock(bus->machine_lock);
}

static const DeviceOps debugcon_ops = {
    .bus_type = &isa_bus_type, .no_hotplug = true, .realize = debugcon_realize,
    .unrealize = debugcon_unrealize,
};

static const QomProperty debugcon_properties[] = {
    QOM_PROPERTY_LINK("chardev", IsaDebugcon, chardev, &chardev_type, CHARDEV_CONTAINER,
                      "ID of a chardev to use as a backend",
                      .type_name = "str", .flags = QOM_REQUIRED),
    QOM_PROPERTY_UINT32("iobase", IsaDebugcon, iobase, "0xe9", "its I/O port; firmware uses 0x402"),
    QOM_PROPERTY_UINT32("readback", IsaDebugcon, readback, "0xe9",
                        "what reading gives, by which the guest knows that it is there"),
    { NULL },
};

const QomType isa_debugcon_type = {
    .name = "isa-debugcon", .parent = &device_type, .description = "debug console",
    .size = sizeof(IsaDebugcon),
    .properties = debugcon_properties, .ops = &debugcon_ops,
};
