/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types virtio-scsi-pci and virtio-scsi-pci-non-transitional, and the bus of each. */
#include "backends/iothread.h"
#include "hw/virtio/virtio-scsi.h"

typedef struct VirtioScsiPci {
    VirtioPciDevice parent;
    VirtioScsi *scsi;
    QomLink iothread;
    uint32_t num_queues, queue_size, max_sectors, cmd_per_lun;
    bool hotplug, param_change;
    bool seg_max_adjust; /* without effect */
} VirtioScsiPci;

#define AUTO UINT32_MAX

static VirtioDevice *make(VirtioPciDevice *parent, const VirtioEnvironment *environment,
                          GError **errp)
{
    VirtioScsiPci *device = (VirtioScsiPci *)parent;
    const VirtioScsiConfig config = {
        .num_queues = device->num_queues == AUTO
                          ? virtio_pci_queues_for_cpus(parent, VIRTIO_SCSI_MAX_QUEUES)
                          : device->num_queues,
        .queue_size = device->queue_size,
        .max_sectors = device->max_sectors, .cmd_per_lun = device->cmd_per_lun,
        .no_hotplug = !device->hotplug, .no_change = !device->param_change,
    };

    device->scsi = virtio_scsi_new(&config, environment, errp);
    return device->scsi ? virtio_scsi_device(device->scsi) : NULL;
}

static void free_scsi(VirtioPciDevice *parent)
{
    g_clear_pointer(&((VirtioScsiPci *)parent)->scsi, virtio_scsi_free);
}

static void placed(PciDevice *pci)
{
    VirtioScsiPci *device = (VirtioScsiPci *)pci;
    const char *id = pci->device.id;
    g_autofree char *name = id ? g_strdup_printf("%s.0", id)
                               : g_strdup_printf("scsi.%d", pci->device.index);
    ScsiBus *bus = (ScsiBus *)bus_new(&scsi_bus_type, name, &pci->device);

    bus->bus.hotpluggable = true;
    bus->lock = virtio_queues_mutex(virtio_scsi_device(device->scsi));
    bus->context = virtio_context(virtio_scsi_device(device->scsi));
    virtio_scsi_set_bus(device->scsi, bus);
}

static GMainContext *context(VirtioPciDevice *parent)
{
    return iothread_context(&((const VirtioScsiPci *)parent)->iothread);
}

static const VirtioPciOps ops = {
    .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Storage", PCI_DEVICE_OPS },
             VIRTIO_PCI_OPS, .placed = placed },
    .class_device = 0x0100, .make = make, .free = free_scsi, .context = context,
};

static const QomProperty properties[] = {
    IOTHREAD_PROPERTIES(VirtioScsiPci),
    QOM_PROPERTY_UINT32("num_queues", VirtioScsiPci, num_queues, "4294967295",
                        "number of request queues; 4294967295 = one for each vCPU"),
    QOM_PROPERTY_UINT32("virtqueue_size", VirtioScsiPci, queue_size, "256",
                        "entries in each queue"),
    QOM_PROPERTY_UINT32("max_sectors", VirtioScsiPci, max_sectors, "65535",
                        "most sectors in one request, as the driver is told"),
    QOM_PROPERTY_UINT32("cmd_per_lun", VirtioScsiPci, cmd_per_lun, "128",
                        "most requests at a time for one disk, as the driver is told"),
    QOM_PROPERTY_BOOL("hotplug", VirtioScsiPci, hotplug, "true",
                      "tell the driver of disks that come and go"),
    QOM_PROPERTY_BOOL("param_change", VirtioScsiPci, param_change, "true",
                      "tell the driver of disks with another size"),
    QOM_PROPERTY_BOOL("seg_max_adjust", VirtioScsiPci, seg_max_adjust, "true",
                      "without effect: requests may be as long as the queue"),
    { NULL },
};

const QomType virtio_scsi_pci_type = {
    .name = "virtio-scsi-pci", .parent = &virtio_pci_type, .description = "Virtio SCSI host",
    .size = sizeof(VirtioScsiPci),
    .properties = properties, .ops = &ops,
};
const QomType virtio_scsi_pci_nt_type = VIRTIO_NON_TRANSITIONAL("virtio-scsi-pci",
                                                                virtio_scsi_pci_type);
