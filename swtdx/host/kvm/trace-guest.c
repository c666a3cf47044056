/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --trace of what guest, module and VMM ask of each other: operands under their names, statuses by
 * name.
 */
#include <sys/ioctl.h>

#include "../module/status.h"
#include "host.h"

#define STATUS_TEXT 96

void trace_ioctl(KvmHost *host, int fd, uint32_t request, uintptr_t arg, int r)
{
    /* An address would say nothing, and be another one each time. */
    if (_IOC_SIZE(request)) {
        TRACE(host, "ioctl", T_D("fd", fd), T_S("name", trace_ioctl_name(request)),
              T_D("result", r));
    } else {
        TRACE(host, "ioctl", T_D("fd", fd), T_S("name", trace_ioctl_name(request)), T_X("arg", arg),
              T_D("result", r));
    }
}

/*
 * ---- TDCALL: names of what RCX, RDX and R8 hold (TDX module ABI specification, one table for each
 * leaf) ----
 */

static const struct {
    const char *rcx, *rdx, *r8;
} operands[] = {
    [2] = { "gpa", "rtmr", NULL },
    [4] = { "gpa", "reportdata-gpa", "subtype" },
    [5] = { "flags", NULL, NULL },
    [6] = { "gpa-level", NULL, NULL },
    [7] = { NULL, "field", NULL },
    [8] = { NULL, "field", "value" },
    [9] = { NULL, "field", NULL },
    [10] = { NULL, "field", "value" },
    [11] = { NULL, "field", NULL },
    [12] = { NULL, "gpa", "field" },
    [22] = { "gpa", NULL, NULL },
    [23] = { "gpa-level", NULL, NULL },
    [24] = { "gpa-level", "attributes", "mask" },
};

void trace_tdcall(const Vcpu *vcpu, uint64_t leaf, const uint64_t in[16], uint64_t status)
{
    static const int registers[3] = { GPR_RCX, GPR_RDX, GPR_R8 };
    const char *known = tdcall_name(leaf), *names[3] = { NULL };
    char name[40], text[STATUS_TEXT];
    if (leaf == 0 && !status) {
        return; /* TDG.VP.VMCALL: the event tdvmcall comes with its contents */
    }
    if (leaf < sizeof(operands) / sizeof(*operands)) {
        names[0] = operands[leaf].rcx;
        names[1] = operands[leaf].rdx;
        names[2] = operands[leaf].r8;
    } else if (!known) {
        names[0] = "rcx";
        names[1] = "rdx";
        names[2] = "r8";
    }
    if (leaf == 0) {
        names[0] = "mask";
    }
    if (known) {
        snprintf(name, sizeof(name), "TDG.%s", known);
    } else {
        snprintf(name, sizeof(name), "leaf-%llu", (unsigned long long)leaf);
    }
    tdx_status_format(status, text, sizeof(text));
    TraceField fields[6] = { T_U("vcpu", vcpu->id), T_S("name", name) };
    size_t n = 2;
    for (int i = 0; i < 3; i++) {
        if (names[i]) {
            fields[n++] = (TraceField)T_X(names[i], in[registers[i]]);
        }
    }
    fields[n++] = (TraceField)T_S("result", text);
    trace_event(vcpu->vm->host, "tdcall", fields, n);
}

/* ---- TDVMCALL (GHCI 1.5, TDG.VP.VMCALL sub-functions) ---- */

static const char *vmcall_name(uint64_t r10, uint64_t r11)
{
    if (r10) {
        return "KVM.Hypercall";
    }
    switch (r11) {
    case TDVMCALL_CPUID:
        return "Instruction.CPUID";
    case TDVMCALL_HLT:
        return "Instruction.HLT";
    case TDVMCALL_IO:
        return "Instruction.IO";
    case TDVMCALL_RDMSR:
        return "Instruction.RDMSR";
    case TDVMCALL_WRMSR:
        return "Instruction.WRMSR";
    case TDVMCALL_MMIO:
        return "RequestMMIO";
    case TDVMCALL_INFO:
        return "GetTdVmCallInfo";
    case TDVMCALL_MAP_GPA:
        return "MapGPA";
    case TDVMCALL_GET_QUOTE:
        return "GetQuote";
    case TDVMCALL_FATAL_ERROR:
        return "ReportFatalError";
    case TDVMCALL_EVENT_NOTIFY:
        return "SetupEventNotifyInterrupt";
    default:
        return "unknown";
    }
}

