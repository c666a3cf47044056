/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metadata fields of a TD (1.8 of the module reference), and how runs of fields are found and
 * walked.
 */
#include <string.h>

#include "metadata.h"
#include "module.h"
#include "paravirt.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/*
 * What guests may read (guest masks of the module's table of fields; read in module 1.5.01, the
 * later ones as far as named).
 */
static const MetadataField td_fields[] = {
    {UINT64_C(0x8010000300000020), 4}, /* TD_UUID */
    {UINT64_C(0x9010000200000001), 1}, /* NUM_VCPUS */
    {UINT64_C(0x9010000100000005), 1}, /* NUM_L2_VMS */
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
    {UINT64_C(0x9810000300000040), 4}, /* PRE_IMPORT_UUID */
    {UINT64_C(0x9910000300000000), 6}, /* SERVTD_HASH */
    {UINT64_C(0x9910000100000006), 1}, /* SERVTD_NUM */
    {UINT64_C(0x9910000300000080), 16}, /* SERVTD_BINDINGS_TABLE */
};

/* Fields that exist and are the host's alone. */
static const MetadataField host_fields[] = {
    {UINT64_C(0x8010000000000001), 1}, /* FATAL */
    {UINT64_C(0x8010000200000002), 1}, /* NUM_TDCX */
    {UINT64_C(0x8010000300000004), 2}, /* CHLDCNT, LIFECYCLE_STATE */
    {UINT64_C(0x8010000300000010), 9}, /* TDCX_PA */
    {UINT64_C(0x8110000100000001), 2}, /* HKID, PKG_CONFIG_BITMAP */
    {UINT64_C(0x8210000100000000), 6}, /* HANDOFF_VERSION, SEAMDB_INDEX, SEAMDB_NONCE */
    {UINT64_C(0x9010000200000002), 1}, /* NUM_ASSOC_VCPUS */
    {UINT64_C(0x9010000200000004), 1}, /* OP_STATE */
    {UINT64_C(0x1110000300000004), 1}, /* EPTP */
    {UINT64_C(0x111000030000000a), 2}, /* TSC_OFFSET, TSC_MULTIPLIER */
    {UINT64_C(0x111000030000000d), 3}, /* VIRTUAL_TSC, NUM_CPUID_VALUES, XBUFF_SIZE */
    {UINT64_C(0x9110000300000011), 5}, /* HP_LOCK_TIMEOUT, VM_CTLS */
    {UINT64_C(0x9110000000000080), 80}, /* CPUID_VALID */
    {UINT64_C(0x9110000200000800), 19}, /* XBUFF_OFFSETS */
    {UINT64_C(0x9410000300000000), 1 << 17}, /* CPUID_VALUES */
    {UINT64_C(0x961000030000010a), 1}, /* VIRTUAL_IA32_ARCH_CAPABILITIES */
    {UINT64_C(0x9610000300000480), 0x14}, /* VIRTUAL_IA32_VMX_* */
    {UINT64_C(0x9810000000000001), 6}, /* migration: keys, counts, versions */
    {UINT64_C(0x9810000300000010), 18},
    {UINT64_C(0x9810000300000030), 5},
    {UINT64_C(0x9a10000300000000), 512}, /* MIGSC_LINKS */
    {UINT64_C(0x2010000300000000), 512}, /* MSR_BITMAPS */
    {UINT64_C(0x2110000300000000), 512}, /* SEPT_ROOT */
    {UINT64_C(0x2510000300000000), 512}, /* L2_SEPT_ROOT_1 .. 3 */
    {UINT64_C(0x2910000300000000), 512},
    {UINT64_C(0x2d10000300000000), 512},
};

/* The run that holds a key, or NULL. */
const MetadataField *metadata_find(const MetadataField *fields, size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t first = FIELD_KEY(fields[i].id);
        if (key >= first && key < first + fields[i].count) {
            return &fields[i];
        }
    }
    return NULL;
}

uint64_t metadata_next(const MetadataField *fields, size_t n, uint64_t id)
{
    if (id == METADATA_FIRST) {
        return fields[0].id;
    }
    const MetadataField *field = metadata_find(fields, n, FIELD_KEY(id));
    if (!field) {
        return METADATA_END;
    }
    uint64_t offset = FIELD_KEY(id) - FIELD_KEY(field->id) + 1;
    if (offset < field->count) {
        return field->id + offset;
    }
    return field + 1 < fields + n ? field[1].id : METADATA_END;
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

/* There are no L2 VMs and no service TDs, and the TD was not imported: those fields are 0. */
static uint64_t read_state(const Td *td, uint64_t key)
{
    if (key == FIELD_KEY(UINT64_C(0x9010000200000001))) {
        return td->num_vcpus;
    }
    return key >> 24 == 0 ? word(td->uuid, (key & 0xffffff) - 0x20) : 0;
}

TdxStatus metadata_td_read(const Td *td, uint64_t id, uint64_t *value)
{
    uint64_t key = FIELD_KEY(id);
    *value = 0;
    if (!metadata_id_single(id)) {
        return TDX_METADATA_FIELD_ID_INCORRECT;
    }
    if (!metadata_find(td_fields, COUNT(td_fields), key)) {
        return metadata_find(host_fields, COUNT(host_fields), key)
                   ? TDX_METADATA_FIELD_NOT_READABLE
                   : TDX_METADATA_FIELD_ID_INCORRECT;
    }
    if (key >> 24 == 0x11) {
        return read_control(td, key & 0xffffff, value) ? TDX_SUCCESS
                                                       : TDX_METADATA_FIELD_ID_INCORRECT;
    }
    *value = key >> 24 == 0x13 ? read_measurement(td, key & 0xffffff) : read_state(td, key);
    return TDX_SUCCESS;
}

uint64_t metadata_td_next(const Td *td, uint64_t id)
{
    uint64_t value;
    do {
        id = metadata_next(td_fields, COUNT(td_fields), id);
    } while (id != METADATA_END && metadata_td_read(td, id, &value));
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
    if ((changed & TD_CTLS_PENDING_VE_DISABLE) &&
        !(td->params.config_flags & TD_FLAG_FLEXIBLE_PENDING_VE)) {
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
    TdxStatus status = metadata_td_read(td, id, old);
    if (status) {
        return status == TDX_METADATA_FIELD_NOT_READABLE ? TDX_METADATA_FIELD_NOT_WRITABLE : status;
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
