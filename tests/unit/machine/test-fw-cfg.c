/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg by ports and by DMA. */
#include <string.h>

#include "fixture.h"
#include "hw/i386/fw_cfg.h"
#include "util/bytes.h"
#include "util/units.h"

#define RAM_SIZE 0x10000
#define PRIVATE_PAGE 0x5000 /* in the first piece; the guest does not share it */

typedef struct Fixture {
    AddressSpace *ports, *memory;
    uint8_t *ram, *high; /* at 0 and right behind it, two separate pieces */
    SharedMemoryPort shared;
    FwCfg *fw_cfg;
} Fixture;

static uint8_t *map_shared(void *opaque, hwaddr gpa, uint64_t size)
{
    const Fixture *f = opaque;
    bool private = gpa < PRIVATE_PAGE + 0x1000 && size <= RAM_SIZE && gpa + size > PRIVATE_PAGE;

    return private ? NULL : address_space_ram(f->memory, gpa, size);
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->ports = address_space_new("ports");
    f->memory = address_space_new("memory");
    f->ram = g_malloc0(RAM_SIZE);
    f->high = g_malloc0(RAM_SIZE);
    address_space_add_ram(f->memory, "ram", 0, RAM_SIZE, f->ram);
    address_space_add_ram(f->memory, "high", RAM_SIZE, RAM_SIZE, f->high);
    f->shared = (SharedMemoryPort) { map_shared, f };
    f->fw_cfg = fw_cfg_new(&f->shared, f->ports);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    fw_cfg_free(f->fw_cfg);
    address_space_free(f->ports);
    address_space_free(f->memory);
    g_free(f->ram);
    g_free(f->high);
}

static void take(Fixture *f, uint16_t key, uint8_t *to, unsigned n)
{
    out(f->ports, 0x510, key, 2);
    for (unsigned i = 0; i < n; i++) {
        to[i] = in(f->ports, 0x511, 1);
    }
}

static void test_ports(Fixture *f, gconstpointer data)
{
    uint8_t bytes[8];

    take(f, 0, bytes, 8);
    g_assert_cmpmem(bytes, 8, "QEMU\0\0\0\0", 8);
    take(f, 1, bytes, 4);
    g_assert_cmphex(load_le32(bytes), ==, 3);
    fw_cfg_add_u16(f->fw_cfg, FW_CFG_CPU_COUNT, 0x0203);
    take(f, 5, bytes, 4);
    g_assert_cmpmem(bytes, 4, "\3\2\0\0", 4);
    fw_cfg_add_string(f->fw_cfg, FW_CFG_CMDLINE_DATA, "x y");
    take(f, 0x15, bytes, 4);
    g_assert_cmpmem(bytes, 4, "x y", 4);
    /* Selecting again starts over; keys that nobody has read as zeros. */
    take(f, 0, bytes, 2);
    take(f, 0, bytes, 2);
    g_assert_cmpmem(bytes, 2, "QE", 2);
    static const uint16_t empty[] = { 2, 0x1f, 0x20, 0x21, 0x3fff, 0x8000, 0x8001, 0xbfff, 0xffff };
    for (unsigned i = 0; i < G_N_ELEMENTS(empty); i++) {
        take(f, empty[i], bytes, 8);
        if (empty[i] != 0xffff) {
            g_assert_cmpmem(bytes, 8, "\0\0\0\0\0\0\0\0", 8);
        }
    }
    out(f->ports, 0x510, 0, 2);
    out(f->ports, 0x510, 5, 1);    /* not a selector write */
    out(f->ports, 0x511, 5, 1);    /* data is not written by port */
    g_assert_cmphex(in(f->ports, 0x510, 1), ==, 0xff);
    g_assert_cmphex(in(f->ports, 0x510, 2), ==, 0xffff);
    g_assert_cmphex(in(f->ports, 0x511, 1), ==, 'Q');
    g_assert_cmphex(in(f->ports, 0x514, 4), ==, 0x554d4551);
    g_assert_cmphex(in(f->ports, 0x518, 4), ==, 0x47464320);
    g_assert_cmphex(in(f->ports, 0x51b, 1), ==, 'G');
}

