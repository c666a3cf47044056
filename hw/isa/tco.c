/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCO timer: Intel I/O Controller Hub 9 datasheet (316972), sections 13.9 and 10.1.75 (GCS). */
#include "hw/isa/tco.h"

#include <glib.h>

#define TCO_SIZE 0x20
#define TICK_NS UINT64_C(600000000) /* 13.9.1 */

enum {
    RELOAD = 0x00, DATA_IN = 0x02, DATA_OUT = 0x03, STATUS1 = 0x04, STATUS2 = 0x06,
    CONTROL1 = 0x08, CONTROL2 = 0x0a, MESSAGE1 = 0x0c, MESSAGE2 = 0x0d, BOOT_STATUS = 0x0e,
    SOFTWARE_IRQ = 0x10, TIMER = 0x12,
};
#define STATUS1_TIMEOUT 0x0008
#define STATUS2_SECOND_TIMEOUT 0x0002
#define STATUS2_BOOT 0x0004
#define CONTROL1_HALT 0x0800
#define CONTROL1_LOCK 0x1000 /* once set, set until reset */
#define TIMER_BITS 0x03ff
#define TIMER_DEFAULT 4
#define TIMER_LEAST 4        /* less is not to be programmed (13.9.12) */
#define SOFTWARE_IRQ_DEFAULT 0x03

struct Tco {
    GMutex *lock;
    const RunStatePort *runstate;
    void *runstate_opaque;
    IoRegion *region;
    GSource *ticker;        /* while the timer counts */
    uint8_t bytes[TCO_SIZE];
    uint64_t seen_ns;       /* of the machine's time: up to here ticks have been counted */
    uint16_t count;         /* ticks left */
    bool expired;           /* once since it was last reloaded */
    bool no_reboot, strap;
};

static uint16_t get(const Tco *tco, unsigned offset)
{
    return tco->bytes[offset] | tco->bytes[offset + 1] << 8;
}

static void put(Tco *tco, unsigned offset, uint16_t value)
{
    tco->bytes[offset] = (uint8_t)value;
    tco->bytes[offset + 1] = value >> 8;
}

static uint64_t now_ns(const Tco *tco)
{
    return tco->runstate && tco->runstate->run_time_ns
               ? tco->runstate->run_time_ns(tco->runstate_opaque)
               : 0;
}

static void update(Tco *tco);

static gboolean on_tick(gpointer opaque)
{
    Tco *tco = opaque;

    g_mutex_lock(tco->lock);
    if (!g_source_is_destroyed(g_main_current_source())) {
        update(tco);
    }
    g_mutex_unlock(tco->lock);
    return G_SOURCE_CONTINUE;
}

static void halt(Tco *tco)
{
    if (tco->ticker) {
        g_source_destroy(tco->ticker);
        g_clear_pointer(&tco->ticker, g_source_unref);
    }
}

/* The timer counts from the beginning, if it counts at all. */
static void reload(Tco *tco)
{
    uint16_t from = get(tco, TIMER) & TIMER_BITS;

    tco->count = from;
    tco->seen_ns = now_ns(tco);
    if ((get(tco, CONTROL1) & CONTROL1_HALT) || from < TIMER_LEAST) {
        halt(tco);
    } else if (!tco->ticker) {
        tco->ticker = g_timeout_source_new(TICK_NS / 1000000);
        g_source_set_callback(tco->ticker, on_tick, tco, NULL);
        g_source_attach(tco->ticker, NULL);
    }
}

/* The second time in a row: nobody was there to hear the first. */
static void bark(Tco *tco)
{
    put(tco, STATUS2, get(tco, STATUS2) | STATUS2_SECOND_TIMEOUT | STATUS2_BOOT);
    halt(tco);
    if (!tco->no_reboot && tco->runstate && tco->runstate->watchdog) {
        tco->runstate->watchdog(tco->runstate_opaque);
    }
}

/*
 * Brings the timer up to date. However late that is, the second end comes no sooner than a whole
 * period after the first was seen: a guest that the host held up has time to stroke.
 */
