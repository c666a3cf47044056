/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the files of direct boot and of -fw_cfg, and puts them into fw_cfg; decides about ACPI. */
#include "system/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/i386/boot-files.h"
#include "system/core/log.h"
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

/* One buffer of the file's size: not a mapping, under which the file could change after it was measured. */
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
    char *data = read_all(fd, status.st_size);
    int error = errno;
    close(fd);
    if (!data) {
        error_set(errp, "%s '%s': %s", what, path, g_strerror(error));
        return NULL;
    }
    return g_bytes_new_take(data, status.st_size);
}

static bool add_kernel(FwCfg *fw_cfg, const BootFiles *boot, GError **errp)
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
    return boot_files_add_kernel(fw_cfg, boot->kernel, kernel, initrd, shim, boot->append, errp);
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

bool boot_add(FwCfg *fw_cfg, const BootFiles *boot, GError **errp)
{
    for (unsigned i = 0; boot->fw_cfg && i < boot->fw_cfg->len; i++) {
        if (!add_file(fw_cfg, boot->fw_cfg->pdata[i], errp)) {
            return false;
        }
    }
    return !boot->kernel || add_kernel(fw_cfg, boot, errp);
}

/*
 * Firmware of before July 2024 has the two numbers of TDG.VP.INFO's R8 the wrong way round in TDCALL_INFO_RETURN_DATA
 * (edk2 MdePkg/Include/IndustryStandard/Tdx.h): when it moves its mailbox for ACPI's sake, it waits for MAX_VCPUS
 * processors. Known here by its layout: a 2 MiB image whose temporary RAM begins at 0x810000, as in Debian 12.
 */
static bool waits_for_max_vcpus(const TdvfImage *firmware)
{
    if (firmware->file.size != 2 * MiB) {
        return false;
    }
    for (unsigned i = 0; i < firmware->num_sections; i++) {
        const TdvfSection *section = &firmware->sections[i];
        if (section->type == TDVF_SECTION_TEMP_MEM && section->memory_address == 0x810000) {
            return true;
        }
    }
    return false;
}

bool boot_wants_acpi(const MachineConfig *config, const TdvfImage *firmware, unsigned max_vcpus)
{
    if (config->acpi != AUTO) {
        return config->acpi == ON;
    }
    if (!waits_for_max_vcpus(firmware) || config->topology.cpus == max_vcpus) {
        return true;
    }
    g_autofree char *text = g_strdup_printf(
        "this firmware gets no ACPI tables: it is of a kind that, given them, waits for %u vCPUs (what the host permits a "
        "TD) and not for %u\nA guest operating system needs them: use firmware of July 2024 or later. -machine acpi=on gives "
        "them all the same, acpi=off ends this warning", max_vcpus, config->topology.cpus);
    report_warning(text);
    return false;
}
