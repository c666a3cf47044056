/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPUID instruction in a TD: what depends on the vCPU's state and on TD_CTLS, and which leaves
 * raise #VE, in the order of the module's handler (2.7 of the module reference).
 */
#include <string.h>

#include "../cpu/core.h"
#include "../cpu/features.h"
#include "module.h"
#include "paravirt.h"

#define MAX_BASE_LEAF 0x23u
#define MAX_EXTENDED_LEAF 0x80000008u

enum { EAX, EBX, ECX, EDX };

static bool enumerates_topology(const Td *td)
{
    return atomic_load(&td->td_ctls) & TD_CTLS_ENUM_TOPOLOGY;
}

/*
 * Cache geometry under REDUCE_VE: the processor's, but for the numbers of sharing and core ids,
 * which are configured.
 */
static void native_caches(const Profile *profile, uint32_t subleaf, uint32_t out[4])
{
    uint32_t configured = out[EAX] & 0xffffc000u;
    profile_cpuid(profile, 4, subleaf, out);
    out[EAX] = (out[EAX] & 0x3fffu) | configured;
}

/* What depends on the state of the processor that executes it. */
static void make_dynamic(const TdVcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const Cpu *cpu = vcpu->cpu;
    const Td *td = vcpu->td;
    for (unsigned r = EAX; r <= EDX; r++) {
        out[r] = paravirt_cpuid(td, leaf, subleaf, r, out[r]);
    }
    switch (leaf) {
    case 1:
        out[EBX] |= (enumerates_topology(td) ? vcpu->x2apic_id : vcpu->index) << 24;
        out[ECX] |= cpu->cr4 & CR4_OSXSAVE ? 1u << 27 : 0;
        break;
    case 4:
        if (paravirt_reduced(td) && subleaf <= 3) {
            native_caches(td->profile, subleaf, out);
        }
        break;
    case 7:
        if (subleaf == 0) {
            out[ECX] |= cpu->cr4 & CR4_PKE ? 1u << 4 : 0;
            if (vcpu->tsx_ctrl & 2) { /* TSX_CPUID_CLEAR */
                out[EBX] &= ~(1u << 4 | 1u << 11);
            }
        }
        break;
    case 0xb:
    case 0x1f:
        out[EDX] = vcpu->x2apic_id;
        break;
    case 0xd:
        if (subleaf == 0) {
            out[EBX] = module_cpuid_xsave_size(td->profile, cpu->xcr0, false);
        } else if (subleaf == 1) {
            out[EBX] = module_cpuid_xsave_size(td->profile, cpu->xcr0 | cpu->xss, true);
        }
        break;
    case 0x80000001:
        out[EDX] |= cpu->mode & CPU_MODE_CS64 ? 1u << 11 : 0;
        break;
    default:
        break;
    }
}

/*
 * Leaves that a module which reduces #VE fixes to 0 in every sub-leaf: bit n is leaf n, bit 52+n
 * leaf 0x80000000+n.
 */
#define FIXED0_LEAVES UINT64_C(0x0380000508cfd308)

static bool fixed0_leaf(uint32_t leaf)
{
    if (leaf >= 0x80000000) {
        return leaf <= 0x80000008 && (FIXED0_LEAVES >> (leaf - 0x80000000 + 52) & 1);
    }
    return leaf < 52 && (FIXED0_LEAVES >> leaf & 1);
}

/* Whether a leaf raises #VE by its own rule, be it in the table or fixed to 0. */
static bool leaf_raises(const Td *td, uint32_t leaf)
{
    bool reduced = paravirt_reduced(td);
    switch (leaf) {
    case 2:
        return !(atomic_load(&td->td_ctls) & TD_CTLS_VIRT_CPUID2);
    case 0xb:
    case 0x1f:
        return !enumerates_topology(td);
    case 9:
        return !reduced || module_cpuid_feature(td, FEATURE(1, 0, 2, 18)); /* DCA */
    case 0xf:
        return !reduced || module_cpuid_feature(td, FEATURE(7, 0, 1, 12)); /* RDT-M */
    case 0x10:
        return !reduced || module_cpuid_feature(td, FEATURE(7, 0, 1, 15)); /* RDT-A */
    case 0x1b:
        return !reduced || module_cpuid_feature(td, FEATURE(7, 0, 3, 18)); /* PCONFIG */
    case 6:
    case 0xc:
    case 0x16:
    case 0x17:
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
    case 0x80000005:
        return !reduced;
    default:
        return false;
    }
}

/* A leaf or sub-leaf that the table lacks. False: #VE. */
static bool execute_unlisted(const TdVcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const Td *td = vcpu->td;
    if (!td->version->reduces_ve || (!fixed0_leaf(leaf) && !paravirt_reduced(td)) ||
        leaf_raises(td, leaf)) {
        return false;
    }
    memset(out, 0, 4 * sizeof(out[0]));
    if (leaf == 0xb || leaf == 0x1f) {
        out[ECX] = subleaf & 0xff;
        out[EDX] = vcpu->x2apic_id;
    }
    return true;
}

/*
 * Leaves that can be configured come first, as in TD_PARAMS; that the others follow in their order
 * is assumed.
 */
unsigned module_cpuid_control(const CpuidTable *table, unsigned row)
{
    unsigned others = 0;
    if (table->rows[row].config >= 0) {
        return (unsigned)table->rows[row].config;
    }
    for (unsigned i = 0; i < row; i++) {
        others += table->rows[i].config < 0;
    }
    return (table->num_config + others) % TD_CPUID_CONTROLS;
}

bool module_cpuid_execute(const TdVcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const Td *td = vcpu->td;
    if (leaf >= 0x40000000 && leaf <= 0x4fffffff) {
        return false;
    }
    if (leaf > MAX_EXTENDED_LEAF || (leaf > MAX_BASE_LEAF && leaf < 0x80000000)) {
        leaf = MAX_BASE_LEAF;
    }
    int row = module_cpuid_find(td->table, leaf, subleaf);
    uint8_t asked = vcpu->cpuid_ve, level = vcpu->cpu->cpl ? 2 : 1;
    if (row < 0) {
        return !(asked & level) && execute_unlisted(vcpu, leaf, subleaf, out);
    }
    asked |= vcpu->cpuid_control[module_cpuid_control(td->table, (unsigned)row)];
    if (leaf_raises(td, leaf) || (asked & level)) {
        return false;
    }
    memcpy(out, td->cpuid[row], sizeof(td->cpuid[row]));
    make_dynamic(vcpu, leaf, subleaf, out);
    return true;
}

bool module_cpuid_feature(const Td *td, unsigned feature)
{
    uint32_t leaf = FEATURE_LEAF(feature), subleaf = FEATURE_SUBLEAF(feature),
             reg = FEATURE_REG(feature);
    if (leaf == 0x80000001 && reg == EDX && FEATURE_BIT(feature) == 11) {
        return true; /* SYSCALL: shown in 64-bit mode only, which the instruction checks itself */
    }
    int row = module_cpuid_find(td->table, leaf, subleaf);
    return row >= 0 &&
           (paravirt_cpuid(td, leaf, subleaf, reg, td->cpuid[row][reg]) >> FEATURE_BIT(feature) &
            1);
}
