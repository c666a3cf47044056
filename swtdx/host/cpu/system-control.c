/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control and debug registers, TLB invalidation, XCR0, PKRU, and the interrupt and AC flags. */
#include "debug.h"
#include "features.h"
#include "system-ops.h"

#define DR6_FIXED UINT64_C(0xffff0ff0)
#define XCR0_AVX512 UINT64_C(0xe0)
#define XCR0_AMX UINT64_C(0x60000)

void system_write_register(Cpu *cpu, uint8_t offset, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        CPU_REG(cpu, uint8_t, offset) = (uint8_t)value;
        break;
    case 2:
        CPU_REG(cpu, uint16_t, offset) = (uint16_t)value;
        break;
    case 4:
        CPU_REG(cpu, uint64_t, offset) = (uint32_t)value;
        break;
    default:
        CPU_REG(cpu, uint64_t, offset) = value;
    }
}

/* ---- CR0 ---- */

static void set_cr0(Cpu *cpu, uint64_t value)
{
    static const uint64_t writable = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM |
                                     CR0_NW | CR0_CD | CR0_PG;
    uint64_t old = cpu->cr0;
    uint64_t changed;
    value = (value & writable) | CR0_ET;
    changed = old ^ value;
    cpu->cr0 = value;
    if (changed & CR0_PG) {
        if ((value & CR0_PG) && (cpu->efer & EFER_LME)) {
            cpu->efer |= EFER_LMA;
        } else {
            cpu->efer &= ~(uint64_t)EFER_LMA;
        }
    }
    if (changed & (CR0_PG | CR0_PE)) {
        mmu_flush_all(cpu);
    } else if (changed & value & CR0_WP) {
        mmu_forget_writable(cpu); /* firmware sets it back after each change of its page tables */
    }
    cpu_update_mode(cpu);
}

/* SDM vol. 2, MOV to control registers, in this order after the checks of the world. */
static void check_cr0(Cpu *cpu, uint64_t value)
{
    bool bad = value >> 32 != 0;
    bad |= (value & CR0_PG) && !(value & CR0_PE);
    bad |= (value & CR0_NW) && !(value & CR0_CD);
    bad |= !(value & CR0_WP) && (cpu->cr4 & CR4_CET);
    if ((value & CR0_PG) && !(cpu->cr0 & CR0_PG) && (cpu->efer & EFER_LME)) {
        bad |= !(cpu->cr4 & CR4_PAE) || (cpu->seg[SEG_CS].access & SEG_ACCESS_L);
    }
    if (!(value & CR0_PG) && (cpu->cr0 & CR0_PG)) {
        bad |= cpu_64(cpu) || (cpu->cr4 & CR4_PCIDE);
    }
    if (bad) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

/* ---- CR4 ---- */

/* What each bit needs of CPUID (SDM vol. 3, 2.5). 0: always there. */
static uint64_t valid_cr4(Cpu *cpu)
{
    static const struct {
        uint64_t bits;
        unsigned feature;
    } rules[] = {
        { CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |
          CR4_OSXMMEXCPT, 0 },
        { CR4_VME | CR4_PVI, FEATURE(1u, 0, 3, 1) },
        { CR4_UMIP, FEATURE(7u, 0, 2, 2) },
        { CR4_LA57, FEATURE(7u, 0, 2, 16) },
        { CR4_FSGSBASE, FEATURE(7u, 0, 1, 0) },
        { CR4_PCIDE, FEATURE(1u, 0, 2, 17) },
        { CR4_OSXSAVE, FEATURE(1u, 0, 2, 26) },
        { CR4_SMEP, FEATURE(7u, 0, 1, 7) },
        { CR4_SMAP, FEATURE(7u, 0, 1, 20) },
        { CR4_PKE, FEATURE(7u, 0, 2, 3) },
        { CR4_CET, FEATURE(7u, 0, 2, 7) },
        { CR4_CET, FEATURE(7u, 0, 3, 20) },
        { CR4_PKS, FEATURE(7u, 0, 2, 31) },
        { CR4_UINTR, FEATURE(7u, 0, 3, 5) },
        { CR4_LASS, FEATURE(7u, 1, 0, 6) },
        { CR4_LAM_SUP, FEATURE(7u, 1, 0, 26) },
    };
    uint64_t valid = 0;
    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!rules[i].feature || cpu->world->has_feature(cpu, rules[i].feature)) {
            valid |= rules[i].bits;
        }
    }
    return valid;
}

