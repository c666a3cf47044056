/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metadata of a TDX virtual firmware image: found, checked rule by rule, turned into sections.
 * Sources: TDX Virtual Firmware Design Guide (Intel 344991), "TDVF metadata"; td-shim specification
 * 0.5.1, "metadata"; the GUIDed table at the end of OVMF images is described in edk2's
 * OvmfPkg/ResetVector.
 */
#include "hw/i386/tdvf.h"

#include <string.h>

#include "util/error.h"
#include "util/guid.h"

#define TDVF_PAGE 4096u
#define TDVF_GRANULE (64 * KiB) /* -bios files of QEMU's machines come in these units */
/* a larger window would reach down to the local APICs at 0xfee00000 */
#define TDVF_FILE_MAX (16 * MiB)
#define TDVF_SECTIONS_MAX 64u
/* pages added before launch are copied and encrypted one by one */
#define TDVF_ADDED_MAX (256 * MiB)
#define TDVF_SHARED_BIT_MIN 47 /* the lowest SHARED bit: GPAW 48 */

#define TABLE_FOOTER_GUID "96b582de-1fb2-45f7-baea-a366c55a082d"
#define TABLE_METADATA_GUID "e47a6535-984a-4798-865e-4685a7bf8ec2"
#define VARIABLE_STORE_GUID "fff12b8d-7696-4c8b-a985-2747075b4f50" /* EFI_SYSTEM_NV_DATA_FV_GUID */

#define TABLE_END 0x20u       /* all distances from the end of the file */
#define TABLE_FOOTER 0x30u
#define TABLE_LENGTH 0x32u
#define TABLE_ENTRY_HEADER 18u /* u16 length and GUID, both behind the entry's data */
#define TABLE_MAX (64 * KiB)

#define DESCRIPTOR_SIZE 16u
#define SECTION_SIZE 32u
#define DESCRIPTOR_SIGNATURE 0x46564454u /* "TDVF" */

#define WHERE_FROM                                                                               \
    "A firmware with TDX metadata is /usr/share/ovmf/OVMF.fd of Debian's package ovmf (12, 13) " \
    "or "                                                                                        \
    "ovmf-generic,\nor /usr/share/ovmf/OVMF.inteltdx.ms.fd of ovmf-inteltdx (Secure Boot)"

typedef struct Parser {
    Bytes file;
    const char *name;
    const E820Layout *ram;
    TdvfImage *image;
} Parser;

/* What each section type may carry (td-shim specification, table of section types). */
typedef enum RawRule { RAW_NONE, RAW_SOME, RAW_ANY } RawRule;
static const struct {
    const char *name;
    RawRule raw;
    uint32_t attributes_allowed, attributes_needed;
} types[] = {
    [TDVF_SECTION_BFV] = { "BFV", RAW_SOME, TDVF_ATTRIBUTE_MR_EXTEND, TDVF_ATTRIBUTE_MR_EXTEND },
    [TDVF_SECTION_CFV] = { "CFV", RAW_SOME, 0, 0 },
    [TDVF_SECTION_TD_HOB] = { "TD_HOB", RAW_NONE, 0, 0 },
    [TDVF_SECTION_TEMP_MEM] = { "TempMem", RAW_NONE, 0, 0 },
    [TDVF_SECTION_PERM_MEM] = { "PermMem", RAW_NONE, TDVF_ATTRIBUTE_PAGE_AUG,
                                TDVF_ATTRIBUTE_PAGE_AUG },
    [TDVF_SECTION_PAYLOAD] = { "Payload", RAW_ANY, TDVF_ATTRIBUTE_MR_EXTEND, 0 },
    [TDVF_SECTION_PAYLOAD_PARAM] = { "PayloadParam", RAW_NONE, 0, 0 },
    [TDVF_SECTION_TD_INFO] = { "TD_INFO", RAW_SOME, 0, 0 },
    [TDVF_SECTION_TD_PARAMS] = { "TD_PARAMS", RAW_ANY, 0, 0 },
};

const char *tdvf_section_name(uint32_t type)
{
    return type < G_N_ELEMENTS(types) ? types[type].name : "unknown";
}

static bool fail(const Parser *p, GError **errp, const char *format, ...) G_GNUC_PRINTF(3, 4);
static bool fail(const Parser *p, GError **errp, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(errp, "firmware '%s': %s", p->name, text);
}

