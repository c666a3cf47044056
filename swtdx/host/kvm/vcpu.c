/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vCPU descriptor: creation, kvm_run's pages, and every ioctl but KVM_RUN (kvm-tdx ABI, table
 * 4.1).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host.h"
#include "raw.h"

/* ---- the port of its local APIC ---- */

static void port_notify(void *opaque, bool nmi)
{
    Vcpu *vcpu = opaque;
    atomic_store(&vcpu->posted, true);
    if (vcpu->cpu) {
        cpu_request(vcpu->cpu, nmi ? CPU_PENDING_NMI : CPU_PENDING_INTERRUPT);
    }
    vcpu_wake(vcpu);
}

static void port_arm(void *opaque, uint64_t deadline_ns)
{
    Vcpu *vcpu = opaque;
    /* The port's clock starts with the VM; the service thread's is the host's. */
    uint64_t deadline = deadline_ns == UINT64_MAX ? UINT64_MAX : deadline_ns + vcpu->vm->epoch_ns;
    (vcpu->vm->host->options.deterministic ? turn_arm : service_arm)(vcpu, deadline);
}

static uint64_t port_now(void *opaque)
{
    return vm_now_ns(((Vcpu *)opaque)->vm);
}

static uint64_t port_rdtsc(void *opaque)
{
    Vcpu *vcpu = opaque;
    return vcpu->cpu->world->rdtsc(vcpu->cpu);
}

/* The module runs the TSC at a multiple of 25 MHz: 40 ns each. */
static uint64_t port_tsc_to_ns(void *opaque, uint64_t guest_tsc)
{
    Vcpu *vcpu = opaque;
    uint64_t now = port_now(vcpu), tsc = port_rdtsc(vcpu);
    uint32_t freq = vcpu->vm->tsc_khz / 25000;
    if (guest_tsc <= tsc || !freq) {
        return now;
    }
    unsigned __int128 ns = (unsigned __int128)(guest_tsc - tsc) * 40 / freq;
    return ns > UINT64_MAX / 4 ? UINT64_MAX / 4 : now + (uint64_t)ns;
}

static void port_ipi(void *opaque, uint32_t dest, bool logical, unsigned shorthand, uint8_t vector,
                     bool nmi)
{
    enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };
    Vcpu *self = opaque;
    Vm *vm = self->vm;
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 0; i < n; i++) {
        Vcpu *vcpu = vm->vcpus[i];
        bool hit = shorthand == SHORTHAND_NONE ? lapic_matches(&vcpu->lapic, dest, logical)
                 : shorthand == SHORTHAND_SELF ? vcpu == self
                 : shorthand == SHORTHAND_ALL || vcpu != self;
        if (hit && nmi) {
            lapic_post_nmi(&vcpu->lapic);
        } else if (hit) {
            lapic_post(&vcpu->lapic, vector, false);
        }
    }
}

const LapicPort vcpu_lapic_port = {
    .notify = port_notify, .arm = port_arm, .now_ns = port_now, .rdtsc = port_rdtsc,
    .tsc_to_ns = port_tsc_to_ns, .ipi = port_ipi,
};

/* ---- waking ---- */

void vcpu_wake(Vcpu *vcpu)
{
    atomic_fetch_add(&vcpu->wake_seq, 1);
    if (atomic_load(&vcpu->blocked)) {
        raw_futex_wake(&vcpu->wake_seq);
    }
    if (vcpu->vm->host->options.deterministic) {
        turn_wake(vcpu->vm);
    }
}

void vcpu_kick(Vcpu *vcpu)
{
    cpu_request(vcpu->cpu, CPU_PENDING_EXIT);
    vcpu_wake(vcpu);
}

/* ---- life ---- */

