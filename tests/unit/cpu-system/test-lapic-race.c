/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new timer setting that meets the old one's expiry on another thread is never lost. */
#include <glib.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "swtdx/host/lapic/lapic.h"

#define ROUNDS 20000
#define NEVER UINT64_MAX

typedef struct Race {
    Lapic lapic;
    _Atomic uint64_t armed;
    _Atomic unsigned turns; /* of the service thread's loop */
    _Atomic bool stop;
} Race;

static uint64_t clock_ns(void *opaque)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void notify(void *opaque, bool nmi)
{
}

static void arm(void *opaque, uint64_t deadline_ns)
{
    atomic_store(&((Race *)opaque)->armed, deadline_ns);
}

static uint64_t tsc_to_ns(void *opaque, uint64_t guest_tsc)
{
    return guest_tsc;
}

static void ipi(void *opaque, uint32_t dest, bool logical, unsigned shorthand, uint8_t vector,
                bool nmi)
{
}

static const LapicPort port = { notify, arm, clock_ns, clock_ns, tsc_to_ns, ipi };

/* What the service thread does with deadlines. */
static gpointer expire(gpointer opaque)
{
    Race *race = opaque;

    while (!atomic_load(&race->stop)) {
        atomic_fetch_add(&race->turns, 1);
        uint64_t t = atomic_load(&race->armed);
        if (t <= clock_ns(race) && atomic_compare_exchange_strong(&race->armed, &t, NEVER)) {
            lapic_timer_expired(&race->lapic);
        } else {
            sched_yield(); /* with one processor, to the vCPU */
        }
    }
    return NULL;
}

/*
 * Takes interrupts until one comes at or after `deadline`. It is lost if none has come after a
 * whole turn of the service thread that began behind the deadline, however long that takes.
 */
static void wait_for_deadline(Race *race, uint64_t deadline, unsigned round)
{
    unsigned first = 0;
    bool past = false;

    for (;;) {
        unsigned turns = atomic_load(&race->turns);
        bool accepted = lapic_accept(&race->lapic) >= 0;
        /* after it: what came at the deadline is never taken for something earlier */
        uint64_t now = clock_ns(race);
        if (accepted) {
            g_assert_true(lapic_write(&race->lapic, 0x80b, 0));
            if (now >= deadline) {
                return;
            }
        }
        if (!past && now > deadline) {
            past = true;
            first = atomic_load(&race->turns);
        } else if (past && !accepted && turns - first > 2) {
            g_error("the deadline of round %u never expired", round);
        }
        if (!accepted) {
            sched_yield();
        }
    }
}

static void test_deadline(void)
{
    g_autofree Race *race = g_new0(Race, 1);

    atomic_store(&race->armed, NEVER);
    lapic_init(&race->lapic, 0, &port, race);
    g_assert_true(lapic_write(&race->lapic, 0x80f, 0x1ff));
    g_assert_true(lapic_write(&race->lapic, 0x832, 0x40 | 2u << 17)); /* TSC deadline, vector 40h */
    GThread *service = g_thread_new("service", expire, race);
    for (unsigned round = 0; round < ROUNDS; round++) {
        /*
         * The first expires at once, about when the second is set: the second must come all the
         * same.
         */
        g_assert_true(lapic_write(&race->lapic, 0x6e0, clock_ns(race)));
        for (volatile unsigned spin = 0; spin < round % 400; spin++) {
            continue;
        }
        uint64_t deadline = clock_ns(race) + 10000;
        g_assert_true(lapic_write(&race->lapic, 0x6e0, deadline));
        wait_for_deadline(race, deadline, round);
    }
    atomic_store(&race->stop, true);
    g_thread_join(service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lapic/race/deadline", test_deadline);
    return g_test_run();
}
