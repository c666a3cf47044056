/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine object: its containers, its main bus, and globals. */
#include "hw/core/machine.h"

#include <string.h>

#include "system/core/log.h"
#include "util/error.h"

const QomType system_bus_type = { .name = "System", .parent = &bus_type };

static void machine_init(QomObject *object)
{
    Machine *machine = (Machine *)object;

    machine->globals = g_ptr_array_new_with_free_func((GDestroyNotify)qom_global_free);
    machine->main_bus = bus_new(&system_bus_type, "main-system-bus", NULL);
}

static void machine_finalize(QomObject *object)
{
    Machine *machine = (Machine *)object;

    qom_object_unref(&machine->main_bus->object);
    g_ptr_array_unref(machine->globals);
}

const QomType machine_type = {
    .name = "machine", .parent = &qom_object_type, .abstract = true, .size = sizeof(Machine),
    .init = machine_init, .finalize = machine_finalize,
    .fixed_because = "the machine has been made with it",
};

void machine_event(const Machine *machine, const QapiEvent *event, JsonValue *data)
{
    if (machine && machine->port.event) {
        machine->port.event(machine->port.opaque, event, data);
    } else {
        json_object_put(data);
    }
}

const QomType *machine_type_find(QomTypes types, const char *name)
{
    for (; *types; types++) {
        const MachineOps *ops = qom_type_is(*types, &machine_type) && !(*types)->abstract
                                    ? qom_type_ops(*types)
                                    : NULL;
        if (ops && (!strcmp(ops->id, name) || (ops->alias && !strcmp(ops->alias, name)) ||
                    (ops->former && g_strv_contains(ops->former, name)))) {
            return *types;
        }
    }
    return NULL;
}

static void copy_globals(Machine *machine, const GPtrArray *globals)
{
    for (unsigned i = 0; globals && i < globals->len; i++) {
        const QomGlobal *global = g_ptr_array_index(globals, i);
        QomGlobal *copy = g_new(QomGlobal, 1);

        *copy = (QomGlobal){ g_strdup(global->driver), g_strdup(global->property),
                             g_strdup(global->value) };
        g_ptr_array_add(machine->globals, copy);
    }
}

Machine *machine_new(QomObject *root, const QomType *type, const GPtrArray *globals, GError **errp)
{
    g_autoptr(QomObject) object = qom_object_new(type);
    Machine *machine = MACHINE(object);

    if (!qom_object_add_child(root, "machine", object, errp)) {
        return NULL;
    }
    copy_globals(machine, globals);
    qom_container_get(object, "peripheral");
    qom_container_get(object, "peripheral-anon");
    qom_container_get(object, "unattached");
    qom_object_add_child(qom_container_get(object, "unattached"), "sysbus",
                         &machine->main_bus->object, NULL);
    return machine; /* the tree's reference stays */
}

void qom_global_free(QomGlobal *global)
{
    if (global) {
        g_free(global->driver);
        g_free(global->property);
        g_free(global->value);
        g_free(global);
    }
}

/* Driver names may have dots ("pc-q35-11.1-machine"), properties have none before '='. */
static QomGlobal *parse_short(const char *text)
{
    const char *equals = strchr(text, '=');
    g_autofree char *name = equals ? g_strndup(text, equals - text) : NULL;
    char *dot = name ? strrchr(name, '.') : NULL;

    if (!dot || strchr(name, ',')) {
        return NULL;
    }
    QomGlobal *global = g_new(QomGlobal, 1);
    *global = (QomGlobal){ g_strndup(name, dot - name), g_strdup(dot + 1), g_strdup(equals + 1) };
    return global;
}

QomGlobal *qom_global_parse(const char *text, GError **errp)
{
    QomGlobal *global = parse_short(text);
    g_autoptr(KeyVal) kv = global ? NULL : keyval_parse(text, NULL, errp);

    if (global || !kv) {
        return global;
    }
    const char *driver = keyval_get(kv, "driver"), *property = keyval_get(kv, "property"),
               *value = keyval_get(kv, "value");
    if (!driver || !property || !value || kv->pairs->len != 3) {
        error_set(errp, "options 'driver', 'property', and 'value' are required");
        error_hint(errp, "Or write -global DRIVER.PROPERTY=VALUE");
        return NULL;
    }
    global = g_new(QomGlobal, 1);
    *global = (QomGlobal){ g_strdup(driver), g_strdup(property), g_strdup(value) };
    return global;
}

static bool check_global(QomTypes types, const QomGlobal *global, GError **errp)
{
    const QomType *type = qom_type_find(types, global->driver);
    QomProperty property;

    if (!strcmp(global->driver, "kvm-pit")) {
        /* management software always sets it, and a PC without a PIT has nothing to set */
        return true;
    }
    if (!type || !qom_type_is(type, &device_type)) {
        g_autofree char *text =
            g_strdup_printf("global %s.%s has invalid class name: it changes nothing\n"
                            "-device help lists the names of devices",
                            global->driver, global->property);
        report_warning(text);
        return true;
    }
    if (!qom_type_find_property(type, global->property, &property) ||
        property.flags & QOM_READ_ONLY) {
        error_set(errp, "can't apply global %s.%s=%s: Property '%s.%s' not found", global->driver,
                  global->property, global->value, global->driver, global->property);
        error_hint(errp, "-device %s,help lists the properties", global->driver);
        return false;
    }
    return true;
}

bool machine_check_globals(const Machine *machine, GError **errp)
{
    for (unsigned i = 0; i < machine->globals->len; i++) {
        if (!check_global(qom_object_types(&machine->object),
                          g_ptr_array_index(machine->globals, i), errp)) {
            return false;
        }
    }
    return true;
}

void machine_reset_devices(Machine *machine)
{
    bus_reset(machine->main_bus);
}

void machine_clear(Machine *machine)
{
    QomObject *unattached = qom_object_child(&machine->object, "unattached");

    bus_clear(machine->main_bus);
    /* Those on no bus. */
    for (unsigned i = unattached->children->len; i-- > 0;) {
        QomObject *child = g_ptr_array_index(unattached->children, i);
        if (qom_is(child, &device_type)) {
            device_remove((Device *)child);
        }
    }
}
