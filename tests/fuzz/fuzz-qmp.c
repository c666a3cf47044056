/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes a monitor: the input is what a client sends. Every answer must be one line of JSON that
 * can be read again.
 */
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "util/error.h"
#include "hw/i386/machine-type.h"
#include "hw/pci/pci-device.h"
#include "monitor/monitor.h"
#include "target/i386/cpu-object.h"
#include "target/i386/kvm/tdx-guest-object.h"
#include "util/error.h"

static bool do_reset(void *opaque)
{
    return true;
}

static void do_nothing(void *opaque)
{
}

static void check_event(void *opaque, const QapiEvent *event, JsonValue *data)
{
    g_assert_true(event->data ? qapi_check(event->data, data, "data", NULL) : !data);
    json_object_put(data);
}

static void check_output(void *opaque, const char *line, bool is_event)
{
    g_autoptr(JsonValue) value = NULL;

    g_assert_null(strchr(line, '\n'));
    if (strlen(line) < JSON_MAX_SIZE) {
        g_assert_true(json_parse(line, strlen(line), &value, NULL));
        g_assert_true(json_object_is_type(value, json_type_object));
    }
}

/* None whose making touches files or takes memory. */
static const QomType *const types[] = {
    &qom_object_type, &qom_container_type, &confidential_guest_support_type,
    &x86_confidential_guest_type, &tdx_guest_type,
    &machine_type, &board_machine_type, &none_machine_type, &device_type, &pci_device_type,
    &pcie_root_port_type, &cpu_type,
    &x86_cpu_type, X86_CPU_TYPE_LIST, &bus_type, &pcie_bus_type, NULL,
};

/* Every request finds a descriptor. */
static int take_fd(void *opaque)
{
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* No input may open the host's files, or ask for much memory. */
static bool is_harmless(void *opaque, const ChardevConfig *config, GError **errp)
{
    bool harmless = (config->kind == CHARDEV_NULL || config->kind == CHARDEV_RINGBUF) &&
                    config->size <= 4096 && !config->log_path;

    return harmless || error_set(errp, "no such chardevs here");
}

static ChardevSet *make_chardevs(void)
{
    static const char *const options[] = { "null,id=null", "ringbuf,id=ring,size=16" };
    const ChardevHost host = { .permits = is_harmless };
    ChardevSet *chardevs = chardev_set_new(&host);

    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autoptr(ChardevConfig) config = chardev_config_parse(options[i], NULL);
        g_assert_nonnull(chardev_set_add(chardevs, config, NULL));
    }
    return chardevs;
}

/* No input may open the host's files. */
static bool refuse_to_add(void *opaque, JsonValue *options, GError **errp)
{
    return error_set(errp, "no disks here");
}

static bool refuse_to_remove(void *opaque, const char *name, GError **errp)
{
    return error_set(errp, "no disk '%s' here", name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const OptionParameter parameters[] = { { "type", "string" }, { NULL } };
    static const OptionInfo options[] = { { "machine", parameters }, { NULL } };
    static const MachineInfo machines[] = { { "pc-q35-11.1", "q35", 4, true, true }, { NULL } };
    RunStateHandlers handlers = { do_reset, do_nothing, do_nothing, do_nothing, check_event, NULL };
    RunStateActions actions = RUNSTATE_ACTIONS_DEFAULT;
    TdxTd *td = NULL;
    g_autoptr(QomObject) objects = qom_root_new(types, NULL);
    QomObject *tdx0 = qom_user_create(objects, "tdx-guest", "tdx0", &(QomSettings){ 0 }, NULL);
    Machine *machine = machine_new(objects, &none_machine_type, NULL, NULL);
    g_autoptr(CpuModelRequest) cpu = cpu_model_parse("host", NULL);
    CpuTopology topology = { .cpus = 2, .max_cpus = 4, .sockets = 1, .dies = 1, .modules = 1,
                             .cores = 4, .threads = 1 };
    g_autoptr(GPtrArray) regions = g_ptr_array_new();
    TdxPlan plan = { .regions = regions };
    TdxCapabilities caps = { .configurable = cpuid_table_new() };
    RunState *runstate = runstate_new(&handlers, &actions);
    ChardevSet *chardevs = make_chardevs();
    FdSets *fds = fd_sets_new();
    QapiContext context = { .ready = true, .chardevs = chardevs, .fds = fds,
                            .machine = "pc-q35-11.1", .machines = machines, .objects = objects,
                            .guest = TDX_GUEST(tdx0)->config, .cpu = cpu,
                            .topology = &topology, .options = options,
                            .blockdev = { refuse_to_add, refuse_to_remove, NULL },
                            .runstate = runstate, .plan = &plan,
                            .caps = &caps, .td = &td };
    QmpSession *session = qmp_session_new(qapi_commands, &context, check_output, NULL);

    g_assert_true(
        qom_property_set_text(&machine->object, "confidential-guest-support", "tdx0", NULL));
    g_assert_true(qom_object_complete(&machine->object, NULL));
    machine->ready = true;
    qmp_session_set_client(session, take_fd, NULL);
    qmp_session_start(session);
    qmp_session_feed(session, data, size);
    qmp_session_end_of_input(session);
    while (g_main_context_iteration(NULL, FALSE)) {
        continue;
    }
    qmp_session_free(session);
    chardev_set_free(chardevs);
    fd_sets_free(fds);
    runstate_free(runstate);
    cpuid_table_free(caps.configurable);
    return 0;
}
