/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What swtdx's local APIC, which is an x2APIC as TDs have, lacks for a bare machine: the xAPIC's
 * registers in memory, INIT and start-up IPIs, and somebody to wake its timer (SDM vol. 3, ch. 12).
 */
#include <time.h>

#include "bare.h"

#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_ICR 0x830u

enum { REG_ID = 0x20, REG_VERSION = 0x30, REG_LDR = 0xd0, REG_DFR = 0xe0, REG_ESR = 0x280,
       REG_ICR = 0x300, REG_ICR2 = 0x310 };
enum { DELIVERY_INIT = 5, DELIVERY_START_UP = 6 };
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

uint64_t bare_now_ns(const Bare *m)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - m->start_ns;
}

/* ---- the port of the local APIC ---- */

static void notify(void *opaque, bool nmi)
{
    BareCpu *c = opaque;
    pthread_mutex_lock(&c->m->lock);
    if (nmi) {
        c->nmi = true;
    }
    pthread_cond_broadcast(&c->m->changed);
    pthread_mutex_unlock(&c->m->lock);
    cpu_request(c->cpu, nmi ? CPU_PENDING_NMI : CPU_PENDING_INTERRUPT);
}

static void arm(void *opaque, uint64_t deadline_ns)
{
    BareCpu *c = opaque;
    pthread_mutex_lock(&c->m->lock);
    c->deadline_ns = deadline_ns;
    pthread_cond_broadcast(&c->m->changed);
    pthread_mutex_unlock(&c->m->lock);
}

static uint64_t now_ns(void *opaque)
{
    return bare_now_ns(((BareCpu *)opaque)->m);
}

static uint64_t rdtsc(void *opaque)
{
    return bare_rdtsc(((BareCpu *)opaque)->cpu);
}

static uint64_t tsc_to_ns(void *opaque, uint64_t tsc)
{
    BareCpu *c = opaque;
    uint64_t ticks = tsc - c->tsc_offset;
    return tsc < c->tsc_offset ? 0 : ticks / BARE_TSC_PER_NS + (ticks % BARE_TSC_PER_NS != 0);
}

static bool matches(const BareCpu *from, const BareCpu *c, uint32_t dest, bool logical)
{
    if (from->apic_base & APIC_BASE_X2APIC) {
        return lapic_matches(&c->lapic, dest, logical);
    }
    dest &= 0xff;
    if (!logical) {
        return dest == 0xff || dest == c->index;
    }
    if (c->xapic_dfr >> 28 == 0xf) { /* flat model */
        return dest & c->xapic_ldr >> 24;
    }
    return (dest >> 4 == 0xf || dest >> 4 == c->xapic_ldr >> 28) &&
           (dest & c->xapic_ldr >> 24 & 0xf);
}

static bool reaches(const BareCpu *from, const BareCpu *c, uint32_t dest, bool logical,
                    unsigned shorthand)
{
    switch (shorthand) {
    case SHORTHAND_SELF:
        return c == from;
    case SHORTHAND_ALL:
        return true;
    case SHORTHAND_OTHERS:
        return c != from;
    default:
        return matches(from, c, dest, logical);
    }
}

static void ipi(void *opaque, uint32_t dest, bool logical, unsigned shorthand, uint8_t vector,
                bool nmi)
{
    BareCpu *from = opaque;
    for (unsigned i = 0; i < from->m->num_cpus; i++) {
        BareCpu *c = &from->m->cpus[i];
        if (!reaches(from, c, dest, logical, shorthand) || !(c->apic_base & APIC_BASE_ENABLE)) {
            continue;
        }
        if (nmi) {
            lapic_post_nmi(&c->lapic);
        } else {
            lapic_post(&c->lapic, vector, false);
        }
    }
}

const LapicPort bare_lapic_port = {notify, arm, now_ns, rdtsc, tsc_to_ns, ipi};

