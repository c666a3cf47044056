/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMM in one file: launches a TD with plain ioctls and checks every exit of its firmware. Runs
 * under `swtdx run`.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "../../../swtdx/host/kvm/abi.h"
#include "firmware.h"

#define RAM_SIZE 0x600000u
/*
 * What depends on the host: MAX_VCPUS, and what ACCEPT of 2 MiB does; by default as Linux makes it
 * on the built-in profile.
 */
#define HOST_ANSWERS "1ll"
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void fail(const char *what, int line)
{
    fprintf(stderr, "launch.c:%d: %s: %s\n", line, what, strerror(errno));
    exit(1);
}

#define CHECK(condition) do { if (!(condition)) { fail(#condition, __LINE__); } } while (0)

typedef struct Machine {
    int kvm, vm, vcpu;
    struct kvm_run *run;
    uint8_t *ram, *rom;
    char text[64];
    unsigned length, signals, faults;
    bool done;
} Machine;

static volatile sig_atomic_t alarms, quits;

static void on_alarm(int signo)
{
    alarms = alarms + 1;
}

static void tdx_command(int fd, uint32_t id, uint32_t flags, uint64_t data)
{
    AbiTdxCmd cmd = { id, flags, data, 0 };
    if (ioctl(fd, ABI_MEMORY_ENCRYPT_OP, &cmd)) {
        fprintf(stderr, "TDX command %u: %s, hw_error 0x%llx\n", id, strerror(errno),
                (unsigned long long)cmd.hw_error);
        exit(1);
    }
}

static void enable(int vm, uint32_t cap, uint64_t arg)
{
    struct kvm_enable_cap e = { .cap = cap, .args = { arg } };
    CHECK(!ioctl(vm, KVM_ENABLE_CAP, &e));
}

static void set_private(int vm, uint64_t gpa, uint64_t size, bool private)
{
    AbiMemoryAttributes attr = { gpa, size, private ? ABI_ATTRIBUTE_PRIVATE : 0, 0 };
    CHECK(!ioctl(vm, ABI_SET_MEMORY_ATTRIBUTES, &attr));
}

static uint8_t *add_slot(int vm, uint32_t id, uint64_t gpa, uint64_t size)
{
    AbiCreateGuestMemfd create = { .size = size };
    int fd = ioctl(vm, ABI_CREATE_GUEST_MEMFD, &create);
    CHECK(fd >= 0);
    uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    AbiMemoryRegion2 region = { .slot = id, .flags = ABI_MEM_GUEST_MEMFD, .guest_phys_addr = gpa,
                                .memory_size = size,
                                .userspace_addr = (uintptr_t)memory, .guest_memfd = (uint32_t)fd };
    CHECK(!ioctl(vm, ABI_SET_USER_MEMORY_REGION2, &region));
    set_private(vm, gpa, size, true);
    return memory;
}

static void init_vm(Machine *m)
{
    struct {
        AbiTdxCapabilities caps;
        AbiCpuidEntry entries[128];
    } *caps = calloc(1, sizeof(*caps));
    struct { AbiTdxInitVm init; AbiCpuidEntry entries[128]; } *init = calloc(1, sizeof(*init));
    caps->caps.cpuid.nent = 128;
    tdx_command(m->vm, ABI_TDX_CAPABILITIES, 0, (uintptr_t)caps);
    init->init.attributes = caps->caps.supported_attrs;
    init->init.xfam = caps->caps.supported_xfam & 0xe7;
    init->init.cpuid.nent = 1;
    init->entries[0] = (AbiCpuidEntry){ .function = 0x80000008, .eax = 48u << 16 };
    tdx_command(m->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init);
    free(caps);
    free(init);
}

static void set_cpuid(Machine *m)
{
    struct {
        AbiCpuidHeader header;
        AbiCpuidEntry entries[256];
    } *cpuid = calloc(1, sizeof(*cpuid));
    cpuid->header.nent = 256;
    tdx_command(m->vcpu, ABI_TDX_GET_CPUID, 0, (uintptr_t)cpuid);
    CHECK(cpuid->header.nent > 10 && cpuid->header.nent < 250);
    for (uint32_t i = 0; i < cpuid->header.nent; i++) {
        if (cpuid->entries[i].function == 1) {
            cpuid->entries[i].ecx |= 1u << 21;
        }
        if (cpuid->entries[i].function == 0x80000008) {
            CHECK(((cpuid->entries[i].eax >> 16) & 0xff) == 48);
            cpuid->entries[i].eax = (cpuid->entries[i].eax & ~0xffu) | 52;
        }
    }
    cpuid->entries[cpuid->header.nent++] = (AbiCpuidEntry){ .function = 0x40000000,
                                                            .eax = 0x40000001, .ebx = 'K' };
    CHECK(!ioctl(m->vcpu, KVM_SET_CPUID2, cpuid));
    free(cpuid);
}

