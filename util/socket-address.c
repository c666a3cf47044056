/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket addresses as values: parsing, printing, comparing, by one table of what each kind has. */
#include <string.h>
#include <sys/un.h>

#include "socket-internal.h"
#include "util/error.h"
#include "util/keyval.h"

typedef enum FieldType { FIELD_TEXT, FIELD_FLAG, FIELD_U16, FIELD_U32 } FieldType;

typedef struct Field {
    const char *name;
    SocketKind kind;
    FieldType type;
    bool optional;
    size_t offset;
} Field;

static const char *const kind_names[] = { "inet", "unix", "vsock", "fd", NULL };

static const Field fields[] = {
    { "host", SOCKET_INET, FIELD_TEXT, false, offsetof(SocketAddress, host) },
    { "port", SOCKET_INET, FIELD_TEXT, false, offsetof(SocketAddress, port) },
    { "numeric", SOCKET_INET, FIELD_FLAG, true, offsetof(SocketAddress, numeric) },
    { "to", SOCKET_INET, FIELD_U16, true, offsetof(SocketAddress, to) },
    { "ipv4", SOCKET_INET, FIELD_FLAG, true, offsetof(SocketAddress, ipv4) },
    { "ipv6", SOCKET_INET, FIELD_FLAG, true, offsetof(SocketAddress, ipv6) },
    { "keep-alive", SOCKET_INET, FIELD_FLAG, true, offsetof(SocketAddress, keep_alive) },
    { "keep-alive-count", SOCKET_INET, FIELD_U32, true, offsetof(SocketAddress, keep_alive_count) },
    { "keep-alive-idle", SOCKET_INET, FIELD_U32, true, offsetof(SocketAddress, keep_alive_idle) },
    { "keep-alive-interval", SOCKET_INET, FIELD_U32, true,
      offsetof(SocketAddress, keep_alive_interval) },
    { "path", SOCKET_UNIX, FIELD_TEXT, false, offsetof(SocketAddress, path) },
    { "abstract", SOCKET_UNIX, FIELD_FLAG, true, offsetof(SocketAddress, abstract) },
    { "tight", SOCKET_UNIX, FIELD_FLAG, true, offsetof(SocketAddress, tight) },
    { "cid", SOCKET_VSOCK, FIELD_TEXT, false, offsetof(SocketAddress, cid) },
    { "port", SOCKET_VSOCK, FIELD_TEXT, false, offsetof(SocketAddress, port) },
    { "str", SOCKET_FD, FIELD_TEXT, false, offsetof(SocketAddress, fd) },
};

static char **text_of(const SocketAddress *address, const Field *f)
{
    return (char **)((char *)address + f->offset);
}

static SocketFlag *flag_of(const SocketAddress *address, const Field *f)
{
    return (SocketFlag *)((char *)address + f->offset);
}

static uint32_t *number_of(const SocketAddress *address, const Field *f)
{
    return (uint32_t *)((char *)address + f->offset);
}

static const Field *find_field(SocketKind kind, const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (fields[i].kind == kind && !strcmp(fields[i].name, name)) {
            return &fields[i];
        }
    }
    return NULL;
}

void socket_address_free(SocketAddress *address)
{
    if (address) {
        g_free(address->host);
        g_free(address->port);
        g_free(address->path);
        g_free(address->cid);
        g_free(address->fd);
        g_free(address);
    }
}

SocketAddress *socket_address_copy(const SocketAddress *address)
{
    SocketAddress *copy = g_memdup2(address, sizeof(*address));

    copy->host = g_strdup(address->host);
    copy->port = g_strdup(address->port);
    copy->path = g_strdup(address->path);
    copy->cid = g_strdup(address->cid);
    copy->fd = g_strdup(address->fd);
    return copy;
}

bool socket_address_equal(const SocketAddress *a, const SocketAddress *b)
{
    bool equal = a->kind == b->kind;

    for (unsigned i = 0; equal && i < G_N_ELEMENTS(fields); i++) {
        const Field *f = &fields[i];

        if (f->kind == a->kind) {
            equal = f->type == FIELD_TEXT   ? !strcmp(*text_of(a, f), *text_of(b, f))
                    : f->type == FIELD_FLAG ? *flag_of(a, f) == *flag_of(b, f)
                                            : *number_of(a, f) == *number_of(b, f);
        }
    }
    return equal;
}