static bool fail_section(const Parser *p, unsigned i, GError **errp, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
static bool fail_section(const Parser *p, unsigned i, GError **errp, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(errp, "firmware '%s': section %u (%s): %s", p->name, i,
                     tdvf_section_name(p->image->sections[i].type), text);
}

/* The rough check lets halves of flash images pass, so that they can be called by their name. */
static bool check_file_size(const Parser *p, uint64_t granule, GError **errp)
{
    if (p->file.size == 0 || p->file.size % granule || p->file.size > TDVF_FILE_MAX) {
        fail(p, errp, "size %zu is not permitted: a multiple of 64 KiB from 64 KiB to 16 MiB is",
             p->file.size);
        if (p->file.size > TDVF_FILE_MAX) {
            error_hint(errp, "A larger image would lie over the interrupt controllers below 4 GiB");
        }
        return false;
    }
    return true;
}

/*
 * A flash volume of UEFI variables is all of the file, or of what is left of it: with anything
 * behind it this would be firmware that lacks its footer. EFI_FIRMWARE_VOLUME_HEADER, PI 1.8
 * vol. 3, 3.2.1.
 */
static bool is_variable_store(Bytes file)
{
    return file.size >= 64 && memcmp(file.data + 40, "_FVH", 4) == 0 &&
           guid_is(file.data + 16, VARIABLE_STORE_GUID) &&
           load_le64(file.data + 32) >= file.size;
}

static bool no_footer(const Parser *p, GError **errp)
{
    if (is_variable_store(p->file)) {
        fail(p, errp, "this is a variable store (the VARS half of a flash image), not a firmware");
    } else {
        fail(p, errp, "no table of GUIDed structures: GUID %s is not at the end of the file - 0x%x",
             TABLE_FOOTER_GUID, TABLE_FOOTER);
    }
    error_hint(errp, WHERE_FROM);
    return false;
}

/* Finds the distance of the TDVF descriptor from the end of the file in the GUIDed table. */
static bool find_descriptor(const Parser *p, uint32_t *distance, GError **errp)
{
    const uint8_t *data = p->file.data;
    uint64_t size = p->file.size;

    if (!guid_is(data + size - TABLE_FOOTER, TABLE_FOOTER_GUID)) {
        return no_footer(p, errp);
    }
    uint32_t length = load_le16(data + size - TABLE_LENGTH);
    if (length < TABLE_ENTRY_HEADER || length > TABLE_MAX || length > size - TABLE_END) {
        return fail(
            p, errp,
            "table of GUIDed structures: length %u is not permitted: %u to the size of the file is",
            length, TABLE_ENTRY_HEADER);
    }
    uint64_t start = size - TABLE_END - length;
    uint64_t end = size - TABLE_LENGTH;
    while (end - start >= TABLE_ENTRY_HEADER) {
        uint32_t entry = load_le16(data + end - TABLE_ENTRY_HEADER);
        if (entry < TABLE_ENTRY_HEADER || entry > end - start) {
            return fail(
                p, errp,
                "table of GUIDed structures: entry length %u at offset 0x%" G_GINT64_MODIFIER
                "x is not permitted: %u to %" G_GUINT64_FORMAT " is",
                entry, end - TABLE_ENTRY_HEADER, TABLE_ENTRY_HEADER, end - start);
        }
        if (guid_is(data + end - GUID_SIZE, TABLE_METADATA_GUID)) {
            if (entry != TABLE_ENTRY_HEADER + sizeof(uint32_t)) {
                return fail(p, errp,
                            "TDX metadata offset: entry length %u is not permitted: %zu is", entry,
                            TABLE_ENTRY_HEADER + sizeof(uint32_t));
            }
            *distance = load_le32(data + end - entry);
            return true;
        }
        end -= entry;
    }
    fail(p, errp, "no TDX metadata: GUID %s is missing from the table at the end of the file",
         TABLE_METADATA_GUID);
    error_hint(errp, "This firmware cannot start in a TD");
    error_hint(errp, WHERE_FROM);
    return false;
}

static void read_section(const uint8_t *at, TdvfSection *section)
{
    section->data_offset = load_le32(at);
    section->raw_data_size = load_le32(at + 4);
    section->memory_address = load_le64(at + 8);
    section->memory_data_size = load_le64(at + 16);
    section->type = load_le32(at + 24);
    section->attributes = load_le32(at + 28);
}

static bool read_descriptor(Parser *p, uint32_t distance, GError **errp)
{
    Bytes descriptor;

    if (distance < DESCRIPTOR_SIZE || distance > p->file.size ||
        !bytes_slice(p->file, p->file.size - distance, distance, &descriptor)) {
        return fail(
            p, errp,
            "TDX metadata offset 0x%x is not permitted: 0x%x to the size of the file, 0x%zx, is",
            distance, DESCRIPTOR_SIZE, p->file.size);
    }
    uint32_t signature = load_le32(descriptor.data), length = load_le32(descriptor.data + 4);
    uint32_t version = load_le32(descriptor.data + 8), count = load_le32(descriptor.data + 12);
    if (signature != DESCRIPTOR_SIGNATURE) {
        return fail(p, errp,
                    "TDVF metadata: signature 0x%08x is not permitted: 0x%08x (\"TDVF\") is",
                    signature, DESCRIPTOR_SIGNATURE);
    }
    if (version != 1) {
        return fail(p, errp, "TDVF metadata: version %u is not permitted: 1 is", version);
    }
    if (count == 0 || count > TDVF_SECTIONS_MAX) {
        return fail(p, errp, "TDVF metadata: %u sections are not permitted: 1 to %u are", count,
                    TDVF_SECTIONS_MAX);
    }
    uint32_t expected = DESCRIPTOR_SIZE + SECTION_SIZE * count;
    if (length != expected || length > distance) {
        return fail(p, errp, "TDVF metadata: length %u is not permitted: %u, inside the file, is",
                    length, expected);
    }
    p->image->num_sections = count;
    p->image->sections = g_new0(TdvfSection, count);
    for (unsigned i = 0; i < count; i++) {
        read_section(descriptor.data + DESCRIPTOR_SIZE + SECTION_SIZE * i, &p->image->sections[i]);
    }
    return true;
}

/*
 * A code half keeps the metadata of the whole image, whose offsets lie behind the variables it was
 * cut from.
 */
static bool is_code_half(const Parser *p)
{
    for (unsigned i = 0; i < p->image->num_sections; i++) {
        const TdvfSection *s = &p->image->sections[i];
        if (s->type == TDVF_SECTION_BFV && s->data_offset && s->raw_data_size == p->file.size) {
            return true;
        }
    }
    return false;
}

static bool check_raw_data(const Parser *p, unsigned i, GError **errp)
{
    const TdvfSection *s = &p->image->sections[i];

    if (!range_inside(s->data_offset, s->raw_data_size, p->file.size)) {
        if (is_code_half(p)) {
            fail(p, errp,
                 "this is the code half of a flash image (OVMF_CODE): its metadata describe code "
                 "and variables in one file");
            error_hint(errp, "Use the unified image, or join the halves: cat OVMF_VARS.fd "
                             "OVMF_CODE.fd > OVMF.fd");
            error_hint(errp, "Code built for SMM (OVMF_CODE*.secboot.fd and the links to it) "
                             "cannot start in a TD either way");
            error_hint(errp, WHERE_FROM);
            return false;
        }
        return fail_section(
            p, i, errp,
            "DataOffset 0x%x + RawDataSize 0x%x is not permitted: up to the size of the file, "
            "0x%zx, is",
            s->data_offset, s->raw_data_size, p->file.size);
    }
    if (types[s->type].raw == RAW_SOME && s->raw_data_size == 0) {
        return fail_section(p, i, errp, "RawDataSize 0 is not permitted for this type");
    }
    if (types[s->type].raw == RAW_NONE && s->raw_data_size) {
        return fail_section(p, i, errp, "RawDataSize 0x%x is not permitted for this type: 0 is",
                            s->raw_data_size);
    }
    if (s->raw_data_size == 0 && s->data_offset) {
        return fail_section(p, i, errp, "DataOffset 0x%x is not permitted without raw data: 0 is",
                            s->data_offset);
    }
    return true;
}

static bool check_memory(const Parser *p, unsigned i, GError **errp)
{
    const TdvfSection *s = &p->image->sections[i];
    uint64_t limit = UINT64_C(1) << TDVF_SHARED_BIT_MIN;

    if (s->memory_data_size == 0 || s->memory_data_size % TDVF_PAGE) {
        return fail_section(p, i, errp,
                            "MemoryDataSize 0x%" G_GINT64_MODIFIER
                            "x is not permitted: a multiple of 0x%x, not 0, is",
                            s->memory_data_size, TDVF_PAGE);
    }
    if (s->memory_address % TDVF_PAGE) {
        return fail_section(p, i, errp,
                            "MemoryAddress 0x%" G_GINT64_MODIFIER
                            "x is not permitted: a multiple of 0x%x is",
                            s->memory_address, TDVF_PAGE);
    }
    if (s->raw_data_size > s->memory_data_size) {
        return fail_section(
            p, i, errp,
            "RawDataSize 0x%x is not permitted: up to MemoryDataSize, 0x%" G_GINT64_MODIFIER
            "x, is",
            s->raw_data_size, s->memory_data_size);
    }
    if (!range_inside(s->memory_address, s->memory_data_size, limit)) {
        return fail_section(p, i, errp,
                            "MemoryAddress 0x%" G_GINT64_MODIFIER
                            "x + MemoryDataSize 0x%" G_GINT64_MODIFIER
                            "x is not permitted: up to the shared bit, 0x%" G_GINT64_MODIFIER
                            "x, is",
                            s->memory_address, s->memory_data_size, limit);
    }
    return true;
}

/* Where the section must lie: code where the file is mapped, working memory in RAM. */
static bool check_place(const Parser *p, unsigned i, GError **errp)
{
    const TdvfSection *s = &p->image->sections[i];
    hwaddr mapped = p->image->base + s->data_offset;
    bool in_window = s->memory_address >= p->image->base &&
                     range_inside(s->memory_address - p->image->base, s->memory_data_size,
                                  p->file.size);
    bool in_ram = e820_is_ram(p->ram, s->memory_address, s->memory_data_size);

    if (s->type == TDVF_SECTION_BFV || s->type == TDVF_SECTION_CFV) {
        if (s->memory_address == mapped && !in_window) {
            return fail_section(p, i, errp,
                                "MemoryDataSize 0x%" G_GINT64_MODIFIER
                                "x is not permitted: up to 4 GiB, 0x%" G_GINT64_MODIFIER
                                "x bytes, is",
                                s->memory_data_size, (UINT64_C(4) << 30) - mapped);
        }
        if (s->memory_address != mapped) {
            return fail_section(p, i, errp,
                                "MemoryAddress 0x%" G_GINT64_MODIFIER
                                "x is not permitted: 0x%" G_GINT64_MODIFIER
                                "x, where its place in the file is mapped, is",
                                s->memory_address, mapped);
        }
        return true;
    }
    /*
     * Early td-shim layouts keep temporary memory in the window, which is private memory of the TD
     * like RAM.
     */
    if (in_ram ||
        (in_window && (s->type == TDVF_SECTION_TEMP_MEM || s->type == TDVF_SECTION_PAYLOAD))) {
        return true;
    }
    fail_section(p, i, errp,
                 "memory 0x%" G_GINT64_MODIFIER "x-0x%" G_GINT64_MODIFIER
                 "x is not permitted: guest RAM is, and that is "
                 "0x0-0x%" G_GINT64_MODIFIER "x below 4 GiB",
                 s->memory_address, s->memory_address + s->memory_data_size - 1,
                 p->ram->below_4g ? p->ram->below_4g - 1 : 0);
    if (s->memory_address < GiB) {
        error_hint(errp, "Give the guest more memory (-m): OVMF needs at least 128M");
    }
    return false;
}

static bool check_section(const Parser *p, unsigned i, GError **errp)
{
    const TdvfSection *s = &p->image->sections[i];

    if (s->type >= G_N_ELEMENTS(types)) {
        return fail_section(p, i, errp, "type %u is not permitted: 0 to %zu are", s->type,
                            G_N_ELEMENTS(types) - 1);
    }
    if (s->type == TDVF_SECTION_TD_PARAMS || s->type == TDVF_SECTION_PAYLOAD_PARAM ||
        (s->type == TDVF_SECTION_PAYLOAD && s->raw_data_size == 0)) {
        fail_section(p, i, errp, "this VMM does not fill sections of type %u", s->type);
        error_hint(errp, "Images that leave their payload to the VMM (td-shim) cannot be started; "
                         "OVMF takes -kernel");
        return false;
    }
    if ((s->attributes & ~types[s->type].attributes_allowed) ||
        (s->attributes & types[s->type].attributes_needed) != types[s->type].attributes_needed) {
        return fail_section(p, i, errp, "Attributes 0x%x are not permitted: 0x%x%s", s->attributes,
                            types[s->type].attributes_needed,
                            types[s->type].attributes_allowed == types[s->type].attributes_needed
                                ? " is"
                                : " or 0x1 is");
    }
    if (!check_raw_data(p, i, errp)) {
        return false;
    }
    /* TD_INFO describes the image, lies inside another section, and is not loaded. */
    return s->type == TDVF_SECTION_TD_INFO || (check_memory(p, i, errp) && check_place(p, i, errp));
}

static bool check_overlaps(const Parser *p, GError **errp)
{
    for (unsigned i = 0; i < p->image->num_sections; i++) {
        const TdvfSection *a = &p->image->sections[i];
        for (unsigned j = 0; a->type != TDVF_SECTION_TD_INFO && j < i; j++) {
            const TdvfSection *b = &p->image->sections[j];
            if (b->type == TDVF_SECTION_TD_INFO) {
                continue;
            }
            if (ranges_overlap(a->memory_address, a->memory_data_size, b->memory_address,
                               b->memory_data_size)) {
                return fail_section(p, i, errp, "its memory overlaps that of section %u (%s)", j,
                                    tdvf_section_name(b->type));
            }
            if (ranges_overlap(a->data_offset, a->raw_data_size, b->data_offset,
                               b->raw_data_size) &&
                a->raw_data_size && b->raw_data_size) {
                return fail_section(p, i, errp, "its raw data overlap those of section %u (%s)", j,
                                    tdvf_section_name(b->type));
            }
        }
    }
    return true;
}

/*
 * Exactly one section of the kind, as firmware built for one VMM-supplied list and one reset vector
 * assumes.
 */
static bool check_counts(Parser *p, GError **errp)
{
    unsigned hobs = 0, vectors = 0;
    uint64_t added = 0;

    for (unsigned i = 0; i < p->image->num_sections; i++) {
        const TdvfSection *s = &p->image->sections[i];
        if (s->type == TDVF_SECTION_TD_HOB) {
            hobs++;
            p->image->hob = s;
        }
        if (s->type == TDVF_SECTION_BFV && s->memory_address + s->memory_data_size == 4 * GiB) {
            vectors++;
        }
        if (s->type != TDVF_SECTION_PERM_MEM && s->type != TDVF_SECTION_TD_INFO) {
            added += s->memory_data_size;
        }
    }
    if (hobs != 1) {
        return fail(p, errp, "%u TD_HOB sections are not permitted: exactly one is", hobs);
    }
    if (vectors != 1) {
        return fail(p, errp, "no BFV section holds the reset vector: one must end at 4 GiB");
    }
    if (added > TDVF_ADDED_MAX) {
        return fail(p, errp,
                    "sections added before launch take 0x%" G_GINT64_MODIFIER
                    "x bytes: up to 0x%" G_GINT64_MODIFIER "x are permitted",
                    added, TDVF_ADDED_MAX);
    }
    return true;
}

static bool check_sections(Parser *p, GError **errp)
{
    for (unsigned i = 0; i < p->image->num_sections; i++) {
        if (!check_section(p, i, errp)) {
            return false;
        }
    }
    return check_overlaps(p, errp) && check_counts(p, errp);
}

TdvfImage *tdvf_parse(Bytes file, const char *name, const E820Layout *ram, GError **errp)
{
    g_autoptr(TdvfImage) image = g_new0(TdvfImage, 1);
    Parser p = { file, name, ram, image };
    uint32_t distance = 0;

    image->file = file;
    image->base = 4 * GiB - file.size;
    if (!check_file_size(&p, TDVF_PAGE, errp) || !find_descriptor(&p, &distance, errp) ||
        !read_descriptor(&p, distance, errp) || !check_sections(&p, errp) ||
        !check_file_size(&p, TDVF_GRANULE, errp)) {
        return NULL;
    }
    return g_steal_pointer(&image);
}

void tdvf_free(TdvfImage *image)
{
    if (image) {
        g_free(image->sections);
        g_free(image);
    }
}
