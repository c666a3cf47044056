/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What options say of chardevs: "BACKEND,id=ID,KEY=VALUE…" of -chardev, and the short form of -serial, -monitor and -qmp. Pure. */
#include <string.h>

#include "chardev/chardev.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

#define DEFAULT_RING_SIZE (64 * KiB)
#define MAX_RING_SIZE (256 * MiB)

static const struct {
    const char *name;
    ChardevKind kind;
    const char *keys; /* what it takes besides id and mux */
} backends[] = {
    { "file", CHARDEV_FILE, "path append" },
    { "null", CHARDEV_NULL, "" },
    { "pty", CHARDEV_PTY, "" },
    { "ringbuf", CHARDEV_RINGBUF, "size" },
    { "memory", CHARDEV_RINGBUF, "size" },
    { "socket", CHARDEV_SOCKET,
      "path abstract tight host port to ipv4 ipv6 cid fd server wait telnet nodelay reconnect reconnect-ms" },
    { "stdio", CHARDEV_STDIO, "signal" },
};

const char *chardev_help(void)
{
    return "Available chardev backend types: \n  file\n  null\n  pty\n  ringbuf\n  socket\n  stdio\n";
}

void chardev_config_free(ChardevConfig *config)
{
    if (config) {
        g_free(config->id);
        g_free(config->path);
        socket_address_free(config->address);
        g_free(config);
    }
}

/* "server" and "nowait" alone are what server=on and wait=off were once: still widely written. */
static char *with_long_forms(const char *text)
{
    static const char *const forms[][2] = {
        { "server", "server=on" }, { "nowait", "wait=off" }, { "wait", "wait=on" }, { "telnet", "telnet=on" },
        { "nodelay", "nodelay=on" },
    };
    g_auto(GStrv) elements = g_strsplit(text, ",", -1);

    for (unsigned i = 1; elements[0] && elements[i]; i++) {
        for (unsigned k = 0; k < G_N_ELEMENTS(forms); k++) {
            if (!strcmp(elements[i], forms[k][0])) {
                g_free(elements[i]);
                elements[i] = g_strdup(forms[k][1]);
            }
        }
    }
    return g_strjoinv(",", elements);
}

static bool takes_key(const char *keys, const char *key)
{
    g_auto(GStrv) list = g_strsplit(keys, " ", -1);

    return g_strv_contains((const char *const *)list, key);
}

static bool get_bool(const KeyVal *kv, const char *key, bool *value, GError **errp)
{
    const char *text = keyval_get(kv, key);

    return !text || keyval_bool(key, text, value, errp);
}

static bool get_number(const KeyVal *kv, const char *key, uint64_t max, uint64_t *value, GError **errp)
{
    const char *text = keyval_get(kv, key);

    return !text || g_ascii_string_to_unsigned(text, 10, 0, max, value, NULL) ||
           error_set(errp, "Parameter '%s' expects a number up to %" G_GUINT64_FORMAT ", not '%s'", key, max, text);
}

static bool add_flag(JsonValue *json, const KeyVal *kv, const char *key, GError **errp)
{
    bool on;

    if (!keyval_get(kv, key)) {
        return true;
    }
    if (!get_bool(kv, key, &on, errp)) {
        return false;
    }
    json_object_object_add(json, key, json_object_new_boolean(on));
    return true;
}

static void add_text(JsonValue *json, const char *name, const char *text)
{
    json_object_object_add(json, name, json_object_new_string(text));
}

