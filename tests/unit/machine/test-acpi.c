/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI builder, the tables, and their way through fw_cfg. With --dump CONFIG DIRECTORY the
 * program writes the tables as firmware would place them, for a disassembler.
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "hw/i386/acpi-aml.h"
#include "hw/i386/q35-devices.h"
#include "util/bytes.h"

#define TABLES_AT UINT64_C(0x7e000000)
#define RSDP_AT UINT64_C(0x7d000000)

/* The builder */

static void write_nothing(Aml *aml)
{
}

static void write_integers(Aml *aml)
{
    static const uint64_t values[] = { 0, 1, 2, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff,
                                       0x100000000 };

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        aml_integer(aml, values[i]);
    }
}

static void write_names(Aml *aml)
{
    aml_name(aml, "A");
    aml_name(aml, "\\_SB.PCI0");
    aml_name(aml, "AB.CD.EFGH");
}

static void write_device(Aml *aml)
{
    aml_device(aml, "RTC");
    aml_name(aml, "_HID");
    aml_eisa_id(aml, "PNP0B00");
    aml_end(aml);
}

static void write_resources(Aml *aml)
{
    aml_resources(aml);
    aml_io_ports(aml, 0x3f8, 8);
    aml_irq(aml, 4);
    aml_end(aml);
}

static void write_string(Aml *aml)
{
    aml_package(aml, 1);
    aml_string(aml, "ab");
    aml_end(aml);
}

static void test_terms(void)
{
    static const struct {
        const char *label;
        void (*write)(Aml *aml);
        const char *hex;
    } rows[] = {
        { "nothing", write_nothing, "" },
        { "integers", write_integers,
          "00" "01" "0a02" "0aff" "0b0001" "0bffff" "0c00000100" "0cffffffff"
          "0e0000000001000000" },
        { "names", write_names,
          "08415f5f5f" "085c2e5f53425f50434930" "082f0341425f5f43445f5f45464748" },
        { "device", write_device, "5b820f5254435f085f4849440c41d00b00" },
        { "resources", write_resources, "11110b0d00" "4701f803f8030108" "221000" "7900" },
        { "string", write_string, "1206010d616200" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GString) hex = g_string_new("");
        Aml aml;

        aml_init(&aml, bytes);
        rows[i].write(&aml);
        for (guint n = 0; n < bytes->len; n++) {
            g_string_append_printf(hex, "%02x", bytes->data[n]);
        }
        g_test_message("%s", rows[i].label);
        g_assert_cmpstr(hex->str, ==, rows[i].hex);
    }
}

