/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that do what no driver does: every register of every device by every width, and whatever
 * comes of it. The machine goes on.
 */
#include <string.h>

#include "virtio.h"

#define ROUNDS 400
#define WINDOW (PCI_MMIO_BASE + 0x2000000)
#define ECAM UINT64_C(0xb0000000)

static const PciAddress host = { 0, 0 }, card = { 0, 4 << 3 };

static const char *const everything[] = {
    "-action",  "shutdown=pause",
    "-drive",   "file=%D/disk,format=raw,if=none,id=disk0",
    "-device",  "virtio-blk-pci,drive=disk0,addr=4",
    "-netdev",  "stream,id=net0,server=on,addr.type=unix,addr.path=%D/net",
    "-device",  "virtio-net-pci,netdev=net0,addr=5",
    "-device",  "virtio-serial-pci,addr=6,id=serial0",
    "-device",  "virtconsole,bus=serial0.0",
    "-device",  "virtserialport,bus=serial0.0",
    "-drive",   "file=%D/disk2,format=raw,if=none,id=disk1",
    "-device",  "virtio-scsi-pci,addr=7,id=scsi0",
    "-device",  "scsi-hd,drive=disk1",
    "-device",  "virtio-rng-pci,addr=8",
    "-device",  "pcie-root-port,id=port1,addr=2,chassis=1",
    "-device",  "virtio-rng-pci,bus=port1,id=rng1",
    "-serial",  "null",
    "-serial",  "null",
    "-chardev", "null,id=log",
    "-device",  "isa-debugcon,chardev=log,iobase=0x402",
    NULL,
};

static Client *start(void)
{
    static const uint8_t zeroes[1 << 20];
    Client *c = client_new();

    client_make_file(c, "disk", zeroes, sizeof(zeroes));
    client_make_file(c, "disk2", zeroes, sizeof(zeroes));
    client_launch(c, client_program(), everything);
    return c;
}

static uint64_t number(GRand *random)
{
    static const uint64_t interesting[] = { 0,          1,          2,          0xff,
                                            0xffff,     0xffffffff, UINT64_MAX, 0x100000,
                                            0x80000000, 0xd0000000, 0x40 };
    gint32 kind = g_rand_int_range(random, 0, 2 * G_N_ELEMENTS(interesting));

    return kind < (gint32)G_N_ELEMENTS(interesting)
               ? interesting[kind]
               : (uint64_t)g_rand_int(random) << 32 | g_rand_int(random);
}

static bool is_reset(void *opaque)
{
    return !(pci_config_read(opaque, host, 0x60, 4) & 1);
}

/* After all of it: the machine is reset, and its disk works. */
static void check_alive(Client *c)
{
    Driver driver;

    /* off again when the reset, the main loop's, has been */
    pci_config_write(c, host, 0x60, (uint32_t)ECAM | 1, 4);
    g_free(client_qmp(c, "{\"execute\":\"system_reset\"}"));
    client_wait(is_reset, c, "the reset");
    g_free(client_qmp(c, "{\"execute\":\"cont\"}"));
    memset(c->ram, 0, 16 << 20);
    c->next_free = 1 << 20;
    driver_start(&driver, c, card, PCI_MMIO_BASE, 0, 1);
    uint64_t data = client_alloc(c, 4096);
    const DriverBuffer buffers[] = { { data, 16, false },
                                     { data + 512, 512, true },
                                     { data + 16, 1, true } };
    c->ram[data + 16] = 0xff;
    g_assert_cmpuint(driver_run(&driver, &driver.queues[0], buffers, 3), ==, 513);
    g_assert_cmphex(c->ram[data + 16], ==, 0);
}

static void one_access(Client *c, GRand *random, uint64_t address)
{
    unsigned size = 1u << g_rand_int_range(random, 0, 4);

    if (g_rand_boolean(random)) {
        client_write(c, address, number(random), size);
    } else {
        client_read(c, address, size);
    }
}

/* The BARs of a function, from their first byte to what lies behind their last. */
static void attack_bars(Client *c, GRand *random, PciAddress at, uint64_t base)
{
    for (unsigned bar = 0; bar < 6; bar++) {
        uint64_t size = pci_config_read(c, at, 14, 1) & 0x7f ? 0 : pci_place_bar(c, at, bar, base);

        if (!size) {
            continue;
        }
        pci_enable(c, at);
        for (unsigned i = 0; i < ROUNDS; i++) {
            /* Half of it where the registers are. */
            uint64_t within =
                (uint64_t)g_rand_int_range(random, 0, i % 2 ? 0x50 : (gint32)size + 16);
            one_access(c, random, base + within);
        }
        base += MAX(size, 0x10000);
    }
}

static void test_bars(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(5);
    g_autoptr(Client) c = start();
    const PciAddress port = { 0, 2 << 3 }, behind = { 1, 0 };

    pci_set_up_bridge(c, port, 1, WINDOW);
    attack_bars(c, random, behind, WINDOW);
    for (unsigned slot = 4; slot <= 8; slot++) {
        const PciAddress at = { 0, (uint8_t)(slot << 3) };
        attack_bars(c, random, at, PCI_MMIO_BASE + 0x100000 * slot);
    }
    check_alive(c);
}

/*
 * Every byte of configuration space by ports, and by ECAM across registers and pages; BARs and
 * bridges move at will.
 */
