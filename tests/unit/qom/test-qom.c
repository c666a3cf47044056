/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types, properties of every kind, the tree, links, users' objects. */
#include <string.h>

#include "qom/object.h"
#include "util/error.h"

static const char *const colours[] = { "red", "green", "blue", NULL };
static const QapiType text_type = { .kind = QAPI_STR };
static const QapiMember point_members[] = { { "name", &text_type, false }, { NULL } };
static const QapiType point_type = { .kind = QAPI_OBJECT, .members = point_members };

typedef struct Base {
    QomObject object;
    uint32_t number;
    unsigned completed;
} Base;

typedef struct Thing {
    Base base;
    bool flag;
    uint8_t u8;
    uint16_t u16;
    uint64_t u64;
    int32_t i32;
    int64_t i64;
    uint64_t size;
    char *text;
    int colour;
    QomOnOffAuto mode;
    uint8_t mac[6];
    int32_t addr;
    QomLink peer;
    JsonValue *point;
    uint64_t doubled;
} Thing;

static bool base_complete(QomObject *object, GError **errp)
{
    ((Base *)object)->completed++;
    return true;
}

static bool set_doubled(QomObject *object, const QomProperty *property, JsonValue *value,
                        GError **errp)
{
    ((Thing *)object)->doubled = 2 * json_object_get_uint64(value);
    return true;
}

static bool get_doubled(QomObject *object, const QomProperty *property, JsonValue **result,
                        GError **errp)
{
    *result = json_object_new_uint64(((Thing *)object)->doubled);
    return true;
}

static bool generate(const QomType *type, unsigned index, QomProperty *property)
{
    static const char *const names[] = { "sse4.1", "avx2", "x[0]" };

    if (index >= G_N_ELEMENTS(names)) {
        return false;
    }
    *property = (QomProperty){ .name = names[index], .kind = QOM_UINT64, .set = set_doubled,
                               .get = get_doubled };
    return true;
}

static const QomProperty base_properties[] = {
    QOM_PROPERTY_UINT32("number", Base, number, "7", "a number"),
    { NULL },
};
static const QomType base_type = {
    .name = "base", .parent = &qom_object_type, .abstract = true, .size = sizeof(Base),
    .properties = base_properties,
    .complete = base_complete,
};
static const QomProperty thing_properties[] = {
    QOM_PROPERTY_BOOL("flag", Thing, flag, NULL, "a switch"),
    QOM_PROPERTY_UINT8("u8", Thing, u8, NULL, NULL),
    QOM_PROPERTY_UINT16("u16", Thing, u16, NULL, NULL),
    QOM_PROPERTY_UINT64("u64", Thing, u64, NULL, NULL, .flags = QOM_RUNTIME),
    QOM_PROPERTY_INT32("i32", Thing, i32, NULL, NULL),
    QOM_PROPERTY_INT64("i64", Thing, i64, NULL, NULL),
    QOM_PROPERTY_SIZE("size", Thing, size, "4k", NULL),
    QOM_PROPERTY_STR("text", Thing, text, NULL, NULL),
    QOM_PROPERTY_ENUM("colour", Thing, colour, colours, "green", "its paint"),
    QOM_PROPERTY_ON_OFF_AUTO("mode", Thing, mode, NULL, NULL),
    QOM_PROPERTY_MAC("mac", Thing, mac, NULL),
    QOM_PROPERTY_PCI_ADDR("addr", Thing, addr, NULL),
    QOM_PROPERTY_LINK("peer", Thing, peer, &base_type, "/objects", NULL, .flags = QOM_RUNTIME),
    QOM_PROPERTY_QAPI("point", Thing, point, &point_type, "Point", NULL),
    { .name = "serial", .kind = QOM_UINT64, .get = get_doubled, .flags = QOM_READ_ONLY },
    { NULL },
};
static const QomDefault thing_defaults[] = { { "number", "9" }, { NULL, NULL } };
static const QomType thing_type = {
    .name = "thing", .parent = &base_type, .size = sizeof(Thing), .user_creatable = true,
    .properties = thing_properties,
    .generate = generate, .defaults = thing_defaults,
    .fixed_because = "the machine has been made with it",
};
static const QomType other_type = { .name = "other", .parent = &qom_object_type,
                                    .user_creatable = true };
