/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completion status words of the TDX module, decoded. Layout: bit 63 error, 47:40 class, 39:32
 * code, 31:0 detail, which is an operand's number for operand errors (TDX module ABI specification,
 * "Function completion status codes").
 */
#include "target/i386/kvm/tdx-status.h"

#include <glib.h>

#define STATUS_SOFTWARE 0xffffff00u /* the kernel's own: the SEAMCALL instruction itself failed */

static const struct {
    uint32_t code;
    const char *name, *meaning, *advice;
} codes[] = {
    { 0x00000000, "SUCCESS", "no error", NULL },
    { 0xc0000100, "OPERAND_INVALID", "an operand is not permitted", NULL },
    { 0xc0000101, "OPERAND_ADDR_RANGE_ERROR", "an address lies outside the memory TDX may use",
      "This is a fault of the host kernel: report it with its log" },
    { 0x80000200, "OPERAND_BUSY", "another operation holds a lock", "Try again" },
    { 0x80000201, "PREVIOUS_TLB_EPOCH_BUSY", "vCPUs still run with old translations", "Try again" },
    { 0x80000202, "SYS_BUSY", "the module is busy", "Try again" },
    { 0x80000203, "RND_NO_ENTROPY", "the processor's random number generator had nothing to give",
      "Try again; a program that drains RDSEED can cause this" },
    { 0x80000204, "OPERAND_BUSY_HOST_PRIORITY", "a lock is kept for the host", "Try again" },
    { 0x90000205, "HOST_PRIORITY_BUSY_TIMEOUT", "a lock kept for the host was not taken",
      "Run the vCPU again" },
    { 0x40000001, "NON_RECOVERABLE_VCPU", "the vCPU died (triple fault of the guest)",
      "The guest crashed" },
    { 0x60000002, "NON_RECOVERABLE_TD", "the TD died", "Start the guest again" },
    { 0x60000005, "NON_RECOVERABLE_TD_NON_ACCESSIBLE", "the TD died of a machine check",
      "Check the host's memory" },
    { 0xe0000007, "NON_RECOVERABLE_TD_WRONG_APIC_MODE", "the host's APIC is not in x2APIC mode",
      "Boot the host without nox2apic" },
    { 0x80000003, "INTERRUPTED_RESUMABLE", "interrupted", "Try again" },
    { 0x80000004, "INTERRUPTED_RESTARTABLE", "interrupted", "Try again" },
    { 0xc0000300, "PAGE_METADATA_INCORRECT", "a physical page is in the wrong state",
      "This is a fault of the host kernel: report it with its log" },
    { 0xc0000505, "SYS_NOT_READY", "the TDX module is not initialised",
      "See the host kernel's log for 'virt/tdx'" },
    { 0xc0000508, "SYS_STATE_INCORRECT", "the TDX module is not initialised",
      "See the host kernel's log for 'virt/tdx'" },
    { 0xe0000604, "TD_FATAL", "the TD has failed before", "Start the guest again" },
    { 0xc0000605, "TD_NON_DEBUG", "a production TD cannot be debugged", NULL },
    { 0xc0000606, "TDCS_NOT_ALLOCATED", "the TD lacks control pages",
      "This is a fault of the host kernel: report it with its log" },
    { 0xc0000607, "LIFECYCLE_STATE_INCORRECT", "not in this phase of the TD's life", NULL },
    { 0xc0000608, "OP_STATE_INCORRECT", "not in this phase of the TD's life", NULL },
    { 0xc0000609, "NO_VCPUS", "the TD has no initialised vCPU", NULL },
    { 0xc0000610, "TDCX_NUM_INCORRECT", "the TD lacks control pages",
      "This is a fault of the host kernel: report it with its log" },
    { 0xc0000621, "X2APIC_ID_NOT_UNIQUE", "two vCPUs have the same x2APIC id", NULL },
    { 0xc0000700, "VCPU_STATE_INCORRECT", "the vCPU is in another state", NULL },
    { 0x80000701, "VCPU_ASSOCIATED", "the vCPU belongs to another processor", "Try again" },
    { 0x80000702, "VCPU_NOT_ASSOCIATED", "the vCPU belongs to no processor", "Try again" },
    { 0xc0000704, "NO_VALID_VE_INFO", "no #VE is pending", NULL },
    { 0xc0000705, "MAX_VCPUS_EXCEEDED", "more vCPUs than the TD was made for",
      "Ask for fewer with -smp" },
    { 0x80000800, "KEY_GENERATION_FAILED", "no key could be made for lack of entropy",
      "Try again" },
    { 0xc0000811, "KEY_STATE_INCORRECT", "the key is in another state", NULL },
    { 0x00000815, "KEY_CONFIGURED", "the key is set already", NULL },
    { 0xc0000820, "HKID_NOT_FREE", "the key id is in use", "Stop another TD" },
    { 0x00000821, "NO_HKID_READY_TO_WBCACHE", "nothing is to be flushed", NULL },
    { 0x80000824, "FLUSHVP_NOT_DONE", "vCPUs are still associated", "Try again" },
    { 0xc0000900, "INCORRECT_CPUID_VALUE", "the processor's CPUID is not one TDX can run on",
      "Look for a newer BIOS and TDX module" },
    { 0xc0000901, "LIMIT_CPUID_MAXVAL_SET", "the BIOS limits CPUID",
      "Turn off 'Limit CPUID Maximum' in the BIOS" },
    { 0xc0000902, "INCONSISTENT_CPUID_FIELD", "processors differ in CPUID",
      "Look for a newer BIOS" },
    { 0xc0000904, "CPUID_LEAF_1F_FORMAT_UNRECOGNIZED",
      "the topology in leaf 0x1F is not well formed",
      "Try -smp without dies and modules" },
    { 0xc0000920, "INCONSISTENT_MSR", "processors differ in an MSR", "Look for a newer BIOS" },
    { 0xc0000921, "INCORRECT_MSR_VALUE", "an MSR has a value TDX cannot run with",
      "Reload the host; see its kernel's log" },
    { 0xc0000a00, "TDMR_ERROR", "memory for TDX is not set up",
      "See the host kernel's log for 'virt/tdx'" },
    { 0xc0000b00, "EPT_WALK_FAILED", "a level of the TD's page tables is missing", NULL },
    { 0xc0000b02, "EPT_ENTRY_NOT_FREE", "the page was added before",
      "Do regions of the firmware overlap?" },
    { 0xc0000b03, "EPT_ENTRY_NOT_PRESENT", "the page was not added", NULL },
    { 0xc0000b06, "GPA_RANGE_NOT_BLOCKED", "the range is not blocked", NULL },
    { 0x00000b07, "GPA_RANGE_ALREADY_BLOCKED", "the range is blocked already", NULL },
    { 0xc0000b08, "TLB_TRACKING_NOT_DONE", "translations are not flushed", NULL },
    { 0x00000b0a, "PAGE_ALREADY_ACCEPTED", "the page was accepted before", NULL },
    { 0xc0000b0b, "PAGE_SIZE_MISMATCH", "the page is mapped in another size", NULL },
    { 0xc0000b0d, "EPT_ENTRY_STATE_INCORRECT", "the page is in another state", NULL },
    { 0xc0000c00, "METADATA_FIELD_ID_INCORRECT", "no such metadata field", NULL },
    { 0xc0001000, "INVALID_CPUSVN", "the report is of another security version", NULL },
    { 0xc0001001, "INVALID_REPORTMACSTRUCT", "the report was not made on this machine", NULL },
};

