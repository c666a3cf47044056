/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDVMCALLs as KVM serves or forwards them (GHCI 1.5): each sub-function with good, bad and unknown
 * operands, what the VMM finds in kvm_run, and what the guest gets of what the VMM writes there.
 */
#include "../../../swtdx/host/module/status.h"
#include "guest.h"

#define S GUEST_SHARED_BIT
#define INVALID TDVMCALL_INVALID_OPERAND
#define ALIGN TDVMCALL_ALIGN_ERROR
#define UNSUPPORTED TDVMCALL_SUBFUNC_UNSUPPORTED

/* Calls that never reach the VMM. */
typedef struct AnswerRow {
    const char *label;
    uint64_t leaf, r12, r13, r14, r15;
    uint64_t r10;
    uint64_t r11; /* what it becomes; UINT64_MAX: not looked at */
} AnswerRow;
#define ANY UINT64_MAX

static const AnswerRow answers[] = {
    { "sub-function 0", 0, 0, 0, 0, 0, UNSUPPORTED, ANY },
    { "WBINVD", 54, 0, 0, 0, 0, UNSUPPORTED, ANY },
    { "PCONFIG", 65, 0, 0, 0, 0, UNSUPPORTED, ANY },
    { "MWAIT", 36, 0, 0, 0, 0, UNSUPPORTED, ANY },
    { "MONITOR", 39, 0, 0, 0, 0, UNSUPPORTED, ANY },
    { "Service", 0x10005, 0, 0, 0, 0, UNSUPPORTED, ANY },
    { "0x10006", 0x10006, 0, 0, 0, 0, UNSUPPORTED, ANY },
    { "upper half of the leaf", UINT64_C(0x10000001e), 1, 1, 0x60, 0, UNSUPPORTED, ANY },

    { "IO of 3 bytes", 30, 3, 0, 0x60, 0, INVALID, ANY },
    { "IO of 0 bytes", 30, 0, 0, 0x60, 0, INVALID, ANY },
    { "IO of 8 bytes", 30, 8, 0, 0x60, 0, INVALID, ANY },
    { "IO direction 2", 30, 1, 2, 0x60, 0, INVALID, ANY },

    { "MMIO of 3 bytes", 48, 3, 0, S | 0xfec00000, 0, INVALID, ANY },
    { "MMIO of 16 bytes", 48, 16, 0, S | 0xfec00000, 0, INVALID, ANY },
    { "MMIO direction 2", 48, 4, 2, S | 0xfec00000, 0, INVALID, ANY },
    { "MMIO of a private address", 48, 4, 0, 0xfec00000, 0, INVALID, ANY },
    { "MMIO into the private half", 48, 8, 0, (S << 1) - 4, 0, INVALID, ANY },
    { "MMIO out of the private half", 48, 8, 0, S - 4, 0, INVALID, ANY },

    { "MapGPA of nothing", 0x10001, S, 0, 0, 0, INVALID, S },
    { "MapGPA that wraps", 0x10001, S, UINT64_C(0) - S, 0, 0, INVALID, S },
    { "MapGPA beyond MAXPHYADDR", 0x10001, UINT64_C(1) << 52, 0x1000, 0, 0, INVALID,
      UINT64_C(1) << 52 },
    { "MapGPA over the halves", 0x10001, S - 0x1000, 0x2000, 0, 0, INVALID, S - 0x1000 },
    { "MapGPA unaligned", 0x10001, S | 0x800, 0x1000, 0, 0, ALIGN, S | 0x800 },
    { "MapGPA of half a page", 0x10001, S, 0x800, 0, 0, ALIGN, S },
    { "MapGPA: halves count before alignment", 0x10001, S - 0x800, 0x1000, 0, 0, INVALID,
      S - 0x800 },

    { "info leaf 0", 0x10000, 0, 9, 9, 9, 0, 0 },
    { "info leaf 2", 0x10000, 2, 0, 0, 0, INVALID, ANY },
    { "info leaf of 2^32", 0x10000, UINT64_C(1) << 32, 0, 0, 0, INVALID, ANY },
    { "GetQuote in private memory", 0x10002, 0x3000, 0x2000, 0, 0, INVALID, ANY },
    { "event notification at 31", 0x10004, 31, 0, 0, 0, INVALID, ANY },
    { "event notification at 256", 0x10004, 256, 0, 0, 0, INVALID, ANY },
    { "event notification at 2^32 + 64", 0x10004, UINT64_C(0x100000040), 0, 0, 0, INVALID, ANY },

    { "RDMSR of nothing", 31, 0x12345, 0, 0, 0, INVALID, ANY },
    { "RDMSR of the TSC", 31, 0x10, 0, 0, 0, INVALID, ANY },
    { "WRMSR of the TSC", 32, 0x10, 0, 0, 0, INVALID, ANY },
    { "RDMSR of the APIC base", 31, 0x1b, 0, 0, 0, 0, 0xfee00d00 },
    { "WRMSR of the APIC base", 32, 0x1b, 0xfee00d00, 0, 0, INVALID, ANY },
    { "RDMSR of EFER", 31, 0xc0000080, 0, 0, 0, 0, 0xd01 },
    { "RDMSR of the PAT", 31, 0x277, 0, 0, 0, 0, UINT64_C(0x0007040600070406) },
    { "RDMSR of FEAT_CTL", 31, 0x3a, 0, 0, 0, 0, 1 },
    { "RDMSR of TPR, which is the processor's", 31, 0x808, 0, 0, 0, INVALID, ANY },
    { "RDMSR of the x2APIC id", 31, 0x802, 0, 0, 0, 0, 0 },
};