static const QomType *const types[] = { &qom_object_type, &qom_container_type, &base_type,
                                        &thing_type, &other_type, NULL };

static QomObject *new_root(void)
{
    static const char *const containers[] = { "objects", "machine", NULL };

    return qom_root_new(types, containers);
}

static void assert_value(QomObject *object, const char *name, const char *expected)
{
    g_autoptr(JsonValue) value = NULL;
    g_autoptr(GError) err = NULL;

    g_assert_true(qom_property_get(object, name, &value, &err));
    g_autofree char *text = json_format(value);
    g_assert_cmpstr(text, ==, expected);
}

/* Exactly one of value (as JSON) and error (start of the message) is given. */
static const struct {
    const char *label, *name, *text, *value, *error;
} texts[] = {
    { "bool-on", "flag", "on", "true", NULL },
    { "bool-no", "flag", "no", "false", NULL },
    { "bool-bad", "flag", "maybe", NULL, "Parameter 'flag' expects 'on' or 'off'" },
    { "u8-hex", "u8", "0xff", "255", NULL },
    { "u8-big", "u8", "256", NULL, "Parameter 'u8' expects uint8_t" },
    { "u16-empty", "u16", "", NULL, "Parameter 'u16' expects a uint64 value" },
    { "u16-big", "u16", "65536", NULL, "Parameter 'u16' expects uint16_t" },
    { "u32-negative", "number", "-1", NULL, "Parameter 'number' expects a uint64 value" },
    { "u64-max", "u64", "18446744073709551615", "18446744073709551615", NULL },
    { "u64-over", "u64", "18446744073709551616", NULL, "Parameter 'u64' expects a uint64 value" },
    { "u64-tail", "u64", "12x", NULL, "Parameter 'u64' expects a uint64 value" },
    { "u64-0x", "u64", "0x", NULL, "Parameter 'u64' expects a uint64 value" },
    { "u64-space", "u64", " 1", NULL, "Parameter 'u64' expects a uint64 value" },
    { "i32-negative", "i32", "-5", "-5", NULL },
    { "i32-small", "i32", "-2147483649", NULL, "Parameter 'i32' expects int32_t" },
    { "i64-min", "i64", "-9223372036854775808", "-9223372036854775808", NULL },
    { "i64-under", "i64", "-9223372036854775809", NULL, "Parameter 'i64' expects an int64 value" },
    { "i64-over", "i64", "9223372036854775808", NULL, "Parameter 'i64' expects int64" },
    { "size", "size", "2M", "2097152", NULL },
    { "size-bad", "size", "2Q", NULL, "Parameter 'size' expects a non-negative number below 2^64" },
    { "string", "text", "a,b", "\"a,b\"", NULL },
    { "string-not-utf8", "text", "\xff", NULL, "Parameter 'text' expects text in UTF-8" },
    { "enum", "colour", "blue", "\"blue\"", NULL },
    { "enum-bad", "colour", "pink", NULL, "Parameter 'colour' does not accept value 'pink'" },
    { "on-off-auto", "mode", "off", "\"off\"", NULL },
    { "on-off-auto-bad", "mode", "yes", NULL, "Parameter 'mode' does not accept value 'yes'" },
    { "mac", "mac", "52:54:00-12:34:aB", "\"52:54:00:12:34:ab\"", NULL },
    { "mac-short", "mac", "52:54:00:12:34", NULL, "Parameter 'mac' expects an Ethernet address" },
    { "mac-long", "mac", "52:54:00:12:34:56:", NULL,
      "Parameter 'mac' expects an Ethernet address" },
    { "mac-digit", "mac", "52:54:00:12:34:5g", NULL,
      "Parameter 'mac' expects an Ethernet address" },
    { "addr", "addr", "1", "\"01.0\"", NULL },
    { "addr-function", "addr", "0x1f.0x7", "\"1f.7\"", NULL },
    { "addr-slot", "addr", "20", NULL, "Parameter 'addr' expects SLOT" },
    { "addr-function-big", "addr", "1.8", NULL, "Parameter 'addr' expects SLOT" },
    { "addr-text", "addr", "x", NULL, "Parameter 'addr' expects SLOT" },
    { "addr-empty-function", "addr", "1.", NULL, "Parameter 'addr' expects SLOT" },
    { "qapi-json", "point", "{'name': 'a'}", "{\"name\": \"a\"}", NULL },
    { "qapi-missing", "point", "{}", NULL, "Parameter 'point.name' is missing" },
    { "qapi-no-json", "point", "{", NULL, "1:2: JSON parse error" },
    { "qapi-text", "point", "a", NULL, "Parameter 'point' expects members of its own" },
    { "generated", "sse4.1", "4", "8", NULL },
    { "read-only", "serial", "1", NULL, "Property 'thing.serial' is read-only" },
    { "unknown", "colr", "1", NULL, "Property 'thing.colr' not found\nDid you mean 'colour'?" },
};

