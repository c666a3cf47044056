/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space by CF8/CFC and ECAM, and what the host and LPC bridges do with their
 * registers.
 */
#include "fixture.h"
#include "hw/i386/q35-devices.h"

#define ADDRESS(device, function, offset) \
    (0x80000000u | (device) << 11 | (function) << 8 | (offset))

typedef struct Fixture {
    Q35Machine *machine;
    AddressSpace *ports, *memory;
    Events events;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    static const uint8_t firmware[4096];
    g_autoptr(GError) error = NULL;
    Q35Config config = {
        .ram_size = 2 * GiB, .firmware = { firmware, sizeof(firmware) }, .num_cpus = 1,
        .runstate = &counting_runstate, .runstate_opaque = &f->events,
    };

    f->machine = q35_new(&config, &error);
    g_assert_no_error(error);
    f->ports = f->machine->ports;
    f->memory = f->machine->memory;
}

static void tear_down(Fixture *f, gconstpointer data)
{
    q35_free(f->machine);
}

static uint64_t config_in(Fixture *f, unsigned device, unsigned offset, unsigned size)
{
    out(f->ports, 0xcf8, ADDRESS(device, 0, offset & ~3u), 4);
    return in(f->ports, 0xcfc + (offset & 3), size);
}

static void config_out(Fixture *f, unsigned device, unsigned offset, uint64_t value, unsigned size)
{
    out(f->ports, 0xcf8, ADDRESS(device, 0, offset & ~3u), 4);
    out(f->ports, 0xcfc + (offset & 3), value, size);
}

static void test_identity(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned device, offset, size;
        uint32_t value;
    } rows[] = {
        { "host bridge ids", 0, 0, 4, 0x29c08086 }, { "host bridge id, word", 0, 2, 2, 0x29c0 },
        { "vendor, bytes", 0, 1, 1, 0x80 }, { "host bridge class", 0, 8, 4, 0x06000002 },
        { "lpc ids", 0x1f, 0, 4, 0x29188086 }, { "lpc class", 0x1f, 0xa, 2, 0x0601 },
        { "lpc header type", 0x1f, 0xe, 1, 0x00 }, { "pmbase at power-on", 0x1f, 0x40, 4, 1 },
        { "pirq not routed", 0x1f, 0x60, 4, 0x80808080 },
        { "pciexbar at power-on", 0, 0x60, 4, 0xb0000000 },
        { "no device", 1, 0, 4, 0xffffffff }, { "no device, byte", 2, 7, 1, 0xff },
        { "word over the data port's end", 0, 3, 2, 0xff29 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmphex(config_in(f, rows[i].device, rows[i].offset, rows[i].size), ==,
                        rows[i].value);
    }
    out(f->ports, 0xcf8, 0x80010000, 4); /* bus 1 */
    g_assert_cmphex(in(f->ports, 0xcfc, 4), ==, 0xffffffff);
    out(f->ports, 0xcf8, ADDRESS(0x1f, 1, 0), 4);
    g_assert_cmphex(in(f->ports, 0xcfc, 4), ==, 0xffffffff);
}