static void test_directory(Fixture *f, gconstpointer data)
{
    static const char *const names[] = { "opt/z", "etc/b", "etc/a", "bootorder" };
    static const char *const sorted[] = { "bootorder", "etc/a", "etc/b", "opt/z" };
    uint8_t directory[4 + 4 * 64], bytes[4];

    take(f, 0x19, directory, 8);
    g_assert_cmpmem(directory, 8, "\0\0\0\0\0\0\0\0", 8);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_true(fw_cfg_add_file(f->fw_cfg, names[i], names[i], strlen(names[i]), NULL));
    }
    take(f, 0x19, directory, sizeof(directory));
    g_assert_cmphex(load_be32(directory), ==, 4);
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *entry = directory + 4 + 64 * i;
        g_assert_cmpuint(load_be32(entry), ==, strlen(sorted[i]));
        g_assert_cmphex(load_be32(entry + 4), ==, (0x20 + i) << 16);
        g_assert_cmpstr((const char *)entry + 8, ==, sorted[i]);
        take(f, 0x20 + i, bytes, 4);
        g_assert_cmpmem(bytes, 4, sorted[i], 4);
    }
    g_assert_true(fw_cfg_set_file(f->fw_cfg, "etc/b", "long contents", 13));
    g_assert_false(fw_cfg_set_file(f->fw_cfg, "etc/c", "x", 1));
    take(f, 0x19, directory, sizeof(directory));
    g_assert_cmpuint(load_be32(directory + 4 + 64 * 2), ==, 13);
}

static void expect_refused(Fixture *f, const char *name, size_t size)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(fw_cfg_add_file(f->fw_cfg, name, NULL, size, &error));
    g_assert_nonnull(error);
}

static void test_bad_files(Fixture *f, gconstpointer data)
{
    g_autofree char *longest = g_strnfill(55, 'n'), *too_long = g_strnfill(56, 'n');

    expect_refused(f, "", 0);
    expect_refused(f, too_long, 0);
    expect_refused(f, "huge", (size_t)1 << 32);
    g_assert_true(fw_cfg_add_file(f->fw_cfg, longest, NULL, 0, NULL));
    expect_refused(f, longest, 0);
    for (unsigned i = 1; i < FW_CFG_MAX_FILES; i++) {
        g_autofree char *name = g_strdup_printf("f%u", i);
        g_assert_true(fw_cfg_add_file(f->fw_cfg, name, NULL, 0, NULL));
    }
    expect_refused(f, "one-too-many", 0);
}

/* A live file: counts selections and remakes itself; takes writes. */
typedef struct Live {
    FwCfg *fw_cfg;
    unsigned selections;
    GString *log;
} Live;

static void live_selected(void *opaque)
{
    Live *live = opaque;
    uint8_t contents[8] = { ++live->selections, 1, 2, 3, 4, 5, 6, 7 };

    fw_cfg_set_file(live->fw_cfg, "live", contents, sizeof(contents));
}

static void live_written(void *opaque, const uint8_t *data, uint32_t offset, uint32_t size)
{
    Live *live = opaque;

    g_string_append_printf(live->log, "%u+%u:%02x ", offset, size, data[0]);
}

static const FwCfgFileOps live_ops = { live_selected, live_written };

enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

static uint32_t dma(Fixture *f, hwaddr at, uint32_t control, uint32_t length, uint64_t address)
{
    uint8_t *descriptor = address_space_ram(f->memory, at, 16);

    store_be32(descriptor, control);
    store_be32(descriptor + 4, length);
    store_be64(descriptor + 8, address);
    out(f->ports, 0x514, GUINT32_SWAP_LE_BE((uint32_t)(at >> 32)), 4);
    out(f->ports, 0x518, GUINT32_SWAP_LE_BE((uint32_t)at), 4);
    return load_be32(descriptor);
}

