/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's order of boot, fw_cfg file "bootorder": the devices' bootindex= in ascending
 * order.
 */
#ifndef HW_I386_BOOT_ORDER_H
#define HW_I386_BOOT_ORDER_H

#include "hw/i386/fw_cfg.h"
#include "qom/object.h"

/*
 * machine: where the devices are in the tree, realized. strict: what has no bootindex is not
 * booted. No file if no device has one. False: *errp, two devices have the same.
 */
bool boot_order_add(FwCfg *fw_cfg, QomObject *machine, bool strict, GError **errp);

#endif
