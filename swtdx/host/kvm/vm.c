/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM descriptor: life of a VM, and the dispatch of its ioctls (kvm-tdx ABI, table 4.2). */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "raw.h"

uint64_t vm_now_ns(const Vm *vm)
{
    return kvm_host_now_ns(vm->host) - vm->epoch_ns;
}

void vm_get(Vm *vm)
{
    atomic_fetch_add(&vm->refs, 1);
}

static void vm_free(Vm *vm)
{
    KvmHost *host = vm->host;
    record_vm_gone(vm);
    pthread_mutex_lock(&host->lock);
    for (Vm **link = &host->vms; *link; link = &(*link)->next) {
        if (*link == vm) {
            *link = vm->next;
            break;
        }
    }
    if (vm->keyid >= 0) {
        keyid_return(host, vm->keyid);
    }
    pthread_mutex_unlock(&host->lock);
    irq_free(vm);
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 0; i < n; i++) {
        vcpu_free(vm->vcpus[i]);
    }
    if (vm->td) {
        td_free(vm->td);
    }
    memslot_free(vm);
    free(vm->privates);
    free(vm->routes);
    free(vm->msr_filter);
    free(vm->vcpus);
    pthread_mutex_destroy(&vm->lock);
    pthread_mutex_destroy(&vm->slots_lock);
    pthread_rwlock_destroy(&vm->memory);
    pthread_mutex_destroy(&vm->irq);
    turn_fini(vm);
    free(vm);
}

void vm_put(Vm *vm)
{
    if (atomic_fetch_sub(&vm->refs, 1) == 1) {
        vm_free(vm);
    }
}

int vm_create(KvmHost *host, unsigned long type)
{
    const Profile *p = host->profile;
    if (type != 0 && !(type == ABI_VM_TDX && p->tdx_enabled)) {
        return -EINVAL;
    }
    int r = service_start(host);
    if (r < 0) {
        return r;
    }
    Vm *vm = calloc(1, sizeof(*vm));
    if (!vm) {
        return -ENOMEM;
    }
    vm->keyid = -1;
    vm->host = host;
    vm->type = (uint32_t)type;
    atomic_store(&vm->refs, 1);
    vm->tsc_khz = p->native_tsc_khz;
    vm->bus_ns = 1;
    vm->max_vcpus = type == ABI_VM_TDX && p->logical_cpus < ABI_NR_VCPUS_BUILD ? p->logical_cpus
                                                                               : ABI_NR_VCPUS_BUILD;
    vm->epoch_ns = kvm_host_now_ns(host);
    turn_init(vm);
    vm->vcpus = calloc(vm->max_vcpus, sizeof(*vm->vcpus));
    pthread_mutex_init(&vm->lock, NULL);
    pthread_mutex_init(&vm->slots_lock, NULL);
    pthread_rwlock_init(&vm->memory, NULL);
    pthread_mutex_init(&vm->irq, NULL);
    pthread_mutex_lock(&host->lock);
    vm->next = host->vms;
    host->vms = vm;
    pthread_mutex_unlock(&host->lock);
    r = vm->vcpus ? file_install(host, KVM_FILE_VM, vm, NULL, NULL, true) : -ENOMEM;
    if (r < 0) {
        vm_put(vm);
    }
    return r;
}

Vcpu *vm_vcpu_by_id(Vm *vm, uint32_t id)
{
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 0; i < n; i++) {
        if (vm->vcpus[i]->id == id) {
            return vm->vcpus[i];
        }
    }
    return NULL;
}

void vm_kick_all(Vm *vm)
{
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 0; i < n; i++) {
        vcpu_kick(vm->vcpus[i]);
    }
}

void vm_kill(Vm *vm)
{
    if (!atomic_exchange(&vm->dead, true)) {
        TRACE(vm->host, "vm-dead", T_S("name", NULL));
        vm_kick_all(vm);
    }
}

/*
 * From 6.19 on INIT_VM, FINALIZE_VM, INIT_VCPU and INIT_MEM_REGION hold every vCPU's mutex: a vCPU
 * thread that sits in KVM_RUN makes them wait, which is the truth that a VMM must live with.
 */
void vm_lock_vcpus(Vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    if (host_kernel_at_least(vm->host, 6, 19)) {
        uint32_t n = atomic_load(&vm->num_vcpus);
        for (uint32_t i = 0; i < n; i++) {
            pthread_mutex_lock(&vm->vcpus[i]->mutex);
        }
    }
}

void vm_unlock_vcpus(Vm *vm)
{
    if (host_kernel_at_least(vm->host, 6, 19)) {
        uint32_t n = atomic_load(&vm->num_vcpus);
        for (uint32_t i = 0; i < n; i++) {
            pthread_mutex_unlock(&vm->vcpus[i]->mutex);
        }
    }
    pthread_mutex_unlock(&vm->lock);
}

