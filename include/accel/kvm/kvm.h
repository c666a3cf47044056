/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM: one type per file descriptor, and the only callers of KVM ioctls. Every fact about the host
 * comes from here: the VMM executes no CPUID (it runs the same on a software TDX host).
 */
#ifndef ACCEL_KVM_KVM_H
#define ACCEL_KVM_KVM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "system/core/address-space.h"
#include "system/core/event-port.h"
#include "system/core/shared-memory.h"
#include "target/i386/cpuid.h"
#include "util/units.h"

typedef struct Kvm Kvm;         /* /dev/kvm */
typedef struct KvmVm KvmVm;
typedef struct KvmVcpu KvmVcpu;
struct kvm_run;

/*
 * Opens /dev/kvm and checks the API version. Messages as QEMU's: "Could not access KVM kernel
 * module: …".
 */
Kvm *kvm_open(GError **errp);
/* The same by another name, and of a descriptor, which is taken over; name: what messages call it. */
Kvm *kvm_open_device(const char *path, GError **errp);
Kvm *kvm_open_fd(int fd, const char *name, GError **errp);
void kvm_close(Kvm *kvm);
int kvm_check_extension(Kvm *kvm, unsigned cap);
/* KVM_GET_SUPPORTED_CPUID, grown until it fits. */
CpuidTable *kvm_supported_cpuid(Kvm *kvm, GError **errp);
/*
 * Asks the kernel that guests of this process may have those of `components`, bits as in XCR0, that
 * are not everyone's: AMX's tile data. To be called before the first vCPU; KVM_SET_CPUID2 fails
 * without (Linux 5.17, Documentation/arch/x86/xstate.rst).
 */
bool kvm_request_guest_state(uint64_t components, GError **errp);

KvmVm *kvm_vm_new(Kvm *kvm, unsigned type, GError **errp); /* KVM_CREATE_VM */
/* closes vCPUs, slots, guest_memfds first: the KeyID returns only when all are closed */
void kvm_vm_free(KvmVm *vm);
int kvm_vm_check_extension(KvmVm *vm, unsigned cap);
bool kvm_vm_enable_cap(KvmVm *vm, unsigned cap, uint64_t arg0, const char *name, GError **errp);
int kvm_vm_ioctl(KvmVm *vm, unsigned long request, void *arg); /* -errno */
bool kvm_vm_set_tsc_khz(KvmVm *vm, uint32_t khz, GError **errp);
int kvm_vm_get_tsc_khz(KvmVm *vm);

/*
 * A memory slot with a shared half (host, not owned) and, if private_memory, a guest_memfd of its
 * size.
 */
bool kvm_vm_add_memory(KvmVm *vm, const char *name, hwaddr gpa, uint64_t size, uint8_t *host,
                       bool private_memory, GError **errp);
/* Memory that the guest cannot write: a write is an access to a device. */
bool kvm_vm_add_rom(KvmVm *vm, const char *name, hwaddr gpa, uint64_t size, uint8_t *host,
                    GError **errp);
/* KVM_SET_MEMORY_ATTRIBUTES, and the other half of the range is discarded. -errno. */
int kvm_vm_convert(KvmVm *vm, hwaddr gpa, uint64_t size, bool to_private);
/* Is [gpa, gpa+size) inside one slot with private memory? */
bool kvm_vm_has_private_memory(KvmVm *vm, hwaddr gpa, uint64_t size);
/*
 * Memory as the guest sees it: what has a private half starts private. Conversions count if they
 * change something; the bytes that go with them are those that changed.
 */
typedef struct KvmMemoryStats {
    uint64_t private_bytes, shared_bytes; /* now */
    uint64_t to_private, to_shared;       /* conversions since the VM was made */
    uint64_t to_private_bytes, to_shared_bytes;
} KvmMemoryStats;
void kvm_vm_memory_stats(KvmVm *vm, KvmMemoryStats *stats); /* any thread */
/*
 * What a device may touch now (system/core/shared-memory.h); memory without a private half is all
 * shared. Any thread.
 */
SharedMemoryPort kvm_vm_shared_memory(KvmVm *vm);
/* Valid for the VM's life, machine lock held. kernel_irqchip: the kernel has PIC and I/O APIC. */
EventPort kvm_vm_event_port(KvmVm *vm, bool kernel_irqchip);
/* False: the interrupt is lost, which has been logged. Any thread. */
bool kvm_vm_signal_msi(KvmVm *vm, uint64_t address, uint32_t data);
/*
 * A call that failed while the guest runs, and what that means. The user is warned once in a VM's
 * life of each kind, as a guest or a host short of memory can make it happen again and again; all
 * of it goes to the log item tdx. Any thread.
 */
enum { KVM_TOLD_WRITES = 1, KVM_TOLD_INTERRUPTS = 2, KVM_TOLD_MSI = 4, KVM_TOLD_ATTRIBUTES = 8 };
void kvm_vm_tell_failure(KvmVm *vm, unsigned kind, const char *call, int error,
                         const char *consequence);

KvmVcpu *kvm_vcpu_new(KvmVm *vm, unsigned id, GError **errp);
unsigned kvm_vcpu_id(const KvmVcpu *vcpu);
struct kvm_run *kvm_vcpu_run_page(KvmVcpu *vcpu);
/* How often the vCPU left the guest for a reason, KVM_EXIT_*, so far. Any thread. */
uint64_t kvm_vcpu_exit_count(const KvmVcpu *vcpu, unsigned reason);
int kvm_vcpu_ioctl(KvmVcpu *vcpu, unsigned long request, void *arg); /* -errno */
bool kvm_vcpu_set_cpuid(KvmVcpu *vcpu, const CpuidTable *table, GError **errp);

/*
 * What a vCPU's exits need. Callbacks run on the vCPU thread without the machine lock unless said.
 */
typedef struct KvmRunPorts {
    AddressSpace *memory, *ports;
    GMutex *machine_lock;  /* taken around device accesses */
    /*
     * Exits that are not KVM's own: MapGPA, KVM_EXIT_TDX, fatal error. True: handled, go on; false:
     * stop this vCPU (the callback told runstate why).
     */
    bool (*special)(void *opaque, KvmVcpu *vcpu, struct kvm_run *run);
    /*
     * KVM_RUN failed with -error that is not EINTR, EAGAIN or a memory fault, or an exit nobody
     * knows.
     */
    void (*failed)(void *opaque, KvmVcpu *vcpu, const char *message);
    /* The guest shut down (KVM_EXIT_SHUTDOWN). */
    void (*triple_fault)(void *opaque, KvmVcpu *vcpu);
    void *opaque;
} KvmRunPorts;

/* The vCPU's thread: started paused or running; stops at kvm_vcpu_stop(). */
bool kvm_vcpu_start(KvmVcpu *vcpu, const KvmRunPorts *ports, bool paused, const char *thread_name,
                    GError **errp);
void kvm_vcpu_pause(KvmVcpu *vcpu);  /* returns when it is out of KVM_RUN */
void kvm_vcpu_resume(KvmVcpu *vcpu);
/* the host's id of its thread; waits for it to have started */
int kvm_vcpu_thread_id(KvmVcpu *vcpu);
/* ends the thread and joins it; never from the thread itself */
void kvm_vcpu_stop(KvmVcpu *vcpu);

#endif
