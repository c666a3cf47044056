/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock in its forms (BCD, binary, 12 and 24 hours), setting it, flags, and CMOS memory sizes.
 */
#include "fixture.h"
#include "hw/isa/rtc.h"

#define MS 1000000

typedef struct Fixture {
    AddressSpace *ports;
    uint64_t now;
    Rtc *rtc;
} Fixture;

static void make(Fixture *f, const E820Layout *layout, uint64_t seconds)
{
    f->ports = address_space_new("ports");
    f->now = seconds * SECOND;
    f->rtc = rtc_new(f->ports, (Clock) { fake_now, &f->now }, layout, 1);
}

static void set_up(Fixture *f, gconstpointer data)
{
    make(f, &(E820Layout) { 2 * GiB, 0 }, 1709210096); /* Thursday 2024-02-29 12:34:56 UTC */
}

static void tear_down(Fixture *f, gconstpointer data)
{
    rtc_free(f->rtc);
    address_space_free(f->ports);
}

static uint8_t get(Fixture *f, uint8_t index)
{
    out(f->ports, 0x70, index, 1);
    return in(f->ports, 0x71, 1);
}

static void set(Fixture *f, uint8_t index, uint8_t value)
{
    out(f->ports, 0x70, index, 1);
    out(f->ports, 0x71, value, 1);
}

/* "cc yy mm dd w hh mm ss", in hexadecimal */
static char *shown(Fixture *f)
{
    return g_strdup_printf("%02x%02x-%02x-%02x %x %02x:%02x:%02x", get(f, 0x32), get(f, 9),
                           get(f, 8), get(f, 7), get(f, 6), get(f, 4), get(f, 2), get(f, 0));
}

static void expect(Fixture *f, const char *text)
{
    g_autofree char *now = shown(f);

    g_assert_cmpstr(now, ==, text);
}

static void test_forms(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint8_t b;
        uint64_t seconds;
        const char *text;
    } rows[] = {
        { "bcd 24h", 0x02, 1709210096, "2024-02-29 5 12:34:56" },
        { "binary 24h", 0x06, 1709210096, "1418-02-1d 5 0c:22:38" },
        { "bcd 12h, noon", 0x00, 1709210096, "2024-02-29 5 92:34:56" },
        { "binary 12h, noon", 0x04, 1709210096, "1418-02-1d 5 8c:22:38" },
        { "bcd 12h, midnight", 0x00, 1709164800, "2024-02-29 5 12:00:00" },
        { "bcd 12h, 11 pm", 0x00, 1709251199, "2024-02-29 5 91:59:59" },
        { "binary 12h, 1 am", 0x04, 1709168400, "1418-02-1d 5 01:00:00" },
        { "the next second is March", 0x02, 1709251200, "2024-03-01 6 00:00:00" },
        { "epoch", 0x02, 0, "1970-01-01 5 00:00:00" },
        { "end of 1999", 0x02, 946684799, "1999-12-31 6 23:59:59" },
        { "2000", 0x02, 946684800, "2000-01-01 7 00:00:00" },
        { "leap day of 2000", 0x02, 951782400, "2000-02-29 3 00:00:00" },
        { "2100 has none", 0x02, 4107542400, "2100-03-01 2 00:00:00" },
        { "after 2038", 0x02, 2147483648, "2038-01-19 3 03:14:08" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        f->now = rows[i].seconds * SECOND;
        set(f, 0x0b, rows[i].b);
        expect(f, rows[i].text);
    }
}

/* -rtc base=: the clock begins elsewhere, goes with the host's, and what the guest sets counts. */
static void test_offset(Fixture *f, gconstpointer data)
{
    rtc_set_offset(f->rtc, 3600 * 2);
    expect(f, "2024-02-29 5 14:34:56");
    f->now += 3600 * 10 * SECOND;
    expect(f, "2024-03-01 6 00:34:56");
    rtc_reset(f->rtc);
    expect(f, "2024-03-01 6 00:34:56");
    rtc_set_offset(f->rtc, -INT64_C(1709210096) - 36000);
    expect(f, "1970-01-01 5 00:00:00");
}

