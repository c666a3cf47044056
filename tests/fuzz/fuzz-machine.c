/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the machine's devices: the input is a stream of port and memory accesses as a guest makes
 * them. One access: a byte (bits 0-1 log2 of the size, bit 2 write, bit 3 memory, bits 4-7 where),
 * then an offset of one byte from that place or, where = 0, a whole address (two bytes for ports,
 * eight for memory), then for a write the value. FF resets the machine.
 */
#include <glib.h>
#include <string.h>

#include "fuzz.h"
#include "hw/i386/q35-devices.h"
#include "util/bytes.h"

/* Enough for descriptors and data; small, so that a DMA of all of it is cheap. */
#define RAM_SIZE (256 * KiB)
#define FIRMWARE_SIZE 4096

static const uint16_t port_places[16] = {
    0, 0x60, 0x70, 0x80, 0x92, 0x3f8, 0x402, 0x510, 0x600, 0xcd8, 0xcf8, 0xcfc, 0xff80, 0xfff0,
    0x400, 0x0,
};
static const uint64_t memory_places[16] = {
    0, 0x1000, RAM_SIZE - 128, 0xb0000000, 0xb00f8000, 0xe0000000, 0xe00f8000, 0xfec00000,
    0xfed1c000, 0xffffff80,
    0x100000000, 0xf00000000, UINT64_MAX - 127, 0xefffff80, 0xb0000040, 0xe0000040,
};

static void on_event(void *opaque, ShutdownCause cause)
{
    unsigned *events = opaque;

    (*events)++;
}

/* In front of a pin of the I/O APIC. */
typedef struct Line {
    bool level;
    IrqLine pin;
} Line;

static void on_level(void *opaque, bool level)
{
    Line *line = opaque;

    g_assert_true(line->level != level); /* devices tell changes only */
    line->level = level;
    irq_set(&line->pin, level);
}

/* Only what an APIC would take: Intel SDM vol. 3, 11.11. */
static void on_message(void *opaque, uint64_t address, uint32_t data)
{
    g_assert_cmphex(address >> 20, ==, 0xfee);
    g_assert_cmphex(data & ~0x7ffu, ==, 0);
}

/* Takes n bytes off the input, little-endian; missing ones are 0. */
static uint64_t take(Bytes *input, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n && input->size; i++) {
        value |= (uint64_t)*input->data << 8 * i;
        input->data++;
        input->size--;
    }
    return value;
}

static void run_access(Q35Machine *machine, uint8_t op, Bytes *input)
{
    unsigned size = 1u << (op & 3), place = op >> 4;
    bool memory = op & 8;
    AddressSpace *as = memory ? machine->memory : machine->ports;
    hwaddr addr;

    if (!place) {
        addr = take(input, memory ? 8 : 2);
    } else {
        addr = (memory ? memory_places[place] : port_places[place]) + take(input, 1);
    }
    if (op & 4) {
        address_space_write(as, addr, take(input, size), size);
    } else {
        uint64_t value = address_space_read(as, addr, size);
        g_assert_true(size == 8 || value >> 8 * size == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t firmware[FIRMWARE_SIZE];
    static const RunStatePort runstate = { .shutdown = on_event, .reset = on_event };
    unsigned events = 0;
    Line lines[Q35_NUM_GSI] = { 0 };
    Chardev *chardev = chardev_open("null", false, NULL, NULL, NULL);
    Q35Machine *machine = q35_new(&(Q35Config) {
        .ram_size = RAM_SIZE, .firmware = { firmware, sizeof(firmware) }, .num_cpus = 1,
        .serial = { chardev, chardev }, .debugcon = chardev, .runstate = &runstate,
        .runstate_opaque = &events,
    }, NULL);
    Bytes input = { data, size };

    g_assert_nonnull(machine);
    for (unsigned i = 0; i < Q35_NUM_GSI; i++) {
        lines[i].pin = machine->devices->gsi[i];
        machine->devices->gsi[i] = (IrqLine) { on_level, &lines[i] };
    }
    machine->devices->msi = (MsiPort) { on_message, NULL };
    while (input.size) {
        uint8_t op = take(&input, 1);
        if (op == 0xff) {
            q35_reset(machine);
        } else {
            run_access(machine, op, &input);
        }
    }
    q35_free(machine);
    chardev_close(chardev);
    return 0;
}
