/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The abstract types above tdx-guest, under the names that clients of QMP ask for. */
#include "system/core/confidential-guest.h"

/* In use for as long as a machine links to it; one that no machine uses is harmless and may go. */
const QomType confidential_guest_support_type = {
    .name = "confidential-guest-support", .parent = &qom_object_type, .abstract = true,
};

const QomType x86_confidential_guest_type = {
    .name = "x86-confidential-guest", .parent = &confidential_guest_support_type, .abstract = true,
};
