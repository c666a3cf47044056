/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told of a device type that QEMU has and this machine has not. */
#ifndef HW_CORE_DEVICE_ABSENT_H
#define HW_CORE_DEVICE_ABSENT_H

/* What to use instead, or why it is not needed; NULL: nothing is known of such a type. */
const char *device_instead_of(const char *driver);

#endif
