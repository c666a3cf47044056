/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line as a value: what the user asked for, checked option by option; nothing is opened or started. */
#ifndef SYSTEM_OPTIONS_H
#define SYSTEM_OPTIONS_H

#include <glib.h>
#include <stdbool.h>

#include "target/i386/cpu-model.h"
#include "target/i386/kvm/tdx-guest.h"
#include "target/i386/topology.h"

#define MAX_SERIAL_PORTS 4

typedef enum Tristate { AUTO, ON, OFF } Tristate;

typedef struct MachineConfig {
    char *machine;                  /* canonical name, "pc-q35-11.1" */
    char *confidential_guest_id;    /* id of the object, or NULL */
    char *kernel_irqchip;           /* "on", "off", "split", or NULL = auto */
    Tristate smm, pic;
    char *accel;                    /* "kvm", or NULL = not given */
    CpuModelRequest *cpu;           /* NULL = not given */
    CpuTopology topology;
    uint64_t ram_size;
    char *bios;
    char *serial[MAX_SERIAL_PORTS]; /* specifications for chardev_open; NULL = no port */
    bool nographic, nodefaults, no_reboot;
    char *log_items, *log_file;
    GPtrArray *guests;              /* of TdxGuestConfig: every -object tdx-guest */
    const TdxGuestConfig *guest;    /* the one the machine uses, or NULL */
} MachineConfig;

typedef enum OptionsResult {
    OPTIONS_RUN,   /* *config is complete */
    OPTIONS_DONE,  /* help or version was printed: exit 0 */
    OPTIONS_ERROR, /* a message was printed: exit 1 */
} OptionsResult;

/* argv as main() has it. Messages go to stderr with the option and its argument as typed. */
OptionsResult options_parse(int argc, char **argv, MachineConfig **config);
void machine_config_free(MachineConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MachineConfig, machine_config_free)

/* Parts, each one option (options-machine.c, options-object.c). False: *errp. */
bool option_machine(MachineConfig *config, const char *text, GError **errp);
bool option_accel(MachineConfig *config, const char *text, GError **errp);
bool option_smp(MachineConfig *config, const char *text, GError **errp);
bool option_memory(MachineConfig *config, const char *text, GError **errp);
bool option_object(MachineConfig *config, const char *text, GError **errp);
char *machine_help(void);
char *object_help(void);
char *tdx_guest_help(void);
/* What only shows when every option is known: links, defaults, contradictions. */
bool machine_config_complete(MachineConfig *config, GError **errp);

#endif
