/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What chardev-add takes, as the value that options come to. The schema's check has been made.
 * Pure.
 */
#include <string.h>

#include "chardev-internal.h"
#include "util/error.h"

static bool flag(JsonValue *data, const char *name, bool fallback)
{
    JsonValue *value;

    return json_object_object_get_ex(data, name, &value) ? json_object_get_boolean(value)
                                                         : fallback;
}

static char *text(JsonValue *data, const char *name)
{
    return g_strdup(json_member_string(data, name));
}

/*
 * {"type": T, "data": {…}}, the older form of SocketAddress, which this command keeps. NULL: *errp,
 * or it is not there.
 */
static SocketAddress *address(JsonValue *data, const char *name, GError **errp)
{
    g_autoptr(JsonValue) flat = json_object_new_object();
    JsonValue *legacy;

    if (!json_object_object_get_ex(data, name, &legacy)) {
        return NULL;
    }
    json_object_object_foreach(json_object_object_get(legacy, "data"), key, value) {
        json_object_object_add(flat, key, json_object_get(value));
    }
    json_object_object_add(flat, "type", json_object_get(json_object_object_get(legacy, "type")));
    return socket_address_from_json(flat, name, errp);
}

static bool fill_socket(ChardevConfig *config, JsonValue *data, GError **errp)
{
    JsonValue *reconnect;

    config->address = address(data, "addr", errp);
    config->server = flag(data, "server", true);
    config->wait = flag(data, "wait", false);
    config->telnet = flag(data, "telnet", false);
    if (json_object_object_get_ex(data, "reconnect-ms", &reconnect)) {
        int64_t ms = json_object_get_int64(reconnect);
        if (ms < 0 || ms > G_MAXINT) {
            return error_set(
                errp, "Parameter 'reconnect-ms' expects a number up to %d, not %" G_GINT64_FORMAT,
                G_MAXINT, ms);
        }
        config->reconnect_ms = (unsigned)ms;
    }
    return config->address;
}

static bool fill_udp(ChardevConfig *config, JsonValue *data, GError **errp)
{
    bool has_local = json_object_object_get_ex(data, "local", NULL);

    config->address = address(data, "remote", errp);
    config->local = config->address ? address(data, "local", errp) : NULL;
    return config->address && (config->local || !has_local);
}

static bool fill(ChardevConfig *config, JsonValue *data, GError **errp)
{
    JsonValue *size;

    switch (config->kind) {
    case CHARDEV_FILE:
        config->path = text(data, "out");
        config->input_path = text(data, "in");
        config->append = flag(data, "append", false);
        return true;
    case CHARDEV_PTY:
        config->path = text(data, "path");
        return true;
    case CHARDEV_PIPE:
        config->path = text(data, "device");
        return true;
    case CHARDEV_SOCKET:
        return fill_socket(config, data, errp);
    case CHARDEV_UDP:
        return fill_udp(config, data, errp);
    case CHARDEV_RINGBUF:
        config->size = CHARDEV_RING_SIZE;
        if (json_object_object_get_ex(data, "size", &size)) {
            config->size =
                json_object_get_int64(size) < 0 ? 0 : (uint64_t)json_object_get_int64(size);
        }
        return true;
    case CHARDEV_STDIO:
        config->keep_signals = flag(data, "signal", true);
        return true;
    default:
        return true;
    }
}

ChardevConfig *chardev_config_from_json(const char *id, JsonValue *backend, GError **errp)
{
    g_autoptr(ChardevConfig) config = g_new0(ChardevConfig, 1);
    JsonValue *data = json_object_object_get(backend, "data");

    config->id = g_strdup(id);
    if (!chardev_kind_find(json_member_string(backend, "type"), &config->kind)) {
        error_set(errp, "'%s' is not a valid char driver name",
                  json_member_string(backend, "type"));
        return NULL;
    }
    config->log_path = text(data, "logfile");
    config->log_append = flag(data, "logappend", false);
    if (!fill(config, data, errp) || !chardev_config_check(config, errp)) {
        return NULL;
    }
    return g_steal_pointer(&config);
}
