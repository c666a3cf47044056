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
        error_hint(
            errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
    }
    return valid;
}

/* What users of QEMU look for and this machine has not. */
static const char *instead_of(const char *name)
{
    static const struct {
        const char *prefix, *hint;
    } absent[] = {
        { "memory-backend-memfd-private",
          "A TD's private memory needs no object of its own: leave this one out" },
        { "sev-", "This machine's confidential guests are TDs: use tdx-guest" },
        { "igvm-cfg", "TDs start from a TDVF image: use -bios" },
        { "iommufd", "There is no device assignment (vfio-pci): a TD's private memory is out of "
                     "reach of devices" },
        { "memory-backend-epc", "There is no SGX in a TD" },
        { "memory-backend-shm", "Use memory-backend-memfd with share=on" },
        { "rng-egd", "Use rng-random or rng-builtin" },
        { "tls-creds-", "Sockets here speak no TLS: use UNIX sockets, or a proxy" },
        { "throttle-group", "Disks are not throttled here: use the cgroup of the process" },
        { "filter-", "There are no network filters" },
        { "input-", "There are no input devices: use a serial console" },
        { "cryptodev-", "There is no virtio-crypto" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(absent); i++) {
        if (g_str_has_prefix(name, absent[i].prefix)) {
            return absent[i].hint;
        }
    }
    return NULL;
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
    const char *instead = instead_of(name);
    if (instead) {
        error_hint(errp, "%s", instead);
    } else if (near) {
        error_hint(errp, "Did you mean '%s'?", near);
    } else {
        error_hint(errp, "Use -object help to list the types");
    }
    return NULL;
}

QomObject *qom_user_create(QomObject *root, const char *type_name, const char *id,
                           const QomSettings *settings, GError **errp)
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
