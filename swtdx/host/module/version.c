/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TDX modules that can be played, as constants. */
#include <stddef.h>

#include "module.h"
#include "version.h"

#define ATTRIBUTES_1_5_05                                                                        \
    (TD_ATTR_DEBUG | TD_ATTR_LASS | TD_ATTR_SEPT_VE_DISABLE | TD_ATTR_MIGRATABLE | TD_ATTR_PKS | \
     TD_ATTR_PERFMON)
#define ATTRIBUTES_1_5_34 (ATTRIBUTES_1_5_05 | TD_ATTR_ICSSD)
#define ATTRIBUTES_2_0_08 (ATTRIBUTES_1_5_34 | TD_ATTR_PMT_PROF | TD_ATTR_TPA)

#define XFAM_ALL UINT64_C(0x0006dbe7) /* the same in all of them */

#define CONFIG_FLAGS_1_5_05 (TD_FLAG_GPAW | TD_FLAG_FLEXIBLE_PENDING_VE | TD_FLAG_NO_RBP_MOD)
#define CONFIG_FLAGS_1_5_34 (CONFIG_FLAGS_1_5_05 | TD_FLAG_MAXPA_VIRT | TD_FLAG_MAXGPA_VIRT)

/* TDX_FEATURES0: bits of what the later modules have more than 1.5.05. */
#define FEATURES0_1_5_05 UINT64_C(0x1f0fbf)
#define FEATURES0_1_5_34                                                        \
    (FEATURES0_1_5_05 | 1u << 24 /* event filtering */ | 1u << 25 /* ICSSD */ | \
     1u << 27 /* MAXPA_VIRT */ |                                                \
     1u << 29 /* CPUID2_VIRT */ | 1u << 30 /* VE_REDUCTION */ |                 \
     UINT64_C(1) << 33 /* MAXGPA_VIRT */)
#define FEATURES0_2_0_08 (FEATURES0_1_5_34 | 1u << 6 /* TDX Connect */)

/* SHA-384 of module 1.5.05 as its release notes give it. */
static const uint8_t mrseam_1_5_05[48] = {
    0x1c, 0xc6, 0xa1, 0x7a, 0xb7, 0x99, 0xe9, 0xa6, 0x93, 0xfa, 0xc7, 0x53, 0x6b, 0xe6, 0x1c, 0x12,
    0xee, 0x1e, 0x0f, 0xab, 0xad, 0xa8, 0x2d, 0x0c, 0x99, 0x9e, 0x08, 0xcc, 0xee, 0x2a, 0xa8, 0x6d,
    0xe7, 0x7b, 0x08, 0x70, 0xf5, 0x58, 0xc5, 0x70, 0xe7, 0xff, 0xe5, 0x5d, 0x6d, 0x47, 0xfa, 0x04,
};

static const ModuleVersion versions[] = {
    {
        .major = 1, .minor = 5, .update = 5,
        .cpuid = &cpuid_table_1_5_05,
        .attributes_fixed0 = ATTRIBUTES_1_5_05,
        .xfam_fixed0 = XFAM_ALL,
        .config_flags_fixed0 = CONFIG_FLAGS_1_5_05,
        .features0 = FEATURES0_1_5_05,
        .needs_maxpa_52 = true,
        .mrseam = mrseam_1_5_05,
        .known = "CPUID, ATTRIBUTES, XFAM, CONFIG_FLAGS, MSRs, CRs, TDX_FEATURES0, statuses",
        .assumed = "values of VMX capability MSRs",
    },
    {
        .major = 1, .minor = 5, .update = 34,
        .cpuid = &cpuid_table_1_5_34,
        .attributes_fixed0 = ATTRIBUTES_1_5_34,
        .xfam_fixed0 = XFAM_ALL,
        .config_flags_fixed0 = CONFIG_FLAGS_1_5_34,
        .features0 = FEATURES0_1_5_34,
        .reduces_ve = true,
        .known = "CPUID, ATTRIBUTES, XFAM, CONFIG_FLAGS, TD_CTLS",
        .assumed = "MSRs and CRs (as in the 2.0 line), TDX_FEATURES0, MRSEAM",
    },
    {
        .major = 2, .minor = 0, .update = 8,
        .cpuid = &cpuid_table_2_0_08,
        .attributes_fixed0 = ATTRIBUTES_2_0_08,
        .xfam_fixed0 = XFAM_ALL,
        .config_flags_fixed0 = CONFIG_FLAGS_1_5_34,
        .features0 = FEATURES0_2_0_08,
        .reduces_ve = true,
        .known = "CPUID, ATTRIBUTES, XFAM, CONFIG_FLAGS",
        .assumed = "MSRs, CRs and TD_CTLS (read in a later module of the 2.0 line), TDX_FEATURES0, "
                   "MRSEAM",
    },
};

const ModuleVersion *module_version_at(unsigned i)
{
    return i < sizeof(versions) / sizeof(versions[0]) ? &versions[i] : NULL;
}

const ModuleVersion *module_version(const Profile *profile)
{
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        const ModuleVersion *v = &versions[i];
        if (profile->module_major == v->major && profile->module_minor == v->minor &&
            profile->module_update == v->update) {
            return v;
        }
    }
    return NULL;
}
