/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vCPUs: creation, waking, kvm_run's pages, the port of the local APIC. */
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
    if (!vm->max_vcpu_id) {
        vm->max_vcpu_id = ABI_MAX_VCPU_IDS; /* too late for KVM_CAP_MAX_VCPU_ID */
    }
    if (vm->state != TD_INIT) {
        return -EIO;
    }
    if (!vm->split_irqchip) {
        return -EINVAL;
    }
    if (vm_vcpu_by_id(vm, id)) {
        return -EEXIST;
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
