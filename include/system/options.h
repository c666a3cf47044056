/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line as a value: what the user asked for, checked option by option; nothing is opened
 * or started.
 */
#ifndef SYSTEM_OPTIONS_H
#define SYSTEM_OPTIONS_H

#include <glib.h>
#include <stdbool.h>

#include "accel/kvm/kvm.h"
#include "block/block.h"
#include "hw/i386/machine-type.h"
#include "hw/i386/smbios.h"
#include "monitor/monitor.h"
#include "system/process.h"
#include "target/i386/cpu-model.h"
#include "target/i386/kvm/tdx-guest.h"
#include "target/i386/topology.h"
#include "util/fd-sets.h"

#define MAX_SERIAL_PORTS 4
#define Q35_MAX_CPUS 4096

typedef enum Accelerator { ACCELERATOR_NOT_GIVEN, ACCELERATOR_KVM, ACCELERATOR_QTEST } Accelerator;

/* -fw_cfg: a file for the guest, from the command line or from a file of the host. */
typedef struct FwCfgFile {
    char *name, *string, *path; /* one of string and path */
} FwCfgFile;

/* Direct boot, and what else goes into fw_cfg as it is. */
typedef struct BootFiles {
    char *kernel, *initrd, *append, *shim; /* NULL = not given */
    GPtrArray *fw_cfg;                     /* of FwCfgFile, or NULL */
    bool strict;                           /* boot from devices with a bootindex alone */
    bool menu;                             /* the firmware shows its menu for menu_ms */
    unsigned menu_ms;                      /* 0 = the firmware's own time */
    bool fail_given;
    /* from where nothing boots to the next try; -1 = never */
    int fail_ms;
} BootFiles;

/* -add-fd: a descriptor that the parent process left open, for a set. */
typedef struct AddFdOption {
    int fd;
    int64_t set;
    char *text; /* or NULL */
} AddFdOption;

/* The machine's life and who may watch and steer it. */
typedef struct LifeOptions {
    char *name, *uuid, *pidfile;    /* NULL = not given */
    bool start_paused;
    RunStateActions actions;
    GPtrArray *chardevs;            /* of ChardevConfig */
    GPtrArray *monitors;            /* of MonitorConfig */
    bool monitor_given;             /* by -monitor or -mon: none by default */
    GArray *fds;                    /* of AddFdOption */
} LifeOptions;

typedef struct MachineConfig {
    /* the tree of objects: /objects from the start, /machine when the options are complete */
    QomObject *root;
    const QomType *machine_type;    /* NULL = not given */
    GArray *machine_properties;     /* of KeyValPair: what -machine gives, in order */
    Machine *machine_object;        /* /machine; borrowed from the tree */
    BoardMachine *board;            /* the same */
    PcMachine *pc;                  /* the same, unless it is none-machine */
    GPtrArray *objects, *devices;   /* -object and -device (options-object.c) */
    GPtrArray *globals;             /* of QomGlobal */
    GPtrArray *drives;              /* -drive and -blockdev (drive-option.c) */
    bool snapshot;                  /* what is written to a -drive ends with the machine */
    /* of all disks; the program fills in this and the next before they are opened */
    BlockErrorPort *disk_errors;
    BlockFilePort *disk_files;
    char *kernel_irqchip;           /* "on", "off", "split", or NULL = auto */
    Accelerator accelerator;
    /* one of several that were named: that it is not there is no error for -machine none */
    bool accelerator_optional;
    char *kvm_device;               /* NULL = /dev/kvm */
    /* where a test's program is, and the log of it; NULL = not given */
    char *qtest, *qtest_log;
    CpuModelRequest *cpu;           /* NULL = not given */
    CpuTopology topology;
    uint64_t ram_size;
    char *bios;
    GPtrArray *data_dirs;           /* -L: of char *; NULL = none */
    BootFiles boot;
    /* -rtc base=: seconds that the clock is ahead of UTC, or when it begins */
    int64_t rtc_offset;
    bool rtc_begins;                /* rtc_offset is seconds since 1970-01-01 */
    char *serial[MAX_SERIAL_PORTS]; /* ids of chardevs; "none" = no port, NULL = not given */
    SmbiosOptions *smbios;
    bool nographic, display_given, nodefaults;
    LifeOptions life;
    ProcessOptions process;
    char *log_items, *log_file;
    GPtrArray *netdevs;             /* of what options-net.c keeps of each -netdev */
    bool nic_given;                 /* -netdev, -nic, -net: no default card */
    /* the two halves of a network that -net gives, as typed; NULL = not given */
    char *net_nic, *net_backend;
    bool numa_given;                /* the one NUMA node there is */
    uint64_t numa_size;             /* what -numa says of its memory; 0 = nothing */
    const TdxGuestConfig *guest;    /* the one the machine uses, or NULL */
} MachineConfig;

