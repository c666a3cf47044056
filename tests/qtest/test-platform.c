/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The platform's devices as a guest meets them: serial ports, clock, power management, fw_cfg, I/O
 * APIC, debug console.
 */
#include <string.h>
#include <unistd.h>

#include "client.h"

#define IOAPIC UINT64_C(0xfec00000)

static const char *const nothing[] = { NULL };

static bool file_is(const Client *client, const char *name, const char *text)
{
    g_autoptr(GByteArray) bytes = client_file(client, name);

    return bytes->len == strlen(text) && !memcmp(bytes->data, text, bytes->len);
}

static void test_serial(void)
{
    static const char *const arguments[] = {
        "-chardev", "file,id=out,path=%D/out", "-serial", "chardev:out", "-chardev",
        "socket,id=in,path=%D/in,server=on,wait=off",
        "-serial", "chardev:in", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    g_free(client_ask(c, "irq_intercept_in ioapic"));
    for (const char *text = "hello"; *text; text++) {
        g_assert_cmphex(client_in(c, 0x3fd, 1) & 0x60, ==, 0x60);
        client_out(c, 0x3f8, (uint8_t)*text, 1);
    }
    g_assert_true(file_is(c, "out", "hello"));
    client_out(c, 0x3ff, 0xa5, 1); /* scratch */
    g_assert_cmphex(client_in(c, 0x3ff, 1), ==, 0xa5);

    /* COM2 takes a byte, with an interrupt once the guest has looked for it and allowed it. */
    client_out(c, 0x2fc, 8, 1);
    client_out(c, 0x2f9, 1, 1);
    int peer = client_connect(c, "in");
    g_assert_cmpint(write(peer, "x", 1), ==, 1);
    for (unsigned i = 0; i < 10000 && !(client_in(c, 0x2fd, 1) & 1); i++) {
        g_usleep(1000);
    }
    g_assert_true(c->levels & 1 << 3);
    g_assert_cmphex(client_in(c, 0x2fa, 1) & 0xf, ==, 4);
    g_assert_cmphex(client_in(c, 0x2f8, 1), ==, 'x');
    g_assert_false(c->levels & 1 << 3);
    close(peer);
    /* No third port: nobody answers. */
    g_assert_cmphex(client_in(c, 0x3e8, 1), ==, 0xff);
}

static uint8_t cmos(Client *c, uint8_t index)
{
    client_out(c, 0x70, index, 1);
    return (uint8_t)client_in(c, 0x71, 1);
}

static unsigned from_bcd(uint8_t value)
{
    return (value >> 4) * 10u + (value & 0xf);
}

static void test_rtc(void)
{
    g_autoptr(Client) c = client_start(client_program(), nothing);

    client_clock_step(c, UINT64_C(90) * 1000000000);
    g_assert_cmpuint(from_bcd(cmos(c, 0)), ==, 30); /* the test's time begins with 1970 */
    g_assert_cmpuint(from_bcd(cmos(c, 2)), ==, 1);
    g_assert_cmphex(cmos(c, 13) & 0x80, ==, 0x80); /* the memory is valid */
    g_assert_cmphex(cmos(c, 11) & 0x06, ==, 0x02); /* 24 hours, BCD */
    g_assert_cmpuint(from_bcd(cmos(c, 0x32)), ==, 19);
    client_out(c, 0x70, 0x40, 1); /* memory behind the clock */
    client_out(c, 0x71, 0x77, 1);
    g_assert_cmphex(cmos(c, 0x40), ==, 0x77);
    /* The clock stops while it is set, and goes on from there. */
    client_out(c, 0x70, 11, 1);
    client_out(c, 0x71, 0x82, 1);
    client_out(c, 0x70, 0, 1);
    client_out(c, 0x71, 0x58, 1);
    client_clock_step(c, UINT64_C(5) * 1000000000);
    g_assert_cmpuint(from_bcd(cmos(c, 0)), ==, 58);
    client_out(c, 0x70, 11, 1);
    client_out(c, 0x71, 0x02, 1);
    client_clock_step(c, UINT64_C(3) * 1000000000);
    g_assert_cmpuint(from_bcd(cmos(c, 0)), ==, 1);
    g_assert_cmpuint(from_bcd(cmos(c, 2)), ==, 2);
}

static void test_pm(void)
{
    g_autoptr(Client) c = client_start(client_program(), nothing);

    g_free(client_ask(c, "irq_intercept_in ioapic"));
    client_out(c, 0xcf8, 0x8000f840, 4);
    client_out(c, 0xcfc, 0x601, 4);
    client_out(c, 0xcf8, 0x8000f844, 4);
    client_out(c, 0xcfc, 0x80, 4);
    uint32_t before = client_in(c, 0x608, 4);
    client_clock_step(c, 1000000000);
    g_assert_cmpuint((client_in(c, 0x608, 4) - before) & 0xffffff, >=, 3579544);
    g_assert_cmpuint((client_in(c, 0x608, 4) - before) & 0xffffff, <=, 3579545);
    /* The power button is a status bit, and the SCI once it is enabled. */
    client_out(c, 0x604, 1, 2);
    client_out(c, 0x602, 0x100, 2);
    g_free(client_qmp(c, "{\"execute\":\"system_powerdown\"}"));
    g_free(client_event(c, "POWERDOWN"));
    g_assert_cmphex(client_in(c, 0x600, 2) & 0x100, ==, 0x100);
    g_assert_true(c->levels & 1 << 9);
    client_out(c, 0x600, 0x100, 2);
    g_assert_cmphex(client_in(c, 0x600, 2) & 0x100, ==, 0);
    g_assert_false(c->levels & 1 << 9);
}

static void fw_cfg_take(Client *c, uint16_t key, uint8_t *to, unsigned size)
{
    client_out(c, 0x510, key, 2);
    for (unsigned i = 0; i < size; i++) {
        to[i] = (uint8_t)client_in(c, 0x511, 1);
    }
}

static void put_be32(uint8_t *to, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(to, &value, 4);
}

static uint32_t get_be32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, 4);
    return GUINT32_FROM_BE(value);
}