static const char *vmcall_status_name(uint64_t status)
{
    switch (status) {
    case TDVMCALL_SUCCESS:
        return "SUCCESS";
    case TDVMCALL_RETRY:
        return "RETRY";
    case TDVMCALL_INVALID_OPERAND:
        return "INVALID_OPERAND";
    case TDVMCALL_ALIGN_ERROR:
        return "ALIGN_ERROR";
    case TDVMCALL_SUBFUNC_UNSUPPORTED:
        return "SUBFUNC_UNSUPPORTED";
    default:
        return NULL;
    }
}

#define EVENT(...) \
    TRACE(vcpu->vm->host, "tdvmcall", T_U("vcpu", vcpu->id), T_S("name", name), __VA_ARGS__)

static void trace_access(const Vcpu *vcpu, const char *name, const char *where)
{
    const uint64_t *r = vcpu->exit.regs;
    if (r[GPR_R13]) {
        EVENT(T_S("access", "write"), T_X(where, r[GPR_R14]), T_U("size", r[GPR_R12]),
              T_X("value", r[GPR_R15]));
    } else {
        EVENT(T_S("access", "read"), T_X(where, r[GPR_R14]), T_U("size", r[GPR_R12]));
    }
}

void trace_tdvmcall(const Vcpu *vcpu)
{
    const uint64_t *r = vcpu->exit.regs;
    if (likely(!vcpu->vm->host->trace)) {
        return;
    }
    const char *name = vmcall_name(r[GPR_R10], r[GPR_R11]);
    if (r[GPR_R10]) {
        EVENT(T_U("number", r[GPR_R10]), T_X("a0", r[GPR_R11]), T_X("a1", r[GPR_R12]),
              T_X("a2", r[GPR_R13]), T_X("a3", r[GPR_R14]));
        return;
    }
    switch (r[GPR_R11]) {
    case TDVMCALL_CPUID:
        EVENT(T_X("leaf", r[GPR_R12]), T_X("subleaf", r[GPR_R13]));
        break;
    case TDVMCALL_HLT:
        EVENT(T_U("interrupts-blocked", r[GPR_R12]));
        break;
    case TDVMCALL_IO:
        trace_access(vcpu, name, "port");
        break;
    case TDVMCALL_MMIO:
        trace_access(vcpu, name, "gpa");
        break;
    case TDVMCALL_RDMSR:
        EVENT(T_X("msr", r[GPR_R12]));
        break;
    case TDVMCALL_WRMSR:
        EVENT(T_X("msr", r[GPR_R12]), T_X("value", r[GPR_R13]));
        break;
    case TDVMCALL_INFO:
        EVENT(T_U("leaf", r[GPR_R12]));
        break;
    case TDVMCALL_MAP_GPA:
    case TDVMCALL_GET_QUOTE:
        EVENT(T_X("gpa", r[GPR_R12]), T_X("size", r[GPR_R13]));
        break;
    case TDVMCALL_EVENT_NOTIFY:
        EVENT(T_U("vector", r[GPR_R12]));
        break;
    default:
        EVENT(T_X("r11", r[GPR_R11]), T_X("r12", r[GPR_R12]), T_X("r13", r[GPR_R13]),
              T_X("r14", r[GPR_R14]), T_X("r15", r[GPR_R15]));
    }
}

void trace_vmcall_return(const Vcpu *vcpu)
{
    const uint64_t *r = vcpu->exit.regs;
    char number[24];
    if (likely(!vcpu->vm->host->trace)) {
        return;
    }
    const char *status = vmcall_status_name(r[GPR_R10]);
    snprintf(number, sizeof(number), "0x%llx", (unsigned long long)r[GPR_R10]);
    TRACE(vcpu->vm->host, "tdvmcall-return", T_U("vcpu", vcpu->id), T_X("r11", r[GPR_R11]),
          T_S("result", status ? status : number));
}

