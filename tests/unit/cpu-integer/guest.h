/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bare 64-bit guest for tests of the executing core: flat memory, identity mapping of the first
 * GiB, CPL 0. HLT ends a run. SWTDX_TEST_JIT: how often a block is entered until it becomes host
 * code; 0: never.
 */
#ifndef TEST_GUEST_H
#define TEST_GUEST_H

#include "swtdx/host/cpu/cpu.h"

#define GUEST_CODE UINT64_C(0x20000)
#define GUEST_LOW_SIZE (UINT64_C(4) << 20)    /* RAM from 0: page tables, code */
#define GUEST_DATA UINT64_C(0x10000000)
#define GUEST_DATA_SIZE UINT64_C(0x10000)     /* RAM from GUEST_DATA */

#define GUEST_CPUS 20u /* of a group at most */

typedef struct Guest {
    CpuGroup *group;
    Cpu *cpu;
    uint8_t *low, *data;
    size_t low_size;
    bool halted;
    bool joined;   /* memory and group are another's */
    bool features; /* has_feature() answers this */
} Guest;

void guest_init(Guest *g);
/* heat: how often a block is entered until it becomes host code, whatever the environment says. */
void guest_init_heat(Guest *g, unsigned heat);
void guest_init_size(Guest *g, size_t low_size);
void guest_fini(Guest *g);
/* Runs from rip until HLT; false if something else ended it. */
bool guest_run(Guest *g, uint64_t rip);
/* Makes g a further processor of first's group and memory; first outlives it. */
void guest_join(Guest *g, const Guest *first);
/* Goes to 32-bit flat protected mode without paging. */
void guest_legacy32(Guest *g);

#endif
