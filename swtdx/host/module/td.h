/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a TDX module does, as the SEAMCALLs that KVM uses see it (TDX module specification;
 * reference numbers in the comments are leaf names). Each function answers a completion status
 * (status.h): 0, or class and detail.
 *
 * Layer: above cpu and lapic, below kvm. It owns the TD's private memory, its page states,
 * measurement registers, ATTRIBUTES/XFAM/CPUID, and what happens in the guest at TDCALL, #VE, MSR
 * and CR accesses. It never makes a system call after td_vp_init() but madvise and futex.
 *
 * Threads: td_vp_enter() on the vCPU's thread; page functions from any thread (the Td has its own
 * lock); configuration before td_mr_finalize() under the caller's VM lock.
 */
#ifndef SWTDX_TD_H
#define SWTDX_TD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../cpu/cpu.h"
#include "../lapic/lapic.h"
#include "profile.h"

typedef uint64_t TdxStatus;
typedef struct Td Td;
typedef struct TdVcpu TdVcpu;

/* TD_PARAMS of TDH.MNG.INIT in the module's own form (1.3 of the module reference). */
typedef struct TdParams {
    uint64_t attributes, xfam, eptp_controls, config_flags;
    uint16_t max_vcpus, tsc_frequency; /* 25 MHz units */
    uint8_t mrconfigid[48], mrowner[48], mrownerconfig[48];
    uint32_t cpuid_config[PROFILE_MAX_CPUID_CONFIG][4]; /* order of the module's list */
} TdParams;

#define TD_SHARED_EXIT ((uint8_t *)1)

/* What shared memory is: the VMM's memory slots, through KVM. */
typedef struct TdPort {
    /*
     * Host address of a shared page (gpa without shared bit), or NULL: no slot (the guest gets #VE:
     * MMIO), or TD_SHARED_EXIT: the page is private by attribute, so TDH.VP.ENTER ends with an EPT
     * violation (shared = true). *writable as the slot says.
     */
    uint8_t *(*shared_page)(void *opaque, uint64_t gpa, bool *writable);
    uint64_t (*now_ns)(void *opaque); /* clock of the TSC */
} TdPort;

/* TDH.SYS.RD: what KVM_TDX_CAPABILITIES is made from. */
typedef struct TdxSysInfo {
    uint64_t attributes_fixed0, attributes_fixed1, xfam_fixed0, xfam_fixed1;
    uint32_t num_cpuid_config;
    struct { uint32_t leaf,
             subleaf; bool has_subleaf; uint32_t mask[4]; } cpuid_config[PROFILE_MAX_CPUID_CONFIG];
} TdxSysInfo;
void tdx_sys_info(const Profile *profile, TdxSysInfo *info);

/* TDH.MNG.CREATE .. TDH.MNG.INIT. The profile must outlive the Td. */
Td *td_new(const Profile *profile, const TdPort *port, void *opaque);
TdxStatus td_init(Td *td, const TdParams *params,
                  uint64_t *detail /* extended error RCX, may be NULL */);
/* Before td_init(): no host code is made for the guest. */
void td_interpret(Td *td);
/*
 * Before td_init(): what the guest executes and is told depends on nothing but its input and
 * TdPort.now_ns (cpu_group_determine()).
 */
void td_determine(Td *td);
/* After td_init(): why there is no host code although it was wanted, an errno, or 0. */
int td_host_code_error(const Td *td);
void td_free(Td *td); /* after its vCPUs were freed */

/*
 * TDH.VP.CREATE .. TDH.VP.INIT (version 1: with an x2APIC id). rcx is the value the vCPU starts
 * with in RCX and R8.
 */
TdVcpu *td_vcpu_new(Td *td, Lapic *lapic, void *opaque);
TdxStatus td_vp_init(TdVcpu *vcpu, uint32_t x2apic_id, uint64_t rcx);
void td_vcpu_free(TdVcpu *vcpu);
Cpu *td_vcpu_cpu(TdVcpu *vcpu);
void *td_vcpu_opaque(TdVcpu *vcpu);

/* Private memory: 4 KiB each. gpa without shared bit. */
/* TDH.MEM.PAGE.ADD: measured into MRTD as GPA record; contents copied */
TdxStatus td_page_add(Td *td, uint64_t gpa, const uint8_t *source);
/* TDH.MR.EXTEND of one 256-byte chunk */
TdxStatus td_mr_extend(Td *td, uint64_t gpa);
/* TDH.MEM.PAGE.AUG: FREE -> PENDING; already there is success for KVM's purposes: 0 */
TdxStatus td_page_aug(Td *td, uint64_t gpa);
/* BLOCK, TRACK, REMOVE of every page in the range: contents lost; flushes all vCPUs */
void td_range_remove(Td *td, uint64_t gpa, uint64_t size);
TdxStatus td_mr_finalize(Td *td);

