/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What options say of chardevs: "BACKEND,id=ID,KEY=VALUE…" of -chardev, and the short form of
 * -serial, -monitor and -qmp. Pure.
 */
#include <string.h>

#include "chardev-internal.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

#define MAX_RING_SIZE (256 * MiB)

#define COMMON_KEYS "id mux logfile logappend signal"

static const struct {
    const char *name;
    ChardevKind kind;
    const char *keys; /* what it takes besides COMMON_KEYS */
} backends[] = {
    { "file", CHARDEV_FILE, "path append input-path" },
    { "null", CHARDEV_NULL, "" },
    { "pipe", CHARDEV_PIPE, "path" },
    { "pty", CHARDEV_PTY, "path" },
    { "ringbuf", CHARDEV_RINGBUF, "size" },
    { "memory", CHARDEV_RINGBUF, "size" },
    { "socket", CHARDEV_SOCKET,
      "path abstract tight host port to ipv4 ipv6 cid fd server wait telnet nodelay reconnect "
      "reconnect-ms" },
    { "stdio", CHARDEV_STDIO, "" },
    { "udp", CHARDEV_UDP, "host port localaddr localport ipv4 ipv6" },
};

const char *chardev_help(void)
{
    return "Available chardev backend types: \n  file\n  null\n  pipe\n  pty\n  ringbuf\n  "
           "socket\n  stdio\n  udp\n";
}

bool chardev_kind_find(const char *name, ChardevKind *kind)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(backends); i++) {
        if (!strcmp(backends[i].name, name)) {
            *kind = backends[i].kind;
            return true;
        }
    }
    return false;
}

void chardev_config_free(ChardevConfig *config)
{
    if (config) {
        g_free(config->id);
        g_free(config->path);
        g_free(config->input_path);
        g_free(config->log_path);
        socket_address_free(config->address);
        socket_address_free(config->local);
        g_free(config);
    }
}

