/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by tdx-ops.c and tdx-memory.c. */
#ifndef SWTDX_KVM_TDX_OPS_H
#define SWTDX_KVM_TDX_OPS_H

#include "host.h"

#endif
