/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDREPORT (TDX module ABI specification, TDREPORT_STRUCT). The MAC is HMAC-SHA-256 under a key
 * that everybody can read here: a report of a software TD proves nothing, and is the same in each
 * run.
 */
#include <stdio.h>
#include <string.h>

#include "module.h"

#define REPORT_TYPE_TDX 0x81
#define MAC_OFFSET 224
#define TCB_INFO_OFFSET 256
#define TCB_INFO_SIZE 239
#define TDINFO_OFFSET 512
#define TDINFO_SIZE 512
/* TEE_TCB_SVN2 present (bits 16 and 17): layout of the 1.5 modules. */
#define TCB_VALID UINT64_C(0x301ff)

static const char report_key[32] = "swtdx: software TD, no security";

static void put_u64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        p[i] = (uint8_t)(v >> i * 8);
    }
}

static void cpusvn(const Profile *profile, uint8_t svn[16])
{
    memset(svn, 0, 16);
    svn[0] = 1; /* the profile's platform has one security version only */
}

/*
 * Of other modules no digest was at hand: theirs is a digest of their name, which no module's code
 * has.
 */
static void mrseam(const Profile *profile, uint8_t digest[48])
{
    const ModuleVersion *version = module_version(profile);
    char name[48];
    if (version && version->mrseam) {
        memcpy(digest, version->mrseam, 48);
        return;
    }
    int n = snprintf(name, sizeof(name), "swtdx: TDX module %u.%u.%02u", profile->module_major,
                     profile->module_minor, profile->module_update);
    sha384(name, (size_t)n, digest);
}

static void fill_tcb_info(const Profile *profile, uint8_t *info)
{
    uint8_t svn[16] = {(uint8_t)profile->module_update,
                       (uint8_t)profile->module_minor >= 5 ? 1 : 0};
    put_u64(info, TCB_VALID);
    memcpy(info + 8, svn, sizeof(svn));
    mrseam(profile, info + 24);
    memcpy(info + 128, svn, sizeof(svn));
}

static void fill_tdinfo(const Td *td, uint8_t *info)
{
    put_u64(info, td->params.attributes);
    put_u64(info + 8, td->params.xfam);
    memcpy(info + 16, td->mrtd, 48);
    memcpy(info + 64, td->params.mrconfigid, 48);
    memcpy(info + 112, td->params.mrowner, 48);
    memcpy(info + 160, td->params.mrownerconfig, 48);
    memcpy(info + 208, td->rtmr, sizeof(td->rtmr));
}

void report_make(const Td *td, const uint8_t reportdata[64], uint8_t report[TDREPORT_SIZE])
{
    memset(report, 0, TDREPORT_SIZE);
    report[0] = REPORT_TYPE_TDX;
    cpusvn(td->profile, report + 16);
    memcpy(report + 128, reportdata, 64);
    fill_tcb_info(td->profile, report + TCB_INFO_OFFSET);
    fill_tdinfo(td, report + TDINFO_OFFSET);
    sha384(report + TCB_INFO_OFFSET, TCB_INFO_SIZE, report + 32);
    sha384(report + TDINFO_OFFSET, TDINFO_SIZE, report + 80);
    hmac_sha256((const uint8_t *)report_key, sizeof(report_key), report, MAC_OFFSET,
                report + MAC_OFFSET);
}

TdxStatus report_verify(const Profile *profile, const uint8_t mac_struct[REPORTMACSTRUCT_SIZE])
{
    uint8_t mac[32], svn[16];
    cpusvn(profile, svn);
    if (memcmp(mac_struct + 16, svn, sizeof(svn)) != 0) {
        return TDX_INVALID_CPUSVN;
    }
    hmac_sha256((const uint8_t *)report_key, sizeof(report_key), mac_struct, MAC_OFFSET, mac);
    return memcmp(mac, mac_struct + MAC_OFFSET, sizeof(mac)) == 0 ? TDX_SUCCESS
                                                                  : TDX_INVALID_REPORTMACSTRUCT;
}
