/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices on buses: realize and its failures, reset order, removal, the tree as text. */
#include <string.h>

#include "hw/core/device.h"
#include "util/error.h"

static GString *trace; /* what the devices were told, in order */

typedef struct TestBus {
    Bus bus;
    unsigned places;
} TestBus;

typedef struct TestDevice {
    Device device;
    uint32_t number;
    bool fail;
} TestDevice;

static void note(const char *what, const Device *device)
{
    g_string_append_printf(trace, "%s %s;", what, device->id);
}

static bool test_plug(Bus *bus, Device *device, GError **errp)
{
    return bus->devices->len < ((TestBus *)bus)->places ||
           error_set(errp, "bus '%s' is full", bus->name);
}

static void test_unplug(Bus *bus, Device *device)
{
    note("unplug", device);
}

static char *test_describe(const Bus *bus, const Device *device)
{
    return g_strdup_printf("place %d", device->index);
}

static void test_bus_reset(Bus *bus)
{
    g_string_append_printf(trace, "bus %s;", bus->name);
}

static const BusOps test_bus_ops = {
    .plug = test_plug, .unplug = test_unplug, .describe = test_describe, .reset = test_bus_reset,
};
static const QomType test_bus_type = { .name = "TEST", .parent = &bus_type, .size = sizeof(TestBus),
                                       .ops = &test_bus_ops };

static bool test_realize(Device *device, GError **errp)
{
    if (((TestDevice *)device)->fail) {
        return error_set(errp, "no luck");
    }
    note("realize", device);
    return true;
}

static void test_unrealize(Device *device)
{
    note("unrealize", device);
}

static void test_reset(Device *device)
{
    note("reset", device);
}

static const DeviceOps test_ops = {
    .bus_type = &test_bus_type, .realize = test_realize, .unrealize = test_unrealize,
    .reset = test_reset,
};
static const QomProperty test_properties[] = {
    QOM_PROPERTY_UINT32("number", TestDevice, number, "3", "a number"),
    QOM_PROPERTY_BOOL("fail", TestDevice, fail, NULL, "never works", .flags = QOM_HIDDEN),
    { NULL },
};
static const QomType test_type = {
    .name = "test-device", .parent = &device_type, .size = sizeof(TestDevice),
    .properties = test_properties, .ops = &test_ops,
};

static bool bridge_realize(Device *device, GError **errp)
{
    Bus *below = bus_new(&test_bus_type, "below", device);

    ((TestBus *)below)->places = 4;
    note("realize", device);
    return true;
}

static const DeviceOps bridge_ops = {
    .bus_type = &test_bus_type, .realize = bridge_realize, .unrealize = test_unrealize,
    .reset = test_reset,
};
static const QomType bridge_type = {
    .name = "test-bridge", .parent = &device_type, .ops = &bridge_ops,
};

typedef struct Fixture {
    QomObject *root, *folder;
    Bus *top;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    trace = g_string_new(NULL);
    f->root = qom_root_new((const QomType *const[]){ NULL }, NULL);
    f->folder = qom_container_get(f->root, "/peripheral");
    f->top = bus_new(&test_bus_type, "top", NULL);
    ((TestBus *)f->top)->places = 2;
}

static void tear_down(Fixture *f, gconstpointer data)
{
    bus_clear(f->top);
    qom_object_unref(&f->top->object);
    qom_object_unref(f->root);
    g_string_free(trace, TRUE);
}

/* Stands in the tree, unrealized. */
static Device *new_device(Fixture *f, const QomType *type, const char *id)
{
    g_autoptr(QomObject) object = qom_object_new(type);
    Device *device = DEVICE(object);

    device->id = g_strdup(id);
    g_assert_true(qom_object_add_child(f->folder, id, object, NULL));
    return device;
}

static void assert_trace(const char *expected)
{
    g_assert_cmpstr(trace->str, ==, expected);
    g_string_truncate(trace, 0);
}

static void test_life(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    Device *bridge = new_device(f, &bridge_type, "bridge"), *a = new_device(f, &test_type, "a"),
           *b = new_device(f, &test_type, "b");

    g_assert_true(device_realize(bridge, f->top, &err));
    Bus *below = bus_find(f->top, "below");
    g_assert_nonnull(below);
    g_assert_true(device_realize(a, below, &err) && device_realize(b, f->top, &err));
    assert_trace("realize bridge;realize a;realize b;");
    g_assert_true(a->realized && a->bus == below && below->owner == bridge);
    g_assert_null(bus_find(f->top, "nowhere"));
    bus_reset(f->top);
    assert_trace("reset a;bus below;reset bridge;reset b;bus top;");
    g_autofree char *path = qom_object_path(&below->object);
    g_assert_cmpstr(path, ==, "/peripheral/bridge/below");
    g_autofree char *text = bus_tree_text(f->top);
    g_assert_cmpstr(text, ==,
                    "bus: top\n  type TEST\n  dev: test-bridge, id \"bridge\"\n    place 0\n    "
                    "bus: below\n      type TEST\n"
                    "      dev: test-device, id \"a\"\n        number = 3\n        place 0\n"
                    "  dev: test-device, id \"b\"\n    number = 3\n    place 1\n");
    device_remove(bridge);
    assert_trace("unrealize a;unplug a;unrealize bridge;unplug bridge;");
    g_assert_null(qom_object_child(f->folder, "a"));
    g_assert_cmpuint(f->top->devices->len, ==, 1);
}

static void test_failures(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    Device *bad = new_device(f, &test_type, "bad"), *one = new_device(f, &test_type, "one"),
           *two = new_device(f, &test_type, "two");

    g_assert_true(qom_property_set_text(&bad->object, "fail", "on", &err));
    g_assert_false(device_realize(bad, f->top, &err));
    g_assert_cmpstr(err->message, ==, "no luck");
    g_clear_error(&err);
    g_assert_true(!bad->realized && !bad->bus && !f->top->devices->len);
    assert_trace("unplug bad;");
    g_assert_true(device_realize(one, f->top, &err) && device_realize(two, f->top, &err));
    Device *three = new_device(f, &test_type, "three");
    g_assert_false(device_realize(three, f->top, &err));
    g_assert_cmpstr(err->message, ==, "bus 'top' is full");
    g_clear_error(&err);
    g_assert_false(qom_property_set_text(&one->object, "number", "4", &err));
    g_assert_cmpstr(err->message, ==,
                    "Property 'number' of '/peripheral/one' cannot be set: the device is in use");
    g_clear_error(&err);
    g_assert_false(qom_property_set_text(&three->object, "realized", "on", &err));
    g_assert_cmpstr(err->message, ==, "Property 'test-device.realized' is read-only");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/device/life", Fixture, NULL, set_up, test_life, tear_down);
    g_test_add("/device/failures", Fixture, NULL, set_up, test_failures, tear_down);
    return g_test_run();
}
