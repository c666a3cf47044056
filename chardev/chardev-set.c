/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All chardevs of a program, by id. */
#include <string.h>

#include "chardev-internal.h"
#include "util/error.h"

struct ChardevSet {
    ChardevHost host;
    GPtrArray *chardevs; /* of Chardev, in the order they were made */
};

ChardevSet *chardev_set_new(const ChardevHost *host)
{
    ChardevSet *set = g_new0(ChardevSet, 1);

    set->host = *host;
    set->chardevs = g_ptr_array_new_with_free_func((GDestroyNotify)chardev_close);
    return set;
}

void chardev_set_free(ChardevSet *set)
{
    if (set) {
        g_ptr_array_unref(set->chardevs);
        g_free(set);
    }
}

Chardev *chardev_set_find(const ChardevSet *set, const char *id)
{
    for (unsigned i = 0; i < set->chardevs->len; i++) {
        Chardev *chardev = g_ptr_array_index(set->chardevs, i);

        if (!strcmp(chardev_label(chardev), id)) {
            return chardev;
        }
    }
    return NULL;
}

Chardev *chardev_set_add(ChardevSet *set, const ChardevConfig *config, GError **errp)
{
    if (chardev_set_find(set, config->id)) {
        error_set(errp, "Duplicate ID '%s' for chardev", config->id);
        return NULL;
    }
    Chardev *chardev = chardev_new(config, &set->host, errp);
    if (chardev) {
        g_ptr_array_add(set->chardevs, chardev);
    }
    return chardev;
}

bool chardev_set_remove(ChardevSet *set, const char *id, GError **errp)
{
    Chardev *chardev = chardev_set_find(set, id);

    if (!chardev) {
        return error_set(errp, "Chardev '%s' not found", id);
    }
    if (chardev_in_use(chardev)) {
        return error_set(errp, "Chardev '%s' is busy", id);
    }
    g_ptr_array_remove(set->chardevs, chardev);
    return true;
}

Chardev *chardev_set_replace(ChardevSet *set, const ChardevConfig *config, GError **errp)
{
    Chardev *former = chardev_set_find(set, config->id);
    guint i;

    if (!former || !g_ptr_array_find(set->chardevs, former, &i)) {
        error_set(errp, "Chardev '%s' not found", config->id);
        return NULL;
    }
    if (chardev_is_mux(former)) {
        error_set(errp, "Mux device hotswap not supported yet");
        return NULL;
    }
    if (!chardev_may_move(former)) {
        error_set(errp, "Chardev user does not support chardev hotswap");
        return NULL;
    }
    Chardev *chardev = chardev_new(config, &set->host, errp);
    if (chardev) {
        chardev_move(former, chardev);
        set->chardevs->pdata[i] = chardev;
        chardev_close(former);
    }
    return chardev;
}

unsigned chardev_set_size(const ChardevSet *set)
{
    return set->chardevs->len;
}

Chardev *chardev_set_at(const ChardevSet *set, unsigned i)
{
    return g_ptr_array_index(set->chardevs, i);
}