static const struct {
    uint32_t operand;
    const char *name, *meaning, *advice;
} operands[] = {
    { 0, "RAX", NULL, NULL }, { 1, "RCX", NULL, NULL },
    { 2, "RDX", "reserved fields must be 0", NULL }, { 3, "RBX", NULL, NULL },
    { 5, "RBP", NULL, NULL }, { 6, "RSI", NULL, NULL }, { 7, "RDI", NULL, NULL },
    { 8, "R8", NULL, NULL },
    { 9, "R9", NULL, NULL }, { 10, "R10", NULL, NULL }, { 11, "R11", NULL, NULL },
    { 12, "R12", NULL, NULL },
    { 13, "R13", NULL, NULL }, { 14, "R14", NULL, NULL }, { 15, "R15", NULL, NULL },
    { 64, "ATTRIBUTES", "a TD attribute the module does not support",
      "Compare -object tdx-guest,attributes= with what the host supports" },
    { 65, "XFAM", "a state component the module does not support, or half of a pair",
      "Switch AVX-512, CET and AMX features on or off as a whole" },
    { 66, "EXEC_CONTROLS", "a configuration flag the module does not support",
      "Look for a newer TDX module" },
    { 67, "EPTP_CONTROLS", "52-bit guest addresses need 5-level EPT",
      "Try -cpu host,phys-bits=48" },
    { 68, "MAX_VCPUS", "no vCPUs, or more than the module can run", "Ask for fewer with -smp" },
    { 69, "CPUID_CONFIG",
      "a CPUID bit the module does not let the VMM set, or family, model and stepping of another "
      "processor",
      "Remove + and - features of -cpu one by one; a newer TDX module may accept them" },
    { 70, "TSC_FREQUENCY", "outside 100 MHz to 10 GHz",
      "Set -cpu host,tsc-frequency= to a multiple of 25 MHz" },
    { 71, "NUM_L2_VMS", "too many nested VMs", NULL },
    { 72, "IA32_ARCH_CAPABILITIES_CONFIG", "a bit the VMM may not set", NULL },
    { 95, "PAGE", NULL, NULL }, { 96, "TDMR_INFO_PA", NULL, NULL },
    { 97, "GPA_LIST_ENTRY", NULL, NULL },
    { 98, "MIG_BUFF_LIST_ENTRY", NULL, NULL }, { 99, "NEW_PAGE_LIST_ENTRY", NULL, NULL },
    { 128, "TDR", NULL, NULL },
    { 129, "TDCX", NULL, NULL }, { 130, "TDVPR", NULL, NULL }, { 132, "REG_PAGE", NULL, NULL },
    { 144, "TDCS", NULL, NULL },
    { 145, "TDVPS", NULL, NULL }, { 146, "SEPT_TREE", NULL, NULL },
    { 147, "SEPT_ENTRY", NULL, NULL },
    { 168, "RTMR", NULL, NULL }, { 169, "TD_EPOCH", NULL, NULL },
    { 170, "L2_VAPIC_GPA", NULL, NULL },
    { 171, "MIGSC", NULL, NULL }, { 172, "OP_STATE", NULL, NULL }, { 173, "MIG", NULL, NULL },
    { 174, "SERVTD_BINDINGS", NULL, NULL }, { 176, "METADATA_FIELD", NULL, NULL },
    { 184, "SYS", NULL, NULL },
    { 185, "TDMR", NULL, NULL }, { 186, "KOT", NULL, NULL }, { 187, "KET", NULL, NULL },
    { 188, "WBCACHE", NULL, NULL },
};