/* "server" and "nowait" alone are what server=on and wait=off were once: still widely written. */
static char *with_long_forms(const char *text)
{
    static const char *const forms[][2] = {
        { "server", "server=on" }, { "nowait", "wait=off" }, { "wait", "wait=on" },
        { "telnet", "telnet=on" },
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

static bool get_number(const KeyVal *kv, const char *key, uint64_t max, uint64_t *value,
                       GError **errp)
{
    const char *text = keyval_get(kv, key);

    return !text || g_ascii_string_to_unsigned(text, 10, 0, max, value, NULL) ||
           error_set(errp, "Parameter '%s' expects a number up to %" G_GUINT64_FORMAT ", not '%s'",
                     key, max, text);
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
    const char *path = keyval_get(kv, "path"), *fd = keyval_get(kv, "fd"),
               *cid = keyval_get(kv, "cid");
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
    if (!add_flag(json, kv, "abstract", errp) || !add_flag(json, kv, "tight", errp) ||
        !add_flag(json, kv, "ipv4", errp) || !add_flag(json, kv, "ipv6", errp) ||
        !get_number(kv, "to", UINT16_MAX, &to, errp)) {
        return NULL;
    }
    if (to) {
        json_object_object_add(json, "to", json_object_new_int64((int64_t)to));
    }
    return socket_address_from_json(json, NULL, errp);
}

/* udp: the other side needs a port; this side may have an address, a port, both or neither. */
static bool fill_udp(ChardevConfig *config, const KeyVal *kv, GError **errp)
{
    const char *host = keyval_get(kv, "host"), *port = keyval_get(kv, "port");
    const char *local = keyval_get(kv, "localaddr"), *local_port = keyval_get(kv, "localport");
    g_autoptr(JsonValue) theirs = json_object_new_object(), ours = json_object_new_object();

    if (!port || !*port) {
        return error_set(errp, "Parameter 'port' is missing");
    }
    add_text(theirs, "type", "inet");
    add_text(theirs, "host", host && *host ? host : "localhost");
    add_text(theirs, "port", port);
    if (!add_flag(theirs, kv, "ipv4", errp) || !add_flag(theirs, kv, "ipv6", errp)) {
        return false;
    }
    config->address = socket_address_from_json(theirs, NULL, errp);
    if (!config->address || !((local && *local) || (local_port && *local_port))) {
        return config->address;
    }
    add_text(ours, "type", "inet");
    add_text(ours, "host", local ? local : "");
    add_text(ours, "port", local_port && *local_port ? local_port : "0");
    config->local = socket_address_from_json(ours, NULL, errp);
    return config->local;
}

/* As for QEMU, a server waits for its first client unless wait=off says otherwise. */
static bool fill_socket(ChardevConfig *config, const KeyVal *kv, GError **errp)
{
    uint64_t seconds = 0, milliseconds = 0;
    bool no_delay;

    config->address = make_address(kv, errp);
    config->wait = true;
    if (!config->address || !get_bool(kv, "server", &config->server, errp) ||
        !get_bool(kv, "wait", &config->wait, errp) ||
        !get_bool(kv, "telnet", &config->telnet, errp) ||
        !get_bool(kv, "nodelay", &no_delay, errp) ||
        !get_number(kv, "reconnect", G_MAXINT / 1000, &seconds, errp) ||
        !get_number(kv, "reconnect-ms", G_MAXINT, &milliseconds, errp)) {
        return false;
    }
    if (seconds && milliseconds) {
        return error_set(errp, "'reconnect' and 'reconnect-ms' are mutually exclusive");
    }
    if (!config->server && keyval_get(kv, "wait") && config->wait) {
        return error_set(errp, "'wait' option is incompatible with socket in client connect mode");
    }
    config->reconnect_ms = (unsigned)(milliseconds ? milliseconds : seconds * 1000);
    return true;
}

static bool fill(ChardevConfig *config, const KeyVal *kv, GError **errp)
{
    const char *size = keyval_get(kv, "size");

    config->path = g_strdup(keyval_get(kv, "path"));
    switch (config->kind) {
    case CHARDEV_FILE:
        config->input_path = g_strdup(keyval_get(kv, "input-path"));
        return get_bool(kv, "append", &config->append, errp);
    case CHARDEV_RINGBUF:
        config->size = CHARDEV_RING_SIZE;
        return !size || parse_size(size, 1, &config->size) ||
               error_set(errp, "size of ringbuf chardev is no size: '%s'", size);
    case CHARDEV_UDP:
        return fill_udp(config, kv, errp);
    case CHARDEV_SOCKET:
        return fill_socket(config, kv, errp);
    case CHARDEV_STDIO:
        config->keep_signals = !config->mux;
        return get_bool(kv, "signal", &config->keep_signals, errp);
    default:
        return true;
    }
}

bool chardev_config_check(const ChardevConfig *config, GError **errp)
{
    switch (config->kind) {
    case CHARDEV_FILE:
        return (config->path && *config->path) ||
               error_set(errp, "a file needs its path: file,path=PATH or file:PATH");
    case CHARDEV_PIPE:
        return (config->path && *config->path) ||
               error_set(errp, "chardev: pipe: no filename given");
    case CHARDEV_RINGBUF:
        return (config->size && config->size <= MAX_RING_SIZE &&
                !(config->size & (config->size - 1))) ||
               error_set(errp,
                         "size of ringbuf chardev must be power of two, at most 256M, not "
                         "%" G_GUINT64_FORMAT,
                         config->size);
    case CHARDEV_SOCKET:
        return !(config->server && config->reconnect_ms) ||
               error_set(errp,
                         "'reconnect' option is incompatible with socket in server listen mode");
    case CHARDEV_UDP:
        return (config->address->kind == SOCKET_INET &&
                (!config->local || config->local->kind == SOCKET_INET)) ||
               error_set(errp, "UDP needs addresses of type inet");
    default:
        return true;
    }
}

static void report_no_backend(const char *backend, GError **errp)
{
    static const char *const names[] = { "file", "null", "pipe", "pty", "ringbuf", "socket",
                                         "stdio", "udp", NULL };
    const char *instead = chardev_instead_of_backend(backend),
               *near = instead ? NULL : nearest_name(backend, names);

    error_set(errp, "'%s' is not a valid char driver name", backend);
    if (instead) {
        error_hint(errp, "%s", instead);
        return;
    }
    if (near) {
        error_hint(errp, "Did you mean '%s'?", near);
    }
    error_hint(errp, "There are file, null, pipe, pty, ringbuf, socket, stdio and udp");
}

static bool check_keys(const char *backend, const KeyVal *kv, GError **errp)
{
    unsigned b = 0;

    while (strcmp(backends[b].name, backend)) {
        b++;
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const char *key = g_array_index(kv->pairs, KeyValPair, i).key;
        if (strcmp(key, "backend") && !takes_key(COMMON_KEYS, key) &&
            !takes_key(backends[b].keys, key)) {
            const char *instead = chardev_instead_of_key(key);
            error_set(errp, "Invalid parameter '%s'", key);
            if (instead) {
                error_hint(errp, "%s", instead);
            } else {
                error_hint(errp, "A chardev of type %s takes: " COMMON_KEYS " %s", backends[b].name,
                           backends[b].keys);
            }
            return false;
        }
    }
    return true;
}

/* kv's keys are those of -chardev but for the back end and the id. */
static ChardevConfig *new_config(const char *backend, const char *id, const KeyVal *kv,
                                 GError **errp)
{
    g_autoptr(ChardevConfig) config = g_new0(ChardevConfig, 1);
    if (!chardev_kind_find(backend, &config->kind)) {
        report_no_backend(backend, errp);
        return NULL;
    }
    config->id = g_strdup(id);
    config->log_path = g_strdup(keyval_get(kv, "logfile"));
    if (!check_keys(backend, kv, errp) || !get_bool(kv, "mux", &config->mux, errp) ||
        !get_bool(kv, "logappend", &config->log_append, errp) || !fill(config, kv, errp) ||
        !chardev_config_check(config, errp)) {
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

/* "[HOST]:PORT[@[ADDRESS]:PORT]" of udp:, as keys. */
static char *udp_addresses(const char *rest)
{
    g_auto(GStrv) sides = g_strsplit(rest, "@", 2);
    g_autofree char *theirs = sides[0] ? host_and_port(sides[0]) : NULL;
    g_autofree char *ours = sides[0] && sides[1] ? host_and_port(sides[1]) : NULL;

    if (!theirs || (sides[1] && !ours)) {
        return NULL;
    }
    if (!ours) {
        return g_steal_pointer(&theirs);
    }
    const char *port = strstr(ours, ",port=");
    return g_strdup_printf("%s,localaddr=%.*s,localport=%s", theirs, (int)(port - ours - 5),
                           ours + 5, port + 6);
}

/* The short form's prefix, its back end, and what its first element is. */
static const struct {
    const char *prefix, *backend, *first;
} devices[] = {
    { "unix:", "socket", "path" }, { "file:", "file", "path" }, { "tcp:", "socket", NULL },
    { "telnet:", "socket", NULL },
    { "pipe:", "pipe", "path" }, { "udp:", "udp", NULL },
};

/* The keys that a short form comes to; *backend NULL: it is none. */
static char *device_keys(const char *text, const char **backend, const char **first)
{
    *backend = *first = NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        if (g_str_has_prefix(text, devices[i].prefix)) {
            const char *rest = text + strlen(devices[i].prefix);
            char *keys = devices[i].first                     ? g_strdup(rest)
                         : !strcmp(devices[i].backend, "udp") ? udp_addresses(rest)
                                                              : host_and_port(rest);
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
        const char *instead = chardev_instead_of_device(device);
        error_hint(errp, "%s",
                   instead ? instead
                           : "Supported: stdio, pty, null, none, file:PATH, pipe:PATH, "
                             "unix:PATH,server=on,wait=off, "
                             "tcp:HOST:PORT,server=on,wait=off, telnet:…, udp:HOST:PORT, ringbuf, "
                             "chardev:ID, each also after mon:");
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
