/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: a table of options, and one function each for what needs more than a line. */
#include "system/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-host.h"
#include "system/core/log.h"
#include "util/error.h"
#include "util/keyval.h"

typedef bool (*OptionFn)(MachineConfig *config, const char *argument, GError **errp);

typedef struct Option {
    const char *name;
    const char *argument; /* as -help shows it; NULL = takes none */
    OptionFn set;
    const char *help;
} Option;

static bool set_string(char **where, const char *value)
{
    g_free(*where);
    *where = g_strdup(value);
    return true;
}

static bool option_cpu(MachineConfig *config, const char *text, GError **errp)
{
    CpuModelRequest *request = cpu_model_parse(text, errp);

    if (!request) {
        return false;
    }
    cpu_model_free(config->cpu);
    config->cpu = request;
    return true;
}

static bool option_bios(MachineConfig *config, const char *text, GError **errp)
{
    return set_string(&config->bios, text);
}

static bool option_data_dir(MachineConfig *config, const char *text, GError **errp)
{
    if (!config->data_dirs) {
        config->data_dirs = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(config->data_dirs, g_strdup(text));
    return true;
}

/* A name without directories that is not there is looked for where -L says, in that order. */
static void find_firmware(MachineConfig *config)
{
    if (!config->bios || strchr(config->bios, '/') ||
        g_file_test(config->bios, G_FILE_TEST_EXISTS)) {
        return;
    }
    for (unsigned i = 0; config->data_dirs && i < config->data_dirs->len; i++) {
        g_autofree char *path = g_build_filename(g_ptr_array_index(config->data_dirs, i),
                                                 config->bios, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            set_string(&config->bios, path);
            return;
        }
    }
}

static bool option_smbios(MachineConfig *config, const char *text, GError **errp)
{
    return smbios_options_set(config->smbios, text, errp);
}

static bool option_none_only(MachineConfig *config, const char *text, GError **errp)
{
    if (strcmp(text, "none")) {
        return error_set(
            errp, "'%s' is not available: this machine has a serial console only; use 'none'",
            text);
    }
    return true;
}

static bool option_snapshot(MachineConfig *config, const char *text, GError **errp)
{
    config->snapshot = true;
    return true;
}

static bool option_enable_kvm(MachineConfig *config, const char *text, GError **errp)
{
    return option_accel(config, "kvm", errp);
}

static bool option_display(MachineConfig *config, const char *text, GError **errp)
{
    config->display_given = true;
    return option_none_only(config, text, errp);
}

static bool option_nographic(MachineConfig *config, const char *text, GError **errp)
{
    config->nographic = true;
    return true;
}

static bool option_nodefaults(MachineConfig *config, const char *text, GError **errp)
{
    config->nodefaults = true;
    return true;
}

static bool option_no_user_config(MachineConfig *config, const char *text, GError **errp)
{
    return true; /* no configuration file is ever read */
}

/* The key that begins commands on a terminal is C-a, and nothing else. */
static bool option_echr(MachineConfig *config, const char *text, GError **errp)
{
    char *end;

    if (strtoul(text, &end, 0) == 1 && !*end) {
        return true;
    }
    error_set(errp, "'%s' is not available: the escape character is C-a, 0x01", text);
    error_hint(errp, "Leave it out, or use -echr 0x01");
    return false;
}

static bool option_qtest(MachineConfig *config, const char *text, GError **errp)
{
    return set_string(&config->qtest, text);
}

static bool option_qtest_log(MachineConfig *config, const char *text, GError **errp)
{
    return set_string(&config->qtest_log, text);
}

static bool option_log(MachineConfig *config, const char *text, GError **errp)
{
    return log_check(text, errp) && set_string(&config->log_items, text);
}

static bool option_log_file(MachineConfig *config, const char *text, GError **errp)
{
    return set_string(&config->log_file, text);
}

static const Option options[] = {
    { "object", "TYPE[,PROP=VALUE,...]", option_object,
      "create an object (-object help); tdx-guest makes the machine a TD" },
    { "netdev", "TYPE,id=ID[,PROP=VALUE,...]", option_netdev,
      "the host's end of a network: user, stream, tap (-netdev help)" },
    { "nic", "TYPE[,model=CARD][,mac=ADDRESS][,...]|none", option_nic,
      "a network card and its netdev in one" },
    { "net", "none|nic|user|...", option_net,
      "no network card; or a card and its other end in two options" },
    { "device", "DRIVER[,PROP=VALUE,...]", option_device, "add a device (-device help)" },
    { "drive", "file=FILE[,format=raw][,if=none|virtio][,id=ID][,...]", option_drive,
      "add a disk" },
    { "snapshot", NULL, option_snapshot,
      "write to temporary files instead of disks: what a guest writes ends with it" },
    { "cdrom", "FILE", option_cdrom, "put a CD's image into a CD drive" },
    { "hda", "FILE", option_hda, "the first disk of a SCSI bus: /dev/sda to Linux" },
    { "hdb", "FILE", option_hdb, "its second disk" },
    { "hdc", "FILE", option_hdc, "its third disk" },
    { "hdd", "FILE", option_hdd, "its fourth disk" },
    { "blockdev", "[driver=]file|raw,node-name=NAME[,...]", option_blockdev,
      "add a disk without a device" },
    { "global", "DRIVER.PROP=VALUE", option_global, "another default for a property of devices" },
    { "machine", "[type=]NAME[,PROP=VALUE,...]", option_machine,
      "select the machine (q35) and its properties" },
    { "M", "NAME[,...]", option_machine, "same as -machine" },
    { "accel", "[accel=]NAME[,PROP=VALUE,...]", option_accel,
      "select the accelerator: kvm, qtest (-accel help)" },
    { "enable-kvm", NULL, option_enable_kvm, "same as -accel kvm" },
    { "cpu", "MODEL[,+FEATURE,-FEATURE,...]", option_cpu, "select the CPU (host)" },
    { "smp", "[cpus=]N[,sockets=N,cores=N,threads=N,...]", option_smp,
      "set the number of vCPUs and their topology" },
    { "m", "[size=]MEGS", option_memory, "set the size of RAM (default 128 MiB)" },
    { "numa", "node[,memdev=ID]", option_numa, "the one NUMA node there is" },
    { "bios", "FILE", option_bios, "firmware; for a TD a TDVF image" },
    { "L", "DIR", option_data_dir, "look for -bios's file in DIR too" },
    { "kernel", "FILE", option_kernel,
      "boot this Linux kernel (a bzImage with EFI stub) or EFI application by the firmware" },
    { "initrd", "FILE", option_initrd, "its initial RAM disk" },
    { "append", "TEXT", option_append, "its command line" },
    { "shim", "FILE", option_shim, "a boot shim that checks the kernel's signature" },
    { "fw_cfg", "[name=]NAME,file=FILE|string=TEXT", option_fw_cfg,
      "give the guest a file by fw_cfg" },
    { "smbios", "type=N[,FIELD=VALUE,...]", option_smbios,
      "tell the guest maker, model and serial numbers of the machine" },
    { "serial", "DEV", option_serial,
      "serial port: stdio, mon:stdio, pty, file:PATH, unix:PATH, tcp:HOST:PORT, null, none" },
    { "monitor", "DEV", option_monitor, "a monitor for people, as -serial; none" },
    { "echr", "0x01", option_echr, "the key that begins commands on a terminal: C-a" },
    { "display", "TYPE", option_display, "display: none" },
    { "audio", "none", option_none_only, "sound: none" },
    { "parallel", "none", option_none_only, "parallel port: none" },
    { "vga", "TYPE", option_none_only, "graphics card: none" },
    { "nographic", NULL, option_nographic,
      "no display; the serial port on this terminal (C-a x ends, C-a h helps)" },
    { "nodefaults", NULL, option_nodefaults, "no default devices" },
    { "no-user-config", NULL, option_no_user_config,
      "read no configuration files (none are read)" },
    { "no-reboot", NULL, option_no_reboot, "exit instead of rebooting" },
    { "no-shutdown", NULL, option_no_shutdown, "stop instead of exiting at a power-off" },
    { "action", "reboot=...,shutdown=...,panic=...,watchdog=...", option_action,
      "what a reset, a power-off and a panic do" },
    { "S", NULL, option_paused, "do not start the vCPUs: wait for 'cont'" },
    { "qmp", "DEV", option_qmp, "QMP, as -serial: unix:PATH,server=on,wait=off, stdio" },
    { "qmp-pretty", "DEV", option_qmp_pretty, "the same, spread over lines" },
    { "chardev", "BACKEND,id=ID[,PROP=VALUE,...]", option_chardev,
      "a character device (-chardev help)" },
    { "debugcon", "DEV", option_debugcon, "what firmware writes to its debug port, as -serial" },
    { "mon", "[chardev=]ID[,mode=readline|control][,pretty=on|off]", option_mon,
      "a monitor on a chardev" },
    { "add-fd", "fd=FD,set=SET[,opaque=TEXT]", option_add_fd,
      "put an open file descriptor into a set: /dev/fdset/SET" },
    { "boot", "[strict=on|off][,menu=on|off][,splash-time=MS][,...]", option_boot,
      "what the firmware may boot from" },
    { "rtc", "[base=utc|localtime|DATE][,clock=host][,driftfix=none|slew]", option_rtc,
      "the real-time clock" },
    { "watchdog-action", "ACTION", option_watchdog_action, "as -action watchdog=" },
    { "audiodev", "[driver=]none,id=ID", option_audiodev, "accepted: there is no sound" },
    { "compat", "deprecated-input=accept,...", option_compat, "accepted: all interfaces are" },
    { "readconfig", "FILE", option_readconfig, "read options from a configuration file" },
    { "name", "[guest=]NAME[,process=NAME][,debug-threads=on|off]", option_name,
      "the machine's name" },
    { "uuid", "UUID", option_uuid, "the machine's UUID" },
    { "daemonize", NULL, option_daemonize, "go to the background once the machine is made" },
    { "msg", "[timestamp=on|off][,guest-name=on|off]", option_msg, "what stands before messages" },
    { "overcommit", "[mem-lock=on|off|on-fault][,cpu-pm=off]", option_overcommit, "lock memory" },
    { "run-with", "[chroot=DIR][,user=NAME|UID:GID][,exit-with-parent=on|off]", option_run_with,
      "how the process runs" },
    { "sandbox", "on[,obsolete=deny][,elevateprivileges=deny][,spawn=deny][,resourcecontrol=deny]",
      option_sandbox,
      "give up system calls" },
    { "pidfile", "FILE", option_pidfile, "write the process ID to FILE" },
    { "qtest", "stdio|SOCKET[,server=on]", option_qtest,
      "let a test's program drive the machine's devices" },
    { "qtest-log", "FILE|none", option_qtest_log, "log what it says (default: stderr)" },
    { "d", "ITEM[,...]", option_log, "log: tdx, tdvmcall, guest_errors, unimp (-d help)" },
    { "D", "FILE", option_log_file, "write the log to FILE" },
};

static void print_version(void)
{
    printf("QEMU emulator version %s (%s, TDX guests: yes)\n", QEMU_INTERFACE_VERSION, PACKAGE);
    printf("An independent program with QEMU's interface; GPL-2.0-or-later\n");
}

static void print_help(const char *program)
{
    print_version();
    printf("usage: %s [options]\n\n", program);
    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        const Option *o = &options[i];
        g_autofree char *head = g_strdup_printf("-%s%s%s", o->name, o->argument ? " " : "",
                                                o->argument ? o->argument : "");
        printf("%-52s %s\n", head, o->help);
    }
    printf("%-52s %s\n%-52s %s\n\n", "-h, -help", "this text", "-version", "the version");
    printf("A TD:\n  %s -accel kvm -cpu host -m 2G -object tdx-guest,id=tdx0 \\\n"
           "      -machine q35,confidential-guest-support=tdx0 -bios /usr/share/ovmf/OVMF.fd "
           "-nographic\n",
           program);
}

