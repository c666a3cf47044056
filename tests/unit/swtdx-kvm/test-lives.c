/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lives of a TD's parts: descriptors and mappings that go in any order, private pages that are
 * converted, punched and deleted under the guest, and threads of a VMM that do all that at once.
 */
#include <linux/falloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "../../../swtdx/host/module/status.h"
#include "guest.h"

#define PUNCH (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

/* As the preload library does it. */
static void drop(Fixture *f, int *fd)
{
    kvm_fd_forget(f->host, *fd);
    close(*fd);
    kvm_host_reap(f->host);
    *fd = -1;
}

/* Can another TD be made, on a host with one KeyID? */
static bool keyid_free(Fixture *f)
{
    InitBuffer *init = g_new0(InitBuffer, 1);
    int other = sys(f, KVM_CREATE_VM, ABI_VM_TDX), r;
    g_assert_cmpint(other, >=, 0);
    fixture_init_params(init);
    r = tdx(f, other, ABI_TDX_INIT_VM, 0, (uintptr_t)init);
    g_assert_true(r == 0 || r == -ENOSPC);
    g_free(init);
    drop(f, &other);
    return r == 0;
}

/*
 * VM, vCPU, guest_memfd and the mapping of kvm_run hold the TD, each alone too; what is left works
 * as long as it is there.
 */
static void test_orders(void)
{
    enum { VM, VCPU, GMEM, RUN, KINDS };
    for (unsigned order = 0; order < KINDS * KINDS * KINDS * KINDS; order++) {
        unsigned turn[KINDS] = { order % 4, order / 4 % 4, order / 16 % 4, order / 64 }, seen = 0;
        for (unsigned i = 0; i < KINDS; i++) {
            seen |= 1u << turn[i];
        }
        if (seen != 0xf) {
            continue; /* no permutation */
        }
        Guest *g = guest_new(6, 16);
        Fixture *f = g->f;
        f->profile.keyids = 1;
        g_test_message("%u %u %u %u", turn[0], turn[1], turn[2], turn[3]);
        g_assert_cmpint(guest_vmcall(g, 0, 0, 0, 0, 0), ==, GUEST_DONE);
        for (unsigned i = 0; i < KINDS; i++) {
            g_assert_false(keyid_free(f));
            switch (turn[i]) {
            case VM:
                drop(f, &f->vm);
                break;
            case VCPU:
                drop(f, &f->vcpu);
                break;
            case GMEM:
                drop(f, &f->gmem);
                break;
            case RUN:
                memset(g->run, 0, 4096); /* it is memory to the last */
                munmap(g->run, 12288);
                kvm_unmapped(f->host, g->run, 12288);
                g->run = NULL;
                break;
            }
            if (f->vcpu >= 0 && f->gmem >= 0 && g->run) {
                g_assert_cmpint(guest_vmcall(g, 30, 1, 1, 0x80, 0), ==, KVM_EXIT_IO);
            } else if (f->vcpu >= 0) { /* without its code it cannot run, but it answers */
                struct kvm_mp_state mp;
                g_assert_cmpint(vcpu(f, KVM_GET_MP_STATE, (uintptr_t)&mp), ==, 0);
            }
        }
        g_assert_true(keyid_free(f));
        fixture_free(f);
        g_free(g);
    }
}

/* A mapping of kvm_run that goes page by page goes with its last page. */
static void test_mapping_in_pieces(void)
{
    Guest *g = guest_new(6, 16);
    Fixture *f = g->f;
    uint8_t *run = (uint8_t *)g->run;
    f->profile.keyids = 1;
    drop(f, &f->vm);
    drop(f, &f->vcpu);
    drop(f, &f->gmem);
    static const unsigned pages[] = { 1, 0, 1, 2 }; /* one of them twice */
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        g_assert_false(keyid_free(f));
        munmap(run + pages[i] * 4096, 4096);
        kvm_unmapped(f->host, run + pages[i] * 4096, 4096);
    }
    g_assert_true(keyid_free(f));
    fixture_free(f);
    g_free(g);
}

