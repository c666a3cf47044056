/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tiny machine for tests of the executing core: one processor, flat RAM from guest physical
 * address 0, and a world that answers as little as possible. HLT ends the run, with RIP on the HLT.
 */
#ifndef TEST_CPU_MACHINE_H
#define TEST_CPU_MACHINE_H

#include <glib.h>

#include "swtdx/host/cpu/core.h"
#include "swtdx/host/cpu/cpu.h"
#include "swtdx/host/cpu/mmu.h"
#include "swtdx/host/cpu/segment.h"
#include "swtdx/host/cpu/system.h"

#define RAM_SIZE (4u << 20)
#define SHARED_BIT (UINT64_C(1) << 47)

enum {
    AT_GDT = 0x1000,
    AT_IDT = 0x2000,
    AT_TSS = 0x3000,
    AT_CODE = 0x20000,
    AT_HANDLERS = 0x21000, /* 16 bytes for each of 256 vectors, each a HLT */
    AT_USER_CODE = 0x24000,
    AT_KERNEL_STACK = 0x30000,
    AT_RSP0 = 0x34000,
    AT_IST1 = 0x36000,
    AT_USER_STACK = 0x38000,
    AT_DATA = 0x40000,
    AT_TABLES = 0x10000, /* PML5, then PML4, PDPT, PD, PT */
};
#define AT_PML5 AT_TABLES
#define AT_PML4 (AT_TABLES + 0x1000)
#define AT_PDPT (AT_TABLES + 0x2000)
#define AT_PD (AT_TABLES + 0x3000)
#define AT_PT (AT_TABLES + 0x4000)

enum { SEL_CODE32 = 0x08, SEL_DATA = 0x10, SEL_CODE64 = 0x18, SEL_USER32 = 0x20,
       SEL_USER_DATA = 0x28, SEL_USER64 = 0x30, SEL_TSS = 0x38 };

typedef struct Machine {
    CpuGroup *group;
    Cpu *cpu;
    uint8_t *ram;
    int vectors[8];    /* what interrupt_accept gives, -1 ends */
    unsigned accepted;
    bool no_features;
    unsigned unmapped_once; /* page number that the world first refuses by cpu_leave() */
    /* page number whose first access brings an interrupt, while its instruction is under way */
    unsigned interrupt_at;
    /* page number that lies at moved_to instead of in RAM: any thread may change that */
    unsigned moved_page;
    uint8_t *_Atomic moved_to;
    uint64_t msr;      /* what the world's RDMSR gives */
    uint32_t exit_reason;
    bool beside;       /* group and RAM belong to another */
} Machine;

Machine *machine_new(void);
/* Another processor of the same group on the same RAM; to be freed first. */
Machine *machine_beside(const Machine *first);
void machine_free(Machine *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Machine, machine_free)

/*
 * 64-bit mode at CPL 0, 4-level paging: the first 2 MiB identity mapped with 4 KiB user pages, GDT,
 * TSS, IDT.
 */
void machine_long(Machine *m);
/*
 * 32-bit protected mode as a TD starts: no paging, EFER.LME and NXE set, flat segments, RIP at
 * AT_CODE.
 */
void machine_start32(Machine *m);
/* Runs to a HLT: any other end fails the test. */
void machine_run(Machine *m);
void machine_code(Machine *m, uint64_t at, const void *bytes, size_t size);
/* Present interrupt gate of 64-bit mode to the vector's HLT. */
void machine_gate64(Machine *m, unsigned vector, unsigned dpl, unsigned ist, unsigned type);
void machine_gate32(Machine *m, unsigned vector, unsigned dpl, unsigned type);
uint64_t machine_word(const Machine *m, uint64_t at);
/* The nth 64-bit word of the stack, from RSP up. */
uint64_t machine_stack(const Machine *m, unsigned n);
void machine_set_word(Machine *m, uint64_t at, uint64_t value);
/* The entry of the page at `linear` in the identity map. */
uint64_t *machine_pte(Machine *m, uint64_t linear);
/* Address of the HLT of a vector. */
uint64_t machine_handler(unsigned vector);

/* Calls body where it can raise; true if it raised (cpu->raise_* say what). */
bool machine_raises(Machine *m, void (*body)(Cpu *cpu, void *opaque), void *opaque);

#endif
