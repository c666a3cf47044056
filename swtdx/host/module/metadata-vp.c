/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metadata fields of a vCPU that a guest may reach: its index, and what makes CPUID raise #VE
 * (guest masks of the module's table of fields; read in module 1.5.01, assumed of the later ones).
 * Controls of L2 VMs can be written and read back.
 */
#include "metadata.h"
#include "module.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CLASS_MANAGEMENT 0x20
#define CLASS_CPUID_CONTROL 0x21

enum {
    CODE_VCPU_INDEX = 2,
    CODE_CPUID_SUPERVISOR_VE = 7,
    CODE_CPUID_USER_VE = 8,
    CODE_L2_CTLS = 0x50,
    CODE_TSC_DEADLINE = 0x58,
};

static const MetadataField vp_fields[] = {
    {UINT64_C(0xa020000200000002), 1},                 /* VCPU_INDEX */
    {UINT64_C(0xa020000000000007), 2},                 /* CPUID_SUPERVISOR_VE, CPUID_USER_VE */
    {UINT64_C(0xa020000300000050), TD_VMS},            /* L2_CTLS */
    {UINT64_C(0xa020000300000058), TD_VMS},            /* TSC_DEADLINE */
    {UINT64_C(0xa120000000000000), TD_CPUID_CONTROLS}, /* CPUID_CONTROL */
};

/* Fields that exist and are the host's, of a debuggable TD, or nobody's. */
static const MetadataField host_fields[] = {
    {UINT64_C(0x0120000300000000), 128},    /* VAPIC */
    {UINT64_C(0x0220000200000000), 6},      /* EXIT_REASON .. EPTP_INDEX */
    {UINT64_C(0x8220000200000010), 2},      /* INSTRUCTION_LENGTH, INSTRUCTION_INFORMATION */
    {UINT64_C(0x1020000300000000), 16},     /* RAX .. R15 */
    {UINT64_C(0x1120000300000000), 4},      /* DR0 .. DR3 */
    {UINT64_C(0x1120000300000006), 1},      /* DR6 */
    {UINT64_C(0x1120000300000020), 1},      /* XCR0 */
    {UINT64_C(0x1120000300000028), 1},      /* CR2 */
    {UINT64_C(0x9120000300000100), 1},      /* VCPU_STATE_DETAILS */
    {UINT64_C(0x1220000300000000), 1536},   /* XBUFF */
    {UINT64_C(0x1320000300000000), 0x2104}, /* MSRs */
    {UINT64_C(0xa020000000000000), 1},      /* VCPU_STATE */
    {UINT64_C(0xa020000000000003), 4},      /* NUM_TDVPS_PAGES .. VCPU_EPOCH */
    {UINT64_C(0xa02000030000000a), 0x46},   /* LAST_EXIT_TSC .. */
    {UINT64_C(0xa020000300000054), 4},      /* L2_DEBUG_CTLS */
    {UINT64_C(0xa02000030000005c), 0xbc},   /* SHADOW_TSC_DEADLINE .. L2_VAPIC_HPA */
    {UINT64_C(0xa220000300000200), 32},     /* LAST_EPF_GPA_LIST */
};

/*
 * Class 0 is the TD's VMCS, by the encodings of SDM vol. 3, appendix B: none of it is for guests.
 * Which of the encodings stand for fields is not looked at; the upper halves (bit 0) do not.
 */
static bool is_vmcs_field(uint64_t key)
{
    return key < 0x8000 && !(key & 0x1001);
}

static uint64_t read_field(const TdVcpu *vcpu, uint64_t class, uint64_t code)
{
    if (class == CLASS_CPUID_CONTROL) {
        return vcpu->cpuid_control[code];
    }
    switch (code) {
    case CODE_VCPU_INDEX:
        return vcpu->index;
    case CODE_CPUID_SUPERVISOR_VE:
        return vcpu->cpuid_ve & 1;
    case CODE_CPUID_USER_VE:
        return vcpu->cpuid_ve >> 1 & 1;
    default:
        return code < CODE_TSC_DEADLINE ? vcpu->l2_ctls[code - CODE_L2_CTLS]
                                        : vcpu->l2_deadline[code - CODE_TSC_DEADLINE];
    }
}

TdxStatus metadata_vp_read(const TdVcpu *vcpu, uint64_t id, uint64_t *value)
{
    uint64_t key = FIELD_KEY(id);
    *value = 0;
    if (!metadata_id_single(id)) {
        return TDX_METADATA_FIELD_ID_INCORRECT;
    }
    if (!metadata_find(vp_fields, COUNT(vp_fields), key)) {
        bool exists = is_vmcs_field(key) || metadata_find(host_fields, COUNT(host_fields), key);
        return exists ? TDX_METADATA_FIELD_NOT_READABLE : TDX_METADATA_FIELD_ID_INCORRECT;
    }
    *value = read_field(vcpu, key >> 24, key & 0xffffff);
    return TDX_SUCCESS;
}

uint64_t metadata_vp_next(uint64_t id)
{
    return metadata_next(vp_fields, COUNT(vp_fields), id);
}

static uint64_t writable_bits(uint64_t class, uint64_t code)
{
    if (class == CLASS_CPUID_CONTROL) {
        return 3;
    }
    switch (code) {
    case CODE_VCPU_INDEX:
        return 0;
    case CODE_CPUID_SUPERVISOR_VE:
    case CODE_CPUID_USER_VE:
        return 0xff;
    default:
        return code < CODE_TSC_DEADLINE ? 7 : UINT64_MAX;
    }
}

static void write_field(TdVcpu *vcpu, uint64_t class, uint64_t code, uint64_t value)
{
    if (class == CLASS_CPUID_CONTROL) {
        vcpu->cpuid_control[code] = (uint8_t)value;
    } else if (code == CODE_CPUID_SUPERVISOR_VE || code == CODE_CPUID_USER_VE) {
        uint8_t bit = code == CODE_CPUID_SUPERVISOR_VE ? 1 : 2;
        vcpu->cpuid_ve = (uint8_t)((vcpu->cpuid_ve & ~bit) | (value ? bit : 0));
    } else if (code < CODE_TSC_DEADLINE) {
        vcpu->l2_ctls[code - CODE_L2_CTLS] = value;
    } else {
        vcpu->l2_deadline[code - CODE_TSC_DEADLINE] = value;
    }
}

TdxStatus metadata_vp_write(TdVcpu *vcpu, uint64_t id, uint64_t value, uint64_t mask, uint64_t *old)
{
    uint64_t key = FIELD_KEY(id), class = key >> 24, code = key & 0xffffff;
    TdxStatus status = metadata_vp_read(vcpu, id, old);
    if (status) {
        return status == TDX_METADATA_FIELD_NOT_READABLE ? TDX_METADATA_FIELD_NOT_WRITABLE : status;
    }
    uint64_t writable = writable_bits(class, code);
    if (!(mask & writable)) {
        return TDX_METADATA_FIELD_NOT_WRITABLE;
    }
    if ((value ^ *old) & mask & ~writable) {
        return TDX_METADATA_FIELD_VALUE_NOT_VALID;
    }
    write_field(vcpu, class, code, (*old & ~(mask & writable)) | (value & mask & writable));
    return TDX_SUCCESS;
}
