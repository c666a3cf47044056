/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands about objects. There are three places: /machine, /objects, and /objects/ID for the TD. Their properties were
 * measured or built into the TD at its launch: all are read-only.
 */
#include <string.h>

#include "monitor-internal.h"
#include "util/error.h"

typedef struct Property {
    const char *name, *type;
    JsonValue *(*get)(const QapiContext *context); /* a new value */
} Property;

static JsonValue *text_or_empty(const char *text)
{
    return json_object_new_string(text ? text : "");
}

static JsonValue *get_attributes(const QapiContext *context)
{
    return json_object_new_uint64(tdx_guest_config_attributes(context->guest));
}

static JsonValue *get_sept_ve_disable(const QapiContext *context)
{
    return json_object_new_boolean(tdx_guest_config_attributes(context->guest) & TDX_ATTRIBUTE_SEPT_VE_DISABLE ? 1 : 0);
}

static JsonValue *get_mrconfigid(const QapiContext *context)
{
    return text_or_empty(context->guest->mrconfigid);
}

static JsonValue *get_mrowner(const QapiContext *context)
{
    return text_or_empty(context->guest->mrowner);
}

static JsonValue *get_mrownerconfig(const QapiContext *context)
{
    return text_or_empty(context->guest->mrownerconfig);
}

static JsonValue *get_guest_type(const QapiContext *context)
{
    return json_object_new_string("tdx-guest");
}

static JsonValue *get_machine_type(const QapiContext *context)
{
    g_autofree char *type = g_strconcat(context->machine, "-machine", NULL);

    return json_object_new_string(type);
}

static JsonValue *get_guest_path(const QapiContext *context)
{
    if (!context->guest) {
        return json_object_new_string("");
    }
    g_autofree char *path = g_strconcat("/objects/", context->guest->id, NULL);

    return json_object_new_string(path);
}

static const Property guest_properties[] = {
    { "type", "string", get_guest_type },
    { "attributes", "uint64", get_attributes },
    { "sept-ve-disable", "bool", get_sept_ve_disable },
    { "mrconfigid", "string", get_mrconfigid },
    { "mrowner", "string", get_mrowner },
    { "mrownerconfig", "string", get_mrownerconfig },
    { NULL },
};

static const Property machine_properties[] = {
    { "type", "string", get_machine_type },
    { "confidential-guest-support", "link<confidential-guest-support>", get_guest_path },
    { NULL },
};

static const Property objects_properties[] = { { NULL } };

static JsonValue *new_property(const char *name, const char *type)
{
    JsonValue *entry = json_object_new_object();

    json_object_object_add(entry, "name", json_object_new_string(name));
    json_object_object_add(entry, "type", json_object_new_string(type));
    return entry;
}

/* NULL: nothing stands there. */
static const Property *find_object(const QapiContext *context, const char *path, GError **errp)
{
    if (!strcmp(path, "/machine")) {
        return machine_properties;
    }
    if (!strcmp(path, "/objects")) {
        return objects_properties;
    }
    if (context->guest && g_str_has_prefix(path, "/objects/") && !strcmp(path + strlen("/objects/"), context->guest->id)) {
        return guest_properties;
    }
    qmp_error_set(errp, QMP_DEVICE_NOT_FOUND, "Device '%s' not found", path);
    return NULL;
}

static const Property *find_property(const QapiContext *context, JsonValue *arguments, GError **errp)
{
    const char *path = json_member_string(arguments, "path"), *name = json_member_string(arguments, "property");
    const Property *p = find_object(context, path, errp);

    if (!p) {
        return NULL;
    }
    const char *type = p == guest_properties ? "tdx-guest" : p == machine_properties ? context->machine : "container";
    for (; p->name; p++) {
        if (!strcmp(p->name, name)) {
            return p;
        }
    }
    error_set(errp, "Property '%s%s.%s' not found", type, type == context->machine ? "-machine" : "", name);
    return NULL;
}

