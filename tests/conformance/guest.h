/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TD of a few pages for conformance suites: a program of some instructions is run on the real
 * core and module, and what came of it is compared with what a processor and a TDX module do.
 *
 * Handlers tell their vector by touching a page that is not there: 64-bit and 32-bit code can do
 * that alike.
 */
#ifndef CONFORMANCE_GUEST_H
#define CONFORMANCE_GUEST_H

#include <glib.h>
#include <string.h>

#include "../assembled.h"
#include "swtdx/host/cpu/core.h"
#include "swtdx/host/cpu/debug.h"
#include "swtdx/host/cpu/segment.h"
#include "swtdx/host/module/module.h"

enum {
    AT_PML5 = 0x1000, AT_PML4 = 0x2000, AT_PDPT = 0x3000, AT_PD = 0x4000, AT_PT = 0x5000,
    AT_GDT = 0x6000, AT_IDT = 0x7000,
    AT_IDT32 = 0x8000, AT_STUBS = 0x9000, AT_TSS = 0xb000, AT_STACK = 0xc000, AT_IST = 0xd000,
    AT_CODE = 0xe000,
    AT_USER_STACK = 0xf000, AT_DATA = 0x10000, AT_DATA2 = 0x11000, AT_END = 0x12000,
    AT_UNACCEPTED = 0x13000,       /* added by AUG: pending */
    AT_MMIO = 0x14000,             /* maps a shared GPA without a slot */
    AT_SHARED = 0x15000,           /* maps a shared page with memory */
};
enum { SEL_CODE32 = 0x08, SEL_DATA = 0x10, SEL_CODE64 = 0x18, SEL_USER32 = 0x23,
       SEL_USER_DATA = 0x2b, SEL_USER64 = 0x33, SEL_TSS = 0x38,
       SEL_GATE = 0x48, SEL_TSS2 = 0x58, SEL_FREE = 0x60 };
enum { STACK_TOP = AT_STACK + 0xf00, USER_STACK_TOP = AT_USER_STACK + 0xf00,
       IST_TOP = AT_IST + 0xf00, TSS_STACK_TOP = AT_STACK + 0x800 };

/* Outcomes besides vectors. DONE: the program came to its INT 80h. */
enum { DONE = 0x80, SHUTDOWN = 0x100, EXIT_PENDING, EXIT_TASK_SWITCH, EXIT_OTHER };

typedef enum Mode { LONG, USER, PROTECTED, PROTECTED_USER } Mode;

typedef struct Guest Guest;
typedef struct Case {
    const char *label;
    const uint8_t *code, *end;
    Mode mode;
    int outcome;
    int64_t error;                 /* code on the stack; NO_ERROR: none, or not looked at */
    int rip;                       /* of the saved RIP, from AT_CODE; ANY: not looked at */
    void (*prepare)(Guest *g);     /* before the run: memory is g->memory, state g->cpu */
    void (*check)(Guest *g);       /* after it */
} Case;
#define NO_ERROR INT64_C(-1)
#define ANY (-1)

struct Guest {
    Profile profile;
    Td *td;
    TdVcpu *vcpu;
    Cpu *cpu;
    Lapic lapic;
    TdExit exit;
    /* SEPT_VE_DISABLE = 0: for cases whose label says "#VE of an unaccepted page" */
    bool pending_ve;
    bool cet;                      /* XFAM has CET: for cases whose label begins with "with CET" */
    /* bit 51 for cases whose label begins with "GPAW 52", else bit 47 */
    uint64_t shared_bit;
    uint8_t memory[AT_END];        /* what the pages start with */
    uint8_t shared[4096];
};

/* Runs the cases as subtests of a GTest program. */
void conformance_run(const char *suite, const Case *cases, size_t n);

void put64(Guest *g, unsigned at, uint64_t value);
uint64_t get64(const Guest *g, unsigned at);
/* A 64-bit word of the guest's memory now, after a run. */
uint64_t guest_word(Guest *g, uint64_t gpa);
/* n-th word above the stack pointer, in words of the mode. */
uint64_t guest_stack(Guest *g, unsigned n);

#endif
