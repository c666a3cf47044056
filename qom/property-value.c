/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each kind of property takes as text and as JSON, and how an instance stores it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qom-internal.h"
#include "util/error.h"
#include "util/units.h"

static const char *const on_off_auto[] = { [QOM_AUTO] = "auto", [QOM_ON] = "on", [QOM_OFF] = "off",
                                           NULL };

/* Integer kinds: the names that messages have, and the bounds. */
static const struct {
    const char *name, *c_name;
    int64_t min;
    uint64_t max;
    unsigned size;
} integers[] = {
    [QOM_UINT8] = { "uint8", "uint8_t", 0, UINT8_MAX, 1 },
    [QOM_UINT16] = { "uint16", "uint16_t", 0, UINT16_MAX, 2 },
    [QOM_UINT32] = { "uint32", "uint32_t", 0, UINT32_MAX, 4 },
    [QOM_UINT64] = { "uint64", "uint64", 0, UINT64_MAX, 8 },
    [QOM_INT32] = { "int32", "int32_t", INT32_MIN, INT32_MAX, 4 },
    [QOM_INT64] = { "int64", "int64", INT64_MIN, INT64_MAX, 8 },
    [QOM_SIZE] = { "size", "size", 0, UINT64_MAX, 8 },
};

static bool is_integer(QomKind kind)
{
    return kind >= QOM_UINT8 && kind <= QOM_SIZE;
}

static bool is_signed(QomKind kind)
{
    return kind == QOM_INT32 || kind == QOM_INT64;
}

static const char *const *enum_values(const QomProperty *property)
{
    return property->kind == QOM_ON_OFF_AUTO ? on_off_auto : property->values;
}

static int enum_index(const char *const *values, const char *text)
{
    for (int i = 0; values[i]; i++) {
        if (!strcmp(values[i], text)) {
            return i;
        }
    }
    return -1;
}

char *qom_property_type_name(const QomProperty *property)
{
    static const char *const names[] = {
        [QOM_BOOL] = "bool", [QOM_STR] = "string", [QOM_ENUM] = "string",
        [QOM_ON_OFF_AUTO] = "OnOffAuto", [QOM_MAC] = "str",
        [QOM_PCI_ADDR] = "str", [QOM_QAPI] = "any",
    };

    if (property->type_name) {
        return g_strdup(property->type_name);
    }
    if (property->kind == QOM_LINK) {
        return g_strdup_printf("link<%s>", property->link_type->name);
    }
    return g_strdup(is_integer(property->kind) ? integers[property->kind].name
                                               : names[property->kind]);
}

/* Text ----------------------------------------------------------------------------------------- */

static bool parse_integer(const QomProperty *property, const char *text, JsonValue **value,
                          GError **errp)
{
    bool negative = *text == '-', is_i = is_signed(property->kind);
    const char *digits = text + negative;
    bool hex = g_ascii_strncasecmp(digits, "0x", 2) == 0;
    char *end = NULL;

    errno = 0;
    uint64_t n = g_ascii_isdigit(*digits) ? g_ascii_strtoull(digits, &end, hex ? 16 : 10) : 0;
    if (!end || errno || *end || (hex && !g_ascii_isxdigit(digits[2])) || (negative && !is_i) ||
        (negative && n > (uint64_t)INT64_MAX + 1)) {
        return error_set(errp, "Parameter '%s' expects %s %s value", property->name,
                         is_i ? "an" : "a", is_i ? "int64" : "uint64");
    }
    *value = negative ? json_object_new_int64((int64_t)-n) : json_object_new_uint64(n);
    return true;
}

static bool parse_size_value(const QomProperty *property, const char *text, JsonValue **value,
                             GError **errp)
{
    uint64_t size;

    if (!parse_size(text, 1, &size)) {
        error_set(errp, "Parameter '%s' expects a non-negative number below 2^64", property->name);
        error_hint(errp,
                   "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
                   "and exabytes, respectively.");
        return false;
    }
    *value = json_object_new_uint64(size);
    return true;
}

/* JSON, or what the schema's type has as a short text form. */
static bool parse_qapi(const QomProperty *property, const char *text, JsonValue **value,
                       GError **errp)
{
    g_autoptr(JsonValue) string = NULL;

    if (*text == '{' || *text == '[') {
        return json_parse(text, strlen(text), value, errp);
    }
    if (!g_utf8_validate(text, -1, NULL)) {
        return error_set(errp, "Parameter '%s' expects text in UTF-8", property->name);
    }
    string = json_object_new_string(text);
    *value = qapi_from_keyval(property->qapi, string, property->name, errp);
    return *value;
}

