/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the executing core asks of the module: pages, CPUID, MSRs, control registers, exits. */
#include "../cpu/core.h"
#include "module.h"

/* Bits of a #PF error code and of an EPT violation's qualification (SDM vol. 3, 4.7 and 27.2.1). */
enum { PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, PF_RESERVED = 8, PF_FETCH = 16 };
enum { EPT_READ = 1, EPT_WRITE = 2, EPT_FETCH = 4, EPT_GLA_VALID = 1 << 7, EPT_FINAL = 1 << 8 };

uint64_t td_guest_tsc(const Td *td)
{
    /* TSC_FREQUENCY counts 25 MHz: 25 ticks in 1000 ns for each unit. */
    uint64_t ns = td->port.now_ns(td->opaque) - td->tsc_start_ns;
    return (uint64_t)((unsigned __int128)ns * td->params.tsc_frequency / 40);
}

static _Noreturn void reserved_fault(Cpu *cpu, uint64_t linear, CpuAccess access)
{
    cpu->cr2 = linear;
    cpu_raise(cpu, VEC_PF,
              PF_PRESENT | PF_RESERVED | (access == CPU_WRITE ? PF_WRITE : 0) |
                  (access == CPU_FETCH ? PF_FETCH : 0) | (cpu->cpl == 3 ? PF_USER : 0));
}

_Noreturn void world_ept_violation(TdVcpu *vcpu, uint64_t gpa, CpuAccess access, TdExitKind kind)
{
    const Td *td = vcpu->td;
    vcpu->exit = (TdExit){
        .kind = kind,
        .status = VMX_EXIT_EPT_VIOLATION,
        .gpa = gpa & ~td->shared_bit & ~UINT64_C(0xfff),
        .shared = gpa & td->shared_bit,
        .write = access == CPU_WRITE,
        .fetch = access == CPU_FETCH,
        .level = vcpu->accept_level,
    };
    vcpu->accept_level = 0;
    cpu_leave(vcpu->cpu, CPU_EXIT_WORLD, false);
}

static _Noreturn void ept_ve(TdVcpu *vcpu, uint64_t gpa, uint64_t linear, bool linear_valid,
                             CpuAccess access)
{
    uint64_t qualification = access == CPU_WRITE   ? EPT_WRITE
                             : access == CPU_FETCH ? EPT_FETCH
                                                   : EPT_READ;
    if (linear_valid) {
        qualification |= EPT_GLA_VALID | EPT_FINAL;
        gpa = (gpa & ~UINT64_C(0xfff)) | (linear & 0xfff);
    }
    ve_inject(vcpu, VMX_EXIT_EPT_VIOLATION, qualification, linear_valid ? linear : 0, gpa);
}

/*
 * Shared memory is the VMM's. A page without a memory slot, or a write to a read-only one, has an
 * entry that does not suppress #VE: the guest's handler asks for MMIO. Code cannot be fetched from
 * shared memory.
 */
static void resolve_shared(TdVcpu *vcpu, uint64_t gpa, uint64_t linear, bool linear_valid,
                           CpuAccess access, CpuHostPage *page)
{
    const Td *td = vcpu->td;
    if (access == CPU_FETCH) {
        reserved_fault(vcpu->cpu, linear, access);
    }
    page->writable = false;
    page->host = td->port.shared_page(td->opaque, gpa & ~td->shared_bit & ~UINT64_C(0xfff),
                                      &page->writable);
    if (page->host == TD_SHARED_EXIT) {
        world_ept_violation(vcpu, gpa, access, TD_EXIT_EPT_VIOLATION);
    }
    if (!page->host || (access == CPU_WRITE && !page->writable)) {
        ept_ve(vcpu, gpa, linear, linear_valid, access);
    }
}

void world_resolve(TdVcpu *vcpu, uint64_t gpa, uint64_t linear, bool linear_valid, CpuAccess access,
                   CpuHostPage *page)
{
    const Td *td = vcpu->td;
    _Atomic uint8_t *state;
    if (gpa >> td->gpaw) {
        if (linear_valid) {
            reserved_fault(vcpu->cpu, linear, access);
        }
        world_ept_violation(vcpu, gpa, access, TD_EXIT_EPT_VIOLATION);
    }
    if (gpa & td->shared_bit) {
        resolve_shared(vcpu, gpa, linear, linear_valid, access, page);
        return;
    }
    if (!sept_lookup(&td->sept, gpa, &state, &page->host)) {
        world_ept_violation(vcpu, gpa, access, TD_EXIT_EPT_VIOLATION);
    }
    switch (atomic_load(state)) {
    case SEPT_MAPPED:
        page->writable = true;
        return;
    case SEPT_PENDING:
        if (!(atomic_load(&td->td_ctls) & TD_CTLS_PENDING_VE_DISABLE)) {
            ept_ve(vcpu, gpa, linear, linear_valid, access);
        }
        world_ept_violation(vcpu, gpa, access, TD_EXIT_PENDING_ACCESS);
    default:
        world_ept_violation(vcpu, gpa, access, TD_EXIT_EPT_VIOLATION);
    }
}

static void world_map(Cpu *cpu, uint64_t gpa, uint64_t linear, bool linear_valid, CpuAccess access,
                      CpuHostPage *page)
{
    world_resolve(vcpu_of(cpu), gpa, linear, linear_valid, access, page);
}

