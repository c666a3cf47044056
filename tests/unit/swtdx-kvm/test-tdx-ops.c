/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_MEMORY_ENCRYPT_OP: envelope, order of the steps, every check of INIT_VM, E2BIG rules,
 * progress of INIT_MEM_REGION.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "fixture.h"

static void test_envelope(void)
{
    Fixture *f = fixture_new(16, AT_VCPU, NULL);
    AbiTdxCmd cmd = { ABI_TDX_CAPABILITIES, 0, 0, 1 };
    /* hw_error first */
    g_assert_cmpint(vm(f, ABI_MEMORY_ENCRYPT_OP, (uintptr_t)&cmd), ==, -EINVAL);
    g_assert_cmpint(vm(f, ABI_MEMORY_ENCRYPT_OP, 8), ==, -EFAULT);
    static const struct { const char *label; bool on_vcpu; uint32_t id; } rows[] = {
        { "vCPU command on the VM", false, ABI_TDX_INIT_VCPU },
        { "INIT_MEM_REGION on the VM", false, ABI_TDX_INIT_MEM_REGION },
        { "GET_CPUID on the VM", false, ABI_TDX_GET_CPUID }, { "unknown on the VM", false, 6 },
        { "CAPABILITIES on a vCPU", true, ABI_TDX_CAPABILITIES },
        { "INIT_VM on a vCPU", true, ABI_TDX_INIT_VM },
        { "FINALIZE on a vCPU", true, ABI_TDX_FINALIZE_VM }, { "unknown on a vCPU", true, 7 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(tdx(f, rows[i].on_vcpu ? f->vcpu : f->vm, rows[i].id, 0, 0), ==, -EINVAL);
    }
    int plain = sys(f, KVM_CREATE_VM, 0);
    g_assert_cmpint(plain, >=, 0);
    g_assert_cmpint(tdx(f, plain, ABI_TDX_CAPABILITIES, 0, 0), ==, -ENOTTY);
    g_assert_cmpint(kvm_fd_ioctl(f->host, plain, KVM_CREATE_VCPU, 0), ==, -EOPNOTSUPP);
    kvm_fd_forget(f->host, plain);
    close(plain);
    fixture_free(f);
}

static void test_capabilities(void)
{
    Fixture *f = fixture_new(16, AT_VM, NULL);
    CapsBuffer *c = &f->caps;
    c->caps.cpuid.nent = 1;
    c->caps.supported_xfam = 0x55;
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_CAPABILITIES, 0, (uintptr_t)c), ==, -E2BIG);
    g_assert_cmpint(c->caps.cpuid.nent, ==, 1); /* nothing is written back */
    g_assert_cmphex(c->caps.supported_xfam, ==, 0x55);
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_CAPABILITIES, 1, (uintptr_t)c), ==, -EINVAL);
    c->caps.cpuid.nent = 128;
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_CAPABILITIES, 0, (uintptr_t)c), ==, 0);
    g_assert_cmpint(c->caps.cpuid.nent, ==, 18); /* module 1.5.05 */
    g_assert_cmphex(c->caps.supported_attrs, ==, 1u << 28);
    g_assert_cmphex(c->caps.supported_xfam & 3, ==, 3);
    g_assert_cmphex(c->caps.user_tdvmcallinfo_1_r11, ==, 2);
    bool gpaw = false;
    for (uint32_t i = 0; i < c->caps.cpuid.nent; i++) {
        const AbiCpuidEntry *e = &c->entries[i];
        g_assert_cmpint(e->flags, ==, 0);
        if (e->function == 0x80000008) {
            gpaw = true;
            g_assert_cmphex(e->eax & 0xff0000, ==, 0xff0000);
        }
        if (e->function == 7 && !e->index) {
            g_assert_cmphex(e->ebx & (1u << 4 | 1u << 11), ==, 0);
            g_assert_cmphex(e->ecx & (1u << 5), ==, 0);
        }
    }
    g_assert_true(gpaw);
    fixture_free(f);
}

typedef struct InitRow {
    const char *label;
    void (*change)(InitBuffer *init);
    int result;
    bool module; /* refused by the module: hw_error is OPERAND_INVALID */
} InitRow;

