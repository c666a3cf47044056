/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots: hotplug interrupts and registers of root ports (PCI Express 5.0, 6.7 and 7.5.3), several
 * functions in one slot, MSI-X tables.
 */
#include <string.h>

#include "virtio.h"

#define WINDOW (PCI_MMIO_BASE + 0x1000000)
#define TARGET 0x9000 /* where the port's message goes */
enum { CAP_MSI = 5, CAP_EXPRESS = 0x10, CAP_MSIX = 0x11 };
enum {
    LINK_STATUS = 0x12, SLOT_CAP = 0x14, SLOT_CONTROL = 0x18, SLOT_STATUS = 0x1a,
    DLL_ACTIVE = 0x2000,
};
enum {
    BUTTON = 1, PRESENCE_CHANGED = 8, COMPLETED = 0x10, PRESENT = 0x40, LINK_CHANGED = 0x100,
    EVENTS = 0x11f,
};
enum {
    ENABLE_BUTTON = 1,
    ENABLE_PRESENCE = 8,
    ENABLE_COMPLETED = 0x10,
    ENABLE_INTERRUPT = 0x20,
    ATTENTION_OFF = 0xc0,
    INDICATOR_ON = 0x100,
    INDICATOR_OFF = 0x300,
    POWER_OFF = 0x400,
    ENABLE_LINK = 0x1000,
};

static const PciAddress port = { 0, 2 << 3 }, behind = { 1, 0 }, card = { 0, 4 << 3 };
static const char add[] =
    "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-rng-pci\",\"id\":\"rng1\","
    "\"bus\":\"port1\"%s}}";
static const char del[] = "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"rng1\"}}";

typedef struct Slot {
    Client *client;
    unsigned express;
} Slot;

static Slot start(const char *device)
{
    const char *const arguments[] = { "-device", device, NULL };
    Slot s = { .client = client_start(client_program(), arguments) };

    pci_set_up_bridge(s.client, port, 1, WINDOW);
    s.express = pci_find_capability(s.client, port, CAP_EXPRESS, 0);
    g_assert_cmpuint(s.express, !=, 0);
    return s;
}

static uint32_t get(const Slot *s, unsigned offset)
{
    return pci_config_read(s->client, port, s->express + offset, 2);
}

static void set(const Slot *s, unsigned offset, uint32_t value)
{
    pci_config_write(s->client, port, s->express + offset, value, 2);
}

static void enable_msi(const Slot *s)
{
    unsigned msi = pci_find_capability(s->client, port, CAP_MSI, 0);

    g_assert_cmpuint(msi, !=, 0);
    pci_config_write(s->client, port, msi + 4, TARGET, 4);
    pci_config_write(s->client, port, msi + 8, 0, 4);
    pci_config_write(s->client, port, msi + 12, 0x4d, 2);
    pci_config_write(s->client, port, msi + 2, 1, 2);
}

/* Whether the port's message came since the last look. */
static bool told(const Slot *s)
{
    uint32_t *word = (uint32_t *)(void *)(s->client->ram + TARGET),
             value = __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST);

    g_assert_true(value == 0 || value == GUINT32_TO_LE(0x4d));
    return value;
}

