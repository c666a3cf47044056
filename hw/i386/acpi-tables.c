/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI tables and the script that tells firmware how to place and link them. Layouts: ACPI 6.5,
 * chapter 5.
 */
#include "hw/i386/acpi.h"

#include <string.h>

#include "util/bytes.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE "etc/acpi/rsdp"
#define OEM_ID "QTDX  "
#define OEM_TABLE_ID "QTDXQ35 "
#define OEM_REVISION 1
#define CREATOR_ID "QTDX"
#define HEADER_SIZE 36
#define HEADER_LENGTH 4
#define HEADER_CHECKSUM 9

#define FACS_SIZE 64
#define FADT_SIZE 276
#define MCFG_SIZE 60
#define NUM_XSDT_ENTRIES 3
#define FADT_FIRMWARE_CTRL 36
#define FADT_DSDT 40
#define FADT_X_DSDT 140
#define RSDP_XSDT 24
#define RSDP_OLD_SIZE 20 /* what its first checksum covers */

#define PM_BASE 0x600 /* where firmware puts PMBASE */
#define RESET_PORT 0xcf9
#define RESET_HARD 0x06
#define GAS_IO 1 /* generic address structure: I/O space */

#define LOCAL_APIC_BASE 0xfee00000u
#define IOAPIC_BASE 0xfec00000u
#define SCI 9

/* Commands of the loader script, 128 bytes each; the form is the one of edk2's QemuLoader.h. */
enum { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
#define LOADER_COMMAND_SIZE 128
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };

static uint8_t *command(AcpiFiles *files, uint32_t code)
{
    guint at = files->loader->len;

    g_byte_array_set_size(files->loader, at + LOADER_COMMAND_SIZE);
    uint8_t *bytes = files->loader->data + at;
    memset(bytes, 0, LOADER_COMMAND_SIZE);
    store_le32(bytes, code);
    return bytes;
}

static void put_name(uint8_t *where, const char *name)
{
    g_assert(strlen(name) < FW_CFG_NAME_SIZE);
    memcpy(where, name, strlen(name));
}

static void allocate(AcpiFiles *files, const char *file, uint32_t align, uint8_t zone)
{
    uint8_t *c = command(files, LOADER_ALLOCATE);

    put_name(c + 4, file);
    store_le32(c + 60, align);
    c[64] = zone;
}

/*
 * The field of `size` bytes at `offset` of a file holds an offset into the tables file: its address
 * is added.
 */
static void add_pointer(AcpiFiles *files, const char *file, uint32_t offset, uint8_t size)
{
    uint8_t *c = command(files, LOADER_ADD_POINTER);

    put_name(c + 4, file);
    put_name(c + 60, TABLES_FILE);
    store_le32(c + 116, offset);
    c[120] = size;
}

static void add_checksum(AcpiFiles *files, const char *file, uint32_t at, uint32_t start,
                         uint32_t length)
{
    uint8_t *c = command(files, LOADER_ADD_CHECKSUM);

    put_name(c + 4, file);
    store_le32(c + 60, at);
    store_le32(c + 64, start);
    store_le32(c + 68, length);
}

/* Zeroed room at the end of the tables file. */
static uint8_t *append(AcpiFiles *files, uint32_t size)
{
    guint at = files->tables->len;

    g_byte_array_set_size(files->tables, at + size);
    memset(files->tables->data + at, 0, size);
    return files->tables->data + at;
}

static uint32_t begin_table(AcpiFiles *files, const char *signature, uint8_t revision)
{
    uint32_t start = files->tables->len;
    uint8_t *header = append(files, HEADER_SIZE);

    memcpy(header, signature, 4);
    header[8] = revision;
    memcpy(header + 10, OEM_ID, 6);
    memcpy(header + 16, OEM_TABLE_ID, 8);
    store_le32(header + 24, OEM_REVISION);
    memcpy(header + 28, CREATOR_ID, 4);
    store_le32(header + 32, OEM_REVISION);
    return start;
}

static void list_table(AcpiFiles *files, const char *signature, uint32_t start)
{
    AcpiTable table = { .offset = start, .size = files->tables->len - start };

    memcpy(table.signature, signature, 4);
    g_array_append_val(files->list, table);
}

