/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-tdx-plan: the same arguments; everything a launch would do, as text or JSON. Nothing is
 * started, but with --run.
 */
#include <stdio.h>
#include <string.h>

#include "accel/kvm/kvm.h"
#include "system/core/log.h"
#include "system/boot.h"
#include "system/firmware.h"
#include "system/options.h"
#include "system/plan-run.h"
#include "system/types.h"
#include "target/i386/kvm/tdx.h"

/* The tool's own options. */
typedef struct PlanOptions {
    bool json, run;
    const char *until;
    char **arguments; /* the VMM's, behind argv[0] */
} PlanOptions;

/*
 * The host's KVM and capabilities, or NULL after saying on stderr why the CPUID part will be
 * missing.
 */
static TdxCapabilities *host_capabilities(const MachineConfig *config, FdSets *sets, Kvm **kvm)
{
    g_autoptr(GError) err = NULL;

    *kvm = machine_config_open_kvm(config, sets, &err);
    TdxCapabilities *caps = *kvm ? tdx_host_capabilities(*kvm, &err) : NULL;

    if (!caps) {
        g_autofree char *text = g_strdup_printf(
            "no TDX host here, so CPUID, XFAM and TSC are not planned: %s", err->message);
        report_warning(text);
    }
    return caps;
}

/*
 * One object, or with --run one that holds the plan and what `swtdx measure` printed, which ends
 * with a newline.
 */
static void print_json(const TdxPlan *plan, const PlanOptions *options, const char *measured)
{
    g_autofree char *text = tdx_plan_format_json(plan);

    if (options->run) {
        printf("{\"plan\":%s,\"run\":%.*s}\n", text, measured ? (int)strcspn(measured, "\n") : 4,
               measured ? measured : "null");
    } else {
        printf("%s\n", text);
    }
}

static void print_text(const TdxPlan *plan, const char *measured)
{
    g_autofree char *text = tdx_plan_format(plan);

    printf("%s", text);
    if (measured) {
        printf("\nExecuted by swtdx\n\n%s", measured);
    }
}

/*
 * Warnings are part of what is printed. A TD that a launch would refuse is shown too, and then the
 * reason.
 */
static int print_plan(TdxPlan *plan, Kvm *kvm, const TdxCapabilities *caps,
                      const PlanOptions *options)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *measured = NULL;
    bool ok = !caps || tdx_settle_on_host(kvm, plan, caps, &err), reached = true;

    if (ok && options->run) {
        ok = plan_run(plan, options->arguments, options->until, options->json, &measured, &reached,
                      &err);
    }
    if (options->json) {
        print_json(plan, options, measured);
    } else {
        print_text(plan, measured);
    }
    if (!ok) {
        report_error(NULL, err->message);
    } else if (!reached) {
        g_autofree char *text = g_strdup_printf(
            "--until %s: the guest did not get there; what it measured is printed", options->until);
        report_error(NULL, text);
    }
    return ok && reached ? 0 : 1;
}

static int make_plan(const MachineConfig *config, GBytes *firmware, const char *path,
                     const PlanOptions *options)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(FdSets) sets = fd_sets_new();
    Kvm *kvm;

    if (!machine_config_add_fds(config, sets, &err)) {
        report_error(NULL, err->message);
        return 1;
    }
    g_autoptr(TdxCapabilities) caps = host_capabilities(config, sets, &kvm);
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
        status = print_plan(plan, kvm, caps, options);
    } else {
        report_error(NULL, err->message);
    }
    g_clear_pointer(&kvm, kvm_close);
    return status;
}

static void print_own_help(void)
{
    printf("%-52s %s\n%-52s %s\n%-52s %s\n\nAfter them, the arguments of a launch:\n", "--json",
           "print the plan as JSON", "--run",
           "execute the guest in swtdx: RTMRs and event log, too", "--until=WHAT",
           "with --run, where to stop: EBS (default), launch, an event (swtdx(1))");
}

/* They stand before those of the VMM, which are the rest. */
static PlanOptions own_options(int *argc, char **argv)
{
    PlanOptions options = { .until = "EBS", .arguments = argv + 1 };
    int n = 1;

    for (; n < *argc; n++) {
        if (!strcmp(argv[n], "--json")) {
            options.json = true;
        } else if (!strcmp(argv[n], "--run")) {
            options.run = true;
        } else if (g_str_has_prefix(argv[n], "--until=")) {
            options.until = argv[n] + strlen("--until=");
        } else {
            break;
        }
    }
    memmove(&argv[1], &argv[n], (size_t)(*argc - n + 1) * sizeof(*argv));
    *argc -= n - 1;
    if (*argc > 1 &&
        (!strcmp(argv[1], "-h") || !strcmp(argv[1], "-help") || !strcmp(argv[1], "--help"))) {
        print_own_help();
    }
    return options;
}

int main(int argc, char **argv)
{
    g_autoptr(MachineConfig) config = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(GBytes) firmware = NULL;
    g_autofree char *path = NULL;

    report_program(argv[0]);
    PlanOptions options = own_options(&argc, argv);
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
    if (!boot_check(&config->boot, config->ram_size, &err)) {
        report_error(NULL, err->message);
        return 1;
    }
    return make_plan(config, firmware, path, &options);
}