static void test_answers(void)
{
    Guest *g = guest_new(6, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        const AnswerRow *row = &answers[i];
        g_test_message("%s", row->label);
        g_assert_cmpint(guest_vmcall(g, row->leaf, row->r12, row->r13, row->r14, row->r15), ==,
                        GUEST_DONE);
        g_assert_cmphex(g->page->out[RAX], ==, 0); /* of TDG.VP.VMCALL itself */
        g_assert_cmphex(g->page->out[R10], ==, row->r10);
        if (row->r11 != ANY) {
            g_assert_cmphex(g->page->out[R11], ==, row->r11);
        }
    }
    /* leaf 0 of GetTdVmCallInfo tells of nothing beyond the base set */
    g_assert_cmpint(guest_vmcall(g, 0x10000, 0, 9, 9, 9), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[R12] | g->page->out[R13] | g->page->out[R14], ==, 0);
    guest_free(g);
}

/* A TDVMCALL that selects bad registers does not leave the guest. */
static void test_masks(void)
{
    static const uint64_t bad[] = { 1, 2, 0x10, 0x10001, UINT64_C(1) << 32, UINT64_MAX };
    Guest *g = guest_new(6, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        memset(g->page->in, 0, sizeof(g->page->in));
        g->page->in[RCX] = bad[i];
        g->page->in[R11] = 0x10003;
        g_assert_cmpint(guest_call(g), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[RAX], ==, TDX_OPERAND_INVALID | TDX_OPERAND_RCX);
        g_assert_cmphex(g->page->out[R11], ==, 0x10003);
    }
    /* what is not selected is 0 to the VMM and keeps its value: R12 = 0 is the leaf 0 */
    memset(g->page->in, 0, sizeof(g->page->in));
    g->page->in[RCX] = 0x0c00;
    g->page->in[R11] = 0x10000;
    g->page->in[R12] = 77;
    g_assert_cmpint(guest_call(g), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[R10], ==, 0);
    g_assert_cmphex(g->page->out[R11], ==, 0);
    g_assert_cmpuint(g->page->out[R12], ==, 77);
    guest_free(g);
}

