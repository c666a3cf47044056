/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The serial port: loopback, FIFOs, divisor latch, interrupt conditions and their order; bytes to
 * and from a character device.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "fixture.h"
#include "hw/isa/serial.h"

#define BASE 0x3f8
enum { DATA, IER, FCR, LCR, MCR, LSR, MSR, SCR };
#define IIR FCR

typedef struct Fixture {
    AddressSpace *ports;
    GMutex lock;
    Watch watch;
    IrqLine line;
    Chardev *chardev;
    char *path;
    Serial *serial;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->ports = address_space_new("ports");
    g_mutex_init(&f->lock);
    f->line = (IrqLine) { on_irq, &f->watch };
    int fd = g_file_open_tmp("serial-XXXXXX", &f->path, &error);
    g_assert_no_error(error);
    g_close(fd, NULL);
    g_autofree char *spec = g_strdup_printf("file:%s", f->path);
    f->chardev = chardev_open(spec, false, NULL, NULL, &error);
    g_assert_no_error(error);
    f->serial = serial_new(f->ports, "serial0", BASE, f->chardev, &f->lock, &f->line);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    serial_free(f->serial);
    chardev_close(f->chardev);
    g_assert_cmpint(g_remove(f->path), ==, 0);
    g_free(f->path);
    address_space_free(f->ports);
    g_mutex_clear(&f->lock);
}

static uint8_t get(Fixture *f, unsigned reg)
{
    return in(f->ports, BASE + reg, 1);
}

static void set(Fixture *f, unsigned reg, uint8_t value)
{
    out(f->ports, BASE + reg, value, 1);
}

static void test_power_on(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned reg;
        uint8_t value;
    } rows[] = {
        { "rbr", DATA, 0 }, { "ier", IER, 0 }, { "iir", IIR, 0x01 }, { "lcr", LCR, 0 },
        { "mcr", MCR, 0 },
        { "lsr", LSR, 0x60 }, { "msr", MSR, 0xb0 }, { "scr", SCR, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmphex(get(f, rows[i].reg), ==, rows[i].value);
    }
    set(f, IER, 0xff);
    g_assert_cmphex(get(f, IER), ==, 0x0f);
    set(f, MCR, 0xff & ~0x10);
    g_assert_cmphex(get(f, MCR), ==, 0x0f);
    set(f, SCR, 0x5a);
    g_assert_cmphex(get(f, SCR), ==, 0x5a);
    set(f, LSR, 0xff); /* read-only */
    set(f, MSR, 0xff);
    g_assert_cmphex(get(f, LSR), ==, 0x60);
    g_assert_cmphex(get(f, MSR), ==, 0xb0);
    serial_reset(f->serial);
    g_assert_cmphex(get(f, SCR), ==, 0);
    g_assert_false(f->watch.level);
}

static void test_output(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;
    gsize size;

    set(f, LCR, 0x83); /* divisor latch: nothing is sent */
    set(f, DATA, 1);
    set(f, IER, 2);
    g_assert_cmphex(get(f, DATA), ==, 1);
    g_assert_cmphex(get(f, IER), ==, 2);
    set(f, LCR, 0x03);
    g_assert_cmphex(get(f, IER), ==, 0);
    for (const char *p = "hello, world\r\n"; *p; p++) {
        g_assert_cmphex(get(f, LSR) & 0x60, ==, 0x60);
        set(f, DATA, *p);
    }
    /* a wide access is four registers: only the first is data */
    out(f->ports, BASE, 0x44434241, 4);
    g_assert_true(g_file_get_contents(f->path, &text, &size, NULL));
    g_assert_cmpmem(text, size, "hello, world\r\nA", 15);
}

static void test_loopback(Fixture *f, gconstpointer data)
{
    set(f, MCR, 0x10);
    g_assert_cmphex(get(f, MSR), ==, 0x0b); /* inputs fell: CTS, DSR, DCD changed */
    g_assert_cmphex(get(f, MSR), ==, 0x00);
    set(f, MCR, 0x1f);
    g_assert_cmphex(get(f, MSR), ==, 0xfb);
    set(f, MCR, 0x1b); /* OUT1 falls: ring indicator's trailing edge */
    g_assert_cmphex(get(f, MSR), ==, 0xb4);
    set(f, DATA, 0x41);
    g_assert_cmphex(get(f, LSR), ==, 0x61);
    set(f, DATA, 0x42); /* one register only */
    g_assert_cmphex(get(f, LSR), ==, 0x63);
    g_assert_cmphex(get(f, LSR), ==, 0x61); /* the error is cleared by reading */
    g_assert_cmphex(get(f, DATA), ==, 0x42);
    g_assert_cmphex(get(f, LSR), ==, 0x60);
    g_assert_cmphex(get(f, DATA), ==, 0);
    set(f, IER, 0x0f);
    set(f, DATA, 1);
    g_assert_false(f->watch.level); /* in loopback OUT2 does not reach the bus */
    g_autofree char *text = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(f->path, &text, &size, NULL));
    g_assert_cmpuint(size, ==, 0);
}