void *bare_timer_thread(void *machine)
{
    Bare *m = machine;
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        uint64_t first = UINT64_MAX, now = bare_now_ns(m);
        unsigned due = m->num_cpus;
        for (unsigned i = 0; i < m->num_cpus; i++) {
            if (m->cpus[i].deadline_ns <= now) {
                due = i;
            } else if (m->cpus[i].deadline_ns < first) {
                first = m->cpus[i].deadline_ns;
            }
        }
        if (due < m->num_cpus) {
            m->cpus[due].deadline_ns = UINT64_MAX;
            pthread_mutex_unlock(&m->lock);
            lapic_timer_expired(&m->cpus[due].lapic);
            pthread_mutex_lock(&m->lock);
        } else if (first == UINT64_MAX) {
            pthread_cond_wait(&m->changed, &m->lock);
        } else {
            uint64_t at = first + m->start_ns;
            struct timespec until = { (time_t)(at / 1000000000u), (long)(at % 1000000000u) };
            pthread_cond_timedwait(&m->changed, &m->lock, &until);
        }
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* ---- registers ---- */

void bare_apic_reset(BareCpu *c)
{
    arm(c, UINT64_MAX);
    pthread_mutex_destroy(&c->lapic.timer_lock);
    lapic_init(&c->lapic, c->index, &bare_lapic_port, c);
    c->lapic.bus_ns = 40; /* as TDs' */
    c->xapic_ldr = 0;
    c->xapic_dfr = UINT32_MAX;
}

bool bare_xapic_enabled(const BareCpu *c)
{
    return (c->apic_base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE;
}

/*
 * INIT and start-up IPIs; false: another delivery mode. INIT's de-assertion (level 0, trigger 1)
 * does nothing.
 */
static bool start_others(BareCpu *from, uint64_t icr)
{
    unsigned mode = icr >> 8 & 7, shorthand = icr >> 18 & 3;
    Bare *m = from->m;
    if (mode != DELIVERY_INIT && mode != DELIVERY_START_UP) {
        return false;
    }
    if (mode == DELIVERY_INIT && (icr & (1u << 14 | 1u << 15)) == 1u << 15) {
        return true;
    }
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < m->num_cpus; i++) {
        BareCpu *c = &m->cpus[i];
        if (!reaches(from, c, (uint32_t)(icr >> 32), icr >> 11 & 1, shorthand)) {
            continue;
        }
        if (mode == DELIVERY_INIT) {
            c->init = true;
            c->sipi = false;
            cpu_request(c->cpu, CPU_PENDING_EXIT);
        } else if (c->init || c->activity == ACTIVITY_WAIT_FOR_SIPI) {
            c->sipi = true;
            c->sipi_vector = (uint8_t)icr;
        }
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    return true;
}

static bool write_icr(BareCpu *c, uint64_t icr)
{
    if ((icr >> 8 & 7) == DELIVERY_INIT || (icr >> 8 & 7) == DELIVERY_START_UP) {
        return start_others(c, icr);
    }
    return lapic_write(&c->lapic, MSR_X2APIC_ICR, icr);
}

bool bare_x2apic_write(BareCpu *c, uint32_t index, uint64_t value)
{
    if (index == MSR_X2APIC_ICR && !(value & UINT64_C(0xfff32000))) {
        return write_icr(c, value);
    }
    return lapic_write(&c->lapic, index, value);
}

uint32_t bare_xapic_read(BareCpu *c, unsigned offset)
{
    uint64_t value = 0;
    switch (offset) {
    case REG_ID:
        return c->index << 24;
    case REG_LDR:
        return (uint32_t)c->xapic_ldr;
    case REG_DFR:
        return (uint32_t)c->xapic_dfr;
    case REG_ICR:
        return c->lapic.icr_low;
    case REG_ICR2:
        return c->lapic.icr_high;
    default:
        lapic_read(&c->lapic, MSR_X2APIC_FIRST + offset / 16, &value);
        return (uint32_t)value;
    }
}

void bare_xapic_write(BareCpu *c, unsigned offset, uint32_t value)
{
    switch (offset) {
    case REG_ID:
        return;
    case REG_LDR:
        c->xapic_ldr = value & 0xff000000;
        return;
    case REG_DFR:
        c->xapic_dfr = value | 0x0fffffff;
        return;
    case REG_ICR:
        write_icr(c, (value & 0xccfff) | (uint64_t)(c->lapic.icr_high >> 24) << 32);
        return;
    case REG_ICR2:
        c->lapic.icr_high = value & 0xff000000;
        return;
    case REG_ESR:
        lapic_write(&c->lapic, MSR_X2APIC_FIRST + offset / 16, 0);
        return;
    default:
        lapic_write(&c->lapic, MSR_X2APIC_FIRST + offset / 16, value);
    }
    cpu_request(c->cpu, CPU_PENDING_INTERRUPT);
}
