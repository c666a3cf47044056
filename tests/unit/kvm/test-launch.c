/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch of a TD against an invented kernel: order, every failure of every step, retries,
 * nothing left open.
 */
#include <errno.h>
#include <string.h>

#include "fake-kvm.h"
#include "target/i386/kvm/tdx.h"
#include "util/error.h"

#define HOST ((uint8_t *)0x100000000)
#define ALL UINT32_MAX

/* The plan's pure functions have their own tests; here they answer what a test wants. */
static bool settle_fails;

bool tdx_plan_settle(TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps,
                     GError **errp)
{
    g_assert_cmpuint(cpuid_table_size(module), ==, fake.td_cpuid);
    return !settle_fails ||
           error_set(errp, "TDX doesn't support requested feature: CPUID.07H:EDX.x [bit 1]");
}

CpuidTable *tdx_plan_vcpu_cpuid(const TdxPlan *plan, const CpuidTable *module,
                                const TdxCapabilities *caps, unsigned i)
{
    return cpuid_table_copy(module);
}

void tdx_capabilities_free(TdxCapabilities *caps)
{
    if (caps) {
        cpuid_table_free(caps->configurable);
        cpuid_table_free(caps->supported);
        g_free(caps);
    }
}

static TdxMemoryRegion regions[] = {
    { .gpa = 4 * GiB - 2 * MiB, .size = 16 * 4096, .content = HOST, .measure = true,
      .type = TDVF_SECTION_BFV },
    { .gpa = 0x809000, .size = 2 * 4096, .content = HOST, .type = TDVF_SECTION_TD_HOB,
      .section = 1 },
    { .gpa = 5 * GiB, .size = 4096, .content = HOST, .type = TDVF_SECTION_TEMP_MEM, .section = 2 },
};

static const GuestRam ram[] = {
    { "pc.ram.low", 0, 2 * GiB, HOST },
    { "pc.ram.high", 4 * GiB, 2 * GiB, HOST + 2 * GiB },
    { "firmware", 4 * GiB - 2 * MiB, 2 * MiB, HOST + 4 * GiB },
};

static struct {
    Kvm *kvm;
    TdxPlan plan;
    uint32_t apic_ids[16];
    char *internal_error;
    unsigned resets;
} m;

static void internal_error(void *opaque, const char *message)
{
    g_free(m.internal_error);
    m.internal_error = g_strdup(message);
}

static void reset(void *opaque, ShutdownCause cause)
{
    m.resets++;
}

static const RunStatePort runstate = { .internal_error = internal_error, .reset = reset };

static void setup(void)
{
    fake_reset();
    memset(&m, 0, sizeof(m));
    settle_fails = false;
    m.plan = (TdxPlan) {
        .attributes = 0x10000000, .xfam = 0xe7, .gpaw = 48, .tsc_khz = 2000000, .num_vcpus = 2,
        .apic_ids = m.apic_ids,
        .init_cpuid = cpuid_table_new(), .hob_address = 0x809000, .regions = g_ptr_array_new(),
    };
    m.apic_ids[1] = 4;
    cpuid_table_ensure(m.plan.init_cpuid, 0x80000008, 0, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(regions); i++) {
        g_ptr_array_add(m.plan.regions, &regions[i]);
    }
}

static void teardown(void)
{
    cpuid_table_free(m.plan.init_cpuid);
    g_ptr_array_free(m.plan.regions, TRUE);
    g_free(m.internal_error);
    g_assert_cmpuint(fake_open_fds(), ==, 0);
    g_assert_cmpuint(fake_mappings(), ==, 0);
}

static TdxTd *launch(GError **errp)
{
    const TdxTdPorts ports = { .runstate = &runstate };
    TdxTd *td = NULL;
    g_autoptr(TdxCapabilities) caps = NULL;

    m.kvm = kvm_open(errp);
    if (!m.kvm) {
        return NULL;
    }
    KvmVm *vm = tdx_vm_new(m.kvm, &caps, errp);
    if (vm) {
        td = tdx_launch(vm, &m.plan, caps, ram, G_N_ELEMENTS(ram), &ports, errp);
    }
    if (!td) {
        g_clear_pointer(&m.kvm, kvm_close);
    }
    return td;
}

