/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conformance suites' guest. */
#include "guest.h"

#define AT_SIGNAL 0x700000u /* + vector * 4 KiB: touched by a handler */
#define BIT51 (UINT64_C(1) << 51)

static uint8_t *shared_page(void *opaque, uint64_t gpa, bool *writable)
{
    Guest *g = opaque;
    *writable = true;
    return gpa == AT_SHARED ? g->shared : NULL;
}

static uint64_t now_ns(void *opaque)
{
    (void)opaque;
    return 1000;
}

static void no_notify(void *opaque, bool nmi)
{
    (void)opaque;
    (void)nmi;
}

void put64(Guest *g, unsigned at, uint64_t value)
{
    memcpy(g->memory + at, &value, 8);
}

uint64_t get64(const Guest *g, unsigned at)
{
    uint64_t value;
    memcpy(&value, g->memory + at, 8);
    return value;
}

uint64_t guest_word(Guest *g, uint64_t gpa)
{
    _Atomic uint8_t *state;
    uint8_t *contents = NULL;
    uint64_t value = 0;
    if (sept_lookup(&g->td->sept, gpa, &state, &contents)) {
        memcpy(&value, contents + (gpa & 0xfff), 8);
    }
    return value;
}

uint64_t guest_stack(Guest *g, unsigned n)
{
    bool wide = g->cpu->mode & CPU_MODE_CS64;
    uint64_t word = guest_word(g, g->cpu->regs[GPR_RSP] + n * (wide ? 8 : 4));
    return wide ? word : (uint32_t)word;
}

static void build_tables(Guest *g)
{
    static const uint64_t gdt[] = {
        0, UINT64_C(0x00cf9b000000ffff), UINT64_C(0x00cf93000000ffff), UINT64_C(0x00af9b000000ffff),
        UINT64_C(0x00cffb000000ffff), UINT64_C(0x00cff3000000ffff), UINT64_C(0x00affb000000ffff),
        UINT64_C(0x0000890000000067) | (uint64_t)AT_TSS << 16, 0,
        UINT64_C(0x0000ec0000180000) | AT_CODE | 0x800, 0,
        /* 48 call gate of DPL 3 to 18:CODE + 800h */
        UINT64_C(0x0000e90000000067) | (uint64_t)AT_TSS << 16, 0, 0,
    };
    put64(g, AT_PML5, AT_PML4 | 7);
    put64(g, AT_PML4, AT_PDPT | 7);
    put64(g, AT_PDPT, AT_PD | 7);
    put64(g, AT_PD, AT_PT | 7);
    for (unsigned i = 1; i < 8; i++) {
        put64(g, AT_PD + i * 8, (uint64_t)i << 21 | 0x83);
    }
    for (unsigned i = 0; i < 0x20; i++) {
        bool shared = i == AT_MMIO >> 12 || i == AT_SHARED >> 12;
        put64(g, AT_PT + i * 8, (uint64_t)i << 12 | 7 | (shared ? g->shared_bit : 0));
    }
    memcpy(g->memory + AT_GDT, gdt, sizeof(gdt));
    put64(g, AT_TSS + 4, TSS_STACK_TOP);
    put64(g, AT_TSS + 0x24, IST_TOP);
    put64(g, AT_TSS + 0x66, 0x68);
}

/*
 * mov 0x700000 + vector * 0x1000, %eax: as 64-bit code at n * 16, as 32-bit code at 1000h + n * 16.
 */
static void build_handlers(Guest *g)
{
    for (unsigned i = 0; i < 256; i++) {
        uint32_t to = AT_SIGNAL + i * 0x1000;
        uint64_t dpl = i == 3 || i == 4 || i == DONE ? 0x60 : 0;
        uint32_t at = AT_STUBS + i * 16, at32 = at + 0x1000;
        memcpy(g->memory + at, "\x8b\x04\x25", 3);
        memcpy(g->memory + at + 3, &to, 4);
        g->memory[at32] = 0xa1;
        memcpy(g->memory + at32 + 1, &to, 4);
        put64(g, AT_IDT + i * 16, UINT64_C(0x00008e0000180000) | dpl << 40 | at);
        put64(g, AT_IDT32 + i * 8, UINT64_C(0x00008e0000080000) | dpl << 40 | at32);
    }
}