/* The keys as a SocketAddress of the schema, which then is checked as all others are. */
static SocketAddress *make_address(const KeyVal *kv, GError **errp)
{
    const char *path = keyval_get(kv, "path"), *fd = keyval_get(kv, "fd"), *cid = keyval_get(kv, "cid");
    const char *host = keyval_get(kv, "host"), *port = keyval_get(kv, "port");
    g_autoptr(JsonValue) json = json_object_new_object();
    uint64_t to = 0;

    if ((path && *path ? 1 : 0) + !!fd + !!cid + !!(host || (port && !cid)) != 1) {
        error_set(errp, "a socket needs one of path=, fd=, host= with port=, and cid= with port=");
        return NULL;
    }
    add_text(json, "type", fd ? "fd" : cid ? "vsock" : path ? "unix" : "inet");
    if (fd) {
        add_text(json, "str", fd);
    } else if (path) {
        add_text(json, "path", path);
    } else if (!port) {
        error_set(errp, "Parameter 'port' is missing");
        return NULL;
    } else {
        add_text(json, cid ? "cid" : "host", cid ? cid : host ? host : "");
        add_text(json, "port", port);
    }
    if (!add_flag(json, kv, "abstract", errp) || !add_flag(json, kv, "tight", errp) || !add_flag(json, kv, "ipv4", errp) ||
        !add_flag(json, kv, "ipv6", errp) || !get_number(kv, "to", UINT16_MAX, &to, errp)) {
        return NULL;
    }
    if (to) {
        json_object_object_add(json, "to", json_object_new_int64((int64_t)to));
    }
    return socket_address_from_json(json, NULL, errp);
}

/* As for QEMU, a server waits for its first client unless wait=off says otherwise. */
static bool fill_socket(ChardevConfig *config, const KeyVal *kv, GError **errp)
{
    uint64_t seconds = 0, milliseconds = 0;
    bool no_delay;

    config->address = make_address(kv, errp);
    config->wait = true;
    if (!config->address || !get_bool(kv, "server", &config->server, errp) ||
        !get_bool(kv, "wait", &config->wait, errp) || !get_bool(kv, "telnet", &config->telnet, errp) ||
        !get_bool(kv, "nodelay", &no_delay, errp) || !get_number(kv, "reconnect", G_MAXINT / 1000, &seconds, errp) ||
        !get_number(kv, "reconnect-ms", G_MAXINT, &milliseconds, errp)) {
        return false;
    }
    if (seconds && milliseconds) {
        return error_set(errp, "'reconnect' and 'reconnect-ms' are mutually exclusive");
    }
    if (config->server && (seconds || milliseconds)) {
        return error_set(errp, "'reconnect' option is incompatible with socket in server listen mode");
    }
    if (!config->server && keyval_get(kv, "wait") && config->wait) {
        return error_set(errp, "'wait' option is incompatible with socket in client connect mode");
    }
    config->reconnect_ms = (unsigned)(milliseconds ? milliseconds : seconds * 1000);
    return true;
}

static bool fill(ChardevConfig *config, const KeyVal *kv, GError **errp)
{
    const char *path = keyval_get(kv, "path"), *size = keyval_get(kv, "size");

    switch (config->kind) {
    case CHARDEV_FILE:
        if (!path || !*path) {
            return error_set(errp, "a file needs its path: file,path=PATH or file:PATH");
        }
        config->path = g_strdup(path);
        return get_bool(kv, "append", &config->append, errp);
    case CHARDEV_RINGBUF:
        config->size = DEFAULT_RING_SIZE;
        if (size && (!parse_size(size, 1, &config->size) || config->size == 0 || config->size > MAX_RING_SIZE ||
                     config->size & (config->size - 1))) {
            return error_set(errp, "size of ringbuf chardev must be power of two, at most 256M, not '%s'", size);
        }
        return true;
    case CHARDEV_SOCKET:
        return fill_socket(config, kv, errp);
    case CHARDEV_STDIO:
        config->keep_signals = !config->mux;
        return get_bool(kv, "signal", &config->keep_signals, errp);
    default:
        return true;
    }
}