static void finish(TdxTd *td)
{
    tdx_td_free(td);
    kvm_close(m.kvm);
    teardown();
}

static void test_order(void)
{
    setup();
    TdxTd *td = launch(NULL);
    g_autofree char *calls = fake_calls();

    g_assert_nonnull(td);
    g_assert_cmpstr(
        calls, ==,
        "open GET_API_VERSION GET_VCPU_MMAP_SIZE CREATE_VM(5) CAPABILITIES GET_SUPPORTED_CPUID "
        "GET_TSC_KHZ ENABLE_CAP(121,0x18) ENABLE_CAP(237,0x28) ENABLE_CAP(129,0x3) "
        "ENABLE_CAP(201,0x1000) SET_TSC_KHZ(2000000) INIT_VM CREATE_VCPU(0) mmap CREATE_VCPU(4) "
        "mmap GET_CPUID SET_CPUID2 SET_CPUID2 INIT_VCPU INIT_VCPU CREATE_GUEST_MEMFD cloexec "
        "SET_USER_MEMORY_REGION2(0,0x0+0x80000000,4) CREATE_GUEST_MEMFD cloexec "
        "SET_USER_MEMORY_REGION2(1,0x100000000+0x80000000,4) CREATE_GUEST_MEMFD cloexec "
        "SET_USER_MEMORY_REGION2(2,0xffe00000+0x200000,4) SET_MEMORY_ATTRIBUTES(0x0+0x80000000,8) "
        "discard(2147483648) SET_MEMORY_ATTRIBUTES(0xffe00000+0x200000,8) discard(2097152) "
        "SET_MEMORY_ATTRIBUTES(0x140000000+0x40000000,8) "
        "SET_MEMORY_ATTRIBUTES(0x140000000+0x1000,8) discard(4096) INIT_MEM_REGION INIT_MEM_REGION "
        "INIT_MEM_REGION FINALIZE_VM ");
    g_assert_cmphex(fake.attributes, ==, 0x10000000);
    g_assert_cmphex(fake.xfam, ==, 0xe7);
    g_assert_cmphex(fake.rcx, ==, 0x809000);
    tdx_td_resume(td);
    tdx_td_pause(td);
    tdx_td_resume(td);
    finish(td);
}

typedef struct FailureRow {
    const char *op;
    unsigned nth;
    int error;
    uint64_t hw_error;
    const char *message;
} FailureRow;

