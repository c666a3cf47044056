/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine without a TDX module around the executing core, for test images that were made for bare
 * virtual machines: 32-bit ELF files started as multiboot loaders do (kvm-unit-tests' x86 images
 * are such).
 *
 * It has what those images need to start and to report, and no more: RAM, processors with a local
 * APIC (xAPIC and x2APIC), a serial port that can only send, the ports of a test device, and the
 * two fw_cfg items that tell processors and RAM. There is no firmware, PIC, PIT, IOAPIC, ACPI or
 * PCI.
 *
 * Threads: one for each processor, and one for the timers of all. `lock` guards what they sleep on.
 */
#ifndef CONFORMANCE_BARE_H
#define CONFORMANCE_BARE_H

#include <pthread.h>

#include "swtdx/host/cpu/core.h"
#include "swtdx/host/lapic/lapic.h"
#include "swtdx/host/module/profile.h"

#define BARE_MAX_CPUS 8
#define BARE_APIC_PAGE UINT64_C(0xfee00000)
#define BARE_TSC_PER_NS 2u

/* How a run ended, besides the image's own exit status. */
enum { BARE_STATUS_SKIPPED = 77, BARE_STATUS_STOPPED = 125, BARE_STATUS_USAGE = 126 };

typedef enum CpuActivity { ACTIVITY_OFF, ACTIVITY_WAIT_FOR_SIPI, ACTIVITY_RUNS,
                           ACTIVITY_HALTED } CpuActivity;

/* What a world callback left the core for. */
typedef enum BareExit { BARE_EXIT_DONE, BARE_EXIT_HALT, BARE_EXIT_APIC_PAGE,
                        BARE_EXIT_STOP } BareExit;

typedef struct Bare Bare;

typedef struct BareCpu {
    Bare *m;
    Cpu *cpu;
    Lapic lapic;
    unsigned index;
    pthread_t thread;
    BareExit exit;
    uint64_t apic_linear;        /* BARE_EXIT_APIC_PAGE: what was accessed */
    uint64_t apic_base, xapic_ldr, xapic_dfr;
    uint64_t tsc_offset, tsc_adjust, misc_enable, tsx_ctrl;
    /* Under m->lock */
    CpuActivity activity;
    bool init, sipi, nmi;
    uint8_t sipi_vector;
    uint64_t deadline_ns;        /* of the timer */
} BareCpu;

struct Bare {
    Profile profile;
    uint64_t xfam;
    uint32_t without[32];        /* FEATURE()s taken out of CPUID */
    unsigned num_without;
    CpuGroup *group;
    uint8_t *ram;
    uint64_t ram_size;
    unsigned num_cpus;
    BareCpu cpus[BARE_MAX_CPUS];
    uint64_t start_ns;
    uint8_t port_data[4], fw_cfg[8];
    uint16_t fw_cfg_at;
    uint8_t nowhere[4096];       /* what guest physical addresses without memory lead to */
    pthread_mutex_t lock;
    pthread_cond_t changed;      /* broadcast at any change under the lock */
    bool stop;
    int status;
};

static inline BareCpu *bare_cpu(Cpu *cpu)
{
    return cpu->world_data;
}

/* Ends the run with the first status that is told. Any thread. */
void bare_stop(Bare *m, int status);
/* Prints to standard error what a processor cannot go on from, and stops. */
void bare_fail(BareCpu *c, const char *why);

/*
 * cpuid.c: the profile's processor without what belongs to no TD; state of the processor included.
 */
void bare_cpuid(Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
bool bare_has_feature(Cpu *cpu, unsigned feature);
/* Takes a feature out by name, before the first run; false: no such name. */
bool bare_without(Bare *m, const char *name);

/* msr.c */
uint64_t bare_rdmsr(Cpu *cpu, uint32_t index);
void bare_wrmsr(Cpu *cpu, uint32_t index, uint64_t value);
uint64_t bare_rdtsc(Cpu *cpu);

/* apic.c */
extern const LapicPort bare_lapic_port;
uint64_t bare_now_ns(const Bare *m);
void bare_apic_reset(BareCpu *c);
bool bare_xapic_enabled(const BareCpu *c);
/* An access to the xAPIC's page: register in bytes from its start. */
uint32_t bare_xapic_read(BareCpu *c, unsigned offset);
void bare_xapic_write(BareCpu *c, unsigned offset, uint32_t value);
/* x2APIC registers by MSR; false: #GP. */
bool bare_x2apic_write(BareCpu *c, uint32_t index, uint64_t value);
void *bare_timer_thread(void *machine);

/*
 * mmio.c: executes the instruction at RIP, which accesses the APIC's page; false: not one it knows.
 */
bool bare_apic_access(BareCpu *c);

/* ports.c */
void bare_io(Cpu *cpu, uint16_t port, unsigned size, bool write, bool string, bool rep,
             bool immediate);

/* start.c */
bool bare_load(Bare *m, const char *path, const char *arguments);
void bare_reset_cpu(BareCpu *c);
/*
 * Start-up by SIPI at vector * 4 KiB; false: the code there is not the few instructions that it
 * knows.
 */
bool bare_start_up(BareCpu *c, uint8_t vector);

/* world.c */
extern const CpuWorld bare_world;

#endif
