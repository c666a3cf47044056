/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dispatch: overlaps, priorities, moves, splitting, ends of the address space, readers against a
 * writer.
 */
#include "system/core/address-space.h"

#include <string.h>

/* A region whose bytes count up, and that keeps a record of what it was asked. */
typedef struct Probe {
    char letter;
    GString *log;
    uint8_t first; /* what offset 0 reads as; each byte is one more */
} Probe;

static uint64_t probe_read(void *opaque, hwaddr offset, unsigned size)
{
    Probe *probe = opaque;
    uint64_t value = 0;

    g_string_append_printf(probe->log, "r%c%u@%x ", probe->letter, size, (unsigned)offset);
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)(uint8_t)(probe->first + offset + i) << 8 * i;
    }
    /* bits above the size must be cut off */
    return value | (size < 8 ? ~UINT64_C(0) << 8 * size : 0);
}

static void probe_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    Probe *probe = opaque;

    g_string_append_printf(probe->log, "w%c%u@%x=%" G_GINT64_MODIFIER "x ", probe->letter, size,
                           (unsigned)offset, value);
}

static const IoRegionOps any_ops = { probe_read, probe_write, 0 };
static const IoRegionOps byte_ops = { probe_read, probe_write, 1 };
static const IoRegionOps word_ops = { probe_read, probe_write, 2 };
static const IoRegionOps dword_ops = { probe_read, probe_write, 4 };
static const IoRegionOps no_ops = { 0 };

static void test_split(void)
{
    static const struct {
        const char *label;
        hwaddr addr;
        unsigned size;
        uint64_t value;
        const char *log;
    } rows[] = {
        { "whole", 0x100, 8, 0x4746454443424140, "ra8@0 " },
        { "unaligned inside", 0x101, 4, 0x44434241, "ra4@1 " },
        { "byte device", 0x200, 4, 0x63626160, "rb1@0 rb1@1 rb1@2 rb1@3 " },
        { "word device, 8", 0x300, 8, 0x8786858483828180, "rc2@0 rc2@2 rc2@4 rc2@6 " },
        { "dword device, 8", 0x400, 8, 0xa7a6a5a4a3a2a1a0, "rd4@0 rd4@4 " },
        { "end of region, then nothing", 0x10e, 4, 0xffff4f4e, "ra2@e " },
        { "three bytes left", 0x10d, 4, 0xff4f4e4d, "ra2@d ra1@f " },
        { "gap, then a region", 0x0fe, 4, 0x4140ffff, "ra2@0 " },
        { "two neighbours", 0x2fe, 4, 0x81807f7e, "re2@e rc2@0 " },
        { "nothing", 0x800, 4, 0xffffffff, "" },
        { "nothing, 8", 0x800, 8, UINT64_MAX, "" },
        { "no read function", 0x500, 2, 0xffff, "" },
        { "size 0", 0x100, 0, UINT64_MAX, "" },
        { "size 3", 0x100, 3, UINT64_MAX, "" },
        { "size 16", 0x100, 16, UINT64_MAX, "" },
        { "last byte of all", UINT64_MAX, 1, 0x6f, "rz1@f " },
        { "past the last byte", UINT64_MAX - 1, 4, 0xffff6f6e, "rz2@e " },
    };
    g_autoptr(GString) log = g_string_new(NULL);
    Probe a = { 'a', log, 0x40 }, b = { 'b', log, 0x60 }, c = { 'c', log, 0x80 },
    d = { 'd', log, 0xa0 };
    Probe e = { 'e', log, 0x70 }, z = { 'z', log, 0x60 };
    AddressSpace *as = address_space_new("test");

    address_space_add_io(as, "a", 0x100, 0x10, 0, &any_ops, &a);
    address_space_add_io(as, "b", 0x200, 0x10, 0, &byte_ops, &b);
    address_space_add_io(as, "e", 0x2f0, 0x10, 0, &any_ops, &e);
    address_space_add_io(as, "c", 0x300, 0x10, 0, &word_ops, &c);
    address_space_add_io(as, "d", 0x400, 0x10, 0, &dword_ops, &d);
    address_space_add_io(as, "none", 0x500, 0x10, 0, &no_ops, NULL);
    address_space_add_io(as, "z", UINT64_MAX - 0xf, 0x10, 0, &any_ops, &z);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_string_truncate(log, 0);
        g_assert_cmphex(address_space_read(as, rows[i].addr, rows[i].size), ==, rows[i].value);
        g_assert_cmpstr(log->str, ==, rows[i].log);
    }
    address_space_free(as);
}

