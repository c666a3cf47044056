/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serial ports: isa-serial (PC16550D data sheet, section 8), and virtio-serial-pci with its ports
 * (Virtio 1.2, 5.3).
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio.h"

static const PciAddress card = { 0, 4 << 3 };

/* ---- isa-serial ---- */

enum { DATA = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
enum { COM1 = 0x3f8, COM2 = 0x2f8 };

static void out(Client *c, unsigned offset, uint8_t value)
{
    client_out(c, (uint16_t)(COM1 + offset), value, 1);
}

static uint8_t in(Client *c, unsigned offset)
{
    return (uint8_t)client_in(c, (uint16_t)(COM1 + offset), 1);
}

static bool line_4(Client *c)
{
    in(c, SCR); /* levels come in front of an answer */
    return c->levels & 1 << 4;
}

static Client *start_isa(void)
{
    static const char *const arguments[] = {
        "-chardev", "socket,id=com1,path=%D/com1,server=on,wait=off",
        "-device",  "isa-serial,chardev=com1",
        "-chardev", "null,id=com2",
        "-device",  "isa-serial,chardev=com2,index=1",
        NULL,
    };
    Client *c = client_start(client_program(), arguments);

    g_free(client_ask(c, "irq_intercept_in ioapic"));
    return c;
}

static void test_loopback(void)
{
    g_autoptr(Client) c = start_isa();

    out(c, MCR, 0x1b); /* loopback, OUT2, RTS, DTR */
    g_assert_cmphex(in(c, MSR) & 0xf0, ==, 0xb0);
    out(c, MCR, 0x14); /* OUT1 alone: RI */
    g_assert_cmphex(in(c, MSR), ==, 0x4b); /* and what has changed */
    g_assert_cmphex(in(c, MSR), ==, 0x40);
    out(c, MCR, 0x10);
    g_assert_cmphex(in(c, MSR), ==, 0x04); /* the trailing edge of RI */
    out(c, IER, 1);
    out(c, DATA, 0x5a);
    g_assert_cmphex(in(c, LSR) & 1, ==, 1);
    g_assert_cmphex(in(c, IIR) & 0xf, ==, 4);
    g_assert_false(line_4(c)); /* no interrupt leaves the chip in loopback */
    g_assert_cmphex(in(c, DATA), ==, 0x5a);
    /* One register: the second byte is an overrun, and replaces the first. */
    out(c, DATA, 1);
    out(c, DATA, 2);
    out(c, IER, 4);
    g_assert_cmphex(in(c, IIR) & 0xf, ==, 6);
    g_assert_cmphex(in(c, LSR) & 3, ==, 3);
    g_assert_cmphex(in(c, LSR) & 3, ==, 1);
    g_assert_cmphex(in(c, DATA), ==, 2);
}

static void test_fifo(void)
{
    g_autoptr(Client) c = start_isa();

    out(c, FCR, 0x81); /* trigger at 8 */
    g_assert_cmphex(in(c, IIR), ==, 0xc1);
    out(c, MCR, 0x10);
    out(c, IER, 1);
    for (unsigned i = 0; i < 7; i++) {
        out(c, DATA, (uint8_t)i);
    }
    g_assert_cmphex(in(c, IIR), ==, 0xcc); /* fewer: the timeout */
    out(c, DATA, 7);
    g_assert_cmphex(in(c, IIR), ==, 0xc4);
    for (unsigned i = 8; i < 20; i++) {
        out(c, DATA, (uint8_t)i);
    }
    g_assert_cmphex(in(c, LSR) & 2, ==, 2); /* 16 fit */
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(in(c, DATA), ==, i);
    }
    g_assert_cmphex(in(c, LSR) & 1, ==, 0);
    out(c, DATA, 1);
    out(c, FCR, 0x03); /* clears it */
    g_assert_cmphex(in(c, LSR) & 1, ==, 0);
    out(c, DATA, 1);
    out(c, FCR, 0x00); /* so does switching it off */
    g_assert_cmphex(in(c, LSR) & 1, ==, 0);
    g_assert_cmphex(in(c, IIR), ==, 0x01);
}

