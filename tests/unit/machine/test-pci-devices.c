/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BARs, bridges, messages, pins and hotplug, driven through configuration space as firmware and
 * drivers do.
 */
#include <inttypes.h>
#include <string.h>

#include "fixture.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie-port.h"

#define PORT_DEVFN PCI_DEVFN(2, 1)
#define MEMORY_WINDOW 0xc0000000u

typedef struct Fixture {
    AddressSpace *memory, *ports;
    PciBus *root;
    PciFunction *port, *function;
    Watch pirq[PCI_NUM_PIRQS];
    IrqLine lines[PCI_NUM_PIRQS];
    MsiPort msi;
    GString *log; /* messages, BARs that moved, functions that were unplugged */
    bool function_freed;
} Fixture;

static void on_message(void *opaque, uint64_t address, uint32_t data)
{
    Fixture *f = opaque;

    g_string_append_printf(f->log, "msi %" PRIx64 "=%x ", address, data);
}

static uint64_t bar_read(void *opaque, hwaddr offset, unsigned size)
{
    return 0x5a00 | offset;
}

static const IoRegionOps bar_ops = { .read = bar_read, .max_access = 4 };

static void bar_moved(void *opaque, unsigned bar, hwaddr base)
{
    Fixture *f = opaque;

    g_string_append_printf(f->log, base == PCI_BAR_UNMAPPED ? "bar%u off " : "bar%u %" PRIx64 " ",
                           bar, base);
}

static void on_free(void *opaque)
{
    Fixture *f = opaque;

    f->function_freed = true;
}

static void unplugged(void *opaque, PciFunction *function)
{
    Fixture *f = opaque;

    g_string_append_printf(f->log, "unplugged %u ", pci_function_devfn(function));
    pci_function_free(function);
}

static const PciFunctionOps function_ops = { .bar_moved = bar_moved, .free = on_free };
static const PcieSlotOps slot_ops = { unplugged };

static PciFunction *make_function(Fixture *f)
{
    static const PciIdentity identity = { 0x1af4, 0x1042, 0x0180, 0, 1, 0x1af4, 0x1100 };
    PciFunction *function = pci_function_new(&identity, PCIE_CONFIG_SIZE, &function_ops, f);

    pci_bar_add(function, 0, PCI_BAR_IO, "io", 32, &bar_ops, f);
    pci_msix_add(function, 1, 3);
    pci_bar_add(function, 4, PCI_BAR_MEM64_PREFETCHABLE, "memory", 0x4000, &bar_ops, f);
    pci_pm_add(function);
    pci_express_add(function, PCIE_TYPE_ENDPOINT);
    pci_msi_add(function, 4);
    pci_intx_add(function, 1);
    return function;
}

static void set_up(Fixture *f, gconstpointer data)
{
    PciRootPorts ports = { 0 };

    f->log = g_string_new(NULL);
    f->memory = address_space_new("memory");
    f->ports = address_space_new("I/O");
    f->msi = (MsiPort) { on_message, f };
    ports.memory = f->memory;
    ports.ports = f->ports;
    ports.msi = &f->msi;
    for (unsigned i = 0; i < PCI_NUM_PIRQS; i++) {
        f->lines[i] = (IrqLine) { on_irq, &f->pirq[i] };
        ports.pirq[i] = &f->lines[i];
    }
    f->root = pci_bus_new(&ports);
    f->port = pcie_root_port_new(
        &(PcieRootPortConfig){.port = 9, .chassis = 1, .slot = 5, .hotplug = true}, &slot_ops, f);
    f->function = make_function(f);
    pci_bus_add(pci_bridge_bus(f->port), f->function, 0);
    pci_bus_add(f->root, f->port, PORT_DEVFN);
    pci_bus_reset(f->root);
    g_string_truncate(f->log, 0);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    pci_bus_free(f->root);
    g_assert_true(f->function_freed);
    g_string_free(f->log, TRUE);
    address_space_free(f->memory);
    address_space_free(f->ports);
}

