/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MC146818 real-time clock. Registers: Motorola MC146818 data sheet; memory sizes in CMOS: as PC
 * firmware expects them.
 */
#include "hw/isa/rtc.h"

#include <glib.h>
#include <string.h>

#define INDEX_PORT 0x70
#define CMOS_SIZE 128
#define NS_PER_SECOND UINT64_C(1000000000)

enum {
    SECONDS = 0, SECONDS_ALARM = 1, MINUTES = 2, MINUTES_ALARM = 3, HOURS = 4, HOURS_ALARM = 5,
    DAY_OF_WEEK = 6,
    DAY = 7, MONTH = 8, YEAR = 9, REG_A = 10, REG_B = 11, REG_C = 12, REG_D = 13, CENTURY = 0x32,
};
#define A_UPDATE_IN_PROGRESS 0x80
#define B_SET 0x80
#define B_INTERRUPTS 0x70
#define B_BINARY 0x04
#define B_24_HOURS 0x02
#define C_ALARM 0x20
#define C_UPDATE 0x10
#define C_PERIODIC 0x40
#define C_IRQ 0x80
#define D_VALID 0x80
#define HOUR_PM 0x80
/* An update takes place 244 us after UIP rises (data sheet, "Update cycle"). */
#define UPDATE_WARNING_NS 244000

struct Rtc {
    Clock clock;
    uint8_t index;
    uint8_t memory[CMOS_SIZE]; /* the time registers are valid only while B_SET stops the clock */
    int64_t offset;            /* seconds the guest's clock is ahead of the host's */
    uint64_t flags_seen_ns;    /* when register C was last read */
};

typedef struct Date {
    int64_t year;
    unsigned month, day; /* from 1 */
    unsigned hour, minute, second;
    unsigned weekday;    /* 1 = Sunday */
} Date;

/*
 * Days since 1970-01-01 of a date in the Gregorian calendar; March-based years put the leap day
 * last.
 */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static Date date_of(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400;
    Date date;

    if (rest < 0) {
        rest += 86400;
        days--;
    }
    /*
     * The year is near the quotient by the mean length: step to the one whose 1 January is not
     * later.
     */
    date.year = 1970 + days * 400 / 146097;
    while (days_of(date.year, 1, 1) > days) {
        date.year--;
    }
    while (days_of(date.year + 1, 1, 1) <= days) {
        date.year++;
    }
    date.month = 12;
    while (days_of(date.year, date.month, 1) > days) {
        date.month--;
    }
    date.day = days - days_of(date.year, date.month, 1) + 1;
    date.hour = rest / 3600;
    date.minute = rest / 60 % 60;
    date.second = rest % 60;
    date.weekday = ((days % 7 + 7) % 7 + 4) % 7 + 1; /* 1970-01-01 was a Thursday */
    return date;
}

static uint64_t now_seconds(const Rtc *rtc)
{
    return clock_realtime_ns(&rtc->clock) / NS_PER_SECOND;
}

static uint8_t encode(const Rtc *rtc, unsigned value)
{
    return rtc->memory[REG_B] & B_BINARY ? value : value / 10 % 10 << 4 | value % 10;
}

static unsigned decode(const Rtc *rtc, uint8_t value)
{
    return rtc->memory[REG_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15);
}

