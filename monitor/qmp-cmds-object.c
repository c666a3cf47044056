/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that make objects and devices, and let them go. */
#include <string.h>

#include "backends/iothread.h"
#include "hw/core/machine.h"
#include "hmp-objects.h"
#include "monitor-internal.h"
#include "monitor/monitor-object.h"
#include "system/core/confidential-guest.h"
#include "util/error.h"

static Machine *find_machine(QapiContext *context, GError **errp)
{
    QomObject *object = qom_object_child(context->objects, "machine");

    if (!object) {
        error_set(errp, "there is no machine yet");
    }
    return object ? MACHINE(object) : NULL;
}

/* A machine is a TD from its beginning or never, and monitors are made when the program starts. */
static bool too_late(QapiContext *context, const QomType *type)
{
    return type && ((qom_type_is(type, &confidential_guest_support_type) && context->plan) ||
                    type == &monitor_qmp_type);
}

bool monitor_object_add(QapiContext *context, const char *type, const char *id,
                        const QomSettings *settings, GError **errp)
{
    if (type && too_late(context, qom_type_find(qom_object_types(context->objects), type))) {
        return error_set(
            errp,
            "object '%s' of type '%s' comes too late: the machine has been launched; use -object",
            id ? id : "", type);
    }
    QomObject *object = qom_user_create(context->objects, type, id, settings, errp);
    if (object && !qom_object_complete(object, errp)) {
        qom_object_unparent(object);
        return false;
    }
    return object;
}

bool qmp_object_add(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    static const char *const skip[] = { "qom-type", "id", NULL };

    return monitor_object_add(context, json_member_string(arguments, "qom-type"),
                              json_member_string(arguments, "id"),
                              &(QomSettings){.json = arguments, .skip = skip}, errp);
}

bool qmp_object_del(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return qom_user_delete(context->objects, json_member_string(arguments, "id"), errp);
}

bool monitor_device_add(QapiContext *context, const QomSettings *settings, GError **errp)
{
    Machine *machine = find_machine(context, errp);
    Device *device = machine ? machine_create_device(machine, settings, errp) : NULL;

    return device && machine_plug_device(machine, device, settings, errp);
}

bool qmp_device_add(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return monitor_device_add(context, &(QomSettings){ .json = arguments }, errp);
}

bool qmp_device_del(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    Machine *machine = find_machine(context, errp);

    return machine && machine_unplug(machine, json_member_string(arguments, "id"), errp);
}

bool qmp_query_iothreads(QapiContext *context, JsonValue *arguments, JsonValue **result,
                         GError **errp)
{
    static const char *const numbers[] = { "poll-max-ns", "poll-grow", "poll-shrink",
                                           "poll-weight", "aio-max-batch" };
    const GPtrArray *objects = qom_container_get(context->objects, "/objects")->children;

    *result = json_object_new_array();
    for (unsigned i = 0; objects && i < objects->len; i++) {
        QomObject *object = g_ptr_array_index(objects, i);
        if (!qom_is(object, &iothread_type)) {
            continue;
        }
        JsonValue *entry = json_object_new_object(), *value;
        json_object_object_add(entry, "id", json_object_new_string(object->name));
        json_object_object_add(entry, "thread-id",
                               json_object_new_int64(IOTHREAD(object)->thread_id));
        for (unsigned n = 0; n < G_N_ELEMENTS(numbers); n++) {
            if (qom_property_get(object, numbers[n], &value, NULL)) {
                json_object_object_add(entry, numbers[n], value);
            }
        }
        json_object_array_add(*result, entry);
    }
    return true;
}
