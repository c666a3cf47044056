/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs assembled into tests of the executing core. */
#ifndef TEST_CPU_PROGRAM_H
#define TEST_CPU_PROGRAM_H

#include "machine.h"

/* 64-bit code as `name` .. `name`_end. */
#define PROGRAM64(name, text)                                                                    \
    __asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection\n");        \
    extern const uint8_t name[], name##_end[]

#define LOAD(m, at, name) machine_code(m, at, name, (size_t)(name##_end - name))

#endif