bool qmp_qom_list(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *path = json_member_string(arguments, "path");
    bool is_root = !strcmp(path, "/");
    const Property *p = is_root ? objects_properties : find_object(context, path, errp);

    if (!p) {
        return false;
    }
    *result = json_object_new_array();
    if (is_root) {
        json_object_array_add(*result, new_property("type", "string"));
        json_object_array_add(*result, new_property("machine", "child<machine>"));
        json_object_array_add(*result, new_property("objects", "child<container>"));
    } else if (p == objects_properties) {
        json_object_array_add(*result, new_property("type", "string"));
        if (context->guest) {
            json_object_array_add(*result, new_property(context->guest->id, "child<tdx-guest>"));
        }
    }
    for (; p->name; p++) {
        json_object_array_add(*result, new_property(p->name, p->type));
    }
    return true;
}

bool qmp_qom_get(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const Property *p = find_property(context, arguments, errp);

    if (!p) {
        return false;
    }
    *result = p->get(context);
    return true;
}

bool qmp_qom_set(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const Property *p = find_property(context, arguments, errp);

    if (!p) {
        return false;
    }
    return error_set(errp, "Property '%s' of '%s' cannot be set: the TD has been launched with it", p->name,
                     json_member_string(arguments, "path"));
}

static const struct {
    const char *name, *parent;
    bool is_abstract;
} types[] = {
    { "object", NULL, true },
    { "confidential-guest-support", "object", true },
    { "x86-confidential-guest", "confidential-guest-support", true },
    { "tdx-guest", "x86-confidential-guest", false },
    { "machine", "object", true },
    { "pc-q35-11.1-machine", "machine", false },
};

static int find_type(const char *name)
{
    for (unsigned i = 0; name && i < G_N_ELEMENTS(types); i++) {
        if (!strcmp(types[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

static bool type_is(int type, const char *name)
{
    while (type >= 0 && strcmp(types[type].name, name)) {
        type = find_type(types[type].parent);
    }
    return type >= 0;
}

bool qmp_qom_list_types(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *implements = json_member_string(arguments, "implements");
    JsonValue *flag;
    bool with_abstract = json_object_object_get_ex(arguments, "abstract", &flag) && json_object_get_boolean(flag);

    *result = json_object_new_array();
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if ((types[i].is_abstract && !with_abstract) || (implements && !type_is((int)i, implements))) {
            continue;
        }
        JsonValue *entry = json_object_new_object();
        json_object_object_add(entry, "name", json_object_new_string(types[i].name));
        if (types[i].is_abstract) {
            json_object_object_add(entry, "abstract", json_object_new_boolean(true));
        }
        if (types[i].parent) {
            json_object_object_add(entry, "parent", json_object_new_string(types[i].parent));
        }
        json_object_array_add(*result, entry);
    }
    return true;
}

bool qmp_qom_list_properties(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *name = json_member_string(arguments, "typename");
    int type = find_type(name);

    if (type < 0) {
        return qmp_error_set(errp, QMP_DEVICE_NOT_FOUND, "Class '%s' not found", name);
    }
    const Property *p = type_is(type, "tdx-guest") ? guest_properties :
                        type_is(type, "machine") ? machine_properties : objects_properties;
    *result = json_object_new_array();
    for (; p->name; p++) {
        json_object_array_add(*result, new_property(p->name, p->type));
    }
    return true;
}

bool qmp_object_add(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *id = json_member_string(arguments, "id");

    if (context->guest && !strcmp(id, context->guest->id)) {
        return error_set(errp, "attempt to add duplicate property '%s' to object (type 'container')", id);
    }
    return error_set(errp, "object '%s' of type 'tdx-guest' comes too late: the machine has been launched; use -object", id);
}

bool qmp_object_del(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *id = json_member_string(arguments, "id");

    if (!context->guest || strcmp(id, context->guest->id)) {
        return error_set(errp, "object '%s' not found", id);
    }
    return error_set(errp, "object '%s' is in use, can not be deleted", id);
}
