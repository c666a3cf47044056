/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chooses the handlers of the system family. */
#include "system.h"

#include "cet.h"
#include "decode.h"
#include "features.h"
#include "system-misc.h"
#include "system-ops.h"

const Op *op_ud(Cpu *cpu, const Op *op)
{
    cpu->op = op;
    cpu_raise(cpu, VEC_UD, 0);
}

/* What is done with an instruction, where nothing but the mnemonic decides. */
typedef struct Choice {
    ZydisMnemonic mnemonic;
    OpFn fn;
    bool ends;        /* last of its block */
    uint8_t memory;   /* SYS_MEMORY goes into Op.flags when the operand is in memory */
    uint8_t gate;     /* GATE_* */
    uint32_t imm;     /* for Op.imm, if set_imm */
    bool set_imm;
    bool privileged;
} Choice;

/* Whether isa_feature() is asked. */
enum { GATE_ISA, GATE_NONE };

#define PLAIN(name, handler) { ZYDIS_MNEMONIC_##name, handler, .gate = GATE_ISA }
#define HINT(name) { ZYDIS_MNEMONIC_##name, op_nothing, .gate = GATE_NONE }
#define LAST(name, handler) { ZYDIS_MNEMONIC_##name, handler, .ends = true }
#define OPERAND(name, handler) { ZYDIS_MNEMONIC_##name, handler, .memory = SYS_MEMORY }
#define NUMBER(name, handler, number) \
    { ZYDIS_MNEMONIC_##name, handler, .imm = number, .set_imm = true }
#define REFUSED(name) { ZYDIS_MNEMONIC_##name, op_ud, .ends = true, .gate = GATE_NONE }

/* VMX exit reasons: SDM vol. 3, appendix C. */
#define EXITS(name, reason, g, cpl0)                                                      \
    { ZYDIS_MNEMONIC_##name, op_exit_instruction, .ends = true, .gate = g, .imm = reason, \
      .set_imm = true, .privileged = cpl0 }

static const Choice choices[] = {
    PLAIN(CPUID, op_cpuid),
    PLAIN(RDTSC, op_rdtsc),
    PLAIN(RDTSCP, op_rdtscp),
    PLAIN(RDPID, op_rdpid),
    LAST(RDPMC, op_rdpmc),
    PLAIN(RDRAND, op_rdrand),
    PLAIN(RDSEED, op_rdrand),
    LAST(HLT, op_hlt),
    { ZYDIS_MNEMONIC_TDCALL, op_tdcall, .ends = true, .gate = GATE_NONE },
    EXITS(INVD, 13, GATE_NONE, true),
    /* WBNOINVD too: Zydis sees an ignored prefix, and the exit is the same */
    EXITS(WBINVD, 54, GATE_NONE, true),
    EXITS(VMCALL, 18, GATE_NONE, false),
    EXITS(PCONFIG, 65, GATE_ISA, true),

    LAST(RDMSR, op_rdmsr),
    LAST(WRMSR, op_wrmsr),
    LAST(CLTS, op_clts),
    { ZYDIS_MNEMONIC_LMSW, op_lmsw, .ends = true, .memory = SYS_MEMORY },
    OPERAND(SMSW, op_smsw),
    LAST(INVLPG, op_invlpg),
    LAST(INVPCID, op_invpcid),
    PLAIN(XGETBV, op_xgetbv),
    LAST(XSETBV, op_xsetbv),
    PLAIN(RDPKRU, op_rdpkru),
    LAST(WRPKRU, op_wrpkru),
    PLAIN(CLI, op_cli),
    LAST(STI, op_sti),
    PLAIN(CLAC, op_clac),
    PLAIN(STAC, op_stac),

    PLAIN(LGDT, op_lgdt),
    PLAIN(LIDT, op_lidt),
    PLAIN(SGDT, op_sgdt),
    PLAIN(SIDT, op_sidt),
    OPERAND(LLDT, op_lldt),
    OPERAND(LTR, op_ltr),
    OPERAND(SLDT, op_sldt),
    OPERAND(STR, op_str),
    OPERAND(LAR, op_lar),
    OPERAND(LSL, op_lsl),
    OPERAND(VERR, op_verr),
    OPERAND(VERW, op_verw),
    OPERAND(ARPL, op_arpl),

    PLAIN(SWAPGS, op_swapgs),
    NUMBER(RDFSBASE, op_rdbase, SEG_FS),
    NUMBER(RDGSBASE, op_rdbase, SEG_GS),
    NUMBER(WRFSBASE, op_wrbase, SEG_FS),
    NUMBER(WRGSBASE, op_wrbase, SEG_GS),
    { ZYDIS_MNEMONIC_LDS, op_load_far_pointer, .ends = true, .imm = SEG_DS, .set_imm = true },
    { ZYDIS_MNEMONIC_LES, op_load_far_pointer, .ends = true, .imm = SEG_ES, .set_imm = true },
    { ZYDIS_MNEMONIC_LFS, op_load_far_pointer, .ends = true, .imm = SEG_FS, .set_imm = true },
    { ZYDIS_MNEMONIC_LGS, op_load_far_pointer, .ends = true, .imm = SEG_GS, .set_imm = true },
    { ZYDIS_MNEMONIC_LSS, op_load_far_pointer, .ends = true, .imm = SEG_SS, .set_imm = true },

    LAST(IRET, op_iret),
    LAST(IRETD, op_iret),
    LAST(IRETQ, op_iret),
    LAST(INT, op_int_n),
    { ZYDIS_MNEMONIC_INT3, op_int_n, .ends = true, .imm = VEC_BP, .set_imm = true },
    LAST(INT1, op_int1),
    PLAIN(INTO, op_into),
    { ZYDIS_MNEMONIC_SYSCALL, op_syscall, .ends = true, .gate = GATE_NONE },
    { ZYDIS_MNEMONIC_SYSRET, op_sysret, .ends = true, .gate = GATE_NONE },
    { ZYDIS_MNEMONIC_SYSENTER, op_sysenter, .ends = true, .gate = GATE_NONE },
    { ZYDIS_MNEMONIC_SYSEXIT, op_sysexit, .ends = true, .gate = GATE_NONE },

    LAST(XBEGIN, op_xbegin),
    LAST(XEND, op_gp),            /* outside a transaction (SDM vol. 2, XEND) */
    PLAIN(XABORT, op_nothing),
    PLAIN(XTEST, op_xtest),
    PLAIN(XSUSLDTRK, op_nothing),
    PLAIN(XRESLDTRK, op_nothing),

    PLAIN(MONITOR, op_monitor),
    LAST(MWAIT, op_mwait),
    PLAIN(UMONITOR, op_cache_line),
    LAST(UMWAIT, op_umwait),
    LAST(TPAUSE, op_umwait),

    PLAIN(LFENCE, op_fence),
    PLAIN(MFENCE, op_fence),
    PLAIN(SFENCE, op_fence),
    LAST(SERIALIZE, op_serialize),
    PLAIN(CLFLUSH, op_cache_line),
    PLAIN(CLFLUSHOPT, op_cache_line),
    PLAIN(CLWB, op_cache_line),
    /* Hints: where CPUID does not offer them their encodings are NOPs. */
    HINT(CLDEMOTE),
    HINT(PREFETCH),
    HINT(PREFETCHNTA),
    HINT(PREFETCHT0),
    HINT(PREFETCHT1),
    HINT(PREFETCHT2),
    HINT(PREFETCHW),
    HINT(PREFETCHWT1),
    HINT(NOP),
    { ZYDIS_MNEMONIC_PAUSE, op_pause, .gate = GATE_NONE },

    PLAIN(INCSSPD, op_incssp),
    PLAIN(INCSSPQ, op_incssp),
    PLAIN(SAVEPREVSSP, op_saveprevssp),
    PLAIN(RSTORSSP, op_rstorssp),
    PLAIN(WRSSD, op_wrss),
    PLAIN(WRSSQ, op_wrss),
    PLAIN(WRUSSD, op_wruss),
    PLAIN(WRUSSQ, op_wruss),
    PLAIN(SETSSBSY, op_setssbsy),
    PLAIN(CLRSSBSY, op_clrssbsy),

    REFUSED(UD0),
    REFUSED(UD1),
    REFUSED(UD2),
    REFUSED(RSM),
    REFUSED(GETSEC),
    REFUSED(SEAMCALL),
    REFUSED(SEAMRET),
    REFUSED(SEAMOPS),
    REFUSED(VMLAUNCH),
    REFUSED(VMRESUME),
    REFUSED(VMXOFF),
    REFUSED(VMXON),
    REFUSED(VMPTRLD),
    REFUSED(VMPTRST),
    REFUSED(VMCLEAR),
    REFUSED(VMREAD),
    REFUSED(VMWRITE),
    REFUSED(VMFUNC),
    REFUSED(INVEPT),
    REFUSED(INVVPID),
    REFUSED(ENCLS),
    REFUSED(ENCLV),
    REFUSED(ENQCMDS),
    { ZYDIS_MNEMONIC_ENQCMD, op_gp, .ends = true },
    /* no PASID in a TD: #GP(0) (TDX module specification) */
};

static bool offered(Cpu *cpu, const Decoded *d, unsigned gate)
{
    uint32_t feature = isa_feature(d->insn.meta.isa_set);
    return gate == GATE_NONE ||
           (feature != DECODE_NEVER && (!feature || cpu->world->has_feature(cpu, feature)));
}

static bool in_memory(const Decoded *d)
{
    return d->memory != ZYDIS_MAX_OPERAND_COUNT;
}

static bool choose_plain(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    for (unsigned i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        const Choice *c = &choices[i];
        if (c->mnemonic != d->insn.mnemonic) {
            continue;
        }
        op->fn = c->fn;
        *ends = *ends || c->ends;
        if (!offered(cpu, d, c->gate)) {
            op->fn = op_ud;
            *ends = true;
            return true;
        }
        if (c->memory && in_memory(d)) {
            op->flags |= c->memory;
        }
        if (c->set_imm) {
            op->imm = c->imm;
        }
        if (c->mnemonic == ZYDIS_MNEMONIC_MONITOR) {
            op->base = GPR_RAX * 8; /* the address is implied */
        } else if (c->mnemonic == ZYDIS_MNEMONIC_UMONITOR) {
            op->base = op->dst;
        }
        if (c->fn == op_exit_instruction) {
            op->aux = c->privileged;
        }
        return true;
    }
    return false;
}

/* ---- instructions whose operands decide ---- */

static bool is_register(const Decoded *d, unsigned k, ZydisRegisterClass class)
{
    return k < d->insn.operand_count_visible && d->operand[k].type == ZYDIS_OPERAND_TYPE_REGISTER
           && ZydisRegisterGetClass(d->operand[k].reg.value) == class;
}

static int8_t register_number(const Decoded *d, unsigned k)
{
    return ZydisRegisterGetId(d->operand[k].reg.value);
}

/* MOV with a control, debug or segment register as destination (to) or source. */
static bool choose_mov(const Decoded *d, Op *op, bool *ends)
{
    static const struct {
        ZydisRegisterClass class;
        OpFn to, from;
    } kinds[] = {
        { ZYDIS_REGCLASS_CONTROL, op_mov_to_cr, op_mov_from_cr },
        { ZYDIS_REGCLASS_DEBUG, op_mov_to_dr, op_mov_from_dr },
        { ZYDIS_REGCLASS_SEGMENT, op_mov_to_sreg, op_mov_from_sreg },
    };
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (unsigned k = 0; k < 2; k++) {
            if (is_register(d, k, kinds[i].class)) {
                op->fn = k == 0 ? kinds[i].to : kinds[i].from;
                op->imm = (uint64_t)register_number(d, k);
                op->flags = in_memory(d) ? SYS_MEMORY : 0;
                *ends = *ends || k == 0;
                if (kinds[i].class == ZYDIS_REGCLASS_SEGMENT && k == 0 && op->imm == SEG_CS) {
                    op->fn = op_ud;
                }
                return true;
            }
        }
    }
    return false;
}