static void test_interrupts(void)
{
    g_autoptr(Client) c = start_isa();

    out(c, IER, 2);
    g_assert_false(line_4(c)); /* not connected: OUT2 is off */
    out(c, MCR, 8);
    g_assert_true(line_4(c));
    g_assert_cmphex(in(c, IIR) & 0xf, ==, 2); /* reading it is the answer */
    g_assert_false(line_4(c));
    out(c, DATA, 'x');
    g_assert_true(line_4(c));
    out(c, IER, 0);
    g_assert_false(line_4(c));
    g_assert_cmphex(in(c, IER), ==, 0);
    out(c, IER, 0xff);
    g_assert_cmphex(in(c, IER), ==, 0x0f);
    out(c, IER, 0);
    /* The divisor lies over the first two registers. */
    out(c, LCR, 0x83);
    out(c, DATA, 0x34);
    out(c, IER, 0x12);
    g_assert_cmphex(in(c, DATA), ==, 0x34);
    g_assert_cmphex(in(c, IER), ==, 0x12);
    out(c, LCR, 0x03);
    g_assert_cmphex(in(c, IER), ==, 0);
    /* Wide accesses are those of bytes. */
    client_out(c, COM1 + SCR, 0x5a, 1);
    g_assert_cmphex(client_in(c, COM1 + IER, 4) >> 16 & 0xff, ==, 0x03);
    client_out(c, COM1 + LCR, 0x0003, 2);
    g_assert_cmphex(in(c, SCR), ==, 0x5a);
    /* A port with nobody at its other end sends away. */
    client_out(c, COM2, 'x', 1);
    g_assert_cmphex(client_in(c, COM2 + LSR, 1) & 0x60, ==, 0x60);
}

static bool has_byte(void *opaque)
{
    return in(opaque, LSR) & 1;
}

