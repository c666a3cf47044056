/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID of a machine without a TDX module: the profile's processor, less what the core has for no
 * guest.
 */
#include <string.h>

#include "bare.h"
#include "swtdx/host/cpu/features.h"
#include "swtdx/host/module/module.h"

enum { EAX, EBX, ECX, EDX };

/*
 * Of the processor, but of no guest of the core: virtualization, tracing, monitoring of
 * performance, power, SGX, keys. And OSXSAVE and OSPKE, which CR4 tells.
 */
static const struct {
    uint32_t leaf, subleaf, reg, bits;
} taken_out[] = {
    { 1, 0, ECX, 1u << 27 | 1u << 2 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 14 |
      1u << 15 | 1u << 18 },
    { 1, 0, EDX, 1u << 21 | 1u << 22 | 1u << 29 | 1u << 31 },
    { 7, 0, EBX, 1u << 2 | 1u << 12 | 1u << 15 | 1u << 25 },
    { 7, 0, ECX, 1u << 4 | 1u << 13 | 1u << 23 | 1u << 29 | 1u << 30 },
    { 7, 0, EDX, 1u << 5 | 1u << 18 | 1u << 19 | 1u << 30 },
};

/* What goes with state components: CET's with 11 and 12, AMX's with 17 and 18. */
static const struct {
    uint64_t xfam;
    uint32_t reg, bits;
} with_state[] = { /* of leaf 7 */
    { 0x1800, ECX, 1u << 7 }, { 0x1800, EDX, 1u << 20 },
    { 0x60000, EDX, 1u << 22 | 1u << 24 | 1u << 25 },
};

static const struct {
    const char *name;
    uint32_t feature;
} names[] = {
    { "x2apic", FEATURE(1, 0, ECX, 21) }, { "tsc-deadline", FEATURE(1, 0, ECX, 24) },
    { "pcid", FEATURE(1, 0, ECX, 17) },
    { "xsave", FEATURE(1, 0, ECX, 26) }, { "invpcid", FEATURE(7, 0, EBX, 10) },
    { "smep", FEATURE(7, 0, EBX, 7) },
    { "smap", FEATURE(7, 0, EBX, 20) }, { "fsgsbase", FEATURE(7, 0, EBX, 0) },
    { "rtm", FEATURE(7, 0, EBX, 11) },
    { "umip", FEATURE(7, 0, ECX, 2) }, { "pku", FEATURE(7, 0, ECX, 3) },
    { "pks", FEATURE(7, 0, ECX, 31) },
    { "la57", FEATURE(7, 0, ECX, 16) }, { "rdpid", FEATURE(7, 0, ECX, 22) },
    { "gbpages", FEATURE(0x80000001u, 0, EDX, 26) },
    { "rdtscp", FEATURE(0x80000001u, 0, EDX, 27) },
};

bool bare_without(Bare *m, const char *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(names[i].name, name) &&
            m->num_without < sizeof(m->without) / sizeof(m->without[0])) {
            m->without[m->num_without++] = names[i].feature;
            return true;
        }
    }
    return false;
}

/* What every processor of the machine answers at any time. */
static void fixed(const Bare *m, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    if (leaf == 1 || leaf >= 0x80000000) {
        subleaf = 0; /* those of the tables here that have no sub-leaves */
    }
    profile_cpuid(&m->profile, leaf, subleaf, out);
    for (size_t i = 0; i < sizeof(taken_out) / sizeof(taken_out[0]); i++) {
        if (taken_out[i].leaf == leaf && taken_out[i].subleaf == subleaf) {
            out[taken_out[i].reg] &= ~taken_out[i].bits;
        }
    }
    for (size_t i = 0; leaf == 7 && subleaf == 0 && i < sizeof(with_state) / sizeof(with_state[0]);
         i++) {
        if ((m->xfam & with_state[i].xfam) != with_state[i].xfam) {
            out[with_state[i].reg] &= ~with_state[i].bits;
        }
    }
    for (unsigned i = 0; i < m->num_without; i++) {
        uint32_t f = m->without[i];
        if (FEATURE_LEAF(f) == leaf && FEATURE_SUBLEAF(f) == subleaf) {
            out[FEATURE_REG(f)] &= ~(1u << FEATURE_BIT(f));
        }
    }
}

/*
 * State components: those of XFAM, with the sizes that what is enabled needs (SDM vol. 2, CPUID
 * leaf 0Dh).
 */
static void state_components(const BareCpu *c, uint32_t subleaf, uint32_t out[4])
{
    const Bare *m = c->m;
    uint64_t user = m->xfam & XFAM_USER, supervisor = m->xfam & XFAM_SUPERVISOR;
    switch (subleaf) {
    case 0:
        out[EAX] = (uint32_t)user;
        out[EBX] = module_cpuid_xsave_size(&m->profile, c->cpu->xcr0, false);
        out[ECX] = module_cpuid_xsave_size(&m->profile, user, false);
        out[EDX] = 0;
        return;
    case 1:
        out[EBX] = module_cpuid_xsave_size(&m->profile, c->cpu->xcr0 | c->cpu->xss, true);
        out[ECX] = (uint32_t)supervisor;
        out[EDX] = 0;
        return;
    default:
        if (subleaf > 62 || !(m->xfam >> subleaf & 1)) {
            memset(out, 0, 4 * sizeof(out[0]));
        }
    }
}

void bare_cpuid(Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    BareCpu *c = bare_cpu(cpu);
    if (leaf >= 0x40000000 && leaf < 0x50000000) {
        memset(out, 0, 4 * sizeof(out[0])); /* no hypervisor */
        return;
    }
    fixed(c->m, leaf, subleaf, out);
    switch (leaf) {
    case 1:
        out[EBX] = (out[EBX] & 0xffff) | c->m->num_cpus << 16 | c->index << 24;
        out[ECX] |= cpu->cr4 & CR4_OSXSAVE ? 1u << 27 : 0;
        out[EDX] &= c->apic_base & 1u << 11 ? UINT32_MAX : ~(1u << 9);
        break;
    case 7:
        out[ECX] |= subleaf == 0 && (cpu->cr4 & CR4_PKE) ? 1u << 4 : 0;
        /* TSX_CPUID_CLEAR */
        out[EBX] &= subleaf == 0 && (c->tsx_ctrl & 2) ? ~(1u << 4 | 1u << 11) : UINT32_MAX;
        break;
    case 0xa:
    case 0x12:
    case 0x14:
        memset(out, 0, 4 * sizeof(out[0]));
        break;
    case 0xb:
    case 0x1f:
        out[EDX] = c->index;
        break;
    case 0xd:
        state_components(c, subleaf, out);
        break;
    case 0x80000001:
        out[EDX] |= 1u << 11; /* SYSCALL; processors show it in 64-bit mode only */
        break;
    case 0x80000008:
        out[EAX] = (out[EAX] & ~0xffffu) | cpu->phys_bits |
                   (bare_has_feature(cpu, FEATURE(7, 0, ECX, 16)) ? 57u : 48u) << 8;
        break;
    default:
        break;
    }
}

bool bare_has_feature(Cpu *cpu, unsigned feature)
{
    uint32_t out[4];
    if (feature == FEATURE(0x80000001u, 0, EDX, 11)) {
        return true;
    }
    fixed(bare_cpu(cpu)->m, FEATURE_LEAF(feature), FEATURE_SUBLEAF(feature), out);
    return out[FEATURE_REG(feature)] >> FEATURE_BIT(feature) & 1;
}
