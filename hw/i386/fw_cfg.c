/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg's registers: selector and data ports, and DMA (the interface is the one edk2's
 * QemuFwCfgLib and Linux's qemu_fw_cfg drive).
 */
#include "hw/i386/fw_cfg.h"

#include <inttypes.h>
#include <string.h>

#include "fw_cfg-internal.h"
#include "system/core/log.h"
#include "util/bytes.h"

#define SELECTOR_PORT 0x510 /* 16-bit writes; the data port is its upper byte */
#define DATA_OFFSET 1
#define DMA_PORT 0x514
#define DMA_SIGNATURE "QEMU CFG"
/* bit 14 asks for writing by port, which is gone; bit 15 for an architecture's own items */
#define KEY_BITS 0x3fff
#define KEY_LOCAL 0x8000
#define ID_TRADITIONAL 1u
#define ID_DMA 2u

#define DMA_DESCRIPTOR_SIZE 16 /* be32 control, be32 length, be64 address */
#define DMA_ERROR 0x01u
#define DMA_READ 0x02u
#define DMA_SKIP 0x04u
#define DMA_SELECT 0x08u
#define DMA_WRITE 0x10u

static FwCfgItem *selected_item(FwCfg *fw_cfg)
{
    return fw_cfg->key & KEY_LOCAL ? NULL : fw_cfg_item(fw_cfg, fw_cfg->key & KEY_BITS);
}

static void select_key(FwCfg *fw_cfg, uint16_t key)
{
    fw_cfg->key = key;
    fw_cfg->offset = 0;
    const FwCfgItem *item = selected_item(fw_cfg);
    if (item && item->ops && item->ops->selected) {
        item->ops->selected(item->opaque);
    }
}

static void advance(FwCfg *fw_cfg, uint32_t length)
{
    fw_cfg->offset = length > UINT32_MAX - fw_cfg->offset ? UINT32_MAX : fw_cfg->offset + length;
}

/* The next length bytes; those past the end are 0. */
static void take_bytes(FwCfg *fw_cfg, uint8_t *to, uint32_t length)
{
    const FwCfgItem *item = selected_item(fw_cfg);
    uint32_t left = item && fw_cfg->offset < item->size ? item->size - fw_cfg->offset : 0;
    uint32_t n = MIN(left, length);

    if (n) {
        memcpy(to, item->data + fw_cfg->offset, n);
    }
    memset(to + n, 0, length - n);
    advance(fw_cfg, length);
}

static uint64_t port_read(void *opaque, hwaddr offset, unsigned size)
{
    FwCfg *fw_cfg = opaque;
    uint8_t byte;

    if (offset != DATA_OFFSET || size != 1) {
        return UINT64_MAX; /* the selector cannot be read */
    }
    take_bytes(fw_cfg, &byte, 1);
    return byte;
}

static void port_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    if (offset == 0 && size == 2) {
        select_key(opaque, value);
    }
}

static const IoRegionOps port_ops = { port_read, port_write, 2 };

/* Bytes from the guest into a file that wants them. */
static bool put_bytes(FwCfg *fw_cfg, const uint8_t *from, uint32_t length)
{
    FwCfgItem *item = selected_item(fw_cfg);
    uint32_t offset = fw_cfg->offset;

    if (!item || !item->ops || !item->ops->written || !range_inside(offset, length, item->size)) {
        return false;
    }
    memcpy(item->data + offset, from, length);
    advance(fw_cfg, length);
    item->ops->written(item->opaque, item->data + offset, offset, length);
    return true;
}

/* What the guest asked cannot be done: told once in the machine's life, the rest is for the log. */
static void fail(FwCfg *fw_cfg, const char *what, uint32_t length, uint64_t address)
{
    g_autofree char *text = g_strdup_printf("fw_cfg: the %s of 0x%" PRIx32 " bytes at 0x%" PRIx64
                                            " is not in one piece of RAM that the guest shares",
                                            what, length, address);

    log_item(LOG_GUEST_ERRORS, "%s", text);
    if (!fw_cfg->reported) {
        g_autofree char *once = g_strconcat(text, ". Further errors of fw_cfg are logged with -d "
                                            "guest_errors", NULL);
        fw_cfg->reported = true;
        report_warning(once);
    }
}

