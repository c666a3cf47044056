/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small TD on the real core: reset vector, long mode, TDCALLs, #VE, accepting memory, triple
 * fault.
 */
#include <glib.h>
#include <string.h>

#include "../../../swtdx/host/module/module.h"

/*
 * 0xfffff000, 32-bit: lgdt 0x3100; cr3 = 0x1000; cr4 |= PAE; cr0 |= PG; ljmp 8:0xfffff100
 */
static const uint8_t code32[] = {
    0x0f, 0x01, 0x15, 0x00, 0x31, 0x00, 0x00, 0xb8, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x22, 0xd8, 0x0f,
    0x20, 0xe0, 0x83, 0xc8,
    0x20, 0x0f, 0x22, 0xe0, 0x0f, 0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0xea,
    0x00, 0xf1, 0xff, 0xff,
    0x08, 0x00,
};

/*
 * 0xfffff100, 64-bit: esp = 0x6000; lidt 0x3110; VP.INFO; r14 = rcx; accept 0x100000; rbx = rax;
 * write and read it (r15); hlt; cpuid 2; VMCALL HLT with R10-R15; rsi = r11; accept `count` pages
 * from 0x200000; lidt 0x3120 (empty); ud2
 */
static const uint8_t code64[] = {
    0xbc, 0x00, 0x60, 0x00, 0x00, 0x0f, 0x01, 0x1c, 0x25, 0x10, 0x31, 0x00, 0x00, 0xb8, 0x01, 0x00,
    0x00, 0x00, 0x66, 0x0f,
    0x01, 0xcc, 0x49, 0x89, 0xce, 0xb9, 0x00, 0x00, 0x10, 0x00, 0xb8, 0x06, 0x00, 0x00, 0x00, 0x66,
    0x0f, 0x01, 0xcc, 0x48,
    0x89, 0xc3, 0xc7, 0x04, 0x25, 0x00, 0x00, 0x10, 0x00, 0x34, 0x12, 0x00, 0x00, 0x4c, 0x8b, 0x3c,
    0x25, 0x00, 0x00, 0x10,
    0x00, 0xf4, 0xb8, 0x02, 0x00, 0x00, 0x00, 0x0f, 0xa2, 0xb9, 0x00, 0xfc, 0x00, 0x00, 0x4d, 0x31,
    0xd2, 0x41, 0xbb, 0x0c,
    0x00, 0x00, 0x00, 0x31, 0xc0, 0x66, 0x0f, 0x01, 0xcc, 0x4c, 0x89, 0xde, 0xbd, 0x00, 0x02, 0x00,
    0x00, 0xbf, 0x00, 0x00,
    0x20, 0x00, 0x48, 0x89, 0xf9, 0xb8, 0x06, 0x00, 0x00, 0x00, 0x66, 0x0f, 0x01, 0xcc, 0x48, 0x85,
    0xc0, 0x75, 0x0b, 0x48,
    0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, 0xff, 0xcd, 0x75, 0xe4, 0x0f, 0x01, 0x1c, 0x25, 0x20, 0x31,
    0x00, 0x00, 0x0f, 0x0b,
};
#define PAGES 512u /* operand of the loop's `mov ebp` */

/* 0xfffff200: #VE: VEINFO.GET, RIP += length, r13++ */
static const uint8_t handler[] = {
    0x50, 0x51, 0x52, 0x41, 0x50, 0x41, 0x51, 0x41, 0x52, 0xb8, 0x03, 0x00, 0x00, 0x00, 0x66, 0x0f,
    0x01, 0xcc, 0x45, 0x89,
    0xd2, 0x4c, 0x01, 0x54, 0x24, 0x30, 0x49, 0xff, 0xc5, 0x41, 0x5a, 0x41, 0x59, 0x41, 0x58, 0x5a,
    0x59, 0x58, 0x48, 0xcf,
};

/* 0xfffffff0: jmp 0xfffff000 */
static const uint8_t reset[] = {0xe9, 0x0b, 0xf0, 0xff, 0xff};

static void put64(uint8_t *page, unsigned offset, uint64_t v)
{
    memcpy(page + offset, &v, 8);
}

static void add_page(Td *td, uint64_t gpa, const uint8_t *page)
{
    g_assert_cmphex(td_page_add(td, gpa, page), ==, 0);
}

