/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDVMCALLs that reach the VMM, with hostile operands; a guest's last words. */
#include <errno.h>
#include <string.h>

#include "../../../target/i386/kvm/tdx-internal.h"
#include "fake-kvm.h"
#include "util/bytes.h"

#define INVALID TDVMCALL_INVALID_OPERAND

static struct {
    Kvm *kvm;
    KvmVcpu *vcpu;
    TdxTd td;
    uint8_t *host;
    uint32_t panic_code;
    char *panic_text;
    bool has_gpa;
    uint64_t gpa;
    char *internal_error;
} m;

static void panicked(void *opaque, uint32_t code, const char *text, bool has_gpa, uint64_t gpa)
{
    g_free(m.panic_text);
    m.panic_text = g_strdup(text);
    m.panic_code = code;
    m.has_gpa = has_gpa;
    m.gpa = gpa;
}

static void internal_error(void *opaque, const char *message)
{
    g_free(m.internal_error);
    m.internal_error = g_strdup(message);
}

static const RunStatePort runstate = { .guest_panicked = panicked,
                                       .internal_error = internal_error };

static struct kvm_run *setup(void)
{
    fake_reset();
    memset(&m, 0, sizeof(m));
    m.host = g_malloc0(4 * MiB + 4096);
    uint8_t *ram = (uint8_t *)(((uintptr_t)m.host + 4095) & ~(uintptr_t)4095);
    m.kvm = kvm_open(NULL);
    m.td.vm = kvm_vm_new(m.kvm, 5, NULL);
    kvm_vm_add_memory(m.td.vm, "ram", 0, 4 * MiB, ram, true, NULL);
    kvm_vm_convert(m.td.vm, 0, 4 * MiB, true);
    m.vcpu = kvm_vcpu_new(m.td.vm, 6, NULL);
    m.td.ports.memory = address_space_new("memory");
    address_space_add_ram(m.td.ports.memory, "ram", 0, 4 * MiB, ram);
    m.td.ports.runstate = &runstate;
    m.td.shared_bit = UINT64_C(1) << 47;
    m.td.vmcall_info = 0xff;
    g_mutex_init(&m.td.lock);
    m.td.quotes = tdx_quotes_new(NULL, m.td.ports.memory, tdx_vmcall_notify, &m.td);
    fake_forget_calls();
    return kvm_vcpu_run_page(m.vcpu);
}

static void teardown(void)
{
    tdx_quotes_free(m.td.quotes);
    address_space_free(m.td.ports.memory);
    kvm_vm_free(m.td.vm);
    kvm_close(m.kvm);
    g_mutex_clear(&m.td.lock);
    g_free(m.host);
    g_free(m.panic_text);
    g_free(m.internal_error);
    g_assert_cmpuint(fake_open_fds(), ==, 0);
}

