/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ordinary ioctls: capabilities per descriptor, ENABLE_CAP, slots, attributes, guest_memfd, vCPU
 * refusals, interrupts.
 */
#include <linux/falloc.h>
#include <sys/eventfd.h>

#include "../../../swtdx/host/kvm/host.h"
#include "fixture.h"

static void test_extensions(void)
{
    static const struct { const char *label; uint32_t minor, cap; int system, td; } rows[] = {
        { "VM_TYPES", 16, ABI_CAP_VM_TYPES, 0x21, 0x21 },
        { "MAX_VCPUS", 16, KVM_CAP_MAX_VCPUS, 1024, 16 },
        { "NR_VCPUS", 16, KVM_CAP_NR_VCPUS, 16, 16 }, { "SMM", 16, KVM_CAP_X86_SMM, 1, 0 },
        { "READONLY_MEM", 16, KVM_CAP_READONLY_MEM, 1, 0 },
        { "SYNC_REGS", 16, KVM_CAP_SYNC_REGS, 7, 0 },
        { "address spaces", 16, KVM_CAP_MULTI_ADDRESS_SPACE, 2, 1 },
        { "attributes", 16, ABI_CAP_MEMORY_ATTRIBUTES, 8, 8 },
        { "GUEST_MEMFD", 16, ABI_CAP_GUEST_MEMFD, 1, 1 },
        { "GUEST_MEMFD_FLAGS 6.16", 16, ABI_CAP_GUEST_MEMFD_FLAGS, 0, 0 },
        { "GUEST_MEMFD_FLAGS 6.18", 18, ABI_CAP_GUEST_MEMFD_FLAGS, 3, 1 },
        { "bus cycles", 16, ABI_CAP_X86_APIC_BUS_CYCLES_NS, 1, 1 },
        { "X2APIC_API 6.16", 16, KVM_CAP_X2APIC_API, 3, 3 },
        { "X2APIC_API 6.19", 19, KVM_CAP_X2APIC_API, 0xf, 0xb },
        { "EXIT_HYPERCALL", 16, KVM_CAP_EXIT_HYPERCALL, 0x1000, 0x1000 },
        { "clock", 16, KVM_CAP_CLOCKSOURCE, 1, 1 }, { "VAPIC", 16, KVM_CAP_VAPIC, 1, 1 },
        { "shadow cache", 16, KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1, 1 },
        { "PCI segment", 16, KVM_CAP_PCI_SEGMENT, 1, 1 },
        { "async page faults", 16, KVM_CAP_ASYNC_PF_INT, 1, 1 },
        { "last CPU", 16, KVM_CAP_LAST_CPU, 1, 1 },
        { "unknown", 16, 9999, 0, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture *f = fixture_new(rows[i].minor, AT_VM, NULL);
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(sys(f, KVM_CHECK_EXTENSION, rows[i].cap), ==, rows[i].system);
        g_assert_cmpint(vm(f, KVM_CHECK_EXTENSION, rows[i].cap), ==, rows[i].td);
        fixture_free(f);
    }
}

static void test_enable_cap(void)
{
    static const struct {
        const char *label;
        uint32_t major, minor, cap;
        uint64_t arg;
        int before, after;
    } rows[] = {
        /* before: on a fresh VM; after: with split irqchip */
        {"split, too many pins", 6, 16, KVM_CAP_SPLIT_IRQCHIP, 4097, -EINVAL, -EINVAL},
        {"split twice", 6, 16, KVM_CAP_SPLIT_IRQCHIP, 24, 0, -EEXIST},
        {"bus cycles", 6, 16, ABI_CAP_X86_APIC_BUS_CYCLES_NS, 40, -ENXIO, 0},
        {"bus cycles 0", 6, 16, ABI_CAP_X86_APIC_BUS_CYCLES_NS, 0, -EINVAL, -EINVAL},
        {"x2apic", 6, 16, KVM_CAP_X2APIC_API, 3, 0, 0},
        {"x2apic bit 2, old", 6, 16, KVM_CAP_X2APIC_API, 4, -EINVAL, -EINVAL},
        {"x2apic bit 2", 6, 19, KVM_CAP_X2APIC_API, 4, -EINVAL, 0},
        {"x2apic 4|8", 6, 19, KVM_CAP_X2APIC_API, 12, -EINVAL, -EINVAL},
        {"hypercall", 6, 16, KVM_CAP_EXIT_HYPERCALL, 0x1000, 0, 0},
        {"hypercall bits", 6, 16, KVM_CAP_EXIT_HYPERCALL, 0x1001, -EINVAL, -EINVAL},
        {"MAX_VCPUS", 6, 16, KVM_CAP_MAX_VCPUS, 4, -EINVAL, -EINVAL},
        {"max id", 6, 16, KVM_CAP_MAX_VCPU_ID, 4097, -EINVAL, -EINVAL},
        {"PMU 7.2", 7, 2, KVM_CAP_PMU_CAPABILITY, 0, -EINVAL, -EINVAL},
        {"PMU 7.2 off", 7, 2, KVM_CAP_PMU_CAPABILITY, 1, 0, 0},
        {"PMU 6.16", 6, 16, KVM_CAP_PMU_CAPABILITY, 0, 0, 0},
        {"copy context", 6, 16, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, 0, -EINVAL, -EINVAL},
        {"unknown", 6, 16, 9999, 0, -EINVAL, -EINVAL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        Fixture *f = fixture_new_kernel(rows[i].major, rows[i].minor, AT_VM, NULL);
        g_assert_cmpint(enable(f, rows[i].cap, rows[i].arg), ==, rows[i].before);
        fixture_free(f);
        f = fixture_new_kernel(rows[i].major, rows[i].minor, AT_VM, NULL);
        g_assert_cmpint(enable(f, KVM_CAP_SPLIT_IRQCHIP, 24), ==, 0);
        g_assert_cmpint(enable(f, rows[i].cap, rows[i].arg), ==, rows[i].after);
        struct kvm_enable_cap e = { .cap = rows[i].cap, .flags = 1, .args = { rows[i].arg } };
        g_assert_cmpint(vm(f, KVM_ENABLE_CAP, (uintptr_t)&e), ==, -EINVAL);
        fixture_free(f);
    }
    Fixture *f = fixture_new(16, AT_VM, NULL); /* the boot CPU is one of those that there may be */
    g_assert_cmpint(vm(f, KVM_SET_BOOT_CPU_ID, 4097), ==, -EINVAL);
    g_assert_cmpint(vm(f, KVM_SET_BOOT_CPU_ID, 7), ==, 0);
    g_assert_cmpint(enable(f, KVM_CAP_MAX_VCPU_ID, 6), ==, -EINVAL);
    g_assert_cmpint(enable(f, KVM_CAP_MAX_VCPU_ID, 8), ==, 0);
    g_assert_cmpint(vm(f, KVM_SET_BOOT_CPU_ID, 9), ==, -EINVAL);
    fixture_free(f);
    f = fixture_new(16, AT_VM, NULL);
    g_assert_cmpint(vm(f, KVM_CREATE_IRQCHIP, 0), ==, 0); /* and then no vCPU can be made */
    fixture_free(f);
    f = fixture_new(18, AT_VM, NULL);
    g_assert_cmpint(vm(f, KVM_CREATE_IRQCHIP, 0), ==, -ENOTTY);
    g_assert_cmpint(vm(f, KVM_CREATE_PIT2, 0), ==, -ENOENT);
    fixture_free(f);
}

#define HVA UINT64_C(0x10000000)
#define GMEM 4u /* ABI_MEM_GUEST_MEMFD */

/*
 * fd: -1 the fixture's guest_memfd, -2 an open file of another kind, -3 closed, -4 another VM's, -5
 * a second guest_memfd
 */
typedef struct SlotRow {
    const char *label;
    uint32_t id, flags;
    uint64_t gpa, size, hva, offset;
    int fd, result;
} SlotRow;

/*
 * Slot 0 is [0, 64 KiB) with the whole guest_memfd; slot 1 is [1 MiB, +64 KiB), shared only, at
 * HVA.
 */
static const SlotRow slot_rows[] = {
    { "good, shared", 2, 0, 0x200000, 0x1000, HVA, 0, 0, 0 },
    { "good, private", 2, GMEM, 0x200000, 0x1000, HVA, 0, -5, 0 },
    { "id", 32764, 0, 0x200000, 0x1000, HVA, 0, 0, -EINVAL },
    { "address space 1", 0x10002, 0, 0x200000, 0x1000, HVA, 0, 0, -EINVAL },
    { "read only", 2, KVM_MEM_READONLY, 0x200000, 0x1000, HVA, 0, 0, -EINVAL },
    { "private with dirty log", 2, GMEM | KVM_MEM_LOG_DIRTY_PAGES, 0x200000, 0x1000, HVA, 0, -5,
      -EINVAL },
    { "flag 8", 2, 8, 0x200000, 0x1000, HVA, 0, 0, -EINVAL },
    { "size", 2, 0, 0x200000, 0x1001, HVA, 0, 0, -EINVAL },
    { "gpa", 2, 0, 0x200800, 0x1000, HVA, 0, 0, -EINVAL },
    { "hva", 2, 0, 0x200000, 0x1000, HVA + 1, 0, 0, -EINVAL },
    { "offset unaligned", 2, GMEM, 0x200000, 0x1000, HVA, 1, -5, -EINVAL },
    { "offset wraps", 2, GMEM, 0x200000, 0x2000, HVA, UINT64_MAX - 0xfff, -5, -EINVAL },
    { "gpa wraps", 2, 0, UINT64_MAX - 0xfff, 0x2000, HVA, 0, 0, -EINVAL },
    { "too many pages", 2, 0, 0, UINT64_C(1) << 43, HVA, 0, 0, -EINVAL },
    { "delete absent", 2, 0, 0, 0, 0, 0, 0, -EINVAL },
    { "delete", 1, 0, 0, 0, 0, 0, 0, 0 }, { "delete private", 0, 0, 0, 0, 0, 0, 0, 0 },
    { "overlap", 2, 0, 0x10f000, 0x2000, HVA, 0, 0, -EEXIST },
    { "move", 1, 0, 0x300000, 0x10000, HVA, 0, 0, 0 },
    { "move onto another", 1, 0, 0, 0x10000, HVA, 0, 0, -EEXIST },
    { "resize", 1, 0, 0x100000, 0x20000, HVA, 0, 0, -EINVAL },
    { "another hva", 1, 0, 0x100000, 0x10000, HVA + 0x1000, 0, 0, -EINVAL },
    { "make private", 1, GMEM, 0x100000, 0x10000, HVA, 0, -5, -EINVAL },
    { "move private", 0, GMEM, 0x400000, 0x10000, HVA, 0, -1, -EINVAL },
    { "fd closed", 2, GMEM, 0x200000, 0x1000, HVA, 0, -3, -EBADF },
    { "fd of another kind", 2, GMEM, 0x200000, 0x1000, HVA, 0, -2, -EINVAL },
    { "fd of another VM", 2, GMEM, 0x200000, 0x1000, HVA, 0, -4, -EINVAL },
    { "beyond its end", 2, GMEM, 0x200000, 0x20000, HVA, 0, -5, -EINVAL },
    { "bound twice", 2, GMEM, 0x200000, 0x1000, HVA, 0x3000, -1, -EINVAL },
    { "shared bit", 2, 0, UINT64_C(1) << 47, 0x1000, HVA, 0, 0, -EINVAL },
};

static void test_slots(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(slot_rows); i++) {
        const SlotRow *row = &slot_rows[i];
        g_test_message("%s", row->label);
        Fixture *f = fixture_new(16, AT_MEMORY, NULL);
        int own = f->vm, second = new_gmem(f, 0x10000, 0),
            other_vm = sys(f, KVM_CREATE_VM, ABI_VM_TDX);
        f->vm = other_vm;
        int theirs = new_gmem(f, 0x10000, 0);
        f->vm = own;
        AbiMemoryRegion2 one = { .slot = 1, .guest_phys_addr = 0x100000, .memory_size = 0x10000,
                                 .userspace_addr = HVA };
        g_assert_cmpint(vm(f, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&one), ==, 0);
        const int fds[] = { 0, f->gmem, f->kvm, 10000, theirs, second };
        AbiMemoryRegion2 r = { .slot = row->id, .flags = row->flags, .guest_phys_addr = row->gpa,
                               .memory_size = row->size,
                               .userspace_addr = row->hva, .guest_memfd_offset = row->offset,
                               .guest_memfd = (uint32_t)fds[-row->fd] };
        g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&r), ==, row->result);
        const int extra[] = { second, theirs, other_vm };
        for (size_t k = 0; k < G_N_ELEMENTS(extra); k++) {
            kvm_fd_forget(f->host, extra[k]);
            close(extra[k]);
        }
        fixture_free(f);
    }
}

