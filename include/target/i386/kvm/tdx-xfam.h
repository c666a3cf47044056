/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XFAM and ATTRIBUTES of a TD: names, rules, text (TDX module specification, TD_PARAMS). Pure. */
#ifndef TDX_XFAM_H
#define TDX_XFAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define TDX_XFAM_FIXED1 UINT64_C(0x3)
#define TDX_XFAM_YMM (UINT64_C(1) << 2)
#define TDX_XFAM_AVX512 (UINT64_C(7) << 5)
#define TDX_XFAM_PT (UINT64_C(1) << 8)
#define TDX_XFAM_PKRU (UINT64_C(1) << 9)
#define TDX_XFAM_CET (UINT64_C(3) << 11)
#define TDX_XFAM_UINTR (UINT64_C(1) << 14)
#define TDX_XFAM_LBR (UINT64_C(1) << 15)
#define TDX_XFAM_AMX (UINT64_C(3) << 17)

#define TDX_ATTRIBUTE_LASS (UINT64_C(1) << 27)

/*
 * Drops groups that are not whole and AVX-512 without AVX: what is left is accepted by the module.
 */
uint64_t tdx_xfam_complete_groups(uint64_t xfam);
/* "x87 SSE AVX AVX-512 PKRU"; unnamed bits as "bit 19". Caller frees. */
char *tdx_xfam_describe(uint64_t xfam);
/* "SEPT_VE_DISABLE PKS"; "none" for 0. Caller frees. */
char *tdx_attributes_describe(uint64_t attributes);

#endif
