/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of TD_PARAMS as TDH.MNG.INIT makes them: pure functions of the profile and the parameters. */
#include "module.h"

/* TDX module 1.5.05: bits that a TD may set before what the processor lacks is taken away. */
#define ATTRIBUTES_FIXED0_1_5_05                                                                                   \
    (TD_ATTR_DEBUG | TD_ATTR_LASS | TD_ATTR_SEPT_VE_DISABLE | TD_ATTR_MIGRATABLE | TD_ATTR_PKS | TD_ATTR_PERFMON)
#define XFAM_FIXED0_1_5_05 UINT64_C(0x0006dbe7)
#define CONFIG_FLAGS_FIXED0_1_5_05 UINT64_C(0x7)

/* EPTP_CONTROLS: write-back, walk length less 1 in bits 5:3. */
#define EPTP_4_LEVELS UINT64_C(0x1e)
#define EPTP_5_LEVELS UINT64_C(0x26)

/* Units of 25 MHz: 100 MHz to 10 GHz. */
#define TSC_FREQUENCY_MIN 4
#define TSC_FREQUENCY_MAX 400

uint64_t module_attributes_fixed0(const Profile *profile)
{
    uint64_t mask = ATTRIBUTES_FIXED0_1_5_05;
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
    return XFAM_FIXED0_1_5_05 & (profile->xcr0 | profile->xss);
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
    return !(attributes & TD_ATTR_MIGRATABLE) || !(attributes & (TD_ATTR_DEBUG | TD_ATTR_PERFMON));
}

static bool config_flags_valid(const Profile *profile, uint64_t flags)
{
    uint64_t allowed = CONFIG_FLAGS_FIXED0_1_5_05;
    if (!profile->ept5) {
        allowed &= ~TD_FLAG_GPAW;
    }
    return !(flags & ~allowed);
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
    if ((params->xfam & XFAM_X87_SSE) != XFAM_X87_SSE || !xfam_valid(params->xfam, module_xfam_fixed0(profile))) {
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