bool qom_property_parse(const QomProperty *property, const char *text, JsonValue **value,
                        GError **errp)
{
    bool on;

    if (property->parse) {
        return property->parse(property, text, value, errp);
    }
    switch (property->kind) {
    case QOM_BOOL:
        if (!keyval_bool(property->name, text, &on, errp)) {
            return false;
        }
        *value = json_object_new_boolean(on);
        return true;
    case QOM_SIZE:
        return parse_size_value(property, text, value, errp);
    case QOM_QAPI:
        return parse_qapi(property, text, value, errp);
    default:
        if (is_integer(property->kind)) {
            return parse_integer(property, text, value, errp);
        }
        if (!g_utf8_validate(text, -1, NULL)) {
            return error_set(errp, "Parameter '%s' expects text in UTF-8", property->name);
        }
        *value = json_object_new_string(text);
        return true;
    }
}

/* "52:54:00:12:34:56", or with '-'. */
static bool parse_mac(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++, text += 3) {
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]) ||
            (i < 5 ? text[2] != ':' && text[2] != '-' : text[2])) {
            return false;
        }
        mac[i] = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
    }
    return true;
}

/* "SLOT" or "SLOT.FUNCTION", both hexadecimal with or without 0x; "-1" = none chosen. */
static bool parse_pci_addr(const char *text, int32_t *addr)
{
    char *end = NULL;

    if (!strcmp(text, "-1")) {
        *addr = -1;
        return true;
    }
    unsigned long slot = g_ascii_isxdigit(*text) ? strtoul(text, &end, 16) : ULONG_MAX,
                  function = 0;
    if (end && *end == '.') {
        const char *second = end + 1;
        function = g_ascii_isxdigit(*second) ? strtoul(second, &end, 16) : ULONG_MAX;
    }
    if (!end || *end || slot > 31 || function > 7) {
        return false;
    }
    *addr = (int32_t)(slot << 3 | function);
    return true;
}

/* JSON ----------------------------------------------------------------------------------------- */

static bool wrong_type(const QomProperty *property, const char *expected, GError **errp)
{
    return error_set(errp, "Invalid parameter type for '%s', expected: %s", property->name,
                     expected);
}

static bool check_integer(const QomProperty *property, JsonValue *value, GError **errp)
{
    uint64_t u;
    int64_t i = 0;

    if (!json_object_is_type(value, json_type_int)) {
        return wrong_type(property, "integer", errp);
    }
    bool fits = json_value_u64(value, &u)
                    ? u <= integers[property->kind].max
                    : json_value_i64(value, &i) && i >= integers[property->kind].min;
    return fits || error_set(errp, "Parameter '%s' expects %s", property->name,
                             integers[property->kind].c_name);
}

static bool check_enum(const QomProperty *property, const char *text, GError **errp)
{
    const char *const *values = enum_values(property);

    if (enum_index(values, text) >= 0) {
        return true;
    }
    g_autofree char *all = g_strjoinv(", ", (char **)values);
    error_set(errp, "Parameter '%s' does not accept value '%s'", property->name, text);
    error_hint(errp, "It takes one of: %s", all);
    return false;
}

static bool check_pci_addr(const QomProperty *property, JsonValue *value, GError **errp)
{
    uint64_t number;
    int32_t addr;

    if (json_object_is_type(value, json_type_int)) {
        return (json_value_u64(value, &number) && number <= 255) ||
               error_set(errp, "Parameter '%s' expects a number up to 255: slot * 8 + function",
                         property->name);
    }
    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(property, "string", errp);
    }
    return parse_pci_addr(json_object_get_string(value), &addr) ||
           error_set(
               errp,
               "Parameter '%s' expects SLOT or SLOT.FUNCTION in hexadecimal (up to 1f.7), not '%s'",
               property->name, json_object_get_string(value));
}

bool qom_value_check(const QomProperty *property, JsonValue *value, GError **errp)
{
    uint8_t mac[6];

    if (property->kind == QOM_BOOL) {
        return json_object_is_type(value, json_type_boolean) ||
               wrong_type(property, "boolean", errp);
    }
    if (is_integer(property->kind)) {
        return check_integer(property, value, errp);
    }
    if (property->kind == QOM_QAPI) {
        return qapi_check(property->qapi, value, property->name, errp);
    }
    if (property->kind == QOM_PCI_ADDR) {
        return check_pci_addr(property, value, errp);
    }
    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(property, "string", errp);
    }
    const char *text = json_object_get_string(value);
    if (property->kind == QOM_MAC && !parse_mac(text, mac)) {
        return error_set(
            errp, "Parameter '%s' expects an Ethernet address such as 52:54:00:12:34:56, not '%s'",
            property->name, text);
    }
    return (property->kind != QOM_ENUM && property->kind != QOM_ON_OFF_AUTO) ||
           check_enum(property, text, errp);
}

/* Storage -------------------------------------------------------------------------------------- */

