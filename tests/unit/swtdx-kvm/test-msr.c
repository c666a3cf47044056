/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MSRs that KVM keeps for a TD: what a guest gets by TDVMCALL, what the VMM gets by
 * KVM_GET/SET_MSRS, KVM_GET/SET_ONE_REG, the MSR filter, and the machine-check ioctls.
 */
#include "../../../swtdx/host/kvm/mce.h"
#include "guest.h"

#define INVALID TDVMCALL_INVALID_OPERAND

static int host_msr(Fixture *f, bool set, uint32_t index, uint64_t *value)
{
    /* struct kvm_msrs, whose last member has no size, with one entry */
    struct { uint32_t nmsrs, pad; struct kvm_msr_entry entry; } m = {
        .nmsrs = 1, .entry = { .index = index, .data = *value } };
    _Static_assert(offsetof(struct kvm_msrs, entries) == 8, "as in m");
    int r = vcpu(f, set ? KVM_SET_MSRS : KVM_GET_MSRS, (uintptr_t)&m);
    *value = m.entry.data;
    return r;
}

static uint64_t guest_rdmsr(Guest *g, uint32_t index)
{
    g_assert_cmpint(guest_vmcall(g, 31, index, 0, 0, 0), ==, GUEST_DONE);
    return g->page->out[R10];
}

static uint64_t guest_wrmsr(Guest *g, uint32_t index, uint64_t value)
{
    g_assert_cmpint(guest_vmcall(g, 32, index, value, 0, 0), ==, GUEST_DONE);
    return g->page->out[R10];
}

typedef struct WriteRow {
    const char *label;
    uint32_t index;
    uint64_t value;
    bool guest, host;    /* taken from it */
    uint64_t reads;      /* what a guest reads after it wrote; SAME: `value` */
} WriteRow;
#define SAME UINT64_C(0x5a5a5a5a5a5a5a5a)

static const WriteRow writes[] = {
    { "PAT", 0x277, UINT64_C(0x0407050600070106), true, true, SAME },
    { "PAT type 2", 0x277, 2, false, false, 0 },
    { "PAT byte of 8", 0x277, 8, false, false, 0 },
    { "MTRR base", 0x200, UINT64_C(0x123456006), true, true, SAME },
    { "MTRR base, type 2", 0x202, 2, false, false, 0 },
    { "MTRR base, bit 8", 0x202, 0x106, false, false, 0 },
    { "MTRR base beyond MAXPHYADDR", 0x202, UINT64_C(1) << 52, false, false, 0 },
    { "MTRR mask", 0x201, UINT64_C(0xfffffc0000800), true, true, SAME },
    { "MTRR mask, bit 10", 0x201, 0x400, false, false, 0 },
    { "MTRR of the 9th range", 0x210, 6, false, false, 0 },
    { "MTRR between the fixed ones", 0x251, 6, false, false, 0 },
    { "fixed MTRR", 0x250, UINT64_C(0x0606060606060606), true, true, SAME },
    { "fixed MTRR, type 7", 0x268, 7, false, false, 0 },
    { "MTRRdefType", 0x2ff, 0xc06, true, true, SAME },
    { "MTRRdefType, bit 8", 0x2ff, 0x106, false, false, 0 },
    { "MTRRdefType, type 7", 0x2ff, 7, false, false, 0 },
    { "MTRRcap", 0xfe, 0x508, false, false, 0 },
    { "MISC_ENABLE with what it has", 0x1a0, 0x1801, true, true, SAME },
    { "MISC_ENABLE 0", 0x1a0, 0, false, true, 0 },
    { "MISC_ENABLE without bit 11", 0x1a0, 0x1000, false, true, 0 },
    { "MISC_ENABLE bit 7", 0x1a0, 0x1880, true, true, 0x1800 },
    { "PLATFORM_INFO", 0xce, 0x80000100, false, true, 0 },
    { "MISC_FEATURES_ENABLES", 0x140, 1, true, true, SAME },
    { "MISC_FEATURES_ENABLES bit 1", 0x140, 2, false, false, 0 },
    { "POWER_CTL", 0x1fc, 2, true, true, SAME },
    { "UCODE_REV", 0x8b, 7, true, true, UINT64_C(0x100000000) },
    { "ARCH_CAPABILITIES", 0x10a, 0, false, true, 0 },
    { "FEAT_CTL", 0x3a, 1, false, false, 0 },
    { "EFER as it is", 0xc0000080, 0xd01, false, false, 0 },
    { "APIC base as it is", 0x1b, 0xfee00d00, false, false, 0 },
    { "KVM's polling off", 0x4b564d05, 0, true, true, SAME },
    { "KVM's polling 2", 0x4b564d05, 2, false, false, 0 },
    { "KVM's clock", 0x4b564d01, 0, false, false, 0 },
    { "MCG_CAP", 0x179, 32, false, false, 0 },
    { "MCG_STATUS", 0x17a, 5, true, true, SAME },
    { "MCG_CTL without MCG_CTL_P", 0x17b, 0, false, true, 0 },
    { "MCG_EXT_CTL without LMCE", 0x4d0, 1, false, true, 0 },
    { "MCG_EXT_CTL bit 1", 0x4d0, 2, false, false, 0 },
    { "MC0_CTL", 0x400, UINT64_MAX, true, true, SAME },
    { "MC0_CTL without bits 0 and 10", 0x400, UINT64_MAX & ~UINT64_C(0x401), true, true, SAME },
    { "MC0_CTL 1", 0x400, 1, false, false, 0 },
    { "MC0_STATUS 0", 0x401, 0, true, true, SAME },
    { "MC0_STATUS", 0x401, 1, false, true, 0 },
    { "MC31_MISC", 0x47f, 1, true, true, SAME },
    { "beyond the banks", 0x480, 1, false, false, 0 },
    { "MC0_CTL2 without CMCI", 0x280, 0, false, true, 0 },
    { "MC0_CTL2 without CMCI, a value", 0x280, 1, false, false, 0 },
    { "TSC", 0x10, 0, false, false, 0 },
    { "IA32_XSS", 0xda0, 0, false, false, 0 },
};