/* Pointers in the table must be in the script already: its checksum covers their final values. */
static uint32_t end_table(AcpiFiles *files, uint32_t start)
{
    uint8_t *header = files->tables->data + start;
    uint32_t size = files->tables->len - start;

    store_le32(header + HEADER_LENGTH, size);
    add_checksum(files, TABLES_FILE, start + HEADER_CHECKSUM, start, size);
    list_table(files, (const char *)header, start);
    return start;
}

/* First, where the allocation's alignment gives it the 64 that it needs. It has no checksum. */
static uint32_t add_facs(AcpiFiles *files)
{
    uint32_t start = files->tables->len;
    uint8_t *facs = append(files, FACS_SIZE);

    memcpy(facs, "FACS", 4);
    store_le32(facs + 4, FACS_SIZE);
    facs[32] = 2; /* version */
    list_table(files, "FACS", start);
    return start;
}

static uint32_t add_dsdt(AcpiFiles *files, const AcpiConfig *config)
{
    uint32_t start = begin_table(files, "DSDT", 2); /* 2: integers have 64 bits */

    acpi_dsdt_append(files->tables, config);
    return end_table(files, start);
}

/*
 * A register block: its old form (32-bit port, length in bytes) and its generic address structure.
 */
static void put_block(uint8_t *fadt, unsigned old, unsigned old_length, unsigned generic,
                      uint16_t port, uint8_t size)
{
    store_le32(fadt + old, port);
    fadt[old_length] = size;
    fadt[generic] = GAS_IO;
    fadt[generic + 1] = size * 8;
    store_le64(fadt + generic + 4, port);
}

static uint32_t add_fadt(AcpiFiles *files, uint32_t facs, uint32_t dsdt)
{
    enum { NO_C2_LATENCY = 101, NO_C3_LATENCY = 1001 };
    enum { ISA_DEVICES = 1 << 0, NO_VGA = 1 << 2 };
    enum {
        WBINVD = 1 << 0, PROC_C1 = 1 << 2, NO_FIXED_SLEEP_BUTTON = 1 << 5,
        NO_FIXED_RTC_WAKE = 1 << 6,
        RESET_REGISTER = 1 << 10,
    };
    uint32_t start = begin_table(files, "FACP", 6);

    append(files, FADT_SIZE - HEADER_SIZE);
    uint8_t *fadt = files->tables->data + start;
    store_le32(fadt + FADT_FIRMWARE_CTRL, facs);
    store_le32(fadt + FADT_DSDT, dsdt);
    store_le64(fadt + FADT_X_DSDT, dsdt);
    store_le16(fadt + 46, SCI);
    /*
     * No SMI command port (48) without system management mode: the machine is in ACPI mode always.
     */
    put_block(fadt, 56, 88, 148, PM_BASE, 4);         /* PM1a event */
    put_block(fadt, 64, 89, 172, PM_BASE + 4, 2);     /* PM1a control */
    put_block(fadt, 76, 91, 208, PM_BASE + 8, 4);     /* timer */
    put_block(fadt, 80, 92, 220, PM_BASE + 0x20, 16); /* GPE0 */
    store_le16(fadt + 96, NO_C2_LATENCY);
    store_le16(fadt + 98, NO_C3_LATENCY);
    fadt[108] = 0x32; /* the RTC's century */
    store_le16(fadt + 109, ISA_DEVICES | NO_VGA);
    store_le32(fadt + 112,
               WBINVD | PROC_C1 | NO_FIXED_SLEEP_BUTTON | NO_FIXED_RTC_WAKE | RESET_REGISTER);
    fadt[116] = GAS_IO;
    fadt[117] = 8;
    store_le64(fadt + 120, RESET_PORT);
    fadt[128] = RESET_HARD;
    fadt[131] = 3; /* minor version: 6.3 */
    add_pointer(files, TABLES_FILE, start + FADT_FIRMWARE_CTRL, 4);
    add_pointer(files, TABLES_FILE, start + FADT_DSDT, 4);
    add_pointer(files, TABLES_FILE, start + FADT_X_DSDT, 8);
    return end_table(files, start);
}

/*
 * Ids that a byte can hold, but for 255, the broadcast, take the short form (ACPI 6.5, 5.2.12.12).
 */
