/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about objects, their types and their properties. */
#include <string.h>

#include "hw/core/device.h"
#include "monitor-internal.h"
#include "util/error.h"

static JsonValue *new_property(const char *name, const char *type)
{
    JsonValue *entry = json_object_new_object();

    json_object_object_add(entry, "name", json_object_new_string(name));
    json_object_object_add(entry, "type", json_object_new_string(type));
    return entry;
}

typedef void PropertyFn(JsonValue *list, QomObject *object, const char *name, const char *type);

/* Everything that qom-get can ask of an object. */
static JsonValue *list_properties(QomObject *object, PropertyFn *add)
{
    JsonValue *list = json_object_new_array();
    QomProperty property;

    add(list, object, "type", "string");
    for (unsigned i = 0; qom_type_property(object->type, i, &property); i++) {
        g_autofree char *type = qom_property_type_name(&property);
        add(list, object, property.name, type);
    }
    for (unsigned i = 0; object->children && i < object->children->len; i++) {
        const QomObject *child = g_ptr_array_index(object->children, i);
        g_autofree char *type = g_strdup_printf("child<%s>", child->type->name);
        add(list, object, child->name, type);
    }
    return list;
}

static void add_name(JsonValue *list, QomObject *object, const char *name, const char *type)
{
    json_object_array_add(list, new_property(name, type));
}

static void add_value(JsonValue *list, QomObject *object, const char *name, const char *type)
{
    JsonValue *entry = new_property(name, type), *value;

    if (qom_property_get(object, name, &value, NULL)) {
        json_object_object_add(entry, "value", value);
    }
    json_object_array_add(list, entry);
}

bool qmp_qom_list(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    QomObject *object = qom_resolve(context->objects, json_member_string(arguments, "path"), errp);

    if (!object) {
        return false;
    }
    *result = list_properties(object, add_name);
    return true;
}

bool qmp_qom_list_get(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    JsonValue *paths = json_object_object_get(arguments, "paths");
    g_autoptr(JsonValue) list = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(paths); i++) {
        QomObject *object = qom_resolve(context->objects,
                                        json_object_get_string(json_object_array_get_idx(paths, i)),
                                        errp);
        if (!object) {
            return false;
        }
        JsonValue *entry = json_object_new_object();
        json_object_object_add(entry, "properties", list_properties(object, add_value));
        json_object_array_add(list, entry);
    }
    *result = g_steal_pointer(&list);
    return true;
}

bool qmp_qom_get(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    QomObject *object = qom_resolve(context->objects, json_member_string(arguments, "path"), errp);

    return object &&
           qom_property_get(object, json_member_string(arguments, "property"), result, errp);
}

bool qmp_qom_set(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    QomObject *object = qom_resolve(context->objects, json_member_string(arguments, "path"), errp);

    return object && qom_property_set(object, json_member_string(arguments, "property"),
                                      json_object_object_get(arguments, "value"), errp);
}

bool qmp_qom_list_types(QapiContext *context, JsonValue *arguments, JsonValue **result,
                        GError **errp)
{
    const char *implements = json_member_string(arguments, "implements");
    /* In QEMU an interface, which a type says of itself here */
    bool user_creatable = implements && !strcmp(implements, "user-creatable");
    bool with_abstract = json_object_get_boolean(json_object_object_get(arguments, "abstract"));

    *result = json_object_new_array();
    for (QomTypes types = qom_object_types(context->objects); *types; types++) {
        const QomType *type = *types;
        if ((type->abstract && !with_abstract) ||
            (user_creatable ? !type->user_creatable
                            : implements && !qom_type_is_named(type, implements))) {
            continue;
        }
        JsonValue *entry = json_object_new_object();
        json_object_object_add(entry, "name", json_object_new_string(type->name));
        if (type->abstract) {
            json_object_object_add(entry, "abstract", json_object_new_boolean(true));
        }
        if (type->parent) {
            json_object_object_add(entry, "parent", json_object_new_string(type->parent->name));
        }
        json_object_array_add(*result, entry);
    }
    return true;
}

static JsonValue *describe_properties(const QomType *type, unsigned hidden)
{
    JsonValue *list = json_object_new_array();
    QomProperty property;

    for (unsigned i = 0; qom_type_property(type, i, &property); i++) {
        if (property.flags & hidden) {
            continue;
        }
        g_autofree char *type_name = qom_property_type_name(&property);
        JsonValue *entry = new_property(property.name, type_name),
                  *value = qom_property_default(type, &property);
        if (property.description) {
            json_object_object_add(entry, "description",
                                   json_object_new_string(property.description));
        }
        if (value) {
            json_object_object_add(entry, "default-value", value);
        }
        json_object_array_add(list, entry);
    }
    return list;
}

static const QomType *find_type(QapiContext *context, JsonValue *arguments, const char *what,
                                GError **errp)
{
    const char *name = json_member_string(arguments, "typename");
    const QomType *type = qom_type_find(qom_object_types(context->objects), name);

    if (!type) {
        qmp_error_set(errp, QMP_DEVICE_NOT_FOUND, "%s '%s' not found", what, name);
    }
    return type;
}

bool qmp_qom_list_properties(QapiContext *context, JsonValue *arguments, JsonValue **result,
                             GError **errp)
{
    const QomType *type = find_type(context, arguments, "Class", errp);

    if (!type) {
        return false;
    }
    *result = describe_properties(type, 0);
    return true;
}

bool qmp_device_list_properties(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                GError **errp)
{
    const QomType *type = find_type(context, arguments, "Device", errp);

    if (!type) {
        return false;
    }
    if (!qom_type_is(type, &device_type) || type->abstract) {
        return error_set(errp, "Parameter 'typename' expects a non-abstract device type");
    }
    *result = describe_properties(type, QOM_READ_ONLY | QOM_HIDDEN);
    return true;
}