static uint8_t encode_hour(const Rtc *rtc, unsigned hour)
{
    if (rtc->memory[REG_B] & B_24_HOURS) {
        return encode(rtc, hour);
    }
    return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const Rtc *rtc, uint8_t value)
{
    if (rtc->memory[REG_B] & B_24_HOURS) {
        return decode(rtc, value);
    }
    return decode(rtc, value & ~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* Time of the guest's clock into the registers, in the form that register B asks for. */
static void load_time(Rtc *rtc)
{
    Date date = date_of((int64_t)now_seconds(rtc) + rtc->offset);

    rtc->memory[SECONDS] = encode(rtc, date.second);
    rtc->memory[MINUTES] = encode(rtc, date.minute);
    rtc->memory[HOURS] = encode_hour(rtc, date.hour);
    rtc->memory[DAY_OF_WEEK] = encode(rtc, date.weekday);
    rtc->memory[DAY] = encode(rtc, date.day);
    rtc->memory[MONTH] = encode(rtc, date.month);
    rtc->memory[YEAR] = encode(rtc, date.year % 100);
    rtc->memory[CENTURY] = encode(rtc, date.year / 100 % 100);
}

/*
 * The registers, whatever the guest put there, become the time: fields out of range count on into
 * the next larger one.
 */
static void store_time(Rtc *rtc)
{
    unsigned month = CLAMP(decode(rtc, rtc->memory[MONTH]), 1, 12);
    int64_t year = decode(rtc, rtc->memory[CENTURY]) * 100 + decode(rtc, rtc->memory[YEAR]);
    int64_t days = days_of(year, month, 1) + decode(rtc, rtc->memory[DAY]) - 1;
    int64_t seconds = days * 86400 + decode_hour(rtc, rtc->memory[HOURS]) * 3600 +
                      decode(rtc, rtc->memory[MINUTES]) * 60 + decode(rtc, rtc->memory[SECONDS]);

    rtc->offset = seconds - (int64_t)now_seconds(rtc);
}

static bool is_time_register(unsigned index)
{
    return index == SECONDS || index == MINUTES || index == HOURS ||
           (index >= DAY_OF_WEEK && index <= YEAR) || index == CENTURY;
}

static bool is_running(const Rtc *rtc)
{
    return !(rtc->memory[REG_B] & B_SET);
}

/* An alarm byte of 0xC0 and above matches anything. */
static bool alarm_matches(const Rtc *rtc, unsigned index, uint8_t now)
{
    return rtc->memory[index] >= 0xc0 || rtc->memory[index] == now;
}

static bool alarm_between(Rtc *rtc, int64_t after, int64_t until)
{
    /* The alarm repeats every day at the latest: older seconds add nothing. */
    for (int64_t s = MAX(after + 1, until - 86399); s <= until; s++) {
        unsigned of_day = (unsigned)(((s + rtc->offset) % 86400 + 86400) % 86400);
        if (alarm_matches(rtc, SECONDS_ALARM, encode(rtc, of_day % 60)) &&
            alarm_matches(rtc, MINUTES_ALARM, encode(rtc, of_day / 60 % 60)) &&
            alarm_matches(rtc, HOURS_ALARM, encode_hour(rtc, of_day / 3600))) {
            return true;
        }
    }
    return false;
}

/* Period of the rate selection in register A with the 32.768 kHz time base, 0 = none. */
static uint64_t period_ns(const Rtc *rtc)
{
    unsigned rate = rtc->memory[REG_A] & 15;

    if (!rate) {
        return 0;
    }
    rate = rate <= 2 ? rate + 7 : rate;
    return (NS_PER_SECOND << (rate - 1)) / 32768;
}

/* What happened since register C was last read; reading clears it. */
static uint8_t take_flags(Rtc *rtc)
{
    uint64_t now = clock_realtime_ns(&rtc->clock), seen = rtc->flags_seen_ns;
    uint64_t period = period_ns(rtc);
    uint8_t flags = 0;

    rtc->flags_seen_ns = now;
    if (now <= seen) {
        return 0;
    }
    if (period && now / period != seen / period) {
        flags |= C_PERIODIC;
    }
    if (is_running(rtc) && now / NS_PER_SECOND != seen / NS_PER_SECOND) {
        flags |= C_UPDATE;
        if (alarm_between(rtc, seen / NS_PER_SECOND, now / NS_PER_SECOND)) {
            flags |= C_ALARM;
        }
    }
    return flags & rtc->memory[REG_B] & B_INTERRUPTS ? flags | C_IRQ : flags;
}

static uint8_t read_register(Rtc *rtc, unsigned index)
{
    switch (index) {
    case REG_A: {
        bool soon = clock_realtime_ns(&rtc->clock) % NS_PER_SECOND >=
                    NS_PER_SECOND - UPDATE_WARNING_NS;
        return rtc->memory[REG_A] | (is_running(rtc) && soon ? A_UPDATE_IN_PROGRESS : 0);
    }
    case REG_C:
        return take_flags(rtc);
    case REG_D:
        return D_VALID;
    default:
        if (is_time_register(index) && is_running(rtc)) {
            load_time(rtc);
        }
        return rtc->memory[index];
    }
}

static void write_b(Rtc *rtc, uint8_t value)
{
    bool was_running = is_running(rtc);

    if (was_running && (value & B_SET)) {
        load_time(rtc);
    }
    /* SET clears the update interrupt enable */
    rtc->memory[REG_B] = value & ~(value & B_SET ? 0x10 : 0);
    if (!was_running && is_running(rtc)) {
        store_time(rtc);
    }
}

static void write_register(Rtc *rtc, unsigned index, uint8_t value)
{
    switch (index) {
    case REG_A:
        rtc->memory[REG_A] = value & ~A_UPDATE_IN_PROGRESS;
        break;
    case REG_B:
        write_b(rtc, value);
        break;
    case REG_C:
    case REG_D:
        break; /* read-only */
    default:
        if (!is_time_register(index) || !is_running(rtc)) {
            rtc->memory[index] = value;
        } else {
            load_time(rtc);
            rtc->memory[index] = value;
            store_time(rtc);
        }
    }
}

static uint64_t port_read(void *opaque, hwaddr offset, unsigned size)
{
    Rtc *rtc = opaque;

    return offset == 0 ? 0xff : read_register(rtc, rtc->index); /* the index port is write-only */
}

static void port_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    Rtc *rtc = opaque;

    if (offset == 0) {
        rtc->index = value & (CMOS_SIZE - 1); /* bit 7 masks NMI */
    } else {
        write_register(rtc, rtc->index, value);
    }
}

static const IoRegionOps rtc_ops = { port_read, port_write, 1 };

static void put_le(Rtc *rtc, unsigned index, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++) {
        rtc->memory[index + i] = value >> 8 * i;
    }
}

