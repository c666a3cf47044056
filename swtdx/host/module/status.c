/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of the module's statuses, operands and TDCALL leaves, for traces and dumps. */
#include <inttypes.h>
#include <stdio.h>

#include "status.h"

typedef struct Name {
    uint64_t value;
    const char *name;
} Name;

static const Name statuses[] = {
    {TDX_SUCCESS, "SUCCESS"},
    {TDX_NON_RECOVERABLE_VCPU, "NON_RECOVERABLE_VCPU"},
    {TDX_NON_RECOVERABLE_TD, "NON_RECOVERABLE_TD"},
    {TDX_OPERAND_INVALID, "OPERAND_INVALID"},
    {TDX_OPERAND_BUSY, "OPERAND_BUSY"},
    {TDX_RND_NO_ENTROPY, "RND_NO_ENTROPY"},
    {TDX_SYS_NOT_READY, "SYS_NOT_READY"},
    {TDX_TD_FATAL, "TD_FATAL"},
    {TDX_LIFECYCLE_STATE_INCORRECT, "LIFECYCLE_STATE_INCORRECT"},
    {TDX_OP_STATE_INCORRECT, "OP_STATE_INCORRECT"},
    {TDX_NO_VCPUS, "NO_VCPUS"},
    {TDX_X2APIC_ID_NOT_UNIQUE, "X2APIC_ID_NOT_UNIQUE"},
    {TDX_VCPU_STATE_INCORRECT, "VCPU_STATE_INCORRECT"},
    {TDX_NO_VALID_VE_INFO, "NO_VALID_VE_INFO"},
    {TDX_MAX_VCPUS_EXCEEDED, "MAX_VCPUS_EXCEEDED"},
    {TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED, "CPUID_LEAF_1F_FORMAT_UNRECOGNIZED"},
    {TDX_EPT_WALK_FAILED, "EPT_WALK_FAILED"},
    {TDX_EPT_ENTRY_NOT_FREE, "EPT_ENTRY_NOT_FREE"},
    {TDX_EPT_ENTRY_NOT_PRESENT, "EPT_ENTRY_NOT_PRESENT"},
    {TDX_PAGE_ALREADY_ACCEPTED, "PAGE_ALREADY_ACCEPTED"},
    {TDX_PAGE_SIZE_MISMATCH, "PAGE_SIZE_MISMATCH"},
    {TDX_EPT_ENTRY_STATE_INCORRECT, "EPT_ENTRY_STATE_INCORRECT"},
    {TDX_METADATA_FIELD_ID_INCORRECT, "METADATA_FIELD_ID_INCORRECT"},
    {TDX_METADATA_FIELD_NOT_WRITABLE, "METADATA_FIELD_NOT_WRITABLE"},
    {TDX_METADATA_FIELD_NOT_READABLE, "METADATA_FIELD_NOT_READABLE"},
    {TDX_METADATA_FIELD_VALUE_NOT_VALID, "METADATA_FIELD_VALUE_NOT_VALID"},
    {TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT, "METADATA_FIRST_FIELD_ID_IN_CONTEXT"},
    {TDX_INVALID_CPUSVN, "INVALID_CPUSVN"},
    {TDX_INVALID_REPORTMACSTRUCT, "INVALID_REPORTMACSTRUCT"},
};

static const Name operands[] = {
    {0, "RAX"}, {1, "RCX"}, {2, "RDX"}, {3, "RBX"}, {5, "RBP"}, {6, "RSI"}, {7, "RDI"}, {8, "R8"},
    {9, "R9"},
    {10, "R10"}, {11, "R11"}, {12, "R12"}, {13, "R13"}, {14, "R14"}, {15, "R15"},
    {64, "ATTRIBUTES"}, {65, "XFAM"}, {66, "EXEC_CONTROLS"}, {67, "EPTP_CONTROLS"},
    {68, "MAX_VCPUS"},
    {69, "CPUID_CONFIG"}, {70, "TSC_FREQUENCY"}, {71, "NUM_L2_VMS"},
    {72, "IA32_ARCH_CAPABILITIES_CONFIG"},
    {95, "PAGE"}, {168, "RTMR"}, {176, "METADATA_FIELD"},
};

static const Name leaves[] = {
    {0, "VP.VMCALL"}, {1, "VP.INFO"}, {2, "MR.RTMR.EXTEND"}, {3, "VP.VEINFO.GET"}, {4, "MR.REPORT"},
    {5, "VP.CPUIDVE.SET"}, {6, "MEM.PAGE.ACCEPT"}, {7, "VM.RD"}, {8, "VM.WR"}, {9, "VP.RD"},
    {10, "VP.WR"},
    {11, "SYS.RD"}, {12, "SYS.RDALL"}, {18, "SERVTD.RD"}, {20, "SERVTD.WR"},
    {22, "MR.VERIFYREPORT"},
    {23, "MEM.PAGE.ATTR.RD"}, {24, "MEM.PAGE.ATTR.WR"}, {25, "VP.ENTER"}, {26, "VP.INVEPT"},
    {27, "VP.INVVPID"},
};

static const char *find(const Name *names, size_t n, uint64_t value)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i].value == value) {
            return names[i].name;
        }
    }
    return NULL;
}

#define FIND(names, value) find(names, sizeof(names) / sizeof((names)[0]), value)

/* "OPERAND_INVALID", or "status" when the class and code are not known here. Static text. */
static const char *tdx_status_name(uint64_t status)
{
    const char *name = FIND(statuses, status & ~UINT64_C(0xffffffff));
    return name ? name : "status";
}

/* Operand name for detail of OPERAND_INVALID ("RCX", "XFAM", ...), or NULL. */
static const char *tdx_operand_name(uint32_t operand)
{
    return FIND(operands, operand);
}

const char *tdcall_name(uint64_t leaf)
{
    return FIND(leaves, leaf);
}

size_t tdx_status_format(uint64_t status, char *buf, size_t size)
{
    uint64_t code = status & ~UINT64_C(0xffffffff);
    const char *operand = NULL;
    if (code == TDX_OPERAND_INVALID || code == TDX_OPERAND_BUSY) {
        operand = tdx_operand_name((uint32_t)status);
    }
    int n = snprintf(buf, size, "0x%016" PRIx64 " %s%s%s", status, tdx_status_name(status),
                     operand ? " " : "", operand ? operand : "");
    return n < 0 ? 0 : (size_t)n;
}
