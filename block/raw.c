/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The raw format: a node that is the node below it, under another name. */
#include "block/block.h"

static void submit(BlockNode *node, BlockRequest *request)
{
    block_forward(node->data, request);
}

static void kick(BlockNode *node)
{
    block_kick(node->data);
}

static int completion_fd(const BlockNode *node)
{
    return block_completion_fd(node->data);
}

static void reap(BlockNode *node)
{
    block_reap(node->data);
}

static bool resize(BlockNode *node, uint64_t size, GError **errp)
{
    return block_resize(node->data, size, errp);
}

static void close_raw(BlockNode *node)
{
    BlockNode *below = node->data;

    below->object.users--;
    qom_object_unref(&below->object);
}

static bool claim(BlockNode *node, unsigned used, unsigned unshared, GError **errp)
{
    return block_forward_claim(node->data, used, unshared, errp);
}

static const BlockDriver raw_driver = {
    .name = "raw", .submit = submit, .kick = kick, .completion_fd = completion_fd, .reap = reap,
    .claim = claim, .resize = resize,
    .close = close_raw,
};

BlockNode *block_raw_new(BlockNode *below, bool read_only)
{
    BlockNode *node = block_node_new(&raw_driver, below, block_size(below),
                                     read_only || below->read_only);

    qom_object_ref(&below->object);
    below->object.users++;
    node->filename = g_strdup(below->filename);
    node->direct = below->direct;
    node->no_flush = below->no_flush;
    node->discard_granularity = below->discard_granularity;
    return node;
}

const BlockNode *block_raw_below(const BlockNode *node)
{
    return node->driver == &raw_driver ? node->data : NULL;
}
