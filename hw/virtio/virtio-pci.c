/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio over PCI, its registers: Virtio 1.2, 4.1. */
#include "virtio-pci-internal.h"

#include "hw/pci/msix.h"
#include "util/bytes.h"

#define VENDOR 0x1af4
#define FIRST_DEVICE 0x1040
#define SUBSYSTEM 0x1100
#define MSIX_BAR 1

/* 4.1.4 */
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_CONFIG = 4, CAP_PCI = 5 };
#define CAP_SIZE 16
#define CAP_NOTIFY_SIZE 20
#define CAP_PCI_SIZE 20
enum { CAP_PCI_BAR = 4, CAP_PCI_OFFSET = 8, CAP_PCI_LENGTH = 12, CAP_PCI_DATA = 16 };

/* 4.1.4.3 */
enum {
    COMMON_DEVICE_FEATURE_SELECT = 0x00, COMMON_DEVICE_FEATURE = 0x04,
    COMMON_DRIVER_FEATURE_SELECT = 0x08, COMMON_DRIVER_FEATURE = 0x0c, COMMON_CONFIG_VECTOR = 0x10,
    COMMON_NUM_QUEUES = 0x12, COMMON_STATUS = 0x14, COMMON_GENERATION = 0x15,
    COMMON_QUEUE_SELECT = 0x16, COMMON_QUEUE_SIZE = 0x18, COMMON_QUEUE_VECTOR = 0x1a,
    COMMON_QUEUE_ENABLE = 0x1c, COMMON_QUEUE_NOTIFY_OFF = 0x1e, COMMON_QUEUE_DESC = 0x20,
    COMMON_QUEUE_DRIVER = 0x28, COMMON_QUEUE_DEVICE = 0x30, COMMON_QUEUE_NOTIFY_DATA = 0x38,
    COMMON_QUEUE_RESET = 0x3a, COMMON_SIZE = 0x3c,
};

/* ---- Common configuration ---- */

static PciQueue *selected_queue(VirtioPci *pci)
{
    return pci->queue_select < pci->num_queues ? &pci->queues[pci->queue_select] : NULL;
}

static uint32_t half(uint64_t value, uint32_t select)
{
    return select < 2 ? value >> 32 * select : 0;
}

static void fill_queue_fields(VirtioPci *pci, uint8_t *common)
{
    const PciQueue *q = selected_queue(pci);

    if (!q) {
        store_le16(common + COMMON_QUEUE_VECTOR, PCI_MSIX_NO_VECTOR);
        return; /* size 0: there is no such queue */
    }
    store_le16(common + COMMON_QUEUE_SIZE, virtqueue_size(q->queue));
    store_le16(common + COMMON_QUEUE_VECTOR, q->vector);
    store_le16(common + COMMON_QUEUE_ENABLE, virtqueue_is_enabled(q->queue));
    store_le16(common + COMMON_QUEUE_NOTIFY_OFF, pci->queue_select);
    store_le64(common + COMMON_QUEUE_DESC, virtqueue_address(q->queue, VIRTQ_DESCRIPTORS));
    store_le64(common + COMMON_QUEUE_DRIVER, virtqueue_address(q->queue, VIRTQ_AVAILABLE));
    store_le64(common + COMMON_QUEUE_DEVICE, virtqueue_address(q->queue, VIRTQ_USED));
}

static uint64_t common_read(VirtioPci *pci, unsigned offset, unsigned size)
{
    uint8_t common[COMMON_SIZE + 8] = { 0 };
    uint64_t value = 0;

    store_le32(common + COMMON_DEVICE_FEATURE_SELECT, pci->device_feature_select);
    store_le32(common + COMMON_DEVICE_FEATURE,
               half(virtio_offered(pci->device), pci->device_feature_select));
    store_le32(common + COMMON_DRIVER_FEATURE_SELECT, pci->driver_feature_select);
    store_le32(common + COMMON_DRIVER_FEATURE,
               half(virtio_driver_features(pci->device), pci->driver_feature_select));
    store_le16(common + COMMON_CONFIG_VECTOR, pci->config_vector);
    store_le16(common + COMMON_NUM_QUEUES, pci->num_queues);
    common[COMMON_STATUS] = virtio_status(pci->device);
    common[COMMON_GENERATION] = virtio_config_generation(pci->device);
    store_le16(common + COMMON_QUEUE_SELECT, pci->queue_select);
    fill_queue_fields(pci, common);
    for (unsigned i = 0; i < size && offset + i < COMMON_SIZE; i++) {
        value |= (uint64_t)common[offset + i] << 8 * i;
    }
    return value;
}

