/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the memory balloon. */
#include <inttypes.h>

#include "hmp-info.h"
#include "hmp-objects.h"
#include "hw/virtio/virtio-balloon.h"
#include "util/error.h"

static Device *find_balloon(QapiContext *context, GError **errp)
{
    Device *balloon = virtio_balloon_find(qom_container_get(context->objects, "/machine"));

    if (!balloon) {
        qmp_error_set(errp, QMP_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
    }
    return balloon;
}

bool qmp_balloon(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    Device *balloon = find_balloon(context, errp);
    JsonValue *value;
    uint64_t bytes;

    if (!balloon) {
        return false;
    }
    json_object_object_get_ex(arguments, "value", &value);
    if (json_object_get_int64(value) <= 0 || !json_value_u64(value, &bytes)) {
        return error_set(errp, "Parameter 'value' expects a size, from 1 byte on");
    }
    virtio_balloon_set_target(balloon, bytes);
    return true;
}

bool qmp_query_balloon(QapiContext *context, JsonValue *arguments, JsonValue **result,
                       GError **errp)
{
    Device *balloon = find_balloon(context, errp);

    if (balloon) {
        *result = json_object_new_object();
        json_object_object_add(*result, "actual",
                               json_object_new_uint64(virtio_balloon_actual(balloon)));
    }
    return balloon;
}

/* In MiB. */
void hmp_balloon(QapiContext *context, const char *arguments, GString *out)
{
    guint64 megabytes;

    if (!g_ascii_string_to_unsigned(arguments, 10, 1, INT64_MAX >> 20, &megabytes, NULL)) {
        g_string_append_printf(out, "Error: 'balloon' expects a number of MiB, not '%s'\n",
                               arguments);
        return;
    }
    g_autoptr(JsonValue) value = json_object_new_object();
    g_autoptr(JsonValue) result = NULL;
    g_autoptr(GError) err = NULL;
    json_object_object_add(value, "value", json_object_new_uint64(megabytes << 20));
    if (!qmp_balloon(context, value, &result, &err)) {
        g_string_append_printf(out, "Error: %s\n", err->message);
    }
}

void hmp_info_balloon(QapiContext *context, const char *arguments, GString *out)
{
    g_autoptr(GError) err = NULL;
    Device *balloon = find_balloon(context, &err);

    if (balloon) {
        g_string_append_printf(out, "balloon: actual=%" PRIu64 "\n",
                               virtio_balloon_actual(balloon) >> 20);
    } else {
        g_string_append_printf(out, "Error: %s\n", err->message);
    }
}