void vcpu_free(Vcpu *vcpu)
{
    if (vcpu->vm->host->options.summary && vcpu->cpu) {
        host_message(vcpu->vm->host, "vCPU %u: %llu instructions, %llu entries", vcpu->id,
                     (unsigned long long)vcpu->cpu->instructions,
                     (unsigned long long)atomic_load(&vcpu->entries));
    }
    if (vcpu->tdv) {
        td_vcpu_free(vcpu->tdv);
    }
    if (vcpu->run && (void *)vcpu->run != MAP_FAILED) {
        syscall(SYS_munmap, vcpu->run, (size_t)ABI_VCPU_MMAP_SIZE);
    }
    pthread_mutex_destroy(&vcpu->mutex);
    free(vcpu->cpuid);
    free(vcpu->msrs);
    free(vcpu);
}

static Vcpu *vcpu_new(Vm *vm, uint32_t id)
{
    Vcpu *vcpu = calloc(1, sizeof(*vcpu));
    if (!vcpu) {
        return NULL;
    }
    vcpu->vm = vm;
    vcpu->id = id;
    pthread_mutex_init(&vcpu->mutex, NULL);
    atomic_store(&vcpu->timer_ns, UINT64_MAX);
    vcpu->run = (void *)syscall(SYS_mmap, NULL, (size_t)ABI_VCPU_MMAP_SIZE, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, (off_t)0);
    vcpu->msrs = kvm_msr_new(vcpu);
    lapic_init(&vcpu->lapic, id, &vcpu_lapic_port, vcpu);
    vcpu->lapic.bus_ns = vm->bus_ns;
    if ((void *)vcpu->run != MAP_FAILED && vcpu->msrs) {
        vcpu->tdv = td_vcpu_new(vm->td, &vcpu->lapic, vcpu);
    }
    if (!vcpu->tdv) {
        vcpu_free(vcpu);
        return NULL;
    }
    vcpu->cpu = td_vcpu_cpu(vcpu->tdv);
    vcpu->run->apic_base = UINT64_C(0xfee00800);
    atomic_store(&vcpu->mp_state,
                 id == vm->boot_cpu_id ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED);
    return vcpu;
}

static int create_locked(Vm *vm, uint32_t id)
{
    uint32_t n = atomic_load(&vm->num_vcpus);
    if (n >= vm->max_vcpus || (vm->max_vcpu_id && id >= vm->max_vcpu_id)) {
        return -EINVAL;
    }
    if (vm_vcpu_by_id(vm, id)) {
        return -EEXIST;
    }
    if (vm->state != TD_INIT) {
        return -EIO;
    }
    if (!vm->split_irqchip) {
        return -EINVAL;
    }
    Vcpu *vcpu = vcpu_new(vm, id);
    if (!vcpu) {
        return -ENOMEM;
    }
    vcpu->index = n;
    vm_get(vm);
    int fd = file_install(vm->host, KVM_FILE_VCPU, vm, vcpu, NULL, true);
    if (fd < 0) {
        vcpu_free(vcpu);
        atomic_fetch_sub(&vm->refs, 1); /* not the last: the caller's file holds one */
        return fd;
    }
    vm->vcpus[n] = vcpu;
    atomic_store(&vm->num_vcpus, n + 1);
    return fd;
}

int vcpu_create(Vm *vm, unsigned long id)
{
    if (id >= ABI_MAX_VCPU_IDS) {
        return -EINVAL;
    }
    if (vm->type != ABI_VM_TDX) {
        host_message(vm->host, "KVM_CREATE_VCPU: this host executes TDX guests only (VM type 5), "
                               "not ordinary VMs");
        return -EOPNOTSUPP;
    }
    pthread_mutex_lock(&vm->lock);
    int r = create_locked(vm, (uint32_t)id);
    pthread_mutex_unlock(&vm->lock);
    if (r >= 0) {
        guest_state_lock(vm->host);
    }
    TRACE(vm->host, "create-vcpu", T_U("vcpu", id), T_D("result", r));
    return r;
}

