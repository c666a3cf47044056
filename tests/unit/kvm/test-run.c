/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's thread against an invented kernel: every exit, and pausing, resuming, stopping at any
 * moment.
 */
#include <errno.h>
#include <string.h>

#include "accel/kvm/kvm.h"
#include "fake-kvm.h"

#define HOST ((uint8_t *)0x100000000)

static struct {
    Kvm *kvm;
    KvmVm *vm;
    KvmVcpu *vcpu;
    AddressSpace *memory, *ports;
    GMutex machine_lock;
    GMutex lock;
    GCond changed;
    char *failed;        /* message */
    bool triple_fault;
    unsigned specials;
    bool special_answer;
    uint64_t written[8], write_offsets[8];
    unsigned num_written;
    unsigned runs;
} m;

static uint64_t device_read(void *opaque, hwaddr offset, unsigned size)
{
    return 0x8877665544332211 >> (8 * offset);
}

static void device_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    g_assert_false(g_mutex_trylock(&m.machine_lock));
    if (m.num_written < 8) {
        m.write_offsets[m.num_written] = offset;
        m.written[m.num_written++] = value;
    }
}

static const IoRegionOps device = { device_read, device_write, 0 };

static bool special(void *opaque, KvmVcpu *vcpu, struct kvm_run *run)
{
    m.specials++;
    return m.special_answer;
}

static void failed(void *opaque, KvmVcpu *vcpu, const char *message)
{
    g_mutex_lock(&m.lock);
    g_free(m.failed);
    m.failed = g_strdup(message);
    g_cond_broadcast(&m.changed);
    g_mutex_unlock(&m.lock);
}

static void triple_fault(void *opaque, KvmVcpu *vcpu)
{
    m.triple_fault = true;
}

static const KvmRunPorts *run_ports(void)
{
    static KvmRunPorts ports;

    ports = (KvmRunPorts){m.memory, m.ports, &m.machine_lock, special, failed, triple_fault, NULL};
    return &ports;
}

static void setup(void)
{
    fake_reset();
    memset(&m, 0, sizeof(m));
    m.kvm = kvm_open(NULL);
    m.vm = kvm_vm_new(m.kvm, KVM_X86_TDX_VM, NULL);
    kvm_vm_add_memory(m.vm, "low", 0, 2 * GiB, HOST, true, NULL);
    kvm_vm_add_memory(m.vm, "high", 4 * GiB, 3 * GiB, HOST + 2 * GiB, true, NULL);
    m.vcpu = kvm_vcpu_new(m.vm, 0, NULL);
    m.memory = address_space_new("memory");
    m.ports = address_space_new("ports");
    address_space_add_io(m.memory, "device", 0xfec00000, 16, 0, &device, NULL);
    address_space_add_io(m.ports, "device", 0x70, 8, 0, &device, NULL);
    fake_forget_calls();
}

static void teardown(void)
{
    kvm_vm_free(m.vm);
    kvm_close(m.kvm);
    address_space_free(m.memory);
    address_space_free(m.ports);
    g_free(m.failed);
    g_assert_cmpuint(fake_open_fds(), ==, 0);
    g_assert_cmpuint(fake_mappings(), ==, 0);
}

/* One exit, then idling: started, paused when it has been handled. */
static int (*first_run)(struct kvm_run *run);
/* a copy of the page at the second KVM_RUN: how the exit was answered */
static struct kvm_run second;
static uint8_t second_data[64];

static int run_script(struct kvm_run *run)
{
    if (m.runs++ == 0) {
        return first_run(run);
    }
    if (m.runs == 2) {
        second = *run;
        memcpy(second_data, (uint8_t *)run + 4096, sizeof(second_data));
    }
    return fake_run_idle(run);
}

static void run_once(int (*first)(struct kvm_run *run))
{
    first_run = first;
    fake.run = run_script;
    g_assert_true(kvm_vcpu_start(m.vcpu, run_ports(), false, "vcpu", NULL));
    while (__atomic_load_n(&m.runs, __ATOMIC_SEQ_CST) < 1) {
        g_usleep(100);
    }
    for (unsigned i = 0; i < 50 && __atomic_load_n(&m.runs, __ATOMIC_SEQ_CST) < 2; i++) {
        g_usleep(200);
    }
    kvm_vcpu_pause(m.vcpu);
}

