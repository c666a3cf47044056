/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time as devices see it: the host's clocks, or a test's. Any thread. */
#ifndef SYSTEM_CORE_CLOCK_H
#define SYSTEM_CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct Clock {
    uint64_t (*now_ns)(void *opaque); /* NULL: the host's clock */
    void *opaque;
} Clock;

static inline uint64_t clock_host_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Nanoseconds since some start; never goes back. */
static inline uint64_t clock_monotonic_ns(const Clock *clock)
{
    return clock->now_ns ? clock->now_ns(clock->opaque) : clock_host_ns(CLOCK_MONOTONIC);
}

/* Nanoseconds since 1970-01-01 00:00 UTC. */
static inline uint64_t clock_realtime_ns(const Clock *clock)
{
    return clock->now_ns ? clock->now_ns(clock->opaque) : clock_host_ns(CLOCK_REALTIME);
}

#endif