static void test_writes(void)
{
    Guest *g = guest_new(6, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(writes); i++) {
        const WriteRow *row = &writes[i];
        uint64_t value = row->value;
        g_test_message("%s", row->label);
        g_assert_cmphex(guest_wrmsr(g, row->index, value), ==, row->guest ? 0 : INVALID);
        if (row->guest) {
            g_assert_cmphex(guest_rdmsr(g, row->index), ==, 0);
            g_assert_cmphex(g->page->out[R11], ==, row->reads == SAME ? value : row->reads);
        }
    }
    guest_free(g);
    Fixture *f = fixture_new(16, AT_CPUID, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(writes); i++) {
        const WriteRow *row = &writes[i];
        uint64_t value = row->value, read = 0;
        g_test_message("host: %s", row->label);
        g_assert_cmpint(host_msr(f, true, row->index, &value), ==, row->host);
        if (row->host) {
            g_assert_cmpint(host_msr(f, false, row->index, &read), ==, 1);
            g_assert_cmphex(read, ==, row->value);
        }
    }
    fixture_free(f);
}

/* What they are at first, and who may read them. */
static void test_reads(void)
{
    static const struct {
        const char *label;
        uint32_t index;
        bool guest;
        uint64_t value;
    } rows[] = {
        { "UCODE_REV", 0x8b, true, UINT64_C(0x100000000) },
        { "PLATFORM_INFO", 0xce, true, 0x80000000 }, { "MTRRcap", 0xfe, true, 0x508 },
        { "MISC_ENABLE", 0x1a0, true, 0x1800 }, { "MCG_CAP", 0x179, true, 32 },
        { "MCG_CTL", 0x17b, false, 0 }, { "MCG_EXT_CTL", 0x4d0, false, 0 },
        { "MC0_CTL2", 0x280, false, 0 }, { "MC0_CTL", 0x400, true, 0 },
        { "MTRR base 0", 0x200, true, 0 }, { "MTRRdefType", 0x2ff, true, 0 },
        { "polling", 0x4b564d05, true, 1 }, { "POWER_CTL", 0x1fc, true, 0 },
    };
    Guest *g = guest_new(6, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t value = 0;
        g_test_message("%s", rows[i].label);
        g_assert_cmphex(guest_rdmsr(g, rows[i].index), ==, rows[i].guest ? 0 : INVALID);
        if (rows[i].guest) {
            g_assert_cmphex(g->page->out[R11], ==, rows[i].value);
        }
        g_assert_cmpint(host_msr(g->f, false, rows[i].index, &value), ==, 1);
        g_assert_cmphex(value, ==, rows[i].value);
    }
    guest_free(g);
}

