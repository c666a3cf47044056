/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_RUN: the vCPU executes on the caller's thread, here, until something needs the caller
 * (kvm-tdx ABI, part 5). TDVMCALLs that the kernel serves go round in this loop without a system
 * call or a contended lock.
 */
#include <string.h>

#include "host.h"
#include "raw.h"

/*
 * The vCPU whose KVM_RUN this thread is in: what a signal handler must make leave. Initial-exec, so
 * that reading it in a handler allocates nothing.
 */
static __thread Vcpu *volatile current_vcpu __attribute__((tls_model("initial-exec")));

Vcpu *run_current(void)
{
    return current_vcpu;
}

/* Where the stack stood when a handler was called; NULL: this thread is in none. */
static __thread const void *volatile handler_frame __attribute__((tls_model("initial-exec")));

const void *kvm_handler_enter(void)
{
    const void *before = handler_frame;
    handler_frame = __builtin_frame_address(0);
    return before;
}

void kvm_handler_leave(const void *before)
{
    handler_frame = before;
}

/* Stacks grow downwards: above it, the handler was left by a jump. */
bool run_in_handler(void)
{
    const void *frame = handler_frame;
    if (frame && (uintptr_t)__builtin_frame_address(0) > (uintptr_t)frame) {
        handler_frame = frame = NULL;
    }
    return frame;
}

bool kvm_signal_arrived(int signo, const void *siginfo)
{
    Vcpu *vcpu = current_vcpu;
    if (!vcpu) {
        return false;
    }
    atomic_store(&vcpu->signalled, true);
    cpu_request(vcpu->cpu, CPU_PENDING_EXIT);
    vcpu_wake(vcpu);
    if (vcpu->mask_active && signo >= 1 && signo <= 64 &&
        (vcpu->outer_mask & (UINT64_C(1) << (signo - 1))) &&
        vcpu->num_deferred < sizeof(vcpu->deferred) / sizeof(*vcpu->deferred)) {
        vcpu->deferred[vcpu->num_deferred].signo = signo;
        memcpy(vcpu->deferred[vcpu->num_deferred].info, siginfo, RAW_SIGINFO_SIZE);
        vcpu->num_deferred++;
        return true;
    }
    return false;
}

void run_log(Vcpu *vcpu, uint32_t reason, uint64_t a, uint64_t b, uint64_t c)
{
    uint32_t i = vcpu->log_next++ % EXIT_LOG;
    vcpu->log[i].reason = reason;
    vcpu->log[i].a = a;
    vcpu->log[i].b = b;
    vcpu->log[i].c = c;
}

void run_return(Vcpu *vcpu, uint64_t r10, const uint64_t *r11)
{
    vcpu->exit.regs[GPR_R10] = r10;
    if (r11) {
        vcpu->exit.regs[GPR_R11] = *r11;
    }
    trace_vmcall_return(vcpu);
    td_vmcall_return(vcpu->tdv, vcpu->exit.regs);
}

static int run_internal_error(Vcpu *vcpu, uint64_t status)
{
    struct kvm_run *run = vcpu->run;
    run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
    run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
    run->internal.ndata = 2;
    run->internal.data[0] = status;
    run->internal.data[1] = 0;
    return 0;
}

/* ---- waiting ---- */

/*
 * What ends a halt: an NMI, and an interrupt unless the guest said that it has them off
 * (tdx_interrupt_allowed(), tdx_protected_apic_has_interrupt()).
 */
bool run_halt_over(Vcpu *vcpu)
{
    return atomic_load(&vcpu->lapic.nmi_pending) ||
           (!vcpu->halt_masked &&
            (atomic_load(&vcpu->posted) || lapic_pending(&vcpu->lapic) >= 0));
}

bool run_must_leave(Vcpu *vcpu)
{
    return atomic_load(&vcpu->signalled) || atomic_load(&vcpu->vm->dead) ||
           atomic_load(&vcpu->dump);
}

/* Sleeps until woken for a reason; a vCPU without INIT_VCPU has no events of its own. */
static void wait_for_event(Vcpu *vcpu, bool halted)
{
    atomic_store(&vcpu->blocked, 1);
    for (;;) {
        uint32_t seq = atomic_load(&vcpu->wake_seq);
        if (run_must_leave(vcpu) || (halted && run_halt_over(vcpu))) {
            break;
        }
        raw_futex_wait(&vcpu->wake_seq, seq);
    }
    atomic_store(&vcpu->blocked, 0);
}

