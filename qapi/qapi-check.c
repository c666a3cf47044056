/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a JSON value one of a schema's types? Messages as QMP clients know them. */
#include <string.h>

#include "qapi/qapi.h"
#include "util/error.h"
#include "util/names.h"

static bool wrong_type(const char *name, const char *expected, GError **errp)
{
    return error_set(errp, "Invalid parameter type for '%s', expected: %s",
                     name ? name : "arguments", expected);
}

static bool check_integer(const QapiType *type, JsonValue *value, const char *name, GError **errp)
{
    uint64_t u;
    int64_t i = 0;
    bool is_u64 = json_value_u64(value, &u);

    if (!json_object_is_type(value, json_type_int)) {
        return wrong_type(name, "integer", errp);
    }
    if (is_u64 ? u > type->max : !json_value_i64(value, &i) || i < type->min) {
        return error_set(errp, "Parameter '%s' expects %s", name, type->name);
    }
    return true;
}

static bool check_enum(const QapiType *type, JsonValue *value, const char *name, GError **errp)
{
    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(name, "string", errp);
    }
    const char *text = json_object_get_string(value);
    if (!g_strv_contains(type->values, text)) {
        error_set(errp, "Parameter '%s' does not accept value '%s'", name, text);
        error_hint_names(errp, text, type->values);
        return false;
    }
    return true;
}

static bool check_array(const QapiType *type, JsonValue *value, const char *name, GError **errp)
{
    if (!json_object_is_type(value, json_type_array)) {
        return wrong_type(name, "array", errp);
    }
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        g_autofree char *element = g_strdup_printf("%s[%zu]", name ? name : "", i);
        if (!qapi_check(type->element, json_object_array_get_idx(value, i), element, errp)) {
            return false;
        }
    }
    return true;
}

const QapiType *qapi_variant(const QapiType *type, JsonValue *value)
{
    const char *tag = type && type->tag ? json_member_string(value, type->tag) : NULL;

    for (const QapiVariant *v = tag ? type->variants : NULL; v && v->value; v++) {
        if (!strcmp(v->value, tag)) {
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

/* Of the member names, what `key` is likely to be meant for. */
static bool unexpected(const QapiType *type, const QapiType *variant, const char *name,
                       const char *key, GError **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const QapiType *from[] = { type, variant };

    for (unsigned i = 0; i < G_N_ELEMENTS(from); i++) {
        for (const QapiMember *m = from[i] ? from[i]->members : NULL; m && m->name; m++) {
            g_ptr_array_add(names, (gpointer)m->name);
        }
    }
    g_ptr_array_add(names, NULL);
    error_set(errp, "Parameter '%s%s%s' is unexpected", name ? name : "", name ? "." : "", key);
    error_hint_names(errp, key, (const char *const *)names->pdata);
    return false;
}

static bool check_members(const QapiType *type, JsonValue *value, const char *name, GError **errp)
{
    for (const QapiMember *m = type->members; m->name; m++) {
        g_autofree char *full = name ? g_strdup_printf("%s.%s", name, m->name) : g_strdup(m->name);
        JsonValue *member;

        if (!json_object_object_get_ex(value, m->name, &member)) {
            if (!m->optional) {
                return error_set(errp, "Parameter '%s' is missing", full);
            }
        } else if (!qapi_check(m->type, member, full, errp)) {
            return false;
        }
    }
    return true;
}

static bool check_object(const QapiType *type, JsonValue *value, const char *name, GError **errp)
{
    if (!json_object_is_type(value, json_type_object)) {
        return wrong_type(name, "object", errp);
    }
    if (type && !check_members(type, value, name, errp)) {
        return false;
    }
    const QapiType *variant = qapi_variant(type, value);
    if (variant && !check_members(variant, value, name, errp)) {
        return false;
    }
    json_object_object_foreach(value, key, member) {
        (void)member;
        if (!has_member(type, key) && !has_member(variant, key)) {
            return unexpected(type, variant, name, key, errp);
        }
    }
    return true;
}

bool qapi_check(const QapiType *type, JsonValue *value, const char *name, GError **errp)
{
    switch (type ? type->kind : QAPI_OBJECT) {
    case QAPI_ANY:
        return true;
    case QAPI_NULL:
        return !value || wrong_type(name, "null", errp);
    case QAPI_BOOL:
        return json_object_is_type(value, json_type_boolean) || wrong_type(name, "boolean", errp);
    case QAPI_INT:
        return check_integer(type, value, name, errp);
    case QAPI_NUMBER:
        return json_object_is_type(value, json_type_int) ||
               json_object_is_type(value, json_type_double) || wrong_type(name, "number", errp);
    case QAPI_STR:
        return json_object_is_type(value, json_type_string) || wrong_type(name, "string", errp);
    case QAPI_ENUM:
        return check_enum(type, value, name, errp);
    case QAPI_ARRAY:
        return check_array(type, value, name, errp);
    case QAPI_OBJECT:
        return check_object(type, value, name, errp);
    }
    return false;
}
