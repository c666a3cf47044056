/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With --deterministic the program's clocks are virtual, too: what its devices tell a TD about
 * time, a power management timer or a real-time clock, comes of the instructions that the TD
 * executed. Its random numbers come of a fixed seed.
 *
 * CLOCK_MONOTONIC_RAW and the clocks of CPU time stay the machine's. Waits take real time.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "preload.h"

/* reproducible-builds.org, SOURCE_DATE_EPOCH; else 2024-01-01T00:00:00Z */
#define DEFAULT_DATE UINT64_C(1704067200)
#define NS_PER_S UINT64_C(1000000000)

static uint64_t virtual_ns(void)
{
    KvmHost *host = __atomic_load_n(&preload_host, __ATOMIC_ACQUIRE);
    return host ? kvm_host_now_ns(host) : KVM_VIRTUAL_START_NS;
}

static uint64_t date_ns(void)
{
    static uint64_t start; /* of the environment, which programs may change later */
    uint64_t s = __atomic_load_n(&start, __ATOMIC_RELAXED);
    if (!s) {
        const char *text = getenv("SOURCE_DATE_EPOCH");
        char *end = NULL;
        uint64_t value = text ? strtoull(text, &end, 10) : 0;
        s = text && *text && !*end && value && value < UINT32_MAX ? value : DEFAULT_DATE;
        __atomic_store_n(&start, s, __ATOMIC_RELAXED);
    }
    return s * NS_PER_S + virtual_ns();
}

HOOK int clock_gettime(clockid_t clock, struct timespec *t)
{
    uint64_t ns;
    if (!preload_deterministic) {
        return REAL(clock_gettime)(clock, t);
    }
    switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        ns = virtual_ns();
        break;
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        ns = date_ns();
        break;
    default:
        return REAL(clock_gettime)(clock, t);
    }
    t->tv_sec = (time_t)(ns / NS_PER_S);
    t->tv_nsec = (long)(ns % NS_PER_S);
    return 0;
}

HOOK int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    if (!preload_deterministic) {
        return REAL(gettimeofday)(t, zone);
    }
    uint64_t ns = date_ns();
    t->tv_sec = (time_t)(ns / NS_PER_S);
    t->tv_usec = (suseconds_t)(ns % NS_PER_S / 1000);
    return 0;
}

HOOK time_t time(time_t *t)
{
    if (!preload_deterministic) {
        return REAL(time)(t);
    }
    time_t now = (time_t)(date_ns() / NS_PER_S);
    if (t) {
        *t = now;
    }
    return now;
}

/* SplitMix64; threads take numbers in the order in which they ask. */
static void fill(uint8_t *to, size_t n)
{
    static uint64_t state;
    while (n) {
        uint64_t z = __atomic_add_fetch(&state, UINT64_C(0x9e3779b97f4a7c15), __ATOMIC_RELAXED);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        size_t part = n < sizeof(z) ? n : sizeof(z);
        memcpy(to, &z, part);
        to += part;
        n -= part;
    }
}

HOOK ssize_t getrandom(void *to, size_t n, unsigned flags)
{
    if (!preload_deterministic) {
        return REAL(getrandom)(to, n, flags);
    }
    fill(to, n);
    return (ssize_t)n;
}

HOOK int getentropy(void *to, size_t n)
{
    if (!preload_deterministic) {
        return REAL(getentropy)(to, n);
    }
    fill(to, n);
    return 0;
}