bool socket_number(const char *text, uint64_t max, uint64_t *value)
{
    bool hex = g_ascii_strncasecmp(text, "0x", 2) == 0;

    return g_ascii_isdigit(*text) &&
           g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0, max, value, NULL);
}

/* Is it "any" or "-1", VMADDR_CID_ANY of linux/vm_sockets.h? */
static bool is_any_cid(const char *text)
{
    return !strcmp(text, "any") || !strcmp(text, "-1");
}

bool socket_vsock_number(const char *text, uint32_t *value)
{
    uint64_t wide = UINT32_MAX;

    if (!is_any_cid(text) && !socket_number(text, UINT32_MAX, &wide)) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

static bool check_inet(const SocketAddress *a, const char *prefix, GError **errp)
{
    uint64_t port = 0;

    if (a->ipv4 == SOCKET_OFF && a->ipv6 == SOCKET_OFF) {
        return error_set(errp, "Cannot disable IPv4 and IPv6 at same time");
    }
    if (!*a->port || (g_ascii_isdigit(*a->port) && !socket_number(a->port, UINT16_MAX, &port))) {
        return error_set(
            errp, "Parameter '%sport' expects a number up to 65535 or a service's name, not '%s'",
            prefix, a->port);
    }
    if (a->to && (!g_ascii_isdigit(*a->port) || a->to < port)) {
        return error_set(errp,
                         "Parameter '%sto' (%u) expects a port that is not below '%sport' (%s)",
                         prefix, a->to, prefix, a->port);
    }
    return true;
}

static bool check_unix(const SocketAddress *a, const char *prefix, GError **errp)
{
    /* An abstract name has a NUL before it, any other one a NUL after it. */
    size_t room = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (!*a->path) {
        return error_set(errp, "Parameter '%spath' expects the path of a socket, and is empty",
                         prefix);
    }
    if (strlen(a->path) > room) {
        return error_set(errp, "UNIX socket path '%s' is too long: it may have %zu bytes", a->path,
                         room);
    }
    return true;
}

static bool check_values(const SocketAddress *a, const char *prefix, GError **errp)
{
    uint32_t number;

    switch (a->kind) {
    case SOCKET_INET:
        return check_inet(a, prefix, errp);
    case SOCKET_UNIX:
        return check_unix(a, prefix, errp);
    case SOCKET_VSOCK:
        if (!socket_vsock_number(a->cid, &number)) {
            error_set(errp, "Parameter '%scid' expects a number below 2^32, not '%s'", prefix,
                      a->cid);
            error_hint(errp, "1 is this machine itself, 2 the host of this machine, 3 and above "
                             "are its virtual machines");
            return false;
        }
        return socket_vsock_number(a->port, &number) ||
               error_set(errp, "Parameter '%sport' expects a number below 2^32, not '%s'", prefix,
                         a->port);
    case SOCKET_FD:
        return *a->fd ||
               error_set(
                   errp,
                   "Parameter '%sstr' expects a file descriptor's number or name, and is empty",
                   prefix);
    }
    return false;
}

static bool wrong_type(const char *prefix, const char *name, const char *expected, GError **errp)
{
    return error_set(errp, "Invalid parameter type for '%s%s', expected: %s", prefix, name,
                     expected);
}

static bool set_field(SocketAddress *a, const Field *f, JsonValue *value, const char *prefix,
                      GError **errp)
{
    uint64_t number;

    switch (f->type) {
    case FIELD_TEXT:
        if (!json_object_is_type(value, json_type_string)) {
            return wrong_type(prefix, f->name, "string", errp);
        }
        g_free(*text_of(a, f));
        *text_of(a, f) = g_strdup(json_object_get_string(value));
        return true;
    case FIELD_FLAG:
        if (!json_object_is_type(value, json_type_boolean)) {
            return wrong_type(prefix, f->name, "boolean", errp);
        }
        *flag_of(a, f) = json_object_get_boolean(value) ? SOCKET_ON : SOCKET_OFF;
        return true;
    default:
        if (!json_object_is_type(value, json_type_int)) {
            return wrong_type(prefix, f->name, "integer", errp);
        }
        if (!json_value_u64(value, &number) ||
            number > (f->type == FIELD_U16 ? UINT16_MAX : UINT32_MAX)) {
            return error_set(errp, "Parameter '%s%s' expects %s", prefix, f->name,
                             f->type == FIELD_U16 ? "uint16" : "uint32");
        }
        *number_of(a, f) = (uint32_t)number;
        return true;
    }
}

static bool set_kind(SocketAddress *a, JsonValue *value, const char *prefix, GError **errp)
{
    JsonValue *type;

    if (!json_object_object_get_ex(value, "type", &type)) {
        error_set(errp, "Parameter '%stype' is missing", prefix);
        error_hint_names(errp, NULL, kind_names);
        return false;
    }
    if (!json_object_is_type(type, json_type_string)) {
        return wrong_type(prefix, "type", "string", errp);
    }
    const char *text = json_object_get_string(type);
    for (unsigned i = 0; kind_names[i]; i++) {
        if (!strcmp(text, kind_names[i])) {
            a->kind = (SocketKind)i;
            return true;
        }
    }
    error_set(errp, "Parameter '%stype' does not accept value '%s'", prefix, text);
    error_hint_names(errp, !strcmp(text, "tcp") ? "inet" : text, kind_names);
    return false;
}

static bool unexpected(SocketKind kind, const char *key, const char *prefix, GError **errp)
{
    const char *names[G_N_ELEMENTS(fields) + 1];
    unsigned n = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (fields[i].kind == kind) {
            names[n++] = fields[i].name;
        }
    }
    names[n] = NULL;
    error_set(errp, "Parameter '%s%s' is unexpected", prefix, key);
    error_hint_names(errp, key, names);
    return false;
}

