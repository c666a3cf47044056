/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile VMM: random ioctls on the descriptors of a software host, in any order, from one thread
 * or from three at once. Each answers 0 or more, or an errno; nothing else happens to the process,
 * and no descriptor or memory is lost.
 *
 * Input: options, number of the kernel, then calls of four bytes: which, descriptor, two for the
 * argument.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "swtdx/host/kvm/abi.h"
#include "swtdx/host/kvm/kvm.h"

#define RAM_SIZE 0x20000u
#define ARG_SIZE 16384u
#define MAX_CALLS 64u
#define MAX_FDS 16u
#define THREADS 3u

enum { OPTION_THREADS = 1, OPTION_FINAL = 2, OPTION_PLAIN = 4, OPTION_RUNS = 8 };

typedef struct State {
    KvmHost *host;
    uint8_t *ram;
    int kvm;
    _Atomic int fds[MAX_FDS];    /* those that creating calls gave, -1: none */
    _Atomic unsigned num_fds;
    _Atomic unsigned finished;
    int event;
    const uint8_t *calls;
    size_t num_calls;
    unsigned options;
} State;

typedef struct Worker {
    State *state;
    unsigned number;
    _Alignas(16) uint8_t arg[ARG_SIZE];
} Worker;

static const unsigned long requests[] = {
    KVM_GET_API_VERSION, KVM_CREATE_VM, KVM_CHECK_EXTENSION, KVM_GET_VCPU_MMAP_SIZE,
    KVM_GET_SUPPORTED_CPUID,
    KVM_GET_MSR_INDEX_LIST, KVM_GET_MSR_FEATURE_INDEX_LIST, KVM_CREATE_VCPU, KVM_ENABLE_CAP,
    KVM_SET_TSC_KHZ,
    KVM_GET_TSC_KHZ, ABI_SET_USER_MEMORY_REGION2, KVM_SET_USER_MEMORY_REGION,
    ABI_SET_MEMORY_ATTRIBUTES,
    ABI_CREATE_GUEST_MEMFD, ABI_PRE_FAULT_MEMORY, ABI_MEMORY_ENCRYPT_OP, KVM_IRQFD, KVM_IOEVENTFD,
    KVM_SET_GSI_ROUTING, KVM_SIGNAL_MSI, KVM_IRQ_LINE, KVM_CREATE_IRQCHIP, KVM_CREATE_PIT2, KVM_RUN,
    KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS,
    KVM_GET_MSRS,
    KVM_SET_MSRS, KVM_GET_LAPIC, KVM_SET_LAPIC, KVM_GET_MP_STATE, KVM_SET_MP_STATE,
    KVM_SET_SIGNAL_MASK, KVM_NMI,
    KVM_INTERRUPT, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XCRS, KVM_SET_XCRS, KVM_GET_DEBUGREGS,
    KVM_GET_VCPU_EVENTS,
    KVM_SET_VCPU_EVENTS, KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_SET_TSS_ADDR, KVM_SET_IDENTITY_MAP_ADDR,
    KVM_CREATE_DEVICE, KVM_GET_DIRTY_LOG, KVM_SET_BOOT_CPU_ID, KVM_X86_SETUP_MCE, KVM_SMI,
    KVM_SET_GUEST_DEBUG, 0xae00u,
    0xffffffffu, KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR, KVM_HAS_DEVICE_ATTR, KVM_KVMCLOCK_CTRL,
    KVM_TPR_ACCESS_REPORTING,
};

static void on_signal(int signo, siginfo_t *info, void *context)
{
    (void)context;
    kvm_signal_arrived(signo, info);
}

static int any_fd(State *s, unsigned which)
{
    int fd;
    if (which % 8 == 7) {
        return s->kvm;
    }
    fd = s->fds[which % MAX_FDS];
    return fd >= 0 ? fd : s->fds[which % 4] >= 0 ? s->fds[which % 4] : s->kvm;
}

static void keep_fd(State *s, int fd)
{
    unsigned n = s->num_fds++;
    if (n < MAX_FDS) {
        s->fds[n] = fd;
    } else {
        kvm_fd_forget(s->host, fd);
        close(fd);
    }
}

