/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vCPU left the guest for, and what is done about it. On the vCPU's thread. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "kvm-internal.h"
#include "system/core/log.h"
#include "util/bytes.h"

/*
 * As often the same page may fault in a row before the vCPU is stopped: a conversion that takes
 * effect ends the row at once.
 */
#define MAX_SAME_FAULTS 64

static void fail(KvmVcpu *vcpu, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void fail(KvmVcpu *vcpu, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    if (vcpu->ports.failed) {
        vcpu->ports.failed(vcpu->ports.opaque, vcpu, message);
    }
}

static void lock_machine(KvmVcpu *vcpu)
{
    if (vcpu->ports.machine_lock) {
        g_mutex_lock(vcpu->ports.machine_lock);
    }
}

static void unlock_machine(KvmVcpu *vcpu)
{
    if (vcpu->ports.machine_lock) {
        g_mutex_unlock(vcpu->ports.machine_lock);
    }
}

static uint64_t load_le(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)p[i] << (8 * i);
    }
    return value;
}

static void store_le(uint8_t *p, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        p[i] = (uint8_t)(value >> (8 * i));
    }
}

/* One access of a size that devices know. */
static void device_access(AddressSpace *as, hwaddr addr, uint8_t *data, unsigned size,
                          bool is_write)
{
    if (is_write) {
        address_space_write(as, addr, load_le(data, size), size);
    } else {
        store_le(data, address_space_read(as, addr, size), size);
    }
}

