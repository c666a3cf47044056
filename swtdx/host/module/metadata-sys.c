/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metadata fields of the module that a guest may read: its version and what it can do. Everything
 * else TDG.SYS.RD knows and keeps to the host (guest masks of the module's table; read in
 * module 1.5.01, assumed of the later ones).
 */
#include "metadata.h"
#include "module.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const MetadataField fields[] = {
    {UINT64_C(0x0800000200000000), 1}, /* VENDOR_ID */
    {UINT64_C(0x0800000100000003), 2}, /* MINOR_VERSION, MAJOR_VERSION */
    {UINT64_C(0x0a00000200000000), 1}, /* SYS_ATTRIBUTES */
    {UINT64_C(0x0a00000000000001), 1}, /* NUM_TDX_FEATURES */
    {UINT64_C(0x0a00000300000008), 1}, /* TDX_FEATURES0 */
    {UINT64_C(0xa000000300000000), 1}, /* MIG_ATTRIBUTES */
    {UINT64_C(0x2000000100000001),
     4}, /* versions for export and import, the least and the greatest */
    {UINT64_C(0xa200000100000000), 1}, /* GUEST_L2_GPA_ATTR_MASK */
};

static const MetadataField host_fields[] = {
    {UINT64_C(0x0000000200000000), 9}, /* NUM_PKGS, PKG_FMS */
    {UINT64_C(0x0800000200000001), 2}, /* BUILD_DATE, BUILD_NUM */
    {UINT64_C(0x0800000100000005), 2}, /* UPDATE_VERSION, INTERNAL_VERSION */
    {UINT64_C(0x8900000100000000), 7}, /* hand-off */
    {UINT64_C(0x9000000100000000), 1}, /* NUM_CMRS */
    {UINT64_C(0x9000000300000080), 0xa0}, /* CMR_BASE, CMR_SIZE */
    {UINT64_C(0x9100000100000008), 2}, /* MAX_TDMRS, MAX_RESERVED_PER_TDMR */
    {UINT64_C(0x9100000100000010), 3}, /* PAMT_*_ENTRY_SIZE */
    {UINT64_C(0x9800000100000000), 1}, /* TDR_BASE_SIZE */
    {UINT64_C(0x9800000100000100), 2}, /* TDCS_* */
    {UINT64_C(0x9800000100000200), 2}, /* TDVPS_* */
    {UINT64_C(0x1900000300000000), 5}, /* ATTRIBUTES_FIXED0, 1, XFAM_FIXED0, 1, NUM_CPUID_CONFIG */
    {UINT64_C(0x9900000300000006), 3}, /* CONFIG_FLAGS_FIXED0, 1, MAX_VCPUS_PER_TD */
    {UINT64_C(0x9900000300000400), PROFILE_MAX_CPUID_CONFIG},
    {UINT64_C(0x9900000300000500), PROFILE_MAX_CPUID_CONFIG * 2},
    {UINT64_C(0x9900000300000600), 1}, /* IA32_ARCH_CAPABILITIES_CONFIG_MASK */
    {UINT64_C(0x9900000100000800), 2}, /* NUM_ALLOWED_FMS, NUM_DISALLOWED_FMS */
    {UINT64_C(0x9900000300000810), 0x80}, /* ALLOWED_FMS, DISALLOWED_FMS */
    {UINT64_C(0xa000000100000010), 1}, /* MAX_MIGS */
    {UINT64_C(0xa000000000000020), 3}, /* NUM_*_STATE_PAGES */
    {UINT64_C(0xa100000100000000), 3}, /* service TDs */
    {UINT64_C(0xa200000300000001), 6}, /* *_CTLS_FIXED* */
};

TdxStatus metadata_sys_read(const Profile *profile, uint64_t id, uint64_t *value)
{
    uint64_t key = FIELD_KEY(id), code = key & 0xffffff;
    *value = 0;
    if (!metadata_id_single(id)) {
        return TDX_METADATA_FIELD_ID_INCORRECT;
    }
    if (!metadata_find(fields, COUNT(fields), key)) {
        return metadata_find(host_fields, COUNT(host_fields), key)
                   ? TDX_METADATA_FIELD_NOT_READABLE
                   : TDX_METADATA_FIELD_ID_INCORRECT;
    }
    switch (key >> 24) {
    case 0x08:
        *value = code == 0 ? 0x8086 : code == 3 ? profile->module_minor : profile->module_major;
        break;
    case 0x0a:
        /* SYS_ATTRIBUTES: no debug module; one field of features. */
        *value = code == 8 ? module_version(profile)->features0 : code == 1;
        break;
    default:
        break; /* nothing can be migrated, and there are no L2 VMs */
    }
    return TDX_SUCCESS;
}

uint64_t metadata_sys_next(uint64_t id)
{
    return metadata_next(fields, COUNT(fields), id);
}

#define LAST_FIELD_SHIFT 38 /* LAST_FIELD_IN_SEQUENCE: 46:38 */

TdxStatus metadata_sys_list(const Profile *profile, uint64_t id, uint64_t list[METADATA_SYS_LIST])
{
    uint64_t value, sequences = 0, n = 1;
    id = id == METADATA_FIRST ? metadata_sys_next(id) : id;
    TdxStatus status = metadata_sys_read(profile, id, &value);
    if (status) {
        return TDX_METADATA_FIELD_ID_INCORRECT;
    }
    for (; id != METADATA_END; sequences++) {
        const MetadataField *run = metadata_find(fields, COUNT(fields), FIELD_KEY(id));
        uint64_t left = run->count - (FIELD_KEY(id) - FIELD_KEY(run->id));
        list[n++] = id | (left - 1) << LAST_FIELD_SHIFT;
        for (; left; left--, id = metadata_sys_next(id)) {
            metadata_sys_read(profile, id, &list[n++]);
        }
    }
    list[0] = n * 8 | sequences << 16;
    return TDX_SUCCESS;
}
