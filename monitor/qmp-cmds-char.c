/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about character devices, and about file descriptors that clients give. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "chardev/chardev-object.h"
#include "hmp-objects.h"
#include "util/error.h"

#define RINGBUF_READ_MAX (1u << 20)

bool qmp_query_chardev(QapiContext *context, JsonValue *arguments, JsonValue **result,
                       GError **errp)
{
    *result = json_object_new_array();
    for (unsigned i = 0; context->chardevs && i < chardev_set_size(context->chardevs); i++) {
        const Chardev *chardev = chardev_set_at(context->chardevs, i);
        JsonValue *entry = json_object_new_object();

        json_object_object_add(entry, "label", json_object_new_string(chardev_label(chardev)));
        json_object_object_add(entry, "filename",
                               json_object_new_string(chardev_filename(chardev)));
        json_object_object_add(entry, "frontend-open",
                               json_object_new_boolean(chardev_frontend_open(chardev)));
        json_object_array_add(*result, entry);
    }
    return true;
}

bool qmp_query_chardev_backends(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                GError **errp)
{
    *result = json_object_new_array();
    for (unsigned i = 0; qapi_ChardevBackendKind_names[i]; i++) {
        JsonValue *entry = json_object_new_object();
        json_object_object_add(entry, "name",
                               json_object_new_string(qapi_ChardevBackendKind_names[i]));
        json_object_array_add(*result, entry);
    }
    return true;
}

static bool has_chardevs(const QapiContext *context, GError **errp)
{
    return context->chardevs || error_set(errp, "this program has no chardevs");
}

/* Waiting would stop this monitor too. */
static bool check_wait(const ChardevConfig *config, GError **errp)
{
    return !(config->kind == CHARDEV_SOCKET && config->server && config->wait) ||
           error_set(errp,
                     "chardev '%s': waiting for a client would stop the machine; use wait=off",
                     config->id);
}

/* The name of a pseudo-terminal, as ChardevReturn. */
static JsonValue *opened(const Chardev *chardev)
{
    JsonValue *result = json_object_new_object();
    const char *name = chardev_filename(chardev);

    if (g_str_has_prefix(name, "pty:")) {
        json_object_object_add(result, "pty", json_object_new_string(name + strlen("pty:")));
    }
    return result;
}

bool monitor_chardev_add(QapiContext *context, const ChardevConfig *config, JsonValue **result,
                         GError **errp)
{
    if (!has_chardevs(context, errp) || !qom_check_id(config->id, errp) ||
        !check_wait(config, errp)) {
        return false;
    }
    Chardev *chardev = chardev_set_add(context->chardevs, config, errp);
    if (!chardev) {
        return false;
    }
    if (!chardev_object_add(context->objects, config->id, chardev, errp)) {
        chardev_set_remove(context->chardevs, config->id, NULL);
        return false;
    }
    *result = opened(chardev);
    return true;
}

static ChardevObject *find_object(QapiContext *context, const char *id)
{
    return (ChardevObject *)qom_object_child(qom_container_get(context->objects, CHARDEV_CONTAINER),
                                             id);
}

bool monitor_chardev_change(QapiContext *context, const ChardevConfig *config, JsonValue **result,
                            GError **errp)
{
    ChardevObject *object = find_object(context, config->id);

    if (!has_chardevs(context, errp) || !check_wait(config, errp)) {
        return false;
    }
    /* A link whose front end is not attached (isa-debugcon) could not be told. */
    if (object && object->object.users && !chardev_in_use(object->chardev)) {
        return error_set(errp, "Chardev user does not support chardev hotswap");
    }
    Chardev *chardev = chardev_set_replace(context->chardevs, config, errp);
    if (!chardev) {
        return false;
    }
    if (object) {
        object->chardev = chardev;
    }
    *result = opened(chardev);
    return true;
}

typedef bool ConfigFn(QapiContext *context, const ChardevConfig *config, JsonValue **result,
                      GError **errp);

static bool with_config(ConfigFn *run, QapiContext *context, JsonValue *arguments,
                        JsonValue **result, GError **errp)
{
    g_autoptr(ChardevConfig)
        config = chardev_config_from_json(json_member_string(arguments, "id"),
                                          json_object_object_get(arguments, "backend"), errp);

    return config && run(context, config, result, errp);
}

bool qmp_chardev_add(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return with_config(monitor_chardev_add, context, arguments, result, errp);
}

bool qmp_chardev_change(QapiContext *context, JsonValue *arguments, JsonValue **result,
                        GError **errp)
{
    return with_config(monitor_chardev_change, context, arguments, result, errp);
}

bool qmp_chardev_remove(QapiContext *context, JsonValue *arguments, JsonValue **result,
                        GError **errp)
{
    const char *id = json_member_string(arguments, "id");
    ChardevObject *object = find_object(context, id);

    if (object && object->object.users) {
        return error_set(errp, "Chardev '%s' is busy", id);
    }
    if (!has_chardevs(context, errp) || !chardev_set_remove(context->chardevs, id, errp)) {
        return false;
    }
    if (object) {
        qom_object_unparent(&object->object);
    }
    return true;
}

bool qmp_chardev_send_break(QapiContext *context, JsonValue *arguments, JsonValue **result,
                            GError **errp)
{
    const char *id = json_member_string(arguments, "id");
    Chardev *chardev = context->chardevs ? chardev_set_find(context->chardevs, id) : NULL;

    if (!chardev) {
        return error_set(errp, "Chardev '%s' not found", id);
    }
    chardev_send_break(chardev);
    return true;
}

