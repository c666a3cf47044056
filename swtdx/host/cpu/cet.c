/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of control-flow enforcement: what is on, and which values its registers take. */
#include "cet.h"

#include "features.h"

#define SHADOW_BITS ((uint64_t)(CET_SH_STK_EN | CET_WR_SHSTK_EN))
#define TRACKER_STATE ((uint64_t)(CET_SUPPRESS | CET_TRACKER))
#define TRACKING_BITS                                                                          \
    ((uint64_t)(CET_ENDBR_EN | CET_LEG_IW_EN | CET_NO_TRACK_EN | CET_SUPPRESS_DIS) | TRACKER_STATE \
     | ~UINT64_C(0xfff))

uint32_t cet_mode(const Cpu *cpu)
{
    uint64_t control = cpu->cpl == 3 ? cpu->u_cet : cpu->s_cet;
    uint32_t mode = 0;
    if (!(cpu->cr4 & CR4_CET) || !(cpu->cr0 & CR0_PE)) {
        return 0;
    }
    if (control & CET_SH_STK_EN) {
        mode |= CPU_MODE_SHSTK;
    }
    if (control & CET_ENDBR_EN) {
        mode |= control & CET_SUPPRESS ? CPU_MODE_SUPPRESSED : CPU_MODE_IBT;
        mode |= control & CET_TRACKER ? CPU_MODE_WAIT : 0;
    }
    return mode;
}

/* SDM vol. 4, IA32_U_CET: SUPPRESS may be set only where TRACKER is idle. */
bool cet_control_valid(const Cpu *cpu, uint64_t value)
{
    uint64_t valid = cpu->world->has_feature((Cpu *)cpu, FEATURE(7u, 0, 2, 7)) ? SHADOW_BITS : 0;
    valid |= cpu->world->has_feature((Cpu *)cpu, FEATURE(7u, 0, 3, 20)) ? TRACKING_BITS : 0;
    return !(value & ~valid) && (value & TRACKER_STATE) != TRACKER_STATE
           && cpu_canonical_widest(cpu, value & ~UINT64_C(0xfff));
}

bool cet_ssp_valid(const Cpu *cpu, uint64_t value)
{
    return !(value & 3) && cpu_canonical_widest(cpu, value);
}
