/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzz target is one function; libFuzzer calls it, or fuzz-replay.c with the files of a corpus.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
