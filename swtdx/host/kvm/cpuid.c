/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID as KVM sees it: what KVM_GET_SUPPORTED_CPUID offers on the profile's processor, and how KVM
 * answers a guest from the table of KVM_SET_CPUID2 (Intel SDM vol. 2A, CPUID: leaves beyond the
 * maximum show the highest basic leaf).
 */
#include <string.h>

#include "host.h"

#define SIG_INDEX KVM_CPUID_FLAG_SIGNIFCANT_INDEX

/*
 * Feature words KVM passes on when the processor has them (documentation of
 * KVM_GET_SUPPORTED_CPUID; Linux 6.16), and what it adds.
 */
typedef struct FeatureWord {
    uint32_t leaf, subleaf;
    uint32_t keep[4], add[4];
} FeatureWord;

#define B(n) (1u << (n))
static const FeatureWord feature_words[] = {
    { 1, 0,
      { 0xffffffff, 0xffffffff, 0x77fab203 & ~(B(27) | B(31)), 0x0f8bfbff & ~(B(28) | B(31)) },
      { 0, 0, B(21) | B(24) | B(31), 0 } },
    { 6, 0, { 0 }, { B(2), 0, 0, 0 } },
    { 7, 0,
      { 0, ~(B(2) | B(12) | B(14) | B(15) | B(22) | B(25)),
        B(1) | B(3) | B(5) | B(6) | B(8) | B(9) | B(10) | B(11) | B(12) | B(14) | B(16) | B(22) |
        B(24) | B(25) | B(27) | B(28),
        B(2) | B(3) | B(4) | B(8) | B(10) | B(14) | B(16) | B(22) | B(23) | B(24) | B(25) | B(26) |
        B(27) | B(28) | B(31) },
      { 0, B(1), B(2), B(29) } },
    { 7, 1,
      { B(0) | B(1) | B(2) | B(4) | B(5) | B(7) | B(10) | B(11) | B(12) | B(19) | B(21) | B(23) |
        B(26), 0, 0,
        B(4) | B(5) | B(8) | B(10) | B(14) | B(19) }, { 0 } },
    { 7, 2, { 0, 0, 0, 0x3f }, { 0 } },
    { 0x80000001, 0, { 0, 0, B(0) | B(5) | B(8), B(11) | B(20) | B(26) | B(27) | B(29) }, { 0 } },
    { 0x80000007, 0, { 0, 0, 0, B(8) }, { 0 } },
    { 0x80000021, 0, { 0 }, { B(2), 0, 0, 0 } },
};

/* Leaves that KVM passes as they are, and those whose sub-leaves it lists. */
static const uint32_t passed[] = { 0, 2, 4, 0x1d, 0x1e, 0x80000000, 0x80000002, 0x80000003,
                                   0x80000004, 0x80000006 };
static const uint32_t indexed[] = { 4, 7, 0xb, 0xd, 0x12, 0x14, 0x17, 0x18, 0x1d, 0x1e, 0x1f,
                                    0x8000001d };

static bool in_list(const uint32_t *list, size_t n, uint32_t leaf)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == leaf) {
            return true;
        }
    }
    return false;
}
#define IN_LIST(list, leaf) in_list((list), sizeof(list) / sizeof(*(list)), (leaf))

typedef struct Builder {
    const Profile *profile;
    bool tiles;
    AbiCpuidEntry *entries;
    uint32_t n;
} Builder;

static AbiCpuidEntry *add(Builder *b, uint32_t leaf, uint32_t subleaf, const uint32_t regs[4])
{
    if (b->n == ABI_MAX_CPUID_ENTRIES) {
        return &b->entries[b->n - 1];
    }
    AbiCpuidEntry *e = &b->entries[b->n++];
    *e = (AbiCpuidEntry){ .function = leaf, .index = subleaf,
                          .flags = IN_LIST(indexed, leaf) ? SIG_INDEX : 0,
                          .eax = regs[0], .ebx = regs[1], .ecx = regs[2], .edx = regs[3] };
    return e;
}

static void add_masked(Builder *b, uint32_t leaf, uint32_t subleaf)
{
    uint32_t native[4], out[4] = { 0 };
    profile_cpuid(b->profile, leaf, subleaf, native);
    if (IN_LIST(passed, leaf)) {
        memcpy(out, native, sizeof(out));
    }
    for (size_t i = 0; i < sizeof(feature_words) / sizeof(*feature_words); i++) {
        const FeatureWord *w = &feature_words[i];
        for (int r = 0; r < 4 && w->leaf == leaf && w->subleaf == subleaf; r++) {
            out[r] = (native[r] & w->keep[r]) | w->add[r];
        }
    }
    add(b, leaf, subleaf, out);
}