static void test_registers(void)
{
    Slot s = start("pcie-root-port,id=port1,chassis=1,addr=2,slot=77,port=5");
    uint32_t capability = pci_config_read(s.client, port, s.express + SLOT_CAP, 4);

    g_assert_cmpuint(capability >> 19, ==, 77);
    /* button, power controller, indicators, hotplug */
    g_assert_cmphex(capability & 0x5b, ==, 0x5b);
    pci_config_write(s.client, port, s.express + SLOT_CAP, 0, 4);
    g_assert_cmphex(pci_config_read(s.client, port, s.express + SLOT_CAP, 4), ==, capability);
    /* An empty slot: off, no link, no event. */
    g_assert_cmphex(get(&s, SLOT_STATUS), ==, 0);
    g_assert_cmphex(get(&s, SLOT_CONTROL), ==, POWER_OFF | INDICATOR_OFF | ATTENTION_OFF);
    g_assert_cmphex(get(&s, LINK_STATUS) & DLL_ACTIVE, ==, 0);
    /* All that can be written, and nothing else; an accepted command is told of. */
    set(&s, SLOT_CONTROL, 0xffff);
    uint32_t control = get(&s, SLOT_CONTROL);
    g_assert_cmphex(
        control &
            (ENABLE_BUTTON | ENABLE_PRESENCE | ENABLE_COMPLETED | ENABLE_INTERRUPT | ENABLE_LINK),
        ==, ENABLE_BUTTON | ENABLE_PRESENCE | ENABLE_COMPLETED | ENABLE_INTERRUPT | ENABLE_LINK);
    g_assert_cmphex(control & 0xe000, ==, 0);
    g_assert_cmphex(get(&s, SLOT_STATUS), ==, COMPLETED);
    set(&s, SLOT_STATUS, (uint32_t)~COMPLETED & 0xffff);
    g_assert_cmphex(get(&s, SLOT_STATUS), ==, COMPLETED);
    set(&s, SLOT_STATUS, COMPLETED);
    g_assert_cmphex(get(&s, SLOT_STATUS), ==, 0);
    client_end(s.client);
}

/* Plug, power on, unplug, power off: the message of each event, when it is asked for. */
static void test_messages(void)
{
    Slot s = start("pcie-root-port,id=port1,chassis=1,addr=2");
    const uint32_t wanted = ENABLE_BUTTON | ENABLE_INTERRUPT;

    enable_msi(&s);
    g_free(client_qmp(s.client, add, ""));
    g_assert_false(told(&s)); /* nobody asked */
    g_assert_cmphex(get(&s, SLOT_STATUS) & (EVENTS | PRESENT), ==,
                    BUTTON | PRESENCE_CHANGED | PRESENT);
    /* What is pending is told once it is asked for, and again only after all was cleared. */
    set(&s, SLOT_CONTROL, wanted | POWER_OFF | INDICATOR_OFF | ATTENTION_OFF);
    g_assert_true(told(&s));
    set(&s, SLOT_CONTROL, wanted | POWER_OFF | INDICATOR_OFF | ATTENTION_OFF);
    g_assert_false(told(&s));
    set(&s, SLOT_STATUS, EVENTS);
    set(&s, SLOT_CONTROL, wanted | ENABLE_COMPLETED | ENABLE_LINK | INDICATOR_ON | ATTENTION_OFF);
    g_assert_true(told(&s));
    g_assert_cmphex(get(&s, SLOT_STATUS), ==, COMPLETED | LINK_CHANGED | PRESENT);
    g_assert_cmphex(get(&s, LINK_STATUS) & DLL_ACTIVE, ==, DLL_ACTIVE);
    g_assert_cmphex(pci_config_read(s.client, behind, 0, 4), ==, 0x10441af4);
    set(&s, SLOT_STATUS, EVENTS);
    g_free(client_qmp(s.client, del));
    g_assert_true(told(&s));
    g_assert_cmphex(get(&s, SLOT_STATUS), ==, BUTTON | PRESENT);
    set(&s, SLOT_STATUS, EVENTS);
    set(&s, SLOT_CONTROL, wanted | POWER_OFF | INDICATOR_OFF | ATTENTION_OFF);
    g_free(client_event(s.client, "DEVICE_DELETED"));
    g_assert_cmphex(get(&s, SLOT_STATUS), ==, COMPLETED | LINK_CHANGED | PRESENCE_CHANGED);
    g_assert_cmphex(pci_config_read(s.client, behind, 0, 4), ==, 0xffffffff);
    client_end(s.client);
}

