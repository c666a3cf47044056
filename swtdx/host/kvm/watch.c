/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stop-dumps of a whole TD: on request (SIGQUIT), and when nothing happens any more. A vCPU in
 * KVM_RUN tells its state itself, at its next instruction; the service thread does it for those
 * whose threads are elsewhere.
 */
#include "host.h"
#include "raw.h"

#define NS_PER_S UINT64_C(1000000000)
#define STUCK_NS (10 * NS_PER_S)
#define ANSWER_NS NS_PER_S /* how long a vCPU in KVM_RUN may take */

void kvm_host_request_dump(KvmHost *host, bool then_quit)
{
    if (then_quit) {
        atomic_store(&host->quit_requested, true);
    }
    atomic_store(&host->dump_requested, true);
    service_wake(host);
}

bool kvm_host_quit_passes(KvmHost *host)
{
    return !host->thread_runs || atomic_exchange(&host->quit_passes, false);
}

/*
 * A TD none of whose vCPUs made an exit for long, while one at least executes: processors that wait
 * in a loop for another one, as firmware has them, are not stuck.
 */
void watch_vm(Vm *vm, uint64_t now)
{
    uint64_t entries = 0;
    bool inside = false;
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 0; i < n; i++) {
        entries += atomic_load_explicit(&vm->vcpus[i]->entries, memory_order_relaxed);
        inside |= atomic_load_explicit(&vm->vcpus[i]->in_guest, memory_order_relaxed);
    }
    if (entries != vm->watched_entries || !inside) {
        vm->watched_entries = entries;
        vm->watched_ns = now;
    } else if (!vm->stuck_told && now - vm->watched_ns > STUCK_NS) {
        vm->stuck_told = true;
        atomic_store(&vm->host->dump_why, "no exit for 10 s");
        atomic_store(&vm->host->dump_requested, true);
    }
}

/* Under host->lock. */
static void ask(KvmHost *host)
{
    for (Vm *vm = host->vms; vm; vm = vm->next) {
        uint32_t n = atomic_load(&vm->num_vcpus);
        for (uint32_t i = 0; i < n; i++) {
            atomic_store(&vm->vcpus[i]->dump, true);
            vcpu_kick(vm->vcpus[i]);
        }
    }
}

/*
 * Whoever has the mutex is in an ioctl: if it is KVM_RUN, the vCPU answers itself. Returns false if
 * that is still to come.
 */
static bool tell(Vcpu *vcpu, bool last)
{
    if (!atomic_load(&vcpu->dump)) {
        return true;
    }
    if (!pthread_mutex_trylock(&vcpu->mutex)) {
        if (atomic_exchange(&vcpu->dump, false)) {
            dump_vcpu(vcpu, "not in KVM_RUN");
        }
        pthread_mutex_unlock(&vcpu->mutex);
        return true;
    }
    if (last && atomic_exchange(&vcpu->dump, false)) {
        host_message(vcpu->vm->host, "vCPU %u: does not answer", vcpu->id);
    }
    return last;
}

static bool all_told(KvmHost *host, bool last)
{
    bool all = true;
    for (Vm *vm = host->vms; vm; vm = vm->next) {
        uint32_t n = atomic_load(&vm->num_vcpus);
        for (uint32_t i = 0; i < n; i++) {
            all &= tell(vm->vcpus[i], last);
        }
    }
    return all;
}

bool watch_waits(KvmHost *host)
{
    return host->dump_until || atomic_load(&host->dump_requested);
}

void watch_serve(KvmHost *host)
{
    uint64_t now = raw_now_ns();
    bool all;
    pthread_mutex_lock(&host->lock);
    if (atomic_exchange(&host->dump_requested, false)) {
        ask(host);
        host->dump_until = now + ANSWER_NS;
    }
    all = host->dump_until && all_told(host, now >= host->dump_until);
    pthread_mutex_unlock(&host->lock);
    if (!all) {
        return;
    }
    host->dump_until = 0;
    atomic_store(&host->dump_why, NULL);
    if (atomic_exchange(&host->quit_requested, false)) {
        atomic_store(&host->quit_passes, true);
        /* what the dump came before: the program's handler, or its end */
        syscall(SYS_kill, getpid(), RAW_SIGQUIT);
    }
}
