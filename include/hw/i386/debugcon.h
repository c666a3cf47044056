/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The debug console, port 402: firmware built for debugging writes its log there if a read gives
 * E9. Machine lock held.
 */
#ifndef HW_I386_DEBUGCON_H
#define HW_I386_DEBUGCON_H

#include "chardev/chardev.h"
#include "system/core/address-space.h"

/*
 * chardev is borrowed and takes the text. The region is the whole device: the address space frees
 * it.
 */
void debugcon_add(AddressSpace *ports, Chardev *chardev);

#endif
