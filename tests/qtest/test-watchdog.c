/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i6300esb as Linux drives it (drivers/watchdog/i6300esb.c), and what follows from its silence. */
#include <string.h>

#include "pci.h"

#define MS UINT64_C(1000000)
enum { CONFIG = 0x60, LOCK = 0x68, ENABLE = 2, LOCKED = 1, FREE_RUNNING = 4, OUTPUT_OFF = 0x20 };
enum { PRELOAD_1 = 0, PRELOAD_2 = 4, INTERRUPT = 8, RELOAD = 12, STROKE = 0x100,
       TIMED_OUT = 0x200 };
#define SECOND 0x400 /* of a preload register: some more than a second */

static const PciAddress card = { 0, 5 << 3 };

static Client *start(const char *action)
{
    const char *const arguments[] = { "-device", "i6300esb,id=dog,addr=5", "-action", action,
                                      NULL };
    Client *c = client_start(client_program(), arguments);

    g_assert_cmpuint(pci_place_bar(c, card, 0, PCI_MMIO_BASE), ==, 16);
    pci_enable(c, card);
    return c;
}

static uint32_t get(Client *c, unsigned at)
{
    return (uint32_t)client_read(c, PCI_MMIO_BASE + at, at == RELOAD ? 2 : 4);
}

static void put(Client *c, unsigned at, uint32_t value)
{
    client_write(c, PCI_MMIO_BASE + RELOAD, 0x80, 2);
    client_write(c, PCI_MMIO_BASE + RELOAD, 0x86, 2);
    client_write(c, PCI_MMIO_BASE + at, value, at == RELOAD ? 2 : 4);
}

/* Two stages of a second each begin. */
static void begin(Client *c, uint8_t lock)
{
    put(c, PRELOAD_1, SECOND);
    put(c, PRELOAD_2, SECOND);
    put(c, RELOAD, STROKE);
    pci_config_write(c, card, LOCK, lock, 1);
}

/* What is over by then is seen when a register is read. */
static void pass(Client *c, unsigned ms)
{
    client_clock_step(c, ms * MS);
    get(c, RELOAD);
}

static void expect_status(Client *c, const char *status)
{
    g_autofree char *now = client_qmp(c, "{\"execute\":\"query-status\"}");
    g_autofree char *text = g_strdup_printf("\"status\": \"%s\"", status);

    g_test_message("%s", now);
    g_assert_nonnull(strstr(now, text));
}

static void test_registers(void)
{
    g_autoptr(Client) c = start("watchdog=none");

    g_assert_cmphex(pci_config_read(c, card, 0, 4), ==, 0x25ab8086);
    g_assert_cmphex(pci_config_read(c, card, 10, 2), ==, 0x0880);
    pci_config_write(c, card, CONFIG, 0xffff, 2);
    g_assert_cmphex(pci_config_read(c, card, CONFIG, 2), ==, 0x27);
    g_assert_cmphex(get(c, PRELOAD_1), ==, 0xfffff);
    client_write(c, PCI_MMIO_BASE + PRELOAD_1, 1, 4); /* not unlocked */
    g_assert_cmphex(get(c, PRELOAD_1), ==, 0xfffff);
    client_write(c, PCI_MMIO_BASE + RELOAD, 0x86, 2); /* in the wrong order */
    client_write(c, PCI_MMIO_BASE + RELOAD, 0x80, 2);
    client_write(c, PCI_MMIO_BASE + PRELOAD_1, 1, 4);
    g_assert_cmphex(get(c, PRELOAD_1), ==, 0xfffff);
    put(c, PRELOAD_1, 0xfff12345);
    client_write(c, PCI_MMIO_BASE + PRELOAD_2, 1, 4); /* one write for each unlocking */
    g_assert_cmphex(get(c, PRELOAD_1), ==, 0x12345);
    g_assert_cmphex(get(c, PRELOAD_2), ==, 0xfffff);
    /* What is locked stays so until the machine is reset. */
    pci_config_write(c, card, LOCK, ENABLE | LOCKED, 1);
    pci_config_write(c, card, LOCK, 0, 1);
    g_assert_cmphex(pci_config_read(c, card, LOCK, 1), ==, ENABLE | LOCKED);
    g_free(client_qmp(c, "{\"execute\":\"system_reset\"}"));
    g_free(client_event(c, "RESET"));
    g_assert_cmphex(pci_config_read(c, card, LOCK, 1), ==, 0);
    g_assert_cmphex(pci_config_read(c, card, CONFIG, 2), ==, 0);
}