/* ---- the rest ---- */

void trace_ve(const Vcpu *vcpu, uint32_t reason, uint64_t qualification, uint64_t gpa)
{
    /* Exit reasons of VMX (SDM vol. 3D, appendix C) that become #VE. */
    static const struct {
        uint32_t reason;
        const char *name;
    } names[] = {
        { 10, "CPUID" }, { 12, "HLT" }, { 13, "INVD" }, { 15, "RDPMC" }, { 18, "VMCALL" },
        { 28, "CR" }, { 30, "IO" }, { 31, "RDMSR" }, { 32, "WRMSR" },
        { 36, "MWAIT" }, { 37, "MTF" }, { 39, "MONITOR" }, { 48, "EPT_VIOLATION" },
        { 54, "WBINVD" }, { 65, "PCONFIG" },
    };
    const char *name = NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        name = names[i].reason == reason ? names[i].name : name;
    }
    TRACE(vcpu->vm->host, "ve", T_U("vcpu", vcpu->id), T_S("name", name), T_U("reason", reason),
          T_X("qualification", qualification), T_X("gpa", gpa));
}

static const char *exit_name(uint32_t reason)
{
    switch (reason) {
    case KVM_EXIT_IO:
        return "KVM_EXIT_IO";
    case KVM_EXIT_MMIO:
        return "KVM_EXIT_MMIO";
    case KVM_EXIT_HYPERCALL:
        return "KVM_EXIT_HYPERCALL";
    case KVM_EXIT_INTR:
        return "KVM_EXIT_INTR";
    case KVM_EXIT_SHUTDOWN:
        return "KVM_EXIT_SHUTDOWN";
    case KVM_EXIT_INTERNAL_ERROR:
        return "KVM_EXIT_INTERNAL_ERROR";
    case KVM_EXIT_SYSTEM_EVENT:
        return "KVM_EXIT_SYSTEM_EVENT";
    case KVM_EXIT_X86_RDMSR:
        return "KVM_EXIT_X86_RDMSR";
    case KVM_EXIT_X86_WRMSR:
        return "KVM_EXIT_X86_WRMSR";
    case ABI_EXIT_MEMORY_FAULT:
        return "KVM_EXIT_MEMORY_FAULT";
    case ABI_EXIT_TDX:
        return "KVM_EXIT_TDX";
    default:
        return NULL;
    }
}

void trace_run(const Vcpu *vcpu, int r)
{
    TRACE(vcpu->vm->host, "run", T_U("vcpu", vcpu->id),
          T_S("exit", exit_name(vcpu->run->exit_reason)), T_D("result", r));
}

void trace_page(const Vm *vm, uint64_t gpa, uint64_t size, TdPageChange change)
{
    static const char *const names[] = { [TD_PAGE_ADDED] = "added", [TD_PAGE_AUGMENTED] = "pending",
                                         [TD_PAGE_ACCEPTED] = "accepted",
                                         [TD_PAGE_REMOVED] = "removed" };
    TRACE(vm->host, "page", T_S("name", names[change]), T_X("gpa", gpa), T_X("size", size));
}

/* A page is 16 extends, one after the other: the last one is told, for all. */
void trace_mr_extend(const Vm *vm, uint64_t gpa)
{
    if ((gpa & 0xfff) == 0xf00) {
        TRACE(vm->host, "extend", T_S("name", "MRTD"), T_X("gpa", gpa & ~UINT64_C(0xfff)),
              T_X("size", 0x1000));
    }
}

void trace_rtmr_extend(const Vcpu *vcpu, unsigned index, const uint8_t data[48],
                       const uint8_t rtmr[48])
{
    static const char *const names[] = { "RTMR0", "RTMR1", "RTMR2", "RTMR3" };
    TRACE(vcpu->vm->host, "extend", T_S("name", names[index & 3]), T_U("vcpu", vcpu->id),
          T_B("digest", data, 48), T_B("value", rtmr, 48));
}
