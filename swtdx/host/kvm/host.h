/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects of the KVM surface, private to swtdx/host/kvm.
 *
 * A KvmFile is an open file description (/dev/kvm, VM, vCPU, guest_memfd); it holds its object. A
 * Vm is held by its own file, its vCPUs, its guest_memfds; the TD and its KeyID go with the last of
 * them, as in the kernel.
 *
 * Lock order: Vm.lock (configuration), every Vcpu.mutex, Vm.slots_lock (changes of slots and
 * attributes), Vm.memory (reader-writer: the view that running vCPUs read), Vm.irq. Never wait for
 * running vCPUs (cpu_group_flush(), td_range_remove()) with Vm.memory or Vm.irq held: they may be
 * waiting for it.
 */
#ifndef SWTDX_KVM_HOST_H
#define SWTDX_KVM_HOST_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../lapic/lapic.h"
#include "../module/event-log.h"
#include "../module/td.h"
#include "abi.h"
#include "kvm.h"
#include "record.h"

typedef struct Vm Vm;
typedef struct Vcpu Vcpu;
typedef struct GuestMemfd GuestMemfd;
typedef struct KvmFile KvmFile;
typedef struct RunMapping RunMapping; /* fd.c */

typedef enum KvmFileKind { KVM_FILE_SYSTEM, KVM_FILE_VM, KVM_FILE_VCPU,
                           KVM_FILE_GUEST_MEMFD } KvmFileKind;

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
    /* Of one with GUEST_MEMFD_FLAG_MMAP; else -1 and NULL. */
    int backing;           /* what the program maps: empty unless its pages start as shared ones */
    uint8_t *shared;       /* the guests' shared side of it, instead of the slot's hva */
    _Atomic bool released; /* all descriptors are closed: contents are gone */
    GuestMemfd *next;      /* in Vm.released */
};

/* memslot.c */
typedef struct MemSlot {
    uint32_t id, flags;
    uint64_t gpa, size, hva;
    GuestMemfd *gmem; /* NULL without GUEST_MEMFD */
    uint64_t gmem_offset;
    bool holes;             /* not all of [hva, hva + size) was mapped when the slot was made */
    _Atomic uint64_t *seen; /* then: a bit for each page that was found to be there; may be NULL */
} MemSlot;

/* attributes.c: sorted, disjoint, not touching ranges that are private. */
typedef struct PrivateRange {
    uint64_t start, end;
} PrivateRange;

/* turn.c: whose turn it is among the vCPUs of a deterministic VM. */
typedef struct Turns {
    pthread_mutex_t lock;
    _Atomic uint32_t seq; /* futex: counts what may let somebody go on */
    Vcpu *holder;         /* NULL: every vCPU is halted */
    uint32_t last;        /* index of the last holder */
} Turns;

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

    Turns turns;

    /* TD: set by INIT_VM that succeeds, under `slots_lock` too */
    Td *td;
    _Atomic TdState state;
    int keyid;                    /* number of the KeyID it holds, with a cgroup charge; -1: none */
    _Atomic uint32_t gpaw;        /* 0 until INIT_VM */
    uint64_t watched_entries, watched_ns; /* service thread's own */
    bool stuck_told;
    uint64_t epoch_ns;            /* zero of the TSC's clock */
    _Atomic bool rbp_told;        /* see Profile.vmcall_rbp_refused */
    _Atomic bool max_vcpus_told;  /* see Profile.max_vcpus_told: said on stderr */

    /* Configuration */
    /* written under `lock`, read without */
    _Atomic uint32_t tsc_khz, bus_ns, ioapic_pins, boot_cpu_id, max_vcpus, max_vcpu_id;
    _Atomic bool split_irqchip, full_irqchip, x2apic_32bit, exception_payload, triple_fault_events;
    _Atomic uint64_t hypercall_exits, user_msrs;
    _Atomic uint64_t clock_offset;
    struct MsrFilter *_Atomic msr_filter; /* what it points to: under `memory` */

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
    COMPLETE_NONE, COMPLETE_IO_IN, COMPLETE_PLAIN, COMPLETE_MMIO_READ, COMPLETE_MAP_GPA,
    COMPLETE_HYPERCALL, COMPLETE_TDX_INFO, COMPLETE_TDX_STATUS, COMPLETE_RDMSR, COMPLETE_WRMSR,
} Completion;

#define EXIT_LOG 16

