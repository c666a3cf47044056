/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMMs make a TD in different orders; KVM's rules leave much of the order open (kvm-tdx ABI 3.2).
 * Each order here ends in a TD with the same measurement that runs, or at the step that KVM
 * refuses.
 */
#include "fixture.h"

#include "../../../swtdx/host/kvm/host.h"

#define PAGES (FIXTURE_RAM / 4096)

static int split_add(Fixture *f)
{
    for (unsigned i = 0; i < PAGES; i++) {
        AbiTdxInitMemRegion r = { (uintptr_t)f->ram + i * 4096, i * 4096, 1 };
        int result = tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, ABI_TDX_MEASURE_MEMORY_REGION,
                         (uintptr_t)&r);
        if (result) {
            return result;
        }
    }
    return 0;
}

static int add(Fixture *f)
{
    AbiTdxInitMemRegion r = { (uintptr_t)f->ram, 0, PAGES };
    int result = tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, ABI_TDX_MEASURE_MEMORY_REGION,
                     (uintptr_t)&r);
    g_assert_cmpuint(r.nr_pages, ==, result ? PAGES : 0);
    return result;
}

static int add_slot(Fixture *f, uint32_t id, uint64_t gpa, uint64_t size, int gmem, uint64_t offset)
{
    AbiMemoryRegion2 r = { .slot = id, .flags = gmem < 0 ? 0 : ABI_MEM_GUEST_MEMFD,
                           .guest_phys_addr = gpa, .memory_size = size,
                           .userspace_addr = (uintptr_t)f->ram, .guest_memfd_offset = offset,
                           .guest_memfd = gmem < 0 ? 0 : (uint32_t)gmem };
    return vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&r);
}

/* Slot 0 is the first half, slot 1 the second, of one guest_memfd. */
static int slots(Fixture *f, bool two)
{
    f->gmem = f->gmem < 0 ? new_gmem(f, FIXTURE_RAM, 0) : f->gmem;
    g_assert_cmpint(f->gmem, >=, 0);
    uint64_t first = two ? FIXTURE_RAM / 2 : FIXTURE_RAM;
    int r = add_slot(f, 0, 0, first, f->gmem, 0);
    return r || !two ? r : add_slot(f, 1, first, first, f->gmem, first);
}

static int set_cpuid(Fixture *f)
{
    g_autofree CpuidBuffer *c = g_new0(CpuidBuffer, 1);
    c->header.nent = 3;
    c->entries[0] = (AbiCpuidEntry){ .function = 1, .ecx = 1u << 21 };
    c->entries[1] = (AbiCpuidEntry){ .function = 0x80000000, .eax = 0x80000008 };
    c->entries[2] = (AbiCpuidEntry){ .function = 0x80000008, .eax = 48u << 16 | 52 };
    return vcpu(f, KVM_SET_CPUID2, (uintptr_t)c);
}

static int get_cpuid(Fixture *f)
{
    g_autofree CpuidBuffer *c = g_new0(CpuidBuffer, 1);
    c->header.nent = 256;
    return tdx(f, f->vcpu, ABI_TDX_GET_CPUID, 0, (uintptr_t)c);
}

static int init_vm(Fixture *f)
{
    g_autofree InitBuffer *init = g_new0(InitBuffer, 1);
    fixture_init_params(init);
    return tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init);
}

static int create_vcpu(Fixture *f)
{
    int r = vm(f, KVM_CREATE_VCPU, 0);
    if (r < 0) {
        return r;
    }
    f->vcpu = r;
    return 0;
}

static int step(Fixture *f, char what)
{
    switch (what) {
    case 'S': return enable(f, KVM_CAP_SPLIT_IRQCHIP, 24);
    case 'B': return enable(f, ABI_CAP_X86_APIC_BUS_CYCLES_NS, 40);
    case 'X': return enable(f, KVM_CAP_X2APIC_API, 3);
    case 'H': return enable(f, KVM_CAP_EXIT_HYPERCALL, 0x1000);
    case 'T': return vm(f, KVM_SET_TSC_KHZ, 1000000);
    case 'I': return init_vm(f);
    case 'C': return create_vcpu(f);
    case 'G': return get_cpuid(f);
    case 'U': return set_cpuid(f);
    case 'N': return tdx(f, f->vcpu, ABI_TDX_INIT_VCPU, 0, 0);
    case 'M': return slots(f, false);
    case 'm': return slots(f, true);
    case 'P': return set_private(f, 0, FIXTURE_RAM, true);
    case 'p': return set_private(f, 0, FIXTURE_RAM, false);
    case 'A': return add(f);
    case 'a': return split_add(f);
    case 'F': return tdx(f, f->vm, ABI_TDX_FINALIZE_VM, 0, 0);
    default: g_assert_not_reached();
    }
}

/* All of them but the last must go well; its answer. */
static int steps(Fixture *f, const char *order)
{
    int r = 0;
    f->ram = mmap(NULL, FIXTURE_RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(f->ram != MAP_FAILED);
    memset(f->ram, 0x5a, FIXTURE_RAM);
    for (; *order; order++) {
        g_assert_cmpint(r, ==, 0);
        r = step(f, *order);
    }
    return r;
}

/* The reset vector has no memory: the vCPU gets so far, and KVM says what is missing. */
static void check_runs(Fixture *f)
{
    struct kvm_run *run = (void *)kvm_fd_mmap(f->host, f->vcpu, NULL, 12288, PROT_READ | PROT_WRITE,
                                              MAP_SHARED, 0);
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EFAULT);
    g_assert_cmpuint(run->exit_reason, ==, ABI_EXIT_MEMORY_FAULT);
    g_assert_cmphex(abi_run_memory_fault(run)->gpa, ==, 0xfffff000);
    munmap(run, 12288);
    kvm_unmapped(f->host, run, 12288);
}

