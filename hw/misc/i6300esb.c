/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The type i6300esb: a watchdog that the guest has to stroke. Two stages run out one after the
 * other; at the end of the second, -action watchdog= follows. Intel 6300ESB I/O Controller Hub data
 * sheet, chapter 15; drivers/watchdog/i6300esb.c in Linux.
 *
 * Time is that in which the machine ran: a guest that was stopped could not stroke. All under the
 * machine lock; the main loop's source looks when a stage should be over.
 */
#include "hw/core/machine.h"
#include "hw/misc/misc.h"
#include "hw/pci/pci-device.h"
#include "system/core/log.h"

#define ESB_VENDOR 0x8086
#define ESB_DEVICE 0x25ab
#define CLASS_SYSTEM_OTHER 0x0880
#define BAR_SIZE 16

/* Configuration space */
#define CONFIG 0x60
#define CONFIG_OUTPUT_OFF 0x20 /* nothing follows from the second stage's end */
#define CONFIG_FAST 0x04       /* a unit is 2^5 clocks, not 2^15 */
#define CONFIG_WRITABLE 0x27
#define LOCK 0x68
enum { LOCK_LOCKED = 1, LOCK_ENABLE = 2, LOCK_FREE_RUNNING = 4 };

/* The BAR */
enum { PRELOAD_1 = 0, PRELOAD_2 = 4, INTERRUPT = 8, RELOAD = 12 };
#define PRELOAD_BITS 0xfffff
#define UNLOCK_1 0x80
#define UNLOCK_2 0x86
#define RELOAD_STROKE 0x100
#define RELOAD_TIMED_OUT 0x200

#define CLOCKS_PER_US 33
#define LEAST_NS UINT64_C(1000000) /* a stage; and how often is looked, at most */
#define LEAST_LOOK_US 50000        /* while the machine stands */

typedef struct Watchdog {
    PciDevice pci;
    const Machine *machine;
    GMutex *lock;
    GSource *timer;
    uint32_t preload[2];
    unsigned unlocked;   /* steps of two that were made */
    uint8_t lock_bits;   /* the register, as it may be */
    bool interrupt;      /* the first stage has run out */
    /* the second has, and the guest has not said that it knows: outlives resets */
    bool timed_out;
    bool counting;
    unsigned stage;      /* 0, 1 */
    uint64_t end_ns;     /* of the stage, in the machine's time */
} Watchdog;

static uint64_t now_ns(const Watchdog *w)
{
    return w->machine->runstate->run_time_ns(w->machine->runstate_opaque);
}

static void begin_stage(Watchdog *w, unsigned stage)
{
    bool fast = pci_config_get(w->pci.function, CONFIG, 2) & CONFIG_FAST;
    uint64_t clocks = (uint64_t)w->preload[stage] << (fast ? 5 : 15);
    uint64_t ns = MAX(clocks * 1000 / CLOCKS_PER_US, LEAST_NS);

    w->counting = true;
    w->stage = stage;
    w->end_ns = now_ns(w) + ns;
    g_source_set_ready_time(w->timer, g_get_monotonic_time() + (gint64)(ns / 1000) + 1);
}

static void stop(Watchdog *w)
{
    w->counting = false;
    g_source_set_ready_time(w->timer, -1);
}

static void power_on(Watchdog *w)
{
    stop(w);
    w->preload[0] = w->preload[1] = PRELOAD_BITS;
    w->unlocked = 0;
    w->lock_bits = 0;
    w->interrupt = false;
}

static void second_stage_over(Watchdog *w)
{
    bool output = !(pci_config_get(w->pci.function, CONFIG, 2) & CONFIG_OUTPUT_OFF);

    if (w->lock_bits & LOCK_FREE_RUNNING) {
        begin_stage(w, 0);
        return;
    }
    stop(w);
    w->timed_out = true;
    if (output) {
        w->lock_bits = 0; /* if the machine goes on, somebody has to start it again */
        pci_config_set(w->pci.function, LOCK, 1, 0);
        w->machine->runstate->watchdog(w->machine->runstate_opaque);
    }
}

/* What has run out since it was last looked. */
static void look(Watchdog *w)
{
    if (!w->counting) {
        return;
    }
    uint64_t now = now_ns(w);
    if (now < w->end_ns) {
        gint64 left = (gint64)((w->end_ns - now) / 1000) + 1;
        g_source_set_ready_time(w->timer, g_get_monotonic_time() + MAX(left, LEAST_LOOK_US));
    } else if (w->stage == 0) {
        w->interrupt = true;
        begin_stage(w, 1);
    } else {
        second_stage_over(w);
    }
}

/* ---- Registers ---- */

