/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MRTD as the TDX module computes it (TDX module specification: TDH.MEM.PAGE.ADD, TDH.MR.EXTEND,
 * TDH.MR.FINALIZE). Pure.
 */
#ifndef TDX_MEASURE_H
#define TDX_MEASURE_H

#include <glib.h>
#include <stdint.h>

#include "util/units.h"

#define TDX_MEASUREMENT_SIZE 48

typedef struct TdxMrtd TdxMrtd;
TdxMrtd *tdx_mrtd_new(void);
void tdx_mrtd_page_add(TdxMrtd *mrtd, hwaddr gpa);
void tdx_mrtd_extend(TdxMrtd *mrtd, hwaddr gpa, const uint8_t chunk[256]); /* one 256-byte chunk */
/* KVM's order for a range: per page PAGE.ADD, then, if measure, its 16 chunks. */
void tdx_mrtd_region(TdxMrtd *mrtd, hwaddr gpa, const uint8_t *content, uint64_t size,
                     gboolean measure);
/* Finishes and frees. */
void tdx_mrtd_finish(TdxMrtd *mrtd, uint8_t digest[TDX_MEASUREMENT_SIZE]);
/* Lower-case hex; caller frees. */
char *tdx_measurement_hex(const uint8_t digest[TDX_MEASUREMENT_SIZE]);

#endif
