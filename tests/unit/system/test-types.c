/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program's list of types: complete, in order, as the schema says; every type's objects can be
 * made, read and thrown away.
 */
#include <string.h>

#include "hw/core/machine.h"
#include "qapi-types.h"
#include "system/types.h"
#include "util/error.h"

static bool stands_before(const QomType *wanted, QomTypes here)
{
    for (QomTypes t = program_types; t != here; t++) {
        if (*t == wanted) {
            return true;
        }
    }
    return false;
}

static void test_list(void)
{
    for (QomTypes t = program_types; *t; t++) {
        g_test_message("%s", (*t)->name);
        g_assert_true(qom_type_find(program_types, (*t)->name) == *t); /* the name is its own */
        g_assert_true(!(*t)->parent || stands_before((*t)->parent, t));
        g_assert_true((*t)->parent || *t == &qom_object_type);
    }
}

/* What links lead to, and the buses that devices need, are in the list too. */
static void test_references(void)
{
    for (QomTypes t = program_types; *t; t++) {
        QomProperty property;

        for (unsigned i = 0; qom_type_property(*t, i, &property); i++) {
            g_test_message("%s.%s", (*t)->name, property.name);
            g_assert_true(property.kind != QOM_LINK ||
                          qom_type_find(program_types, property.link_type->name) ==
                              property.link_type);
            g_assert_true(property.kind != QOM_QAPI || property.qapi);
            g_assert_true(property.kind != QOM_ENUM || property.values);
            g_assert_true(property.offset || property.get);
            g_assert_true(property.offset || property.set || property.flags & QOM_READ_ONLY);
            g_assert_null(strpbrk(property.name, " ,=/"));
        }
        const DeviceOps *ops = qom_type_is(*t, &device_type) ? qom_type_ops(*t) : NULL;
        g_assert_true(!ops || !ops->bus_type ||
                      qom_type_find(program_types, ops->bus_type->name) == ops->bus_type);
    }
}

static void test_objects(void)
{
    for (QomTypes t = program_types; *t; t++) {
        if ((*t)->abstract) {
            continue;
        }
        g_autoptr(QomObject) object = qom_object_new(*t);
        QomProperty property;
        g_test_message("%s", (*t)->name);
        for (unsigned i = 0; qom_type_property(*t, i, &property); i++) {
            g_autoptr(JsonValue) value = NULL;
            g_autoptr(GError) err = NULL;
            if (!qom_property_get(object, property.name, &value, &err)) {
                g_assert_nonnull(err); /* "x is not set" */
            }
        }
        g_autofree char *help = qom_type_help(*t);
        g_assert_nonnull(strstr(help, (*t)->name));
        if (qom_type_is(*t, &bus_type)) {
            continue; /* holds nothing that setting could break */
        }
        /* No text that is none of its values ends the program or is taken for one. */
        for (unsigned i = 0; qom_type_property(*t, i, &property); i++) {
            g_autoptr(GError) err = NULL;
            if (property.kind != QOM_STR && property.kind != QOM_LINK) {
                g_assert_false(qom_property_set_text(object, property.name, "\x01nonsense", &err));
                g_assert_nonnull(err);
            }
        }
    }
}

static const QapiType *variant_of(const char *name)
{
    for (const QapiVariant *v = qapi_ObjectOptions.variants; v->value; v++) {
        if (!strcmp(v->value, name)) {
            return v->type;
        }
    }
    return NULL;
}

static bool has_member(const QapiType *type, const char *name)
{
    for (const QapiMember *m = type ? type->members : NULL; m && m->name; m++) {
        if (!strcmp(m->name, name)) {
            return true;
        }
    }
    return false;
}

/* object-add is checked by the schema before it gets to the type: the two must say the same. */
static void test_schema(void)
{
    for (QomTypes t = program_types; *t; t++) {
        if (!(*t)->user_creatable) {
            continue;
        }
        const QapiType *variant = variant_of((*t)->name);
        unsigned n = 0, members = 0;
        QomProperty property;
        g_assert_true(g_strv_contains(qapi_ObjectType_names, (*t)->name));
        for (unsigned i = 0; qom_type_property(*t, i, &property); i++) {
            if (property.flags & (QOM_READ_ONLY | QOM_HIDDEN)) {
                continue;
            }
            g_test_message("%s.%s", (*t)->name, property.name);
            g_assert_true(has_member(variant, property.name));
            n++;
        }
        for (const QapiMember *m = variant ? variant->members : NULL; m && m->name; m++) {
            members++;
        }
        g_assert_cmpuint(n, ==, members);
    }
    for (const char *const *name = qapi_ObjectType_names; *name; name++) {
        const QomType *type = qom_type_find(program_types, *name);
        g_assert_true(type && type->user_creatable && !type->abstract);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/types/list", test_list);
    g_test_add_func("/types/references", test_references);
    g_test_add_func("/types/objects", test_objects);
    g_test_add_func("/types/schema", test_schema);
    return g_test_run();
}
