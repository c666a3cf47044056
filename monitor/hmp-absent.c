/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands for people that QEMU has and this program has not: why, and what there is instead. */
#include <string.h>

#include "monitor-internal.h"

typedef struct Absent {
    const char *name, *why;
} Absent;

static const char no_display[] =
    "there is no display and no keyboard; use the guest's serial console";
static const char no_log[] = "what is logged is chosen at the start: -d tdx,tdvmcall -D FILE";
static const char no_balloon[] = "there is no balloon: a TD's memory cannot be taken back";
static const char no_memory[] =
    "a TD's memory cannot be read from outside; have the guest write its dump itself (kdump)";
static const char no_registers[] =
    "a TD's registers are private: under swtdx, SIGQUIT to this process shows them";
static const char no_debugger[] =
    "a TD's registers and memory cannot be read from outside; use kgdb over a serial port of the "
    "guest, or develop under swtdx with --trace";
static const char no_migration[] = "a TD cannot be migrated, saved or restored: shut the guest "
                                   "down and start it on the other host";
static const char no_jobs[] =
    "there are no block jobs: use qemu-img while the machine is off, or an image of "
    "qemu-storage-daemon";
static const char no_nbd[] =
    "disks are not exported: use qemu-nbd or qemu-storage-daemon on an image that this machine "
    "does not use";
static const char no_limits[] = "disks are not throttled: use the io controller of a cgroup";
static const char no_drives[] =
    "use blockdev-add and blockdev-del (QMP), and device_add and device_del";
static const char no_tcg[] = "vCPUs run on KVM alone";
static const char no_sound[] = "there is no sound";
static const char no_xen[] = "there is no Xen here";
static const char no_errors[] = "hardware errors are not injected into TDs";
static const char no_watchdog[] =
    "use -action watchdog=ACTION, or set-action in QMP (watchdog=ACTION)";
static const char no_ports[] =
    "-qtest SOCKET has inb, outb and their like, without an expression language";

static const Absent commands[] = {
    { "balloon", no_balloon }, { "block_job_cancel", no_jobs }, { "block_job_complete", no_jobs },
    { "block_job_pause", no_jobs }, { "block_job_resume", no_jobs },
    { "block_job_set_speed", no_jobs }, { "block_set_io_throttle", no_limits },
    { "block_stream", no_jobs },
    { "boot_set",
      "UEFI firmware keeps an order of its own: give devices a bootindex at the start" },
    { "calc_dirty_rate", no_migration }, { "cancel_vcpu_dirty_limit", no_migration },
    { "client_migrate_info", no_display }, { "commit", no_jobs },
    { "cpu", "no command here shows one CPU alone" }, { "delvm", no_migration },
    { "drive_add", no_drives }, { "drive_backup", no_jobs }, { "drive_del", no_drives },
    { "drive_mirror", no_jobs }, { "dump-guest-memory", no_memory },
    { "dumpdtb", "x86 machines have no device tree" }, 
    { "getfd", "No file descriptor supplied via SCM_RIGHTS" },
    { "exit_preconfig", "The command is permitted only before machine initialization" },
    { "expire_password", no_display }, { "gdbserver", no_debugger }, { "gpa2hpa", no_memory },
    { "gpa2hva", no_memory }, { "gva2gpa", no_memory }, { "i", no_ports },
    { "loadvm", no_migration }, { "log", no_log }, { "logfile", no_log }, { "mce", no_errors },
    { "memsave", no_memory }, { "migrate", no_migration }, { "migrate_cancel", no_migration },
    { "migrate_continue", no_migration }, { "migrate_incoming", no_migration },
    { "migrate_pause", no_migration }, { "migrate_recover", no_migration },
    { "migrate_set_capability", no_migration }, { "migrate_set_parameter", no_migration },
    { "migrate_start_postcopy", no_migration }, { "mouse_button", no_display },
    { "mouse_move", no_display }, { "mouse_set", no_display }, { "nbd_server_add", no_nbd },
    { "nbd_server_remove", no_nbd }, { "nbd_server_start", no_nbd }, { "nbd_server_stop", no_nbd },
    { "o", no_ports }, { "one-insn-per-tb", no_tcg }, { "p", no_ports },
    { "pcie_aer_inject_error", no_errors }, { "pmemsave", no_memory }, { "print", no_ports },
    { "qemu-io", "use qemu-io on the image while the machine is off" }, { "replay_break", no_tcg },
    { "replay_delete_break", no_tcg }, { "replay_seek", no_tcg }, { "savevm", no_migration },
    { "screendump", no_display }, { "sendkey", no_display }, { "set_password", no_display },
    { "set_vcpu_dirty_limit", no_migration }, { "snapshot_blkdev", no_jobs },
    { "snapshot_blkdev_internal", no_jobs }, { "snapshot_delete_blkdev_internal", no_jobs },
    { "stopcapture", no_sound }, { "sum", no_memory }, { "sync-profile", no_tcg },
    { "system_wakeup", "Unable to wake up: guest is not in suspended state" },
    { "trace-event", no_log }, { "watchdog_action", no_watchdog }, { "wavcapture", no_sound },
    { "x", no_memory }, { "x_colo_lost_heartbeat", no_migration }, { "xen-event-inject", no_xen },
    { "xen-event-list", no_xen }, { "xp", no_memory },
};

static const Absent infos[] = {
    { "accel", "/sys/kernel/debug/kvm has KVM's counters; info tdx has a TD's" },
    { "capture", no_sound }, { "dirty_rate", no_migration }, { "dump", no_memory },
    { "firmware-log", "firmware log buffer not found" },
    { "history", "the keys Up and Down go through the lines that were typed" }, { "jit", no_tcg },
    { "lapic", no_registers }, { "mem", no_registers }, { "migrate_parameters", no_migration },
    { "opcount", no_tcg }, { "registers", no_registers }, { "replay", no_tcg },
    { "rocker", "there is no such switch" }, { "rocker-of-dpa-flows", "there is no such switch" },
    { "rocker-of-dpa-groups", "there is no such switch" },
    { "rocker-ports", "there is no such switch" }, { "spice", no_display },
    { "stats", "use query-stats (QMP), or info tdx" }, { "sync-profile", no_tcg },
    { "tlb", no_registers }, { "trace-events", no_log }, { "usb", "USB support not enabled" },
    { "usbhost", "USB support not enabled" }, { "vcpu_dirty_limit", no_migration },
    { "via", "there is no such device" }, { "virtio-queue-element", "use info qtree" },
    { "virtio-queue-status", "use info qtree" }, { "virtio-status", "use info qtree" },
    { "virtio-vhost-queue-status", "use info qtree" },
    { "vm-generation-id", "VM Generation ID device not found" },
};

static const char *find(const Absent *table, unsigned count, const char *name)
{
    size_t length = strcspn(name, "/"); /* x/4xb */

    for (unsigned i = 0; i < count; i++) {
        if (strlen(table[i].name) == length && !strncmp(table[i].name, name, length)) {
            return table[i].why;
        }
    }
    return NULL;
}

const char *hmp_why_not(const char *name)
{
    return find(commands, G_N_ELEMENTS(commands), name);
}

const char *hmp_why_no_info(const char *name)
{
    return find(infos, G_N_ELEMENTS(infos), name);
}