/* Size of an XSAVE area with these components, standard or compacted (SDM vol. 1, 13.4). */
static uint32_t xstate_size(const Profile *p, uint64_t components, bool compacted)
{
    uint32_t size = 576;
    for (uint32_t i = 2; i < 63; i++) {
        if (components & (UINT64_C(1) << i)) {
            uint32_t r[4];
            profile_cpuid(p, 0xd, i, r);
            uint32_t offset = compacted ? ((r[2] & 2) ? (size + 63) & ~63u : size) : r[1];
            size = offset + r[0] > size ? offset + r[0] : size;
        }
    }
    return size;
}

#define XCR0_TILES UINT64_C(0x60000)

static void add_xstate(Builder *b)
{
    const Profile *p = b->profile;
    /* what this machine lacks is not offered, as in KVM_TDX_CAPABILITIES */
    uint64_t executable = profile_executable_xfam(p);
    uint64_t xcr0 = p->xcr0 & p->kvm_xcr0 & executable;
    uint64_t xss = p->xss & p->kvm_xss & executable;
    bool tiles = xcr0 & XCR0_TILES;
    xcr0 &= b->tiles ? ~UINT64_C(0) : ~XCR0_TILES;
    uint32_t size = xstate_size(p, xcr0, false);
    add(b, 0xd, 0, (uint32_t[4]){ (uint32_t)xcr0, size, size, (uint32_t)(xcr0 >> 32) });
    uint32_t r[4];
    profile_cpuid(p, 0xd, 1, r);
    /* XFD guards AMX alone: where that cannot be executed there is nothing to guard. */
    r[0] &= 0xf | (tiles ? B(4) : 0);
    add(b, 0xd, 1,
        (uint32_t[4]){r[0], (r[0] & 0xa) ? xstate_size(p, xcr0 | xss, true) : 0, (uint32_t)xss,
                      (uint32_t)(xss >> 32)});
    for (uint32_t i = 2; i < 63; i++) {
        if ((xcr0 | xss) & (UINT64_C(1) << i)) {
            profile_cpuid(p, 0xd, i, r);
            r[3] = 0;
            add(b, 0xd, i, r);
        }
    }
}

#define XSS_CET UINT64_C(0x1800)

/* KVM has shadow stacks and indirect branch tracking where it has their state (Linux 6.18 on). */
static void add_cet(Builder *b, AbiCpuidEntry *leaf7)
{
    const Profile *p = b->profile;
    uint32_t native[4];
    if ((p->kvm_xss & profile_executable_xfam(p) & XSS_CET) == XSS_CET) {
        profile_cpuid(p, 7, 0, native);
        leaf7->ecx |= native[2] & B(7);
        leaf7->edx |= native[3] & B(20);
    }
}

static void add_leaf(Builder *b, uint32_t leaf)
{
    uint32_t r[4];
    switch (leaf) {
    case 4:
        for (uint32_t i = 0; i < 8; i++) {
            profile_cpuid(b->profile, 4, i, r);
            add(b, 4, i, r);
            if (!(r[0] & 0x1f)) {
                return;
            }
        }
        return;
    case 7:
        profile_cpuid(b->profile, 7, 0, r);
        for (uint32_t i = 0, max = r[0] < 2 ? r[0] : 2; i <= max; i++) {
            add_masked(b, 7, i);
            b->entries[b->n - 1].eax |= i ? 0 : max;
            if (i == 0) {
                add_cet(b, &b->entries[b->n - 1]);
            }
        }
        return;
    case 0xa: /* version 2 at most, no more than 8 general and 3 fixed counters */
        profile_cpuid(b->profile, 0xa, 0, r);
        add(b, 0xa, 0,
            (uint32_t[4]){(r[0] & 0xff000000) | (r[0] & 0x00ffff00) |
                              ((r[0] & 0xff) > 2 ? 2 : (r[0] & 0xff)),
                          r[1], 0, (r[3] & 0x1fe0) | ((r[3] & 0x1f) > 3 ? 3 : (r[3] & 0x1f))});
        return;
    case 0xd:
        add_xstate(b);
        return;
    case 0x1d:
        profile_cpuid(b->profile, 0x1d, 0, r);
        for (uint32_t i = 0, max = r[0]; i <= max && i < 4; i++) {
            add_masked(b, 0x1d, i);
        }
        return;
    case 0x80000008: {
        profile_cpuid(b->profile, 0x80000008, 0, r);
        uint32_t guest = b->profile->ept5 ? 52 : 48;
        add(b, leaf, 0,
            (uint32_t[4]){(r[0] & 0xff00) | b->profile->phys_bits | guest << 16,
                          r[1] & (B(9) | B(12) | B(14) | B(15) | B(24)), 0, 0});
        return;
    }
    default:
        add_masked(b, leaf, 0);
    }
}

