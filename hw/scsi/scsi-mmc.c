/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a CD drive tells of itself and its medium, which is one track of data: MMC-6 (T10), and the
 * mode page of capabilities from MMC-3, which drivers still ask for.
 */
#include <string.h>

#include "scsi-internal.h"
#include "util/bytes.h"

#define TRACK_DATA 0x14 /* ADR 1, a data track */
#define LEAD_OUT 0xaa
#define FRAMES_PER_SECOND 75
#define LEAD_IN_FRAMES 150 /* of logical block 0 */
/* More does not fit on a CD: 80 minutes. */
#define MAX_CD_BLOCKS (80 * 60 * FRAMES_PER_SECOND)

enum { PROFILE_NONE = 0, PROFILE_CD_ROM = 0x08, PROFILE_DVD_ROM = 0x10 };
enum { TOC_FORMATTED = 0, TOC_SESSIONS = 1 };
enum { FEATURES_ALL = 0, FEATURES_CURRENT = 1, FEATURES_ONE = 2 };
#define PAGE_CAPABILITIES 0x2a
#define CLASS_MEDIA 4
#define NO_EVENT_AVAILABLE 0x80

static void put_address(uint8_t *at, uint64_t block, bool msf)
{
    if (msf) {
        uint64_t frames = block + LEAD_IN_FRAMES, seconds = frames / FRAMES_PER_SECOND;
        at[0] = 0;
        at[1] = (uint8_t)MIN(seconds / 60, 255);
        at[2] = (uint8_t)(seconds % 60);
        at[3] = (uint8_t)(frames % FRAMES_PER_SECOND);
    } else {
        store_be32(at, (uint32_t)MIN(block, UINT32_MAX));
    }
}

static unsigned put_track(uint8_t *at, uint8_t track, uint64_t block, bool msf)
{
    memset(at, 0, 4);
    at[1] = TRACK_DATA;
    at[2] = track;
    put_address(at + 4, block, msf);
    return 8;
}

/* MMC-6, 6.25 */
unsigned scsi_toc(const ScsiCommand *command, uint64_t blocks, uint8_t *data)
{
    unsigned n = 4;

    data[2] = data[3] = 1; /* the first and the last track, or session */
    if (command->format == TOC_SESSIONS) {
        n += put_track(data + n, 1, 0, command->msf);
    } else if (command->format == TOC_FORMATTED &&
               (command->track <= 1 || command->track == LEAD_OUT)) {
        if (command->track <= 1) {
            n += put_track(data + n, 1, 0, command->msf);
        }
        n += put_track(data + n, LEAD_OUT, blocks, command->msf);
    } else {
        return 0;
    }
    store_be16(data, (uint16_t)(n - 2));
    return n;
}

static unsigned profile_of(uint64_t blocks)
{
    return !blocks ? PROFILE_NONE : blocks > MAX_CD_BLOCKS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/* MMC-6, 6.5 and 5.3. Persistent features are current with every medium, and without one. */
unsigned scsi_configuration(const ScsiCommand *command, uint64_t blocks, uint8_t *data)
{
    unsigned profile = profile_of(blocks), n = 8;
    bool is_cd = profile == PROFILE_CD_ROM, is_dvd = profile == PROFILE_DVD_ROM;
    enum { PERSISTENT = 2, CURRENT = 1 };
    const struct {
        uint16_t code;
        uint8_t version, flags, size, body[8];
    } features[] = {
        { 0x0000, 0, PERSISTENT | CURRENT, 8,
          { 0, PROFILE_DVD_ROM, is_dvd, 0, 0, PROFILE_CD_ROM, is_cd, 0 } },
        { 0x0001, 2, PERSISTENT | CURRENT, 8, { 0, 0, 0, 1 } }, /* Core: SCSI */
        { 0x0002, 1, PERSISTENT | CURRENT, 4, { 2 } }, /* Morphing: events of operation changes */
        { 0x0003, 0, PERSISTENT | CURRENT, 4, { 0x29 } }, /* Removable: a tray, ejects, locks */
        /* Random Readable: blocks of 2,048 bytes, 16 at a time */
        { 0x0010, 0, profile ? CURRENT : 0, 8, { 0, 0, 2048 >> 8, 0, 0, 16 } },
        { 0x001e, 2, is_cd ? CURRENT : 0, 4, { 0 } },  /* CD Read */
        { 0x001f, 0, is_dvd ? CURRENT : 0, 4, { 0 } }, /* DVD Read */
    };

    if (command->format > FEATURES_ONE) {
        return 0;
    }
    memset(data, 0, 8);
    store_be16(data + 6, (uint16_t)profile);
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        bool asked = command->format == FEATURES_ONE
                         ? features[i].code == command->feature
                         : features[i].code >= command->feature &&
                               (command->format == FEATURES_ALL || (features[i].flags & CURRENT));
        if (asked) {
            store_be16(data + n, features[i].code);
            data[n + 2] = (uint8_t)(features[i].version << 2 | features[i].flags);
            data[n + 3] = features[i].size;
            memcpy(data + n + 4, features[i].body, features[i].size);
            n += 4u + features[i].size;
        }
    }
    store_be32(data, n - 4);
    return n;
}

/* MMC-6, 6.21: one complete session, the disc finalized. */
unsigned scsi_disc_information(uint8_t *data)
{
    memset(data, 0, 34);
    store_be16(data, 34 - 2);
    data[2] = 0x0e;
    data[3] = data[4] = data[5] = data[6] = 1; /* first track, sessions, tracks of the last */
    data[7] = 0x20; /* unrestricted use */
    return 34;
}

/* MMC-6, 6.6 */
unsigned scsi_media_event(const ScsiCommand *command, unsigned event, bool open, bool medium,
                          uint8_t *data)
{
    bool asked = command->classes & 1u << CLASS_MEDIA;
    unsigned n = asked ? 8 : 4;

    memset(data, 0, 8);
    store_be16(data, (uint16_t)(n - 2));
    data[2] = asked ? CLASS_MEDIA : NO_EVENT_AVAILABLE;
    data[3] = 1u << CLASS_MEDIA; /* what there is */
    if (asked) {
        data[4] = (uint8_t)event;
        data[5] = (uint8_t)(open | medium << 1);
    }
    return n;
}

/* MMC-6, 6.11 */
unsigned scsi_mechanism_status(bool open, uint8_t *data)
{
    memset(data, 0, 8);
    data[1] = open ? 0x10 : 0;
    return 8;
}

/* MMC-3, 6.3.11 */
unsigned scsi_put_capabilities(bool locked, uint8_t *at)
{
    memset(at, 0, 22);
    at[0] = PAGE_CAPABILITIES;
    at[1] = 20;
    at[2] = 0x3b; /* reads CD-R, CD-RW, DVD-ROM, DVD-R */
    at[6] = (uint8_t)(0x29 | (locked ? 2 : 0)); /* a tray, ejects, locks */
    store_be16(at + 8, 50 * 176);  /* kB/s at most, and below: now */
    store_be16(at + 12, 2048);     /* KiB of buffer */
    store_be16(at + 14, 50 * 176);
    return 22;
}