static void set_io(struct kvm_run *run, unsigned direction, unsigned size, unsigned port,
                   unsigned count, uint64_t offset)
{
    run->exit_reason = KVM_EXIT_IO;
    run->io.direction = direction;
    run->io.size = size;
    run->io.port = port;
    run->io.count = count;
    run->io.data_offset = offset;
}

static int io_in(struct kvm_run *run)
{
    memset((uint8_t *)run + 4096, 0xee, 64);
    set_io(run, KVM_EXIT_IO_IN, 2, 0x70, 1, 4096);
    return 0;
}

static int io_out(struct kvm_run *run)
{
    memcpy((uint8_t *)run + 4096, "\x01\x02\x03\x04\x05\x06", 6);
    set_io(run, KVM_EXIT_IO_OUT, 1, 0x71, 3, 4096);
    return 0;
}

static int io_outside(struct kvm_run *run)
{
    set_io(run, KVM_EXIT_IO_IN, 4, 0x70, 1, FAKE_RUN_SIZE - 2);
    return 0;
}

static int io_huge(struct kvm_run *run)
{
    set_io(run, KVM_EXIT_IO_OUT, 4, 0x70, UINT32_MAX, 4096);
    return 0;
}

static int io_wrap(struct kvm_run *run)
{
    set_io(run, KVM_EXIT_IO_OUT, 1, 0x70, 1, UINT64_MAX);
    return 0;
}

static int io_size_3(struct kvm_run *run)
{
    set_io(run, KVM_EXIT_IO_OUT, 3, 0x70, 1, 4096);
    return 0;
}

static void set_mmio(struct kvm_run *run, uint64_t addr, unsigned len, bool is_write)
{
    run->exit_reason = KVM_EXIT_MMIO;
    run->mmio.phys_addr = addr;
    run->mmio.len = len;
    run->mmio.is_write = is_write;
}

static int mmio_read(struct kvm_run *run)
{
    set_mmio(run, 0xfec00000, 4, false);
    return 0;
}

static int mmio_read_nothing(struct kvm_run *run)
{
    set_mmio(run, 0xd0000000, 8, false);
    return 0;
}

static int mmio_write(struct kvm_run *run)
{
    set_mmio(run, 0xfec00008, 8, true);
    memcpy(run->mmio.data, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
    return 0;
}

static int mmio_write_3(struct kvm_run *run)
{
    set_mmio(run, 0xfec00004, 3, true);
    memcpy(run->mmio.data, "\x01\x02\x03", 3);
    return 0;
}

static int mmio_length_0(struct kvm_run *run)
{
    set_mmio(run, 0xfec00000, 0, true);
    return 0;
}

static int mmio_length_9(struct kvm_run *run)
{
    set_mmio(run, 0xfec00000, 9, true);
    return 0;
}

static int shutdown(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_SHUTDOWN;
    return 0;
}

static int fail_entry(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_FAIL_ENTRY;
    run->fail_entry.hardware_entry_failure_reason = 0x80000021;
    run->fail_entry.cpu = 7;
    return 0;
}

static int internal_error(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
    run->internal.suberror = 4;
    run->internal.ndata = 2;
    run->internal.data[0] = 0x4000000200000000;
    run->internal.data[1] = 3;
    return 0;
}

static int internal_error_wild(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
    run->internal.suberror = 77;
    run->internal.ndata = UINT32_MAX;
    return 0;
}

static int unknown_exit(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_UNKNOWN;
    run->hw.hardware_exit_reason = 0xe0000091;
    return 0;
}

static int exit_4711(struct kvm_run *run)
{
    run->exit_reason = 4711;
    return 0;
}

static int exception(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_EXCEPTION;
    run->ex.exception = 6;
    run->ex.error_code = 0x10;
    return 0;
}

static int notify_invalid(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_NOTIFY;
    run->notify.flags = KVM_NOTIFY_CONTEXT_INVALID;
    return 0;
}

static int notify(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_NOTIFY;
    run->notify.flags = 0;
    return 0;
}

static int bus_lock(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_X86_BUS_LOCK;
    return 0;
}

static int read_msr(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_X86_RDMSR;
    run->msr.index = 0x1234;
    run->msr.error = 0;
    return 0;
}

static int write_msr(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_X86_WRMSR;
    run->msr.error = 0;
    return 0;
}

static int broken_memory(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_MEMORY_FAULT;
    kvm_run_memory_fault(run)->flags = 8;
    kvm_run_memory_fault(run)->gpa = 0x5000;
    kvm_run_memory_fault(run)->size = 0x1000;
    return -EHWPOISON;
}

static int run_eio(struct kvm_run *run)
{
    return -EIO;
}

static int run_einval(struct kvm_run *run)
{
    return -EINVAL;
}

static int run_efault(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_IO;
    return -EFAULT;
}

static int run_eagain(struct kvm_run *run)
{
    run->exit_reason = 4711;
    return -EAGAIN;
}

static int run_eintr(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_INTR;
    return -EINTR;
}

static int hypercall(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_HYPERCALL;
    return 0;
}

static int system_event(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    return 0;
}

static int memory_fault(struct kvm_run *run, uint64_t flags, uint64_t gpa, uint64_t size)
{
    run->exit_reason = KVM_EXIT_MEMORY_FAULT;
    *kvm_run_memory_fault(run) = (struct kvm_run_memory_fault) { flags, gpa, size };
    return -EFAULT;
}

static int fault_private_high(struct kvm_run *run)
{
    return memory_fault(run, 8, 5 * GiB + 0x3000, 4096);
}

static int fault_shared(struct kvm_run *run)
{
    return memory_fault(run, 0, 5 * GiB + 0x3000, 4096);
}

static int fault_flags(struct kvm_run *run)
{
    return memory_fault(run, 0x18, 0, 4096);
}

static int fault_nowhere(struct kvm_run *run)
{
    return memory_fault(run, 8, 3 * GiB, 4096);
}

static int fault_unaligned(struct kvm_run *run)
{
    return memory_fault(run, 8, 0x123, 4096);
}

static int fault_wraps(struct kvm_run *run)
{
    return memory_fault(run, 8, UINT64_MAX - 4095, 8192);
}

static int fault_size_0(struct kvm_run *run)
{
    return memory_fault(run, 8, 0, 0);
}

static void test_io(void)
{
    setup();
    run_once(io_in);
    g_assert_null(m.failed);
    g_assert_cmpmem(second_data, 4, "\x11\x22\xee\xee", 4);
    teardown();

    setup();
    run_once(io_out);
    g_assert_cmpuint(m.num_written, ==, 3);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(m.written[i], ==, i + 1);
        g_assert_cmphex(m.write_offsets[i], ==, 1);
    }
    teardown();
}

