/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options as values of the schema: what stands as text in KEY=VALUE becomes what the schema says it
 * is.
 */
#include <errno.h>
#include <string.h>

#include "qapi-types.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/socket.h"
#include "util/units.h"

static bool convert(const QapiType *type, JsonValue *text, const char *name, JsonValue **result,
                    GError **errp);

/* Decimal, 0x hexadecimal or, with a leading 0, octal, as C and QEMU read numbers. */
static bool parse_unsigned(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &end, 0) : 0;
    return g_ascii_isdigit(*text) && !errno && !*end;
}

static bool parse_signed(const char *text, int64_t *value)
{
    const char *digits = *text == '-' || *text == '+' ? text + 1 : text;
    char *end;

    errno = 0;
    *value = g_ascii_isdigit(*digits) ? g_ascii_strtoll(text, &end, 0) : 0;
    return g_ascii_isdigit(*digits) && !errno && !*end;
}

static bool convert_integer(const QapiType *type, const char *text, const char *name,
                            JsonValue **result, GError **errp)
{
    uint64_t u = 0;
    int64_t i = 0;

    if (!strcmp(type->name, "size")) {
        if (!parse_size(text, 1, &u)) {
            error_set(errp, "Parameter '%s' expects a size, not '%s'", name, text);
            error_hint(errp, "You may use k, M, G, T, P or E suffixes for kilobytes, megabytes, "
                             "gigabytes, terabytes, petabytes and exabytes");
            return false;
        }
        *result = json_object_new_uint64(u);
    } else if (type->min == 0) {
        if (!parse_unsigned(text, &u)) {
            return error_set(errp, "Parameter '%s' expects a %s value", name, type->name);
        }
        *result = json_object_new_uint64(u);
    } else {
        if (!parse_signed(text, &i)) {
            return error_set(errp, "Parameter '%s' expects an integer, not '%s'", name, text);
        }
        *result = json_object_new_int64(i);
    }
    return true;
}

static bool convert_number(const char *text, const char *name, JsonValue **result, GError **errp)
{
    char *end;
    double value = g_ascii_strtod(text, &end);

    if (end == text || *end || !(value - value == 0)) {
        return error_set(errp, "Parameter '%s' expects a number, not '%s'", name, text);
    }
    *result = json_object_new_double(value);
    return true;
}

static bool convert_array(const QapiType *type, JsonValue *text, const char *name,
                          JsonValue **result, GError **errp)
{
    if (!json_object_is_type(text, json_type_array)) {
        error_set(errp, "Parameter '%s' expects a list", name);
        error_hint(errp, "Write %s.0=VALUE,%s.1=VALUE", name, name);
        return false;
    }
    *result = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(text); i++) {
        g_autofree char *element = g_strdup_printf("%s.%zu", name, i);
        JsonValue *value = NULL;

        if (!convert(type->element, json_object_array_get_idx(text, i), element, &value, errp)) {
            return false;
        }
        json_object_array_add(*result, value);
    }
    return true;
}

static const QapiType *member_type(const QapiType *type, const QapiType *variant, const char *name)
{
    const QapiType *from[] = { type, variant };

    for (unsigned i = 0; i < G_N_ELEMENTS(from); i++) {
        for (const QapiMember *m = from[i] ? from[i]->members : NULL; m && m->name; m++) {
            if (!strcmp(m->name, name)) {
                return m->type;
            }
        }
    }
    return NULL;
}

static bool convert_object(const QapiType *type, JsonValue *text, const char *name,
                           JsonValue **result, GError **errp)
{
    const QapiType *variant = qapi_variant(type, text);

    if (json_object_is_type(text, json_type_string) && type &&
        type->members == qapi_SocketAddress.members) {
        g_autoptr(GError) err = NULL;
        g_autoptr(SocketAddress) address = socket_address_parse(json_object_get_string(text), &err);

        *result = address ? socket_address_to_json(address) : NULL;
        return address ||
               error_set(errp, "Parameter '%s': %s", name ? name : "address", err->message);
    }
    if (!json_object_is_type(text, json_type_object)) {
        error_set(errp, "Parameter '%s' expects members of its own", name ? name : "arguments");
        error_hint(errp, "Write %s.MEMBER=VALUE for each", name);
        return false;
    }
    *result = json_object_new_object();
    json_object_object_foreach(text, key, member) {
        g_autofree char *full = name ? g_strdup_printf("%s.%s", name, key) : g_strdup(key);
        const QapiType *known = member_type(type, variant, key);
        JsonValue *value = NULL;

        /* qapi_check() tells of it, with everything else that is wrong with the object */
        if (!known) {
            value = json_object_get(member);
        } else if (!convert(known, member, full, &value, errp)) {
            return false;
        }
        json_object_object_add(*result, key, value);
    }
    return true;
}

static bool convert(const QapiType *type, JsonValue *text, const char *name, JsonValue **result,
                    GError **errp)
{
    const char *string = json_object_is_type(text, json_type_string) ? json_object_get_string(text)
                                                                     : NULL;
    bool on, ok = true;

    *result = NULL;
    switch (type ? type->kind : QAPI_OBJECT) {
    case QAPI_ARRAY:
        ok = convert_array(type, text, name, result, errp);
        break;
    case QAPI_OBJECT:
        ok = convert_object(type, text, name, result, errp);
        break;
    case QAPI_ANY:
        *result = json_object_get(text);
        break;
    default:
        if (!string) {
            return error_set(errp, "Parameters '%s.*' are unexpected", name);
        }
        switch (type->kind) {
        case QAPI_BOOL:
            ok = keyval_bool(name, string, &on, errp);
            *result = ok ? json_object_new_boolean(on) : NULL;
            break;
        case QAPI_INT:
            ok = convert_integer(type, string, name, result, errp);
            break;
        case QAPI_NUMBER:
            ok = convert_number(string, name, result, errp);
            break;
        case QAPI_NULL:
            ok = !*string || error_set(errp, "Parameter '%s' expects an empty value", name);
            break;
        default: /* strings and names of enumerations */
            *result = json_object_get(text);
            break;
        }
    }
    if (!ok) {
        json_object_put(*result);
        *result = NULL;
    }
    return ok;
}

JsonValue *qapi_from_keyval(const QapiType *type, JsonValue *text, const char *name, GError **errp)
{
    JsonValue *result = NULL;

    return convert(type, text, name, &result, errp) ? result : NULL;
}
