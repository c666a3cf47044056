/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TDVF parser: layouts of real files, and one broken image for each rule. */
#include "tdvf-builder.h"

#include <string.h>

static const E820Layout ram = { .below_4g = 512 * MiB };

static void test_layouts(void)
{
    for (unsigned layout = 1; layout <= 4; layout++) {
        g_autoptr(TdvfBuilder) b = tdvf_builder_new(layout);
        g_autoptr(GError) err = NULL;
        tdvf_builder_build(b);
        g_autoptr(TdvfImage) image = tdvf_parse(tdvf_builder_bytes(b), "fw", &ram, &err);
        g_assert_no_error(err);
        g_assert_nonnull(image);
        g_assert_cmpuint(image->num_sections, ==, layout == 3 ? 7 : 6);
        g_assert_cmphex(image->base, ==, 4 * GiB - b->size);
        g_assert_cmphex(image->hob->memory_address, ==, 0x809000);
        for (unsigned i = 0; i < image->num_sections; i++) {
            g_assert_cmphex(image->sections[i].memory_address, ==, b->sections[i].memory_address);
        }
    }
}

static void test_more_good(void)
{
    g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);
    g_autoptr(GError) err = NULL;

    b->sections[b->count++] = (TdvfSection){ 0, 0, 0x1000000, 0x400000, TDVF_SECTION_PERM_MEM, 2 };
    b->sections[b->count++] = (TdvfSection){ 0x100000, 0x100, 0, 0, TDVF_SECTION_TD_INFO, 0 };
    tdvf_builder_build(b);
    g_autoptr(TdvfImage) image = tdvf_parse(tdvf_builder_bytes(b), "fw", &ram, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(image->num_sections, ==, 8);
}

/* What a row spoils: a section before building, or bytes of the file after. */
typedef struct BadRow {
    const char *label, *message;
    unsigned section;
    enum { OFFSET, RAW, ADDRESS, MEMORY, TYPE, ATTRIBUTES, DROP, ADD_COPY } field;
    uint64_t value;
} BadRow;

