/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chipset's watchdog. */
#include "fixture.h"
#include "hw/isa/tco.h"

#define PMBASE 0x600
#define AT(offset) (PMBASE + TCO_OFFSET + (offset))

enum { RELOAD = 0, STATUS1 = 4, STATUS2 = 6, CONTROL1 = 8, TIMER = 0x12 };

typedef struct Fixture {
    AddressSpace *ports;
    GMutex lock;
    unsigned barks;
    uint64_t now;
    Tco *tco;
} Fixture;

static void on_watchdog(void *opaque)
{
    ((Fixture *)opaque)->barks++;
}

static uint64_t run_time(void *opaque)
{
    return ((Fixture *)opaque)->now;
}

static const RunStatePort runstate = { .watchdog = on_watchdog, .run_time_ns = run_time };

static void set_up(Fixture *f, gconstpointer data)
{
    g_mutex_init(&f->lock);
    f->ports = address_space_new("ports");
    f->tco = tco_new(f->ports, &f->lock, &runstate, f);
    tco_set_strap(f->tco, false);
    tco_place(f->tco, true, PMBASE);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    tco_free(f->tco);
    address_space_free(f->ports);
    g_mutex_clear(&f->lock);
}

static void tick(Fixture *f, unsigned count)
{
    while (count--) {
        f->now += 6 * SECOND / 10;
        in(f->ports, AT(RELOAD), 2); /* any register tells what time it is */
    }
}

/* As Linux' driver: halt, clear, patience, go. */
static void start(Fixture *f, unsigned ticks)
{
    out(f->ports, AT(CONTROL1), 0x0800, 2);
    out(f->ports, AT(STATUS1), 8, 2);
    out(f->ports, AT(STATUS2), 2, 2);
    out(f->ports, AT(STATUS2), 4, 2);
    out(f->ports, AT(TIMER), ticks, 2);
    out(f->ports, AT(RELOAD), 1, 2);
    out(f->ports, AT(CONTROL1), 0, 2);
}

static void test_registers(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned offset, size;
        uint32_t before, written, after;
    } rows[] = {
        { "timer", TIMER, 2, 4, 0xffff, 0x3ff },
        { "data", 2, 2, 0, 0xa55a, 0xa55a },
        { "status is cleared only", STATUS1, 4, 0, 0xffffffff, 0 },
        { "control", CONTROL1, 2, 0, 0xffff, 0x1a00 },
        { "lock stays", CONTROL1, 2, 0x1a00, 0, 0x1000 },
        { "messages", 0xc, 2, 0, 0x1234, 0x1234 },
        { "boot status", 0xe, 1, 0, 0x77, 0x77 },
        { "software interrupts", 0x10, 1, 3, 0, 0 },
        { "none", 0x14, 4, 0, 0xffffffff, 0 },
        { "last", 0x1f, 1, 0, 0xff, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmphex(in(f->ports, AT(rows[i].offset), rows[i].size), ==, rows[i].before);
        out(f->ports, AT(rows[i].offset), rows[i].written, rows[i].size);
        g_assert_cmphex(in(f->ports, AT(rows[i].offset), rows[i].size), ==, rows[i].after);
    }
    tco_reset(f->tco);
    g_assert_cmphex(in(f->ports, AT(TIMER), 2), ==, 4);
    g_assert_cmphex(in(f->ports, AT(CONTROL1), 2), ==, 0);
    g_assert_cmphex(in(f->ports, AT(2), 2), ==, 0);
}

static void test_patience(Fixture *f, gconstpointer data)
{
    start(f, 50);
    g_assert_cmphex(in(f->ports, AT(TIMER), 2), ==, 50);
    g_assert_cmpuint(in(f->ports, AT(RELOAD), 2), ==, 50);
    tick(f, 49);
    g_assert_cmpuint(in(f->ports, AT(RELOAD), 2), ==, 1);
    g_assert_cmphex(in(f->ports, AT(STATUS1), 2), ==, 0);
    tick(f, 1);
    g_assert_cmphex(in(f->ports, AT(STATUS1), 2), ==, 8);
    g_assert_cmpuint(in(f->ports, AT(RELOAD), 2), ==, 50);
    tick(f, 49);
    g_assert_cmpuint(f->barks, ==, 0);
    tick(f, 1);
    g_assert_cmpuint(f->barks, ==, 1);
    g_assert_cmphex(in(f->ports, AT(STATUS2), 2), ==, 6);
    tick(f, 200); /* once is enough */
    g_assert_cmpuint(f->barks, ==, 1);
}

