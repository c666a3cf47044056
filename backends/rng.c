/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sources of random bytes. */
#include "backends/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/error.h"

/* getrandom(2) gives as much without being interrupted. */
#define BUILTIN_MAX 256

gssize rng_read(Rng *rng, void *bytes, size_t size, GError **errp)
{
    const RngOps *ops = qom_type_ops(rng->object.type);

    return ops->read(rng, bytes, size, errp);
}

static gssize builtin_read(Rng *rng, void *bytes, size_t size, GError **errp)
{
    ssize_t n = getrandom(bytes, MIN(size, BUILTIN_MAX), 0);

    if (n < 0) {
        error_set(errp, "rng-builtin: %s", g_strerror(errno));
    }
    return n;
}

typedef struct RngRandom {
    Rng rng;
    char *filename;
    int fd;
} RngRandom;

static void random_init(QomObject *object)
{
    ((RngRandom *)object)->fd = -1;
}

static void random_finalize(QomObject *object)
{
    if (((RngRandom *)object)->fd >= 0) {
        close(((RngRandom *)object)->fd);
    }
}

static bool random_complete(QomObject *object, GError **errp)
{
    RngRandom *random = (RngRandom *)object;

    random->fd = open(random->filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (random->fd < 0) {
        return error_set(errp, "Could not open '%s': %s", random->filename, g_strerror(errno));
    }
    return true;
}

static gssize random_read(Rng *rng, void *bytes, size_t size, GError **errp)
{
    const RngRandom *random = (RngRandom *)rng;
    ssize_t n = read(random->fd, bytes, size);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (n < 0) {
        error_set(errp, "rng-random: cannot read '%s': %s", random->filename, g_strerror(errno));
    } else if (n == 0) {
        error_set(errp, "rng-random: '%s' has no more bytes", random->filename);
        n = -1;
    }
    return n;
}

const QomType rng_type = { .name = "rng-backend", .parent = &qom_object_type, .abstract = true,
                           .size = sizeof(Rng) };

static const RngOps builtin_ops = { builtin_read };
const QomType rng_builtin_type = {
    .name = "rng-builtin", .parent = &rng_type, .user_creatable = true,
    .description = "random bytes of the host's kernel",
    .ops = &builtin_ops,
};

static const QomProperty random_properties[] = {
    QOM_PROPERTY_STR("filename", RngRandom, filename, "/dev/urandom",
                     "where random bytes are read"),
    { NULL },
};

static const RngOps random_ops = { random_read };
const QomType rng_random_type = {
    .name = "rng-random", .parent = &rng_type, .size = sizeof(RngRandom), .user_creatable = true,
    .description = "random bytes of a file or device", .properties = random_properties,
    .ops = &random_ops, .init = random_init,
    .complete = random_complete, .finalize = random_finalize, .fixed_because = "the file is open",
};