/* -machine help and the like. */
static bool print_option_help(const Option *option, const char *argument, QomTypes types)
{
    g_autofree char *text = NULL;

    if (option->set == option_object) {
        text = object_option_help(types, argument);
    } else if (option->set == option_netdev || option->set == option_nic ||
               option->set == option_net) {
        text = netdev_option_help(types, argument);
    } else if (option->set == option_device) {
        text = device_option_help(types, argument);
    } else if (option->set == option_machine) {
        text = machine_option_help(types, argument);
    } else if (!option_asks_help(argument)) {
        return false;
    } else if (option->set == option_cpu) {
        text = cpu_model_help();
    } else if (option->set == option_accel) {
        text = accel_help(argument);
    } else if (option->set == option_chardev) {
        text = g_strdup(chardev_help());
    } else if (option->set == option_log) {
        text = log_help();
    } else if (option->set == option_none_only || option->set == option_display) {
        text = g_strdup("none\n");
    } else if (strchr(option->argument, '=')) { /* lists of keys: what -help says of them */
        text = g_strdup_printf("-%s %s\n%s\n", option->name, option->argument, option->help);
    }
    if (text) {
        fputs(text, stdout);
    }
    return text;
}

static const Option *find_option(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        if (!strcmp(options[i].name, name)) {
            return &options[i];
        }
    }
    return NULL;
}

