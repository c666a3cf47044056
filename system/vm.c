/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's start-up list, its run and its end. */
#include "system/vm.h"

#include "accel/kvm/kvm.h"
#include "chardev/chardev.h"
#include "hw/i386/q35-devices.h"
#include "system/boot.h"
#include "system/core/log.h"
#include "system/firmware.h"
#include "system/pidfile.h"
#include "system/process.h"
#include "system/runstate.h"
#include "target/i386/kvm/tdx.h"
#include "util/error.h"

struct Vm {
    const MachineConfig *config;
    PidFile *pidfile;
    RunState *runstate;
    QapiContext monitor; /* what monitors see and act on */
    Monitors *monitors;
    uint32_t *apic_ids; /* [config->topology.cpus] */
    GBytes *firmware;
    char *firmware_path;
    Chardev *serial[MAX_SERIAL_PORTS];
    Q35Machine *machine;
    Kvm *kvm;
    TdxCapabilities *caps;
    TdxPlan *plan;
    TdxTd *td;
};

static void quit_from_terminal(void *opaque)
{
    Vm *vm = opaque;

    runstate_port()->shutdown(vm->runstate, SHUTDOWN_HOST_UI);
}

static bool open_chardevs(Vm *vm, GError **errp)
{
    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        const char *spec = vm->config->serial[i];
        g_autoptr(GError) err = NULL;

        if (!spec) {
            continue;
        }
        vm->serial[i] = chardev_open(spec, vm->config->nographic || g_str_has_prefix(spec, "mon:"), quit_from_terminal, vm, &err);
        if (err) {
            return error_set(errp, "-serial %s: %s", spec, err->message);
        }
    }
    return true;
}

static bool add_acpi(Vm *vm, GError **errp)
{
    const CpuTopology *topology = &vm->config->topology;

    if (vm->config->acpi == OFF) {
        return true;
    }
    vm->apic_ids = g_new(uint32_t, topology->cpus);
    for (unsigned i = 0; i < topology->cpus; i++) {
        vm->apic_ids[i] = cpu_topology_apic_id(topology, i);
    }
    return q35_add_acpi(vm->machine, vm->apic_ids, errp);
}

static bool make_machine(Vm *vm, GError **errp)
{
    Q35Config q35 = {
        .ram_size = vm->config->ram_size,
        .firmware = firmware_bytes(vm->firmware),
        .num_cpus = vm->config->topology.cpus,
        .runstate = runstate_port(),
        .runstate_opaque = vm->runstate,
    };

    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        q35.serial[i] = vm->serial[i];
    }
    vm->machine = q35_new(&q35, errp);
    return vm->machine && add_acpi(vm, errp) && boot_add(vm->machine->devices->fw_cfg, &vm->config->boot, errp);
}

/* Decides everything about the TD from values; prints what the user asked to see. */
static bool make_plan(Vm *vm, GError **errp)
{
    TdxPlanInput input = {
        .guest = vm->config->guest,
        .cpu = vm->config->cpu,
        .topology = &vm->config->topology,
        .ram_size = vm->config->ram_size,
        .firmware = firmware_bytes(vm->firmware),
        .firmware_name = vm->firmware_path,
        .caps = vm->caps,
    };

    vm->plan = tdx_plan_new(&input, errp);
    if (vm->plan && log_on(LOG_TDX)) {
        g_autofree char *sections = tdx_plan_format_sections(vm->plan);
        uint8_t mrtd[TDX_MEASUREMENT_SIZE];
        tdx_plan_mrtd(vm->plan, mrtd);
        g_autofree char *hex = tdx_measurement_hex(mrtd);
        log_item(LOG_TDX, "%sMRTD %s", sections, hex);
    }
    return vm->plan;
}

static void send_msi(void *opaque, uint64_t address, uint32_t data)
{
    tdx_td_signal_msi(opaque, address, data);
}

