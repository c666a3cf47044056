/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where message-signalled interrupts go: the local APICs, which belong to the accelerator. A port:
 * devices hold a pointer to it, the machine's owner fills it in after each launch and empties it
 * before the TD goes. Machine lock held.
 */
#ifndef SYSTEM_CORE_MSI_H
#define SYSTEM_CORE_MSI_H

#include <stddef.h>
#include <stdint.h>

typedef struct MsiPort {
    /* NULL: there is nobody to interrupt */
    void (*send)(void *opaque, uint64_t address, uint32_t data);
    void *opaque;
} MsiPort;

static inline void msi_send(const MsiPort *port, uint64_t address, uint32_t data)
{
    if (port && port->send) {
        port->send(port->opaque, address, data);
    }
}

#endif