static void test_text(gconstpointer data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    g_autoptr(QomObject) thing = qom_object_new(&thing_type);
    g_autoptr(GError) err = NULL;
    bool ok = qom_property_set_text(thing, texts[i].name, texts[i].text, &err);

    if (texts[i].error) {
        g_assert_false(ok);
        g_assert_true(g_str_has_prefix(err->message, texts[i].error));
    } else {
        g_assert_no_error(err);
        assert_value(thing, texts[i].name, texts[i].value);
    }
}

/* JSON of another type than the property's, and what is told. */
static const struct {
    const char *name, *json, *error;
} bad_json[] = {
    { "flag", "'on'", "Invalid parameter type for 'flag', expected: boolean" },
    { "flag", "1", "Invalid parameter type for 'flag', expected: boolean" },
    { "u8", "'1'", "Invalid parameter type for 'u8', expected: integer" },
    { "u8", "-1", "Parameter 'u8' expects uint8_t" },
    { "u64", "1.5", "Invalid parameter type for 'u64', expected: integer" },
    { "u64", "null", "Invalid parameter type for 'u64', expected: integer" },
    { "size", "'1k'", "Invalid parameter type for 'size', expected: integer" },
    { "text", "1", "Invalid parameter type for 'text', expected: string" },
    { "text", "null", "Invalid parameter type for 'text', expected: string" },
    { "mode", "true", "Invalid parameter type for 'mode', expected: string" },
    { "addr", "256", "Parameter 'addr' expects a number up to 255" },
    { "addr", "[]", "Invalid parameter type for 'addr', expected: string" },
    { "peer", "{}", "Invalid parameter type for 'peer', expected: string" },
    { "point", "'a'", "Invalid parameter type for 'point', expected: object" },
    { "point", "{'name': 'a', 'z': 1}", "Parameter 'point.z' is unexpected" },
};

static void test_bad_json(void)
{
    g_autoptr(QomObject) thing = qom_object_new(&thing_type);

    for (unsigned i = 0; i < G_N_ELEMENTS(bad_json); i++) {
        g_autoptr(JsonValue) value = NULL;
        g_autoptr(GError) err = NULL;

        g_assert_true(json_parse(bad_json[i].json, strlen(bad_json[i].json), &value, NULL));
        g_assert_false(qom_property_set(thing, bad_json[i].name, value, &err));
        g_assert_true(g_str_has_prefix(err->message, bad_json[i].error));
    }
    assert_value(thing, "text", "\"\"");
}

static void test_defaults(void)
{
    g_autoptr(QomObject) thing = qom_object_new(&thing_type);
    g_autoptr(JsonValue) value = NULL;
    g_autoptr(GError) err = NULL;

    assert_value(thing, "type", "\"thing\"");
    assert_value(thing, "number", "9");
    assert_value(thing, "size", "4096");
    assert_value(thing, "colour", "\"green\"");
    assert_value(thing, "mode", "\"auto\"");
    assert_value(thing, "mac", "\"\"");
    assert_value(thing, "addr", "\"-1\"");
    assert_value(thing, "peer", "\"\"");
    g_assert_false(qom_property_get(thing, "point", &value, &err));
    g_assert_cmpstr(err->message, ==, "point is not set");
}

