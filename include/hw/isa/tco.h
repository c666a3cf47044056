/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog in the ICH9's TCO block. It counts the time that the machine runs: a guest that was
 * stopped could not stroke. Machine lock held.
 */
#ifndef HW_ISA_TCO_H
#define HW_ISA_TCO_H

#include "system/core/address-space.h"
#include "system/core/runstate.h"

/* Where it lies behind PMBASE. */
#define TCO_OFFSET 0x60
/* GCS in the root complex block, and the bit that keeps the watchdog from acting. */
#define TCO_GCS 0x3410
#define TCO_GCS_NO_REBOOT 0x20

typedef struct Tco Tco;

/*
 * Made disabled. runstate may be NULL: then no time passes. lock: the machine lock. All borrowed.
 */
Tco *tco_new(AddressSpace *ports, GMutex *lock, const RunStatePort *runstate,
             void *runstate_opaque);
void tco_free(Tco *tco);
void tco_reset(Tco *tco);
/* base: PMBASE. */
void tco_place(Tco *tco, bool enabled, uint16_t base);
/*
 * The strap that the NO_REBOOT bit tells of: with it software cannot clear the bit, and the
 * watchdog never acts. At first it is set.
 */
void tco_set_strap(Tco *tco, bool no_reboot);
/* The root complex block's register GCS. */
uint32_t tco_gcs(const Tco *tco);
void tco_set_gcs(Tco *tco, uint32_t value);

#endif
