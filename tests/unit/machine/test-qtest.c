/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The qtest protocol against a machine's RAM, a device's register, and its interrupt lines. */
#include "accel/qtest/qtest.h"
#include "fixture.h"

static uint8_t ram[8192];
static uint64_t device_register;
static char *answer;

static uint64_t device_read(void *opaque, hwaddr offset, unsigned size)
{
    return device_register;
}

static void device_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    device_register = value;
}

static const IoRegionOps device_ops = { device_read, device_write, 8 };

static void on_line(void *opaque, const char *line)
{
    g_free(answer);
    answer = g_strdup(line);
}

typedef struct Machine {
    GMutex lock;
    AddressSpace *memory, *ports;
    IrqLine gsi[4];
    Watch watch;
    QtestClock clock;
    Qtest *qtest;
} Machine;

static void machine_init(Machine *m)
{
    *m = (Machine) { .memory = address_space_new("memory"), .ports = address_space_new("I/O") };
    g_mutex_init(&m->lock);
    address_space_add_ram(m->memory, "ram", 0, sizeof(ram), ram);
    address_space_add_io(m->ports, "device", 0x70, 4, 0, &device_ops, NULL);
    m->gsi[2] = (IrqLine) { on_irq, &m->watch };
    const QtestMachine machine = { m->memory, m->ports, &m->lock, m->gsi, G_N_ELEMENTS(m->gsi),
                                   &m->clock };
    m->qtest = qtest_new(&machine, on_line, NULL);
}

static void machine_clear(Machine *m)
{
    qtest_free(m->qtest);
    address_space_free(m->memory);
    address_space_free(m->ports);
    g_mutex_clear(&m->lock);
    g_clear_pointer(&answer, g_free);
}

static void test_commands(void)
{
    static const struct {
        const char *command, *answer;
    } rows[] = {
        { "outl 0x70 0x12345678", "OK" }, { "inl 0x70", "OK 0x12345678" },
        { "inb 0x80", "OK 0x00ff" },
        { "outb 112 7", "OK" }, { "inb 0x70", "OK 0x0007" },
        { "writeq 0x100 0x1122334455667788", "OK" }, { "readq 0x100", "OK 0x1122334455667788" },
        { "readl 0x100", "OK 0x0000000055667788" }, { "readw 0x106", "OK 0x0000000000001122" },
        { "readb 0x107", "OK 0x0000000000000011" }, { "readl 0x100000", "OK 0x00000000ffffffff" },
        { "read 0x100 4", "OK 0x88776655" }, { "read 0x100 0", "OK 0x" },
        { "write 0x200 3 0xaBcDeF", "OK" }, { "read 0x1ff 5", "OK 0x00abcdef00" },
        { "write 0x1ffe 4 0x01020304", "OK" }, { "read 0x1ffe 4", "OK 0x0102ffff" },
        { "b64write 0x300 3 AQID", "OK" }, { "b64read 0x300 3", "OK AQID" },
        { "memset 0x400 4 0x5a", "OK" }, { "read 0x3ff 6", "OK 0x005a5a5a5a00" },
        { "  readb \t 0x300  ", "OK 0x0000000000000001" },
        { "clock_step 5", "OK 5" }, { "clock_step", "OK 1000005" },
        { "clock_set 2000000", "OK 2000000" },
        { "clock_set 1", "OK 2000000" }, { "endianness", "OK little" },
        { "bogus", "FAIL Unknown command 'bogus'" }, { "", "FAIL Unknown command ''" },
        { "inb", "FAIL 'inb' takes 1 operands" }, { "outb 0x70", "FAIL 'outb' takes 2 operands" },
        { "inb 0x10000", "FAIL '0x10000' is not a number from 0 to 0xffff" },
        { "inb -1", "FAIL '-1' is not a number from 0 to 0xffff" },
        { "inb x", "FAIL 'x' is not a number from 0 to 0xffff" },
        { "outl 0x70 0x100000000", "FAIL '0x100000000' is not a number from 0 to 0xffffffff" },
        { "read 0 0x1000001", "FAIL '0x1000001' is not a number from 0 to 0x1000000" },
        { "write 0 2 0x00", "FAIL the data must be 0x and 4 hexadecimal digits" },
        { "write 0 1 0xzz", "FAIL the data has a character that is no hexadecimal digit" },
        { "b64write 0 4 AQID", "FAIL the data is of 3 bytes, not of 4" },
        { "memset 0 1 256", "FAIL '256' is not a number from 0 to 0xff" },
        { "irq_intercept_in pic", "FAIL 'pic' has no interrupt lines here: use 'ioapic'" },
        { "set_irq_in ioapic x 4 1", "FAIL '4' is not a number from 0 to 0x3" },
    };
    Machine m;

    machine_init(&m);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        qtest_command(m.qtest, rows[i].command);
        g_test_message("%s", rows[i].command);
        g_assert_cmpstr(answer, ==, rows[i].answer);
    }
    machine_clear(&m);
}

static void test_interrupts(void)
{
    Machine m;

    machine_init(&m);
    qtest_command(m.qtest, "set_irq_in ioapic unnamed-gpio-in 2 1");
    g_assert_cmpstr(answer, ==, "OK");
    g_assert_true(m.watch.level);

    qtest_command(m.qtest, "irq_intercept_in ioapic");
    g_assert_cmpstr(answer, ==, "OK");
    irq_set(&m.gsi[3], true);
    g_assert_cmpstr(answer, ==, "IRQ raise 3");
    on_line(NULL, "nothing");
    irq_set(&m.gsi[3], true);
    g_assert_cmpstr(answer, ==, "nothing");
    irq_set(&m.gsi[3], false);
    g_assert_cmpstr(answer, ==, "IRQ lower 3");
    irq_set(&m.gsi[2], false);
    g_assert_cmpuint(m.watch.changes, ==, 1);

    g_clear_pointer(&m.qtest, qtest_free);
    irq_set(&m.gsi[2], false);
    g_assert_cmpuint(m.watch.changes, ==, 2);
    machine_clear(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/commands", test_commands);
    g_test_add_func("/qtest/interrupts", test_interrupts);
    return g_test_run();
}
