/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's start-up list, its run and its end. */
#include "system/vm.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "accel/qtest/qtest-server.h"
#include "chardev/chardev-object.h"
#include "hw/i386/boot-order.h"
#include "hw/i386/q35-devices.h"
#include "hw/i386/q35-tree.h"
#include "system/boot.h"
#include "system/core/log.h"
#include "system/firmware.h"
#include "system/guest.h"
#include "system/pidfile.h"
#include "system/process.h"
#include "system/runstate.h"
#include "target/i386/cpu-object.h"
#include "util/error.h"

struct Vm {
    const MachineConfig *config;
    PidFile *pidfile;
    RunState *runstate;
    QapiContext monitor; /* what monitors see and act on */
    Monitors *monitors;
    X86CpuPort cpu_port;
    uint32_t *apic_ids; /* [config->topology.cpus] */
    GBytes *firmware;
    char *firmware_path;
    FdSets *fds;
    ChardevSet *chardevs;
    Q35Machine *machine;
    Kvm *kvm;
    Guest *guest;
    QtestClock qtest_clock;
    QtestServer *qtest;
    TdxTd *td; /* the guest's, for monitors; NULL while there is none */
};

static void quit_from_terminal(void *opaque)
{
    Vm *vm = opaque;

    runstate_port()->shutdown(vm->runstate, SHUTDOWN_HOST_UI);
}

static bool has_ended(void *opaque)
{
    Vm *vm = opaque;

    return runstate_ended(vm->runstate);
}

static int named_fd(void *opaque, const char *name)
{
    Vm *vm = opaque;

    return fd_sets_take_name(vm->fds, name);
}

static int open_fdset(void *opaque, const char *path, int flags, GError **errp)
{
    Vm *vm = opaque;

    return fd_sets_open(vm->fds, path, flags, errp);
}

/* Where scripts look for it. */
static void announce_pty(void *opaque, const char *label, const char *name)
{
    printf("char device redirected to %s (label %s)\n", name, label);
    fflush(stdout);
}

/* -add-fd: copies, of descriptors that were left open on purpose and that nothing here opened. */
static bool add_fds(Vm *vm, GError **errp)
{
    const GArray *options = vm->config->life.fds;

    for (unsigned i = 0; i < options->len; i++) {
        const AddFdOption *option = &g_array_index(options, AddFdOption, i);
        int64_t set = option->set;
        int flags = fcntl(option->fd, F_GETFD), fd = -1;

        if (flags < 0 || (flags & FD_CLOEXEC) || (fd = fcntl(option->fd, F_DUPFD_CLOEXEC, 0)) < 0) {
            return error_set(errp, "-add-fd fd=%d: fd is not valid or already in use", option->fd);
        }
        if (!fd_sets_add(vm->fds, &set, fd, option->text, errp)) {
            close(fd);
            return false;
        }
    }
    for (unsigned i = 0; i < options->len; i++) {
        close(g_array_index(options, AddFdOption, i).fd); /* the same may have been named twice */
    }
    return true;
}

static bool open_chardevs(Vm *vm, GError **errp)
{
    const GPtrArray *chardevs = vm->config->life.chardevs;

    for (unsigned i = 0; i < chardevs->len && !runstate_ended(vm->runstate); i++) {
        const ChardevConfig *config = g_ptr_array_index(chardevs, i);
        g_autoptr(GError) err = NULL;

        Chardev *chardev = chardev_set_add(vm->chardevs, config, &err);
        if (!chardev || !chardev_object_add(vm->config->root, config->id, chardev, &err)) {
            return error_set(errp, "chardev %s: %s", config->id, err->message);
        }
    }
    return true;
}

static bool add_acpi(Vm *vm, GError **errp)
{
    const CpuTopology *topology = &vm->config->topology;

    if (vm->config->pc->acpi == QOM_OFF) {
        return true;
    }
    vm->apic_ids = g_new(uint32_t, topology->cpus);
    for (unsigned i = 0; i < topology->cpus; i++) {
        vm->apic_ids[i] = cpu_topology_apic_id(topology, i);
    }
    return q35_add_acpi(vm->machine, vm->apic_ids, errp);
}

static bool add_smbios(Vm *vm, GError **errp)
{
    const CpuTopology *t = &vm->config->topology;
    const SmbiosConfig config = {
        .options = vm->config->smbios,
        .machine = machine_ops(vm->config->machine_object)->id,
        .uuid = vm->config->life.uuid,
        .sockets = (t->cpus + t->threads * t->cores * t->modules * t->dies - 1) / (t->threads * t->cores * t->modules * t->dies),
        .cores = t->cores * t->modules * t->dies,
        .threads = t->threads,
        .ram = vm->machine->layout,
    };

    return smbios_add(vm->machine->devices->fw_cfg, &config, errp);
}

