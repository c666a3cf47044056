/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -smbios type=N,FIELD=VALUE,… */
#include <string.h>

#include "smbios-internal.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/names.h"

/* Fields of each type that can be given; the names are QEMU's. */
static const struct {
    unsigned type;
    const char *fields[12];
} known[] = {
    { 0, { "vendor", "version", "date", "release", "uefi" } },
    { 1, { "manufacturer", "product", "version", "serial", "uuid", "sku", "family" } },
    { 2, { "manufacturer", "product", "version", "serial", "asset", "location" } },
    { 3, { "manufacturer", "version", "serial", "asset", "sku" } },
    { 4, { "sock_pfx", "manufacturer", "version", "serial", "asset", "part", "max-speed",
           "current-speed" } },
    { 11, { "value" } },
    { 17, { "loc_pfx", "bank", "manufacturer", "serial", "asset", "part", "speed" } },
};

SmbiosOptions *smbios_options_new(void)
{
    SmbiosOptions *options = g_new0(SmbiosOptions, 1);

    options->fields = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    options->strings = g_ptr_array_new_with_free_func(g_free);
    return options;
}

void smbios_options_free(SmbiosOptions *options)
{
    if (options) {
        g_hash_table_unref(options->fields);
        g_ptr_array_unref(options->strings);
        g_free(options);
    }
}

const char *smbios_field(const SmbiosOptions *options, unsigned type, const char *field,
                         const char *otherwise)
{
    g_autofree char *key = g_strdup_printf("%u.%s", type, field);
    const char *value = options ? g_hash_table_lookup(options->fields, key) : NULL;

    return value ? value : otherwise;
}

bool smbios_has_type(const SmbiosOptions *options, unsigned type)
{
    for (unsigned i = 0; options && i < G_N_ELEMENTS(known); i++) {
        for (const char *const *field = known[i].fields; known[i].type == type && *field; field++) {
            if (smbios_field(options, type, *field, NULL)) {
                return true;
            }
        }
    }
    return false;
}

static const char *const *find_type(const char *text, unsigned *type, GError **errp)
{
    guint64 number;

    if (g_ascii_string_to_unsigned(text, 10, 0, 255, &number, NULL)) {
        for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
            if (known[i].type == number) {
                *type = known[i].type;
                return known[i].fields;
            }
        }
    }
    error_set(errp, "Parameter 'type' does not accept value '%s'", text);
    error_hint(errp, "Types whose fields can be given: 0, 1, 2, 3, 4, 11, 17");
    return NULL;
}

static bool check_release(const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ".", -1);
    guint64 number;

    return g_strv_length(parts) == 2 &&
           g_ascii_string_to_unsigned(parts[0], 10, 0, 255, &number, NULL) &&
           g_ascii_string_to_unsigned(parts[1], 10, 0, 255, &number, NULL);
}

static bool check_value(unsigned type, const char *field, const char *value, GError **errp)
{
    guint64 number;
    bool on;

    if (!strcmp(field, "uuid") && !g_uuid_string_is_valid(value)) {
        return error_set(errp, "Parameter 'uuid' expects a UUID, not '%s'", value);
    }
    if (!strcmp(field, "release") && !check_release(value)) {
        return error_set(errp,
                         "Parameter 'release' expects MAJOR.MINOR, each from 0 to 255, not '%s'",
                         value);
    }
    if (!strcmp(field, "uefi")) {
        return keyval_bool(field, value, &on, errp);
    }
    if ((strstr(field, "speed")) &&
        !g_ascii_string_to_unsigned(value, 10, 0, 65535, &number, NULL)) {
        return error_set(errp, "Parameter '%s' expects MHz from 0 to 65535, not '%s'", field,
                         value);
    }
    return true;
}

static bool set_field(SmbiosOptions *options, unsigned type, const char *const *fields,
                      const KeyValPair *pair, GError **errp)
{
    if (!g_strv_contains(fields, pair->key)) {
        error_set(errp, "Invalid parameter '%s' for type %u", pair->key, type);
        error_hint_names(errp, pair->key, fields);
        return false;
    }
    if (!check_value(type, pair->key, pair->value, errp)) {
        return false;
    }
    if (type == 11) {
        g_ptr_array_add(options->strings, g_strdup(pair->value));
    } else {
        g_hash_table_insert(options->fields, g_strdup_printf("%u.%s", type, pair->key),
                            g_strdup(pair->value));
    }
    return true;
}

bool smbios_options_set(SmbiosOptions *options, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);
    unsigned type = 0;

    if (!kv) {
        return false;
    }
    if (keyval_get(kv, "file")) {
        error_set(errp,
                  "Parameter 'file' is not supported: tables are made from the fields of type=N");
        return false;
    }
    const char *given = keyval_get(kv, "type");
    const char *const *fields = given ? find_type(given, &type, errp) : NULL;
    if (!fields) {
        return given ? false : error_set(errp, "Parameter 'type' is missing");
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        if (strcmp(pair->key, "type") && !set_field(options, type, fields, pair, errp)) {
            return false;
        }
    }
    return true;
}