/* kv's keys are those of -chardev but for the back end and the id. */
static ChardevConfig *new_config(const char *backend, const char *id, const KeyVal *kv, GError **errp)
{
    g_autoptr(ChardevConfig) config = g_new0(ChardevConfig, 1);
    unsigned b = 0;

    while (b < G_N_ELEMENTS(backends) && strcmp(backends[b].name, backend)) {
        b++;
    }
    if (b == G_N_ELEMENTS(backends)) {
        error_set(errp, "'%s' is not a valid char driver name", backend);
        static const char *const names[] = { "file", "null", "pty", "ringbuf", "socket", "stdio", NULL };
        const char *near = nearest_name(backend, names);
        if (near) {
            error_hint(errp, "Did you mean '%s'?", near);
        }
        error_hint(errp, "There are file, null, pty, ringbuf, socket and stdio");
        return NULL;
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const char *key = g_array_index(kv->pairs, KeyValPair, i).key;
        if (strcmp(key, "backend") && strcmp(key, "id") && strcmp(key, "mux") && !takes_key(backends[b].keys, key)) {
            error_set(errp, "Invalid parameter '%s'", key);
            error_hint(errp, "A chardev of type %s takes: id mux %s", backends[b].name, backends[b].keys);
            return NULL;
        }
    }
    config->id = g_strdup(id);
    config->kind = backends[b].kind;
    if (!get_bool(kv, "mux", &config->mux, errp) || !fill(config, kv, errp)) {
        return NULL;
    }
    return g_steal_pointer(&config);
}

ChardevConfig *chardev_config_parse(const char *text, GError **errp)
{
    g_autofree char *full = with_long_forms(text);
    g_autoptr(KeyVal) kv = keyval_parse(full, "backend", errp);

    if (!kv) {
        return NULL;
    }
    const char *backend = keyval_get(kv, "backend"), *id = keyval_get(kv, "id");
    if (!backend || !id) {
        error_set(errp, "Parameter '%s' is missing", backend ? "id" : "backend");
        return NULL;
    }
    return new_config(backend, id, kv, errp);
}

/* "HOST:PORT,…" of tcp: and telnet:, as keys; a host of IPv6 stands in brackets. */
static char *host_and_port(const char *rest)
{
    g_autofree char *address = g_strndup(rest, strcspn(rest, ","));
    const char *options = rest + strlen(address);
    char *colon = strrchr(address, ':');

    if (!colon) {
        return NULL;
    }
    *colon = '\0';
    const char *host = address;
    size_t length = strlen(host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        address[length - 1] = '\0';
        host++;
    }
    return g_strdup_printf("host=%s,port=%s%s", host, colon + 1, options);
}

/* The short form's prefix, its back end, and what its first element is. */
static const struct {
    const char *prefix, *backend, *first;
} devices[] = {
    { "unix:", "socket", "path" }, { "file:", "file", "path" }, { "tcp:", "socket", NULL }, { "telnet:", "socket", NULL },
};

/* The keys that a short form comes to; *backend NULL: it is none. */
static char *device_keys(const char *text, const char **backend, const char **first)
{
    *backend = *first = NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        if (g_str_has_prefix(text, devices[i].prefix)) {
            const char *rest = text + strlen(devices[i].prefix);
            char *keys = devices[i].first ? g_strdup(rest) : host_and_port(rest);
            *backend = keys ? devices[i].backend : NULL;
            *first = devices[i].first;
            return keys;
        }
    }
    if (!strcmp(text, "stdio") || !strcmp(text, "null") || !strcmp(text, "pty")) {
        *backend = text;
    } else if (!strcmp(text, "ringbuf") || g_str_has_prefix(text, "ringbuf,")) {
        *backend = "ringbuf";
        return g_strdup(text[7] ? text + 8 : "");
    }
    return g_strdup("");
}

ChardevConfig *chardev_config_parse_device(const char *id, const char *text, GError **errp)
{
    bool monitor = g_str_has_prefix(text, "mon:");
    const char *device = text + (monitor ? strlen("mon:") : 0), *backend, *first;
    g_autofree char *keys = device_keys(device, &backend, &first);

    if (!backend) {
        error_set(errp, "character device '%s' is not supported", text);
        error_hint(errp, "Supported: stdio, pty, null, none, file:PATH, unix:PATH,server=on,wait=off, "
                   "tcp:HOST:PORT,server=on,wait=off, telnet:…, ringbuf, chardev:ID, each also after mon:");
        return NULL;
    }
    g_autofree char *full = with_long_forms(keys);
    g_autoptr(KeyVal) kv = keyval_parse(full, first, errp);
    ChardevConfig *config = kv ? new_config(backend, id, kv, errp) : NULL;
    if (config) {
        config->mux |= monitor;
        config->monitor = monitor;
        config->keep_signals &= !monitor;
        config->telnet |= g_str_has_prefix(device, "telnet:");
    }
    return config;
}