/*
 * VMXE and SMXE belong to the world: the guest reads 0 (TDX module specification, CR4), what stands
 * in cr4 stays.
 */
#define CR4_HIDDEN ((uint64_t)(CR4_VMXE | CR4_SMXE))

static void check_cr4(Cpu *cpu, uint64_t value)
{
    uint64_t set = value & ~cpu->cr4;
    uint64_t changed = value ^ cpu->cr4;
    bool bad = (value & ~CR4_HIDDEN & ~valid_cr4(cpu)) != 0;
    if (cpu_long(cpu)) {
        bad |= !(value & CR4_PAE) || (changed & CR4_LA57);
    }
    bad |= (set & CR4_PCIDE) && (!cpu_long(cpu) || (cpu->cr3 & 0xfff));
    bad |= (value & CR4_CET) && !(cpu->cr0 & CR0_WP);
    if (bad) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    if (set & (CR4_UINTR | CR4_LASS | CR4_LAM_SUP)) {
        cpu_unsupported(cpu, "CR4: UINTR, LASS or LAM");
    }
}

static void set_cr4(Cpu *cpu, uint64_t value)
{
    static const uint64_t flushing = CR4_PGE | CR4_PSE | CR4_PAE | CR4_SMEP | CR4_SMAP | CR4_PKE |
                                     CR4_PKS | CR4_PCIDE | CR4_LA57;
    uint64_t changed = cpu->cr4 ^ value;
    cpu->cr4 = (value & ~CR4_HIDDEN) | (cpu->cr4 & CR4_HIDDEN);
    if (changed & flushing) {
        mmu_flush_all(cpu);
    }
    cpu_update_mode(cpu);
}

/* ---- MOV CR ---- */

static void write_cr3(Cpu *cpu, uint64_t value)
{
    if (cpu_long(cpu)) {
        uint64_t reserved = ~((UINT64_C(1) << cpu->phys_bits) - 1) & ~cpu->shared_bit;
        if (cpu->cr4 & CR4_PCIDE) {
            reserved &= ~(UINT64_C(1) << 63);
        }
        if (value & reserved) {
            cpu_raise(cpu, VEC_GP, 0);
        }
    }
    /*
     * Entries carry no PCID, so that they go at each switch, also when bit 63 would let them stay.
     */
    cpu->cr3 = value & ~(UINT64_C(1) << 63);
    if (cpu->cr4 & CR4_PGE) {
        mmu_flush_nonglobal(cpu);
    } else {
        mmu_flush_all(cpu);
    }
}

#define MSR_X2APIC_TPR 0x808u

const Op *op_mov_from_cr(Cpu *cpu, const Op *op)
{
    uint64_t value = 0;
    require_cpl0(cpu, op);
    switch (op->imm) {
    case 0:
        value = cpu->cr0 | CR0_ET; /* a TD starts with 21h, and processors read ET as 1 */
        break;
    case 2:
        value = cpu->cr2;
        break;
    case 3:
        value = cpu->cr3;
        break;
    case 4:
        value = cpu->cr4 & ~CR4_HIDDEN;
        break;
    default:
        value = cpu->world->rdmsr(cpu, MSR_X2APIC_TPR) >> 4 & 15;
    }
    CPU_REG(cpu, uint64_t, op->dst) = cpu_64(cpu) ? value : (uint32_t)value;
    NEXT(cpu, op);
}

const Op *op_mov_to_cr(Cpu *cpu, const Op *op)
{
    uint64_t value = CPU_REG(cpu, uint64_t, op->dst);
    require_cpl0(cpu, op);
    if (!cpu_64(cpu)) {
        value = (uint32_t)value;
    }
    switch (op->imm) {
    case 0:
        cpu->world->write_cr0(cpu, value);
        check_cr0(cpu, value);
        block_leave(cpu, op);
        set_cr0(cpu, value);
        return NULL;
    case 2:
        cpu->cr2 = value;
        break;
    case 3:
        write_cr3(cpu, value);
        break;
    case 4:
        check_cr4(cpu, value); /* what is illegal natively is #GP before the world sees it */
        set_cr4(cpu, cpu->world->write_cr4(cpu, value));
        break;
    default:
        if (value > 15) {
            cpu_raise(cpu, VEC_GP, 0);
        }
        cpu->world->wrmsr(cpu, MSR_X2APIC_TPR, value << 4);
    }
    return block_leave(cpu, op);
}

