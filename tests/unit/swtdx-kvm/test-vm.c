/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VMM may get wrong with a TD's VM and vCPUs: calls in another order than the kernel wants,
 * values at the ends of their ranges, and ordinary calls on a vCPU whose state is the guest's.
 */
#include <linux/falloc.h>

#include "../../../swtdx/host/kvm/host.h"
#include "guest.h"

/* KVM_CREATE_VCPU: which of several reasons to refuse is told. */
static void test_create_vcpu(void)
{
    Fixture *f = fixture_new(16, AT_VM, NULL);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 4096), ==, -EINVAL); /* before what comes of the state */
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 0), ==, -EIO);
    fixture_free(f);

    f = fixture_new(16, AT_VM, NULL); /* a TD without the split irqchip */
    fixture_go_on(f, AT_CAPS, AT_INIT);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 0), ==, -EINVAL);
    g_assert_cmpint(enable(f, KVM_CAP_SPLIT_IRQCHIP, 24), ==, 0);
    f->vcpu = vm(f, KVM_CREATE_VCPU, 0);
    g_assert_cmpint(f->vcpu, >=, 0);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 0), ==, -EEXIST);
    /* KVM_CAP_MAX_VCPU_ID comes too late, whatever it says */
    g_assert_cmpint(enable(f, KVM_CAP_MAX_VCPU_ID, 8), ==, -EINVAL);
    g_assert_cmpint(vm(f, KVM_SET_BOOT_CPU_ID, 1), ==, -EBUSY);
    fixture_free(f);

    f = fixture_new(16, AT_FINAL, NULL);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 0), ==, -EIO); /* there is one, but that is seen later */
    fixture_free(f);

    f = fixture_new(16, AT_INIT, NULL); /* as many as processors */
    int fds[16];
    for (unsigned i = 0; i < 16; i++) {
        fds[i] = vm(f, KVM_CREATE_VCPU, i * 3);
        g_assert_cmpint(fds[i], >=, 0);
    }
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 50), ==, -EINVAL);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 0), ==, -EINVAL);
    for (unsigned i = 0; i < 16; i++) {
        kvm_fd_forget(f->host, fds[i]);
        close(fds[i]);
    }
    fixture_free(f);
}

/* What the VM's frequency is and what the module makes of it. */
static void test_tsc_khz(void)
{
    static const struct {
        const char *label;
        uint64_t khz;
        int set, init;
        uint32_t detail;
    } rows[] = {
        { "2 GHz", 2000000, 0, 0, 0 }, { "100 MHz", 100000, 0, 0, 0 },
        { "99.999 MHz", 99999, 0, -EINVAL, 70 }, { "10 GHz", 10000000, 0, 0, 0 },
        { "10.025 GHz", 10025000, 0, -EINVAL, 70 }, { "the host's", 0, 0, 0, 0 },
        { "more than 31 bits", 0x7fffffff, -EINVAL, 0, 0 },
        { "32 bits of it", UINT64_C(0x1001e8480), 0, 0, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        InitBuffer *init = g_new0(InitBuffer, 1);
        Fixture *f = fixture_new(16, AT_CAPS, NULL);
        int before = vm(f, KVM_GET_TSC_KHZ, 0);
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(vm(f, KVM_SET_TSC_KHZ, rows[i].khz), ==, rows[i].set);
        g_assert_cmpint(vm(f, KVM_GET_TSC_KHZ, 0), ==,
                        rows[i].set || !rows[i].khz ? before : (int)(uint32_t)rows[i].khz);
        fixture_init_params(init);
        g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, rows[i].init);
        g_assert_cmphex(f->hw_error, ==,
                        rows[i].init ? UINT64_C(0xc000010000000000) | rows[i].detail : 0);
        fixture_free(f);
        g_free(init);
    }
}

