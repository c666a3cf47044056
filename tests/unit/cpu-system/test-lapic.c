/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local APIC: priorities, registers, timer with a clock of the test's own, IPIs. */
#include <glib.h>

#include "swtdx/host/lapic/lapic.h"

typedef struct Bench {
    Lapic lapic;
    uint64_t now, deadline;
    unsigned notified, nmis, ipis;
    uint32_t dest;
    bool logical, ipi_nmi;
    unsigned shorthand;
    uint8_t vector;
} Bench;

static void notify(void *opaque, bool nmi)
{
    Bench *b = opaque;
    b->notified++;
    b->nmis += nmi;
}

static void arm(void *opaque, uint64_t deadline_ns)
{
    ((Bench *)opaque)->deadline = deadline_ns;
}

static uint64_t now_ns(void *opaque)
{
    return ((Bench *)opaque)->now;
}

static uint64_t rdtsc(void *opaque)
{
    return ((Bench *)opaque)->now * 2; /* 2 GHz */
}

static uint64_t tsc_to_ns(void *opaque, uint64_t guest_tsc)
{
    return guest_tsc / 2;
}

static void ipi(void *opaque, uint32_t dest, bool logical, unsigned shorthand, uint8_t vector,
                bool nmi)
{
    Bench *b = opaque;
    b->ipis++;
    b->dest = dest;
    b->logical = logical;
    b->shorthand = shorthand;
    b->vector = vector;
    b->ipi_nmi = nmi;
}

static const LapicPort port = { notify, arm, now_ns, rdtsc, tsc_to_ns, ipi };

static Bench *bench_new(void)
{
    Bench *b = g_new0(Bench, 1);
    lapic_init(&b->lapic, 0x23, &port, b);
    b->lapic.bus_ns = 40;
    b->now = 1000000;
    b->deadline = UINT64_MAX;
    g_assert_true(lapic_write(&b->lapic, 0x80f, 0x1ff));
    return b;
}

static uint64_t reg(Bench *b, uint32_t index)
{
    uint64_t value = 0;
    g_assert_true(lapic_read(&b->lapic, index, &value));
    return value;
}

static void set(Bench *b, uint32_t index, uint64_t value)
{
    g_assert_true(lapic_write(&b->lapic, index, value));
}

static void test_priority(void)
{
    static const struct {
        const char *label;
        uint8_t service, tpr, request;
        int accepted;
        uint32_t ppr;
    } rows[] = {
        { "idle", 0, 0, 0x31, 0x31, 0 },
        { "TPR below", 0, 0x2f, 0x31, 0x31, 0x2f },
        { "TPR of the same class", 0, 0x30, 0x3f, -1, 0x30 },
        { "TPR above", 0, 0x40, 0x31, -1, 0x40 },
        { "in service below", 0x21, 0, 0x31, 0x31, 0x20 },
        { "in service, same class", 0x31, 0, 0x3f, -1, 0x30 },
        { "in service above", 0x41, 0, 0x31, -1, 0x40 },
        { "TPR beats service", 0x21, 0x50, 0x41, -1, 0x50 },
        { "equal classes: PPR is TPR", 0x31, 0x35, 0x41, 0x41, 0x35 },
        { "highest", 0, 0, 0xff, 0xff, 0 },
        { "TPR at most", 0, 0xff, 0xff, -1, 0xff },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree Bench *b = bench_new();
        g_test_message("%s", rows[i].label);
        if (rows[i].service) {
            lapic_post(&b->lapic, rows[i].service, false);
            g_assert_cmpint(lapic_accept(&b->lapic), ==, rows[i].service);
        }
        set(b, 0x808, rows[i].tpr);
        lapic_post(&b->lapic, rows[i].request, false);
        g_assert_cmphex(reg(b, 0x80a), ==, rows[i].ppr);
        g_assert_cmpint(lapic_pending(&b->lapic), ==, rows[i].accepted);
        g_assert_cmpint(lapic_accept(&b->lapic), ==, rows[i].accepted);
        g_assert_cmpint(lapic_accept(&b->lapic), ==, -1);
    }
}

