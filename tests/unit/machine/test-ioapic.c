/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The I/O APIC: registers, edges, levels, and how a level-triggered interrupt ends without anybody
 * telling.
 */
#include "fixture.h"
#include "hw/i386/q35-devices.h"

#define BASE IOAPIC_BASE_ADDRESS
#define MASKED 0x10000
#define LEVEL 0x8000
#define REMOTE_IRR 0x4000

typedef struct Fixture {
    AddressSpace *memory;
    Ioapic *ioapic;
    MsiPort msi;
    unsigned count;
    uint64_t address;
    uint32_t data;
} Fixture;

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
    Fixture *f = opaque;

    f->count++;
    f->address = address;
    f->data = data;
}

static void setup(Fixture *f, gconstpointer unused)
{
    f->memory = address_space_new("memory");
    f->msi = (MsiPort) { on_msi, f };
    f->ioapic = ioapic_new(f->memory, &f->msi);
}

static void teardown(Fixture *f, gconstpointer unused)
{
    address_space_free(f->memory);
    ioapic_free(f->ioapic);
}

static uint32_t get(Fixture *f, uint8_t index)
{
    out(f->memory, 0, 0, 1); /* elsewhere: nobody listens */
    address_space_write(f->memory, BASE, index, 4);
    return address_space_read(f->memory, BASE + 0x10, 4);
}

static void set(Fixture *f, uint8_t index, uint32_t value)
{
    address_space_write(f->memory, BASE, index, 4);
    address_space_write(f->memory, BASE + 0x10, value, 4);
}

static void set_entry(Fixture *f, unsigned pin, uint64_t entry)
{
    set(f, 0x11 + 2 * pin, entry >> 32);
    set(f, 0x10 + 2 * pin, entry);
}

static void drive(Fixture *f, unsigned pin, bool level)
{
    IrqLine line = ioapic_pin(f->ioapic, pin);

    irq_set(&line, level);
}

static void test_registers(Fixture *f, gconstpointer unused)
{
    g_assert_cmphex(get(f, 1), ==, 0x00170020);
    set(f, 0, 0xffffffff);
    g_assert_cmphex(get(f, 0), ==, 0x0f000000);
    g_assert_cmphex(get(f, 2), ==, 0x0f000000);
    set(f, 1, 0);
    g_assert_cmphex(get(f, 1), ==, 0x00170020);
    for (unsigned i = 0; i < 24; i++) {
        g_assert_cmphex(get(f, 0x10 + 2 * i), ==, MASKED);
        set_entry(f, i, UINT64_MAX);
        g_assert_cmphex(get(f, 0x10 + 2 * i), ==, 0x1afff);
        g_assert_cmphex(get(f, 0x11 + 2 * i), ==, 0xfffe0000);
    }
    for (unsigned index = 0; index < 256; index++) {
        set(f, index, index ^ 0xa5a5a5a5);
        get(f, index);
    }
    g_assert_cmphex(get(f, 0x40), ==, 0); /* behind the last entry */
    g_assert_cmphex(get(f, 0x0f), ==, 0);
    for (unsigned offset = 0; offset < 0x1000; offset += 8) {
        for (unsigned size = 1; size <= 8; size *= 2) {
            address_space_read(f->memory, BASE + offset, size);
            address_space_write(f->memory, BASE + offset, UINT64_MAX, size);
        }
    }
    ioapic_reset(f->ioapic);
    g_assert_cmphex(get(f, 0x10), ==, MASKED);
    g_assert_cmphex(get(f, 0), ==, 0);
}