/* Answers that changed between kernels, apart from capabilities. */
static void test_ages(void)
{
    static const struct {
        uint32_t major, minor;
        int exits, init_received, source_0, bound_twice;
    } ages[] = {
        {6, 16, 0xf, -EINVAL, -EFAULT, -EINVAL}, {6, 17, 0x1f, 0, -EFAULT, -EINVAL},
        {6, 19, 0x1f, 0, -EFAULT, -EINVAL},      {7, 0, 0x1f, 0, -EOPNOTSUPP, -EINVAL},
        {7, 2, 0x1f, 0, -EOPNOTSUPP, -EINVAL},   {7, 3, 0x1f, 0, -EINVAL, -EEXIST},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(ages); i++) {
        g_test_message("Linux %u.%u", ages[i].major, ages[i].minor);
        Fixture *f = fixture_new_kernel(ages[i].major, ages[i].minor, AT_MEMORY, NULL);
        struct kvm_mp_state mp = { KVM_MP_STATE_INIT_RECEIVED };
        AbiTdxInitMemRegion r = { 0, 0, 1 };
        AbiMemoryRegion2 region = { .slot = 9, .flags = ABI_MEM_GUEST_MEMFD,
                                    .guest_phys_addr = 0x1000000, .memory_size = 0x1000,
                                    .userspace_addr = (uintptr_t)f->ram,
                                    .guest_memfd = (uint32_t)f->gmem };
        g_assert_cmpint(vm(f, KVM_CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS), ==, ages[i].exits);
        g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&r), ==,
                        ages[i].source_0);
        g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==,
                        ages[i].bound_twice);
        g_assert_cmpint(vcpu(f, KVM_SET_MP_STATE, (uintptr_t)&mp), ==, ages[i].init_received);
        fixture_free(f);
    }
}