static uint64_t bar_read(void *opaque, hwaddr offset, unsigned size)
{
    Watchdog *w = opaque;

    look(w);
    switch (offset) {
    case PRELOAD_1:
    case PRELOAD_2:
        return w->preload[offset / 4];
    case INTERRUPT:
        return w->interrupt;
    case RELOAD:
        return w->timed_out ? RELOAD_TIMED_OUT : 0;
    default:
        return 0;
    }
}

static void write_reload(Watchdog *w, uint32_t value)
{
    if (value == UNLOCK_1) {
        w->unlocked = 1;
    } else if (value == UNLOCK_2 && w->unlocked == 1) {
        w->unlocked = 2;
    } else if (w->unlocked == 2) {
        w->unlocked = 0;
        if ((value & RELOAD_STROKE) && w->counting) {
            begin_stage(w, 0);
        }
        if (value & RELOAD_TIMED_OUT) {
            w->timed_out = false;
        }
    } else {
        w->unlocked = 0;
    }
}

static void bar_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    Watchdog *w = opaque;

    look(w);
    if (offset == RELOAD) {
        write_reload(w, (uint32_t)value);
    } else if (offset == INTERRUPT && (value & 1)) {
        w->interrupt = false;
    } else if ((offset == PRELOAD_1 || offset == PRELOAD_2) && w->unlocked == 2) {
        w->unlocked = 0;
        w->preload[offset / 4] = value & PRELOAD_BITS;
    }
}

static const IoRegionOps bar_ops = { bar_read, bar_write, 4 };

/* What is locked stays so until the machine is reset. */
static void config_written(void *opaque, unsigned offset, unsigned size)
{
    Watchdog *w = opaque;

    if (offset > LOCK || offset + size <= LOCK || !w->pci.function) {
        return;
    }
    look(w);
    if (w->lock_bits & LOCK_LOCKED) {
        pci_config_set(w->pci.function, LOCK, 1, w->lock_bits);
        return;
    }
    w->lock_bits = (uint8_t)pci_config_get(w->pci.function, LOCK, 1);
    if (!(w->lock_bits & LOCK_ENABLE)) {
        stop(w);
    } else if (!w->counting) {
        begin_stage(w, 0);
    }
}

static void function_reset(void *opaque)
{
    power_on(opaque);
}

/* ---- Life ---- */

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
    return callback(opaque);
}

static gboolean on_timer(gpointer opaque)
{
    Watchdog *w = opaque;

    if (w->lock) {
        g_mutex_lock(w->lock);
    }
    g_source_set_ready_time(w->timer, -1);
    look(w);
    if (w->lock) {
        g_mutex_unlock(w->lock);
    }
    return G_SOURCE_CONTINUE;
}

static void function_free(void *opaque)
{
    Watchdog *w = opaque;

    g_source_destroy(w->timer);
    g_clear_pointer(&w->timer, g_source_unref);
}

static PciFunction *make(PciDevice *device, GError **errp)
{
    static const PciIdentity identity = {
        ESB_VENDOR, ESB_DEVICE, .class_device = CLASS_SYSTEM_OTHER,
        .subsystem_vendor = 0x1af4, .subsystem = 0x1100,
    };
    static const PciFunctionOps ops = {
        .config_written = config_written, .reset = function_reset, .free = function_free,
    };
    static GSourceFuncs timer_funcs = { .dispatch = dispatch };
    Watchdog *w = (Watchdog *)device;

    w->machine = device_machine(&device->device);
    w->lock = pci_device_ports(device)->machine_lock;
    w->timer = g_source_new(&timer_funcs, sizeof(GSource));
    g_source_set_callback(w->timer, on_timer, w, NULL);
    g_source_attach(w->timer, NULL);
    w->timed_out = false;
    power_on(w);
    PciFunction *function = pci_function_new(&identity, PCI_CONFIG_SIZE, &ops, w);
    pci_config_define(function, CONFIG, 2, 0, CONFIG_WRITABLE);
    pci_config_define(function, LOCK, 1, 0, LOCK_LOCKED | LOCK_ENABLE | LOCK_FREE_RUNNING);
    pci_bar_add(function, 0, PCI_BAR_MEM32, "i6300esb", BAR_SIZE, &bar_ops, w);
    return function;
}

static const PciDeviceOps esb_ops = {
    .device = { .bus_type = &pcie_bus_type, .category = "Watchdog", PCI_DEVICE_OPS },
    .make = make,
};

const QomType i6300esb_type = {
    .name = "i6300esb", .parent = &pci_device_type, .size = sizeof(Watchdog),
    .description = "Intel 6300ESB watchdog: -action watchdog= says what follows",
    .ops = &esb_ops,
};
