/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What firmware is given besides the machine: -kernel, -initrd, -append, -shim, -fw_cfg; and whether it gets ACPI tables. */
#ifndef SYSTEM_BOOT_H
#define SYSTEM_BOOT_H

#include "hw/i386/fw_cfg.h"
#include "hw/i386/tdvf.h"
#include "system/options.h"

/* Before the machine runs. False: a file cannot be read, is no kernel, or its name is taken. */
bool boot_add(FwCfg *fw_cfg, const BootFiles *boot, GError **errp);

/*
 * -machine acpi=on|off|auto. auto is on, but for firmware that is known to wait for ever once it has ACPI tables in a TD
 * that could have more vCPUs (max_vcpus, which the kernel chooses) than it has; then a warning is printed.
 */
bool boot_wants_acpi(const MachineConfig *config, const TdvfImage *firmware, unsigned max_vcpus);

#endif
