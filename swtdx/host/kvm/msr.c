/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MSRs that KVM keeps for a TD (kvm-tdx ABI 4.3): guest TDVMCALLs, KVM_GET/SET_MSRS, and the
 * MSR filter.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "mce.h"

enum {
    MSR_APIC_BASE = 0x1b, MSR_FEAT_CTL = 0x3a, MSR_UCODE_REV = 0x8b, MSR_PLATFORM_INFO = 0xce,
    MSR_MTRRCAP = 0xfe, MSR_ARCH_CAPABILITIES = 0x10a, MSR_MISC_FEATURES = 0x140,
    MSR_MISC_ENABLE = 0x1a0, MSR_POWER_CTL = 0x1fc, MSR_MTRR_PHYS_FIRST = 0x200,
    MSR_MTRR_PHYS_LAST = 0x20f, MSR_PAT = 0x277, MSR_MTRR_DEF = 0x2ff,
    MSR_PERF_CAPABILITIES = 0x345, MSR_TSC_DEADLINE = 0x6e0, MSR_KVM_POLL = 0x4b564d05,
};
#define MSR_EFER 0xc0000080u
#define UCODE_REV (UINT64_C(1) << 32)
/* IA32_MISC_ENABLE: a guest cannot change bits 11 and 12, and what it writes to 7 is dropped. */
#define MISC_ENABLE_NO_BTS_PEBS (UINT64_C(3) << 11)
#define MISC_ENABLE_EMON (UINT64_C(1) << 7)
#define CPUID_FAULTING UINT64_C(1) /* of MISC_FEATURES_ENABLES */

struct VcpuMsrs *kvm_msr_new(Vcpu *vcpu)
{
    struct VcpuMsrs *m = calloc(1, sizeof(*m));
    if (m) {
        m->ucode = UCODE_REV;
        m->misc_enable = MISC_ENABLE_NO_BTS_PEBS;
        m->arch_capabilities = vcpu->vm->host->profile->arch_capabilities;
        m->pat = UINT64_C(0x0007040600070406);
        m->platform_info = UINT64_C(1) << 31; /* CPUID faulting */
        m->mce.cap = MCE_MAX_BANKS;
        m->poll = 1;
    }
    return m;
}

static bool is_x2apic(const Vm *vm, uint32_t index)
{
    static const uint16_t allowed[] = { 0x802, 0x803, 0x80d, 0x80f, 0x828, 0x82f, 0x830, 0x832,
                                        0x833, 0x834, 0x835, 0x836, 0x837, 0x838, 0x839, 0x83e };
    if (index < 0x800 || index > 0x8ff) {
        return false;
    }
    if (!host_kernel_at_least(vm->host, 7, 2)) {
        return index != 0x808 && index != 0x80a && index != 0x80b &&
               !(index >= 0x810 && index <= 0x827);
    }
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
        if (allowed[i] == index) {
            return true;
        }
    }
    return false;
}

/* 8 variable ranges, and the fixed ones; the rest of 200h to 26Fh nobody has. */
static bool is_mtrr(uint32_t index)
{
    return (index >= MSR_MTRR_PHYS_FIRST && index <= MSR_MTRR_PHYS_LAST) || index == 0x250 ||
           index == 0x258 || index == 0x259 || (index >= 0x268 && index <= 0x26f);
}

/* MSRs that are plain storage, or NULL. */
static uint64_t *msr_slot(struct VcpuMsrs *m, uint32_t index)
{
    if (is_mtrr(index)) {
        return &m->mtrr[index - MSR_MTRR_PHYS_FIRST];
    }
    switch (index) {
    case MSR_UCODE_REV: return &m->ucode;
    case MSR_ARCH_CAPABILITIES: return &m->arch_capabilities;
    case MSR_POWER_CTL: return &m->power_ctl;
    case MSR_MISC_ENABLE: return &m->misc_enable;
    case MSR_PLATFORM_INFO: return &m->platform_info;
    case MSR_MISC_FEATURES: return &m->misc_features;
    case MSR_PAT: return &m->pat;
    case MSR_MTRR_DEF: return &m->mtrr_def;
    case MSR_KVM_POLL: return &m->poll;
    default: return NULL;
    }
}

int kvm_msr_read(Vcpu *vcpu, uint32_t index, uint64_t *value, bool host_initiated)
{
    struct VcpuMsrs *m = vcpu->msrs;
    if (is_x2apic(vcpu->vm, index) || index == MSR_TSC_DEADLINE) {
        return lapic_read(&vcpu->lapic, index, value) ? 0 : -EINVAL;
    }
    if (mce_has(index)) {
        return mce_read(&m->mce, index, value, host_initiated);
    }
    switch (index) {
    case MSR_APIC_BASE:
        *value = UINT64_C(0xfee00c00) | (vcpu->id == vcpu->vm->boot_cpu_id ? 0x100 : 0);
        return 0;
    case MSR_EFER:
        *value = 0xd01; /* SCE, LME, LMA, NXE */
        return 0;
    case MSR_FEAT_CTL:
        *value = 1 | (m->mce.cap & MCG_LMCE_P ? 1u << 20 : 0);
        return 0;
    case MSR_MTRRCAP:
        *value = 0x508; /* write-combining, fixed ranges, 8 variable ones */
        return 0;
    default:
        break;
    }
    uint64_t *slot = msr_slot(m, index);
    if (!slot) {
        return -EINVAL;
    }
    *value = *slot;
    return 0;
}

