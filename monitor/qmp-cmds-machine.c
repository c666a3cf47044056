/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the machine's state and life, and its vCPUs. */
#include <string.h>

#include "monitor-internal.h"
#include "util/error.h"

bool qmp_query_status(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    QapiRunState now = runstate_get(context->runstate);

    *result = json_object_new_object();
    json_object_object_add(*result, "running", json_object_new_boolean(now == QAPI_RUN_STATE_RUNNING));
    json_object_object_add(*result, "status", json_object_new_string(qapi_RunState_names[now]));
    return true;
}

bool qmp_stop(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    runstate_stop(context->runstate);
    return true;
}

bool qmp_cont(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return runstate_cont(context->runstate, errp);
}

bool qmp_quit(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    runstate_port()->shutdown(context->runstate, SHUTDOWN_HOST_QMP_QUIT);
    return true;
}

bool qmp_system_reset(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    runstate_port()->reset(context->runstate, SHUTDOWN_HOST_QMP_SYSTEM_RESET);
    return true;
}

bool qmp_system_powerdown(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    runstate_power_button(context->runstate);
    return true;
}

/* The index of an enumeration's member in the arguments; `now` if it is not there. */
static int choice(JsonValue *arguments, const char *member, const char *const *names, int now)
{
    const char *text = json_member_string(arguments, member);

    for (int i = 0; text && names[i]; i++) {
        if (!strcmp(text, names[i])) {
            return i;
        }
    }
    return now;
}

bool qmp_set_action(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    RunStateActions *actions = runstate_actions(context->runstate);

    actions->reboot = choice(arguments, "reboot", qapi_RebootAction_names, actions->reboot);
    actions->shutdown = choice(arguments, "shutdown", qapi_ShutdownAction_names, actions->shutdown);
    actions->panic = choice(arguments, "panic", qapi_PanicAction_names, actions->panic);
    return true;
}

bool qmp_query_kvm(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    *result = json_object_new_object();
    json_object_object_add(*result, "enabled", json_object_new_boolean(true));
    json_object_object_add(*result, "present", json_object_new_boolean(true));
    return true;
}

bool qmp_query_accelerators(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    JsonValue *present = json_object_new_array();

    json_object_array_add(present, json_object_new_string("kvm"));
    *result = json_object_new_object();
    json_object_object_add(*result, "enabled", json_object_new_string("kvm"));
    json_object_object_add(*result, "present", present);
    return true;
}

bool qmp_query_machines(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    JsonValue *machine = json_object_new_object();

    json_object_object_add(machine, "name", json_object_new_string(context->machine));
    json_object_object_add(machine, "alias", json_object_new_string("q35"));
    json_object_object_add(machine, "is-default", json_object_new_boolean(true));
    json_object_object_add(machine, "cpu-max", json_object_new_int64(context->max_cpus));
    json_object_object_add(machine, "hotpluggable-cpus", json_object_new_boolean(false));
    json_object_object_add(machine, "numa-mem-supported", json_object_new_boolean(false));
    json_object_object_add(machine, "deprecated", json_object_new_boolean(false));
    json_object_object_add(machine, "acpi", json_object_new_boolean(false));
    *result = json_object_new_array();
    json_object_array_add(*result, machine);
    return true;
}

bool qmp_query_current_machine(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    *result = json_object_new_object();
    json_object_object_add(*result, "wakeup-suspend-support", json_object_new_boolean(false));
    return true;
}

bool qmp_query_cpus_fast(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const TdxTd *td = *context->td;

    *result = json_object_new_array();
    for (unsigned i = 0; td && i < tdx_td_num_vcpus(td); i++) {
        g_autofree char *path = g_strdup_printf("/machine/unattached/device[%u]", i);
        JsonValue *cpu = json_object_new_object();

        json_object_object_add(cpu, "cpu-index", json_object_new_int64(i));
        json_object_object_add(cpu, "qom-path", json_object_new_string(path));
        json_object_object_add(cpu, "thread-id", json_object_new_int64(tdx_td_thread_id(td, i)));
        json_object_object_add(cpu, "target", json_object_new_string("x86_64"));
        json_object_array_add(*result, cpu);
    }
    return true;
}
