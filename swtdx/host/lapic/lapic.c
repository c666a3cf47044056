/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A local APIC in x2APIC mode (Intel SDM vol. 3, ch. 12; register numbers: table 12-6). */
#include "lapic.h"

#include <stddef.h>
#include <string.h>

enum {
    X2APIC_ID = 0x802,
    X2APIC_VERSION = 0x803,
    X2APIC_TPR = 0x808,
    X2APIC_PPR = 0x80a,
    X2APIC_EOI = 0x80b,
    X2APIC_LDR = 0x80d,
    X2APIC_SIVR = 0x80f,
    X2APIC_ISR = 0x810,
    X2APIC_TMR = 0x818,
    X2APIC_IRR = 0x820,
    X2APIC_ESR = 0x828,
    X2APIC_LVT_CMCI = 0x82f,
    X2APIC_ICR = 0x830,
    X2APIC_LVT_TIMER = 0x832,
    X2APIC_LVT_ERROR = 0x837,
    X2APIC_INITIAL_COUNT = 0x838,
    X2APIC_CURRENT_COUNT = 0x839,
    X2APIC_DIVIDE = 0x83e,
    X2APIC_SELF_IPI = 0x83f,
    MSR_TSC_DEADLINE = 0x6e0,
};

/* Index into Lapic.lvt: 0 CMCI, then 832h TIMER .. 837h ERROR. */
enum { LVT_CMCI, LVT_TIMER, LVT_THERMAL, LVT_PERFMON, LVT_LINT0, LVT_LINT1, LVT_ERROR };

#define LVT_MASKED (1u << 16)
#define LVT_PENDING (1u << 12) /* read only */
#define LVT_MODE(lvt) ((lvt) >> 17 & 3)
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

#define SIVR_ENABLED (1u << 8)

/* Version 14h, 7 LVT entries: maximum entry number 6; no EOI-broadcast suppression. */
#define VERSION_VALUE (0x14u | 6u << 16)

enum { DELIVERY_FIXED, DELIVERY_LOWEST, DELIVERY_SMI, DELIVERY_NMI = 4 };

/* ---- 256-bit registers ---- */

static void set_bit(_Atomic uint64_t *words, uint8_t vector)
{
    atomic_fetch_or(&words[vector / 64], UINT64_C(1) << vector % 64);
}

static void clear_bit(_Atomic uint64_t *words, uint8_t vector)
{
    atomic_fetch_and(&words[vector / 64], ~(UINT64_C(1) << vector % 64));
}

static int highest_bit(const _Atomic uint64_t *words)
{
    for (int i = 3; i >= 0; i--) {
        uint64_t word = atomic_load(&words[i]);
        if (word) {
            return i * 64 + 63 - __builtin_clzll(word);
        }
    }
    return -1;
}

/* ---- priorities ---- */

/* SDM vol. 3, 12.8.3.1. */
static uint32_t processor_priority(const Lapic *lapic)
{
    int service = highest_bit(lapic->isr);
    uint32_t isrv = service < 0 ? 0 : (uint32_t)service;
    uint32_t tpr = lapic->tpr;
    return tpr >> 4 >= isrv >> 4 ? tpr : isrv & 0xf0;
}

int lapic_pending(const Lapic *lapic)
{
    int vector = highest_bit(lapic->irr);
    if (vector < 0 || !(lapic->svr & SIVR_ENABLED) ||
        (uint32_t)vector >> 4 <= processor_priority(lapic) >> 4) {
        return -1;
    }
    return vector;
}

int lapic_accept(Lapic *lapic)
{
    int vector = lapic_pending(lapic);
    if (vector >= 0) {
        set_bit(lapic->isr, (uint8_t)vector);
        clear_bit(lapic->irr, (uint8_t)vector);
    }
    return vector;
}

static void notify_if_pending(Lapic *lapic)
{
    if (lapic_pending(lapic) >= 0) {
        lapic->port->notify(lapic->opaque, false);
    }
}

/* ---- delivery ---- */

void lapic_post(Lapic *lapic, uint8_t vector, bool level)
{
    if (vector < 16) {
        return; /* SDM vol. 3, 12.5.2: illegal */
    }
    if (level) {
        set_bit(lapic->tmr, vector);
    } else {
        clear_bit(lapic->tmr, vector);
    }
    set_bit(lapic->irr, vector);
    /* Priorities may change while this is asked: the vCPU decides when it accepts. */
    lapic->port->notify(lapic->opaque, false);
}

void lapic_post_nmi(Lapic *lapic)
{
    atomic_store(&lapic->nmi_pending, 1);
    lapic->port->notify(lapic->opaque, true);
}

/* SDM vol. 3, 12.12.10.2: cluster in the upper half, one bit of 16 in the lower. */
static uint32_t logical_id(uint32_t id)
{
    return (id >> 4) << 16 | 1u << (id & 15);
}

