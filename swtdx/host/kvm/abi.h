/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers and structures of the kernel's KVM and TDX user ABI that older system headers lack
 * (kernel uapi 7.3.4: include/uapi/linux/kvm.h, arch/x86/include/uapi/asm/kvm.h). Structures have
 * names of our own, so that newer system headers do not collide with them.
 */
#ifndef SWTDX_KVM_ABI_H
#define SWTDX_KVM_ABI_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

typedef struct AbiMemoryRegion2 {
    uint32_t slot, flags;
    uint64_t guest_phys_addr, memory_size, userspace_addr, guest_memfd_offset;
    uint32_t guest_memfd, pad1;
    uint64_t pad2[14];
} AbiMemoryRegion2;
_Static_assert(sizeof(AbiMemoryRegion2) == 160, "kvm_userspace_memory_region2");

typedef struct AbiMemoryAttributes {
    uint64_t address, size, attributes, flags;
} AbiMemoryAttributes;
_Static_assert(sizeof(AbiMemoryAttributes) == 32, "kvm_memory_attributes");

typedef struct AbiCreateGuestMemfd {
    uint64_t size, flags, reserved[6];
} AbiCreateGuestMemfd;
_Static_assert(sizeof(AbiCreateGuestMemfd) == 64, "kvm_create_guest_memfd");

typedef struct AbiPreFault {
    uint64_t gpa, size, flags, padding[5];
} AbiPreFault;
_Static_assert(sizeof(AbiPreFault) == 64, "kvm_pre_fault_memory");

typedef struct AbiTdxCmd {
    uint32_t id, flags;
    uint64_t data, hw_error;
} AbiTdxCmd;
_Static_assert(sizeof(AbiTdxCmd) == 24, "kvm_tdx_cmd");

enum {
    ABI_TDX_CAPABILITIES, ABI_TDX_INIT_VM, ABI_TDX_INIT_VCPU, ABI_TDX_INIT_MEM_REGION,
    ABI_TDX_FINALIZE_VM, ABI_TDX_GET_CPUID, ABI_TDX_COUNT,
};
#define ABI_TDX_MEASURE_MEMORY_REGION 1u

typedef struct AbiCpuidHeader {
    uint32_t nent, padding;
} AbiCpuidHeader;
typedef struct kvm_cpuid_entry2 AbiCpuidEntry;
_Static_assert(sizeof(AbiCpuidEntry) == 40, "kvm_cpuid_entry2");
#define ABI_MAX_CPUID_ENTRIES 256

typedef struct AbiTdxCapabilities {
    uint64_t supported_attrs, supported_xfam;
    uint64_t kernel_tdvmcallinfo_1_r11, user_tdvmcallinfo_1_r11, kernel_tdvmcallinfo_1_r12,
        user_tdvmcallinfo_1_r12;
    uint64_t reserved[250];
    AbiCpuidHeader cpuid;
} AbiTdxCapabilities;
_Static_assert(sizeof(AbiTdxCapabilities) == 2056, "kvm_tdx_capabilities");

typedef struct AbiTdxInitVm {
    uint64_t attributes, xfam;
    uint8_t mrconfigid[48], mrowner[48], mrownerconfig[48];
    uint64_t reserved[12];
    AbiCpuidHeader cpuid;
} AbiTdxInitVm;
_Static_assert(sizeof(AbiTdxInitVm) == 264, "kvm_tdx_init_vm");

typedef struct AbiTdxInitMemRegion {
    uint64_t source_addr, gpa, nr_pages;
} AbiTdxInitMemRegion;
_Static_assert(sizeof(AbiTdxInitMemRegion) == 24, "kvm_tdx_init_mem_region");

/* The members of kvm_run's union (offset 32) that Linux 6.1's header lacks. */
typedef struct AbiRunMemoryFault {
    uint64_t flags, gpa, size;
} AbiRunMemoryFault;

typedef struct AbiRunTdx {
    uint64_t flags, nr;
    union {
        struct { uint64_t ret, data[5]; } unknown;
        struct { uint64_t ret, gpa, size; } get_quote;
        struct { uint64_t ret, leaf, r11, r12, r13, r14; } info;
        struct { uint64_t ret, vector; } notify;
    };
} AbiRunTdx;