static void test_messages(Fixture *f, gconstpointer unused)
{
    static const struct {
        const char *label;
        uint64_t entry;
        uint64_t address; /* 0: no message */
        uint32_t data;
    } rows[] = {
        { "fixed, physical", UINT64_C(0x0500000000000031), 0xfee05000, 0x31 },
        { "fixed, logical", UINT64_C(0xff00000000000831), 0xfeeff004, 0x31 },
        { "lowest priority", UINT64_C(0x0100000000000941), 0xfee01004, 0x141 },
        { "NMI", UINT64_C(0x0000000000000400), 0xfee00000, 0x400 },
        { "level: sent as an edge", UINT64_C(0x0200000000008055), 0xfee02000, 0x55 },
        { "active low", UINT64_C(0x0200000000002055), 0xfee02000, 0x55 },
        { "destination above 255", UINT64_C(0x01fe000000000066), 0xfee01fe0, 0x66 },
        { "ExtINT", UINT64_C(0x0000000000000700), 0, 0 },
        { "masked", UINT64_C(0x0000000000010031), 0, 0 },
        { "masked level", UINT64_C(0x0000000000018031), 0, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        f->count = 0;
        set_entry(f, 4, rows[i].entry);
        drive(f, 4, true);
        drive(f, 4, true);
        g_assert_cmpuint(f->count, ==, rows[i].address ? 1 : 0);
        if (rows[i].address) {
            g_assert_cmphex(f->address, ==, rows[i].address);
            g_assert_cmphex(f->data, ==, rows[i].data);
        }
        drive(f, 4, false);
        g_assert_cmpuint(f->count, ==, rows[i].address ? 1 : 0);
        ioapic_reset(f->ioapic);
    }
}

static void test_edge(Fixture *f, gconstpointer unused)
{
    set_entry(f, 4, 0x31 | MASKED);
    drive(f, 4, true);
    set_entry(f, 4, 0x31); /* an edge while masked is gone */
    g_assert_cmpuint(f->count, ==, 0);
    drive(f, 4, false);
    drive(f, 4, true);
    g_assert_cmpuint(f->count, ==, 1);
    g_assert_false(get(f, 0x18) & REMOTE_IRR);
    drive(f, 4, false);
    drive(f, 4, true);
    g_assert_cmpuint(f->count, ==, 2);
}

static void test_level(Fixture *f, gconstpointer unused)
{
    set_entry(f, 9, 0x39 | LEVEL | MASKED);
    drive(f, 9, true);
    g_assert_cmpuint(f->count, ==, 0);
    set_entry(f, 9, 0x39 | LEVEL); /* a level waits for being unmasked */
    g_assert_cmpuint(f->count, ==, 1);
    g_assert_true(get(f, 0x22) & REMOTE_IRR);
    address_space_write(f->memory, BASE + 0x40, 0x38, 4); /* another vector's end */
    g_assert_cmpuint(f->count, ==, 1);
    address_space_write(f->memory, BASE + 0x40, 0x39, 4); /* still up */
    g_assert_cmpuint(f->count, ==, 2);
    drive(f, 9, false);
    g_assert_true(get(f, 0x22) & REMOTE_IRR);
    drive(f, 9, true); /* the last end was not seen: a new edge counts all the same */
    g_assert_cmpuint(f->count, ==, 3);
    drive(f, 9, false);
    address_space_write(f->memory, BASE + 0x40, 0x39, 4);
    g_assert_false(get(f, 0x22) & REMOTE_IRR);
    g_assert_cmpuint(f->count, ==, 3);
    drive(f, 9, true);
    set_entry(f, 9, 0x39 | LEVEL | MASKED);
    g_assert_true(get(f, 0x22) & REMOTE_IRR);
    set_entry(f, 9, 0x39 | MASKED); /* how it is ended without the EOI register */
    g_assert_false(get(f, 0x22) & REMOTE_IRR);
    set_entry(f, 9, 0x39 | LEVEL);
    g_assert_cmpuint(f->count, ==, 5);
}

static void test_nobody_to_interrupt(Fixture *f, gconstpointer unused)
{
    set_entry(f, 4, 0x31);
    f->msi.send = NULL;
    drive(f, 4, true);
    g_assert_cmpuint(f->count, ==, 0);
}

/* Serial input and the SCI come out of the machine as messages. */
static void test_machine(Fixture *f, gconstpointer unused)
{
    static uint8_t firmware[4096];
    Chardev *null = chardev_open("null", false, NULL, NULL, NULL);
    Q35Machine *machine = q35_new(&(Q35Config) {
        .ram_size = 1 * GiB, .firmware = { firmware, sizeof(firmware) }, .num_cpus = 1,
        .serial = { null },
    }, NULL);

    machine->devices->msi = f->msi;
    address_space_write(machine->memory, BASE, 0x18, 4);
    address_space_write(machine->memory, BASE + 0x10, 0x34, 4);
    out(machine->ports, 0x3fc, 0x08, 1);
    out(machine->ports, 0x3f9, 0x02, 1); /* transmitter empty, which it is */
    g_assert_cmpuint(f->count, ==, 1);
    g_assert_cmphex(f->data, ==, 0x34);
    for (unsigned i = 0; i < Q35_NUM_GSI; i++) {
        g_assert_nonnull(machine->devices->gsi[i].set);
    }
    q35_reset(machine);
    address_space_write(machine->memory, BASE, 0x18, 4);
    g_assert_cmphex(address_space_read(machine->memory, BASE + 0x10, 4), ==, MASKED);
    q35_free(machine);
    chardev_close(null);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/ioapic/" name, Fixture, NULL, setup, function, teardown)
    ADD("registers", test_registers);
    ADD("messages", test_messages);
    ADD("edge", test_edge);
    ADD("level", test_level);
    ADD("nobody-to-interrupt", test_nobody_to_interrupt);
    ADD("machine", test_machine);
    return g_test_run();
}
