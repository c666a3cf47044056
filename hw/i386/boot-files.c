/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel in fw_cfg. The header's fields: Linux Documentation/arch/x86/boot.rst; of EFI images: PE
 * Format, "COFF File Header", "Optional Header".
 */
#include "hw/i386/boot-files.h"

#include <inttypes.h>
#include <string.h>

#include "util/bytes.h"
#include "util/error.h"

enum { SETUP_SECTS = 0x1f1, SYSSIZE = 0x1f4, BOOT_FLAG = 0x1fe, HEADER_MAGIC = 0x202,
       PROTOCOL = 0x206, LOADFLAGS = 0x211, CMDLINE_SIZE = 0x238 };
#define BOOT_FLAG_VALUE 0xaa55
#define LOADED_HIGH 0x01
#define SECTOR 512
#define DEFAULT_SETUP_SECTS 4
#define MIN_PROTOCOL \
    0x0206 /* the first that says how long its command line may be; EFI stubs came later */
#define MIN_SIZE 0x23c

/* Firmware starts the kernel as an EFI application: a PE image that begins with a DOS header. */
static bool has_efi_stub(const uint8_t *data, size_t size)
{
    uint32_t pe;

    return data[0] == 'M' && data[1] == 'Z' && bytes_u32((Bytes) { data, size }, 0x3c, &pe) &&
           range_inside(pe, 4, size) && !memcmp(data + pe, "PE\0", 4);
}

enum { PE_OFFSET = 0x3c, PE_MACHINE = 4, PE_OPTIONAL = 24, PE_SUBSYSTEM = PE_OPTIONAL + 68 };
#define PE_HEADERS_SIZE (PE_SUBSYSTEM + 2)
#define MACHINE_X64 0x8664
#define MAGIC_PE32_PLUS 0x20b
#define SUBSYSTEM_EFI_APPLICATION 10

/* Of the PE image, which is there; 0: it ends before. */
static unsigned machine_of_stub(const uint8_t *data, size_t size)
{
    uint16_t machine = 0;

    bytes_u16((Bytes) { data, size }, (uint64_t)load_le32(data + PE_OFFSET) + PE_MACHINE, &machine);
    return machine;
}

/*
 * A unified kernel image, a boot loader, the shell: no Linux header, and firmware starts them all
 * the same.
 */
static bool is_efi_application(const uint8_t *data, size_t size)
{
    uint32_t pe = size < PE_OFFSET + 4 ? 0 : load_le32(data + PE_OFFSET);

    return size >= MIN_SIZE && has_efi_stub(data, size) &&
           range_inside(pe, PE_HEADERS_SIZE, size) &&
           load_le16(data + pe + PE_MACHINE) == MACHINE_X64 &&
           load_le16(data + pe + PE_OPTIONAL) == MAGIC_PE32_PLUS &&
           load_le16(data + pe + PE_SUBSYSTEM) == SUBSYSTEM_EFI_APPLICATION;
}

static bool has_linux_header(const uint8_t *data, size_t size)
{
    return size >= MIN_SIZE && load_le16(data + BOOT_FLAG) == BOOT_FLAG_VALUE &&
           !memcmp(data + HEADER_MAGIC, "HdrS", 4);
}

bool linux_image_parse(const uint8_t *data, size_t size, LinuxImage *image, GError **errp)
{
    if (!has_linux_header(data, size) && is_efi_application(data, size)) {
        *image = (LinuxImage) { .setup_size = SECTOR, .cmdline_max = UINT32_MAX };
        return true;
    }
    if (!has_linux_header(data, size)) {
        error_set(errp,
                  "invalid kernel header: neither a bzImage nor an EFI application for x86-64");
        return false;
    }
    image->protocol = load_le16(data + PROTOCOL);
    if (image->protocol < MIN_PROTOCOL || !(data[LOADFLAGS] & LOADED_HIGH)) {
        return error_set(
            errp,
            "invalid kernel header: boot protocol 0x%04x, at least 0x%04x and a bzImage are needed",
            image->protocol, MIN_PROTOCOL);
    }
    unsigned sectors = data[SETUP_SECTS] ? data[SETUP_SECTS] : DEFAULT_SETUP_SECTS;
    image->setup_size = (sectors + 1) * SECTOR;
    if (image->setup_size >= size) {
        return error_set(errp,
                         "invalid kernel header: %zu bytes of set-up code in a file of %zu bytes",
                         image->setup_size, size);
    }
    /* What the header announces in units of 16 bytes; signatures may follow it. */
    uint64_t announced = image->setup_size + (uint64_t)load_le32(data + SYSSIZE) * 16;
    if (announced > (uint64_t)size + 15) {
        error_set(errp,
                  "invalid kernel header: a kernel of %" PRIu64 " bytes in a file of %zu bytes",
                  announced, size);
        error_hint(errp, "The file is not complete: fetch or copy it again");
        return false;
    }
    image->cmdline_max = load_le32(data + CMDLINE_SIZE);
    if (!has_efi_stub(data, size)) {
        error_set(errp, "invalid kernel header: no EFI stub");
        error_hint(errp,
                   "In a TD, firmware starts the kernel: it must be built with CONFIG_EFI_STUB");
        return false;
    }
    unsigned machine = machine_of_stub(data, size);
    if (machine != MACHINE_X64) {
        return error_set(errp,
                         "invalid kernel header: an EFI stub for machine 0x%04x, not x86-64 (0x%x)",
                         machine, MACHINE_X64);
    }
    return true;
}