static void change_nothing(InitBuffer *i) { }
static void change_debug(InitBuffer *i) { i->init.attributes |= 1; }
static void change_pks(InitBuffer *i) { i->init.attributes |= 1u << 30; }
static void change_xfam(InitBuffer *i) { i->init.xfam |= UINT64_C(1) << 40; }
static void change_xfam_pair(InitBuffer *i) { i->init.xfam = 3 | 0x20; }
static void change_reserved(InitBuffer *i) { i->init.reserved[11] = 1; }
static void change_padding(InitBuffer *i) { i->init.cpuid.padding = 1; }
static void change_no_leaf(InitBuffer *i) { i->init.cpuid.nent = 0; }
static void change_gpaw_0(InitBuffer *i) { i->entries[0].eax = 0; }
static void change_gpaw_50(InitBuffer *i) { i->entries[0].eax = 50u << 16; }
static void change_gpaw_52(InitBuffer *i) { i->entries[0].eax = 52u << 16; }
static void change_too_many(InitBuffer *i) { i->init.cpuid.nent = 257; }

static void add_entry(InitBuffer *i, uint32_t leaf, uint32_t flags, uint32_t ebx, uint32_t ecx)
{
    i->entries[i->init.cpuid.nent++] = (AbiCpuidEntry){ .function = leaf, .flags = flags,
                                                        .ebx = ebx, .ecx = ecx };
}
static void change_unknown_leaf(InitBuffer *i) { add_entry(i, 0x21, 0, 0, 0); }
static void change_duplicate(InitBuffer *i)
{
    i->entries[1] = i->entries[0];
    i->init.cpuid.nent = 2;
}
static void change_hle(InitBuffer *i) { add_entry(i, 7, 1, 1u << 4, 0); }
static void change_rtm(InitBuffer *i) { add_entry(i, 7, 1, 1u << 11, 0); }
static void change_waitpkg(InitBuffer *i) { add_entry(i, 7, 1, 0, 1u << 5); }
static void change_bit(InitBuffer *i) { add_entry(i, 1, 0, 0, 1u << 0); } /* SSE3 is native */

static const InitRow init_rows[] = {
    { "good", change_nothing, 0, false }, { "GPAW 52", change_gpaw_52, 0, false },
    { "DEBUG", change_debug, -EINVAL, false }, { "PKS", change_pks, -EINVAL, false },
    { "unknown XFAM", change_xfam, -EINVAL, false },
    { "reserved", change_reserved, -EINVAL, false }, { "padding", change_padding, -EINVAL, false },
    { "no 0x80000008", change_no_leaf, -EINVAL, false },
    { "GPAW 0", change_gpaw_0, -EINVAL, false }, { "GPAW 50", change_gpaw_50, -EINVAL, false },
    { "too many entries", change_too_many, -E2BIG, false },
    { "unknown leaf", change_unknown_leaf, -EINVAL, false },
    { "duplicate leaf", change_duplicate, -EINVAL, false }, { "HLE", change_hle, -EINVAL, false },
    { "RTM", change_rtm, -EINVAL, false },
    { "WAITPKG", change_waitpkg, -EINVAL, false },
    { "bit that is not configurable", change_bit, -EINVAL, true },
};

static void test_init_vm(void)
{
    InitBuffer *init = g_new0(InitBuffer, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(init_rows); i++) {
        const InitRow *row = &init_rows[i];
        Fixture *f = fixture_new(16, AT_CAPS, NULL);
        g_test_message("%s", row->label);
        fixture_init_params(init);
        row->change(init);
        g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, row->result);
        g_assert_cmphex(f->hw_error >> 32, ==, row->module ? 0xc0000100 : 0);
        if (row->result) {
            /* the TD is as before: another try succeeds */
            fixture_init_params(init);
            g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 1, (uintptr_t)init), ==, -EINVAL);
            g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, 8), ==, -EFAULT);
            g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, 0);
        }
        g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, -EINVAL);
        fixture_free(f);
    }
    /*
     * an XFAM the module wants whole: only where the host can do AVX-512 at all is it the module
     * that refuses
     */
    Fixture *f = fixture_new(16, AT_CAPS, NULL);
    fixture_init_params(init);
    change_xfam_pair(init);
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, -EINVAL);
    fixture_free(f);
    g_free(init);
}

