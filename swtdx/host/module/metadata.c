/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metadata fields of the module and of a TD (1.8 of the module reference). */
#include <string.h>

#include "metadata.h"
#include "module.h"
#include "paravirt.h"

#define FIELD_KEY(id) (((id) >> 56 & 0x3f) << 24 | ((id) & 0xffffff))

/* One field, or a run of `count` fields with consecutive codes. */
typedef struct Field {
    uint64_t id;
    unsigned count;
} Field;

enum { SYS_CONFIG_LEAVES = 0x400, SYS_CONFIG_VALUES = 0x500 };

static const Field sys_fields[] = {
    {UINT64_C(0x0800000200000000), 1}, /* VENDOR_ID */
    {UINT64_C(0x0800000100000003), 4}, /* minor, major, update, internal version */
    {UINT64_C(0x0a00000300000008), 1}, /* TDX_FEATURES0 */
    {UINT64_C(0x1900000300000000), 4}, /* ATTRIBUTES_FIXED0, 1, XFAM_FIXED0, 1 */
    {UINT64_C(0x9900000100000004), 1}, /* NUM_CPUID_CONFIG */
    {UINT64_C(0x9900000300000006), 2}, /* CONFIG_FLAGS_FIXED0, 1 */
    {UINT64_C(0x9900000100000008), 1}, /* MAX_VCPUS_PER_TD */
    {UINT64_C(0x9900000300000400), PROFILE_MAX_CPUID_CONFIG},
    {UINT64_C(0x9900000300000500), PROFILE_MAX_CPUID_CONFIG * 2},
    {UINT64_C(0x9900000300000600), 1}, /* IA32_ARCH_CAPABILITIES config mask */
};

static const Field td_fields[] = {
    {UINT64_C(0x1110000300000000), 1}, /* ATTRIBUTES */
    {UINT64_C(0x1110000300000001), 1}, /* XFAM */
    {UINT64_C(0x1110000200000002), 1}, /* MAX_VCPUS */
    {UINT64_C(0x1110000000000003), 1}, /* GPAW */
    {UINT64_C(0x111000010000000c), 1}, /* TSC_FREQUENCY */
    {UINT64_C(0x9110000300000010), 1}, /* NOTIFY_ENABLES */
    {UINT64_C(0x9110000300000016), 1}, /* CONFIG_FLAGS */
    {UINT64_C(0x9110000300000017), 1}, /* TD_CTLS */
    {UINT64_C(0x9110000000000019), 1}, /* TOPOLOGY_ENUM_CONFIGURED */
    {UINT64_C(0x9110000300000022), 1}, /* FEATURE_PARAVIRT_CTLS: modules that reduce #VE */
    {UINT64_C(0x1310000300000000), 6}, /* MRTD */
    {UINT64_C(0x1310000300000010), 6}, /* MRCONFIGID */
    {UINT64_C(0x1310000300000018), 6}, /* MROWNER */
    {UINT64_C(0x1310000300000020), 6}, /* MROWNERCONFIG */
    {UINT64_C(0x1310000300000040), 24}, /* RTMR */
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The run that holds a key, or NULL. */
static const Field *find(const Field *fields, size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t first = FIELD_KEY(fields[i].id);
        if (key >= first && key < first + fields[i].count) {
            return &fields[i];
        }
    }
    return NULL;
}

static uint64_t next(const Field *fields, size_t n, uint64_t id)
{
    if (id == METADATA_FIRST) {
        return fields[0].id;
    }
    const Field *field = find(fields, n, FIELD_KEY(id));
    if (!field) {
        return METADATA_END;
    }
    uint64_t offset = FIELD_KEY(id) - FIELD_KEY(field->id) + 1;
    if (offset < field->count) {
        return field->id + offset;
    }
    return field + 1 < fields + n ? field[1].id : METADATA_END;
}

