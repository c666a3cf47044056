/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports, their bytes, and the control queues: Virtio 1.2, 5.3. */
#include "hw/virtio/virtio-serial.h"

#include <string.h>

#include "util/bytes.h"

#define VIRTIO_CONSOLE_F_SIZE (UINT64_C(1) << 0)
#define VIRTIO_CONSOLE_F_MULTIPORT (UINT64_C(1) << 1)
#define PORT_QUEUE_SIZE 128
#define CONTROL_QUEUE_SIZE 32
#define CONTROL_SIZE 8
#define CONFIG_SIZE 12
enum { CONFIG_COLUMNS = 0, CONFIG_ROWS = 2, CONFIG_MAX_PORTS = 4 };
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_REMOVE = 2, PORT_READY = 3, CONSOLE_PORT = 4,
       RESIZE = 5, PORT_OPEN = 6, PORT_NAME = 7 };
/* Messages that the guest gave no buffers for: one that asks again and again gets no more. */
#define MAX_PENDING 1024
#define CHUNK 4096

struct VirtioSerialPort {
    VirtioSerial *serial;
    VirtioSerialPortConfig config;
    char *name;
    VirtQueue *in, *out;
    bool guest_open, host_open;
    uint16_t columns, rows; /* of a console's terminal; 0: nobody knows */
    VirtqElement *sending; /* the guest's bytes from sent on wait for the chardev */
    uint64_t sent;
    VirtqElement *receiving; /* room for the chardev's next bytes */
};

struct VirtioSerial {
    VirtioDevice *device;
    unsigned max_ports;
    VirtQueue *control_in, *control_out;
    GQueue pending; /* of GBytes: messages to the guest */
    VirtioSerialPort *ports[VIRTIO_SERIAL_MAX_PORTS];
};

/* ---- Control messages ---- */

static bool has_ports(const VirtioSerial *serial)
{
    return virtio_is_started(serial->device) &&
           virtio_has(serial->device, VIRTIO_CONSOLE_F_MULTIPORT);
}

static void send_pending(VirtioSerial *serial)
{
    VirtqElement *element;

    while (!g_queue_is_empty(&serial->pending) && (element = virtqueue_pop(serial->control_in))) {
        g_autoptr(GBytes) message = g_queue_pop_head(&serial->pending);
        gsize size;
        const uint8_t *data = g_bytes_get_data(message, &size);
        virtqueue_push(serial->control_in, element, virtq_write(element, 0, data, size));
    }
    virtqueue_notify(serial->control_in);
}

static void send_message(VirtioSerial *serial, unsigned port, unsigned event, unsigned value,
                         const void *more, size_t size)
{
    uint8_t header[CONTROL_SIZE];

    if (!has_ports(serial)) {
        return;
    }
    if (serial->pending.length >= MAX_PENDING) {
        virtio_fail(serial->device, "more than %u control messages wait for buffers", MAX_PENDING);
        return;
    }
    store_le32(header, port);
    store_le16(header + 4, event);
    store_le16(header + 6, value);
    g_autoptr(GByteArray) message = g_byte_array_new();
    g_byte_array_append(message, header, sizeof(header));
    g_byte_array_append(message, more, size);
    g_queue_push_tail(&serial->pending, g_byte_array_free_to_bytes(g_steal_pointer(&message)));
    send_pending(serial);
}

static void send_control(VirtioSerial *serial, unsigned port, unsigned event, unsigned value,
                         const char *text)
{
    send_message(serial, port, event, value, text, text ? strlen(text) : 0);
}

/* Columns, then rows (5.3.6.2), which not every Linux takes so: those of 6.12 and 7.2 do. */
static void send_size(const VirtioSerialPort *port)
{
    uint8_t size[4];

    if (virtio_has(port->serial->device, VIRTIO_CONSOLE_F_SIZE) && port->columns) {
        store_le16(size, port->columns);
        store_le16(size + 2, port->rows);
        send_message(port->serial, port->config.number, RESIZE, 0, size, sizeof(size));
    }
}

static void port_ready(VirtioSerialPort *port)
{
    unsigned number = port->config.number;

    if (port->config.is_console) {
        send_control(port->serial, number, CONSOLE_PORT, 1, NULL);
        send_size(port);
    }
    if (port->name) {
        send_control(port->serial, number, PORT_NAME, 1, port->name);
    }
    if (port->host_open) {
        send_control(port->serial, number, PORT_OPEN, 1, NULL);
    }
}

static void set_guest_open(VirtioSerialPort *port, bool open)
{
    bool changed = port->guest_open != open;

    port->guest_open = open;
    if (changed && port->config.guest_opened) {
        port->config.guest_opened(port->config.opaque, open);
    }
    if (open) {
        chardev_accept_input(port->config.chardev);
    }
}

static void handle_message(VirtioSerial *serial, uint32_t number, unsigned event, unsigned value)
{
    VirtioSerialPort *port = number < serial->max_ports ? serial->ports[number] : NULL;

    if (event == DEVICE_READY && value) {
        for (unsigned i = 0; i < serial->max_ports; i++) {
            if (serial->ports[i]) {
                send_control(serial, i, PORT_ADD, 1, NULL);
            }
        }
    } else if (event == PORT_READY && port && value) {
        port_ready(port);
    } else if (event == PORT_OPEN && port) {
        set_guest_open(port, value);
    }
}

