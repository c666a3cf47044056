/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to swtdx/host/module: the TD and its vCPUs, and what the files of the module ask of each
 * other.
 *
 * version.c what differs between modules, td.c life cycle, td-params.c checks of TD_PARAMS, cpuid.c
 * (values), cpuid-execute.c (the instruction), paravirt.c, msr-table.c (actions), msr.c (values),
 * cr.c, sept.c page states, measure.c, report.c, vcpu.c entering, world.c the processor's
 * callbacks, ve.c, tdcall*.c guest calls, metadata.c fields, describe.c dumps.
 *
 * Locks: Td.lock covers the life cycle, vCPU list, measurement registers and TD_CTLS. It is never
 * held across cpu_raise() or cpu_leave(). Page states are atomic bytes (sept.h).
 */
#ifndef SWTDX_MODULE_H
#define SWTDX_MODULE_H

#include <pthread.h>
#include <stdatomic.h>

#include "../cpu/cpu.h"
#include "cpuid-table.h"
#include "sept.h"
#include "sha.h"
#include "status.h"
#include "td.h"
#include "version.h"

/* TD ATTRIBUTES, XFAM, CONFIG_FLAGS, TD_CTLS bits that the code names. */
#define TD_ATTR_DEBUG (UINT64_C(1) << 0)
#define TD_ATTR_PMT_PROF (UINT64_C(1) << 6)
#define TD_ATTR_ICSSD (UINT64_C(1) << 16)
#define TD_ATTR_LASS (UINT64_C(1) << 27)
#define TD_ATTR_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define TD_ATTR_MIGRATABLE (UINT64_C(1) << 29)
#define TD_ATTR_PKS (UINT64_C(1) << 30)
#define TD_ATTR_TPA (UINT64_C(1) << 62)
#define TD_ATTR_PERFMON (UINT64_C(1) << 63)

#define XFAM_X87_SSE UINT64_C(0x3)
#define XFAM_AVX UINT64_C(0x4)
#define XFAM_AVX512 UINT64_C(0xe0)
#define XFAM_PT (UINT64_C(1) << 8)
#define XFAM_PKRU (UINT64_C(1) << 9)
#define XFAM_CET UINT64_C(0x1800)
#define XFAM_UINTR (UINT64_C(1) << 14)
#define XFAM_LBR (UINT64_C(1) << 15)
#define XFAM_AMX UINT64_C(0x60000)
#define XFAM_USER UINT64_C(0x602e7)      /* the part that stands in XCR0 */
#define XFAM_SUPERVISOR UINT64_C(0xd900) /* the part that stands in IA32_XSS */

#define TD_FLAG_GPAW (UINT64_C(1) << 0)
#define TD_FLAG_FLEXIBLE_PENDING_VE (UINT64_C(1) << 1)
#define TD_FLAG_NO_RBP_MOD (UINT64_C(1) << 2)
#define TD_FLAG_MAXPA_VIRT (UINT64_C(1) << 3)
#define TD_FLAG_MAXGPA_VIRT (UINT64_C(1) << 4)

#define TD_CTLS_PENDING_VE_DISABLE (UINT64_C(1) << 0)
#define TD_CTLS_ENUM_TOPOLOGY (UINT64_C(1) << 1)
#define TD_CTLS_VIRT_CPUID2 (UINT64_C(1) << 2)
#define TD_CTLS_REDUCE_VE (UINT64_C(1) << 3)
#define TD_CTLS_LOCK (UINT64_C(1) << 63)

typedef enum TdOpState { TD_OP_UNINITIALIZED = 0, TD_OP_INITIALIZED = 1,
                         TD_OP_RUNNABLE = 2 } TdOpState;

#define TD_MAX_CPUID_ROWS 128
#define TD_RECENT_CALLS 16
#define TD_VMS 4 /* the TD itself and three L2 VMs */
#define TD_CPUID_CONTROLS 128

typedef struct TdRecentCall {
    uint64_t leaf, rip, status, r11;
} TdRecentCall;

struct TdVcpu {
    Td *td;
    Cpu *cpu;
    Lapic *lapic;
    void *opaque;
    uint32_t index;        /* order of TDH.VP.INIT */
    uint32_t x2apic_id;
    bool initialised;
    bool dead;             /* triple fault */

    bool ve_valid;         /* #VE information not read yet */
    bool ve_blocks_nmi;    /* we set cpu->nmi_blocked for it */
    uint32_t ve_reason, ve_length, ve_info;
    uint64_t ve_qualification, ve_gla, ve_gpa;