static void put_memory_sizes(Rtc *rtc, const E820Layout *layout)
{
    uint64_t above_1m = layout->below_4g > 1 * MiB ? (layout->below_4g - 1 * MiB) / KiB : 0;
    uint64_t above_16m = layout->below_4g > 16 * MiB ? (layout->below_4g - 16 * MiB) / (64 * KiB)
                                                     : 0;

    put_le(rtc, 0x15, 2, MIN(layout->below_4g / KiB, 640));
    put_le(rtc, 0x17, 2, MIN(above_1m, 0xffff));
    put_le(rtc, 0x30, 2, MIN(above_1m, 0xffff));
    put_le(rtc, 0x34, 2, MIN(above_16m, 0xffff));
    put_le(rtc, 0x5b, 3, MIN(layout->above_4g / (64 * KiB), 0xffffff));
}

Rtc *rtc_new(AddressSpace *ports, Clock clock, const E820Layout *layout, unsigned num_cpus)
{
    Rtc *rtc = g_new0(Rtc, 1);

    rtc->clock = clock;
    rtc->memory[REG_A] = 0x26; /* 32.768 kHz time base, 1024 Hz */
    rtc->memory[REG_B] = B_24_HOURS;
    rtc->flags_seen_ns = clock_realtime_ns(&clock);
    rtc->memory[0x5f] = MIN(num_cpus ? num_cpus - 1 : 0, 0xff);
    put_memory_sizes(rtc, layout);
    address_space_add_io(ports, "rtc", INDEX_PORT, 2, 0, &rtc_ops, rtc);
    return rtc;
}

void rtc_set_offset(Rtc *rtc, int64_t seconds)
{
    rtc->offset = seconds;
}

void rtc_free(Rtc *rtc)
{
    g_free(rtc);
}

void rtc_reset(Rtc *rtc)
{
    /* Data sheet, "RESET": interrupt and square wave enables go off. */
    rtc->memory[REG_B] &= ~(B_INTERRUPTS | 0x08);
    rtc->index = 0;
}