static void test_write_split(void)
{
    static const struct {
        const char *label;
        hwaddr addr;
        uint64_t value;
        unsigned size;
        const char *log;
    } rows[] = {
        { "whole", 0x100, 0x1122334455667788, 8, "wa8@0=1122334455667788 " },
        { "cut to the size", 0x100, 0x1122334455667788, 2, "wa2@0=7788 " },
        { "bytes", 0x200, 0x44332211, 4, "wb1@0=11 wb1@1=22 wb1@2=33 wb1@3=44 " },
        { "over the end", 0x10f, 0x44332211, 4, "wa1@f=11 " },
        { "into the start", 0x0ff, 0x44332211, 4, "wa2@0=3322 wa1@2=44 " },
        { "nothing", 0x900, 1, 4, "" },
        { "size 5", 0x100, 1, 5, "" },
    };
    g_autoptr(GString) log = g_string_new(NULL);
    Probe a = { 'a', log }, b = { 'b', log };
    AddressSpace *as = address_space_new("test");

    address_space_add_io(as, "a", 0x100, 0x10, 0, &any_ops, &a);
    address_space_add_io(as, "b", 0x200, 0x10, 0, &byte_ops, &b);
    address_space_add_io(as, "none", 0x300, 0x10, 0, &no_ops, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_string_truncate(log, 0);
        address_space_write(as, rows[i].addr, rows[i].value, rows[i].size);
        g_assert_cmpstr(log->str, ==, rows[i].log);
    }
    address_space_write(as, 0x300, 1, 4); /* no write function: vanishes */
    address_space_write(as, UINT64_MAX, 1, 8);
    address_space_free(as);
}

/* Who answers a byte: the letter of a probe, or '.' */
static char who(AddressSpace *as, const Probe *probe, hwaddr addr)
{
    GString *log = probe->log;

    g_string_truncate(log, 0);
    address_space_read(as, addr, 1);
    return log->len ? log->str[1] : '.';
}

static void expect_map(AddressSpace *as, Probe *probes, const char *map)
{
    for (unsigned i = 0; map[i]; i++) {
        g_assert_cmpint(who(as, probes, i), ==, map[i]);
    }
}

static void test_overlap(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    Probe probes[] = { { 'a', log }, { 'b', log }, { 'c', log }, { 'd', log } };
    AddressSpace *as = address_space_new("test");
    IoRegion *a = address_space_add_io(as, "a", 2, 10, 0, &byte_ops, &probes[0]);

    expect_map(as, probes, "..aaaaaaaaaa..");
    IoRegion *b = address_space_add_io(as, "b", 4, 4, 1, &byte_ops, &probes[1]);
    expect_map(as, probes, "..aabbbbaaaa..");
    IoRegion *c = address_space_add_io(as, "c", 6, 8, 0, &byte_ops, &probes[2]);
    expect_map(as, probes, "..aabbbbcccccc."); /* equal to a: the later one; below b */
    io_region_set(b, false, 4);
    expect_map(as, probes, "..aaaacccccccc.");
    io_region_set(b, true, 0);
    expect_map(as, probes, "bbbbaacccccccc.");
    io_region_set(b, true, 12);
    expect_map(as, probes, "..aaaaccccccbbbb.");
    io_region_remove(c);
    expect_map(as, probes, "..aaaaaaaaaabbbb.");
    io_region_set(a, false, 100);
    expect_map(as, probes, "............bbbb.");
    address_space_add_io(as, "d", 13, 1, -5, &byte_ops, &probes[3]);
    expect_map(as, probes, "............bbbb."); /* wholly hidden */
    io_region_set(b, false, 0);
    expect_map(as, probes, ".............d..");
    IoRegion *empty = address_space_add_io(as, "empty", 1, 0, 9, &byte_ops, &probes[0]);
    io_region_set(empty, true, 2);
    expect_map(as, probes, ".............d..");
    address_space_free(as);
}