/* Without MSI: a level on the pin's line, as long as there is something to tell. */
static void test_pin(void)
{
    Slot s = start("pcie-root-port,id=port1,chassis=1,addr=2");

    g_free(client_ask(s.client, "irq_intercept_in ioapic"));
    s.client->levels = 0;
    set(&s, SLOT_CONTROL, ENABLE_BUTTON | ENABLE_INTERRUPT | POWER_OFF);
    g_free(client_qmp(s.client, add, ""));
    g_assert_cmphex(get(&s, SLOT_STATUS) & BUTTON, ==, BUTTON);
    g_assert_cmphex(s.client->levels & 0xf0000, !=, 0);
    pci_config_write(s.client, port, 4, 0x406, 2); /* the pin is disabled */
    g_assert_cmphex(pci_config_read(s.client, port, 6, 2) & 8, ==, 8);
    g_assert_cmphex(s.client->levels & 0xf0000, ==, 0);
    pci_config_write(s.client, port, 4, 6, 2);
    get(&s, SLOT_STATUS);
    g_assert_cmphex(s.client->levels & 0xf0000, !=, 0);
    set(&s, SLOT_STATUS, EVENTS);
    get(&s, SLOT_STATUS);
    g_assert_cmphex(s.client->levels & 0xf0000, ==, 0);
    client_end(s.client);
}

static void test_no_hotplug(void)
{
    Slot s = start("pcie-root-port,id=port1,chassis=1,addr=2,hotplug=off");

    g_assert_cmphex(pci_config_read(s.client, port, s.express + SLOT_CAP, 4) & 0x7f, ==, 0);
    g_autofree char *refused = client_qmp_try(s.client, add, "");
    g_assert_nonnull(strstr(refused, "does not support hotplugging"));
    set(&s, SLOT_CONTROL, POWER_OFF);
    g_assert_cmphex(get(&s, SLOT_CONTROL), ==, 0);
    client_end(s.client);
}

/*
 * The slot's functions come and go together: that of number 0 is the one that the guest hears of.
 */
static void test_plug_functions(void)
{
    Slot s = start("pcie-root-port,id=port1,chassis=1,addr=2");

    g_free(client_qmp(
        s.client,
        "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-rng-pci\",\"id\":\"rng2\","
        "\"bus\":\"port1\","
        "\"addr\":\"0.1\",\"multifunction\":true}}"));
    g_assert_cmphex(get(&s, SLOT_STATUS) & BUTTON, ==, 0);
    g_free(client_qmp(s.client, add, ",\"addr\":\"0.0\",\"multifunction\":true"));
    g_assert_cmphex(get(&s, SLOT_STATUS) & BUTTON, ==, BUTTON);
    set(&s, SLOT_CONTROL, INDICATOR_ON);
    for (unsigned function = 0; function < 2; function++) {
        const PciAddress at = { 1, (uint8_t)function };
        g_assert_cmphex(pci_config_read(s.client, at, 0, 4), ==, 0x10441af4);
    }
    g_assert_cmphex(pci_config_read(s.client, behind, 14, 1), ==, 0x80);
    g_autofree char *late = client_qmp_try(
        s.client, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-rng-pci\","
                  "\"bus\":\"port1\",\"addr\":\"0.2\",\"multifunction\":true}}");
    g_assert_nonnull(strstr(late, "already occupied"));
    g_free(client_qmp(s.client, del));
    set(&s, SLOT_CONTROL, POWER_OFF);
    g_free(client_event(s.client, "DEVICE_DELETED"));
    g_free(client_event(s.client, "DEVICE_DELETED"));
    g_assert_cmphex(get(&s, SLOT_STATUS) & PRESENT, ==, 0);
    client_end(s.client);
}

static void test_functions(void)
{
    static const char *const arguments[] = {
        "-device", "pcie-root-port,id=p0,chassis=1,addr=2.0,multifunction=on",
        "-device", "pcie-root-port,id=p1,chassis=2,addr=2.1",
        "-device", "pcie-root-port,id=p7,chassis=3,addr=2.7",
        "-device", "virtio-rng-pci,bus=p7",
        NULL,
    };
    const PciAddress last = { 0, 2 << 3 | 7 }, there = { 9, 0 };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    unsigned seen = 0;

    for (unsigned function = 0; function < 8; function++) {
        const PciAddress at = { 0, (uint8_t)(2 << 3 | function) };
        seen |= (pci_config_read(c, at, 0, 4) != 0xffffffff) << function;
    }
    g_assert_cmphex(seen, ==, 0x83);
    g_assert_cmphex(pci_config_read(c, port, 14, 1), ==, 0x81);
    pci_set_up_bridge(c, last, 9, WINDOW);
    g_assert_cmphex(pci_config_read(c, there, 0, 4), ==, 0x10441af4);
}

