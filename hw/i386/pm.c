/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI registers at PMBASE. Layout: ICH9 datasheet (316972), section 13.8.3; meaning: ACPI 6.5,
 * section 4.8.3.
 */
#include "hw/i386/pm.h"

#include <glib.h>
#include <string.h>

#include "hw/isa/tco.h"
#include "system/core/log.h"

#define PM_SIZE TCO_OFFSET
enum {
    PM1_STATUS = 0x00, PM1_ENABLE = 0x02, PM1_CONTROL = 0x04, PM_TIMER = 0x08, GPE0_STATUS = 0x20,
    GPE0_ENABLE = 0x28,
};
#define GPE0_BYTES 8

#define PM1_TIMER 0x0001 /* carry out of the timer's highest bit but one, status and enable */
#define PM1_POWER_BUTTON 0x0100 /* status and enable */
#define PM1_STATUS_BITS 0xcd31
#define PM1_ENABLE_BITS 0x4521
#define CONTROL_SCI_ENABLE 0x0001
#define CONTROL_KEPT 0x1c03      /* SLP_TYP, BM_RLD, SCI_EN */
#define CONTROL_SLEEP_ENABLE 0x2000
#define CONTROL_SLEEP_TYPE(control) ((control) >> 10 & 7)
#define SLEEP_TYPE_OFF 0         /* what the machine's \_S5 names, and what firmware uses on q35 */

#define NS_PER_SECOND UINT64_C(1000000000)

struct Pm {
    Clock clock;
    uint64_t start_ns;
    uint64_t half_periods; /* of the timer when PM1_TIMER was last brought up to date */
    const IrqLine *sci;
    const RunStatePort *runstate;
    void *runstate_opaque;
    IoRegion *region;
    uint16_t status, enable, control;
    uint8_t gpe_status[GPE0_BYTES], gpe_enable[GPE0_BYTES];
    bool sci_level;
};

/* Ticks since power-on. Whole seconds apart, so that the product stays below 2^64 for centuries. */
static inline uint64_t ticks(const Pm *pm)
{
    uint64_t ns = clock_monotonic_ns(&pm->clock) - pm->start_ns;

    return ns / NS_PER_SECOND * PM_TIMER_HZ + ns % NS_PER_SECOND * PM_TIMER_HZ / NS_PER_SECOND;
}

static inline uint32_t timer_value(const Pm *pm)
{
    return ticks(pm) & ((1u << PM_TIMER_BITS) - 1);
}

/* TMR_STS is set whenever the timer's highest bit changes (ACPI 6.5, 4.8.3.1.1). */
static void update_timer_status(Pm *pm)
{
    uint64_t now = ticks(pm) >> (PM_TIMER_BITS - 1);

    if (now != pm->half_periods) {
        pm->half_periods = now;
        pm->status |= PM1_TIMER;
    }
}

static void update_sci(Pm *pm)
{
    bool level = pm->status & pm->enable;

    for (unsigned i = 0; i < GPE0_BYTES; i++) {
        level |= pm->gpe_status[i] & pm->gpe_enable[i];
    }
    level = level && (pm->control & CONTROL_SCI_ENABLE);
    if (level != pm->sci_level) {
        pm->sci_level = level;
        irq_set(pm->sci, level);
    }
}

/* One byte of a register other than the timer. */
static uint8_t read_byte(const Pm *pm, unsigned offset)
{
    switch (offset) {
    case PM1_STATUS:
    case PM1_STATUS + 1:
        return pm->status >> 8 * (offset & 1);
    case PM1_ENABLE:
    case PM1_ENABLE + 1:
        return pm->enable >> 8 * (offset & 1);
    case PM1_CONTROL:
    case PM1_CONTROL + 1:
        return pm->control >> 8 * (offset & 1);
    case GPE0_STATUS ... GPE0_STATUS + GPE0_BYTES - 1:
        return pm->gpe_status[offset - GPE0_STATUS];
    case GPE0_ENABLE ... GPE0_ENABLE + GPE0_BYTES - 1:
        return pm->gpe_enable[offset - GPE0_ENABLE];
    default:
        return 0;
    }
}

