/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP queries about block devices, of which this machine has none. */
#include "monitor-internal.h"

static bool nothing(JsonValue **result)
{
    *result = json_object_new_array();
    return true;
}

bool qmp_query_block(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return nothing(result);
}

bool qmp_query_named_block_nodes(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return nothing(result);
}

bool qmp_query_blockstats(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return nothing(result);
}

bool qmp_query_jobs(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return nothing(result);
}
