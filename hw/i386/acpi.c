/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACPI tables as fw_cfg files that follow where firmware put ECAM. */
#include "hw/i386/acpi.h"

#include <string.h>

#include "hw/pci/pcie-port.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"
/*
 * Firmware may have read the directory before it placed ECAM, and believes the size it saw there:
 * the tables file is as large as the first tables and the little by which windows around ECAM can
 * make them grow, and filled up with zeroes.
 */
#define GROWTH 256
#define SIZE_UNIT 4096

struct Acpi {
    FwCfg *fw_cfg;
    AcpiConfig config;
    const Mch *mch;
    PciBus *pci;
    guint tables_size;
};

typedef struct Span {
    hwaddr first, last; /* first > last: empty */
} Span;

static void add_to_span(Span *span, hwaddr first, hwaddr last)
{
    if (first >= 4 * GiB && first <= last) {
        span->first = MIN(span->first, first);
        span->last = MAX(span->last, last);
    }
}

/* What is decoded: firmware turns decoding on for the time in which it reads the tables. */
static void add_function(PciFunction *function, void *opaque)
{
    hwaddr first, last;

    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        hwaddr base = pci_bar_address(function, i);
        if (base != PCI_BAR_UNMAPPED) {
            add_to_span(opaque, base, base);
        }
    }
    if (pci_bridge_bus(function) &&
        pci_bridge_window(function, PCI_WINDOW_PREFETCHABLE, &first, &last)) {
        add_to_span(opaque, first, last);
    }
}

/* Where firmware put things; true if that is not what the config says. */
static bool look(Acpi *acpi)
{
    AcpiConfig old = acpi->config, *now = &acpi->config;
    Span span = { UINT64_MAX, 0 };

    mch_ecam(acpi->mch, &now->ecam_base, &now->ecam_size);
    pci_bus_foreach(acpi->pci, add_function, &span);
    now->window64_base = now->window64_size = 0;
    if (span.first <= span.last) {
        now->window64_base = span.first & ~(GiB - 1);
        now->window64_size = (span.last | (GiB - 1)) - now->window64_base + 1;
    }
    return now->ecam_base != old.ecam_base || now->ecam_size != old.ecam_size ||
           now->window64_base != old.window64_base || now->window64_size != old.window64_size;
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

    if (!look(acpi)) {
        return;
    }
    g_autoptr(AcpiFiles) files = acpi_files_new(&acpi->config);
    fill_up(acpi, files->tables);
    fw_cfg_set_file(acpi->fw_cfg, TABLES_FILE, files->tables->data, files->tables->len);
    fw_cfg_set_file(acpi->fw_cfg, RSDP_FILE, files->rsdp, sizeof(files->rsdp));
    fw_cfg_set_file(acpi->fw_cfg, LOADER_FILE, files->loader->data, files->loader->len);
}

static const FwCfgFileOps file_ops = { .selected = selected };

static bool add_files(Acpi *acpi, GError **errp)
{
    look(acpi);
    g_autoptr(AcpiFiles) files = acpi_files_new(&acpi->config);
    acpi->tables_size = (files->tables->len + GROWTH + SIZE_UNIT - 1) / SIZE_UNIT * SIZE_UNIT;
    fill_up(acpi, files->tables);
    return fw_cfg_add_live_file(acpi->fw_cfg, TABLES_FILE, files->tables->data, files->tables->len,
                                &file_ops, acpi, errp) &&
           fw_cfg_add_live_file(acpi->fw_cfg, RSDP_FILE, files->rsdp, sizeof(files->rsdp),
                                &file_ops, acpi, errp) &&
           fw_cfg_add_live_file(acpi->fw_cfg, LOADER_FILE, files->loader->data, files->loader->len,
                                &file_ops, acpi, errp);
}

Acpi *acpi_new(FwCfg *fw_cfg, const AcpiConfig *config, const Mch *mch, PciBus *pci, GError **errp)
{
    Acpi *acpi = g_new0(Acpi, 1);

    acpi->fw_cfg = fw_cfg;
    acpi->config = *config;
    acpi->mch = mch;
    acpi->pci = pci;
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
