/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arch_prctl() where it asks which state components guests may have: the profile's kernel answers.
 * glibc has a function of that name, but its headers declare none: programs use syscall().
 */
#include <stdint.h>
#include <sys/syscall.h>

#include "preload.h"

_Static_assert(SYS_arch_prctl == 158, "the hook below compares with it");

int arch_prctl(int option, unsigned long arg);

/* The hook of syscall() jumps to these. */
__attribute__((visibility("hidden"), used)) long preload_syscall_arch_prctl(long number, int option,
                                                                            uintptr_t arg);
__attribute__((visibility("hidden"), used)) long preload_syscall_failed(long result);

HOOK int arch_prctl(int option, unsigned long arg)
{
    if (!kvm_host_answers_prctl(option) || !preload_profile()) {
        return REAL(arch_prctl)(option, arg);
    }
    KvmHost *host = preload_make_host();
    return (int)preload_result(host ? kvm_host_prctl(host, option, arg) : -EIO);
}

long preload_syscall_arch_prctl(long number, int option, uintptr_t arg)
{
    (void)number;
    return arch_prctl(option, arg);
}

long preload_syscall_failed(long result)
{
    return preload_result(result);
}

/*
 * All other numbers go to the kernel with no frame of ours on the stack: some of them return twice
 * (clone()), or elsewhere. psABI, "Linux Conventions": arguments, clobbered registers, errors.
 */
__asm__(".pushsection .text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "cmp $158, %rdi\n"
        "je preload_syscall_arch_prctl\n"
        "mov %rdi, %rax\n"
        "mov %rsi, %rdi\n"
        "mov %rdx, %rsi\n"
        "mov %rcx, %rdx\n"
        "mov %r8, %r10\n"
        "mov %r9, %r8\n"
        "mov 8(%rsp), %r9\n"
        "syscall\n"
        "cmp $-4096, %rax\n"
        "ja 1f\n"
        "ret\n"
        "1: mov %rax, %rdi\n"
        "jmp preload_syscall_failed\n"
        ".cfi_endproc\n"
        ".size syscall, .-syscall\n"
        ".popsection\n");
