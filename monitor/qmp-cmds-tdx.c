/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the TD and the host's TDX. */
#include "monitor-internal.h"
#include "util/error.h"

/* Is there a TD? False: *errp says that the machine has none. */
static bool context_has_td(const QapiContext *context, GError **errp)
{
    return context->plan || error_set(errp, "The machine '%s' is no TD", context->machine);
}

char *context_mrtd(QapiContext *context)
{
    if (!context->has_mrtd) {
        tdx_plan_mrtd(context->plan, context->mrtd);
        context->has_mrtd = true;
    }
    return tdx_measurement_hex(context->mrtd);
}

const char *context_tdx_state(const QapiContext *context)
{
    switch (runstate_get(context->runstate)) {
    case QAPI_RUN_STATE_PRELAUNCH:
        return "finalized";
    case QAPI_RUN_STATE_GUEST_PANICKED:
    case QAPI_RUN_STATE_INTERNAL_ERROR:
        return "dead";
    default:
        return "runnable";
    }
}

static void add_u64(JsonValue *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

static void add_digest(JsonValue *object, const char *name,
                       const uint8_t digest[TDX_MEASUREMENT_SIZE])
{
    g_autofree char *hex = tdx_measurement_hex(digest);

    json_object_object_add(object, name, json_object_new_string(hex));
}

static JsonValue *vmcall_counts(const TdxVmcallCounts *c)
{
    JsonValue *counts = json_object_new_object();

    add_u64(counts, "map-gpa", c->map_gpa);
    add_u64(counts, "get-quote", c->get_quote);
    add_u64(counts, "get-td-vm-call-info", c->get_info);
    add_u64(counts, "setup-event-notify-interrupt", c->setup_event_notify);
    add_u64(counts, "report-fatal-error", c->report_fatal_error);
    add_u64(counts, "unknown", c->unknown);
    add_u64(counts, "io", c->io);
    add_u64(counts, "mmio", c->mmio);
    return counts;
}

static JsonValue *memory_info(const KvmMemoryStats *m)
{
    JsonValue *info = json_object_new_object();

    add_u64(info, "private", m->private_bytes);
    add_u64(info, "shared", m->shared_bytes);
    add_u64(info, "to-private", m->to_private);
    add_u64(info, "to-shared", m->to_shared);
    add_u64(info, "to-private-bytes", m->to_private_bytes);
    add_u64(info, "to-shared-bytes", m->to_shared_bytes);
    return info;
}

static JsonValue *quote_info(const TdxQuoteStats *q)
{
    JsonValue *info = json_object_new_object();

    add_u64(info, "requests", q->requests);
    add_u64(info, "succeeded", q->succeeded);
    add_u64(info, "failed", q->failed);
    add_u64(info, "in-flight", q->in_flight);
    if (q->last_error[0]) {
        /* of a service, cut to a length */
        g_autofree char *text = g_utf8_make_valid(q->last_error, -1);
        json_object_object_add(info, "last-error", json_object_new_string(text));
    }
    return info;
}

static JsonValue *fatal_error(const TdxFatalError *e)
{
    JsonValue *info = json_object_new_object();

    add_u64(info, "error-code", e->code);
    json_object_object_add(info, "message", json_object_new_string(e->text));
    if (e->has_gpa) {
        add_u64(info, "gpa", e->gpa);
    }
    return info;
}

static void add_stats(JsonValue *info, const QapiContext *context)
{
    TdxTdStats stats = { 0 };

    if (*context->td) {
        tdx_td_stats(*context->td, &stats);
    }
    json_object_object_add(info, "vmcalls", vmcall_counts(&stats.vmcalls));
    json_object_object_add(info, "memory", memory_info(&stats.memory));
    json_object_object_add(info, "quotes", quote_info(&stats.quotes));
    if (stats.has_fatal_error) {
        json_object_object_add(info, "fatal-error", fatal_error(&stats.fatal_error));
    }
}

bool qmp_query_tdx(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const TdxPlan *plan = context->plan;

    if (!context_has_td(context, errp)) {
        return false;
    }
    g_autofree char *mrtd = context_mrtd(context);
    JsonValue *info = json_object_new_object();

    json_object_object_add(info, "state", json_object_new_string(context_tdx_state(context)));
    add_u64(info, "attributes", plan->attributes);
    add_u64(info, "xfam", plan->xfam);
    json_object_object_add(info, "gpaw", json_object_new_int64(plan->gpaw));
    add_u64(info, "tsc-khz", plan->tsc_khz);
    json_object_object_add(info, "mrtd", json_object_new_string(mrtd));
    add_digest(info, "mrconfigid", plan->mrconfigid);
    add_digest(info, "mrowner", plan->mrowner);
    add_digest(info, "mrownerconfig", plan->mrownerconfig);
    add_stats(info, context);
    *result = info;
    return true;
}

bool qmp_query_tdx_capabilities(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                GError **errp)
{
    g_autoptr(TdxCapabilities) asked = NULL;
    const TdxCapabilities *caps = context->caps;

    if (!caps) { /* a TD that lives for the question */
        if (!context->kvm) {
            return error_set(errp, "TDX needs KVM, and there is none here");
        }
        caps = asked = tdx_host_capabilities(context->kvm, errp);
        if (!caps) {
            return false;
        }
    }
    JsonValue *info = json_object_new_object();

    add_u64(info, "attributes", caps->supported_attrs);
    add_u64(info, "xfam", caps->supported_xfam);
    json_object_object_add(info, "max-vcpus", json_object_new_int64(caps->max_vcpus));
    add_u64(info, "tsc-khz", caps->tsc_khz);
    add_u64(info, "vmcall-info-kernel", caps->kernel_tdvmcallinfo_1_r11);
    add_u64(info, "vmcall-info-user", caps->user_tdvmcallinfo_1_r11);
    json_object_object_add(info, "configurable-cpuid",
                           json_object_new_int64(cpuid_table_size(caps->configurable)));
    *result = info;
    return true;
}
