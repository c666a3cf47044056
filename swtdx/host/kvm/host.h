/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects of the KVM surface, private to swtdx/host/kvm.
 *
 * A KvmFile is an open file description (/dev/kvm, VM, vCPU, guest_memfd); it holds its object. A Vm is held by its
 * own file, its vCPUs, its guest_memfds; the TD and its KeyID go with the last of them, as in the kernel.
 *
 * Lock order: Vm.lock (configuration), every Vcpu.mutex, Vm.slots_lock (changes of slots and attributes),
 * Vm.memory (reader-writer: the view that running vCPUs read), Vm.irq. Never wait for running vCPUs
 * (cpu_group_flush(), td_range_remove()) with Vm.memory or Vm.irq held: they may be waiting for it.
 */
#ifndef SWTDX_KVM_HOST_H
#define SWTDX_KVM_HOST_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../lapic/lapic.h"
#include "../module/td.h"
#include "abi.h"
#include "kvm.h"

typedef struct Vm Vm;
typedef struct Vcpu Vcpu;
typedef struct GuestMemfd GuestMemfd;
typedef struct KvmFile KvmFile;
typedef struct RunMapping RunMapping; /* fd.c */

typedef enum KvmFileKind { KVM_FILE_SYSTEM, KVM_FILE_VM, KVM_FILE_VCPU, KVM_FILE_GUEST_MEMFD } KvmFileKind;

struct KvmFile {
    KvmFileKind kind;
    KvmHost *host;
    Vm *vm;             /* VM, vCPU, guest_memfd */
    Vcpu *vcpu;
    GuestMemfd *gmem;
    int read_end;
    dev_t dev;
    ino_t ino;
    bool cloexec;
    bool other_mm;              /* inherited over fork: the VM is another process's */
    _Atomic bool closed;        /* last descriptor is gone */
    _Atomic uint32_t users;     /* calls in progress */
    _Atomic uint32_t mappings;  /* of kvm_run */
    KvmFile *next;
};

struct GuestMemfd {
    Vm *vm;
    uint64_t size;
    _Atomic bool released; /* all descriptors are closed: contents are gone */
    GuestMemfd *next;      /* in Vm.released */
};

/* memslot.c */
typedef struct MemSlot {
    uint32_t id, flags;
    uint64_t gpa, size, hva;
    GuestMemfd *gmem; /* NULL without GUEST_MEMFD */
    uint64_t gmem_offset;
} MemSlot;

/* attributes.c: sorted, disjoint, not touching ranges that are private. */
typedef struct PrivateRange {
    uint64_t start, end;
} PrivateRange;

typedef enum TdState { TD_UNINIT, TD_INIT, TD_RUNNABLE } TdState;

typedef struct IrqRoute {
    uint32_t gsi, type;
    uint64_t address;
    uint32_t data, flags, irqchip, pin;
} IrqRoute;

typedef struct IrqFd {
    int fd;             /* a duplicate of the caller's */
    int number;         /* the caller's descriptor: what deassigning names */
    uint32_t gsi;
    struct IrqFd *next;
} IrqFd;

typedef struct IoEventFd {
    int fd;
    int number;         /* the caller's descriptor: what deassigning names */
    uint64_t address, datamatch;
    uint32_t length, flags;
    struct IoEventFd *next;
} IoEventFd;

typedef struct Sizes {
    uint32_t count, capacity;
} Sizes;

struct Vm {
    KvmHost *host;
    _Atomic uint32_t refs;
    uint32_t type;
    Vm *next;                     /* in the host's list */
    pthread_mutex_t lock;
    _Atomic bool dead;

    /* TD */
    Td *td;
    _Atomic TdState state;
    int keyid;                    /* number of the KeyID it holds, with a cgroup charge; -1: none */
    _Atomic uint32_t gpaw;        /* 0 until INIT_VM */
    uint64_t epoch_ns;            /* zero of the TSC's clock */
    _Atomic bool rbp_told;        /* see Profile.vmcall_rbp_refused */
    _Atomic bool max_vcpus_told;  /* see Profile.max_vcpus_told: said on stderr */

    /* Configuration */
    /* written under `lock`, read without */
    _Atomic uint32_t tsc_khz, bus_ns, ioapic_pins, boot_cpu_id, max_vcpus, max_vcpu_id;
    _Atomic bool split_irqchip, full_irqchip, x2apic_32bit;
    _Atomic uint64_t hypercall_exits, user_msrs;
    _Atomic uint64_t clock_offset;
    struct MsrFilter *msr_filter; /* under `memory` */

