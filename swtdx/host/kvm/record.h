/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `swtdx measure` and the host in the program's process share: a memory file that the program
 * inherits. The launcher says until when to measure; the host writes down each extend of a
 * measurement register as it happens, so that even a program that is killed has told them.
 *
 * One TD is recorded, the last one that was initialised. The host writes (one writer at a time,
 * under the TD's order of events) and publishes counts last; the launcher reads when `state` says
 * so, or when the program is gone.
 */
#ifndef SWTDX_RECORD_H
#define SWTDX_RECORD_H

#include <stdatomic.h>
#include <stdint.h>

#define RECORD_MAGIC 0x6d647477u
#define RECORD_MAX_RANGES 1024
#define RECORD_MAX_EXTENDS 8192
#define RECORD_MAX_LOG (1u << 20)
#define RECORD_TEXT 128

typedef enum RecordUntil {
    RECORD_UNTIL_END,    /* until the program ends */
    RECORD_UNTIL_LAUNCH, /* the TD is finalised: no vCPU runs */
    RECORD_UNTIL_DIGEST, /* this digest was extended */
    RECORD_UNTIL_COUNT,  /* so many extends of RTMRs */
    RECORD_UNTIL_TYPE,   /* the log has an event of this type */
    RECORD_UNTIL_TEXT,   /* the log has an event whose data contain this text */
} RecordUntil;

typedef enum RecordState {
    RECORD_NO_TD,     /* none was initialised yet */
    RECORD_LAUNCHING, /* pages are being added */
    RECORD_RUNNING,   /* finalised */
    /* what was waited for came (or the launcher asked): vCPUs stand still, all below is final */
    RECORD_STOPPED,
    RECORD_GONE,      /* the TD was closed; all below is final */
} RecordState;

typedef struct RecordRange {
    uint64_t gpa, pages;
    uint32_t measured; /* contents are in MRTD */
} RecordRange;

typedef struct RecordExtend {
    uint32_t index; /* of the RTMR */
    uint8_t digest[48];
} RecordExtend;

typedef struct Record {
    uint32_t magic;
    /* Of the launcher */
    uint32_t until, number;
    uint8_t digest[48];
    char text[RECORD_TEXT];
    _Atomic uint32_t asked; /* stop now */
    /* Of the host */
    _Atomic uint32_t state; /* RecordState; a futex */
    _Atomic uint32_t reached;
    _Atomic int32_t pid;
    uint32_t tds;           /* initialised so far */
    uint32_t vcpus;
    _Atomic uint32_t finalised; /* MRTD is there */
    uint64_t attributes, xfam;
    uint8_t mrconfigid[48], mrowner[48], mrownerconfig[48];
    uint8_t mrtd[48];
    uint8_t rtmr[4][48];
    uint32_t num_ranges;
    uint32_t ranges_lost;   /* more ranges than fit */
    RecordRange ranges[RECORD_MAX_RANGES];
    _Atomic uint32_t num_extends;
    uint32_t extends_lost;
    RecordExtend extends[RECORD_MAX_EXTENDS];
    uint64_t log_gpa, log_size, log_ccel; /* log_gpa 0: none was found */
    uint32_t log_bytes;     /* of `log`, used ones */
    uint8_t log[RECORD_MAX_LOG];
} Record;

#endif
