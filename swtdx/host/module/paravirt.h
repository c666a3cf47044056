/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Features that a TD has only with the VMM's help, and how a guest lays them down:
 * TD_CTLS.REDUCE_VE hides those that FEATURE_PARAVIRT_CTLS does not keep, in CPUID and, #GP in
 * place of #VE, in MSRs (1.8 and 4.5 of the module reference). Pure functions of a TD's
 * configuration and controls.
 */
#ifndef SWTDX_PARAVIRT_H
#define SWTDX_PARAVIRT_H

#include "td.h"

/* Bits of FEATURE_PARAVIRT_CTLS. */
#define PARAVIRT_CORE_CAPABILITIES (1u << 0)
#define PARAVIRT_DCA (1u << 1)
#define PARAVIRT_EST (1u << 2)
#define PARAVIRT_MCA (1u << 3)
#define PARAVIRT_MTRR (1u << 4)
#define PARAVIRT_PCONFIG (1u << 5)
#define PARAVIRT_RDT_A (1u << 6)
#define PARAVIRT_RDT_M (1u << 7)
#define PARAVIRT_ACPI (1u << 8)
#define PARAVIRT_TM2 (1u << 9)
#define PARAVIRT_TME (1u << 10)
#define PARAVIRT_TSC_DEADLINE (1u << 11)
#define PARAVIRT_ALL 0xfffu

bool paravirt_reduced(const Td *td); /* REDUCE_VE is on */
/* Bits of TD_CTLS that this TD's module lets the guest write. */
uint64_t paravirt_td_ctls_writable(const Td *td);
/*
 * The value of TD_CTLS after a write of `value`: REDUCE_VE brings ENUM_TOPOLOGY and VIRT_CPUID2
 * with it.
 */
uint64_t paravirt_td_ctls_implied(uint64_t value);
/* What the guest reads where the TD's configuration has `value` in this CPUID register. */
uint32_t paravirt_cpuid(const Td *td, uint32_t leaf, uint32_t subleaf, unsigned reg,
                        uint32_t value);

#endif
