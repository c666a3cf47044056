/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TD's initial memory and pre-faulting: KVM_TDX_INIT_MEM_REGION (kvm-tdx ABI 3.7),
 * KVM_PRE_FAULT_MEMORY (2.7).
 */
#include <stdlib.h>

#include "../module/status.h"
#include "host.h"
#include "tdx-ops.h"

#define PAGE UINT64_C(4096)
#define PAGE_MASK UINT64_C(0xfff)
#define EXTEND_CHUNK 256

int tdx_load_mmu(Vcpu *vcpu)
{
    const AbiCpuidEntry *max = cpuid_find(vcpu->cpuid, vcpu->num_cpuid, 0x80000000, 0);
    const AbiCpuidEntry *widths = cpuid_find(vcpu->cpuid, vcpu->num_cpuid, 0x80000008, 0);
    uint32_t guest_bits = max && max->eax >= 0x80000008 && widths ? (widths->eax >> 16) & 0xff : 0;
    if (guest_bits != vcpu->vm->gpaw) {
        host_message(vcpu->vm->host,
                     "vCPU %u: guest physical width %u of KVM_SET_CPUID2 (leaf 0x80000008) is not "
                     "the %u of KVM_TDX_INIT_VM",
                     vcpu->id, guest_bits, vcpu->vm->gpaw);
        vm_kill(vcpu->vm);
        return -EIO;
    }
    vcpu->mmu_loaded = true;
    return 0;
}

static int add_error(Vm *vm, TdxStatus status)
{
    switch (status & UINT64_C(0xffffffff00000000)) {
    case TDX_OPERAND_BUSY:
        return -EBUSY;
    case TDX_EPT_ENTRY_NOT_FREE:
    case TDX_EPT_ENTRY_STATE_INCORRECT:
        return host_kernel_at_least(vm->host, 7, 0) ? -EIO : -EEXIST;
    default:
        return -EIO;
    }
}

/*
 * One page: the checks that need the slot, then TDH.MEM.PAGE.ADD and, when asked, TDH.MR.EXTEND 16
 * times.
 */
static int add_page(Vcpu *vcpu, uint64_t source, uint64_t gpa, bool measure)
{
    Vm *vm = vcpu->vm;
    uint8_t page[PAGE];
    uint64_t status = 0;
    int r = fault_due(vm->host, "TDH_MEM_PAGE_ADD", &status);
    if (r) {
        return r;
    }
    const MemSlot *slot = memslot_find(vm, gpa);
    if (!slot || !slot->gmem) {
        return -EINVAL;
    }
    if (atomic_load(&slot->gmem->released)) {
        return -EFAULT;
    }
    if (!attributes_private(vm, gpa)) {
        return -EINVAL;
    }
    if (user_read(page, source, sizeof(page)) < 0) {
        return -EFAULT;
    }
    status = td_page_add(vm->td, gpa, page);
    if (status) {
        TRACE(vm->host, "seamcall", T_S("name", "TDH.MEM.PAGE.ADD"), T_X("gpa", gpa),
              T_X("status", status));
        return add_error(vm, status);
    }
    for (uint64_t off = 0; measure && off < PAGE; off += EXTEND_CHUNK) {
        status = td_mr_extend(vm->td, gpa + off);
        if (status) {
            vm_kill(vm);
            return -EIO;
        }
    }
    atomic_fetch_add(&vm->host->pages_added, 1);
    return 0;
}

static bool region_valid(const Vm *vm, const AbiTdxInitMemRegion *r)
{
    uint64_t size, end, shared = UINT64_C(1) << (vm->gpaw - 1);
    if (((r->source_addr | r->gpa) & PAGE_MASK) || !r->nr_pages ||
        __builtin_mul_overflow(r->nr_pages, PAGE, &size) ||
        __builtin_add_overflow(r->gpa, size, &end)) {
        return false;
    }
    return !(r->gpa & shared) && !((end - 1) & shared);
}