static void test_map_gpa(void)
{
    static const struct {
        const char *label;
        uint64_t nr, gpa, pages, attributes, ret;
        const char *calls;
    } rows[] = {
        { "share", 12, 0x200000, 2, 0, 0,
          "SET_MEMORY_ATTRIBUTES(0x200000+0x2000,0) punch(0x200000+0x2000) " },
        { "take back", 12, 0x200000, 512, 0x10, 0,
          "SET_MEMORY_ATTRIBUTES(0x200000+0x200000,8) discard(2097152) " },
        { "with a page size", 12, 0x200000, 1, 0x11, 0,
          "SET_MEMORY_ATTRIBUTES(0x200000+0x1000,8) discard(4096) " },
        { "with the shared bit", 12, 0x800000201000, 1, 0, 0,
          "SET_MEMORY_ATTRIBUTES(0x201000+0x1000,0) punch(0x201000+0x1000) " },
        { "device", 12, 0xfec00000, 1, 0, 0, "" },
        { "beyond memory", 12, 0x3ff000, 3, 0, 0,
          "SET_MEMORY_ATTRIBUTES(0x3ff000+0x1000,0) punch(0x3ff000+0x1000) " },
        { "no pages", 12, 0x200000, 0, 0, EINVAL, "" },
        { "unaligned", 12, 0x200800, 1, 0, EINVAL, "" },
        { "wraps", 12, 0x7ffffffff000, UINT64_MAX / 4096, 0, EINVAL, "" },
        { "too many pages", 12, 0, UINT64_MAX, 0, EINVAL, "" },
        { "pages wrap to nothing", 12, 0, UINT64_C(1) << 52, 0, EINVAL, "" },
        { "more than 1 GiB", 12, 0, 262145, 0, EINVAL, "" },
        { "ends beyond the address width", 12, 0x7ffffffff000, 2, 0, EINVAL, "" },
        { "beyond the address width", 12, UINT64_C(1) << 48, 1, 0, EINVAL, "" },
        { "at the end of all addresses", 12, UINT64_MAX - 4095, 2, 0, EINVAL, "" },
        { "unknown attribute", 12, 0x200000, 1, 0x20, EINVAL, "" },
        { "unknown attributes", 12, 0x200000, 1, UINT64_MAX, EINVAL, "" },
        { "another hypercall", 11, 0x200000, 1, 0, EINVAL, "" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct kvm_run *run = setup();

        g_test_message("%s", rows[i].label);
        run->exit_reason = KVM_EXIT_HYPERCALL;
        run->hypercall.nr = rows[i].nr;
        run->hypercall.args[0] = rows[i].gpa;
        run->hypercall.args[1] = rows[i].pages;
        run->hypercall.args[2] = rows[i].attributes;
        run->hypercall.ret = 0;
        g_assert_true(tdx_vmcall_exit(&m.td, m.vcpu, run));
        g_assert_cmpuint(run->hypercall.ret, ==, rows[i].ret);
        g_autofree char *calls = fake_calls();
        g_assert_cmpstr(calls, ==, rows[i].calls);
        teardown();
    }
    struct kvm_run *run = setup();
    fake_fail("SET_MEMORY_ATTRIBUTES", 2, 1, ENOMEM, 0);
    run->exit_reason = KVM_EXIT_HYPERCALL;
    run->hypercall.nr = 12;
    run->hypercall.args[1] = 1;
    g_assert_true(tdx_vmcall_exit(&m.td, m.vcpu, run));
    g_assert_cmpuint(run->hypercall.ret, ==, EINVAL); /* never a negative number */
    teardown();
}

static uint64_t call_tdx(struct kvm_run *run, uint64_t nr)
{
    run->exit_reason = KVM_EXIT_TDX;
    kvm_run_tdx(run)->nr = nr;
    kvm_run_tdx(run)->unknown.ret = TDVMCALL_SUBFUNC_UNSUPPORTED;
    g_assert_true(tdx_vmcall_exit(&m.td, m.vcpu, run));
    return kvm_run_tdx(run)->unknown.ret;
}

static void test_info(void)
{
    struct kvm_run *run = setup();
    struct kvm_run_tdx *call = kvm_run_tdx(run);

    call->get_tdvmcall_info.leaf = 1;
    g_assert_cmphex(call_tdx(run, 0x10000), ==, 0);
    g_assert_cmphex(call->get_tdvmcall_info.r11, ==, 2);
    call->get_tdvmcall_info.leaf = 2;
    g_assert_cmphex(call_tdx(run, 0x10000), ==, INVALID);
    m.td.vmcall_info = 0; /* a kernel that does not pass the call on */
    call->get_tdvmcall_info.leaf = 1;
    g_assert_cmphex(call_tdx(run, 0x10000), ==, 0);
    g_assert_cmphex(call->get_tdvmcall_info.r11, ==, 0);
    g_assert_cmphex(call_tdx(run, 0x10005), ==, TDVMCALL_SUBFUNC_UNSUPPORTED);
    teardown();
}

static void test_event_notify(void)
{
    static const struct {
        uint64_t vector, ret;
    } rows[] = { { 31, INVALID }, { 32, 0 }, { 255, 0 }, { 256, INVALID }, { 0, INVALID },
                 { UINT64_MAX, INVALID } };
    struct kvm_run *run = setup();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        kvm_run_tdx(run)->setup_event_notify.vector = rows[i].vector;
        g_assert_cmphex(call_tdx(run, 0x10004), ==, rows[i].ret);
    }
    g_assert_true(m.td.has_notify);
    g_assert_cmpuint(m.td.notify_vector, ==, 255);
    g_assert_cmpuint(m.td.notify_apic_id, ==, 6);
    teardown();
}

/*
 * The interrupt is fixed, edge-triggered, to the vCPU that asked for it; none without being asked.
 */
