/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The signals of a virtio function's queues: the guest's notifications, and interrupts, by eventfds
 * where there are some (Virtio 1.2, 4.1.5).
 */
#include "virtio-pci-internal.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib-unix.h>

#include "hw/pci/msix.h"
#include "util/context.h"

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

static void lock(const VirtioPci *pci)
{
    if (pci->root->machine_lock) {
        g_mutex_lock(pci->root->machine_lock);
    }
}

static void unlock(const VirtioPci *pci)
{
    if (pci->root->machine_lock) {
        g_mutex_unlock(pci->root->machine_lock);
    }
}

/* ---- Interrupts ---- */

static void raise_interrupt(VirtioPci *pci, uint16_t vector, uint8_t isr)
{
    if (pci_msix_enabled(pci->function)) {
        pci_msix_notify(pci->function, vector);
    } else {
        pci->isr |= isr;
        pci_intx_set(pci->function, true);
    }
}

static void signal_event(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static void interrupt(void *opaque, VirtQueue *queue)
{
    VirtioPci *pci = opaque;

    if (queue && pci->context) {
        /* the message is the machine lock's to look at */
        signal_event(pci->queues[virtqueue_index(queue)].call);
    } else if (queue) {
        raise_interrupt(pci, pci->queues[virtqueue_index(queue)].vector, ISR_QUEUE);
    } else {
        raise_interrupt(pci, pci->config_vector, ISR_CONFIG);
    }
}

static void drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void drain(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

static GSource *watch(GMainContext *context, int fd, GUnixFDSourceFunc callback, PciQueue *queue)
{
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN);

    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, G_SOURCE_FUNC(callback), queue, NULL);
    g_source_attach(source, context);
    return source;
}

static gboolean on_call(int fd, GIOCondition condition, gpointer opaque)
{
    PciQueue *queue = opaque;
    VirtioPci *pci = queue->pci;

    lock(pci);
    if (!g_source_is_destroyed(g_main_current_source())) {
        drain(fd);
        raise_interrupt(pci, queue->vector, ISR_QUEUE);
    }
    unlock(pci);
    return G_SOURCE_CONTINUE;
}

/* The queue is served by somebody without the machine lock, who signals `call`. */
static bool has_call(const PciQueue *queue)
{
    return queue->external || (queue->pci->context && virtqueue_is_ready(queue->queue));
}

void virtio_pci_connect_call(PciQueue *queue)
{
    VirtioPci *pci = queue->pci;
    uint64_t address;
    uint32_t data;
    bool usable = has_call(queue) &&
                  pci_msix_message(pci->function, queue->vector, &address, &data) &&
                  pci_function_is_master(pci->function);

    if (usable && event_assign_interrupt(pci->root->events, queue->call, address, data)) {
        queue->call_assigned = true;
        drop_source(&queue->call_source);
        return;
    }
    if (queue->call_assigned) {
        queue->call_assigned = false;
        event_release_interrupt(pci->root->events, queue->call);
    }
    if (has_call(queue) && !queue->call_source) {
        queue->call_source = watch(NULL, queue->call, on_call, queue);
    } else if (!has_call(queue)) {
        drop_source(&queue->call_source);
    }
}

void virtio_pci_vector_changed(void *opaque, unsigned vector, bool usable, uint64_t address,
                               uint32_t data)
{
    VirtioPci *pci = opaque;

    for (unsigned i = 0; i < pci->num_queues; i++) {
        if (has_call(&pci->queues[i]) && pci->queues[i].vector == vector) {
            virtio_pci_connect_call(&pci->queues[i]);
        }
    }
}

/* ---- Notifications ---- */

static void serve(PciQueue *queue);

static gboolean on_again(gpointer opaque)
{
    PciQueue *queue = opaque;
    VirtioPci *pci = queue->pci;

    virtio_lock(pci->device);
    if (!g_source_is_destroyed(g_main_current_source())) {
        drop_source(&queue->again_source);
        serve(queue);
    }
    virtio_unlock(pci->device);
    return G_SOURCE_REMOVE;
}

/* When the loop has been round. */
static void serve_again(PciQueue *queue)
{
    if (!queue->again_source) {
        queue->again_source = g_idle_source_new();
        g_source_set_priority(queue->again_source, G_PRIORITY_DEFAULT);
        g_source_set_callback(queue->again_source, on_again, queue, NULL);
        g_source_attach(queue->again_source, queue->pci->context);
    }
}

/* One turn of the queue's; if that is not all, another later. */
static void serve(PciQueue *queue)
{
    VirtioPci *pci = queue->pci;
    /*
     * A thread without the machine lock may as long as it is given the eventfd to look at: see
     * is_watched().
     */
    bool may = pci->context ? queue->kick_source != NULL : pci_function_is_master(pci->function);

    queue->refused = !may;
    if (may && virtqueue_kicked(queue->queue)) {
        serve_again(queue);
    }
}

static gboolean on_kick(int fd, GIOCondition condition, gpointer opaque)
{
    PciQueue *queue = opaque;
    VirtioPci *pci = queue->pci;

    virtio_lock(pci->device);
    if (!g_source_is_destroyed(g_main_current_source())) {
        drain(fd);
        serve(queue);
    }
    virtio_unlock(pci->device);
    return G_SOURCE_CONTINUE;
}

