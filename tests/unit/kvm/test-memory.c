/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /dev/kvm, VMs and memory slots against an invented kernel: errors, leaks, conversions. */
#include <errno.h>
#include <string.h>

#include "accel/kvm/kvm.h"
#include "fake-kvm.h"

#define HOST ((uint8_t *)0x100000000)

static void expect_error(GError **error, const char *part)
{
    g_assert_nonnull(*error);
    if (!strstr((*error)->message, part)) {
        g_error("\"%s\" lacks \"%s\"", (*error)->message, part);
    }
    g_clear_error(error);
}

static void test_open_errors(void)
{
    static const struct {
        const char *label, *op, *message;
        int error;
    } rows[] = {
        { "absent", "open", "Could not access KVM kernel module: No such file or directory\nThere "
                            "is no KVM here", ENOENT },
        { "no module", "open", "modprobe kvm_intel", ENODEV },
        { "denied", "open", "Permission denied\nGive this user access", EACCES },
        { "version", "GET_API_VERSION", "KVM_GET_API_VERSION failed: Invalid argument", EINVAL },
        { "run size", "GET_VCPU_MMAP_SIZE", "KVM_GET_VCPU_MMAP_SIZE failed: Invalid argument",
          EINVAL },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        GError *error = NULL;

        g_test_message("%s", rows[i].label);
        fake_reset();
        fake_fail(rows[i].op, 1, 1, rows[i].error, 0);
        g_assert_null(kvm_open(&error));
        expect_error(&error, rows[i].message);
        g_assert_cmpuint(fake_open_fds(), ==, 0);
    }
    fake_reset();
    fake.run_size = 100;
    g_assert_null(kvm_open(NULL));
    fake_reset();
    fake.api_version = 11;
    g_assert_null(kvm_open(NULL));
    g_assert_cmpuint(fake_open_fds(), ==, 0);
}

static void test_supported_cpuid_grows(void)
{
    fake_reset();
    fake.supported_cpuid = 200;
    Kvm *kvm = kvm_open(NULL);
    g_autoptr(CpuidTable) table = kvm_supported_cpuid(kvm, NULL);

    g_assert_cmpuint(cpuid_table_size(table), ==, 200);
    g_assert_cmphex(cpuid_table_at(table, 7)->regs[CPUID_EAX], ==, 0x1007);
    g_assert_cmpuint(fake_count("GET_SUPPORTED_CPUID"), ==, 2);

    GError *error = NULL;
    fake_fail("GET_SUPPORTED_CPUID", 3, 1, ENOMEM, 0);
    g_assert_null(kvm_supported_cpuid(kvm, &error));
    expect_error(&error, "KVM_GET_SUPPORTED_CPUID failed: ");
    fake.supported_cpuid = 5000;
    g_assert_null(kvm_supported_cpuid(kvm, &error));
    expect_error(&error, "more than 4096");
    kvm_close(kvm);
    g_assert_cmpuint(fake_open_fds(), ==, 0);
}

typedef struct Fixture {
    Kvm *kvm;
    KvmVm *vm;
} Fixture;

static Fixture setup(void)
{
    Fixture fixture;

    fake_reset();
    fixture.kvm = kvm_open(NULL);
    fixture.vm = kvm_vm_new(fixture.kvm, KVM_X86_TDX_VM, NULL);
    g_assert_nonnull(fixture.vm);
    return fixture;
}

static void teardown(Fixture fixture)
{
    kvm_vm_free(fixture.vm);
    kvm_close(fixture.kvm);
    g_assert_cmpuint(fake_open_fds(), ==, 0);
    g_assert_cmpuint(fake_mappings(), ==, 0);
}

static void expect_calls(const char *expected)
{
    g_autofree char *calls = fake_calls();

    g_assert_cmpstr(calls, ==, expected);
    fake_forget_calls();
}

static void test_add_memory(void)
{
    Fixture f = setup();

    fake_forget_calls();
    g_assert_true(kvm_vm_add_memory(f.vm, "low", 0, 2 * GiB, HOST, true, NULL));
    g_assert_true(kvm_vm_add_memory(f.vm, "shared", 0xfe000000, MiB, HOST + 4 * GiB, false, NULL));
    expect_calls("CREATE_GUEST_MEMFD cloexec SET_USER_MEMORY_REGION2(0,0x0+0x80000000,4) "
                 "SET_USER_MEMORY_REGION2(1,0xfe000000+0x100000,0) ");
    g_assert_true(kvm_vm_has_private_memory(f.vm, 0, 2 * GiB));
    g_assert_true(kvm_vm_has_private_memory(f.vm, 2 * GiB - 4096, 4096));
    g_assert_false(kvm_vm_has_private_memory(f.vm, 2 * GiB - 4096, 8192));
    g_assert_false(kvm_vm_has_private_memory(f.vm, 2 * GiB, 4096));
    g_assert_false(kvm_vm_has_private_memory(f.vm, 0xfe000000, 4096));
    g_assert_false(kvm_vm_has_private_memory(f.vm, UINT64_MAX - 4095, 4096));
    teardown(f);
}