static void serve_control(VirtioSerial *serial)
{
    VirtqElement *element;

    while ((element = virtqueue_pop(serial->control_out))) {
        uint8_t message[CONTROL_SIZE];
        if (virtq_read(element, 0, message, sizeof(message)) < sizeof(message)) {
            virtqueue_fail(serial->control_out, element,
                           "a control message of %" PRIu64 " bytes, 8 needed", element->out_size);
            return;
        }
        virtqueue_push(serial->control_out, element, 0);
        handle_message(serial, load_le32(message), load_le16(message + 4), load_le16(message + 6));
    }
    virtqueue_notify(serial->control_out);
}

/* ---- Bytes of the guest ---- */

/* As much of the request at hand as the chardev takes; true: all of it. */
static bool send_some(VirtioSerialPort *port)
{
    uint8_t bytes[CHUNK];

    while (port->sent < port->sending->out_size) {
        size_t n = virtq_read(port->sending, port->sent, bytes, sizeof(bytes));
        unsigned taken = port->config.chardev && port->host_open
                             ? chardev_write(port->config.chardev, bytes, n)
                             : n;
        port->sent += taken;
        if (taken < n) {
            return false;
        }
    }
    return true;
}

static void serve_out(VirtioSerialPort *port)
{
    while (port->sending || (port->sending = virtqueue_pop(port->out))) {
        if (!send_some(port)) {
            break; /* writable() goes on */
        }
        virtqueue_push(port->out, g_steal_pointer(&port->sending), 0);
        port->sent = 0;
    }
    virtqueue_notify(port->out);
}

/* ---- Bytes for the guest ---- */

static bool takes_input(const VirtioSerialPort *port)
{
    /* Without multiport there is port 0 alone, and it is open. */
    return virtqueue_is_ready(port->in) &&
           (port->guest_open || (!has_ports(port->serial) && port->config.number == 0));
}

static unsigned can_receive(void *opaque)
{
    VirtioSerialPort *port = opaque;

    virtio_lock(port->serial->device);
    if (takes_input(port) && !port->receiving) {
        port->receiving = virtqueue_pop(port->in);
    }
    uint64_t room = takes_input(port) && port->receiving ? port->receiving->in_size : 0;
    virtio_unlock(port->serial->device);
    return MIN(room, CHUNK);
}

static void receive(void *opaque, const uint8_t *data, unsigned n)
{
    VirtioSerialPort *port = opaque;

    virtio_lock(port->serial->device);
    /* else the driver was reset since can_receive(): the bytes are lost with what it had */
    if (port->receiving) {
        size_t done = virtq_write(port->receiving, 0, data, n);
        virtqueue_push(port->in, g_steal_pointer(&port->receiving), done);
        virtqueue_notify(port->in);
    }
    virtio_unlock(port->serial->device);
}

static void set_host_open(VirtioSerialPort *port, bool open)
{
    if (open != port->host_open) {
        port->host_open = open;
        send_control(port->serial, port->config.number, PORT_OPEN, open, NULL);
        serve_out(port);
    }
}

/* The configuration tells of port 0 what messages tell of each (5.3.4). */
static void update_size(VirtioSerialPort *port)
{
    uint16_t columns, rows;

    if (!port->config.is_console ||
        !chardev_terminal_size(port->config.chardev, &columns, &rows) ||
        (columns == port->columns && rows == port->rows)) {
        return;
    }
    port->columns = columns;
    port->rows = rows;
    send_size(port);
    if (port->config.number == 0) {
        virtio_config_changed(port->serial->device);
    }
}

static void chardev_event(void *opaque, ChardevEvent event)
{
    VirtioSerialPort *port = opaque;

    virtio_lock(port->serial->device);
    if (event == CHARDEV_OPENED || event == CHARDEV_RESIZED) {
        update_size(port);
    }
    if (!port->config.is_console && (event == CHARDEV_OPENED || event == CHARDEV_CLOSED)) {
        set_host_open(port, event == CHARDEV_OPENED);
    }
    virtio_unlock(port->serial->device);
}

static void writable(void *opaque)
{
    VirtioSerialPort *port = opaque;

    virtio_lock(port->serial->device);
    serve_out(port);
    virtio_unlock(port->serial->device);
}

static void moved(void *opaque, Chardev *chardev)
{
    VirtioSerialPort *port = opaque;

    virtio_lock(port->serial->device);
    port->config.chardev = chardev;
    virtio_unlock(port->serial->device);
}

static const ChardevFrontend frontend = { can_receive, receive, chardev_event, writable, moved };

/* ---- The device ---- */

/* Queues: port 0, control, port 1, port 2 … (5.3.2) */
static unsigned port_of_queue(unsigned index)
{
    return index < 2 ? 0 : index / 2 - 1;
}