static const FailureRow failure_rows[] = {
    { "CREATE_VM", 1, EINVAL, 0, "KVM_CREATE_VM for VM type 5 failed: Invalid argument" },
    { "CREATE_VM", 1, ENOMEM, 0, "KVM_CREATE_VM" },
    { "CREATE_VM", 1, EMFILE, 0, "KVM_CREATE_VM" },
    { "CAPABILITIES", 1, EINVAL, 0,
      "TDX ioctl KVM_TDX_CAPABILITIES failed, hw_errors: 0x0: Invalid argument" },
    { "CAPABILITIES", 1, ENOTTY, 0, "not that of Linux 6.16 and later" },
    { "CAPABILITIES", 1, EIO, 0, "KVM_TDX_CAPABILITIES" },
    { "CAPABILITIES", 1, ENOMEM, 0, "KVM_TDX_CAPABILITIES" },
    { "GET_SUPPORTED_CPUID", 1, ENOMEM, 0, "KVM_GET_SUPPORTED_CPUID" },
    { "ENABLE_CAP", 1, EEXIST, 0, "KVM_CAP_SPLIT_IRQCHIP = 0x18" },
    { "ENABLE_CAP", 2, EINVAL, 0, "KVM_CAP_X86_APIC_BUS_CYCLES_NS = 0x28" },
    { "ENABLE_CAP", 3, EINVAL, 0, "KVM_CAP_X2APIC_API" },
    { "ENABLE_CAP", 4, EINVAL, 0, "KVM_CAP_EXIT_HYPERCALL" },
    { "ENABLE_CAP", 4, EIO, 0, "step: enable capabilities" },
    { "SET_TSC_KHZ", 1, EINVAL, 0, "Unable to set TSC frequency to 2000000 kHz: Invalid argument" },
    { "INIT_VM", 1, EINVAL, 0, "CPUID leaf 0x80000008 sub-leaf 0x0 cannot be configured" },
    { "INIT_VM", 1, EINVAL, 0xc000010000000045, "CPUID_CONFIG" },
    { "INIT_VM", 1, EINVAL, 0xc000010000000046, "TSC_FREQUENCY" },
    { "INIT_VM", 1, ENOSPC, 0, "No free TDX private KeyID" },
    { "INIT_VM", 1, EBUSY, 0, "misc.max" },
    { "INIT_VM", 1, ENOMEM, 0, "KVM_TDX_INIT_VM failed, hw_errors: 0x0: Cannot allocate memory" },
    { "INIT_VM", 1, E2BIG, 0, "step: initialise the TD" },
    { "INIT_VM", 1, EIO, 0, "every package must have one" },
    { "INIT_VM", 1, EIO, 0xc000050500000000, "SYS_NOT_READY" },
    { "INIT_VM", 1, EAGAIN, 0, "had no entropy in 10000 tries" },
    { "CREATE_VCPU", 1, EIO, 0, "KVM_CREATE_VCPU for vCPU id 0 failed" },
    { "CREATE_VCPU", 2, EINVAL, 0, "This was vCPU 2 of 2; a TD on this host has at most 8" },
    { "CREATE_VCPU", 2, EEXIST, 0, "vCPU id 4 failed: File exists" },
    { "mmap", 1, ENOMEM, 0, "run page of vCPU id 0" },
    { "mmap", 2, ENOMEM, 0, "run page of vCPU id 4" },
    { "GET_CPUID", 1, EINVAL, 0, "KVM_TDX_GET_CPUID failed" },
    { "GET_CPUID", 1, EIO, 0, "step: read the TD's CPUID" },
    { "GET_CPUID", 1, EBUSY, 0, "KVM_TDX_GET_CPUID" },
    { "SET_CPUID2", 1, EINVAL, 0, "KVM_SET_CPUID2 with 30 entries for vCPU id 0 failed" },
    { "SET_CPUID2", 2, E2BIG, 0, "at most 256" },
    { "INIT_VCPU", 1, EINVAL, 0, "lacks x2APIC" },
    { "INIT_VCPU", 2, EIO, 0, "This was vCPU 1, x2APIC id 4" },
    { "INIT_VCPU", 1, ENOMEM, 0, "KVM_TDX_INIT_VCPU" },
    { "INIT_VCPU", 1, EBUSY, 0, "KVM_TDX_INIT_VCPU" },
    { "CREATE_GUEST_MEMFD", 1, EINVAL, 0, "pc.ram.low" },
    { "CREATE_GUEST_MEMFD", 3, EMFILE, 0, "memory 'firmware': Too many open files" },
    { "cloexec", 2, EBADF, 0, "pc.ram.high" },
    { "SET_USER_MEMORY_REGION2", 1, EINVAL, 0,
      "memory 'pc.ram.low' at 0x0, size 0x80000000, slot 0 failed" },
    { "SET_USER_MEMORY_REGION2", 3, EEXIST, 0, "firmware" },
    { "SET_MEMORY_ATTRIBUTES", 1, ENOMEM, 0,
      "private for pc.ram.low at 0x0, size 0x80000000 failed: Cannot allocate memory" },
    { "SET_MEMORY_ATTRIBUTES", 2, EINVAL, 0, "step: set private attributes" },
    { "SET_MEMORY_ATTRIBUTES", 3, EIO, 0, "private for TempMem" },
    { "INIT_MEM_REGION", 1, EINVAL, 0, "have its private attribute set" },
    { "INIT_MEM_REGION", 2, EEXIST, 0,
      "Firmware section 1 (TD_HOB, 0x809000, size 0x2000) stopped at page 0x809000, with 2 pages" },
    { "INIT_MEM_REGION", 3, EIO, 0,
      "KVM_TDX_INIT_MEM_REGION failed, hw_errors: 0x0: Input/output error" },
    { "INIT_MEM_REGION", 1, EFAULT, 0, "step: add measured and initial memory" },
    { "INIT_MEM_REGION", 1, ENOMEM, 0, "not enough free memory" },
    { "INIT_MEM_REGION", 1, EAGAIN, 0, "made no progress" },
    { "FINALIZE_VM", 1, EINVAL, 0, "KVM_TDX_FINALIZE_VM failed" },
    { "FINALIZE_VM", 1, EIO, 0xc000060900000000, "NO_VCPUS" },
    { "FINALIZE_VM", 1, EBUSY, 0x8000020000000080, "OPERAND_BUSY" },
};

