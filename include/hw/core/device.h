/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices and the buses that they sit on: what -device and device_add make. A device is an object
 * (qom/object.h) that is realized when its properties are known, reset with its bus, and perhaps
 * unplugged while the machine runs.
 *
 *     typedef struct IsaSerial { Device parent; QomLink chardev; … } IsaSerial;
 *     static const DeviceOps isa_serial_ops = {
 *         .bus_type = &isa_bus_type, .realize = …, .unrealize = …, .reset = …,
 *     };
 *     const QomType isa_serial_type = {
 *         .name = "isa-serial", .parent = &device_type, .size = sizeof(IsaSerial),
 *         .properties = isa_serial_properties, .ops = &isa_serial_ops,
 *     };
 *
 * What a device needs of the machine (address spaces, interrupt lines, the machine lock) it finds
 * in its bus: a bus type's structure begins with Bus and carries it. A bus that is a device's own
 * (a root port's secondary bus, a SCSI host's) is made in that device's realize with bus_new().
 *
 * Main loop thread. The machine lock is held in reset alone; realize and unrealize take it for what
 * vCPUs can see.
 */
#ifndef HW_CORE_DEVICE_H
#define HW_CORE_DEVICE_H

#include "qom/object.h"

typedef struct Bus Bus;

typedef struct Device {
    QomObject object;
    Bus *bus;            /* where it sits; NULL = on none. The bus outlives it */
    GPtrArray *buses;    /* of Bus, its own: children in the tree, borrowed here; NULL = none */
    char *id;            /* the user's; NULL = none */
    int32_t index;       /* among those on the bus, in the order of plugging */
    bool realized, hotplugged; /* hotplugged: came after the machine was made */
    bool unplug_pending; /* device_del was asked for, the guest has not let go yet */
} Device;

/*
 * The base of all devices' operations. A base type with operations of its own starts its structure
 * with this one.
 */
typedef struct DeviceOps {
    const QomType *bus_type;  /* the bus it needs; NULL = none */
    /* heading in -device help: "Network", "Storage", "Misc" …; NULL = the parent's */
    const char *category;
    bool internal;            /* made by the machine alone: -device refuses it */
    bool no_hotplug;          /* may not come or go while the machine runs */
    /* Takes effect. On failure nothing is left behind but the object. NULL = nothing to do. */
    bool (*realize)(Device *device, GError **errp);
    /* The reverse of realize; also at the machine's end. */
    void (*unrealize)(Device *device);
    /* Registers as at power-on. Machine lock held. */
    void (*reset)(Device *device);
} DeviceOps;

struct Bus {
    QomObject object;
    char *name;             /* "pcie.0": what bus= names */
    Device *owner;          /* NULL = the machine's own */
    GPtrArray *devices;     /* of Device, borrowed, in the order of plugging */
    bool full;              /* not chosen for a device that names no bus */
    bool hotpluggable;      /* devices may come and go while the machine runs */
};

typedef struct BusOps {
    /*
     * Before the device's realize: is there a place for it, and which? Fills in what the device
     * left open. NULL = always.
     */
    bool (*plug)(Bus *bus, Device *device, GError **errp);
    /* After its unrealize. NULL = nothing to do. */
    void (*unplug)(Bus *bus, Device *device);
    /*
     * Asks the guest to let the device go; once it has, the bus calls machine_remove_device(). NULL
     * = it goes at once. Machine lock not held.
     */
    bool (*unplug_request)(Bus *bus, Device *device, GError **errp);
    /* Where the device sits, "addr 02.0", for info qtree. NULL = nothing to say. Caller frees. */
    char *(*describe)(const Bus *bus, const Device *device);
    /* The bus's own part of reset, after its devices'. NULL = none. Machine lock held. */
    void (*reset)(Bus *bus);
} BusOps;

extern const QomType device_type; /* "device", abstract */
extern const QomType bus_type;    /* "bus", abstract */

#define DEVICE(object) QOM_CAST(Device, &device_type, object)
#define BUS(object) QOM_CAST(Bus, &bus_type, object)
static inline const DeviceOps *device_ops(const Device *device)
{
    return qom_type_ops(device->object.type);
}
static inline const BusOps *bus_ops(const Bus *bus)
{
    return qom_type_ops(bus->object.type);
}

/* Buses (hw/core/bus.c) ------------------------------------------------------------------------ */

/*
 * A bus of a device (child of it in the tree, freed with it), or with owner NULL the caller's own.
 * Borrowed, or one reference.
 */
Bus *bus_new(const QomType *type, const char *name, Device *owner);
/* Takes out and frees every device on it and on the buses below: the end. */
void bus_clear(Bus *bus);
/* All devices on it, children first, then the bus. Machine lock held. */
void bus_reset(Bus *bus);
/* The bus of that name on or below this one; NULL = none. Borrowed. */
Bus *bus_find(Bus *bus, const char *name);
/* info qtree: the bus, its devices with their properties, and the buses below. Caller frees. */
char *bus_tree_text(Bus *bus);

/* Devices (hw/core/device.c) ------------------------------------------------------------------- */

/*
 * Puts the device on the bus (NULL: it needs none), completes it (links) and realizes it. It must
 * stand in the tree already. False: *errp; the device is off the bus again.
 */
bool device_realize(Device *device, Bus *bus, GError **errp);
/*
 * The reverse: those on its own buses first. Then out of the tree; the reference of the tree goes.
 */
void device_remove(Device *device);
/* The device, then nothing else: after those on its buses. Machine lock held. */
void device_reset(Device *device);
/* "id", or the path in the tree: for messages and events. Caller frees. */
char *device_name(const Device *device);

#endif