bool option_apply(MachineConfig *config, const char *name, const char *argument, GError **errp)
{
    const Option *option = find_option(name);

    return option ? option->set(config, argument, errp)
                  : error_set(errp, "there is no option -%s", name);
}

/* Names of all options, NULL terminated. The caller frees the array alone. */
static const char **option_names(void)
{
    const char **names = g_new0(const char *, G_N_ELEMENTS(options) + 1);

    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        names[i] = options[i].name;
    }
    return names;
}

static void report_unknown(const char *typed, const char *name)
{
    const char *instead = option_instead(name);

    if (instead) {
        g_autofree char *both = g_strdup_printf("not available here\n%s", instead);
        report_error(typed, both);
        return;
    }
    g_autofree const char **names = option_names();
    const char *near = nearest_name(name, names);
    g_autofree char *text = near ? g_strdup_printf("invalid option\nDid you mean -%s? See -help",
                                                   near)
                                 : g_strdup("invalid option\nSee -help");
    report_error(typed, text);
}

/* One option at argv[*i]; *i moves to its last word. */
static OptionsResult parse_one(int argc, char **argv, int *i, MachineConfig *config)
{
    const char *typed = argv[*i];
    const char *name = typed + (g_str_has_prefix(typed, "--") ? 2 : 1);
    const char *argument = NULL;
    g_autoptr(GError) err = NULL;

    if (typed[0] != '-' || typed[1] == '\0') {
        report_error(typed, "disk images are not supported as words of their own\nUse -drive "
                            "file=FILE,format=raw,if=virtio");
        return OPTIONS_ERROR;
    }
    if (!strcmp(name, "h") || !strcmp(name, "help")) {
        print_help(argv[0]);
        return OPTIONS_DONE;
    }
    if (!strcmp(name, "version")) {
        print_version();
        return OPTIONS_DONE;
    }
    const Option *option = find_option(name);
    if (!option) {
        report_unknown(typed, name);
        return OPTIONS_ERROR;
    }
    if (option->argument) {
        if (*i + 1 >= argc) {
            report_error(typed, "requires an argument");
            return OPTIONS_ERROR;
        }
        argument = argv[++*i];
        if (print_option_help(option, argument, qom_object_types(config->root))) {
            return OPTIONS_DONE;
        }
    }
    if (!option->set(config, argument, &err)) {
        g_autofree char *location = argument ? g_strdup_printf("%s %s", typed, argument)
                                             : g_strdup(typed);
        report_error(location, err->message);
        return OPTIONS_ERROR;
    }
    return OPTIONS_RUN;
}