static void set_segments(Guest *g, Mode mode)
{
    bool user = mode == USER || mode == PROTECTED_USER;
    Segment data = {user ? SEL_USER_DATA : SEL_DATA, user ? 0xc0f3 : 0xc093, 0xffffffff, 0};
    Cpu *cpu = g->cpu;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = data;
    }
    switch (mode) {
    case LONG:
        cpu->seg[SEG_CS] = (Segment){SEL_CODE64, 0xa09b, 0xffffffff, 0};
        break;
    case USER:
        cpu->seg[SEG_CS] = (Segment){SEL_USER64, 0xa0fb, 0xffffffff, 0};
        break;
    case PROTECTED:
        cpu->seg[SEG_CS] = (Segment){SEL_CODE32, 0xc09b, 0xffffffff, 0};
        break;
    case PROTECTED_USER:
        cpu->seg[SEG_CS] = (Segment){SEL_USER32, 0xc0fb, 0xffffffff, 0};
        break;
    }
    cpu->cpl = user ? 3 : 0;
    cpu->tr = (Segment){SEL_TSS, 0x8b, 0x67, AT_TSS};
    cpu->gdtr = (DescriptorTable){AT_GDT, 14 * 8 - 1};
    cpu->regs[GPR_RSP] = user ? USER_STACK_TOP : STACK_TOP;
}

static void set_state(Guest *g, Mode mode)
{
    Cpu *cpu = g->cpu;
    bool wide = mode == LONG || mode == USER;
    set_segments(g, mode);
    for (unsigned i = 0; i < 16; i++) {
        cpu->regs[i] = i == GPR_RSP ? cpu->regs[i] : 0;
    }
    cpu->regs[GPR_RBX] = AT_DATA;
    cpu->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->xcr0 = cpu->xcr0_mask | 1;
    cpu->idtr = wide ? (DescriptorTable){AT_IDT, 0xfff} : (DescriptorTable){AT_IDT32, 0x7ff};
    if (wide) {
        cpu->cr3 = AT_PML4;
        cpu->cr4 |= CR4_PAE;
        cpu->cr0 |= CR0_PG | CR0_WP;
        cpu->efer |= EFER_LMA;
    }
    cpu->rip = AT_CODE;
}

static void open_td(Guest *g)
{
    static const TdPort port = {shared_page, now_ns};
    static const LapicPort lapic_port = {.notify = no_notify};
    const CpuidTable *table;
    TdParams params;
    TdxSysInfo info;
    g->profile = *profile_builtin();
    g->profile.vmcall_rbp_refused = 1; /* as real modules */
    g->profile.kvm_xss |= g->cet ? XFAM_CET : 0;
    profile_narrow(&g->profile, NULL, 0);
    table = module_cpuid_table(&g->profile);
    tdx_sys_info(&g->profile, &info);
    params = (TdParams) {
        .xfam = profile_executable_xfam(&g->profile),
        .eptp_controls = g->shared_bit == BIT51 ? 0x26 : 0x1e,
        .config_flags = TD_FLAG_NO_RBP_MOD | (g->shared_bit == BIT51 ? TD_FLAG_GPAW : 0),
        .max_vcpus = 1, .tsc_frequency = 40,
        .attributes = g->pending_ve ? 0 : TD_ATTR_SEPT_VE_DISABLE,
    };
    for (unsigned i = 0; i < table->num_rows; i++) {
        for (unsigned r = 0; table->rows[i].config >= 0 && r < 4; r++) {
            params.cpuid_config[table->rows[i].config][r] =
                info.cpuid_config[table->rows[i].config].mask[r] & ~table->rows[i].direct[r];
        }
    }
    lapic_init(&g->lapic, 0, &lapic_port, NULL);
    g->td = td_new(&g->profile, &port, g);
    g_assert_nonnull(g->td);
    g_assert_cmphex(td_init(g->td, &params, NULL), ==, 0);
    g->vcpu = td_vcpu_new(g->td, &g->lapic, NULL);
    g_assert_nonnull(g->vcpu);
    g_assert_cmphex(td_vp_init(g->vcpu, 0, 0), ==, 0);
    g->cpu = td_vcpu_cpu(g->vcpu);
}

