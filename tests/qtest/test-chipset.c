/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chipset in depth: every bit of the I/O APIC, the clock's alarms and formats, power
 * management, resets, fw_cfg's DMA.
 */
#include <string.h>

#include "client.h"

#define IOAPIC UINT64_C(0xfec00000)
#define NS_PER_SECOND UINT64_C(1000000000)

static const char *const nothing[] = { NULL };

/* ---- I/O APIC: Intel 82093AA, section 3 ---- */

enum { MASKED = 0x10000, LEVEL = 0x8000, REMOTE_IRR = 0x4000, STATUS = 0x1000 };

static uint32_t entry_get(Client *c, unsigned index)
{
    client_write(c, IOAPIC, index, 4);
    return (uint32_t)client_read(c, IOAPIC + 0x10, 4);
}

static void entry_set(Client *c, unsigned index, uint32_t value)
{
    client_write(c, IOAPIC, index, 4);
    client_write(c, IOAPIC + 0x10, value, 4);
}

/* COM1's line, pin 4, by its transmitter: up with the interrupt enabled, down when IIR is read. */
static void line_up(Client *c)
{
    client_out(c, 0x3fc, 8, 1);
    client_out(c, 0x3f9, 0, 1);
    client_out(c, 0x3f9, 2, 1);
}

static void line_down(Client *c)
{
    client_in(c, 0x3fa, 1);
}

static void test_ioapic_bits(void)
{
    g_autoptr(Client) c = client_start(client_program(), nothing);

    for (unsigned pin = 0; pin < 24; pin++) {
        unsigned low = 0x10 + 2 * pin;

        for (unsigned bit = 0; bit < 32; bit++) {
            entry_set(c, low, MASKED | UINT32_C(1) << bit);
            uint32_t writable = UINT32_C(1) << bit & 0x1ffff & ~(uint32_t)(STATUS | REMOTE_IRR);
            g_assert_cmphex(entry_get(c, low), ==, MASKED | writable);
            entry_set(c, low + 1, UINT32_C(1) << bit);
            g_assert_cmphex(entry_get(c, low + 1), ==, UINT32_C(1) << bit & 0xfffe0000);
        }
    }
    entry_set(c, 0, 0xffffffff); /* the id */
    g_assert_cmphex(entry_get(c, 0), ==, 0x0f000000);
    g_assert_cmphex(entry_get(c, 2), ==, 0x0f000000); /* arbitration follows */
    entry_set(c, 1, 0xffffffff); /* the version does not change */
    g_assert_cmphex(entry_get(c, 1), ==, 0x00170020);
    /* The window by other widths: the index takes them, data is whole. */
    client_write(c, IOAPIC, 0x10, 1);
    g_assert_cmphex(client_read(c, IOAPIC, 1), ==, 0x10);
    client_write(c, IOAPIC + 0x10, 0, 1);
    client_write(c, IOAPIC + 0x10, 0, 2);
    g_assert_cmphex(entry_get(c, 0x10) & MASKED, ==, MASKED);
    g_assert_cmphex(client_read(c, IOAPIC + 0x20, 4), ==, 0);
    g_assert_cmphex(client_read(c, IOAPIC + 0xff8, 8), ==, 0);
    /* All masked again after a reset, and the id is gone. */
    entry_set(c, 0x18, 0x30);
    g_free(client_qmp(c, "{\"execute\":\"system_reset\"}"));
    g_free(client_event(c, "RESET"));
    for (unsigned i = 0; i < 1000 && entry_get(c, 0); i++) {
        g_usleep(1000);
    }
    g_assert_cmphex(entry_get(c, 0), ==, 0);
    g_assert_cmphex(entry_get(c, 0x18), ==, MASKED);
}

