/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes PCI configuration space and a virtio device's queues: the input is a stream of accesses as
 * a guest makes them. One: a byte (bits 0-1: 0 configuration write, 1 memory write, 2 memory read,
 * 3 something else; bits 2-3 log2 of the size; bits 4-7 where), its address, and for a write the
 * value. Configuration: bits 4-5 choose the function, the offset is two bytes. Memory: bits 4-7
 * choose a place, the offset is two bytes, or, where = 15, a whole address of eight. Else: bit 4
 * resets the bus, bit 5 asks to unplug.
 */
#include <glib.h>
#include <string.h>

#include "fuzz.h"
#include "hw/pci/pcie-port.h"
#include "hw/virtio/virtio-pci.h"
#include "util/bytes.h"

#define RAM_SIZE (128 * KiB)
#define PRIVATE_BASE (96 * KiB)

static const uint64_t places[15] = {
    0, 0x4000, 0x8000, PRIVATE_BASE - 256, 0xc0000000, 0xc0001000, 0xc0003000, 0xd0000000,
    0xd0003000, 0xe0000000,
    0x380000000000, 0x380000003000, 0xc0002000, 0xfffff000, 0x10000,
};
static const struct {
    uint8_t bus, devfn;
} functions[4] = { { 0, PCI_DEVFN(2, 0) }, { 0, PCI_DEVFN(3, 0) }, { 1, 0 },
                   { 2, PCI_DEVFN(0, 1) } };

typedef struct Fuzz {
    AddressSpace *memory, *ports;
    uint8_t ram[RAM_SIZE];
    SharedMemoryPort shared;
    MsiPort msi;
    PciRootPorts root_ports;
    PciBus *root;
    PciFunction *port;
} Fuzz;

static void on_message(void *opaque, uint64_t address, uint32_t data)
{
}

static uint8_t *map_shared(void *opaque, hwaddr gpa, uint64_t size)
{
    Fuzz *f = opaque;

    return gpa < PRIVATE_BASE && size <= PRIVATE_BASE - gpa ? f->ram + gpa : NULL;
}

static void notify(void *opaque, VirtQueue *queue)
{
    VirtqElement *element;

    while ((element = virtqueue_pop(queue))) {
        uint8_t buffer[64];
        size_t n = virtq_read(element, 1, buffer, sizeof(buffer));
        virtqueue_push(queue, element, virtq_write(element, 3, buffer, n));
    }
    virtqueue_notify(queue);
}

static void set_config(void *opaque, const uint8_t *config, unsigned offset, unsigned size)
{
    g_assert_true(offset + size <= 7);
}

static void stop_queue(void *opaque, VirtQueue *queue)
{
}

static const VirtioClass class = {
    .name = "virtio-echo", .id = 42, .config_size = 7, .set_config = set_config, .notify = notify,
    .stop_queue = stop_queue,
};

static PciFunction *make_function(Fuzz *f, bool integrated)
{
    VirtioEnvironment environment = { .memory = &f->shared };
    VirtioDevice *device = virtio_new(&class, NULL, &environment);

    virtio_add_queue(device, 16);
    virtio_add_queue(device, 4);
    virtio_offer(device, VIRTIO_F_RING_PACKED);
    return virtio_pci_new(device,
                          &(VirtioPciConfig){.vectors = integrated ? 3 : 0, .no_ioeventfd = true},
                          &f->root_ports, integrated);
}

static void set_up(Fuzz *f)
{
    f->memory = address_space_new("memory");
    f->ports = address_space_new("I/O");
    address_space_add_ram(f->memory, "ram", 0, RAM_SIZE, f->ram);
    f->shared = (SharedMemoryPort) { map_shared, f };
    f->msi = (MsiPort) { on_message, f };
    f->root_ports = (PciRootPorts){.memory = f->memory,
                                   .ports = f->ports,
                                   .msi = &f->msi,
                                   .shared_memory = &f->shared};
    f->root = pci_bus_new(&f->root_ports);
    f->port = pcie_root_port_new(&(PcieRootPortConfig) { .slot = 1, .hotplug = true }, NULL, NULL);
    pci_bus_add(f->root, f->port, PCI_DEVFN(2, 0));
    pci_bus_add(f->root, make_function(f, true), PCI_DEVFN(3, 0));
    pci_bus_add(pci_bridge_bus(f->port), make_function(f, false), 0);
    pci_bus_reset(f->root);
}

static void tear_down(Fuzz *f)
{
    pci_bus_free(f->root);
    address_space_free(f->memory);
    address_space_free(f->ports);
    g_free(f);
}

/* Takes n bytes off the input, little-endian; missing ones are 0. */
static uint64_t take(Bytes *input, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n && input->size; i++) {
        value |= (uint64_t)*input->data << 8 * i;
        input->data++;
        input->size--;
    }
    return value;
}

static void run_other(Fuzz *f, unsigned what)
{
    if (what & 1) {
        pci_bus_reset(f->root);
    }
    if (what & 2) {
        pcie_root_port_request_unplug(f->port, "x", NULL);
    }
    if ((what & 4) && !pci_bus_function(pci_bridge_bus(f->port), 0)) {
        PciFunction *function = make_function(f, false);
        if (!pcie_root_port_plug(f->port, function, 0, "x", NULL)) {
            pci_function_free(function);
        }
    }
}

static void run_access(Fuzz *f, uint8_t op, Bytes *input)
{
    unsigned size = 1u << (op >> 2 & 3), where = op >> 4;

    if ((op & 3) == 0) {
        unsigned offset = take(input, 2) & 0xfff;
        uint64_t value = take(input, size);
        pci_bus_write(f->root, functions[where & 3].bus, functions[where & 3].devfn, offset, value,
                      size);
        pci_bus_read(f->root, functions[where & 3].bus, functions[where & 3].devfn, offset, size);
        return;
    }
    hwaddr addr = where == 15 ? take(input, 8) : places[where] + take(input, 2);
    if ((op & 3) == 1) {
        address_space_write(f->memory, addr, take(input, size), size);
    } else {
        address_space_read(f->memory, addr, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Fuzz *f = g_new0(Fuzz, 1);
    Bytes input = { data, size };

    set_up(f);
    while (input.size) {
        uint8_t op = take(&input, 1);
        if ((op & 3) == 3) {
            run_other(f, op >> 4);
        } else {
            run_access(f, op, &input);
        }
    }
    tear_down(f);
    return 0;
}
