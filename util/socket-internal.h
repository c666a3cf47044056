/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in socket addresses. */
#ifndef SOCKET_INTERNAL_H
#define SOCKET_INTERNAL_H

#include "util/socket.h"

/* Decimal or 0x hexadecimal, nothing else beside it, at most max. */
bool socket_number(const char *text, uint64_t max, uint64_t *value);
/* A context or port of AF_VSOCK: a number, or "any" and "-1" for all bits set. */
bool socket_vsock_number(const char *text, uint32_t *value);

#endif
