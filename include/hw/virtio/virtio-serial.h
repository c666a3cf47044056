/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio console device with its ports (Virtio 1.2, 5.3): virtio-serial-pci, and the
 * virtconsole and virtserialport devices on its bus. Main loop thread; the machine lock is taken
 * where a callback of a chardev comes in.
 */
#ifndef HW_VIRTIO_VIRTIO_SERIAL_H
#define HW_VIRTIO_VIRTIO_SERIAL_H

#include "chardev/chardev.h"
#include "hw/virtio/virtio-pci-device.h"

#define VIRTIO_SERIAL_MAX_PORTS 31

typedef struct VirtioSerial VirtioSerial;
typedef struct VirtioSerialPort VirtioSerialPort;

/* max_ports: 1 to VIRTIO_SERIAL_MAX_PORTS. */
VirtioSerial *virtio_serial_new(unsigned max_ports, const VirtioEnvironment *environment);
VirtioDevice *virtio_serial_device(const VirtioSerial *serial);
/* After its virtio device and all ports. */
void virtio_serial_free(VirtioSerial *serial);
unsigned virtio_serial_max_ports(const VirtioSerial *serial);
/* NULL: there is none of that number. */
VirtioSerialPort *virtio_serial_port(const VirtioSerial *serial, unsigned number);

typedef struct VirtioSerialPortConfig {
    unsigned number;       /* free, below max_ports */
    bool is_console;       /* hvc in Linux */
    const char *name;      /* /dev/virtio-ports/NAME in Linux; NULL = none. Copied */
    Chardev *chardev;      /* borrowed; NULL: what the guest writes vanishes */
    /* A program in the guest opened or closed the port. Machine lock held. NULL: of no interest. */
    void (*guest_opened)(void *opaque, bool open);
    void *opaque;
} VirtioSerialPortConfig;

/* A guest that runs is told. Machine lock held. */
VirtioSerialPort *virtio_serial_port_new(VirtioSerial *serial,
                                         const VirtioSerialPortConfig *config);
void virtio_serial_port_free(VirtioSerialPort *port);
/*
 * Joins port and chardev, and parts them. Machine lock not held. False: the chardev has front ends
 * enough.
 */
bool virtio_serial_port_connect(VirtioSerialPort *port);
void virtio_serial_port_disconnect(VirtioSerialPort *port);

extern const QomType virtio_serial_bus_type;   /* "virtio-serial-bus" */
extern const QomType virtio_serial_pci_type;   /* "virtio-serial-pci" */
extern const QomType virtio_serial_pci_nt_type;
extern const QomType virtio_serial_port_type;  /* "virtio-serial-port", abstract */
extern const QomType virtserialport_type;      /* "virtserialport" */
extern const QomType virtconsole_type;         /* "virtconsole" */

#endif
