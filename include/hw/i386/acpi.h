/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI tables: what the operating system is told about the machine, and how firmware gets them:
 * three fw_cfg files, of which etc/table-loader is a script that places and links the others.
 * Firmware measures them: their bytes depend on the configuration and on where firmware put ECAM,
 * on nothing else.
 */
#ifndef HW_I386_ACPI_H
#define HW_I386_ACPI_H

#include "hw/i386/e820.h"
#include "hw/i386/fw_cfg.h"
#include "hw/i386/mch.h"
#include "qom/object.h"

#define ACPI_MAX_SERIAL 4
#define ACPI_RSDP_SIZE 36

#define ACPI_SLOT_DEPTH 4

/* A PCI device with acpi-index=, and the way to it: devfns from the root bus on. */
typedef struct AcpiSlot {
    uint32_t index;
    uint8_t path[ACPI_SLOT_DEPTH];
    unsigned depth;
} AcpiSlot;

typedef struct AcpiConfig {
    const uint32_t *apic_ids; /* [num_cpus], x2APIC ids; NULL = 0, 1, 2, … */
    unsigned num_cpus;
    E820Layout ram;
    bool serial[ACPI_MAX_SERIAL]; /* COM1 to COM4 exist */
    uint16_t pvpanic_port;        /* 0 = none */
    const GArray *slots;          /* of AcpiSlot, sorted by path; NULL = none */
    hwaddr ecam_base;
    uint64_t ecam_size;           /* up to 256 MiB */
    /* what firmware uses above 4 GiB for PCI: whole GiB; size 0 = nothing */
    hwaddr window64_base;
    uint64_t window64_size;
} AcpiConfig;

/* Where a table lies in the tables file. */
typedef struct AcpiTable {
    char signature[5];
    uint32_t offset, size;
} AcpiTable;

/* The files, and where in `tables` each table lies. */
typedef struct AcpiFiles {
    GByteArray *tables, *loader;
    uint8_t rsdp[ACPI_RSDP_SIZE];
    GArray *list; /* of AcpiTable, in order */
} AcpiFiles;

/*
 * Pure. Pointers hold offsets into the tables file, and checksums are 0, until the loader script is
 * carried out.
 */
AcpiFiles *acpi_files_new(const AcpiConfig *config);
void acpi_files_free(AcpiFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcpiFiles, acpi_files_free)

/* Adds the DSDT's code behind its header (acpi-dsdt.c). */
void acpi_dsdt_append(GByteArray *bytes, const AcpiConfig *config);

/*
 * The machine's devices with acpi-index=, sorted (acpi-slots.c); caller frees. NULL: *errp. Main
 * loop thread.
 */
GArray *acpi_slots_collect(QomObject *machine, GError **errp);
/* Their nodes, below the root bus's; pure. */
struct Aml;
void acpi_slots_append(struct Aml *aml, const GArray *slots);

typedef struct Acpi Acpi;

/*
 * The files in fw_cfg. They are made anew when the guest selects one and ECAM or what PCI uses
 * above 4 GiB has moved since: firmware places both first. The config's apic_ids and slots must
 * outlive it, its ECAM and window fields are not used. Machine lock held.
 */
Acpi *acpi_new(FwCfg *fw_cfg, const AcpiConfig *config, const Mch *mch, PciBus *pci, GError **errp);
void acpi_free(Acpi *acpi);

#endif
