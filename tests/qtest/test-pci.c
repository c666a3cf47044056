/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI host and root ports as firmware finds them, and hotplug as a guest's driver takes part in
 * it.
 */
#include <string.h>

#include "virtio.h"

#define WINDOW (PCI_MMIO_BASE + 0x1000000)
enum { CAP_VENDOR = 0x09, CAP_EXPRESS = 0x10, SLOT_CONTROL = 0x18, SLOT_STATUS = 0x1a };
enum { BUTTON = 1, PRESENCE_CHANGED = 8, PRESENT = 0x40, POWER_OFF = 0x400, INDICATOR_OFF = 0x300,
       INDICATOR_ON = 0x100 };

static const PciAddress host = { 0, 0 }, lpc = { 0, 0x1f << 3 }, port = { 0, 2 << 3 },
behind = { 1, 0 };

static void test_host(void)
{
    static const char *const nothing[] = { NULL };
    g_autoptr(Client) c = client_start(client_program(), nothing);

    g_assert_cmphex(pci_config_read(c, host, 0, 4), ==, 0x29c08086);
    g_assert_cmphex(pci_config_read(c, host, 10, 2), ==, 0x0600);
    g_assert_cmphex(pci_config_read(c, lpc, 0, 4), ==, 0x29188086);
    g_assert_cmphex(pci_config_read(c, (PciAddress) { 0, 9 << 3 }, 0, 4), ==, 0xffffffff);
    g_assert_cmphex(pci_config_read(c, (PciAddress) { 9, 0 }, 0, 4), ==, 0xffffffff);
    /* Identity is read-only. */
    pci_config_write(c, host, 0, 0, 4);
    g_assert_cmphex(pci_config_read(c, host, 0, 4), ==, 0x29c08086);
    /* ECAM, where PCIEXBAR puts it: the same registers. */
    pci_config_write(c, host, 0x60, 0xb0000001, 4);
    g_assert_cmphex(client_read(c, 0xb0000000, 4), ==, 0x29c08086);
    g_assert_cmphex(client_read(c, 0xb00f8000, 4), ==, 0x29188086);
    g_assert_cmphex(client_read(c, 0xb0100000, 4), ==, 0xffffffff);
    pci_config_write(c, host, 0x60, 0, 4);
    g_assert_cmphex(client_read(c, 0xb0000000, 4), !=, 0x29c08086);
}