static void test_eoi(void)
{
    g_autofree Bench *b = bench_new();
    unsigned before;
    lapic_post(&b->lapic, 0x31, false);
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x31);
    lapic_post(&b->lapic, 0x61, true);
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x61);
    lapic_post(&b->lapic, 0x32, false);
    g_assert_cmphex(reg(b, 0x811), ==, UINT64_C(1) << 17); /* ISR 31h */
    g_assert_cmphex(reg(b, 0x813), ==, 2);                 /* ISR 61h */
    g_assert_cmphex(reg(b, 0x81b), ==, 2);                 /* TMR 61h */
    g_assert_cmphex(reg(b, 0x821), ==, UINT64_C(1) << 18); /* IRR 32h */
    g_assert_cmpint(lapic_pending(&b->lapic), ==, -1);
    set(b, 0x80b, 0);
    g_assert_cmphex(reg(b, 0x80a), ==, 0x30);
    g_assert_cmpint(lapic_pending(&b->lapic), ==, -1);
    before = b->notified;
    set(b, 0x80b, 0);
    g_assert_cmpuint(b->notified, ==, before + 1);
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x32);
    set(b, 0x80b, 0);
    set(b, 0x80b, 0); /* nothing in service: no harm */
    g_assert_false(lapic_write(&b->lapic, 0x80b, 1));
}

static void test_lowering_tpr(void)
{
    g_autofree Bench *b = bench_new();
    unsigned before;
    set(b, 0x808, 0x80);
    lapic_post(&b->lapic, 0x51, false);
    before = b->notified;
    set(b, 0x808, 0x60);
    g_assert_cmpuint(b->notified, ==, before);
    set(b, 0x808, 0x20);
    g_assert_cmpuint(b->notified, ==, before + 1);
    g_assert_false(lapic_write(&b->lapic, 0x808, 0x100));
    lapic_post(&b->lapic, 15, false); /* not a vector */
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x51);
}

static void test_disabled(void)
{
    g_autofree Bench *b = bench_new();
    set(b, 0x832, 0x20031);
    set(b, 0x80f, 0xff);
    g_assert_cmphex(reg(b, 0x832), ==, 0x30031); /* masked */
    lapic_post(&b->lapic, 0x41, false);
    g_assert_cmpint(lapic_pending(&b->lapic), ==, -1);
    set(b, 0x832, 0x31);
    g_assert_cmphex(reg(b, 0x832), ==, 0x10031);
    set(b, 0x80f, 0x1ff);
    g_assert_cmpint(lapic_pending(&b->lapic), ==, 0x41);
}

