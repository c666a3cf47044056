/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object TYPE,id=ID,PROP=VALUE,… */
#include <string.h>

#include "system/options.h"
#include "util/error.h"
#include "util/keyval.h"

char *object_help(void)
{
    return g_strdup("List of user creatable objects:\n  tdx-guest\n");
}

char *tdx_guest_help(void)
{
    GString *text = g_string_new("tdx-guest options:\n");

    for (const char *const *row = tdx_guest_config_help(); *row; row++) {
        g_auto(GStrv) field = g_strsplit(*row, "\t", 4);
        g_autofree char *head = g_strdup_printf("%s=<%s>", field[0], field[1] ? field[1] : "");
        g_string_append_printf(text, "  %-24s - %s", head, field[1] && field[2] ? field[2] : "");
        if (g_strv_length(field) == 4 && *field[3]) {
            g_string_append_printf(text, " (default: %s)", field[3]);
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

static bool valid_id(const char *id)
{
    if (!g_ascii_isalpha(*id)) {
        return false;
    }
    for (; *id; id++) {
        if (!g_ascii_isalnum(*id) && !strchr("-._", *id)) {
            return false;
        }
    }
    return true;
}

static bool check_type(const char *type, GError **errp)
{
    if (type && !strcmp(type, "tdx-guest")) {
        return true;
    }
    if (!type) {
        return error_set(errp, "Parameter 'qom-type' is missing");
    }
    error_set(errp, "Parameter 'qom-type' does not accept value '%s'", type);
    if (!strcmp(type, "memory-backend-memfd-private")) {
        error_hint(errp, "A TD's private memory needs no object of its own: leave this one out");
    } else {
        error_hint(errp, "Use -object help to list the types");
    }
    return false;
}

static bool check_id(const MachineConfig *config, const char *id, GError **errp)
{
    if (!id) {
        return error_set(errp, "Parameter 'id' is missing");
    }
    if (!valid_id(id)) {
        error_set(errp, "Parameter 'id' expects an identifier");
        error_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
        return false;
    }
    for (unsigned i = 0; i < config->guests->len; i++) {
        const TdxGuestConfig *other = g_ptr_array_index(config->guests, i);
        if (!strcmp(other->id, id)) {
            return error_set(errp, "Duplicate ID '%s' for object", id);
        }
    }
    return true;
}

/* A member's value as the text that the setters take; the schema has checked its type. */
static char *member_text(JsonValue *value)
{
    if (json_object_is_type(value, json_type_boolean)) {
        return g_strdup(json_object_get_boolean(value) ? "on" : "off");
    }
    return json_object_is_type(value, json_type_string) ? g_strdup(json_object_get_string(value)) : json_format(value);
}

/* {"qom-type": TYPE, "id": ID, …}: types are as strict as the schema says, then the setters are the same. */
static KeyVal *object_from_json(const char *text, GError **errp)
{
    g_autoptr(JsonValue) object = NULL;

    if (!json_parse(text, strlen(text), &object, errp)) {
        return NULL;
    }
    const char *type = json_member_string(object, "qom-type");
    if (json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, "quote-generation-socket", NULL)) {
        /* Not in the schema; the setter says why, and what to do */
        tdx_guest_config_set(NULL, "quote-generation-socket", "", errp);
        return NULL;
    }
    if ((type && !check_type(type, errp)) || !qapi_check(&qapi_ObjectOptions, object, NULL, errp)) {
        return NULL;
    }
    g_autoptr(KeyVal) kv = keyval_parse("", NULL, errp);
    json_object_object_foreach(object, key, value) {
        KeyValPair pair = { g_strdup(key), member_text(value) };
        g_array_append_val(kv->pairs, pair);
    }
    return g_steal_pointer(&kv);
}

bool option_object(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = *text == '{' ? object_from_json(text, errp) : keyval_parse(text, "qom-type", errp);

    if (!kv || !check_type(keyval_get(kv, "qom-type"), errp) || !check_id(config, keyval_get(kv, "id"), errp)) {
        return false;
    }
    g_autoptr(TdxGuestConfig) guest = tdx_guest_config_new(keyval_get(kv, "id"));
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        if (strcmp(pair->key, "qom-type") && strcmp(pair->key, "id") &&
            !tdx_guest_config_set(guest, pair->key, pair->value, errp)) {
            return false;
        }
    }
    if (!tdx_guest_config_complete(guest, errp)) {
        return false;
    }
    g_ptr_array_add(config->guests, g_steal_pointer(&guest));
    return true;
}
