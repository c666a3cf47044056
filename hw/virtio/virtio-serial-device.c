/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-serial-pci, its bus, and virtconsole and virtserialport on it. */
#include "chardev/chardev-object.h"
#include "hw/core/machine.h"
#include "hw/virtio/virtio-serial.h"
#include "qapi-types.h"
#include "util/error.h"

#define AUTO UINT32_MAX

/* ---- The controller ---- */

typedef struct VirtioSerialBus {
    Bus bus;
    VirtioSerial *serial; /* the controller's */
    GMutex *machine_lock;
} VirtioSerialBus;

const QomType virtio_serial_bus_type = { .name = "virtio-serial-bus", .parent = &bus_type,
                                         .size = sizeof(VirtioSerialBus) };

typedef struct VirtioSerialPci {
    VirtioPciDevice parent;
    VirtioSerial *serial;
    uint32_t max_ports;
} VirtioSerialPci;

static VirtioDevice *make(VirtioPciDevice *parent, const VirtioEnvironment *environment,
                          GError **errp)
{
    VirtioSerialPci *device = (VirtioSerialPci *)parent;

    if (!device->max_ports || device->max_ports > VIRTIO_SERIAL_MAX_PORTS) {
        error_set(errp, "max_ports is %u, must be 1 to %u", device->max_ports,
                  VIRTIO_SERIAL_MAX_PORTS);
        return NULL;
    }
    device->serial = virtio_serial_new(device->max_ports, environment);
    return virtio_serial_device(device->serial);
}

static void free_serial(VirtioPciDevice *parent)
{
    g_clear_pointer(&((VirtioSerialPci *)parent)->serial, virtio_serial_free);
}

static void placed(PciDevice *pci)
{
    VirtioSerialPci *device = (VirtioSerialPci *)pci;
    const char *id = pci->device.id;
    g_autofree char *name = id ? g_strdup_printf("%s.0", id)
                               : g_strdup_printf("virtio-serial-bus.%d", pci->device.index);
    VirtioSerialBus *bus = (VirtioSerialBus *)bus_new(&virtio_serial_bus_type, name, &pci->device);

    bus->serial = device->serial;
    bus->machine_lock = pci_device_ports(pci)->machine_lock;
    bus->bus.hotpluggable = true;
}

static const VirtioPciOps pci_ops = {
    .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Input", PCI_DEVICE_OPS },
             VIRTIO_PCI_OPS, .placed = placed },
    .class_device = 0x0780, .make = make, .free = free_serial,
};

static const QomProperty pci_properties[] = {
    QOM_PROPERTY_UINT32("max_ports", VirtioSerialPci, max_ports, "31", "number of ports, up to 31"),
    { NULL },
};

const QomType virtio_serial_pci_type = {
    .name = "virtio-serial-pci", .parent = &virtio_pci_type,
    .description = "Virtio console device with ports",
    .size = sizeof(VirtioSerialPci), .properties = pci_properties, .ops = &pci_ops,
};
const QomType virtio_serial_pci_nt_type = VIRTIO_NON_TRANSITIONAL("virtio-serial-pci",
                                                                  virtio_serial_pci_type);

/* ---- Ports ---- */

typedef struct Port {
    Device device;
    VirtioSerialPort *port;
    const Machine *machine;
    QomLink chardev;
    char *name;
    uint32_t nr;
} Port;

static void lock(const VirtioSerialBus *bus)
{
    if (bus->machine_lock) {
        g_mutex_lock(bus->machine_lock);
    }
}

static void unlock(const VirtioSerialBus *bus)
{
    if (bus->machine_lock) {
        g_mutex_unlock(bus->machine_lock);
    }
}