/* ---- MSI-X: PCI 3.0, 6.8.2 ---- */

static void rng_request(Driver *driver, uint64_t data)
{
    const DriverBuffer in = { data, 8, true };

    driver_run(driver, &driver->queues[0], &in, 1);
}

static void test_msix(void)
{
    static const char *const arguments[] = { "-device", "virtio-rng-pci,addr=4", NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    Driver driver;

    driver_start(&driver, c, card, PCI_MMIO_BASE, 0, 1);
    uint64_t data = client_alloc(c, 4096);
    unsigned cap = pci_find_capability(c, card, CAP_MSIX, 0);
    uint64_t table = driver.bars[pci_config_read(c, card, cap + 4, 4) & 7];
    uint32_t where = pci_config_read(c, card, cap + 8, 4);
    uint64_t pending = driver.bars[where & 7] + (where & ~7u);
    uint32_t *message = (uint32_t *)(void *)(c->ram + driver.messages + 4);

    rng_request(&driver, data);
    g_assert_cmpuint(driver_wait_message(&driver, 1), ==, 2);
    /* Masked: it waits, and comes when the mask goes. */
    client_write(c, table + 16 + 12, 1, 4);
    rng_request(&driver, data);
    while (client_read(c, pending, 8) == 0) {
        g_usleep(100);
    }
    g_assert_cmphex(client_read(c, pending, 8), ==, 2);
    g_assert_cmphex(*message, ==, 0);
    client_write(c, pending, 0, 8); /* read-only */
    g_assert_cmphex(client_read(c, pending, 4), ==, 2);
    client_write(c, table + 16 + 8, 0x99, 4); /* another message meanwhile */
    client_write(c, table + 16 + 12, 0, 4);
    g_assert_cmpuint(driver_wait_message(&driver, 1), ==, 0x99);
    g_assert_cmphex(client_read(c, pending, 8), ==, 0);
    /* The function's mask does the same for all vectors. */
    pci_config_write(c, card, cap + 2, 0xc000, 2);
    rng_request(&driver, data);
    while (client_read(c, pending, 8) == 0) {
        g_usleep(100);
    }
    g_assert_cmphex(*message, ==, 0);
    pci_config_write(c, card, cap + 2, 0x8000, 2);
    g_assert_cmpuint(driver_wait_message(&driver, 1), ==, 0x99);
    /* Bytes and words are not heard, nor what is not aligned; reserved bits stay 0. */
    client_write(c, table + 16 + 8, 0x11, 1);
    client_write(c, table + 16 + 8, 0x1111, 2);
    client_write(c, table + 16 + 9, 0x11111111, 4);
    g_assert_cmphex(client_read(c, table + 16 + 8, 4), ==, 0x99);
    client_write(c, table + 12, 0xfffffffe, 4);
    g_assert_cmphex(client_read(c, table + 12, 4), ==, 0);
    client_write(c, table, 0xffffffff, 4);
    g_assert_cmphex(client_read(c, table, 4), ==, 0xfffffffc);
    client_write(c, table + 16, (uint64_t)(driver.messages + 4), 8);
    g_assert_cmphex(client_read(c, table + 16, 8), ==, driver.messages + 4);
    /* Without bus mastering a device is silent. */
    pci_config_write(c, card, 4, 2, 2);
    driver_add_again(&driver, &driver.queues[0], 0);
    driver_kick(&driver, &driver.queues[0]);
    g_assert_false(driver_is_idle(&driver, &driver.queues[0]));
    g_assert_cmphex(*message, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/slots/registers", test_registers);
    g_test_add_func("/qtest/slots/messages", test_messages);
    g_test_add_func("/qtest/slots/pin", test_pin);
    g_test_add_func("/qtest/slots/no-hotplug", test_no_hotplug);
    g_test_add_func("/qtest/slots/plug-functions", test_plug_functions);
    g_test_add_func("/qtest/slots/functions", test_functions);
    g_test_add_func("/qtest/slots/msi-x", test_msix);
    return g_test_run();
}