static void test_ioapic_levels(void)
{
    static const char *const arguments[] = { "-serial", "null", NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    const unsigned pin4 = 0x18;

    entry_set(c, pin4, 0x30); /* an edge leaves no trace */
    line_up(c);
    g_assert_cmphex(entry_get(c, pin4), ==, 0x30);
    line_down(c);
    entry_set(c, pin4, LEVEL | 0x30);
    g_assert_cmphex(entry_get(c, pin4), ==, LEVEL | 0x30);
    line_up(c);
    g_assert_cmphex(entry_get(c, pin4), ==, LEVEL | REMOTE_IRR | 0x30);
    client_write(c, IOAPIC + 0x40, 0x31, 4); /* the end of another */
    g_assert_cmphex(entry_get(c, pin4), ==, LEVEL | REMOTE_IRR | 0x30);
    client_write(c, IOAPIC + 0x40, 0x30, 4); /* the line is up still: again */
    g_assert_cmphex(entry_get(c, pin4), ==, LEVEL | REMOTE_IRR | 0x30);
    line_down(c);
    g_assert_cmphex(entry_get(c, pin4), ==, LEVEL | REMOTE_IRR | 0x30);
    client_write(c, IOAPIC + 0x40, 0x30, 4);
    g_assert_cmphex(entry_get(c, pin4), ==, LEVEL | 0x30);
    /* Masked: it waits. Edge-triggered: it ends. */
    entry_set(c, pin4, MASKED | LEVEL | 0x30);
    line_up(c);
    g_assert_cmphex(entry_get(c, pin4), ==, MASKED | LEVEL | 0x30);
    entry_set(c, pin4, LEVEL | 0x30);
    g_assert_cmphex(entry_get(c, pin4), ==, LEVEL | REMOTE_IRR | 0x30);
    entry_set(c, pin4, MASKED | 0x30);
    g_assert_cmphex(entry_get(c, pin4), ==, MASKED | 0x30);
    /* A reset ends all of it. */
    entry_set(c, pin4, LEVEL | 0x30);
    client_write(c, IOAPIC + 0x40, 0x130, 4); /* the vector is a byte */
}

/* ---- Clock: MC146818 ---- */

static uint8_t cmos(Client *c, uint8_t index)
{
    client_out(c, 0x70, index, 1);
    return (uint8_t)client_in(c, 0x71, 1);
}

static void cmos_set(Client *c, uint8_t index, uint8_t value)
{
    client_out(c, 0x70, index, 1);
    client_out(c, 0x71, value, 1);
}

static void test_clock(void)
{
    static const struct {
        const char *label;
        uint8_t b, hours, day, month, year, century;
        uint8_t after[6]; /* seconds, hours, day, month, year, century a second later */
    } rows[] = {
        { "BCD, 24 hours, a leap day", 0x02, 0x23, 0x28, 0x02, 0x24, 0x20,
          { 0, 0, 0x29, 0x02, 0x24, 0x20 } },
        { "no leap year", 0x02, 0x23, 0x28, 0x02, 0x23, 0x20, { 0, 0, 0x01, 0x03, 0x23, 0x20 } },
        { "a century", 0x02, 0x23, 0x31, 0x12, 0x99, 0x19, { 0, 0, 0x01, 0x01, 0x00, 0x20 } },
        { "binary", 0x06, 23, 31, 12, 29, 20, { 0, 0, 1, 1, 30, 20 } },
        { "12 hours, 11 p.m.", 0x00, 0x91, 0x31, 0x12, 0x29, 0x20,
          { 0, 0x12, 0x01, 0x01, 0x30, 0x20 } },
        { "12 hours, 11 a.m.", 0x00, 0x11, 0x31, 0x12, 0x29, 0x20,
          { 0, 0x92, 0x31, 0x12, 0x29, 0x20 } },
        { "binary, 12 hours", 0x04, 0x80 | 11, 30, 6, 30, 20, { 0, 12, 1, 7, 30, 20 } },
    };
    static const uint8_t registers[] = { 0, 4, 7, 8, 9, 0x32 };
    g_autoptr(Client) c = client_start(client_program(), nothing);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        bool binary = rows[i].b & 4;
        const uint8_t start[] = { binary ? 59 : 0x59, rows[i].hours, rows[i].day,
                                  rows[i].month,      rows[i].year,  rows[i].century };

        g_test_message("%s", rows[i].label);
        cmos_set(c, 11, 0x80 | rows[i].b);
        cmos_set(c, 2, binary ? 59 : 0x59);
        for (unsigned r = 0; r < G_N_ELEMENTS(registers); r++) {
            cmos_set(c, registers[r], start[r]);
        }
        cmos_set(c, 11, rows[i].b);
        client_clock_step(c, NS_PER_SECOND);
        for (unsigned r = 0; r < G_N_ELEMENTS(registers); r++) {
            g_assert_cmphex(cmos(c, registers[r]), ==, rows[i].after[r]);
        }
    }
}

