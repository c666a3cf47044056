/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See driver.h. */
#include "driver.h"

#include <sys/mman.h>
#include <unistd.h>

#include "hw/pci/msix.h"
#include "hw/virtio/virtio-pci.h"
#include "util/bytes.h"

#define DEVFN PCI_DEVFN(3, 0)
#define VIRTIO_BAR 4

static void *run_loop(void *opaque)
{
    LoopThread *t = opaque;

    g_main_context_push_thread_default(t->context);
    g_main_loop_run(t->loop);
    g_main_context_pop_thread_default(t->context);
    return NULL;
}

void loop_thread_start(LoopThread *t)
{
    t->context = g_main_context_new();
    t->loop = g_main_loop_new(t->context, FALSE);
    t->thread = g_thread_new("queues", run_loop, t);
}

static gboolean quit(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

void loop_thread_end(LoopThread *t)
{
    g_autoptr(GSource) source = g_idle_source_new(); /* by the loop itself, which may not run yet */

    g_source_set_callback(source, quit, t->loop, NULL);
    g_source_attach(source, t->context);
    g_thread_join(t->thread);
    g_main_loop_unref(t->loop);
    g_main_context_unref(t->context);
}

static void on_message(void *opaque, uint64_t address, uint32_t data)
{
    Driver *d = opaque;

    g_assert_cmpuint(data, <, G_N_ELEMENTS(d->interrupts));
    d->interrupts[data]++;
}

static uint8_t *map_shared(void *opaque, hwaddr gpa, uint64_t size)
{
    Driver *d = opaque;

    return gpa < PRIVATE_BASE && size <= PRIVATE_BASE - gpa ? d->ram + gpa : NULL;
}

void driver_init(Driver *d)
{
    *d = (Driver) { 0 };
    d->memory = address_space_new("memory");
    d->ports = address_space_new("I/O");
    int fd = memfd_create("ram", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, RAM_SIZE), ==, 0);
    d->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(d->ram != MAP_FAILED);
    d->guest_ram =
        (GuestRam){.name = "ram", .size = RAM_SIZE, .host = d->ram, .shareable = true, .fd = fd};
    address_space_add_ram(d->memory, "ram", 0, RAM_SIZE, d->ram);
    g_mutex_init(&d->lock);
    d->msi = (MsiPort) { on_message, d };
    d->shared = (SharedMemoryPort) { map_shared, d };
    d->root_ports = (PciRootPorts) {
        .memory = d->memory, .ports = d->ports, .msi = &d->msi, .shared_memory = &d->shared,
        .machine_lock = &d->lock,
    };
    d->root = pci_bus_new(&d->root_ports);
}

void driver_free(Driver *d)
{
    g_mutex_lock(&d->lock);
    pci_bus_free(d->root);
    g_mutex_unlock(&d->lock);
    address_space_free(d->memory);
    address_space_free(d->ports);
    munmap(d->ram, RAM_SIZE);
    close(d->guest_ram.fd);
    g_mutex_clear(&d->lock);
}

VirtioEnvironment driver_environment(Driver *d, const char *name)
{
    return (VirtioEnvironment){.memory = &d->shared,
                               .machine_lock = &d->lock,
                               .name = name,
                               .ram = &d->guest_ram,
                               .num_ram = 1};
}

static uint32_t config(Driver *d, unsigned offset, unsigned size)
{
    return pci_bus_read(d->root, 0, DEVFN, offset, size);
}

static void set_config(Driver *d, unsigned offset, uint32_t value, unsigned size)
{
    pci_bus_write(d->root, 0, DEVFN, offset, value, size);
}

static void find_parts(Driver *d)
{
    for (unsigned at = config(d, PCI_CAPABILITY_LIST, 1); at; at = config(d, at + 1, 1)) {
        hwaddr part = BAR_BASE + config(d, at + 8, 4);
        if (config(d, at, 1) != PCI_CAP_VENDOR) {
            continue;
        }
        switch (config(d, at + 3, 1)) {
        case 1:
            d->common = part;
            break;
        case 2:
            d->notify = part;
            g_assert_cmpuint(config(d, at + 16, 4), ==, 4);
            break;
        case 3:
            d->isr = part;
            break;
        case 4:
            d->config = part;
            break;
        default:
            break;
        }
        if (config(d, at + 3, 1) <= 4) {
            g_assert_cmpuint(config(d, at + 4, 1), ==, VIRTIO_BAR);
        }
    }
}

static void enable_msix(Driver *d)
{
    for (unsigned at = config(d, PCI_CAPABILITY_LIST, 1); at; at = config(d, at + 1, 1)) {
        if (config(d, at, 1) != PCI_CAP_MSIX) {
            continue;
        }
        for (unsigned i = 0; i < pci_msix_vectors(d->function); i++) {
            address_space_write(d->memory, MSIX_BASE + 16 * i, 0xfee00000, 8);
            address_space_write(d->memory, MSIX_BASE + 16 * i + 8, i, 8);
        }
        set_config(d, at + PCI_MSIX_CONTROL, PCI_MSIX_ENABLE, 2);
    }
}

