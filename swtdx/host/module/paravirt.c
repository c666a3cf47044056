/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TD_CTLS.REDUCE_VE and FEATURE_PARAVIRT_CTLS: which features the guest sees. */
#include "module.h"
#include "paravirt.h"

enum { EBX = 1, ECX, EDX };

/*
 * CPUID bits that a control bit keeps under REDUCE_VE. `always`: 1 without REDUCE_VE, whatever was
 * configured.
 */
typedef struct ParavirtBit {
    uint32_t leaf, subleaf, control;
    uint8_t reg, bit;
    bool always;
} ParavirtBit;

static const ParavirtBit bits[] = {
    {1, 0, PARAVIRT_EST, ECX, 7, false},
    {1, 0, PARAVIRT_TM2, ECX, 8, false},
    {1, 0, PARAVIRT_DCA, ECX, 18, false},
    {1, 0, PARAVIRT_TSC_DEADLINE, ECX, 24, false},
    {1, 0, PARAVIRT_ACPI, EDX, 22, false},
    {7, 0, PARAVIRT_RDT_M, EBX, 12, false},
    {7, 0, PARAVIRT_RDT_A, EBX, 15, false},
    {7, 0, PARAVIRT_TME, ECX, 13, false},
    {7, 0, PARAVIRT_PCONFIG, EDX, 18, false},
    {1, 0, PARAVIRT_MCA, EDX, 14, true},
    {1, 0, PARAVIRT_MCA, EDX, 7, true}, /* MCE */
    {1, 0, PARAVIRT_MTRR, EDX, 12, true},
    {7, 0, PARAVIRT_CORE_CAPABILITIES, EDX, 30, true},
};

bool paravirt_reduced(const Td *td)
{
    return atomic_load(&td->td_ctls) & TD_CTLS_REDUCE_VE;
}

uint64_t paravirt_td_ctls_writable(const Td *td)
{
    uint64_t writable = TD_CTLS_PENDING_VE_DISABLE | TD_CTLS_ENUM_TOPOLOGY;
    return td->version->reduces_ve
               ? writable | TD_CTLS_VIRT_CPUID2 | TD_CTLS_REDUCE_VE | TD_CTLS_LOCK
               : writable;
}

uint64_t paravirt_td_ctls_implied(uint64_t value)
{
    return value & TD_CTLS_REDUCE_VE ? value | TD_CTLS_ENUM_TOPOLOGY | TD_CTLS_VIRT_CPUID2 : value;
}

uint32_t paravirt_cpuid(const Td *td, uint32_t leaf, uint32_t subleaf, unsigned reg, uint32_t value)
{
    if (!td->version->reduces_ve || (leaf != 1 && (leaf != 7 || subleaf))) {
        return value;
    }
    bool reduced = paravirt_reduced(td);
    uint64_t controls = atomic_load(&td->paravirt_ctls);
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        const ParavirtBit *b = &bits[i];
        if (b->leaf != leaf || b->reg != reg) {
            continue;
        }
        if (reduced && !(controls & b->control)) {
            value &= ~(1u << b->bit);
        } else if (!reduced && b->always) {
            value |= 1u << b->bit;
        }
    }
    return value;
}
