/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU as text: what stands in the dump of a TD that stopped. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "../cpu/core.h"
#include "../cpu/mmu.h"
#include "module.h"

typedef struct Text {
    char *buf;
    size_t size, used; /* used: what the whole text needs */
} Text;

static void __attribute__((format(printf, 2, 3))) add(Text *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(t->used < t->size ? t->buf + t->used : NULL,
                      t->used < t->size ? t->size - t->used : 0, format, ap);
    va_end(ap);
    t->used += n < 0 ? 0 : (size_t)n;
}

static const char *mode_name(const Cpu *cpu)
{
    if (cpu->mode & CPU_MODE_CS64) {
        return "64-bit";
    }
    if (cpu->mode & CPU_MODE_LONG) {
        return cpu->mode & CPU_MODE_CS32 ? "compatibility 32-bit" : "compatibility 16-bit";
    }
    if (!(cpu->cr0 & 1)) {
        return "real";
    }
    return cpu->mode & CPU_MODE_CS32 ? "protected 32-bit" : "protected 16-bit";
}

static void add_registers(Text *t, Cpu *cpu)
{
    static const char names[16][4] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                      "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
    for (unsigned i = 0; i < 16; i++) {
        add(t, "%s%s %016" PRIx64, i % 4 ? "  " : "  ", names[i], cpu->regs[i]);
        if (i % 4 == 3) {
            add(t, "\n");
        }
    }
    add(t, "  RIP %016" PRIx64 "  RFLAGS %08" PRIx64 "  CPL %u  %s\n", cpu->rip, cpu_rflags(cpu),
        cpu->cpl, mode_name(cpu));
    add(t,
        "  CR0 %08" PRIx64 "  CR2 %016" PRIx64 "  CR3 %016" PRIx64 "  CR4 %08" PRIx64
        "  EFER %" PRIx64 "\n",
        cpu->cr0, cpu->cr2, cpu->cr3, cpu->cr4, cpu->efer);
    if (cpu->cr4 & CR4_CET) {
        add(t,
            "  SSP %016" PRIx64 "  U_CET %" PRIx64 "  S_CET %" PRIx64 "  PL0_SSP %016" PRIx64
            "  PL3_SSP %016" PRIx64 "\n",
            cpu->ssp, cpu->u_cet, cpu->s_cet, cpu->pl_ssp[0], cpu->pl_ssp[3]);
    }
    add(t,
        "  CS %04x %016" PRIx64 " %05x  SS %04x %016" PRIx64 " %05x  GDT %016" PRIx64
        " %04x  IDT %016" PRIx64 " %04x\n",
        cpu->seg[SEG_CS].selector, cpu->seg[SEG_CS].base, cpu->seg[SEG_CS].access,
        cpu->seg[SEG_SS].selector, cpu->seg[SEG_SS].base, cpu->seg[SEG_SS].access, cpu->gdtr.base,
        cpu->gdtr.limit, cpu->idtr.base, cpu->idtr.limit);
}

static void add_page(Text *t, TdVcpu *vcpu, const char *name, uint64_t linear)
{
    uint64_t gpa;
    if (mmu_peek(vcpu->cpu, linear, &gpa)) {
        add(t, "  page at %s: GPA 0x%" PRIx64 " %s\n", name, gpa & ~UINT64_C(0xfff),
            td_page_state_name(vcpu->td, gpa));
    } else {
        add(t, "  page at %s: not found in the page tables\n", name);
    }
}

static void add_calls(Text *t, const TdVcpu *vcpu)
{
    uint64_t first = vcpu->num_calls > TD_RECENT_CALLS ? vcpu->num_calls - TD_RECENT_CALLS : 0;
    add(t, "  %" PRIu64 " TDCALLs, %" PRIu64 " #VE; the last calls:\n", vcpu->num_calls,
        vcpu->num_ve);
    for (uint64_t i = first; i < vcpu->num_calls; i++) {
        const TdRecentCall *call = &vcpu->recent[i % TD_RECENT_CALLS];
        const char *name = tdcall_name(call->leaf);
        add(t, "    %016" PRIx64 "  TDG.%s", call->rip, name ? name : "?");
        if (call->leaf == 0 && !call->status) {
            add(t, " 0x%" PRIx64 "\n", call->r11);
        } else {
            char status[64];
            tdx_status_format(call->status, status, sizeof(status));
            add(t, " %s\n", status);
        }
    }
}

size_t td_vcpu_describe(TdVcpu *vcpu, char *buf, size_t size)
{
    Text t = {buf, size, 0};
    Cpu *cpu = vcpu->cpu;
    if (size) {
        buf[0] = 0;
    }
    add(&t, "vCPU %u (x2APIC id %u), %" PRIu64 " instructions\n", vcpu->index, vcpu->x2apic_id,
        cpu->instructions);
    if (cpu->unsupported[0]) {
        add(&t, "  not supported by this core: %s\n", cpu->unsupported);
    }
    add_registers(&t, cpu);
    add_page(&t, vcpu, "RIP", cpu->seg[SEG_CS].base + cpu->rip);
    add_page(&t, vcpu, "CR2", cpu->cr2);
    if (vcpu->ve_valid) {
        add(&t,
            "  #VE not read yet: reason %u, qualification 0x%" PRIx64 ", GLA 0x%" PRIx64
            ", GPA 0x%" PRIx64 "\n",
            vcpu->ve_reason, vcpu->ve_qualification, vcpu->ve_gla, vcpu->ve_gpa);
    }
    add_calls(&t, vcpu);
    return t.used;
}
