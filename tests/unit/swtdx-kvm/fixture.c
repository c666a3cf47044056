/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fixture.h"

int sys(Fixture *f, unsigned long request, uintptr_t arg)
{
    return kvm_fd_ioctl(f->host, f->kvm, request, arg);
}

int vm(Fixture *f, unsigned long request, uintptr_t arg)
{
    return kvm_fd_ioctl(f->host, f->vm, request, arg);
}

int vcpu(Fixture *f, unsigned long request, uintptr_t arg)
{
    return kvm_fd_ioctl(f->host, f->vcpu, request, arg);
}

int tdx(Fixture *f, int fd, uint32_t id, uint32_t flags, uint64_t data)
{
    AbiTdxCmd cmd = { id, flags, data, 0 };
    int r = kvm_fd_ioctl(f->host, fd, ABI_MEMORY_ENCRYPT_OP, (uintptr_t)&cmd);
    f->hw_error = cmd.hw_error;
    return r;
}

void fixture_init_params(InitBuffer *init)
{
    memset(init, 0, sizeof(*init));
    init->init.attributes = 1u << 28;
    init->init.xfam = 3;
    init->init.cpuid.nent = 1;
    init->entries[0] = (AbiCpuidEntry){ .function = 0x80000008, .eax = 48u << 16 };
}

int enable(Fixture *f, uint32_t cap, uint64_t arg)
{
    struct kvm_enable_cap e = { .cap = cap, .args = { arg } };
    return vm(f, KVM_ENABLE_CAP, (uintptr_t)&e);
}

int set_private(Fixture *f, uint64_t gpa, uint64_t size, bool private)
{
    AbiMemoryAttributes attr = { gpa, size, private ? ABI_ATTRIBUTE_PRIVATE : 0, 0 };
    return vm(f, ABI_SET_MEMORY_ATTRIBUTES, (uintptr_t)&attr);
}

int new_gmem(Fixture *f, uint64_t size, uint64_t flags)
{
    AbiCreateGuestMemfd create = { .size = size, .flags = flags };
    return vm(f, ABI_CREATE_GUEST_MEMFD, (uintptr_t)&create);
}

static void set_cpuid(Fixture *f)
{
    CpuidBuffer *c = g_new0(CpuidBuffer, 1);
    c->header.nent = 3;
    c->entries[0] = (AbiCpuidEntry){ .function = 1, .ecx = 1u << 21 };
    c->entries[1] = (AbiCpuidEntry){ .function = 0x80000000, .eax = 0x80000008 };
    c->entries[2] = (AbiCpuidEntry){ .function = 0x80000008, .eax = 48u << 16 | 52 };
    g_assert_cmpint(vcpu(f, KVM_SET_CPUID2, (uintptr_t)c), ==, 0);
    g_free(c);
}

static void add_memory(Fixture *f)
{
    f->ram = mmap(NULL, FIXTURE_RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(f->ram != MAP_FAILED);
    f->gmem = new_gmem(f, FIXTURE_RAM, 0);
    g_assert_cmpint(f->gmem, >=, 0);
    AbiMemoryRegion2 region = { .flags = ABI_MEM_GUEST_MEMFD, .memory_size = FIXTURE_RAM,
                                .userspace_addr = (uintptr_t)f->ram,
                                .guest_memfd = (uint32_t)f->gmem };
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    g_assert_cmpint(set_private(f, 0, FIXTURE_RAM, true), ==, 0);
}

void fixture_go_on(Fixture *f, int from, int to)
{
    if (from < AT_VM && to >= AT_VM) {
        f->vm = sys(f, KVM_CREATE_VM, ABI_VM_TDX);
        g_assert_cmpint(f->vm, >=, 0);
    }
    if (from < AT_CAPS && to >= AT_CAPS) {
        g_assert_cmpint(enable(f, KVM_CAP_SPLIT_IRQCHIP, 24), ==, 0);
        g_assert_cmpint(enable(f, ABI_CAP_X86_APIC_BUS_CYCLES_NS, 40), ==, 0);
        g_assert_cmpint(enable(f, KVM_CAP_X2APIC_API, 3), ==, 0);
        g_assert_cmpint(enable(f, KVM_CAP_EXIT_HYPERCALL, 0x1000), ==, 0);
    }
    if (from < AT_INIT && to >= AT_INIT) {
        InitBuffer *init = g_new0(InitBuffer, 1);
        fixture_init_params(init);
        g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, 0);
        g_free(init);
    }
    if (from < AT_VCPU && to >= AT_VCPU) {
        f->vcpu = vm(f, KVM_CREATE_VCPU, 0);
        g_assert_cmpint(f->vcpu, >=, 0);
    }
    if (from < AT_CPUID && to >= AT_CPUID) {
        set_cpuid(f);
    }
    if (from < AT_INIT_VCPU && to >= AT_INIT_VCPU) {
        g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_VCPU, 0, 0), ==, 0);
    }
    if (from < AT_MEMORY && to >= AT_MEMORY) {
        add_memory(f);
    }
    if (from < AT_FINAL && to >= AT_FINAL) {
        g_assert_cmpint(tdx(f, f->vm, ABI_TDX_FINALIZE_VM, 0, 0), ==, 0);
    }
}

Fixture *fixture_new_kernel(uint32_t major, uint32_t minor, int stage, const char *fault)
{
    Fixture *f = g_new0(Fixture, 1);
    KvmHostOptions options = { .fault = fault, .quiet = true };
    char error[128];
    f->profile = *profile_builtin();
    f->profile.kernel_major = major;
    f->profile.kernel_minor = minor;
    f->vm = f->vcpu = f->gmem = -1;
    f->host = kvm_host_new(&f->profile, &options, error, sizeof(error));
    g_assert_nonnull(f->host);
    f->kvm = kvm_host_open(f->host, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(f->kvm, >=, 0);
    fixture_go_on(f, AT_HOST, stage);
    return f;
}

Fixture *fixture_new(uint32_t kernel_minor, int stage, const char *fault)
{
    return fixture_new_kernel(6, kernel_minor, stage, fault);
}

void fixture_free(Fixture *f)
{
    int fds[] = { f->gmem, f->vcpu, f->vm, f->kvm };
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        if (fds[i] >= 0) {
            kvm_fd_forget(f->host, fds[i]);
            close(fds[i]);
        }
    }
    kvm_host_free(f->host);
    if (f->ram) {
        munmap(f->ram, FIXTURE_RAM);
    }
    g_free(f);
}
