/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by tdx-ops.c and tdx-memory.c. */
#ifndef SWTDX_KVM_TDX_OPS_H
#define SWTDX_KVM_TDX_OPS_H

#include "host.h"

/* KVM_TDX_INIT_MEM_REGION; progress is written back on every outcome. */
int tdx_init_mem_region(Vcpu *vcpu, const AbiTdxCmd *cmd);

#endif