static void test_attributes(void)
{
    static const struct { const char *label; AbiMemoryAttributes attr; int result; } rows[] = {
        { "private", { 0x1000, 0x2000, 8, 0 }, 0 }, { "shared", { 0x1000, 0x2000, 0, 0 }, 0 },
        { "flags", { 0, 0x1000, 8, 1 }, -EINVAL },
        { "bits", { 0, 0x1000, 9, 0 }, -EINVAL }, { "size 0", { 0, 0, 8, 0 }, -EINVAL },
        { "wrap", { UINT64_MAX - 0xfff, 0x2000, 8, 0 }, -EINVAL },
        { "address", { 1, 0x1000, 8, 0 }, -EINVAL }, { "size", { 0, 0x1001, 8, 0 }, -EINVAL },
        { "a terabyte", { 0, UINT64_C(1) << 40, 8, 0 }, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        Fixture *f = fixture_new(16, AT_VM, NULL);
        g_assert_cmpint(vm(f, ABI_SET_MEMORY_ATTRIBUTES, (uintptr_t)&rows[i].attr), ==,
                        rows[i].result);
        fixture_free(f);
    }
}

/*
 * Random conversions against one flag per page; what the host thinks shows in KVM_PRE_FAULT_MEMORY:
 * -ENOENT shared, -EFAULT private.
 */
static void test_attribute_ranges(void)
{
    enum { PAGES = 64 };
    Fixture *f = fixture_new(16, AT_FINAL, NULL);
    bool private[PAGES] = { false };
    const uint64_t base = 0x1000000;
    for (unsigned round = 0; round < 300; round++) {
        unsigned start = (unsigned)g_test_rand_int_range(0, PAGES),
                 n = (unsigned)g_test_rand_int_range(1, (int)(PAGES - start) + 1);
        bool to = g_test_rand_bit();
        g_assert_cmpint(set_private(f, base + start * 4096, n * 4096, to), ==, 0);
        for (unsigned i = 0; i < n; i++) {
            private[start + i] = to;
        }
        for (unsigned i = 0; i < PAGES; i++) {
            AbiPreFault p = { base + i * 4096, 4096, 0, { 0 } };
            g_assert_cmpint(vcpu(f, ABI_PRE_FAULT_MEMORY, (uintptr_t)&p), ==,
                            private[i] ? -EFAULT : -ENOENT);
        }
    }
    fixture_free(f);
}

static void test_guest_memfd(void)
{
    Fixture *f = fixture_new(16, AT_MEMORY, NULL);
    static const struct { const char *label; uint64_t size, flags; } bad[] = {
        { "empty", 0, 0 }, { "unaligned", 0x1001, 0 }, { "negative", UINT64_C(1) << 63, 0 },
        { "flag", 0x1000, 1 }, { "unknown flag", 0x1000, 64 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("%s", bad[i].label);
        g_assert_cmpint(new_gmem(f, bad[i].size, bad[i].flags), ==, -EINVAL);
    }
    static const struct {
        const char *label;
        int mode;
        off_t offset, length;
        int result;
    } rows[] = {
        {"allocate", FALLOC_FL_KEEP_SIZE, 0, 0x10000, 0},
        {"punch", FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0x1000, 0x1000, 0},
        {"without KEEP_SIZE", 0, 0, 0x1000, -EOPNOTSUPP},
        {"zero range", FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE, 0, 0x1000, -EOPNOTSUPP},
        {"unaligned", FALLOC_FL_KEEP_SIZE, 1, 0x1000, -EINVAL},
        {"past the end", FALLOC_FL_KEEP_SIZE, 0x10000, 0x1000, -EINVAL},
        {"no length", FALLOC_FL_KEEP_SIZE, 0, 0, -EINVAL},
        {"negative", FALLOC_FL_KEEP_SIZE, -4096, 0x1000, -EINVAL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(kvm_fd_fallocate(f->host, f->gmem, rows[i].mode, rows[i].offset,
                                         rows[i].length),
                        ==, rows[i].result);
    }
    g_assert_cmpint(kvm_fd_mmap(f->host, f->gmem, NULL, 4096, PROT_READ, MAP_SHARED, 0), ==,
                    -ENODEV);
    g_assert_cmpint(kvm_fd_guest_memfd_size(f->host, f->gmem), ==, FIXTURE_RAM);
    /* once punched, a page may be added again; not before */
    AbiTdxInitMemRegion r = { (uintptr_t)f->ram, 0x2000, 1 };
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&r), ==, 0);
    /* closing the last descriptor empties it: later additions fail */
    kvm_fd_forget(f->host, f->gmem);
    close(f->gmem);
    f->gmem = -1;
    kvm_host_reap(f->host);
    r = (AbiTdxInitMemRegion){ (uintptr_t)f->ram, 0x3000, 1 };
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&r), ==, -EFAULT);
    fixture_free(f);
}