static uint64_t small(uint8_t a, uint8_t b)
{
    static const uint64_t values[] = {0, 1, 2, 3, 4, 8, 24, 0x1000, 0x2000, 0x10000, 0x20000,
                                      UINT64_C(1) << 47,
                                      UINT64_MAX, 0xfffff000, 0x80000000, 5};
    return a & 0x80 ? b : values[a & 15] + (b & 0xf0 ? 0 : b);
}

/* Addresses are of our RAM, or of nothing: what a VMM maps elsewhere it destroys itself. */
static void fill_region(State *s, AbiMemoryRegion2 *r, uint8_t a, uint8_t b)
{
    *r = (AbiMemoryRegion2){.slot = b & 3, .flags = a & 7,
                            .guest_phys_addr = (uint64_t)(b & 0x30) << 10,
                            .memory_size = (uint64_t)(a >> 3) << 12,
                            .userspace_addr = (uintptr_t)s->ram};
    if (r->memory_size > RAM_SIZE) {
        r->memory_size = RAM_SIZE;
    }
    if (b & 0x40) {
        r->userspace_addr = 0x10000;
    }
    r->guest_memfd = (uint32_t)any_fd(s, b >> 2);
    r->guest_memfd_offset = b & 0x80 ? 0x1000 : 0;
}

static void fill_tdx(State *s, uint8_t *arg, uint8_t a, uint8_t b)
{
    uint8_t *data = arg + 64;
    AbiTdxCmd cmd = {.id = a % 7, .flags = b & 3, .data = (uintptr_t)data,
                     .hw_error = a & 0x80 ? 1 : 0};
    memset(data, 0, 8192);
    if (cmd.id == ABI_TDX_INIT_VM) {
        AbiTdxInitVm *init = (AbiTdxInitVm *)(void *)data;
        AbiCpuidEntry entry = {.function = 0x80000008, .eax = 48u << 16};
        *init = (AbiTdxInitVm){.attributes = b & 4 ? UINT64_C(1) << (b & 63) : 1u << 28,
                               .xfam = b & 8 ? a : 3, .cpuid.nent = 1 + (b >> 5)};
        memcpy(data + sizeof(*init), &entry, sizeof(entry));
    } else if (cmd.id == ABI_TDX_INIT_MEM_REGION) {
        *(AbiTdxInitMemRegion *)(void *)data = (AbiTdxInitMemRegion){(uintptr_t)s->ram + (b & 0x80),
            (uint64_t)(b & 0x3f) << 12, a >> 4};
    } else {
        *(uint32_t *)(void *)data = cmd.id == ABI_TDX_CAPABILITIES ? 0 : b;
        ((AbiTdxCapabilities *)(void *)data)->cpuid.nent = b;
    }
    if (b & 0x10) {
        cmd.data = 0x20000;
    }
    memcpy(arg, &cmd, sizeof(cmd));
}

