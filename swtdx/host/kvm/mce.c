/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IA32_MCG_*, IA32_MCi_* and the two ioctls about them (Linux, arch/x86/kvm/x86.c: set_msr_mce(),
 * get_msr_mce(), kvm_vcpu_ioctl_x86_setup_mce(); vmx/tdx.c: MCG_EXT_CTL).
 */
#include "mce.h"

enum {
    MSR_MCG_CAP = 0x179, MSR_MCG_STATUS = 0x17a, MSR_MCG_CTL = 0x17b, MSR_MC0_CTL2 = 0x280,
    MSR_MC0_CTL = 0x400, MSR_MCG_EXT_CTL = 0x4d0,
};
#define CTL2_BITS UINT64_C(0x40007fff) /* CMCI_EN, threshold */
#define EXT_CTL_LMCE_EN UINT64_C(1)
#define STATUS_VAL (UINT64_C(1) << 63)
#define STATUS_UC (UINT64_C(1) << 61)
#define STATUS_PCC (UINT64_C(1) << 57)
#define STATUS_S (UINT64_C(1) << 56)
#define STATUS_AR (UINT64_C(1) << 55)

static uint32_t num_banks(const Mce *mce)
{
    return (uint32_t)(mce->cap & 0xff);
}

static bool is_ctl2(uint32_t index)
{
    return index >= MSR_MC0_CTL2 && index < MSR_MC0_CTL2 + MCE_MAX_BANKS;
}

static bool is_bank(uint32_t index)
{
    return index >= MSR_MC0_CTL && index < MSR_MC0_CTL + MCE_MAX_BANKS * 4;
}

bool mce_has(uint32_t index)
{
    return is_ctl2(index) || is_bank(index) || index == MSR_MCG_CAP || index == MSR_MCG_STATUS ||
           index == MSR_MCG_CTL || index == MSR_MCG_EXT_CTL;
}

/* Does the register exist for who asks? The host sees those that MCG_CAP denies the guest. */
static bool is_there(const Mce *mce, uint32_t index, bool host_initiated)
{
    if (is_ctl2(index)) {
        return index - MSR_MC0_CTL2 < num_banks(mce) && (host_initiated || mce->cap & MCG_CMCI_P);
    }
    if (is_bank(index)) {
        return (index - MSR_MC0_CTL) / 4 < num_banks(mce);
    }
    return host_initiated ||
           (index == MSR_MCG_CTL       ? mce->cap & MCG_CTL_P
            : index == MSR_MCG_EXT_CTL ? mce->cap & MCG_LMCE_P
                                       : true);
}

static uint64_t *register_of(Mce *mce, uint32_t index)
{
    switch (index) {
    case MSR_MCG_CAP:
        return &mce->cap;
    case MSR_MCG_STATUS:
        return &mce->status;
    case MSR_MCG_CTL:
        return &mce->ctl;
    case MSR_MCG_EXT_CTL:
        return &mce->ext_ctl;
    default:
        return is_ctl2(index) ? &mce->ctl2[index - MSR_MC0_CTL2]
                              : &mce->banks[index - MSR_MC0_CTL];
    }
}

int mce_read(Mce *mce, uint32_t index, uint64_t *value, bool host_initiated)
{
    if (!is_there(mce, index, host_initiated)) {
        return -EINVAL;
    }
    *value = *register_of(mce, index);
    return 0;
}

static bool value_valid(const Mce *mce, uint32_t index, uint64_t value, bool host_initiated)
{
    if (is_ctl2(index)) {
        return !(value & ~CTL2_BITS) && (!value || mce->cap & MCG_CMCI_P);
    }
    if (is_bank(index)) {
        /* CTL is all or nothing, but for bits 10 and 0; a guest can only clear STATUS. */
        bool control = !(index & 3) && value && (value | 1 << 10 | 1) != UINT64_MAX;
        return !control && (host_initiated || (index & 3) != 1 || !value);
    }
    switch (index) {
    case MSR_MCG_CAP:
        return false;
    case MSR_MCG_CTL:
        return !value || (value == UINT64_MAX && mce->cap & MCG_CTL_P);
    case MSR_MCG_EXT_CTL:
        return !(value & ~EXT_CTL_LMCE_EN);
    default:
        return true;
    }
}

int mce_write(Mce *mce, uint32_t index, uint64_t value, bool host_initiated)
{
    if (!is_there(mce, index, host_initiated) ||
        !value_valid(mce, index, value, host_initiated)) {
        return -EINVAL;
    }
    *register_of(mce, index) = value;
    return 0;
}

int mce_setup(Mce *mce, uintptr_t arg)
{
    uint64_t cap;
    if (user_read(&cap, arg, sizeof(cap)) < 0) {
        return -EFAULT;
    }
    uint32_t banks = cap & 0xff;
    /* 23:16: the number of extended registers, taken and not looked at */
    if (!banks || banks > MCE_MAX_BANKS || (cap & ~(MCE_SUPPORTED | 0xff00ff))) {
        return -EINVAL;
    }
    mce->cap = cap;
    if (cap & MCG_CTL_P) {
        mce->ctl = UINT64_MAX;
    }
    for (uint32_t i = 0; i < banks; i++) {
        mce->banks[i * 4] = UINT64_MAX;
        mce->ctl2[i] = cap & MCG_CMCI_P ? 0 : mce->ctl2[i];
    }
    return 0;
}

/*
 * An uncorrected error would be a #MC, which cannot be injected: as CR4.MCE of a TD is not KVM's to
 * see, it takes the guest to shut down.
 */
int mce_set(Mce *mce, uintptr_t arg, bool *shutdown)
{
    struct kvm_x86_mce in;
    *shutdown = false;
    if (user_read(&in, arg, sizeof(in)) < 0) {
        return -EFAULT;
    }
    if (in.bank >= num_banks(mce) || !(in.status & STATUS_VAL)) {
        return -EINVAL;
    }
    uint64_t *bank = &mce->banks[in.bank * 4];
    bool uncorrected = in.status & STATUS_UC;
    bool no_action = uncorrected && !in.mcg_status &&
                     !(in.status & (STATUS_PCC | STATUS_S | STATUS_AR));
    if (uncorrected && !no_action) {
        *shutdown = (!(mce->cap & MCG_CTL_P) || mce->ctl == UINT64_MAX) && bank[0] == UINT64_MAX;
        return 0;
    }
    if (no_action || !(bank[1] & STATUS_VAL) || !(bank[1] & STATUS_UC)) {
        bank[1] = in.status;
        bank[2] = in.addr;
        bank[3] = in.misc;
        mce->status = no_action ? in.mcg_status : mce->status;
    }
    return 0;
}