static void test_refused(void)
{
    static const struct { const char *label; unsigned long request; int result; } rows[] = {
        { "GET_REGS", KVM_GET_REGS, -EINVAL }, { "SET_REGS", KVM_SET_REGS, -EINVAL },
        { "GET_SREGS", KVM_GET_SREGS, -EINVAL },
        { "GET_SREGS2", KVM_GET_SREGS2, -EINVAL }, { "GET_FPU", KVM_GET_FPU, -EINVAL },
        { "GET_XSAVE", KVM_GET_XSAVE, -EINVAL },
        { "GET_XSAVE2", KVM_GET_XSAVE2, -EINVAL }, { "GET_XCRS", KVM_GET_XCRS, -EINVAL },
        { "GET_DEBUGREGS", KVM_GET_DEBUGREGS, -EINVAL },
        { "SET_GUEST_DEBUG", KVM_SET_GUEST_DEBUG, -EINVAL },
        { "GET_LAPIC", KVM_GET_LAPIC, -EINVAL }, { "SET_LAPIC", KVM_SET_LAPIC, -EINVAL },
        { "SMI", KVM_SMI, -ENOTTY }, { "SET_TSC_KHZ", KVM_SET_TSC_KHZ, -EINVAL },
        { "KVMCLOCK_CTRL", KVM_KVMCLOCK_CTRL, -EINVAL },
        { "NMI", KVM_NMI, 0 },
    };
    Fixture *f = fixture_new(16, AT_INIT_VCPU, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(vcpu(f, rows[i].request, 0), ==, rows[i].result);
    }
    g_autofree struct kvm_msrs *msrs = g_malloc0(sizeof(*msrs) + 3 * sizeof(struct kvm_msr_entry));
    msrs->nmsrs = 3;
    msrs->entries[0].index = 0x277;
    msrs->entries[1].index = 0x10;
    msrs->entries[2].index = 0x1b;
    g_assert_cmpint(vcpu(f, KVM_GET_MSRS, (uintptr_t)msrs), ==, 1); /* stops at the TSC */
    g_assert_cmphex(msrs->entries[0].data, ==, UINT64_C(0x0007040600070406));
    struct kvm_mp_state mp = { 2 };
    g_assert_cmpint(vcpu(f, KVM_SET_MP_STATE, (uintptr_t)&mp), ==, -EINVAL);
    g_assert_cmpint(vcpu(f, KVM_GET_MP_STATE, (uintptr_t)&mp), ==, 0);
    g_assert_cmpint(mp.mp_state, ==, KVM_MP_STATE_RUNNABLE);
    struct kvm_irqfd irqfd = { .fd = (uint32_t)eventfd(0, 0), .gsi = 1,
                               .flags = KVM_IRQFD_FLAG_RESAMPLE };
    g_assert_cmpint(vm(f, KVM_IRQFD, (uintptr_t)&irqfd), ==, -EINVAL);
    irqfd.flags = 0;
    g_assert_cmpint(vm(f, KVM_IRQFD, (uintptr_t)&irqfd), ==, 0);
    irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
    g_assert_cmpint(vm(f, KVM_IRQFD, (uintptr_t)&irqfd), ==, 0);
    close((int)irqfd.fd);
    struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 },
    none = { .address_lo = 0xfee05000, .data = 0x40 };
    g_assert_cmpint(vm(f, KVM_SIGNAL_MSI, (uintptr_t)&msi), ==, 1);
    g_assert_cmpint(vm(f, KVM_SIGNAL_MSI, (uintptr_t)&none), ==, -1);
    fixture_free(f);
}