static void dump_if_asked(Vcpu *vcpu)
{
    if (unlikely(atomic_load_explicit(&vcpu->dump, memory_order_relaxed)) &&
        atomic_exchange(&vcpu->dump, false)) {
        const char *why = atomic_load(&vcpu->vm->host->dump_why);
        dump_vcpu(vcpu, why ? why : "asked for by a signal");
    }
}

/* KVM_RUN of an AP before KVM_TDX_INIT_VCPU: sleeps, the vCPU's mutex held. */
static int run_uninitialised(Vcpu *vcpu)
{
    if (vcpu->run->immediate_exit) {
        return -EINTR;
    }
    do {
        dump_if_asked(vcpu);
        wait_for_event(vcpu, false);
    } while (atomic_load(&vcpu->dump));
    if (atomic_load(&vcpu->vm->dead)) {
        return -EIO;
    }
    if (atomic_load(&vcpu->signalled)) {
        vcpu->run->exit_reason = KVM_EXIT_INTR;
        return -EINTR;
    }
    return -EAGAIN;
}

/* ---- exits ---- */

static int exit_triple_fault(Vcpu *vcpu)
{
    dump_vcpu(vcpu, "triple fault");
    vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
    return 0;
}

/* A guest that runs here and would not on hardware is told of, once. */
static void tell_leniency(Vm *vm)
{
    if (unlikely(td_max_vcpus_hidden(vm->td)) &&
        !atomic_load_explicit(&vm->max_vcpus_told, memory_order_relaxed) &&
        !atomic_exchange(&vm->max_vcpus_told, true)) {
        host_message(vm->host,
                     "the guest asks how many vCPUs its TD may have and is told how many it has: a "
                     "TDX module under Linux's KVM tells %u, the host's processors, and firmware "
                     "that waits for so many would hang there (profile member max_vcpus_told makes "
                     "it so here, too)",
                     vm->max_vcpus);
    }
    if (unlikely(td_rbp_bit_seen(vm->td)) &&
        !atomic_load_explicit(&vm->rbp_told, memory_order_relaxed) &&
        !atomic_exchange(&vm->rbp_told, true)) {
        host_message(vm->host, "the guest passes RBP to TDG.VP.VMCALL: let pass here, but a TDX "
                               "module refuses that under Linux's KVM, and this guest would not "
                               "run there (profile member vmcall_rbp_refused makes it so here, "
                               "too)");
    }
}

static int handle_exit(Vcpu *vcpu)
{
    TdExit *exit = &vcpu->exit;
    switch (exit->kind) {
    case TD_EXIT_VMCALL:
        tell_leniency(vcpu->vm);
        return tdvmcall_handle(vcpu);
    case TD_EXIT_EPT_VIOLATION:
        return ept_violation(vcpu);
    case TD_EXIT_INTERRUPTED:
        return RUN_CONTINUE;
    case TD_EXIT_TRIPLE_FAULT:
        return exit_triple_fault(vcpu);
    case TD_EXIT_PENDING_ACCESS:
        host_message(vcpu->vm->host, "Guest access before accepting 0x%llx on vCPU %u",
                     (unsigned long long)exit->gpa, vcpu->id);
        dump_vcpu(vcpu, "access to a page that was not accepted, with SEPT_VE_DISABLE");
        vm_kill(vcpu->vm);
        return -EIO;
    case TD_EXIT_UNSUPPORTED:
        host_message(vcpu->vm->host, "vCPU %u: the software core can't go on: %s", vcpu->id,
                     vcpu->cpu->unsupported);
        dump_vcpu(vcpu, vcpu->cpu->unsupported);
        return run_internal_error(vcpu, exit->status);
    case TD_EXIT_NON_RECOVERABLE:
        dump_vcpu(vcpu, "the TD is not recoverable");
        return run_internal_error(vcpu, exit->status);
    }
    return run_internal_error(vcpu, exit->status);
}

/* By its own HLT, or by the VMM, which may have it wait for an event to come out of a reset. */
static bool is_halted(Vcpu *vcpu)
{
    uint32_t mp = atomic_load_explicit(&vcpu->mp_state, memory_order_relaxed);
    return mp == KVM_MP_STATE_HALTED || mp == KVM_MP_STATE_AP_RESET_HOLD;
}