static void add_pages(Td *td)
{
    uint8_t page[4096] = {0};
    put64(page, 0, 0x2003);
    add_page(td, 0x1000, page); /* PML4 */
    for (unsigned i = 0; i < 4; i++) {
        put64(page, i * 8, (uint64_t)i << 30 | 0x83);
    }
    add_page(td, 0x2000, page); /* PDPT: 4 GiB in 1 GiB pages */
    memset(page, 0, sizeof(page));
    put64(page, 8, UINT64_C(0x00af9b000000ffff));  /* 64-bit code */
    put64(page, 0x100, 0xf | UINT64_C(0x3000) << 16);   /* GDTR */
    put64(page, 0x110, 0x1ff | UINT64_C(0x4000) << 16); /* IDTR */
    add_page(td, 0x3000, page);
    memset(page, 0, sizeof(page));
    put64(page, 20 * 16, UINT64_C(0xffff8e000008f200)); /* interrupt gate 8:0xfffff200 */
    add_page(td, 0x4000, page);
    memset(page, 0, sizeof(page));
    add_page(td, 0x5000, page);
    memcpy(page, code32, sizeof(code32));
    memcpy(page + 0x100, code64, sizeof(code64));
    memcpy(page + 0x200, handler, sizeof(handler));
    memcpy(page + 0xff0, reset, sizeof(reset));
    add_page(td, 0xfffff000, page);
}

static uint8_t *no_shared_page(void *opaque, uint64_t gpa, bool *writable)
{
    return NULL;
}

static uint64_t now_ns(void *opaque)
{
    return 0;
}

static void nothing_notify(void *opaque, bool nmi)
{
}

static const TdPort port = {no_shared_page, now_ns};
static const LapicPort lapic_port = {.notify = nothing_notify};

static void run(TdVcpu *vcpu, Td *td, unsigned *augs, TdExit *exit)
{
    for (;;) {
        g_assert_cmphex(td_vp_enter(vcpu, exit), ==, 0);
        if (exit->kind != TD_EXIT_EPT_VIOLATION) {
            return;
        }
        g_assert_false(exit->shared);
        g_assert_cmphex(td_page_aug(td, exit->gpa), ==, 0);
        ++*augs;
    }
}

static void dump(TdVcpu *vcpu)
{
    char text[4096];
    td_vcpu_describe(vcpu, text, sizeof(text));
    g_test_message("%s", text);
}

static void test_run(void)
{
    Profile profile = *profile_builtin();
    TdParams params = {.xfam = 3, .eptp_controls = 0x1e, .config_flags = 4, .max_vcpus = 1,
                       .tsc_frequency = 40,
                       .attributes = TD_ATTR_SEPT_VE_DISABLE};
    Lapic lapic;
    TdExit exit;
    unsigned augs = 0;
    lapic_init(&lapic, 0, &lapic_port, NULL);
    Td *td = td_new(&profile, &port, NULL);
    g_assert_cmphex(td_init(td, &params, NULL), ==, 0);
    TdVcpu *vcpu = td_vcpu_new(td, &lapic, NULL);
    g_assert_cmphex(td_vp_init(vcpu, 0, 0x809000), ==, 0);
    add_pages(td);
    g_assert_cmphex(td_mr_finalize(td), ==, 0);
    const uint64_t *regs = td_vcpu_cpu(vcpu)->regs;

    run(vcpu, td, &augs, &exit);
    dump(vcpu);
    g_assert_cmpint(exit.kind, ==, TD_EXIT_VMCALL);
    g_assert_cmphex(exit.mask, ==, 0xfc00);
    g_assert_cmphex(exit.regs[GPR_R11], ==, 12);
    g_assert_cmpint(exit.regs[GPR_R13], ==, 2); /* #VE of HLT and CPUID */
    g_assert_cmpint(exit.regs[GPR_R14], ==, 48);
    g_assert_cmphex(exit.regs[GPR_R15], ==, 0x1234);
    g_assert_cmphex(regs[GPR_RBX], ==, 0);
    g_assert_cmpint(augs, ==, 1);
    uint64_t back[16] = {[GPR_R11] = 0x77};
    td_vmcall_return(vcpu, back);

    run(vcpu, td, &augs, &exit);
    dump(vcpu);
    g_assert_cmpint(exit.kind, ==, TD_EXIT_TRIPLE_FAULT);
    g_assert_cmphex(regs[GPR_RSI], ==, 0x77);
    g_assert_cmpint(augs, ==, 1 + PAGES);
    g_assert_cmphex(regs[GPR_RDI], ==, 0x200000 + PAGES * 0x1000);
    g_assert_cmpstr(td_page_state_name(td, 0x3ff000), ==, "MAPPED");
    td_vcpu_free(vcpu);
    td_free(td);
}

/*
 * The same with 52 address bits and page tables of 5 levels: PML5 at 0x7000, whose entries 0 and 1
 * lead to the tables of add_pages(); linear 1 << 39 is GPA 1 << 48.
 */