/* Private memory only: what is shared belongs to the VMM, which may be taking it away. */
static const uint8_t *world_peek(Cpu *cpu, uint64_t gpa)
{
    const Td *td = vcpu_of(cpu)->td;
    _Atomic uint8_t *state;
    uint8_t *contents;
    if (gpa >> td->gpaw || (gpa & td->shared_bit) ||
        !sept_lookup(&td->sept, gpa, &state, &contents)) {
        return NULL;
    }
    return atomic_load(state) == SEPT_MAPPED ? contents : NULL;
}

static void world_cpuid(Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    if (!module_cpuid_execute(vcpu_of(cpu), leaf, subleaf, out)) {
        ve_instruction(cpu, VMX_EXIT_CPUID);
    }
}

static void world_io(Cpu *cpu, uint16_t port, unsigned size, bool write, bool string, bool rep,
                     bool immediate)
{
    uint64_t qualification = (size - 1) | (write ? 0 : 1u << 3) | (string ? 1u << 4 : 0) |
                             (rep ? 1u << 5 : 0) | (immediate ? 1u << 6 : 0) | (uint64_t)port << 16;
    ve_inject(vcpu_of(cpu), VMX_EXIT_IO, qualification, 0, 0);
}

static void world_hlt(Cpu *cpu)
{
    ve_instruction(cpu, VMX_EXIT_HLT);
}

static void world_instruction(Cpu *cpu, uint32_t exit_reason)
{
    switch (exit_reason) {
    case VMX_EXIT_INVD:
    case VMX_EXIT_WBINVD:
    case VMX_EXIT_VMCALL:
    case VMX_EXIT_PCONFIG:
    case VMX_EXIT_APIC_WRITE:
        ve_instruction(cpu, exit_reason);
    case VMX_EXIT_TASK_SWITCH:
        /* Leaves to the host, and KVM knows no answer to it from a TD. */
        vcpu_of(cpu)->exit = (TdExit){ .kind = TD_EXIT_NON_RECOVERABLE,
                                       .status = VMX_EXIT_TASK_SWITCH };
        cpu_leave(cpu, CPU_EXIT_WORLD, false);
    case VMX_EXIT_RDPMC:
        if (vcpu_of(cpu)->td->params.attributes & TD_ATTR_PERFMON) {
            cpu_unsupported(cpu, "RDPMC with ATTRIBUTES.PERFMON");
        }
        cpu_raise(cpu, VEC_GP, 0);
    case VMX_EXIT_MONITOR:
    case VMX_EXIT_MWAIT:
    case VMX_EXIT_UMWAIT:
    case VMX_EXIT_TPAUSE:
        /*
         * Offered by CPUID, else the decoder had made it #UD: waiting for nothing is allowed, the
         * guest asks again.
         */
        return;
    default:
        cpu_raise(cpu, VEC_UD, 0); /* GETSEC, RSM, VMX, ENCLS, SEAMCALL, ... */
    }
}

static void apply_verdict(Cpu *cpu, CrVerdict verdict, unsigned number)
{
    if (verdict == CR_GP) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    if (verdict == CR_VE) {
        /* MOV to CR: register in 3:0, access type 0, general register in 11:8 */
        uint64_t reg = cpu->op ? cpu->op->dst / 8u & 15 : 0;
        ve_inject(vcpu_of(cpu), VMX_EXIT_CR_ACCESS, number | reg << 8, 0, 0);
    }
}

static void world_write_cr0(Cpu *cpu, uint64_t value)
{
    apply_verdict(cpu, cr0_verdict(vcpu_of(cpu)->td, cpu->cr0, cpu->cr4, value), 0);
}

static uint64_t world_write_cr4(Cpu *cpu, uint64_t value)
{
    CrVerdict verdict = cr4_verdict(vcpu_of(cpu)->td, cpu->cr4, cpu->cr0, value);
    apply_verdict(cpu, verdict, 4);
    return verdict == CR_MCE_ONLY ? (cpu->cr4 & ~(uint64_t)CR4_MCE) | (value & CR4_MCE) : value;
}

static void world_xsetbv(Cpu *cpu, uint64_t value)
{
    if (!xcr0_valid(vcpu_of(cpu)->td, value)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

static int world_interrupt_accept(Cpu *cpu)
{
    return lapic_accept(vcpu_of(cpu)->lapic);
}

static uint64_t world_rdtsc(Cpu *cpu)
{
    return td_guest_tsc(vcpu_of(cpu)->td);
}

static bool world_has_feature(Cpu *cpu, unsigned feature)
{
    return module_cpuid_feature(vcpu_of(cpu)->td, feature);
}

const CpuWorld td_world = {
    .map = world_map,
    .peek = world_peek,
    .cpuid = world_cpuid,
    .rdmsr = module_rdmsr,
    .wrmsr = module_wrmsr,
    .msr_native = module_msr_native,
    .io = world_io,
    .hlt = world_hlt,
    .instruction = world_instruction,
    .write_cr0 = world_write_cr0,
    .write_cr4 = world_write_cr4,
    .xsetbv = world_xsetbv,
    .tdcall = tdcall_execute,
    .interrupt_accept = world_interrupt_accept,
    .rdtsc = world_rdtsc,
    .has_feature = world_has_feature,
};