static void test_io(void)
{
    static const struct { uint64_t size, port, value, seen; } rows[] = {
        { 1, 0x60, 0x1122334455667788, 0x88 }, { 2, 0x3f8, 0x1122334455667788, 0x7788 },
        { 4, 0xcfc, 0x1122334455667788, 0x55667788 }, { 4, 0x10cfc, 5, 5 }, /* 16 bits of port */
    };
    Guest *g = guest_new(6, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t data = 0;
        g_assert_cmpint(guest_vmcall(g, 30, rows[i].size, 1, rows[i].port, rows[i].value), ==,
                        KVM_EXIT_IO);
        g_assert_cmpint(g->run->io.direction, ==, KVM_EXIT_IO_OUT);
        g_assert_cmpint(g->run->io.size, ==, rows[i].size);
        g_assert_cmpint(g->run->io.port, ==, (uint16_t)rows[i].port);
        g_assert_cmpint(g->run->io.count, ==, 1);
        memcpy(&data, (uint8_t *)g->run + g->run->io.data_offset, rows[i].size);
        g_assert_cmphex(data, ==, rows[i].seen);
        g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[R10], ==, 0);

        g_assert_cmpint(guest_vmcall(g, 30, rows[i].size, 0, rows[i].port, 0), ==, KVM_EXIT_IO);
        g_assert_cmpint(g->run->io.direction, ==, KVM_EXIT_IO_IN);
        memset((uint8_t *)g->run + g->run->io.data_offset, 0xff, 8);
        memcpy((uint8_t *)g->run + g->run->io.data_offset, &rows[i].value, rows[i].size);
        g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[R10], ==, 0);
        g_assert_cmphex(g->page->out[R11], ==, rows[i].seen); /* zero-extended */
    }
    guest_free(g);
}

static void test_mmio(void)
{
    Guest *g = guest_new(6, 16);
    const uint64_t value = UINT64_C(0x1122334455667788);
    for (uint64_t size = 1; size <= 8; size *= 2) {
        uint64_t mask = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1, data = 0;
        g_assert_cmpint(guest_vmcall(g, 48, size, 1, S | 0xfec00010, value), ==, KVM_EXIT_MMIO);
        g_assert_cmphex(g->run->mmio.phys_addr, ==, 0xfec00010); /* without the shared bit */
        g_assert_cmpint(g->run->mmio.len, ==, size);
        g_assert_cmpint(g->run->mmio.is_write, ==, 1);
        memcpy(&data, g->run->mmio.data, 8);
        g_assert_cmphex(data & mask, ==, value & mask);
        g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[R10], ==, 0);

        g_assert_cmpint(guest_vmcall(g, 48, size, 0, S | 0xfec00010, 0), ==, KVM_EXIT_MMIO);
        g_assert_cmpint(g->run->mmio.is_write, ==, 0);
        memcpy(g->run->mmio.data, &value, 8);
        g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[R10], ==, 0);
        g_assert_cmphex(g->page->out[R11], ==, value & mask);
    }
    guest_free(g);
}

/* What the VMM writes into `ret` of a MapGPA, by the kernel's age. */
static void test_map_gpa_answers(void)
{
    static const struct {
        const char *label;
        uint32_t major, minor;
        uint64_t ret;
        int run; /* what KVM_RUN gives then */
        uint64_t r10;
    } rows[] = {
        { "done", 6, 16, 0, GUEST_DONE, 0 },
        { "EAGAIN, 6.16", 6, 16, EAGAIN, GUEST_DONE, INVALID },
        { "EAGAIN, 7.1", 7, 1, EAGAIN, GUEST_DONE, INVALID },
        { "EAGAIN, 7.2", 7, 2, EAGAIN, GUEST_DONE, TDVMCALL_RETRY },
        { "EINVAL, 7.2", 7, 2, EINVAL, GUEST_DONE, INVALID },
        { "another, 7.1", 7, 1, 5, GUEST_DONE, INVALID },
        { "another, 7.2", 7, 2, 5, -EINVAL, 0 },
        { "negative, 7.2", 7, 2, (uint64_t)-EINVAL, -EINVAL, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Guest *g = guest_new(rows[i].major, rows[i].minor);
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(guest_vmcall(g, 0x10001, 0x5000 | S, 0x3000, 0, 0), ==, KVM_EXIT_HYPERCALL);
        g_assert_cmpuint(g->run->hypercall.nr, ==, 12);
        g_assert_cmphex(g->run->hypercall.args[0], ==, 0x5000);
        g_assert_cmphex(g->run->hypercall.args[1], ==, 3);
        g_assert_cmphex(g->run->hypercall.args[2], ==, 0); /* to shared */
        g_assert_cmphex(g->run->hypercall.ret, ==, 0);
        g_assert_cmphex(g->run->hypercall.longmode, ==, 1);
        g->run->hypercall.ret = rows[i].ret;
        g_assert_cmpint(guest_go_on(g), ==, rows[i].run);
        if (rows[i].run == GUEST_DONE) {
            g_assert_cmphex(g->page->out[R10], ==, rows[i].r10);
            if (rows[i].ret) {
                g_assert_cmphex(g->page->out[R11], ==, 0x5000 | S);
            }
        }
        guest_free(g);
    }
}

/* Pieces of 2 MiB from where it starts; between them an event makes the guest try again. */
static void test_map_gpa_pieces(void)
{
    Guest *g = guest_new(6, 16);
    const uint64_t start = UINT64_C(0x40001000);
    g_assert_cmpint(guest_vmcall(g, 0x10001, start, 0x400000 + 0x3000, 0, 0), ==,
                    KVM_EXIT_HYPERCALL);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(g->run->hypercall.args[0], ==, start + i * 0x200000);
        g_assert_cmphex(g->run->hypercall.args[1], ==, i < 2 ? 512 : 3);
        g_assert_cmphex(g->run->hypercall.args[2], ==, 0x10); /* to private */
        g_assert_cmpint(guest_go_on(g), ==, i < 2 ? KVM_EXIT_HYPERCALL : GUEST_DONE);
    }
    g_assert_cmphex(g->page->out[R10], ==, 0);

    /* the second piece fails */
    g_assert_cmpint(guest_vmcall(g, 0x10001, start | S, 0x600000, 0, 0), ==, KVM_EXIT_HYPERCALL);
    g_assert_cmpint(guest_go_on(g), ==, KVM_EXIT_HYPERCALL);
    g->run->hypercall.ret = EINVAL;
    g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[R10], ==, INVALID);
    g_assert_cmphex(g->page->out[R11], ==, (start + 0x200000) | S);

    /* an interrupt arrives after the first */
    struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };
    g_assert_cmpint(guest_vmcall(g, 0x10001, start | S, 0x600000, 0, 0), ==, KVM_EXIT_HYPERCALL);
    g_assert_cmpint(vm(g->f, KVM_SIGNAL_MSI, (uintptr_t)&msi), ==, 1);
    g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[R10], ==, TDVMCALL_RETRY);
    g_assert_cmphex(g->page->out[R11], ==, (start + 0x200000) | S);
    guest_free(g);
}