static void add_memory(Guest *g)
{
    for (unsigned at = 0x1000; at < AT_END; at += 0x1000) {
        g_assert_cmphex(td_page_add(g->td, at, g->memory + at), ==, 0);
    }
    g_assert_cmphex(td_mr_finalize(g->td), ==, 0);
    g_assert_cmphex(td_page_aug(g->td, AT_UNACCEPTED), ==, 0);
}

static int enter(Guest *g)
{
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(td_vp_enter(g->vcpu, &g->exit) & ~UINT64_C(0xffffffff) &
                            ~(UINT64_C(1) << 62),
                        ==, 0);
        switch (g->exit.kind) {
        case TD_EXIT_EPT_VIOLATION:
            if (g->exit.gpa >= AT_SIGNAL && g->exit.gpa < AT_SIGNAL + 0x100000) {
                return (int)((g->exit.gpa - AT_SIGNAL) >> 12);
            }
            return EXIT_OTHER;
        case TD_EXIT_TRIPLE_FAULT:
            return SHUTDOWN;
        case TD_EXIT_PENDING_ACCESS:
            return EXIT_PENDING;
        case TD_EXIT_NON_RECOVERABLE:
            return g->exit.status == VMX_EXIT_TASK_SWITCH ? EXIT_TASK_SWITCH : EXIT_OTHER;
        case TD_EXIT_VMCALL:
            td_vmcall_return(g->vcpu, g->exit.regs);
            break;
        default:
            g_test_message("exit %d: %s", g->exit.kind, g->cpu->unsupported);
            return EXIT_OTHER;
        }
    }
    return EXIT_OTHER;
}

static void run_case(gconstpointer data)
{
    const Case *c = data;
    g_autofree Guest *g = g_new0(Guest, 1);
    unsigned skip = c->error != NO_ERROR;
    int outcome;
    g->shared_bit = g_str_has_prefix(c->label, "GPAW 52") ? BIT51 : UINT64_C(1) << 47;
    build_tables(g);
    build_handlers(g);
    memcpy(g->memory + AT_CODE, c->code, (size_t)(c->end - c->code));
    g->cet = g_str_has_prefix(c->label, "with CET");
    g->pending_ve = strstr(c->label, "#VE of an unaccepted page") != NULL;
    open_td(g);
    set_state(g, c->mode);
    if (c->prepare) {
        c->prepare(g);
    }
    cpu_update_mode(g->cpu);
    add_memory(g);
    outcome = enter(g);
    if (outcome != c->outcome) {
        char text[4096];
        td_vcpu_describe(g->vcpu, text, sizeof(text));
        g_test_message("%s", text);
    }
    g_assert_cmpint(outcome, ==, c->outcome);
    if (c->error != NO_ERROR) {
        g_assert_cmphex(guest_stack(g, 0), ==, (uint64_t)c->error);
    }
    if (c->rip != ANY) {
        g_assert_cmphex(guest_stack(g, skip), ==, AT_CODE + (unsigned)c->rip);
    }
    if (c->check) {
        c->check(g);
    }
    td_vcpu_free(g->vcpu);
    td_free(g->td);
}

void conformance_run(const char *suite, const Case *cases, size_t n)
{
    g_test_set_nonfatal_assertions(); /* tells of every difference, not of the first */
    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/%s/%s", suite, cases[i].label);
        g_strdelimit(path + strlen(suite) + 2, "/", '|');
        g_test_add_data_func(path, &cases[i], run_case);
    }
}