    /* vCPUs: entries never change once made; count is published last */
    Vcpu **vcpus;
    _Atomic uint32_t num_vcpus;

    /* Memory */
    pthread_mutex_t slots_lock;
    pthread_rwlock_t memory;
    MemSlot *slots;               /* sorted by gpa */
    Sizes slots_size;
    PrivateRange *privates;
    Sizes privates_size;
    GuestMemfd *released;

    /* Interrupts and buses */
    pthread_mutex_t irq;
    IrqRoute *routes;
    uint32_t num_routes;
    IrqFd *irqfds;
    IoEventFd *ioeventfds;
    _Atomic uint32_t num_ioeventfds;
};

/* What the next KVM_RUN must do before the guest goes on. */
typedef enum Completion {
    COMPLETE_NONE, COMPLETE_IO_IN, COMPLETE_PLAIN, COMPLETE_MMIO_READ, COMPLETE_MAP_GPA, COMPLETE_HYPERCALL,
    COMPLETE_TDX_INFO, COMPLETE_TDX_STATUS, COMPLETE_RDMSR, COMPLETE_WRMSR,
} Completion;

#define EXIT_LOG 16

struct Vcpu {
    Vm *vm;
    uint32_t id, index;
    pthread_mutex_t mutex;
    TdVcpu *tdv;                  /* made with the vCPU (TDH.VP.CREATE comes with INIT_VCPU, which the guest cannot tell) */
    Cpu *cpu;
    bool initialised, mmu_loaded, ran, external_pending;
    _Atomic uint32_t mp_state;
    Lapic lapic;
    struct kvm_run *run;          /* the library's own mapping of the shared pages */

    AbiCpuidEntry *cpuid;
    uint32_t num_cpuid;

    /* Waking and leaving */
    _Atomic uint32_t wake_seq, blocked;
    _Atomic bool posted;          /* an interrupt arrived since the last entry */
    _Atomic bool signalled;       /* a handler ran on the thread that is in KVM_RUN */
    _Atomic bool dump;            /* tell your state on stderr */
    _Atomic uint64_t timer_ns;    /* lapic deadline, UINT64_MAX: none */
    _Atomic uint64_t entries;     /* of td_vp_enter(), and whether it is there now: what the service thread watches */
    _Atomic bool in_guest;
    uint64_t watched_entries, watched_ns; /* service thread's own */
    bool stuck_told;

    /* Signal mask of KVM_SET_SIGNAL_MASK; the thread's own while KVM_RUN replaces it */
    bool mask_set, mask_active;
    uint64_t mask, outer_mask;
    struct { int signo; _Alignas(8) uint8_t info[128]; } deferred[8];
    volatile uint32_t num_deferred;

    /* The exit in progress */
    Completion completion;
    bool halt_masked;
    TdExit exit;
    uint64_t map_next, map_end;

    /* MSRs that KVM keeps: msr.c */
    struct VcpuMsrs *msrs;

    /* For the stop-dump */
    struct { uint32_t reason; uint64_t a, b, c; } log[EXIT_LOG];
    uint32_t log_next;
};

typedef struct FaultRule {
    char name[40];
    uint64_t nth, status;
    int error;
    _Atomic uint64_t seen;
    bool every;
} FaultRule;

#define HOST_MAX_FAULTS 16
#define HOST_FD_CACHE 65536

struct KvmHost {
    const Profile *profile;
    _Atomic bool missing_told;    /* of options.missing, at the first TD */
    KvmHostOptions options;
    pthread_mutex_t reap_lock;    /* who has it takes closed files apart; before `lock` */
    pthread_mutex_t lock;         /* files, vms, counters */
    KvmFile *files, *free_files;
    RunMapping *mappings;
    Vm *vms;
    bool *keyids_held;            /* by number, in this process; keyid_limit() of them */
    char *keyids_where;           /* KvmHostOptions.keyids */
    int keyid_fd;                 /* -1: KeyIDs are this process's alone */
    KvmFile *_Atomic *cache;      /* by descriptor: NULL not looked at, FILE_FOREIGN, or ours */
    /* service.c */
    pthread_t thread;
    bool thread_runs;
    _Atomic bool stop;
    int wake_fd;
    _Atomic uint64_t sleeping_until;
    _Atomic bool dump_requested, quit_requested;
    uint64_t quit_ns;             /* service thread's own */
    /* trace.c, fault.c */
    FILE *trace;
    pthread_mutex_t trace_lock;
    uint64_t trace_start_ns;
    FaultRule faults[HOST_MAX_FAULTS];
    uint32_t num_faults;
    _Atomic uint64_t pages_added, conversions;
    _Atomic uint32_t unknown_told;
    _Atomic bool interpreting_told;
};

