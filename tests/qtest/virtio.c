/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rings in memory that is shared with the program: only doorbells are conversation. */
#include "virtio.h"

#include <string.h>

enum { CAP_VENDOR = 9, CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_MULTIPLIER = 16 };
enum { TYPE_COMMON = 1, TYPE_NOTIFY = 2, TYPE_CONFIG = 4 };
enum {
    DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8, DRIVER_FEATURE = 12,
    CONFIG_VECTOR = 16, DEVICE_STATUS = 20, QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28, QUEUE_NOTIFY_OFFSET = 30, QUEUE_DESCRIPTORS = 32, QUEUE_AVAILABLE = 40,
    QUEUE_USED = 48,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };

static uint8_t *at(const Driver *driver, uint64_t address)
{
    return driver->client->ram + address;
}

static void put16(uint8_t *to, uint16_t value)
{
    value = GUINT16_TO_LE(value);
    memcpy(to, &value, sizeof(value));
}

static void put_descriptor(uint8_t *to, uint64_t address, uint32_t size, uint16_t flags,
                           uint16_t next)
{
    address = GUINT64_TO_LE(address);
    size = GUINT32_TO_LE(size);
    memcpy(to, &address, 8);
    memcpy(to + 8, &size, 4);
    put16(to + 12, flags);
    put16(to + 14, next);
}

/* ---- Start ---- */

static void find_structures(Driver *driver)
{
    Client *client = driver->client;

    for (unsigned cap = 0; (cap = pci_find_capability(client, driver->at, CAP_VENDOR, cap));) {
        unsigned type = pci_config_read(client, driver->at, cap + CAP_TYPE, 1),
                 bar = pci_config_read(client, driver->at, cap + CAP_BAR, 1);
        if (bar >= 6) {
            continue;
        }
        uint64_t address = driver->bars[bar] +
                           pci_config_read(client, driver->at, cap + CAP_OFFSET, 4);
        if (type == TYPE_COMMON) {
            driver->common = address;
        } else if (type == TYPE_NOTIFY) {
            driver->notify = address;
            driver->multiplier = pci_config_read(client, driver->at, cap + CAP_MULTIPLIER, 4);
        } else if (type == TYPE_CONFIG) {
            driver->config = address;
        }
    }
    g_assert_cmpuint(driver->common, !=, 0);
    g_assert_cmpuint(driver->notify, !=, 0);
}

static void place_bars(Driver *driver, uint64_t base)
{
    for (unsigned bar = 0; bar < 6; bar++) {
        bool wide = (pci_config_read(driver->client, driver->at, 0x10 + 4 * bar, 4) & 7) == 4;
        uint64_t size = pci_place_bar(driver->client, driver->at, bar, base);
        if (size) {
            driver->bars[bar] = base;
            base += MAX(size, 0x10000);
        }
        bar += wide;
    }
}

