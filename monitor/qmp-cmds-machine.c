/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the machine's state and life, and its vCPUs. */
#include <string.h>

#include "backends/memory-backend.h"
#include "monitor-internal.h"
#include "util/error.h"

bool qmp_query_status(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    QapiRunState now = runstate_get(context->runstate);

    *result = json_object_new_object();
    json_object_object_add(*result, "running",
                           json_object_new_boolean(now == QAPI_RUN_STATE_RUNNING));
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
    runstate_serve(context->runstate); /* the event SHUTDOWN comes before the answer */
    return true;
}

bool qmp_system_reset(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    runstate_port()->reset(context->runstate, SHUTDOWN_HOST_QMP_SYSTEM_RESET);
    return true;
}

bool qmp_system_powerdown(QapiContext *context, JsonValue *arguments, JsonValue **result,
                          GError **errp)
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
    int watchdog = choice(arguments, "watchdog", qapi_WatchdogAction_names,
                          (int)actions->watchdog);

    if (watchdog == QAPI_WATCHDOG_ACTION_INJECT_NMI) {
        return runstate_refuse_nmi(errp);
    }
    actions->watchdog = (QapiWatchdogAction)watchdog;

    actions->reboot = choice(arguments, "reboot", qapi_RebootAction_names, actions->reboot);
    actions->shutdown = choice(arguments, "shutdown", qapi_ShutdownAction_names, actions->shutdown);
    actions->panic = choice(arguments, "panic", qapi_PanicAction_names, actions->panic);
    return true;
}

bool qmp_query_kvm(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    *result = json_object_new_object();
    json_object_object_add(*result, "enabled", json_object_new_boolean(context->kvm != NULL));
    json_object_object_add(*result, "present", json_object_new_boolean(true));
    return true;
}

bool qmp_query_accelerators(QapiContext *context, JsonValue *arguments, JsonValue **result,
                            GError **errp)
{
    static const QapiAccelerator offered[] = { QAPI_ACCELERATOR_KVM, QAPI_ACCELERATOR_QTEST };
    JsonValue *present = json_object_new_array();

    for (unsigned i = 0; i < G_N_ELEMENTS(offered); i++) {
        json_object_array_add(present, json_object_new_string(qapi_Accelerator_names[offered[i]]));
    }
    *result = json_object_new_object();
    json_object_object_add(*result, "enabled",
                           json_object_new_string(qapi_Accelerator_names[context->accelerator]));
    json_object_object_add(*result, "present", present);
    return true;
}

static JsonValue *machine_json(const MachineInfo *info)
{
    JsonValue *machine = json_object_new_object();

    json_object_object_add(machine, "name", json_object_new_string(info->name));
    if (info->alias) {
        json_object_object_add(machine, "alias", json_object_new_string(info->alias));
    }
    if (info->is_default) {
        json_object_object_add(machine, "is-default", json_object_new_boolean(true));
    }
    json_object_object_add(machine, "cpu-max", json_object_new_int64(info->max_cpus));
    json_object_object_add(machine, "hotpluggable-cpus", json_object_new_boolean(false));
    json_object_object_add(machine, "numa-mem-supported", json_object_new_boolean(false));
    json_object_object_add(machine, "deprecated", json_object_new_boolean(false));
    json_object_object_add(machine, "acpi", json_object_new_boolean(info->acpi));
    if (info->acpi) {
        json_object_object_add(machine, "default-cpu-type",
                               json_object_new_string("host-x86_64-cpu"));
    }
    if (info->default_ram_id) {
        json_object_object_add(machine, "default-ram-id",
                               json_object_new_string(info->default_ram_id));
    }
    return machine;
}

bool qmp_query_machines(QapiContext *context, JsonValue *arguments, JsonValue **result,
                        GError **errp)
{
    *result = json_object_new_array();
    for (const MachineInfo *info = context->machines; info->name; info++) {
        json_object_array_add(*result, machine_json(info));
    }
    return true;
}

bool qmp_query_current_machine(QapiContext *context, JsonValue *arguments, JsonValue **result,
                               GError **errp)
{
    *result = json_object_new_object();
    json_object_object_add(*result, "wakeup-suspend-support", json_object_new_boolean(false));
    return true;
}

