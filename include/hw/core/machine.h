/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine as an object: /machine with its containers of devices, and the one way in which
 * devices come and go, for -device, device_add and device_del alike. What a machine consists of is
 * its type's business (hw/i386).
 *
 * Main loop thread, machine lock not held.
 */
#ifndef HW_CORE_MACHINE_H
#define HW_CORE_MACHINE_H

#include "hw/core/device.h"
#include "qapi/qapi.h"
#include "system/core/runstate.h"

/* -global: another default for a property of a type and all that derive from it. */
typedef struct QomGlobal {
    char *driver, *property, *value;
} QomGlobal;

/* Whom the machine tells. */
typedef struct MachinePort {
    /* A device has gone. id: NULL = it had none. */
    void (*device_deleted)(void *opaque, const char *id, const char *path);
    /* Any other event. data: taken; NULL = none. Any thread. */
    void (*event)(void *opaque, const QapiEvent *event, JsonValue *data);
    void *opaque;
} MachinePort;

typedef struct Machine {
    QomObject object;
    /* "main-system-bus": every other bus belongs to a device on it or below */
    Bus *main_bus;
    GPtrArray *globals;   /* of QomGlobal, its own */
    unsigned num_cpus;    /* vCPUs, which devices' defaults follow; 0 = not told */
    MachinePort port;
    const RunStatePort *runstate; /* whom devices tell of the guest's end; NULL = nobody */
    void *runstate_opaque;
    bool ready;           /* devices that come from now on are hotplugged */
} Machine;

typedef struct MachineOps {
    const char *alias;    /* "q35"; NULL = none */
    const char *id;       /* "pc-q35-11.1": as -machine names it */
    const char *default_ram_id; /* "pc.ram"; NULL = none */
    /* names of earlier versions that mean this one, NULL terminated; NULL = none */
    const char *const *former;
} MachineOps;

extern const QomType machine_type;    /* "machine", abstract */
extern const QomType system_bus_type; /* "System" */

#define MACHINE(object) QOM_CAST(Machine, &machine_type, object)
static inline const MachineOps *machine_ops(const Machine *machine)
{
    return qom_type_ops(machine->object.type);
}

/* The machine type that -machine means by a name or an alias; NULL = none. */
const QomType *machine_type_find(QomTypes types, const char *name);
/*
 * At /machine, with its containers and buses, with globals (copied; NULL = none) to be applied to
 * every device. Borrowed.
 */
Machine *machine_new(QomObject *root, const QomType *type, const GPtrArray *globals, GError **errp);
/* "DRIVER.PROPERTY=VALUE" or "driver=D,property=P,value=V". NULL: *errp. */
QomGlobal *qom_global_parse(const char *text, GError **errp);
void qom_global_free(QomGlobal *global);
/*
 * Every global names a property that its type has; an unknown type is only warned of, as QEMU does.
 * False: the first that does not.
 */
bool machine_check_globals(const Machine *machine, GError **errp);

/*
 * A device as -device and device_add give it: settings hold driver, id, bus and the properties. It
 * stands in the tree, with everything checked that can be without the machine's buses. Borrowed;
 * NULL: *errp, nothing is left.
 */
Device *machine_create_device(Machine *machine, const QomSettings *settings, GError **errp);
/* Finds its bus (settings: as above) and realizes it. False: *errp, and the device is gone. */
bool machine_plug_device(Machine *machine, Device *device, const QomSettings *settings,
                         GError **errp);
/*
 * A device that the machine itself makes, under /machine/unattached, with globals, not realized
 * yet. Borrowed; NULL: *errp.
 */
Device *machine_create_own(Machine *machine, const QomType *type, GError **errp);
/* device_del: by id or path. It goes now, or when the guest has let it go. */
bool machine_unplug(Machine *machine, const char *id, GError **errp);
/* The guest has let a device go, or nobody has to be asked: removes it and tells. */
void machine_remove_device(Device *device);
/* The machine that a device stands in; NULL = none. */
Machine *device_machine(const Device *device);
/* Tells clients of QMP. machine NULL: nobody. data: taken; NULL = none. Any thread. */
void machine_event(const Machine *machine, const QapiEvent *event, JsonValue *data);
/* All buses. Machine lock held. */
void machine_reset_devices(Machine *machine);
/* Takes all devices out, those that came last first. */
void machine_clear(Machine *machine);

/* -device help: types that users can plug, under headings. Caller frees. */
char *devices_help(QomTypes types);
/* The type that -device means by a name; NULL: *errp, with the nearest name. */
const QomType *device_type_find(QomTypes types, const char *driver, GError **errp);

#endif
