/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-tdx-plan: the same arguments, nothing started; everything a launch would do, as text or JSON. */
#include <stdio.h>
#include <string.h>

#include "accel/kvm/kvm.h"
#include "system/core/log.h"
#include "system/firmware.h"
#include "system/options.h"
#include "system/types.h"
#include "target/i386/kvm/tdx.h"

/* The host's KVM and capabilities, or NULL after saying on stderr why the CPUID part will be missing. */
static TdxCapabilities *host_capabilities(Kvm **kvm)
{
    g_autoptr(GError) err = NULL;

    *kvm = kvm_open(&err);
    TdxCapabilities *caps = *kvm ? tdx_host_capabilities(*kvm, &err) : NULL;

    if (!caps) {
        g_autofree char *text = g_strdup_printf("no TDX host here, so CPUID, XFAM and TSC are not planned: %s",
                                                err->message);
        report_warning(text);
    }
    return caps;
}

/* Warnings are part of what is printed. A TD that a launch would refuse is shown too, and then the reason. */
static int print_plan(TdxPlan *plan, Kvm *kvm, const TdxCapabilities *caps, bool json)
{
    g_autoptr(GError) err = NULL;
    bool ok = !caps || tdx_settle_on_host(kvm, plan, caps, &err);
    g_autofree char *text = json ? tdx_plan_format_json(plan) : tdx_plan_format(plan);

    printf("%s%s", text, json ? "\n" : "");
    if (!ok) {
        report_error(NULL, err->message);
    }
    return ok ? 0 : 1;
}

static int make_plan(const MachineConfig *config, GBytes *firmware, const char *path, bool json)
{
    g_autoptr(GError) err = NULL;
    Kvm *kvm;
    g_autoptr(TdxCapabilities) caps = host_capabilities(&kvm);
    TdxPlanInput input = {
        .guest = config->guest,
        .cpu = config->cpu,
        .topology = &config->topology,
        .ram_size = config->ram_size,
        .firmware = firmware_bytes(firmware),
        .firmware_name = path,
        .caps = caps,
    };
    g_autoptr(TdxPlan) plan = tdx_plan_new(&input, &err);
    int status = 1;

    if (plan) {
        status = print_plan(plan, kvm, caps, json);
    } else {
        report_error(NULL, err->message);
    }
    g_clear_pointer(&kvm, kvm_close);
    return status;
}

/* The tool's own options stand before those of the VMM, which are the rest. */
static bool own_options(int *argc, char **argv)
{
    bool json = *argc > 1 && strcmp(argv[1], "--json") == 0;

    if (json) {
        memmove(&argv[1], &argv[2], (size_t)(*argc - 1) * sizeof(*argv));
        (*argc)--;
    }
    if (*argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "-help") || !strcmp(argv[1], "--help"))) {
        printf("%-52s %s\n\nAfter it, the arguments of a launch:\n", "--json",
               "first argument: print the plan as JSON");
    }
    return json;
}

int main(int argc, char **argv)
{
    g_autoptr(MachineConfig) config = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(GBytes) firmware = NULL;
    g_autofree char *path = NULL;

    report_program(argv[0]);
    bool json = own_options(&argc, argv);
    switch (options_parse(argc, argv, program_types, &config)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_ERROR:
        return 1;
    case OPTIONS_RUN:
        break;
    }
    if (machine_is_none(config)) {
        report_error(NULL, "-machine none launches nothing: there is nothing to plan");
        return 1;
    }
    firmware = firmware_read(config->bios, &path, &err);
    if (!firmware) {
        report_error(NULL, err->message);
        return 1;
    }
    return make_plan(config, firmware, path, json);
}