    bool vmcall_pending;   /* a VMCALL waits for td_vmcall_return() */
    uint64_t vmcall_mask;
    TdExit exit;           /* filled by a callback before it leaves */
    uint8_t accept_level;  /* of the ACCEPT that is leaving; 0 for every other access */

    uint8_t cpuid_ve;      /* TDG.VP.CPUIDVE.SET: bit 0 supervisor, bit 1 user */
    uint8_t
        cpuid_control[TD_CPUID_CONTROLS]; /* the same of single leaves: module_cpuid_control() */
    uint64_t l2_ctls[TD_VMS], l2_deadline[TD_VMS]; /* kept for the guest: there are no L2 VMs */
    uint64_t ds_area, uarch_misc_ctl, umwait_control, tsx_ctrl;
    uint64_t misc_enable, msr_34; /* copies that a module which reduces #VE keeps */
    bool running;          /* own thread, for td_vcpu_describe() */

    TdRecentCall recent[TD_RECENT_CALLS];
    uint64_t num_calls;
    uint64_t num_ve;
};

struct Td {
    const Profile *profile;
    TdPort port;
    void *opaque;
    const ModuleVersion *version;
    const CpuidTable *table; /* of the version */
    pthread_mutex_t lock;
    _Atomic int op_state;
    _Atomic bool fatal;

    TdParams params;
    unsigned gpaw;           /* 48 or 52 */
    uint64_t shared_bit;
    uint64_t tsc_start_ns;
    uint8_t uuid[32];        /* TD_UUID: random */
    uint32_t cpuid[TD_MAX_CPUID_ROWS][4]; /* by row of the table */
    _Atomic uint64_t td_ctls;
    _Atomic uint64_t paravirt_ctls; /* FEATURE_PARAVIRT_CTLS */
    uint64_t notify_enables;
    bool topology_configured;
    _Atomic bool rbp_bit_seen, max_vcpus_hidden;

    CpuGroup *group;
    bool interpret;          /* td_interpret() */
    bool deterministic;      /* td_determine() */
    TdVcpu **vcpus;          /* params.max_vcpus of them */
    uint32_t num_vcpus;      /* initialised */

    Sept sept;
    Sha384 mrtd_hash;
    uint8_t mrtd[48];
    uint8_t rtmr[4][48];

    const TdObserver *observer;
    void *observer_opaque;
};

static inline TdVcpu *vcpu_of(const Cpu *cpu)
{
    return cpu->world_data;
}

/* Tells the observer, if there is one that wants to know. */
static inline void observe_page(const Td *td, uint64_t gpa, uint64_t size, TdPageChange change)
{
    if (td->observer && td->observer->page) {
        td->observer->page(td->observer_opaque, gpa, size, change);
    }
}

/* td-params.c: pure. Each answers 0 or OPERAND_INVALID with its operand. */
uint64_t module_attributes_fixed0(const Profile *profile);
uint64_t module_xfam_fixed0(const Profile *profile);
uint64_t module_config_flags_fixed0(const Profile *profile);
TdxStatus td_params_check(const Profile *profile, const TdParams *params);
/* the pair rules; also for XSETBV with x87 forced */
bool xfam_valid(uint64_t xfam, uint64_t allowed);

/* cpuid.c */
/* NULL: the profile's module version has no table. */
const CpuidTable *module_cpuid_table(const Profile *profile);
int module_cpuid_find(const CpuidTable *table, uint32_t leaf, uint32_t subleaf); /* row or -1 */
/*
 * The platform check of TDH.SYS.INIT: false names the leaf whose required bits the profile's
 * processor lacks.
 */
bool module_cpuid_platform_ok(const Profile *profile, uint32_t *leaf, uint32_t *subleaf);
/* The values of TDH.MNG.INIT, by row. detail: leaf in 31:0 and sub-leaf in 63:32 on operand 69. */
TdxStatus module_cpuid_configure(const Profile *profile, const TdParams *params,
                                 uint32_t values[][4], uint64_t *detail);
