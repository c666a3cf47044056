/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding, setting and reading objects' properties. */
#include <string.h>

#include "qom-internal.h"
#include "util/error.h"

static unsigned count_own(const QomType *type)
{
    QomProperty property;
    unsigned n = 0;

    for (const QomProperty *p = type->properties; p && p->name; p++) {
        n++;
    }
    for (unsigned i = 0; type->generate && type->generate(type, i, &property); i++) {
        n++;
    }
    return n;
}

/* The index-th of this type's own. */
static bool own_property(const QomType *type, unsigned index, QomProperty *property)
{
    for (const QomProperty *p = type->properties; p && p->name; p++, index--) {
        if (!index) {
            *property = *p;
            return true;
        }
    }
    *property = (QomProperty){ 0 };
    return type->generate && type->generate(type, index, property);
}

/* What instances of `type` start with, where that is not what the property itself says. */
static void override_default(const QomType *type, QomProperty *property)
{
    for (; type; type = type->parent) {
        for (const QomDefault *d = type->defaults; d && d->property; d++) {
            if (!strcmp(d->property, property->name)) {
                property->default_text = d->text;
                return;
            }
        }
    }
}

static bool nth_property(const QomType *type, unsigned *index, QomProperty *property)
{
    if (type->parent && nth_property(type->parent, index, property)) {
        return true;
    }
    if (own_property(type, *index, property)) {
        return true;
    }
    *index -= count_own(type);
    return false;
}

bool qom_type_property(const QomType *type, unsigned index, QomProperty *property)
{
    if (!nth_property(type, &index, property)) {
        return false;
    }
    override_default(type, property);
    return true;
}

bool qom_type_find_property(const QomType *type, const char *name, QomProperty *property)
{
    for (const QomType *t = type; t; t = t->parent) {
        for (unsigned i = 0; own_property(t, i, property); i++) {
            if (!strcmp(property->name, name)) {
                override_default(type, property);
                return true;
            }
        }
    }
    return false;
}

/* Names of a type's properties that users set; the array's alone is the caller's. */
static const char **qom_property_names(const QomType *type)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    QomProperty property;

    for (unsigned i = 0; qom_type_property(type, i, &property); i++) {
        if (!(property.flags & (QOM_READ_ONLY | QOM_HIDDEN))) {
            g_ptr_array_add(names, (void *)property.name);
        }
    }
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_steal(names, NULL);
}

/* text: the value given with the name, or NULL. */
static void hint_instead(const QomObject *object, const char *name, const char *text, GError **errp)
{
    g_autofree const char **names = qom_property_names(object->type);

    for (const QomType *type = object->type; type; type = type->parent) {
        if (type->explain_unknown && type->explain_unknown(name, text, errp)) {
            return;
        }
    }
    error_hint_names(errp, name, names);
}

static bool find(const QomObject *object, const char *name, QomProperty *property, GError **errp)
{
    if (qom_type_find_property(object->type, name, property)) {
        return true;
    }
    error_set(errp, "Property '%s.%s' not found", object->type->name, name);
    hint_instead(object, name, NULL, errp);
    return false;
}

static const char *fixed_because(const QomType *type)
{
    while (type && !type->fixed_because) {
        type = type->parent;
    }
    return type ? type->fixed_because : "it has taken effect";
}

static bool check_settable(const QomObject *object, const QomProperty *property, GError **errp)
{
    if (property->flags & QOM_READ_ONLY) {
        return error_set(errp, "Property '%s.%s' is read-only", object->type->name, property->name);
    }
    if (object->complete && !(property->flags & QOM_RUNTIME)) {
        g_autofree char *path = qom_object_path(object);
        return error_set(errp, "Property '%s' of '%s' cannot be set: %s", property->name,
                         *path ? path : object->type->name, fixed_because(object->type));
    }
    return true;
}

bool qom_property_store(QomObject *object, const QomProperty *property, JsonValue *value,
                        GError **errp)
{
    if (!qom_value_check(property, value, errp)) {
        return false;
    }
    qom_value_store(property, qom_property_field(object, property), value);
    return property->kind != QOM_LINK || !object->complete ||
           qom_link_resolve(object, property, errp);
}

static bool set_found(QomObject *object, const QomProperty *property, JsonValue *value,
                      GError **errp)
{
    if (!qom_value_check(property, value, errp)) {
        return false;
    }
    return property->set ? property->set(object, property, value, errp)
                         : qom_property_store(object, property, value, errp);
}

bool qom_property_set(QomObject *object, const char *name, JsonValue *value, GError **errp)
{
    QomProperty property;

    return find(object, name, &property, errp) && check_settable(object, &property, errp) &&
           set_found(object, &property, value, errp);
}

bool qom_property_set_text(QomObject *object, const char *name, const char *text, GError **errp)
{
    QomProperty property;
    g_autoptr(JsonValue) value = NULL;

    return find(object, name, &property, errp) && check_settable(object, &property, errp) &&
           qom_property_parse(&property, text, &value, errp) &&
           set_found(object, &property, value, errp);
}