/* KVM_X86_SETUP_MCE decides which registers there are. */
static void test_mce_setup(void)
{
    static const struct { const char *label; uint64_t cap; int result; } rows[] = {
        { "10 banks", 10, 0 }, { "no banks", MCG_CTL_P, -EINVAL },
        { "32 banks", 32, 0 }, { "33 banks", 33, -EINVAL }, { "all of it", MCE_SUPPORTED | 10, 0 },
        { "a bit that is not supported", UINT64_C(1) << 11 | 10, -EINVAL },
        { "extended registers", 0x180000 | 10, 0 },
    };
    Guest *g = guest_new(6, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(vcpu(g->f, KVM_X86_SETUP_MCE, (uintptr_t)&rows[i].cap), ==, rows[i].result);
    }
    g_assert_cmpint(vcpu(g->f, KVM_X86_SETUP_MCE, 8), ==, -EFAULT);
    uint64_t cap = MCE_SUPPORTED | 10;
    g_assert_cmpint(vcpu(g->f, KVM_X86_SETUP_MCE, (uintptr_t)&cap), ==, 0);
    g_assert_cmphex(guest_rdmsr(g, 0x179), ==, 0);
    g_assert_cmphex(g->page->out[R11], ==, cap);
    g_assert_cmphex(guest_rdmsr(g, 0x3a), ==, 0);
    g_assert_cmphex(g->page->out[R11], ==, 0x100001); /* LMCE, locked */
    g_assert_cmphex(guest_rdmsr(g, 0x17b), ==, 0);
    g_assert_cmphex(g->page->out[R11], ==, UINT64_MAX);
    g_assert_cmphex(guest_wrmsr(g, 0x17b, 1), ==, INVALID);
    g_assert_cmphex(guest_wrmsr(g, 0x4d0, 1), ==, 0);
    g_assert_cmphex(guest_rdmsr(g, 0x424), ==, 0);
    g_assert_cmphex(g->page->out[R11], ==, UINT64_MAX);
    g_assert_cmphex(guest_rdmsr(g, 0x428), ==, INVALID); /* the 11th bank */
    g_assert_cmphex(guest_wrmsr(g, 0x289, 0x40000001), ==, 0);
    g_assert_cmphex(guest_wrmsr(g, 0x289, 0x80000001), ==, INVALID);
    g_assert_cmphex(guest_wrmsr(g, 0x28a, 0), ==, INVALID);
    guest_free(g);
}

static int set_mce(Guest *g, uint8_t bank, uint64_t status, uint64_t mcg_status)
{
    struct kvm_x86_mce mce = { .status = status, .addr = 0x1234, .misc = 0x56,
                               .mcg_status = mcg_status, .bank = bank };
    return vcpu(g->f, KVM_X86_SET_MCE, (uintptr_t)&mce);
}

static void test_mce_set(void)
{
    const uint64_t valid = UINT64_C(1) << 63, uncorrected = UINT64_C(1) << 61;
    Guest *g = guest_new(6, 16);
    uint64_t cap = MCG_CTL_P | MCG_SER_P | 10;
    g_assert_cmpint(vcpu(g->f, KVM_X86_SETUP_MCE, (uintptr_t)&cap), ==, 0);
    g_assert_cmpint(set_mce(g, 10, valid, 0), ==, -EINVAL);
    g_assert_cmpint(set_mce(g, 0, 0, 0), ==, -EINVAL);
    g_assert_cmpint(vcpu(g->f, KVM_X86_SET_MCE, 8), ==, -EFAULT);
    g_assert_cmpint(set_mce(g, 2, valid | 0x9f, 0), ==, 0); /* corrected: it stands in the bank */
    g_assert_cmphex(guest_rdmsr(g, 0x409), ==, 0);
    g_assert_cmphex(g->page->out[R11], ==, valid | 0x9f);
    g_assert_cmphex(guest_rdmsr(g, 0x40a), ==, 0);
    g_assert_cmphex(g->page->out[R11], ==, 0x1234);
    /* uncorrected: no #MC can be injected */
    g_assert_cmpint(set_mce(g, 3, valid | uncorrected | UINT64_C(3) << 55, 5), ==, 0);
    g_assert_cmpint(guest_go_on(g), ==, KVM_EXIT_SHUTDOWN);
    guest_free(g);
}

/* KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR. */
static void test_filter(void)
{
    uint8_t none[32] = { 0 };
    struct kvm_msr_filter filter = { .ranges = { {
        .flags = KVM_MSR_FILTER_READ, .nmsrs = 16, .base = 0x270, .bitmap = none } } };
    Guest *g = guest_new(6, 16);
    g_assert_cmpint(vm(g->f, KVM_X86_SET_MSR_FILTER, (uintptr_t)&filter), ==, 0);
    g_assert_cmphex(guest_rdmsr(g, 0x277), ==, INVALID);
    g_assert_cmphex(guest_wrmsr(g, 0x277, 6), ==, 0); /* reads alone */
    uint64_t pat = 0;
    g_assert_cmpint(host_msr(g->f, false, 0x277, &pat), ==, 1); /* the guest's alone */
    g_assert_cmphex(pat, ==, 6);

    static const struct {
        const char *label;
        uint64_t enabled;
        uint32_t call, index, reason; /* 0: no exit */
    } rows[] = {
        { "filtered, not wanted", KVM_MSR_EXIT_REASON_INVAL, 31, 0x277, 0 },
        { "filtered", KVM_MSR_EXIT_REASON_FILTER, 31, 0x277, KVM_MSR_EXIT_REASON_FILTER },
        { "unknown, not wanted", KVM_MSR_EXIT_REASON_FILTER, 31, 0x10, 0 },
        { "unknown", KVM_MSR_EXIT_REASON_INVAL, 31, 0x10, KVM_MSR_EXIT_REASON_INVAL },
        { "unknown, written", KVM_MSR_EXIT_REASON_INVAL, 32, 0x10, KVM_MSR_EXIT_REASON_INVAL },
        { "read only, written", 7, 32, 0x1b, KVM_MSR_EXIT_REASON_INVAL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        bool write = rows[i].call == 32;
        g_test_message("%s", rows[i].label);
        for (unsigned error = 0; error < 2; error++) {
            g_assert_cmpint(enable(g->f, KVM_CAP_X86_USER_SPACE_MSR, rows[i].enabled), ==, 0);
            int r = guest_vmcall(g, rows[i].call, rows[i].index, 0x1234567890, 0, 0);
            if (!rows[i].reason) {
                g_assert_cmpint(r, ==, GUEST_DONE);
                g_assert_cmphex(g->page->out[R10], ==, INVALID);
                continue;
            }
            g_assert_cmpint(r, ==, write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR);
            g_assert_cmphex(g->run->msr.reason, ==, rows[i].reason);
            g_assert_cmphex(g->run->msr.index, ==, rows[i].index);
            if (write) {
                g_assert_cmphex(g->run->msr.data, ==, 0x1234567890);
            }
            g->run->msr.data = 0xabc;
            g->run->msr.error = (uint8_t)error;
            g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
            g_assert_cmphex(g->page->out[R10], ==, error ? INVALID : 0);
            if (!error && !write) {
                g_assert_cmphex(g->page->out[R11], ==, 0xabc);
            }
        }
    }
    guest_free(g);
}

static void test_one_reg(void)
{
    uint64_t value = 0;
    struct kvm_one_reg pat = { ABI_REG_MSR | 0x277, (uintptr_t)&value };
    struct kvm_one_reg tsc = { ABI_REG_MSR | 0x10, (uintptr_t)&value };
    struct kvm_one_reg other = { UINT64_C(0x2030000000000000), (uintptr_t)&value };
    struct kvm_one_reg nowhere = { ABI_REG_MSR | 0x277, 8 };
    Fixture *f = fixture_new(16, AT_CPUID, NULL);
    g_assert_cmpint(sys(f, KVM_CHECK_EXTENSION, KVM_CAP_ONE_REG), ==, 0);
    g_assert_cmpint(vcpu(f, KVM_GET_ONE_REG, (uintptr_t)&pat), ==, -EINVAL);
    fixture_free(f);
    f = fixture_new(18, AT_CPUID, NULL);
    g_assert_cmpint(vm(f, KVM_CHECK_EXTENSION, KVM_CAP_ONE_REG), ==, 1);
    g_assert_cmpint(vcpu(f, KVM_GET_ONE_REG, (uintptr_t)&pat), ==, 0);
    g_assert_cmphex(value, ==, UINT64_C(0x0007040600070406));
    value = 6;
    g_assert_cmpint(vcpu(f, KVM_SET_ONE_REG, (uintptr_t)&pat), ==, 0);
    value = 2;
    g_assert_cmpint(vcpu(f, KVM_SET_ONE_REG, (uintptr_t)&pat), ==, -EINVAL);
    g_assert_cmpint(vcpu(f, KVM_GET_ONE_REG, (uintptr_t)&pat), ==, 0);
    g_assert_cmphex(value, ==, 6);
    g_assert_cmpint(vcpu(f, KVM_GET_ONE_REG, (uintptr_t)&tsc), ==, -EINVAL);
    g_assert_cmpint(vcpu(f, KVM_GET_ONE_REG, (uintptr_t)&other), ==, -EINVAL);
    g_assert_cmpint(vcpu(f, KVM_GET_ONE_REG, (uintptr_t)&nowhere), ==, -EFAULT);
    g_assert_cmpint(vcpu(f, KVM_GET_ONE_REG, 8), ==, -EFAULT);
    fixture_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-msr/writes", test_writes);
    g_test_add_func("/swtdx-msr/reads", test_reads);
    g_test_add_func("/swtdx-msr/mce-setup", test_mce_setup);
    g_test_add_func("/swtdx-msr/mce-set", test_mce_set);
    g_test_add_func("/swtdx-msr/filter", test_filter);
    g_test_add_func("/swtdx-msr/one-reg", test_one_reg);
    return g_test_run();
}
