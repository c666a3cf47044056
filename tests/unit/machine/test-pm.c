/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI registers and the ways to reset. */
#include "fixture.h"
#include "hw/i386/pm.h"
#include "hw/i386/reset-ports.h"
#include "hw/pci/pci.h"

#define BASE 0x600
/* ns until the counter is at 0 again, rounded down */
#define WRAP ((UINT64_C(1) << 24) * SECOND / PM_TIMER_HZ)

typedef struct Fixture {
    AddressSpace *ports;
    uint64_t now;
    Events events;
    Watch sci;
    IrqLine line;
    Pm *pm;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->ports = address_space_new("ports");
    f->now = 123456789;
    f->line = (IrqLine) { on_irq, &f->sci };
    f->pm = pm_new(f->ports, (Clock){fake_now, &f->now}, &f->line, &counting_runstate, &f->events);
    pm_place(f->pm, true, BASE);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    pm_free(f->pm);
    address_space_free(f->ports);
}

static void test_timer(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint64_t after;
        uint32_t value;
    } rows[] = {
        { "start", 0, 0 }, { "one tick less", 279, 0 }, { "one tick", 280, 1 },
        { "1 ms", 1000000, 3579 },
        { "1 s", SECOND, 3579545 }, { "last before the wrap", WRAP, 0xffffff },
        { "wrapped", WRAP + 1, 0 },
        { "twice", 2 * WRAP + 281, 0 }, { "a day", 86400 * SECOND,
                                          0xffffff & (86400 * UINT64_C(3579545)) },
        { "a century", 3155760000 * SECOND, 0xffffff & (3155760000 * UINT64_C(3579545)) },
    };
    uint64_t start = f->now;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        f->now = start + rows[i].after;
        uint64_t value = in(f->ports, BASE + 8, 4);
        if (g_str_equal(rows[i].label, "twice")) {
            g_assert_cmpuint(value, <=, 1);
            continue;
        }
        g_assert_cmphex(value, ==, rows[i].value);
        g_assert_cmphex(in(f->ports, BASE + 8, 1), ==, rows[i].value & 0xff);
        g_assert_cmphex(in(f->ports, BASE + 9, 2), ==, rows[i].value >> 8 & 0xffff);
        g_assert_cmphex(in(f->ports, BASE + 6, 4), ==, rows[i].value << 16);
        out(f->ports, BASE + 8, 0x123456, 4); /* read-only */
        g_assert_cmphex(in(f->ports, BASE + 8, 4), ==, rows[i].value);
    }
}

static void test_carry(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(in(f->ports, BASE, 2), ==, 0);
    f->now += WRAP / 2 + 1000;
    g_assert_cmphex(in(f->ports, BASE, 2), ==, 1);
    g_assert_false(f->sci.level);
    out(f->ports, BASE + 2, 1, 2);
    g_assert_false(f->sci.level); /* SCI_EN is off */
    out(f->ports, BASE + 4, 1, 2);
    g_assert_true(f->sci.level);
    out(f->ports, BASE, 0, 2); /* zeros clear nothing */
    g_assert_true(f->sci.level);
    out(f->ports, BASE, 1, 1);
    g_assert_false(f->sci.level);
    g_assert_cmphex(in(f->ports, BASE, 2), ==, 0);
    f->now += WRAP / 2;
    g_assert_cmphex(in(f->ports, BASE, 4), ==, 0x00010001);
    g_assert_true(f->sci.level);
    pm_reset(f->pm);
    g_assert_false(f->sci.level);
    g_assert_cmphex(in(f->ports, BASE, 4), ==, 0);
}

static void test_power_button(Fixture *f, gconstpointer data)
{
    pm_power_button(f->pm);
    g_assert_cmphex(in(f->ports, BASE, 2), ==, 0x100);
    g_assert_false(f->sci.level);
    out(f->ports, BASE + 4, 1, 2);
    out(f->ports, BASE + 2, 0x100, 2);
    g_assert_true(f->sci.level);
    out(f->ports, BASE, 0x100, 2);
    g_assert_false(f->sci.level);
    pm_power_button(f->pm);
    g_assert_true(f->sci.level);
    pm_reset(f->pm);
    g_assert_false(f->sci.level);
}

static void test_sleep(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned offset, size;
        uint32_t value;
        bool off;
        uint16_t control;
    } rows[] = {
        { "sci enable alone", 4, 2, 0x0001, false, 0x0001 },
        { "type without enable", 4, 2, 0x1c00, false, 0x1c00 },
        { "type 1", 4, 2, 0x2400, false, 0x0400 }, { "type 2", 4, 2, 0x2800, false, 0x0800 },
        { "type 5", 4, 2, 0x3401, false, 0x1401 }, { "type 7", 4, 2, 0x3c00, false, 0x1c00 },
        { "lower byte", 4, 1, 0x20, false, 0x1c00 },
        { "off", 4, 2, 0x2000, true, 0 }, { "off, sci on", 4, 2, 0x2001, true, 1 },
        { "off by byte", 5, 1, 0x20, true, 1 }, { "type 1 by byte", 5, 1, 0x24, false, 0x0401 },
        { "off by dword", 4, 4, 0x2000, true, 0 }, { "off from below", 2, 4, 0x20000000, true, 0 },
        { "all ones", 4, 4, 0xffffffff, false, 0x1c03 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        f->events.shutdowns = 0;
        out(f->ports, BASE + rows[i].offset, rows[i].value, rows[i].size);
        g_assert_cmpuint(f->events.shutdowns, ==, rows[i].off);
        g_assert_cmphex(in(f->ports, BASE + 4, 2), ==, rows[i].control);
    }
    g_assert_cmpint(f->events.cause, ==, SHUTDOWN_GUEST_SHUTDOWN);
    g_assert_cmpuint(f->events.resets, ==, 0);
}