/* Useless to a TD, but VMMs call them on every vCPU and end when they fail. */
static void test_apic_helpers(void)
{
    Fixture *f = fixture_new(16, AT_INIT_VCPU, NULL);
    struct kvm_tpr_access_ctl tpr = { .enabled = 1 };
    struct kvm_vapic_addr vapic = { 0 };
    g_assert_cmpint(vcpu(f, KVM_TPR_ACCESS_REPORTING, (uintptr_t)&tpr), ==, 0);
    tpr.flags = 1;
    g_assert_cmpint(vcpu(f, KVM_TPR_ACCESS_REPORTING, (uintptr_t)&tpr), ==, -EINVAL);
    g_assert_cmpint(vcpu(f, KVM_TPR_ACCESS_REPORTING, 0), ==, -EFAULT);
    g_assert_cmpint(vcpu(f, KVM_SET_VAPIC_ADDR, (uintptr_t)&vapic), ==, 0);
    vapic.vapic_addr = UINT64_C(1) << 45;
    g_assert_cmpint(vcpu(f, KVM_SET_VAPIC_ADDR, (uintptr_t)&vapic), ==, -EINVAL);
    g_assert_cmpint(vcpu(f, KVM_SET_VAPIC_ADDR, 0), ==, -EFAULT);
    uint64_t cap = 0;
    g_assert_cmpint(sys(f, KVM_X86_GET_MCE_CAP_SUPPORTED, (uintptr_t)&cap), ==, 0);
    g_assert_cmphex(cap, ==, 0x9000500); /* control, CMCI, software recovery, LMCE */
    fixture_free(f);
}