/* An error that lasts, so that retries end too. */
static void test_failures(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(failure_rows); i++) {
        const FailureRow *row = &failure_rows[i];
        g_autoptr(GError) error = NULL;

        g_test_message("%s #%u: %s", row->op, row->nth, g_strerror(row->error));
        setup();
        fake_fail(row->op, row->nth, ALL, row->error, row->hw_error);
        g_assert_null(launch(&error));
        g_assert_nonnull(error);
        if (!strstr(error->message, row->message)) {
            g_error("\"%s\" lacks \"%s\"", error->message, row->message);
        }
        teardown();
        setup(); /* and without anybody who wants to know */
        fake_fail(row->op, row->nth, ALL, row->error, row->hw_error);
        g_assert_null(launch(NULL));
        teardown();
    }
}

/* AMX is asked for once, before the first vCPU, by who wants it. */
static void test_guest_state(void)
{
    g_autoptr(GError) error = NULL;

    setup();
    m.plan.xfam = 0x602e7;
    TdxTd *td = launch(NULL);
    g_assert_nonnull(td);
    g_autofree char *calls = fake_calls();
    g_assert_nonnull(strstr(calls, " INIT_VM arch_prctl(18) CREATE_VCPU(0) mmap CREATE_VCPU(4) "));
    g_assert_cmpuint(fake_count("arch_prctl"), ==, 1);
    finish(td);

    setup();
    m.plan.xfam = 0x602e7;
    fake_fail("arch_prctl", 1, ALL, EOPNOTSUPP, 0);
    g_assert_null(launch(&error));
    g_assert_nonnull(strstr(error->message, "prctl(ARCH_REQ_XCOMP_GUEST_PERM) failure for feature "
                                            "bit 18: Operation not supported\n"));
    g_assert_nonnull(strstr(error->message, "host,-amx-tile"));
    teardown();
}

static void expect_failure(const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(launch(&error));
    g_assert_nonnull(error);
    if (!strstr(error->message, message)) {
        g_error("\"%s\" lacks \"%s\"", error->message, message);
    }
    teardown();
}

static void test_other_failures(void)
{
    setup();
    fake.vm_types = 1;
    expect_failure("vm-type TDX not supported by KVM: ");
    setup();
    fake.vm_types = 1;
    expect_failure("VM types 0x1 (TDX is 0x20)");
    setup();
    fake.vm_types = -EINVAL;
    expect_failure("VM types 0x0");
    setup();
    fake.missing_cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS;
    expect_failure("KVM doesn't support KVM_CAP_X86_APIC_BUS_CYCLES_NS");
    setup();
    m.plan.num_vcpus = 9;
    expect_failure(
        "9 vCPUs are asked for, and a TD on this host has at most 8\nUse -smp 8 or less");
    setup();
    m.plan.num_vcpus = 0;
    expect_failure("at least one vCPU");
    setup();
    settle_fails = true;
    expect_failure("TDX doesn't support requested feature: CPUID.07H:EDX.x [bit 1]\nThe launch of "
                   "the TD stopped at the step: settle");
    setup();
    m.plan.attributes = 1;
    fake_fail("INIT_VM", 1, 1, EINVAL, 0);
    expect_failure("Invalid attributes 0x1 for TDX VM (KVM supported: 0x10000000)");
    setup();
    m.plan.xfam = 0x3ff;
    fake_fail("INIT_VM", 1, 1, EINVAL, 0);
    expect_failure("Invalid XFAM 0x3ff for TDX VM (supported: 0xe7)");
    setup();
    g_clear_pointer(&m.plan.init_cpuid, cpuid_table_free);
    m.plan.init_cpuid = NULL;
    g_autoptr(GError) error = NULL;
    g_assert_null(launch(&error));
    g_assert_nonnull(strstr(error->message, "without a TDX host's capabilities"));
    m.plan.init_cpuid = cpuid_table_new();
    teardown();
    setup();
    fake.configurable = 5000;
    expect_failure("more than 4096 CPUID entries");
    setup();
    fake.td_cpuid = 5000;
    expect_failure("KVM_TDX_GET_CPUID failed");
}

