/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Eventfds between the guest and a device without the VMM in between: a guest's write that signals
 * one (ioeventfd), one that interrupts the guest (irqfd). A port: the accelerator implements it,
 * the machine's owner fills it in after each launch and empties it before the VM goes, whereupon
 * everything assigned is gone. Machine lock held.
 */
#ifndef SYSTEM_CORE_EVENT_PORT_H
#define SYSTEM_CORE_EVENT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/units.h"

typedef struct EventPort {
    /*
     * Guest writes of `size` bytes (0: of any size) to memory address addr signal fd. False: the
     * write has to be handled.
     */
    bool (*assign_write)(void *opaque, hwaddr addr, unsigned size, int fd);
    void (*release_write)(void *opaque, hwaddr addr, unsigned size, int fd);
    /*
     * Signalling fd sends this message to the local APICs. A second call for the same fd replaces
     * the message.
     */
    bool (*assign_interrupt)(void *opaque, int fd, uint64_t address, uint32_t data);
    void (*release_interrupt)(void *opaque, int fd);
    void *opaque;
} EventPort;

static inline bool event_assign_write(const EventPort *port, hwaddr addr, unsigned size, int fd)
{
    return port && port->assign_write && port->assign_write(port->opaque, addr, size, fd);
}

static inline void event_release_write(const EventPort *port, hwaddr addr, unsigned size, int fd)
{
    if (port && port->release_write) {
        port->release_write(port->opaque, addr, size, fd);
    }
}

static inline bool event_assign_interrupt(const EventPort *port, int fd, uint64_t address,
                                          uint32_t data)
{
    return port && port->assign_interrupt &&
           port->assign_interrupt(port->opaque, fd, address, data);
}

static inline void event_release_interrupt(const EventPort *port, int fd)
{
    if (port && port->release_interrupt) {
        port->release_interrupt(port->opaque, fd);
    }
}

#endif
