/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O APIC. Registers: Intel 82093AA datasheet (290566), section 3, and for the EOI register ICH9
 * datasheet (316972), 13.5; messages: Intel SDM vol. 3, 11.11.
 */
#include "hw/intc/ioapic.h"

#include <inttypes.h>

#include "util/units.h"

#define WINDOW_SIZE 0x1000
enum { INDEX = 0x00, DATA = 0x10, EOI = 0x40 };
enum { REGISTER_ID = 0, REGISTER_VERSION = 1, REGISTER_ARBITRATION = 2, REGISTER_TABLE = 0x10 };
#define VERSION 0x20u /* the lowest that has the EOI register */
#define ID_BITS 0x0f000000u

#define ENTRY_VECTOR 0x00ffu
#define ENTRY_MODE_SHIFT 8
#define ENTRY_MODE_BITS 7u
#define ENTRY_LOGICAL 0x0800u
#define ENTRY_REMOTE_IRR 0x4000u /* level: sent, and not seen to end */
#define ENTRY_LEVEL 0x8000u
#define ENTRY_MASKED 0x10000u
#define ENTRY_READ_ONLY 0x5000u  /* delivery status, remote IRR */
#define ENTRY_LOW_BITS 0x1ffffu
/* destination, and its extension below (bits 49 to 55 of the entry) */
#define ENTRY_HIGH_BITS 0xfffe0000u
#define MODE_EXTINT 7u

#define MSI_BASE 0xfee00000u
#define MSI_LOGICAL 0x4u
#define MSI_DESTINATION_SHIFT 12
/* destination bits 8 to 14, with KVM_FEATURE_MSI_EXT_DEST_ID (Linux kvm_para.h) */
#define MSI_EXTENSION_SHIFT 5

typedef struct Pin {
    Ioapic *ioapic;
    bool up;            /* the line, as its device drives it */
    uint32_t low, high; /* the redirection entry */
    uint64_t count;     /* of messages sent */
} Pin;

struct Ioapic {
    const MsiPort *msi;
    uint8_t index;
    uint32_t id;
    Pin pins[IOAPIC_PINS];
};

static void send(Pin *pin)
{
    uint32_t mode = pin->low >> ENTRY_MODE_SHIFT & ENTRY_MODE_BITS;

    if (mode == MODE_EXTINT) {
        return; /* there is no controller of the old kind behind it that would give the vector */
    }
    pin->count++;
    uint32_t address = MSI_BASE | pin->high >> 24 << MSI_DESTINATION_SHIFT |
                       (pin->high >> 17 & 0x7f) << MSI_EXTENSION_SHIFT |
                       (pin->low & ENTRY_LOGICAL ? MSI_LOGICAL : 0);
    msi_send(pin->ioapic->msi, address, mode << 8 | (pin->low & ENTRY_VECTOR));
}

static void deliver(Pin *pin)
{
    if (pin->low & ENTRY_MASKED) {
        return;
    }
    if (pin->low & ENTRY_LEVEL) {
        pin->low |= ENTRY_REMOTE_IRR;
    }
    send(pin);
}

/* A level-triggered line that is up and waits for nothing. */
static void look_again(Pin *pin)
{
    if (pin->up && (pin->low & (ENTRY_LEVEL | ENTRY_REMOTE_IRR)) == ENTRY_LEVEL) {
        deliver(pin);
    }
}

static void set_pin(void *opaque, bool level)
{
    Pin *pin = opaque;
    bool rises = level && !pin->up;

    pin->up = level;
    if (rises) {
        deliver(pin);
    }
}

IrqLine ioapic_pin(Ioapic *ioapic, unsigned pin)
{
    g_assert(pin < IOAPIC_PINS);
    return (IrqLine) { set_pin, &ioapic->pins[pin] };
}

static void write_entry(Pin *pin, bool high, uint32_t value)
{
    if (high) {
        pin->high = value & ENTRY_HIGH_BITS;
        return;
    }
    pin->low = (value & ENTRY_LOW_BITS & ~ENTRY_READ_ONLY) | (pin->low & ENTRY_READ_ONLY);
    /*
     * Making an entry edge-triggered ends its interrupt, which is how it is done without the EOI
     * register. Unmasking it may well be the end of a handler that masked the line: nothing else
     * would tell.
     */
    if (!(pin->low & ENTRY_LEVEL) || !(pin->low & ENTRY_MASKED)) {
        pin->low &= ~ENTRY_REMOTE_IRR;
    }
    look_again(pin);
}

