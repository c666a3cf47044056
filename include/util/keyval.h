/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "KEY=VALUE,KEY=VALUE" lists as options have them: ',,' is a comma in a value, the first element
 * may leave out the implied key. Pure.
 */
#ifndef UTIL_KEYVAL_H
#define UTIL_KEYVAL_H

#include <glib.h>
#include <stdbool.h>

#include "util/json.h"
#include "util/names.h"

typedef struct KeyValPair {
    char *key, *value;
} KeyValPair;

typedef struct KeyVal {
    GArray *pairs; /* of KeyValPair, in the order given */
    bool help;     /* "help" or "?" stood as an element of its own */
} KeyVal;

/* implied may be NULL. An element without '=' elsewhere is an error, but for "help". */
KeyVal *keyval_parse(const char *text, const char *implied, GError **errp);
void keyval_free(KeyVal *kv);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeyVal, keyval_free)

/*
 * The JSON object that dotted keys stand for, its leaves strings: "a.b=1,a.c.0=2" is {"a": {"b":
 * "1", "c": ["2"]}}. Where a key is given twice the last one holds. Errors: a key that is no name,
 * one that is both value and object, lists with holes. Caller puts. (qapi_from_keyval() makes the
 * strings what a schema says they are.)
 */
JsonValue *keyval_to_json(const KeyVal *kv, GError **errp);
/* The pairs whose key is `name` or begins with "NAME.". */
KeyVal *keyval_under(const KeyVal *kv, const char *name);
/* The last value given for a key, or NULL. */
const char *keyval_get(const KeyVal *kv, const char *key);
/*
 * No key stands there with two values that mean different things. False: "Parameter 'KEY' is given
 * as 'A' and as 'B'".
 */
bool keyval_check_repeats(const KeyVal *kv, GError **errp);
/* on, yes, true, y / off, no, false, n. False: "Parameter 'KEY' expects 'on' or 'off'". */
bool keyval_bool(const char *key, const char *value, bool *result, GError **errp);
#endif
