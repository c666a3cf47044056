/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the chooser tells the handlers of ports in Op.flags.
 */
#ifndef SWTDX_SYSTEM_MISC_H
#define SWTDX_SYSTEM_MISC_H

enum { IO_WRITE = 1u << 0, IO_STRING = 1u << 1, IO_REP = 1u << 2, IO_IMMEDIATE = 1u << 3 };

#endif
