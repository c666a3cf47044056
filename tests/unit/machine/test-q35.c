/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine as a whole: RAM, what firmware is told about it, unclaimed addresses, reset. */
#include <string.h>

#include "fixture.h"
#include "hw/i386/q35-devices.h"
#include "util/bytes.h"

static Q35Machine *make(uint64_t ram, size_t firmware_size, Events *events, GError **error)
{
    static uint8_t firmware[17 * MiB];

    return q35_new(&(Q35Config) {
        .ram_size = ram, .firmware = { firmware, firmware_size }, .num_cpus = 3,
        .runstate = &counting_runstate,
        .runstate_opaque = events,
    }, error);
}

static void test_ram(void)
{
    static const struct {
        const char *label;
        uint64_t ram, low, high, firmware;
    } rows[] = {
        { "512 MiB", 512 * MiB, 512 * MiB, 0, 2 * MiB }, { "2 GiB", 2 * GiB, 2 * GiB, 0, 4 * MiB },
        { "4 GiB", 4 * GiB, 2 * GiB, 2 * GiB, 4 * KiB },
        { "1 TiB", 1 * TiB, 2 * GiB, 1 * TiB - 2 * GiB, 16 * MiB },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Events events = { 0 };
        g_autoptr(GError) error = NULL;
        gint64 start = g_get_monotonic_time();
        Q35Machine *machine = make(rows[i].ram, rows[i].firmware, &events, &error);
        g_assert_no_error(error);
        g_test_message("%s: %d us", rows[i].label, (int)(g_get_monotonic_time() - start));
        g_assert_cmpuint(machine->num_ram, ==, rows[i].high ? 3 : 2);
        const GuestRam *firmware = &machine->ram[machine->num_ram - 1];
        g_assert_cmpstr(firmware->name, ==, "firmware");
        g_assert_cmphex(firmware->gpa, ==, 4 * GiB - rows[i].firmware);
        g_assert_cmphex(firmware->size, ==, rows[i].firmware);
        g_assert_cmphex(machine->ram[0].size, ==, rows[i].low);
        for (unsigned n = 0; n < machine->num_ram; n++) {
            const GuestRam *ram = &machine->ram[n];
            g_assert_true(address_space_ram(machine->memory, ram->gpa, ram->size) == ram->host);
            g_assert_null(address_space_ram(machine->memory, ram->gpa + 1, ram->size));
            address_space_write(machine->memory, ram->gpa + ram->size - 8, 0x1122334455667788, 8);
            g_assert_cmphex(load_le64(ram->host + ram->size - 8), ==, 0x1122334455667788);
        }
        /* etc/e820 is the second file by name */
        uint8_t table[40];
        out(machine->ports, 0x510, 0x21, 2);
        for (unsigned n = 0; n < sizeof(table); n++) {
            table[n] = in(machine->ports, 0x511, 1);
        }
        g_assert_cmphex(load_le64(table + 8), ==, rows[i].low);
        g_assert_cmphex(load_le32(table + 16), ==, 1);
        g_assert_cmphex(load_le64(table + 20), ==, rows[i].high ? 4 * GiB : 0);
        g_assert_cmphex(load_le64(table + 28), ==, rows[i].high);
        q35_free(machine);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *label;
        uint64_t ram;
        size_t firmware;
        const char *says;
    } rows[] = {
        { "no RAM", 0, 4096, "memory size 0" }, { "odd RAM", 4097, 4096, "memory size 4097" },
        { "odd firmware", 1 * GiB, 4095, "firmware size 4095" },
        { "firmware over the APIC window", 1 * GiB, 17 * MiB, "16 MiB" },
        { "more RAM than addresses", (uint64_t)1 << 62, 4096, "cannot map" },
        { "2^64 - 4096 bytes", UINT64_MAX - 4095, 4096, "cannot map" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Events events = { 0 };
        g_autoptr(GError) error = NULL;
        g_test_message("%s", rows[i].label);
        g_assert_null(make(rows[i].ram, rows[i].firmware, &events, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, rows[i].says));
    }
}

static void test_unclaimed(void)
{
    static const struct {
        const char *label;
        bool memory;
        hwaddr addr;
    } rows[] = {
        { "PIC", false, 0x20 }, { "POST code", false, 0x80 }, { "CPU hotplug", false, 0xcd8 },
        { "no debug console", false, 0x402 }, { "no serial port", false, 0x3f8 },
        { "last port", false, 0xffff },
        { "above RAM", true, 0x90000000 }, { "after the IOAPIC", true, 0xfec01000 },
        { "HPET", true, 0xfed00000 },
        { "local APIC", true, 0xfee00000 }, { "64-bit window", true, UINT64_C(0x380000000000) },
        { "shared bit", true, UINT64_C(1) << 47 }, { "end", true, UINT64_MAX - 7 },
    };
    Events events = { 0 };
    Q35Machine *machine = make(2 * GiB, 2 * MiB, &events, NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        AddressSpace *as = rows[i].memory ? machine->memory : machine->ports;
        g_test_message("%s", rows[i].label);
        for (unsigned size = 1; size <= 8; size *= 2) {
            uint64_t ones = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
            address_space_write(as, rows[i].addr, 0, size);
            g_assert_cmphex(address_space_read(as, rows[i].addr, size), ==, ones);
        }
    }
    q35_free(machine);
}

static void test_counts_and_debugcon(void)
{
    static uint8_t firmware[4096];
    Chardev *null = chardev_open("null", false, NULL, NULL, NULL);
    Q35Machine *machine = q35_new(&(Q35Config) {
        .ram_size = 1 * GiB, .firmware = { firmware, sizeof(firmware) }, .num_cpus = 0x102,
        .serial = { NULL, null },
        .debugcon = null,
    }, NULL);

    out(machine->ports, 0x510, FW_CFG_CPU_COUNT, 2);
    g_assert_cmphex(in(machine->ports, 0x511, 1), ==, 2);
    g_assert_cmphex(in(machine->ports, 0x511, 1), ==, 1);
    g_assert_cmphex(in(machine->ports, 0x402, 1), ==, 0xe9);
    out(machine->ports, 0x402, 'x', 1);
    g_assert_cmphex(in(machine->ports, 0x3fd, 1), ==, 0xff);
    g_assert_cmphex(in(machine->ports, 0x2fd, 1), ==, 0x60);
    out(machine->ports, 0xcf9, 0x06, 1); /* without anybody to tell */
    out(machine->ports, 0x2ff, 0x55, 1);
    q35_reset(machine);
    g_assert_cmphex(in(machine->ports, 0x2ff, 1), ==, 0);
    g_assert_cmphex(in(machine->ports, 0xcf9, 1), ==, 0);
    q35_free(machine);
    chardev_close(null);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/q35/ram", test_ram);
    g_test_add_func("/q35/refused", test_refused);
    g_test_add_func("/q35/unclaimed", test_unclaimed);
    g_test_add_func("/q35/counts-and-debugcon", test_counts_and_debugcon);
    return g_test_run();
}