static void test_root_port(void)
{
    static const char *const arguments[] = {
        "-device", "pcie-root-port,id=port1,chassis=1,addr=2", "-device",
        "virtio-rng-pci,bus=port1,addr=0", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    Driver driver;

    g_assert_cmphex(pci_config_read(c, port, 10, 2), ==, 0x0604);
    g_assert_cmphex(pci_config_read(c, port, 14, 1) & 0x7f, ==, 1);
    g_assert_cmphex(pci_config_read(c, behind, 0, 4), ==, 0xffffffff); /* no bus numbers yet */
    pci_set_up_bridge(c, port, 1, WINDOW);
    g_assert_cmphex(pci_config_read(c, behind, 0, 4), ==, 0x10441af4);
    /* one slot */
    g_assert_cmphex(pci_config_read(c, (PciAddress) { 1, 1 << 3 }, 0, 4), ==, 0xffffffff);
    driver_start(&driver, c, behind, WINDOW, 0, 1);
    /* What the bridge does not forward does not reach the device. */
    g_assert_cmphex(driver_status(&driver), ==, 0xf);
    pci_config_write(c, port, 4, 4, 2);
    g_assert_cmphex(driver_status(&driver), ==, 0xff);
    pci_config_write(c, port, 4, 6, 2);
    g_assert_cmphex(driver_status(&driver), ==, 0xf);
}

/* A conventional bridge, as container runtimes ask for it: 32 slots, no hotplug. */
static void test_bridge(void)
{
    static const char *const arguments[] = {
        "-device",
        "pci-bridge,id=br,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,mem-reserve=1m,"
        "pref64-reserve=1m",
        "-device", "virtio-rng-pci,bus=br",
        "-device", "virtio-rng-pci,bus=br,addr=1f", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    const PciAddress last = { 1, 0x1f << 3 };
    Driver driver;

    g_assert_cmphex(pci_config_read(c, port, 0, 4), ==, 0x00011b36);
    g_assert_cmphex(pci_config_read(c, port, 10, 2), ==, 0x0604);
    g_assert_cmphex(pci_find_capability(c, port, CAP_EXPRESS, 0), ==, 0);
    pci_set_up_bridge(c, port, 1, WINDOW);
    g_assert_cmphex(pci_config_read(c, behind, 0, 4), ==, 0x10441af4);
    g_assert_cmphex(pci_config_read(c, (PciAddress) { 1, 1 << 3 }, 0, 4), ==, 0xffffffff);
    g_assert_cmphex(pci_config_read(c, last, 0, 4), ==, 0x10441af4);
    driver_start(&driver, c, last, WINDOW, 0, 1);
    g_assert_cmphex(driver_status(&driver), ==, 0xf);
    g_autofree char *answer = client_qmp_try(c, "{\"execute\":\"device_add\",\"arguments\":{"
                                                "\"driver\":\"virtio-rng-pci\",\"bus\":\"br\"}}");
    g_assert_nonnull(strstr(answer, "Bus 'br' does not support hotplugging"));
    g_free(client_qmp(c, "{\"execute\":\"system_reset\"}"));
    g_assert_cmphex(pci_config_read(c, last, 0, 4), ==, 0xffffffff); /* the bus numbers are gone */
}

/* What firmware keeps for devices to come: QEMU's docs/pcie_pci_bridge.txt. */
static void test_reserve(void)
{
    static const char *const arguments[] = {
        "-device",
        "pcie-root-port,id=port1,addr=2,chassis=1,bus-reserve=3,io-reserve=0,mem-reserve=4M,"
        "pref64-reserve=8G",
        "-device", "pcie-root-port,id=port2,addr=3,chassis=2", NULL,
    };
    static const uint32_t expected[] = { 3, 0, 0, 4 << 20, UINT32_MAX, 0, 2 };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    const PciAddress other = { 0, 3 << 3 };
    unsigned at = pci_find_capability(c, port, CAP_VENDOR, 0);

    g_assert_cmpuint(at, !=, 0);
    g_assert_cmphex(pci_config_read(c, port, at + 2, 2), ==, 0x0120); /* type and size */
    for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_cmphex(pci_config_read(c, port, at + 4 + 4 * i, 4), ==, expected[i]);
    }
    pci_config_write(c, port, 0x1c, 0xffff, 2); /* the I/O window, which is not there */
    pci_config_write(c, port, 4, 7, 2);
    g_assert_cmphex(pci_config_read(c, port, 0x1c, 2), ==, 0);
    g_assert_cmphex(pci_config_read(c, port, 4, 2), ==, 6);
    g_assert_cmphex(pci_find_capability(c, other, CAP_VENDOR, 0), ==, 0);
    pci_config_write(c, other, 4, 7, 2);
    g_assert_cmphex(pci_config_read(c, other, 4, 2), ==, 7);
}

/* The same behind a link, with a conventional bridge behind it: as libvirt places devices. */
static void test_express_bridge(void)
{
    static const char *const arguments[] = {
        "-device", "pcie-root-port,id=port1,chassis=1,addr=2",
        "-device", "pcie-pci-bridge,id=br,bus=port1", "-device", "i6300esb,bus=br,addr=1",
        "-device", "virtio-rng-pci,bus=br,addr=1f", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    const PciAddress first = { 2, 1 << 3 }, last = { 2, 0x1f << 3 };
    Driver driver;

    pci_set_up_bridge(c, port, 1, WINDOW);
    pci_config_write(c, port, 0x1a, 2, 1); /* the last bus below */
    g_assert_cmphex(pci_config_read(c, behind, 0, 4), ==, 0x000e1b36);
    unsigned express = pci_find_capability(c, behind, CAP_EXPRESS, 0);
    g_assert_cmphex(pci_config_read(c, behind, express + 2, 2) >> 4 & 0xf, ==, 7);
    pci_set_up_bridge(c, behind, 2, WINDOW);
    g_assert_cmphex(pci_config_read(c, first, 0, 4), ==, 0x25ab8086);
    driver_start(&driver, c, last, WINDOW, 0, 1);
    g_assert_cmphex(driver_status(&driver), ==, 0xf);
}

static void test_hotplug(void)
{
    static const char *const arguments[] = { "-device", "pcie-root-port,id=port1,chassis=1,addr=2",
                                             NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    Driver driver;

    pci_set_up_bridge(c, port, 1, WINDOW);
    unsigned express = pci_find_capability(c, port, CAP_EXPRESS, 0);
    g_assert_cmpuint(express, !=, 0);
    for (unsigned round = 0; round < 3; round++) {
        g_assert_cmphex(pci_config_read(c, port, express + SLOT_STATUS, 2) & PRESENT, ==, 0);
        g_assert_cmphex(pci_config_read(c, behind, 0, 4), ==, 0xffffffff);
        g_free(client_qmp(c, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-rng-"
                             "pci\",\"id\":\"rng1\",\"bus\":\"port1\"}}"));
        g_assert_cmphex(pci_config_read(c, port, express + SLOT_STATUS, 2) & (PRESENT | BUTTON), ==,
                        PRESENT | BUTTON);
        pci_config_write(c, port, express + SLOT_STATUS, 0x1f, 2);
        pci_config_write(c, port, express + SLOT_CONTROL, INDICATOR_ON, 2); /* power */
        g_assert_cmphex(pci_config_read(c, behind, 0, 4), ==, 0x10441af4);
        driver_start(&driver, c, behind, WINDOW, 0, 1);
        g_free(client_qmp(c, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"rng1\"}}"));
        g_autofree char *again =
            client_qmp_try(c, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"rng1\"}}");
        g_assert_nonnull(strstr(again, "unplug"));
        g_assert_cmphex(pci_config_read(c, port, express + SLOT_STATUS, 2) & BUTTON, ==, BUTTON);
        pci_config_write(c, port, express + SLOT_STATUS, 0x1f, 2);
        pci_config_write(c, port, express + SLOT_CONTROL, POWER_OFF | INDICATOR_OFF, 2);
        g_autofree char *event = client_event(c, "DEVICE_DELETED");
        g_assert_nonnull(strstr(event, "rng1"));
        pci_config_write(c, port, express + SLOT_STATUS, 0x1f, 2);
    }
    g_autofree char *none =
        client_qmp_try(c, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"rng1\"}}");
    g_assert_nonnull(strstr(none, "DeviceNotFound"));
}

/* A guest that is switched off and on in the middle of it. */
static void test_unplug_by_reset(void)
{
    static const char *const arguments[] = {
        "-device", "pcie-root-port,id=port1,chassis=1,addr=2", "-device",
        "virtio-rng-pci,id=rng1,bus=port1", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    g_free(client_qmp(c, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"rng1\"}}"));
    g_free(client_qmp(c, "{\"execute\":\"system_reset\"}"));
    g_autofree char *event = client_event(c, "DEVICE_DELETED");
    g_assert_nonnull(strstr(event, "rng1"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/pci-host", test_host);
    g_test_add_func("/qtest/root-port", test_root_port);
    g_test_add_func("/qtest/bridge", test_bridge);
    g_test_add_func("/qtest/reserve", test_reserve);
    g_test_add_func("/qtest/express-bridge", test_express_bridge);
    g_test_add_func("/qtest/hotplug", test_hotplug);
    g_test_add_func("/qtest/unplug-by-reset", test_unplug_by_reset);
    return g_test_run();
}
