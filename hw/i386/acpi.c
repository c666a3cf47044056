/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACPI tables as fw_cfg files that follow where firmware put ECAM. */
#include "hw/i386/acpi.h"

#include <string.h>

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"
/*
 * Firmware may have read the directory before it placed ECAM, and believes the size it saw there: the tables file is as
 * large as the first tables and the little by which windows around ECAM can make them grow, and filled up with zeroes.
 */
#define GROWTH 256
#define SIZE_UNIT 4096

struct Acpi {
    FwCfg *fw_cfg;
    AcpiConfig config;
    const Mch *mch;
    guint tables_size;
};

static AcpiFiles *make_files(Acpi *acpi)
{
    mch_ecam(acpi->mch, &acpi->config.ecam_base, &acpi->config.ecam_size);
    return acpi_files_new(&acpi->config);
}

static void fill_up(Acpi *acpi, GByteArray *tables)
{
    guint used = tables->len;

    if (used < acpi->tables_size) {
        g_byte_array_set_size(tables, acpi->tables_size);
        memset(tables->data + used, 0, acpi->tables_size - used);
    }
}

static void selected(void *opaque)
{
    Acpi *acpi = opaque;
    hwaddr base;
    uint64_t size;

    mch_ecam(acpi->mch, &base, &size);
    if (base == acpi->config.ecam_base && size == acpi->config.ecam_size) {
        return;
    }
    g_autoptr(AcpiFiles) files = make_files(acpi);
    fill_up(acpi, files->tables);
    fw_cfg_set_file(acpi->fw_cfg, TABLES_FILE, files->tables->data, files->tables->len);
    fw_cfg_set_file(acpi->fw_cfg, RSDP_FILE, files->rsdp, sizeof(files->rsdp));
    fw_cfg_set_file(acpi->fw_cfg, LOADER_FILE, files->loader->data, files->loader->len);
}

static const FwCfgFileOps file_ops = { .selected = selected };

static bool add_files(Acpi *acpi, GError **errp)
{
    g_autoptr(AcpiFiles) files = make_files(acpi);

    acpi->tables_size = (files->tables->len + GROWTH + SIZE_UNIT - 1) / SIZE_UNIT * SIZE_UNIT;
    fill_up(acpi, files->tables);
    return fw_cfg_add_live_file(acpi->fw_cfg, TABLES_FILE, files->tables->data, files->tables->len, &file_ops, acpi,
                                errp) &&
           fw_cfg_add_live_file(acpi->fw_cfg, RSDP_FILE, files->rsdp, sizeof(files->rsdp), &file_ops, acpi, errp) &&
           fw_cfg_add_live_file(acpi->fw_cfg, LOADER_FILE, files->loader->data, files->loader->len, &file_ops, acpi,
                                errp);
}

Acpi *acpi_new(FwCfg *fw_cfg, const AcpiConfig *config, const Mch *mch, GError **errp)
{
    Acpi *acpi = g_new0(Acpi, 1);

    acpi->fw_cfg = fw_cfg;
    acpi->config = *config;
    acpi->mch = mch;
    if (!add_files(acpi, errp)) {
        acpi_free(acpi);
        return NULL;
    }
    return acpi;
}

void acpi_free(Acpi *acpi)
{
    g_free(acpi);
}