static void test_strokes(Fixture *f, gconstpointer data)
{
    start(f, 10);
    for (unsigned i = 0; i < 20; i++) {
        tick(f, 19); /* the first time over has no consequence */
        out(f->ports, AT(RELOAD), 1, 2);
    }
    g_assert_cmpuint(f->barks, ==, 0);
    tick(f, 20);
    g_assert_cmpuint(f->barks, ==, 1);
}

static void test_not_counting(Fixture *f, gconstpointer data)
{
    tick(f, 5000); /* nobody started it */
    g_assert_cmphex(in(f->ports, AT(STATUS1), 2), ==, 0);
    start(f, 10);
    for (unsigned i = 0; i < 50; i++) {
        in(f->ports, AT(RELOAD), 2); /* the machine stands */
    }
    g_assert_cmpuint(in(f->ports, AT(RELOAD), 2), ==, 10);
    tick(f, 4);
    out(f->ports, AT(CONTROL1), 0x0800, 2);
    tick(f, 5000);
    g_assert_cmphex(in(f->ports, AT(STATUS1), 2), ==, 0);
    out(f->ports, AT(CONTROL1), 0, 2);
    tick(f, 19);
    g_assert_cmpuint(f->barks, ==, 0);
    tco_reset(f->tco);
    tick(f, 5000);
    g_assert_cmpuint(f->barks, ==, 0);
    for (unsigned least = 0; least < 4; least++) {
        start(f, least);
        tick(f, 5000);
    }
    g_assert_cmpuint(f->barks, ==, 0);
}

/* Time that nobody looked in is no reason to take both steps at once. */
static void test_late(Fixture *f, gconstpointer data)
{
    start(f, 10);
    f->now += 1000 * SECOND;
    g_assert_cmphex(in(f->ports, AT(STATUS1), 2), ==, 8);
    g_assert_cmpuint(in(f->ports, AT(RELOAD), 2), ==, 10);
    tick(f, 9);
    g_assert_cmpuint(f->barks, ==, 0);
    out(f->ports, AT(RELOAD), 1, 2);
    f->now += 1000 * SECOND;
    in(f->ports, AT(RELOAD), 2);
    g_assert_cmpuint(f->barks, ==, 0);
    f->now += 1000 * SECOND;
    in(f->ports, AT(RELOAD), 2);
    g_assert_cmpuint(f->barks, ==, 1);
}

/* The strap cannot be overridden; without it the bit is software's. */
static void test_no_reboot(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(tco_gcs(f->tco), ==, 0);
    tco_set_gcs(f->tco, UINT32_MAX);
    g_assert_cmphex(tco_gcs(f->tco), ==, TCO_GCS_NO_REBOOT);
    start(f, 4);
    tick(f, 8);
    g_assert_cmpuint(f->barks, ==, 0);
    g_assert_cmphex(in(f->ports, AT(STATUS2), 2), ==, 6);
    tco_set_gcs(f->tco, 0);
    g_assert_cmphex(tco_gcs(f->tco), ==, 0);
    tco_set_strap(f->tco, true);
    tco_set_gcs(f->tco, 0);
    g_assert_cmphex(tco_gcs(f->tco), ==, TCO_GCS_NO_REBOOT);
    start(f, 4);
    tick(f, 8);
    g_assert_cmpuint(f->barks, ==, 0);
}

/* Its own timer calls, too. */
static void test_time(Fixture *f, gconstpointer data)
{
    start(f, 4);
    while (!f->barks) {
        f->now += 3 * SECOND;
        g_main_context_iteration(NULL, TRUE);
    }
}

#define ADD(name, function) \
    g_test_add("/tco/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("registers", test_registers);
    ADD("patience", test_patience);
    ADD("strokes", test_strokes);
    ADD("not-counting", test_not_counting);
    ADD("late", test_late);
    ADD("no-reboot", test_no_reboot);
    ADD("time", test_time);
    return g_test_run();
}
