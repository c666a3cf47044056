/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI Express root port and its hotplug slot: PCI Express 5.0, 6.7 (behaviour) and 7.5.3.9 to
 * 7.5.3.11 (registers).
 */
#include "hw/pci/pcie-port.h"

#include "hw/pci/msi.h"
#include "pci-internal.h"
#include "util/error.h"

#define VENDOR 0x1b36
#define DEVICE 0x000c
/* Slot events that raise the interrupt if enabled; the link's has its enable bit elsewhere */
#define EVENTS \
    (PCIE_SLOT_ATTENTION_BUTTON | PCIE_SLOT_PRESENCE_CHANGED | PCIE_SLOT_COMMAND_COMPLETED)

typedef struct Port {
    bool hotplug;
    bool unplug_pending;
    bool announce;   /* what happens to the slot now is told to the guest */
    bool interrupt;  /* the condition, whose rising edge sends a message */
    uint16_t control; /* slot control before the write that is being handled */
    const PcieSlotOps *ops;
    void *opaque;
} Port;

static Port *port_of(const PciFunction *function)
{
    return function->bridge->port;
}

static uint32_t get(const PciFunction *function, unsigned offset)
{
    return pci_config_get(function, function->express + offset, 2);
}

static void set(PciFunction *function, unsigned offset, uint32_t value)
{
    pci_config_set(function, function->express + offset, 2, value);
}

static bool is_present(const PciFunction *function)
{
    return function->bridge->bus->functions[0] != NULL;
}

static void update_interrupt(PciFunction *function)
{
    Port *port = port_of(function);
    uint32_t status = get(function, PCIE_SLOT_STATUS), control = get(function, PCIE_SLOT_CONTROL);
    bool link = (status & PCIE_SLOT_STATUS_LINK_CHANGED) &&
                (control & PCIE_SLOT_CONTROL_LINK_CHANGED);
    bool interrupt = (control & PCIE_SLOT_CONTROL_INTERRUPT) &&
                     ((status & control & EVENTS) || link);

    if (interrupt == port->interrupt) {
        return;
    }
    port->interrupt = interrupt;
    if (!pci_msi_enabled(function)) {
        pci_intx_set(function, interrupt);
    } else if (interrupt) {
        pci_msi_notify(function, 0);
    }
}

static void raise_events(PciFunction *function, uint32_t events)
{
    set(function, PCIE_SLOT_STATUS, get(function, PCIE_SLOT_STATUS) | events);
    update_interrupt(function);
}

/* Presence and link as the slot's contents and power have them. The events that this is. */
static uint32_t update_state(PciFunction *function)
{
    bool power = !(get(function, PCIE_SLOT_CONTROL) & PCIE_SLOT_CONTROL_POWER_OFF) ||
                 !port_of(function)->hotplug;
    bool present = is_present(function), link = present && power;
    uint32_t status = get(function, PCIE_SLOT_STATUS),
             link_status = get(function, PCIE_LINK_STATUS), events = 0;

    if (present != !!(status & PCIE_SLOT_STATUS_PRESENT)) {
        events |= PCIE_SLOT_PRESENCE_CHANGED;
        set(function, PCIE_SLOT_STATUS, status ^ PCIE_SLOT_STATUS_PRESENT);
    }
    if (link != !!(link_status & PCIE_LINK_STATUS_DLL_ACTIVE)) {
        events |= PCIE_SLOT_STATUS_LINK_CHANGED;
        set(function, PCIE_LINK_STATUS, link_status ^ PCIE_LINK_STATUS_DLL_ACTIVE);
    }
    function->bridge->powered_off = !power;
    return events;
}