static int run_loop(Vcpu *vcpu)
{
    for (;;) {
        if (unlikely(atomic_load_explicit(&vcpu->vm->dead, memory_order_relaxed))) {
            return -EIO;
        }
        if (unlikely(atomic_load(&vcpu->signalled))) {
            vcpu->run->exit_reason = KVM_EXIT_INTR;
            return -EINTR;
        }
        dump_if_asked(vcpu);
        if (unlikely(record_stopped(vcpu->vm->host))) {
            wait_for_event(vcpu, false);
            continue;
        }
        if (vcpu->vm->host->options.deterministic && !turn_take(vcpu)) {
            continue;
        }
        if (unlikely(is_halted(vcpu))) {
            wait_for_event(vcpu, true);
            if (!run_halt_over(vcpu) || record_stopped(vcpu->vm->host)) {
                continue;
            }
            atomic_store(&vcpu->mp_state, KVM_MP_STATE_RUNNABLE);
        }
        atomic_store(&vcpu->posted, false);
        atomic_store_explicit(&vcpu->entries,
                              atomic_load_explicit(&vcpu->entries, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        atomic_store_explicit(&vcpu->in_guest, true, memory_order_relaxed);
        TdxStatus refused = td_vp_enter(vcpu->tdv, &vcpu->exit);
        atomic_store_explicit(&vcpu->in_guest, false, memory_order_relaxed);
        if (unlikely(refused)) {
            vcpu->exit = (TdExit){ .kind = TD_EXIT_NON_RECOVERABLE, .status = refused };
        }
        if (vcpu->vm->host->options.deterministic) {
            turn_ran(vcpu, vcpu->exit.kind == TD_EXIT_INTERRUPTED);
        }
        record_exit(vcpu->vm);
        int r = handle_exit(vcpu);
        if (r != RUN_CONTINUE) {
            return r;
        }
    }
}

static int run_checked(Vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    uint32_t mp = atomic_load_explicit(&vcpu->mp_state, memory_order_relaxed);
    run->flags = 0;
    if (unlikely(mp == KVM_MP_STATE_UNINITIALIZED)) {
        return run_uninitialised(vcpu);
    }
    if (run->kvm_valid_regs || run->kvm_dirty_regs) {
        return -EINVAL;
    }
    if (vcpu->completion != COMPLETE_NONE) {
        int r = tdvmcall_complete(vcpu);
        if (r != RUN_CONTINUE) {
            return r;
        }
    }
    if (run->immediate_exit) {
        return -EINTR;
    }
    if (unlikely(!vcpu->initialised || vcpu->vm->state != TD_RUNNABLE)) {
        return -EINVAL;
    }
    if (unlikely(mp == KVM_MP_STATE_INIT_RECEIVED || mp == KVM_MP_STATE_SIPI_RECEIVED)) {
        return -EINVAL;
    }
    if (unlikely(!vcpu->mmu_loaded)) {
        int r = tdx_load_mmu(vcpu);
        if (r) {
            return r;
        }
    }
    vcpu->ran = true;
    if (unlikely(vcpu->shutdown)) {
        vcpu->shutdown = false;
        run->exit_reason = KVM_EXIT_SHUTDOWN;
        return 0;
    }
    return run_loop(vcpu);
}

/*
 * With KVM_SET_SIGNAL_MASK the thread's mask is another one during KVM_RUN; what comes only because
 * of it stays pending.
 */
static void mask_enter(Vcpu *vcpu)
{
    vcpu->num_deferred = 0;
    raw_sigprocmask(RAW_SIG_SETMASK, NULL, &vcpu->outer_mask);
    vcpu->mask_active = true;
    raw_sigprocmask(RAW_SIG_SETMASK, &vcpu->mask, NULL);
}

static void mask_leave(Vcpu *vcpu)
{
    raw_sigprocmask(RAW_SIG_SETMASK, &vcpu->outer_mask, NULL);
    vcpu->mask_active = false;
    for (uint32_t i = 0; i < vcpu->num_deferred; i++) {
        syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid),
                vcpu->deferred[i].signo, vcpu->deferred[i].info);
    }
    vcpu->num_deferred = 0;
}

int vcpu_run(Vcpu *vcpu)
{
    atomic_store(&vcpu->signalled, false);
    current_vcpu = vcpu;
    atomic_signal_fence(memory_order_seq_cst);
    if (unlikely(vcpu->mask_set)) {
        mask_enter(vcpu);
    }
    int r = run_checked(vcpu);
    if (unlikely(vcpu->mask_active)) {
        mask_leave(vcpu);
    }
    atomic_signal_fence(memory_order_seq_cst);
    current_vcpu = NULL;
    trace_run(vcpu, r);
    return r;
}
