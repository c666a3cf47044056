/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU has or has had and this machine has not: options and machine properties, each with what
 * to write instead.
 */
#include <string.h>

#include "system/options.h"

typedef struct Absent {
    const char *name, *hint;
} Absent;

static const char no_pictures[] =
    "There is no graphics card: use a serial console (-nographic), or -display none";
static const char no_usb[] = "There is no USB controller: leave it out";
static const char no_sound[] = "There is no sound: leave it out";
static const char no_floppy[] =
    "There is no floppy drive: use -drive file=FILE,format=raw,if=virtio";
static const char use_drive[] = "Use -drive file=FILE,format=raw,if=virtio";
static const char no_flash[] = "There is no flash memory: a TD has no read-only memory, and its "
                               "variables live in the TD. Use -bios with one file that holds code "
                               "and variables";
static const char no_debugger[] = "A TD's registers and memory cannot be read: there is no gdb. "
                                  "Use -d tdx,tdvmcall, or run the whole command under 'swtdx run "
                                  "--', which shows both when a TD stops";
static const char no_migration[] =
    "TDs are not migrated, saved or loaded: end this TD and start another elsewhere";
static const char kvm_only[] = "A TD runs on KVM alone: leave it out";
static const char no_numa[] = "The guest sees one NUMA node: leave it out";
static const char memory_objects[] =
    "Use -object memory-backend-file,id=ram0,size=SIZE,mem-path=PATH and -machine "
    "memory-backend=ram0; a TD's private memory comes from KVM whatever the backend";
static const char use_log[] = "Use -d tdx,tdvmcall (-d help lists what can be logged)";
static const char no_files[] =
    "Use virtiofsd and -device vhost-user-fs-pci: the guest sees the directory through it";
static const char no_tables[] = "The guest's ACPI tables are the machine's own: leave it out";
static const char no_config[] =
    "No configuration file is written: -readconfig reads one written by hand";
static const char no_tpm[] =
    "There is no TPM: a TD is measured into RTMRs by the TDX module, and proves it by a quote";
static const char no_xen[] = "There is no Xen here: leave it out";

