/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties of -object tdx-guest: parsed and checked one by one, then together. */
#include "target/i386/kvm/tdx-guest.h"

#include <errno.h>
#include <string.h>

#include "target/i386/kvm/tdx-measure.h"
#include "util/error.h"
#include "util/names.h"

/* QEMU's set: the bits whose side effects the VMM has code for. */
#define TDX_ATTRIBUTES_KNOWN \
    (TDX_ATTRIBUTE_SEPT_VE_DISABLE | TDX_ATTRIBUTE_PKS | TDX_ATTRIBUTE_PERFMON)

TdxGuestConfig *tdx_guest_config_new(const char *id)
{
    TdxGuestConfig *config = g_new0(TdxGuestConfig, 1);

    config->id = g_strdup(id);
    return config;
}

void tdx_guest_config_free(TdxGuestConfig *config)
{
    if (config) {
        g_free(config->id);
        g_free(config->mrconfigid);
        g_free(config->mrowner);
        g_free(config->mrownerconfig);
        socket_address_free(config->quote_generation_socket);
        g_free(config);
    }
}

static bool parse_bool(const char *name, const char *value, bool *result, GError **errp)
{
    static const char *const on[] = { "on", "yes", "true", "y", NULL },
    *const off[] = { "off", "no", "false", "n", NULL };

    if (g_strv_contains(on, value)) {
        *result = true;
    } else if (g_strv_contains(off, value)) {
        *result = false;
    } else {
        return error_set(errp, "Parameter '%s' expects 'on' or 'off'", name);
    }
    return true;
}

static bool parse_u64(const char *name, const char *value, uint64_t *result, GError **errp)
{
    bool hex = g_ascii_strncasecmp(value, "0x", 2) == 0;
    char *end;

    errno = 0;
    uint64_t parsed = g_ascii_isdigit(*value) ? g_ascii_strtoull(value, &end, hex ? 16 : 10) : 0;
    if (!g_ascii_isdigit(*value) || errno || *end || (hex && !value[2])) {
        return error_set(errp, "Parameter '%s' expects a uint64 value", name);
    }
    *result = parsed;
    return true;
}

static bool set_attributes(TdxGuestConfig *config, const char *value, GError **errp)
{
    uint64_t attributes = 0;

    if (!parse_u64("attributes", value, &attributes, errp)) {
        return false;
    }
    if (attributes & ~TDX_ATTRIBUTES_KNOWN) {
        error_set(errp,
                  "Parameter 'attributes' does not accept bits 0x%" G_GINT64_MODIFIER
                  "x: 0x%" G_GINT64_MODIFIER "x can be set",
                  attributes & ~TDX_ATTRIBUTES_KNOWN, TDX_ATTRIBUTES_KNOWN);
        if (attributes & 1) {
            error_hint(errp, "Bit 0 (DEBUG) would let the host read the TD: KVM does not offer it");
        }
        return false;
    }
    config->attributes = attributes;
    config->has_attributes = true;
    return true;
}

/* 96 hexadecimal digits are base64 of 72 bytes, too. */
static void hint_hexadecimal(const char *value, GError **errp)
{
    uint8_t bytes[TDX_MEASUREMENT_SIZE];

    if (strlen(value) != 2 * sizeof(bytes) ||
        strspn(value, "0123456789abcdefABCDEF") != 2 * sizeof(bytes)) {
        return;
    }
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(g_ascii_xdigit_value(value[2 * i]) << 4 |
                             g_ascii_xdigit_value(value[2 * i + 1]));
    }
    g_autofree char *text = g_base64_encode(bytes, sizeof(bytes));
    error_hint(errp, "This is hexadecimal: in base64 it is %s", text);
}

static bool decode_measurement(const char *name, const char *value,
                               uint8_t digest[TDX_MEASUREMENT_SIZE], GError **errp)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(value);
    gsize size;

    /* GLib's decoder skips what is not base64. */
    if (length % 4 || strspn(value, alphabet) +
                              (g_str_has_suffix(value, "==") ? 2 : g_str_has_suffix(value, "=")) !=
                          length) {
        return error_set(
            errp, "Parameter '%s' expects the base64 text of 48 bytes, and '%s' is not base64",
            name, value);
    }
    g_autofree guchar *bytes = g_base64_decode(value, &size);
    if (size != TDX_MEASUREMENT_SIZE) {
        error_set(errp, "TDX '%s' sha384 digest was %zu bytes, expected %d bytes", name,
                  (size_t)size, TDX_MEASUREMENT_SIZE);
        hint_hexadecimal(value, errp);
        return false;
    }
    memcpy(digest, bytes, TDX_MEASUREMENT_SIZE);
    return true;
}

bool tdx_guest_config_measurement(const char *text, uint8_t digest[TDX_MEASUREMENT_SIZE])
{
    memset(digest, 0, TDX_MEASUREMENT_SIZE);
    return !text || decode_measurement("", text, digest, NULL);
}

static bool set_measurement(const char *name, char **field, const char *value, GError **errp)
{
    uint8_t digest[TDX_MEASUREMENT_SIZE];

    if (!decode_measurement(name, value, digest, errp)) {
        return false;
    }
    g_free(*field);
    *field = g_strdup(value);
    return true;
}