static void put(Fixture *f, unsigned bus, unsigned devfn, unsigned offset, uint32_t value,
                unsigned size)
{
    pci_bus_write(f->root, bus, devfn, offset, value, size);
}

static uint32_t get(Fixture *f, unsigned bus, unsigned devfn, unsigned offset, unsigned size)
{
    return pci_bus_read(f->root, bus, devfn, offset, size);
}

/* As firmware: bus number 1 behind the port, all three windows, and the function's BARs in them. */
static void program(Fixture *f)
{
    put(f, 0, PORT_DEVFN, PCI_PRIMARY_BUS, 0x00010100, 4);
    put(f, 0, PORT_DEVFN, PCI_IO_BASE, 0x6060, 2);
    put(f, 0, PORT_DEVFN, PCI_MEMORY_BASE, MEMORY_WINDOW >> 16 | MEMORY_WINDOW, 4);
    put(f, 0, PORT_DEVFN, PCI_PREF_BASE, 0x00000000, 4);
    put(f, 0, PORT_DEVFN, PCI_PREF_BASE_UPPER, 0x3800, 4);
    put(f, 0, PORT_DEVFN, PCI_PREF_LIMIT_UPPER, 0x3800, 4);
    put(f, 0, PORT_DEVFN, PCI_COMMAND, 7, 2);
    put(f, 1, 0, PCI_BAR0, 0x6040, 4);
    put(f, 1, 0, PCI_BAR0 + 4, MEMORY_WINDOW, 4);
    put(f, 1, 0, PCI_BAR0 + 16, 0x4000, 4);
    put(f, 1, 0, PCI_BAR0 + 20, 0x3800, 4);
    put(f, 1, 0, PCI_COMMAND, 7, 2);
}

static void assert_log(Fixture *f, const char *text)
{
    g_assert_cmpstr(f->log->str, ==, text);
    g_string_truncate(f->log, 0);
}

static void test_sizing(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned bar;
        uint32_t zero, ones;
    } rows[] = {
        { "I/O", 0, 0x1, 0xffffffe1 }, { "32 bits", 1, 0, 0xfffff000 }, { "none", 2, 0, 0 },
        { "none", 3, 0, 0 },
        { "64 bits, low", 4, 0xc, 0xffffc00c }, { "64 bits, high", 5, 0, 0xffffffff },
    };

    put(f, 0, PORT_DEVFN, PCI_PRIMARY_BUS, 0x00010100, 4);
    put(f, 1, 0, PCI_COMMAND, 7, 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        unsigned offset = PCI_BAR0 + 4 * rows[i].bar;
        g_test_message("%s", rows[i].label);
        g_assert_cmphex(get(f, 1, 0, offset, 4), ==, rows[i].zero);
        put(f, 1, 0, offset, 0xffffffff, 4);
        g_assert_cmphex(get(f, 1, 0, offset, 4), ==, rows[i].ones);
    }
    assert_log(f, ""); /* sizing decodes nothing */
}

