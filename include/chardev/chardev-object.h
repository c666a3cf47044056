/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chardevs in the tree of objects, at /chardevs/ID, where devices' chardev= finds them. */
#ifndef CHARDEV_CHARDEV_OBJECT_H
#define CHARDEV_CHARDEV_OBJECT_H

#include "chardev/chardev.h"
#include "qom/object.h"

#define CHARDEV_CONTAINER "/chardevs"

typedef struct ChardevObject {
    QomObject object;
    Chardev *chardev; /* borrowed: its maker closes it after all objects that name it are gone */
} ChardevObject;

extern const QomType chardev_type; /* "chardev" */

/* Puts a chardev into the tree. False: the id is taken. */
bool chardev_object_add(QomObject *root, const char *id, Chardev *chardev, GError **errp);
/* The chardev that a link leads to; NULL: it leads nowhere. */
static inline Chardev *chardev_of(const QomLink *link)
{
    return link->target ? ((ChardevObject *)link->target)->chardev : NULL;
}

#endif