bool lapic_matches(const Lapic *lapic, uint32_t dest, bool logical)
{
    uint32_t ldr = logical_id(lapic->id);
    if (dest == 0xffffffff) {
        return true;
    }
    if (!logical) {
        return dest == lapic->id;
    }
    return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
}

enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

static void send_ipi(Lapic *lapic)
{
    uint32_t low = lapic->icr_low;
    uint8_t vector = (uint8_t)low;
    unsigned mode = low >> 8 & 7;
    unsigned shorthand = low >> 18 & 3;
    bool nmi = mode == DELIVERY_NMI;

    if (mode != DELIVERY_FIXED && mode != DELIVERY_LOWEST && !nmi) {
        return; /* SMI, INIT and start-up do not exist for TDs */
    }
    if (!nmi && vector < 16) {
        return;
    }
    if (shorthand == SHORTHAND_SELF) {
        if (nmi) {
            lapic_post_nmi(lapic);
        } else {
            lapic_post(lapic, vector, false);
        }
        return;
    }
    lapic->port->ipi(lapic->opaque, lapic->icr_high, low >> 11 & 1, shorthand, vector, nmi);
}

static void end_of_interrupt(Lapic *lapic)
{
    int vector = highest_bit(lapic->isr);
    if (vector >= 0) {
        clear_bit(lapic->isr, (uint8_t)vector);
        notify_if_pending(lapic);
    }
}

/* ---- timer ---- */

/* SDM vol. 3, 12.5.4: bits 3, 1, 0; 111b is 1. */
static uint32_t divisor(const Lapic *lapic)
{
    uint32_t code = (lapic->divide & 3) | (lapic->divide >> 1 & 4);
    return code == 7 ? 1 : 2u << code;
}

static uint64_t count_ns(const Lapic *lapic)
{
    return (uint64_t)lapic->bus_ns * divisor(lapic);
}

static unsigned timer_mode(const Lapic *lapic)
{
    return LVT_MODE(lapic->lvt[LVT_TIMER]);
}

/* Duration of a whole count; at most 2^32 * 128 * bus_ns, which fits. */
static uint64_t period_ns(const Lapic *lapic)
{
    return lapic->initial_count * count_ns(lapic);
}

static uint32_t current_count(const Lapic *lapic)
{
    uint64_t elapsed;
    if (!lapic->initial_count || lapic->run_out || timer_mode(lapic) == TIMER_DEADLINE) {
        return 0;
    }
    elapsed = (lapic->port->now_ns(lapic->opaque) - lapic->count_start_ns) / count_ns(lapic);
    if (timer_mode(lapic) == TIMER_PERIODIC) {
        elapsed %= lapic->initial_count;
    }
    return elapsed >= lapic->initial_count ? 0 : (uint32_t)(lapic->initial_count - elapsed);
}

static void disarm(Lapic *lapic)
{
    lapic->port->arm(lapic->opaque, UINT64_MAX);
}

static void start_count(Lapic *lapic, uint32_t count)
{
    pthread_mutex_lock(&lapic->timer_lock);
    lapic->initial_count = count;
    lapic->run_out = false;
    lapic->count_start_ns = lapic->port->now_ns(lapic->opaque);
    if (count) {
        lapic->port->arm(lapic->opaque, lapic->count_start_ns + period_ns(lapic));
    } else {
        disarm(lapic);
    }
    pthread_mutex_unlock(&lapic->timer_lock);
}

/* The divider changes: what is left of the count goes on at the new speed. */
static void set_divide(Lapic *lapic, uint32_t value)
{
    uint32_t left;
    pthread_mutex_lock(&lapic->timer_lock);
    left = current_count(lapic);
    lapic->divide = value;
    if (left) {
        uint64_t now = lapic->port->now_ns(lapic->opaque);
        lapic->count_start_ns = now - (uint64_t)(lapic->initial_count - left) * count_ns(lapic);
        lapic->port->arm(lapic->opaque, now + left * count_ns(lapic));
    }
    pthread_mutex_unlock(&lapic->timer_lock);
}

static void timer_interrupt(Lapic *lapic)
{
    uint32_t lvt = lapic->lvt[LVT_TIMER];
    if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16) {
        lapic_post(lapic, (uint8_t)lvt, false);
    }
}

/*
 * Under timer_lock. An expiry that was overtaken by a new setting finds its time not come, and is
 * armed again.
 */
static bool count_due(Lapic *lapic, uint64_t now)
{
    uint64_t end = lapic->count_start_ns + period_ns(lapic);
    if (!lapic->initial_count || lapic->run_out) {
        return false;
    }
    if (now < end) {
        lapic->port->arm(lapic->opaque, end);
        return false;
    }
    return true;
}

