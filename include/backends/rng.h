/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object rng-random and rng-builtin: random bytes for a guest's virtio-rng. */
#ifndef BACKENDS_RNG_H
#define BACKENDS_RNG_H

#include "qom/object.h"

typedef struct Rng {
    QomObject object;
} Rng;

typedef struct RngOps {
    /*
     * How many bytes there were: up to size, at least 1; or 0: none just now. -1: *errp. Does not
     * wait.
     */
    gssize (*read)(Rng *rng, void *bytes, size_t size, GError **errp);
} RngOps;

extern const QomType rng_type;         /* "rng-backend", abstract */
extern const QomType rng_builtin_type; /* "rng-builtin": getrandom(2) */
extern const QomType rng_random_type;  /* "rng-random": a file, such as /dev/hwrng */

/* As RngOps.read. The object is complete. Any thread, one at a time. */
gssize rng_read(Rng *rng, void *bytes, size_t size, GError **errp);

#endif