static int set_region(Vm *vm, uintptr_t arg, bool v2)
{
    AbiMemoryRegion2 region = { 0 };
    if (user_read(&region, arg, v2 ? sizeof(region) : sizeof(struct kvm_userspace_memory_region)) <
        0) {
        return -EFAULT;
    }
    pthread_mutex_lock(&vm->slots_lock);
    int r = memslot_set(vm, &region, v2);
    pthread_mutex_unlock(&vm->slots_lock);
    TRACE(vm->host, "memslot", T_U("id", region.slot), T_X("flags", region.flags),
          T_X("gpa", region.guest_phys_addr), T_X("size", region.memory_size), T_D("result", r));
    return r;
}

static int set_attributes(Vm *vm, uintptr_t arg)
{
    AbiMemoryAttributes attr;
    if (user_read(&attr, arg, sizeof(attr)) < 0) {
        return -EFAULT;
    }
    pthread_mutex_lock(&vm->slots_lock);
    int r = attributes_set(vm, &attr);
    pthread_mutex_unlock(&vm->slots_lock);
    TRACE(vm->host, "attributes", T_X("gpa", attr.address), T_X("size", attr.size),
          T_S("side", attr.attributes ? "private" : "shared"), T_D("result", r));
    return r;
}

static int set_tsc_khz(Vm *vm, unsigned long khz)
{
    /* max_guest_tsc_khz with TSC scaling: far above the module's 10 GHz, which it tells itself */
    if ((uint32_t)khz >= INT32_MAX) {
        return -EINVAL;
    }
    pthread_mutex_lock(&vm->lock);
    int r = 0;
    if (atomic_load(&vm->num_vcpus)) {
        r = -EINVAL;
    } else {
        vm->tsc_khz = (uint32_t)khz ? (uint32_t)khz : vm->host->profile->native_tsc_khz;
    }
    pthread_mutex_unlock(&vm->lock);
    return r;
}

static int create_irqchip(Vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    int r = 0;
    if (vm->split_irqchip || vm->full_irqchip) {
        r = -EEXIST;
    } else if (vm->type == ABI_VM_TDX && host_kernel_at_least(vm->host, 6, 18)) {
        r = -ENOTTY; /* protected EOI */
    } else if (atomic_load(&vm->num_vcpus)) {
        r = -EINVAL;
    } else {
        vm->full_irqchip = true;
    }
    pthread_mutex_unlock(&vm->lock);
    return r;
}

/* struct kvm_clock_data: nanoseconds since the VM was made, plus what KVM_SET_CLOCK added. */
static int clock_ioctl(Vm *vm, bool set, uintptr_t arg)
{
    struct kvm_clock_data data = { 0 };
    if (!set) {
        data.clock = vm_now_ns(vm) + vm->clock_offset;
        return user_write(arg, &data, sizeof(data));
    }
    if (user_read(&data, arg, sizeof(data)) < 0) {
        return -EFAULT;
    }
    if (data.flags & ~(uint32_t)(KVM_CLOCK_REALTIME)) {
        return -EINVAL;
    }
    vm->clock_offset = data.clock - vm_now_ns(vm);
    return 0;
}

static int identity_map(Vm *vm, uintptr_t arg)
{
    uint64_t addr;
    if (user_read(&addr, arg, sizeof(addr)) < 0) {
        return -EFAULT;
    }
    return atomic_load(&vm->num_vcpus) ? -EINVAL : 0;
}

static int dirty_log(Vm *vm, uintptr_t arg)
{
    struct kvm_dirty_log log;
    if (user_read(&log, arg, sizeof(log)) < 0) {
        return -EFAULT;
    }
    int r = -ENOENT;
    pthread_mutex_lock(&vm->slots_lock);
    for (uint32_t i = 0; i < vm->slots_size.count; i++) {
        const MemSlot *s = &vm->slots[i];
        if (s->id == log.slot && (s->flags & KVM_MEM_LOG_DIRTY_PAGES)) {
            /* Shared stores are not tracked page by page: every page counts as written. */
            uint64_t bytes = (s->size / 4096 + 63) / 64 * 8;
            const uint64_t ones = UINT64_MAX;
            r = 0;
            for (uint64_t off = 0; off < bytes && !r; off += 8) {
                r = user_write((uintptr_t)log.dirty_bitmap + off, &ones, 8);
            }
        }
    }
    pthread_mutex_unlock(&vm->slots_lock);
    return r;
}

static int boot_cpu(Vm *vm, unsigned long id)
{
    pthread_mutex_lock(&vm->lock);
    uint32_t max = vm->max_vcpu_id;
    int r = atomic_load(&vm->num_vcpus)                  ? -EBUSY
            : id > ABI_MAX_VCPU_IDS || (max && id > max) ? -EINVAL
                                                         : 0;
    if (!r) {
        vm->boot_cpu_id = (uint32_t)id;
    }
    pthread_mutex_unlock(&vm->lock);
    return r;
}