/* The names of a vCPU's place, outermost first. */
static JsonValue *place(const CpuTopology *topology, unsigned i)
{
    JsonValue *props = json_object_new_object();
    const struct {
        const char *name;
        unsigned count;
        bool optional; /* not named where there is one */
    } levels[] = {
        { "thread-id", topology->threads, false }, { "core-id", topology->cores, false },
        { "module-id", topology->modules, true },
        { "die-id", topology->dies, true }, { "socket-id", topology->sockets, false },
    };

    for (unsigned level = 0; level < G_N_ELEMENTS(levels); level++) {
        if (levels[level].count > 1 || !levels[level].optional) {
            json_object_object_add(props, levels[level].name,
                                   json_object_new_int64(i % levels[level].count));
        }
        i /= levels[level].count;
    }
    return props;
}

static JsonValue *vcpu_path(unsigned i)
{
    g_autofree char *path = g_strdup_printf("/machine/unattached/device[%u]", i);

    return json_object_new_string(path);
}

/* The type of the machine's vCPUs, a new string. */
static JsonValue *context_cpu_type(const QapiContext *context)
{
    g_autofree char *type = g_strdup_printf("%s-x86_64-cpu", context->cpu->model);

    return json_object_new_string(type);
}

bool qmp_query_cpus_fast(QapiContext *context, JsonValue *arguments, JsonValue **result,
                         GError **errp)
{
    Guest *guest = context->running;

    *result = json_object_new_array();
    for (unsigned i = 0; guest && i < guest->ops->num_vcpus(guest); i++) {
        JsonValue *cpu = json_object_new_object();

        json_object_object_add(cpu, "cpu-index", json_object_new_int64(i));
        json_object_object_add(cpu, "qom-path", vcpu_path(i));
        json_object_object_add(cpu, "thread-id",
                               json_object_new_int64(guest->ops->thread_id(guest, i)));
        json_object_object_add(cpu, "props", place(context->topology, i));
        json_object_object_add(cpu, "qom-type", context_cpu_type(context));
        json_object_object_add(cpu, "target", json_object_new_string("x86_64"));
        json_object_array_add(*result, cpu);
    }
    return true;
}

bool qmp_query_hotpluggable_cpus(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                 GError **errp)
{
    const CpuTopology *topology = context->topology;

    if (!topology || !context->cpu) {
        return error_set(errp, "The machine '%s' has no vCPUs", context->machine);
    }
    *result = json_object_new_array();
    for (unsigned i = 0; i < topology->max_cpus; i++) {
        JsonValue *cpu = json_object_new_object();

        json_object_object_add(cpu, "type", context_cpu_type(context));
        json_object_object_add(cpu, "vcpus-count", json_object_new_int64(1));
        json_object_object_add(cpu, "props", place(topology, i));
        if (i < topology->cpus) {
            json_object_object_add(cpu, "qom-path", vcpu_path(i));
        }
        json_object_array_add(*result, cpu);
    }
    return true;
}

bool qmp_query_memory_size_summary(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                   GError **errp)
{
    *result = json_object_new_object();
    json_object_object_add(*result, "base-memory", json_object_new_uint64(context->ram_size));
    json_object_object_add(*result, "plugged-memory", json_object_new_int64(0));
    return true;
}

static void add_memdev(QomObject *object, void *opaque)
{
    static const char *const properties[] = { "size",  "share",   "prealloc",   "merge",
                                              "dump",  "reserve", "host-nodes", "policy" };

    if (qom_is(object, &memory_backend_type)) {
        JsonValue *entry = json_object_new_object(), *value;
        json_object_object_add(entry, "id", json_object_new_string(object->name));
        for (unsigned i = 0; i < G_N_ELEMENTS(properties); i++) {
            if (qom_property_get(object, properties[i], &value, NULL)) {
                json_object_object_add(entry, properties[i], value);
            }
        }
        json_object_array_add(opaque, entry);
    }
}

/* There are none: a TD's memory is what it was launched with. */
bool qmp_query_memory_devices(QapiContext *context, JsonValue *arguments, JsonValue **result,
                              GError **errp)
{
    *result = json_object_new_array();
    return true;
}

bool qmp_query_memdev(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    *result = json_object_new_array();
    qom_visit(qom_container_get(context->objects, "/objects"), add_memdev, *result);
    return true;
}

static bool no_balloon(GError **errp)
{
    return qmp_error_set(errp, QMP_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
}

bool qmp_balloon(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return no_balloon(errp);
}

bool qmp_query_balloon(QapiContext *context, JsonValue *arguments, JsonValue **result,
                       GError **errp)
{
    return no_balloon(errp);
}