/* A package's length counts itself: sizes around each number of length bytes. */
static void test_package_length(void)
{
    static const struct {
        unsigned content; /* bytes after the length and the count of elements */
        unsigned length_bytes;
    } rows[] = { { 0, 1 }, { 61, 1 }, { 62, 2 }, { 4092, 2 }, { 4093, 3 }, { 1048571, 3 },
                 { 1048572, 4 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        Aml aml;

        aml_init(&aml, bytes);
        aml_package(&aml, 0);
        for (unsigned n = 0; n < rows[i].content; n++) {
            aml_integer(&aml, 0);
        }
        aml_end(&aml);
        unsigned more = bytes->data[1] >> 6;
        uint32_t length = more ? bytes->data[1] & 0xf : bytes->data[1];
        for (unsigned n = 0; n < more; n++) {
            length |= (uint32_t)bytes->data[2 + n] << (4 + 8 * n);
        }
        g_assert_cmpuint(more + 1, ==, rows[i].length_bytes);
        g_assert_cmpuint(length, ==, bytes->len - 1);
        g_assert_cmpuint(bytes->len, ==, 2 + more + 1 + rows[i].content);
    }
}

/* What firmware does with the script; false if it could not. */

typedef struct Placed {
    uint8_t *tables, *rsdp;
    size_t tables_size, rsdp_size;
} Placed;

static bool find_file(Placed *placed, const char *name, uint8_t **data, size_t *size, uint64_t *at)
{
    if (!strcmp(name, "etc/acpi/tables")) {
        *data = placed->tables;
        *size = placed->tables_size;
        *at = TABLES_AT;
        return true;
    }
    *data = placed->rsdp;
    *size = placed->rsdp_size;
    *at = RSDP_AT;
    return !strcmp(name, "etc/acpi/rsdp");
}

static void run_pointer(Placed *placed, const uint8_t *c)
{
    uint8_t *to, *from, field[8] = { 0 };
    size_t to_size, from_size;
    uint64_t at;
    uint32_t offset = load_le32(c + 116);
    uint8_t size = c[120];

    g_assert_true(find_file(placed, (const char *)c + 60, &from, &from_size, &at));
    uint64_t base = at;
    g_assert_true(find_file(placed, (const char *)c + 4, &to, &to_size, &at));
    g_assert_true(size == 4 || size == 8);
    g_assert_true(range_inside(offset, size, to_size));
    memcpy(field, to + offset, size);
    g_assert_cmpuint(load_le64(field), <, from_size);
    store_le64(field, load_le64(field) + base);
    memcpy(to + offset, field, size);
}

static void run_checksum(Placed *placed, const uint8_t *c)
{
    uint8_t *data, sum = 0;
    size_t size;
    uint64_t at;
    uint32_t where = load_le32(c + 60), start = load_le32(c + 64), length = load_le32(c + 68);

    g_assert_true(find_file(placed, (const char *)c + 4, &data, &size, &at));
    g_assert_true(range_inside(start, length, size));
    g_assert_true(where >= start && where < start + length);
    g_assert_cmphex(data[where], ==, 0);
    for (uint32_t i = 0; i < length; i++) {
        sum += data[start + i];
    }
    data[where] = -sum;
}

static void run_script(Placed *placed, const uint8_t *script, size_t size)
{
    unsigned allocated = 0;

    g_assert_cmpuint(size % 128, ==, 0);
    for (size_t i = 0; i < size; i += 128) {
        const uint8_t *c = script + i;
        uint32_t align = load_le32(c + 60);
        switch (load_le32(c)) {
        case 1:
            allocated++;
            g_assert_true(align && !(align & (align - 1)));
            g_assert_true(c[64] == 1 || c[64] == 2);
            break;
        case 2:
            g_assert_cmpuint(allocated, ==, 2);
            run_pointer(placed, c);
            break;
        case 3:
            run_checksum(placed, c);
            break;
        default:
            g_assert_not_reached();
        }
    }
}

/*
 * A card on the root bus, two functions behind one port, and a bridge that has a number itself.
 * Static, as what a configuration leads to must last.
 */
static const GArray *example_slots(void)
{
    static const AcpiSlot slots[] = {
        { 1, { 0x08 }, 1 }, { 16383, { 0x10, 0x00 }, 2 }, { 3, { 0x10, 0x01 }, 2 },
        { 4, { 0x18 }, 1 }, { 5, { 0x18, 0x28, 0x00 }, 3 },
    };
    static const GArray array = { (char *)slots, G_N_ELEMENTS(slots) };

    return &array;
}

static AcpiConfig config_of(const char *name)
{
    static const uint32_t wide_ids[] = { 0, 254, 255, 256, 0x1000 };
    AcpiConfig config = { .num_cpus = 1, .ram = e820_layout(512 * MiB), .ecam_base = 0xb0000000,
                          .ecam_size = 256 * MiB };

    config.serial[0] = true;
    if (g_ascii_isdigit(name[0])) { /* so many vCPUs, and two serial ports */
        config.num_cpus = (unsigned)g_ascii_strtoull(name, NULL, 10);
        config.serial[1] = true;
    } else if (!strcmp(name, "large")) {
        config.num_cpus = G_N_ELEMENTS(wide_ids);
        config.apic_ids = wide_ids;
        config.ram = e820_layout(64 * GiB + 4 * KiB);
        config.ecam_base = 0xe0000000;
        config.serial[1] = config.serial[2] = config.serial[3] = true;
        config.pvpanic_port = 0x505;
        config.slots = example_slots();
    }
    return config;
}

static const uint8_t *table(const AcpiFiles *files, const uint8_t *placed, const char *signature,
                            uint32_t *size)
{
    for (guint i = 0; i < files->list->len; i++) {
        const AcpiTable *t = &g_array_index(files->list, AcpiTable, i);
        if (!strcmp(t->signature, signature)) {
            *size = t->size;
            return placed + t->offset;
        }
    }
    g_assert_not_reached();
}

static uint8_t sum_of(const uint8_t *data, uint32_t size)
{
    uint8_t sum = 0;

    while (size--) {
        sum += *data++;
    }
    return sum;
}

static void check_placed(const AcpiFiles *files, const Placed *placed)
{
    uint32_t size, dsdt_size;
    const uint8_t *xsdt = table(files, placed->tables, "XSDT", &size);

    g_assert_cmpuint(sum_of(placed->rsdp, 20), ==, 0);
    g_assert_cmpuint(sum_of(placed->rsdp, 36), ==, 0);
    g_assert_cmphex(load_le64(placed->rsdp + 24), ==,
                    TABLES_AT + (uint64_t)(xsdt - placed->tables));
    g_assert_cmpuint(size, ==, 36 + 3 * 8);
    for (guint i = 0; i < files->list->len; i++) {
        const AcpiTable *t = &g_array_index(files->list, AcpiTable, i);
        const uint8_t *data = placed->tables + t->offset;
        g_assert_cmpuint(load_le32(data + 4), ==, t->size);
        if (strcmp(t->signature, "FACS")) {
            g_assert_cmpuint(sum_of(data, t->size), ==, 0);
        } else {
            g_assert_cmpuint(t->offset % 64, ==, 0);
        }
    }
    const uint8_t *fadt = table(files, placed->tables, "FACP", &size);
    const uint8_t *dsdt = table(files, placed->tables, "DSDT", &dsdt_size);
    g_assert_cmphex(load_le64(fadt + 140), ==, TABLES_AT + (uint64_t)(dsdt - placed->tables));
    g_assert_cmphex(load_le32(fadt + 40), ==, load_le64(fadt + 140));
    g_assert_cmphex(load_le32(fadt + 36), ==, TABLES_AT);
    g_assert_cmphex(load_le32(fadt + 48), ==, 0);
    g_assert_cmphex(load_le32(fadt + 56), ==, 0x600);
    g_assert_cmphex(load_le32(fadt + 76), ==, 0x608);
    g_assert_cmphex(load_le64(fadt + 120), ==, 0xcf9);
    const uint8_t *madt = table(files, placed->tables, "APIC", &size);
    g_assert_cmphex(load_le32(madt + 40), ==, 0);
}

static void test_tables(void)
{
    static const char *const names[] = { "small", "large", "4", "255", "256" };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        AcpiConfig config = config_of(names[i]);
        g_autoptr(AcpiFiles) files = acpi_files_new(&config);
        g_autoptr(AcpiFiles) again = acpi_files_new(&config);
        g_assert_cmpmem(files->tables->data, files->tables->len, again->tables->data,
                        again->tables->len);
        g_assert_cmpmem(files->loader->data, files->loader->len, again->loader->data,
                        again->loader->len);
        g_autofree uint8_t *tables = g_memdup2(files->tables->data, files->tables->len);
        uint8_t rsdp[ACPI_RSDP_SIZE];
        memcpy(rsdp, files->rsdp, sizeof(rsdp));
        Placed placed = { tables, rsdp, files->tables->len, sizeof(rsdp) };
        run_script(&placed, files->loader->data, files->loader->len);
        check_placed(files, &placed);
    }
}

