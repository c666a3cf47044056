/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between planning a TD's CPUID (tdx-cpuid.c) and judging what becomes of each bit (tdx-judge.c).
 */
#ifndef TDX_CPUID_INTERNAL_H
#define TDX_CPUID_INTERNAL_H

#include "target/i386/kvm/tdx-cpuid.h"

/*
 * KVM keeps these out of TDs: it does not switch TSX_CTRL and UMWAIT_CONTROL between host and TD
 * (KVM, tdx.c).
 */
#define LEAF7_EBX_NEVER (1u << 4 | 1u << 11) /* HLE, RTM */
#define LEAF7_ECX_NEVER (1u << 5)            /* WAITPKG */

/* Bits that the VMM may choose, of those KVM lists. */
uint32_t tdx_cpuid_configurable(const TdxCapabilities *caps, const TdxFeatureWord *word);
/*
 * What KVM supports. HTT is not in its table: it tells of a topology, which KVM leaves to user
 * space.
 */
uint32_t tdx_cpuid_host(const TdxCapabilities *caps, const TdxFeatureWord *word);
/*
 * Bits that a TD on this host can show, were every XFAM component and attribute in `xfam` and
 * `attributes` on.
 */
uint32_t tdx_cpuid_offerable(const TdxCapabilities *caps, const TdxFeatureWord *word, uint64_t xfam,
                             uint64_t attributes);
/* Bits of a word in a named model's list; 0 for other models. */
uint32_t tdx_cpuid_model_bits(const CpuModelRequest *cpu, const TdxFeatureWord *word);
/*
 * What the model and the user ask for in a word, before anything is refused. topology NULL: HTT is
 * not asked.
 */
uint32_t tdx_cpuid_asked(const CpuModelRequest *cpu, const TdxCapabilities *caps,
                         const CpuTopology *topology, const TdxFeatureWord *word);

#endif
