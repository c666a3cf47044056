/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the TDX module makes of a guest's instructions: #VE and its information, TDCALL statuses,
 * MSRs and control registers, pages (TDX module 1.5.05; where each rule stands is told in
 * swtdx/host/module).
 */
#include "guest.h"

#define TDCALL(leaf, rcx, rdx, r8)                                             \
    "mov $" #leaf ", %eax\n movabs $" #rcx ", %rcx\n movabs $" #rdx ", %rdx\n" \
    "movabs $" #r8 ", %r8\n tdcall\n int $0x80"

PROGRAM(v_cpuid, 64, "mov $0x40000000, %eax\n cpuid");
PROGRAM(v_cpuid2, 64, "mov $2, %eax\n cpuid");
PROGRAM(v_cpuid1, 64, "mov $1, %eax\n cpuid\n int $0x80");
PROGRAM(v_hlt, 64, "hlt");
PROGRAM(v_in, 64, "in $0x71, %al");
PROGRAM(v_out, 64, "mov $0x3f8, %edx\n outl %eax, %dx");
PROGRAM(v_outs, 64, "mov $0x3f8, %edx\n mov %rbx, %rsi\n rep outsb");
PROGRAM(v_wbinvd, 64, "wbinvd");
PROGRAM(v_invd, 64, "invd");
PROGRAM(v_rdmsr_apicbase, 64, "mov $0x1b, %ecx\n rdmsr");
PROGRAM(v_rdmsr_unknown, 64, "mov $0x12345, %ecx\n rdmsr");
PROGRAM(v_rdmsr_vmx, 64, "mov $0x480, %ecx\n rdmsr\n int $0x80");
PROGRAM(v_wrmsr_vmx, 64, "mov $0x480, %ecx\n wrmsr");
PROGRAM(v_rdmsr_cet, 64, "mov $0x6a0, %ecx\n rdmsr");
PROGRAM(v_wrmsr_tsc, 64, "mov $0x10, %ecx\n wrmsr");
PROGRAM(v_wrmsr_xss, 64, "mov $0xda0, %ecx\n mov $0x100, %eax\n xor %edx, %edx\n wrmsr");
PROGRAM(v_efer_same, 64, "mov $0xc0000080, %ecx\n rdmsr\n and $~1, %eax\n wrmsr\n int $0x80");
PROGRAM(v_efer_nxe, 64, "mov $0xc0000080, %ecx\n rdmsr\n and $~0x800, %eax\n wrmsr");
PROGRAM(v_self_ipi, 64, "mov $0x83f, %ecx\n mov $5, %eax\n xor %edx, %edx\n wrmsr");
PROGRAM(v_cr0_ne, 64, "mov %cr0, %rax\n and $~0x20, %eax\n mov %rax, %cr0");
PROGRAM(v_cr0_cd, 64, "mov %cr0, %rax\n bts $30, %rax\n mov %rax, %cr0");
PROGRAM(v_cr0_pe, 64, "mov %cr0, %rax\n and $~1, %eax\n mov %rax, %cr0");
PROGRAM(v_cr4_vmxe, 64, "mov %cr4, %rax\n bts $13, %rax\n mov %rax, %cr4");
PROGRAM(v_cr4_mce, 64, "mov %cr4, %rax\n btr $6, %rax\n mov %rax, %cr4");
PROGRAM(v_cr4_kl, 64, "mov %cr4, %rax\n bts $19, %rax\n mov %rax, %cr4");
PROGRAM(v_cr4_pks, 64, "mov %cr4, %rax\n bts $24, %rax\n mov %rax, %cr4");
PROGRAM(v_cr4_cet, 64, "mov %cr4, %rax\n bts $23, %rax\n mov %rax, %cr4");
PROGRAM(v_cr4_read, 64, "mov %cr4, %rax\n int $0x80");
PROGRAM(v_mmio, 64, "mov 0x14008, %eax");
PROGRAM(v_mmio_store, 64, "mov %eax, 0x14008");
PROGRAM(v_mmio_fetch, 64, "mov $0x14000, %eax\n jmp *%rax");
PROGRAM(v_shared, 64, "movl $0x1234, 0x15000\n mov 0x15000, %eax\n int $0x80");
PROGRAM(v_pending, 64, "mov 0x13008, %eax\n int $0x80");
PROGRAM(v_accept, 64,
        "mov $6, %eax\n mov $0x13000, %ecx\n tdcall\n mov %rax, %rbp\n movl $7, 0x13000\n mov "
        "0x13000, %edi\n mov 0x13008, %esi\n int $0x80");
