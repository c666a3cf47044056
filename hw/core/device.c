/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device's life on its bus. */
#include "hw/core/device.h"

#include <string.h>

#include "util/error.h"

static const DeviceOps no_ops = { .category = "Misc", .internal = true };

static const QomProperty device_properties[] = {
    { .name = "realized", .kind = QOM_BOOL, .flags = QOM_READ_ONLY,
      .offset = offsetof(Device, realized),
      .description = "the device has taken effect" },
    { .name = "hotplugged", .kind = QOM_BOOL, .flags = QOM_READ_ONLY,
      .offset = offsetof(Device, hotplugged),
      .description = "the device came while the machine was there" },
    { NULL },
};

static void device_finalize(QomObject *object)
{
    Device *device = (Device *)object;

    g_assert(!device->bus);
    g_clear_pointer(&device->buses, g_ptr_array_unref);
    g_free(device->id);
}

const QomType device_type = {
    .name = "device", .parent = &qom_object_type, .abstract = true, .size = sizeof(Device),
    .properties = device_properties, .ops = &no_ops, .finalize = device_finalize,
    .fixed_because = "the device is in use",
};

char *device_name(const Device *device)
{
    return device->id ? g_strdup(device->id) : qom_object_path(&device->object);
}

static bool take_place(Device *device, Bus *bus, GError **errp)
{
    if (!bus) {
        return true;
    }
    if (bus_ops(bus)->plug && !bus_ops(bus)->plug(bus, device, errp)) {
        return false;
    }
    device->bus = bus;
    device->index =
        bus->devices->len
            ? ((Device *)g_ptr_array_index(bus->devices, bus->devices->len - 1))->index + 1
            : 0;
    g_ptr_array_add(bus->devices, device);
    return true;
}

static void leave_place(Device *device)
{
    Bus *bus = device->bus;

    if (bus) {
        g_ptr_array_remove(bus->devices, device);
        if (bus_ops(bus)->unplug) {
            bus_ops(bus)->unplug(bus, device);
        }
        device->bus = NULL;
    }
}

bool device_realize(Device *device, Bus *bus, GError **errp)
{
    const DeviceOps *ops = device_ops(device);

    if (!qom_object_complete(&device->object, errp) || !take_place(device, bus, errp)) {
        return false;
    }
    if (ops->realize && !ops->realize(device, errp)) {
        leave_place(device);
        return false;
    }
    device->realized = true;
    return true;
}

void device_remove(Device *device)
{
    const DeviceOps *ops = device_ops(device);

    for (unsigned i = 0; device->buses && i < device->buses->len; i++) {
        bus_clear(g_ptr_array_index(device->buses, i));
    }
    if (device->realized && ops->unrealize) {
        ops->unrealize(device);
    }
    device->realized = false;
    leave_place(device);
    qom_object_unparent(&device->object);
}

void device_reset(Device *device)
{
    for (unsigned i = 0; device->buses && i < device->buses->len; i++) {
        bus_reset(g_ptr_array_index(device->buses, i));
    }
    if (device_ops(device)->reset) {
        device_ops(device)->reset(device);
    }
}