typedef struct RetryRow {
    const char *op;
    unsigned times;
    int error;
} RetryRow;

static void test_retries(void)
{
    static const RetryRow rows[] = {
        { "INIT_VM", 9999, EAGAIN }, { "INIT_VM", 3, EINTR }, { "INIT_VCPU", 5, EBUSY },
        { "INIT_VCPU", 5, EINTR },
        { "GET_CPUID", 2, EBUSY }, { "INIT_MEM_REGION", 100, EAGAIN },
        { "INIT_MEM_REGION", 100, EINTR },
        { "INIT_MEM_REGION", 100, EBUSY }, { "FINALIZE_VM", 100, EBUSY },
        { "SET_MEMORY_ATTRIBUTES", 2, EINTR },
        { "CREATE_VM", 2, EINTR },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        setup();
        g_test_message("%s: %u times %s", rows[i].op, rows[i].times, g_strerror(rows[i].error));
        fake_fail(rows[i].op, 1, rows[i].times, rows[i].error, 0);
        TdxTd *td = launch(NULL);
        g_assert_nonnull(td);
        g_assert_cmpuint(fake_count(rows[i].op), >, rows[i].times);
        finish(td);
    }
}

/*
 * Progress keeps an interrupted command alive however often it is interrupted; sizes grow until
 * they fit.
 */
static void test_progress(void)
{
    static const int errors[] = { EINTR, EAGAIN, EBUSY };

    for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
        setup();
        fake.pages_per_call = 1;
        fake.region_error = errors[i];
        TdxTd *td = launch(NULL);
        g_assert_nonnull(td);
        g_assert_cmpuint(fake_count("INIT_MEM_REGION"), ==, 16 + 2 + 1);
        finish(td);
    }
    setup();
    fake.pages_per_call = 5;
    fake.region_error = EFAULT;
    expect_failure("stopped at page 0xffe05000, with 11 pages left");

    setup();
    fake.configurable = 200;
    fake.td_cpuid = 300;
    TdxTd *td = launch(NULL);
    g_assert_nonnull(td);
    g_assert_cmpuint(fake_count("CAPABILITIES"), ==, 3);
    g_assert_cmpuint(fake_count("GET_CPUID"), ==, 2);
    finish(td);
}

static int triple_fault(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_SHUTDOWN;
    return 0;
}

static int dead_td(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
    run->internal.suberror = 4;
    run->internal.ndata = 2;
    run->internal.data[0] = 0x6000000200000000;
    return 0;
}

static void test_end(void)
{
    setup();
    m.plan.num_vcpus = 1;
    fake.run = triple_fault;
    TdxTd *td = launch(NULL);
    tdx_td_resume(td);
    g_usleep(5000);
    tdx_td_pause(td);
    g_assert_cmpuint(m.resets, ==, 1);
    finish(td);

    setup();
    m.plan.num_vcpus = 1;
    fake.run = dead_td;
    td = launch(NULL);
    tdx_td_resume(td);
    g_usleep(5000);
    tdx_td_pause(td);
    g_assert_nonnull(strstr(m.internal_error, "KVM internal error, suberror 4"));
    g_assert_nonnull(strstr(m.internal_error, "NON_RECOVERABLE_TD"));
    finish(td);
}

