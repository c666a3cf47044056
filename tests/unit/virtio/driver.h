/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's virtio driver in small: it finds the device through configuration space, negotiates,
 * keeps split rings in its RAM, and notices interrupts. What it does wrong is up to the test: the
 * rings lie open.
 */
#ifndef VIRTIO_DRIVER_H
#define VIRTIO_DRIVER_H

#include <glib.h>
#include <string.h>

#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"
#include "system/core/address-space.h"

#define RAM_SIZE (1 * MiB)
#define PRIVATE_BASE 0x80000 /* RAM [PRIVATE_BASE, RAM_SIZE) is not shared */
#define BAR_BASE UINT64_C(0x380000000000)
#define MSIX_BASE 0xc0000000u
/* ring n at QUEUE_BASE + n * QUEUE_STRIDE: descriptors, available, used */
#define QUEUE_BASE 0x10000
#define QUEUE_STRIDE 0x8000
#define DATA_BASE 0x40000

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

typedef struct Driver {
    AddressSpace *memory, *ports;
    uint8_t *ram;
    GuestRam guest_ram; /* for back ends outside */
    PciBus *root;
    PciRootPorts root_ports;
    MsiPort msi;
    SharedMemoryPort shared;
    GMutex lock;
    PciFunction *function;
    unsigned interrupts[8]; /* by vector: the message's data */
    unsigned queue_size;
    uint16_t available[8], used[8];
    hwaddr common, isr, config, notify;
} Driver;

/* A thread that runs a context, as -object iothread makes. */
typedef struct LoopThread {
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
} LoopThread;

void loop_thread_start(LoopThread *t);
void loop_thread_end(LoopThread *t);

void driver_init(Driver *d);
void driver_free(Driver *d);
VirtioEnvironment driver_environment(Driver *d, const char *name);
/* Puts the device on the bus with its BARs decoded; vectors: of MSI-X. */
void driver_plug(Driver *d, VirtioDevice *device, unsigned vectors);
uint64_t driver_read(Driver *d, hwaddr addr, unsigned size);
void driver_write(Driver *d, hwaddr addr, uint64_t value, unsigned size);
uint8_t driver_status(Driver *d);
void driver_set_status(Driver *d, uint8_t status);
uint64_t driver_offered(Driver *d);
/* Reset to FEATURES_OK; what is left in the status. */
uint8_t driver_negotiate(Driver *d, uint64_t features);
/* Rings at their usual places, all queues, vector n + 1. */
void driver_set_up_queues(Driver *d, unsigned count, unsigned size);
/* Negotiate, queues, DRIVER_OK. */
void driver_start(Driver *d, uint64_t features, unsigned queues, unsigned size);

void driver_describe(Driver *d, unsigned queue, unsigned index, hwaddr addr, uint32_t length,
                     uint16_t flags, uint16_t next);
/* adds to the available ring, tells nobody */
void driver_offer(Driver *d, unsigned queue, uint16_t head);
void driver_kick(Driver *d, unsigned queue);
/* A used entry, if there is a new one: true, head and length. */
bool driver_take_used(Driver *d, unsigned queue, uint32_t *head, uint32_t *length);
/* The same, turning the main loop until there is one. */
void driver_wait_used(Driver *d, unsigned queue, uint32_t *head, uint32_t *length);

#endif
