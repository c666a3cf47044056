/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chardevs as objects that others name. */
#include "chardev/chardev-object.h"

const QomType chardev_type = { .name = "chardev", .parent = &qom_object_type,
                               .size = sizeof(ChardevObject) };

bool chardev_object_add(QomObject *root, const char *id, Chardev *chardev, GError **errp)
{
    g_autoptr(QomObject) object = qom_object_new(&chardev_type);

    ((ChardevObject *)object)->chardev = chardev;
    return qom_object_complete(object, errp) &&
           qom_object_add_child(qom_container_get(root, CHARDEV_CONTAINER), id, object, errp);
}