/*
 * TDH.MNG.RD of CPUID_VALUES: what KVM_TDX_GET_CPUID walks. False: no such leaf/sub-leaf in the
 * module's table.
 */
bool td_cpuid_value(Td *td, uint32_t leaf, uint32_t subleaf, bool has_subleaf, uint32_t out[4]);
/* True when a leaf has sub-leaves in the module's table. */
bool td_cpuid_has_subleaves(Td *td, uint32_t leaf);
void td_mrtd(const Td *td, uint8_t mrtd[48]);
void td_rtmr(const Td *td, unsigned index, uint8_t rtmr[48]);
unsigned td_gpaw(const Td *td); /* 48 or 52 */

/* Why TDH.VP.ENTER came back. */
typedef enum TdExitKind {
    /*
     * TDG.VP.VMCALL: registers in `regs`, selected by `mask`; answer with td_vmcall_return() before
     * the next enter
     */
    TD_EXIT_VMCALL,
    TD_EXIT_EPT_VIOLATION,  /* private or shared access that KVM must resolve */
    TD_EXIT_INTERRUPTED,    /* kicked: external event */
    TD_EXIT_TRIPLE_FAULT,   /* status NON_RECOVERABLE_VCPU | 2 */
    TD_EXIT_PENDING_ACCESS, /* unaccepted page with SEPT_VE_DISABLE: KVM kills the VM */
    TD_EXIT_UNSUPPORTED,    /* the software core can't go on; cpu->unsupported says why */
    TD_EXIT_NON_RECOVERABLE,/* TD dead: status */
} TdExitKind;

typedef struct TdExit {
    TdExitKind kind;
    TdxStatus status;       /* RAX of TDH.VP.ENTER */
    uint64_t gpa;           /* EPT violation: shared bit removed */
    bool shared, write, fetch;
    uint8_t level;          /* EPT violation of TDG.MEM.PAGE.ACCEPT: 1 asks for a 2 MiB page */
    uint64_t mask;          /* RCX of the guest at TDG.VP.VMCALL */
    uint64_t regs[16];      /* x86 order; unselected ones are 0 */
} TdExit;

/* Runs the vCPU until an exit. The TD must be RUNNABLE and the vCPU initialised (else a status). */
TdxStatus td_vp_enter(TdVcpu *vcpu, TdExit *exit);
/*
 * The registers that the VMM gives back for the VMCALL exit; only those in its mask reach the
 * guest.
 */
void td_vmcall_return(TdVcpu *vcpu, const uint64_t regs[16]);

/*
 * The guest selected RBP in a TDG.VP.VMCALL that passed only because of Profile.vmcall_rbp_refused
 * = 0: on a real host it would not run. Any thread.
 */
bool td_rbp_bit_seen(const Td *td);

/*
 * The guest asked for MAX_VCPUS and was told NUM_VCPUS, another number, because of
 * Profile.max_vcpus_told = 0: edk2 before stable202408 would wait for vCPUs that do not exist. Any
 * thread.
 */
bool td_max_vcpus_hidden(const Td *td);

typedef enum TdPageChange { TD_PAGE_ADDED, TD_PAGE_AUGMENTED, TD_PAGE_ACCEPTED,
                            TD_PAGE_REMOVED } TdPageChange;

/*
 * What --trace and `swtdx measure` see of a TD: TDCALLs, #VE, page state changes, extends of
 * measurement registers. Any member may be NULL. Called on the thread that does it; set before
 * td_init().
 */
typedef struct TdObserver {
    void (*tdcall)(void *opaque, TdVcpu *vcpu, uint64_t leaf, const uint64_t in[16],
                   uint64_t status);
    void (*ve)(void *opaque, TdVcpu *vcpu, uint32_t exit_reason, uint64_t qualification,
               uint64_t gpa);
    /* One page; a removal: the range that was asked for. */
    void (*page)(void *opaque, uint64_t gpa, uint64_t size, TdPageChange change);
    void (*mr_extend)(void *opaque, uint64_t gpa); /* 256 bytes into MRTD */
    /*
     * TDG.MR.RTMR.EXTEND, before: false lets the vCPU leave with TD_EXIT_INTERRUPTED, the call made
     * again at its next entry.
     */
    bool (*may_extend)(void *opaque, TdVcpu *vcpu);
    void (*extended)(void *opaque, TdVcpu *vcpu, unsigned index, const uint8_t data[48],
                     const uint8_t rtmr[48]);
} TdObserver;
void td_observe(Td *td, const TdObserver *observer, void *opaque);
/* Page state for dumps: name such as "FREE", "PENDING", "MAPPED". */
const char *td_page_state_name(Td *td, uint64_t gpa);
/*
 * One vCPU's registers, mode, last TDCALLs and the page state at its RIP and CR2, as text into buf
 * (stop-dump). Only while the vCPU does not run.
 */
size_t td_vcpu_describe(TdVcpu *vcpu, char *buf, size_t size);

#endif
