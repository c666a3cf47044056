/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and reading the firmware file. */
#include "system/firmware.h"

#include <string.h>

#include "util/error.h"
#include "util/units.h"

/* Above this the image would reach down to the interrupt controllers at 0xFEC00000. */
#define FIRMWARE_MAX (16 * MiB)
#define FIRMWARE_UNIT (64 * KiB)

static char *find(const char *name)
{
    static const char *const directories[] = { "/usr/share/qemu", "/usr/share/ovmf", "/usr/share/OVMF" };

    if (!g_file_test(name, G_FILE_TEST_EXISTS) && !strchr(name, '/')) {
        for (unsigned i = 0; i < G_N_ELEMENTS(directories); i++) {
            g_autofree char *path = g_build_filename(directories[i], name, NULL);
            if (g_file_test(path, G_FILE_TEST_EXISTS)) {
                return g_steal_pointer(&path);
            }
        }
    }
    return g_strdup(name);
}

GBytes *firmware_read(const char *name, char **found, GError **errp)
{
    g_autofree char *path = find(name);
    g_autoptr(GError) err = NULL;
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &err);

    if (!file) {
        error_set(errp, "could not load PC BIOS '%s': %s", name, err->message);
        error_hint(errp, "For a TD use a TDVF image, for example /usr/share/ovmf/OVMF.fd of Debian's package ovmf");
        return NULL;
    }
    gsize size = g_mapped_file_get_length(file);
    if (size == 0 || size % FIRMWARE_UNIT || size > FIRMWARE_MAX) {
        error_set(errp, "could not load PC BIOS '%s': its size is %" G_GSIZE_FORMAT " bytes, which must be a multiple of 64 KiB up to "
                  "16 MiB", path, size);
        return NULL;
    }
    /* A copy: the file may be truncated while the VMM runs, and a mapping would then fault. */
    GBytes *bytes = g_bytes_new(g_mapped_file_get_contents(file), size);
    *found = g_steal_pointer(&path);
    return bytes;
}

Bytes firmware_bytes(GBytes *file)
{
    gsize size;
    const uint8_t *data = g_bytes_get_data(file, &size);

    return (Bytes){ data, size };
}
