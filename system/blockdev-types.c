/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of what -blockdev and blockdev-add are given, before it is looked at. */
#include <string.h>

#include "drive-option.h"
#include "util/error.h"

typedef struct MemberType {
    const char *name;
    json_type type;
    const char *expected;
} MemberType;

/* JSON is strict about types; of a list of keys all values are text. */
static bool check_types(JsonValue *object, const MemberType *types, const char *prefix, bool strict,
                        GError **errp)
{
    JsonValue *value;

    for (; types->name; types++) {
        json_type wanted = types->type == json_type_boolean && !strict ? json_type_string
                                                                       : types->type;
        if (json_object_object_get_ex(object, types->name, &value) &&
            !json_object_is_type(value, wanted)) {
            return error_set(errp, "Invalid parameter type for '%s%s', expected: %s", prefix,
                             types->name, types->expected);
        }
    }
    return true;
}

bool blockdev_types_check(JsonValue *object, bool strict, GError **errp)
{
    static const MemberType types[] = {
        { "driver", json_type_string, "string" },
        { "node-name", json_type_string, "string" },
        { "filename", json_type_string, "string" },
        { "discard", json_type_string, "string" },
        { "detect-zeroes", json_type_string, "string" },
        { "aio", json_type_string, "string" },
        { "locking", json_type_string, "string" },
        { "read-only", json_type_boolean, "boolean" },
        { "auto-read-only", json_type_boolean, "boolean" },
        { "force-share", json_type_boolean, "boolean" },
        { "cache", json_type_object, "object" },
        { NULL },
    };
    static const MemberType of_cache[] = {
        { "direct", json_type_boolean, "boolean" },
        { "no-flush", json_type_boolean, "boolean" },
        { NULL },
    };
    JsonValue *cache;

    if (!check_types(object, types, "", strict, errp)) {
        return false;
    }
    if (!json_object_object_get_ex(object, "cache", &cache)) {
        return true;
    }
    json_object_object_foreach(cache, key, value) {
        (void)value;
        if (strcmp(key, "direct") && strcmp(key, "no-flush")) {
            return error_set(errp, "Parameter 'cache.%s' is unexpected", key);
        }
    }
    return check_types(cache, of_cache, "cache.", strict, errp);
}
