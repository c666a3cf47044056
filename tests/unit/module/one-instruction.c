/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TDs of one-instruction.h. */
#include "one-instruction.h"

#include <string.h>

#include "../../../swtdx/run/run.h"

enum {
    AT_PML4 = 0x1000, AT_PDPT = 0x2000, AT_GDT = 0x3000, AT_IDT = 0x4000, AT_STACK = 0x5000,
    AT_CODE = 0x6000, AT_STUBS = 0x7000, AT_DATA = 0x8000, AT_DATA2 = 0x9000, AT_END = 0x600,
};

static uint8_t *no_shared_page(void *opaque, uint64_t gpa, bool *writable)
{
    return NULL;
}

static uint64_t now_ns(void *opaque)
{
    return 1000;
}

static void no_notify(void *opaque, bool nmi)
{
}

static const TdPort port = {no_shared_page, now_ns};
static const LapicPort lapic_port = {.notify = no_notify};

void td_ask_for(Guest *g, bool all, unsigned without)
{
    const CpuidTable *table = module_cpuid_table(&g->profile);
    TdxSysInfo info;
    tdx_sys_info(&g->profile, &info);
    g->params = (TdParams){.xfam = profile_executable_xfam(&g->profile), .eptp_controls = 0x1e,
                           .config_flags = TD_FLAG_NO_RBP_MOD, .max_vcpus = 1, .tsc_frequency = 40,
                           .attributes = TD_ATTR_SEPT_VE_DISABLE};
    for (unsigned i = 0; i < table->num_rows; i++) {
        const CpuidRow *row = &table->rows[i];
        for (unsigned r = 0; row->config >= 0 && r < 4; r++) {
            uint32_t *c = &g->params.cpuid_config[row->config][r];
            *c = info.cpuid_config[row->config].mask[r] & ~row->direct[r];
            if (row->leaf == 7 && row->subleaf == 0 && !all) {
                *c &= ~(r == EBX ? 1u << 4 | 1u << 11 : r == ECX ? 1u << 5 : 0);
            }
            if (without && row->leaf == FEATURE_LEAF(without) &&
                row->subleaf == FEATURE_SUBLEAF(without) &&
                r == FEATURE_REG(without)) {
                *c &= ~(1u << FEATURE_BIT(without));
            }
        }
    }
}

static void put64(uint8_t *page, unsigned offset, uint64_t value)
{
    memcpy(page + offset, &value, 8);
}

static void add(Guest *g, uint64_t gpa, const uint8_t *page)
{
    g_assert_cmphex(td_page_add(g->td, gpa, page), ==, 0);
}

/* mov r10d, n; jmp to the common end. */
static void stub(uint8_t *at, uint32_t n, int32_t from)
{
    int32_t jump = AT_END - (from + 11);
    at[0] = 0x41;
    at[1] = 0xba;
    memcpy(at + 2, &n, 4);
    at[6] = 0xe9;
    memcpy(at + 7, &jump, 4);
}

static void add_pages(Guest *g, const uint8_t *code, size_t n)
{
    /* rcx = 400h, rax = 0, tdcall */
    static const uint8_t end[] = {0xb9, 0x00, 0x04, 0, 0, 0x31, 0xc0, 0x66, 0x0f, 0x01, 0xcc};
    uint8_t page[4096] = {0};
    put64(page, 0, AT_PDPT | 3);
    add(g, AT_PML4, page);
    put64(page, 0, 0x83);
    add(g, AT_PDPT, page);
    put64(page, 0, 0);
    put64(page, 8, UINT64_C(0x00af9b000000ffff));
    add(g, AT_GDT, page);
    memset(page, 0, sizeof(page));
    for (unsigned i = 0; i < 32; i++) {
        put64(page, i * 16, UINT64_C(0x00008e0000080000) | (AT_STUBS + i * 16));
    }
    add(g, AT_IDT, page);
    memset(page, 0, sizeof(page));
    add(g, AT_STACK, page);
    add(g, AT_DATA2, page);
    page[0x40] = 1; /* a tile configuration: palette 1, three tiles of one row of 4 bytes */
    page[0x50] = page[0x52] = page[0x54] = 4;
    page[0x70] = page[0x71] = page[0x72] = 1;
    add(g, AT_DATA, page);
    memset(page, 0x90, sizeof(page));
    while (n && !code[n - 1]) {
        n--;
    }
    memcpy(page, code, n);
    stub(page + 0x40, (uint32_t)NOTHING, AT_CODE - AT_STUBS + 0x40);
    add(g, AT_CODE, page);
    for (unsigned i = 0; i < 32; i++) {
        stub(page + i * 16, i, (int32_t)(i * 16));
    }
    memcpy(page + AT_END, end, sizeof(end));
    add(g, AT_STUBS, page);
}