static void test_order(void)
{
    Fixture *f = fixture_new(16, AT_VM, NULL);
    CpuidBuffer *cpuid = g_new0(CpuidBuffer, 1);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 0), ==, -EIO); /* before INIT_VM */
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_FINALIZE_VM, 0, 0), ==, -EINVAL);
    fixture_free(f);

    f = fixture_new(16, AT_INIT, NULL);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 5000), ==, -EINVAL);
    f->vcpu = vm(f, KVM_CREATE_VCPU, 0);
    g_assert_cmpint(f->vcpu, >=, 0);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 0), ==, -EEXIST);
    g_assert_cmpint(enable(f, KVM_CAP_SPLIT_IRQCHIP, 24), ==, -EEXIST);
    g_assert_cmpint(enable(f, ABI_CAP_X86_APIC_BUS_CYCLES_NS, 40), ==, -EINVAL);
    g_assert_cmpint(vm(f, KVM_SET_TSC_KHZ, 1000000), ==, -EINVAL);
    /* no x2APIC: KVM_SET_CPUID2 comes first */
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_VCPU, 0, 0), ==, -EINVAL);
    AbiTdxInitMemRegion region = { 0x1000, 0, 1 };
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&region), ==, -EINVAL);
    cpuid->header.nent = 2;
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_GET_CPUID, 0, (uintptr_t)cpuid), ==, -E2BIG);
    g_assert_cmpint(cpuid->header.nent, >, 2); /* told how many */
    uint32_t need = cpuid->header.nent;
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_GET_CPUID, 0, (uintptr_t)cpuid), ==, 0);
    g_assert_cmpint(cpuid->header.nent, ==, need);
    fixture_free(f);

    f = fixture_new(16, AT_INIT_VCPU, NULL);
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_VCPU, 0, 0), ==, -EINVAL); /* once only */
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EINVAL);
    g_assert_cmpint(vcpu(f, KVM_RUN, 1), ==, -EINVAL);
    AbiPreFault fault = { 0, 4096, 0, { 0 } };
    g_assert_cmpint(vcpu(f, ABI_PRE_FAULT_MEMORY, (uintptr_t)&fault), ==, -EOPNOTSUPP);
    fixture_free(f);

    f = fixture_new(16, AT_FINAL, NULL);
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_FINALIZE_VM, 0, 0), ==, -EINVAL);
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_GET_CPUID, 0, (uintptr_t)cpuid), ==, -EINVAL);
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&region), ==, -EINVAL);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 1), ==, -EIO);
    g_assert_cmpint(vcpu(f, ABI_PRE_FAULT_MEMORY, (uintptr_t)&fault), ==, 0);
    g_assert_cmpint(fault.gpa, ==, 4096);
    fault = (AbiPreFault){ 0x100000, 4096, 0, { 0 } };
    /* shared, no slot */
    g_assert_cmpint(vcpu(f, ABI_PRE_FAULT_MEMORY, (uintptr_t)&fault), ==, -ENOENT);
    g_assert_cmpint(set_private(f, 0x100000, 4096, true), ==, 0);
    g_assert_cmpint(vcpu(f, ABI_PRE_FAULT_MEMORY, (uintptr_t)&fault), ==, -EFAULT);
    fixture_free(f);
    g_free(cpuid);
}

static void test_finalize_without_vcpu(void)
{
    Fixture *f = fixture_new(16, AT_VCPU, NULL);
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_FINALIZE_VM, 0, 0), ==, -EIO);
    g_assert_cmphex(f->hw_error >> 32, ==, 0xc0000609);
    g_assert_cmpint(vm(f, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS), ==, -EIO); /* dead for ever */
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EIO);
    fixture_free(f);
}

typedef struct RegionRow {
    const char *label;
    /* source: offset into a good buffer of four pages; UINT64_MAX: address 0 */
    uint64_t source, gpa, pages;
    uint32_t flags;
    int result;
    uint64_t left;
} RegionRow;

static const RegionRow region_rows[] = {
    { "two pages", 0, 0, 2, 0, 0, 0 }, { "measured", 0, 0x1000, 1, 1, 0, 0 },
    { "unknown flag", 0, 0, 1, 2, -EINVAL, 1 },
    { "source unaligned", 1, 0, 1, 0, -EINVAL, 1 }, { "gpa unaligned", 0, 8, 1, 0, -EINVAL, 1 },
    { "no pages", 0, 0, 0, 0, -EINVAL, 0 },
    { "wrap", 0, 0x1000, UINT64_MAX / 4096, 0, -EINVAL, UINT64_MAX / 4096 },
    { "shared bit", 0, UINT64_C(1) << 47, 1, 0, -EINVAL, 1 },
    { "no slot", 0, 0x100000, 1, 0, -EINVAL, 1 },
    { "past the slot's end", 0, 0xf000, 2, 0, -EINVAL, 1 },
    { "shared by attribute in the middle", 0, 0x7000, 3, 0, -EINVAL, 2 },
    { "source page without access", 0x4000, 0, 1, 0, -EFAULT, 1 },
    { "source ends in the middle", 0x3000, 0, 2, 0, -EFAULT, 1 },
    { "source 0", UINT64_MAX, 0, 1, 0, -EFAULT, 1 },
};

