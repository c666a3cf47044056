/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-system-x86_64: from argv to a running machine. */
#include <signal.h>

#include "system/core/log.h"
#include "system/options.h"
#include "system/process.h"
#include "system/types.h"
#include "system/vm.h"

/* ready: where a parent waits for the machine to be there, or -1. */
static int run(const MachineConfig *config, int ready)
{
    g_autoptr(GError) err = NULL;
    Vm *vm = vm_new(config, &err);

    if (!vm) {
        report_error(NULL, err->message);
        return 1;
    }
    if (ready >= 0) {
        process_ready(ready);
    }
    int status = vm_run(vm);
    vm_free(vm);
    return status;
}

int main(int argc, char **argv)
{
    g_autoptr(MachineConfig) config = NULL;
    g_autoptr(GError) err = NULL;
    int ready = -1;

    process_fill_standard_files();
    /*
     * A file that a guest makes larger than ulimit -f allows is a failed write (EFBIG), not the end
     * of the program.
     */
    signal(SIGXFSZ, SIG_IGN);
    report_program(argv[0]);
    switch (options_parse(argc, argv, program_types, &config)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_ERROR:
        return 1;
    case OPTIONS_RUN:
        break;
    }
    report_style(config->process.timestamps,
                 config->process.guest_names ? config->life.name : NULL);
    if (config->process.daemonize && (ready = process_daemonize(&err)) < 0) {
        report_error(NULL, err->message);
        return 1;
    }
    if (config->log_items && !log_set(config->log_items, config->log_file, &err)) {
        report_error(NULL, err->message);
        return 1;
    }
    return run(config, ready);
}
