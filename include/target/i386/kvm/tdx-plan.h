/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything about a TD's launch, decided before anything is launched: the same value is printed,
 * predicted and executed. Pure: no ioctl, no file, no global. tdx-launch.c carries a plan out;
 * tdx-plan-print.c shows it.
 */
#ifndef TDX_PLAN_H
#define TDX_PLAN_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/i386/e820.h"
#include "hw/i386/tdvf.h"
#include "target/i386/cpu-model.h"
#include "target/i386/cpuid.h"
#include "target/i386/topology.h"
#include "target/i386/kvm/tdx-guest.h"
#include "target/i386/kvm/tdx-measure.h"
#include "target/i386/kvm/tdx-memory.h"

/* What the host's KVM said: the only source of facts about the host. */
typedef struct TdxCapabilities {
    uint64_t supported_attrs, supported_xfam;
    uint64_t kernel_tdvmcallinfo_1_r11, user_tdvmcallinfo_1_r11;
    CpuidTable *configurable; /* KVM_TDX_CAPABILITIES: a 1 bit may be chosen */
    CpuidTable *supported;    /* KVM_GET_SUPPORTED_CPUID */
    uint32_t tsc_khz;         /* of the host, KVM_GET_TSC_KHZ on the VM; 0 unknown */
    unsigned max_vcpus;       /* of a TD */
} TdxCapabilities;
void tdx_capabilities_free(TdxCapabilities *caps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdxCapabilities, tdx_capabilities_free)

typedef struct TdxPlanInput {
    const TdxGuestConfig *guest;
    const CpuModelRequest *cpu;
    const CpuTopology *topology;
    uint64_t ram_size;
    Bytes firmware;            /* borrowed, outlives the plan */
    const char *firmware_name;
    const TdxCapabilities *caps; /* NULL: no TDX host here; CPUID and XFAM are then not planned */
} TdxPlanInput;

/* One CPUID bit and what becomes of it. */
typedef enum TdxVerdictKind {
    TDX_VERDICT_GRANTED,    /* asked for, and the TD has it */
    /* asked for, by the user or a named model, and the TD does not have it: `reason` */
    TDX_VERDICT_REFUSED,
    TDX_VERDICT_FORCED_ON,  /* not asked for, and the TD has it all the same */
    TDX_VERDICT_FORCED_OFF, /* TDX fixes it to 0; not asked for explicitly */
    TDX_VERDICT_NATIVE,     /* follows the processor */
} TdxVerdictKind;

typedef struct TdxVerdict {
    uint32_t function, index;
    bool has_index;
    CpuidReg reg;
    unsigned bit;
    const char *name;       /* feature name or NULL */
    TdxVerdictKind kind;
    bool explicit_request;  /* the user named it with + or =on */
    bool explicit_refusal;  /* the user named it with - or =off */
    const char *reason;     /* static text, or NULL */
} TdxVerdict;

/* A bit that the user named is not as they said: what warnings and `enforce` are about. */
bool tdx_verdict_is_against_user(const TdxVerdict *verdict);
/* The warning about such a bit. Caller frees. */
char *tdx_verdict_warning(const TdxVerdict *verdict);

typedef struct TdxPlan {
    /* Configuration */
    uint64_t attributes, xfam;
    uint8_t mrconfigid[48], mrowner[48], mrownerconfig[48];
    unsigned gpaw;             /* 48 or 52 */
    uint32_t tsc_khz;          /* multiple of 25000; 0 when unknown (no host) */
    unsigned num_vcpus;
    uint32_t *apic_ids;        /* [num_vcpus]: KVM vCPU id = x2APIC id */
    CpuidTable *init_cpuid; /* for KVM_TDX_INIT_VM: configurable entries only; NULL without caps */
    CpuidTable *requested;     /* what the CPU model and the user ask for; NULL without caps */
    GArray *verdicts;          /* of TdxVerdict; expected before settle, final after */
    GPtrArray *warnings;       /* of char*: for stderr, in order, each once per TD */
    GPtrArray *notes;          /* of char*: worth knowing, wrong in nothing; shown with the plan */
    bool settled;
    /* Memory */
    E820Layout ram;
    TdvfImage *firmware;
    hwaddr hob_address;
    GPtrArray *regions;        /* of TdxMemoryRegion */
    CpuTopology topology;
    CpuModelRequest *cpu;      /* copy */
} TdxPlan;

TdxPlan *tdx_plan_new(const TdxPlanInput *input, GError **errp);
void tdx_plan_free(TdxPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdxPlan, tdx_plan_free)

/*
 * Before settle, plan->warnings holds what is to be expected; settle replaces the list, so whoever
 * launches prints it once, after settle.
 *
 * The module's answer (KVM_TDX_GET_CPUID) makes the verdicts final. False: `enforce` and a refused
 * or forced bit, or a contradiction that no launch survives. Idempotent for the same answer.
 */
bool tdx_plan_settle(TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps,
                     GError **errp);
/*
 * CPUID for KVM_SET_CPUID2 of vCPU i, after settle: the module's values plus what KVM serves
 * (leaves 1, 0xB, 0x1F ids, 0x40000000 range, 0x80000008). Caller frees.
 */
CpuidTable *tdx_plan_vcpu_cpuid(const TdxPlan *plan, const CpuidTable *module,
                                const TdxCapabilities *caps, unsigned i);

/* MRTD of the regions: computed when asked (milliseconds for each MiB measured). */
void tdx_plan_mrtd(const TdxPlan *plan, uint8_t mrtd[TDX_MEASUREMENT_SIZE]);

/* Text for people (tdx-plan-print.c). Each returns a string the caller frees. */
char *tdx_plan_format_sections(const TdxPlan *plan);
char *tdx_plan_format_cpuid(const TdxPlan *plan, bool all);
char *tdx_plan_format(const TdxPlan *plan); /* all of it, with MRTD */
/*
 * The same as one line of JSON (tdx-plan-json.c). Without a TDX host it has no members xfam and
 * cpuid. Caller frees.
 */
char *tdx_plan_format_json(const TdxPlan *plan);

#endif