static void test_fifo(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint8_t fcr;
        unsigned trigger;
    } rows[] = { { "1", 0x01, 1 }, { "4", 0x41, 4 }, { "8", 0x81, 8 }, { "14", 0xc1, 14 } };

    set(f, MCR, 0x10);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("trigger level %s", rows[i].label);
        set(f, FCR, rows[i].fcr | 0x06);
        set(f, IER, 0x01);
        g_assert_cmphex(get(f, IIR), ==, 0xc1);
        for (unsigned n = 1; n <= 16; n++) {
            set(f, DATA, n);
            g_assert_cmphex(get(f, IIR), ==, n >= rows[i].trigger ? 0xc4 : 0xcc);
        }
        g_assert_cmphex(get(f, LSR), ==, 0x61);
        set(f, DATA, 17); /* lost */
        g_assert_cmphex(get(f, LSR), ==, 0x63);
        for (unsigned n = 1; n <= 16; n++) {
            g_assert_cmphex(get(f, DATA), ==, n);
        }
        g_assert_cmphex(get(f, IIR), ==, 0xc1);
        g_assert_cmphex(get(f, LSR), ==, 0x60);
    }
    set(f, DATA, 1);
    set(f, FCR, 0xc1 | 0x02); /* clear what was received */
    g_assert_cmphex(get(f, LSR), ==, 0x60);
    set(f, DATA, 1);
    set(f, FCR, 0xc0); /* off: clears as well, the other bits do not count */
    g_assert_cmphex(get(f, LSR), ==, 0x60);
    g_assert_cmphex(get(f, IIR), ==, 0x01);
}

/* Everything at once, then taken away from the most urgent one down (data sheet, table 4). */
static void test_priorities(Fixture *f, gconstpointer data)
{
    set(f, MCR, 0x18);
    get(f, MSR);
    set(f, IER, 0x0f);
    set(f, DATA, 1);
    set(f, DATA, 2);   /* overrun, data, transmitter empty */
    set(f, MCR, 0x1a); /* modem status */
    g_assert_cmphex(get(f, IIR), ==, 0x06);
    g_assert_cmphex(get(f, IIR), ==, 0x06);
    get(f, LSR);
    g_assert_cmphex(get(f, IIR), ==, 0x04);
    get(f, DATA);
    g_assert_cmphex(get(f, IIR), ==, 0x02); /* reading it clears it */
    g_assert_cmphex(get(f, IIR), ==, 0x00);
    get(f, MSR);
    g_assert_cmphex(get(f, IIR), ==, 0x01);
}

static void test_irq_line(Fixture *f, gconstpointer data)
{
    set(f, IER, 0x02);
    g_assert_false(f->watch.level); /* OUT2 is off */
    set(f, MCR, 0x08);
    g_assert_true(f->watch.level);
    g_assert_cmphex(get(f, IIR), ==, 0x02);
    g_assert_false(f->watch.level);
    set(f, DATA, 'x'); /* sent at once: empty again */
    g_assert_true(f->watch.level);
    set(f, IER, 0x00);
    g_assert_false(f->watch.level);
    set(f, IER, 0x02); /* enabling raises it anew */
    g_assert_true(f->watch.level);
    set(f, IER, 0x02);
    get(f, IIR);
    set(f, IER, 0x02); /* already enabled: no new indication */
    g_assert_false(f->watch.level);
    g_assert_cmpuint(f->watch.changes, ==, 6);
    set(f, DATA, 'x');
    serial_reset(f->serial);
    g_assert_false(f->watch.level);
}

#define ADD(name, function) g_test_add("/serial/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("power-on", test_power_on);
    ADD("output", test_output);
    ADD("loopback", test_loopback);
    ADD("fifo", test_fifo);
    ADD("priorities", test_priorities);
    ADD("irq-line", test_irq_line);
    return g_test_run();
}
