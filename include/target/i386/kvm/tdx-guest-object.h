/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object tdx-guest: the properties of target/i386/kvm/tdx-guest.h as an object. */
#ifndef TDX_GUEST_OBJECT_H
#define TDX_GUEST_OBJECT_H

#include "system/core/confidential-guest.h"
#include "target/i386/kvm/tdx-guest.h"

typedef struct TdxGuest {
    QomObject object;
    TdxGuestConfig *config; /* its own */
} TdxGuest;

extern const QomType tdx_guest_type; /* "tdx-guest" */

#define TDX_GUEST(object) QOM_CAST(TdxGuest, &tdx_guest_type, object)

#endif
