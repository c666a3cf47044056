/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dotted keys to the JSON value they stand for: "a.b=1,a.c.0=2" is {"a": {"b": "1", "c": ["2"]}}.
 */
#include <string.h>

#include "util/error.h"
#include "util/keyval.h"

#define MAX_FRAGMENT 127 /* QEMU's bound on one name between dots */

/* A name, or an index without superfluous zeroes. */
static bool valid_fragment(const char *text, size_t length)
{
    if (length == 0 || length > MAX_FRAGMENT) {
        return false;
    }
    if (g_ascii_isdigit(*text)) {
        return strspn(text, "0123456789") >= length && (*text != '0' || length == 1);
    }
    for (size_t i = 0; i < length; i++) {
        if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_') {
            return false;
        }
    }
    return true;
}

/* Puts value where key leads from root, making objects on the way. */
static bool put(JsonValue *root, const char *key, const char *value, GError **errp)
{
    const char *at = key;

    for (unsigned depth = 1;; depth++) {
        size_t length = strcspn(at, ".");
        JsonValue *member = NULL;

        if (!valid_fragment(at, length) || (at == key && g_ascii_isdigit(*at)) ||
            depth == JSON_MAX_DEPTH) {
            return error_set(errp, "Invalid parameter '%s'", key);
        }
        g_autofree char *fragment = g_strndup(at, length);
        bool there = json_object_object_get_ex(root, fragment, &member), last = !at[length];
        if (there && json_object_is_type(member, json_type_object) == last) {
            return error_set(errp, "Parameters '%.*s.*' used inconsistently",
                             (int)(at + length - key), key);
        }
        if (last) {
            /* a later one wins */
            json_object_object_add(root, fragment, json_object_new_string(value));
            return true;
        }
        if (!there) {
            member = json_object_new_object();
            json_object_object_add(root, fragment, member);
        }
        root = member;
        at += length + 1;
    }
}

static bool to_lists(JsonValue **value, const char *prefix, GError **errp);

static bool make_list(JsonValue **value, const char *prefix, GError **errp)
{
    g_autoptr(JsonValue) list = json_object_new_array();
    int size = json_object_object_length(*value);

    for (int i = 0; i < size; i++) {
        g_autofree char *index = g_strdup_printf("%d", i);
        JsonValue *element;

        if (!json_object_object_get_ex(*value, index, &element)) {
            return error_set(errp, "Parameter '%s.%d' missing", prefix, i);
        }
        json_object_array_add(list, json_object_get(element));
    }
    json_object_put(*value);
    *value = g_steal_pointer(&list);
    return true;
}

/*
 * Objects whose keys are indices become arrays, from the inside out. *value is owned by the caller
 * before and after.
 */
static bool to_lists(JsonValue **value, const char *prefix, GError **errp)
{
    int indices = 0, names = 0;
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);

    if (!json_object_is_type(*value, json_type_object)) {
        return true;
    }
    json_object_object_foreach(*value, key, member) {
        (void)member;
        g_ptr_array_add(keys, g_strdup(key));
        *(g_ascii_isdigit(*key) ? &indices : &names) += 1;
    }
    for (unsigned i = 0; i < keys->len; i++) {
        const char *name = g_ptr_array_index(keys, i);
        g_autofree char *full = *prefix ? g_strconcat(prefix, ".", name, NULL) : g_strdup(name);
        JsonValue *child = json_object_get(json_object_object_get(*value, name));
        bool ok = to_lists(&child, full, errp);

        json_object_object_add(*value, name, child);
        if (!ok) {
            return false;
        }
    }
    if (indices && names) {
        return error_set(errp, "Parameters '%s.*' used inconsistently", prefix);
    }
    return !indices || make_list(value, prefix, errp);
}

JsonValue *keyval_to_json(const KeyVal *kv, GError **errp)
{
    g_autoptr(JsonValue) root = json_object_new_object();

    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);

        if (!put(root, pair->key, pair->value, errp)) {
            return NULL;
        }
    }
    return to_lists(&root, "", errp) ? g_steal_pointer(&root) : NULL;
}