/* A vector that there is not reads back as none (4.1.5.1.2). */
static uint16_t usable_vector(const VirtioPci *pci, uint16_t vector)
{
    return vector < pci_msix_vectors(pci->function) ? vector : PCI_MSIX_NO_VECTOR;
}

static void set_address(PciQueue *q, VirtQueuePart part, bool upper, uint32_t value)
{
    hwaddr old = virtqueue_address(q->queue, part);

    virtqueue_set_address(q->queue, part, upper ? (old & UINT32_MAX) | (hwaddr)value << 32
                                                : (old & ~(hwaddr)UINT32_MAX) | value);
}

static void queue_write(PciQueue *q, unsigned offset, uint32_t value)
{
    switch (offset) {
    case COMMON_QUEUE_SIZE:
        virtqueue_set_size(q->queue, value);
        break;
    case COMMON_QUEUE_VECTOR:
        q->vector = usable_vector(q->pci, value);
        virtio_pci_connect_call(q);
        break;
    case COMMON_QUEUE_ENABLE:
        if (value == 1) {
            virtqueue_enable(q->queue);
        }
        break;
    case COMMON_QUEUE_RESET:
        if (value == 1) {
            virtqueue_reset(q->queue);
        }
        break;
    case COMMON_QUEUE_DESC: case COMMON_QUEUE_DESC + 4:
    case COMMON_QUEUE_DRIVER: case COMMON_QUEUE_DRIVER + 4:
    case COMMON_QUEUE_DEVICE: case COMMON_QUEUE_DEVICE + 4:
        set_address(q, (VirtQueuePart)((offset - COMMON_QUEUE_DESC) / 8), offset & 4, value);
        break;
    default:
        break;
    }
}

static void transport_reset(VirtioPci *pci)
{
    pci->device_feature_select = pci->driver_feature_select = 0;
    pci->queue_select = 0;
    pci->config_vector = PCI_MSIX_NO_VECTOR;
    for (unsigned i = 0; i < pci->num_queues; i++) {
        pci->queues[i].vector = PCI_MSIX_NO_VECTOR;
    }
    pci->isr = 0;
    pci_intx_set(pci->function, false);
}

static void set_status(VirtioPci *pci, uint8_t status)
{
    virtio_set_status(pci->device, status);
    if (status == 0) {
        transport_reset(pci);
    }
}

static unsigned field_size(unsigned offset)
{
    return offset == COMMON_STATUS || offset == COMMON_GENERATION ? 1
           : offset < COMMON_CONFIG_VECTOR ||
                   (offset >= COMMON_QUEUE_DESC && offset < COMMON_QUEUE_NOTIFY_DATA)
               ? 4
               : 2;
}

/*
 * 4.1.3.1: drivers write a field in one access, or a 64-bit one in two halves; anything else is not
 * heard.
 */
static void common_write(VirtioPci *pci, unsigned offset, uint32_t value, unsigned size)
{
    PciQueue *q = selected_queue(pci);

    if (size != field_size(offset) || offset % size) {
        return;
    }
    switch (offset) {
    case COMMON_DEVICE_FEATURE_SELECT:
        pci->device_feature_select = value;
        break;
    case COMMON_DRIVER_FEATURE_SELECT:
        pci->driver_feature_select = value;
        break;
    case COMMON_DRIVER_FEATURE:
        virtio_set_driver_features(pci->device, pci->driver_feature_select, value);
        break;
    case COMMON_CONFIG_VECTOR:
        pci->config_vector = usable_vector(pci, value);
        break;
    case COMMON_STATUS:
        set_status(pci, value);
        break;
    case COMMON_QUEUE_SELECT:
        pci->queue_select = value;
        break;
    default:
        if (q) {
            queue_write(q, offset, value);
        }
        break;
    }
}

