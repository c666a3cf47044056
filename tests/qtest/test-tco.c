/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chipset's watchdog as Linux' iTCO_wdt uses it, and what becomes of the machine. */
#include <string.h>

#include "pci.h"

#define MS UINT64_C(1000000)
#define RCBA UINT64_C(0xfed1c000)
#define GCS (RCBA + 0x3410)
#define NO_REBOOT 0x20
#define PMBASE 0x600
#define TCO (PMBASE + 0x60)
#define PATIENCE_MS (4 * 600) /* the least, twice */

static const PciAddress lpc = { 0, 0x1f << 3 };

static void place(Client *c)
{
    pci_config_write(c, lpc, 0x40, PMBASE | 1, 4);
    pci_config_write(c, lpc, 0x44, 0x80, 4);
    pci_config_write(c, lpc, 0xf0, (uint32_t)RCBA | 1, 4);
}

static void start(Client *c)
{
    client_write(c, GCS, 0, 4);
    client_out(c, TCO + 0x12, 4, 2);
    client_out(c, TCO, 1, 2);
    client_out(c, TCO + 8, 0, 2);
}

/* What is over by then is seen when a register is read. */
static void pass(Client *c, unsigned ms)
{
    client_clock_step(c, ms * MS);
    client_in(c, TCO, 2);
}

static void expect_event(Client *c, const char *name, const char *data)
{
    g_autofree char *event = client_event(c, name);

    g_test_message("%s", event);
    g_assert_nonnull(strstr(event, data));
}

static void test_actions(void)
{
    static const char *const arguments[] = {
        "-global", "ICH9-LPC.noreboot=off", "-watchdog-action", "pause", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    place(c);
    g_assert_cmphex(client_read(c, GCS, 4), ==, 0);
    client_write(c, GCS, NO_REBOOT, 4);
    g_assert_cmphex(client_read(c, GCS, 4), ==, NO_REBOOT);
    start(c);
    pass(c, PATIENCE_MS);
    g_assert_cmphex(client_in(c, TCO + 4, 2), ==, 8);
    pass(c, PATIENCE_MS);
    expect_event(c, "WATCHDOG", "\"action\": \"pause\"");
    g_autofree char *status = client_qmp(c, "{\"execute\":\"query-status\"}");
    g_assert_nonnull(strstr(status, "\"status\": \"watchdog\""));
    g_assert_cmphex(client_in(c, TCO + 6, 2), ==, 6);
    g_free(client_qmp(c, "{\"execute\":\"set-action\",\"arguments\":{\"watchdog\":\"reset\"}}"));
    g_free(client_qmp(c, "{\"execute\":\"cont\"}"));
    start(c);
    pass(c, PATIENCE_MS);
    pass(c, PATIENCE_MS);
    expect_event(c, "WATCHDOG", "\"action\": \"reset\"");
    expect_event(c, "RESET", "\"reason\": \"guest-reset\"");
}

/* Machines have the strap unless -global says otherwise: drivers see that it is of no use. */
static void test_strap(void)
{
    static const char *const arguments[] = { NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    place(c);
    g_assert_cmphex(client_read(c, GCS, 4), ==, NO_REBOOT);
    client_write(c, GCS, 0, 4);
    g_assert_cmphex(client_read(c, GCS, 4), ==, NO_REBOOT);
    g_assert_cmphex(client_read(c, GCS + 4, 4), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/tco/actions", test_actions);
    g_test_add_func("/qtest/tco/strap", test_strap);
    return g_test_run();
}