static void test_registers(void)
{
    static const struct {
        const char *label;
        uint32_t index;
        bool read;
        uint64_t good, bad; /* values to write; ~0: none is */
    } rows[] = {
        { "id", 0x802, true, ~UINT64_C(0), 0 },
        { "version", 0x803, true, ~UINT64_C(0), 0 },
        { "PPR", 0x80a, true, ~UINT64_C(0), 0 },
        { "EOI", 0x80b, false, 0, 5 },
        { "LDR", 0x80d, true, ~UINT64_C(0), 0 },
        { "SIVR", 0x80f, true, 0x1ff, 0x1000 },
        { "IRR", 0x820, true, ~UINT64_C(0), 0 },
        { "ESR", 0x828, true, 0, 1 },
        { "CMCI", 0x82f, true, 0x10000, 0x20000 },
        { "ICR", 0x830, true, 0x40031, 0x100000 },
        { "timer", 0x832, true, 0x40031, 0x60031 },
        { "timer, reserved bit", 0x832, true, 0x31, 0x131 },
        { "LINT0", 0x835, true, 0x700, 0x40000 },
        { "error", 0x837, true, 0x33, 0x400 },
        { "initial count", 0x838, true, 5, UINT64_C(1) << 32 },
        { "current count", 0x839, true, ~UINT64_C(0), 0 },
        { "divide", 0x83e, true, 0xb, 4 },
        { "self IPI", 0x83f, false, 0x41, 0x100 },
        { "reserved 800h", 0x800, false, ~UINT64_C(0), 0 },
        { "DFR", 0x80e, false, ~UINT64_C(0), 0 },
        { "high half of the ICR", 0x831, false, ~UINT64_C(0), 0 },
        { "beyond", 0x840, false, ~UINT64_C(0), 0 },
        { "last", 0x8ff, false, ~UINT64_C(0), 0 },
        { "deadline", 0x6e0, true, 5, ~UINT64_C(0) },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree Bench *b = bench_new();
        uint64_t value;
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(lapic_read(&b->lapic, rows[i].index, &value), ==, rows[i].read);
        if (rows[i].good != ~UINT64_C(0)) {
            g_assert_true(lapic_write(&b->lapic, rows[i].index, rows[i].good));
        }
        if (rows[i].bad != ~UINT64_C(0)) {
            g_assert_false(lapic_write(&b->lapic, rows[i].index, rows[i].bad));
        }
    }
    g_autofree Bench *b = bench_new();
    g_assert_cmphex(reg(b, 0x802), ==, 0x23);
    g_assert_cmphex(reg(b, 0x803), ==, 0x60014);
    g_assert_cmphex(reg(b, 0x80d), ==, 0x20008);
}

static void expire(Bench *b, uint64_t at)
{
    b->now = at;
    lapic_timer_expired(&b->lapic);
}

static void test_one_shot(void)
{
    g_autofree Bench *b = bench_new();
    set(b, 0x832, 0x31);
    set(b, 0x83e, 3); /* by 16 */
    set(b, 0x838, 1000);
    g_assert_cmpuint(b->deadline, ==, 1000000 + 1000 * 16 * 40);
    b->now += 250 * 16 * 40 + 5;
    g_assert_cmpuint(reg(b, 0x839), ==, 750);
    lapic_timer_expired(&b->lapic); /* too early: armed again */
    g_assert_cmpint(lapic_pending(&b->lapic), ==, -1);
    expire(b, 1000000 + 1000 * 16 * 40);
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x31);
    b->now += 100000000;
    g_assert_cmpuint(reg(b, 0x839), ==, 0);
    g_assert_cmpuint(reg(b, 0x838), ==, 1000);

    set(b, 0x838, 1000);
    set(b, 0x838, 0);
    g_assert_cmpuint(b->deadline, ==, UINT64_MAX);
    lapic_timer_expired(&b->lapic);
    g_assert_cmpint(lapic_pending(&b->lapic), ==, -1);
}

/*
 * What has run out stays at 0 when the timer becomes periodic, whether its expiry was told in time
 * or not.
 */
static void test_run_out(void)
{
    for (unsigned late = 0; late < 2; late++) {
        g_autofree Bench *b = bench_new();
        set(b, 0x832, 0x31);
        set(b, 0x83e, 11);
        set(b, 0x838, 1000);
        b->now += 1000 * 40 + 7;
        if (!late) {
            lapic_timer_expired(&b->lapic);
        }
        set(b, 0x832, 0x20031);
        g_assert_cmpuint(reg(b, 0x839), ==, 0);
        b->now += 500 * 40;
        g_assert_cmpuint(reg(b, 0x839), ==, 0);
        lapic_timer_expired(&b->lapic);
        g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x31);
        set(b, 0x80b, 0);
        g_assert_cmpint(lapic_accept(&b->lapic), ==, -1);
        set(b, 0x83e, 0);
        g_assert_cmpuint(reg(b, 0x839), ==, 0);
        set(b, 0x838, 100);
        b->now += 230 * 40;
        g_assert_cmpuint(reg(b, 0x839), ==, 85);
    }
}