static void test_masks(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned device, offset, size;
        uint32_t write, read; /* read as a dword */
    } rows[] = {
        { "ids are fixed", 0, 0, 4, 0x12345678, 0x29c08086 },
        { "no BARs", 0, 0x10, 4, 0xffffffff, 0 },
        { "no BARs in lpc", 0x1f, 0x24, 4, 0xffffffff, 0 },
        { "no ROM", 0x1f, 0x30, 4, 0xfffff801, 0 },
        { "interrupt line", 0x1f, 0x3c, 1, 0x0a, 0x0a },
        { "interrupt pin is fixed", 0x1f, 0x3d, 1, 0x04, 0x0a },
        { "pmbase keeps its I/O bit", 0x1f, 0x40, 4, 0xfffffffe, 0xff81 },
        { "pmbase, upper byte alone", 0x1f, 0x41, 1, 0x06, 0x0681 },
        { "acpi_cntl", 0x1f, 0x44, 1, 0xff, 0x87 },
        { "pirq", 0x1f, 0x60, 4, 0xffffffff, 0x8f8f8f8f },
        { "pirq, one byte", 0x1f, 0x61, 1, 0x0b, 0x8f8f0b8f },
        { "rcba", 0x1f, 0xf0, 4, 0xfed1ffff, 0xfed1c001 },
        { "pciexbar high", 0, 0x64, 4, 0xffffffff, 0x0000000f },
        { "lpc command", 0x1f, 4, 2, 0, 0x02000007 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        config_out(f, rows[i].device, rows[i].offset, rows[i].write, rows[i].size);
        g_assert_cmphex(config_in(f, rows[i].device, rows[i].offset & ~3u, 4), ==, rows[i].read);
    }
    q35_reset(f->machine);
    g_assert_cmphex(config_in(f, 0x1f, 0x60, 4), ==, 0x80808080);
    g_assert_cmphex(config_in(f, 0x1f, 0x3c, 1), ==, 0);
}

static void test_address_register(Fixture *f, gconstpointer data)
{
    out(f->ports, 0xcf8, 0xffffffff, 4);
    g_assert_cmphex(in(f->ports, 0xcf8, 4), ==, 0x80fffffc);
    out(f->ports, 0xcf8, 0x00000000, 4); /* not enabled */
    g_assert_cmphex(in(f->ports, 0xcfc, 4), ==, 0xffffffff);
    out(f->ports, 0xcfc, 0x12345678, 4);
    out(f->ports, 0xcf8, ADDRESS(0, 0, 0), 4);
    out(f->ports, 0xcf8, 0, 2); /* words and bytes do not reach the register */
    out(f->ports, 0xcfb, 0, 1);
    g_assert_cmphex(in(f->ports, 0xcf8, 4), ==, ADDRESS(0, 0, 0));
    g_assert_cmphex(in(f->ports, 0xcf8, 2), ==, 0xffff);
    g_assert_cmphex(in(f->ports, 0xcfa, 1), ==, 0xff);
    g_assert_cmphex(in(f->ports, 0xcfc, 4), ==, 0x29c08086);
    g_assert_cmpuint(f->events.resets, ==, 0);
}

static void test_ecam(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint32_t low, high;
        uint64_t base, size; /* size 0: off */
    } rows[] = {
        { "as bookworm firmware", 0xb0000001, 0, 0xb0000000, 256 * MiB },
        { "as newer firmware", 0xe0000001, 0, 0xe0000000, 256 * MiB },
        { "128 MiB", 0xe8000003, 0, 0xe8000000, 128 * MiB },
        { "64 MiB", 0xec000005, 0, 0xec000000, 64 * MiB },
        { "bits below the size do not count", 0xec000001, 0, 0xe0000000, 256 * MiB },
        { "above 4 GiB", 0x10000001, 0xf, 0xf10000000, 256 * MiB },
        { "disabled", 0xe0000000, 0, 0, 0 },
        { "reserved length", 0xe0000007, 0, 0, 0 },
    };

    /* off at power-on */
    g_assert_cmphex(address_space_read(f->memory, 0xb0000000, 4), ==, 0xffffffff);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t base = rows[i].base, last = base + rows[i].size - 0x1000;
        g_test_message("%s", rows[i].label);
        config_out(f, 0, 0x60, 0, 4); /* the order firmware uses */
        config_out(f, 0, 0x64, rows[i].high, 4);
        config_out(f, 0, 0x60, rows[i].low, 4);
        hwaddr where;
        uint64_t size;
        g_assert_true(mch_ecam(f->machine->devices->mch, &where, &size) == !!rows[i].size);
        if (!rows[i].size) {
            g_assert_cmphex(address_space_read(f->memory, 0xe0000000, 4), ==, 0xffffffff);
            continue;
        }
        g_assert_cmphex(where, ==, base);
        g_assert_cmphex(size, ==, rows[i].size);
        g_assert_cmphex(address_space_read(f->memory, base, 4), ==, 0x29c08086);
        g_assert_cmphex(address_space_read(f->memory, base + 0xf8000, 8), ==, 0x0200000729188086);
        g_assert_cmphex(address_space_read(f->memory, base + 0xf8002, 2), ==, 0x2918);
        /* past 256 bytes */
        g_assert_cmphex(address_space_read(f->memory, base + 0xf8100, 4), ==, 0xffffffff);
        /* bus 1 */
        g_assert_cmphex(address_space_read(f->memory, base + 0x100000, 4), ==, 0xffffffff);
        g_assert_cmphex(address_space_read(f->memory, base + 0xffe, 4), ==, 0xffffffff);
        g_assert_cmphex(address_space_read(f->memory, last + 0xffc, 8), ==, UINT64_MAX);
        g_assert_cmphex(address_space_read(f->memory, base - 0x1000, 4), ==, 0xffffffff);
    }
    config_out(f, 0, 0x60, 0xe0000001, 4);
    config_out(f, 0, 0x64, 0, 4);
    address_space_write(f->memory, 0xe00f8060, 0x0a0b0c05, 4);
    g_assert_cmphex(config_in(f, 0x1f, 0x60, 4), ==, 0x0a0b0c05);
    /* over the end of the function's 256 bytes */
    address_space_write(f->memory, 0xe00000fc, UINT64_MAX, 8);
    address_space_write(f->memory, 0xe0000060, 0, 4);          /* the window closes itself */
    g_assert_cmphex(address_space_read(f->memory, 0xe0000000, 4), ==, 0xffffffff);
}

