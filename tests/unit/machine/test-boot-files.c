/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that can and cannot be booted directly, and what the guest then finds in fw_cfg. */
#include <string.h>

#include "fixture.h"
#include "hw/i386/boot-files.h"
#include "util/bytes.h"

#define KERNEL_SIZE 4000
#define SETUP_SIZE 1024

static void make_kernel(uint8_t kernel[KERNEL_SIZE])
{
    for (unsigned i = 0; i < KERNEL_SIZE; i++) {
        kernel[i] = i * 7;
    }
    memcpy(kernel, "MZ", 2);
    store_le32(kernel + 0x3c, 0x80);
    memcpy(kernel + 0x80, "PE\0", 4);
    store_le16(kernel + 0x84, 0x8664);
    kernel[0x1f1] = 1;
    store_le32(kernel + 0x1f4, 1);
    store_le16(kernel + 0x1fe, 0xaa55);
    memcpy(kernel + 0x202, "HdrS", 4);
    store_le16(kernel + 0x206, 0x020f);
    kernel[0x211] = 1;
    store_le32(kernel + 0x238, 10);
}

static void test_parse(void)
{
    static const struct {
        const char *label;
        unsigned offset, size;
        uint64_t value;
        size_t file_size;
        const char *message; /* NULL: good */
    } rows[] = {
        { "good", 0, 0, 0, KERNEL_SIZE, NULL },
        { "setup_sects 0 is 4", 0x1f1, 1, 0, KERNEL_SIZE, NULL },
        { "empty", 0, 0, 0, 0, "neither a bzImage" },
        { "one byte", 0, 0, 0, 1, "neither a bzImage" },
        { "ends in the header", 0, 0, 0, 0x23b, "neither a bzImage" },
        { "no boot flag", 0x1fe, 2, 0x55aa, KERNEL_SIZE, "neither a bzImage" },
        { "no magic", 0x202, 4, 0, KERNEL_SIZE, "neither a bzImage" },
        { "old protocol", 0x206, 2, 0x0205, KERNEL_SIZE, "protocol 0x0205" },
        { "zImage", 0x211, 1, 0, KERNEL_SIZE, "bzImage" },
        { "setup is the whole file", 0x1f1, 1, 1, SETUP_SIZE, "set-up code" },
        { "setup beyond the file", 0x1f1, 1, 255, KERNEL_SIZE, "set-up code" },
        { "syssize to the end", 0x1f4, 4, (KERNEL_SIZE - 5 * 512) / 16, KERNEL_SIZE, NULL },
        { "half of the file is missing", 0x1f4, 4, KERNEL_SIZE * 2 / 16, KERNEL_SIZE,
          "a kernel of" },
        { "syssize at its largest", 0x1f4, 4, 0xffffffff, KERNEL_SIZE, "68719477744 bytes" },
        { "a stub for i386", 0x84, 2, 0x014c, KERNEL_SIZE, "machine 0x014c, not x86-64" },
        { "PE at the file's end", 0x3c, 4, KERNEL_SIZE - 4, KERNEL_SIZE, "no EFI stub" },
        { "no MZ", 0, 2, 0, KERNEL_SIZE, "no EFI stub" },
        { "no PE", 0x80, 4, 0, KERNEL_SIZE, "no EFI stub" },
        { "PE beyond the file", 0x3c, 4, KERNEL_SIZE - 3, KERNEL_SIZE, "no EFI stub" },
        { "PE far beyond", 0x3c, 4, 0xffffffff, KERNEL_SIZE, "no EFI stub" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint8_t kernel[KERNEL_SIZE];
        g_autoptr(GError) error = NULL;
        LinuxImage image;

        make_kernel(kernel);
        for (unsigned n = 0; n < rows[i].size; n++) {
            kernel[rows[i].offset + n] = rows[i].value >> 8 * n;
        }
        g_autofree uint8_t *exact = g_memdup2(kernel, rows[i].file_size);
        bool good = linux_image_parse(exact, rows[i].file_size, &image, &error);
        g_test_message("%s: %s", rows[i].label, good ? "good" : error->message);
        g_assert_cmpint(good, ==, !rows[i].message);
        if (good) {
            g_assert_cmpuint(image.setup_size, ==, i == 1 ? 5 * 512 : SETUP_SIZE);
            g_assert_cmpuint(image.cmdline_max, ==, 10);
            g_assert_cmphex(image.protocol, ==, 0x020f);
        } else {
            g_assert_nonnull(strstr(error->message, rows[i].message));
        }
    }
}

/* Of a unified kernel image there is no more to see than that firmware can start it. */
static void test_efi_application(void)
{
    static const struct {
        const char *label;
        unsigned offset, value;
        size_t file_size;
        bool good;
    } rows[] = {
        { "good", 0x84, 0x8664, KERNEL_SIZE, true },
        { "smallest", 0x84, 0x8664, 0x23c, true },
        { "too small", 0x84, 0x8664, 0x23b, false },
        { "for 32-bit processors", 0x84, 0x014c, KERNEL_SIZE, false },
        { "PE32", 0x98, 0x10b, KERNEL_SIZE, false },
        { "a boot service driver", 0xdc, 11, KERNEL_SIZE, false },
        { "no MZ", 0, 0, KERNEL_SIZE, false },
        { "headers beyond the file", 0x3c, KERNEL_SIZE - 0x5d, KERNEL_SIZE, false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint8_t kernel[KERNEL_SIZE];
        g_autoptr(GError) error = NULL;
        LinuxImage image;

        make_kernel(kernel);
        kernel[0x202] = 0;
        store_le16(kernel + 0x84, 0x8664);
        store_le16(kernel + 0x98, 0x20b);
        store_le16(kernel + 0xdc, 10);
        store_le16(kernel + rows[i].offset, (uint16_t)rows[i].value);
        g_autofree uint8_t *exact = g_memdup2(kernel, rows[i].file_size);
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(linux_image_parse(exact, rows[i].file_size, &image, &error), ==,
                        rows[i].good);
        if (rows[i].good) {
            g_assert_cmpuint(image.setup_size, <, rows[i].file_size);
            g_assert_cmphex(image.protocol, ==, 0);
        } else {
            g_assert_nonnull(strstr(error->message, "neither a bzImage"));
        }
    }
}

static void check_item(AddressSpace *ports, uint16_t key, const void *data, size_t size)
{
    out(ports, 0x510, key, 2);
    for (size_t i = 0; i < size; i++) {
        g_assert_cmphex(in(ports, 0x511, 1), ==, ((const uint8_t *)data)[i]);
    }
    g_assert_cmphex(in(ports, 0x511, 1), ==, 0);
}

static void check_u32(AddressSpace *ports, uint16_t key, uint32_t value)
{
    uint8_t bytes[4];

    store_le32(bytes, value);
    check_item(ports, key, bytes, 4);
}

static void test_items(void)
{
    static const char cmdline[] = "console=x";
    uint8_t kernel[KERNEL_SIZE];
    AddressSpace *ports = address_space_new("I/O");
    FwCfg *fw_cfg = fw_cfg_new(NULL, ports);
    g_autoptr(GError) error = NULL;

    make_kernel(kernel);
    GBytes *kernel_bytes = g_bytes_new(kernel, sizeof(kernel));
    GBytes *initrd = g_bytes_new_static("initrd", 6), *shim = g_bytes_new_static("shim", 4);
    g_assert_true(boot_files_add_kernel(fw_cfg, "k", kernel_bytes, initrd, shim, cmdline, &error));
    g_bytes_unref(kernel_bytes);
    g_bytes_unref(initrd);
    g_bytes_unref(shim);
    check_u32(ports, FW_CFG_SETUP_SIZE, SETUP_SIZE);
    check_item(ports, FW_CFG_SETUP_DATA, kernel, SETUP_SIZE);
    check_u32(ports, FW_CFG_KERNEL_SIZE, KERNEL_SIZE - SETUP_SIZE);
    check_item(ports, FW_CFG_KERNEL_DATA, kernel + SETUP_SIZE, KERNEL_SIZE - SETUP_SIZE);
    check_u32(ports, FW_CFG_INITRD_SIZE, 6);
    check_item(ports, FW_CFG_INITRD_DATA, "initrd", 6);
    check_u32(ports, FW_CFG_CMDLINE_SIZE, sizeof(cmdline));
    check_item(ports, FW_CFG_CMDLINE_DATA, cmdline, sizeof(cmdline));
    /* Files by name: cmdline, initrd, kernel, shim */
    check_item(ports, 0x20, cmdline, sizeof(cmdline));
    check_item(ports, 0x21, "initrd", 6);
    check_item(ports, 0x22, kernel, KERNEL_SIZE);
    check_item(ports, 0x23, "shim", 4);
    g_assert_true(fw_cfg_set_file(fw_cfg, "etc/boot/kernel", "k", 1));
    check_item(ports, 0x22, "k", 1);
    check_item(ports, FW_CFG_SETUP_DATA, kernel, SETUP_SIZE);
    fw_cfg_free(fw_cfg);
    address_space_free(ports);
}

static void test_refused(void)
{
    static const struct {
        const char *label, *cmdline, *taken, *message;
        bool bad;
    } rows[] = {
        { "longest command line", "0123456789", "opt/a", NULL, false },
        { "command line too long", "0123456789a", "opt/a", "'k' takes at most 10", false },
        { "no kernel", NULL, "opt/a", "could not load kernel 'k': invalid kernel header", true },
        { "name taken", NULL, "etc/boot/initrd", "exists already", false },
        { "kernel's name taken", NULL, "etc/boot/kernel", "exists already", false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint8_t kernel[KERNEL_SIZE];
        AddressSpace *ports = address_space_new("I/O");
        FwCfg *fw_cfg = fw_cfg_new(NULL, ports);
        g_autoptr(GError) error = NULL;

        make_kernel(kernel);
        kernel[0x202] ^= rows[i].bad;
        g_assert_true(fw_cfg_add_file(fw_cfg, rows[i].taken, "x", 1, NULL));
        g_autoptr(GBytes) bytes = g_bytes_new_static(kernel, sizeof(kernel));
        bool good = boot_files_add_kernel(fw_cfg, "k", bytes, bytes, NULL, rows[i].cmdline, &error);
        g_test_message("%s", rows[i].label);
        g_assert_cmpint(good, ==, !rows[i].message);
        if (!good) {
            g_assert_nonnull(strstr(error->message, rows[i].message));
        }
        fw_cfg_free(fw_cfg);
        address_space_free(ports);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-files/parse", test_parse);
    g_test_add_func("/boot-files/efi-application", test_efi_application);
    g_test_add_func("/boot-files/items", test_items);
    g_test_add_func("/boot-files/refused", test_refused);
    return g_test_run();
}
