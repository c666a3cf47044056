/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types of objects that make a machine a confidential guest. What they do is in
 * target/i386/kvm.
 */
#ifndef SYSTEM_CORE_CONFIDENTIAL_GUEST_H
#define SYSTEM_CORE_CONFIDENTIAL_GUEST_H

#include "qom/object.h"

extern const QomType confidential_guest_support_type; /* "confidential-guest-support", abstract */
extern const QomType x86_confidential_guest_type;     /* "x86-confidential-guest", abstract */

#endif