/* Bytes of memory types, `types` a mask of those that there may be. */
static bool memory_types_valid(uint64_t value, int n, unsigned types)
{
    for (int i = 0; i < n; i++) {
        uint8_t type = (uint8_t)(value >> (8 * i));
        if (type > 7 || !(types >> type & 1)) {
            return false;
        }
    }
    return true;
}
#define MTRR_TYPES 0x73 /* UC, WC, WT, WP, WB */
#define PAT_TYPES 0xf3  /* and UC- */

/* SDM vol. 3, 12.11.2: types, and reserved bits, those above MAXPHYADDR among them. */
static bool mtrr_valid(const Vcpu *vcpu, uint32_t index, uint64_t value)
{
    uint64_t beyond = UINT64_MAX << cpuid_phys_bits(vcpu);
    if (index == MSR_MTRR_DEF) {
        return !(value & ~UINT64_C(0xcff)) && memory_types_valid(value, 1, MTRR_TYPES);
    }
    if (index > MSR_MTRR_PHYS_LAST) {
        return memory_types_valid(value, 8, MTRR_TYPES);
    }
    return index & 1 ? !(value & (beyond | 0x7ff))
                     : !(value & (beyond | 0xf00)) && memory_types_valid(value, 1, MTRR_TYPES);
}

/* What kvm_set_msr_common() refuses of a TD's MSRs; *value as it is kept. */
static bool write_valid(const Vcpu *vcpu, uint32_t index, uint64_t *value, bool host_initiated)
{
    const struct VcpuMsrs *m = vcpu->msrs;
    switch (index) {
    case MSR_APIC_BASE:
    case MSR_EFER:
    case MSR_FEAT_CTL:
    case MSR_MTRRCAP:
        return false;
    case MSR_PAT:
        return memory_types_valid(*value, 8, PAT_TYPES);
    case MSR_ARCH_CAPABILITIES:
    case MSR_PLATFORM_INFO:
        return host_initiated;
    case MSR_UCODE_REV: /* a guest's microcode update is ignored */
        *value = host_initiated ? *value : m->ucode;
        return true;
    case MSR_MISC_FEATURES:
        return !(*value & ~CPUID_FAULTING) && (!*value || m->platform_info >> 31 & 1);
    case MSR_MISC_ENABLE:
        if (!host_initiated) {
            if ((*value ^ m->misc_enable) & MISC_ENABLE_NO_BTS_PEBS) {
                return false;
            }
            *value = (*value & ~MISC_ENABLE_EMON) | (m->misc_enable & MISC_ENABLE_EMON);
        }
        return true;
    case MSR_KVM_POLL:
        return *value <= 1;
    default:
        return (!is_mtrr(index) && index != MSR_MTRR_DEF) || mtrr_valid(vcpu, index, *value);
    }
}

int kvm_msr_write(Vcpu *vcpu, uint32_t index, uint64_t value, bool host_initiated)
{
    struct VcpuMsrs *m = vcpu->msrs;
    if (is_x2apic(vcpu->vm, index) || index == MSR_TSC_DEADLINE) {
        return lapic_write(&vcpu->lapic, index, value) ? 0 : -EINVAL;
    }
    if (mce_has(index)) {
        return mce_write(&m->mce, index, value, host_initiated);
    }
    uint64_t *slot = msr_slot(m, index);
    if (!slot || !write_valid(vcpu, index, &value, host_initiated)) {
        return -EINVAL;
    }
    *slot = value;
    return 0;
}

/*
 * ---- KVM_GET_MSRS, KVM_SET_MSRS: stop at the first refused one and answer how many were done ----
 */

#define MAX_MSRS 256

int kvm_msr_vcpu_ioctl(Vcpu *vcpu, bool set, uintptr_t arg)
{
    struct kvm_msrs header;
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.nmsrs >= MAX_MSRS) {
        return -E2BIG;
    }
    for (uint32_t i = 0; i < header.nmsrs; i++) {
        struct kvm_msr_entry e;
        uintptr_t at = arg + sizeof(header) + i * sizeof(e);
        if (user_read(&e, at, sizeof(e)) < 0) {
            return -EFAULT;
        }
        uint64_t value = e.data;
        if (set ? kvm_msr_write(vcpu, e.index, value, true)
                : kvm_msr_read(vcpu, e.index, &value, true)) {
            return (int)i;
        }
        e.data = value;
        if (!set && user_write(at, &e, sizeof(e)) < 0) {
            return -EFAULT;
        }
    }
    return (int)header.nmsrs;
}

/* ---- lists, and feature MSRs on /dev/kvm ---- */