static void store_integer(const QomProperty *property, void *field, JsonValue *value)
{
    uint64_t u = 0;
    int64_t i = 0;

    if (!json_value_u64(value, &u)) {
        json_value_i64(value, &i);
        u = (uint64_t)i;
    }
    switch (integers[property->kind].size) {
    case 1:
        *(uint8_t *)field = (uint8_t)u;
        break;
    case 2:
        *(uint16_t *)field = (uint16_t)u;
        break;
    case 4:
        *(uint32_t *)field = (uint32_t)u;
        break;
    default:
        *(uint64_t *)field = u;
    }
}

static JsonValue *load_integer(QomKind kind, const void *field)
{
    switch (kind) {
    case QOM_UINT8:
        return json_object_new_uint64(*(const uint8_t *)field);
    case QOM_UINT16:
        return json_object_new_uint64(*(const uint16_t *)field);
    case QOM_UINT32:
        return json_object_new_uint64(*(const uint32_t *)field);
    case QOM_INT32:
        return json_object_new_int64(*(const int32_t *)field);
    case QOM_INT64:
        return json_object_new_int64(*(const int64_t *)field);
    default:
        return json_object_new_uint64(*(const uint64_t *)field);
    }
}

void qom_value_store(const QomProperty *property, void *field, JsonValue *value)
{
    const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value)
                                                                    : "";

    if (is_integer(property->kind)) {
        store_integer(property, field, value);
        return;
    }
    switch (property->kind) {
    case QOM_BOOL:
        *(bool *)field = json_object_get_boolean(value);
        break;
    case QOM_ENUM:
    case QOM_ON_OFF_AUTO:
        *(int *)field = enum_index(enum_values(property), text);
        break;
    case QOM_MAC:
        parse_mac(text, field);
        break;
    case QOM_PCI_ADDR:
        if (json_object_is_type(value, json_type_int)) {
            *(int32_t *)field = json_object_get_int(value);
        } else {
            parse_pci_addr(text, field);
        }
        break;
    case QOM_LINK:
        qom_value_clear(property, field);
        ((QomLink *)field)->name = *text ? g_strdup(text) : NULL;
        break;
    case QOM_QAPI:
        json_object_get(value);
        qom_value_clear(property, field);
        *(JsonValue **)field = value;
        break;
    default:
        qom_value_clear(property, field);
        *(char **)field = g_strdup(text);
    }
}

static JsonValue *load_pci_addr(int32_t addr)
{
    g_autofree char *text = addr < 0 ? g_strdup("-1")
                                     : g_strdup_printf("%02x.%x", addr >> 3, addr & 7);

    return json_object_new_string(text);
}

static JsonValue *load_mac(const uint8_t mac[6])
{
    static const uint8_t none[6];
    g_autofree char *text = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                                            mac[3], mac[4], mac[5]);

    return json_object_new_string(memcmp(mac, none, sizeof(none)) ? text : "");
}

static JsonValue *load_link(const QomLink *link)
{
    g_autofree char *path = link->target ? qom_object_path(link->target) : g_strdup(link->name);

    return json_object_new_string(path ? path : "");
}

JsonValue *qom_value_load(const QomProperty *property, void *field)
{
    const char *text;

    if (is_integer(property->kind)) {
        return load_integer(property->kind, field);
    }
    switch (property->kind) {
    case QOM_BOOL:
        return json_object_new_boolean(*(bool *)field);
    case QOM_ENUM:
    case QOM_ON_OFF_AUTO:
        return json_object_new_string(enum_values(property)[*(int *)field]);
    case QOM_MAC:
        return load_mac(field);
    case QOM_PCI_ADDR:
        return load_pci_addr(*(int32_t *)field);
    case QOM_LINK:
        return load_link(field);
    case QOM_QAPI:
        return json_object_get(*(JsonValue **)field);
    default:
        text = *(char **)field;
        return json_object_new_string(text ? text : "");
    }
}

void qom_value_clear(const QomProperty *property, void *field)
{
    if (property->kind == QOM_STR) {
        g_clear_pointer((char **)field, g_free);
    } else if (property->kind == QOM_QAPI) {
        json_object_put(*(JsonValue **)field);
        *(JsonValue **)field = NULL;
    } else if (property->kind == QOM_LINK) {
        qom_link_set(field, NULL);
    }
}

void qom_link_set(QomLink *link, QomObject *target)
{
    QomObject *old = link->target;

    if (target) {
        qom_object_ref(target);
        target->users++;
    }
    link->target = target;
    if (old) {
        old->users--;
        qom_object_unref(old);
    }
    g_free(link->name);
    link->name = target ? g_strdup(target->name) : NULL;
}

char *qom_value_text(JsonValue *value)
{
    if (json_object_is_type(value, json_type_string)) {
        return g_strdup(json_object_get_string(value));
    }
    return json_format(value);
}