/* What the other end sends waits for room, and none is lost. */
static void test_input(void)
{
    enum { COUNT = 3000 };
    g_autoptr(Client) c = start_isa();
    uint8_t bytes[COUNT];
    int peer = client_connect(c, "com1");

    for (unsigned i = 0; i < COUNT; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    out(c, FCR, 1);
    g_assert_cmpint(write(peer, bytes, COUNT), ==, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        client_wait(has_byte, c, "a byte");
        g_assert_cmphex(in(c, DATA), ==, bytes[i]);
    }
    g_assert_cmphex(in(c, LSR), ==, 0x60); /* and no overrun */
    close(peer);
}

static bool has_interrupt(void *opaque)
{
    return line_4(opaque);
}

/* A break, which a multiplexer makes of C-a b: the data sheet's line status bit with a byte 0. */
static void test_break(void)
{
    static const char *const arguments[] = {
        "-chardev", "socket,id=com1,path=%D/com1,server=on,wait=off,mux=on",
        "-device",  "isa-serial,chardev=com1",
        NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    int peer = client_connect(c, "com1");

    g_free(client_ask(c, "irq_intercept_in ioapic"));
    out(c, IER, 4);
    out(c, MCR, 8);
    g_assert_cmpint(write(peer, "\1b", 2), ==, 2);
    client_wait(has_interrupt, c, "a break");
    g_assert_cmphex(in(c, IIR) & 0xf, ==, 6);
    g_assert_cmphex(in(c, LSR) & 0x11, ==, 0x11);
    g_assert_cmphex(in(c, DATA), ==, 0);
    g_assert_false(line_4(c));
    close(peer);
}

/* ---- virtio-serial-pci ---- */

enum {
    DEVICE_READY = 0, PORT_ADD = 1, PORT_REMOVE = 2, PORT_READY = 3, CONSOLE_PORT = 4,
    PORT_OPEN = 6, PORT_NAME = 7,
};
enum {
    CONTROL_IN = 2, CONTROL_OUT = 3, PORT1_IN = 4, PORT1_OUT = 5, MESSAGE_SIZE = 64,
    NUM_MESSAGES = 16,
};
#define MULTIPORT (UINT64_C(1) << 1)

typedef struct Ports {
    Client *client;
    Driver driver;
    uint64_t control, data; /* guest physical */
    unsigned heads;
} Ports;

static void start_ports(Ports *p, uint64_t features)
{
    static const char *const arguments[] = {
        "-device",  "virtio-serial-pci,id=serial0,addr=4,max_ports=4",
        "-chardev", "socket,id=con,path=%D/con,server=on,wait=off",
        "-device",  "virtconsole,chardev=con,bus=serial0.0",
        "-chardev", "socket,id=port,path=%D/port,server=on,wait=off",
        "-device",  "virtserialport,chardev=port,bus=serial0.0,name=org.example.port,id=port1",
        NULL,
    };

    p->client = client_start(client_program(), arguments);
    driver_start(&p->driver, p->client, card, PCI_MMIO_BASE, features, features ? 6 : 2);
    p->control = client_alloc(p->client, MESSAGE_SIZE * NUM_MESSAGES);
    p->data = client_alloc(p->client, 65536);
    for (uint16_t i = 0; features && i < NUM_MESSAGES; i++) {
        const DriverBuffer buffer = { p->control + MESSAGE_SIZE * i, MESSAGE_SIZE, true };
        driver_add(&p->driver, &p->driver.queues[CONTROL_IN], i, &buffer, 1);
    }
    if (features) {
        driver_kick(&p->driver, &p->driver.queues[CONTROL_IN]);
    }
}

static void tell(Ports *p, uint32_t port, uint16_t event, uint16_t value)
{
    const DriverBuffer message = { p->data, 8, false };
    const uint8_t bytes[8] = {
        (uint8_t)port,  0, 0, (uint8_t)(port >> 24), (uint8_t)event, (uint8_t)(event >> 8),
        (uint8_t)value, 0
    };

    memcpy(p->client->ram + p->data, bytes, sizeof(bytes));
    driver_run(&p->driver, &p->driver.queues[CONTROL_OUT], &message, 1);
}

/* The next message from the device; false: there is none. */
static bool heard(Ports *p, uint8_t port, uint8_t event, uint8_t value, const char *text)
{
    uint32_t size;
    int head = driver_take_used(&p->driver, &p->driver.queues[CONTROL_IN], &size);

    if (head < 0) {
        return false;
    }
    const uint8_t *message = p->client->ram + p->control + MESSAGE_SIZE * head;
    const uint8_t expected[8] = { port, 0, 0, 0, event, 0, value, 0 };
    g_assert_cmpmem(message, 8, expected, 8);
    g_assert_cmpmem(message + 8, size - 8, text, strlen(text));
    driver_add_again(&p->driver, &p->driver.queues[CONTROL_IN], (uint16_t)head);
    driver_kick(&p->driver, &p->driver.queues[CONTROL_IN]);
    return true;
}

typedef struct Expected {
    Ports *ports;
    uint8_t port, event, value;
} Expected;

static bool is_heard(void *opaque)
{
    const Expected *e = opaque;

    return heard(e->ports, e->port, e->event, e->value, "");
}

/* The same, when it comes of somebody outside. */
static void wait_for(Ports *p, uint8_t port, uint8_t event, uint8_t value)
{
    Expected expected = { p, port, event, value };

    client_wait(is_heard, &expected, "a control message");
}

static void begin(Ports *p)
{
    start_ports(p, MULTIPORT);
    g_assert_cmpuint(driver_config(&p->driver, 4, 4), ==, 4); /* ports */
    tell(p, 0, DEVICE_READY, 1);
    g_assert_true(heard(p, 0, PORT_ADD, 1, ""));
    g_assert_true(heard(p, 1, PORT_ADD, 1, ""));
    g_assert_false(heard(p, 0, 0, 0, ""));
    tell(p, 0, PORT_READY, 1);
    g_assert_true(heard(p, 0, CONSOLE_PORT, 1, ""));
    g_assert_true(heard(p, 0, PORT_OPEN, 1, ""));
    tell(p, 1, PORT_READY, 1);
    g_assert_true(heard(p, 1, PORT_NAME, 1, "org.example.port"));
    g_assert_false(heard(p, 0, 0, 0, "")); /* nobody is at its other end */
}

static void send_bytes(Ports *p, unsigned queue, const char *text)
{
    const DriverBuffer buffer = { p->data + 1024, (uint32_t)strlen(text), false };

    memcpy(p->client->ram + p->data + 1024, text, strlen(text));
    driver_run(&p->driver, &p->driver.queues[queue], &buffer, 1);
}

static void take_bytes(Ports *p, unsigned queue, const char *text)
{
    const DriverBuffer buffer = { p->data + 2048, 64, true };

    g_assert_cmpuint(driver_run(&p->driver, &p->driver.queues[queue], &buffer, 1), ==,
                     strlen(text));
    g_assert_cmpmem(p->client->ram + p->data + 2048, strlen(text), text, strlen(text));
}

static void test_ports(void)
{
    Ports p;
    char got[16];

    begin(&p);
    /* Its other end comes, and takes and gives once the guest has opened the port. */
    int peer = client_connect(p.client, "port");
    wait_for(&p, 1, PORT_OPEN, 1);
    g_assert_cmpint(write(peer, "early", 5), ==, 5);
    tell(&p, 1, PORT_OPEN, 1);
    take_bytes(&p, PORT1_IN, "early");
    send_bytes(&p, PORT1_OUT, "answer");
    g_assert_cmpint(recv(peer, got, 6, MSG_WAITALL), ==, 6);
    g_assert_cmpmem(got, 6, "answer", 6);
    /* It goes, which the guest hears; what is sent to nobody is taken. */
    close(peer);
    wait_for(&p, 1, PORT_OPEN, 0);
    send_bytes(&p, PORT1_OUT, "nobody hears");
    peer = client_connect(p.client, "port");
    wait_for(&p, 1, PORT_OPEN, 1);
    send_bytes(&p, PORT1_OUT, "again");
    g_assert_cmpint(recv(peer, got, 5, MSG_WAITALL), ==, 5);
    g_assert_cmpmem(got, 5, "again", 5);
    close(peer);
    g_assert_cmphex(driver_status(&p.driver), ==, 0xf);
    client_end(p.client);
}

/* A port that is taken away and another that comes. */
static void test_port_plug(void)
{
    Ports p;

    begin(&p);
    g_free(client_qmp(p.client, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"port1\"}}"));
    g_free(client_event(p.client, "DEVICE_DELETED"));
    wait_for(&p, 1, PORT_REMOVE, 1);
    g_free(client_qmp(
        p.client,
        "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtserialport\",\"id\":\"port3\","
        "\"bus\":\"serial0.0\",\"nr\":3,\"chardev\":\"port\",\"name\":\"other\"}}"));
    wait_for(&p, 3, PORT_ADD, 1);
    tell(&p, 3, PORT_READY, 1);
    g_assert_true(heard(&p, 3, PORT_NAME, 1, "other"));
    static const struct {
        const char *driver, *nr, *says;
    } bad[] = {
        { "virtserialport", "3", "already exists" },
        { "virtserialport", "4", "Out-of-range" },
        { "virtserialport", "0", "already exists" },
        { "virtconsole", "0", "already exists" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *answer =
            client_qmp_try(p.client,
                           "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"%s\","
                           "\"bus\":\"serial0.0\",\"nr\":%s}}",
                           bad[i].driver, bad[i].nr);
        g_assert_nonnull(strstr(answer, bad[i].says));
    }
    client_end(p.client);
}

/* Messages that make no sense are not heard; the device goes on. */
static void test_nonsense(void)
{
    Ports p;

    begin(&p);
    tell(&p, 2, PORT_READY, 1);          /* no such port */
    tell(&p, 0x7f000000, PORT_OPEN, 1);
    tell(&p, 1, PORT_READY, 0);
    tell(&p, 1, PORT_ADD, 1);            /* the device's to say */
    tell(&p, 1, 0xffff, 0xff);
    g_assert_false(heard(&p, 0, 0, 0, ""));
    tell(&p, 0, DEVICE_READY, 0);
    tell(&p, 0, DEVICE_READY, 1);
    g_assert_true(heard(&p, 0, PORT_ADD, 1, ""));
    g_assert_true(heard(&p, 1, PORT_ADD, 1, ""));
    g_assert_cmphex(driver_status(&p.driver), ==, 0xf);
    /* Half a message breaks it. */
    const DriverBuffer half = { p.data, 7, false };
    driver_add(&p.driver, &p.driver.queues[CONTROL_OUT], 0, &half, 1);
    driver_kick(&p.driver, &p.driver.queues[CONTROL_OUT]);
    g_assert_cmphex(driver_status(&p.driver) & 0x40, ==, 0x40);
    client_end(p.client);
}

/*
 * A driver that asks without end and gives no room for the answers: so many wait, and the device
 * needs a reset.
 */
static void test_endless_questions(void)
{
    Ports p;

    begin(&p);
    for (unsigned i = 0; i < 2000 && driver_status(&p.driver) == 0xf; i++) {
        const DriverBuffer message = { p.data, 8, false };
        static const uint8_t ready[8] = { [4] = DEVICE_READY, [6] = 1 };

        memcpy(p.client->ram + p.data, ready, sizeof(ready));
        driver_add(&p.driver, &p.driver.queues[CONTROL_OUT], 0, &message, 1);
        driver_kick(&p.driver, &p.driver.queues[CONTROL_OUT]);
    }
    g_assert_cmphex(driver_status(&p.driver) & 0x40, ==, 0x40);
    client_end(p.client);
}

/* The guest writes more than the other end takes: the request waits, no byte is lost. */
static void test_flow(void)
{
    enum { SIZE = 60000, COUNT = 20 };
    Ports p;

    start_ports(&p, 0); /* no multiport: port 0 alone, open */
    int peer = client_connect(p.client, "con");
    g_autofree uint8_t *got = g_malloc(SIZE * COUNT);
    const DriverBuffer buffer = { p.data, SIZE, false };
    for (unsigned i = 0; i < SIZE; i++) {
        p.client->ram[p.data + i] = (uint8_t)(i * 13);
    }
    for (uint16_t i = 0; i < COUNT; i++) {
        driver_add(&p.driver, &p.driver.queues[1], i, &buffer, 1);
    }
    driver_kick(&p.driver, &p.driver.queues[1]);
    /* 1.2 MB do not fit on the way */
    g_assert_false(driver_is_idle(&p.driver, &p.driver.queues[1]));
    g_assert_cmpint(recv(peer, got, SIZE * COUNT, MSG_WAITALL), ==, SIZE * COUNT);
    driver_wait(&p.driver, &p.driver.queues[1]);
    for (unsigned i = 0; i < SIZE * COUNT; i++) {
        g_assert_cmphex(got[i], ==, (uint8_t)(i % SIZE * 13));
    }
    g_assert_cmpint(write(peer, "typed", 5), ==, 5);
    take_bytes(&p, 0, "typed");
    close(peer);
    client_end(p.client);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/isa-serial/loopback", test_loopback);
    g_test_add_func("/qtest/isa-serial/fifo", test_fifo);
    g_test_add_func("/qtest/isa-serial/interrupts", test_interrupts);
    g_test_add_func("/qtest/isa-serial/input", test_input);
    g_test_add_func("/qtest/isa-serial/break", test_break);
    g_test_add_func("/qtest/virtio-serial/ports", test_ports);
    g_test_add_func("/qtest/virtio-serial/port-plug", test_port_plug);
    g_test_add_func("/qtest/virtio-serial/nonsense", test_nonsense);
    g_test_add_func("/qtest/virtio-serial/endless-questions", test_endless_questions);
    g_test_add_func("/qtest/virtio-serial/flow", test_flow);
    return g_test_run();
}
