/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where each TDVMCALL goes (kvm-tdx ABI, part 6; GHCI 1.5, table of TDG.VP.VMCALL sub-functions):
 * answered here as the kernel does, or an exit to the VMM, completed by the next KVM_RUN.
 */
#include <string.h>

#include "host.h"

#define ARG(v, n) ((v)->exit.regs[GPR_R10 + (n)]) /* ARG 2..5 are R12..R15 */
#define MAP_GPA_STEP UINT64_C(0x200000)
#define KVM_ENOSYS_RESULT ((uint64_t)-1000)

static uint64_t shared_bit(const Vcpu *vcpu)
{
    return UINT64_C(1) << (vcpu->vm->gpaw - 1);
}

static int answer(Vcpu *vcpu, uint64_t status)
{
    run_return(vcpu, status, NULL);
    return RUN_CONTINUE;
}

static int answer_value(Vcpu *vcpu, uint64_t value)
{
    run_return(vcpu, TDVMCALL_SUCCESS, &value);
    return RUN_CONTINUE;
}

/* To the VMM: kvm_run is filled. */
static int leave(Vcpu *vcpu, uint32_t reason, Completion completion)
{
    vcpu->run->exit_reason = reason;
    vcpu->completion = completion;
    return 0;
}

static uint64_t size_mask(uint64_t size)
{
    return size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

static int call_cpuid(Vcpu *vcpu)
{
    uint32_t out[4];
    cpuid_answer(vcpu, (uint32_t)ARG(vcpu, 2), (uint32_t)ARG(vcpu, 3), out);
    for (int i = 0; i < 4; i++) {
        vcpu->exit.regs[GPR_R12 + i] = out[i];
    }
    return answer(vcpu, TDVMCALL_SUCCESS);
}

static int call_hlt(Vcpu *vcpu)
{
    vcpu->halt_masked = ARG(vcpu, 2);
    atomic_store(&vcpu->mp_state, KVM_MP_STATE_HALTED);
    return answer(vcpu, TDVMCALL_SUCCESS);
}

static int call_io(Vcpu *vcpu)
{
    uint64_t size = ARG(vcpu, 2), write = ARG(vcpu, 3);
    uint16_t port = (uint16_t)ARG(vcpu, 4);
    uint64_t value = ARG(vcpu, 5);
    if ((size != 1 && size != 2 && size != 4) || write > 1) {
        return answer(vcpu, TDVMCALL_INVALID_OPERAND);
    }
    if (write && irq_bus_write(vcpu->vm, true, port, (uint32_t)size, value)) {
        return answer(vcpu, TDVMCALL_SUCCESS);
    }
    struct kvm_run *run = vcpu->run;
    run->io.direction = write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
    run->io.size = (uint8_t)size;
    run->io.port = port;
    run->io.count = 1;
    run->io.data_offset = ABI_PIO_PAGE_OFFSET;
    if (write) {
        uint32_t data = (uint32_t)value;
        memcpy((uint8_t *)run + ABI_PIO_PAGE_OFFSET, &data, (size_t)size);
    }
    return leave(vcpu, KVM_EXIT_IO, write ? COMPLETE_PLAIN : COMPLETE_IO_IN);
}

static int call_mmio(Vcpu *vcpu)
{
    uint64_t size = ARG(vcpu, 2), write = ARG(vcpu, 3), gpa = ARG(vcpu, 4), value = ARG(vcpu, 5);
    uint64_t shared = shared_bit(vcpu);
    if ((size != 1 && size != 2 && size != 4 && size != 8) || write > 1 || !(gpa & shared) ||
        !((gpa + size - 1) & shared)) {
        return answer(vcpu, TDVMCALL_INVALID_OPERAND);
    }
    gpa &= ~shared;
    if (write && irq_bus_write(vcpu->vm, false, gpa, (uint32_t)size, value)) {
        return answer(vcpu, TDVMCALL_SUCCESS);
    }
    struct kvm_run *run = vcpu->run;
    run->mmio.phys_addr = gpa;
    run->mmio.len = (uint32_t)size;
    run->mmio.is_write = write != 0;
    memset(run->mmio.data, 0, sizeof(run->mmio.data));
    if (write) {
        memcpy(run->mmio.data, &value, (size_t)size);
    }
    return leave(vcpu, KVM_EXIT_MMIO, write ? COMPLETE_PLAIN : COMPLETE_MMIO_READ);
}

static int call_msr(Vcpu *vcpu, bool write)
{
    uint32_t index = (uint32_t)ARG(vcpu, 2);
    uint64_t value = ARG(vcpu, 3), reason = KVM_MSR_EXIT_REASON_INVAL;
    int r = -EINVAL;
    if (vcpu->vm->msr_filter && kvm_msr_filtered(vcpu->vm, index, write)) {
        reason = KVM_MSR_EXIT_REASON_FILTER;
    } else {
        r = write ? kvm_msr_write(vcpu, index, value, false)
                  : kvm_msr_read(vcpu, index, &value, false);
    }
    if (!r) {
        return write ? answer(vcpu, TDVMCALL_SUCCESS) : answer_value(vcpu, value);
    }
    if (!(vcpu->vm->user_msrs & reason)) {
        return answer(vcpu, TDVMCALL_INVALID_OPERAND);
    }
    struct kvm_run *run = vcpu->run;
    memset(&run->msr, 0, sizeof(run->msr));
    run->msr.reason = (uint32_t)reason;
    run->msr.index = index;
    run->msr.data = write ? value : 0;
    return leave(vcpu, write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR,
                 write ? COMPLETE_WRMSR : COMPLETE_RDMSR);
}

/* ---- MapGPA: one exit per 2 MiB ---- */

static bool legal_gpa(const Vcpu *vcpu, uint64_t gpa)
{
    uint32_t bits = cpuid_phys_bits(vcpu);
    return bits >= 64 || !(gpa >> bits);
}

static int map_gpa_step(Vcpu *vcpu)
{
    uint64_t size = vcpu->map_end - vcpu->map_next, shared = shared_bit(vcpu);
    struct kvm_run *run = vcpu->run;
    size = size > MAP_GPA_STEP ? MAP_GPA_STEP : size;
    memset(&run->hypercall, 0, sizeof(run->hypercall));
    run->hypercall.nr = ABI_HC_MAP_GPA_RANGE;
    run->hypercall.args[0] = vcpu->map_next & ~shared;
    run->hypercall.args[1] = size / 4096;
    run->hypercall.args[2] = vcpu->map_next & shared ? 0 : 0x10; /* KVM_MAP_GPA_RANGE_ENCRYPTED */
    /* `flags`: KVM_EXIT_HYPERCALL_LONG_MODE */
    run->hypercall.longmode = 1;
    return leave(vcpu, KVM_EXIT_HYPERCALL, COMPLETE_MAP_GPA);
}

static int call_map_gpa(Vcpu *vcpu)
{
    uint64_t gpa = ARG(vcpu, 2), size = ARG(vcpu, 3), shared = shared_bit(vcpu), status;
    if (!(vcpu->vm->hypercall_exits & (1u << ABI_HC_MAP_GPA_RANGE))) {
        status = TDVMCALL_SUBFUNC_UNSUPPORTED;
    } else if (gpa + size <= gpa || !legal_gpa(vcpu, gpa) || !legal_gpa(vcpu, gpa + size - 1) ||
               ((gpa ^ (gpa + size - 1)) & shared)) {
        status = TDVMCALL_INVALID_OPERAND;
    } else if ((gpa | size) & 0xfff) {
        status = TDVMCALL_ALIGN_ERROR;
    } else {
        vcpu->map_next = gpa;
        vcpu->map_end = gpa + size;
        return map_gpa_step(vcpu);
    }
    run_return(vcpu, status, &gpa);
    return RUN_CONTINUE;
}

static int complete_map_gpa(Vcpu *vcpu)
{
    uint64_t ret = vcpu->run->hypercall.ret, at = vcpu->map_next;
    if (ret) {
        uint64_t status = TDVMCALL_INVALID_OPERAND;
        if (host_kernel_at_least(vcpu->vm->host, 7, 2)) {
            if (ret != EAGAIN && ret != EINVAL) {
                vcpu->completion = COMPLETE_MAP_GPA; /* the VMM may correct itself */
                return -EINVAL;
            }
            status = ret == EAGAIN ? TDVMCALL_RETRY : status;
        }
        run_return(vcpu, status, &at);
        return RUN_CONTINUE;
    }
    vcpu->map_next += MAP_GPA_STEP;
    if (vcpu->map_next >= vcpu->map_end) {
        return answer(vcpu, TDVMCALL_SUCCESS);
    }
    if (atomic_load(&vcpu->posted) || atomic_load(&vcpu->lapic.nmi_pending)) {
        at = vcpu->map_next;
        run_return(vcpu, TDVMCALL_RETRY, &at);
        return RUN_CONTINUE;
    }
    return map_gpa_step(vcpu);
}

/* ---- calls the VMM answers in kvm_run.tdx ---- */

static AbiRunTdx *tdx_exit(Vcpu *vcpu, uint64_t nr)
{
    AbiRunTdx *tdx = abi_run_tdx(vcpu->run);
    memset(tdx, 0, sizeof(*tdx));
    tdx->nr = nr;
    return tdx;
}

static int call_info(Vcpu *vcpu)
{
    uint64_t leaf = ARG(vcpu, 2);
    if (leaf > 1) {
        return answer(vcpu, TDVMCALL_INVALID_OPERAND);
    }
    if (leaf == 0) {
        memset(&vcpu->exit.regs[GPR_R11], 0, 4 * sizeof(uint64_t)); /* R11..R14 */
        return answer(vcpu, TDVMCALL_SUCCESS);
    }
    tdx_exit(vcpu, TDVMCALL_INFO)->info.leaf = 1;
    return leave(vcpu, ABI_EXIT_TDX, COMPLETE_TDX_INFO);
}

static int call_get_quote(Vcpu *vcpu)
{
    uint64_t gpa = ARG(vcpu, 2), size = ARG(vcpu, 3);
    if (!(gpa & shared_bit(vcpu))) {
        return answer(vcpu, TDVMCALL_INVALID_OPERAND);
    }
    AbiRunTdx *tdx = tdx_exit(vcpu, TDVMCALL_GET_QUOTE);
    tdx->get_quote.ret = TDVMCALL_SUBFUNC_UNSUPPORTED;
    tdx->get_quote.gpa = gpa & ~shared_bit(vcpu);
    tdx->get_quote.size = size;
    return leave(vcpu, ABI_EXIT_TDX, COMPLETE_TDX_STATUS);
}

static int call_event_notify(Vcpu *vcpu)
{
    uint64_t vector = ARG(vcpu, 2);
    if (vector < 32 || vector > 255) {
        return answer(vcpu, TDVMCALL_INVALID_OPERAND);
    }
    AbiRunTdx *tdx = tdx_exit(vcpu, TDVMCALL_EVENT_NOTIFY);
    tdx->notify.ret = TDVMCALL_SUBFUNC_UNSUPPORTED;
    tdx->notify.vector = vector;
    return leave(vcpu, ABI_EXIT_TDX, COMPLETE_TDX_STATUS);
}

/* No completion: the guest gets R10 = 0 should the VMM enter it again. */
static int call_fatal_error(Vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    const TdExit *exit = &vcpu->exit;
    run->system_event.type = ABI_SYSTEM_EVENT_TDX_FATAL;
    run->system_event.ndata = 16;
    memcpy(run->system_event.data, exit->regs, sizeof(exit->regs));
    run->system_event.data[0] = exit->status;
    run->system_event.data[1] = exit->mask;
    dump_vcpu(vcpu, "the guest reports a fatal error");
    run_return(vcpu, TDVMCALL_SUCCESS, NULL);
    return leave(vcpu, KVM_EXIT_SYSTEM_EVENT, COMPLETE_NONE);
}

/* ---- R10 != 0: KVM's own hypercalls ---- */

static bool pv_feature(const Vcpu *vcpu, unsigned bit)
{
    const AbiCpuidEntry *e = cpuid_find(vcpu->cpuid, vcpu->num_cpuid, 0x40000001, 0);
    return e && (e->eax & (1u << bit));
}

/* KVM_HC_SEND_IPI: a 128-bit map of APIC ids from `min`. */
static uint64_t send_ipi(Vcpu *vcpu, uint64_t low, uint64_t high, uint32_t min, uint32_t icr)
{
    uint64_t count = 0;
    if (((icr >> 8) & 7) != 0 && ((icr >> 8) & 7) != 4) {
        return (uint64_t)-22;
    }
    for (unsigned i = 0; i < 128; i++) {
        Vcpu *to = (i < 64 ? low >> i : high >> (i - 64)) & 1 ? vm_vcpu_by_id(vcpu->vm, min + i)
                                                              : NULL;
        if (!to) {
            continue;
        }
        if (((icr >> 8) & 7) == 4) {
            lapic_post_nmi(&to->lapic);
        } else {
            lapic_post(&to->lapic, (uint8_t)icr, false);
        }
        count++;
    }
    return count;
}

static int call_hypercall(Vcpu *vcpu)
{
    enum { VAPIC_POLL_IRQ = 1, KICK_CPU = 5, SEND_IPI = 10, SCHED_YIELD = 11 };
    const uint64_t *r = vcpu->exit.regs;
    uint64_t ret = KVM_ENOSYS_RESULT;
    switch (r[GPR_R10]) {
    case VAPIC_POLL_IRQ:
        ret = 0;
        break;
    case KICK_CPU:
        if (pv_feature(vcpu, 7)) {
            Vcpu *to = vm_vcpu_by_id(vcpu->vm, (uint32_t)r[GPR_R12]);
            if (to) {
                vcpu_lapic_port.notify(to, false);
            }
            ret = 0;
        }
        break;
    case SEND_IPI:
        if (pv_feature(vcpu, 11)) {
            ret = send_ipi(vcpu, r[GPR_R11], r[GPR_R12], (uint32_t)r[GPR_R13],
                           (uint32_t)r[GPR_R14]);
        }
        break;
    case SCHED_YIELD:
        ret = pv_feature(vcpu, 13) ? 0 : ret;
        break;
    case ABI_HC_MAP_GPA_RANGE:
        if (vcpu->vm->hypercall_exits & (1u << ABI_HC_MAP_GPA_RANGE)) {
            struct kvm_run *run = vcpu->run;
            memset(&run->hypercall, 0, sizeof(run->hypercall));
            run->hypercall.nr = ABI_HC_MAP_GPA_RANGE;
            for (int i = 0; i < 3; i++) {
                run->hypercall.args[i] = r[GPR_R11 + i];
            }
            run->hypercall.longmode = 1;
            return leave(vcpu, KVM_EXIT_HYPERCALL, COMPLETE_HYPERCALL);
        }
        break;
    default:
        break;
    }
    return answer(vcpu, ret);
}

int tdvmcall_handle(Vcpu *vcpu)
{
    const uint64_t *r = vcpu->exit.regs;
    run_log(vcpu, 77, r[GPR_R11], r[GPR_R12], r[GPR_R14]);
    trace_tdvmcall(vcpu);
    if (r[GPR_R10]) {
        return call_hypercall(vcpu);
    }
    switch (r[GPR_R11]) {
    case TDVMCALL_CPUID:
        return call_cpuid(vcpu);
    case TDVMCALL_HLT:
        return call_hlt(vcpu);
    case TDVMCALL_IO:
        return call_io(vcpu);
    case TDVMCALL_RDMSR:
        return call_msr(vcpu, false);
    case TDVMCALL_WRMSR:
        return call_msr(vcpu, true);
    case TDVMCALL_MMIO:
        return call_mmio(vcpu);
    case TDVMCALL_INFO:
        return call_info(vcpu);
    case TDVMCALL_MAP_GPA:
        return call_map_gpa(vcpu);
    case TDVMCALL_GET_QUOTE:
        return call_get_quote(vcpu);
    case TDVMCALL_FATAL_ERROR:
        return call_fatal_error(vcpu);
    case TDVMCALL_EVENT_NOTIFY:
        return call_event_notify(vcpu);
    default:
        return answer(vcpu, TDVMCALL_SUBFUNC_UNSUPPORTED);
    }
}

int tdvmcall_complete(Vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    Completion completion = vcpu->completion;
    const AbiRunTdx *tdx = abi_run_tdx(run);
    uint64_t value = 0;
    vcpu->completion = COMPLETE_NONE;
    switch (completion) {
    case COMPLETE_NONE:
        return RUN_CONTINUE;
    case COMPLETE_PLAIN:
        return answer(vcpu, TDVMCALL_SUCCESS);
    case COMPLETE_IO_IN:
        memcpy(&value, (uint8_t *)run + ABI_PIO_PAGE_OFFSET, (size_t)ARG(vcpu, 2));
        return answer_value(vcpu, value);
    case COMPLETE_MMIO_READ:
        memcpy(&value, run->mmio.data, sizeof(value));
        return answer_value(vcpu, value & size_mask(ARG(vcpu, 2)));
    case COMPLETE_MAP_GPA:
        return complete_map_gpa(vcpu);
    case COMPLETE_HYPERCALL:
        return answer(vcpu, run->hypercall.ret);
    case COMPLETE_TDX_INFO:
        vcpu->exit.regs[GPR_R11] = tdx->info.r11;
        vcpu->exit.regs[GPR_R12] = tdx->info.r12;
        vcpu->exit.regs[GPR_R13] = tdx->info.r13;
        vcpu->exit.regs[GPR_R14] = tdx->info.r14;
        return answer(vcpu, tdx->info.ret);
    case COMPLETE_TDX_STATUS:
        return answer(vcpu, tdx->unknown.ret);
    case COMPLETE_RDMSR:
        return run->msr.error ? answer(vcpu, TDVMCALL_INVALID_OPERAND)
                              : answer_value(vcpu, run->msr.data);
    case COMPLETE_WRMSR:
        return answer(vcpu, run->msr.error ? TDVMCALL_INVALID_OPERAND : TDVMCALL_SUCCESS);
    }
    return RUN_CONTINUE;
}
