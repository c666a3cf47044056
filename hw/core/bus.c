/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buses: who sits on them, reset, and the tree that `info qtree` shows. */
#include <string.h>

#include "hw/core/device.h"

static void bus_init(QomObject *object)
{
    Bus *bus = (Bus *)object;

    bus->devices = g_ptr_array_new();
}

static void bus_finalize(QomObject *object)
{
    Bus *bus = (Bus *)object;

    g_assert(!bus->devices->len);
    g_ptr_array_unref(bus->devices);
    g_free(bus->name);
}

static const BusOps no_ops;

const QomType bus_type = {
    .name = "bus", .parent = &qom_object_type, .abstract = true, .size = sizeof(Bus),
    .ops = &no_ops, .init = bus_init, .finalize = bus_finalize,
};

Bus *bus_new(const QomType *type, const char *name, Device *owner)
{
    Bus *bus = BUS(qom_object_new(type));

    bus->name = g_strdup(name);
    bus->owner = owner;
    if (owner) {
        if (!owner->buses) {
            owner->buses = g_ptr_array_new();
        }
        g_ptr_array_add(owner->buses, bus);
        qom_object_add_child(&owner->object, name, &bus->object, NULL);
        qom_object_unref(&bus->object); /* the tree's reference stays */
    }
    return bus;
}

void bus_clear(Bus *bus)
{
    while (bus->devices->len) {
        device_remove(g_ptr_array_index(bus->devices, bus->devices->len - 1));
    }
}

void bus_reset(Bus *bus)
{
    for (unsigned i = 0; i < bus->devices->len; i++) {
        device_reset(g_ptr_array_index(bus->devices, i));
    }
    if (bus_ops(bus)->reset) {
        bus_ops(bus)->reset(bus);
    }
}

Bus *bus_find(Bus *bus, const char *name)
{
    if (!strcmp(bus->name, name)) {
        return bus;
    }
    for (unsigned i = 0; i < bus->devices->len; i++) {
        const Device *device = g_ptr_array_index(bus->devices, i);
        for (unsigned j = 0; device->buses && j < device->buses->len; j++) {
            Bus *found = bus_find(g_ptr_array_index(device->buses, j), name);
            if (found) {
                return found;
            }
        }
    }
    return NULL;
}

static void append_bus(GString *text, Bus *bus, int depth);

static void append_device(GString *text, const Bus *bus, Device *device, int depth)
{
    QomProperty property;

    g_string_append_printf(text, "%*sdev: %s, id \"%s\"\n", depth, "", device->object.type->name,
                           device->id ? device->id : "");
    for (unsigned i = 0; qom_type_property(device->object.type, i, &property); i++) {
        g_autoptr(JsonValue) value = NULL;
        if (!(property.flags & (QOM_READ_ONLY | QOM_HIDDEN)) &&
            qom_property_get(&device->object, property.name, &value, NULL)) {
            g_autofree char *shown = qom_value_text(value);
            g_string_append_printf(text, "%*s%s = %s\n", depth + 2, "", property.name, shown);
        }
    }
    if (bus_ops(bus)->describe) {
        g_autofree char *place = bus_ops(bus)->describe(bus, device);
        g_string_append_printf(text, "%*s%s\n", depth + 2, "", place);
    }
    for (unsigned i = 0; device->buses && i < device->buses->len; i++) {
        append_bus(text, g_ptr_array_index(device->buses, i), depth + 2);
    }
}

static void append_bus(GString *text, Bus *bus, int depth)
{
    g_string_append_printf(text, "%*sbus: %s\n%*stype %s\n", depth, "", bus->name, depth + 2, "",
                           bus->object.type->name);
    for (unsigned i = 0; i < bus->devices->len; i++) {
        append_device(text, bus, g_ptr_array_index(bus->devices, i), depth + 2);
    }
}

char *bus_tree_text(Bus *bus)
{
    GString *text = g_string_new(NULL);

    append_bus(text, bus, 0);
    return g_string_free(text, FALSE);
}