/* Without KVM_CAP_EXIT_HYPERCALL nobody can be asked. */
static void test_map_gpa_refused(void)
{
    Fixture *f = fixture_new(16, AT_CAPS, NULL);
    g_assert_cmpint(enable(f, KVM_CAP_EXIT_HYPERCALL, 0), ==, 0);
    Guest *g = guest_from(f);
    g_assert_cmpint(guest_vmcall(g, 0x10001, 0x800 | S, 0, 0, 0), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[R10], ==, UNSUPPORTED);
    g_assert_cmphex(g->page->out[R11], ==, 0x800 | S);
    /* it may be set at any time */
    g_assert_cmpint(enable(f, KVM_CAP_EXIT_HYPERCALL, 0x1000), ==, 0);
    g_assert_cmpint(guest_vmcall(g, 0x10001, 0x8000 | S, 0x1000, 0, 0), ==, KVM_EXIT_HYPERCALL);
    guest_free(g);
}

static void test_tdx_exits(void)
{
    Guest *g = guest_new(6, 16);
    AbiRunTdx *tdx = abi_run_tdx(g->run);
    g_assert_cmpint(guest_vmcall(g, 0x10002, S | 0x7123, 0x2001, 0, 0), ==, ABI_EXIT_TDX);
    g_assert_cmphex(tdx->nr, ==, 0x10002);
    g_assert_cmphex(tdx->flags, ==, 0);
    g_assert_cmphex(tdx->get_quote.ret, ==, UNSUPPORTED);
    g_assert_cmphex(tdx->get_quote.gpa, ==, 0x7123); /* alignment is the VMM's to judge */
    g_assert_cmphex(tdx->get_quote.size, ==, 0x2001);
    g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE); /* untouched */
    g_assert_cmphex(g->page->out[R10], ==, UNSUPPORTED);

    g_assert_cmpint(guest_vmcall(g, 0x10002, S | 0x7000, 0x2000, 0, 0), ==, ABI_EXIT_TDX);
    tdx->get_quote.ret = TDVMCALL_RETRY;
    g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[R10], ==, TDVMCALL_RETRY);

    static const uint64_t vectors[] = { 32, 0x51, 255 };
    for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++) {
        g_assert_cmpint(guest_vmcall(g, 0x10004, vectors[i], 0, 0, 0), ==, ABI_EXIT_TDX);
        g_assert_cmphex(tdx->nr, ==, 0x10004);
        g_assert_cmpuint(tdx->notify.vector, ==, vectors[i]);
        g_assert_cmphex(tdx->notify.ret, ==, UNSUPPORTED);
        tdx->notify.ret = i;
        g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[R10], ==, i);
    }

    g_assert_cmpint(guest_vmcall(g, 0x10000, 1, 5, 6, 7), ==, ABI_EXIT_TDX);
    g_assert_cmphex(tdx->nr, ==, 0x10000);
    g_assert_cmphex(tdx->info.leaf, ==, 1);
    g_assert_cmphex(tdx->info.ret | tdx->info.r11 | tdx->info.r12 | tdx->info.r13 | tdx->info.r14,
                    ==, 0);
    tdx->info.ret = 3;
    tdx->info.r11 = 0x11;
    tdx->info.r12 = 0x12;
    tdx->info.r13 = 0x13;
    tdx->info.r14 = 0x14;
    g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
    for (unsigned r = R11; r <= R14; r++) {
        g_assert_cmphex(g->page->out[r], ==, 0x11 + r - R11);
    }
    g_assert_cmphex(g->page->out[R10], ==, 3);
    guest_free(g);
}

