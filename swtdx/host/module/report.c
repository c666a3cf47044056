/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDREPORT (TDX module ABI specification, TDREPORT_STRUCT). The MAC is HMAC-SHA-256 under a key that everybody can read
 * here: a report of a software TD proves nothing, and is the same in each run.
 */
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

/* SHA-384 of module 1.5.05 as its release notes give it. */
static const uint8_t mrseam_1_5_05[48] = {
    0x1c, 0xc6, 0xa1, 0x7a, 0xb7, 0x99, 0xe9, 0xa6, 0x93, 0xfa, 0xc7, 0x53, 0x6b, 0xe6, 0x1c, 0x12,
    0xee, 0x1e, 0x0f, 0xab, 0xad, 0xa8, 0x2d, 0x0c, 0x99, 0x9e, 0x08, 0xcc, 0xee, 0x2a, 0xa8, 0x6d,
    0xe7, 0x7b, 0x08, 0x70, 0xf5, 0x58, 0xc5, 0x70, 0xe7, 0xff, 0xe5, 0x5d, 0x6d, 0x47, 0xfa, 0x04,
};

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

static void fill_tcb_info(const Profile *profile, uint8_t *info)
{
    uint8_t svn[16] = {(uint8_t)profile->module_update, (uint8_t)profile->module_minor >= 5 ? 1 : 0};
    put_u64(info, TCB_VALID);
    memcpy(info + 8, svn, sizeof(svn));
    memcpy(info + 24, mrseam_1_5_05, sizeof(mrseam_1_5_05));
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
    hmac_sha256((const uint8_t *)report_key, sizeof(report_key), report, MAC_OFFSET, report + MAC_OFFSET);
}

TdxStatus report_verify(const Profile *profile, const uint8_t mac_struct[REPORTMACSTRUCT_SIZE])
{
    uint8_t mac[32], svn[16];
    cpusvn(profile, svn);
    if (memcmp(mac_struct + 16, svn, sizeof(svn)) != 0) {
        return TDX_INVALID_CPUSVN;
    }
    hmac_sha256((const uint8_t *)report_key, sizeof(report_key), mac_struct, MAC_OFFSET, mac);
    return memcmp(mac, mac_struct + MAC_OFFSET, sizeof(mac)) == 0 ? TDX_SUCCESS : TDX_INVALID_REPORTMACSTRUCT;
}
