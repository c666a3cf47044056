/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -kernel, -initrd, -append, -shim and -fw_cfg carried out. */
#ifndef SYSTEM_BOOT_H
#define SYSTEM_BOOT_H

#include "hw/i386/fw_cfg.h"
#include "system/options.h"

/* Before the machine runs. False: a file cannot be read, is no kernel, or its name is taken. */
bool boot_add(FwCfg *fw_cfg, const BootFiles *boot, uint64_t ram_size, GError **errp);
/* Whether boot_add() would succeed; nothing is kept. */
bool boot_check(const BootFiles *boot, uint64_t ram_size, GError **errp);

#endif
