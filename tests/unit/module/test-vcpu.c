/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start state, TDH.VP.ENTER's ways to come back, and the registers of TDG.VP.VMCALL. */
#include <string.h>

#include "fixture.h"

static void test_start_state(void)
{
    Fixture f;
    fixture_prepare(&f);
    fixture_open(&f);
    const Cpu *c = f.cpu;
    g_assert_cmphex(c->regs[GPR_RBX], ==, 48);
    g_assert_cmphex(c->regs[GPR_RCX], ==, 0x809000);
    g_assert_cmphex(c->regs[GPR_R8], ==, 0x809000);
    g_assert_cmphex(c->regs[GPR_RDX], ==, 0x806f8);
    g_assert_cmphex(c->regs[GPR_RAX] | c->regs[GPR_RSP] | c->regs[GPR_R15], ==, 0);
    g_assert_cmphex(c->rip, ==, 0xfffffff0);
    g_assert_cmphex(c->rflags, ==, 2);
    g_assert_cmphex(c->cr0, ==, 0x21);
    g_assert_cmphex(c->cr4, ==, 0x40);
    g_assert_cmphex(c->efer, ==, 0x901);
    g_assert_cmphex(c->xcr0, ==, 1);
    g_assert_cmphex(c->seg[SEG_CS].access, ==, 0xc09b);
    g_assert_cmphex(c->seg[SEG_CS].limit, ==, 0xffffffff);
    g_assert_cmphex(c->seg[SEG_SS].access, ==, 0xc093);
    g_assert_cmphex(c->seg[SEG_CS].selector, ==, 0);
    g_assert_cmphex(c->tr.access, ==, 0x8b);
    g_assert_cmphex(c->ldtr.access, ==, 0x10082);
    g_assert_cmphex(c->idtr.limit, ==, 0);
    g_assert_cmphex(c->xcr0_mask, ==, 0x2e7);
    g_assert_cmphex(c->shared_bit, ==, UINT64_C(1) << 47);
    g_assert_cmphex(c->fmask, ==, 0x20200);
    g_assert_cmphex(c->pat, ==, UINT64_C(0x0007040600070406));
    fixture_close(&f);
}

static Fixture *running;

static CpuExit run_vmcall(Cpu *cpu)
{
    g_assert_cmpint(fixture_tdcall(running, 0), ==, LEFT_RETIRED);
    return CPU_EXIT_WORLD;
}

static CpuExit run_kicked(Cpu *cpu)
{
    return CPU_EXIT_KICKED;
}

static CpuExit run_triple_fault(Cpu *cpu)
{
    return CPU_EXIT_TRIPLE_FAULT;
}

static CpuExit run_unsupported(Cpu *cpu)
{
    return CPU_EXIT_UNSUPPORTED;
}

static void test_vmcall(void)
{
    Fixture f;
    TdExit exit;
    uint64_t back[16];
    fixture_prepare(&f);
    fixture_open(&f);
    fixture_finalize(&f);
    running = &f;
    fixture_run = run_vmcall;
    for (unsigned i = 0; i < 16; i++) {
        f.cpu->regs[i] = 0x1000 + i;
        back[i] = 0x2000 + i;
    }
    f.cpu->regs[GPR_RCX] = 0x3c04; /* RDX, R10..R13 */
    g_assert_cmphex(td_vp_enter(f.vcpu, &exit), ==, 0);
    g_assert_cmpint(exit.kind, ==, TD_EXIT_VMCALL);
    g_assert_cmphex(exit.status, ==, 77);
    g_assert_cmphex(exit.mask, ==, 0x3c04);
    g_assert_cmphex(exit.regs[GPR_R10], ==, 0x100a);
    g_assert_cmphex(exit.regs[GPR_RDX], ==, 0x1002);
    g_assert_cmphex(exit.regs[GPR_R14], ==, 0);
    g_assert_cmphex(exit.regs[GPR_RCX], ==, 0);
    td_vmcall_return(f.vcpu, back);
    g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, 0);
    g_assert_cmphex(f.cpu->regs[GPR_R10], ==, 0x200a);
    g_assert_cmphex(f.cpu->regs[GPR_RDX], ==, 0x2002);
    g_assert_cmphex(f.cpu->regs[GPR_R14], ==, 0x100e);
    g_assert_cmphex(f.cpu->regs[GPR_RCX], ==, 0x3c04);
    td_vmcall_return(f.vcpu, back); /* no call is open: nothing happens */
    g_assert_cmphex(f.cpu->regs[GPR_RSI], ==, 0x1006);
    fixture_close(&f);
}

