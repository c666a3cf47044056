/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -accel qtest: the machine stands still but for what a test's program does to it. */
#include "hw/i386/q35.h"
#include "system/guest.h"
#include "util/bytes.h"

typedef struct QtestGuest {
    Guest guest;
    AddressSpace *memory;
} QtestGuest;

static bool qtest_guest_launch(Guest *guest, GError **errp)
{
    return true;
}

static void nothing(Guest *guest)
{
}

/*
 * There are no local APICs: a device's message is the write to memory that it is on the bus, so
 * that a test sees those that it sent to RAM. To a device a message does nothing.
 */
static bool qtest_guest_signal_msi(Guest *guest, uint64_t address, uint32_t data)
{
    uint8_t *ram = address_space_ram(((QtestGuest *)guest)->memory, address, sizeof(data));

    if (ram) {
        store_le32(ram, data);
    }
    return ram;
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
    QtestGuest *guest = g_new0(QtestGuest, 1);

    guest->guest.ops = &qtest_guest_ops;
    guest->memory = env->machine->memory;
    return &guest->guest;
}