static void test_decode(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned bus, devfn, offset;
        uint32_t value;
        const char *effect, *back;
    } rows[] = {
        { "memory decoding off", 1, 0, PCI_COMMAND, 0x5, "bar1 off bar4 off ",
          "bar1 c0000000 bar4 380000004000 " },
        { "I/O decoding off", 1, 0, PCI_COMMAND, 0x6, "bar0 off ", "bar0 6040 " },
        { "bridge decodes no memory", 0, PORT_DEVFN, PCI_COMMAND, 0x5, "bar1 off bar4 off ",
          "bar1 c0000000 bar4 380000004000 " },
        { "bridge decodes no I/O", 0, PORT_DEVFN, PCI_COMMAND, 0x6, "bar0 off ", "bar0 6040 " },
        { "memory window elsewhere", 0, PORT_DEVFN, PCI_MEMORY_BASE, 0xd000d000, "bar1 off ",
          "bar1 c0000000 " },
        { "memory window closed", 0, PORT_DEVFN, PCI_MEMORY_BASE, 0xc000c010, "bar1 off ",
          "bar1 c0000000 " },
        { "prefetchable window closed", 0, PORT_DEVFN, PCI_PREF_BASE_UPPER, 0x3801, "bar4 off ",
          "bar4 380000004000 " },
        { "I/O window elsewhere", 0, PORT_DEVFN, PCI_IO_BASE, 0x7070, "bar0 off ", "bar0 6040 " },
        { "BAR moved inside", 1, 0, PCI_BAR0 + 4, 0xc0008000, "bar1 c0008000 ", "bar1 c0000000 " },
        { "BAR outside the window", 1, 0, PCI_BAR0 + 4, 0xc0100000, "bar1 off ", "bar1 c0000000 " },
        { "BAR at 0", 1, 0, PCI_BAR0 + 4, 0, "bar1 off ", "bar1 c0000000 " },
        { "secondary bus held in reset", 0, PORT_DEVFN, PCI_BRIDGE_CONTROL, 0x40,
          "bar0 off bar1 off bar4 off ", NULL },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        pci_bus_reset(f->root);
        program(f);
        assert_log(f, i ? f->log->str : "bar0 6040 bar1 c0000000 bar4 380000004000 ");
        g_assert_cmphex(address_space_read(f->memory, 0x380000004010, 4), ==, 0x5a10);
        g_assert_cmphex(address_space_read(f->ports, 0x6044, 2), ==, 0x5a04);
        uint32_t before = get(f, rows[i].bus, rows[i].devfn, rows[i].offset, 4);
        put(f, rows[i].bus, rows[i].devfn, rows[i].offset, rows[i].value,
            rows[i].offset == PCI_COMMAND ? 2 : 4);
        assert_log(f, rows[i].effect);
        if (rows[i].back) {
            put(f, rows[i].bus, rows[i].devfn, rows[i].offset, before,
                rows[i].offset == PCI_COMMAND ? 2 : 4);
            assert_log(f, rows[i].back);
        }
    }
    g_assert_cmphex(get(f, 1, 0, 0, 4), ==, 0xffffffff);
    put(f, 0, PORT_DEVFN, PCI_BRIDGE_CONTROL, 0, 2);
    g_assert_cmphex(get(f, 1, 0, 0, 4), ==, 0x10421af4);
    g_assert_cmphex(get(f, 1, 0, PCI_BAR0 + 4, 4), ==, 0);
}

static void test_power_state(Fixture *f, gconstpointer data)
{
    unsigned pm = 0;

    program(f);
    for (unsigned at = get(f, 1, 0, PCI_CAPABILITY_LIST, 1); at; at = get(f, 1, 0, at + 1, 1)) {
        pm = get(f, 1, 0, at, 1) == PCI_CAP_PM ? at : pm;
    }
    g_assert_cmpuint(pm, !=, 0);
    g_string_truncate(f->log, 0);
    put(f, 1, 0, pm + PCI_PM_CONTROL, 3, 2);
    assert_log(f, "bar0 off bar1 off bar4 off ");
    g_assert_false(pci_function_is_master(f->function));
    put(f, 1, 0, pm + PCI_PM_CONTROL, 0, 2);
    assert_log(f, "bar0 6040 bar1 c0000000 bar4 380000004000 ");
    g_assert_true(pci_function_is_master(f->function));
    put(f, 0, PORT_DEVFN, PCI_COMMAND, 3, 2);
    g_assert_false(pci_function_is_master(f->function));
}

static void test_bus_numbers(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint32_t numbers;
        unsigned bus;
        bool found;
    } rows[] = {
        { "no numbers", 0, 0x01, false }, { "secondary", 0x050500, 0x05, true },
        { "not the secondary", 0x050500, 4, false },
        { "below a range that nobody has", 0x090500, 0x07, false },
        { "secondary 255", 0xffff00, 0xff, true },
        { "subordinate below secondary", 0x010500, 0x05, true },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        put(f, 0, PORT_DEVFN, PCI_PRIMARY_BUS, rows[i].numbers, 4);
        g_assert_cmphex(get(f, rows[i].bus, 0, 0, 4), ==, rows[i].found ? 0x10421af4 : 0xffffffff);
        g_assert_cmphex(get(f, rows[i].bus, PCI_DEVFN(1, 0), 0, 4), ==, 0xffffffff);
    }
    g_autoptr(GError) error = NULL;
    g_assert_false(pci_bus_check(pci_bridge_bus(f->port), PCI_DEVFN(1, 0), "x", &error));
    g_assert_nonnull(strstr(error->message, "only allows plugging into slot 0"));
    g_assert_cmpint(pci_bus_free_slot(pci_bridge_bus(f->port), 0), ==, -1);
    g_assert_cmpint(pci_bus_free_slot(f->root, 2), ==, 3);
}