static Chardev *find(QapiContext *context, JsonValue *arguments, GError **errp)
{
    const char *id = json_member_string(arguments, "device");
    Chardev *chardev = context->chardevs ? chardev_set_find(context->chardevs, id) : NULL;

    if (!chardev) {
        error_set(errp, "Device '%s' not found", id);
    }
    return chardev;
}

static bool is_base64(JsonValue *arguments)
{
    const char *format = json_member_string(arguments, "format");

    return format && !strcmp(format, "base64");
}

bool qmp_ringbuf_read(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    Chardev *chardev = find(context, arguments, errp);
    int64_t size = json_object_get_int64(json_object_object_get(arguments, "size"));

    if (!chardev) {
        return false;
    }
    if (size <= 0 || size > RINGBUF_READ_MAX) {
        return error_set(errp, "size must be from 1 to %u, not %" G_GINT64_FORMAT, RINGBUF_READ_MAX,
                         size);
    }
    g_autofree uint8_t *data = g_malloc((size_t)size + 1);
    unsigned n = (unsigned)size;
    if (!chardev_ringbuf_read(chardev, data, &n)) {
        return error_set(errp, "%s is not a ringbuf device", chardev_label(chardev));
    }
    g_autofree char *text = is_base64(arguments) ? g_base64_encode(data, n)
                                                 : g_utf8_make_valid((const char *)data, n);
    *result = json_object_new_string(text);
    return true;
}

bool qmp_ringbuf_write(QapiContext *context, JsonValue *arguments, JsonValue **result,
                       GError **errp)
{
    Chardev *chardev = find(context, arguments, errp);
    const char *text = json_member_string(arguments, "data");
    gsize n = strlen(text);
    unsigned none = 0;

    if (!chardev) {
        return false;
    }
    if (!chardev_ringbuf_read(chardev, NULL, &none)) {
        return error_set(errp, "%s is not a ringbuf device", chardev_label(chardev));
    }
    g_autofree uint8_t *decoded = is_base64(arguments) ? g_base64_decode(text, &n) : NULL;
    chardev_write(chardev, decoded ? decoded : (const uint8_t *)text, (unsigned)n);
    return true;
}

/* The descriptor that came with the request, or -1 and *errp. */
static int given_fd(QapiContext *context, GError **errp)
{
    int fd = context->session ? qmp_session_take_fd(context->session) : -1;

    if (fd < 0) {
        error_set(errp, "No file descriptor supplied via SCM_RIGHTS");
    }
    return fd;
}

bool qmp_getfd(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *name = json_member_string(arguments, "fdname");
    int fd = given_fd(context, errp);

    if (fd < 0) {
        return false;
    }
    if (g_ascii_isdigit(name[0])) {
        close(fd);
        return error_set(errp, "Parameter 'fdname' expects a name not starting with a digit");
    }
    fd_sets_put_name(context->fds, name, fd);
    return true;
}

bool qmp_closefd(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *name = json_member_string(arguments, "fdname");
    int fd = fd_sets_take_name(context->fds, name);

    if (fd < 0) {
        return error_set(errp, "File descriptor named '%s' not found", name);
    }
    close(fd);
    return true;
}

bool qmp_add_fd(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    JsonValue *member;
    int64_t set = json_object_object_get_ex(arguments, "fdset-id", &member)
                      ? json_object_get_int64(member)
                      : -1;
    int fd = given_fd(context, errp);

    if (fd < 0) {
        return false;
    }
    if ((member && set < 0) ||
        !fd_sets_add(context->fds, &set, fd, json_member_string(arguments, "opaque"), errp)) {
        close(fd);
        return (errp && *errp)
                   ? false
                   : error_set(errp, "Parameter 'fdset-id' expects a non-negative value");
    }
    *result = json_object_new_object();
    json_object_object_add(*result, "fdset-id", json_object_new_int64(set));
    json_object_object_add(*result, "fd", json_object_new_int64(fd));
    return true;
}

bool qmp_remove_fd(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    JsonValue *member;
    int64_t fd = json_object_object_get_ex(arguments, "fd", &member) ? json_object_get_int64(member)
                                                                     : -1;

    return fd_sets_remove(context->fds,
                          json_object_get_int64(json_object_object_get(arguments, "fdset-id")), fd,
                          errp);
}

bool qmp_query_fdsets(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    JsonValue *fds = NULL;
    int64_t last = -1;

    *result = json_object_new_array();
    for (unsigned i = 0; i < fd_sets_size(context->fds); i++) {
        FdSetMember member = fd_sets_at(context->fds, i);

        if (!fds || member.set != last) {
            JsonValue *set = json_object_new_object();
            fds = json_object_new_array();
            json_object_object_add(set, "fdset-id", json_object_new_int64(member.set));
            json_object_object_add(set, "fds", fds);
            json_object_array_add(*result, set);
            last = member.set;
        }
        JsonValue *entry = json_object_new_object();
        json_object_object_add(entry, "fd", json_object_new_int64(member.fd));
        if (member.text) {
            json_object_object_add(entry, "opaque", json_object_new_string(member.text));
        }
        json_object_array_add(fds, entry);
    }
    return true;
}