static const Absent options[] = {
    { "acpitable", no_tables },
    { "alt-grab", no_pictures },
    { "balloon", "A TD's memory cannot be taken back: leave the balloon out" },
    { "bt", "There is no Bluetooth: leave it out" },
    { "chroot", "Use -run-with chroot=DIR" },
    { "ctrl-grab", no_pictures },
    { "curses", no_pictures },
    { "dfilter", use_log },
    { "dtb", "x86 machines have no device tree: leave it out" },
    { "dump-vmstate", no_migration },
    { "enable-hax", kvm_only },
    { "enable-sync-profile", use_log },
    { "fda", no_floppy },
    { "fdb", no_floppy },
    { "fsdev", no_files },
    { "full-screen", no_pictures },
    { "g", no_pictures },
    { "gdb", no_debugger },
    { "hdachs", use_drive },
    { "icount", kvm_only },
    { "igvm", "TDs start from a TDVF image: use -bios" },
    { "incoming", no_migration },
    { "id", "That is an option of Proxmox's QEMU: leave it out" },
    { "iscsi", "There are no iSCSI disks: leave it out, log in on the host (iscsiadm) and use "
               "-drive file=/dev/disk/by-path/...,format=raw,if=virtio" },
    { "jitdump", kvm_only },
    { "k", no_pictures },
    { "loadvm", no_migration },
    { "localtime", "Use -rtc base=localtime" },
    { "mem-path", memory_objects },
    { "mem-prealloc", "A TD's private memory comes from KVM: memory that is filled before would be "
                      "filled twice. Leave it out" },
    { "mtdblock", no_flash },
    { "no-acpi", "Use -machine acpi=off" },
    { "no-fd-bootchk", no_floppy },
    { "no-frame", no_pictures },
    { "no-hpet", "Use -machine hpet=off, or leave it out: there is no HPET" },
    { "no-kvm", "Use -accel kvm: a TD runs on KVM alone. On a machine without TDX run the whole "
                "command under 'swtdx run --'" },
    { "no-kvm-irqchip", "Use -accel kvm,kernel-irqchip=split, or leave it out" },
    { "no-kvm-pit", "There is no PIT in a TD: leave it out" },
    { "no-kvm-pit-reinjection", "There is no PIT in a TD: leave it out" },
    { "no-quit", no_pictures },
    { "nodefconfig", "Use -no-user-config" },
    { "only-migratable", no_migration },
    { "option-rom", "Option ROMs would need read-only memory, which a TD has not: UEFI firmware "
                    "brings its own drivers" },
    { "perfmap", kvm_only },
    { "pflash", no_flash },
    { "plugin", kvm_only },
    { "preconfig", "Give the options on the command line; what can be added later is added with "
                   "QMP, after -S" },
    { "realtime", "Use -overcommit mem-lock=on" },
    { "redir", "Use -nic user,hostfwd=..." },
    { "rtc-td-hack", "Use -rtc driftfix=slew" },
    { "runas", "Use -run-with user=NAME" },
    { "s", no_debugger },
    { "sd", use_drive },
    { "sdl", no_pictures },
    { "seed", kvm_only },
    { "set", "Write the property where its object is made" },
    { "show-cursor", no_pictures },
    { "singlestep", kvm_only },
    { "smb", "Use -nic user and a server on the host" },
    { "soundhw", no_sound },
    { "spice", no_pictures },
    { "startdate", "Use -rtc base=2006-06-17T16:01:21" },
    { "tb-size", kvm_only },
    { "tdf", "Use -rtc driftfix=slew" },
    { "tpmdev", no_tpm },
    { "trace", use_log },
    { "usb", no_usb },
    { "usbdevice", no_usb },
    { "virtfs", no_files },
    { "vnc", no_pictures },
    { "watchdog", "There is no watchdog: leave it out" },
    { "win2k-hack", "There is no IDE controller: leave it out" },
    { "writeconfig", no_config },
    { "xen-attach", no_xen },
    { "xen-domid", no_xen },
    { "xen-domid-restrict", no_xen },
};

static const Absent machine_properties[] = {
    { "aux-ram-share", "Use -object memory-backend-memfd,id=ram0,size=SIZE,share=on and -machine "
                       "memory-backend=ram0" },
    { "cxl", "There are no CXL devices: leave it out" },
    { "dtb", "x86 machines have no device tree: leave it out" },
    { "dumpdtb", "x86 machines have no device tree: leave it out" },
    { "fd-bootchk", no_floppy },
    { "hmat", no_numa },
    { "igvm-cfg", "TDs start from a TDVF image: use -bios" },
    { "kvm-type", "A TD is asked for by -object tdx-guest,id=tdx0 and -machine "
                  "confidential-guest-support=tdx0" },
    { "max-fw-size", "Firmware may have up to 16 MiB: leave it out" },
    { "max-ram-below-4g", "How much RAM is below 4 GiB follows from -m: leave it out" },
    { "nvdimm", "There are no NVDIMMs: a TD's memory is what -m says. Leave it out" },
    { "pflash0", no_flash },
    { "pflash1", no_flash },
    { "sgx-epc", "There is no SGX in a TD: leave it out" },
    { "smbios-entry-point-type", "SMBIOS tables have the 64-bit entry point: leave it out" },
    { "smp", "Use -smp" },
    { "smp-cache", "A TD shows the host's caches: leave it out" },
    { "suppress-vmdesc", no_migration },
    { "wdat", "There is no watchdog: leave it out" },
    { "x-change-vmfd-on-reset", "Every reset makes a new VM: leave it out" },
    { "x-oem-id", no_tables },
    { "x-oem-table-id", no_tables },
};

static const char *find(const Absent *table, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(table[i].name, name)) {
            return table[i].hint;
        }
    }
    return NULL;
}

const char *option_instead(const char *name)
{
    return find(options, G_N_ELEMENTS(options), name);
}

const char *machine_property_instead(const char *name)
{
    return find(machine_properties, G_N_ELEMENTS(machine_properties), name);
}