static const uint32_t saved_msrs[] = {
    0x174, 0x175, 0x176, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0x10, 0x277,
    0x1d9, 0x48, 0xc0000103,
    0x4b564d00, 0x4b564d01, 0x11, 0x12, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, 0x4b564d06,
    0x4b564d07,
    0x3b, 0x6e0, 0x10a, 0x1a0, 0x17a, 0x17b, 0x4d0, 0x9e, 0x3a, 0x140, 0x8b, 0xce, 0xfe, 0x2ff,
    0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0x208, 0x209, 0x20a, 0x20b, 0x20c,
    0x20d, 0x20e, 0x20f,
    0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0x1fc, 0x1c4,
    0x1c5, 0xda0,
};
static const uint32_t feature_msrs[] = { MSR_UCODE_REV, MSR_ARCH_CAPABILITIES,
                                         MSR_PERF_CAPABILITIES, MSR_PLATFORM_INFO };

int kvm_msr_index_list(KvmHost *host, bool feature, uintptr_t arg)
{
    const uint32_t *list = feature ? feature_msrs : saved_msrs;
    uint32_t n = feature ? sizeof(feature_msrs) / 4 : sizeof(saved_msrs) / 4, room;
    if (user_read(&room, arg, sizeof(room)) < 0 || user_write(arg, &n, sizeof(n)) < 0) {
        return -EFAULT;
    }
    if (room < n) {
        return -E2BIG;
    }
    return user_write(arg + sizeof(n), list, n * sizeof(*list));
}

int kvm_msr_sys_get(KvmHost *host, uintptr_t arg)
{
    struct kvm_msrs header;
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.nmsrs >= MAX_MSRS) {
        return -E2BIG;
    }
    for (uint32_t i = 0; i < header.nmsrs; i++) {
        struct kvm_msr_entry e;
        uintptr_t at = arg + sizeof(header) + i * sizeof(e);
        if (user_read(&e, at, sizeof(e)) < 0) {
            return -EFAULT;
        }
        switch (e.index) {
        case MSR_UCODE_REV: e.data = UCODE_REV; break;
        case MSR_ARCH_CAPABILITIES: e.data = host->profile->arch_capabilities; break;
        case MSR_PLATFORM_INFO: e.data = UINT64_C(1) << 31; break;
        case MSR_PERF_CAPABILITIES: e.data = 0; break;
        default: return (int)i;
        }
        if (user_write(at, &e, sizeof(e)) < 0) {
            return -EFAULT;
        }
    }
    return (int)header.nmsrs;
}

/* ---- KVM_X86_SET_MSR_FILTER ---- */

#define FILTER_RANGES 16
#define FILTER_MAX_BYTES 0x600

struct MsrFilter {
    bool default_deny;
    uint32_t count;
    struct { uint32_t flags, base, n; uint8_t bitmap[FILTER_MAX_BYTES]; } range[FILTER_RANGES];
};

static bool filter_denies(const struct MsrFilter *f, uint32_t index, bool write)
{
    uint32_t kind = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t bit = index - f->range[i].base;
        if (index >= f->range[i].base && bit < f->range[i].n && (f->range[i].flags & kind)) {
            return !(f->range[i].bitmap[bit / 8] & (1u << (bit % 8)));
        }
    }
    return f->default_deny;
}

int kvm_msr_filtered(Vm *vm, uint32_t index, bool write)
{
    if (index >= 0x800 && index <= 0x8ff) {
        return 0; /* x2APIC MSRs cannot be filtered */
    }
    pthread_rwlock_rdlock(&vm->memory);
    int denied = vm->msr_filter && filter_denies(vm->msr_filter, index, write);
    pthread_rwlock_unlock(&vm->memory);
    return denied;
}

int kvm_msr_set_filter(Vm *vm, uintptr_t arg)
{
    struct kvm_msr_filter in;
    if (user_read(&in, arg, sizeof(in)) < 0) {
        return -EFAULT;
    }
    if (in.flags & ~(uint32_t)KVM_MSR_FILTER_DEFAULT_DENY) {
        return -EINVAL;
    }
    struct MsrFilter *f = calloc(1, sizeof(*f));
    if (!f) {
        return -ENOMEM;
    }
    f->default_deny = in.flags & KVM_MSR_FILTER_DEFAULT_DENY;
    int r = 0;
    for (uint32_t i = 0; i < FILTER_RANGES && !r; i++) {
        uint32_t n = in.ranges[i].nmsrs;
        if (!n) {
            continue;
        }
        if ((in.ranges[i].flags & ~3u) || !in.ranges[i].flags || n > FILTER_MAX_BYTES * 8) {
            r = -EINVAL;
        } else {
            f->range[f->count].flags = in.ranges[i].flags;
            f->range[f->count].base = in.ranges[i].base;
            f->range[f->count].n = n;
            r = user_read(f->range[f->count].bitmap, (uintptr_t)in.ranges[i].bitmap, (n + 7) / 8);
            f->count++;
        }
    }
    if (!r && f->default_deny && !f->count) {
        r = -EINVAL;
    }
    if (r) {
        free(f);
        return r;
    }
    pthread_rwlock_wrlock(&vm->memory);
    struct MsrFilter *old = vm->msr_filter;
    vm->msr_filter = f;
    pthread_rwlock_unlock(&vm->memory);
    free(old);
    return 0;
}
