/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block nodes in answers: BlockDeviceInfo and BlockDeviceStats of qapi/block.json. */
#ifndef MONITOR_QMP_BLOCK_INFO_H
#define MONITOR_QMP_BLOCK_INFO_H

#include "block/block.h"
#include "util/json.h"

/* The caller's. */
JsonValue *block_node_json(const BlockNode *node);
JsonValue *block_stats_json(const BlockNode *node);

#endif
