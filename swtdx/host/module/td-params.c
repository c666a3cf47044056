/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks of TD_PARAMS as TDH.MNG.INIT makes them: pure functions of the profile and the parameters.
 */
#include "module.h"

/* EPTP_CONTROLS: write-back, walk length less 1 in bits 5:3. */
#define EPTP_4_LEVELS UINT64_C(0x1e)
#define EPTP_5_LEVELS UINT64_C(0x26)

/* Units of 25 MHz: 100 MHz to 10 GHz. */
#define TSC_FREQUENCY_MIN 4
#define TSC_FREQUENCY_MAX 400

uint64_t module_attributes_fixed0(const Profile *profile)
{
    const ModuleVersion *version = module_version(profile);
    uint64_t mask = version ? version->attributes_fixed0 : 0;
    uint32_t regs[4];
    profile_cpuid(profile, 7, 1, regs);
    if (!(regs[0] & 1u << 6)) {
        mask &= ~TD_ATTR_LASS;
    }
    profile_cpuid(profile, 7, 0, regs);
    if (!(regs[2] & 1u << 31)) {
        mask &= ~TD_ATTR_PKS;
    }
    return mask;
}

uint64_t module_xfam_fixed0(const Profile *profile)
{
    const ModuleVersion *version = module_version(profile);
    return version ? version->xfam_fixed0 & (profile->xcr0 | profile->xss) : 0;
}

bool xfam_valid(uint64_t xfam, uint64_t allowed)
{
    uint64_t avx512 = xfam & XFAM_AVX512, cet = xfam & XFAM_CET, amx = xfam & XFAM_AMX;
    if (xfam & ~allowed) {
        return false;
    }
    if (avx512 && (avx512 != XFAM_AVX512 || !(xfam & XFAM_AVX))) {
        return false;
    }
    return (!cet || cet == XFAM_CET) && (!amx || amx == XFAM_AMX);
}

static bool attributes_valid(const Profile *profile, uint64_t attributes)
{
    if (attributes & ~module_attributes_fixed0(profile)) {
        return false;
    }
    if ((attributes & TD_ATTR_MIGRATABLE) && (attributes & (TD_ATTR_DEBUG | TD_ATTR_PERFMON))) {
        return false;
    }
    return !(attributes & TD_ATTR_PERFMON) || !(attributes & TD_ATTR_ICSSD);
}

uint64_t module_config_flags_fixed0(const Profile *profile)
{
    const ModuleVersion *version = module_version(profile);
    uint64_t mask = version ? version->config_flags_fixed0 : 0;
    return profile->ept5 ? mask : mask & ~TD_FLAG_GPAW;
}

static bool config_flags_valid(const Profile *profile, uint64_t flags)
{
    uint64_t virtual_widths = TD_FLAG_MAXPA_VIRT | TD_FLAG_MAXGPA_VIRT;
    return !(flags & ~module_config_flags_fixed0(profile)) &&
           (flags & virtual_widths) != virtual_widths;
}

static bool eptp_valid(const Profile *profile, uint64_t eptp, uint64_t flags)
{
    if (eptp == EPTP_4_LEVELS) {
        return !(flags & TD_FLAG_GPAW);
    }
    return eptp == EPTP_5_LEVELS && profile->ept5 && profile->phys_bits >= 49;
}

TdxStatus td_params_check(const Profile *profile, const TdParams *params)
{
    if (!attributes_valid(profile, params->attributes)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_ATTRIBUTES;
    }
    if ((params->xfam & XFAM_X87_SSE) != XFAM_X87_SSE ||
        !xfam_valid(params->xfam, module_xfam_fixed0(profile))) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_XFAM;
    }
    if (!params->max_vcpus || params->max_vcpus > profile->max_vcpus_per_td) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_MAX_VCPUS;
    }
    if (!config_flags_valid(profile, params->config_flags)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_EXEC_CONTROLS;
    }
    if (!eptp_valid(profile, params->eptp_controls, params->config_flags)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_EPTP_CONTROLS;
    }
    if (params->tsc_frequency < TSC_FREQUENCY_MIN || params->tsc_frequency > TSC_FREQUENCY_MAX) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_TSC_FREQUENCY;
    }
    return TDX_SUCCESS;
}
