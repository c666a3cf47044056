/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -accel qtest: the machine stands still but for what a test's program does to it. */
#include "system/guest.h"

static bool qtest_guest_launch(Guest *guest, GError **errp)
{
    return true;
}

static void nothing(Guest *guest)
{
}

/* There are no local APICs: a device's message goes nowhere. */
static bool qtest_guest_signal_msi(Guest *guest, uint64_t address, uint32_t data)
{
    return false;
}

static unsigned qtest_guest_num_vcpus(Guest *guest)
{
    return 0;
}

static int qtest_guest_thread_id(Guest *guest, unsigned vcpu)
{
    return 0;
}

static const struct CpuidTable *qtest_guest_cpuid(Guest *guest)
{
    return NULL;
}

static void qtest_guest_free(Guest *guest)
{
    g_free(guest);
}

static const GuestOps qtest_guest_ops = {
    .launch = qtest_guest_launch,
    .end = nothing,
    .resume = nothing,
    .pause = nothing,
    .signal_msi = qtest_guest_signal_msi,
    .num_vcpus = qtest_guest_num_vcpus,
    .thread_id = qtest_guest_thread_id,
    .cpuid = qtest_guest_cpuid,
    .free = qtest_guest_free,
};

Guest *guest_qtest_new(const GuestEnv *env, GError **errp)
{
    Guest *guest = g_new0(Guest, 1);

    guest->ops = &qtest_guest_ops;
    return guest;
}