/* KVM_TDX_INIT_MEM_REGION; progress is written back on every outcome. */
static int tdx_init_mem_region(Vcpu *vcpu, const AbiTdxCmd *cmd)
{
    Vm *vm = vcpu->vm;
    AbiTdxInitMemRegion region;
    if (!vcpu->initialised || (cmd->flags & ~ABI_TDX_MEASURE_MEMORY_REGION)) {
        return -EINVAL;
    }
    if (user_read(&region, cmd->data, sizeof(region)) < 0) {
        return -EFAULT;
    }
    if (!region_valid(vm, &region)) {
        return -EINVAL;
    }
    if (!region.source_addr && host_kernel_at_least(vm->host, 7, 0)) {
        return host_kernel_at_least(vm->host, 7, 3) ? -EINVAL : -EOPNOTSUPP;
    }
    int r = 0;
    if (!vcpu->mmu_loaded) {
        r = tdx_load_mmu(vcpu);
    }
    pthread_mutex_lock(&vm->slots_lock);
    while (!r && region.nr_pages) {
        r = add_page(vcpu, region.source_addr, region.gpa,
                     cmd->flags & ABI_TDX_MEASURE_MEMORY_REGION);
        if (!r) {
            region.source_addr += PAGE;
            region.gpa += PAGE;
            region.nr_pages--;
        }
    }
    pthread_mutex_unlock(&vm->slots_lock);
    TRACE(vm->host, "init-mem-region", T_X("next", region.gpa), T_U("left", region.nr_pages),
          T_D("result", r));
    if (user_write(cmd->data, &region, sizeof(region)) < 0) {
        return -EFAULT;
    }
    return r;
}

/* One page of KVM_PRE_FAULT_MEMORY. A shared page has nothing to be made ready here. */
static int pre_fault_page(Vcpu *vcpu, uint64_t gpa)
{
    Vm *vm = vcpu->vm;
    if (gpa & (UINT64_C(1) << (vm->gpaw - 1))) {
        return -EINVAL;
    }
    int r = ept_map_private(vm, gpa);
    if (r != -ENOENT) {
        if (r == -EFAULT) {
            AbiRunMemoryFault *fault = abi_run_memory_fault(vcpu->run);
            vcpu->run->exit_reason = ABI_EXIT_MEMORY_FAULT;
            *fault = (AbiRunMemoryFault){ 8, gpa, PAGE };
        }
        return r;
    }
    pthread_rwlock_rdlock(&vm->memory);
    bool slot = memslot_find(vm, gpa) != NULL;
    pthread_rwlock_unlock(&vm->memory);
    return slot ? 0 : -ENOENT;
}

int tdx_pre_fault(Vcpu *vcpu, uintptr_t arg)
{
    AbiPreFault range;
    Vm *vm = vcpu->vm;
    uint64_t end;
    if (user_read(&range, arg, sizeof(range)) < 0) {
        return -EFAULT;
    }
    if (range.flags || ((range.gpa | range.size) & PAGE_MASK) || !range.size ||
        __builtin_add_overflow(range.gpa, range.size, &end)) {
        return -EINVAL;
    }
    int r = vm->state == TD_RUNNABLE ? 0 : -EOPNOTSUPP;
    uint64_t done = 0;
    while (!r && range.size && !(r = pre_fault_page(vcpu, range.gpa))) {
        range.gpa += PAGE;
        range.size -= PAGE;
        done++;
    }
    if (user_write(arg, &range, sizeof(range)) < 0) {
        return -EFAULT;
    }
    return done ? 0 : r;
}

/* ---- vCPU commands ---- */

static int op_init_vcpu(Vcpu *vcpu, const AbiTdxCmd *cmd)
{
    const AbiCpuidEntry *leaf1 = cpuid_find(vcpu->cpuid, vcpu->num_cpuid, 1, 0);
    if (cmd->flags || vcpu->initialised || !leaf1 || !(leaf1->ecx & (1u << 21))) { /* x2APIC */
        return -EINVAL;
    }
    TdxStatus status = td_vp_init(vcpu->tdv, vcpu->id, cmd->data);
    if (status) {
        host_message(vcpu->vm->host, "TDH.VP.INIT of vCPU %u failed: 0x%llx", vcpu->id,
                     (unsigned long long)status);
        vm_kill(vcpu->vm);
        return -EIO;
    }
    vcpu->initialised = true;
    vcpu->run->apic_base = UINT64_C(0xfee00c00) | (vcpu->id == vcpu->vm->boot_cpu_id ? 0x100 : 0);
    atomic_store(&vcpu->mp_state, KVM_MP_STATE_RUNNABLE);
    vcpu_wake(vcpu);
    return 0;
}