static void test_types(void)
{
    QomProperty property;
    unsigned n = 0;

    g_assert_true(qom_type_find(types, "thing") == &thing_type);
    g_assert_null(qom_type_find(types, "thin"));
    g_assert_true(qom_type_is(&thing_type, &base_type) && qom_type_is(&thing_type, &thing_type));
    g_assert_false(qom_type_is(&base_type, &thing_type));
    g_assert_true(qom_type_is_named(&thing_type, "object") &&
                  !qom_type_is_named(&thing_type, "other"));
    while (qom_type_property(&thing_type, n, &property)) {
        QomProperty again;
        g_assert_true(qom_type_find_property(&thing_type, property.name, &again));
        g_assert_cmpstr(again.name, ==, property.name);
        n++;
    }
    g_assert_cmpuint(n, ==, 1 + G_N_ELEMENTS(thing_properties) - 1 + 3);
    g_assert_true(qom_type_property(&thing_type, 0, &property));
    g_assert_cmpstr(property.name, ==, "number");
    g_assert_cmpstr(property.default_text, ==, "9");
    g_assert_true(qom_type_find_property(&thing_type, "peer", &property));
    g_autofree char *link = qom_property_type_name(&property);
    g_assert_cmpstr(link, ==, "link<base>");
}

static void test_complete(void)
{
    g_autoptr(QomObject) thing = qom_object_new(&thing_type);
    g_autoptr(GError) err = NULL;

    g_assert_true(qom_object_complete(thing, &err));
    g_assert_cmpuint(((Base *)thing)->completed, ==, 1);
    g_assert_true(qom_property_set_text(thing, "u64", "5", &err));
    g_assert_false(qom_property_set_text(thing, "u8", "5", &err));
    g_assert_cmpstr(err->message, ==,
                    "Property 'u8' of 'thing' cannot be set: the machine has been made with it");
    assert_value(thing, "u8", "0");
}

static void test_tree(void)
{
    g_autoptr(QomObject) root = new_root();
    g_autoptr(QomObject) a = qom_object_new(&thing_type);
    g_autoptr(QomObject) b = qom_object_new(&other_type);
    g_autoptr(GError) err = NULL;
    QomObject *deep = qom_container_get(root, "/machine/peripheral");

    g_assert_true(qom_container_get(root, "machine/peripheral") == deep);
    g_assert_true(qom_object_add_child(deep, "disk", a, &err));
    g_assert_false(qom_object_add_child(deep, "disk", b, &err));
    g_assert_cmpstr(err->message, ==,
                    "attempt to add duplicate property 'disk' to object (type 'container')");
    g_clear_error(&err);
    g_assert_false(qom_object_add_child(a, "flag", b, NULL));
    qom_object_add_numbered_child(a, "device", b);
    g_autofree char *path = qom_object_path(b);
    g_assert_cmpstr(path, ==, "/machine/peripheral/disk/device[0]");
    g_autofree char *top = qom_object_path(root);
    g_assert_cmpstr(top, ==, "/");
    g_assert_true(qom_resolve(root, path, &err) == b);
    g_assert_true(qom_resolve(root, "disk", &err) == a);
    g_assert_true(qom_resolve(root, "disk/device[0]", &err) == b);
    g_assert_true(qom_resolve(root, "/", &err) == root);
    g_assert_null(qom_resolve(root, "", NULL));
    g_assert_null(qom_resolve(root, "/machine/disk", &err));
    g_assert_error(err, QOM_ERROR, QOM_NOT_FOUND);
    g_assert_cmpstr(err->message, ==, "Device '/machine/disk' not found");
    g_clear_error(&err);
    g_autoptr(QomObject) twin = qom_object_new(&other_type);
    g_assert_true(qom_object_add_child(qom_container_get(root, "/objects"), "disk", twin, &err));
    g_assert_null(qom_resolve(root, "disk", &err));
    g_assert_cmpstr(err->message, ==, "Path 'disk' does not uniquely identify an object");
    g_assert_true(qom_object_root(b) == root && !strcmp(qom_object_types(b)[0]->name, "object"));
    qom_object_unparent(a);
    g_assert_null(qom_object_root(b));
    g_assert_null(qom_object_child(deep, "disk"));
    g_autofree char *tree = qom_tree_text(root);
    g_assert_cmpstr(
        tree, ==,
        "/ (container)\n  /objects (container)\n    /disk (other)\n  /machine (container)\n"
        "    /peripheral (container)\n");
}

