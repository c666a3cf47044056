/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What monitors tell of the options that take key=value lists, and of the machines. */
#include "system/options.h"

static const OptionParameter machine[] = {
    { "type", "string" }, { "accel", "string" }, { "acpi", "boolean" },
    { "confidential-guest-support", "string" },
    { "firmware", "string" }, { "hpet", "boolean" }, { "i8042", "boolean" },
    { "kernel-irqchip", "string" },
    { "memory-encryption", "string" }, { "pic", "boolean" }, { "pit", "boolean" },
    { "sata", "boolean" },
    { "smbus", "boolean" }, { "smm", "boolean" }, { "usb", "boolean" }, { "vmport", "boolean" },
    { NULL },
};
static const OptionParameter accel[] = { { "accel", "string" }, { "kernel-irqchip", "string" },
                                         { NULL } };
static const OptionParameter smp[] = {
    { "cpus", "number" }, { "maxcpus", "number" }, { "sockets", "number" }, { "dies", "number" },
    { "modules", "number" },
    { "cores", "number" }, { "threads", "number" }, { NULL },
};
static const OptionParameter memory[] = { { "size", "size" }, { NULL } };
static const OptionParameter fw_cfg[] = { { "name", "string" }, { "file", "string" },
                                          { "string", "string" }, { NULL } };
static const OptionParameter mon[] = {
    { "mode", "string" }, { "chardev", "string" }, { "pretty", "boolean" }, { NULL },
};
static const OptionParameter name[] = {
    { "guest", "string" }, { "process", "string" }, { "debug-threads", "boolean" }, { NULL },
};
static const OptionParameter action[] = {
    { "reboot", "string" }, { "shutdown", "string" }, { "panic", "string" },
    { "watchdog", "string" }, { NULL },
};
static const OptionParameter boot[] = {
    { "order", "string" }, { "once", "string" }, { "strict", "boolean" }, { "menu", "boolean" },
    { "splash-time", "number" }, { "reboot-timeout", "number" }, { NULL },
};
static const OptionParameter msg[] = { { "timestamp", "boolean" }, { "guest-name", "boolean" },
                                       { NULL } };
static const OptionParameter overcommit[] = { { "mem-lock", "string" }, { "cpu-pm", "boolean" },
                                              { NULL } };
static const OptionParameter run_with[] = {
    { "chroot", "string" }, { "exit-with-parent", "boolean" }, { "user", "string" }, { NULL },
};
static const OptionParameter sandbox[] = {
    { "enable", "boolean" }, { "obsolete", "string" }, { "elevateprivileges", "string" },
    { "spawn", "string" },
    { "resourcecontrol", "string" }, { NULL },
};

static const OptionInfo infos[] = {
    { "accel", accel }, { "action", action }, { "boot-opts", boot }, { "chardev", NULL },
    { "fw_cfg", fw_cfg }, { "m", memory }, { "machine", machine },
    { "mon", mon }, { "msg", msg }, { "name", name }, { "object", NULL },
    { "overcommit", overcommit }, { "run-with", run_with },
    { "sandbox", sandbox }, { "smp-opts", smp }, { NULL },
};

const OptionInfo *option_infos(void)
{
    return infos;
}

const MachineInfo *machine_infos(void)
{
    static const MachineInfo machines[] = {
        { Q35_MACHINE_ID, "q35", Q35_MAX_CPUS, true, true, "pc.ram" },
        { "pc-q35-11.0", NULL, Q35_MAX_CPUS, false, true, "pc.ram" },
        { "pc-q35-10.2", NULL, Q35_MAX_CPUS, false, true, "pc.ram" },
        { "pc-q35-10.1", NULL, Q35_MAX_CPUS, false, true, "pc.ram" },
        { "pc-q35-10.0", NULL, Q35_MAX_CPUS, false, true, "pc.ram" },
        { "none", NULL, 1, false, false },
        { NULL },
    };

    return machines;
}