static const BadRow bad_sections[] = {
    { "raw beyond file", "section 0 (BFV): DataOffset 0x20000 + RawDataSize 0x1e1000", 0, RAW,
      0x1e1000 },
    { "raw sum wraps 32 bits", "DataOffset 0xfffff000 + RawDataSize 0x1e0000", 0, OFFSET,
      0xfffff000 },
    { "BFV without raw", "RawDataSize 0 is not permitted", 0, RAW, 0 },
    { "CFV without raw", "section 1 (CFV): RawDataSize 0", 1, RAW, 0 },
    { "TempMem with raw", "section 2 (TempMem): RawDataSize 0x10", 2, RAW, 0x10 },
    { "TD_HOB with raw", "section 4 (TD_HOB): RawDataSize 0x10", 4, RAW, 0x10 },
    { "offset without raw", "section 3 (TempMem): DataOffset 0x1000", 3, OFFSET, 0x1000 },
    { "raw over memory", "RawDataSize 0x1e0000 is not permitted: up to MemoryDataSize, 0x1df000", 0,
      MEMORY, 0x1df000 },
    { "memory size 0", "MemoryDataSize 0x0", 2, MEMORY, 0 },
    { "memory size odd", "MemoryDataSize 0x10001", 2, MEMORY, 0x10001 },
    { "memory address odd", "MemoryAddress 0x810800", 2, ADDRESS, 0x810800 },
    { "memory wraps", "up to the shared bit", 2, MEMORY, 0xfffffffffffff000 },
    { "memory at shared bit", "up to the shared bit, 0x800000000000", 2, ADDRESS, 0x7ffffffff000 },
    { "BFV elsewhere", "MemoryAddress 0xffe21000 is not permitted: 0xffe20000", 0, ADDRESS,
      0xffe21000 },
    { "BFV beyond 4 GiB", "MemoryDataSize 0x1e1000 is not permitted: up to 4 GiB, 0x1e0000 bytes",
      0, MEMORY, 0x1e1000 },
    { "BFV of 4 GiB", "MemoryDataSize 0x100000000 is not permitted: up to 4 GiB", 0, MEMORY,
      0x100000000 },
    { "CFV elsewhere", "section 1 (CFV): MemoryAddress 0x900000", 1, ADDRESS, 0x900000 },
    { "CFV larger than window part", "section 1 (CFV): its memory overlaps that of section 0 (BFV)",
      1, MEMORY, 0x21000 },
    { "TempMem outside RAM", "guest RAM is", 2, ADDRESS, 0x40000000 },
    { "TempMem across RAM's end", "guest RAM is", 2, ADDRESS, 0x1fff8000 },
    { "TD_HOB in window", "guest RAM is", 4, ADDRESS, 0xffe00000 },
    { "TempMem over TD_HOB", "section 5 (TempMem): its memory overlaps that of section 4 (TD_HOB)",
      5, MEMORY, 0xa000 },
    { "raw data shared", "its memory overlaps", 0, ADD_COPY, 0 },
    { "type 9", "section 3 (unknown): type 9 is not permitted", 3, TYPE, 9 },
    { "type all ones", "type 4294967295", 3, TYPE, 0xffffffff },
    { "payload of the VMM", "this VMM does not fill sections of type 5", 3, TYPE, 5 },
    { "payload parameters", "this VMM does not fill sections of type 6", 3, TYPE, 6 },
    { "TD_PARAMS", "this VMM does not fill sections of type 8", 3, TYPE, 8 },
    { "BFV unmeasured", "section 0 (BFV): Attributes 0x0 are not permitted: 0x1 is", 0, ATTRIBUTES,
      0 },
    { "CFV measured", "section 1 (CFV): Attributes 0x1 are not permitted: 0x0 is", 1, ATTRIBUTES,
      1 },
    { "TempMem reserved attribute", "Attributes 0x80000000", 2, ATTRIBUTES, 0x80000000 },
    { "TD_HOB page.aug", "section 4 (TD_HOB): Attributes 0x2", 4, ATTRIBUTES, 2 },
    { "no TD_HOB", "0 TD_HOB sections", 4, DROP, 0 },
    { "two TD_HOB", "2 TD_HOB sections", 3, TYPE, TDVF_SECTION_TD_HOB },
    { "no BFV", "no BFV section holds the reset vector", 0, DROP, 0 },
    { "added memory too large", "take 0x", 2, MEMORY, 0x11000000 },
};

static void spoil(TdvfBuilder *b, const BadRow *row)
{
    TdvfSection *s = &b->sections[row->section];

    switch (row->field) {
    case OFFSET: s->data_offset = row->value; break;
    case RAW: s->raw_data_size = row->value; break;
    case ADDRESS: s->memory_address = row->value; break;
    case MEMORY: s->memory_data_size = row->value; break;
    case TYPE: s->type = row->value; break;
    case ATTRIBUTES: s->attributes = row->value; break;
    case ADD_COPY: b->sections[b->count++] = *s; break;
    case DROP:
        memmove(s, s + 1, (b->count - row->section - 1) * sizeof(*s));
        b->count--;
        break;
    }
}

static void expect_failure(const char *label, Bytes file, const char *message)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(TdvfImage) image = tdvf_parse(file, "fw", &ram, &err);

    g_assert_null(image);
    g_assert_nonnull(err);
    if (!strstr(err->message, message) || !g_str_has_prefix(err->message, "firmware 'fw': ")) {
        g_test_message("%s: '%s' lacks '%s'", label, err->message, message);
        g_test_fail();
    }
}

static void test_bad_sections(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_sections); i++) {
        g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);
        spoil(b, &bad_sections[i]);
        tdvf_builder_build(b);
        expect_failure(bad_sections[i].label, tdvf_builder_bytes(b), bad_sections[i].message);
    }
}

/*
 * Fields of descriptor and table, by distance from the descriptor, from the end of the file, or
 * from the table's entry.
 */