static void fill_structure(State *s, unsigned long request, uint8_t *arg, uint8_t a, uint8_t b)
{
    memset(arg, 0, 512);
    switch (request) {
    case KVM_ENABLE_CAP: {
        static const uint32_t caps[] = {KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_X2APIC_API,
                                        KVM_CAP_EXIT_HYPERCALL, ABI_CAP_X86_APIC_BUS_CYCLES_NS,
                                        KVM_CAP_MAX_VCPUS, KVM_CAP_MAX_VCPU_ID,
                                        KVM_CAP_X86_USER_SPACE_MSR, ABI_CAP_DISABLE_QUIRKS2};
        struct kvm_enable_cap cap = {.cap = a & 0x40 ? a : caps[a & 7], .flags = a & 0x80 ? 1 : 0,
                                     .args = {small(b, a)}};
        memcpy(arg, &cap, sizeof(cap));
        break;
    }
    case KVM_SET_USER_MEMORY_REGION:
    case ABI_SET_USER_MEMORY_REGION2:
        fill_region(s, (AbiMemoryRegion2 *)(void *)arg, a, b);
        break;
    case ABI_SET_MEMORY_ATTRIBUTES:
        *(AbiMemoryAttributes *)(void *)arg = (AbiMemoryAttributes){small(a, 0), small(b, 0),
            a & 0x40 ? 8 : b & 1, a == 0xff};
        break;
    case ABI_CREATE_GUEST_MEMFD:
        *(AbiCreateGuestMemfd *)(void *)arg = (AbiCreateGuestMemfd){.size = a & 0x80 ? small(a,
            b) : (uint64_t)(a & 31) << 12, .flags = b & 3};
        break;
    case ABI_PRE_FAULT_MEMORY:
        *(AbiPreFault *)(void *)arg = (AbiPreFault){.gpa = small(a, 0), .size = small(b, 0)};
        break;
    case ABI_MEMORY_ENCRYPT_OP:
        fill_tdx(s, arg, a, b);
        break;
    case KVM_IRQFD:
        *(struct kvm_irqfd *)(void *)arg =
            (struct kvm_irqfd){.fd = (uint32_t)(b & 1 ? s->event : any_fd(s, b)),
                               .gsi = a,
                               .flags = b >> 1 & 7,
                               .resamplefd = (uint32_t)s->event};
        break;
    case KVM_IOEVENTFD:
        *(struct kvm_ioeventfd *)(void *)arg = (struct kvm_ioeventfd){.addr = small(a, 0),
                                                                      .len = b & 15,
                                                                      .fd = b & 16 ? s->event
                                                                                   : any_fd(s, a),
                                                                      .flags = b >> 4 & 7,
                                                                      .datamatch = a};
        break;
    case KVM_SET_GSI_ROUTING: {
        struct kvm_irq_routing *r = (void *)arg;
        r->nr = b & 0x80 ? 4097 : b & 15;
        for (unsigned i = 0; i < 16; i++) {
            r->entries[i] = (struct kvm_irq_routing_entry){.gsi = a + i, .type = 1 + (b >> 4 & 3),
                                                           .u.msi = {0xfee00000u |
                                                               (uint32_t)a << 12, b & 0x40u, a}};
        }
        break;
    }
    case KVM_SIGNAL_MSI:
        *(struct kvm_msi *)(void *)arg = (struct kvm_msi){.address_lo = 0xfee00000u | (uint32_t)a
                                                                                          << 4,
                                                          .address_hi = b & 0x80 ? (uint32_t)b << 8
                                                                                 : 0,
                                                          .data = a | (uint32_t)b << 8};
        break;
    case KVM_SET_SIGNAL_MASK: { /* never of the signal that ends entries */
        uint64_t mask = (UINT64_C(0x0101010101010101) * b) & ~(UINT64_C(1) << (SIGUSR1 - 1));
        *(uint32_t *)(void *)arg = a & 0x80 ? a : 8;
        memcpy(arg + 4, &mask, sizeof(mask));
        break;
    }
    default:
        for (unsigned i = 0; i < 256; i++) {
            arg[i] = (uint8_t)(a * i + b);
        }
        *(uint32_t *)(void *)arg = a & 0x80 ? a : a & 15; /* a count, mostly */
    }
}

static void run_vcpu(State *s, int fd)
{
    struct kvm_run *run;
    intptr_t at = kvm_fd_mmap(s->host, fd, NULL, ABI_VCPU_MMAP_SIZE, PROT_READ | PROT_WRITE,
                              MAP_SHARED, 0);
    if (at < 0 && at > -4096) {
        kvm_fd_ioctl(s->host, fd, KVM_RUN, 0);
        return;
    }
    run = (void *)at;
    run->immediate_exit = !(s->options & OPTION_RUNS);
    for (unsigned i = 0; i < 4; i++) {
        int r = kvm_fd_ioctl(s->host, fd, KVM_RUN, 0);
        if (r < 0) {
            break;
        }
    }
    munmap(run, ABI_VCPU_MMAP_SIZE);
    kvm_unmapped(s->host, run, ABI_VCPU_MMAP_SIZE);
}