#define ABI_RUN_UNION 32
_Static_assert(offsetof(struct kvm_run, io) == ABI_RUN_UNION, "kvm_run union");
static inline AbiRunMemoryFault *abi_run_memory_fault(struct kvm_run *run)
{
    return (AbiRunMemoryFault *)((uint8_t *)run + ABI_RUN_UNION);
}
static inline AbiRunTdx *abi_run_tdx(struct kvm_run *run)
{
    return (AbiRunTdx *)((uint8_t *)run + ABI_RUN_UNION);
}

#define ABI_SET_USER_MEMORY_REGION2 0x40a0ae49u
#define ABI_SET_MEMORY_ATTRIBUTES 0x4020aed2u
#define ABI_CREATE_GUEST_MEMFD 0xc040aed4u
#define ABI_PRE_FAULT_MEMORY 0xc040aed5u
#define ABI_MEMORY_ENCRYPT_OP 0xc008aebau

/* struct kvm_vcpu_events.flags */
#define ABI_VCPUEVENT_VALID_TRIPLE_FAULT 0x20u
/* KVM_GET_ONE_REG: an MSR, its number in 31:0 (KVM_X86_REG_MSR) */
#define ABI_REG_MSR UINT64_C(0x2030000200000000)

#define ABI_VM_TDX 5u
#define ABI_MEM_GUEST_MEMFD 4u
#define ABI_GUEST_MEMFD_MMAP 1u        /* Linux 6.18 on */
#define ABI_GUEST_MEMFD_INIT_SHARED 2u
#define ABI_ATTRIBUTE_PRIVATE 8u
#define ABI_EXIT_MEMORY_FAULT 39
#define ABI_EXIT_TDX 40
#define ABI_SYSTEM_EVENT_TDX_FATAL 7
#define ABI_HC_MAP_GPA_RANGE 12

enum {
    ABI_CAP_DISABLE_QUIRKS2 = 213, ABI_CAP_VM_TSC_CONTROL = 214,
    ABI_CAP_X86_TRIPLE_FAULT_EVENT = 218, ABI_CAP_X86_NOTIFY_VMEXIT = 219,
    ABI_CAP_USER_MEMORY2 = 231, ABI_CAP_MEMORY_FAULT_INFO = 232, ABI_CAP_MEMORY_ATTRIBUTES = 233,
    ABI_CAP_GUEST_MEMFD = 234, ABI_CAP_VM_TYPES = 235, ABI_CAP_PRE_FAULT_MEMORY = 236,
    ABI_CAP_X86_APIC_BUS_CYCLES_NS = 237, ABI_CAP_X86_GUEST_MODE = 238,
    ABI_CAP_GUEST_MEMFD_FLAGS = 244,
};

/* GHCI 1.5, table of TDG.VP.VMCALL completion codes (R10) and sub-functions (R11). */
#define TDVMCALL_SUCCESS UINT64_C(0)
#define TDVMCALL_RETRY UINT64_C(1)
#define TDVMCALL_INVALID_OPERAND UINT64_C(0x8000000000000000)
#define TDVMCALL_ALIGN_ERROR UINT64_C(0x8000000000000002)
#define TDVMCALL_SUBFUNC_UNSUPPORTED UINT64_C(0x8000000000000003)
enum {
    TDVMCALL_CPUID = 10, TDVMCALL_HLT = 12, TDVMCALL_IO = 30, TDVMCALL_RDMSR = 31,
    TDVMCALL_WRMSR = 32, TDVMCALL_MMIO = 48, TDVMCALL_INFO = 0x10000, TDVMCALL_MAP_GPA = 0x10001,
    TDVMCALL_GET_QUOTE = 0x10002, TDVMCALL_FATAL_ERROR = 0x10003, TDVMCALL_EVENT_NOTIFY = 0x10004,
};

#define ABI_USER_MEM_SLOTS 32764u
#define ABI_MEM_MAX_NR_PAGES ((UINT64_C(1) << 31) - 1)
#define ABI_VCPU_MMAP_SIZE 12288u /* kvm_run, port I/O data, coalesced ring */
#define ABI_PIO_PAGE_OFFSET 4096u
#define ABI_MAX_VCPU_IDS 4096u
#define ABI_MAX_IRQ_ROUTES 4096u
#define ABI_NR_VCPUS_BUILD 1024u /* KVM_MAX_VCPUS of the usual build */

#endif