static void write_eoi(Ioapic *ioapic, uint8_t vector)
{
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        Pin *pin = &ioapic->pins[i];
        if ((pin->low & ENTRY_REMOTE_IRR) && (pin->low & ENTRY_VECTOR) == vector) {
            pin->low &= ~ENTRY_REMOTE_IRR;
            look_again(pin);
        }
    }
}

static uint32_t read_register(const Ioapic *ioapic)
{
    unsigned entry = ioapic->index - REGISTER_TABLE;

    if (ioapic->index == REGISTER_ID || ioapic->index == REGISTER_ARBITRATION) {
        return ioapic->id;
    }
    if (ioapic->index == REGISTER_VERSION) {
        return (IOAPIC_PINS - 1) << 16 | VERSION;
    }
    if (ioapic->index < REGISTER_TABLE || entry / 2 >= IOAPIC_PINS) {
        return 0;
    }
    return entry % 2 ? ioapic->pins[entry / 2].high : ioapic->pins[entry / 2].low;
}

static void write_register(Ioapic *ioapic, uint32_t value)
{
    unsigned entry = ioapic->index - REGISTER_TABLE;

    if (ioapic->index == REGISTER_ID) {
        ioapic->id = value & ID_BITS;
    } else if (ioapic->index >= REGISTER_TABLE && entry / 2 < IOAPIC_PINS) {
        write_entry(&ioapic->pins[entry / 2], entry % 2, value);
    }
}

static uint64_t window_read(void *opaque, hwaddr offset, unsigned size)
{
    Ioapic *ioapic = opaque;

    switch (offset) {
    case INDEX:
        return ioapic->index;
    case DATA:
        return size == 4 ? read_register(ioapic) : 0;
    default:
        return 0;
    }
}

static void window_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    Ioapic *ioapic = opaque;

    switch (offset) {
    case INDEX:
        ioapic->index = value;
        break;
    case DATA:
        if (size == 4) {
            write_register(ioapic, value);
        }
        break;
    case EOI:
        write_eoi(ioapic, value);
        break;
    default:
        break;
    }
}

static const IoRegionOps window_ops = { window_read, window_write, 4 };

void ioapic_reset(Ioapic *ioapic)
{
    ioapic->index = 0;
    ioapic->id = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        ioapic->pins[pin].low = ENTRY_MASKED;
        ioapic->pins[pin].high = 0;
    }
}

Ioapic *ioapic_new(AddressSpace *memory, const MsiPort *msi)
{
    Ioapic *ioapic = g_new0(Ioapic, 1);

    ioapic->msi = msi;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        ioapic->pins[pin].ioapic = ioapic;
    }
    ioapic_reset(ioapic);
    address_space_add_io(memory, "ioapic", IOAPIC_BASE_ADDRESS, WINDOW_SIZE, 0, &window_ops,
                         ioapic);
    return ioapic;
}

void ioapic_free(Ioapic *ioapic)
{
    g_free(ioapic);
}

void ioapic_describe(const Ioapic *ioapic, GString *out)
{
    static const char *const modes[] = { "fixed", "lowest", "SMI", "mode3", "NMI", "INIT", "mode6",
                                         "ExtINT" };

    g_string_append_printf(out, "ioapic0: ver=0x%x id=0x%02x sel=0x%02x\n", VERSION,
                           ioapic->id >> 24, ioapic->index);
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        const Pin *pin = &ioapic->pins[i];

        g_string_append_printf(out, "  pin %-2u 0x%08x%08x dest=%u vec=%-3u %s %-6s %-6s %s%s%s\n",
                               i, pin->high, pin->low, pin->high >> 24, pin->low & ENTRY_VECTOR,
                               pin->low & ENTRY_LEVEL ? "level" : "edge ",
                               pin->low & ENTRY_MASKED ? "masked" : "",
                               modes[pin->low >> ENTRY_MODE_SHIFT & ENTRY_MODE_BITS],
                               pin->low & ENTRY_LOGICAL ? "logical" : "physical",
                               pin->low & ENTRY_REMOTE_IRR ? " remote-IRR" : "",
                               pin->up ? " up" : "");
    }
}

void ioapic_describe_counts(const Ioapic *ioapic, GString *out)
{
    g_string_append(out, "IRQ statistics for ioapic:\n");
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        if (ioapic->pins[i].count) {
            g_string_append_printf(out, "%2u: %" PRIu64 "\n", i, ioapic->pins[i].count);
        }
    }
}