static void test_every_day(Fixture *f, gconstpointer data)
{
    for (unsigned day = 0; day < 60000; day++) {
        f->now = (day * UINT64_C(86400) + 43200) * SECOND;
        g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(f->now / SECOND);
        g_autofree char *now = shown(f);
        g_autofree char *wanted = g_strdup_printf("%04d-%02d-%02d %d 12:00:00",
                                                  g_date_time_get_year(date),
                                                  g_date_time_get_month(date),
                                                  g_date_time_get_day_of_month(date),
                                                  g_date_time_get_day_of_week(date) % 7 + 1);
        g_assert_cmpstr(now, ==, wanted);
    }
}

static void test_set(Fixture *f, gconstpointer data)
{
    static const uint8_t values[][2] = {
        { 0x32, 0x19 }, { 9, 0x99 }, { 8, 0x12 }, { 7, 0x31 }, { 4, 0x23 }, { 2, 0x59 },
        { 0, 0x58 },
    };

    set(f, 0x0b, 0x82); /* stop the clock */
    f->now += 5 * SECOND;
    expect(f, "2024-02-29 5 12:34:56");
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        set(f, values[i][0], values[i][1]);
    }
    f->now += 3 * SECOND;
    set(f, 0x0b, 0x02);
    expect(f, "1999-12-31 6 23:59:58");
    f->now += 2 * SECOND;
    expect(f, "2000-01-01 7 00:00:00");
    set(f, 4, 0x17); /* while it runs */
    expect(f, "2000-01-01 7 17:00:00");
    set(f, 0x0b, 0x00);
    set(f, 4, 0x92); /* 12 pm */
    set(f, 0x0b, 0x02);
    expect(f, "2000-01-01 7 12:00:00");
    rtc_reset(f->rtc); /* keeps time */
    expect(f, "2000-01-01 7 12:00:00");
}

static void test_nonsense(Fixture *f, gconstpointer data)
{
    for (unsigned b = 0; b < 8; b += 2) {
        set(f, 0x0b, 0x80 | b);
        for (unsigned value = 0; value < 256; value++) {
            for (unsigned index = 0; index < 10; index++) {
                set(f, index, value);
            }
            set(f, 0x32, value);
            set(f, 0x0b, b);
            g_autofree char *text = shown(f);
            g_assert_nonnull(text);
            set(f, 0x0b, 0x80 | b);
        }
    }
    set(f, 0x0b, 0x82);
    set(f, 0x32, 0x20);
    set(f, 9, 0x23);
    set(f, 8, 0x13); /* no such month: the last one */
    set(f, 7, 0x32); /* one day more */
    set(f, 4, 0x00);
    set(f, 2, 0x00);
    set(f, 0, 0x00);
    set(f, 0x0b, 0x02);
    expect(f, "2024-01-01 2 00:00:00");
}

static void test_registers(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(get(f, 0x0a), ==, 0x26);
    f->now += 999 * MS + 800000; /* 200 us before the update */
    g_assert_cmphex(get(f, 0x0a), ==, 0xa6);
    set(f, 0x0b, 0x82);
    g_assert_cmphex(get(f, 0x0a), ==, 0x26); /* no update while stopped */
    set(f, 0x0b, 0x02);
    set(f, 0x0a, 0xff);
    g_assert_cmphex(get(f, 0x0a) & 0x7f, ==, 0x7f);
    g_assert_cmphex(get(f, 0x0d), ==, 0x80);
    set(f, 0x0d, 0);
    g_assert_cmphex(get(f, 0x0d), ==, 0x80);
    set(f, 0x0b, 0xf2);
    g_assert_cmphex(get(f, 0x0b), ==, 0xe2); /* SET clears UIE */
    set(f, 0x0b, 0x72);
    rtc_reset(f->rtc);
    g_assert_cmphex(get(f, 0x0b), ==, 0x02);
    set(f, 0x40, 0xa5); /* plain memory, also with the NMI mask bit */
    g_assert_cmphex(get(f, 0xc0), ==, 0xa5);
    g_assert_cmphex(in(f->ports, 0x70, 1), ==, 0xff);
    g_assert_cmphex(in(f->ports, 0x70, 2), ==, 0xa5ff);
}

