/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver of modern virtio PCI devices, as small as one can be. Virtio 1.2, 2.7 and 4.1. */
#ifndef TESTS_QTEST_VIRTIO_H
#define TESTS_QTEST_VIRTIO_H

#include "pci.h"

#define DRIVER_MAX_QUEUES 6
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)
#define VIRTIO_F_ACCESS_PLATFORM (UINT64_C(1) << 33)

typedef struct DriverQueue {
    uint16_t index, size;
    uint64_t descriptors, available, used; /* guest physical */
    uint64_t doorbell;
    uint16_t next_available; /* what was made available, told with driver_kick() */
    uint16_t seen;           /* of the used ring */
} DriverQueue;

typedef struct Driver {
    Client *client;
    PciAddress at;
    uint64_t bars[6];
    uint64_t common, notify, config; /* addresses of the structures */
    uint32_t multiplier;
    uint64_t features;       /* negotiated */
    uint64_t messages;       /* vector 0: configuration, 1 + n: queue n; see pci_enable_msix() */
    DriverQueue queues[DRIVER_MAX_QUEUES];
} Driver;

typedef struct DriverBuffer {
    uint64_t address;
    uint32_t size;
    bool in; /* the device writes */
} DriverBuffer;

/*
 * Places BARs from `base` on, negotiates what is offered of `features` and VERSION_1, sets the
 * queues up, and DRIVER_OK.
 */
void driver_start(Driver *driver, Client *client, PciAddress at, uint64_t base, uint64_t features,
                  unsigned num_queues);
uint8_t driver_status(const Driver *driver);
/* Device configuration. */
uint64_t driver_config(const Driver *driver, unsigned offset, unsigned size);
/* Puts a request at the descriptors from `head` on: one a buffer. */
void driver_add(Driver *driver, DriverQueue *queue, uint16_t head, const DriverBuffer *buffers,
                unsigned count);
/* The same by a table in memory of 16 bytes a buffer. */
void driver_add_indirect(Driver *driver, DriverQueue *queue, uint16_t head, uint64_t table,
                         const DriverBuffer *buffers, unsigned count);
/* Makes a request at `head` available again without writing its descriptors. */
void driver_add_again(Driver *driver, DriverQueue *queue, uint16_t head);
/* Shows what was added to the device and tells it. */
void driver_kick(Driver *driver, DriverQueue *queue);
/* Has the device used everything? */
bool driver_is_idle(const Driver *driver, const DriverQueue *queue);
/* Waits for that. */
void driver_wait(Driver *driver, DriverQueue *queue);
/* The next used entry: its head, and *written unless NULL; -1: there is none. */
int driver_take_used(Driver *driver, DriverQueue *queue, uint32_t *written);
/* One request by itself, waited for: bytes written. */
uint32_t driver_run(Driver *driver, DriverQueue *queue, const DriverBuffer *buffers,
                    unsigned count);
/*
 * Waits for the vector's message since the last call: what it wrote. A device tells of a request
 * after it has used it.
 */
uint32_t driver_wait_message(Driver *driver, unsigned vector);

#endif
