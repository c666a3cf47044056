/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBIOS: what the guest's firmware and operating system are told about maker, model and numbers of
 * the machine (DMTF DSP0134, version 3.0). Firmware takes it from two fw_cfg files and measures it:
 * the bytes depend on the configuration alone. Pure but for smbios_add().
 */
#ifndef HW_I386_SMBIOS_H
#define HW_I386_SMBIOS_H

#include "hw/i386/e820.h"
#include "hw/i386/fw_cfg.h"

#define SMBIOS_ANCHOR_SIZE 24

/* What -smbios gives, checked. */
typedef struct SmbiosOptions SmbiosOptions;
SmbiosOptions *smbios_options_new(void);
void smbios_options_free(SmbiosOptions *options); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmbiosOptions, smbios_options_free)
/*
 * "type=N,FIELD=VALUE,…"; a field given again replaces the former value, strings of type 11 are
 * collected. False: *errp.
 */
bool smbios_options_set(SmbiosOptions *options, const char *text, GError **errp);

typedef struct SmbiosConfig {
    const SmbiosOptions *options; /* NULL = none */
    const char *machine;          /* "pc-q35-11.1" */
    const char *uuid;             /* -uuid; one of type 1 goes before it; NULL = zeroes */
    unsigned sockets, cores, threads; /* cores and threads of one socket */
    E820Layout ram;
} SmbiosConfig;

/* The tables; the caller frees them. anchor: the entry point, whose address firmware fills in. */
GByteArray *smbios_build(const SmbiosConfig *config, uint8_t anchor[SMBIOS_ANCHOR_SIZE]);
bool smbios_add(FwCfg *fw_cfg, const SmbiosConfig *config, GError **errp);

#endif
