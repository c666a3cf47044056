/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control registers that TDX shares with the guest: what a write may change (4.1 of the module
 * reference). Pure.
 */
#include "../cpu/core.h"
#include "../cpu/features.h"
#include "module.h"
#include "paravirt.h"

#define CR4_KL (1u << 19)
/*
 * Bits of CR4 that no processor with TDX has, or that the module keeps from TDs at the native
 * level.
 */
#define CR4_RESERVED (~UINT64_C(0xffffffff) | 7u << 29 | 1u << 26 | 1u << 15)
/* Bits that the module owns in any TD. */
#define CR4_OWNED (CR4_MCE | CR4_VMXE | CR4_SMXE)

CrVerdict cr0_verdict(const Td *td, uint64_t old_cr0, uint64_t cr4, uint64_t value)
{
    if (!(value & CR0_NE)) {
        return CR_GP; /* VMX fixes NE to 1 */
    }
    if (!(value & CR0_PE) && (value & CR0_PG)) {
        return CR_GP;
    }
    if (!(value & CR0_WP) && (cr4 & CR4_CET)) {
        return CR_GP;
    }
    if (!(value & CR0_PE) || (value & CR0_NW) || (value & CR0_CD) || value >> 32) {
        return CR_VE;
    }
    return CR_ALLOW;
}

/* CR4 bits of features that this TD lacks. */
static uint64_t cr4_absent(const Td *td)
{
    uint64_t absent = CR4_KL;
    absent |= td->params.xfam & XFAM_PKRU ? 0 : CR4_PKE;
    absent |= (td->params.xfam & XFAM_CET) == XFAM_CET ? 0 : CR4_CET;
    absent |= td->params.xfam & XFAM_UINTR ? 0 : CR4_UINTR;
    absent |= td->params.attributes & TD_ATTR_PKS ? 0 : CR4_PKS;
    absent |= td->params.attributes & TD_ATTR_LASS ? 0 : CR4_LASS;
    return absent;
}

/*
 * A write that changes bits the module owns, on a TD that reduced #VE: it completes, and of all its
 * changes MCE's alone takes place; MCE may be set only where the TD sees MCE.
 */
static CrVerdict cr4_reduced(const Td *td, uint64_t old_cr4, uint64_t value)
{
    bool sets_mce = (value & CR4_MCE) && !(old_cr4 & CR4_MCE);
    return sets_mce && !module_cpuid_feature(td, FEATURE(1, 0, 3, 7)) ? CR_GP : CR_MCE_ONLY;
}

CrVerdict cr4_verdict(const Td *td, uint64_t old_cr4, uint64_t cr0, uint64_t value)
{
    if ((value & CR4_RESERVED) || (value & cr4_absent(td))) {
        return CR_GP;
    }
    if ((value & CR4_CET) && !(cr0 & CR0_WP)) {
        return CR_GP;
    }
    if (!((value ^ old_cr4) & CR4_OWNED)) {
        return CR_ALLOW;
    }
    return paravirt_reduced(td) ? cr4_reduced(td, old_cr4, value) : CR_VE;
}

bool xcr0_valid(const Td *td, uint64_t value)
{
    return (value & 1) && (!(value & XFAM_AVX) || (value & 2)) &&
           xfam_valid(value, td->params.xfam & XFAM_USER);
}