/* "too large" is what the 32-bit sizes of the numbered items allow. */
static bool check_size(const char *what, GBytes *bytes, GError **errp)
{
    if (bytes && g_bytes_get_size(bytes) > UINT32_MAX) {
        return error_set(errp, "%s is too large: %zu bytes, at most 4 GiB - 1 can be passed", what,
                         g_bytes_get_size(bytes));
    }
    return true;
}

static void add_numbered(FwCfg *fw_cfg, uint16_t size_key, uint16_t data_key, GBytes *bytes)
{
    fw_cfg_add_u32(fw_cfg, size_key, g_bytes_get_size(bytes));
    fw_cfg_add_part(fw_cfg, data_key, bytes);
}

static bool add_kernel(FwCfg *fw_cfg, GBytes *kernel, const LinuxImage *image, GError **errp)
{
    size_t size = g_bytes_get_size(kernel);
    g_autoptr(GBytes) setup = g_bytes_new_from_bytes(kernel, 0, image->setup_size);
    g_autoptr(GBytes)
        rest = g_bytes_new_from_bytes(kernel, image->setup_size, size - image->setup_size);

    add_numbered(fw_cfg, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA, setup);
    add_numbered(fw_cfg, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, rest);
    return fw_cfg_add_file_bytes(fw_cfg, "etc/boot/kernel", kernel, errp);
}

static bool add_cmdline(FwCfg *fw_cfg, const char *cmdline, GError **errp)
{
    size_t size = strlen(cmdline) + 1;

    fw_cfg_add_u32(fw_cfg, FW_CFG_CMDLINE_SIZE, size);
    fw_cfg_add_string(fw_cfg, FW_CFG_CMDLINE_DATA, cmdline);
    return fw_cfg_add_file(fw_cfg, "etc/boot/cmdline", cmdline, size, errp);
}

bool boot_files_add_kernel(FwCfg *fw_cfg, const char *name, GBytes *kernel, GBytes *initrd,
                           GBytes *shim, const char *cmdline, GError **errp)
{
    LinuxImage image;
    g_autoptr(GError) err = NULL;
    gsize size;
    const uint8_t *data = g_bytes_get_data(kernel, &size);

    if (!linux_image_parse(data, size, &image, &err)) {
        return error_set(errp, "could not load kernel '%s': %s", name, err->message);
    }
    cmdline = cmdline ? cmdline : "";
    if (strlen(cmdline) > image.cmdline_max) {
        return error_set(errp, "-append has %zu characters, and kernel '%s' takes at most %u",
                         strlen(cmdline), name, image.cmdline_max);
    }
    if (!check_size("kernel", kernel, errp) || !check_size("initrd", initrd, errp) ||
        !check_size("shim", shim, errp)) {
        return false;
    }
    if (!add_kernel(fw_cfg, kernel, &image, errp) || !add_cmdline(fw_cfg, cmdline, errp)) {
        return false;
    }
    if (initrd) {
        add_numbered(fw_cfg, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, initrd);
        if (!fw_cfg_add_file_bytes(fw_cfg, "etc/boot/initrd", initrd, errp)) {
            return false;
        }
    }
    return !shim || fw_cfg_add_file_bytes(fw_cfg, "etc/boot/shim", shim, errp);
}
