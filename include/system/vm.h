/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One machine with what runs on it (a TD, an ordinary VM, nothing): made from a MachineConfig, run,
 * taken apart. The start-up list of the program is vm_new(). All on the main thread.
 */
#ifndef SYSTEM_VM_H
#define SYSTEM_VM_H

#include "system/options.h"

typedef struct Vm Vm;

/*
 * Everything up to a guest that is launched and whose vCPUs are paused (a TD is finalized);
 * monitors listen. The config is borrowed and must outlive the Vm. NULL: *errp, and nothing is left
 * behind.
 */
Vm *vm_new(const MachineConfig *config, GError **errp);
/* Lets the vCPUs go, unless -S, and serves the main loop until shutdown. The exit status. */
int vm_run(Vm *vm);
/* Ends the guest if there is one. NULL is fine. */
void vm_free(Vm *vm);

#endif
