/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree that objects stand in, and finding them there. */
#include <string.h>

#include "qom-internal.h"
#include "util/error.h"

typedef struct QomRoot {
    QomObject object;
    QomTypes types;
} QomRoot;

static const QomType root_type = { .name = "container", .parent = &qom_container_type,
                                   .size = sizeof(QomRoot) };

G_DEFINE_QUARK(qom-error, qom_error)

QomObject *qom_root_new(QomTypes types, const char *const *containers)
{
    QomObject *root = qom_object_new(&root_type);

    ((QomRoot *)root)->types = types;
    for (; containers && *containers; containers++) {
        qom_container_get(root, *containers);
    }
    return root;
}

QomObject *qom_object_root(QomObject *object)
{
    while (object->parent) {
        object = object->parent;
    }
    return object->type == &root_type ? object : NULL;
}

QomTypes qom_object_types(const QomObject *object)
{
    static const QomType *const none[] = { NULL };
    QomObject *root = qom_object_root((QomObject *)object);

    return root ? ((QomRoot *)root)->types : none;
}

QomObject *qom_object_child(const QomObject *parent, const char *name)
{
    for (unsigned i = 0; parent->children && i < parent->children->len; i++) {
        QomObject *child = g_ptr_array_index(parent->children, i);
        if (!strcmp(child->name, name)) {
            return child;
        }
    }
    return NULL;
}

bool qom_object_add_child(QomObject *parent, const char *name, QomObject *child, GError **errp)
{
    QomProperty property;

    g_assert(!child->parent);
    if (qom_object_child(parent, name) || qom_type_find_property(parent->type, name, &property)) {
        return error_set(errp, "attempt to add duplicate property '%s' to object (type '%s')", name,
                         parent->type->name);
    }
    if (!parent->children) {
        parent->children = g_ptr_array_new();
    }
    g_ptr_array_add(parent->children, qom_object_ref(child));
    child->parent = parent;
    g_free(child->name);
    child->name = g_strdup(name);
    return true;
}

void qom_object_add_numbered_child(QomObject *parent, const char *name, QomObject *child)
{
    for (unsigned i = 0;; i++) {
        g_autofree char *numbered = g_strdup_printf("%s[%u]", name, i);
        if (!qom_object_child(parent, numbered)) {
            qom_object_add_child(parent, numbered, child, NULL);
            return;
        }
    }
}

void qom_object_unparent(QomObject *object)
{
    if (object->parent) {
        g_ptr_array_remove(object->parent->children, object);
        object->parent = NULL;
        qom_object_unref(object);
    }
}

QomObject *qom_container_get(QomObject *root, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    QomObject *at = root;

    for (char **name = names; *name; name++) {
        QomObject *child = **name ? qom_object_child(at, *name) : at;
        if (!child) {
            g_autoptr(QomObject) made = qom_object_new(&qom_container_type);
            qom_object_add_child(at, *name, made, NULL);
            child = made; /* the tree's reference stays */
        }
        at = child;
    }
    return at;
}

char *qom_object_path(const QomObject *object)
{
    GString *path = g_string_new(NULL);

    if (!object->parent) {
        g_string_append(path, object->type == &root_type ? "/" : "");
    }
    for (; object->parent; object = object->parent) {
        g_string_prepend(path, object->name);
        g_string_prepend_c(path, '/');
    }
    return g_string_free(path, FALSE);
}

/* A child, or where a link leads. */
static QomObject *step(QomObject *object, const char *name)
{
    QomObject *child = qom_object_child(object, name);
    QomProperty property;

    if (!child && qom_type_find_property(object->type, name, &property) &&
        property.kind == QOM_LINK && property.offset) {
        child = ((QomLink *)qom_property_field(object, &property))->target;
    }
    return child;
}

static QomObject *walk(QomObject *object, char *const *names)
{
    for (; object && *names; names++) {
        object = **names ? step(object, *names) : object;
    }
    return object;
}

/* Relative paths: below every object. */
static QomObject *search(QomObject *object, char *const *names, bool *ambiguous)
{
    QomObject *found = walk(object, names);

    for (unsigned i = 0; object->children && i < object->children->len && !*ambiguous; i++) {
        QomObject *below = search(g_ptr_array_index(object->children, i), names, ambiguous);
        *ambiguous = *ambiguous || (found && below && found != below);
        found = found ? found : below;
    }
    return found;
}

QomObject *qom_resolve(QomObject *root, const char *path, GError **errp)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    bool ambiguous = false;
    QomObject *found = *path == '/' ? walk(root, names)
                       : *path      ? search(root, names, &ambiguous)
                                    : NULL;

    if (ambiguous) {
        error_set(errp, "Path '%s' does not uniquely identify an object", path);
        return NULL;
    }
    if (!found && errp) {
        g_autofree char *text = g_strdup_printf("Device '%s' not found", path);
        g_set_error_literal(errp, QOM_ERROR, QOM_NOT_FOUND, text);
    }
    return found;
}

void qom_visit(QomObject *object, QomVisitFn *visit, void *opaque)
{
    visit(object, opaque);
    for (unsigned i = 0; object->children && i < object->children->len; i++) {
        qom_visit(g_ptr_array_index(object->children, i), visit, opaque);
    }
}

static QomObject *find_target(QomObject *object, const QomProperty *property, const char *name)
{
    QomObject *root = qom_object_root(object);
    QomObject *folder = root && property->link_in ? qom_resolve(root, property->link_in, NULL)
                                                  : NULL;
    QomObject *target = root && *name == '/' ? qom_resolve(root, name, NULL)
                        : folder             ? qom_object_child(folder, name)
                                             : NULL;

    return qom_is(target, property->link_type) ? target : NULL;
}

/* QEMU words it by what is looked for. */
static bool no_target(const QomObject *object, const QomProperty *property, const char *name,
                      GError **errp)
{
    if (!property->link_in || strcmp(property->link_in, "/objects")) {
        return error_set(errp, "Property '%s.%s' can't find value '%s'", object->type->name,
                         property->name, name);
    }
    if (errp) {
        g_autofree char *text = g_strdup_printf("Device '%s' not found", name);
        g_set_error_literal(errp, QOM_ERROR, QOM_NOT_FOUND, text);
    }
    error_hint(errp, "%s= takes the id of an -object of type %s", property->name,
               property->link_type->name);
    return false;
}

bool qom_link_resolve(QomObject *object, const QomProperty *property, GError **errp)
{
    QomLink *link = qom_property_field(object, property);

    if (!link->name || link->target) {
        return true;
    }
    QomObject *target = find_target(object, property, link->name);
    if (!target) {
        return no_target(object, property, link->name, errp);
    }
    if (target->type->user_creatable && !qom_object_complete(target, errp)) {
        return false;
    }
    link->target = qom_object_ref(target);
    target->users++;
    return true;
}
