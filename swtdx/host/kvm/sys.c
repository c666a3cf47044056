/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /dev/kvm itself. */
#include <string.h>

#include "host.h"
#include "mce.h"

static int supported_cpuid(KvmHost *host, uintptr_t arg)
{
    AbiCpuidHeader header;
    AbiCpuidEntry entries[ABI_MAX_CPUID_ENTRIES];
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    uint32_t n = cpuid_supported(host->profile, atomic_load(&host->tiles_permitted), entries);
    if (header.nent < n) {
        return -E2BIG;
    }
    header.nent = n;
    if (user_write(arg + sizeof(header), entries, n * sizeof(*entries)) < 0 ||
        user_write(arg, &header, sizeof(header)) < 0) {
        return -EFAULT;
    }
    return 0;
}

/* KVM_GET_EMULATED_CPUID: MOVBE and RDPID, which KVM emulates anywhere. */
static int emulated_cpuid(uintptr_t arg)
{
    AbiCpuidHeader header;
    AbiCpuidEntry entries[3] = {
        { .function = 0, .eax = 7 }, { .function = 1, .ecx = 1u << 22 },
        { .function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ecx = 1u << 22 },
    };
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.nent < 3) {
        return -E2BIG;
    }
    header.nent = 3;
    return user_write(arg, &header, sizeof(header)) < 0 ||
                   user_write(arg + sizeof(header), entries, sizeof(entries)) < 0
               ? -EFAULT
               : 0;
}

/* KVM_X86_XCOMP_GUEST_SUPP: the xstate components guests may use. */
static int device_attr(KvmHost *host, bool get, uintptr_t arg)
{
    struct kvm_device_attr attr;
    if (user_read(&attr, arg, sizeof(attr)) < 0) {
        return -EFAULT;
    }
    if (attr.group || attr.attr != KVM_X86_XCOMP_GUEST_SUPP) {
        return -ENXIO;
    }
    uint64_t xcr0 = host->profile->xcr0 & host->profile->kvm_xcr0;
    return get ? user_write(attr.addr, &xcr0, sizeof(xcr0)) : 0;
}

static int mce_cap(uintptr_t arg)
{
    const uint64_t cap = MCE_SUPPORTED;
    return user_write(arg, &cap, sizeof(cap));
}

int sys_ioctl(KvmHost *host, unsigned long request, uintptr_t arg)
{
    switch ((uint32_t)request) {
    case (uint32_t)KVM_GET_API_VERSION:
        return arg ? -EINVAL : KVM_API_VERSION;
    case (uint32_t)KVM_CREATE_VM:
        return vm_create(host, arg);
    case (uint32_t)KVM_CHECK_EXTENSION:
        return caps_check(host, NULL, arg);
    case (uint32_t)KVM_GET_VCPU_MMAP_SIZE:
        return arg ? -EINVAL : (int)ABI_VCPU_MMAP_SIZE;
    case (uint32_t)KVM_GET_SUPPORTED_CPUID:
        return supported_cpuid(host, arg);
    case (uint32_t)KVM_GET_EMULATED_CPUID:
        return emulated_cpuid(arg);
    case (uint32_t)KVM_GET_MSR_INDEX_LIST:
        return kvm_msr_index_list(host, false, arg);
    case (uint32_t)KVM_GET_MSR_FEATURE_INDEX_LIST:
        return kvm_msr_index_list(host, true, arg);
    case (uint32_t)KVM_GET_MSRS:
        return kvm_msr_sys_get(host, arg);
    case (uint32_t)KVM_X86_GET_MCE_CAP_SUPPORTED:
        return mce_cap(arg);
    case (uint32_t)KVM_GET_DEVICE_ATTR:
        return device_attr(host, true, arg);
    case (uint32_t)KVM_HAS_DEVICE_ATTR:
        return device_attr(host, false, arg);
    default:
        TRACE(host, "unknown-ioctl", T_S("name", "system"), T_X("request", request));
        return -EINVAL; /* kvm_arch_dev_ioctl() of x86 */
    }
}
