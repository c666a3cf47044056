/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 64 KiB of firmware for an ordinary VM: writes to the serial port, takes the port's interrupt through the PIC, resets the machine
 * twice (a counter in RAM survives) and powers off.
 */
        .code16
        .text
        .org 0xf000
start:
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7000, %sp
        movw    $hello, %si
        call    print

        /* Its handler is copied into RAM, which a real-mode vector can reach. */
        movw    $0x600, %di
        movw    $handler, %si
        movw    $handler_end - handler, %cx
        xorw    %ax, %ax
        movw    %ax, %es
1:      lodsb   %cs:(%si), %al
        stosb
        loop    1b
        movl    $0x00000600, 0x0c * 4
        movb    $0, 0x501

        /* PIC: edge, vectors from 8, cascade on 2, 8086 mode; only line 4 */
        movb    $0x11, %al
        outb    %al, $0x20
        movb    $0x08, %al
        outb    %al, $0x21
        movb    $0x04, %al
        outb    %al, $0x21
        movb    $0x01, %al
        outb    %al, $0x21
        movb    $0xef, %al
        outb    %al, $0x21

        /* Serial port: OUT2 lets the interrupt out, THR empty raises it at once */
        movw    $0x3fc, %dx
        movb    $0x08, %al
        outb    %al, %dx
        movw    $0x3f9, %dx
        movb    $0x02, %al
        outb    %al, %dx
        sti
1:      hlt
        cmpb    $0, 0x501
        je      1b
        cli
        movw    $0x3f9, %dx
        movb    $0, %al
        outb    %al, %dx
        movw    $interrupted, %si
        call    print

        cmpb    $2, 0x500
        jae     power_off
        incb    0x500
        movw    $0xcf9, %dx
        movb    $6, %al
        outb    %al, %dx
1:      hlt
        jmp     1b

power_off:
        movl    $0x8000f840, %ebx /* LPC bridge: PMBASE */
        movl    $0x601, %ecx
        call    configure
        movl    $0x8000f844, %ebx /* ACPI_CNTL: enabled */
        movl    $0x80, %ecx
        call    configure
        movw    $done, %si
        call    print
        movw    $0x604, %dx
        movw    $0x2000, %ax
        outw    %ax, %dx
1:      hlt
        jmp     1b

configure:
        movw    $0xcf8, %dx
        movl    %ebx, %eax
        outl    %eax, %dx
        movw    $0xcfc, %dx
        movl    %ecx, %eax
        outl    %eax, %dx
        ret

print:
        movw    $0x3f8, %dx
1:      lodsb   %cs:(%si), %al
        testb   %al, %al
        jz      2f
        outb    %al, %dx
        jmp     1b
2:      ret

handler:
        pushw   %ax
        pushw   %dx
        movw    $0x3fa, %dx
        inb     %dx, %al
        movb    $1, 0x501
        movb    $0x20, %al
        outb    %al, $0x20
        popw    %dx
        popw    %ax
        iretw
handler_end:

hello:  .asciz  "hello\n"
interrupted: .asciz "interrupted\n"
done:   .asciz  "off\n"

        .org 0xfff0
        jmp     start
        .org 0x10000