PROGRAM(v_monitor, 64,
        "mov %rbx, %rax\n xor %ecx, %ecx\n xor %edx, %edx\n monitor\n mwait\n int $0x80");
PROGRAM(v_rdpmc, 64, "rdpmc");
PROGRAM(v_encls, 64, "encls");
PROGRAM(v_seamcall, 64, ".byte 0x66, 0x0f, 0x01, 0xcf");
PROGRAM(v_twice, 64, "lea 1f(%rip), %rax\n jmp 2f\n 1: hlt\n 2: hlt");
PROGRAM(v_handler_hlt, 64, "hlt");

PROGRAM(t_unknown, 64, TDCALL(13, 0, 0, 0));
PROGRAM(t_version, 64, TDCALL(0x10001, 0, 0, 0));
PROGRAM(t_reserved, 64, TDCALL(0x1000001, 0, 0, 0));
PROGRAM(t_info, 64, TDCALL(1, 0, 0, 0));
PROGRAM(t_veinfo, 64, TDCALL(3, 0, 0, 0));
PROGRAM(t_mask_rax, 64, TDCALL(0, 1, 0, 0));
PROGRAM(t_mask_rsp, 64, TDCALL(0, 0x10, 0, 0));
PROGRAM(t_mask_rbp, 64, TDCALL(0, 0x20, 0, 0));
PROGRAM(t_mask_high, 64, TDCALL(0, 0x100000000, 0, 0));
PROGRAM(t_extend_index, 64, TDCALL(2, 0x10000, 4, 0));
PROGRAM(t_extend_align, 64, TDCALL(2, 0x10020, 0, 0));
PROGRAM(t_extend_shared, 64, TDCALL(2, 0x800000010000, 0, 0));
PROGRAM(t_extend, 64, TDCALL(2, 0x10000, 2, 0));
PROGRAM(t_report_align, 64, TDCALL(4, 0x10200, 0x11000, 0));
PROGRAM(t_report_data, 64, TDCALL(4, 0x10000, 0x11010, 0));
PROGRAM(t_report_type, 64, TDCALL(4, 0x10000, 0x11000, 1));
PROGRAM(t_report, 64, TDCALL(4, 0x10000, 0x11000, 0));
PROGRAM(t_cpuidve, 64, TDCALL(5, 4, 0, 0));
PROGRAM(t_cpuidve_set, 64, "mov $5, %eax\n mov $1, %ecx\n tdcall\n mov $1, %eax\n cpuid");
PROGRAM(t_accept_level, 64, TDCALL(6, 0x13002, 0, 0));
PROGRAM(t_accept_bits, 64, TDCALL(6, 0x13008, 0, 0));
PROGRAM(t_accept_shared, 64, TDCALL(6, 0x800000013000, 0, 0));
PROGRAM(t_accept_51, 64, TDCALL(6, 0x8000000013000, 0, 0));
PROGRAM(t_accept_again, 64, TDCALL(6, 0x10000, 0, 0));
PROGRAM(t_accept_2m_align, 64, TDCALL(6, 0x13001, 0, 0));
PROGRAM(t_accept_2m, 64, TDCALL(6, 1, 0, 0));
PROGRAM(t_vm_rd_other, 64, TDCALL(7, 1, 0, 0));
PROGRAM(t_vm_rd_field, 64, TDCALL(7, 0, 0x1234, 0));
PROGRAM(t_vm_rd, 64, TDCALL(7, 0, 0x1110000300000000, 0));
PROGRAM(t_sys_rd_field, 64, TDCALL(11, 0, 0x1234, 0));
PROGRAM(t_servtd, 64, TDCALL(18, 0, 0, 0));
PROGRAM(t_enter, 64, TDCALL(25, 0, 0, 0));
PROGRAM(t_verify, 64, TDCALL(22, 0x10000, 0, 0));
PROGRAM(t_verify_align, 64, TDCALL(22, 0x10010, 0, 0));
PROGRAM(t_compat, 32, ".byte 0x66, 0x0f, 0x01, 0xcc");

