/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Cpu reduced to what the vector families need: decoding of one instruction, two pages of memory,
 * and stand-ins for the MMU, exceptions and flags. Faults are precise: guest_step() tells the
 * vector.
 */
#ifndef TEST_CPU_VECTOR_GUEST_H
#define TEST_CPU_VECTOR_GUEST_H

#include <glib.h>

#include "swtdx/host/cpu/vector.h"

#define GUEST_MEMORY \
    UINT64_C(0x10000) /* linear address of the memory; what follows it is not mapped */
#define GUEST_MEMORY_SIZE 16384u

/* What guest_step() returns besides vectors */
enum { STEP_OK = -1, STEP_UNSUPPORTED = -2, STEP_NOT_TAKEN = -3, STEP_BAD_ENCODING = -4 };

typedef struct Guest {
    Cpu *cpu;
    uint8_t *memory;
    Decoded d;
    Op ops[2];
    uint64_t fault_address;
    bool no_feature; /* has_feature() denies everything */
    bool readonly;   /* memory may not be written */
} Guest;

/* 64-bit mode, CPL 0, everything enabled */
Guest *guest_new(void);
void guest_free(Guest *g);
/* Decodes and chooses; STEP_OK, or why not. */
int guest_decode(Guest *g, const uint8_t *bytes, size_t n);
/* Runs what was decoded. */
int guest_run(Guest *g);
int guest_step(Guest *g, const uint8_t *bytes, size_t n);
void guest_enable_tlb(Guest *g, bool enable);

#endif
