/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measurement registers: MRTD over 128-byte records, RTMRs (TDX module base specification,
 * "Measurement and attestation").
 */
#include <string.h>

#include "module.h"

#define RECORD_SIZE 128

static void put_u64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        p[i] = (uint8_t)(v >> i * 8);
    }
}

static void record(Td *td, const char *name, uint64_t gpa)
{
    uint8_t buf[RECORD_SIZE] = {0};
    memcpy(buf, name, strlen(name));
    put_u64(buf + 16, gpa);
    sha384_update(&td->mrtd_hash, buf, sizeof(buf));
}

void measure_init(Td *td)
{
    sha384_init(&td->mrtd_hash);
    memset(td->mrtd, 0, sizeof(td->mrtd));
    memset(td->rtmr, 0, sizeof(td->rtmr));
}

void measure_page_add(Td *td, uint64_t gpa)
{
    record(td, "MEM.PAGE.ADD", gpa);
}

void measure_extend(Td *td, uint64_t gpa, const uint8_t chunk[256])
{
    record(td, "MR.EXTEND", gpa);
    sha384_update(&td->mrtd_hash, chunk, 256);
}

void measure_finalize(Td *td)
{
    sha384_final(&td->mrtd_hash, td->mrtd);
}

void measure_rtmr_extend(Td *td, unsigned index, const uint8_t data[48])
{
    uint8_t buf[96];
    memcpy(buf, td->rtmr[index], 48);
    memcpy(buf + 48, data, 48);
    sha384(buf, sizeof(buf), td->rtmr[index]);
}