static void ve(Guest *g, uint32_t reason, uint64_t qualification, uint32_t length)
{
    g_assert_cmpuint(g->vcpu->ve_reason, ==, reason);
    g_assert_cmphex(g->vcpu->ve_qualification, ==, qualification);
    g_assert_cmpuint(g->vcpu->ve_length, ==, length);
    g_assert_true(g->vcpu->ve_valid);
}
static void ve_cpuid(Guest *g) { ve(g, VMX_EXIT_CPUID, 0, 2); }
static void ve_hlt(Guest *g) { ve(g, VMX_EXIT_HLT, 0, 1); }
static void ve_in(Guest *g) { ve(g, VMX_EXIT_IO, 0x71u << 16 | 1u << 6 | 1u << 3, 2); }
static void ve_out(Guest *g) { ve(g, VMX_EXIT_IO, 0x3f8u << 16 | 3, 1); }
static void ve_outs(Guest *g) { ve(g, VMX_EXIT_IO, 0x3f8u << 16 | 1u << 5 | 1u << 4, 2); }
static void ve_wbinvd(Guest *g) { ve(g, VMX_EXIT_WBINVD, 0, 2); }
static void ve_invd(Guest *g) { ve(g, VMX_EXIT_INVD, 0, 2); }
static void ve_rdmsr(Guest *g) { ve(g, VMX_EXIT_RDMSR, 0, 2); }
static void ve_wrmsr(Guest *g) { ve(g, VMX_EXIT_WRMSR, 0, 2); }
static void ve_apic(Guest *g) { ve(g, VMX_EXIT_APIC_WRITE, 0x3f0, 0); }
static void ve_cr0(Guest *g) { ve(g, VMX_EXIT_CR_ACCESS, 0, 3); }
static void ve_cr4(Guest *g) { ve(g, VMX_EXIT_CR_ACCESS, 4, 3); }
static void ve_mmio_at(Guest *g, uint64_t access)
{
    g_assert_cmpuint(g->vcpu->ve_reason, ==, VMX_EXIT_EPT_VIOLATION);
    g_assert_cmphex(g->vcpu->ve_qualification & 7, ==, access);
    g_assert_cmphex(g->vcpu->ve_gla, ==, AT_MMIO + 8);
    g_assert_cmphex(g->vcpu->ve_gpa, ==, AT_MMIO + 8 + g->shared_bit);
}
static void ve_mmio(Guest *g) { ve_mmio_at(g, 1); }
static void ve_mmio_store(Guest *g) { ve_mmio_at(g, 2); }
static void ve_pending(Guest *g)
{
    g_assert_cmpuint(g->vcpu->ve_reason, ==, VMX_EXIT_EPT_VIOLATION);
    g_assert_cmphex(g->vcpu->ve_gpa, ==, AT_UNACCEPTED + 8);
}
/* GPAW 52: bit 47 is an address bit like others, bit 51 says "shared". */
static void private_47(Guest *g)
{
    g->cpu->regs[GPR_RBX] = AT_MMIO;
    put64(g, AT_PT + (AT_MMIO >> 12) * 8, AT_DATA | 7 | UINT64_C(1) << 47);
}
static void five_levels(Guest *g)
{
    g->cpu->cr4 |= CR4_LA57;
    g->cpu->cr3 = AT_PML5;
}
static void reserved_51(Guest *g)
{
    put64(g, AT_PT + (AT_MMIO >> 12) * 8, AT_DATA | 7 | UINT64_C(1) << 51);
}
static void not_there(Guest *g)
{
    g_assert_cmpint(g->exit.kind, ==, TD_EXIT_EPT_VIOLATION);
    g_assert_cmphex(g->exit.gpa, ==, AT_DATA | UINT64_C(1) << 47);
    g_assert_false(g->exit.shared);
}
static void wide_info(Guest *g)
{
    g_assert_cmphex(g->cpu->regs[GPR_RAX], ==, 0);
    g_assert_cmpuint(g->cpu->regs[GPR_RCX], ==, 52);
}
static void hypervisor_bit(Guest *g) { g_assert_true(g->cpu->regs[GPR_RCX] >> 31 & 1); }
static void mce_read(Guest *g)
{
    g_assert_cmphex(g->cpu->regs[GPR_RAX] & (CR4_MCE | CR4_VMXE | CR4_SMXE), ==, CR4_MCE);
}
static void shared_written(Guest *g)
{
    uint32_t word;
    memcpy(&word, g->shared, 4);
    g_assert_cmphex(word, ==, 0x1234);
    g_assert_cmphex(g->cpu->regs[GPR_RAX], ==, 0x1234);
}
static void accepted(Guest *g)
{
    g_assert_cmphex(g->cpu->regs[GPR_RBP], ==, 0);
    g_assert_cmphex(g->cpu->regs[GPR_RDI], ==, 7);
    g_assert_cmphex(g->cpu->regs[GPR_RSI], ==, 0);
}
/* The handler of #VE begins with HLT: a second #VE before VEINFO.GET. */
static void handler_halts(Guest *g)
{
    memcpy(g->memory + AT_STUBS + VEC_VE * 16, v_handler_hlt, 1);
}