const Op *op_clts(Cpu *cpu, const Op *op)
{
    require_cpl0(cpu, op);
    cpu->cr0 &= ~(uint64_t)CR0_TS;
    return block_leave(cpu, op);
}

const Op *op_smsw(Cpu *cpu, const Op *op)
{
    require_umip(cpu, op);
    if (op->flags & SYS_MEMORY) {
        mmu_store16(cpu, op, op_linear(cpu, op, 2, true), (uint16_t)(cpu->cr0 | CR0_ET));
    } else {
        system_write_register(cpu, op->dst, op->size, cpu->cr0 | CR0_ET);
    }
    NEXT(cpu, op);
}

const Op *op_lmsw(Cpu *cpu, const Op *op)
{
    uint64_t value;
    require_cpl0(cpu, op);
    if (op->flags & SYS_MEMORY) {
        value = mmu_load16(cpu, op, op_linear(cpu, op, 2, false));
    } else {
        value = CPU_REG(cpu, uint16_t, op->dst);
    }
    /* Only PE, MP, EM and TS, and PE can't be cleared (SDM vol. 2, LMSW). */
    value = (cpu->cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) |
            (value & (CR0_PE | CR0_MP | CR0_EM | CR0_TS));
    set_cr0(cpu, value);
    return block_leave(cpu, op);
}

/* ---- MOV DR ---- */

/* Number of the debug register meant: 4 and 5 are 6 and 7 unless CR4.DE (SDM vol. 3, 17.2.2). */
static unsigned debug_register(Cpu *cpu, const Op *op)
{
    unsigned n = (unsigned)op->imm;
    begin(cpu, op);
    if (n == 4 || n == 5) {
        if (cpu->cr4 & CR4_DE) {
            cpu_raise(cpu, VEC_UD, 0);
        }
        n += 2;
    }
    require_cpl0(cpu, op);
    if (cpu->dr[7] & DR7_GD) {
        cpu->dr[7] &= ~(uint64_t)DR7_GD;
        debug_tell(cpu, DR6_BD);
        cpu_raise(cpu, VEC_DB, 0);
    }
    return n;
}

const Op *op_mov_from_dr(Cpu *cpu, const Op *op)
{
    uint64_t value = cpu->dr[debug_register(cpu, op)];
    CPU_REG(cpu, uint64_t, op->dst) = cpu_64(cpu) ? value : (uint32_t)value;
    NEXT(cpu, op);
}

const Op *op_mov_to_dr(Cpu *cpu, const Op *op)
{
    unsigned n = debug_register(cpu, op);
    uint64_t value = CPU_REG(cpu, uint64_t, op->dst);
    if (!cpu_64(cpu)) {
        value = (uint32_t)value;
    }
    if (n >= 6 && value >> 32) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    if (n == 6) {
        value = (value & 0xe00f) | DR6_FIXED;
    } else if (n == 7) {
        value = (value & ~UINT64_C(0xd000)) | 0x400;
    }
    block_leave(cpu, op);
    cpu->dr[n] = value;
    if (n != 6) {
        debug_update(cpu);
    }
    return NULL;
}

/* ---- TLB ---- */

const Op *op_invlpg(Cpu *cpu, const Op *op)
{
    uint64_t linear;
    require_cpl0(cpu, op);
    linear = op_effective(cpu, op);
    if (!cpu_64(cpu) || op->seg >= SEG_FS) {
        linear += cpu->seg[op->seg].base;
    }
    mmu_flush_page(cpu, cpu_64(cpu) ? linear : (uint32_t)linear);
    return block_leave(cpu, op);
}

/* SDM vol. 2, INVPCID. */
const Op *op_invpcid(Cpu *cpu, const Op *op)
{
    uint64_t descriptor[2];
    uint64_t type;
    require_cpl0(cpu, op);
    type = cpu_64(cpu) ? CPU_REG(cpu, uint64_t, op->dst) : CPU_REG(cpu, uint32_t, op->dst);
    mmu_read(cpu, op, op_linear(cpu, op, 16, false), descriptor, sizeof(descriptor));
    if (type > 3 || descriptor[0] >> 12 || (type < 2 && descriptor[0] && !(cpu->cr4 & CR4_PCIDE))
        || (type == 0 && !cpu_canonical_widest(cpu, descriptor[1]))) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    if (type == 0) {
        mmu_flush_page(cpu, descriptor[1]);
    } else if (type == 2) {
        mmu_flush_all(cpu);
    } else {
        mmu_flush_nonglobal(cpu);
    }
    return block_leave(cpu, op);
}

