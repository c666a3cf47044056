/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio entropy device (Virtio 1.2, 5.4): types virtio-rng-pci and
 * virtio-rng-pci-non-transitional.
 */
#ifndef HW_VIRTIO_VIRTIO_RNG_H
#define HW_VIRTIO_VIRTIO_RNG_H

#include "backends/rng.h"
#include "hw/virtio/virtio-pci-device.h"

typedef struct VirtioRng VirtioRng;

typedef struct VirtioRngConfig {
    Rng *rng;               /* a reference is taken */
    uint64_t max_bytes;     /* at most in each period; UINT64_MAX = no limit */
    uint32_t period_ms;     /* not 0 */
} VirtioRngConfig;

VirtioRng *virtio_rng_new(const VirtioRngConfig *config, const VirtioEnvironment *environment);
VirtioDevice *virtio_rng_device(const VirtioRng *rng);
/* After its virtio device; main loop thread. */
void virtio_rng_free(VirtioRng *rng);

extern const QomType virtio_rng_pci_type;
extern const QomType virtio_rng_pci_nt_type;

#endif
