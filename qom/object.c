/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types and the life of objects. */
#include <string.h>

#include "qom-internal.h"
#include "util/error.h"

const QomType qom_object_type = { .name = "object", .abstract = true, .size = sizeof(QomObject) };
const QomType qom_container_type = { .name = "container", .parent = &qom_object_type };

const QomType *qom_type_find(QomTypes types, const char *name)
{
    for (; *types; types++) {
        if (!strcmp((*types)->name, name)) {
            return *types;
        }
    }
    return NULL;
}

bool qom_type_is(const QomType *type, const QomType *ancestor)
{
    while (type && type != ancestor) {
        type = type->parent;
    }
    return type;
}

bool qom_type_is_named(const QomType *type, const char *ancestor)
{
    while (type && strcmp(type->name, ancestor)) {
        type = type->parent;
    }
    return type;
}

const void *qom_type_ops(const QomType *type)
{
    while (type && !type->ops) {
        type = type->parent;
    }
    return type ? type->ops : NULL;
}

static size_t instance_size(const QomType *type)
{
    while (!type->size) {
        type = type->parent;
    }
    return type->size;
}

static void run_init(const QomType *type, QomObject *object)
{
    if (type->parent) {
        run_init(type->parent, object);
    }
    if (type->init) {
        type->init(object);
    }
}

QomObject *qom_object_new(const QomType *type)
{
    g_assert(!type->abstract);
    QomObject *object = g_malloc0(instance_size(type));

    object->type = type;
    g_atomic_ref_count_init(&object->refs);
    run_init(type, object);
    qom_set_defaults(object);
    return object;
}

QomObject *qom_object_ref(QomObject *object)
{
    g_atomic_ref_count_inc(&object->refs);
    return object;
}

static void clear_properties(QomObject *object, const QomType *type)
{
    for (const QomProperty *p = type->properties; p && p->name; p++) {
        if (p->offset) {
            qom_value_clear(p, qom_property_field(object, p));
        }
    }
}

static void drop_children(QomObject *object)
{
    while (object->children && object->children->len) {
        qom_object_unparent(g_ptr_array_index(object->children, object->children->len - 1));
    }
    g_clear_pointer(&object->children, g_ptr_array_unref);
}

void qom_object_unref(QomObject *object)
{
    if (!object || !g_atomic_ref_count_dec(&object->refs)) {
        return;
    }
    drop_children(object);
    for (const QomType *type = object->type; type; type = type->parent) {
        if (type->finalize) {
            type->finalize(object);
        }
    }
    for (const QomType *type = object->type; type; type = type->parent) {
        clear_properties(object, type);
    }
    g_free(object->name);
    g_free(object);
}

static bool resolve_links(QomObject *object, const QomType *type, GError **errp)
{
    for (const QomProperty *p = type->properties; p && p->name; p++) {
        if (p->kind == QOM_LINK && p->offset && !qom_link_resolve(object, p, errp)) {
            return false;
        }
    }
    return !type->parent || resolve_links(object, type->parent, errp);
}

static bool is_set(QomObject *object, const QomProperty *property)
{
    void *field = qom_property_field(object, property);

    return property->kind == QOM_LINK ? ((QomLink *)field)->name != NULL : *(void **)field != NULL;
}

static bool check_required(QomObject *object, const QomType *type, GError **errp)
{
    for (const QomProperty *p = type->properties; p && p->name; p++) {
        if (p->flags & QOM_REQUIRED && !is_set(object, p)) {
            return error_set(errp, "Parameter '%s' is missing", p->name);
        }
    }
    return !type->parent || check_required(object, type->parent, errp);
}

static bool run_complete(const QomType *type, QomObject *object, GError **errp)
{
    return (!type->parent || run_complete(type->parent, object, errp)) &&
           (!type->complete || type->complete(object, errp));
}

static bool run_check(const QomType *type, QomObject *object, GError **errp)
{
    return (!type->parent || run_check(type->parent, object, errp)) &&
           (!type->check || type->check(object, errp));
}

bool qom_object_check(QomObject *object, GError **errp)
{
    return run_check(object->type, object, errp);
}

bool qom_object_complete(QomObject *object, GError **errp)
{
    if (object->complete) {
        return true;
    }
    if (object->completing) {
        return error_set(errp, "object '%s' refers to itself by its links",
                         object->name ? object->name : object->type->name);
    }
    object->completing = true;
    object->complete = check_required(object, object->type, errp) &&
                       resolve_links(object, object->type, errp) &&
                       run_complete(object->type, object, errp);
    object->completing = false;
    return object->complete;
}

QomObject *qom_object_cast(QomObject *object, const QomType *type)
{
    if (!qom_is(object, type)) {
        g_error("%s is no %s", object ? object->type->name : "NULL", type->name);
    }
    return object;
}
