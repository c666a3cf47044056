/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs on the machine: a TD, an ordinary VM, or nothing but a test's commands. A port: the
 * machine is launched into it, again after each reset. Main loop thread, unless said.
 */
#ifndef SYSTEM_CORE_GUEST_H
#define SYSTEM_CORE_GUEST_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "system/core/event-port.h"
#include "system/core/shared-memory.h"

typedef struct Guest Guest;

typedef struct GuestOps {
    /* Everything that makes the guest go, with its vCPUs paused. The one before has ended. */
    bool (*launch)(Guest *guest, GError **errp);
    /* What launch() made is gone; nothing happens if there is nothing. */
    void (*end)(Guest *guest);
    void (*resume)(Guest *guest);
    void (*pause)(Guest *guest);   /* returns when no vCPU runs */
    /* To the local APICs; any thread. False: nobody took it. */
    bool (*signal_msi)(Guest *guest, uint64_t address, uint32_t data);
    unsigned (*num_vcpus)(Guest *guest); /* that have threads */
    int (*thread_id)(Guest *guest, unsigned vcpu);
    /* CPUID of vCPU 0 as the guest has it; borrowed until end(). NULL: not known. */
    const struct CpuidTable *(*cpuid)(Guest *guest);
    /*
     * What the guest offers devices, for as long as what launch() made is there: *memory is what
     * they may touch if it is left untouched. NULL: nothing.
     */
    void (*connect)(Guest *guest, EventPort *events, SharedMemoryPort *memory);
    void (*free)(Guest *guest);
} GuestOps;

struct Guest {
    const GuestOps *ops;
};

#endif
