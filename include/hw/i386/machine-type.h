/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -machine pc-q35-11.1 and -machine none as objects: their properties, as the user gave them. What
 * is made of them is q35.h's business.
 */
#ifndef HW_I386_MACHINE_TYPE_H
#define HW_I386_MACHINE_TYPE_H

#include "backends/memory-backend.h"
#include "hw/core/machine.h"

#define Q35_MACHINE_ID "pc-q35-11.1"

/* What every machine has, also the one that is none. */
typedef struct BoardMachine {
    Machine machine;
    bool mem_merge, dump_guest_core;
    char *firmware, *kernel, *initrd, *append, *shim; /* NULL = not given */
    QomLink confidential_guest; /* resolved when the machine is complete */
    QomLink memory_backend;
    /*
     * what RAM is made of, once the machine has it: the linked one, or the default; borrowed from
     * the tree
     */
    MemoryBackend *ram;
} BoardMachine;

typedef struct PcMachine {
    BoardMachine board;
    QomOnOffAuto acpi, smm, pic;
} PcMachine;

extern const QomType board_machine_type;     /* "board-machine", abstract */
extern const QomType x86_machine_type;       /* "x86-machine", abstract */
extern const QomType generic_pc_machine_type; /* "generic-pc-machine", abstract */
/*
 * Names under which management software may have stored a guest's machine (libvirt keeps the
 * versioned name): this program has one machine, and each of them means it. NULL terminated.
 */
extern const char *const q35_former_names[];
extern const QomType pc_q35_machine_type;    /* "pc-q35-11.1-machine" */
extern const QomType none_machine_type;      /* "none-machine" */

#define BOARD_MACHINE(object) QOM_CAST(BoardMachine, &board_machine_type, object)
#define PC_MACHINE(object) QOM_CAST(PcMachine, &generic_pc_machine_type, object)

/*
 * RAM of `size` bytes, from the linked backend, or from a memory-backend-ram that is made for it
 * under the name that the machine type has for it. merge: equal pages may be merged unless the user
 * said otherwise. The machine is complete. False: *errp.
 */
bool board_machine_make_ram(BoardMachine *board, uint64_t size, bool merge, GError **errp);

/* "Supported machines are:" … Caller frees. */
char *machine_types_help(QomTypes types);

#endif