void driver_plug(Driver *d, VirtioDevice *device, unsigned vectors)
{
    d->function = virtio_pci_new(device,
                                 &(VirtioPciConfig){.class_device = 0x00ff, .vectors = vectors},
                                 &d->root_ports, true);
    pci_bus_add(d->root, d->function, DEVFN);
    pci_bus_reset(d->root);
    set_config(d, PCI_BAR0 + 4, MSIX_BASE, 4);
    set_config(d, PCI_BAR0 + 4 * VIRTIO_BAR, (uint32_t)BAR_BASE, 4);
    set_config(d, PCI_BAR0 + 4 * VIRTIO_BAR + 4, BAR_BASE >> 32, 4);
    set_config(d, PCI_COMMAND, 6, 2);
    find_parts(d);
    enable_msix(d);
}

uint64_t driver_read(Driver *d, hwaddr addr, unsigned size)
{
    g_mutex_lock(&d->lock);
    uint64_t value = address_space_read(d->memory, addr, size);
    g_mutex_unlock(&d->lock);
    return value;
}

void driver_write(Driver *d, hwaddr addr, uint64_t value, unsigned size)
{
    g_mutex_lock(&d->lock);
    address_space_write(d->memory, addr, value, size);
    g_mutex_unlock(&d->lock);
}

uint8_t driver_status(Driver *d)
{
    return driver_read(d, d->common + 0x14, 1);
}

void driver_set_status(Driver *d, uint8_t status)
{
    driver_write(d, d->common + 0x14, status, 1);
}

uint64_t driver_offered(Driver *d)
{
    uint64_t features = 0;

    for (unsigned i = 0; i < 2; i++) {
        driver_write(d, d->common, i, 4);
        features |= driver_read(d, d->common + 4, 4) << 32 * i;
    }
    return features;
}

uint8_t driver_negotiate(Driver *d, uint64_t features)
{
    driver_set_status(d, 0);
    memset(d->available, 0, sizeof(d->available));
    memset(d->used, 0, sizeof(d->used));
    driver_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE);
    driver_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    for (unsigned i = 0; i < 2; i++) {
        driver_write(d, d->common + 8, i, 4);
        driver_write(d, d->common + 0xc, features >> 32 * i, 4);
    }
    driver_set_status(d,
                      VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
    return driver_status(d);
}

static hwaddr descriptors(unsigned queue)
{
    return QUEUE_BASE + (hwaddr)queue * QUEUE_STRIDE;
}

static hwaddr available(unsigned queue)
{
    return descriptors(queue) + 0x4000;
}

static hwaddr used(unsigned queue)
{
    return descriptors(queue) + 0x5000;
}

void driver_set_up_queues(Driver *d, unsigned count, unsigned size)
{
    d->queue_size = size;
    for (unsigned i = 0; i < count; i++) {
        memset(d->ram + descriptors(i), 0, QUEUE_STRIDE);
        driver_write(d, d->common + 0x16, i, 2);
        driver_write(d, d->common + 0x18, size, 2);
        driver_write(d, d->common + 0x1a, i + 1, 2);
        driver_write(d, d->common + 0x20, descriptors(i), 4);
        driver_write(d, d->common + 0x24, 0, 4);
        driver_write(d, d->common + 0x28, available(i), 8);
        driver_write(d, d->common + 0x30, used(i), 8);
        driver_write(d, d->common + 0x1c, 1, 2);
    }
}

void driver_start(Driver *d, uint64_t features, unsigned queues, unsigned size)
{
    g_assert_cmphex(driver_negotiate(d, features), ==, 0xb);
    driver_write(d, d->common + 0x10, 0, 2);
    driver_set_up_queues(d, queues, size);
    driver_set_status(d, 0xf);
}

void driver_describe(Driver *d, unsigned queue, unsigned index, hwaddr addr, uint32_t length,
                     uint16_t flags, uint16_t next)
{
    uint8_t *at = d->ram + descriptors(queue) + 16 * index;

    store_le64(at, addr);
    store_le32(at + 8, length);
    store_le16(at + 12, flags);
    store_le16(at + 14, next);
}

void driver_offer(Driver *d, unsigned queue, uint16_t head)
{
    uint8_t *ring = d->ram + available(queue);

    store_le16(ring + 4 + 2 * (d->available[queue] % d->queue_size), head);
    __atomic_store_n((uint16_t *)(void *)(ring + 2), GUINT16_TO_LE(++d->available[queue]),
                     __ATOMIC_RELEASE); /* as drivers do */
}

void driver_kick(Driver *d, unsigned queue)
{
    driver_write(d, d->notify + 4 * queue, queue, 2);
}

bool driver_take_used(Driver *d, unsigned queue, uint32_t *head, uint32_t *length)
{
    const uint8_t *ring = d->ram + used(queue);

    if (GUINT16_FROM_LE(__atomic_load_n((const uint16_t *)(const void *)(ring + 2),
                                        __ATOMIC_ACQUIRE)) == d->used[queue]) {
        return false;
    }
    const uint8_t *entry = ring + 4 + 8 * (d->used[queue]++ % d->queue_size);
    *head = load_le32(entry);
    *length = load_le32(entry + 4);
    return true;
}

void driver_wait_used(Driver *d, unsigned queue, uint32_t *head, uint32_t *length)
{
    while (!driver_take_used(d, queue, head, length)) {
        g_main_context_iteration(NULL, TRUE);
    }
}