/* A descriptor that came through a socket is the same file. */
static void test_passed(void)
{
    Fixture *f = fixture_new(16, AT_INIT, NULL);
    int ends[2];
    char byte = 0;
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control;
    struct iovec data = { &byte, 1 };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    memset(&control, 0, sizeof(control));
    control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                                       .cmsg_len = CMSG_LEN(sizeof(int)) };
    memcpy(CMSG_DATA(&control.header), &f->vm, sizeof(int));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    g_assert_cmpint(sendmsg(ends[0], &message, 0), ==, 1);
    f->profile.keyids = 1;
    drop(f, &f->vm);
    g_assert_false(keyid_free(f)); /* the message holds it */
    g_assert_cmpint(recvmsg(ends[1], &message, 0), ==, 1);
    memcpy(&f->vm, CMSG_DATA(&control.header), sizeof(int));
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 4096), ==, -EINVAL);
    f->vcpu = vm(f, KVM_CREATE_VCPU, 0);
    g_assert_cmpint(f->vcpu, >=, 0);
    close(ends[0]);
    close(ends[1]);
    fixture_free(f);
}

static int hand_over_file(int number, const char *contents)
{
    int fd = memfd_create("handed", MFD_CLOEXEC);
    g_assert_cmpint(write(fd, contents, 1), ==, 1);
    g_assert_cmpint(dup3(fd, number, O_CLOEXEC), ==, number);
    close(fd);
    return number;
}

/* The file is told by what it is, not by its descriptor, which another process may have, too. */
static void test_inherited(void)
{
    enum { NUMBER = 900, ELSEWHERE };
    struct stat st;
    int pipes[2], status;
    bool opened;
    char byte = 0;
    hand_over_file(NUMBER, "x");
    g_assert_cmpint(fstat(NUMBER, &st), ==, 0);
    g_assert_cmpint(pipe(pipes), ==, 0);
    pid_t other = fork(); /* which has it as long as the pipe is open */
    if (!other) {
        close(pipes[1]);
        _exit(read(pipes[0], &byte, 1));
    }
    g_autofree char *where = g_strdup_printf("fd:%d:%llu:%llu:%d", NUMBER,
                                             (unsigned long long)st.st_dev,
                                             (unsigned long long)st.st_ino, (int)other);
    g_assert_cmpint(kvm_inherited(where, &opened), ==, NUMBER);
    g_assert_false(opened);
    close(NUMBER);
    g_assert_cmpint(kvm_inherited(where, &opened), ==, NUMBER); /* put back */
    g_assert_false(opened);
    g_assert_cmpint(pread(NUMBER, &byte, 1, 0), ==, 1);
    g_assert_cmpint(byte, ==, 'x');
    close(NUMBER);
    hand_over_file(NUMBER, "y"); /* the program's own, with that number */
    int fd = kvm_inherited(where, &opened);
    g_assert_cmpint(fd, >=, 0);
    g_assert_true(opened && fd != NUMBER);
    g_assert_cmpint(pread(fd, &byte, 1, 0), ==, 1);
    g_assert_cmpint(byte, ==, 'x');
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
    g_assert_cmpint(waitpid(other, &status, 0), ==, other);
    g_assert_cmpint(kvm_inherited(where, &opened), ==, -1);
    close(NUMBER);
    g_assert_cmpint(kvm_inherited(where, &opened), ==, -1);
    static const char *const bad[] = { "", "fd:", "fd:900", "fd:900:1:2", "fd:-1:0:0:0", "/x" };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpint(kvm_inherited(bad[i], &opened), ==, -1);
    }
    g_assert_cmpint(kvm_inherited(NULL, &opened), ==, -1);
}