static void add_processor(AcpiFiles *files, uint32_t uid, uint32_t apic_id)
{
    enum { LOCAL_APIC = 0, LOCAL_X2APIC = 9, ENABLED = 1 };

    if (apic_id < 255 && uid < 255) {
        uint8_t *entry = append(files, 8);
        entry[0] = LOCAL_APIC;
        entry[1] = 8;
        entry[2] = uid;
        entry[3] = apic_id;
        store_le32(entry + 4, ENABLED);
    } else {
        uint8_t *entry = append(files, 16);
        entry[0] = LOCAL_X2APIC;
        entry[1] = 16;
        store_le32(entry + 4, apic_id);
        store_le32(entry + 8, ENABLED);
        store_le32(entry + 12, uid);
    }
}

/* No PC/AT interrupt controllers (PCAT_COMPAT 0). Firmware adds the wake-up mailbox. */
static uint32_t add_madt(AcpiFiles *files, const AcpiConfig *config)
{
    enum { IO_APIC = 1, OVERRIDE = 2, ACTIVE_HIGH_LEVEL = 0x0d };
    uint32_t start = begin_table(files, "APIC", 5);

    store_le32(append(files, 8), LOCAL_APIC_BASE);
    for (unsigned i = 0; i < config->num_cpus; i++) {
        add_processor(files, i, config->apic_ids ? config->apic_ids[i] : i);
    }
    uint8_t *ioapic = append(files, 12);
    ioapic[0] = IO_APIC;
    ioapic[1] = 12;
    store_le32(ioapic + 4, IOAPIC_BASE);
    uint8_t *sci = append(files, 10);
    sci[0] = OVERRIDE;
    sci[1] = 10;
    sci[3] = SCI;
    store_le32(sci + 4, SCI);
    store_le16(sci + 8, ACTIVE_HIGH_LEVEL);
    return end_table(files, start);
}

static uint32_t add_mcfg(AcpiFiles *files, const AcpiConfig *config)
{
    uint32_t start = begin_table(files, "MCFG", 1);
    uint8_t *allocation = append(files, MCFG_SIZE - HEADER_SIZE) + 8;

    store_le64(allocation, config->ecam_base);
    allocation[11] = (config->ecam_size >> 20) - 1; /* last bus: each has 1 MiB */
    return end_table(files, start);
}

static uint32_t add_xsdt(AcpiFiles *files, const uint32_t entries[NUM_XSDT_ENTRIES])
{
    uint32_t start = begin_table(files, "XSDT", 1);

    append(files, 8 * NUM_XSDT_ENTRIES);
    for (unsigned i = 0; i < NUM_XSDT_ENTRIES; i++) {
        uint32_t at = start + HEADER_SIZE + 8 * i;
        store_le64(files->tables->data + at, entries[i]);
        add_pointer(files, TABLES_FILE, at, 8);
    }
    return end_table(files, start);
}

static void make_rsdp(AcpiFiles *files, uint32_t xsdt)
{
    uint8_t *rsdp = files->rsdp;

    memcpy(rsdp, "RSD PTR ", 8);
    memcpy(rsdp + 9, OEM_ID, 6);
    rsdp[15] = 2; /* revision: has an XSDT */
    store_le32(rsdp + 20, ACPI_RSDP_SIZE);
    store_le64(rsdp + RSDP_XSDT, xsdt);
    add_pointer(files, RSDP_FILE, RSDP_XSDT, 8);
    add_checksum(files, RSDP_FILE, 8, 0, RSDP_OLD_SIZE);
    add_checksum(files, RSDP_FILE, 32, 0, ACPI_RSDP_SIZE);
}

AcpiFiles *acpi_files_new(const AcpiConfig *config)
{
    AcpiFiles *files = g_new0(AcpiFiles, 1);

    files->tables = g_byte_array_new();
    files->loader = g_byte_array_new();
    files->list = g_array_new(FALSE, TRUE, sizeof(AcpiTable));
    allocate(files, RSDP_FILE, 16, ZONE_FSEG);
    allocate(files, TABLES_FILE, 64, ZONE_HIGH);
    uint32_t facs = add_facs(files);
    uint32_t dsdt = add_dsdt(files, config);
    uint32_t entries[NUM_XSDT_ENTRIES] = { add_fadt(files, facs, dsdt) };
    entries[1] = add_madt(files, config);
    entries[2] = add_mcfg(files, config);
    make_rsdp(files, add_xsdt(files, entries));
    return files;
}

void acpi_files_free(AcpiFiles *files)
{
    if (files) {
        g_byte_array_unref(files->tables);
        g_byte_array_unref(files->loader);
        g_array_unref(files->list);
        g_free(files);
    }
}