static void test_alarm(void)
{
    g_autoptr(Client) c = client_start(client_program(), nothing);

    cmos_set(c, 11, 0x22); /* of the alarm's flag, if asked for, an interrupt's */
    cmos_set(c, 1, 0x05);
    cmos_set(c, 3, 0xff);
    cmos_set(c, 5, 0xff);
    cmos(c, 12);
    client_clock_step(c, 2 * NS_PER_SECOND);
    g_assert_cmphex(cmos(c, 12) & 0x30, ==, 0x10); /* an update, no alarm */
    client_clock_step(c, 60 * NS_PER_SECOND);
    g_assert_cmphex(cmos(c, 12) & 0xb0, ==, 0xb0);
    g_assert_cmphex(cmos(c, 12), ==, 0); /* reading has cleared it */
    /* Registers that are read-only, and the bit that masks NMIs. */
    cmos_set(c, 12, 0xff);
    cmos_set(c, 13, 0);
    g_assert_cmphex(cmos(c, 12), ==, 0);
    g_assert_cmphex(cmos(c, 13), ==, 0x80);
    cmos_set(c, 0x40, 0x77);
    g_assert_cmphex(cmos(c, 0xc0), ==, 0x77);
    g_assert_cmphex(client_in(c, 0x70, 1), ==, 0xff);
    g_assert_cmphex(client_in(c, 0x70, 2), ==, 0x77ff);
}

/* ---- Power management ---- */

static void place_pm(Client *c)
{
    client_out(c, 0xcf8, 0x8000f840, 4);
    client_out(c, 0xcfc, 0x601, 4);
    client_out(c, 0xcf8, 0x8000f844, 4);
    client_out(c, 0xcfc, 0x80, 4);
}

static bool sci(Client *c)
{
    client_in(c, 0x602, 2);
    return c->levels & 1 << 9;
}