static void test_add_memory_errors(void)
{
    static const struct {
        const char *label, *op;
        int error;
        hwaddr gpa;
        uint64_t size;
        const char *message;
    } rows[] = {
        { "memfd: memory", "CREATE_GUEST_MEMFD", ENOMEM, 0x10000000, MiB, "guest_memfd" },
        { "memfd: too many", "CREATE_GUEST_MEMFD", EMFILE, 0x10000000, MiB, "guest_memfd" },
        { "cloexec", "cloexec", EBADF, 0x10000000, MiB, "guest_memfd" },
        { "slot: overlap", "SET_USER_MEMORY_REGION2", EEXIST, 0x10000000, MiB,
          "KVM_SET_USER_MEMORY_REGION2 for memory 'new'" },
        { "slot: refused", "SET_USER_MEMORY_REGION2", EINVAL, 0x10000000, MiB,
          "at 0x10000000, size 0x100000" },
        { "empty", NULL, 0, 0x10000000, 0, "whole 4 KiB pages" },
        { "half a page", NULL, 0, 0x10000000, 2048, "whole 4 KiB pages" },
        { "unaligned", NULL, 0, 0x10000800, 4096, "whole 4 KiB pages" },
        { "wraps", NULL, 0, UINT64_MAX - 4095, 8192, "whole 4 KiB pages" },
        { "overlap", NULL, 0, 0xff000, 8192, "overlaps 'first'" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture f = setup();
        GError *error = NULL;

        g_test_message("%s", rows[i].label);
        g_assert_true(kvm_vm_add_memory(f.vm, "first", 0, MiB, HOST, true, NULL));
        unsigned before = fake_open_fds();
        if (rows[i].op) {
            fake_fail(rows[i].op, 2, 1, rows[i].error, 0);
        }
        g_assert_false(
            kvm_vm_add_memory(f.vm, "new", rows[i].gpa, rows[i].size, HOST + GiB, true, &error));
        expect_error(&error, rows[i].message);
        g_assert_cmpuint(fake_open_fds(), ==, before);
        teardown(f);
    }
}

static void test_convert(void)
{
    Fixture f = setup();

    kvm_vm_add_memory(f.vm, "low", 0, 2 * GiB, HOST, true, NULL);
    kvm_vm_add_memory(f.vm, "device", 0xf0000000, MiB, HOST + 8 * GiB, false, NULL);
    kvm_vm_add_memory(f.vm, "high", 4 * GiB, 3 * GiB, HOST + 2 * GiB, true, NULL);
    fake_forget_calls();

    /* Whole memory at launch: one call */
    g_assert_cmpint(kvm_vm_convert(f.vm, 0, 2 * GiB, true), ==, 0);
    expect_calls("SET_MEMORY_ATTRIBUTES(0x0+0x80000000,8) discard(2147483648) ");
    g_assert_cmpint(kvm_vm_convert(f.vm, 0x200000, 0x3000, false), ==, 0);
    expect_calls("SET_MEMORY_ATTRIBUTES(0x200000+0x3000,0) punch(0x200000+0x3000) ");
    g_assert_cmpint(kvm_vm_convert(f.vm, 0x201000, 0x1000, true), ==, 0);
    expect_calls("SET_MEMORY_ATTRIBUTES(0x201000+0x1000,8) discard(4096) ");

    /*
     * A share in memory nobody spoke of: its step becomes private first, or a later private fault
     * would take the page back
     */
    g_assert_cmpint(kvm_vm_convert(f.vm, 5 * GiB + 0x1000, 0x1000, false), ==, 0);
    expect_calls("SET_MEMORY_ATTRIBUTES(0x140000000+0x40000000,8) "
                 "SET_MEMORY_ATTRIBUTES(0x140001000+0x1000,0) punch(0x40001000+0x1000) ");
    /* Two steps, one of them settled */
    g_assert_cmpint(kvm_vm_convert(f.vm, 5 * GiB - 0x1000, 0x2000, false), ==, 0);
    expect_calls("SET_MEMORY_ATTRIBUTES(0x100000000+0x40000000,8) "
                 "SET_MEMORY_ATTRIBUTES(0x13ffff000+0x2000,0) punch(0x3ffff000+0x2000) ");

    /* Only what has a private half is touched, in each slot its own part */
    g_assert_cmpint(kvm_vm_convert(f.vm, 0xf0000000, 0x2000, true), ==, 0);
    g_assert_cmpint(kvm_vm_convert(f.vm, 3 * GiB, 0x2000, false), ==, 0);
    g_assert_cmpint(kvm_vm_convert(f.vm, 1 * TiB, 4 * TiB, false), ==, 0);
    expect_calls("");
    g_assert_cmpint(kvm_vm_convert(f.vm, 2 * GiB - 0x1000, 2 * GiB + 0x2000, true), ==, 0);
    expect_calls("SET_MEMORY_ATTRIBUTES(0x7ffff000+0x1000,8) discard(4096) "
                 "SET_MEMORY_ATTRIBUTES(0x100000000+0x1000,8) discard(4096) ");
    teardown(f);
}

static void test_convert_errors(void)
{
    static const struct {
        const char *label;
        hwaddr gpa;
        uint64_t size;
    } rows[] = {
        { "empty", 0, 0 }, { "unaligned address", 0x800, 4096 }, { "unaligned size", 0, 100 },
        { "wraps", UINT64_MAX - 4095, 8192 },
        { "wraps far", 4096, UINT64_MAX - 4095 },
    };
    Fixture f = setup();

    kvm_vm_add_memory(f.vm, "low", 0, 2 * GiB, HOST, true, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        fake_forget_calls();
        g_assert_cmpint(kvm_vm_convert(f.vm, rows[i].gpa, rows[i].size, true), ==, -EINVAL);
        expect_calls("");
    }
    /*
     * The kernel's refusal is the caller's, and nothing is discarded; an interrupted call is
     * repeated
     */
    fake_fail("SET_MEMORY_ATTRIBUTES", 1, 1, ENOMEM, 0);
    g_assert_cmpint(kvm_vm_convert(f.vm, 0, 2 * GiB, true), ==, -ENOMEM);
    g_assert_cmpuint(fake_count("discard"), ==, 0);
    fake_fail("SET_MEMORY_ATTRIBUTES", 2, 2, EINTR, 0);
    g_assert_cmpint(kvm_vm_convert(f.vm, 0, 2 * GiB, true), ==, 0);
    g_assert_cmpuint(fake_count("SET_MEMORY_ATTRIBUTES"), ==, 4);
    /* Memory that is not given back is no failure */
    fake_fail("discard", 2, 1, EINVAL, 0);
    g_assert_cmpint(kvm_vm_convert(f.vm, 0, 4096, true), ==, 0);
    teardown(f);
}

static void test_vm_errors(void)
{
    GError *error = NULL;

    fake_reset();
    Kvm *kvm = kvm_open(NULL);
    fake_fail("CREATE_VM", 1, 1, EINTR, 0); /* repeated */
    fake_fail("CREATE_VM", 3, 1, ENOMEM, 0);
    KvmVm *vm = kvm_vm_new(kvm, 5, &error);
    g_assert_nonnull(vm);
    g_assert_null(kvm_vm_new(kvm, 5, &error));
    expect_error(&error, "KVM_CREATE_VM for VM type 5 failed");

    fake_fail("ENABLE_CAP", 1, 1, EINVAL, 0);
    g_assert_false(kvm_vm_enable_cap(vm, 121, 24, "KVM_CAP_SPLIT_IRQCHIP", &error));
    expect_error(&error, "KVM_CAP_SPLIT_IRQCHIP = 0x18 failed");
    fake_fail("CREATE_VCPU", 1, 1, EEXIST, 0);
    g_assert_null(kvm_vcpu_new(vm, 3, &error));
    expect_error(&error, "vCPU id 3");
    fake_fail("mmap", 1, 1, ENOMEM, 0);
    g_assert_null(kvm_vcpu_new(vm, 3, &error));
    expect_error(&error, "run page of vCPU id 3");
    g_assert_true(kvm_vm_signal_msi(vm, 0xfee00000, 0x40));
    fake_fail("SIGNAL_MSI", 2, 1, EINVAL, 0);
    g_assert_false(kvm_vm_signal_msi(vm, 0xfee00000, 0x40));
    g_assert_cmpuint(fake_open_fds(), ==, 2);
    kvm_vm_free(vm);
    kvm_close(kvm);
    g_assert_cmpuint(fake_open_fds(), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/open/errors", test_open_errors);
    g_test_add_func("/kvm/open/supported-cpuid", test_supported_cpuid_grows);
    g_test_add_func("/kvm/vm/errors", test_vm_errors);
    g_test_add_func("/kvm/memory/add", test_add_memory);
    g_test_add_func("/kvm/memory/add-errors", test_add_memory_errors);
    g_test_add_func("/kvm/memory/convert", test_convert);
    g_test_add_func("/kvm/memory/convert-errors", test_convert_errors);
    return g_test_run();
}