static void launch(Machine *m)
{
    m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    CHECK(m->kvm >= 0 && ioctl(m->kvm, KVM_GET_API_VERSION, 0) == 12);
    m->vm = ioctl(m->kvm, KVM_CREATE_VM, ABI_VM_TDX);
    CHECK(m->vm >= 0);
    enable(m->vm, KVM_CAP_SPLIT_IRQCHIP, 24);
    enable(m->vm, ABI_CAP_X86_APIC_BUS_CYCLES_NS, 40);
    enable(m->vm, KVM_CAP_X2APIC_API, 3);
    enable(m->vm, KVM_CAP_EXIT_HYPERCALL, 0x1000);
    CHECK(!ioctl(m->vm, KVM_SET_TSC_KHZ, 1000000));
    init_vm(m);
    m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
    CHECK(m->vcpu >= 0);
    m->run = mmap(NULL, (size_t)ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
                  MAP_SHARED, m->vcpu, 0);
    CHECK(m->run != MAP_FAILED);
    set_cpuid(m);
    tdx_command(m->vcpu, ABI_TDX_INIT_VCPU, 0, 0x1234);
    m->ram = add_slot(m->vm, 0, 0, RAM_SIZE);
    m->rom = add_slot(m->vm, 1, FIRMWARE_BASE, FIRMWARE_SIZE);
    set_private(m->vm, 0x3000, 0x1000, false);
    set_private(m->vm, 0x405000, 0x1000, false);
    AbiTdxInitMemRegion region = { (uintptr_t)firmware_image, FIRMWARE_BASE, FIRMWARE_SIZE / 4096 };
    tdx_command(m->vcpu, ABI_TDX_INIT_MEM_REGION, ABI_TDX_MEASURE_MEMORY_REGION,
                (uintptr_t)&region);
    CHECK(!region.nr_pages && region.gpa == UINT64_C(0x100000000));
    CHECK(ioctl(m->vcpu, KVM_RUN, 0) == -1 && errno == EINVAL);
    tdx_command(m->vm, ABI_TDX_FINALIZE_VM, 0, 0);
}

static void on_io(Machine *m)
{
    uint8_t *data = (uint8_t *)m->run + m->run->io.data_offset;
    CHECK(m->run->io.count == 1 && m->run->io.size == 1);
    if (m->run->io.direction == KVM_EXIT_IO_IN) {
        CHECK(m->run->io.port == 0x60);
        *data = 'k';
    } else if (m->run->io.port == 0x402) {
        CHECK(m->length + 1 < sizeof(m->text));
        m->text[m->length++] = (char)*data;
        if (*data == 'h') {
            /* the guest halts next: what wakes it */
            struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };
            CHECK(ioctl(m->vm, KVM_SIGNAL_MSI, &msi) == 1);
        }
        if (*data == 'F') {
            struct itimerval timer = { .it_value = { 0, 100000 } };
            CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
        }
    } else {
        CHECK(m->run->io.port == 0xf4 && *data == 7);
        m->done = true;
    }
}

static void on_mmio(Machine *m)
{
    const uint8_t expected[4] = { 0x78, 0x56, 0x34, 0x12 };
    if (m->run->mmio.is_write) {
        CHECK(m->run->mmio.phys_addr == 0xfec00010 && m->run->mmio.len == 4 &&
              !memcmp(m->run->mmio.data, expected, 4));
    } else {
        CHECK(m->run->mmio.phys_addr == 0xfec00020 && m->run->mmio.len == 2);
        m->run->mmio.data[0] = 'm';
    }
}

static void on_hypercall(Machine *m)
{
    CHECK(m->run->hypercall.nr == ABI_HC_MAP_GPA_RANGE && m->run->hypercall.ret == 0);
    CHECK(m->run->hypercall.args[0] == 0x2000 && m->run->hypercall.args[1] == 1 &&
          m->run->hypercall.args[2] == 0);
    set_private(m->vm, 0x2000, 0x1000, false);
}