static void test_config(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(6);
    g_autoptr(Client) c = start();

    for (unsigned slot = 1; slot < 32; slot++) {
        const PciAddress at = { 0, (uint8_t)(slot << 3) };
        for (unsigned i = 0; i < ROUNDS && pci_config_read(c, at, 0, 2) != 0xffff; i++) {
            unsigned size = 1u << g_rand_int_range(random, 0, 3),
                     offset = (unsigned)g_rand_int_range(random, 4, 256);
            pci_config_write(c, at, offset, (uint32_t)number(random), size);
            pci_config_read(c, at, offset, size);
        }
    }
    pci_config_write(c, host, 0x60, (uint32_t)ECAM | 1, 4);
    for (unsigned i = 0; i < 10 * ROUNDS; i++) {
        /* Past the host bridge, whose registers move ECAM. */
        one_access(c, random, ECAM + 0x8000 + (uint64_t)g_rand_int_range(random, 0, 2 << 20));
    }
    check_alive(c);
}

/* All ports. Some of it resets the machine, or switches it off, which pauses it. */
static void test_ports(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    g_autoptr(Client) c = start();
    static const uint16_t places[] = { 0x60,  0x70,  0x90,  0x2f0, 0x3f0, 0x400,
                                       0x510, 0x600, 0x610, 0x620, 0xcf0, 0xfff8 };

    for (unsigned port = 0; port < 0x1000; port++) {
        client_in(c, (uint16_t)port, 1u << port % 3);
    }
    for (unsigned i = 0; i < 20 * ROUNDS; i++) {
        uint16_t port = (uint16_t)(places[g_rand_int_range(random, 0, G_N_ELEMENTS(places))] +
                                   g_rand_int_range(random, 0, 16));
        unsigned size = 1u << g_rand_int_range(random, 0, 3);

        if (i % 100 == 0) { /* ACPI registers where firmware puts them */
            client_out(c, 0xcf8, 0x8000f840, 4);
            client_out(c, 0xcfc, 0x601, 4);
            client_out(c, 0xcf8, 0x8000f844, 4);
            client_out(c, 0xcfc, 0x80, 4);
        }
        if (g_rand_boolean(random)) {
            client_out(c, port, (uint32_t)number(random), size);
        } else {
            client_in(c, port, size);
        }
    }
    check_alive(c);
}

/* Rings that are noise, of each device, again and again. */
static void test_rings(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(8);
    g_autoptr(Client) c = start();
    static const unsigned queues[] = { 1, 3, 4, 3, 1 };

    for (unsigned round = 0; round < 60; round++) {
        unsigned slot = 4 + round % 5;
        const PciAddress at = { 0, (uint8_t)(slot << 3) };
        Driver driver;

        c->next_free = 1 << 20;
        driver_start(&driver, c, at, PCI_MMIO_BASE + 0x100000 * slot,
                     UINT64_C(1) << 28 | 1 << 1 | 0x9e0000, queues[slot - 4]);
        for (unsigned i = 0; i < driver.queues[0].size * queues[slot - 4]; i++) {
            DriverQueue *queue = &driver.queues[i % queues[slot - 4]];
            uint64_t address = number(random) % (2 * CLIENT_RAM_SIZE);
            uint32_t size = (uint32_t)number(random) % 0x20000;
            uint8_t *entry = c->ram + queue->descriptors + 16 * (i % queue->size);
            memcpy(entry, &address, 8);
            memcpy(entry + 8, &size, 4);
            entry[12] = (uint8_t)g_rand_int_range(random, 0, 8);
            entry[14] = (uint8_t)g_rand_int(random);
            driver_add_again(&driver, queue, (uint16_t)(i % queue->size));
        }
        for (unsigned i = 0; i < queues[slot - 4]; i++) {
            driver_kick(&driver, &driver.queues[i]);
        }
        g_assert_cmphex(driver_status(&driver) & 0xf, ==, 0xf);
    }
    check_alive(c);
}

typedef struct Refill {
    Driver *driver;
    bool stop;
} Refill;

/* Another processor of the guest's: requests are there again as fast as they are done. */
static gpointer refill(gpointer opaque)
{
    Refill *r = opaque;
    const DriverQueue *queue = &r->driver->queues[0];
    uint8_t *ram = r->driver->client->ram;
    uint16_t *available = (uint16_t *)(void *)(ram + queue->available + 2),
             *used = (uint16_t *)(void *)(ram + queue->used + 2);

    while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
        uint16_t done = GUINT16_FROM_LE(__atomic_load_n(used, __ATOMIC_ACQUIRE));
        __atomic_store_n(available, GUINT16_TO_LE((uint16_t)(done + queue->size - 1)),
                         __ATOMIC_RELEASE);
    }
    return NULL;
}

/* Such a guest keeps its device busy, and neither the monitor nor other registers waiting. */
static void test_endless_ring(void)
{
    static const char *const arguments[] = { "-device", "virtio-rng-pci,addr=4", NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    Driver driver;
    Refill r = { &driver, false };

    driver_start(&driver, c, card, PCI_MMIO_BASE, 0, 1);
    const DriverBuffer in = { client_alloc(c, 65536), 65536, true };
    driver_add(&driver, &driver.queues[0], 0, &in, 1); /* the ring's other entries are 0 too */
    GThread *thread = g_thread_new("refill", refill, &r);
    g_usleep(1000);
    client_write(c, driver.queues[0].doorbell, 0, 2);
    for (unsigned i = 0; i < 50; i++) {
        g_free(client_qmp(c, "{\"execute\":\"query-status\"}"));
        g_assert_cmphex(driver_status(&driver), ==, 0xf);
    }
    g_free(client_qmp(c, "{\"execute\":\"system_reset\"}"));
    g_free(client_event(c, "RESET"));
    __atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
    g_thread_join(thread);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/hostile/bars", test_bars);
    g_test_add_func("/qtest/hostile/config", test_config);
    g_test_add_func("/qtest/hostile/ports", test_ports);
    g_test_add_func("/qtest/hostile/rings", test_rings);
    g_test_add_func("/qtest/hostile/endless-ring", test_endless_ring);
    return g_test_run();
}
