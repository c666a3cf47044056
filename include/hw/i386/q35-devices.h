/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of a q35 machine, for those that add to it: interrupt lines, the PCI bus, fw_cfg. */
#ifndef HW_I386_Q35_DEVICES_H
#define HW_I386_Q35_DEVICES_H

#include "hw/i386/acpi.h"
#include "hw/i386/debugcon.h"
#include "hw/i386/fw_cfg.h"
#include "hw/i386/mch.h"
#include "hw/i386/pm.h"
#include "hw/i386/q35.h"
#include "hw/i386/reset-ports.h"
#include "hw/intc/ioapic.h"
#include "hw/isa/lpc.h"
#include "hw/isa/rtc.h"
#include "hw/isa/serial.h"
#include "hw/pci/pci.h"
#include "system/core/irq.h"
#include "system/core/msi.h"

#define Q35_NUM_GSI 24
#define Q35_SCI_GSI 9
#define Q35_FIRST_PIRQ_GSI 16
#define Q35_MAX_SERIAL 4

typedef struct Q35Devices {
    IrqLine gsi[Q35_NUM_GSI]; /* what devices drive: the I/O APIC's pins */
    /* to the local APICs; filled in by the machine's owner, see system/core/msi.h */
    MsiPort msi;
    EventPort events;         /* eventfds to and from the guest; filled in likewise */
    /* what devices may touch: all RAM, unless the owner puts a TD's map here */
    SharedMemoryPort shared_memory;
    Ioapic *ioapic;
    PciBus *pci;
    PciHost *pci_host;
    ResetPorts *reset_ports;
    Mch *mch;
    Lpc *lpc;
    Pm *pm;
    Tco *tco;
    Rtc *rtc;
    FwCfg *fw_cfg;
    Acpi *acpi;
    Serial *serial[Q35_MAX_SERIAL];
    uint16_t pvpanic_port;    /* 0 = there is no such device */
} Q35Devices;

/* All RAM: what devices may touch in a machine whose guest keeps none of it private. */
SharedMemoryPort q35_all_memory(Q35Machine *machine);

#endif