static void update(Tco *tco)
{
    uint64_t ticks = tco->ticker ? (now_ns(tco) - tco->seen_ns) / TICK_NS : 0;

    if (ticks < tco->count || !ticks) {
        tco->count -= (uint16_t)ticks;
        tco->seen_ns += ticks * TICK_NS;
    } else if (tco->expired) {
        bark(tco);
    } else {
        tco->expired = true;
        put(tco, STATUS1, get(tco, STATUS1) | STATUS1_TIMEOUT);
        reload(tco);
    }
}

static uint64_t tco_read(void *opaque, hwaddr offset, unsigned size)
{
    Tco *tco = opaque;
    uint64_t value = 0;

    update(tco);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = offset + i;
        uint8_t byte = at < RELOAD + 2 ? (tco->count & TIMER_BITS) >> 8 * (at - RELOAD)
                                       : tco->bytes[at];
        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}

static void write_control1_high(Tco *tco, uint8_t byte)
{
    uint8_t kept = tco->bytes[CONTROL1 + 1] & CONTROL1_LOCK >> 8;
    bool halted = get(tco, CONTROL1) & CONTROL1_HALT;

    tco->bytes[CONTROL1 + 1] = (byte & 0x1a) | kept; /* lock, halt, NMI2SMI_EN */
    if (halted != (bool)(get(tco, CONTROL1) & CONTROL1_HALT)) {
        reload(tco);
    }
}

static void write_byte(Tco *tco, unsigned offset, uint8_t byte)
{
    switch (offset) {
    case STATUS1: case STATUS1 + 1:
    case STATUS2: case STATUS2 + 1:
        tco->bytes[offset] &= ~byte;
        break;
    case CONTROL1 + 1:
        write_control1_high(tco, byte);
        break;
    case TIMER + 1:
        tco->bytes[offset] = byte & TIMER_BITS >> 8;
        break;
    case DATA_IN: case DATA_OUT: case CONTROL2: case MESSAGE1: case MESSAGE2: case BOOT_STATUS:
    case SOFTWARE_IRQ: case TIMER:
        tco->bytes[offset] = byte;
        break;
    default:
        break;
    }
}

static void tco_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    Tco *tco = opaque;

    update(tco);
    if (offset < RELOAD + 2) {
        tco->expired = false; /* any value */
        reload(tco);
    }
    for (unsigned i = 0; i < size; i++) {
        write_byte(tco, offset + i, value >> 8 * i);
    }
}

static const IoRegionOps tco_ops = { tco_read, tco_write, 4 };

uint32_t tco_gcs(const Tco *tco)
{
    return tco->no_reboot ? TCO_GCS_NO_REBOOT : 0;
}

void tco_set_gcs(Tco *tco, uint32_t value)
{
    tco->no_reboot = tco->strap || (value & TCO_GCS_NO_REBOOT);
}

void tco_set_strap(Tco *tco, bool no_reboot)
{
    tco->strap = tco->no_reboot = no_reboot;
}

void tco_place(Tco *tco, bool enabled, uint16_t base)
{
    io_region_set(tco->region, enabled, base + TCO_OFFSET);
}

/* The timer counts only when software asks for it: firmware that does not know it lives. */
void tco_reset(Tco *tco)
{
    halt(tco);
    for (unsigned i = 0; i < TCO_SIZE; i++) {
        tco->bytes[i] = 0;
    }
    put(tco, TIMER, TIMER_DEFAULT);
    tco->bytes[SOFTWARE_IRQ] = SOFTWARE_IRQ_DEFAULT;
    tco->count = 0;
    tco->expired = false;
    tco->no_reboot = tco->strap;
}

Tco *tco_new(AddressSpace *ports, GMutex *lock, const RunStatePort *runstate,
             void *runstate_opaque)
{
    Tco *tco = g_new0(Tco, 1);

    tco->lock = lock;
    tco->runstate = runstate;
    tco->runstate_opaque = runstate_opaque;
    tco->strap = true;
    tco->region = address_space_add_io(ports, "tco", 0, TCO_SIZE, 1, &tco_ops, tco);
    io_region_set(tco->region, false, 0);
    tco_reset(tco);
    return tco;
}

void tco_free(Tco *tco)
{
    if (tco) {
        halt(tco);
        g_free(tco);
    }
}