/* As after power-on: a slot that holds something is on. Nothing of this is an event. */
static void settle(PciFunction *function)
{
    Port *port = port_of(function);

    if (port->hotplug) {
        set(function, PCIE_SLOT_CONTROL,
            PCIE_SLOT_CONTROL_ATTENTION_OFF |
                (is_present(function)
                     ? PCIE_SLOT_CONTROL_POWER_INDICATOR_ON
                     : PCIE_SLOT_CONTROL_POWER_INDICATOR_OFF | PCIE_SLOT_CONTROL_POWER_OFF));
    }
    update_state(function);
    port->control = get(function, PCIE_SLOT_CONTROL);
}

static void give_up_device(PciFunction *function)
{
    Port *port = port_of(function);
    PciBus *bus = function->bridge->bus;

    port->unplug_pending = false;
    for (int i = PCI_DEVFN_COUNT - 1; i >= 0; i--) {
        PciFunction *gone = bus->functions[i];
        if (gone) {
            pci_bus_remove(bus, gone);
            if (port->ops && port->ops->unplugged) {
                port->ops->unplugged(port->opaque, gone);
            } else {
                pci_function_free(gone);
            }
        }
    }
}

static void slot_changed(PciFunction *function)
{
    uint32_t events = update_state(function);

    if (port_of(function)->announce) {
        raise_events(function, events);
    } else {
        settle(function);
    }
}

static void slot_control_written(PciFunction *function)
{
    Port *port = port_of(function);
    uint32_t control = get(function, PCIE_SLOT_CONTROL), events = PCIE_SLOT_COMMAND_COMPLETED;
    bool was_off = port->control & PCIE_SLOT_CONTROL_POWER_OFF,
         off = control & PCIE_SLOT_CONTROL_POWER_OFF;

    port->control = control;
    if (off != was_off) {
        events |= update_state(function);
        pci_bars_update(function);
        if (!off) {
            pci_bus_reset(function->bridge->bus); /* power comes back */
        } else if (port->unplug_pending) {
            port->announce = true;
            give_up_device(function);
            port->announce = false;
        }
    }
    raise_events(function, events);
}

static void config_written(PciFunction *function, unsigned offset, unsigned size)
{
    Port *port = port_of(function);

    if (size >= function->size) {
        return; /* a reset: reset() follows */
    }
    if (port->hotplug && pci_touches(offset, size, function->express + PCIE_SLOT_CONTROL, 2)) {
        slot_control_written(function);
    } else if (pci_touches(offset, size, function->express + PCIE_SLOT_STATUS, 2)) {
        update_interrupt(function);
    }
}

static void reset(PciFunction *function)
{
    Port *port = port_of(function);

    if (port->unplug_pending) {
        give_up_device(function);
    }
    port->interrupt = false;
    pci_intx_set(function, false);
    settle(function);
}

static void freed(PciFunction *function)
{
    g_clear_pointer(&function->bridge->port, g_free);
}

static void define_slot(PciFunction *function, const PcieRootPortConfig *config)
{
    unsigned at = function->express;
    uint32_t capability = (uint32_t)(config->slot & 0x1fff) << PCIE_SLOT_CAP_NUMBER_SHIFT;
    uint16_t control = 0;

    if (config->hotplug) {
        capability |= PCIE_SLOT_CAP_ATTENTION_BUTTON | PCIE_SLOT_CAP_POWER_CONTROLLER |
                      PCIE_SLOT_CAP_ATTENTION_INDICATOR | PCIE_SLOT_CAP_POWER_INDICATOR |
                      PCIE_SLOT_CAP_HOTPLUG;
        control = EVENTS | PCIE_SLOT_CONTROL_INTERRUPT | PCIE_SLOT_CONTROL_ATTENTION_OFF |
                  PCIE_SLOT_CONTROL_POWER_INDICATOR | PCIE_SLOT_CONTROL_POWER_OFF |
                  PCIE_SLOT_CONTROL_LINK_CHANGED;
    }
    pci_config_define(function, at + PCIE_CAPABILITIES, 2,
                      pci_config_get(function, at + PCIE_CAPABILITIES, 2) | PCIE_CAPABILITIES_SLOT,
                      0);
    pci_config_define(function, at + PCIE_LINK_CAP, 4,
                      pci_config_get(function, at + PCIE_LINK_CAP, 4) |
                          PCIE_LINK_CAP_DLL_REPORTING | (uint32_t)config->port << 24,
                      0);
    pci_config_define(function, at + PCIE_SLOT_CAP, 4, capability, 0);
    pci_config_define(function, at + PCIE_SLOT_CONTROL, 2, 0, control);
    pci_config_write_one_to_clear(function, at + PCIE_SLOT_STATUS, 2,
                                  EVENTS | PCIE_SLOT_STATUS_LINK_CHANGED);
    pci_config_define(function, at + PCIE_ROOT_CONTROL, 2, 0, 0x0017);
}