/* Places of memory slots at the ends of what there is. */
static void test_slot_ends(void)
{
    static const struct { const char *label; uint64_t gpa, size, hva; int result; } rows[] = {
        { "last page of 52 bits", (UINT64_C(1) << 52) - 0x1000, 0x1000, 0x10000000, 0 },
        { "beyond 52 bits", UINT64_C(1) << 52, 0x1000, 0x10000000, -EINVAL },
        { "last user page", 0x200000, 0x1000, UINT64_C(0x7fffffffe000), 0 },
        { "beyond the user's", 0x200000, 0x2000, UINT64_C(0x7fffffffe000), -EINVAL },
        { "the kernel's", 0x200000, 0x1000, UINT64_C(0xffff800000000000), -EINVAL },
        { "size of 2^63", 0, UINT64_C(1) << 63, 0x10000000, -EINVAL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture *f = fixture_new(16, AT_VM, NULL);
        AbiMemoryRegion2 r = { .slot = 3, .guest_phys_addr = rows[i].gpa,
                               .memory_size = rows[i].size, .userspace_addr = rows[i].hva };
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&r), ==, rows[i].result);
        fixture_free(f);
    }
    /* moved to where the shared bit is */
    Fixture *f = fixture_new(16, AT_INIT, NULL);
    AbiMemoryRegion2 r = { .slot = 3, .guest_phys_addr = 0x200000, .memory_size = 0x2000,
                           .userspace_addr = 0x10000000 };
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&r), ==, 0);
    r.guest_phys_addr = (UINT64_C(1) << 47) - 0x1000;
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&r), ==, -EINVAL);
    r.guest_phys_addr -= 0x1000;
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&r), ==, 0);
    fixture_free(f);
}

static void test_fallocate_ends(void)
{
    const int punch = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
    Fixture *f = fixture_new(16, AT_MEMORY, NULL);
    g_assert_cmpint(kvm_fd_fallocate(f->host, f->gmem, punch, INT64_MAX - 0xfff, 0x1000), ==,
                    -EFBIG);
    g_assert_cmpint(kvm_fd_fallocate(f->host, f->gmem, punch, 0x100000, 0x1000), ==, 0);
    g_assert_cmpint(kvm_fd_fallocate(f->host, f->gmem, FALLOC_FL_PUNCH_HOLE, 0, 0x1000), ==,
                    -EOPNOTSUPP);
    g_assert_cmpint(kvm_fd_fallocate(f->host, f->vm, punch, 0, 0x1000), ==, -ENODEV);
    fixture_free(f);
}

