/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The q35 machine: what stands around the vCPUs. An explicit list of devices, made in one function
 * that reads top to bottom.
 */
#ifndef HW_I386_Q35_H
#define HW_I386_Q35_H

#include "chardev/chardev.h"
#include "hw/i386/e820.h"
#include "system/core/address-space.h"
#include "system/core/clock.h"
#include "system/core/guest-ram.h"
#include "system/core/runstate.h"
#include "util/bytes.h"

typedef struct Q35Config {
    uint64_t ram_size;
    /* that many bytes, page aligned, low RAM first; borrowed. NULL = the machine maps its own */
    uint8_t *ram;
    /* ram is a shared mapping of ram_fd from ram_fd_offset on: back ends outside may have it */
    bool ram_shareable;
    int ram_fd;
    uint64_t ram_fd_offset;
    Bytes firmware;            /* borrowed; size 0 = none */
    /* firmware is read-only memory and holds the image: not for a TD, whose launch copies it */
    bool firmware_rom;
    /*
     * the accelerator has the I/O APIC: the machine has none, and the accelerator takes the gsi
     * lines
     */
    bool kernel_irqchip;
    Clock clock;               /* of timers and of the time of day */
    int64_t rtc_offset;        /* seconds that the guest's clock begins ahead of UTC */
    unsigned num_cpus;
    /* the firmware shows its menu, for so long: milliseconds, 0 = as long as it thinks right */
    bool boot_menu;
    uint16_t boot_menu_ms;
    Chardev *serial[4];        /* NULL = no such port */
    Chardev *debugcon; /* port 402, the log of firmware built for debugging; NULL = no such port */
    const RunStatePort *runstate;
    void *runstate_opaque;
} Q35Config;

typedef struct Q35Machine {
    AddressSpace *memory, *ports;
    GMutex lock;               /* the machine lock */
    /* low RAM, high RAM if any, firmware if any: shared halves, lazily committed */
    GuestRam ram[3];
    bool own_ram[3];           /* to be unmapped at the end */
    unsigned num_ram;
    E820Layout layout;
    unsigned num_cpus;
    struct Q35Devices *devices;
} Q35Machine;

Q35Machine *q35_new(const Q35Config *config, GError **errp);
/*
 * Gives firmware ACPI tables, before the machine runs. apic_ids: one for each of the config's
 * num_cpus, borrowed for the machine's life; NULL = 0, 1, 2, … slots: of acpi_slots_collect(),
 * likewise; NULL = none.
 */
bool q35_add_acpi(Q35Machine *machine, const uint32_t *apic_ids, const GArray *slots,
                  GError **errp);
void q35_free(Q35Machine *machine);
/* Registers as at power-on. Machine lock held. */
void q35_reset(Q35Machine *machine);

#endif
