/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A firmware of four pages at 0xffffc000: page tables, then code that enters long mode from the
 * TD's start state (32-bit protected mode at 0xfffffff0, EFER.LME set) and makes one call of each
 * kind. What it sees it writes to port 0x402.
 *
 * Linear 0xffa00000 is private GPA 0, 0xffc00000 the shared alias of GPA 0, 0xffe00000 itself.
 */
#include "firmware.h"

__asm__(
    ".section .rodata\n"
    ".balign 4096\n"
    ".globl firmware_image, firmware_end\n"
    "firmware_image:\n"
    /* 0xffffc000: PML4 */
    ".quad 0xffffd003\n .fill 511, 8, 0\n"
    /* 0xffffd000: PDPT, its fourth entry */
    ".quad 0, 0, 0, 0xffffe003\n .fill 508, 8, 0\n"
    /* 0xffffe000: PD, large pages */
    ".fill 509, 8, 0\n .quad 0x83, 0x800000000083, 0xffe00083\n"
    /* 0xfffff000: code */
    ".set base, 0xfffff000\n"
    "code:\n"
    ".code32\n"
    "start32:\n"
    "  movl $0xffffc000, %eax\n  movl %eax, %cr3\n"
    "  movl %cr4, %eax\n  orl $0x20, %eax\n  movl %eax, %cr4\n"
    "  movl %cr0, %eax\n  orl $0x80000000, %eax\n  movl %eax, %cr0\n"
    "  lgdt base + (gdtr - code)\n"
    "  ljmp $8, $base + (start64 - code)\n"
    ".balign 8\n"
    "gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff\n"
    "gdtr: .word 23\n .long base + (gdt - code)\n"
    ".code64\n"
    ".macro vmcall leaf\n"
    "  movl $\\leaf, %r11d\n  xorl %r10d, %r10d\n  movl $0xfc00, %ecx\n  xorl %eax, %eax\n  .byte "
    "0x66, 0x0f, 0x01, 0xcc\n"
    ".endm\n"
    ".macro out\n" /* AL, to port 0x402 */
    "  movzbl %al, %r15d\n  movl $1, %r12d\n  movl $1, %r13d\n  movl $0x402, %r14d\n  vmcall 30\n"
    ".endm\n"
    ".macro accept gpa\n"
    "  movl $\\gpa, %ecx\n  movl $6, %eax\n  .byte 0x66, 0x0f, 0x01, 0xcc\n"
    ".endm\n"
    "start64:\n"
    "  movl $0x10, %eax\n  movl %eax, %ss\n  movl %eax, %ds\n"
    "  movb $'A', %al\n  out\n"
    /* IN */
    "  movl $1, %r12d\n  xorl %r13d, %r13d\n  movl $0x60, %r14d\n  vmcall 30\n  movl %r11d, %eax\n "
    " out\n"
    /* CPUID 0x40000000 */
    "  movl $0x40000000, %r12d\n  xorl %r13d, %r13d\n  vmcall 10\n  movl %r13d, %eax\n  out\n"
    /* accept, write and read private memory */
    "  accept 0x1000\n  movl $0xffa01000, %ebx\n  movb $'P', (%rbx)\n  addb (%rbx), %al\n  out\n"
    /* MapGPA to shared, then write there */
    "  movabsq $0x800000002000, %r12\n  movl $0x1000, %r13d\n  vmcall 0x10001\n  leal 0x30(%r10), "
    "%eax\n  out\n"
    "  movl $0xffc02000, %ebx\n  movb $'S', (%rbx)\n  movb $'s', %al\n  out\n"
    /* MMIO write, MMIO read */
    "  movl $4, %r12d\n  movl $1, %r13d\n  movabsq $0x8000fec00010, %r14\n  movl $0x12345678, "
    "%r15d\n  vmcall 48\n"
    "  movl $2, %r12d\n  xorl %r13d, %r13d\n  movabsq $0x8000fec00020, %r14\n  vmcall 48\n  movl "
    "%r11d, %eax\n  out\n"
    /* MMIO to a private address is refused */
    "  movl $2, %r12d\n  xorl %r13d, %r13d\n  movl $0xfec00020, %r14d\n  vmcall 48\n  movq %r10, "
    "%rax\n  shrq $63, %rax\n  addb $'0', %al\n  out\n"
    /*
     * software-enable the APIC (WRMSR of the spurious-interrupt vector register), then HLT until
     * the MSI
     */
    "  movl $0x80f, %r12d\n  movl $0x1ff, %r13d\n  vmcall 32\n"
    "  movb $'h', %al\n  out\n  xorl %r12d, %r12d\n  vmcall 12\n  movb $'H', %al\n  out\n"
    /* GetTdVmCallInfo 1 */
    "  movl $1, %r12d\n  vmcall 0x10000\n  leal 0x30(%r11), %eax\n  out\n"
    /* SetupEventNotifyInterrupt */
    "  movl $0x50, %r12d\n  vmcall 0x10004\n  leal 0x30(%r10), %eax\n  out\n"
    /* a MSR nobody has */
    "  movl $0x12345, %r12d\n  vmcall 31\n  movq %r10, %rax\n  shrq $63, %rax\n  addb $'0', %al\n  "
    "out\n"
    /* a call nobody knows */
    "  vmcall 0x7777\n  movl %r10d, %eax\n  addb $'0', %al\n  out\n"
    /* accept where the attribute is still shared */
    "  accept 0x3000\n  addb $'F', %al\n  out\n"
    /* TDG.VP.INFO: MAX_VCPUS as a digit */
    "  movl $1, %eax\n  .byte 0x66, 0x0f, 0x01, 0xcc\n  movq %r8, %rax\n  shrq $32, %rax\n  addb "
    "$'0', %al\n  out\n"
    /*
     * accept 2 MiB, all of it private, then where a page is shared: 'a', or 'l' for
     * PAGE_SIZE_MISMATCH (...0b in 39:32)
     */
    "  accept 0x200001\n  shrq $32, %rax\n  addb $'a', %al\n  out\n"
    "  accept 0x400001\n  shrq $32, %rax\n  addb $'a', %al\n  out\n"
    /* spin until the VMM says so through shared memory */
    "  movl $0xffc02000, %ebx\n"
    "1: cmpb $0, 8(%rbx)\n  je 1b\n"
    "  movb $'G', %al\n  out\n"
    /* the end */
    "  movl $1, %r12d\n  movl $1, %r13d\n  movl $0xf4, %r14d\n  movl $7, %r15d\n  vmcall 30\n"
    "2: jmp 2b\n"
    ".fill 0xff0 - (. - code), 1, 0x90\n"
    ".code32\n"
    "  jmp start32\n"
    ".fill 0x1000 - (. - code), 1, 0x90\n"
    ".code64\n"
    "firmware_end:\n"
    ".previous\n");
