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
    int (*take_fd)(void *opaque);
    void (*progress)(void *opaque);
    JsonStream *stream;
    bool negotiated, oob;
    GQueue waiting;     /* of requests, when they may be overtaken */
    GSource *serving;   /* serves the next one; NULL: none waits */
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

    json_object_object_add(body, "class", json_object_new_string(error_class_name(error)));
    json_object_object_add(body, "desc", json_object_new_string(error->message));
    json_object_object_add(reply, "error", body);
    if (has_id) {
        json_object_object_add(reply, "id", json_object_get(id));
    }
    send_value(session, reply);
}

/* "execute", or "exec-oob" where that was negotiated; NULL: neither. */
static const char *verb(const QmpSession *session, JsonValue *request)
{
    return json_object_object_get_ex(request, "execute", NULL) ? "execute" :
           session->oob && json_object_object_get_ex(request, "exec-oob", NULL) ? "exec-oob" : NULL;
}

static bool check_request(const QmpSession *session, JsonValue *request, GError **errp)
{
    const char *execute = verb(session, request);
    JsonValue *member;

    json_object_object_foreach(request, key, value) {
        (void)value;
        if (execute && strcmp(key, execute) && !strcmp(key, "exec-oob") && session->oob) {
            return error_set(errp, "QMP input member 'exec-oob' clashes with 'execute'");
        }
        if ((!execute || strcmp(key, execute)) && strcmp(key, "execute") &&
            strcmp(key, "arguments") && strcmp(key, "id")) {
            return error_set(errp, "QMP input member '%s' is unexpected", key);
        }
    }
    if (!execute) {
        return error_set(errp, "QMP input lacks member 'execute'");
    }
    json_object_object_get_ex(request, execute, &member);
    if (!json_object_is_type(member, json_type_string)) {
        return error_set(errp, "QMP input member '%s' must be a string", execute);
    }
    if (json_object_object_get_ex(request, "arguments", &member) &&
        !json_object_is_type(member, json_type_object)) {
        return error_set(errp, "QMP input member 'arguments' must be an object");
    }
    return true;
}

static bool may_run(const QmpSession *session, const char *name, GError **errp)
{
    bool negotiates = !strcmp(name, "qmp_capabilities");

    if (!negotiates && !session->negotiated) {
        return qmp_error_set(errp, QMP_COMMAND_NOT_FOUND,
                             "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    if (negotiates && session->negotiated) {
        return qmp_error_set(errp, QMP_COMMAND_NOT_FOUND,
                             "Capabilities negotiation is already complete, command ignored");
    }
    return true;
}

static bool run_command(QmpSession *session, const char *name, bool oob, JsonValue *given,
                        JsonValue **result, GError **errp)
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
        return qmp_error_set(errp, QMP_COMMAND_NOT_FOUND, "The command %s has not been found",
                             name);
    }
    if (oob && !command->allow_oob) {
        return error_set(errp, "The command %s does not support OOB", name);
    }
    session->context->session = session;
    bool ok = qapi_check(*command->arguments, arguments, NULL, errp) &&
              command->run(session->context, arguments, result, errp);
    session->context->session = NULL;
    if (!ok) {
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
    const char *execute = verb(session, request);
    if (!check_request(session, request, &err) ||
        !run_command(session, json_member_string(request, execute), !strcmp(execute, "exec-oob"),
                     arguments, &result, &err)) {
        send_error(session, err, has_id, id);
        return;
    }
    json_object_object_add(reply, "return", result ? result : json_object_new_object());
    if (has_id) {
        json_object_object_add(reply, "id", json_object_get(id));
    }
    send_value(session, reply);
}

static gboolean serve_next(gpointer opaque)
{
    QmpSession *session = opaque;
    g_autoptr(JsonValue) request = g_queue_pop_head(&session->waiting);
    bool more = !g_queue_is_empty(&session->waiting);

    if (!more) {
        g_clear_pointer(&session->serving, g_source_unref);
    }
    serve_request(session, request);
    if (session->progress) {
        session->progress(session->opaque);
    }
    return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/*
 * Where requests may be overtaken they wait for the main loop, one at a time; else order is all
 * there is.
 */
static void take_request(QmpSession *session, JsonValue *request)
{
    const char *execute = verb(session, request);

    if (!session->oob || (execute && !strcmp(execute, "exec-oob"))) {
        serve_request(session, request);
        return;
    }
    g_queue_push_tail(&session->waiting, json_object_get(request));
    if (!session->serving) {
        session->serving = g_idle_source_new();
        g_source_set_priority(session->serving, G_PRIORITY_DEFAULT);
        g_source_set_callback(session->serving, serve_next, session, NULL);
        g_source_attach(session->serving, NULL);
    }
}

static void forget_requests(QmpSession *session)
{
    for (JsonValue *request; (request = g_queue_pop_head(&session->waiting));) {
        json_object_put(request);
    }
    if (session->serving) {
        g_source_destroy(session->serving);
        g_clear_pointer(&session->serving, g_source_unref);
    }
}

unsigned qmp_session_backlog(const QmpSession *session)
{
    return session->waiting.length;
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
        take_request(session, value);
    }
}

QmpSession *qmp_session_new(const QapiCommand *commands, QapiContext *context, QmpOutputFn *output,
                            void *opaque)
{
    QmpSession *session = g_new0(QmpSession, 1);

    session->commands = commands;
    session->context = context;
    session->output = output;
    session->opaque = opaque;
    session->stream = json_stream_new(on_message, session);
    g_queue_init(&session->waiting);
    return session;
}

void qmp_session_set_client(QmpSession *session, int (*take_fd)(void *opaque),
                            void (*progress)(void *opaque))
{
    session->take_fd = take_fd;
    session->progress = progress;
}

void qmp_session_enable_oob(QmpSession *session)
{
    session->oob = true;
}

int qmp_session_take_fd(QmpSession *session)
{
    return session->take_fd ? session->take_fd(session->opaque) : -1;
}

void qmp_session_free(QmpSession *session)
{
    if (session) {
        forget_requests(session);
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
        json_object_object_add(numbers, names[i],
                               json_object_new_int64(g_ascii_strtoll(parts[i], NULL, 10)));
    }
    json_object_object_add(version, "qemu", numbers);
    json_object_object_add(version, "package", json_object_new_string(PACKAGE));
    return version;
}

void qmp_session_start(QmpSession *session)
{
    g_autoptr(JsonValue) greeting = json_object_new_object();
    JsonValue *body = json_object_new_object(), *capabilities = json_object_new_array();

    session->negotiated = session->oob = false;
    forget_requests(session);
    json_object_array_add(capabilities, json_object_new_string("oob"));
    json_stream_reset(session->stream);
    json_object_object_add(body, "version", qmp_version());
    json_object_object_add(body, "capabilities", capabilities);
    json_object_object_add(greeting, "QMP", body);
    send_value(session, greeting);
}

void qmp_session_stop(QmpSession *session)
{
    session->negotiated = session->oob = false;
    forget_requests(session);
    json_stream_reset(session->stream);
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
