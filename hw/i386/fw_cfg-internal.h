/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg's two halves: the items (fw_cfg-items.c) and the registers that read them (fw_cfg.c).
 * Private to hw/i386.
 */
#ifndef FW_CFG_INTERNAL_H
#define FW_CFG_INTERNAL_H

#include "hw/i386/fw_cfg.h"

typedef struct FwCfgItem {
    char *name; /* NULL: a numbered item */
    uint8_t *data;  /* own memory, or that of bytes, which is not written */
    GBytes *bytes;
    uint32_t size;
    const FwCfgFileOps *ops;
    void *opaque;
} FwCfgItem;

struct FwCfg {
    const SharedMemoryPort *memory;
    FwCfgItem numbered[FW_CFG_FIRST_FILE];
    GPtrArray *files;     /* FwCfgItem, sorted by name */
    uint16_t key;
    uint32_t offset;      /* of the next byte of the selected item */
    uint8_t dma_address[8]; /* big-endian, as the guest writes it */
    bool reported;          /* an error of the guest's */
};

void fw_cfg_items_init(FwCfg *fw_cfg);
void fw_cfg_items_clear(FwCfg *fw_cfg);
/* The item of a key; NULL if there is none. */
FwCfgItem *fw_cfg_item(FwCfg *fw_cfg, uint16_t key);

#endif