static void test_power(void)
{
    static const char *const arguments[] = { "-action", "shutdown=pause", NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    g_free(client_ask(c, "irq_intercept_in ioapic"));
    g_assert_cmphex(client_in(c, 0x600, 2), ==, 0xffff); /* nowhere before it is placed */
    place_pm(c);
    /* The timer's status: once in 2.34 s its highest bit changes. */
    client_out(c, 0x600, 0xffff, 2);
    client_out(c, 0x604, 1, 2);
    client_out(c, 0x602, 1, 2);
    g_assert_false(sci(c));
    client_clock_step(c, 3 * NS_PER_SECOND);
    g_assert_true(sci(c));
    g_assert_cmphex(client_in(c, 0x600, 2) & 1, ==, 1);
    client_out(c, 0x600, 1, 2);
    g_assert_false(sci(c));
    client_out(c, 0x602, 0, 2);
    /* The button without SCI_EN is no interrupt. */
    client_out(c, 0x604, 0, 2);
    client_out(c, 0x602, 0x100, 2);
    g_free(client_qmp(c, "{\"execute\":\"system_powerdown\"}"));
    g_free(client_event(c, "POWERDOWN"));
    g_assert_cmphex(client_in(c, 0x601, 1), ==, 1); /* bytes of the register */
    g_assert_false(sci(c));
    client_out(c, 0x604, 1, 1);
    g_assert_true(sci(c));
    client_out(c, 0x601, 1, 1);
    g_assert_false(sci(c));
    /* Bits that are not there stay 0; the timer cannot be written. */
    client_out(c, 0x602, 0xffff, 2);
    g_assert_cmphex(client_in(c, 0x602, 2), ==, 0x4521);
    client_out(c, 0x602, 0, 2);
    uint32_t timer = client_in(c, 0x608, 4);
    client_out(c, 0x608, 0, 4);
    g_assert_cmphex(client_in(c, 0x608, 4), ==, timer);
    /* Another sleep type is not there; the one that is switches off. */
    client_out(c, 0x604, 0x2001 | 3 << 10, 2);
    g_autofree char *status = client_qmp(c, "{\"execute\":\"query-status\"}");
    g_assert_nonnull(strstr(status, "\"running\": true"));
    client_out(c, 0x604, 0x2001, 2);
    g_free(client_event(c, "SHUTDOWN"));
}

/* ---- Resets ---- */

static void reset_by(Client *c, uint16_t port, uint8_t first, uint8_t then)
{
    client_out(c, 0xcf8, 0x80000060, 4); /* PCIEXBAR of the host bridge: 0 again after a reset */
    client_out(c, 0xcfc, 0xb0000001, 4);
    client_out(c, port, first, 1);
    g_assert_cmphex(client_in(c, 0xcfc, 4) & 1, ==, 1);
    client_out(c, port, then, 1);
    g_autofree char *event = client_event(c, "RESET");
    g_assert_nonnull(strstr(event, "\"guest\": true"));
    g_assert_nonnull(strstr(event, "guest-reset"));
    for (unsigned i = 0; i < 10000; i++) {
        client_out(c, 0xcf8, 0x80000060, 4);
        if (!(client_in(c, 0xcfc, 4) & 1)) {
            return;
        }
        g_usleep(1000);
    }
    g_assert_not_reached();
}

static void test_resets(void)
{
    g_autoptr(Client) c = client_start(client_program(), nothing);

    reset_by(c, 0xcf9, 0x02, 0x06);
    reset_by(c, 0xcf9, 0x0a, 0x0e);
    reset_by(c, 0x92, 0x02, 0x03);
    reset_by(c, 0x64, 0xd1, 0xfe);
    g_assert_cmphex(client_in(c, 0x92, 1), ==, 0x02);
    g_assert_cmphex(client_in(c, 0xcf9, 1), ==, 0);
}

/* ---- fw_cfg's DMA ---- */

enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

static void put_be(uint8_t *to, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        to[i] = (uint8_t)(value >> 8 * (size - 1 - i));
    }
}

static void dma_at(Client *c, uint64_t at)
{
    client_out(c, 0x514, GUINT32_TO_BE((uint32_t)(at >> 32)), 4);
    client_out(c, 0x518, GUINT32_TO_BE((uint32_t)at), 4);
}

static uint32_t dma(Client *c, uint32_t control, uint32_t size, uint64_t address)
{
    uint8_t *command = c->ram + 0x8000;

    put_be(command, control, 4);
    put_be(command + 4, size, 4);
    put_be(command + 8, address, 8);
    dma_at(c, 0x8000);
    return (uint32_t)command[0] << 24 | command[1] << 16 | command[2] << 8 | command[3];
}

