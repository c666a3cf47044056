/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the files of direct boot and of -fw_cfg, and puts them into fw_cfg. */
#include "system/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/i386/boot-files.h"
#include "util/error.h"

static char *read_all(int fd, size_t size)
{
    char *data = g_try_malloc(size ? size : 1);
    size_t done = 0;

    while (data && done < size) {
        ssize_t n = read(fd, data + done, size - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            int error = n ? errno : EIO; /* it has become shorter */
            g_free(data);
            errno = error;
            return NULL;
        }
        done += n;
    }
    return data;
}

/*
 * One buffer of the file's size: not a mapping, under which the file could change after it was
 * measured.
 */
static GBytes *read_file(const char *what, const char *path, GError **errp)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;

    if (fd < 0) {
        error_set(errp, "%s '%s': %s", what, path, g_strerror(errno));
        return NULL;
    }
    if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
        error_set(errp, "%s '%s': not a regular file", what, path);
        close(fd);
        return NULL;
    }
    if (status.st_size > UINT32_MAX) { /* fw_cfg tells sizes in 32 bits */
        error_set(errp, "%s '%s': %lld bytes, and the firmware can be handed at most 4 GiB - 1",
                  what, path, (long long)status.st_size);
        close(fd);
        return NULL;
    }
    char *data = read_all(fd, status.st_size);
    int error = errno;
    close(fd);
    if (!data) {
        error_set(errp, "%s '%s': %s", what, path, g_strerror(error));
        return NULL;
    }
    return g_bytes_new_take(data, status.st_size);
}

/* Firmware would run out of memory, and say so in words of its own. */
static bool check_room(GBytes *kernel, GBytes *initrd, uint64_t ram_size, GError **errp)
{
    uint64_t needed = g_bytes_get_size(kernel) + (initrd ? g_bytes_get_size(initrd) : 0);

    if (needed < ram_size) {
        return true;
    }
    error_set(errp, "kernel and initrd have %" PRIu64 " bytes, and the guest's RAM %" PRIu64,
              needed, ram_size);
    error_hint(errp, "Give it more memory with -m");
    return false;
}

static bool add_kernel(FwCfg *fw_cfg, const BootFiles *boot, uint64_t ram_size, GError **errp)
{
    g_autoptr(GBytes) kernel = NULL, initrd = NULL, shim = NULL;

    kernel = read_file("could not open kernel file", boot->kernel, errp);
    if (!kernel) {
        return false;
    }
    if (boot->initrd && !(initrd = read_file("error reading initrd", boot->initrd, errp))) {
        return false;
    }
    if (boot->shim && !(shim = read_file("could not open shim file", boot->shim, errp))) {
        return false;
    }
    return check_room(kernel, initrd, ram_size, errp) &&
           boot_files_add_kernel(fw_cfg, boot->kernel, kernel, initrd, shim, boot->append, errp);
}

/* A string without its NUL, as QEMU does. */
static bool add_file(FwCfg *fw_cfg, const FwCfgFile *file, GError **errp)
{
    if (file->string) {
        return fw_cfg_add_file(fw_cfg, file->name, file->string, strlen(file->string), errp);
    }
    g_autoptr(GBytes) bytes = read_file("-fw_cfg: can't load", file->path, errp);
    return bytes && fw_cfg_add_file_bytes(fw_cfg, file->name, bytes, errp);
}

bool boot_add(FwCfg *fw_cfg, const BootFiles *boot, uint64_t ram_size, GError **errp)
{
    for (unsigned i = 0; boot->fw_cfg && i < boot->fw_cfg->len; i++) {
        if (!add_file(fw_cfg, boot->fw_cfg->pdata[i], errp)) {
            return false;
        }
    }
    return !boot->kernel || add_kernel(fw_cfg, boot, ram_size, errp);
}

bool boot_check(const BootFiles *boot, uint64_t ram_size, GError **errp)
{
    AddressSpace *ports = address_space_new("ports");
    FwCfg *fw_cfg = fw_cfg_new(NULL, ports);
    bool ok = boot_add(fw_cfg, boot, ram_size, errp);

    fw_cfg_free(fw_cfg);
    address_space_free(ports);
    return ok;
}