static const char *const classes[] = {
    "general", "operand", "resource", "physical page", "TD pages", "module state", "TD state",
    "vCPU state", "keys",
    "platform check", "TDMR", "EPT or page", "metadata", "service TD", "migration",
};

static int find_code(uint64_t status)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (codes[i].code == (uint32_t)(status >> 32)) {
            return i;
        }
    }
    return -1;
}

static int find_operand(uint64_t status)
{
    /* Classes 1 (operand) and, of class 2, the busy ones name an operand in the detail. */
    uint32_t code = status >> 32;

    for (unsigned i = 0; i < G_N_ELEMENTS(operands) &&
                         (code == 0xc0000100 || code == 0xc0000101 || code == 0x80000200);
         i++) {
        if (operands[i].operand == (uint32_t)status) {
            return i;
        }
    }
    return -1;
}

static char *describe_unknown(uint64_t status)
{
    unsigned class = status >> 40 & 0xff;

    if ((status >> 32 & STATUS_SOFTWARE) == STATUS_SOFTWARE) {
        return g_strdup_printf("SEAMCALL failed (0x%016" G_GINT64_MODIFIER
                               "x): the TDX module is not loaded, or VMX is off",
                               status);
    }
    return g_strdup_printf("%s status 0x%016" G_GINT64_MODIFIER "x (class %u: %s)",
                           status >> 63 ? "error" : "unknown", status, class,
                           class < G_N_ELEMENTS(classes) ? classes[class] : "unknown");
}

char *tdx_status_describe(uint64_t status)
{
    int code = find_code(status), operand = find_operand(status);

    if (code < 0) {
        return describe_unknown(status);
    }
    GString *text = g_string_new(codes[code].name);
    g_string_append_printf(text, " (0x%016" G_GINT64_MODIFIER "x): ", status);
    if (operand < 0) {
        g_string_append(text, codes[code].meaning);
    } else {
        g_string_append_printf(text, "%s: %s", operands[operand].name,
                               operands[operand].meaning ? operands[operand].meaning
                                                         : codes[code].meaning);
    }
    return g_string_free(text, FALSE);
}

const char *tdx_status_advice(uint64_t status)
{
    int code = find_code(status), operand = find_operand(status);

    if (code < 0) {
        return NULL;
    }
    return operand >= 0 && operands[operand].advice ? operands[operand].advice : codes[code].advice;
}
