/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine-check registers of a vCPU as KVM keeps them for it: storage with rules; no machine check
 * ever comes to a TD from there.
 */
#ifndef SWTDX_KVM_MCE_H
#define SWTDX_KVM_MCE_H

#include "host.h"

#define MCE_MAX_BANKS 32u

/* IA32_MCG_CAP (SDM vol. 3, 16.3.1.1). */
#define MCG_CTL_P (UINT64_C(1) << 8)
#define MCG_CMCI_P (UINT64_C(1) << 10)
#define MCG_SER_P (UINT64_C(1) << 24)
#define MCG_LMCE_P (UINT64_C(1) << 27)
/* What KVM_X86_SETUP_MCE takes beside the number of banks on an Intel host. */
#define MCE_SUPPORTED (MCG_CTL_P | MCG_CMCI_P | MCG_SER_P | MCG_LMCE_P)

typedef struct Mce {
    uint64_t cap, status, ctl, ext_ctl;
    uint64_t banks[MCE_MAX_BANKS * 4]; /* CTL, STATUS, ADDR, MISC of each */
    uint64_t ctl2[MCE_MAX_BANKS];
} Mce;

struct VcpuMsrs {
    uint64_t ucode, platform_info, misc_features, misc_enable, power_ctl, arch_capabilities, pat,
        mtrr_def;
    uint64_t mtrr[0x70]; /* 0x200..0x26f */
    uint64_t poll;
    Mce mce;
};

bool mce_has(uint32_t index);
/* 0 or -EINVAL. */
int mce_read(Mce *mce, uint32_t index, uint64_t *value, bool host_initiated);
int mce_write(Mce *mce, uint32_t index, uint64_t value, bool host_initiated);
/* KVM_X86_SETUP_MCE: 0, -EFAULT, -EINVAL. */
int mce_setup(Mce *mce, uintptr_t arg);
/* KVM_X86_SET_MCE: the same; *shutdown: an error that the guest does not survive. */
int mce_set(Mce *mce, uintptr_t arg, bool *shutdown);

#endif