static bool set_quote_socket(TdxGuestConfig *config, const char *value, GError **errp)
{
    static const char name[] = "quote-generation-socket";
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) json = NULL;
    SocketAddress *address;

    if (*value == '{') {
        address = json_parse(value, strlen(value), &json, errp)
                      ? socket_address_from_json(json, name, errp)
                      : NULL;
    } else {
        address = socket_address_parse(value, &err);
        if (!address) {
            error_set(errp, "Parameter '%s': %s", name, err->message);
        }
    }
    if (address) {
        socket_address_free(config->quote_generation_socket);
        config->quote_generation_socket = address;
    }
    return address;
}

/* quote-generation-service=vsock:CID:PORT of the first public TDX host stacks, as dotted keys. */
static void explain_quote_service(const char *value, GError **errp)
{
    g_autoptr(SocketAddress) a = value ? socket_address_parse(value, NULL) : NULL;

    if (a && a->kind == SOCKET_VSOCK) {
        error_hint(errp,
                   "Use "
                   "quote-generation-socket.type=vsock,quote-generation-socket.cid=%s,quote-"
                   "generation-socket.port=%s",
                   a->cid, a->port);
    } else if (a && a->kind == SOCKET_UNIX) {
        error_hint(errp, "Use quote-generation-socket.type=unix,quote-generation-socket.path=%s",
                   a->path);
    } else {
        error_hint(errp, "Use "
                         "quote-generation-socket.type=unix,quote-generation-socket.path=/var/run/"
                         "tdx-qgs/qgs.socket, or the type vsock with cid and port");
    }
}

bool tdx_guest_explain_unknown(const char *name, const char *value, GError **errp)
{
    /* Of the trees that carried TDX before QEMU 10.1 */
    static const struct {
        const char *name, *advice;
    } retired[] = {
        { "debug", "A TD under KVM cannot be debugged from outside (attribute bit 0): leave the "
                   "parameter out" },
        { "tsc-freq", "The time stamp counter is the CPU's: use -cpu host,tsc-frequency=HZ" },
        { "tsc-frequency", "The time stamp counter is the CPU's: use -cpu host,tsc-frequency=HZ" },
        { "num-keys", "The host chooses the key: leave the parameter out" },
        { "max-vcpus", "The number of vCPUs is the machine's: use -smp" },
        { "lmce", "A TD has no machine checks of its own: leave the parameter out" },
        { "perfmon", "Attribute bit 63 follows the CPU: use -cpu host,pmu=on" },
        { "pks", "Attribute bit 30 follows the CPU: use -cpu host,+pks" },
        { "gpaw", "The width of addresses follows the CPU: use -cpu host,phys-bits=N" },
        { "xfam", "XFAM follows the CPU's features: use -cpu host,+FEATURE,-FEATURE" },
    };

    if (g_str_has_prefix(name, "quote-generation-service")) {
        explain_quote_service(value, errp);
        return true;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(retired); i++) {
        if (strcmp(name, retired[i].name) == 0) {
            error_hint(errp, "%s", retired[i].advice);
            return true;
        }
    }
    return false;
}

bool tdx_guest_config_set(TdxGuestConfig *config, const char *name, const char *value,
                          GError **errp)
{
    if (strcmp(name, "attributes") == 0) {
        return set_attributes(config, value, errp);
    }
    if (strcmp(name, "sept-ve-disable") == 0) {
        config->has_sept_ve_disable = parse_bool(name, value, &config->sept_ve_disable, errp);
        return config->has_sept_ve_disable;
    }
    if (strcmp(name, "quote-generation-socket") == 0) {
        return set_quote_socket(config, value, errp);
    }
    static const char *const names[] = {
        "attributes", "sept-ve-disable", "mrconfigid", "mrowner", "mrownerconfig",
        "quote-generation-socket", NULL,
    };
    char **field = strcmp(name, "mrconfigid") == 0 ? &config->mrconfigid :
                   strcmp(name, "mrowner") == 0 ? &config->mrowner :
                   strcmp(name, "mrownerconfig") == 0 ? &config->mrownerconfig : NULL;
    if (!field) {
        error_set(errp, "Invalid parameter '%s'", name);
        if (!tdx_guest_explain_unknown(name, value, errp)) {
            error_hint_names(errp, name, names);
        }
        return false;
    }
    return set_measurement(name, field, value, errp);
}

bool tdx_guest_config_complete(TdxGuestConfig *config, GError **errp)
{
    bool raw = config->attributes & TDX_ATTRIBUTE_SEPT_VE_DISABLE;

    if (config->has_attributes && config->has_sept_ve_disable && raw != config->sept_ve_disable) {
        error_set(errp,
                  "attributes=0x%" G_GINT64_MODIFIER "x (bit 28 %s) contradicts sept-ve-disable=%s",
                  config->attributes, raw ? "set" : "clear",
                  config->sept_ve_disable ? "on" : "off");
        error_hint(errp, "Bit 28 of attributes is SEPT_VE_DISABLE: give one of the two");
        return false;
    }
    return true;
}

uint64_t tdx_guest_config_attributes(const TdxGuestConfig *config)
{
    uint64_t attributes = config->has_attributes ? config->attributes
                                                 : TDX_ATTRIBUTE_SEPT_VE_DISABLE;

    if (config->has_sept_ve_disable) {
        attributes &= ~TDX_ATTRIBUTE_SEPT_VE_DISABLE;
        attributes |= config->sept_ve_disable ? TDX_ATTRIBUTE_SEPT_VE_DISABLE : 0;
    }
    return attributes;
}