static void test_notify(void)
{
    struct kvm_run *run = setup();

    tdx_vmcall_notify(&m.td);
    kvm_run_tdx(run)->setup_event_notify.vector = 0x51;
    g_assert_cmphex(call_tdx(run, 0x10004), ==, 0);
    tdx_vmcall_notify(&m.td);
    m.td.notify_apic_id = 0x12345678; /* 32-bit ids */
    tdx_vmcall_notify(&m.td);
    fake_fail("SIGNAL_MSI", 3, 1, EINVAL, 0);
    tdx_vmcall_notify(&m.td); /* lost, and nothing else */
    g_autofree char *calls = fake_calls();
    g_assert_cmpstr(calls, ==,
                    "SIGNAL_MSI(0x0:fee06000,0x51) SIGNAL_MSI(0x12345600:fee78000,0x51) "
                    "SIGNAL_MSI(0x12345600:fee78000,0x51) ");
    teardown();
}

/* What query-tdx tells. */
static void test_stats(void)
{
    struct kvm_run *run = setup();
    TdxTdStats stats;

    tdx_td_stats(&m.td, &stats);
    g_assert_cmpuint(stats.memory.private_bytes, ==, 4 * MiB);
    g_assert_true(stats.memory.shared_bytes == 0 && stats.memory.to_private == 0 &&
                  !stats.has_fatal_error);
    /* the second time nothing changes; the third takes half of it back */
    for (unsigned i = 0; i < 3; i++) {
        run->exit_reason = KVM_EXIT_HYPERCALL;
        run->hypercall.nr = 12;
        run->hypercall.args[0] = 0x200000;
        run->hypercall.args[1] = i == 2 ? 2 : 4;
        run->hypercall.args[2] = i == 2 ? 0x10 : 0;
        g_assert_true(tdx_vmcall_exit(&m.td, m.vcpu, run));
    }
    call_tdx(run, 0x10005);
    run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    run->system_event.type = KVM_SYSTEM_EVENT_TDX_FATAL;
    run->system_event.ndata = 16;
    memset(&run->system_event.data, 0, sizeof(run->system_event.data));
    run->system_event.data[12] = 5;
    run->system_event.data[14] = 0x6f6f62; /* "boo" */
    g_assert_false(tdx_vmcall_exit(&m.td, m.vcpu, run));
    tdx_td_stats(&m.td, &stats);
    g_assert_cmpuint(stats.vmcalls.map_gpa, ==, 3);
    g_assert_cmpuint(stats.vmcalls.unknown, ==, 1);
    g_assert_cmpuint(stats.vmcalls.report_fatal_error, ==, 1);
    g_assert_cmpuint(stats.memory.shared_bytes, ==, 0x2000);
    g_assert_cmpuint(stats.memory.private_bytes, ==, 4 * MiB - 0x2000);
    g_assert_cmpuint(stats.memory.to_shared, ==, 1);
    g_assert_cmpuint(stats.memory.to_shared_bytes, ==, 0x4000);
    g_assert_cmpuint(stats.memory.to_private, ==, 1);
    g_assert_cmpuint(stats.memory.to_private_bytes, ==, 0x2000);
    g_assert_true(stats.has_fatal_error);
    g_assert_cmpuint(stats.fatal_error.code, ==, 5);
    g_assert_cmpstr(stats.fatal_error.text, ==, "boo");
    teardown();
}

static void test_quote(void)
{
    static const struct {
        const char *label;
        uint64_t gpa, size, version, ret;
        uint32_t in_length;
    } rows[] = {
        { "good", 0x10000, 0x4000, 1, 0, 1024 },
        { "full", 0x10000, 0x1000, 1, 0, 0x1000 - 24 },
        { "with the shared bit", 0x800000010000, 0x1000, 1, 0, 1024 },
        { "empty", 0x10000, 0, 1, INVALID, 0 },
        { "unaligned address", 0x10010, 0x1000, 1, TDVMCALL_ALIGN_ERROR, 0 },
        { "unaligned size", 0x10000, 0x1010, 1, TDVMCALL_ALIGN_ERROR, 0 },
        { "too large", 0x10000, 0x21000, 1, INVALID, 0 },
        { "far too large", 0x10000, UINT64_MAX & ~UINT64_C(4095), 1, INVALID, 0 },
        { "not memory", 0xfec00000, 0x1000, 1, INVALID, 0 },
        { "end of memory", 0x3ff000, 0x2000, 1, INVALID, 0 },
        { "version 0", 0x10000, 0x1000, 0, INVALID, 0 },
        { "version 2", 0x10000, 0x1000, 2, INVALID, 0 },
        { "length over the end", 0x10000, 0x1000, 1, INVALID, 0x1000 - 23 },
        { "length wraps", 0x10000, 0x1000, 1, INVALID, UINT32_MAX },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct kvm_run *run = setup();
        uint8_t *buffer = address_space_ram(m.td.ports.memory, 0x10000, 4096);

        g_test_message("%s", rows[i].label);
        store_le64(buffer, rows[i].version);
        store_le32(buffer + 16, rows[i].in_length);
        store_le32(buffer + 20, 99);
        kvm_run_tdx(run)->get_quote.gpa = rows[i].gpa;
        kvm_run_tdx(run)->get_quote.size = rows[i].size;
        g_assert_cmphex(call_tdx(run, 0x10002), ==, rows[i].ret);
        g_assert_cmphex(load_le64(buffer + 8), ==, rows[i].ret ? 0 : 0x8000000000000001);
        g_assert_cmpuint(load_le32(buffer + 20), ==, rows[i].ret ? 99 : 0);
        teardown();
    }
}