/* A program that closes all that it did not open itself has TDs afterwards, too. */
static void test_closed_all(void)
{
    enum { NUMBER = 900, MOST = 2048 };
    struct stat st;
    int status;
    hand_over_file(NUMBER, "x");
    g_assert_cmpint(fstat(NUMBER, &st), ==, 0);
    g_autofree char *where = g_strdup_printf("fd:%d:%llu:%llu:%d", NUMBER,
                                             (unsigned long long)st.st_dev,
                                             (unsigned long long)st.st_ino, (int)getpid());
    pid_t child = fork();
    if (!child) {
        const KvmHostOptions options = { .quiet = true, .keyids = where };
        Profile profile = *profile_builtin();
        char error[128];
        KvmHost *host = kvm_host_new(&profile, &options, error, sizeof(error));
        Fixture f = { .host = host, .kvm = kvm_host_open(host, O_CLOEXEC) };
        profile.keyids = 1;
        bool before = keyid_free(&f);
        for (int fd = 3; fd < MOST; fd++) {
            if (fd != f.kvm) {
                close(fd);
            }
        }
        _exit(!before || !keyid_free(&f));
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    close(NUMBER);
}

/* ---- private pages ---- */

static uint64_t tdcall(Guest *g, uint64_t leaf, uint64_t rcx, uint64_t rdx)
{
    memset(g->page->in, 0, sizeof(g->page->in));
    g->page->in[RAX] = leaf;
    g->page->in[RCX] = rcx;
    g->page->in[RDX] = rdx;
    int r = guest_call(g);
    g_assert_cmpint(r, ==, GUEST_DONE);
    return g->page->out[RAX];
}

#define ACCEPT 6
#define REPORT 4
#define VERIFY 22
#define PAGE UINT64_C(0x5000)

/* A page with a TDREPORT in it: contents that the guest can tell from others. */
static void fill_page(Guest *g)
{
    g_assert_cmphex(tdcall(g, ACCEPT, PAGE, 0), ==, 0);
    g_assert_cmphex(tdcall(g, ACCEPT, PAGE, 0), ==, TDX_PAGE_ALREADY_ACCEPTED);
    g_assert_cmphex(tdcall(g, VERIFY, PAGE, 0), ==, TDX_INVALID_CPUSVN); /* zeroes */
    g_assert_cmphex(tdcall(g, REPORT, PAGE, PAGE + 0x400), ==, 0);
    g_assert_cmphex(tdcall(g, VERIFY, PAGE, 0), ==, 0);
}

static void expect_fault(Guest *g, uint64_t flags)
{
    const AbiRunMemoryFault *fault = abi_run_memory_fault(g->run);
    memset(g->page->in, 0, sizeof(g->page->in));
    g->page->in[RAX] = ACCEPT;
    g->page->in[RCX] = PAGE;
    g_assert_cmpint(guest_call(g), ==, -EFAULT);
    g_assert_cmpint(g->run->exit_reason, ==, ABI_EXIT_MEMORY_FAULT);
    g_assert_cmphex(fault->flags, ==, flags);
    g_assert_cmphex(fault->gpa, ==, PAGE);
    g_assert_cmphex(fault->size, ==, 4096);
}

/* RAM in a slot whose guest_memfd the test has, at PAGE: the fixture's has lost its file. */
static int own_ram(Guest *g)
{
    Fixture *f = g->f;
    AbiMemoryRegion2 gone = { .slot = 0 };
    int gmem = new_gmem(f, FIXTURE_RAM, 0);
    AbiMemoryRegion2 region = { .slot = 0, .flags = ABI_MEM_GUEST_MEMFD,
                                .memory_size = FIXTURE_RAM, .userspace_addr = (uintptr_t)f->ram,
                                .guest_memfd = (uint32_t)gmem };
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&gone), ==, 0);
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    return gmem;
}