static void test_stages(void)
{
    g_autoptr(Client) c = start("watchdog=none");

    begin(c, ENABLE);
    for (unsigned i = 0; i < 5; i++) { /* stroked in time, nothing ever follows */
        pass(c, 900);
        g_assert_cmphex(get(c, INTERRUPT), ==, 0);
        put(c, RELOAD, STROKE);
    }
    pass(c, 1100);
    g_assert_cmphex(get(c, INTERRUPT), ==, 1);
    client_write(c, PCI_MMIO_BASE + INTERRUPT, 1, 4);
    g_assert_cmphex(get(c, INTERRUPT), ==, 0);
    put(c, RELOAD, STROKE); /* from the first stage on again */
    pass(c, 1100);
    g_assert_cmphex(get(c, RELOAD), ==, 0);
    pass(c, 1100);
    g_autofree char *event = client_event(c, "WATCHDOG");
    g_assert_nonnull(strstr(event, "\"action\": \"none\""));
    g_assert_cmphex(get(c, RELOAD), ==, TIMED_OUT);
    g_assert_cmphex(pci_config_read(c, card, LOCK, 1), ==, 0); /* to be started again */
    put(c, RELOAD, TIMED_OUT);
    g_assert_cmphex(get(c, RELOAD), ==, 0);
    /* Disabled in between; then with nothing to follow; then without an end. */
    begin(c, ENABLE);
    pass(c, 1100);
    pci_config_write(c, card, LOCK, 0, 1);
    pass(c, 5000);
    g_assert_cmphex(get(c, RELOAD), ==, 0);
    pci_config_write(c, card, CONFIG, OUTPUT_OFF, 2);
    begin(c, ENABLE);
    pass(c, 1100);
    pass(c, 1100);
    g_assert_cmphex(get(c, RELOAD), ==, TIMED_OUT);
    pci_config_write(c, card, LOCK, 0, 1);
    put(c, RELOAD, TIMED_OUT);
    begin(c, ENABLE | FREE_RUNNING);
    for (unsigned i = 0; i < 6; i++) {
        pass(c, 1100);
        g_assert_cmphex(get(c, RELOAD), ==, 0);
    }
    expect_status(c, "running");
}

/* The shortest stages there are, with the program's own timer, which nobody has to ask. */
static void test_timer(void)
{
    const char *const arguments[] = { "-device", "i6300esb,addr=5", "-action", "watchdog=pause",
                                      NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    pci_place_bar(c, card, 0, PCI_MMIO_BASE);
    pci_enable(c, card);
    put(c, PRELOAD_1, 0);
    put(c, PRELOAD_2, 0);
    pci_config_write(c, card, LOCK, ENABLE, 1);
    client_clock_step(c, 1000 * MS);
    /* Once to see that the first stage is over; the second's end is a millisecond later. */
    while (!(get(c, INTERRUPT))) {
        g_usleep(1000);
    }
    client_clock_step(c, 1000 * MS);
    g_free(client_event(c, "WATCHDOG"));
    g_free(client_event(c, "STOP"));
    expect_status(c, "watchdog");
    g_free(client_qmp(c, "{\"execute\":\"cont\"}"));
    expect_status(c, "running");
}

static void test_actions(void)
{
    static const struct {
        const char *action, *event, *status;
    } rows[] = {
        { "reset", "RESET", "running" }, { "shutdown", "POWERDOWN", "running" },
        { "pause", "STOP", "watchdog" }, { "debug", NULL, "running" }, { "none", NULL, "running" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *action = g_strdup_printf("watchdog=%s", rows[i].action);
        g_autofree char *text = g_strdup_printf("\"action\": \"%s\"", rows[i].action);
        g_autoptr(Client) c = start(i % 2 ? "watchdog=none" : action);

        g_test_message("%s", action);
        if (i % 2) { /* or by a monitor */
            g_free(client_qmp(
                c, "{\"execute\":\"set-action\",\"arguments\":{\"watchdog\":\"%s\"}}",
                rows[i].action));
        }
        begin(c, ENABLE);
        pass(c, 1100);
        pass(c, 1100);
        g_autofree char *event = client_event(c, "WATCHDOG");
        g_assert_nonnull(strstr(event, text));
        if (rows[i].event) {
            g_free(client_event(c, rows[i].event));
        }
        expect_status(c, rows[i].status);
        pci_place_bar(c, card, 0, PCI_MMIO_BASE); /* the reset took it */
        pci_enable(c, card);
        g_assert_cmphex(get(c, RELOAD), ==, TIMED_OUT); /* the next kernel wants to know */
    }
    g_autoptr(Client) c = start("watchdog=none");
    g_autofree char *answer = client_qmp_try(
        c, "{\"execute\":\"set-action\",\"arguments\":{\"watchdog\":\"inject-nmi\"}}");
    g_assert_nonnull(strstr(answer, "takes no NMI"));
}

/* A guest that is stopped cannot stroke. */
static void test_paused(void)
{
    g_autoptr(Client) c = start("watchdog=none");

    begin(c, ENABLE);
    pass(c, 900);
    g_free(client_qmp(c, "{\"execute\":\"stop\"}"));
    pass(c, 100 * 1000);
    g_assert_cmphex(get(c, INTERRUPT), ==, 0);
    g_free(client_qmp(c, "{\"execute\":\"cont\"}"));
    get(c, INTERRUPT);
    g_assert_cmphex(get(c, INTERRUPT), ==, 0);
    pass(c, 200);
    g_assert_cmphex(get(c, INTERRUPT), ==, 1);
    g_free(client_qmp(c, "{\"execute\":\"stop\"}"));
    pass(c, 100 * 1000);
    g_assert_cmphex(get(c, RELOAD), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/watchdog/registers", test_registers);
    g_test_add_func("/qtest/watchdog/stages", test_stages);
    g_test_add_func("/qtest/watchdog/timer", test_timer);
    g_test_add_func("/qtest/watchdog/actions", test_actions);
    g_test_add_func("/qtest/watchdog/paused", test_paused);
    return g_test_run();
}