static void call(Worker *w, const uint8_t *c)
{
    State *s = w->state;
    unsigned long request = requests[c[0] % G_N_ELEMENTS(requests)];
    int fd = any_fd(s, c[1] & 31), r;
    uintptr_t arg = (uintptr_t)w->arg;
    fill_structure(s, request, w->arg, c[2], c[3]);
    if (c[1] & 0x80) {
        arg = c[1] & 0x40 ? 0x30000 : 0;
    }
    if (request == KVM_RUN) {
        run_vcpu(s, fd);
        return;
    }
    if (request == KVM_CREATE_VM) {
        arg = s->options & OPTION_PLAIN ? c[2] & 1u : c[2] & 0x80 ? c[2] : ABI_VM_TDX;
        fd = s->kvm;
    } else if (request == KVM_CREATE_VCPU || request == KVM_CHECK_EXTENSION ||
               request == KVM_SET_TSC_KHZ) {
        arg = request == KVM_CHECK_EXTENSION ? c[2] | (uint64_t)c[3] << 8 : small(c[2], c[3]);
    }
    if (c[0] == 0xfe) { /* a descriptor goes while others use it */
        unsigned n = c[2] % MAX_FDS;
        int old = atomic_exchange(&s->fds[n], -1);
        if (old >= 0) {
            kvm_fd_forget(s->host, old);
            close(old);
        }
        return;
    }
    if (c[0] == 0xff) {
        kvm_fd_fallocate(s->host, fd, c[2] & 1 ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : 0,
                         (off_t)small(c[3], 0), (off_t)small(c[2], 0));
        return;
    }
    r = kvm_fd_ioctl(s->host, fd, request, arg);
    if (r >= 0 && (request == KVM_CREATE_VM || request == KVM_CREATE_VCPU ||
                   request == ABI_CREATE_GUEST_MEMFD)) {
        keep_fd(s, r);
    }
    if (r < -4095) {
        abort();
    }
}

static void *work(void *opaque)
{
    Worker *w = opaque;
    State *s = w->state;
    for (size_t i = w->number; i < s->num_calls; i += s->options & OPTION_THREADS ? THREADS : 1) {
        call(w, s->calls + 4 * i);
    }
    s->finished++;
    return NULL;
}

