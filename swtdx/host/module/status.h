/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completion statuses of the TDX module (TDX module ABI specification, "Interface function
 * completion status codes"): 63 error, 62 non-recoverable, 61 fatal, 47:40 class, 39:32 code, 31:0
 * detail, often an operand id. Also the VMX exit reasons that stand in #VE information and in the
 * low half of TDH.VP.ENTER's status.
 */
#ifndef SWTDX_STATUS_H
#define SWTDX_STATUS_H

#include <stddef.h>
#include <stdint.h>

#define TDX_SUCCESS                        UINT64_C(0)
#define TDX_NON_RECOVERABLE_VCPU           UINT64_C(0x4000000100000000)
#define TDX_NON_RECOVERABLE_TD             UINT64_C(0x6000000200000000)
#define TDX_OPERAND_INVALID                UINT64_C(0xC000010000000000)
#define TDX_OPERAND_BUSY                   UINT64_C(0x8000020000000000)
#define TDX_RND_NO_ENTROPY                 UINT64_C(0x8000020300000000)
#define TDX_SYS_NOT_READY                  UINT64_C(0xC000050500000000)
#define TDX_TD_FATAL                       UINT64_C(0xE000060400000000)
#define TDX_LIFECYCLE_STATE_INCORRECT      UINT64_C(0xC000060700000000)
#define TDX_OP_STATE_INCORRECT             UINT64_C(0xC000060800000000)
#define TDX_NO_VCPUS                       UINT64_C(0xC000060900000000)
#define TDX_X2APIC_ID_NOT_UNIQUE           UINT64_C(0xC000062100000000)
#define TDX_VCPU_STATE_INCORRECT           UINT64_C(0xC000070000000000)
#define TDX_NO_VALID_VE_INFO               UINT64_C(0xC000070400000000)
#define TDX_MAX_VCPUS_EXCEEDED             UINT64_C(0xC000070500000000)
#define TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED UINT64_C(0xC000090400000000)
#define TDX_EPT_WALK_FAILED                UINT64_C(0xC0000B0000000000)
#define TDX_EPT_ENTRY_NOT_FREE             UINT64_C(0xC0000B0200000000)
#define TDX_EPT_ENTRY_NOT_PRESENT          UINT64_C(0xC0000B0300000000)
#define TDX_PAGE_ALREADY_ACCEPTED          UINT64_C(0x00000B0A00000000)
#define TDX_PAGE_SIZE_MISMATCH             UINT64_C(0xC0000B0B00000000)
#define TDX_EPT_ENTRY_STATE_INCORRECT      UINT64_C(0xC0000B0D00000000)
#define TDX_METADATA_FIELD_ID_INCORRECT    UINT64_C(0xC0000C0000000000)
#define TDX_METADATA_FIELD_NOT_WRITABLE    UINT64_C(0xC0000C0100000000)
#define TDX_METADATA_FIELD_NOT_READABLE    UINT64_C(0xC0000C0200000000)
#define TDX_METADATA_FIELD_VALUE_NOT_VALID UINT64_C(0xC0000C0300000000)
#define TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT \
    UINT64_C(0x00000C0B00000000) /* not an error: a null id was given */
#define TDX_INVALID_CPUSVN                 UINT64_C(0xC000100000000000)
#define TDX_INVALID_REPORTMACSTRUCT        UINT64_C(0xC000100100000000)

/* Operand ids: detail of TDX_OPERAND_INVALID and TDX_OPERAND_BUSY. */
enum {
    TDX_OPERAND_RAX = 0, TDX_OPERAND_RCX = 1, TDX_OPERAND_RDX = 2, TDX_OPERAND_R8 = 8,
    TDX_OPERAND_R9 = 9,
    TDX_OPERAND_ATTRIBUTES = 64, TDX_OPERAND_XFAM = 65, TDX_OPERAND_EXEC_CONTROLS = 66,
    TDX_OPERAND_EPTP_CONTROLS = 67,
    TDX_OPERAND_MAX_VCPUS = 68, TDX_OPERAND_CPUID_CONFIG = 69, TDX_OPERAND_TSC_FREQUENCY = 70,
    TDX_OPERAND_NUM_L2_VMS = 71, TDX_OPERAND_ARCH_CAPABILITIES_CONFIG = 72,
};

/* VMX exit reasons (Intel SDM vol. 3, appendix C). */
enum {
    VMX_EXIT_TRIPLE_FAULT = 2, VMX_EXIT_TASK_SWITCH = 9, VMX_EXIT_CPUID = 10, VMX_EXIT_GETSEC = 11,
    VMX_EXIT_HLT = 12, VMX_EXIT_INVD = 13,
    VMX_EXIT_RDPMC = 15, VMX_EXIT_VMCALL = 18, VMX_EXIT_CR_ACCESS = 28, VMX_EXIT_IO = 30,
    VMX_EXIT_RDMSR = 31,
    VMX_EXIT_WRMSR = 32, VMX_EXIT_MWAIT = 36, VMX_EXIT_MONITOR = 39, VMX_EXIT_EPT_VIOLATION = 48,
    VMX_EXIT_WBINVD = 54, VMX_EXIT_APIC_WRITE = 56, VMX_EXIT_PCONFIG = 65, VMX_EXIT_UMWAIT = 67,
    VMX_EXIT_TPAUSE = 68,
    VMX_EXIT_TDCALL = 77,
};

/* "OPERAND_INVALID", or "status" when the class and code are not known here. Static text. */
const char *tdx_status_name(uint64_t status);
/* Operand name for detail of OPERAND_INVALID ("RCX", "XFAM", ...), or NULL. */
const char *tdx_operand_name(uint32_t operand);
/* Writes "0xc000010000000041 OPERAND_INVALID XFAM"; returns the length it needs. */
size_t tdx_status_format(uint64_t status, char *buf, size_t size);
/* TDG leaf name without its number: "MEM.PAGE.ACCEPT", or NULL. */
const char *tdcall_name(uint64_t leaf);

#endif