static void test_flags(Fixture *f, gconstpointer data)
{
    set(f, 0x0a, 0x20); /* no periodic flag */
    get(f, 0x0c);
    g_assert_cmphex(get(f, 0x0c), ==, 0);
    f->now += SECOND;
    g_assert_cmphex(get(f, 0x0c), ==, 0x10);
    g_assert_cmphex(get(f, 0x0c), ==, 0);
    set(f, 0x0b, 0x12);
    f->now += SECOND;
    g_assert_cmphex(get(f, 0x0c), ==, 0x90);
    set(f, 1, 0x00); /* alarm at 12:35:00; now 12:34:58 */
    set(f, 3, 0x35);
    set(f, 5, 0x12);
    set(f, 0x0b, 0x22);
    f->now += SECOND;
    g_assert_cmphex(get(f, 0x0c), ==, 0x10);
    f->now += SECOND;
    g_assert_cmphex(get(f, 0x0c), ==, 0xb0);
    f->now += 86400 * SECOND;
    g_assert_cmphex(get(f, 0x0c), ==, 0xb0);
    set(f, 5, 0xff); /* any hour */
    f->now += 3600 * SECOND;
    g_assert_cmphex(get(f, 0x0c), ==, 0xb0);
    f->now += 3599 * SECOND;
    g_assert_cmphex(get(f, 0x0c), ==, 0x10);
    f->now += UINT64_C(1000000) * 86400 * 1000 * MS / 100000; /* ten days more: bounded work */
    g_assert_cmphex(get(f, 0x0c), ==, 0xb0);
    set(f, 0x0a, 0x26); /* 1024 Hz */
    set(f, 0x0b, 0x42);
    get(f, 0x0c);
    f->now += 1 * MS;
    g_assert_cmphex(get(f, 0x0c) & 0xc0, ==, 0xc0);
    f->now -= 5 * SECOND; /* the host's clock was set back */
    g_assert_cmphex(get(f, 0x0c), ==, 0);
}

static void test_memory_sizes(void)
{
    static const struct {
        const char *label;
        uint64_t ram;
        uint16_t base_kib, above_1m_kib, above_16m_64k;
        uint32_t above_4g_64k;
    } rows[] = {
        { "512 MiB", 512 * MiB, 640, 0xffff, 0x1f00, 0 },
        { "2 GiB", 2 * GiB, 640, 0xffff, 0x7f00, 0 },
        { "2.75 GiB: split", 2816 * MiB, 640, 0xffff, 0x7f00, 0x3000 },
        { "4 GiB", 4 * GiB, 640, 0xffff, 0x7f00, 0x8000 },
        { "8 GiB", 8 * GiB, 640, 0xffff, 0x7f00, 0x18000 },
        { "8 MiB", 8 * MiB, 640, 7 * 1024, 0, 0 },
        { "512 KiB", 512 * KiB, 512, 0, 0, 0 },
        { "4 TiB: does not fit", 4 * TiB, 640, 0xffff, 0x7f00, 0xffffff },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        E820Layout layout = e820_layout(rows[i].ram);
        Fixture f;
        uint32_t expected = rows[i].above_4g_64k;
        make(&f, &layout, 0);
        g_test_message("%s", rows[i].label);
        if (rows[i].ram == 4 * TiB) {
            expected = MIN(layout.above_4g / (64 * KiB), 0xffffff);
        }
        g_assert_cmphex(get(&f, 0x15) | get(&f, 0x16) << 8, ==, rows[i].base_kib);
        g_assert_cmphex(get(&f, 0x17) | get(&f, 0x18) << 8, ==, rows[i].above_1m_kib);
        g_assert_cmphex(get(&f, 0x30) | get(&f, 0x31) << 8, ==, rows[i].above_1m_kib);
        g_assert_cmphex(get(&f, 0x34) | get(&f, 0x35) << 8, ==, rows[i].above_16m_64k);
        g_assert_cmphex(get(&f, 0x5b) | get(&f, 0x5c) << 8 | get(&f, 0x5d) << 16, ==, expected);
        tear_down(&f, NULL);
    }
}

#define ADD(name, function) g_test_add("/rtc/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("forms", test_forms);
    ADD("every-day", test_every_day);
    ADD("set", test_set);
    ADD("nonsense", test_nonsense);
    ADD("registers", test_registers);
    ADD("flags", test_flags);
    ADD("offset", test_offset);
    g_test_add_func("/rtc/memory-sizes", test_memory_sizes);
    return g_test_run();
}