/*
 * A second mapping of the same pages: mremap() of length 0 does that to a shared mapping, without a
 * descriptor.
 */
intptr_t vcpu_mmap(Vcpu *vcpu, void *addr, size_t length, int prot, int flags, off_t offset)
{
    if (!length || offset != 0 || length > ABI_VCPU_MMAP_SIZE) {
        return -EINVAL;
    }
    int how = MREMAP_MAYMOVE | ((flags & MAP_FIXED) ? MREMAP_FIXED : 0);
    long r = raw_result(syscall(SYS_mremap, vcpu->run, (size_t)0, length, how, addr));
    if (r > -4096 && r < 0) {
        return r;
    }
    if (prot != (PROT_READ | PROT_WRITE)) {
        syscall(SYS_mprotect, r, length, prot);
    }
    return r;
}

/* ---- CPUID ---- */

static int set_cpuid(Vcpu *vcpu, uintptr_t arg)
{
    AbiCpuidHeader header;
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.nent > ABI_MAX_CPUID_ENTRIES) {
        return -E2BIG;
    }
    size_t size = header.nent * sizeof(AbiCpuidEntry);
    AbiCpuidEntry *entries = calloc(header.nent + 1, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    if (user_read(entries, arg + sizeof(header), size) < 0) {
        free(entries);
        return -EFAULT;
    }
    const AbiCpuidEntry *widths = cpuid_find(entries, header.nent, 0x80000008, 0);
    uint32_t linear = widths ? (widths->eax >> 8) & 0xff : 0;
    bool same = vcpu->num_cpuid == header.nent && (!size || !memcmp(vcpu->cpuid, entries, size));
    if ((linear != 0 && linear != 48 && linear != 57) || (vcpu->ran && !same)) {
        free(entries);
        return -EINVAL;
    }
    int r = guest_state_check(vcpu->vm->host, entries, header.nent);
    if (r) {
        free(entries);
        return r;
    }
    free(vcpu->cpuid);
    vcpu->cpuid = entries;
    vcpu->num_cpuid = header.nent;
    return 0;
}

static int get_cpuid(Vcpu *vcpu, uintptr_t arg)
{
    AbiCpuidHeader header;
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.nent < vcpu->num_cpuid) {
        return -E2BIG;
    }
    header.nent = vcpu->num_cpuid;
    if (user_write(arg + sizeof(header), vcpu->cpuid, vcpu->num_cpuid * sizeof(*vcpu->cpuid)) < 0) {
        return -EFAULT;
    }
    return user_write(arg, &header, sizeof(header));
}

/* ---- small ones ---- */

static int set_mp_state(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_mp_state state;
    if (user_read(&state, arg, sizeof(state)) < 0) {
        return -EFAULT;
    }
    switch (state.mp_state) {
    case KVM_MP_STATE_INIT_RECEIVED:
    case KVM_MP_STATE_SIPI_RECEIVED:
        if (!host_kernel_at_least(vcpu->vm->host, 6, 17)) {
            return -EINVAL;
        }
        break;
    case KVM_MP_STATE_RUNNABLE:
    case KVM_MP_STATE_UNINITIALIZED:
    case KVM_MP_STATE_HALTED:
    case KVM_MP_STATE_AP_RESET_HOLD:
        break;
    default:
        return -EINVAL;
    }
    atomic_store(&vcpu->mp_state, state.mp_state);
    return 0;
}

static int get_mp_state(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_mp_state state = { atomic_load(&vcpu->mp_state) };
    return user_write(arg, &state, sizeof(state));
}

static int events(Vcpu *vcpu, bool set, uintptr_t arg)
{
    struct kvm_vcpu_events e = { 0 };
    if (!set) {
        e.nmi.pending = atomic_load(&vcpu->lapic.nmi_pending) != 0;
        e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
        return user_write(arg, &e, sizeof(e));
    }
    if (user_read(&e, arg, sizeof(e)) < 0) {
        return -EFAULT;
    }
    if ((e.flags & KVM_VCPUEVENT_VALID_NMI_PENDING) && e.nmi.pending) {
        lapic_post_nmi(&vcpu->lapic);
    }
    return 0;
}