static void status(Guest *g, uint64_t expected)
{
    g_assert_cmphex(g->cpu->regs[GPR_RAX], ==, expected);
}
static void success(Guest *g) { status(g, 0); }
static void bad_rax(Guest *g) { status(g, TDX_OPERAND_INVALID | TDX_OPERAND_RAX); }
static void bad_rcx(Guest *g) { status(g, TDX_OPERAND_INVALID | TDX_OPERAND_RCX); }
static void bad_rdx(Guest *g) { status(g, TDX_OPERAND_INVALID | TDX_OPERAND_RDX); }
static void bad_r8(Guest *g) { status(g, TDX_OPERAND_INVALID | TDX_OPERAND_R8); }
static void no_ve(Guest *g)
{
    status(g, TDX_NO_VALID_VE_INFO);
    g_assert_cmphex(g->cpu->regs[GPR_RCX] | g->cpu->regs[GPR_R10], ==, 0);
}
static void already(Guest *g) { status(g, TDX_PAGE_ALREADY_ACCEPTED); }
static void mismatch(Guest *g) { status(g, TDX_PAGE_SIZE_MISMATCH | TDX_OPERAND_RCX); }
static void info(Guest *g)
{
    success(g);
    g_assert_cmpuint(g->cpu->regs[GPR_RCX], ==, 48);
    g_assert_cmphex(g->cpu->regs[GPR_RDX], ==, TD_ATTR_SEPT_VE_DISABLE);
    g_assert_cmpuint(g->cpu->regs[GPR_R9], ==, 0);
}
static void extended(Guest *g)
{
    static const uint8_t zero[48];
    success(g);
    g_assert_cmpmem(g->td->rtmr[0], 48, zero, 48);
    g_assert_true(memcmp(g->td->rtmr[2], zero, 48) != 0);
}
static void no_field(Guest *g) { g_assert_cmphex(g->cpu->regs[GPR_RAX] >> 40, ==, 0xc0000c); }
static void not_verified(Guest *g) { g_assert_cmphex(g->cpu->regs[GPR_RAX] >> 63, ==, 1); }