static uint64_t pm_read(void *opaque, hwaddr offset, unsigned size)
{
    Pm *pm = opaque;
    uint64_t value = 0;

    if (G_LIKELY(offset == PM_TIMER && size == 4)) {
        return timer_value(pm);
    }
    update_timer_status(pm);
    update_sci(pm);
    uint32_t timer = timer_value(pm);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = offset + i;
        bool in_timer = at >= PM_TIMER && at < PM_TIMER + 4;
        uint8_t byte = in_timer ? timer >> 8 * (at - PM_TIMER) : read_byte(pm, at);
        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}

static void sleep_now(Pm *pm)
{
    unsigned type = CONTROL_SLEEP_TYPE(pm->control);

    if (type != SLEEP_TYPE_OFF) {
        log_item(LOG_GUEST_ERRORS,
                 "pm: the guest asks for sleep type %u, but only %u (power off) exists", type,
                 SLEEP_TYPE_OFF);
        return;
    }
    if (pm->runstate) {
        pm->runstate->shutdown(pm->runstate_opaque, SHUTDOWN_GUEST_SHUTDOWN);
    }
}

static void merge_byte(uint16_t *reg, unsigned offset, uint8_t byte, uint16_t kept)
{
    unsigned shift = 8 * (offset & 1);

    *reg = ((*reg & ~(0xff << shift)) | byte << shift) & kept;
}

static void write_byte(Pm *pm, unsigned offset, uint8_t byte)
{
    switch (offset) {
    case PM1_STATUS:
    case PM1_STATUS + 1:
        pm->status &= ~(byte << 8 * (offset & 1) & PM1_STATUS_BITS);
        break;
    case PM1_ENABLE:
    case PM1_ENABLE + 1:
        merge_byte(&pm->enable, offset, byte, PM1_ENABLE_BITS);
        break;
    case PM1_CONTROL:
    case PM1_CONTROL + 1:
        merge_byte(&pm->control, offset, byte, CONTROL_KEPT);
        /*
         * SLP_EN and SLP_TYP share the upper byte, so a byte access says it all; SLP_EN reads as 0.
         */
        if (offset == PM1_CONTROL + 1 && (byte & CONTROL_SLEEP_ENABLE >> 8)) {
            sleep_now(pm);
        }
        break;
    case GPE0_STATUS ... GPE0_STATUS + GPE0_BYTES - 1:
        pm->gpe_status[offset - GPE0_STATUS] &= ~byte;
        break;
    case GPE0_ENABLE ... GPE0_ENABLE + GPE0_BYTES - 1:
        pm->gpe_enable[offset - GPE0_ENABLE] = byte;
        break;
    default:
        break; /* the timer is read-only, the rest is not there */
    }
}

static void pm_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    Pm *pm = opaque;

    update_timer_status(pm);
    for (unsigned i = 0; i < size; i++) {
        write_byte(pm, offset + i, value >> 8 * i);
    }
    update_sci(pm);
}

static const IoRegionOps pm_ops = { pm_read, pm_write, 4 };

void pm_place(Pm *pm, bool enabled, uint16_t base)
{
    io_region_set(pm->region, enabled, base);
}

void pm_power_button(Pm *pm)
{
    pm->status |= PM1_POWER_BUTTON;
    update_sci(pm);
}

void pm_reset(Pm *pm)
{
    pm->status = pm->enable = pm->control = 0;
    memset(pm->gpe_status, 0, sizeof(pm->gpe_status));
    memset(pm->gpe_enable, 0, sizeof(pm->gpe_enable));
    pm->half_periods = ticks(pm) >> (PM_TIMER_BITS - 1);
    update_sci(pm);
}

Pm *pm_new(AddressSpace *ports, Clock clock, const IrqLine *sci, const RunStatePort *runstate,
           void *runstate_opaque)
{
    Pm *pm = g_new0(Pm, 1);

    pm->clock = clock;
    pm->start_ns = clock_monotonic_ns(&clock);
    pm->sci = sci;
    pm->runstate = runstate;
    pm->runstate_opaque = runstate_opaque;
    pm->region = address_space_add_io(ports, "acpi-pm", 0, PM_SIZE, 1, &pm_ops, pm);
    io_region_set(pm->region, false, 0);
    return pm;
}

void pm_free(Pm *pm)
{
    g_free(pm);
}
