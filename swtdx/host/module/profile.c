/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions about a profile: is it one, what does its processor answer to CPUID. */
#include <string.h>

#include "module.h"

static bool terminated(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

bool profile_valid(const void *blob, size_t size)
{
    const Profile *p = blob;
    if (!blob || size != sizeof(Profile) || p->magic != PROFILE_MAGIC ||
        p->version != PROFILE_VERSION || p->size != sizeof(Profile) ||
        p->num_cpuid > PROFILE_MAX_CPUID || p->num_files > PROFILE_MAX_FILES) {
        return false;
    }
    if (!terminated(p->name, sizeof(p->name)) ||
        !terminated(p->description, sizeof(p->description)) ||
        !terminated(p->kernel_release, sizeof(p->kernel_release))) {
        return false;
    }
    for (uint32_t i = 0; i < p->num_files; i++) {
        if (!terminated(p->files[i].path, sizeof(p->files[i].path)) ||
            !terminated(p->files[i].text, sizeof(p->files[i].text))) {
            return false;
        }
    }
    return p->phys_bits >= 32 && p->phys_bits <= 52 && p->native_tsc_khz && p->logical_cpus;
}

static uint32_t max_leaf(const Profile *profile, uint32_t base)
{
    for (uint32_t i = 0; i < profile->num_cpuid; i++) {
        if (profile->cpuid[i].leaf == base) {
            return profile->cpuid[i].regs[0];
        }
    }
    return base;
}

void profile_cpuid(const Profile *profile, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    memset(out, 0, 4 * sizeof(out[0]));
    if (leaf > max_leaf(profile, leaf & 0x80000000u)) {
        return;
    }
    for (uint32_t i = 0; i < profile->num_cpuid; i++) {
        const ProfileCpuid *c = &profile->cpuid[i];
        if (c->leaf == leaf && (!c->has_subleaf || c->subleaf == subleaf)) {
            memcpy(out, c->regs, sizeof(c->regs));
            return;
        }
    }
}
