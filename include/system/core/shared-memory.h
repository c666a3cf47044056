/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which guest memory a device may touch right now: RAM, and in a TD only what the guest shares. A
 * port: filled in by the machine's owner from the VM, which keeps the map of what is shared. Any
 * thread.
 */
#ifndef SYSTEM_CORE_SHARED_MEMORY_H
#define SYSTEM_CORE_SHARED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/units.h"

typedef struct SharedMemoryPort {
    /*
     * Host memory of [gpa, gpa + size) if all of it is RAM in one piece that the guest shares; else
     * NULL. size is not 0. The guest may make it private at any time: the pointer stays valid, but
     * what is written there then is lost.
     */
    uint8_t *(*map)(void *opaque, hwaddr gpa, uint64_t size);
    void *opaque;
} SharedMemoryPort;

static inline uint8_t *shared_memory_map(const SharedMemoryPort *port, hwaddr gpa, uint64_t size)
{
    return port && port->map && size ? port->map(port->opaque, gpa, size) : NULL;
}

#endif
