/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that come and go by name: driver and bus names, ids, globals, hotplug. */
#include <string.h>

#include "hw/core/machine.h"
#include "util/error.h"

static const MachineOps toy_ops = { .alias = "toy", .id = "toy-1.0" };
static const QomType toy_machine_type = { .name = "toy-1.0-machine", .parent = &machine_type,
                                          .ops = &toy_ops };

static bool ask_guest(Bus *bus, Device *device, GError **errp)
{
    return true; /* it takes its time */
}

static const BusOps slot_bus_ops = { .unplug_request = ask_guest };
static const QomType slot_bus_type = { .name = "SLOT", .parent = &bus_type, .ops = &slot_bus_ops };
static const QomType shelf_bus_type = { .name = "SHELF", .parent = &bus_type };

typedef struct Card {
    Device device;
    uint32_t number;
    char *label;
} Card;

static const QomProperty card_properties[] = {
    QOM_PROPERTY_UINT32("number", Card, number, "3", "a number"),
    QOM_PROPERTY_STR("label", Card, label, NULL, "a text"),
    { NULL },
};
static const DeviceOps card_ops = { .bus_type = &slot_bus_type, .category = "Network" };
static const QomType card_base_type = {
    .name = "card", .parent = &device_type, .abstract = true, .size = sizeof(Card),
    .properties = card_properties, .ops = &card_ops,
};
static const QomType red_card_type = { .name = "red-card", .parent = &card_base_type,
                                       .description = "a red one" };
static const DeviceOps fixed_ops = { .bus_type = &slot_bus_type, .no_hotplug = true,
                                     .category = "Storage" };
static const QomType fixed_card_type = { .name = "fixed-card", .parent = &card_base_type,
                                         .ops = &fixed_ops };
static const DeviceOps loose_ops = { .category = "Network" };
static const QomType loose_type = { .name = "loose", .parent = &device_type, .ops = &loose_ops };
static const DeviceOps rack_ops = { .bus_type = &system_bus_type, .internal = true };
static const QomType rack_type = { .name = "rack", .parent = &device_type, .ops = &rack_ops };
static const DeviceOps book_ops = { .bus_type = &shelf_bus_type };
static const QomType book_type = { .name = "book", .parent = &device_type, .ops = &book_ops };

static const QomType *const types[] = {
    &toy_machine_type, &device_type, &card_base_type, &red_card_type, &fixed_card_type, &loose_type,
    &rack_type, &book_type, NULL,
};

typedef struct Fixture {
    QomObject *root;
    Machine *machine;
    Bus *slots;
    GString *deleted;
    GPtrArray *globals;
} Fixture;

static void on_deleted(void *opaque, const char *id, const char *path)
{
    g_string_append_printf(opaque, "%s at %s;", id ? id : "(none)", path);
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->root = qom_root_new(types, NULL);
    f->globals = g_ptr_array_new_with_free_func((GDestroyNotify)qom_global_free);
    f->deleted = g_string_new(NULL);
    f->machine = machine_new(f->root, machine_type_find(types, "toy"), NULL, NULL);
    f->machine->port = (MachinePort){ .device_deleted = on_deleted, .opaque = f->deleted };
    Device *rack = machine_create_own(f->machine, &rack_type, NULL);
    g_assert_true(device_realize(rack, f->machine->main_bus, NULL));
    f->slots = bus_new(&slot_bus_type, "slots", rack);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    machine_clear(f->machine);
    g_ptr_array_unref(f->globals);
    g_string_free(f->deleted, TRUE);
    qom_object_unref(f->root);
}

static Device *add(Fixture *f, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "driver", errp);
    QomSettings settings = { .keyval = kv };
    Device *device = kv ? machine_create_device(f->machine, &settings, errp) : NULL;

    return device && machine_plug_device(f->machine, device, &settings, errp) ? device : NULL;
}

static const struct {
    const char *text, *error;
} bad[] = {
    { "red-crad", "'red-crad' is not a valid device model name\nDid you mean 'red-card'?" },
    { "zzzzzzzzzz", "'zzzzzzzzzz' is not a valid device model name\n-device help" },
    { "virtio-balloon-pci,id=a",
      "'virtio-balloon-pci' is not a valid device model name\nA TD's memory cannot be taken back" },
    { "card", "Parameter 'driver' expects a non-abstract device type" },
    { "rack", "Parameter 'driver' expects a pluggable device type" },
    { "id=a", "Parameter 'driver' is missing" },
    { "red-card,id=1", "Parameter 'id' expects an identifier" },
    { "red-card,id=there", "Duplicate device ID 'there'" },
    { "red-card,nmber=1", "Property 'red-card.nmber' not found\nDid you mean 'number'?" },
    { "red-card,number=x", "Parameter 'number' expects a uint64 value" },
    { "red-card,realized=on", "Property 'red-card.realized' is read-only" },
    { "red-card,bus=nowhere", "Bus 'nowhere' not found" },
    { "red-card,bus=main-system-bus", "Device 'red-card' can't go on System bus" },
    { "book", "No 'SHELF' bus found for device 'book'" },
    { "loose,bus=slots", "Device 'loose' sits on no bus" },
};

