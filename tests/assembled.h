/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs assembled into a test: the bytes from `name` to `name`_end. */
#ifndef TESTS_ASSEMBLED_H
#define TESTS_ASSEMBLED_H

/* bits: 16, 32 or 64, the size of the code. */
#define PROGRAM(name, bits, text)                                                                \
    __asm__(".pushsection .rodata\n.code" #bits "\n" #name ":\n" text "\n" #name "_end:\n"       \
            ".code64\n.popsection\n");                                                           \
    extern const uint8_t name[], name##_end[]
#define PROGRAM32(name, text) PROGRAM(name, 32, text)
#define PROGRAM64(name, text) PROGRAM(name, 64, text)

/* Two members of a table's row: where the program begins and ends. */
#define CODE(name) name, name##_end

#endif
