/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small devices by which a guest tells of its end, or fails to tell that it lives. */
#ifndef HW_MISC_MISC_H
#define HW_MISC_MISC_H

#include "qom/object.h"

extern const QomType pvpanic_isa_type;    /* "pvpanic" */
extern const QomType pvpanic_pci_type;    /* "pvpanic-pci" */
extern const QomType isa_debug_exit_type; /* "isa-debug-exit" */
extern const QomType i6300esb_type;       /* "i6300esb" */

#endif
