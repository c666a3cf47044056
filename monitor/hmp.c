/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few commands for people that scripts send through human-monitor-command. Lines end in CR LF, as there. */
#include <inttypes.h>
#include <string.h>

#include "config-host.h"
#include "monitor-internal.h"

static void info_status(QapiContext *context, GString *out)
{
    QapiRunState now = runstate_get(context->runstate);

    g_string_append(out, now == QAPI_RUN_STATE_RUNNING ? "VM status: running" : "VM status: paused");
    if (now != QAPI_RUN_STATE_RUNNING && now != QAPI_RUN_STATE_PAUSED) {
        g_string_append_printf(out, " (%s)", qapi_RunState_names[now]);
    }
    g_string_append(out, "\r\n");
}

static void info_version(QapiContext *context, GString *out)
{
    g_string_append_printf(out, "%s (%s)\r\n", QEMU_INTERFACE_VERSION, PACKAGE);
}

static void info_name(QapiContext *context, GString *out)
{
    if (context->name) {
        g_string_append_printf(out, "%s\r\n", context->name);
    }
}

static void info_uuid(QapiContext *context, GString *out)
{
    g_string_append_printf(out, "%s\r\n", context->uuid ? context->uuid : "00000000-0000-0000-0000-000000000000");
}

static void info_kvm(QapiContext *context, GString *out)
{
    g_string_append(out, context->kvm ? "kvm support: enabled\r\n" : "kvm support: disabled\r\n");
}

static void info_tdx(QapiContext *context, GString *out)
{
    const TdxPlan *plan = context->plan;

    if (!plan) {
        g_string_append(out, "this machine is no TD\r\n");
        return;
    }
    g_autofree char *mrtd = context_mrtd(context);
    TdxVmcallCounts c = { 0 };

    if (*context->td) {
        tdx_td_vmcall_counts(*context->td, &c);
    }
    g_string_append_printf(out, "state: %s\r\nattributes: 0x%" PRIx64 "\r\nXFAM: 0x%" PRIx64 "\r\n", context_tdx_state(context),
                           plan->attributes, plan->xfam);
    g_string_append_printf(out, "guest physical address width: %u\r\nMRTD: %s\r\n", plan->gpaw, mrtd);
    g_string_append_printf(out, "TDVMCALLs: MapGPA %" PRIu64 ", GetQuote %" PRIu64 ", GetTdVmCallInfo %" PRIu64
                           ", SetupEventNotifyInterrupt %" PRIu64 ", ReportFatalError %" PRIu64 ", unknown %" PRIu64 "\r\n",
                           c.map_gpa, c.get_quote, c.get_info, c.setup_event_notify, c.report_fatal_error, c.unknown);
}

static const struct {
    const char *name;
    void (*run)(QapiContext *context, GString *out);
} infos[] = {
    { "kvm", info_kvm }, { "name", info_name }, { "status", info_status },
    { "tdx", info_tdx }, { "uuid", info_uuid }, { "version", info_version },
};

char *hmp_command(QapiContext *context, const char *line)
{
    GString *out = g_string_new(NULL);
    g_autofree char *text = g_strstrip(g_strdup(line));
    bool found = false;

    for (unsigned i = 0; i < G_N_ELEMENTS(infos); i++) {
        g_autofree char *command = g_strconcat("info ", infos[i].name, NULL);
        if (!strcmp(text, command)) {
            infos[i].run(context, out);
            found = true;
        }
    }
    if (!found) {
        g_string_append_printf(out, "unknown command: '%s'\r\n", text);
    }
    return g_string_free(out, FALSE);
}
