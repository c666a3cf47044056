/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDVMCALLs that KVM leaves to the VMM (Guest-Host-Communication Interface for Intel TDX, section
 * 3). All operands are the guest's, and hostile until checked. On the thread of the vCPU that
 * called.
 */
#include <errno.h>
#include <inttypes.h>

#include "system/core/log.h"
#include "tdx-internal.h"
#include "util/bytes.h"

#define PAGE_SIZE UINT64_C(4096)

/* GetTdVmCallInfo leaf 1, R11: SetupEventNotifyInterrupt is there. */
#define VMCALL_INFO_SETUP_EVENT_NOTIFY (UINT64_C(1) << 1)

/*
 * KVM passes MapGPA in pieces of 512 pages. More at once comes only by a KVM hypercall, and KVM's
 * work grows with the pages, out of reach of any signal: a bound keeps the vCPU answering to the
 * VMM.
 */
#define MAP_GPA_MAX_PAGES (GiB / PAGE_SIZE)

/*
 * MapGPA. KVM has removed the shared bit; but a guest can reach the same exit with a KVM hypercall,
 * and then all three arguments are as it gave them.
 */
static bool map_gpa(TdxTd *td, hwaddr gpa, uint64_t pages, uint64_t attributes)
{
    uint64_t size = pages * PAGE_SIZE;

    gpa &= ~td->shared_bit;
    if (gpa % PAGE_SIZE || pages == 0 || pages > MAP_GPA_MAX_PAGES ||
        !range_inside(gpa, size, td->shared_bit) || attributes & ~UINT64_C(0x1f)) {
        log_item(LOG_GUEST_ERRORS,
                 "MapGPA: gpa 0x%" PRIx64 ", %" PRIu64 " pages, attributes 0x%" PRIx64
                 " is refused",
                 gpa, pages, attributes);
        return false;
    }
    bool to_private = attributes & KVM_MAP_GPA_RANGE_ENCRYPTED;

    if (to_private) {
        tdx_quotes_forget(td->quotes, gpa, size);
    }
    /*
     * Where there is no private memory (devices, holes) everything is shared anyway: nothing to do,
     * and no error
     */
    int ret = kvm_vm_convert(td->vm, gpa, size, to_private);

    /* firmware maps gigabytes of device space, piece by piece */
    if (ret || kvm_vm_has_private_memory(td->vm, gpa, PAGE_SIZE)) {
        log_item(LOG_TDVMCALL, "MapGPA: 0x%" PRIx64 ", size 0x%" PRIx64 " to %s: %s", gpa, size,
                 to_private ? "private" : "shared", ret ? g_strerror(-ret) : "done");
    }
    if (ret) {
        g_autofree char *call = g_strdup_printf("MapGPA of 0x%" PRIx64 ", size 0x%" PRIx64
                                                ": KVM_SET_MEMORY_ATTRIBUTES to %s",
                                                gpa, size, to_private ? "private" : "shared");
        kvm_vm_tell_failure(td->vm, KVM_TOLD_ATTRIBUTES, call, -ret,
                            "the guest is told that nothing was converted");
    }
    return ret == 0;
}

static void handle_hypercall(TdxTd *td, struct kvm_run *run)
{
    /* Linux 7.2 and later take nothing but 0, EAGAIN and EINVAL; earlier ones know no EAGAIN */
    bool ok = run->hypercall.nr == KVM_HC_MAP_GPA_RANGE &&
              map_gpa(td, run->hypercall.args[0], run->hypercall.args[1], run->hypercall.args[2]);

    run->hypercall.ret = ok ? 0 : EINVAL;
}

static void get_vmcall_info(TdxTd *td, struct kvm_run_tdx *call)
{
    if (call->get_tdvmcall_info.leaf != 1) {
        call->get_tdvmcall_info.ret = TDVMCALL_INVALID_OPERAND;
        return;
    }
    call->get_tdvmcall_info.ret = TDVMCALL_SUCCESS;
    call->get_tdvmcall_info.r11 = td->vmcall_info & VMCALL_INFO_SETUP_EVENT_NOTIFY;
    call->get_tdvmcall_info.r12 = 0;
    call->get_tdvmcall_info.r13 = 0;
    call->get_tdvmcall_info.r14 = 0;
}

/* Vectors below 32 are the processor's (Intel SDM vol. 3A, section 6.2). */
static uint64_t setup_event_notify(TdxTd *td, KvmVcpu *vcpu, uint64_t vector)
{
    if (vector < 32 || vector > 255) {
        return TDVMCALL_INVALID_OPERAND;
    }
    g_mutex_lock(&td->lock);
    td->has_notify = true;
    td->notify_vector = (uint8_t)vector;
    td->notify_apic_id = kvm_vcpu_id(vcpu);
    g_mutex_unlock(&td->lock);
    return TDVMCALL_SUCCESS;
}

void tdx_vmcall_notify(void *opaque)
{
    TdxTd *td = opaque;

    g_mutex_lock(&td->lock);
    bool wanted = td->has_notify;
    uint32_t apic_id = td->notify_apic_id;
    uint8_t vector = td->notify_vector;
    g_mutex_unlock(&td->lock);
    /*
     * Fixed, edge, to one APIC in physical mode; bits 31:8 of its id as KVM_CAP_X2APIC_API has them
     * (Intel SDM vol. 3A, section 11.11)
     */
    uint64_t address = (uint64_t)(apic_id & 0xffffff00) << 32 | UINT32_C(0xfee00000) |
                       (apic_id & 0xff) << 12;

    if (wanted && !kvm_vm_signal_msi(td->vm, address, vector)) {
        log_item(LOG_GUEST_ERRORS,
                 "TDX: injection interrupt %u failed, interrupt lost (KVM_SIGNAL_MSI to APIC id %u "
                 "was refused).",
                 vector, apic_id);
    }
}