static void test_run(void)
{
    Fixture *f = fixture_new(16, AT_FINAL, NULL);
    intptr_t at = kvm_fd_mmap(f->host, f->vcpu, NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    g_assert_cmpint(at, >, 0);
    struct kvm_run *run = (struct kvm_run *)at;
    run->immediate_exit = 1;
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EINTR);
    run->immediate_exit = 0;
    run->kvm_valid_regs = 1;
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EINVAL);
    run->kvm_valid_regs = 0;
    /*
     * nothing at the reset vector: a private access outside any slot, first for want of the
     * attribute, then for good
     */
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EFAULT);
    g_assert_cmpint(run->exit_reason, ==, ABI_EXIT_MEMORY_FAULT);
    g_assert_cmphex(abi_run_memory_fault(run)->gpa, ==, 0xfffff000);
    g_assert_cmphex(abi_run_memory_fault(run)->flags, ==, 8);
    g_assert_cmphex(abi_run_memory_fault(run)->size, ==, 4096);
    g_assert_cmpint(set_private(f, 0xfffff000, 0x1000, true), ==, 0);
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EFAULT);
    /* a page that the guest did not accept, SEPT_VE_DISABLE set: the VM dies */
    int gmem = new_gmem(f, 4096, 0);
    AbiMemoryRegion2 r = { .slot = 9, .flags = ABI_MEM_GUEST_MEMFD, .guest_phys_addr = 0xfffff000,
                           .memory_size = 4096,
                           .userspace_addr = (uintptr_t)f->ram, .guest_memfd = (uint32_t)gmem };
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&r), ==, 0);
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EIO);
    g_assert_cmpint(vm(f, KVM_CHECK_EXTENSION, 0), ==, -EIO);
    munmap(run, 12288);
    kvm_unmapped(f->host, run, 12288);
    kvm_fd_forget(f->host, gmem);
    close(gmem);
    fixture_free(f);
}