static void on_tdx(Machine *m)
{
    AbiRunTdx *tdx = abi_run_tdx(m->run);
    if (tdx->nr == TDVMCALL_INFO) {
        CHECK(tdx->info.leaf == 1 && !tdx->info.ret);
        tdx->info.r11 = 2;
    } else {
        CHECK(tdx->nr == TDVMCALL_EVENT_NOTIFY && tdx->notify.vector == 0x50 &&
              tdx->notify.ret == TDVMCALL_SUBFUNC_UNSUPPORTED);
        tdx->notify.ret = 0;
    }
}

static void on_error(Machine *m)
{
    if (errno == EINTR) {
        m->signals++;
        CHECK(alarms == 1);
        m->ram[0x2008] = 1;
        return;
    }
    const AbiRunMemoryFault *fault = abi_run_memory_fault(m->run);
    CHECK(errno == EFAULT && m->run->exit_reason == ABI_EXIT_MEMORY_FAULT);
    CHECK(fault->flags == 8 && fault->gpa == 0x3000 && fault->size == 4096);
    set_private(m->vm, 0x3000, 0x1000, true);
    m->faults++;
}

#define ALLOW(call)                                    \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(call)                                   \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/*
 * As tight as a VMM's vCPU thread can be: this program's own calls (setitimer, the end of a signal
 * handler, exit), and those that swtdx makes on such threads (docs/system/swtdx.rst, "Sandboxes").
 * Anything else ends the process with SIGSYS.
 */
static void enter_sandbox(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(__NR_futex), ALLOW(__NR_madvise), ALLOW(__NR_clock_gettime), ALLOW(__NR_read),
        ALLOW(__NR_write), ALLOW(__NR_getpid),
        ALLOW(__NR_setitimer), ALLOW(__NR_rt_sigreturn), ALLOW(__NR_restart_syscall),
        ALLOW(__NR_exit_group),
        REFUSE(__NR_process_vm_readv), REFUSE(__NR_process_vm_writev),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = { COUNT(filter), filter };
    CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void on_quit(int signo)
{
    static const char text[] = "the program's own handler\n";
    quits = quits + 1;
    CHECK(write(2, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
}

/* SIGQUIT to itself: the vCPU's state is told first, then the handler runs. */
static void ask_for_dump(void)
{
    struct sigaction act = { .sa_handler = on_quit };
    CHECK(!sigaction(SIGQUIT, &act, NULL) && !kill(getpid(), SIGQUIT));
    for (int i = 0; !quits; i++) {
        CHECK(i < 10000);
        usleep(1000);
    }
}

/*
 * launch [ANSWERS [sandbox | quit]]: what depends on the host; with a filter of system calls, or a
 * dump before the start.
 */
int main(int argc, char **argv)
{
    Machine m = { 0 };
    char expected[64];
    snprintf(expected, sizeof(expected), "AkKP0sm1hH2013F%sG", argc > 1 ? argv[1] : HOST_ANSWERS);
    struct sigaction act = { .sa_handler = on_alarm };
    CHECK(!sigaction(SIGALRM, &act, NULL));
    launch(&m);
    if (argc > 2 && !strcmp(argv[2], "sandbox")) {
        enter_sandbox();
    } else if (argc > 2 && !strcmp(argv[2], "quit")) {
        ask_for_dump();
    }
    while (!m.done) {
        if (ioctl(m.vcpu, KVM_RUN, 0) < 0) {
            on_error(&m);
            continue;
        }
        switch (m.run->exit_reason) {
        case KVM_EXIT_IO: on_io(&m); break;
        case KVM_EXIT_MMIO: on_mmio(&m); break;
        case KVM_EXIT_HYPERCALL: on_hypercall(&m); break;
        case ABI_EXIT_TDX: on_tdx(&m); break;
        default:
            fprintf(stderr, "exit %u after '%s'\n", m.run->exit_reason, m.text);
            return 1;
        }
    }
    if (argc > 2 && !strcmp(argv[2], "sandbox")) {
        CHECK(!strcmp(m.text, expected));
        CHECK(write(1, "ok\n", 3) == 3);
        _exit(0); /* what else it would do is not allowed any more */
    }
    m.run->immediate_exit = 1;
    CHECK(ioctl(m.vcpu, KVM_RUN, 0) == -1 && errno == EINTR);
    if (strcmp(m.text, expected)) {
        fprintf(stderr, "the guest saw '%s', not '%s'\n", m.text, expected);
        return 1;
    }
    CHECK(m.ram[0x2000] == 'S' && m.ram[0x1000] == 0 && m.signals == 1 && m.faults == 1);
    CHECK(!munmap(m.run, 12288) && !close(m.vcpu) && !close(m.vm) && !close(m.kvm));
    printf("ok\n");
    return 0;
}