typedef enum OptionsResult {
    OPTIONS_RUN,   /* *config is complete */
    OPTIONS_DONE,  /* help or version was printed: exit 0 */
    OPTIONS_ERROR, /* a message was printed: exit 1 */
} OptionsResult;

/*
 * argv as main() has it; types: the program's. Messages go to stderr with the option and its
 * argument as typed.
 */
OptionsResult options_parse(int argc, char **argv, QomTypes types, MachineConfig **config);
void machine_config_free(MachineConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MachineConfig, machine_config_free)

/* Parts, each one option (options-machine.c, options-object.c). False: *errp. */
void machine_options_init(MachineConfig *config);
void machine_options_clear(MachineConfig *config);
bool option_machine(MachineConfig *config, const char *text, GError **errp);
bool option_accel(MachineConfig *config, const char *text, GError **errp);
bool option_smp(MachineConfig *config, const char *text, GError **errp);
bool option_memory(MachineConfig *config, const char *text, GError **errp);
bool option_numa(MachineConfig *config, const char *text, GError **errp);
/* Objects and devices (options-object.c). */
bool option_object(MachineConfig *config, const char *text, GError **errp);
/* The names, or with a name before ",help" the properties. Caller frees. */
char *accel_help(const char *text);
bool option_device(MachineConfig *config, const char *text, GError **errp);
bool option_global(MachineConfig *config, const char *text, GError **errp);
void object_options_init(MachineConfig *config, QomTypes types);
void object_options_clear(MachineConfig *config);
/* Every -device as an object with its properties; nothing takes effect. */
bool machine_config_create_devices(MachineConfig *config, GError **errp);
/* Objects take effect, those that others name first; then the machine's links are there. */
bool machine_config_complete_objects(const MachineConfig *config, GError **errp);
/* Once the machine's buses are there. */
bool machine_config_plug_devices(const MachineConfig *config, GError **errp);
/* One of the list's elements is "help" or "?". */
bool option_asks_help(const char *text);
/*
 * What "help", "TYPE,help" as the option's argument prints; NULL: the argument asks for no help.
 * Caller frees.
 */
char *object_option_help(QomTypes types, const char *text);
char *device_option_help(QomTypes types, const char *text);
char *machine_option_help(QomTypes types, const char *text);
/* Disks: -drive (options-drive.c), -blockdev (options-blockdev.c). */
bool option_drive(MachineConfig *config, const char *text, GError **errp);
bool option_blockdev(MachineConfig *config, const char *text, GError **errp);
/* Disks as on an IDE bus (options-ide.c). */
bool option_cdrom(MachineConfig *config, const char *filename, GError **errp);
bool option_hda(MachineConfig *config, const char *filename, GError **errp);
bool option_hdb(MachineConfig *config, const char *filename, GError **errp);
bool option_hdc(MachineConfig *config, const char *filename, GError **errp);
bool option_hdd(MachineConfig *config, const char *filename, GError **errp);
/* The devices of CD drives and of an IDE bus's hard disks. */
bool block_options_defaults(MachineConfig *config, GError **errp);
void block_options_init(MachineConfig *config);  /* config->drives and the ports of disks */
void block_options_clear(MachineConfig *config);
/* Opens the disks as block nodes of the tree, before the devices are plugged. */
bool machine_config_open_drives(const MachineConfig *config, GError **errp); /* drives.c */
/*
 * What -blockdev does, and its reverse, while the machine runs; options: an object, as -blockdev
 * takes it in JSON.
 */
