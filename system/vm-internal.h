/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of a Vm share: vm.c (its life), vm-machine.c (its devices), vm-monitors.c (whom it
 * talks to).
 */
#ifndef SYSTEM_VM_INTERNAL_H
#define SYSTEM_VM_INTERNAL_H

#include "accel/qtest/qtest-server.h"
#include "hw/i386/q35-devices.h"
#include "system/guest.h"
#include "system/io-errors.h"
#include "system/pidfile.h"
#include "system/vm.h"
#include "target/i386/cpu-object.h"

struct Vm {
    const MachineConfig *config;
    PidFile *pidfile;
    RunState *runstate;
    IoErrors *io_errors;
    QapiContext monitor; /* what monitors see and act on */
    Monitors *monitors;
    struct EventQueue *events; /* of devices, for the main loop to send */
    X86CpuPort cpu_port;
    GArray *acpi_slots; /* of AcpiSlot */
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

/*
 * vm-machine.c: RAM, the board, drives and devices, what firmware is told. vm->firmware is read
 * already.
 */
bool vm_make_machine(Vm *vm, GError **errp);

/* vm-monitors.c: the parts that chardevs and monitors need; nothing is opened. */
void vm_init_monitors(Vm *vm);
void vm_free_monitors(Vm *vm); /* the monitors alone: chardevs go after the devices */
/*
 * The pid file, descriptors, chardevs and monitors that options name; clients' commands wait for
 * vm_show_to_monitors().
 */
bool vm_open_monitors(Vm *vm, GError **errp);
void vm_show_to_monitors(Vm *vm);
/* RunStateHandlers.event */
void vm_tell_monitors(void *opaque, const QapiEvent *event, JsonValue *data);

#endif
