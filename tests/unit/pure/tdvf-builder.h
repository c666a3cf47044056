/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firmware images with TDX metadata for tests: the layouts of real files, without their code. */
#ifndef TDVF_BUILDER_H
#define TDVF_BUILDER_H

#include "hw/i386/tdvf.h"

#define TDVF_BUILDER_SECTIONS 70

typedef struct TdvfBuilder {
    size_t size;
    unsigned count;
    TdvfSection sections[TDVF_BUILDER_SECTIONS];
    uint8_t *file; /* after tdvf_builder_build() */
    size_t descriptor; /* offsets in the file, for tests that spoil it */
    size_t entry_end;  /* behind the GUID of the TDX metadata entry */
} TdvfBuilder;

/*
 * Layouts of Debian's files: 1 = ovmf 2022.11, 2 = 2025.02, 3 = generic 2026.08, 4 = inteltdx
 * 2026.08. Not built yet.
 */
TdvfBuilder *tdvf_builder_new(unsigned layout);
void tdvf_builder_build(TdvfBuilder *builder);
Bytes tdvf_builder_bytes(const TdvfBuilder *builder);
void tdvf_builder_free(TdvfBuilder *builder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdvfBuilder, tdvf_builder_free)

#endif
