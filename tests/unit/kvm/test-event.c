/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Eventfds and what a TD shares, against an invented kernel. */
#include <errno.h>

#include "accel/kvm/kvm.h"
#include "fake-kvm.h"

#define HOST ((uint8_t *)0x100000000)

typedef struct Fixture {
    Kvm *kvm;
    KvmVm *vm;
    EventPort port;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    fake_reset();
    f->kvm = kvm_open(NULL);
    f->vm = kvm_vm_new(f->kvm, KVM_X86_TDX_VM, NULL);
    f->port = kvm_vm_event_port(f->vm, data != NULL);
    fake_forget_calls();
}

static void tear_down(Fixture *f, gconstpointer data)
{
    kvm_vm_free(f->vm);
    kvm_close(f->kvm);
    g_assert_cmpuint(fake_open_fds(), ==, 0);
}

static void test_writes(Fixture *f, gconstpointer data)
{
    unsigned before = fake_count("IOEVENTFD");

    g_assert_true(event_assign_write(&f->port, 0x380000003000, 2, 7));
    event_release_write(&f->port, 0x380000003000, 2, 7);
    g_assert_cmpuint(fake_count("IOEVENTFD"), ==, before + 2);
    fake_fail("IOEVENTFD", before + 3, 1, ENOSPC, 0);
    g_assert_false(event_assign_write(&f->port, 0x380000003000, 2, 7));
    g_assert_false(event_assign_write(&(EventPort) { 0 }, 0, 2, 7));
    g_assert_false(event_assign_interrupt(NULL, 7, 0, 0));
}

static void test_interrupts(Fixture *f, gconstpointer data)
{
    g_assert_true(event_assign_interrupt(&f->port, 7, 0xfee00000, 0x41));
    g_assert_true(event_assign_interrupt(&f->port, 8, 0xfee00000, 0x42));
    g_assert_cmpuint(fake_count("SET_GSI_ROUTING"), ==, 2);
    g_assert_cmpuint(fake_count("IRQFD"), ==, 2);
    g_assert_true(event_assign_interrupt(&f->port, 7, 0xfee00000, 0x41)); /* nothing new */
    g_assert_cmpuint(fake_count("SET_GSI_ROUTING"), ==, 2);
    g_assert_true(event_assign_interrupt(&f->port, 7, 0xfee01000, 0x43)); /* another message */
    g_assert_cmpuint(fake_count("SET_GSI_ROUTING"), ==, 3);
    g_assert_cmpuint(fake_count("IRQFD"), ==, 2);
    event_release_interrupt(&f->port, 7);
    event_release_interrupt(&f->port, 7);
    event_release_interrupt(&f->port, 99);
    g_assert_cmpuint(fake_count("IRQFD"), ==, 3);
    g_assert_cmpuint(fake_count("SET_GSI_ROUTING"), ==, 4);
    fake_fail("IRQFD", 4, 1, EINVAL, 0);
    g_assert_false(event_assign_interrupt(&f->port, 9, 0xfee00000, 0x44));
    g_assert_true(event_assign_interrupt(&f->port, 9, 0xfee00000, 0x44));
    fake_fail("SET_GSI_ROUTING", fake_count("SET_GSI_ROUTING") + 1, 1, EINVAL, 0);
    g_assert_false(event_assign_interrupt(&f->port, 10, 0xfee00000, 0x45));
}

static void test_shared_memory(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        hwaddr gpa;
        uint64_t size;
        bool mapped;
    } rows[] = {
        { "shared page", 0x200000, 4096, true }, { "bytes in it", 0x200ff8, 8, true },
        { "all that is shared", 0x200000, 0x300000, true },
        { "one byte before", 0x1fffff, 2, false }, { "one byte behind", 0x4fffff, 2, false },
        { "private", 0, 1, false },
        { "across a step", GiB - 4096, 8192, true }, { "taken back", 0x500000, 4096, false },
        { "no memory", 2 * GiB, 1, false }, { "reaches out of memory", 2 * GiB - 1, 2, false },
        { "wraps", UINT64_MAX, 2, false }, { "memory without private half", 0xfe000000, MiB, true },
        { "nothing", 0x200000, 0, false },
    };

    g_assert_true(kvm_vm_add_memory(f->vm, "low", 0, 2 * GiB, HOST, true, NULL));
    g_assert_true(kvm_vm_add_memory(f->vm, "shared", 0xfe000000, MiB, HOST + 4 * GiB, false, NULL));
    g_assert_cmpint(kvm_vm_convert(f->vm, 0x200000, 0x400000, false), ==, 0);
    g_assert_cmpint(kvm_vm_convert(f->vm, 0x500000, 0x100000, true), ==, 0);
    g_assert_cmpint(kvm_vm_convert(f->vm, GiB - 4096, 8192, false), ==, 0);
    SharedMemoryPort port = kvm_vm_shared_memory(f->vm);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        uint8_t *host = shared_memory_map(&port, rows[i].gpa, rows[i].size);
        uint8_t *wanted = rows[i].gpa < 2 * GiB ? HOST + rows[i].gpa : HOST + 4 * GiB;
        g_assert_true(host == (rows[i].mapped ? wanted : NULL));
    }
    g_assert_null(shared_memory_map(NULL, 0, 1));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/kvm-event/writes", Fixture, NULL, set_up, test_writes, tear_down);
    g_test_add("/kvm-event/interrupts", Fixture, NULL, set_up, test_interrupts, tear_down);
    g_test_add("/kvm-event/interrupts/kernel-irqchip", Fixture, "irqchip", set_up, test_interrupts,
               tear_down);
    g_test_add("/kvm-event/shared-memory", Fixture, NULL, set_up, test_shared_memory, tear_down);
    return g_test_run();
}