/* One entry a CPU, of the short form as far as that goes. */
static void test_processors(void)
{
    AcpiConfig config = config_of("large");
    g_autoptr(AcpiFiles) files = acpi_files_new(&config);
    uint32_t size, entry = 44;
    unsigned local = 0, x2 = 0, ioapic = 0, override = 0;
    const uint8_t *madt = table(files, files->tables->data, "APIC", &size);

    while (entry < size) {
        const uint8_t *e = madt + entry;
        g_assert_cmpuint(e[1], >, 1);
        switch (e[0]) {
        case 0:
            g_assert_cmpuint(e[3], ==, local++ ? 254 : 0);
            break;
        case 9:
            g_assert_cmphex(load_le32(e + 4), ==, config.apic_ids[2 + x2]);
            g_assert_cmphex(load_le32(e + 12), ==, 2 + x2++);
            break;
        case 1:
            ioapic++;
            g_assert_cmphex(load_le32(e + 4), ==, 0xfec00000);
            break;
        case 2:
            override++;
            break;
        default:
            g_assert_not_reached();
        }
        entry += e[1];
    }
    g_assert_cmpuint(entry, ==, size);
    g_assert_true(local == 2 && x2 == 3 && ioapic == 1 && override == 1);
}

/* The guest may put ECAM anywhere, also where it makes no sense. */
static void test_ecam_anywhere(void)
{
    static const hwaddr bases[] = { 0, 0x80000000, 0xb0000000, 0xf0000000, 0x100000000,
                                    0xff0000000 };
    static const uint64_t rams[] = { 128 * MiB, 2 * GiB, 2 * GiB + 512 * MiB, 1 * TiB };

    for (unsigned i = 0; i < G_N_ELEMENTS(bases); i++) {
        for (unsigned n = 0; n < G_N_ELEMENTS(rams); n++) {
            AcpiConfig config = config_of("small");
            config.ecam_base = bases[i];
            config.ram = e820_layout(rams[n]);
            g_autoptr(AcpiFiles) files = acpi_files_new(&config);
            uint32_t size;
            const uint8_t *mcfg = table(files, files->tables->data, "MCFG", &size);
            g_assert_cmphex(load_le64(mcfg + 44), ==, bases[i]);
            g_assert_cmphex(mcfg[55], ==, 255);
        }
    }
}