OptionsResult options_parse(int argc, char **argv, QomTypes types, MachineConfig **result)
{
    g_autoptr(MachineConfig) config = g_new0(MachineConfig, 1);
    g_autoptr(GError) err = NULL;

    config->smbios = smbios_options_new();
    life_options_init(&config->life);
    object_options_init(config, types);
    net_options_init(config);
    machine_options_init(config);
    for (int i = 1; i < argc; i++) {
        OptionsResult r = parse_one(argc, argv, &i, config);
        if (r != OPTIONS_RUN) {
            return r;
        }
    }
    find_firmware(config);
    if (!machine_config_complete(config, &err)) {
        report_error(NULL, err->message);
        return OPTIONS_ERROR;
    }
    *result = g_steal_pointer(&config);
    return OPTIONS_RUN;
}

void machine_config_free(MachineConfig *config)
{
    if (!config) {
        return;
    }
    smbios_options_free(config->smbios);
    net_options_clear(config);
    object_options_clear(config);
    machine_options_clear(config);
    g_free(config->kernel_irqchip);
    g_free(config->kvm_device);
    g_free(config->qtest);
    g_free(config->qtest_log);
    cpu_model_free(config->cpu);
    g_free(config->bios);
    g_clear_pointer(&config->data_dirs, g_ptr_array_unref);
    boot_files_clear(&config->boot);
    life_options_clear(&config->life);
    process_options_clear(&config->process);
    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        g_free(config->serial[i]);
    }
    g_free(config->log_items);
    g_free(config->log_file);
    g_free(config);
}
