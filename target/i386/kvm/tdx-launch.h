/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between launching a TD and running it. */
#ifndef TDX_LAUNCH_H
#define TDX_LAUNCH_H

#include "target/i386/kvm/tdx.h"

/* Creates every vCPU's thread, paused. */
bool tdx_td_start_vcpus(TdxTd *td, GError **errp);

#endif
