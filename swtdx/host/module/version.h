/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the TDX modules that can be played: one constant row per version. Which
 * values were read in a module's source and which follow from another version's stands in `known`
 * and `assumed`.
 */
#ifndef SWTDX_VERSION_H
#define SWTDX_VERSION_H

#include "cpuid-table.h"
#include "profile.h"

typedef struct ModuleVersion {
    uint32_t major, minor, update;
    const CpuidTable *cpuid;
    /* bits a TD may set, before what the processor lacks is taken away */
    uint64_t attributes_fixed0;
    uint64_t xfam_fixed0;
    uint64_t config_flags_fixed0;
    uint64_t features0;           /* TDX_FEATURES0, what TDG.SYS.RD tells */
    /* TD_CTLS.VIRT_CPUID2, REDUCE_VE and LOCK; FEATURE_PARAVIRT_CTLS; the later MSR table */
    bool reduces_ve;
    bool needs_maxpa_52;          /* TDH.SYS.INIT refuses other processors */
    const uint8_t *mrseam;        /* 48 bytes; NULL: no digest was at hand */
    const char *known, *assumed;  /* for people */
} ModuleVersion;

/*
 * The profile's module; NULL: a version that is not described here, with which no TD can be made.
 */
const ModuleVersion *module_version(const Profile *profile);
/* Rows in rising order; NULL past the last. */
const ModuleVersion *module_version_at(unsigned i);

#endif
