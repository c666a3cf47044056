/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What run.c, exc.c, group.c and the system family keep about a processor between themselves.
 */
#ifndef SWTDX_CORE_H
#define SWTDX_CORE_H

#include "cpu.h"

/* Why longjmp(cpu->escape) came back to cpu_run(). */
enum { ESCAPE_NONE, ESCAPE_RAISE, ESCAPE_LEAVE, ESCAPE_RESTART };

/*
 * An event on its way through the IDT. It outlives cpu_run(): a page of the stack may first have to
 * be mapped by the VMM.
 */
typedef enum EventKind { EVENT_NONE, EVENT_FAULT, EVENT_TRAP, EVENT_SOFTWARE,
                         EVENT_EXTERNAL } EventKind;

typedef struct Event {
    EventKind kind;
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint64_t rip;            /* of the INT instruction, for EVENT_SOFTWARE */
} Event;

struct CoreState {
    Event event;             /* being delivered, if kind is not EVENT_NONE */
    EventKind raise_kind;    /* of cpu->raise_*: EVENT_FAULT, EVENT_TRAP or EVENT_SOFTWARE */
    uint64_t raise_rip;      /* becomes Event.rip */
    bool skip_trap;          /* SYSCALL and SYSENTER swallow the single-step trap */
    /* SS was loaded: no #DB before the next instruction is done (SDM vol. 3, 6.8.3) */
    bool stack_shadow;
    /* IRET brought RF: no instruction breakpoint on the next instruction */
    bool resume_flag;
    uint32_t debug_hits;     /* bits of DR6 for a #DB trap that is due */
    bool interrupt_waiting;  /* world had something that RFLAGS.IF held back */
    bool nmi_waiting;
    bool split_locked;       /* this processor is its group's stopper */
    bool inside;             /* own thread's view of `running` */
    uint32_t spins;          /* cpu_spin() calls */
    uint64_t random[4];      /* state of RDRAND's generator */

    _Atomic uint32_t running;      /* inside: see group.h */
    _Atomic uint32_t flush_wanted; /* raised by others */
    _Atomic uint32_t flush_done;   /* own thread writes */
    _Atomic uint32_t waiters;      /* threads asleep on `event_word` */
    _Atomic uint32_t event_word;   /* futex */
};

/* Starts the instruction again, after a translation it holds was taken away. */
_Noreturn void cpu_restart(Cpu *cpu);

/*
 * Error code of a fault: EXT (bit 0) while an event other than INT n is being delivered. (SDM vol.
 * 3, 6.13)
 */
static inline uint32_t exc_ext(const Cpu *cpu)
{
    EventKind kind = cpu->core->event.kind;
    return kind != EVENT_NONE && kind != EVENT_SOFTWARE;
}

enum {
    CR0_PE = 1u << 0, CR0_MP = 1u << 1, CR0_EM = 1u << 2, CR0_TS = 1u << 3, CR0_ET = 1u << 4,
    CR0_NE = 1u << 5, CR0_WP = 1u << 16, CR0_AM = 1u << 18, CR0_NW = 1u << 29, CR0_CD = 1u << 30,
};
#define CR0_PG (1u << 31)

enum {
    CR4_VME = 1u << 0, CR4_PVI = 1u << 1, CR4_TSD = 1u << 2, CR4_DE = 1u << 3, CR4_PSE = 1u << 4,
    CR4_PAE = 1u << 5, CR4_MCE = 1u << 6, CR4_PGE = 1u << 7, CR4_PCE = 1u << 8,
    CR4_OSFXSR = 1u << 9, CR4_OSXMMEXCPT = 1u << 10, CR4_UMIP = 1u << 11, CR4_LA57 = 1u << 12,
    CR4_VMXE = 1u << 13, CR4_SMXE = 1u << 14, CR4_FSGSBASE = 1u << 16, CR4_PCIDE = 1u << 17,
    CR4_OSXSAVE = 1u << 18, CR4_SMEP = 1u << 20, CR4_SMAP = 1u << 21, CR4_PKE = 1u << 22,
    CR4_CET = 1u << 23, CR4_PKS = 1u << 24, CR4_UINTR = 1u << 25, CR4_LASS = 1u << 27,
    CR4_LAM_SUP = 1u << 28,
};

enum { EFER_SCE = 1u << 0, EFER_LME = 1u << 8, EFER_LMA = 1u << 10, EFER_NXE = 1u << 11 };

static inline bool cpu_long(const Cpu *cpu)
{
    return cpu->efer & EFER_LMA;
}

static inline bool cpu_64(const Cpu *cpu)
{
    return cpu->mode & CPU_MODE_CS64;
}

static inline bool cpu_sign_extended(uint64_t address, unsigned shift)
{
    return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

/* SDM vol. 1, 3.3.7.1: 48 bits, or 57 with CR4.LA57. */
static inline bool cpu_canonical(const Cpu *cpu, uint64_t address)
{
    return cpu_sign_extended(address, cpu->cr4 & CR4_LA57 ? 7 : 16);
}

/*
 * For registers that hold linear addresses: MSRs, bases of segments and descriptor tables, and
 * INVPCID's operand. They take what the processor has bits for, whether CR4.LA57 is set or not
 * (Intel's white paper "5-Level Paging and 5-Level EPT").
 */
static inline bool cpu_canonical_widest(const Cpu *cpu, uint64_t address)
{
    return cpu_sign_extended(address, cpu->la57 ? 7 : 16);
}

#endif
