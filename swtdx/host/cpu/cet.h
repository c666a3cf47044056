/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control-flow enforcement (CET): shadow stacks and indirect branch tracking. Intel SDM vol. 1, ch.
 * 18, and the Operation sections of the instructions in vol. 2; names are those of the SDM.
 *
 * Cpu.mode says what is on at the present privilege, so blocks are decoded for it: with CET off
 * nothing is asked at run time. In CPU_MODE_WAIT a block holds one instruction, which must be the
 * ENDBRANCH of the mode. A branch to a block that is known to begin with it does not wait first:
 * nobody could see it.
 */
#ifndef SWTDX_CET_H
#define SWTDX_CET_H

#include "core.h"
#include "system.h"

/*
 * Bits of IA32_U_CET and IA32_S_CET; from bit 12 on the linear address of the legacy code page
 * bitmap.
 */
enum {
    CET_SH_STK_EN = 1u << 0, CET_WR_SHSTK_EN = 1u << 1, CET_ENDBR_EN = 1u << 2,
    CET_LEG_IW_EN = 1u << 3, CET_NO_TRACK_EN = 1u << 4, CET_SUPPRESS_DIS = 1u << 5,
    CET_SUPPRESS = 1u << 10, CET_TRACKER = 1u << 11,
};

/* Error codes of #CP. */
enum { CP_NEAR_RET = 1, CP_FAR_RET = 2, CP_ENDBRANCH = 3, CP_RSTORSSP = 4, CP_SETSSBSY = 5 };

#define CPU_MODE_CET (CPU_MODE_SHSTK | CPU_MODE_IBT | CPU_MODE_SUPPRESSED | CPU_MODE_WAIT)

/* IA32_U_CET at level 3, else IA32_S_CET. */
static inline uint64_t *cet_control(Cpu *cpu, unsigned cpl)
{
    return cpl == 3 ? &cpu->u_cet : &cpu->s_cet;
}

static inline bool cet_enabled(const Cpu *cpu, unsigned cpl, uint64_t bit)
{
    uint64_t control = cpl == 3 ? cpu->u_cet : cpu->s_cet;
    return unlikely(cpu->cr4 & CR4_CET) && (cpu->cr0 & CR0_PE) && (control & bit);
}

/* Bits of CPU_MODE_CET for the present privilege. (cet.c) */
uint32_t cet_mode(const Cpu *cpu);
/*
 * What WRMSR and XRSTORS take: of IA32_U_CET and IA32_S_CET, of IA32_PLi_SSP. Pure but for
 * has_feature().
 */
bool cet_control_valid(const Cpu *cpu, uint64_t value);
bool cet_ssp_valid(const Cpu *cpu, uint64_t value);

/*
 * Transfers to another segment or level (cet-far.c). Everything that can fault is done before
 * registers change; the caller calls cpu_update_mode() afterwards. `op` is the instruction, or NULL
 * for an event.
 */
typedef struct CetEntry {
    unsigned cpl;   /* to run at: the present level or an inner one */
    uint64_t ssp;   /* from cet_entry_ssp() */
    bool token;     /* ssp is another stack, whose token must say that it is free */
    bool wide;      /* to 64-bit code */
    uint64_t rip;   /* to come back to */
} CetEntry;
/*
 * SSP for a transfer to level cpl by an IDT gate with that IST, or a call gate (0). May raise #PF.
 */
uint64_t cet_entry_ssp(Cpu *cpu, unsigned cpl, unsigned ist);
/*
 * Far CALL and events: saves the user's SSP, switches and fills shadow stacks, starts waiting for
 * ENDBRANCH.
 */
void cet_enter(Cpu *cpu, const Op *op, const CetEntry *entry);
/* Far JMP to cs, at the same level. */
void cet_jump(Cpu *cpu, const Segment *cs);
/*
 * Far RET and IRET to cs:rip: checks, and the SSP to be set by cet_return_done() when the level is
 * the new one.
 */
typedef struct CetReturn {
    bool set;
    uint64_t ssp;
} CetReturn;
CetReturn cet_return(Cpu *cpu, const Op *op, const Segment *cs, uint64_t rip, bool iret);
static inline void cet_return_done(Cpu *cpu, CetReturn r)
{
    cpu->ssp = r.set ? r.ssp : cpu->ssp;
}
/* SYSCALL and SYSENTER, before CPL changes; SYSRET and SYSEXIT. */
void cet_system_call(Cpu *cpu);
void cet_system_return(Cpu *cpu);

/* ENDBR32, ENDBR64, RDSSP: NOPs where the mode says so. (cet-ops.c) */
void cet_choose_hint(const Decoded *d, Op *op, bool *ends);
/* Whether an instruction is the ENDBRANCH of the mode it is decoded for. */
bool cet_is_endbranch(const Decoded *d);
/*
 * The first instruction after an indirect branch, d NULL if it is none: leaves `op` what ENDBRANCH,
 * INT3 and INT1 are.
 */
void cet_expect_endbranch(const Decoded *d, Op *op);
/* Near branches, where the mode wants other handlers than control.c's. (cet-branch.c) */
void cet_choose_branch(const Decoded *d, Op *op);

#define DECLARE_OP(name) const Op *op_##name(Cpu *cpu, const Op *op)
DECLARE_OP(incssp);
DECLARE_OP(saveprevssp);
DECLARE_OP(rstorssp);
DECLARE_OP(wrss);
DECLARE_OP(wruss);
DECLARE_OP(setssbsy);
DECLARE_OP(clrssbsy);
#undef DECLARE_OP

#endif
