/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux/vhost.h without the names of feature bits that come with it: there they are numbers of
 * bits, in hw/virtio/virtio.h masks. To be included before any other header of hw/virtio.
 */
#ifndef HW_VIRTIO_VHOST_IOCTLS_H
#define HW_VIRTIO_VHOST_IOCTLS_H

#include <linux/vhost.h>

#undef VIRTIO_F_VERSION_1
#undef VIRTIO_F_ACCESS_PLATFORM
#undef VIRTIO_F_RING_PACKED
#undef VIRTIO_F_RING_RESET

#endif