static int set_signal_mask(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_signal_mask header;
    if (!arg) {
        vcpu->mask_set = false;
        return 0;
    }
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.len != sizeof(vcpu->mask)) {
        return -EINVAL;
    }
    if (user_read(&vcpu->mask, arg + sizeof(header), sizeof(vcpu->mask)) < 0) {
        return -EFAULT;
    }
    vcpu->mask &= ~((UINT64_C(1) << (RAW_SIGKILL - 1)) | (UINT64_C(1) << (RAW_SIGSTOP - 1)));
    vcpu->mask_set = true;
    return 0;
}

static int interrupt(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_interrupt irq;
    if (user_read(&irq, arg, sizeof(irq)) < 0) {
        return -EFAULT;
    }
    if (irq.irq >= 256) {
        return -EINVAL;
    }
    if (vcpu->external_pending) {
        return -EEXIST;
    }
    /* queued for ever: a TD takes interrupts from its APIC page only */
    vcpu->external_pending = true;
    return 0;
}

static int setup_mce(uintptr_t arg)
{
    uint64_t cap;
    if (user_read(&cap, arg, sizeof(cap)) < 0) {
        return -EFAULT;
    }
    return (cap & 0xff) < 1 || (cap & 0xff) > 32 ? -EINVAL : 0;
}

/*
 * Of use on CPUs without a virtual APIC only; accepted on any vCPU with a local APIC in the kernel,
 * a TD's too.
 */
static int tpr_access_reporting(uintptr_t arg)
{
    struct kvm_tpr_access_ctl ctl;
    if (user_read(&ctl, arg, sizeof(ctl)) < 0) {
        return -EFAULT;
    }
    return ctl.flags ? -EINVAL : user_write(arg, &ctl, sizeof(ctl));
}

/* 0 takes it back; else the word must lie in a memory slot. */
static int set_vapic_addr(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_vapic_addr vapic;
    if (user_read(&vapic, arg, sizeof(vapic)) < 0) {
        return -EFAULT;
    }
    pthread_mutex_lock(&vcpu->vm->slots_lock);
    int r = !vapic.vapic_addr || memslot_find(vcpu->vm, vapic.vapic_addr) ? 0 : -EINVAL;
    pthread_mutex_unlock(&vcpu->vm->slots_lock);
    return r;
}

/* Group 0 (KVM_VCPU_TSC_CTRL), attribute TSC_OFFSET: accepted and without effect. */
static int device_attr(unsigned long request, uintptr_t arg)
{
    struct kvm_device_attr attr;
    const uint64_t offset = 0;
    if (user_read(&attr, arg, sizeof(attr)) < 0) {
        return -EFAULT;
    }
    if (attr.group != KVM_VCPU_TSC_CTRL || attr.attr != KVM_VCPU_TSC_OFFSET) {
        return -ENXIO;
    }
    return (uint32_t)request == (uint32_t)KVM_GET_DEVICE_ATTR
               ? user_write(attr.addr, &offset, sizeof(offset))
               : 0;
}