static void test_fatal_error(void)
{
    Guest *g = guest_new(6, 16);
    memset(g->page->in, 0, sizeof(g->page->in));
    for (unsigned r = 0; r < 16; r++) {
        g->page->in[r] = UINT64_C(0x1111111111111111) * r;
    }
    g->page->in[RAX] = 0;
    g->page->in[RCX] = 0xffcc;
    g->page->in[R10] = 0;
    g->page->in[R11] = 0x10003;
    g_assert_cmpint(guest_call(g), ==, KVM_EXIT_SYSTEM_EVENT);
    g_assert_cmpint(g->run->system_event.type, ==, 7);
    g_assert_cmpint(g->run->system_event.ndata, ==, 16);
    for (unsigned r = RDX; r < 16; r++) {
        bool passed = r != RSP && r != RBP;
        g_assert_cmphex(g->run->system_event.data[r], ==, passed ? g->page->in[r] : 0);
    }
    g_assert_cmphex(g->run->system_event.data[RAX], ==, 77); /* status of TDH.VP.ENTER */
    g_assert_cmphex(g->run->system_event.data[RCX], ==, 0xffcc);
    /* whoever goes on shows the guest success */
    g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[R10], ==, 0);
    guest_free(g);
}

/* R10 is not 0: KVM's own hypercalls. */
static void test_hypercalls(void)
{
    static const struct { const char *label; uint64_t nr, ret; } rows[] = {
        { "VAPIC_POLL_IRQ", 1, 0 }, { "CLOCK_PAIRING", 9, (uint64_t)-1000 },
        { "unknown", 99, (uint64_t)-1000 }, { "beyond 32 bits", UINT64_C(1) << 40,
                                              (uint64_t)-1000 },
    };
    Guest *g = guest_new(6, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        memset(g->page->in, 0, sizeof(g->page->in));
        g->page->in[RCX] = 0xfc00;
        g->page->in[R10] = rows[i].nr;
        g->page->in[R11] = 30;
        g_assert_cmpint(guest_call(g), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[R10], ==, rows[i].ret);
    }
    g->page->in[R10] = 12; /* MAP_GPA_RANGE, as the guest passes it */
    g->page->in[R11] = S | 0x123;
    g->page->in[R12] = 100000;
    g->page->in[R13] = 0x1f;
    g_assert_cmpint(guest_call(g), ==, KVM_EXIT_HYPERCALL);
    g_assert_cmpuint(g->run->hypercall.nr, ==, 12);
    g_assert_cmphex(g->run->hypercall.args[0], ==, S | 0x123);
    g_assert_cmpuint(g->run->hypercall.args[1], ==, 100000);
    g_assert_cmphex(g->run->hypercall.args[2], ==, 0x1f);
    g->run->hypercall.ret = 0xabcdef;
    g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
    g_assert_cmphex(g->page->out[R10], ==, 0xabcdef);
    guest_free(g);
}