#define GIVES(name, what) {"tdcall: " #name, CODE(t_##name), LONG, DONE, NO_ERROR, ANY, NULL, what}
static const Case cases[] = {
    {"cpuid 40000000", CODE(v_cpuid), LONG, VEC_VE, NO_ERROR, 5, NULL, ve_cpuid},
    {"cpuid 2", CODE(v_cpuid2), LONG, VEC_VE, NO_ERROR, 5, NULL, ve_cpuid},
    {"cpuid 1", CODE(v_cpuid1), LONG, DONE, NO_ERROR, ANY, NULL, hypervisor_bit},
    {"cpuid by user", CODE(v_cpuid), USER, VEC_VE, NO_ERROR, 5, NULL, ve_cpuid},
    {"hlt", CODE(v_hlt), LONG, VEC_VE, NO_ERROR, 0, NULL, ve_hlt},
    {"in", CODE(v_in), LONG, VEC_VE, NO_ERROR, 0, NULL, ve_in},
    {"out", CODE(v_out), LONG, VEC_VE, NO_ERROR, 5, NULL, ve_out},
    {"rep outs", CODE(v_outs), LONG, VEC_VE, NO_ERROR, 8, NULL, ve_outs},
    {"wbinvd", CODE(v_wbinvd), LONG, VEC_VE, NO_ERROR, 0, NULL, ve_wbinvd},
    {"invd", CODE(v_invd), LONG, VEC_VE, NO_ERROR, 0, NULL, ve_invd},
    {"rdmsr APICBASE", CODE(v_rdmsr_apicbase), LONG, VEC_VE, NO_ERROR, 5, NULL, ve_rdmsr},
    {"rdmsr beyond the bitmaps", CODE(v_rdmsr_unknown), LONG, VEC_VE, NO_ERROR, 5, NULL, ve_rdmsr},
    {"rdmsr VMX_BASIC", CODE(v_rdmsr_vmx), LONG, DONE, NO_ERROR, ANY, NULL, NULL},
    {"wrmsr VMX_BASIC", CODE(v_wrmsr_vmx), LONG, VEC_GP, 0, 5, NULL, NULL},
    {"rdmsr U_CET without CET", CODE(v_rdmsr_cet), LONG, VEC_GP, 0, 5, NULL, NULL},
    {"wrmsr TSC", CODE(v_wrmsr_tsc), LONG, VEC_VE, NO_ERROR, 5, NULL, ve_wrmsr},
    {"wrmsr XSS beyond XFAM", CODE(v_wrmsr_xss), LONG, VEC_GP, 0, 12, NULL, NULL},
    {"wrmsr EFER.SCE", CODE(v_efer_same), LONG, DONE, NO_ERROR, ANY, NULL, NULL},
    {"wrmsr EFER.NXE", CODE(v_efer_nxe), LONG, VEC_VE, NO_ERROR, ANY, NULL, ve_wrmsr},
    {"wrmsr SELF_IPI of a reserved vector", CODE(v_self_ipi), LONG, VEC_VE, NO_ERROR, 14, NULL,
     ve_apic},
    {"CR0: NE off", CODE(v_cr0_ne), LONG, VEC_GP, 0, 6, NULL, NULL},
    {"CR0: CD on", CODE(v_cr0_cd), LONG, VEC_VE, NO_ERROR, 8, NULL, ve_cr0},
    {"CR0: PE off under PG", CODE(v_cr0_pe), LONG, VEC_GP, 0, 6, NULL, NULL},
    {"CR4: VMXE", CODE(v_cr4_vmxe), LONG, VEC_VE, NO_ERROR, 8, NULL, ve_cr4},
    {"CR4: MCE off", CODE(v_cr4_mce), LONG, VEC_VE, NO_ERROR, 8, NULL, ve_cr4},
    {"CR4: KL", CODE(v_cr4_kl), LONG, VEC_GP, 0, 8, NULL, NULL},
    {"CR4: PKS without the attribute", CODE(v_cr4_pks), LONG, VEC_GP, 0, 8, NULL, NULL},
    {"CR4: CET without XFAM", CODE(v_cr4_cet), LONG, VEC_GP, 0, 8, NULL, NULL},
    {"CR4 reads", CODE(v_cr4_read), LONG, DONE, NO_ERROR, ANY, NULL, mce_read},
    {"load of MMIO", CODE(v_mmio), LONG, VEC_VE, NO_ERROR, 0, NULL, ve_mmio},
    {"store to MMIO", CODE(v_mmio_store), LONG, VEC_VE, NO_ERROR, 0, NULL, ve_mmio_store},
    {"fetch from shared memory", CODE(v_mmio_fetch), LONG, VEC_PF, 0x19, AT_MMIO - AT_CODE, NULL,
     NULL},
    {"shared memory", CODE(v_shared), LONG, DONE, NO_ERROR, ANY, NULL, shared_written},
    {"unaccepted page with SEPT_VE_DISABLE", CODE(v_pending), LONG, EXIT_PENDING, NO_ERROR, ANY,
     NULL, NULL},
    {"#VE of an unaccepted page", CODE(v_pending), LONG, VEC_VE, NO_ERROR, 0, NULL, ve_pending},
    {"accepted page is zero", CODE(v_accept), LONG, DONE, NO_ERROR, ANY, NULL, accepted},
    {"monitor and mwait, offered", CODE(v_monitor), LONG, DONE, NO_ERROR, ANY, NULL, NULL},
    {"rdpmc without PERFMON", CODE(v_rdpmc), LONG, VEC_GP, 0, 0, NULL, NULL},
    {"encls", CODE(v_encls), LONG, VEC_UD, NO_ERROR, 0, NULL, NULL},
    {"seamcall", CODE(v_seamcall), LONG, VEC_UD, NO_ERROR, 0, NULL, NULL},
    {"#DF: #VE before VEINFO.GET", CODE(v_twice), LONG, VEC_DF, 0, ANY, handler_halts, NULL},
    {"tdcall in 32-bit code", CODE(t_compat), PROTECTED, VEC_GP, 0, 0, NULL, NULL},

    GIVES(unknown, bad_rax), GIVES(version, bad_rax), GIVES(reserved, bad_rax), GIVES(info, info),
    GIVES(veinfo, no_ve),
    GIVES(mask_rax, bad_rcx), GIVES(mask_rsp, bad_rcx), GIVES(mask_rbp, bad_rcx),
    GIVES(mask_high, bad_rcx),
    GIVES(extend_index, bad_rdx), GIVES(extend_align, bad_rcx), GIVES(extend_shared, bad_rcx),
    GIVES(extend, extended),
    GIVES(report_align, bad_rcx), GIVES(report_data, bad_rdx), GIVES(report_type, bad_r8),
    GIVES(report, success),
    GIVES(cpuidve, bad_rcx), GIVES(accept_level, bad_rcx), GIVES(accept_bits, bad_rcx),
    GIVES(accept_shared, bad_rcx),
    GIVES(accept_again, already), GIVES(accept_2m_align, bad_rcx), GIVES(accept_2m, mismatch),
    GIVES(vm_rd_other, bad_rcx),
    GIVES(vm_rd_field, no_field), GIVES(vm_rd, success), GIVES(sys_rd_field, no_field),
    GIVES(servtd, bad_rcx),
    GIVES(enter, bad_rcx), GIVES(verify, not_verified), GIVES(verify_align, bad_rcx),
    {"GPAW 52: shared memory", CODE(v_shared), LONG, DONE, NO_ERROR, ANY, NULL, shared_written},
    {"GPAW 52, 5 levels: shared memory", CODE(v_shared), LONG, DONE, NO_ERROR, ANY, five_levels,
     shared_written},
    {"GPAW 52: load of MMIO", CODE(v_mmio), LONG, VEC_VE, NO_ERROR, 0, NULL, ve_mmio},
    {"GPAW 52, 5 levels: store to MMIO", CODE(v_mmio_store), LONG, VEC_VE, NO_ERROR, 0, five_levels,
     ve_mmio_store},
    {"GPAW 52: fetch from shared memory", CODE(v_mmio_fetch), LONG, VEC_PF, 0x19, AT_MMIO - AT_CODE,
     NULL, NULL},
    {"GPAW 52: private memory above bit 47", CODE(v_mmio), LONG, EXIT_OTHER, NO_ERROR, ANY,
     private_47, not_there},
    {"GPAW 52: accepted page is zero", CODE(v_accept), LONG, DONE, NO_ERROR, ANY, NULL, accepted},
    {"GPAW 52: TDCALL INFO", CODE(t_info), LONG, DONE, NO_ERROR, ANY, NULL, wide_info},
    {"GPAW 52: ACCEPT above the private half", CODE(t_accept_51), LONG, DONE, NO_ERROR, ANY, NULL,
     bad_rcx},
    {"GPAW 48: bit 51 in an entry", CODE(v_mmio), LONG, VEC_PF, 9, 0, reserved_51, NULL},
    {"tdcall: CPUIDVE.SET", CODE(t_cpuidve_set), LONG, VEC_VE, NO_ERROR, ANY, NULL, ve_cpuid},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    conformance_run("tdx", cases, G_N_ELEMENTS(cases));
    return g_test_run();
}