static void test_capabilities(void)
{
    setup();
    Kvm *kvm = kvm_open(NULL);
    TdxCapabilities *caps = tdx_host_capabilities(kvm, NULL);

    g_assert_cmphex(caps->supported_attrs, ==, 0x10000000);
    g_assert_cmphex(caps->supported_xfam, ==, 0xe7);
    g_assert_cmpuint(caps->tsc_khz, ==, 2100000);
    g_assert_cmpuint(caps->max_vcpus, ==, 8);
    g_assert_cmpuint(cpuid_table_size(caps->configurable), ==, 5);
    g_assert_cmpuint(cpuid_table_size(caps->supported), ==, 20);
    tdx_capabilities_free(caps);
    g_assert_cmpuint(fake_open_fds(), ==, 1);

    fake.tsc_khz = -EINVAL;
    caps = tdx_host_capabilities(kvm, NULL);
    g_assert_cmpuint(caps->tsc_khz, ==, 0);
    tdx_capabilities_free(caps);
    kvm_close(kvm);
    teardown();
}

/*
 * The plan settled by a TD with one vCPU, whatever the plan's number; nothing is measured, nothing
 * left open.
 */
static void test_settle(void)
{
    static const struct {
        const char *op;
        int error;
        bool settle_fails;
        const char *message;
    } rows[] = {
        { NULL, 0, false, NULL },
        { NULL, 0, true, "TDX doesn't support requested feature: CPUID.07H:EDX.x [bit 1]" },
        { "CREATE_VM", EMFILE, false, "KVM_CREATE_VM" },
        { "ENABLE_CAP", EINVAL, false, "KVM_CAP_SPLIT_IRQCHIP" },
        { "SET_TSC_KHZ", EINVAL, false, "TSC" },
        { "INIT_VM", EINVAL, false, "KVM_TDX_INIT_VM failed" },
        { "INIT_VM", ENOSPC, false, "KVM_TDX_INIT_VM failed" },
        { "CREATE_VCPU", EINVAL, false, "KVM_CREATE_VCPU" },
        { "GET_CPUID", EIO, false, "KVM_TDX_GET_CPUID failed" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;

        setup();
        Kvm *kvm = kvm_open(NULL);
        g_autoptr(TdxCapabilities) caps = tdx_host_capabilities(kvm, NULL);
        if (rows[i].op) {
            fake_fail(rows[i].op, fake_count(rows[i].op) + 1, ALL, rows[i].error, 0);
        }
        fake_forget_calls();
        settle_fails = rows[i].settle_fails;
        g_assert_cmpint(tdx_settle_on_host(kvm, &m.plan, caps, &err), ==, !rows[i].message);
        g_assert_cmpuint(fake_open_fds(), ==, 1);
        if (rows[i].message) {
            g_assert_nonnull(strstr(err->message, rows[i].message));
        } else {
            g_autofree char *calls = fake_calls();
            g_assert_cmpstr(
                calls, ==,
                "CREATE_VM(5) ENABLE_CAP(121,0x18) ENABLE_CAP(237,0x28) ENABLE_CAP(129,0x3) "
                "ENABLE_CAP(201,0x1000) SET_TSC_KHZ(2000000) INIT_VM CREATE_VCPU(0) mmap "
                "GET_CPUID ");
        }
        kvm_close(kvm);
        teardown();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx/capabilities", test_capabilities);
    g_test_add_func("/tdx/launch/order", test_order);
    g_test_add_func("/tdx/launch/failures", test_failures);
    g_test_add_func("/tdx/launch/other-failures", test_other_failures);
    g_test_add_func("/tdx/launch/guest-state", test_guest_state);
    g_test_add_func("/tdx/launch/retries", test_retries);
    g_test_add_func("/tdx/launch/progress", test_progress);
    g_test_add_func("/tdx/launch/end", test_end);
    g_test_add_func("/tdx/settle", test_settle);
    return g_test_run();
}