static bool dma_transfer(FwCfg *fw_cfg, uint32_t control, uint32_t length, uint64_t address)
{
    if (control & DMA_SELECT) {
        select_key(fw_cfg, control >> 16);
    }
    if (!(control & (DMA_READ | DMA_WRITE))) {
        if (control & DMA_SKIP) {
            advance(fw_cfg, length);
        }
        return true;
    }
    if (!length) {
        return true;
    }
    uint8_t *host = shared_memory_map(fw_cfg->memory, address, length);
    if (!host) {
        fail(fw_cfg, "DMA", length, address);
        return false;
    }
    if (control & DMA_READ) {
        take_bytes(fw_cfg, host, length);
        return true;
    }
    return put_bytes(fw_cfg, host, length);
}

static void dma_run(FwCfg *fw_cfg, uint64_t at)
{
    uint8_t descriptor[DMA_DESCRIPTOR_SIZE];
    uint8_t *host = shared_memory_map(fw_cfg->memory, at, sizeof(descriptor));

    if (!host) {
        fail(fw_cfg, "DMA descriptor", sizeof(descriptor), at);
        return; /* there is nowhere to write the error to */
    }
    memcpy(descriptor, host, sizeof(descriptor)); /* once: another vCPU may be changing it */
    bool ok = dma_transfer(fw_cfg, load_be32(descriptor), load_be32(descriptor + 4),
                           load_be64(descriptor + 8));
    store_be32(host, ok ? 0 : DMA_ERROR);
}

static uint64_t dma_read(void *opaque, hwaddr offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size && offset + i < 8; i++) {
        value |= (uint64_t)(uint8_t)DMA_SIGNATURE[offset + i] << 8 * i;
    }
    return value;
}

static void dma_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    FwCfg *fw_cfg = opaque;

    if (size < 4) {
        return; /* the address comes in halves or whole */
    }
    for (unsigned i = 0; i < size && offset + i < 8; i++) {
        fw_cfg->dma_address[offset + i] = value >> 8 * i;
    }
    if (offset + size == 8) {
        uint64_t at = load_be64(fw_cfg->dma_address);
        /* Next time the high half may be left out. */
        memset(fw_cfg->dma_address, 0, sizeof(fw_cfg->dma_address));
        dma_run(fw_cfg, at);
    }
}

static const IoRegionOps dma_ops = { dma_read, dma_write, 8 };

void fw_cfg_reset(FwCfg *fw_cfg)
{
    fw_cfg->key = FW_CFG_SIGNATURE;
    fw_cfg->offset = 0;
    memset(fw_cfg->dma_address, 0, sizeof(fw_cfg->dma_address));
}

FwCfg *fw_cfg_new(const SharedMemoryPort *memory, AddressSpace *ports)
{
    FwCfg *fw_cfg = g_new0(FwCfg, 1);

    fw_cfg->memory = memory;
    fw_cfg_items_init(fw_cfg);
    fw_cfg_add_bytes(fw_cfg, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_u32(fw_cfg, FW_CFG_ID, ID_TRADITIONAL | ID_DMA);
    address_space_add_io(ports, "fw_cfg", SELECTOR_PORT, 2, 0, &port_ops, fw_cfg);
    address_space_add_io(ports, "fw_cfg-dma", DMA_PORT, 8, 0, &dma_ops, fw_cfg);
    return fw_cfg;
}

void fw_cfg_free(FwCfg *fw_cfg)
{
    if (fw_cfg) {
        fw_cfg_items_clear(fw_cfg);
        g_free(fw_cfg);
    }
}
