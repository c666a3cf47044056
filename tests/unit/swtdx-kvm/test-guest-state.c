/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AMX's state is a guest's after arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM), before the first vCPU. */
#include "fixture.h"

#include "../../../swtdx/host/kvm/host.h"

enum { GET_SUPP = 0x1021, REQ_PERM = 0x1023, GET_GUEST = 0x1024, REQ_GUEST = 0x1025 };

#define TILE_DATA UINT64_C(0x40000)
#define TILES UINT64_C(0x60000)

static uint64_t mask(Fixture *f, int option)
{
    uint64_t value = 0;
    g_assert_cmpint(kvm_host_prctl(f->host, option, (uintptr_t)&value), ==, 0);
    return value;
}

static int request(Fixture *f, uintptr_t component)
{
    return kvm_host_prctl(f->host, REQ_GUEST, component);
}

/* XCR0's tiles in KVM_GET_SUPPORTED_CPUID. */
static uint32_t offered(Fixture *f, uint32_t *size)
{
    g_autofree CpuidBuffer *c = g_new0(CpuidBuffer, 1);
    c->header.nent = 256;
    g_assert_cmpint(sys(f, KVM_GET_SUPPORTED_CPUID, (uintptr_t)c), ==, 0);
    const AbiCpuidEntry *e = cpuid_find(c->entries, c->header.nent, 0xd, 0);
    g_assert_nonnull(e);
    *size = e->ecx;
    return e->eax & (uint32_t)TILES;
}

static int set_state(Fixture *f, uint32_t xcr0)
{
    g_autofree CpuidBuffer *c = g_new0(CpuidBuffer, 1);
    c->header.nent = 4;
    c->entries[0] = (AbiCpuidEntry){ .function = 1, .ecx = 1u << 21 };
    c->entries[1] = (AbiCpuidEntry){ .function = 0xd, .flags = 1, .eax = xcr0 };
    c->entries[2] = (AbiCpuidEntry){ .function = 0x80000000, .eax = 0x80000008 };
    c->entries[3] = (AbiCpuidEntry){ .function = 0x80000008, .eax = 48u << 16 | 52 };
    return vcpu(f, KVM_SET_CPUID2, (uintptr_t)c);
}

static void test_options(void)
{
    Fixture *f = fixture_new(16, AT_HOST, NULL);
    for (int option = 0x1000; option < 0x1040; option++) {
        g_assert_cmpint(kvm_host_answers_prctl(option), ==,
                        option == GET_SUPP || option == GET_GUEST || option == REQ_GUEST);
    }
    g_assert_cmpint(kvm_host_prctl(f->host, REQ_PERM, 18), ==, -EINVAL);
    g_assert_cmphex(mask(f, GET_SUPP) & TILES, ==, TILES);
    g_assert_cmphex(mask(f, GET_GUEST), ==, mask(f, GET_SUPP) & ~TILE_DATA);
    g_assert_cmpint(kvm_host_prctl(f->host, GET_SUPP, 16), ==, -EFAULT);
    g_assert_cmpint(kvm_host_prctl(f->host, GET_GUEST, 16), ==, -EFAULT);
    for (unsigned i = 0; i < 18; i++) {
        g_assert_cmpint(request(f, i), ==, -EOPNOTSUPP);
    }
    g_assert_cmpint(request(f, 19), ==, -EINVAL);
    g_assert_cmpint(request(f, UINTPTR_MAX), ==, -EINVAL);
    g_assert_cmphex(mask(f, GET_GUEST) & TILE_DATA, ==, 0);
    g_assert_cmpint(request(f, 18), ==, 0);
    g_assert_cmpint(request(f, 18), ==, 0);
    g_assert_cmphex(mask(f, GET_GUEST), ==, mask(f, GET_SUPP));
    fixture_free(f);
}

/* Offered, and taken, after the permission alone. */
static void test_cpuid(void)
{
    for (unsigned asked = 0; asked < 2; asked++) {
        Fixture *f = fixture_new(16, AT_INIT, NULL);
        uint32_t size;
        g_assert_cmphex(offered(f, &size), ==, 0);
        g_assert_cmpuint(size, <=, 0xa88);
        g_assert_cmpint(sys(f, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2), ==, 4096);
        if (asked) {
            g_assert_cmpint(request(f, 18), ==, 0);
            g_assert_cmphex(offered(f, &size), ==, TILES);
            g_assert_cmpuint(size, ==, 0x2b00);
            g_assert_cmpint(sys(f, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2), ==, 0x2b00);
        }
        fixture_go_on(f, AT_INIT, AT_VCPU);
        g_assert_cmpint(set_state(f, 0xe7), ==, 0);
        g_assert_cmpint(set_state(f, 0x602e7), ==, asked ? 0 : -EPERM);
        /* the first vCPU settles it */
        g_assert_cmpint(request(f, 18), ==, asked ? 0 : -EBUSY);
        g_assert_cmpint(set_state(f, 0x602e7), ==, asked ? 0 : -EPERM);
        fixture_free(f);
    }
}

/* A processor without AMX, or a kernel that keeps it to itself. */
static void test_without(void)
{
    Fixture *f = fixture_new(16, AT_HOST, NULL);
    f->profile.xcr0 &= ~TILES;
    g_assert_cmphex(mask(f, GET_SUPP) & TILES, ==, 0);
    g_assert_cmpint(request(f, 18), ==, -EOPNOTSUPP);
    fixture_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-kvm/guest-state/options", test_options);
    g_test_add_func("/swtdx-kvm/guest-state/cpuid", test_cpuid);
    g_test_add_func("/swtdx-kvm/guest-state/without", test_without);
    return g_test_run();
}
