/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Assembled programs in the memory of the tests' machine. */
#ifndef TEST_CPU_PROGRAM_H
#define TEST_CPU_PROGRAM_H

#include "../../assembled.h"
#include "machine.h"

#define LOAD(m, at, name) machine_code(m, at, name, (size_t)(name##_end - name))

#endif
