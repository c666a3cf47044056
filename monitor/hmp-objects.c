/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands for people that make, show and change objects; and those that ask for what this machine
 * has not.
 */
#include <string.h>

#include "hmp-objects.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

static void show_error(const GError *err, GString *out)
{
    g_string_append_printf(out, "Error: %s\n", err->message);
}

/* Runs a QMP command whose arguments are strings: names and values, as many as there are words. */
static JsonValue *run_strings(QapiContext *context, QapiCommandFn *command,
                              const char *const *names, char **values, GString *out)
{
    g_autoptr(JsonValue) arguments = json_object_new_object();
    g_autoptr(GError) err = NULL;
    JsonValue *result = NULL;

    for (unsigned i = 0; names[i]; i++) {
        json_object_object_add(arguments, names[i], json_object_new_string(values[i]));
    }
    if (!command(context, arguments, &result, &err)) {
        show_error(err, out);
    }
    return result;
}

/*
 * As many words as names, or a word on what is missing: NULL. The last takes the rest of the line.
 * Caller frees.
 */
static char **words(const char *arguments, const char *const *names, GString *out)
{
    unsigned count = g_strv_length((char **)names);
    g_auto(GStrv) list = g_strsplit(arguments, " ", (int)count);

    for (unsigned i = 0; i < count; i++) {
        if (i >= g_strv_length(list) || !*list[i]) {
            g_string_append_printf(out, "Error: '%s' is missing\n", names[i]);
            return NULL;
        }
    }
    return g_steal_pointer(&list);
}

static JsonValue *run_words(QapiContext *context, QapiCommandFn *command, const char *const *names,
                            const char *arguments, GString *out)
{
    g_auto(GStrv) values = words(arguments, names, out);

    return values ? run_strings(context, command, names, values, out) : NULL;
}

static const char *const id_alone[] = { "id", NULL };

void hmp_device_add(QapiContext *context, const char *arguments, GString *out)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(arguments, "driver", &err);

    if (!kv || !monitor_device_add(context, &(QomSettings){ .keyval = kv, .is_device = true },
                                   &err)) {
        show_error(err, out);
    }
}

void hmp_device_del(QapiContext *context, const char *arguments, GString *out)
{
    json_object_put(run_words(context, qmp_device_del, id_alone, arguments, out));
}

void hmp_object_add(QapiContext *context, const char *arguments, GString *out)
{
    static const char *const skip[] = { "qom-type", "id", NULL };
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(arguments, "qom-type", &err);

    if (!kv || !monitor_object_add(context, keyval_get(kv, "qom-type"), keyval_get(kv, "id"),
                                   &(QomSettings){ .keyval = kv, .skip = skip }, &err)) {
        show_error(err, out);
    }
}

void hmp_object_del(QapiContext *context, const char *arguments, GString *out)
{
    json_object_put(run_words(context, qmp_object_del, id_alone, arguments, out));
}

void hmp_netdev_del(QapiContext *context, const char *arguments, GString *out)
{
    json_object_put(run_words(context, qmp_netdev_del, id_alone, arguments, out));
}

void hmp_set_link(QapiContext *context, const char *arguments, GString *out)
{
    static const char *const names[] = { "name", "up", NULL };
    g_auto(GStrv) values = words(arguments, names, out);
    g_autoptr(JsonValue) given = json_object_new_object(), result = NULL;
    g_autoptr(GError) err = NULL;
    bool up;

    if (!values) {
        return;
    }
    if (keyval_bool("up", values[1], &up, &err)) {
        json_object_object_add(given, "name", json_object_new_string(values[0]));
        json_object_object_add(given, "up", json_object_new_boolean(up));
        qmp_set_link(context, given, &result, &err);
    }
    if (err) {
        show_error(err, out);
    }
}

void hmp_qom_list(QapiContext *context, const char *arguments, GString *out)
{
    static const char *const names[] = { "path", NULL };
    g_autoptr(JsonValue)
        list = run_words(context, qmp_qom_list, names, *arguments ? arguments : "/", out);

    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        JsonValue *entry = json_object_array_get_idx(list, i);
        g_string_append_printf(out, "%s (%s)\n", json_member_string(entry, "name"),
                               json_member_string(entry, "type"));
    }
}

void hmp_qom_get(QapiContext *context, const char *arguments, GString *out)
{
    static const char *const names[] = { "path", "property", NULL };
    g_autoptr(JsonValue) value = run_words(context, qmp_qom_get, names, arguments, out);

    if (value) {
        g_string_append_printf(out, "%s\n",
                               json_object_to_json_string_ext(value, JSON_C_TO_STRING_SPACED));
    }
}

/* The value is text, as on the command line. */
void hmp_qom_set(QapiContext *context, const char *arguments, GString *out)
{
    static const char *const names[] = { "path", "property", "value", NULL };
    g_auto(GStrv) values = words(arguments, names, out);
    g_autoptr(GError) err = NULL;

    if (!values) {
        return;
    }
    QomObject *object = qom_resolve(context->objects, values[0], &err);
    if (!object || !qom_property_set_text(object, values[1], values[2], &err)) {
        show_error(err, out);
    }
}

JsonValue *hmp_run_words(QapiContext *context, QapiCommandFn *command, const HmpArgument *wanted,
                         const char *arguments, GString *out)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(JsonValue) given = json_object_new_object();
    g_autoptr(GError) err = NULL;
    JsonValue *result = NULL;

    for (const HmpArgument *argument = wanted; argument->name; argument++) {
        g_ptr_array_add(names, (void *)argument->name);
    }
    g_ptr_array_add(names, NULL);
    g_auto(GStrv) values = words(arguments, (const char *const *)names->pdata, out);
    for (unsigned i = 0; values && wanted[i].name; i++) {
        uint64_t number;

        if (!wanted[i].number) {
            json_object_object_add(given, wanted[i].name, json_object_new_string(values[i]));
        } else if (parse_size(values[i], 1, &number) && number <= INT64_MAX) {
            json_object_object_add(given, wanted[i].name, json_object_new_int64((int64_t)number));
        } else {
            g_string_append_printf(out, "Error: '%s' expects a number, not '%s'\n", wanted[i].name,
                                   values[i]);
            return NULL;
        }
    }
    if (values && !command(context, given, &result, &err)) {
        show_error(err, out);
    }
    return result;
}

void hmp_block_resize(QapiContext *context, const char *arguments, GString *out)
{
    static const HmpArgument wanted[] = { { "node-name" }, { "size", true }, { NULL } };

    json_object_put(hmp_run_words(context, qmp_block_resize, wanted, arguments, out));
}