PciFunction *pcie_root_port_new(const PcieRootPortConfig *config, const PcieSlotOps *slot_ops,
                                void *opaque)
{
    static const PciIdentity identity = { VENDOR, DEVICE, .class_device = 0x0604 };
    PciFunction *function = pci_bridge_new(&identity, NULL, NULL);
    Port *port = g_new0(Port, 1);

    port->hotplug = config->hotplug;
    port->ops = slot_ops;
    port->opaque = opaque;
    *function->bridge = (PciBridge) {
        .bus = function->bridge->bus, .one_slot = true, .port = port,
        .config_written = config_written, .reset = reset,
        .freed = freed, .slot_changed = slot_changed,
    };
    pci_express_add(function, PCIE_TYPE_ROOT_PORT);
    define_slot(function, config);
    pci_msi_add(function, 1);
    pci_pm_add(function);
    pci_intx_add(function, 1);
    settle(function);
    return function;
}

static bool pcie_is_root_port(const PciFunction *function)
{
    return function->bridge && function->bridge->port;
}

bool pcie_root_port_plug(PciFunction *port, PciFunction *function, unsigned devfn, const char *name,
                         GError **errp)
{
    PciBus *bus = port->bridge->bus;

    if (!port_of(port)->hotplug) {
        return error_set(errp, "Hot-plug of %s: this pcie-root-port was made with hotplug=off",
                         name);
    }
    if (is_present(port) && devfn != 0) {
        return error_set(
            errp, "PCI: slot 0 function 0 already occupied, new func %s cannot be exposed to guest",
            name);
    }
    if (!pci_bus_check(bus, devfn, name, errp)) {
        return false;
    }
    port_of(port)->announce = true;
    pci_bus_add(bus, function, devfn);
    port_of(port)->announce = false;
    pci_function_reset(function);
    if (devfn == 0) {
        /*
         * Linux takes a slot that has a button for one whose changes the button tells, and hears of
         * no other (pciehp_hpc.c).
         */
        raise_events(port, PCIE_SLOT_ATTENTION_BUTTON);
    }
    return true;
}

bool pcie_root_port_request_unplug(PciFunction *function, const char *name, GError **errp)
{
    Port *port = port_of(function);

    if (!port->hotplug) {
        return error_set(errp, "Hot-unplug of %s: this pcie-root-port was made with hotplug=off",
                         name);
    }
    if (!is_present(function)) {
        return error_set(errp, "Hot-unplug of %s: the slot is empty", name);
    }
    if (port->unplug_pending) {
        return error_set(errp, "Device %s is already in the process of unplug", name);
    }
    port->unplug_pending = true;
    if (get(function, PCIE_SLOT_CONTROL) & PCIE_SLOT_CONTROL_POWER_OFF) {
        give_up_device(function); /* the guest has given it up already */
    } else {
        raise_events(function, PCIE_SLOT_ATTENTION_BUTTON);
    }
    return true;
}

bool pcie_root_port_unplug_pending(const PciFunction *function)
{
    return pcie_is_root_port(function) && port_of(function)->unplug_pending;
}
