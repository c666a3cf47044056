/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that users plug and unplug: names, buses, globals, and the messages that QEMU has for
 * them.
 */
#include <string.h>

#include "hw/core/device-absent.h"
#include "hw/core/machine.h"
#include "util/error.h"

static const char *const not_properties[] = { "driver", "id", "bus", NULL };

static bool is_pluggable(const QomType *type)
{
    const DeviceOps *ops = qom_type_is(type, &device_type) ? qom_type_ops(type) : NULL;

    return ops && !type->abstract && !ops->internal;
}

/*
 * The short names that QEMU has on PCI machines for the devices of this one (its qdev_alias_table).
 */
static const char *long_name(const char *driver)
{
    static const char *const aliases[][2] = {
        { "virtio-blk", "virtio-blk-pci" }, { "virtio-net", "virtio-net-pci" },
        { "virtio-rng", "virtio-rng-pci" },
        { "virtio-scsi", "virtio-scsi-pci" }, { "virtio-serial", "virtio-serial-pci" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (!strcmp(driver, aliases[i][0])) {
            return aliases[i][1];
        }
    }
    return driver;
}

const QomType *device_type_find(QomTypes types, const char *driver, GError **errp)
{
    const QomType *type = qom_type_find(types, long_name(driver));
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (type && is_pluggable(type)) {
        return type;
    }
    if (type && qom_type_is(type, &device_type)) {
        const char *instead = device_instead_of(driver);

        error_set(errp, "Parameter 'driver' expects a %s device type, and '%s' is %s%s%s",
                  type->abstract ? "non-abstract" : "pluggable", driver,
                  type->abstract ? "abstract" : "the machine's own", instead ? ": " : "",
                  instead ? instead : "");
        return NULL;
    }
    for (; *types; types++) {
        if (is_pluggable(*types)) {
            g_ptr_array_add(names, (void *)(*types)->name);
        }
    }
    g_ptr_array_add(names, NULL);
    const char *near = nearest_name(driver, (const char *const *)names->pdata);
    error_set(errp, "'%s' is not a valid device model name", driver);
    if (device_instead_of(driver)) {
        error_hint(errp, "%s", device_instead_of(driver));
    } else if (near) {
        error_hint(errp, "Did you mean '%s'?", near);
    } else {
        error_hint(errp, "-device help lists the devices");
    }
    return NULL;
}

/* A setting that is no property. NULL: not given, or (JSON) no string, with *errp set then. */
static const char *setting(const QomSettings *settings, const char *name, GError **errp)
{
    JsonValue *value;

    if (settings->keyval) {
        return keyval_get(settings->keyval, name);
    }
    if (!json_object_object_get_ex(settings->json, name, &value)) {
        return NULL;
    }
    if (!json_object_is_type(value, json_type_string)) {
        error_set(errp, "Invalid parameter type for '%s', expected: string", name);
        return NULL;
    }
    return json_object_get_string(value);
}

static bool apply_globals(const Machine *machine, QomObject *object, GError **errp)
{
    for (unsigned i = 0; i < machine->globals->len; i++) {
        const QomGlobal *global = g_ptr_array_index(machine->globals, i);
        g_autoptr(GError) err = NULL;

        if (qom_type_is_named(object->type, global->driver) &&
            !qom_property_set_text(object, global->property, global->value, &err)) {
            return error_set(errp, "can't apply global %s.%s=%s: %s", global->driver,
                             global->property, global->value, err->message);
        }
    }
    return true;
}

static bool add_to_tree(Machine *machine, Device *device, const char *id, GError **errp)
{
    if (!id) {
        qom_object_add_numbered_child(qom_container_get(&machine->object, "peripheral-anon"),
                                      "device", &device->object);
        return true;
    }
    QomObject *folder = qom_container_get(&machine->object, "peripheral");
    if (!qom_check_id(id, errp)) {
        return false;
    }
    if (qom_object_child(folder, id)) {
        return error_set(errp, "Duplicate device ID '%s'", id);
    }
    device->id = g_strdup(id);
    return qom_object_add_child(folder, id, &device->object, errp);
}

Device *machine_create_device(Machine *machine, const QomSettings *settings, GError **errp)
{
    g_autoptr(GError) err = NULL;
    const char *driver = setting(settings, "driver", &err),
               *id = err ? NULL : setting(settings, "id", &err);
    const QomType *type;

    if (!err) {
        setting(settings, "bus", &err);
    }
    if (err) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return NULL;
    }
    if (!driver) {
        error_set(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    if (!(type = device_type_find(qom_object_types(&machine->object), driver, errp))) {
        return NULL;
    }
    const DeviceOps *ops = qom_type_ops(type);
    if (machine->ready && ops->no_hotplug) {
        error_set(errp, "Device '%s' does not support hotplugging", driver);
        error_hint(errp, "Give it with -device when the machine is started");
        return NULL;
    }
    g_autoptr(QomObject) object = qom_object_new(type);
    Device *device = DEVICE(object);
    QomSettings properties = *settings;
    properties.skip = not_properties;
    properties.is_device = true;
    device->hotplugged = machine->ready;
    if (!add_to_tree(machine, device, id, errp)) {
        return NULL;
    }
    if (!apply_globals(machine, object, errp) || !qom_set_all(object, &properties, errp) ||
        !qom_object_check(object, errp)) {
        qom_object_unparent(object);
        return NULL;
    }
    return device; /* the tree's reference stays */
}

/* The first bus of the type with room, the machine's topmost first. */
static Bus *first_bus(Bus *bus, const QomType *type)
{
    Bus *found = qom_is(&bus->object, type) && !bus->full ? bus : NULL;

    for (unsigned i = 0; !found && i < bus->devices->len; i++) {
        const Device *device = g_ptr_array_index(bus->devices, i);
        for (unsigned j = 0; !found && device->buses && j < device->buses->len; j++) {
            found = first_bus(g_ptr_array_index(device->buses, j), type);
        }
    }
    return found;
}

/* *bus NULL with true: the device needs none. */
static bool find_bus(Machine *machine, const Device *device, const char *name, Bus **bus,
                     GError **errp)
{
    const QomType *needed = device_ops(device)->bus_type;
    const char *driver = device->object.type->name;

    *bus = NULL;
    if (!needed) {
        return !name ||
               error_set(errp, "Device '%s' sits on no bus: leave bus=%s out", driver, name);
    }
    if (name && !(*bus = bus_find(machine->main_bus, name))) {
        return error_set(errp, "Bus '%s' not found", name);
    }
    if (*bus && !qom_is(&(*bus)->object, needed)) {
        return error_set(errp, "Device '%s' can't go on %s bus", driver, (*bus)->object.type->name);
    }
    if (!name && !(*bus = first_bus(machine->main_bus, needed))) {
        return error_set(errp, "No '%s' bus found for device '%s'", needed->name, driver);
    }
    if (machine->ready && !(*bus)->hotpluggable) {
        error_set(errp, "Bus '%s' does not support hotplugging", (*bus)->name);
        error_hint(errp, "Make a pcie-root-port when the machine starts, and plug the device there "
                         "with bus=; disks and ports may also come to a virtio-scsi-pci and a "
                         "virtio-serial-pci");
        return false;
    }
    return true;
}

bool machine_plug_device(Machine *machine, Device *device, const QomSettings *settings,
                         GError **errp)
{
    Bus *bus;

    if (!find_bus(machine, device, setting(settings, "bus", NULL), &bus, errp) ||
        !device_realize(device, bus, errp)) {
        qom_object_unparent(&device->object);
        return false;
    }
    return true;
}

Device *machine_create_own(Machine *machine, const QomType *type, GError **errp)
{
    g_autoptr(QomObject) object = qom_object_new(type);

    if (!apply_globals(machine, object, errp)) {
        return NULL;
    }
    qom_object_add_numbered_child(qom_container_get(&machine->object, "unattached"), "device",
                                  object);
    return DEVICE(object); /* the tree's reference stays */
}

Machine *device_machine(const Device *device)
{
    QomObject *root = qom_object_root((QomObject *)&device->object);
    QomObject *machine = root ? qom_object_child(root, "machine") : NULL;

    return qom_is(machine, &machine_type) ? (Machine *)machine : NULL;
}

void machine_remove_device(Device *device)
{
    Machine *machine = device_machine(device);
    g_autofree char *id = g_strdup(device->id), *path = qom_object_path(&device->object);

    device_remove(device);
    if (machine && machine->port.device_deleted) {
        machine->port.device_deleted(machine->port.opaque, id, path);
    }
}

static Device *find_plugged(Machine *machine, const char *id, GError **errp)
{
    QomObject *object = *id == '/'
                            ? qom_resolve(qom_object_root(&machine->object), id, NULL)
                            : qom_object_child(qom_container_get(&machine->object, "peripheral"),
                                               id);

    if (!object) {
        g_autofree char *text = g_strdup_printf("Device '%s' not found", id);
        g_set_error_literal(errp, QOM_ERROR, QOM_NOT_FOUND, text);
        return NULL;
    }
    if (!qom_is(object, &device_type)) {
        error_set(errp, "%s is not a hotpluggable device", id);
        return NULL;
    }
    return (Device *)object;
}

bool machine_unplug(Machine *machine, const char *id, GError **errp)
{
    Device *device = find_plugged(machine, id, errp);

    if (!device) {
        return false;
    }
    if (!device->bus || !device->bus->hotpluggable) {
        return error_set(errp, "Bus '%s' does not support hotplugging",
                         device->bus ? device->bus->name : "(none)");
    }
    if (device_ops(device)->no_hotplug) {
        return error_set(errp, "Device '%s' does not support hotplugging",
                         device->object.type->name);
    }
    if (device->unplug_pending) {
        return error_set(errp, "Device %s is already in the process of unplug", id);
    }
    const BusOps *ops = bus_ops(device->bus);
    if (!ops->unplug_request) {
        machine_remove_device(device);
        return true;
    }
    device->unplug_pending = true;
    qom_object_ref(&device->object); /* the request may be granted at once */
    bool ok = ops->unplug_request(device->bus, device, errp);
    device->unplug_pending = ok;
    qom_object_unref(&device->object);
    return ok;
}

static const char *category(const QomType *type)
{
    for (; type; type = type->parent) {
        const DeviceOps *ops = type->ops;
        if (ops && ops->category) {
            return ops->category;
        }
    }
    return "Misc";
}

static int compare_types(const void *a, const void *b)
{
    const QomType *x = *(const QomType *const *)a, *y = *(const QomType *const *)b;
    int order = strcmp(category(x), category(y));

    return order ? order : strcmp(x->name, y->name);
}

char *devices_help(QomTypes types)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    GString *text = g_string_new(NULL);
    const char *heading = "";

    for (; *types; types++) {
        if (is_pluggable(*types)) {
            g_ptr_array_add(sorted, (void *)*types);
        }
    }
    g_ptr_array_sort(sorted, compare_types);
    for (unsigned i = 0; i < sorted->len; i++) {
        const QomType *type = g_ptr_array_index(sorted, i);
        const DeviceOps *ops = qom_type_ops(type);
        if (strcmp(category(type), heading)) {
            g_string_append_printf(text, "%s%s devices:\n", *heading ? "\n" : "", category(type));
            heading = category(type);
        }
        g_string_append_printf(text, "name \"%s\"", type->name);
        if (ops->bus_type) {
            g_string_append_printf(text, ", bus %s", ops->bus_type->name);
        }
        if (type->description) {
            g_string_append_printf(text, ", desc \"%s\"", type->description);
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}