static void test_ram_wins(Fixture *f, gconstpointer data)
{
    address_space_write(f->memory, 0, 0x11223344, 4);
    config_out(f, 0, 0x60, 0x00000001, 4); /* ECAM over low RAM */
    g_assert_cmphex(address_space_read(f->memory, 0, 4), ==, 0x11223344);
    config_out(f, 0, 0x60, 0xf0000001, 4); /* ... and over the firmware, with its start visible */
    g_assert_cmphex(address_space_read(f->memory, 0xf0000000, 4), ==, 0x29c08086);
    g_assert_cmphex(address_space_read(f->memory, 0xfffffff0, 4), ==, 0);
}

static void test_pmbase(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(in(f->ports, 0x604, 2), ==, 0xffff);
    config_out(f, 0x1f, 0x40, 0x600, 4);
    g_assert_cmphex(in(f->ports, 0x604, 2), ==, 0xffff); /* not enabled yet */
    config_out(f, 0x1f, 0x44, 0x80, 1);
    g_assert_cmphex(in(f->ports, 0x604, 2), ==, 0);
    uint64_t first = in(f->ports, 0x608, 4);
    g_usleep(2000);
    g_assert_cmpuint((in(f->ports, 0x608, 4) - first) & 0xffffff, >=, 7000);
    config_out(f, 0x1f, 0x41, 0x04, 1); /* moved by one byte */
    g_assert_cmphex(in(f->ports, 0x604, 2), ==, 0xffff);
    g_assert_cmphex(in(f->ports, 0x404, 2), ==, 0);
    out(f->ports, 0x404, 0x2000, 2);
    g_assert_cmpuint(f->events.shutdowns, ==, 1);
    config_out(f, 0x1f, 0x44, 0x00, 1);
    g_assert_cmphex(in(f->ports, 0x404, 2), ==, 0xffff);
    config_out(f, 0x1f, 0x40, 0xff80, 2);
    config_out(f, 0x1f, 0x44, 0x80, 1);
    g_assert_cmphex(in(f->ports, 0xff84, 4), ==, 0);
    q35_reset(f->machine);
    g_assert_cmphex(in(f->ports, 0xff84, 4), ==, 0xffffffff);
}