/* Old edk2 selects RBP: it is let pass where the profile says so, and never reaches the VMM. */
static void test_vmcall_rbp(void)
{
    Fixture f;
    TdExit exit;
    uint64_t back[16] = {0};
    fixture_prepare(&f);
    f.profile.vmcall_rbp_refused = 0;
    fixture_open(&f);
    fixture_finalize(&f);
    running = &f;
    fixture_run = run_vmcall;
    f.cpu->regs[GPR_RBP] = 0x5555;
    f.cpu->regs[GPR_RCX] = 0xfc00;
    g_assert_cmphex(td_vp_enter(f.vcpu, &exit), ==, 0);
    g_assert_false(td_rbp_bit_seen(f.td));
    f.cpu->regs[GPR_RCX] = 0xffec;
    g_assert_cmphex(td_vp_enter(f.vcpu, &exit), ==, 0);
    g_assert_true(td_rbp_bit_seen(f.td));
    g_assert_cmphex(exit.mask, ==, 0xffcc);
    g_assert_cmphex(exit.regs[GPR_RBP], ==, 0);
    td_vmcall_return(f.vcpu, back);
    g_assert_cmphex(f.cpu->regs[GPR_RBP], ==, 0x5555);
    fixture_close(&f);
}

static void test_exits(void)
{
    Fixture f;
    TdExit exit;
    fixture_prepare(&f);
    fixture_open(&f);
    fixture_finalize(&f);
    fixture_run = run_kicked;
    g_assert_cmphex(td_vp_enter(f.vcpu, &exit), ==, 0);
    g_assert_cmpint(exit.kind, ==, TD_EXIT_INTERRUPTED);
    fixture_run = run_triple_fault;
    g_assert_cmphex(td_vp_enter(f.vcpu, &exit), ==, 0);
    g_assert_cmpint(exit.kind, ==, TD_EXIT_TRIPLE_FAULT);
    g_assert_cmphex(exit.status, ==, UINT64_C(0x4000000100000002));
    g_assert_cmphex(td_vp_enter(f.vcpu, &exit), ==, TDX_VCPU_STATE_INCORRECT);
    fixture_close(&f);

    fixture_prepare(&f);
    fixture_open(&f);
    fixture_finalize(&f);
    fixture_run = run_unsupported;
    g_assert_cmphex(td_vp_enter(f.vcpu, &exit), ==, 0);
    g_assert_cmpint(exit.kind, ==, TD_EXIT_UNSUPPORTED);
    g_assert_cmphex(td_vp_enter(f.vcpu, &exit), ==, TDX_TD_FATAL);
    fixture_close(&f);
}

typedef struct Seen {
    unsigned calls, ves;
    uint64_t leaf, status;
} Seen;

static void saw_call(void *opaque, TdVcpu *vcpu, uint64_t leaf, const uint64_t in[16],
                     uint64_t status)
{
    Seen *seen = opaque;
    seen->calls++;
    seen->leaf = leaf;
    seen->status = status;
}

static void saw_ve(void *opaque, TdVcpu *vcpu, uint32_t reason, uint64_t qualification,
                   uint64_t gpa)
{
    ((Seen *)opaque)->ves++;
}

static void do_hlt(Cpu *cpu, void *arg)
{
    cpu->world->hlt(cpu);
}

static void test_observer(void)
{
    static const TdObserver observer = {saw_call, saw_ve};
    Fixture f;
    Seen seen = {0};
    fixture_prepare(&f);
    fixture_open(&f);
    td_observe(f.td, &observer, &seen);
    f.cpu->regs[GPR_RCX] = 8;
    g_assert_cmpint(fixture_tdcall(&f, 5), ==, RETURNED);
    g_assert_cmpint(fixture_try(f.cpu, do_hlt, NULL), ==, RAISED);
    g_assert_cmpint(seen.calls, ==, 1);
    g_assert_cmpint(seen.ves, ==, 1);
    g_assert_cmpint(seen.leaf, ==, 5);
    g_assert_cmphex(seen.status, ==, TDX_OPERAND_INVALID | 1);
    fixture_close(&f);
}

static const struct {
    uint64_t status;
    const char *text;
} names[] = {
    {0, "0x0000000000000000 SUCCESS"},
    {UINT64_C(0xc000010000000041), "0xc000010000000041 OPERAND_INVALID XFAM"},
    {UINT64_C(0xc000060900000000), "0xc000060900000000 NO_VCPUS"},
    {UINT64_C(0xc000ffff00000000), "0xc000ffff00000000 status"},
    {UINT64_C(0x00000b0a00000000), "0x00000b0a00000000 PAGE_ALREADY_ACCEPTED"},
};

static void test_status_names(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        char buf[80];
        g_assert_cmpuint(tdx_status_format(names[i].status, buf, sizeof(buf)), ==,
                         strlen(names[i].text));
        g_assert_cmpstr(buf, ==, names[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vcpu/start-state", test_start_state);
    g_test_add_func("/vcpu/vmcall", test_vmcall);
    g_test_add_func("/vcpu/vmcall-rbp", test_vmcall_rbp);
    g_test_add_func("/vcpu/exits", test_exits);
    g_test_add_func("/vcpu/observer", test_observer);
    g_test_add_func("/status/names", test_status_names);
    return g_test_run();
}