static void test_dma(Fixture *f, gconstpointer data)
{
    enum { FILE_KEY = 0x20 << 16, RO_KEY = 0x21 << 16 };
    static const struct {
        const char *label;
        uint32_t control, length;
        uint64_t address;
        uint32_t result;
        const char *at_8000; /* four bytes there afterwards, in hexadecimal */
    } rows[] = {
        { "select and read", SELECT | READ | FILE_KEY, 4, 0x8000, 0, "01010203" },
        { "read on", READ, 4, 0x8000, 0, "04050607" },
        { "read past the end", READ, 4, 0x8000, 0, "00000000" },
        { "select alone", SELECT | FILE_KEY, 0, 0, 0, "eeeeeeee" },
        { "skip", SKIP, 5, 0, 0, "eeeeeeee" },
        { "read after skip", READ, 4, 0x8000, 0, "05060700" },
        { "skip everything", SKIP, UINT32_MAX, 0, 0, "eeeeeeee" },
        { "and again", SKIP, UINT32_MAX, 0, 0, "eeeeeeee" },
        { "read far past the end", READ, 2, 0x8000, 0, "0000eeee" },
        { "length 0, address anywhere", SELECT | READ | FILE_KEY, 0, UINT64_MAX, 0, "eeeeeeee" },
        { "no such item reads zeros", SELECT | READ | 0x3fffu << 16, 4, 0x8000, 0, "00000000" },
        { "nothing to do", 0, 4, 0x8000, 0, "eeeeeeee" },
        { "unknown bits", 0xffe0, 4, 0x8000, 0, "eeeeeeee" },
        { "outside RAM", SELECT | READ | FILE_KEY, 4, 4 * GiB, ERROR, "eeeeeeee" },
        { "over the end of RAM", READ, 0x10000, 0x18000, ERROR, "eeeeeeee" },
        { "over two pieces of RAM", READ, 0x100, 0xff80, ERROR, "eeeeeeee" },
        { "wrapping", READ, 0x100, UINT64_MAX - 0x7f, ERROR, "eeeeeeee" },
        { "4 GiB - 1 bytes", READ, UINT32_MAX, 0, ERROR, "eeeeeeee" },
        { "all of a private page", READ, 0x1000, PRIVATE_PAGE, ERROR, "eeeeeeee" },
        { "into a private page", READ, 2, PRIVATE_PAGE - 1, ERROR, "eeeeeeee" },
        { "out of a private page", READ, 2, PRIVATE_PAGE + 0xfff, ERROR, "eeeeeeee" },
        { "around a private page", READ, 0x3000, PRIVATE_PAGE - 0x1000, ERROR, "eeeeeeee" },
        { "right below it", SELECT | READ | FILE_KEY, 4, PRIVATE_PAGE - 4, 0, "eeeeeeee" },
        { "right above it", SELECT | READ | FILE_KEY, 4, PRIVATE_PAGE + 0x1000, 0, "eeeeeeee" },
        { "write", SELECT | WRITE | FILE_KEY, 4, 0x8000, 0, "eeeeeeee" },
        { "write on", WRITE, 4, 0x8000, 0, "eeeeeeee" },
        { "write past the end", WRITE, 1, 0x8000, ERROR, "eeeeeeee" },
        { "write private bytes", SELECT | WRITE | FILE_KEY, 4, PRIVATE_PAGE, ERROR, "eeeeeeee" },
        { "write from outside RAM", SELECT | WRITE | FILE_KEY, 4, 1 * GiB, ERROR, "eeeeeeee" },
        { "write too much", SELECT | WRITE | FILE_KEY, 9, 0x8000, ERROR, "eeeeeeee" },
        { "write to a read-only file", SELECT | WRITE | RO_KEY, 1, 0x8000, ERROR, "eeeeeeee" },
        { "write to a number", SELECT | WRITE | 0u << 16, 1, 0x8000, ERROR, "eeeeeeee" },
        { "write to nothing", SELECT | WRITE | 0x99u << 16, 1, 0x8000, ERROR, "eeeeeeee" },
    };
    g_autoptr(GString) log = g_string_new(NULL);
    Live live = { f->fw_cfg, 0, log };

    g_assert_true(fw_cfg_add_live_file(f->fw_cfg, "live", "12345678", 8, &live_ops, &live, NULL));
    g_assert_true(fw_cfg_add_file(f->fw_cfg, "read-only", "12345678", 8, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        memset(f->ram + 0x8000, 0xee, 16);
        if (rows[i].control & SELECT) {
            live.selections = 0;
        }
        g_assert_cmphex(dma(f, 0x1000, rows[i].control, rows[i].length, rows[i].address), ==,
                        rows[i].result);
        g_autofree char *text = g_strdup_printf("%08x", load_be32(f->ram + 0x8000));
        g_assert_cmpstr(text, ==, rows[i].at_8000);
    }
    g_assert_cmpstr(log->str, ==, "0+4:ee 4+4:ee ");
    for (unsigned i = 0; i < 0x1000; i++) {
        g_assert_cmphex(f->ram[PRIVATE_PAGE + i], ==, 0);
    }
}

/* A guest can ask in vain as often as it likes: the user is told once. */
static void test_reported_once(Fixture *f, gconstpointer data)
{
    if (g_test_subprocess()) {
        g_assert_cmphex(dma(f, 0x1000, SELECT | READ, 4, PRIVATE_PAGE), ==, ERROR);
        g_assert_cmphex(dma(f, 0x1000, SELECT | READ, 4, PRIVATE_PAGE), ==, ERROR);
        g_assert_cmphex(dma(f, 0x1000, SELECT | READ, 4, GiB), ==, ERROR);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr(
        "*fw_cfg: the DMA of 0x4 bytes at 0x5000 is not in one piece of RAM that the guest shares. "
        "Further*");
    g_test_trap_assert_stderr_unmatched("*fw_cfg*fw_cfg: the DMA*");
}

static void test_bad_descriptors(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint32_t high, low;
    } rows[] = {
        { "private", 0, PRIVATE_PAGE }, { "into a private page", 0, PRIVATE_PAGE - 8 },
        { "outside RAM", 0, 0x40000000 }, { "over the end of RAM", 0, 0x1fff1 },
        { "over two pieces", 0, 0xfff8 },
        { "top of the address space", 0xffffffff, 0xfffffff0 },
        { "wrapping", 0xffffffff, 0xfffffff8 },
        { "high half set", 1, 0x1000 },
    };
    g_autofree uint8_t *before = g_malloc(RAM_SIZE);

    memset(f->ram, 0xff, RAM_SIZE);
    memcpy(before, f->ram, RAM_SIZE);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        out(f->ports, 0x514, GUINT32_SWAP_LE_BE(rows[i].high), 4);
        out(f->ports, 0x518, GUINT32_SWAP_LE_BE(rows[i].low), 4);
        g_assert_cmpmem(f->ram, RAM_SIZE, before, RAM_SIZE);
    }
    for (unsigned i = 0; i < 8; i++) {
        out(f->ports, 0x514 + i, 0, 1); /* not by bytes */
        out(f->ports, 0x514 + i, 0, 2);
    }
    g_assert_cmpmem(f->ram, RAM_SIZE, before, RAM_SIZE);
    /* The high half is forgotten after use. */
    store_be32(f->ram + 0x1000, SELECT | READ);
    store_be32(f->ram + 0x1004, 4);
    store_be64(f->ram + 0x1008, 0x2000);
    out(f->ports, 0x518, GUINT32_SWAP_LE_BE(0x1000), 4);
    g_assert_cmpmem(f->ram + 0x2000, 4, "QEMU", 4);
    /* Onto its own descriptor: the guest's own fault, and ours to survive. */
    g_assert_cmphex(dma(f, 0x1000, SELECT | READ | 0x19u << 16, 16, 0x1000), ==, 0);
}

#define ADD(name, function) g_test_add("/fw-cfg/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("ports", test_ports);
    ADD("directory", test_directory);
    ADD("bad-files", test_bad_files);
    ADD("dma", test_dma);
    ADD("reported-once", test_reported_once);
    ADD("bad-descriptors", test_bad_descriptors);
    return g_test_run();
}