__asm__(
    ".section .rodata\n"
    ".balign 4096\n"
    "five_level_page:\n"
    ".code32\n"
    "five_start32:\n"
    "  lgdt 0x3100\n  movl $0x7000, %eax\n  movl %eax, %cr3\n"
    "  movl %cr4, %eax\n  orl $0x1020, %eax\n  movl %eax, %cr4\n" /* LA57, PAE */
    "  movl %cr0, %eax\n  orl $0x80000000, %eax\n  movl %eax, %cr0\n"
    "  ljmp $8, $0xfffff000 + (five_start64 - five_level_page)\n"
    ".code64\n"
    "five_start64:\n"
    "  movl $0x6000, %esp\n"
    "  movl $0x100000, %ecx\n  movl $6, %eax\n  .byte 0x66, 0x0f, 0x01, 0xcc\n  movq %rax, %r12\n"
    "  movabsq $0x1000000000000, %rcx\n  movl $6, %eax\n  .byte 0x66, 0x0f, 0x01, 0xcc\n  orq "
    "%rax, %r12\n"
    /* linear address of 49 bits, canonical with 57 only */
    "  movabsq $0x1000000100000, %rbx\n  movl $0x1234, (%rbx)\n  movl 0x100000, %r13d\n"
    /* a private page far above what 48 bits reach */
    "  movabsq $0x8000000000, %rbx\n  movl $0x5678, (%rbx)\n  movl (%rbx), %r14d\n"
    "  movq %cr4, %r15\n"
    "  xorl %r10d, %r10d\n  movl $12, %r11d\n  movl $0xfc00, %ecx\n  xorl %eax, %eax\n  .byte "
    "0x66, 0x0f, 0x01, 0xcc\n"
    ".fill 0xff0 - (. - five_level_page), 1, 0x90\n"
    ".code32\n"
    "  jmp five_start32\n"
    ".fill 0x1000 - (. - five_level_page), 1, 0x90\n"
    ".code64\n"
    ".previous\n");
extern const uint8_t five_level_page[4096];

static void add_five_levels(Td *td)
{
    uint8_t page[4096] = {0};
    put64(page, 0, 0x1003);
    put64(page, 8, 0x1003);
    add_page(td, 0x7000, page); /* PML5 */
    put64(page, 0, 0x2003);
    put64(page, 8, 0x8003);
    add_page(td, 0x1000, page); /* PML4 */
    memset(page, 0, sizeof(page));
    put64(page, 0, UINT64_C(1) << 48 | 0x83);
    add_page(td, 0x8000, page); /* PDPT of 1 << 39 */
    for (unsigned i = 0; i < 4; i++) {
        put64(page, i * 8, (uint64_t)i << 30 | 0x83);
    }
    add_page(td, 0x2000, page);
    memset(page, 0, sizeof(page));
    put64(page, 8, UINT64_C(0x00af9b000000ffff));
    put64(page, 0x100, 0xf | UINT64_C(0x3000) << 16);
    add_page(td, 0x3000, page);
    add_page(td, 0xfffff000, five_level_page);
}

static void test_five_levels(void)
{
    static const struct {
        uint32_t major, minor, update;
    } modules[] = {{1, 5, 5}, {1, 5, 34}, {2, 0, 8}};
    for (size_t i = 0; i < G_N_ELEMENTS(modules); i++) {
        Profile profile = *profile_builtin();
        TdParams params = {.xfam = 3, .eptp_controls = 0x26, .config_flags = 5, .max_vcpus = 1,
                           .tsc_frequency = 40,
                           .attributes = TD_ATTR_SEPT_VE_DISABLE,
                           .cpuid_config[5][2] = 1u << 16 /* LA57 */};
        Lapic lapic;
        TdExit exit;
        unsigned augs = 0;
        profile.module_major = modules[i].major;
        profile.module_minor = modules[i].minor;
        profile.module_update = modules[i].update;
        lapic_init(&lapic, 0, &lapic_port, NULL);
        Td *td = td_new(&profile, &port, NULL);
        g_assert_cmphex(td_init(td, &params, NULL), ==, 0);
        TdVcpu *vcpu = td_vcpu_new(td, &lapic, NULL);
        g_assert_cmphex(td_vp_init(vcpu, 0, 0), ==, 0);
        g_assert_cmpint(td_vcpu_cpu(vcpu)->regs[GPR_RBX], ==, 52);
        add_five_levels(td);
        g_assert_cmphex(td_mr_finalize(td), ==, 0);
        run(vcpu, td, &augs, &exit);
        dump(vcpu);
        g_assert_cmpint(exit.kind, ==, TD_EXIT_VMCALL);
        g_assert_cmphex(exit.regs[GPR_R12], ==, 0); /* both accepts */
        g_assert_cmphex(exit.regs[GPR_R13], ==, 0x1234);
        g_assert_cmphex(exit.regs[GPR_R14], ==, 0x5678);
        g_assert_cmphex(exit.regs[GPR_R15], ==, 0x1060);
        g_assert_cmpint(augs, ==, 2);
        g_assert_cmpstr(td_page_state_name(td, UINT64_C(1) << 48), ==, "MAPPED");
        g_assert_cmpstr(td_page_state_name(td, UINT64_C(1) << 51), ==, "SHARED");
        td_vcpu_free(vcpu);
        td_free(td);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/run/reset-to-triple-fault", test_run);
    g_test_add_func("/run/five-levels", test_five_levels);
    return g_test_run();
}