static void test_wrap(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    Probe probe = { 'a', log };
    AddressSpace *as = address_space_new("test");
    IoRegion *region = address_space_add_io(as, "a", 0, 0x1000, 0, &byte_ops, &probe);

    /* a BAR of all ones: cut off at the top, not wrapped */
    io_region_set(region, true, UINT64_MAX - 0xff);
    g_assert_cmpint(who(as, &probe, UINT64_MAX), ==, 'a');
    g_assert_cmpint(who(as, &probe, UINT64_MAX - 0xff), ==, 'a');
    g_assert_cmpint(who(as, &probe, UINT64_MAX - 0x100), ==, '.');
    g_assert_cmpint(who(as, &probe, 0), ==, '.');
    io_region_set(region, true, 0);
    g_assert_cmpint(who(as, &probe, 0), ==, 'a');
    g_assert_cmpint(who(as, &probe, UINT64_MAX), ==, '.');
    io_region_remove(region);
    region = address_space_add_io(as, "all", 0, UINT64_MAX, 0, &byte_ops, &probe);
    g_assert_cmpint(who(as, &probe, UINT64_MAX - 1), ==, 'a');
    address_space_free(as);
}

static void test_ram(void)
{
    static uint8_t low[0x1000], high[0x1000];
    g_autoptr(GString) log = g_string_new(NULL);
    Probe probe = { 'a', log };
    AddressSpace *as = address_space_new("test");

    address_space_add_ram(as, "low", 0x1000, sizeof(low), low);
    address_space_add_io(as, "bar", 0x1800, 0x1000, 1000, &byte_ops, &probe);
    address_space_add_ram(as, "high", 0x4000, sizeof(high), high);
    address_space_write(as, 0x1ffe, 0x44332211, 4); /* half in RAM, half in the device above it */
    g_assert_cmphex(low[0xffe], ==, 0x11);
    g_assert_cmphex(low[0xfff], ==, 0x22);
    g_assert_cmpstr(log->str, ==, "wa1@800=33 wa1@801=44 ");
    address_space_write(as, 0x1003, 0x8877665544332211, 8);
    g_assert_cmphex(address_space_read(as, 0x1005, 4), ==, 0x66554433);
    static const struct {
        const char *label;
        hwaddr addr;
        uint64_t size;
        bool inside;
    } rows[] = {
        { "first byte", 0x1000, 1, true }, { "all", 0x1000, 0x1000, true },
        { "under a device", 0x1800, 0x100, true },
        { "nothing long", 0x1000, 0, true }, { "one too many", 0x1000, 0x1001, false },
        { "before", 0xfff, 1, false },
        { "device", 0x2000, 1, false }, { "gap", 0x3000, 1, false },
        { "last byte", 0x4fff, 1, true },
        { "past the end", 0x5000, 1, false }, { "from the last byte", 0x4fff, 2, false },
        { "wrapping size", 0x4000, UINT64_MAX, false }, { "top", UINT64_MAX, 1, false },
        { "size beyond the top", 0x1001, UINT64_MAX - 0x1000, false },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        uint8_t *host = address_space_ram(as, rows[i].addr, rows[i].size);
        g_assert_true(!!host == rows[i].inside);
        if (host) {
            g_assert_true(host == (rows[i].addr < 0x3000 ? low + (rows[i].addr - 0x1000)
                                                         : high + (rows[i].addr - 0x4000)));
        }
    }
    g_autofree char *text = address_space_describe(as);
    g_assert_nonnull(strstr(text, "0000000000001000-0000000000001fff (ram): low\n"));
    g_assert_nonnull(strstr(text, "0000000000001800-00000000000027ff (prio 1000, i/o): bar\n"));
    address_space_free(as);
}