/* Sub-leaves are read until the module has no further one. */
static uint32_t read_leaf(Vm *vm, uint32_t leaf, AbiCpuidEntry *entries, uint32_t n)
{
    uint32_t out[4];
    bool has = td_cpuid_has_subleaves(vm->td, leaf);
    for (uint32_t sub = 0; n < ABI_MAX_CPUID_ENTRIES && (has || sub == 0) &&
                           td_cpuid_value(vm->td, leaf, sub, has, out);
         sub++) {
        if (leaf == 0x80000008) {
            out[0] = (out[0] & ~0x00ff0000u) | vm->gpaw << 16;
        }
        entries[n++] = (AbiCpuidEntry){ .function = leaf, .index = sub,
                                        .flags = has ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                                        .eax = out[0], .ebx = out[1], .ecx = out[2],
                                        .edx = out[3] };
    }
    return n;
}

static int op_get_cpuid(Vcpu *vcpu, const AbiTdxCmd *cmd)
{
    Vm *vm = vcpu->vm;
    AbiCpuidHeader header;
    if (vm->state != TD_INIT) {
        return -EINVAL;
    }
    if (user_read(&header, cmd->data, sizeof(header)) < 0) {
        return -EFAULT;
    }
    AbiCpuidEntry *entries = calloc(ABI_MAX_CPUID_ENTRIES, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    uint32_t n = 0, r = 0;
    for (uint32_t base = 0; base <= 0x80000000; base += 0x80000000) {
        uint32_t out[4];
        if (!td_cpuid_value(vm->td, base, 0, false, out)) {
            r = 1;
            break;
        }
        for (uint32_t leaf = base, max = out[0]; leaf <= max && leaf - base < 0x100; leaf++) {
            n = read_leaf(vm, leaf, entries, n);
        }
        if (base) {
            break;
        }
    }
    int result = r ? -EIO : header.nent < n ? -E2BIG : 0;
    header.nent = n;
    if (!result && user_write(cmd->data + sizeof(header), entries, n * sizeof(*entries)) < 0) {
        result = -EFAULT;
    }
    free(entries);
    if (!r && user_write(cmd->data, &header, sizeof(header)) < 0) {
        return -EFAULT;
    }
    return result;
}

int tdx_vcpu_op(Vcpu *vcpu, uintptr_t arg)
{
    Vm *vm = vcpu->vm;
    AbiTdxCmd cmd;
    if (user_read(&cmd, arg, sizeof(cmd)) < 0) {
        return -EFAULT;
    }
    if (cmd.hw_error) {
        return -EINVAL;
    }
    uint64_t status = 0;
    int r = fault_due(vm->host, trace_tdx_name(cmd.id), &status);
    if (r) {
        return r;
    }
    bool all = host_kernel_at_least(vm->host, 6, 19);
    if (all) {
        vm_lock_vcpus(vm);
    }
    if (vm->state != TD_INIT) {
        r = -EINVAL;
    } else if (cmd.id == ABI_TDX_INIT_VCPU) {
        r = op_init_vcpu(vcpu, &cmd);
    } else if (cmd.id == ABI_TDX_INIT_MEM_REGION) {
        r = tdx_init_mem_region(vcpu, &cmd);
    } else if (cmd.id == ABI_TDX_GET_CPUID) {
        r = op_get_cpuid(vcpu, &cmd);
    } else {
        r = -EINVAL;
    }
    if (all) {
        vm_unlock_vcpus(vm);
    }
    TRACE(vm->host, "tdx", T_S("name", trace_tdx_name(cmd.id)), T_U("vcpu", vcpu->id),
          T_D("result", r));
    return r;
}