/* What the control word is after the command. */
static uint32_t fw_cfg_dma(Client *c, uint32_t control, uint32_t size, uint32_t address)
{
    uint64_t at = 0x8000;
    uint8_t *command = c->ram + at;

    put_be32(command, control);
    put_be32(command + 4, size);
    put_be32(command + 8, 0);
    put_be32(command + 12, address);
    client_out(c, 0x514, 0, 4);
    client_out(c, 0x518, GUINT32_TO_BE((uint32_t)at), 4);
    return get_be32(command);
}

/* The selector of a file in the directory (key 0x19); 0: there is none. */
static uint16_t find_file(Client *c, const char *name, uint32_t *size)
{
    uint8_t *directory = c->ram + 0x10000;

    g_assert_cmphex(fw_cfg_dma(c, 0x19 << 16 | 8 | 2, 4, 0x10000), ==, 0);
    uint32_t count = get_be32(directory);
    g_assert_cmpuint(count, <, 256);
    g_assert_cmphex(fw_cfg_dma(c, 2, count * 64, 0x10004), ==, 0);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = directory + 4 + 64 * i;
        if (!strcmp((const char *)entry + 8, name)) {
            *size = get_be32(entry);
            return (uint16_t)(entry[4] << 8 | entry[5]);
        }
    }
    return 0;
}

