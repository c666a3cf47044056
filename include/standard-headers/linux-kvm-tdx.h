/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the KVM user-space interface that TDX needs and that older linux/kvm.h files (before
 * Linux 6.16) lack.
 *
 * Everything here is guarded: with a newer system header its own definitions are used, and the
 * assertions below compare them with the sizes and offsets this tree was written for. Source of the
 * numbers: Linux uapi 6.16 … 7.3.
 */
#ifndef STANDARD_HEADERS_LINUX_KVM_TDX_H
#define STANDARD_HEADERS_LINUX_KVM_TDX_H

#include <stddef.h>
#include <stdint.h>

#include <linux/kvm.h>
#include <linux/kvm_para.h>

#define KVM_ABI_AT(type, field, offset)                      \
    _Static_assert(offsetof(struct type, field) == (offset), \
                   #type "." #field " is not where KVM has it")
#define KVM_ABI_SIZE(type, size) \
    _Static_assert(sizeof(struct type) == (size), #type " has not KVM's size")
#define KVM_ABI_IOCTL(name, code) _Static_assert((name) == (code), #name " has not KVM's number")

/* VM types: argument of KVM_CREATE_VM, and bit numbers in the answer to KVM_CAP_VM_TYPES. */
#ifndef KVM_X86_DEFAULT_VM
#define KVM_X86_DEFAULT_VM 0
#endif
#ifndef KVM_X86_SW_PROTECTED_VM
#define KVM_X86_SW_PROTECTED_VM 1
#endif
#ifndef KVM_X86_SEV_VM
#define KVM_X86_SEV_VM 2
#endif
#ifndef KVM_X86_SEV_ES_VM
#define KVM_X86_SEV_ES_VM 3
#endif
#ifndef KVM_X86_SNP_VM
#define KVM_X86_SNP_VM 4
#endif
#ifndef KVM_X86_TDX_VM
#define KVM_X86_TDX_VM 5
#endif

/* Capabilities. */
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2 231
#endif
#ifndef KVM_CAP_MEMORY_FAULT_INFO
#define KVM_CAP_MEMORY_FAULT_INFO 232
#endif
#ifndef KVM_CAP_MEMORY_ATTRIBUTES
#define KVM_CAP_MEMORY_ATTRIBUTES 233
#endif
#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#endif
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES 235
#endif
#ifndef KVM_CAP_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY 236
#endif
#ifndef KVM_CAP_X86_APIC_BUS_CYCLES_NS
#define KVM_CAP_X86_APIC_BUS_CYCLES_NS 237
#endif
#ifndef KVM_CAP_X86_GUEST_MODE
#define KVM_CAP_X86_GUEST_MODE 238
#endif
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS 244
#endif

/* Memory slots with a private half (Linux 6.8). */
#ifndef KVM_MEM_GUEST_MEMFD
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
#endif

#ifndef KVM_SET_USER_MEMORY_REGION2
struct kvm_userspace_memory_region2 {
    __u32 slot;
    __u32 flags;
    __u64 guest_phys_addr;
    __u64 memory_size;
    __u64 userspace_addr;
    __u64 guest_memfd_offset;
    __u32 guest_memfd;
    __u32 pad1;
    __u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2 _IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

#ifndef KVM_SET_MEMORY_ATTRIBUTES
struct kvm_memory_attributes {
    __u64 address;
    __u64 size;
    __u64 attributes;
    __u64 flags;
};
#define KVM_SET_MEMORY_ATTRIBUTES _IOW(KVMIO, 0xd2, struct kvm_memory_attributes)
#endif
#ifndef KVM_MEMORY_ATTRIBUTE_PRIVATE
#define KVM_MEMORY_ATTRIBUTE_PRIVATE (1ULL << 3)
#endif

#ifndef KVM_CREATE_GUEST_MEMFD
struct kvm_create_guest_memfd {
    __u64 size;
    __u64 flags;
    __u64 reserved[6];
};
#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif

#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
    __u64 gpa;
    __u64 size;
    __u64 flags;
    __u64 padding[5];
};
#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

/*
 * Exits. Where the system's header has them, its members of kvm_run must lie where the types below
 * put them.
 */
#ifdef KVM_EXIT_MEMORY_FAULT
KVM_ABI_AT(kvm_run, memory_fault.flags, 32);
KVM_ABI_AT(kvm_run, memory_fault.gpa, 40);
KVM_ABI_AT(kvm_run, memory_fault.size, 48);
#else
#define KVM_EXIT_MEMORY_FAULT 39
#endif
#ifdef KVM_EXIT_TDX
KVM_ABI_AT(kvm_run, tdx.flags, 32);
KVM_ABI_AT(kvm_run, tdx.nr, 40);
KVM_ABI_AT(kvm_run, tdx.get_quote.ret, 48);
KVM_ABI_AT(kvm_run, tdx.get_quote.gpa, 56);
KVM_ABI_AT(kvm_run, tdx.get_quote.size, 64);
KVM_ABI_AT(kvm_run, tdx.get_tdvmcall_info.leaf, 56);
KVM_ABI_AT(kvm_run, tdx.get_tdvmcall_info.r11, 64);
KVM_ABI_AT(kvm_run, tdx.setup_event_notify.vector, 56);
#else
#define KVM_EXIT_TDX 40
#endif
#ifndef KVM_MEMORY_EXIT_FLAG_PRIVATE
#define KVM_MEMORY_EXIT_FLAG_PRIVATE (1ULL << 3)
#endif
#ifndef KVM_SYSTEM_EVENT_TDX_FATAL
#define KVM_SYSTEM_EVENT_TDX_FATAL 7
#endif
#ifndef KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON
#define KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON 4
#endif

/* Attributes of KVM_HC_MAP_GPA_RANGE (Linux 5.19); bits 3:0 hold a page size. */
#ifndef KVM_MAP_GPA_RANGE_ENCRYPTED
#define KVM_MAP_GPA_RANGE_ENCRYPTED (1 << 4)
#endif

/*
 * Members of struct kvm_run's exit union that older headers lack, as types of their own: with any
 * header they are read through kvm_run_memory_fault() and kvm_run_tdx().
 */
#define KVM_RUN_EXIT_OFFSET 32

struct kvm_run_memory_fault {
    __u64 flags;
    __u64 gpa;
    __u64 size;
};

struct kvm_run_tdx {
    __u64 flags;
    __u64 nr;
    union {
        struct {
            __u64 ret;
            __u64 data[5];
        } unknown;
        struct {
            __u64 ret;
            __u64 gpa;
            __u64 size;
        } get_quote;
        struct {
            __u64 ret;
            __u64 leaf;
            __u64 r11, r12, r13, r14;
        } get_tdvmcall_info;
        struct {
            __u64 ret;
            __u64 vector;
        } setup_event_notify;
    };
};

static inline struct kvm_run_memory_fault *kvm_run_memory_fault(struct kvm_run *run)
{
    return (struct kvm_run_memory_fault *)((uint8_t *)run + KVM_RUN_EXIT_OFFSET);
}

static inline struct kvm_run_tdx *kvm_run_tdx(struct kvm_run *run)
{
    return (struct kvm_run_tdx *)((uint8_t *)run + KVM_RUN_EXIT_OFFSET);
}

/* KVM_MEMORY_ENCRYPT_OP on a TD (Linux 6.16). */
#ifndef KVM_TDX_MEASURE_MEMORY_REGION
enum kvm_tdx_cmd_id {
    KVM_TDX_CAPABILITIES = 0,
    KVM_TDX_INIT_VM,
    KVM_TDX_INIT_VCPU,
    KVM_TDX_INIT_MEM_REGION,
    KVM_TDX_FINALIZE_VM,
    KVM_TDX_GET_CPUID,
    KVM_TDX_CMD_NR_MAX,
};

struct kvm_tdx_cmd {
    __u32 id;
    __u32 flags;
    __u64 data;
    __u64 hw_error;
};

struct kvm_tdx_capabilities {
    __u64 supported_attrs;
    __u64 supported_xfam;
    __u64 kernel_tdvmcallinfo_1_r11;
    __u64 user_tdvmcallinfo_1_r11;
    __u64 kernel_tdvmcallinfo_1_r12;
    __u64 user_tdvmcallinfo_1_r12;
    __u64 reserved[250];
    struct kvm_cpuid2 cpuid;
};

struct kvm_tdx_init_vm {
    __u64 attributes;
    __u64 xfam;
    __u64 mrconfigid[6];
    __u64 mrowner[6];
    __u64 mrownerconfig[6];
    __u64 reserved[12];
    struct kvm_cpuid2 cpuid;
};

#define KVM_TDX_MEASURE_MEMORY_REGION (1ULL << 0)

struct kvm_tdx_init_mem_region {
    __u64 source_addr;
    __u64 gpa;
    __u64 nr_pages;
};
#endif

/*
 * TDVMCALL numbers and completion codes in R10 (Guest-Host-Communication Interface for Intel TDX,
 * section 3).
 */
#define TDVMCALL_GET_TD_VM_CALL_INFO UINT64_C(0x10000)
#define TDVMCALL_MAP_GPA UINT64_C(0x10001)
#define TDVMCALL_GET_QUOTE UINT64_C(0x10002)
#define TDVMCALL_REPORT_FATAL_ERROR UINT64_C(0x10003)
#define TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT UINT64_C(0x10004)

#define TDVMCALL_SUCCESS UINT64_C(0)
#define TDVMCALL_RETRY UINT64_C(1)
#define TDVMCALL_INVALID_OPERAND UINT64_C(0x8000000000000000)
#define TDVMCALL_GPA_INUSE UINT64_C(0x8000000000000001)
#define TDVMCALL_ALIGN_ERROR UINT64_C(0x8000000000000002)
#define TDVMCALL_SUBFUNC_UNSUPPORTED UINT64_C(0x8000000000000003)

/* The binary interface, as computed from the kernel's headers. */
KVM_ABI_IOCTL(KVM_GET_API_VERSION, 0xae00);
KVM_ABI_IOCTL(KVM_CREATE_VM, 0xae01);
KVM_ABI_IOCTL(KVM_CHECK_EXTENSION, 0xae03);
KVM_ABI_IOCTL(KVM_GET_VCPU_MMAP_SIZE, 0xae04);
KVM_ABI_IOCTL(KVM_GET_SUPPORTED_CPUID, 0xc008ae05);
KVM_ABI_IOCTL(KVM_CREATE_VCPU, 0xae41);
KVM_ABI_IOCTL(KVM_SET_USER_MEMORY_REGION2, 0x40a0ae49);
KVM_ABI_IOCTL(KVM_SIGNAL_MSI, 0x4020aea5);
KVM_ABI_IOCTL(KVM_ENABLE_CAP, 0x4068aea3);
KVM_ABI_IOCTL(KVM_SET_TSC_KHZ, 0xaea2);
KVM_ABI_IOCTL(KVM_GET_TSC_KHZ, 0xaea3);
KVM_ABI_IOCTL(KVM_RUN, 0xae80);
KVM_ABI_IOCTL(KVM_SET_CPUID2, 0x4008ae90);
KVM_ABI_IOCTL(KVM_MEMORY_ENCRYPT_OP, 0xc008aeba);
KVM_ABI_IOCTL(KVM_SET_MEMORY_ATTRIBUTES, 0x4020aed2);
KVM_ABI_IOCTL(KVM_CREATE_GUEST_MEMFD, 0xc040aed4);
KVM_ABI_IOCTL(KVM_PRE_FAULT_MEMORY, 0xc040aed5);

_Static_assert(KVM_X86_TDX_VM == 5 && KVM_CAP_VM_TYPES == 235 &&
                   KVM_CAP_X86_APIC_BUS_CYCLES_NS == 237,
               "KVM's numbers");
_Static_assert(KVM_CAP_GUEST_MEMFD == 234 && KVM_CAP_MEMORY_ATTRIBUTES == 233, "KVM's numbers");
_Static_assert(KVM_MEM_GUEST_MEMFD == 4 && KVM_MEMORY_ATTRIBUTE_PRIVATE == 8, "KVM's numbers");
_Static_assert(KVM_MEMORY_EXIT_FLAG_PRIVATE == 8 && KVM_EXIT_MEMORY_FAULT == 39 &&
                   KVM_EXIT_TDX == 40,
               "KVM's numbers");
_Static_assert(KVM_SYSTEM_EVENT_TDX_FATAL == 7 && KVM_HC_MAP_GPA_RANGE == 12, "KVM's numbers");
_Static_assert(KVM_TDX_CAPABILITIES == 0 && KVM_TDX_INIT_VM == 1 && KVM_TDX_INIT_VCPU == 2 &&
                   KVM_TDX_INIT_MEM_REGION == 3 && KVM_TDX_FINALIZE_VM == 4 &&
                   KVM_TDX_GET_CPUID == 5,
               "KVM's numbers");
_Static_assert(KVM_TDX_MEASURE_MEMORY_REGION == 1 && KVM_MAP_GPA_RANGE_ENCRYPTED == 0x10,
               "KVM's numbers");

KVM_ABI_SIZE(kvm_userspace_memory_region2, 160);
KVM_ABI_AT(kvm_userspace_memory_region2, flags, 4);
KVM_ABI_AT(kvm_userspace_memory_region2, guest_phys_addr, 8);
KVM_ABI_AT(kvm_userspace_memory_region2, memory_size, 16);
KVM_ABI_AT(kvm_userspace_memory_region2, userspace_addr, 24);
KVM_ABI_AT(kvm_userspace_memory_region2, guest_memfd_offset, 32);
KVM_ABI_AT(kvm_userspace_memory_region2, guest_memfd, 40);
KVM_ABI_AT(kvm_userspace_memory_region2, pad1, 44);
KVM_ABI_AT(kvm_userspace_memory_region2, pad2, 48);
KVM_ABI_SIZE(kvm_memory_attributes, 32);
KVM_ABI_AT(kvm_memory_attributes, size, 8);
KVM_ABI_AT(kvm_memory_attributes, attributes, 16);
KVM_ABI_AT(kvm_memory_attributes, flags, 24);
KVM_ABI_SIZE(kvm_create_guest_memfd, 64);
KVM_ABI_AT(kvm_create_guest_memfd, flags, 8);
KVM_ABI_AT(kvm_create_guest_memfd, reserved, 16);
KVM_ABI_SIZE(kvm_pre_fault_memory, 64);
KVM_ABI_AT(kvm_pre_fault_memory, size, 8);
KVM_ABI_AT(kvm_pre_fault_memory, flags, 16);
KVM_ABI_AT(kvm_pre_fault_memory, padding, 24);
KVM_ABI_SIZE(kvm_tdx_cmd, 24);
KVM_ABI_AT(kvm_tdx_cmd, flags, 4);
KVM_ABI_AT(kvm_tdx_cmd, data, 8);
KVM_ABI_AT(kvm_tdx_cmd, hw_error, 16);
KVM_ABI_SIZE(kvm_cpuid_entry2, 40);
KVM_ABI_AT(kvm_cpuid_entry2, index, 4);
KVM_ABI_AT(kvm_cpuid_entry2, flags, 8);
KVM_ABI_AT(kvm_cpuid_entry2, eax, 12);
KVM_ABI_AT(kvm_cpuid_entry2, ebx, 16);
KVM_ABI_AT(kvm_cpuid_entry2, ecx, 20);
KVM_ABI_AT(kvm_cpuid_entry2, edx, 24);
KVM_ABI_AT(kvm_cpuid_entry2, padding, 28);
KVM_ABI_SIZE(kvm_cpuid2, 8);
KVM_ABI_SIZE(kvm_tdx_capabilities, 2056);
KVM_ABI_AT(kvm_tdx_capabilities, supported_xfam, 8);
KVM_ABI_AT(kvm_tdx_capabilities, kernel_tdvmcallinfo_1_r11, 16);
KVM_ABI_AT(kvm_tdx_capabilities, user_tdvmcallinfo_1_r11, 24);
KVM_ABI_AT(kvm_tdx_capabilities, kernel_tdvmcallinfo_1_r12, 32);
KVM_ABI_AT(kvm_tdx_capabilities, user_tdvmcallinfo_1_r12, 40);
KVM_ABI_AT(kvm_tdx_capabilities, reserved, 48);
KVM_ABI_AT(kvm_tdx_capabilities, cpuid, 2048);
KVM_ABI_SIZE(kvm_tdx_init_vm, 264);
KVM_ABI_AT(kvm_tdx_init_vm, xfam, 8);
KVM_ABI_AT(kvm_tdx_init_vm, mrconfigid, 16);
KVM_ABI_AT(kvm_tdx_init_vm, mrowner, 64);
KVM_ABI_AT(kvm_tdx_init_vm, mrownerconfig, 112);
KVM_ABI_AT(kvm_tdx_init_vm, reserved, 160);
KVM_ABI_AT(kvm_tdx_init_vm, cpuid, 256);
KVM_ABI_SIZE(kvm_tdx_init_mem_region, 24);
KVM_ABI_AT(kvm_tdx_init_mem_region, gpa, 8);
KVM_ABI_AT(kvm_tdx_init_mem_region, nr_pages, 16);
KVM_ABI_SIZE(kvm_enable_cap, 104);
KVM_ABI_AT(kvm_enable_cap, flags, 4);
KVM_ABI_AT(kvm_enable_cap, args, 8);
KVM_ABI_AT(kvm_enable_cap, pad, 40);

KVM_ABI_SIZE(kvm_run, 2352);
KVM_ABI_AT(kvm_run, immediate_exit, 1);
KVM_ABI_AT(kvm_run, exit_reason, 8);
KVM_ABI_AT(kvm_run, flags, 14);
KVM_ABI_AT(kvm_run, io.direction, 32);
KVM_ABI_AT(kvm_run, io.size, 33);
KVM_ABI_AT(kvm_run, io.port, 34);
KVM_ABI_AT(kvm_run, io.count, 36);
KVM_ABI_AT(kvm_run, io.data_offset, 40);
KVM_ABI_AT(kvm_run, mmio.phys_addr, 32);
KVM_ABI_AT(kvm_run, mmio.data, 40);
KVM_ABI_AT(kvm_run, mmio.len, 48);
KVM_ABI_AT(kvm_run, mmio.is_write, 52);
KVM_ABI_AT(kvm_run, hypercall.nr, 32);
KVM_ABI_AT(kvm_run, hypercall.args, 40);
KVM_ABI_AT(kvm_run, hypercall.ret, 88);
KVM_ABI_AT(kvm_run, fail_entry.hardware_entry_failure_reason, 32);
KVM_ABI_AT(kvm_run, fail_entry.cpu, 40);
KVM_ABI_AT(kvm_run, internal.suberror, 32);
KVM_ABI_AT(kvm_run, internal.ndata, 36);
KVM_ABI_AT(kvm_run, internal.data, 40);
KVM_ABI_AT(kvm_run, system_event.type, 32);
KVM_ABI_AT(kvm_run, system_event.ndata, 36);
KVM_ABI_AT(kvm_run, system_event.data, 40);
KVM_ABI_AT(kvm_run, kvm_valid_regs, 288);
KVM_ABI_AT(kvm_run, kvm_dirty_regs, 296);
KVM_ABI_SIZE(kvm_run_memory_fault, 24);
KVM_ABI_SIZE(kvm_run_tdx, 64);
KVM_ABI_AT(kvm_run_tdx, nr, 8);
KVM_ABI_AT(kvm_run_tdx, unknown.ret, 16);
KVM_ABI_AT(kvm_run_tdx, unknown.data, 24);
KVM_ABI_AT(kvm_run_tdx, get_quote.size, 32);
KVM_ABI_AT(kvm_run_tdx, get_tdvmcall_info.r11, 32);
KVM_ABI_AT(kvm_run_tdx, get_tdvmcall_info.r14, 56);
KVM_ABI_AT(kvm_run_tdx, setup_event_notify.vector, 24);

#endif
