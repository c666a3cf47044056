/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the options say of a disk until its node is made (drives.c): -drive (options-drive.c), -hda
 * to -hdd and -cdrom (options-ide.c), -blockdev (options-blockdev.c). Internal to system/. Main
 * loop thread. Where a function returns bool, false means *errp.
 */
#ifndef SYSTEM_DRIVE_OPTION_H
#define SYSTEM_DRIVE_OPTION_H

#include "block/block.h"
#include "system/options.h"

/* What gets a drive made for it, as an IDE bus would have it. */
typedef enum IdeDrive { IDE_NONE, IDE_DISK, IDE_CD } IdeDrive;

typedef struct DriveOption {
    char *location; /* "-drive TEXT"; NULL = a monitor's */
    char *name;     /* node name */
    char *filename; /* NULL: a node over `child` */
    char *format;   /* of an image that is not raw; NULL = raw */
    bool guess;     /* nobody said which */
    char *child;
    BlockFileOptions file;
    BlockDetectZeroes detect_zeroes;
    BlockOnError on_read_error, on_write_error;
    bool auto_read_only;
    bool is_device; /* of driver host_device */
    bool snapshot;  /* what is written ends with the machine */
    bool empty;     /* the name of a CD drive without a medium: there is no file */
    bool of_drive;  /* -drive: the medium of a CD drive has no name of its own */
    IdeDrive ide;
    unsigned unit;  /* its index, where ide is set; no two have the same */
    bool write_through; /* its device has write-cache=off */
    bool opened;    /* its node is in the tree */
    /* the child was described in place, without a name of its own: it goes with this one */
    bool own_child;
} DriveOption;

/* drive-option.c: values that both options take, as their users write them. */

/* format: a driver's name; that of raw leaves drive->format NULL. */
bool drive_set_format(DriveOption *drive, const char *format, GError **errp);
bool drive_set_discard(DriveOption *drive, const char *mode, GError **errp);
bool drive_set_detect_zeroes(DriveOption *drive, const char *mode, GError **errp);
bool drive_set_locking(DriveOption *drive, const char *mode, GError **errp);
bool drive_set_aio(DriveOption *drive, const char *mode, GError **errp);
/* Options that depend on each other. discard: of this node or the one below it. */
bool drive_check(const DriveOption *drive, bool discard, GError **errp);
/* Why an option that would throttle a disk is refused: the hint to its error. */
extern const char drive_no_limits[];

/*
 * options-ide.c: the drive becomes one of an IDE bus, IDE_DISK or IDE_CD, and gets a name if it has
 * none. index: what the option gave, in use by no other; NULL: the first that is free.
 */
bool drive_add_ide(const MachineConfig *config, DriveOption *drive, IdeDrive kind,
                   const unsigned *index, GError **errp);

/*
 * options-blockdev.c: appends to config->drives the node that `object` describes, after those below
 * it that are described in place. text: the option, for messages; NULL = a monitor's. On failure
 * what was appended stays: the caller ends, or takes it away.
 */
bool blockdev_add(const MachineConfig *config, const char *text, JsonValue *object, GError **errp);

/*
 * blockdev-types.c: a node's members have the types that they should have; strict: they were JSON,
 * and no list of keys, whose values are all text. Of unknown members only those of "cache" are
 * looked for.
 */
bool blockdev_types_check(JsonValue *object, bool strict, GError **errp);

#endif
