/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Event logs, whole and broken, and where they are found in a TD's memory. */
#include <string.h>

#include "fixture.h"
#include "module/event-log.h"

#define LOG_SIZE 512

typedef struct Log {
    uint8_t bytes[LOG_SIZE];
    size_t used;
} Log;

static void put32(Log *log, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        log->bytes[log->used++] = (uint8_t)(v >> 8 * i);
    }
}

static void put(Log *log, const void *data, size_t n)
{
    memcpy(log->bytes + log->used, data, n);
    log->used += n;
}

/* TCG_PCR_EVENT with TCG_EfiSpecIDEvent. */
static void put_header(Log *log)
{
    static const uint8_t spec[33] = "Spec ID Event03\0\0\0\0\0\0\2\0\2\1\0\0\0\x0c\0\x30\0";
    memset(log, 0xff, sizeof(*log));
    log->used = 0;
    put32(log, 1);
    put32(log, EVENT_LOG_NO_ACTION);
    memset(log->bytes + log->used, 0, 20);
    log->used += 20;
    put32(log, sizeof(spec));
    put(log, spec, sizeof(spec));
}

static void put_event(Log *log, uint32_t mr, uint32_t type, const void *data, uint32_t n)
{
    uint8_t digest[48];
    memset(digest, (int)mr, sizeof(digest));
    put32(log, mr);
    put32(log, type);
    put32(log, 1);
    put(log, "\x0c", 2);
    put(log, digest, sizeof(digest));
    put32(log, n);
    put(log, data, n);
}

static Log good_log(void)
{
    Log log;
    put_header(&log);
    put_event(&log, 1, 4, "\0\0\0", 4);
    put_event(&log, 0, 3, "", 0);
    put_event(&log, 2, 0x80000007, "Calling", 7);
    put_event(&log, 3, 0x77, "u\0n\0i\0", 6);
    return log;
}

static void test_read(void)
{
    Log log = good_log();
    EventLogEntry e;
    size_t at = 0;
    g_assert_true(event_log_next(log.bytes, LOG_SIZE, &at, &e));
    g_assert_null(e.digest);
    g_assert_false(event_log_extended(&e));
    g_assert_true(event_log_next(log.bytes, LOG_SIZE, &at, &e));
    g_assert_true(event_log_extended(&e));
    g_assert_cmpuint(e.mr, ==, 1);
    g_assert_cmpuint(e.size, ==, 4);
    g_assert_cmpuint(e.digest[47], ==, 1);
    g_assert_cmpstr(event_log_type_name(e.type), ==, "EV_SEPARATOR");
    g_assert_true(event_log_next(log.bytes, LOG_SIZE, &at, &e));
    g_assert_false(event_log_extended(&e));
    g_assert_true(event_log_next(log.bytes, LOG_SIZE, &at, &e));
    g_assert_true(event_log_contains(&e, "alli"));
    g_assert_false(event_log_contains(&e, "Calling "));
    g_assert_true(event_log_next(log.bytes, LOG_SIZE, &at, &e));
    g_assert_true(event_log_contains(&e, "uni"));
    g_assert_false(event_log_contains(&e, "unix"));
    g_assert_null(event_log_type_name(e.type));
    g_assert_false(event_log_next(log.bytes, LOG_SIZE, &at, &e));
    g_assert_cmpuint(event_log_used(log.bytes, LOG_SIZE), ==, log.used);
}

static void test_types(void)
{
    uint32_t type = 0;
    g_assert_true(event_log_type_by_name("EV_EFI_ACTION", &type));
    g_assert_cmphex(type, ==, 0x80000007);
    g_assert_false(event_log_type_by_name("EV_EFI", &type));
    g_assert_false(event_log_type_by_name("", &type));
}

/*
 * Offsets from the first event of good_log(), what stands there, and how many entries are still
 * read.
 */
static const struct {
    const char *label;
    unsigned offset;
    uint8_t value;
    unsigned entries;
} bad[] = {
    { "register", 0, 5, 1 }, { "register-high", 3, 1, 1 }, { "no-digest", 8, 0, 1 },
    { "two-digests", 8, 2, 1 }, { "many-digests", 11, 0xff, 1 },
    { "algorithm", 12, 0x0b, 1 }, { "algorithm-high", 13, 1, 1 }, { "size", 63, 2, 1 },
    { "size-high", 65, 0x80, 1 }, { "size-inside", 62, 0xff, 2 },
};

static void test_broken(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Log log = good_log();
        EventLogEntry e;
        size_t at = 0;
        unsigned entries = 0;
        log.bytes[EVENT_LOG_HEADER + bad[i].offset] = bad[i].value;
        while (event_log_next(log.bytes, LOG_SIZE, &at, &e)) {
            entries++;
            g_assert_true(e.data >= log.bytes && e.data + e.size <= log.bytes + LOG_SIZE);
        }
        g_test_message("%s: %u entries", bad[i].label, entries);
        g_assert_cmpuint(entries, ==, bad[i].entries);
    }
}

