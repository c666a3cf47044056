/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The properties that all virtio-*-pci devices have, and what becomes of them. */
#include "hw/virtio/virtio-pci-device.h"

#include "hw/core/machine.h"
#include "util/error.h"

#define VECTORS_AUTO UINT32_MAX

static bool check(const VirtioPciDevice *device, const char *name, GError **errp)
{
    if (device->disable_modern || device->disable_legacy == QOM_OFF) {
        error_set(errp,
                  "%s: %s=%s: legacy and transitional virtio devices are not available, only those "
                  "of Virtio 1",
                  name, device->disable_modern ? "disable-modern" : "disable-legacy",
                  device->disable_modern ? "on" : "off");
        error_hint(errp, "Leave both options out; a TD's drivers accept no other devices");
        return false;
    }
    if (device->ats || device->page_per_vq) {
        return error_set(errp, "%s: %s=on is not available; leave it out", name,
                         device->ats ? "ats" : "page-per-vq");
    }
    if (device->vectors != VECTORS_AUTO && device->vectors > 2048) {
        return error_set(errp, "%s: vectors=%u: MSI-X has at most 2048 vectors", name,
                         device->vectors);
    }
    return true;
}

static void apply_options(const VirtioPciDevice *device, VirtioDevice *virtio)
{
    uint64_t withheld = (device->event_idx ? 0 : VIRTIO_F_EVENT_IDX) |
                        (device->indirect_desc ? 0 : VIRTIO_F_INDIRECT_DESC) |
                        (device->iommu_platform ? 0 : VIRTIO_F_ACCESS_PLATFORM) |
                        (device->queue_reset ? 0 : VIRTIO_F_RING_RESET);

    virtio_withhold(virtio, withheld);
    if (device->packed) {
        virtio_offer(virtio, VIRTIO_F_RING_PACKED);
    }
}

static bool check_packed(const VirtioPciDevice *device, const VirtioDevice *virtio,
                         const char *name, GError **errp)
{
    return !device->packed || !virtio_class(virtio)->outside ||
           error_set(errp,
                     "%s: packed=on: back ends outside this program are given split virtqueues "
                     "alone; leave it out",
                     name);
}

PciFunction *virtio_pci_device_make(PciDevice *pci, GError **errp)
{
    VirtioPciDevice *device = (VirtioPciDevice *)pci;
    const VirtioPciOps *ops = (const VirtioPciOps *)device_ops(&pci->device);
    const PciRootPorts *ports = pci_device_ports(pci);
    g_autofree char *name = device_name(&pci->device);
    VirtioEnvironment environment = {
        .memory = ports->shared_memory, .machine_lock = ports->machine_lock, .name = name,
        .ram = ports->ram, .num_ram = ports->num_ram,
        .context = ops->context ? ops->context(device) : NULL,
    };

    if (!check(device, pci->device.object.type->name, errp)) {
        return NULL;
    }
    if (environment.context && !device->ioeventfd) {
        error_set(errp, "%s: ioeventfd is required for iothread", name);
        error_hint(errp, "Leave ioeventfd=off out, or iothread=");
        return NULL;
    }
    device->virtio = ops->make(device, &environment, errp);
    if (!device->virtio) {
        return NULL;
    }
    if (!check_packed(device, device->virtio, name, errp)) {
        virtio_free(g_steal_pointer(&device->virtio));
        if (ops->free) {
            ops->free(device);
        }
        return NULL;
    }
    apply_options(device, device->virtio);
    return virtio_pci_new(device->virtio, &(VirtioPciConfig) {
        .class_device = ops->class_device,
        .vectors = device->vectors == VECTORS_AUTO ? VIRTIO_PCI_VECTORS_DEFAULT : device->vectors,
        .no_ioeventfd = !device->ioeventfd,
    }, ports, pci_device_is_integrated(pci));
}