static void negotiate(Driver *driver, uint64_t wanted)
{
    Client *client = driver->client;

    client_write(client, driver->common + DEVICE_STATUS, 0, 1);
    client_write(client, driver->common + DEVICE_STATUS, ACKNOWLEDGE | DRIVER, 1);
    for (unsigned half = 0; half < 2; half++) {
        client_write(client, driver->common + DEVICE_FEATURE_SELECT, half, 4);
        uint64_t offered = client_read(client, driver->common + DEVICE_FEATURE, 4);
        uint32_t accepted = (uint32_t)(offered & (wanted | VIRTIO_F_VERSION_1) >> 32 * half);
        driver->features |= (uint64_t)accepted << 32 * half;
        client_write(client, driver->common + DRIVER_FEATURE_SELECT, half, 4);
        client_write(client, driver->common + DRIVER_FEATURE, accepted, 4);
    }
    client_write(client, driver->common + DEVICE_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK, 1);
    g_assert_cmphex(driver_status(driver), ==, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static void start_queue(Driver *driver, unsigned index)
{
    Client *client = driver->client;
    DriverQueue *queue = &driver->queues[index];
    uint64_t common = driver->common;

    client_write(client, common + QUEUE_SELECT, index, 2);
    queue->index = (uint16_t)index;
    queue->size = (uint16_t)client_read(client, common + QUEUE_SIZE, 2);
    g_assert_cmpuint(queue->size, !=, 0);
    queue->descriptors = client_alloc(client, 16 * queue->size);
    queue->available = client_alloc(client, 6 + 2 * queue->size);
    queue->used = client_alloc(client, 6 + 8 * queue->size);
    client_write(client, common + QUEUE_DESCRIPTORS, queue->descriptors, 4);
    client_write(client, common + QUEUE_DESCRIPTORS + 4, 0, 4);
    client_write(client, common + QUEUE_AVAILABLE, queue->available, 4);
    client_write(client, common + QUEUE_AVAILABLE + 4, 0, 4);
    client_write(client, common + QUEUE_USED, queue->used, 4);
    client_write(client, common + QUEUE_USED + 4, 0, 4);
    client_write(client, common + QUEUE_VECTOR, 1 + index, 2);
    queue->doorbell = driver->notify +
                      client_read(client, common + QUEUE_NOTIFY_OFFSET, 2) * driver->multiplier;
    client_write(client, common + QUEUE_ENABLE, 1, 2);
}

void driver_start(Driver *driver, Client *client, PciAddress address, uint64_t base,
                  uint64_t features, unsigned num_queues)
{
    *driver = (Driver) { .client = client, .at = address };
    g_assert_cmpuint(num_queues, <=, DRIVER_MAX_QUEUES);
    g_assert_cmphex(pci_config_read(client, address, 0, 2), ==, 0x1af4);
    place_bars(driver, base);
    pci_enable(client, address);
    find_structures(driver);
    driver->messages = client_alloc(client, 4096);
    pci_enable_msix(client, address, driver->bars, num_queues + 1, driver->messages);
    negotiate(driver, features);
    client_write(client, driver->common + CONFIG_VECTOR, 0, 2);
    for (unsigned i = 0; i < num_queues; i++) {
        start_queue(driver, i);
    }
    client_write(client, driver->common + DEVICE_STATUS,
                 ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK, 1);
}

uint8_t driver_status(const Driver *driver)
{
    return (uint8_t)client_read(driver->client, driver->common + DEVICE_STATUS, 1);
}

uint64_t driver_config(const Driver *driver, unsigned offset, unsigned size)
{
    return client_read(driver->client, driver->config + offset, size);
}

/* ---- Requests ---- */

static void put_chain(Driver *driver, uint64_t table, uint16_t first, const DriverBuffer *buffers,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t flags = (uint16_t)((buffers[i].in ? DESC_WRITE : 0) |
                                    (i + 1 < count ? DESC_NEXT : 0));
        put_descriptor(at(driver, table + 16 * (first + i)), buffers[i].address, buffers[i].size,
                       flags, (uint16_t)(first + i + 1));
    }
}

void driver_add_again(Driver *driver, DriverQueue *queue, uint16_t head)
{
    put16(at(driver, queue->available + 4 + 2 * (queue->next_available % queue->size)), head);
    queue->next_available++;
}

void driver_add(Driver *driver, DriverQueue *queue, uint16_t head, const DriverBuffer *buffers,
                unsigned count)
{
    put_chain(driver, queue->descriptors, head, buffers, count);
    driver_add_again(driver, queue, head);
}

void driver_add_indirect(Driver *driver, DriverQueue *queue, uint16_t head, uint64_t table,
                         const DriverBuffer *buffers, unsigned count)
{
    put_chain(driver, table, 0, buffers, count);
    put_descriptor(at(driver, queue->descriptors + 16 * head), table, 16 * count, DESC_INDIRECT, 0);
    driver_add_again(driver, queue, head);
}

static uint16_t *shared16(const Driver *driver, uint64_t address)
{
    return (uint16_t *)(void *)at(driver, address);
}

void driver_kick(Driver *driver, DriverQueue *queue)
{
    /*
     * The first that the device uses from now on is told of. Said here, and not when one is taken:
     * the device may be between using it and looking whether to tell.
     */
    __atomic_store_n(shared16(driver, queue->available + 4 + 2 * queue->size),
                     GUINT16_TO_LE(queue->seen), __ATOMIC_SEQ_CST);
    __atomic_store_n(shared16(driver, queue->available + 2), GUINT16_TO_LE(queue->next_available),
                     __ATOMIC_SEQ_CST);
    client_write(driver->client, queue->doorbell, queue->index, 2);
}

static uint16_t used_index(const Driver *driver, const DriverQueue *queue)
{
    return GUINT16_FROM_LE(__atomic_load_n(shared16(driver, queue->used + 2), __ATOMIC_ACQUIRE));
}

bool driver_is_idle(const Driver *driver, const DriverQueue *queue)
{
    return used_index(driver, queue) == queue->next_available;
}

typedef struct Wait {
    const Driver *driver;
    const DriverQueue *queue;
} Wait;

static bool is_idle(void *opaque)
{
    const Wait *wait = opaque;

    return driver_is_idle(wait->driver, wait->queue);
}

void driver_wait(Driver *driver, DriverQueue *queue)
{
    Wait wait = { driver, queue };

    client_wait(is_idle, &wait, "requests");
}

int driver_take_used(Driver *driver, DriverQueue *queue, uint32_t *written)
{
    uint32_t entry[2];

    if (used_index(driver, queue) == queue->seen) {
        return -1;
    }
    memcpy(entry, at(driver, queue->used + 4 + 8 * (queue->seen % queue->size)), sizeof(entry));
    queue->seen++;
    if (written) {
        *written = GUINT32_FROM_LE(entry[1]);
    }
    return (int)GUINT32_FROM_LE(entry[0]);
}

uint32_t driver_run(Driver *driver, DriverQueue *queue, const DriverBuffer *buffers, unsigned count)
{
    uint32_t written = 0;

    driver_add(driver, queue, 0, buffers, count);
    driver_kick(driver, queue);
    driver_wait(driver, queue);
    g_assert_cmpint(driver_take_used(driver, queue, &written), ==, 0);
    return written;
}

static bool is_told(void *opaque)
{
    return __atomic_load_n((const uint32_t *)opaque, __ATOMIC_ACQUIRE);
}

uint32_t driver_wait_message(Driver *driver, unsigned vector)
{
    uint32_t *message = (uint32_t *)(void *)at(driver, driver->messages + 4 * vector);

    client_wait(is_told, message, "a message");
    return GUINT32_FROM_LE(__atomic_exchange_n(message, 0, __ATOMIC_SEQ_CST));
}
