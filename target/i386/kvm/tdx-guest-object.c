/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The object tdx-guest: its properties are checked and kept by TdxGuestConfig. */
#include "target/i386/kvm/tdx-guest-object.h"

#include <string.h>

#include "qapi-types.h"
#include "util/error.h"

static void tdx_guest_init(QomObject *object)
{
    ((TdxGuest *)object)->config = tdx_guest_config_new(NULL);
}

static void tdx_guest_finalize(QomObject *object)
{
    tdx_guest_config_free(((TdxGuest *)object)->config);
}

/* Values have their property's type by now; TdxGuestConfig takes text. */
static bool set_property(QomObject *object, const QomProperty *property, JsonValue *value,
                         GError **errp)
{
    g_autofree char *text = json_object_is_type(value, json_type_boolean)
                                ? g_strdup(json_object_get_boolean(value) ? "on" : "off")
                                : qom_value_text(value);

    return tdx_guest_config_set(((TdxGuest *)object)->config, property->name, text, errp);
}

static bool get_attributes(QomObject *object, const QomProperty *property, JsonValue **result,
                           GError **errp)
{
    *result = json_object_new_uint64(tdx_guest_config_attributes(((TdxGuest *)object)->config));
    return true;
}

static bool get_sept_ve_disable(QomObject *object, const QomProperty *property, JsonValue **result,
                                GError **errp)
{
    uint64_t attributes = tdx_guest_config_attributes(((TdxGuest *)object)->config);

    *result = json_object_new_boolean((attributes & TDX_ATTRIBUTE_SEPT_VE_DISABLE) != 0);
    return true;
}

static bool get_measurement(QomObject *object, const QomProperty *property, JsonValue **result,
                            GError **errp)
{
    const TdxGuestConfig *config = ((TdxGuest *)object)->config;
    const char *text = !strcmp(property->name, "mrconfigid") ? config->mrconfigid :
                       !strcmp(property->name, "mrowner") ? config->mrowner : config->mrownerconfig;

    *result = json_object_new_string(text ? text : "");
    return true;
}

static bool get_socket(QomObject *object, const QomProperty *property, JsonValue **result,
                       GError **errp)
{
    const SocketAddress *address = ((TdxGuest *)object)->config->quote_generation_socket;

    if (!address) {
        return error_set(errp, "%s is not set", property->name);
    }
    *result = socket_address_to_json(address);
    return true;
}

static bool tdx_guest_check(QomObject *object, GError **errp)
{
    TdxGuestConfig *config = ((TdxGuest *)object)->config;

    g_free(config->id);
    config->id = g_strdup(object->name);
    return tdx_guest_config_complete(config, errp);
}

#define MEASUREMENT(name_, description_)                                                    \
    { .name = (name_), .kind = QOM_STR, .description = (description_), .set = set_property, \
      .get = get_measurement,                                                               \
      .default_help = "zeroes" }

static const QomProperty tdx_guest_properties[] = {
    { .name = "attributes", .kind = QOM_UINT64, .set = set_property, .get = get_attributes,
      .default_help = "0x10000000",
      .description = "TD attributes as a number; CPU features pks and pmu add bits 30 and 63" },
    { .name = "sept-ve-disable", .kind = QOM_BOOL, .set = set_property, .get = get_sept_ve_disable,
      .default_help = "on",
      .description = "access to a page that is not accepted stops the TD instead of raising #VE "
                     "(attribute bit 28)" },
    { .name = "quote-generation-socket", .kind = QOM_QAPI, .qapi = &qapi_SocketAddress,
      .type_name = "SocketAddress",
      .set = set_property, .get = get_socket,
      .description = "where the service is that makes quotes, as seen from the host (unix:PATH, "
                     "vsock:CID:PORT, dotted keys or JSON)" },
    MEASUREMENT("mrconfigid",
                "base64 of 48 bytes: ID of the configuration, reported in quotes as MRCONFIGID"),
    MEASUREMENT("mrowner",
                "base64 of 48 bytes: ID of the TD's owner, reported in quotes as MROWNER"),
    MEASUREMENT("mrownerconfig",
                "base64 of 48 bytes: ID of the owner's configuration, reported in quotes as "
                "MROWNERCONFIG"),
    { NULL },
};

const QomType tdx_guest_type = {
    .name = "tdx-guest", .parent = &x86_confidential_guest_type, .size = sizeof(TdxGuest),
    .user_creatable = true,
    .description = "makes the machine a TD", .properties = tdx_guest_properties,
    .init = tdx_guest_init, .check = tdx_guest_check,
    .explain_unknown = tdx_guest_explain_unknown, .finalize = tdx_guest_finalize,
    .fixed_because = "the TD has been launched with it",
};
