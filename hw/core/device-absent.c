/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that command lines often have and this machine has not, and what to do without them. */
#include "hw/core/device-absent.h"

#include <glib.h>

static const char vcpus_are_fixed[] =
    "vCPUs of a TD are made before it is measured; give all of them with -smp";
static const char no_bridges[] = "Every device may have a PCI Express slot of its own: put it on "
                                 "pcie.0, or behind pcie-root-port";
static const char modern_only[] =
    "A TD's drivers take devices of Virtio 1 alone: leave -transitional out of the name";
static const char on_pci[] = "Virtio devices are on PCI here: the name ends in -pci";
static const char no_vhost_user[] =
    "Other processes serve vhost-user-blk-pci, vhost-user-fs-pci and -netdev vhost-user";
static const char no_lab[] = "There is no such device: leave it out";
static const char use_net[] = "The network card of this machine is virtio-net-pci";
static const char no_pictures[] = "There is no graphics card: use a serial console (-nographic)";
static const char no_growth[] = "A TD's memory cannot be grown: give all of it with -m";
static const char use_scsi[] = "The SCSI controller of this machine is virtio-scsi-pci";
static const char no_iommu[] =
    "There is no IOMMU: devices reach the memory that the guest shares, and nothing else";
static const char no_input[] = "There are no input devices: use a serial console";
static const char no_sound[] = "There is no sound";
static const char no_usb[] = "There is no USB controller";
static const char no_ide[] = "There is no IDE or SATA controller: use virtio-blk-pci";
static const char use_firmware[] =
    "A TD's first memory is its firmware's: use -bios, -kernel or -fw_cfg";
static const char other_watchdog[] = 
    "Use i6300esb, or the chipset's own watchdog (-global ICH9-LPC.noreboot=off)";

