/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TD's firmware that asks for a quote and waits for the interrupt it registered for that. Starts in the TD's start state (32-bit
 * protected mode, EFER.LME set) at 0xffff0000, and tells what it sees by letters on the serial port:
 * status of MapGPA, of SetupEventNotifyInterrupt, of GetQuote; I once the interrupt has come; Q if the buffer's status is success by then
 * (else E); L if the quote has the length that the test's service gives; status of GetQuote for a buffer that is not aligned; status
 * of an unknown call. Statuses are the last digit of R10.
 */
    .set base, 0xffff0000
    .text
code:
    .code32
    movl $base + 0x1000, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    lgdt base + (gdtr - code)
    ljmp $8, $base + (start64 - code)
    .balign 8
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:
    .word 23
    .long base + (gdt - code)
idtr:
    .word 0x52 * 16 - 1
    .quad base + 0x4000
no_idt:
    .word 0
    .quad 0
flag:
    .byte 0

    .code64
    .macro vmcall leaf /* operands in R12 to R15, results in R10 and R11 */
    movl $\leaf, %r11d
    xorl %r10d, %r10d
    movl $0xfc00, %ecx
    xorl %eax, %eax
    .byte 0x66, 0x0f, 0x01, 0xcc /* TDCALL */
    .endm
    .macro out /* AL to the serial port */
    movzbl %al, %r15d
    movl $1, %r12d
    movl $1, %r13d
    movl $0x3f8, %r14d
    vmcall 30
    .endm
    .macro out_status
    leal 0x30(%r10), %eax
    out
    .endm
    .macro buffer offset
    leaq \offset(%rbp), %r12
    movl $0x2000, %r13d
    .endm

start64:
    movl $0x10, %eax
    movl %eax, %ss
    movl %eax, %ds
    movl $base + 0x7000, %esp
    movl $1, %eax /* TDG.VP.INFO: RCX 5:0 is the width of addresses, whose highest bit says shared */
    .byte 0x66, 0x0f, 0x01, 0xcc
    decl %ecx
    movl $1, %ebp
    shlq %cl, %rbp
    leaq 0x83(%rbp), %rax /* 0xffc00000: the shared alias of address 0 */
    movl $base + 0x3000, %ebx
    movq %rax, 510 * 8(%rbx)
    lidt idtr(%rip)

    buffer 0x2000
    vmcall 0x10001
    out_status
    movl $0x80f, %r12d /* enable the local APIC */
    movl $0x1ff, %r13d
    vmcall 32
    movl $0x51, %r12d
    vmcall 0x10004
    out_status

    movl $0xffc02000, %ebx
    movq $1, (%rbx)
    movq $0, 8(%rbx)
    movl $1024, 16(%rbx)
    movl $0, 20(%rbx)
    sti
    buffer 0x2000
    vmcall 0x10002
    out_status
1:  pause
    cmpb $0, flag(%rip)
    je 1b
    movb $'I', %al
    out
    movb $'Q', %al
    cmpq $0, 8(%rbx)
    je 2f
    movb $'E', %al
2:  out
    movb $'L', %al
    cmpl $4101, 20(%rbx)
    je 3f
    movb $'l', %al
3:  out
    buffer 0x2010
    vmcall 0x10002
    out_status
    vmcall 0x10005
    out_status
    movb $'\n', %al
    out
    lidt no_idt(%rip) /* the end: a triple fault */
    ud2

handler:
    movb $1, flag(%rip)
    iretq

    .balign 0x1000 /* base + 0x1000: PML4 */
    .quad base + 0x2003
    .fill 511, 8, 0
    .quad 0, 0, 0, base + 0x3003 /* PDPT: its fourth entry */
    .fill 508, 8, 0
    .fill 511, 8, 0 /* PD, large pages */
    .quad 0xffe00083
    .fill 0x51 * 2, 8, 0 /* IDT */
    .word handler - code, 8, 0x8e00, base >> 16
    .quad 0