static bool set_members(SocketAddress *a, JsonValue *value, const char *prefix, GError **errp)
{
    json_object_object_foreach(value, key, member) {
        const Field *f = find_field(a->kind, key);

        if (strcmp(key, "type") &&
            !(f ? set_field(a, f, member, prefix, errp) : unexpected(a->kind, key, prefix, errp))) {
            return false;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        const Field *f = &fields[i];

        if (f->kind == a->kind && !f->optional && !*text_of(a, f)) {
            return error_set(errp, "Parameter '%s%s' is missing", prefix, f->name);
        }
    }
    return true;
}

SocketAddress *socket_address_from_json(JsonValue *value, const char *name, GError **errp)
{
    g_autoptr(SocketAddress) a = g_new0(SocketAddress, 1);
    g_autofree char *prefix = name ? g_strconcat(name, ".", NULL) : g_strdup("");

    if (!json_object_is_type(value, json_type_object)) {
        wrong_type("", name ? name : "address", "object", errp);
        return NULL;
    }
    if (!set_kind(a, value, prefix, errp) || !set_members(a, value, prefix, errp) ||
        !check_values(a, prefix, errp)) {
        return NULL;
    }
    return g_steal_pointer(&a);
}

JsonValue *socket_address_to_json(const SocketAddress *a)
{
    JsonValue *object = json_object_new_object();

    json_object_object_add(object, "type", json_object_new_string(kind_names[a->kind]));
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        const Field *f = &fields[i];

        if (f->kind != a->kind) {
            continue;
        }
        if (f->type == FIELD_TEXT) {
            json_object_object_add(object, f->name, json_object_new_string(*text_of(a, f)));
        } else if (f->type == FIELD_FLAG && *flag_of(a, f)) {
            json_object_object_add(object, f->name,
                                   json_object_new_boolean(*flag_of(a, f) == SOCKET_ON));
        } else if (f->type != FIELD_FLAG && *number_of(a, f)) {
            json_object_object_add(object, f->name, json_object_new_uint64(*number_of(a, f)));
        }
    }
    return object;
}

char *socket_address_format(const SocketAddress *a)
{
    switch (a->kind) {
    case SOCKET_INET:
        return g_strdup_printf(strchr(a->host, ':') ? "tcp:[%s]:%s" : "tcp:%s:%s", a->host,
                               a->port);
    case SOCKET_UNIX:
        return g_strdup_printf("unix:%s%s", a->abstract == SOCKET_ON ? "@" : "", a->path);
    case SOCKET_VSOCK:
        return g_strdup_printf("vsock:%s:%s", a->cid, a->port);
    case SOCKET_FD:
        return g_strdup_printf("fd:%s", a->fd);
    }
    return NULL;
}