/* A thread's cache must not outlive an address space, nor mistake one for another. */
static void test_cache(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    Probe probes[] = { { 'a', log }, { 'b', log } };

    for (unsigned i = 0; i < 64; i++) {
        AddressSpace *x = address_space_new("x"), *y = address_space_new("y");
        address_space_add_io(x, "a", 0x10, 0x10, 0, &byte_ops, &probes[i % 2]);
        g_assert_cmpint(who(x, probes, 0x12), ==, "ab"[i % 2]);
        g_assert_cmpint(who(y, probes, 0x12), ==, '.');
        address_space_free(x);
        g_assert_cmpint(who(y, probes, 0x12), ==, '.');
        address_space_free(y);
    }
}

/*
 * Three regions and a moving one: readers must see a whole state at any time, and memory must stay
 * bounded.
 */
typedef struct Race {
    AddressSpace *as;
    int stop;
    unsigned reads, wrong;
} Race;

static uint64_t fixed_read(void *opaque, hwaddr offset, unsigned size)
{
    return GPOINTER_TO_UINT(opaque);
}

static const IoRegionOps fixed_ops = { fixed_read, NULL, 4 };

static gpointer race_reader(gpointer opaque)
{
    Race *race = opaque;
    unsigned reads = 0, wrong = 0;

    while (!g_atomic_int_get(&race->stop)) {
        uint64_t still = address_space_read(race->as, 0x1000, 4);
        uint64_t moving = address_space_read(race->as, 0x2000 + (reads & 1) * 0x1000, 4);
        uint64_t under = address_space_read(race->as, 0x4000, 4);
        wrong += still != 1;
        wrong += moving != 2 && moving != 0xffffffff;
        wrong += under != 3 && under != 4;
        wrong += address_space_ram(race->as, 0x8000, 0x1000) == NULL;
        reads++;
    }
    __atomic_add_fetch(&race->reads, reads, __ATOMIC_RELAXED);
    __atomic_add_fetch(&race->wrong, wrong, __ATOMIC_RELAXED);
    return NULL;
}

static void test_race(void)
{
    static uint8_t ram[0x1000];
    Race race = { .as = address_space_new("race") };
    GThread *threads[3];

    address_space_add_ram(race.as, "ram", 0x8000, sizeof(ram), ram);
    address_space_add_io(race.as, "still", 0x1000, 0x1000, 0, &fixed_ops, GUINT_TO_POINTER(1));
    IoRegion *moving = address_space_add_io(race.as, "moving", 0x2000, 0x1000, 0, &fixed_ops,
                                            GUINT_TO_POINTER(2));
    address_space_add_io(race.as, "under", 0x4000, 0x1000, 0, &fixed_ops, GUINT_TO_POINTER(3));
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("reader", race_reader, &race);
    }
    for (unsigned i = 0; i < 20000; i++) {
        io_region_set(moving, i % 3 != 2, 0x2000 + (i & 1) * 0x1000);
        if (i % 16 == 0) {
            IoRegion *over = address_space_add_io(race.as, "over", 0x4000, 0x10, 1, &fixed_ops,
                                                  GUINT_TO_POINTER(4));
            io_region_remove(over);
        }
    }
    g_atomic_int_set(&race.stop, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpuint(race.wrong, ==, 0);
    g_test_message("%u reads", race.reads);
    address_space_free(race.as);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/address-space/split", test_split);
    g_test_add_func("/address-space/write-split", test_write_split);
    g_test_add_func("/address-space/overlap", test_overlap);
    g_test_add_func("/address-space/wrap", test_wrap);
    g_test_add_func("/address-space/ram", test_ram);
    g_test_add_func("/address-space/cache", test_cache);
    g_test_add_func("/address-space/race", test_race);
    return g_test_run();
}