/* Under timer_lock. The initial count stays readable; only a write to it starts another. */
static void run_out_if_due(Lapic *lapic, uint64_t now)
{
    if (count_due(lapic, now)) {
        lapic->run_out = true;
        timer_interrupt(lapic);
    }
}

static void write_deadline(Lapic *lapic, uint64_t value)
{
    if (timer_mode(lapic) != TIMER_DEADLINE) {
        return; /* SDM vol. 3, 12.5.4.1: ignored in other modes */
    }
    pthread_mutex_lock(&lapic->timer_lock);
    lapic->tsc_deadline = value;
    if (value && lapic->port->rdtsc(lapic->opaque) >= value) {
        disarm(lapic);
        lapic->tsc_deadline = 0;
        timer_interrupt(lapic); /* at once: what the guest does next may count on it */
    } else if (value) {
        lapic->port->arm(lapic->opaque, lapic->port->tsc_to_ns(lapic->opaque, value));
    } else {
        disarm(lapic);
    }
    pthread_mutex_unlock(&lapic->timer_lock);
}

static void set_timer_lvt(Lapic *lapic, uint32_t value)
{
    unsigned mode = LVT_MODE(value);
    unsigned old;
    pthread_mutex_lock(&lapic->timer_lock);
    old = timer_mode(lapic);
    if (old == TIMER_ONE_SHOT && mode == TIMER_PERIODIC) {
        /* else the count would be seen to start again */
        run_out_if_due(lapic, lapic->port->now_ns(lapic->opaque));
    }
    lapic->lvt[LVT_TIMER] = value;
    /* Going to or from deadline mode disarms (SDM vol. 3, 12.5.4.1). */
    if ((old == TIMER_DEADLINE) != (mode == TIMER_DEADLINE)) {
        lapic->tsc_deadline = 0;
        lapic->initial_count = 0;
        disarm(lapic);
    }
    pthread_mutex_unlock(&lapic->timer_lock);
}

void lapic_timer_expired(Lapic *lapic)
{
    uint64_t now;
    pthread_mutex_lock(&lapic->timer_lock);
    now = lapic->port->now_ns(lapic->opaque);
    switch (timer_mode(lapic)) {
    case TIMER_DEADLINE:
        if (lapic->tsc_deadline && lapic->port->rdtsc(lapic->opaque) >= lapic->tsc_deadline) {
            lapic->tsc_deadline = 0;
            timer_interrupt(lapic);
        } else if (lapic->tsc_deadline) {
            lapic->port->arm(lapic->opaque,
                             lapic->port->tsc_to_ns(lapic->opaque, lapic->tsc_deadline));
        }
        break;
    case TIMER_PERIODIC:
        if (count_due(lapic, now)) {
            /* Periods that passed unseen give one interrupt, as the IRR has one bit. */
            lapic->count_start_ns += (now - lapic->count_start_ns) / period_ns(lapic) *
                                     period_ns(lapic);
            lapic->port->arm(lapic->opaque, lapic->count_start_ns + period_ns(lapic));
            timer_interrupt(lapic);
        }
        break;
    default:
        run_out_if_due(lapic, now);
    }
    pthread_mutex_unlock(&lapic->timer_lock);
}

/* ---- registers ---- */

void lapic_init(Lapic *lapic, uint32_t id, const LapicPort *port, void *opaque)
{
    memset(lapic, 0, sizeof(*lapic));
    pthread_mutex_init(&lapic->timer_lock, NULL);
    lapic->id = id;
    lapic->bus_ns = 1;
    lapic->port = port;
    lapic->opaque = opaque;
    lapic->svr = 0xff;
    for (unsigned i = 0; i < sizeof(lapic->lvt) / sizeof(lapic->lvt[0]); i++) {
        lapic->lvt[i] = LVT_MASKED;
    }
}

/* Writable bits of each LVT entry (SDM vol. 3, figure 12-8). */
static const uint32_t lvt_writable[] = {
    [LVT_CMCI] = 0x107ff, [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERFMON] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff, [LVT_ERROR] = 0x100ff,
};

static int lvt_index(uint32_t index)
{
    if (index == X2APIC_LVT_CMCI) {
        return LVT_CMCI;
    }
    if (index >= X2APIC_LVT_TIMER && index <= X2APIC_LVT_ERROR) {
        return (int)(index - X2APIC_LVT_TIMER) + LVT_TIMER;
    }
    return -1;
}

static uint32_t vector_word(const _Atomic uint64_t *words, uint32_t n)
{
    return (uint32_t)(atomic_load(&words[n / 2]) >> (n % 2 * 32));
}

