/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GUIDs in the mixed-endian byte order that firmware files and tables use (UEFI specification,
 * appendix A).
 */
#ifndef UTIL_GUID_H
#define UTIL_GUID_H

#include <stdbool.h>
#include <stdint.h>

#define GUID_SIZE 16
#define GUID_TEXT_SIZE 37

/* "96b582de-1fb2-45f7-baea-a366c55a082d" -> bytes as stored; false if the text is not a GUID. */
bool guid_parse(const char *text, uint8_t guid[GUID_SIZE]);
bool guid_is(const uint8_t *stored, const char *text);

#endif
