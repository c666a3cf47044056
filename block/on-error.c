/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What follows from errors of disks: the guest is told, or not, or the machine stops and requests
 * wait to be tried again; and requests that come while it stands.
 */
#include "block-internal.h"

#include <errno.h>

const char *const block_on_error_names[] = { "auto", "report", "ignore", "enospc", "stop", NULL };

void block_set_on_error(BlockClient *client, BlockOnError on_read, BlockOnError on_write,
                        const char *path)
{
    const BlockNode *node = client->node;
    BlockOnError *on = client->on_error;

    client->has_policy = true;
    on[0] = on_read != BLOCK_ON_ERROR_AUTO ? on_read : node->on_read_error;
    on[1] = on_write != BLOCK_ON_ERROR_AUTO ? on_write : node->on_write_error;
    on[0] = on[0] != BLOCK_ON_ERROR_AUTO ? on[0] : BLOCK_ON_ERROR_REPORT;
    on[1] = on[1] != BLOCK_ON_ERROR_AUTO ? on[1] : BLOCK_ON_ERROR_ENOSPC;
    client->path = g_strdup(path);
    if (on[0] == BLOCK_ON_ERROR_STOP || on[1] == BLOCK_ON_ERROR_ENOSPC ||
        on[1] == BLOCK_ON_ERROR_STOP) {
        client->status = BLOCK_IO_STATUS_OK;
    }
}

static BlockErrorAction choose_action(BlockOnError on_error, int error)
{
    switch (on_error) {
    case BLOCK_ON_ERROR_IGNORE:
        return BLOCK_ACTION_IGNORE;
    case BLOCK_ON_ERROR_STOP:
        return BLOCK_ACTION_STOP;
    case BLOCK_ON_ERROR_ENOSPC:
        return error == ENOSPC ? BLOCK_ACTION_STOP : BLOCK_ACTION_REPORT;
    default:
        return BLOCK_ACTION_REPORT;
    }
}

BlockIoError block_client_judge(const BlockClient *client, const BlockRequest *request, int error)
{
    const BlockNode *node = client->node;
    bool is_write = request->op != BLOCK_READ;
    BlockErrorAction action = choose_action(client->on_error[is_write], error);

    if (action == BLOCK_ACTION_STOP && !(node->errors && node->errors->failed)) {
        action = BLOCK_ACTION_REPORT; /* there is nobody who would go on */
    }
    return (BlockIoError) {
        .path = client->path, .node_name = node->object.name ? node->object.name : "",
        .is_write = is_write, .action = action,
        .error = error,
    };
}

void block_client_tell(const BlockClient *client, const BlockIoError *what)
{
    const BlockErrorPort *port = client->node->errors;

    if (port && port->failed) {
        port->failed(port->opaque, what);
    }
}

static void append_held(BlockClient *client, BlockRequest *request)
{
    request->next = NULL;
    *client->held_end = request;
    client->held_end = &request->next;
}

void block_client_postpone(BlockClient *client, BlockRequest *request)
{
    request->result = -ECANCELED; /* if it never comes to that */
    append_held(client, request);
}

void block_client_hold(BlockClient *client, BlockRequest *request, int error)
{
    append_held(client, request);
    if (client->status == BLOCK_IO_STATUS_OK) {
        client->status = error == ENOSPC ? BLOCK_IO_STATUS_NOSPACE : BLOCK_IO_STATUS_FAILED;
    }
}

static BlockRequest *take_held(BlockClient *client)
{
    BlockRequest *list = client->held;

    client->held = NULL;
    client->held_end = &client->held;
    return list;
}

void block_client_end_held(BlockClient *client)
{
    for (BlockRequest *next, *request = take_held(client); request; request = next) {
        next = request->next;
        block_client_append_done(client, request);
    }
}

static void retry_client(BlockClient *client)
{
    g_mutex_lock(&client->lock);
    client->paused = false;
    BlockRequest *list = take_held(client);
    for (const BlockRequest *request = list; request; request = request->next) {
        client->running++;
    }
    if (client->status != BLOCK_IO_STATUS_NONE) {
        client->status = BLOCK_IO_STATUS_OK;
    }
    g_mutex_unlock(&client->lock);
    for (BlockRequest *next; list; list = next) {
        next = list->next;
        block_forward(client->node, list);
    }
    block_kick(client->node);
}

void block_retry(BlockNode *node)
{
    g_mutex_lock(&node->lock);
    node->paused = false;
    for (guint i = 0; i < node->clients->len; i++) {
        retry_client(node->clients->pdata[i]);
    }
    g_mutex_unlock(&node->lock);
}

BlockIoStatus block_io_status(const BlockNode *node)
{
    BlockIoStatus status = BLOCK_IO_STATUS_NONE;
    GMutex *lock = (GMutex *)&node->lock;

    g_mutex_lock(lock);
    for (guint i = 0; i < node->clients->len; i++) {
        BlockClient *client = node->clients->pdata[i];
        g_mutex_lock(&client->lock);
        status = MAX(status, client->status);
        g_mutex_unlock(&client->lock);
    }
    g_mutex_unlock(lock);
    return status;
}