static void test_mem_region(void)
{
    uint8_t *source = mmap(NULL, 0x5000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                           0);
    g_assert_cmpint(mprotect(source + 0x4000, 0x1000, PROT_NONE), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(region_rows); i++) {
        const RegionRow *row = &region_rows[i];
        Fixture *f = fixture_new(16, AT_MEMORY, NULL);
        g_test_message("%s", row->label);
        g_assert_cmpint(set_private(f, 0x8000, 0x1000, false), ==, 0);
        AbiTdxInitMemRegion r = { row->source == UINT64_MAX ? 0 : (uintptr_t)source + row->source,
                                  row->gpa, row->pages };
        AbiTdxInitMemRegion before = r;
        g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, row->flags, (uintptr_t)&r), ==,
                        row->result);
        g_assert_cmpint(r.nr_pages, ==, row->left);
        g_assert_cmpint(r.gpa - before.gpa, ==, (before.nr_pages - row->left) * 4096);
        g_assert_cmpint(r.source_addr - before.source_addr, ==, r.gpa - before.gpa);
        fixture_free(f);
    }
    munmap(source, 0x5000);
}

/*
 * What adding a page twice answers is the kernel's age; faults in the middle leave progress behind.
 */
static void test_mem_region_again(void)
{
    static const struct { uint32_t major, minor; int result; } ages[] = { { 6, 16, -EEXIST },
        { 6, 19, -EEXIST }, { 7, 0, -EIO }, { 7, 3, -EIO } };
    uint8_t *source = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                           0);
    for (size_t i = 0; i < G_N_ELEMENTS(ages); i++) {
        Fixture *f = fixture_new_kernel(ages[i].major, ages[i].minor, AT_MEMORY,
                                        "TDH_MEM_PAGE_ADD:3=EINTR");
        AbiTdxInitMemRegion r = { (uintptr_t)source, 0, 4 };
        g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&r), ==, -EINTR);
        g_assert_cmpint(r.nr_pages, ==, 2);
        g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&r), ==, 0);
        r = (AbiTdxInitMemRegion){ (uintptr_t)source, 0, 1 };
        g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&r), ==,
                        ages[i].result);
        g_assert_cmpint(r.nr_pages, ==, 1);
        fixture_free(f);
    }
    munmap(source, 0x4000);
}

/* Guest physical width of KVM_SET_CPUID2 other than GPAW: dead at the first use of the MMU. */
static void test_gpaw_mismatch(void)
{
    Fixture *f = fixture_new(16, AT_MEMORY, NULL);
    struct { AbiCpuidHeader header; AbiCpuidEntry entries[3]; } c = { { 3, 0 }, {
        { .function = 1, .ecx = 1u << 21 }, { .function = 0x80000000, .eax = 0x80000008 },
        { .function = 0x80000008, .eax = 52u << 16 | 52 } } };
    g_assert_cmpint(vcpu(f, KVM_SET_CPUID2, (uintptr_t)&c), ==, 0);
    AbiTdxInitMemRegion r = { (uintptr_t)f->ram, 0, 1 };
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&r), ==, -EIO);
    g_assert_cmpint(vcpu(f, KVM_RUN, 0), ==, -EIO);
    fixture_free(f);
}