static void notify(void *opaque, VirtQueue *queue)
{
    VirtioSerial *serial = opaque;
    unsigned index = virtqueue_index(queue);

    if (queue == serial->control_out) {
        serve_control(serial);
    } else if (queue == serial->control_in) {
        send_pending(serial);
    } else {
        VirtioSerialPort *port = serial->ports[port_of_queue(index)];
        if (port && index % 2) {
            serve_out(port);
        } else if (port) {
            chardev_accept_input(port->config.chardev);
        }
    }
}

static void stop(void *opaque)
{
    VirtioSerial *serial = opaque;

    g_queue_clear_full(&serial->pending, (GDestroyNotify)g_bytes_unref);
    for (unsigned i = 0; i < serial->max_ports; i++) {
        VirtioSerialPort *port = serial->ports[i];
        if (port) {
            g_clear_pointer(&port->sending, virtq_element_free);
            g_clear_pointer(&port->receiving, virtq_element_free);
            port->sent = 0;
            set_guest_open(port, false);
        }
    }
}

static void start(void *opaque)
{
    VirtioSerial *serial = opaque;

    if (!has_ports(serial) && serial->ports[0]) {
        chardev_accept_input(serial->ports[0]->config.chardev);
    }
}

static void get_config(void *opaque, uint8_t *config)
{
    const VirtioSerial *serial = opaque;

    if (serial->ports[0]) {
        store_le16(config + CONFIG_COLUMNS, serial->ports[0]->columns);
        store_le16(config + CONFIG_ROWS, serial->ports[0]->rows);
    }
    store_le32(config + CONFIG_MAX_PORTS, serial->max_ports);
}

static const VirtioClass serial_class = {
    .name = "virtio-serial", .id = VIRTIO_ID_CONSOLE, .config_size = CONFIG_SIZE,
    .get_config = get_config, .start = start,
    .stop = stop, .notify = notify,
};

VirtioSerial *virtio_serial_new(unsigned max_ports, const VirtioEnvironment *environment)
{
    VirtioSerial *serial = g_new0(VirtioSerial, 1);

    g_assert(max_ports && max_ports <= VIRTIO_SERIAL_MAX_PORTS);
    serial->max_ports = max_ports;
    g_queue_init(&serial->pending);
    serial->device = virtio_new(&serial_class, serial, environment);
    virtio_add_queue(serial->device, PORT_QUEUE_SIZE);
    virtio_add_queue(serial->device, PORT_QUEUE_SIZE);
    serial->control_in = virtio_add_queue(serial->device, CONTROL_QUEUE_SIZE);
    serial->control_out = virtio_add_queue(serial->device, CONTROL_QUEUE_SIZE);
    for (unsigned i = 1; i < max_ports; i++) {
        virtio_add_queue(serial->device, PORT_QUEUE_SIZE);
        virtio_add_queue(serial->device, PORT_QUEUE_SIZE);
    }
    virtio_offer(serial->device, VIRTIO_CONSOLE_F_SIZE | VIRTIO_CONSOLE_F_MULTIPORT);
    return serial;
}

VirtioDevice *virtio_serial_device(const VirtioSerial *serial)
{
    return serial->device;
}

unsigned virtio_serial_max_ports(const VirtioSerial *serial)
{
    return serial->max_ports;
}

VirtioSerialPort *virtio_serial_port(const VirtioSerial *serial, unsigned number)
{
    return number < serial->max_ports ? serial->ports[number] : NULL;
}

void virtio_serial_free(VirtioSerial *serial)
{
    if (serial) {
        g_queue_clear_full(&serial->pending, (GDestroyNotify)g_bytes_unref);
        g_free(serial);
    }
}

/* ---- Ports ---- */

VirtioSerialPort *virtio_serial_port_new(VirtioSerial *serial, const VirtioSerialPortConfig *config)
{
    VirtioSerialPort *port = g_new0(VirtioSerialPort, 1);
    unsigned first = config->number ? 2 * config->number + 2 : 0;

    g_assert(config->number < serial->max_ports && !serial->ports[config->number]);
    port->serial = serial;
    port->config = *config;
    port->name = g_strdup(config->name);
    port->in = virtio_queue(serial->device, first);
    port->out = virtio_queue(serial->device, first + 1);
    /* a console is written to whether somebody reads or not */
    port->host_open = config->is_console;
    serial->ports[config->number] = port;
    send_control(serial, config->number, PORT_ADD, 1, NULL);
    return port;
}

bool virtio_serial_port_connect(VirtioSerialPort *port)
{
    return !port->config.chardev || chardev_attach(port->config.chardev, &frontend, port);
}

void virtio_serial_port_disconnect(VirtioSerialPort *port)
{
    if (port->config.chardev) {
        chardev_detach(port->config.chardev, port);
    }
}

void virtio_serial_port_free(VirtioSerialPort *port)
{
    if (port) {
        send_control(port->serial, port->config.number, PORT_REMOVE, 1, NULL);
        port->serial->ports[port->config.number] = NULL;
        if (port->sending) {
            /* the guest takes back what was not used, and counts on the next port's */
            virtqueue_unpop(port->out, port->sending);
        }
        if (port->receiving) {
            virtqueue_unpop(port->in, port->receiving);
        }
        g_free(port->name);
        g_free(port);
    }
}