bool machine_config_add_drive(const MachineConfig *config, JsonValue *options, GError **errp);
bool machine_config_remove_drive(const MachineConfig *config, const char *name, GError **errp);
/* The network (options-net.c). */
bool option_netdev(MachineConfig *config, const char *text, GError **errp);
bool option_nic(MachineConfig *config, const char *text, GError **errp);
bool option_net(MachineConfig *config, const char *text, GError **errp);
bool net_options_defaults(MachineConfig *config, GError **errp);
void net_options_init(MachineConfig *config);
void net_options_clear(MachineConfig *config);
bool net_options_open(const MachineConfig *config, GError **errp); /* before devices take them */
char *netdev_option_help(QomTypes types, const char *text);
/* Direct boot and fw_cfg (options-boot.c). */
bool option_kernel(MachineConfig *config, const char *text, GError **errp);
bool option_initrd(MachineConfig *config, const char *text, GError **errp);
bool option_append(MachineConfig *config, const char *text, GError **errp);
bool option_shim(MachineConfig *config, const char *text, GError **errp);
bool option_fw_cfg(MachineConfig *config, const char *text, GError **errp);
bool boot_files_check(const BootFiles *boot, GError **errp);
void boot_files_clear(BootFiles *boot);
/* Monitors and the machine's life (options-monitor.c). */
bool option_serial(MachineConfig *config, const char *text, GError **errp);
bool option_monitor(MachineConfig *config, const char *text, GError **errp);
bool option_add_fd(MachineConfig *config, const char *text, GError **errp);
/*
 * Copies of the descriptors of -add-fd, which were left open on purpose and which nothing here
 * opened, go into the sets; then the originals are closed.
 */
bool machine_config_add_fds(const MachineConfig *config, FdSets *sets, GError **errp);
/* The device of -accel kvm, with the descriptors that -add-fd gave. NULL: *errp. */
Kvm *machine_config_open_kvm(const MachineConfig *config, FdSets *sets, GError **errp);
bool option_qmp_pretty(MachineConfig *config, const char *text, GError **errp);
bool option_qmp(MachineConfig *config, const char *text, GError **errp);
bool option_chardev(MachineConfig *config, const char *text, GError **errp);
bool option_debugcon(MachineConfig *config, const char *text, GError **errp);
bool option_mon(MachineConfig *config, const char *text, GError **errp);
bool option_paused(MachineConfig *config, const char *text, GError **errp);
bool option_no_reboot(MachineConfig *config, const char *text, GError **errp);
bool option_no_shutdown(MachineConfig *config, const char *text, GError **errp);
bool option_action(MachineConfig *config, const char *text, GError **errp);
bool option_uuid(MachineConfig *config, const char *text, GError **errp);
void life_options_init(LifeOptions *life);
void life_options_clear(LifeOptions *life);
bool life_options_defaults(MachineConfig *config, GError **errp); /* default devices */
bool life_options_complete(MachineConfig *config, GError **errp);
/* -readconfig (options-config.c). */
bool option_readconfig(MachineConfig *config, const char *path, GError **errp);
/* An option by its name, without its '-' (options.c). False: *errp. */
bool option_apply(MachineConfig *config, const char *name, const char *argument, GError **errp);
/* What management software gives with every machine (options-management.c). */
bool option_rtc(MachineConfig *config, const char *text, GError **errp);
bool option_boot(MachineConfig *config, const char *text, GError **errp);
bool option_watchdog_action(MachineConfig *config, const char *text, GError **errp);
bool option_audiodev(MachineConfig *config, const char *text, GError **errp);
bool option_compat(MachineConfig *config, const char *text, GError **errp);
/* The process on the host (options-process.c). */
bool option_daemonize(MachineConfig *config, const char *text, GError **errp);
bool option_msg(MachineConfig *config, const char *text, GError **errp);
bool option_name(MachineConfig *config, const char *text, GError **errp);
bool option_overcommit(MachineConfig *config, const char *text, GError **errp);
bool option_pidfile(MachineConfig *config, const char *text, GError **errp);
bool option_run_with(MachineConfig *config, const char *text, GError **errp);
bool option_sandbox(MachineConfig *config, const char *text, GError **errp);
/*
 * What to write instead of an option or a machine property that is not there (options-absent.c).
 * NULL: not known.
 */
const char *option_instead(const char *name);
const char *machine_property_instead(const char *name);
/* What monitors tell of options and machines (options-info.c). */
const OptionInfo *option_infos(void);
const MachineInfo *machine_infos(void);
/* -machine none: a program for questions, without a guest. After machine_config_complete(). */
bool machine_is_none(const MachineConfig *config);
/* What only shows when every option is known: links, defaults, contradictions. */
bool machine_config_complete(MachineConfig *config, GError **errp);

#endif