/* As an operating system leaves it: 64-bit mode, everything that CPUID offers switched on. */
static void start(Guest *g)
{
    Cpu *cpu = td_vcpu_cpu(g->vcpu);
    cpu->cr0 = CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG;
    cpu->cr3 = AT_PML4;
    cpu->cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE |
               (g->params.xfam & XFAM_PKRU ? CR4_PKE : 0) |
               (g->params.xfam & XFAM_CET ? CR4_CET : 0);
    cpu->efer |= EFER_LMA;
    cpu->xcr0 = g->params.xfam & XFAM_USER;
    cpu->gdtr = (DescriptorTable){AT_GDT, 0xf};
    cpu->idtr = (DescriptorTable){AT_IDT, 0x1ff};
    cpu->seg[SEG_CS] = (Segment){8, 0xa09b, 0xffffffff, 0};
    cpu->regs[GPR_RSP] = AT_STACK + 0xff0;
    cpu->regs[GPR_RSI] = AT_DATA;
    cpu->regs[GPR_RAX] = AT_DATA2;
    cpu->regs[GPR_RCX] = cpu->regs[GPR_RDX] = cpu->regs[GPR_RBX] = 0;
    cpu->rip = AT_CODE;
    cpu_update_mode(cpu);
}

void td_open(Guest *g)
{
    uint64_t detail = 0;
    lapic_init(&g->lapic, 0, &lapic_port, NULL);
    g->td = td_new(&g->profile, &port, NULL);
    g_assert_nonnull(g->td);
    g_assert_cmphex(td_init(g->td, &g->params, &detail), ==, 0);
    g->vcpu = td_vcpu_new(g->td, &g->lapic, NULL);
    g_assert_nonnull(g->vcpu);
    g_assert_cmphex(td_vp_init(g->vcpu, 0, 0), ==, 0);
}

void td_close(Guest *g)
{
    td_vcpu_free(g->vcpu);
    td_free(g->td);
}

int td_execute(Guest *g, const char *name, const uint8_t *code, size_t n)
{
    TdExit exit;
    td_open(g);
    add_pages(g, code, n);
    g_assert_cmphex(td_mr_finalize(g->td), ==, 0);
    start(g);
    g_assert_cmphex(td_vp_enter(g->vcpu, &exit), ==, 0);
    if (exit.kind != TD_EXIT_VMCALL) {
        char text[4096];
        td_vcpu_describe(g->vcpu, text, sizeof(text));
        g_test_message("%s: exit %d, %s\n%s", name, exit.kind,
                       td_vcpu_cpu(g->vcpu)->unsupported, text);
    }
    g_assert_cmpint(exit.kind, ==, TD_EXIT_VMCALL);
    td_close(g);
    return (int)(uint32_t)exit.regs[GPR_R10];
}

static void check_able(const Profile *profile, void (*check)(const Profile *profile))
{
    uint32_t leaf, subleaf, vendor[4];
    profile_cpuid(profile, 0, 0, vendor);
    if (vendor[EBX] != 0x756e6547 || !module_cpuid_platform_ok(profile, &leaf, &subleaf)) {
        g_test_message("%s: no TDs", profile->name);
        return;
    }
    check(profile);
}

void td_each_profile(void (*check)(const Profile *profile))
{
    g_autoptr(GDir) dir = g_dir_open(PROFILES_DIR, 0, NULL);
    const char *name;
    unsigned n = 0;
    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ".json")) {
            g_autofree char *path = g_build_filename(PROFILES_DIR, name, NULL);
            g_autoptr(GError) error = NULL;
            Profile profile;
            g_assert_true(profile_load(path, &profile, &error));
            g_assert_no_error(error);
            check_able(&profile, check);
            /* and with the latest module, which offers more of the processor */
            if (g_str_has_prefix(name, "cpu-")) {
                profile.module_major = 2;
                profile.module_minor = 0;
                profile.module_update = 8;
                check_able(&profile, check);
            }
            n++;
        }
    }
    g_assert_cmpuint(n, >, 10);
}
