/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that cannot work with a TD: each says why, and what there is instead. */
#include "monitor-internal.h"
#include "util/error.h"

static const char no_migration[] = "a TD cannot be migrated, saved or restored: the keys of its "
                                   "memory stay in this host's processor; shut the guest down and "
                                   "start it on the other host";

/* What is so with a TD holds of this program's other machines too, but for the reason. */
static const char *reason(const QapiContext *context, const char *of_td)
{
    return context->plan ? of_td
                         : "this program is for TDs, of which this cannot be had, and it does it "
                           "for no other machine either";
}

bool qmp_query_migrate_capabilities(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                    GError **errp)
{
    JsonValue *entry = json_object_new_object();

    json_object_object_add(entry, "capability", json_object_new_string("events"));
    json_object_object_add(entry, "state", json_object_new_boolean(context->migration_events));
    *result = json_object_new_array();
    json_object_array_add(*result, entry);
    return true;
}

bool qmp_migrate_set_capabilities(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                  GError **errp)
{
    JsonValue *list = json_object_object_get(arguments, "capabilities");

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        JsonValue *entry = json_object_array_get_idx(list, i);

        context->migration_events = json_object_get_boolean(json_object_object_get(entry, "state"));
    }
    return true;
}

bool qmp_query_migrate(QapiContext *context, JsonValue *arguments, JsonValue **result,
                       GError **errp)
{
    JsonValue *reasons = json_object_new_array();

    json_object_array_add(reasons, json_object_new_string(reason(context, no_migration)));
    *result = json_object_new_object();
    json_object_object_add(*result, "blocked-reasons", reasons);
    return true;
}

bool qmp_migrate(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return error_set(errp, "%s", reason(context, no_migration));
}

bool qmp_inject_nmi(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return error_set(errp, "%s",
                     reason(context, "a TD takes no NMI from its host; make the guest's kernel "
                                     "panic from inside (sysrq-trigger), or use system_reset"));
}

/* What a dump would hold is ciphertext, or zeroes: the shared half's. */
static bool no_memory(const QapiContext *context, GError **errp)
{
    return error_set(errp, "%s",
                     reason(context, "a TD's memory cannot be read from outside; have the guest "
                                     "write its dump itself (kdump)"));
}

bool qmp_dump_guest_memory(QapiContext *context, JsonValue *arguments, JsonValue **result,
                           GError **errp)
{
    return no_memory(context, errp);
}

bool qmp_memsave(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return no_memory(context, errp);
}

bool qmp_pmemsave(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return no_memory(context, errp);
}

bool qmp_query_sev(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    static const char *const numbers[] = { "api-major", "api-minor", "build-id", "policy",
                                           "handle" };

    *result = json_object_new_object();
    json_object_object_add(*result, "enabled", json_object_new_boolean(false));
    json_object_object_add(*result, "state", json_object_new_string("uninit"));
    json_object_object_add(*result, "sev-type", json_object_new_string("sev"));
    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++) {
        json_object_object_add(*result, numbers[i], json_object_new_int(0));
    }
    return true;
}

bool qmp_query_sev_capabilities(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                GError **errp)
{
    return error_set(errp, "SEV is not available: this program launches TDs (query-tdx)");
}

/* Intel SDM vol. 3D: SGX is not there in TDX non-root mode. */
static bool no_sgx(GError **errp)
{
    return error_set(errp, "No EPC regions defined, SGX not available: a TD has no enclaves");
}

bool qmp_query_sgx(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return no_sgx(errp);
}

bool qmp_query_sgx_capabilities(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                GError **errp)
{
    return no_sgx(errp);
}