static void test_pins(Fixture *f, gconstpointer data)
{
    program(f);
    pci_intx_set(f->function, true); /* INTA of slot 0 behind slot 2: wire 2 */
    for (unsigned i = 0; i < PCI_NUM_PIRQS; i++) {
        g_assert_cmpint(f->pirq[i].level, ==, i == 2);
    }
    g_assert_cmphex(get(f, 1, 0, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0);
    put(f, 1, 0, PCI_COMMAND, 0x407, 2);
    g_assert_false(f->pirq[2].level);
    put(f, 1, 0, PCI_COMMAND, 7, 2);
    g_assert_true(f->pirq[2].level);
    PciFunction *other = make_function(f);
    pci_bus_add(f->root, other, PCI_DEVFN(6, 0)); /* the same wire */
    pci_intx_set(other, true);
    pci_intx_set(f->function, false);
    g_assert_true(f->pirq[2].level);
    pci_intx_set(other, false);
    g_assert_false(f->pirq[2].level);
    g_assert_cmpuint(f->pirq[2].changes, ==, 4);
}

static unsigned find_capability(Fixture *f, unsigned id)
{
    for (unsigned at = get(f, 1, 0, PCI_CAPABILITY_LIST, 1); at; at = get(f, 1, 0, at + 1, 1)) {
        if (get(f, 1, 0, at, 1) == id) {
            return at;
        }
    }
    g_assert_not_reached();
}

static void test_msi(Fixture *f, gconstpointer data)
{
    program(f);
    g_string_truncate(f->log, 0);
    unsigned msi = find_capability(f, PCI_CAP_MSI);
    g_assert_cmphex(get(f, 1, 0, msi + PCI_MSI_CONTROL, 2), ==, 0x184);
    put(f, 1, 0, msi + PCI_MSI_ADDRESS, 0xfee01003, 4);
    put(f, 1, 0, msi + PCI_MSI_DATA, 0x4043, 2);
    pci_msi_notify(f->function, 0);
    assert_log(f, ""); /* not enabled */
    put(f, 1, 0, msi + PCI_MSI_CONTROL, 0x21, 2); /* four vectors */
    pci_msi_notify(f->function, 2);
    assert_log(f, "msi fee01000=4042 ");
    pci_msi_notify(f->function, 9);
    assert_log(f, "msi fee01000=4043 ");
    put(f, 1, 0, msi + PCI_MSI_MASK, 0xffffffff, 4);
    g_assert_cmphex(get(f, 1, 0, msi + PCI_MSI_MASK, 4), ==, 0xf);
    pci_msi_notify(f->function, 1);
    pci_msi_notify(f->function, 1);
    assert_log(f, "");
    g_assert_cmphex(get(f, 1, 0, msi + PCI_MSI_PENDING, 4), ==, 2);
    put(f, 1, 0, msi + PCI_MSI_MASK, 0, 4);
    assert_log(f, "msi fee01000=4041 ");
    put(f, 1, 0, msi + PCI_MSI_CONTROL, 0x71, 2); /* more than there are */
    pci_msi_notify(f->function, 3);
    assert_log(f, "msi fee01000=4043 ");
    put(f, 1, 0, PCI_COMMAND, 3, 2);
    pci_msi_notify(f->function, 3);
    assert_log(f, ""); /* no bus master, no message */
}

static void on_vector(void *opaque, unsigned vector, bool usable, uint64_t address, uint32_t data)
{
    Fixture *f = opaque;

    g_string_append_printf(f->log, usable ? "v%u %" PRIx64 "=%x " : "v%u off ", vector, address,
                           data);
}

static void test_msix(Fixture *f, gconstpointer data)
{
    hwaddr table = MEMORY_WINDOW;

    program(f);
    g_string_truncate(f->log, 0);
    unsigned msix = find_capability(f, PCI_CAP_MSIX);
    g_assert_cmphex(get(f, 1, 0, msix, 4), ==,
                    0x00020000 | get(f, 1, 0, msix + 1, 1) << 8 | PCI_CAP_MSIX);
    g_assert_cmphex(get(f, 1, 0, msix + PCI_MSIX_TABLE, 4), ==, 1);
    g_assert_cmphex(get(f, 1, 0, msix + PCI_MSIX_PBA, 4), ==, 0x801);
    g_assert_cmphex(address_space_read(f->memory, table + 12, 4), ==, 1);
    address_space_write(f->memory, table + 16, 0xfee02001fee02003, 8);
    address_space_write(f->memory, table + 24, 0x55, 4);
    address_space_write(f->memory, table + 26, 0x1234, 2);  /* too small an access */
    address_space_write(f->memory, table + 28, 0xfffffffe, 4);
    address_space_write(f->memory, table + 48, 0xffffffff, 4); /* past the table */
    g_assert_cmphex(address_space_read(f->memory, table + 16, 8), ==, 0xfee02001fee02000);
    g_assert_cmphex(address_space_read(f->memory, table + 28, 4), ==, 0);
    pci_msix_notify(f->function, 1);
    assert_log(f, "");
    put(f, 1, 0, msix + PCI_MSIX_CONTROL, 0x8000, 2);
    pci_msix_notify(f->function, 1);
    pci_msix_notify(f->function, 3);
    pci_msix_notify(f->function, PCI_MSIX_NO_VECTOR);
    assert_log(f, "msi fee02001fee02000=55 ");
    pci_msix_notify(f->function, 0);
    assert_log(f, "");
    g_assert_cmphex(address_space_read(f->memory, table + 0x800, 8), ==, 1);
    address_space_write(f->memory, table + 12, 0, 4);
    assert_log(f, "msi 0=0 ");
    g_assert_cmphex(address_space_read(f->memory, table + 0x800, 8), ==, 0);
    pci_msix_set_notifier(f->function, on_vector, f);
    put(f, 1, 0, msix + PCI_MSIX_CONTROL, 0xc000, 2);
    assert_log(f, "v0 off v1 off v2 off ");
    pci_msix_notify(f->function, 1);
    put(f, 1, 0, msix + PCI_MSIX_CONTROL, 0x8000, 2);
    assert_log(f, "v0 0=0 msi fee02001fee02000=55 v1 fee02001fee02000=55 v2 off ");
    pci_bus_reset(f->root);
    g_assert_nonnull(strstr(f->log->str, "v0 off v1 off v2 off "));
}

/* What a function has to say while it may not write to memory, it says afterwards. */
static void test_msix_asleep(Fixture *f, gconstpointer data)
{
    hwaddr table = MEMORY_WINDOW;

    program(f);
    unsigned msix = find_capability(f, PCI_CAP_MSIX), pm = find_capability(f, PCI_CAP_PM);
    unsigned command = get(f, 1, 0, PCI_COMMAND, 2), port = get(f, 0, PORT_DEVFN, PCI_COMMAND, 2);
    address_space_write(f->memory, table + 16, 0xfee00000, 8);
    address_space_write(f->memory, table + 24, 0x55, 8);
    put(f, 1, 0, msix + PCI_MSIX_CONTROL, 0x8000, 2);

    put(f, 1, 0, pm + PCI_PM_CONTROL, 3, 2);
    g_string_truncate(f->log, 0);
    pci_msix_notify(f->function, 1);
    assert_log(f, "");
    put(f, 1, 0, pm + PCI_PM_CONTROL, 0, 2);
    g_assert_nonnull(strstr(f->log->str, "msi fee00000=55 "));
    g_string_truncate(f->log, 0);

    put(f, 1, 0, PCI_COMMAND, command & ~PCI_COMMAND_MASTER, 2);
    pci_msix_notify(f->function, 1);
    g_assert_cmphex(address_space_read(f->memory, table + 0x800, 8), ==, 2);
    assert_log(f, "");
    put(f, 1, 0, PCI_COMMAND, command, 2);
    assert_log(f, "msi fee00000=55 ");

    put(f, 0, PORT_DEVFN, PCI_COMMAND, port & ~PCI_COMMAND_MASTER, 2);
    pci_msix_notify(f->function, 1);
    assert_log(f, "");
    put(f, 0, PORT_DEVFN, PCI_COMMAND, port, 2);
    assert_log(f, "msi fee00000=55 ");
    put(f, 0, PORT_DEVFN, PCI_COMMAND, port, 2);
    assert_log(f, "");
}

/* ---- Hotplug ---- */

#define EXPRESS_CONTROL (pci_express_offset(f->port) + PCIE_SLOT_CONTROL)
#define EXPRESS_STATUS (pci_express_offset(f->port) + PCIE_SLOT_STATUS)
#define LINK_STATUS (pci_express_offset(f->port) + PCIE_LINK_STATUS)

static void enable_slot_interrupts(Fixture *f)
{
    program(f);
    put(f, 0, PORT_DEVFN, 0x3c, 10, 1);
    for (unsigned at = get(f, 0, PORT_DEVFN, PCI_CAPABILITY_LIST, 1); at;
         at = get(f, 0, PORT_DEVFN, at + 1, 1)) {
        if (get(f, 0, PORT_DEVFN, at, 1) == PCI_CAP_MSI) {
            put(f, 0, PORT_DEVFN, at + PCI_MSI_ADDRESS, 0xfee00000, 4);
            put(f, 0, PORT_DEVFN, at + PCI_MSI_DATA, 0x31, 2);
            put(f, 0, PORT_DEVFN, at + PCI_MSI_CONTROL, 1, 2);
        }
    }
    put(f, 0, PORT_DEVFN, EXPRESS_CONTROL, (get(f, 0, PORT_DEVFN, EXPRESS_CONTROL, 2) | 0x1029), 2);
    put(f, 0, PORT_DEVFN, EXPRESS_STATUS, 0xffff, 2);
    g_string_truncate(f->log, 0);
}

static void test_unplug(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    enable_slot_interrupts(f);
    g_assert_cmphex(get(f, 0, PORT_DEVFN, EXPRESS_STATUS, 2), ==, 0x40);
    g_assert_cmphex(get(f, 0, PORT_DEVFN, LINK_STATUS, 2), ==, 0x2011);
    g_assert_true(pcie_root_port_request_unplug(f->port, "disk", &error));
    assert_log(f, "msi fee00000=31 ");
    g_assert_cmphex(get(f, 0, PORT_DEVFN, EXPRESS_STATUS, 2), ==, 0x41);
    g_assert_false(pcie_root_port_request_unplug(f->port, "disk", &error));
    g_assert_cmpstr(error->message, ==, "Device disk is already in the process of unplug");
    put(f, 0, PORT_DEVFN, EXPRESS_STATUS, 1, 2);
    put(f, 0, PORT_DEVFN, EXPRESS_CONTROL, 0x17e9, 2); /* power off, indicator off */
    g_assert_true(f->function_freed);
    g_assert_nonnull(strstr(f->log->str, "msi fee00000=31 unplugged 0 "));
    /* presence and link changed, command done */
    g_assert_cmphex(get(f, 0, PORT_DEVFN, EXPRESS_STATUS, 2), ==, 0x118);
    g_assert_cmphex(get(f, 0, PORT_DEVFN, LINK_STATUS, 2), ==, 0x11);
    g_assert_cmphex(get(f, 1, 0, 0, 4), ==, 0xffffffff);
    g_assert_false(pcie_root_port_unplug_pending(f->port));
    g_clear_error(&error);
    g_assert_false(pcie_root_port_request_unplug(f->port, "disk", &error));
    g_assert_cmpstr(error->message, ==, "Hot-unplug of disk: the slot is empty");
    g_clear_error(&error);

    PciFunction *again = make_function(f);
    put(f, 0, PORT_DEVFN, EXPRESS_STATUS, 0xffff, 2);
    g_string_truncate(f->log, 0);
    g_assert_true(pcie_root_port_plug(f->port, again, 0, "disk", &error));
    g_assert_cmpstr(f->log->str, ==, "msi fee00000=31 ");
    g_assert_cmphex(get(f, 0, PORT_DEVFN, EXPRESS_STATUS, 2), ==, 0x49);
    g_assert_cmphex(get(f, 1, 0, 0, 4), ==, 0xffffffff); /* no power yet */
    put(f, 0, PORT_DEVFN, EXPRESS_CONTROL, 0x11e9, 2);
    g_assert_cmphex(get(f, 1, 0, 0, 4), ==, 0x10421af4);
    g_assert_cmphex(get(f, 0, PORT_DEVFN, LINK_STATUS, 2), ==, 0x2011);
}

static void test_power_without_request(Fixture *f, gconstpointer data)
{
    enable_slot_interrupts(f);
    put(f, 0, PORT_DEVFN, EXPRESS_CONTROL, 0x17e9, 2);
    g_assert_cmphex(get(f, 1, 0, 0, 4), ==, 0xffffffff);
    g_assert_false(f->function_freed);
    put(f, 0, PORT_DEVFN, EXPRESS_CONTROL, 0x11e9, 2);
    g_assert_cmphex(get(f, 1, 0, 0, 4), ==, 0x10421af4);
    g_assert_cmphex(get(f, 1, 0, PCI_COMMAND, 2), ==, 0); /* it lost its registers */
}

static void test_reset_completes_unplug(Fixture *f, gconstpointer data)
{
    g_assert_true(pcie_root_port_request_unplug(f->port, "disk", NULL));
    pci_bus_reset(f->root);
    g_assert_true(f->function_freed);
    g_assert_cmphex(get(f, 0, PORT_DEVFN, EXPRESS_STATUS, 2), ==, 0);
    g_assert_cmphex(get(f, 0, PORT_DEVFN, EXPRESS_CONTROL, 2), ==, 0x7c0);
}

static void test_refusals(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    PciFunction *fixed = pcie_root_port_new(&(PcieRootPortConfig) { .slot = 6 }, &slot_ops, f);
    PciFunction *other = make_function(f);

    pci_bus_add(f->root, fixed, PCI_DEVFN(3, 0));
    g_assert_false(pcie_root_port_plug(fixed, other, 0, "nic", &error));
    g_assert_nonnull(strstr(error->message, "hotplug=off"));
    g_clear_error(&error);
    g_assert_false(pcie_root_port_request_unplug(fixed, "nic", &error));
    g_clear_error(&error);
    g_assert_false(pcie_root_port_plug(f->port, other, 0, "nic", &error));
    g_assert_nonnull(strstr(error->message, "in use"));
    g_clear_error(&error);
    g_assert_false(pcie_root_port_plug(f->port, other, PCI_DEVFN(1, 0), "nic", &error));
    g_assert_cmphex(get(f, 0, PCI_DEVFN(3, 0), pci_express_offset(fixed) + PCIE_SLOT_CAP, 4), ==,
                    6 << 19);
    g_assert_cmphex(get(f, 0, PORT_DEVFN, pci_express_offset(f->port) + PCIE_SLOT_CAP, 4), ==,
                    5 << 19 | 0x5b);
    pci_function_free(other);
}

#define ADD(name, function) \
    g_test_add("/pci-devices/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("sizing", test_sizing);
    ADD("decode", test_decode);
    ADD("power-state", test_power_state);
    ADD("bus-numbers", test_bus_numbers);
    ADD("pins", test_pins);
    ADD("msi", test_msi);
    ADD("msix", test_msix);
    ADD("msix-asleep", test_msix_asleep);
    ADD("unplug", test_unplug);
    ADD("power-without-request", test_power_without_request);
    ADD("reset-completes-unplug", test_reset_completes_unplug);
    ADD("refusals", test_refusals);
    return g_test_run();
}