struct Vcpu {
    Vm *vm;
    uint32_t id, index;
    pthread_mutex_t mutex;
    /* made with the vCPU (TDH.VP.CREATE comes with INIT_VCPU, which the guest cannot tell) */
    TdVcpu *tdv;
    Cpu *cpu;
    bool initialised, mmu_loaded, ran, external_pending;
    bool shutdown;                /* the next KVM_RUN ends in KVM_EXIT_SHUTDOWN */
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
    /* of td_vp_enter(), and whether it is there now: what the service thread watches */
    _Atomic uint64_t entries;
    _Atomic bool in_guest;

    /* turn.c; own thread's, but for `turn_instructions`, which is the turn holder's */
    bool turn_held;
    uint64_t turn_instructions;   /* up to which the clock has counted */
    uint64_t slice_end;           /* instructions when others get their turn */

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
    /* guest-state.c: AMX's tiles may be guests'; a vCPU was made, which settles that */
    _Atomic bool tiles_permitted, guest_state_locked;
    /* service.c */
    pthread_t thread;
    bool thread_runs;
    _Atomic bool stop;
    int wake_fd;
    _Atomic uint64_t sleeping_until;
    /* watch.c */
    _Atomic bool dump_requested, quit_requested, quit_passes;
    const char *_Atomic dump_why; /* NULL: asked for by a signal */
    uint64_t dump_until;          /* service thread's own: vCPUs are being waited for */
    pthread_mutex_t dump_lock;    /* one dump at a time on stderr */
    /* trace.c, fault.c */
    FILE *trace;
    bool trace_json;
    pthread_mutex_t trace_lock;
    uint64_t trace_start_ns;
    _Atomic uint64_t clock_ns;    /* of a deterministic host */
    FaultRule faults[HOST_MAX_FAULTS];
    uint32_t num_faults;
    _Atomic uint64_t pages_added, conversions;
    _Atomic uint32_t unknown_told;
    _Atomic bool interpreting_told;
    /* record.c: NULL but under `swtdx measure` */
    Record *record;
    pthread_mutex_t record_lock;  /* inside every other lock */
    Vm *_Atomic record_vm;        /* whose TD is recorded */
    _Atomic bool record_stopped;  /* vCPUs stand still */
    /* what is waited for was extended; its entry in the log may still come */
    _Atomic bool record_met;
    _Atomic int record_patience;  /* exits until the log is given up to be written */
    EventLogPlace record_log;
};

#define FILE_FOREIGN ((KvmFile *)1)

/* Kernel personality */
static inline bool host_kernel_at_least(const KvmHost *host, uint32_t major, uint32_t minor)
{
    const Profile *p = host->profile;
    return p->kernel_major > major || (p->kernel_major == major && p->kernel_minor >= minor);
}

/* fd.c */
int file_install(KvmHost *host, KvmFileKind kind, Vm *vm, Vcpu *vcpu, GuestMemfd *gmem,
                 bool cloexec);
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
bool user_readable(uint64_t address);

/* sys.c, caps.c, cpuid.c */
int sys_ioctl(KvmHost *host, unsigned long request, uintptr_t arg);
int caps_check(KvmHost *host, const Vm *vm, unsigned long cap);
int caps_enable(Vm *vm, uintptr_t arg);
/* tiles: AMX's state is the guests' (guest-state.c) */
uint32_t cpuid_supported(const Profile *profile, bool tiles,
                         AbiCpuidEntry entries[ABI_MAX_CPUID_ENTRIES]);
const AbiCpuidEntry *cpuid_find(const AbiCpuidEntry *entries, uint32_t n, uint32_t leaf,
                                uint32_t subleaf);