static void handle_tdx(TdxTd *td, KvmVcpu *vcpu, struct kvm_run *run)
{
    struct kvm_run_tdx *call = kvm_run_tdx(run);

    switch (call->nr) {
    case TDVMCALL_GET_TD_VM_CALL_INFO:
        get_vmcall_info(td, call);
        break;
    case TDVMCALL_GET_QUOTE:
        call->get_quote.ret = tdx_quotes_request(td->quotes, call->get_quote.gpa & ~td->shared_bit,
                                                 call->get_quote.size);
        break;
    case TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT:
        call->setup_event_notify.ret = setup_event_notify(td, vcpu,
                                                          call->setup_event_notify.vector);
        break;
    default:
        log_item(LOG_UNIMP, "TDVMCALL 0x%llx is not known", call->nr);
        call->unknown.ret = TDVMCALL_SUBFUNC_UNSUPPORTED;
        return;
    }
    log_item(LOG_TDVMCALL, "vCPU %u: TDVMCALL 0x%llx answered 0x%llx", kvm_vcpu_id(vcpu), call->nr,
             call->unknown.ret);
}

/*
 * The registers that carry the message, in order, by their x86 numbers: R14, R15, RBX, RDI, RSI,
 * R8, R9, RDX.
 */
static const uint8_t message_registers[8] = { 14, 15, 3, 7, 6, 8, 9, 2 };

/* data: the 16 general registers in KVM's order. Pure. */
static void tdx_fatal_error_decode(const uint64_t data[16], hwaddr shared_bit, TdxFatalError *error)
{
    unsigned length = 0;

    *error = (TdxFatalError) { .code = (uint32_t)data[12], .has_gpa = data[12] >> 63 };
    if (error->has_gpa) {
        error->gpa = data[13] & ~shared_bit;
    }
    for (unsigned i = 0; i < 64; i++) {
        char c = (char)(data[message_registers[i / 8]] >> (8 * (i % 8)));

        if (c == '\0') {
            break;
        }
        error->text[length++] = g_ascii_isprint(c) ? c : '?';
    }
    while (length && error->text[length - 1] == ' ') {
        length--;
    }
    error->text[length] = '\0';
}

static void handle_system_event(TdxTd *td, KvmVcpu *vcpu, struct kvm_run *run)
{
    const RunStatePort *runstate = td->ports.runstate;

    if (run->system_event.type != KVM_SYSTEM_EVENT_TDX_FATAL || run->system_event.ndata < 16) {
        g_autofree char *message = g_strdup_printf(
            "KVM_EXIT_SYSTEM_EVENT of type %u with %u words is not one a TD can send",
            run->system_event.type, run->system_event.ndata);

        runstate->internal_error(td->ports.runstate_opaque, message);
        return;
    }
    uint64_t data[16];
    TdxFatalError error;

    for (unsigned i = 0; i < 16; i++) {
        data[i] = run->system_event.data[i];
    }
    tdx_fatal_error_decode(data, td->shared_bit, &error);
    g_mutex_lock(&td->lock);
    td->has_fatal_error = true;
    td->fatal_error = error;
    g_mutex_unlock(&td->lock);
    log_item(LOG_GUEST_ERRORS,
             "TDX guest reports fatal error. error code: 0x%x error message:\"%s\" (vCPU %u)",
             error.code, error.text, kvm_vcpu_id(vcpu));
    if (error.has_gpa) {
        log_item(LOG_GUEST_ERRORS,
                 "Additional error information can be found at gpa page: 0x%" PRIx64, error.gpa);
    }
    runstate->guest_panicked(td->ports.runstate_opaque, error.code, error.text, error.has_gpa,
                             error.gpa);
}

static uint64_t *counter(TdxVmcallCounts *counts, struct kvm_run *run)
{
    switch (run->exit_reason) {
    case KVM_EXIT_HYPERCALL:
        return &counts->map_gpa;
    case KVM_EXIT_SYSTEM_EVENT:
        return &counts->report_fatal_error;
    default:
        break;
    }
    switch (kvm_run_tdx(run)->nr) {
    case TDVMCALL_GET_TD_VM_CALL_INFO:
        return &counts->get_info;
    case TDVMCALL_GET_QUOTE:
        return &counts->get_quote;
    case TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT:
        return &counts->setup_event_notify;
    default:
        return &counts->unknown;
    }
}

bool tdx_vmcall_exit(void *opaque, KvmVcpu *vcpu, struct kvm_run *run)
{
    TdxTd *td = opaque;

    g_mutex_lock(&td->lock);
    ++*counter(&td->counts, run);
    g_mutex_unlock(&td->lock);

    switch (run->exit_reason) {
    case KVM_EXIT_HYPERCALL:
        handle_hypercall(td, run);
        return true;
    case KVM_EXIT_TDX:
        handle_tdx(td, vcpu, run);
        return true;
    default: /* A fatal error has no answer: entered again, the guest would only repeat it */
        handle_system_event(td, vcpu, run);
        return false;
    }
}
