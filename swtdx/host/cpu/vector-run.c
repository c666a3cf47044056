/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs one thunk on the host with the guest's vector state.
 *
 * In assembly because a compiler may neither keep anything in vector registers nor use the red zone
 * here. XRSTOR is no help: offsets of its standard format differ between processor makers,
 * Cpu.xstate has Intel's. What can touch x87 registers gets them by FXRSTOR, which costs more than
 * all else here; it brings the guest's MXCSR too, which is replaced at once (exceptions masked).
 * x87 exceptions only mark FSW, since nothing after the thunk waits for them before FNINIT.
 */
#include "vector.h"

_Static_assert(offsetof(VecFrame, rflags) == 24, "known to the assembly below");
_Static_assert(offsetof(VecFrame, xstate) == 32, "known to the assembly below");
_Static_assert(offsetof(VecFrame, scratch) == 40, "known to the assembly below");
_Static_assert(offsetof(VecFrame, code) == 48, "known to the assembly below");
_Static_assert(offsetof(VecFrame, mxcsr_in) == 56, "known to the assembly below");
_Static_assert(offsetof(VecFrame, mxcsr_out) == 60, "known to the assembly below");
_Static_assert(offsetof(VecFrame, host_mxcsr) == 64, "known to the assembly below");
_Static_assert(offsetof(VecFrame, host_fcw) == 68, "known to the assembly below");
_Static_assert(XSTATE_XMM == 160 && XSTATE_YMMH == 576 && XSTATE_OPMASK == 1088 &&
                   XSTATE_ZMMH == 1152 && XSTATE_HI16_ZMM == 1664,
               "known to the assembly below");

#define ENTER(name)                                                                             \
    ".globl " #name "\n.hidden " #name "\n.type " #name ", @function\n.p2align 4\n" #name ":\n" \
    "push %rbx\n push %rbp\n sub $8, %rsp\n"                                                    \
    "mov %rdi, %rbx\n mov 32(%rbx), %rbp\n stmxcsr 64(%rbx)\n"
#define CALL                                                                            \
    "ldmxcsr 56(%rbx)\n"                                                                \
    "mov 0(%rbx), %rax\n mov 8(%rbx), %rcx\n mov 16(%rbx), %rdx\n mov 40(%rbx), %rsi\n" \
    "pushq 24(%rbx)\n popfq\n"                                                          \
    "call *48(%rbx)\n"                                                                  \
    "pushfq\n popq 24(%rbx)\n"                                                          \
    "mov %rax, 0(%rbx)\n mov %rcx, 8(%rbx)\n mov %rdx, 16(%rbx)\n"                      \
    "stmxcsr 60(%rbx)\n"
#define LEAVE(name)      \
    "ldmxcsr 64(%rbx)\n" \
    "add $8, %rsp\n pop %rbp\n pop %rbx\n ret\n.size " #name ", . - " #name "\n"
#define EACH16 ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
#define EACH8 ".irp n,0,1,2,3,4,5,6,7\n"
#define HIGH16 ".irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"

__asm__(".text\n"
        ENTER(vec_run_fpu)
        "fnstcw 68(%rbx)\n fxrstor64 (%rbp)\n"
        CALL
        "fxsave64 (%rbp)\n fninit\n fldcw 68(%rbx)\n"
        LEAVE(vec_run_fpu)

        ENTER(vec_run_sse)
        EACH16 "movups 160+16*\\n(%rbp), %xmm\\n\n.endr\n"
        CALL
        EACH16 "movups %xmm\\n, 160+16*\\n(%rbp)\n.endr\n"
        LEAVE(vec_run_sse)

        ENTER(vec_run_avx)
        EACH16 "vmovups 160+16*\\n(%rbp), %xmm\\n\n"
               "vinsertf128 $1, 576+16*\\n(%rbp), %ymm\\n, %ymm\\n\n.endr\n"
        CALL
        EACH16 "vmovups %xmm\\n, 160+16*\\n(%rbp)\n"
               "vextractf128 $1, %ymm\\n, 576+16*\\n(%rbp)\n.endr\n"
        "vzeroupper\n"
        LEAVE(vec_run_avx)

        ENTER(vec_run_avx512)
        EACH16 "vmovups 160+16*\\n(%rbp), %xmm\\n\n"
               "vinsertf128 $1, 576+16*\\n(%rbp), %ymm\\n, %ymm\\n\n"
               "vinsertf64x4 $1, 1152+32*\\n(%rbp), %zmm\\n, %zmm\\n\n.endr\n"
        HIGH16 "vmovups 1664+64*(\\n-16)(%rbp), %zmm\\n\n.endr\n"
        EACH8 "kmovq 1088+8*\\n(%rbp), %k\\n\n.endr\n"
        CALL
        EACH16 "vmovups %xmm\\n, 160+16*\\n(%rbp)\n"
               "vextractf64x4 $1, %zmm\\n, 1152+32*\\n(%rbp)\n"
               "vextractf128 $1, %ymm\\n, 576+16*\\n(%rbp)\n.endr\n"
        HIGH16 "vmovups %zmm\\n, 1664+64*(\\n-16)(%rbp)\n.endr\n"
        EACH8 "kmovq %k\\n, 1088+8*\\n(%rbp)\n.endr\n"
        "vzeroupper\n"
        LEAVE(vec_run_avx512));