/* ---- XCR0 and PKRU ---- */

const Op *op_xgetbv(Cpu *cpu, const Op *op)
{
    uint32_t index = (uint32_t)cpu->regs[GPR_RCX];
    uint64_t value;
    begin(cpu, op);
    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        cpu_raise(cpu, VEC_UD, 0);
    }
    if (index > 1 || (index == 1 && !cpu->world->has_feature(cpu, FEATURE(0xdu, 1, 0, 2)))) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    value = cpu->xcr0 & (index ? xsave_in_use(cpu) : UINT64_MAX); /* SDM vol. 1, 13.2 */
    cpu->regs[GPR_RAX] = (uint32_t)value;
    cpu->regs[GPR_RDX] = value >> 32;
    NEXT(cpu, op);
}

/* SDM vol. 1, 13.3. */
static bool xcr0_consistent(const Cpu *cpu, uint64_t value)
{
    uint64_t avx512 = value & XCR0_AVX512;
    uint64_t amx = value & XCR0_AMX;
    if (!(value & 1) || (value & ~cpu->xcr0_mask)) {
        return false;
    }
    if ((value & 4) && !(value & 2)) {
        return false;
    }
    if (avx512 && (avx512 != XCR0_AVX512 || !(value & 4))) {
        return false;
    }
    return !amx || amx == XCR0_AMX;
}

const Op *op_xsetbv(Cpu *cpu, const Op *op)
{
    uint64_t value = (uint32_t)cpu->regs[GPR_RAX] | cpu->regs[GPR_RDX] << 32;
    begin(cpu, op);
    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        cpu_raise(cpu, VEC_UD, 0);
    }
    require_cpl0(cpu, op);
    if ((uint32_t)cpu->regs[GPR_RCX] != 0) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu->world->xsetbv(cpu, value);
    if (!xcr0_consistent(cpu, value)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu->xcr0 = value;
    return block_leave(cpu, op);
}

static void require_pku(Cpu *cpu, const Op *op, bool write)
{
    begin(cpu, op);
    if (!(cpu->cr4 & CR4_PKE)) {
        cpu_raise(cpu, VEC_UD, 0);
    }
    if ((uint32_t)cpu->regs[GPR_RCX] || (write && (uint32_t)cpu->regs[GPR_RDX])) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

const Op *op_rdpkru(Cpu *cpu, const Op *op)
{
    require_pku(cpu, op, false);
    cpu->regs[GPR_RAX] = cpu->pkru;
    cpu->regs[GPR_RDX] = 0;
    NEXT(cpu, op);
}

const Op *op_wrpkru(Cpu *cpu, const Op *op)
{
    require_pku(cpu, op, true);
    if (cpu->pkru != (uint32_t)cpu->regs[GPR_RAX]) {
        cpu->pkru = (uint32_t)cpu->regs[GPR_RAX];
        mmu_flush_all(cpu); /* rights are part of TLB entries here */
    }
    return block_leave(cpu, op);
}

/* ---- flags ---- */

static void require_iopl(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (cpu->cpl > (cpu->rflags & FLAG_IOPL) >> 12) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

const Op *op_cli(Cpu *cpu, const Op *op)
{
    require_iopl(cpu, op);
    cpu->rflags &= ~(uint64_t)FLAG_IF;
    NEXT(cpu, op);
}

const Op *op_sti(Cpu *cpu, const Op *op)
{
    require_iopl(cpu, op);
    if (!(cpu->rflags & FLAG_IF)) {
        cpu->rflags |= FLAG_IF;
        cpu->interruptibility = true;
    }
    return block_leave(cpu, op);
}

static void set_ac(Cpu *cpu, const Op *op, uint64_t ac)
{
    begin(cpu, op);
    if (cpu->cpl) {
        cpu_raise(cpu, VEC_UD, 0);
    }
    cpu->rflags = (cpu->rflags & ~(uint64_t)FLAG_AC) | ac;
    cpu_update_mode(cpu);
}

const Op *op_clac(Cpu *cpu, const Op *op)
{
    set_ac(cpu, op, 0);
    NEXT(cpu, op);
}

const Op *op_stac(Cpu *cpu, const Op *op)
{
    set_ac(cpu, op, FLAG_AC);
    NEXT(cpu, op);
}
