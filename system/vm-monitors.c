/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom a Vm talks to: descriptors it was given, chardevs, monitors, and what monitors see of the
 * machine.
 */
#include <stdio.h>
#include <unistd.h>

#include "chardev/chardev-object.h"
#include "monitor/event-queue.h"
#include "util/error.h"
#include "vm-internal.h"

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

void vm_tell_monitors(void *opaque, const QapiEvent *event, JsonValue *data)
{
    Vm *vm = opaque;

    monitors_event(vm->monitors, event, data);
}

static void post_event(void *opaque, const QapiEvent *event, JsonValue *data)
{
    Vm *vm = opaque;

    event_queue_post(vm->events, event, data);
}

static void tell_device_deleted(void *opaque, const char *id, const char *path)
{
    JsonValue *data = json_object_new_object();

    if (id) {
        json_object_object_add(data, "device", json_object_new_string(id));
    }
    json_object_object_add(data, "path", json_object_new_string(path));
    vm_tell_monitors(opaque, &qapi_event_DEVICE_DELETED, data);
}

static bool add_blockdev(void *opaque, JsonValue *options, GError **errp)
{
    const Vm *vm = opaque;

    return machine_config_add_drive(vm->config, options, errp);
}

static bool remove_blockdev(void *opaque, const char *name, GError **errp)
{
    const Vm *vm = opaque;

    return machine_config_remove_drive(vm->config, name, errp);
}

void vm_init_monitors(Vm *vm)
{
    const ChardevHost host = {
        .quit = quit_from_terminal, .ended = has_ended, .named_fd = named_fd,
        .announce = announce_pty,
        .open_fdset = open_fdset, .opaque = vm,
    };

    vm->config->machine_object->port = (MachinePort){ tell_device_deleted, post_event, vm };
    vm->fds = vm->monitor.fds = fd_sets_new();
    vm->chardevs = vm->monitor.chardevs = chardev_set_new(&host);
    *vm->config->disk_files = (BlockFilePort){ open_fdset, vm };
    vm->monitor.blockdev = (BlockdevPort){ add_blockdev, remove_blockdev, vm };
    vm->monitor.netdevs = (NetdevPort){ vm_tell_monitors, named_fd, vm };
    netdevs_set_port(vm->config->root, &vm->monitor.netdevs);
    vm->monitors = monitors_new(&vm->monitor);
    vm->events = event_queue_new(vm_tell_monitors, vm);
}

void vm_free_monitors(Vm *vm)
{
    while (g_source_remove_by_user_data(vm)) {
        continue;
    }
    event_queue_free(vm->events);
    monitors_free(vm->monitors);
}

bool vm_open_monitors(Vm *vm, GError **errp)
{
    const LifeOptions *life = &vm->config->life;

    if (life->pidfile && !(vm->pidfile = pidfile_new(life->pidfile, errp))) {
        return false;
    }
    if (!machine_config_add_fds(vm->config, vm->fds, errp) || !open_chardevs(vm, errp)) {
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
void vm_show_to_monitors(Vm *vm)
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
    vm->monitor.accelerator = vm->kvm                       ? QAPI_ACCELERATOR_KVM
                              : machine_is_none(vm->config) ? QAPI_ACCELERATOR_NONE
                                                            : QAPI_ACCELERATOR_QTEST;
    vm->monitor.runstate = vm->runstate;
    vm->monitor.running = vm->guest;
    if (vm->config->guest) {
        vm->monitor.plan = guest_tdx_plan(vm->guest);
        vm->monitor.caps = guest_tdx_capabilities(vm->guest);
    }
    vm->monitor.board = vm->machine;
    vm->monitor.memory = vm->machine ? vm->machine->memory : NULL;
    vm->monitor.ports = vm->machine ? vm->machine->ports : NULL;
    vm->monitor.td = &vm->td;
    monitors_ready(vm->monitors);
}