/* A TD with a page of code, if asked for: `jmp .`, or what stands in the input. */
static void prepare(State *s)
{
    static Worker w;
    static const uint8_t steps[][4] = {
        {1, 7, 0x00, 0},   /* CREATE_VM */
    };
    w.state = s;
    call(&w, steps[0]);
    if (s->fds[0] < 0 || !(s->options & OPTION_FINAL)) {
        return;
    }
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}},
    api = {.cap = KVM_CAP_X2APIC_API, .args = {3}};
    struct kvm_enable_cap hypercall = {.cap = KVM_CAP_EXIT_HYPERCALL, .args = {0x1000}};
    kvm_fd_ioctl(s->host, s->fds[0], KVM_ENABLE_CAP, (uintptr_t)&split);
    kvm_fd_ioctl(s->host, s->fds[0], KVM_ENABLE_CAP, (uintptr_t)&api);
    kvm_fd_ioctl(s->host, s->fds[0], KVM_ENABLE_CAP, (uintptr_t)&hypercall);
    AbiTdxCmd cmd = {.id = ABI_TDX_INIT_VM};
    fill_tdx(s, w.arg, ABI_TDX_INIT_VM, 0);
    kvm_fd_ioctl(s->host, s->fds[0], ABI_MEMORY_ENCRYPT_OP, (uintptr_t)w.arg);
    for (unsigned i = 0; i < 2; i++) {
        int fd = kvm_fd_ioctl(s->host, s->fds[0], KVM_CREATE_VCPU, i);
        if (fd >= 0) {
            struct { AbiCpuidHeader header; AbiCpuidEntry entries[3]; } c = {{3, 0}, {
                {.function = 1, .ecx = 1u << 21}, {.function = 0x80000000, .eax = 0x80000008},
                {.function = 0x80000008, .eax = 48u << 16 | 52}}};
            keep_fd(s, fd);
            kvm_fd_ioctl(s->host, fd, KVM_SET_CPUID2, (uintptr_t)&c);
            cmd.id = ABI_TDX_INIT_VCPU;
            kvm_fd_ioctl(s->host, fd, ABI_MEMORY_ENCRYPT_OP, (uintptr_t)&cmd);
        }
    }
    AbiCreateGuestMemfd create = {.size = RAM_SIZE};
    int gmem = kvm_fd_ioctl(s->host, s->fds[0], ABI_CREATE_GUEST_MEMFD, (uintptr_t)&create);
    if (gmem < 0) {
        return;
    }
    keep_fd(s, gmem);
    AbiMemoryRegion2 region = {.slot = 0, .flags = ABI_MEM_GUEST_MEMFD,
                               .guest_phys_addr = 0x100000000 - RAM_SIZE, .memory_size = RAM_SIZE,
                               .userspace_addr = (uintptr_t)s->ram, .guest_memfd = (uint32_t)gmem};
    AbiMemoryAttributes attributes = {0x100000000 - RAM_SIZE, RAM_SIZE, ABI_ATTRIBUTE_PRIVATE, 0};
    AbiTdxInitMemRegion source = {(uintptr_t)s->ram + RAM_SIZE - 4096, 0xfffff000, 1};
    memset(s->ram, 0xf4, RAM_SIZE);
    memcpy(s->ram + RAM_SIZE - 16, "\xeb\xfe", 2);
    kvm_fd_ioctl(s->host, s->fds[0], ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region);
    kvm_fd_ioctl(s->host, s->fds[0], ABI_SET_MEMORY_ATTRIBUTES, (uintptr_t)&attributes);
    cmd = (AbiTdxCmd){.id = ABI_TDX_INIT_MEM_REGION, .data = (uintptr_t)&source};
    kvm_fd_ioctl(s->host, s->fds[1], ABI_MEMORY_ENCRYPT_OP, (uintptr_t)&cmd);
    cmd = (AbiTdxCmd){.id = ABI_TDX_FINALIZE_VM};
    kvm_fd_ioctl(s->host, s->fds[0], ABI_MEMORY_ENCRYPT_OP, (uintptr_t)&cmd);
}

/*
 * Signals go to whoever is still at work: a guest may loop, or wait for an interrupt that never
 * comes.
 */
static void run_workers(State *s)
{
    static Worker workers[THREADS];
    pthread_t threads[THREADS];
    unsigned n = s->options & OPTION_THREADS ? THREADS : 1;
    for (unsigned i = 0; i < n; i++) {
        workers[i].state = s;
        workers[i].number = i;
        if (pthread_create(&threads[i], NULL, work, &workers[i])) {
            abort();
        }
    }
    while (s->finished < n) {
        usleep(200);
        for (unsigned i = 0; i < n; i++) {
            pthread_kill(threads[i], SIGUSR1); /* joined below: the ids are good till then */
        }
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Profile profile;
    KvmHostOptions options = {.quiet = true};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    State s = {.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    char error[128];
    if (size < 6) {
        close(s.event);
        return 0;
    }
    sigaction(SIGUSR1, &action, NULL);
    profile = *profile_builtin();
    profile.kernel_minor = 16 + data[1] % 4;
    s.options = data[0];
    s.calls = data + 2;
    s.num_calls = (size - 2) / 4 < MAX_CALLS ? (size - 2) / 4 : MAX_CALLS;
    for (unsigned i = 0; i < MAX_FDS; i++) {
        s.fds[i] = -1;
    }
    s.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    s.host = kvm_host_new(&profile, &options, error, sizeof(error));
    if (!s.host || s.ram == MAP_FAILED) {
        abort();
    }
    s.kvm = kvm_host_open(s.host, O_RDWR | O_CLOEXEC);
    prepare(&s);
    run_workers(&s);
    for (unsigned i = 0; i < MAX_FDS; i++) {
        if (s.fds[i] >= 0) {
            kvm_fd_forget(s.host, s.fds[i]);
            close(s.fds[i]);
        }
    }
    kvm_fd_forget(s.host, s.kvm);
    close(s.kvm);
    kvm_host_free(s.host);
    munmap(s.ram, RAM_SIZE);
    close(s.event);
    return 0;
}