static QomObject *make(QomObject *root, const char *type, const char *id, const char *json,
                       GError **errp)
{
    g_autoptr(JsonValue) value = NULL;

    g_assert_true(json_parse(json, strlen(json), &value, NULL));
    return qom_user_create(root, type, id, &(QomSettings){ .json = value }, errp);
}

static void test_links(void)
{
    g_autoptr(QomObject) root = new_root();
    g_autoptr(GError) err = NULL;
    /* The target may come later. */
    QomObject *a = make(root, "thing", "a", "{'peer': 'b'}", &err);
    QomObject *b = make(root, "thing", "b", "{}", &err);

    assert_value(a, "peer", "\"b\"");
    g_assert_true(qom_object_complete(a, &err) && qom_object_complete(b, &err));
    assert_value(a, "peer", "\"/objects/b\"");
    g_assert_true(qom_resolve(root, "/objects/a/peer", NULL) == b);
    g_assert_false(qom_user_delete(root, "b", &err));
    g_assert_cmpstr(err->message, ==, "object 'b' is in use, can not be deleted");
    g_clear_error(&err);
    g_assert_true(qom_property_set_text(a, "peer", "/objects/a", &err));
    g_assert_true(qom_user_delete(root, "b", &err));
    g_assert_false(qom_user_delete(root, "b", &err));
    g_assert_cmpstr(err->message, ==, "object 'b' not found");
    g_clear_error(&err);
    g_assert_true(qom_property_set_text(a, "peer", "", &err)); /* or it would hold itself */

    make(root, "other", "o", "{}", &err);
    QomObject *c = make(root, "thing", "c", "{'peer': 'o'}", &err);
    g_assert_false(qom_object_complete(c, &err));
    g_assert_cmpstr(err->message, ==,
                    "Device 'o' not found\npeer= takes the id of an -object of type base");
    g_clear_error(&err);
    QomObject *d = make(root, "thing", "d", "{'peer': 'e'}", &err);
    make(root, "thing", "e", "{'peer': 'd'}", &err);
    g_assert_false(qom_object_complete(d, &err));
    g_assert_cmpstr(err->message, ==, "object 'd' refers to itself by its links");
}

static const struct {
    const char *label, *type, *id, *json, *error;
} bad_objects[] = {
    { "no-type", NULL, "a", "{}", "Parameter 'qom-type' is missing" },
    { "unknown-type", "zzzzzzzzz", "a", "{}",
      "Parameter 'qom-type' does not accept value 'zzzzzzzzz'\nUse -object help" },
    { "near-type", "thin", "a", "{}",
      "Parameter 'qom-type' does not accept value 'thin'\nDid you mean 'thing'?" },
    { "abstract", "base", "a", "{}", "Parameter 'qom-type' does not accept value 'base'" },
    { "not-user-creatable", "container", "a", "{}",
      "Parameter 'qom-type' does not accept value 'container'" },
    { "no-id", "thing", NULL, "{}", "Parameter 'id' is missing" },
    { "empty-id", "thing", "", "{}", "Parameter 'id' expects an identifier" },
    { "digit-id", "thing", "1a", "{}", "Parameter 'id' expects an identifier" },
    { "slash-id", "thing", "a/b", "{}", "Parameter 'id' expects an identifier" },
    { "unknown-property", "thing", "a", "{'flg': true}",
      "Parameter 'flg' is unexpected\nDid you mean 'flag'?" },
    { "bad-value", "thing", "a", "{'flag': 3}", "Invalid parameter type for 'flag'" },
    { "twice", "thing", "there", "{}",
      "attempt to add duplicate property 'there' to object (type 'container')" },
};