/* By patterns with '*'; the first that fits counts. */
static const struct {
    const char *pattern, *hint;
} absent[] = {
    { "virtio-balloon*",
      "A TD's memory cannot be taken back: leave the balloon out (libvirt: <memballoon "
      "model='none'/>)" },
    { "e1000*", use_net },
    { "rtl8139*", use_net },
    { "VGA*", no_pictures },
    { "qxl*", no_pictures },
    { "virtio-vga*", no_pictures },
    { "virtio-gpu*", no_pictures },
    { "pc-dimm*", no_growth },
    { "nvdimm*", no_growth },
    { "virtio-mem*", no_growth },
    { "virtio-pmem*", no_growth },
    { "virtio-9p*",
      "Use virtiofsd and vhost-user-fs-pci: the guest sees the directory through it" },
    { "vhost-scsi*", use_scsi },
    { "lsi*", use_scsi },
    { "megasas*", use_scsi },
    { "pvscsi*", use_scsi },
    { "nvme*", "There is no NVMe controller: use virtio-blk-pci" },
    { "vfio-*", "There is no device assignment: a TD's private memory is out of reach of devices" },
    { "pci-bridge*", no_bridges },
    { "i82801b11-bridge*", no_bridges },
    { "ioh3420*", no_bridges },
    { "x3130-upstream*", no_bridges },
    { "xio3130-downstream*", no_bridges },
    { "pxb*",
      "The guest sees one PCI root and one NUMA node: put devices on pcie.0 or behind "
      "pcie-root-port" },
    { "vmcoreinfo*",
      "Nobody can read a TD's memory, so there are no dumps that this would help: leave it out" },
    { "ipmi-*", "There is no management controller: leave it out" },
    { "sd-card*", "There is no SD controller: use virtio-blk-pci" },
    { "floppy*", "There is no floppy drive: use virtio-blk-pci" },
    { "scsi-*", "The SCSI disk of this machine is scsi-hd, the CD drive scsi-cd" },
    { "isa-*",
      "The ISA devices of this machine are isa-serial, isa-debugcon, isa-debug-exit, pvpanic" },
    { "guest-loader*", use_firmware },
    { "intel-iommu*", no_iommu },
    { "virtio-iommu*", no_iommu },
    { "tpm-*",
      "There is no TPM: a TD is measured into RTMRs by the TDX module, and proves it by a quote" },
    { "ivshmem*",
      "There is no shared memory device: use virtio-net-pci, or a memory backend with "
      "share=on" },
    { "i8042*", "There is no keyboard controller: use a serial console" },
    { "virtio-input*", no_input },
    { "virtio-keyboard*", no_input },
    { "virtio-mouse*", no_input },
    { "virtio-tablet*", no_input },
    { "vmgenid*",
      "The host would write the number into memory that is private to a TD; and a TD is never a "
      "copy of another: leave it out" },
    { "intel-hda*", no_sound },
    { "AC97*", no_sound },
    { "vmxnet3*", use_net },
    { "igb*", use_net },
    { "pcnet*", use_net },
    { "loader*", use_firmware },
    { "usb-*", no_usb },
    { "qemu-xhci*", no_usb },
    { "ide-cd*", "There is no IDE or SATA controller: use scsi-cd on a virtio-scsi-pci" },
    { "ide-*", no_ide },
    { "ahci*", no_ide },
    { "*-x86_64-cpu", vcpus_are_fixed },
    { "*-pci-transitional", modern_only },
    { "virtio-*-device", on_pci },
    { "vhost-vsock-device", on_pci },
    { "vhost-user-fs-device", on_pci },
    { "vhost-user-blk", on_pci },
    { "vhost-user-*", no_vhost_user },
    { "vhost-vdpa*", "There is no vDPA: use -netdev tap,vhost=on, or vhost-user" },
    { "virtio-crypto*", "There is no crypto device: the guest's processor has AES" },
    { "virtio-rtc*", "The clock is the CMOS one, and the TSC" },
    { "vmclock", "The clock is the CMOS one, and the TSC" },
    { "mc146818rtc", "The machine has its clock already: leave it out" },
    { "virtio-sound*", no_sound },
    { "virtio-multitouch*", no_input },
    { "vmmouse", no_input },
    { "u2f-*", no_usb },
    { "acpi-erst",
      "There is no store for error records: have the guest write its dump itself (kdump)" },
    { "amd-iommu", no_iommu },
    { "AMDVI-PCI", no_iommu },
    { "iommu-testdev", no_iommu },
    { "ati-vga", no_pictures },
    { "bochs-display", no_pictures },
    { "cirrus-vga", no_pictures },
    { "ramfb", no_pictures },
    { "secondary-vga", no_pictures },
    { "vmware-svga", no_pictures },
    { "adlib", no_sound },
    { "cs4231a", no_sound },
    { "gus", no_sound },
    { "hda-*", no_sound },
    { "ich9-intel-hda", no_sound },
    { "sb16", no_sound },
    { "ES1370", no_sound },
    { "am53c974", use_scsi },
    { "dc390", use_scsi },
    { "mptsas1068", use_scsi },
    { "i8255*", use_net },
    { "i82562", use_net },
    { "i82801", use_net },
    { "ne2k_*", use_net },
    { "tulip", use_net },
    { "rocker", use_net },
    { "cxl-*", "There are no CXL devices: a TD's memory is what -m says" },
    { "sp-mem", no_growth },
    { "hv-balloon", no_growth },
    { "ich9-ahci", no_ide },
    { "piix*-ide", no_ide },
    { "ich9-usb-*", no_usb },
    { "nec-usb-xhci", no_usb },
    { "pci-ohci", no_usb },
    { "piix*-usb-*", no_usb },
    { "emmc", "There is no SD controller: use virtio-blk-pci" },
    { "sdhci-pci", "There is no SD controller: use virtio-blk-pci" },
    { "ufs*", "There is no UFS controller: use virtio-blk-pci" },
    { "pci-serial*", "Use isa-serial, or virtio-serial-pci with virtconsole" },
    { "ib700", other_watchdog },
    { "pci-ipmi-*", "There is no management controller: leave it out" },
    { "smbus-ipmi", "There is no management controller: leave it out" },
    { "*can_pci", no_lab },
    { "kvaser_pci", no_lab },
    { "mioe3680_pci", no_lab },
    { "pcm3680_pci", no_lab },
    { "i2c-*", no_lab },
    { "ipoctal232", no_lab },
    { "tpci200", no_lab },
    { "edu", no_lab },
    { "pc-testdev", no_lab },
    { "pci-testdev", no_lab },
    { "hyperv-testdev", no_lab },
    { "hv-syndbg", "There is no Hyper-V here: leave it out" },
    { "vmbus-bridge", "There is no Hyper-V here: leave it out" },
    { "nitro-*", "This machine is no Nitro enclave: leave it out" },
    { "xen-*", "There is no Xen here: leave it out" },
    { "x-pci-proxy-dev", "Devices in other processes speak vhost-user here" },
};

const char *device_instead_of(const char *driver)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(absent); i++) {
        if (g_pattern_match_simple(absent[i].pattern, driver)) {
            return absent[i].hint;
        }
    }
    return NULL;
}