bool lapic_read(Lapic *lapic, uint32_t index, uint64_t *value)
{
    int lvt = lvt_index(index);
    if (lvt >= 0) {
        *value = lapic->lvt[lvt];
        return true;
    }
    if (index >= X2APIC_ISR && index < X2APIC_ESR) {
        const _Atomic uint64_t *words = index < X2APIC_TMR   ? lapic->isr
                                        : index < X2APIC_IRR ? lapic->tmr
                                                             : lapic->irr;
        *value = vector_word(words, index & 7);
        return true;
    }
    switch (index) {
    case X2APIC_ID:
        *value = lapic->id;
        return true;
    case X2APIC_VERSION:
        *value = VERSION_VALUE;
        return true;
    case X2APIC_TPR:
        *value = lapic->tpr;
        return true;
    case X2APIC_PPR:
        *value = processor_priority(lapic);
        return true;
    case X2APIC_LDR:
        *value = logical_id(lapic->id);
        return true;
    case X2APIC_SIVR:
        *value = lapic->svr;
        return true;
    case X2APIC_ESR:
        /* KVM's tells of no errors, illegal vectors among them (arch/x86/kvm/lapic.c) */
        *value = 0;
        return true;
    case X2APIC_ICR:
        *value = (uint64_t)lapic->icr_high << 32 | lapic->icr_low;
        return true;
    case X2APIC_INITIAL_COUNT:
        *value = lapic->initial_count;
        return true;
    case X2APIC_CURRENT_COUNT:
        *value = current_count(lapic);
        return true;
    case X2APIC_DIVIDE:
        *value = lapic->divide;
        return true;
    case MSR_TSC_DEADLINE:
        *value = timer_mode(lapic) == TIMER_DEADLINE ? lapic->tsc_deadline : 0;
        return true;
    default:
        return false;
    }
}

/* Reserved bits are #GP in x2APIC mode (SDM vol. 3, 12.12.1.3). */
static bool write_lvt(Lapic *lapic, unsigned lvt, uint64_t value)
{
    if (value & ~(uint64_t)(lvt_writable[lvt] | LVT_PENDING)) {
        return false;
    }
    value &= lvt_writable[lvt];
    if (!(lapic->svr & SIVR_ENABLED)) {
        value |= LVT_MASKED; /* SDM vol. 3, 12.4.7.2 */
    }
    if (lvt == LVT_TIMER) {
        if (LVT_MODE(value) == 3) {
            return false;
        }
        set_timer_lvt(lapic, (uint32_t)value);
    } else {
        lapic->lvt[lvt] = (uint32_t)value;
    }
    return true;
}

static bool write_sivr(Lapic *lapic, uint64_t value)
{
    if (value & ~UINT64_C(0x3ff)) {
        return false;
    }
    lapic->svr = (uint32_t)value;
    if (!(value & SIVR_ENABLED)) {
        for (unsigned i = 0; i < sizeof(lapic->lvt) / sizeof(lapic->lvt[0]); i++) {
            lapic->lvt[i] |= LVT_MASKED;
        }
    }
    notify_if_pending(lapic);
    return true;
}

static bool write_icr(Lapic *lapic, uint64_t value)
{
    if (value & UINT64_C(0xfff32000)) { /* bits 31:20, 17:16, 13 */
        return false;
    }
    lapic->icr_low = (uint32_t)value & ~(1u << 12);
    lapic->icr_high = (uint32_t)(value >> 32);
    send_ipi(lapic);
    return true;
}

static bool write_tpr(Lapic *lapic, uint64_t value)
{
    if (value > 0xff) {
        return false;
    }
    lapic->tpr = (uint32_t)value;
    notify_if_pending(lapic);
    return true;
}

bool lapic_write(Lapic *lapic, uint32_t index, uint64_t value)
{
    int lvt = lvt_index(index);
    if (lvt >= 0) {
        return write_lvt(lapic, (unsigned)lvt, value);
    }
    switch (index) {
    case X2APIC_TPR:
        return write_tpr(lapic, value);
    case X2APIC_EOI:
        if (value) {
            return false;
        }
        end_of_interrupt(lapic);
        return true;
    case X2APIC_SIVR:
        return write_sivr(lapic, value);
    case X2APIC_ESR:
        return value == 0;
    case X2APIC_ICR:
        return write_icr(lapic, value);
    case X2APIC_INITIAL_COUNT:
        if (value >> 32) {
            return false;
        }
        if (timer_mode(lapic) != TIMER_DEADLINE) {
            start_count(lapic, (uint32_t)value);
        }
        return true;
    case X2APIC_DIVIDE:
        if (value & ~UINT64_C(0xb)) {
            return false;
        }
        set_divide(lapic, (uint32_t)value);
        return true;
    case X2APIC_SELF_IPI:
        if (value > 0xff) {
            return false;
        }
        if (value >= 16) {
            lapic_post(lapic, (uint8_t)value, false);
        }
        return true;
    case MSR_TSC_DEADLINE:
        write_deadline(lapic, value);
        return true;
    default:
        return false;
    }
}