static void test_dma(void)
{
    static const struct {
        const char *label;
        uint32_t control, size;
        uint64_t address;
        uint32_t answer;
    } rows[] = {
        { "a signature", SELECT | READ, 4, 0x9000, 0 },
        { "to the last byte of RAM", SELECT | READ, 4, CLIENT_RAM_SIZE - 4, 0 },
        { "over the end of RAM", SELECT | READ, 5, CLIENT_RAM_SIZE - 4, ERROR },
        { "behind RAM", SELECT | READ, 4, CLIENT_RAM_SIZE, ERROR },
        { "a device's registers", SELECT | READ, 4, IOAPIC, ERROR },
        { "4 GiB - 1 bytes", SELECT | READ, UINT32_MAX, 0x9000, ERROR },
        { "around the end of the address space", SELECT | READ, 0x2000, UINT64_MAX - 0xfff, ERROR },
        { "the last byte there is", SELECT | READ, 1, UINT64_MAX, ERROR },
        { "no bytes, anywhere", SELECT | READ, 0, UINT64_MAX, 0 },
        { "writing what is not written", SELECT | WRITE, 4, 0x9000, ERROR },
        { "writing a key that is not there", 0x3fffu << 16 | SELECT | WRITE, 4, 0x9000, ERROR },
        { "reading a key that is not there", 0x3fffu << 16 | SELECT | READ, 4, 0x9000, 0 },
        { "skipping everything", SKIP, UINT32_MAX, UINT64_MAX, 0 },
        { "bits without meaning", 0xff20, 4, UINT64_MAX, 0 },
        { "nothing", 0, UINT32_MAX, UINT64_MAX, 0 },
    };
    g_autoptr(Client) c = client_start(client_program(), nothing);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmphex(dma(c, rows[i].control, rows[i].size, rows[i].address), ==, rows[i].answer);
    }
    g_assert_cmpmem(c->ram + 0x9000, 4, "\0\0\0\0", 4);
    g_assert_cmpmem(c->ram + CLIENT_RAM_SIZE - 4, 4, "QEMU", 4);
    /* Onto its own command: the answer is written last. */
    g_assert_cmphex(dma(c, SELECT | READ, 4, 0x8000), ==, 0);
    g_assert_cmphex(dma(c, SELECT | READ, 16, 0x7ff8), ==, 0);
    g_assert_cmpmem(c->ram + 0x7ff8, 4, "QEMU", 4);
    /*
     * Commands over the end of RAM, behind it, and around the end of everything: nothing happens.
     */
    memset(c->ram + CLIENT_RAM_SIZE - 8, 0xff, 8);
    dma_at(c, CLIENT_RAM_SIZE - 8);
    dma_at(c, CLIENT_RAM_SIZE);
    dma_at(c, UINT64_MAX - 7);
    dma_at(c, UINT64_MAX);
    g_assert_cmphex(c->ram[CLIENT_RAM_SIZE - 8], ==, 0xff);
    /* The address by halves only; the upper half is forgotten after use. */
    put_be(c->ram + 0x8000, SELECT | READ, 4);
    put_be(c->ram + 0x8004, 4, 4);
    put_be(c->ram + 0x8008, 0xa000, 8);
    client_out(c, 0x518, 0, 1);
    client_out(c, 0x51b, 0x80, 1);
    g_assert_cmphex(c->ram[0xa000], ==, 0);
    client_out(c, 0x518, GUINT32_TO_BE(0x8000), 4);
    g_assert_cmpmem(c->ram + 0xa000, 4, "QEMU", 4);
    g_assert_cmphex(client_in(c, 0x514, 4), ==, 0x554d4551); /* "QEMU CFG" */
    g_assert_cmphex(client_in(c, 0x518, 4), ==, 0x47464320);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/ioapic/bits", test_ioapic_bits);
    g_test_add_func("/qtest/ioapic/levels", test_ioapic_levels);
    g_test_add_func("/qtest/rtc/formats", test_clock);
    g_test_add_func("/qtest/rtc/alarm", test_alarm);
    g_test_add_func("/qtest/pm/events", test_power);
    g_test_add_func("/qtest/resets", test_resets);
    g_test_add_func("/qtest/fw-cfg/dma", test_dma);
    return g_test_run();
}
