/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux kernel for direct boot, as firmware reads it from fw_cfg: split into its real-mode part
 * and the rest (numbered items), and whole (files below etc/boot/). Nothing is patched: what is
 * measured and signed is the file as it is.
 */
#ifndef HW_I386_BOOT_FILES_H
#define HW_I386_BOOT_FILES_H

#include "hw/i386/fw_cfg.h"

typedef struct LinuxImage {
    /* of the real-mode part, at the file's start; some part of an EFI application */
    size_t setup_size;
    uint32_t cmdline_max;  /* characters, NUL not counted */
    uint16_t protocol;     /* 0x020f = 2.15; 0 = an EFI application that is no bzImage */
} LinuxImage;

/*
 * Pure. False: neither a bzImage that firmware can start nor another EFI application; *errp says
 * why.
 */
bool linux_image_parse(const uint8_t *data, size_t size, LinuxImage *image, GError **errp);

/*
 * name is the kernel's, for messages. initrd, cmdline and shim may be NULL. References are taken,
 * nothing is copied.
 */
bool boot_files_add_kernel(FwCfg *fw_cfg, const char *name, GBytes *kernel, GBytes *initrd,
                           GBytes *shim, const char *cmdline, GError **errp);

#endif