static void test_divide(void)
{
    static const struct { uint32_t code, by; } rows[] = {
        { 0, 2 }, { 1, 4 }, { 2, 8 }, { 3, 16 }, { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree Bench *b = bench_new();
        set(b, 0x83e, rows[i].code);
        set(b, 0x838, 0xffffffff);
        g_assert_cmpuint(b->deadline, ==, 1000000 + UINT64_C(0xffffffff) * rows[i].by * 40);
    }
    g_autofree Bench *b = bench_new(); /* changed on the way */
    set(b, 0x83e, 11);
    set(b, 0x838, 1000);
    b->now += 400 * 40;
    set(b, 0x83e, 0);
    g_assert_cmpuint(reg(b, 0x839), ==, 600);
    g_assert_cmpuint(b->deadline, ==, b->now + 600 * 2 * 40);
}

static void test_periodic(void)
{
    g_autofree Bench *b = bench_new();
    set(b, 0x832, 0x20041);
    set(b, 0x83e, 11);
    set(b, 0x838, 100);
    for (unsigned i = 1; i < 4; i++) {
        g_assert_cmpuint(b->deadline, ==, 1000000 + i * 4000);
        expire(b, b->deadline + 7);
        g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x41);
        set(b, 0x80b, 0);
    }
    expire(b, 1000000 + 10 * 4000 + 100); /* seven periods late: one interrupt */
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x41);
    g_assert_cmpuint(b->deadline, ==, 1000000 + 11 * 4000);
    g_assert_cmpuint(reg(b, 0x839), ==, 98);
    set(b, 0x832, 0x30041); /* masked: counts on in silence */
    set(b, 0x80b, 0);
    expire(b, b->deadline);
    g_assert_cmpint(lapic_pending(&b->lapic), ==, -1);
    g_assert_cmpuint(b->deadline, ==, 1000000 + 12 * 4000);
}

static void test_deadline(void)
{
    g_autofree Bench *b = bench_new();
    set(b, 0x6e0, 5000000); /* not in deadline mode: ignored */
    g_assert_cmpuint(b->deadline, ==, UINT64_MAX);
    g_assert_cmpuint(reg(b, 0x6e0), ==, 0);
    set(b, 0x832, 0x40051);
    set(b, 0x838, 5); /* ignored in this mode */
    g_assert_cmpuint(b->deadline, ==, UINT64_MAX);
    set(b, 0x6e0, 5000000);
    g_assert_cmpuint(b->deadline, ==, 2500000);
    g_assert_cmpuint(reg(b, 0x6e0), ==, 5000000);
    expire(b, 2400000);
    g_assert_cmpint(lapic_pending(&b->lapic), ==, -1);
    expire(b, 2500000);
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x51);
    g_assert_cmpuint(reg(b, 0x6e0), ==, 0);
    lapic_timer_expired(&b->lapic);
    g_assert_cmpint(lapic_pending(&b->lapic), ==, -1);
    set(b, 0x80b, 0);
    /* come already: the interrupt is there before anybody is asked for the time */
    set(b, 0x6e0, b->now * 2);
    g_assert_cmpuint(b->deadline, ==, UINT64_MAX);
    g_assert_cmpuint(reg(b, 0x6e0), ==, 0);
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x51);
    set(b, 0x6e0, 9000000);
    set(b, 0x832, 0x51); /* leaving the mode disarms */
    g_assert_cmpuint(b->deadline, ==, UINT64_MAX);
    set(b, 0x832, 0x40051);
    g_assert_cmpuint(reg(b, 0x6e0), ==, 0);
}