/* Shadow stacks and indirect branch tracking are offered where KVM has their state. */
static void test_supported_cet(void)
{
    for (unsigned cet = 0; cet < 2; cet++) {
        Fixture *f = fixture_new(16, AT_HOST, NULL);
        CpuidBuffer *c = g_new0(CpuidBuffer, 1);
        const AbiCpuidEntry *leaf;
        f->profile.kvm_xss = cet ? 0x1800 : 0;
        c->header.nent = 256;
        g_assert_cmpint(sys(f, KVM_GET_SUPPORTED_CPUID, (uintptr_t)c), ==, 0);
        leaf = cpuid_find(c->entries, c->header.nent, 7, 0);
        g_assert_nonnull(leaf);
        g_assert_cmphex(leaf->ecx & 1u << 7, ==, cet ? 1u << 7 : 0);
        g_assert_cmphex(leaf->edx & 1u << 20, ==, cet ? 1u << 20 : 0);
        leaf = cpuid_find(c->entries, c->header.nent, 0xd, 1);
        g_assert_nonnull(leaf);
        g_assert_cmphex(leaf->ecx, ==, cet ? 0x1800 : 0);
        g_free(c);
        fixture_free(f);
    }
}

static void test_system(void)
{
    Fixture *f = fixture_new(16, AT_HOST, NULL);
    CpuidBuffer *c = g_new0(CpuidBuffer, 1);
    g_assert_cmpint(sys(f, KVM_GET_API_VERSION, 0), ==, 12);
    g_assert_cmpint(sys(f, KVM_GET_API_VERSION, 1), ==, -EINVAL);
    g_assert_cmpint(sys(f, KVM_CREATE_VM, 1), ==, -EINVAL);
    g_assert_cmpint(sys(f, KVM_CREATE_VM, 77), ==, -EINVAL);
    c->header.nent = 4;
    g_assert_cmpint(sys(f, KVM_GET_SUPPORTED_CPUID, (uintptr_t)c), ==, -E2BIG);
    c->header.nent = 256;
    g_assert_cmpint(sys(f, KVM_GET_SUPPORTED_CPUID, (uintptr_t)c), ==, 0);
    g_assert_cmpint(c->header.nent, >, 40);
    g_assert_cmpint(sys(f, KVM_GET_SUPPORTED_CPUID, 16), ==, -EFAULT);
    uint32_t list[256] = { 1 };
    g_assert_cmpint(sys(f, KVM_GET_MSR_INDEX_LIST, (uintptr_t)list), ==, -E2BIG);
    g_assert_cmpint(list[0], >, 20);
    g_assert_cmpint(sys(f, KVM_GET_MSR_INDEX_LIST, (uintptr_t)list), ==, 0);
    f->profile.tdx_enabled = 0;
    g_assert_cmpint(sys(f, KVM_CREATE_VM, ABI_VM_TDX), ==, -EINVAL);
    g_assert_cmpint(sys(f, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES), ==, 1);
    f->profile.dev_kvm_error = EACCES;
    g_assert_cmpint(kvm_host_open(f->host, O_RDWR), ==, -EACCES);
    g_free(c);
    fixture_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-kvm/system", test_system);
    g_test_add_func("/swtdx-kvm/system-cet", test_supported_cet);
    g_test_add_func("/swtdx-kvm/extensions", test_extensions);
    g_test_add_func("/swtdx-kvm/enable-cap", test_enable_cap);
    g_test_add_func("/swtdx-kvm/slots", test_slots);
    g_test_add_func("/swtdx-kvm/ages", test_ages);
    g_test_add_func("/swtdx-kvm/attributes", test_attributes);
    g_test_add_func("/swtdx-kvm/attribute-ranges", test_attribute_ranges);
    g_test_add_func("/swtdx-kvm/guest-memfd", test_guest_memfd);
    g_test_add_func("/swtdx-kvm/refused", test_refused);
    g_test_add_func("/swtdx-kvm/apic-helpers", test_apic_helpers);
    g_test_add_func("/swtdx-kvm/run", test_run);
    return g_test_run();
}
