/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the core asks of a machine without a TDX module. */
#include "bare.h"

static void world_map(Cpu *cpu, uint64_t gpa, uint64_t linear, bool linear_valid, CpuAccess access,
                      CpuHostPage *page)
{
    BareCpu *c = bare_cpu(cpu);
    Bare *m = c->m;
    gpa &= ~UINT64_C(0xfff);
    if (gpa == BARE_APIC_PAGE && bare_xapic_enabled(c) && linear_valid && access != CPU_FETCH) {
        c->exit = BARE_EXIT_APIC_PAGE;
        c->apic_linear = linear;
        cpu_leave(cpu, CPU_EXIT_WORLD, false);
    }
    *page = (CpuHostPage){ gpa < m->ram_size ? m->ram + gpa : m->nowhere, true };
}

static const uint8_t *world_peek(Cpu *cpu, uint64_t gpa)
{
    Bare *m = bare_cpu(cpu)->m;
    gpa &= ~UINT64_C(0xfff);
    return gpa < m->ram_size ? m->ram + gpa : NULL;
}

static void world_hlt(Cpu *cpu)
{
    bare_cpu(cpu)->exit = BARE_EXIT_HALT;
    cpu_leave(cpu, CPU_EXIT_WORLD, true);
}

/*
 * VMX reasons of exits that a machine without VMX answers itself. VMCALL answers as KVM does for
 * calls that it does not have (KVM_ENOSYS of linux/kvm_para.h): images of kvm-unit-tests call
 * without asking CPUID whether they are KVM's guests.
 */
static void world_instruction(Cpu *cpu, uint32_t exit_reason)
{
    enum { TASK_SWITCH = 9, INVD = 13, VMCALL = 18, MWAIT = 36, MONITOR = 39, WBINVD = 54,
           UMWAIT = 67, TPAUSE = 68 };
    switch (exit_reason) {
    case INVD:
    case WBINVD:
    case MWAIT:
    case MONITOR:
    case UMWAIT:
    case TPAUSE:
        return;
    case TASK_SWITCH:
        cpu_unsupported(cpu, "task switch, with which a TD would leave to its host for good");
    case VMCALL:
        cpu->regs[GPR_RAX] = (uint64_t)-1000;
        return;
    default:
        cpu_raise(cpu, VEC_UD, 0);
    }
}

static void world_write_cr0(Cpu *cpu, uint64_t value)
{
    (void)cpu;
    (void)value;
}

static uint64_t world_write_cr4(Cpu *cpu, uint64_t value)
{
    if (value & (CR4_VMXE | CR4_SMXE)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    return value;
}

/* SDM vol. 1, 13.3: bit 0 always, AVX needs SSE, AVX-512's three go together and need AVX. */
static void world_xsetbv(Cpu *cpu, uint64_t value)
{
    bool bad = !(value & 1) || (value & ~cpu->xcr0_mask) || (value & 6) == 4;
    bad |= (value & 0xe0) && (value & 0xe6) != 0xe6;
    bad |= (value & 0x60000) && (value & 0x60000) != 0x60000;
    if (bad) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

static void world_tdcall(Cpu *cpu)
{
    cpu_raise(cpu, VEC_UD, 0);
}

static bool world_msr_native(Cpu *cpu, uint32_t index, bool write)
{
    (void)cpu;
    (void)index;
    (void)write;
    return true;
}

static int world_interrupt_accept(Cpu *cpu)
{
    return lapic_accept(&bare_cpu(cpu)->lapic);
}

const CpuWorld bare_world = {
    .map = world_map,
    .peek = world_peek,
    .cpuid = bare_cpuid,
    .rdmsr = bare_rdmsr,
    .wrmsr = bare_wrmsr,
    .msr_native = world_msr_native,
    .io = bare_io,
    .hlt = world_hlt,
    .instruction = world_instruction,
    .write_cr0 = world_write_cr0,
    .write_cr4 = world_write_cr4,
    .xsetbv = world_xsetbv,
    .tdcall = world_tdcall,
    .interrupt_accept = world_interrupt_accept,
    .rdtsc = bare_rdtsc,
    .has_feature = bare_has_feature,
};
