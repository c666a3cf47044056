/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-system-x86_64: from argv to a running TD. */
#include "system/core/log.h"
#include "system/options.h"
#include "system/vm.h"

static int run(const MachineConfig *config)
{
    g_autoptr(GError) err = NULL;
    Vm *vm = vm_new(config, &err);

    if (!vm) {
        report_error(NULL, err->message);
        return 1;
    }
    int status = vm_run(vm);
    vm_free(vm);
    return status;
}

int main(int argc, char **argv)
{
    g_autoptr(MachineConfig) config = NULL;
    g_autoptr(GError) err = NULL;

    report_program(argv[0]);
    switch (options_parse(argc, argv, &config)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_ERROR:
        return 1;
    case OPTIONS_RUN:
        break;
    }
    if (config->log_items && !log_set(config->log_items, config->log_file, &err)) {
        report_error(NULL, err->message);
        return 1;
    }
    return run(config);
}