/* CPUID 0x40000000 and what else the guest asks for comes from KVM_SET_CPUID2. */
static void test_cpuid(void)
{
    struct { AbiCpuidHeader header; AbiCpuidEntry entries[7]; } c = { { 7, 0 }, {
        { .function = 0, .eax = 7 },
        { .function = 1, .ecx = 1u << 21 },
        { .function = 7, .flags = 1, .index = 0, .eax = 1, .ebx = 2, .ecx = 3, .edx = 4 },
        { .function = 7, .flags = 1, .index = 1, .eax = 5 },
        { .function = 0x40000000, .eax = 0x40000001, .ebx = 0x11, .ecx = 0x22, .edx = 0x33 },
        { .function = 0x80000000, .eax = 0x80000008 },
        { .function = 0x80000008, .eax = 48u << 16 | 52 } } };
    static const struct { uint64_t leaf, subleaf; uint32_t out[4]; } rows[] = {
        { 0x40000000, 0, { 0x40000001, 0x11, 0x22, 0x33 } }, { 7, 0, { 1, 2, 3, 4 } },
        { 7, 1, { 5, 0, 0, 0 } }, { 7, 2, { 0, 0, 0, 0 } },
        { 0x40000001, 0, { 0, 0, 0, 0 } },                   /* within its class */
        { 0x40000002, 0, { 1, 2, 3, 4 } },                   /* beyond: the highest basic leaf */
        { 0x10, 0, { 1, 2, 3, 4 } }, { 0x10, 1, { 5, 0, 0, 0 } },
        { UINT64_C(0x100000007), 0, { 1, 2, 3, 4 } },        /* 32 bits of it */
    };
    Guest *g = guest_new(6, 16);
    g_assert_cmpint(vcpu(g->f, KVM_SET_CPUID2, (uintptr_t)&c), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpint(guest_vmcall(g, 10, rows[i].leaf, rows[i].subleaf, 0, 0), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[R10], ==, 0);
        for (unsigned r = 0; r < 4; r++) {
            g_assert_cmphex(g->page->out[R12 + r], ==, rows[i].out[r]);
        }
    }
    /* now that it ran, only the same table may be set */
    g_assert_cmpint(vcpu(g->f, KVM_SET_CPUID2, (uintptr_t)&c), ==, 0);
    c.entries[0].ebx = 1;
    g_assert_cmpint(vcpu(g->f, KVM_SET_CPUID2, (uintptr_t)&c), ==, -EINVAL);
    guest_free(g);
}

/*
 * What ends a vCPU ends it for good: the module refuses further entries, which KVM does not know
 * what to make of.
 */
static void test_after_the_end(void)
{
    Guest *g = guest_new(6, 16);
    g_assert_cmpint(guest_vmcall(g, 0, 0, 0, 0, 0), ==, GUEST_DONE);
    g_assert_cmpint(vcpu(g->f, KVM_NMI, 0), ==, 0); /* the guest has no IDT */
    g_assert_cmpint(guest_go_on(g), ==, KVM_EXIT_SHUTDOWN);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpint(guest_go_on(g), ==, KVM_EXIT_INTERNAL_ERROR);
        g_assert_cmpint(g->run->internal.suberror, ==, 4); /* unexpected exit reason */
        g_assert_cmpint(g->run->internal.ndata, ==, 2);
        g_assert_cmphex(g->run->internal.data[0], ==, TDX_VCPU_STATE_INCORRECT);
    }
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-vmcall/answers", test_answers);
    g_test_add_func("/swtdx-vmcall/masks", test_masks);
    g_test_add_func("/swtdx-vmcall/io", test_io);
    g_test_add_func("/swtdx-vmcall/mmio", test_mmio);
    g_test_add_func("/swtdx-vmcall/map-gpa-answers", test_map_gpa_answers);
    g_test_add_func("/swtdx-vmcall/map-gpa-pieces", test_map_gpa_pieces);
    g_test_add_func("/swtdx-vmcall/map-gpa-refused", test_map_gpa_refused);
    g_test_add_func("/swtdx-vmcall/tdx-exits", test_tdx_exits);
    g_test_add_func("/swtdx-vmcall/fatal-error", test_fatal_error);
    g_test_add_func("/swtdx-vmcall/hypercalls", test_hypercalls);
    g_test_add_func("/swtdx-vmcall/cpuid", test_cpuid);
    g_test_add_func("/swtdx-vmcall/after-the-end", test_after_the_end);
    return g_test_run();
}