static int locked_ioctl(Vcpu *vcpu, unsigned long request, uintptr_t arg)
{
    switch ((uint32_t)request) {
    case (uint32_t)KVM_SET_CPUID2:
        return set_cpuid(vcpu, arg);
    case (uint32_t)KVM_GET_CPUID2:
        return get_cpuid(vcpu, arg);
    case (uint32_t)KVM_GET_MSRS:
        return kvm_msr_vcpu_ioctl(vcpu, false, arg);
    case (uint32_t)KVM_SET_MSRS:
        return kvm_msr_vcpu_ioctl(vcpu, true, arg);
    case (uint32_t)KVM_GET_MP_STATE:
        return get_mp_state(vcpu, arg);
    case (uint32_t)KVM_SET_MP_STATE:
        return set_mp_state(vcpu, arg);
    case (uint32_t)KVM_GET_VCPU_EVENTS:
        return events(vcpu, false, arg);
    case (uint32_t)KVM_SET_VCPU_EVENTS:
        return events(vcpu, true, arg);
    case (uint32_t)KVM_SET_SIGNAL_MASK:
        return set_signal_mask(vcpu, arg);
    case (uint32_t)KVM_NMI:
        lapic_post_nmi(&vcpu->lapic);
        return 0;
    case (uint32_t)KVM_SMI:
        return -ENOTTY;
    case (uint32_t)KVM_INTERRUPT:
        return interrupt(vcpu, arg);
    case (uint32_t)KVM_GET_TSC_KHZ:
        return (int)vcpu->vm->tsc_khz;
    case (uint32_t)KVM_X86_SETUP_MCE:
        return setup_mce(arg);
    case (uint32_t)KVM_TPR_ACCESS_REPORTING:
        return tpr_access_reporting(arg);
    case (uint32_t)KVM_SET_VAPIC_ADDR:
        return set_vapic_addr(vcpu, arg);
    case (uint32_t)KVM_SET_DEVICE_ATTR:
    case (uint32_t)KVM_GET_DEVICE_ATTR:
    case (uint32_t)KVM_HAS_DEVICE_ATTR:
        return device_attr(request, arg);
    case ABI_MEMORY_ENCRYPT_OP:
        return tdx_vcpu_op(vcpu, arg);
    case ABI_PRE_FAULT_MEMORY:
        return tdx_pre_fault(vcpu, arg);
    case (uint32_t)KVM_GET_REGS:
    case (uint32_t)KVM_SET_REGS:
    case (uint32_t)KVM_GET_SREGS:
    case (uint32_t)KVM_SET_SREGS:
    case (uint32_t)KVM_GET_SREGS2:
    case (uint32_t)KVM_SET_SREGS2:
    case (uint32_t)KVM_GET_FPU:
    case (uint32_t)KVM_SET_FPU:
    case (uint32_t)KVM_GET_XSAVE:
    case (uint32_t)KVM_SET_XSAVE:
    case (uint32_t)KVM_GET_XSAVE2:
    case (uint32_t)KVM_GET_XCRS:
    case (uint32_t)KVM_SET_XCRS: case (uint32_t)KVM_GET_DEBUGREGS: case (uint32_t)KVM_SET_DEBUGREGS:
    case (uint32_t)KVM_SET_GUEST_DEBUG: case (uint32_t)KVM_GET_LAPIC: case (uint32_t)KVM_SET_LAPIC:
    case (uint32_t)KVM_SET_TSC_KHZ: case (uint32_t)KVM_KVMCLOCK_CTRL:
        return -EINVAL; /* protected guest state: table 4.1 */
    default:
        TRACE(vcpu->vm->host, "unknown-ioctl", T_S("name", "vCPU"), T_X("request", request));
        return -EINVAL; /* kvm_arch_vcpu_ioctl() of x86 */
    }
}

int vcpu_ioctl(Vcpu *vcpu, unsigned long request, uintptr_t arg)
{
    if ((uint32_t)request == ABI_MEMORY_ENCRYPT_OP && host_kernel_at_least(vcpu->vm->host, 6, 19)) {
        return tdx_vcpu_op(vcpu, arg); /* takes every vCPU's mutex itself */
    }
    pthread_mutex_lock(&vcpu->mutex);
    int r;
    if ((uint32_t)request == (uint32_t)KVM_RUN) {
        r = arg ? -EINVAL : vcpu_run(vcpu);
    } else {
        r = locked_ioctl(vcpu, request, arg);
    }
    pthread_mutex_unlock(&vcpu->mutex);
    return r;
}
