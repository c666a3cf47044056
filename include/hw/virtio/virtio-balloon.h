/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory balloon (Virtio 1.2, 5.5): types virtio-balloon-pci and
 * virtio-balloon-pci-non-transitional. Of pages that the guest gives up, the host gets back what it
 * has for them here: an ordinary VM's memory, of a TD the half that is shared. A TD's private pages
 * stay what they are, as they would lose what the TD accepted. Linux takes no balloon in a TD
 * (drivers/virtio/virtio_balloon.c does without ACCESS_PLATFORM, which it must not there).
 */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_H
#define HW_VIRTIO_VIRTIO_BALLOON_H

#include "hw/virtio/virtio-pci-device.h"

extern const QomType virtio_balloon_pci_type;
extern const QomType virtio_balloon_pci_nt_type;

/* The machine's balloon, realized; NULL: it has none. Main loop thread. */
Device *virtio_balloon_find(QomObject *machine);
/* Bytes that the guest has. Main loop thread, the machine lock not held, as the next. */
uint64_t virtio_balloon_actual(Device *balloon);
/* Asks the guest to have so many, at most what the machine has. */
void virtio_balloon_set_target(Device *balloon, uint64_t bytes);

#endif