static void test_contents(void)
{
    Guest *g = guest_new(6, 16);
    int gmem = own_ram(g);
    fill_page(g);
    /* setting what is set already changes nothing */
    g_assert_cmpint(set_private(g->f, PAGE, 4096, true), ==, 0);
    g_assert_cmphex(tdcall(g, VERIFY, PAGE, 0), ==, 0);
    /* nothing of it is in the shared pages */
    g_assert_cmpint(g->f->ram[PAGE], ==, 0);

    /* to shared and back: contents are lost, and it must be accepted again */
    g_assert_cmpint(set_private(g->f, PAGE, 4096, false), ==, 0);
    expect_fault(g, 8);
    g_assert_cmpint(set_private(g->f, PAGE, 4096, true), ==, 0);
    g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE); /* the ACCEPT is made again by itself */
    g_assert_cmphex(g->page->out[RAX], ==, 0);
    g_assert_cmphex(tdcall(g, VERIFY, PAGE, 0), ==, TDX_INVALID_CPUSVN);
    g_assert_cmphex(tdcall(g, REPORT, PAGE, PAGE + 0x400), ==, 0);

    /* a hole under the guest */
    g_assert_cmpint(kvm_fd_fallocate(g->f->host, gmem, PUNCH, PAGE + 0x1000, 0x1000), ==, 0);
    g_assert_cmphex(tdcall(g, VERIFY, PAGE, 0), ==, 0); /* of another page */
    g_assert_cmpint(kvm_fd_fallocate(g->f->host, gmem, PUNCH, PAGE, 0x1000), ==, 0);
    fill_page(g);

    /* the slot goes, and comes back */
    AbiMemoryRegion2 region = { .slot = 0, .flags = ABI_MEM_GUEST_MEMFD,
                                .userspace_addr = (uintptr_t)g->f->ram,
                                .guest_memfd = (uint32_t)gmem };
    g_assert_cmpint(vm(g->f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    region.memory_size = FIXTURE_RAM;
    g_assert_cmpint(vm(g->f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    fill_page(g);

    /* the file goes: private pages cannot be had any more */
    drop(g->f, &gmem);
    expect_fault(g, 8);
    guest_free(g);
}

/* Until the guest's loop is host code. */
static void make_hot(Guest *g)
{
    for (unsigned i = 0; i < 50; i++) {
        g_assert_cmpint(guest_vmcall(g, 0, 0, 0, 0, 0), ==, GUEST_DONE);
    }
}

/* A page that the guest has, made shared under its hands: the shared side faults the other way. */
static void test_wrong_side(void)
{
    Guest *g = guest_new(6, 16);
    make_hot(g);
    g_assert_cmphex(tdcall(g, REPORT, GUEST_SHARED_BIT | GUEST_SHARED | 0x400,
                           GUEST_SHARED_BIT | GUEST_SHARED | 0x800), ==, 0);
    g_assert_cmpint(set_private(g->f, GUEST_SHARED, 4096, true), ==, 0);
    g_assert_cmpint(guest_go_on(g), ==, -EFAULT); /* its next load of registers */
    g_assert_cmphex(abi_run_memory_fault(g->run)->flags, ==, 0);
    g_assert_cmphex(abi_run_memory_fault(g->run)->gpa, ==, GUEST_SHARED);
    g_assert_cmpint(set_private(g->f, GUEST_SHARED, 4096, false), ==, 0);
    g_assert_cmpint(guest_vmcall(g, 0, 0, 0, 0, 0), ==, GUEST_DONE);
    guest_free(g);
}

/* Other memory behind the same addresses: the guest has what is there, and leaves the old alone. */
static void test_other_memory(void)
{
    Guest *g = guest_new(6, 16);
    Fixture *f = g->f;
    int gmem = own_ram(g);
    uint8_t *memory[2] = { f->ram, mmap(NULL, FIXTURE_RAM, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) };
    g_assert_true(memory[1] != MAP_FAILED);
    make_hot(g);
    for (unsigned i = 1; i <= 20; i++) {
        AbiMemoryRegion2 region = { .slot = 0, .flags = ABI_MEM_GUEST_MEMFD,
                                    .guest_memfd = (uint32_t)gmem };
        uint8_t *old = memory[(i + 1) % 2];
        region.userspace_addr = (uintptr_t)old;
        g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
        region.memory_size = FIXTURE_RAM;
        region.userspace_addr = (uintptr_t)memory[i % 2];
        g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
        memset(old, 0x5a, FIXTURE_RAM);
        g->page = (GuestPage *)(void *)(memory[i % 2] + GUEST_SHARED);
        g_assert_cmphex(tdcall(g, 1, 0, 0), ==, 0); /* VP.INFO */
        g_assert_cmphex(g->page->out[RCX], ==, 48);
        for (unsigned at = 0; at < FIXTURE_RAM; at++) {
            g_assert_cmphex(old[at], ==, 0x5a);
        }
    }
    drop(f, &gmem);
    guest_free(g);
    munmap(memory[1], FIXTURE_RAM);
}

#define NOWHERE UINT64_C(0x200000) /* below all that programs have */

/* A slot of addresses without memory: KVM_RUN fails, and only that. */
static void test_slot_of_nothing(void)
{
    Guest *g = guest_new(6, 16);
    AbiMemoryRegion2 region = { .slot = 6, .guest_phys_addr = 0x50000, .memory_size = 0x3000,
                                .userspace_addr = NOWHERE };
    g_assert_cmpint(vm(g->f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    memset(g->page->in, 0, sizeof(g->page->in));
    g->page->in[RAX] = REPORT;
    g->page->in[RCX] = GUEST_SHARED_BIT | 0x51000;
    g->page->in[RDX] = GUEST_SHARED_BIT | 0x51400;
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(guest_call(g), ==, -EFAULT);
        g_assert_cmpint(g->run->exit_reason, ==, KVM_EXIT_UNKNOWN);
    }
    /* memory comes there: the guest goes on */
    uint8_t *page = mmap((void *)(uintptr_t)(NOWHERE + 0x1000), 0x1000, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page != MAP_FAILED) {
        g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
        g_assert_cmphex(g->page->out[RAX], ==, 0);
        g_assert_cmphex(page[0], ==, 0x81);
    }
    region.memory_size = 0;
    g_assert_cmpint(vm(g->f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    if (page != MAP_FAILED) {
        munmap(page, 0x1000);
    }
    guest_free(g);
}

/* ---- threads ---- */

typedef struct Worker {
    Fixture *f;
    Guest *g;
    uint64_t r12;
    _Atomic bool stop;
    _Atomic unsigned rounds;
    int result;
} Worker;

static void *convert(void *opaque)
{
    Worker *w = opaque;
    Fixture *f = w->f;
    uint8_t *memory = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                           0);
    while (!w->stop) {
        int gmem = new_gmem(f, 0x4000, 0);
        AbiMemoryRegion2 region = { .slot = 7, .flags = ABI_MEM_GUEST_MEMFD,
                                    .guest_phys_addr = 0x40000, .memory_size = 0x4000,
                                    .userspace_addr = (uintptr_t)memory,
                                    .guest_memfd = (uint32_t)gmem };
        g_assert_cmpint(gmem, >=, 0);
        g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
        g_assert_cmpint(set_private(f, 0x40000, 0x4000, true), ==, 0);
        g_assert_cmpint(kvm_fd_fallocate(f->host, gmem, PUNCH, 0, 0x2000), ==, 0);
        g_assert_cmpint(set_private(f, 0x41000, 0x1000, false), ==, 0);
        region.memory_size = 0;
        g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
        drop(f, &gmem);
        w->rounds++;
    }
    munmap(memory, 0x4000);
    return NULL;
}

static void start(pthread_t *thread, void *(*body)(void *), Worker *w)
{
    g_assert_cmpint(pthread_create(thread, NULL, body, w), ==, 0);
}

static void finish(pthread_t thread, Worker *w)
{
    w->stop = true;
    g_assert_cmpint(pthread_join(thread, NULL), ==, 0);
}

/* KVM_TDX_INIT_VM that is refused, again and again, while memory is set up by another thread. */
static void test_init_vm_and_memory(void)
{
    Fixture *f = fixture_new(16, AT_CAPS, NULL);
    InitBuffer *init = g_new0(InitBuffer, 1);
    Worker w = { .f = f };
    pthread_t thread;
    start(&thread, convert, &w);
    for (unsigned i = 0; i < 300 || w.rounds < 50; i++) {
        fixture_init_params(init);
        init->entries[init->init.cpuid.nent++] = (AbiCpuidEntry){ .function = 1, .ecx = 1 };
        g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, -EINVAL);
        g_assert_cmphex(f->hw_error, ==, UINT64_C(0xc000010000000045));
    }
    fixture_init_params(init);
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_INIT_VM, 0, (uintptr_t)init), ==, 0);
    finish(thread, &w);
    g_free(init);
    fixture_free(f);
}

/* The guest works while slots, attributes and guest_memfds beside its memory come and go. */
static void test_run_and_memory(void)
{
    Guest *g = guest_new(6, 16);
    int gmem = own_ram(g);
    Worker w = { .f = g->f };
    pthread_t thread;
    start(&thread, convert, &w);
    fill_page(g);
    for (unsigned i = 0; i < 2000 || w.rounds < 50; i++) {
        g_assert_cmpint(guest_vmcall(g, 48, 4, 0, GUEST_SHARED_BIT | 0xfec00000, 0), ==,
                        KVM_EXIT_MMIO);
        g_assert_cmpint(guest_go_on(g), ==, GUEST_DONE);
        g_assert_cmphex(tdcall(g, VERIFY, PAGE, 0), ==, 0);
    }
    finish(thread, &w);
    drop(g->f, &gmem);
    guest_free(g);
}

static void *run_too(void *opaque)
{
    Worker *w = opaque;
    while (!w->stop) {
        int r = vcpu(w->f, KVM_RUN, 0);
        g_assert_cmpint(r, ==, 0);
        w->rounds++;
    }
    return NULL;
}

/* Two threads in one vCPU: one after the other, each with an exit of its own. */
static void test_two_in_one_vcpu(void)
{
    Guest *g = guest_new(6, 16);
    Worker w = { .f = g->f };
    pthread_t thread;
    g_assert_cmpint(guest_vmcall(g, 0, 0, 0, 0, 0), ==, GUEST_DONE);
    start(&thread, run_too, &w);
    for (unsigned i = 0; i < 1000 || w.rounds < 100; i++) {
        struct kvm_mp_state mp;
        g_assert_cmpint(vcpu(g->f, KVM_RUN, 0), ==, 0);
        g_assert_cmpint(vcpu(g->f, KVM_GET_MP_STATE, (uintptr_t)&mp), ==, 0);
        g_assert_cmpint(vcpu(g->f, KVM_GET_REGS, 0), ==, -EINVAL);
    }
    finish(thread, &w);
    guest_free(g);
}

/* ---- handlers ---- */

static Fixture *handled; /* a handler has no argument */
static _Atomic unsigned handlers_run;

/* As the preload library does it around a handler that closes descriptors, ours and others. */
static void close_in_handler(int signo, siginfo_t *info, void *context)
{
    int saved = errno, fds[2] = { dup(handled->kvm), dup(0) };
    kvm_signal_arrived(signo, info);
    const void *before = kvm_handler_enter();
    for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
        kvm_fd_ours(handled->host, fds[i]);
        kvm_fd_forget(handled->host, fds[i]);
        close(fds[i]);
        kvm_host_reap(handled->host);
    }
    kvm_handler_leave(before);
    handlers_run++;
    errno = saved;
}

/* POSIX lets handlers close, whatever they interrupted: no lock may be waited for there. */
static void test_close_in_handler(void)
{
    struct sigaction act = { .sa_sigaction = close_in_handler, .sa_flags = SA_SIGINFO }, old;
    const struct itimerval often = { { 0, 50 }, { 0, 50 } }, never = { { 0, 0 }, { 0, 0 } };
    handled = fixture_new(16, AT_HOST, NULL);
    g_assert_cmpint(sigaction(SIGVTALRM, &act, &old), ==, 0);
    g_assert_cmpint(setitimer(ITIMER_VIRTUAL, &often, NULL), ==, 0);
    for (unsigned i = 0; i < 2000 || handlers_run < 20; i++) {
        int fd = sys(handled, KVM_CREATE_VM, ABI_VM_TDX);
        g_assert_cmpint(fd, >=, 0);
        drop(handled, &fd);
    }
    g_assert_cmpint(setitimer(ITIMER_VIRTUAL, &never, NULL), ==, 0);
    g_assert_cmpint(sigaction(SIGVTALRM, &old, NULL), ==, 0);
    fixture_free(handled);
}

static sigjmp_buf before_handler;

static void jump_out(int signo)
{
    volatile char deep[65536];
    deep[0] = 1;
    kvm_handler_enter();
    siglongjmp(before_handler, deep[0]);
}

/* A handler that is left by a jump leaves nothing behind. */
static void test_jump_out_of_handler(void)
{
    struct sigaction act = { .sa_handler = jump_out }, old;
    Fixture *f = fixture_new(16, AT_INIT, NULL);
    f->profile.keyids = 1;
    g_assert_cmpint(sigaction(SIGUSR1, &act, &old), ==, 0);
    if (!sigsetjmp(before_handler, 1)) {
        raise(SIGUSR1);
    }
    g_assert_cmpint(sigaction(SIGUSR1, &old, NULL), ==, 0);
    drop(f, &f->vm);
    g_assert_true(keyid_free(f)); /* seen at once, by this thread */
    fixture_free(f);
}

/* ---- who waits for whom ---- */

static void on_signal(int signo, siginfo_t *info, void *context)
{
    kvm_signal_arrived(signo, info);
}

static void *run_once(void *opaque)
{
    Worker *w = opaque;
    w->rounds = 1;
    w->result = vcpu(w->f, KVM_RUN, 0);
    w->rounds = 2;
    return NULL;
}

static void *finalize(void *opaque)
{
    Worker *w = opaque;
    AbiTdxCmd cmd = { .id = ABI_TDX_FINALIZE_VM };
    w->rounds = 1;
    w->result = vm(w->f, ABI_MEMORY_ENCRYPT_OP, (uintptr_t)&cmd);
    w->rounds = 2;
    return NULL;
}

/*
 * A vCPU that sits in KVM_RUN before KVM_TDX_INIT_VCPU: from 6.19 on KVM_TDX_FINALIZE_VM waits for
 * it.
 */
static void test_who_waits(void)
{
    static const struct { uint32_t minor; bool waits; } ages[] = { { 16, false }, { 18, false },
                                                                   { 19, true } };
    struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    g_assert_cmpint(sigaction(SIGUSR1, &act, NULL), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(ages); i++) {
        Fixture *f = fixture_new(ages[i].minor, AT_MEMORY, NULL);
        int first = f->vcpu;
        Worker runs = { .f = f }, ends = { .f = f };
        pthread_t run, end;
        g_test_message("Linux 6.%u", ages[i].minor);
        f->vcpu = vm(f, KVM_CREATE_VCPU, 1);
        g_assert_cmpint(f->vcpu, >=, 0);
        start(&run, run_once, &runs);
        while (!runs.rounds) {
            g_usleep(1000);
        }
        g_usleep(50000);
        start(&end, finalize, &ends);
        if (ages[i].waits) {
            g_usleep(100000);
            g_assert_cmpuint(ends.rounds, ==, 1);
        } else {
            g_assert_cmpint(pthread_join(end, NULL), ==, 0);
            g_assert_cmpuint(runs.rounds, ==, 1);
        }
        g_assert_cmpint(pthread_kill(run, SIGUSR1), ==, 0);
        g_assert_cmpint(pthread_join(run, NULL), ==, 0);
        g_assert_cmpint(runs.result, ==, -EINTR);
        if (ages[i].waits) {
            g_assert_cmpint(pthread_join(end, NULL), ==, 0);
        }
        g_assert_cmpint(ends.result, ==, 0);
        drop(f, &f->vcpu);
        f->vcpu = first;
        fixture_free(f);
    }
}

static void *halt(void *opaque)
{
    Worker *w = opaque;
    w->rounds = 1;
    w->result = guest_vmcall(w->g, 12, w->r12, 0, 0, 0);
    w->rounds = 2;
    return NULL;
}

static void wait_until_inside(Worker *w)
{
    while (!w->rounds) {
        g_usleep(1000);
    }
    g_usleep(50000);
}

/* TDVMCALL HLT: an interrupt ends it unless R12 says that they are off; an NMI does in any case. */
static void test_halt(void)
{
    struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };
    struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    g_assert_cmpint(sigaction(SIGUSR1, &act, NULL), ==, 0);
    for (unsigned masked = 0; masked < 2; masked++) {
        Guest *g = guest_new(6, 16);
        Worker w = { .f = g->f, .g = g, .r12 = masked };
        pthread_t thread;
        g_assert_cmpint(guest_vmcall(g, 32, 0x80f, 0x1ff, 0, 0), ==, GUEST_DONE);
        start(&thread, halt, &w);
        wait_until_inside(&w);
        g_assert_cmpuint(w.rounds, ==, 1);
        g_assert_cmpint(vm(g->f, KVM_SIGNAL_MSI, (uintptr_t)&msi), ==, 1);
        if (masked) {
            g_usleep(100000);
            g_assert_cmpuint(w.rounds, ==, 1);
            g_assert_cmpint(pthread_kill(thread, SIGUSR1), ==, 0);
        }
        g_assert_cmpint(pthread_join(thread, NULL), ==, 0);
        g_assert_cmpint(w.result, ==, masked ? -EINTR : GUEST_DONE);
        if (masked) {
            struct kvm_mp_state mp;
            g_assert_cmpint(vcpu(g->f, KVM_GET_MP_STATE, (uintptr_t)&mp), ==, 0);
            g_assert_cmpint(mp.mp_state, ==, KVM_MP_STATE_HALTED);
            g_assert_cmpint(vcpu(g->f, KVM_NMI, 0), ==, 0);
            g_assert_cmpint(guest_go_on(g), ==, KVM_EXIT_SHUTDOWN); /* the guest has no IDT */
        }
        guest_free(g);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-lives/orders", test_orders);
    g_test_add_func("/swtdx-lives/mapping-in-pieces", test_mapping_in_pieces);
    g_test_add_func("/swtdx-lives/passed", test_passed);
    g_test_add_func("/swtdx-lives/inherited", test_inherited);
    g_test_add_func("/swtdx-lives/closed-all", test_closed_all);
    g_test_add_func("/swtdx-lives/contents", test_contents);
    g_test_add_func("/swtdx-lives/wrong-side", test_wrong_side);
    g_test_add_func("/swtdx-lives/other-memory", test_other_memory);
    g_test_add_func("/swtdx-lives/slot-of-nothing", test_slot_of_nothing);
    g_test_add_func("/swtdx-lives/init-vm-and-memory", test_init_vm_and_memory);
    g_test_add_func("/swtdx-lives/run-and-memory", test_run_and_memory);
    g_test_add_func("/swtdx-lives/two-in-one-vcpu", test_two_in_one_vcpu);
    g_test_add_func("/swtdx-lives/close-in-handler", test_close_in_handler);
    g_test_add_func("/swtdx-lives/jump-out-of-handler", test_jump_out_of_handler);
    g_test_add_func("/swtdx-lives/who-waits", test_who_waits);
    g_test_add_func("/swtdx-lives/halt", test_halt);
    return g_test_run();
}
