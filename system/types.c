/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All types of objects. A type that is not in this list does not exist for users; a parent stands
 * before its children.
 */
#include "system/types.h"

#include "backends/iothread.h"
#include "backends/memory-backend.h"
#include "backends/rng.h"
#include "backends/secret.h"
#include "block/block.h"
#include "chardev/chardev-object.h"
#include "hw/i386/machine-type.h"
#include "hw/i386/q35-tree.h"
#include "hw/isa/isa-bus.h"
#include "hw/misc/misc.h"
#include "hw/pci/pci-device.h"
#include "hw/virtio/vhost-kernel.h"
#include "hw/virtio/vhost-user-device.h"
#include "hw/virtio/virtio-blk.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-rng.h"
#include "hw/virtio/virtio-scsi.h"
#include "hw/virtio/virtio-serial.h"
#include "monitor/monitor-object.h"
#include "hw/virtio/virtio-net.h"
#include "net/netdev.h"
#include "target/i386/cpu-object.h"
#include "target/i386/kvm/tdx-guest-object.h"

const QomType *const program_types[] = {
    &qom_object_type,
    &qom_container_type,
    /* -object */
    &confidential_guest_support_type,
    &x86_confidential_guest_type,
    &tdx_guest_type,
    &memory_backend_type,
    &memory_backend_ram_type,
    &memory_backend_memfd_type,
    &memory_backend_file_type,
    &rng_type,
    &rng_builtin_type,
    &rng_random_type,
    &iothread_type,
    &secret_type,
    &monitor_qmp_type,
    /* -netdev */
    &netdev_type,
    &netdev_user_type,
    &netdev_dgram_type,
    &netdev_passt_type,
    &netdev_stream_type,
    &netdev_tap_type,
    &netdev_vhost_user_type,
    /* -machine */
    &machine_type,
    &board_machine_type,
    &none_machine_type,
    &x86_machine_type,
    &generic_pc_machine_type,
    &pc_q35_machine_type,
    /* -device, and what they sit on */
    &device_type,
    &q35_pcihost_type,
    &ich9_lpc_type,
    &isa_serial_type,
    &isa_debugcon_type,
    &isa_debug_exit_type,
    &pvpanic_isa_type,
    &pci_device_type,
    &pcie_root_port_type,
    &pci_bridge_device_type,
    &pcie_pci_bridge_type,
    &pvpanic_pci_type,
    &i6300esb_type,
    &virtio_pci_type,
    &virtio_blk_pci_type,
    &virtio_blk_pci_nt_type,
    &virtio_rng_pci_type,
    &virtio_rng_pci_nt_type,
    &virtio_serial_pci_type,
    &virtio_serial_pci_nt_type,
    &virtio_serial_port_type,
    &virtserialport_type,
    &virtconsole_type,
    &virtio_balloon_pci_type,
    &virtio_net_pci_type,
    &virtio_net_pci_nt_type,
    &virtio_scsi_pci_type,
    &virtio_scsi_pci_nt_type,
    &scsi_device_type,
    &scsi_disk_base_type,
    &scsi_hd_type,
    &scsi_cd_type,
    &vhost_vsock_pci_type,
    &vhost_vsock_pci_nt_type,
    &vhost_user_pci_type,
    &vhost_user_blk_pci_type,
    &vhost_user_blk_pci_nt_type,
    &vhost_user_fs_pci_type,
    &cpu_type,
    &x86_cpu_type,
    X86_CPU_TYPE_LIST,
    &bus_type,
    &system_bus_type,
    &isa_bus_type,
    &pcie_bus_type,
    &scsi_bus_type,
    &virtio_serial_bus_type,
    /* What devices name */
    &block_node_type,
    &chardev_type,
    NULL,
};
