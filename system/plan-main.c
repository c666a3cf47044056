/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-tdx-plan: the same arguments, nothing started; everything a launch would do, as text. */
#include <stdio.h>

#include "accel/kvm/kvm.h"
#include "system/core/log.h"
#include "system/firmware.h"
#include "system/options.h"
#include "target/i386/kvm/tdx.h"

/* The host's capabilities, or NULL after saying on stderr why the CPUID part will be missing. */
static TdxCapabilities *host_capabilities(void)
{
    g_autoptr(GError) err = NULL;
    Kvm *kvm = kvm_open(&err);
    TdxCapabilities *caps = kvm ? tdx_host_capabilities(kvm, &err) : NULL;

    if (!caps) {
        g_autofree char *text = g_strdup_printf("no TDX host here, so CPUID, XFAM and TSC are not planned: %s", err->message);
        report_warning(text);
    }
    if (kvm) {
        kvm_close(kvm);
    }
    return caps;
}

static int print_plan(const MachineConfig *config, GBytes *firmware, const char *path)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(TdxCapabilities) caps = host_capabilities();
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

    if (!plan) {
        report_error(NULL, err->message);
        return 1;
    }
    g_autofree char *text = tdx_plan_format(plan);
    fputs(text, stdout);
    for (unsigned i = 0; i < plan->warnings->len; i++) {
        report_warning(g_ptr_array_index(plan->warnings, i));
    }
    return 0;
}

int main(int argc, char **argv)
{
    g_autoptr(MachineConfig) config = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(GBytes) firmware = NULL;
    g_autofree char *path = NULL;

    report_program(argv[0]);
    switch (options_parse(argc, argv, &config)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_ERROR:
        return 1;
    case OPTIONS_RUN:
        break;
    }
    firmware = firmware_read(config->bios, &path, &err);
    if (!firmware) {
        report_error(NULL, err->message);
        return 1;
    }
    return print_plan(config, firmware, path);
}
