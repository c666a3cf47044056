/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debug console: a port whose writes are text. */
#include "hw/i386/debugcon.h"

#define DEBUGCON_PORT 0x402
#define DEBUGCON_PRESENT 0xe9

static uint64_t port_read(void *opaque, hwaddr offset, unsigned size)
{
    return DEBUGCON_PRESENT;
}

static void port_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    chardev_write(opaque, &(uint8_t) { value }, 1);
}

static const IoRegionOps debugcon_ops = { port_read, port_write, 1 };

void debugcon_add(AddressSpace *ports, Chardev *chardev)
{
    address_space_add_io(ports, "debugcon", DEBUGCON_PORT, 1, 0, &debugcon_ops, chardev);
}
