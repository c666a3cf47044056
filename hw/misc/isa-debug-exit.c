/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port by which the guest ends the program, with a status that is never 0: for test kernels. */
#include "hw/core/machine.h"
#include "hw/isa/isa-bus.h"
#include "hw/misc/misc.h"
#include "util/error.h"

typedef struct DebugExit {
    Device device;
    uint32_t iobase, iosize;
    const Machine *machine;
    IoRegion *region;
} DebugExit;

static uint64_t port_read(void *opaque, hwaddr offset, unsigned size)
{
    return 0;
}

static void port_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    const Machine *machine = ((const DebugExit *)opaque)->machine;

    if (machine && machine->runstate) {
        machine->runstate->exit(machine->runstate_opaque, (int)(value << 1 | 1) & 0xff);
    }
}

static const IoRegionOps port_ops = { port_read, port_write, 4 };

static bool debug_exit_realize(Device *device, GError **errp)
{
    DebugExit *debug_exit = (DebugExit *)device;
    IsaBus *bus = ISA_BUS(device->bus);

    if (debug_exit->iosize < 1 || debug_exit->iosize > 4 || debug_exit->iobase > 0xffff) {
        return error_set(errp,
                         "isa-debug-exit: iobase=0x%x, iosize=%u: 1 to 4 I/O ports up to 0xffff",
                         debug_exit->iobase, debug_exit->iosize);
    }
    debug_exit->machine = device_machine(device);
    g_mutex_lock(bus->machine_lock);
    debug_exit->region = address_space_add_io(bus->ports, "isa-debug-exit", debug_exit->iobase,
                                              debug_exit->iosize, 0, &port_ops, debug_exit);
    g_mutex_unlock(bus->machine_lock);
    return true;
}

static void debug_exit_unrealize(Device *device)
{
    IsaBus *bus = ISA_BUS(device->bus);

    g_mutex_lock(bus->machine_lock);
    io_region_remove(((DebugExit *)device)->region);
    g_mutex_unlock(bus->machine_lock);
}

static const DeviceOps ops = {
    .bus_type = &isa_bus_type, .no_hotplug = true, .realize = debug_exit_realize,
    .unrealize = debug_exit_unrealize,
};

static const QomProperty properties[] = {
    QOM_PROPERTY_UINT32("iobase", DebugExit, iobase, "0x501", "its first I/O port"),
    QOM_PROPERTY_UINT32("iosize", DebugExit, iosize, "2", "how many ports, 1 to 4"),
    { NULL },
};

const QomType isa_debug_exit_type = {
    .name = "isa-debug-exit", .parent = &device_type,
    .description = "what the guest writes ends the program", .size = sizeof(DebugExit),
    .properties = properties, .ops = &ops,
};
