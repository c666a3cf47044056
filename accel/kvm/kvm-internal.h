/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of accel/kvm share: one type per file descriptor. */
#ifndef ACCEL_KVM_KVM_INTERNAL_H
#define ACCEL_KVM_KVM_INTERNAL_H

#include <pthread.h>

#include "accel/kvm/kvm.h"
#include "standard-headers/linux-kvm-tdx.h"

struct Kvm {
    int fd;
    size_t run_size; /* of a vCPU's shared page, KVM_GET_VCPU_MMAP_SIZE */
};

/* A memory slot. The private half, if it has one, is a guest_memfd of the slot's size. */
typedef struct KvmSlot {
    char *name;
    uint32_t id;
    hwaddr gpa;
    uint64_t size;
    uint8_t *host;
    int memfd;        /* -1: no private half */
    /*
     * per step: its attributes were set on purpose; those of other steps are KVM's default, shared
     */
    uint8_t *settled;
    uint64_t **shared; /* per step: a bit for each page that the guest has shared; NULL = none */
    unsigned num_steps;
} KvmSlot;

struct KvmVm {
    Kvm *kvm;
    int fd;
    /* slots, their attributes, and the discarding that goes with a conversion */
    GMutex slots_lock;
    GPtrArray *slots;   /* of KvmSlot, in order of creation */
    KvmMemoryStats memory_stats;
    GArray *msi_routes; /* kvm-event.c: of irqfds; machine lock */
    bool kernel_irqchip;
    unsigned told;      /* KVM_TOLD_*: of what the user has been warned */
    GPtrArray *vcpus;   /* of KvmVcpu */
};

struct KvmVcpu {
    KvmVm *vm;
    unsigned id;
    int fd;
    struct kvm_run *run;

    KvmRunPorts ports;
    GThread *thread;
    char thread_name[16]; /* as long as Linux has them */
    GMutex lock;        /* all below */
    GCond changed;
    bool has_tid;
    pthread_t tid;
    int host_tid;       /* the same thread for the host's tools: gettid() */
    bool want_pause, want_stop;
    bool idle;          /* outside the run loop's body: it will not touch the guest until resumed */
    bool halted;        /* cannot go on: special() or a failure said so */

    /* Only the vCPU's thread: the last memory fault, and how often it came in a row */
    hwaddr fault_gpa;
    uint64_t fault_flags;
    unsigned fault_count;
    /* how often KVM_RUN returned with each reason; written by the vCPU's thread alone */
    uint64_t exits[KVM_EXIT_TDX + 1];
};

/* kvm-page-state.c: [start, end), inside the slot, is now private or shared. slots_lock held. */
void kvm_slot_note_state(KvmSlot *slot, hwaddr start, hwaddr end, bool to_private,
                         KvmMemoryStats *stats);
void kvm_slot_free_state(KvmSlot *slot);

/* kvm-event.c */
GArray *kvm_routes_new(void);

/* Frees one slot: the memory slot must be gone, or its VM about to be closed. */
void kvm_slot_free(KvmSlot *slot);
void kvm_vcpu_free(KvmVcpu *vcpu);

/*
 * kvm-memory.c: the size of a step in which default (shared) memory becomes private at its first
 * private fault.
 */
#define KVM_PRIVATE_STEP GiB
/*
 * Makes what a memory-fault exit reports right. False: *why (static text) says why that cannot be.
 */
bool kvm_vm_resolve_fault(KvmVm *vm, hwaddr gpa, uint64_t size, bool to_private, const char **why,
                          int *error);

/*
 * kvm-exit.c: one exit after KVM_RUN returned `result`. False: the vCPU stops here, and the ports
 * were told.
 */
bool kvm_vcpu_handle_exit(KvmVcpu *vcpu, int result);

#endif