/* Through fw_cfg */

static uint8_t *read_file(AddressSpace *ports, const char *wanted, uint32_t *size)
{
    uint8_t count[4], entry[64];

    out(ports, 0x510, FW_CFG_DIRECTORY, 2);
    for (unsigned i = 0; i < 4; i++) {
        count[i] = in(ports, 0x511, 1);
    }
    for (uint32_t n = 0; n < load_be32(count); n++) {
        for (unsigned i = 0; i < sizeof(entry); i++) {
            entry[i] = in(ports, 0x511, 1);
        }
        if (!strcmp((const char *)entry + 8, wanted)) {
            *size = load_be32(entry);
            uint8_t *data = g_malloc(*size);
            out(ports, 0x510, entry[4] << 8 | entry[5], 2);
            for (uint32_t i = 0; i < *size; i++) {
                data[i] = in(ports, 0x511, 1);
            }
            return data;
        }
    }
    g_assert_not_reached();
}

static uint64_t mcfg_base(const uint8_t *tables, uint32_t size)
{
    for (uint32_t i = 0; i + 60 <= size; i++) {
        if (!memcmp(tables + i, "MCFG", 4)) {
            return load_le64(tables + i + 44);
        }
    }
    return 0;
}

static void test_follows_ecam(void)
{
    static uint8_t firmware[4096];
    Q35Machine *machine = q35_new(&(Q35Config) {
        .ram_size = 1 * GiB, .firmware = { firmware, sizeof(firmware) }, .num_cpus = 2,
    }, NULL);
    uint32_t size, moved_size, again_size;

    g_assert_true(q35_add_acpi(machine, NULL, NULL, NULL));
    g_autofree uint8_t *first = read_file(machine->ports, "etc/acpi/tables", &size);
    g_assert_cmphex(mcfg_base(first, size), ==, 0xb0000000);
    out(machine->ports, 0xcf8, 0x80000060, 4);
    out(machine->ports, 0xcfc, 0xe0000001, 4);
    g_autofree uint8_t *moved = read_file(machine->ports, "etc/acpi/tables", &moved_size);
    g_assert_cmphex(mcfg_base(moved, moved_size), ==, 0xe0000000);
    g_assert_cmpuint(moved_size, ==, size);
    g_mutex_lock(&machine->lock);
    q35_reset(machine);
    g_mutex_unlock(&machine->lock);
    g_autofree uint8_t *again = read_file(machine->ports, "etc/acpi/tables", &again_size);
    g_assert_cmpmem(first, size, again, again_size);
    q35_free(machine);
}

static int dump(const char *name, const char *directory)
{
    AcpiConfig config = config_of(name);
    g_autoptr(AcpiFiles) files = acpi_files_new(&config);
    Placed placed = { files->tables->data, files->rsdp, files->tables->len, sizeof(files->rsdp) };

    run_script(&placed, files->loader->data, files->loader->len);
    for (guint i = 0; i < files->list->len; i++) {
        const AcpiTable *t = &g_array_index(files->list, AcpiTable, i);
        g_autofree char *lower = g_ascii_strdown(t->signature, -1);
        g_autofree char *path = g_strdup_printf("%s/%s.dat", directory, lower);
        if (!g_file_set_contents(path, (const char *)placed.tables + t->offset, t->size, NULL)) {
            fprintf(stderr, "cannot write %s\n", path);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--dump")) {
        return dump(argv[2], argv[3]);
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acpi/terms", test_terms);
    g_test_add_func("/acpi/package-length", test_package_length);
    g_test_add_func("/acpi/tables", test_tables);
    g_test_add_func("/acpi/processors", test_processors);
    g_test_add_func("/acpi/ecam-anywhere", test_ecam_anywhere);
    g_test_add_func("/acpi/follows-ecam", test_follows_ecam);
    return g_test_run();
}
