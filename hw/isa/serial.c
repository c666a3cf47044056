/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 16550A UART. Registers: National Semiconductor PC16550D data sheet, section 8. */
#include "hw/isa/serial.h"

#include <string.h>

#define FIFO_SIZE 16

enum { DATA = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

#define IER_RECEIVED 0x01
#define IER_TRANSMIT_EMPTY 0x02
#define IER_LINE_STATUS 0x04
#define IER_MODEM_STATUS 0x08

#define IIR_NONE 0x01
#define IIR_MODEM_STATUS 0x00
#define IIR_TRANSMIT_EMPTY 0x02
#define IIR_RECEIVED 0x04
#define IIR_LINE_STATUS 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS 0xc0

#define FCR_ENABLE 0x01
#define FCR_CLEAR_RECEIVED 0x02
#define FCR_CLEAR_TRANSMIT 0x04
#define FCR_KEPT 0xc9

#define LCR_DLAB 0x80

#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08 /* on PCs: connects the interrupt to the bus */
#define MCR_LOOPBACK 0x10
#define MCR_BITS 0x1f

#define LSR_DATA_READY 0x01
#define LSR_OVERRUN 0x02
#define LSR_BREAK 0x10
#define LSR_ERRORS 0x1e
#define LSR_TRANSMIT_EMPTY 0x60 /* holding register and shift register */

#define MSR_DELTA_CTS 0x01
#define MSR_DELTA_DSR 0x02
#define MSR_TRAILING_RI 0x04
#define MSR_DELTA_DCD 0x08
#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RI 0x40
#define MSR_DCD 0x80

struct Serial {
    Chardev *chardev;
    GMutex *machine_lock;
    const IrqLine *irq;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    uint16_t divisor;
    uint8_t fifo[FIFO_SIZE];
    unsigned head, count;
    bool holding;             /* a byte in THR that the chardev has no room for yet */
    uint8_t held;
    /* THR became empty, and the guest has neither read that from IIR nor written */
    bool transmit_indication;
    bool level;               /* of the interrupt line */
};

static bool fifos_on(const Serial *serial)
{
    return serial->fcr & FCR_ENABLE;
}

static unsigned capacity(const Serial *serial)
{
    return fifos_on(serial) ? FIFO_SIZE : 1;
}

static unsigned trigger_level(const Serial *serial)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return fifos_on(serial) ? levels[serial->fcr >> 6] : 1;
}

/* The most urgent condition that is enabled (data sheet, table 4). */
static uint8_t interrupt_id(const Serial *serial)
{
    if ((serial->ier & IER_LINE_STATUS) && (serial->lsr & LSR_ERRORS)) {
        return IIR_LINE_STATUS;
    }
    if ((serial->ier & IER_RECEIVED) && serial->count) {
        return serial->count >= trigger_level(serial) ? IIR_RECEIVED : IIR_TIMEOUT;
    }
    if ((serial->ier & IER_TRANSMIT_EMPTY) && serial->transmit_indication) {
        return IIR_TRANSMIT_EMPTY;
    }
    if ((serial->ier & IER_MODEM_STATUS) && (serial->msr & 0x0f)) {
        return IIR_MODEM_STATUS;
    }
    return IIR_NONE;
}

static void update_irq(Serial *serial)
{
    bool gate = (serial->mcr & MCR_OUT2) && !(serial->mcr & MCR_LOOPBACK);
    bool level = gate && interrupt_id(serial) != IIR_NONE;

    if (level != serial->level) {
        serial->level = level;
        irq_set(serial->irq, level);
    }
}

static void receive_byte(Serial *serial, uint8_t byte)
{
    if (serial->count == capacity(serial)) {
        serial->lsr |= LSR_OVERRUN;
        if (!fifos_on(serial)) {
            /* one register: the new character replaces the old one */
            serial->fifo[serial->head] = byte;
        }
        return;
    }
    serial->fifo[(serial->head + serial->count) % FIFO_SIZE] = byte;
    serial->count++;
}

static void clear_received(Serial *serial)
{
    serial->head = serial->count = 0;
    chardev_accept_input(serial->chardev);
}

