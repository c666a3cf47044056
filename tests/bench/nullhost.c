/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A preloaded /dev/kvm that agrees to every step of a TD's launch, and does nothing: what is left
 * is the VMM's own cost.
 *
 * The first KVM_RUN of any vCPU writes what the process has used until then to the file that
 * NULLHOST_REPORT names, and ends the process: "key value" lines, times in microseconds, memory in
 * KiB. The answers are those of a Sapphire Rapids machine with Linux 6.16,
 * but for AMX, for which a VMM asks the kernel, not KVM. A call this host does
 * not know ends the process with status 99 and its number on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "standard-headers/linux-kvm-tdx.h"

#define EXPORT __attribute__((visibility("default")))
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* kvm_run, its data page and the ring of coalesced MMIO, as KVM on x86 has them */
#define RUN_SIZE 12288
#define MAX_FDS 4096
#define MAX_VCPUS 1024
#define TSC_KHZ 2100000
#define LEAF_SIZES 0x80000008u

typedef struct Row {
    uint32_t function, index, regs[4];
} Row;

/* KVM_TDX_CAPABILITIES with TDX module 1.5.05. */
static const Row configurable[] = {
    { 0x1, 0, { 0x0fff3fff, 0x00ff0000, 0x31044d88, 0xb8440000 } },
    { 0x4, 0, { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
    { 0x4, 1, { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
    { 0x4, 2, { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
    { 0x4, 3, { 0xffffc3ff, 0xfffff000, 0xffffffff, 0x00000007 } },
    { 0x7, 0, { 0, 0xd02b9308, 0x02417f44, 0x00054010 } },
    { 0x7, 1, { 0x00001c30 } },
    { 0x7, 2, { 0, 0, 0, 0x20 } },
    { 0xa, 0, { 0 } },
    { 0x1c, 0, { 0xb } },
    { 0x1f, 0, { 0x1f, 0xffff, 0xffff } },
    { 0x1f, 1, { 0x1f, 0xffff, 0xffff } },
    { 0x1f, 2, { 0x1f, 0xffff, 0xffff } },
    { 0x1f, 3, { 0x1f, 0xffff, 0xffff } },
    { 0x1f, 4, { 0x1f, 0xffff, 0xffff } },
    { 0x1f, 5, { 0x1f, 0xffff, 0xffff } },
    { 0x23, 0, { 0 } },
    { LEAF_SIZES, 0, { 0x00ff0000, 0x200 } },
};

/* KVM_GET_SUPPORTED_CPUID; but for its address sizes, KVM_TDX_GET_CPUID too. */
static const Row supported[] = {
    { 0x0, 0, { 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 } },
    { 0x1, 0, { 0x000806f8, 0x00800800, 0xfffa3203, 0x0f8bfbff } },
    { 0x4, 0, { 0xfc004121, 0x02c0003f, 0x3f } },
    { 0x4, 1, { 0xfc004122, 0x01c0003f, 0x3f } },
    { 0x4, 2, { 0xfc01c143, 0x03c0003f, 0x7ff } },
    { 0x4, 3, { 0xfc1fc163, 0x0380003f, 0x1bfff, 4 } },
    { 0x7, 0, { 2, 0xf1bf07ab, 0x1b415f6e, 0xfc804410 } },
    { 0x7, 1, { 0x00001c30 } },
    { 0x7, 2, { 0, 0, 0, 0x37 } },
    { 0xd, 0, { 0x000002e7, 0xa88, 0xa88 } },
    { 0xd, 1, { 0xf } },
    { 0x40000000, 0, { 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d } },
    { 0x40000001, 0, { 0x0100fefb } },
    { 0x80000000, 0, { LEAF_SIZES } },
    { 0x80000001, 0, { 0, 0, 0x121, 0x2c100800 } },
    { 0x80000007, 0, { 0, 0, 0, 0x100 } },
    { LEAF_SIZES, 0, { 0x00343934, 0x0100d200 } },
};

static atomic_uchar fake_fds[MAX_FDS]; /* 1: one of ours */
static atomic_ulong ioctls;            /* answered here */
static atomic_ulong own_calls;         /* system calls that only this library makes */
static atomic_uint vcpus;
static atomic_flag reported = ATOMIC_FLAG_INIT;
static int run_pages = -1;             /* what every vCPU's mapping shows */
static uint32_t address_bits;          /* EAX[23:16] of LEAF_SIZES, from KVM_TDX_INIT_VM */

static int fail(int error)
{
    errno = error;
    return -1;
}

/*
 * A kernel object of its own for whatever KVM would make: one that can be mapped, closed and
 * counted.
 */
static int new_fd(void)
{
    int fd;

    if (run_pages < 0) {
        run_pages = (int)syscall(SYS_memfd_create, "nullhost", 1 /* MFD_CLOEXEC */);
        syscall(SYS_ftruncate, run_pages, RUN_SIZE);
        atomic_fetch_add(&own_calls, 2);
    }
    fd = (int)syscall(SYS_fcntl, run_pages, F_DUPFD_CLOEXEC, 0);
    atomic_fetch_add(&own_calls, 1);
    if (fd >= MAX_FDS) {
        syscall(SYS_close, fd);
        return fail(EMFILE);
    }
    if (fd >= 0) {
        atomic_store(&fake_fds[fd], 1);
    }
    return fd;
}

static unsigned long status_value(const char *text, const char *key)
{
    const char *line = strstr(text, key);

    return line ? strtoul(line + strlen(key), NULL, 10) : 0;
}

static unsigned long microseconds(struct timeval t)
{
    return (unsigned long)t.tv_sec * 1000000 + (unsigned long)t.tv_usec;
}

/*
 * getrusage() adds up what the scheduler last noted of each thread, and the main thread has run on
 * another processor since then, for up to a tick. To ask for its own clock makes the scheduler note
 * it now (Linux, kernel/sched/core.c, task_sched_runtime()). The clock's number is
 * include/linux/posix-timers_types.h's: per thread, CPUCLOCK_SCHED.
 */
static void account_main_thread(void)
{
    struct timespec unused;

    syscall(SYS_clock_gettime, (int)(~(unsigned)getpid() << 3 | 4 | 2), &unused);
}

/* Raw calls from here on, after everything was counted: none of them belongs to the launch. */
static _Noreturn void report(void)
{
    static char status[8192], text[512];
    struct rusage usage;
    const char *name = getenv("NULLHOST_REPORT");

    while (atomic_flag_test_and_set(&reported)) {
        syscall(SYS_pause);
    }
    account_main_thread();
    getrusage(RUSAGE_SELF, &usage);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY);
    ssize_t len = syscall(SYS_read, fd, status, sizeof(status) - 1);
    status[len > 0 ? len : 0] = 0;
    /* Itself: getpid, clock_gettime, getrusage, openat, read, openat, write, exit_group. */
    int n = snprintf(
        text, sizeof(text),
        "user_us %lu\nsystem_us %lu\nhwm_kib %lu\nioctls %lu\nown_calls %lu\nvcpus %u\n",
        microseconds(usage.ru_utime), microseconds(usage.ru_stime), status_value(status, "VmHWM:"),
        atomic_load(&ioctls), atomic_load(&own_calls) + 8, atomic_load(&vcpus));
    fd = name ? (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, 0644)
              : STDERR_FILENO;
    _exit(syscall(SYS_write, fd, text, n) == n ? 0 : 98);
}

static void fill(struct kvm_cpuid2 *cpuid, const Row *rows, unsigned count, bool indexed)
{
    memset(cpuid->entries, 0, count * sizeof(cpuid->entries[0]));
    for (unsigned i = 0; i < count; i++) {
        struct kvm_cpuid_entry2 *e = &cpuid->entries[i];
        bool has_index = rows[i].function == 4 || rows[i].function == 7 ||
                         rows[i].function == 0xd || rows[i].function == 0x1d ||
                         rows[i].function == 0x1e;

        e->function = rows[i].function;
        e->index = rows[i].index;
        e->flags = indexed && has_index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
        memcpy(&e->eax, rows[i].regs, sizeof(rows[i].regs));
    }
    cpuid->nent = count;
}

static int answer_supported(struct kvm_cpuid2 *cpuid)
{
    if (cpuid->nent < COUNT(supported)) {
        return fail(E2BIG);
    }
    fill(cpuid, supported, COUNT(supported), true);
    return 0;
}

static int answer_capabilities(struct kvm_tdx_capabilities *caps)
{
    if (caps->cpuid.nent < COUNT(configurable)) {
        return fail(E2BIG);
    }
    caps->supported_attrs = 0x50000000; /* SEPT_VE_DISABLE, PKS */
    caps->supported_xfam = 0x2e7;
    caps->user_tdvmcallinfo_1_r11 = 2; /* SetupEventNotifyInterrupt */
    fill(&caps->cpuid, configurable, COUNT(configurable), false);
    return 0;
}

static int accept_init_vm(const struct kvm_tdx_init_vm *init)
{
    for (unsigned i = 0; i < init->cpuid.nent; i++) {
        if (init->cpuid.entries[i].function == LEAF_SIZES) {
            address_bits = init->cpuid.entries[i].eax & 0xff0000;
        }
    }
    return 0;
}

static int answer_td_cpuid(struct kvm_cpuid2 *cpuid)
{
    if (cpuid->nent < COUNT(supported)) {
        cpuid->nent = COUNT(supported);
        return fail(E2BIG);
    }
    fill(cpuid, supported, COUNT(supported), true);
    struct kvm_cpuid_entry2 *sizes = &cpuid->entries[COUNT(supported) - 1];
    sizes->eax = (sizes->eax & 0xffff) | address_bits;
    return 0;
}

static int tdx_command(struct kvm_tdx_cmd *command)
{
    void *data = (void *)(uintptr_t)command->data;

    switch (command->id) {
    case KVM_TDX_CAPABILITIES:
        return answer_capabilities(data);
    case KVM_TDX_INIT_VM:
        return accept_init_vm(data);
    case KVM_TDX_GET_CPUID:
        return answer_td_cpuid(data);
    case KVM_TDX_INIT_MEM_REGION: {
        struct kvm_tdx_init_mem_region *region = data;

        region->source_addr += region->nr_pages * 4096;
        region->gpa += region->nr_pages * 4096;
        region->nr_pages = 0;
        return 0;
    }
    case KVM_TDX_INIT_VCPU:
    case KVM_TDX_FINALIZE_VM:
        return 0;
    default:
        return fail(EINVAL);
    }
}

static int check_extension(unsigned long cap)
{
    switch (cap) {
    case KVM_CAP_VM_TYPES:
        return 1 << KVM_X86_DEFAULT_VM | 1 << KVM_X86_TDX_VM;
    case KVM_CAP_MAX_VCPUS:
        return MAX_VCPUS;
    case KVM_CAP_MEMORY_ATTRIBUTES:
        return KVM_MEMORY_ATTRIBUTE_PRIVATE;
    default:
        return 1;
    }
}

static int answer(unsigned long request, uintptr_t arg)
{
    switch (request) {
    case KVM_GET_API_VERSION:
        return KVM_API_VERSION;
    case KVM_GET_VCPU_MMAP_SIZE:
        return RUN_SIZE;
    case KVM_CHECK_EXTENSION:
        return check_extension(arg);
    case KVM_CREATE_VM:
    case KVM_CREATE_GUEST_MEMFD:
        return new_fd();
    case KVM_CREATE_VCPU:
        if (atomic_fetch_add(&vcpus, 1) >= MAX_VCPUS) {
            return fail(EINVAL);
        }
        return new_fd();
    case KVM_GET_SUPPORTED_CPUID:
        return answer_supported((void *)arg);
    case KVM_MEMORY_ENCRYPT_OP:
        return tdx_command((void *)arg);
    case KVM_GET_TSC_KHZ:
        return TSC_KHZ;
    case KVM_ENABLE_CAP:
    case KVM_SET_TSC_KHZ:
    case KVM_SET_CPUID2:
    case KVM_SET_USER_MEMORY_REGION2:
    case KVM_SET_MEMORY_ATTRIBUTES:
    case KVM_SIGNAL_MSI:
        return 0;
    case KVM_RUN:
        report();
    default:
        fprintf(stderr, "nullhost: KVM ioctl 0x%lx is not answered\n", request);
        _exit(99);
    }
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    va_start(args, request);
    uintptr_t arg = va_arg(args, uintptr_t);
    va_end(args);
    if (fd < 0 || fd >= MAX_FDS || !atomic_load(&fake_fds[fd]) || (request >> 8 & 0xff) != KVMIO) {
        return (int)syscall(SYS_ioctl, fd, request, arg);
    }
    atomic_fetch_add(&ioctls, 1);
    return answer(request, arg);
}

EXPORT int close(int fd)
{
    if (fd >= 0 && fd < MAX_FDS) {
        atomic_store(&fake_fds[fd], 0);
    }
    return (int)syscall(SYS_close, fd);
}

EXPORT int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return strcmp(path, "/dev/kvm") == 0 ? new_fd()
                                         : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...) __attribute__((alias("open")));
