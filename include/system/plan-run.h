/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-tdx-plan --run: the firmware is executed on a software TDX host, for what only execution
 * tells.
 */
#ifndef SYSTEM_PLAN_RUN_H
#define SYSTEM_PLAN_RUN_H

#include <glib.h>
#include <stdbool.h>

#include "target/i386/kvm/tdx.h"

/*
 * Runs `swtdx measure` with qemu-system-x86_64 and its arguments (argv, after the program's name),
 * both found beside this program or else in PATH. *out: what it printed (text or one line of JSON),
 * to be freed. Takes as long as the guest needs, minutes at most. Errors: a program is missing, or
 * nothing could be measured, or the MRTD is not the plan's; `until` not reached is none: the text
 * says so, and *reached is false.
 */
bool plan_run(const TdxPlan *plan, char **argv, const char *until, bool json, char **out,
              bool *reached, GError **errp);

#endif