static void test_rcba(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(address_space_read(f->memory, 0xfed1c000, 4), ==, 0xffffffff);
    config_out(f, 0x1f, 0xf0, 0xfed1c001, 4);
    g_assert_cmphex(address_space_read(f->memory, 0xfed1c000, 4), ==, 0);
    address_space_write(f->memory, 0xfed1f410, UINT64_MAX, 8);
    g_assert_cmphex(address_space_read(f->memory, 0xfed1fff8, 8), ==, 0);
    g_assert_cmphex(address_space_read(f->memory, 0xfed20000, 4), ==, 0xffffffff);
    config_out(f, 0x1f, 0xf0, 0xfed1c000, 4);
    g_assert_cmphex(address_space_read(f->memory, 0xfed1c000, 4), ==, 0xffffffff);
}

/* A function of our own: write-one-to-clear bits, PCIe-sized space, the multi-function bit. */
static void note_write(void *opaque, unsigned offset, unsigned size)
{
    g_string_append_printf(opaque, "%x+%u ", offset, size);
}

static void test_function(void)
{
    static const PciFunctionOps ops = { note_write };
    static const PciIdentity identity = { 0x1af4, 0x1042, 0x0180, 0, 1 };
    g_autoptr(GString) log = g_string_new(NULL);
    PciBus *bus = pci_bus_new(NULL);
    PciFunction *first = pci_function_new(&identity, PCI_CONFIG_SIZE, NULL, NULL);
    PciFunction *other = pci_function_new(&identity, PCIE_CONFIG_SIZE, &ops, log);

    pci_config_define(other, PCI_STATUS, 2, 0xf900, 0);
    pci_config_write_one_to_clear(other, PCI_STATUS, 2, 0xf900);
    pci_config_define(other, 0xffc, 4, 0, 0xffffffff);
    pci_bus_add(bus, first, PCI_DEVFN(3, 0));
    g_assert_cmphex(pci_bus_read(bus, 0, PCI_DEVFN(3, 0), PCI_HEADER_TYPE, 1), ==, 0);
    pci_bus_add(bus, other, PCI_DEVFN(3, 5));
    g_assert_cmphex(pci_bus_read(bus, 0, PCI_DEVFN(3, 0), PCI_HEADER_TYPE, 1), ==, 0x80);
    pci_bus_write(bus, 0, PCI_DEVFN(3, 5), PCI_STATUS, 0x4100, 2);
    g_assert_cmphex(pci_bus_read(bus, 0, PCI_DEVFN(3, 5), PCI_STATUS, 2), ==, 0xb800);
    pci_bus_write(bus, 0, PCI_DEVFN(3, 5), 0xffc, UINT64_MAX, 8);
    g_assert_cmphex(pci_bus_read(bus, 0, PCI_DEVFN(3, 5), 0xffc, 4), ==, 0xffffffff);
    pci_bus_write(bus, 0, PCI_DEVFN(3, 5), 0x1000, 0, 4);
    pci_bus_write(bus, 1, PCI_DEVFN(3, 5), 0xffc, 0, 4);
    pci_bus_write(bus, 0, PCI_DEVFN(4, 0), 0xffc, 0, 4);
    g_assert_cmpstr(log->str, ==, "6+2 ffc+4 ");
    pci_bus_reset(bus);
    g_assert_cmphex(pci_bus_read(bus, 0, PCI_DEVFN(3, 5), PCI_STATUS, 2), ==, 0xf900);
    g_assert_cmphex(pci_bus_read(bus, 0, PCI_DEVFN(3, 0), PCI_HEADER_TYPE, 1), ==, 0x80);
    pci_bus_free(bus);
}

#define ADD(name, function) g_test_add("/pci/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("identity", test_identity);
    ADD("masks", test_masks);
    ADD("address-register", test_address_register);
    ADD("ecam", test_ecam);
    ADD("ram-wins", test_ram_wins);
    ADD("pmbase", test_pmbase);
    ADD("rcba", test_rcba);
    g_test_add_func("/pci/function", test_function);
    return g_test_run();
}