/* Once per process: which calls a program makes that we do not know. */
static int unknown_ioctl(KvmHost *host, unsigned long request)
{
    if (atomic_fetch_add(&host->unknown_told, 1) < 8) {
        TRACE(host, "unknown-ioctl", T_S("name", "VM"), T_X("request", request));
    }
    return -ENOTTY;
}

static int ignored_struct(uintptr_t arg, size_t size, int r)
{
    uint8_t buf[512];
    return user_read(buf, arg, size) < 0 ? -EFAULT : r;
}

int vm_ioctl(KvmHost *host, Vm *vm, unsigned long request, uintptr_t arg)
{
    switch ((uint32_t)request) {
    case (uint32_t)KVM_CHECK_EXTENSION:
        return caps_check(host, vm, arg);
    case (uint32_t)KVM_CREATE_VCPU:
        return vcpu_create(vm, arg);
    case (uint32_t)KVM_ENABLE_CAP:
        return caps_enable(vm, arg);
    case (uint32_t)KVM_SET_USER_MEMORY_REGION:
        return set_region(vm, arg, false);
    case ABI_SET_USER_MEMORY_REGION2:
        return set_region(vm, arg, true);
    case ABI_SET_MEMORY_ATTRIBUTES:
        return vm->type == ABI_VM_TDX ? set_attributes(vm, arg) : -ENOTTY;
    case ABI_CREATE_GUEST_MEMFD:
        return gmem_create(vm, arg);
    case ABI_MEMORY_ENCRYPT_OP:
        return vm->type == ABI_VM_TDX ? tdx_vm_op(vm, arg) : -ENOTTY;
    case (uint32_t)KVM_MEMORY_ENCRYPT_REG_REGION:
    case (uint32_t)KVM_MEMORY_ENCRYPT_UNREG_REGION:
        return ignored_struct(arg, 16, -ENOTTY);
    case (uint32_t)KVM_SET_TSC_KHZ:
        return set_tsc_khz(vm, arg);
    case (uint32_t)KVM_GET_TSC_KHZ:
        return (int)vm->tsc_khz;
    case (uint32_t)KVM_SET_TSS_ADDR:
        return arg > 0xffffffffu - 3 * 4096 ? -EINVAL : 0;
    case (uint32_t)KVM_SET_IDENTITY_MAP_ADDR:
        return identity_map(vm, arg);
    case (uint32_t)KVM_SET_NR_MMU_PAGES:
        return arg < 64 ? -EINVAL : 0;
    case (uint32_t)KVM_CREATE_IRQCHIP:
        return create_irqchip(vm);
    case (uint32_t)KVM_GET_IRQCHIP:
    case (uint32_t)KVM_SET_IRQCHIP:
        return -ENXIO;
    case (uint32_t)KVM_CREATE_PIT2:
    case (uint32_t)KVM_CREATE_PIT:
        if (vm->type != ABI_VM_TDX) {
            host_message(vm->host, "KVM_CREATE_PIT2: this host executes TDX guests only (VM type "
                                   "5), not ordinary VMs");
        }
        return -ENOENT;
    case (uint32_t)KVM_IRQ_LINE:
    case (uint32_t)KVM_IRQ_LINE_STATUS:
        return irq_line(vm, request, arg);
    case (uint32_t)KVM_SET_GSI_ROUTING:
        return irq_set_routing(vm, arg);
    case (uint32_t)KVM_SIGNAL_MSI:
        return irq_signal_msi(vm, arg);
    case (uint32_t)KVM_IRQFD:
        return irq_fd(vm, arg);
    case (uint32_t)KVM_IOEVENTFD:
        return irq_ioeventfd(vm, arg);
    case (uint32_t)KVM_SET_BOOT_CPU_ID:
        return boot_cpu(vm, arg);
    case (uint32_t)KVM_GET_CLOCK:
        return clock_ioctl(vm, false, arg);
    case (uint32_t)KVM_SET_CLOCK:
        return clock_ioctl(vm, true, arg);
    case (uint32_t)KVM_GET_DIRTY_LOG:
        return dirty_log(vm, arg);
    case (uint32_t)KVM_X86_SET_MSR_FILTER:
        return kvm_msr_set_filter(vm, arg);
    case (uint32_t)KVM_REGISTER_COALESCED_MMIO:
    case (uint32_t)KVM_UNREGISTER_COALESCED_MMIO:
        /* a program must expect uncoalesced exits at any time */
        return ignored_struct(arg, sizeof(struct kvm_coalesced_mmio_zone), 0);
    case (uint32_t)KVM_SET_PMU_EVENT_FILTER:
        return ignored_struct(arg, sizeof(struct kvm_pmu_event_filter), 0);
    default:
        return unknown_ioctl(host, request);
    }
}