#define FILE_FOREIGN ((KvmFile *)1)

/* Kernel personality */
static inline bool host_kernel_at_least(const KvmHost *host, uint32_t major, uint32_t minor)
{
    const Profile *p = host->profile;
    return p->kernel_major > major || (p->kernel_major == major && p->kernel_minor >= minor);
}

/* fd.c */
int file_install(KvmHost *host, KvmFileKind kind, Vm *vm, Vcpu *vcpu, GuestMemfd *gmem, bool cloexec);
KvmFile *file_get(KvmHost *host, int fd); /* NULL: foreign. Release with file_put(). */
void file_put(KvmFile *file);
void file_reap(KvmHost *host);
/* Forgets mappings of kvm_run: of a host that goes, or of the parent in a forked child. */
void file_forget_mappings(KvmHost *host);
/* What the caller left open: the objects go, the descriptors stay the caller's to close. */
void file_release_all(KvmHost *host);

/* user.c: memory of the caller. -EFAULT instead of a signal. */
int user_read(void *to, uint64_t from, size_t n);
int user_write(uint64_t to, const void *from, size_t n);

/* sys.c, caps.c, cpuid.c */
int sys_ioctl(KvmHost *host, unsigned long request, uintptr_t arg);
int caps_check(KvmHost *host, const Vm *vm, unsigned long cap);
int caps_enable(Vm *vm, uintptr_t arg);
uint32_t cpuid_supported(const Profile *profile, AbiCpuidEntry entries[ABI_MAX_CPUID_ENTRIES]);
const AbiCpuidEntry *cpuid_find(const AbiCpuidEntry *entries, uint32_t n, uint32_t leaf, uint32_t subleaf);
/* CPUID as KVM answers it from KVM_SET_CPUID2. */
void cpuid_answer(const Vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* vm.c */
int vm_create(KvmHost *host, unsigned long type);
void vm_get(Vm *vm);
void vm_put(Vm *vm);
int vm_ioctl(KvmHost *host, Vm *vm, unsigned long request, uintptr_t arg);
Vcpu *vm_vcpu_by_id(Vm *vm, uint32_t id);
/* A KVM assertion: every later ioctl answers -EIO. */
void vm_kill(Vm *vm);
void vm_kick_all(Vm *vm);
/* Locks of INIT_* and FINALIZE since 6.19. */
void vm_lock_vcpus(Vm *vm);
void vm_unlock_vcpus(Vm *vm);
uint64_t vm_now_ns(const Vm *vm);

/* memslot.c */
int memslot_set(Vm *vm, const AbiMemoryRegion2 *region, bool v2);
/* Reader side, Vm.memory held or slots_lock held. */
const MemSlot *memslot_find(const Vm *vm, uint64_t gpa);
uint8_t *memslot_shared_page(void *opaque, uint64_t gpa, bool *writable);
void memslot_free(Vm *vm);
/* Takes shared translations of a range out of all vCPUs. */
void memslot_flush_shared(Vm *vm, uint64_t gpa, uint64_t size);

/* attributes.c */
int attributes_set(Vm *vm, const AbiMemoryAttributes *attr);
bool attributes_private(const Vm *vm, uint64_t gpa);

/* guest-memfd.c */
int gmem_create(Vm *vm, uintptr_t arg);
void gmem_release(GuestMemfd *gmem); /* last close */
int gmem_fallocate(GuestMemfd *gmem, int mode, off_t offset, off_t length);

/* keyid.c: KvmHost.lock is held, but for the first two */
bool keyid_init(KvmHost *host);
void keyid_fini(KvmHost *host);
void keyid_after_fork_child(KvmHost *host);
uint32_t keyid_limit(const Profile *profile);
int keyid_take(KvmHost *host); /* its number, -ENOSPC, or -EBUSY: the cgroup's limit */
void keyid_return(KvmHost *host, int keyid);

/* tdx-ops.c */
int tdx_vm_op(Vm *vm, uintptr_t arg);
int tdx_vcpu_op(Vcpu *vcpu, uintptr_t arg);
uint64_t tdx_supported_xfam(const Profile *profile, const TdxSysInfo *info);
/* tdx-ops.c: the guest-PA bits of KVM_SET_CPUID2 must be the GPAW, or the VM dies when its MMU is loaded. 0 or -EIO. */
int tdx_load_mmu(Vcpu *vcpu);
int tdx_pre_fault(Vcpu *vcpu, uintptr_t arg);

/* vcpu.c, run.c */
int vcpu_create(Vm *vm, unsigned long id);
void vcpu_free(Vcpu *vcpu);
int vcpu_ioctl(Vcpu *vcpu, unsigned long request, uintptr_t arg);
intptr_t vcpu_mmap(Vcpu *vcpu, void *addr, size_t length, int prot, int flags, off_t offset);
void vcpu_kick(Vcpu *vcpu);  /* out of the guest, not out of KVM_RUN */
void vcpu_wake(Vcpu *vcpu);
extern const LapicPort vcpu_lapic_port;
int vcpu_run(Vcpu *vcpu);
/* exits: fill kvm_run, answer what KVM_RUN returns; RUN_CONTINUE: back into the guest */
#define RUN_CONTINUE 1
int run_internal_error(Vcpu *vcpu, uint64_t status);
void run_log(Vcpu *vcpu, uint32_t reason, uint64_t a, uint64_t b, uint64_t c);
void run_return(Vcpu *vcpu, uint64_t r10, const uint64_t *r11);

/* tdvmcall.c */
int tdvmcall_handle(Vcpu *vcpu);
int tdvmcall_complete(Vcpu *vcpu); /* RUN_CONTINUE, 0 (another exit) or -errno */

/* ept.c */
int ept_violation(Vcpu *vcpu);
int ept_map_private(Vm *vm, uint64_t gpa); /* 0, -EFAULT, -EIO, -EAGAIN, -ENOENT: not private */

/* msr.c */
int kvm_msr_read(Vcpu *vcpu, uint32_t index, uint64_t *value);  /* 0 or -EINVAL */
int kvm_msr_write(Vcpu *vcpu, uint32_t index, uint64_t value, bool host_initiated);
int kvm_msr_filtered(Vm *vm, uint32_t index, bool write); /* 1: denied */
int kvm_msr_set_filter(Vm *vm, uintptr_t arg);
int kvm_msr_vcpu_ioctl(Vcpu *vcpu, bool set, uintptr_t arg);
int kvm_msr_sys_get(KvmHost *host, uintptr_t arg);
int kvm_msr_index_list(KvmHost *host, bool feature, uintptr_t arg);
struct VcpuMsrs *kvm_msr_new(Vcpu *vcpu);

/* irq.c */
int irq_set_routing(Vm *vm, uintptr_t arg);
int irq_signal_msi(Vm *vm, uintptr_t arg);
int irq_fd(Vm *vm, uintptr_t arg);
int irq_ioeventfd(Vm *vm, uintptr_t arg);
int irq_line(Vm *vm, unsigned long request, uintptr_t arg);
int irq_deliver_msi(Vm *vm, uint64_t address, uint32_t data); /* >0 delivered, -1 no such destination */
void irq_fire(Vm *vm, uint32_t gsi);
bool irq_bus_write(Vm *vm, bool pio, uint64_t address, uint32_t length, uint64_t value);
void irq_free(Vm *vm);

/* service.c */
int service_start(KvmHost *host);
void service_stop(KvmHost *host);
void service_wake(KvmHost *host);
void service_arm(Vcpu *vcpu, uint64_t deadline_ns);

/* trace.c, dump.c, fault.c */
void trace_event(KvmHost *host, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define TRACE(host, ...) do { if (unlikely((host)->trace)) { trace_event((host), __VA_ARGS__); } } while (0)
void trace_observe(Vm *vm);
void trace_report(KvmHost *host);
const char *trace_ioctl_name(unsigned long request);
const char *trace_tdx_name(uint32_t id);
/* Is it the name of an ioctl or a TDX command that those two give? */
bool trace_is_name(const char *name);
void host_message(const KvmHost *host, const char *format, ...) __attribute__((format(printf, 2, 3)));
void dump_vcpu(Vcpu *vcpu, const char *why);
int fault_parse(KvmHost *host, const char *spec, char *error, size_t error_size);
/* Is a fault due for this call? 0: no; -errno: that; *status is set when the rule names a TDX status. */
int fault_due(KvmHost *host, const char *name, uint64_t *status);

#endif
