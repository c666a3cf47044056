/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images of other formats than raw: qemu-storage-daemon reads and writes them, one process for each
 * image, which begins and ends with the node. It has the image and a socket to this process, and
 * never sees the guest's memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/nbd.h"
#include "system/core/log.h"
#include "util/error.h"
#include "util/json.h"

#define PROGRAM "qemu-storage-daemon"
#define LISTENER_FD 3 /* in the daemon */
#define START_TIMEOUT_S 30
#define END_TIMEOUT_MS 10000 /* for writing what it has not written yet */
#define DISCARD_GRANULARITY 65536 /* bytes: a cluster of most images */

static const char *const formats[] = { "qcow2", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc", NULL };

bool block_format_is_known(const char *format)
{
    return g_strv_contains(formats, format);
}

typedef struct Daemon {
    GPid pid;
} Daemon;

/* ---- The process ---- */

static void add_string(JsonValue *object, const char *name, const char *value)
{
    json_object_object_add(object, name, json_object_new_string(value));
}

/* --blockdev's argument: the image over its file. */
static char *describe_image(const char *format, const BlockFileOptions *options)
{
    g_autoptr(JsonValue) image = json_object_new_object();
    JsonValue *file = json_object_new_object(), *cache = json_object_new_object();
    const char *discard = options->discard ? "unmap" : "ignore";

    json_object_object_add(cache, "direct", json_object_new_boolean(options->direct));
    json_object_object_add(cache, "no-flush", json_object_new_boolean(options->no_flush));
    add_string(file, "driver", "file");
    add_string(file, "filename", options->filename);
    add_string(file, "discard", discard);
    json_object_object_add(file, "cache", cache);
    if (options->aio != BLOCK_AIO_AUTO) {
        add_string(file, "aio", block_aio_names[options->aio]);
    }
    json_object_object_add(file, "read-only", json_object_new_boolean(options->read_only));
    add_string(image, "driver", format);
    add_string(image, "node-name", "image");
    add_string(image, "discard", discard);
    json_object_object_add(image, "cache", json_object_get(cache));
    json_object_object_add(image, "read-only", json_object_new_boolean(options->read_only));
    json_object_object_add(image, "file", file);
    if (options->no_backing) {
        json_object_object_add(image, "backing", NULL);
    }
    return g_strdup(json_object_to_json_string_ext(image, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE));
}

/*
 * A group of its own: C-c on the terminal is for the VMM, which then ends the daemon when nobody
 * writes any more.
 */
static void in_child(gpointer opaque)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static bool spawn(Daemon *daemon, const char *program, const char *format,
                  const BlockFileOptions *options, int listener, GError **errp)
{
    g_autofree char *image = describe_image(format, options);
    g_autofree char *server = g_strdup_printf("addr.type=fd,addr.str=%d", LISTENER_FD);
    g_autofree char *export =
        g_strdup_printf("type=nbd,id=export,node-name=image,name=image,writable=%s",
                        options->read_only ? "off" : "on");
    const char *const argv[] = { program, "--blockdev", image, "--nbd-server", server, "--export",
                                 export, NULL };
    const int target = LISTENER_FD;
    g_autoptr(GError) err = NULL;

    if (!g_spawn_async_with_pipes_and_fds(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, in_child,
                                          NULL, -1, -1, -1, &listener, &target, 1, &daemon->pid,
                                          NULL, NULL, NULL, &err)) {
        error_set(errp, "Could not start %s: %s", program, err->message);
        error_hint(errp, "With -sandbox spawn=deny no program can be started: start it yourself, "
                         "and use vhost-user-blk-pci");
        return false;
    }
    return true;
}

static bool has_ended(Daemon *daemon, int options, int *status)
{
    pid_t got;

    while ((got = waitpid(daemon->pid, status, options)) < 0 && errno == EINTR) {
    }
    return got != 0;
}

static void end(void *opaque)
{
    Daemon *daemon = opaque;
    int status;

    kill(daemon->pid, SIGTERM);
    for (unsigned ms = 0; !has_ended(daemon, WNOHANG, &status); ms += 10) {
        if (ms >= END_TIMEOUT_MS) {
            report_warning(PROGRAM " does not end: it is killed");
            kill(daemon->pid, SIGKILL);
            has_ended(daemon, 0, &status);
            break;
        }
        g_usleep(10000);
    }
    g_free(daemon);
}

/* ---- The socket ---- */

/* A listening socket that nobody else finds, and a connection to it. */
static bool make_sockets(int *listener, int *connection, GError **errp)
{
    g_autofree char *directory = g_dir_make_tmp("tdx-image-XXXXXX", errp);

    if (!directory) {
        return false;
    }
    g_autofree char *path = g_build_filename(directory, "socket", NULL);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = *listener >= 0 && *connection >= 0 &&
              bind(*listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
              listen(*listener, 1) == 0 &&
              connect(*connection, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (!ok) {
        error_set(errp, "Could not make a socket for " PROGRAM " at '%s': %s", path,
                  g_strerror(errno));
        if (*listener >= 0) {
            close(*listener);
        }
        if (*connection >= 0) {
            close(*connection);
        }
    }
    unlink(path);
    rmdir(directory);
    return ok;
}

static BlockNode *open_image(const char *program, const char *format,
                             const BlockFileOptions *options, GError **errp)
{
    int listener, connection;

    if (!make_sockets(&listener, &connection, errp)) {
        return NULL;
    }
    Daemon *daemon = g_new0(Daemon, 1);
    bool ok = spawn(daemon, program, format, options, listener, errp);
    close(listener);
    if (!ok) {
        close(connection);
        g_free(daemon);
        return NULL;
    }
    BlockNode *node = block_nbd_new(connection, "image", options->filename, options->read_only,
                                    START_TIMEOUT_S, (NbdEnd){end, daemon}, NULL);
    if (!node) {
        end(daemon);
        error_set(errp, "Could not open '%s': " PROGRAM " does not serve it as %s",
                  options->filename, format);
        error_hint(errp, "Its own message says why");
        return NULL;
    }
    node->discard_granularity = options->discard ? DISCARD_GRANULARITY : 0;
    return node;
}

BlockNode *block_image_open(const char *format, const BlockFileOptions *options, GError **errp)
{
    g_autofree char *program = g_find_program_in_path(PROGRAM);

    if (!program) {
        error_set(errp,
                  "Could not open '%s': images of format %s need " PROGRAM
                  ", which is not installed",
                  options->filename, format);
        error_hint(errp,
                   "Install the package qemu-utils (Debian 12: qemu-system-common), or convert the "
                   "image: qemu-img convert -O raw");
        return NULL;
    }
    /* What is wrong with the file is said here, and not by another program. */
    if (access(options->filename, options->read_only ? R_OK : R_OK | W_OK) < 0) {
        error_set(errp, "Could not open '%s': %s", options->filename, g_strerror(errno));
        return NULL;
    }
    return open_image(program, format, options, errp);
}