static void test_bad_objects(void)
{
    g_autoptr(QomObject) root = new_root();

    g_assert_nonnull(make(root, "thing", "there", "{}", NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_objects); i++) {
        g_autoptr(GError) err = NULL;
        g_assert_null(
            make(root, bad_objects[i].type, bad_objects[i].id, bad_objects[i].json, &err));
        g_assert_true(g_str_has_prefix(err->message, bad_objects[i].error));
    }
    g_assert_cmpuint(qom_container_get(root, "/objects")->children->len, ==, 1);
}

static void test_keyval(void)
{
    static const char *const skip[] = { "id", NULL };
    g_autoptr(QomObject) thing = qom_object_new(&thing_type);
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) good = keyval_parse("id=x,flag=on,size=1M,colour=red", NULL, &err);
    g_autoptr(KeyVal) bad = keyval_parse("flg=on", NULL, &err);

    g_assert_true(qom_set_all(thing, &(QomSettings){ .keyval = good, .skip = skip }, &err));
    static const char *const bad_dots[] = { "point.name=z,point=x", "point.name.x=z", "point.nam=z",
                                            "u8.x=1", "text.0=a" };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_dots); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(bad_dots[i], NULL, NULL);
        g_assert_false(qom_set_all(thing, &(QomSettings){ .keyval = kv }, NULL));
    }
    assert_value(thing, "flag", "true");
    assert_value(thing, "size", "1048576");
    g_autoptr(KeyVal) dotted = keyval_parse("point.name=p,flag=off", NULL, &err);
    g_autoptr(KeyVal) bad_member = keyval_parse("point.nam=p", NULL, &err);
    g_assert_true(qom_set_all(thing, &(QomSettings){ .keyval = dotted }, &err));
    assert_value(thing, "point", "{\"name\": \"p\"}");
    g_assert_false(qom_set_all(thing, &(QomSettings){ .keyval = bad_member }, &err));
    g_assert_true(g_str_has_prefix(err->message, "Parameter 'point.name' is missing"));
    g_clear_error(&err);
    g_assert_false(qom_set_all(thing, &(QomSettings){ .keyval = bad }, &err));
    g_assert_cmpstr(err->message, ==, "Invalid parameter 'flg'\nDid you mean 'flag'?");
    g_clear_error(&err);
    g_assert_false(qom_set_all(thing, &(QomSettings){ .keyval = bad, .is_device = true }, &err));
    g_assert_true(g_str_has_prefix(err->message, "Property 'thing.flg' not found"));
}

static void test_help(void)
{
    g_autofree char *all = qom_types_help(types), *one = qom_type_help(&thing_type),
                    *none = qom_type_help(&other_type);

    g_assert_cmpstr(all, ==, "List of user creatable objects:\n  other\n  thing\n");
    g_assert_nonnull(
        strstr(one, "  colour=<string>          - its paint (default: green) (red|green|blue)\n"));
    g_assert_nonnull(strstr(one, "  number=<uint32>          - a number (default: 9)\n"));
    g_assert_null(strstr(one, "serial"));
    g_assert_cmpstr(none, ==, "There are no options for other.\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *path = g_strdup_printf("/qom/text/%s", texts[i].label);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_text);
    }
    g_test_add_func("/qom/bad-json", test_bad_json);
    g_test_add_func("/qom/defaults", test_defaults);
    g_test_add_func("/qom/types", test_types);
    g_test_add_func("/qom/complete", test_complete);
    g_test_add_func("/qom/tree", test_tree);
    g_test_add_func("/qom/links", test_links);
    g_test_add_func("/qom/bad-objects", test_bad_objects);
    g_test_add_func("/qom/keyval", test_keyval);
    g_test_add_func("/qom/help", test_help);
    return g_test_run();
}