/*
 * Somebody looks at the eventfd. A thread without the machine lock cannot look at registers: it is
 * stopped while it must not.
 */
static bool is_watched(const PciQueue *queue)
{
    const VirtioPci *pci = queue->pci;

    if (queue->external) {
        return false;
    }
    if (pci->context) {
        return virtqueue_is_ready(queue->queue) &&
               (pci_config_get(pci->function, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
    }
    return queue->kick_address != PCI_BAR_UNMAPPED;
}

/* The queue's eventfd is where the guest's writes go, if it should be; and somebody looks at it. */
static void update_kick(PciQueue *queue)
{
    VirtioPci *pci = queue->pci;
    hwaddr bar = pci_bar_address(pci->function, VIRTIO_BAR), address = PCI_BAR_UNMAPPED;

    if (bar != PCI_BAR_UNMAPPED && virtqueue_is_ready(queue->queue) && queue->kick >= 0) {
        address = bar + PART_NOTIFY + NOTIFY_MULTIPLIER * virtqueue_index(queue->queue);
    }
    if (address != queue->kick_address) {
        if (queue->kick_address != PCI_BAR_UNMAPPED) {
            event_release_write(pci->root->events, queue->kick_address, 2, queue->kick);
        }
        queue->kick_address = PCI_BAR_UNMAPPED;
        if (address != PCI_BAR_UNMAPPED &&
            event_assign_write(pci->root->events, address, 2, queue->kick)) {
            queue->kick_address = address;
        }
    }
    if (is_watched(queue) && !queue->kick_source) {
        queue->kick_source = watch(pci->context, queue->kick, on_kick, queue);
        if (pci->context) {
            signal_event(queue->kick); /* there may be requests that it left when it had to stop */
        }
    } else if (!is_watched(queue)) {
        drop_source(&queue->kick_source);
    }
    if (queue->refused && !queue->external && pci_function_is_master(pci->function)) {
        serve_again(queue);
    }
}

static void changed(void *opaque)
{
    VirtioPci *pci = opaque;

    for (unsigned i = 0; i < pci->num_queues; i++) {
        update_kick(&pci->queues[i]);
        if (pci->context) {
            virtio_pci_connect_call(&pci->queues[i]);
        }
    }
}

/* The device's lock, of sources too, if it has one: the machine lock is held. */
static void lock_queues(VirtioPci *pci)
{
    if (pci->context) {
        virtio_lock(pci->device);
    }
}

static void unlock_queues(VirtioPci *pci)
{
    if (pci->context) {
        virtio_unlock(pci->device);
    }
}

void virtio_pci_changed(VirtioPci *pci)
{
    lock_queues(pci);
    changed(pci);
    unlock_queues(pci);
}

void virtio_pci_notified(VirtioPci *pci, unsigned index)
{
    PciQueue *queue = &pci->queues[index];

    if (queue->external || pci->context) {
        signal_event(queue->kick);
    } else {
        serve(queue);
    }
}

/* ---- Back ends outside the process ---- */

static bool take_over(void *opaque, VirtQueue *queue, int *kick, int *call)
{
    VirtioPci *pci = opaque;
    PciQueue *q = &pci->queues[virtqueue_index(queue)];

    if (q->kick < 0) {
        q->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (q->call < 0) {
        q->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (q->kick < 0 || q->call < 0) {
        return false;
    }
    q->external = true;
    virtio_pci_connect_call(q);
    update_kick(q);
    *kick = q->kick;
    *call = q->call;
    return true;
}

static void give_back(void *opaque, VirtQueue *queue)
{
    VirtioPci *pci = opaque;
    PciQueue *q = &pci->queues[virtqueue_index(queue)];

    q->external = false;
    virtio_pci_connect_call(q);
    update_kick(q);
}

const VirtioTransportOps virtio_pci_transport_ops = { interrupt, take_over, give_back, changed };

/* ---- Life ---- */

void virtio_pci_make_queues(VirtioPci *pci)
{
    pci->num_queues = virtio_num_queues(pci->device);
    pci->queues = g_new0(PciQueue, pci->num_queues);
    for (unsigned i = 0; i < pci->num_queues; i++) {
        PciQueue *q = &pci->queues[i];
        *q = (PciQueue) {
            .pci = pci, .queue = virtio_queue(pci->device, i), .vector = PCI_MSIX_NO_VECTOR,
            .call = pci->context ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1,
            .kick_address = PCI_BAR_UNMAPPED,
        };
        q->kick = pci->no_ioeventfd ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

void virtio_pci_free_queues(VirtioPci *pci)
{
    lock_queues(pci);
    for (unsigned i = 0; i < pci->num_queues; i++) {
        PciQueue *q = &pci->queues[i];
        drop_source(&q->kick_source);
        drop_source(&q->again_source);
        drop_source(&q->call_source);
    }
    unlock_queues(pci);
    context_barrier(pci->context);
    for (unsigned i = 0; i < pci->num_queues; i++) {
        close_fd(&pci->queues[i].kick);
        close_fd(&pci->queues[i].call);
    }
    g_free(pci->queues);
}
