/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg: how firmware asks the machine what it is made of. Numbered items and a directory of
 * files, byte by byte through ports or by DMA into guest RAM (in a TD: its shared half). Items are
 * added while the machine is made: a later file moves the keys of those that sort after it. Machine
 * lock held.
 */
#ifndef HW_I386_FW_CFG_H
#define HW_I386_FW_CFG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "system/core/address-space.h"
#include "system/core/shared-memory.h"

/* Numbered items */
enum {
    FW_CFG_SIGNATURE = 0x00, FW_CFG_ID = 0x01, FW_CFG_CPU_COUNT = 0x05, FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_SIZE = 0x0b, FW_CFG_BOOT_MENU = 0x0e, FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11, FW_CFG_INITRD_DATA = 0x12, FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15, FW_CFG_SETUP_SIZE = 0x17, FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_DIRECTORY = 0x19, FW_CFG_FIRST_FILE = 0x20,
};
#define FW_CFG_NAME_SIZE 56 /* NUL included */
/* Firmware keeps the whole directory in one HOB: 64 bytes a file must stay below 64 KiB. */
#define FW_CFG_MAX_FILES 1000

typedef struct FwCfg FwCfg;

/*
 * Claims ports 510 to 51B. memory is where DMA descriptors and data may lie; borrowed, and its
 * contents may change.
 */
FwCfg *fw_cfg_new(const SharedMemoryPort *memory, AddressSpace *ports);
void fw_cfg_free(FwCfg *fw_cfg);
void fw_cfg_reset(FwCfg *fw_cfg);

/*
 * Numbered items below FW_CFG_FIRST_FILE; data is copied, a former value replaced. Integers are
 * stored little- endian.
 */
void fw_cfg_add_bytes(FwCfg *fw_cfg, uint16_t key, const void *data, size_t size);
void fw_cfg_add_u16(FwCfg *fw_cfg, uint16_t key, uint16_t value);
void fw_cfg_add_u32(FwCfg *fw_cfg, uint16_t key, uint32_t value);
/* Without a copy: a reference is taken. At most 4 GiB - 1. */
void fw_cfg_add_part(FwCfg *fw_cfg, uint16_t key, GBytes *bytes);
/* With its NUL. */
void fw_cfg_add_string(FwCfg *fw_cfg, uint16_t key, const char *text);

/*
 * Files. False and *errp: the name is taken, empty or too long, the file too large, or there are
 * too many. Data is copied.
 */
bool fw_cfg_add_file(FwCfg *fw_cfg, const char *name, const void *data, size_t size, GError **errp);
/* Without a copy: a reference is taken. */
bool fw_cfg_add_file_bytes(FwCfg *fw_cfg, const char *name, GBytes *bytes, GError **errp);
bool fw_cfg_add_file_u16(FwCfg *fw_cfg, const char *name, uint16_t value, GError **errp);
/*
 * What a file is besides bytes. selected: called each time the guest selects the file, before it
 * reads; it may give it new contents with fw_cfg_set_file. written: the guest wrote [offset, offset
 * + size) by DMA; without it the file is read-only.
 */
typedef struct FwCfgFileOps {
    void (*selected)(void *opaque);
    void (*written)(void *opaque, const uint8_t *data, uint32_t offset, uint32_t size);
} FwCfgFileOps;
/* ops is borrowed. */
bool fw_cfg_add_live_file(FwCfg *fw_cfg, const char *name, const void *data, size_t size,
                          const FwCfgFileOps *ops, void *opaque, GError **errp);
/* Each file by its name, in the directory's order. */
void fw_cfg_foreach_file(const FwCfg *fw_cfg,
                         void (*visit)(const char *name, uint32_t size, void *opaque),
                         void *opaque);
/* New contents, also of another size; the directory follows. False: no such file. */
bool fw_cfg_set_file(FwCfg *fw_cfg, const char *name, const void *data, size_t size);

#endif