/* A log that ends anywhere: never read beyond, never more entries than fit. */
static void test_cut(void)
{
    Log log = good_log();
    for (size_t n = 0; n <= log.used; n++) {
        g_autofree uint8_t *copy = g_memdup2(log.bytes, n);
        g_assert_cmpuint(event_log_used(copy, n), <=, n);
        g_assert_cmpint(event_log_valid(copy, n), ==, n >= EVENT_LOG_HEADER);
    }
    for (size_t i = 0; i < 36; i++) {
        Log other = good_log();
        other.bytes[i] ^= 0x40;
        bool digest = i >= 8 && i < 32; /* not looked at; neither is the size by this function */
        g_assert_cmpint(event_log_valid(other.bytes, LOG_SIZE), ==, digest);
    }
}

/* ---- in memory ---- */

#define LOG_AT UINT64_C(0x7000)
#define TABLE_AT 0x5123u

/* The table at an odd place, in the page before the log's. */
static void make_memory(uint8_t pages[2][4096], uint64_t lasa, uint64_t laml)
{
    Log log = good_log();
    uint8_t *t = pages[0] + (TABLE_AT & 0xfff), sum = 0;
    memset(pages, 0, 2 * 4096);
    memcpy(t, "CCEL\x38\0\0\0\1", 9);
    t[36] = 2;
    memcpy(t + 40, &laml, 8);
    memcpy(t + 48, &lasa, 8);
    for (unsigned i = 0; i < 56; i++) {
        sum = (uint8_t)(sum + t[i]);
    }
    t[9] = (uint8_t)-sum;
    memcpy(pages[1], log.bytes, LOG_SIZE);
}

typedef enum Found { NOTHING, BY_HEADER, BY_TABLE } Found;

static const struct {
    const char *label;
    uint64_t lasa, laml;
    unsigned offset; /* in the table: one byte is changed, */
    uint8_t change;  /* by this */
    Found found;
} places[] = {
    { "table", LOG_AT, 0x1000, 0, 0, BY_TABLE },
    { "checksum", LOG_AT, 0x1000, 10, 1, BY_HEADER },
    { "signature", LOG_AT, 0x1000, 3, 1, BY_HEADER },
    { "length", LOG_AT, 0x1000, 4, 4, BY_HEADER },
    { "not-tdx", LOG_AT, 0x1000, 36, 1, BY_HEADER },
    { "elsewhere", LOG_AT + 0x1000, 0x1000, 0, 0, BY_HEADER },
    { "beyond", UINT64_MAX - 0xfff, 0x1000, 0, 0, BY_HEADER },
    { "short", LOG_AT, 64, 0, 0, BY_HEADER },
    { "huge", LOG_AT, UINT64_C(1) << 40, 0, 0, BY_HEADER },
};

static void test_find(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        static uint8_t pages[2][4096];
        Fixture f;
        EventLogPlace place;
        make_memory(pages, places[i].lasa, places[i].laml);
        pages[0][(TABLE_AT & 0xfff) + places[i].offset] ^= places[i].change;
        fixture_prepare(&f);
        fixture_open(&f);
        g_assert_false(td_find_event_log(f.td, true, &place));
        g_assert_cmphex(td_page_add(f.td, TABLE_AT & ~0xfffu, pages[0]), ==, 0);
        g_assert_cmphex(td_page_add(f.td, LOG_AT, pages[1]), ==, 0);
        g_test_message("%s", places[i].label);
        g_assert_true(td_find_event_log(f.td, true, &place));
        g_assert_cmphex(place.gpa, ==, LOG_AT);
        g_assert_cmphex(place.ccel, ==, places[i].found == BY_TABLE ? TABLE_AT : 0);
        g_assert_cmphex(place.size, ==, 0x1000);
        g_assert_true(td_find_event_log(f.td, false, &place));
        g_assert_cmphex(place.ccel, ==, 0);
        td_range_remove(f.td, LOG_AT, 0x1000);
        g_assert_false(td_find_event_log(f.td, true, &place));
        fixture_close(&f);
    }
}

static void test_private(void)
{
    static uint8_t page[4096];
    uint8_t out[8192];
    Fixture f;
    memset(page, 0x5a, sizeof(page));
    fixture_prepare(&f);
    fixture_open(&f);
    g_assert_cmphex(td_page_add(f.td, 0x1000, page), ==, 0);
    g_assert_cmpuint(td_read_private(f.td, 0x1ff0, out, 0x20), ==, 0x10);
    g_assert_cmpuint(out[15], ==, 0x5a);
    g_assert_cmpuint(td_read_private(f.td, 0x3000, out, 1), ==, 0);
    g_assert_cmpuint(td_read_private(f.td, UINT64_MAX, out, 2), ==, 0);
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/event-log/read", test_read);
    g_test_add_func("/event-log/types", test_types);
    g_test_add_func("/event-log/broken", test_broken);
    g_test_add_func("/event-log/cut", test_cut);
    g_test_add_func("/event-log/find", test_find);
    g_test_add_func("/event-log/private", test_private);
    return g_test_run();
}
