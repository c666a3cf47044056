/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format of an image as its first bytes have it: docs/interop/qcow2.txt and the like of QEMU,
 * VMware's and Microsoft's descriptions.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "block/block.h"

const char *block_probe(const uint8_t *start, size_t size)
{
    static const struct {
        const char *format;
        size_t offset, size;
        const char *bytes;
    } magics[] = {
        { "qcow", 0, 8, "QFI\xfb\0\0\0\1" },
        { "qcow2", 0, 4, "QFI\xfb" }, /* versions 2 and 3 */
        { "qed", 0, 4, "QED\0" },
        { "vdi", 64, 4, "\x7f\x10\xda\xbe" },
        { "vhdx", 0, 8, "vhdxfile" },
        { "vmdk", 0, 4, "KDMV" },
        { "vmdk", 0, 4, "COWD" },
        { "vmdk", 0, 21, "# Disk DescriptorFile" },
        { "vpc", 0, 8, "conectix" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(magics); i++) {
        if (magics[i].offset + magics[i].size <= size &&
            !memcmp(start + magics[i].offset, magics[i].bytes, magics[i].size)) {
            return magics[i].format;
        }
    }
    return NULL;
}

const char *block_probe_file(const char *filename)
{
    uint8_t start[BLOCK_SECTOR_SIZE] = { 0 };
    int fd = open(filename, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, start, sizeof(start), 0);

    if (fd >= 0) {
        close(fd);
    }
    return n > 0 ? block_probe(start, (size_t)n) : NULL;
}
