/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MC146818 clock with its battery-backed memory at ports 70/71. It shows UTC, or what it is set
 * to, and follows the host's clock at that distance. Alarm, periodic and update interrupts are not
 * raised: register C shows their flags. Machine lock held.
 */
#ifndef HW_ISA_RTC_H
#define HW_ISA_RTC_H

#include "hw/i386/e820.h"
#include "system/core/address-space.h"
#include "system/core/clock.h"

typedef struct Rtc Rtc;

/*
 * clock is a wall clock (clock_realtime_ns). The layout gives the memory sizes that old firmware
 * reads from CMOS.
 */
Rtc *rtc_new(AddressSpace *ports, Clock clock, const E820Layout *layout, unsigned num_cpus);
void rtc_free(Rtc *rtc);
/* Seconds that the clock is ahead of the host's, until the guest sets it. */
void rtc_set_offset(Rtc *rtc, int64_t seconds);
/* What a machine reset does: interrupt enables go off; time and memory stay. */
void rtc_reset(Rtc *rtc);

#endif
