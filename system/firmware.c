/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and reading the firmware file. */
#include "system/firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/units.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; older ones refuse it, and it was a hint */
#endif

/* Above this the image would reach down to the interrupt controllers at 0xFEC00000. */
#define FIRMWARE_MAX (16 * MiB)
/*
 * Firmware comes in units of 64 KiB. The halves of a flash image need not: they pass here, and its
 * parser calls them by name.
 */
#define FIRMWARE_PAGE (4 * KiB)

static char *find(const char *name)
{
    static const char *const directories[] = { "/usr/share/qemu", "/usr/share/ovmf",
                                               "/usr/share/OVMF" };

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

typedef struct Pages {
    void *address;
    size_t size;
} Pages;

static void free_pages(void *opaque)
{
    Pages *pages = opaque;

    munmap(pages->address, pages->size);
    g_free(pages);
}

/*
 * A copy, because a file may be truncated while the VMM runs and a mapping of it would then fault;
 * in whole pages, so that sections are added to the TD from where they are, and made by the kernel
 * at once, not fault by fault.
 */
static GBytes *read_pages(int fd, size_t size, GError **errp)
{
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (address == MAP_FAILED) {
        error_set(errp, "%s", g_strerror(errno));
        return NULL;
    }
    /* 4 MiB page by page would be a fourth of a launch's time */
    (void)madvise(address, size, MADV_HUGEPAGE);
    (void)madvise(address, size, MADV_POPULATE_WRITE);
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (uint8_t *)address + done, size - done);

        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            error_set(errp, "%s",
                      n == 0 ? "it became shorter while it was read" : g_strerror(errno));
            munmap(address, size);
            return NULL;
        }
    }
    Pages *pages = g_new(Pages, 1);
    *pages = (Pages) { address, size };
    return g_bytes_new_with_free_func(address, size, free_pages, pages);
}

static GBytes *read_file(int fd, const char *name, const char *path, GError **errp)
{
    g_autoptr(GError) err = NULL;
    struct stat st;

    if (fstat(fd, &st) < 0) {
        error_set(errp, "could not load PC BIOS '%s': %s", name, g_strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        error_set(errp, "could not load PC BIOS '%s': not a regular file", path);
        return NULL;
    }
    if (st.st_size <= 0 || st.st_size % FIRMWARE_PAGE || (uint64_t)st.st_size > FIRMWARE_MAX) {
        error_set(errp,
                  "could not load PC BIOS '%s': its size is %lld bytes, which must be a multiple "
                  "of 64 KiB up to 16 MiB",
                  path, (long long)st.st_size);
        return NULL;
    }
    GBytes *bytes = read_pages(fd, (size_t)st.st_size, &err);
    if (!bytes) {
        error_set(errp, "could not load PC BIOS '%s': %s", path, err->message);
    }
    return bytes;
}

GBytes *firmware_read(const char *name, char **found, GError **errp)
{
    g_autofree char *path = find(name);
    /* a FIFO has no size: it is refused, and not waited for */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        error_set(errp, "could not load PC BIOS '%s': %s", name, g_strerror(errno));
        error_hint(errp, "For a TD use a TDVF image, for example /usr/share/ovmf/OVMF.fd of "
                         "Debian's package ovmf");
        return NULL;
    }
    GBytes *bytes = read_file(fd, name, path, errp);
    close(fd);
    if (bytes) {
        *found = g_steal_pointer(&path);
    }
    return bytes;
}

Bytes firmware_bytes(GBytes *file)
{
    gsize size;
    const uint8_t *data = g_bytes_get_data(file, &size);

    return (Bytes){ data, size };
}