/* Port 0 is a console's: drivers of before multiport know no other (5.3.2). */
static bool choose_number(Port *port, const VirtioSerialBus *bus, bool is_console, GError **errp)
{
    unsigned max = virtio_serial_max_ports(bus->serial);

    if (port->nr == AUTO) {
        for (port->nr = is_console ? 0 : 1;
             port->nr < max && virtio_serial_port(bus->serial, port->nr); port->nr++) {
            continue;
        }
    }
    if (port->nr >= max) {
        return error_set(errp,
                         "virtio-serial-bus: Out-of-range port id specified, max. allowed: %u",
                         max - 1);
    }
    if (virtio_serial_port(bus->serial, port->nr)) {
        return error_set(errp, "virtio-serial-bus: A port already exists at id %u", port->nr);
    }
    if (port->nr == 0 && !is_console) {
        return error_set(errp, "virtio-serial-bus: Port number 0 on virtio-serial devices reserved "
                               "for virtconsole devices");
    }
    return true;
}

/* Management software learns so that an agent in the guest has come or gone. */
static void guest_opened(void *opaque, bool open)
{
    const Port *port = opaque;
    Chardev *chardev = chardev_of(&port->chardev);

    if (chardev) {
        chardev_set_frontend_open(chardev, open);
    }
    if (port->device.id) {
        JsonValue *data = json_object_new_object();

        json_object_object_add(data, "id", json_object_new_string(port->device.id));
        json_object_object_add(data, "open", json_object_new_boolean(open));
        machine_event(port->machine, &qapi_event_VSERPORT_CHANGE, data);
    }
}

static bool port_realize(Device *device, GError **errp)
{
    Port *port = (Port *)device;
    VirtioSerialBus *bus = (VirtioSerialBus *)device->bus;
    Chardev *chardev = chardev_of(&port->chardev);
    bool is_console = qom_is(&device->object, &virtconsole_type);

    if (chardev && chardev_in_use(chardev) && !chardev_is_mux(chardev)) {
        return error_set(errp, "Property '%s.chardev' can't take value '%s', it's in use",
                         device->object.type->name, port->chardev.name);
    }
    if (!choose_number(port, bus, is_console, errp)) {
        return false;
    }
    port->machine = device_machine(device);
    lock(bus);
    port->port = virtio_serial_port_new(bus->serial, &(VirtioSerialPortConfig) {
        .number = port->nr, .is_console = is_console, .name = port->name, .chardev = chardev,
        .guest_opened = is_console ? NULL : guest_opened, .opaque = port,
    });
    unlock(bus);
    if (virtio_serial_port_connect(port->port)) {
        if (chardev && !is_console) {
            chardev_set_frontend_open(chardev, false); /* until the guest opens it */
        }
        return true;
    }
    lock(bus);
    g_clear_pointer(&port->port, virtio_serial_port_free);
    unlock(bus);
    return error_set(errp, "Property '%s.chardev' can't take value '%s', it has front ends enough",
                     device->object.type->name, port->chardev.name);
}

static void port_unrealize(Device *device)
{
    Port *port = (Port *)device;
    VirtioSerialBus *bus = (VirtioSerialBus *)device->bus;

    virtio_serial_port_disconnect(port->port);
    lock(bus);
    g_clear_pointer(&port->port, virtio_serial_port_free);
    unlock(bus);
}

static const DeviceOps port_ops = {
    .bus_type = &virtio_serial_bus_type, .category = "Input", .realize = port_realize,
    .unrealize = port_unrealize,
};

static const QomProperty port_properties[] = {
    QOM_PROPERTY_LINK("chardev", Port, chardev, &chardev_type, CHARDEV_CONTAINER,
                      "ID of a chardev to use as a backend",
                      .type_name = "str"),
    QOM_PROPERTY_STR("name", Port, name, NULL, "name of the port in the guest"),
    QOM_PROPERTY_UINT32("nr", Port, nr, "4294967295",
                        "number of the port; 4294967295 = the first that is free"),
    { NULL },
};

const QomType virtio_serial_port_type = {
    .name = "virtio-serial-port", .parent = &device_type, .abstract = true, .size = sizeof(Port),
    .properties = port_properties, .ops = &port_ops,
};
const QomType virtserialport_type = {
    .name = "virtserialport", .parent = &virtio_serial_port_type,
    .description = "Port of a virtio-serial device",
};
const QomType virtconsole_type = {
    .name = "virtconsole", .parent = &virtio_serial_port_type,
    .description = "Console of a virtio-serial device",
};
