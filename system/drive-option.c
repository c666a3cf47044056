/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of disks that options describe, kept as they come and opened when the machine is made:
 * other programs that take the same options open nothing. The values that -drive and -blockdev both
 * take.
 */
#include <string.h>

#include "drive-option.h"
#include "util/error.h"

static void drive_free(gpointer data)
{
    DriveOption *drive = data;

    g_free(drive->location);
    g_free(drive->name);
    g_free(drive->filename);
    g_free(drive->format);
    g_free(drive->child);
    g_free(drive);
}

void block_options_init(MachineConfig *config)
{
    config->drives = g_ptr_array_new_with_free_func(drive_free);
    config->disk_errors = g_new0(BlockErrorPort, 1);
    config->disk_files = g_new0(BlockFilePort, 1);
}

void block_options_clear(MachineConfig *config)
{
    g_ptr_array_unref(config->drives);
    g_free(config->disk_errors);
    g_free(config->disk_files);
}

bool drive_set_discard(DriveOption *drive, const char *mode, GError **errp)
{
    drive->file.discard = !strcmp(mode, "unmap") || !strcmp(mode, "on");
    return drive->file.discard || !strcmp(mode, "ignore") || !strcmp(mode, "off") ||
           error_set(errp, "Invalid discard option '%s': ignore (off) or unmap (on)", mode);
}

bool drive_set_detect_zeroes(DriveOption *drive, const char *mode, GError **errp)
{
    static const char *const modes[] = { "off", "on", "unmap" };

    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (!strcmp(mode, modes[i])) {
            drive->detect_zeroes = (BlockDetectZeroes)i;
            return true;
        }
    }
    return error_set(errp, "Invalid parameter '%s': detect-zeroes is off, on or unmap", mode);
}

bool drive_set_locking(DriveOption *drive, const char *mode, GError **errp)
{
    drive->file.unlocked = !strcmp(mode, "off");
    return drive->file.unlocked || !strcmp(mode, "on") || !strcmp(mode, "auto") ||
           error_set(errp, "Invalid parameter '%s': locking is on, off or auto", mode);
}

bool drive_set_aio(DriveOption *drive, const char *mode, GError **errp)
{
    for (unsigned i = BLOCK_AIO_THREADS; block_aio_names[i]; i++) {
        if (!strcmp(mode, block_aio_names[i])) {
            drive->file.aio = (BlockAio)i;
            return true;
        }
    }
    return error_set(errp, "invalid aio option '%s': threads, native or io_uring", mode);
}

bool drive_check(const DriveOption *drive, bool discard, GError **errp)
{
    return drive->detect_zeroes != BLOCK_DETECT_UNMAP || discard ||
           error_set(errp, "setting detect-zeroes to unmap is not allowed without setting discard "
                           "operation to unmap");
}

const char drive_no_limits[] =
    "Disks are not throttled here: use the cgroup of the process (io.max)";

bool drive_set_format(DriveOption *drive, const char *format, GError **errp)
{
    g_clear_pointer(&drive->format, g_free);
    if (!strcmp(format, "raw")) {
        return true;
    }
    if (!strcmp(format, "throttle")) {
        error_set(errp, "Unknown driver '%s'", format);
        error_hint(errp, "%s", drive_no_limits);
        return false;
    }
    if (!block_format_is_known(format)) {
        error_set(errp, "Unknown driver '%s'", format);
        error_hint(errp, "Images are raw, or qcow2, qcow, qed, vdi, vhdx, vmdk, vpc through "
                         "qemu-storage-daemon; qemu-img convert -O raw converts others");
        return false;
    }
    drive->format = g_strdup(format);
    return true;
}
