/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firmware.c: the image that the launch test runs. */
#ifndef TEST_FIRMWARE_H
#define TEST_FIRMWARE_H

#include <stdint.h>

#define FIRMWARE_BASE 0xffffc000u
#define FIRMWARE_SIZE 0x4000u

extern const uint8_t firmware_image[FIRMWARE_SIZE];

#endif
