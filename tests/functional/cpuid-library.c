/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A library that asks for the processor's vendor and signature: linked into cpuid-libraries, and
 * loaded by it.
 */
#include <cpuid.h>
#include <string.h>

unsigned library_cpuid(char vendor[13]);

unsigned library_cpuid(char vendor[13])
{
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d);
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    vendor[12] = 0;
    __cpuid_count(1, 0, a, b, c, d);
    return a;
}
