/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One conversation in QMP: greeting, negotiation, requests and their answers. */
#include <string.h>

#include "config-host.h"
#include "monitor-internal.h"
#include "util/error.h"

struct QmpSession {
    const QapiCommand *commands;
    QapiContext *context;
    QmpOutputFn *output;
    void *opaque;
    JsonStream *stream;
    bool negotiated;
};

G_DEFINE_QUARK(qmp-error, qmp_error)

bool qmp_error_set(GError **errp, QmpErrorClass error_class, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(errp, QMP_ERROR, error_class, text);
    return false;
}

static const char *error_class_name(const GError *error)
{
    static const char *const names[] = {
        [QMP_COMMAND_NOT_FOUND] = "CommandNotFound",
        [QMP_DEVICE_NOT_FOUND] = "DeviceNotFound",
        [QMP_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
    };

    if (error->domain == QOM_ERROR && error->code == QOM_NOT_FOUND) {
        return names[QMP_DEVICE_NOT_FOUND];
    }
    return error->domain == QMP_ERROR ? names[error->code] : "GenericError";
}

static void send_value(QmpSession *session, JsonValue *value)
{
    g_autofree char *line = json_format(value);

    session->output(session->opaque, line, false);
}

/* id may be NULL when has_id is false. */
static void send_error(QmpSession *session, const GError *error, bool has_id, JsonValue *id)
{
    g_autoptr(JsonValue) reply = json_object_new_object();
    JsonValue *body = json_object_new_object();
    int line = (int)strcspn(error->message, "\n"); /* hints, on further lines, are for people */

    json_object_object_add(body, "class", json_object_new_string(error_class_name(error)));
    json_object_object_add(body, "desc", json_object_new_string_len(error->message, line));
    json_object_object_add(reply, "error", body);
    if (has_id) {
        json_object_object_add(reply, "id", json_object_get(id));
    }
    send_value(session, reply);
}

static bool check_request(JsonValue *request, GError **errp)
{
    JsonValue *member;

    json_object_object_foreach(request, key, value) {
        (void)value;
        if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id")) {
            return error_set(errp, "QMP input member '%s' is unexpected", key);
        }
    }
    if (!json_object_object_get_ex(request, "execute", &member)) {
        return error_set(errp, "QMP input lacks member 'execute'");
    }
    if (!json_object_is_type(member, json_type_string)) {
        return error_set(errp, "QMP input member 'execute' must be a string");
    }
    if (json_object_object_get_ex(request, "arguments", &member) && !json_object_is_type(member, json_type_object)) {
        return error_set(errp, "QMP input member 'arguments' must be an object");
    }
    return true;
}

static bool may_run(const QmpSession *session, const char *name, GError **errp)
{
    bool negotiates = !strcmp(name, "qmp_capabilities");

    if (!negotiates && !session->negotiated) {
        return qmp_error_set(errp, QMP_COMMAND_NOT_FOUND, "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    if (negotiates && session->negotiated) {
        return qmp_error_set(errp, QMP_COMMAND_NOT_FOUND, "Capabilities negotiation is already complete, command ignored");
    }
    return true;
}

static bool run_command(QmpSession *session, const char *name, JsonValue *given, JsonValue **result, GError **errp)
{
    const QapiCommand *command = session->commands;
    g_autoptr(JsonValue) none = json_object_new_object();
    JsonValue *arguments = given ? given : none;

    if (!may_run(session, name, errp)) {
        return false;
    }
    while (command->name && strcmp(command->name, name)) {
        command++;
    }
    if (!command->name) {
        return qmp_error_set(errp, QMP_COMMAND_NOT_FOUND, "The command %s has not been found", name);
    }
    if (!qapi_check(*command->arguments, arguments, NULL, errp) || !command->run(session->context, arguments, result, errp)) {
        return false;
    }
    session->negotiated |= !strcmp(name, "qmp_capabilities");
    return true;
}

static void serve_request(QmpSession *session, JsonValue *request)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) reply = json_object_new_object();
    JsonValue *id = NULL, *arguments = NULL, *result = NULL;
    bool has_id = json_object_object_get_ex(request, "id", &id);

    json_object_object_get_ex(request, "arguments", &arguments);
    if (!check_request(request, &err) ||
        !run_command(session, json_member_string(request, "execute"), arguments, &result, &err)) {
        send_error(session, err, has_id, id);
        return;
    }
    json_object_object_add(reply, "return", result ? result : json_object_new_object());
    if (has_id) {
        json_object_object_add(reply, "id", json_object_get(id));
    }
    send_value(session, reply);
}

static void on_message(void *opaque, JsonValue *value, const GError *error)
{
    QmpSession *session = opaque;
    g_autoptr(GError) err = NULL;

    if (error) {
        send_error(session, error, false, NULL);
    } else if (!json_object_is_type(value, json_type_object)) {
        error_set(&err, "QMP input must be a JSON object");
        send_error(session, err, false, NULL);
    } else {
        serve_request(session, value);
    }
}

QmpSession *qmp_session_new(const QapiCommand *commands, QapiContext *context, QmpOutputFn *output, void *opaque)
{
    QmpSession *session = g_new0(QmpSession, 1);

    session->commands = commands;
    session->context = context;
    session->output = output;
    session->opaque = opaque;
    session->stream = json_stream_new(on_message, session);
    return session;
}

void qmp_session_free(QmpSession *session)
{
    if (session) {
        json_stream_free(session->stream);
        g_free(session);
    }
}

JsonValue *qmp_version(void)
{
    JsonValue *version = json_object_new_object(), *numbers = json_object_new_object();
    g_auto(GStrv) parts = g_strsplit(QEMU_INTERFACE_VERSION, ".", 3);
    static const char *const names[] = { "major", "minor", "micro" };

    for (unsigned i = 0; i < 3 && parts[i]; i++) {
        json_object_object_add(numbers, names[i], json_object_new_int64(g_ascii_strtoll(parts[i], NULL, 10)));
    }
    json_object_object_add(version, "qemu", numbers);
    json_object_object_add(version, "package", json_object_new_string(PACKAGE));
    return version;
}

void qmp_session_start(QmpSession *session)
{
    g_autoptr(JsonValue) greeting = json_object_new_object();
    JsonValue *body = json_object_new_object();

    session->negotiated = false;
    json_stream_reset(session->stream);
    json_object_object_add(body, "version", qmp_version());
    json_object_object_add(body, "capabilities", json_object_new_array());
    json_object_object_add(greeting, "QMP", body);
    send_value(session, greeting);
}

void qmp_session_feed(QmpSession *session, const uint8_t *data, size_t size)
{
    json_stream_feed(session->stream, data, size);
}

void qmp_session_end_of_input(QmpSession *session)
{
    json_stream_end(session->stream);
}

void qmp_session_event(QmpSession *session, const char *line)
{
    if (session->negotiated) {
        session->output(session->opaque, line, true);
    }
}
