/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reset by port: ICH9 datasheet (316972), sections 13.7.5 (RST_CNT, CF9) and 13.7.3 (PORT92); 8042
 * command FE.
 */
#include "hw/i386/reset-ports.h"

#include <glib.h>

#define KEYBOARD_COMMAND_PORT 0x64
#define KEYBOARD_PULSE_RESET 0xfe
#define FAST_PORT 0x92
#define FAST_RESET 0x01
#define FAST_BITS 0x03  /* INIT_NOW, ALT_A20_GATE */
#define CONTROL_BITS 0x0e
#define CONTROL_RESET_CPU 0x04

struct ResetPorts {
    const RunStatePort *runstate;
    void *runstate_opaque;
    uint8_t control, fast;
};

static void reset_machine(ResetPorts *reset)
{
    if (reset->runstate) {
        reset->runstate->reset(reset->runstate_opaque, SHUTDOWN_GUEST_RESET);
    }
}

static uint64_t control_read(void *opaque, hwaddr offset, unsigned size)
{
    const ResetPorts *reset = opaque;

    return reset->control;
}

/* RST_CPU going from 0 to 1 resets; a TD has no warm reset that would differ from a cold one. */
static void control_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    ResetPorts *reset = opaque;
    bool rising = value & ~reset->control & CONTROL_RESET_CPU;

    reset->control = value & CONTROL_BITS;
    if (rising) {
        reset_machine(reset);
    }
}

const IoRegionOps reset_control_ops = { control_read, control_write, 1 };

static void keyboard_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    if (value == KEYBOARD_PULSE_RESET) {
        reset_machine(opaque);
    }
}

static const IoRegionOps keyboard_ops = { NULL, keyboard_write, 1 };

static uint64_t fast_read(void *opaque, hwaddr offset, unsigned size)
{
    const ResetPorts *reset = opaque;

    return reset->fast;
}

static void fast_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    ResetPorts *reset = opaque;
    bool rising = value & ~reset->fast & FAST_RESET;

    reset->fast = value & FAST_BITS; /* A20 is always open: the bit is only kept */
    if (rising) {
        reset_machine(reset);
    }
}

static const IoRegionOps fast_ops = { fast_read, fast_write, 1 };

void reset_ports_reset(ResetPorts *reset)
{
    reset->control = 0;
    reset->fast = 0x02;
}

ResetPorts *reset_ports_new(AddressSpace *ports, const RunStatePort *runstate,
                            void *runstate_opaque)
{
    ResetPorts *reset = g_new0(ResetPorts, 1);

    reset->runstate = runstate;
    reset->runstate_opaque = runstate_opaque;
    reset_ports_reset(reset);
    address_space_add_io(ports, "keyboard-reset", KEYBOARD_COMMAND_PORT, 1, 0, &keyboard_ops,
                         reset);
    address_space_add_io(ports, "port92", FAST_PORT, 1, 0, &fast_ops, reset);
    return reset;
}

void reset_ports_free(ResetPorts *reset)
{
    g_free(reset);
}
