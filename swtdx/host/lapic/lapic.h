/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A local APIC in x2APIC mode, as a TD has it: registers by MSR number (Intel SDM vol. 3,
 * ch. 12.12), fixed and NMI delivery, timer in one-shot, periodic and TSC-deadline mode. INIT and
 * SIPI do not exist for TDs.
 *
 * Layer: beside cpu, below module and kvm. Threads: lapic_post*() and lapic_timer_expired() from
 * any thread; the rest from the vCPU's thread. The clock is the caller's: it gives times in and is
 * told when to wake.
 */
#ifndef SWTDX_LAPIC_H
#define SWTDX_LAPIC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct LapicPort {
    /*
     * Something became deliverable, or may have: wake the vCPU (sets CPU_PENDING_INTERRUPT or _NMI,
     * ends its HLT). Any thread.
     */
    void (*notify)(void *opaque, bool nmi);
    /*
     * Arms (deadline in ns of the port's clock; absolute) or disarms (UINT64_MAX) the timer: later
     * calls lapic_timer_expired().
     */
    void (*arm)(void *opaque, uint64_t deadline_ns);
    uint64_t (*now_ns)(void *opaque);
    uint64_t (*rdtsc)(void *opaque);      /* guest TSC, for deadline mode */
    uint64_t (*tsc_to_ns)(void *opaque, uint64_t guest_tsc); /* absolute */
    /*
     * ICR write: deliver to others. dest is an x2APIC id or 0xffffffff; shorthand 0..3; delivery
     * mode 0 fixed, 4 NMI (others are dropped by the lapic).
     */
    void (*ipi)(void *opaque, uint32_t dest, bool logical, unsigned shorthand, uint8_t vector,
                bool nmi);
} LapicPort;

typedef struct Lapic {
    uint32_t id;
    /* ns of a bus cycle: 40 for TDs, 1 by default (KVM_CAP_X86_APIC_BUS_CYCLES_NS) */
    uint32_t bus_ns;
    _Atomic uint64_t irr[4], isr[4], tmr[4];
    _Atomic uint32_t nmi_pending;
    uint32_t tpr, svr, lvt[7], icr_low, icr_high, divide, initial_count;
    uint64_t count_start_ns, tsc_deadline;
    /* a one-shot count that has come to its end: 0 in any mode until it is started again */
    bool run_out;
    /* of the timer's registers: an expiry and a new setting meet on two threads */
    pthread_mutex_t timer_lock;
    const LapicPort *port;
    void *opaque;
} Lapic;

void lapic_init(Lapic *lapic, uint32_t id, const LapicPort *port, void *opaque);
/*
 * False: no such register or not readable/writable in x2APIC mode: #GP or INVALID_OPERAND by the
 * caller. index 0x800..0x8ff, 0x6e0.
 */
bool lapic_read(Lapic *lapic, uint32_t index, uint64_t *value);
bool lapic_write(Lapic *lapic, uint32_t index, uint64_t value);
/* Any thread. */
void lapic_post(Lapic *lapic, uint8_t vector, bool level);
void lapic_post_nmi(Lapic *lapic);
void lapic_timer_expired(Lapic *lapic);
/* does an IPI or MSI to dest reach this one */
bool lapic_matches(const Lapic *lapic, uint32_t dest, bool logical);
/* Highest vector that beats TPR and what is in service, or -1; accept moves it from IRR to ISR. */
int lapic_pending(const Lapic *lapic);
int lapic_accept(Lapic *lapic);

#endif
