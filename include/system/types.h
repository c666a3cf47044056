/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of the program's types of objects: what -object, -device and -machine can make, and what
 * stands above those types.
 */
#ifndef SYSTEM_TYPES_H
#define SYSTEM_TYPES_H

#include "qom/object.h"

extern const QomType *const program_types[]; /* NULL terminated */

#endif
