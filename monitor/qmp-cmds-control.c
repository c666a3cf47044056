/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about QMP itself, and about the program. */
#include <string.h>

#include "monitor-internal.h"
#include "util/error.h"

bool qmp_qmp_capabilities(QapiContext *context, JsonValue *arguments, JsonValue **result,
                          GError **errp)
{
    JsonValue *enable;

    /* There is one: whatever stands in the list has been checked to be it */
    if (json_object_object_get_ex(arguments, "enable", &enable) &&
        json_object_array_length(enable)) {
        qmp_session_enable_oob(context->session);
    }
    return true;
}

bool qmp_query_version(QapiContext *context, JsonValue *arguments, JsonValue **result,
                       GError **errp)
{
    *result = qmp_version();
    return true;
}

bool qmp_query_commands(QapiContext *context, JsonValue *arguments, JsonValue **result,
                        GError **errp)
{
    *result = json_object_new_array();
    for (const QapiCommand *command = qapi_commands; command->name; command++) {
        JsonValue *entry = json_object_new_object();
        json_object_object_add(entry, "name", json_object_new_string(command->name));
        json_object_array_add(*result, entry);
    }
    return true;
}

bool qmp_query_qmp_schema(QapiContext *context, JsonValue *arguments, JsonValue **result,
                          GError **errp)
{
    g_autoptr(JsonValue) all = json_object_new_array();

    for (const char *const *text = qapi_schema; *text; text++) {
        JsonValue *entry;
        if (!json_parse(*text, strlen(*text), &entry, errp)) {
            return false;
        }
        json_object_array_add(all, entry);
    }
    *result = g_steal_pointer(&all);
    return true;
}

static JsonValue *option_json(const OptionInfo *option)
{
    JsonValue *entry = json_object_new_object(), *parameters = json_object_new_array();

    for (const OptionParameter *p = option->parameters; p && p->name; p++) {
        JsonValue *parameter = json_object_new_object();

        json_object_object_add(parameter, "name", json_object_new_string(p->name));
        json_object_object_add(parameter, "type", json_object_new_string(p->type));
        json_object_array_add(parameters, parameter);
    }
    json_object_object_add(entry, "option", json_object_new_string(option->name));
    json_object_object_add(entry, "parameters", parameters);
    return entry;
}

bool qmp_query_command_line_options(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                    GError **errp)
{
    const char *wanted = json_member_string(arguments, "option");
    g_autoptr(JsonValue) all = json_object_new_array();

    for (const OptionInfo *option = context->options; option->name; option++) {
        if (!wanted || !strcmp(wanted, option->name)) {
            json_object_array_add(all, option_json(option));
        }
    }
    if (wanted && json_object_array_length(all) == 0) {
        return error_set(errp, "invalid option name: %s", wanted);
    }
    *result = g_steal_pointer(&all);
    return true;
}

bool qmp_query_name(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    *result = json_object_new_object();
    if (context->name) {
        json_object_object_add(*result, "name", json_object_new_string(context->name));
    }
    return true;
}

bool qmp_query_uuid(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *uuid = context->uuid ? context->uuid : "00000000-0000-0000-0000-000000000000";

    *result = json_object_new_object();
    json_object_object_add(*result, "UUID", json_object_new_string(uuid));
    return true;
}

bool qmp_query_target(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    *result = json_object_new_object();
    json_object_object_add(*result, "arch", json_object_new_string("x86_64"));
    return true;
}

bool qmp_human_monitor_command(QapiContext *context, JsonValue *arguments, JsonValue **result,
                               GError **errp)
{
    g_autofree char *text = hmp_command(context, json_member_string(arguments, "command-line"));

    *result = json_object_new_string(text);
    return true;
}
