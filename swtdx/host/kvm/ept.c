/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EPT violations: what KVM resolves by itself, and what becomes KVM_EXIT_MEMORY_FAULT (kvm-tdx ABI
 * 5.6).
 */
#include "host.h"

int ept_map_private(Vm *vm, uint64_t gpa)
{
    pthread_rwlock_rdlock(&vm->memory);
    bool private = attributes_private(vm, gpa);
    const MemSlot *slot = memslot_find(vm, gpa);
    int r = !private                                                     ? -ENOENT
            : !slot || !slot->gmem || atomic_load(&slot->gmem->released) ? -EFAULT
                                                                         : 0;
    pthread_rwlock_unlock(&vm->memory);
    if (r) {
        return r;
    }
    /*
     * Between the check and this call the page may have been made shared: then the change's
     * td_range_remove() has run or will run. The second look takes the page out again if it ran
     * before.
     */
    TdxStatus status = td_page_aug(vm->td, gpa);
    if (status) {
        host_message(vm->host, "TDH.MEM.PAGE.AUG of 0x%llx failed: 0x%llx", (unsigned long long)gpa,
                     (unsigned long long)status);
        return -EIO;
    }
    pthread_rwlock_rdlock(&vm->memory);
    private = attributes_private(vm, gpa);
    pthread_rwlock_unlock(&vm->memory);
    if (!private) {
        td_range_remove(vm->td, gpa, 4096);
        return -EAGAIN;
    }
    return 0;
}

/*
 * An ACCEPT of 2 MiB finds nothing mapped. KVM maps 4 KiB, unless the profile says that here it
 * does not: then the whole region comes, where all of it is private memory of slots.
 */
static int map_region(Vm *vm, uint64_t gpa)
{
    uint64_t start = gpa & ~UINT64_C(0x1fffff);
    int r = ept_map_private(vm, gpa);
    for (uint64_t page = start; !r && page < start + 0x200000; page += 4096) {
        int further = ept_map_private(vm, page);
        if (further == -ENOENT || further == -EFAULT) {
            return 0; /* not all of it is: 4 KiB pages it is */
        }
        r = further;
    }
    return r;
}

static int memory_fault(Vcpu *vcpu, uint64_t gpa, bool private)
{
    AbiRunMemoryFault *fault = abi_run_memory_fault(vcpu->run);
    vcpu->run->exit_reason = ABI_EXIT_MEMORY_FAULT;
    fault->flags = private ? 8 : 0; /* KVM_MEMORY_EXIT_FLAG_PRIVATE */
    fault->gpa = gpa;
    fault->size = 4096;
    return -EFAULT;
}

/* The page is private, or has no memory behind it: an error that says nothing of the page. */
static int shared_violation(Vcpu *vcpu, uint64_t gpa)
{
    Vm *vm = vcpu->vm;
    pthread_rwlock_rdlock(&vm->memory);
    bool private = attributes_private(vm, gpa);
    const MemSlot *slot = memslot_find(vm, gpa);
    bool empty = slot && !memslot_has_memory(slot, gpa);
    pthread_rwlock_unlock(&vm->memory);
    if (!private && empty) {
        vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
        return -EFAULT;
    }
    return private ? memory_fault(vcpu, gpa, false) : RUN_CONTINUE;
}

int ept_violation(Vcpu *vcpu)
{
    Vm *vm = vcpu->vm;
    uint64_t gpa = vcpu->exit.gpa & ~UINT64_C(0xfff);
    run_log(vcpu, 48, gpa, vcpu->exit.shared, vcpu->exit.write);
    TRACE(vm->host, "ept", T_U("vcpu", vcpu->id), T_X("gpa", gpa),
          T_S("side", vcpu->exit.shared ? "shared" : "private"),
          T_S("access", vcpu->exit.fetch   ? "fetch"
                        : vcpu->exit.write ? "write"
                                           : "read"));
    if (vcpu->exit.shared) {
        return shared_violation(vcpu, gpa);
    }
    int r = vcpu->exit.level && vm->host->profile->accept_2m ? map_region(vm, gpa)
                                                             : ept_map_private(vm, gpa);
    switch (r) {
    case 0:
    case -EAGAIN:
        return RUN_CONTINUE;
    case -ENOENT:
    case -EFAULT:
        return memory_fault(vcpu, gpa, true);
    default:
        vm_kill(vm);
        return -EIO;
    }
}