/* Where devices' interrupts go from now on; NULL = nowhere, before the TD goes. */
static void connect_interrupts(Vm *vm, TdxTd *td)
{
    g_mutex_lock(&vm->machine->lock);
    vm->machine->devices->msi = td ? (MsiPort) { send_msi, td } : (MsiPort) { NULL, NULL };
    g_mutex_unlock(&vm->machine->lock);
}

static bool launch(Vm *vm, KvmVm *kvm_vm, GError **errp)
{
    TdxTdPorts ports = {
        .memory = vm->machine->memory,
        .ports = vm->machine->ports,
        .machine_lock = &vm->machine->lock,
        .runstate = runstate_port(),
        .runstate_opaque = vm->runstate,
    };

    vm->td = tdx_launch(kvm_vm, vm->plan, vm->caps, vm->machine->ram, vm->machine->num_ram, &ports, errp);
    if (vm->td) {
        connect_interrupts(vm, vm->td);
    }
    return vm->td;
}

static void print_warnings(const TdxPlan *plan)
{
    for (unsigned i = 0; i < plan->warnings->len; i++) {
        report_warning(g_ptr_array_index(plan->warnings, i));
    }
}

static void free_td(Vm *vm)
{
    if (vm->td) {
        connect_interrupts(vm, NULL);
        tdx_td_free(vm->td);
        vm->td = NULL;
    }
}

/* A reset is a new VM built by the same plan: a TD cannot be reset. */
static bool rebuild(void *opaque)
{
    Vm *vm = opaque;
    g_autoptr(GError) err = NULL;
    g_autoptr(TdxCapabilities) caps = NULL;

    if (!vm->machine) {
        return true;
    }
    free_td(vm);
    g_mutex_lock(&vm->machine->lock);
    q35_reset(vm->machine);
    g_mutex_unlock(&vm->machine->lock);
    KvmVm *kvm_vm = tdx_vm_new(vm->kvm, &caps, &err);
    if (!kvm_vm || !launch(vm, kvm_vm, &err)) {
        g_autofree char *text = g_strdup_printf("unable to rebuild guest: %s", err->message);
        report_error(NULL, text);
        return false;
    }
    return true;
}

static void pause_vcpus(void *opaque)
{
    Vm *vm = opaque;

    if (vm->td) {
        tdx_td_pause(vm->td);
    }
}

static void resume_vcpus(void *opaque)
{
    Vm *vm = opaque;

    if (vm->td) {
        tdx_td_resume(vm->td);
    }
}

static void press_power_button(void *opaque)
{
    Vm *vm = opaque;

    if (!vm->machine) {
        return; /* -machine none: there is nothing to press */
    }
    g_mutex_lock(&vm->machine->lock);
    pm_power_button(vm->machine->devices->pm);
    g_mutex_unlock(&vm->machine->lock);
}

static void tell_monitors(void *opaque, const QapiEvent *event, JsonValue *data)
{
    Vm *vm = opaque;

    monitors_event(vm->monitors, event, data);
}

static bool open_monitors(Vm *vm, GError **errp)
{
    const LifeOptions *life = &vm->config->life;

    if (life->pidfile && !(vm->pidfile = pidfile_new(life->pidfile, errp))) {
        return false;
    }
    for (unsigned i = 0; i < life->monitors->len; i++) {
        const MonitorConfig *config = g_ptr_array_index(life->monitors, i);
        g_autoptr(GError) err = NULL;

        if (!monitors_add(vm->monitors, config, &err)) {
            return error_set(errp, "monitor %s: %s", config->label, err->message);
        }
    }
    return true;
}

