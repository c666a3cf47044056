/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio function's two halves: registers (virtio-pci.c), and the signals that its queues send
 * and are sent (virtio-pci-signals.c). Private to both. The machine lock is held unless said
 * otherwise.
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_INTERNAL_H
#define HW_VIRTIO_VIRTIO_PCI_INTERNAL_H

#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-transport.h"

#define VIRTIO_BAR 4

/* The BAR's parts */
#define PART_SIZE 0x1000
enum { PART_COMMON = 0x0000, PART_ISR = 0x1000, PART_CONFIG = 0x2000, PART_NOTIFY = 0x3000,
       BAR_SIZE = 0x4000 };
#define NOTIFY_MULTIPLIER 4

typedef struct VirtioPci VirtioPci;

typedef struct PciQueue {
    VirtioPci *pci;
    VirtQueue *queue;
    uint16_t vector;
    int kick;               /* what the guest's notifications signal; -1 without ioeventfd */
    hwaddr kick_address;    /* where it is assigned, or PCI_BAR_UNMAPPED */
    GSource *kick_source;   /* while this process serves the queue */
    GSource *again_source;  /* while requests wait for the queue's next turn */
    bool refused;           /* a notification came while the function might not read memory */
    bool external;          /* a back end outside serves the queue */
    /* Such a back end, or a thread without the machine lock */
    int call;               /* what it signals; -1: none */
    bool call_assigned;     /* the accelerator sends the interrupt; else call_source does */
    GSource *call_source;
} PciQueue;

struct VirtioPci {
    PciFunction *function;
    VirtioDevice *device;
    const PciRootPorts *root;
    /* whose thread serves the queues, without the machine lock; NULL: the main loop */
    GMainContext *context;
    bool no_ioeventfd;
    unsigned num_queues;
    PciQueue *queues;
    unsigned cap_pci;
    uint32_t device_feature_select, driver_feature_select;
    uint16_t config_vector, queue_select;
    uint8_t isr;
};

extern const VirtioTransportOps virtio_pci_transport_ops;

/* The queues of pci->device, with their eventfds; and their end, after which nobody serves them. */
void virtio_pci_make_queues(VirtioPci *pci);
void virtio_pci_free_queues(VirtioPci *pci);
/* The guest's driver notifies the queue of that index by a write that nobody else took. */
void virtio_pci_notified(VirtioPci *pci, unsigned index);
/* Registers other than the device's own have changed: bus mastering, the BAR's address. */
void virtio_pci_changed(VirtioPci *pci);
/*
 * How a queue's signals reach the guest: past this process while the vector is usable, else through
 * the main loop. For a queue that has another vector now.
 */
void virtio_pci_connect_call(PciQueue *queue);
/* For pci_msix_set_notifier(); opaque: VirtioPci. */
void virtio_pci_vector_changed(void *opaque, unsigned vector, bool usable, uint64_t address,
                               uint32_t data);

#endif
