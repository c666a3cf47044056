/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A console knows the size of the terminal that it is on. Virtio 1.2, 5.3.4 and 5.3.6.2. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "virtio.h"

#define SIZE (UINT64_C(1) << 0)
#define MULTIPORT (UINT64_C(1) << 1)
enum { CONTROL_IN = 2, CONTROL_OUT = 3 };
enum { DEVICE_READY = 0, PORT_READY = 3, RESIZE = 5 };
enum { MESSAGE_SIZE = 64, NUM_MESSAGES = 16 };

static const PciAddress card = { 0, 4 << 3 };

typedef struct Console {
    int terminal, saved; /* the terminal's other side; standard input as it was */
    Client *client;
    Driver driver;
    uint64_t in, out, told; /* messages; told: where the last size came */
} Console;

static void set_size(const Console *c, uint16_t columns, uint16_t rows)
{
    const struct winsize size = { .ws_col = columns, .ws_row = rows };

    g_assert_cmpint(ioctl(c->terminal, TIOCSWINSZ, &size), ==, 0);
}

/* The program's standard input is a terminal. */
static void begin(Console *c, uint64_t features)
{
    static const char *const arguments[] = {
        "-device", "virtio-serial-pci,id=serial0,addr=4,max_ports=4", "-chardev", "stdio,id=con",
        "-device", "virtconsole,chardev=con,bus=serial0.0", NULL,
    };

    c->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    g_assert_true(c->terminal >= 0 && !grantpt(c->terminal) && !unlockpt(c->terminal));
    int slave = open(ptsname(c->terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    c->saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    g_assert_cmpint(dup2(slave, STDIN_FILENO), ==, STDIN_FILENO);
    close(slave);
    set_size(c, 132, 43);
    c->client = client_start(client_program(), arguments);
    driver_start(&c->driver, c->client, card, PCI_MMIO_BASE, features,
                 features & MULTIPORT ? 4 : 2);
}

static void end(Console *c)
{
    client_end(c->client);
    g_assert_cmpint(dup2(c->saved, STDIN_FILENO), ==, STDIN_FILENO);
    close(c->saved);
    close(c->terminal);
}

/* The terminal's window is another; the program is told as its kernel would. */
static void resize(const Console *c, uint16_t columns, uint16_t rows)
{
    set_size(c, columns, rows);
    g_assert_cmpint(kill(c->client->pid, SIGWINCH), ==, 0);
}

static bool has_changed(void *opaque)
{
    return driver_config(&((Console *)opaque)->driver, 0, 4) != (43u << 16 | 132);
}

static void test_config(void)
{
    Console c;

    begin(&c, SIZE);
    g_assert_cmphex(c.driver.features & SIZE, ==, SIZE);
    g_assert_cmpuint(driver_config(&c.driver, 0, 2), ==, 132);
    g_assert_cmpuint(driver_config(&c.driver, 2, 2), ==, 43);
    uint64_t generation = client_read(c.client, c.driver.common + 0x15, 1);
    resize(&c, 80, 25);
    client_wait(has_changed, &c, "another size");
    g_assert_cmpuint(driver_config(&c.driver, 0, 2), ==, 80);
    g_assert_cmpuint(driver_config(&c.driver, 2, 2), ==, 25);
    g_assert_cmpuint(client_read(c.client, c.driver.common + 0x15, 1), !=, generation);
    g_assert_cmpuint(driver_wait_message(&c.driver, 0), ==, 1);
    end(&c);
}

static void tell(Console *c, uint16_t event)
{
    const DriverBuffer buffer = { c->out, 8, false };
    const uint8_t message[8] = { [4] = (uint8_t)event, [6] = 1 };

    memcpy(c->client->ram + c->out, message, sizeof(message));
    driver_run(&c->driver, &c->driver.queues[CONTROL_OUT], &buffer, 1);
}

/* Has a message with a size come? Others are passed over. */
static bool is_told(void *opaque)
{
    Console *c = opaque;
    uint32_t size;
    int head;

    while ((head = driver_take_used(&c->driver, &c->driver.queues[CONTROL_IN], &size)) >= 0) {
        const uint8_t *message = c->client->ram + c->in + MESSAGE_SIZE * head;
        if (message[4] == RESIZE) {
            g_assert_cmpuint(size, ==, 12);
            c->told = c->in + MESSAGE_SIZE * (uint64_t)head + 8;
            return true;
        }
    }
    return false;
}

static void expect_size(Console *c, uint16_t columns, uint16_t rows)
{
    const uint8_t expected[4] = { (uint8_t)columns, (uint8_t)(columns >> 8), (uint8_t)rows,
                                  (uint8_t)(rows >> 8) };

    client_wait(is_told, c, "a size");
    g_assert_cmpmem(c->client->ram + c->told, 4, expected, 4);
}

static void test_messages(void)
{
    Console c;

    begin(&c, MULTIPORT | SIZE);
    c.in = client_alloc(c.client, MESSAGE_SIZE * NUM_MESSAGES);
    c.out = client_alloc(c.client, 8);
    for (uint16_t i = 0; i < NUM_MESSAGES; i++) {
        const DriverBuffer buffer = { c.in + MESSAGE_SIZE * i, MESSAGE_SIZE, true };
        driver_add(&c.driver, &c.driver.queues[CONTROL_IN], i, &buffer, 1);
    }
    driver_kick(&c.driver, &c.driver.queues[CONTROL_IN]);
    tell(&c, DEVICE_READY);
    tell(&c, PORT_READY);
    expect_size(&c, 132, 43);
    resize(&c, 300, 101);
    expect_size(&c, 300, 101);
    end(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/console/config", test_config);
    g_test_add_func("/qtest/console/messages", test_messages);
    return g_test_run();
}