static void test_gpe(Fixture *f, gconstpointer data)
{
    out(f->ports, BASE + 0x28, 0xffffffff, 4);
    g_assert_cmphex(in(f->ports, BASE + 0x28, 4), ==, 0xffffffff);
    out(f->ports, BASE + 0x20, 0xffffffff, 4);
    g_assert_cmphex(in(f->ports, BASE + 0x20, 4), ==, 0);
    out(f->ports, BASE + 0x5c, 0xffffffff, 4); /* nothing there */
    g_assert_cmphex(in(f->ports, BASE + 0x5e, 4), ==, 0xffff0000);
    g_assert_cmphex(in(f->ports, BASE - 2, 4), ==, 0x0000ffff);
}

/* Reset ports, with the PCI address register around CF9 */
typedef struct ResetRow {
    const char *label;
    uint16_t port;
    uint8_t values[3];
    unsigned count, resets, reads;
} ResetRow;

static void test_reset(void)
{
    static const ResetRow rows[] = {
        { "cf9 06", 0xcf9, { 0x06 }, 1, 1, 0x06 },
        { "cf9 02 then 06", 0xcf9, { 0x02, 0x06 }, 2, 1, 0x06 },
        { "cf9 0e", 0xcf9, { 0x0e }, 1, 1, 0x0e },
        { "cf9 04 stays", 0xcf9, { 0x04, 0x04 }, 2, 1, 0x04 },
        { "cf9 04 again", 0xcf9, { 0x04, 0x00, 0x04 }, 3, 2, 0x04 },
        { "cf9 02", 0xcf9, { 0x02 }, 1, 0, 0x02 },
        { "cf9 reserved bits", 0xcf9, { 0xf1 }, 1, 0, 0x00 },
        { "cf9 08", 0xcf9, { 0x08 }, 1, 0, 0x08 },
        { "cf8", 0xcf8, { 0x06 }, 1, 0, 0xff }, { "cfa", 0xcfa, { 0x06 }, 1, 0, 0xff },
        { "64 fe", 0x64, { 0xfe }, 1, 1, 0xff }, { "64 ff", 0x64, { 0xff }, 1, 0, 0xff },
        { "64 d1", 0x64, { 0xd1 }, 1, 0, 0xff }, { "60 fe", 0x60, { 0xfe }, 1, 0, 0xff },
        { "92 02", 0x92, { 0x02 }, 1, 0, 0x02 }, { "92 01", 0x92, { 0x01 }, 1, 1, 0x01 },
        { "92 03 twice", 0x92, { 0x03, 0x03 }, 2, 1, 0x03 },
        { "92 fc", 0x92, { 0xfc }, 1, 0, 0x00 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const ResetRow *row = &rows[i];
        Events events = { 0 };
        AddressSpace *ports = address_space_new("ports"), *memory = address_space_new("memory");
        ResetPorts *reset = reset_ports_new(ports, &counting_runstate, &events);
        PciBus *bus = pci_bus_new(NULL);
        PciHost *host = pci_host_new(bus, memory, ports, &reset_control_ops, reset);
        g_test_message("%s", row->label);
        for (unsigned n = 0; n < row->count; n++) {
            out(ports, row->port, row->values[n], 1);
        }
        g_assert_cmpuint(events.resets, ==, row->resets);
        g_assert_cmpint(events.cause, ==, row->resets ? SHUTDOWN_GUEST_RESET : SHUTDOWN_NONE);
        g_assert_cmphex(in(ports, row->port, 1), ==, row->reads);
        reset_ports_reset(reset);
        g_assert_cmphex(in(ports, 0xcf9, 1), ==, 0);
        pci_host_free(host);
        pci_bus_free(bus);
        reset_ports_free(reset);
        address_space_free(ports);
        address_space_free(memory);
    }
}

static void test_cost(void)
{
    AddressSpace *ports = address_space_new("ports");
    Pm *pm = pm_new(ports, (Clock) { 0 }, NULL, NULL, NULL);
    unsigned count = 200000;

    pm_place(pm, true, BASE);
    gint64 start = g_get_monotonic_time();
    for (unsigned i = 0; i < count; i++) {
        in(ports, BASE + 8, 4);
    }
    g_test_message("%.1f ns a read of the timer",
                   (g_get_monotonic_time() - start) * 1000.0 / count);
    pm_free(pm);
    address_space_free(ports);
}

#define ADD(name, function) g_test_add("/pm/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("timer", test_timer);
    ADD("carry", test_carry);
    ADD("sleep", test_sleep);
    ADD("gpe", test_gpe);
    ADD("power-button", test_power_button);
    g_test_add_func("/pm/reset-ports", test_reset);
    g_test_add_func("/pm/cost", test_cost);
    return g_test_run();
}