uint32_t cpuid_supported(const Profile *profile, bool tiles,
                         AbiCpuidEntry entries[ABI_MAX_CPUID_ENTRIES])
{
    Builder b = { profile, tiles, entries, 0 };
    uint32_t r[4];
    profile_cpuid(profile, 0, 0, r);
    uint32_t max = r[0] < 0x1f ? r[0] : 0x1f;
    for (uint32_t leaf = 0; leaf <= max; leaf++) {
        add_leaf(&b, leaf);
    }
    entries[0].eax = max;
    for (uint32_t leaf = 0x80000000; leaf <= 0x80000021; leaf++) {
        add_leaf(&b, leaf);
        if (leaf == 0x80000000) {
            b.entries[b.n - 1].eax = 0x80000021;
        }
    }
    add(&b, 0x40000000, 0, (uint32_t[4]){ 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d });
    /*
     * clock, nop-io-delay, clock2, async-pf, steal time, PV EOI, unhalt, TLB flush,
     * async-pf-vmexit, IPI, poll control, yield, async-pf-int, stable
     */
    add(&b, 0x40000001, 0, (uint32_t[4]){ 0x01007efb, 0, 0, 0 });
    return b.n;
}

const AbiCpuidEntry *cpuid_find(const AbiCpuidEntry *entries, uint32_t n, uint32_t leaf,
                                uint32_t subleaf)
{
    for (uint32_t i = 0; i < n; i++) {
        if (entries[i].function == leaf &&
            (!(entries[i].flags & SIG_INDEX) || entries[i].index == subleaf)) {
            return &entries[i];
        }
    }
    return NULL;
}

uint32_t cpuid_phys_bits(const Vcpu *v)
{
    const AbiCpuidEntry *max = cpuid_find(v->cpuid, v->num_cpuid, 0x80000000, 0);
    const AbiCpuidEntry *widths = cpuid_find(v->cpuid, v->num_cpuid, 0x80000008, 0);
    return max && max->eax >= 0x80000008 && widths ? widths->eax & 0xff : 36;
}

/* The leaf that stands in for one beyond the maximum of its class; NULL: zeroes. */
static const AbiCpuidEntry *out_of_range(const Vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    const AbiCpuidEntry *basic = cpuid_find(v->cpuid, v->num_cpuid, 0, 0);
    if (!basic) {
        return NULL;
    }
    const AbiCpuidEntry *class = basic;
    if (leaf >= 0x40000000 && leaf <= 0x4fffffff) {
        class = cpuid_find(v->cpuid, v->num_cpuid, leaf & 0xffffff00, 0);
    } else if (leaf >= 0xc0000000) {
        class = cpuid_find(v->cpuid, v->num_cpuid, 0xc0000000, 0);
    } else if (leaf >= 0x80000000) {
        class = cpuid_find(v->cpuid, v->num_cpuid, 0x80000000, 0);
    }
    if (class && leaf <= class->eax) {
        return NULL;
    }
    return cpuid_find(v->cpuid, v->num_cpuid, basic->eax, subleaf);
}

void cpuid_answer(const Vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const AbiCpuidEntry *e = cpuid_find(v->cpuid, v->num_cpuid, leaf, subleaf);
    bool exact = e;
    memset(out, 0, 4 * sizeof(*out));
    if (!e) {
        e = out_of_range(v, leaf, subleaf);
    }
    if (e) {
        out[0] = e->eax;
        out[1] = e->ebx;
        out[2] = e->ecx;
        out[3] = e->edx;
    }
    if (!exact && (leaf == 0xb || leaf == 0x1f)) {
        /* a topology level past the last still tells its number and the x2APIC id */
        const AbiCpuidEntry *one = cpuid_find(v->cpuid, v->num_cpuid, leaf, 1);
        if (one) {
            out[2] = subleaf & 0xff;
            out[3] = one->edx;
        }
    }
}