void virtio_pci_device_gone(PciDevice *pci)
{
    VirtioPciDevice *device = (VirtioPciDevice *)pci;
    const VirtioPciOps *ops = (const VirtioPciOps *)device_ops(&pci->device);

    device->virtio = NULL; /* freed with its function */
    if (ops->free) {
        ops->free(device);
    }
}

unsigned virtio_pci_queues_for_cpus(const VirtioPciDevice *device, unsigned max)
{
    const Machine *machine = device_machine(&device->pci.device);

    return CLAMP(machine ? machine->num_cpus : 1, 1, max);
}

static void append_step(GString *path, const char *name, unsigned devfn)
{
    g_string_append_printf(path, "/%s@%x", name, PCI_SLOT(devfn));
    if (devfn & 7) {
        g_string_append_printf(path, ",%x", devfn & 7);
    }
}

char *virtio_pci_firmware_path(const VirtioPciDevice *device, const char *name)
{
    const PciFunction *bridge = pci_bus_bridge(pci_device_bus(&device->pci));
    GString *path = g_string_new("/pci@i0cf8");

    if (bridge) {
        append_step(path, "pci-bridge", pci_function_devfn(bridge));
    }
    append_step(path, name, device->pci.addr);
    return g_string_free(path, FALSE);
}

char *virtio_pci_boot_path(QomObject *object)
{
    const VirtioPciDevice *device = (const VirtioPciDevice *)object;

    if (!qom_is(object, &virtio_pci_type) || !device->pci.device.realized ||
        device->bootindex < 0) {
        return NULL;
    }
    const VirtioPciOps *ops = (const VirtioPciOps *)device_ops(&device->pci.device);
    if (!ops->boot_name) {
        return NULL;
    }
    g_autofree char *function = virtio_pci_firmware_path(device, ops->boot_name);
    return g_strdup_printf("%s/%s", function, ops->boot_unit);
}

static const QomProperty virtio_pci_properties[] = {
    QOM_PROPERTY_UINT32("vectors", VirtioPciDevice, vectors, "4294967295",
                        "number of MSI-X vectors; 4294967295 = one for each queue and one more"),
    QOM_PROPERTY_ON_OFF_AUTO("disable-legacy", VirtioPciDevice, disable_legacy, "auto",
                             "no legacy interface: always so"),
    QOM_PROPERTY_BOOL("disable-modern", VirtioPciDevice, disable_modern, "false", "not available"),
    QOM_PROPERTY_BOOL("ioeventfd", VirtioPciDevice, ioeventfd, "true",
                      "the guest's notifications do not stop its vCPU"),
    QOM_PROPERTY_BOOL("event_idx", VirtioPciDevice, event_idx, "true", "offer VIRTIO_F_EVENT_IDX"),
    QOM_PROPERTY_BOOL("indirect_desc", VirtioPciDevice, indirect_desc, "true",
                      "offer VIRTIO_F_INDIRECT_DESC"),
    QOM_PROPERTY_BOOL("iommu_platform", VirtioPciDevice, iommu_platform, "true",
                      "offer VIRTIO_F_ACCESS_PLATFORM, which a TD's drivers insist on"),
    QOM_PROPERTY_BOOL("packed", VirtioPciDevice, packed, "false", "offer VIRTIO_F_RING_PACKED"),
    QOM_PROPERTY_BOOL("ats", VirtioPciDevice, ats, "false", "not available"),
    QOM_PROPERTY_BOOL("page-per-vq", VirtioPciDevice, page_per_vq, "false", "not available"),
    QOM_PROPERTY_BOOL("queue_reset", VirtioPciDevice, queue_reset, "true",
                      "offer VIRTIO_F_RING_RESET where the device can"),
    { NULL },
};

const QomType virtio_pci_type = {
    .name = "virtio-pci", .parent = &pci_device_type, .abstract = true,
    .size = sizeof(VirtioPciDevice),
    .properties = virtio_pci_properties,
};