static bool choose_push_pop(const Decoded *d, Op *op, bool *ends)
{
    if (!is_register(d, 0, ZYDIS_REGCLASS_SEGMENT)) {
        return false;
    }
    op->imm = (uint64_t)register_number(d, 0);
    if (d->insn.mnemonic == ZYDIS_MNEMONIC_PUSH) {
        op->fn = op_push_sreg;
    } else {
        op->fn = op_pop_sreg;
        *ends = true;
    }
    return true;
}

static bool choose_far(const Decoded *d, Op *op, bool *ends)
{
    if (d->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR) {
        return false;
    }
    if (d->insn.mnemonic == ZYDIS_MNEMONIC_RET) {
        op->fn = op_ret_far;
    } else {
        op->fn = d->insn.mnemonic == ZYDIS_MNEMONIC_JMP ? op_jmp_far : op_call_far;
        if (in_memory(d)) {
            op->flags = SYS_MEMORY;
        } else {
            op->imm = d->operand[0].ptr.offset;
            op->aux = d->operand[0].ptr.segment;
        }
    }
    *ends = true;
    return true;
}

static bool choose_io(const Decoded *d, Op *op, bool *ends)
{
    ZydisMnemonic m = d->insn.mnemonic;
    bool out = m == ZYDIS_MNEMONIC_OUT || m == ZYDIS_MNEMONIC_OUTSB || m == ZYDIS_MNEMONIC_OUTSW ||
               m == ZYDIS_MNEMONIC_OUTSD;
    bool string = m != ZYDIS_MNEMONIC_OUT && m != ZYDIS_MNEMONIC_IN;
    op->fn = op_port_io;
    op->flags = (uint8_t)((out ? IO_WRITE : 0) | (string ? IO_STRING : 0));
    if (d->insn.attributes &
        (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) {
        op->flags |= IO_REP;
    }
    if (string) {
        op->size = m == ZYDIS_MNEMONIC_INSB || m == ZYDIS_MNEMONIC_OUTSB ? 1
                   : m == ZYDIS_MNEMONIC_INSW || m == ZYDIS_MNEMONIC_OUTSW ? 2 : 4;
    } else {
        unsigned port = out ? 0 : 1;
        op->size = (uint8_t)(d->operand[1 - port].size / 8);
        if (d->operand[port].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            op->flags |= IO_IMMEDIATE;
            op->imm &= 0xff;
        }
    }
    *ends = true;
    return true;
}

bool family_system(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        return choose_mov(d, op, ends);
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP:
        return choose_push_pop(d, op, ends);
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_RET:
        return choose_far(d, op, ends);
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_INSB:
    case ZYDIS_MNEMONIC_INSW:
    case ZYDIS_MNEMONIC_INSD:
    case ZYDIS_MNEMONIC_OUTSB:
    case ZYDIS_MNEMONIC_OUTSW:
    case ZYDIS_MNEMONIC_OUTSD:
        return choose_io(d, op, ends);
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_RDSSPD:
    case ZYDIS_MNEMONIC_RDSSPQ:
        cet_choose_hint(d, op, ends);
        return true;
    default:
        return choose_plain(cpu, d, op, ends);
    }
}
