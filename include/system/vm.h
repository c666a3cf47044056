/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One machine with its TD: made from a MachineConfig, run, taken apart. The start-up list of the
 * program is vm_new().
 */
#ifndef SYSTEM_VM_H
#define SYSTEM_VM_H

#include "system/options.h"

typedef struct Vm Vm;

/* Everything up to a finalized TD whose vCPUs are paused. The config must outlive the Vm. */
Vm *vm_new(const MachineConfig *config, GError **errp);
/* Runs until shutdown; exit status. */
int vm_run(Vm *vm);
void vm_free(Vm *vm);

#endif