/* "HOST:PORT" or "[HOST]:PORT" */
static bool split_host_port(const char *text, char **host, char **port, GError **errp)
{
    const char *colon = *text == '[' ? strchr(text, ']') : strrchr(text, ':');

    if (*text == '[') {
        colon = colon && colon[1] == ':' ? colon + 1 : NULL;
    }
    if (!colon) {
        return error_set(
            errp, "error parsing address '%s': expected HOST:PORT, IPv6 addresses in brackets",
            text);
    }
    *host = *text == '[' ? g_strndup(text + 1, colon - text - 2) : g_strndup(text, colon - text);
    *port = g_strdup(colon + 1);
    if (*text != '[' && strchr(*host, ':')) {
        error_set(errp, "error parsing address '%s': which ':' stands before the port?", text);
        error_hint(errp, "Write an IPv6 address in brackets: [%s]:%s", *host, *port);
        return false;
    }
    return true;
}

static bool set_inet_option(SocketAddress *a, const KeyValPair *pair, GError **errp)
{
    const Field *f = find_field(SOCKET_INET, pair->key);
    uint64_t number = 0;
    bool on = false;

    if (!f || f->type == FIELD_TEXT) {
        return unexpected(SOCKET_INET, pair->key, "", errp);
    }
    if (f->type == FIELD_FLAG) {
        bool ok = keyval_bool(pair->key, pair->value, &on, errp);
        *flag_of(a, f) = on ? SOCKET_ON : SOCKET_OFF;
        return ok;
    }
    if (!socket_number(pair->value, f->type == FIELD_U16 ? UINT16_MAX : UINT32_MAX, &number)) {
        return error_set(errp, "Parameter '%s' expects a number, not '%s'", pair->key, pair->value);
    }
    *number_of(a, f) = (uint32_t)number;
    return true;
}

/* HOST:PORT[,option=value…] */
static bool parse_inet(SocketAddress *a, const char *text, GError **errp)
{
    g_autoptr(KeyVal) options = keyval_parse(text, "", errp);

    if (!options || !options->pairs->len || *g_array_index(options->pairs, KeyValPair, 0).key) {
        return errp && *errp
                   ? false
                   : error_set(errp, "error parsing address '%s': expected HOST:PORT", text);
    }
    if (!split_host_port(g_array_index(options->pairs, KeyValPair, 0).value, &a->host, &a->port,
                         errp)) {
        return false;
    }
    for (unsigned i = 1; i < options->pairs->len; i++) {
        if (!set_inet_option(a, &g_array_index(options->pairs, KeyValPair, i), errp)) {
            return false;
        }
    }
    return true;
}

static bool parse_vsock(SocketAddress *a, const char *text, GError **errp)
{
    const char *colon = strchr(text, ':');

    if (!colon) {
        return error_set(errp, "error parsing address 'vsock:%s': expected vsock:CID:PORT", text);
    }
    a->cid = g_strndup(text, colon - text);
    a->port = g_strdup(colon + 1);
    return true;
}

static bool unknown_form(const char *text, GError **errp)
{
    error_set(errp, "error parsing address '%s': it begins with none of the kinds of socket", text);
    error_hint(errp, "Use unix:PATH, tcp:HOST:PORT, vsock:CID:PORT or fd:NUMBER");
    return false;
}

SocketAddress *socket_address_parse(const char *text, GError **errp)
{
    static const struct {
        const char *prefix;
        SocketKind kind;
    } forms[] = { { "tcp:", SOCKET_INET }, { "unix:", SOCKET_UNIX }, { "vsock:", SOCKET_VSOCK },
                  { "fd:", SOCKET_FD } };
    g_autoptr(SocketAddress) a = g_new0(SocketAddress, 1);
    const char *rest = NULL;
    bool ok = true;

    for (unsigned i = 0; !rest && i < G_N_ELEMENTS(forms); i++) {
        if (g_str_has_prefix(text, forms[i].prefix)) {
            a->kind = forms[i].kind;
            rest = text + strlen(forms[i].prefix);
        }
    }
    if (!rest) {
        unknown_form(text, errp);
        return NULL;
    }
    switch (a->kind) {
    case SOCKET_INET:
        ok = parse_inet(a, rest, errp);
        break;
    case SOCKET_VSOCK:
        ok = parse_vsock(a, rest, errp);
        break;
    case SOCKET_UNIX:
        a->path = g_strdup(rest);
        break;
    case SOCKET_FD:
        a->fd = g_strdup(rest);
        break;
    }
    return ok && check_values(a, "", errp) ? g_steal_pointer(&a) : NULL;
}
