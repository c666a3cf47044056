/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a TD's CPUID can be: the class of every feature bit, and the reconciliation of what is asked
 * with what KVM and the TDX module offer (TDX module specification, "CPU virtualization"; ABI
 * specification, CPUID virtualization tables). Pure.
 */
#ifndef TDX_CPUID_H
#define TDX_CPUID_H

#include "target/i386/kvm/tdx-plan.h"

/*
 * Who decides a bit. Where KVM lists a bit as configurable, the VMM does, within what the other
 * classes still demand.
 */
typedef enum TdxBitClass {
    TDX_BIT_FIXED_0,     /* the module shows 0 unless KVM lists the bit as configurable */
    TDX_BIT_FIXED_1,     /* the module shows 1 (it checked or forced it) */
    TDX_BIT_XFAM,        /* the processor's value where the XFAM components in `needs` are on */
    TDX_BIT_XFAM_CONFIG, /* the same, and the VMM's choice too */
    TDX_BIT_ATTRIBUTE,   /* the attribute bit in `needs` */
    TDX_BIT_DYNAMIC,     /* mirrors guest state */
    TDX_BIT_KVM,         /* a paravirtual feature: KVM serves the leaf from KVM_SET_CPUID2 */
    TDX_BIT_KVM_NOT_TD,  /* a paravirtual feature that cannot work without access to guest memory */
} TdxBitClass;

typedef struct TdxBitRule {
    TdxBitClass class;
    uint64_t needs;
} TdxBitRule;

/* A register of a leaf that holds features, one in each bit. */
typedef struct TdxFeatureWord {
    uint32_t function, index;
    CpuidReg reg;
} TdxFeatureWord;

const TdxFeatureWord *tdx_feature_words(unsigned *count);
TdxBitRule tdx_bit_rule(const TdxFeatureWord *word, unsigned bit);
/* Mask of the bits of a word in a class. */
uint32_t tdx_word_class_mask(const TdxFeatureWord *word, TdxBitClass class);

/* The user's explicit wishes in a word; the last one given for a bit counts. */
void tdx_cpuid_wishes(const CpuModelRequest *cpu, const TdxFeatureWord *word, uint32_t *plus,
                      uint32_t *minus);

/* XFAM and PKS that the request comes to, within what the host supports. */
uint64_t tdx_cpuid_xfam(const CpuModelRequest *cpu, const TdxCapabilities *caps);
bool tdx_cpuid_wants_pks(const CpuModelRequest *cpu, const TdxCapabilities *caps);

/*
 * Fills plan->requested and plan->init_cpuid. attributes, xfam, gpaw, topology and cpu of the plan
 * are decided already.
 */
void tdx_cpuid_plan(TdxPlan *plan, const TdxCapabilities *caps);
/* Replaces plan->verdicts and plan->warnings. module NULL: what is expected. */
void tdx_cpuid_judge(TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps);

/* Values that follow from -smp (tdx-topology.c). Leaf 4 takes the host's caches. */
void tdx_topology_fill(CpuidTable *table, const CpuTopology *topology, const CpuidTable *supported);
/* Replaces leaves 0xB and 0x1F by those of one vCPU. */
void tdx_topology_fill_vcpu(CpuidTable *table, const CpuTopology *topology, uint32_t apic_id);
/* CPUID(1).EBX[23:16]. */
unsigned tdx_topology_logical_ids(const CpuTopology *topology);

#endif