/* MAXPHYADDR of KVM_SET_CPUID2. */
uint32_t cpuid_phys_bits(const Vcpu *vcpu);
/* CPUID as KVM answers it from KVM_SET_CPUID2. */
void cpuid_answer(const Vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* guest-state.c */
void guest_state_lock(KvmHost *host); /* a vCPU was made: no more permissions */
/* May a vCPU have this CPUID: 0 or -EPERM */
int guest_state_check(const KvmHost *host, const AbiCpuidEntry *entries, uint32_t n);

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
/* Reader side: has the slot's page memory behind it? */
bool memslot_has_memory(const MemSlot *slot, uint64_t gpa);
void memslot_free(Vm *vm);
/* Takes shared translations of a range out of all vCPUs. */
void memslot_flush_shared(Vm *vm, uint64_t gpa, uint64_t size);

/* attributes.c */
int attributes_set(Vm *vm, const AbiMemoryAttributes *attr);
bool attributes_private(const Vm *vm, uint64_t gpa);

/* guest-memfd.c */
int gmem_create(Vm *vm, uintptr_t arg);
void gmem_release(GuestMemfd *gmem); /* last close */
void gmem_free(GuestMemfd *gmem);    /* with its VM */
intptr_t gmem_mmap(GuestMemfd *gmem, void *addr, size_t length, int prot, int flags, off_t offset);
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
/*
 * tdx-ops.c: the guest-PA bits of KVM_SET_CPUID2 must be the GPAW, or the VM dies when its MMU is
 * loaded. 0 or -EIO.
 */
int tdx_load_mmu(Vcpu *vcpu);
int tdx_pre_fault(Vcpu *vcpu, uintptr_t arg);

/* vcpu.c, vcpu-ioctl.c, run.c */
int vcpu_create(Vm *vm, unsigned long id);
void vcpu_free(Vcpu *vcpu);
int vcpu_ioctl(Vcpu *vcpu, unsigned long request, uintptr_t arg);
intptr_t vcpu_mmap(Vcpu *vcpu, void *addr, size_t length, int prot, int flags, off_t offset);
void vcpu_kick(Vcpu *vcpu);  /* out of the guest, not out of KVM_RUN */
void vcpu_wake(Vcpu *vcpu);
extern const LapicPort vcpu_lapic_port;
int vcpu_run(Vcpu *vcpu);
/* The vCPU whose KVM_RUN this thread is in, or NULL. */
Vcpu *run_current(void);
/* Is this thread in a signal's handler (kvm_handler_enter())? */
bool run_in_handler(void);
/* Could a halted vCPU go on? Any thread. */
bool run_halt_over(Vcpu *vcpu);
/* Something else than the guest wants the vCPU's thread. */
bool run_must_leave(Vcpu *vcpu);
/* exits: fill kvm_run, answer what KVM_RUN returns; RUN_CONTINUE: back into the guest */
#define RUN_CONTINUE 1
void run_log(Vcpu *vcpu, uint32_t reason, uint64_t a, uint64_t b, uint64_t c);
void run_return(Vcpu *vcpu, uint64_t r10, const uint64_t *r11);

/*
 * turn.c: one vCPU of a deterministic VM executes at a time, and the clock is made of what it
 * executes. All are called for such VMs only.
 */
void turn_init(Vm *vm);
void turn_fini(Vm *vm);
/*
 * On the vCPU's thread before it enters the guest: waits for its turn. False: something else wants
 * the thread.
 */
bool turn_take(Vcpu *vcpu);
/*
 * The same thread, after it left the guest. interrupted: it is not at an exit of the guest's own.
 */
void turn_ran(Vcpu *vcpu, bool interrupted);
void turn_arm(Vcpu *vcpu, uint64_t deadline_ns); /* as service_arm() */
void turn_wake(Vm *vm);                          /* any thread, signal handlers too */

/* tdvmcall.c */
int tdvmcall_handle(Vcpu *vcpu);
int tdvmcall_complete(Vcpu *vcpu); /* RUN_CONTINUE, 0 (another exit) or -errno */

/* ept.c */
int ept_violation(Vcpu *vcpu);
int ept_map_private(Vm *vm, uint64_t gpa); /* 0, -EFAULT, -EIO, -EAGAIN, -ENOENT: not private */

/* msr.c */
/* 0 or -EINVAL */
int kvm_msr_read(Vcpu *vcpu, uint32_t index, uint64_t *value, bool host_initiated);
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
int irq_fire(Vm *vm, uint32_t gsi); /* to how many vCPUs, -1: to none */
bool irq_bus_write(Vm *vm, bool pio, uint64_t address, uint32_t length, uint64_t value);
void irq_free(Vm *vm);

/* service.c */
int service_start(KvmHost *host);
void service_stop(KvmHost *host);
void service_wake(KvmHost *host);
void service_arm(Vcpu *vcpu, uint64_t deadline_ns);

/*
 * record.c: `swtdx measure`. Each does nothing unless there is a record and, of a VM, unless its TD
 * is the recorded one.
 */
int record_attach(KvmHost *host, const char *where, char *error, size_t error_size);
void record_detach(KvmHost *host);
void record_td(Vm *vm, const TdParams *params); /* initialised: this TD is recorded from now on */
void record_page_added(Vm *vm, uint64_t gpa);
void record_page_measured(Vm *vm, uint64_t gpa);
void record_finalized(Vm *vm);
bool record_may_extend(Vm *vm);                 /* false: the TD is to stop before */
void record_extended(Vm *vm, unsigned index, const uint8_t data[48]);
void record_exit(Vm *vm);                       /* a vCPU left the guest */
bool record_stopped(KvmHost *host);             /* vCPUs must not enter the guest any more */
void record_memory_goes(Vm *vm);                /* before private memory is dropped for good */
/* the launcher may have asked to stop; host->lock is held */
void record_serve(KvmHost *host);
bool record_waits(const KvmHost *host);         /* record_serve() wants to be called soon */
/* before its TD is freed, and when the program ends */
void record_vm_gone(Vm *vm);

/* observe.c: what a TD tells goes to the trace and to the record */
void observe_td(Vm *vm, Td *td);

/* watch.c: service thread */
void watch_vm(Vm *vm, uint64_t now); /* under host->lock */
void watch_serve(KvmHost *host);
bool watch_waits(KvmHost *host);     /* it wants to be called soon */

/* trace.c, dump.c, fault.c */
typedef enum TraceKind { TRACE_UNSIGNED, TRACE_SIGNED, TRACE_HEX, TRACE_TEXT,
                         TRACE_BYTES } TraceKind;

/*
 * A member of an event. In a line of text, members are "name=value", but "name" is its value alone,
 * and "result" is "-> value".
 */
typedef struct TraceField {
    const char *name;
    TraceKind kind;
    uint64_t number;  /* of bytes: how many */
    const void *data; /* text (NULL: the member is left out), bytes */
} TraceField;

#define T_U(name, v) { name, TRACE_UNSIGNED, (uint64_t)(v), NULL }
#define T_D(name, v) { name, TRACE_SIGNED, (uint64_t)(int64_t)(v), NULL }
#define T_X(name, v) { name, TRACE_HEX, (uint64_t)(v), NULL }
#define T_S(name, v) { name, TRACE_TEXT, 0, v }
#define T_B(name, p, n) { name, TRACE_BYTES, n, p }

/*
 * Opens the file of --trace: JSON if asked for or if its name ends in .json. False with a message.
 */
bool trace_open(KvmHost *host, char *error, size_t error_size);
/* One line. `event` and names are identifiers. */
void trace_event(KvmHost *host, const char *event, const TraceField *fields, size_t n);
#define TRACE(host, event, ...) \
    do { \
        if (unlikely((host)->trace)) { \
            const TraceField fields_[] = { __VA_ARGS__ }; \
            trace_event((host), (event), fields_, sizeof(fields_) / sizeof(*fields_)); \
        } \
    } while (0)
/* trace-guest.c: what the guest asks for and gets, decoded. Each does nothing without --trace. */
void trace_ioctl(KvmHost *host, int fd, uint32_t request, uintptr_t arg, int r);
void trace_tdvmcall(const Vcpu *vcpu);
void trace_vmcall_return(const Vcpu *vcpu);
void trace_run(const Vcpu *vcpu, int r);
void trace_page(const Vm *vm, uint64_t gpa, uint64_t size, TdPageChange change);
void trace_mr_extend(const Vm *vm, uint64_t gpa);
void trace_rtmr_extend(const Vcpu *vcpu, unsigned index, const uint8_t data[48],
                       const uint8_t rtmr[48]);
void trace_tdcall(const Vcpu *vcpu, uint64_t leaf, const uint64_t in[16], uint64_t status);
void trace_ve(const Vcpu *vcpu, uint32_t reason, uint64_t qualification, uint64_t gpa);
void trace_report(KvmHost *host);
const char *trace_ioctl_name(unsigned long request);
const char *trace_tdx_name(uint32_t id);
/* Is it the name of an ioctl or a TDX command that those two give? */
bool trace_is_name(const char *name);
void host_message(const KvmHost *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void dump_vcpu(Vcpu *vcpu, const char *why);
int fault_parse(KvmHost *host, const char *spec, char *error, size_t error_size);
/*
 * Is a fault due for this call? 0: no; -errno: that; *status is set when the rule names a TDX
 * status.
 */
int fault_due(KvmHost *host, const char *name, uint64_t *status);

#endif
