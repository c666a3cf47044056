/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the builder of ACPI tables. The input's first byte chooses: even, a machine's
 * configuration follows, whose tables must be whole, twice the same, and linked by a loader script
 * that stays inside them; odd, calls of the AML builder follow, whose output must nest as it was
 * opened.
 */
#include <glib.h>
#include <string.h>

#include "fuzz.h"
#include "hw/i386/acpi-aml.h"
#include "hw/i386/acpi.h"
#include "util/bytes.h"
#include "util/units.h"

#define MAX_CPUS 300
#define HEADER_SIZE 36 /* of a system description table: ACPI 6.5, 5.2.6 */
#define MAX_CALLS 400

/* Takes n bytes off the input, little-endian; missing ones are 0. */
static uint64_t take(Bytes *input, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n && input->size; i++) {
        value |= (uint64_t)*input->data << 8 * i;
        input->data++;
        input->size--;
    }
    return value;
}

/* ---- Tables ---- */

static void check_tables(const AcpiFiles *files)
{
    uint32_t end = 0;

    for (guint i = 0; i < files->list->len; i++) {
        const AcpiTable *table = &g_array_index(files->list, AcpiTable, i);
        g_assert_true(table->offset >= end &&
                      range_inside(table->offset, table->size, files->tables->len));
        g_assert_true(table->size >= HEADER_SIZE &&
                      !memcmp(files->tables->data + table->offset, table->signature, 4));
        g_assert_true(load_le32(files->tables->data + table->offset + 4) == table->size);
        end = table->offset + table->size;
    }
    /* commands of one size: QEMU's bios-linker-loader */
    g_assert_true(files->loader->len % 128 == 0);
}

static void build_tables(Bytes *input)
{
    uint32_t apic_ids[MAX_CPUS];
    AcpiConfig config = { .num_cpus = 1 + (unsigned)(take(input, 2) % MAX_CPUS) };

    config.ram = e820_layout(MiB + (take(input, 5) & 0xffffffff000));
    config.ecam_base = take(input, 1) << 28;
    config.ecam_size = (take(input, 1) & 1 ? 256 : 64) * MiB;
    config.window64_size = (take(input, 1) & 0x3f) * GiB;
    config.window64_base = config.window64_size ? (UINT64_C(4) + take(input, 2)) * GiB : 0;
    for (unsigned i = 0; i < ACPI_MAX_SERIAL; i++) {
        config.serial[i] = take(input, 1) & 1;
    }
    if (take(input, 1) & 1) {
        for (unsigned i = 0; i < config.num_cpus; i++) {
            apic_ids[i] = (uint32_t)take(input, 4);
        }
        config.apic_ids = apic_ids;
    }
    g_autoptr(AcpiFiles) files = acpi_files_new(&config), again = acpi_files_new(&config);
    check_tables(files);
    g_assert_cmpmem(files->tables->data, files->tables->len, again->tables->data,
                    again->tables->len);
    g_assert_cmpmem(files->loader->data, files->loader->len, again->loader->data,
                    again->loader->len);
    g_assert_cmpmem(files->rsdp, sizeof(files->rsdp), again->rsdp, sizeof(again->rsdp));
}

/* ---- The builder ---- */

/*
 * A term that was opened: where, and how many bytes its opcode has in front of the package's
 * length.
 */
typedef struct Open {
    guint start;
    unsigned opcode_size;
} Open;

/* A package's length counts from its own first byte (ACPI 6.5, 20.2.4). */
static void check_package(const GByteArray *bytes, const Open *open)
{
    const uint8_t *at = bytes->data + open->start + open->opcode_size;
    unsigned more = at[0] >> 6;
    uint64_t length = more ? at[0] & 0xf : at[0] & 0x3f;

    for (unsigned i = 0; i < more; i++) {
        length |= (uint64_t)at[1 + i] << (4 + 8 * i);
    }
    g_assert_true(open->start + open->opcode_size + length == bytes->len);
}

static void append_term(Aml *aml, Bytes *input)
{
    static const char *const paths[] = { "A", "_STA", "\\_SB", "\\_SB.PCI0", "AB.CD.EFGH",
                                         "\\_SB.PCI0.S08" };
    const char *path = paths[take(input, 1) % G_N_ELEMENTS(paths)];
    char text[16] = "";

    switch (take(input, 1) % 7) {
    case 0:
        aml_name(aml, path);
        aml_integer(aml, take(input, 8));
        break;
    case 1:
        aml_path(aml, path);
        break;
    case 2:
        aml_integer(aml, take(input, 4));
        break;
    case 3:
        g_snprintf(text, sizeof(text), "%x", (unsigned)take(input, 4));
        aml_string(aml, text);
        break;
    case 4:
        g_snprintf(text, sizeof(text), "PNP%04X", (unsigned)take(input, 2));
        aml_eisa_id(aml, text);
        break;
    case 5: {
        uint8_t data[255];
        uint8_t size = (uint8_t)take(input, 1);
        memset(data, size, sizeof(data));
        aml_buffer(aml, data, size);
        break;
    }
    default:
        aml_code(aml, AML_LOCAL0);
        break;
    }
}

static unsigned open_term(Aml *aml, unsigned kind)
{
    switch (kind) {
    case 0:
        aml_scope(aml, "\\_SB");
        return 1;
    case 1:
        aml_device(aml, "DEV0");
        return 2;
    case 2:
        aml_package(aml, 3);
        return 1;
    case 3:
        aml_method(aml, "_CRS", 7);
        return 1;
    default:
        aml_if(aml);
        return 1;
    }
}

static void run_builder(Bytes *input)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Open open[AML_MAX_DEPTH];
    unsigned depth = 0;
    Aml aml;

    aml_init(&aml, bytes);
    for (unsigned calls = 0; input->size && calls < MAX_CALLS; calls++) {
        unsigned what = (unsigned)take(input, 1);
        /* a buffer is one more while it is written */
        if (what % 4 == 0 && depth < AML_MAX_DEPTH - 1) {
            open[depth].start = bytes->len;
            open[depth].opcode_size = open_term(&aml, what / 4 % 5);
            depth++;
        } else if (what % 4 == 1 && depth) {
            aml_end(&aml);
            check_package(bytes, &open[--depth]);
        } else {
            append_term(&aml, input);
        }
    }
    while (depth) {
        aml_end(&aml);
        check_package(bytes, &open[--depth]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes input = { data, size };

    if (take(&input, 1) & 1) {
        run_builder(&input);
    } else {
        build_tables(&input);
    }
    return 0;
}