static void test_keyids(void)
{
    Fixture *f = fixture_new(16, AT_HOST, NULL);
    InitBuffer *init = g_new0(InitBuffer, 1);
    fixture_init_params(init);
    f->profile.keyids = 1;
    int a = sys(f, KVM_CREATE_VM, ABI_VM_TDX), b = sys(f, KVM_CREATE_VM, ABI_VM_TDX);
    g_assert_cmpint(tdx(f, a, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, 0);
    g_assert_cmpint(tdx(f, b, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, -ENOSPC);
    /* a guest_memfd pins the VM, and a duplicate of a descriptor is the same file */
    f->vm = a;
    int gmem = new_gmem(f, 4096, 0), copy = dup(a);
    g_assert_cmpint(kvm_fd_ioctl(f->host, copy, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES), ==, 0x21);
    const int order[] = { a, copy, gmem };
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        g_assert_cmpint(tdx(f, b, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, -ENOSPC);
        kvm_fd_forget(f->host, order[i]);
        close(order[i]);
    }
    g_assert_cmpint(tdx(f, b, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, 0);
    f->profile.keyids = 8;
    f->profile.cgroup_max = 1;
    a = sys(f, KVM_CREATE_VM, ABI_VM_TDX);
    g_assert_cmpint(tdx(f, a, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, -EBUSY);
    kvm_fd_forget(f->host, a);
    close(a);
    f->vm = b;
    fixture_free(f);
    g_free(init);
}

static void test_faults(void)
{
    Fixture *f = fixture_new(16, AT_CAPS,
                             "TDH_MNG_INIT:1=EAGAIN,TDH_MNG_INIT:2=0xC000010000000045,TDH_MR_"
                             "FINALIZE:1=0x8000020000000092");
    InitBuffer *init = g_new0(InitBuffer, 1);
    fixture_init_params(init);
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, -EAGAIN);
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, -EINVAL);
    g_assert_cmphex(f->hw_error, ==, UINT64_C(0xC000010000000045));
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, 0);
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_FINALIZE_VM, 0, 0), ==, -EBUSY);
    g_assert_cmphex(f->hw_error, ==, UINT64_C(0x8000020000000092));
    fixture_free(f);
    g_free(init);
    static const char *const bad[] = { "x", "=EIO", "KVM_RUN=", "KVM_RUN=EWHAT", "KVM_RUN:0=EIO",
                                       "KVM_RUN:x=EIO", "KVM_RUN=0" };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        KvmHostOptions options = { .fault = bad[i], .quiet = true };
        char error[128] = "";
        g_assert_null(kvm_host_new(profile_builtin(), &options, error, sizeof(error)));
        g_assert_cmpstr(error, !=, "");
    }
}

/* ---- a dump is asked for while a vCPU waits for KVM_TDX_INIT_VCPU ---- */

typedef struct Waiting {
    Fixture *f;
    int fd, result;
    _Atomic bool inside;
} Waiting;

static void *run_waiting(void *opaque)
{
    Waiting *w = opaque;
    w->inside = true;
    do {
        w->result = kvm_fd_ioctl(w->f->host, w->fd, KVM_RUN, 0);
    } while (w->result == -EAGAIN);
    return NULL;
}

static double thread_seconds(pthread_t thread)
{
    clockid_t clock;
    struct timespec t;
    g_assert_cmpint(pthread_getcpuclockid(thread, &clock), ==, 0);
    g_assert_cmpint(clock_gettime(clock, &t), ==, 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    kvm_signal_arrived(signo, info);
}

static void test_dump_waiting(void)
{
    Fixture *f = fixture_new(16, AT_VCPU, NULL);
    Waiting w = { .f = f, .fd = vm(f, KVM_CREATE_VCPU, 1) };
    struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    pthread_t thread;
    g_assert_cmpint(w.fd, >=, 0);
    g_assert_cmpint(sigaction(SIGUSR1, &act, NULL), ==, 0);
    g_assert_cmpint(pthread_create(&thread, NULL, run_waiting, &w), ==, 0);
    while (!w.inside) {
        g_usleep(1000);
    }
    g_usleep(20000);
    kvm_host_request_dump(f->host, false);
    g_usleep(400000);
    double used = thread_seconds(thread);
    g_test_message("%.3f s of processor time", used);
    g_assert_cmpfloat(used, <, 0.1); /* it told its state and went on to sleep */
    g_assert_cmpint(pthread_kill(thread, SIGUSR1), ==, 0);
    g_assert_cmpint(pthread_join(thread, NULL), ==, 0);
    g_assert_cmpint(w.result, ==, -EINTR);
    kvm_fd_forget(f->host, w.fd);
    close(w.fd);
    fixture_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-kvm/tdx/envelope", test_envelope);
    g_test_add_func("/swtdx-kvm/tdx/capabilities", test_capabilities);
    g_test_add_func("/swtdx-kvm/tdx/init-vm", test_init_vm);
    g_test_add_func("/swtdx-kvm/tdx/order", test_order);
    g_test_add_func("/swtdx-kvm/tdx/finalize-without-vcpu", test_finalize_without_vcpu);
    g_test_add_func("/swtdx-kvm/tdx/mem-region", test_mem_region);
    g_test_add_func("/swtdx-kvm/tdx/mem-region-again", test_mem_region_again);
    g_test_add_func("/swtdx-kvm/tdx/gpaw-mismatch", test_gpaw_mismatch);
    g_test_add_func("/swtdx-kvm/tdx/keyids", test_keyids);
    g_test_add_func("/swtdx-kvm/tdx/faults", test_faults);
    g_test_add_func("/swtdx-kvm/tdx/dump-waiting", test_dump_waiting);
    return g_test_run();
}
