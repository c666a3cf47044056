/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvpanic and pvpanic-pci: what a guest tells of itself, and what becomes of the machine. */
#include <string.h>

#include "pci.h"

static const PciAddress card = { 0, 5 << 3 };

static void expect_status(Client *c, const char *status)
{
    g_autofree char *now = client_qmp(c, "{\"execute\":\"query-status\"}");
    g_autofree char *text = g_strdup_printf("\"status\": \"%s\"", status);

    g_assert_nonnull(strstr(now, text));
}

static void expect_event(Client *c, const char *name, const char *data)
{
    g_autofree char *event = client_event(c, name);

    g_test_message("%s", event);
    g_assert_nonnull(strstr(event, data));
}

static void test_isa(void)
{
    static const char *const arguments[] = {
        "-device", "pvpanic", "-action", "panic=pause", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    g_assert_cmphex(client_in(c, 0x505, 1), ==, 7);
    client_out(c, 0x505, 0x80, 1); /* nothing that there is */
    client_out(c, 0x505, 2, 1);
    expect_event(c, "GUEST_CRASHLOADED", "\"action\": \"run\"");
    expect_status(c, "running");
    client_out(c, 0x505, 1, 1);
    expect_event(c, "GUEST_PANICKED", "\"data\": {\"action\": \"pause\"}");
    expect_status(c, "guest-panicked");
}

static void test_pci(void)
{
    static const char *const arguments[] = {
        "-device", "pvpanic-pci,addr=5", "-action", "panic=none", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    g_assert_cmphex(pci_config_read(c, card, 0, 4), ==, 0x00111b36);
    g_assert_cmphex(pci_config_read(c, card, 10, 2), ==, 0x0880);
    g_assert_cmpuint(pci_place_bar(c, card, 0, PCI_MMIO_BASE), ==, 16);
    pci_enable(c, card);
    g_assert_cmphex(client_read(c, PCI_MMIO_BASE, 1), ==, 7);
    g_assert_cmphex(client_read(c, PCI_MMIO_BASE + 1, 1), ==, 0);
    client_write(c, PCI_MMIO_BASE + 1, 1, 1);
    client_write(c, PCI_MMIO_BASE, 1, 1);
    expect_event(c, "GUEST_PANICKED", "\"data\": {\"action\": \"run\"}");
    expect_status(c, "running");
    client_write(c, PCI_MMIO_BASE, 1, 1); /* and again */
    expect_event(c, "GUEST_PANICKED", "\"data\": {\"action\": \"run\"}");
}

/* What the option does not allow is not told. */
static void test_events(void)
{
    static const char *const arguments[] = {
        "-device", "pvpanic-pci,addr=5,events=2", "-device", "pvpanic,ioport=0x600,events=4",
        "-no-shutdown", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    pci_place_bar(c, card, 0, PCI_MMIO_BASE);
    pci_enable(c, card);
    g_assert_cmphex(client_read(c, PCI_MMIO_BASE, 1), ==, 2);
    client_write(c, PCI_MMIO_BASE, 5, 1);
    expect_status(c, "running");
    g_assert_cmphex(client_in(c, 0x505, 1), ==, 0xff);
    g_assert_cmphex(client_in(c, 0x600, 1), ==, 4);
    client_out(c, 0x600, 7, 1);
    g_free(client_event(c, "GUEST_PVSHUTDOWN"));
    expect_event(c, "SHUTDOWN", "\"guest\": true, \"reason\": \"guest-shutdown\"");
    expect_status(c, "shutdown");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/panic/isa", test_isa);
    g_test_add_func("/qtest/panic/pci", test_pci);
    g_test_add_func("/qtest/panic/events", test_events);
    return g_test_run();
}