/* ---- The BAR ---- */

static uint64_t isr_read(VirtioPci *pci)
{
    uint8_t isr = pci->isr;

    pci->isr = 0;
    pci_intx_set(pci->function, false);
    return isr;
}

static uint64_t bar_read(void *opaque, hwaddr offset, unsigned size)
{
    VirtioPci *pci = opaque;
    unsigned in_part = offset & (PART_SIZE - 1);

    switch (offset & ~(hwaddr)(PART_SIZE - 1)) {
    case PART_COMMON:
        return common_read(pci, in_part, size);
    case PART_ISR:
        return in_part == 0 ? isr_read(pci) : 0;
    case PART_CONFIG:
        return virtio_config_read(pci->device, in_part, size);
    default:
        return 0;
    }
}

static void bar_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    VirtioPci *pci = opaque;
    unsigned in_part = offset & (PART_SIZE - 1);

    switch (offset & ~(hwaddr)(PART_SIZE - 1)) {
    case PART_COMMON:
        if (size == 8) {
            common_write(pci, in_part, value, 4);
            common_write(pci, in_part + 4, value >> 32, 4);
        } else {
            common_write(pci, in_part, value, size);
        }
        break;
    case PART_CONFIG:
        virtio_config_write(pci->device, in_part, value, size);
        break;
    case PART_NOTIFY:
        if (in_part / NOTIFY_MULTIPLIER < pci->num_queues) {
            virtio_pci_notified(pci, in_part / NOTIFY_MULTIPLIER);
        }
        break;
    default:
        break;
    }
}

static const IoRegionOps bar_ops = { bar_read, bar_write, 8 };

/* ---- Configuration space: the window of 4.1.4.9 into the BAR ---- */

/* The access that the window's fields describe: false if it is none that the driver may make. */
static bool window_access(const VirtioPci *pci, unsigned *bar, uint32_t *offset, uint32_t *length)
{
    *bar = pci_config_get(pci->function, pci->cap_pci + CAP_PCI_BAR, 1);
    *offset = pci_config_get(pci->function, pci->cap_pci + CAP_PCI_OFFSET, 4);
    *length = pci_config_get(pci->function, pci->cap_pci + CAP_PCI_LENGTH, 4);
    return *bar == VIRTIO_BAR && (*length == 1 || *length == 2 || *length == 4) &&
           *offset % *length == 0;
}

static bool touches_window(const VirtioPci *pci, unsigned offset, unsigned size)
{
    unsigned data = pci->cap_pci + CAP_PCI_DATA;

    return offset < data + 4 && offset + size > data && size <= 8;
}

static void config_read(void *opaque, unsigned offset, unsigned size)
{
    VirtioPci *pci = opaque;
    unsigned bar;
    uint32_t at, length;

    if (touches_window(pci, offset, size) && window_access(pci, &bar, &at, &length)) {
        pci_config_set(pci->function, pci->cap_pci + CAP_PCI_DATA, 4,
                       pci_bar_read(pci->function, bar, at, length));
    }
}

static void config_written(void *opaque, unsigned offset, unsigned size)
{
    VirtioPci *pci = opaque;
    unsigned bar;
    uint32_t at, length;

    if (offset < PCI_COMMAND + 2 && offset + size > PCI_COMMAND) {
        virtio_pci_changed(pci); /* bus mastering */
    }
    if (touches_window(pci, offset, size) && window_access(pci, &bar, &at, &length)) {
        uint32_t value = pci_config_get(pci->function, pci->cap_pci + CAP_PCI_DATA, 4);
        pci_bar_write(pci->function, bar, at, value & (UINT32_MAX >> (32 - 8 * length)), length);
    }
}

static void bar_moved(void *opaque, unsigned bar, hwaddr base)
{
    if (bar == VIRTIO_BAR) {
        virtio_pci_changed(opaque);
    }
}

static void reset(void *opaque)
{
    set_status(opaque, 0);
}

static void pci_freed(void *opaque)
{
    VirtioPci *pci = opaque;

    virtio_set_status(pci->device, 0);
    virtio_connect(pci->device, NULL, NULL);
    pci_msix_set_notifier(pci->function, NULL, NULL);
    virtio_pci_free_queues(pci);
    virtio_free(pci->device);
    g_free(pci);
}