/* IA32_ARCH_CAPABILITIES bits that TD_PARAMS may set: SSB_NO, RRSBA, BHI_NO, PBRSB_NO. */
#define ARCH_CAPABILITIES_CONFIG (1u << 4 | 1u << 19 | 1u << 20 | 1u << 24)

static uint64_t pack(uint32_t low, uint32_t high)
{
    return low | (uint64_t)high << 32;
}

static bool read_cpuid_config(const TdxSysInfo *info, uint64_t code, uint64_t *value)
{
    bool values = code >= SYS_CONFIG_VALUES;
    uint64_t i = values ? (code - SYS_CONFIG_VALUES) / 2 : code - SYS_CONFIG_LEAVES;
    if (i >= info->num_cpuid_config) {
        return false;
    }
    const uint32_t *mask = info->cpuid_config[i].mask;
    if (!values) {
        *value = pack(info->cpuid_config[i].leaf,
                      info->cpuid_config[i].has_subleaf ? info->cpuid_config[i].subleaf : UINT32_MAX);
    } else {
        *value = code & 1 ? pack(mask[2], mask[3]) : pack(mask[0], mask[1]);
    }
    return true;
}

static bool read_sys_class19(const Profile *profile, uint64_t code, uint64_t *value)
{
    TdxSysInfo info;
    tdx_sys_info(profile, &info);
    switch (code) {
    case 0:
        *value = info.attributes_fixed0;
        return true;
    case 1:
        *value = info.attributes_fixed1;
        return true;
    case 2:
        *value = info.xfam_fixed0;
        return true;
    case 3:
        *value = info.xfam_fixed1;
        return true;
    case 4:
        *value = info.num_cpuid_config;
        return true;
    case 6:
        *value = module_config_flags_fixed0(profile);
        return true;
    case 7:
        *value = 0;
        return true;
    case 8:
        *value = profile->max_vcpus_per_td;
        return true;
    case 0x600:
        *value = ARCH_CAPABILITIES_CONFIG;
        return true;
    default:
        return read_cpuid_config(&info, code, value);
    }
}

bool metadata_sys_read(const Profile *profile, uint64_t id, uint64_t *value)
{
    uint64_t key = FIELD_KEY(id), code = key & 0xffffff;
    if (!find(sys_fields, COUNT(sys_fields), key)) {
        return false;
    }
    switch (key >> 24) {
    case 0x08:
        *value = code == 0 ? 0x8086 : code == 3 ? profile->module_minor : code == 4 ? profile->module_major
               : code == 5 ? profile->module_update : 0;
        return true;
    case 0x0a:
        *value = module_version(profile)->features0;
        return true;
    default:
        return read_sys_class19(profile, code, value);
    }
}

uint64_t metadata_sys_next(const Profile *profile, uint64_t id)
{
    uint64_t value;
    /* Runs are as long as the largest module's: what this one lacks is passed over. */
    do {
        id = next(sys_fields, COUNT(sys_fields), id);
    } while (id != METADATA_END && !metadata_sys_read(profile, id, &value));
    return id;
}

static uint64_t word(const uint8_t *bytes, uint64_t index)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) {
        v |= (uint64_t)bytes[index * 8 + i] << i * 8;
    }
    return v;
}

static bool read_control(const Td *td, uint64_t code, uint64_t *value)
{
    switch (code) {
    case 0:
        *value = td->params.attributes;
        return true;
    case 1:
        *value = td->params.xfam;
        return true;
    case 2:
        *value = td->params.max_vcpus;
        return true;
    case 3:
        *value = td->gpaw == 52;
        return true;
    case 0xc:
        *value = td->params.tsc_frequency;
        return true;
    case 0x10:
        *value = td->notify_enables;
        return true;
    case 0x16:
        *value = td->params.config_flags;
        return true;
    case 0x17:
        *value = atomic_load(&td->td_ctls);
        return true;
    case 0x19:
        *value = td->topology_configured;
        return true;
    case 0x22:
        *value = atomic_load(&td->paravirt_ctls);
        return td->version->reduces_ve;
    default:
        return false;
    }
}