static uint8_t read_data(Serial *serial)
{
    if (!serial->count) {
        return 0;
    }
    uint8_t byte = serial->fifo[serial->head];
    serial->head = (serial->head + 1) % FIFO_SIZE;
    serial->count--;
    chardev_accept_input(serial->chardev);
    return byte;
}

/*
 * THR stays full until there is room, and a byte that is written meanwhile replaces the one there,
 * as in the device.
 */
static void transmit(Serial *serial, uint8_t byte)
{
    serial->holding = chardev_write(serial->chardev, &byte, 1) == 0;
    serial->held = byte;
    serial->transmit_indication = !serial->holding;
}

static void write_data(Serial *serial, uint8_t byte)
{
    if (serial->mcr & MCR_LOOPBACK) {
        receive_byte(serial, byte);
        serial->transmit_indication = true;
    } else {
        transmit(serial, byte);
    }
}

/* Modem inputs: ready and connected, or in loopback what MCR puts out. */
static uint8_t modem_inputs(const Serial *serial)
{
    if (!(serial->mcr & MCR_LOOPBACK)) {
        return MSR_CTS | MSR_DSR | MSR_DCD;
    }
    return (serial->mcr & MCR_RTS ? MSR_CTS : 0) | (serial->mcr & MCR_DTR ? MSR_DSR : 0) |
           (serial->mcr & MCR_OUT1 ? MSR_RI : 0) | (serial->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void update_modem_status(Serial *serial)
{
    uint8_t old = serial->msr & 0xf0, new = modem_inputs(serial);
    uint8_t delta = (old ^ new) >> 4 & (MSR_DELTA_CTS | MSR_DELTA_DSR | MSR_DELTA_DCD);

    if ((old & MSR_RI) && !(new & MSR_RI)) {
        delta |= MSR_TRAILING_RI;
    }
    serial->msr = new | (serial->msr & 0x0f) | delta;
}

static void write_fcr(Serial *serial, uint8_t value)
{
    bool toggled = (serial->fcr ^ value) & FCR_ENABLE;

    /*
     * The other bits are only programmed together with the enable bit; changing that clears both
     * FIFOs.
     */
    serial->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    if (toggled || ((value & FCR_ENABLE) && (value & FCR_CLEAR_RECEIVED))) {
        clear_received(serial);
    }
    if (toggled || ((value & FCR_ENABLE) && (value & FCR_CLEAR_TRANSMIT))) {
        serial->holding = false;
        serial->transmit_indication = true;
    }
}

static void write_ier(Serial *serial, uint8_t value)
{
    /* Enabling the indication while the holding register is empty raises it. */
    if (((value & ~serial->ier) & IER_TRANSMIT_EMPTY) && !serial->holding) {
        serial->transmit_indication = true;
    }
    serial->ier = value & 0x0f;
}

static uint8_t read_iir(Serial *serial)
{
    uint8_t id = interrupt_id(serial);

    if (id == IIR_TRANSMIT_EMPTY) {
        serial->transmit_indication = false;
    }
    return id | (fifos_on(serial) ? IIR_FIFOS : 0);
}

static uint8_t read_register(Serial *serial, unsigned offset)
{
    uint8_t value;

    switch (offset) {
    case DATA:
        return serial->lcr & LCR_DLAB ? (uint8_t)serial->divisor : read_data(serial);
    case IER:
        return serial->lcr & LCR_DLAB ? serial->divisor >> 8 : serial->ier;
    case IIR_FCR:
        return read_iir(serial);
    case LCR:
        return serial->lcr;
    case MCR:
        return serial->mcr;
    case LSR:
        value = serial->lsr | (serial->holding ? 0 : LSR_TRANSMIT_EMPTY) |
                (serial->count ? LSR_DATA_READY : 0);
        serial->lsr &= ~LSR_ERRORS;
        return value;
    case MSR:
        value = serial->msr;
        serial->msr &= 0xf0;
        return value;
    default:
        return serial->scr;
    }
}

static uint64_t port_read(void *opaque, hwaddr offset, unsigned size)
{
    Serial *serial = opaque;
    uint8_t value = read_register(serial, offset);

    update_irq(serial);
    return value;
}

static void port_write(void *opaque, hwaddr offset, uint64_t wide, unsigned size)
{
    Serial *serial = opaque;
    uint8_t value = wide;
    bool dlab = serial->lcr & LCR_DLAB;

    switch (offset) {
    case DATA:
        if (dlab) {
            serial->divisor = (serial->divisor & 0xff00) | value;
        } else {
            write_data(serial, value);
        }
        break;
    case IER:
        if (dlab) {
            serial->divisor = (serial->divisor & 0x00ff) | value << 8;
        } else {
            write_ier(serial, value);
        }
        break;
    case IIR_FCR:
        write_fcr(serial, value);
        break;
    case LCR:
        serial->lcr = value;
        break;
    case MCR:
        serial->mcr = value & MCR_BITS;
        update_modem_status(serial);
        chardev_accept_input(serial->chardev);
        break;
    case SCR:
        serial->scr = value;
        break;
    default:
        break; /* LSR and MSR are written only in factory tests */
    }
    update_irq(serial);
}

static const IoRegionOps serial_ops = { port_read, port_write, 1 };

/* Input, on the main loop thread */

static unsigned can_receive(void *opaque)
{
    Serial *serial = opaque;

    g_mutex_lock(serial->machine_lock);
    /* In loopback the line is cut off from the receiver: input waits. */
    unsigned room = serial->mcr & MCR_LOOPBACK ? 0 : capacity(serial) - serial->count;
    g_mutex_unlock(serial->machine_lock);
    return room;
}

static void receive(void *opaque, const uint8_t *data, unsigned n)
{
    Serial *serial = opaque;

    g_mutex_lock(serial->machine_lock);
    for (unsigned i = 0; i < n; i++) {
        receive_byte(serial, data[i]);
    }
    update_irq(serial);
    g_mutex_unlock(serial->machine_lock);
}

/* The chardev has room again for what the guest wanted to send. */
static void writable(void *opaque)
{
    Serial *serial = opaque;

    g_mutex_lock(serial->machine_lock);
    if (serial->holding) {
        transmit(serial, serial->held);
        update_irq(serial);
    }
    g_mutex_unlock(serial->machine_lock);
}

/* Of the other end's doings only a break reaches the guest. */
static void event(void *opaque, ChardevEvent what)
{
    Serial *serial = opaque;

    if (what == CHARDEV_BREAK) {
        g_mutex_lock(serial->machine_lock);
        serial->lsr |= LSR_BREAK;
        receive_byte(serial, 0);
        update_irq(serial);
        g_mutex_unlock(serial->machine_lock);
    }
}

static void moved(void *opaque, Chardev *chardev)
{
    Serial *serial = opaque;

    g_mutex_lock(serial->machine_lock);
    serial->chardev = chardev;
    g_mutex_unlock(serial->machine_lock);
}

static const ChardevFrontend serial_frontend = { can_receive, receive, event, writable, moved };

void serial_reset(Serial *serial)
{
    serial->ier = serial->fcr = serial->lcr = serial->mcr = serial->lsr = serial->scr = 0;
    serial->divisor = 12; /* 9600 baud from 1.8432 MHz */
    serial->msr = modem_inputs(serial);
    serial->transmit_indication = false;
    serial->holding = false;
    clear_received(serial);
    update_irq(serial);
}

Serial *serial_new(AddressSpace *ports, const char *name, hwaddr base, Chardev *chardev,
                   GMutex *machine_lock, const IrqLine *irq)
{
    Serial *serial = g_new0(Serial, 1);

    serial->chardev = chardev;
    serial->machine_lock = machine_lock;
    serial->irq = irq;
    serial_reset(serial);
    address_space_add_io(ports, name, base, 8, 0, &serial_ops, serial);
    if (chardev) {
        chardev_attach(chardev, &serial_frontend, serial);
    }
    return serial;
}

void serial_free(Serial *serial)
{
    if (serial && serial->chardev) {
        chardev_detach(serial->chardev, serial);
    }
    g_free(serial);
}