static void test_bad(Fixture *f, gconstpointer data)
{
    g_assert_nonnull(add(f, "red-card,id=there", NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;
        g_assert_null(add(f, bad[i].text, &err));
        if (!g_str_has_prefix(err->message, bad[i].error)) {
            g_error("%s: %s", bad[i].text, err->message);
        }
    }
    g_assert_cmpuint(f->slots->devices->len, ==, 1);
    g_assert_cmpuint(qom_container_get(&f->machine->object, "peripheral-anon")->children->len, ==,
                     0);
}

static void test_places(Fixture *f, gconstpointer data)
{
    Device *a = add(f, "red-card,id=a,number=0x10", NULL), *b = add(f, "red-card,bus=slots", NULL),
           *c = add(f, "loose", NULL);
    g_autofree char *path_a = qom_object_path(&a->object), *path_b = qom_object_path(&b->object);

    g_assert_cmpstr(path_a, ==, "/machine/peripheral/a");
    g_assert_cmpstr(path_b, ==, "/machine/peripheral-anon/device[0]");
    g_assert_true(a->bus == f->slots && b->bus == f->slots && !c->bus && a->realized &&
                  !a->hotplugged);
    g_assert_cmpuint(((Card *)a)->number, ==, 16);
    g_assert_true(device_machine(c) == f->machine);
    f->slots->full = true;
    g_autoptr(GError) err = NULL;
    g_assert_null(add(f, "red-card", &err));
    g_assert_cmpstr(err->message, ==, "No 'SLOT' bus found for device 'red-card'");
}

static void test_hotplug(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;

    g_assert_nonnull(add(f, "red-card,id=cold", NULL));
    f->machine->ready = true;
    g_assert_null(add(f, "red-card,id=hot", &err));
    g_assert_true(g_str_has_prefix(err->message, "Bus 'slots' does not support hotplugging\n"));
    g_clear_error(&err);
    g_assert_false(machine_unplug(f->machine, "cold", &err));
    g_clear_error(&err);
    f->slots->hotpluggable = true;
    g_assert_null(add(f, "fixed-card", &err));
    g_assert_true(
        g_str_has_prefix(err->message, "Device 'fixed-card' does not support hotplugging"));
    g_clear_error(&err);
    Device *hot = add(f, "red-card,id=hot", &err);
    g_assert_true(hot && hot->hotplugged);
    g_assert_false(machine_unplug(f->machine, "nowhere", &err));
    g_assert_error(err, QOM_ERROR, QOM_NOT_FOUND);
    g_clear_error(&err);
    g_assert_false(machine_unplug(f->machine, "/machine", &err));
    g_assert_cmpstr(err->message, ==, "/machine is not a hotpluggable device");
    g_clear_error(&err);
    g_assert_true(machine_unplug(f->machine, "hot", &err));
    g_assert_cmpstr(f->deleted->str, ==, "");
    g_assert_false(machine_unplug(f->machine, "/machine/peripheral/hot", &err));
    g_assert_cmpstr(err->message, ==,
                    "Device /machine/peripheral/hot is already in the process of unplug");
    machine_remove_device(hot);
    g_assert_cmpstr(f->deleted->str, ==, "hot at /machine/peripheral/hot;");
    g_assert_cmpuint(f->slots->devices->len, ==, 1);
}

static void test_globals(Fixture *f, gconstpointer data)
{
    static const char *const good[] = { "card.number=7",
                                        "driver=red-card,property=label,value=a.b=c" };
    static const char *const not[] = { "x", "a=b", "driver=a,property=b",
                                       "driver=a,property=b,value=c,d=e" };
    g_autoptr(GError) err = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_ptr_array_add(f->machine->globals, qom_global_parse(good[i], &err));
        g_assert_no_error(err);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(not); i++) {
        g_assert_null(qom_global_parse(not[i], &err));
        g_clear_error(&err);
    }
    g_assert_true(machine_check_globals(f->machine, &err));
    Card *red = (Card *)add(f, "red-card", &err),
         *fixed = (Card *)add(f, "fixed-card,number=8", &err);
    g_assert_cmpuint(red->number, ==, 7);
    g_assert_cmpstr(red->label, ==, "a.b=c");
    g_assert_cmpuint(fixed->number, ==, 8);
    g_assert_null(fixed->label);
    g_ptr_array_add(f->machine->globals, qom_global_parse("red-card.number=x", &err));
    g_assert_null(add(f, "red-card", &err));
    g_assert_cmpstr(
        err->message, ==,
        "can't apply global red-card.number=x: Parameter 'number' expects a uint64 value");
    g_clear_error(&err);
    g_ptr_array_add(f->machine->globals, qom_global_parse("red-card.colour=x", &err));
    g_assert_false(machine_check_globals(f->machine, &err));
    g_assert_true(g_str_has_prefix(err->message, "can't apply global red-card.colour=x: Property "
                                                 "'red-card.colour' not found"));
    g_clear_error(&err);
}

static void test_help(Fixture *f, gconstpointer data)
{
    g_autofree char *text = devices_help(types);

    g_assert_cmpstr(
        text, ==,
        "Misc devices:\nname \"book\", bus SHELF\n\n"
        "Network devices:\nname \"loose\"\nname \"red-card\", bus SLOT, desc \"a red one\"\n\n"
        "Storage devices:\nname \"fixed-card\", bus SLOT\n");
    g_assert_null(machine_type_find(types, "toy-1.0-machine"));
    g_assert_true(machine_type_find(types, "toy-1.0") == &toy_machine_type);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/machine-object/bad", Fixture, NULL, set_up, test_bad, tear_down);
    g_test_add("/machine-object/places", Fixture, NULL, set_up, test_places, tear_down);
    g_test_add("/machine-object/hotplug", Fixture, NULL, set_up, test_hotplug, tear_down);
    g_test_add("/machine-object/globals", Fixture, NULL, set_up, test_globals, tear_down);
    g_test_add("/machine-object/help", Fixture, NULL, set_up, test_help, tear_down);
    return g_test_run();
}
