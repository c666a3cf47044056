/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#define ROM_BASE UINT64_C(0xffffc000)
#define ROM_SIZE 0x4000u
#define BELL 0xf4
/* What may be passed: not RAX, RCX, RSP, RBP. */
#define ALL_REGISTERS 0xffccu

/*
 * Page tables, then code that enters long mode from a TD's start state and serves calls. Linear
 * 0xffa00000 is private GPA 0, 0xffc00000 the shared alias of GPA 0, 0xffe00000 itself.
 */
extern const uint8_t guest_image[];
__asm__(
    ".pushsection .rodata\n"
    ".balign 4096\n"
    ".globl guest_image\n"
    "guest_image:\n"
    ".quad 0xffffd003\n .fill 511, 8, 0\n"                            /* PML4 */
    ".quad 0, 0, 0, 0xffffe003\n .fill 508, 8, 0\n"                   /* PDPT */
    ".fill 509, 8, 0\n .quad 0x83, 0x800000000083, 0xffe00083\n"      /* PD, large pages */
    ".set guest_base, 0xfffff000\n"
    "guest_code:\n"
    ".code32\n"
    "guest_start32:\n"
    "  movl $0xffffc000, %eax\n  movl %eax, %cr3\n"
    "  movl %cr4, %eax\n  orl $0x20, %eax\n  movl %eax, %cr4\n"
    "  movl %cr0, %eax\n  orl $0x80000000, %eax\n  movl %eax, %cr0\n"
    "  lgdt guest_base + (guest_gdtr - guest_code)\n"
    "  ljmp $8, $guest_base + (guest_start64 - guest_code)\n"
    ".balign 8\n"
    "guest_gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff\n"
    "guest_gdtr: .word 23\n .long guest_base + (guest_gdt - guest_code)\n"
    ".code64\n"
    "guest_start64:\n"
    "  movl $0x10, %eax\n  movl %eax, %ss\n  movl %eax, %ds\n"
    "  movl $0xffc02000, %esp\n"
    "1:\n"
    "  movq 0(%rsp), %rax\n  movq 8(%rsp), %rcx\n  movq 16(%rsp), %rdx\n  movq 24(%rsp), %rbx\n"
    "  movq 40(%rsp), %rbp\n  movq 48(%rsp), %rsi\n  movq 56(%rsp), %rdi\n  movq 64(%rsp), %r8\n"
    "  movq 72(%rsp), %r9\n  movq 80(%rsp), %r10\n  movq 88(%rsp), %r11\n  movq 96(%rsp), %r12\n"
    "  movq 104(%rsp), %r13\n  movq 112(%rsp), %r14\n  movq 120(%rsp), %r15\n"
    "  .byte 0x66, 0x0f, 0x01, 0xcc\n"
    "  movq %rax, 128(%rsp)\n  movq %rcx, 136(%rsp)\n  movq %rdx, 144(%rsp)\n"
    "  movq %rbx, 152(%rsp)\n  movq %rsp, 160(%rsp)\n  movq %rbp, 168(%rsp)\n"
    "  movq %rsi, 176(%rsp)\n  movq %rdi, 184(%rsp)\n  movq %r8, 192(%rsp)\n"
    "  movq %r9, 200(%rsp)\n  movq %r10, 208(%rsp)\n  movq %r11, 216(%rsp)\n"
    "  movq %r12, 224(%rsp)\n  movq %r13, 232(%rsp)\n  movq %r14, 240(%rsp)\n"
    "  movq %r15, 248(%rsp)\n"
    "  xorl %eax, %eax\n  movl $0xfc00, %ecx\n  xorl %r10d, %r10d\n  movl $30, %r11d\n"
    "  movl $1, %r12d\n  movl $1, %r13d\n  movl $0xf4, %r14d\n  xorl %r15d, %r15d\n"
    "  .byte 0x66, 0x0f, 0x01, 0xcc\n"
    "  jmp 1b\n"
    ".fill 0xff0 - (. - guest_code), 1, 0x90\n"
    ".code32\n"
    "  jmp guest_start32\n"
    ".fill 0x1000 - (. - guest_code), 1, 0x90\n"
    ".code64\n"
    ".popsection\n");

static void add_rom(Fixture *f)
{
    int gmem = new_gmem(f, ROM_SIZE, 0);
    AbiMemoryRegion2 region = { .slot = 1, .flags = ABI_MEM_GUEST_MEMFD,
                                .guest_phys_addr = ROM_BASE, .memory_size = ROM_SIZE,
                                .userspace_addr = (uintptr_t)f->ram,
                                .guest_memfd = (uint32_t)gmem };
    AbiTdxInitMemRegion add = { (uintptr_t)guest_image, ROM_BASE, ROM_SIZE / 4096 };
    g_assert_cmpint(gmem, >=, 0);
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    g_assert_cmpint(set_private(f, ROM_BASE, ROM_SIZE, true), ==, 0);
    g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&add), ==, 0);
    close(f->gmem);
    kvm_fd_forget(f->host, f->gmem);
    f->gmem = gmem; /* the fixture closes one: this, without which the code were gone */
}

Guest *guest_from(Fixture *f)
{
    Guest *g = g_new0(Guest, 1);
    g->f = f;
    fixture_go_on(f, AT_CAPS, AT_MEMORY);
    add_rom(f);
    g_assert_cmpint(set_private(f, GUEST_SHARED, 4096, false), ==, 0);
    fixture_go_on(f, AT_MEMORY, AT_FINAL);
    intptr_t at = kvm_fd_mmap(f->host, f->vcpu, NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    g_assert_cmpint(at, >, 0);
    g->run = (struct kvm_run *)at;
    g->page = (GuestPage *)(void *)(f->ram + GUEST_SHARED);
    return g;
}

Guest *guest_new(uint32_t major, uint32_t minor)
{
    return guest_from(fixture_new_kernel(major, minor, AT_CAPS, NULL));
}

void guest_free(Guest *g)
{
    munmap(g->run, 12288);
    kvm_unmapped(g->f->host, g->run, 12288);
    fixture_free(g->f);
    g_free(g);
}

int guest_go_on(Guest *g)
{
    int r = vcpu(g->f, KVM_RUN, 0);
    if (r < 0) {
        return r;
    }
    return g->run->exit_reason == KVM_EXIT_IO && g->run->io.port == BELL ? GUEST_DONE
                                                                         : (int)g->run->exit_reason;
}

int guest_call(Guest *g)
{
    memset(g->page->out, 0, sizeof(g->page->out));
    return guest_go_on(g);
}

int guest_vmcall(Guest *g, uint64_t leaf, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15)
{
    memset(g->page->in, 0, sizeof(g->page->in));
    g->page->in[RCX] = ALL_REGISTERS;
    g->page->in[R11] = leaf;
    g->page->in[R12] = r12;
    g->page->in[R13] = r13;
    g->page->in[R14] = r14;
    g->page->in[R15] = r15;
    return guest_call(g);
}
