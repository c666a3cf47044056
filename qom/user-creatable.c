/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that users make by name: -object, object-add, object-del. */
#include <string.h>

#include "qom-internal.h"
#include "util/error.h"

bool qom_check_id(const char *id, GError **errp)
{
    bool valid = g_ascii_isalpha(*id);

    for (; *id; id++) {
        valid = valid && (g_ascii_isalnum(*id) || strchr("-._", *id));
    }
    if (!valid) {
        error_set(errp, "Parameter 'id' expects an identifier");
        error_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
    }
    return valid;
}

static const QomType *find_type(QomTypes types, const char *name, GError **errp)
{
    const QomType *type = qom_type_find(types, name);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (type && type->user_creatable && !type->abstract) {
        return type;
    }
    for (; *types; types++) {
        if ((*types)->user_creatable && !(*types)->abstract) {
            g_ptr_array_add(names, (void *)(*types)->name);
        }
    }
    g_ptr_array_add(names, NULL);
    const char *near = nearest_name(name, (const char *const *)names->pdata);
    error_set(errp, "Parameter 'qom-type' does not accept value '%s'", name);
    if (!strcmp(name, "memory-backend-memfd-private")) {
        error_hint(errp, "A TD's private memory needs no object of its own: leave this one out");
    } else if (near) {
        error_hint(errp, "Did you mean '%s'?", near);
    } else {
        error_hint(errp, "Use -object help to list the types");
    }
    return NULL;
}

QomObject *qom_user_create(QomObject *root, const char *type_name, const char *id, const QomSettings *settings, GError **errp)
{
    const QomType *type;
    QomObject *folder = qom_container_get(root, "/objects");

    if (!type_name) {
        error_set(errp, "Parameter 'qom-type' is missing");
        return NULL;
    }
    if (!(type = find_type(qom_object_types(root), type_name, errp))) {
        return NULL;
    }
    if (!id) {
        error_set(errp, "Parameter 'id' is missing");
        return NULL;
    }
    if (!qom_check_id(id, errp)) {
        return NULL;
    }
    g_autoptr(QomObject) object = qom_object_new(type);
    if (!qom_object_add_child(folder, id, object, errp)) {
        return NULL;
    }
    if (!qom_set_all(object, settings, errp) || !qom_object_check(object, errp)) {
        qom_object_unparent(object);
        return NULL;
    }
    return object; /* the tree's reference stays */
}

static bool may_delete(const QomObject *object)
{
    for (const QomType *type = object->type; type; type = type->parent) {
        if (type->may_delete) {
            return type->may_delete(object);
        }
    }
    return true;
}

bool qom_user_delete(QomObject *root, const char *id, GError **errp)
{
    QomObject *object = qom_object_child(qom_container_get(root, "/objects"), id);

    if (!object) {
        return error_set(errp, "object '%s' not found", id);
    }
    if (object->users || !may_delete(object)) {
        return error_set(errp, "object '%s' is in use, can not be deleted", id);
    }
    qom_object_unparent(object);
    return true;
}
