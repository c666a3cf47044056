/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types virtio-blk-pci and virtio-blk-pci-non-transitional. */
#include "backends/iothread.h"
#include "hw/virtio/virtio-blk.h"

typedef struct VirtioBlkPci {
    VirtioPciDevice parent;
    VirtioBlk *blk;
    QomLink drive, iothread;
    char *serial;
    uint16_t num_queues, queue_size;
    BlockTopology topology;
    uint32_t max_discard, max_zeroes;
    QomOnOffAuto write_cache;
    int on_read_error, on_write_error;
    bool share_rw, discard, write_zeroes, config_wce, report_granularity;
    bool request_merging, seg_max_adjust; /* without effect */
} VirtioBlkPci;

static VirtioDevice *make(VirtioPciDevice *parent, const VirtioEnvironment *environment,
                          GError **errp)
{
    VirtioBlkPci *device = (VirtioBlkPci *)parent;
    BlockNode *node = (BlockNode *)device->drive.target;
    g_autofree char *object = qom_object_path(&parent->pci.device.object);
    /* as query-block has it */
    g_autofree char *path = g_strdup_printf("%s/virtio-backend", object);
    VirtioBlkConfig config = {
        .node = node, .serial = device->serial,
        .num_queues = device->num_queues == UINT16_MAX
                          ? virtio_pci_queues_for_cpus(parent, VIRTIO_BLK_MAX_QUEUES)
                          : device->num_queues,
        .queue_size = device->queue_size,
        .topology = device->topology, .max_discard = device->max_discard,
        .max_zeroes = device->max_zeroes, .hide_granularity = !device->report_granularity,
        .shared = device->share_rw, .discard = device->discard && block_discard_granularity(node),
        .write_zeroes = device->write_zeroes, .write_through = device->write_cache == QOM_OFF,
        .fixed_cache = !device->config_wce, .path = path,
        .on_read_error = (BlockOnError)device->on_read_error,
        .on_write_error = (BlockOnError)device->on_write_error,
    };

    device->blk = virtio_blk_new(&config, environment, errp);
    return device->blk ? virtio_blk_device(device->blk) : NULL;
}

static void free_blk(VirtioPciDevice *parent)
{
    VirtioBlkPci *device = (VirtioBlkPci *)parent;

    g_clear_pointer(&device->blk, virtio_blk_free);
}

static GMainContext *context(VirtioPciDevice *parent)
{
    return iothread_context(&((const VirtioBlkPci *)parent)->iothread);
}

static const VirtioPciOps ops = {
    .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Storage", PCI_DEVICE_OPS },
             VIRTIO_PCI_OPS },
    .class_device = 0x0100, .boot_name = "scsi", .boot_unit = "disk@0,0", .make = make,
    .free = free_blk,
    .context = context,
};

static const QomProperty properties[] = {
    QOM_PROPERTY_LINK("drive", VirtioBlkPci, drive, &block_node_type, BLOCK_CONTAINER,
                      "node name or id of the disk",
                      .flags = QOM_REQUIRED, .type_name = "str"),
    VIRTIO_BOOTINDEX_PROPERTY,
    IOTHREAD_PROPERTIES(VirtioBlkPci),
    QOM_PROPERTY_STR("serial", VirtioBlkPci, serial, NULL,
                     "what the guest is told as serial number, up to 20 characters"),
    QOM_PROPERTY_UINT16("num-queues", VirtioBlkPci, num_queues, "65535",
                        "number of request queues; 65535 = one for each vCPU"),
    QOM_PROPERTY_UINT16("queue-size", VirtioBlkPci, queue_size, "256", "entries in each queue"),
    BLOCK_TOPOLOGY_PROPERTIES(VirtioBlkPci),
    QOM_PROPERTY_ON_OFF_AUTO("write-cache", VirtioBlkPci, write_cache, "auto",
                             "off: a write is stable when it is done"),
    BLOCK_ON_ERROR_PROPERTIES(VirtioBlkPci),
    QOM_PROPERTY_BOOL("config-wce", VirtioBlkPci, config_wce, "true",
                      "the driver may switch the write cache"),
    QOM_PROPERTY_BOOL("share-rw", VirtioBlkPci, share_rw, "false",
                      "other devices may write to the same disk"),
    QOM_PROPERTY_BOOL("discard", VirtioBlkPci, discard, "true",
                      "offer discards, if the disk takes them"),
    QOM_PROPERTY_BOOL("write-zeroes", VirtioBlkPci, write_zeroes, "true",
                      "offer writing of zeroes"),
    QOM_PROPERTY_UINT32("max-discard-sectors", VirtioBlkPci, max_discard, "0",
                        "of 512 bytes in one discard; 0 = 8388607"),
    QOM_PROPERTY_UINT32("max-write-zeroes-sectors", VirtioBlkPci, max_zeroes, "0",
                        "of 512 bytes in one request to write zeroes; 0 = 131072"),
    QOM_PROPERTY_BOOL("report-discard-granularity", VirtioBlkPci, report_granularity, "true",
                      "tell the guest of discard_granularity"),
    QOM_PROPERTY_BOOL("request-merging", VirtioBlkPci, request_merging, "true",
                      "without effect: requests are carried out as they come"),
    QOM_PROPERTY_BOOL("seg-max-adjust", VirtioBlkPci, seg_max_adjust, "true",
                      "without effect: requests may be as long as the queue"),
    { NULL },
};

const QomType virtio_blk_pci_type = {
    .name = "virtio-blk-pci", .parent = &virtio_pci_type, .description = "Virtio block device",
    .size = sizeof(VirtioBlkPci), .properties = properties, .ops = &ops,
};
const QomType virtio_blk_pci_nt_type = VIRTIO_NON_TRANSITIONAL("virtio-blk-pci",
                                                               virtio_blk_pci_type);