static uint64_t read_measurement(const Td *td, uint64_t code)
{
    if (code >= 0x40) {
        return word(td->rtmr[0], code - 0x40);
    }
    if (code >= 0x20) {
        return word(td->params.mrownerconfig, code - 0x20);
    }
    if (code >= 0x18) {
        return word(td->params.mrowner, code - 0x18);
    }
    return code >= 0x10 ? word(td->params.mrconfigid, code - 0x10) : word(td->mrtd, code);
}

bool metadata_td_read(const Td *td, uint64_t id, uint64_t *value)
{
    uint64_t key = FIELD_KEY(id);
    if (!find(td_fields, COUNT(td_fields), key)) {
        return false;
    }
    if (key >> 24 == 0x11) {
        return read_control(td, key & 0xffffff, value);
    }
    *value = read_measurement(td, key & 0xffffff);
    return true;
}

uint64_t metadata_td_next(const Td *td, uint64_t id)
{
    uint64_t value;
    do {
        id = next(td_fields, COUNT(td_fields), id);
    } while (id != METADATA_END && !metadata_td_read(td, id, &value));
    return id;
}

#define KEY_NOTIFY_ENABLES FIELD_KEY(UINT64_C(0x9110000300000010))
#define KEY_TD_CTLS FIELD_KEY(UINT64_C(0x9110000300000017))
#define KEY_PARAVIRT_CTLS FIELD_KEY(UINT64_C(0x9110000300000022))

static uint64_t writable_bits(const Td *td, uint64_t key)
{
    switch (key) {
    case KEY_NOTIFY_ENABLES:
        return 1;
    case KEY_TD_CTLS:
        return paravirt_td_ctls_writable(td);
    case KEY_PARAVIRT_CTLS: /* metadata_td_read() knows it in modules that reduce #VE only */
        return PARAVIRT_ALL;
    default:
        return 0;
    }
}

/* What else a write changes is in *value. */
static bool td_ctls_valid(const Td *td, uint64_t old, uint64_t *value)
{
    *value = paravirt_td_ctls_implied(*value);
    uint64_t changed = old ^ *value;
    if ((changed & TD_CTLS_PENDING_VE_DISABLE) && !(td->params.config_flags & TD_FLAG_FLEXIBLE_PENDING_VE)) {
        return false;
    }
    return !(changed & *value & TD_CTLS_ENUM_TOPOLOGY) || td->topology_configured;
}

static bool field_value_valid(const Td *td, uint64_t key, uint64_t old, uint64_t *value)
{
    if (key == KEY_NOTIFY_ENABLES) {
        return true;
    }
    if ((atomic_load(&td->td_ctls) & TD_CTLS_LOCK) && *value != old) {
        return false;
    }
    return key == KEY_PARAVIRT_CTLS || td_ctls_valid(td, old, value);
}

TdxStatus metadata_td_write(Td *td, uint64_t id, uint64_t value, uint64_t mask, uint64_t *old)
{
    uint64_t key = FIELD_KEY(id), writable = writable_bits(td, key);
    if (!metadata_td_read(td, id, old)) {
        return TDX_METADATA_FIELD_ID_INCORRECT | TDX_OPERAND_RDX;
    }
    if (!(mask & writable)) {
        return TDX_METADATA_FIELD_NOT_WRITABLE;
    }
    if ((value ^ *old) & mask & ~writable) {
        return TDX_METADATA_FIELD_VALUE_NOT_VALID;
    }
    uint64_t merged = (*old & ~(mask & writable)) | (value & mask & writable);
    if (!field_value_valid(td, key, *old, &merged)) {
        return TDX_METADATA_FIELD_VALUE_NOT_VALID;
    }
    if (key == KEY_NOTIFY_ENABLES) {
        td->notify_enables = merged;
    } else {
        atomic_store(key == KEY_TD_CTLS ? &td->td_ctls : &td->paravirt_ctls, merged);
    }
    return TDX_SUCCESS;
}