static const CpuidTable *guest_cpuid(void *opaque)
{
    Vm *vm = opaque;

    return vm->guest ? vm->guest->ops->cpuid(vm->guest) : NULL;
}

static bool feature_refused(void *opaque, const CpuFeature *feature)
{
    const TdxPlan *plan = ((Vm *)opaque)->monitor.plan;

    for (unsigned i = 0; plan && i < plan->verdicts->len; i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        if (v->kind == TDX_VERDICT_REFUSED && v->function == feature->function && v->index == feature->index && v->reg == feature->reg &&
            v->bit == feature->bit) {
            return true;
        }
    }
    return false;
}

static bool add_cpus(Vm *vm, GError **errp)
{
    const MachineConfig *config = vm->config;

    vm->cpu_port = (X86CpuPort){ guest_cpuid, feature_refused, vm };
    return x86_cpus_add(config->machine_object, config->cpu, &config->topology, &vm->cpu_port, errp);
}

static bool make_machine(Vm *vm, GError **errp)
{
    BoardMachine *board = vm->config->board;

    if (!add_cpus(vm, errp)) {
        return false;
    }
    if (!board_machine_make_ram(board, vm->config->ram_size, !vm->config->guest, errp)) {
        return false;
    }
    Q35Config q35 = {
        .ram_size = vm->config->ram_size,
        .ram = board->ram->host,
        .firmware = vm->firmware ? firmware_bytes(vm->firmware) : (Bytes) { NULL, 0 },
        .firmware_rom = !vm->config->guest,
        .kernel_irqchip = !vm->config->guest && vm->config->accelerator == ACCELERATOR_KVM,
        .num_cpus = vm->config->topology.cpus,
        .clock = vm->config->accelerator == ACCELERATOR_QTEST ? qtest_clock(&vm->qtest_clock) : (Clock) { NULL, NULL },
        .runstate = runstate_port(),
        .runstate_opaque = vm->runstate,
    };

    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        const char *id = vm->config->serial[i];
        q35.serial[i] = id ? chardev_set_find(vm->chardevs, id) : NULL;
        if (q35.serial[i] && chardev_in_use(q35.serial[i]) && !chardev_is_mux(q35.serial[i])) {
            return error_set(errp, "serial port %u: chardev '%s' is in use; mux=on lets a monitor share it", i, id);
        }
    }
    vm->machine = q35_new(&q35, errp);
    return vm->machine && machine_config_open_drives(vm->config, errp) && q35_add_to_tree(vm->machine, vm->config->machine_object, errp) &&
           machine_config_plug_devices(vm->config, errp) &&
           boot_order_add(vm->machine->devices->fw_cfg, &vm->config->machine_object->object, vm->config->boot.strict, errp) && add_acpi(vm, errp) && add_smbios(vm, errp) &&
           boot_add(vm->machine->devices->fw_cfg, &vm->config->boot, errp);
}

static void send_msi(void *opaque, uint64_t address, uint32_t data)
{
    Guest *guest = opaque;

    guest->ops->signal_msi(guest, address, data);
}

/* Where devices' interrupts and events go from now on, and what memory they have; NULL = none, before the guest goes. */
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

static bool launch(Vm *vm, GError **errp)
{
    if (!vm->guest->ops->launch(vm->guest, errp)) {
        return false;
    }
    vm->td = vm->config->guest ? guest_tdx_td(vm->guest) : NULL;
    connect_devices(vm, vm->guest);
    return true;
}

static void end_guest(Vm *vm)
{
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
    machine_reset_devices(vm->config->machine_object);
    q35_reset(vm->machine);
    g_mutex_unlock(&vm->machine->lock);
    if (!launch(vm, &err)) {
        g_autofree char *text = g_strdup_printf("unable to rebuild guest: %s", err->message);
        report_error(NULL, text);
        return false;
    }
    return true;
}

static void pause_vcpus(void *opaque)
{
    Vm *vm = opaque;

    if (vm->guest) {
        vm->guest->ops->pause(vm->guest);
    }
}

