/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's own devices in the tree of objects: the buses that -device finds, and the names
 * that -global knows.
 */
#ifndef HW_I386_Q35_TREE_H
#define HW_I386_Q35_TREE_H

#include "hw/core/machine.h"
#include "hw/i386/q35.h"

extern const QomType ich9_lpc_type; /* "ICH9-LPC": holds "isa.0" */

/*
 * Under /machine/unattached, with the buses "pcie.0" and "isa.0". The q35 must outlive them
 * (machine_clear). False: *errp.
 */
bool q35_add_to_tree(Q35Machine *q35, Machine *machine, GError **errp);

#endif