static void test_good(void)
{
    static const struct { const char *who, *order; } rows[] = {
        { "kernel's document, and this project", "SBXHTICGUNMPAF" },
        { "memory before the TD (QEMU)", "SBXHMPICGUNAF" },
        { "memory first of all (libkrun)", "HSBMPICUNAF" },
        { "attributes before slots", "SBHPICUNMAF" },
        { "attributes changed and changed back", "SBHICUNMPpPAF" },
        { "two slots", "SBXHICUNmPAF" }, { "a page at a time", "SBXHICUNMPaF" },
        { "two slots, a page at a time", "SBXHICUNmPaF" },
        { "memory between vCPU and its CPUID", "SICMPUNAF" },
        { "capabilities last", "SICUNMPAXHF" }, { "capabilities after the end", "SICUNMPAFXH" },
        { "CPUID twice", "SICUUNUMPAF" }, { "only what must be", "SICUNMPAF" },
    };
    uint8_t first[48], mrtd[48];
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].who);
        Fixture *f = fixture_new(19, AT_VM, NULL);
        g_assert_cmpint(steps(f, rows[i].order), ==, 0);
        td_mrtd(f->host->vms->td, i ? mrtd : first);
        g_assert_true(!i || !memcmp(mrtd, first, sizeof(first)));
        check_runs(f);
        fixture_free(f);
    }
}

static void test_bad(void)
{
    static const struct { const char *order; int result; } rows[] = {
        { "SC", -EIO }, { "IC", -EINVAL }, { "SII", -EINVAL }, { "SF", -EINVAL }, { "B", -ENXIO },
        { "SS", -EEXIST }, { "SICS", -EEXIST }, { "SICB", -EINVAL }, { "SICT", -EINVAL },
        { "SICN", -EINVAL }, { "SICUNN", -EINVAL }, { "SICUMPA", -EINVAL }, { "SICUNPA", -EINVAL },
        { "SICUNMA", -EINVAL }, { "SICUNMPpA", -EINVAL }, { "SICUNMPAA", -EEXIST },
        { "SICUNMPAFF", -EINVAL }, { "SICUNMPFA", -EINVAL }, { "SICC", -EEXIST },
        { "SICUNMPAFC", -EIO }, { "SICUNMPAFN", -EINVAL }, { "SICUNMPAFG", -EINVAL },
        { "SICUNMPAFI", -EINVAL }, { "SICUNMM", -EINVAL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].order);
        Fixture *f = fixture_new(16, AT_VM, NULL);
        g_assert_cmpint(steps(f, rows[i].order), ==, rows[i].result);
        fixture_free(f);
    }
}

static int pre_fault(Fixture *f, uint64_t gpa, uint64_t size, uint64_t *left)
{
    AbiPreFault p = { gpa, size, 0, { 0 } };
    int r = vcpu(f, ABI_PRE_FAULT_MEMORY, (uintptr_t)&p);
    *left = p.size;
    return r;
}

/* Memory that comes and goes while the TD exists, as with a device's window or a balloon. */
static void test_later(void)
{
    Fixture *f = fixture_new(19, AT_VM, NULL);
    uint64_t left;
    g_assert_cmpint(steps(f, "SBXHICUNMPA"), ==, 0);
    g_assert_cmpint(pre_fault(f, 0, 0x1000, &left), ==, -EOPNOTSUPP);
    g_assert_cmpint(step(f, 'F'), ==, 0);
    g_assert_cmpint(pre_fault(f, 0, FIXTURE_RAM, &left), ==, 0);
    g_assert_cmpuint(left, ==, 0);
    g_assert_cmpint(pre_fault(f, 0x10000000, 0x1000, &left), ==, -ENOENT); /* would be a device */
    g_assert_cmpint(add_slot(f, 5, 0x10000000, 0x2000, -1, 0), ==, 0);
    g_assert_cmpint(pre_fault(f, 0x10000000, 0x2000, &left), ==, 0);
    g_assert_cmpint(set_private(f, 0x10000000, 0x1000, true), ==, 0);
    g_assert_cmpint(pre_fault(f, 0x10000000, 0x1000, &left), ==, -EFAULT); /* no private half */
    g_assert_cmpint(set_private(f, 0x10000000, 0x1000, false), ==, 0);
    g_assert_cmpint(pre_fault(f, 0x10000000, 0x2000, &left), ==, 0);
    g_assert_cmpint(add_slot(f, 5, 0, 0, -1, 0), ==, 0);
    g_assert_cmpint(pre_fault(f, 0x10000000, 0x1000, &left), ==, -ENOENT);
    /* a private slot, taken away and given back: the same address, and its pages are new ones */
    g_assert_cmpint(add_slot(f, 0, 0, 0, -1, 0), ==, 0);
    g_assert_cmpint(pre_fault(f, 0, 0x1000, &left), ==, -EFAULT);
    g_assert_cmpint(add_slot(f, 0, 0, FIXTURE_RAM, f->gmem, 0), ==, 0);
    g_assert_cmpint(pre_fault(f, 0, FIXTURE_RAM, &left), ==, 0);
    g_assert_cmpuint(left, ==, 0);
    g_assert_cmpint(kvm_fd_fallocate(f->host, f->gmem, 3, 0x1000, 0x2000), ==, 0);
    g_assert_cmpint(pre_fault(f, 0x1000, 0x2000, &left), ==, 0);
    check_runs(f);
    fixture_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-kvm/sequences/good", test_good);
    g_test_add_func("/swtdx-kvm/sequences/bad", test_bad);
    g_test_add_func("/swtdx-kvm/sequences/later", test_later);
    return g_test_run();
}