static const struct {
    const char *label, *message;
    enum { DESCRIPTOR, END, TABLE } base;
    size_t at;
    unsigned width;
    uint32_t value;
} bad_bytes[] = {
    { "signature", "signature 0x46564455", DESCRIPTOR, 0, 4, 0x46564455 },
    { "length short", "length 207 is not permitted: 208", DESCRIPTOR, 4, 4, 207 },
    { "length huge", "length 4294967295", DESCRIPTOR, 4, 4, 0xffffffff },
    { "version 0", "version 0", DESCRIPTOR, 8, 4, 0 },
    { "version 2", "version 2", DESCRIPTOR, 8, 4, 2 },
    { "no sections", "0 sections", DESCRIPTOR, 12, 4, 0 },
    { "65 sections", "65 sections", DESCRIPTOR, 12, 4, 65 },
    { "sections overflow", "134217728 sections", DESCRIPTOR, 12, 4, 0x8000000 },
    { "no footer", "GUID 96b582de-1fb2-45f7-baea-a366c55a082d is not at the end of the file - 0x30",
      END, 0x30, 1, 0 },
    { "table length 0", "length 0 is not permitted", END, 0x32, 2, 0 },
    { "table length 17", "length 17 is not permitted", END, 0x32, 2, 17 },
    { "table of footer only", "GUID e47a6535-984a-4798-865e-4685a7bf8ec2 is missing", END, 0x32, 2,
      18 },
    { "entry length 0", "entry length 0", TABLE, 18, 2, 0 },
    { "entry length 17", "entry length 17", TABLE, 18, 2, 17 },
    { "entry beyond table", "entry length 65535", TABLE, 18, 2, 65535 },
    { "metadata entry without data", "TDX metadata offset: entry length 18", TABLE, 18, 2, 18 },
    { "other GUID", "is missing from the table", TABLE, 1, 1, 0 },
    { "offset 0", "TDX metadata offset 0x0", TABLE, 22, 4, 0 },
    { "offset 15", "TDX metadata offset 0xf", TABLE, 22, 4, 15 },
    { "offset beyond file", "TDX metadata offset 0x200001", TABLE, 22, 4, 0x200001 },
    { "offset all ones", "TDX metadata offset 0xffffffff", TABLE, 22, 4, 0xffffffff },
    { "metadata cut by the end", "length 208", TABLE, 22, 4, 0x840 },
};

static void test_bad_bytes(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_bytes); i++) {
        g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);
        tdvf_builder_build(b);
        /* the descriptor alone, 16 bytes before the end */
        if (strcmp(bad_bytes[i].label, "metadata cut by the end") == 0) {
            memcpy(b->file + b->size - 16, b->file + b->descriptor, 16);
            store_le32(b->file + b->entry_end - 22, 16);
            expect_failure(bad_bytes[i].label, tdvf_builder_bytes(b), bad_bytes[i].message);
            continue;
        }
        size_t base = bad_bytes[i].base == DESCRIPTOR ? b->descriptor + bad_bytes[i].at
                      : bad_bytes[i].base == END      ? b->size - bad_bytes[i].at
                                                      : b->entry_end - bad_bytes[i].at;
        for (unsigned n = 0; n < bad_bytes[i].width; n++) {
            b->file[base + n] = bad_bytes[i].value >> (8 * n);
        }
        expect_failure(bad_bytes[i].label, tdvf_builder_bytes(b), bad_bytes[i].message);
    }
}