static void test_mmio(void)
{
    setup();
    run_once(mmio_read);
    g_assert_cmpmem(second.mmio.data, 4, "\x11\x22\x33\x44", 4);
    teardown();
    setup();
    run_once(mmio_read_nothing);
    g_assert_cmpmem(second.mmio.data, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    teardown();
    setup();
    run_once(mmio_write);
    g_assert_cmphex(m.written[0], ==, 0x1122334455667788);
    g_assert_cmphex(m.write_offsets[0], ==, 8);
    teardown();
    setup();
    run_once(mmio_write_3);
    g_assert_cmpuint(m.num_written, ==, 3);
    g_assert_cmphex(m.written[2], ==, 3);
    g_assert_cmphex(m.write_offsets[2], ==, 6);
    teardown();
}

static void test_failures(void)
{
    static const struct {
        const char *label;
        int (*run)(struct kvm_run *run);
        const char *message;
    } rows[] = {
        { "io outside the page", io_outside, "KVM_EXIT_IO makes no sense" },
        { "io too long", io_huge, "KVM_EXIT_IO makes no sense" },
        { "io offset wraps", io_wrap, "KVM_EXIT_IO makes no sense" },
        { "io of 3 bytes", io_size_3, "KVM_EXIT_IO makes no sense" },
        { "mmio of nothing", mmio_length_0, "KVM_EXIT_MMIO makes no sense" },
        { "mmio too long", mmio_length_9, "KVM_EXIT_MMIO makes no sense" },
        { "entry failed", fail_entry, "hardware error 0x80000021 (vCPU 0, host CPU 7)" },
        { "internal error", internal_error,
          "suberror 4 (unexpected exit reason): data 0x4000000200000000, 0x3" },
        { "internal error, wild", internal_error_wild, "suberror 77 (unknown): data 0x0" },
        { "unknown exit", unknown_exit, "KVM: unknown exit, hardware reason 0xe0000091" },
        { "exit of the future", exit_4711, "unknown exit reason 4711" },
        { "exception", exception, "KVM: exception 6 with error code 0x10 left the guest (vCPU 0)" },
        { "notify, context lost", notify_invalid, "the context of vCPU 0 is invalid" },
        { "broken memory", broken_memory, "The guest's memory at 0x5000 is broken" },
        { "EIO", run_eio, "error: kvm run failed Input/output error (vCPU 0)\nThe kernel has given "
                          "this VM up" },
        { "EINVAL", run_einval, "kvm run failed Invalid argument" },
        { "EFAULT alone", run_efault, "kvm run failed Bad address" },
        { "fault: unknown flag", fault_flags, "KVM_EXIT_MEMORY_FAULT: Unknown flag 0x18" },
        { "fault: no memory", fault_nowhere,
          "private access to 0xc0000000, size 0x1000, cannot be served: there is no memory" },
        { "fault: unaligned", fault_unaligned, "not made of whole pages" },
        { "fault: wraps", fault_wraps, "not made of whole pages" },
        { "fault: empty", fault_size_0, "not made of whole pages" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        setup();
        run_once(rows[i].run);
        g_assert_nonnull(m.failed);
        if (!strstr(m.failed, rows[i].message)) {
            g_error("%s: \"%s\" lacks \"%s\"", rows[i].label, m.failed, rows[i].message);
        }
        g_assert_cmpuint(m.runs, ==, 1); /* it never enters the guest again */
        kvm_vcpu_resume(m.vcpu);
        g_usleep(1000);
        g_assert_cmpuint(m.runs, ==, 1);
        teardown();
    }
}

static void test_going_on(void)
{
    static int (*const goes_on[])(struct kvm_run *run) = { notify, bus_lock, read_msr, write_msr };
    static const unsigned reasons[] = { KVM_EXIT_NOTIFY, KVM_EXIT_X86_BUS_LOCK, KVM_EXIT_X86_RDMSR,
                                        KVM_EXIT_X86_WRMSR };

    for (unsigned i = 0; i < G_N_ELEMENTS(goes_on); i++) {
        setup();
        run_once(goes_on[i]);
        g_assert_null(m.failed);
        g_assert_cmpuint(m.runs, >=, 2);
        g_assert_cmpuint(kvm_vcpu_exit_count(m.vcpu, reasons[i]), ==, 1);
        g_assert_cmpuint(kvm_vcpu_exit_count(m.vcpu, 4711), ==, 0);
        if (i >= 2) { /* the guest gets the error that KVM would have given it */
            g_assert_cmpuint(kvm_vcpu_run_page(m.vcpu)->msr.error, ==, 1);
        }
        teardown();
    }
    setup();
    run_once(run_eagain);
    g_assert_null(m.failed);
    g_assert_cmpuint(m.runs, >=, 2);
    teardown();
    setup();
    run_once(run_eintr);
    g_assert_null(m.failed);
    g_assert_cmpuint(m.runs, >=, 2);
    teardown();
}

static void test_special(void)
{
    setup();
    m.special_answer = true;
    run_once(hypercall);
    g_assert_cmpuint(m.specials, ==, 1);
    g_assert_cmpuint(m.runs, >=, 2);
    teardown();

    setup();
    m.special_answer = false;
    run_once(system_event);
    g_assert_cmpuint(m.specials, ==, 1);
    g_assert_cmpuint(m.runs, ==, 1);
    teardown();

    setup();
    run_once(shutdown);
    g_assert_true(m.triple_fault);
    g_assert_cmpuint(m.runs, ==, 1);
    teardown();
}

static void test_memory_fault(void)
{
    setup();
    run_once(fault_private_high);
    g_assert_null(m.failed);
    g_autofree char *step = fake_calls();
    g_assert_cmpstr(step, ==, "SET_MEMORY_ATTRIBUTES(0x140000000+0x40000000,8) ");
    teardown();

    setup();
    kvm_vm_convert(m.vm, 5 * GiB, GiB, true);
    fake_forget_calls();
    run_once(fault_shared);
    g_autofree char *page = fake_calls();
    g_assert_cmpstr(page, ==,
                    "SET_MEMORY_ATTRIBUTES(0x140003000+0x1000,0) punch(0x40003000+0x1000) ");
    teardown();

    /* In a settled step only the page is changed: others may be shared on purpose */
    setup();
    kvm_vm_convert(m.vm, 5 * GiB, 2 * MiB, false);
    fake_forget_calls();
    run_once(fault_private_high);
    g_autofree char *settled = fake_calls();
    g_assert_cmpstr(settled, ==, "SET_MEMORY_ATTRIBUTES(0x140003000+0x1000,8) discard(4096) ");
    teardown();

    setup();
    fake_fail("SET_MEMORY_ATTRIBUTES", 1, 1, ENOMEM, 0);
    run_once(fault_private_high);
    g_assert_nonnull(strstr(m.failed, "KVM_SET_MEMORY_ATTRIBUTES failed: Cannot allocate memory"));
    teardown();
}

static int fault_for_ever(struct kvm_run *run)
{
    m.runs++;
    return fault_private_high(run);
}

static void test_memory_fault_for_ever(void)
{
    setup();
    fake.run = fault_for_ever;
    g_assert_true(kvm_vcpu_start(m.vcpu, run_ports(), false, "vcpu", NULL));
    g_mutex_lock(&m.lock);
    while (!m.failed) {
        g_cond_wait(&m.changed, &m.lock);
    }
    g_mutex_unlock(&m.lock);
    kvm_vcpu_pause(m.vcpu);
    g_assert_nonnull(strstr(m.failed, "faults again and again"));
    g_assert_cmpuint(m.runs, ==, 65);
    teardown();
}

static int count_runs(struct kvm_run *run)
{
    __atomic_add_fetch(&m.runs, 1, __ATOMIC_SEQ_CST);
    return fake_run_idle(run);
}

/* Requests at any moment: none is lost, none waits for ever. */
static void test_pause_resume(void)
{
    setup();
    fake.run = count_runs;
    g_assert_true(kvm_vcpu_start(m.vcpu, run_ports(), true, "vcpu", NULL));
    g_usleep(2000);
    g_assert_cmpuint(m.runs, ==, 0);
    g_assert_false(kvm_vcpu_start(m.vcpu, run_ports(), true, "vcpu", NULL));
    for (unsigned i = 0; i < 500; i++) {
        kvm_vcpu_resume(m.vcpu);
        if (i % 3 == 0) {
            g_usleep(i % 7 * 20);
        }
        kvm_vcpu_pause(m.vcpu);
        unsigned runs = __atomic_load_n(&m.runs, __ATOMIC_SEQ_CST);
        if (i % 50 == 0) {
            g_usleep(1000);
            g_assert_cmpuint(__atomic_load_n(&m.runs, __ATOMIC_SEQ_CST), ==, runs);
        }
    }
    kvm_vcpu_pause(m.vcpu);
    kvm_vcpu_stop(m.vcpu);
    kvm_vcpu_stop(m.vcpu);
    g_assert_cmpuint(m.runs, >, 0);
    teardown();
}

static void test_start_stop(void)
{
    for (unsigned i = 0; i < 100; i++) {
        setup();
        fake.run = count_runs;
        g_assert_true(kvm_vcpu_start(m.vcpu, run_ports(), i % 2, "vcpu", NULL));
        if (i % 3) {
            g_usleep(i % 5 * 50);
        }
        if (i % 4 == 0) {
            kvm_vcpu_resume(m.vcpu);
        }
        teardown(); /* ends it */
    }
}

static bool pause_self(void *opaque, KvmVcpu *vcpu, struct kvm_run *run)
{
    kvm_vcpu_pause(vcpu);
    return true;
}

/* From its own thread a vCPU cannot wait for itself; it stops at the next turn. */
static void test_pause_self(void)
{
    setup();
    KvmRunPorts ports = *run_ports();
    ports.special = pause_self;
    first_run = hypercall;
    fake.run = run_script;
    g_assert_true(kvm_vcpu_start(m.vcpu, &ports, false, "vcpu", NULL));
    g_usleep(5000);
    kvm_vcpu_pause(m.vcpu);
    g_assert_cmpuint(m.runs, ==, 1);
    kvm_vcpu_resume(m.vcpu);
    while (__atomic_load_n(&m.runs, __ATOMIC_SEQ_CST) < 2) {
        g_usleep(100);
    }
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/run/io", test_io);
    g_test_add_func("/kvm/run/mmio", test_mmio);
    g_test_add_func("/kvm/run/failures", test_failures);
    g_test_add_func("/kvm/run/going-on", test_going_on);
    g_test_add_func("/kvm/run/special", test_special);
    g_test_add_func("/kvm/run/memory-fault", test_memory_fault);
    g_test_add_func("/kvm/run/memory-fault-for-ever", test_memory_fault_for_ever);
    g_test_add_func("/kvm/run/pause-resume", test_pause_resume);
    g_test_add_func("/kvm/run/start-stop", test_start_stop);
    g_test_add_func("/kvm/run/pause-self", test_pause_self);
    return g_test_run();
}