static void resume_vcpus(void *opaque)
{
    Vm *vm = opaque;

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

static void tell_monitors(void *opaque, const QapiEvent *event, JsonValue *data)
{
    Vm *vm = opaque;

    monitors_event(vm->monitors, event, data);
}

static void tell_device_deleted(void *opaque, const char *id, const char *path)
{
    JsonValue *data = json_object_new_object();

    if (id) {
        json_object_object_add(data, "device", json_object_new_string(id));
    }
    json_object_object_add(data, "path", json_object_new_string(path));
    tell_monitors(opaque, &qapi_event_DEVICE_DELETED, data);
}

static bool open_monitors(Vm *vm, GError **errp)
{
    const LifeOptions *life = &vm->config->life;

    if (life->pidfile && !(vm->pidfile = pidfile_new(life->pidfile, errp))) {
        return false;
    }
    if (!add_fds(vm, errp) || !open_chardevs(vm, errp)) {
        return false;
    }
    for (unsigned i = 0; i < life->monitors->len && !runstate_ended(vm->runstate); i++) {
        const MonitorConfig *config = g_ptr_array_index(life->monitors, i);
        g_autoptr(GError) err = NULL;

        if (!monitors_add(vm->monitors, config, &err)) {
            return error_set(errp, "monitor %s: %s", config->id, err->message);
        }
    }
    return true;
}

/* Clients' commands wait until all of this is there. */
static void show_to_monitors(Vm *vm)
{
    vm->monitor.name = vm->config->life.name;
    vm->monitor.uuid = vm->config->life.uuid;
    vm->monitor.machine = machine_ops(vm->config->machine_object)->id;
    vm->monitor.machines = machine_infos();
    vm->monitor.objects = vm->config->root;
    vm->monitor.guest = vm->config->guest;
    vm->monitor.cpu = vm->config->cpu;
    vm->monitor.topology = &vm->config->topology;
    vm->monitor.ram_size = vm->config->ram_size;
    vm->monitor.options = option_infos();
    vm->monitor.kvm = vm->kvm;
    vm->monitor.accelerator = vm->kvm ? QAPI_ACCELERATOR_KVM : machine_is_none(vm->config) ? QAPI_ACCELERATOR_NONE : QAPI_ACCELERATOR_QTEST;
    vm->monitor.runstate = vm->runstate;
    vm->monitor.running = vm->guest;
    if (vm->config->guest) {
        vm->monitor.plan = guest_tdx_plan(vm->guest);
        vm->monitor.caps = guest_tdx_capabilities(vm->guest);
    }
    vm->monitor.memory = vm->machine ? vm->machine->memory : NULL;
    vm->monitor.ports = vm->machine ? vm->machine->ports : NULL;
    vm->monitor.td = &vm->td;
    monitors_ready(vm->monitors);
}

/* No guest: KVM answers questions where it is there, and that it is not is an error only where nothing else would do. */
static bool start_none(Vm *vm, GError **errp)
{
    g_autoptr(GError) err = NULL;

    vm->kvm = kvm_open(&err);
    if (!vm->kvm && vm->config->accelerator != ACCELERATOR_NOT_GIVEN && !vm->config->accelerator_optional) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    show_to_monitors(vm);
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
    env.kvm = vm->kvm = kvm_open(errp);
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

    vm->qtest = qtest_server_new(vm->config->qtest, vm->config->qtest_log, &machine, test_program_gone, vm, &err);
    return vm->qtest || error_set(errp, "-qtest %s: %s", vm->config->qtest, err->message);
}

static bool start_machine(Vm *vm, GError **errp)
{
    if (vm->config->bios && !(vm->firmware = firmware_read(vm->config->bios, &vm->firmware_path, errp))) {
        return false;
    }
    if (!make_machine(vm, errp) || !(vm->guest = new_guest(vm, errp)) || !launch(vm, errp)) {
        return false;
    }
    if (vm->config->guest) {
        guest_tdx_warn(vm->guest);
    }
    vm->config->machine_object->ready = true;
    show_to_monitors(vm);
    return !vm->config->qtest || open_qtest(vm, errp);
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
        .pause = pause_vcpus,
        .resume = resume_vcpus,
        .power_button = press_power_button,
        .event = tell_monitors,
        .opaque = vm,
    };
    ChardevHost host = {
        .quit = quit_from_terminal, .ended = has_ended, .named_fd = named_fd, .announce = announce_pty,
        .open_fdset = open_fdset, .opaque = vm,
    };

    vm->config = config;
    config->machine_object->port = (MachinePort){ tell_device_deleted, vm };
    vm->runstate = runstate_new(&handlers, &config->life.actions);
    runstate_catch_signals(vm->runstate);
    vm->fds = vm->monitor.fds = fd_sets_new();
    vm->chardevs = vm->monitor.chardevs = chardev_set_new(&host);
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
    vm->config->machine_object->port = (MachinePort){ NULL, NULL };
    monitors_free(vm->monitors);
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
    runstate_free(vm->runstate);
    pidfile_free(vm->pidfile);
    g_free(vm);
}