static void test_icr(void)
{
    static const struct {
        const char *label;
        uint64_t icr;
        bool sent, logical, nmi;
        unsigned shorthand;
    } rows[] = {
        { "fixed, physical", UINT64_C(0x0000000500000041), true, false, false, 0 },
        { "fixed, logical", UINT64_C(0x0000000500000841), true, true, false, 0 },
        { "NMI", UINT64_C(0x0000000500000400), true, false, true, 0 },
        { "others", UINT64_C(0x00000000000c0041), true, false, false, 3 },
        { "all", UINT64_C(0x0000000000080041), true, false, false, 2 },
        { "INIT", UINT64_C(0x0000000500000500), false, false, false, 0 },
        { "start-up", UINT64_C(0x0000000500000610), false, false, false, 0 },
        { "SMI", UINT64_C(0x0000000500000200), false, false, false, 0 },
        { "illegal vector", UINT64_C(0x0000000500000005), false, false, false, 0 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree Bench *b = bench_new();
        g_test_message("%s", rows[i].label);
        set(b, 0x830, rows[i].icr);
        g_assert_cmpuint(b->ipis, ==, rows[i].sent);
        if (rows[i].sent) {
            g_assert_cmphex(b->dest, ==, rows[i].icr >> 32);
            g_assert_cmpint(b->logical, ==, rows[i].logical);
            g_assert_cmpint(b->ipi_nmi, ==, rows[i].nmi);
            g_assert_cmpuint(b->shorthand, ==, rows[i].shorthand);
        }
        g_assert_cmphex(reg(b, 0x830), ==, rows[i].icr);
    }
}

static void test_self(void)
{
    g_autofree Bench *b = bench_new();
    set(b, 0x83f, 0x77);
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x77);
    set(b, 0x830, 0x40088); /* shorthand self */
    g_assert_cmpint(lapic_accept(&b->lapic), ==, 0x88);
    g_assert_cmpuint(b->ipis, ==, 0);
    set(b, 0x830, 0x40400); /* NMI to self */
    g_assert_cmpuint(b->nmis, ==, 1);
    g_assert_cmpuint(b->lapic.nmi_pending, ==, 1);
}

/*
 * Illegal vectors, sent or to be received, are dropped and leave no trace: KVM's local APIC knows
 * no errors.
 */
static void test_no_errors(void)
{
    g_autofree Bench *b = bench_new();
    set(b, 0x837, 0xfe); /* error interrupt */
    set(b, 0x83f, 3);
    set(b, 0x830, 0x40005);
    set(b, 0x830, 5);
    set(b, 0x832, 0);
    set(b, 0x834, 0);
    g_assert_cmphex(reg(b, 0x828), ==, 0);
    g_assert_cmpint(lapic_accept(&b->lapic), ==, -1);
    g_assert_cmpuint(b->ipis, ==, 0);
}

static void test_matches(void)
{
    static const struct {
        const char *label;
        uint32_t dest;
        bool logical, matches;
    } rows[] = {
        { "own id", 0x23, false, true },
        { "another", 0x24, false, false },
        { "broadcast", 0xffffffff, false, true },
        { "logical broadcast", 0xffffffff, true, true },
        { "logical, own bit", 0x20008, true, true },
        { "logical, many bits", 0x2ffff, true, true },
        { "logical, other bit", 0x20004, true, false },
        { "logical, other cluster", 0x10008, true, false },
        { "logical, no bit", 0x20000, true, false },
        { "id taken as logical", 0x23, true, false },
    };
    g_autofree Bench *b = bench_new();
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(lapic_matches(&b->lapic, rows[i].dest, rows[i].logical), ==,
                        rows[i].matches);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lapic/priority", test_priority);
    g_test_add_func("/lapic/eoi", test_eoi);
    g_test_add_func("/lapic/lowering-tpr", test_lowering_tpr);
    g_test_add_func("/lapic/disabled", test_disabled);
    g_test_add_func("/lapic/registers", test_registers);
    g_test_add_func("/lapic/one-shot", test_one_shot);
    g_test_add_func("/lapic/run-out", test_run_out);
    g_test_add_func("/lapic/divide", test_divide);
    g_test_add_func("/lapic/periodic", test_periodic);
    g_test_add_func("/lapic/deadline", test_deadline);
    g_test_add_func("/lapic/icr", test_icr);
    g_test_add_func("/lapic/self", test_self);
    g_test_add_func("/lapic/no-errors", test_no_errors);
    g_test_add_func("/lapic/matches", test_matches);
    return g_test_run();
}