/* What the instruction gives; false: #VE. Inputs besides the Td are the vCPU's. */
bool module_cpuid_execute(const TdVcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
bool module_cpuid_feature(const Td *td, unsigned feature);
/* Index into TdVcpu.cpuid_control of a row of the table. */
unsigned module_cpuid_control(const CpuidTable *table, unsigned row);
uint32_t module_cpuid_xsave_size(const Profile *profile, uint64_t components, bool compacted);

/* measure.c: callers hold Td.lock */
void measure_init(Td *td);
void measure_page_add(Td *td, uint64_t gpa);
void measure_extend(Td *td, uint64_t gpa, const uint8_t chunk[256]);
void measure_finalize(Td *td);
void measure_rtmr_extend(Td *td, unsigned index, const uint8_t data[48]);

/* report.c */
#define TDREPORT_SIZE 1024
#define REPORTMACSTRUCT_SIZE 256
void report_make(const Td *td, const uint8_t reportdata[64], uint8_t report[TDREPORT_SIZE]);
TdxStatus report_verify(const Profile *profile, const uint8_t mac_struct[REPORTMACSTRUCT_SIZE]);

/* world.c */
extern const CpuWorld td_world;
/*
 * The host page of a GPA, by the rules of a guest access: returns it, or raises #VE or leaves. For
 * TDCALLs that take a GPA: `linear` is not valid there.
 */
void world_resolve(TdVcpu *vcpu, uint64_t gpa, uint64_t linear, bool linear_valid, CpuAccess access,
                   CpuHostPage *page);
/*
 * Leaves TDH.VP.ENTER with an EPT violation; the guest's instruction runs again. gpa includes the
 * shared bit.
 */
_Noreturn void world_ept_violation(TdVcpu *vcpu, uint64_t gpa, CpuAccess access, TdExitKind kind);
uint64_t td_guest_tsc(const Td *td);

/* ve.c */
_Noreturn void ve_inject(TdVcpu *vcpu, uint32_t reason, uint64_t qualification, uint64_t gla,
                         uint64_t gpa);
_Noreturn void ve_instruction(Cpu *cpu, uint32_t reason); /* qualification 0 */
/*
 * After a write to a register of the APIC, told by its offset in the APIC's page: such exits are
 * like traps, RIP stands behind the instruction (SDM vol. 3, 30.4.3.3).
 */
_Noreturn void ve_apic_write(TdVcpu *vcpu, uint32_t offset);
void ve_release(TdVcpu *vcpu);

/* msr-table.c */
typedef enum MsrAction { MSR_NATIVE, MSR_EMULATED, MSR_VE, MSR_GP } MsrAction;
MsrAction msr_action(const TdVcpu *vcpu, uint32_t index, bool write);

/* msr.c */
#define MSR_PERF_CAPABILITIES 0x345u
#define MSR_X2APIC_APICID 0x802u
#define MSR_MISC_ENABLE_START \
    UINT64_C(0x1809) /* fast strings, thermal monitor, BTS and PEBS unavailable, no PERFMON */
bool module_msr_native(Cpu *cpu, uint32_t index, bool write);
uint64_t module_rdmsr(Cpu *cpu, uint32_t index);
void module_wrmsr(Cpu *cpu, uint32_t index, uint64_t value);

/* cr.c */
/* CR_MCE_ONLY: of this write, only CR4.MCE is taken. */
typedef enum CrVerdict { CR_ALLOW, CR_GP, CR_VE, CR_MCE_ONLY } CrVerdict;
CrVerdict cr0_verdict(const Td *td, uint64_t old_cr0, uint64_t cr4, uint64_t value);
CrVerdict cr4_verdict(const Td *td, uint64_t old_cr4, uint64_t cr0, uint64_t value);
bool xcr0_valid(const Td *td, uint64_t value);

/* tdcall.c */
void tdcall_execute(Cpu *cpu);
/*
 * tdcall-vm.c, tdcall-memory.c, tdcall-report.c: read and write the vCPU's registers, return RAX.
 */
uint64_t tdcall_vp_info(TdVcpu *vcpu);
uint64_t tdcall_veinfo_get(TdVcpu *vcpu);
uint64_t tdcall_cpuidve_set(TdVcpu *vcpu);
uint64_t tdcall_page_accept(TdVcpu *vcpu);
uint64_t tdcall_page_attr_rd(TdVcpu *vcpu);
uint64_t tdcall_page_attr_wr(TdVcpu *vcpu);
uint64_t tdcall_vp_enter(TdVcpu *vcpu);
uint64_t tdcall_vp_invept(TdVcpu *vcpu);
uint64_t tdcall_servtd(TdVcpu *vcpu, bool write);
uint64_t tdcall_rtmr_extend(TdVcpu *vcpu);
uint64_t tdcall_report(TdVcpu *vcpu);
uint64_t tdcall_verify_report(TdVcpu *vcpu);
uint64_t tdcall_vm_rd(TdVcpu *vcpu, unsigned version);
uint64_t tdcall_vm_wr(TdVcpu *vcpu);
uint64_t tdcall_vp_rd(TdVcpu *vcpu);
uint64_t tdcall_vp_wr(TdVcpu *vcpu);
uint64_t tdcall_sys_rd(TdVcpu *vcpu);
uint64_t tdcall_sys_rdall(TdVcpu *vcpu);

#endif
