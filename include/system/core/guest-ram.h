/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One piece of guest memory as the machine lays it out and an accelerator maps it. */
#ifndef SYSTEM_CORE_GUEST_RAM_H
#define SYSTEM_CORE_GUEST_RAM_H

#include <stdbool.h>
#include <stdint.h>

#include "util/units.h"

typedef struct GuestRam {
    const char *name;
    hwaddr gpa;
    uint64_t size;
    uint8_t *host; /* of a TD the shared half */
    bool rom;      /* an ordinary VM's guest cannot write it; a TD has no such memory */
    bool shareable; /* host is a shared mapping of fd: another process can have the same memory */
    /* borrowed; meaningless unless shareable, as is fd_offset, where in fd it begins */
    int fd;
    uint64_t fd_offset;
} GuestRam;

#endif