static void test_fw_cfg(void)
{
    static const char *const arguments[] = { "-fw_cfg", "name=opt/org.example/test,string=the text",
                                             NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    uint8_t bytes[8];
    uint32_t size = 0;

    fw_cfg_take(c, 0, bytes, 4);
    g_assert_cmpmem(bytes, 4, "QEMU", 4);
    fw_cfg_take(c, 1, bytes, 4);
    g_assert_cmphex(bytes[0] & 3, ==, 3);
    uint16_t key = find_file(c, "opt/org.example/test", &size);
    g_assert_cmpuint(size, ==, 8);
    fw_cfg_take(c, key, bytes, 8);
    g_assert_cmpmem(bytes, 8, "the text", 8);
    g_assert_cmphex(fw_cfg_dma(c, (uint32_t)key << 16 | 8 | 4, 4, 0), ==, 0); /* skips */
    g_assert_cmphex(fw_cfg_dma(c, 2, 16, 0x9000), ==, 0);
    /* zeroes behind the end */
    g_assert_cmpmem(c->ram + 0x9000, 16, "text\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    g_assert_cmpuint(find_file(c, "etc/acpi/tables", &size), !=, 0);
    g_assert_cmpuint(find_file(c, "no/such/file", &size), ==, 0);
    /* Neither a write to a file that is read-only, nor memory that is not there. */
    g_assert_cmphex(fw_cfg_dma(c, (uint32_t)key << 16 | 8 | 16, 4, 0x9000) & 1, ==, 1);
    g_assert_cmphex(fw_cfg_dma(c, (uint32_t)key << 16 | 8 | 2, 4, 0xd0000000) & 1, ==, 1);
}

static uint32_t ioapic_get(Client *c, uint8_t index)
{
    client_write(c, IOAPIC, index, 4);
    return (uint32_t)client_read(c, IOAPIC + 0x10, 4);
}

static void ioapic_set(Client *c, uint8_t index, uint32_t value)
{
    client_write(c, IOAPIC, index, 4);
    client_write(c, IOAPIC + 0x10, value, 4);
}

static void test_ioapic(void)
{
    static const char *const arguments[] = { "-serial", "null", NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    g_assert_cmphex(ioapic_get(c, 1) >> 16, ==, 23);
    for (unsigned pin = 0; pin < 24; pin++) {
        /* masked at reset */
        g_assert_cmphex(ioapic_get(c, (uint8_t)(0x10 + 2 * pin)) & 0x10000, ==, 0x10000);
    }
    /* Read-only bits stay: delivery status, remote IRR. */
    ioapic_set(c, 0x10 + 2 * 4, 0x0001ffff);
    g_assert_cmphex(ioapic_get(c, 0x10 + 2 * 4) & 0x1000, ==, 0);
    ioapic_set(c, 0x11 + 2 * 4, 0xff000000);
    g_assert_cmphex(ioapic_get(c, 0x11 + 2 * 4) & 0xff000000, ==, 0xff000000);
    /* A level that waits is seen once the entry is a level's and not masked. */
    ioapic_set(c, 0x10 + 2 * 4, 0x8030);
    g_assert_cmphex(ioapic_get(c, 0x10 + 2 * 4) & 0x4000, ==, 0);
    client_out(c, 0x3fc, 8, 1);
    client_out(c, 0x3f9, 2, 1);
    g_assert_cmphex(ioapic_get(c, 0x10 + 2 * 4) & 0x10000, ==, 0);
    /* Out of its registers: nothing. */
    g_assert_cmphex(ioapic_get(c, 0x80), ==, 0);
}

static void test_debugcon(void)
{
    static const char *const arguments[] = {
        "-chardev", "file,id=log,path=%D/log", "-device", "isa-debugcon,chardev=log,iobase=0x402",
        NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    g_assert_cmphex(client_in(c, 0x402, 1), ==, 0xe9);
    for (const char *text = "firmware speaks\n"; *text; text++) {
        client_out(c, 0x402, (uint8_t)*text, 1);
    }
    g_assert_true(file_is(c, "log", "firmware speaks\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/serial", test_serial);
    g_test_add_func("/qtest/rtc", test_rtc);
    g_test_add_func("/qtest/pm", test_pm);
    g_test_add_func("/qtest/fw-cfg", test_fw_cfg);
    g_test_add_func("/qtest/ioapic", test_ioapic);
    g_test_add_func("/qtest/debugcon", test_debugcon);
    return g_test_run();
}
