/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's start-up list, its run and its end. */
#include "system/core/log.h"
#include "system/firmware.h"
#include "system/process.h"
#include "system/runstate.h"
#include "util/error.h"
#include "vm-internal.h"

static void send_msi(void *opaque, uint64_t address, uint32_t data)
{
    Guest *guest = opaque;

    guest->ops->signal_msi(guest, address, data);
}

/*
 * Where devices' interrupts and events go from now on, and what memory they have; NULL = none,
 * before the guest goes.
 */
static void connect_devices(Vm *vm, Guest *guest)
{
    Q35Devices *devices = vm->machine->devices;

    g_mutex_lock(&vm->machine->lock);
    devices->msi = guest ? (MsiPort) { send_msi, guest } : (MsiPort) { NULL, NULL };
    devices->events = (EventPort) { 0 };
    devices->shared_memory = q35_all_memory(vm->machine);
    if (guest && guest->ops->connect) {
        guest->ops->connect(guest, &devices->events, &devices->shared_memory);
    }
    g_mutex_unlock(&vm->machine->lock);
}

static void pause_vcpus(void *opaque)
{
    Vm *vm = opaque;

    if (vm->guest) {
        vm->guest->ops->pause(vm->guest);
    }
}

static void pause_disk(QomObject *object, void *opaque)
{
    if (qom_is(object, &block_node_type)) {
        block_pause((BlockNode *)object);
    }
}

/* Whoever stopped the machine may look at its disks: what the guest had written is there. */
static void pause_machine(void *opaque)
{
    Vm *vm = opaque;

    pause_vcpus(vm);
    qom_visit(qom_container_get(vm->config->root, BLOCK_CONTAINER), pause_disk, NULL);
}

static bool launch(Vm *vm, GError **errp)
{
    if (!vm->guest->ops->launch(vm->guest, errp)) {
        return false;
    }
    vm->td = vm->config->guest ? guest_tdx_td(vm->guest) : NULL;
    connect_devices(vm, vm->guest);
    return true;
}

/*
 * Devices are reset while there is still a guest: none of their threads may look for its memory
 * when it goes.
 */
static void end_guest(Vm *vm)
{
    pause_vcpus(vm);
    g_mutex_lock(&vm->machine->lock);
    machine_reset_devices(vm->config->machine_object);
    g_mutex_unlock(&vm->machine->lock);
    connect_devices(vm, NULL);
    vm->td = NULL;
    vm->guest->ops->end(vm->guest);
}

static bool rebuild(void *opaque)
{
    Vm *vm = opaque;
    g_autoptr(GError) err = NULL;

    if (!vm->machine) {
        return true;
    }
    end_guest(vm);
    g_mutex_lock(&vm->machine->lock);
    q35_reset(vm->machine);
    g_mutex_unlock(&vm->machine->lock);
    if (!launch(vm, &err)) {
        g_autofree char *text = g_strdup_printf("unable to rebuild guest: %s", err->message);
        report_error(NULL, text);
        return false;
    }
    return true;
}

static void retry_disk(QomObject *object, void *opaque)
{
    if (qom_is(object, &block_node_type)) {
        block_retry((BlockNode *)object);
    }
}

