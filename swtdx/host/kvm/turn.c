/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deterministic VMs: their vCPUs execute one at a time, in turns that are measured in instructions,
 * and the clock is made of the instructions they execute. Whose turn it is and what time it is
 * depends on the guest alone.
 *
 * A turn goes round by index, also to a vCPU whose thread is not there yet, and is kept while the
 * thread is with the VMM for an exit: what the VMM's devices do for a vCPU falls into that vCPU's
 * turn. A turn is given up by HLT, by a loop that waits (PAUSE), or at its end. When all are halted
 * nobody has it, and time jumps to the next deadline of a local APIC's timer, after as long a wait:
 * an event from outside that comes before finds the clock where it stood.
 */
#include "host.h"
#include "raw.h"

/*
 * One instruction is a nanosecond; an exit and a PAUSE take about as long as on hardware, so that
 * loops that poll are short.
 */
#define SLICE 100000u
#define EXIT_NS 5000u
#define PAUSE_NS 100u

static uint64_t instructions_now(const Vcpu *vcpu)
{
    return cpu_instructions(vcpu->cpu) - vcpu->turn_instructions;
}

uint64_t kvm_host_now_ns(const KvmHost *host)
{
    if (!host->options.deterministic) {
        return raw_now_ns();
    }
    const Vcpu *vcpu = run_current();
    uint64_t now = atomic_load(&host->clock_ns);
    return vcpu && vcpu->turn_held && vcpu->vm->host == host ? now + instructions_now(vcpu) : now;
}

void turn_init(Vm *vm)
{
    pthread_mutex_init(&vm->turns.lock, NULL);
}

void turn_fini(Vm *vm)
{
    pthread_mutex_destroy(&vm->turns.lock);
}

void turn_wake(Vm *vm)
{
    atomic_fetch_add(&vm->turns.seq, 1);
    raw_futex_wake(&vm->turns.seq);
}

static uint64_t next_deadline(const Vm *vm)
{
    uint64_t deadline = UINT64_MAX;
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t t = atomic_load(&vm->vcpus[i]->timer_ns);
        deadline = t < deadline ? t : deadline;
    }
    return deadline;
}

static void run_timers(Vm *vm, uint64_t now)
{
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 0; i < n; i++) {
        Vcpu *vcpu = vm->vcpus[i];
        if (atomic_load(&vcpu->timer_ns) <= now) {
            atomic_store(&vcpu->timer_ns, UINT64_MAX);
            lapic_timer_expired(&vcpu->lapic);
        }
    }
}

static bool runnable(Vcpu *vcpu)
{
    uint32_t mp = atomic_load(&vcpu->mp_state);
    return vcpu->initialised &&
           (mp == KVM_MP_STATE_RUNNABLE ||
            ((mp == KVM_MP_STATE_HALTED || mp == KVM_MP_STATE_AP_RESET_HOLD) &&
             run_halt_over(vcpu)));
}

/* The first in the circle behind the last holder, who comes last. */
static Vcpu *choose(Vm *vm)
{
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 1; i <= n; i++) {
        Vcpu *vcpu = vm->vcpus[(vm->turns.last + i) % n];
        if (runnable(vcpu)) {
            return vcpu;
        }
    }
    return NULL;
}

static void hand_to(Vm *vm, Vcpu *vcpu)
{
    vm->turns.holder = vcpu;
    if (vcpu) {
        vm->turns.last = vcpu->index;
        vcpu->turn_instructions = vcpu->cpu->instructions;
        vcpu->slice_end = vcpu->cpu->instructions + SLICE;
    }
    turn_wake(vm);
}

/* Until when the core may execute before somebody has to look. */
static void set_end(Vcpu *vcpu)
{
    uint64_t now = kvm_host_now_ns(vcpu->vm->host), deadline = next_deadline(vcpu->vm),
             here = cpu_instructions(vcpu->cpu);
    uint64_t wait = deadline > now ? deadline - now : 1;
    uint64_t left = vcpu->slice_end > here ? vcpu->slice_end - here : 1;
    vcpu->cpu->turn_end = here + (wait < left ? wait : left);
}

/* The clock stands while all are halted; nobody else moves it, as that takes a turn. */
static void sleep_until(Vm *vm, uint32_t seq, uint64_t deadline)
{
    KvmHost *host = vm->host;
    uint64_t now = atomic_load(&host->clock_ns);
    if (deadline > now && raw_futex_wait_for(&vm->turns.seq, seq, deadline - now) != -ETIMEDOUT) {
        return;
    }
    pthread_mutex_lock(&vm->turns.lock);
    if (!vm->turns.holder && !choose(vm) && next_deadline(vm) == deadline) {
        atomic_store(&host->clock_ns, deadline > now ? deadline : now);
        run_timers(vm, deadline);
        turn_wake(vm);
    }
    pthread_mutex_unlock(&vm->turns.lock);
}

bool turn_take(Vcpu *vcpu)
{
    Vm *vm = vcpu->vm;
    for (;;) {
        uint32_t seq = atomic_load(&vm->turns.seq);
        if (run_must_leave(vcpu) || record_stopped(vm->host)) {
            return false;
        }
        pthread_mutex_lock(&vm->turns.lock);
        Vcpu *holder = vm->turns.holder;
        bool over = holder == vcpu &&
                    (!runnable(vcpu) || vcpu->cpu->instructions >= vcpu->slice_end);
        if (!holder || over) {
            vcpu->turn_held = false;
            Vcpu *next = choose(vm);
            if (next || holder) {
                hand_to(vm, next);
            }
            holder = next;
        }
        pthread_mutex_unlock(&vm->turns.lock);
        if (holder == vcpu) {
            vcpu->turn_held = true;
            set_end(vcpu);
            return true;
        }
        uint64_t deadline = holder ? UINT64_MAX : next_deadline(vm);
        if (deadline != UINT64_MAX) {
            sleep_until(vm, seq, deadline);
        } else if (atomic_load(&vm->turns.seq) == seq) {
            raw_futex_wait(&vm->turns.seq, seq);
        }
    }
}

void turn_ran(Vcpu *vcpu, bool interrupted)
{
    KvmHost *host = vcpu->vm->host;
    uint64_t spent = instructions_now(vcpu);
    vcpu->turn_instructions += spent;
    if (vcpu->cpu->turn_given_up) {
        vcpu->cpu->turn_given_up = false;
        vcpu->slice_end = 0;
        spent += PAUSE_NS;
    }
    spent += interrupted ? 0 : EXIT_NS;
    uint64_t now = atomic_fetch_add(&host->clock_ns, spent) + spent;
    if (next_deadline(vcpu->vm) <= now) {
        run_timers(vcpu->vm, now);
    }
}

void turn_arm(Vcpu *vcpu, uint64_t deadline_ns)
{
    atomic_store(&vcpu->timer_ns, deadline_ns);
    if (vcpu == run_current() && vcpu->turn_held && !vcpu->cpu->turn_given_up) {
        set_end(vcpu);
    }
}