/* GUEST_MEMFD_FLAG_MMAP, from 6.18 on: pages of a TD's cannot be touched by their mapping. */
static void test_mappable(void)
{
    static const struct { uint32_t minor; bool td; uint64_t flags; int result; } rows[] = {
        { 17, true, 1, -EINVAL }, { 17, false, 1, -EINVAL }, { 18, true, 1, 0 },
        { 18, true, 2, -EINVAL }, { 18, true, 3, -EINVAL }, { 18, false, 3, 0 },
        { 18, false, 2, 0 }, { 18, true, 4, -EINVAL }, { 18, false, 4, -EINVAL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture *f = fixture_new(rows[i].minor, AT_HOST, NULL);
        g_test_message("6.%u, %s, flags %u", rows[i].minor, rows[i].td ? "TD" : "ordinary VM",
                       (unsigned)rows[i].flags);
        f->vm = sys(f, KVM_CREATE_VM, rows[i].td ? ABI_VM_TDX : 0);
        int fd = new_gmem(f, 0x4000, rows[i].flags);
        g_assert_cmpint(fd < 0 ? fd : 0, ==, rows[i].result);
        if (fd >= 0) {
            bool can = rows[i].flags & 1;
            g_assert_cmpint(kvm_fd_mmap(f->host, fd, NULL, 4096, PROT_READ, MAP_PRIVATE, 0), ==,
                            can ? -EINVAL : -ENODEV);
            intptr_t at = kvm_fd_mmap(f->host, fd, NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED,
                                      0);
            uint8_t byte = 1;
            if (can) {
                g_assert_cmpint(at, >, 0);
                g_assert_cmpint(user_write((uintptr_t)at, &byte, 1), ==,
                                rows[i].flags & 2 ? 0 : -EFAULT); /* SIGBUS to the program */
                munmap((void *)at, 0x4000);
            } else {
                g_assert_cmpint(at, ==, -ENODEV);
            }
            kvm_fd_forget(f->host, fd);
            close(fd);
        }
        fixture_free(f);
    }
}

/* A slot of such a file has its shared pages there, too, and not at userspace_addr. */
static void test_mappable_slot(void)
{
    Guest *g = guest_new(6, 18);
    Fixture *f = g->f;
    int fd = new_gmem(f, 0x4000, 1);
    uint8_t *hva = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    AbiMemoryRegion2 region = { .slot = 5, .flags = ABI_MEM_GUEST_MEMFD,
                                .guest_phys_addr = 0x40000, .memory_size = 0x4000,
                                .userspace_addr = (uintptr_t)hva, .guest_memfd = (uint32_t)fd };
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    memset(g->page->in, 0, sizeof(g->page->in));
    g->page->in[RAX] = 4; /* TDG.MR.REPORT into it */
    g->page->in[RCX] = GUEST_SHARED_BIT | 0x41000;
    g->page->in[RDX] = GUEST_SHARED_BIT | 0x42000;
    g_assert_cmpint(guest_call(g), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[RAX], ==, 0);
    for (unsigned i = 0; i < 0x4000; i++) {
        g_assert_cmpint(hva[i], ==, 0);
    }
    g_assert_cmpint(kvm_fd_fallocate(f->host, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0,
                                     0x100000), ==, 0);
    munmap(hva, 0x4000);
    kvm_fd_forget(f->host, fd);
    close(fd);
    guest_free(g);
}

/* Refusals of KVM_PRE_FAULT_MEMORY, and how far it says it came. */
static void test_pre_fault(void)
{
    static const struct {
        const char *label;
        uint64_t gpa, size, flags;
        int early, result;  /* before and after FINALIZE_VM */
        uint64_t left;
    } rows[] = {
        { "private", 0, 0x3000, 0, -EOPNOTSUPP, 0, 0 },
        { "flags", 0, 0x1000, 1, -EINVAL, -EINVAL, 0x1000 },
        { "gpa", 8, 0x1000, 0, -EINVAL, -EINVAL, 0x1000 },
        { "size", 0, 0x800, 0, -EINVAL, -EINVAL, 0x800 },
        { "no size", 0, 0, 0, -EINVAL, -EINVAL, 0 },
        { "wraps", UINT64_MAX - 0xfff, 0x2000, 0, -EINVAL, -EINVAL, 0x2000 },
        { "to the end of all", UINT64_MAX - 0xfff, 0x1000, 0, -EINVAL, -EINVAL, 0x1000 },
        { "shared bit", UINT64_C(1) << 47, 0x1000, 0, -EOPNOTSUPP, -EINVAL, 0x1000 },
        { "shared, with a slot", 0x8000, 0x1000, 0, -EOPNOTSUPP, 0, 0 },
        { "past the slot's end", 0xf000, 0x3000, 0, -EOPNOTSUPP, 0, 0x2000 },
        { "no slot", 0x10000, 0x1000, 0, -EOPNOTSUPP, -ENOENT, 0x1000 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        AbiPreFault p = { rows[i].gpa, rows[i].size, rows[i].flags, { 0 } };
        Fixture *f = fixture_new(16, AT_MEMORY, NULL);
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(set_private(f, 0x8000, 0x1000, false), ==, 0);
        g_assert_cmpint(vcpu(f, ABI_PRE_FAULT_MEMORY, (uintptr_t)&p), ==, rows[i].early);
        fixture_go_on(f, AT_MEMORY, AT_FINAL);
        g_assert_cmpint(vcpu(f, ABI_PRE_FAULT_MEMORY, (uintptr_t)&p), ==, rows[i].result);
        g_assert_cmphex(p.size, ==, rows[i].left);
        g_assert_cmphex(p.gpa, ==, rows[i].gpa + rows[i].size - rows[i].left);
        fixture_free(f);
    }
}

/* KVM_SIGNAL_MSI and KVM_IRQ_LINE_STATUS: who takes an interrupt. */
static void test_delivery(void)
{
    static const struct { const char *label; struct kvm_msi msi; int result; } rows[] = {
        { "to the vCPU", { .address_lo = 0xfee00000, .data = 0x40 }, 1 },
        { "to nobody", { .address_lo = 0xfee05000, .data = 0x40 }, -1 },
        { "to nobody, of 32 bits", { .address_lo = 0xfee00000, .address_hi = 0x100,
                                     .data = 0x40 }, -1 },
        { "bits 7:0 of the upper word", { .address_lo = 0xfee00000, .address_hi = 1,
                                          .data = 0x40 }, -EINVAL },
        { "a device's id", { .address_lo = 0xfee00000, .data = 0x40, .devid = 5,
                             .flags = KVM_MSI_VALID_DEVID }, 1 },
        { "flags", { .address_lo = 0xfee00000, .data = 0x40, .flags = 2 }, -EINVAL },
        { "INIT", { .address_lo = 0xfee00000, .data = 0x500 }, -1 },
    };
    Fixture *f = fixture_new(16, AT_INIT_VCPU, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(vm(f, KVM_SIGNAL_MSI, (uintptr_t)&rows[i].msi), ==, rows[i].result);
    }
    struct { uint32_t nr, flags; struct kvm_irq_routing_entry entries[2]; } routes = {
        2, 0, { { .gsi = 7, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { 0xfee00000, 0, 0x41 } },
                    { .gsi = 8, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { 0xfee05000, 0, 0x41 } } } };
    static const struct { uint32_t gsi, level; int status; } lines[] = {
        { 7, 1, 1 }, { 7, 0, -1 }, { 8, 1, -1 }, { 9, 1, -1 }, { 5000, 1, -1 },
    };
    _Static_assert(offsetof(struct kvm_irq_routing, entries) == 8, "as in routes");
    g_assert_cmpint(vm(f, KVM_SET_GSI_ROUTING, (uintptr_t)&routes), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        struct kvm_irq_level line = { .irq = lines[i].gsi, .level = lines[i].level };
        g_assert_cmpint(vm(f, KVM_IRQ_LINE_STATUS, (uintptr_t)&line), ==, 0);
        g_assert_cmpint(line.status, ==, lines[i].status);
    }
    fixture_free(f);
    f = fixture_new(16, AT_VM, NULL);
    struct kvm_irq_level line = { .irq = 7, .level = 1 };
    g_assert_cmpint(vm(f, KVM_IRQ_LINE, (uintptr_t)&line), ==, -ENXIO);
    g_assert_cmpint(vm(f, KVM_SIGNAL_MSI, (uintptr_t)&rows[0].msi), ==, -EINVAL);
    fixture_free(f);
}

/* Calls on a vCPU that are not refused, though little comes of them. */
static void test_accepted(void)
{
    Fixture *f = fixture_new(16, AT_INIT_VCPU, NULL);
    struct kvm_translation t = { .linear_address = 0x1234 };
    g_assert_cmpint(vcpu(f, KVM_TRANSLATE, (uintptr_t)&t), ==, 0);
    g_assert_cmpint(t.valid, ==, 0);
    g_assert_cmphex(t.linear_address, ==, 0x1234);
    g_assert_cmpint(vcpu(f, KVM_TRANSLATE, 8), ==, -EFAULT);

    struct kvm_interrupt irq = { 300 };
    g_assert_cmpint(vcpu(f, KVM_INTERRUPT, (uintptr_t)&irq), ==, -EINVAL);
    irq.irq = 0x40;
    g_assert_cmpint(vcpu(f, KVM_INTERRUPT, (uintptr_t)&irq), ==, 0);
    g_assert_cmpint(vcpu(f, KVM_INTERRUPT, (uintptr_t)&irq), ==, -EEXIST);

    struct kvm_vcpu_events e;
    g_assert_cmpint(vcpu(f, KVM_GET_VCPU_EVENTS, (uintptr_t)&e), ==, 0);
    g_assert_cmpint(e.interrupt.shadow, ==, 0);
    g_assert_cmpint(e.nmi.masked, ==, 0);
    g_assert_cmpint(e.nmi.pending, ==, 0);
    g_assert_cmpint(vcpu(f, KVM_SET_VCPU_EVENTS, (uintptr_t)&e), ==, 0);
    for (unsigned bit = 4; bit < 32; bit++) { /* payload and triple fault want their capability */
        e.flags = 1u << bit;
        g_assert_cmpint(vcpu(f, KVM_SET_VCPU_EVENTS, (uintptr_t)&e), ==, -EINVAL);
    }
    g_assert_cmpint(enable(f, KVM_CAP_EXCEPTION_PAYLOAD, 1), ==, 0);
    e.flags = KVM_VCPUEVENT_VALID_PAYLOAD;
    g_assert_cmpint(vcpu(f, KVM_SET_VCPU_EVENTS, (uintptr_t)&e), ==, 0);

    struct { uint32_t nent, padding; struct kvm_cpuid_entry entries[2]; } old = {
        .nent = 2, .entries = { { .function = 1, .ecx = 1u << 21 },
                                { .function = 0x80000008, .eax = 0x3034 } } };
    _Static_assert(offsetof(struct kvm_cpuid, entries) == 8, "as in old");
    CpuidBuffer *now = g_new0(CpuidBuffer, 1);
    g_assert_cmpint(vcpu(f, KVM_SET_CPUID, (uintptr_t)&old), ==, 0);
    now->header.nent = 1;
    g_assert_cmpint(vcpu(f, KVM_GET_CPUID2, (uintptr_t)now), ==, -E2BIG);
    g_assert_cmpint(now->header.nent, ==, 1); /* no hint */
    now->header.nent = 256;
    g_assert_cmpint(vcpu(f, KVM_GET_CPUID2, (uintptr_t)now), ==, 0);
    g_assert_cmpint(now->header.nent, ==, 2);
    g_assert_cmphex(now->entries[1].eax, ==, 0x3034);
    old.entries[1].eax = 50u << 8; /* no such width of linear addresses */
    g_assert_cmpint(vcpu(f, KVM_SET_CPUID, (uintptr_t)&old), ==, -EINVAL);
    old.nent = 257;
    g_assert_cmpint(vcpu(f, KVM_SET_CPUID, (uintptr_t)&old), ==, -E2BIG);
    now->header.nent = 257;
    g_assert_cmpint(vcpu(f, KVM_SET_CPUID2, (uintptr_t)now), ==, -E2BIG);
    g_free(now);
    fixture_free(f);
}

/* A triple fault that the VMM asks for, by KVM_CAP_X86_TRIPLE_FAULT_EVENT. */
static void test_asked_shutdown(void)
{
    Guest *g = guest_new(6, 16);
    struct kvm_vcpu_events e = { .flags = ABI_VCPUEVENT_VALID_TRIPLE_FAULT };
    e.triple_fault.pending = 1;
    g_assert_cmpint(enable(g->f, ABI_CAP_X86_TRIPLE_FAULT_EVENT, 1), ==, 0);
    g_assert_cmpint(vcpu(g->f, KVM_SET_VCPU_EVENTS, (uintptr_t)&e), ==, 0);
    memset(&e, 0, sizeof(e));
    g_assert_cmpint(vcpu(g->f, KVM_GET_VCPU_EVENTS, (uintptr_t)&e), ==, 0);
    g_assert_cmpint(e.triple_fault.pending, ==, 1);
    g_assert_cmpint(guest_go_on(g), ==, KVM_EXIT_SHUTDOWN);
    /* the TD knows nothing of it */
    g_assert_cmpint(guest_vmcall(g, 0, 0, 0, 0, 0), ==, GUEST_DONE);
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-vm/create-vcpu", test_create_vcpu);
    g_test_add_func("/swtdx-vm/tsc-khz", test_tsc_khz);
    g_test_add_func("/swtdx-vm/slot-ends", test_slot_ends);
    g_test_add_func("/swtdx-vm/fallocate-ends", test_fallocate_ends);
    g_test_add_func("/swtdx-vm/mappable", test_mappable);
    g_test_add_func("/swtdx-vm/mappable-slot", test_mappable_slot);
    g_test_add_func("/swtdx-vm/pre-fault", test_pre_fault);
    g_test_add_func("/swtdx-vm/delivery", test_delivery);
    g_test_add_func("/swtdx-vm/accepted", test_accepted);
    g_test_add_func("/swtdx-vm/asked-shutdown", test_asked_shutdown);
    return g_test_run();
}