/* Clients' commands are served by the main loop: none before all of this is there. */
static void show_to_monitors(Vm *vm)
{
    vm->monitor.name = vm->config->life.name;
    vm->monitor.uuid = vm->config->life.uuid;
    vm->monitor.machine = vm->config->machine;
    vm->monitor.machines = machine_infos();
    vm->monitor.guest = vm->config->guest;
    vm->monitor.cpu = vm->config->cpu;
    vm->monitor.topology = &vm->config->topology;
    vm->monitor.ram_size = vm->config->ram_size;
    vm->monitor.options = option_infos();
    vm->monitor.kvm = vm->kvm;
    vm->monitor.runstate = vm->runstate;
    vm->monitor.plan = vm->plan;
    vm->monitor.caps = vm->caps;
    vm->monitor.td = &vm->td;
}

/* No guest: KVM answers questions where it is there, and that it is not is an error only where nothing else would do. */
static bool start_none(Vm *vm, GError **errp)
{
    g_autoptr(GError) err = NULL;

    vm->kvm = kvm_open(&err);
    if (!vm->kvm && vm->config->accel && !vm->config->accel_optional) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    show_to_monitors(vm);
    return true;
}

static bool start_machine(Vm *vm, GError **errp)
{
    KvmVm *kvm_vm;

    vm->firmware = firmware_read(vm->config->bios, &vm->firmware_path, errp);
    if (!vm->firmware || !open_chardevs(vm, errp) || !make_machine(vm, errp)) {
        return false;
    }
    vm->kvm = kvm_open(errp);
    if (!vm->kvm || !(kvm_vm = tdx_vm_new(vm->kvm, &vm->caps, errp))) {
        return false;
    }
    if (!make_plan(vm, errp)) {
        kvm_vm_free(kvm_vm);
        return false;
    }
    if (!launch(vm, kvm_vm, errp)) {
        return false;
    }
    print_warnings(vm->plan);
    show_to_monitors(vm);
    return true;
}

/* Somebody who ends the program while it waits for a monitor's client gets no machine, and no error. */
static bool start(Vm *vm, GError **errp)
{
    const ProcessOptions *process = &vm->config->process;
    bool late = process->user || process->chroot; /* what the sandbox may forbid */

    if (!process_set_up(process, errp) || !(late || sandbox_enter(&process->sandbox, errp)) || !open_monitors(vm, errp)) {
        return false;
    }
    if (runstate_ended(vm->runstate)) {
        return true;
    }
    if (!(machine_is_none(vm->config) ? start_none(vm, errp) : start_machine(vm, errp))) {
        return false;
    }
    return process_confine(process, errp) && (!late || sandbox_enter(&process->sandbox, errp));
}

Vm *vm_new(const MachineConfig *config, GError **errp)
{
    Vm *vm = g_new0(Vm, 1);
    RunStateHandlers handlers = {
        .reset = rebuild,
        .pause = pause_vcpus,
        .resume = resume_vcpus,
        .power_button = press_power_button,
        .event = tell_monitors,
        .opaque = vm,
    };

    vm->config = config;
    vm->runstate = runstate_new(&handlers, &config->life.actions);
    runstate_catch_signals(vm->runstate);
    vm->monitors = monitors_new(&vm->monitor);
    if (!start(vm, errp)) {
        vm_free(vm);
        return NULL;
    }
    return vm;
}

int vm_run(Vm *vm)
{
    if (!vm->config->life.start_paused && !runstate_ended(vm->runstate)) {
        runstate_cont(vm->runstate, NULL);
    }
    return runstate_loop(vm->runstate);
}

void vm_free(Vm *vm)
{
    if (!vm) {
        return;
    }
    monitors_free(vm->monitors);
    free_td(vm);
    tdx_plan_free(vm->plan);
    tdx_capabilities_free(vm->caps);
    if (vm->kvm) {
        kvm_close(vm->kvm);
    }
    if (vm->machine) {
        q35_free(vm->machine);
    }
    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        if (vm->serial[i]) {
            chardev_close(vm->serial[i]);
        }
    }
    g_clear_pointer(&vm->firmware, g_bytes_unref);
    g_free(vm->firmware_path);
    g_free(vm->apic_ids);
    runstate_free(vm->runstate);
    pidfile_free(vm->pidfile);
    g_free(vm);
}