bool qom_property_get(QomObject *object, const char *name, JsonValue **result, GError **errp)
{
    QomObject *child = qom_object_child(object, name);
    QomProperty property;

    *result = NULL;
    if (!strcmp(name, "type")) {
        *result = json_object_new_string(object->type->name);
        return true;
    }
    if (child) {
        g_autofree char *path = qom_object_path(child);
        *result = json_object_new_string(path);
        return true;
    }
    if (!find(object, name, &property, errp)) {
        return false;
    }
    if (property.get) {
        return property.get(object, &property, result, errp);
    }
    *result = qom_value_load(&property, qom_property_field(object, &property));
    return *result || error_set(errp, "%s is not set", name);
}

JsonValue *qom_property_default(const QomType *type, const QomProperty *property)
{
    JsonValue *value = NULL;

    if (property->default_text) {
        qom_property_parse(property, property->default_text, &value, NULL);
    } else if (property->kind == QOM_BOOL && !(property->flags & QOM_READ_ONLY) && !property->get) {
        value = json_object_new_boolean(false);
    }
    return value;
}

static void set_default(QomObject *object, const QomProperty *property)
{
    g_autoptr(JsonValue) value = NULL;
    g_autoptr(GError) err = NULL;

    if (!qom_property_parse(property, property->default_text, &value, &err) ||
        !set_found(object, property, value, &err)) {
        g_error("%s.%s: default '%s': %s", object->type->name, property->name,
                property->default_text, err->message);
    }
}

void qom_set_defaults(QomObject *object)
{
    for (const QomType *type = object->type; type; type = type->parent) {
        for (const QomProperty *p = type->properties; p && p->name; p++) {
            QomProperty property = *p;
            override_default(object->type, &property);
            /* A read-only property may tell help a default that is not the instance's to set. */
            if (property.default_text && !(property.flags & QOM_READ_ONLY)) {
                set_default(object, &property);
            }
        }
    }
}

/* Settings ------------------------------------------------------------------------------------- */

static bool is_skipped(const QomSettings *settings, const char *name)
{
    return settings->skip && g_strv_contains(settings->skip, name);
}

/* QEMU words an unknown name after the kind of option and its form. */
static bool check_known(const QomObject *object, const QomSettings *settings, const char *name,
                        const char *text, GError **errp)
{
    QomProperty property;

    if (qom_type_find_property(object->type, name, &property)) {
        return true;
    }
    if (settings->is_device) {
        error_set(errp, "Property '%s.%s' not found", object->type->name, name);
    } else if (settings->json) {
        error_set(errp, "Parameter '%s' is unexpected", name);
    } else {
        error_set(errp, "Invalid parameter '%s'", name);
    }
    hint_instead(object, name, text, errp);
    return false;
}

static bool set_json(QomObject *object, const QomSettings *settings, GError **errp)
{
    if (!json_object_is_type(settings->json, json_type_object)) {
        return error_set(errp, "Invalid parameter type for 'arguments', expected: object");
    }
    json_object_object_foreach(settings->json, name, value) {
        if (!is_skipped(settings, name) &&
            !(check_known(object, settings, name,
                          json_object_is_type(value, json_type_string)
                              ? json_object_get_string(value)
                              : NULL,
                          errp) &&
              qom_property_set(object, name, value, errp))) {
            return false;
        }
    }
    return true;
}

/*
 * NAME.MEMBER=…: the part before the first dot, if that is a property with members. NULL: it is
 * not.
 */
static char *dotted_name(const QomObject *object, const char *key)
{
    const char *dot = strchr(key, '.');
    g_autofree char *name = dot ? g_strndup(key, (gsize)(dot - key)) : NULL;
    QomProperty property;

    return name && !qom_type_find_property(object->type, key, &property) &&
                   qom_type_find_property(object->type, name, &property) &&
                   property.kind == QOM_QAPI
               ? g_steal_pointer(&name)
               : NULL;
}

/* NAME and all the keys that begin with "NAME." make one value. */
static bool set_dotted(QomObject *object, const KeyVal *keyval, const char *name, GError **errp)
{
    QomProperty property;
    g_autoptr(KeyVal) members = keyval_under(keyval, name);
    g_autoptr(JsonValue) texts = keyval_to_json(members, errp);
    g_autoptr(JsonValue) value = NULL;

    qom_type_find_property(object->type, name, &property);
    if (texts) {
        value = qapi_from_keyval(property.qapi, json_object_object_get(texts, name), name, errp);
    }
    return value && qom_property_set(object, name, value, errp);
}

static bool set_pair(QomObject *object, const QomSettings *settings, const KeyValPair *pair,
                     GError **errp)
{
    g_autofree char *dotted = dotted_name(object, pair->key);

    return dotted ? set_dotted(object, settings->keyval, dotted, errp)
                  : check_known(object, settings, pair->key, pair->value, errp) &&
                        qom_property_set_text(object, pair->key, pair->value, errp);
}

static bool set_keyval(QomObject *object, const QomSettings *settings, GError **errp)
{
    GArray *pairs = settings->keyval->pairs;

    for (unsigned i = 0; i < pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(pairs, KeyValPair, i);
        if (!is_skipped(settings, pair->key) && !set_pair(object, settings, pair, errp)) {
            return false;
        }
    }
    return true;
}

bool qom_set_all(QomObject *object, const QomSettings *settings, GError **errp)
{
    return (!settings->json || set_json(object, settings, errp)) &&
           (!settings->keyval || set_keyval(object, settings, errp));
}