static void test_fatal_text(void)
{
    static const struct {
        const char *label, *message; /* 64 bytes in the order of the calling convention */
        uint64_t r12, r13;
        uint32_t code;
        const char *text;
        uint64_t gpa;
    } rows[] = {
        { "Linux", "TD misconfiguration: SEPT #VE has to be disabled", 0, 0, 0,
          "TD misconfiguration: SEPT #VE has to be disabled", 0 },
        { "all 64 bytes", "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF", 7, 0,
          7,
          "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF", 0 },
        { "nothing", "", 3, 0x1000, 3, "", 0 },
        { "control characters", "a\n\x1b[31mb\x7f\x80\xff", 1, 0, 1, "a??[31mb???", 0 },
        { "spaces", "oops     ", 0, 0, 0, "oops", 0 },
        { "page", "see page", 0x8000000000000002, 0x800000123000, 2, "see page", 0x123000 },
        { "extended code", "x", 0x7fffffff00000005, 0, 5, "x", 0 },
    };
    static const uint8_t order[8] = { 14, 15, 3, 7, 6, 8, 9, 2 };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct kvm_run *run = setup();
        uint8_t bytes[65] = { 0 };

        g_test_message("%s", rows[i].label);
        g_strlcpy((char *)bytes, rows[i].message, sizeof(bytes));
        run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
        run->system_event.type = KVM_SYSTEM_EVENT_TDX_FATAL;
        run->system_event.ndata = 16;
        for (unsigned j = 0; j < 8; j++) {
            run->system_event.data[order[j]] = load_le64(bytes + 8 * j);
        }
        run->system_event.data[12] = rows[i].r12;
        run->system_event.data[13] = rows[i].r13;
        g_assert_false(tdx_vmcall_exit(&m.td, m.vcpu, run));
        g_assert_cmpstr(m.panic_text, ==, rows[i].text);
        g_assert_cmphex(m.panic_code, ==, rows[i].code);
        g_assert_cmpint(m.has_gpa, ==, rows[i].gpa != 0);
        g_assert_cmphex(m.gpa, ==, rows[i].gpa);
        teardown();
    }
}

static void test_other_events(void)
{
    static const struct {
        uint32_t type, ndata;
    } rows[] = { { 1, 0 }, { 2, 1 }, { 7, 0 }, { 7, 15 }, { 99, 16 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct kvm_run *run = setup();

        run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
        run->system_event.type = rows[i].type;
        run->system_event.ndata = rows[i].ndata;
        g_assert_false(tdx_vmcall_exit(&m.td, m.vcpu, run));
        g_assert_null(m.panic_text);
        g_assert_nonnull(strstr(m.internal_error, "KVM_EXIT_SYSTEM_EVENT of type"));
        teardown();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx/vmcall/map-gpa", test_map_gpa);
    g_test_add_func("/tdx/vmcall/info", test_info);
    g_test_add_func("/tdx/vmcall/event-notify", test_event_notify);
    g_test_add_func("/tdx/vmcall/notify", test_notify);
    g_test_add_func("/tdx/vmcall/stats", test_stats);
    g_test_add_func("/tdx/vmcall/quote", test_quote);
    g_test_add_func("/tdx/vmcall/fatal-text", test_fatal_text);
    g_test_add_func("/tdx/vmcall/other-events", test_other_events);
    return g_test_run();
}