static void resume_vcpus(void *opaque)
{
    Vm *vm = opaque;

    qom_visit(qom_container_get(vm->config->root, BLOCK_CONTAINER), retry_disk, NULL);
    if (vm->guest) {
        vm->guest->ops->resume(vm->guest);
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

/*
 * No guest: KVM answers questions where it is there, and that it is not is an error only where
 * nothing else would do.
 */
static bool start_none(Vm *vm, GError **errp)
{
    g_autoptr(GError) err = NULL;

    vm->kvm = machine_config_open_kvm(vm->config, vm->fds, &err);
    if (!vm->kvm && vm->config->accelerator != ACCELERATOR_NOT_GIVEN &&
        !vm->config->accelerator_optional) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    vm_show_to_monitors(vm);
    return true;
}

static Guest *new_guest(Vm *vm, GError **errp)
{
    const MachineConfig *config = vm->config;
    GuestEnv env = {
        .config = config,
        .machine = vm->machine,
        .firmware = vm->firmware ? firmware_bytes(vm->firmware) : (Bytes) { NULL, 0 },
        .firmware_path = vm->firmware_path,
        .runstate = runstate_port(),
        .runstate_opaque = vm->runstate,
    };

    if (config->accelerator == ACCELERATOR_QTEST) {
        return guest_qtest_new(&env, errp);
    }
    env.kvm = vm->kvm = machine_config_open_kvm(config, vm->fds, errp);
    if (!vm->kvm) {
        return NULL;
    }
    return config->guest ? guest_tdx_new(&env, errp) : guest_kvm_new(&env, errp);
}

static void test_program_gone(void *opaque)
{
    Vm *vm = opaque;

    runstate_port()->shutdown(vm->runstate, SHUTDOWN_HOST_SIGNAL);
}

static bool open_qtest(Vm *vm, GError **errp)
{
    const QtestMachine machine = {
        .memory = vm->machine->memory,
        .ports = vm->machine->ports,
        .lock = &vm->machine->lock,
        .gsi = vm->machine->devices->gsi,
        .num_gsi = Q35_NUM_GSI,
        .clock = &vm->qtest_clock,
    };
    g_autoptr(GError) err = NULL;

    vm->qtest = qtest_server_new(vm->config->qtest, vm->config->qtest_log, &machine,
                                 test_program_gone, vm, &err);
    return vm->qtest || error_set(errp, "-qtest %s: %s", vm->config->qtest, err->message);
}

static bool start_machine(Vm *vm, GError **errp)
{
    if (vm->config->bios &&
        !(vm->firmware = firmware_read(vm->config->bios, &vm->firmware_path, errp))) {
        return false;
    }
    if (!vm_make_machine(vm, errp) || !(vm->guest = new_guest(vm, errp)) || !launch(vm, errp)) {
        return false;
    }
    if (vm->config->guest) {
        guest_tdx_warn(vm->guest);
    }
    vm->config->machine_object->ready = true;
    vm_show_to_monitors(vm);
    return !vm->config->qtest || open_qtest(vm, errp);
}

/*
 * Somebody who ends the program while it waits for a monitor's client gets no machine, and no
 * error.
 */
static bool start(Vm *vm, GError **errp)
{
    const ProcessOptions *process = &vm->config->process;
    bool late = process->user || process->chroot; /* what the sandbox may forbid */

    if (!process_set_up(process, errp) || !(late || sandbox_enter(&process->sandbox, errp)) ||
        !vm_open_monitors(vm, errp)) {
        return false;
    }
    if (runstate_ended(vm->runstate)) {
        return true;
    }
    if (!machine_config_complete_objects(vm->config, errp) || !net_options_open(vm->config, errp)) {
        return false;
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
        .pause = pause_machine,
        .resume = resume_vcpus,
        .power_button = press_power_button,
        .event = vm_tell_monitors,
        .opaque = vm,
    };

    if (config->accelerator == ACCELERATOR_QTEST) {
        handlers.clock = qtest_clock(&vm->qtest_clock);
    }
    vm->config = config;
    vm->runstate = runstate_new(&handlers, &config->life.actions);
    vm->io_errors = io_errors_new(vm->runstate, &handlers);
    *config->disk_errors = io_errors_port(vm->io_errors);
    runstate_catch_signals(vm->runstate);
    vm_init_monitors(vm);
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
    vm->config->machine_object->port = (MachinePort){ 0 };
    vm_free_monitors(vm);
    qtest_server_free(vm->qtest);
    if (vm->guest) {
        end_guest(vm);
        vm->guest->ops->free(vm->guest);
    }
    machine_clear(vm->config->machine_object);
    kvm_close(vm->kvm);
    if (vm->machine) {
        q35_free(vm->machine);
    }
    chardev_set_free(vm->chardevs);
    fd_sets_free(vm->fds);
    g_clear_pointer(&vm->firmware, g_bytes_unref);
    g_free(vm->firmware_path);
    g_free(vm->apic_ids);
    g_clear_pointer(&vm->acpi_slots, g_array_unref);
    *vm->config->disk_errors = (BlockErrorPort){ NULL, NULL };
    *vm->config->disk_files = (BlockFilePort){ NULL, NULL };
    io_errors_free(vm->io_errors);
    runstate_free(vm->runstate);
    pidfile_free(vm->pidfile);
    g_free(vm);
}