static bool size_is_plain(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

static bool handle_io(KvmVcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    unsigned size = run->io.size;
    uint64_t total = (uint64_t)run->io.count * size;
    uint64_t offset = run->io.data_offset;

    if (!size_is_plain(size) || size == 8 ||
        !range_inside(offset, total, vcpu->vm->kvm->run_size)) {
        fail(vcpu, "KVM_EXIT_IO makes no sense: port 0x%x, size %u, count %u, data at 0x%" PRIx64,
             run->io.port, size, run->io.count, offset);
        return false;
    }
    uint16_t port = run->io.port;
    uint32_t count = run->io.count;
    bool is_write = run->io.direction == KVM_EXIT_IO_OUT;
    uint8_t *data = (uint8_t *)run + offset;

    lock_machine(vcpu);
    for (uint32_t i = 0; i < count; i++, data += size) {
        device_access(vcpu->ports.ports, port, data, size, is_write);
    }
    unlock_machine(vcpu);
    return true;
}

static bool handle_mmio(KvmVcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    unsigned len = run->mmio.len;
    bool is_write = run->mmio.is_write != 0;

    if (len == 0 || len > sizeof(run->mmio.data)) {
        fail(vcpu, "KVM_EXIT_MMIO makes no sense: address 0x%llx, length %u", run->mmio.phys_addr,
             len);
        return false;
    }
    lock_machine(vcpu);
    if (size_is_plain(len)) {
        device_access(vcpu->ports.memory, run->mmio.phys_addr, run->mmio.data, len, is_write);
    } else { /* an instruction that crosses a page arrives in odd pieces */
        for (unsigned i = 0; i < len; i++) {
            device_access(vcpu->ports.memory, run->mmio.phys_addr + i, &run->mmio.data[i], 1,
                          is_write);
        }
    }
    unlock_machine(vcpu);
    return true;
}

static bool handle_memory_fault(KvmVcpu *vcpu)
{
    struct kvm_run_memory_fault fault = *kvm_run_memory_fault(vcpu->run);
    bool to_private = fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE;
    const char *kind = to_private ? "private" : "shared";
    const char *why;
    int error;

    /*
     * Nothing waits to be completed after this exit, so the reason can be cleared: EFAULT alone
     * must not look like it later.
     */
    vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
    if (fault.flags & ~KVM_MEMORY_EXIT_FLAG_PRIVATE) {
        fail(vcpu, "KVM_EXIT_MEMORY_FAULT: Unknown flag 0x%llx", fault.flags);
        return false;
    }
    bool again = vcpu->fault_count && fault.gpa == vcpu->fault_gpa &&
                 fault.flags == vcpu->fault_flags;
    vcpu->fault_count = again ? vcpu->fault_count + 1 : 1;
    vcpu->fault_gpa = fault.gpa;
    vcpu->fault_flags = fault.flags;
    if (vcpu->fault_count > MAX_SAME_FAULTS) {
        fail(vcpu,
             "The %s access to 0x%llx faults again and again, although the page was made %s %u "
             "times",
             kind, fault.gpa, kind, MAX_SAME_FAULTS);
        return false;
    }
    if (!kvm_vm_resolve_fault(vcpu->vm, fault.gpa, fault.size, to_private, &why, &error)) {
        fail(vcpu, "The guest's %s access to 0x%llx, size 0x%llx, cannot be served: %s%s%s", kind,
             fault.gpa, fault.size, why, error ? ": " : "", error ? g_strerror(error) : "");
        return false;
    }
    if (vcpu->fault_count == 1) {
        log_item(LOG_TDVMCALL, "vCPU %u: memory at 0x%llx becomes %s at its first %s access",
                 vcpu->id, fault.gpa, kind, kind);
    }
    return true;
}

static void fail_internal_error(KvmVcpu *vcpu)
{
    static const char *const names[] = {
        [1] = "an instruction could not be emulated", [2] = "two events at the same time",
        [3] = "delivery of an event failed", [4] = "unexpected exit reason",
    };
    struct kvm_run *run = vcpu->run;
    unsigned suberror = run->internal.suberror;
    g_autoptr(GString) text = g_string_new("KVM internal error");

    g_string_append_printf(text, ", suberror %u (%s)", suberror,
                           suberror < G_N_ELEMENTS(names) && names[suberror] ? names[suberror]
                                                                             : "unknown");
    for (unsigned i = 0; i < MIN(run->internal.ndata, G_N_ELEMENTS(run->internal.data)); i++) {
        g_string_append_printf(text, "%s 0x%llx", i ? "," : ": data", run->internal.data[i]);
    }
    fail(vcpu, "%s", text->str);
}

static void fail_run(KvmVcpu *vcpu, int error)
{
    const char *advice = "";

    if (error == EIO) {
        advice = "\nThe kernel has given this VM up: it failed in KVM or the TDX module, or the "
                 "guest touched private memory that it had not accepted. The host's log says "
                 "which: dmesg | grep -i -E 'kvm|tdx'";
    } else if (error == EINVAL) {
        advice =
            "\nThe vCPU is not ready to run, or KVM did not like how the last exit was answered";
    } else if (error == ENOMEM || error == EHWPOISON) {
        advice = "\nThe host could not give the guest a page of memory";
    }
    fail(vcpu, "error: kvm run failed %s (vCPU %u)%s", g_strerror(error), vcpu->id, advice);
}

uint64_t kvm_vcpu_exit_count(const KvmVcpu *vcpu, unsigned reason)
{
    return reason < G_N_ELEMENTS(vcpu->exits)
               ? __atomic_load_n(&vcpu->exits[reason], __ATOMIC_RELAXED)
               : 0;
}

static void count_exit(KvmVcpu *vcpu, uint32_t reason)
{
    if (reason < G_N_ELEMENTS(vcpu->exits)) {
        __atomic_store_n(&vcpu->exits[reason], vcpu->exits[reason] + 1, __ATOMIC_RELAXED);
    }
}

/*
 * Reached only if the VMM asks KVM for such exits; the guest gets the fault that KVM would have
 * given it.
 */
static bool refuse_msr(KvmVcpu *vcpu, const char *access)
{
    struct kvm_run *run = vcpu->run;

    log_item(LOG_UNIMP, "vCPU %u: %s of MSR 0x%x is refused", vcpu->id, access, run->msr.index);
    run->msr.error = 1;
    return true;
}

/*
 * KVM_CAP_X86_NOTIFY_VMEXIT: the guest let no event through for a long time; with
 * KVM_NOTIFY_CONTEXT_INVALID it cannot go on.
 */
static bool handle_notify(KvmVcpu *vcpu)
{
    if (vcpu->run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID) {
        fail(vcpu, "KVM: notify exit, and the context of vCPU %u is invalid", vcpu->id);
        return false;
    }
    return true;
}

static bool handle_reason(KvmVcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        return handle_io(vcpu);
    case KVM_EXIT_MMIO:
        return handle_mmio(vcpu);
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_X86_BUS_LOCK: /* the kernel has slowed the guest down already */
        return true;
    case KVM_EXIT_NOTIFY:
        return handle_notify(vcpu);
    case KVM_EXIT_X86_RDMSR:
        return refuse_msr(vcpu, "a read");
    case KVM_EXIT_X86_WRMSR:
        return refuse_msr(vcpu, "a write");
    case KVM_EXIT_HYPERCALL:
    case KVM_EXIT_TDX:
    case KVM_EXIT_SYSTEM_EVENT:
        if (!vcpu->ports.special) {
            fail(vcpu, "KVM exit reason %u, and nobody here handles it", run->exit_reason);
            return false;
        }
        return vcpu->ports.special(vcpu->ports.opaque, vcpu, run);
    case KVM_EXIT_SHUTDOWN:
        if (vcpu->ports.triple_fault) {
            vcpu->ports.triple_fault(vcpu->ports.opaque, vcpu);
        }
        return false;
    case KVM_EXIT_FAIL_ENTRY:
        fail(vcpu, "KVM: entry failed, hardware error 0x%llx (vCPU %u, host CPU %u)",
             run->fail_entry.hardware_entry_failure_reason, vcpu->id, run->fail_entry.cpu);
        return false;
    case KVM_EXIT_INTERNAL_ERROR:
        fail_internal_error(vcpu);
        return false;
    case KVM_EXIT_EXCEPTION:
        fail(vcpu, "KVM: exception %u with error code 0x%x left the guest (vCPU %u)",
             run->ex.exception, run->ex.error_code, vcpu->id);
        return false;
    case KVM_EXIT_UNKNOWN:
        fail(vcpu, "KVM: unknown exit, hardware reason 0x%llx (vCPU %u)",
             run->hw.hardware_exit_reason, vcpu->id);
        return false;
    default:
        fail(vcpu, "KVM: unknown exit reason %u (vCPU %u)", run->exit_reason, vcpu->id);
        return false;
    }
}

/*
 * Memory faults come with -EFAULT, or -EHWPOISON for a broken page; with every other error the
 * reason is stale (Linux Documentation/virt/kvm/api.rst, KVM_EXIT_MEMORY_FAULT).
 */
bool kvm_vcpu_handle_exit(KvmVcpu *vcpu, int result)
{
    if (result == -EINTR || result == -EAGAIN) {
        return true;
    }
    if (result == -EFAULT && vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
        count_exit(vcpu, KVM_EXIT_MEMORY_FAULT);
        return handle_memory_fault(vcpu);
    }
    vcpu->fault_count = 0;
    if (result == -EHWPOISON && vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
        fail(vcpu,
             "The guest's memory at 0x%llx is broken: the host found a hardware error in it (vCPU "
             "%u)\n"
             "The host's log has the physical address: dmesg | grep -i -E 'mce|hardware error'",
             kvm_run_memory_fault(vcpu->run)->gpa, vcpu->id);
        return false;
    }
    if (result < 0) {
        fail_run(vcpu, -result);
        return false;
    }
    count_exit(vcpu, vcpu->run->exit_reason);
    return handle_reason(vcpu);
}