static void test_file_sizes(void)
{
    static const struct {
        size_t size;
        const char *message;
    } rows[] = {
        { 0, "size 0 is not permitted" }, { 1, "size 1 " },
        { 4096, "no table of GUIDed structures" }, { 65535, "size 65535 " },
        { 65536, "no table of GUIDed structures" }, { 16 * MiB, "no table of GUIDed structures" },
        { 16 * MiB + 65536, "a multiple of 64 KiB from 64 KiB to 16 MiB is" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree uint8_t *file = g_malloc0(MAX(rows[i].size, 1));
        expect_failure("size", (Bytes){ file, rows[i].size }, rows[i].message);
    }
}

/* Halves of a flash image are told from broken files. */
static void test_halves(void)
{
    for (unsigned layout = 1; layout <= 4; layout++) {
        g_autoptr(TdvfBuilder) b = tdvf_builder_new(layout);
        tdvf_builder_build(b);
        size_t vars = b->sections[1].raw_data_size;
        expect_failure("code half", (Bytes){ b->file + vars, b->size - vars },
                       "this is the code half of a flash image");
        memcpy(b->file + 40, "_FVH", 4);
        static const uint8_t nv_data[16] = { 0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c,
                                             0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50 };
        memcpy(b->file + 16, nv_data, sizeof(nv_data));
        store_le64(b->file + 32, vars);
        expect_failure("variables", (Bytes){ b->file, 128 * KiB }, "this is a variable store");
        memset(b->file + b->size - 0x30, 0, 16);
        expect_failure("a whole image without footer", (Bytes){ b->file, b->size },
                       "no table of GUIDed structures");
    }
}

static void test_installed(void)
{
    static const struct {
        const char *file, *message; /* NULL: good */
    } rows[] = {
        { "/usr/share/ovmf/OVMF.fd", NULL },
        { "/usr/share/OVMF/OVMF_CODE.fd", "code half" },
        /* without metadata in Debian 12, a half in 13 */
        { "/usr/share/OVMF/OVMF_CODE_4M.fd", "firmware 'fw': " },
        { "/usr/share/OVMF/OVMF_VARS.fd", "variable store" },
        { "/usr/share/OVMF/OVMF_VARS_4M.fd", "variable store" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *file = NULL;
        gsize size;
        if (!g_file_get_contents(rows[i].file, &file, &size, NULL)) {
            g_test_message("%s is not installed", rows[i].file);
            continue;
        }
        Bytes bytes = { (uint8_t *)file, size };
        if (rows[i].message) {
            expect_failure(rows[i].file, bytes, rows[i].message);
        } else {
            g_autoptr(GError) err = NULL;
            g_autoptr(TdvfImage) image = tdvf_parse(bytes, "fw", &ram, &err);
            g_assert_no_error(err);
            g_assert_nonnull(image);
        }
    }
}

/* Sound in all but the size of the file. */
static void test_granule(void)
{
    g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);

    b->size += 4096;
    b->sections[0] = (TdvfSection){ 0x20000, 0x1e1000, 0xffe1f000, 0x1e1000, TDVF_SECTION_BFV, 1 };
    b->sections[1].memory_address -= 4096;
    tdvf_builder_build(b);
    expect_failure("granule", tdvf_builder_bytes(b),
                   "size 2101248 is not permitted: a multiple of 64 KiB");
}

static void test_e820(void)
{
    static const struct {
        uint64_t size, below, above;
    } rows[] = {
        { 512 * MiB, 512 * MiB, 0 }, { 2 * GiB, 2 * GiB, 0 }, { 0xaffff000, 0xaffff000, 0 },
        { 0xb0000000, 2 * GiB, 0x30000000 }, { 4 * GiB, 2 * GiB, 2 * GiB },
        { TiB, 2 * GiB, TiB - 2 * GiB },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        E820Layout layout = e820_layout(rows[i].size);
        g_assert_cmphex(layout.below_4g, ==, rows[i].below);
        g_assert_cmphex(layout.above_4g, ==, rows[i].above);
    }
    E820Layout layout = e820_layout(4 * GiB);
    g_assert_true(e820_is_ram(&layout, 0, 2 * GiB));
    g_assert_false(e820_is_ram(&layout, 0, 2 * GiB + 1));
    g_assert_false(e820_is_ram(&layout, 3 * GiB, 4096));
    g_assert_true(e820_is_ram(&layout, 4 * GiB, 2 * GiB));
    g_assert_false(e820_is_ram(&layout, 5 * GiB, 2 * GiB));
    g_assert_false(e820_is_ram(&layout, UINT64_MAX, 2));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdvf/layouts", test_layouts);
    g_test_add_func("/tdvf/more-types", test_more_good);
    g_test_add_func("/tdvf/bad-sections", test_bad_sections);
    g_test_add_func("/tdvf/bad-bytes", test_bad_bytes);
    g_test_add_func("/tdvf/file-sizes", test_file_sizes);
    g_test_add_func("/tdvf/granule", test_granule);
    g_test_add_func("/tdvf/halves", test_halves);
    g_test_add_func("/tdvf/installed", test_installed);
    g_test_add_func("/e820/layout", test_e820);
    return g_test_run();
}