static const PciFunctionOps function_ops = {
    .config_written = config_written, .config_read = config_read, .bar_moved = bar_moved,
    .reset = reset,
    .free = pci_freed,
};

/* ---- Making it ---- */

static unsigned add_capability(VirtioPci *pci, unsigned type, unsigned size, unsigned bar,
                               uint32_t offset, uint32_t length)
{
    unsigned at = pci_capability_add(pci->function, PCI_CAP_VENDOR, size);

    pci_config_define(pci->function, at + 2, 1, size, 0);
    pci_config_define(pci->function, at + 3, 1, type, 0);
    pci_config_define(pci->function, at + CAP_PCI_BAR, 1, bar, 0);
    pci_config_define(pci->function, at + CAP_PCI_OFFSET, 4, offset, 0);
    pci_config_define(pci->function, at + CAP_PCI_LENGTH, 4, length, 0);
    return at;
}

static void add_capabilities(VirtioPci *pci, bool integrated)
{
    PciFunction *function = pci->function;

    add_capability(pci, CAP_COMMON, CAP_SIZE, VIRTIO_BAR, PART_COMMON, PART_SIZE);
    add_capability(pci, CAP_ISR, CAP_SIZE, VIRTIO_BAR, PART_ISR, PART_SIZE);
    if (virtio_class(pci->device)->config_size) {
        add_capability(pci, CAP_CONFIG, CAP_SIZE, VIRTIO_BAR, PART_CONFIG, PART_SIZE);
    }
    unsigned notify = add_capability(pci, CAP_NOTIFY, CAP_NOTIFY_SIZE, VIRTIO_BAR, PART_NOTIFY,
                                     PART_SIZE);
    pci_config_define(function, notify + CAP_SIZE, 4, NOTIFY_MULTIPLIER, 0);
    unsigned window = pci->cap_pci = add_capability(pci, CAP_PCI, CAP_PCI_SIZE, 0, 0, 0);
    pci_config_define(function, window + CAP_PCI_BAR, 1, 0, 0xff);
    pci_config_define(function, window + CAP_PCI_OFFSET, 4, 0, 0xffffffff);
    pci_config_define(function, window + CAP_PCI_LENGTH, 4, 0, 0xffffffff);
    pci_config_define(function, window + CAP_PCI_DATA, 4, 0, 0xffffffff);
    pci_pm_add(function);
    pci_express_add(function, integrated ? PCIE_TYPE_INTEGRATED_ENDPOINT : PCIE_TYPE_ENDPOINT);
}

PciFunction *virtio_pci_new(VirtioDevice *device, const VirtioPciConfig *config,
                            const PciRootPorts *root, bool integrated)
{
    VirtioPci *pci = g_new0(VirtioPci, 1);
    PciIdentity identity = {
        VENDOR, FIRST_DEVICE + virtio_class(device)->id, .class_device = config->class_device,
        .revision = 1,
        .subsystem_vendor = VENDOR, .subsystem = SUBSYSTEM,
    };
    unsigned vectors = config->vectors == VIRTIO_PCI_VECTORS_DEFAULT ? virtio_num_queues(device) + 1
                                                                     : config->vectors;

    pci->device = device;
    pci->root = root;
    pci->context = virtio_context(device);
    pci->no_ioeventfd = config->no_ioeventfd;
    pci->config_vector = PCI_MSIX_NO_VECTOR;
    pci->function = pci_function_new(&identity, PCIE_CONFIG_SIZE, &function_ops, pci);
    pci_bar_add(pci->function, VIRTIO_BAR, PCI_BAR_MEM64_PREFETCHABLE, "virtio-pci", BAR_SIZE,
                &bar_ops, pci);
    if (vectors) {
        pci_msix_add(pci->function, MSIX_BAR, MIN(vectors, PCI_MSIX_MAX_VECTORS));
        pci_msix_set_notifier(pci->function, virtio_pci_vector_changed, pci);
    }
    add_capabilities(pci, integrated);
    pci_intx_add(pci->function, 1);
    virtio_pci_make_queues(pci);
    virtio_connect(device, &virtio_pci_transport_ops, pci);
    return pci->function;
}
